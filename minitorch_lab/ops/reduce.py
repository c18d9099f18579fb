"""Reductions: many numbers become fewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType
from ..errors import KindError
from ..op import Attrs, Op, Spec, apart, mask, normal, op, sample, uniform
from . import elementwise as e
from .movement import expand, reshape
from .rules import BOOL, INT64, all_dims, need_float, one_dim, per_input, reduce_shape, reduced

Bound = tuple[tuple[Any, ...], Attrs]
Dims = int | Sequence[int] | None


def with_ones(g: Any, shape: tuple[int, ...], dim: tuple[int, ...]) -> Any:
    """``g`` with the reduced dimensions of ``shape`` put back as 1, so that it broadcasts."""
    return reshape(g, reduced(tuple(shape), dim, True))


def _bind(
    input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Bound:
    if dtype is not None:
        input = e.to_dtype(input, dtype)
    return (input,), {"dim": all_dims(dim, input.ndim), "keepdim": keepdim}


def _sum_shape(x: Spec, dim: tuple[int, ...], keepdim: bool) -> Spec:
    dtype = x.dtype if x.dtype.kind == "f" else INT64  # PyTorch sums ints and bools in int64
    return Spec(reduced(x.shape, dim, keepdim), dtype, x.device)


sum: Op = op(
    "sum",
    "Sum of the entries, over all or some dimensions.",
    forward=lambda xp, input, dim, keepdim: xp.add.reduce(input, axis=dim, keepdims=keepdim),
    bind=_bind,
    vjp=lambda g, y, x, dim, keepdim: expand(with_ones(g, x.shape, dim), tuple(x.shape)),
    shape=_sum_shape,
    formula=(r"y = \sum_i x_i", r"\bar x_i = \bar y"),
    cost=per_input(),
    onnx="ReduceSum",
    samples=[
        sample(normal(3, 4), dim=(1,), keepdim=False),
        sample(normal(2, 3), dim=(0, 1), keepdim=True),
    ],
)


def _mean_shape(x: Spec, dim: tuple[int, ...], keepdim: bool) -> Spec:
    need_float(x, "input")
    return reduce_shape(x, dim, keepdim)


def _mean_forward(xp: Any, input: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    if input.dtype.kind != "f":
        raise KindError("mean of integers")  # the shape rule writes the message
    count = prod([input.shape[d] for d in dim])
    with np.errstate(invalid="ignore"):  # the mean of nothing is NaN, as in PyTorch
        return xp.add.reduce(input, axis=dim, keepdims=keepdim) / input.dtype.type(count)


def _mean_grad(g: Any, y: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    count = prod([x.shape[d] for d in dim])
    return expand(with_ones(g * (1 / max(count, 1)), x.shape, dim), tuple(x.shape))


mean: Op = op(
    "mean",
    "Mean of the entries, over all or some dimensions.",
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
    ],
)


def _extreme_grad(g: Any, y: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    at = e.eq(x, with_ones(y, x.shape, dim))  # entries that share the extreme share the gradient
    count = sum(at, dim, True)
    return at * (with_ones(g, x.shape, dim) / e.to_dtype(count, y.dtype))


def _extreme(name: str, ufunc: str, word: str, onnx: str) -> Op:
    return op(
        name,
        f"The {word} entry, over all or some dimensions.",
        forward=lambda xp, input, dim, keepdim: getattr(xp, ufunc).reduce(
            input, axis=dim, keepdims=keepdim
        ),
        bind=_bind,
        vjp=_extreme_grad,
        saved="input y",
        shape=reduce_shape,
        formula=(rf"y = \{name[1:]}_i x_i", r"\bar x_i = \bar y\,[x_i = y] / n_{=}"),
        cost=per_input(),
        onnx=onnx,
        samples=[
            sample(apart(3, 4), dim=(1,), keepdim=False),
            sample(apart(3, 4), dim=(0, 1), keepdim=True),
        ],
    )


amax: Op = _extreme("amax", "maximum", "largest", "ReduceMax")
amin: Op = _extreme("amin", "minimum", "smallest", "ReduceMin")


# Positions and truth: no gradient ----------------------------------------------------------


def _arg_bind(input: Any, dim: int | None = None, keepdim: bool = False) -> Bound:
    return (input,), {"dim": None if dim is None else one_dim(dim, input.ndim), "keepdim": keepdim}


def _arg_shape(x: Spec, dim: int | None, keepdim: bool) -> Spec:
    dims = tuple(range(x.ndim)) if dim is None else (dim,) if x.ndim else ()
    return Spec(reduced(x.shape, dims, keepdim), INT64, x.device)


def _argument(name: str, word: str) -> Any:
    def forward(xp: Any, input: Any, dim: int | None, keepdim: bool) -> Any:
        if input.ndim == 0:
            dim = None
        found = getattr(xp, name)(input, axis=dim)
        found = found.reshape(_arg_shape(Spec(input.shape, INT64), dim, keepdim).shape)
        return found.astype("int64", copy=False)

    return op(
        name,
        f"Where the {word} entry is: its index along dim, or in the flattened tensor.",
        forward=forward,
        bind=_arg_bind,
        shape=_arg_shape,
        formula=(rf"y = \operatorname{{{name}}}_i x_i", r"\text{none}"),
        cost=per_input(),
        onnx="ArgMax" if name == "argmax" else "ArgMin",
        samples=[
            sample(apart(3, 4), dim=1, keepdim=False),
            sample(apart(3, 4), dim=None, keepdim=False),
        ],
    )


argmax: Op = _argument("argmax", "largest")
argmin: Op = _argument("argmin", "smallest")


def _truth(name: str, word: str) -> Op:
    return op(
        name,
        f"Whether {word} entry holds, over all or some dimensions.",
        forward=lambda xp, input, dim, keepdim: getattr(xp, name)(
            input, axis=dim, keepdims=keepdim
        ),
        bind=_bind,
        shape=lambda x, dim, keepdim: replace(reduce_shape(x, dim, keepdim), dtype=BOOL),
        formula=(rf"y = \operatorname{{{name}}}_i x_i", r"\text{none}"),
        cost=per_input(),
        samples=[sample(mask(3, 4), dim=(1,), keepdim=False)],
    )


all: Op = _truth("all", "every")
any: Op = _truth("any", "any")


# Made of the above -------------------------------------------------------------------------


def var(input: Any, dim: Dims = None, *, correction: int = 1, keepdim: bool = False) -> Any:
    """Variance: the mean squared distance from the mean, over ``n - correction``."""
    dims = all_dims(dim, input.ndim)
    count = prod(input.shape[d] for d in dims)
    away = input - mean(input, dims or None, True)
    return sum(away * away, dims or None, keepdim) / max(count - correction, 0)


def std(input: Any, dim: Dims = None, *, correction: int = 1, keepdim: bool = False) -> Any:
    """Standard deviation: the square root of the variance."""
    return e.sqrt(var(input, dim, correction=correction, keepdim=keepdim))


# Softmax -----------------------------------------------------------------------------------


def _softmax_bind(input: Any, dim: int) -> Bound:
    return (input,), {"dim": one_dim(dim, input.ndim)}


def _float_same(x: Spec, dim: int) -> Spec:
    need_float(x, "input")
    return x


def _softmax_forward(xp: Any, input: Any, dim: int) -> Any:
    if input.ndim == 0:
        return xp.ones_like(input)
    out = input - xp.maximum.reduce(input, axis=dim, keepdims=True)
    out = xp.exp(out, out=out)
    out /= xp.add.reduce(out, axis=dim, keepdims=True)
    return out


def _log_softmax_forward(xp: Any, input: Any, dim: int) -> Any:
    if input.ndim == 0:
        return xp.zeros_like(input)
    out = input - xp.maximum.reduce(input, axis=dim, keepdims=True)
    out -= xp.log(xp.add.reduce(xp.exp(out), axis=dim, keepdims=True))
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
    forward=_softmax_forward,
    bind=_softmax_bind,
    vjp=lambda g, y, x, dim: y * (g - sum(g * y, _dims(x, dim), True)),
    saved="y",
    shape=_float_same,
    formula=(
        r"y_i = \frac{e^{x_i}}{\sum_j e^{x_j}}",
        r"\bar x_i = y_i\,(\bar y_i - \sum_j \bar y_j y_j)",
    ),
    cost=per_input(12),
    onnx="Softmax",
    composition=softmax_composed,
    samples=[sample(normal(3, 4), dim=1), sample(normal(3, 4), dim=0)],
)
log_softmax: Op = op(
    "log_softmax",
    "Logarithm of softmax along dim, without overflow.",
    forward=_log_softmax_forward,
    bind=_softmax_bind,
    vjp=lambda g, y, x, dim: g - e.exp(y) * sum(g, _dims(x, dim), True),
    saved="y",
    shape=_float_same,
    formula=(
        r"y_i = x_i - \ln \sum_j e^{x_j}",
        r"\bar x_i = \bar y_i - e^{y_i} \sum_j \bar y_j",
    ),
    cost=per_input(12),
    onnx="LogSoftmax",
    composition=log_softmax_composed,
    samples=[sample(normal(3, 4), dim=1), sample(uniform(-900, 900, 3, 4), dim=1)],
)


def logsumexp(input: Any, dim: Dims, keepdim: bool = False) -> Any:
    """Logarithm of the sum of exp, without overflow."""
    dims = all_dims(dim, input.ndim)
    top = amax(input, dims or None, True)
    out = e.log(sum(e.exp(input - top), dims or None, True)) + top
    return out if keepdim else reshape(out, reduced(tuple(input.shape), dims, False))


FUNCTIONS = {
    name: globals()[name]
    for name in (
        "sum mean amax amin argmax argmin all any var std softmax log_softmax logsumexp"
    ).split()
}
