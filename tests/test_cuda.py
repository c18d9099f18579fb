"""CUDA plans without a GPU: compiled by NVRTC where it is, and run on the emulator.

The emulator compiles the same text as C++ and runs it on NumPy's memory. With one thread in a block
it is quick; with all threads that a plan asks for, the barriers and shuffles count too.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import emulator
import numpy as np
import nvrtc
import pytest
import test_layers_executors as layers
from double import COMPUTE, COPIES, DEFAULT, TF32, DeviceArray, make_cupy, rounded_to_tf32
from samples import samples_of
from sanitised import TRAINING, run_sanitised
from test_gpu import moved
from test_half import refuses_half

import minitorch_lab as lab
from minitorch_lab import bench
from minitorch_lab.device import CUDA, register, unregister
from minitorch_lab.op import OPS

pytestmark = pytest.mark.skipif(
    emulator.compiler() is None, reason="the emulator needs a C++ compiler, and there is none"
)
Start = Callable[..., emulator.Device]


@pytest.fixture
def on_device() -> Iterator[Start]:
    """What makes ``lab.device("cuda")`` the emulator, with so many threads in a block."""

    def begin(threads: int | None = 1) -> emulator.Device:
        xp, device = emulator.make(threads)
        register(DeviceArray, xp, CUDA)
        return device

    yield begin
    unregister(DeviceArray)


def plan_of(compiled: Any) -> Any:
    """The one plan of a compiled function."""
    ((entry,),) = compiled.entries.values()
    return entry.plan


def both(f: Callable[..., Any], *inputs: Any) -> tuple[list[Any], list[Any], Any]:
    """What a function gives in eager mode, what it gives in kernels, and how it was compiled."""
    compiled = lab.compile(f, executor="cuda")
    found = compiled(*(x.cuda() for x in inputs))
    assert compiled.executor_used == "cuda"
    return as_list(f(*inputs)), as_list(found), compiled


def as_list(found: Any) -> list[Any]:
    return list(found) if isinstance(found, (list, tuple)) else [found]


def same(eager: list[Any], found: list[Any], near: float = 3e-5) -> None:
    for a, b in zip(eager, found, strict=True):
        assert b.is_cuda
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        there = b.detach().cpu().numpy()
        np.testing.assert_allclose(there, a.detach().numpy(), rtol=near, atol=near)


# Values ------------------------------------------------------------------------------------

PURE = [op for op in OPS.values() if not op.random and op.name != "to_device"]
GROUPS = [PURE[i : i + 40] for i in range(0, len(PURE), 40)]


@pytest.mark.parametrize("rows", GROUPS, ids=lambda rows: f"{rows[0].name} to {rows[-1].name}")
def test_rows_give_what_eager_mode_gives(rows: list[Any], on_device: Start) -> None:
    device = on_device()
    f, inputs = samples_of(rows, np.float32, "cuda")
    compiled = lab.compile(f, executor="cuda")
    found = compiled(*inputs)
    assert compiled.executor_used == "cuda"
    assert device.launched
    same([x.cpu() for x in f(*inputs)], found)


def curve(entries: int) -> Callable[[Any], Any]:
    return lambda t: bench.expression(t, entries)


MODELS: dict[str, tuple[Callable[[Any], Any], int | None]] = {
    "linear": (bench.WORK["linear"][1], None),
    "one": (bench.WORK["one"][1], None),
    "digits": (bench.WORK["digits"][1], None),
    "dropout": (lambda t: bench.mlp(t, 8, 0.2), 1),
    "norms": (bench.WORK["norms"][1], None),
    "conv": (lambda t: bench.conv(t, 4), 1),
    "cnn": (lambda t: bench.cnn(t, 4), 1),
    "gru": (lambda t: bench.recurrent(t, 2), 1),
    "transformer": (lambda t: bench.transformer(t, 2), 1),
    "chain": (lambda t: bench.chain(t, 20_000), 64),
    "expression": (curve(20_000), None),
}


def training(name: str, device: str) -> tuple[Any, Any, Any, Any]:
    """A training step of a benchmark model, from the same numbers on each device."""
    lab.manual_seed(0)
    model, criterion, optimizer, x, y = MODELS[name][0](lab)
    model.to(device)
    step, x, y = bench.training_step((model, criterion, optimizer, x.to(device), y.to(device)))
    return model, step, x, y


@pytest.mark.parametrize("name", MODELS)
def test_training_leads_where_eager_mode_leads(name: str, on_device: Start) -> None:
    device = on_device(MODELS[name][1])
    losses, ends = [], []
    for where in ("cpu", "cuda"):
        model, step, x, y = training(name, where)
        if where == "cuda":
            step = lab.compile(step, executor="cuda")
        losses.append([step(x, y).item() for _ in range(4)])
        ends.append([p.detach().cpu().numpy() for p in model.parameters()])
    assert step.executor_used == "cuda"
    assert device.replays
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-6)
    # the gradient of a key's bias is 0 but for rounding, which Adam scales up
    near = 2e-3 if name == "transformer" else 3e-5
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=near)


SHAPES = [
    (),
    (1,),
    (7,),
    (3, 5),
    (4, 33),
    (300, 2),
    (2, 300),
    (3, 1500),
    (65, 40),
    (2, 3, 20),
    (40_000,),
]


CASES = [(lab.float32, shape) for shape in SHAPES] + [(lab.float64, s) for s in SHAPES[-4:]]


@pytest.mark.parametrize(("dtype", "shape"), CASES, ids=str)
def test_sums_with_all_threads_of_a_block(dtype: Any, shape: Any, on_device: Start) -> None:
    on_device(None)
    x = lab.randn(*shape).to(dtype)

    def sums(x: Any) -> list[Any]:
        out = [x.sum(), x.mean(), x.sum() + x * 2]
        for d in range(x.ndim):
            out += [x.sum(d), (x * x).mean(d), x.amax(d), x.exp().amin(d), x.softmax(d)]
        return out

    eager, found, compiled = both(sums, x)
    same(eager, found, 3e-5 if dtype is lab.float32 else 1e-12)
    for a, b in zip(found, compiled(x.cuda()), strict=True):  # the same bits in each run
        np.testing.assert_array_equal(a.cpu().numpy(), b.cpu().numpy())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_no_number_stays_none(on_device: Start) -> None:
    on_device(None)
    x = lab.tensor([[1.0, float("nan"), 3.0], [-float("inf"), 0.0, float("inf")]])
    wide = lab.cat([x] * 20, 1)
    for y in (x, wide, wide.T):
        eager, found, _ = both(lambda x: [x.amax(1), x.amin(1), x.sum(0), x.amax(), x > 0], y)
        same(eager, found)


PRODUCTS = {
    "matrices": lambda x, y: x @ y,
    "turned": lambda x, y: y.T @ x.T,
    "turned copies": lambda x, y: x.T.contiguous().T @ y.T.contiguous().T,
    "batches": lambda x, y: lab.stack([x, x * 2, -x]) @ y,
    "batches of both": lambda x, y: lab.stack([x, -x]).reshape(2, 1, 33, 17) @ lab.stack([y, y, y]),
    "a vector": lambda x, y: x @ y[:, 0],
}


@pytest.mark.parametrize("threads", [None, 1])
@pytest.mark.parametrize("name", PRODUCTS)
def test_small_products_are_kernels(name: str, threads: int | None, on_device: Start) -> None:
    on_device(threads)
    eager, found, compiled = both(PRODUCTS[name], lab.randn(33, 17), lab.randn(17, 20))
    same(eager, found)
    assert "void matmul" in plan_of(compiled).source


def test_a_large_product_is_cublas(on_device: Start) -> None:
    on_device()
    eager, found, compiled = both(lambda x: x @ x, lab.randn(170, 170))
    same(eager, found)
    assert "np.dot(w0, w0, out=w1)" in plan_of(compiled).source


@pytest.fixture
def tf32() -> Iterator[None]:
    """The precision of before, afterwards."""
    yield
    lab.set_float32_matmul_precision("highest")
    COMPUTE["float32"] = DEFAULT


@pytest.mark.usefixtures("tf32")
def test_tf32_is_asked_of_cublas_in_eager_mode_and_in_plans_that_are_there(
    on_device: Start,
) -> None:
    on_device()
    x = lab.randn(170, 170).cuda()
    compiled = lab.compile(lambda x: (x @ x) * 1, executor="cuda")
    exact = compiled(x).cpu()
    lab.set_float32_matmul_precision("high")
    assert COMPUTE["float32"] == TF32
    rounded = rounded_to_tf32(x.cpu().numpy())
    for found in (compiled(x), x @ x):
        np.testing.assert_array_equal(found.cpu().numpy(), rounded @ rounded)
        assert not np.array_equal(found.cpu().numpy(), exact.numpy())
    assert compiled.traces == 1
    ((entry,),) = compiled.entries.values()
    assert "large ones in TF32" in str(entry.workings.why("cuda"))
    lab.backends.cuda.matmul.allow_tf32 = False
    assert lab.get_float32_matmul_precision() == "highest"
    np.testing.assert_array_equal(compiled(x).cpu().numpy(), exact.numpy())
    assert "TF32" not in str(entry.workings.why("cuda"))


@pytest.mark.usefixtures("tf32")
def test_tf32_that_was_set_before_cupy_was_loaded(on_device: Start) -> None:
    lab.backends.cuda.matmul.allow_tf32 = True
    assert (lab.get_float32_matmul_precision(), COMPUTE["float32"]) == ("high", DEFAULT)
    on_device()
    assert COMPUTE["float32"] == TF32
    lab.set_float32_matmul_precision("highest")
    assert COMPUTE["float32"] == DEFAULT


@pytest.mark.usefixtures("tf32")
def test_where_there_is_no_tf32() -> None:
    older, bare = make_cupy(), make_cupy()
    older.cuda.Device = lambda: SimpleNamespace(compute_capability="75")  # Turing
    del bare._core
    register(DeviceArray, older, CUDA)
    try:
        lab.set_float32_matmul_precision("medium")  # as in PyTorch: the card goes on in float32
        assert COMPUTE["float32"] == DEFAULT
        lab.set_float32_matmul_precision("highest")
        register(DeviceArray, bare, CUDA)
        with pytest.raises(lab.DeviceError, match="CuPy 14 or later"):
            lab.set_float32_matmul_precision("high")
        assert lab.get_float32_matmul_precision() == "highest"
    finally:
        unregister(DeviceArray)
    lab.set_float32_matmul_precision("high")
    with pytest.warns(RuntimeWarning, match="stay in float32"):
        register(DeviceArray, bare, CUDA)
    unregister(DeviceArray)
    assert not lab.backends.cuda.matmul.allow_tf32
    with pytest.raises(lab.ArgumentError, match="expected one of highest, high, medium"):
        lab.set_float32_matmul_precision("low")


WINDOWS: dict[str, dict[str, Any]] = {
    "plain": {}, "padded": {"padding": 1}, "wide steps": {"stride": 2, "padding": (1, 0)},
    "dilated": {"dilation": 2, "padding": 2}, "all": {"stride": (3, 2), "dilation": (1, 2)},
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_are_kernels(name: str, on_device: Start) -> None:
    device = on_device(64)
    F, how = lab.nn.functional, WINDOWS[name]
    x, w = lab.randn(2, 3, 9, 8), lab.randn(4, 3, 3, 2)

    def both_ways(x: Any, w: Any) -> Any:
        x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
        pool = {"stride": 1} | {k: v for k, v in how.items() if k != "padding"}
        y = F.max_pool2d(F.conv2d(x, w, **how).tanh(), 2, **pool)
        return y, *lab.autograd.grad((y * y).sum(), (x, w))

    eager, found, compiled = both(both_ways, x, w)
    same(eager, found)
    assert not re.search(r"\bop\d+\(", plan_of(compiled).source)
    made = " ".join(device.launched)
    assert all(op in made for op in ("unfold", "fold", "max_pool2d", "matmul"))
    assert "max_pool2d_grad" in made or "max_pool2d_put" in made


def test_pools_leave_a_nan_as_it_is(on_device: Start) -> None:
    on_device()
    x = lab.randn(1, 2, 6, 6)
    x[0, 1, 2, 3] = float("nan")
    x[0, 0, :2, :2] = -float("inf")
    eager, found, _ = both(lambda x: lab.nn.functional.max_pool2d(x, 2, 1, 1), x)
    same(eager, found)


SANITISED = """
import emulator
from double import DeviceArray
import minitorch_lab as lab
from minitorch_lab.device import CUDA, register
emulator.FLAGS += ["-fsanitize=address", "-fno-omit-frame-pointer"]
xp, device = emulator.make(1)
register(DeviceArray, xp, CUDA)
EXECUTOR, DEVICE = "cuda", "cuda"
"""
SANITISED += TRAINING


def test_kernels_stay_inside_their_buffers() -> None:
    run_sanitised(SANITISED, [emulator.compiler() or ""])


# Launches ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["linear", "digits", "norms", "gru", "conv", "transformer"])
def test_a_training_step_is_one_graph(name: str, on_device: Start) -> None:
    device = on_device()
    _, step, x, y = training(name, "cuda")
    step = lab.compile(step, executor="cuda")
    for _ in range(3):
        step(x, y)
    code = plan_of(step).source
    assert "launch0()" in code
    assert "launch1()" not in code
    assert not re.search(r"\bop\d+\(|np\.dot|np\.matmul", code)
    assert device.replays == 2


def test_a_target_that_is_no_class_changes_nothing(on_device: Start) -> None:
    on_device()
    model, step, x, y = training("digits", "cuda")
    compiled = lab.compile(step, executor="cuda")
    for _ in range(3):
        compiled(x, y)
    wrong = y.cpu()
    wrong[3] = 10
    before = [p.detach().cpu().numpy() for p in model.parameters()]
    texts = []
    for function in (step, compiled):
        with pytest.raises(IndexError, match="target") as error:
            function(x, wrong.cuda())
        texts.append(str(error.value).splitlines()[0])
    assert texts[0] == texts[1]
    for a, p in zip(before, model.parameters(), strict=True):
        np.testing.assert_array_equal(p.detach().cpu().numpy(), a)
    assert compiled(x, y).item() == pytest.approx(step(x, y).item(), abs=0.1)
    assert compiled.traces == 1


@pytest.mark.parametrize("name", ["digits", "dropout", "gru", "cnn"])
def test_a_training_step_copies_nothing_silently(name: str, on_device: Start) -> None:
    on_device(MODELS[name][1])
    _, step, x, y = training(name, "cuda")
    step = lab.compile(step, executor="cuda")
    for _ in range(3):
        before = sum(COPIES.values())
        with lab.cuda.transfers() as seen:
            step(x, y).item()
        assert seen.count == sum(COPIES.values()) - before, str(seen)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_waits_for_the_end_of_a_step(
    times: int, on_device: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = on_device()
    model, step, x, y = training("digits", "cuda")
    twin, other, _, _ = training("digits", "cuda")
    step, other = (lab.compile(f, executor="cuda") for f in (step, other))
    step(x, y), other(x, y)
    ask = emulator.Device.do

    def interrupted(self: emulator.Device, call: Any) -> None:
        ask(self, call)
        if len(device.launched) % 5 == 3:  # in the middle of the kernels
            monkeypatch.setattr(emulator.Device, "do", ask)
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    for entries in step.entries.values():  # launched one by one, as without a graph
        plan = entries[0].plan
        for value in plan.run.__globals__.values():
            if hasattr(value, "captured"):
                monkeypatch.setattr(value, "captured", lambda: None)
    monkeypatch.setattr(emulator.Device, "do", interrupted)
    with pytest.raises(KeyboardInterrupt):
        step(x, y)
    monkeypatch.setattr(emulator.Device, "do", ask)
    assert signal.getsignal(signal.SIGINT) is before
    if times == 1:
        other(x, y)
        for a, b in zip(model.parameters(), twin.parameters(), strict=True):
            np.testing.assert_array_equal(a.detach().cpu().numpy(), b.detach().cpu().numpy())
        assert step(x, y).item() == other(x, y).item()


def mix(x: Any, w: Any) -> Any:
    y = (x * w).tanh()
    return y.sum(0) + y.mean()


def test_a_whole_plan_is_one_graph_from_its_second_run_on(on_device: Start) -> None:
    device = on_device()
    w = lab.randn(5).cuda()
    f = lab.compile(lambda x: mix(x, w), executor="cuda")
    inputs = [lab.randn(4, 5) for _ in range(4)]
    found, launched, replays = [], [], []
    for x in inputs:
        found.append(f(x.cuda()))
        launched.append(len(device.launched))
        replays.append(device.replays)
    plan = plan_of(f)
    assert launched == [plan.launches, 2 * plan.launches, 2 * plan.launches, 2 * plan.launches]
    assert replays == [0, 1, 2, 3]
    for x, y in zip(inputs, found, strict=True):  # each result is a copy of its own
        np.testing.assert_allclose(y.cpu().numpy(), mix(x, w.cpu()).numpy(), rtol=1e-5)
    w.copy_(lab.ones(5).cuda())  # by reference
    np.testing.assert_allclose(
        f(inputs[0].cuda()).cpu().numpy(), mix(inputs[0], lab.ones(5)).numpy(), rtol=1e-5
    )
    assert device.replays == 4


def test_a_graph_sees_numbers_that_change(on_device: Start) -> None:
    device = on_device()
    ends = []
    for where in ("cpu", "cuda"):
        w = lab.nn.Parameter(lab.tensor([1.0, 2.0, 3.0]).to(where))
        v = lab.nn.Parameter(lab.ones(5, 3).to(where))
        optimizer = lab.optim.Adam([w, v], lr=0.1)

        def step() -> Any:
            optimizer.zero_grad()
            loss = (v * w * w).sum()
            loss.backward()
            optimizer.step()
            return loss

        run = lab.compile(step, executor="cuda") if where == "cuda" else step
        for lr in (0.1, 0.1, 0.1, 0.5, 0.01):
            optimizer.param_groups[0]["lr"] = lr
            run()
        ends.append(v.detach().cpu().numpy())
    assert run.executor_used == "cuda"
    assert (run.traces, device.replays) == (1, 4)
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-6)


def test_a_device_that_cannot_capture_launches_one_by_one(
    on_device: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = on_device()

    def refuse(self: emulator.Stream) -> None:
        raise RuntimeError("cudaErrorStreamCaptureUnsupported")

    monkeypatch.setattr(emulator.Stream, "begin_capture", refuse)
    x = lab.randn(4, 5)
    f = lab.compile(lambda x: mix(x, 2.0), executor="cuda")
    for _ in range(3):
        np.testing.assert_allclose(f(x.cuda()).cpu().numpy(), mix(x, 2.0).numpy(), rtol=1e-5)
    assert (len(device.launched), device.replays) == (3 * plan_of(f).launches, 0)


def test_loops_that_are_alike_share_a_kernel(on_device: Start) -> None:
    on_device()
    _, step, x, y = training("gru", "cuda")
    step = lab.compile(step, executor="cuda")
    step(x, y)
    plan = plan_of(step)
    assert plan.kernels < 50 < 400 < plan.launches
    assert plan.source.count("__global__") == plan.kernels
    assert f"{plan.launches} launches of {plan.kernels} kernels" in str(lab.explain(step))


def test_what_runs_between_kernels_runs_as_in_eager_mode(on_device: Start) -> None:
    device = on_device()

    def sorted_ones(x: Any) -> Any:
        y = (x * 2).tanh()
        return lab.sort(y, 1)[0].exp().sum(1)

    x = lab.randn(6, 7)
    eager, found, compiled = both(sorted_ones, x)
    same(eager, found)
    same(eager, as_list(compiled(x.cuda())))
    code = compiled.code(x.cuda())
    assert re.search(r"launch0\(\)\n(.*op\d+.*\n)+ *launch1\(\)", code)
    assert device.launched


def test_branches_and_loops_run_between_kernels(on_device: Start) -> None:
    on_device()

    def f(x: Any) -> Any:
        y = lab.cond(x.sum() > 0, lambda x: x * 2, lambda x: -x, x)
        start = lab.zeros(3, device=x.device)
        return [y.exp().sum(0), *lab.scan(lambda t, row: (t + row, t * row), start, y)]

    x = lab.randn(4, 3)
    eager, found, compiled = both(f, x)
    same(eager, found)
    same(f(-x), compiled((-x).cuda()))
    assert compiled.traces == 1


def test_views_and_empty_ones(on_device: Start) -> None:
    on_device()

    def f(x: Any, y: Any) -> Any:
        return [x.T + 1, x[::2].sum(1), x.T.reshape(-1) * 2, y.sum(), y * 2]

    eager, found, compiled = both(f, lab.randn(6, 4), lab.zeros(0, 3))
    same(eager, found)
    turned = lab.randn(4, 6).T
    same(f(turned, lab.zeros(0, 3)), compiled(turned.cuda(), lab.zeros(0, 3).cuda()))


def test_state_that_lies_turned_is_updated_where_it_is(on_device: Start) -> None:
    on_device()
    state = lab.randn(4, 3).cuda().T
    before = state.cpu().numpy()

    def add(x: Any) -> Any:
        state.add_(x)
        return state.sum()

    compiled = lab.compile(add, executor="cuda")
    for _ in range(3):
        total = compiled(lab.ones(3, 4).cuda())
    np.testing.assert_allclose(state.cpu().numpy(), before + 3, rtol=1e-6)
    assert total.item() == pytest.approx(before.sum() + 36, rel=1e-5)
    assert compiled.executor_used == "cuda"


# The text ----------------------------------------------------------------------------------


def test_the_code_is_readable_and_names_the_lines(on_device: Start) -> None:
    on_device()
    f = lab.compile(lambda x: (x * 2 + 1).exp().sum(), executor="cuda")
    f(lab.randn(4, 5).cuda())
    line = f.function.__code__.co_firstlineno
    _, _, kernel = lab.explain(f).code().partition("\n\n")
    assert kernel == KERNEL.replace("LINE", str(line))


KERNEL = """\
// test_cuda.py line LINE
extern "C" __global__ void loop0(long long count, const float *m0, float *m1)
{
    for (int row = blockIdx.x * blockDim.y + threadIdx.y; row < count; row += gridDim.x * blockDim.y) {
        bool first = threadIdx.x == 0;
        float s1 = 0;
        for (int i = threadIdx.x; i < 20; i += blockDim.x) {
            const float v2 = m0[i] * 2.0f;
            const float v3 = v2 + 1.0f;
            const float v4 = lab_expf(v3);
            s1 += v4;
        }
        const float v1 = lab_row(s1, lab_plus());
        if (first) m1[0] = v1;
    }
}
"""  # noqa: E501


# Choices -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "on_gpu"), [("auto", "cuda"), ("cuda", "cuda"), ("c", "numpy"), ("numpy", "numpy")]
)
def test_which_executor_runs_a_graph(wanted: str, on_gpu: str, on_device: Start) -> None:
    on_device()
    f = lab.compile(lambda x: x * 2, executor=wanted)
    assert f(lab.ones(2).cuda()).cpu().tolist() == [2, 2]
    assert f.executor_used == on_gpu
    if wanted == "cuda":
        assert f(lab.ones(2)).tolist() == [2, 2]
        assert f.executor_used == "numpy"


def test_without_kernels_the_plan_runs_op_by_op() -> None:
    register(DeviceArray, make_cupy(), CUDA)  # a CuPy that has no RawModule
    f = lab.compile(lambda x: x * 2.5, executor="cuda")
    with pytest.warns(
        RuntimeWarning, match="graph mode runs on CuPy op by op: CuPy cannot"
    ) as told:
        assert f(lab.ones(2).cuda()).cpu().tolist() == [2.5, 2.5]
    unregister(DeviceArray)
    assert len(told) == 1
    assert f.executor_used == "numpy"


def test_what_is_handed_through_stays_where_it_is(on_device: Start) -> None:
    on_device()
    f = lab.compile(lambda x, y: (x, y * x.cuda()), executor="cuda")
    for n in (2, 3):
        x, y = f(lab.tensor([1.0, n]), lab.tensor([4.0, 5.0]).cuda())
        assert (x.is_cuda, y.is_cuda) == (False, True)
        assert (x.tolist(), y.cpu().tolist()) == ([1, n], [4, 5 * n])
    assert f.executor_used == "cuda"


def test_a_division_by_zero_is_the_error_of_eager_mode(on_device: Start) -> None:
    on_device()
    x, y = lab.tensor([7, -7]).cuda(), lab.tensor([2, 2]).cuda()
    f = lab.compile(lambda x, y: x // y + x % y, executor="cuda")
    assert f(x, y).cpu().tolist() == [3 + 1, -4 + 1]
    texts = []
    for function in (f.function, f):
        with pytest.raises(Exception, match="0") as error:
            function(x, y - 2)
        texts.append(str(error.value).splitlines()[0])
    assert texts[0] == texts[1]
    assert f.executor_used == "cuda"
    assert f(x, y).cpu().tolist() == [4, -3]


# NVRTC -------------------------------------------------------------------------------------

NEED_NVRTC = pytest.mark.skipif(
    nvrtc.library() is None,
    reason="NVRTC is not here: pip install nvidia-cuda-nvrtc-cu12",
)


@pytest.fixture
def codes() -> Iterator[list[str]]:
    """The texts that plans would have compiled, on a device that runs nothing."""
    kept: list[str] = []

    def module(code: str) -> Any:
        kept.append(code)
        return SimpleNamespace(get_function=lambda name: None)

    xp = make_cupy()
    xp.RawModule = module
    register(DeviceArray, xp, CUDA)
    yield kept
    unregister(DeviceArray)


@NEED_NVRTC
@pytest.mark.parametrize("name", MODELS)
def test_nvrtc_compiles_the_models(name: str, codes: list[str]) -> None:
    _, step, x, y = training(name, "cuda")
    code = lab.compile(step, executor="cuda").code(x, y)
    (text,) = codes
    expected = set(re.findall(r"__global__ void (\w+)\(", code)) | {"lab_told"}
    for arch in ("sm_70", "sm_90"):
        ptx = nvrtc.compiled(text, arch)
        assert set(re.findall(r"\.entry (\w+)\(", ptx)) == expected


@NEED_NVRTC
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("rows", GROUPS, ids=lambda rows: f"{rows[0].name} to {rows[-1].name}")
def test_nvrtc_compiles_the_rows(rows: list[Any], dtype: Any, codes: list[str]) -> None:
    if dtype is np.float16:
        rows = [op for op in rows if not refuses_half(op)]
    f, inputs = samples_of(rows, dtype, "cuda")
    lab.compile(f, executor="cuda").code(*inputs)
    (text,) = codes
    assert nvrtc.compiled(text, "sm_70").count(".entry") > 2


@NEED_NVRTC
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("texts", layers.GROUPS, ids=lambda texts: texts[0])
def test_nvrtc_compiles_the_layers(texts: list[str], codes: list[str]) -> None:
    lab.manual_seed(5)
    inputs = [layers.given(layers.SAMPLES[text], "float32") for text in texts]
    given = [[moved(x) for x in xs] for xs in inputs]
    modules = [layers.made(text, "float32", True) for text in texts]
    parts = lab.nn.ModuleList(m for m in modules if isinstance(m, lab.nn.Module)).to("cuda")
    step = layers.together(modules, list(parts.parameters()))
    with lab.device("cuda"):
        lab.compile(step, executor="cuda").code(given)
    (text,) = codes
    for arch in ("sm_70", "sm_90"):
        assert nvrtc.compiled(text, arch).count(".entry") > 2


# A GPU -------------------------------------------------------------------------------------


@pytest.mark.gpu
def test_training_on_a_gpu() -> None:
    if not lab.cuda.is_available():
        pytest.skip(str(lab.cuda.why_not()))
    for name in MODELS:
        losses = []
        for where in ("cpu", "cuda"):
            _, step, x, y = training(name, where)
            if where == "cuda":
                step = lab.compile(step, executor="cuda")
            losses.append([step(x, y).item() for _ in range(5)])
        assert step.executor_used == "cuda", name
        launches = [v for v in plan_of(step).run.__globals__.values() if hasattr(v, "captured")]
        assert all(v.graph is not None for v in launches if len(v.calls) > 1), name
        np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5, err_msg=name)
