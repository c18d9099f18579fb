"""Shapes, parts and new tensors: ``tf.reshape``, ``tf.concat``, ``tf.gather``, ``tf.zeros``, ..."""

from __future__ import annotations

import builtins
from typing import Any, NamedTuple

import numpy as np

from .. import creation
from ..errors import ArgumentError, DTypeError, KindError, ShapeError, describe
from ..nn import functional as nn
from ..op import OPS
from ..ops import FUNCTIONS
from ..tensor import Tensor as Plain
from ..tensor import make
from . import dtypes
from .dtypes import as_dtype
from .errors import retells
from .math import axes, cast, pair, reduce_sum, sqrt
from .tensor import Sizes, Styled, as_tensor, from_learner, here, styled

Name = str | None


def sizes(shape: Any, what: str = "shape") -> tuple[int, ...]:
    """A shape as a tuple of ints: from a list, a tuple, a number or a tensor of whole numbers.

    While a graph is traced the numbers of ``tf.shape(x)`` are known, those of other tensors not.
    """
    if isinstance(shape, Plain) and not isinstance(shape, Sizes):
        return tuple(shape.tolist()) if shape.ndim else (int(shape),)
    parts = shape.array.ravel() if isinstance(shape, Sizes) else shape
    if isinstance(parts, int | np.integer):
        parts = [parts]
    if not isinstance(parts, list | tuple | np.ndarray):
        raise KindError(f"{what}: got {describe(shape)}\n  expected sizes, such as [2, 3]")
    return tuple(_size(n, what) for n in parts)


def _size(n: Any, what: str) -> Any:
    if isinstance(n, Sizes):
        return int(n.array)
    if n is None or isinstance(n, float | str):
        raise KindError(
            f"{what}: one of the sizes is {describe(n)}\n  expected whole numbers"
            + ("\n  -1 stands for the size that is left over" if n is None else "")
        )
    return int(n) if isinstance(n, Plain | np.generic) else n


def _same(name: str, values: Any) -> list[Any]:
    """Tensors of one dtype, which Python's numbers among them take on."""
    if isinstance(values, Plain):
        return [*values] if values.ndim else [values]
    if not isinstance(values, list | tuple) or not values:
        raise KindError(f"{name}(values): got {describe(values)}\n  expected a list of tensors")
    like = next((v.dtype for v in values if isinstance(v, Plain)), None)
    made = [as_tensor(v, like=like) for v in values]
    for v in made[1:]:
        pair(name, made[0], v, "values[0]", "another")
    return made


# What a tensor is --------------------------------------------------------------------------


@retells
def shape(input: Any, out_type: Any = dtypes.int32, name: Name = None) -> Any:
    """Sizes of the dimensions as a tensor; their values are known in a graph too.

    >>> shape([[1, 2, 3]])
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 3], dtype=int32)>
    """
    return Sizes.of(np.array(as_tensor(input).shape, as_dtype(out_type).np))


@retells
def size(input: Any, out_type: Any = dtypes.int32, name: Name = None) -> Any:
    """How many entries."""
    return Sizes.of(np.array(as_tensor(input).numel(), as_dtype(out_type).np))


@retells
def rank(input: Any, name: Name = None) -> Any:
    """How many dimensions."""
    return Sizes.of(np.array(as_tensor(input).ndim, np.int32))


@retells
def identity(input: Any, name: Name = None) -> Any:
    """The same entries."""
    return styled(OPS["clone"](as_tensor(input)))


@retells
def stop_gradient(input: Any, name: Name = None) -> Any:
    """The same entries, through which no gradient flows."""
    return styled(as_tensor(input).detach())


# Other shapes ------------------------------------------------------------------------------


@retells
def reshape(tensor: Any, shape: Any, name: Name = None) -> Any:
    """The entries in another shape; -1 stands for the size that is left over.

    >>> reshape([1, 2, 3, 4, 5, 6], [2, -1]).shape
    TensorShape([2, 3])
    """
    return _new(FUNCTIONS["reshape"](as_tensor(tensor), sizes(shape)), tensor)


def _new(out: Any, given: Any) -> Any:
    """What an op gave; a new tensor where it is the learner's own of another dialect."""
    return styled(out.clone() if out is given and not isinstance(out, Styled) else out)


