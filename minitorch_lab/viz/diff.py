"""What each pass did to which values, as plain data: one picture that serves every pass.

All values that ever stood in the graph are put into one view, so that nothing moves from pass to
pass: each knows after which stop it is there, after which it is gone, and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..graph.explain import Explanation
from ..graph.ir import Equation, Graph, Var
from ..graph.kernels import Kernel, Steps
from ..graph.passes import Change, Record
from ..graph.provenance import Provenance
from ..graph.stages import StageRecord
from ..tape import locate
from .fold import scalar
from .measure import brief, quantity, shorten
from .view import WORDS, Builder, GraphView, Kind, Source

FEW = 100  # values: up to so many are grouped by kernels at first, more by modules and lines
_KINDS: Mapping[str, Kind] = {"input": "input", "param": "param", "state": "input"}


@dataclass(frozen=True, slots=True)
class Stop:
    """A place of the slider: the trace, or what a pass or a stage left."""

    name: str
    words: str
    did: str  # in a line: "common: 1 op merged, 78 kflop and 630 kB saved"
    count: str  # "8 ops"
    changes: tuple[str, ...]


@dataclass(eq=False, slots=True)
class Piece:
    """One value: an input, a constant or a result, from the stop ``born`` until ``gone``."""

    var: int
    kind: Kind
    title: str
    text: str  # as the graph's own text has it
    born: int
    shape: tuple[int, ...] = ()
    dtype: str = ""
    scope: str = ""
    source: Source | None = None
    asked: Source | None = None  # of a part of a gradient, where that was asked for
    word: str = ""  # what it is, of a value that no op made
    gone: int = 0  # 0: it stays
    why: str = ""
    struck: bool = False  # nothing new stands for it
    joined: int = 0  # the var that it was merged into
    origin: set[int] = field(default_factory=set)  # vars of the trace that it came from
    kernels: tuple[int, ...] = ()  # places of the kernels of the plan that compute it


@dataclass(frozen=True, slots=True)
class Group:
    """Ops that run as one kernel from the stop ``born`` on; ``path`` is its scope in the view."""

    path: str
    label: str
    say: str
    born: int
    kernel: int
    pieces: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A kernel of the plan: what it is called, and the vars of the trace that it came from."""

    title: str
    code: str
    origin: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Diff:
    """All stops of one traced graph, and all values with their times.

    ``pieces`` are numbered from 1 as in ``views``; ``ways`` has for two of them the stops between
    which one reads the other. ``tape`` has the numbers of what was traced, in order.
    """

    title: str
    executor: str
    stops: tuple[Stop, ...]
    pieces: tuple[Piece, ...]
    ways: Mapping[tuple[int, int], tuple[int, int]]
    groups: tuple[Group, ...]
    steps: tuple[Step, ...]
    tape: tuple[int, ...]
    lines: tuple[Source, ...]
    views: Mapping[str, GraphView]  # grouped by "kernels", and by "modules" and lines

    @property
    def few(self) -> bool:
        """Whether all values can be looked at together."""
        return len(self.pieces) <= FEW

    def piece(self, number: int) -> Piece:
        """Piece ``number``, counted from 1."""
        return self.pieces[number - 1]

    @cached_property
    def places(self) -> dict[Source | None, int]:
        """The place of each line in ``lines``."""
        return {line: i for i, line in enumerate(self.lines)}

    @cached_property
    def now(self) -> dict[int, int]:
        """The piece that stands for a var at the end, by var."""
        return {p.var: n for n, p in enumerate(self.pieces, 1) if not p.gone}


def diff(explanation: Explanation, index: int = -1) -> Diff:
    """What the passes did to one graph of a compiled function."""
    records, steps = explanation.passes(index), explanation.kernels(index)
    walk = _Walk(explanation.traced(index))
    for record in records:
        if isinstance(record, Record):
            walk.after(record)
    walk.kernels(steps)
    groups = _groups(walk, records, steps)
    traced = [n for n, p in enumerate(walk.pieces, 1) if not p.born]
    every = {line for p in walk.pieces for line in (p.source, p.asked) if line}
    lines = sorted(every, key=lambda line: (line.cell, line.line))
    stops = [_traced_stop(walk), *(_stop(r) for r in records)]
    return Diff(
        explanation.name,
        explanation.signatures[index].executor,
        tuple(stops),
        tuple(walk.pieces),
        walk.ways,
        tuple(groups),
        tuple(_step(k, kernel) for k, kernel in enumerate(steps)),
        tuple(traced),
        tuple(lines),
        {
            "kernels": _view(walk, explanation.name, *_kernel_homes(groups)),
            "modules": _view(walk, explanation.name, *_module_homes(walk, lines)),
        },
    )


