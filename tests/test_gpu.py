"""Every op, layer, loss, optimiser and schedule on a GPU: the numbers of the CPU.

Each test runs twice: on the double for CuPy, which every machine has, and, marked ``gpu``, on a
real GPU where there is one. The lists are those of the other tests: a new op or layer is in both.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import emulator
import numpy as np
import pytest
import test_layers_executors as layers
from double import DeviceArray, make_cupy
from samples import samples_of

import minitorch_lab as lab
from minitorch_lab import bench, nn, optim
from minitorch_lab.device import CUDA, register, unregister
from minitorch_lab.op import OPS

REAL = pytest.param("gpu", marks=pytest.mark.gpu)
NEAR = {"float32": 1e-4, "float64": 1e-8}


def places(*without_gpu: str) -> Any:
    """The fixture that makes ``lab.device("cuda")`` a stand-in, and then a real GPU."""

    @pytest.fixture(params=[*without_gpu, REAL])
    def place(request: pytest.FixtureRequest) -> Iterator[str]:
        if request.param == "gpu":
            if not lab.cuda.is_available():
                pytest.skip(str(lab.cuda.why_not()))
            yield "gpu"
            return
        if request.param == "emulator":
            if emulator.compiler() is None:
                pytest.skip("the emulator needs a C++ compiler")
            xp, _ = emulator.make(1)
        else:
            xp = make_cupy()
        register(DeviceArray, xp, CUDA)
        yield request.param
        unregister(DeviceArray)

    return place


place = places("double")
kernels = places("emulator")


def near(found: Any, expected: Any, text: str = "") -> None:
    """The same dtype and shape, and the same entries to rounding."""
    a, b = found.detach().cpu().numpy(), expected.detach().numpy()
    assert (a.dtype, a.shape) == (b.dtype, b.shape), text
    share = NEAR.get(str(b.dtype), 0)
    finite = b[np.isfinite(b)] if b.dtype.kind == "f" else b
    largest = max(np.abs(finite).max(), 1e-2) if finite.size and share else 0
    np.testing.assert_allclose(a, b, rtol=share, atol=share * largest, err_msg=text)


def moved(x: Any) -> Any:
    """An input on the GPU, and a leaf there."""
    there = x.detach().to("cuda")
    there.requires_grad = x.requires_grad
    return there


# Ops -----------------------------------------------------------------------------------------

ROWS = [op for op in OPS.values() if op.name != "to_device"]
PURE = [op for op in ROWS if not op.random]
GROUPS = [PURE[i : i + 40] for i in range(0, len(PURE), 40)]


@pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
def test_ops(op: Any, place: str) -> None:
    f, inputs = samples_of([op], np.float32)
    g, there = samples_of([op], np.float32, "cuda")
    lab.manual_seed(0)
    expected = f(*inputs)
    lab.manual_seed(0)
    for a, b in zip(g(*there), expected, strict=True):
        near(a, b, op.name)


@pytest.mark.gpu
@pytest.mark.parametrize("rows", GROUPS, ids=lambda rows: f"{rows[0].name} to {rows[-1].name}")
def test_ops_in_graph_mode(rows: list[Any]) -> None:
    if not lab.cuda.is_available():
        pytest.skip(str(lab.cuda.why_not()))  # the emulator runs them in test_cuda.py
    f, inputs = samples_of(rows, np.float32)
    g, there = samples_of(rows, np.float32, "cuda")
    compiled = lab.compile(g, executor="cuda")
    expected = f(*inputs)
    for _ in range(3):  # launched, captured, replayed
        for a, b in zip(compiled(*there), expected, strict=True):
            near(a, b)
    assert compiled.executor_used == "cuda"


# Layers and losses ---------------------------------------------------------------------------

NAMES = [re.findall(r"(\w+)\(", texts[0])[0] for texts in layers.GROUPS]


def on_both(texts: list[str], training: bool, executor: str | None) -> None:
    """The results and gradients of some layers, on the CPU in eager mode and on the GPU."""
    inputs = [layers.given(layers.SAMPLES[text], "float32") for text in texts]
    lab.manual_seed(5)
    modules = [layers.made(text, "float32", training) for text in texts]
    twins = copy.deepcopy(modules)
    results = []
    for device, each in (("cpu", modules), ("cuda", twins)):
        parts = nn.ModuleList(m for m in each if isinstance(m, nn.Module)).to(device)
        given = inputs if device == "cpu" else [[moved(x) for x in xs] for xs in inputs]
        lab.manual_seed(6)
        step = layers.together(each, list(parts.parameters()))
        if device == "cuda" and executor:
            step = lab.compile(step, executor=executor)
        # the functions among the samples make weights of their own
        with lab.device(device if device == "cpu" or len(parts) < len(each) else "cpu"):
            results.append((*step(given), parts.state_dict()))
    (out, grads, state), (found, slopes, buffers) = results
    for text, ys, expected in zip(texts, found, out, strict=True):
        for y, z in zip(ys, expected, strict=True):
            assert y.is_cuda, text
            near(y, z, text)
    for i, (g, h) in enumerate(zip(slopes, grads, strict=True)):
        if h is None or g is None:
            assert h is g is None, i
        else:
            near(g, h, f"gradient {i} of {texts}")
    for key, value in state.items():
        near(buffers[key], value, key)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("text", layers.SAMPLES)
def test_layers(text: str, training: bool, place: str) -> None:
    on_both([text], training, None)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("texts", layers.GROUPS, ids=NAMES)
def test_layers_in_graph_mode(texts: list[str], kernels: str) -> None:
    on_both(texts, True, "cuda")


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", layers.test_nn.LOSSES)
def test_losses(name: str, reduction: str, place: str) -> None:
    call, arrays = layers.test_nn.LOSSES[name]
    inputs = layers.given(arrays, "float32")
    results = []
    for xs in (inputs, [moved(x) for x in inputs]):
        y = call(nn.functional, *xs, reduction=reduction)
        free = [x for x in xs if x.requires_grad]
        results.append([y, *lab.autograd.grad(layers.weighted(y), free, allow_unused=True)])
    for a, b in zip(results[1], results[0], strict=True):
        if a is None or b is None:
            assert a is b is None
        else:
            assert a.is_cuda
            near(a, b)


# Optimisers and schedules --------------------------------------------------------------------

on_the_cpu = cache(layers.steps)


@pytest.mark.parametrize("name", layers.SCHEDULES)
def test_optimisers_and_schedules(name: str, place: str) -> None:
    expected = on_the_cpu(name, None)
    with lab.device("cuda"):
        found = layers.steps(name, None)
    assert all(x.is_cuda for x in found)
    for a, b in zip(found, expected, strict=True):
        near(a, b, name)


def test_lbfgs(place: str) -> None:
    ends = []
    for device in ("cpu", "cuda"):
        w = lab.tensor([2.0, -1.0], dtype=lab.float64, device=device, requires_grad=True)
        optimiser = optim.LBFGS([w], line_search_fn="strong_wolfe")

        def closure(w: Any = w, optimiser: Any = optimiser) -> Any:
            optimiser.zero_grad()
            loss = ((w - 1).square() * (w + 3).square() + w.exp()).sum()
            loss.backward()
            return loss

        for _ in range(3):
            optimiser.step(closure)
        ends.append(w)
    near(ends[1], ends[0])


# Programs ------------------------------------------------------------------------------------

SMALL: dict[str, Any] = {
    "mlp": lambda t: bench.mlp(t, 8),
    "dropout": lambda t: bench.mlp(t, 8, 0.2),
    "norms": lambda t: bench.norms(t, 8),
    "cnn": lambda t: bench.cnn(t, 4),
    "conv": lambda t: bench.conv(t, 4),
    "gru": lambda t: bench.recurrent(t, 2),
    "transformer": lambda t: bench.transformer(t, 2),
}


@pytest.mark.parametrize("name", SMALL)
def test_training(name: str, place: str) -> None:
    losses = []
    for device in ("cpu", "cuda"):
        lab.manual_seed(0)
        model, criterion, optimizer, x, y = SMALL[name](lab)
        work = model.to(device), criterion, optimizer, x.to(device), y.to(device)
        step, x, y = bench.training_step(work)
        losses.append([step(x, y).item() for _ in range(4)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


def test_batches_come_over_pinned_memory(place: str) -> None:
    data = lab.utils.data.TensorDataset(lab.randn(10, 3), lab.arange(10))
    loader = lab.utils.data.DataLoader(data, 4, pin_memory=True, num_workers=2)
    with lab.cuda.transfers() as seen:
        parts = [(x.to("cuda", non_blocking=True), y.cuda(non_blocking=True)) for x, y in loader]
    assert lab.cat([y for _, y in parts]).cpu().tolist() == list(range(10))
    near(lab.cat([x for x, _ in parts]), data.tensors[0])
    assert [(r.way, r.times) for r in seen.rows][:1] in (
        [("to the GPU", 3)],
        [("to the GPU", 6)],
    )


def test_sums_at_indices_have_the_same_bits_in_each_run(place: str) -> None:
    index = lab.randint(0, 7, (5000,)).cuda()
    values = lab.randn(5000, 3).cuda()
    table = lab.nn.Embedding(7, 3).cuda()
    found = []
    for _ in range(3):
        table.weight.grad = None
        (table(index) * values).sum().backward()
        added = lab.zeros(7, 3, device="cuda").index_add(0, index, values)
        found.append((table.weight.grad.cpu().numpy(), added.cpu().numpy()))
    for a, b in found[1:]:
        np.testing.assert_array_equal(a, found[0][0])
        np.testing.assert_array_equal(b, found[0][1])


# Real ones only ------------------------------------------------------------------------------


@pytest.fixture
def gpu() -> None:
    if not lab.cuda.is_available():
        pytest.skip(str(lab.cuda.why_not()))


@pytest.mark.gpu
@pytest.mark.usefixtures("gpu")
def test_a_full_gpu_is_an_error_in_words_and_the_program_goes_on() -> None:
    kept = lab.ones(1000, 1000, device="cuda")
    _, total = lab.cuda.mem_get_info()
    n = int((2 * total / 4) ** 0.5)
    with pytest.raises(lab.cuda.OutOfMemoryError, match="the GPU has no memory left") as error:
        lab.ones(n, 1, device="cuda") * lab.ones(1, n, device="cuda")
    assert "float32 (1000, 1000)" in str(error.value)
    assert kept.sum().item() == 1e6


@pytest.mark.gpu
@pytest.mark.usefixtures("gpu")
def test_events_take_the_time_of_a_stream() -> None:
    x = lab.randn(1000, 1000, device="cuda")
    side = lab.cuda.Stream()
    start, end = (lab.cuda.Event(enable_timing=True) for _ in range(2))
    lab.cuda.synchronize()
    with lab.cuda.stream(side):
        start.record()
        for _ in range(5):
            y = x @ x
        end.record()
    end.synchronize()
    lab.cuda.current_stream().wait_stream(side)
    assert 0 < start.elapsed_time(end) < 10_000
    near(y, x.cpu() @ x.cpu())


@pytest.mark.gpu
@pytest.mark.usefixtures("gpu")
def test_what_the_driver_says() -> None:
    found = lab.cuda.get_device_properties()
    free, total = lab.cuda.mem_get_info()
    assert found.name
    assert 0 < free <= total
    assert lab.cuda.memory_allocated() <= lab.cuda.memory_reserved()
    assert lab.cuda.memory_allocated() <= lab.cuda.max_memory_allocated()
    assert lab.cuda.device_count() >= 1
