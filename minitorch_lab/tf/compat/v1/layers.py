"""``tf.layers``: layers as functions, whose variables stand in a scope of their own."""

from __future__ import annotations

import math
from typing import Any

from ....errors import ArgumentError
from ....ops import FUNCTIONS
from . import errors, graphs, nn, scopes
from .graphs import Tensor
from .ops import OF_NN, WRITERS
from .scopes import GraphKeys, get_variable, variable_scope


def _float(x: Any) -> Any:
    x = x if isinstance(x, Tensor) else graphs.constant(x)
    return x if x.dtype.is_floating else WRITERS["cast"](x, "float32")


def _known(what: str, x: Any, axis: int, rank: int | None = None) -> int:
    """The size of a dimension that weights are made for."""
    shape = x.shape
    if rank is not None and shape.rank != rank:
        raise errors.GraphShape(
            f"{what}(inputs): expected {rank} dimensions\n  inputs  {x}\n"
            "  pictures are (N, height, width, channels): tf.reshape(x, [-1, 28, 28, 1])"
        )
    size = None if shape.rank in (None, 0) else shape[axis]
    if size is None:
        raise ArgumentError(
            f"{what}(inputs): the last size of the inputs is not known\n  inputs  {x}\n"
            "  expected a size: it is that of the weights; tf.placeholder(tf.float32, [None, 784])"
        )
    return int(size)


def _activated(x: Any, activation: Any) -> Any:
    if activation is None:
        return x
    return OF_NN[activation](x) if isinstance(activation, str) else activation(x)


def _penalised(output: Any, regularizer: Any) -> Any:
    if regularizer is not None:
        graphs.get_default_graph().collect(GraphKeys.REGULARIZATION_LOSSES, regularizer(output))
    return output


