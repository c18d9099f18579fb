"""Reductions: many numbers become fewer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import DType
from ..errors import ComputeError, DTypeError, IndexingError, KindError, ShapeError, describe
from ..op import Attrs, Mismatch, Op, Spec, apart, mask, normal, op, sample, uniform
from . import elementwise as e
from .movement import cat, expand, narrow, reshape
from .rules import (
    BOOL,
    FLOAT16,
    INT64,
    UINT8,
    all_dims,
    need_float,
    one_dim,
    per_input,
    reduce_shape,
    reduced,
    through_float32,
    total,
)

Bound = tuple[tuple[Any, ...], Attrs]
Dims = int | Sequence[int] | None


def with_ones(g: Any, shape: tuple[int, ...], dim: tuple[int, ...]) -> Any:
    """``g`` with the reduced dimensions of ``shape`` put back as 1, so that it broadcasts."""
    return reshape(g, reduced(tuple(shape), dim, True))


def _bind(
    input: Any,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: Dims = None,
) -> Bound:
    if dtype is not None:
        input = e.to_dtype(input, dtype)
    if axis is not None:
        dim = axis
    return (input,), {"dim": all_dims(dim, input.ndim), "keepdim": keepdim}


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of a sum or product: PyTorch adds up ints and bools in int64."""
    return dtype if dtype.kind == "f" else INT64


def _sum_shape(x: Spec, dim: tuple[int, ...], keepdim: bool) -> Spec:
    """``(N, M)`` over dim 1 gives ``(N,)``, with ``keepdim`` ``(N, 1)``; integers become int64."""
    return Spec(reduced(x.shape, dim, keepdim), _wide(x.dtype), x.device)


