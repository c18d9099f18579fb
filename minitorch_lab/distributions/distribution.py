"""What all distributions share: shapes, checks of arguments and of values."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np

from .. import creation, dtypes
from ..device import to_host
from ..errors import ArgumentError, KindError, describe
from ..nn.functional.sparse import NotSupported
from ..op import current
from ..ops import elementwise as e
from ..ops.movement import broadcast_tensors
from ..tensor import Size, Tensor, no_grad
from .constraints import Constraint

D = TypeVar("D", bound="Distribution")


class Distribution:
    """A distribution, or many at once: ``batch_shape`` says how many, each with its arguments.

    A draw has shape ``(*sample_shape, *batch_shape, *event_shape)``. With ``validate_args``, the
    default, arguments and values that make no sense are refused; graph mode, which knows no
    values while it traces, checks nothing.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args: bool = True

    # What each argument must be; a subclass says it.
    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Set whether distributions check arguments and values where they are not told."""
        if value not in (True, False):
            raise ArgumentError(
                f"set_default_validate_args: expected True or False, got {describe(value)}"
            )
        Distribution._validate_args = bool(value)

    def __init__(
        self,
        given: dict[str, Tensor],
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._given = given  # the arguments, by name
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = bool(validate_args)
        if self._validate_args:
            for name, constraint in self._constraints().items():
                self._need(f"{type(self).__name__}({', '.join(given)})", name, given, constraint)

    def _constraints(self) -> dict[str, Constraint]:
        return {name: self.arg_constraints[name] for name in self._given}

    def _need(self, call: str, name: str, given: dict[str, Tensor], constraint: Constraint) -> None:
        """ArgumentError that shows the first entry which does not meet the constraint."""
        if current().tracing:
            return
        with no_grad():
            wrong = to_host(e.logical_not(constraint.check(given[name])).array)
        if not wrong.any():
            return
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        value = given[name].expand(*wrong.shape) if given[name].ndim < wrong.ndim else given[name]
        entry = np.asarray(to_host(value.array)[index])
        width = max(map(len, given))
        lines = [f"  {n:<{width}}  {x.spec}" for n, x in given.items()]
        shown = np.array2string(entry, precision=4, separator=", ", threshold=8)
        at = f" at {list(index)}" if index else ""
        raise ArgumentError(
            f"{call}: {name} is out of range\n" + "\n".join(lines) + "\n"
            f"  expected {constraint.words}, got {shown}{at}"
        )

    # Shapes --------------------------------------------------------------------------------

    @property
    def batch_shape(self) -> Size:
        """How many distributions this is."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one draw from one of them."""
        return self._event_shape

    def _shape(self, sample_shape: Any) -> Size:
        if not isinstance(sample_shape, (tuple, list)):
            raise KindError(
                f"{type(self).__name__}: sample_shape is {describe(sample_shape)}\n"
                "  expected a tuple of sizes\n  write (3,) for three draws"
            )
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def expand(self: D, batch_shape: Sequence[int]) -> D:
        """As many distributions as ``batch_shape`` says, from fewer, as by ``Tensor.expand``."""
        twin = copy.copy(self)
        own = len(self._batch_shape)
        twin._given = {
            name: x.expand((*batch_shape, *x.shape[own:])) for name, x in self._given.items()
        }
        twin._batch_shape = Size(batch_shape)
        return twin

    # What a subclass has -------------------------------------------------------------------

    def _missing(self, what: str) -> NotSupported:
        return NotSupported(f"{type(self).__name__} has no {what}, as in PyTorch")

    @property
    def support(self) -> Constraint:
        """What a value may be."""
        raise self._missing("support")

    @property
    def mean(self) -> Tensor:
        """The mean."""
        raise self._missing("mean")

    @property
    def mode(self) -> Tensor:
        """The likeliest value."""
        raise self._missing("mode")

    @property
    def variance(self) -> Tensor:
        """The mean square distance from the mean."""
        raise self._missing("variance")

    @property
    def stddev(self) -> Tensor:
        """The root of the variance."""
        return e.sqrt(self.variance)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A draw, through which no gradient flows."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A draw through which the gradient flows to the arguments."""
        raise self._missing("rsample")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at ``value``."""
        raise self._missing("log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a draw up to ``value``."""
        raise self._missing("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The number up to which a draw comes with probability ``value``."""
        raise self._missing("icdf")

    def entropy(self) -> Tensor:
        """How uncertain a draw is, in nats."""
        raise self._missing("entropy")

    def perplexity(self) -> Tensor:
        """The number of equally likely values that would be as uncertain: exp of the entropy."""
        return e.exp(self.entropy())

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values, along a new first dimension; of size 1 in the others unless ``expand``."""
        raise self._missing("enumerate_support")

    def _enumerated(self, count: int, dtype: Any, expand: bool) -> Any:
        device = next(iter(self._given.values())).device
        values = creation.arange(count, dtype=dtype, device=device)
        values = values.reshape(count, *[1] * len(self._batch_shape))
        return values.expand(count, *self._batch_shape) if expand else values

    # Values --------------------------------------------------------------------------------

    def _check(self, method: str, value: Any) -> None:
        """Whether ``value`` fits in shape and lies in the support."""
        if not self._validate_args:
            return
        call = f"{type(self).__name__}.{method}(value)"
        if not isinstance(value, Tensor):
            raise ArgumentError(f"{call}: expected a tensor, got {describe(value)}")
        own = (*self._batch_shape, *self._event_shape)
        for a, b in zip(reversed(value.shape), reversed(own), strict=False):
            if a != b and a != 1 and b != 1:
                raise ArgumentError(
                    f"{call}: the value does not fit the distribution\n  value  {value.spec}\n"
                    f"  expected a shape that broadcasts with {own}, the batch_shape"
                )
        self._need(call, "value", {"value": value}, self.support)

    def __repr__(self) -> str:
        shown = [
            f"{name}: {x.item() if x.numel() == 1 and not current().tracing else x.shape}"
            for name, x in self._given.items()
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def broadcast_all(call: str, **given: Any) -> dict[str, Tensor]:
    """Arguments, tensors or numbers, as tensors of one shape; numbers take the tensors' dtype."""
    for name, x in given.items():
        if not isinstance(x, (Tensor, int, float)):
            raise ArgumentError(f"{call}: {name} is {describe(x)}\n  expected a tensor or a number")
    first = next((x for x in given.values() if isinstance(x, Tensor)), None)
    dtype = dtypes.get_default_dtype() if first is None else first.dtype
    device = None if first is None else first.device
    tensors = [
        x if isinstance(x, Tensor) else creation.full((), x, dtype=dtype, device=device)
        for x in given.values()
    ]
    # What has the shape already stays the learner's own tensor, a leaf: then the distribution
    # may be used for many backward passes, as in PyTorch.
    shape = broadcast_tensors(*tensors)[0].shape
    return {
        name: x if x.shape == shape else x.expand(shape)
        for name, x in zip(given, tensors, strict=True)
    }


def one_of(call: str, probs: Any, logits: Any) -> tuple[str, Any]:
    """The name and the value of the one argument that was given."""
    if (probs is None) == (logits is None):
        raise ArgumentError(
            f"{call}: {'neither' if probs is None else 'both'} of probs and logits given\n"
            "  expected one of them"
        )
    return ("probs", probs) if logits is None else ("logits", logits)


def inside(probs: Any) -> Any:
    """Probabilities kept off 0 and 1 by the least that their dtype tells apart."""
    least = float(np.finfo(probs.dtype.np).eps)
    return e.clamp(probs, least, 1 - least)
