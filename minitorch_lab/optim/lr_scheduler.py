"""Learning rates that change from epoch to epoch, with PyTorch's names and numbers.

Call ``scheduler.step()`` once after each epoch (``OneCycleLR``: after each batch). A schedule
writes ``optimizer.param_groups[i]["lr"]``; graph mode reads it in each step and traces nothing
anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from math import cos, inf, pi
from typing import Any

from ..errors import ArgumentError, KindError, describe
from .optimizer import CYCLED, Group, Optimizer


class LRScheduler:
    """What all schedules share. A subclass writes ``get_lr``: the next rate of each group."""

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        _need_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ArgumentError(
                    f"last_epoch={last_epoch}: param_groups[{i}] has no 'initial_lr'\n"
                    "  expected an optimiser whose state_dict comes from one with a scheduler"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self.step()

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``last_epoch``."""
        raise NotImplementedError

    def get_last_lr(self) -> list[Any]:
        """The rates that the last step set."""
        return self._last_lr

    def step(self) -> None:
        """Go on by one epoch."""
        self._step_count += 1
        self.last_epoch += 1
        self._set(self.get_lr())

    def _set(self, rates: Sequence[Any]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _rates(self) -> list[Any]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> Group:
        """Everything but the optimiser."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict: Group) -> None:
        """Take the state of another scheduler of this kind over."""
        self.__dict__.update(state_dict)


class StepLR(LRScheduler):
    """The rate times ``gamma`` every ``step_size`` epochs."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if step_size < 1:
            raise ArgumentError(f"step_size={step_size}: expected 1 or more")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``last_epoch``."""
        falls = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return [lr * self.gamma if falls else lr for lr in self._rates()]


class MultiStepLR(LRScheduler):
    """The rate times ``gamma`` at each epoch in ``milestones``."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Sequence[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``last_epoch``."""
        factor = self.gamma ** self.milestones.get(self.last_epoch, 0)
        return [lr * factor for lr in self._rates()]


class ExponentialLR(LRScheduler):
    """The rate times ``gamma`` in each epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``last_epoch``."""
        return [lr * self.gamma if self.last_epoch > 0 else lr for lr in self._rates()]


class LinearLR(LRScheduler):
    """From ``start_factor`` to ``end_factor`` times the first rate, in equal steps."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ArgumentError(f"start_factor={start_factor}: expected above 0, up to 1")
        if not 0 <= end_factor <= 1:
            raise ArgumentError(f"end_factor={end_factor}: expected 0 to 1")
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        part = min(epoch, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * part

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``last_epoch``."""
        t = self.last_epoch
        if t > self.total_iters:
            return self._rates()
        ratio = self._factor(t) if t == 0 else self._factor(t) / self._factor(t - 1)
        return [lr * ratio for lr in self._rates()]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine, from the first rate down to ``eta_min`` in ``T_max`` epochs.

    Source: Loshchilov and Hutter (2017), without the restarts.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``last_epoch``."""
        t, end = self.last_epoch, self.eta_min
        if t == 0:
            return self._rates()
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:  # at the bottom: nothing to scale
            up = (1 - cos(pi / self.T_max)) / 2
            pairs = zip(self.base_lrs, self._rates(), strict=True)
            return [lr + (base - end) * up for base, lr in pairs]
        ratio = (1 + cos(pi * t / self.T_max)) / (1 + cos(pi * (t - 1) / self.T_max))
        return [ratio * (lr - end) + end for lr in self._rates()]


class LambdaLR(LRScheduler):
    """The first rate times ``lr_lambda(epoch)``; a list gives a function for each group."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        _need_optimizer(optimizer)
        n = len(optimizer.param_groups)
        self.lr_lambdas = (
            list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * n
        )
        if len(self.lr_lambdas) != n:
            raise ArgumentError(f"lr_lambda: expected {n} functions, got {len(self.lr_lambdas)}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``last_epoch``."""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * factor(self.last_epoch) for base, factor in pairs]

    def state_dict(self) -> Group:
        """Everything but the optimiser and the functions, which stay as they are on loading."""
        return {**super().state_dict(), "lr_lambdas": [None] * len(self.lr_lambdas)}

    def load_state_dict(self, state_dict: Group) -> None:
        """Take the state of another scheduler of this kind over."""
        super().load_state_dict({**state_dict, "lr_lambdas": self.lr_lambdas})


class OneCycleLR(LRScheduler):
    """Up to ``max_lr`` and far down again, once in all training; momentum goes the other way.

    Give ``total_steps``, or ``epochs`` and ``steps_per_epoch``. Call ``step()`` after each batch.
    Source: Smith and Topin (2017).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        _need_optimizer(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ArgumentError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if total_steps < 1:
            raise ArgumentError(f"total_steps={total_steps}: expected 1 or more")
        if not 0 <= pct_start <= 1:
            raise ArgumentError(f"pct_start={pct_start}: expected 0 to 1")
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f"anneal_strategy={anneal_strategy!r}: expected 'cos' or 'linear'")
        self.total_steps, self.cycle_momentum = total_steps, cycle_momentum
        self.anneal_strategy = anneal_strategy
        up = float(pct_start * total_steps) - 1
        end = total_steps - 1
        # a phase: its last step, the keys of the rates and of the momenta that it goes between
        self.phases: list[tuple[float, str, str, str, str]]
        if three_phase:
            self.phases = [
                (up, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                (2 * up, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                (end, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self.phases = [
                (up, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                (end, "max_lr", "min_lr", "base_momentum", "max_momentum"),
            ]
        groups = optimizer.param_groups
        if cycle_momentum and not any(k in optimizer.defaults for k in ("momentum", "betas")):
            raise ArgumentError("cycle_momentum=True: this optimiser has no momentum and no betas")
        if last_epoch == -1:
            for group, peak in zip(groups, _for_each("max_lr", max_lr, optimizer), strict=True):
                group["max_lr"], group["initial_lr"] = peak, peak / div_factor
                group["min_lr"] = group["initial_lr"] / final_div_factor
            if cycle_momentum:
                lows = _for_each("base_momentum", base_momentum, optimizer)
                highs = _for_each("max_momentum", max_momentum, optimizer)
                for group, low, high in zip(groups, lows, highs, strict=True):
                    group["base_momentum"], group[CYCLED] = low, high
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``last_epoch``; sets the momenta too."""
        t = self.last_epoch
        if t > self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: step {t} of {self.total_steps}\n"
                "  expected no more steps than total_steps: one for each batch of the training"
            )
        last = len(self.phases) - 1
        i = next(i for i, phase in enumerate(self.phases) if t <= phase[0] or i == last)
        start = self.phases[i - 1][0] if i else 0
        end, *keys = self.phases[i]
        part = (t - start) / (end - start) if end != start else 1.0
        out = []
        for group in self.optimizer.param_groups:
            out.append(self._between(group[keys[0]], group[keys[1]], part))
            if self.cycle_momentum:
                momentum = self._between(group[keys[2]], group[keys[3]], part)
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        return out

    def _between(self, a: float, b: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return (b - a) * part + a
        return b + (a - b) / 2 * (1 + cos(pi * part))


class SequentialLR(LRScheduler):
    """One schedule after another: ``schedulers[i + 1]`` takes over at epoch ``milestones[i]``."""

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        _need_optimizer(optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"milestones: expected {len(schedulers) - 1} for {len(schedulers)} schedulers, "
                f"got {len(milestones)}"
            )
        for i, scheduler in enumerate(schedulers):
            if scheduler.optimizer is not optimizer:
                raise ArgumentError(f"schedulers[{i}] belongs to another optimiser")
        self.optimizer = optimizer
        self._schedulers, self._milestones = list(schedulers), list(milestones)
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:  # each schedule took a first step when it was made
            group["lr"] = group["initial_lr"]
        for scheduler in schedulers:
            scheduler.last_epoch -= 1
        self._schedulers[0].step()
        self._last_lr = self._schedulers[0].get_last_lr()

    def step(self) -> None:
        """Go on by one epoch."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i and self._milestones[i - 1] == self.last_epoch:
            for group in self.optimizer.param_groups:
                group["lr"] = group["initial_lr"]
            scheduler.last_epoch = -1
        scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> Group:
        """The state of each schedule, and where the sequence is."""
        inner = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": inner}

    def load_state_dict(self, state_dict: Group) -> None:
        """Take the state of another scheduler of this kind over."""
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)
        super().load_state_dict({**state_dict, "_schedulers": self._schedulers})


class ReduceLROnPlateau(LRScheduler):
    """The rate times ``factor`` when ``step(metric)`` saw no progress for ``patience`` epochs."""

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        _need_optimizer(optimizer)
        if not factor < 1:
            raise ArgumentError(f"factor={factor}: expected below 1")
        if mode not in ("min", "max"):
            raise ArgumentError(f"mode={mode!r}: expected 'min' or 'max'")
        if threshold_mode not in ("rel", "abs"):
            raise ArgumentError(f"threshold_mode={threshold_mode!r}: expected 'rel' or 'abs'")
        self.optimizer = optimizer
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.cooldown_counter = cooldown, 0
        self.min_lrs = _for_each("min_lr", min_lr, optimizer)
        self.eps = eps
        self.best = inf if mode == "min" else -inf
        self.num_bad_epochs = 0
        self.last_epoch = 0
        self._last_lr = self._rates()

    def step(self, metrics: Any = None) -> None:
        """Go on by one epoch, in which the loss (or ``mode="max"``: the accuracy) was this."""
        if metrics is None:
            raise KindError(
                "ReduceLROnPlateau.step(metrics): the loss of this epoch is needed\n"
                "  write scheduler.step(loss)"
            )
        value = float(metrics)
        self.last_epoch += 1
        if self._better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            pairs = zip(self._rates(), self.min_lrs, strict=True)
            lower = [(lr, max(lr * self.factor, low)) for lr, low in pairs]
            self._set([new if lr - new > self.eps else lr for lr, new in lower])
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    def _better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return sign * value > sign * self.best * (1 + sign * self.threshold)
        return sign * value > sign * (self.best + sign * self.threshold)


def _for_each(name: str, value: Any, optimizer: Optimizer) -> list[float]:
    """One value for each group."""
    n = len(optimizer.param_groups)
    values = list(value) if isinstance(value, (list, tuple)) else [value] * n
    if len(values) != n:
        raise ArgumentError(f"{name}: expected {n} values, one for each group, got {len(values)}")
    return values


def _need_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise KindError(f"optimizer: expected an optimiser, got {describe(optimizer)}")


__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
