"""Activations by name; each is a function of a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...nn import functional as F
from ...ops import FUNCTIONS as OPS
from ...tensor import Tensor
from ..tensor import styles
from .variable import convert
from .words import found


@styles
def linear(x: Any) -> Tensor:
    """The input itself."""
    return convert(x)


@styles
def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """The positive part. What is below ``threshold`` is ``negative_slope * (x - threshold)``.

    >>> relu([-2.0, 3.0, 9.0], max_value=6.0)
    <tf.Tensor: shape=(3,), dtype=float32, numpy=array([0., 3., 6.], dtype=float32)>
    """
    x = convert(x)
    if not negative_slope and not threshold:
        y = F.relu(x)
    else:
        y = OPS["where"](x >= threshold, x, (x - threshold) * negative_slope)
    return y if max_value is None else OPS["minimum"](y, max_value)


@styles
def sigmoid(x: Any) -> Tensor:
    r""":math:`1 / (1 + e^{-x})`."""
    return F.sigmoid(convert(x))


@styles
def tanh(x: Any) -> Tensor:
    """Hyperbolic tangent."""
    return F.tanh(convert(x))


@styles
def softmax(x: Any, axis: int = -1) -> Tensor:
    """Shares that add up to 1 along ``axis``."""
    return F.softmax(convert(x), axis)


@styles
def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """The logarithm of ``softmax``."""
    return F.log_softmax(convert(x), axis)


@styles
def softplus(x: Any) -> Tensor:
    r""":math:`\log(1 + e^x)`."""
    return F.softplus(convert(x))


@styles
def softsign(x: Any) -> Tensor:
    r""":math:`x / (1 + |x|)`."""
    return F.softsign(convert(x))


@styles
def elu(x: Any, alpha: float = 1.0) -> Tensor:
    r""":math:`\alpha (e^x - 1)` below 0."""
    return F.elu(convert(x), alpha)


@styles
def selu(x: Any) -> Tensor:
    """The ELU that keeps mean 0 and variance 1."""
    return F.selu(convert(x))


@styles
def gelu(x: Any, approximate: bool = False) -> Tensor:
    r""":math:`x \Phi(x)`, or its approximation by tanh."""
    return F.gelu(convert(x), "tanh" if approximate else "none")


@styles
def exponential(x: Any) -> Tensor:
    r""":math:`e^x`."""
    return convert(x).exp()


@styles
def silu(x: Any) -> Tensor:
    r""":math:`x / (1 + e^{-x})`, also known as swish."""
    return F.silu(convert(x))


@styles
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """``x`` above 0, ``negative_slope * x`` below."""
    return F.leaky_relu(convert(x), negative_slope)


@styles
def hard_sigmoid(x: Any) -> Tensor:
    r""":math:`\min(\max(x / 6 + 1 / 2, 0), 1)`."""
    return F.hardsigmoid(convert(x))


@styles
def relu6(x: Any) -> Tensor:
    """``relu`` that stops at 6."""
    return F.relu6(convert(x))


@styles
def mish(x: Any) -> Tensor:
    r""":math:`x \tanh(\log(1 + e^x))`."""
    return F.mish(convert(x))


swish, hard_silu, hard_swish = silu, F.hardswish, F.hardswish

NAMES: dict[str, Callable[..., Any]] = {
    "relu": relu, "softmax": softmax, "sigmoid": sigmoid, "tanh": tanh, "linear": linear,
    "log_softmax": log_softmax, "softplus": softplus, "softsign": softsign, "elu": elu,
    "selu": selu, "gelu": gelu, "exponential": exponential, "silu": silu, "swish": silu,
    "leaky_relu": leaky_relu, "hard_sigmoid": hard_sigmoid, "relu6": relu6, "mish": mish,
    "hard_silu": hard_silu, "hard_swish": hard_swish,
}  # fmt: skip

# Each entry for itself: where the axes stand does not matter.
ENTRYWISE = frozenset({*NAMES.values()} - {softmax, log_softmax})


def get(identifier: Any) -> Callable[..., Any]:
    """The function of a name; None is ``linear``.

    >>> get("relu") is relu
    True
    """
    if identifier is None:
        return linear
    return found("activation", identifier, NAMES)
