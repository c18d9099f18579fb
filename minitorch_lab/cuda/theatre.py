"""The allocator theatre: where the values of a step lie, eager mode beside graph mode.

In eager mode each result asks a caching allocator for memory and gives it back when nothing holds
it any more. In graph mode all is known before the first step: a plan gives each value its place in
one arena. The stage shows both, op by op. It needs no GPU: what asks for memory is recorded on any
device, and what a pool does with it is simulated.
"""

from __future__ import annotations

import gc
import importlib
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..device import NAMESPACES
from ..errors import KindError, LabError, describe
from ..graph import Compiled, explain
from ..graph.plan import lifetimes
from ..op import INTERPRETER, Attrs, Compute, Op
from ..tape import Settings
from ..tensor import Record, Tensor
from ..tensor.memory import in_words, tensors
from .allocator import CachingAllocator, rounded


class Block(NamedTuple):
    """A value in memory: where, how much, and from which moment to which."""

    what: str
    start: int
    size: int
    born: int
    died: int


@dataclass
class MemoryTimeline:
    """The memory of one mode: its blocks, and the figures that they come to."""

    title: str
    blocks: list[Block]
    moments: int  # how long it lasts
    reserved: int  # bytes that were taken from the device in all
    peak: int  # the most bytes that values held at one moment
    requests: int  # how often a value needed memory
    asked: int  # how often that went to the device
    fragmentation: float  # share of the free bytes outside the largest free piece, at the worst

    @property
    def reused(self) -> int:
        """How often a value took memory that another one had had."""
        return self.requests - self.asked

    def largest(self, count: int = 5) -> list[Block]:
        """The largest values, those of one size in the order in which they came."""
        return sorted(self.blocks, key=lambda b: -b.size)[:count]


# Recording what eager mode asks for ------------------------------------------------------------


class Book:
    """Who asked for memory and when it was given back: (moment, number, bytes, what)."""

    def __init__(self) -> None:
        self.events: list[tuple[int, int, str]] = []  # number, bytes (0: given back), what
        self.count = 0
        gc.collect()
        self.seen = {id(_root(x.array)) for x in tensors()}  # arrays that live and are known

    def made(self, op: Op, found: Any) -> None:
        """An op gave a result: its memory is new, unless it looks into another array."""
        if type(found) not in NAMESPACES:
            return
        array = _root(found)
        if id(array) in self.seen or not array.nbytes:
            return
        number, self.count = self.count, self.count + 1
        self.seen.add(id(array))
        self.events.append((number, int(array.nbytes), op.name))
        weakref.finalize(array, self._given_back, number, id(array)).atexit = False

    def _given_back(self, number: int, key: int) -> None:
        self.seen.discard(key)
        self.events.append((number, 0, ""))


def _root(array: Any) -> Any:
    """The array that holds the memory which this one looks into."""
    while type(getattr(array, "base", None)) in NAMESPACES:
        array = array.base
    return array


class _Watched(Record):
    """Runs ops as ever, and enters their results into a book."""

    __slots__ = ("book",)

    def __init__(self, book: Book, recording: bool = True) -> None:
        super().__init__(recording)
        self.book = book

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Tensor:
        out = super().apply(op, inputs, attrs)
        self.book.made(op, out.array)
        return out

    def with_grad(self, recording: bool) -> Record:
        return _Watched(self.book, recording)


class _WatchedCompute(Compute):
    """The same for the rules of a backward pass."""

    def __init__(self, book: Book) -> None:
        self.book = book

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Any:
        out = super().apply(op, inputs, attrs)
        self.book.made(op, out)
        return out


@contextmanager
def _recorded(book: Book) -> Iterator[None]:
    token, before = INTERPRETER.set(_Watched(book)), Settings.compute
    Settings.compute = _WatchedCompute(book)
    try:
        yield
    finally:
        Settings.compute = before
        INTERPRETER.reset(token)


def eager(events: list[tuple[int, int, str]]) -> MemoryTimeline:
    """What a caching allocator makes of requests: ``(number, bytes, what)``, 0 bytes give back."""
    pool, blocks, worst = CachingAllocator(), [], 0.0
    held: dict[int, tuple[Any, str, int]] = {}
    for moment, (number, size, what) in enumerate(events):
        if size:
            held[number] = pool.take(size), what, moment
        elif number in held:
            piece, name, born = held.pop(number)
            blocks.append(Block(name, piece.start, piece.size, born, moment))
            pool.give(piece)
        worst = max(worst, pool.fragmentation)
    end = len(events)
    blocks += [Block(name, p.start, p.size, born, end) for p, name, born in held.values()]
    return MemoryTimeline(
        "eager mode: a caching allocator", sorted(blocks, key=lambda b: b.born), end,
        pool.reserved, pool.peak, pool.asked + pool.reused, pool.asked, worst,
    )  # fmt: skip


# The plan of graph mode ------------------------------------------------------------------------


