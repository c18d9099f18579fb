"""Devices, on the test double where there is no GPU, and threads."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from double import (
    ALLOCATOR,
    COPIES,
    LINALG,
    POOL,
    RUNTIME,
    UFUNCS,
    DeviceArray,
    HostError,
    make_cupy,
)
from samples import samples_of

import minitorch_lab as lab
from minitorch_lab import bench
from minitorch_lab.device import CUDA, GLIBC_SETTINGS, register, unregister, why_no_cuda
from minitorch_lab.op import OPS


@pytest.fixture
def cuda() -> Iterator[None]:
    """``device("cuda")`` on the double."""
    register(DeviceArray, make_cupy(), CUDA)
    yield
    unregister(DeviceArray)


def test_names_of_devices() -> None:
    assert str(lab.device("cuda")) == "cuda:0"
    assert repr(lab.device("cpu")) == "device(type='cpu')"
    assert lab.device("cuda:1").index == 1
    assert lab.device(lab.device("cpu")) == "cpu"
    assert lab.device("cpu") != "cuda"
    assert len({lab.device("cpu"), lab.device("cpu")}) == 1


@pytest.mark.usefixtures("cuda")
def test_there_and_back() -> None:
    assert lab.cuda.is_available()
    assert lab.cuda.device_count() == 1
    x = lab.tensor([1.0, 2.0])
    there = x.cuda()
    assert (there.is_cuda, str(there.device), there.cpu().tolist()) == (True, "cuda:0", [1, 2])
    assert there.cuda() is there
    assert x.cpu() is x
    assert lab.ones(2, device="cuda").is_cuda
    assert lab.zeros_like(there).is_cuda
    assert "device='cuda:0'" in repr(there)
    with pytest.raises(lab.KindError, match=r"\.cpu\(\)\.numpy\(\)"):
        there.numpy()


@pytest.mark.usefixtures("cuda")
def test_a_gradient_comes_back_over_a_transfer() -> None:
    w = lab.tensor([3.0], requires_grad=True)
    (w.cuda() * lab.tensor([2.0]).cuda()).cpu().sum().backward()
    assert w.grad.tolist() == [2]
    assert not w.grad.is_cuda


@pytest.mark.usefixtures("cuda")
def test_a_model_moves_with_its_gradients_and_its_state_dict() -> None:
    model = lab.nn.Linear(2, 1)
    model(lab.ones(1, 2)).sum().backward()
    model.cuda()
    assert all(p.is_cuda and p.grad.is_cuda for p in model.parameters())
    assert model(lab.ones(1, 2).cuda()).is_cuda
    other = lab.nn.Linear(2, 1)
    other.load_state_dict(model.cpu().state_dict())
    assert other.weight.tolist() == model.weight.tolist()


def test_the_double_refuses_what_cupy_refuses() -> None:
    there = make_cupy().asarray(np.ones(2))
    for silent in (
        lambda: np.sin(there),
        lambda: np.asarray(there),
        lambda: there + np.ones(2),
        lambda: there[np.array([0])],
        lambda: np.concatenate([there, there]),
        lambda: make_cupy().add(there, np.ones(2)),
    ):
        with pytest.raises(HostError):
            silent()
    with pytest.raises(AttributeError):
        make_cupy().einsum_path  # noqa: B018  a name that the double does not have


def a_cupy(
    driver: int = 12040, runtime: int = 12090, count: Any = 1, kernel: Exception | None = None
) -> Any:
    """A CuPy as it is on one machine or another: numbers, or the error that it raises."""

    def answer(value: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if isinstance(value, Exception):
                raise value
            return value

        return call

    cuda = SimpleNamespace(
        runtime=SimpleNamespace(
            driverGetVersion=answer(driver),
            runtimeGetVersion=answer(runtime),
            getDeviceCount=answer(count),
        ),
        get_current_stream=answer(SimpleNamespace(synchronize=answer(None))),
    )
    return SimpleNamespace(
        cuda=cuda, float32=np.float32, arange=answer(kernel or np.zeros(4)), ndarray=DeviceArray
    )


NO_DEVICE = RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
NVRTC = RuntimeError("nvrtc: error: failed to open libnvrtc-builtins.so.12.9\nmore")
UNKNOWN = RuntimeError("cudaErrorNoKernelImageForDevice: no kernel image is available")
ANOTHER = RuntimeError("cudaErrorECCUncorrectable: uncorrectable ECC error")
WHEEL = 'pip install "cupy-cuda12x[ctk]"'
REASONS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "no driver": (a_cupy(driver=0), ("has no NVIDIA driver", "525")),
    "an old driver": (a_cupy(driver=11040), ("too old", "CUDA 11.4", "12.9", "525")),
    "another CuPy": (a_cupy(runtime=13000), ("built for CUDA 13.0", "knows CUDA 12.4", WHEEL)),
    "no device": (a_cupy(count=NO_DEVICE), ("finds no NVIDIA GPU", "nvidia-smi")),
    "a broken compiler": (a_cupy(kernel=NVRTC), ("NVRTC", "is broken", "failed to open", WHEEL)),
    "a new GPU": (a_cupy(kernel=UNKNOWN), ("does not know this GPU", WHEEL)),
    "a full GPU": (a_cupy(kernel=MemoryError("96 bytes")), ("no memory left", "nvidia-smi")),
    "a broken GPU": (a_cupy(kernel=ANOTHER), ("first kernel failed", "ECC")),
    "wrong numbers": (a_cupy(), ("wrong numbers",)),
    "half of a CuPy": (SimpleNamespace(), ("does not work", WHEEL)),
}


@pytest.mark.parametrize("name", REASONS)
def test_why_there_is_no_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    cupy, words = REASONS[name]
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    found = why_no_cuda()
    assert found is not None
    assert all(word in found for word in words), found
    assert "\n" not in found
    assert not lab.cuda.is_available()
    assert lab.cuda.device_count() == 0
    for refused in (lambda: lab.ones(1).cuda(), lab.cuda.Stream, lab.cuda.init):
        with pytest.raises(lab.DeviceError, match="is not available") as error:
            refused()
        assert found in str(error.value)


def test_a_gpu_that_was_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setitem(sys.modules, "cupy", a_cupy(count=NO_DEVICE))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert "CUDA_VISIBLE_DEVICES is ''" in str(why_no_cuda())


def test_a_cupy_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str) -> Any:
        raise ImportError("libcublas.so.11: cannot open shared object file")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(importlib, "import_module", fails)
    found = str(why_no_cuda())
    assert "cannot be imported: ImportError: libcublas" in found
    assert WHEEL in found


def test_without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert 'pip install "minitorch-lab[gpu]"' in str(lab.cuda.why_not())
    assert (lab.cuda.memory_allocated(), lab.cuda.memory_reserved()) == (0, 0)
    lab.cuda.reset_peak_memory_stats()
    assert (lab.cuda.max_memory_allocated(), lab.cuda.max_memory_reserved()) == (0, 0)
    assert lab.cuda.memory_stats() == {}
    with pytest.raises(lab.DeviceError, match="CuPy is not installed"):
        lab.cuda.set_per_process_memory_fraction(0.5)
    lab.cuda.synchronize()
    lab.cuda.empty_cache()
    held = lab.ones(300, 400)
    summary = lab.cuda.memory_summary()
    assert "no GPU here: CuPy is not installed" in summary
    assert "float32 (300, 400)" in summary
    del held
    assert lab.ones(2).pin_memory().tolist() == [1, 1]
    with lab.cuda.transfers() as seen:
        lab.ones(2).cpu().tolist()
    assert "CuPy is not installed" in str(seen)


# The device of new tensors -------------------------------------------------------------------


@pytest.mark.usefixtures("cuda")
def test_a_block_has_a_device_of_its_own() -> None:
    with lab.device("cuda") as device:
        assert device == "cuda:0"
        assert lab.get_default_device() == "cuda"
        made = [
            lab.zeros(2), lab.tensor([1.0]), lab.randn(2), lab.arange(3), lab.full((2,), 1),
            lab.as_tensor(np.ones(2)), lab.randint(0, 3, (2,)), lab.randperm(3), lab.eye(2),
        ]  # fmt: skip
        assert all(x.is_cuda for x in made)
        with lab.device("cpu"):
            assert not lab.ones(1).is_cuda
        assert lab.ones(1).is_cuda
        model = lab.nn.Sequential(lab.nn.Linear(2, 3), lab.nn.BatchNorm1d(3), lab.nn.LSTM(3, 2))
        assert all(x.is_cuda for x in [*model.parameters(), *model.buffers()])
        assert lab.ones(2, device="cpu").is_cpu
        assert lab.from_numpy(np.ones(2)).is_cpu
        here = lab.zeros(2, device="cpu")
        here[0] = [3.0][0]
        here[:] = [1.0, 2.0]
        here.copy_([3.0, 4.0])
        assert here.tolist() == [3, 4]
    assert not lab.ones(1).is_cuda


@pytest.mark.usefixtures("cuda")
def test_the_device_of_new_tensors_is_set_for_all() -> None:
    try:
        lab.set_default_device("cuda")
        assert lab.ones(1).is_cuda
    finally:
        lab.set_default_device(None)
    assert lab.ones(1).is_cpu


@pytest.mark.usefixtures("cuda")
def test_a_graph_belongs_to_the_device_of_its_new_tensors() -> None:
    f = lab.compile(lambda: lab.ones(2) * 3, executor="numpy")
    assert not f().is_cuda
    with lab.device("cuda"):
        assert f().is_cuda
    assert not f().is_cuda
    assert f.traces == 2


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("executor", ["auto", "numpy"])
def test_a_graph_takes_values_of_both_devices_and_moves_between_them(executor: Any) -> None:
    """Half of a network on each device, with state on both that a step changes."""
    here, there = lab.nn.Linear(3, 3), lab.nn.Linear(3, 3)
    there.load_state_dict(here.state_dict())
    there.cuda()
    optimizer = lab.optim.SGD([*here.parameters(), *there.parameters()], lr=0.1, momentum=0.9)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        half = lab.tanh(here(x)).cuda()
        loss = ((there(half) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.cpu() + x.sum() * 0, half.max(), half.sum(0)

    def run(function: Any) -> list[Any]:
        with lab.no_grad():
            for i, p in enumerate([*here.parameters(), *there.parameters()]):
                p[...] = lab.linspace(-1, 1, p.numel(), device=p.device).reshape(p.shape) + i
        optimizer.state.clear()
        x, y = lab.ones(2, 3), lab.zeros(2, 3, device="cuda")
        found = [function(x, y) for _ in range(3)]
        assert not found[0][0].is_cuda
        assert found[0][2].is_cuda
        kept = [*here.parameters(), *there.parameters()]
        return [t.tolist() for row in found for t in row] + [p.tolist() for p in kept]

    eager, graph = run(step), run(lab.compile(step, executor=executor))
    for a, b in zip(eager, graph, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    with pytest.raises(lab.DeviceError, match=r"input  float32.*\n.*other  float32.*cuda"):
        lab.compile(lambda x, y: x + y, executor=executor)(lab.ones(2), lab.ones(2).cuda())


def test_a_block_without_a_gpu_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for refused in (lambda: lab.device("cuda").__enter__(), lambda: lab.set_default_device("cuda")):
        with pytest.raises(lab.DeviceError, match="CuPy is not installed"):
            refused()
    assert lab.get_default_device() == "cpu"


@pytest.mark.usefixtures("cuda")
def test_a_number_that_no_gpu_has(monkeypatch: pytest.MonkeyPatch) -> None:
    x = lab.ones(2)
    for refused in (
        lambda: x.to("cuda:3"),
        lambda: x.cuda(3),
        lambda: lab.zeros(1, device="cuda:3"),
        lambda: lab.nn.Linear(2, 1).to("cuda:3"),
        lambda: lab.cuda.get_device_name(3),
        lambda: lab.device("cuda:3").__enter__(),
    ):
        with pytest.raises(lab.DeviceError, match="cuda:3: there is no GPU of this number") as e:
            refused()
        assert "this machine has one GPU, cuda:0" in str(e.value)
    assert x.cuda(0).is_cuda
    monkeypatch.setattr(RUNTIME, "getDeviceCount", lambda: 4)
    with pytest.raises(lab.DeviceError, match="CUDA_VISIBLE_DEVICES=3"):
        x.cuda(3)
    with pytest.raises(lab.DeviceError, match="4 GPUs, cuda:0 to cuda:3"):
        x.cuda(7)


# Copies --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("cuda")
def test_each_copy_is_shown_with_its_line() -> None:
    before = dict(COPIES)
    with lab.cuda.transfers() as seen:
        x = lab.ones(256, 4)
        y = x.cuda()
        for _ in range(3):
            y.sum().item()
        bool(y.sum() > 0)
        repr(y)
        float(y[0, 0])
        z = y * 2 + 1
        model = lab.nn.Linear(4, 2).cuda()
        model(z).cpu()
    rows = seen.rows
    assert [(r.way, r.times, r.bytes) for r in rows] == [
        ("to the GPU", 1, 4096),
        ("to the CPU", 3, 12),
        ("to the CPU", 1, 1),
        ("to the CPU", 1, 4096),
        ("to the CPU", 1, 4),
        ("to the GPU", 2, 40),
        ("to the CPU", 1, 2048),
    ]
    assert rows[0].text == "y = x.cuda()"
    assert rows[0].line.startswith("test_device.py line ")
    assert "4.0 KB" in str(seen)
    assert "3 times" in str(seen)
    assert (seen.count, seen.bytes) == (10, sum(r.bytes for r in rows))
    assert seen.count == sum(COPIES.values()) - sum(before.values())
    x.sum().item()
    assert seen.count == 10


ROWS = [op for op in OPS.values() if op.name != "to_device"]


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
def test_no_op_copies_silently(op: Any) -> None:
    f, inputs = samples_of([op], np.float32, "cuda")
    before = dict(COPIES)
    with lab.cuda.transfers() as seen:
        f(*inputs)
    assert seen.count == sum(COPIES.values()) - sum(before.values())


@pytest.mark.usefixtures("cuda")
def test_no_training_step_copies_silently() -> None:
    for name in ("linear", "norms", "dropout", "conv", "gru", "transformer"):
        work = bench.WORK[name][1](lab) if name != "transformer" else bench.transformer(lab, 2)
        model, criterion, optimizer, x, y = work
        model.cuda()
        step, x, y = bench.training_step((model, criterion, optimizer, x.cuda(), y.cuda()))
        before = dict(COPIES)
        with lab.cuda.transfers() as seen:
            step(x, y).item()
            lab.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        assert seen.count == sum(COPIES.values()) - sum(before.values()), f"{name}\n{seen}"


@pytest.mark.usefixtures("cuda")
def test_pinned_memory() -> None:
    x = lab.arange(6).reshape(2, 3)
    assert not x.is_pinned()
    pinned = x.pin_memory()
    assert pinned.is_pinned()
    assert pinned[1].is_pinned()
    assert pinned.pin_memory() is pinned
    assert pinned.tolist() == x.tolist()
    assert pinned.to("cuda", non_blocking=True).cpu().tolist() == x.tolist()
    back = pinned.cuda(non_blocking=True).to("cpu", non_blocking=True)
    lab.cuda.synchronize()
    assert back.is_pinned()
    assert back.tolist() == x.tolist()
    assert lab.zeros(0).pin_memory().tolist() == []
    with pytest.raises(lab.DeviceError, match="its memory is what a GPU reads"):
        x.cuda().pin_memory()
    loader = lab.utils.data.DataLoader(
        lab.utils.data.TensorDataset(lab.ones(4, 2), lab.arange(4)), 2, pin_memory=True
    )
    assert all(x.is_pinned() and y.is_pinned() for x, y in loader)


@pytest.mark.usefixtures("cuda")
def test_streams_and_events() -> None:
    side = lab.cuda.Stream()
    main = lab.cuda.current_stream()
    with lab.cuda.stream(side):
        assert lab.cuda.current_stream() == side
        y = lab.ones(2).cuda() * 2
    assert lab.cuda.current_stream() == main
    main.wait_stream(side)
    assert y.cpu().tolist() == [2, 2]
    start, end = (lab.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    end.record(side)
    end.wait()
    end.synchronize()
    assert end.query()
    assert side.query()
    side.synchronize()
    assert start.elapsed_time(end) == 1.5
    with pytest.raises(lab.ComputeError, match="enable_timing=True"):
        start.elapsed_time(lab.cuda.Event())
    with pytest.raises(lab.KindError, match="expected a lab"):
        lab.cuda.stream("side").__enter__()


@pytest.mark.usefixtures("cuda")
def test_what_a_gpu_is() -> None:
    assert lab.cuda.get_device_name() == "Double"
    assert lab.cuda.get_device_properties(0).total_memory == 4 << 30
    assert lab.cuda.get_device_capability("cuda") == (9, 0)
    assert lab.cuda.mem_get_info() == (3 << 30, 4 << 30)
    assert lab.cuda.versions()["CUDA of the driver"] == "12.4"
    assert lab.cuda.is_initialized()
    lab.cuda.set_device(0)
    with pytest.raises(lab.ArgumentError, match="expected a GPU"):
        lab.cuda.get_device_name("cpu")


@pytest.mark.usefixtures("cuda")
def test_a_full_gpu_names_who_holds_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(POOL, "limit", 101_000)
    kept = [lab.ones(50, 100).cuda() for _ in range(2)]
    w = lab.nn.Parameter(lab.ones(100, 100).cuda())
    w.name = "w"
    y = kept[0] @ w
    for full in (lambda: kept[0] @ w, lambda: lab.zeros(100, 100).cuda(), lambda: (y * y).sum()):
        with pytest.raises(lab.cuda.OutOfMemoryError) as error:
            full()
        text = str(error.value)
        assert "the GPU has no memory left" in text
        lines = text.splitlines()
        assert re.match(r" +39\.1 KB  float32 \(100, 100\), parameter 'w'", lines[2]), text
        assert "moved by test_device.py line" in text
        assert "what helps" in text
    assert isinstance(error.value, (MemoryError, RuntimeError))
    assert y.sum().item() == 50 * 100 * 100  # the program goes on
    del kept[1]
    assert (kept[0] @ w).is_cuda


@pytest.mark.usefixtures("cuda")
def test_a_gpu_that_is_full_in_the_middle_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(POOL, "limit", 1 << 30)
    model = lab.nn.Sequential(lab.nn.Linear(64, 64), lab.nn.Tanh(), lab.nn.Linear(64, 1)).cuda()
    x = lab.randn(32, 64).cuda()
    loss = model(x).sum()
    before = [p.detach().cpu().numpy().copy() for p in model.parameters()]
    monkeypatch.setattr(POOL, "limit", POOL.used + 1000)
    with pytest.raises(lab.OutOfMemoryError, match=r"backward\(\): the GPU has no memory left"):
        loss.backward()
    assert all(p.grad is None for p in model.parameters())
    monkeypatch.setattr(POOL, "limit", 1 << 30)
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    for p, was in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.detach().cpu().numpy(), was)


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("room", [500, 17_000, 21_000, 34_000, 51_000, 70_000])
def test_a_gpu_that_is_full_in_the_middle_of_an_update(
    started: bool, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adam has to make its state, or what it computes in between: all is as before the update."""
    monkeypatch.setattr(POOL, "limit", 1 << 30)
    lab.manual_seed(0)
    model = lab.nn.Sequential(lab.nn.Linear(64, 64), lab.nn.Tanh(), lab.nn.Linear(64, 1)).cuda()
    optimizer = lab.optim.Adam(model.parameters(), lr=0.1)
    x = lab.randn(32, 64).cuda()

    def everything() -> list[Any]:
        kept = [v for p in model.parameters() for v in optimizer.state.get(p, {}).values()]
        found = [*model.parameters(), *kept]
        return [v.detach().cpu().numpy().copy() if isinstance(v, lab.Tensor) else v for v in found]

    model(x).square().sum().backward()
    if started:
        optimizer.step()
    before = everything()
    monkeypatch.setattr(POOL, "limit", POOL.used + room)
    said = ""
    try:
        optimizer.step()
    except lab.OutOfMemoryError as error:
        said = str(error)
    if said:
        assert "the GPU has no memory left" in said
        monkeypatch.setattr(POOL, "limit", 1 << 30)
        for a, b in zip(everything(), before, strict=True):
            np.testing.assert_array_equal(a, b)
        optimizer.step()  # and it goes on
    assert said or room > 30_000
    assert {state["step"] for state in optimizer.state.values()} == {1 + started}


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_names_what_is_elsewhere(training: bool) -> None:
    layer = lab.nn.BatchNorm1d(3).train(training).cuda()
    x = lab.ones(2, 3)
    texts = []
    for f in (layer, lab.compile(layer)):
        with pytest.raises(lab.DeviceError) as error:
            f(x)
        texts.append(str(error.value))
    assert texts[0] == texts[1]
    lines = texts[0].splitlines()
    assert lines[0] == "batch_norm: the tensors are on different devices"
    assert re.match(r"  input +float32 \(2, 3\) +never moved$", lines[1])
    assert re.match(r"  running_mean +float32 \(3,\) cuda .*moved by test_device.py line", lines[2])
    assert layer.running_mean.tolist() == [0, 0, 0]


