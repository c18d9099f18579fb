"""The methods and operators of ``Tensor`` that come from the table."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from ..errors import (
    KindError,
)
from ..op import (
    INTERPRETER,
    OPS,
    Attrs,
    Mismatch,
    Op,
    current,
    need_arguments,
)
from ..ops import FUNCTIONS, IN_PLACE, NOT_METHODS, bits, linalg, order
from ..ops import elementwise as e
from .record import RECORD, check_result, explain
from .tensor import Tensor


def _method(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        try:
            return function(self, *args, **kwargs)
        except TypeError:
            if not isinstance(function, Op):
                need_arguments(name, function, (self, *args), kwargs)
            raise

    method.__name__ = name
    method.__doc__ = function.__doc__
    method.__wrapped__ = function  # type: ignore[attr-defined]  # inspect finds the arguments there
    return method


def _in_place(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    row: Any = function if isinstance(function, Op) else OPS.get(name.rstrip("_"))
    direct = row is function
    plain = row is not None and row.bind is None  # the row does it where the call asks no more

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if direct:
            inputs, attrs = row.bind(self, *args, **kwargs) if row.bind else ((self, *args), kwargs)
            return current().update(row, self, inputs, attrs)
        if plain and not kwargs and len(args) + 1 == len(row.arguments):
            return current().update(row, self, (self, *args), {})
        # of a copy, since rules may read what is overwritten
        found = function(self.clone() if self.requires_grad else self, *args, **kwargs)
        try:
            check_result(e.clone, self.spec, found.spec)
        except Mismatch as mismatch:
            mismatch.hint = f"use the form without the underscore: {name[:-1]}(...)"
            raise explain(e.clone, (self,), {}, mismatch) from None
        return current().update(e.copy, self, (self, found), {})

    method.__name__ = name
    doc = function.doc if isinstance(function, Op) else function.__doc__ or ""
    method.__doc__ = f"{doc.partition(chr(10))[0]} In place: the tensor itself changes."
    method.__wrapped__ = function  # type: ignore[attr-defined]
    return method


def _direct(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of ops without what ``public`` puts around it, unless that is needed here."""
    inner = getattr(function, "__wrapped__", None)
    if inner is None or "keepdim" in signature(inner).parameters:
        return function
    return inner


for _name, _function in (FUNCTIONS | order.METHODS).items():
    if _name not in NOT_METHODS or _name in order.METHODS:
        setattr(Tensor, _name, _method(_name, _direct(_function)))
for _name in IN_PLACE:
    _function = FUNCTIONS[_name]
    setattr(
        Tensor,
        f"{_name}_",
        _in_place(f"{_name}_", getattr(_function, "__wrapped__", _function)),
    )

_NONE: Attrs = {}


def _binary(op: Op) -> tuple[Callable[..., Any], Callable[..., Any]]:
    get = INTERPRETER.get

    def left(self: Tensor, other: Any) -> Any:
        return get(RECORD).apply(op, (self, other), _NONE)

    def right(self: Tensor, other: Any) -> Any:
        return get(RECORD).apply(op, (other, self), _NONE)

    return left, right


for _name, _op in {
    "add": e.add, "sub": e.sub, "mul": e.mul, "truediv": e.div, "pow": e.pow,
}.items():  # fmt: skip
    _left, _right = _binary(_op)
    setattr(Tensor, f"__{_name}__", _left)
    setattr(Tensor, f"__r{_name}__", _right)
    setattr(Tensor, f"__i{_name}__", _in_place(f"__i{_name}__", _op))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Tensor, f"__{_name}__", _binary(FUNCTIONS[_name])[0])  # type: ignore[arg-type]


def _same(op: Op) -> Callable[..., Any]:
    get = INTERPRETER.get

    def method(self: Tensor, other: Any) -> Any:
        if other is None or other.__class__ is str:
            return NotImplemented  # Python then says that they differ
        return get(RECORD).apply(op, (self, other), _NONE)

    return method


Tensor.__eq__ = _same(e.eq)  # type: ignore[method-assign]
Tensor.__ne__ = _same(e.ne)  # type: ignore[method-assign]


def _matmul(self: Tensor, other: Any) -> Any:
    return linalg.matmul(self, other)


def _neg(self: Tensor) -> Any:
    return e.neg(self)


def _invert(self: Tensor) -> Any:
    if self.dtype.is_floating_point:
        raise KindError(
            f"~x: {self.dtype.name} has no bits to turn over\n"
            "  expected integers or bools\n  compare first: ~(x > 0)"
        )
    return bits.bitwise_not(self)


for _name, _unary in {
    "matmul": _matmul,
    "rmatmul": lambda self, other: linalg.matmul(other, self),
    "neg": _neg,
    "abs": lambda self: e.abs(self),
    "invert": _invert,
    "mod": lambda self, other: e.remainder(self, other),
    "rmod": lambda self, other: e.remainder(other, self),
    "floordiv": lambda self, other: e.floor_divide(self, other),
    "rfloordiv": lambda self, other: e.floor_divide(other, self),
    "lshift": lambda self, other: bits.bitwise_left_shift(self, other),
    "rlshift": lambda self, other: bits.bitwise_left_shift(other, self),
    "rshift": lambda self, other: bits.bitwise_right_shift(self, other),
    "rrshift": lambda self, other: bits.bitwise_right_shift(other, self),
    "and": lambda self, other: bits.bitwise_and(self, other),
    "rand": lambda self, other: bits.bitwise_and(other, self),
    "or": lambda self, other: bits.bitwise_or(self, other),
    "ror": lambda self, other: bits.bitwise_or(other, self),
    "xor": lambda self, other: bits.bitwise_xor(self, other),
    "rxor": lambda self, other: bits.bitwise_xor(other, self),
    "pos": lambda self: self,
}.items():
    setattr(Tensor, f"__{_name}__", _unary)
for _name, _op in {
    "mod": e.remainder, "floordiv": e.floor_divide, "and": bits.bitwise_and,
    "or": bits.bitwise_or, "xor": bits.bitwise_xor,
    "lshift": bits.bitwise_left_shift, "rshift": bits.bitwise_right_shift,
}.items():  # fmt: skip
    setattr(Tensor, f"__i{_name}__", _in_place(f"__i{_name}__", _op))