# Values and their times ----------------------------------------------------------------------


class _Walk:
    """Goes from graph to graph and notes which values come and go."""

    def __init__(self, traced: Graph) -> None:
        self.traced = traced
        self.pieces: list[Piece] = []
        self.ways: dict[tuple[int, int], tuple[int, int]] = {}
        self.now: dict[int, int] = {}  # var -> the piece that stands for it now
        self.marks: dict[int, object] = {}  # var -> what would make it another piece
        self.places: dict[Any, Source | None] = {}
        self.records: list[Record] = []
        self.results: set[int] = {v.id for v in traced.outputs}
        self.updated = {value.id: target for target, value in traced.updates}
        self._step(traced, 0, {})
        for piece in self.pieces:
            piece.origin.add(piece.var)

    def after(self, record: Record) -> None:
        """The values that a pass took away, those that it made, and why."""
        self.records.append(record)
        graph, at = record.after, len(self.records)
        self.results |= {v.id for v in graph.outputs}
        self.updated |= {value.id: target for target, value in graph.updates}
        reasons = {i: change for change in record.changes for i in change.ids[0]}
        self._step(graph, at, reasons)
        if record.changes:
            back = Provenance(self.traced, self.records, graph)
            for v in (*(e.out for e in graph.equations), *graph.constant_vars):
                self.pieces[self.now[v.id] - 1].origin.update(back.ids([v]))

    def _step(self, graph: Graph, at: int, reasons: Mapping[int, Change]) -> None:
        marks: dict[int, object] = {v.id: v.kind for v in graph.inputs}
        marks |= {v.id: "const" for v in graph.constant_vars}
        marks |= {e.out.id: _mark(e) for e in graph.equations}
        for i in [i for i in self.now if marks.get(i) != self.marks[i]]:
            self._leave(i, at, reasons.get(i), marks)
        scopes: dict[int, str] = {}  # of what reads a value first
        for e in graph.equations:
            for x in e.inputs:
                scopes.setdefault(x.id if isinstance(x, Var) else -1, e.scope)
        for v in graph.inputs:
            if v.id not in self.now:
                self._enter(v, at, marks, _leaf(v, scopes.get(v.id, "")))
        for v, value in graph.constants:
            if v.id not in self.now:
                self._enter(v, at, marks, _constant(v, value))
        for e in graph.equations:
            if e.out.id not in self.now:
                piece = _result(e.out, e)
                piece.source = self._source(e.source)
                piece.asked = self._source(e.of.asked) if e.of else None
                self._enter(e.out, at, marks, piece)
        self._read(graph, at)

    def _leave(self, i: int, at: int, change: Change | None, marks: Mapping[int, object]) -> None:
        piece = self.pieces[self.now.pop(i) - 1]
        del self.marks[i]
        piece.gone = at
        if change is None:  # a constant that was computed with, or an input of dead code
            piece.why, piece.struck = "no longer needed", True
            return
        piece.struck = not any(isinstance(x, Equation) for x in change.after)
        piece.why = change.what
        if change.what == "merged":
            kept = next((j for j in change.ids[1] if j != i), 0)
            piece.why, piece.struck, piece.joined = f"same as %{kept}", True, kept
        elif change.what == "taken apart":
            parts = change.ops[1]
            piece.why = f"now {', '.join(parts)}" if len(parts) < 3 else f"now {len(parts)} ops"
        elif change.what == "removed":
            piece.why = "never used"
        elif change.rule:
            piece.why = change.rule

    def _enter(self, v: Var, at: int, marks: Mapping[int, object], piece: Piece) -> None:
        piece.born = at
        self.pieces.append(piece)
        self.now[v.id], self.marks[v.id] = len(self.pieces), marks[v.id]
        if piece.kind == "const" and at:  # say what was computed
            for old in self.pieces:
                if old.var == v.id and old.gone == at and old.why == "computed":
                    old.why, old.struck = f"now {piece.title}", True

    def _source(self, place: Any) -> Source | None:
        if place is not None and place not in self.places:
            self.places[place] = Source(*locate(*place))
        return self.places.get(place)

    def _read(self, graph: Graph, at: int) -> None:
        """Which piece reads which, now."""
        now = {
            (self.now[x.id], self.now[e.out.id])
            for e in graph.equations
            for x in e.inputs
            if isinstance(x, Var)
        }
        for way, (born, gone) in self.ways.items():
            if not gone and way not in now:
                self.ways[way] = born, at
        for way in sorted(now):
            if self.ways.get(way, (0, 1))[1]:
                self.ways[way] = self.ways.get(way, (at, 0))[0], 0

    def kernels(self, steps: Steps) -> None:
        """Say of each piece which kernels compute it, or what became of it."""
        of_trace: dict[int, list[int]] = {}
        of_now: dict[int, tuple[int, ...]] = {}
        for k, kernel in enumerate(steps):
            for e in kernel.origin.equations:
                of_trace.setdefault(e.out.id, []).append(k)
            of_now |= {e.out.id: (k,) for e in kernel.equations}
        for number, piece in enumerate(self.pieces, 1):
            found = sorted({k for i in piece.origin for k in of_trace.get(i, ())})
            stays = self.now.get(piece.var) == number
            piece.kernels = of_now.get(piece.var, ()) if stays else tuple(found)


