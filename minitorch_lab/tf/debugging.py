"""``tf.debugging``: what has to be true of tensors, checked in a graph after each run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import to_host
from ..errors import ArgumentError, KindError, LabError, ShapeError
from ..op import current
from ..tensor import Tensor as Plain
from .control import _held, shown
from .dtypes import as_dtype
from .errors import InvalidArgumentError, both, retells
from .math import pair
from .tensor import as_tensor

Name = str | None


def _later(check: Callable[..., None], *tensors: Any) -> None:
    """Do ``check`` with the values now, or in a graph when each run is done."""
    if not current().tracing:
        check(*map(_values, tensors))
        return
    held = [_held(x) for x in tensors]
    current().postpone(lambda: check(*map(_values, held)), "tf.debugging", ())


def _values(x: Any) -> Any:
    return to_host(x.array) if isinstance(x, Plain) else np.asarray(x)


def _failed(name: str, words: str, message: Any, summarize: Any, **values: Any) -> LabError:
    rows = [f"  {k}  {v.dtype} {v.shape}  {shown(v, summarize or 3)}" for k, v in values.items()]
    head = f"{name}: {words}" + (f": {message}" if message else "")
    return InvalidArgumentError("\n".join([head, *rows, f"  expected  {_EXPECTED[name]}"]))


_EXPECTED = {
    "assert_equal": "x == y in each entry",
    "assert_none_equal": "x != y in each entry",
    "assert_less": "x < y in each entry",
    "assert_less_equal": "x <= y in each entry",
    "assert_greater": "x > y in each entry",
    "assert_greater_equal": "x >= y in each entry",
    "assert_near": "|x - y| <= atol + rtol * |y| in each entry",
    "assert_positive": "x > 0 in each entry",
    "assert_negative": "x < 0 in each entry",
    "assert_non_negative": "x >= 0 in each entry",
    "assert_non_positive": "x <= 0 in each entry",
    "assert_all_finite": "finite numbers: no NaN and no infinity",
    "check_numerics": "finite numbers: no NaN and no infinity",
    "Assert": "a condition that is True",
}


def _comparison(name: str, doc: str, holds: Callable[[Any, Any], Any]) -> Any:
    def call(
        x: Any, y: Any, message: str | None = None, summarize: int | None = None, name: Name = None
    ) -> None:
        def check(a: Any, b: Any) -> None:
            if not np.all(holds(a, b)):
                raise _failed(title, "this does not hold", message, summarize, x=a, y=b)

        _later(check, *pair(title, x, y))

    title = name
    return _named(name, doc, call)


def _named(name: str, doc: str, call: Any) -> Any:
    call.__name__ = call.__qualname__ = name
    call.__doc__, call.__module__ = doc, __name__
    return retells(call)


assert_equal = _comparison("assert_equal", "InvalidArgumentError unless x == y.", np.equal)
assert_none_equal = _comparison(
    "assert_none_equal", "InvalidArgumentError where x == y.", np.not_equal
)
assert_less = _comparison("assert_less", "InvalidArgumentError unless x < y.", np.less)
assert_less_equal = _comparison(
    "assert_less_equal", "InvalidArgumentError unless x <= y.", np.less_equal
)
assert_greater = _comparison("assert_greater", "InvalidArgumentError unless x > y.", np.greater)
assert_greater_equal = _comparison(
    "assert_greater_equal", "InvalidArgumentError unless x >= y.", np.greater_equal
)


def _condition(name: str, doc: str, holds: Callable[[Any], Any]) -> Any:
    def call(
        x: Any, message: str | None = None, summarize: int | None = None, name: Name = None
    ) -> None:
        def check(a: Any) -> None:
            if not np.all(holds(a)):
                raise _failed(title, "this does not hold", message, summarize, x=a)

        _later(check, as_tensor(x))

    title = name
    return _named(name, doc, call)


assert_positive = _condition(
    "assert_positive", "InvalidArgumentError unless x > 0.", lambda a: a > 0
)
assert_negative = _condition(
    "assert_negative", "InvalidArgumentError unless x < 0.", lambda a: a < 0
)
assert_non_negative = _condition(
    "assert_non_negative", "InvalidArgumentError unless x >= 0.", lambda a: a >= 0
)
assert_non_positive = _condition(
    "assert_non_positive", "InvalidArgumentError unless x <= 0.", lambda a: a <= 0
)


@retells
def assert_near(
    x: Any, y: Any, rtol: Any = None, atol: Any = None, message: str | None = None,
    summarize: int | None = None, name: Name = None,
) -> None:  # fmt: skip
    """InvalidArgumentError unless x and y differ by little: ten times the dtype's precision."""
    x, y = pair("assert_near", x, y)
    eps = 10 * np.finfo((x if isinstance(x, Plain) else y).dtype.np).eps
    r, a = eps if rtol is None else rtol, eps if atol is None else atol

    def check(p: Any, q: Any) -> None:
        if not np.all(np.abs(p - q) <= a + r * np.abs(q)):
            raise _failed("assert_near", "this does not hold", message, summarize, x=p, y=q)

    _later(check, x, y)


