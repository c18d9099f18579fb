"""Activations, convolution, pooling and losses: primitives of networks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..device import ends, known
from ..errors import ArgumentError, DTypeError, ShapeError
from ..op import (
    Attrs,
    Cost,
    Mismatch,
    Op,
    Spec,
    apart,
    check_same_dtype,
    integers,
    normal,
    op,
    sample,
    uniform,
)
from . import elementwise as e
from .indexing import PLACE, check_range, untake
from .linalg import product
from .movement import reshape, transpose, unsqueeze
from .reduce import log_softmax, mean, softmax, sum
from .rules import (
    FLOAT16,
    INT64,
    broadcast,
    need_float,
    number,
    pair,
    per_entry,
    per_input,
    through_float32,
)

Bound = tuple[tuple[Any, ...], Attrs]
Pair = tuple[int, int]


# Activations -------------------------------------------------------------------------------


def _float_shape(x: Spec, **attrs: Any) -> Spec:
    need_float(x, "input")
    return x


leaky_relu: Op = op(
    "leaky_relu",
    "Each entry, made small by negative_slope where it is negative.",
    forward=lambda xp, input, negative_slope: xp.where(input > 0, input, input * negative_slope),
    vjp=lambda g, y, x, negative_slope: e.where(e.gt(x, 0), g, g * negative_slope),
    saved="input",
    shape=_float_shape,
    formula=(
        r"y = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}",
        r"\bar x = \bar y \cdot \begin{cases} 1 & x > 0 \\ a & x \le 0 \end{cases}",
    ),
    cost=per_entry(2),
    kernel=lambda negative_slope: f"x > 0 ? x : x * {number(negative_slope)}",
    onnx="LeakyRelu",
    samples=[sample(apart(3, 4), negative_slope=0.1)],
)
elu: Op = op(
    "elu",
    "Each entry, or alpha (exp(x) - 1) where it is negative.",
    forward=lambda xp, input, alpha: xp.where(
        input > 0, input, xp.expm1(xp.minimum(input, 0)) * alpha
    ),
    vjp=lambda g, y, x, alpha: e.where(e.gt(x, 0), g, g * (y + alpha)),
    saved="input y",
    shape=_float_shape,
    formula=(
        r"y = \begin{cases} x & x > 0 \\ a (e^x - 1) & x \le 0 \end{cases}",
        r"\bar x = \bar y \cdot \begin{cases} 1 & x > 0 \\ y + a & x \le 0 \end{cases}",
    ),
    cost=per_entry(10),
    kernel=lambda alpha: f"x > 0 ? x : expm1(x) * {number(alpha)}",
    onnx="Elu",
    samples=[sample(apart(3, 4), alpha=0.7)],
)


def _silu_grad(g: Any, y: Any, x: Any) -> Any:
    s = e.sigmoid(x)
    return g * (s * (x * (1 - s) + 1))


silu: Op = op(
    "silu",
    "Each entry times its sigmoid; also called swish.",
    forward=lambda xp, input: input * (xp.tanh(input * 0.5) * 0.5 + 0.5),
    vjp=_silu_grad,
    saved="input",
    shape=_float_shape,
    formula=(
        r"y = x\,\sigma(x)",
        r"\bar x = \bar y\,\sigma(x)\,(1 + x\,(1 - \sigma(x)))",
    ),
    cost=per_entry(11),
    kernel="x * (0.5 * tanh(0.5 * x) + 0.5)",
    composition=lambda x: x * e.sigmoid(x),
    samples=[normal(3, 4), normal()],
)


def _softplus_forward(xp: Any, input: Any, beta: float, threshold: float) -> Any:
    x = input * beta
    # exp of a negative number does not overflow
    soft = (xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.absolute(x)))) / beta
    return xp.where(x > threshold, input, soft)


softplus: Op = op(
    "softplus",
    "A smooth relu: log(1 + exp(beta x)) / beta, and x itself where beta x is above threshold.",
    forward=_softplus_forward,
    vjp=lambda g, y, x, beta, threshold: (
        g * e.where(e.gt(x * beta, threshold), 1.0, e.sigmoid(x * beta))
    ),
    saved="input",
    shape=_float_shape,
    formula=(r"y = \tfrac{1}{b} \ln(1 + e^{b x})", r"\bar x = \bar y\,\sigma(b x)"),
    autocast="full",
    cost=per_entry(20),
    kernel=lambda beta, threshold: (
        f"x * {number(beta)} > {number(threshold)} ? x "
        f": log1p(exp(x * {number(beta)})) / {number(beta)}"
    ),
    onnx="Softplus",
    samples=[
        sample(normal(3, 4), beta=1, threshold=20),
        sample(apart(3, 4), beta=2.0, threshold=0.7),
    ],
)


# Windows -----------------------------------------------------------------------------------


def out_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many places a window has along a side: 28 with a kernel of 3 gives 26."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _windows(
    size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[Pair, list[tuple[int, int, slice, slice]]]:
    """The places of a window, and for each of its entries the slices of the padded picture."""
    oh, ow = (
        out_size(n, k, s, p, d)
        for n, k, s, p, d in zip(size, kernel_size, stride, padding, dilation, strict=True)
    )
    entries = []
    for i in range(kernel_size[0]):
        for j in range(kernel_size[1]):
            top, left = i * dilation[0], j * dilation[1]
            rows = slice(top, top + stride[0] * (oh - 1) + 1, stride[0])
            columns = slice(left, left + stride[1] * (ow - 1) + 1, stride[1])
            entries.append((i, j, rows, columns))
    return (oh, ow), entries


def _padded(xp: Any, x: Any, padding: Pair, value: float) -> Any:
    if padding == (0, 0):
        return x
    n, c, height, width = x.shape
    out = xp.full((n, c, height + 2 * padding[0], width + 2 * padding[1]), value, x.dtype)
    out[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width] = x
    return out


def _check_window(x: Spec, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    if x.ndim != 4:
        raise Mismatch(
            "input needs 4 dimensions",
            f"expected (N, C, H, W): pictures, channels, height, width; got {x.shape}",
            {
                2: "one grey picture (H, W) gets batch and channel by [None, None]",
                3: "a batch of grey pictures (N, H, W) gets its channel by .unsqueeze(1)",
            }.get(x.ndim, ""),
        )
    for name, value, least in (
        ("kernel_size", kernel_size, 1),
        ("stride", stride, 1),
        ("padding", padding, 0),
        ("dilation", dilation, 1),
    ):
        if min(value) < least:
            raise Mismatch(f"{name} is too small", f"expected {least} or more, got {value}")
    sizes = tuple(
        out_size(n, k, s, p, d)
        for n, k, s, p, d in zip(x.shape[2:], kernel_size, stride, padding, dilation, strict=True)
    )
    if min(sizes) < 1:
        raise Mismatch(
            "the window is larger than the picture",
            f"expected a window of at most {_grown(x.shape[2:], padding)}, "
            f"got {_reach(kernel_size, dilation)}",
            "a layer before it made the picture small: use fewer or smaller windows, or padding",
        )
    return sizes[0], sizes[1]


def _grown(size: tuple[int, ...], padding: Pair) -> str:
    """The size of a picture with its padding, as text."""
    whole = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    return f"{whole}" + (f", padding {padding} included" if any(padding) else "")


def _reach(kernel_size: Pair, dilation: Pair) -> str:
    """How many places a window spans, as text."""
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel_size, dilation, strict=True))
    return f"{reach}" + (f", which {kernel_size} with dilation spans" if max(dilation) > 1 else "")


WINDOW = {"kernel_size": (2, 2), "stride": (1, 1), "padding": (1, 0), "dilation": (1, 1)}


def _unfold_forward(
    xp: Any, input: Any, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Any:
    n, c = input.shape[:2]
    (oh, ow), entries = _windows(input.shape[2:], kernel_size, stride, padding, dilation)
    x = _padded(xp, input, padding, 0)
    out = xp.empty((n, c, kernel_size[0], kernel_size[1], oh, ow), input.dtype)
    for i, j, rows, columns in entries:
        out[:, :, i, j] = x[:, :, rows, columns]
    return out.reshape(n, c * kernel_size[0] * kernel_size[1], oh * ow)


def _unfold_shape(x: Spec, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Spec:
    oh, ow = _check_window(x, kernel_size, stride, padding, dilation)
    n, c = x.shape[:2]
    return replace(x, shape=(n, c * kernel_size[0] * kernel_size[1], oh * ow))


unfold: Op = op(
    "unfold",
    "The windows of each picture as columns: (N, C, H, W) becomes (N, C * kh * kw, places).",
    forward=_unfold_forward,
    vjp=lambda g, y, x, **window: fold(g, shape=tuple(x.shape), **window),
    shape=_unfold_shape,
    formula=(r"Y = \text{windows of } X", r"\bar X = \text{windows of } \bar Y, \text{ added up}"),
    cost=per_entry(0),
    samples=[sample(normal(2, 3, 4, 5), **WINDOW)],
)


def _fold_forward(
    xp: Any,
    input: Any,
    shape: tuple[int, ...],
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> Any:
    n, c, height, width = shape
    if input.dtype is FLOAT16:
        window = {"stride": stride, "padding": padding, "dilation": dilation}
        return through_float32(
            _fold_forward, xp, input, shape=shape, kernel_size=kernel_size, **window
        )
    (oh, ow), entries = _windows((height, width), kernel_size, stride, padding, dilation)
    columns_of = input.reshape(n, c, kernel_size[0], kernel_size[1], oh, ow)
    out = xp.zeros((n, c, height + 2 * padding[0], width + 2 * padding[1]), input.dtype)
    for i, j, rows, columns in entries:
        out[:, :, rows, columns] += columns_of[:, :, i, j]
    if padding == (0, 0):
        return out
    return out[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


fold: Op = op(
    "fold",
    "Columns put back to their places and added up: the gradient of unfold.",
    forward=_fold_forward,
    vjp=lambda g, y, x, shape, **window: unfold(g, **window),
    shape=lambda x, shape, **window: replace(x, shape=shape),
    formula=(r"Y = \text{windows } X, \text{ added up}", r"\bar X = \text{windows of } \bar Y"),
    cost=per_input(),
    samples=[
        sample(
            normal(2, 12, 20),
            shape=(2, 3, 3, 6),
            kernel_size=(2, 2),
            stride=(1, 1),
            padding=(1, 0),
            dilation=(1, 1),
        )
    ],
)


# Convolution -------------------------------------------------------------------------------


def _conv_bind(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Bound:
    attrs = {
        "stride": pair(stride, "stride"),
        "padding": pair(padding, "padding"),
        "dilation": pair(dilation, "dilation"),
        "groups": groups,
    }
    return ((input, weight) if bias is None else (input, weight, bias)), attrs


def _conv_shape(
    x: Spec,
    w: Spec,
    b: Spec | None = None,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Spec:
    if x.dtype == np.uint8:
        raise Mismatch(
            "input must be floating point",
            f"expected {w.dtype}, got uint8",
            "pictures of bytes become numbers from 0 to 1 by .float() / 255",
            DTypeError,
        )
    check_same_dtype(x, w, names=("input", "weight"))
    if w.ndim != 4:
        raise Mismatch(
            "weight needs 4 dimensions", f"expected (out, in / groups, kh, kw), got {w.shape}"
        )
    # before the window is: of (N, H, W, C) it would be said that the picture is too small
    if x.ndim == 4 and x.shape[1] != w.shape[1] * groups:
        raise Mismatch(
            "the channels differ",
            f"expected input.shape[1] == {w.shape[1] * groups}, got {x.shape[1]}",
            "the channels seem to be last, (N, H, W, C): try input.permute(0, 3, 1, 2)"
            if x.shape[3] == w.shape[1] * groups
            else f"use Conv2d({x.shape[1]}, {w.shape[0]}, ...)",
        )
    oh, ow = _check_window(x, w.shape[2:], stride, padding, dilation)  # type: ignore[arg-type]
    if w.shape[0] % groups:
        raise Mismatch("groups must divide the output channels", f"got {w.shape[0]} and {groups}")
    if b is not None and b.shape != w.shape[:1]:
        raise Mismatch("bias does not fit", f"expected bias {w.shape[:1]}, got {b.shape}")
    return replace(x, shape=(x.shape[0], w.shape[0], oh, ow))


def _columns(x: Any, w: Any, groups: int, **window: Any) -> tuple[Any, Any]:
    """The windows of x as ``(N, groups, K, places)``, the weight as ``(groups, out, K)``."""
    k = w.shape[1] * w.shape[2] * w.shape[3]
    columns = unfold(x, kernel_size=tuple(w.shape[2:]), **window)
    if groups == 1:
        return columns, reshape(w, (w.shape[0], k))
    return (
        reshape(columns, (x.shape[0], groups, k, columns.shape[-1])),
        reshape(w, (groups, w.shape[0] // groups, k)),
    )


def conv2d_composed(x: Any, w: Any, b: Any = None, *, groups: int, **window: Any) -> Any:
    """Convolution as one matrix product of the weight with the windows of the pictures."""
    columns, rows = _columns(x, w, groups, **window)
    kernel = tuple(w.shape[2:])
    (oh, ow), _ = _windows(tuple(x.shape[2:]), kernel, **window)
    out = reshape(product(rows, columns), (x.shape[0], w.shape[0], oh, ow))
    return out if b is None else out + reshape(b, (1, -1, 1, 1))


def _conv_forward(xp: Any, input: Any, weight: Any, bias: Any = None, **attrs: Any) -> Any:
    spec = [Spec(a.shape, a.dtype) for a in (input, weight, bias) if a is not None]
    out_shape = _conv_shape(*spec, **attrs).shape  # cheap beside the work, and NumPy is lenient
    if input.dtype is FLOAT16 and xp is np:
        return through_float32(_conv_forward, xp, input, weight, bias, **attrs)
    groups, k = attrs["groups"], weight[0].size
    window = {name: attrs[name] for name in ("stride", "padding", "dilation")}
    columns = _unfold_forward(xp, input, weight.shape[2:], **window)
    n = input.shape[0]
    if groups == 1:
        out = xp.matmul(weight.reshape(-1, k), columns)
    else:
        out = xp.matmul(weight.reshape(groups, -1, k), columns.reshape(n, groups, k, -1))
    out = out.reshape(out_shape)
    if bias is not None:
        out += bias.reshape(1, -1, 1, 1)
    return out


def _conv_grad_input(
    g: Any, y: Any, x: Any, w: Any, b: Any = None, *, groups: int, **window: Any
) -> Any:
    n, k = x.shape[0], w.shape[1] * w.shape[2] * w.shape[3]
    if groups == 1:
        rows, grad = reshape(w, (w.shape[0], k)), reshape(g, (n, w.shape[0], -1))
    else:
        rows = reshape(w, (groups, w.shape[0] // groups, k))
        grad = reshape(g, (n, groups, w.shape[0] // groups, -1))
    columns = reshape(product(transpose(rows, -1, -2), grad), (n, groups * k, -1))
    return fold(columns, shape=tuple(x.shape), kernel_size=tuple(w.shape[2:]), **window)


def _conv_grad_weight(
    g: Any, y: Any, x: Any, w: Any, b: Any = None, *, groups: int, **window: Any
) -> Any:
    columns, _ = _columns(x, w, groups, **window)
    lead = (x.shape[0],) if groups == 1 else (x.shape[0], groups)
    grad = reshape(g, (*lead, w.shape[0] // groups, -1))
    each = product(grad, transpose(columns, -1, -2))  # one product a picture, then their sum
    return reshape(sum(each, 0), tuple(w.shape))


conv2d: Op = op(
    "conv2d",
    "2-D convolution: the same small weight at each place of a picture.",
    forward=_conv_forward,
    arguments=("input", "weight", "bias"),
    bind=_conv_bind,
    vjp=(
        _conv_grad_input,
        _conv_grad_weight,
        lambda g, y, x, w, b, **attrs: sum(g, (0, 2, 3)),
    ),
    saved=("weight", "input", ""),
    shape=_conv_shape,
    formula=(
        r"Y_{o} = \sum_c W_{oc} \star X_c + b_o",
        r"\bar W_{oc} = \bar Y_o \star X_c,\quad \bar b_o = \sum \bar Y_o",
    ),
    autocast="low",
    cost=lambda out, x, w, b=None, **attrs: Cost(
        2 * out.size * (w.size // w.shape[0]) + (out.size if b else 0),
        out.nbytes + x.nbytes + w.nbytes + (b.nbytes if b else 0),
    ),
    onnx="Conv",
    composition=conv2d_composed,
    samples=[
        sample(
            normal(2, 3, 5, 4),
            normal(4, 3, 3, 2),
            normal(4),
            stride=(1, 1),
            padding=(0, 0),
            dilation=(1, 1),
            groups=1,
        ),
        sample(
            normal(2, 4, 5, 5),
            normal(6, 2, 3, 1),  # no two sizes of the weight are the same
            stride=(2, 1),
            padding=(1, 1),
            dilation=(2, 1),
            groups=2,
        ),
    ],
)


# Pooling -----------------------------------------------------------------------------------


def _pool_bind(
    input: Any,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
) -> Bound:
    kernel = pair(kernel_size, "kernel_size")
    return (input,), {
        "kernel_size": kernel,
        "stride": kernel if stride is None else pair(stride, "stride"),
        "padding": pair(padding, "padding"),
        "dilation": pair(dilation, "dilation"),
    }


def _pool_shape(x: Spec, **window: Pair) -> Spec:
    need_float(x, "input")
    oh, ow = _check_window(x, **window)
    if any(2 * p > k for p, k in zip(window["padding"], window["kernel_size"], strict=True)):
        raise Mismatch(
            "padding is larger than half the window",
            f"expected at most half of {window['kernel_size']}, got {window['padding']}",
        )
    return replace(x, shape=(*x.shape[:2], oh, ow))


def _pool_forward(xp: Any, input: Any, kernel_size: Pair, padding: Pair, **rest: Pair) -> Any:
    sizes, entries = _windows(input.shape[2:], kernel_size, padding=padding, **rest)
    if min(sizes) < 1 or padding[0] * 2 > kernel_size[0] or padding[1] * 2 > kernel_size[1]:
        raise ValueError("the window does not fit")  # the shape rule writes the message
    x = _padded(xp, input, padding, -float("inf"))
    # one pass over the picture for each entry of the window: 24 times as fast as reshape.max
    out = x[:, :, entries[0][2], entries[0][3]].copy()
    for _, _, rows, columns in entries[1:]:
        xp.maximum(out, x[:, :, rows, columns], out=out)
    return out


def _first_match(xp: Any, x: Any, y: Any, kernel_size: Pair, padding: Pair, **rest: Pair) -> Any:
    """For each entry of the window: its slices, and where it is the first that equals y."""
    _, entries = _windows(x.shape[2:], kernel_size, padding=padding, **rest)
    padded = _padded(xp, x, padding, -float("inf"))
    free, hit = xp.ones(y.shape, bool), xp.empty(y.shape, bool)
    for _, _, rows, columns in entries:
        xp.equal(padded[:, :, rows, columns], y, out=hit)
        hit &= free
        free ^= hit  # what was hit is taken
        yield rows, columns, hit


def _sides(kernel_size: Pair, stride: Pair, dilation: Pair, **rest: Pair) -> Any:
    return zip(kernel_size, stride, dilation, strict=True)


def _pool_grad_forward(xp: Any, grad: Any, output: Any, input: Any, **window: Pair) -> Any:
    padding = window["padding"]
    n, c, height, width = input.shape
    out = xp.zeros((n, c, height + 2 * padding[0], width + 2 * padding[1]), grad.dtype)
    apart = all(d == 1 and s >= k for k, s, d in _sides(**window))
    for rows, columns, hit in _first_match(xp, input, output, **window):
        if apart:  # windows that share no entry need no adding up
            xp.multiply(grad, hit, out=out[:, :, rows, columns])
        else:
            out[:, :, rows, columns] += grad * hit
    if padding == (0, 0):
        return out
    return out[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


def _pool_take_forward(xp: Any, value: Any, output: Any, input: Any, **window: Pair) -> Any:
    padded = _padded(xp, value, window["padding"], 0)
    out = xp.zeros(output.shape, value.dtype)
    for rows, columns, hit in _first_match(xp, input, output, **window):
        out += padded[:, :, rows, columns] * hit
    return out


POOL = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)}
OVERLAP = {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0), "dilation": (1, 1)}

max_pool2d: Op = op(
    "max_pool2d",
    "The largest entry of each window.",
    forward=_pool_forward,
    bind=_pool_bind,
    vjp=lambda g, y, x, **window: max_pool2d_grad(g, y, x, **window),
    saved="input y",
    shape=_pool_shape,
    formula=(
        r"y = \max_{\text{window}} x",
        r"\bar x_i = \sum \bar y\,[x_i \text{ is the largest}]",
    ),
    cost=per_input(),
    onnx="MaxPool",
    samples=[sample(apart(2, 3, 4, 5), **POOL), sample(apart(1, 2, 4, 4), **OVERLAP)],
)
max_pool2d_grad: Op = op(
    "max_pool2d_grad",
    "The gradient of max_pool2d: each entry goes to the first largest of its window.",
    forward=_pool_grad_forward,
    vjp=(
        lambda g, z, grad, output, input, **window: max_pool2d_take(g, output, input, **window),
        None,
        None,
    ),
    saved="output input",
    shape=lambda grad, output, input, **window: replace(input, dtype=grad.dtype),
    formula=(
        r"\bar x_i = \sum \bar y\,[x_i \text{ is the largest}]",
        r"\text{its entry at the largest}",
    ),
    cost=per_entry(3),
    samples=[sample(normal(1, 2, 2, 2), normal(1, 2, 2, 2), apart(1, 2, 4, 4), **POOL)],
)
max_pool2d_take: Op = op(
    "max_pool2d_take",
    "The entry of value at the place of the largest input of each window.",
    forward=_pool_take_forward,
    vjp=(
        lambda g, z, value, output, input, **window: max_pool2d_grad(g, output, input, **window),
        None,
        None,
    ),
    saved="output input",
    shape=lambda value, output, input, **window: replace(output, dtype=value.dtype),
    formula=(r"y = v_{i}, \; i \text{ the largest}", r"\bar v_i = \bar y"),
    cost=per_input(3),
    samples=[sample(normal(1, 2, 4, 4), normal(1, 2, 2, 2), apart(1, 2, 4, 4), **POOL)],
)


def _pool_places_forward(xp: Any, output: Any, input: Any, width: int, **window: Pair) -> Any:
    (top, left), (down, right) = window["padding"], window["stride"]
    _, _, high, wide = output.shape
    corners = (xp.arange(high)[:, None] * down - top) * width + xp.arange(wide) * right - left
    out = xp.zeros(output.shape, np.int64)
    for rows, columns, hit in _first_match(xp, input, output, **window):
        out += hit * (corners + (rows.start * width + columns.start))
    return out


max_pool2d_places: Op = op(
    "max_pool2d_places",
    "The number of the place of the largest input of each window, row by row of width places.",
    forward=_pool_places_forward,
    shape=lambda output, input, **attrs: replace(output, dtype=INT64),
    formula=(r"y = \operatorname{argmax}_{\text{window}} x", r"\text{none}"),
    cost=per_input(3),
    samples=[sample(normal(1, 2, 2, 2), apart(1, 2, 4, 4), width=4, **POOL)],
)


# What the pass ``pools`` makes of a gradient: the entry of each window is kept as a small number,
# and the picture itself need not be kept until the gradient comes.


def _pool_where_forward(xp: Any, output: Any, input: Any, **window: Pair) -> Any:
    out = xp.full(output.shape, -1, np.int8)  # a window with a NaN has no largest entry
    for k, (_, _, hit) in enumerate(_first_match(xp, input, output, **window)):
        out += hit.view(np.int8) * np.int8(k + 1)
    return out


def _pool_where_shape(output: Spec, input: Spec, **window: Pair) -> Spec:
    if math.prod(window["kernel_size"]) > 127:
        raise Mismatch("the window is too large", "expected at most 127 entries")
    return replace(output, dtype=np.dtype("int8"))


def _pool_put_forward(
    xp: Any, grad: Any, where: Any, height: int, width: int, padding: Pair, **rest: Pair
) -> Any:
    n, c = grad.shape[:2]
    out = xp.zeros((n, c, height + 2 * padding[0], width + 2 * padding[1]), grad.dtype)
    _, entries = _windows((height, width), padding=padding, **rest)
    apart = all(d == 1 and s >= k for k, s, d in _sides(**rest))
    for k, (_, _, rows, columns) in enumerate(entries):
        if apart:
            xp.multiply(grad, where == k, out=out[:, :, rows, columns])
        else:
            out[:, :, rows, columns] += grad * (where == k)
    return out[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


def _pool_pick_forward(
    xp: Any, value: Any, where: Any, height: int, width: int, padding: Pair, **rest: Pair
) -> Any:
    padded = _padded(xp, value, padding, 0)
    out = xp.zeros(where.shape, value.dtype)
    _, entries = _windows((height, width), padding=padding, **rest)
    for k, (_, _, rows, columns) in enumerate(entries):
        out += padded[:, :, rows, columns] * (where == k)
    return out


max_pool2d_where: Op = op(
    "max_pool2d_where",
    "The number of the first largest entry in each window, counted row by row; -1 for NaN.",
    forward=_pool_where_forward,
    shape=_pool_where_shape,
    formula=(r"w = \operatorname{argmax}_{\text{window}} x", r"\text{none}"),
    cost=per_input(3),
    samples=[sample(normal(1, 2, 2, 2), apart(1, 2, 4, 4), **POOL)],
)
max_pool2d_put: Op = op(
    "max_pool2d_put",
    "A picture of zeros with each entry of grad at the place of its window that where names.",
    forward=_pool_put_forward,
    vjp=(lambda g, z, grad, where, **attrs: max_pool2d_pick(g, where, **attrs), None),
    saved="where",
    shape=lambda grad, where, height, width, **window: replace(
        grad, shape=(*grad.shape[:2], height, width)
    ),
    formula=(r"\bar x_i = \sum \bar y\,[i = w]", r"\text{its entry at } w"),
    cost=per_entry(),
    samples=[sample(normal(1, 2, 2, 2), integers(4, 1, 2, 2, 2), height=4, width=4, **POOL)],
)
max_pool2d_pick: Op = op(
    "max_pool2d_pick",
    "The entry of value at the place of each window that where names.",
    forward=_pool_pick_forward,
    vjp=(lambda g, z, value, where, **attrs: max_pool2d_put(g, where, **attrs), None),
    saved="where",
    shape=lambda value, where, height, width, **window: replace(where, dtype=value.dtype),
    formula=(r"y = v_{w}", r"\bar v_w = \bar y"),
    cost=per_input(),
    samples=[sample(normal(1, 2, 4, 4), integers(4, 1, 2, 2, 2), height=4, width=4, **POOL)],
)


def _avg_shape(x: Spec, divisor: float, **window: Pair) -> Spec:
    return _pool_shape(x, **window)


def _avg_forward(xp: Any, input: Any, divisor: float, padding: Pair, **rest: Pair) -> Any:
    spec = Spec(input.shape, input.dtype)
    _pool_shape(spec, padding=padding, **rest)  # NumPy is lenient
    if input.dtype is FLOAT16:
        return through_float32(_avg_forward, xp, input, divisor=divisor, padding=padding, **rest)
    _, entries = _windows(input.shape[2:], padding=padding, **rest)
    x = _padded(xp, input, padding, 0)
    out = x[:, :, entries[0][2], entries[0][3]].copy()
    for _, _, rows, columns in entries[1:]:
        out += x[:, :, rows, columns]
    out /= input.dtype.type(divisor)
    return out


def _avg_grad_forward(
    xp: Any, input: Any, shape: tuple[int, ...], divisor: float, padding: Pair, **rest: Pair
) -> Any:
    if input.dtype is FLOAT16:
        more = {"shape": shape, "divisor": divisor, "padding": padding, **rest}
        return through_float32(_avg_grad_forward, xp, input, **more)
    n, c, height, width = shape
    _, entries = _windows((height, width), padding=padding, **rest)
    out = xp.zeros((n, c, height + 2 * padding[0], width + 2 * padding[1]), input.dtype)
    share = input / input.dtype.type(divisor)
    for _, _, rows, columns in entries:
        out[:, :, rows, columns] += share
    if padding == (0, 0):
        return out
    return out[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


avg_pool2d: Op = op(
    "avg_pool2d",
    "The sum of each window over divisor, which is the size of the window as a rule.",
    forward=_avg_forward,
    vjp=lambda g, y, x, **attrs: avg_pool2d_grad(g, shape=tuple(x.shape), **attrs),
    shape=_avg_shape,
    formula=(
        r"y = \tfrac{1}{k} \sum_{\text{window}} x",
        r"\bar x_i = \tfrac{1}{k} \sum_{\text{windows}} \bar y",
    ),
    cost=per_input(),
    onnx="AveragePool",
    samples=[
        sample(normal(2, 3, 4, 5), divisor=4, **POOL),
        sample(normal(1, 2, 4, 4), divisor=5.0, **OVERLAP),
    ],
)
avg_pool2d_grad: Op = op(
    "avg_pool2d_grad",
    "Each entry shared out to its window: the gradient of avg_pool2d.",
    forward=_avg_grad_forward,
    vjp=lambda g, y, x, shape, **attrs: avg_pool2d(g, **attrs),
    shape=lambda x, shape, **attrs: replace(x, shape=shape),
    formula=(
        r"y_i = \tfrac{1}{k} \sum_{\text{windows}} x",
        r"\bar x = \tfrac{1}{k} \sum_{\text{window}} \bar y",
    ),
    cost=per_entry(),
    samples=[sample(normal(1, 2, 2, 2), shape=(1, 2, 4, 5), divisor=4, **POOL)],
)


# Rows of a table ---------------------------------------------------------------------------


def _embedding_bind(input: Any, weight: Any, padding_idx: int | None = None) -> Bound:
    return (input, weight), {"padding_idx": padding_idx}


def _embedding_shape(input: Spec, weight: Spec, padding_idx: int | None) -> Spec:
    if input.dtype.kind not in "iu":
        raise Mismatch(
            "input must be row numbers",
            f"expected int64, got {input.dtype}",
            "convert with .long()",
            DTypeError,
        )
    if weight.ndim != 2:
        raise Mismatch("weight must be a matrix", f"expected (rows, size), got {weight.shape}")
    return replace(weight, shape=(*input.shape, weight.shape[1]))


def _embedding_forward(xp: Any, input: Any, weight: Any, padding_idx: int | None) -> Any:
    if input.dtype.kind not in "iu" or weight.ndim != 2:
        raise TypeError("inputs do not fit")  # the shape rule writes the message
    check_range(input, weight.shape[0], "input")
    return weight[input]


def _embedding_grad(g: Any, y: Any, input: Any, w: Any, padding_idx: int | None) -> Any:
    if padding_idx is not None:
        g = e.where(unsqueeze(e.eq(input, padding_idx), -1), 0.0, g)
    return untake(g, input, template=(PLACE,), shape=tuple(w.shape))


embedding: Op = op(
    "embedding",
    "The rows of weight whose numbers are in input.",
    forward=_embedding_forward,
    bind=_embedding_bind,
    vjp=(None, _embedding_grad),
    saved="input",
    shape=_embedding_shape,
    formula=(r"y_i = W_{k_i}", r"\bar W_{k_i} \mathrel{+}= \bar y_i"),
    cost=lambda out, input, weight, **attrs: Cost(0, 2 * out.nbytes + input.nbytes),
    onnx="Gather",
    samples=[
        sample(integers(5, 2, 3), normal(5, 4), padding_idx=None),
        sample(integers(2, 6), normal(3, 2), padding_idx=2),
    ],
)


# Losses ------------------------------------------------------------------------------------


def _mse_shape(input: Spec, target: Spec) -> Spec:
    need_float(input, "input")
    if input.shape != target.shape:
        raise Mismatch(
            "input and target differ in shape",
            f"expected one shape, got {input.shape} and {target.shape}",
            f"reshape the target to {input.shape}"
            if target.size == input.size
            else "each prediction needs one target",
        )
    return replace(input, shape=())


def _mse_forward(xp: Any, input: Any, target: Any) -> Any:
    if input.shape != target.shape:
        raise ValueError("shapes differ")  # the shape rule writes the message
    away = (input - target).ravel()
    return xp.dot(away, away) / away.dtype.type(away.size)


def _mse_grad(g: Any, y: Any, x: Any, t: Any) -> Any:
    return (x - t) * (g * (2 / max(_count(x), 1)))


def _count(x: Any) -> int:
    count = 1
    for n in x.shape:
        count *= n
    return count


mse_loss: Op = op(
    "mse_loss",
    "Mean squared error: the mean of the squared differences.",
    forward=_mse_forward,
    vjp=(_mse_grad, lambda g, y, x, t: -_mse_grad(g, y, x, t)),
    saved="input target",
    promotes="*",
    floats=True,
    shape=_mse_shape,
    formula=(
        r"y = \frac{1}{n} \sum_i (x_i - t_i)^2",
        r"\bar x_i = \bar y\,\tfrac{2}{n}(x_i - t_i)",
    ),
    autocast="full",
    cost=per_input(3),
    composition=lambda x, t: mean(e.square(x - t)),
    samples=[sample(normal(3, 4), normal(3, 4)), sample(normal(1), normal(1))],
)


IGNORED = -100  # PyTorch's default for a target that does not count


class BatchSizeError(ShapeError, ValueError):
    """Batches of two sizes, where PyTorch raises ValueError."""


def check_classes(input: Spec, target: Spec) -> None:
    """Mismatch unless the class numbers fit the scores: ``(N, C, d1, ...)``, ``(N, d1, ...)``."""
    if input.dtype.kind != "f":
        raise Mismatch(
            "input must be scores, floats",
            f"expected input (N, C), got {input.dtype} {input.shape}",
            "input and target look swapped: the scores come first"
            if target.dtype.kind == "f"
            else "the scores of all classes are compared: leave out .argmax(1)",
            DTypeError,
        )
    x, t = input.shape, target.shape
    wanted = x[:1] + x[2:] if len(x) > 1 else ()
    if target.dtype.kind not in "iu":
        raise Mismatch(
            "target must be class numbers",
            f"expected int64 {wanted}, got {target.dtype} {t}",
            "one-hot rows become classes by .argmax(1)"
            if len(t) == len(x) > 1
            else "convert with .long()",
            DTypeError,
        )
    if not x or t != wanted:
        form = "input (N, C, ...) and target (N, ...)"
        if len(x) == 2:
            form = "input (N, classes) and target (N,)"
        raise Mismatch(
            "input and target do not fit",
            f"expected {form}, got {x} and {t}",
            _classes_hint(x, t),
            BatchSizeError if x and t and t[0] != x[0] and len(t) == len(wanted) else ShapeError,
        )


def _classes_hint(x: tuple[int, ...], t: tuple[int, ...]) -> str:
    if t == x and len(x) > 1:
        return "one-hot rows become classes by .argmax(1); as probabilities they are .float()"
    if len(x) > 1 and t == (x[0], 1, *x[2:]):
        return f"target.squeeze(1) makes it {(x[0], *x[2:])}"
    if len(x) > 2 and t == x[:-1]:
        return "input looks like (N, ..., C), the classes last: try input.movedim(-1, 1)"
    return ""


def _ce_shape(input: Spec, target: Spec) -> Spec:
    if input.ndim != 2:
        raise Mismatch("input needs 2 dimensions", f"expected (N, classes), got {input.shape}")
    check_classes(input, target)
    return replace(input, shape=())


def _ce_forward(xp: Any, input: Any, target: Any) -> Any:
    if input.ndim != 2 or target.shape != input.shape[:1] or target.dtype.kind not in "iu":
        raise ValueError("inputs do not fit")  # the shape rule writes the message
    wide = input.astype(np.float64)
    wide -= xp.maximum.reduce(wide, axis=1, keepdims=True)
    logs = xp.log(xp.add.reduce(xp.exp(wide), axis=1))
    return _nll_forward(xp, wide, target, logs).astype(input.dtype)


# Cross entropy and its gradient are computed in float64 and rounded once: where a class is all but
# certain, 1 and 1 - p differ by less than float32 can hold.


def _ce_composed(x: Any, target: Any) -> Any:
    return e.to_dtype(nll_mean(log_softmax(e.to_dtype(x, "float64"), 1), target), x.dtype)


def _nll_forward(xp: Any, input: Any, target: Any, less: Any = 0) -> Any:
    n, classes = input.shape
    if _all_count(xp, target, classes):
        each = less - input[xp.arange(n), target]
        return xp.add.reduce(each) / each.dtype.type(n)
    keep = target != IGNORED
    each = less - input[xp.arange(n), xp.where(keep, target, 0)]
    return xp.add.reduce(xp.where(keep, each, 0)) / xp.add.reduce(keep, dtype=each.dtype)


def _all_count(xp: Any, target: Any, classes: int) -> bool:
    """Whether no target is to be ignored; Mismatch where one is no class."""
    if not target.size:
        return True
    low, high = ends(target)
    if low >= 0 and high < classes:
        return True
    _check_each(target[target != IGNORED], classes)
    return False


def _check_each(numbers: Any, classes: int) -> None:
    """Mismatch where a number is no class."""
    try:
        check_range(numbers, classes, "target")
    except Mismatch as wrong:
        low, high = ends(numbers)
        if low == 1 and high == classes:
            wrong.hint = "classes count from 0: try target - 1"
        elif low >= 0:
            wrong.hint = f"the model needs a score for each class, here {int(high) + 1}"
        raise


def _ce_grad(g: Any, y: Any, x: Any, target: Any) -> Any:
    error = class_error(softmax(e.to_dtype(x, "float64"), 1), target)
    return e.to_dtype(error, x.dtype) * (g / x.shape[0])


def _error_forward(xp: Any, input: Any, target: Any) -> Any:
    n = target.size
    out = input.copy()
    if n and known(xp.minimum.reduce(target)) < 0:
        keep = target != IGNORED
        out[xp.arange(n)[keep], target[keep]] -= 1
        return out * (_share_forward(xp, input, target) * input.dtype.type(n))
    out[xp.arange(n), target] -= 1
    return out


class_error: Op = op(
    "class_error",
    "Each row of input less 1 at its class; 0 where the target is -100, the others scaled up.",
    forward=_error_forward,
    vjp=(lambda g, y, p, target: g * (row_share(p, target) * target.shape[0]), None),
    saved="target",
    shape=lambda input, target: input,
    formula=(r"y_{ij} = n s_i\,(x_{ij} - [t_i = j])", r"\bar x_{ij} = n s_i\,\bar y_{ij}"),
    cost=per_input(2),
    samples=[sample(normal(3, 4), integers(4, 3))],
)


def _share_forward(xp: Any, input: Any, target: Any) -> Any:
    keep = target[:, None] != IGNORED
    return keep.astype(input.dtype) / input.dtype.type(max(int(known(keep.sum())), 1))


row_share: Op = op(
    "row_share",
    "For each row of input its weight in a mean over those whose target is not -100.",
    forward=_share_forward,
    saved="target",
    shape=lambda input, target: replace(input, shape=(*target.shape, 1)),
    formula=(r"y_i = [t_i \ne -100] \,/\, \sum_k [t_k \ne -100]", r"\text{none}"),
    cost=per_input(),
    samples=[sample(normal(3, 4), integers(4, 3))],
)


def _index_shape(input: Spec, target: Spec, dim: int, ignore_index: int) -> Spec:
    check_classes(input, target)
    return replace(target, dtype=INT64)


def _index_forward(xp: Any, input: Any, target: Any, dim: int, ignore_index: int) -> Any:
    keep = target != ignore_index
    _check_each(target[keep], input.shape[dim])
    return xp.where(keep, target, 0).astype(np.int64)


class_index: Op = op(
    "class_index",
    "The class numbers in target, which must be classes of input along dim; 0 for ignored ones.",
    forward=_index_forward,
    shape=_index_shape,
    formula=(r"y = t \cdot [t \ne i]", r"\text{none}"),
    cost=per_entry(2),
    samples=[sample(normal(3, 4), integers(4, 3), dim=1, ignore_index=2)],
)


nll_mean: Op = op(
    "nll_mean",
    "Minus the mean of the entries of input at the target classes; -100 does not count.",
    forward=lambda xp, input, target: _nll_forward(xp, input, target),
    vjp=(lambda g, y, x, t: class_error(e.clamp(x, 0, 0), t) * (g / x.shape[0]), None),
    saved="input target",
    shape=_ce_shape,
    formula=(
        r"y = -\frac{1}{n} \sum_i x_{i t_i}",
        r"\bar x_{ij} = -\tfrac{\bar y}{n}\,[t_i = j]",
    ),
    autocast="full",
    cost=lambda out, input, target: Cost(target.size, 2 * target.nbytes),
    samples=[sample(normal(5, 4), integers(4, 5))],
)
cross_entropy_op: Op = op(
    "cross_entropy",
    "Mean of -log of the probability that softmax gives to the right class; -100 does not count.",
    forward=_ce_forward,
    vjp=(_ce_grad, None),
    saved="input target",
    shape=_ce_shape,
    formula=(
        r"y = -\frac{1}{n} \sum_i \ln \operatorname{softmax}(x_i)_{t_i}",
        r"\bar x_i = \tfrac{\bar y}{n}\,(\operatorname{softmax}(x_i) - \operatorname{onehot}(t_i))",
    ),
    autocast="full",
    cost=per_input(14),
    onnx="SoftmaxCrossEntropyLoss",
    composition=_ce_composed,
    samples=[sample(normal(5, 4), integers(4, 5))],
)


def _bce_shape(input: Spec, target: Spec) -> Spec:
    need_float(input, "input")
    check_same_dtype(input, target, names=("input", "target"))
    return broadcast(input, target)


class _NotProbable(ArgumentError, RuntimeError):
    """Numbers outside 0 to 1 where probabilities are needed."""


def _need_probable(x: Any, name: str, remedy: str) -> None:
    low, high = map(float, ends(x))
    if low < 0 or high > 1:
        raise Mismatch(
            f"{name} must be probabilities",
            f"expected entries from 0 to 1, got {low:g} to {high:g}",
            remedy,
            _NotProbable,
        )


def _bce_forward(xp: Any, input: Any, target: Any) -> Any:
    if input.size and target.size:
        _need_probable(
            input,
            "input",
            "apply sigmoid first, or use binary_cross_entropy_with_logits for raw scores",
        )
        _need_probable(
            target, "target", "targets are 0 or 1, or between; class numbers go to cross_entropy"
        )
    # each logarithm is at least -100, and log(0), which warns, is not asked for
    right = xp.maximum(xp.log(xp.maximum(input, 1e-45)), -100)
    below = input < 1
    wrong = xp.where(below, xp.maximum(xp.log1p(xp.where(below, -input, -0.5)), -100), -100)
    return (target - 1) * wrong - target * right


binary_cross_entropy: Op = op(
    "binary_cross_entropy",
    "Minus the log of the probability that input gives to target, 0 or 1 or between, each place.",
    forward=_bce_forward,
    vjp=(
        lambda g, y, x, t: g * ((x - t) / e.clamp((1 - x) * x, 1e-12)),
        lambda g, y, x, t: g * (e.log(1 - x) - e.log(x)),
    ),
    saved="input target",
    promotes="*",
    floats=True,
    shape=_bce_shape,
    formula=(
        r"y = -(t \ln x + (1 - t) \ln(1 - x))",
        r"\bar x = \bar y\,\frac{x - t}{x (1 - x)},\quad "
        r"\bar t = \bar y\,(\ln(1 - x) - \ln x)",
    ),
    autocast="full",
    cost=per_entry(20),
    kernel="lab_bce(x, y)",
    samples=[sample(uniform(0.1, 0.9, 3, 4), uniform(0, 1, 3, 4))],
)
