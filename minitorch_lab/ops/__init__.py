"""The op table, by family. ``FUNCTIONS`` holds what a learner calls by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..op import Op, public
from . import (
    bits,
    einsum,
    elementwise,
    indexing,
    linalg,
    movement,
    nn,
    order,
    random,
    reduce,
    solve,
    special,
)

FAMILIES: tuple[Any, ...] = (
    elementwise,
    special,
    bits,
    reduce,
    movement,
    indexing,
    linalg,
    einsum,
    solve,
    order,
)

# What ``lab.NAME(...)`` and ``x.NAME(...)`` are; an op's row knows everything else.
FUNCTIONS: dict[str, Callable[..., Any]] = {}
_first: dict[Any, str] = {}
for _family in FAMILIES:
    for _name, _function in _family.FUNCTIONS.items():
        if not isinstance(_function, Op):
            _own = _first.setdefault(_function, _name)
            _function = public(_function, _name)
            if _own != _name:
                _function.__doc__ = f"Another name of ``{_own}``."
        FUNCTIONS[_name] = _function
# Functions that are no methods of a tensor, such as those of several equal tensors.
NOT_METHODS = frozenset(n for f in FAMILIES for n in getattr(f, "NOT_METHODS", ()))
# Ops with an in-place form, such as ``x.add_(y)``.
IN_PLACE = tuple(n for f in FAMILIES for n in getattr(f, "IN_PLACE", ()))

__all__ = [
    "FUNCTIONS",
    "IN_PLACE",
    "NOT_METHODS",
    "bits",
    "einsum",
    "elementwise",
    "indexing",
    "linalg",
    "movement",
    "nn",
    "order",
    "random",
    "reduce",
    "solve",
    "special",
]
