"""What is measured beside the loss: norms, speed, memory, and metrics of the learner's own.

None of it is part of a step, so a compiled step stays as it is. A step is looked at 30 times a
second at most, and less often where looking would take more than a hundredth of the run's time.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..device import namespace_of, to_host
from ..errors import ArgumentError, KindError
from ..errors import describe as describe_value
from ..nn import Conv1d, Conv2d, Linear, Module
from ..tensor import Tensor, no_grad
from .guards import VANISHED

if TYPE_CHECKING:
    from .loop import Loop
    from .training import Training

PACE = 1 / 15  # seconds between two looks: a norm is read, not watched
SHARE = 0.01  # of the run's time that looking may take
SLOW = 1.0  # where there is nothing but speed and memory to see
WINDOW = 1.0  # seconds over which steps per second are counted

UNITS = (Linear, Conv1d, Conv2d)  # layers whose outputs are called units

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

    def __init__(
        self, run: Training | Loop, metrics: Mapping[str, Metric] | None, part: float = 1.0
    ) -> None:
        self._run = run
        self._part = part  # of that share
        self.metrics = named(metrics)
        self.due = True  # the next step is looked at
        self.next = 0.0
        self._before: list[Any] = []
        self._spent = 0.0
        self._layers: list[Layer] | None = None
        self.faint = 0  # looks in a row that found a layer with hardly a gradient

    @property
    def layers(self) -> list[Layer]:
        """The layers with weights, in the order of the model, as they were when last looked at."""
        return self._layers or []

    def before(self) -> None:
        """A step that is looked at begins."""
        began = time.perf_counter()
        self._before = [p.array.copy() for p in self._parameters()]
        self._spent = time.perf_counter() - began

    def after(self, output: Tensor | None = None, target: Tensor | None = None) -> None:
        """It has ended: the norms of gradient, weights and update, and all the rest."""
        began = time.perf_counter()
        run, parameters = self._run, self._parameters()
        values: dict[str, float] = {} if run.lr is None else {"lr": run.lr}
        if parameters:
            weights = [p.array for p in parameters]
            size = norm(weights)
            values["gradient_norm"] = self._gradients(parameters)
            values["weight_norm"] = size
            if len(weights) == len(self._before):
                moved = norm(now - then for now, then in zip(weights, self._before, strict=True))
                values["update_ratio"] = moved / size if size else math.nan
        if output is not None and target is not None:
            values |= self.measure(output, target)
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
        pace = PACE if parameters else SLOW
        self.next = now + max(pace, (now - began + self._spent) / (SHARE * self._part))

    def _gradients(self, parameters: list[Tensor]) -> float:
        """The norm of all gradients; those of each layer, and its units without one, are kept."""
        given = [p.grad.array for p in parameters if p.grad is not None]
        squares = numbers([(g * g).sum() for g in given])
        if self._layers is None:
            self._layers = layers(self._run.model)
        owners = [id(p) for p in parameters if p.grad is not None]
        found = dict(zip(owners, squares, strict=True))
        total = sum(squares)
        for layer in self._layers:
            layer.look(found.get(id(layer.weight)), total)
        sizes = [layer.gradient for layer in self._layers if layer.gradient > 0]
        low = bool(sizes) and min(sizes) < VANISHED * max(sizes)
        self.faint = self.faint + 1 if low else 0
        return math.sqrt(total)

    def measure(self, output: Tensor, target: Tensor) -> dict[str, float]:
        """The learner's metrics of a batch."""
        with no_grad():
            return {
                name: value(f"train: metrics[{name!r}] gave", f(output, target))
                for name, f in self.metrics.items()
            }

    def _parameters(self) -> list[Tensor]:
        run = self._run
        if run.optimizer is not None:
            return [p for group in run.optimizer.param_groups for p in group["params"]]
        return [] if run.model is None else list(run.model.parameters())


@dataclass(eq=False)
class Layer:
    """A layer with weights. ``gradient``: the root mean square of theirs when last looked at.
    ``idle``: for how many looks in a row each of its units has had no gradient at all."""

    name: str
    weight: Tensor
    bias: Tensor | None
    gradient: float = math.nan
    idle: Any = 0

    def look(self, square: float | None, total: float) -> None:
        """The gradient of a step: the sum of its squares, and that of all layers."""
        weight = self.weight
        if square is None or weight.grad is None:
            self.gradient, self.idle = math.nan, 0
            return
        self.gradient = math.sqrt(square / max(weight.array.size, 1))
        bias = None if self.bias is None else self.bias.grad
        if bias is not None:
            none = to_host(bias.array) == 0
        else:
            none = ~to_host(weight.grad.array.any(axis=tuple(range(1, weight.ndim))))
        if total:  # else nothing is left to learn, and no unit is to blame
            self.idle = (self.idle + 1) * none


def layers(model: Module | None) -> list[Layer]:
    """The linear and convolutional layers of a model."""
    found = []
    for name, module in () if model is None else model.named_modules():
        if isinstance(module, UNITS):
            found.append(Layer(name or type(module).__name__, module.weight, module.bias))
    return found


def numbers(scalars: list[Any]) -> list[float]:
    """Arrays of one entry as numbers: on a GPU one wait for all."""
    if not scalars or isinstance(scalars[0], np.generic):
        return [float(scalar) for scalar in scalars]
    stacked: list[float] = to_host(namespace_of(scalars[0]).stack(scalars)).tolist()
    return stacked


def norm(arrays: Iterable[Any]) -> float:
    """The Euclidean norm of all entries of some arrays."""
    return math.sqrt(sum(numbers([(array * array).sum() for array in arrays])))


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


def value(where: str, result: Any) -> float:
    """What a metric gave, or what was logged, as a number."""
    try:
        return float(result.item() if hasattr(result, "item") else result)
    except (TypeError, ValueError, RuntimeError):
        raise KindError(
            f"{where} {describe_value(result)}\n"
            "  expected a number, or a tensor of one entry: end it with .mean()"
        ) from None
