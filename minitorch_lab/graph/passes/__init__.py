"""The passes: each takes a graph and gives a graph that computes the same with less.

A run of a pass leaves a record: the graph before and after, each change, what it saves, and a
certificate that compares the results. Any pass may be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from ...errors import ArgumentError
from ..ir import Equation, Graph, Part, Var, with_parts
from .common import join_common
from .dead import drop_dead
from .fold import fold_constants
from .lower import lower
from .pools import remember_places
from .record import Certificate, Change, Note, Record
from .simplify import simplify
from .slices import join_slices


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: its name, what it does in a sentence, and whether it leaves every bit."""

    name: str
    words: str
    apply: Callable[[Graph, Note], Graph]
    bitwise: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """A pass after the graph is done: what an executor does with it, and which ones do."""

    name: str
    words: str
    verb: str  # what its changes are called
    bitwise: bool
    executors: tuple[str, ...] = ("c", "cuda", "numpy")


# In the order in which they run.
PASSES: dict[str, Pass] = {
    p.name: p
    for p in (
        Pass("lower", "Takes ops that are made of smaller ops apart.", lower, bitwise=False),
        Pass("fold", "Computes now what depends on constants only.", fold_constants, bitwise=True),
        Pass("simplify", "Applies rules of algebra that are exact.", simplify, bitwise=True),
        Pass("common", "Computes once what is computed twice.", join_common, bitwise=True),
        Pass(
            "pools",
            "Keeps where the largest entry of a window was, not the picture.",
            remember_places,
            bitwise=True,
        ),
        Pass(
            "slices",
            "Puts gradients of slices side by side, with no zeros around them.",
            join_slices,
            bitwise=False,
        ),
        Pass("dead", "Leaves out what nothing needs.", drop_dead, bitwise=True),
    )
}


# After them, in the order in which they run: what executors make of the graph that is left. They
# find the name of one that is left out in ``without``; graph/stages.py finds what it changed.
STAGES: dict[str, Stage] = {
    s.name: s
    for s in (
        Stage(
            "flat",
            "Updates all parameters at once, their state and gradients in flat buffers.",
            "gathered",
            bitwise=True,
            executors=("numpy",),
        ),
        Stage(
            "transposes",
            "Lets matrix products read turned matrices as they lie.",
            "looked at",
            bitwise=False,
        ),
        Stage(
            "fuse",
            "Computes entries and sums of one shape in one loop.",
            "fused",
            bitwise=False,
            executors=("c", "cuda"),
        ),
        Stage(
            "tile",
            "Runs neighbouring steps sample by sample.",
            "tiled",
            bitwise=True,
            executors=("c",),
        ),
        Stage(
            "buffers",
            "Lets values use the same memory one after the other.",
            "shared",
            bitwise=True,
        ),
    )
}


def check_names(without: Iterable[str] | str) -> tuple[str, ...]:
    """The names of passes to leave out; ArgumentError for one that does not exist."""
    names = (without,) if isinstance(without, str) else tuple(without)
    for name in names:
        if name not in PASSES and name not in STAGES:
            raise ArgumentError(
                f"without: no pass is called {name!r}\n"
                f"  expected names of {', '.join([*PASSES, *STAGES])}"
            )
    return names


def run_passes(
    graph: Graph, without: Iterable[str] | str = (), bindings: tuple[Any, ...] = ()
) -> tuple[Record, ...]:
    """Run the passes but those in ``without``; the graph is checked after each.

    The last record has the graph that is left. ``bindings`` say where the values of the graph's
    inputs come from, for the certificates.
    """
    left_out = check_names(without)
    records = []
    now = graph
    for p in PASSES.values():
        if p.name in left_out:
            continue
        changes: list[Change] = []

        def note(
            what: str,
            before: tuple[Equation, ...],
            after: tuple[Equation | Var, ...],
            rule: str,
            changes: list[Change] = changes,
        ) -> None:
            changes.append(Change(what, before, after, rule))

        start = perf_counter()
        after = _throughout(p, now, note, changes).verify(now)
        seconds = perf_counter() - start
        records.append(
            Record(p.name, p.words, now, after, tuple(changes), seconds, graph, bindings)
        )
        now = after
    return tuple(records)


@dataclass(frozen=True, slots=True)
class Inside(Change):
    """A change in the graph of a choice or a loop, whose values have numbers of their own."""

    where: str = ""  # "true of %4"

    @property
    def ids(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """None of this graph."""
        return (), ()

    def __str__(self) -> str:
        return f"in {self.where}: {Change.__str__(self)}"


def _throughout(
    p: Pass, graph: Graph, note: Note, changes: list[Change], around: str = ""
) -> Graph:
    """A pass done to the graphs of choices and loops, and then to the graph around them."""

    def inside(where: str, part: Part) -> Part:
        where += around

        def inner(what: str, before: Any, after: Any, rule: str) -> None:
            changes.append(Inside(what, before, after, rule, where))

        return replace(part, graph=_throughout(p, part.graph, inner, changes, f" in {where}"))

    return p.apply(with_parts(graph, inside), note)


def optimise(graph: Graph, without: Iterable[str] | str = ()) -> Graph:
    """The graph that the passes leave."""
    records = run_passes(graph, without)
    return records[-1].after if records else graph


__all__ = [
    "PASSES",
    "STAGES",
    "Certificate",
    "Change",
    "Pass",
    "Record",
    "Stage",
    "check_names",
    "drop_dead",
    "fold_constants",
    "join_common",
    "join_slices",
    "lower",
    "optimise",
    "remember_places",
    "run_passes",
    "simplify",
]
