"""Sizes that are not known while a graph is built by hand.

An unknown size is an int with a value to compute with, and with a memory of what it was computed
from. Two values are carried along, so that a shape rule that is asked twice shows which sizes of
its result are unknown: those on which the two answers differ.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from ..errors import TraceError
from ..op import Attrs, Mismatch, Op, Spec, infer
from .ir import Var

FIRST, SECOND = 1949, 1951  # two primes that no real shape is likely to have
Values = dict[int, Any]  # number of a variable -> the tensor that a run has for it


class Unknown:
    """What is not known before a run: ``first`` and ``second`` stand for it, ``find`` finds it."""

    first: Any
    second: Any
    needs: frozenset[int]  # the variables that ``find`` looks at
    find: Callable[[Values], Any]

    def _with(self, other: Any, f: Callable[[Any, Any], Any]) -> Any:
        if type(other) not in (int, float) and not isinstance(other, Unknown):
            return NotImplemented
        needs = self.needs | (other.needs if isinstance(other, Unknown) else frozenset())
        return unknown(
            f(self.first, first(other)),
            f(self.second, second(other)),
            needs,
            lambda values: f(self.find(values), known(other, values)),
        )

    def __repr__(self) -> str:
        return "None"

    def __float__(self) -> NoReturn:
        raise TraceError(
            "float(n): the size n is not known while the graph is built\n"
            "  expected n itself: sizes may stand in shapes and next to tensors, x / n\n"
            "  write n ** 0.5 for a square root"
        )


class Dim(Unknown, int):
    """A size of a shape with None at its place."""


class Ratio(Unknown, float):
    """A number computed from sizes."""


def _operators() -> None:
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
        f = getattr(operator, name)
        for kind in (Dim, Ratio):
            setattr(kind, f"__{name}__", lambda a, b, f=f: a._with(b, f))
            setattr(kind, f"__r{name}__", lambda a, b, f=f: a._with(b, lambda x, y: f(y, x)))
    for kind in (Dim, Ratio):
        kind.__neg__ = lambda a: a._with(-1, operator.mul)  # type: ignore[method-assign]


_operators()


def unknown(a: Any, b: Any, needs: frozenset[int], find: Callable[[Values], Any]) -> Any:
    """The number that has two values; a plain number where both are the same."""
    if a == b:
        return a
    made: Any = Dim(a) if isinstance(a, int) else Ratio(a)
    made.first, made.second, made.needs, made.find = a, b, needs, find
    return made


def size_of(number: int, axis: int, a: int = FIRST, b: int = SECOND) -> Any:
    """The size of one dimension of a variable."""
    return unknown(a, b, frozenset([number]), lambda values: int(values[number].shape[axis]))


def first(x: Any) -> Any:
    """The value that the graph is built with."""
    return x.first if isinstance(x, Unknown) else x


def second(x: Any) -> Any:
    """The other value."""
    return x.second if isinstance(x, Unknown) else x


def known(x: Any, values: Values) -> Any:
    """The value in a run."""
    return x.find(values) if isinstance(x, Unknown) else x


def each(change: Callable[[Any], Any], value: Any) -> Any:
    """``change`` done to every number in an attribute."""
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        return type(value)([each(change, v) for v in value])
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


def fits(found: Sequence[int], wanted: Sequence[Any]) -> bool:
    """Whether a shape is ``wanted``, where that is known."""
    if len(found) != len(wanted):
        return False
    for m, n in zip(found, wanted, strict=True):  # noqa: SIM110  on the way of every feed
        if m != n and not isinstance(n, Dim):
            return False
    return True


def shape_of_result(op: Op, inputs: tuple[Any, ...], attrs: Attrs, spec: Spec, number: int) -> Spec:
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
        size_of(number, axis, int.__index__(a), int.__index__(b))
        for axis, (a, b) in enumerate(zip(spec.shape, other.shape, strict=True))
    )
    return replace(spec, shape=shape)
