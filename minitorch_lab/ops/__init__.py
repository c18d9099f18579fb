"""The op table, by family. ``FUNCTIONS`` holds what a learner calls by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import elementwise, indexing, linalg, movement, nn, random, reduce

# What ``lab.NAME(...)`` and ``x.NAME(...)`` are; an op's row knows everything else.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(elementwise, name)
        for name in (
            "add sub mul div pow neg abs sign square exp log sqrt sin cos tanh sigmoid relu "
            "maximum minimum where clamp eq ne lt le gt ge logical_and logical_or logical_not "
            "isnan isinf isfinite clone"
        ).split()
    },
    **{
        name: getattr(reduce, name)
        for name in (
            "sum mean amax amin argmax argmin all any var std softmax log_softmax logsumexp"
        ).split()
    },
    **{
        name: getattr(movement, name)
        for name in (
            "reshape flatten squeeze unsqueeze permute transpose t expand cat stack narrow"
        ).split()
    },
    "gather": indexing.gather,
    "matmul": linalg.matmul,
    "mm": linalg.mm,
    "dot": linalg.dot,
}

# Functions of several equal tensors, which are no methods of one.
NOT_METHODS = frozenset(("cat", "stack", "where"))

# Ops with an in-place form, such as ``x.add_(y)``.
IN_PLACE = tuple(
    "add sub mul div pow neg abs exp sqrt tanh sigmoid relu clamp square maximum minimum".split()
)

__all__ = [
    "FUNCTIONS",
    "IN_PLACE",
    "NOT_METHODS",
    "elementwise",
    "indexing",
    "linalg",
    "movement",
    "nn",
    "random",
    "reduce",
]
