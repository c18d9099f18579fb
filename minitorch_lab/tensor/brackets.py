"""Square brackets: what stands in them, as ops understand it."""

from __future__ import annotations

import warnings
from types import EllipsisType
from typing import Any

import numpy as np

from .. import dtypes
from ..device import Device, move, namespace_of
from ..errors import (
    ArgumentError,
    IndexingError,
    KindError,
    describe,
)
from ..op import (
    Mismatch,
    current,
)
from ..ops import elementwise as e
from ..ops import indexing, movement
from ..tape import (
    NUMBERS,
)
from .tensor import Tensor, make, refuse_trace, tensor


def __getitem__(self: Tensor, index: Any) -> Tensor:
    part, template, tensors = parse_index(self, index)
    if tensors:
        return indexing.take(part, *tensors, template=template)
    return movement.slice_(part, index=template)


def __setitem__(self: Tensor, index: Any, value: Any) -> None:
    if not isinstance(value, Tensor):
        value = (
            value
            if value.__class__ in NUMBERS
            else tensor(value, dtype=self.dtype, device=self.device)
        )
    if current().tracing and any(map(_is_mask, _index_parts(index))):
        _assign_where(self, _index_parts(index), value)
        return
    part, template, tensors = parse_index(self, index)
    if isinstance(value, Tensor) and value.ndim > 1 and value.shape[0] == 1:
        value = _without_ones(value, part, template, tensors)
    current().update(indexing.put, part, (part, value, *tensors), {"template": template})


Tensor.__getitem__ = __getitem__  # type: ignore[method-assign]
Tensor.__setitem__ = __setitem__  # type: ignore[method-assign]


def _index_parts(index: Any) -> tuple[Any, ...]:
    """What stands between the commas; a list of lists counts as a tuple, as in PyTorch."""
    if isinstance(index, tuple):
        return index
    if isinstance(index, list):
        inner = (list, tuple, slice, Tensor, EllipsisType, type(None))
        if any(isinstance(part, inner) for part in index):
            return tuple(index)
    return (index,)


def parse_index(x: Tensor, index: Any) -> tuple[Tensor, tuple[Any, ...], tuple[Tensor, ...]]:
    """What is indexed, the template of the index, and the tensors that stand in it."""
    parts = _index_parts(index)
    template: list[Any] = []
    tensors: list[Tensor] = []
    for i, part in enumerate(parts):
        if part is None or isinstance(part, (slice, EllipsisType)):
            template.append(_plain_slice(part))
        elif _is_bool(part):
            return parse_index(*_with_bools(x, parts))
        elif isinstance(part, (int, np.integer)):
            template.append(int(part))
        else:
            k = _index_tensor(part, x.device)
            if k.dtype == dtypes.bool_:
                refuse_trace("indexing with a bool tensor", "use where(mask, x, 0)")
                _check_mask(x, k, sum(_dims(p, parts, x.ndim) for p in parts[:i]))
                for found in namespace_of(k.array).nonzero(k.array):
                    template.append(indexing.PLACE)
                    tensors.append(make(found))
            else:
                template.append(indexing.PLACE)
                tensors.append(k)
    return x, tuple(template), tuple(tensors)


def _is_bool(part: Any) -> bool:
    """Whether a part of an index is True or False, or a 0-d tensor of one."""
    return isinstance(part, bool | np.bool_) or (_is_mask(part) and not getattr(part, "ndim", 1))


def _is_mask(part: Any) -> bool:
    """Whether a part of an index is a tensor, an array or a list of bools."""
    if isinstance(part, Tensor):
        return part.dtype in (dtypes.bool_, dtypes.uint8)
    if isinstance(part, list):
        return bool(part) and np.asarray(part).dtype.kind == "b"
    return isinstance(part, np.ndarray) and part.dtype.kind == "b"


def _dims(part: Any, parts: tuple[Any, ...], ndim: int) -> int:
    """How many dimensions a part of an index stands for."""
    if part is Ellipsis:
        return ndim - sum(_dims(p, parts, ndim) for p in parts if p is not Ellipsis)
    if part is None or _is_bool(part):
        return 0
    return (
        int(np.ndim(part) if not isinstance(part, Tensor) else part.ndim) if _is_mask(part) else 1
    )


