"""``compile(f, dynamic=True)``: one trace for every size of dimension 0.

The function is traced once, with a stand-in for the size. Sizes and attributes that were computed
from it are known again by their value, a multiple of the stand-in, which is a prime that no
model has. For each size that comes, the graph is written with the real one, and the passes and
the executor run on that; the learner's Python does not.

What Python decides by the size is watched: a comparison becomes a condition under which the trace
holds, and a size that is used as a plain number (``range(n)``, ``math.sqrt(n)``) ends the attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ..device import namespace_of
from ..errors import TraceError
from ..op import Spec, infer
from ..tape import caller, locate
from .ir import Graph, Part, Var, places_of, with_parts
from .sizes import Dim, Unknown, each, in_attrs, is_open

PRIME = 104729  # stands for the size
OTHER = PRIME + 4  # a second answer: what does not change with it does not hang on the size
NEAR = 8  # so far from a multiple of it may a number be that was computed from it: 2 n - 1
LONG = 20_000  # equations: more come from a loop over the stand-in
ROOT = frozenset([(-1, 0)])
SAMPLES = (7, 8, OTHER)  # sizes for which two ways to compute a number are compared


class Fixed(TraceError):
    """The size is needed as a number: this trace would hold for one size only."""


class OpenSize:
    """A size that is left open while a function is traced; ``now`` is what it is in this call."""

    watched = True

    def __init__(self, now: int, which: tuple[bool, ...]) -> None:
        self.now, self.which = now, which
        self.conditions: list[tuple[Callable[[int], bool], bool]] = []
        self.finds: dict[Any, Callable[[int], Any]] = {}  # a number of the trace -> for any size

    def holds(self, size: int) -> bool:
        """Whether all comparisons that the function made come out the same for this size."""
        return all(ask(size) is found for ask, found in self.conditions)

    def decide(self, size: Unknown, ask: Callable[[int], bool]) -> bool:
        """The answer for the size of this call, which becomes a condition."""
        found = bool(ask(self.now))
        self.conditions.append((lambda n: bool(ask(n)), found))
        return found

    def use(self, size: Unknown) -> Any:
        """The number that stands in the graph, by which it is known again."""
        value = size.first
        if type(size) is Dim and abs(value) < PRIME // 4:
            raise self.refuse(size, "is divided so often that it is no longer known")
        self.finds.setdefault(value, size.find)
        if any(self.at(value, n) != size.find(n) for n in SAMPLES):
            raise self.refuse(size, "is computed with so that two numbers look alike")
        return value

    def refuse(self, size: Unknown, what: str) -> Fixed:
        """The end of the attempt, with the learner's line."""
        found = caller(2)
        where = locate(*found) if found else None
        return Fixed(f"the size {what}" + (f" in {where}: {where.text}" if where else ""))

    def shown(self, size: Unknown) -> str:
        """A size as text."""
        return str(size.find(self.now))

    def wrap(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        """A shape with what hangs on the open size marked."""
        return tuple(self._marked(n) if self.opens(n) else n for n in shape)

    def _marked(self, value: int) -> Any:
        other = self.at(value, OTHER)
        return Dim(value, other, ROOT, lambda n: self.at(value, n), self)

    def opens(self, value: int) -> bool:
        """Whether a number of the trace hangs on the size."""
        return value in self.finds or _parts(value) is not None

    def at(self, value: Any, size: int) -> Any:
        """A number of the trace as it is for a size."""
        parts = _parts(value) if type(value) is int else None
        if parts is not None:
            return parts[0] * size**2 + parts[1] * size + parts[2]
        find = self.finds.get(value) if type(value) in (int, float) else None
        if find is not None:
            return type(value)(find(size))
        if type(value) is float and value and np.isfinite(value):
            if value.is_integer():
                return float(self.at(int(value), size))
            for below in (PRIME, PRIME - 1):  # 1 / n, n / (n - 1)
                above = round(value * below)
                if above / below == value and (abs(above) <= NEAR or self.opens(above)):
                    down = self.at(below, size)
                    return self.at(above, size) / down if down else float("inf")
        return value


# Numbers and graphs -------------------------------------------------------------------------


def _parts(value: int) -> tuple[int, int, int] | None:
    """``value`` as a n² + b n + c; None where it does not hang on the open size."""
    a = (value + PRIME**2 // 2) // PRIME**2 if abs(value) > PRIME**2 // 2 else 0
    rest = value - a * PRIME**2
    b = (rest + PRIME // 2) // PRIME
    c = rest - b * PRIME
    return (a, b, c) if (a or b) and abs(c) <= NEAR else None


def need_no_size(value: Any) -> None:
    """Fixed where a function returns the size itself."""

    def look(v: Any) -> None:
        if is_open(v):
            raise Fixed("the function returns the size")

    each(look, value)


def check(graph: Graph, open_size: OpenSize) -> Graph:
    """Fixed where the graph has something that another size would not change as it should.

    Constants with the stand-in's size, which have one value everywhere, keep no memory for it.
    """
    own = [v.spec.shape for v in graph.inputs if v.kind != "input"]
    if any(map(open_size.opens, (n for shape in own for n in (*shape, prod(shape))))):
        raise Fixed("a captured tensor is too large to tell its sizes from the open one")
    return _checked(graph, open_size)


def _checked(graph: Graph, open_size: OpenSize) -> Graph:
    constants = []
    for v, array in graph.constants:
        if any(map(open_size.opens, v.spec.shape)):
            if not _same(array):
                raise Fixed("a constant tensor has the size")
            one = array.reshape(-1)[:1].copy()
            array = namespace_of(array).broadcast_to(one, array.shape)
        constants.append((v, array))
    now = replace(graph, constants=tuple(constants))
    return with_parts(now, lambda _, p: replace(p, graph=_checked(p.graph, open_size)))


def _same(array: Any) -> bool:
    return bool((array == array[(slice(0, 1),) * array.ndim]).all())


def graph_at(graph: Graph, open_size: OpenSize, size: int) -> Graph:
    """The graph for one size; Mismatch where an op cannot be done for it."""

    def change(v: Any) -> Any:
        if type(v) is Spec:
            return spec_at(v)
        if type(v) is Part:
            return Part(graph_at(v.graph, open_size, size), v.places)
        return open_size.at(v, size)

    def spec_at(spec: Spec) -> Spec:
        return replace(spec, shape=tuple(map(change, spec.shape)))

    starts: dict[int, dict[int, int]] = {}  # where results lie in the packed ones: before -> now
    now: dict[int, Var] = {}

    def var(v: Var, spec: Spec | None = None) -> Var:
        if v.id not in now or v.id < 0:
            now[v.id] = Var(v.id, spec or spec_at(v.spec), v.name, v.kind)
        return now[v.id]

    inputs = tuple(map(var, graph.inputs))
    constants = []
    for v, array in graph.constants:
        if any(map(open_size.opens, array.shape)):
            xp, first = namespace_of(array), array[(slice(0, 1),) * array.ndim]
            array = xp.full(spec_at(v.spec).shape, change(first.item()), array.dtype)
        elif array.size == 1:
            array = namespace_of(array).full(array.shape, change(array.item()), array.dtype)
        constants.append((var(v), array))
    equations = []
    for e in graph.equations:
        values = tuple(now[x.id] if isinstance(x, Var) else change(x) for x in e.inputs)
        attrs = in_attrs(change, e.attrs)
        if e.parts:
            before, after = (places_of(a["specs"]) for a in (e.attrs, attrs))
            starts[e.out.id] = dict(zip(before, after, strict=True))
        elif e.op.name == "take_out":
            attrs["start"] = starts[e.inputs[0].id][e.attrs["start"]]
        spec = e.out.spec
        if not spec.number:
            spec = infer(e.op, [x.spec if isinstance(x, Var) else x for x in values], attrs)
        equations.append(replace(e, out=var(e.out, spec), inputs=values, attrs=attrs, tensors=()))
    return Graph(
        inputs,
        tuple(constants),
        tuple(equations),
        tuple(now[v.id] for v in graph.outputs),
        tuple((Var(t.id, spec_at(t.spec), t.name, t.kind), now[v.id]) for t, v in graph.updates),
        graph.name,
    ).verify()
