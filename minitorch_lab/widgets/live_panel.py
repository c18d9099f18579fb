"""The live panel as a callback of Keras's ``fit``."""

from __future__ import annotations

from ..tf.keras.callbacks import Callback, Logs
from .loop import Loop, Stopped

NAMES = {"accuracy": "accuracy", "acc": "accuracy", "sparse_categorical_accuracy": "accuracy"}


class LivePanel(Callback):
    """Shows the panel of ``lab.train`` while ``fit`` runs; pause, step and stop act on ``fit``.

    The curve has the loss of each batch; loss and accuracy of validation are points of their own.
    In a terminal it is a bar. ``run`` is the run that the panel shows, with its ``history``.

    >>> from minitorch_lab.tf import keras
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> panel = LivePanel(show=False)
    >>> _ = model.fit([[1.0], [2.0]], [[1.0], [2.0]], epochs=3, verbose=0, callbacks=[panel])
    >>> len(panel.run.history), panel.run.state
    (3, 'done')
    """

    def __init__(self, name: str | None = None, show: bool = True) -> None:
        super().__init__()
        self.name, self.shown = name, show
        self.run: Loop | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Show the panel."""
        steps, epochs = self.params.get("steps"), self.params.get("epochs", 1)
        self.run = Loop(
            epochs=epochs,
            steps=steps * epochs if steps else None,
            name=self.name or self.model.name,
            finite=False,  # Keras goes on with nan; the panel shows it
        )
        if self.shown:
            self.run.show()
        self.run.__enter__()
        self.before: dict[str, tuple[float, float]] = {}

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """The means start anew."""
        self.before = {}

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Draw the batch; wait while the panel holds, stop where it stops."""
        values = {NAMES.get(name, name): v for name, v in self._of_batch(logs or {}).items()}
        try:
            if self.run is not None and values:
                self.run.log(**values)
        except Stopped:
            self.model.stop_training = True

    def _of_batch(self, logs: Logs) -> Logs:
        """The numbers of this batch alone: logs are means since the epoch began."""
        found = {}
        for metric in self.model.metrics:
            total, count = (getattr(metric, name, None) for name in ("total", "count"))
            if metric.name not in logs or total is None or count is None:
                continue
            now = float(total.item()), float(count.item())
            was = self.before.get(metric.name, (0.0, 0.0))
            self.before[metric.name] = now
            if now[1] > was[1]:
                found[metric.name] = (now[0] - was[0]) / (now[1] - was[1])
        return {name: found.get(name, value) for name, value in logs.items()}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Close the epoch, with what validation gave."""
        run = self.run
        if run is None:
            return
        run._end_epoch()
        run._epoch_start = len(run.history)
        checks = {}
        for name, value in (logs or {}).items():
            plain = NAMES.get(name.removeprefix("val_"), name.removeprefix("val_"))
            if name.startswith("val_") and plain in ("loss", "accuracy"):
                checks[f"validation_{plain}"] = value
        try:
            if checks:
                run.log(**checks)
        except Stopped:
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Say that it is over."""
        if self.run is not None:
            self.run.__exit__(None, None, None)
