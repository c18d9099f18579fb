"""Normalisation: values moved to mean 0 and spread 1, or to length 1."""

from __future__ import annotations

from typing import Any

from ..op import Cost, Mismatch, Op, Spec, normal, op, sample
from . import elementwise as e
from .reduce import mean, sum
from .rules import FLOAT16, need_float, per_entry, through_float32, total

Dims = tuple[int, ...]


def _last(x: Any, count: int) -> Dims:
    """The last ``count`` dimensions."""
    return tuple(range(x.ndim - count, x.ndim))


# Mean 0, spread 1 --------------------------------------------------------------------------


def _standardize_forward(xp: Any, input: Any, dim: Dims, eps: float) -> Any:
    if input.dtype is FLOAT16:
        return through_float32(_standardize_forward, xp, input, dim=dim, eps=eps)
    count = 1
    for d in dim:
        count *= input.shape[d]
    kind = input.dtype.type
    out = input - total(xp, input, dim) / kind(max(count, 1))
    spread = total(xp, out * out, dim) / kind(max(count, 1))
    out /= xp.sqrt(spread + kind(eps))
    return out


def standardize_composed(x: Any, dim: Dims, eps: float) -> Any:
    """Away from the mean, over the root of the mean squared distance."""
    away = x - mean(x, dim, True)
    return away / e.sqrt(mean(e.square(away), dim, True) + eps)


def _parts(x: Any, dim: Dims, eps: float) -> tuple[Any, Any]:
    """The standardized values and the scale that made them."""
    away = x - mean(x, dim, True)
    scale = 1 / e.sqrt(mean(e.square(away), dim, True) + eps)
    return away * scale, scale


def _pull(g: Any, unit: Any, scale: Any, dim: Dims) -> Any:
    """The gradient loses its mean and what points along the values."""
    return scale * (g - mean(g, dim, True) - unit * mean(g * unit, dim, True))


def _standardize_grad(g: Any, y: Any, x: Any, dim: Dims, eps: float) -> Any:
    return _pull(g, *_parts(x, dim, eps), dim)


def _float_input(x: Spec, **attrs: Any) -> Spec:
    need_float(x, "input")
    return x


standardize: Op = op(
    "standardize",
    "Mean 0 and variance 1 over dim: what batch, group and instance normalisation share.",
    forward=_standardize_forward,
    vjp=_standardize_grad,
    saved="input",
    shape=_float_input,
    formula=(
        r"y = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}",
        r"\bar x = \frac{\bar y - \operatorname{mean} \bar y - y \operatorname{mean}(\bar y y)}"
        r"{\sqrt{\sigma^2 + \varepsilon}}",
    ),
    autocast="full",
    cost=per_entry(6),
    composition=standardize_composed,
    samples=[
        sample(normal(3, 4), dim=(1,), eps=1e-5),
        sample(normal(3, 2, 4), dim=(0, 2), eps=0.1),
    ],
)


# Layer normalisation -----------------------------------------------------------------------


def _layer_norm_forward(
    xp: Any, input: Any, weight: Any = None, bias: Any = None, *, count: int, eps: float
) -> Any:
    shape = input.shape[input.ndim - count :]
    if any(w is not None and w.shape != shape for w in (weight, bias)):
        raise ValueError("shapes differ")  # the shape rule writes the message
    if input.dtype is FLOAT16:
        more = {"count": count, "eps": eps}
        return through_float32(_layer_norm_forward, xp, input, weight, bias, **more)
    out = _standardize_forward(xp, input, _last(input, count), eps)
    if weight is not None:
        out *= weight
    if bias is not None:
        out += bias
    return out


def _layer_norm_shape(
    x: Spec, w: Spec | None = None, b: Spec | None = None, *, count: int, eps: float
) -> Spec:
    need_float(x, "input")
    if count > x.ndim:
        raise Mismatch(
            "input has too few dimensions", f"expected {count} or more, got {x.ndim}: {x.shape}"
        )
    shape = x.shape[x.ndim - count :]
    for name, v in (("weight", w), ("bias", b)):
        if v is not None and v.shape != shape:
            raise Mismatch(
                f"{name} does not fit",
                f"expected the last sizes of the input, {shape}, got {v.shape}",
                f"use LayerNorm({shape[0] if len(shape) == 1 else shape})",
            )
    return x


def _layer_norm_input(
    g: Any, y: Any, x: Any, w: Any = None, b: Any = None, *, count: int, eps: float
) -> Any:
    dim = _last(x, count)
    return _pull(g if w is None else g * w, *_parts(x, dim, eps), dim)


def _lead(g: Any, count: int) -> Any:
    """The sum over all but the last ``count`` dimensions."""
    rest = tuple(range(g.ndim - count))
    return sum(g, rest) if rest else g


def layer_norm_composed(x: Any, w: Any = None, b: Any = None, *, count: int, eps: float) -> Any:
    """Standardized values, scaled and shifted."""
    out = standardize(x, dim=_last(x, count), eps=eps)
    out = out if w is None else out * w
    return out if b is None else out + b


layer_norm: Op = op(
    "layer_norm",
    "Each row moved to mean 0 and variance 1, then scaled by weight and shifted by bias.",
    forward=_layer_norm_forward,
    arguments=("input", "weight", "bias"),
    vjp=(
        _layer_norm_input,
        lambda g, y, x, w, b=None, *, count, eps: _lead(
            g * standardize(x, dim=_last(x, count), eps=eps), count
        ),
        lambda g, y, x, w, b, *, count, eps: _lead(g, count),
    ),
    saved=("input weight", "input", ""),
    shape=_layer_norm_shape,
    formula=(
        r"y = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}\,w + b",
        r"\bar w = \sum \bar y\,\hat x,\quad \bar b = \sum \bar y",
    ),
    autocast="full",
    cost=lambda out, *inputs, **attrs: Cost(
        8 * out.size, out.nbytes + inputs[0].nbytes + 2 * out.nbytes // max(out.shape[0], 1)
    ),
    onnx="LayerNormalization",
    composition=layer_norm_composed,
    samples=[
        sample(normal(3, 4), normal(4), normal(4), count=1, eps=1e-5),
        sample(normal(2, 3, 4), normal(3, 4), count=2, eps=0.1),
        sample(normal(2, 3), count=1, eps=1e-3),
        sample(normal(4), normal(4), normal(4), count=1, eps=0.1),
    ],
)


# Root mean square --------------------------------------------------------------------------


def rms(x: Any, count: int, eps: float) -> Any:
    """``x`` over the root of its mean square over the last ``count`` dimensions."""
    return x / e.sqrt(mean(e.square(x), _last(x, count), True) + eps)


__all__ = ["layer_norm", "rms", "standardize"]
