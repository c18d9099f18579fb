"""What the live panel and the streams of a run cost: ``python -m minitorch_lab.bench --panel``.

Two runs of the same work take turns, in both modes: one with the panel, whose messages are written
out as a kernel would, the other with neither panel nor streams beside loss and accuracy. A machine
that others use, too, differs by more from turn to turn than a panel costs; so the time that the
thread of the run spends on messages, streams and guard rails is counted as well.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import minitorch_lab as lab

from .utils.data import DataLoader, TensorDataset
from .widgets.live import Live
from .widgets.training import Training

Mode = Literal["eager", "graph"]
Work = Callable[[Any, int], tuple[Any, Any, Any, Any, Any]]
MODES: tuple[Mode, ...] = ("eager", "graph")
HEADS = ["µs a step", "without", "with panel", "cost", "its own work", "updates a second"]


class Clock:
    """Processor time that a thread spends in some functions, and how often they are called."""

    def __init__(self) -> None:
        self.spent, self.calls = 0.0, 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted."""

        def timed(*args: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*args)
            finally:
                self.spent += time.thread_time() - began
                self.calls += 1

        return timed


def made(work: Work, mode: Mode, panel: bool) -> Training:
    """A run over 256 batches of 32, held after its first steps."""
    lab.manual_seed(0)
    model, loss, optimizer, x, y = work(lab, 8192)
    run = Training(
        model,
        DataLoader(TensorDataset(x, y), batch_size=32),
        loss=loss,
        optimizer=optimizer,
        epochs=10**6,
    )
    run.set_mode(mode)
    run.set_lr(0.0)  # what has learned all by heart has denormal gradients, which are slow
    if panel:
        Live(run).send = written
    else:
        run._gauges.due, run._gauges.next = False, math.inf
    turn(run, 0.3)
    return run


def written(content: Any, buffers: Any = None) -> None:
    """Do what a kernel does with a message, but for the sending."""
    json.dumps(content)
    b"".join(buffers or [])


def turn(run: Training, seconds: float) -> float:
    """Seconds of processor time a step, over a turn."""
    count, began = run.step_count, time.process_time()
    run.start()
    time.sleep(seconds)
    run.pause()
    while run.state != "paused":
        time.sleep(1e-3)
    return (time.process_time() - began) / max(run.step_count - count, 1)


def cost(work: Work, mode: Mode, rounds: int, seconds: float) -> list[float]:
    """Microseconds a step without and with; the median of their ratios; the share of the panel's
    own work; updates a second."""
    runs = [made(work, mode, panel) for panel in (False, True)]
    watched, gauges = runs[1], runs[1]._gauges
    ticks, looks = Clock(), Clock()
    watched._tick = ticks.around(watched._tick)  # type: ignore[method-assign]
    gauges.before = looks.around(gauges.before)  # type: ignore[method-assign]
    gauges.after = looks.around(gauges.after)  # type: ignore[method-assign]
    times: list[list[float]] = []
    count, wall = watched.step_count, 0.0
    for i in range(rounds):
        spent = {}
        for run in runs if i % 2 else runs[::-1]:
            began = time.perf_counter()
            spent[id(run)] = turn(run, seconds)
            wall += (run is watched) * (time.perf_counter() - began)
        times.append([spent[id(run)] for run in runs])
    for run in runs:
        run.stop()
        run.wait()
    without, with_panel = (statistics.median(column) for column in zip(*times, strict=True))
    own = (ticks.spent + looks.spent) / max(watched.step_count - count, 1) / with_panel
    ratio = statistics.median(b / a for a, b in times)
    return [without * 1e6, with_panel * 1e6, ratio - 1, own, ticks.calls / wall]


def table(works: Mapping[str, Work], rounds: int, seconds: float) -> list[list[str]]:
    """A row for each work and mode."""
    rows = []
    for name, work in works.items():
        for mode in MODES:
            without, with_panel, more, own, rate = cost(work, mode, rounds, seconds)
            shares = f"{100 * more:+.1f} %", f"{100 * own:.1f} %"
            rows.append([f"{name}, {mode}", f"{without:.1f}", f"{with_panel:.1f}", *shares])
            rows[-1].append(f"{rate:.0f}")
    return rows
