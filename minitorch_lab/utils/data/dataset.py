"""Datasets: samples that can be asked for by index, or read one after another."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

from ...errors import ArgumentError, IndexingError, KindError, ShapeError, describe
from ...random import Generator, default_generator
from ...tensor import Tensor, make

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class _RowsDiffer(ShapeError, AssertionError):
    """Tensors of different lengths; PyTorch asserts that they are alike."""


class _NoDatasets(ArgumentError, AssertionError):
    """No dataset at all."""


class Dataset(Generic[T_co]):
    """Samples that can be asked for by index; a subclass gives ``__getitem__`` and ``__len__``.

    A subclass may also give ``__getitems__(indices)``, a list of samples at once.

    >>> class Squares(Dataset[int]):
    ...     def __getitem__(self, index: int) -> int:
    ...         return index * index
    ...     def __len__(self) -> int:
    ...         return 4
    >>> Squares()[3], len(Squares() + Squares())
    (9, 8)
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(
            f"{type(self).__name__} has no samples yet\n"
            f"  expected a method __getitem__(self, index) that returns one sample"
        )

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """Samples that come one after another, as from a stream; a subclass gives ``__iter__``.

    >>> class Countdown(IterableDataset[int]):
    ...     def __iter__(self) -> Iterator[int]:
    ...         return iter([3, 2, 1])
    >>> list(Countdown() + Countdown())
    [3, 2, 1, 3, 2, 1]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"{type(self).__name__} has no samples yet\n"
            f"  expected a method __iter__(self) that yields samples"
        )

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors side by side: sample ``i`` is the tuple of their rows ``i``.

    Shapes: ``(N, ...)`` with the same N for all.
    Raises KindError for what is no tensor, ShapeError where N differs.

    >>> from minitorch_lab.tensor import tensor
    >>> data = TensorDataset(tensor([[1.0], [2.0]]), tensor([0, 1]))
    >>> len(data), data[1]
    (2, (tensor([2.]), tensor(1)))
    """

    def __init__(self, *tensors: Tensor) -> None:
        call = "TensorDataset(*tensors)"
        if not tensors:
            raise ArgumentError(f"{call}: got no tensor\n  expected one or more")
        for place, item in enumerate(tensors):
            if not isinstance(item, Tensor):
                raise KindError(
                    f"{call}: tensor {place} is none\n  got {describe(item)}\n"
                    f"  expected a tensor: use lab.tensor(x)"
                )
        if any(item.ndim == 0 for item in tensors):
            raise ShapeError(f"{call}: a 0-d tensor has no rows\n{_listed(tensors)}")
        if len({item.shape[0] for item in tensors}) > 1:
            raise _RowsDiffer(
                f"{call}: the tensors have different numbers of rows\n{_listed(tensors)}\n"
                f"  expected the same shape[0] in all"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        try:
            return tuple(item[index] for item in self.tensors)
        except IndexError:
            raise self._no_such_row(index) from None

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def rows(self, indices: Sequence[int]) -> list[Tensor]:
        """The batch of these samples, one tensor ``(len(indices), ...)`` for each tensor.

        The same as ``default_collate([self[i] for i in indices])``, in one copy.
        """
        where = np.array(indices, dtype=np.int64)
        try:
            return [
                make(item.array.take(where, axis=0))
                if type(item.array) is np.ndarray and not item.requires_grad
                else item[where]
                for item in self.tensors
            ]
        except IndexError:
            size = len(self)
            wrong = next((i for i in indices if not -size <= i < size), indices)
            raise self._no_such_row(wrong) from None

    def _no_such_row(self, index: Any) -> IndexingError:
        size = len(self)
        return IndexingError(
            f"TensorDataset: there is no sample {index}\n"
            f"  samples  {size}\n  expected an index from 0 to {size - 1}"
        )


def _listed(tensors: Sequence[Tensor]) -> str:
    return "\n".join(
        f"  tensor {place}  {item.dtype.name} {tuple(item.shape)}"
        for place, item in enumerate(tensors)
    )


class Subset(Dataset[T_co]):
    """Some samples of a dataset, by their indices.

    >>> part = Subset(range(100, 200), [3, 5])
    >>> len(part), part[1]
    (2, 105)
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.inner(i) for i in index]]
        return self.dataset[self.inner(index)]

    def __len__(self) -> int:
        return len(self.indices)

    def inner(self, index: int) -> int:
        """The index in the dataset of sample ``index`` of this subset."""
        try:
            return self.indices[index]
        except IndexError:
            size = len(self)
            raise IndexingError(
                f"Subset: there is no sample {index}\n"
                f"  samples  {size}\n  expected an index from 0 to {size - 1}"
            ) from None


class ConcatDataset(Dataset[T_co]):
    """Datasets one after another, as one.

    >>> both = ConcatDataset([range(3), range(10, 12)])
    >>> len(both), both[2], both[3], both[-1]
    (5, 2, 10, 11)
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise _NoDatasets("ConcatDataset(datasets): got none\n  expected one or more")
        for place, dataset in enumerate(self.datasets):
            if isinstance(dataset, IterableDataset):
                raise KindError(
                    f"ConcatDataset(datasets): dataset {place} is an IterableDataset, which has "
                    f"no indices\n  expected datasets with __getitem__; for streams use "
                    f"ChainDataset"
                )
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        size = len(self)
        if not -size <= index < size:
            raise IndexingError(
                f"ConcatDataset: there is no sample {index}\n"
                f"  samples  {size}\n  expected an index from 0 to {size - 1}"
            )
        index %= size
        which = bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]


