"""Ops that draw from the generator each time they run, in graph mode too."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import random as generator
from ..device import Device, move
from ..op import Op, Spec, op, sample
from .rules import per_entry


def _bernoulli_forward(
    xp: Any, *, shape: tuple[int, ...], p: float, dtype: Any, device: str
) -> Any:
    drawn = generator.drawing().bernoulli(shape, p, np.dtype(dtype).name)
    return move(drawn, Device(device))


bernoulli: Op = op(
    "bernoulli",
    "1 with probability p, else 0, for each entry: drawn anew at each call.",
    forward=_bernoulli_forward,
    arguments=(),
    shape=lambda shape, p, dtype, device: Spec(shape, np.dtype(dtype), Device(device).type),
    formula=(r"y \sim \operatorname{Bernoulli}(p)", r"\text{none}"),
    cost=per_entry(4),
    random=True,
    samples=[sample(shape=(3, 4), p=0.3, dtype="float32", device="cpu")],
)


def dropout(input: Any, p: float) -> Any:
    """Zero each entry with probability ``p`` and scale the rest by ``1 / (1 - p)``."""
    keep = 1 - p
    if keep == 0:
        return input * 0.0
    drawn = bernoulli(
        shape=tuple(input.shape), p=keep, dtype=input.dtype.name, device=str(input.device)
    )
    return input * (drawn / keep)