@retells
def transpose(a: Any, perm: Any = None, conjugate: bool = False, name: Name = "transpose") -> Any:
    """The dimensions in the order ``perm``; in reverse order without one."""
    a = as_tensor(a)
    order = tuple(reversed(builtins.range(a.ndim))) if perm is None else sizes(perm, "perm")
    return styled(FUNCTIONS["permute"](a, order))


@retells
def expand_dims(input: Any, axis: int, name: Name = None) -> Any:
    """A new dimension of size 1 at ``axis``."""
    return styled(FUNCTIONS["unsqueeze"](as_tensor(input), int(axis)))


@retells
def squeeze(input: Any, axis: Any = None, name: Name = None) -> Any:
    """Without the dimensions of size 1, or without those of ``axis``; ShapeError for others."""
    x = as_tensor(input)
    if axis is None:
        return _new(FUNCTIONS["squeeze"](x), input)
    dims = axes([axis] if isinstance(axis, int) else axis)
    for d in dims:
        if x.shape[d] != 1:
            raise ShapeError(
                f"squeeze(input, axis): dimension {d} has size {x.shape[d]}\n  input  {x.spec}\n"
                "  expected size 1: others cannot be left out"
            )
    return styled(FUNCTIONS["squeeze"](x, dims)) if dims else x


@retells
def broadcast_to(input: Any, shape: Any, name: Name = None) -> Any:
    """The entries spread over a larger shape."""
    return styled(FUNCTIONS["broadcast_to"](as_tensor(input), sizes(shape)))


@retells
def tile(input: Any, multiples: Any, name: Name = None) -> Any:
    """The entries repeated, so often along each dimension."""
    x, times = as_tensor(input), sizes(multiples, "multiples")
    if len(times) != x.ndim:
        raise ShapeError(
            f"tile(input, multiples): got {len(times)} multiples\n  input  {x.spec}\n"
            f"  expected {x.ndim}, one for each dimension"
        )
    return styled(FUNCTIONS["tile"](x, times))


@retells
def repeat(input: Any, repeats: Any, axis: int | None = None, name: Name = None) -> Any:
    """Each entry so often, along ``axis``; without one the result has one dimension."""
    times = as_tensor(repeats).long() if not isinstance(repeats, int) else repeats
    return styled(FUNCTIONS["repeat_interleave"](as_tensor(input), times, axis))


@retells
def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0,
    name: Name = None,
) -> Any:  # fmt: skip
    """More entries around: ``paddings`` has how many before and after, for each dimension.

    ``mode`` "REFLECT" and "SYMMETRIC" mirror the entries, without and with those at the edge.
    """
    x = as_tensor(tensor)
    around = np.array([sizes(p, "paddings") for p in paddings]).reshape(-1, 2)
    if len(around) != x.ndim:
        raise ShapeError(
            f"pad(tensor, paddings): got {len(around)} pairs\n  tensor  {x.spec}\n"
            f"  expected {x.ndim}, (before, after) for each dimension"
        )
    if mode.upper() == "CONSTANT":
        flat = [int(n) for pair_ in reversed(around) for n in pair_]
        return styled(nn.pad(x, flat, value=float(constant_values) if x.dtype.is_floating_point
                             else int(constant_values)))  # fmt: skip
    if mode.upper() not in ("REFLECT", "SYMMETRIC"):
        raise ArgumentError(f"pad(mode): got {mode!r}\n  expected CONSTANT, REFLECT or SYMMETRIC")
    for d, (before, after) in enumerate(around):
        if before or after:
            mirrored: Any = mode.lower()
            places = np.pad(np.arange(x.shape[d]), (before, after), mirrored)
            x = FUNCTIONS["index_select"](x, d, make(places))
    return styled(x)


@retells
def reverse(tensor: Any, axis: Any, name: Name = None) -> Any:
    """The entries in reverse order along each axis of a list."""
    return styled(FUNCTIONS["flip"](as_tensor(tensor), sizes(axis, "axis")))


@retells
def roll(input: Any, shift: Any, axis: Any, name: Name = None) -> Any:
    """The entries moved along ``axis``; those that fall off come in at the other end."""
    return styled(FUNCTIONS["roll"](as_tensor(input), axes(shift), axes(axis)))


# Joining and taking apart ------------------------------------------------------------------


@retells
def concat(values: Any, axis: int, name: Name = "concat") -> Any:
    """Tensors one after another along ``axis``."""
    return styled(FUNCTIONS["cat"](_same("concat", values), int(axis)))