class ChainDataset(IterableDataset[T_co]):
    """Streams one after another, as one.

    >>> len(list(ChainDataset([])))
    0
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        for place, dataset in enumerate(self.datasets):
            if not isinstance(dataset, IterableDataset):
                raise KindError(
                    f"ChainDataset(datasets): dataset {place} is {describe(dataset)}\n"
                    f"  expected an IterableDataset; for others use ConcatDataset"
                )

    def __iter__(self) -> Iterator[T_co]:
        for dataset in self.datasets:
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)


def random_split(
    dataset: Any,
    lengths: Sequence[int | float],
    generator: Generator | None = default_generator,
) -> list[Subset[Any]]:
    """Cut a dataset at random into parts of these lengths, or of these fractions.

    Fractions that add up to 1 are rounded down; what remains goes to the first parts, one each.
    The parts are those of PyTorch for the same seed.

    >>> train, test = random_split(range(10), [0.8, 0.2], Generator().manual_seed(42))
    >>> list(test.indices)
    [3, 7]
    """
    size = len(dataset)
    sizes = _part_sizes(size, list(lengths))
    source = default_generator if generator is None else generator
    order = source.permutation(size)
    ends = accumulate(sizes)
    return [Subset(dataset, order[end - n : end]) for end, n in zip(ends, sizes, strict=True)]


def _part_sizes(size: int, lengths: list[int | float]) -> list[int]:
    call = "random_split(dataset, lengths)"
    total = sum(lengths)
    whole = all(isinstance(part, int | np.integer) for part in lengths)
    if any(part < 0 for part in lengths):
        raise ArgumentError(f"{call}: got a negative length\n  lengths  {lengths}")
    if math.isclose(total, 1) and not (whole and size == 1):
        sizes = [math.floor(size * fraction) for fraction in lengths]
        for place in range(size - sum(sizes)):
            sizes[place % len(sizes)] += 1
        for place, part in enumerate(sizes):
            if part == 0:
                warnings.warn(
                    f"random_split: part {place} of {size} samples is empty", stacklevel=3
                )
        return sizes
    if not whole:
        raise ArgumentError(
            f"{call}: the fractions do not add up to 1\n  lengths  {lengths}, together {total}\n"
            f"  expected fractions that add up to 1, or ints that add up to {size}"
        )
    if total != size:
        raise ArgumentError(
            f"{call}: the lengths do not add up to the dataset\n"
            f"  lengths  {lengths}, together {total}\n  dataset  {size} samples"
        )
    return [int(part) for part in lengths]


def size_of(dataset: Any, call: str) -> int:
    """``len(dataset)``, or a KindError that says what a dataset is."""
    if isinstance(dataset, type):
        raise KindError(
            f"{call}: the dataset is the class {dataset.__name__}\n"
            f"  expected an instance: {dataset.__name__}(...)"
        )
    if not isinstance(dataset, Sized):
        raise KindError(
            f"{call}: the dataset has no length\n  got {describe(dataset)}\n"
            f"  expected a dataset with __len__ and __getitem__, such as TensorDataset(x, y)"
        )
    return len(dataset)
