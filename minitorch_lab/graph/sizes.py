"""Open sizes: numbers of a graph that only a run knows.

``compile(f, dynamic=True)`` leaves sizes open while it traces, and None in the shape of a
placeholder leaves one open while a graph is built by hand. An open size is computed with as an int
is. Two values are carried along, so that a shape rule that is asked twice shows which sizes of its
result are open: those on which the two answers differ. ``find`` has the answer for a run.

What Python wants to know of it (``if n > 8``, ``range(n)``) is a question for its owner, which
answers for the call at hand and remembers that, or refuses.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from ..op import Attrs, Mismatch, Op, Spec, infer
from .ir import Var

FIRST, SECOND = 1949, 1951  # two primes that no real shape is likely to have
Values = dict[int, Any]  # number of a variable -> the tensor that a run has for it
Root = tuple[int, int]  # where a size comes from: the number of a variable, and the dimension
ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


class Owner(Protocol):
    """Who answers when Python asks for more than arithmetic."""

    watched: bool  # whether the workbench's own comparisons are questions too

    def decide(self, size: Unknown, ask: Callable[[Any], bool]) -> bool:
        """The answer to a comparison; ``ask`` has it for the values of a run."""

    def use(self, size: Unknown) -> Any:
        """The value that stands for a size, where the workbench needs a plain number."""

    def refuse(self, size: Unknown, what: str) -> Exception:
        """The error for a learner's line that needs a plain number."""

    def shown(self, size: Unknown) -> str:
        """The size as text."""


class Unknown:
    """A number that a run will know: ``first`` and ``second`` stand for it, ``find`` finds it."""

    __slots__ = ("find", "first", "linear", "owner", "roots", "second")

    def __init__(
        self,
        first: Any,
        second: Any,
        roots: frozenset[Root],
        find: Callable[[Any], Any],
        owner: Owner,
        linear: bool = True,
    ) -> None:
        self.first, self.second, self.roots, self.find = first, second, roots, find
        self.owner = owner
        self.linear = linear and len(roots) == 1  # a n + b: two values tell all others

    @property
    def needs(self) -> frozenset[int]:
        """The variables that ``find`` looks at."""
        return frozenset(number for number, _ in self.roots)

    def _with(self, other: Any, f: Callable[[Any, Any], Any], linear: bool) -> Any:
        if type(other) not in (int, float) and not isinstance(other, Unknown):
            return NotImplemented
        a, b = f(self.first, first(other)), f(self.second, second(other))
        kind = Dim if type(a) is int else Ratio

        def find(now: Any) -> Any:
            return f(self.find(now), known(other, now))

        linear = linear and self.linear and (not is_open(other) or other.linear)
        made = kind(a, b, self._roots(other), find, self.owner, linear)
        return a if made.linear and a == b else made  # n - n is 0 for every n

    def _compared(self, other: Any, f: Callable[[Any, Any], bool]) -> Any:
        if type(other) not in (int, float) and not isinstance(other, Unknown):
            return NotImplemented
        away = self - other
        if not is_open(away):
            return f(away, 0)  # so far apart whatever the size is
        if not self.owner.watched and ours():
            return f(self.first, first(other))
        return self.owner.decide(self, lambda now: f(self.find(now), known(other, now)))

    def _roots(self, other: Any) -> frozenset[Root]:
        return self.roots | other.roots if is_open(other) else self.roots

    def __hash__(self) -> int:
        return hash(self.first)

    def __bool__(self) -> bool:
        return bool(self._compared(0, operator.ne))

    def __neg__(self) -> Any:
        return self._with(-1, operator.mul, linear=True)

    def __repr__(self) -> str:
        return self.owner.shown(self)

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __float__(self) -> float:
        if self.owner.watched and ours():
            return float(self.owner.use(self))
        raise self.owner.refuse(self, "is used as a float")


class Dim(Unknown):
    """A size of a shape. For code that asks it is an int."""

    __slots__ = ()
    __class__ = property(lambda self: int)

    def __index__(self) -> int:
        if ours():
            return int(self.owner.use(self))
        raise self.owner.refuse(self, "is used as a number")

    __int__ = __index__

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.__index__(), dtype)


class Ratio(Unknown):
    """A number computed from sizes. For code that asks it is a float."""

    __slots__ = ()
    __class__ = property(lambda self: float)


def _operators() -> None:
    for name in ARITHMETIC:
        f = getattr(operator, name)

        def there(a: Any, b: Any, f: Any = f, name: str = name) -> Any:
            return a._with(b, f, _linear(name, b))

        def back(a: Any, b: Any, f: Any = f, name: str = name) -> Any:
            return a._with(b, lambda x, y: f(y, x), _linear(name, b))

        setattr(Unknown, f"__{name}__", there)
        setattr(Unknown, f"__r{name}__", back)
    for name in COMPARISONS:
        f = getattr(operator, name)
        setattr(Unknown, f"__{name}__", lambda a, b, f=f: a._compared(b, f))


