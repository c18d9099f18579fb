"""Indexing with tensors: gather, scatter, and the square brackets of a tensor."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from ..device import ends, known, move, namespace_for, namespace_of, to_host
from ..errors import (
    ComputeError,
    DTypeError,
    IndexingError,
    KindError,
    LabError,
    ShapeError,
    describe,
)
from ..op import (
    OPS,
    Attrs,
    Mismatch,
    Op,
    Spec,
    apart,
    check_same_dtype,
    current,
    integers,
    normal,
    op,
    sample,
)
from . import elementwise as e
from .movement import (
    broadcast_tensors,
    expand,
    expand_ellipsis,
    index_shape,
    movedim,
    ravel,
    reshape,
    slice_,
    unslice,
)
from .rules import add_at, add_rows, broadcast_shapes, one_dim, per_entry

Bound = tuple[tuple[Any, ...], Attrs]


def _need_index(index: Spec, name: str = "index") -> None:
    if index.dtype.kind not in "iu":
        raise Mismatch(
            f"{name} must be integers",
            f"expected int64, got {index.dtype}",
            "convert with .long()",
            DTypeError,
        )


# Along one dimension -----------------------------------------------------------------------


def _gather_bind(input: Any, dim: int, index: Any) -> Bound:
    return (input, index), {"dim": one_dim(dim, input.ndim)}


def _gather_shape(x: Spec, index: Spec, dim: int) -> Spec:
    _need_index(index)
    if x.ndim != index.ndim or any(
        n > m for k, (n, m) in enumerate(zip(index.shape, x.shape, strict=True)) if k != dim
    ):
        raise Mismatch(
            "index does not fit input",
            f"expected {x.ndim} dimensions, none larger than {x.shape} except dimension {dim}, "
            f"got {index.shape}",
        )
    return replace(x, shape=index.shape)


def _corner(x: Any, index: Any, dim: int) -> Any:
    """The part of x that index can reach: PyTorch lets index be smaller in other dimensions."""
    return x[tuple(slice(None) if k == dim else slice(n) for k, n in enumerate(index.shape))]


def check_range(
    index: Any,
    size: int,
    name: str = "index",
    low: int = 0,
    error: type[LabError] = IndexingError,
) -> None:
    """Mismatch unless each index is from ``low`` to ``size - 1``."""
    if not index.size:
        return
    least, most = ends(index)
    if least < low or most >= size:
        bad = to_host(index[(index < low) | (index >= size)])
        raise Mismatch(
            f"{name} is out of range",
            f"expected entries from {low} to {size - 1}, got {int(bad.ravel()[0])}",
            error=error,
        )


def _gather_forward(xp: Any, input: Any, index: Any, dim: int) -> Any:
    _need_index(index)
    check_range(index, input.shape[dim], error=ComputeError)
    if dim == 1 and index.ndim == 2:  # take_along_axis does the same in three times the time
        return input[xp.arange(index.shape[0])[:, None], index]
    return xp.take_along_axis(_corner(input, index, dim), index, axis=dim)


gather: Op = op(
    "gather",
    "The entries of input at index, along dim.",
    forward=_gather_forward,
    bind=_gather_bind,
    vjp=lambda g, y, x, index, dim: scatter_zeros(g, index, dim=dim, shape=tuple(x.shape)),
    saved="index",
    shape=_gather_shape,
    formula=(r"y_{ij} = x_{i,k_{ij}}", r"\bar x_{i,k_{ij}} \mathrel{+}= \bar y_{ij}"),
    cost=per_entry(0),
    onnx="GatherElements",
    samples=[
        sample(normal(3, 4), integers(4, 3, 2), dim=1),
        sample(normal(3, 4), integers(3, 2, 4), dim=0),
    ],
)


def gather_any(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """The entries of input at index, along dim: ``y[i, j] = input[i, index[i, j]]`` for dim 1.

    Shapes: ``(N, M)`` and ``(N, K)`` give ``(N, K)``; ``sparse_grad`` changes nothing.

    >>> import minitorch_lab as lab
    >>> lab.gather(lab.tensor([[1, 2], [3, 4]]), 1, lab.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    one_dim(dim, input.ndim)
    if not _is_index("gather", index):
        return reshape(slice_(ravel(input), index=(slice(0, 0),)), tuple(index.shape))
    if index.ndim and input.ndim:
        return gather(input, dim, index)
    _same_ndim("gather", input, index)
    return reshape(gather(ravel(input), 0, ravel(index)), tuple(index.shape))


def _is_index(name: str, index: Any) -> bool:
    """Whether an index tensor names anything; KindError where it is none."""
    if not hasattr(index, "spec"):
        raise KindError(f"{name}: expected index to be a tensor of ints, got {describe(index)}")
    return bool(index.numel())


def _same_ndim(name: str, input: Any, index: Any) -> None:
    """Of a 0-d tensor and a vector either may stand for the other."""
    if max(input.ndim, index.ndim) > 1:
        raise ShapeError(
            f"{name}(input, dim, index): index does not fit input\n  input  {input.spec}\n"
            f"  index  {index.spec}\n  expected the same number of dimensions"
        )


def _where(xp: Any, index: Any, dim: int) -> tuple[Any, ...]:
    """The places that an index along ``dim`` names, for square brackets."""
    where = list(xp.ogrid[tuple(slice(n) for n in index.shape)])
    where[dim] = index
    return tuple(where)


def _zeros_forward(xp: Any, input: Any, index: Any, dim: int, shape: tuple[int, ...]) -> Any:
    out = xp.zeros(shape, input.dtype)
    add_at(xp, out, _where(xp, index, dim), input)
    return out


scatter_zeros: Op = op(
    "scatter_zeros",
    "Zeros of a shape with the input added at index: the gradient of gather.",
    forward=_zeros_forward,
    vjp=lambda g, y, x, index, dim, shape: gather(g, dim, index),
    saved="index",
    shape=lambda x, index, dim, shape: replace(x, shape=shape),
    formula=(r"y_{i,k_{ij}} \mathrel{+}= x_{ij}", r"\bar x_{ij} = \bar y_{i,k_{ij}}"),
    cost=per_entry(),
    onnx="ScatterElements",
    samples=[sample(normal(3, 2), integers(4, 3, 2), dim=1, shape=(3, 4))],
)


def _scatter_bind(input: Any, dim: int, index: Any, src: Any) -> Bound:
    return (input, index, src), {"dim": one_dim(dim, input.ndim)}


def _scatter_add_bind(input: Any, dim: int, index: Any, src: Any) -> Bound:
    return (input, index, src), {"dim": one_dim(dim, input.ndim)}


def _check_scatter(x: Any, index: Any, src: Any, dim: int) -> None:
    """Mismatch unless index and src fit; all three are arrays or specs, src also a number."""
    _need_index(index)
    fits = x.ndim == index.ndim > 0 and all(
        n <= m or k == dim for k, (n, m) in enumerate(zip(index.shape, x.shape, strict=True))
    )
    if not fits:
        raise Mismatch(
            "index does not fit input",
            f"expected {x.ndim} dimensions, none larger than {tuple(x.shape)} "
            f"except dimension {dim}, got {tuple(index.shape)}",
        )
    if not getattr(src, "ndim", 0):
        return
    if src.ndim != index.ndim or any(n > m for n, m in zip(index.shape, src.shape, strict=True)):
        raise Mismatch(
            "src does not cover index",
            f"expected sizes of {tuple(index.shape)} or more, got {tuple(src.shape)}",
        )
    check_same_dtype(x, src, names=("input", "src"))


def _scatter_parts(xp: Any, target: Any, index: Any, src: Any, dim: int) -> tuple[Any, Any]:
    """Where the entries go, and those entries of src that go there."""
    _check_scatter(target, index, src, dim)
    check_range(index, target.shape[dim], error=ComputeError)
    used = src[tuple(slice(n) for n in index.shape)] if getattr(src, "ndim", 0) else src
    return _where(xp, index, dim), used


def _scatter_inplace(xp: Any, target: Any, index: Any, src: Any, dim: int) -> None:
    where, used = _scatter_parts(xp, target, index, src, dim)
    target[where] = used


def _scatter_forward(xp: Any, input: Any, index: Any, src: Any, dim: int) -> Any:
    out = input.copy()
    _scatter_inplace(xp, out, index, src, dim)
    return out


def _scatter_add_inplace(xp: Any, target: Any, index: Any, src: Any, dim: int) -> None:
    where, used = _scatter_parts(xp, target, index, src, dim)
    add_at(xp, target, where, used)


def _scatter_add_forward(xp: Any, input: Any, index: Any, src: Any, dim: int) -> Any:
    out = input.copy()
    _scatter_add_inplace(xp, out, index, src, dim)
    return out


def _scatter_shape(x: Spec, index: Spec, src: Spec, dim: int) -> Spec:
    _check_scatter(x, index, src, dim)
    return x


def _source_grad(g: Any, y: Any, x: Any, index: Any, src: Any, dim: int) -> Any:
    picked = gather(g, dim, index)
    if not src.ndim or tuple(src.shape) == tuple(index.shape):
        return picked
    used = tuple(slice(int(n)) for n in index.shape)
    return unslice(picked, index=used, shape=tuple(int(n) for n in src.shape))


scatter: Op = op(
    "scatter",
    "The input with entries of src written at index, along dim.",
    forward=_scatter_forward,
    inplace=_scatter_inplace,
    bind=_scatter_bind,
    vjp=(lambda g, y, x, index, src, dim: scatter(g, dim, index, 0.0), None, _source_grad),
    saved="index",
    shape=_scatter_shape,
    formula=(
        r"y = x,\; y_{i,k_{ij}} = s_{ij}",
        r"\bar x = \bar y,\; \bar x_{i,k_{ij}} = 0;\quad \bar s_{ij} = \bar y_{i,k_{ij}}",
    ),
    cost=per_entry(0),
    onnx="ScatterElements",
    samples=[
        sample(normal(3, 4), integers(3, 1, 4), normal(2, 4), dim=0),
        sample(normal(3, 4), integers(4, 2, 1), normal(2, 1), dim=1),
        sample(normal(3), integers(3, 1), normal(), dim=0),
    ],
)
scatter_add: Op = op(
    "scatter_add",
    "The input with entries of src added at index, along dim.",
    forward=_scatter_add_forward,
    inplace=_scatter_add_inplace,
    bind=_scatter_add_bind,
    vjp=(lambda g, y, x, index, src, dim: g, None, _source_grad),
    saved="index",
    shape=_scatter_shape,
    formula=(
        r"y = x,\; y_{i,k_{ij}} \mathrel{+}= s_{ij}",
        r"\bar x = \bar y,\quad \bar s_{ij} = \bar y_{i,k_{ij}}",
    ),
    cost=per_entry(),
    onnx="ScatterElements",
    samples=[
        sample(normal(3, 4), integers(4, 3, 5), normal(3, 6), dim=1),
        sample(normal(3, 4), integers(3, 5, 4), normal(5, 4), dim=0),
    ],
)


# scatter_reduce: the largest, the smallest, the product ------------------------------------


def _step(xp: Any, reduce: str) -> Any:
    return {"amax": xp.maximum, "amin": xp.minimum, "prod": xp.multiply}[reduce]


def _reduce_forward(xp: Any, input: Any, index: Any, src: Any, dim: int, reduce: str) -> Any:
    out = input.copy()
    where, used = _scatter_parts(xp, out, index, src, dim)
    step = _step(xp, reduce)
    for k in range(index.shape[dim]):  # within one slice no place comes twice
        at = (*(slice(None),) * dim, slice(k, k + 1))
        now = tuple(w[at] if w.shape[dim] > 1 or d == dim else w for d, w in enumerate(where))
        out[now] = step(out[now], used[at])
    return out


def _reduce_shape(x: Spec, index: Spec, src: Spec, dim: int, reduce: str) -> Spec:
    _check_scatter(x, index, src, dim)
    return x


def _used(src: Any, index: Any) -> Any:
    """The part of src that index covers."""
    if tuple(src.shape) == tuple(index.shape):
        return src
    return slice_(src, index=tuple(slice(int(n)) for n in index.shape))


def _shares(y: Any, x: Any, index: Any, src: Any, dim: int) -> tuple[Any, Any, Any]:
    """Who reached the extreme: places of x, entries of src, and how many share each place."""
    of_x = e.to_dtype(e.eq(x, y), y.dtype)
    of_src = e.to_dtype(e.eq(_used(src, index), gather(y, dim, index)), y.dtype)
    return of_x, of_src, scatter_add(of_x, dim, index, of_src)


def _reduce_input_grad(g: Any, y: Any, x: Any, index: Any, src: Any, dim: int, reduce: str) -> Any:
    if reduce == "prod":
        return g * scatter_reduce_row(x * 0 + 1, dim, index, src, reduce="prod")
    of_x, _, count = _shares(y, x, index, src, dim)
    return g * of_x / count


def _reduce_src_grad(g: Any, y: Any, x: Any, index: Any, src: Any, dim: int, reduce: str) -> Any:
    used = _used(src, index)
    if reduce == "prod":
        # all factors of the place but this one: where it is the only 0, not to be had by division
        zero = e.eq(used, 0)
        others = e.where(zero, 1.0, used)
        whole = scatter_reduce_row(x, dim, index, others, reduce="prod")
        zeros = scatter_add(x * 0, dim, index, e.to_dtype(zero, y.dtype))
        here = gather(zeros, dim, index)
        only = zero & e.eq(here, 1)
        found = e.where(only, gather(g * whole, dim, index), gather(g * y, dim, index) / others)
    else:
        _, of_src, count = _shares(y, x, index, src, dim)
        found = gather(g / count, dim, index) * of_src
    if tuple(src.shape) == tuple(index.shape):
        return found
    used_index = tuple(slice(int(n)) for n in index.shape)
    return unslice(found, index=used_index, shape=tuple(int(n) for n in src.shape))


def _reduce_bind(input: Any, dim: int, index: Any, src: Any, reduce: str) -> Bound:
    return (input, index, src), {"dim": one_dim(dim, input.ndim), "reduce": reduce}


scatter_reduce_row: Op = op(
    "scatter_join",
    "The input with entries of src joined in at index: the largest, the smallest or the product.",
    forward=_reduce_forward,
    bind=_reduce_bind,
    vjp=(_reduce_input_grad, None, _reduce_src_grad),
    saved="input index src y",
    shape=_reduce_shape,
    formula=(
        r"y_{i,k_{ij}} = \max(x_{i,k_{ij}}, s_{ij}, \dots)",
        r"\bar s_{ij} = \bar y_{i,k_{ij}}\,[s_{ij} = y_{i,k_{ij}}] / \text{count}",
    ),
    cost=per_entry(),
    samples=[
        sample(apart(3, 4), integers(4, 3, 5), apart(3, 5), dim=1, reduce="amax"),
        sample(apart(3, 4), integers(3, 2, 4), apart(5, 4), dim=0, reduce="amin"),
        sample(normal(4), integers(4, 6), normal(6), dim=0, reduce="prod"),
    ],
)


def scatter_any(
    input: Any,
    dim: int,
    index: Any,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Any:
    """The input with entries of ``src``, or one ``value``, written at ``index`` along ``dim``.

    ``input[index[i, j], j] = src[i, j]`` for dim 0. ``reduce="add"`` or ``"multiply"`` joins them
    with what is there.

    >>> import minitorch_lab as lab
    >>> lab.scatter(lab.zeros(2, 3), 1, lab.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    if (src is None) == (value is None):
        raise KindError("scatter(input, dim, index, src): expected src or value, one of them")
    source = value if src is None else src
    if reduce not in (None, "add", "multiply"):
        raise ComputeError(f"scatter: expected reduce 'add' or 'multiply', got {reduce!r}")
    if reduce is None:
        return _at_index("scatter", scatter, input, dim, index, source)
    if not hasattr(source, "spec"):
        source = expand(current().constant(_like(input, source)), tuple(index.shape))
    return scatter_reduce(input, dim, index, source, {"add": "sum"}.get(reduce, "prod"))


def _like(input: Any, value: Any) -> Any:
    return move(np.asarray(value, input.spec.dtype), input.device)


def _at_index(name: str, row: Any, input: Any, dim: int, index: Any, src: Any) -> Any:
    """A scatter, with what PyTorch lets a 0-d tensor or an empty index mean."""
    one_dim(dim, input.ndim)
    if not _is_index(name, index):
        return e.clone(input)
    if index.ndim and input.ndim:
        return row(input, dim, index, src)
    _same_ndim(name, input, index)
    source = ravel(src) if hasattr(src, "spec") else src
    return reshape(row(ravel(input), 0, ravel(index), source), tuple(input.shape))


def scatter_add_any(input: Any, dim: int, index: Any, src: Any) -> Any:
    """The input with entries of ``src`` added at ``index`` along ``dim``.

    >>> import minitorch_lab as lab
    >>> lab.scatter_add(lab.zeros(3), 0, lab.tensor([0, 2, 2]), lab.ones(3))
    tensor([1., 0., 2.])
    """
    return _at_index("scatter_add", scatter_add, input, dim, index, src)


def scatter_reduce(
    input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
) -> Any:
    """The input with entries of ``src`` joined in at ``index``: sum, prod, mean, amax or amin.

    Without ``include_self`` what was at those places does not count. Where several entries
    share the extreme, each gets its share of the gradient.

    >>> import minitorch_lab as lab
    >>> index = lab.tensor([0, 0, 1])
    >>> lab.scatter_reduce(lab.zeros(2), 0, index, lab.tensor([1.0, 3.0, -2.0]), "amax")
    tensor([3., 0.])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise ComputeError(
            f"scatter_reduce: expected reduce sum, prod, mean, amax or amin, got {reduce!r}"
        )
    dim = one_dim(dim, input.ndim)
    if not include_self:
        dtype = input.spec.dtype
        limits = np.iinfo(dtype) if dtype.kind in "iu" else None
        low = -np.inf if limits is None else limits.min
        high = np.inf if limits is None else limits.max
        start = {"prod": 1, "amax": low, "amin": high}.get(reduce, 0)
        input = scatter_any(input, dim, index, value=start)
    if reduce in ("sum", "mean"):
        total = scatter_add_any(input, dim, index, src)
        if reduce == "sum":
            return total
        one = current().constant(_like(input, 1))
        count = expand(one if include_self else one * 0, tuple(input.shape))
        count = scatter_add_any(e.clone(count), dim, index, expand(one, tuple(index.shape)))
        if not include_self:
            count = e.maximum(count, one)
        return total / count if input.spec.dtype.kind == "f" else e.floor_divide(total, count)

    def row(x: Any, dim: int, index: Any, src: Any) -> Any:
        return scatter_reduce_row(x, dim, index, src, reduce)

    return _at_index("scatter_reduce", row, input, dim, index, src)


def _assign(input: Any, result: Any) -> Any:
    """``input`` itself takes the entries of ``result``, which was computed from it."""
    return current().update(e.copy, input, (input, result), {})


def scatter_(
    input: Any,
    dim: int,
    index: Any,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Any:
    """``scatter`` in place: the tensor itself changes."""
    return _assign(input, scatter_any(input, dim, index, src, value=value, reduce=reduce))


def scatter_add_(input: Any, dim: int, index: Any, src: Any) -> Any:
    """``scatter_add`` in place: the tensor itself changes."""
    return _assign(input, scatter_add_any(input, dim, index, src))


def scatter_reduce_(
    input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
) -> Any:
    """``scatter_reduce`` in place: the tensor itself changes."""
    return _assign(input, scatter_reduce(input, dim, index, src, reduce, include_self=include_self))


# Whole slices along one dimension ----------------------------------------------------------


def _along(dim: int) -> tuple[Any, ...]:
    """The template of an index tensor at ``dim``."""
    return (*(slice(None),) * dim, PLACE)


def _vector(name: str, input: Any, dim: int, index: Any) -> tuple[int, Any]:
    """``dim`` from 0 on, and the index as a vector."""
    if not hasattr(index, "ndim"):
        raise KindError(f"{name}: expected index to be a tensor of ints, got {describe(index)}")
    if index.ndim > 1 or not input.ndim:
        raise IndexingError(
            f"{name}(input, dim, index): index must be a vector, and input have a dimension\n"
            f"  input  {input.spec}\n  index  {index.spec}\n  expected index of shape (N,)"
        )
    return one_dim(dim, input.ndim), index if index.ndim else reshape(index, 1)


def _index_select_bind(input: Any, dim: int, index: Any) -> Bound:
    # a gradient rule calls this with arrays, whose index is a vector already
    dim, index = _vector("index_select", input, dim, index)
    return (input, index), {"dim": dim}


def _index_select_forward(xp: Any, input: Any, index: Any, dim: int) -> Any:
    _need_index(index)
    check_range(index, input.shape[dim])
    return xp.take(input, index, axis=dim)


def _index_select_shape(x: Spec, index: Spec, dim: int) -> Spec:
    """``(N, M)`` and ``K`` indices along dim 0 give ``(K, M)``."""
    _need_index(index)
    return replace(x, shape=(*x.shape[:dim], *index.shape, *x.shape[dim + 1 :]))


index_select: Op = op(
    "index_select",
    "The slices of input at index, along dim: rows 2 and 0, say.",
    example="""
        >>> lab.index_select(lab.tensor([[1, 2], [3, 4], [5, 6]]), 0, lab.tensor([2, 0]))
        tensor([[5, 6],
                [1, 2]])
    """,
    forward=_index_select_forward,
    bind=_index_select_bind,
    vjp=lambda g, y, x, index, dim: untake(
        g, index, template=_along(dim), shape=tuple(int(n) for n in x.shape)
    ),
    saved="index",
    shape=_index_select_shape,
    formula=(r"y_{ij} = x_{k_i j}", r"\bar x_{k_i j} \mathrel{+}= \bar y_{ij}"),
    cost=per_entry(0),
    onnx="Gather",
    samples=[
        sample(normal(3, 4), integers(3, 5), dim=0),
        sample(normal(3, 4), integers(4, 2), dim=1),
    ],
)


def _index_add_bind(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Bound:
    dim, index = _vector("index_add", input, dim, index)
    return (input, index, source if alpha == 1 else e.mul(source, alpha)), {"dim": dim}


def _check_index_add(x: Any, index: Any, source: Any, dim: int) -> None:
    _need_index(index)
    expected = (*x.shape[:dim], *index.shape, *x.shape[dim + 1 :])
    if tuple(source.shape) != expected:
        raise Mismatch(
            "source does not fit input and index",
            f"expected {expected}, got {tuple(source.shape)}",
        )
    check_same_dtype(x, source, names=("input", "source"))


def _index_add_inplace(xp: Any, target: Any, index: Any, source: Any, dim: int) -> None:
    _check_index_add(target, index, source, dim)
    check_range(index, target.shape[dim], error=ComputeError)
    if dim == 0:
        add_rows(xp, target, index, source)
    else:
        add_at(xp, target, (*(slice(None),) * dim, index), source)


def _index_add_forward(xp: Any, input: Any, index: Any, source: Any, dim: int) -> Any:
    out = input.copy()
    _index_add_inplace(xp, out, index, source, dim)
    return out


def _index_add_shape(x: Spec, index: Spec, source: Spec, dim: int) -> Spec:
    """The source has the shape of the input but along ``dim``: one slice for each index."""
    _check_index_add(x, index, source, dim)
    return x


index_add: Op = op(
    "index_add",
    "The input with the slices of source added at index, along dim.",
    example="""
        >>> lab.index_add(lab.zeros(3), 0, lab.tensor([0, 2, 2]), lab.ones(3))
        tensor([1., 0., 2.])
    """,
    forward=_index_add_forward,
    inplace=_index_add_inplace,
    bind=_index_add_bind,
    vjp=(
        lambda g, y, x, index, source, dim: g,
        None,
        lambda g, y, x, index, source, dim: index_select(g, dim, index),
    ),
    saved="index",
    shape=_index_add_shape,
    formula=(
        r"y = x,\; y_{k_i j} \mathrel{+}= s_{ij}",
        r"\bar x = \bar y,\quad \bar s_{ij} = \bar y_{k_i j}",
    ),
    cost=per_entry(),
    samples=[
        sample(normal(3, 4), integers(3, 5), normal(5, 4), dim=0),
        sample(normal(3, 4), integers(4, 2), normal(3, 2), dim=1),
    ],
)


# Square brackets ---------------------------------------------------------------------------
# index is a template: ints, slices, None, and PLACE where an index tensor stands.

PLACE = "tensor"


def fill(index: tuple[Any, ...], tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """The template with its places filled."""
    rest = iter(tensors)
    return tuple(next(rest) if part is PLACE or part == PLACE else part for part in index)


def ints_first(template: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """A template as two, one after the other: ints, slices and None, then the index tensors.

    So ``x[0, :, k]`` means ``x[0][:, k]``, as in PyTorch; NumPy counts the int as a tensor.
    """
    basic = tuple(slice(None) if part == PLACE else part for part in template)
    rest = tuple(
        part if part is Ellipsis or part == PLACE else slice(None)
        for part in template
        if not isinstance(part, int)
    )
    return basic, rest


def _has_int(template: tuple[Any, ...]) -> bool:
    return any(isinstance(part, int) for part in template)


def pick(x: Any, template: tuple[Any, ...], index: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """A view of the array, and what to put into square brackets after it."""
    if index and _has_int(template):
        basic, template = ints_first(template)
        x = x[basic]
    return x, fill(template, index)


def _take_shape(x: Spec, *index: Spec, template: tuple[Any, ...]) -> Spec:
    for k in index:
        _need_index(k)
    if _has_int(template):
        basic, template = ints_first(template)
        x = replace(x, shape=index_shape(x.shape, basic))
    full = expand_ellipsis(template, x.ndim)
    if len([p for p in full if p is not None]) > x.ndim:
        raise Mismatch(
            "too many indices",
            f"expected {x.ndim} at most for shape {x.shape}, got {len(full)}",
            error=IndexingError,
        )
    try:
        joined = broadcast_shapes(*(k.shape for k in index))
    except Mismatch as mismatch:
        mismatch.error = IndexingError
        raise
    # NumPy's rule: the index tensors' shape stands where they stood if they are neighbours
    places = [i for i, p in enumerate(full) if p == PLACE]
    neighbours = places == list(range(places[0], places[-1] + 1))
    out: list[int] = []
    axis = 0
    at = 0
    for i, part in enumerate(full):
        if i == places[0] and neighbours:
            at = len(out)
        if part is None:
            out.append(1)
            continue
        if isinstance(part, slice):
            out.append(len(range(*part.indices(x.shape[axis]))))
        axis += 1
    out += x.shape[axis:]
    out[at:at] = joined
    return replace(x, shape=tuple(out))


def _check_indices(input: Any, index: tuple[Any, ...], template: tuple[Any, ...]) -> None:
    """Mismatch unless each index tensor has places of its dimension."""
    axis = 0
    rest = iter(index)
    for part in expand_ellipsis(template, input.ndim):
        if part is None:
            continue
        if part == PLACE and axis < input.ndim:
            check_range(next(rest), input.shape[axis], low=-input.shape[axis])
        axis += 1


def _take_forward(xp: Any, input: Any, *index: Any, template: tuple[Any, ...]) -> Any:
    _check_indices(input, index, template)
    part, where = pick(input, template, index)
    out = part[where]
    # the library puts x[:, k] into memory column by column; PyTorch does it row by row
    return out if out.flags.c_contiguous else xp.ascontiguousarray(out)


def _untake_forward(
    xp: Any, input: Any, *index: Any, template: tuple[Any, ...], shape: tuple[int, ...]
) -> Any:
    out = xp.zeros(shape, input.dtype)
    if template == (PLACE,):
        add_rows(xp, out, index[0], input)
    else:
        part, where = pick(out, template, index)
        add_at(xp, part, where, input)
    return out


take: Op = op(
    "index",
    "The entries of input at index tensors: x[index].",
    forward=_take_forward,
    arguments=("input", "index", "index_2", "index_3", "index_4"),
    vjp=lambda g, y, x, *index, template: untake(
        g, *index, template=template, shape=tuple(x.shape)
    ),
    saved="index index_2 index_3 index_4",
    shape=_take_shape,
    formula=(r"y = x[k]", r"\bar x[k] \mathrel{+}= \bar y"),
    cost=per_entry(0),
    onnx="GatherND",
    samples=[
        sample(normal(3, 4), integers(3, 5), template=(PLACE,)),
        sample(normal(3, 4), integers(3, 2), integers(4, 2), template=(PLACE, PLACE)),
    ],
)
untake: Op = op(
    "unindex",
    "Zeros of a shape with the input added at index tensors: the gradient of x[index].",
    forward=_untake_forward,
    arguments=("input", "index", "index_2", "index_3", "index_4"),
    vjp=lambda g, y, x, *index, template, shape: take(g, *index, template=template),
    saved="index index_2 index_3 index_4",
    shape=lambda x, *index, template, shape: replace(x, shape=shape),
    formula=(r"y[k] \mathrel{+}= x", r"\bar x = \bar y[k]"),
    cost=per_entry(),
    samples=[sample(normal(5, 4), integers(3, 5), template=(PLACE,), shape=(3, 4))],
)


def _put_forward(xp: Any, input: Any, value: Any, *index: Any, template: Any) -> Any:
    out = input.copy()
    _put_inplace(xp, out, value, *index, template=template)
    return out


def _put_inplace(xp: Any, target: Any, value: Any, *index: Any, template: Any) -> None:
    if index:
        _check_indices(target, index, template)
    part, where = pick(target, template, index)
    part[where] = value


def part_shape(x: Spec, template: tuple[Any, ...], index: Any) -> tuple[int, ...]:
    """The shape of what an index names."""
    if not index:
        return index_shape(x.shape, template)
    return _take_shape(x, *index, template=template).shape


def _put_shape(x: Spec, value: Spec, *index: Spec, template: Any) -> Spec:
    shape = part_shape(x, template, index)
    if broadcast_shapes(value.shape, shape) != shape:
        raise Mismatch(
            "the value does not fit into the part that is assigned",
            f"expected a shape that broadcasts to {shape}, got {value.shape}",
        )
    return x


def _picked(g: Any, index: tuple[Any, ...], template: tuple[Any, ...]) -> Any:
    return take(g, *index, template=template) if index else slice_(g, index=template)


put: Op = op(
    "index_put",
    "The input with a value at an index: x[index] = value.",
    forward=_put_forward,
    inplace=_put_inplace,
    arguments=("input", "value", "index", "index_2", "index_3", "index_4"),
    vjp=(
        lambda g, y, x, v, *index, template: put(g, 0.0, *index, template=template),
        lambda g, y, x, v, *index, template: _picked(g, index, template),
    ),
    saved="index index_2 index_3 index_4",
    shape=_put_shape,
    formula=(r"y = x,\; y[k] = v", r"\bar x = \bar y,\; \bar x[k] = 0;\quad \bar v = \bar y[k]"),
    cost=per_entry(0),
    samples=[
        sample(normal(3, 4), normal(4), template=(1,)),
        sample(normal(3, 4), normal(2, 1), integers(4, 1), template=(slice(0, 2), PLACE)),
    ],
)


def _put_add_inplace(xp: Any, target: Any, value: Any, *index: Any, template: Any) -> None:
    _check_indices(target, index, template)
    part, where = pick(target, template, index)
    add_at(xp, part, where, value)


def _put_add_forward(xp: Any, input: Any, value: Any, *index: Any, template: Any) -> Any:
    out = input.copy()
    _put_add_inplace(xp, out, value, *index, template=template)
    return out


put_add: Op = op(
    "index_put_add",
    "The input with a value added at index tensors; a place that is named twice gets both.",
    forward=_put_add_forward,
    inplace=_put_add_inplace,
    arguments=("input", "value", "index", "index_2", "index_3", "index_4"),
    vjp=(
        lambda g, y, x, v, *index, template: g,
        lambda g, y, x, v, *index, template: take(g, *index, template=template),
    ),
    saved="index index_2 index_3 index_4",
    shape=_put_shape,
    formula=(r"y = x,\; y[k] \mathrel{+}= v", r"\bar x = \bar y,\quad \bar v = \bar y[k]"),
    cost=per_entry(),
    samples=[
        sample(normal(3, 4), normal(5, 4), integers(3, 5), template=(PLACE,)),
        sample(normal(3, 4), normal(2), integers(3, 2), integers(4, 2), template=(PLACE, PLACE)),
    ],
)


def _indices(input: Any, indices: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The template and the index tensors of ``index_put``."""
    if not isinstance(indices, (tuple, list)) or not indices:
        raise KindError(f"index_put: expected a tuple of index tensors, got {describe(indices)}")
    template: list[Any] = []
    tensors: list[Any] = []
    for k in indices:
        if k is None:
            template.append(slice(None))
        elif not hasattr(k, "spec"):
            raise KindError(f"index_put: expected index tensors, got {describe(k)}")
        elif k.spec.dtype.kind == "b":
            _refuse("index_put with a bool tensor", "use where(mask, value, x)")
            part = tuple(input.shape[len(template) : len(template) + k.ndim])
            if tuple(k.shape) != part:
                raise IndexingError(
                    f"index_put: a bool index of shape {tuple(k.shape)} does not fit\n"
                    f"  input  {input.spec}\n  expected {part}"
                )
            found = namespace_of(k.array).nonzero(k.array)
            template += [PLACE] * len(found)
            tensors += [current().constant(places) for places in found]
        else:
            template.append(PLACE)
            tensors.append(k)
    if not tensors:
        raise IndexingError("index_put: expected one index tensor at least, got None only")
    return tuple(template), tuple(tensors)


def _refuse(what: str, remedy: str) -> None:
    """TraceError in graph mode: a shape that depends on values."""
    interpreter = current()
    if interpreter.tracing:
        interpreter.refuse(what, remedy)


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """The input with ``values`` at a tuple of index tensors: ``x[indices] = values`` as a value.

    With ``accumulate`` the values are added, and a place that is named twice gets both.

    >>> import minitorch_lab as lab
    >>> lab.index_put(lab.zeros(3), (lab.tensor([0, 0, 2]),), lab.ones(3), accumulate=True)
    tensor([2., 0., 1.])
    """
    template, index = _indices(input, indices)
    return (put_add if accumulate else put)(input, values, *index, template=template)


def index_put_(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """``index_put`` in place: the tensor itself changes."""
    template, index = _indices(input, indices)
    row = put_add if accumulate else put
    return current().update(row, input, (input, values, *index), {"template": template})


def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """The input with one number in the slices at ``index``, along ``dim``.

    >>> import minitorch_lab as lab
    >>> lab.index_fill(lab.zeros(4), 0, lab.tensor([1, 3]), 5.0)
    tensor([0., 5., 0., 5.])
    """
    dim, index = _vector("index_fill", input, dim, index)
    return put(input, value, index, template=_along(dim))


def index_fill_(input: Any, dim: int, index: Any, value: Any) -> Any:
    """``index_fill`` in place: the tensor itself changes."""
    dim, index = _vector("index_fill_", input, dim, index)
    return current().update(put, input, (input, value, index), {"template": _along(dim)})


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """The input with the slices of ``source`` at ``index``, along ``dim``.

    >>> import minitorch_lab as lab
    >>> lab.index_copy(lab.zeros(4), 0, lab.tensor([3, 1]), lab.tensor([7.0, 8.0]))
    tensor([0., 8., 0., 7.])
    """
    dim, index = _vector("index_copy", input, dim, index)
    return put(input, source, index, template=_along(dim))


def index_copy_(input: Any, dim: int, index: Any, source: Any) -> Any:
    """``index_copy`` in place: the tensor itself changes."""
    dim, index = _vector("index_copy_", input, dim, index)
    return current().update(put, input, (input, source, index), {"template": _along(dim)})


def masked_select(input: Any, mask: Any) -> Any:
    """The entries where ``mask`` holds, in one dimension; mask and input broadcast.

    Shapes: ``(N, M)`` and ``(N, M)`` give ``(K,)``, with K the number of entries that hold.

    >>> import minitorch_lab as lab
    >>> x = lab.tensor([1.0, -2.0, 3.0])
    >>> lab.masked_select(x, x > 0)
    tensor([1., 3.])
    """
    if mask.spec.dtype.kind != "b":
        raise DTypeError(
            f"masked_select(input, mask): mask must be bool\n  mask  {mask.spec}\n"
            "  expected a comparison such as x > 0, or mask.bool()"
        )
    _refuse("masked_select", "use where(mask, x, 0)")
    x, m = broadcast_tensors(input, mask)
    (places,) = namespace_of(m.array).nonzero(m.array.ravel())
    return take(ravel(x), current().constant(places), template=(PLACE,))


def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """The input with entries of ``source``, in order, where ``mask`` holds.

    >>> import minitorch_lab as lab
    >>> x = lab.zeros(4)
    >>> lab.masked_scatter(x, lab.tensor([True, False, True, False]), lab.tensor([5.0, 6.0, 7.0]))
    tensor([5., 0., 6., 0.])
    """
    for name, x in (("mask", mask), ("source", source)):
        if not hasattr(x, "spec"):
            raise KindError(f"masked_scatter: expected {name} to be a tensor, got {describe(x)}")
    if mask.spec.dtype.kind != "b":
        raise DTypeError(
            f"masked_scatter(input, mask, source): mask must be bool\n  mask  {mask.spec}\n"
            "  expected a comparison such as x > 0, or mask.bool()"
        )
    check_pair("masked_scatter", input, source)
    x, m = broadcast_tensors(input, mask)
    flat = ravel(source)
    if not current().tracing:
        needed, there = int(known(m.array.sum())), int(flat.shape[0])
        if needed > there:
            raise ShapeError(
                f"masked_scatter(input, mask, source): source has too few entries\n"
                f"  mask    {mask.spec}, {needed} hold\n  source  {source.spec}\n"
                f"  expected {needed} entries or more, got {there}"
            )
        if not needed:
            return e.clone(x)
    # the k-th place that holds takes entry k; what the others would take is left out
    places = OPS["cumsum"](e.to_dtype(ravel(m), np.dtype("int64")), 0) - 1
    found = take(flat, places, template=(PLACE,))
    return e.where(m, reshape(found, tuple(m.shape)), x)


def check_pair(name: str, input: Any, source: Any) -> None:
    """DTypeError unless two tensors have one dtype."""
    if input.spec.dtype != source.spec.dtype:
        raise DTypeError(
            f"{name}: the dtypes differ\n  input   {input.spec}\n  source  {source.spec}\n"
            f"  expected {input.spec.dtype} for both\n  convert with .to(lab.{input.spec.dtype})"
        )


def masked_scatter_(input: Any, mask: Any, source: Any) -> Any:
    """``masked_scatter`` in place: the tensor itself changes."""
    return _assign(input, masked_scatter(input, mask, source))


def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """Windows along a dimension, ``size`` entries each, as a new last dimension.

    Shapes: ``(N, L)`` with ``dimension=1`` gives ``(N, (L - size) // step + 1, size)``.

    >>> import minitorch_lab as lab
    >>> lab.unfold(lab.arange(5), 0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    dim = one_dim(dimension, input.ndim, "dimension")
    x = input if input.ndim else reshape(input, 1)
    n = int(x.shape[dim])
    if size < 0 or size > n or step < 1:
        raise ShapeError(
            f"unfold(input, dimension, size, step): windows of {size} every {step} do not fit\n"
            f"  input  {input.spec}\n"
            f"  expected size from 0 to {n}, that of dimension {dim}, and step of 1 or more"
        )
    starts = np.arange(0, n - size + 1, step)
    places = (starts[:, None] + np.arange(size)).ravel()
    index = current().constant(move(places, x.device))
    shape = tuple(int(v) for v in x.shape)
    found = reshape(
        index_select(x, dim, index), (*shape[:dim], len(starts), size, *shape[dim + 1 :])
    )
    out = movedim(found, dim + 1, -1)
    return out if input.ndim else reshape(out, size)


def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All choices of ``r`` entries of a vector, in order: ``(N,)`` gives ``(K, r)``.

    >>> import minitorch_lab as lab
    >>> lab.combinations(lab.tensor([1, 2, 3])).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    if input.ndim != 1:
        raise ShapeError(f"combinations(input): expected a vector\n  input  {input.spec}")
    if r < 0:
        raise ShapeError(f"combinations(input, r): expected r of 0 or more, got {r}")
    if not r:
        return slice_(input, index=(slice(0, 0),))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    chosen = np.array([*choose(range(int(input.shape[0])), r)], np.int64).reshape(-1, r)
    index = current().constant(move(chosen, input.device))
    return take(input, index, template=(PLACE,))


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """The entries at ``indices`` along ``dim``, as ``argsort`` gives them; the rest broadcasts.

    >>> import minitorch_lab as lab
    >>> x = lab.tensor([[3, 1, 2]])
    >>> lab.take_along_dim(x, lab.argsort(x, dim=1), dim=1)
    tensor([[1, 2, 3]])
    """
    if dim is None:
        return gather(ravel(input), 0, ravel(indices))
    dim = one_dim(dim, input.ndim)
    if input.ndim != indices.ndim:
        raise ShapeError(
            f"take_along_dim: the numbers of dimensions differ\n  input    {input.spec}\n"
            f"  indices  {indices.spec}"
        )
    shapes = [[*x.shape] for x in (input, indices)]
    for k, (n, m) in enumerate(zip(*shapes, strict=True)):
        if k != dim and n != m:
            if 1 not in (n, m):
                raise ShapeError(
                    f"take_along_dim: the shapes do not broadcast\n  input    {input.spec}\n"
                    f"  indices  {indices.spec}"
                )
            shapes[0][k] = shapes[1][k] = max(n, m) if min(n, m) else 0
    return gather(expand(input, shapes[0]), dim, expand(indices, shapes[1]))


def take_flat(input: Any, index: Any) -> Any:
    """The entries at ``index``, counted row by row through the whole tensor.

    >>> import minitorch_lab as lab
    >>> lab.take(lab.tensor([[10, 20], [30, 40]]), lab.tensor([0, 3]))
    tensor([10, 40])
    """
    return take(ravel(input), index, template=(PLACE,))


def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Each entry several times in a row: ``[1, 2]`` twice gives ``[1, 1, 2, 2]``.

    ``repeats`` is a number, or a tensor with a number for each slice along ``dim``. Without
    ``dim`` the input is taken as one long row. With one tensor only, that tensor says how often
    each of the numbers 0, 1, 2, ... comes.

    >>> import minitorch_lab as lab
    >>> lab.repeat_interleave(lab.tensor([1, 2]), lab.tensor([3, 1]))
    tensor([1, 1, 1, 2])
    """
    if repeats is None:
        n = int(input.shape[0])
        numbers = namespace_for(input.device).arange(n)
        return repeat_interleave(current().constant(numbers), input, 0)
    if dim is None:
        input, dim = ravel(input), 0
    elif not input.ndim:
        input = reshape(input, 1)
    dim = one_dim(dim, input.ndim)
    n = int(input.shape[dim])
    if hasattr(repeats, "spec"):
        _refuse("repeat_interleave with a tensor of counts", "give the counts as a number")
        if repeats.spec.dtype.kind not in "iu":
            raise DTypeError(
                f"repeat_interleave: repeats must be integers\n  repeats  {repeats.spec}"
            )
        counts = np.asarray(repeats.tolist(), np.int64).ravel()
    else:
        counts = np.asarray([_count(repeats)], np.int64)
    if len(counts) not in (1, n) or (counts < 0).any():
        raise ShapeError(
            f"repeat_interleave: {len(counts)} repeats do not fit, or one is below 0\n"
            f"  input  {input.spec}\n  expected one number, or {n}, of 0 or more"
        )
    places = np.repeat(np.arange(n), counts)
    index = current().constant(move(places, input.device))
    return index_select(input, dim, index)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise KindError(f"repeat_interleave: expected an int or a tensor, got {describe(value)}")
    return int(value.__index__())


FUNCTIONS = {
    name: globals()[name]
    for name in (
        "scatter_ scatter_add_ scatter_reduce scatter_reduce_ index_select index_add index_put "
        "index_put_ index_fill index_fill_ index_copy index_copy_ masked_select masked_scatter "
        "masked_scatter_ take_along_dim repeat_interleave unfold combinations"
    ).split()
}
FUNCTIONS |= {
    "take": take_flat,
    "gather": gather_any,
    "scatter": scatter_any,
    "scatter_add": scatter_add_any,
}
# With an in-place form, such as ``x.index_add_(0, index, source)``.
IN_PLACE = ("index_add",)