def _mark(e: Equation) -> object:
    """Equal where an equation does the same, whatever the values are called that it reads."""
    numbers = tuple(None if isinstance(x, Var) else repr(x) for x in e.inputs)
    return e.op.name, numbers, repr(e.attrs)


def _leaf(v: Var, scope: str) -> Piece:
    """An input; a parameter is called after the module that reads it first."""
    kind = _KINDS.get(v.kind, "input")
    word = "state" if v.kind == "state" else WORDS[kind]
    module = scope.rpartition(".")[2] if kind == "param" else ""
    title = f"{module}.{v.name}" if module and v.name else v.name or word
    return _piece(v, kind, title, title, word=word)


def _constant(v: Var, value: Any) -> Piece:
    title = brief(scalar(value)) if getattr(value, "size", 1) == 1 else "constant"
    return _piece(v, "const", title, title, word=WORDS["const"])


def _result(v: Var, e: Equation) -> Piece:
    numbers = [brief(x) for x in e.inputs if not isinstance(x, Var)]
    title = " ".join([e.op.name, *numbers])
    text = str(e).partition(" = ")[2]
    return _piece(v, "op", title, text, scope=e.scope)


def _piece(v: Var, kind: Kind, title: str, text: str, **facts: Any) -> Piece:
    spec = v.spec
    shape = () if spec.number else tuple(spec.shape)
    dtype = "number" if spec.number else str(spec.dtype)
    return Piece(v.id, kind, title, text, 0, shape, dtype, **facts)


# Kernels -------------------------------------------------------------------------------------


def _groups(walk: _Walk, records: Sequence[Record | StageRecord], steps: Steps) -> list[Group]:
    """The kernels of more than one op, from the stage on that made them; inner ones last."""
    place = {e.out.id: k for k, kernel in enumerate(steps) for e in kernel.equations}
    found: list[tuple[frozenset[int], int, Kernel]] = []
    known: set[frozenset[int]] = set()
    for at, record in enumerate(records, 1):
        if isinstance(record, Record):
            continue
        for kernel in record.after:
            ids = frozenset(e.out.id for e in kernel.equations if e.out.id in walk.now)
            if len(ids) > 1 and ids not in known:
                known.add(ids)
                found.append((ids, at, kernel))
    found.sort(key=lambda row: -len(row[0]))
    groups: list[Group] = []
    paths: list[tuple[frozenset[int], str]] = []
    for ids, at, kernel in found:
        k = place[min(ids)]
        around = next((path for outer, path in reversed(paths) if ids < outer), "")
        path = f"{around}.{len(paths)}" if around else f"{len(paths)}"
        paths.append((ids, path))
        ways = f"tile of {kernel.samples} samples" if kernel.kind == "tile" else "one loop"
        label = f"k{k}  {shorten(kernel.name, 24)}" if not around else shorten(kernel.name, 24)
        say = f"kernel {k}, {len(ids)} ops in {'a ' * (ways[0] == 't')}{ways}: {kernel.name}"
        numbers = tuple(sorted(walk.now[i] for i in ids))
        groups.append(Group(path, label, say, at, k, numbers))
    return groups


def _step(k: int, kernel: Kernel) -> Step:
    title = f"k{k} {kernel.name}"
    return Step(title, kernel.code, tuple(e.out.id for e in kernel.origin.equations))


# Words ---------------------------------------------------------------------------------------


def _traced_stop(walk: _Walk) -> Stop:
    count = _count(len(walk.traced.equations), "op")
    words = "As the code ran, before all passes."
    return Stop("traced", words, "traced: as the code ran", count, ())


