"""Shape rules, costs and argument helpers that several ops share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import DTypeError, IndexingError, KindError, ShapeError, describe
from ..op import Cost, Mismatch, Spec

BOOL, UINT8, INT64 = np.dtype(bool), np.dtype("uint8"), np.dtype("int64")
FLOAT16, FLOAT32 = np.dtype("float16"), np.dtype("float32")


# Shapes ------------------------------------------------------------------------------------


def same_shape(x: Spec, **attrs: Any) -> Spec:
    """The result has the shape and the dtype of the input."""
    return x


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that these broadcast to, aligned from the right; Mismatch where they do not."""
    ndim = max((len(s) for s in shapes), default=0)
    out: list[int] = []
    for axis in range(-ndim, 0):
        sizes = {s[axis] for s in shapes if -axis <= len(s)} - {1}
        if len(sizes) > 1:
            got = " and ".join(str(s[axis]) for s in shapes if -axis <= len(s))
            raise Mismatch(
                "the shapes do not broadcast",
                f"expected equal sizes, or 1, in dimension {axis}, got {got}",
                _broadcast_hint(shapes, axis),
            )
        out.append(sizes.pop() if sizes else 1)
    return tuple(out)


def _broadcast_hint(shapes: Sequence[tuple[int, ...]], axis: int) -> str:
    a, b = shapes[0], shapes[-1]
    if sorted(a) == sorted(b) and a == b[::-1]:
        return "one looks transposed: try .T on it"
    if len(a) != len(b) and (len(a) == 1 or len(b) == 1):
        return "shapes are aligned from the right: reshape or unsqueeze(-1) puts a dimension there"
    return "shapes are aligned from the right; reshape one, or check where it was made"


def broadcast(*xs: Spec, **attrs: Any) -> Spec:
    """The shapes broadcast, and the result has the common dtype."""
    first = xs[0]
    if len(xs) == 1 or all(x.shape == first.shape for x in xs):
        return first
    return replace(first, shape=broadcast_shapes(*(x.shape for x in xs)))


def compare(*xs: Spec, **attrs: Any) -> Spec:
    """The shapes broadcast, and the result is bool."""
    return replace(broadcast(*xs), dtype=BOOL)


def reduced(shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool) -> tuple[int, ...]:
    """``shape`` with the dimensions in ``dim`` made 1 or removed."""
    if keepdim:
        return tuple(1 if i in dim else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in dim)


def reduce_shape(x: Spec, dim: tuple[int, ...], keepdim: bool, **attrs: Any) -> Spec:
    """Reductions over ``dim``."""
    return replace(x, shape=reduced(x.shape, dim, keepdim))


def check_cat(*xs: Spec, dim: int) -> Spec:
    """``(N, M)`` and ``(K, M)`` along dim 0 give ``(N + K, M)``."""
    first = xs[0].shape
    for i, x in enumerate(xs):
        same = len(x.shape) == len(first) and all(
            a == b for k, (a, b) in enumerate(zip(x.shape, first, strict=True)) if k != dim
        )
        if not same or not first:
            raise Mismatch(
                "the tensors do not fit together",
                f"expected sizes like {first} except in dimension {dim}, "
                f"got {x.shape} for tensors[{i}]",
            )
    total = sum(x.shape[dim] for x in xs)
    return replace(xs[0], shape=(*first[:dim], total, *first[dim + 1 :]))


# Costs -------------------------------------------------------------------------------------


def per_entry(flops: int = 1) -> Callable[..., Cost]:
    """Elementwise: ``flops`` for each entry of the result; reads the inputs, writes the result."""

    def cost(out: Spec, *inputs: Spec, **attrs: Any) -> Cost:
        return Cost(flops * out.size, out.nbytes + sum(x.nbytes for x in inputs))

    return cost


def per_input(flops: int = 1) -> Callable[..., Cost]:
    """Reductions: ``flops`` for each entry of the first input."""

    def cost(out: Spec, *inputs: Spec, **attrs: Any) -> Cost:
        return Cost(flops * inputs[0].size, out.nbytes + sum(x.nbytes for x in inputs))

    return cost


def free(out: Spec, *inputs: Spec, **attrs: Any) -> Cost:
    """Views: nothing is computed and nothing is moved."""
    return Cost(0, 0)


# Arguments ---------------------------------------------------------------------------------


def one_dim(dim: int, ndim: int, name: str = "dim") -> int:
    """A dimension as a number from 0 to ``ndim - 1``; negative ones count from the end.

    >>> one_dim(-1, 3)
    2
    """
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise KindError(f"{name}: expected an int, got {describe(dim)}")
    dim = int(dim.__index__())
    span = max(ndim, 1)  # PyTorch lets a 0-d tensor have dim 0 and -1
    if not -span <= dim < span:
        raise IndexingError(
            f"{name}={dim} is out of range for a tensor with {ndim} dimensions\n"
            f"  expected {name} from {-span} to {span - 1}"
        )
    return dim % span


