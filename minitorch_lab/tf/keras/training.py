"""``compile``, ``fit``, ``evaluate``, ``predict``: what all models can do.

A training step is one function of a batch: ``train_step``. It runs as a graph by ``lab.compile``,
unless ``compile(run_eagerly=True)`` or ``tf.config.run_functions_eagerly(True)`` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from ... import random
from ...autograd.functions import grad
from ...errors import ArgumentError, KindError, LabError, TraceError, describe
from ...graph import compile as compiled
from ...tensor import Tensor, enable_grad, make, no_grad
from .. import config
from . import losses, metrics, optimizers, table
from .callbacks import Callback, CallbackList, History, Logs, floats
from .layer import Layer
from .lines import Where, called_from, here
from .progress import Progress
from .variable import as_array, plainly


class NotCompiled(ArgumentError):
    """A model that does not know yet how to learn."""


class _DataKind(KindError, ArgumentError):
    """Data of a kind that is not taken; a ValueError in Keras."""


class Trainer(Layer):
    """A layer that can be trained."""

    optimizer: Any = None
    loss: Any = None
    stop_training = False
    history: Any = None
    run_eagerly = False

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        **unused: Any,
    ) -> None:
        """Say how the model learns: optimiser, loss and metrics, by name or as objects.

        With ``run_eagerly`` each op runs for itself, so that ``print`` and a debugger show values
        inside of layers.
        """
        if loss_weights is not None or weighted_metrics is not None:
            raise ArgumentError(
                "compile(loss_weights, weighted_metrics): not here yet\n  expected None"
            )
        for name in unused:
            if name not in ("steps_per_execution", "jit_compile", "auto_scale_loss"):
                raise KindError(f"compile(): there is no argument {name!r}")
        chosen = optimizers.get(optimizer)
        self._loss = None if loss is None else losses.get(loss)
        given = [metrics] if isinstance(metrics, str) else list(metrics or ())
        for metric in given:
            _known_metric(metric)
        self.optimizer, self.loss, self.run_eagerly = chosen, loss, run_eagerly
        self._given = given
        where = here()
        self._asked_at = called_from(where)
        self._updated_at = _line_of(optimizer, where, "optimizer")
        self._judged_at = _line_of(loss, where, "loss")
        self._forget()

    def _forget(self) -> None:
        """Drop the graphs and the metrics: what they are made of has changed."""
        self._metrics: list[Any] = []
        self._tracker = metrics.Mean(name="loss")
        self._steps: dict[str, Callable[..., Any]] = {}
        self._known: set[Any] = set()  # forms of data that the model was prepared for

    def __getstate__(self) -> Any:
        """What a copy takes over: all but the graphs, which belong to this model's weights."""
        return {**vars(self), "_steps": {}}

    # One step ------------------------------------------------------------------------------

    def learn(self, x: Any, y: Any) -> tuple[Tensor, Tensor]:
        """One step without metrics: forward, loss, gradients, update. Gives the loss and y_pred."""
        with enable_grad():
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred)
            variables = self.trainable_weights
            grads = self._asked_at(grad, loss, variables, allow_unused=True) if variables else ()
        self._updated_at(self.optimizer.apply, grads, variables)
        return loss, y_pred

    def train_step(self, data: Any) -> Logs:
        """One step of ``fit`` on a batch ``(x, y)``; a subclass may write its own."""
        x, y = data
        loss, y_pred = self.learn(x, y)
        return self._noted(x, y, y_pred, loss)

    def test_step(self, data: Any) -> Logs:
        """One step of ``evaluate`` on a batch ``(x, y)``."""
        x, y = data
        y_pred = self(x, training=False)
        return self._noted(x, y, y_pred, self.compute_loss(x, y, y_pred))

    def predict_step(self, data: Any) -> Any:
        """One step of ``predict`` on a batch."""
        return self(data, training=False)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
    ) -> Tensor:
        """The loss of a batch."""
        if self._loss is None:
            raise NotCompiled(
                "fit: there is no loss\n"
                '  expected one in compile: model.compile("adam", loss="mean_squared_error")'
            )
        return self._judged_at(self._loss, y, y_pred)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Logs:
        """Take a batch into account in all metrics, and give their results."""
        for metric in self._metrics:
            metric.update_state(y, y_pred)
        return self.get_metrics_result()

    def get_metrics_result(self) -> Logs:
        """The results so far, by name."""
        return {m.name: m.result() for m in (self._tracker, *self._metrics)}

    def _noted(self, x: Any, y: Any, y_pred: Any, loss: Tensor) -> Logs:
        # each example counts the same, also in a last batch with fewer of them
        with no_grad():
            self._tracker.update_state(loss.detach(), float(len(y)))
        return self.compute_metrics(x, y, y_pred)

    @property
    def metrics(self) -> list[Any]:
        """The metrics, the mean of the loss first."""
        return [self._tracker, *self._metrics]

    @property
    def metrics_names(self) -> list[str]:
        """The names of the metrics, "loss" first."""
        return [m.name for m in self.metrics]

    def reset_metrics(self) -> None:
        """Forget the batches so far."""
        for metric in self.metrics:
            metric.reset_state()

    # Loops ---------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Train on examples ``x`` with labels ``y``, batch by batch, ``epochs`` times.

        ``validation_split`` keeps the last share of the data, ``validation_data`` is a pair of
        others; the loss and the metrics of these are named ``val_...``. Returns the History.
        """
        self._need_compiled("fit")
        self._asked_at = called_from(here())
        data = _Data("fit", x, y, batch_size)
        later = None
        if validation_data is not None:
            if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
                raise ArgumentError(
                    f"fit(validation_data): got {describe(validation_data)}\n"
                    "  expected a pair (x, y)"
                )
            vx, vy = validation_data
            later = _Data("fit(validation_data)", vx, vy, validation_batch_size or batch_size)
        elif validation_split:
            data, later = data.split(validation_split, validation_batch_size)
        self._prepare(data, learning=True)
        self.history = history = History()
        callbacks = [callbacks] if isinstance(callbacks, Callback) else [*(callbacks or ())]
        params = {"verbose": verbose, "epochs": epochs, "steps": len(data)}
        given = CallbackList([history, *callbacks], self, **params)
        verbose = 1 if verbose == "auto" else int(verbose)
        self.stop_training = False
        given.call("on_train_begin", {})
        logs: Logs = {}
        for epoch in range(initial_epoch, epochs):
            given.call("on_epoch_begin", epoch, {})
            if verbose:
                print(f"Epoch {epoch + 1}/{epochs}")
            bar = Progress(verbose, len(data))
            order = random.drawing().randperm(len(data.x)) if shuffle else None
            done, last = self._run("train", data.batches(order), bar, given)
            logs = floats(last)
            if later is not None and (epoch + 1) % validation_freq == 0:
                _, last = self._run("test", later.batches(), None, given)
                logs |= {f"val_{name}": value for name, value in floats(last).items()}
            bar.finish(done, logs)
            given.call("on_epoch_end", epoch, logs)
            if self.stop_training:
                break
        given.call("on_train_end", logs)
        return history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics on data: a list, the loss first, or a dict."""
        self._need_compiled("evaluate")
        data = _Data("evaluate", x, y, batch_size)
        self._prepare(data)
        verbose = 1 if verbose == "auto" else int(verbose)
        bar = Progress(verbose, len(data))
        given = CallbackList(callbacks, self, verbose=verbose, steps=len(data))
        done, last = self._run("test", data.batches(), bar, given)
        logs = floats(last)
        bar.finish(done, logs)
        return logs if return_dict else self._listed(logs)

    def predict(
        self, x: Any, batch_size: int | None = None, verbose: Any = "auto", callbacks: Any = None
    ) -> Any:
        """What the model gives for examples, as a NumPy array."""
        data = _Data("predict", x, None, batch_size)
        verbose = 1 if verbose == "auto" else int(verbose)
        bar = Progress(verbose, len(data))
        given = CallbackList(callbacks, self, verbose=verbose, steps=len(data))
        self._see(data)
        step, found = self._step("predict"), []
        given.call("on_predict_begin", {})
        for i, (batch, _) in enumerate(data.batches()):
            given.call("on_predict_batch_begin", i, {})
            with no_grad():
                found.append(step(batch).numpy())
            given.call("on_predict_batch_end", i, {"outputs": found[-1]})
            bar.update(i + 1, dict)
        bar.finish(len(found), {})
        given.call("on_predict_end", {})
        return np.concatenate(found)

    def train_on_batch(self, x: Any, y: Any = None, return_dict: bool = False) -> Any:
        """One step of training on one batch: its loss and its metrics, before the step."""
        self._need_compiled("train_on_batch")
        self._asked_at = called_from(here())
        return self._on_batch("train", x, y, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics of one batch."""
        self._need_compiled("test_on_batch")
        return self._on_batch("test", x, y, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """What the model gives for one batch, as a NumPy array."""
        data = _Data("predict_on_batch", x, None, None)
        self._see(data)
        with no_grad():
            return self._step("predict")(make(data.x)).numpy()

    def _on_batch(self, kind: str, x: Any, y: Any, return_dict: bool) -> Any:
        data = _Data(f"{kind}_on_batch", x, y, None)
        self._prepare(data, learning=kind == "train")
        self.reset_metrics()
        with no_grad():
            logs = floats(self._step(kind)((make(data.x), make(data.y))))
        return logs if return_dict else self._listed(logs)

    def _run(
        self, kind: str, batches: Iterator[Any], bar: Progress | None, given: CallbackList
    ) -> tuple[int, Logs]:
        """All steps of an epoch; how many there were, and the last logs."""
        step, logs, done = self._step(kind), {}, 0
        begin, end = f"on_{kind}_batch_begin", f"on_{kind}_batch_end"
        before, after = given.listens(begin), given.listens(end)
        self.reset_metrics()
        if kind == "test":
            given.call("on_test_begin", {})
        with no_grad(), _retold():
            for batch in batches:
                if before:
                    given.call(begin, done, {})
                logs = step(batch)
                if after:
                    given.call(end, done, floats(logs))
                done += 1
                if bar is not None:
                    bar.update(done, partial(floats, logs))
                if self.stop_training and kind == "train":
                    break
        if kind == "test":
            given.call("on_test_end", floats(logs))
        return done, logs

    def _listed(self, logs: Logs) -> Any:
        found = [logs[name] for name in self.metrics_names if name in logs]
        return found[0] if len(found) == 1 else found

    def _step(self, kind: str) -> Callable[..., Any]:
        """The function of a step, as a graph unless it runs eagerly."""
        plain = getattr(self, f"{kind}_step")
        if self.run_eagerly or config.functions_run_eagerly():
            return plain
        if kind not in self._steps:
            self._steps[kind] = compiled(plain)
        return self._steps[kind]

    # Before the first step -----------------------------------------------------------------

    def _need_compiled(self, what: str) -> None:
        if self.optimizer is None:
            raise NotCompiled(
                f"{what}: the model does not know yet how to learn\n"
                "  expected model.compile(optimizer, loss) before it: "
                'model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])'
            )

    def _see(self, data: _Data) -> tuple[int, ...]:
        """Build the model, and give the shape of what comes out for one example."""
        with plainly(), random.apart():
            out = self(make(data.x[:1]), training=False)
        return tuple(out.shape) if isinstance(out, Tensor) else ()

    def _prepare(self, data: _Data, learning: bool = False) -> None:
        """Build what depends on the data: weights, metrics, the optimiser's state."""
        if data.y is None:
            raise ArgumentError(
                f"{data.what}(x, y): there are no labels\n  expected y, one label for each example"
            )
        if data.form in self._known:
            return
        shape = self._see(data)
        if self._loss is not None:  # a loss that does not take these labels says so here
            with plainly():
                labels: Any = make(data.y[: data.size])
                self.compute_loss(None, labels, make(np.full((len(labels), *shape[1:]), 0.5, "f4")))
        if not self._metrics and self._given:
            labels = (1, *data.y.shape[1:])
            self._metrics = [metrics.get(m, (labels, shape)) for m in self._given]
        if learning:
            self.optimizer.build(self.trainable_weights)
            self._known.add(data.form)

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] | None = None,
    ) -> None:
        """Print a table of the layers; ``print_fn`` takes it instead of ``print``."""
        table.show(self, print_fn)


