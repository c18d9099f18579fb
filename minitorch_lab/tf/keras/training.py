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
from ...errors import ArgumentError, KindError, TraceError, describe, warn
from ...graph import compile as compiled
from ...tensor import Tensor, enable_grad, make, no_grad
from .. import config
from . import files, metrics, optimizers, table
from .callbacks import Callback, CallbackList, History, Logs, floats
from .data import Arrays, Stream, of, pack_x_y_sample_weight, size_of, unpack_x_y_sample_weight
from .judge import Judge, output_names
from .layer import Layer
from .lines import Where, called_from, here
from .progress import Progress
from .tree import leaves, mapped
from .variable import plainly


class NotCompiled(ArgumentError):
    """A model that does not know yet how to learn."""


class Trainer(Layer):
    """A layer that can be trained."""

    optimizer: Any = None
    loss: Any = None
    stop_training = False
    history: Any = None
    run_eagerly = False
    compiled = False

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

        Of several outputs each may have its own: lists in their order, or dicts by their names.
        With ``run_eagerly`` each op runs for itself, so that ``print`` and a debugger show values
        inside of layers.
        """
        for name in unused:
            if name not in ("steps_per_execution", "jit_compile", "auto_scale_loss"):
                raise KindError(f"compile(): there is no argument {name!r}")
        chosen = optimizers.get(optimizer)
        self._judge = Judge(loss, loss_weights, metrics, weighted_metrics)
        self.optimizer, self.loss, self.run_eagerly = chosen, loss, run_eagerly
        where = here()
        self._asked_at = called_from(where)
        self._updated_at = _line_of(optimizer, where, "optimizer")
        self._judged_at = _line_of(loss, where, "loss")
        self.compiled = True
        self._forget()

    def _forget(self) -> None:
        """Drop the graphs and the metrics: what they are made of has changed."""
        self._judge.metrics, self._judge.trackers, self._judge.names = [], [], []
        self._tracker = metrics.Mean(name="loss")
        self._steps: dict[str, Callable[..., Any]] = {}
        self._known: set[Any] = set()  # forms of data that the model was prepared for

    def __getstate__(self) -> Any:
        """What a copy takes over: all but the graphs, which belong to this model's weights."""
        return {**vars(self), "_steps": {}}

    # One step ------------------------------------------------------------------------------

    def learn(self, x: Any, y: Any, sample_weight: Any = None) -> tuple[Tensor, Any]:
        """One step without metrics: forward, loss, gradients, update. Gives the loss and y_pred."""
        with enable_grad():
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight)
            variables = self.trainable_weights
            grads = self._asked_at(grad, loss, variables, allow_unused=True) if variables else ()
        if variables:
            self._updated_at(self.optimizer.apply, grads, variables)
        return loss, y_pred

    def train_step(self, data: Any) -> Logs:
        """One step of ``fit`` on a batch ``(x, y)`` or ``(x, y, sample_weight)``.

        A subclass may write its own, with ``tf.GradientTape`` and ``optimizer.apply_gradients``.
        """
        x, y, weight = unpack_x_y_sample_weight(data)
        loss, y_pred = self.learn(x, y, weight)
        return self._noted(x, y, y_pred, weight, loss)

    def test_step(self, data: Any) -> Logs:
        """One step of ``evaluate`` on a batch."""
        x, y, weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        return self._noted(x, y, y_pred, weight, self.compute_loss(x, y, y_pred, weight, False))

    def predict_step(self, data: Any) -> Any:
        """One step of ``predict`` on a batch."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """The loss of a batch: of the labels, and what layers and regularisers add."""
        total = None
        if self._judge.loss is not None:
            total = self._judged_at(self._judge.total, y, y_pred, sample_weight)
        for more in self.losses:
            total = more.sum() if total is None else total + more.sum()
        if total is None:
            raise NotCompiled(
                "fit: there is no loss\n"
                '  expected one in compile: model.compile("adam", loss="mean_squared_error")'
            )
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Logs:
        """Take a batch into account in all metrics, and give their results."""
        self._judge.note(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def get_metrics_result(self) -> Logs:
        """The results so far, by name."""
        found = {self._tracker.name: self._tracker.result()} | self._judge.results()
        return found | {m.name: m.result() for m in self._own_metrics()}

    def _noted(self, x: Any, y: Any, y_pred: Any, weight: Any, loss: Tensor) -> Logs:
        # each example counts the same, also in a last batch with fewer of them
        with no_grad():
            self._tracker.update_state(loss.detach(), float(size_of(x)))
        return self.compute_metrics(x, y, y_pred, weight)

    def _own_metrics(self) -> list[Any]:
        """The metrics that a subclass, or a layer inside, keeps as attributes."""
        found = [v for layer in self._flatten_layers() for name, v in vars(layer).items()
                 if isinstance(v, metrics.Metric) and name != "_tracker"]  # fmt: skip
        return [*{id(m): m for m in found}.values()]

    @property
    def metrics(self) -> list[Any]:
        """The metrics, the mean of the loss first."""
        judge = self._judge
        known = [
            *(t for t in judge.trackers if t is not None),
            *(m for _, _, m, _ in judge.metrics),
        ]
        return [self._tracker, *known, *self._own_metrics()]

    @property
    def metrics_names(self) -> list[str]:
        """The names of the metrics, "loss" first."""
        judge = self._judge
        names = [t.name for t in judge.trackers if t is not None]
        return ["loss", *names, *(name for _, name, _, _ in judge.metrics)]

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
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> History:
        """Train on examples ``x`` with labels ``y``, batch by batch, ``epochs`` times.

        ``x`` is an array, a list or dict of them, or what gives batches: a ``tf.data.Dataset``, a
        generator, a ``PyDataset``. ``validation_split`` keeps the last share of the arrays,
        ``validation_data`` are others; the loss and the metrics of these are named ``val_...``.
        ``class_weight`` says how much each class counts, ``sample_weight`` each example. Returns
        the History.
        """
        self._need_compiled("fit")
        self._asked_at = called_from(here())
        data: Any = of("fit", x, y, sample_weight, batch_size, steps_per_epoch, class_weight)
        later: Any = None
        if validation_data is not None:
            later = _validation(validation_data, validation_batch_size or batch_size)
            later.steps = validation_steps
        elif validation_split:
            data, later = data.split(validation_split, validation_batch_size)
        self._prepare(data, learning=True)
        self.history = history = History()
        callbacks = [callbacks] if isinstance(callbacks, Callback) else [*(callbacks or ())]
        params = {"verbose": verbose, "epochs": epochs, "steps": len(data) or None}
        given = CallbackList([*callbacks, history], self, **params)
        verbose = 1 if verbose == "auto" else int(verbose)
        self.stop_training = False
        given.call("on_train_begin", {})
        logs: Logs = {}
        for epoch in range(initial_epoch, epochs):
            given.call("on_epoch_begin", epoch, {})
            if verbose and epochs > 1:
                print(f"Epoch {epoch + 1}/{epochs}")
            bar = Progress(verbose, len(data))
            done, last = self._run("train", data.batches(shuffle), bar, given)
            logs = floats(last)
            if not done or (data.steps is not None and done < len(data) and not self.stop_training):
                _ran_out(done, len(data))
                self.stop_training = True
                if not done:
                    break
            if later is not None and _is_due(epoch, validation_freq):
                _, last = self._run("test", later.batches(), None, given)
                logs |= {f"val_{name}": value for name, value in floats(last).items()}
            bar.finish(done, logs)
            data.epoch_over()
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
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics on data: a list, the loss first, or a dict."""
        self._need_compiled("evaluate")
        data = of("evaluate", x, y, sample_weight, batch_size, steps)
        self._prepare(data)
        verbose = 1 if verbose == "auto" else int(verbose)
        bar = Progress(verbose, len(data))
        given = CallbackList(callbacks, self, verbose=verbose, steps=len(data))
        done, last = self._run("test", data.batches(), bar, given)
        logs = floats(last)
        bar.finish(done, logs)
        return logs if return_dict else self._listed(logs)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """What the model gives for examples, as a NumPy array, or as many as there are outputs."""
        data = of("predict", x, None, None, batch_size, steps)
        verbose = 1 if verbose == "auto" else int(verbose)
        bar = Progress(verbose, len(data))
        given = CallbackList(callbacks, self, verbose=verbose, steps=len(data))
        self._see(data)
        step, found = self._step("predict"), []
        given.call("on_predict_begin", {})
        for i, batch in enumerate(data.batches()):
            given.call("on_predict_batch_begin", i, {})
            with no_grad():
                found.append(mapped(lambda y: y.numpy(), step(batch)))
            given.call("on_predict_batch_end", i, {"outputs": found[-1]})
            bar.update(i + 1, dict)
        bar.finish(len(found), {})
        given.call("on_predict_end", {})
        parts = [[*leaves(each)] for each in found]
        joined = iter([np.concatenate(column) for column in zip(*parts, strict=True)])
        return mapped(lambda _: next(joined), found[0])

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """One step of training on one batch: its loss and its metrics, before the step."""
        self._need_compiled("train_on_batch")
        self._asked_at = called_from(here())
        data = Arrays("train_on_batch", x, y, sample_weight, class_weight=class_weight)
        return self._on_batch("train", data, return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """The loss and the metrics of one batch."""
        self._need_compiled("test_on_batch")
        return self._on_batch("test", Arrays("test_on_batch", x, y, sample_weight), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """What the model gives for one batch, as a NumPy array."""
        data = Arrays("predict_on_batch", x)
        self._see(data)
        with no_grad():
            out = self._step("predict")(pack_x_y_sample_weight(data.head(data.count)[0]))
        return mapped(lambda y: y.numpy(), out)

    def _on_batch(self, kind: str, data: Arrays, return_dict: bool) -> Any:
        self._prepare(data, learning=kind == "train")
        self.reset_metrics()
        with no_grad():
            batch = pack_x_y_sample_weight(*data.head(data.count))
            logs = floats(self._step(kind)(batch))
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
        # metrics of one of several outputs have other names in the logs: they come last
        first = [m.name for m in self.metrics if m.name in logs]
        names = [*first, *sorted(name for name in logs if name not in first)]
        found = [logs[name] for name in names]
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

    def _see(self, data: Arrays | Stream) -> Any:
        """Build the model, and give what comes out for one example."""
        with plainly(), random.apart():
            return self(data.head(1)[0], training=False)

    def _prepare(self, data: Arrays | Stream, learning: bool = False) -> None:
        """Build what depends on the data: weights, metrics, the optimiser's state."""
        usual = type(self).train_step is Trainer.train_step and self._judge.loss is not None
        if data.y is None and usual:
            raise ArgumentError(
                f"{data.what}(x, y): there are no labels\n  expected y, one label for each example"
            )
        if data.form in self._known:
            return
        try:
            out = self._see(data)
        except NotImplementedError:
            if type(self).train_step is Trainer.train_step:
                raise
            out = None  # a model that writes its own steps needs no call
        judge = self._judge
        if isinstance(out, Tensor | list | tuple | dict):
            if not judge.ready:
                _, y, _ = data.head(1)
                judge.see(output_names(self, out), y, out)
            if data.y is not None and usual:  # a loss that does not take these labels says so here
                _, y, weight = data.head(data.size)
                rows = size_of(y)
                tried = mapped(lambda t: make(np.full((rows, *t.shape[1:]), 0.5, "f4")), out)
                with plainly():
                    judge.total(y, tried, weight, note=False)
        if learning:
            self.optimizer.build(self.trainable_weights)
            self._known.add(data.form)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write the weights to a file (safetensors, whatever its name is)."""
        files.save_weights(self, filepath, overwrite)

    def save(self, filepath: Any, overwrite: bool = True, **unused: Any) -> None:
        """Refused: a file holds numbers, and no model."""
        raise ArgumentError(
            f"save({str(filepath)!r}): models are not written to files, their weights are\n"
            "  expected model.save_weights('model.weights.h5'), and to read them the same layers "
            "again and model.load_weights('model.weights.h5')\n"
            "  in ModelCheckpoint: save_weights_only=True"
        )

    def load_weights(self, filepath: Any, skip_mismatch: bool = False) -> None:
        """Take weights over from a file that ``save_weights`` wrote; ValueError for others."""
        files.load_weights(self, filepath, skip_mismatch)

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
    ) -> None:
        """Print a table of the layers; ``print_fn`` takes it instead of ``print``.

        ``expand_nested`` lists the layers of models inside, too; ``show_trainable`` says of each
        whether it learns. The width of the table is fixed.
        """
        table.show(self, print_fn, expand_nested=expand_nested, show_trainable=show_trainable)


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


def _validation(given: Any, batch_size: int | None) -> Arrays | Stream:
    """The data that a model is judged by after each epoch."""
    what = "fit(validation_data)"
    if isinstance(given, tuple | list):
        if not 2 <= len(given) <= 3:
            raise ArgumentError(
                f"{what}: got {describe(given)}\n  expected (x, y) or (x, y, sample_weight)"
            )
        x, y, weight = (*given, None)[:3]
        return of(what, x, y, weight, batch_size)
    if hasattr(given, "__array__") or not hasattr(given, "__iter__"):
        raise ArgumentError(f"{what}: got {describe(given)}\n  expected a pair (x, y)")
    return of(what, given)


def _is_due(epoch: int, frequency: Any) -> bool:
    """Whether an epoch ends with validation: each so many, or in a list of them."""
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency


def _ran_out(done: int, wanted: int) -> None:
    warn(
        f"fit: the data ran out after {done} of {wanted or 'some'} batches: training stops\n"
        "  a generator can be gone through once: give one that goes on, or a Dataset with repeat()"
    )