def all_dims(dim: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """``dim`` of a reduction as a sorted tuple; None and () mean every dimension."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (tuple, list)):
        if not dim:
            return tuple(range(ndim))
        dims = tuple(sorted(one_dim(d, ndim) for d in dim))
        if len(set(dims)) != len(dims):
            raise ShapeError(
                f"dim={tuple(dim)} names a dimension twice\n  expected each dimension once"
            )
    else:
        dims = (one_dim(dim, ndim),)  # type: ignore[arg-type]
    return dims if ndim else ()


def shape_of_args(sizes: tuple[Any, ...], name: str = "shape") -> tuple[int, ...]:
    """A shape given as ``f(2, 3)``, ``f((2, 3))`` or ``f([2, 3])``."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    for n in sizes:
        if isinstance(n, bool) or not hasattr(n, "__index__"):
            raise KindError(f"{name}: expected ints, got {describe(n)}")
    return tuple(int(n) for n in sizes)


def pair(value: int | Sequence[int], name: str) -> tuple[int, int]:
    """An int or a pair of ints as a pair: the height and the width."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2 or any(isinstance(v, bool) or not isinstance(v, int) for v in values):
        raise KindError(f"{name}: expected an int or a pair of ints, got {describe(value)}")
    return values


def need_float(x: Spec, name: str) -> None:
    """Mismatch unless ``x`` is a floating point value."""
    if x.dtype.kind != "f":
        raise Mismatch(
            f"{name} must be floating point",
            f"expected a float dtype, got {x.dtype}",
            "convert with .float()",
            DTypeError,
        )


# Kernel texts ------------------------------------------------------------------------------


def number(value: Any) -> str:
    """A Python number in C."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NAN" if math.isnan(value) else "INFINITY" if value > 0 else "(-INFINITY)"
    return repr(value) if value >= 0 else f"({value!r})"


# Forwards ----------------------------------------------------------------------------------


def total(xp: Any, x: Any, dim: tuple[int, ...] | int, keepdim: bool = True) -> Any:
    """Sum of float entries, through the BLAS where that is several times as fast.

    NumPy adds up short rows one at a time; a matrix times ones is the same sums in one call.
    """
    ndim = x.ndim
    last, first = dim in (ndim - 1, (ndim - 1,)), ndim == 2 and dim in (0, (0,))
    n = x.shape[0 if first else -1] if ndim > 1 else 0
    if (
        (last or first)
        and xp is np
        and 8 <= n <= 4096
        and x.size >= 4096
        and x.flags.c_contiguous
        and x.dtype.itemsize >= 4
    ):
        ones = np.ones(n, x.dtype)
        if first:
            sums = ones @ x
            return sums[None] if keepdim else sums
        sums = x.reshape(-1, n) @ ones
        return sums.reshape(*x.shape[:-1], 1) if keepdim else sums.reshape(x.shape[:-1])
    if x.dtype is FLOAT16:  # the sums on the way need more digits than the result has
        return xp.add.reduce(x, axis=dim, dtype=FLOAT32, keepdims=keepdim).astype(FLOAT16)
    return xp.add.reduce(x, axis=dim, keepdims=keepdim)


def through_float32(forward: Callable[..., Any], xp: Any, *arrays: Any, **attrs: Any) -> Any:
    """What ``forward`` gives for arrays of float16: computed in float32, and rounded once.

    So does PyTorch. NumPy's own loops over float16 are slower, and a product there is no BLAS.
    """
    wide = [None if a is None else a.astype(FLOAT32) for a in arrays]
    return forward(xp, *wide, **attrs).astype(FLOAT16)


def add_at(xp: Any, target: Any, where: Any, values: Any) -> None:
    """``target[where] += values``, where an entry that is named twice gets both.

    On a GPU CuPy's own way adds in the order in which threads come, so that two runs differ; here
    floats are added in one order.
    """
    if xp is np or target.dtype.kind != "f":
        xp.add.at(target, where, values)
        return
    places = xp.arange(target.size).reshape(target.shape)[where]
    values = xp.broadcast_to(values, places.shape).astype(target.dtype).reshape(-1)
    whole = xp.ascontiguousarray(target)
    _add_sorted(xp, whole.reshape(-1), places.reshape(-1), values)
    if whole is not target:
        target[...] = whole


def _add_sorted(xp: Any, target: Any, places: Any, values: Any) -> None:
    """Add ``values`` (N, ...) to ``target[places]``: those of one place as a tree, then at once.

    After the round with step d an entry holds its sum with the 2 d - 1 behind it, as far as they
    have its place. The first of each place then has all, and each of that place writes the same.
    """
    n = int(places.shape[0])
    if not n:
        return
    order = xp.argsort(places, kind="stable")
    places, values = places[order], values[order]
    flags = (slice(None),) + (None,) * (values.ndim - 1)
    step = 1
    while step < n:
        same = (places[:-step] == places[step:])[flags]
        behind = xp.where(same, values[step:], values.dtype.type(0))
        values = xp.concatenate([values[:-step] + behind, values[-step:]])
        step *= 2
    first = xp.searchsorted(places, places)
    target[places] = target[places] + values[first]


def add_rows(xp: Any, target: Any, index: Any, rows: Any) -> None:
    """``target[index] += rows``, where a row that is named twice gets both.

    NumPy's own way adds entry by entry; here the rows of one number are put side by side and
    added up in one call.
    """
    if xp is not np and target.dtype.kind == "f":
        rows = xp.broadcast_to(rows, (*index.shape, *target.shape[1:])).astype(target.dtype)
        places = index.reshape(-1) % target.shape[0]
        _add_sorted(xp, target, places, rows.reshape(-1, *target.shape[1:]))
        return
    if xp is not np or rows.size < 4096:
        xp.add.at(target, index, rows)
        return
    numbers = index.astype(np.intp).reshape(-1) % target.shape[0]
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    rows = np.broadcast_to(rows, (*index.shape, *target.shape[1:]))
    rows = rows.reshape(-1, *target.shape[1:])[order]
    target[numbers[starts]] += np.add.reduceat(rows, starts, axis=0)
