"""Random numbers: the generator of the rest of this library."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import creation, random
from ..errors import ArgumentError
from ..ops import FUNCTIONS
from ..random import Generator as Engine
from ..tensor import Tensor as Plain
from . import dtypes
from .arrays import gather, sizes
from .dtypes import as_dtype
from .errors import retells
from .tensor import as_tensor, styled

Name = str | None
_OWN: dict[int, Engine] = {}  # the generators of ops that have a seed of their own
_LOW = 0.5 * (1 + math.erf(-math.sqrt(2)))  # how many normal numbers lie below -2


def set_seed(seed: int) -> None:
    """Start the random numbers anew, so that a program gives the same results each time.

    The numbers are those of ``lab.manual_seed``, not TensorFlow's.
    """
    _OWN.clear()
    random.manual_seed(seed)


def _source(seed: Any) -> Any:
    """The generator of an op: the common one, or its own where it has a seed."""
    if seed is None:
        return None
    if isinstance(seed, Engine):
        return seed
    if seed not in _OWN:
        _OWN[seed] = Engine()
        _OWN[seed].manual_seed(int(seed))
    return _OWN[seed]


@retells
def normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32, seed: Any = None,
    name: Name = None,
) -> Any:  # fmt: skip
    """Normal numbers.

    >>> normal([2, 3]).shape
    TensorShape([2, 3])
    """
    kind = as_dtype(dtype)
    drawn = creation.randn(sizes(shape), generator=_source(seed), dtype=kind)
    return styled(_scaled(drawn, stddev, mean, kind))


def _scaled(drawn: Any, factor: Any, start: Any, kind: Any) -> Any:
    for value, op, nothing in ((factor, "mul", 1), (start, "add", 0)):
        if isinstance(value, Plain) or value != nothing:
            number = isinstance(value, int | float)
            drawn = FUNCTIONS[op](drawn, value if number else as_tensor(value, like=kind))
    return drawn


@retells
def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32, seed: Any = None,
    name: Name = None,
) -> Any:  # fmt: skip
    """Normal numbers no farther than two standard deviations from the mean."""
    kind = as_dtype(dtype)
    u = creation.rand(sizes(shape), generator=_source(seed), dtype=kind)
    inside = FUNCTIONS["erfinv"]((u * (1 - 2 * _LOW) + _LOW) * 2 - 1) * math.sqrt(2)
    return styled(_scaled(inside, stddev, mean, kind))


@retells
def uniform(
    shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = dtypes.float32, seed: Any = None,
    name: Name = None,
) -> Any:  # fmt: skip
    """Numbers from ``minval`` to below ``maxval``, which is 1 for floats."""
    kind = as_dtype(dtype)
    if not kind.is_floating_point:
        if maxval is None:
            raise ArgumentError(
                f"uniform(maxval): there is none for {kind.name}\n"
                "  expected the end of the range, such as maxval=10"
            )
        low, high = int(minval), int(maxval)
        return styled(
            creation.randint(low, high, sizes(shape), generator=_source(seed), dtype=kind)
        )
    drawn = creation.rand(sizes(shape), generator=_source(seed), dtype=kind)
    high = 1 if maxval is None else maxval
    return styled(_scaled(drawn, high - minval, minval, kind))


@retells
def shuffle(value: Any, seed: Any = None, name: Name = None) -> Any:
    """The parts along dimension 0 in random order."""
    x = as_tensor(value)
    return gather(x, creation.randperm(x.shape[0], generator=_source(seed)))


@retells
def categorical(
    logits: Any, num_samples: int, dtype: Any = None, seed: Any = None, name: Name = None
) -> Any:
    """Class numbers drawn with the chances that softmax makes of each row of ``logits``."""
    chances = FUNCTIONS["softmax"](as_tensor(logits), -1)
    drawn = creation.multinomial(chances, num_samples, True, generator=_source(seed))
    return styled(drawn.to(dtype=as_dtype(dtype or dtypes.int64)))


def _stateless(seed: Any) -> Engine:
    engine = Engine()
    numbers = np.asarray(as_tensor(seed).numpy(), np.int64).ravel()
    engine.manual_seed(int(np.random.SeedSequence([abs(int(n)) for n in numbers])
                           .generate_state(1)[0]))  # fmt: skip
    return engine


@retells
def stateless_normal(
    shape: Any, seed: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32,
    name: Name = None,
) -> Any:  # fmt: skip
    """Normal numbers that the seed, a pair of numbers, says alone."""
    return normal(shape, mean, stddev, dtype, _stateless(seed))


@retells
def stateless_uniform(
    shape: Any, seed: Any, minval: Any = 0, maxval: Any = None, dtype: Any = dtypes.float32,
    name: Name = None,
) -> Any:  # fmt: skip
    """Uniform numbers that the seed, a pair of numbers, says alone."""
    return uniform(shape, minval, maxval, dtype, _stateless(seed))


class Generator:
    """A source of random numbers of its own: ``tf.random.Generator.from_seed(1).normal([3])``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def from_seed(cls, seed: int, alg: Any = None) -> Generator:
        """One that begins at ``seed``."""
        engine = Engine()
        engine.manual_seed(int(seed))
        return cls(engine)

    @classmethod
    def from_non_deterministic_state(cls, alg: Any = None) -> Generator:
        """One that begins anywhere."""
        engine = Engine()
        engine.seed()
        return cls(engine)

    def normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32
    ) -> Any:
        """Normal numbers."""
        return normal(shape, mean, stddev, dtype, self._engine)

    def truncated_normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32
    ) -> Any:
        """Normal numbers no farther than two standard deviations from the mean."""
        return truncated_normal(shape, mean, stddev, dtype, self._engine)

    def uniform(
        self, shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = dtypes.float32
    ) -> Any:
        """Uniform numbers."""
        return uniform(shape, minval, maxval, dtype, self._engine)


__all__ = [
    "Generator", "categorical", "normal", "set_seed", "shuffle", "stateless_normal",
    "stateless_uniform", "truncated_normal", "uniform",
]  # fmt: skip
