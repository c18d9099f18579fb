"""What moves over the places of a picture or a sequence: pooling, convolution, padding, sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...ops import elementwise as e
from ...ops import indexing, nn, reduce
from ...ops.linalg import product
from ...ops.movement import reshape, slice_, squeeze, transpose, unslice, unsqueeze
from ...ops.rules import pair
from ...tensor import Tensor, as_tensor
from .sparse import NotSupported

Ints = int | Sequence[int]


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


def _no_ceil(name: str, ceil_mode: bool) -> None:
    if ceil_mode:
        raise NotSupported(f"{name}: ceil_mode=True is not supported\n  pad the input instead")


# Pooling -------------------------------------------------------------------------------------


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

    Shapes: ``(N, C, H, W)`` to ``(N, C, H', W')``.
    """
    _no_ceil("avg_pool2d", ceil_mode)
    kernel = pair(kernel_size, "kernel_size")
    window = {
        "kernel_size": kernel,
        "stride": kernel if stride is None else pair(stride, "stride"),
        "padding": pair(padding, "padding"),
        "dilation": (1, 1),
    }
    if divisor_override is not None:
        if divisor_override == 0:
            raise ArgumentError("avg_pool2d: divisor_override=0\n  expected another number")
        return nn.avg_pool2d(input, divisor=divisor_override, **window)
    if count_include_pad or window["padding"] == (0, 0):
        return nn.avg_pool2d(input, divisor=kernel[0] * kernel[1], **window)
    total = nn.avg_pool2d(input, divisor=1, **window)
    ones = as_tensor(np.ones((1, 1, *input.shape[2:]), input.dtype.np), device=input.device)
    return total / nn.avg_pool2d(ones, divisor=1, **window)


def avg_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of a sequence. Shapes: ``(N, C, L)`` to ``(N, C, L')``."""
    _need("avg_pool1d", input, 3, "(N, C, L): sequences, channels, length")
    out = avg_pool2d(
        unsqueeze(input, 2),
        (1, _one(kernel_size, "kernel_size")),
        None if stride is None else (1, _one(stride, "stride")),
        (0, _one(padding, "padding")),
        ceil_mode,
        count_include_pad,
    )
    return squeeze(out, 2)


def max_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest entry of each window of a sequence. Shapes: ``(N, C, L)`` to ``(N, C, L')``."""
    _no_ceil("max_pool1d", ceil_mode)
    _need("max_pool1d", input, 3, "(N, C, L): sequences, channels, length")
    out = nn.max_pool2d(
        unsqueeze(input, 2),
        (1, _one(kernel_size, "kernel_size")),
        None if stride is None else (1, _one(stride, "stride")),
        (0, _one(padding, "padding")),
        (1, _one(dilation, "dilation")),
    )
    return squeeze(out, 2)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of windows chosen so that the result has ``output_size``.

    Shapes: ``(N, C, H, W)`` to ``(N, C, *output_size)``; None keeps a size.
    """
    _need("adaptive_avg_pool2d", input, 4, "(N, C, H, W): pictures, channels, height, width")
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    n, c, height, width = input.shape
    rows, columns = (m if k is None else k for k, m in zip(sizes, (height, width), strict=True))
    if min(rows, columns) < 1:
        raise ArgumentError(
            f"adaptive_avg_pool2d: output_size={output_size}\n  expected sizes of 1 or more"
        )
    if height % rows == 0 and width % columns == 0:
        boxes = (n, c, rows, height // rows, columns, width // columns)
        return reduce.mean(reshape(input, boxes), (3, 5))
    return _along(input, _means(height, rows), _means(width, columns))


def _means(size: int, count: int) -> Any:
    """The matrix ``(count, size)`` whose rows take means of ``count`` windows."""
    out = np.zeros((count, size))
    for i in range(count):
        start, stop = i * size // count, -(-(i + 1) * size // count)
        out[i, start:stop] = 1 / (stop - start)
    return out


def _along(x: Any, rows: Any, columns: Any) -> Any:
    """Matrices applied to the height and to the width."""
    kind = x.dtype.np
    if rows is not None:
        x = product(as_tensor(rows.astype(kind), device=x.device), x)
    return product(x, as_tensor(columns.T.astype(kind).copy(), device=x.device))


def adaptive_avg_pool1d(input: Tensor, output_size: Ints) -> Tensor:
    """The mean of windows of a sequence. Shapes: ``(N, C, L)`` to ``(N, C, output_size)``."""
    _need("adaptive_avg_pool1d", input, 3, "(N, C, L): sequences, channels, length")
    out = adaptive_avg_pool2d(unsqueeze(input, 2), (1, _one(output_size, "output_size")))
    return squeeze(out, 2)


# Convolution ---------------------------------------------------------------------------------


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

    Shapes: input ``(N, in, L)``, weight ``(out, in / groups, k)``, result ``(N, out, L')``.
    """
    _need("conv1d", input, 3, "(N, C, L): sequences, channels, length")
    if weight.ndim != 3:
        raise ShapeError(f"conv1d: weight needs 3 dimensions\n  weight  {weight.spec}")
    out = nn.conv2d(
        unsqueeze(input, 2),
        unsqueeze(weight, 2),
        bias,
        (1, _one(stride, "stride")),
        padding if isinstance(padding, str) else (0, _one(padding, "padding")),
        (1, _one(dilation, "dilation")),
        groups,
    )
    return squeeze(out, 2)


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
    """
    _need("conv_transpose2d", input, 4, "(N, C, H, W): pictures, channels, height, width")
    if weight.ndim != 4 or weight.shape[0] != input.shape[1] or input.shape[1] % groups:
        raise ShapeError(
            "conv_transpose2d: weight does not fit\n"
            f"  input   {input.spec}\n  weight  {weight.spec}\n"
            f"  expected weight ({input.shape[1]}, out / groups, kh, kw), and groups={groups} "
            f"to divide {input.shape[1]}"
        )
    steps, edges = pair(stride, "stride"), pair(padding, "padding")
    more, apart = pair(output_padding, "output_padding"), pair(dilation, "dilation")
    if any(not 0 <= m < s for m, s in zip(more, steps, strict=True)):
        raise _OutputPadding(
            f"conv_transpose2d: output_padding={more}\n  expected less than the stride, {steps}"
        )
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
    """
    _need("conv_transpose1d", input, 3, "(N, C, L): sequences, channels, length")
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

    >>> from minitorch_lab.tensor import tensor
    >>> pad(tensor([[1.0, 2.0, 3.0]]), (1, 2), mode="circular")
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
