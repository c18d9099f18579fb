"""Buffer planning: which results share memory.

A result needs its buffer from the equation that makes it to the last one that reads it, itself
or through a view. After that the buffer is free for a later result of the same size.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from .ir import Equation, Graph, Var

# Left out of a plan, no step is called together with others: each by itself, between ``begin(i)``
# and ``end(i)``. Whoever takes its time puts these two into the plan's scope.
TOGETHER = "together"


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """For each value: the value whose memory it uses, and the last equation that reads it."""

    root: dict[int, int]
    last_use: dict[int, int]  # by root


def lifetimes(graph: Graph) -> Lifetimes:
    """Follow views to their roots and find the last reader of each root."""
    root: dict[int, int] = {}
    last: dict[int, int] = defaultdict(lambda: -1)
    for i, e in enumerate(graph.equations):
        for x in e.inputs:
            if isinstance(x, Var):
                last[root.get(x.id, x.id)] = i
        first = e.inputs[0] if e.inputs else None
        if e.op.view and isinstance(first, Var):
            root[e.out.id] = root.get(first.id, first.id)
    end = len(graph.equations)
    for v in graph.results:
        last[root.get(v.id, v.id)] = end
    return Lifetimes(root, dict(last))


class Pool:
    """Numbers of buffers by size and device; a freed one is taken before a new one is made."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._devices: list[str] = []
        self._free: dict[tuple[int, str], list[int]] = defaultdict(list)

    def take(self, nbytes: int, device: str = "cpu") -> int:
        """A buffer of this size."""
        if self._free[nbytes, device]:
            return self._free[nbytes, device].pop()
        self.sizes.append(nbytes)
        self._devices.append(device)
        return len(self.sizes) - 1

    def give(self, buffer: int) -> None:
        """A buffer that nothing reads any more."""
        self._free[self.sizes[buffer], self._devices[buffer]].append(buffer)


def elementwise(e: Equation) -> bool:
    """Whether an equation reads each entry before it writes the one at the same place."""
    return e.op.ufunc is not None


def same_layout(v: Var, e: Equation) -> bool:
    """Whether the result of ``e`` may be written over ``v``."""
    return v.spec.shape == e.out.spec.shape and v.spec.dtype == e.out.spec.dtype
