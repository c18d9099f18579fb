"""Ops that move entries or look at them differently: nothing is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from ..errors import ArgumentError, IndexingError, KindError, describe
from ..op import Attrs, Mismatch, Op, Spec, normal, op, sample
from .rules import broadcast_shapes, check_cat, free, one_dim, per_entry, shape_of_args

Bound = tuple[tuple[Any, ...], Attrs]


# Shape -------------------------------------------------------------------------------------


def _reshape_bind(input: Any, *shape: Any) -> Bound:
    return (input,), {"shape": shape_of_args(shape)}


def _reshape_shape(x: Spec, shape: tuple[int, ...]) -> Spec:
    unknown = [i for i, n in enumerate(shape) if n == -1]
    known = prod(n for n in shape if n != -1)
    fits = (
        len(unknown) <= 1
        and all(n >= -1 for n in shape)
        and (x.size == known if not unknown else known > 0 and x.size % known == 0)
    )
    if not fits:
        raise Mismatch(
            f"{x.size} entries do not fit into shape {shape}",
            f"expected sizes whose product is {x.size}, got {known}"
            if not unknown
            else f"expected {x.size} to be a multiple of {known}, and one -1 at most",
            "one size may be -1: it is worked out from the rest",
        )
    if unknown:
        shape = tuple(x.size // known if n == -1 else n for n in shape)
    return replace(x, shape=shape)


reshape: Op = op(
    "reshape",
    "The same entries in another shape, row by row.",
    forward=lambda xp, input, shape: input.reshape(shape),
    bind=_reshape_bind,
    vjp=lambda g, y, x, shape: reshape(g, x.shape),
    shape=_reshape_shape,
    view=True,
    formula=(r"y = x", r"\bar x = \bar y"),
    cost=free,
    onnx="Reshape",
    samples=[sample(normal(3, 4), shape=(2, -1)), sample(normal(), shape=(1,))],
)


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Join the dimensions from ``start_dim`` to ``end_dim`` into one.

    Shapes: ``(N, C, H, W)`` with ``start_dim=1`` becomes ``(N, C * H * W)``.
    """
    start = one_dim(start_dim, input.ndim, "start_dim")
    end = one_dim(end_dim, input.ndim, "end_dim")
    if input.ndim == 0:
        return reshape(input, 1)
    shape = tuple(input.shape)
    if start > end:
        raise ArgumentError(f"flatten: start_dim={start_dim} comes after end_dim={end_dim}")
    return reshape(input, (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))


def squeeze(input: Any, dim: int | Sequence[int] | None = None) -> Any:
    """Remove dimensions of size 1: all of them, or those named by ``dim``."""
    shape = tuple(input.shape)
    if dim is None:
        dims = set(range(len(shape)))
    else:
        given = dim if isinstance(dim, (tuple, list)) else (dim,)
        dims = {one_dim(d, len(shape)) for d in given}
    return reshape(input, tuple(n for i, n in enumerate(shape) if n != 1 or i not in dims))


def unsqueeze(input: Any, dim: int) -> Any:
    """Put a dimension of size 1 at ``dim``: ``(N,)`` becomes ``(1, N)`` or ``(N, 1)``."""
    shape = tuple(input.shape)
    at = one_dim(dim, len(shape) + 1)
    return reshape(input, (*shape[:at], 1, *shape[at:]))


def _permute_bind(input: Any, *dims: Any) -> Bound:
    order = tuple(one_dim(d, input.ndim) for d in shape_of_args(dims, "dims"))
    return (input,), {"dims": order}


def _permute_shape(x: Spec, dims: tuple[int, ...]) -> Spec:
    if sorted(dims) != list(range(x.ndim)):
        raise Mismatch(
            "dims must name each dimension once",
            f"expected an order of {tuple(range(x.ndim))}, got {dims}",
        )
    return replace(x, shape=tuple(x.shape[d] for d in dims))


def _inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dims.index(i) for i in range(len(dims)))


