"""float16 in generated code: a type of memory, computed in float32 and rounded once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import emulator
import numpy as np
import pytest
from double import DeviceArray
from test_c import IN_PYTHON, in_python

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab import nn
from minitorch_lab.bench_steps import training_step
from minitorch_lab.device import CUDA, register, unregister
from minitorch_lab.graph.codegen import cuda, native
from minitorch_lab.op import OPS, current
from minitorch_lab.tensor import make

try:
    native.compiler()
    WHY = ""
except native.NoCompiler as _why:
    WHY = str(_why)
EXECUTORS = [
    pytest.param("c", marks=pytest.mark.skipif(bool(WHY), reason=WHY or "a compiler is there")),
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(emulator.compiler() is None, reason="there is no C++ compiler"),
    ),
    pytest.param("gpu", marks=pytest.mark.gpu),
]
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
PURE = [op for op in OPS.values() if not op.random and op.name != "to_device"]


@pytest.fixture(params=EXECUTORS)
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the values of a test are, for each executor that writes C."""
    if request.param == "c":
        yield "cpu"
        return
    if request.param == "gpu":
        if not lab.cuda.is_available():
            pytest.skip(str(lab.cuda.why_not()))
        yield "cuda"
        return
    xp, _ = emulator.make(1)
    register(DeviceArray, xp, CUDA)
    yield "cuda"
    unregister(DeviceArray)


def run(f: Callable[..., Any], *inputs: Any) -> tuple[list[Any], list[Any], Any]:
    """What eager mode gives, what generated code gives, and the compiled function."""
    executor = "cuda" if inputs[0].is_cuda else "c"
    compiled = lab.compile(f, executor=executor)
    found = compiled(*inputs)
    assert compiled.executor_used == executor
    eager = f(*inputs)
    as_list = [list(x) if isinstance(x, (list, tuple)) else [x] for x in (eager, found)]
    for a, b in zip(*as_list, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
    return as_list[0], as_list[1], compiled


def host(x: Any) -> Any:
    return x.detach().cpu().numpy()


def steps_apart(a: Any, b: Any) -> float:
    """The largest difference of two results, in steps of float16."""
    a, b = host(a), host(b)
    if a.dtype != np.float16:
        return 0.0 if np.array_equal(a, b, equal_nan=True) else np.inf
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    step = np.spacing(np.maximum(np.abs(a), np.abs(b))).astype(np.float64)
    return float(np.max(np.where(same, 0, np.abs(a.astype(float) - b) / step), initial=0))


# Conversions -------------------------------------------------------------------------------

KERNEL = """
extern "C" __global__ void widen(const lab_half *a, float *b, long long count)
{
    for (long long i = 0; i < count; i++) b[i] = lab_from_half(a[i]);
}
extern "C" __global__ void narrow(const float *a, lab_half *b, float *c, long long count)
{
    for (long long i = 0; i < count; i++) {
        b[i] = lab_to_half(a[i]);
        c[i] = lab_rounded(a[i]);
    }
}
"""
IN_C = """
int step0(void **p, double *n)
{
    const lab_half *a = p[0];
    float *b = p[1];
    for (long i = 0; i < n[0]; i++) b[i] = lab_from_half(a[i]);
    return 0;
}
int step1(void **p, double *n)
{
    const float *a = p[0];
    lab_half *b = p[1];
    float *c = p[2];
    for (long i = 0; i < n[0]; i++) {
        b[i] = lab_to_half(a[i]);
        c[i] = lab_rounded(a[i]);
    }
    return 0;
}
"""


def conversions(executor: str) -> tuple[Callable[..., None], Callable[..., None]]:
    """The two loops above: of halves to floats, and of floats to halves."""
    if executor == "cuda":
        _, device = emulator.make(1)
        module = device.module(cuda.PRELUDE + KERNEL)

        def launched(name: str, *arrays: Any) -> None:
            at = [a.__array_interface__["data"][0] for a in arrays]
            module.get_function(name)((1, 1), (1, 1), (*at, len(arrays[0])))

        return lambda *x: launched("widen", *x), lambda *x: launched("narrow", *x)
    library = native.load(native.PRELUDE + IN_C, ["step0", "step1"])

    def called(step: Any, *arrays: Any) -> None:
        n = native.numbers(1)
        n[0] = len(arrays[0])
        assert step(native.table(len(arrays), list(enumerate(arrays))), n) == 0

    return lambda *x: called(library.step0, *x), lambda *x: called(library.step1, *x)


HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)  # every one there is


