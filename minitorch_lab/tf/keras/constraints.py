"""Constraints: what is done to a weight after each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...tensor import Tensor
from .variable import convert
from .words import found

EPSILON = 1e-7


class Constraint:
    """Called with a weight it gives what the weight becomes. A subclass writes ``__call__``."""

    def __call__(self, w: Any) -> Any:
        """The weight, changed."""
        raise NotImplementedError(f"{type(self).__name__}: define def __call__(self, w):")

    def get_config(self) -> dict[str, Any]:
        """The arguments with which it can be made again."""
        return dict(vars(self))


def _norm(w: Tensor, axis: Any) -> Tensor:
    return (w * w).sum(axis, keepdim=True).sqrt()


class NonNeg(Constraint):
    """No entry below 0.

    >>> NonNeg()([-1.0, 2.0])
    tensor([0., 2.])
    """

    def __call__(self, w: Any) -> Tensor:
        """The weight, changed."""
        return convert(w).clamp(0.0)


class MaxNorm(Constraint):
    """The length along ``axis`` at most ``max_value``."""

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Tensor:
        """The weight, changed."""
        w = convert(w)
        norm = _norm(w, self.axis)
        return w * (norm.clamp(0, self.max_value) / (norm + EPSILON))


class UnitNorm(Constraint):
    """The length along ``axis`` 1."""

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        """The weight, changed."""
        w = convert(w)
        return w / (_norm(w, self.axis) + EPSILON)


class MinMaxNorm(Constraint):
    """The length along ``axis`` between two bounds; ``rate`` says how much of the way at a step."""

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0
    ) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Tensor:
        """The weight, changed."""
        w = convert(w)
        norm = _norm(w, self.axis)
        wanted = self.rate * norm.clamp(self.min_value, self.max_value) + (1 - self.rate) * norm
        return w * (wanted / (norm + EPSILON))


max_norm, unit_norm, min_max_norm, non_neg = MaxNorm, UnitNorm, MinMaxNorm, NonNeg
NAMES: dict[str, Callable[..., Any]] = {
    "max_norm": MaxNorm, "MaxNorm": MaxNorm, "unit_norm": UnitNorm, "UnitNorm": UnitNorm,
    "min_max_norm": MinMaxNorm, "MinMaxNorm": MinMaxNorm, "non_neg": NonNeg, "NonNeg": NonNeg,
}  # fmt: skip


def get(identifier: Any) -> Callable[[Any], Any] | None:
    """The constraint of a name, or the object or function itself; None stays None."""
    if identifier is None:
        return None
    made = found("constraint", identifier, NAMES)
    return made() if isinstance(made, type) else made
