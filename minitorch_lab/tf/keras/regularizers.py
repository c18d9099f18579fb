"""Regularisers: what is added to the loss so that weights, or what a layer gives, stay small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import ArgumentError
from ...tensor import Tensor
from .variable import convert
from .words import found


class Regularizer:
    """Called with a weight it gives a number for the loss. A subclass writes ``__call__``."""

    def __call__(self, x: Any) -> Any:
        """The number."""
        raise NotImplementedError(f"{type(self).__name__}: define def __call__(self, x):")

    def get_config(self) -> dict[str, Any]:
        """The arguments with which it can be made again."""
        return {name: float(value) for name, value in vars(self).items()}


def _strength(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ArgumentError(f"{name}: expected a number of 0 or more, got {value!r}")
    return float(value)


class L1(Regularizer):
    r""":math:`\lambda_1 \sum |w|`.

    >>> L1(0.5)([1.0, -3.0])
    tensor(2.)
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _strength("l1", l1)

    def __call__(self, x: Any) -> Tensor:
        """The number."""
        return self.l1 * convert(x).abs().sum()


class L2(Regularizer):
    r""":math:`\lambda_2 \sum w^2`.

    >>> L2(0.5)([1.0, -3.0])
    tensor(5.)
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _strength("l2", l2)

    def __call__(self, x: Any) -> Tensor:
        """The number."""
        return self.l2 * (convert(x) ** 2).sum()


class L1L2(Regularizer):
    r"""Both: :math:`\lambda_1 \sum |w| + \lambda_2 \sum w^2`."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = _strength("l1", l1), _strength("l2", l2)

    def __call__(self, x: Any) -> Tensor:
        """The number."""
        x = convert(x)
        return self.l1 * x.abs().sum() + self.l2 * (x**2).sum()


l1, l2, l1_l2 = L1, L2, L1L2
NAMES: dict[str, Callable[..., Any]] = {
    "l1": L1, "l2": L2, "L1": L1, "L2": L2, "l1l2": L1L2, "L1L2": L1L2,
}  # fmt: skip


def get(identifier: Any) -> Callable[[Any], Any] | None:
    """The regulariser of a name, or the object or function itself; None stays None."""
    if identifier is None:
        return None
    made = found("regularizer", identifier, NAMES)
    return made() if isinstance(made, type) else made
