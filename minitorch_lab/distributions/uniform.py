"""The uniform distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import creation
from ..ops import elementwise as e
from ..tensor import Tensor
from . import constraints
from .constraints import Constraint
from .distribution import Distribution, broadcast_all


class Uniform(Distribution):
    r"""Numbers from ``low`` to below ``high``, all equally likely.

    :math:`p(x) = 1 / (b - a)` inside, 0 outside. Shapes: ``low`` and ``high`` broadcast.

    >>> Uniform(0.0, 4.0).variance
    tensor(1.3333)
    """

    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        given = broadcast_all("Uniform(low, high)", low=low, high=high)
        super().__init__(given, given["low"].shape, (), validate_args)

    def _constraints(self) -> dict[str, Constraint]:
        return {"low": constraints.less_than(self.high)}

    @property
    def low(self) -> Tensor:
        """The lower end."""
        return self._given["low"]

    @property
    def high(self) -> Tensor:
        """The upper end."""
        return self._given["high"]

    @property
    def support(self) -> Constraint:
        """From ``low`` to ``high``."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        """The middle."""
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        """NaN: no value is likelier than others."""
        return self.high * math.nan

    @property
    def variance(self) -> Tensor:
        """A twelfth of the squared width."""
        return (self.high - self.low) ** 2 / 12

    @property
    def stddev(self) -> Tensor:
        """The root of the variance."""
        return (self.high - self.low) / math.sqrt(12)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """``low`` plus the width times a number from 0 to below 1."""
        like = self.low
        share = creation.rand(self._shape(sample_shape), dtype=like.dtype, device=like.device)
        return self.low + share * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density at ``value``; minus infinity at ``high``."""
        self._check("log_prob", value)
        inside = e.logical_and(e.le(self.low, value), e.gt(self.high, value))
        out: Tensor = e.log(inside.to(dtype=self.low.dtype)) - self.entropy()
        return out

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a draw up to ``value``."""
        self._check("cdf", value)
        out: Tensor = e.clamp((value - self.low) / (self.high - self.low), 0, 1)
        return out

    def icdf(self, value: Tensor) -> Tensor:
        """The number up to which a draw comes with probability ``value``."""
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        """How uncertain a draw is, in nats: the logarithm of the width."""
        out: Tensor = e.log(self.high - self.low)
        return out
