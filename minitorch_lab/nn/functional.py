"""The functions behind the layers, with PyTorch's names: ``F.relu``, ``F.cross_entropy``."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from ..ops import elementwise, indexing, linalg, movement, nn, random, reduce
from ..tensor import Tensor

relu = elementwise.relu
tanh = elementwise.tanh
sigmoid = elementwise.sigmoid
softmax = reduce.softmax
log_softmax = reduce.log_softmax
linear = linalg.linear
conv2d = nn.conv2d
max_pool2d = nn.max_pool2d


def _reduction(name: str, reduction: str, loss: Any) -> Any:
    if reduction == "mean":
        return reduce.mean(loss)
    if reduction == "sum":
        return reduce.sum(loss)
    if reduction == "none":
        return loss
    raise ArgumentError(f"{name}: reduction={reduction!r}\n  expected 'mean', 'sum' or 'none'")


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    r"""Mean squared error, :math:`\frac{1}{n}\sum_i (x_i - t_i)^2`.

    Shapes: ``input`` and ``target`` alike. Unlike PyTorch, shapes that only broadcast are an
    error: (N, 1) against (N,) would compare every pair.
    """
    if reduction == "mean":
        return nn.mse_loss(input, target)
    return _reduction("mse_loss", reduction, elementwise.square(input - target))


def cross_entropy(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    r"""Mean of :math:`-\ln \operatorname{softmax}(x_i)_{t_i}`.

    Shapes: ``input`` ``(N, classes)`` raw scores (no softmax before it), ``target`` ``(N,)``
    int64 class numbers.
    """
    if reduction == "mean":
        return nn.cross_entropy_op(input, target)
    from_rows = indexing.gather(reduce.log_softmax(input, 1), 1, movement.unsqueeze(target, 1))
    return _reduction("cross_entropy", reduction, -movement.squeeze(from_rows, 1))


def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Zero each entry with probability ``p`` while training, and scale the rest up."""
    check_probability(p)
    if not training or p == 0:
        return input
    return random.dropout(input, p)


def check_probability(p: float) -> None:
    """ArgumentError unless ``p`` is a number from 0 to 1."""
    if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ArgumentError(f"dropout: p={p!r}\n  expected a probability from 0 to 1")


flatten = movement.flatten

__all__ = [
    "conv2d",
    "cross_entropy",
    "dropout",
    "flatten",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
]
