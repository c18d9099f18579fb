"""What the live panel and the streams of a run cost: ``python -m minitorch_lab.bench --panel``.

Two runs of the same work take turns, in both modes: one with the panel, whose messages are written
out as a kernel would, the other with neither panel nor streams beside loss and accuracy.
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


def made(work: Work, mode: Mode, panel: bool) -> Training:
    """A run over 64 batches of 32, held after its first steps."""
    lab.manual_seed(0)
    model, loss, optimizer, x, y = work(lab, 2048)
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
    """Seconds a step, over a turn."""
    count, began = run.step_count, time.perf_counter()
    run.start()
    time.sleep(seconds)
    run.pause()
    while run.state != "paused":
        time.sleep(1e-4)
    return (time.perf_counter() - began) / max(run.step_count - count, 1)


def cost(work: Work, mode: Mode, rounds: int, seconds: float) -> tuple[float, float, float]:
    """Microseconds a step without and with, and the median of their ratios."""
    runs = [made(work, mode, panel) for panel in (False, True)]
    times: list[list[float]] = []
    for i in range(rounds):
        order = runs if i % 2 else runs[::-1]
        spent = {id(run): turn(run, seconds) for run in order}
        times.append([spent[id(run)] for run in runs])
    for run in runs:
        run.stop()
        run.wait()
    without, with_panel = (statistics.median(column) * 1e6 for column in zip(*times, strict=True))
    return without, with_panel, statistics.median(b / a for a, b in times)


def table(works: Mapping[str, Work], rounds: int, seconds: float) -> list[list[str]]:
    """A row for each work and mode."""
    rows = []
    for name, work in works.items():
        for mode in MODES:
            without, with_panel, ratio = cost(work, mode, rounds, seconds)
            share = f"{100 * (ratio - 1):+.1f} %"
            rows.append([f"{name}, {mode}", f"{without:.1f}", f"{with_panel:.1f}", share])
    return rows