@pytest.mark.usefixtures("cuda")
def test_a_gradient_from_another_device() -> None:
    w = lab.ones(3).cuda().requires_grad_()
    with pytest.raises(lab.DeviceError, match="expected both on one device"):
        w.grad = lab.ones(3)
    assert w.grad is None
    w.grad = lab.ones(3).cuda()
    with pytest.raises(lab.DeviceError, match="got 'cuda', -1"):
        lab.device("cuda", -1)


@pytest.mark.usefixtures("cuda")
def test_the_most_memory_that_was_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(POOL, "limit", 1 << 30)  # the double counts
    x = lab.ones(64, 64).cuda()
    y = lab.ones(64, 64).cuda()
    assert ALLOCATOR[0] == POOL.malloc  # nobody has asked: nothing is looked at
    lab.cuda.reset_peak_memory_stats()
    start = lab.cuda.memory_allocated()
    assert lab.cuda.max_memory_allocated() == start
    z = (x * y) * 2  # two of 16 KB at one time, then one
    assert lab.cuda.memory_allocated() - start == 64 * 64 * 4
    assert lab.cuda.max_memory_allocated() - start == 2 * 64 * 64 * 4
    thread = threading.Thread(target=lambda z: (x * y * 2 * 3) + z * 2, args=(z,))
    thread.start()
    thread.join()
    assert lab.cuda.max_memory_allocated() - start == 4 * 64 * 64 * 4  # of all threads
    assert lab.cuda.max_memory_reserved() >= lab.cuda.max_memory_allocated()
    del z
    found = lab.cuda.memory_stats()
    assert found["allocated_bytes.all.current"] == start == lab.cuda.memory_allocated()
    assert found["allocated_bytes.all.peak"] == lab.cuda.max_memory_allocated()
    assert found["reserved_bytes.all.peak"] >= found["reserved_bytes.all.current"]
    lab.cuda.reset_peak_memory_stats()
    assert lab.cuda.max_memory_allocated() == start