def _with_bools(x: Tensor, parts: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
    """``x[True]`` as ``x[None][[0]]`` and ``x[False]`` as ``x[None][[]]``."""
    basic: list[Any] = []
    rest: list[Any] = []
    for part in parts:
        if part is Ellipsis:
            basic.append(part)
            rest.append(part)
        elif part is None or _is_bool(part):
            basic.append(None)
            rest.append(slice(None) if part is None else [0] if part else [])
        else:
            basic += [slice(None)] * _dims(part, parts, x.ndim)
            rest.append(part)
    return movement.slice_(x, index=tuple(basic)), tuple(rest)


def _check_mask(x: Tensor, mask: Tensor, at: int) -> None:
    expected = tuple(x.shape[at : at + mask.ndim])
    if tuple(mask.shape) != expected:
        raise IndexingError(
            f"a bool index of shape {tuple(mask.shape)} does not fit {tuple(x.shape)}\n"
            f"  expected {expected}\n"
            "  a mask has the shape of the dimensions that it picks from"
        )


def _without_ones(
    value: Tensor, part: Tensor, template: tuple[Any, ...], tensors: tuple[Tensor, ...]
) -> Tensor:
    """The value without leading sizes of 1 that the part it goes to does not have."""
    try:
        ndim = len(indexing.part_shape(part.spec, template, [k.spec for k in tensors]))
    except Mismatch:
        return value  # the assignment will say what is wrong
    while value.ndim > ndim and value.shape[0] == 1:
        value = movement.squeeze(value, 0)
    return value


def _assign_where(x: Tensor, parts: tuple[Any, ...], value: Any) -> None:
    """``x[mask] = value`` in a graph, where how many entries hold is not known."""
    picks = [i for i, p in enumerate(parts) if isinstance(p, (Tensor, list, np.ndarray))]
    if len(picks) > 1 or _is_bool(parts[picks[0]]):
        refuse_trace("assigning at a bool tensor beside other tensors", "use where(mask, v, x)")
    at = picks[0]
    mask = _index_tensor(parts[at], x.device)
    _check_mask(x, mask, sum(_dims(p, parts, x.ndim) for p in parts[:at]))
    whole = (*parts[:at], *(slice(None),) * mask.ndim, *parts[at + 1 :])
    part = x[whole] if any(p != slice(None) for p in whole) else x
    after = sum(_dims(p, parts, x.ndim) for p in parts[at + 1 :] if not isinstance(p, int))
    after += sum(p is None for p in parts[at + 1 :])
    if not any(p is Ellipsis for p in parts):
        after += x.ndim - sum(_dims(p, parts, x.ndim) for p in parts)
    if isinstance(value, Tensor) and value.ndim > after:
        shape = tuple(value.shape)
        cut = value.ndim - after
        if shape[cut - 1] != 1:
            refuse_trace(
                "assigning a value for each entry that a bool tensor picks",
                "use where(mask, values, x) with values in the shape of x",
            )
        value = movement.reshape(value, (*shape[: cut - 1], *(1,) * mask.ndim, *shape[cut:]))
    mask = movement.reshape(mask, (*mask.shape, *(1,) * after))
    current().update(e.copy, part, (part, e.where(mask, value, part)), {})


def _plain_slice(part: Any) -> Any:
    if not isinstance(part, slice):
        return part
    ends = [None if v is None else v.__index__() for v in (part.start, part.stop, part.step)]
    if ends[2] is not None and ends[2] < 1:
        raise ArgumentError(f"slice step: expected 1 or more, got {ends[2]}\n  use .flip(dim)")
    return slice(*ends)


def _index_tensor(part: Any, device: Device) -> Tensor:
    if isinstance(part, Tensor):
        if part.dtype == dtypes.uint8:
            warnings.warn(
                "an index of uint8 is a mask, and deprecated: use .bool(), or .long() for places",
                stacklevel=4,
            )
            return part.to(dtype=dtypes.bool_)
        if part.dtype.is_floating_point:
            raise IndexingError(
                f"an index tensor must be of ints or bools\n  index  {part.spec}\n"
                "  expected int64, or bool for a mask\n  convert with .long()"
            )
        return part
    if isinstance(part, str):
        raise KindError(f"an index is an int, a slice, or a tensor of ints; got {describe(part)}")
    try:
        array = np.asarray(part)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "iub" and array.size:
        raise IndexingError(
            f"an index is an int, a slice, or a tensor of ints; got {describe(part)}"
        )
    if not array.size:
        array = array.astype("int64")
    return make(move(array, device))
