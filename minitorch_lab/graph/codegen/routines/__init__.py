"""Ops that are no loop over entries, each with a function that writes its C text.

A function adds its text to the writer's and says True, or False where it is not made for the case:
then the op runs in Python, between two C functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...fuse import Single
from .flow import cond, scan, take_out, while_loop
from .joins import cat, flip, repeat, stack, triangle, unslice, write_view
from .matrix import matmul
from .maxpools import max_pool, max_pool_grad, pool_put, pool_where
from .pools import average, average_grad, chosen, pick, wide_max, wide_max_grad
from .rows import class_error, class_index, joined, nll_mean, row_share, taken, zeros_joined
from .sums import argsort, argument, fold_dims, median, running
from .windows import fold, unfold

Routine = Callable[[Any, Single], bool]

# Those that do nothing but copy from place to place, whatever the type of the entries.
COPIES = ("cat", "stack", "flip", "repeat")


def _either(first: Routine, second: Routine) -> Routine:
    return lambda w, step: first(w, step) or second(w, step)


ROUTINES: dict[str, Routine] = {
    "matmul": matmul,
    # rows
    "gather": taken, "index_select": taken, "embedding": taken, "index": taken,
    "unindex": zeros_joined, "scatter_zeros": zeros_joined,
    "scatter": joined, "scatter_add": joined, "scatter_join": joined,
    "index_add": joined, "index_put": joined, "index_put_add": joined,
    "nll_mean": nll_mean, "class_error": class_error,
    "row_share": row_share, "class_index": class_index,
    # joins
    "cat": cat, "stack": stack, "unslice": unslice, "flip": flip, "repeat": repeat,
    "tril": triangle, "triu": triangle, "write_view": write_view,
    # sums
    "sum": fold_dims, "mean": fold_dims, "prod": fold_dims, "amax": fold_dims, "amin": fold_dims,
    "all": fold_dims, "any": fold_dims, "argmax": argument, "argmin": argument,
    "cumsum": running, "cumsum_from_end": running, "cumprod": running,
    "argsort": argsort, "median": median,
    # choices and loops
    "cond": cond, "while_loop": while_loop, "scan": scan, "take_out": take_out,
    # windows
    "fold": fold, "unfold": unfold, "max_pool2d_put": pool_put,
    "max_pool2d": _either(max_pool, wide_max),
    "max_pool2d_grad": _either(max_pool_grad, wide_max_grad),
    "max_pool2d_where": _either(pool_where, chosen),
    "max_pool2d_take": chosen, "max_pool2d_places": chosen, "max_pool2d_pick": pick,
    "avg_pool2d": average, "avg_pool2d_grad": average_grad,
}  # fmt: skip
