"""Convolution and pooling of pictures ``(N, H, W, C)``, as Keras's users have them."""

from __future__ import annotations

from typing import Any

from ....errors import ArgumentError, ShapeError, describe
from ....nn import functional as F
from ....tensor import Tensor
from .. import activations, initializers
from ..layer import Layer, need_positive
from .core import as_float

Pair = tuple[int, int]


class _PictureShape(ShapeError, ArgumentError):
    """An input that is no batch of pictures; a ValueError in Keras."""


def _pair(what: str, value: Any) -> Pair:
    pair = (value, value) if isinstance(value, int) else value
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ArgumentError(f"{what}: expected a number or a pair of them, got {describe(value)}")
    for n in pair:
        need_positive(what, n)
    return pair[0], pair[1]


def _word(what: str, value: Any) -> str:
    word = value.lower() if isinstance(value, str) else value
    if word not in ("valid", "same"):
        raise ArgumentError(f"{what}: expected 'valid' or 'same', got {describe(value)}")
    return str(word)


def _planes(layer: Layer, x: Tensor) -> Tensor:
    """``(N, H, W, C)`` as ``(N, C, H, W)``, which the engine's ops take."""
    if x.ndim != 4:
        raise _PictureShape(
            f"{type(layer).__name__} {layer.name!r}: got {x.spec}\n"
            "  expected pictures (N, height, width, channels)\n"
            "  grey ones without channels get one by x[..., tf.newaxis]"
        )
    return as_float(x).permute(0, 3, 1, 2)


def _pictures(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _edges(sizes: Any, windows: Pair, strides: Pair) -> list[Pair]:
    """How much "same" adds before and after each dimension: the odd one comes after."""
    edges = []
    for n, window, step in zip(sizes, windows, strides, strict=True):
        more = max((-(-n // step) - 1) * step + window - n, 0)
        edges.append((more // 2, more - more // 2))
    return edges


def _around(x: Tensor, edges: list[Pair], value: float) -> Tensor:
    (top, bottom), (left, right) = edges
    return F.pad(x, (left, right, top, bottom), value=value) if any(map(any, edges)) else x


class Conv2D(Layer):
    """2-D convolution: the same small weight at each place of a picture.

    Shapes: ``(N, H, W, C)`` to ``(N, H', W', filters)``; ``kernel`` is ``(kh, kw, C, filters)``,
    where PyTorch keeps ``(out, in, kh, kw)``.

    >>> Conv2D(32, 3).compute_output_shape((None, 28, 28, 1))
    (None, 26, 26, 32)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        dilation_rate: Any = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        need_positive("Conv2D(filters)", filters)
        need_positive("Conv2D(groups)", groups)
        self.filters, self.groups, self.use_bias = filters, groups, use_bias
        self.kernel_size = _pair("Conv2D(kernel_size)", kernel_size)
        self.strides = _pair("Conv2D(strides)", strides)
        self.dilation_rate = _pair("Conv2D(dilation_rate)", dilation_rate)
        self.padding = _word("Conv2D(padding)", padding)
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        """Make kernel and bias."""
        channels = input_shape[-1] if len(input_shape) == 4 else None
        if channels is None:
            raise _PictureShape(
                f"Conv2D {self.name!r}: got an input of shape {tuple(input_shape)}\n"
                "  expected pictures (N, height, width, channels) with a number of channels\n"
                "  grey ones without channels get one by x[..., tf.newaxis]"
            )
        if channels % self.groups or self.filters % self.groups:
            raise ArgumentError(
                f"Conv2D(groups): got {self.groups}\n  expected a divisor of {channels} channels "
                f"and of {self.filters} filters"
            )
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.add_weight(shape, self.kernel_initializer, name="kernel")
        self.bias = (
            self.add_weight((self.filters,), self.bias_initializer, name="bias")
            if self.use_bias
            else None
        )

    def call(self, inputs: Tensor) -> Tensor:
        """The convolution, the bias, the activation."""
        x = _planes(self, inputs)
        if self.padding == "same":
            (kh, kw), (dh, dw) = self.kernel_size, self.dilation_rate
            reach = (kh - 1) * dh + 1, (kw - 1) * dw + 1
            x = _around(x, _edges(x.shape[2:], reach, self.strides), 0.0)
        kernel = self.kernel.permute(3, 2, 0, 1)
        y = F.conv2d(x, kernel, self.bias, self.strides, 0, self.dilation_rate, self.groups)
        if self.activation in activations.ENTRYWISE:  # beside the convolution: one kernel does both
            return _pictures(self.activation(y))
        return self.activation(_pictures(y))


class _Pooling(Layer):
    """What max and average pooling share: windows, steps, edges."""

    def __init__(self, pool_size: Any, strides: Any, padding: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.pool_size = _pair(f"{kind}(pool_size)", pool_size)
        self.strides = self.pool_size if strides is None else _pair(f"{kind}(strides)", strides)
        self.padding = _word(f"{kind}(padding)", padding)

    def _pool(self, planes: Tensor, edges: list[Pair]) -> Tensor:
        raise NotImplementedError

    def call(self, inputs: Tensor) -> Tensor:
        """A number for each window."""
        planes = _planes(self, inputs)
        edges = [(0, 0), (0, 0)]
        if self.padding == "same":
            edges = _edges(planes.shape[2:], self.pool_size, self.strides)
        return _pictures(self._pool(planes, edges))


class MaxPooling2D(_Pooling):
    """The largest entry of each window; the steps are the window's unless ``strides`` says it.

    >>> MaxPooling2D().compute_output_shape((None, 26, 26, 32))
    (None, 13, 13, 32)
    """

    def __init__(
        self, pool_size: Any = (2, 2), strides: Any = None, padding: str = "valid", **kwargs: Any
    ) -> None:
        super().__init__(pool_size, strides, padding, **kwargs)

    def _pool(self, planes: Tensor, edges: list[Pair]) -> Tensor:
        return F.max_pool2d(_around(planes, edges, -float("inf")), self.pool_size, self.strides)


class AveragePooling2D(_Pooling):
    """The mean of each window, of what lies inside the picture."""

    def __init__(
        self, pool_size: Any, strides: Any = None, padding: str = "valid", **kwargs: Any
    ) -> None:
        super().__init__(pool_size, strides, padding, **kwargs)

    def _pool(self, planes: Tensor, edges: list[Pair]) -> Tensor:
        y = F.avg_pool2d(_around(planes, edges, 0.0), self.pool_size, self.strides)
        if not any(map(any, edges)):
            return y
        inside = _around(planes.detach()[:1, :1] * 0 + 1, edges, 0.0)  # the share of each window
        return y / F.avg_pool2d(inside, self.pool_size, self.strides)


class GlobalAveragePooling2D(Layer):
    """The mean of each channel: ``(N, H, W, C)`` to ``(N, C)``."""

    def __init__(self, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keepdims = keepdims

    def call(self, inputs: Tensor) -> Tensor:
        """The means."""
        _planes(self, inputs)
        return as_float(inputs).mean((1, 2), keepdim=self.keepdims)
