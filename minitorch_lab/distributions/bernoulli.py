"""The Bernoulli distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import creation
from ..nn.functional import binary_cross_entropy_with_logits
from ..ops import elementwise as e
from ..ops.movement import broadcast_tensors
from ..tensor import Tensor
from . import constraints
from .constraints import Constraint
from .distribution import Distribution, broadcast_all, inside, one_of


class Bernoulli(Distribution):
    r"""1 with probability ``probs``, else 0; or from ``logits``, :math:`\ln \frac{p}{1 - p}`.

    Shapes: of the one that is given.

    >>> Bernoulli(0.25).entropy()
    tensor(0.5623)
    """

    has_enumerate_support = True
    support = constraints.boolean
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        name, value = one_of("Bernoulli(probs, logits)", probs, logits)
        given = broadcast_all("Bernoulli(probs, logits)", **{name: value})
        super().__init__(given, given[name].shape, (), validate_args)

    @property
    def probs(self) -> Tensor:
        """The probability of 1."""
        found: Any = self._given.get("probs")
        return e.sigmoid(self._given["logits"]) if found is None else found

    @property
    def logits(self) -> Tensor:
        """The logarithm of the odds of 1."""
        found: Any = self._given.get("logits")
        if found is None:
            p = inside(self._given["probs"])
            found = e.log(p) - e.log1p(-p)
        return found

    mean = probs

    @property
    def mode(self) -> Tensor:
        """The likelier of 0 and 1; NaN where both are as likely."""
        p = self.probs
        likelier = e.ge(p, 0.5).to(dtype=p.dtype)
        out: Tensor = e.masked_fill(likelier, e.eq(p, 0.5), math.nan)
        return out

    @property
    def variance(self) -> Tensor:
        """p (1 - p)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A draw, through which no gradient flows."""
        return creation.bernoulli(self.probs.expand(self._shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of ``value``."""
        self._check("log_prob", value)
        logits, value = broadcast_tensors(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """How uncertain a draw is, in nats."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1, along a new first dimension."""
        found: Tensor = self._enumerated(2, self.probs.dtype, expand)
        return found
