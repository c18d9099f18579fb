"""Many samples become one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import IndexingError, KindError, LabError, ShapeError, describe
from ...ops.movement import stack
from ...tensor import Tensor, make, tensor


def default_collate(batch: Sequence[Any]) -> Any:
    """Put samples into one batch, with the batch as first dimension.

    Tensors and arrays ``(...)`` are stacked to ``(N, ...)``, numbers become a tensor ``(N,)``
    (float64, int64 or bool, as in PyTorch); strings stay a list. In a tuple, list, named tuple or
    dict each member is put together by itself.
    Raises ShapeError where samples differ in shape, KindError for other types.

    >>> default_collate([(0, {"x": True}), (1, {"x": False})])
    [tensor([0, 1]), {'x': tensor([ True, False])}]
    """
    if not batch:
        raise IndexingError("default_collate: the batch is empty\n  expected one sample or more")
    first = batch[0]
    for place, sample in enumerate(batch):
        if (sample is None) is not (first is None):
            odd = place if sample is None else 0
            raise _NoneError(
                f"default_collate: sample {odd} of the batch is None\n"
                f"  the others are like {describe(first if odd else sample)}\n"
                "  __getitem__ must return a sample on every way through it"
            )
    if isinstance(first, Tensor):
        _same_shape([sample.shape for sample in batch])
        return stack(list(batch), 0)
    if isinstance(first, np.ndarray):
        _of_numbers(first)
        _same_shape([sample.shape for sample in batch])
        return make(np.stack(batch))
    if isinstance(first, np.generic):
        _of_numbers(first)
        return make(np.array(batch))
    if isinstance(first, float):
        return make(np.array(batch, np.float64))
    if isinstance(first, int):
        return make(np.array(batch))
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        for place, sample in enumerate(batch):
            if missing := [key for key in first if key not in sample]:
                raise _KeyMissing(
                    f"default_collate: sample {place} of the batch has no {missing[0]!r}\n"
                    f"  sample 0 has  {', '.join(map(repr, first))}\n"
                    f"  sample {place} has  {', '.join(map(repr, sample))}\n"
                    "  expected the same keys in all samples"
                )
        return _like(
            first, {key: default_collate([sample[key] for sample in batch]) for key in first}
        )
    if isinstance(first, tuple) and hasattr(first, "_fields"):  # a named tuple
        return type(first)(*(default_collate(column) for column in _columns(batch)))
    if isinstance(first, Sequence):
        columns = [default_collate(column) for column in _columns(batch)]
        return columns if isinstance(first, tuple) else _like(first, columns)
    if first is None:
        raise KindError(
            "default_collate: the samples are None\n"
            "  expected a sample from each dataset[index]\n"
            "  __getitem__ seems to have no return; to leave samples out give "
            "DataLoader(..., collate_fn=...)"
        )
    raise KindError(
        f"default_collate: cannot put {describe(first)} into a batch\n"
        f"  expected tensors, arrays, numbers, strings, and tuples, lists and dicts of them\n"
        f"  for other samples give DataLoader(..., collate_fn=...), which gets the list of samples"
    )


class _NoneError(KindError, RuntimeError):
    """Some samples are None."""


class _KeyMissing(LabError, KeyError):
    """A key that a sample does not have."""

    def __str__(self) -> str:
        return str(self.args[0])


def default_convert(data: Any) -> Any:
    """The arrays in one sample as tensors: what a loader without batches does.

    >>> default_convert((np.arange(2), "a"))
    [tensor([0, 1]), 'a']
    """
    if isinstance(data, Tensor | str | bytes):
        return data
    if isinstance(data, np.ndarray | np.generic):
        return tensor(data) if data.dtype.kind in "biuf" else data
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, Sequence):
        values = [default_convert(value) for value in data]
        return values if isinstance(data, tuple) else _like(data, values)
    return data


def _like(sample: Any, values: Any) -> Any:
    """``values`` in the type of the sample, where that type can be made from them."""
    try:
        return type(sample)(values)
    except TypeError:
        return values


def _columns(batch: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The members of the samples, member by member."""
    sizes = [len(sample) for sample in batch]
    if len(set(sizes)) > 1:
        odd = next(place for place, size in enumerate(sizes) if size != sizes[0])
        raise ShapeError(
            f"default_collate: the samples have different numbers of members\n"
            f"  sample 0 of the batch  {sizes[0]}\n  sample {odd} of the batch  {sizes[odd]}"
        )
    return list(zip(*batch, strict=True))


def _same_shape(shapes: list[tuple[int, ...]]) -> None:
    if len(set(shapes)) > 1:
        odd = next(place for place, shape in enumerate(shapes) if shape != shapes[0])
        raise ShapeError(
            f"default_collate: the samples differ in shape\n"
            f"  sample 0 of the batch  {tuple(shapes[0])}\n"
            f"  sample {odd} of the batch  {tuple(shapes[odd])}\n"
            f"  expected equal shapes: cut or pad the samples, or give "
            f"DataLoader(..., collate_fn=...)"
        )


def _of_numbers(array: Any) -> None:
    if array.dtype.kind not in "biuf":
        raise KindError(
            f"default_collate: cannot put an array of dtype {array.dtype} into a batch\n"
            f"  expected numbers or bools"
        )
