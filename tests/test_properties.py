"""What holds for any shape, any dtype, any memory order and any small program.

Hypothesis draws the cases and, where one fails, finds the smallest that does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import minitorch_lab as lab
from minitorch_lab.op import OPS, Op, Sample, Spec, current, infer
from minitorch_lab.tensor import make

# NumPy warns of log(-1) and of casts of inf; tensors show nan and inf.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

ROWS = [
    pytest.param(op, sample, id=f"{op.name}-{i}")
    for op in OPS.values()
    for i, sample in enumerate(op.samples)
    if not op.random and op.name != "to_device"
]


def drawn(count: int) -> Any:
    """Settings: so many cases, no clock, and no complaint about fixtures."""
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def apply(op: Op, inputs: list[Any], attrs: dict[str, Any]) -> Any:
    return current().apply(op, tuple(inputs), attrs)


# Memory order -------------------------------------------------------------------------------


@st.composite
def laid_out(draw: Any, array: np.ndarray) -> np.ndarray:
    """The same entries, somewhere else in memory: turned, with gaps, backwards or at an offset."""
    if array.ndim == 0:
        return array
    order = draw(st.permutations(range(array.ndim)))
    turned = np.ascontiguousarray(array.transpose(order))
    gaps = [draw(st.integers(1, 2)) for _ in order]
    offset = draw(st.integers(0, 2))
    big = np.zeros([n * g + offset for n, g in zip(turned.shape, gaps, strict=True)], array.dtype)
    place = tuple(slice(offset, offset + n * g, g) for n, g in zip(turned.shape, gaps, strict=True))
    big[place] = turned
    out = big[place].transpose(np.argsort(order))
    if array.shape[0] and draw(st.booleans()):  # from the last entry to the first
        out = np.ascontiguousarray(out[::-1])[::-1]
    np.testing.assert_array_equal(out, array)
    return out


@drawn(4)
@given(data=st.data())
@pytest.mark.parametrize(("op", "sample"), ROWS)
def test_memory_order_changes_nothing(op: Op, sample: Sample, data: Any) -> None:
    rng = np.random.default_rng(7)
    plain = [draw(rng, np.float64) for draw in sample.inputs]
    moved = [data.draw(laid_out(a)) for a in plain]
    results = []
    for arrays in (plain, moved):
        leaves = [make(a) for a in arrays]
        for i, x in enumerate(leaves):
            x.requires_grad = x.array.dtype.kind == "f" and op.rule(i) is not None
        y = apply(op, leaves, sample.attrs)
        found = [y.array]
        if y.requires_grad:
            weights = np.random.default_rng(8).normal(size=y.shape)
            (y * make(np.asarray(weights, y.array.dtype))).sum().backward()
            found += [x.grad.array for x in leaves if x.grad is not None]
        results.append(found)
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


# Shapes and dtypes --------------------------------------------------------------------------

KINDS = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
ELEMENTWISE = [
    op
    for op in OPS.values()
    if op.kernel is not None and op.promotes is None and op.arguments[0] == "input"
    if not op.samples[0].attrs and len(op.arguments) <= 2
    if op.name != "binary_cross_entropy"  # which takes numbers from 0 to 1 only
]


@st.composite
def broadcastable(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that go together, with 0, 1 and left-out dimensions among them."""
    shape = draw(st.lists(st.integers(0, 3), max_size=3))

    def part() -> tuple[int, ...]:
        cut = draw(st.integers(0, len(shape)))
        return tuple(1 if draw(st.booleans()) else n for n in shape[cut:])

    return part(), part()


@drawn(15)
@given(data=st.data())
@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_shape_and_dtype_follow_the_rule(op: Op, data: Any) -> None:
    shapes = data.draw(broadcastable())[: len(op.arguments)]
    kinds = [data.draw(st.sampled_from(KINDS)) for _ in shapes]
    rng = np.random.default_rng(data.draw(st.integers(0, 3)))
    arrays = [
        rng.integers(1, 3, shape).astype(kind) for shape, kind in zip(shapes, kinds, strict=True)
    ]
    specs = [Spec(a.shape, a.dtype) for a in arrays]
    try:
        expected = infer(op, specs, {})
    except Exception:  # noqa: BLE001 - whatever the rule says, the call must say it too
        with pytest.raises(lab.LabError):
            apply(op, [make(a) for a in arrays], {})
        return
    out = apply(op, [make(a) for a in arrays], {})
    assert tuple(out.shape) == np.broadcast_shapes(*shapes) == expected.shape
    assert out.array.dtype == expected.dtype
    # Entry by entry, each as a 0-d tensor of the same dtype, the values are the same.
    full = [np.broadcast_to(a, out.shape).reshape(-1) for a in arrays]
    for k, value in enumerate(out.array.reshape(-1)):
        single = apply(
            op, [make(np.full((1,) * len(s), f[k])) for f, s in zip(full, shapes, strict=True)], {}
        )
        np.testing.assert_allclose(
            np.asarray(single.array, float).reshape(()), float(value), rtol=3e-3, atol=1e-3
        )


@drawn(60)
@given(data=st.data())
def test_reductions_split_and_join(data: Any) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    kind = data.draw(st.sampled_from(["float64", "int64"]))
    x = make(np.random.default_rng(1).integers(-4, 5, shape).astype(kind))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    at = data.draw(st.integers(0, shape[dim]))
    parts = [p for p in x.split([at, shape[dim] - at], dim) if p.numel()]
    for name, join in (("sum", "add"), ("prod", "mul"), ("amax", "maximum"), ("amin", "minimum")):
        whole = getattr(x, name)(dim, keepdim=True)
        found = [getattr(p, name)(dim, keepdim=True) for p in parts]
        joined = found[0] if len(found) == 1 else getattr(lab, join)(*found)
        np.testing.assert_allclose(whole.array, joined.array)
        assert whole.dtype == joined.dtype
    assert lab.equal(lab.cat(parts, dim), x)
    assert lab.equal(x.sort(dim)[0].flip(dim), x.sort(dim, descending=True)[0])
    assert lab.equal(x.cumsum(dim).narrow(dim, shape[dim] - 1, 1), x.sum(dim, keepdim=True))


