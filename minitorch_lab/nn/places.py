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
from .layers import _count
from .module import Module, Parameter


class _AvgPool(Module):
    """Means of windows: what the layers of one and of two dimensions share."""

    divisor_override: int | None = None

    def _settings(
        self, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool
    ) -> None:
        self.kernel_size, self.stride = kernel, kernel if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, include

    def extra_repr(self) -> str:
        """The settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
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
        self._settings(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override

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


class AvgPool1d(_AvgPool):
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
        self._settings(
            _single(kernel_size, "kernel_size"),
            None if stride is None else _single(stride, "stride"),
            _single(padding, "padding"),
            ceil_mode,
            count_include_pad,
        )

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


class MaxPool2d(Module):
    """The largest entry of each window; the stride is the window unless given.

    Shapes: ``(N, C, H, W)`` to ``(N, C, H', W')``, or both without N.
    """

    _pool = staticmethod(F.max_pool2d)

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        pair(kernel_size, "kernel_size")
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        """Apply it."""
        return self._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(MaxPool2d):
    """The largest entry of each window. Shapes: ``(N, C, L)`` to ``(N, C, L')``."""

    _pool = staticmethod(F.max_pool1d)


class AdaptiveAvgPool2d(Module):
    """Means of windows chosen so that the result has ``output_size``.

    Shapes: ``(N, C, H, W)`` to ``(N, C, *output_size)``.
    """

    _pool = staticmethod(F.adaptive_avg_pool2d)

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return self._pool(input, self.output_size)

    def extra_repr(self) -> str:
        """The settings."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """Means of windows of a sequence. Shapes: ``(N, C, L)`` to ``(N, C, output_size)``."""

    _pool = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveMaxPool2d(AdaptiveAvgPool2d):
    """The largest entries of windows chosen so that the result has ``output_size``."""

    _pool = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool1d(AdaptiveAvgPool2d):
    """The largest entries of windows of a sequence: ``(N, C, L)`` to ``(N, C, output_size)``."""

    _pool = staticmethod(F.adaptive_max_pool1d)


# Convolution ---------------------------------------------------------------------------------

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _single(value: Any, name: str) -> tuple[int]:
    return (_one(value, name),)


class _Convolution(Module):
    """Weight and bias of a convolution, with PyTorch's first values."""

    weight: Tensor
    bias: Tensor | None
    output_padding: Any = ()
    padding: Any
    _sides: Any = staticmethod(pair)  # an int for each side
    _apply: Any

    def _make(
        self,
        channels: tuple[int, int],
        kernel: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        made: Any,
        padding_mode: str = "zeros",
    ) -> None:
        if padding_mode not in PADDING_MODES:
            raise ArgumentError(f"padding_mode={padding_mode!r}: expected one of {PADDING_MODES}")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ArgumentError(f"padding={padding!r}: expected a number, 'same' or 'valid'")
        names = ("groups", "in_channels", "out_channels")
        for name, n in zip(names, (groups, *channels), strict=True):
            _count(name, n)
        if channels[0] % groups or channels[1] % groups:
            raise ArgumentError(
                f"groups={groups} must divide in_channels={channels[0]} and "
                f"out_channels={channels[1]}"
            )
        self.in_channels, self.out_channels = channels
        self.kernel_size = self._sides(kernel, "kernel_size")
        self.stride = self._sides(stride, "stride")
        self.padding = padding if isinstance(padding, str) else self._sides(padding, "padding")
        self.dilation = self._sides(dilation, "dilation")
        if padding == "same" and max(self.stride) > 1:
            raise ArgumentError(f"padding='same' with stride={stride}: expected stride 1")
        self.groups, self.padding_mode = groups, padding_mode
        shape = self._weight_shape()
        self.weight = Parameter(creation.empty(*shape, **made))
        self.bias = Parameter(creation.empty(channels[1], **made)) if bias else None
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw new first values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(init.fans(self.weight)[0])
            init.uniform_(self.bias, -bound, bound)

    def _edges(self) -> list[int]:
        """The padding as ``F.pad`` takes it: the last dimension first, before and after."""
        if self.padding == "valid":
            return [0, 0] * len(self.kernel_size)
        if self.padding == "same":
            both = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return [m for n in reversed(both) for m in (n // 2, n - n // 2)]
        return [p for p in reversed(self.padding) for _ in range(2)]

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._edges(), self.padding_mode), 0
        return self._apply(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

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
        text += "" if self.bias is not None else ", bias=False"
        return text if self.padding_mode == "zeros" else f"{text}, padding_mode={self.padding_mode}"


class Conv2d(_Convolution):
    """2-D convolution.

    Shapes: input ``(N, in_channels, H, W)``, output ``(N, out_channels, H', W')`` with
    ``H' = (H + 2 padding - dilation (kernel - 1) - 1) // stride + 1``; both also without N.
    ``padding`` is a number, a pair, ``"valid"`` or ``"same"``.
    """

    _apply = staticmethod(F.conv2d)

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
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        channels, made = (in_channels, out_channels), {"device": device, "dtype": dtype}
        self._make(
            channels, kernel_size, stride, padding, dilation, groups, bias, made, padding_mode
        )


class Conv1d(Conv2d):
    """1-D convolution.

    Shapes: ``(N, in_channels, L)`` to ``(N, out_channels, L')``, weight
    ``(out_channels, in_channels / groups, kernel_size)``.
    """

    _sides = staticmethod(_single)
    _apply = staticmethod(F.conv1d)


class ConvTranspose2d(_Convolution):
    """The gradient of a 2-D convolution as a layer: it makes pictures larger.

    Shapes: ``(N, in_channels, H, W)`` to ``(N, out_channels, H', W')``, weight
    ``(in_channels, out_channels / groups, kh, kw)``.
    """

    _apply = staticmethod(F.conv_transpose2d)

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
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_mode != "zeros" or isinstance(padding, str):
            raise ArgumentError(
                f"{type(self).__name__}: padding_mode={padding_mode!r}, padding={padding!r}\n"
                "  expected 'zeros' and a number"
            )
        self.output_padding = self._sides(output_padding, "output_padding")
        channels, made = (in_channels, out_channels), {"device": device, "dtype": dtype}
        self._make(channels, kernel_size, stride, padding, dilation, groups, bias, made)

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return self._apply(
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

    _sides = staticmethod(_single)
    _apply = staticmethod(F.conv_transpose1d)


# Sizes ---------------------------------------------------------------------------------------


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


class UpsamplingNearest2d(Upsample):
    """Pictures in a larger size, each entry repeated."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Pictures in a larger size, with straight lines between entries; the corners stay."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", True)


class PixelShuffle(Module):
    """Channels become places: ``(..., C r^2, H, W)`` to ``(..., C, H r, W r)``.

    Shi et al. (2016).
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """The settings."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Places become channels: ``(..., C, H r, W r)`` to ``(..., C r^2, H, W)``."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """The settings."""
        return f"downscale_factor={self.downscale_factor}"


# Padding -------------------------------------------------------------------------------------


class _Pad(Module):
    """Entries around the last dimensions; the number of dimensions is in the class."""

    _dims = 2
    _mode = "constant"
    _value = 0.0

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self._dims) if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != 2 * self._dims:
            raise ArgumentError(
                f"{type(self).__name__}: padding={padding}\n"
                f"  expected an int, or {2 * self._dims} of them: before and after, "
                "the last dimension first"
            )

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        value = self._value if self._mode == "constant" else None
        return F.pad(input, self.padding, self._mode, value)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.padding}"


class ConstantPad2d(_Pad):
    """One number around each picture: (left, right, top, bottom)."""

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = self._value = value

    def extra_repr(self) -> str:
        """The settings."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(ConstantPad2d):
    """One number around each sequence: (left, right)."""

    _dims = 1


class ZeroPad2d(_Pad):
    """Zeros around each picture: (left, right, top, bottom)."""


class ZeroPad1d(_Pad):
    """Zeros around each sequence: (left, right)."""

    _dims = 1


class ReflectionPad2d(_Pad):
    """Mirrored edges around each picture: (left, right, top, bottom)."""

    _mode = "reflect"


class ReflectionPad1d(ReflectionPad2d):
    """Mirrored edges around each sequence: (left, right)."""

    _dims = 1


class ReplicationPad2d(_Pad):
    """Repeated edges around each picture: (left, right, top, bottom)."""

    _mode = "replicate"


class ReplicationPad1d(ReplicationPad2d):
    """Repeated edges around each sequence: (left, right)."""

    _dims = 1


class CircularPad2d(_Pad):
    """The other end around each picture: (left, right, top, bottom)."""

    _mode = "circular"


class CircularPad1d(CircularPad2d):
    """The other end around each sequence: (left, right)."""

    _dims = 1
