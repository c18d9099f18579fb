"""Switches of PyTorch's backends. One of them matters here: TF32 on a GPU.

Results are the same from run to run anyway.
"""

from __future__ import annotations

from ..device import matmul_precision, set_matmul_precision
from . import cuda, cudnn, mkl, mps

__all__ = ["cuda", "cudnn", "mkl", "mps"]

_deterministic = False


def set_float32_matmul_precision(precision: str) -> None:
    """Set how exactly a GPU multiplies float32 matrices, from now on and in the whole process.

    "highest", the default, is float32. "high" and "medium" are TF32 on cards that have it (from
    Ampere on): inputs are rounded to 10 bits after the point, as in float16, and sums are added in
    float32. Large products are then several times as fast, with three digits. The CPU, other
    cards and other dtypes stay as they are. ``backends.cuda.matmul.allow_tf32`` is the same switch.

    Raises ArgumentError for another word, DeviceError where CuPy knows no TF32.

    >>> set_float32_matmul_precision("high")
    >>> get_float32_matmul_precision(), cuda.matmul.allow_tf32
    ('high', True)
    >>> set_float32_matmul_precision("highest")
    """
    set_matmul_precision(precision)


def get_float32_matmul_precision() -> str:
    """How exactly a GPU multiplies float32 matrices: "highest", "high" or "medium"."""
    return matmul_precision()


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted: results are the same from run to run anyway."""
    global _deterministic
    _deterministic = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """What was set."""
    return _deterministic
