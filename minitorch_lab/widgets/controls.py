"""What can be changed while a run goes on, from any thread: each method asks, and the run's own
thread does it between two steps. A bad value is refused where it was given and changes nothing."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..device import why_no_cuda
from ..errors import ArgumentError, DeviceError, KindError
from ..errors import describe as describe_value
from ..graph import compile
from ..utils.data import BatchSampler
from .arguments import at_least_one
from .branches import set_dropout, without_pending
from .history import Mark
from .rewind import dropouts, set_batch_size

if TYPE_CHECKING:
    from .training import Training

MODES = ("eager", "graph")
DEVICES = ("cpu", "cuda")


class Controls:
    """Start, pause, step, epoch and stop; the settings; and how the run's thread heeds them."""

    _hold_at: int | None
    _pausing: bool
    _stop: str | None
    _holding = False  # the run's thread waits for a control

    def start(self: Any) -> Training:
        """Start, or go on after a pause; after the end, train for as many epochs again."""
        with self._lock:
            self._go, self._hold_at = True, None
            self._wake()
            if not self.alive:
                self._launch()
        return self

    def pause(self: Any) -> None:
        """Hold after the step that is under way."""
        with self._lock:
            self._go, self._hold_at = False, None
            self._owed, self._pausing = 0, True
            self._wake()

    def resume(self: Any) -> None:
        """Go on after a pause; does nothing otherwise."""
        with self._lock:
            if self.alive:
                self._go, self._hold_at = True, None
                self._wake()

    def step(self: Any) -> None:
        """Do one step and hold."""
        with self._lock:
            self._go, self._hold_at = False, None
            self._owed += 1
            self._pausing = False
            self._wake()
            if not self.alive:
                self._launch()

    def step_epoch(self: Any) -> None:
        """Go on to the end of the epoch, and hold there."""
        with self._lock:
            self._hold_at = self.epoch + 1
            self._go = True
            self._wake()
            if not self.alive:
                self._launch()

    def stop(self: Any, reason: str = "") -> None:
        """End the run after the step that is under way. The weights stay as that step left them."""
        with self._lock:
            if not self.alive:
                return
            self._stop = reason or "Stopped"
            self._state = "stopping"
            self._wake()
        self._tell("state")

    def set_lr(self: Any, lr: float) -> None:
        """Change the learning rate from the next step on; the history keeps a mark.

        Where the optimiser has several groups with different rates, all change in proportion.

        Raises:
            ArgumentError: a rate below 0, or not finite.
        """
        value = real("set_lr", "lr", lr)
        self._ask(lambda: self._apply_lr(value))

    def set_momentum(self: Any, momentum: float) -> None:
        """Change the momentum, or the first of ``betas``, from the next step on.

        Raises:
            ArgumentError: not a number from 0 to below 1, or the optimiser has no momentum.
        """
        value = real("set_momentum", "momentum", momentum, below=1)
        self._set_in_groups("set_momentum", "momentum", value)

    def set_weight_decay(self: Any, weight_decay: float) -> None:
        """Change the weight decay from the next step on.

        Raises:
            ArgumentError: a number below 0, or the optimiser has no weight decay.
        """
        value = real("set_weight_decay", "weight_decay", weight_decay)
        self._set_in_groups("set_weight_decay", "weight_decay", value)

    def set_dropout(self: Any, p: float) -> None:
        """Give all dropout layers of the model the probability ``p`` from the next step on.

        Raises:
            ArgumentError: not a number from 0 to 1, or the model has no dropout layer.
        """
        value = real("set_dropout", "p", p, most=1)
        if self.dropout is None:
            raise ArgumentError(
                f"set_dropout(p): p is {p}, and the model has no dropout layer\n"
                "  add one: nn.Dropout(0.5)"
            )
        self._ask(lambda: self._apply_dropout(value))

    def set_batch_size(self: Any, batch_size: int) -> None:
        """Make batches of another size from the next batch on; each sample comes once.

        Raises:
            KindError: no whole number.
            ArgumentError: below 1, or the loader given as data makes its batches in its own way.
        """
        count = at_least_one("batch_size", batch_size)
        if self.batch_fixed:
            raise ArgumentError(
                f"set_batch_size(batch_size): batch_size is {count}\n"
                "  the loader given as data makes its batches in its own way\n"
                "  expected a DataLoader(dataset, batch_size), a Dataset, or a pair of Tensors"
            )
        self._ask(lambda: self._apply_batch_size(count))

    @property
    def momentum(self: Any) -> float | None:
        """The momentum, or ``betas[0]`` (of the first group); None where there is none."""
        group = self.optimizer.param_groups[0]
        if "momentum" in group:
            return float(group["momentum"])
        return float(group["betas"][0]) if "betas" in group else None

    @property
    def weight_decay(self: Any) -> float | None:
        """The weight decay (of the first group); None where the optimiser has none."""
        value = self.optimizer.param_groups[0].get("weight_decay")
        return None if value is None else float(value)

    @property
    def dropout(self: Any) -> float | None:
        """The probability of the first dropout layer; None where the model has none."""
        return next((float(layer.p) for layer in dropouts(self.model)), None)

    @property
    def batch_fixed(self: Any) -> bool:
        """Whether the batch size cannot be changed: the loader makes its batches in its own way."""
        return type(self.loader.batch_sampler) is not BatchSampler

    def set_mode(self: Any, mode: Literal["eager", "graph"]) -> None:
        """Run from the next step on in eager or in graph mode; the numbers go on.

        Raises:
            ArgumentError: another word.
        """
        if mode not in MODES:
            raise ArgumentError(f"set_mode(mode): mode is {mode!r}\n  expected 'eager' or 'graph'")
        self._ask(lambda: self._apply_mode(mode))

    def set_device(self: Any, device: Literal["cpu", "cuda"]) -> None:
        """Move model, optimiser state and data to a device before the next step.

        Raises:
            ArgumentError: another word.
            DeviceError: there is no GPU to use; the message says why.
        """
        name = str(device)
        if name not in DEVICES:
            raise ArgumentError(
                f"set_device(device): device is {name!r}\n  expected 'cpu' or 'cuda'"
            )
        reason = why_no_cuda() if name == "cuda" else None
        if reason is not None:
            raise DeviceError(f"set_device('cuda'): no GPU to use\n  {reason}\n  use 'cpu'")
        self._ask(lambda: self._apply_device(name))

    # As the run's thread sees it.

    def _wake(self: Any) -> None:
        self._attention = True
        self._lock.notify_all()

    def _asked(self: Any) -> bool:
        """Whether there is something to do for a run that holds."""
        return bool(self._requests or self._stop or self._go or self._owed)

    def _hold(self: Any) -> None:
        """Wait for the next control; who waits for the run hears that it holds."""
        self._holding = True
        self._lock.notify_all()
        try:
            self._lock.wait()
        finally:
            self._holding = False

    def _ask(self: Any, change: Callable[[], None]) -> None:
        with self._lock:
            if self.alive:
                self._requests.append(change)
                self._wake()
            else:
                change()
        self._tell("state")

    def _attend(self: Any) -> bool:
        """Do what was asked for since the last step, hold while paused; False to stop."""
        while True:
            with self._lock:
                changed = bool(self._requests)
                while self._requests:
                    self._requests.pop(0)()
                if self._stop:
                    return False
                if self._go or self._owed:
                    self._keeper.go_on()
                    if self._keeper.moved:  # the step is one from there
                        return True
                    self._state = "running" if self._go else "paused"
                    self._owed = 0 if self._go else self._owed - 1
                    self._attention = not self._go
                    break
                self._state = "paused"
            for meter in self._meters.values():
                meter.settle()
            self._keeper.hold(changed)
            self._tell("state")
            with self._lock:
                while not self._asked():
                    self._hold()
        self._tell("state")
        self._clock = time.perf_counter()
        return True

    def _wait_here(self: Any) -> bool:
        """Hold between two batches of the validation; False to stop. Who asks for a change lets
        the validation go on: changes are made between steps."""
        told = False
        with self._lock:
            # A single step, the last of its epoch, goes on to the end of the validation.
            while self._pausing and not self._asked():
                self._state = "paused"
                if not told:
                    self._tell("state")
                told = True
                self._hold()
            if self._go and not self._stop:
                self._state = "running"
        if told:
            self._tell("state")
        return not self._stop

    def _apply_lr(self: Any, lr: float) -> None:
        old = self.lr
        if lr == old:
            return
        self._recorder.cut()
        for group in self.optimizer.param_groups:
            group["lr"] = lr if group["lr"] == old or old == 0 else group["lr"] * lr / old
        self._mark("lr", old, lr)

    def _set_in_groups(self: Any, call: str, name: str, value: float) -> None:
        if getattr(self, name) is None:
            raise ArgumentError(
                f"{call}({name}): {name} is {value:g}, and {type(self.optimizer).__name__} "
                f"has none\n  expected an optimiser with {name}: optim.SGD, optim.AdamW"
            )
        for group in self.optimizer.param_groups:
            self.optimizer.check(with_setting(group, name, value))
        self._ask(lambda: self._apply_in_groups(name, value))

    def _apply_in_groups(self: Any, name: str, value: float) -> None:
        old = getattr(self, name)
        if value == old:
            return
        self._recorder.cut()
        for group in self.optimizer.param_groups:
            group.update(with_setting(group, name, value))
        self._mark(name, old, value)

    def _apply_dropout(self: Any, p: float) -> None:
        old = self.dropout
        if p == old:
            return
        self._recorder.cut()
        set_dropout(self.model, p)
        self._mark("dropout", old, p)

    def _apply_batch_size(self: Any, count: int) -> None:
        old, keeper = self.batch_size, self._keeper
        if count == old:
            return
        self._recorder.cut()
        at = keeper.resume
        if self.alive and at is None:  # the batch that was read is made anew in the other size
            at = keeper.take()
        set_batch_size(self, count)
        self._more = 0
        if at is not None:
            with contextlib.suppress(TypeError):  # a stream has no length
                whole, left = len(self.loader.dataset), len(self.loader.dataset) - at.place.samples
                done = self.step_count - self._epoch_start
                self._more = done + math.ceil(left / count) - math.ceil(whole / count)
            keeper.resume = replace(at, place=without_pending(at.place))
            keeper.moved = self.alive
        self._mark("batch_size", old, count)

    def _mark(self: Any, kind: str, old: Any, new: Any) -> None:
        self.history.marks.append(Mark(self.step_count, kind, old, new))

    def _apply_mode(self: Any, mode: str) -> None:
        if mode == self._mode:
            return
        self._recorder.cut()
        self._mark("mode", self._mode, mode)
        self._choose(mode)

    def _choose(self: Any, mode: str) -> None:
        self._mode = mode
        self._call = self._step if mode == "eager" else self._compiled

    def _apply_device(self: Any, device: str) -> None:
        if device == self._device:
            return
        self.model.to(device)
        self._recorder.move(device)
        self._compiled = compile(self._step)
        self._choose(self._mode)
        self._mark("device", self._device, device)
        self._device = device


def real(
    call: str, name: str, value: Any, below: float = math.inf, most: float = math.inf
) -> float:
    """A finite number of 0 or more, from the user."""
    expected = "a number of 0 or more"
    if below < math.inf:
        expected = f"a number from 0 to below {below:g}"
    elif most < math.inf:
        expected = f"a number from 0 to {most:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise KindError(f"{call}({name}): {name} is {describe_value(value)}\n  expected {expected}")
    number = float(value)
    if not (math.isfinite(number) and 0 <= number <= most and number < below):
        raise ArgumentError(f"{call}({name}): {name} is {value}\n  expected {expected}")
    return number


def with_setting(group: dict[str, Any], name: str, value: float) -> dict[str, Any]:
    """A group of the optimiser with another value of a setting."""
    if name == "momentum" and "momentum" not in group:
        return {**group, "betas": (value, *group["betas"][1:])}
    return {**group, name: value}