@retells
def check_numerics(tensor: Any, message: str, name: Name = None) -> Any:
    """The tensor itself; InvalidArgumentError where an entry is NaN or infinite."""
    return _finite("check_numerics", tensor, message)


@retells
def assert_all_finite(x: Any, message: str, name: Name = None) -> Any:
    """The tensor itself; InvalidArgumentError where an entry is NaN or infinite."""
    return _finite("assert_all_finite", x, message)


def _finite(title: str, x: Any, message: str) -> Any:
    x = as_tensor(x)

    def check(a: Any) -> None:
        bad = [w for w, f in (("Inf", np.isinf), ("NaN", np.isnan)) if f(a).any()]
        if bad:
            raise _failed(title, f"Tensor had {' and '.join(bad)} values", message, 3, x=a)

    _later(check, x)
    return x


@retells
def Assert(condition: Any, data: Any, summarize: Any = None, name: Name = None) -> None:
    """InvalidArgumentError with ``data`` unless the condition is True."""

    def check(c: Any, *values: Any) -> None:
        if not np.all(c):
            named = {f"data[{i}]": v for i, v in enumerate(values)}
            raise _failed("Assert", "the condition is False", None, summarize, **named)

    _later(check, as_tensor(condition), *map(as_tensor, data))


# What is known without values --------------------------------------------------------------


@retells
def assert_shapes(
    shapes: Any, data: Any = None, summarize: Any = None, message: str | None = None,
    name: Name = None,
) -> None:  # fmt: skip
    """ShapeError unless tensors have these shapes, in which a letter is the same size each time.

    >>> assert_shapes([(as_tensor([[1.0, 2.0]]), ("N", 2)), (as_tensor([3.0]), ("N",))])
    """
    known: dict[Any, int] = {}
    for x, wanted in shapes.items() if isinstance(shapes, dict) else shapes:
        x = as_tensor(x)
        parts = tuple(wanted) if isinstance(wanted, list | tuple | str) else (wanted,)
        if ... in parts:
            at = parts.index(...)
            more = x.ndim - len(parts) + 1
            parts = (*parts[:at], *(None,) * more, *parts[at + 1 :])
        fits = len(parts) == x.ndim
        for size, part in zip(tuple(x.shape), parts, strict=False):
            named = isinstance(part, str) and not part.isdigit() and part != "."
            expected = known.setdefault(part, size) if named else part
            fits = fits and (expected in (None, ".") or size == int(expected))
        if not fits:
            letters = ", ".join(f"{k} = {v}" for k, v in known.items())
            letters = f"  with {letters}" if letters else ""
            raise both(ShapeError, ArgumentError)(
                "assert_shapes: a tensor has another shape" + (f": {message}" if message else "")
                + f"\n  x  {x.spec}\n  expected  {wanted}{letters}"
            )  # fmt: skip


@retells
def assert_rank(x: Any, rank: Any, message: str | None = None, name: Name = None) -> None:
    """ArgumentError unless the tensor has so many dimensions."""
    x = as_tensor(x)
    if x.ndim != int(rank):
        raise ArgumentError(
            "assert_rank: this does not hold" + (f": {message}" if message else "")
            + f"\n  x  {x.spec}\n  expected {int(rank)} dimensions, got {x.ndim}"
        )  # fmt: skip


@retells
def assert_type(tensor: Any, tf_type: Any, message: str | None = None, name: Name = None) -> None:
    """KindError unless the tensor has this dtype."""
    x = as_tensor(tensor)
    if x.dtype != as_dtype(tf_type):
        raise KindError(
            "assert_type: this does not hold" + (f": {message}" if message else "")
            + f"\n  tensor  {x.spec}\n  expected {as_dtype(tf_type).name}"
        )  # fmt: skip


@retells
def assert_integer(x: Any, message: str | None = None, name: Name = None) -> None:
    """KindError unless the tensor is of whole numbers."""
    x = as_tensor(x)
    if not x.dtype.is_integer:
        raise KindError(
            "assert_integer: this does not hold" + (f": {message}" if message else "")
            + f"\n  x  {x.spec}\n  expected whole numbers"
        )  # fmt: skip


@retells
def assert_scalar(tensor: Any, message: str | None = None, name: Name = None) -> Any:
    """The tensor itself; ArgumentError unless it is one number."""
    assert_rank(tensor, 0, message)
    return as_tensor(tensor)
