"""First values for parameters: PyTorch's recipes, PyTorch's numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import creation
from .. import random as generators
from ..errors import ArgumentError
from ..tensor import Tensor, make, no_grad

Source = generators.Generator | None


def fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs and outputs a weight joins: ``(out, in)`` or ``(out, in, kh, kw)``."""
    if tensor.ndim < 2:
        raise ArgumentError(f"fan in and out need 2 dimensions or more, got {tuple(tensor.shape)}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _fill(tensor: Tensor, drawn: Any) -> Tensor:
    with no_grad():
        return tensor.copy_(make(drawn).to(device=tensor.device))


def _drawn(kind: str, tensor: Tensor, first: float, second: float, generator: Source) -> Any:
    """An array like ``tensor`` from the generator."""
    draw = getattr(generator or generators.drawing(), kind)
    return draw(tuple(tensor.shape), first, second, tensor.dtype.name)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Source = None) -> Tensor:
    """Uniform numbers from a to b."""
    return _fill(tensor, _drawn("uniform", tensor, a, b, generator))


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Source = None
) -> Tensor:
    """Normal numbers."""
    return _fill(tensor, _drawn("normal", tensor, mean, std, generator))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Source = None,
) -> Tensor:
    """Normal numbers between a and b: those outside are drawn again."""

    def below(x: float) -> float:
        return (1 + math.erf((x - mean) / std / math.sqrt(2))) / 2

    if a >= b or std <= 0:
        raise ArgumentError(f"trunc_normal_: std={std}, a={a}, b={b}\n  expected a < b and std > 0")
    if below(b) - below(a) > 0.3:
        low, high = np.asarray([a, b], tensor.dtype.np)
        out = _drawn("normal", tensor, mean, std, generator)
        while (outside := (out < low) | (out > high)).any():
            out = np.where(outside, _drawn("normal", tensor, mean, std, generator), out)
        return _fill(tensor, out)
    # too few would lie inside: uniform candidates, kept with the chance that their density says
    top = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    out = _drawn("uniform", tensor, a, b, generator)
    pending, candidates = np.ones(out.shape, bool), out
    while True:
        density = ((candidates - mean) / std) ** 2 * -0.5 - top
        pending &= np.log(_drawn("uniform", tensor, 0.0, 1.0, generator)) > density
        if not pending.any():
            return _fill(tensor, out)
        candidates = _drawn("uniform", tensor, a, b, generator)
        out = np.where(pending, candidates, out)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One number everywhere."""
    with no_grad():
        return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


def _need_dims(name: str, tensor: Tensor, *ndims: int) -> None:
    if tensor.ndim not in ndims:
        expected = " or ".join(map(str, ndims))
        raise ArgumentError(
            f"{name}: tensor has {tensor.ndim} dimensions\n  tensor  {tensor.spec}\n"
            f"  expected {expected}"
        )


def eye_(tensor: Tensor) -> Tensor:
    """Ones on the diagonal, zeros elsewhere: a linear layer that lets its input through."""
    _need_dims("eye_", tensor, 2)
    return _fill(tensor, np.eye(*tensor.shape, dtype=tensor.dtype.np))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution that lets its input through: a 1 in the middle of each channel's window."""
    _need_dims("dirac_", tensor, 3, 4, 5)
    shape = tuple(tensor.shape)
    if groups < 1 or shape[0] % groups:
        raise ArgumentError(f"dirac_: groups={groups}\n  expected a divisor of {shape[0]}")
    out, each = np.zeros(shape, tensor.dtype.np), shape[0] // groups
    middle = tuple(k // 2 for k in shape[2:])
    for group in range(groups):
        for channel in range(min(each, shape[1])):
            out[(group * each + channel, channel, *middle)] = 1
    return _fill(tensor, out)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Source = None) -> Tensor:
    """Rows, or columns, of length ``gain`` at right angles. Saxe et al. (2013)."""
    if tensor.ndim < 2:
        raise ArgumentError(
            f"orthogonal_: tensor has {tensor.ndim} dimensions\n  tensor  {tensor.spec}\n"
            "  expected 2 or more"
        )
    if not tensor.numel():
        return tensor
    rows = tensor.shape[0]
    flat = np.empty((rows, tensor.numel() // rows), np.float32)
    drawn = _drawn("normal", make(flat.astype(tensor.dtype.np)), 0.0, 1.0, generator)
    wide = drawn.shape[0] < drawn.shape[1]
    q, r = np.linalg.qr(drawn.T if wide else drawn)
    q = q * np.sign(np.diag(r))  # so that every rotation is as likely
    return _fill(tensor, (q.T if wide else q).reshape(tuple(tensor.shape)) * gain)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Source = None) -> Tensor:
    """Normal numbers, of which the share ``sparsity`` of each column is 0. Martens (2010)."""
    _need_dims("sparse_", tensor, 2)
    rows, columns = tensor.shape
    out, zeros = _drawn("normal", tensor, 0.0, std, generator), math.ceil(sparsity * rows)
    for column in range(columns):
        out[creation.randperm(rows, device="cpu").numpy()[:zeros], column] = 0
    return _fill(tensor, out)


GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the spread of values through a nonlinearity."""
    if nonlinearity == "leaky_relu":
        if isinstance(param, bool) or not isinstance(param, (int, float, type(None))):
            raise ArgumentError(f"calculate_gain: param={param!r}\n  expected the negative slope")
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        raise ArgumentError(f"nonlinearity {nonlinearity!r}: expected one of {sorted(GAINS)}")
    return GAINS[nonlinearity]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Source = None) -> Tensor:
    """Glorot and Bengio (2010): uniform, by fan in and fan out."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Source = None) -> Tensor:
    """Glorot and Bengio (2010): normal, by fan in and fan out."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2.0 / max(sum(fans(tensor)), 1))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Source = None,
) -> Tensor:
    """He et al. (2015): uniform, by fan in."""
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Source = None,
) -> Tensor:
    """He et al. (2015): normal, by fan in."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"mode {mode!r}: expected 'fan_in' or 'fan_out'")
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))
