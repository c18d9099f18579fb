"""What is told of a training: callbacks, and the history that ``fit`` returns."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable
from inspect import signature
from pathlib import Path
from types import MethodType
from typing import Any

from ...doors import OFFERED
from ...errors import ArgumentError, KindError, describe, warn

Logs = dict[str, Any]


class Callback:
    """Is called while a model trains. A subclass writes the methods that it needs.

    ``self.model`` is the model, ``self.params`` says how it is trained; ``self.model.stop_training
    = True`` ends ``fit`` after the present batch. Logs are dicts of names and numbers.
    """

    def __init__(self) -> None:
        self.model: Any = None
        self.params: Logs = {}

    def set_model(self, model: Any) -> None:
        """Say which model it is."""
        self.model = model

    def set_params(self, params: Logs) -> None:
        """Say how it is trained."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called when ``fit`` begins."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called when ``fit`` is over."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called when an epoch begins."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called when an epoch is over."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called when a step of training begins."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called when a step of training is over."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called when ``evaluate``, or validation, begins."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called when ``evaluate``, or validation, is over."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called when a step of evaluation begins."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called when a step of evaluation is over."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called when ``predict`` begins."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called when ``predict`` is over."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called when a step of prediction begins."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called when a step of prediction is over."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class LambdaCallback(Callback):
    """A callback of functions: ``LambdaCallback(on_epoch_end=lambda epoch, logs: ...)``."""

    def __init__(self, **hooks: Callable[..., Any]) -> None:
        super().__init__()
        unknown = [name for name in hooks if name not in HOOKS]
        if unknown:
            raise KindError(
                f"LambdaCallback(): there is no hook {unknown[0]!r}\n"
                f"  there are  {', '.join(HOOKS)}"
            )
        for name, function in hooks.items():
            setattr(self, name, function)


def LivePanel(name: str | None = None, show: bool = True) -> Callback:
    """The panel of ``lab.train`` while ``fit`` runs: ``lab.LivePanel``."""
    made: Callback = OFFERED["LivePanel"](name, show)
    return made


class History(Callback):
    """What ``fit`` returns: ``history`` has a list for each name, with a number for each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Keep the numbers of the epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class _Watching(Callback):
    """A callback that compares a number of the logs with the best one so far."""

    def __init__(self, monitor: str, mode: str, least: float) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(
                f"{type(self).__name__}(mode): got {mode!r}\n  expected 'auto', 'min' or 'max'"
            )
        self.monitor, self.least = monitor, abs(least)
        up = mode == "max" or (
            mode == "auto" and monitor.removeprefix("val_").endswith(("acc", "accuracy", "auc"))
        )
        self.sign = 1 if up else -1
        self.best = -self.sign * float("inf")

    def better(self, value: float, than: float) -> bool:
        """Whether ``value`` is better, by more than ``min_delta``."""
        return self.sign * (value - than) > self.least

    def seen(self, logs: Logs | None) -> float | None:
        """The number that is watched; a warning where the logs do not have it."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warn(
                f"{type(self).__name__}(monitor={self.monitor!r}): there is no such number\n"
                f"  there are  {', '.join(logs or {}) or 'none'}"
                + ("\n  val_... needs validation_data" if "val_" in self.monitor else "")
            )
        return value