def planned(compiled: Compiled) -> MemoryTimeline:
    """The arena of a compiled function: each value's place, from its kernel to its last reader."""
    explanation = explain(compiled)
    plan, graph = explanation._at(-1).plan, explanation._at(-1).workings.planned
    kernels = list(explanation.kernels())
    root = lifetimes(graph).root
    read: dict[int, int] = {}
    for moment, kernel in enumerate(kernels):
        for v in kernel.reads:
            read[root.get(v.id, v.id)] = moment
    offsets, total = [], 0
    for size in plan.sizes:
        offsets.append(total)
        total += rounded(size)
    kept = {root.get(v.id, v.id) for v in graph.results}
    blocks, end = [], len(kernels)
    outside = total  # results that the learner keeps are made anew in each run
    for moment, kernel in enumerate(kernels):
        for v in kernel.writes:
            died = end if v.id in kept else read.get(v.id, moment) + 1
            size = rounded(v.spec.nbytes)
            if v.id in plan.memory:
                number = plan.memory[v.id]  # a tile has room for one sample at a time
                start, size = offsets[number], min(size, rounded(plan.sizes[number]))
            elif v.id in kept and v.id not in plan.direct:
                start, outside = outside, outside + size
            else:
                continue
            blocks.append(Block(kernel.name, start, size, moment, died))
    blocks = _one_after_another(blocks)
    live = [sum(b.size for b in blocks if b.born <= t < b.died) for t in range(end)]
    asked = len({b.start for b in blocks})
    return MemoryTimeline(
        "graph mode: a planned arena", blocks, end, outside, max(live, default=0), len(blocks),
        asked, 0.0,
    )  # fmt: skip


def _one_after_another(blocks: list[Block]) -> list[Block]:
    """A value that is written over another one, as that is read, takes its place at once."""
    following: dict[int, int] = {}  # place -> when the next value comes there
    found = []
    for block in sorted(blocks, key=lambda b: -b.born):
        died = min(block.died, following.get(block.start, block.died))
        following[block.start] = block.born
        found.append(block._replace(died=died))
    return found[::-1]


# The stage -------------------------------------------------------------------------------------


@dataclass
class Theatre:
    """Both timelines. As a string a table; ``draw()`` makes the picture."""

    eager: MemoryTimeline
    planned: MemoryTimeline | None
    reason: str = ""  # why there is no plan

    @property
    def timelines(self) -> list[MemoryTimeline]:
        """Those that there are."""
        return [self.eager] + ([self.planned] if self.planned is not None else [])

    def __str__(self) -> str:
        heads = ["", "eager", "graph"][: 1 + len(self.timelines)]
        rows = [
            ["most held by values", *(in_words(t.peak) for t in self.timelines)],
            ["taken from the device", *(in_words(t.reserved) for t in self.timelines)],
            ["values in memory", *(str(t.requests) for t in self.timelines)],
            ["of them in used memory", *(str(t.reused) for t in self.timelines)],
            ["fragmentation at the worst", *(f"{t.fragmentation:.0%}" for t in self.timelines)],
        ]
        lines = [f"{name:26}" + "".join(f"{x:>12}" for x in rest) for name, *rest in [heads, *rows]]
        lines += ["", "the largest in eager mode:"]
        lines += [f"  {in_words(b.size):>8}  {b.what}" for b in self.eager.largest()]
        if self.reason:
            lines += ["", f"no plan: {self.reason}"]
        return "\n".join(lines)

    __repr__ = __str__

    def draw(self) -> Any:
        """A Matplotlib figure: memory from bottom to top, time from left to right.

        A bar is a value, as high as its bytes, from when it is made until nothing needs it. What is
        empty below the dashed line is memory that was taken and is not used at that moment.
        """
        plt: Any = importlib.import_module("matplotlib.pyplot")
        top = max(t.reserved for t in self.timelines) or 1
        unit, name = _unit(top)
        figure, places = plt.subplots(
            1,
            len(self.timelines),
            sharey=True,
            squeeze=False,
            figsize=(9.6, 3.8),
            layout="tight",
        )
        for axes, timeline in zip(places[0], self.timelines, strict=True):
            for i, block in enumerate(timeline.blocks):
                length = max(block.died - block.born, 0.5)
                bottom, height = block.start / unit, block.size / unit
                axes.broken_barh(
                    [(block.born, length)], (bottom, height),
                    facecolor=f"C{i % 5}", edgecolor="#808080", linewidth=0.3,
                )  # fmt: skip
                if block.size > top / 14 and length > timeline.moments * len(block.what) / 40:
                    axes.text(
                        block.born + length / 2, bottom + height / 2, block.what,
                        ha="center", va="center", fontsize=8, color="white",
                    )  # fmt: skip
            axes.axhline(timeline.reserved / unit, color="#808080", linestyle="--", linewidth=1)
            axes.set(xlim=(0, max(timeline.moments, 1)), title=timeline.title)
            axes.set_xlabel("requests and returns" if timeline is self.eager else "kernels")
        places[0][0].set_ylabel(name)
        places[0][0].set_ylim(0, 1.05 * top / unit)
        plt.close(figure)  # the notebook shows it once, where it stands as a value
        return figure


def _unit(size: int) -> tuple[int, str]:
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")):
        if size >= unit:
            return unit, name
    return 1, "bytes"


def theatre(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Theatre:
    """Where the values of a call lie in memory: in eager mode, and as graph mode plans it.

    ``f`` runs twice, once to make what stays (an optimiser's state), once to be recorded; then it
    is traced. A training step has learnt twice after that. Scratch inside an op, and the memory of
    weights and inputs, which were there before, are left out.

    >>> from minitorch_lab.creation import ones
    >>> found = theatre(lambda x: (x.exp() * 2).tanh().sum(), ones(100, 100))
    >>> [block.what for block in found.eager.blocks]
    ['exp', 'mul', 'tanh', 'sum']
    """
    function = f.function if isinstance(f, Compiled) else f
    if not callable(function):
        raise KindError(f"theatre(f): expected a function, got {describe(f)}")
    function(*args, **kwargs)
    book = Book()
    with _recorded(book):
        result = function(*args, **kwargs)
    story = eager(list(book.events))
    del result
    compiled = Compiled(function)
    try:
        compiled._entry(args, kwargs)
        return Theatre(story, planned(compiled))
    except LabError as error:
        return Theatre(story, None, str(error).splitlines()[0])
