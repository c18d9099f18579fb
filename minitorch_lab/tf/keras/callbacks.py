"""What is told of a training: callbacks, and the history that ``fit`` returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...errors import KindError, describe

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
