"""``tf.nn``: activations, losses on logits, convolutions and pools. Pictures are (N, H, W, C)."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError, DTypeError, ShapeError, describe
from ..nn import functional as F
from ..op import OPS
from ..ops import FUNCTIONS
from ..tensor import Tensor as Plain
from ..tensor.tensor import origin
from .arrays import gather
from .errors import both, retells
from .linalg import l2_normalize
from .math import (
    floats,
    in_top_k,
    log_sigmoid,
    pair,
    reduce_mean,
    sigmoid,
    softplus,
    square,
    tanh,
    top_k,
    unary,
)  # fmt: skip
from .tensor import as_tensor, styled

Name = str | None

relu = unary("relu", "The larger of 0 and each entry.", takes_ints=True)
relu6 = unary("relu6", "Each entry, at least 0 and at most 6.", F.relu6)
elu = unary("elu", "x above 0, exp(x) - 1 below.", F.elu)
selu = unary("selu", "A scaled elu that keeps mean and variance.", F.selu)
softsign = unary("softsign", "x / (1 + abs(x)) of each entry.", F.softsign)
silu = unary("silu", "x times its sigmoid, for each entry.", F.silu)
swish = silu


@retells
def leaky_relu(features: Any, alpha: float = 0.2, name: Name = None) -> Any:
    """Each entry above 0, ``alpha`` times it below."""
    return styled(F.leaky_relu(floats("leaky_relu", features), alpha))


@retells
def gelu(features: Any, approximate: bool = False, name: Name = None) -> Any:
    """x times the chance that a normal number lies below it."""
    return styled(F.gelu(floats("gelu", features), "tanh" if approximate else "none"))


@retells
def softmax(logits: Any, axis: int | None = None, name: Name = None) -> Any:
    """Chances: exp of each entry over their sum along ``axis``, the last one."""
    return styled(FUNCTIONS["softmax"](floats("softmax", logits), -1 if axis is None else axis))


@retells
def log_softmax(logits: Any, axis: int | None = None, name: Name = None) -> Any:
    """Logarithm of the softmax along ``axis``, the last one."""
    x = floats("log_softmax", logits)
    return styled(FUNCTIONS["log_softmax"](x, -1 if axis is None else axis))


# Losses, one for each example --------------------------------------------------------------


def _logits(name: str, labels: Any, logits: Any) -> tuple[Any, Any]:
    if labels is None or logits is None:
        raise ArgumentError(f"{name}: expected both labels=... and logits=...")
    scores = floats(name, logits)
    wanted = as_tensor(labels, like=scores.dtype)
    wanted, scores = pair(name, wanted, scores, "labels", "logits")
    return wanted, scores


def _need_same(name: str, labels: Any, logits: Any, hint: str) -> None:
    if tuple(labels.shape) != tuple(logits.shape):
        raise ShapeError(
            f"{name}(labels, logits): the shapes differ\n  labels  {labels.spec}\n"
            f"  logits  {logits.spec}\n  expected labels {tuple(logits.shape)}\n  {hint}"
        )


@retells
def sigmoid_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, name: Name = None
) -> Any:
    """Cross-entropy of yes-or-no answers, for each entry; logits come before any sigmoid."""
    labels, logits = _logits("sigmoid_cross_entropy_with_logits", labels, logits)
    hint = "tf.reshape, or tf.squeeze(logits, -1), makes them one shape"
    _need_same("sigmoid_cross_entropy_with_logits", labels, logits, hint)
    return styled(F.binary_cross_entropy_with_logits(logits, labels, reduction="none"))


@retells
def softmax_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, axis: int = -1, name: Name = None
) -> Any:
    """Cross-entropy for labels that are chances, a row for each example; logits have no softmax.

    >>> softmax_cross_entropy_with_logits([[0.0, 1.0]], [[2.0, 2.0]]).numpy()
    array([0.6931472], dtype=float32)
    """
    name = "softmax_cross_entropy_with_logits"
    if isinstance(labels, Plain) and labels.dtype.kind == 1:
        raise DTypeError(
            f"{name}(labels, logits): the labels are {labels.spec}\n"
            "  expected chances or one-hot rows, in the dtype of the logits\n"
            "  class numbers go into tf.nn.sparse_softmax_cross_entropy_with_logits, "
            "or tf.one_hot(labels, classes)"
        )
    labels, logits = _logits(name, labels, logits)
    _need_same(name, labels, logits, "tf.one_hot(labels, classes) makes rows of class numbers")
    found = OPS["mul"](labels, FUNCTIONS["log_softmax"](logits, axis))
    return styled(OPS["neg"](FUNCTIONS["sum"](found, axis)))


@retells
def sparse_softmax_cross_entropy_with_logits(
    labels: Any = None, logits: Any = None, name: Name = None
) -> Any:
    """Cross-entropy for labels that are class numbers, one for each example."""
    name = "sparse_softmax_cross_entropy_with_logits"
    if labels is None or logits is None:
        raise ArgumentError(f"{name}: expected both labels=... and logits=...")
    scores, wanted = floats(name, logits), as_tensor(labels)
    if tuple(wanted.shape) == tuple(scores.shape) and wanted.ndim > 1:
        raise both(ShapeError, ArgumentError)(
            f"{name}(labels, logits): the labels look one-hot\n  labels  {wanted.spec}\n"
            f"  logits  {scores.spec}\n  expected class numbers {tuple(scores.shape[:-1])}\n"
            "  one-hot rows go into tf.nn.softmax_cross_entropy_with_logits, "
            "or tf.argmax(labels, -1)"
        )
    if wanted.dtype.kind != 1:
        raise DTypeError(
            f"{name}(labels, logits): the labels are {wanted.spec}\n  expected whole numbers\n"
            "  tf.cast(labels, tf.int32) converts class numbers; chances go into "
            "tf.nn.softmax_cross_entropy_with_logits"
        )
    hint = "one class number for each row; tf.squeeze(labels, -1) leaves a dimension out"
    if tuple(wanted.shape) != tuple(scores.shape[:-1]):
        raise ShapeError(
            f"{name}(labels, logits): the shapes do not fit\n  labels  {wanted.spec}\n"
            f"  logits  {scores.spec}\n  expected labels {tuple(scores.shape[:-1])}\n  {hint}"
        )
    flat = FUNCTIONS["reshape"](scores, (-1, scores.shape[-1]))
    places = FUNCTIONS["reshape"](wanted, (-1,)).long()
    found = F.cross_entropy(flat, places, reduction="none")
    return styled(FUNCTIONS["reshape"](found, tuple(wanted.shape)))


# Pictures ----------------------------------------------------------------------------------


def _steps(what: str, value: Any) -> tuple[int, int]:
    """A number, a pair, or four with those of batch and channels, which are 1."""
    if isinstance(value, int):
        return value, value
    found = [int(n) for n in value]
    if len(found) == 1:
        return found[0], found[0]
    if len(found) == 4 and found[0] == found[3] == 1:
        return found[1], found[2]
    if len(found) != 2:
        raise ArgumentError(
            f"{what}: got {found}\n  expected a number, a pair (height, width), or [1, h, w, 1]"
        )
    return found[0], found[1]


def _planes(name: str, x: Any, data_format: Any) -> Any:
    """``(N, H, W, C)`` as ``(N, C, H, W)``, which the engine's ops take."""
    x = floats(name, x)
    if data_format not in (None, "NHWC"):
        raise ArgumentError(
            f"{name}(data_format): got {data_format!r}\n  expected 'NHWC': channels come last\n"
            "  tf.transpose(x, [0, 2, 3, 1]) puts them there"
        )
    if x.ndim != 4:
        raise ShapeError(
            f"{name}(input): got {x.spec}  {origin(x)}".rstrip()
            + "\n  expected pictures (N, height, width, channels)\n"
            "  grey ones without channels get one by x[..., tf.newaxis]"
        )
    return FUNCTIONS["permute"](x, (0, 3, 1, 2))


