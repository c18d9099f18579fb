"""The normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import creation
from ..ops import elementwise as e
from ..ops.elementwise import erf
from ..ops.special import erfinv
from ..tensor import Tensor
from . import constraints
from .constraints import Constraint
from .distribution import Distribution, broadcast_all


class Normal(Distribution):
    r"""Numbers around ``loc``, two thirds of them within ``scale``.

    :math:`p(x) = \frac{1}{\sigma \sqrt{2\pi}}\, e^{-(x - \mu)^2 / 2\sigma^2}`. Shapes: ``loc`` and
    ``scale`` broadcast.

    >>> Normal(0.0, 1.0).log_prob(creation.zeros(1))
    tensor([-0.9189])
    """

    has_rsample = True
    support = constraints.real
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
    }

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        given = broadcast_all("Normal(loc, scale)", loc=loc, scale=scale)
        super().__init__(given, given["loc"].shape, (), validate_args)

    @property
    def loc(self) -> Tensor:
        """The middle."""
        return self._given["loc"]

    @property
    def scale(self) -> Tensor:
        """The standard deviation."""
        return self._given["scale"]

    mean = mode = loc
    stddev = scale

    @property
    def variance(self) -> Tensor:
        """The square of ``scale``."""
        return self.scale**2

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A draw, through which no gradient flows."""
        shape = self._shape(sample_shape)
        return creation.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """``loc`` plus ``scale`` times a standard normal number. Kingma and Welling (2014)."""
        like = self.loc
        noise = creation.randn(self._shape(sample_shape), dtype=like.dtype, device=like.device)
        return self.loc + noise * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density at ``value``."""
        self._check("log_prob", value)
        distance = (value - self.loc) ** 2 / (2 * self.variance)
        return -distance - e.log(self.scale) - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a draw up to ``value``."""
        self._check("cdf", value)
        out: Tensor = 0.5 * (1 + erf((value - self.loc) / self.scale / math.sqrt(2)))
        return out

    def icdf(self, value: Tensor) -> Tensor:
        """The number up to which a draw comes with probability ``value``."""
        out: Tensor = self.loc + self.scale * erfinv(2 * value - 1) * math.sqrt(2)
        return out

    def entropy(self) -> Tensor:
        """How uncertain a draw is, in nats."""
        out: Tensor = e.log(self.scale) + 0.5 * math.log(2 * math.pi * math.e)
        return out
