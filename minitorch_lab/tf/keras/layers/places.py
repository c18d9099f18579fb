"""Convolution and pooling of pictures ``(N, H, W, C)``, as Keras's users have them."""

from __future__ import annotations

from typing import Any

from ....errors import ArgumentError, ShapeError, describe
from ....nn import functional as F
from ....ops import FUNCTIONS as OPS
from ....tensor import Tensor
from .. import activations
from ..layer import Layer, need_positive
from .core import as_float

Pair = tuple[int, int]


class _PictureShape(ShapeError, ArgumentError):
    """An input that is no batch of pictures; a ValueError in Keras."""


def pair(what: str, value: Any) -> Pair:
    """Two sizes, of which one may be given for both."""
    two = (value, value) if isinstance(value, int) else value
    if not isinstance(two, tuple | list) or len(two) != 2:
        raise ArgumentError(f"{what}: expected a number or a pair of them, got {describe(value)}")
    for n in two:
        need_positive(what, n)
    return two[0], two[1]


def single(what: str, value: Any) -> int:
    """One size, which may stand in a tuple."""
    one = value[0] if isinstance(value, tuple | list) and len(value) == 1 else value
    need_positive(what, one)
    return int(one)


def need_last(what: str, data_format: Any) -> None:
    """ArgumentError for channels that stand first."""
    if data_format not in (None, "channels_last"):
        raise ArgumentError(
            f"{what}(data_format): got {data_format!r}\n  expected 'channels_last', or None\n"
            "  layers.Permute((2, 3, 1)) before it brings channels to the end"
        )


def _word(what: str, value: Any, *more: str) -> str:
    word = value.lower() if isinstance(value, str) else value
    if word not in ("valid", "same", *more):
        words = " or ".join(map(repr, ("valid", "same", *more)))
        raise ArgumentError(f"{what}: expected {words}, got {describe(value)}")
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