def floats_around() -> Any:
    """Floats between two halves: just below the middle, the middle, just above it; and others."""
    exact = HALVES[~np.isnan(HALVES)].astype(np.float32)
    bits = exact.view(np.uint32)[:, None]
    near = bits + np.array([0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF], np.uint32)
    rng = np.random.default_rng(0)
    small = rng.integers(0x33000000 - 9, 0x38900000, 100_000, dtype=np.uint32)
    any_bits = rng.integers(0, 1 << 32, 200_000, dtype=np.uint32)
    return np.concatenate([near.ravel(), small, any_bits]).view(np.float32)


@pytest.mark.parametrize("executor", EXECUTORS[:2])
def test_conversions_are_exact(executor: str) -> None:
    widen, narrow = conversions(executor)
    floats, given = np.empty(HALVES.size, np.float32), floats_around()
    widen(HALVES, floats)
    np.testing.assert_array_equal(floats, HALVES.astype(np.float32))
    assert np.array_equal(np.signbit(floats), np.signbit(HALVES))
    out, rounded = np.empty(given.size, np.float16), np.empty_like(given)
    narrow(given, out, rounded)
    expected = given.astype(np.float16)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(rounded, expected.astype(np.float32))
    known = ~np.isnan(given)
    assert np.array_equal(np.signbit(out[known]), np.signbit(given[known]))


def test_casts_are_numpys(place: str) -> None:
    h, x = lab.tensor(HALVES).to(place), lab.tensor(floats_around()).to(place)
    _, (wide, narrow), _ = run(lambda h, x: (h.float(), x.half()), h, x)
    np.testing.assert_array_equal(host(wide), HALVES.astype(np.float32))
    np.testing.assert_array_equal(host(narrow), floats_around().astype(np.float16))


# Rows --------------------------------------------------------------------------------------


def of_one_entry(op: Any) -> bool:
    """Whether C computes a row entry by entry."""
    sample = op.samples[0] if op.samples else None
    if sample is None or op.kernel is None:
        return False
    return not callable(op.kernel) or op.kernel(**sample.attrs) is not None


def refuses_half(op: Any) -> bool:
    """Whether a row wants more digits: work of LAPACK."""
    f, inputs = values_of([op], "cpu")
    try:
        f(*inputs)
    except lab.DTypeError:
        return True
    return False


def values_of(rows: list[Any], place: str) -> tuple[Callable[..., Any], list[Any]]:
    """The results of all samples of some rows on float16, as one function, and its inputs."""
    rng = np.random.default_rng(7)
    cases = [
        (op, s.attrs, [make(d(rng, np.float16)) for d in s.inputs])
        for op in rows
        for s in op.samples
    ]

    def values(*inputs: Any) -> list[Any]:
        rest = iter(inputs)
        return [current().apply(op, tuple(next(rest) for _ in xs), a) for op, a, xs in cases]

    return values, [x.to(place) for _, _, xs in cases for x in xs]


