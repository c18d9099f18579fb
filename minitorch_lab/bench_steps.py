"""A training step as a function, and how long calls take: what all benchmarks share."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


def training_step(work: tuple[Any, Any, Any, Any, Any]) -> tuple[Callable[..., Any], Any, Any]:
    """One whole step as a function of a batch."""
    model, criterion, optimizer, x, y = work

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, x, y


def interleaved(
    candidates: Mapping[str, Callable[[], Any]],
    rounds: int,
    seconds: float,
    calls: tuple[int, int] = (3, 10**9),
) -> dict[str, float]:
    """Median seconds of a call, each candidate measured in every round.

    A turn takes about ``seconds``, and between so many and so many ``calls``.
    """
    counts = {}
    for name, call in candidates.items():
        call()
        start = time.perf_counter()
        call()
        once = max(time.perf_counter() - start, 1e-7)
        counts[name] = min(max(calls[0], int(seconds / once)), calls[1])
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            times = []
            for _ in range(counts[name]):
                start = time.perf_counter()
                call()
                times.append(time.perf_counter() - start)
            found[name].append(statistics.median(times))
    return {name: statistics.median(values) for name, values in found.items()}
