"""Indexing with tensors: gather, scatter, and the square brackets of a tensor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..device import namespace_for, namespace_of
from ..errors import (
    ArgumentError,
    ComputeError,
    DTypeError,
    IndexingError,
    KindError,
    LabError,
    ShapeError,
    describe,
)
from ..op import (
    Attrs,
    Mismatch,
    Op,
    Spec,
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
    ravel,
    reshape,
    slice_,
    unslice,
)
from .rules import add_rows, broadcast_shapes, one_dim, per_entry

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
    if index.size and (int(index.min()) < low or int(index.max()) >= size):
        bad = index[(index < low) | (index >= size)]
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


def _where(xp: Any, index: Any, dim: int) -> tuple[Any, ...]:
    """The places that an index along ``dim`` names, for square brackets."""
    where = list(xp.ogrid[tuple(slice(n) for n in index.shape)])
    where[dim] = index
    return tuple(where)


def _zeros_forward(xp: Any, input: Any, index: Any, dim: int, shape: tuple[int, ...]) -> Any:
    out = xp.zeros(shape, input.dtype)
    xp.add.at(out, _where(xp, index, dim), input)
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


def _scatter_bind(
    input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: Any = None
) -> Bound:
    if (src is None) == (value is None):
        raise KindError("scatter(input, dim, index, src): expected src or value, one of them")
    if reduce is not None:
        raise ArgumentError("scatter: reduce is not supported\n  use scatter_add for sums")
    return (input, index, value if src is None else src), {"dim": one_dim(dim, input.ndim)}


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
    xp.add.at(target, where, used)


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
    _need_index(index)
    return replace(x, shape=(*x.shape[:dim], *index.shape, *x.shape[dim + 1 :]))


index_select: Op = op(
    "index_select",
    "The slices of input at index, along dim: rows 2 and 0, say.",
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
        xp.add.at(target, (*(slice(None),) * dim, index), source)


def _index_add_forward(xp: Any, input: Any, index: Any, source: Any, dim: int) -> Any:
    out = input.copy()
    _index_add_inplace(xp, out, index, source, dim)
    return out


def _index_add_shape(x: Spec, index: Spec, source: Spec, dim: int) -> Spec:
    _check_index_add(x, index, source, dim)
    return x


index_add: Op = op(
    "index_add",
    "The input with the slices of source added at index, along dim.",
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


def _take_shape(x: Spec, *index: Spec, template: tuple[Any, ...]) -> Spec:
    for k in index:
        _need_index(k)
    full = expand_ellipsis(template, x.ndim)
    if len([p for p in full if p is not None]) > x.ndim:
        raise Mismatch(
            "too many indices",
            f"expected {x.ndim} at most for shape {x.shape}, got {len(full)}",
            error=IndexingError,
        )
    joined = broadcast_shapes(*(k.shape for k in index))
    # NumPy's rule: the index tensors' shape stands where they stood if they are neighbours
    places = [
        i for i, p in enumerate(full) if isinstance(p, (str, int)) and not isinstance(p, bool)
    ]
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
    out = input[fill(template, index)]
    # the library puts x[:, k] into memory column by column; PyTorch does it row by row
    return out if out.flags.c_contiguous else xp.ascontiguousarray(out)


def _untake_forward(
    xp: Any, input: Any, *index: Any, template: tuple[Any, ...], shape: tuple[int, ...]
) -> Any:
    out = xp.zeros(shape, input.dtype)
    if template == (PLACE,):
        add_rows(xp, out, index[0], input)
    else:
        xp.add.at(out, fill(template, index), input)
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
    target[fill(template, index)] = value


def _put_shape(x: Spec, value: Spec, *index: Spec, template: Any) -> Spec:
    shape = (
        _take_shape(x, *index, template=template).shape if index else index_shape(x.shape, template)
    )
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
    xp.add.at(target, fill(template, index), value)


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
    >>> index_put(lab.zeros(3), (lab.tensor([0, 0, 2]),), lab.ones(3), accumulate=True)
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
    """The input with one number in the slices at ``index``, along ``dim``."""
    dim, index = _vector("index_fill", input, dim, index)
    return put(input, value, index, template=_along(dim))


def index_fill_(input: Any, dim: int, index: Any, value: Any) -> Any:
    """``index_fill`` in place: the tensor itself changes."""
    dim, index = _vector("index_fill_", input, dim, index)
    return current().update(put, input, (input, value, index), {"template": _along(dim)})


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """The input with the slices of ``source`` at ``index``, along ``dim``."""
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
    >>> masked_select(x, x > 0)
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


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """The entries at ``indices`` along ``dim``, as ``argsort`` gives them; the rest broadcasts."""
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
    """The entries at ``index``, counted row by row through the whole tensor."""
    return take(ravel(input), index, template=(PLACE,))


def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Each entry several times in a row: ``[1, 2]`` twice gives ``[1, 1, 2, 2]``.

    ``repeats`` is a number, or a tensor with a number for each slice along ``dim``. Without
    ``dim`` the input is taken as one long row. With one tensor only, that tensor says how often
    each of the numbers 0, 1, 2, ... comes.

    >>> import minitorch_lab as lab
    >>> repeat_interleave(lab.tensor([1, 2]), lab.tensor([3, 1]))
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
    index = current().constant(namespace_for(input.device).asarray(places))
    return index_select(input, dim, index)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise KindError(f"repeat_interleave: expected an int or a tensor, got {describe(value)}")
    return int(value.__index__())


FUNCTIONS = {
    name: globals()[name]
    for name in (
        "gather scatter scatter_add index_select index_add index_put index_put_ index_fill "
        "index_fill_ index_copy index_copy_ masked_select take_along_dim repeat_interleave"
    ).split()
}
FUNCTIONS["take"] = take_flat
# With an in-place form, such as ``x.index_add_(0, index, source)``.
IN_PLACE = ("scatter", "scatter_add", "index_add")