@pytest.mark.parametrize("start", range(0, len(PURE), 48))
def test_rows_give_what_float32_gives(start: int, place: str) -> None:
    """The results are those of float32, rounded at the end."""
    rows = [op for op in PURE[start : start + 48] if not refuses_half(op)]
    f, inputs = values_of(rows, place)
    _, found, compiled = run(f, *inputs)
    if place == "cpu":
        assert in_python(compiled, *inputs) <= set(IN_PYTHON)
    exact = f(*(x.float() if x.dtype is lab.float16 else x for x in inputs))
    names = [op.name for op in rows for _ in op.samples]
    for name, a, b in zip(names, found, map(host, exact), strict=True):
        near = 2e-3 * max(1, np.abs(b).max(initial=0))
        np.testing.assert_allclose(host(a), b, rtol=2e-3, atol=near, err_msg=name)


def test_one_entry_is_at_most_a_step_from_eager_mode(place: str) -> None:
    rows = [op for op in PURE if of_one_entry(op) and not refuses_half(op)]
    assert len(rows) > 60
    f, inputs = values_of(rows, place)
    eager, found, _ = run(f, *inputs)
    names = [op.name for op in rows for _ in op.samples]
    far = {name: steps_apart(*pair) for name, *pair in zip(names, eager, found, strict=True)}
    assert {name: n for name, n in far.items() if n > 1} == {}


# Plans -------------------------------------------------------------------------------------


def loops(compiled: Any, *inputs: Any) -> list[str]:
    """The loops of a plan, as their C text."""
    code = compiled.code(*inputs)
    if inputs[0].is_cuda:
        return re.findall(r"__global__ void .*?\n}", code, re.DOTALL)
    return re.findall(r"noinline.*?\n}", code, re.DOTALL)


def test_a_chain_is_one_loop_that_rounds_each_result(place: str) -> None:
    x, y = (lab.randn(30, 40).half().to(place) for _ in range(2))
    (a,), (b,), compiled = run(lambda x, y: ((x * y + 0.1).tanh() - x) / 3, x, y)
    assert steps_apart(a, b) <= 1
    (text,) = loops(compiled, x, y)
    assert text.count("lab_rounded") == 5
    assert text.count("lab_to_half") == 1  # what passes between them stays float
    assert "0.0999755859375f" in text  # a number takes the dtype of the tensor, as in eager mode


def test_casts_are_part_of_the_loops_around_them(place: str) -> None:
    x, w = lab.randn(30, 40).to(place), lab.randn(30, 40).to(place)

    def cast(x: Any, w: Any) -> Any:
        h = (x * 2).half() + w.half()
        return h.relu().float() * w, h.double(), h > 0, h.int(), (h > 0).half(), h

    eager, found, compiled = run(cast, x, w)
    for a, b in zip(eager, found, strict=True):
        np.testing.assert_array_equal(host(a), host(b))
    assert len(loops(compiled, x, w)) == 1


def test_sums_are_added_in_float32(place: str) -> None:
    x = lab.ones(300, 400).half().to(place)  # a sum of 120000: more than float16 has

    def sums(x: Any) -> Any:
        return x.mean(), x.sum(0), x.sum(1), (x * 0.5).sum(), x.amax(0), x.softmax(1).sum(1)

    eager, found, compiled = run(sums, x)
    for a, b in zip(eager, found, strict=True):
        np.testing.assert_array_equal(host(a), host(b))
    assert (found[0].item(), found[3].item()) == (1.0, 60000.0)
    assert "lab_half s" not in compiled.code(x)
    kept = {(e.op.name, str(e.inputs[0].spec.dtype)) for e in compiled.graph(x).equations}
    assert ("sum", "float16") not in kept


def test_products_of_float16(place: str) -> None:
    x, w = (lab.randn(40, 40).half().to(place) for _ in range(2))
    batch = lab.stack([x, w])
    f = lambda x, w, b: (x @ w, b @ w, F.linear(x, w, w[0]), x[0] @ w)  # noqa: E731
    eager, found, compiled = run(f, x, w, batch)
    for a, b in zip(eager, found, strict=True):
        assert steps_apart(a, b) <= 1
    code = compiled.code(x, w, batch)
    text = "const lab_half *a, const lab_half *b, lab_half *out" if x.is_cuda else "lab_sgemm("
    assert text in code