@pytest.mark.usefixtures("cuda")
def test_the_theatre_agrees_with_what_was_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(POOL, "limit", 1 << 30)
    x = lab.ones(64, 64).cuda()  # whole units of the pool

    def chain(x: Any) -> Any:
        a = x + 1
        b = a * 2
        c = (b - a).tanh()
        del a
        return c * b

    lab.cuda.reset_peak_memory_stats()
    before = lab.cuda.memory_allocated()
    chain(x)
    held = lab.cuda.max_memory_allocated() - before
    assert lab.cuda.theatre(chain, x).eager.peak == held == 4 * 64 * 64 * 4


@pytest.mark.usefixtures("cuda")
def test_a_share_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(POOL, "limit", None)
    lab.cuda.set_per_process_memory_fraction(1e-6)  # of 4 GB
    with pytest.raises(lab.OutOfMemoryError, match="the GPU has no memory left"):
        lab.zeros(1 << 20, device="cuda")
    lab.cuda.set_per_process_memory_fraction(1)
    assert lab.zeros(1 << 20, device="cuda").is_cuda
    for wrong in (0, 1.5, -1, float("nan")):
        with pytest.raises(lab.ArgumentError, match="above 0 and at most 1"):
            lab.cuda.set_per_process_memory_fraction(wrong)
    with pytest.raises(lab.KindError, match="expected a number"):
        lab.cuda.set_per_process_memory_fraction("half")  # type: ignore[arg-type]


