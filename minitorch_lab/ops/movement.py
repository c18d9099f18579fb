"""Ops that move entries or look at them differently: nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from ..device import namespace_of
from ..errors import ArgumentError, IndexingError, KindError, ShapeError, describe
from ..op import OPS, Attrs, Mismatch, Op, Spec, current, normal, op, sample
from .elementwise import clone
from .rules import broadcast_shapes, check_cat, free, one_dim, per_entry, shape_of_args

Bound = tuple[tuple[Any, ...], Attrs]


# Shape -------------------------------------------------------------------------------------


def _ints(function: str, name: str, given: tuple[Any, ...], named: Attrs) -> tuple[int, ...]:
    """Ints given as ``f(x, 2, 3)``, ``f(x, (2, 3))`` or by name, ``f(x, name=(2, 3))``."""
    if len(given) + len(named) == 0 or (named and (given or set(named) != {name})):
        got = ", ".join([*(describe(g) for g in given), *named]) or "nothing"
        raise KindError(f"{function}(input, {name}): expected ints for {name}, got {got}")
    return shape_of_args((named[name],) if named else given, name)


def _reshape_bind(input: Any, *shape: Any, **named: Any) -> Bound:
    return (input,), {"shape": _ints("reshape", "shape", shape, named)}


def _reshape_forward(xp: Any, input: Any, shape: tuple[int, ...]) -> Any:
    if min(shape, default=0) < -1:  # the library takes any negative size for -1
        _reshape_shape(Spec(tuple(input.shape), input.dtype), shape)
    return input.reshape(shape)


def _reshape_shape(x: Spec, shape: tuple[int, ...]) -> Spec:
    """As many entries as before; one size may be -1, and is worked out."""
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
    example="""
        >>> lab.reshape(lab.arange(6), (2, 3))
        tensor([[0, 1, 2],
                [3, 4, 5]])
        >>> lab.reshape(lab.arange(6), (3, -1)).shape
        Size([3, 2])
    """,
    forward=_reshape_forward,
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

    >>> import minitorch_lab as lab
    >>> lab.flatten(lab.zeros(2, 3, 4)).shape
    Size([24])
    >>> lab.flatten(lab.zeros(2, 3, 4), start_dim=1).shape
    Size([2, 12])
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
    """Remove dimensions of size 1: all of them, or those named by ``dim``.

    >>> import minitorch_lab as lab
    >>> lab.squeeze(lab.zeros(1, 3, 1)).shape
    Size([3])
    >>> lab.squeeze(lab.zeros(1, 3, 1), 0).shape
    Size([3, 1])
    """
    shape = tuple(input.shape)
    if dim is None:
        dims = set(range(len(shape)))
    else:
        given = dim if isinstance(dim, (tuple, list)) else (dim,)
        dims = {one_dim(d, len(shape)) for d in given}
    return reshape(input, tuple(n for i, n in enumerate(shape) if n != 1 or i not in dims))


def unsqueeze(input: Any, dim: int) -> Any:
    """Put a dimension of size 1 at ``dim``: ``(N,)`` becomes ``(1, N)`` or ``(N, 1)``.

    >>> import minitorch_lab as lab
    >>> lab.unsqueeze(lab.tensor([1, 2]), 0)
    tensor([[1, 2]])
    >>> lab.unsqueeze(lab.tensor([1, 2]), 1).shape
    Size([2, 1])
    """
    shape = tuple(input.shape)
    at = one_dim(dim, len(shape) + 1)
    return reshape(input, (*shape[:at], 1, *shape[at:]))


def _permute_bind(input: Any, *dims: Any, **named: Any) -> Bound:
    order = tuple(one_dim(d, input.ndim) for d in _ints("permute", "dims", dims, named))
    return (input,), {"dims": order}


def _permute_shape(x: Spec, dims: tuple[int, ...]) -> Spec:
    """``(A, B, C)`` with ``dims=(2, 0, 1)`` is ``(C, A, B)``."""
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
    example="""
        >>> lab.permute(lab.zeros(2, 3, 4), (2, 0, 1)).shape
        Size([4, 2, 3])
    """,
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
    """Swap two dimensions: ``(N, M)`` becomes ``(M, N)``.

    >>> import minitorch_lab as lab
    >>> lab.transpose(lab.tensor([[1, 2, 3], [4, 5, 6]]), 0, 1)
    tensor([[1, 4],
            [2, 5],
            [3, 6]])
    """
    n = input.ndim
    a, b = one_dim(dim0, n, "dim0"), one_dim(dim1, n, "dim1")
    order = list(range(n))
    if n:
        order[a], order[b] = order[b], order[a]
    return permute(input, order)


def swapaxes(input: Any, axis0: int, axis1: int) -> Any:
    """Swap two dimensions: NumPy's name for ``transpose``.

    >>> import minitorch_lab as lab
    >>> lab.swapaxes(lab.zeros(2, 3, 4), 0, 2).shape
    Size([4, 3, 2])
    """
    return transpose(input, axis0, axis1)


def adjoint(input: Any) -> Any:
    """The last two dimensions swapped: ``(B, N, M)`` becomes ``(B, M, N)``.

    >>> import minitorch_lab as lab
    >>> lab.adjoint(lab.zeros(5, 2, 3)).shape
    Size([5, 3, 2])
    """
    if input.ndim < 2:
        raise ShapeError(f"adjoint(input): expected 2 dimensions or more\n  input  {input.spec}")
    return transpose(input, -2, -1)


def t(input: Any) -> Any:
    """Transpose a matrix; a vector and a number stay as they are.

    >>> import minitorch_lab as lab
    >>> lab.t(lab.tensor([[1, 2, 3], [4, 5, 6]]))
    tensor([[1, 4],
            [2, 5],
            [3, 6]])
    """
    if input.ndim > 2:
        raise ShapeError(
            f"t(input): expected a matrix or less\n  input  {input.spec}\n"
            "  .mT swaps the last two dimensions, .transpose(a, b) any two"
        )
    return transpose(input, 0, 1) if input.ndim == 2 else input


def _expand_bind(input: Any, *size: Any, **named: Any) -> Bound:
    sizes = _ints("expand", "size", size, named)
    lead = len(sizes) - input.ndim
    shape = tuple(
        input.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(sizes)
    )
    return (input,), {"shape": shape}


def _expand_shape(x: Spec, shape: tuple[int, ...]) -> Spec:
    """``(N, 1)`` becomes ``(N, M)``; -1 keeps a size, and new dimensions come first."""
    if len(shape) < x.ndim or broadcast_shapes(x.shape, shape) != shape:
        raise Mismatch(
            f"shape {x.shape} does not expand to {shape}",
            "expected sizes that are equal, or 1 in the input, aligned from the right",
        )
    return replace(x, shape=shape)


expand: Op = op(
    "expand",
    "Repeat dimensions of size 1 without copying.",
    example="""
        >>> lab.tensor([[1], [2]]).expand(2, 3)
        tensor([[1, 1, 1],
                [2, 2, 2]])
    """,
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


def _many(name: str, tensors: Any, dim: int, axis: int | None, extra: int) -> Bound:
    dim = dim if axis is None else axis
    if not isinstance(tensors, (tuple, list)):
        raise KindError(
            f"{name}(tensors): expected a list or tuple of tensors, got {describe(tensors)}"
        )
    if not tensors:
        raise (ArgumentError if name == "cat" else ShapeError)(
            f"{name}(tensors): expected one tensor or more, got none"
        )
    if hasattr(tensors[0], "ndim"):
        dim = one_dim(dim, tensors[0].ndim + extra)
    return tuple(tensors), {"dim": dim}


def _cat_bind(tensors: Any, dim: int = 0, *, axis: int | None = None) -> Bound:
    if isinstance(tensors, (tuple, list)):
        shapes = [tuple(x.shape) for x in tensors if hasattr(x, "shape")]
        full = next((shape for shape in shapes if shape != (0,)), None)
        if full and len(full) > 1 and (0,) in shapes:
            # tensor([]) joins with anything, as in PyTorch: a list that grows starts with it
            at = one_dim(dim if axis is None else axis, len(full))
            none = (*full[:at], 0, *full[at + 1 :])
            tensors = [reshape(x, none) if tuple(x.shape) == (0,) else x for x in tensors]
    return _many("cat", tensors, dim, axis, 0)


def _cat_grad(i: int, g: Any, y: Any, *xs: Any, dim: int) -> Any:
    start = sum(x.shape[dim] for x in xs[:i])
    return narrow(g, dim, start, xs[i].shape[dim])


cat: Op = op(
    "cat",
    "Join tensors along an existing dimension.",
    example="""
        >>> lab.cat([lab.tensor([1, 2]), lab.tensor([3])])
        tensor([1, 2, 3])
        >>> lab.cat([lab.zeros(2, 3), lab.ones(2, 1)], dim=1).shape
        Size([2, 4])
    """,
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


def _stack_bind(tensors: Any, dim: int = 0, *, axis: int | None = None) -> Bound:
    return _many("stack", tensors, dim, axis, 1)


def _stack_shape(*xs: Spec, dim: int) -> Spec:
    """``K`` tensors ``(N, M)`` give ``(K, N, M)`` along dim 0."""
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
    example="""
        >>> lab.stack([lab.tensor([1, 2]), lab.tensor([3, 4])])
        tensor([[1, 2],
                [3, 4]])
        >>> lab.stack([lab.zeros(2, 3), lab.ones(2, 3)], dim=1).shape
        Size([2, 2, 3])
    """,
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
    """The part of ``input`` from ``start``, ``length`` entries long, along ``dim``.

    >>> import minitorch_lab as lab
    >>> lab.narrow(lab.tensor([0, 10, 20, 30]), 0, 1, 2)
    tensor([10, 20])
    """
    dim = one_dim(dim, input.ndim)
    n = _length(input, dim, "narrow")
    (first, count) = shape_of_args((start, length), "start and length")
    if not -n <= first <= n:
        raise IndexingError(
            f"narrow(input, dim, start, length): start={first} is out of range\n"
            f"  expected start from {-n} to {n} for dimension {dim} of size {n}"
        )
    first += n if first < 0 else 0
    if not 0 <= count <= n - first:
        raise ShapeError(
            f"narrow(input, dim, start, length): length={count} does not fit\n"
            f"  expected a length from 0 to {n - first}: dimension {dim} has size {n} "
            f"and start is {first}"
        )
    return slice_(input, index=(*(slice(None),) * dim, slice(first, first + count)))


def index_shape(shape: tuple[int, ...], index: tuple[Any, ...]) -> tuple[int, ...]:
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


def _slice_forward(xp: Any, input: Any, index: tuple[Any, ...]) -> Any:
    out = input[index]
    # ints alone make the library copy one number out; with ... it gives a view of it
    return out if out.shape or Ellipsis in index else input[(*index, ...)]


slice_: Op = op(
    "slice",
    "A part of the tensor, by ints and slices.",
    forward=_slice_forward,
    vjp=lambda g, y, x, index: unslice(g, index=index, shape=tuple(x.shape)),
    shape=lambda x, index: replace(x, shape=index_shape(x.shape, index)),
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


# A change through a view -------------------------------------------------------------------
# An in-place op on a view changes the tensor that it looks into. ``through`` names the view ops
# from there to the view, each with its attributes.

Path = tuple[tuple[str, Attrs], ...]


def see(x: Any, through: Path) -> Any:
    """The view of ``x`` at the end of a path."""
    for name, attrs in through:
        x = current().apply(OPS[name], (x,), attrs)
    return x


def _write_forward(xp: Any, input: Any, value: Any, through: Path) -> Any:
    out = input.copy()
    part = out
    for name, attrs in through:
        part = OPS[name].forward(xp, part, **attrs)
    if xp.may_share_memory(part, out):
        part[...] = value
    elif out.size:  # this copy lies in memory in another order: go by the places of the entries
        places = xp.arange(out.size).reshape(out.shape)
        for name, attrs in through:
            places = OPS[name].forward(xp, places, **attrs)
        out.reshape(-1)[places] = value
    return out


def _write_shape(x: Spec, value: Spec, through: Path) -> Spec:
    return x


write_view: Op = op(
    "write_view",
    "The input with new values in a view of it: what an in-place op on the view makes of it.",
    forward=_write_forward,
    vjp=(
        lambda g, y, x, value, through: write_view(g, 0.0, through=through),
        lambda g, y, x, value, through: see(g, through),
    ),
    shape=_write_shape,
    formula=(
        r"y = x,\; \pi(y) = v",
        r"\bar x = \bar y,\; \pi(\bar x) = 0;\quad \bar v = \pi(\bar y)",
    ),
    cost=per_entry(0),
    samples=[
        sample(normal(3, 4), normal(4), through=(("slice", {"index": (1,)}),)),
        sample(
            normal(2, 3),
            normal(3),
            through=(("permute", {"dims": (1, 0)}), ("slice", {"index": (slice(None), 1)})),
        ),
    ],
)


# The same memory ---------------------------------------------------------------------------


def view(input: Any, *shape: Any, **named: Any) -> Any:
    """The same entries in another shape, in the same memory: ``view(2, -1)``, ``view((2, -1))``.

    Where the memory has another order than the entries, as after a transpose, there is no such
    view: ``reshape`` copies then. Graph mode knows no memory order and takes any tensor.

    >>> import minitorch_lab as lab
    >>> lab.arange(6).view(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    if len(shape) == 1 and hasattr(shape[0], "np"):
        raise ArgumentError(
            f"view(input, dtype): the bytes of a tensor are not read as another dtype\n"
            f"  input  {input.spec}\n  expected a shape, got {shape[0]!r}\n"
            "  .to(dtype) converts the values"
        )
    out = reshape(input, _ints("view", "size", shape, named))
    array = None if current().tracing else input.array
    # What an op computed owns its memory, in an order that may differ from PyTorch's: a copy
    # does no harm there. A transpose or a slice of another tensor has a base.
    shared = array is None or array.base is None or array.flags.c_contiguous or not array.size
    if not shared and not namespace_of(array).may_share_memory(array, out.array):
        raise ShapeError(
            "view(input, shape): the entries do not lie in memory in this order\n"
            f"  input  {input.spec}, not contiguous\n"
            f"  expected a tensor whose memory can be read as {tuple(out.shape)}\n"
            "  use .reshape(...), which copies where it must, or .contiguous() first"
        )
    return out


def view_as(input: Any, other: Any) -> Any:
    """A view in the shape of ``other``.

    >>> import minitorch_lab as lab
    >>> lab.arange(6).view_as(lab.zeros(3, 2)).shape
    Size([3, 2])
    """
    return view(input, tuple(other.shape))


def reshape_as(input: Any, other: Any) -> Any:
    """The same entries in the shape of ``other``.

    >>> import minitorch_lab as lab
    >>> lab.arange(6).reshape_as(lab.zeros(3, 2)).shape
    Size([3, 2])
    """
    return reshape(input, tuple(other.shape))


def is_contiguous(input: Any) -> bool:
    """Whether the entries lie in memory row by row, without gaps.

    >>> import minitorch_lab as lab
    >>> x = lab.zeros(2, 3)
    >>> x.is_contiguous(), x.T.is_contiguous()
    (True, False)
    """
    return bool(current().tracing or input.array.flags.c_contiguous)


def contiguous(input: Any) -> Any:
    """The tensor itself where its memory is in order, row by row, else a copy that is.

    >>> import minitorch_lab as lab
    >>> lab.zeros(2, 3).T.contiguous().is_contiguous()
    True
    """
    return input if is_contiguous(input) else clone(input)


def ravel(input: Any) -> Any:
    """All entries in one dimension: ``(N, M)`` becomes ``(N * M,)``.

    >>> import minitorch_lab as lab
    >>> lab.ravel(lab.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    return reshape(input, -1) if input.ndim != 1 else input


def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    """One dimension as several: ``(N, C * H)`` with ``dim=1, sizes=(C, H)`` is ``(N, C, H)``.

    >>> import minitorch_lab as lab
    >>> lab.unflatten(lab.zeros(2, 12), 1, (3, 4)).shape
    Size([2, 3, 4])
    """
    dim = one_dim(dim, input.ndim)
    shape = tuple(input.shape)
    inner = shape_of_args((sizes,), "sizes")
    known = prod(n for n in inner if n != -1)
    if inner.count(-1) == 1 and known and shape[dim] % known == 0:
        inner = tuple(shape[dim] // known if n == -1 else n for n in inner)
    if prod(inner) != shape[dim] or -1 in inner:
        raise ShapeError(
            f"unflatten(input, dim, sizes): {inner} is not {shape[dim]} entries\n"
            f"  input  {input.spec}\n"
            f"  expected sizes whose product is input.shape[{dim}] == {shape[dim]}"
        )
    return reshape(input, (*shape[:dim], *inner, *shape[dim + 1 :]))


# Dimensions in another place ---------------------------------------------------------------


def movedim(input: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """Move dimensions: ``(N, H, W, C)`` with ``-1, 1`` becomes ``(N, C, H, W)``.

    >>> import minitorch_lab as lab
    >>> lab.movedim(lab.zeros(2, 28, 28, 3), -1, 1).shape
    Size([2, 3, 28, 28])
    """
    pairs = []
    for name, given in (("source", source), ("destination", destination)):
        dims = given if isinstance(given, (tuple, list)) else (given,)
        places = [one_dim(d, input.ndim, name) for d in dims]
        if len(set(places)) != len(places):
            raise ShapeError(f"movedim: {name}={tuple(dims)} names a dimension twice")
        pairs.append(places)
    if len(pairs[0]) != len(pairs[1]):
        raise ShapeError(
            f"movedim: {len(pairs[0])} dimensions for {len(pairs[1])} places\n"
            "  expected as many in source as in destination"
        )
    moved = dict(zip(pairs[1], pairs[0], strict=True))
    rest = iter([d for d in range(input.ndim) if d not in pairs[0]])
    return permute(input, [moved[i] if i in moved else next(rest) for i in range(input.ndim)])


def atleast_1d(*tensors: Any) -> Any:
    """A number as ``(1,)``, anything else as it is; several tensors give a tuple.

    >>> import minitorch_lab as lab
    >>> lab.atleast_1d(lab.tensor(5))
    tensor([5])
    """
    return _each(lambda x: reshape(x, 1) if x.ndim == 0 else x, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """``()`` as ``(1, 1)`` and ``(N,)`` as ``(1, N)``; several tensors give a tuple.

    >>> import minitorch_lab as lab
    >>> lab.atleast_2d(lab.tensor([1, 2]))
    tensor([[1, 2]])
    """
    return _each(lambda x: reshape(x, 1, -1) if x.ndim < 2 else x, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Three dimensions: ``(N,)`` as ``(1, N, 1)``, ``(N, M)`` as ``(N, M, 1)``.

    >>> import minitorch_lab as lab
    >>> lab.atleast_3d(lab.tensor([1, 2])).shape
    Size([1, 2, 1])
    """
    return _each(
        lambda x: unsqueeze(atleast_2d(x), -1) if x.ndim < 3 else x,
        tensors,
    )


def _each(function: Callable[[Any], Any], tensors: tuple[Any, ...]) -> Any:
    if len(tensors) == 1 and not isinstance(tensors[0], (tuple, list)):
        return function(tensors[0])
    several = tensors[0] if len(tensors) == 1 else tensors
    return tuple(function(x) for x in several)


# Taking apart and joining ------------------------------------------------------------------


def split(
    tensor: Any,
    split_size_or_sections: int | Sequence[int] | None = None,
    dim: int = 0,
    *,
    split_size: int | Sequence[int] | None = None,
) -> Any:
    """Parts along ``dim``: of one size (the last may be smaller), or of the sizes in a list.

    Shapes: ``(N, 3 * C)`` with size ``C`` and ``dim=1`` gives three of ``(N, C)``.

    >>> import minitorch_lab as lab
    >>> [part.tolist() for part in lab.split(lab.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    if split_size is not None and split_size_or_sections is None:
        split_size_or_sections = split_size  # what PyTorch's method calls it
    dim = one_dim(dim, tensor.ndim)
    n = _length(tensor, dim, "split")
    if isinstance(split_size_or_sections, (tuple, list)):
        sizes = list(shape_of_args((split_size_or_sections,), "split_size_or_sections"))
        if sum(sizes) != n or any(size < 0 for size in sizes):
            raise ShapeError(
                f"split(tensor, sizes): the sizes {sizes} add up to {sum(sizes)}\n"
                f"  tensor  {tensor.spec}\n"
                f"  expected sizes of 0 or more that add up to tensor.shape[{dim}] == {n}"
            )
    else:
        (size,) = shape_of_args((split_size_or_sections,), "split_size_or_sections")
        if size < 0 or (size == 0 and n):
            raise ShapeError(
                f"split(tensor, size): the parts cannot have size {size}\n"
                f"  tensor  {tensor.spec}\n"
                "  expected a size of 1 or more; chunk(tensor, count) takes the number of parts"
            )
        sizes = [min(size, n - start) for start in range(0, n, size)] if n else [0]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(narrow(tensor, dim, a, size) for a, size in zip(starts, sizes, strict=True))


def chunk(input: Any, chunks: int, dim: int = 0) -> Any:
    """At most ``chunks`` parts along ``dim``, of equal size except the last.

    >>> import minitorch_lab as lab
    >>> [part.tolist() for part in lab.chunk(lab.arange(5), 3)]
    [[0, 1], [2, 3], [4]]
    """
    (count,) = shape_of_args((chunks,), "chunks")
    if count < 1:
        raise ShapeError(f"chunk(input, chunks): expected 1 chunk or more, got {count}")
    n = _length(input, one_dim(dim, input.ndim), "chunk")
    return split(input, -(-n // count), dim) if n else split(input, [0] * count, dim)


def tensor_split(
    input: Any,
    indices_or_sections: Any = None,
    dim: int = 0,
    *,
    indices: Any = None,
    sections: int | None = None,
) -> Any:
    """Parts along ``dim``: so many, of nearly equal sizes, or cut at a list of places.

    >>> import minitorch_lab as lab
    >>> [part.tolist() for part in lab.tensor_split(lab.arange(5), 2)]
    [[0, 1, 2], [3, 4]]
    """
    given = [v for v in (indices_or_sections, indices, sections) if v is not None]
    if len(given) != 1:
        raise KindError("tensor_split(input, indices_or_sections): expected one number or list")
    dim = one_dim(dim, input.ndim)
    n = _length(input, dim, "tensor_split")
    cuts = given[0].tolist() if hasattr(given[0], "tolist") else given[0]
    if isinstance(cuts, (list, tuple)):
        places = [*shape_of_args((cuts,), "indices")]
    else:
        (count,) = shape_of_args((cuts,), "sections")
        if count < 1:
            raise ShapeError(f"tensor_split(input, sections): expected 1 part or more, got {count}")
        places = [i * (n // count) + min(i, n % count) for i in range(1, count)]
    # as slices cut: beyond the end is the end, below 0 counts from there
    spans = [range(n)[slice(*ends)] for ends in zip([0, *places], [*places, n], strict=True)]
    return tuple(narrow(input, dim, span.start if span else 0, len(span)) for span in spans)


def _even_split(name: str, input: Any, given: Any, dim: int, least: int) -> Any:
    if input.ndim < least:
        raise ShapeError(
            f"{name}(input): expected {least} dimension{'s' * (least > 1)} or more\n"
            f"  input  {input.spec}"
        )
    if not isinstance(given, (list, tuple)):
        (count,) = shape_of_args((given,), "sections")
        if count < 1 or input.shape[dim] % count:
            raise ShapeError(
                f"{name}(input, sections): {count} equal parts do not fit\n"
                f"  input  {input.spec}\n  expected a divisor of {input.shape[dim]}\n"
                "  tensor_split() takes any number"
            )
    return tensor_split(input, given, dim)


def hsplit(input: Any, indices_or_sections: Any) -> Any:
    """Parts side by side: what ``hstack`` joins.

    >>> import minitorch_lab as lab
    >>> [part.tolist() for part in lab.hsplit(lab.tensor([[1, 2], [3, 4]]), 2)]
    [[[1], [3]], [[2], [4]]]
    """
    return _even_split("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


def vsplit(input: Any, indices_or_sections: Any) -> Any:
    """Parts one below the other: what ``vstack`` joins.

    >>> import minitorch_lab as lab
    >>> [part.tolist() for part in lab.vsplit(lab.tensor([[1, 2], [3, 4]]), 2)]
    [[[1, 2]], [[3, 4]]]
    """
    return _even_split("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Any, indices_or_sections: Any) -> Any:
    """Parts along the third dimension: what ``dstack`` joins.

    >>> import minitorch_lab as lab
    >>> [part.shape for part in lab.dsplit(lab.zeros(2, 3, 4), 2)]
    [Size([2, 3, 2]), Size([2, 3, 2])]
    """
    return _even_split("dsplit", input, indices_or_sections, 2, 3)


def unbind(input: Any, dim: int = 0) -> Any:
    """The parts along ``dim`` without that dimension: the rows of a matrix.

    >>> import minitorch_lab as lab
    >>> lab.unbind(lab.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    dim = one_dim(dim, input.ndim)
    return tuple(select(input, dim, i) for i in range(_length(input, dim, "unbind")))


def _length(x: Any, dim: int, name: str) -> int:
    if not x.ndim:
        raise ShapeError(f"{name}: a 0-d tensor cannot be taken apart; it has no dimension")
    return int(x.shape[dim])


def _list_of(name: str, tensors: Any) -> list[Any]:
    if not isinstance(tensors, (tuple, list)):
        raise KindError(
            f"{name}(tensors): expected a list or tuple of tensors, got {describe(tensors)}"
        )
    if not tensors:
        raise ShapeError(f"{name}(tensors): expected one tensor or more, got none")
    return list(tensors)


def hstack(tensors: Sequence[Any]) -> Any:
    """Join side by side: vectors end to end, matrices along their columns.

    >>> import minitorch_lab as lab
    >>> lab.hstack([lab.tensor([1, 2]), lab.tensor([3])])
    tensor([1, 2, 3])
    """
    parts = [atleast_1d(x) for x in _list_of("hstack", tensors)]
    return cat(parts, 0 if parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Any:
    """Join one below the other: a vector counts as a row.

    >>> import minitorch_lab as lab
    >>> lab.vstack([lab.tensor([1, 2]), lab.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return cat([atleast_2d(x) for x in _list_of("vstack", tensors)], 0)


def dstack(tensors: Sequence[Any]) -> Any:
    """Join along the third dimension.

    >>> import minitorch_lab as lab
    >>> lab.dstack([lab.tensor([1, 2]), lab.tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    return cat([atleast_3d(x) for x in _list_of("dstack", tensors)], 2)


def column_stack(tensors: Sequence[Any]) -> Any:
    """Join along the columns: a vector counts as a column.

    >>> import minitorch_lab as lab
    >>> lab.column_stack([lab.tensor([1, 2]), lab.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    return cat(
        [reshape(x, -1, 1) if x.ndim < 2 else x for x in _list_of("column_stack", tensors)], 1
    )


def meshgrid(*tensors: Any, indexing: str = "ij") -> Any:
    """Vectors repeated to one grid: ``(N,)`` and ``(M,)`` give two of ``(N, M)``.

    ``indexing="xy"`` swaps the first two dimensions: ``(M, N)``, as x and y of a picture.

    >>> import minitorch_lab as lab
    >>> rows, columns = meshgrid(lab.arange(2), lab.arange(3))
    >>> rows
    tensor([[0, 0, 0],
            [1, 1, 1]])
    """
    several = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    parts = [atleast_1d(x) for x in _list_of("meshgrid", several)]
    if indexing not in ("ij", "xy"):
        raise ShapeError(f"meshgrid: expected indexing 'ij' or 'xy', got {indexing!r}")
    for i, x in enumerate(parts):
        if x.ndim != 1:
            raise ShapeError(
                f"meshgrid: tensors[{i}] is no vector\n  tensors[{i}]  {x.spec}\n"
                "  expected shape (N,) or ()"
            )
    order = list(range(len(parts)))
    if indexing == "xy" and len(parts) > 1:
        order[:2] = [1, 0]
    shape = tuple(int(parts[i].shape[0]) for i in order)
    rows = [
        reshape(x, tuple(-1 if order[k] == i else 1 for k in range(len(parts))))
        for i, x in enumerate(parts)
    ]
    return tuple(expand(x, shape) for x in rows)


# Repeating ---------------------------------------------------------------------------------


def _repeat_bind(input: Any, *repeats: Any, **named: Any) -> Bound:
    counts = _ints("repeat", "repeats", repeats, named)
    if len(counts) < input.ndim or any(n < 0 for n in counts):
        raise ShapeError(
            f"repeat(input, {counts}): these are no repeats for {input.ndim} dimensions\n"
            f"  input  {input.spec}\n"
            f"  expected {input.ndim} counts of 0 or more at least; tile() takes fewer"
        )
    return (input,), {"repeats": counts}


def _repeat_grad(g: Any, y: Any, x: Any, repeats: tuple[int, ...]) -> Any:
    lead = (1,) * (len(repeats) - x.ndim)
    pairs = [m for pair in zip(repeats, (*lead, *x.shape), strict=True) for m in pair]
    parts = reshape(g, tuple(int(m) for m in pairs))
    return reshape(OPS["sum"](parts, tuple(range(0, len(pairs), 2))), tuple(x.shape))


repeat: Op = op(
    "repeat",
    "Copies of the tensor side by side, so many along each dimension.",
    example="""
        >>> lab.tensor([1, 2]).repeat(2)
        tensor([1, 2, 1, 2])
        >>> lab.tensor([1, 2]).repeat(2, 1)
        tensor([[1, 2],
                [1, 2]])
    """,
    forward=lambda xp, input, repeats: xp.tile(input, repeats),
    bind=_repeat_bind,
    vjp=_repeat_grad,
    shape=lambda x, repeats: replace(
        x,
        shape=tuple(
            n * m for n, m in zip(repeats, (*(1,) * (len(repeats) - x.ndim), *x.shape), strict=True)
        ),
    ),
    formula=(r"y_{kn+i} = x_i", r"\bar x_i = \sum_k \bar y_{kn+i}"),
    cost=per_entry(0),
    onnx="Tile",
    samples=[
        sample(normal(2, 3), repeats=(2, 1, 3)),
        sample(normal(2), repeats=(3,)),
        sample(normal(), repeats=(2, 2)),
    ],
)


def tile(input: Any, *dims: Any, **named: Any) -> Any:
    """Copies side by side; fewer counts than dimensions repeat the last dimensions only.

    >>> import minitorch_lab as lab
    >>> lab.tile(lab.tensor([1, 2]), (2, 2))
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    counts = _ints("tile", "dims", dims, named)
    return repeat(input, (*(1,) * (input.ndim - len(counts)), *counts))


# Turning and shifting ----------------------------------------------------------------------


def _flip_bind(input: Any, *dims: Any, **named: Any) -> Bound:
    places = tuple(one_dim(d, input.ndim) for d in _ints("flip", "dims", dims, named))
    if len(set(places)) != len(places):
        raise ShapeError(f"flip: dims={places} names a dimension twice")
    return (input,), {"dims": places}


def _flip_forward(xp: Any, input: Any, dims: tuple[int, ...]) -> Any:
    back = slice(None, None, -1)
    return input[tuple(back if i in dims else slice(None) for i in range(input.ndim))].copy()


flip: Op = op(
    "flip",
    "The entries in reverse order along dims.",
    example="""
        >>> lab.flip(lab.tensor([1, 2, 3]), (0,))
        tensor([3, 2, 1])
    """,
    forward=_flip_forward,
    bind=_flip_bind,
    vjp=lambda g, y, x, dims: flip(g, dims),
    shape=lambda x, dims: x,
    formula=(r"y_i = x_{n-1-i}", r"\bar x_i = \bar y_{n-1-i}"),
    cost=per_entry(0),
    samples=[sample(normal(3, 4), dims=(1,)), sample(normal(2, 3), dims=(0, 1))],
)


def fliplr(input: Any) -> Any:
    """Columns in reverse order.

    >>> import minitorch_lab as lab
    >>> lab.fliplr(lab.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    return flip(input, 1)


def flipud(input: Any) -> Any:
    """Rows in reverse order.

    >>> import minitorch_lab as lab
    >>> lab.flipud(lab.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    return flip(input, 0)


def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """A quarter turn ``k`` times in the plane of two dimensions, from the first to the second.

    >>> import minitorch_lab as lab
    >>> lab.rot90(lab.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(shape_of_args((dims,), "dims")) != 2:
        raise ShapeError(f"rot90(input, k, dims): expected two dims, got {tuple(dims)}")
    if input.ndim < 2:
        raise ShapeError(f"rot90(input): expected 2 dimensions or more\n  input  {input.spec}")
    a, b = _two_dims("rot90", dims[0], dims[1], input.ndim, ("dims[0]", "dims[1]"))
    turns = k % 4
    if turns == 1:
        return transpose(flip(input, b), a, b)
    if turns == 3:
        return flip(transpose(input, a, b), b)
    return flip(input, (a, b)) if turns else clone(input)


def roll(input: Any, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Any:
    """Shift entries along ``dims``; what leaves at the end comes in at the start.

    Without ``dims`` the tensor is shifted as one long row.

    >>> import minitorch_lab as lab
    >>> lab.roll(lab.arange(4), 1)
    tensor([3, 0, 1, 2])
    """
    steps = shape_of_args((shifts,), "shifts")
    places = () if dims is None else shape_of_args((dims,), "dims")
    if not places and len(steps) == 1:
        return reshape(_rolled(ravel(input), steps[0], 0), tuple(input.shape))
    if len(steps) != len(places):
        raise ShapeError(
            f"roll: {len(steps)} shifts for {len(places)} dims\n  expected as many of both"
        )
    for step, dim in zip(steps, places, strict=True):
        input = _rolled(input, step, one_dim(dim, input.ndim))
    return input


def _rolled(x: Any, shift: int, dim: int) -> Any:
    n = int(x.shape[dim]) if x.ndim else 0
    cut = (n - shift) % n if n else 0
    if not cut:
        return clone(x)
    return cat([narrow(x, dim, cut, n - cut), narrow(x, dim, 0, cut)], dim)


# Diagonals and triangles -------------------------------------------------------------------


def select(input: Any, dim: int, index: int) -> Any:
    """One slice along ``dim``, without that dimension: row 2 is ``select(0, 2)``.

    >>> import minitorch_lab as lab
    >>> lab.select(lab.tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([3, 4])
    """
    if not input.ndim:
        raise IndexingError("select: a 0-d tensor has no dimension to select from")
    dim = one_dim(dim, input.ndim)
    (place,) = shape_of_args((index,), "index")
    return slice_(input, index=(*(slice(None),) * dim, place))


def _places(n: int, m: int, offset: int) -> slice:
    """Where the diagonal of an (n, m) matrix lies in its n * m entries."""
    count = max(min(n, m - offset) if offset >= 0 else min(n + offset, m), 0)
    start = offset if offset >= 0 else -offset * m
    return slice(start, start + (count - 1) * (m + 1) + 1, m + 1) if count else slice(0, 0)


def _two_dims(
    name: str, dim1: int, dim2: int, ndim: int, names: tuple[str, str] = ("dim1", "dim2")
) -> tuple[int, int]:
    a, b = one_dim(dim1, ndim, names[0]), one_dim(dim2, ndim, names[1])
    if a == b:
        raise ShapeError(f"{name}: {names[0]}={dim1} and {names[1]}={dim2} are the same dimension")
    return a, b


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The diagonal of the matrices in two dimensions, as the last dimension of the result.

    Shapes: ``(N, N)`` gives ``(N,)``; ``(B, N, N)`` with ``dim1=1, dim2=2`` gives ``(B, N)``.
    ``offset`` above 0 takes a diagonal further up, below 0 one further down.

    >>> import minitorch_lab as lab
    >>> lab.diagonal(lab.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return see(input, _diagonal_path(input, offset, dim1, dim2))


def _diagonal_path(input: Any, offset: int, dim1: int, dim2: int) -> Path:
    if input.ndim < 2:
        raise IndexingError(f"diagonal: expected 2 dimensions or more, got {input.ndim}")
    a, b = _two_dims("diagonal", dim1, dim2, input.ndim)
    rest = [d for d in range(input.ndim) if d not in (a, b)]
    order = (*rest, a, b)
    n, m = (int(input.shape[d]) for d in (a, b))
    batch = tuple(int(input.shape[d]) for d in rest)
    index = (*(slice(None),) * len(rest), _places(n, m, int(offset)))
    turn: Path = () if order == (*range(input.ndim),) else (("permute", {"dims": order}),)
    return (*turn, ("reshape", {"shape": (*batch, n * m)}), ("slice", {"index": index}))


def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The input with ``src`` on its diagonal.

    >>> import minitorch_lab as lab
    >>> lab.diagonal_scatter(lab.zeros(2, 2), lab.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _replaced("diagonal_scatter", input, src, _diagonal_path(input, offset, dim1, dim2))


def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """The input with ``src`` in place of one slice along ``dim``.

    >>> import minitorch_lab as lab
    >>> lab.select_scatter(lab.zeros(2, 2), lab.ones(2), dim=0, index=1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    dim = one_dim(dim, input.ndim)
    where = (*(slice(None),) * dim, int(index))
    return _replaced("select_scatter", input, src, (("slice", {"index": where}),))


def slice_scatter(
    input: Any,
    src: Any,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Any:
    """The input with ``src`` in place of ``input[start:end:step]`` along ``dim``.

    >>> import minitorch_lab as lab
    >>> lab.slice_scatter(lab.zeros(5), lab.ones(2), start=1, end=3)
    tensor([0., 1., 1., 0., 0.])
    """
    dim = one_dim(dim, input.ndim)
    where = (*(slice(None),) * dim, slice(start, end, step))
    return _replaced("slice_scatter", input, src, (("slice", {"index": where}),))


def _replaced(name: str, input: Any, src: Any, through: Path) -> Any:
    place = tuple(see(input, through).shape)
    if not hasattr(src, "shape") or tuple(src.shape) != place:
        raise ShapeError(
            f"{name}(input, src): src does not fit\n  input  {input.spec}\n"
            f"  src    {src.spec if hasattr(src, 'spec') else describe(src)}\n"
            f"  expected src of shape {place}"
        )
    return write_view(input, src, through=through)


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices with the last dimension of the input on a diagonal, zeros elsewhere.

    Shapes: ``(B, N)`` gives ``(B, N, N)``, one larger for each step of ``offset``.

    >>> import minitorch_lab as lab
    >>> lab.diag_embed(lab.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if not input.ndim:
        raise ShapeError("diag_embed: expected 1 dimension or more, got 0")
    batch = tuple(int(v) for v in input.shape[:-1])
    a, b = _two_dims("diag_embed", dim1, dim2, input.ndim + 1)
    n = int(input.shape[-1]) + abs(int(offset))
    where = (*(slice(None),) * len(batch), _places(n, n, int(offset)))
    flat = unslice(input, index=where, shape=(*batch, n * n))
    full = reshape(flat, (*batch, n, n))
    order = [*range(len(batch))]
    for place, source in sorted(((a, len(batch)), (b, len(batch) + 1))):
        order.insert(place, source)
    return full if order == [*range(full.ndim)] else permute(full, order)


def diag(input: Any, diagonal: int = 0) -> Any:
    """The diagonal of a matrix, or a matrix with a vector on its diagonal.

    Shapes: ``(N, N)`` gives ``(N,)``, and ``(N,)`` gives ``(N, N)``.

    >>> import minitorch_lab as lab
    >>> lab.diag(lab.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.ndim not in (1, 2):
        raise ShapeError(
            f"diag(input): expected a vector or a matrix\n  input  {input.spec}\n"
            "  diagonal() takes the diagonals of a batch, diag_embed() makes them"
        )
    return diag_embed(input, diagonal) if input.ndim == 1 else _diagonal(input, diagonal)


_diagonal = diagonal  # diag has an argument of this name


def diagflat(input: Any, offset: int = 0) -> Any:
    """A matrix with all entries of the input on its diagonal.

    >>> import minitorch_lab as lab
    >>> lab.diagflat(lab.tensor([[1, 2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return diag_embed(ravel(input), offset)


def _triangle(name: str) -> Callable[..., Bound]:
    def bind(input: Any, diagonal: int = 0) -> Bound:
        if input.ndim < 2:
            raise ShapeError(
                f"{name}(input): expected a matrix or a batch of matrices\n  input  {input.spec}"
            )
        return (input,), {"diagonal": int(diagonal)}

    return bind


triu: Op = op(
    "triu",
    "The upper triangle of a matrix, zeros below: entries from the diagonal on.",
    example="""
        >>> lab.triu(lab.ones(3, 3))
        tensor([[1., 1., 1.],
                [0., 1., 1.],
                [0., 0., 1.]])
    """,
    forward=lambda xp, input, diagonal: xp.triu(input, diagonal),
    bind=_triangle("triu"),
    vjp=lambda g, y, x, diagonal: triu(g, diagonal),
    shape=lambda x, diagonal: x,
    formula=(r"y_{ij} = x_{ij}\,[j - i \ge k]", r"\bar x_{ij} = \bar y_{ij}\,[j - i \ge k]"),
    cost=per_entry(0),
    onnx="Trilu",
    samples=[sample(normal(3, 4), diagonal=0), sample(normal(2, 3, 3), diagonal=1)],
)
tril: Op = op(
    "tril",
    "The lower triangle of a matrix, zeros above: entries up to the diagonal.",
    example="""
        >>> lab.tril(lab.ones(3, 3), -1)
        tensor([[0., 0., 0.],
                [1., 0., 0.],
                [1., 1., 0.]])
    """,
    forward=lambda xp, input, diagonal: xp.tril(input, diagonal),
    bind=_triangle("tril"),
    vjp=lambda g, y, x, diagonal: tril(g, diagonal),
    shape=lambda x, diagonal: x,
    formula=(r"y_{ij} = x_{ij}\,[j - i \le k]", r"\bar x_{ij} = \bar y_{ij}\,[j - i \le k]"),
    cost=per_entry(0),
    onnx="Trilu",
    samples=[sample(normal(3, 4), diagonal=0), sample(normal(2, 3, 3), diagonal=-1)],
)


def expand_as(input: Any, other: Any) -> Any:
    """Repeated to the shape of ``other``, without copying.

    >>> import minitorch_lab as lab
    >>> lab.tensor([[1], [2]]).expand_as(lab.zeros(2, 3))
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    return expand(input, tuple(other.shape))


def broadcast_to(input: Any, size: Sequence[int]) -> Any:
    """Repeated to shape ``size``, without copying: dimensions of size 1 are repeated.

    >>> import minitorch_lab as lab
    >>> lab.broadcast_to(lab.tensor([1, 2, 3]), (2, 3))
    tensor([[1, 2, 3],
            [1, 2, 3]])
    """
    return expand(input, size)


def broadcast_tensors(*tensors: Any) -> Any:
    """The tensors, each repeated to their common shape.

    >>> import minitorch_lab as lab
    >>> x, y = lab.broadcast_tensors(lab.zeros(2, 1), lab.zeros(3))
    >>> x.shape, y.shape
    (Size([2, 3]), Size([2, 3]))
    """
    shape = common_shape(*(x.shape for x in tensors))
    return tuple(expand(x, shape) for x in tensors)


def common_shape(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that these broadcast to, aligned from the right.

    >>> import minitorch_lab as lab
    >>> lab.broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    try:
        return broadcast_shapes(*(shape_of_args((shape,)) for shape in shapes))
    except Mismatch as mismatch:
        raise ShapeError(
            f"broadcast: {mismatch.problem}\n  {mismatch.expected}\n  {mismatch.hint}"
        ) from None


def cartesian_prod(*tensors: Any) -> Any:
    """Every combination of one entry from each vector: ``(N,)`` and ``(M,)`` give ``(N * M, 2)``.

    >>> import minitorch_lab as lab
    >>> lab.cartesian_prod(lab.tensor([1, 2]), lab.tensor([3, 4])).tolist()
    [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    for i, x in enumerate(_list_of("cartesian_prod", tensors)):
        if x.ndim != 1:
            raise ShapeError(
                f"cartesian_prod(*tensors): tensors[{i}] is no vector\n"
                f"  tensors[{i}]  {x.spec}\n  expected shape (N,)"
            )
    if len(tensors) == 1:
        return tensors[0]
    return stack([ravel(x) for x in meshgrid(*tensors, indexing="ij")], 1)


def block_diag(*tensors: Any) -> Any:
    """Matrices along the diagonal of a larger one, zeros elsewhere; a vector counts as a row.

    >>> import minitorch_lab as lab
    >>> lab.block_diag(lab.tensor([[1, 2]]), lab.tensor([[3]]))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    parts = [atleast_2d(x) for x in _list_of("block_diag", tensors)]
    for i, x in enumerate(parts):
        if x.ndim != 2:
            raise ShapeError(
                f"block_diag(*tensors): tensors[{i}] is no matrix\n"
                f"  tensors[{i}]  {x.spec}\n  expected 2 dimensions or less"
            )
    shape = tuple(sum(int(x.shape[k]) for x in parts) for k in (0, 1))
    row = column = 0
    total: Any = None
    for x in parts:
        n, m = (int(v) for v in x.shape)
        where = (slice(row, row + n), slice(column, column + m))
        placed = unslice(x, index=where, shape=shape)
        total = placed if total is None else total + placed
        row, column = row + n, column + m
    return total


# In place: the tensor itself takes another shape -------------------------------------------


def squeeze_(input: Any, dim: int | Sequence[int] | None = None) -> Any:
    """``squeeze`` in place: the tensor itself takes the shape."""
    return current().become(input, lambda x: squeeze(x, dim))


def unsqueeze_(input: Any, dim: int) -> Any:
    """``unsqueeze`` in place: the tensor itself takes the shape."""
    return current().become(input, lambda x: unsqueeze(x, dim))


def transpose_(input: Any, dim0: int, dim1: int) -> Any:
    """``transpose`` in place: the tensor itself takes the shape."""
    return current().become(input, lambda x: transpose(x, dim0, dim1))


def swapaxes_(input: Any, axis0: int, axis1: int) -> Any:
    """``swapaxes`` in place: the tensor itself takes the shape."""
    return transpose_(input, axis0, axis1)


def t_(input: Any) -> Any:
    """``t`` in place: the tensor itself takes the shape."""
    return current().become(input, t)


FUNCTIONS = {
    name: globals()[name]
    for name in (
        "reshape view reshape_as view_as is_contiguous contiguous flatten ravel unflatten squeeze "
        "unsqueeze permute transpose t movedim atleast_1d atleast_2d atleast_3d expand expand_as "
        "broadcast_to broadcast_tensors cat stack hstack vstack dstack column_stack meshgrid "
        "narrow select split chunk unbind repeat tile flip fliplr flipud roll diagonal diag "
        "diag_embed diagflat triu tril adjoint swapaxes tensor_split hsplit vsplit dsplit rot90 "
        "diagonal_scatter select_scatter slice_scatter cartesian_prod block_diag squeeze_ "
        "unsqueeze_ transpose_ swapaxes_ t_"
    ).split()
}
FUNCTIONS |= {
    "concat": cat,
    "concatenate": cat,
    "moveaxis": movedim,
    "row_stack": vstack,
    "broadcast_shapes": common_shape,
    "swapdims": transpose,
    "swapdims_": transpose_,
}
NOT_METHODS = tuple(
    "cat concat concatenate stack hstack vstack dstack column_stack meshgrid atleast_1d "
    "atleast_2d atleast_3d broadcast_tensors broadcast_shapes row_stack cartesian_prod "
    "block_diag".split()
)
IN_PLACE = ("triu", "tril")
