"""What the device did, in time: a call in both modes, on a CPU and on the emulated GPU."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import emulator
import matplotlib.pyplot as plt
import numpy as np
import nvrtc
import pytest
from double import DeviceArray, make_cupy

import minitorch_lab as lab
from minitorch_lab import bench
from minitorch_lab.cuda import Run, Span, Timeline, clock
from minitorch_lab.cuda.figures import Recorded
from minitorch_lab.device import CUDA, register, unregister
from minitorch_lab.device.copies import WATCH
from minitorch_lab.tape import WATCH as WATCHES
from minitorch_lab.tape import WATCHED, Settings

on_emulator = pytest.mark.skipif(
    emulator.compiler() is None, reason="the emulator needs a C++ compiler, and there is none"
)
MODULE = sys.modules["minitorch_lab.cuda.timeline"]  # the function has its name
MS = 1e-3


@pytest.fixture
def gpu() -> Iterator[emulator.Device]:
    """A GPU that is none: kernels are compiled for the processor, each takes 1.5 ms."""
    xp, device = emulator.make(1)
    register(DeviceArray, xp, CUDA)
    yield device
    unregister(DeviceArray)


def left_as_it_was() -> bool:
    return not WATCH and not WATCHES[WATCHED][1] and "timed_ops" not in repr(Settings.watch)


def training(device: str = "cpu") -> tuple[Any, Any, Any, Any]:
    lab.manual_seed(0)
    model, criterion, optimizer, x, y = bench.mlp(lab, 4)
    model.to(device)
    step, x, y = bench.training_step((model, criterion, optimizer, x.to(device), y.to(device)))
    return optimizer, step, x, y


# On a CPU ------------------------------------------------------------------------------------


def test_ops_of_eager_mode_and_their_gradients_are_seen() -> None:
    x, w = lab.randn(4, 3), lab.randn(2, 3, requires_grad=True)

    def step(x: Any) -> Any:
        loss = lab.nn.functional.linear(x, w).tanh().reshape(-1).sum()
        loss.backward()
        with lab.no_grad():
            w.sub_(w.grad * 0.1)
        return loss

    found = lab.cuda.timeline(step, x)
    names = [s.what for s in found.eager.work]
    assert names == [
        "linear", "tanh", "sum", "sum, backward", "tanh, backward", "linear, backward", "mul",
        "sub_",
    ]  # fmt: skip
    assert found.eager.launches == found.eager.kernels == len(names)
    assert found.eager.copies == []
    assert all(0 <= s.start <= s.end <= found.eager.seconds for s in found.eager.spans)
    assert len(found.eager.gaps) == len(names) - 1
    assert 0 < found.eager.busy <= 1
    assert found.eager.seconds * found.eager.busy + sum(found.eager.gaps) <= found.eager.seconds
    assert left_as_it_was()


def test_each_gradient_of_an_op_counts() -> None:
    x, w = (lab.randn(3, 3, requires_grad=True) for _ in range(2))
    found = lab.cuda.timeline(lambda: (x @ w).sum().backward())
    assert [(s.what, s.kernels) for s in found.eager.work] == [
        ("matmul", 1), ("sum", 1), ("sum, backward", 1), ("matmul, backward", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["linear", "digits", "norms", "cnn", "transformer"])
def test_plans_of_training_steps_called_step_by_step(name: str, each_executor: str) -> None:
    small = {"cnn": lambda: bench.cnn(lab, 2), "transformer": lambda: bench.transformer(lab, 1)}
    work = small[name]() if name in small else bench.WORK[name][1](lab)
    step, x, y = bench.training_step(work)
    compiled = lab.compile(step)
    found = lab.cuda.timeline(compiled, x, y).graph
    assert found is not None
    assert found.mode == f"graph ({each_executor})"
    ((entry,),) = compiled.entries.values()
    assert "begin(" not in entry.plan.source  # its own plan again
    kernels = [k.name for k in lab.explain(compiled).kernels()]
    if each_executor == "c":
        assert [s.what for s in found.work] == kernels
        assert found.launches < found.kernels == len(kernels)
    else:
        assert found.launches == found.kernels
    assert np.isfinite(compiled(x, y).item())


@pytest.mark.parametrize("executor", ["numpy", "c"])
def test_what_is_timed_computes_the_same(executor: str) -> None:
    optimizer, step, x, y = training()
    compiled = lab.compile(step, executor=executor)
    lab.cuda.timeline(compiled, x, y)
    other, twin, x, y = training()
    p, q = (o.param_groups[0]["params"] for o in (optimizer, other))
    steps = optimizer.state[p[0]]["step"]
    assert 8 <= steps <= 16
    for _ in range(steps):
        twin(x, y)
    for a, b in zip(p, q, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=2e-4)


def test_a_function_that_is_no_graph_has_eager_mode_only() -> None:
    found = lab.cuda.timeline(lambda x: x * 2 if x.sum() > 0 else x, lab.ones(3))
    assert found.graph is None
    assert "no graph: " in str(found)
    assert len(found.draw().axes) == 1
    with pytest.raises(lab.KindError, match="expected a function"):
        lab.cuda.timeline(lab.ones(2))


def test_an_error_leaves_nothing_behind() -> None:
    with pytest.raises(lab.ShapeError):
        lab.cuda.timeline(lambda x: x @ x, lab.ones(2, 3))
    assert left_as_it_was()
    x = lab.tensor(0.0, requires_grad=True)
    with lab.autograd.detect_anomaly(), pytest.raises(RuntimeError, match=r"(?i)nan"):
        lab.cuda.timeline(lambda: (x.sqrt() * 0).backward())  # it is still looked for


# On a GPU ------------------------------------------------------------------------------------


@on_emulator
def test_a_training_step_on_a_gpu(gpu: emulator.Device) -> None:
    _, step, x, y = training("cuda")
    compiled = lab.compile(step, executor="cuda")
    found = lab.cuda.timeline(compiled, x, y)
    ((entry,),) = compiled.entries.values()
    plan, graph = entry.plan, found.graph
    assert graph is not None
    assert graph.mode == "graph (cuda)"
    # one CUDA graph; the two arguments; twice whether a target is a class
    assert graph.kernels == plan.launches + 2 + 2
    assert graph.launches == 1 + 2 + 2
    assert f"CUDA graph of {plan.launches} kernels" in [s.what for s in graph.spans]
    assert any("CUDA graph" in note for note in graph.notes)
    assert found.eager.launches == found.eager.kernels > 3 * graph.launches
    for run in found.runs:
        assert {s.lane for s in run.spans} >= {clock.PYTHON, clock.KERNELS, "to the CPU"}
        assert not any("could not be kept busy" in note for note in run.notes)
        ends = 0.0
        for span in run.work:  # one after another
            assert span.start >= ends
            ends = span.end
    assert "lab_hold" in gpu.launched
    assert found.no_gpu is None
    assert "no GPU" not in str(found)
    names = [k.name for k in lab.explain(compiled).kernels()]
    assert [s.what for s in graph.work if s.what in names] == names
    assert compiled(x, y).is_cuda


@on_emulator
@pytest.mark.usefixtures("gpu")
def test_what_has_no_kernel_of_its_own_is_called_between() -> None:
    def f(x: Any) -> Any:
        return (x * 2).sort(1).values.exp().sum(0), lab.linalg.inv(x), x.cumprod(1)

    x = lab.randn(4, 4).cuda()
    found = lab.cuda.timeline(lab.compile(f, executor="cuda"), x).graph
    assert found is not None
    assert {"mul", "argsort", "inv", "cumprod"} <= {s.what for s in found.work}


@pytest.mark.skipif(nvrtc.library() is None, reason="NVRTC is not here")
def test_nvrtc_compiles_what_keeps_the_gpu_busy() -> None:
    for arch in ("sm_70", "sm_90"):
        assert nvrtc.compiled(clock.HOLD, arch).count(".entry") == 1


@pytest.mark.gpu
def test_on_a_real_gpu() -> None:
    if not lab.cuda.is_available():
        pytest.skip(str(lab.cuda.why_not()))
    _, step, x, y = training("cuda")
    found = lab.cuda.timeline(lab.compile(step, executor="cuda"), x, y)
    assert found.graph is not None
    assert found.graph.launches < found.graph.kernels
    assert found.eager.launches > 3 * found.graph.launches
    for run in found.runs:
        assert 0 < run.busy <= 1
        assert 0.2 * run.seconds < run.end < 3 * run.seconds  # both calls tell one story
        assert not any("could not be kept busy" in note for note in run.notes)


@on_emulator
@pytest.mark.usefixtures("gpu")
def test_copies_are_those_of_transfers() -> None:
    x = lab.randn(8, 4)
    w = lab.randn(4, 4).cuda()

    def f(x: Any) -> float:
        return ((x.cuda() @ w).tanh().sum() * 2).item()

    with lab.cuda.transfers() as seen:
        f(x)
    found = lab.cuda.timeline(f, x).eager
    assert [(s.lane, s.bytes) for s in found.copies] == [("to the GPU", 128), ("to the CPU", 4)]
    assert (len(found.copies), found.bytes) == (seen.count, seen.bytes)


@pytest.mark.filterwarnings("ignore:graph mode runs on")
def test_a_gpu_that_compiles_no_kernel() -> None:
    register(DeviceArray, make_cupy(), CUDA)
    try:
        x = lab.randn(8, 4).cuda()
        f = lab.compile(lambda x: ((x * 2).exp() + 1).sum(), executor="cuda")
        found = lab.cuda.timeline(f, x)
    finally:
        unregister(DeviceArray)
    assert found.graph is not None
    assert found.graph.mode == "graph (numpy)"
    assert [s.what for s in found.graph.work] == ["mul", "exp", "add", "sum"]
    assert any("could not be kept busy" in note for note in found.eager.notes)


class Marks:
    """A stand-in for CuPy whose marks know their times, in milliseconds."""

    cuda = property(lambda self: self)

    @staticmethod
    def get_elapsed_time(a: float, b: float) -> float:
        return b - a


def watch(*asked: tuple[float, int, float, int]) -> clock.Watch:
    made, now = clock.Watch(Marks()), 0.0
    for start, kernels, length, size in asked:
        lane = "to the CPU" if size else clock.KERNELS
        made.asked.append(
            clock.Asked(lane, "x", start, start, kernels, kernels, size, (now, now + length))
        )
        now += length
    return made


def test_a_kernel_starts_when_it_was_asked_for_and_the_one_before_has_ended() -> None:
    from minitorch_lab.cuda.timeline import _on_gpu

    first = watch((0, 1, 0, 0), (1 * MS, 1, 0, 0), (9 * MS, 2, 0, 0), (9.5 * MS, 0, 0, 4))
    second = watch((0, 1, 3, 0), (0, 1, 2, 0), (0, 1, 1, 0), (0, 1, 4, 0), (0, 0, 0.5, 4))
    spans = [s for s in _on_gpu(first, second) if s.lane != clock.PYTHON]
    assert [(round(s.start / MS, 6), round(s.end / MS, 6)) for s in spans] == [
        (0, 3), (3, 5), (9, 10), (10, 14), (14, 14.5),
    ]  # fmt: skip
    run = Run("eager", 16 * MS, 16 * MS, 4, spans)
    assert run.kernels == 4
    assert run.bytes == 4
    assert [round(g / MS, 6) for g in run.gaps] == [0, 4, 0]
    assert run.busy == pytest.approx(10 / 16)


def test_a_copy_inside_an_op_is_no_part_of_its_time() -> None:
    made = clock.Watch(Marks())
    made.asked = [
        clock.Asked("to the CPU", "copy", 2 * MS, 3 * MS, 0, 0, 8, (1.0, 3.0)),
        clock.Asked(clock.KERNELS, "op", 1 * MS, 4 * MS, 1, 1, 0, (0.0, 5.0)),
    ]
    assert made.lengths() == pytest.approx([2 * MS, 3 * MS])


# Showing it ----------------------------------------------------------------------------------


def example() -> Timeline:
    def run(mode: str, count: int, seconds: float, launches: int) -> Run:
        each = seconds / count
        spans = [
            Span(lane, f"kernel {i}", i * each, (i + part) * each, 1)
            for lane, part in ((clock.PYTHON, 0.9), (clock.KERNELS, 0.5))
            for i in range(count)
        ]
        spans.append(Span("to the CPU", "copy", 0.9 * seconds, seconds, 0, 4))
        return Run(mode, seconds, seconds, launches, spans, ["a note"])

    return Timeline([run("eager", 8, 2 * MS, 8), run("graph (cuda)", 3, 0.5 * MS, 1)])


def test_the_table() -> None:
    assert str(example()) == (
        "                                     eager    graph (cuda)\n"
        "time of a call                        2 ms          500 µs\n"
        "launches                                 8               1\n"
        "kernels                                  8               3\n"
        "copies                                   1               1\n"
        "bytes copied                           4 B             4 B\n"
        "busy                                   50%             50%\n"
        "waits between kernels               875 µs          167 µs\n"
        "longest of them                     125 µs         83.3 µs\n"
        "\n"
        "a note"
    )
    assert len(example().rows) == 2 * (8 + 3) + 2
    assert example().rows[0][0] == "eager"


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_nothing_is_cut_off_in_the_picture(style: str) -> None:
    before = plt.get_fignums()
    with plt.style.context(style):
        figure = example().draw()
        figure.draw_without_rendering()
    assert plt.get_fignums() == before
    upper, lower = figure.axes
    assert [t.get_text() for t in upper.get_yticklabels()] == [
        "Python", "the GPU's kernels", "to the CPU",
    ]  # fmt: skip
    assert (upper.get_xlabel(), lower.get_xlabel()) == ("", "milliseconds")
    assert upper.get_xlim() == lower.get_xlim()
    assert "8 launches, 8 kernels, busy 50%" in upper.get_title(loc="left")
    page = figure.bbox
    for axes in figure.axes:
        assert axes.texts
        bars = [
            path.get_extents(axes.transData)
            for lane in axes.collections
            for path in lane.get_paths()
        ]
        for text in axes.texts:
            box = text.get_window_extent()
            assert any(b.x0 <= box.x0 and box.x1 <= b.x1 for b in bars), text
        for text in (*axes.get_yticklabels(), axes.xaxis.label, axes._left_title):
            box = text.get_window_extent()
            assert page.x0 <= box.x0
            assert box.x1 <= page.x1


def test_figures_of_a_gpu_stand_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = json.loads(json.dumps([run.data() for run in example().runs]))
    assert [Run.of(data) for data in kept] == example().runs
    figures = Recorded("H200", "2026-11-22", "a command", {}, {}, [], {}, {"a step": kept})
    monkeypatch.setattr(MODULE, "recorded", lambda: figures)
    found = lab.cuda.timeline(lambda: (lab.ones(3) * 2).sum())
    if found.no_gpu is None:
        return
    assert "on a GPU, a step, recorded on H200, 2026-11-22: a command" in str(found)
    assert "no run of a GPU is kept" not in str(found)
    assert len(found.draw().axes) == 4
    monkeypatch.setattr(MODULE, "recorded", lambda: None)
    found = lab.cuda.timeline(lambda: (lab.ones(3) * 2).sum())
    assert "no run of a GPU is kept yet" in str(found)
    assert f"no GPU here: {lab.cuda.why_not()}" in str(found)
