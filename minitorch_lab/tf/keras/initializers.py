"""First values of weights, by name or as objects."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import random
from ...errors import ArgumentError
from ...tensor import Tensor, make
from ..tensor import styles
from .words import found

_CUT = 0.87962566103423978  # standard deviation of a normal distribution cut at two of its own


class Initializer:
    """Called with a shape it gives the first values. A subclass writes ``__call__``."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed

    @styles
    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A tensor of this shape."""
        raise NotImplementedError(f"{type(self).__name__}: define def __call__(self, shape):")

    def _draw(self, kind: str, shape: Any, first: float, second: float) -> Any:
        """Numbers from the generator of the program, or with a seed always the same ones."""
        own = random.drawing() if self.seed is None else random.Generator().manual_seed(self.seed)
        return getattr(own, kind)(tuple(shape), first, second, "float32")

    def _cut(self, shape: Any, mean: float, std: float) -> Any:
        """Normal numbers, drawn again where they are two deviations or more from the mean."""
        own = random.drawing() if self.seed is None else random.Generator().manual_seed(self.seed)
        out = own.normal(tuple(shape), 0.0, 1.0, "float32")
        while (far := np.abs(out) >= 2).any():
            out[far] = own.normal((int(far.sum()),), 0.0, 1.0, "float32")
        return out * np.float32(std) + np.float32(mean)


class Zeros(Initializer):
    """Zeros."""

    def __init__(self) -> None:
        super().__init__()

    @styles
    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A tensor of this shape."""
        return make(np.zeros(shape, np.float32))


class Ones(Initializer):
    """Ones."""

    def __init__(self) -> None:
        super().__init__()

    @styles
    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A tensor of this shape."""
        return make(np.ones(shape, np.float32))


class Constant(Initializer):
    """One number everywhere."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = value

    @styles
    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A tensor of this shape."""
        return make(np.full(shape, self.value, np.float32))


class RandomNormal(Initializer):
    """Normal numbers."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    @styles
    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A tensor of this shape."""
        return make(self._draw("normal", shape, self.mean, self.stddev))


class RandomUniform(Initializer):
    """Uniform numbers between two bounds."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        super().__init__(seed)
        self.minval, self.maxval = minval, maxval

    @styles
    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A tensor of this shape."""
        return make(self._draw("uniform", shape, self.minval, self.maxval))


class TruncatedNormal(Initializer):
    """Normal numbers no farther than two standard deviations from the mean."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean, self.stddev = mean, stddev

    @styles
    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A tensor of this shape."""
        return make(self._cut(shape, self.mean, self.stddev))


class VarianceScaling(Initializer):
    """Random numbers of variance ``scale / n``; n counts what a unit reads (fan in), or feeds.

    ``mode`` is "fan_in", "fan_out" or "fan_avg", ``distribution`` "truncated_normal",
    "untruncated_normal" or "uniform". Sources: Glorot and Bengio (2010); He et al. (2015).
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ArgumentError(f"mode: expected 'fan_in', 'fan_out' or 'fan_avg', got {mode!r}")
        self.scale, self.mode, self.distribution = scale, mode, distribution

    @styles
    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A tensor of this shape."""
        fan_in, fan_out = fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        std = math.sqrt(self.scale / max(1.0, n))
        if self.distribution == "uniform":
            limit = math.sqrt(3) * std
            return make(self._draw("uniform", shape, -limit, limit))
        if self.distribution == "untruncated_normal":
            return make(self._draw("normal", shape, 0.0, std))
        return make(self._cut(shape, 0.0, std / _CUT))


class Orthogonal(Initializer):
    """Rows, or columns where there are fewer of them, of length ``gain`` at right angles.

    Source: Saxe et al. (2014).
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = gain

    @styles
    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A tensor of this shape."""
        if len(shape) < 2:
            raise ArgumentError(
                f"Orthogonal: got the shape {tuple(shape)}\n  expected 2 dimensions or more"
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        drawn = self._draw("normal", (max(rows, columns), min(rows, columns)), 0.0, 1.0)
        q, r = np.linalg.qr(drawn)
        q = q * np.sign(np.diag(r))
        q = q.T if rows < columns else q
        return make((self.gain * q.reshape(shape)).astype(np.float32))


class Identity(Initializer):
    """The unit matrix, times ``gain``."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain

    @styles
    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A tensor of this shape."""
        return make((self.gain * np.eye(*shape)).astype(np.float32))


def fans(shape: Any) -> tuple[float, float]:
    """How many inputs and outputs a weight joins: ``(in, out)`` or ``(kh, kw, in, out)``.

    >>> fans((3, 3, 16, 32))
    (144, 288)
    """
    shape = tuple(shape)
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def _scaling(name: str, scale: float, mode: str, distribution: str) -> type[VarianceScaling]:
    def start(self: VarianceScaling, seed: int | None = None) -> None:
        VarianceScaling.__init__(self, scale, mode, distribution, seed)

    words = f"{name}: variance {scale:g} / {mode.replace('_', ' ')}, {distribution}."
    own = {"__init__": start, "__doc__": words, "__module__": __name__}
    return type(name, (VarianceScaling,), own)


GlorotUniform = _scaling("GlorotUniform", 1.0, "fan_avg", "uniform")
GlorotNormal = _scaling("GlorotNormal", 1.0, "fan_avg", "truncated_normal")
HeUniform = _scaling("HeUniform", 2.0, "fan_in", "uniform")
HeNormal = _scaling("HeNormal", 2.0, "fan_in", "truncated_normal")
LecunUniform = _scaling("LecunUniform", 1.0, "fan_in", "uniform")
LecunNormal = _scaling("LecunNormal", 1.0, "fan_in", "truncated_normal")

NAMES: dict[str, Callable[[], Initializer]] = {
    "glorot_uniform": GlorotUniform, "zeros": Zeros, "ones": Ones, "constant": Constant,
    "glorot_normal": GlorotNormal, "he_uniform": HeUniform, "he_normal": HeNormal,
    "lecun_uniform": LecunUniform, "lecun_normal": LecunNormal, "uniform": RandomUniform,
    "normal": RandomNormal, "random_uniform": RandomUniform, "random_normal": RandomNormal,
    "truncated_normal": TruncatedNormal, "variance_scaling": VarianceScaling,
    "orthogonal": Orthogonal, "identity": Identity, "Zeros": Zeros, "Ones": Ones,
    "GlorotUniform": GlorotUniform, "GlorotNormal": GlorotNormal, "HeUniform": HeUniform,
    "HeNormal": HeNormal, "LecunUniform": LecunUniform, "LecunNormal": LecunNormal,
    "RandomNormal": RandomNormal, "RandomUniform": RandomUniform, "Orthogonal": Orthogonal,
    "TruncatedNormal": TruncatedNormal, "VarianceScaling": VarianceScaling, "Identity": Identity,
    "Constant": Constant,
}  # fmt: skip


def get(identifier: Any) -> Callable[..., Any]:
    """An initialiser of this name, or the object or function itself; None is ``GlorotUniform``.

    >>> get("zeros")((2, 2))
    <tf.Tensor: shape=(2, 2), dtype=float32, numpy=
    array([[0., 0.],
           [0., 0.]], dtype=float32)>
    """
    if identifier is None:
        return GlorotUniform()
    made = found("initializer", identifier, NAMES)
    return made() if isinstance(made, type) else made