def test_a_cuda_product_that_is_large_is_cublas_in_float16() -> None:
    if emulator.compiler() is None:
        pytest.skip("there is no C++ compiler")
    xp, _ = emulator.make(1)
    register(DeviceArray, xp, CUDA)
    try:
        x = lab.randn(170, 170).half().cuda()
        (a,), (b,), compiled = run(lambda x: x @ x, x)
        np.testing.assert_array_equal(host(a), host(b))
        assert "np.dot(w0, w0, out=w1)" in compiled.code(x)
        assert [str(e.out.spec.dtype) for e in compiled.graph(x).equations] == ["float16"]
    finally:
        unregister(DeviceArray)


def test_copies_and_views_keep_the_bits(place: str) -> None:
    x = lab.randn(4, 6).half().to(place)
    parts = lambda x: (  # noqa: E731
        lab.cat([x, x.flip(0)]), lab.stack([x, x]), x.T.contiguous(), x.repeat(2, 3),
        x[:, ::2].reshape(-1), x.T.reshape(3, 8), x.tril(), x[1:].clone(),
    )  # fmt: skip
    eager, found, _ = run(parts, x)
    for a, b in zip(eager, found, strict=True):
        np.testing.assert_array_equal(host(a), host(b))


def test_choices_and_loops_on_float16(place: str) -> None:
    x = lab.randn(3, 4).half().to(place)

    def f(x: Any) -> Any:
        chosen = lab.cond(x.sum() > 0, lambda x: x * 2, lambda x: x.sum(1, keepdim=True) + x, x)
        (end,) = lab.while_loop(lambda y: y.amax() < 100, lambda y: y * y + 1, x)
        last, each = lab.scan(lambda c, row: (c + row, c * row), x[0], x)
        return chosen, end, last, each

    eager, found, _ = run(f, x)
    for a, b in zip(eager, found, strict=True):
        assert steps_apart(a, b) <= 1


@pytest.mark.parametrize("without", [("lower",), ("fuse",), ("lower", "fuse"), ("tile", "buffers")])
def test_passes_may_be_left_out(without: Any, place: str) -> None:
    x, w = lab.randn(30, 40).half().to(place), lab.randn(40, 20).half().to(place)
    f = lambda x, w: ((x @ w).relu().sum(0) + F.linear(x, w.T).mean(), x.softmax(1))  # noqa: E731
    compiled = lab.compile(f, executor="cuda" if x.is_cuda else "c", without=without)
    for a, b in zip(f(x, w), compiled(x, w), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(host(b), host(a), rtol=4e-3, atol=4e-3)


def test_numpy_does_the_same() -> None:
    x, w = lab.randn(30, 40).half(), lab.randn(40, 20).half()
    f = lambda x, w: ((x @ w).relu().sum(0), x.softmax(1), (x * 0.1 + 1).mean())  # noqa: E731
    compiled = lab.compile(f, executor="numpy")
    for a, b in zip(f(x, w), compiled(x, w), strict=True):
        assert steps_apart(a, b) <= 1


def small_cnn() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.LayerNorm(64), nn.Dropout(0.0), nn.Linear(64, 10),
    )  # fmt: skip


def test_a_model_of_halves_trains_as_in_eager_mode(place: str) -> None:
    x, y = lab.randn(8, 1, 8, 8), lab.randint(0, 10, (8,))
    losses = []
    for executor in (None, "cuda" if place == "cuda" else "c"):
        lab.manual_seed(0)
        model = small_cnn().to(place).half()
        optimizer = lab.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        work = (model, nn.CrossEntropyLoss(), optimizer, x.to(place).half(), y.to(place))
        step, *batch = training_step(work)
        step = step if executor is None else lab.compile(step, executor=executor)
        losses.append([step(*batch).item() for _ in range(6)])
        assert all(p.dtype is lab.float16 for p in model.parameters())
    assert losses[1][-1] < 0.5 * losses[1][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-2, atol=2e-2)
