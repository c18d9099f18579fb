"""The categorical distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .. import creation, dtypes
from ..errors import ArgumentError, describe
from ..nn.functional import softmax
from ..ops import elementwise as e
from ..ops import reduce
from ..ops.indexing import gather
from ..ops.movement import broadcast_tensors, narrow, reshape, squeeze, transpose, unsqueeze
from ..tensor import Size, Tensor
from . import constraints
from .constraints import Constraint
from .distribution import Distribution, inside, one_of


class Categorical(Distribution):
    r"""One of the numbers 0 to K - 1, number k with probability :math:`p_k`.

    Shapes: ``probs`` ``(..., K)``, which are divided by their sum, or ``logits`` ``(..., K)``,
    :math:`p = \operatorname{softmax}(z)`; draws ``(...)``, int64.

    >>> from minitorch_lab.tensor import tensor
    >>> Categorical(tensor([1.0, 3.0])).probs
    tensor([0.2500, 0.7500])
    """

    has_enumerate_support = True
    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "probs": constraints.weights,
        "logits": constraints.scores,
    }

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        name, value = one_of("Categorical(probs, logits)", probs, logits)
        if not isinstance(value, Tensor) or not value.ndim:
            raise ArgumentError(
                f"Categorical(probs, logits): {name} is {describe(value)}\n"
                "  expected a tensor (..., K), one entry for each class"
            )
        super().__init__({name: value}, value.shape[:-1], (), validate_args)
        if name == "probs":
            value = value / reduce.sum(value, -1, keepdim=True)
        else:
            value = value - reduce.logsumexp(value, -1, keepdim=True)
        self._given = {name: value}

    @property
    def _classes(self) -> int:
        return next(iter(self._given.values())).shape[-1]

    @property
    def probs(self) -> Tensor:
        """The probabilities ``(..., K)``; they add up to 1."""
        found: Any = self._given.get("probs")
        return softmax(self._given["logits"], -1) if found is None else found

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        found: Any = self._given.get("logits")
        return e.log(inside(self._given["probs"])) if found is None else found

    @property
    def param_shape(self) -> Size:
        """The shape of the argument: ``(..., K)``."""
        return next(iter(self._given.values())).shape

    @property
    def support(self) -> Constraint:
        """The numbers of the classes."""
        return constraints.integer_interval(0, self._classes - 1)

    @property
    def mean(self) -> Tensor:
        """NaN: classes have no mean."""
        like = next(iter(self._given.values()))
        return creation.full(
            tuple(self._batch_shape), math.nan, dtype=like.dtype, device=like.device
        )

    variance = mean

    @property
    def mode(self) -> Tensor:
        """The likeliest class."""
        out: Tensor = reduce.argmax(self.probs, -1)
        return out

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A draw, through which no gradient flows."""
        shape = self._shape(sample_shape)
        rows = reshape(self.probs, (-1, self._classes))
        drawn = creation.multinomial(rows, math.prod(sample_shape), replacement=True)
        out: Tensor = reshape(transpose(drawn, 0, 1), shape)
        return out

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of class ``value``."""
        self._check("log_prob", value)
        value, logits = broadcast_tensors(unsqueeze(value.to(dtype=dtypes.int64), -1), self.logits)
        picked = gather(logits, -1, narrow(value, -1, 0, 1))
        out: Tensor = squeeze(picked, -1)
        return out

    def entropy(self) -> Tensor:
        """How uncertain a draw is, in nats."""
        least = float(np.finfo(self.logits.dtype.np).min)  # so that 0 times -inf is 0
        out: Tensor = -reduce.sum(e.clamp(self.logits, min=least) * self.probs, -1)
        return out

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 to K - 1, along a new first dimension."""
        found: Tensor = self._enumerated(self._classes, dtypes.int64, expand)
        return found
