"""Learning rates that change with the steps: ``optimizers.schedules``."""

from __future__ import annotations

import math
from typing import Any

from ....errors import ArgumentError
from ....tensor import Tensor


class LearningRateSchedule:
    """Called with the number of the step it gives the learning rate. A subclass writes it."""

    def __call__(self, step: Any) -> Any:
        """The learning rate of a step."""
        raise NotImplementedError(f"{type(self).__name__}: define def __call__(self, step):")

    def get_config(self) -> dict[str, Any]:
        """The arguments with which it can be made again."""
        return dict(vars(self))


def _number(step: Any) -> float:
    return float(step.item()) if isinstance(step, Tensor) else float(step)


class ExponentialDecay(LearningRateSchedule):
    """The rate times ``decay_rate`` after each ``decay_steps``; with ``staircase`` in jumps.

    >>> ExponentialDecay(1.0, 10, 0.5)(20)
    0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.decay_rate, self.staircase, self.name = decay_rate, staircase, name
        _need_steps(decay_steps)

    def __call__(self, step: Any) -> float:
        """The learning rate of a step."""
        share = _number(step) / self.decay_steps
        share = math.floor(share) if self.staircase else share
        return float(self.initial_learning_rate * self.decay_rate**share)


class InverseTimeDecay(LearningRateSchedule):
    """The rate divided by ``1 + decay_rate * step / decay_steps``."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.decay_rate, self.staircase, self.name = decay_rate, staircase, name
        _need_steps(decay_steps)

    def __call__(self, step: Any) -> float:
        """The learning rate of a step."""
        share = _number(step) / self.decay_steps
        share = math.floor(share) if self.staircase else share
        return self.initial_learning_rate / (1 + self.decay_rate * share)


class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` up to the step ``boundaries[i]``, and the last of them after that.

    >>> rate = PiecewiseConstantDecay([100, 200], [1.0, 0.5, 0.1])
    >>> rate(100), rate(101), rate(1000)
    (1.0, 0.5, 0.1)
    """

    def __init__(self, boundaries: Any, values: Any, name: str = "PiecewiseConstant") -> None:
        if len(boundaries) != len(values) - 1:
            raise ArgumentError(
                f"PiecewiseConstantDecay(boundaries, values): got {len(boundaries)} boundaries and "
                f"{len(values)} values\n  expected one value more than boundaries"
            )
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step: Any) -> float:
        """The learning rate of a step."""
        passed = sum(_number(step) > at for at in self.boundaries)
        return float(self.values[passed])


class PolynomialDecay(LearningRateSchedule):
    """From the first rate to ``end_learning_rate`` in ``decay_steps``, along a power."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.end_learning_rate, self.power = end_learning_rate, power
        self.cycle, self.name = cycle, name
        _need_steps(decay_steps)

    def __call__(self, step: Any) -> float:
        """The learning rate of a step."""
        now, steps = _number(step), self.decay_steps
        if self.cycle:
            steps = steps * max(1, math.ceil(now / steps))
        left = (1 - min(now, steps) / steps) ** self.power
        low = self.end_learning_rate
        return float((self.initial_learning_rate - low) * left + low)


class CosineDecay(LearningRateSchedule):
    """Half a wave of the cosine down to ``alpha`` times the rate, after a rise (``warmup``).

    Source: Loshchilov and Hutter (2017).
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.alpha, self.name = alpha, name
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps
        _need_steps(decay_steps)

    def __call__(self, step: Any) -> float:
        """The learning rate of a step."""
        now, top = _number(step), self.initial_learning_rate
        if self.warmup_target is not None:
            if now < self.warmup_steps:
                return top + (self.warmup_target - top) * now / self.warmup_steps
            now, top = now - self.warmup_steps, self.warmup_target
        share = min(now, self.decay_steps) / self.decay_steps
        return top * ((1 - self.alpha) * 0.5 * (1 + math.cos(math.pi * share)) + self.alpha)


class CosineDecayRestarts(LearningRateSchedule):
    """Half waves of the cosine, each ``t_mul`` times as long and ``m_mul`` times as high."""

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps, self.t_mul, self.m_mul = first_decay_steps, t_mul, m_mul
        self.alpha, self.name = alpha, name
        _need_steps(first_decay_steps)

    def __call__(self, step: Any) -> float:
        """The learning rate of a step."""
        left, length, height = _number(step), float(self.first_decay_steps), 1.0
        while left >= length:
            left, length, height = left - length, length * self.t_mul, height * self.m_mul
        wave = 0.5 * height * (1 + math.cos(math.pi * left / length))
        return self.initial_learning_rate * ((1 - self.alpha) * wave + self.alpha)


def _need_steps(steps: Any) -> None:
    if not steps > 0:
        raise ArgumentError(f"decay_steps: expected a number above 0, got {steps!r}")
