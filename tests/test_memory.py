"""A long training holds no more memory at its end than near its start."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from typing import Any

import pytest

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.tape import Node
from minitorch_lab.tensor import Tensor


def alive() -> tuple[int, int, int]:
    """Nodes, tensors, and blocks of memory that Python holds: each array takes some."""
    gc.collect()
    kinds = Counter(type(o) for o in gc.get_objects())
    counts = [sum(n for k, n in kinds.items() if issubclass(k, base)) for base in (Node, Tensor)]
    return counts[0], counts[1], sys.getallocatedblocks()


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_ten_thousand_steps_hold_no_more_than_a_hundred(mode: str) -> None:
    lab.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    x, y = lab.randn(8, 4), lab.randint(0, 2, (8,))

    @lab.function
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    with lab.mode(mode):
        for i in range(10_000):
            loss = step(x, y)
            if i == 99:
                early = alive()
        late = alive()
    assert loss.item() < 0.1
    assert late[:2] == early[:2]
    assert late[2] < early[2] + 300  # a leak of one block a step would be 9,900