permute: Op = op(
    "permute",
    "The dimensions in another order.",
    forward=lambda xp, input, dims: input.transpose(dims),
    bind=_permute_bind,
    vjp=lambda g, y, x, dims: permute(g, _inverse(dims)),
    shape=_permute_shape,
    view=True,
    formula=(r"y_{\pi(i)} = x_i", r"\bar x_i = \bar y_{\pi(i)}"),
    cost=free,
    onnx="Transpose",
    samples=[sample(normal(2, 3, 4), dims=(2, 0, 1))],
)


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Swap two dimensions: ``(N, M)`` becomes ``(M, N)``."""
    n = input.ndim
    a, b = one_dim(dim0, n, "dim0"), one_dim(dim1, n, "dim1")
    order = list(range(n))
    if n:
        order[a], order[b] = order[b], order[a]
    return permute(input, order)


def t(input: Any) -> Any:
    """Transpose a matrix; a vector and a number stay as they are."""
    return transpose(input, 0, 1) if input.ndim == 2 else input


def _expand_bind(input: Any, *size: Any) -> Bound:
    sizes = shape_of_args(size, "size")
    lead = len(sizes) - input.ndim
    shape = tuple(
        input.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(sizes)
    )
    return (input,), {"shape": shape}


def _expand_shape(x: Spec, shape: tuple[int, ...]) -> Spec:
    if len(shape) < x.ndim or broadcast_shapes(x.shape, shape) != shape:
        raise Mismatch(
            f"shape {x.shape} does not expand to {shape}",
            "expected sizes that are equal, or 1 in the input, aligned from the right",
        )
    return replace(x, shape=shape)


expand: Op = op(
    "expand",
    "Repeat dimensions of size 1 without copying.",
    forward=lambda xp, input, shape: xp.broadcast_to(input, shape),
    bind=_expand_bind,
    vjp=lambda g, y, x, shape: g,  # the engine sums over what was repeated
    shape=_expand_shape,
    view=True,
    formula=(r"y_{ij} = x_j", r"\bar x_j = \sum_i \bar y_{ij}"),
    cost=free,
    onnx="Expand",
    samples=[sample(normal(3, 1), shape=(2, 3, 4)), sample(normal(), shape=(2,))],
)


# Joining -----------------------------------------------------------------------------------


def _many(name: str, tensors: Any, dim: int, extra: int) -> Bound:
    if not isinstance(tensors, (tuple, list)) or not tensors:
        raise KindError(
            f"{name}(tensors): expected a list or tuple of tensors, got {describe(tensors)}"
        )
    if hasattr(tensors[0], "ndim"):
        dim = one_dim(dim, tensors[0].ndim + extra)
    return tuple(tensors), {"dim": dim}


def _cat_bind(tensors: Any, dim: int = 0) -> Bound:
    return _many("cat", tensors, dim, 0)


def _cat_grad(i: int, g: Any, y: Any, *xs: Any, dim: int) -> Any:
    start = sum(x.shape[dim] for x in xs[:i])
    return narrow(g, dim, start, xs[i].shape[dim])


cat: Op = op(
    "cat",
    "Join tensors along an existing dimension.",
    forward=lambda xp, *tensors, dim: xp.concatenate(tensors, axis=dim),
    bind=_cat_bind,
    vjp=_cat_grad,
    variadic=True,
    promotes="*",
    shape=check_cat,
    formula=(r"y = [x_1, x_2, \dots]", r"\bar x_i = \bar y \text{ at the place of } x_i"),
    cost=per_entry(0),
    onnx="Concat",
    samples=[sample(normal(2, 3), normal(2, 1), dim=1)],
)


def _stack_bind(tensors: Any, dim: int = 0) -> Bound:
    return _many("stack", tensors, dim, 1)


def _stack_shape(*xs: Spec, dim: int) -> Spec:
    for i, x in enumerate(xs):
        if x.shape != xs[0].shape:
            raise Mismatch(
                "the tensors differ in shape",
                f"expected {xs[0].shape} for each, got {x.shape} for tensors[{i}]",
                "cat joins tensors that differ in one dimension",
            )
    shape = xs[0].shape
    return replace(xs[0], shape=(*shape[:dim], len(xs), *shape[dim:]))


stack: Op = op(
    "stack",
    "Join tensors of one shape along a new dimension.",
    forward=lambda xp, *tensors, dim: xp.stack(tensors, axis=dim),
    bind=_stack_bind,
    vjp=lambda i, g, y, *xs, dim: reshape(narrow(g, dim, i, 1), xs[i].shape),
    variadic=True,
    promotes="*",
    shape=_stack_shape,
    formula=(r"y_i = x_i", r"\bar x_i = \bar y_i"),
    cost=per_entry(0),
    samples=[sample(normal(2, 3), normal(2, 3), dim=1)],
)


# Slices ------------------------------------------------------------------------------------
# An index is a tuple of ints, slices, None and Ellipsis, with tensors taken out as inputs.


def narrow(input: Any, dim: int, start: int, length: int) -> Any:
    """The part of ``input`` from ``start``, ``length`` entries long, along ``dim``."""
    dim = one_dim(dim, input.ndim)
    return slice_(input, index=(*(slice(None),) * dim, slice(start, start + length)))


def _index_shape(shape: tuple[int, ...], index: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape of a basic index; Mismatch where an int is out of range."""
    full = expand_ellipsis(index, len(shape))
    out: list[int] = []
    axis = 0
    for part in full:
        if part is None:
            out.append(1)
            continue
        if axis >= len(shape):
            raise _too_many(index, shape)
        n = shape[axis]
        if isinstance(part, slice):
            out.append(len(range(*part.indices(n))))
        elif not -n <= part < n:
            raise Mismatch(
                f"index {part} is out of range",
                f"expected an index from {-n} to {n - 1} for dimension {axis} of size {n}",
                error=IndexingError,
            )
        axis += 1
    return (*out, *shape[axis:])


