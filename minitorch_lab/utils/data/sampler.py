"""Samplers: in which order the samples of a dataset are read."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from ...errors import ArgumentError, KindError, ShapeError, describe
from ...random import Generator, default_generator
from .dataset import size_of

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """An order of samples; a subclass gives ``__iter__``, and ``__len__`` where it is known."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"{type(self).__name__} has no order yet\n"
            f"  expected a method __iter__(self) that yields indices"
        )


class SequentialSampler(Sampler[int]):
    """Every index in order.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        size_of(data_source, "SequentialSampler(data_source)")
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Every index once in random order, or indices drawn with replacement.

    Without a generator each pass takes its seed from the default generator, as in PyTorch.

    >>> list(RandomSampler("abcd", generator=Generator().manual_seed(42)))
    [2, 3, 0, 1]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        call = "RandomSampler(data_source)"
        size = size_of(data_source, call)
        if not isinstance(replacement, bool):
            raise KindError(f"{call}: got replacement = {describe(replacement)}\n  expected a bool")
        if num_samples is not None:
            num_samples = positive(call, "num_samples", num_samples)
        if size == 0:
            raise ArgumentError(f"{call}: there is nothing to draw from, the dataset is empty")
        self.data_source = data_source
        self.replacement = replacement
        self.generator = checked(call, generator)
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        """How many indices one pass gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        size = len(self.data_source)
        source = self.generator
        if source is None:
            source = Generator().manual_seed(default_generator.random_int64())
        rounds, rest = divmod(self.num_samples, 32 if self.replacement else size)
        if self.replacement:
            for _ in range(rounds):
                yield from source.randint(0, size, (32,)).tolist()
            yield from source.randint(0, size, (rest,)).tolist()
        else:
            for _ in range(rounds):
                yield from source.permutation(size)
            # PyTorch shuffles once more also for a rest of 0: a generator that was given shows it
            if rest or self.generator is not None:
                yield from source.permutation(size)[:rest]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order.

    >>> sorted(SubsetRandomSampler([5, 9, 7]))
    [5, 7, 9]
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = checked("SubsetRandomSampler(indices)", generator)

    def __iter__(self) -> Iterator[int]:
        source = default_generator if self.generator is None else self.generator
        for place in source.permutation(len(self.indices)):
            yield self.indices[place]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Indices drawn with probabilities in proportion to ``weights``, one weight a sample.

    >>> list(WeightedRandomSampler([0.0, 1.0], 3))
    [1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        call = "WeightedRandomSampler(weights, num_samples)"
        if not isinstance(replacement, bool):
            raise KindError(f"{call}: got replacement = {describe(replacement)}\n  expected a bool")
        array = getattr(weights, "array", weights)  # a tensor holds one
        self.weights = np.array(array.tolist() if hasattr(array, "tolist") else array, np.float64)
        if self.weights.ndim != 1:
            raise ShapeError(f"{call}: got weights of shape {self.weights.shape}\n  expected (N,)")
        self.num_samples = positive(call, "num_samples", num_samples)
        self.replacement = replacement
        self.generator = checked(call, generator)

    def __iter__(self) -> Iterator[int]:
        source = default_generator if self.generator is None else self.generator
        yield from source.multinomial(self.weights, self.num_samples, self.replacement).tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` indices of another sampler; the last may be shorter, or is dropped.

    >>> list(BatchSampler(SequentialSampler("abcde"), 2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        call = "BatchSampler(sampler, batch_size, drop_last)"
        if not isinstance(drop_last, bool):
            raise KindError(f"{call}: got drop_last = {describe(drop_last)}\n  expected a bool")
        self.sampler = sampler
        self.batch_size = positive(call, "batch_size", batch_size)
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        count, rest = divmod(size_of(self.sampler, "len(BatchSampler)"), self.batch_size)
        return count if self.drop_last or not rest else count + 1


class _NoCount(KindError, ValueError):
    """Something else than an int, where PyTorch raises ValueError."""


def positive(call: str, name: str, value: Any) -> int:
    """``value`` as an int of at least 1."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise _NoCount(f"{call}: got {name} = {describe(value)}\n  expected an int of 1 or more")
    if number < 1:
        raise ArgumentError(f"{call}: got {name} = {number}\n  expected an int of 1 or more")
    return number


def checked(call: str, generator: Any) -> Generator | None:
    """``generator`` if it is one, or None."""
    if generator is not None and not isinstance(generator, Generator):
        raise KindError(
            f"{call}: got generator = {describe(generator)}\n"
            f"  expected lab.Generator().manual_seed(42)"
        )
    return generator