@drawn(80)
@given(data=st.data())
def test_square_brackets_are_numpys(data: Any) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    x = np.arange(float(np.prod(shape))).reshape(shape)
    items: list[Any] = []
    for n in shape[: data.draw(st.integers(0, len(shape)))]:
        whole = st.slices(n).filter(lambda s: s.step is None or s.step > 0)
        one = st.integers(-n, n - 1)
        several = st.lists(one, min_size=1, max_size=3)
        mask = st.lists(st.booleans(), min_size=n, max_size=n).map(np.array)
        items.append(data.draw(st.one_of(whole, one, several, mask)))
    if data.draw(st.booleans()):
        items.insert(data.draw(st.integers(0, len(items))), None)
    if data.draw(st.booleans()):
        items.append(Ellipsis)
    numbers = [np.array(i) if isinstance(i, list) else i for i in items]
    # An index that is an array beside one that is a number: NumPy moves dimensions elsewhere.
    assume(sum(isinstance(i, np.ndarray) for i in numbers) <= 1)
    assume(not any(isinstance(i, np.ndarray) for i in numbers) or not _ints_beside(numbers))
    expected = x[tuple(numbers)]
    ours = tuple(lab.tensor(i.tolist()) if isinstance(i, np.ndarray) else i for i in numbers)
    leaf = lab.tensor(x, requires_grad=True)
    found = leaf[ours]
    assert tuple(found.shape) == expected.shape
    np.testing.assert_array_equal(found.detach().array, expected)
    weights = np.arange(1.0, 1 + expected.size).reshape(expected.shape)
    (found * lab.tensor(weights)).sum().backward()
    gradient = np.zeros(shape)
    np.add.at(gradient, tuple(numbers), weights)
    np.testing.assert_array_equal(leaf.grad.array, gradient)
    target = lab.tensor(x)
    target[ours] = -1.0
    written = x.copy()
    written[tuple(numbers)] = -1.0
    np.testing.assert_array_equal(target.array, written)


def _ints_beside(items: list[Any]) -> bool:
    return any(isinstance(i, int) for i in items)


# Small programs -----------------------------------------------------------------------------
# Each step takes tensors that are there, all (3, 3), and adds one.

STEPS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - 2 * y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / (1 + y * y),
    "matmul": lambda x, y: x @ y * 0.3,
    "tanh": lambda x, y: x.tanh(),
    "sigmoid": lambda x, y: lab.sigmoid(x - y),
    "exp": lambda x, y: (x * 0.1).exp(),
    "softmax": lambda x, y: x.softmax(1),
    "transpose": lambda x, y: x.T,
    "broadcast": lambda x, y: x + y[0] - y[:, 1:2],
    "reduce": lambda x, y: x - x.mean(1, keepdim=True) + y.sum(0),
    "index": lambda x, y: x[lab.tensor([2, 0, 2])],
    "cat": lambda x, y: lab.cat([x[:1], y[1:]]),
    "where": lambda x, y: lab.where(x.detach() > 0, x, y),
    "view": lambda x, y: x.reshape(9).flip(0).view(3, 3),
    "cumsum": lambda x, y: x.cumsum(0) * 0.5,
    "in place": lambda x, y: x.clone().mul_(y).add_(1.0),
    "assign": lambda x, y: _assigned(x, y),
}


def _assigned(x: Any, y: Any) -> Any:
    out = x.clone()
    out[1] = y[0] * 2
    return out


Program = list[tuple[str, int, int]]
PROGRAMS = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 9), st.integers(0, 9)),
    min_size=1,
    max_size=8,
)


def run(program: Program, x: Any, y: Any) -> Any:
    """The mean of the last tensor's squares."""
    made = [x, y]
    for name, i, j in program:
        made.append(STEPS[name](made[i % len(made)], made[j % len(made)]))
    return (made[-1] * made[-1]).mean() + made[len(made) // 2].sum() * 0.1


@drawn(60)
@given(program=PROGRAMS)
def test_a_program_is_the_same_in_both_modes_and_its_gradient_is_its_slope(
    program: Program,
) -> None:
    rng = np.random.default_rng(3)
    values = [rng.normal(size=(3, 3)), rng.normal(size=(3, 3))]

    def step(x: Any, y: Any) -> Any:
        loss = run(program, x, y)
        return loss, *lab.autograd.grad(loss, (x, y), allow_unused=True)

    def leaves() -> list[Any]:
        return [lab.tensor(v, requires_grad=True) for v in values]

    eager = step(*leaves())
    graph = lab.compile(step)(*leaves())
    for a, b in zip(eager, graph, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a.detach().array, b.detach().array, rtol=1e-9, atol=1e-11)
    directions = [rng.normal(size=(3, 3)) for _ in values]
    small = 1e-6

    def at(t: float) -> float:
        moved = [lab.tensor(v + t * d) for v, d in zip(values, directions, strict=True)]
        return float(run(program, *moved).item())

    slope = (at(small) - at(-small)) / (2 * small)
    along = sum(
        float((g.detach().array * d).sum())
        for g, d in zip(eager[1:], directions, strict=True)
        if g is not None
    )
    np.testing.assert_allclose(along, slope, rtol=2e-5, atol=2e-6)