def dense(
    inputs: Any,
    units: int,
    activation: Any = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = "zeros",
    kernel_regularizer: Any = None,
    bias_regularizer: Any = None,
    activity_regularizer: Any = None,
    kernel_constraint: Any = None,
    bias_constraint: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Any:
    """A layer in which each unit reads all inputs: ``activation(inputs @ kernel + bias)``.

    Its variables are ``dense/kernel`` of shape ``(in, units)`` and ``dense/bias``.
    """
    x = _float(inputs)
    with x.graph.as_default(), variable_scope(name, "dense", reuse=reuse):
        size = _known("dense", x, -1)
        kernel = get_variable(
            "kernel", [size, units], initializer=kernel_initializer,
            regularizer=kernel_regularizer, trainable=trainable,
        )  # fmt: skip
        y = WRITERS["matmul"](x, kernel)
        if use_bias:
            bias = get_variable("bias", [units], initializer=bias_initializer,
                                regularizer=bias_regularizer, trainable=trainable)  # fmt: skip
            y = OF_NN["bias_add"](y, bias)
        return _penalised(_activated(y, activation), activity_regularizer)


def conv2d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = (1, 1),
    activation: Any = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = "zeros",
    kernel_regularizer: Any = None,
    bias_regularizer: Any = None,
    activity_regularizer: Any = None,
    kernel_constraint: Any = None,
    bias_constraint: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Any:
    """2-D convolution of pictures ``(N, H, W, C)``; ``kernel`` is ``(h, w, C, filters)``."""
    if data_format != "channels_last":
        raise ArgumentError("conv2d(data_format): expected 'channels_last': pictures (N, H, W, C)")
    x = _float(inputs)
    with x.graph.as_default(), variable_scope(name, "conv2d", reuse=reuse):
        channels = _known("conv2d", x, -1, 4)
        height, width = _pair(kernel_size)
        kernel = get_variable(
            "kernel", [height, width, channels, filters], initializer=kernel_initializer,
            regularizer=kernel_regularizer, trainable=trainable,
        )  # fmt: skip
        y = nn.conv2d(x, kernel, _pair(strides), padding.upper())
        if use_bias:
            bias = get_variable("bias", [filters], initializer=bias_initializer,
                                regularizer=bias_regularizer, trainable=trainable)  # fmt: skip
            y = OF_NN["bias_add"](y, bias)
        return _penalised(_activated(y, activation), activity_regularizer)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def max_pooling2d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Any:
    """The largest entry of each window of pictures ``(N, H, W, C)``."""
    with scopes.name_scope(name or "max_pooling2d", values=(inputs,)):
        _known("max_pooling2d", inputs, -1, 4)
        return nn.max_pool(inputs, _pair(pool_size), _pair(strides), padding.upper())


def average_pooling2d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Any:
    """The mean of each window of pictures ``(N, H, W, C)``."""
    with scopes.name_scope(name or "average_pooling2d", values=(inputs,)):
        _known("average_pooling2d", inputs, -1, 4)
        return nn.avg_pool(inputs, _pair(pool_size), _pair(strides), padding.upper())


def flatten(inputs: Any, name: str | None = None, data_format: str = "channels_last") -> Any:
    """Each example in one row: ``(N, a, b)`` to ``(N, a * b)``."""
    with scopes.name_scope(name or "flatten", values=(inputs,)):
        if inputs.shape.rank is None or inputs.shape.rank < 2 or None in tuple(inputs.shape)[1:]:
            raise errors.GraphShape(
                f"flatten(inputs): the sizes of an example are not all known\n  inputs  {inputs}\n"
                "  expected shape (N, a, b, ...)"
            )
        size = math.prod(tuple(inputs.shape)[1:])
        return inputs.graph.write(
            "Reshape", "Reshape", lambda x: x.reshape(x.shape[0], size), (inputs,), {}
        )


def dropout(
    inputs: Any,
    rate: Any = 0.5,
    noise_shape: Any = None,
    seed: Any = None,
    training: Any = False,
    name: str | None = None,
) -> Any:
    """In training, zeros in the place of a share ``rate`` of the entries; the rest is scaled up.

    ``training`` is a bool or a tensor of bool, such as a placeholder.
    """
    if not isinstance(rate, Tensor) and not 0 <= rate <= 1:
        raise ArgumentError(f"dropout(rate): expected a number from 0 to 1, got {rate!r}")

    def drop(x: Any, rate: Any, on: Any) -> Any:
        if isinstance(on, (bool, int)):
            return nn.dropped(x, 1 - rate) if on else x
        return FUNCTIONS["where"](on, nn.dropped(x, 1 - rate), x)

    with scopes.name_scope(name or "dropout", values=(inputs,)):
        out = inputs.graph.write("Dropout", "dropout", drop, (inputs, rate, training), {})
        return inputs.graph.shaped_like(out, inputs)


def batch_normalization(
    inputs: Any,
    axis: int = -1,
    momentum: float = 0.99,
    epsilon: float = 1e-3,
    center: bool = True,
    scale: bool = True,
    beta_initializer: Any = "zeros",
    gamma_initializer: Any = "ones",
    moving_mean_initializer: Any = "zeros",
    moving_variance_initializer: Any = "ones",
    training: Any = False,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
    **unused: Any,
) -> Any:
    """Each channel with mean 0 and variance 1, times gamma, plus beta.

    In training mean and variance are those of the batch, and the operations that move the running
    ones towards them stand in the collection UPDATE_OPS: run them with the step.
    """
    x = _float(inputs)
    with x.graph.as_default(), variable_scope(name, "batch_normalization", reuse=reuse):
        size = [_known("batch_normalization", x, axis)]
        gamma = get_variable("gamma", size, initializer=gamma_initializer,
                             trainable=trainable) if scale else 1.0  # fmt: skip
        beta = get_variable("beta", size, initializer=beta_initializer,
                            trainable=trainable) if center else 0.0  # fmt: skip
        mean = get_variable("moving_mean", size, initializer=moving_mean_initializer,
                            trainable=False)  # fmt: skip
        variance = get_variable("moving_variance", size, trainable=False,
                                initializer=moving_variance_initializer)  # fmt: skip

        def normal(x: Any, mean: Any, variance: Any, gamma: Any, beta: Any, on: Any) -> Any:
            now, spread = mean, variance
            if on is not False:
                others = tuple(range(x.ndim - 1))
                now = x.mean(others)
                spread = ((x - now) * (x - now)).mean(others)
                if on is not True:
                    now = FUNCTIONS["where"](on, now, mean)
                    spread = FUNCTIONS["where"](on, spread, variance)
            y = (x - now) / (spread + epsilon).sqrt() * gamma + beta
            return (
                y,
                mean * momentum + now * (1 - momentum),
                (variance * momentum + spread * (1 - momentum)),
            )

        y, new_mean, new_variance = x.graph.write(
            "FusedBatchNormV3", "FusedBatchNormV3", normal,
            (x, mean, variance, gamma, beta, training), {},
        )  # fmt: skip
        x.graph.shaped_like(y, x)
        if training is not False:
            for v, new in ((mean, new_mean), (variance, new_variance)):
                x.graph.shaped_like(new, v)
                x.graph.collect(GraphKeys.UPDATE_OPS, v.assign(new, name="AssignMovingAvg"))
        return y
