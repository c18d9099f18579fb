"""Taking times of what Python asks for, by its own clock and by a GPU's marks, in both modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident
from time import perf_counter
from typing import Any

from ..device import synchronize
from ..device.copies import TO_CPU, WATCH
from ..graph.codegen.cuda import Launches, functions
from ..graph.codegen.native import NoCompiler
from ..op import INTERPRETER, Attrs, Op
from ..tape import WATCH as WATCHES
from ..tape import WATCHED, Settings, Step
from ..tensor import Record, Tensor

PYTHON, KERNELS, PROCESSOR = "Python", "the GPU's kernels", "this machine's processor"


@dataclass
class Asked:
    """One thing that Python asked for, by Python's clock, and the GPU's marks around it."""

    lane: str
    what: str
    start: float
    end: float = 0.0
    launches: int = 1
    kernels: int = 1
    bytes: int = 0  # of a copy
    marks: tuple[Any, Any] = (None, None)


class Watch:
    """Takes times of what is asked for; with ``marks``, the GPU does so too."""

    def __init__(self, xp: Any = None, hold: Callable[[], None] | None = None) -> None:
        self.xp, self.hold = xp, hold
        self.asked: list[Asked] = []
        self.open: list[Asked] = []
        self.zero = self.seconds = 0.0
        self.waited = True  # whether the GPU has nothing left to do
        self.gpu = False  # whether something was computed there
        self.thread = get_ident()

    def mark(self) -> Any:
        """A mark in the stream, if the GPU takes times."""
        if self.xp is None:
            return None
        event = self.xp.cuda.Event()
        event.record()
        return event

    def begin(self, lane: str, what: str) -> Asked:
        """Something is about to be asked for."""
        if self.waited and not self.open and self.hold is not None:
            self.hold()
            self.waited = False
        asked = Asked(lane, what, 0.0, marks=(self.mark(), None))
        self.open.append(asked)
        asked.start = perf_counter() - self.zero
        return asked

    def end(self, launches: int = 1, kernels: int | None = None, size: int = 0) -> None:
        """It was asked for, and on a CPU it is done."""
        now = perf_counter() - self.zero
        asked = self.open.pop()
        asked.end, asked.marks = now, (asked.marks[0], self.mark())
        asked.launches, asked.bytes = launches, size
        asked.kernels = launches if kernels is None else kernels
        self.asked.append(asked)

    def copied(self, way: str, size: int | None) -> None:
        """A copy begins, or has been made."""
        if get_ident() != self.thread:
            return
        if size is None:
            self.begin(way, "copy")
            return
        self.end(0, size=size)
        self.waited |= way == TO_CPU  # for all that was asked for: the GPU has to be held anew

    def __enter__(self) -> Watch:
        synchronize()
        WATCH.append(self.copied)
        self.zero = perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        WATCH.remove(self.copied)
        synchronize()
        self.seconds = perf_counter() - self.zero

    def lengths(self) -> list[float]:
        """How long each took by the GPU's marks, in seconds, without the copies inside it."""
        of = self.xp.cuda.get_elapsed_time
        found = [of(*a.marks) / 1e3 for a in self.asked]
        for i, a in enumerate(self.asked):
            inside = (j for j, b in enumerate(self.asked[:i]) if b.bytes and b.start >= a.start)
            found[i] = max(found[i] - sum(found[j] for j in inside), 0.0)
        return found


HOLD = """extern "C" __global__ void lab_hold(long long cycles)
{
    const long long start = clock64();
    while (clock64() - start < cycles) { }
}
"""


def holding(xp: Any, seconds: float) -> Callable[[], None] | None:
    """What keeps the GPU busy for about so long, while Python goes on; None where it cannot."""
    try:
        kernel = functions(xp, HOLD, ["lab_hold"])["lab_hold"]
    except NoCompiler:
        return None
    cycles = int(min(seconds, 0.2) * 2e9)  # no clock is much quicker
    return lambda: kernel((1, 1), (1, 1), (cycles,))


# Eager mode ------------------------------------------------------------------------------------