def _too_many(index: tuple[Any, ...], shape: tuple[int, ...]) -> Mismatch:
    return Mismatch(
        "too many indices",
        f"expected {len(shape)} at most for shape {shape}, got {len(index)}",
        error=IndexingError,
    )


def expand_ellipsis(index: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
    """The index with ``...`` written out as full slices."""
    if not any(part is Ellipsis for part in index):
        return index
    at = next(i for i, part in enumerate(index) if part is Ellipsis)
    used = sum(1 for part in index if part is not None and part is not Ellipsis)
    return (*index[:at], *(slice(None),) * (ndim - used), *index[at + 1 :])


slice_: Op = op(
    "slice",
    "A part of the tensor, by ints and slices.",
    forward=lambda xp, input, index: input[index],
    vjp=lambda g, y, x, index: unslice(g, index=index, shape=tuple(x.shape)),
    shape=lambda x, index: replace(x, shape=_index_shape(x.shape, index)),
    view=True,
    formula=(r"y = x[i]", r"\bar x[i] = \bar y, \text{ else } 0"),
    cost=free,
    onnx="Slice",
    samples=[
        sample(normal(3, 4), index=(slice(1, None), 2)),
        sample(normal(3, 4), index=(None, 1)),
    ],
)


def _unslice_forward(xp: Any, input: Any, index: Any, shape: tuple[int, ...]) -> Any:
    out = xp.zeros(shape, input.dtype)
    out[index] = input
    return out


unslice: Op = op(
    "unslice",
    "Zeros of a shape, with the input at an index: the gradient of a slice.",
    forward=_unslice_forward,
    vjp=lambda g, y, x, index, shape: slice_(g, index=index),
    shape=lambda x, index, shape: replace(x, shape=shape),
    formula=(r"y[i] = x, \text{ else } 0", r"\bar x = \bar y[i]"),
    cost=per_entry(0),
    samples=[sample(normal(2), index=(slice(1, None), 2), shape=(3, 4))],
)


FUNCTIONS = {
    name: globals()[name]
    for name in (
        "reshape flatten squeeze unsqueeze permute transpose t expand cat stack narrow"
    ).split()
}
NOT_METHODS = ("cat", "stack")
