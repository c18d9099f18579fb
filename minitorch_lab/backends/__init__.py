"""Switches of PyTorch's backends: programs set them, and nothing here depends on them.

Results are the same from run to run anyway, and float32 is computed in float32.
"""

from __future__ import annotations

from ..errors import ArgumentError
from . import cuda, cudnn, mkl, mps

__all__ = ["cuda", "cudnn", "mkl", "mps"]

_PRECISIONS = ("highest", "high", "medium")
_precision, _deterministic = "highest", False


def set_float32_matmul_precision(precision: str) -> None:
    """Accepted: matrix products of float32 are computed in float32."""
    global _precision
    if precision not in _PRECISIONS:
        raise ArgumentError(
            f"set_float32_matmul_precision(precision): got {precision!r}\n"
            f"  expected one of {', '.join(_PRECISIONS)}"
        )
    _precision = precision


def get_float32_matmul_precision() -> str:
    """What was set."""
    return _precision


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted: results are the same from run to run anyway."""
    global _deterministic
    _deterministic = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """What was set."""
    return _deterministic