@retells
def stack(values: Any, axis: int = 0, name: Name = "stack") -> Any:
    """Tensors of one shape side by side, in a new dimension ``axis``."""
    return styled(FUNCTIONS["stack"](_same("stack", values), int(axis)))


@retells
def unstack(value: Any, num: int | None = None, axis: int = 0, name: Name = "unstack") -> Any:
    """The parts of a tensor along ``axis``, in a list."""
    return [*styled(FUNCTIONS["unbind"](as_tensor(value), axis))]


@retells
def split(
    value: Any, num_or_size_splits: Any, axis: int = 0, num: int | None = None,
    name: Name = "split",
) -> Any:  # fmt: skip
    """A list of parts along ``axis``: so many of one size, or parts of these sizes."""
    x = as_tensor(value)
    if isinstance(num_or_size_splits, int):
        n = x.shape[axis]
        if n % num_or_size_splits:
            raise ShapeError(
                f"split(value, {num_or_size_splits}): {n} is no multiple of it\n"
                f"  value  {x.spec}\n  expected equal parts along dimension {axis}\n"
                "  give the sizes of the parts in a list"
            )
        return [*styled(FUNCTIONS["split"](x, n // num_or_size_splits, axis))]
    parts = sizes(num_or_size_splits, "num_or_size_splits")
    if -1 in parts:
        left = x.shape[axis] - sum(n for n in parts if n >= 0)
        parts = tuple(left if n < 0 else n for n in parts)
    return [*styled(FUNCTIONS["split"](x, [*parts], axis))]


@retells
def slice(input_: Any, begin: Any, size: Any, name: Name = None) -> Any:
    """A box of ``size`` that begins at ``begin``; a size of -1 goes to the end."""
    x = as_tensor(input_)
    pairs = zip(sizes(begin, "begin"), sizes(size, "size"), strict=True)
    return styled(x[tuple(builtins.slice(b, None if n < 0 else b + n) for b, n in pairs)])


@retells
def gather(
    params: Any, indices: Any, validate_indices: Any = None, axis: Any = None,
    batch_dims: int = 0, name: Name = None,
) -> Any:  # fmt: skip
    """The parts of ``params`` that stand at ``indices`` along ``axis``.

    >>> gather([10, 20, 30], [2, 0]).numpy()
    array([30, 10], dtype=int32)
    """
    x, places = as_tensor(params), _places("gather", indices)
    if batch_dims:
        rows = [gather(a, b, axis=None if axis is None else axis - batch_dims,
                       batch_dims=batch_dims - 1) for a, b in zip(styled(x), styled(places),
                                                                 strict=True)]  # fmt: skip
        return stack(rows)
    d = (0 if axis is None else int(axis)) % builtins.max(x.ndim, 1)
    found = FUNCTIONS["index_select"](x, d, FUNCTIONS["reshape"](places, (-1,)))
    return styled(FUNCTIONS["reshape"](found, (*x.shape[:d], *places.shape, *x.shape[d + 1 :])))


def _places(name: str, indices: Any) -> Any:
    places = as_tensor(indices)
    if not isinstance(indices, Plain) and not places.numel():
        places = places.to(dtype=dtypes.int32)
    if places.dtype.kind != 1:
        raise DTypeError(
            f"{name}(params, indices): got indices of {places.dtype.name}\n"
            f"  indices  {places.spec}\n  expected whole numbers\n  tf.cast(x, tf.int32) converts"
        )
    return places.long()


@retells
def gather_nd(params: Any, indices: Any, batch_dims: int = 0, name: Name = None) -> Any:
    """The entries or parts at places that are given by several numbers each."""
    x, places = as_tensor(params), _places("gather_nd", indices)
    if batch_dims:
        rows = zip(styled(x), styled(places), strict=True)
        return stack([gather_nd(a, b, batch_dims - 1) for a, b in rows])
    if not places.ndim or places.shape[-1] > x.ndim:
        raise ShapeError(
            f"gather_nd(params, indices): the last size of indices is too large\n"
            f"  params   {x.spec}\n  indices  {places.spec}\n"
            f"  expected {x.ndim} numbers or fewer for each place"
        )
    return styled(x[tuple(FUNCTIONS["unbind"](places, -1))])


@retells
def boolean_mask(tensor: Any, mask: Any, axis: int | None = None, name: str = "mask") -> Any:
    """The parts at which ``mask`` is True."""
    x, where_ = as_tensor(tensor), as_tensor(mask)
    return styled(x[(builtins.slice(None),) * (axis or 0) + (Plain.bool(where_),)])


@retells
def where(condition: Any, x: Any = None, y: Any = None, name: Name = None) -> Any:
    """Entries of ``x`` where the condition is True, of ``y`` elsewhere.

    Without both: the places where it is True, one row for each.
    """
    test = as_tensor(condition)
    if x is None and y is None:
        return styled(FUNCTIONS["nonzero"](test))
    if x is None or y is None:
        raise ArgumentError("where(condition, x, y): one of x and y is missing: give both or none")
    x, y = pair("where", x, y)
    if not isinstance(x, Plain):
        x = as_tensor(x, like=y.dtype)
    if not isinstance(y, Plain):
        y = as_tensor(y, like=x.dtype)
    return styled(FUNCTIONS["where"](test, x, y))


@retells
def one_hot(
    indices: Any, depth: int, on_value: Any = None, off_value: Any = None, axis: int | None = None,
    dtype: Any = None, name: Name = None,
) -> Any:  # fmt: skip
    """A row with one 1 for each index, and zeros where the index is none from 0 to depth - 1.

    >>> one_hot([2, -1], 3).numpy()
    array([[0., 0., 1.],
           [0., 0., 0.]], dtype=float32)
    """
    places = _places("one_hot", indices)
    kind = as_dtype(dtype or as_tensor(0.0 if on_value is None else on_value).dtype)
    n = sizes(depth, "depth")[0]
    steps = current_arange(n)
    found = FUNCTIONS["eq"](FUNCTIONS["unsqueeze"](places, -1), steps)
    if on_value is None and off_value is None:
        found = found.to(dtype=kind)
    else:
        on = 1 if on_value is None else on_value
        found = FUNCTIONS["where"](
            found, as_tensor(on, kind), as_tensor(0 if off_value is None else off_value, kind)
        )
    if axis not in (None, -1, places.ndim):
        found = FUNCTIONS["movedim"](found, -1, axis)
    return styled(found)


def current_arange(n: int) -> Any:
    """0 to n - 1 in int64."""
    return creation.arange(n)


class Unique(NamedTuple):
    """What ``unique`` gives."""

    y: Any
    idx: Any


@retells
def unique(x: Any, out_idx: Any = dtypes.int32, name: Name = None) -> Any:
    """The different entries in the order of their first places, and which of them each entry is."""
    array = as_tensor(x).numpy()
    values, first, inverse = np.unique(array, return_index=True, return_inverse=True)
    order = np.argsort(first)
    places = np.argsort(order)[inverse.reshape(-1)].astype(as_dtype(out_idx).np)
    return Unique(styled(make(values[order])), styled(make(places)))


@retells
def sort(values: Any, axis: int = -1, direction: str = "ASCENDING", name: Name = None) -> Any:
    """The entries in order, upwards or "DESCENDING"."""
    return styled(FUNCTIONS["sort"](as_tensor(values), axis, _down(direction)))[0]


@retells
def argsort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False,
    name: Name = None,
) -> Any:  # fmt: skip
    """The places of the entries in order."""
    found = FUNCTIONS["sort"](as_tensor(values), axis, _down(direction), stable=True)[1]
    return styled(found.to(dtype=dtypes.int32))


def _down(direction: str) -> bool:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ArgumentError(f"direction: got {direction!r}\n  expected ASCENDING or DESCENDING")
    return direction == "DESCENDING"


@retells
def searchsorted(
    sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = dtypes.int32,
    name: Name = None,
) -> Any:  # fmt: skip
    """Where each value would stand in a sorted sequence."""
    found = FUNCTIONS["searchsorted"](
        as_tensor(sorted_sequence), as_tensor(values), right=side == "right"
    )
    return styled(found.to(dtype=as_dtype(out_type)))


@retells
def tensor_scatter_nd_update(tensor: Any, indices: Any, updates: Any, name: Name = None) -> Any:
    """A copy of ``tensor`` with ``updates`` at these places."""
    return _scattered(tensor, indices, updates, False)


@retells
def tensor_scatter_nd_add(tensor: Any, indices: Any, updates: Any, name: Name = None) -> Any:
    """A copy of ``tensor`` with ``updates`` added at these places."""
    return _scattered(tensor, indices, updates, True)


@retells
def scatter_nd(indices: Any, updates: Any, shape: Any, name: Name = None) -> Any:
    """Zeros of a shape, with ``updates`` added at these places."""
    updates = as_tensor(updates)
    return _scattered(zeros(shape, updates.dtype), indices, updates, True)


def _scattered(tensor: Any, indices: Any, updates: Any, adds: bool) -> Any:
    x, places = as_tensor(tensor), _places("scatter", indices)
    x, updates = pair("scatter", x, updates, "tensor", "updates")
    index = tuple(FUNCTIONS["unbind"](places, -1))
    return styled(FUNCTIONS["index_put"](x, index, as_tensor(updates), accumulate=adds))


# New tensors -------------------------------------------------------------------------------


@retells
def zeros(shape: Any, dtype: Any = dtypes.float32, name: Name = None, layout: Any = None) -> Any:
    """Zeros of a shape."""
    return here(styled(creation.zeros(sizes(shape), dtype=as_dtype(dtype))))


@retells
def ones(shape: Any, dtype: Any = dtypes.float32, name: Name = None, layout: Any = None) -> Any:
    """Ones of a shape."""
    return here(styled(creation.ones(sizes(shape), dtype=as_dtype(dtype))))


@retells
def fill(dims: Any, value: Any, name: Name = None, layout: Any = None) -> Any:
    """One number in each place of a shape."""
    return styled(FUNCTIONS["expand"](as_tensor(value), sizes(dims, "dims")).clone())


@retells
def zeros_like(input: Any, dtype: Any = None, name: Name = None, layout: Any = None) -> Any:
    """Zeros in the shape of a tensor."""
    x = as_tensor(input)
    return zeros(tuple(x.shape), dtype or x.dtype)


@retells
def ones_like(input: Any, dtype: Any = None, name: Name = None, layout: Any = None) -> Any:
    """Ones in the shape of a tensor."""
    x = as_tensor(input)
    return ones(tuple(x.shape), dtype or x.dtype)


@retells
def eye(
    num_rows: int, num_columns: int | None = None, batch_shape: Any = None,
    dtype: Any = dtypes.float32, name: Name = None,
) -> Any:  # fmt: skip
    """A matrix with ones on its diagonal."""
    made = creation.eye(num_rows, num_columns, dtype=as_dtype(dtype))
    if batch_shape is not None:
        made = FUNCTIONS["expand"](made, (*sizes(batch_shape), *made.shape)).clone()
    return styled(made)


@retells
def range(*bounds: Any, delta: Any = 1, dtype: Any = None, name: str = "range") -> Any:
    """Numbers from start (0) up to the limit, which is left out, in steps of delta.

    >>> range(3).numpy(), range(1, 2, 0.25).numpy()
    (array([0, 1, 2], dtype=int32), array([1.  , 1.25, 1.5 , 1.75], dtype=float32))
    """
    found = [x.numpy() if isinstance(x, Plain) and not isinstance(x, Sizes) else
             x.array[()] if isinstance(x, Sizes) else x for x in bounds]  # fmt: skip
    start, limit, step = (0, *found, delta) if len(found) == 1 else (*found, delta)[:3]
    numbers = (start, limit, step)
    kind = as_dtype(dtype) if dtype is not None else next(
        (as_dtype(x.dtype) for x in numbers if isinstance(x, np.generic)),
        dtypes.float32 if any(isinstance(x, float) for x in numbers) else dtypes.int32,
    )  # fmt: skip
    return as_tensor(np.arange(start, limit, step).astype(kind.np))


@retells
def linspace(start: Any, stop: Any, num: int, name: Name = None, axis: int = 0) -> Any:
    """``num`` numbers in equal steps from start to stop, both of them included."""
    kind = start.dtype if isinstance(start, Plain) else dtypes.float32
    return styled(creation.linspace(float(start), float(stop), int(num), dtype=kind))


@retells
def meshgrid(*args: Any, indexing: str = "xy", name: str = "meshgrid") -> Any:
    """The coordinates of a grid, one tensor for each of its dimensions."""
    return [*styled(FUNCTIONS["meshgrid"](*map(as_tensor, args), indexing=indexing))]


@retells
def sequence_mask(
    lengths: Any, maxlen: Any = None, dtype: Any = dtypes.bool_, name: Name = None
) -> Any:
    """True in the first so many places of each row."""
    long = _places("sequence_mask", lengths)
    n = int(long.max()) if maxlen is None else int(maxlen)
    return cast(styled(FUNCTIONS["lt"](current_arange(n), long.unsqueeze(-1))), dtype)


@retells
def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: Name = None) -> Any:
    """The tensor, made shorter where its length is above ``clip_norm``."""
    x = as_tensor(t)
    length = sqrt(reduce_sum(x * x, axes, True))
    limit = as_tensor(clip_norm, like=x.dtype)
    return styled(x * limit / FUNCTIONS["maximum"](length, limit))


@retells
def clip_by_global_norm(
    t_list: Any, clip_norm: Any, use_norm: Any = None, name: Name = None
) -> tuple[list[Any], Any]:
    """Tensors made shorter together where their common length is above ``clip_norm``; the length.

    None among them stays None.
    """
    length = global_norm(t_list) if use_norm is None else as_tensor(use_norm)
    limit = as_tensor(clip_norm, like=length.dtype)
    factor = limit / FUNCTIONS["maximum"](length, limit)
    return [None if t is None else styled(as_tensor(t) * factor) for t in t_list], length


@retells
def global_norm(t_list: Any, name: Name = None) -> Any:
    """The length of all tensors of a list taken together."""
    squares = [reduce_sum(as_tensor(t) * as_tensor(t)) for t in t_list if t is not None]
    total = squares[0]
    for s in squares[1:]:
        total = total + s
    return sqrt(total)


@retells
def map_fn(fn: Any, elems: Any, dtype: Any = None, **unused: Any) -> Any:
    """A function of each part along dimension 0; what it gives is stacked."""
    return stack([fn(x) for x in styled(as_tensor(elems))])


vectorized_map = map_fn


@retells
def ensure_shape(x: Any, shape: Any, name: Name = None) -> Any:
    """The tensor itself; ShapeError where it has another shape. None takes every size."""
    x = as_tensor(x)
    if not x.shape.is_compatible_with(shape):
        raise ShapeError(
            f"ensure_shape(x, shape): the shapes differ\n  x  {x.spec}\n  expected {tuple(shape)}"
        )
    return x


# Brackets ----------------------------------------------------------------------------------


def _item(self: Any, index: Any) -> Any:
    """``x[...]`` with numbers, slices, ``...``, ``tf.newaxis``, or a mask of bools."""
    if not from_learner():
        return Plain.__getitem__(self, index)
    return _picked(self, index)


@retells
def _picked(x: Any, index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    if len(parts) == 1 and isinstance(parts[0], Plain) and parts[0].dtype.kind == 0:
        return boolean_mask(x, parts[0])
    template: list[Any] = []
    turned: list[int] = []
    dim = out = 0
    rest = x.ndim - sum(p is not None and p is not Ellipsis for p in parts)
    for part in parts:
        if part is Ellipsis:
            dim, out = dim + rest, out + rest
        elif part is None:
            out += 1
        elif isinstance(part, builtins.slice):
            part = builtins.slice(*(_bound(v) for v in (part.start, part.stop, part.step)))
            if part.step is not None and part.step < 0:
                steps = builtins.range(*part.indices(x.shape[dim]))
                turned.append(out)
                part = builtins.slice(steps[-1], steps[0] + 1, -part.step) if steps else (
                    builtins.slice(0, 0))  # fmt: skip
            dim, out = dim + 1, out + 1
        else:
            part = _number(part, x)
            dim += 1
        template.append(part)
    found = Plain.__getitem__(x, tuple(template))
    return styled(FUNCTIONS["flip"](found, tuple(turned)) if turned else found)


def _bound(v: Any) -> Any:
    return int(v.array) if isinstance(v, Sizes) else int(v) if isinstance(v, Plain) else v


def _number(part: Any, x: Any) -> Any:
    if isinstance(part, Sizes):
        return int(part.array)
    if isinstance(part, Plain) and part.dtype.kind == 1 and not part.ndim:
        return part  # in a graph its value is not known
    if isinstance(part, int | np.integer) and not isinstance(part, bool):
        return int(part)
    raise KindError(
        f"x[...]: an index is {describe(part)}\n  x  {x.spec}\n"
        "  expected whole numbers, slices (:), ..., tf.newaxis or a tensor of one whole number\n"
        "  tf.gather(x, places) takes a list of places, tf.boolean_mask(x, mask) a mask"
    )


Styled.__getitem__ = _item  # type: ignore[method-assign]
Sizes.__getitem__ = lambda self, index: Sizes.of(self.array[index])  # type: ignore[method-assign]
