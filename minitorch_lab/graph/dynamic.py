"""``compile(f, dynamic=True)``: one trace for every size of dimension 0, or of what is named.

The function is traced once, with a stand-in for each size. Sizes and attributes that were computed
from it are known again by their value, a multiple of the stand-in, which is a prime that no
model has. For each size that comes, the graph is written with the real one, and the passes and
the executor run on that; the learner's Python does not.

What Python decides by the size is watched: a comparison becomes a condition under which the trace
holds, and a size that is used as a plain number (``range(n)``, ``math.sqrt(n)``) ends the attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import zip_longest
from math import prod
from typing import Any

import numpy as np

from ..device import namespace_of
from ..errors import TraceError
from ..op import Spec, infer
from ..tape import caller, locate
from .ir import Graph, Part, Var, places_of, text, with_parts
from .sizes import Dim, Unknown, each, in_attrs, is_open

PRIME = 104729  # stands for the size of dimension 0
# Stand for sizes that are named. They are small, so that a mask of n x n entries is; a trace with
# the sizes themselves shows whether all numbers were told apart.
PRIMES = (719, 1201, 947, 1399)
NEAR = 8  # so far from a multiple of it may a number be that was computed from it: 2 n - 1
LONG = 20_000  # equations: more come from a loop over the stand-in
Sizes = tuple[int, ...]


class Fixed(TraceError):
    """The size is needed as a number: this trace would hold for one size only."""


class OpenSize:
    """Sizes that are left open while a function is traced; ``now`` is what they are in this call.

    ``which`` says for each tensor argument which size each open dimension has.
    """

    watched = True

    def __init__(
        self, now: Sizes, which: tuple[dict[int, int], ...], primes: Sizes = (PRIME,)
    ) -> None:
        self.now, self.which, self.primes = now, which, primes
        self.others = tuple(p + 4 * (k + 1) for k, p in enumerate(primes))  # a second answer
        # sizes for which two ways to compute a number are compared
        self.samples = [tuple(n + 5 * k for k in range(len(now))) for n in (7, 8)] + [self.others]
        self.conditions: list[tuple[Callable[[Sizes], bool], bool]] = []
        self.finds: dict[Any, Callable[[Sizes], Any]] = {}  # a number of the trace -> in a run

    def stands(self, index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of tensor argument ``index``, with stand-ins for its open sizes."""
        found = list(shape)
        for dim, k in self.which[index].items():
            found[dim] = self.primes[k]
        return tuple(found)

    def holds(self, sizes: Sizes) -> bool:
        """Whether all comparisons that the function made come out the same for these sizes."""
        return all(ask(sizes) is found for ask, found in self.conditions)

    def decide(self, size: Unknown, ask: Callable[[Sizes], bool]) -> bool:
        """The answer for the sizes of this call, which becomes a condition."""
        found = bool(ask(self.now))
        self.conditions.append((lambda n: bool(ask(n)), found))
        return found

    def use(self, size: Unknown) -> Any:
        """The number that stands in the graph, by which it is known again."""
        value = size.first
        if type(size) is Dim and abs(value) < min(self.primes) // 4:
            raise self.refuse(size, "is divided so often that it is no longer known")
        self.finds.setdefault(value, size.find)
        if any(self.at(value, n) != size.find(n) for n in self.samples):
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
        """A shape with what hangs on open sizes marked."""
        return tuple(self._marked(n) if self.opens(n) else n for n in shape)

    def _marked(self, value: int) -> Any:
        form = _form(value, self.primes) or {}
        roots = {(-1, k) for powers in form for k, e in enumerate(powers) if e}
        roots = roots or {(-1, k) for k in range(len(self.primes))}
        linear = all(sum(powers) <= 1 for powers in form) and bool(form)
        return Dim(
            value,
            self.at(value, self.others),
            frozenset(roots),
            lambda n: self.at(value, n),
            self,
            linear,
        )

    def opens(self, value: int) -> bool:
        """Whether a number of the trace hangs on a size."""
        return value in self.finds or _form(value, self.primes) is not None

    def at(self, value: Any, sizes: Sizes) -> Any:
        """A number of the trace as it is for some sizes."""
        form = _form(value, self.primes) if type(value) is int else None
        if form is not None:
            return sum(c * prod(map(pow, sizes, powers)) for powers, c in form.items())
        find = self.finds.get(value) if type(value) in (int, float) else None
        if find is not None:
            return type(value)(find(sizes))
        if type(value) is float and value and np.isfinite(value):
            if value.is_integer():
                return float(self.at(int(value), sizes))
            for prime in self.primes:
                for below in (prime, prime - 1):  # 1 / n, n / (n - 1)
                    above = round(value * below)
                    if above / below == value and (abs(above) <= NEAR or self.opens(above)):
                        down = self.at(below, sizes)
                        return self.at(above, sizes) / down if down else float("inf")
        return value


# Numbers and graphs -------------------------------------------------------------------------


Form = dict[tuple[int, ...], int]  # powers of the sizes -> how often


