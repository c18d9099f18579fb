"""Normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...dtypes import float16
from ...errors import ArgumentError, DeviceError, DTypeError, ShapeError
from ...op import input_lines
from ...ops import elementwise as e
from ...ops import norm, reduce
from ...ops.movement import expand, reshape, squeeze
from ...tensor import Tensor, no_grad
from ...tensor.record import where_moved
from ...tensor.tensor import origin


def _channels(x: Any, ndim: int) -> Any:
    """``(C,)`` as ``(1, C, 1, ...)``, so that it broadcasts over pictures and places."""
    return reshape(x, (1, -1, *[1] * (ndim - 2)))


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    if weight is not None:
        x = x * _channels(weight, x.ndim)
    return x if bias is None else x + _channels(bias, x.ndim)


def _half_with_full(input: Tensor, *others: Tensor | None) -> bool:
    """Whether the input is float16, and weights or statistics are wider."""
    return input.dtype is float16 and any(x is not None and x.dtype is not float16 for x in others)


def _need_channels(name: str, input: Tensor, **values: Tensor | None) -> None:
    if input.ndim < 2:
        raise ShapeError(
            f"{name}: input needs 2 dimensions or more\n  input  {input.spec}\n"
            "  expected (N, C) or (N, C, ...): a batch, its channels, their places"
        )
    if not input.dtype.is_floating_point:
        raise _NoFloat(
            f"{name}: input must be floating point\n  input  {input.spec}\n"
            "  expected a float dtype\n  convert with .float()"
        )
    for key, value in values.items():
        if value is not None and value.is_cuda != input.is_cuda:
            both = input, value
            shown = [str(x.spec) for x in both]
            lines = input_lines(("input", key), shown, [where_moved(x, origin(x)) for x in both])
            raise DeviceError(
                "\n".join([f"{name}: the tensors are on different devices", *lines])
                + "\n  expected all on one device, got cpu and cuda\n"
                "  move them with x = x.to(device); a model moves as a whole: model.to(device)"
            )
        if value is not None and tuple(value.shape) != (input.shape[1],):
            raise _ChannelsDiffer(
                f"{name}: {key} does not fit\n  input  {input.spec}\n  {key}  {value.spec}\n"
                f"  expected one number for each channel, ({input.shape[1]},)\n"
                f"  make the layer for {input.shape[1]} channels"
            )


class _ChannelsDiffer(ShapeError, ValueError):
    """Channels that are not those of the layer; PyTorch has two classes for it."""


class _NoFloat(DTypeError, NotImplementedError):
    """Integers, for which PyTorch has no normalisation."""


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    r"""Each channel moved to mean 0 and variance 1, then scaled and shifted.

    In training the mean and variance are those of the batch, and ``running_mean`` and
    ``running_var`` move towards them in place by ``momentum``; otherwise the running ones are
    used. Shapes: input ``(N, C)`` or ``(N, C, ...)``, the others ``(C,)``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> x = lab.tensor([[1.0, 10.0], [3.0, 30.0]])
    >>> F.batch_norm(x, None, None, training=True).round(decimals=3)
    tensor([[-1., -1.],
            [ 1.,  1.]])
    """
    _need_channels(
        "batch_norm",
        input,
        running_mean=running_mean,
        running_var=running_var,
        weight=weight,
        bias=bias,
    )
    if _half_with_full(input, running_mean, running_var, weight, bias):
        wide = input.float()  # of float16, whose statistics would be out of range
        kept = (running_mean, running_var, weight, bias)
        return batch_norm(wide, *kept, training, momentum, eps).half()
    if not training:
        if running_mean is None or running_var is None:
            raise ArgumentError(
                "batch_norm: there are no running statistics\n"
                "  expected running_mean and running_var, or training=True"
            )
        scale = 1 / e.sqrt(running_var + eps)
        if weight is not None:
            scale = scale * weight
        shift = -running_mean * scale if bias is None else bias - running_mean * scale
        return input * _channels(scale, input.ndim) + _channels(shift, input.ndim)
    dim = (0, *range(2, input.ndim))
    count = math.prod(input.shape[d] for d in dim)
    if count <= 1:
        raise ArgumentError(
            "batch_norm: the variance of one number is not defined\n"
            f"  input  {input.spec}\n  expected more than 1 value for each channel in training\n"
            "  use a larger batch, or .eval()"
        )
    if running_mean is not None and running_var is not None:
        _track(input, running_mean, running_var, dim, momentum, count / (count - 1))
    return _affine(norm.standardize(input, dim=dim, eps=eps), weight, bias)


def _track(x: Any, mean: Any, var: Any, dim: Any, momentum: Any, factor: float) -> None:
    """Move the running statistics towards those of the batch."""
    with no_grad():
        middle = reduce.mean(x, dim, True)
        spread = reduce.mean(e.square(x - middle), dim) * factor
        middle = reshape(middle, tuple(mean.shape))
        mean.copy_(mean * (1 - momentum) + middle * momentum)
        var.copy_(var * (1 - momentum) + spread * momentum)


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """The last dimensions moved to mean 0 and variance 1, then scaled and shifted.

    Shapes: input ``(..., *normalized_shape)``; weight and bias ``normalized_shape``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.layer_norm(lab.tensor([[1.0, 3.0]]), [2], eps=0.0)
    tensor([[-1.,  1.]])
    """
    shape = _last_sizes("layer_norm", input, normalized_shape)
    if weight is None:
        out = norm.layer_norm(input, count=len(shape), eps=eps)
        return out if bias is None else out + bias
    inputs = (input, weight) if bias is None else (input, weight, bias)
    return norm.layer_norm(*inputs, count=len(shape), eps=eps)


def _last_sizes(name: str, input: Tensor, sizes: int | Sequence[int]) -> tuple[int, ...]:
    shape = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    if not shape or tuple(input.shape)[-len(shape) :] != shape:
        raise ShapeError(
            f"{name}: normalized_shape does not fit\n  input             {input.spec}\n"
            f"  normalized_shape  {shape}\n  expected the last sizes of the input\n"
            f"  make the layer for {tuple(input.shape)[-max(len(shape), 1) :]}"
        )
    return shape


def rms_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """The last dimensions over their root mean square, then scaled.

    Shapes: input ``(..., *normalized_shape)``; weight ``normalized_shape``. ``eps`` is the
    dtype's own unless given.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.rms_norm(lab.tensor([[3.0, 4.0]]), (2,))
    tensor([[0.8485, 1.1314]])
    """
    shape = _last_sizes("rms_norm", input, normalized_shape)
    least = float(np.finfo(input.dtype.np).eps) if eps is None else eps
    out = norm.rms(input, len(shape), least)
    return out if weight is None else out * weight


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each group of channels of each picture moved to mean 0 and variance 1.

    Shapes: input ``(N, C, ...)``, weight and bias ``(C,)``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.group_norm(lab.tensor([[1.0, 3.0, 10.0, 30.0]]), num_groups=2).round(decimals=3)
    tensor([[-1.,  1., -1.,  1.]])
    """
    _need_channels("group_norm", input, weight=weight, bias=bias)
    shape = tuple(input.shape)
    if num_groups < 1 or shape[1] % num_groups:
        raise _GroupError(
            "group_norm: the groups must divide the channels\n"
            f"  input  {input.spec}\n  expected a divisor of {shape[1]}, got {num_groups}"
        )
    groups = reshape(input, (shape[0], num_groups, -1))
    out = reshape(norm.standardize(groups, dim=(2,), eps=eps), shape)
    return _affine(out, weight, bias)


