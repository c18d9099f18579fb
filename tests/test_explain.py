"""What ``lab.explain`` says of a function, and what it warns of."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.graph import compiler
from minitorch_lab.tape import location


def training(printing: bool = False) -> tuple[Any, Any, Any]:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    log: list[int] = []

    @lab.compile
    def step(x: Any, y: Any, scale: float = 1.0) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y) * scale
        loss.backward()
        optimizer.step()
        if printing:
            print("traced")
            log.append(1)
        return loss

    return step, model, optimizer


def batch(n: int) -> tuple[Any, Any]:
    return lab.randn(n, 4), lab.randint(0, 2, (n,))


def test_a_training_step_in_words(each_executor: str) -> None:
    step, model, _ = training()
    for _ in range(2):
        step(*batch(6))
    found = lab.explain(step)
    (only,) = found.signatures
    assert only.reason == "the first call"
    assert only.arguments == {"x": "float32 (6, 4)", "y": "int64 (6,)"}
    assert "Sequential.training is True" in only.guards
    assert "parameter Sequential.0.weight: float32 (3, 4)" in only.captured
    assert any("running_mean" in row for row in only.captured)
    assert "number lr" in only.captured
    assert "random state: 1 draw in each run" in only.captured
    assert "Sequential.0.weight: float32 (3, 4)" in only.updates
    assert "Sequential.0.weight.grad: float32 (3, 4)" in only.updates
    assert any("running_mean" in row for row in only.updates)
    assert only.executor == each_executor
    assert only.steps > 3
    assert set(only.seconds) == {"tracing", "passes", "build", "first call", "cached call"}
    assert only.equations[0] == len(found.traced().equations)
    assert only.equations[1] == len(found.graph().equations)
    assert set(only.passes) >= {"lower", "fold", "dead"}
    assert found.code() == step.code(*batch(6))
    text = str(found)
    assert text.startswith(
        "step(): traced once, 1 graph kept\n\ntrace 1\n  why              the first"
    )
    assert repr(found) == text
    assert "cached call" in text
    model.eval()
    step(*batch(6))
    found = lab.explain(step)
    assert found.traces == 2
    assert "Sequential.training was True and is False" in str(found)


def test_why_a_shape_was_traced_again() -> None:
    f = lab.compile(lambda x, k=1: x * k)
    f(lab.ones(2, 3))
    f(lab.ones(4, 3))
    f(lab.ones(4, 3), k=5)
    again, number = lab.explain(f).signatures[1:]
    assert again.reason == "new arguments: float32 (4, 3)"
    assert again.changes == ["x: float32 (2, 3) -> float32 (4, 3)"]
    assert number.arguments == {"x": "float32 (4, 3)", "k": "5"}


def test_what_happens_while_tracing_only(capsys: pytest.CaptureFixture[str]) -> None:
    step, *_ = training(printing=True)
    for _ in range(3):
        step(*batch(6))
    assert capsys.readouterr().out == "traced\n"
    assert lab.explain(step).signatures[0].side_effects == ["print: 1 line", "log: 1 items, was 0"]


def test_a_plain_function_is_traced_and_not_run() -> None:
    ran = []
    w = lab.ones(2)
    found = lab.explain(lambda x: (ran.append(1), x * w)[1], lab.ones(2))
    assert ran == [1]
    assert found.signatures[0].captured == ["state without a name: float32 (2,)"]
    assert found.traces == 1
    assert "first call" not in found.signatures[0].seconds
    layer = nn.Linear(2, 1)
    assert str(lab.explain(layer, lab.ones(3, 2))).startswith("Linear(): traced once, 1 graph kept")
    with pytest.raises(lab.ArgumentError, match=r"not compiled\n.*or arguments"):
        lab.explain(lambda x: x)
    with pytest.raises(lab.KindError, match="expected a function"):
        lab.explain(3, lab.ones(1))  # type: ignore[arg-type]


def test_an_explanation_of_nothing_and_of_no_such_graph() -> None:
    f = lab.compile(lambda x: x)
    found = lab.explain(f)
    assert str(found) == "<lambda>(): traced 0 times, 0 graphs kept"
    assert found._repr_html_() == "<pre>&lt;lambda&gt;(): traced 0 times, 0 graphs kept</pre>"
    with pytest.raises(lab.ArgumentError, match="no graph is kept yet"):
        found.code()
    f(lab.ones(1))
    with pytest.raises(lab.ArgumentError, match="expected a place from 0 to 0, got 3"):
        lab.explain(f).graph(3)


def test_the_page_says_what_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[1] / "docs" / "graph-mode.md").read_text(encoding="utf-8")
    space: dict[str, Any] = {"__name__": "page"}
    shown = []
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "graph-mode.md", "exec"), space)  # noqa: S102  our own page
        shown += re.findall(r"print\([\w.\[\]]+\)  # (\S.*)", block)
    printed = capsys.readouterr().out.splitlines()
    for words in (w for w in shown if not w.startswith("how many")):
        assert words in printed
    assert shown[0] == "the first call"


# A trace at each call -----------------------------------------------------------------------


def test_a_shape_that_changes_each_call_is_warned_of_once() -> None:
    f = lab.compile(lambda x, y: x.sum() + y.sum())
    y = lab.ones(3)
    for n in (1, 2, 3):
        f(lab.ones(n, 2), y)
    message = (
        "graph mode: <lambda>() was traced again 3 times in a row, each time because 'x' changed\n"
        "  shapes    (1, 2), (2, 2), (3, 2), (4, 2)\n"
        "  expected  a shape that stays: each new one costs a trace and a plan\n"
        "  compile it with dynamic=True, or pad to one size, or leave the last batch out: "
        "DataLoader(drop_last=True)"
    )
    with pytest.warns(RuntimeWarning, match=re.escape(message)) as caught:
        f(lab.ones(4, 2), y)
    assert [w.filename for w in caught] == [__file__]
    f(lab.ones(5, 2), y)  # warnings are errors here: it is said once


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([(2, 1), (2, 2), (2, 3), (2, 9)], "compile it with dynamic={'x': 1}, or pad"),
        ([(2, 1), (3, 2), (4, 2), (5, 9)], r"compile it with dynamic={'x': \(0, 1\)}, or pad"),
        ([(2, 1), (2,), (2, 3), (2, 9, 1)], "\n  pad to one size"),
    ],
)
def test_other_dimensions_are_to_be_named_or_padded(shapes: Any, words: str) -> None:
    f = lab.compile(lambda x: x.sum())
    for shape in shapes[:3]:
        f(lab.ones(*shape))
    with pytest.warns(RuntimeWarning, match=words):
        f(lab.ones(*shapes[3]))


def test_a_number_that_changes_each_call_is_to_be_a_tensor() -> None:
    f = lab.compile(lambda x, k: x * k)
    for i in range(3):
        f(lab.ones(2), float(i))
    text = r"because 'k' changed\n  seen      0.0, 1.0, 2.0, 9.0\n.*\n.*lab.tensor\(k\) is an input"
    with pytest.warns(RuntimeWarning, match=text):
        f(lab.ones(2), 9.0)


def test_a_closure_that_changes_each_call_is_to_be_a_tensor() -> None:
    scale = 0.0
    f = lab.compile(lambda x: x * scale)
    for i in range(4):
        scale = float(i)
        if i == 3:
            with pytest.warns(RuntimeWarning, match=r"because 'scale' changed\n.*was 2.0 and is 3"):
                assert f(lab.ones(2)).tolist() == [3, 3]
        else:
            f(lab.ones(2))


def test_shapes_that_come_again_are_no_reason_to_warn() -> None:
    f = lab.compile(lambda x, k=0: x.sum() + k)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            for n in (1, 2, 3):
                f(lab.ones(n))
        f(lab.ones(3), 7)  # another reason: the row is broken
        f(lab.ones(4), 7)
        f(lab.ones(5), 7)
    assert f.traces == 6


def test_the_cache_is_bounded() -> None:
    f = lab.compile(lambda x: x + 1)
    many = 2 * compiler.LIMIT + 10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [f(lab.zeros(n + 1)).sum().item() for n in range(many)]
    assert found == list(range(1, many + 1))
    assert len(f.entries) == compiler.LIMIT
    assert f.traces == many
    assert len(f.reasons) <= 2 * compiler.LIMIT + 1
    assert f.reasons[0] == "the first call"
    f(lab.zeros(1))  # it was let go: traced again
    assert f.traces == many + 1
    assert str(lab.explain(f)).count("\ntrace ") >= compiler.LIMIT


# What a trace refuses -----------------------------------------------------------------------


def branch(x: Any) -> Any:
    if x.sum() > 0:
        return x
    return -x


def loop(x: Any) -> Any:
    while x.sum() > 1:
        x = x / 2
    return x


@pytest.mark.parametrize(
    ("f", "line", "words"),
    [
        (branch, "if x.sum() > 0:", ("where", "lab.cond")),
        (loop, "while x.sum() > 1:", ("lab.while_loop",)),
        (lambda x: x * x.sum().item(), "x.sum().item()", ("return the tensor",)),
    ],
    ids=["if", "while", "item"],
)
def test_what_needs_a_value_names_the_line_and_the_remedy(f: Any, line: str, words: Any) -> None:
    with pytest.raises(lab.TraceError) as error:
        lab.compile(f)(lab.ones(2))
    assert line in str(error.value)
    assert "test_explain.py line" in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_list_that_is_kept_while_tracing() -> None:
    losses: list[Any] = []
    f = lab.compile(lambda x: losses.append(x.sum()) or x)
    f(lab.ones(2))
    with pytest.raises(lab.TraceError, match=r"return it from the function") as error:
        float(losses[0])
    assert "test_explain.py line" in str(error.value)  # where it was made


def test_an_equation_of_the_backward_pass_has_the_line_of_its_call() -> None:
    w = lab.ones(3).requires_grad_()

    def step(x: Any) -> Any:
        h = (x * w).exp()
        loss = h.sum()
        loss.backward()
        return loss

    found = lab.explain(step, lab.ones(3))
    backward = [e for e in found.traced().equations if e.of is not None]
    lines = {e.of.op: location(e).text for e in backward}
    assert lines["exp"] == lines["mul"] == "h = (x * w).exp()"
    assert lines["sum"] == "loss = h.sum()"
    assert any(
        "# gradient of exp, test_explain.py line" in x for x in str(found.traced()).split("\n")
    )