def _padded(name: str, x: Any, padding: Any, reach: Any, steps: Any, value: float) -> Any:
    """What "SAME" adds at the edges; the odd one comes after."""
    if isinstance(padding, str) and padding.upper() in ("SAME", "VALID"):
        if padding.upper() == "VALID":
            return x
        edges = []
        for n, window, step in zip(tuple(x.shape[2:]), reach, steps, strict=True):
            more = max((-(-n // step) - 1) * step + window - n, 0)
            edges.append((more // 2, more - more // 2))
    elif isinstance(padding, list | tuple):
        edges = [(int(p[0]), int(p[1])) for p in padding[1:3]]
    else:
        raise ArgumentError(
            f"{name}(padding): got {describe(padding)}\n"
            '  expected "SAME", "VALID", or pairs for each dimension'
        )
    (top, bottom), (left, right) = edges
    return F.pad(x, (left, right, top, bottom), value=value) if any(map(any, edges)) else x


@retells
def conv2d(
    input: Any, filters: Any, strides: Any, padding: Any, data_format: Any = "NHWC",
    dilations: Any = None, name: Name = None,
) -> Any:  # fmt: skip
    """Convolution of pictures ``(N, H, W, C)`` with ``filters`` of ``(h, w, C, out)``."""
    kernel = as_tensor(filters)
    pair("conv2d", as_tensor(input), kernel, "input", "filters")
    x = _planes("conv2d", input, data_format)
    if kernel.ndim != 4 or x.shape[1] % kernel.shape[2]:
        raise ShapeError(
            f"conv2d(input, filters): the channels do not fit\n  input    {as_tensor(input).spec}\n"
            f"  filters  {kernel.spec}\n"
            f"  expected filters of (height, width, {x.shape[1]}, out)"
        )
    steps = _steps("conv2d(strides)", strides)
    apart = (1, 1) if dilations is None else _steps("conv2d(dilations)", dilations)
    reach = [(k - 1) * d + 1 for k, d in zip(tuple(kernel.shape[:2]), apart, strict=True)]
    x = _padded("conv2d", x, padding, reach, steps, 0.0)
    groups = x.shape[1] // kernel.shape[2]
    y = F.conv2d(x, FUNCTIONS["permute"](kernel, (3, 2, 0, 1)), None, steps, 0, apart, groups)
    return styled(FUNCTIONS["permute"](y, (0, 2, 3, 1)))


@retells
def max_pool2d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: Any = "NHWC",
    name: Name = None,
) -> Any:  # fmt: skip
    """The largest entry of each window."""
    window, steps = _steps("max_pool2d(ksize)", ksize), _steps("max_pool2d(strides)", strides)
    x = _planes("max_pool2d", input, data_format)
    x = _padded("max_pool2d", x, padding, window, steps, -float("inf"))
    return styled(FUNCTIONS["permute"](F.max_pool2d(x, window, steps), (0, 2, 3, 1)))


@retells
def avg_pool2d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: Any = "NHWC",
    name: Name = None,
) -> Any:  # fmt: skip
    """The mean of each window; what "SAME" adds at the edges does not count."""
    window, steps = _steps("avg_pool2d(ksize)", ksize), _steps("avg_pool2d(strides)", strides)
    x = _planes("avg_pool2d", input, data_format)
    around = _padded("avg_pool2d", x, padding, window, steps, 0.0)
    y = F.avg_pool2d(around, window, steps)
    if around is not x:
        ones = FUNCTIONS["add"](FUNCTIONS["mul"](x, 0.0), 1.0)
        y = y / F.avg_pool2d(_padded("", ones, padding, window, steps, 0.0), window, steps)
    return styled(FUNCTIONS["permute"](y, (0, 2, 3, 1)))


max_pool, avg_pool = max_pool2d, avg_pool2d


# Parts of layers ---------------------------------------------------------------------------


@retells
def bias_add(value: Any, bias: Any, data_format: Any = None, name: Name = None) -> Any:
    """A bias for each entry of the last dimension."""
    x, b = pair("bias_add", value, bias, "value", "bias")
    if b.ndim != 1 or b.shape[0] != x.shape[-1]:
        raise ShapeError(
            f"bias_add(value, bias): the sizes differ\n  value  {x.spec}\n  bias   {b.spec}\n"
            f"  expected a bias of ({x.shape[-1]},)"
        )
    return styled(OPS["add"](x, b))


@retells
def dropout(
    x: Any, rate: float, noise_shape: Any = None, seed: Any = None, name: Name = None
) -> Any:
    """Zeros in place of a share of the entries, the others larger by 1 / (1 - rate)."""
    if isinstance(rate, int | float) and not 0 <= rate < 1:
        raise ArgumentError(f"dropout(rate): got {rate}\n  expected a share from 0 to below 1")
    return styled(F.dropout(floats("dropout", x), rate, True))


@retells
def embedding_lookup(
    params: Any, ids: Any, max_norm: float | None = None, name: Name = None
) -> Any:
    """The rows of ``params`` that stand at ``ids``."""
    return gather(params, ids, axis=0)


@retells
def moments(
    x: Any, axes: Any, shift: Any = None, keepdims: bool = False, name: Name = None
) -> tuple[Any, Any]:
    """Mean and variance along ``axes``."""
    x = floats("moments", x)
    mean = reduce_mean(x, axes, True)
    variance = reduce_mean(square(x - mean), axes, keepdims)
    return (mean if keepdims else reduce_mean(x, axes)), variance


@retells
def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: float,
    name: Name = None,
) -> Any:  # fmt: skip
    """(x - mean) / sqrt(variance + epsilon), times scale, plus offset."""
    x, variance = floats("batch_normalization", x), as_tensor(variance)
    factor = FUNCTIONS["rsqrt"](OPS["add"](variance, variance_epsilon))
    factor = factor if scale is None else OPS["mul"](factor, as_tensor(scale))
    found = OPS["mul"](OPS["sub"](x, as_tensor(mean)), factor)
    return styled(found if offset is None else OPS["add"](found, as_tensor(offset)))


@retells
def l2_loss(t: Any, name: Name = None) -> Any:
    """Half the sum of the squares."""
    x = floats("l2_loss", t)
    return styled(OPS["mul"](FUNCTIONS["sum"](OPS["mul"](x, x)), 0.5))


@retells
def zero_fraction(value: Any, name: Name = None) -> Any:
    """The share of entries that are 0."""
    return styled(FUNCTIONS["mean"](FUNCTIONS["eq"](as_tensor(value), 0).float()))


__all__ = [
    "avg_pool", "avg_pool2d", "batch_normalization", "bias_add", "conv2d", "dropout", "elu",
    "embedding_lookup", "gelu", "in_top_k", "l2_loss", "l2_normalize", "leaky_relu", "log_sigmoid",
    "log_softmax", "max_pool", "max_pool2d", "moments", "relu", "relu6", "selu", "sigmoid",
    "sigmoid_cross_entropy_with_logits", "silu", "softmax", "softmax_cross_entropy_with_logits",
    "softplus", "softsign", "sparse_softmax_cross_entropy_with_logits", "swish", "tanh", "top_k",
    "zero_fraction",
]  # fmt: skip
