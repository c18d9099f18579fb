"""First values of variables, with the names and defaults of TensorFlow 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....creation import full
from ... import random
from ...keras.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    Initializer,
    Ones,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
    fans,
)

CUT = 0.87962566103423978  # standard deviation of a normal distribution cut at two of its own


def zeros_initializer(dtype: Any = None) -> Initializer:
    """Zeros."""
    return Zeros()


def ones_initializer(dtype: Any = None) -> Initializer:
    """Ones."""
    return Ones()


def constant_initializer(value: Any = 0, dtype: Any = None, verify_shape: bool = False) -> Any:
    """One number everywhere, or an array."""
    if isinstance(value, (int, float)):
        return Constant(value)
    return lambda shape, dtype=None: reshaped(value, shape)


def random_normal_initializer(
    mean: float = 0.0, stddev: float = 1.0, seed: int | None = None, dtype: Any = None
) -> Initializer:
    """Normal numbers."""
    return RandomNormal(mean, stddev, seed)


def random_uniform_initializer(
    minval: float = 0.0, maxval: float | None = None, seed: int | None = None, dtype: Any = None
) -> Initializer:
    """Uniform numbers, from 0 to 1 unless it is said."""
    return RandomUniform(minval, 1.0 if maxval is None else maxval, seed)


def truncated_normal_initializer(
    mean: float = 0.0, stddev: float = 1.0, seed: int | None = None, dtype: Any = None
) -> Initializer:
    """Normal numbers no farther than two standard deviations from the mean."""
    return TruncatedNormal(mean, stddev, seed)


def variance_scaling_initializer(
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
    seed: int | None = None,
    dtype: Any = None,
) -> Initializer:
    """Random numbers of variance ``scale / n``."""
    known = {"normal": "truncated_normal"}.get(distribution, distribution)
    return VarianceScaling(scale, mode, known, seed)


def glorot_uniform_initializer(seed: int | None = None, dtype: Any = None) -> Initializer:
    """Glorot's uniform numbers: what ``get_variable`` begins with."""
    return GlorotUniform(seed=seed)


def glorot_normal_initializer(seed: int | None = None, dtype: Any = None) -> Initializer:
    """Glorot's normal numbers."""
    return GlorotNormal(seed=seed)


def reshaped(value: Any, shape: Any) -> Any:
    """An array in the shape of a variable."""
    return np.asarray(value, np.float32).reshape(shape)


def numbers(initializer: Initializer, shape: tuple[int, ...], dtype: Any) -> Any:
    """What an initialiser gives, drawn in each run that asks for it."""
    found = law(initializer, shape)
    if found is None or initializer.seed is not None:
        return initializer(shape).to(dtype.plain)
    name, first, second = found
    if name == "constant":
        return full(shape, first, dtype=dtype.plain)
    draw = {"uniform": random.uniform, "normal": random.normal}.get(name, random.truncated_normal)
    return draw(shape, first, second, dtype)


def law(x: Initializer, shape: tuple[int, ...]) -> tuple[str, float, float] | None:
    """The distribution of an initialiser and its two numbers; None for one of the learner's."""
    if isinstance(x, (Zeros, Ones, Constant)):
        return "constant", getattr(x, "value", float(isinstance(x, Ones))), 0.0
    if isinstance(x, RandomUniform):
        return "uniform", x.minval, x.maxval
    if isinstance(x, (RandomNormal, TruncatedNormal)):
        return "normal" if isinstance(x, RandomNormal) else "cut", x.mean, x.stddev
    if not isinstance(x, VarianceScaling):
        return None
    fan_in, fan_out = fans(shape)
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[x.mode]
    std = math.sqrt(x.scale / max(1.0, n))
    if x.distribution == "uniform":
        return "uniform", -math.sqrt(3) * std, math.sqrt(3) * std
    return ("cut", 0.0, std / CUT) if x.distribution == "truncated_normal" else ("normal", 0.0, std)
