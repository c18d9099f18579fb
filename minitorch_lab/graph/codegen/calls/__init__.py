"""Kernels of CUDA plans that are no loop over entries.

A function gives the kernel of an op or several, or None where it is not made for the case: then
the op runs as in eager mode, between two runs of kernels. A kernel is right for blocks of any size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...fuse import Single
from .kernel import BLOCK, FILL, Kernel, copied
from .matrix import matmul
from .rows import class_error, embedding, nll_mean, rows_added, unslice
from .windows import fold, max_pool, max_pool_grad, pool_put, pool_where, unfold

CALLS: dict[str, Callable[[Any, Single], Kernel | list[Kernel] | None]] = {
    "matmul": matmul,
    "nll_mean": nll_mean, "class_error": class_error, "embedding": embedding,
    "unindex": rows_added, "unslice": unslice,
    "unfold": unfold, "fold": fold,
    "max_pool2d": max_pool, "max_pool2d_grad": max_pool_grad,
    "max_pool2d_where": pool_where, "max_pool2d_put": pool_put,
}  # fmt: skip

__all__ = ["BLOCK", "CALLS", "FILL", "Kernel", "copied"]
