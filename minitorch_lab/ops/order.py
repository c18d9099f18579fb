"""Order: sorting, ranks, and which entries there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil, floor
from typing import Any, NamedTuple

from ..device import NAMESPACES, ends, known
from ..errors import ComputeError, IndexingError, KindError, ShapeError, describe
from ..op import Attrs, Mismatch, Op, Spec, apart, current, op, sample
from . import elementwise as e
from . import special
from .indexing import gather
from .movement import cat, narrow, reshape, squeeze, stack, transpose, unsqueeze
from .reduce import amax, amin, any, argmax, argmin, cumsum, even_share
from .reduce import sum as count
from .rules import INT64, one_dim, per_input

Bound = tuple[tuple[Any, ...], Attrs]


class Ranked(NamedTuple):
    """Entries, and where they stood along the dimension: what sort, topk and median give."""

    values: Any
    indices: Any

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a pair of tensors has no {name!r}\n{_PAIR}")


_PAIR = (
    "  expected one tensor, got the pair (values, indices)\n"
    "  write x.max(dim).values, or values, indices = x.max(dim); amax(dim) gives the values alone"
)


def _no_number(name: str) -> Callable[[Any, Any], Any]:
    plain = getattr(tuple, name, None)  # pairs can be joined and repeated, as tuples are

    def operator(self: Any, other: Any) -> Any:
        if (
            plain is not None
            and isinstance(other, (tuple, int))
            and (isinstance(other, tuple) == (name == "__add__"))
        ):
            return plain(self, other)
        raise KindError(f"{name.strip('_')}(): a pair of tensors is no number\n{_PAIR}")

    return operator


for _name in "add sub mul truediv pow radd rsub rtruediv rpow matmul".split():
    setattr(Ranked, f"__{_name}__", _no_number(f"__{_name}__"))


# Extremes: a value, or the pair of values and indices ------------------------------------------


def _extreme(x: Any, dim: Any, keepdim: bool, value: Any, where: Any, larger: Any) -> Any:
    if hasattr(dim, "shape"):
        return larger(x, dim)
    name = value.name[1:]
    at = None if dim is None else one_dim(dim, x.ndim)
    if 0 in (x.shape if at is None else x.shape[at : at + 1]):
        raise (ShapeError if at is None else IndexingError)(
            f"{name}(input): there is no entry to choose from\n"
            f"  input  {x.dtype.name} {tuple(x.shape)}\n  expected one entry or more"
            + ("" if at is None else f" in dimension {at}")
        )
    if at is None:
        return value(x)
    return _drop(_at(x, at, where(x, at, True)), at, keepdim)


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
    """The smallest entry; with ``dim``, the pair ``(values, indices)``; or of two tensors.

    >>> import minitorch_lab as lab
    >>> lab.min(lab.tensor([3.0, 1.0, 2.0]))
    tensor(1.)
    >>> lab.min(lab.tensor([[3.0, 1.0], [2.0, 4.0]]), dim=1).indices
    tensor([1, 0])
    """
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
    example="""
        >>> lab.argsort(lab.tensor([3.0, 1.0, 2.0]))
        tensor([1, 2, 0])
    """,
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
    refuses="b",
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


def nanmedian(
    input: Any, dim: int | None = None, keepdim: bool = False, *, axis: int | None = None
) -> Any:
    """The middle of the entries that are not NaN; with ``dim``: ``(values, indices)``.

    >>> import minitorch_lab as lab
    >>> lab.nanmedian(lab.tensor([1.0, float("nan"), 3.0, 2.0]))
    tensor(2.)
    """
    dim = axis if dim is None else dim
    if dim is None:
        if 0 in input.shape:
            return median(input)
        return nanmedian(reshape(input, -1), 0).values
    at = one_dim(dim, input.ndim)
    if not _size(input, at):
        return median(input, at, keepdim)  # which refuses it
    if not input.ndim:
        return _at(input, at, argsort(input, at))
    known = count(e.logical_not(e.isnan(input)), at, True)
    place = e.clamp(e.floor_divide(known - 1, 2), 0)
    return _drop(_at(input, at, gather(argsort(input, at), at, place)), at, keepdim)


def quantile(
    input: Any,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Any:
    """The value below which the share ``q`` of the entries lies: the median for 0.5.

    ``q`` is a number, or a tensor ``(K,)``, which puts a dimension of K before the others.
    ``interpolation`` says what to give between two entries: linear, lower, higher, midpoint or
    nearest. The gradient goes to these entries.

    >>> import minitorch_lab as lab
    >>> lab.quantile(lab.tensor([0.0, 1.0, 2.0, 3.0]), 0.25)
    tensor(0.7500)
    """
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise ComputeError(
            f"quantile(interpolation): got {interpolation!r}\n"
            "  expected linear, lower, higher, midpoint or nearest"
        )
    if not input.dtype.is_floating_point:
        raise ComputeError(
            f"quantile(input, q): expected a float dtype, got {input.dtype.name}\n"
            "  convert with .float()"
        )
    shares = q.tolist() if hasattr(q, "tolist") else q
    for share in shares if isinstance(shares, list) else [shares]:
        if not 0 <= share <= 1:
            raise ComputeError(f"quantile(input, q): got q = {share}\n  expected 0 <= q <= 1")
    ndim = input.ndim
    if dim is None:
        input, at = reshape(input, -1), 0
    else:
        at = one_dim(dim, ndim)
        input = input if ndim else reshape(input, 1)
    n = _size(input, at)
    if not n:
        raise ComputeError("quantile(input, q): there is no entry to choose from")
    ordered = sort(input, at).values
    last = narrow(ordered, at, n - 1, 1)

    def one(share: float) -> Any:
        place = share * (n - 1)
        low, high = floor(place), ceil(place)
        if interpolation in ("lower", "higher", "nearest"):
            low = high = {"lower": low, "higher": high}.get(interpolation, round(place))
        part = 0.5 if interpolation == "midpoint" else place - low
        found = narrow(ordered, at, low, 1)
        if low != high:
            found = found + (narrow(ordered, at, high, 1) - found) * part
        found = e.where(e.isnan(last), last, found)
        if not keepdim:
            return squeeze(found, at)
        return reshape(found, (1,) * ndim) if dim is None else found

    return stack([one(share) for share in shares]) if isinstance(shares, list) else one(shares)


def mode(input: Any, dim: int = -1, keepdim: bool = False, *, axis: int | None = None) -> Ranked:
    """The commonest entry along ``dim``, of several the smallest: ``(values, indices)``.

    The index is that of its last occurrence. Each entry is compared with each other.

    >>> import minitorch_lab as lab
    >>> lab.tensor([3.0, 1.0, 3.0, 2.0]).mode().values
    tensor(3.)
    """
    at = one_dim(dim if axis is None else axis, input.ndim)
    if not input.ndim:
        return _at(input, at, argsort(input, at))
    if not _size(input, at):
        raise IndexingError("mode(input, dim): there is no entry to choose from")
    order = argsort(input, at)
    x = transpose(gather(input.detach(), at, order), at, -1)
    same = count(e.eq(unsqueeze(x, -1), unsqueeze(x, -2)), -1)
    first = argmax(same, -1, True)
    # equal entries stand in their old order: the last of them is as far on as there are others
    last = first + gather(same, input.ndim - 1, first) - 1
    return _drop(_at(input, at, gather(order, at, transpose(last, at, -1))), at, keepdim)


def msort(input: Any) -> Any:
    """The entries in order along the first dimension.

    >>> import minitorch_lab as lab
    >>> lab.msort(lab.tensor([[3, 1], [2, 4]]))
    tensor([[2, 1],
            [3, 4]])
    """
    return sort(input, 0).values


# Running: each entry with all before it --------------------------------------------------------


def _scan(parts: tuple[Any, ...], dim: int, join: Any) -> tuple[Any, ...]:
    """Join each entry with all before it; each round doubles how far back it has looked."""
    n = _size(parts[0], dim) if parts[0].ndim else 1
    reach = 1
    while reach < n:
        before = [narrow(p, dim, 0, n - reach) for p in parts]
        now = [narrow(p, dim, reach, n - reach) for p in parts]
        joined = join(*before, *now)
        parts = tuple(
            cat([narrow(p, dim, 0, reach), j], dim) for p, j in zip(parts, joined, strict=True)
        )
        reach *= 2
    return parts


def _running(input: Any, dim: int, wins: Any) -> Ranked:
    at = one_dim(dim, input.ndim)
    x = input.detach()
    place = cumsum(e.logical_or(e.eq(x, x), True), at) - 1  # 0, 1, 2, ...

    def join(a: Any, i: Any, b: Any, j: Any) -> tuple[Any, Any]:
        old = e.logical_and(e.logical_or(wins(a, b), e.isnan(a)), e.logical_not(e.isnan(b)))
        return e.where(old, a, b), e.where(old, i, j)

    return _at(input, at, _scan((x, place), at, join)[1])


def cummax(input: Any, dim: int) -> Ranked:
    """Running largest entry along ``dim``, and where it stood: ``(values, indices)``.

    >>> import minitorch_lab as lab
    >>> lab.cummax(lab.tensor([1.0, 3.0, 2.0]), 0).values
    tensor([1., 3., 3.])
    """
    return _running(input, dim, e.gt)


def cummin(input: Any, dim: int) -> Ranked:
    """Running smallest entry along ``dim``, and where it stood: ``(values, indices)``.

    >>> import minitorch_lab as lab
    >>> lab.cummin(lab.tensor([3.0, 1.0, 2.0]), 0).values
    tensor([3., 1., 1.])
    """
    return _running(input, dim, e.lt)


def logcumsumexp(input: Any, dim: int) -> Any:
    """Logarithm of the running sum of exp along ``dim``, without overflow.

    >>> import minitorch_lab as lab
    >>> lab.logcumsumexp(lab.tensor([0.0, 0.0, 0.0]), 0)
    tensor([0.0000, 0.6931, 1.0986])
    """
    at = one_dim(dim, input.ndim)
    return _scan((input,), at, lambda a, b: (special.logaddexp(a, b),))[0]


def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Each entry minus the one before it along ``dim``, ``n`` times over.

    >>> import minitorch_lab as lab
    >>> lab.diff(lab.tensor([1, 4, 9, 16]))
    tensor([3, 5, 7])
    """
    if not input.ndim:
        raise ShapeError("diff(input): expected one dimension or more, got a 0-d tensor")
    at = one_dim(dim, input.ndim)
    parts = [x for x in (prepend, input, append) if x is not None]
    input = cat(parts, at) if len(parts) > 1 else input
    minus = e.ne if input.dtype.name == "bool" else e.sub
    for _ in range(n):
        rest = max(_size(input, at) - 1, 0)
        first = _size(input, at) - rest
        input = minus(narrow(input, at, first, rest), narrow(input, at, 0, rest))
    return input