def test_the_double_has_nothing_that_cupy_has_not() -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed; it needs no GPU for this")
    xp = make_cupy()
    assert [name for name in vars(xp) if not hasattr(cupy, name)] == []
    assert [name for name in vars(xp.cuda) if not hasattr(cupy.cuda, name)] == []
    assert [name for name in LINALG if not hasattr(cupy.linalg, name)] == []
    assert [name for name in UFUNCS if not isinstance(getattr(cupy, name), cupy.ufunc)] == []


@pytest.mark.gpu
def test_a_real_gpu_gives_the_numbers_of_the_cpu() -> None:
    if not lab.cuda.is_available():
        pytest.skip(str(lab.cuda.why_not()))
    x = lab.randn(20, 30)
    w = lab.randn(30, 10)
    np.testing.assert_allclose(
        (x.cuda() @ w.cuda()).tanh().cpu().numpy(), (x @ w).tanh().numpy(), rtol=1e-4, atol=1e-5
    )


def test_threads_of_matrix_products() -> None:
    before = lab.get_num_threads()
    try:
        lab.set_num_threads(1)
        assert lab.get_num_threads() == 1
        with pytest.raises(lab.ComputeError, match="1 or more, got 0"):
            lab.set_num_threads(0)
    finally:
        lab.set_num_threads(before)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
