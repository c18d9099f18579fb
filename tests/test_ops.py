"""One loop over the table: every op, every interpreter, every device."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from double import DeviceArray, make_cupy
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_lab as lab
from minitorch_lab.autograd import gradcheck, gradgradcheck
from minitorch_lab.device import CUDA, register, to_host, unregister
from minitorch_lab.op import COMPUTE, INTERPRETER, OPS, Op, Sample, Spec, common_dtype, infer
from minitorch_lab.tensor import Tensor, make

CASES = [
    pytest.param(op, sample, id=f"{op.name}-{i}")
    for op in OPS.values()
    for i, sample in enumerate(op.samples)
]
PURE = [case for case in CASES if not case.values[0].random]


def arrays_of(op: Op, sample: Sample, dtype: Any = np.float64) -> list[np.ndarray]:
    """The inputs of a sample; the same each time."""
    rng = np.random.default_rng(7)
    return [draw(rng, dtype) for draw in sample.inputs]


def call(op: Op, inputs: list[Any], attrs: dict[str, Any]) -> Any:
    """The primitive itself, past the argument handling of its public function."""
    from minitorch_lab.op import current

    return current().apply(op, tuple(inputs), attrs)


def leaves(op: Op, sample: Sample, **kwargs: Any) -> list[Tensor]:
    tensors = [make(a) for a in arrays_of(op, sample, **kwargs)]
    for i, x in enumerate(tensors):
        x.requires_grad = x.array.dtype.kind == "f" and op.rule(i) is not None
    return tensors


def test_every_op_has_what_a_row_needs() -> None:
    for op in OPS.values():
        assert op.doc.endswith((".", ")")) or ":" in op.doc, op.name
        assert all(op.formula), op.name
        if op.name != "to_device":
            assert op.samples, f"{op.name} has no samples"


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_shape_rule_is_the_real_shape(op: Op, sample: Sample) -> None:
    out = call(op, [make(a) for a in arrays_of(op, sample)], sample.attrs)
    specs = [Spec(a.shape, a.dtype) for a in arrays_of(op, sample)]
    spec = infer(op, specs, sample.attrs)
    assert tuple(out.shape) == spec.shape
    assert out.array.dtype == spec.dtype


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_cost_counts_at_least_the_output(op: Op, sample: Sample) -> None:
    specs = [Spec(a.shape, a.dtype) for a in arrays_of(op, sample)]
    cost = op.cost(infer(op, specs, sample.attrs), *specs, **sample.attrs)
    assert cost.flops >= 0
    assert cost.bytes == 0 if op.view else cost.bytes > 0


@pytest.mark.parametrize(("op", "sample"), [c for c in PURE if c.values[0].differentiable])
def test_gradient_and_its_gradient_against_differences(op: Op, sample: Sample) -> None:
    inputs = leaves(op, sample)
    if op.name == "to":
        pytest.skip("float32 results are too coarse for differences; tested with Linear in float64")

    def function(*xs: Any) -> Any:
        return call(op, list(xs), sample.attrs)

    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


@pytest.mark.parametrize(("op", "sample"), [c for c in PURE if c.values[0].differentiable])
def test_rules_read_only_what_they_say_they_save(op: Op, sample: Sample) -> None:
    arrays = arrays_of(op, sample)
    y = COMPUTE.apply(op, tuple(arrays), sample.attrs)
    g = np.ones_like(y)

    def poisoned(saved: bool, a: Any) -> Any:
        return a if saved else np.full_like(a, np.nan if a.dtype.kind == "f" else 0)

    token = INTERPRETER.set(COMPUTE)
    try:
        for i, a in enumerate(arrays):
            rule = op.rule(i)
            if rule is None or a.dtype.kind != "f":
                continue
            reads = op.saved if op.variadic else op.saved_by[i]
            kept = [poisoned(k in reads, b) for k, b in enumerate(arrays)]
            right = rule(g, y, *arrays, **sample.attrs)
            found = rule(g, poisoned(op.saves_output, y), *kept, **sample.attrs)
            np.testing.assert_array_equal(found, right)
    finally:
        INTERPRETER.reset(token)


@pytest.mark.parametrize(("op", "sample"), PURE)
def test_graph_mode_computes_the_same(op: Op, sample: Sample) -> None:
    inputs = [make(a) for a in arrays_of(op, sample, dtype=np.float32)]
    compiled = lab.compile(lambda *xs: call(op, list(xs), sample.attrs))
    eager = call(op, inputs, sample.attrs)
    graph = compiled(*inputs)
    assert graph.dtype is eager.dtype
    np.testing.assert_allclose(graph.array, eager.array, rtol=2e-6, atol=2e-6)
    np.testing.assert_array_equal(compiled(*inputs).array, graph.array)  # buffers are reused


@pytest.mark.parametrize(("op", "sample"), [c for c in PURE if c.values[0].composition])
def test_composition_equals_the_primitive(op: Op, sample: Sample) -> None:
    inputs = leaves(op, sample)
    whole = call(op, inputs, sample.attrs)
    parts = op.composition(*inputs, **sample.attrs)
    np.testing.assert_allclose(whole.array, parts.array, rtol=1e-10, atol=1e-12)
    for x in inputs:
        if x.requires_grad:
            (a,) = lab.autograd.grad(whole.sum(), x, retain_graph=True)
            (b,) = lab.autograd.grad(parts.sum(), x, retain_graph=True)
            np.testing.assert_allclose(a.array, b.array, rtol=1e-9, atol=1e-11)


@pytest.fixture
def cupy_double() -> Any:
    """``lab.device("cuda")`` on the test double."""
    register(DeviceArray, make_cupy(), CUDA)
    yield
    unregister(DeviceArray)


@pytest.mark.usefixtures("cupy_double")
@pytest.mark.parametrize(("op", "sample"), PURE)
def test_on_the_device(op: Op, sample: Sample) -> None:
    host = leaves(op, sample)
    there = [make(x.array).to("cuda") for x in host]
    for x, h in zip(there, host, strict=True):
        x.requires_grad = h.requires_grad
    out, expected = call(op, there, sample.attrs), call(op, host, sample.attrs)
    assert out.is_cuda or not there
    # entries of one place are added in another order than on the CPU
    np.testing.assert_allclose(to_host(out.array), expected.array, rtol=1e-12, atol=1e-14)
    if expected.requires_grad:
        expected.sum().backward()
        out.sum().backward()
        for x, h in zip(there, host, strict=True):
            if h.grad is not None:
                np.testing.assert_allclose(to_host(x.grad.array), h.grad.array, rtol=1e-12)


@pytest.mark.usefixtures("cupy_double")
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_training_on_the_device_gives_the_same_numbers(mode: str) -> None:
    losses = {}
    for device in ("cpu", "cuda"):
        lab.manual_seed(0)
        nn = lab.nn
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5)
        ).to(device)
        x, y = lab.randn(6, 1, 8, 8).to(device), lab.randint(0, 5, (6,)).to(device)
        optimizer = lab.optim.Adam(model.parameters(), lr=0.01)

        @lab.function
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        with lab.mode(mode):
            losses[device] = [step(x, y).item() for _ in range(5)]
    np.testing.assert_allclose(losses["cpu"], losses["cuda"], rtol=1e-5)
    assert losses["cpu"][-1] < losses["cpu"][0]


# Elementwise ops on every kind of shape -----------------------------------------------------

ONE = [
    op for op in OPS.values() if op.promotes is None and len(op.arguments) == 1 and not op.variadic
]
TWO = [op for op in OPS.values() if op.promotes is None and op.arguments == ("input", "other")]


@pytest.mark.parametrize("op", [*ONE, *TWO], ids=lambda op: op.name)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3)], ids=str)
def test_any_shape(op: Op, shape: tuple[int, ...]) -> None:
    x = make(np.full(shape, 0.5, np.float32))
    inputs = [x] * len(op.arguments)
    out = call(op, inputs, {})
    assert tuple(out.shape) == shape
    expected = op.forward(np, *[a.array for a in inputs])
    np.testing.assert_array_equal(out.array, expected)


@pytest.mark.parametrize("op", TWO, ids=lambda op: op.name)
def test_not_contiguous(op: Op) -> None:
    a = np.arange(24, dtype=np.float32).reshape(4, 6) + 1
    x, y = make(a[::2, ::3]), make(a.T[:2, :2].T)
    np.testing.assert_array_equal(
        call(op, [x, y], {}).array, call(op, [make(x.array.copy()), make(y.array.copy())], {}).array
    )


DTYPES = [np.dtype(n) for n in ("bool", "uint8", "int32", "int64", "float32", "float64")]


def test_promotion_is_pytorchs(oracle: Any) -> None:
    cases = [
        (a, b, shapes)
        for a in DTYPES
        for b in DTYPES
        for shapes in (((2,), (2,)), ((), (2,)), ((2,), ()))
    ]

    def theirs(torch: Any) -> list[Any]:
        def ones(shape: Any, dtype: Any) -> Any:
            return torch.ones(shape, dtype=getattr(torch, str(dtype)))

        return [torch.result_type(ones(one, a), ones(two, b)) for a, b, (one, two) in cases]

    for (a, b, (one, two)), expected in zip(cases, oracle(theirs), strict=True):
        ours = common_dtype(OPS["mul"], [Spec(one, a), Spec(two, b)])
        assert str(ours) == expected, (a, b, one, two)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_broadcasting_is_numpys_and_is_undone(data: Any) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 3), min_size=0, max_size=3)))
    cut = data.draw(st.integers(0, len(shape)))
    other = tuple(1 if data.draw(st.booleans()) else n for n in shape[cut:])
    rng = np.random.default_rng(1)
    x = lab.tensor(rng.normal(size=shape), requires_grad=True)
    y = lab.tensor(rng.normal(size=other), requires_grad=True)
    (x * y).sum().backward()
    np.testing.assert_allclose(x.grad.array, np.broadcast_to(y.array, shape))
    lead = len(shape) - len(other)
    axes = tuple(i for i in range(len(shape)) if i < lead or other[i - lead] == 1)
    np.testing.assert_allclose(
        y.grad.array, np.broadcast_to(x.array, shape).sum(axes, keepdims=True).reshape(other)
    )


# Against PyTorch ----------------------------------------------------------------------------

FUNCTIONS: dict[str, Any] = {
    "softmax": lambda t, x: t.softmax(x, 1),
    "log_softmax": lambda t, x: t.log_softmax(x, 0),
    "logsumexp": lambda t, x: t.logsumexp(x, 1),
    "var": lambda t, x: t.var(x),
    "std": lambda t, x: t.std(x, 0),
    "amax": lambda t, x: t.amax(x, 1),
    "max": lambda t, x: t.max(x, 1)[0],
    "clamp": lambda t, x: t.clamp(x, -0.5, 0.7),
    "pow": lambda t, x: x.abs() ** 1.5 + 2.0**x + x**2 + x**0,
    "rsub": lambda t, x: 1 - x,
    "rdiv": lambda t, x: 1 / (x.abs() + 1),
    "slice": lambda t, x: x[1:, ::2] * x[0, None, 1],
    "ellipsis": lambda t, x: x[..., -1],
    "index": lambda t, x: x[t.tensor([2, 0, 2])],
    "index two": lambda t, x: x[t.tensor([0, 1]), t.tensor([3, 3])],
    "mask": lambda t, x: x[x > 0],
    "gather": lambda t, x: t.gather(x, 1, t.tensor([[0, 1], [1, 0], [3, 2]])),
    "cat": lambda t, x: t.cat([x, x * 2], 1),
    "stack": lambda t, x: t.stack([x, x * 2], 1),
    "where": lambda t, x: t.where(x > 0, x, x * 0.1),
    "matmul vector": lambda t, x: x @ x[0],
    "vector matmul": lambda t, x: x[:, 0] @ x,
    "permute": lambda t, x: x.T.reshape(2, 6).transpose(0, 1),
    "expand": lambda t, x: x[:, :1].expand(3, 5),
    "squeeze": lambda t, x: x.unsqueeze(0).squeeze(),
    "flatten": lambda t, x: x.flatten(),
    "sigmoid": lambda t, x: t.sigmoid(x * 30),
    "mean": lambda t, x: x.mean((0, 1), True),
    "cross_entropy": lambda t, x: t.nn.functional.cross_entropy(x, t.tensor([0, 3, 1])),
    "mse": lambda t, x: t.nn.functional.mse_loss(x, x * 0.5),
    "conv": lambda t, x: t.nn.functional.conv2d(
        x.reshape(1, 1, 3, 4), x[:2, :2].reshape(1, 1, 2, 2), stride=(1, 2), padding=1
    ),
    "pool": lambda t, x: t.nn.functional.max_pool2d(x.reshape(1, 1, 3, 4), 2, stride=1, padding=1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_value_and_gradient_are_pytorchs(name: str, oracle: Any) -> None:
    data = np.random.default_rng(3).normal(size=(3, 4)).astype(np.float32)

    def run(t: Any) -> Any:
        x = t.tensor(data.tolist(), requires_grad=True)
        y = FUNCTIONS[name](t, x)
        (y * y).sum().backward()
        return y, x.grad

    (value, gradient), (their_value, theirs) = oracle.both(run)
    assert (value.dtype, value.shape) == (their_value.dtype, their_value.shape)
    np.testing.assert_allclose(value, their_value, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, theirs, rtol=1e-4, atol=1e-5)


# The table against PyTorch: each row's samples, values and first gradients. A row is compared
# with the function of its name; THEIRS says which call it is where name or arguments differ.


def _index(template: tuple[Any, ...], tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """The index that a template of fixed parts and tensors stands for."""
    rest = iter(tensors)
    return tuple(next(rest) if part == "tensor" else part for part in template)


def _assigned(x: Any, index: Any, value: Any) -> Any:
    y = x.clone()
    y[index] = value
    return y


def _through_view(t: Any, x: Any, value: Any, through: Any) -> Any:
    y = view = x.clone()
    for name, attrs in through:
        view = view[attrs["index"]] if name == "slice" else getattr(view, name)(**attrs)
    view.copy_(value)
    return y


def _cut(source: Any, index: Any) -> Any:
    """The part of a source that is read; PyTorch has no gradient for a larger one."""
    return source[tuple(map(slice, index.shape))] if source.ndim else source.expand(index.shape)


def _prod(t: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    for d in sorted(dim, reverse=True):
        x = x.prod(d, keepdim=keepdim)
    return x


def _average(t: Any, x: Any, divisor: float, **window: Any) -> Any:
    del window["dilation"]  # it has none
    return t.nn.functional.avg_pool2d(x, divisor_override=int(divisor), **window)


def _average_gradient(t: Any, g: Any, shape: Any, **window: Any) -> Any:
    x = t.zeros(shape, dtype=g.dtype, requires_grad=True)
    return t.autograd.grad(_average(t, x, **window), x, g, create_graph=True)[0]


def _standardized(t: Any, x: Any, dim: Any, eps: float) -> Any:
    variance = x.var(dim, correction=0, keepdim=True)
    return (x - x.mean(dim, keepdim=True)) / (variance + eps).sqrt()


THEIRS: dict[str, Any] = {
    "to": lambda t, x, dtype: x.to(getattr(t, str(dtype))),
    "copy": lambda t, x, source: x.clone().copy_(source),
    "expand": lambda t, x, shape: x.expand(shape),
    "repeat": lambda t, x, repeats: x.repeat(repeats),
    "slice": lambda t, x, index: x[index],
    "unslice": lambda t, x, index, shape: _assigned(t.zeros(shape, dtype=x.dtype), index, x),
    "write_view": _through_view,
    "gather": lambda t, x, i, dim: t.gather(x, dim, i),
    "scatter": lambda t, x, i, src, dim: t.scatter(x, dim, i, _cut(src, i)),
    "scatter_zeros": lambda t, x, i, dim, shape: t.zeros(shape, dtype=x.dtype).scatter(dim, i, x),
    "scatter_add": lambda t, x, i, src, dim: t.scatter_add(x, dim, i, _cut(src, i)),
    "scatter_join": lambda t, x, i, src, dim, **how: t.scatter_reduce(
        x, dim, i, _cut(src, i), **how
    ),
    "index_select": lambda t, x, i, dim: t.index_select(x, dim, i),
    "index_add": lambda t, x, i, source, dim: t.index_add(x, dim, i, source),
    "index": lambda t, x, *i, template: x[_index(template, i)],
    "unindex": lambda t, x, *i, template, shape: t.zeros(shape, dtype=x.dtype).index_put(
        _index(template, i), x, accumulate=True
    ),
    "index_put": lambda t, x, value, *i, template: _assigned(x, _index(template, i), value),
    "index_put_add": lambda t, x, value, *i, template: x.index_put(
        _index(template, i), value, accumulate=True
    ),
    "prod": _prod,
    "cumsum_from_end": lambda t, x, dim: x.flip([dim]).cumsum(dim).flip([dim]) if x.ndim else x * 1,
    "fold": lambda t, x, shape, **window: t.nn.functional.fold(x, shape[2:], **window),
    "binary_cross_entropy": lambda t, x, y: t.nn.functional.binary_cross_entropy(
        x, y, reduction="none"
    ),
    "avg_pool2d": _average,
    "avg_pool2d_grad": _average_gradient,
    "standardize": _standardized,
    "logabsdet": lambda t, x: t.linalg.slogdet(x)[1],
    "det_sign": lambda t, x: t.linalg.slogdet(x)[0],
    "cofactors": lambda t, x: t.linalg.det(x)[..., None, None] * t.linalg.inv(x).mT,
    "layer_norm": lambda t, x, *rest, count, eps: t.nn.functional.layer_norm(
        x, x.shape[x.ndim - count :], *rest, eps=eps
    ),
}

NOT_THEIRS = {
    "to_device": "one device here",
    "nll_mean": "a part of cross_entropy, which is compared",
    "class_error": "the gradient of cross_entropy, which is compared",
    "row_share": "a part of cross_entropy: test_ignored_classes in test_layer_mistakes.py",
    "class_index": "a part of nll_loss: test_ignored_classes in test_layer_mistakes.py",
    "max_pool2d_grad": "the gradient of max_pool2d, which is compared",
    "max_pool2d_take": "the gradient of max_pool2d_grad",
    "max_pool2d_where": "made by a pass: test_a_pool_remembers_places in test_passes.py",
    "max_pool2d_put": "made by a pass, as max_pool2d_where",
    "max_pool2d_pick": "the gradient of max_pool2d_put",
    "max_pool2d_places": "a part of max_pool2d(return_indices=True); it goes by a pool given to it",
    **dict.fromkeys(
        ("rnn", "lstm", "gru"),
        "the input is projected outside: the layers are compared in test_recurrent.py",
    ),
    **dict.fromkeys(
        (op.name for op in OPS.values() if op.random),
        "streams of random numbers: test_making_is_pytorchs in test_ops_shape.py",
    ),
}


def theirs(torch: Any, op: Op) -> Any:
    """PyTorch's call for a row, ``(*inputs, **attrs) -> tensor``; None where there is none."""
    if op.name in THEIRS:
        return partial(THEIRS[op.name], torch)
    rooms = (torch.nn.functional, torch.linalg, torch, torch.special)
    found = next((getattr(room, op.name) for room in rooms if hasattr(room, op.name)), None)
    if found is not None and op.variadic:
        return lambda *tensors, **attrs: found(tensors, **attrs)
    return found


