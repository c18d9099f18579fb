"""Choices and loops that hang on values: the same in both modes, gradients included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn

pytestmark = pytest.mark.usefixtures("each_executor")  # all holds whatever runs the plans


w = lab.tensor([0.5, -1.5, 2.0], requires_grad=True)


def choice(x: Any) -> Any:
    return lab.cond(x.sum() > 0, lambda x: (x * w).tanh(), lambda x: -x * w * w, x)


def nested(x: Any) -> Any:
    y = x * 2

    def positive() -> Any:
        return lab.cond(y[0] > 0.5, lambda: y * w, lambda: y + w * w)

    return lab.cond(x.sum() > 0, positive, lambda: y.sin())


def two_results(x: Any) -> Any:
    found = lab.cond(x.amax() > 1, lambda x: (x**2, {"s": x.sum()}), lambda x: (x, {"s": w[0]}), x)
    return found[0] * found[1]["s"]


def last_carry(x: Any) -> Any:
    return lab.scan(lambda c, r: ((c * r * w).tanh(), None), x, lab.stack([x, x * 2, w]))[0]


def each_y(x: Any) -> Any:
    def turn(c: Any, r: Any) -> Any:
        c = (c["h"] * r * w).tanh()
        return {"h": c}, (c.sum(), r * c)

    _, (totals, rows) = lab.scan(turn, {"h": x}, lab.stack([x, x * 2, w]))
    return rows * totals.unsqueeze(1)


def bounded(x: Any) -> Any:
    def body(n: Any, x: Any) -> Any:
        return n + 1, x * 1.5 + w**2

    n, y = lab.while_loop(lambda n, x: x.sum() < 9, body, 0, x, max_iterations=6)
    return y * n


FUNCTIONS: list[Callable[[Any], Any]] = [choice, nested, two_results, last_carry, each_y, bounded]


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_values_and_gradients_of_both_orders_are_those_of_eager_mode(f: Any, sign: float) -> None:
    x = (lab.tensor([0.1, 0.4, 0.7]) * sign).detach().requires_grad_()

    def inside(x: Any) -> Any:
        loss = (f(x) ** 2).sum()
        first = lab.autograd.grad(loss, [x, w], create_graph=True, allow_unused=True)
        first = [g for g in first if g is not None]
        total = sum((g * g).sum() for g in first)
        return loss, first, lab.autograd.grad(total, [x, w], allow_unused=True)

    def through(compiled: Any) -> Any:
        return lab.autograd.grad((compiled(x) ** 2).sum(), [x, w], allow_unused=True)

    def plain(results: Any) -> list[Any]:
        return [np.zeros(3) if g is None else g.detach().numpy() for g in results]

    expected, found = inside(x), lab.compile(inside)(x)
    np.testing.assert_allclose(found[0].item(), expected[0].item(), rtol=1e-5)
    for a, b in zip(plain(expected[1]), plain(found[1]), strict=False):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
    for a, b in zip(plain(expected[2]), plain(found[2]), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
    # from outside the graph
    for a, b in zip(plain(through(f)), plain(through(lab.compile(f))), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)


def test_loops_are_written_into_the_code_around_them(each_executor: str) -> None:
    """Carries that change places, results that are what was carried, rows of a turned matrix."""

    def f(x: Any) -> Any:
        def turn(c: Any, row: Any) -> Any:
            a, b = c
            return (b, a + row), (a, row.flip(0), row[1:])

        carry, ys = lab.scan(turn, (x[0], x[1]), x.T @ x)
        loop = lab.while_loop(lambda a, b: a.sum() < 50, lambda a, b: (b, a + b), x[0], x[1])
        return [*carry, *ys, *loop, *lab.scan(lambda c, row: (c, c * row), x[0], x.T)[1:]]

    x = lab.tensor(np.arange(1, 10).reshape(3, 3) % 5, dtype=lab.float32)
    compiled = lab.compile(f)
    for y in (x, x + 1):
        for a, b in zip(f(y), compiled(y), strict=True):
            assert a.tolist() == b.tolist()
    code = compiled.code(x)
    assert (each_executor == "c") == ("long turn" in code and "for (;;)" in code)


def test_a_body_with_a_step_that_c_does_not_have_runs_as_a_plan(each_executor: str) -> None:
    def f(x: Any) -> Any:
        return lab.scan(lambda c, row: (c + row * lab.rand(3), lab.rand(())), x[0], x)

    compiled, x = lab.compile(f), lab.ones(4, 3)
    found = []
    for g in (f, compiled):
        lab.manual_seed(3)
        found.append([y.tolist() for y in g(x)])
    assert found[0] == found[1]
    assert "long turn" not in compiled.code(x)


def test_one_graph_serves_both_branches_and_any_number_of_rounds() -> None:
    f = lab.compile(choice)
    x = lab.tensor([1.0, 2.0, 3.0])
    for y in (x, -x, x * 2):
        np.testing.assert_allclose(
            f(y).detach().numpy(), choice(y).detach().numpy(), rtol=1e-5, atol=1e-6
        )
    assert f.traces == 1
    loop = lab.compile(
        lambda x: lab.while_loop(lambda n, x: x.sum() < 30, lambda n, x: (n + 1, x * 2), 0, x)
    )
    assert [v.tolist() for v in loop(lab.ones(2))] == [4, [16, 16]]
    assert [v.tolist() for v in loop(lab.full((2,), 9.0))] == [1, [18, 18]]
    assert [v.tolist() for v in loop(lab.full((2,), 90.0))] == [0, [90, 90]]
    assert loop.traces == 1


def test_only_the_branch_that_is_chosen_runs() -> None:
    f = lab.compile(
        lambda x, i: lab.cond(i >= 0, lambda x, i: x[i].sum(), lambda x, i: x.sum(), x, i)
    )
    x = lab.ones(3)
    assert f(x, lab.tensor([1, 2])[0]).item() == 1
    # out of range: an error where it runs, and nothing where it does not
    g = lab.compile(lambda x, i: lab.cond(i.sum() < 9, lambda: x[i].sum(), lambda: x.sum()))
    assert g(x, lab.tensor([7, 8])).item() == 3
    with pytest.raises(lab.LabError):
        g(x, lab.tensor([3, 4]))


def test_a_training_step_with_a_choice_in_the_model() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            return lab.cond(x.mean() > 0, self.one, self.two, x)

    results = []
    for compiled in (False, True):
        lab.manual_seed(1)
        net = Net()
        optimizer = lab.optim.SGD(net.parameters(), lr=0.1)

        def step(x: Any, net: Any = net, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (net(x) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        run = (lambda f: lab.compile(lambda x: f(x)))(step) if compiled else step
        x = lab.randn(4, 3)
        losses = [run(y).item() for y in (x, -x, x, x, -x)]
        results.append((losses, [p.detach().numpy().copy() for p in net.parameters()]))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    # in eager mode SGD passes over a layer that has no gradient; in a graph its gradient is 0
    for a, b in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5)


def test_scan_in_words_of_a_loop() -> None:
    xs = lab.tensor([1.0, 2.0, 3.0])
    for f in (lab.scan, lab.compile(lab.scan)):
        total, sums = f(lambda c, x: (c + x, c * x), 0.0, xs)
        assert (total.item(), sums.tolist()) == (6, [0, 2, 9])
    carry, nothing = lab.scan(lambda c, x: (c + x, None), 0.0, xs)
    assert (carry.item(), nothing) == (6, None)


def test_compiled_functions_inside_are_part_of_the_graph() -> None:
    inner = lab.compile(lambda x: x * w)
    outer = lab.compile(
        lambda x: lab.cond(x.sum() > 0, lambda x: inner(x), lambda x: inner(-x), inner(x))
    )
    for x in (lab.ones(3), -lab.ones(3)):
        np.testing.assert_allclose(
            outer(x).detach().numpy(),
            (x * w * w * (1 if (x * w).sum() > 0 else -1)).detach().numpy(),
        )
    assert (inner.traces, outer.traces) == (0, 1)


def test_passes_go_into_branches_and_bodies() -> None:
    def yes(x: Any) -> Any:
        return lab.scan(lambda c, r: (c + (r * 1.0).exp() + r.exp(), None), x, lab.stack([x, w]))[0]

    def no(x: Any) -> Any:
        x.sin()
        return nn.functional.silu(x)

    f = lab.compile(lambda x: lab.cond(x.sum() > 0, yes, no, x))
    x = lab.ones(3)
    records = {r.name: r for r in f.passes(x)}
    said = {name: "\n".join(map(str, records[name].changes)) for name in records}
    assert "in step of %3 in true of %4: rewritten by x * 1 = x: %2 = mul" in said["simplify"]
    assert "in step of %3 in true of %4: merged" in said["common"]
    assert "in false of %4: removed: %1 = sin(%0)" in said["dead"]
    assert records["simplify"].certificate().bitwise
    assert all(c.ids == ((), ()) for c in records["common"].changes)
    (choice_,) = (e for e in f.graph(x).equations if e.op.name == "cond")
    ops = {e.op.name for e in choice_.parts["false"].graph.equations}
    assert ops.isdisjoint({"sin", "silu"})
    assert ops >= {"tanh", "mul"}
    kept = lab.compile(f.function, without=("lower", "simplify", "common", "dead"))
    (choice_,) = (e for e in kept.graph(x).equations if e.op.name == "cond")
    assert [e.op.name for e in choice_.parts["false"].graph.equations] == ["sin", "silu"]
    for y in (x, -x):
        np.testing.assert_allclose(f(y).detach().numpy(), f.function(y).detach().numpy(), rtol=1e-6)


# What cannot be -----------------------------------------------------------------------------


def refused(f: Any, *args: Any, mode: str = "graph") -> str:
    with pytest.raises(lab.LabError) as error:
        (lab.compile(f) if mode == "graph" else f)(*args)
    return str(error.value)


def test_branches_must_agree() -> None:
    x = lab.ones(2)
    text = refused(lambda x: lab.cond(x.sum() > 0, lambda x: x, lambda x: x.sum(), x), x)
    assert text == (
        "cond(): true_fn and false_fn do not agree\n"
        "  true_fn   float32 (2,)\n"
        "  false_fn  float32 ()\n"
        "  expected the same number of tensors, each with the same shape and dtype\n"
        "  convert with .to(dtype), and give both one shape"
    )
    assert "no tensor" in refused(
        lambda x: lab.cond(x.sum() > 0, lambda x: x, lambda x: None, x), x
    )
    assert "2 entries is not clear" in refused(lambda x: lab.cond(x > 0, lab.sin, lab.cos, x), x)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_loops_keep_their_shapes(mode: str) -> None:
    x = lab.ones(2)

    def grows(x: Any) -> Any:
        return lab.while_loop(lambda x: x.sum() < 9, lambda x: lab.cat([x, x]), x)

    assert "while_loop(): body_fn and operands do not agree" in refused(grows, x, mode=mode)
    text = refused(lambda x: lab.scan(lambda c, r: (c.long(), r), x, x), x, mode=mode)
    assert text.startswith("scan(): new carry and carry do not agree\n  new carry  int64")
    assert "expected f to give (carry, y)" in refused(
        lambda x: lab.scan(lambda c, r: c, x, x), x, mode=mode
    )
    assert "no first dimension" in refused(
        lambda x: lab.scan(lambda c, r: (c, r), x, x.sum()), x, mode=mode
    )
    assert "expected an operand" in refused(
        lambda x: lab.while_loop(lambda: True, lambda: ()), x, mode=mode
    )
    assert "cond(false_fn): expected a function, got None" in refused(
        lambda x: lab.cond(True, lab.sin, None, x),  # type: ignore[arg-type]
        x,
        mode=mode,
    )
    assert "max_iterations): expected an int from 0, got int -1" in refused(
        lambda x: lab.while_loop(lambda x: True, lab.sin, x, max_iterations=-1), x, mode=mode
    )


def test_a_loop_without_a_bound_has_no_gradient_in_a_graph() -> None:
    x = lab.ones(2, requires_grad=True)

    def f(x: Any) -> Any:
        (y,) = lab.while_loop(lambda x: x.sum() < 9, lambda x: x * 2, x)
        return lab.autograd.grad(y.sum(), x)

    assert f(x)[0].tolist() == [8, 8]
    text = refused(f, x)
    assert "the gradient of while_loop without a bound" in text
    assert "give max_iterations, or use lab.scan" in text
    assert "cond_fn): expected one tensor with one entry, got bool (2,)" in refused(
        lambda x: lab.while_loop(lambda x: x < 9, lambda x: x * 2, x), x
    )


def test_a_branch_changes_nothing_outside() -> None:
    state = lab.zeros(2)
    before = state.tolist()
    for f in (
        lambda x: lab.cond(x.sum() > 0, lambda: state.add_(1), lambda: state * 1),
        lambda x: lab.cond(x.sum() > 0, lambda x: x.add_(1), lambda x: x, x * 1),
        lambda x: (lambda y: lab.cond(x.sum() > 0, lambda: y.add_(1), lambda: y))(x * 1),
    ):
        text = refused(f, lab.ones(2))
        assert "a change of a tensor from outside in a branch or a loop" in text
        assert "test_control.py line" in text
    assert state.tolist() == before
    assert "random draw in a branch" in refused(
        lambda x: lab.cond(x.sum() > 0, lambda: nn.functional.dropout(x * w), lambda: x * w),
        lab.ones(3),
    )


def test_a_tensor_that_is_kept_from_a_branch_says_so() -> None:
    kept: list[Any] = []
    f = lab.compile(lambda x: lab.cond(x.sum() > 0, lambda: kept.append(x * 2) or x, lambda: x))
    f(lab.ones(1))
    with pytest.raises(lab.TraceError, match="traced before"):
        kept[0].item()