@pytest.mark.skipif(
    any(name in os.environ for name in GLIBC_SETTINGS), reason="the user has settings of their own"
)
def test_freed_memory_is_used_again_without_page_faults() -> None:
    resource = pytest.importorskip("resource")
    x = lab.randn(256, 1024, requires_grad=True)

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        (x.tanh() * x).sum().backward()
        x.grad = None
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults()
    assert sorted(faults() for _ in range(9))[4] < 32  # each array of 1 MB is 256 pages


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("n", [0, 1, 2, 7, 64, 1000])
def test_entries_of_one_place_are_added_up(n: int) -> None:
    rng = np.random.default_rng(n)
    index, values = rng.integers(-5, 5, n), rng.normal(size=(n, 3)).astype(np.float32)
    i, v = lab.tensor(index, dtype=lab.int64), lab.tensor(values)
    for target in (lab.randn(5, 3), lab.randn(3, 5).T):
        there = target.cuda()
        for x in (target, there):
            x.index_put_((i.to(x.device),), v.to(x.device), accumulate=True)
        np.testing.assert_allclose(there.cpu().numpy(), target.numpy(), rtol=1e-5, atol=1e-5)
    there = lab.zeros(5, 3, device="cuda").index_add(0, (i % 5).cuda(), v.cuda())
    expected = lab.zeros(5, 3).index_add(0, i % 5, v)
    np.testing.assert_allclose(there.cpu().numpy(), expected.numpy(), rtol=1e-5, atol=1e-5)
