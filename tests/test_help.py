"""What ``help(lab.tanh)`` and ``lab.tanh?`` show, and that every example in it is true."""

import doctest
import inspect
import pydoc

import pytest

import minitorch_lab as lab
from minitorch_lab import nn
from minitorch_lab.op import OPS, Op
from minitorch_lab.ops import FUNCTIONS

CALLED = {**FUNCTIONS, **{n: getattr(nn.functional, n) for n in nn.functional.__all__}}
CALLED |= {f"linalg.{n}": getattr(lab.linalg, n) for n in ("inv", "det")}
ROWS = sorted({f.name for f in CALLED.values() if isinstance(f, Op)})


@pytest.mark.parametrize("name", sorted(n for n in OPS if OPS[n].example))
def test_the_example_of_a_row_is_true(name):
    lab.mode("eager")
    test = doctest.DocTestParser().get_doctest(OPS[name].example, {"lab": lab}, name, None, 0)
    said = []
    assert doctest.DocTestRunner().run(test, out=said.append).failed == 0, "".join(said)


def test_everything_that_is_called_by_name_has_an_example():
    bare = [
        name
        for name, function in CALLED.items()
        if ">>>" not in function.__doc__
        and not name.endswith("_")  # in place: the text of the other form holds
        and "another name of" not in function.__doc__.lower()
    ]
    assert bare == ["check_probability"]


@pytest.mark.parametrize("name", ROWS)
def test_help_of_an_op_is_its_rows_own(name):
    row = OPS[name]
    text = pydoc.plain(pydoc.render_doc(row))
    assert row.doc in text
    assert f"{name}(" in text
    assert "One row of the table" not in text
    assert "\\" not in row.__doc__.replace("\\n", "")  # formulas are plain text
    assert str(inspect.signature(row)) in text


def test_a_method_says_what_the_function_says():
    assert lab.Tensor.tanh.__doc__ == lab.tanh.__doc__
    assert lab.Tensor.roll.__doc__ == lab.roll.__doc__
    assert str(inspect.signature(lab.ones(2).sum)).startswith("(dim=None, keepdim=False")
    assert list(inspect.signature(lab.ones(2).roll).parameters) == ["shifts", "dims"]
    assert lab.Tensor.tanh_.__doc__.endswith("In place: the tensor itself changes.")


def test_the_table_says_what_it_is_and_a_row_what_it_does():
    assert Op.__doc__ == "One row of the table; call it to apply the op."
    assert OPS["tanh"].__doc__.startswith("tanh(input, *, out=None)\n\nHyperbolic tangent")
    assert str(inspect.signature(OPS["add"])) == "(input, other, *, alpha=1, out=None)"
    assert str(inspect.signature(OPS["reshape"])) == "(input, *shape)"
    assert "dx = dy (1 - y^2)" in OPS["tanh"].__doc__
    assert "raise a DTypeError" in OPS["pow"].__doc__


def test_jupyter_shows_the_call_and_the_text():
    inspector = pytest.importorskip("IPython.core.oinspect").Inspector
    shown = inspector(theme_name="nocolor").info(lab.tanh, oname="lab.tanh")
    assert shown["docstring"] == lab.tanh.__doc__
    assert shown["definition"] == "lab.tanh(input, *, out=None)"


@pytest.mark.parametrize("name", ["clip", "divide", "moveaxis", "row_stack", "ger", "swapdims"])
def test_a_second_name_says_whose_it_is(name):
    first = {"clip": "clamp", "divide": "div", "moveaxis": "movedim", "row_stack": "vstack"}
    first |= {"ger": "outer", "swapdims": "transpose"}
    assert FUNCTIONS[name].__doc__.startswith(f"Another name of ``{first[name]}``.")
    assert inspect.signature(FUNCTIONS[name]) == inspect.signature(FUNCTIONS[first[name]])