@contextmanager
def _retold() -> Iterator[None]:
    """The way out that a Keras program has, where a layer asks for a value of a graph."""
    try:
        yield
    except TraceError as error:
        ours = "see values op by op: model.compile(..., run_eagerly=True)"
        text = str(error).replace('run this function in eager mode: lab.mode("eager")', ours)
        raise TraceError(text) from error.__cause__


def _line_of(given: Any, where: Where, argument: str) -> Callable[..., Any]:
    """Calls as from the line where an object was made; a name stands in a line of ``compile``."""
    made = getattr(given, "made", None)
    return called_from(where, argument) if made is None else called_from(made)


def _known_metric(metric: Any) -> None:
    """An error where ``compile`` is given a metric that nobody knows."""
    if not isinstance(metric, metrics.Metric):
        metrics.get(metric)


class _Data:
    """Examples and labels in arrays, and their batches."""

    def __init__(self, what: str, x: Any, y: Any, batch_size: int | None) -> None:
        self.what = what
        self.x, self.y = self._array("x", x), None if y is None else self._array("y", y)
        if self.y is not None and len(self.x) != len(self.y):
            raise ArgumentError(
                f"{what}(x, y): their lengths differ\n"
                f"  x  {len(self.x):,} examples, {describe(self.x)}\n"
                f"  y  {len(self.y):,} labels, {describe(self.y)}\n"
                "  expected a label for each example"
            )
        if not len(self.x):
            raise ArgumentError(f"{what}: got no examples, x is {describe(self.x)}")
        size = 32 if batch_size is None else batch_size
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise ArgumentError(f"{what}(batch_size): expected 1 or more, got {describe(size)}")
        self.size = int(size)

    def _array(self, name: str, value: Any) -> Any:
        takes = isinstance(value, Tensor | list) or hasattr(value, "__array__")
        try:
            array = as_array(value) if takes else None
        except (LabError, ValueError) as error:
            raise _DataKind(f"{self.what}({name}): {error}") from None
        if array is None or not array.ndim:
            raise _DataKind(
                f"{self.what}({name}): got {describe(value)}\n"
                "  expected a NumPy array, a tensor or a list, with an entry for each example"
            )
        return array

    @property
    def form(self) -> Any:
        """Shapes and dtypes of an example and a label."""
        arrays = (self.x, self.y) if self.y is not None else (self.x,)
        return tuple((a.shape[1:], str(a.dtype)) for a in arrays)

    def split(self, share: float, batch_size: int | None) -> tuple[_Data, _Data]:
        """The first part, and the last ``share`` of the data."""
        if not 0 < share < 1:
            raise ArgumentError(
                f"{self.what}(validation_split): expected a share between 0 and 1, got {share!r}"
            )
        at = int(len(self.x) * (1 - share))
        labels = (None, None) if self.y is None else (self.y[:at], self.y[at:])
        first = _Data(self.what, self.x[:at], labels[0], self.size)
        return first, _Data(self.what, self.x[at:], labels[1], batch_size or self.size)

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def batches(self, order: Any = None) -> Iterator[tuple[Tensor, Any]]:
        """Pairs of tensors, the examples in this order."""
        for start in range(0, len(self.x), self.size):
            part = slice(start, start + self.size)
            chosen = part if order is None else order[part]
            yield make(self.x[chosen]), None if self.y is None else make(self.y[chosen])
