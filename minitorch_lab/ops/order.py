"""Order: sorting, ranks, and which entries there are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from ..device import NAMESPACES
from ..errors import IndexingError, KindError, ShapeError, describe
from ..op import Attrs, Mismatch, Op, Spec, apart, current, op, sample
from . import elementwise as e
from .indexing import gather
from .movement import narrow, reshape, squeeze
from .reduce import amax, amin, argmax, argmin, even_share
from .rules import INT64, one_dim, per_input

Bound = tuple[tuple[Any, ...], Attrs]


class Ranked(NamedTuple):
    """Entries, and where they stood along the dimension: what sort, topk and median give."""

    values: Any
    indices: Any


# Extremes: a value, or the pair of values and indices ------------------------------------------


def _extreme(x: Any, dim: Any, keepdim: bool, value: Any, where: Any, larger: Any) -> Any:
    if hasattr(dim, "shape"):
        return larger(x, dim)
    if dim is None:
        return value(x)
    index = where(x, one_dim(dim, x.ndim), True)
    return _drop(_at(x, one_dim(dim, x.ndim), index), dim, keepdim)


def largest(
    input: Any,
    dim: Any = None,
    keepdim: bool = False,
    *,
    other: Any = None,
    axis: int | None = None,
) -> Any:
    """The largest entry; with ``dim``, the pair ``(values, indices)``; or of two tensors.

    >>> import minitorch_lab as lab
    >>> lab.max(lab.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1).indices
    tensor([1, 0])
    """
    dim = axis if dim is None else dim
    at = dim if other is None else other
    return _extreme(input, at, keepdim, amax, argmax, e.maximum)


def smallest(
    input: Any,
    dim: Any = None,
    keepdim: bool = False,
    *,
    other: Any = None,
    axis: int | None = None,
) -> Any:
    """The smallest entry; with ``dim``, the pair ``(values, indices)``; or of two tensors."""
    dim = axis if dim is None else dim
    at = dim if other is None else other
    return _extreme(input, at, keepdim, amin, argmin, e.minimum)


# The order itself: whole numbers, no gradient ------------------------------------------------


def _argsort_bind(
    input: Any,
    dim: int = -1,
    descending: bool = False,
    stable: bool = False,  # every sort here is stable
    *,
    axis: int | None = None,
) -> Bound:
    at = one_dim(dim if axis is None else axis, input.ndim)
    return (input,), {"dim": at, "descending": bool(descending)}


def _argsort_forward(xp: Any, input: Any, dim: int, descending: bool) -> Any:
    if input.ndim == 0:
        return xp.zeros((), INT64)
    if not descending:
        return xp.argsort(input, axis=dim, kind="stable").astype(INT64, copy=False)
    # sorted from behind and read from behind, so that equal entries keep their order
    back = (*(slice(None),) * dim, slice(None, None, -1))
    order = xp.argsort(input[back], axis=dim, kind="stable")[back]
    return (input.shape[dim] - 1 - order).astype(INT64, copy=False)


argsort: Op = op(
    "argsort",
    "The indices that would sort the entries along dim; NaN counts as the largest.",
    forward=_argsort_forward,
    bind=_argsort_bind,
    shape=lambda x, dim, descending: replace(x, dtype=INT64),
    formula=(r"x_{y_1} \le x_{y_2} \le \dots", r"\text{none}"),
    cost=per_input(16),
    samples=[
        sample(apart(3, 4), dim=1, descending=False),
        sample(apart(3, 4), dim=0, descending=True),
        sample(apart(), dim=0, descending=False),
    ],
)


def _at(input: Any, dim: int, index: Any) -> Ranked:
    """The entries at ``index`` along ``dim``; a gradient goes back to where they stood."""
    if input.ndim == 0:
        return Ranked(reshape(input, ()), index)
    return Ranked(gather(input, dim, index), index)


def sort(
    input: Any,
    dim: int = -1,
    descending: bool = False,
    stable: bool = False,
    *,
    axis: int | None = None,
) -> Ranked:
    """The entries in order along ``dim``, and where each stood: ``(values, indices)``.

    Equal entries keep their order. NaN counts as the largest.

    >>> import minitorch_lab as lab
    >>> values, indices = lab.sort(lab.tensor([3.0, 1.0, 2.0]))
    >>> values, indices
    (tensor([1., 2., 3.]), tensor([1, 2, 0]))
    """
    at = one_dim(dim if axis is None else axis, input.ndim)
    return _at(input, at, argsort(input, at, descending))


def _size(input: Any, dim: int) -> int:
    return int(input.shape[dim]) if input.ndim else 1


def topk(
    input: Any,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    axis: int | None = None,
) -> Ranked:
    """The ``k`` largest entries along ``dim`` in order, or the smallest: ``(values, indices)``.

    >>> import minitorch_lab as lab
    >>> lab.topk(lab.tensor([3.0, 1.0, 2.0]), 2).indices
    tensor([0, 2])
    """
    at = one_dim(dim if axis is None else axis, input.ndim)
    n = _size(input, at)
    _need_rank("topk", input, k, at, 0, n)
    order = argsort(input, at, largest)
    return _at(input, at, narrow(order, at, 0, int(k)) if input.ndim else order)


def kthvalue(
    input: Any, k: int, dim: int = -1, keepdim: bool = False, *, axis: int | None = None
) -> Ranked:
    """The ``k``-th smallest entry along ``dim``, counted from 1: ``(values, indices)``.

    >>> import minitorch_lab as lab
    >>> lab.kthvalue(lab.tensor([3.0, 1.0, 2.0]), 2)
    Ranked(values=tensor(2.), indices=tensor(2))
    """
    at = one_dim(dim if axis is None else axis, input.ndim)
    _need_rank("kthvalue", input, k, at, 1, _size(input, at))
    order = argsort(input, at)
    return _drop(
        _at(input, at, narrow(order, at, int(k) - 1, 1) if input.ndim else order), at, keepdim
    )


def _need_rank(name: str, input: Any, k: Any, dim: int, low: int, high: int) -> None:
    if isinstance(k, bool) or not hasattr(k, "__index__"):
        raise KindError(f"{name}(input, k): expected an int, got {describe(k)}")
    if not low <= k < high + 1:
        raise ShapeError(
            f"{name}(input, k): k={int(k)} is out of range\n"
            f"  input  {input.dtype.name} {tuple(input.shape)}\n"
            f"  expected k from {low} to {high}, the size of dimension {dim}"
        )


def _drop(pair: Ranked, dim: int, keepdim: bool) -> Ranked:
    if keepdim or not pair.indices.ndim:
        return pair
    return Ranked(squeeze(pair.values, dim), squeeze(pair.indices, dim))


# The middle ----------------------------------------------------------------------------------


def _median_forward(xp: Any, input: Any) -> Any:
    flat = xp.sort(input.reshape(-1))
    if not flat.size:
        if input.dtype.kind != "f":
            raise KindError("median of nothing")  # the shape rule writes the message
        return xp.full((), float("nan"), input.dtype)
    middle, last = flat[(flat.size - 1) // 2], flat[-1]
    return xp.where(last != last, last, middle)  # NaN is sorted to the end


def _median_shape(x: Spec) -> Spec:
    if not x.size and x.dtype.kind != "f":
        raise Mismatch(
            "there is no entry to choose from",
            f"expected one entry or more, got shape {x.shape}",
        )
    return replace(x, shape=())


median_of_all: Op = op(
    "median",
    "The middle entry, of two middle ones the smaller.",
    forward=_median_forward,
    vjp=lambda g, y, x: even_share(g, y, x, tuple(range(x.ndim)), False),
    saved="input y",
    shape=_median_shape,
    formula=(r"y = \operatorname{median}_i x_i", r"\bar x_i = \bar y\,[x_i = y] / n_{=}"),
    cost=per_input(16),
    samples=[apart(3, 3), apart(2, 4), apart()],
)


def median(
    input: Any, dim: int | None = None, keepdim: bool = False, *, axis: int | None = None
) -> Any:
    """The middle entry; of two middle ones the smaller. With ``dim``: ``(values, indices)``.

    >>> import minitorch_lab as lab
    >>> lab.median(lab.tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    dim = axis if dim is None else dim
    if dim is None:
        return median_of_all(input)
    at = one_dim(dim, input.ndim)
    if not input.ndim:
        return _at(input, at, argsort(input, at))
    n = _size(input, at)
    if not n:
        raise IndexingError(
            "median(input, dim): there is no entry to choose from\n"
            f"  input  {input.dtype.name} {tuple(input.shape)}\n"
            f"  expected size 1 or more in dimension {at}"
        )
    order = argsort(input, at)
    last = narrow(order, at, n - 1, 1)
    # NaN is sorted to the end: where there is one, it is the median
    index = e.where(e.isnan(gather(input, at, last)), last, narrow(order, at, (n - 1) // 2, 1))
    return _drop(_at(input, at, index), at, keepdim)


# Which entries there are: the shape of the result hangs on the values -------------------------


def _array(name: str, input: Any, remedy: str) -> tuple[Any, Any]:
    """The namespace and the array of a tensor; a trace has none."""
    interpreter = current()
    if interpreter.tracing:
        interpreter.refuse(f"{name}(), whose result has a shape that hangs on the values,", remedy)
    array = getattr(input, "array", None)
    if array is None:
        raise KindError(f"{name}(input): expected a tensor, got {describe(input)}")
    return NAMESPACES[type(array)], array


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Where the entries are not 0: an int64 tensor with one row of indices for each.

    With ``as_tuple`` one tensor for each dimension, which can stand in square brackets.

    >>> import minitorch_lab as lab
    >>> lab.nonzero(lab.tensor([[0.0, 5.0], [7.0, 0.0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    xp, array = _array("nonzero", input, "use where(mask, x, 0), which keeps the shape")
    make = current().constant
    found = xp.nonzero(array.reshape(1) if array.ndim == 0 else array)
    if as_tuple:
        return tuple(make(i.astype(INT64, copy=False)) for i in found)
    if array.ndim == 0:
        return make(xp.zeros((found[0].size, 0), INT64))
    return make(xp.stack(found, 1).astype(INT64, copy=False))


def argwhere(input: Any) -> Any:
    """Where the entries are not 0: an int64 tensor with one row of indices for each."""
    return nonzero(input)


def unique(
    input: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different entries in order; with ``dim``, the different slices along it.

    ``return_inverse`` adds where each entry of the input is in the result, ``return_counts`` how
    often each occurs.

    >>> import minitorch_lab as lab
    >>> lab.unique(lab.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    xp, array = _array("unique", input, "sort(x) keeps the shape")
    at = None if dim is None else one_dim(dim, array.ndim)
    if array.ndim == 0:
        at = None
    # NaN is equal to nothing, not even to NaN
    found, inverse, counts = xp.unique(
        array, return_inverse=True, return_counts=True, axis=at, equal_nan=False
    )
    make = current().constant
    out = [make(found)]
    if return_inverse:
        inverse = inverse.reshape(array.shape if at is None else -1)
        out.append(make(inverse.astype(INT64, copy=False)))
    if return_counts:
        out.append(make(counts.astype(INT64, copy=False)))
    return out[0] if len(out) == 1 else tuple(out)


FUNCTIONS = {
    name: globals()[name]
    for name in "sort argsort topk kthvalue median nonzero argwhere unique".split()
} | {"max": largest, "min": smallest}