class EarlyStopping(_Watching):
    """Ends ``fit`` when a number has not become better for ``patience`` epochs.

    With ``restore_best_weights`` the model gets those of the best epoch back.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin to count."""
        self.wait, self.stopped_epoch, self.best_epoch = 0, 0, 0
        self.best = -self.sign * float("inf")
        self.best_weights: Any = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, and stop where it is time."""
        value = self.seen(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.better(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Say it, and put the best weights back."""
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(
                    "Restoring model weights from the end of the best epoch: "
                    f"{self.best_epoch + 1}."
                )
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(_Watching):
    """Saves the weights after each epoch, or only the best ones.

    ``filepath`` may name numbers: ``"{epoch:02d}-{val_loss:.2f}.weights.h5"``. ``save_freq`` is
    "epoch" or a number of batches. Whole models are not written to files, so that
    ``save_weights_only=True`` is needed.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, 0)
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ArgumentError(
                f"ModelCheckpoint(save_freq): got {describe(save_freq)}\n"
                "  expected 'epoch', or after how many batches"
            )
        if not save_weights_only:  # now, and not after the first epoch
            raise ArgumentError(
                f"ModelCheckpoint({str(filepath)!r}): models are not written to files, their "
                "weights are\n  expected save_weights_only=True, and later "
                "model.load_weights(filepath)"
            )
        self.filepath, self.verbose, self.save_freq = str(filepath), verbose, save_freq
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        if initial_value_threshold is not None:
            self.best = initial_value_threshold
        self.epoch = self.batches = 0
        if save_freq == "epoch":  # logs of batches need not be read
            self.on_train_batch_end = MethodType(Callback.on_train_batch_end, self)  # type: ignore[method-assign]

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Know the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Save after so many batches."""
        self.batches += 1
        if self.batches % self.save_freq == 0:
            self._save(logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save after the epoch."""
        if self.save_freq == "epoch":
            self._save(logs)

    def _save(self, logs: Logs | None) -> None:
        path = self.filepath.format(epoch=self.epoch + 1, **(logs or {}))
        if self.save_best_only:
            value = self.seen(logs)
            if value is None:
                return
            if not self.better(value, self.best):
                if self.verbose:
                    print(
                        f"\nEpoch {self.epoch + 1}: {self.monitor} did not improve from "
                        f"{self.best:.5f}"
                    )
                return
            if self.verbose:
                print(
                    f"\nEpoch {self.epoch + 1}: {self.monitor} improved from {self.best:.5f} to "
                    f"{value:.5f}, saving model to {path}"
                )
            self.best = value
        elif self.verbose:
            print(f"\nEpoch {self.epoch + 1}: saving model to {path}")
        self.model.save_weights(path)


class ReduceLROnPlateau(_Watching):
    """Makes the learning rate smaller when a number has not become better for a while."""

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if factor >= 1.0:
            raise ArgumentError(
                f"ReduceLROnPlateau(factor): got {factor}\n  expected less than 1: the rate shrinks"
            )
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.wait = self.cooling = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin to count."""
        self.best, self.wait, self.cooling = -self.sign * float("inf"), 0, 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, and change the rate where it is time."""
        rate = float(self.model.optimizer.learning_rate)
        if logs is not None:
            logs["learning_rate"] = rate
        value = self.seen(logs)
        if value is None:
            return
        if self.cooling > 0:
            self.cooling, self.wait = self.cooling - 1, 0
        if self.better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooling <= 0:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                new = max(rate * self.factor, self.min_lr)
                self.model.optimizer.learning_rate = new
                if self.verbose:
                    print(
                        f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}."
                    )
                self.cooling, self.wait = self.cooldown, 0


class LearningRateScheduler(Callback):
    """Sets the learning rate of each epoch: ``schedule(epoch, rate)`` gives the new one."""

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Ask for the rate, and set it."""
        rate = float(self.model.optimizer.learning_rate)
        takes = len(signature(self.schedule).parameters)
        new = self.schedule(epoch, rate) if takes > 1 else self.schedule(epoch)
        new = new.item() if hasattr(new, "item") else new
        if not isinstance(new, int | float):
            raise ArgumentError(
                f"LearningRateScheduler(schedule): it gave {describe(new)}\n"
                "  expected a number: def schedule(epoch, rate): return rate * 0.9"
            )
        self.model.optimizer.learning_rate = float(new)
        if self.verbose:
            print(
                f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {float(new)}."
            )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the rate."""
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class TerminateOnNaN(Callback):
    """Ends ``fit`` when the loss is no number any more."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Look at the loss."""
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


class CSVLogger(Callback):
    """Writes the numbers of each epoch into a file, as a table with commas."""

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.separator, self.append = Path(filename), separator, append
        self.names: list[str] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin the file."""
        if not self.append:
            self.filename.write_text("", encoding="utf-8")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a line."""
        head = not self.filename.exists() or not self.filename.stat().st_size
        self.names = self.names or sorted(logs or {})
        with self.filename.open("a", encoding="utf-8", newline="") as file:
            write = csv.writer(file, delimiter=self.separator).writerow
            if head:
                write(["epoch", *self.names])
            write([epoch, *((logs or {}).get(name, "NA") for name in self.names)])


class CallbackList:
    """All callbacks of one call."""

    def __init__(self, callbacks: Any, model: Any, **params: Any) -> None:
        given: Any = [callbacks] if isinstance(callbacks, Callback) else [*(callbacks or ())]
        for callback in given:
            if not isinstance(callback, Callback):
                raise KindError(
                    f"callbacks: got {describe(callback)}\n"
                    "  expected objects of keras.callbacks.Callback, or of a class made from it"
                )
        self.callbacks: list[Callback] = given
        for callback in given:
            callback.set_model(model)
            callback.set_params(params)

    def call(self, hook: str, *args: Any) -> None:
        """Call one hook of each."""
        for callback in self.callbacks:
            getattr(callback, hook)(*args)

    def listens(self, hook: str) -> bool:
        """Whether any callback has written this hook: logs need not be read where none has."""
        plain = getattr(Callback, hook)
        return any(getattr(getattr(c, hook), "__func__", None) is not plain for c in self.callbacks)


def floats(logs: Any) -> Logs:
    """Logs with plain numbers, by name."""
    items: Iterable[Any] = sorted(logs.items())
    return {k: float(v.item()) if hasattr(v, "item") else v for k, v in items}
