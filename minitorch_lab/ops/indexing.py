"""Indexing with tensors: gather, scatter, and the square brackets of a tensor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..device import namespace_of
from ..errors import DTypeError, IndexingError
from ..op import Attrs, Mismatch, Op, Spec, integers, normal, op, sample
from .movement import expand_ellipsis
from .rules import broadcast_shapes, one_dim, per_entry

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


def check_range(index: Any, size: int, name: str = "index", low: int = 0) -> None:
    """IndexingError unless each index is from ``low`` to ``size - 1``."""
    if index.size and (int(index.min()) < low or int(index.max()) >= size):
        bad = index[(index < low) | (index >= size)]
        raise Mismatch(
            f"{name} is out of range",
            f"expected entries from {low} to {size - 1}, got {int(bad.ravel()[0])}",
            error=IndexingError,
        )


def _gather_forward(xp: Any, input: Any, index: Any, dim: int) -> Any:
    check_range(index, input.shape[dim])
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


def _scatter_forward(xp: Any, input: Any, index: Any, dim: int, shape: tuple[int, ...]) -> Any:
    out = xp.zeros(shape, input.dtype)
    where = list(xp.ogrid[tuple(slice(n) for n in index.shape)])
    where[dim] = index
    xp.add.at(out, tuple(where), input)
    return out


scatter_zeros: Op = op(
    "scatter_zeros",
    "Zeros of a shape with the input added at index: the gradient of gather.",
    forward=_scatter_forward,
    vjp=lambda g, y, x, index, dim, shape: gather(g, dim, index),
    saved="index",
    shape=lambda x, index, dim, shape: replace(x, shape=shape),
    formula=(r"y_{i,k_{ij}} \mathrel{+}= x_{ij}", r"\bar x_{ij} = \bar y_{i,k_{ij}}"),
    cost=per_entry(),
    onnx="ScatterElements",
    samples=[sample(normal(3, 2), integers(4, 3, 2), dim=1, shape=(3, 4))],
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


def _take_forward(xp: Any, input: Any, *index: Any, template: tuple[Any, ...]) -> Any:
    axis = 0
    rest = iter(index)
    for part in expand_ellipsis(template, input.ndim):
        if part is None:
            continue
        if part == PLACE and axis < input.ndim:
            check_range(next(rest), input.shape[axis], low=-input.shape[axis])
        axis += 1
    return input[fill(template, index)]


def _untake_forward(
    xp: Any, input: Any, *index: Any, template: tuple[Any, ...], shape: tuple[int, ...]
) -> Any:
    out = xp.zeros(shape, input.dtype)
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
    out[fill(template, index)] = value
    return out


def _put_inplace(xp: Any, target: Any, value: Any, *index: Any, template: Any) -> None:
    target[fill(template, index)] = value


def _put_shape(x: Spec, value: Spec, *index: Spec, template: Any) -> Spec:
    from .movement import _index_shape

    shape = (
        _take_shape(x, *index, template=template).shape
        if index
        else _index_shape(x.shape, template)
    )
    if broadcast_shapes(value.shape, shape) != shape:
        raise Mismatch(
            "the value does not fit into the part that is assigned",
            f"expected a shape that broadcasts to {shape}, got {value.shape}",
        )
    return x


def _picked(g: Any, index: tuple[Any, ...], template: tuple[Any, ...]) -> Any:
    from .movement import slice_

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

FUNCTIONS = {"gather": gather}

__all__ = [
    "PLACE",
    "check_range",
    "fill",
    "gather",
    "namespace_of",
    "put",
    "scatter_zeros",
    "take",
    "untake",
]