def _sum_forward(xp: Any, input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    if input.dtype.kind == "f":
        return total(xp, input, dim, keepdim)
    return xp.add.reduce(input, axis=dim, dtype=INT64, keepdims=keepdim)


sum: Op = op(
    "sum",
    "Sum of the entries, over all or some dimensions.",
    example="""
        >>> x = lab.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> lab.sum(x)
        tensor(10.)
        >>> lab.sum(x, dim=1, keepdim=True)
        tensor([[3.],
                [7.]])
    """,
    forward=_sum_forward,
    bind=_bind,
    vjp=lambda g, y, x, dim, keepdim: expand(with_ones(g, x.shape, dim), tuple(x.shape)),
    shape=_sum_shape,
    formula=(r"y = \sum_i x_i", r"\bar x_i = \bar y"),
    autocast="full",
    cost=per_input(),
    onnx="ReduceSum",
    samples=[
        sample(normal(3, 4), dim=(1,), keepdim=False),
        sample(normal(2, 3), dim=(0, 1), keepdim=True),
    ],
)


def _mean_shape(x: Spec, dim: tuple[int, ...], keepdim: bool) -> Spec:
    """``(N, M)`` over dim 1 gives ``(N,)``, with ``keepdim`` ``(N, 1)``; the input is of floats."""
    need_float(x, "input")
    return reduce_shape(x, dim, keepdim)


def _mean_forward(xp: Any, input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    if input.dtype.kind != "f":
        raise KindError("mean of integers")  # the shape rule writes the message
    if input.dtype is FLOAT16:  # whose sum may be out of its range
        return through_float32(_mean_forward, xp, input, dim=dim, keepdim=keepdim)
    count = prod([input.shape[d] for d in dim])
    with np.errstate(invalid="ignore"):  # the mean of nothing is NaN, as in PyTorch
        return total(xp, input, dim, keepdim) / input.dtype.type(count)


def _mean_grad(g: Any, y: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    count = prod([x.shape[d] for d in dim])
    return expand(with_ones(g * (1 / max(count, 1)), x.shape, dim), tuple(x.shape))


mean: Op = op(
    "mean",
    "Mean of the entries, over all or some dimensions.",
    example="""
        >>> lab.mean(lab.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
        tensor([2., 3.])
    """,
    forward=_mean_forward,
    bind=_bind,
    vjp=_mean_grad,
    shape=_mean_shape,
    formula=(r"y = \frac{1}{n}\sum_i x_i", r"\bar x_i = \bar y / n"),
    cost=per_input(),
    onnx="ReduceMean",
    samples=[
        sample(normal(3, 4), dim=(0, 1), keepdim=False),
        sample(normal(3, 4), dim=(1,), keepdim=True),
        sample(normal(3, 1), dim=(1,), keepdim=False),
    ],
)


def _one_dim_or_all(
    input: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: int | None = None,
) -> Bound:
    dim = axis if dim is None else dim
    if dim is not None and not hasattr(dim, "__index__"):
        raise KindError(f"prod(input, dim): expected one int, got {describe(dim)}")
    return _bind(input, dim, keepdim, dtype=dtype)


def _others(x: Any, dim: int) -> Any:
    """For each entry the product of the others along dim; exact where entries are 0.

    Halves are multiplied with each other, and the answer for the pairs is handed down.
    """
    n = x.shape[dim]
    half = n // 2
    a, b, rest = (narrow(x, dim, half * i, min(half, n - half * i)) for i in range(3))
    if n == 2:
        return cat([b, a], dim)
    pairs = a * b
    if n % 2:
        pairs = cat([pairs, rest], dim)
    above = _others(pairs, dim)
    low = narrow(above, dim, 0, half)
    parts = [low * b, low * a]
    if n % 2:
        parts.append(narrow(above, dim, half, 1))
    return cat(parts, dim)


def _prod_grad(g: Any, y: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    shape = tuple(x.shape)
    g = expand(with_ones(g, shape, dim), shape)
    if prod(shape[d] for d in dim) < 2:  # no others
        return g
    if len(dim) == 1:
        return g * _others(x, dim[0])
    return g * reshape(_others(reshape(x, -1), 0), shape)


# math.prod works out shapes here, so the op goes by a longer name
product: Op = op(
    "prod",
    "Product of the entries, all of them or along one dimension.",
    example="""
        >>> lab.prod(lab.tensor([1, 2, 3, 4]))
        tensor(24)
    """,
    forward=lambda xp, input, dim, keepdim: xp.multiply.reduce(
        input, axis=dim, dtype=_wide(input.dtype), keepdims=keepdim
    ),
    bind=_one_dim_or_all,
    vjp=_prod_grad,
    saved="input",
    shape=_sum_shape,
    formula=(r"y = \prod_i x_i", r"\bar x_i = \bar y \prod_{j \ne i} x_j"),
    autocast="full",
    cost=per_input(),
    onnx="ReduceProd",
    samples=[
        sample(normal(3, 5), dim=(1,), keepdim=False),
        sample(normal(2, 3), dim=(0, 1), keepdim=True),
        sample(normal(2, 1), dim=(1,), keepdim=False),
        sample(normal(2, 3), dim=(0,), keepdim=False),
    ],
)


def _extreme_shape(x: Spec, dim: tuple[int, ...], keepdim: bool) -> Spec:
    """``(N, M)`` over dim 1 gives ``(N,)``, with ``keepdim`` ``(N, 1)``."""
    empty = [d for d in dim if x.shape[d] == 0]
    if empty:
        raise Mismatch(
            "there is no entry to choose from",
            f"expected size 1 or more in dimension {empty[0]}, got shape {x.shape}",
            error=IndexingError,
        )
    return reduce_shape(x, dim, keepdim)


def _extreme_bind(
    input: Any, dim: Dims = None, keepdim: bool = False, *, axis: Dims = None
) -> Bound:
    dim = axis if dim is None else dim
    if 0 in input.shape and (dim is None or dim == () or dim == []):
        raise ShapeError(
            "amax(input): there is no entry to choose from\n"
            f"  input  {input.dtype.name} {tuple(input.shape)}\n"
            "  expected one entry or more, or a dim whose size is not 0"
        )
    return _bind(input, dim, keepdim)


def even_share(g: Any, y: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """Gradient of an op that picks one entry: entries that are equal to it share alike."""
    at = e.eq(x, with_ones(y, x.shape, dim))
    count = sum(at, dim, True)
    return at * (with_ones(g, x.shape, dim) / e.to_dtype(count, y.dtype))


def _extreme(name: str, ufunc: str, word: str, onnx: str, *, example: str) -> Op:
    def forward(xp: Any, input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
        if 0 in [input.shape[d] for d in dim]:
            raise KindError("nothing to choose from")  # the shape rule writes the message
        return getattr(xp, ufunc).reduce(input, axis=dim, keepdims=keepdim)

    return op(
        name,
        f"The {word} entry, over all or some dimensions.",
        example=example,
        forward=forward,
        bind=_extreme_bind,
        vjp=even_share,
        saved="input y",
        shape=_extreme_shape,
        formula=(rf"y = \{name[1:]}_i x_i", r"\bar x_i = \bar y\,[x_i = y] / n_{=}"),
        cost=per_input(),
        onnx=onnx,
        samples=[
            sample(apart(3, 4), dim=(1,), keepdim=False),
            sample(apart(3, 4), dim=(0, 1), keepdim=True),
        ],
    )


amax: Op = _extreme(
    "amax",
    "maximum",
    "largest",
    "ReduceMax",
    example="""
        >>> lab.amax(lab.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
        tensor([5., 7.])
    """,
)
amin: Op = _extreme(
    "amin",
    "minimum",
    "smallest",
    "ReduceMin",
    example="""
        >>> lab.amin(lab.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
        tensor([1., 2.])
    """,
)


# Positions and truth: no gradient ----------------------------------------------------------


def _arg_bind(
    input: Any, dim: int | None = None, keepdim: bool = False, *, axis: int | None = None
) -> Bound:
    dim = axis if dim is None else dim
    return (input,), {"dim": None if dim is None else one_dim(dim, input.ndim), "keepdim": keepdim}


def _arg_shape(x: Spec, dim: int | None, keepdim: bool) -> Spec:
    """``(N, M)`` along dim 1 gives ``(N,)`` of int64, with ``keepdim`` ``(N, 1)``."""
    dims = tuple(range(x.ndim)) if dim is None else (dim,) if x.ndim else ()
    if 0 in [x.shape[d] for d in dims]:
        raise Mismatch(
            "there is no entry to choose from",
            f"expected size 1 or more in each dimension that is searched, got shape {x.shape}",
            error=IndexingError,
        )
    return Spec(reduced(x.shape, dims, keepdim), INT64, x.device)


def _argument(name: str, word: str, *, example: str) -> Any:
    def forward(xp: Any, input: Any, dim: int | None, keepdim: bool) -> Any:
        if 0 in (input.shape if dim is None else input.shape[dim : dim + 1]):
            raise KindError("nothing to choose from")  # the shape rule writes the message
        if input.ndim == 0:
            dim = None
        found = getattr(xp, name)(input, axis=dim)
        dims = tuple(range(input.ndim)) if dim is None else (dim,)
        found = found.reshape(reduced(input.shape, dims, keepdim))
        return found.astype("int64", copy=False)

    return op(
        name,
        f"Where the {word} entry is: its index along dim, or in the flattened tensor.",
        example=example,
        forward=forward,
        bind=_arg_bind,
        shape=_arg_shape,
        refuses="b",
        formula=(rf"y = \operatorname{{{name}}}_i x_i", r"\text{none}"),
        cost=per_input(),
        onnx="ArgMax" if name == "argmax" else "ArgMin",
        samples=[
            sample(apart(3, 4), dim=1, keepdim=False),
            sample(apart(3, 4), dim=None, keepdim=False),
        ],
    )


argmax: Op = _argument(
    "argmax",
    "largest",
    example="""
        >>> lab.argmax(lab.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
        tensor([1, 0])
        >>> lab.argmax(lab.tensor([[1.0, 5.0], [7.0, 2.0]]))
        tensor(2)
    """,
)
argmin: Op = _argument(
    "argmin",
    "smallest",
    example="""
        >>> lab.argmin(lab.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
        tensor([0, 1])
    """,
)


def _truth(name: str, word: str, *, example: str) -> Op:
    def forward(xp: Any, input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
        found = getattr(xp, name)(input, axis=dim, keepdims=keepdim)
        return found.astype(UINT8) if input.dtype == UINT8 else found  # as in PyTorch

    return op(
        name,
        f"Whether {word} entry holds, over all or some dimensions.",
        example=example,
        forward=forward,
        bind=_bind,
        shape=lambda x, dim, keepdim: replace(
            reduce_shape(x, dim, keepdim), dtype=UINT8 if x.dtype == UINT8 else BOOL
        ),
        formula=(rf"y = \operatorname{{{name}}}_i x_i", r"\text{none}"),
        cost=per_input(),
        samples=[sample(mask(3, 4), dim=(1,), keepdim=False)],
    )


all: Op = _truth(
    "all",
    "every",
    example="""
        >>> lab.all(lab.tensor([[True, True], [True, False]]), dim=1)
        tensor([ True, False])
    """,
)
any: Op = _truth(
    "any",
    "any",
    example="""
        >>> lab.any(lab.tensor([[False, False], [True, False]]), dim=1)
        tensor([False,  True])
    """,
)


# Running totals ----------------------------------------------------------------------------


def _running_bind(
    input: Any, dim: int | None = None, *, dtype: DType | None = None, axis: int | None = None
) -> Bound:
    dim = axis if dim is None else dim
    if dim is None:
        raise KindError("cumsum and cumprod need the dimension to go along\n  expected dim=0, say")
    if dtype is not None:
        input = e.to_dtype(input, dtype)
    return (input,), {"dim": one_dim(dim, input.ndim)}


def _running_shape(x: Spec, dim: int) -> Spec:
    """The shape stays; whole numbers become int64."""
    return replace(x, dtype=_wide(x.dtype))


def _running(name: str) -> Any:
    def forward(xp: Any, input: Any, dim: int) -> Any:
        if input.ndim == 0:
            return input.astype(_wide(input.dtype))
        if input.dtype is FLOAT16:
            return through_float32(forward, xp, input, dim=dim)
        return getattr(xp, name)(input, axis=dim, dtype=_wide(input.dtype))

    return forward


def _from_end_forward(xp: Any, input: Any, dim: int) -> Any:
    if input.ndim == 0:
        return input.copy()
    if input.dtype is FLOAT16:
        return through_float32(_from_end_forward, xp, input, dim=dim)
    back = (*(slice(None),) * dim, slice(None, None, -1))
    return xp.cumsum(input[back], axis=dim, dtype=_wide(input.dtype))[back].copy()


cumsum: Op = op(
    "cumsum",
    "Running sum along dim: each entry plus all before it.",
    example="""
        >>> lab.cumsum(lab.tensor([1, 2, 3, 4]), dim=0)
        tensor([ 1,  3,  6, 10])
    """,
    forward=_running("cumsum"),
    bind=_running_bind,
    vjp=lambda g, y, x, dim: cumsum_from_end(g, dim=dim),
    shape=_running_shape,
    formula=(r"y_i = \sum_{j \le i} x_j", r"\bar x_j = \sum_{i \ge j} \bar y_i"),
    autocast="full",
    cost=per_input(),
    onnx="CumSum",
    samples=[sample(normal(3, 4), dim=1), sample(normal(3, 4), dim=0), sample(normal(), dim=0)],
)
cumsum_from_end: Op = op(
    "cumsum_from_end",
    "Running sum from the last entry to the first: the gradient of cumsum.",
    forward=_from_end_forward,
    vjp=lambda g, y, x, dim: cumsum(g, dim),
    shape=_running_shape,
    formula=(r"y_i = \sum_{j \ge i} x_j", r"\bar x_j = \sum_{i \le j} \bar y_i"),
    cost=per_input(),
    samples=[sample(normal(3, 4), dim=1), sample(normal(3, 4), dim=0), sample(normal(), dim=0)],
)


def _cumprod_grad(g: Any, y: Any, x: Any, dim: int) -> Any:
    # s_i = g_i + x_{i+1} s_{i+1} is what entry i earns, but for the product before it. Nothing is
    # divided, so zeros do no harm. Each round doubles how far ahead every s_i has looked.
    n = x.shape[dim] if x.ndim else 1
    if n < 2:
        return g
    s, factor = g, narrow(x, dim, 1, n - 1)
    reach = 1
    while reach < n:
        known = narrow(s, dim, n - reach, reach)
        s = narrow(s, dim, 0, n - reach) + factor * narrow(s, dim, reach, n - reach)
        s = cat([s, known], dim)
        left = n - 2 * reach
        if left > 0:
            factor = narrow(factor, dim, 0, left) * narrow(factor, dim, reach, left)
        reach *= 2
    before = narrow(y, dim, 0, n - 1)
    return cat([narrow(s, dim, 0, 1), before * narrow(s, dim, 1, n - 1)], dim)


cumprod: Op = op(
    "cumprod",
    "Running product along dim: each entry times all before it.",
    example="""
        >>> lab.cumprod(lab.tensor([1, 2, 3, 4]), dim=0)
        tensor([ 1,  2,  6, 24])
    """,
    forward=_running("cumprod"),
    bind=_running_bind,
    vjp=_cumprod_grad,
    saved="input y",
    shape=_running_shape,
    formula=(
        r"y_i = \prod_{j \le i} x_j",
        r"\bar x_j = \sum_{i \ge j} \bar y_i \prod_{k \le i,\, k \ne j} x_k",
    ),
    autocast="full",
    cost=per_input(),
    samples=[
        sample(normal(2, 7), dim=1),
        sample(normal(3, 4), dim=0),
        sample(normal(2, 3), dim=0),
        sample(normal(), dim=0),
    ],
)


# Made of the above -------------------------------------------------------------------------


def _need_floats(name: str, input: Any) -> None:
    if np.dtype(input.dtype.name).kind != "f":
        raise DTypeError(
            f"{name}(input): input must be floating point\n"
            f"  input  {input.dtype.name} {tuple(input.shape)}\n"
            "  expected a float dtype\n  convert with .float()"
        )


def _root(x: Any, p: float = 2) -> Any:
    """The p-th root, with gradient 0 at 0, where the true one is infinite."""
    zero = e.eq(x, 0)
    safe = e.where(zero, 1.0, x)
    return e.where(zero, 0.0, e.sqrt(safe) if p == 2 else safe ** (1 / p))


def var(
    input: Any,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dims = None,
) -> Any:
    """Variance: the mean squared distance from the mean, over ``n - correction``.

    ``correction`` is 1 unless given; ``unbiased=False`` is the older way to say 0.

    >>> import minitorch_lab as lab
    >>> lab.var(lab.tensor([1.0, 2.0, 3.0])), lab.var(lab.tensor([1.0, 3.0]), unbiased=False)
    (tensor(1.), tensor(1.))
    """
    return _spread("var", input, dim, unbiased, keepdim, correction, axis)


def _spread(
    name: str,
    input: Any,
    dim: Dims,
    unbiased: bool | None,
    keepdim: bool,
    correction: float | None,
    axis: Dims,
) -> Any:
    """The variance; errors and the warning carry the name that was called."""
    _need_floats(name, input)
    if isinstance(dim, bool):  # var(x, False): PyTorch's form without dim
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise KindError("var and std take unbiased or correction, not both")
    if correction is None:
        correction = 0 if unbiased is False else 1
    dims = all_dims(dim if axis is None else axis, input.ndim)
    count = prod(input.shape[d] for d in dims)
    if count <= correction:
        warnings.warn(
            f"{name}(): {count} entries less a correction of {correction} leave nothing to divide "
            "by: the degrees of freedom are 0, the result is nan or inf; unbiased=False divides "
            "by the number of entries",
            UserWarning,
            stacklevel=4,
        )
    away = input - mean(input, dims or None, True)
    return sum(away * away, dims or None, keepdim) / max(count - correction, 0)


def std(
    input: Any,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dims = None,
) -> Any:
    """Standard deviation: the square root of the variance; the arguments are those of ``var``.

    >>> import minitorch_lab as lab
    >>> lab.std(lab.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    return _root(_spread("std", input, dim, unbiased, keepdim, correction, axis))


def count_nonzero(input: Any, dim: Dims = None, *, axis: Dims = None) -> Any:
    """How many entries are not 0, over all or some dimensions: int64.

    >>> import minitorch_lab as lab
    >>> lab.count_nonzero(lab.tensor([[0.0, 1.0], [2.0, 3.0]]), dim=0)
    tensor([1, 2])
    """
    return sum(e.ne(input, 0), dim, axis=axis)


def allclose(
    input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all entries are equal up to ``atol + rtol * abs(other)``: a Python bool.

    >>> import minitorch_lab as lab
    >>> lab.allclose(lab.tensor([0.1]) + 0.2, lab.tensor([0.3]))
    True
    """
    return bool(all(e.isclose(input, other, rtol, atol, equal_nan)))


def equal(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape and the same entries: a Python bool.

    >>> import minitorch_lab as lab
    >>> lab.equal(lab.tensor([1, 2]), lab.tensor([1, 2]))
    True
    """
    return tuple(input.shape) == tuple(other.shape) and bool(all(e.eq(input, other)))


def nansum(
    input: Any,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: Dims = None,
) -> Any:
    """Sum of the entries that are not NaN.

    >>> import minitorch_lab as lab
    >>> lab.nansum(lab.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    return sum(e.masked_fill(input, e.isnan(input), 0), dim, keepdim, dtype=dtype, axis=axis)


def nanmean(
    input: Any,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: Dims = None,
) -> Any:
    """Mean of the entries that are not NaN.

    >>> import minitorch_lab as lab
    >>> lab.nanmean(lab.tensor([1.0, float("nan"), 2.0]))
    tensor(1.5000)
    """
    known = e.logical_not(e.isnan(input))
    total = nansum(input, dim, keepdim, dtype=dtype, axis=axis)
    return total / sum(known, dim, keepdim, axis=axis)


def norm(
    input: Any,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: Dims = None,
) -> Any:
    r"""Length of a vector: :math:`(\sum_i |x_i|^p)^{1/p}`, by default with ``p = 2``.

    ``p`` may be 0 (how many entries are not 0), ``inf`` and ``-inf`` (largest and smallest size).
    A matrix is taken as one long vector unless ``dim`` is given.

    >>> import minitorch_lab as lab
    >>> lab.norm(lab.tensor([3.0, 4.0])), lab.norm(lab.tensor([3.0, -4.0]), p=1)
    (tensor(5.), tensor(7.))
    """
    if dtype is not None:
        input = e.to_dtype(input, dtype)
    _need_floats("norm", input)
    dims = all_dims(dim if axis is None else axis, input.ndim) or None
    if p is None or p == "fro":
        p = 2
    if isinstance(p, str):
        raise ComputeError(
            f"norm(input, p): p={p!r} is not supported\n  expected a number, inf, -inf or 'fro'"
        )
    if p == 2:
        return _root(sum(e.square(input), dims, keepdim))
    if p == 0:
        return e.to_dtype(sum(e.ne(input, 0), dims, keepdim), input.dtype)
    size = e.abs(input)
    if p in (inf, -inf):
        return (amax if p > 0 else amin)(size, dims, keepdim)
    return sum(size, dims, keepdim) if p == 1 else _root(sum(size**p, dims, keepdim), p)


# Softmax -----------------------------------------------------------------------------------


def _softmax_bind(
    input: Any, dim: int | None = None, dtype: DType | None = None, *, axis: int | None = None
) -> Bound:
    dim = axis if dim is None else dim
    if dim is None:
        raise KindError("softmax needs the dimension that shall sum to 1\n  expected dim=-1, say")
    if dtype is not None:
        input = e.to_dtype(input, dtype)
    return (input,), {"dim": one_dim(dim, input.ndim)}


def _float_same(x: Spec, dim: int) -> Spec:
    """The shape stays; the input is of floats."""
    need_float(x, "input")
    return x


def _softmax_forward(xp: Any, input: Any, dim: int) -> Any:
    if input.ndim == 0 or not input.size:
        return xp.ones_like(input)
    if input.dtype is FLOAT16:
        return through_float32(_softmax_forward, xp, input, dim=dim)
    out = input - xp.maximum.reduce(input, axis=dim, keepdims=True)
    out = xp.exp(out, out=out)
    out /= total(xp, out, dim)
    return out


def _log_softmax_forward(xp: Any, input: Any, dim: int) -> Any:
    if input.ndim == 0 or not input.size:
        return xp.zeros_like(input)
    if input.dtype is FLOAT16:
        return through_float32(_log_softmax_forward, xp, input, dim=dim)
    out = input - xp.maximum.reduce(input, axis=dim, keepdims=True)
    out -= xp.log(total(xp, xp.exp(out), dim))
    return out


def _dims(x: Any, dim: int) -> tuple[int, ...]:
    return (dim,) if x.ndim else ()


def softmax_composed(x: Any, dim: int) -> Any:
    """Softmax in smaller ops: the shift by the largest entry keeps exp from overflowing."""
    weights = e.exp(x - amax(x, _dims(x, dim), True))
    return weights / sum(weights, _dims(x, dim), True)


def log_softmax_composed(x: Any, dim: int) -> Any:
    """Log-softmax in smaller ops."""
    shifted = x - amax(x, _dims(x, dim), True)
    return shifted - e.log(sum(e.exp(shifted), _dims(x, dim), True))


softmax: Op = op(
    "softmax",
    "Positive numbers that sum to 1 along dim, in the ratios of exp of the entries.",
    example="""
        >>> lab.softmax(lab.tensor([0.0, 1.0, 2.0]), dim=0)
        tensor([0.0900, 0.2447, 0.6652])
    """,
    forward=_softmax_forward,
    bind=_softmax_bind,
    vjp=lambda g, y, x, dim: y * (g - sum(g * y, _dims(x, dim), True)),
    saved="y",
    shape=_float_same,
    formula=(
        r"y_i = \frac{e^{x_i}}{\sum_j e^{x_j}}",
        r"\bar x_i = y_i\,(\bar y_i - \sum_j \bar y_j y_j)",
    ),
    autocast="full",
    cost=per_input(12),
    onnx="Softmax",
    composition=softmax_composed,
    samples=[sample(normal(3, 4), dim=1), sample(normal(3, 4), dim=0)],
)
log_softmax: Op = op(
    "log_softmax",
    "Logarithm of softmax along dim, without overflow.",
    example="""
        >>> lab.log_softmax(lab.tensor([0.0, 1.0, 2.0]), dim=0)
        tensor([-2.4076, -1.4076, -0.4076])
    """,
    forward=_log_softmax_forward,
    bind=_softmax_bind,
    vjp=lambda g, y, x, dim: g - e.exp(y) * sum(g, _dims(x, dim), True),
    saved="y",
    shape=_float_same,
    formula=(
        r"y_i = x_i - \ln \sum_j e^{x_j}",
        r"\bar x_i = \bar y_i - e^{y_i} \sum_j \bar y_j",
    ),
    autocast="full",
    cost=per_input(12),
    onnx="LogSoftmax",
    composition=log_softmax_composed,
    samples=[sample(normal(3, 4), dim=1), sample(uniform(-900, 900, 3, 4), dim=1)],
)


def logsumexp(input: Any, dim: Dims = None, keepdim: bool = False, *, axis: Dims = None) -> Any:
    """Logarithm of the sum of exp, without overflow; of nothing but ``-inf`` it is ``-inf``.

    >>> import minitorch_lab as lab
    >>> lab.logsumexp(lab.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    dim = axis if dim is None else dim
    if dim is None:
        raise KindError("logsumexp needs the dimension to sum along\n  expected dim=-1, say")
    dims = all_dims(dim, input.ndim)
    input = e._as_float(input)
    if 0 in [input.shape[d] for d in dims]:
        return e.log(sum(input, dims or None, keepdim))  # of nothing: log(0)
    # any shift gives the same value, so no gradient has to flow through it
    top = amax(input.detach(), dims or None, True)
    top = e.where(e.isfinite(top), top, 0.0)
    out = e.log(sum(e.exp(input - top), dims or None, True)) + top
    return out if keepdim else reshape(out, reduced(tuple(input.shape), dims, False))


# Pairs of results ----------------------------------------------------------------------------


class Extremes(NamedTuple):
    """The smallest and the largest entry."""

    min: Any
    max: Any


def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> Extremes:
    """The smallest and the largest entry, of all or along ``dim``.

    >>> import minitorch_lab as lab
    >>> lab.aminmax(lab.tensor([3.0, 1.0, 2.0]))
    Extremes(min=tensor(1.), max=tensor(3.))
    """
    return Extremes(amin(input, dim, keepdim), amax(input, dim, keepdim))


def var_mean(input: Any, dim: Any = None, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Variance and mean; the arguments are those of ``var``.

    >>> import minitorch_lab as lab
    >>> lab.var_mean(lab.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    spread = var(input, dim, *args, **kwargs)
    return spread, _mean_like(input, dim, args, kwargs)


def std_mean(input: Any, dim: Any = None, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Standard deviation and mean; the arguments are those of ``var``.

    >>> import minitorch_lab as lab
    >>> lab.std_mean(lab.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    spread = std(input, dim, *args, **kwargs)
    return spread, _mean_like(input, dim, args, kwargs)


def _mean_like(input: Any, dim: Any, args: tuple[Any, ...], kwargs: Attrs) -> Any:
    dim = kwargs.get("axis") if dim is None or isinstance(dim, bool) else dim
    keepdim = args[1] if len(args) > 1 else kwargs.get("keepdim", False)
    return mean(input, dim, keepdim)


def dist(input: Any, other: Any, p: float = 2) -> Any:
    """Length of the difference: ``norm(input - other, p)``.

    >>> import minitorch_lab as lab
    >>> lab.dist(lab.tensor([0.0, 0.0]), lab.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return norm(input - other, p)


FUNCTIONS = {
    name: globals()[name]
    for name in (
        "sum mean amax amin argmax argmin all any cumsum cumprod var std count_nonzero nansum "
        "nanmean norm allclose equal softmax log_softmax logsumexp aminmax var_mean std_mean dist"
    ).split()
} | {"prod": product}
# With an in-place form, such as ``x.cumsum_(0)``.
IN_PLACE = ("cumsum", "cumprod")