class _GroupError(ArgumentError, RuntimeError):
    """Groups that do not divide the channels."""


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each picture moved to mean 0 and variance 1.

    Shapes: input ``(N, C, ...)``, the others ``(C,)``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.instance_norm(lab.tensor([[[1.0, 3.0], [10.0, 30.0]]])).round(decimals=3)
    tensor([[[-1.,  1.],
             [-1.,  1.]]])
    """
    _need_channels("instance_norm", input, weight=weight, bias=bias)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    kept = (running_mean, running_var, weight, bias)
    if _half_with_full(input, *kept):
        return instance_norm(input.float(), *kept, use_input_stats, momentum, eps).half()
    dim = tuple(range(2, input.ndim))
    count = math.prod(input.shape[d] for d in dim)
    if count <= 1:
        raise ArgumentError(
            "instance_norm: the variance of one number is not defined\n"
            f"  input  {input.spec}\n  expected more than 1 value for each channel"
        )
    if running_mean is not None and running_var is not None:
        with no_grad():
            middle = reduce.mean(input, dim, True)
            spread = reduce.mean(e.square(input - middle), dim) * (count / (count - 1))
            middle = reduce.mean(reshape(middle, tuple(input.shape[:2])), 0)
            running_mean.copy_(running_mean * (1 - momentum) + middle * momentum)
            running_var.copy_(running_var * (1 - momentum) + reduce.mean(spread, 0) * momentum)
    return _affine(norm.standardize(input, dim=dim, eps=eps), weight, bias)


def _length(x: Any, p: float, dim: Any, eps: float) -> Any:
    """The p-norm along ``dim``, at least ``eps``; at 0 its gradient is 0."""
    if p == 2:
        return e.sqrt(e.clamp(reduce.sum(e.square(x), dim, True), eps * eps))
    size = e.abs(x)
    if p == math.inf:
        return e.clamp(reduce.amax(size, dim, True), eps)
    if p == 1:
        return e.clamp(reduce.sum(size, dim, True), eps)
    return e.clamp(reduce.sum(size**p, dim, True), eps**p) ** (1 / p)


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """``input`` over its p-norm along ``dim``: the length becomes 1.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.normalize(lab.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    return input / _length(input, p, dim, eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between two vectors along ``dim``: 1 for the same direction.

    Shapes: both broadcast; ``dim`` is removed.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.cosine_similarity(lab.tensor([[1.0, 0.0]]), lab.tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """
    if tuple(x1.shape) != tuple(x2.shape):
        shape = tuple((x1 * x2).shape)
        x1, x2 = expand(x1, shape), expand(x2, shape)
    return reduce.sum((x1 / _length(x1, 2, dim, eps)) * (x2 / _length(x2, 2, dim, eps)), dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of the difference along the last dimension; ``eps`` is added to each entry.

    Shapes: both broadcast; the last dimension is removed, or 1 with ``keepdim``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.pairwise_distance(lab.tensor([[0.0, 0.0]]), lab.tensor([[3.0, 4.0]]))
    tensor([5.0000])
    """
    away = _length(x1 - x2 + eps, p, -1, 0.0)
    return away if keepdim else squeeze(away, -1)