def test_each_row_has_a_call_of_pytorch_or_a_reason() -> None:
    assert not set(THEIRS) & set(NOT_THEIRS)
    assert set(THEIRS) | set(NOT_THEIRS) <= set(OPS)


@pytest.mark.parametrize(("op", "sample"), [c for c in CASES if c.values[0].name not in NOT_THEIRS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_row_gives_pytorchs_numbers(op: Op, sample: Sample, dtype: str, oracle: Any) -> None:
    arrays = arrays_of(op, sample, dtype)

    def run(t: Any) -> Any:
        xs = [t.tensor(a) for a in arrays]
        for i, x in enumerate(xs):
            x.requires_grad_(arrays[i].dtype.kind == "f" and op.rule(i) is not None)
        function = call if t is lab else theirs(t, op)
        assert function, f"name PyTorch's {op.name} in THEIRS, or why there is none in NOT_THEIRS"
        y = call(op, xs, sample.attrs) if t is lab else function(*xs, **sample.attrs)
        if y.requires_grad:
            weight = np.cos(np.arange(np.prod(y.shape))).reshape(tuple(y.shape))
            (y * t.tensor(weight).to(y.dtype)).sum().backward()
        return y, [t.zeros_like(x) if x.grad is None else x.grad for x in xs]

    (value, gradients), (their_value, their_gradients) = oracle.both(run)
    assert value.dtype == their_value.dtype
    tolerance = 1e-5 if "float32" in (dtype, str(value.dtype)) else 1e-9
    for ours, expected in zip([value, *gradients], [their_value, *their_gradients], strict=True):
        assert ours.shape == expected.shape
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance * scale)