def _edge(n: int, window: int, step: int) -> Pair:
    """How much "same" adds before and after a dimension: the odd one comes after."""
    more = max((-(-n // step) - 1) * step + window - n, 0)
    return more // 2, more - more // 2


def _edges(sizes: Any, windows: Pair, strides: Pair) -> list[Pair]:
    return [_edge(*each) for each in zip(sizes, windows, strides, strict=True)]


def _around(x: Tensor, edges: list[Pair], value: float) -> Tensor:
    (top, bottom), (left, right) = edges
    return F.pad(x, (left, right, top, bottom), value=value) if any(map(any, edges)) else x


def _need_divisor(layer: Any, channels: int) -> None:
    if channels % layer.groups or layer.filters % layer.groups:
        raise ArgumentError(
            f"{type(layer).__name__}(groups): got {layer.groups}\n"
            f"  expected a divisor of {channels} channels and of {layer.filters} filters"
        )


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
        data_format: Any = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        need_positive("Conv2D(filters)", filters)
        need_positive("Conv2D(groups)", groups)
        need_last("Conv2D", data_format)
        self.filters, self.groups, self.use_bias = filters, groups, use_bias
        self.kernel_size = pair("Conv2D(kernel_size)", kernel_size)
        self.strides = pair("Conv2D(strides)", strides)
        self.dilation_rate = pair("Conv2D(dilation_rate)", dilation_rate)
        self.padding = _word("Conv2D(padding)", padding)
        self.activation = activations.get(activation)
        self.rules(
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Make kernel and bias."""
        channels = input_shape[-1] if len(input_shape) == 4 else None
        if channels is None:
            raise _PictureShape(
                f"Conv2D {self.name!r}: got an input of shape {tuple(input_shape)}\n"
                "  expected pictures (N, height, width, channels) with a number of channels\n"
                "  grey ones without channels get one by x[..., tf.newaxis]"
            )
        _need_divisor(self, channels)
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.ruled("kernel", shape)
        self.bias = self.ruled("bias", (self.filters,)) if self.use_bias else None

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

    def __init__(
        self, pool_size: Any, strides: Any, padding: str, data_format: Any, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        need_last(kind, data_format)
        self.pool_size = pair(f"{kind}(pool_size)", pool_size)
        self.strides = self.pool_size if strides is None else pair(f"{kind}(strides)", strides)
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
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)

    def _pool(self, planes: Tensor, edges: list[Pair]) -> Tensor:
        return F.max_pool2d(_around(planes, edges, -float("inf")), self.pool_size, self.strides)


class AveragePooling2D(_Pooling):
    """The mean of each window, of what lies inside the picture."""

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)

    def _pool(self, planes: Tensor, edges: list[Pair]) -> Tensor:
        y = F.avg_pool2d(_around(planes, edges, 0.0), self.pool_size, self.strides)
        if not any(map(any, edges)):
            return y
        inside = _around(planes.detach()[:1, :1] * 0 + 1, edges, 0.0)  # the share of each window
        return y / F.avg_pool2d(inside, self.pool_size, self.strides)


class _Global(Layer):
    """What pooling over all places shares: ``(N, ..., C)`` to ``(N, C)``."""

    axes: tuple[int, ...] = (1, 2)

    def __init__(self, data_format: Any = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        need_last(type(self).__name__, data_format)
        self.keepdims = keepdims

    def _checked(self, x: Tensor) -> Tensor:
        if x.ndim != len(self.axes) + 2:
            kind = "pictures (N, height, width, channels)"
            raise _PictureShape(
                f"{type(self).__name__} {self.name!r}: got {x.spec}\n"
                f"  expected {kind if len(self.axes) == 2 else 'sequences (N, steps, features)'}"
            )
        return as_float(x)


class GlobalAveragePooling2D(_Global):
    """The mean of each channel: ``(N, H, W, C)`` to ``(N, C)``."""

    def call(self, inputs: Tensor) -> Tensor:
        """The means."""
        return self._checked(inputs).mean(self.axes, keepdim=self.keepdims)


class GlobalMaxPooling2D(_Global):
    """The largest entry of each channel: ``(N, H, W, C)`` to ``(N, C)``."""

    def call(self, inputs: Tensor) -> Tensor:
        """The largest."""
        return OPS["amax"](self._checked(inputs), self.axes, keepdim=self.keepdims)


class GlobalAveragePooling1D(_Global):
    """The mean of each feature over the steps: ``(N, T, C)`` to ``(N, C)``."""

    axes = (1,)

    def __init__(self, data_format: Any = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: Tensor, mask: Any = None) -> Any:
        """None: there are no steps left."""
        return None

    def call(self, inputs: Tensor, mask: Any = None) -> Tensor:
        """The means, over the steps that are not hidden."""
        x = self._checked(inputs)
        if mask is None:
            return x.mean(1, keepdim=self.keepdims)
        seen = mask.float().reshape(*mask.shape, 1)
        return (x * seen).sum(1, keepdim=self.keepdims) / seen.sum(1, keepdim=self.keepdims)


class GlobalMaxPooling1D(_Global):
    """The largest of each feature over the steps: ``(N, T, C)`` to ``(N, C)``."""

    axes = (1,)

    def call(self, inputs: Tensor) -> Tensor:
        """The largest."""
        return OPS["amax"](self._checked(inputs), self.axes, keepdim=self.keepdims)


# Sequences ---------------------------------------------------------------------------------


def _rows(layer: Layer, x: Tensor) -> Tensor:
    """``(N, T, C)`` as ``(N, C, T)``, which the engine's ops take."""
    if x.ndim != 3:
        raise _PictureShape(
            f"{type(layer).__name__} {layer.name!r}: got {x.spec}\n"
            "  expected sequences (N, steps, features)"
        )
    return as_float(x).permute(0, 2, 1)


class Conv1D(Layer):
    """1-D convolution: the same small weight at each step of a sequence.

    Shapes: ``(N, T, C)`` to ``(N, T', filters)``; ``kernel`` is ``(size, C, filters)``. With
    ``padding="causal"`` no step reads what comes after it.

    >>> Conv1D(8, 3).compute_output_shape((None, 10, 4))
    (None, 8, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: Any = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        need_positive("Conv1D(filters)", filters)
        need_positive("Conv1D(groups)", groups)
        need_last("Conv1D", data_format)
        self.filters, self.groups, self.use_bias = filters, groups, use_bias
        self.kernel_size = (single("Conv1D(kernel_size)", kernel_size),)
        self.strides = (single("Conv1D(strides)", strides),)
        self.dilation_rate = (single("Conv1D(dilation_rate)", dilation_rate),)
        self.padding = _word("Conv1D(padding)", padding, "causal")
        self.activation = activations.get(activation)
        self.rules(
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Make kernel and bias."""
        channels = input_shape[-1] if len(input_shape) == 3 else None
        if channels is None:
            raise _PictureShape(
                f"Conv1D {self.name!r}: got an input of shape {tuple(input_shape)}\n"
                "  expected sequences (N, steps, features) with a number of features"
            )
        _need_divisor(self, channels)
        self.kernel = self.ruled(
            "kernel", (*self.kernel_size, channels // self.groups, self.filters)
        )
        self.bias = self.ruled("bias", (self.filters,)) if self.use_bias else None

    def call(self, inputs: Tensor) -> Tensor:
        """The convolution, the bias, the activation."""
        x, step, wide = _rows(self, inputs), self.strides[0], self.dilation_rate[0]
        reach = (self.kernel_size[0] - 1) * wide + 1
        if self.padding == "causal":
            x = F.pad(x, (reach - 1, 0))
        elif self.padding == "same":
            x = F.pad(x, _edge(x.shape[2], reach, step))
        kernel = self.kernel.permute(2, 1, 0)
        y = F.conv1d(x, kernel, self.bias, step, 0, wide, self.groups)
        return self.activation(y.permute(0, 2, 1))


class _Pooling1D(Layer):
    """What max and average pooling of sequences share."""

    def __init__(
        self, pool_size: Any, strides: Any, padding: str, data_format: Any, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        need_last(kind, data_format)
        self.pool_size = single(f"{kind}(pool_size)", pool_size)
        self.strides = self.pool_size if strides is None else single(f"{kind}(strides)", strides)
        self.padding = _word(f"{kind}(padding)", padding)

    def _pool(self, rows: Tensor, edge: Pair) -> Tensor:
        raise NotImplementedError

    def call(self, inputs: Tensor) -> Tensor:
        """A number for each window."""
        rows = _rows(self, inputs)
        edge = (0, 0)
        if self.padding == "same":
            edge = _edge(rows.shape[2], self.pool_size, self.strides)
        return self._pool(rows, edge).permute(0, 2, 1)


class MaxPooling1D(_Pooling1D):
    """The largest entry of each window of steps.

    >>> MaxPooling1D().compute_output_shape((None, 9, 4))
    (None, 4, 4)
    """

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)

    def _pool(self, rows: Tensor, edge: Pair) -> Tensor:
        rows = F.pad(rows, edge, value=-float("inf")) if any(edge) else rows
        return F.max_pool1d(rows, self.pool_size, self.strides)


class AveragePooling1D(_Pooling1D):
    """The mean of each window, of what lies inside the sequence."""

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)

    def _pool(self, rows: Tensor, edge: Pair) -> Tensor:
        if not any(edge):
            return F.avg_pool1d(rows, self.pool_size, self.strides)
        y = F.avg_pool1d(F.pad(rows, edge), self.pool_size, self.strides)
        inside = F.pad(rows.detach()[:1, :1] * 0 + 1, edge)  # the share of each window
        return y / F.avg_pool1d(inside, self.pool_size, self.strides)
