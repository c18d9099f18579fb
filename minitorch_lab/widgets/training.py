"""Training in a thread that can be watched, paused, stepped and changed while it runs.

Nothing here knows about notebooks: ``live.py`` draws what this module does, and a script calls
``run()``. One training step is one function (zero the gradients, forward, backward, update); eager
mode calls it, graph mode calls its compiled twin, so that the mode can change between two steps
while the numbers go on. A run draws the same random numbers in the same order as the loop that one
would write by hand, however often it is paused.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import random
from ..device import device_of, namespace_of, prefer_one_thread, to_host
from ..errors import ArgumentError, KindError, NonFiniteError
from ..graph import compile, mode
from ..nn import Module
from ..nn import functional as F
from ..optim import Optimizer
from ..optim.lr_scheduler import LRScheduler
from ..tensor import Tensor, no_grad
from ..utils.data import DataLoader, Dataset
from .arguments import at_least_one, integer_target, loader, make_optimizer
from .branches import Branch, Branching
from .checkpoint import Recorder
from .controls import Controls
from .gauges import Gauges, Meter, Metric
from .guards import Guards
from .history import Epoch, History, Mark
from .nonfinite import Finding, describe, find_first
from .progress import Progress
from .rewind import Keeper
from .schedules import checked_schedule, go_on
from .threads import end_on_interrupt, quick_switches, running_loop, stop_all
from .watched import State, Summary, Watched
from .words import figures, number, plural, short

if TYPE_CHECKING:
    from .views import Picture

__all__ = [
    "Epoch", "History", "Mark", "Meter", "Summary", "Training", "at_least_one", "end_on_interrupt",
    "figures", "loader", "make_optimizer", "number", "plural", "quick_switches", "running_loop",
    "short", "stop_all",
]  # fmt: skip

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]

MODES = ("eager", "graph")


class Training(Controls, Branching, Watched):
    """A training run with controls: start, pause, single step, stop; mode, device, learning rate.

    Args:
        model: the module to train. Its parameters change in place.
        data: a ``DataLoader``, a ``Dataset`` of (input, target) pairs, or a pair of Tensors
            ``(N, ...)`` and ``(N, ...)``. All but a loader are shuffled into batches each epoch.
        loss: called as ``loss(output, target)``. Without it: cross entropy for integer targets,
            mean squared error for others.
        optimizer: an optimiser over the model's parameters, or "adam" (the default) or "sgd".
        epochs: how often to go through the data.
        batch_size: samples in a step, where ``data`` is not a loader.
        valid: data as above, measured after each epoch with the model in ``eval()``.
        lr: the learning rate; without it the optimiser's own.
        seed: given to ``manual_seed`` when the run starts; the numbers are then those of the loop
            written by hand after the same ``manual_seed``.
        name: the title of the panel.
        metrics: ``{"name": fn}``: ``fn(output, target)`` is measured on a batch now and then, and
            on all validation data.
        schedule: of the learning rate, over the same optimiser; it goes on after each epoch.

    Raises:
        KindError: data, model or optimiser of another type.
        ArgumentError: a count below 1, an unknown optimiser's name, no data.

    The work is done in a thread; every control may be called from any thread and returns at once.
    The run keeps what it needs to go back to the last weights with a finite loss.

    >>> from minitorch_lab import nn, randn
    >>> training = Training(nn.Linear(3, 1), (randn(64, 3), randn(64, 1)), epochs=2, seed=0)
    >>> summary = training.start().wait()
    >>> summary.state, summary.step
    ('done', 4)
    """

    def __init__(
        self,
        model: Module,
        data: DataLoader | Dataset[Any] | tuple[Tensor, Tensor],
        *,
        loss: Loss | None = None,
        optimizer: Optimizer | Literal["adam", "sgd"] | None = None,
        epochs: int = 10,
        batch_size: int = 32,
        valid: DataLoader | Dataset[Any] | tuple[Tensor, Tensor] | None = None,
        lr: float | None = None,
        seed: int | None = None,
        name: str | None = None,
        metrics: Mapping[str, Metric] | None = None,
        schedule: LRScheduler | None = None,
    ) -> None:
        if not isinstance(model, Module):
            raise KindError(
                f"train(model, data): model is a {type(model).__name__}\n"
                "  expected an nn.Module, for example nn.Sequential(nn.Linear(2, 1))"
            )
        self._given = {k: v for k, v in locals().items() if k not in ("self", "model", "data")}
        self.model = model
        self.epochs = at_least_one("epochs", epochs)
        self.loader = loader(data, at_least_one("batch_size", batch_size), shuffle=True)
        self.valid = None if valid is None else loader(valid, batch_size, shuffle=False)
        self.batch_size = self.loader.batch_size or batch_size
        self.seed = seed
        self.name = name or type(model).__name__
        self.optimizer = make_optimizer(optimizer, model, lr)
        self.schedule = checked_schedule(schedule, self.optimizer)
        whole = integer_target(self.loader)
        self.loss = loss or (F.cross_entropy if whole else F.mse_loss)
        self.classifies = whole
        self.history = History()
        self.listeners: list[Callable[[str], None]] = []
        self.error: BaseException | None = None
        self.message = ""
        self.epoch = 0  # epochs completed
        self._goal = self.epochs
        self._state: State = "ready"
        self._mode: str = mode()
        self._device = next((device_of(p.array).type for p in model.parameters()), "cpu")
        self._compiled = compile(self._step)
        self._call: Callable[[Tensor, Tensor], Batch] = self._step
        self._choose(self._mode)
        self._meters = {name: Meter() for name in MODES}
        self._recorder = Recorder(model, self.optimizer)
        self._gauges = Gauges(self, metrics)
        self._guards = Guards(self)
        self._keeper = Keeper(self)
        self._branch = Branch(self, self.name)
        # The controls. `_attention` is what the loop reads each step; the rest is under the lock.
        self._lock = threading.Condition(threading.RLock())
        self._requests: list[Callable[[], None]] = []
        self._attention = False
        self._go = False
        self._owed = 0  # single steps asked for
        self._pausing = False  # pause() was the last word
        self._hold_at: int | None = None  # an epoch at whose end it holds
        self._stop: str | None = None
        self._alive = False
        self._finished = threading.Event()  # of the run under way, or of the last one
        self._finished.set()
        self._next_tick = 0.0
        self._clock = 0.0
        self._thread: threading.Thread | None = None
        self._main_loop = running_loop()

    # What a watcher reads; each is one attribute, safe from any thread.

    @property
    def total(self) -> int | None:
        """Steps there will be when all epochs are done; None where the loader has no length."""
        try:
            left = (self._goal - self.epoch) * len(self.loader) + self._more
        except TypeError:
            return None
        return self._epoch_start + left

    _epoch_start = 0  # steps done when this epoch began
    _more = 0  # steps more in this epoch, as its batches had another size at first

    @property
    def lr(self) -> float:
        """The learning rate (of the first group)."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def mode(self) -> str:
        """The current mode, "eager" or "graph"."""
        return self._mode

    @property
    def device(self) -> str:
        """The current device, "cpu" or "cuda"."""
        return self._device

    @property
    def goal(self) -> int:
        """The epochs that this run goes to; another start after the end adds to it."""
        return self._goal

    def view(self, name: str, **options: Any) -> Picture:
        """What the model does now: "boundary", "confusion" (``cell=(true, said)``), "samples"
        (``order="first"``, ``"worst"`` or ``"wrong"``), "weights", "gradients" or "surface".

        Computed from a copy, between two steps: the run stays bitwise what it is. Printed it is a
        table; in a notebook a drawing; ``picture["counts"]`` and so on are its arrays. Where it
        does not apply, ``picture.empty`` says why.

        Raises:
            ArgumentError: there is no such view or option; the message lists them.
        """
        from .views.viewer import Viewer

        return Viewer().view(self, name, **options)

    # To the end.

    def wait(
        self, timeout: float | None = None, until: Literal["pause", "end"] = "pause"
    ) -> Summary:
        """Block until the run ends or pauses, or for ``timeout`` seconds, and say how it stands.

        ``until="end"`` waits through pauses, for someone who goes on in the panel. Ctrl-C, or the
        notebook's interrupt, ends the run after the step that is under way.

        Raises:
            ArgumentError: ``until`` is another word.
        """
        if until not in ("pause", "end"):
            raise ArgumentError(f"wait(until): until is {until!r}\n  expected 'pause' or 'end'")
        try:
            with self._lock:
                self._lock.wait_for(lambda: self._rests(until), timeout)
        except KeyboardInterrupt:
            self.stop("Interrupted")
            self._finished.wait()
        return self.summary()

    def _rests(self, until: str) -> bool:
        """Whether the run has ended, or holds and nobody asks it to go on."""
        held = until == "pause" and self._holding and not self._asked()
        return held or self._finished.is_set()

    def run(self) -> Summary:
        """Train to the end with a progress bar in the terminal; for scripts.

        Raises:
            the error of a step that failed; NonFiniteError when the loss became nan or infinite.
        """
        progress = Progress(self)
        self.start()
        try:
            while not self._finished.wait(0.1 if progress.terminal else 0.05):
                progress.show()
        except KeyboardInterrupt:
            self.stop("Interrupted")
            self._finished.wait()
        progress.end()
        if self.error is not None:
            raise self.error
        return self.summary()

    # The thread.

    def _launch(self) -> None:
        if self._state == "ready" and self.seed is not None:
            random.manual_seed(self.seed)
        elif self._state == "done":
            self._goal += self.epochs
        self.error, self.message, self._stop = None, "", None
        self._state = "running" if self._go else "paused"
        if self._keeper.resume is None:
            self._epoch_start = len(self.history)
        self._alive = True
        self._finished = threading.Event()
        self._thread = threading.Thread(
            target=self._work, args=[self._finished], name=f"train {self.name}", daemon=True
        )
        prefer_one_thread()
        end_on_interrupt(self)
        self._thread.start()

    def _work(self, finished: threading.Event) -> None:
        state: State = "failed"
        try:
            self._tell("state")
            # An overflow is no warning here: the loss shows it, and then its origin is looked for.
            with quick_switches(), np.errstate(all="ignore"):
                state = self._epochs()
        except BaseException as error:  # noqa: BLE001 - nobody reads a thread's traceback
            self._fail(error)
        finally:
            self._recorder.clear()
            if state != "failed":
                self._keeper.hold()
            for meter in self._meters.values():
                meter.settle()
            self._guards.look(at_once=True)
            with self._lock:
                if state == "stopped":
                    reason = self._stop or "Stopped"
                    where = f"after step {self.step_count:,}"
                    self.message = f"{reason} {where}; the weights are from there."
                for request in self._requests:  # asked for after the last step
                    request()
                self._go, self._owed, self._requests = False, 0, []
                self._state = state
                self._alive = False
            self._tell("state")
            with self._lock:
                finished.set()
                self._lock.notify_all()

    def _epochs(self) -> State:
        self.model.train()
        keeper, gauges = self._keeper, self._gauges
        keeper.launch()
        self._clock = time.perf_counter()
        while self.epoch < self._goal:
            if keeper.resume is None:
                self._epoch_start = len(self.history)
            first = True
            for batch in keeper.batches():
                if self._attention and not self._attend():
                    return "stopped"
                if keeper.moved:  # rewound while it held: on with the batches from there
                    break
                x, y = self._pair(batch)
                self._recorder.log(x, y, self._call, first)
                first = False
                if gauges.due:
                    gauges.before()
                loss, output = self._call(x, y)
                value, accuracy = self._read(loss, output, y)
                self.history.add(value, accuracy)
                if not math.isfinite(value):
                    raise self._diagnose(value)
                now = time.perf_counter()
                seconds, self._clock = now - self._clock, now
                self._meters[self._mode].add(seconds)
                self._recorder.keep(seconds)
                keeper.stepped(len(x), now)
                if gauges.due:
                    gauges.after(output, y)
                elif now >= gauges.next:
                    gauges.due = True
                if now >= self._next_tick:
                    self._tick()
            if keeper.moved:
                continue
            if len(self.history) == self._epoch_start:
                raise ArgumentError(
                    "train(model, data): data has no batches\n  expected at least 1"
                )
            keeper.passed()
            self.epoch += 1
            self._more = 0
            means = self.history.since(self._epoch_start)
            self.history.epochs.append(Epoch(self.epoch, len(self.history), *means))
            self._epoch_start = len(self.history)
            if self.schedule is not None:
                self._recorder.cut()
                go_on(self.schedule, means[0])
            if self.valid is not None and not self._validate(self.valid):
                return "stopped"
            if self._hold_at == self.epoch:
                self.pause()
            self._clock = time.perf_counter()
            if self._clock >= self._next_tick:
                self._tick()
        return "done"

    def _step(self, x: Tensor, y: Tensor) -> Batch:
        self.optimizer.zero_grad()
        output = self.model(x)
        loss = self.loss(output, y)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), output.detach()  # values: nobody goes backward through a step

    def _pair(self, batch: Any) -> Batch:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            parts = len(batch) if isinstance(batch, (tuple, list)) else 1
            raise ArgumentError(
                f"train(model, data): a batch of data has {plural(parts, 'part')}\n"
                "  expected 2: input and target"
            )
        x, y = batch
        if self._device != "cpu" or x.device.type != "cpu":
            x, y = x.to(self._device), y.to(self._device)
        return x, y

    def _read(self, loss: Tensor, output: Tensor, y: Tensor) -> tuple[float, float]:
        """Loss and accuracy as numbers: on a GPU one wait for both."""
        if not self.classifies or output.ndim != y.ndim + 1:
            return float(loss.item()), math.nan
        hits = output.array.argmax(1) == y.array
        if isinstance(hits, np.ndarray):
            return float(loss.item()), np.count_nonzero(hits) / max(hits.size, 1)
        pair = namespace_of(hits).empty(2, dtype="float64")
        pair[0], pair[1] = loss.array, hits.mean()
        value, accuracy = to_host(pair).tolist()
        return value, accuracy

    def _validate(self, batches: DataLoader) -> bool:
        """Measure on the validation data; False when asked to stop meanwhile."""
        flags = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        count, loss, right = 0, 0.0, 0.0
        sums = dict.fromkeys(self._gauges.metrics, 0.0)
        try:
            with no_grad():
                for batch in batches:
                    if self._attention and not self._wait_here():
                        return False
                    x, y = self._pair(batch)
                    output = self.model(x)
                    value, accuracy = self._read(self.loss(output, y), output, y)
                    size = len(x)
                    count, loss, right = count + size, loss + value * size, right + accuracy * size
                    for name, measured in self._gauges.measure(output, y).items():
                        sums[name] += measured * size
        finally:
            for module, flag in flags:
                module.training = flag
        if count:
            means = {name: total / count for name, total in sums.items()}
            self.history.validation.append(
                Epoch(self.epoch, len(self.history), loss / count, right / count, means)
            )
        return True

    # Failure.

    def _diagnose(self, value: float) -> NonFiniteError:
        """Go back to the last weights with a finite loss; say where the first bad value rose."""
        step = len(self.history)
        entries = self._recorder.rewind(2)
        finding: Finding | None = None
        try:
            finding = find_first(self.model, self.loss, self.optimizer, entries, step)
        finally:
            self._recorder.restore_rewound()
        if len(entries) == 2:
            last = number(self.history.streams["loss"].at(step - 1))
            kept = f"the weights from before step {step - 1:,}, "
            kept += f"the last with a finite loss ({last})"
        else:
            kept = f"the weights from before step {step:,}"
        return NonFiniteError(describe(value, step, finding, kept, self.lr, self.last_good))

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, NonFiniteError):
            self._recorder.undo()
        self.optimizer.zero_grad()
        self.error = error
        name = type(error).__name__
        text = str(error)
        self.message = text if text.startswith(name) else f"{name}: {text}"
