"""How long a graph takes, from three limits of this machine.

A call can be no faster than the arithmetic that it needs, than the memory that it touches, and
than calling it. The larger of the first two bounds an op from below (S. Williams, A. Waterman
and D. Patterson, "Roofline", 2009); the third is added. The estimate is for a run op by op in
NumPy: what the passes and the executor make of the graph is faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .ir import Graph

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


class Seconds(float):
    """A time that is shown with its unit.

    >>> Seconds(0.00025)
    250 µs
    """

    def __repr__(self) -> str:
        scale, unit = next((u for u in UNITS if abs(self) >= u[0]), UNITS[-1])
        return f"{self / scale:.3g} {unit}"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Limits:
    """What this machine can do at best: operations and bytes in a second, seconds for a call."""

    flops: float
    bytes: float
    call: float

    def __str__(self) -> str:
        return (
            f"{self.flops / 1e9:.3g} Gflop/s in matrix products, "
            f"{self.bytes / 1e9:.3g} GB/s to and from memory, {Seconds(self.call)} a call"
        )


def _best(call: Callable[[], Any], seconds: float) -> float:
    """The shortest of the calls that fit into a time: what disturbs only makes it longer."""
    call()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


@cache
def limits() -> Limits:
    """The limits of this machine, measured in some 50 ms when first asked for."""
    a = np.ones((256, 256), np.float32)
    product = np.empty_like(a)
    flops = 2 * 256**3 / _best(lambda: np.matmul(a, a, out=product), 0.015)
    x = np.ones(1 << 21, np.float32)  # 8 MB and 8 MB: more than the caches near a core hold
    y = np.empty_like(x)
    moved = (x.nbytes + y.nbytes) / _best(lambda: np.copyto(y, x), 0.015)
    few = np.zeros(4, np.float32)
    return Limits(flops, moved, _best(lambda: np.add(few, few, out=few), 0.005))


def estimate(graph: Graph) -> Seconds:
    """The sum over all equations of the larger of arithmetic and memory, and of the calls."""
    machine = limits()
    total = 0.0
    for e in graph.equations:
        if e.out.spec.number:
            continue
        cost = e.cost()
        total += max(cost.flops / machine.flops, cost.bytes / machine.bytes) + machine.call
    return Seconds(total)