@lru_cache(maxsize=1 << 16)
def _form(value: int, primes: Sizes) -> Form | None:
    """A number as a polynomial of the sizes; None where it does not hang on one."""
    if len(primes) == 1:
        return _of_one(value, primes[0])
    if abs(value) < min(primes) - NEAR:
        return None
    for c in sorted(range(-NEAR, NEAR + 1), key=abs):
        for k, p in enumerate(primes):
            if value != c and (value - c) % p == 0:
                rest = (value - c) // p
                inner = _form(rest, primes) or {(0,) * len(primes): rest}
                found = {(*e[:k], e[k] + 1, *e[k + 1 :]): n for e, n in inner.items()}
                none = (0,) * len(primes)
                return {**found, none: found.get(none, 0) + c} if c else found
    for k, p in enumerate(primes):  # n + m
        for count in (1, -1, 2, -2):
            found_rest = _multiple(value - count * p, primes)
            if found_rest is not None:
                one = tuple(int(i == k) for i in range(len(primes)))
                return {**found_rest, one: count}
    return None


def _multiple(value: int, primes: Sizes) -> Form | None:
    for k, p in enumerate(primes):
        if value and value % p == 0 and abs(value // p) <= NEAR:
            return {tuple(int(i == k) for i in range(len(primes))): value // p}
    return None


def _of_one(value: int, prime: int) -> Form | None:
    """``a n² + b n + c``."""
    a = (value + prime**2 // 2) // prime**2 if abs(value) > prime**2 // 2 else 0
    rest = value - a * prime**2
    b = (rest + prime // 2) // prime
    c = rest - b * prime
    if not (a or b) or abs(c) > NEAR:
        return None
    return {powers: n for powers, n in (((2,), a), ((1,), b), ((0,), c)) if n}


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
    if open_size.primes == (PRIME,) and any(
        map(open_size.opens, (n for shape in own for n in (*shape, prod(shape))))
    ):
        raise Fixed("a captured tensor is too large to tell its sizes from the open one")
    return _checked(graph, open_size)


def _checked(graph: Graph, open_size: OpenSize) -> Graph:
    constants = []
    for v, array in graph.constants:
        if any(map(open_size.opens, v.spec.shape)):
            if _same(array):
                one = array.reshape(-1)[:1].copy()
                array = namespace_of(array).broadcast_to(one, array.shape)
            elif not _counts(array):
                raise Fixed("a constant tensor has the size")
        constants.append((v, array))
    now = replace(graph, constants=tuple(constants))
    return with_parts(now, lambda _, p: replace(p, graph=_checked(p.graph, open_size)))


def _same(array: Any) -> bool:
    return bool((array == array[(slice(0, 1),) * array.ndim]).all())


def _counts(array: Any) -> bool:
    """Whether an array is that of ``arange``: equal steps between whole numbers."""
    if array.ndim != 1 or array.dtype.kind not in "iu" or len(array) < 2:
        return False
    steps = array[1:] - array[:-1]
    return bool((steps == steps[0]).all())


def graph_at(graph: Graph, open_size: OpenSize, size: Sizes, inside: bool = False) -> Graph:
    """The graph for some sizes; Mismatch where an op cannot be done for them."""

    def change(v: Any) -> Any:
        if type(v) is Spec:
            return spec_at(v)
        if type(v) is Part:
            return Part(graph_at(v.graph, open_size, size, inside=True), v.places)
        return open_size.at(v, size)

    def spec_at(spec: Spec) -> Spec:
        return replace(spec, shape=tuple(map(change, spec.shape)))

    starts: dict[int, dict[int, int]] = {}  # where results lie in the packed ones: before -> now
    now: dict[int, Var] = {}

    def var(v: Var, spec: Spec | None = None) -> Var:
        if v.id not in now or v.id < 0:
            now[v.id] = Var(v.id, spec or spec_at(v.spec), v.name, v.kind)
        return now[v.id]

    # what is captured stays as it is; a graph inside captures what the one around it computes
    inputs = tuple(var(v, None if inside or v.kind == "input" else v.spec) for v in graph.inputs)
    constants = []
    for v, array in graph.constants:
        if any(map(open_size.opens, array.shape)):
            xp, shape = namespace_of(array), spec_at(v.spec).shape
            if _same(array):
                first = array[(slice(0, 1),) * array.ndim]
                array = xp.full(shape, change(first.item()), array.dtype)
            else:
                start, step = change(array[0].item()), (array[1] - array[0]).item()
                array = (start + step * xp.arange(*shape)).astype(array.dtype)
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
        tuple((Var(t.id, now[v.id].spec, t.name, t.kind), now[v.id]) for t, v in graph.updates),
        graph.name,
    ).verify()


def need_same(found: Graph, wanted: Graph) -> None:
    """Fixed where a graph for some sizes is not the one that was traced with these."""
    rows = [text(g, lines=False).split("\n") for g in (found, wanted)]
    for a, b in zip_longest(*rows, fillvalue=""):
        if a != b:
            raise Fixed(f"a number cannot be followed: {b.strip()}")
    one, other = found.table(), wanted.table()
    if one.keys() != other.keys() or any((one[k] != other[k]).any() for k in one):
        raise Fixed("a constant tensor cannot be followed")
