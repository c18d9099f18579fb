"""``compile(f, dynamic=True)``: one trace for every size of dimension 0.

The function is traced once, with a stand-in for the size. Sizes and attributes that were computed
from it are known again by their value, a multiple of the stand-in, which is a prime that no
model has. For each size that comes, the graph is written with the real one, and the passes and
the executor run on that; the learner's Python does not.

What Python decides by the size is watched: a comparison becomes a condition under which the trace
holds, and a size that is used as a plain number (``range(n)``, ``math.sqrt(n)``) ends the attempt.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..device import namespace_of
from ..errors import TraceError
from ..op import Spec, infer
from ..tape import caller, locate
from .ir import Graph, Var

PRIME = 104729  # stands for the size
NEAR = 8  # so far from a multiple of it may a number be that was computed from it: 2 n - 1
LONG = 20_000  # equations: more come from a loop over the stand-in
COMPARE = {name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}
COMPUTE = {name: getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "pow")}


class Fixed(TraceError):
    """The size is needed as a number: this trace would hold for one size only."""


class OpenSize:
    """A size that is left open while a function is traced; ``now`` is what it is in this call."""

    def __init__(self, now: int, which: tuple[bool, ...]) -> None:
        self.now, self.which = now, which
        self.conditions: list[tuple[Callable[[int], bool], bool]] = []
        self.ratios: dict[float, Callable[[int], float]] = {}  # the value for PRIME -> for any size

    def holds(self, size: int) -> bool:
        """Whether all comparisons that the function made come out the same for this size."""
        return all(ask(size) is found for ask, found in self.conditions)

    def decide(self, ask: Callable[[int], bool]) -> bool:
        """The answer for the size of this call, which becomes a condition."""
        found = ask(self.now)
        self.conditions.append((ask, found))
        return found

    def ratio(self, find: Callable[[int], float]) -> Any:
        """A float that is computed from the size; a plain one where it does not change."""
        value = float(find(PRIME))
        if value == find(PRIME + 4) == find(3 * PRIME):
            return value
        self.ratios[value] = find
        return Ratio(value, find, self)

    def wrap(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        """A shape with what hangs on the open size marked."""
        return tuple(Open(n, self) if _parts(n) else n for n in shape)


class Open:
    """A number computed from the open size. For code that asks it is an int."""

    __slots__ = ("size", "value")
    __class__ = property(lambda self: int)

    def __init__(self, value: int, size: OpenSize) -> None:
        self.value, self.size = value, size

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return str(at(self.value, self.size.now))

    def __format__(self, spec: str) -> str:
        return format(at(self.value, self.size.now), spec)

    def __index__(self) -> int:
        if _ours():
            return self.value
        raise _fixed("is used as a number")

    __int__ = __index__

    def __float__(self) -> float:
        raise _fixed("is used as a float")

    def find(self, size: int) -> int:
        """What it is for a size."""
        return at(self.value, size)

    def __bool__(self) -> bool:
        return bool(_compare("ne", self, 0))

    def __neg__(self) -> Any:
        return Open(-self.value, self.size)

    def __floordiv__(self, other: Any) -> Any:
        return _divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return self - self // other * other


class Ratio:
    """A float computed from the open size. For code that asks it is a float."""

    __slots__ = ("find", "size", "value")
    __class__ = property(lambda self: float)

    def __init__(self, value: float, find: Callable[[int], float], size: OpenSize) -> None:
        self.value, self.find, self.size = value, find, size

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return str(self.find(self.size.now))

    def __format__(self, spec: str) -> str:
        return format(self.find(self.size.now), spec)

    def __float__(self) -> float:
        raise _fixed("is used as a float")

    def __neg__(self) -> Any:
        return self.size.ratio(lambda n: -self.find(n))


OPEN = (Open, Ratio)


def is_open(x: Any) -> bool:
    """Whether a number hangs on the open size."""
    return type(x) in OPEN


def _find(x: Any) -> Callable[[int], Any] | None:
    """What a number is for any size; None where it is no number."""
    if type(x) in OPEN:
        found: Callable[[int], Any] = x.find
        return found
    return (lambda n: at(x, n)) if type(x) is int else (lambda n: x) if type(x) is float else None


def _compare(name: str, a: Any, b: Any) -> Any:
    one, other = _find(a), _find(b)
    if one is None or other is None:
        return NotImplemented
    compare = COMPARE[name]
    if type(a) is Open and type(plain(b)) is int and not _parts(a.value - plain(b)):
        return compare(a.value, plain(b))  # the same for every size
    return a.size.decide(lambda n: bool(compare(one(n), other(n))))


def _compute(name: str, turned: bool, a: Any, b: Any) -> Any:
    f, size = COMPUTE[name], a.size
    one, other = _find(a), _find(b)
    if one is None or other is None:
        return NotImplemented  # x / n: the tensor knows
    if turned:
        one, other = other, one
    whole = type(a) is Open and type(plain(b)) is int
    if whole and name in ("add", "sub", "mul"):
        value = f(plain(b), a.value) if turned else f(a.value, plain(b))
        return Open(value, size) if _parts(value) else value
    return size.ratio(lambda n: f(one(n), other(n)))


def _divide(a: Any, b: Any) -> Any:
    size = a.size if type(a) is Open else b.size
    a, b = plain(a), plain(b)
    if type(a) is not int or type(b) is not int or not b or a % b:
        raise _fixed("is divided without a rest")
    return Open(a // b, size) if _parts(a // b) else a // b


for _kind in OPEN:
    for _name in COMPARE:
        setattr(_kind, f"__{_name}__", lambda a, b, name=_name: _compare(name, a, b))
    for _name in COMPUTE:
        setattr(_kind, f"__{_name}__", lambda a, b, name=_name: _compute(name, False, a, b))
        setattr(_kind, f"__r{_name}__", lambda a, b, name=_name: _compute(name, True, a, b))


def _ours() -> bool:
    """Whether the workbench asks, which makes shapes of it, and not the learner."""
    frame: Any = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("numpy"):
        frame = frame.f_back
    package = __name__.partition(".")[0]
    return frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package


def _fixed(what: str) -> Fixed:
    found = caller(2)
    where = locate(*found) if found else None
    return Fixed(f"the size {what}" + (f" in {where}: {where.text}" if where else ""))


# Numbers and graphs -------------------------------------------------------------------------


def _parts(value: int) -> tuple[int, int, int] | None:
    """``value`` as a n² + b n + c; None where it does not hang on the open size."""
    a = (value + PRIME**2 // 2) // PRIME**2 if abs(value) > PRIME**2 // 2 else 0
    rest = value - a * PRIME**2
    b = (rest + PRIME // 2) // PRIME
    c = rest - b * PRIME
    return (a, b, c) if (a or b) and abs(c) <= NEAR else None


def at(value: int, size: int) -> int:
    """A number of the trace as it is for a size."""
    parts = _parts(value)
    if parts is None:
        return value
    return parts[0] * size**2 + parts[1] * size + parts[2]


def _number_at(value: Any, size: int, ratios: dict[float, Callable[[int], float]]) -> Any:
    if type(value) is int:
        return at(value, size)
    if type(value) is float and value in ratios:
        return float(ratios[value](size))
    if type(value) is float and value and np.isfinite(value):
        if value.is_integer():
            return float(at(int(value), size))
        for below in (PRIME, PRIME - 1):  # 1 / n, n / (n - 1)
            above = round(value * below)
            if above / below == value and (abs(above) <= NEAR or _parts(above)):
                return at(above, size) / at(below, size) if at(below, size) else float("inf")
    return value


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    if type(value) in (tuple, list):
        return type(value)(_each(change, v) for v in value)
    if type(value) is dict:
        return {k: _each(change, v) for k, v in value.items()}
    if type(value) is slice:
        return slice(*(_each(change, v) for v in (value.start, value.stop, value.step)))
    return change(value)


def plain(value: Any) -> Any:
    """A value with the stand-in in the place of the open size."""
    return _each(lambda v: v.value if type(v) in OPEN else v, value)


def need_no_size(value: Any) -> None:
    """Fixed where a function returns the size itself."""

    def look(v: Any) -> None:
        if type(v) in OPEN:
            raise Fixed("the function returns the size")

    _each(look, value)


def check(graph: Graph) -> Graph:
    """Fixed where the graph has something that another size would not change as it should.

    Constants with the stand-in's size, which have one value everywhere, keep no memory for it.
    """
    own = [v.spec.shape for v in graph.inputs if v.kind != "input"]
    if any(_parts(n) for shape in own for n in (*shape, int(np.prod(shape, dtype=object)))):
        raise Fixed("a captured tensor is too large to tell its sizes from the open one")
    constants = []
    for v, array in graph.constants:
        if any(map(_parts, v.spec.shape)):
            if not _same(array):
                raise Fixed("a constant tensor has the size")
            one = array.reshape(-1)[:1].copy()
            array = namespace_of(array).broadcast_to(one, array.shape)
        constants.append((v, array))
    if any("parts" in e.attrs for e in graph.equations):
        raise Fixed("lab.cond, lab.while_loop or lab.scan is in the graph")
    return replace(graph, constants=tuple(constants))


def _same(array: Any) -> bool:
    return bool((array == array[(slice(0, 1),) * array.ndim]).all())


def graph_at(graph: Graph, open_size: OpenSize, size: int) -> Graph:
    """The graph for one size; Mismatch where an op cannot be done for it."""

    def change(v: Any) -> Any:
        return _number_at(v, size, open_size.ratios)

    def spec_at(spec: Spec) -> Spec:
        return replace(spec, shape=tuple(at(n, size) for n in spec.shape))

    now: dict[int, Var] = {}

    def var(v: Var, spec: Spec | None = None) -> Var:
        if v.id not in now or v.id < 0:
            now[v.id] = Var(v.id, spec or spec_at(v.spec), v.name, v.kind)
        return now[v.id]

    inputs = tuple(map(var, graph.inputs))
    constants = []
    for v, array in graph.constants:
        if any(map(_parts, array.shape)):
            xp, first = namespace_of(array), array[(slice(0, 1),) * array.ndim]
            array = xp.full(spec_at(v.spec).shape, change(first.item()), array.dtype)
        elif array.size == 1:
            array = namespace_of(array).full(array.shape, change(array.item()), array.dtype)
        constants.append((var(v), array))
    equations = []
    for e in graph.equations:
        values = tuple(now[x.id] if isinstance(x, Var) else change(x) for x in e.inputs)
        attrs = {k: _each(change, v) for k, v in e.attrs.items()}
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
