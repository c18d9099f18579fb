"""What moves over the places of a picture or a sequence: pooling, convolution, padding, sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...op import autocast
from ...ops import elementwise as e
from ...ops import indexing, nn, reduce
from ...ops.linalg import product
from ...ops.movement import (
    cat,
    narrow,
    permute,
    reshape,
    slice_,
    squeeze,
    transpose,
    unslice,
    unsqueeze,
)
from ...ops.rules import pair
from ...tensor import Tensor, as_tensor
from .sparse import NotSupported

Ints = int | Sequence[int]
F = TypeVar("F", bound=Callable[..., Any])

SEQUENCES = "(N, C, L): sequences, channels, length; or (C, L)"
PICTURES = "(N, C, H, W): pictures, channels, height, width; or (C, H, W)"


def _one(value: Any, name: str) -> int:
    """An int, also where it is given as a tuple of one."""
    if isinstance(value, (tuple, list)) and len(value) == 1:
        value = value[0]
    return pair(value, name)[0]


def _need(name: str, input: Tensor, ndim: int, expected: str) -> None:
    if input.ndim != ndim:
        raise ShapeError(
            f"{name}: input needs {ndim} dimensions\n  input  {input.spec}\n  expected {expected}"
        )


def _takes_one(ndim: int) -> Callable[[F], F]:
    """Let a function of batches with ``ndim`` dimensions take one example without a batch."""

    def wrap(function: F) -> F:
        @wraps(function)
        def inside(input: Any, *args: Any, **kwargs: Any) -> Any:
            if getattr(input, "ndim", ndim) != ndim - 1:
                return function(input, *args, **kwargs)
            return _first(function(unsqueeze(input, 0), *args, **kwargs))

        return inside  # type: ignore[return-value]

    return wrap


def _first(out: Any) -> Any:
    """What a batch of one example holds."""
    return tuple(squeeze(y, 0) for y in out) if isinstance(out, tuple) else squeeze(out, 0)


# Pooling -------------------------------------------------------------------------------------


def _window(kernel_size: Ints, stride: Ints | None, padding: Ints, dilation: Ints) -> Any:
    kernel = pair(kernel_size, "kernel_size")
    return {
        "kernel_size": kernel,
        "stride": kernel if stride is None else pair(stride, "stride"),
        "padding": pair(padding, "padding"),
        "dilation": pair(dilation, "dilation"),
    }


def _extended(input: Any, window: Any, value: float) -> Any:
    """``input`` with the rows and columns that ``ceil_mode`` needs for its last windows."""
    extra = []
    for n, k, s, p, d in zip(input.shape[2:], *window.values(), strict=True):
        last = n + 2 * p - d * (k - 1) - 1  # where a last window could start
        over = -last % max(s, 1)
        extra.append(over if last + over < n + p else 0)  # it starts in the input or before it
    if extra == [0, 0]:
        return input
    return pad(input, (0, extra[1], 0, extra[0]), value=value)


def max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest entry of each window; the stride is the window unless given.

    Shapes: ``(N, C, H, W)`` to ``(N, C, H', W')``, or both without N. With ``ceil_mode`` a last
    window may reach over the edge. With ``return_indices`` the pair of the values and their
    places, counted row by row over ``H * W``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.max_pool2d(lab.tensor([[[1.0, 2.0, 3.0]]]), (1, 2), ceil_mode=True)
    tensor([[[2., 3.]]])
    """
    if getattr(input, "ndim", 4) == 3:
        whole = unsqueeze(input, 0)
        return _first(
            max_pool2d(whole, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        )
    if not ceil_mode and not return_indices:
        return nn.max_pool2d(input, kernel_size, stride, padding, dilation)
    window = _window(kernel_size, stride, padding, dilation)
    width = input.shape[-1] if input.ndim else 0
    if ceil_mode and input.ndim == 4:
        input = _extended(input, window, -math.inf)
    out = nn.max_pool2d(input, **window)
    if not return_indices:
        return out
    return out, nn.max_pool2d_places(out.detach(), input.detach(), width=width, **window)


def avg_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window; the stride is the window unless given.

    Shapes: ``(N, C, H, W)`` to ``(N, C, H', W')``, or both without N. The mean is over the padding
    too unless ``count_include_pad`` is False, and the sum over ``divisor_override`` where that is
    given. With ``ceil_mode`` a last window may reach over the edge; what it reaches is not counted.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.avg_pool2d(lab.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    if getattr(input, "ndim", 4) == 3:
        return _first(
            avg_pool2d(
                unsqueeze(input, 0),
                kernel_size,
                stride,
                padding,
                ceil_mode,
                count_include_pad,
                divisor_override,
            )
        )
    window = _window(kernel_size, stride, padding, 1)
    kernel, edges = window["kernel_size"], window["padding"]
    if divisor_override == 0:
        raise _PadError("avg_pool2d: divisor_override=0\n  expected another number")
    whole = _extended(input, window, 0.0) if ceil_mode and input.ndim == 4 else input
    if divisor_override is not None:
        return nn.avg_pool2d(whole, divisor=divisor_override, **window)
    if whole is input and (count_include_pad or edges == (0, 0)):
        return nn.avg_pool2d(input, divisor=kernel[0] * kernel[1], **window)
    total = nn.avg_pool2d(whole, divisor=1, **window)
    rows, columns = (
        _counted(m, n, k, s, p, p if count_include_pad else 0)
        for m, n, k, s, p in zip(
            total.shape[2:], input.shape[2:], kernel, window["stride"], edges, strict=True
        )
    )
    counts = np.maximum(np.outer(rows, columns), 1).astype(input.dtype.np)
    return total / as_tensor(counts, device=input.device)


def _counted(count: int, size: int, kernel: int, stride: int, padding: int, edge: int) -> Any:
    """How many entries of each window lie from ``-edge`` to ``size + edge``."""
    starts = np.arange(count) * stride - padding
    return np.minimum(starts + kernel, size + edge) - np.maximum(starts, -edge)


@_takes_one(3)
def avg_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of a sequence.

    Shapes: ``(N, C, L)`` to ``(N, C, L')``, or both without N.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.avg_pool1d(lab.tensor([[1.0, 3.0, 5.0, 7.0]]), 2)
    tensor([[2., 6.]])
    """
    _need("avg_pool1d", input, 3, SEQUENCES)
    out = avg_pool2d(
        unsqueeze(input, 2),
        (1, _one(kernel_size, "kernel_size")),
        None if stride is None else (1, _one(stride, "stride")),
        (0, _one(padding, "padding")),
        ceil_mode,
        count_include_pad,
    )
    return squeeze(out, 2)


@_takes_one(3)
def max_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest entry of each window of a sequence; the places too with ``return_indices``.

    Shapes: ``(N, C, L)`` to ``(N, C, L')``, or both without N.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.max_pool1d(lab.tensor([[1.0, 3.0, 7.0, 5.0]]), 2)
    tensor([[3., 7.]])
    """
    _need("max_pool1d", input, 3, SEQUENCES)
    out = max_pool2d(
        unsqueeze(input, 2),
        (1, _one(kernel_size, "kernel_size")),
        None if stride is None else (1, _one(stride, "stride")),
        (0, _one(padding, "padding")),
        (1, _one(dilation, "dilation")),
        ceil_mode,
        return_indices,
    )
    return tuple(squeeze(y, 2) for y in out) if return_indices else squeeze(out, 2)


def _output_sizes(name: str, input: Tensor, output_size: Any) -> tuple[int, int]:
    _need(name, input, 4, PICTURES)
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(sizes) != 2:
        raise _PadError(
            f"{name}: output_size={output_size}\n  expected a number, or (rows, columns)"
        )
    rows, columns = (
        m if k is None else k for k, m in zip(sizes, tuple(input.shape)[2:], strict=True)
    )
    if min(rows, columns) < 1:
        raise _PadError(f"{name}: output_size={output_size}\n  expected sizes of 1 or more")
    return rows, columns


@_takes_one(4)
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of windows chosen so that the result has ``output_size``.

    Shapes: ``(N, C, H, W)`` to ``(N, C, *output_size)``, or both without N; None keeps a size.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.adaptive_avg_pool2d(lab.zeros(1, 3, 28, 28), (1, 1)).shape
    Size([1, 3, 1, 1])
    """
    rows, columns = _output_sizes("adaptive_avg_pool2d", input, output_size)
    n, c, height, width = input.shape
    if height % rows == 0 and width % columns == 0:
        boxes = (n, c, rows, height // rows, columns, width // columns)
        return reduce.mean(reshape(input, boxes), (3, 5))
    return _along(input, _means(height, rows), _means(width, columns))


@_takes_one(4)
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Tensor:
    """The largest entry of windows chosen so that the result has ``output_size``.

    Shapes: ``(N, C, H, W)`` to ``(N, C, *output_size)``, or both without N; None keeps a size.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.adaptive_max_pool2d(lab.zeros(1, 3, 28, 28), (1, 1)).shape
    Size([1, 3, 1, 1])
    """
    if return_indices:
        raise NotSupported("adaptive_max_pool2d: return_indices=True is not supported")
    sizes = _output_sizes("adaptive_max_pool2d", input, output_size)
    out: Any = input
    for dim, count in zip((2, 3), sizes, strict=True):  # the largest of rows, then of columns
        parts = []
        for start, stop in _spans(input.shape[dim], count):
            window = (stop - start, 1) if dim == 2 else (1, stop - start)
            parts.append(nn.max_pool2d(narrow(out, dim, start, stop - start), window))
        out = cat(parts, dim)
    return out


@_takes_one(3)
def adaptive_max_pool1d(input: Tensor, output_size: Ints, return_indices: bool = False) -> Tensor:
    """The largest entry of windows of a sequence.

    Shapes: ``(N, C, L)`` to ``(N, C, output_size)``, or both without N.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.adaptive_max_pool1d(lab.tensor([[1.0, 3.0, 5.0, 7.0]]), 2)
    tensor([[3., 7.]])
    """
    _need("adaptive_max_pool1d", input, 3, SEQUENCES)
    sizes = (1, _one(output_size, "output_size"))
    return squeeze(adaptive_max_pool2d(unsqueeze(input, 2), sizes, return_indices), 2)


def _spans(size: int, count: int) -> list[tuple[int, int]]:
    """Where ``count`` windows start and stop that cover ``size`` places evenly."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _means(size: int, count: int) -> Any:
    """The matrix ``(count, size)`` whose rows take means of ``count`` windows."""
    out = np.zeros((count, size))
    for i, (start, stop) in enumerate(_spans(size, count)):
        out[i, start:stop] = 1 / (stop - start)
    return out


def _along(x: Any, rows: Any, columns: Any) -> Any:
    """Matrices applied to the height and to the width."""
    kind = x.dtype.np
    if rows is not None:
        x = product(as_tensor(rows.astype(kind), device=x.device), x)
    return product(x, as_tensor(columns.T.astype(kind).copy(), device=x.device))


@_takes_one(3)
def adaptive_avg_pool1d(input: Tensor, output_size: Ints) -> Tensor:
    """The mean of windows of a sequence.

    Shapes: ``(N, C, L)`` to ``(N, C, output_size)``, or both without N.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.adaptive_avg_pool1d(lab.tensor([[1.0, 3.0, 5.0, 7.0]]), 2)
    tensor([[2., 6.]])
    """
    _need("adaptive_avg_pool1d", input, 3, SEQUENCES)
    out = adaptive_avg_pool2d(unsqueeze(input, 2), (1, _one(output_size, "output_size")))
    return squeeze(out, 2)


# Convolution ---------------------------------------------------------------------------------


def _one_example(input: Any, ndim: int, channels: Any) -> bool:
    """Whether ``input`` is one example without a batch: its first size are the channels."""
    return getattr(input, "ndim", ndim) == ndim - 1 and input.shape[0] == channels


def _side_padding(input: Any, weight: Any, padding: Any, stride: Any, dilation: Any) -> Any:
    """The input and the number for a padding that is given as a word."""
    if padding == "valid":
        return input, 0
    if padding != "same":
        raise _PadError(f"conv: padding={padding!r}\n  expected a number, 'same' or 'valid'")
    if pair(stride, "stride") != (1, 1):
        raise _PadError(f"conv: padding='same' with stride={stride}\n  expected stride 1")
    both = [d * (k - 1) for d, k in zip(pair(dilation, "dilation"), weight.shape[2:], strict=True)]
    odd = [n % 2 for n in both]
    if any(odd):  # one place more at the end than at the start
        input = pad(input, (0, odd[1], 0, odd[0]))
    return input, (both[0] // 2, both[1] // 2)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """2-D convolution: the same small weight at each place of a picture.

    Shapes: input ``(N, in, H, W)``, weight ``(out, in / groups, kh, kw)``, result
    ``(N, out, H', W')``; input and result also without N. ``padding`` is a number, ``"valid"``
    for none, or ``"same"`` for a result of the input's size.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> picture = lab.zeros(8, 3, 28, 28)
    >>> F.conv2d(picture, lab.zeros(16, 3, 5, 5), padding=2).shape
    Size([8, 16, 28, 28])
    """
    if _one_example(input, 4, weight.shape[1] * groups):
        whole = unsqueeze(input, 0)
        return squeeze(conv2d(whole, weight, bias, stride, padding, dilation, groups), 0)
    if isinstance(padding, str):
        input, padding = _side_padding(input, weight, padding, stride, dilation)
    return nn.conv2d(input, weight, bias, stride, padding, dilation, groups)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """1-D convolution: the same small weight at each place of a sequence.

    Shapes: input ``(N, in, L)``, weight ``(out, in / groups, k)``, result ``(N, out, L')``; input
    and result also without N.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> x = lab.tensor([[[1.0, 2.0, 4.0, 8.0]]])
    >>> F.conv1d(x, weight=lab.tensor([[[-1.0, 1.0]]]))
    tensor([[[1., 2., 4.]]])
    """
    if weight.ndim != 3:
        raise ShapeError(f"conv1d: weight needs 3 dimensions\n  weight  {weight.spec}")
    if _one_example(input, 3, weight.shape[1] * groups):
        whole = unsqueeze(input, 0)
        return squeeze(conv1d(whole, weight, bias, stride, padding, dilation, groups), 0)
    _need("conv1d", input, 3, SEQUENCES)
    if input.shape[1] != weight.shape[1] * groups:
        raise ShapeError(
            f"conv1d: the channels differ\n  input   {input.spec}\n  weight  {weight.spec}\n"
            f"  expected input.shape[1] == {weight.shape[1] * groups}, got {input.shape[1]}\n"
            + (
                "  the channels seem to be last, (N, L, C): try input.transpose(1, 2)"
                if input.shape[2] == weight.shape[1] * groups
                else f"  use Conv1d({input.shape[1]}, {weight.shape[0]}, ...)"
            )
        )
    out = conv2d(
        unsqueeze(input, 2),
        unsqueeze(weight, 2),
        bias,
        (1, _one(stride, "stride")),
        padding if isinstance(padding, str) else (0, _one(padding, "padding")),
        (1, _one(dilation, "dilation")),
        groups,
    )
    return squeeze(out, 2)


@_takes_one(4)
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """The gradient of a convolution as a layer: each entry paints a weighted window.

    Shapes: input ``(N, in, H, W)``, weight ``(in, out / groups, kh, kw)``, result
    ``(N, out, (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1, ...)``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.conv_transpose2d(lab.zeros(8, 16, 14, 14), lab.zeros(16, 3, 2, 2), stride=2).shape
    Size([8, 3, 28, 28])
    """
    _need("conv_transpose2d", input, 4, PICTURES)
    if weight.ndim != 4 or weight.shape[0] != input.shape[1] or input.shape[1] % groups:
        raise ShapeError(
            "conv_transpose2d: weight does not fit\n"
            f"  input   {input.spec}\n  weight  {weight.spec}\n"
            f"  expected weight ({input.shape[1]}, out / groups, kh, kw), and groups={groups} "
            f"to divide {input.shape[1]}"
        )
    steps, edges = pair(stride, "stride"), pair(padding, "padding")
    more, apart = pair(output_padding, "output_padding"), pair(dilation, "dilation")
    for what, value, least in (("stride", steps, 1), ("padding", edges, 0), ("dilation", apart, 1)):
        if min(value) < least:
            raise _OutputPadding(f"conv_transpose2d: {what}={value}\n  expected {least} or more")
    if any(not 0 <= m < max(s, d) for m, s, d in zip(more, steps, apart, strict=True)):
        raise _OutputPadding(
            f"conv_transpose2d: output_padding={more}\n"
            f"  expected less than the stride {steps}, or than the dilation {apart}"
        )
    input, weight, bias = autocast("low", input, weight, bias)
    n, inner, height, width = input.shape
    outer, kernel = weight.shape[1], tuple(weight.shape[2:])
    size = [
        (m - 1) * s - 2 * p + d * (k - 1) + o + 1
        for m, s, p, d, k, o in zip((height, width), steps, edges, apart, kernel, more, strict=True)
    ]
    if min(size) < 1:
        raise ShapeError(
            f"conv_transpose2d: the result has no places\n  input  {input.spec}\n"
            f"  expected less padding than {edges}"
        )
    places = outer * kernel[0] * kernel[1]
    if groups == 1:
        rows = transpose(reshape(weight, (inner, places)), 0, 1)
        columns = product(rows, reshape(input, (n, inner, height * width)))
    else:
        rows = transpose(reshape(weight, (groups, inner // groups, places)), 1, 2)
        parts = reshape(input, (n, groups, inner // groups, height * width))
        columns = reshape(product(rows, parts), (n, groups * places, height * width))
    out = nn.fold(
        columns,
        shape=(n, outer * groups, *size),
        kernel_size=kernel,
        stride=steps,
        padding=edges,
        dilation=apart,
    )
    return out if bias is None else out + reshape(bias, (1, -1, 1, 1))


class _OutputPadding(ArgumentError, RuntimeError):
    """An output padding that is too large."""


@_takes_one(3)
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """The gradient of a 1-D convolution as a layer.

    Shapes: input ``(N, in, L)``, weight ``(in, out / groups, k)``, result ``(N, out, L')``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> x = lab.tensor([[[1.0, 2.0]]])
    >>> F.conv_transpose1d(x, lab.tensor([[[1.0, 10.0]]]), stride=2)
    tensor([[[ 1., 10.,  2., 20.]]])
    """
    _need("conv_transpose1d", input, 3, SEQUENCES)
    out = conv_transpose2d(
        unsqueeze(input, 2),
        unsqueeze(weight, 2),
        bias,
        (1, _one(stride, "stride")),
        (0, _one(padding, "padding")),
        (0, _one(output_padding, "output_padding")),
        groups,
        (1, _one(dilation, "dilation")),
    )
    return squeeze(out, 2)


# Padding -------------------------------------------------------------------------------------

_EDGES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """More entries at the edges: ``pad`` is (left, right) of the last dimension, then of the next.

    ``mode`` says which: "constant" (``value``), "reflect", "replicate" or "circular". Negative
    numbers take entries away where the mode is "constant".

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.pad(lab.tensor([[1.0, 2.0, 3.0]]), (1, 2), mode="circular")
    tensor([[3., 1., 2., 3., 1., 2.]])
    """
    sizes = tuple(input.shape)
    if len(pad) % 2 or len(pad) > 2 * len(sizes):
        raise _PadError(
            f"pad(input, pad={tuple(pad)}): a pair for each dimension is needed\n"
            f"  input  {input.spec}\n  expected at most {len(sizes)} pairs, "
            "the last dimension's first"
        )
    sides = [(0, 0)] * (len(sizes) - len(pad) // 2)
    sides += [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    if any(n + a + b < 0 for n, (a, b) in zip(sizes, sides, strict=True)):
        raise _PadError(f"pad(input, pad={tuple(pad)}): a size would be below 0\n  {input.spec}")
    if mode == "constant":
        return _constant(input, sizes, sides, 0.0 if value is None else value)
    if mode not in _EDGES:
        raise _ModeError(
            f"pad: mode={mode!r}\n  expected 'constant', 'reflect', 'replicate' or 'circular'"
        )
    out = input
    for dim, (n, (a, b)) in enumerate(zip(sizes, sides, strict=True)):
        most = {"reflect": n - 1, "circular": n, "replicate": max(a, b)}[mode]
        if min(a, b) < 0 or max(a, b) > most:
            raise _PadError(
                f"pad: {(a, b)} does not fit dimension {dim}\n  input  {input.spec}\n"
                f"  expected 0 to {most} for mode {mode!r}"
            )
        if a or b:
            out = _taken(out, dim, np.pad(np.arange(n), (a, b), _EDGES[mode]))  # type: ignore[call-overload]
    return out


class _PadError(ArgumentError, RuntimeError):
    """Sides that do not fit."""


class _ModeError(ArgumentError, NotImplementedError):
    """A mode that does not exist."""


def _taken(x: Any, dim: int, index: Any) -> Any:
    """The entries at ``index`` along ``dim``."""
    places = as_tensor(index.astype(np.int64), device=x.device)
    return indexing.take(x, places, template=(slice(None),) * dim + (indexing.PLACE,))


def _constant(x: Any, sizes: Any, sides: Any, value: float) -> Any:
    kept = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(sizes, sides, strict=True))
    if any(min(s) < 0 for s in sides):
        x = slice_(x, index=kept)
    if all(max(s) <= 0 for s in sides):
        return x
    shape = tuple(n + a + b for n, (a, b) in zip(sizes, sides, strict=True))
    inside = tuple(slice(max(a, 0), m - max(b, 0)) for m, (a, b) in zip(shape, sides, strict=True))
    out = unslice(x, index=inside, shape=shape)
    if value == 0:
        return out
    mask = np.zeros([1 if s == (0, 0) else m for m, s in zip(shape, sides, strict=True)], bool)
    mask[tuple(slice(None) if s == (0, 0) else i for i, s in zip(inside, sides, strict=True))] = 1
    return e.where(as_tensor(mask, device=x.device), out, value)


# Channels and places -------------------------------------------------------------------------


def _shuffled(name: str, input: Tensor, factor: int, fits: bool, expected: str) -> tuple[Any, ...]:
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1 or not fits:
        raise _PadError(
            f"{name}(input, {factor}): input and factor do not fit\n  input  {input.spec}\n"
            f"  expected a factor of 1 or more, and {expected}"
        )
    return tuple(input.shape)[:-3], *tuple(input.shape)[-3:]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels become places: the ``r * r`` channels of a place become a square of places.

    Shapes: ``(..., C r^2, H, W)`` to ``(..., C, H r, W r)``. Shi et al. (2016).

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.pixel_shuffle(lab.tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2)
    tensor([[[1., 2.],
             [3., 4.]]])
    """
    r = upscale_factor
    fits = input.ndim >= 3 and isinstance(r, int) and r > 0 and input.shape[-3] % (r * r) == 0
    expected = "(..., C, H, W) whose C it divides twice"
    lead, c, h, w = _shuffled("pixel_shuffle", input, r, fits, expected)
    n = len(lead)
    parts = reshape(input, (*lead, c // (r * r), r, r, h, w))
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return reshape(permute(parts, order), (*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Places become channels: undoes ``pixel_shuffle``.

    Shapes: ``(..., C, H r, W r)`` to ``(..., C r^2, H, W)``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.pixel_unshuffle(lab.zeros(1, 1, 4, 4), 2).shape
    Size([1, 4, 2, 2])
    """
    r = downscale_factor
    fits = input.ndim >= 3 and isinstance(r, int) and r > 0
    fits = fits and input.shape[-1] % r == 0 and input.shape[-2] % r == 0
    expected = "(..., C, H, W) whose H and W it divides"
    lead, c, h, w = _shuffled("pixel_unshuffle", input, r, fits, expected)
    n = len(lead)
    parts = reshape(input, (*lead, c, h // r, r, w // r, r))
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return reshape(permute(parts, order), (*lead, c * r * r, h // r, w // r))


# Sizes ---------------------------------------------------------------------------------------


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """A picture or a sequence in another size.

    Shapes: ``(N, C, L)`` or ``(N, C, H, W)``; the sizes after C become ``size``, or are
    multiplied by ``scale_factor``. ``mode`` is "nearest", "linear" (sequences) or "bilinear"
    (pictures).

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.interpolate(lab.tensor([[[1.0, 3.0]]]), scale_factor=2)
    tensor([[[1., 1., 3., 3.]]])
    >>> F.interpolate(lab.tensor([[[1.0, 3.0]]]), size=4, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    if antialias:
        raise NotSupported("interpolate: antialias=True is not supported")
    if mode not in ("nearest", "linear", "bilinear"):
        raise _ModeError(
            f"interpolate: mode={mode!r}\n  expected 'nearest', 'linear' or 'bilinear'"
        )
    ndim = {"linear": 3, "bilinear": 4}.get(mode, input.ndim)
    if input.ndim != ndim or input.ndim not in (3, 4):
        raise _ModeError(
            f"interpolate: mode {mode!r} does not fit the input\n  input  {input.spec}\n"
            "  expected (N, C, L) with 'nearest' or 'linear', (N, C, H, W) with 'nearest' or "
            "'bilinear'"
        )
    if (size is None) == (scale_factor is None):
        raise ArgumentError("interpolate: give either size or scale_factor")
    if mode == "nearest" and align_corners is not None:
        raise ArgumentError("interpolate: align_corners belongs to 'linear' and 'bilinear'")
    old = tuple(input.shape)[2:]
    given = size if scale_factor is None else scale_factor
    each = tuple(given) if isinstance(given, (tuple, list)) else (given,) * len(old)
    if len(each) != len(old):
        raise ArgumentError(f"interpolate: expected {len(old)} sizes, got {given}")
    steps: list[float]
    if scale_factor is None:
        new = tuple(int(m) for m in each)
        steps = [n / m if m else 0.0 for n, m in zip(old, new, strict=True)]
    else:
        new = tuple(math.floor(n * k) for n, k in zip(old, each, strict=True))
        steps = [1 / k for k in each]
        if recompute_scale_factor:
            steps = [n / m if m else 0.0 for n, m in zip(old, new, strict=True)]
    if min(new) < 1:
        raise _PadError(f"interpolate: the new size {new} has no places\n  input  {input.spec}")
    if mode == "nearest":
        out: Any = input
        for d, (n, m, step) in enumerate(zip(old, new, steps, strict=True)):
            if n != m:
                at = np.floor(np.arange(m, dtype=np.float32) * np.float32(step)).astype(np.int64)
                out = _taken(out, d + 2, np.minimum(at, n - 1))
        return out
    mixes = [
        _mix(n, m, step, bool(align_corners)) for n, m, step in zip(old, new, steps, strict=True)
    ]
    return _along(input, None if len(mixes) == 1 else mixes[0], mixes[-1])


def _mix(size: int, count: int, step: float, corners: bool) -> Any:
    """The matrix ``(count, size)`` whose rows mix two neighbours."""
    at = np.arange(count)
    if corners:
        where = at * ((size - 1) / (count - 1) if count > 1 else 0.0)
    else:
        where = np.maximum((at + 0.5) * step - 0.5, 0)
    low = np.minimum(np.floor(where).astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    part = np.minimum(where - low, 1.0)
    out = np.zeros((count, size))
    np.add.at(out, (at, low), 1 - part)
    np.add.at(out, (at, high), part)
    return out
