"""The cells of lessons 16 and 17 as a learner writes them, with public names, and their output."""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import textwrap
from typing import Any

import pytest

import minitorch_lab as lab
from minitorch_lab.graph.codegen import native


class Notebook:
    """Runs cells one after another, each with its number in the errors and comments."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {"__name__": "__main__"}
        self.count = 0

    def run(self, cell: str) -> list[str]:
        """The lines that a cell prints."""
        text = textwrap.dedent(cell).strip() + "\n"
        assert len(text.splitlines()) <= 15
        assert "._" not in text  # no private name
        self.count += 1
        name = f"cell {self.count}"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(text, name, "exec"), self.space)  # noqa: S102  our own cells
        return out.getvalue().splitlines()


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def in_c() -> None:
    try:
        native.compiler()
    except native.NoCompiler as why:
        pytest.skip(str(why))


SETUP = """
    import minitorch_lab as lab

    def f(x):
        a = lab.exp(x * 1.0)
        b = lab.exp(x)
        lab.tanh(x)  # nothing needs it
        return lab.nn.functional.softmax(a + b, dim=-1)

    x = lab.ones(4, 100)
    compiled = lab.compile(f, executor="numpy")
    compiled(x)
    found = lab.explain(compiled)
"""


def test_what_each_pass_did(notebook: Notebook) -> None:
    notebook.run(SETUP)
    printed = notebook.run("""
        for record in found.passes():
            print(record.name, len(record.changes))
            for change in record.changes:
                print("  ", change)
    """)
    assert "simplify 1" in printed
    row = "   rewritten by x * 1 = x: %1 = mul(%0, 1.0) -> %0  # cell 1 line 4"
    assert printed[printed.index("simplify 1") + 1] == row
    row = "   merged: %2 = exp(%0), %3 = exp(%0) -> %2 = exp(%0)  # cell 1 line 4, cell 1 line 5"
    assert printed[printed.index("common 1") + 1] == row
    assert printed[printed.index("dead 1") + 1] == "   removed: %4 = tanh(%0)  # cell 1 line 6"


def test_a_pass_as_a_difference(notebook: Notebook) -> None:
    notebook.run(SETUP)
    printed = notebook.run("""
        records = {record.name: record for record in found.passes()}
        print(records["dead"].diff())
    """)
    assert printed == [
        "  ...",
        "   %2 = exp(%0)  float32 (4, 100)  # cell 1 line 4",
        "-  %4 = tanh(%0)  float32 (4, 100)  # cell 1 line 6",
        "   %5 = add(%2, %2)  float32 (4, 100)  # cell 1 line 7",
    ]
    assert notebook.run("print(records['fold'].diff() or 'nothing')") == ["nothing"]


def test_what_each_pass_saved_and_what_is_lost_without_it(notebook: Notebook) -> None:
    notebook.run(SETUP)
    whole, less, saved = notebook.run("""
        other = lab.compile(f, executor="numpy", without="common")
        print(found.kernels().cost().flops)
        print(lab.explain(other, x).kernels().cost().flops)
        print({r.name: r.flops_saved for r in found.passes()}["common"])
    """)
    assert int(less) - int(whole) == int(saved) == 400 * 8  # one exp of each entry
    printed = notebook.run("print([r.name for r in lab.explain(other).passes()])")
    assert "common" not in printed[0]
    with pytest.raises(lab.ArgumentError, match="no pass is called 'commons'"):
        notebook.run("lab.compile(f, without='commons')")


def test_certificates(notebook: Notebook) -> None:
    notebook.run(SETUP)
    printed = notebook.run("""
        for record in found.passes():
            print(record.name, record.certificate())
        print(found.certificate())
        print(found.bits())
    """)
    half = printed.index("every bit as in eager mode")
    assert all(line.endswith("1 result equal, bit for bit") for line in printed[:half])
    assert all(line.endswith("keeps every bit") for line in printed[half + 1 :])
    assert [line.split()[0] for line in printed[half + 1 :]].count("numpy") == 1
    assert "  bits             every bit as in eager mode" in notebook.run("print(found)")


def test_a_pass_of_ones_own_and_why_it_is_not_safe(notebook: Notebook) -> None:
    notebook.run("""
        import minitorch_lab as lab
        from minitorch_lab.graph import replaced, run_pass

        def undo(graph):
            "Takes log(exp(x)) for x."
            made = {e.out: e for e in graph.equations}
            instead = {}
            for e in graph.equations:
                if e.op.name == "log" and made[e.inputs[0]].op.name == "exp":
                    instead[e.out] = made[e.inputs[0]].inputs[0]
            return replaced(graph, instead)

        graph = lab.compile(lambda x: lab.log(lab.exp(x)) + 1).graph(lab.ones(3))
    """)
    printed = notebook.run("""
        record = run_pass(undo, graph)
        print(record.name, record.words, len(record.changes), record.flops_saved)
        print(record.diff())
        print(record.certificate())
        print(record.certificate([0.0, 1.0, 2.0]).relative < 1e-6)
        print(record.certificate([0.0, 1.0, 1000.0]))
    """)
    assert printed[0].startswith("undo Takes log(exp(x)) for x. 2 ")
    assert [line[:14] for line in printed if line.startswith(("-", "+"))] == [
        "-  %2 = log(%1", "-  %3 = add(%2", "+  %3 = add(%0",
    ]  # fmt: skip
    near, few, far = printed[-3:]
    assert near.startswith("largest difference ")  # small: it looks safe
    assert few == "True"
    assert far == "largest difference inf, relative inf"


def test_what_c_makes_of_it(notebook: Notebook, in_c: None) -> None:
    notebook.run(SETUP)
    printed = notebook.run("""
        found = lab.explain(lab.compile(f, executor="c"), x)
        for kernel in found.kernels():
            print(kernel.kind, kernel.name, [str(line) for line in kernel.lines])
            print(found.origin(kernel))
    """)
    last = "# cell 1 line 7: return lab.nn.functional.softmax(a + b, dim=-1)"
    assert printed == [
        "loop exp, add, softmax ['cell 1 line 4', 'cell 1 line 5', 'cell 1 line 7']",
        "%2 = exp(%1)  # cell 1 line 4: a = lab.exp(x * 1.0)",
        "%3 = exp(%0)  # cell 1 line 5: b = lab.exp(x)",  # which was merged
        f"%5 = add(%2, %3)  {last}",
        f"%6 = softmax(%5, dim=1)  {last}",
    ]
    code = notebook.run("print(found.code())")
    assert "    {  // cell 1 line 4, cell 1 line 7" in code
    assert notebook.run("print(found.kernels().kernels[0].code)")[0] in code


def test_fusion_off_costs_memory_traffic(notebook: Notebook, in_c: None) -> None:
    notebook.run(SETUP)
    printed = notebook.run("""
        on = lab.explain(lab.compile(f, executor="c"), x)
        off = lab.explain(lab.compile(f, executor="c", without=("fuse",)), x)
        print(len(on.kernels()), on.kernels().cost().bytes)
        print(len(off.kernels()), off.kernels().cost().bytes)
        print({r.name: r.bytes_saved for r in on.passes()}["fuse"])
        print(on.certificate().relative < 1e-6, off.certificate().relative < 1e-6)
    """)
    one, seven, saved = (line.split() for line in printed[:3])
    assert (one[0], seven[0]) == ("1", "7")
    assert int(one[1]) == 2 * 1600  # the input is read, the result is written
    assert int(seven[1]) - int(one[1]) == int(saved[0])
    assert printed[3] == "True True"


def test_why_it_was_traced_again(notebook: Notebook) -> None:
    printed = notebook.run("""
        import minitorch_lab as lab

        @lab.compile(executor="numpy")
        def scale(x, k=1.0):
            print("tracing")
            return x * k

        for size, k in [(2, 1.0), (2, 1.0), (3, 1.0), (3, 2.0)]:
            scale(lab.ones(size), k)
        for s in lab.explain(scale).signatures:
            print(s.number, s.reason, s.changes)
    """)
    assert printed == [
        "tracing",
        "tracing",
        "tracing",
        "1 the first call []",
        "2 new arguments: float32 (3,), 1.0 ['x: float32 (2,) -> float32 (3,)']",
        "3 new arguments: float32 (3,), 2.0 ['k: 1.0 -> 2.0']",
    ]
    assert notebook.run("print(lab.explain(scale).signatures[0].side_effects)") == [
        "['print: 1 line']"
    ]
    assert notebook.run("scale(lab.ones(3), 2.0)") == []  # it is printed while tracing only


def test_a_training_step_from_kernel_to_line(notebook: Notebook, in_c: None) -> None:
    notebook.run("""
        import minitorch_lab as lab
        lab.manual_seed(0)
        model = lab.nn.Sequential(lab.nn.Linear(8, 16), lab.nn.ReLU(), lab.nn.Linear(16, 4))
        optimizer = lab.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        @lab.compile(executor="c")
        def step(x, y):
            optimizer.zero_grad()
            loss = lab.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step(lab.randn(5, 8), lab.randint(0, 4, (5,)))
    """)
    before = notebook.run("print(model[0].weight.sum().item(), optimizer.param_groups[0]['lr'])")
    printed = notebook.run("""
        found = lab.explain(step)
        for kernel in found.kernels():
            print(kernel.name, "<-", ", ".join(str(line) for line in found.origin(kernel).lines))
    """)
    assert "add, relu <- cell 1 line 9" in printed
    # the gradient of the loss needs the softmax too: it was merged with that of the loss
    assert "add, cross_entropy, softmax <- cell 1 line 9" in printed
    # what loss.backward() adds has the line of the call that it is the gradient of
    assert any(line.endswith("gradient of relu, sum <- cell 1 line 9") for line in printed)
    assert any(line.startswith("optimiser update") and "cell 1 line 11" in line for line in printed)
    (certificate,) = notebook.run("print(found.certificate().relative < 1e-4)")
    assert certificate == "True"
    # a certificate runs the plan on copies: nothing is learned by it
    again = notebook.run("print(model[0].weight.sum().item(), optimizer.param_groups[0]['lr'])")
    assert again == before


def test_a_view_has_all_it_needs(notebook: Notebook, in_c: None) -> None:
    notebook.run(SETUP)
    (text,) = notebook.run("""
        import json
        print(json.dumps(lab.explain(lab.compile(f, executor="c"), x).data()))
    """)
    data = json.loads(text)
    assert data["executor"] == "c"
    names = [record["name"] for record in data["passes"]]
    assert names[:4] == ["lower", "fold", "simplify", "common"]
    assert names[-4:] == ["transposes", "fuse", "tile", "buffers"]
    for a, b in zip(data["passes"], data["passes"][1:], strict=False):
        if b["name"] != "transposes":  # there the steps of a plan begin
            assert a["after"] == b["before"]
    common = data["passes"][names.index("common")]
    went = {row["id"] for row in common["before"]} - {row["id"] for row in common["after"]}
    (change,) = common["changes"]
    assert (went, change["ids"]) == ({3}, [[2, 3], [2]])  # what a view marks in its lines
    traced = {e["id"]: e for e in data["traced"]}
    (kernel,) = data["kernels"]
    assert [traced[i]["op"] for i in kernel["origin"]] == ["exp", "exp", "add", "softmax"]
    assert {traced[i]["line"]["text"] for i in kernel["origin"]} == {
        "a = lab.exp(x * 1.0)", "b = lab.exp(x)",
        "return lab.nn.functional.softmax(a + b, dim=-1)",
    }  # fmt: skip
    assert kernel["equations"][0] == "%2 = exp(%0)"
    assert kernel["lines"][0] == {"cell": "cell 1", "line": 4, "text": "a = lab.exp(x * 1.0)"}
    assert "exp" in kernel["code"]
