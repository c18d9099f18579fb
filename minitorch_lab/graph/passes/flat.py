"""Optimiser updates over flat buffers: the same few calls for all parameters at once.

An optimiser does the same to each parameter, and a call on the ten numbers of a bias costs about as
much as one on a thousand. What an optimiser remembers of its parameters lies side by side in memory
(``Optimizer.of``), so that a step can go over all of it as over one long vector. The gradients are
written side by side, too. The parameters stay where they are, since the learner may hold arrays
that look at them: what reads or changes a parameter is done for each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...op import Op, Spec
from ...ops.rules import per_entry
from ...tensor import make
from ..ir import Equation, Graph, Var, with_equations
from ..plan import elementwise
from ..trace import Captured, Number, Traced
from .dead import drop_dead

Row = tuple[Any, ...]  # what stands at one place of the update of each parameter
MOST = 1 << 16  # entries of a buffer: far longer ones do not stay in the cache
JOINING = 2  # values that can be joined in the time of one call


def _joined(xp: Any, *parts: Any) -> Any:
    return xp.concatenate([part.reshape(-1) for part in parts])


JOIN = Op(
    name="side_by_side",
    doc="All entries of several tensors, one after another.",
    forward=_joined,
    shape=lambda *xs: Spec((sum(x.size for x in xs),), xs[0].dtype, xs[0].device),
    formula=(r"y = [x_1, x_2, \dots]", r"\bar x_i = \bar y \text{ at the place of } x_i"),
    cost=per_entry(0),
    variadic=True,
)
PIECE = Op(
    name="piece",
    doc="A part of a flat buffer, in the shape of the tensor that it stands for.",
    forward=lambda xp, x, start, shape: x[start : start + math.prod(shape)].reshape(shape),
    shape=lambda x, start, shape: Spec(shape, x.dtype, x.device),
    formula=(r"y = x[\text{start}:]", r"\bar x = \bar y \text{ at its place}"),
    cost=per_entry(0),
    view=True,
    arguments=("input",),
)


@dataclass(frozen=True, eq=False)
class Flat:
    """A graph whose updates go over flat buffers, and what binds it.

    ``same`` are numbers that the updates share, such as Adam's count of steps: where they differ in
    a run, the graph without flat buffers is right. ``kept`` are tensors with the arrays that lie in
    the buffers, and ``members`` the values that each new one stands for.
    """

    traced: Traced
    same: tuple[Row, ...]
    kept: tuple[tuple[Any, Any], ...]
    members: dict[int, tuple[int, ...]]

    @property
    def graph(self) -> Graph:
        """The graph itself."""
        return self.traced.graph


def gathered(traced: Traced, graph: Graph, free: int) -> Flat | None:
    """The graph with updates over flat buffers; None where there is nothing to gather.

    New values get numbers from ``free`` on.
    """
    return _Gatherer(traced, graph, free).flat()


def free_number(graph: Graph) -> int:
    """The first number for new values: before it there is room for a copy of each matrix."""
    values = (*graph.inputs, *graph.constant_vars, *(e.out for e in graph.equations))
    return 1 + max((v.id for v in values), default=0) + 2 * len(graph.equations)


def side_by_side(arrays: list[Any]) -> Any:
    """The flat array that these arrays are, one after another; None where they are not.

    >>> flat = np.arange(6.0)
    >>> side_by_side([flat[1:3], flat[3:].reshape(3, 1)])
    array([1., 2., 3., 4., 5.])
    >>> side_by_side([flat[1:3], flat[4:]]) is None
    True
    """
    base, at = arrays[0].base, address(arrays[0])
    if base is None or base.ndim != 1 or not base.flags.c_contiguous:
        return None
    start = (at - address(base)) // base.itemsize
    for array in arrays:
        there = array.base is base and array.flags.c_contiguous and array.dtype == base.dtype
        if not there or address(array) != at:
            return None
        at += array.nbytes
    return base[start : start + sum(array.size for array in arrays)]


def address(array: Any) -> int:
    """Where an array begins in memory."""
    if isinstance(array, np.ndarray):
        return int(array.__array_interface__["data"][0])
    return int(array.data.ptr)


class _Gatherer:
    """Finds updates that are alike, and writes them once over flat buffers."""

    def __init__(self, traced: Traced, graph: Graph, free: int) -> None:
        self.traced, self.graph, self.free = traced, graph, free
        self.made = {e.out.id: e for e in graph.equations}
        self.bound = {v.id: b for v, b in zip(graph.inputs, traced.bindings, strict=True)}
        pairs = zip(graph.updates, traced.targets, strict=True)
        self.updates = {e.id: self.meant(v) for (e, v), t in pairs if isinstance(t, Captured)}
        self.source: Any = None  # the line of the update that is looked at
        self.forms: dict[tuple[Any, ...], int] = {}
        self.whole: dict[Row, Any] = {}  # values -> the one that stands for them
        self.stands: dict[int, tuple[Var, Row]] = {}  # the same, the other way round
        self.state: dict[int, Any] = {}  # a whole that is state -> its array
        self.order: list[Equation] = []
        self.done: set[int] = set()  # values that are no longer made one by one
        self.same: list[Row] = []

    def meant(self, v: Var) -> Var:
        """What is written where a copy of it is."""
        e = self.made.get(v.id)
        copied = e is not None and e.op.name == "copy" and e.inputs[1:2]
        return copied[0] if copied and copied[0].spec == v.spec else v

    # Updates that are alike

    def alike(self) -> Iterator[list[Var]]:
        """New values of parameters and state that are computed alike, with all on the way."""
        groups: dict[Any, list[Var]] = {}
        inner: set[int] = set()
        for value in reversed(self.updates.values()):
            root = self.made.get(value.id)
            if root is None or root.source is None or value.id in inner:
                continue
            seen: dict[int, int] = {}
            self.source = root.source
            form = self.form(value, value, seen)
            inner |= seen.keys()
            groups.setdefault((self.source, form), []).insert(0, value)
        for (self.source, _), values in groups.items():
            yield values

    def form(self, x: Any, top: Var, seen: dict[int, int]) -> int:
        """A number for how a value is computed, equal for values that are computed alike."""
        if not isinstance(x, Var):
            return self.number("literal", type(x), repr(x))
        if x.id in seen:
            return seen[x.id]
        e = self.made.get(x.id)
        if x.spec.number:
            if e is not None:
                return self.number(e.op, *(self.form(i, top, seen) for i in e.inputs))
            binding = self.bound.get(x.id)
            if isinstance(binding, Number):
                return self.number("count", binding.key, binding.value([]))
            return self.number("count", x.id)
        if e is not None and self.within(e) and x.spec.shape == top.spec.shape:
            parts = [self.form(i, top, seen) for i in e.inputs]
            seen[x.id] = self.number(e.op, repr(sorted(e.attrs.items())), x.spec.dtype, *parts)
            return seen[x.id]
        if x.spec.shape == top.spec.shape:
            return self.number(x.id in self.updates, x.kind == "param", x.spec.dtype, x.spec.device)
        return self.number("shared", x.id)

    def number(self, *what: Any) -> int:
        return self.forms.setdefault(what, len(self.forms))

    def within(self, e: Equation) -> bool:
        """Whether an equation is a part of the update, entry by entry."""
        return elementwise(e) and e.source == self.source and e.of is None

    def runs(self, values: list[Var]) -> Iterator[Row]:
        """The updates whose state lies side by side, as far as it does."""
        owned = [self.owned(v) for v in values]
        run: list[Var] = []
        for i, value in enumerate(values):
            pairs = zip(owned[i - 1], owned[i], strict=True)
            apart = any(side_by_side([a, b]) is None for a, b in pairs)
            if run and (apart or sum(v.spec.size for v in (*run, value)) > MOST):
                yield tuple(run)
                run = []
            run.append(value)
        yield tuple(run)

    def calls(self, row: Row, above: bool, seen: set[Row]) -> tuple[int, int]:
        """How many calls can go over buffers, and how many rows have to be joined for them."""
        x = row[0]
        if not isinstance(x, Var) or x.spec.number or len(set(row)) == 1 or row in seen:
            return 0, 0
        seen.add(row)
        able = self.able(row)
        if not able and (above or not self.steps(row)):
            return 0, int(above and not self.mine(row))
        each = [self.calls(column, able, seen) for column in self.columns(row)]
        return sum(n for n, _ in each) + able, sum(n for _, n in each)

    def worth(self, row: Row) -> bool:
        """Whether fewer calls are left: to join values costs something, too."""
        calls, joins = self.calls(row, False, set())
        return calls * (len(row) - 1) > joins * len(row) * JOINING

    def owned(self, value: Var) -> list[Any]:
        """The arrays of the state that an update goes over, in the order in which it reads it."""
        found, todo = {}, [value]
        while todo:
            x = todo.pop()
            e = self.made.get(x.id)
            if e is not None and self.within(e):
                todo += [i for i in e.inputs if isinstance(i, Var) and not i.spec.number]
            elif x.id in self.updates and x.kind != "param" and x.spec.shape == value.spec.shape:
                found[x.id] = self.bound[x.id].tensor.array
        return list(found.values())

    # The same over flat buffers

    def gather(self, row: Row) -> None:
        """Gather what can be at and below values that are computed alike."""
        if not isinstance(row[0], Var) or row[0].spec.number:
            return
        if self.able(row):
            self.over(row)
        elif self.steps(row):
            for column in self.columns(row):
                self.gather(column)

    def columns(self, row: Row) -> list[Row]:
        return list(zip(*(self.made[v.id].inputs for v in row), strict=True))

    def steps(self, row: Row) -> bool:
        """Whether values are made by steps of the updates."""
        return all(v.id in self.made and self.within(self.made[v.id]) for v in row)

    def able(self, row: Row) -> bool:
        """Whether these steps can go over flat buffers: none reads a parameter itself."""

        def fits(x: Any, v: Var) -> bool:
            return x.kind != "param" and x.spec.shape in (v.spec.shape, ())

        return self.steps(row) and all(
            fits(x, v) for v in row for x in self.made[v.id].inputs if isinstance(x, Var)
        )

    def over(self, row: Row) -> Any:
        """What stands for values that are computed alike."""
        first = row[0]
        if not isinstance(first, Var) or len({v.id for v in row}) == 1:
            return first
        if first.spec.number:
            self.agree(row)
            return first
        if row in self.whole:
            return self.whole[row]
        if self.able(row):
            inputs = tuple(self.over(column) for column in self.columns(row))
            found = self.new(row)
            self.order.append(replace(self.made[first.id], out=found, inputs=inputs, tensors=()))
            self.done |= {v.id for v in row}
            return found
        arrays = [self.bound[v.id].tensor.array for v in row] if self.mine(row) else None
        array = None if arrays is None else side_by_side(arrays)
        found = self.new(row)
        if array is None:
            self.order.append(Equation(found, JOIN, row, {}, source=self.source))
        else:
            self.state[found.id] = array
        return found

    def mine(self, row: Row) -> bool:
        """Whether these are what the optimiser remembers, and changes."""
        return all(v.id in self.updates and v.kind != "param" for v in row)

    def agree(self, row: Row) -> None:
        """Note which numbers have to be equal for these to be equal."""
        equations = [self.made.get(v.id) for v in row if isinstance(v, Var)]
        if len(set(row)) == 1:
            return
        if None in equations:
            self.same += [row] * (row not in self.same)
            return
        for column in zip(*(e.inputs for e in equations if e is not None), strict=True):
            self.agree(column)

    def new(self, row: Row) -> Var:
        """A value that stands for others."""
        found = Var(self.free, JOIN.shape(*(v.spec for v in row)))
        self.free += 1
        self.whole[row], self.stands[found.id] = found, (found, row)
        return found

    # The graph

    def flat(self) -> Flat | None:
        """The graph with these in place of updates one by one; None where nothing is gathered."""
        for values in self.alike():
            for row in self.runs(values):
                if self.worth(row):
                    self.gather(row)
        if not self.order:
            return None
        bindings = dict(self.bound)
        inputs = list(self.graph.inputs)
        pairs = zip(self.graph.updates, self.traced.targets, strict=True)
        updates = {i: (*pair, target) for i, (pair, target) in enumerate(pairs)}
        place = {entry.id: i for i, (entry, _, _) in updates.items()}
        kept = []
        for number, array in self.state.items():
            found, row = self.stands[number]
            new = self.whole.get(tuple(self.updates[v.id] for v in row))
            if new is None:  # it is changed in another order than it is read in
                return None
            whole = Captured(make(array))
            inputs.append(replace(found, kind="state"))
            bindings[number] = whole
            for v in row:
                kept.append((self.bound[v.id].tensor, self.bound[v.id].tensor.array))
                del updates[place[v.id]]
            updates[number] = (found, new, whole)
        left = [e for e in self.graph.equations if e.out.id not in self.done]
        read = {x.id for e in left for x in e.inputs if isinstance(x, Var)}
        read |= {v.id for v in (*self.graph.outputs, *(value for _, value, _ in updates.values()))}
        equations = [*left, *self.order, *self.pieces(read)]
        new_pairs = tuple((entry, value) for entry, value, _ in updates.values())
        graph = replace(self.graph, inputs=tuple(inputs), updates=new_pairs)
        ordered = in_order(graph, equations)
        if ordered is None:
            return None
        traced = replace(
            self.traced,
            graph=drop_dead(with_equations(graph, ordered)).verify(),
            bindings=tuple(bindings[v.id] for v in inputs),
            targets=tuple(target for _, _, target in updates.values()),
        )
        members = {n: tuple(v.id for v in row) for n, (_, row) in self.stands.items()}
        return Flat(traced, tuple(self.same), tuple(kept), members)

    def pieces(self, read: set[int]) -> Iterator[Equation]:
        """The values that are still read one by one, as parts of what stands for them."""
        for whole, row in self.stands.values():
            start = 0
            for v in row:
                if v.id in self.done and v.id in read:
                    e = self.made[v.id]
                    attrs = {"start": start, "shape": v.spec.shape}
                    yield Equation(v, PIECE, (whole,), attrs, e.scope, e.source)
                start += v.spec.size


def in_order(graph: Graph, equations: Iterable[Equation]) -> list[Equation] | None:
    """The equations so that each stands after what it reads, and as they come where they can.

    None where a random draw would come later than another one that it came before.
    """
    known = {v.id for v in (*graph.inputs, *graph.constant_vars)}
    waiting: dict[int, list[Equation]] = {}  # for a value
    out: list[Equation] = []
    for e in equations:
        todo = [e]
        while todo:
            e = todo.pop()
            missing = next((x for x in e.inputs if isinstance(x, Var) and x.id not in known), None)
            if missing is not None:
                waiting.setdefault(missing.id, []).append(e)
                continue
            out.append(e)
            known.add(e.out.id)
            todo += reversed(waiting.pop(e.out.id, []))
    draws = [e.out.id for e in graph.equations if e.op.random]
    return out if [e.out.id for e in out if e.op.random] == draws else None
