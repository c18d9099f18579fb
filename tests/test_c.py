"""The C executor: every row of the table gives what eager mode gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import bench
from minitorch_lab.graph.codegen import native
from minitorch_lab.op import OPS, current
from minitorch_lab.tensor import make

try:
    native.compiler()
    WHY = ""
except native.NoCompiler as _why:
    WHY = str(_why)
pytestmark = [
    pytest.mark.skipif(bool(WHY), reason=WHY or "a compiler is there"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

PURE = [op for op in OPS.values() if not op.random and op.name != "to_device"]
GROUPS = [PURE[i : i + 12] for i in range(0, len(PURE), 12)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", GROUPS, ids=lambda rows: f"{rows[0].name} to {rows[-1].name}")
def test_rows_give_what_eager_mode_gives(rows: list[Any], dtype: Any) -> None:
    rng = np.random.default_rng(7)
    cases = [(op, s, [make(d(rng, dtype)) for d in s.inputs]) for op in rows for s in op.samples]

    def all_of_them(*inputs: Any) -> list[Any]:
        rest, out = list(inputs), []
        for op, sample, xs in cases:
            taken = tuple(rest.pop(0) for _ in xs)
            y = current().apply(op, taken, sample.attrs)
            out.append(y)
            if op.differentiable and y.dtype.is_floating_point and y.numel():
                grads = lab.autograd.grad(
                    (y * y).sum(), [x for x in taken if x.requires_grad], allow_unused=True
                )
                out += [g for g in grads if g is not None]
        return out

    inputs = [x for _, _, xs in cases for x in xs]
    marks = [
        op.rule(i) is not None and x.dtype.is_floating_point
        for op, _, xs in cases
        for i, x in enumerate(xs)
    ]
    for x, wants in zip(inputs, marks, strict=True):
        x.requires_grad = wants
    eager = all_of_them(*inputs)
    compiled = lab.compile(all_of_them, executor="c")
    found = compiled(*inputs)
    assert compiled.executor_used == "c"
    near = 3e-5 if dtype is np.float32 else 1e-9
    for a, b in zip(eager, found, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=near, atol=near)
    again = compiled(*inputs)  # buffers are used again
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


MODELS = ["linear", "digits", "norms", "conv", "cnn", "gru"]


@pytest.mark.parametrize("name", MODELS)
def test_a_hundred_steps_lead_where_eager_mode_leads(name: str) -> None:
    losses = []
    for mode in ("eager", "c"):
        lab.manual_seed(0)
        step, x, y = bench.training_step(bench.WORK[name][1](lab))
        if mode == "c":
            step = lab.compile(step, executor="c")
        losses.append([step(x, y).item() for _ in range(100)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4, atol=1e-6)
    assert losses[0][-1] < losses[0][0]


def test_a_convolution_needs_less_than_half_the_memory() -> None:
    step, x, y = bench.training_step(bench.conv(lab, 128))
    compiled = lab.compile(step, executor="c")
    traced = compiled.graph(x, y, optimised=False)
    results = [e.out.spec for e in traced.equations if not e.op.view and not e.out.spec.number]
    plan = next(iter(compiled.entries.values()))[0].plan
    assert plan.executor == "c"
    assert plan.buffer_bytes < 0.5 * sum(spec.nbytes for spec in results)


def test_two_reshapes_of_what_was_turned_share_one_copy() -> None:
    x = lab.randn(6, 4)

    def f(x: Any) -> Any:
        turned = x.mT
        return turned.reshape(24) * 2, turned.reshape(2, 12) + 1

    compiled = lab.compile(f, executor="c")
    for a, b in zip(compiled(x), f(x), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert lab.explain(compiled).signatures[0].steps == 3  # the copy, and two loops


@pytest.mark.parametrize("shape", [(8, 3, 80, 80), (6, 5, 90, 43)], ids=str)
def test_planes_of_a_picture_run_one_after_another(shape: tuple[int, ...]) -> None:
    """A tile in a tile: values, sums over planes, and what each plane adds to."""
    lab.manual_seed(1)
    x, bias = lab.randn(*shape), lab.randn(shape[1]).requires_grad_()
    scale = lab.randn(shape[1], 1, 1).requires_grad_()

    def f(x: Any, bias: Any, scale: Any) -> Any:
        y = (x * scale + bias.view(1, -1, 1, 1)).relu()
        loss = (lab.nn.functional.max_pool2d(y, 2) ** 2).mean()
        return loss, *lab.autograd.grad(loss, [bias, scale])

    compiled = lab.compile(f, executor="c")
    for a, b in zip(compiled(x, bias, scale), f(x, bias, scale), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-5, atol=1e-6)
    code = lab.explain(compiled).code()
    assert f"for (long u = 0; u < {shape[1]}; u++)" in code


def test_a_window_that_is_too_wide_for_c_runs_between() -> None:
    def wide(x: Any, w: Any) -> Any:
        y = lab.nn.functional.conv2d(x, w, padding=1).relu()
        return lab.nn.functional.max_pool2d(y, 9, 3).mean()

    x, w = lab.randn(8, 2, 40, 40), lab.randn(8, 2, 3, 3, requires_grad=True)

    def both(x: Any, w: Any) -> Any:
        loss = wide(x, w)
        return loss, *lab.autograd.grad(loss, w)

    compiled = lab.compile(both, executor="c")
    for a, b in zip(both(x, w), compiled(x, w), strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_an_index_outside_is_the_error_of_eager_mode() -> None:
    weight = lab.randn(4, 3)

    def look(index: Any) -> Any:
        return lab.nn.functional.embedding(index, weight) * 2

    compiled = lab.compile(look, executor="c")
    np.testing.assert_array_equal(
        compiled(lab.tensor([3, 0])).numpy(), look(lab.tensor([3, 0])).numpy()
    )
    texts = []
    for function in (look, compiled):
        with pytest.raises(IndexError) as error:
            function(lab.tensor([1, 4]))
        texts.append(str(error.value).splitlines()[0])
    assert texts[0] == texts[1]


def test_numbers_that_are_none_pass_through() -> None:
    x = lab.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e-42, 200.0])

    def many(x: Any) -> Any:
        return [
            x.relu(), lab.maximum(x, x * 0 + 1), x.exp(), x.tanh(), x.abs().log(), x.sigmoid(),
            lab.erf(x), x.sum(), x.amax(0), x > 0, x.sign(),
        ]  # fmt: skip

    for a, b in zip(many(x), lab.compile(many, executor="c")(x), strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-6, atol=1e-44)