# Looking up: no gradient ---------------------------------------------------------------------


def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Any:
    """Whether each entry occurs in ``test_elements``.

    >>> import minitorch_lab as lab
    >>> lab.isin(lab.tensor([1, 2, 3]), lab.tensor([3, 1]))
    tensor([ True, False,  True])
    """
    if not hasattr(elements, "shape"):
        found = any(e.eq(test_elements, elements))
    elif not hasattr(test_elements, "shape"):
        found = e.eq(elements, test_elements)
    else:
        found = any(e.eq(unsqueeze(elements, -1), reshape(test_elements, -1)), -1)
    return e.logical_not(found) if invert else found


def searchsorted(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
) -> Any:
    """Where each entry would be inserted so that the sequence, along its last dim, stays sorted.

    Before equal entries, or after them with ``right``. Each entry is compared with each of the
    sequence.

    >>> import minitorch_lab as lab
    >>> lab.searchsorted(lab.tensor([1, 3, 5]), lab.tensor([3, 4]))
    tensor([1, 2])
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ComputeError(f"searchsorted(side): got {side!r}, right={right}\n  they differ")
    row = sorted_sequence
    number = not hasattr(input, "shape")
    if not number and row.ndim > 1:
        if tuple(row.shape[:-1]) != tuple(input.shape[:-1]):
            raise ShapeError(
                "searchsorted(sorted_sequence, input): the shapes differ before the last dim\n"
                f"  sorted_sequence  {tuple(row.shape)}\n  input            {tuple(input.shape)}"
            )
        row = unsqueeze(row, -2)
    value = input if number else unsqueeze(input, -1)
    before = (e.le if right or side == "right" else e.lt)(row, value)
    if not number:
        before = e.logical_or(before, e.isnan(value))  # NaN counts as the largest
    found = count(before, -1)
    return e.to_dtype(found, "int32") if out_int32 else found


def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """Between which of the sorted ``boundaries`` each entry lies.

    >>> import minitorch_lab as lab
    >>> lab.bucketize(lab.tensor([0.5, 2.0, 9.0]), lab.tensor([1.0, 2.0, 3.0]))
    tensor([0, 1, 3])
    """
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


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
    """Where the entries are not 0: an int64 tensor with one row of indices for each.

    >>> import minitorch_lab as lab
    >>> lab.argwhere(lab.tensor([[0, 1], [2, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
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


def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each whole number from 0 on occurs, or the sum of its weights.

    >>> import minitorch_lab as lab
    >>> lab.bincount(lab.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    xp, array = _array("bincount", input, "use one_hot(x, n).sum(0), whose shape is known")
    if (
        array.ndim != 1
        or array.dtype.kind not in "iu"
        or (array.size and bool(known((array < 0).any())))
    ):
        raise ComputeError(
            f"bincount(input): expected integers of 0 or more in one dimension\n  got  {input.spec}"
        )
    if minlength < 0:
        raise ComputeError(f"bincount(minlength): expected 0 or more, got {minlength}")
    if weights is None:
        found = xp.bincount(array, minlength=minlength).astype(INT64, copy=False)
    else:
        if tuple(weights.shape) != tuple(array.shape):
            raise ShapeError(
                "bincount(input, weights): the shapes differ\n"
                f"  input    {tuple(array.shape)}\n  weights  {tuple(weights.shape)}"
            )
        found = xp.bincount(array, weights.array, minlength)
        found = found.astype("float32" if weights.dtype.name == "float32" else "float64")
    return current().constant(found)


def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many entries fall in each of ``bins`` equal parts of the range from min to max.

    Where min and max are equal, the range is that of the entries.

    >>> import minitorch_lab as lab
    >>> lab.histc(lab.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    xp, array = _array("histc", input, "compare with the edges and sum")
    if array.dtype.kind != "f":
        raise ComputeError(f"histc(input): expected a float dtype, got {array.dtype}")
    if bins < 1:
        raise ComputeError(f"histc(bins): expected 1 or more, got {bins}")
    if min == max and array.size:
        min, max = map(float, ends(array))
    if min == max:
        min, max = min - 1, max + 1
    if not min < max:
        raise ComputeError(f"histc(min, max): expected min below max, got {min} and {max}")
    inside = array[xp.logical_and(array >= min, array <= max)]
    place = xp.minimum(((inside - min) / (max - min) * bins).astype(INT64), bins - 1)
    return current().constant(xp.bincount(place, minlength=bins).astype(array.dtype))


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """The entry of ``input`` where the condition holds, else that of ``other``; they broadcast.

    With the condition alone: where its entries are not 0, as a tuple with a tensor for each
    dimension, like ``nonzero(as_tuple=True)``.

    >>> import minitorch_lab as lab
    >>> x = lab.tensor([1.0, -2.0])
    >>> lab.where(x > 0, x, 0.0)
    tensor([1., 0.])
    """
    if (input is None) != (other is None):
        raise KindError("where(condition, input, other): expected both of input and other, or none")
    if not hasattr(condition, "shape"):
        raise KindError(
            f"where(condition, input, other): condition is not a tensor\n"
            f"  expected a bool tensor, such as x > 0, got {describe(condition)}\n"
            "  Python chooses between two by: input if condition else other"
        )
    return nonzero(condition, as_tuple=True) if input is None else e.where(condition, input, other)


def _where_method(input: Any, condition: Any, other: Any) -> Any:
    """The entry itself where the condition holds, else that of ``other``."""
    return e.where(condition, input, other)


FUNCTIONS = {
    name: globals()[name]
    for name in (
        "sort argsort topk kthvalue median nanmedian quantile msort cummax cummin "
        "logcumsumexp diff isin searchsorted bucketize bincount histc nonzero argwhere unique"
    ).split()
} | {"max": largest, "min": smallest, "where": where}
# Methods that are other than the function, or have none: the function ``lab.mode`` says how
# functions run, op by op or as a graph.
METHODS: dict[str, Callable[..., Any]] = {"mode": mode, "where": _where_method}
# PyTorch has these as functions only.
NOT_METHODS = ("isin", "searchsorted", "bucketize")
