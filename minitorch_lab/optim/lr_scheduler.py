"""Learning rates that change from epoch to epoch, with PyTorch's names and numbers.

Call ``scheduler.step()`` once after each epoch (``OneCycleLR``: after each batch). A schedule
writes ``optimizer.param_groups[i]["lr"]``; graph mode reads it in each step and traces nothing
anew. In a compiled function, where it comes last, a schedule goes on at the end of each run. What
``optimizer.step()`` of the first epoch uses is the rate that the schedule starts with.
"""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial, wraps
from math import cos, floor, inf, log, pi
from typing import Any, TypeVar, cast

from ..errors import ArgumentError, KindError, describe
from ..op import current
from .optimizer import CYCLED, Group, MissingError, Optimizer

F = TypeVar("F", bound=Callable[..., None])


def _in_each_run(step: F) -> F:
    """A schedule counts in Python: a compiled function does so at the end of each run."""

    @wraps(step)
    def counted(self: Any, *args: Any, **kwargs: Any) -> None:
        call = partial(step, self, *args, **kwargs)
        words = f"{type(self).__name__}.step()"
        if not current().postpone(call, words, self.optimizer.param_groups):
            call()

    return cast("F", counted)


class LRScheduler:
    """What all schedules share. A subclass writes ``get_lr``: the next rate of each group."""

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        _need_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise MissingError(
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

    @_in_each_run
    def step(self) -> None:
        """Go on by one epoch."""
        self._count()
        self.last_epoch += 1
        self._set(self.get_lr())

    def _count(self) -> None:
        """Count the step; the first one comes with the making, before optimizer.step()."""
        own = type(self.optimizer).step.__module__.startswith(_PACKAGE)
        if self._step_count == 1 and own and not self.optimizer.stepped:
            warnings.warn(
                "lr_scheduler.step() came before optimizer.step(): "
                f"{type(self).__name__} skips its first rate\n"
                "  write optimizer.step(), and scheduler.step() at the end of the epoch",
                UserWarning,
                stacklevel=4,
            )
        self._step_count += 1

    def _undo(self) -> None:
        """Take the step back that came with the making: a sequence starts this schedule later."""
        self.last_epoch -= 1
        self._step_count = 0

    def _restart(self) -> None:
        """Begin at epoch 0, from the first rates."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self.last_epoch, self._step_count = -1, 0
        self.step()

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
        if "last_epoch" not in state_dict and "_last_lr" not in state_dict:
            raise MissingError(
                "load_state_dict: there is no 'last_epoch'\n"
                f"  keys  {', '.join(map(str, list(state_dict)[:5]))}\n"
                "  expected what scheduler.state_dict() gives"
            )
        self.__dict__.update(state_dict)


class StepLR(LRScheduler):
    """The rate times ``gamma`` every ``step_size`` epochs."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        _need_optimizer(optimizer)
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
        _need_optimizer(optimizer)
        if not isinstance(milestones, (list, tuple)):
            raise KindError(f"milestones: expected a list of epochs, got {describe(milestones)}")
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


class ConstantLR(LRScheduler):
    """``factor`` times the first rate for ``total_iters`` epochs, then the rate itself."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < factor <= 1:
            raise ArgumentError(f"factor={factor}: expected above 0, up to 1")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``last_epoch``."""
        if self.last_epoch == 0:
            return [lr * self.factor for lr in self._rates()]
        ends = self.last_epoch == self.total_iters
        return [lr * (1 / self.factor) if ends else lr for lr in self._rates()]


class PolynomialLR(LRScheduler):
    """Down to 0 in ``total_iters`` epochs: the rate times (1 - epoch / total_iters) ** power."""

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``last_epoch``."""
        t, n = self.last_epoch, self.total_iters
        if t == 0 or t > n:
            return self._rates()
        factor = ((1 - t / n) / (1 - (t - 1) / n)) ** self.power
        return [lr * factor for lr in self._rates()]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine, from the first rate down to ``eta_min`` in ``T_max`` epochs.

    Source: Loshchilov and Hutter (2017), without the restarts.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        _need_optimizer(optimizer)
        if T_max < 1:
            raise ArgumentError(
                f"T_max={T_max}: expected 1 or more\n"
                "  it is the number of epochs from the first rate down to eta_min"
            )
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


class MultiplicativeLR(LambdaLR):
    """The rate times ``lr_lambda(epoch)`` in each epoch; a list gives a function for each group."""

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``last_epoch``."""
        if self._step_count == 1:
            return self._rates()
        pairs = zip(self._rates(), self.lr_lambdas, strict=True)
        return [lr * factor(self.last_epoch) for lr, factor in pairs]

    def _restart(self) -> None:
        """Go on from the rates that are there, with the factor of epoch 0."""
        self.last_epoch, self._step_count = 0, 2
        self._set(self.get_lr())


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half cosines down to ``eta_min``, each from the first rate again and ``T_mult`` times longer.

    The first one takes ``T_0`` epochs. ``step(epoch)`` takes parts of epochs too:
    ``step(epoch + i / batches)``. Source: Loshchilov and Hutter (2017).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ArgumentError(f"{name}={value}: expected an int of 1 or more")
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``T_cur`` of ``T_i`` epochs."""
        share = (1 + cos(pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    @_in_each_run
    def step(self, epoch: float | None = None) -> None:
        """Go on by one epoch, or to ``epoch``."""
        if epoch is not None and epoch < 0:
            raise ArgumentError(f"epoch={epoch}: expected 0 or more")
        self._count()
        if epoch is None and self.last_epoch >= 0:
            self.last_epoch += 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur % self.T_i, self.T_i * self.T_mult
        else:
            self._go_to(0 if epoch is None else epoch)
        self._set(self.get_lr())

    def _go_to(self, epoch: float) -> None:
        self.last_epoch = floor(epoch)
        if self.T_mult == 1:
            self.T_cur = epoch % self.T_0
            return
        past = int(log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
        self.T_i = self.T_0 * self.T_mult**past
        self.T_cur = epoch - self.T_0 * (self.T_mult**past - 1) / (self.T_mult - 1)


SCALES: dict[str, Callable[[float, float], float]] = {  # of a cycle or a step, with gamma
    "triangular": lambda n, gamma: 1.0,
    "triangular2": lambda n, gamma: 1 / 2.0 ** (n - 1),
    "exp_range": lambda n, gamma: gamma**n,
}


class CyclicLR(LRScheduler):
    """Up and down between ``base_lr`` and ``max_lr``; momentum goes the other way.

    A way up takes ``step_size_up`` steps. ``mode`` says how the height changes: "triangular" (not
    at all), "triangular2" (half in each cycle), "exp_range" (gamma ** step). ``scale_fn`` takes
    its place: of the cycle or of the step, by ``scale_mode``. Call ``step()`` after each batch.
    Source: Smith (2017).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        _need_optimizer(optimizer)
        if mode not in SCALES and scale_fn is None:
            raise ArgumentError(f"mode={mode!r}: expected one of {', '.join(SCALES)}")
        self.lows, self.max_lrs = (
            _for_each(name, value, optimizer)
            for name, value in (("base_lr", base_lr), ("max_lr", max_lr))
        )
        down = step_size_up if step_size_down is None else step_size_down
        if step_size_up <= 0 or down < 0:
            raise ArgumentError(f"step_size_up={step_size_up}: expected 1 or more")
        self.total_size, self.step_ratio = step_size_up + down, step_size_up / (step_size_up + down)
        self.mode, self.gamma, self._scale = mode, gamma, scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        groups = optimizer.param_groups
        if cycle_momentum:
            _need_momentum(optimizer)
            lows = _for_each("base_momentum", base_momentum, optimizer)
            highs = _for_each("max_momentum", max_momentum, optimizer)
            for group, a, b in zip(groups, lows, highs, strict=True):
                group["base_momentum"], group[CYCLED] = a, b
        if last_epoch == -1:
            for group, lr in zip(groups, self.lows, strict=True):
                group["lr"] = lr
        super().__init__(optimizer, last_epoch)
        self.base_lrs = self.lows

    def get_lr(self) -> list[Any]:
        """The rate of each group for ``last_epoch``; sets the momenta too."""
        cycle = floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        rising = x <= self.step_ratio
        height = x / self.step_ratio if rising else (x - 1) / (self.step_ratio - 1)
        n = cycle if self.scale_mode == "cycle" else self.last_epoch
        height *= self._scale(n) if self._scale else SCALES[self.mode](n, self.gamma)
        for group in self.optimizer.param_groups if self.cycle_momentum else ():
            low, high = group["base_momentum"], group[CYCLED]
            _set_momentum(group, high - (high - low) * height)
        return [a + (b - a) * height for a, b in zip(self.lows, self.max_lrs, strict=True)]

    def state_dict(self) -> Group:
        """Everything but the optimiser and ``scale_fn``, which stays as it is on loading."""
        return {k: v for k, v in super().state_dict().items() if k != "_scale"}


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
        if cycle_momentum:
            _need_momentum(optimizer)
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
                _set_momentum(group, momentum)
        return out

    def _between(self, a: float, b: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return (b - a) * part + a
        return b + (a - b) / 2 * (1 + cos(pi * part))


def _together(name: str, schedulers: Any, optimizer: Optimizer) -> list[LRScheduler]:
    """The schedules of one optimiser that are to work together."""
    given = list(schedulers)
    if not given:
        raise ArgumentError(f"{name}: expected at least one scheduler, got an empty list")
    for i, scheduler in enumerate(given):
        if not isinstance(scheduler, LRScheduler):
            raise KindError(f"schedulers[{i}]: expected a scheduler, got {describe(scheduler)}")
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ArgumentError(
                f"schedulers[{i}]: ReduceLROnPlateau needs a loss in each step, which {name} does "
                "not have\n  call its step(loss) beside"
            )
        if scheduler.optimizer is not optimizer:
            raise ArgumentError(
                f"schedulers[{i}] belongs to another optimiser\n"
                "  expected schedulers of one optimiser"
            )
    return given


class _Group(LRScheduler):
    """Several schedules as one."""

    _schedulers: list[LRScheduler]

    def state_dict(self) -> Group:
        """The state of each schedule, and of what holds them."""
        inner = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": inner}

    def load_state_dict(self, state_dict: Group) -> None:
        """Take the state of another scheduler of this kind over."""
        super().load_state_dict({**state_dict, "_schedulers": self._schedulers})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)

    def _undo(self) -> None:
        for scheduler in self._schedulers:
            scheduler._undo()


class ChainedScheduler(_Group):
    """Several schedules at the same time: their factors are multiplied."""

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        first = next(iter(schedulers), None)
        owner = optimizer or getattr(first, "optimizer", None)
        self._schedulers = _together("ChainedScheduler", schedulers, owner)  # type: ignore[arg-type]
        self.optimizer = self._schedulers[0].optimizer
        self._last_lr = self._rates()

    @_in_each_run
    def step(self) -> None:
        """Go on by one epoch in each of them."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._rates()

    def _restart(self) -> None:
        for scheduler in self._schedulers:
            scheduler._restart()
        self._last_lr = self._rates()


class SequentialLR(_Group):
    """One schedule after another: ``schedulers[i + 1]`` takes over at epoch ``milestones[i]``."""

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        _need_optimizer(optimizer)
        self._schedulers = _together("SequentialLR", schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"milestones: expected {len(schedulers) - 1} for {len(schedulers)} schedulers, "
                f"got {len(milestones)}\n"
                "  each is the epoch at which the next scheduler takes over"
            )
        if list(milestones) != sorted(milestones):
            raise ArgumentError(
                f"milestones={list(milestones)}: expected epochs in rising order\n"
                f"  write milestones={sorted(milestones)}"
            )
        self.optimizer = optimizer
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:  # each schedule took a first step when it was made
            group["lr"] = group["initial_lr"]
        self._undo()
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first.step()
        self._last_lr = first.get_last_lr()

    @_in_each_run
    def step(self) -> None:
        """Go on by one epoch."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i and self._milestones[i - 1] == self.last_epoch:
            scheduler._restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


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

    def step(self, metrics: Any = None, epoch: int | None = None) -> None:
        """Go on by one epoch, in which the loss (or ``mode="max"``: the accuracy) was this."""
        name = "ReduceLROnPlateau.step(metrics)"
        current().refuse(name, "call it after the compiled function, which reads lr anew")
        if metrics is None:
            raise KindError(
                "ReduceLROnPlateau.step(metrics): the loss of this epoch is needed\n"
                "  expected a number\n  write scheduler.step(loss)"
            )
        value = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
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


def _need_momentum(optimizer: Optimizer) -> None:
    if not any(k in optimizer.defaults for k in ("momentum", "betas")):
        raise ArgumentError(
            f"cycle_momentum=True: {type(optimizer).__name__} has no momentum and no betas\n"
            "  expected cycle_momentum=False for this optimiser"
        )


def _set_momentum(group: Group, momentum: float) -> None:
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


def _need_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise KindError(
            f"optimizer: expected an optimiser, got {describe(optimizer)}\n"
            "  make one first: optimizer = optim.SGD(model.parameters(), lr=0.1)"
        )


_PACKAGE = __name__.partition(".")[0] + "."


__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
