"""The panel for a loop that the learner writes by hand.

The loop runs where it stands, in the learner's cell or script. The run beside it only listens:
what was logged goes into a history, a thread of its own shows it, and pause, step and stop act
where the iterator hands out the next batch. No number of the loop depends on any of it.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, cast

from ..errors import ArgumentError, KindError, NonFiniteError
from ..errors import describe as describe_value
from ..nn import Module
from ..optim import Optimizer
from ..tensor import Tensor
from .arguments import at_least_one
from .checkpoint import Copy, Recorder
from .controls import Controls
from .gauges import Gauges, Meter, value
from .guards import Guards
from .history import Epoch, History
from .nonfinite import of_logged
from .progress import Progress
from .threads import end_on_interrupt, notebook_shell, running_loop
from .watched import TICK, State, Watched

VALIDATION = ("validation_loss", "validation_accuracy")
APART = ("loss", "accuracy", *VALIDATION)  # they have pictures of their own
PACE = 1 / 20  # seconds between two copies of what is trained
SHARE = 0.0025  # of the time that they may take
LEFT = "The loop was left"
LINGER = 0.2  # seconds that the watching thread waits for another pass


class Stopped(BaseException):
    """stop() ends a ``with`` block: it is caught where the block ends, and not by the body."""


def live(
    data: Iterable[Any] | None = None,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    model: Module | None = None,
    optimizer: Optimizer | None = None,
    name: str | None = None,
    finite: bool = True,
    show: bool = True,
) -> Loop:
    """The panel of ``lab.train`` for a loop that you write: ``for batch in lab.live(loader)``.

    ``run.log(loss=loss)`` draws a step; a terminal gets a progress bar. The arguments are those of
    ``Loop``; ``show=False`` shows nothing.

    >>> import minitorch_lab as lab
    >>> w = lab.tensor(0.0, requires_grad=True)
    >>> run = lab.live(range(3), show=False)
    >>> for step in run:
    ...     loss = (w - 2) ** 2
    ...     run.log(loss=loss)
    ...     loss.backward()
    ...     with lab.no_grad():
    ...         w -= 0.5 * w.grad
    ...     w.grad = None
    >>> run.history.loss.tolist()
    [4.0, 0.0, 0.0]
    """
    run = Loop(
        data,
        epochs=epochs,
        steps=steps,
        model=model,
        optimizer=optimizer,
        name=name,
        finite=finite,
    )
    if show:
        run.show()
    return run


class Loop(Controls, Watched):
    """A run whose loop the learner writes: it counts, measures and shows, and can be held.

    Args:
        data: what ``for batch in run`` goes over: a loader, or any other iterable.
        epochs: how often one ``for`` goes over it; without it once.
        steps: how many steps there will be, for the bar, where data and epochs do not say.
        model: its weight and gradient norms are measured, by layer; it can be put back.
        optimizer: the learning rate is shown, and can be changed in the panel.
        name: the title of the panel.
        finite: whether a loss that is nan or infinite ends the loop, with a NonFiniteError.

    Raises:
        KindError: data, model or optimiser of another type.
        ArgumentError: a count below 1.

    >>> from minitorch_lab.widgets.loop import Loop
    >>> run = Loop([0.5, 0.25], epochs=2)
    >>> for batch in run:
    ...     run.log(loss=batch)
    >>> run.state, run.epoch, run.history.loss.tolist()
    ('done', 2, [0.5, 0.25, 0.5, 0.25])
    """

    batch_fixed = True
    mode = "eager"  # of the meter: the loop itself may do what it likes
    device = "cpu"
    seed = None
    valid = None

    def __init__(
        self,
        data: Iterable[Any] | None = None,
        *,
        epochs: int | None = None,
        steps: int | None = None,
        model: Module | None = None,
        optimizer: Optimizer | None = None,
        name: str | None = None,
        finite: bool = True,
    ) -> None:
        checked(data, model, optimizer)
        self.data, self.model, self.optimizer = data, model, optimizer
        self.epochs = None if epochs is None else at_least_one("epochs", epochs, "live")
        self._steps = None if steps is None else at_least_one("steps", steps, "live")
        self.name = name or (type(model).__name__ if model is not None else "my loop")
        self.finite = finite
        self.batch_size = int(getattr(data, "batch_size", None) or 1)
        self.history = History()
        self.listeners = []
        self.message = ""
        self.error = None
        self.epoch = 0  # passes over the data that were finished
        self.classifies = False  # an accuracy was logged
        self.validates = False
        self.names: list[str] = []  # of what was logged beside the loss, in that order
        self._state: State = "ready"
        self._meters = {"eager": Meter()}
        self._next_tick = 0.0
        self._gauges = Gauges(self, None, part=0.5)
        self._guards = Guards(self)
        self._keeper = self._recorder = Nobody()
        self._keep = Keep(model, optimizer) if model or optimizer else None
        self._epoch_start = 0
        self._losses = False  # a loss was logged
        self._met: set[str] = {"loss"}
        self._passing = False  # inside `for batch in run`
        self._row: dict[str, float] | None = None  # what this step of the iterator has logged
        self._blocks = 0  # `with` blocks around
        self._clock = 0.0
        self._lock = threading.Condition(threading.RLock())
        self._requests: list[Callable[[], None]] = []
        self._attention = False
        self._go = False
        self._owed = 0
        self._pausing = False
        self._hold_at = None
        self._stop = None
        self._stopped_in: tuple[int | None] | None = None  # the cell in which it was stopped
        self._alive = False
        self._finished = threading.Event()
        self._finished.set()
        self._thread: threading.Thread | None = None
        self._main_loop = running_loop()
        self._progress: Progress | None = None

    # What a watcher reads.

    @property
    def goal(self) -> int | None:
        """The passes there will be, where that is known."""
        return self.epochs

    @property
    def total(self) -> int | None:
        """Steps there will be, where that is known."""
        length = size_of(self.data)
        if self._steps is not None or not length or self.epochs is None:
            return self._steps
        return self.epochs * length

    @property
    def part(self) -> float | None:
        """The share that is done: of all steps, or of this pass where only its length is known."""
        length = size_of(self.data)
        if self.total is not None or not length:
            return super().part
        done = len(self.history) - self._epoch_start
        return min(done / length, 1.0) if self._alive or not self.epoch else 1.0

    @property
    def lr(self) -> float | None:
        """The learning rate (of the first group); None where no optimiser was given."""
        return None if self.optimizer is None else float(self.optimizer.param_groups[0]["lr"])

    @property
    def momentum(self) -> float | None:
        """The momentum, or ``betas[0]``; None where there is none."""
        return None if self.optimizer is None else super().momentum

    @property
    def weight_decay(self) -> float | None:
        """The weight decay; None where there is none."""
        return None if self.optimizer is None else super().weight_decay

    @property
    def dropout(self) -> float | None:
        """The probability of the first dropout layer; None where there is none."""
        return None if self.model is None else super().dropout

    def __repr__(self) -> str:
        return f"{self.name}, {self.summary()!r}"

    def show(self) -> None:
        """Show the panel here, in a notebook; elsewhere a progress bar while the loop runs."""
        if notebook_shell() is None:
            self._progress = Progress(self)
            return
        from .loop_panel import LoopPanel

        LoopPanel(self).show()

    # The loop.

    def __iter__(self) -> Iterator[Any]:
        if self.data is None:
            raise ArgumentError(
                "live(): there is no data to go over\n"
                "  give it: for batch in lab.live(loader)\n"
                "  or write the loop yourself: with lab.live() as run: ... run.log(loss=loss)"
            )
        if self._passing:
            raise ArgumentError(
                "live(): the loop goes over its data already\n"
                "  a loop within a loop takes a run of its own: lab.live(loader)"
            )
        return self._passes(self.data)

    def __enter__(self) -> Loop:
        self._blocks += 1
        self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._blocks -= 1
        if self._blocks == 0 or error is not None:
            self._close(error)
        return isinstance(error, Stopped)

    def log(self, **values: Any) -> None:
        """Write the values of a step: ``loss``, ``accuracy``, and anything else that is a number.

        A Tensor is read and not kept. Inside ``for batch in run`` a batch is a step; elsewhere each
        loss is one. ``validation_loss`` and ``validation_accuracy`` are points of their own on the
        curves, after the step of now.

        Raises:
            KindError: a value that is no number.
            NonFiniteError: a loss that is nan or infinite; it names the op where it rose.
        """
        row = {name: v if v.__class__ is float else read(name, v) for name, v in values.items()}
        if not self._alive:
            self._begin()
        if self._attention and not self._passing and not self._attend():
            if not self._blocks:
                self._close(Stopped())
            raise Stopped(self._stop)
        if not self._met.issuperset(row):
            self._meet(row)
        loss = row.get("loss", 0.0)
        if self._row is not None:
            self._row.update(row)
        else:
            self._write(row)
        if self.finite and not math.isfinite(loss):
            raise self._diagnose(loss, values["loss"])

    def restore(self) -> int:
        """Put weights and optimiser back to the last copy with a finite loss after it, and return
        its step. Copies are made as often as costs a 400th of the time.

        Raises:
            ArgumentError: neither model nor optimiser was given, or no step was logged.
        """
        if self._keep is None or self._keep.good is None:
            none = "neither model nor optimizer was given"
            raise ArgumentError(
                f"restore(): {none if self._keep is None else 'no step was logged yet'}\n"
                "  expected a run that knows what it trains:\n"
                "  lab.live(loader, model=model, optimizer=optimizer)"
            )
        return self._keep.restore()

    def end(self) -> None:
        """Say that the loop has ended: for one without ``for batch in run`` and ``with``."""
        if self._alive:
            self._close(None)

    # Between the steps.

    def _passes(self, data: Iterable[Any]) -> Iterator[Any]:
        if self._holds_stopped():
            return
        self._begin()
        self._passing = True
        gauges = self._gauges
        try:
            for _ in range(self.epochs or 1):
                self._epoch_start = len(self.history)
                for batch in data:
                    if self._attention and not self._attend():
                        self._close(Stopped())
                        return
                    if gauges.due:
                        gauges.before()
                    self._row = {}
                    yield batch
                    row, self._row = self._row, None
                    if row is not None:
                        self._write(row)
                self._end_epoch()
                if self._attention and not self._attend():
                    self._close(Stopped())
                    return
            if not self._blocks:
                self._close(None)
        except BaseException as error:
            left, self._row = self._row, None
            if left and self._alive:
                self._write(left)
            if not self._blocks:
                self._close(error)
            raise
        finally:
            self._passing, self._row = False, None

    def _write(self, row: dict[str, float]) -> None:
        """Into the history: a step, or more about the step of now."""
        history, gauges = self.history, self._gauges
        if "loss" in row or self._passing or not self._losses:
            accuracy = row.pop("accuracy", math.nan)
            loss = row.pop("loss", None)
            if loss is None:
                history.skip(accuracy)
            else:
                self._losses = True
                history.add(loss, accuracy)
            now = time.perf_counter()
            seconds, self._clock = now - self._clock, now
            self._meters["eager"].add(seconds)
            if gauges.due:
                gauges.after()
                if not self._passing:
                    gauges.before()
            elif now >= gauges.next:
                gauges.due = True
                if not self._passing:
                    gauges.before()
            if self._keep is not None and loss is not None and math.isfinite(loss):
                self._keep.stepped(len(history), now)
        if row:
            if "accuracy" in row:
                history.amend(row.pop("accuracy"))
            checks = [row.pop(name, math.nan) for name in VALIDATION]
            if not all(map(math.isnan, checks)):
                epoch = self.epoch if not self._passing else self.epoch + 1
                history.validation.append(Epoch(epoch, len(history), checks[0], checks[1]))
            history.log(**row)

    def _end_epoch(self) -> None:
        history = self.history
        if len(history) > self._epoch_start:
            self.epoch += 1
            means = history.since(self._epoch_start)
            history.epochs.append(Epoch(self.epoch, len(history), *means))

    def _meet(self, row: dict[str, float]) -> None:
        """Names that were not logged before: the panel gets pictures for them."""
        new = row.keys() - self._met
        self._met |= new
        self.classifies |= not new.isdisjoint(("accuracy", "validation_accuracy"))
        self.validates |= not new.isdisjoint(VALIDATION)
        self.names += [name for name in row if name in new and name not in APART]
        self._tell("names")

    # Begin and end.

    def _launch(self) -> None:
        """start() before the loop, or after its end: the loop may be run (again)."""
        self._stopped_in = None

    def _holds_stopped(self) -> bool:
        """Whether stop() ended the loop, and this is still the cell where it was: the loops around
        this one come to their end."""
        if self._stopped_in is not None and self._stopped_in == (cell(),):
            return True
        self._stopped_in = None
        return False

    def _begin(self) -> None:
        """The first step is about to come, or another pass."""
        self._clock = time.perf_counter()
        if self._alive:
            return
        with self._lock:
            self._stop, self.error, self.message = None, None, ""
            self._go = not self._pausing
            self._state = "running" if self._go else "paused"
            self._attention = not self._go
            self._alive = True
            if self._thread is None:
                self._finished = threading.Event()
                self._thread = threading.Thread(
                    target=self._watch, args=[self._finished], name=f"watch {self.name}"
                )
                self._thread.daemon = True
                end_on_interrupt(cast(Any, self))
                self._thread.start()
        if self._keep is not None:
            self._keep.begun(len(self.history))
        if notebook_shell() is not None:
            look_after_cells(self)

    def _close(self, error: BaseException | None) -> None:
        """The loop has ended; ``error`` says why, where it was not at its end."""
        where = f"after step {self.step_count:,}"
        state: State = "stopped"
        message = ""
        if error is None:
            state = "done"
        elif isinstance(error, (Stopped, KeyboardInterrupt)):
            reason = "Interrupted" if isinstance(error, KeyboardInterrupt) else self._stop
            message = f"{reason or 'Stopped'} {where}."
            if isinstance(error, Stopped):
                self._stopped_in = (cell(),)
        elif isinstance(error, GeneratorExit):  # break, return, or an error in the body
            if self.error is None:
                message = f"{LEFT} {where}."
            else:
                state, message = "failed", self.message
        else:
            state, self.error = "failed", error
            text, name = str(error), type(error).__name__
            message = text if text.startswith(name) else f"{name}: {text}"
        with self._lock:
            for request in self._requests:
                request()
            self._requests = []
            self._go, self._owed, self._attention, self._pausing = False, 0, False, False
            self.message, self._state, self._alive = message, state, False
            if self._progress is not None:
                self._progress.end()
        self._meters["eager"].settle()
        self._guards.look(at_once=True)
        if state != "done":  # else another pass may follow at once
            self._tell("state")

    def _left(self, error: BaseException | None) -> None:
        """The cell has ended in which the loop was begun."""
        if self._passing or self._blocks:
            return
        left = self._state == "stopped" and self.message.startswith(LEFT)
        if self._alive or (left and error is not None):
            self._close(error)

    def _diagnose(self, loss: float, logged: Any) -> NonFiniteError:
        """What ends the loop at this step."""
        row, self._row = self._row, None
        if row:
            self._write(row)
        kept = ""
        if self._keep is not None and self._keep.good is not None:
            kept = f"the weights after step {self._keep.good.step:,}: run.restore() puts them back"
        error = NonFiniteError(of_logged(loss, self.step_count, logged, kept, self.lr))
        self.error, self.message = error, f"NonFiniteError: {error}"
        if not self._passing:
            self._close(error)
        return error

    # The thread that shows it.

    def _watch(self, finished: threading.Event) -> None:
        """Tell the listeners, until the loop has ended and no other pass follows."""
        self._tell("state")
        ended = None
        while True:
            time.sleep(min(max(self._next_tick - time.perf_counter(), TICK), 1.0))
            self._tick()
            now = time.perf_counter()
            with self._lock:
                if self._alive:
                    ended = None
                    if self._progress is not None:
                        self._progress.show()
                else:
                    ended = ended or now
                    if now - ended > LINGER:
                        self._thread = None
                        break
        self._tell("state")
        finished.set()


class Nobody:
    """Stands for what keeps steps and makes them anew, in a run that cannot do so."""

    moved = False

    def cut(self) -> None:
        """Nothing is kept."""

    def go_on(self) -> None:
        """Nothing was put away."""

    def hold(self, changed: bool = False) -> None:
        """Nothing is put away."""


class Still:
    """Stands for an optimiser, where none was given."""

    param_groups: tuple[Any, ...] = ()
    state: Mapping[Any, Any] = MappingProxyType({})


class Good(NamedTuple):
    """The state after a step."""

    step: int
    copy: Copy


class Keep:
    """Copies of what is trained. The newest has to be proved: a loss after it that is finite."""

    def __init__(self, model: Module | None, optimizer: Optimizer | None) -> None:
        self._recorder = Recorder(model or Module(), cast(Optimizer, optimizer or Still()))
        self.good: Good | None = None
        self._newest: Good | None = None
        self._next = 0.0

    def begun(self, step: int) -> None:
        """The loop begins, or another pass."""
        if self._newest is None or self.good is None:
            self._newest = Good(step, self._recorder._copy())

    def stepped(self, step: int, now: float) -> None:
        """A step has ended, with a finite loss."""
        if now < self._next:
            return
        self.good = self._newest
        self._newest = Good(step, self._recorder._copy())
        self._next = now + max(PACE, (time.perf_counter() - now) / SHARE)

    def restore(self) -> int:
        """Back to the last good one; its step."""
        assert self.good is not None
        self._recorder._restore(self.good.copy)
        self._newest = self.good
        return self.good.step


def checked(data: Any, model: Any, optimizer: Any) -> None:
    """What was given is what it should be."""
    if data is not None and not hasattr(data, "__iter__") and not hasattr(data, "__getitem__"):
        raise KindError(
            f"live(data): data is {describe_value(data)}\n"
            "  expected something to go over: a DataLoader, a list, range(100)"
        )
    if model is not None and not isinstance(model, Module):
        raise KindError(f"live: model is {describe_value(model)}\n  expected an nn.Module")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise KindError(
            f"live: optimizer is {describe_value(optimizer)}\n"
            "  expected an optimiser such as optim.Adam(model.parameters())"
        )


def read(name: str, given: Any) -> float:
    """A logged value as a number; nothing of a tensor is kept."""
    if given.__class__ is Tensor and given.array.size == 1:
        return float(given.item())
    return value(f"log({name}=...): {name} is", given)


def size_of(data: Any) -> int | None:
    """How many batches there are in a pass, where that is known."""
    try:
        return len(data)
    except TypeError:
        return None


# Notebooks: what is said of a loop when its cell has ended.


def cell() -> int | None:
    """The number of the notebook's cell that is running."""
    shell = notebook_shell()
    return None if shell is None else shell.execution_count


_begun: weakref.WeakSet[Loop] = weakref.WeakSet()
_watched: Any = None


def look_after_cells(run: Loop) -> None:
    """See that a run learns how its cell ended."""
    global _watched
    _begun.add(run)
    shell = notebook_shell()
    if shell is not _watched:
        shell.events.register("post_run_cell", _after_cell)
        _watched = shell


def _after_cell(result: Any = None) -> None:
    error = getattr(result, "error_in_exec", None)
    for run in list(_begun):
        run._left(error)
        if not run.alive:
            _begun.discard(run)
