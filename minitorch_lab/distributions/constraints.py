"""What the arguments and the values of a distribution must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..ops import elementwise as e
from ..ops import reduce


@dataclass(frozen=True)
class Constraint:
    """A condition in words and as a function that gives True for each entry that meets it.

    >>> from minitorch_lab.tensor import tensor
    >>> positive.check(tensor([1.0, 0.0]))
    tensor([ True, False])
    """

    words: str
    check: Callable[[Any], Any]


def interval(lower_bound: Any, upper_bound: Any) -> Constraint:
    """From one number to another, both included."""
    return Constraint(
        f"numbers from {_said(lower_bound, 'low')} to {_said(upper_bound, 'high')}",
        lambda x: e.logical_and(e.ge(x, lower_bound), e.le(x, upper_bound)),
    )


def integer_interval(lower_bound: int, upper_bound: int) -> Constraint:
    """Integers from one to another, both included; they may be of a float dtype."""
    inside = interval(lower_bound, upper_bound)
    return Constraint(
        f"integers from {lower_bound} to {upper_bound}",
        lambda x: e.logical_and(inside.check(x), e.eq(x % 1, 0)),
    )


def greater_than(lower_bound: Any) -> Constraint:
    """Above a number."""
    return Constraint(f"numbers above {_said(lower_bound, 'low')}", lambda x: e.gt(x, lower_bound))


def less_than(upper_bound: Any) -> Constraint:
    """Below a number."""
    return Constraint(f"numbers below {_said(upper_bound, 'high')}", lambda x: e.lt(x, upper_bound))


def _said(bound: Any, name: str) -> str:
    return f"{bound:g}" if isinstance(bound, (int, float)) else name


real = Constraint("numbers, not NaN", lambda x: e.eq(x, x))
positive = greater_than(0)
unit_interval = interval(0, 1)
boolean = Constraint("0 or 1", lambda x: e.logical_or(e.eq(x, 0), e.eq(x, 1)))


def _weighs(x: Any) -> Any:
    total = reduce.sum(x, -1)
    some = e.logical_and(e.gt(total, 0), e.isfinite(total))
    return e.logical_and(some, reduce.all(e.ge(x, 0), -1))


weights = Constraint("numbers of 0 or more, not all of them 0", _weighs)
scores = Constraint(
    "numbers without NaN and inf, not all of them -inf",
    lambda x: e.isfinite(reduce.logsumexp(x, -1)),
)
