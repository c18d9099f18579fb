"""What the device did, in time: a call in eager mode beside the same call in graph mode.

In eager mode Python asks for one op after another, and a GPU that is quicker than Python waits for
it. In graph mode a whole step is asked for at once. The picture shows both on one time axis: what
Python does, the kernels, and the copies to the GPU and back. On a machine without a GPU there is
one lane, the processor that does all of it.

How long kernels take is found in a second call: Python asks for all of them while the GPU is kept
busy, so that they follow one another without a gap, with marks between them. The first call tells
when each was asked for, and a kernel starts when it was asked for and the one before it has ended.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..device import CUDA, device_of, namespace_for, why_no_cuda
from ..device.copies import TO_CPU, TO_GPU
from ..errors import KindError, LabError, describe
from ..graph import Compiled
from ..graph.executors import build
from ..graph.explain import duration
from ..graph.plan import TOGETHER
from ..tensor.memory import in_words
from .clock import (
    KERNELS,
    PROCESSOR,
    PYTHON,
    Asked,
    Watch,
    holding,
    launches_of,
    timed_launches,
    timed_ops,
    timed_steps,
)
from .figures import recorded

LANES = {PYTHON: "#56B4E9", KERNELS: "#D55E00", PROCESSOR: "#D55E00", TO_GPU: "#009E73",
         TO_CPU: "#CC79A7"}  # fmt: skip


class Span(NamedTuple):
    """Something that was done, and when: seconds from the start of the call."""

    lane: str  # "Python", "the GPU's kernels", "to the GPU", "to the CPU", or the processor
    what: str
    start: float
    end: float
    kernels: int = 0
    bytes: int = 0  # of a copy


@dataclass
class Run:
    """One call in one mode: what was done when, and what it comes to."""

    mode: str
    call: float  # seconds of a call as it is
    seconds: float  # of the call that is shown: on a CPU its steps are called one by one
    launches: int  # how often Python asked for work: once for a CUDA graph with all its kernels
    spans: list[Span]
    notes: list[str] = field(default_factory=list)

    @property
    def work(self) -> list[Span]:
        """What the device computed, in order."""
        found = (s for s in self.spans if s.lane in (KERNELS, PROCESSOR))
        return sorted(found, key=lambda s: s.start)

    @property
    def kernels(self) -> int:
        """How many pieces of work that were."""
        return sum(s.kernels for s in self.work)

    @property
    def copies(self) -> list[Span]:
        """What was copied to the GPU and back."""
        return [s for s in self.spans if s.lane in (TO_GPU, TO_CPU)]

    @property
    def bytes(self) -> int:
        """Bytes of all copies."""
        return sum(s.bytes for s in self.copies)

    @property
    def busy(self) -> float:
        """Which share of the time the device computed."""
        end = total = 0.0
        for span in self.work:
            total += max(span.end - max(span.start, end), 0.0)
            end = max(end, span.end)
        return min(total / self.seconds, 1.0) if self.seconds else 0.0

    @property
    def gaps(self) -> list[float]:
        """How long the device waited before each piece of work but the first, in seconds."""
        found, end = [], None
        for span in self.work:
            if end is not None:
                found.append(max(span.start - end, 0.0))
            end = span.end if end is None else max(end, span.end)
        return found

    @property
    def end(self) -> float:
        """When all was done."""
        return max([self.seconds, *(s.end for s in self.spans)])

    def data(self) -> dict[str, Any]:
        """The same as lists and numbers, which JSON can hold; ``Run.of`` reads it."""
        return {**vars(self), "spans": [list(s) for s in self.spans]}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Run:
        """A run from what ``data()`` gave."""
        return cls(**{**data, "spans": [Span(*row) for row in data["spans"]]})


# Putting it together ---------------------------------------------------------------------------


def _on_gpu(first: Watch, second: Watch) -> list[Span]:
    """Python's lane from the first call, the GPU's lanes with the lengths of the second.

    Both asked for the same work in the same order, the second in smaller pieces.
    """
    spans = [Span(PYTHON, a.what, a.start, a.end) for a in first.asked]
    asked_at, left, free = 0.0, 0, 0.0
    asked = iter([(a.start, _size(a)) for a in first.asked if _size(a)])
    for a, length in zip(second.asked, second.lengths(), strict=True):
        if not _size(a):
            continue
        if left <= 0:
            asked_at, left = next(asked, (asked_at, 1))
        left -= _size(a)
        start = max(asked_at, free)
        free = start + length
        spans.append(Span(a.lane if a.bytes else KERNELS, a.what, start, free, a.kernels, a.bytes))
    return spans


def _size(a: Asked) -> int:
    """How much of the work it is: its kernels, or a copy; 0 where there is nothing to do."""
    return a.kernels or int(a.bytes > 0)


AGAIN = "the GPU's times are those of a second call, in which no kernel waited for Python"
NO_HOLD = "the GPU could not be kept busy: kernels look as long as Python took to ask for them"
INSIDE = "inside a CUDA graph kernels cannot be timed: in that call they were launched one by one"
OP_IS_ONE = "an op of eager mode counts once, and each gradient of it; some are several kernels"


def _quickest(run: Callable[[], Watch]) -> Watch:
    """One of three calls: another program may have had the processor in between."""
    return min((run() for _ in range(3)), key=lambda watch: watch.seconds)


def _held(first: Watch) -> tuple[Watch, list[str]]:
    """What takes the times of the second call on a GPU, and what to say about it."""
    xp = namespace_for(CUDA)
    hold = holding(xp, 2 * first.seconds + 1e-3)
    return Watch(xp, hold), [AGAIN, *([] if hold else [NO_HOLD])]


def _eager_run(call: Callable[[], Any]) -> Run:
    def watched(watch: Watch, lane: str) -> Watch:
        with watch, timed_ops(watch, lane):
            call()
        return watch

    gpu = watched(Watch(), PROCESSOR).gpu  # it also makes what stays: an optimiser's state
    first = _quickest(lambda: watched(Watch(), PROCESSOR))
    launches = sum(a.launches for a in first.asked)
    if not gpu:
        spans = [Span(a.lane, a.what, a.start, a.end, a.kernels) for a in first.asked if _size(a)]
        return Run("eager", first.seconds, first.seconds, launches, spans)
    second, notes = _held(first)
    spans = _on_gpu(first, watched(second, KERNELS))
    return Run("eager", first.seconds, first.seconds, launches, spans, [*notes, OP_IS_ONE])


def _graph_run(compiled: Compiled, call: Callable[[], Any], args: Any, kwargs: Any) -> Run:
    for _ in range(3):  # the second run captures a CUDA graph, the third replays it
        call()
    entry = compiled._entry(args, kwargs)
    plan, workings = entry.plan, entry.workings
    names = [k.name for k in workings.steps]
    if plan.executor == "numpy":
        names = [e.op.name for e in workings.planned.equations]
    apart = build(entry.traced, entry.graph, entry.executor, (*entry.without, TOGETHER))
    gpu = _is_on_gpu(plan)
    lane = KERNELS if gpu else PROCESSOR

    def as_it_is() -> Watch:
        watch = Watch()
        with watch, timed_launches(watch, plan) if plan.executor == "cuda" else nullcontext():
            call()
        return watch

    def one_by_one(watch: Watch) -> Watch:
        entry.plan = apart
        try:
            with watch, timed_steps(watch, apart, lane, names):
                call()
        finally:
            entry.plan = plan
        return watch

    first = _quickest(as_it_is)
    one_by_one(Watch())  # the first run of a plan loads it
    if gpu and plan.executor != "cuda":  # op by op
        first = _quickest(lambda: one_by_one(Watch()))
    if gpu:
        held, notes = _held(first)
        second = one_by_one(held)
    else:
        second = _quickest(lambda: one_by_one(Watch()))
    mode = f"graph ({plan.executor})"
    if not gpu:
        spans = [Span(a.lane, a.what, a.start, a.end, a.kernels) for a in second.asked]
        launches = len(CALLED.findall(plan.source)) if plan.executor == "c" else len(spans)
        notes = [f"{mode}: its steps were called one by one, to be timed"]
        return Run(mode, first.seconds, second.seconds, launches, spans, notes)
    if any(x.graph is not None for x in launches_of(plan).values()):
        notes.append(INSIDE)
    launches = sum(a.launches for a in first.asked)
    return Run(mode, first.seconds, first.seconds, launches, _on_gpu(first, second), notes)


CALLED = re.compile(r"^    if step\d+\(p, n\)|\bop\d+\(np", re.MULTILINE)  # in the code of a C plan


def _is_on_gpu(plan: Any) -> bool:
    return plan.executor == "cuda" or any(device_of(a).type == "cuda" for _, a in plan.captured)


# What was found --------------------------------------------------------------------------------


@dataclass
class Timeline:
    """A call in eager mode and in graph mode. As a string a table; ``draw()`` makes the picture."""

    runs: list[Run]
    reason: str | None = None  # why there is no run in graph mode
    no_gpu: str | None = None
    known: list[Run] = field(default_factory=list)  # of a GPU, recorded
    source: str = ""  # of these

    @property
    def eager(self) -> Run:
        """The call in eager mode."""
        return self.runs[0]

    @property
    def graph(self) -> Run | None:
        """The call in graph mode, where the function is one."""
        return self.runs[1] if len(self.runs) > 1 else None

    @property
    def rows(self) -> list[tuple[str, Span]]:
        """All that was done: the mode, and what was done when."""
        return [(run.mode, span) for run in self.runs for span in run.spans]

    def __str__(self) -> str:
        lines = [*_table(self.runs), "", *_notes(self.runs)]
        if self.reason:
            lines.append(f"no graph: {self.reason}")
        if self.no_gpu:
            lines.append(f"no GPU here: {self.no_gpu}")
            lines.append("an op of eager mode, or a step of a plan, counts as a kernel")
        if self.known:
            lines += ["", f"on a GPU, {self.source}", *_table(self.known), "", *_notes(self.known)]
        elif self.no_gpu:
            lines.append("no run of a GPU is kept yet")
        return "\n".join(lines)

    __repr__ = __str__

    def draw(self) -> Any:
        """A Matplotlib figure: time from left to right, a lane for Python, kernels, and copies."""
        plt: Any = importlib.import_module("matplotlib.pyplot")
        runs = [*self.runs, *self.known]
        heights = [0.9 + 0.4 * len(_lanes(run)) for run in runs]
        figure, places = plt.subplots(
            len(runs), 1, squeeze=False, figsize=(9.6, sum(heights) + 0.3), layout="tight",
            gridspec_kw={"height_ratios": heights},
        )  # fmt: skip
        axes = iter(places[:, 0])
        for group, where in ((self.runs, ""), (self.known, "on a GPU, ")):
            longest = max((run.end for run in group), default=0.0) or 1.0  # each has its time axis
            for run in group:
                _draw(here := next(axes), run, longest, where)
                here.set_xlabel(_unit(longest)[1] if run is group[-1] else "")
        plt.close(figure)  # the notebook shows it once, where it stands as a value
        return figure


def _table(runs: list[Run]) -> list[str]:
    lines = [f"{'':26}" + "".join(f"{run.mode:>16}" for run in runs)]
    rows: list[tuple[str, Callable[[Run], str]]] = [
        ("time of a call", lambda r: duration(r.call)),
        ("launches", lambda r: f"{r.launches:,}"),
        ("kernels", lambda r: f"{r.kernels:,}"),
        ("copies", lambda r: f"{len(r.copies):,}"),
        ("bytes copied", lambda r: in_words(r.bytes)),
        ("busy", lambda r: f"{r.busy:.0%}"),
        ("waits between kernels", lambda r: duration(sum(r.gaps))),
        ("longest of them", lambda r: duration(max(r.gaps, default=0.0))),
    ]
    return lines + [f"{name:26}" + "".join(f"{words(r):>16}" for r in runs) for name, words in rows]


def _notes(runs: list[Run]) -> list[str]:
    return list(dict.fromkeys(note for run in runs for note in run.notes))


def _lanes(run: Run) -> list[str]:
    return [lane for lane in LANES if any(s.lane == lane for s in run.spans)]


def _draw(axes: Any, run: Run, longest: float, where: str) -> None:
    """The lanes of one run; what is written fits into its bar."""
    lanes = _lanes(run)
    unit, _ = _unit(longest)
    for y, lane in enumerate(lanes):
        spans = [s for s in run.spans if s.lane == lane]
        bars = [(s.start / unit, max(s.end - s.start, longest / 900) / unit) for s in spans]
        axes.broken_barh(bars, (y - 0.4, 0.8), facecolor=LANES[lane], edgecolor="#404040",
                         linewidth=0.3)  # fmt: skip
        for s, (start, length) in zip(spans, bars, strict=True):
            if s.end - s.start > longest * len(s.what) / 110:
                axes.text(start + length / 2, y, s.what, ha="center", va="center", fontsize=7,
                          color="black")  # fmt: skip
    axes.set_yticks(range(len(lanes)), lanes)
    axes.set(xlim=(0, 1.01 * longest / unit), ylim=(len(lanes) - 0.4, -0.6))
    asked = "1 launch" if run.launches == 1 else f"{run.launches:,} launches"
    shown = f"{asked}, {run.kernels:,} kernels, busy {run.busy:.0%}"
    axes.set_title(f"{where}{run.mode}: {duration(run.call)}, {shown}", loc="left", fontsize=10)


def _unit(seconds: float) -> tuple[float, str]:
    known = (1.0, "seconds"), (1e-3, "milliseconds"), (1e-6, "microseconds")
    return next((row for row in known if seconds >= row[0]), known[-1])


def timeline(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Timeline:
    """What Python and the device do in a call, and when: in eager mode, and in graph mode.

    Kernels, copies to the GPU and back, how often Python asked for work, how long the device was
    busy, and how long it waited. The quickest of three warm calls is shown. ``f`` runs about
    fifteen times in all, and a training step has learnt as often. On a CPU the same is shown of its
    ops, and of the loops of a plan; where figures of a GPU are kept, those of a training step stand
    beside.

    >>> from minitorch_lab.creation import ones
    >>> found = timeline(lambda x: (x.exp() * 2).tanh().sum(), ones(100, 100))
    >>> [span.what for span in found.eager.work], found.eager.launches
    (['exp', 'mul', 'tanh', 'sum'], 4)
    """
    compiled = f if isinstance(f, Compiled) else None
    function = f if compiled is None else compiled.function
    if not callable(function):
        raise KindError(f"timeline(f): expected a function, got {describe(f)}")
    found = Timeline([_eager_run(lambda: function(*args, **kwargs))], no_gpu=why_no_cuda())
    compiled = Compiled(function) if compiled is None else compiled
    try:
        run = _graph_run(compiled, lambda: compiled(*args, **kwargs), args, kwargs)
        found.runs.append(run)
    except LabError as error:
        found.reason = str(error).splitlines()[0]
    kept = recorded() if found.no_gpu else None
    if kept is not None and kept.timelines:
        name, runs = next(iter(kept.timelines.items()))
        found.known, found.source = [Run.of(r) for r in runs], f"{name}, {kept.source}"
    return found