def _stop(record: Record | StageRecord) -> Stop:
    changes = tuple(str(change) for change in record.changes)
    count = _count(_size(record.after), "op" if isinstance(record, Record) else "kernel")
    did = _did(record) if changes else "nothing to do here"
    return Stop(record.name, record.words, f"{record.name}: {did}", count, changes)


def _size(what: Graph | Steps) -> int:
    return len(what.equations) if isinstance(what, Graph) else len(what)


def _did(record: Record | StageRecord) -> str:
    """What a pass did and saved, in a line."""
    before, after = _size(record.before), _size(record.after)
    if record.name == "fuse":
        ops = sum(len(change.before) for change in record.changes)
        kernels, saved = len(record.changes), quantity(record.bytes_saved, "B")
        return (
            f"{_count(ops, 'op')} → {_count(kernels, 'kernel')}, "
            f"{_count(before - after, 'pass')} over memory saved ({saved})"
        )
    if record.name == "tile":
        loops = before - after + len(record.changes)
        what = f"{_count(loops, 'step')} → {_count(len(record.changes), 'tile')}"
    else:
        each = Counter(change.what for change in record.changes)
        what = ", ".join(_said(n, word) for word, n in each.items())
    moved = [
        (record.flops_saved, "flop", ""),
        (record.bytes_saved, "B", " of reads and writes"),
    ]
    less = [quantity(n, unit) + words for n, unit, words in moved if n > 0]
    more = [quantity(-n, unit) + words for n, unit, words in moved if n < 0]
    if record.memory_saved > 0:
        less.append(f"{quantity(record.memory_saved, 'B')} of memory")
    what += f", {' and '.join(less)} saved" if less else ""
    return what + (f", {' and '.join(more)} more" if more else "")


# What stages change is no op; and what was done to it.
_NOUNS = {
    "looked at": ("turned matrix", "turned matrices", "read without a copy"),
    "shared": ("buffer", "buffers", "shared"),
    "in place": ("value", "values", "written in place"),
    "computed": ("op", "ops", "computed now"),
}


def _said(count: int, what: str) -> str:
    one, many, done = _NOUNS.get(what, ("op", "ops", what))
    return f"{count:,} {one if count == 1 else many} {done}"


def _count(count: int, word: str) -> str:
    plural = "" if count == 1 else "es" if word[-1] == "s" else "s"
    return f"{count:,} {word}{plural}"


# The view ------------------------------------------------------------------------------------


Homes = tuple[Mapping[int, str], Mapping[str, str]]  # the scope of a piece, the label of a scope


def _kernel_homes(groups: Iterable[Group]) -> Homes:
    """Each piece in its innermost kernel."""
    home: dict[int, str] = {}
    for group in groups:  # inner ones come later
        home |= dict.fromkeys(group.pieces, group.path)
    return home, {group.path: group.label for group in groups}


def _module_homes(walk: _Walk, lines: Sequence[Source]) -> Homes:
    """Each piece in its module, or in the line that made it."""
    places: dict[Source | None, str] = {s: f"line {i}" for i, s in enumerate(lines)}
    home = {
        number: piece.scope or places.get(piece.asked or piece.source, "")
        for number, piece in enumerate(walk.pieces, 1)
    }
    for tail, head in walk.ways:  # parameters, state and constants stand with what reads them
        if not home[tail] and walk.pieces[tail - 1].word not in ("", "input"):
            home[tail] = home[head]
    return home, {places[s]: f"{s.line}  {shorten(s.text, 24)}" for s in lines}


def _view(walk: _Walk, title: str, home: Mapping[int, str], labels: Mapping[str, str]) -> GraphView:
    """All pieces as one graph."""
    inputs: dict[int, list[int]] = {}
    for tail, head in walk.ways:
        inputs.setdefault(head, []).append(tail)
    build = Builder()
    for number, piece in enumerate(walk.pieces, 1):
        title_ = piece.title
        new = walk.updated.get(piece.var)
        if new is not None and piece.kind == "op":
            title_ = f"new {new.name or 'state'} = {title_}"
        build.add(
            piece.kind,
            shorten(title_, 24),
            inputs.get(number, ()),
            op=piece.title if piece.kind == "op" else "",
            shape=piece.shape,
            dtype=piece.dtype,
            source=piece.source,
            scope=home.get(number, ""),
        )
    ends = [n for n, p in enumerate(walk.pieces, 1) if p.var in {*walk.results, *walk.updated}]
    return build.build(title, ends or [len(walk.pieces)], labels=labels)