def _linear(name: str, other: Any) -> bool:
    """Whether ``a n + b`` stays of that form."""
    return name in ("add", "sub") or (name == "mul" and type(other) is int)


_operators()


def ours() -> bool:
    """Whether the workbench asks, which makes shapes of it, and not the learner."""
    frame: Any = sys._getframe(1)
    while frame is not None and _room(frame) in ("numpy", __name__):
        frame = frame.f_back
    return frame is not None and _room(frame) == __name__.partition(".")[0]


def _room(frame: Any) -> str:
    name = str(frame.f_globals.get("__name__", ""))
    return name if name == __name__ else name.partition(".")[0]


def size_of(number: int, axis: int, by: Owner, a: int = FIRST, b: int = SECOND) -> Any:
    """The size of one dimension of a variable; a plain int where both values are the same."""
    if a == b:
        return a
    root = frozenset([(number, axis)])
    return Dim(a, b, root, lambda values: int(values[number].shape[axis]), by)


def is_open(x: Any) -> bool:
    """Whether a number hangs on an open size."""
    return type(x) is Dim or type(x) is Ratio


def first(x: Any) -> Any:
    """The value that the graph is built with."""
    return x.first if is_open(x) else x


def plain(value: Any) -> Any:
    """A value with plain numbers in the place of open sizes, for an equation."""
    return each(lambda x: x.owner.use(x) if is_open(x) else x, value)


def second(x: Any) -> Any:
    """The other value."""
    return x.second if is_open(x) else x


def known(x: Any, now: Any) -> Any:
    """The value in a run."""
    return x.find(now) if is_open(x) else x


def each(change: Callable[[Any], Any], value: Any) -> Any:
    """``change`` done to every number in an attribute."""
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        return type(value)([each(change, v) for v in value])
    if type(value) is dict:
        return {k: each(change, v) for k, v in value.items()}
    if isinstance(value, slice):
        return slice(*(each(change, v) for v in (value.start, value.stop, value.step)))
    return change(value)


def in_attrs(change: Callable[[Any], Any], attrs: Attrs) -> Attrs:
    """``change`` done to every number in the attributes."""
    return {name: each(change, value) for name, value in attrs.items()}


def unknowns(values: Iterable[Any]) -> list[Unknown]:
    """The unknown numbers in attributes."""
    found: list[Unknown] = []
    for value in values:
        each(lambda x: found.append(x) if isinstance(x, Unknown) else None, value)
    return found


def recognise(attrs: Attrs, shapes: list[Any]) -> Attrs:
    """Put unknown sizes back where an op's own arithmetic made plain numbers of them.

    The first of ``shapes`` that has such a size gives it.
    """
    there = [n for shape in shapes for n in shape if isinstance(n, Dim)]
    if not there or not attrs:
        return attrs

    def back(x: Any) -> Any:
        if type(x) is not int or x < FIRST:
            return x
        sizes: list[Any] = []
        for n in there:  # a product, as a flattened shape has it, in the order of the dimensions
            if x % n.first == 0:
                sizes.append(n)
                x //= n.first
        for n in sizes:
            x = n * x
        return x

    return in_attrs(back, attrs)


class AnyRank(tuple[Any, ...]):
    """The shape of a value whose number of dimensions only a run knows; built with these sizes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<unknown>"


def fits(found: Sequence[int], wanted: Sequence[Any]) -> bool:
    """Whether a shape is ``wanted``, where that is known."""
    if len(found) != len(wanted):
        return type(wanted) is AnyRank
    if type(wanted) is AnyRank:
        return True
    for m, n in zip(found, wanted, strict=True):  # noqa: SIM110  on the way of every feed
        if type(n) is not Dim and m != n:
            return False
    return True


def shape_of_result(
    op: Op, inputs: tuple[Any, ...], attrs: Attrs, spec: Spec, number: int, by: Owner
) -> Spec:
    """The spec of variable ``number``, with unknown sizes where the inputs' are unknown."""
    specs = [x.spec if isinstance(x, Var) else x for x in inputs]
    if not unknowns([*(s.shape for s in specs if isinstance(s, Spec)), *attrs.values()]):
        return spec
    others = [
        replace(s, shape=each(second, tuple(s.shape))) if isinstance(s, Spec) else s for s in specs
    ]
    try:
        other = infer(op, others, in_attrs(second, attrs))
    except Mismatch:
        return spec
    if len(other.shape) != len(spec.shape):
        return spec
    shape = tuple(
        size_of(number, axis, by, int(first(a)), int(first(b)))
        for axis, (a, b) in enumerate(zip(spec.shape, other.shape, strict=True))
    )
    return replace(spec, shape=shape)
