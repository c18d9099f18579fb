"""What is measured beside the loss: norms, speed, memory, and metrics of the learner's own.

None of it is part of a step, so a compiled step stays as it is. A step is looked at 30 times a
second at most, and less often where looking would take more than a hundredth of the run's time.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..device import to_host
from ..errors import ArgumentError, KindError
from ..errors import describe as describe_value
from ..tensor import Tensor, no_grad

if TYPE_CHECKING:
    from .training import Training

PACE = 1 / 30  # seconds between two looks
SHARE = 0.01  # of the run's time that looking may take
WINDOW = 1.0  # seconds over which steps per second are counted

Metric = Callable[[Tensor, Tensor], Any]

# Every stream that a run has by itself, in the order of the panel, with its name there.
STREAMS = {
    "loss": "loss",
    "accuracy": "accuracy",
    "lr": "learning rate",
    "gradient_norm": "gradient norm",
    "weight_norm": "weight norm",
    "update_ratio": "update ratio",
    "steps_per_second": "steps/s",
    "samples_per_second": "samples/s",
    "memory": "memory, MB",
}


class Meter:
    """Steps per second of one mode, over the last second or so of its own time."""

    def __init__(self) -> None:
        self.rate: float | None = None
        self._count = 0
        self._spent = 0.0

    def add(self, seconds: float) -> None:
        """Count one step that took ``seconds``."""
        self._count += 1
        self._spent += seconds
        if self._spent >= WINDOW:
            self.settle()

    def settle(self) -> None:
        """Take what was counted as the rate, unless it is too little to say anything."""
        if self._count >= 5 and self._spent > 0:
            self.rate = self._count / self._spent
        if self._spent >= WINDOW:
            self._count, self._spent = 0, 0.0


class Gauges:
    """Looks at a step now and then and logs what it saw in the run's history."""

    def __init__(self, run: Training, metrics: Mapping[str, Metric] | None) -> None:
        self._run = run
        self.metrics = named(metrics)
        self.due = True  # the next step is looked at
        self.next = 0.0
        self._before: list[Any] = []
        self._spent = 0.0

    def before(self) -> None:
        """A step that is looked at begins."""
        began = time.perf_counter()
        self._before = [p.array.copy() for p in self._parameters()]
        self._spent = time.perf_counter() - began

    def after(self, output: Tensor, target: Tensor) -> None:
        """It has ended: the norms of gradient, weights and update, and all the rest."""
        began = time.perf_counter()
        run, weights = self._run, [p.array for p in self._parameters()]
        gradients = [p.grad.array for p in self._parameters() if p.grad is not None]
        size = norm(weights)
        values = {
            "lr": run.lr,
            "gradient_norm": norm(gradients),
            "weight_norm": size,
            **self.measure(output, target),
        }
        if len(weights) == len(self._before):
            moved = norm(now - then for now, then in zip(weights, self._before, strict=True))
            values["update_ratio"] = moved / size if size else math.nan
        rate = run.speed[run.mode]
        if rate is not None:
            values["steps_per_second"] = rate
            values["samples_per_second"] = rate * run.batch_size
        used = memory()
        if used is not None:
            values["memory"] = used
        self._before = []
        run.history.log(**values)
        now = time.perf_counter()
        self.due = False
        self.next = now + max(PACE, (now - began + self._spent) / SHARE)

    def measure(self, output: Tensor, target: Tensor) -> dict[str, float]:
        """The learner's metrics of a batch."""
        with no_grad():
            return {name: value(name, f(output, target)) for name, f in self.metrics.items()}

    def _parameters(self) -> list[Tensor]:
        return [p for group in self._run.optimizer.param_groups for p in group["params"]]


def norm(arrays: Iterable[Any]) -> float:
    """The Euclidean norm of all entries of some arrays: on a GPU one wait for all."""
    total: Any = 0.0
    for array in arrays:
        total = total + (array * array).sum()
    return math.sqrt(float(to_host(total)) if hasattr(total, "shape") else total)


def memory() -> float | None:
    """Megabytes of memory that this process takes; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def named(metrics: Any) -> dict[str, Metric]:
    """The learner's metrics, checked."""
    if metrics is None:
        return {}
    expected = 'metrics={"name": fn}, with fn(output, target) giving a number'
    if not isinstance(metrics, Mapping):
        raise KindError(f"train: metrics is {describe_value(metrics)}\n  expected {expected}")
    for name, function in metrics.items():
        if not isinstance(name, str) or not callable(function):
            words = f"{name!r}: {describe_value(function)}"
            raise KindError(f"train: metrics has {words}\n  expected {expected}")
        if not name or name in STREAMS:
            raise ArgumentError(
                f"train: metrics has the name {name!r}, which is taken\n  give it another name"
            )
    return dict(metrics)


def value(name: str, result: Any) -> float:
    """What a metric gave, as a number."""
    try:
        return float(result.item() if hasattr(result, "item") else result)
    except (TypeError, ValueError, RuntimeError):
        raise KindError(
            f"train: metrics[{name!r}] gave {describe_value(result)}\n"
            "  expected a number, or a tensor of one entry: end it with .mean()"
        ) from None
