"""Dropout."""

from __future__ import annotations

from ...errors import ArgumentError
from ...ops import random
from ...tensor import Tensor


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each entry with probability ``p`` while training, and scale the rest up.

    With ``inplace`` the result is the same, and ``input`` keeps its entries all the same.
    """
    check_probability(p)
    if not training or p == 0:
        return input
    return random.dropout(input, p)


def check_probability(p: float) -> None:
    """ArgumentError unless ``p`` is a number from 0 to 1."""
    if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ArgumentError(f"dropout: p={p!r}\n  expected a probability from 0 to 1")
