"""Pooling, convolution, padding and sizes as layers."""

from __future__ import annotations

import math
from typing import Any

from .. import creation
from ..errors import ArgumentError
from ..ops.rules import pair
from ..tensor import Tensor
from . import functional as F
from . import init
from .functional.places import _one
from .module import Module, Parameter


class AvgPool2d(Module):
    """The mean of each window. Shapes: ``(N, C, H, W)`` to ``(N, C, H', W')``."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        pair(kernel_size, "kernel_size")
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(Module):
    """The mean of each window of a sequence. Shapes: ``(N, C, L)`` to ``(N, C, L')``."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = (_one(kernel_size, "kernel_size"),)
        self.stride = self.kernel_size if stride is None else (_one(stride, "stride"),)
        self.padding = (_one(padding, "padding"),)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool1d(Module):
    """The largest entry of each window. Shapes: ``(N, C, L)`` to ``(N, C, L')``."""

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.max_pool1d(input, self.kernel_size, self.stride, self.padding, self.dilation)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode=False"
        )


class AdaptiveAvgPool2d(Module):
    """Means of windows chosen so that the result has ``output_size``.

    Shapes: ``(N, C, H, W)`` to ``(N, C, *output_size)``.
    """

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.adaptive_avg_pool2d(input, self.output_size)

    def extra_repr(self) -> str:
        """The settings."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """Means of windows of a sequence. Shapes: ``(N, C, L)`` to ``(N, C, output_size)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class _Convolution(Module):
    """Weight and bias of a convolution, with PyTorch's first values."""

    weight: Tensor
    bias: Tensor | None

    def _make(
        self, channels: tuple[int, int], shape: tuple[int, ...], bias: bool, made: Any
    ) -> None:
        self.in_channels, self.out_channels = channels
        groups: int = self.groups
        if groups < 1 or channels[0] % groups or channels[1] % groups:
            raise ArgumentError(
                f"groups={groups} must divide in_channels={channels[0]} and "
                f"out_channels={channels[1]}"
            )
        self.weight = Parameter(creation.empty(*shape, **made))
        self.bias = Parameter(creation.empty(channels[1], **made)) if bias else None
        self.reset_parameters()

    groups: Any = 1
    kernel_size: Any = ()
    stride: Any = ()
    padding: Any = ()
    dilation: Any = ()
    output_padding: Any = ()

    def reset_parameters(self) -> None:
        """Draw new first values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(init.fans(self.weight)[0])
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """The settings."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={self.stride}"
        zeros, ones = (0,) * len(self.kernel_size), (1,) * len(self.kernel_size)
        if self.padding != zeros:
            text += f", padding={self.padding}"
        if self.dilation != ones:
            text += f", dilation={self.dilation}"
        if self.output_padding not in (zeros, ()):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text + ("" if self.bias is not None else ", bias=False")


class Conv1d(_Convolution):
    """1-D convolution.

    Shapes: ``(N, in_channels, L)`` to ``(N, out_channels, L')``, weight
    ``(out_channels, in_channels / groups, kernel_size)``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.kernel_size = (_one(kernel_size, "kernel_size"),)
        self.stride, self.dilation = (_one(stride, "stride"),), (_one(dilation, "dilation"),)
        self.padding = padding if isinstance(padding, str) else (_one(padding, "padding"),)
        self.groups = groups
        shape = (out_channels, in_channels // max(groups, 1), *self.kernel_size)
        self._make((in_channels, out_channels), shape, bias, {"device": device, "dtype": dtype})

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.conv1d(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class ConvTranspose2d(_Convolution):
    """The gradient of a 2-D convolution as a layer: it makes pictures larger.

    Shapes: ``(N, in_channels, H, W)`` to ``(N, out_channels, H', W')``, weight
    ``(in_channels, out_channels / groups, kh, kw)``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._settings(kernel_size, stride, padding, output_padding, dilation)
        self.groups = groups
        shape = (in_channels, out_channels // max(groups, 1), *self.kernel_size)
        self._make((in_channels, out_channels), shape, bias, {"device": device, "dtype": dtype})

    def _settings(self, kernel: Any, stride: Any, padding: Any, more: Any, dilation: Any) -> None:
        self.kernel_size, self.stride = pair(kernel, "kernel_size"), pair(stride, "stride")
        self.padding, self.output_padding = pair(padding, "padding"), pair(more, "output_padding")
        self.dilation = pair(dilation, "dilation")

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.conv_transpose2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(ConvTranspose2d):
    """The gradient of a 1-D convolution as a layer: it makes sequences longer.

    Shapes: ``(N, in_channels, L)`` to ``(N, out_channels, L')``.
    """

    def _settings(self, kernel: Any, stride: Any, padding: Any, more: Any, dilation: Any) -> None:
        self.kernel_size = (_one(kernel, "kernel_size"),)
        self.stride, self.padding = (_one(stride, "stride"),), (_one(padding, "padding"),)
        self.output_padding = (_one(more, "output_padding"),)
        self.dilation = (_one(dilation, "dilation"),)

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.conv_transpose1d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )


class Upsample(Module):
    """A picture or a sequence in a larger size. Shapes: those of ``interpolate``."""

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.mode, self.align_corners = size, mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor
        many = isinstance(scale_factor, (tuple, list))
        self.scale_factor = (
            tuple(float(k) for k in scale_factor)
            if many
            else None
            if scale_factor is None
            else float(scale_factor)
        )

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        """The settings."""
        name = "size" if self.scale_factor is None else "scale_factor"
        return f"{name}={getattr(self, name)}, mode={self.mode!r}"


class _Pad2d(Module):
    _mode = "constant"

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = (padding,) * 4 if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.padding}"


class ZeroPad2d(_Pad2d):
    """Zeros around each picture: (left, right, top, bottom)."""


class ReflectionPad2d(_Pad2d):
    """Mirrored edges around each picture: (left, right, top, bottom)."""

    _mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """Repeated edges around each picture: (left, right, top, bottom)."""

    _mode = "replicate"
