"""From which size on a GPU is quicker than the CPU: measured here, and drawn."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from .. import nn, optim
from ..creation import rand, randint
from ..device import get_num_threads, synchronize, why_no_cuda
from ..errors import ArgumentError, KindError, describe
from .figures import Recorded, recorded

Work = Callable[[int, str], tuple[Callable[[], Any], Callable[[], Any]]]


class Row(NamedTuple):
    """Seconds for one size: None where it was not measured."""

    size: int
    cpu: float | None
    gpu: float | None  # with everything on the GPU
    gpu_with_copies: float | None  # what is needed is copied there, the result back


# The work ------------------------------------------------------------------------------------


def _matmul(n: int, device: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    a, b = rand(n, n, device="cpu"), rand(n, n, device="cpu")
    x, y = a.to(device), b.to(device)
    return lambda: x @ y, lambda: (a.to(device) @ b.to(device)).cpu()


def _batch(n: int, device: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).to(device)
    criterion, optimizer = nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.01)
    pictures, classes = rand(n, 784, device="cpu"), randint(0, 10, (n,), device="cpu")
    there = pictures.to(device), classes.to(device)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return lambda: step(*there), lambda: step(pictures.to(device), classes.to(device)).item()


class What(NamedTuple):
    """One question: what is done, for which sizes."""

    title: str
    axis: str
    sizes: tuple[int, ...]
    work: Work


WHAT = {
    "matmul": What(
        "the product of two n x n matrices", "n", tuple(2**k for k in range(4, 13)), _matmul
    ),
    "batch": What(
        "a training step of a 784-128-10 network, eager mode",
        "pictures in a batch",
        tuple(4**k for k in range(8)),
        _batch,
    ),
}

# Measuring -----------------------------------------------------------------------------------


def seconds(call: Callable[[], Any], budget: float) -> float:
    """The median time of a call, waited for; one call at least, then as many as fit."""
    call()
    synchronize()
    times: list[float] = []
    while not times or (sum(times) < budget and len(times) < 50):
        start = perf_counter()
        call()
        synchronize()
        times.append(perf_counter() - start)
    return median(times)


def _row(what: What, n: int, budget: float, gpu: bool) -> Row:
    cpu = seconds(what.work(n, "cpu")[0], budget)
    if not gpu:
        return Row(n, cpu, None, None)
    there, with_copies = what.work(n, "cuda")
    return Row(n, cpu, seconds(there, budget), seconds(with_copies, budget))


# What was found ------------------------------------------------------------------------------


@dataclass
class Crossover:
    """Times on the CPU and on the GPU, and the size from which the GPU is quicker.

    As a string a table with the sources; ``draw()`` makes the picture; ``rows`` has the figures.
    """

    what: str
    rows: list[Row]
    sources: dict[str, str]  # "cpu" and "gpu" -> where these times come from
    reason: str | None = None  # why there are no times of a GPU
    known: Recorded | None = field(default=None, repr=False)

    def size(self, copies: bool = False) -> float | None:
        """From where on the GPU is quicker, between two sizes by a straight line in logarithms.

        With ``copies`` its time holds the copies there and back. None where it never is.
        """
        before: tuple[float, float] | None = None
        for row in self.rows:
            gpu = row.gpu_with_copies if copies else row.gpu
            if row.cpu is None or gpu is None:
                continue
            lead = math.log(row.cpu / gpu)  # above 0: the GPU is quicker
            place = math.log(row.size)
            if lead > 0:
                if before is None:
                    return float(row.size)
                x, y = before
                return math.exp(x + (place - x) * -y / (lead - y))
            before = place, lead
        return None

    def __str__(self) -> str:
        what = WHAT[self.what]
        heads = [what.axis, "CPU", "GPU", "GPU with copies"]
        lines = [
            [f"{r.size:,}", _time(r.cpu), _time(r.gpu), _time(r.gpu_with_copies)] for r in self.rows
        ]
        widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(4)]
        table = ["  ".join(f"{t:>{w}}" for t, w in zip(line, widths, strict=True)) for line in
                 [heads, *lines]]  # fmt: skip
        return "\n".join([what.title, *table, "", *self.words()])

    __repr__ = __str__

    def words(self) -> list[str]:
        """What the figures say, and where they come from."""
        said = []
        if self.reason is None or self.known is not None:
            for copies, name in ((False, "with all on the GPU"), (True, "with the copies")):
                found = self.size(copies)
                where = "at none of these sizes" if found is None else f"from about {found:,.0f} on"
                said.append(f"{name}, the GPU is quicker {where}")
        said += [f"{name.upper()}: {source}" for name, source in self.sources.items()]
        if self.reason is not None:
            said.append(f"no GPU here: {self.reason}")
        return said

    def draw(self) -> Any:
        """A Matplotlib figure: time against size, and the size where the lines cross."""
        plt: Any = importlib.import_module("matplotlib.pyplot")
        figure, axes = plt.subplots()
        for name, label, style in (
            ("cpu", "CPU", "o-"),
            ("gpu", "GPU", "s-"),
            ("gpu_with_copies", "GPU, with the copies", "^--"),
        ):
            points = [(r.size, getattr(r, name)) for r in self.rows if getattr(r, name) is not None]
            if points:
                sizes, times = zip(*points, strict=True)
                axes.loglog(sizes, [1e3 * t for t in times], style, label=label)
        for copies, colour in ((False, "C1"), (True, "C2")):
            found = self.size(copies)
            if found is not None:
                axes.axvline(found, color=colour, linewidth=1, linestyle=":")
                axes.annotate(
                    f"{found:,.0f}", (found, 0.98), xycoords=("data", "axes fraction"),
                    rotation=90, ha="right", va="top", color=colour,
                )  # fmt: skip
        axes.set(xlabel=WHAT[self.what].axis, ylabel="milliseconds", title=WHAT[self.what].title)
        axes.legend()
        plt.close(figure)  # the notebook shows it once, where it stands as a value
        return figure


def _time(value: float | None) -> str:
    if value is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def crossover(
    what: str = "matmul", sizes: Iterable[int] | None = None, *, seconds: float = 0.1
) -> Crossover:
    """From which size on a GPU is quicker than the CPU.

    - ``what``: "matmul", the product of two matrices by their size, or "batch", a training step of
      a 784-128-10 network by the size of its batch.
    - ``sizes``: those to measure, instead of the usual ones.
    - ``seconds``: about how long each size is measured on each device.

    Where there is no GPU, its times are those of a recorded run, with device, date and command,
    beside what this machine's CPU takes; where none is kept, the reason is said.

    >>> found = crossover("matmul", [16, 32], seconds=0.001)
    >>> [row.size for row in found.rows]
    [16, 32]
    """
    if what not in WHAT:
        raise ArgumentError(f"crossover(what): expected one of {', '.join(WHAT)}, got {what!r}")
    question = WHAT[what]
    wanted = sorted(_size(n) for n in (question.sizes if sizes is None else sizes))
    reason = why_no_cuda()
    rows = [_row(question, n, seconds, reason is None) for n in wanted]
    sources = {"cpu": f"measured here, {get_num_threads()} threads"}
    if reason is None:
        sources["gpu"] = "measured here"
        return Crossover(what, rows, sources)
    kept = recorded()
    if kept is None or what not in kept.crossover:
        return Crossover(what, rows, sources, reason)
    sources["gpu"] = kept.source
    return Crossover(what, _beside(rows, kept.crossover[what]), sources, reason, kept)


def _beside(rows: list[Row], kept: list[dict[str, Any]]) -> list[Row]:
    """The times of this CPU beside those of a GPU that were recorded."""
    found = {row.size: row for row in rows}
    for old in kept:
        size = int(old["size"])
        new = found.get(size, Row(size, None, None, None))
        found[size] = new._replace(gpu=old["gpu"], gpu_with_copies=old["gpu_with_copies"])
    return [found[size] for size in sorted(found)]


def _size(n: Any) -> int:
    if isinstance(n, bool) or not isinstance(n, int):
        raise KindError(f"crossover(sizes): expected ints, got {describe(n)}")
    if n < 1:
        raise ArgumentError(f"crossover(sizes): expected sizes of 1 or more, got {n}")
    return n