class _Timed(Record):
    """Runs ops as ever, and takes the time of each."""

    __slots__ = ("lane", "watch")

    def __init__(self, watch: Watch, lane: str, recording: bool = True) -> None:
        super().__init__(recording)
        self.watch, self.lane = watch, lane

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Tensor:
        self.watch.begin(self.lane, op.name)
        try:
            out = super().apply(op, inputs, attrs)
            self.watch.gpu |= out.is_cuda
            return out
        finally:
            one = int(not op.view)  # a look into the same memory is no work for the device
            self.watch.end(one)

    def update(self, op: Op, target: Tensor, inputs: tuple[Any, ...], attrs: Attrs) -> Tensor:
        self.watch.begin(self.lane, f"{op.name}_")
        try:
            return super().update(op, target, inputs, attrs)
        finally:
            self.watch.end()

    def with_grad(self, recording: bool) -> Record:
        return _Timed(self.watch, self.lane, recording)


@contextmanager
def timed_ops(watch: Watch, lane: str) -> Iterator[None]:
    """Ops and the steps of backward passes are timed; a rule counts for each input's gradient."""
    before, (changes, anomaly) = Settings.watch, WATCHES[WATCHED]

    def steps(walk: Iterator[Step]) -> Iterator[Step]:
        walk = before(walk) if anomaly and before is not None else walk
        while True:
            asked = watch.begin(lane, "backward")
            step = next(walk, None)
            if step is None:
                watch.open.pop()
                return
            asked.what = f"{step.node.op.name}, backward"
            found = int(not step.node.op.view) * max(len(step.contributions), 1)
            watch.end(found)
            yield step

    Settings.watch, WATCHES[WATCHED] = staticmethod(steps), (changes, True)
    token = INTERPRETER.set(_Timed(watch, lane))
    try:
        yield
    finally:
        INTERPRETER.reset(token)
        Settings.watch, WATCHES[WATCHED] = before, (changes, anomaly)


# Graph mode ------------------------------------------------------------------------------------


class _Names:
    """A namespace, or a function of one, whose calls are timed, each as one launch."""

    def __init__(self, what: Any, call: Callable[..., Any], name: str = "") -> None:
        self._what, self._call, self._name = what, call, name

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._what, name)
        plain = isinstance(found, type) or not callable(found)
        return found if plain else _Names(found, self._call, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self._name, self._what, args, kwargs)


@contextmanager
def _scope(plan: Any, **new: Any) -> Iterator[None]:
    """Names in a plan's code, for as long as the block lasts."""
    scope = plan.run.__globals__
    before = {name: scope[name] for name in new if name in scope}
    scope.update(new)
    try:
        yield
    finally:
        for name in new:
            scope.pop(name)
        scope.update(before)


def launches_of(plan: Any) -> dict[str, Launches]:
    """The kernels of a CUDA plan that are launched together, by the name of their call."""
    scope = plan.run.__globals__
    return {name: x for name, x in scope.items() if isinstance(x, Launches)}


def _timed(watch: Watch, lane: str, plan: Any, inside: Callable[[int], None]) -> dict[str, Any]:
    """What a CUDA plan calls besides its launches, each as one launch.

    ``inside`` counts those that are a part of a step.
    """
    scope = plan.run.__globals__

    def call(name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if watch.open:
            inside(1)
            return function(*args, **kwargs)
        watch.begin(lane, name)
        try:
            return function(*args, **kwargs)
        finally:
            watch.end()

    if plan.executor != "cuda":
        return {}
    new = {"np": _Names(scope["np"], call)}
    return new | ({"ask": _Names(scope["ask"], call, "in range?")} if "ask" in scope else {})


def timed_launches(watch: Watch, plan: Any) -> Any:
    """A CUDA plan as it is, with the times of its launches."""

    def group(launches: Launches) -> Callable[[], None]:
        count = len(launches.calls)

        def call() -> None:
            one = launches.graph is not None
            watch.begin(PYTHON, f"CUDA graph of {count} kernels" if one else f"{count} kernels")
            launches()
            watch.end(1 if one else count, count)

        return call

    new = {name: group(x) for name, x in launches_of(plan).items()}
    return _scope(plan, **new, **_timed(watch, PYTHON, plan, lambda n: None))


def timed_steps(watch: Watch, plan: Any, lane: str, names: list[str]) -> Any:
    """A plan whose steps are called one by one: the time of each."""
    counted = [0]

    def begin(i: int) -> None:
        counted[0] = 0
        watch.begin(lane, names[i])

    def end(i: int) -> None:
        watch.end(counted[0] or 1)

    def count(kernels: int) -> None:
        counted[0] += kernels

    def group(launches: Launches) -> Callable[[], None]:
        def call() -> None:
            count(len(launches.calls))
            for one in launches.calls:
                one()

        return call

    new = {name: group(x) for name, x in launches_of(plan).items()}
    return _scope(plan, begin=begin, end=end, **new, **_timed(watch, lane, plan, count))
