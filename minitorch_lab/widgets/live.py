"""The live training panel: a ``Training`` with controls and curves in a notebook.

The panel never draws in Python: the page gets numbers as binary messages, at most 30 a second
and of bounded size, and draws them on a canvas. A control sends one message, whose handler only
sets a flag (it may run on another thread, while a cell is running).
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import traitlets

from ..device import why_no_cuda
from ..errors import ArgumentError, LabError, NonFiniteError
from .base import LabWidget
from .gauges import STREAMS
from .history import Epoch, History, Stream, means, merge
from .live_still import STYLE, Drawn, picture
from .threads import end_with_cell, stop_all
from .threads import notebook_shell as _shell
from .timeline import (
    STEERS,
    Timeline,
    marks_of,
    not_finite,
    thin_checks,
    thin_curve,
    thinned,
)
from .timeline import number_or_none as _number
from .training import Training
from .views import VIEWS, Picture, still
from .views.viewer import Viewer, first_view
from .words import plural, short

SETTINGS = ("lr", "momentum", "weight_decay", "dropout", "batch_size")
WITHOUT = ("loss", "accuracy")  # streams that have pictures of their own
MESSAGES = 26  # a second at most; with answers to what the page asks they are 30
ROWS_A_MESSAGE = 250  # rows in one message while training
ROWS_IN_ALL = 8000  # and when a view asks for everything
EPOCHS = 2000  # rows of epochs, then
EPOCHS_A_MESSAGE = 8  # and while training
POINTS = 500  # of each other stream, then
CALM = 0.2  # seconds between two messages with the kept steps of a run that goes on
OTHERS = 0.5  # seconds between two messages about a run that goes on and is not shown
MOST_SPAN = 500  # steps over which the bold line is smoothed, at most


def train(
    model: Any,
    data: Any,
    *,
    loss: Any = None,
    optimizer: Any = None,
    epochs: int = 10,
    batch_size: int = 32,
    valid: Any = None,
    lr: float | None = None,
    seed: int | None = None,
    name: str | None = None,
    metrics: Any = None,
    schedule: Any = None,
    show: bool = True,
) -> Live:
    """A panel that trains ``model`` on ``data`` when its start button (or ``start()``) is pressed.

    The arguments are those of ``Training``; ``show=False`` makes the panel without showing it here.
    ``panel.wait()`` blocks the cell until the run ends or pauses; the notebook's interrupt ends it.
    """
    panel = Live(
        Training(
            model,
            data,
            loss=loss,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            valid=valid,
            lr=lr,
            seed=seed,
            name=name,
            metrics=metrics,
            schedule=schedule,
        )
    )
    end_with_cell(panel._replaced)
    if show:
        panel.show()
    return panel


class Live(Timeline, LabWidget):
    """The panel of one run and its forks; ``training`` is the one that is shown. It has the run's
    controls as methods, too."""

    part = "live"
    uses = ("kernel", "curves", "timeline", "plane", "views")
    about = traitlets.Dict().tag(sync=True)
    still = traitlets.Unicode().tag(sync=True)  # for a notebook that is opened without its kernel

    def __init__(self, training: Any) -> None:
        self.training = training
        self._sent = [0, 0, 0, 0]  # steps, validations, epochs, marks
        self._ends: dict[str, int] = {}  # the last step sent of each other stream
        self._history: History | None = None  # whose steps those are
        self._sent_timeline: Any = None
        self._sent_curves: dict[str, Any] = {}
        self._at = 0.0  # when the last message went
        self._streams: list[str] = []
        self._begin_timeline()
        self._viewer = Viewer(self._push)
        self._lock = threading.Lock()
        self._times: deque[float] = deque(maxlen=MESSAGES)  # of the last messages
        self._told = ""  # the state in the last one
        self._shown_in: int | None = None
        super().__init__(about=self.facts())
        # This panel sends from its training thread and waits for no reply.
        self.answer_while_cells_run()
        self.on_msg(self._on_message)
        self._follow()
        _end_with_cells()

    def facts(self) -> dict[str, Any]:
        """What the page has to know that does not change."""
        return facts(self.training)

    # The run, for cells.

    @property
    def history(self) -> History:
        """What the run has measured so far."""
        return self.training.history

    @property
    def state(self) -> str:
        """ready, running, paused, stopping, stopped, done or failed."""
        return self.training.state

    def start(self) -> Live:
        """Start, or go on after a pause."""
        self.training.start()
        return self

    def pause(self) -> None:
        """Hold after the step that is under way."""
        self.training.pause()

    def step(self) -> None:
        """Do one step and hold."""
        self.training.step()

    def step_epoch(self) -> None:
        """Go on to the end of the epoch, and hold there."""
        self.training.step_epoch()

    def stop(self) -> None:
        """End the run after the step that is under way."""
        self.training.stop()

    def set_lr(self, lr: float) -> None:
        """Change the learning rate from the next step on."""
        self.training.set_lr(lr)

    def set_momentum(self, momentum: float) -> None:
        """Change the momentum, or the first of ``betas``, from the next step on."""
        self.training.set_momentum(momentum)

    def set_weight_decay(self, weight_decay: float) -> None:
        """Change the weight decay from the next step on."""
        self.training.set_weight_decay(weight_decay)

    def set_dropout(self, p: float) -> None:
        """Give all dropout layers of the model the probability ``p`` from the next step on."""
        self.training.set_dropout(p)

    def set_batch_size(self, batch_size: int) -> None:
        """Make batches of another size from the next batch on."""
        self.training.set_batch_size(batch_size)

    def set_mode(self, mode: Literal["eager", "graph"]) -> None:
        """Run from the next step on in eager or in graph mode."""
        self.training.set_mode(mode)

    def set_device(self, device: Literal["cpu", "cuda"]) -> None:
        """Move model, optimiser state and data to a device before the next step."""
        self.training.set_device(device)

    def show_streams(self, *names: str) -> None:
        """Show these streams beside loss and accuracy, and no others.

        Raises:
            ArgumentError: there is no such stream; the message lists them.
        """
        known = [name for name, _ in self.about["streams"]]
        for name in names:
            if name not in known:
                words = ", ".join(known)
                raise ArgumentError(
                    f"show_streams({name!r}): there is no such stream\n  streams  {words}"
                )
        self._streams = [name for name in known if name in names]
        self._push()

    def wait(self, timeout: float | None = None, until: Literal["pause", "end"] = "pause") -> Any:
        """Block until the run ends or pauses and return its summary; ``until="end"`` waits through
        pauses."""
        return self.training.wait(timeout, until)

    def view(self, name: str, **options: Any) -> Picture:
        """A view of the model as it is now: "boundary", "confusion", "samples", "weights",
        "gradients" or "surface". Printed it is a table; in a notebook a drawing.

        Raises:
            ArgumentError: there is no such view or option; the message lists them.
        """
        return self._viewer.view(self.training, name, **options)

    def _replaced(self) -> None:
        """Its cell has been run again: its runs end before another begins on the same model."""
        runs = [branch.run for branch in self.training.branches]
        for run in runs:
            run.stop("Its cell was run again")
        for run in runs:
            run.wait(5)

    # Messages.

    def _on_message(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        training = self.training
        match content:
            case {"type": "hello"}:
                self._push(reset=True)
            case {"type": "start"}:
                training.start()
            case {"type": "pause"}:
                training.pause()
            case {"type": "step"}:
                training.step()
            case {"type": "epoch"}:
                training.step_epoch()
            case {"type": "stop"}:
                training.stop()
            case {"type": str() as name, "value": float() | int() as value} if name in SETTINGS:
                self._try(name, lambda: getattr(training, f"set_{name}")(value))
            case {"type": "streams", "value": list() as names}:
                self._try("streams", lambda: self.show_streams(*map(str, names)))
            case {"type": str() as name} if name in STEERS:
                self._try("timeline", lambda: self._steer(content))
            case {"type": "view"}:
                self._viewer.ask(training, content)
            case {"type": "mode", "value": "eager" | "graph" as value}:
                training.set_mode(value)
            case {"type": "device", "value": "cpu" | "cuda" as value}:
                if value == "cpu" or why_no_cuda() is None:
                    training.set_device(value)

    def _try(self, setting: str, work: Callable[[], Any]) -> None:
        """Do what the page asked for; a refusal is said there."""
        try:
            work()
        except LabError as error:
            self.send({"type": "refused", "setting": setting, "message": str(error)})

    def _heard(self, run: Any, what: str) -> None:
        """One of the runs has done something; of those that are not shown, seldom."""
        if run is self.training or what == "state" or time.monotonic() - self._at > OTHERS:
            self._push()
        if run is self.training and what == "tick":
            self._viewer.heard(run)

    def _push(self, reset: bool = False, at_once: bool = False) -> None:
        """Send what is new since the last message, or everything. ``at_once``: also where there
        were many messages, as no other may follow."""
        self._follow()
        with self._lock:
            if not (reset or at_once) and self._crowded():
                return
            history = self.training.history
            reset = reset or history is not self._history  # another run, or rewound
            self._history = history
            self._at = time.monotonic()
            sent = [0, 0, 0, 0] if reset else self._sent
            first, seen = sent[0], sent[1:]
            count = len(history)
            marks = marks_of(self.training)
            self._sent = [count, history.validation.total, history.epochs.total, len(marks)]
            most = EPOCHS if reset else EPOCHS_A_MESSAGE
            checks, epochs = (
                thinned(rows.since(start), most)
                for rows, start in zip((history.validation, history.epochs), seen, strict=False)
            )
            rows = table(history, first, count, ROWS_IN_ALL if reset else ROWS_A_MESSAGE)
            message = {
                "type": "update",
                "reset": reset,
                "first": first,
                "now": self._now(count),
                "validation": [_row(row) for row in checks],
                "epoch_rows": [_row(row) for row in epochs],
                "points": self._points(reset),
                "marks": [
                    {"step": mark.step, "kind": mark.kind, "from": mark.old, "to": mark.new}
                    for mark in marks[seen[2] :]
                ],
                # A step of its own is not finite as its row; of old ones, look into the buckets.
                "bad": not_finite(history, first)
                if reset or not np.isfinite(rows[:, 2]).all()
                else [],
                **self._around(reset),
            }
            views, arrays = self._viewer.news()
            if views:
                message["views"] = views
            self.send(message, [rows.tobytes(), *arrays])
        self._viewer.shows(self.training)

    def _around(self, reset: bool) -> dict[str, Any]:
        """What is new around the run: kept steps and branches, and the curves of other runs."""
        if reset:
            self._sent_timeline, self._sent_curves = None, {}
        found: dict[str, Any] = {}
        version, kept = self._version()
        old, before, at = self._sent_timeline or (None, None, 0.0)
        calm = self.training.state == "running" and self._at - at < CALM
        if version != old or (kept != before and not calm):
            found["timeline"] = self._timeline()
            self._sent_timeline = version, kept, self._at
        names = ["loss", "accuracy", *(name for name, _ in self.about["streams"])]
        for name, (first, history) in self._curves().items():
            known = (first, id(history), len(history))
            if self._sent_curves.get(name) != known:
                self._sent_curves[name] = known
                begin = max(0, first - 2 * self.about["span"])  # to smooth from there
                curves = {stream: thin_curve(history, stream, begin) for stream in names}
                found.setdefault("curves", {})[name] = {
                    "from": first,
                    "checks": thin_checks(history, first),
                    **curves,
                }
        return found

    def _crowded(self) -> bool:
        """Whether to leave it to the next message, as there were so many in the last second; a new
        state is told always."""
        now, before, self._told = time.monotonic(), self._told, self.training.state
        if self._told == before and len(self._times) == MESSAGES and now - self._times[0] < 1:
            return True
        self._times.append(now)
        return False

    def _points(self, reset: bool) -> dict[str, list[list[float | None]]]:
        """What is new of the streams that have no entry each step: step, mean, least, greatest."""
        if reset:
            self._ends = {}
        found = {}
        for name, stream in self.training.history.streams.items():
            if name in ("loss", "accuracy"):
                continue
            rows = points(stream, self._ends.get(name, 0))
            if rows:
                self._ends[name] = int(rows[-1][0])
                found[name] = [[_number(v) for v in row] for row in rows]
        return found

    def _now(self, count: int) -> dict[str, Any]:
        training = self.training
        history = training.history
        return {
            "state": training.state,
            "step": count,
            "total": training.total,
            "epoch": training.epoch,
            "epochs": training.goal,
            "lr": training.lr,
            "momentum": training.momentum,
            "weight_decay": training.weight_decay,
            "dropout": training.dropout,
            "batch_size": training.batch_size,
            "mode": training.mode,
            "device": training.device,
            "speed": training.speed,
            "loss": _number(history.streams["loss"].last) if count else None,
            "accuracy": _number(history.streams["accuracy"].last) if count else None,
            "message": training.message,
            "advice": advice(training),
            "streams": self._streams,
            "notes": [noted(note) for note in getattr(training, "notes", [])],
        }

    # Showing.

    def show(self) -> None:
        """Show the panel here, in a notebook; elsewhere there is nothing to show it in."""
        if _shell() is not None:
            from IPython.display import display

            display(self)

    def _ipython_display_(self) -> None:
        # `lab.train(...)` as a cell's last line has been shown by then: once is enough.
        shell = _shell()
        cell = None if shell is None else shell.execution_count
        if cell is not None and cell == self._shown_in:
            return
        self._shown_in = cell
        from IPython.display import publish_display_data

        data, metadata = self._repr_mimebundle_()
        publish_display_data(data, metadata)

    def transcript(self) -> str:
        """What is trained, or how it went: the same on every machine."""
        training = self.training
        title = f"train: {training.name}"
        if not len(training.history) and training.error is None:
            lines = [f"  {name:<10} {text}" for name, text in self.about["facts"]]
            return "\n".join([f"{title}, {training.state}", *lines])
        return f"{title}\n{training.summary()!r}"

    def static_html(self) -> str:
        """The curves as they are now, as SVG, with what a reader needs beside them."""
        training = self.training
        title, tree = escape(self.about["title"]), self._tree()
        if len(tree) > 1 or self._others:
            title += f" · {escape(training.name)}" if training.name != self.about["title"] else ""
        parts = [f"<h4>train: {title} <small>{training.state}</small></h4>"]
        if len(training.history):
            parts.append(f'<div class="pictures">{"".join(self._pictures())}</div>')
            parts.append(f"<p>{escape(repr(training.summary()).splitlines()[0])}</p>")
            if len(tree) > 1:
                parts.append(f"<pre>{escape(repr(self.branches))}</pre>")
        else:
            facts: list[list[str]] = self.about["facts"]
            rows = "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in facts)
            parts.append(f"<dl>{rows}</dl>")
        if training.error is not None:
            parts.append(f'<pre class="failed">{escape(training.message)}</pre>')
        if self._viewer.last is not None:
            parts.append(still.html(self._viewer.last))
        return f'<div class="lab-still lab-run"><style>{STYLE}</style>{"".join(parts)}</div>'

    def _pictures(self) -> Iterator[str]:
        """Loss, accuracy, and the streams that are shown."""
        training = self.training
        run = Drawn(training.name, training.history, self._places.get(training.name, 0))
        others = [
            Drawn(name, history, self._places.get(name, 0), first)
            for name, (first, history) in self._curves().items()
            if name not in self._hidden
        ]
        names = ["loss", *(["accuracy"] if training.classifies else []), *self._streams]
        for name in names:
            yield picture(name, STREAMS.get(name, name), run, others, marks_of(training))


def facts(training: Training) -> dict[str, Any]:
    """What the page has to know that does not change."""
    parameters = sum(math.prod(p.shape) for p in training.model.parameters())
    samples = _length(training.loader.dataset)
    checked = 0 if training.valid is None else _length(training.valid.dataset)
    loss = getattr(training.loss, "__name__", type(training.loss).__name__)
    data = plural(samples, "sample") + (f", {checked:,} for validation" if checked else "")
    runs = f"{plural(training.epochs, 'epoch')} in batches of {training.batch_size:,}"
    if training.total is not None:
        runs += f": {plural(training.total, 'step')}"
    optimizer = type(training.optimizer).__name__
    reason = why_no_cuda()
    total = training.total
    return {
        "title": training.name,
        "facts": [
            ["model", f"{type(training.model).__name__}, {plural(parameters, 'parameter')}"],
            ["data", data],
            ["epochs", runs],
            ["optimizer", f"{optimizer}, learning rate {short(training.lr)}"],
            ["loss", loss],
        ],
        "epochs": training.epochs,
        "total": total,
        "batch": training.batch_size,
        "batch_fixed": training.batch_fixed,
        "momentum": training.momentum,
        "weight_decay": training.weight_decay,
        "dropout": training.dropout,
        "streams": [[name, words] for name, words in STREAMS.items() if words not in WITHOUT]
        + [[name, name] for name in training._gauges.metrics],
        "lr": training.lr,
        "mode": training.mode,
        "device": training.device,
        "seed": training.seed,
        "classifies": training.classifies,
        "validates": training.valid is not None,
        "span": max(5, min(MOST_SPAN, (total or 1000) // 60)),
        "views": [[view.name, view.title, view.about] for view in VIEWS.values()],
        "view": first_view(training),
        "no_cuda": reason or "",
        "no_cuda_short": "" if reason is None else _in_short(reason),
    }


def advice(training: Training) -> str:
    """What to do after a failure, for the line below the message."""
    if training.error is None:
        return ""
    if isinstance(training.error, NonFiniteError):
        return (
            "The model is back at the weights named above. "
            "Change the learning rate here, or the model or data in a cell, then go on."
        )
    return (
        "The failed step changed nothing: weights and optimizer are as they were before it. "
        "Correct the code and run its cells again."
    )


def table(history: History, first: int, count: int, most: int) -> npt.NDArray[np.float32]:
    """Steps ``first`` + 1 to ``count`` in at most ``most`` rows: last step, number of steps, mean,
    least and greatest loss, mean accuracy.

    >>> history = History()
    >>> for loss in (4.0, 2.0, 3.0):
    ...     history.add(loss, 0.5)
    >>> table(history, 0, 3, 2).tolist()
    [[2.0, 2.0, 3.0, 2.0, 4.0, 0.5], [3.0, 1.0, 3.0, 3.0, 3.0, 0.5]]
    """
    losses, accuracies = (history.streams[name].rows(first) for name in ("loss", "accuracy"))
    shown = losses.shape[1]
    if not shown:
        return np.empty((0, 6), dtype=np.float32)
    if losses[1, 0] > losses[0, 0] - first:  # a bucket that began before: its rest
        losses[1, 0] = losses[0, 0] - first
    starts = np.arange(0, shown, max(1, -(-shown // most)))
    found = np.empty((len(starts), 6), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # a loss on its way to infinity
        found[:, :5] = merge(losses, starts)[:5].T
        found[:, 5] = means(accuracies[:, :shown], starts)
    return found


def points(stream: Stream, after: int) -> list[Sequence[float]]:
    """The entries of a stream after a step, in at most ``POINTS`` rows of step, mean, least and
    greatest."""
    few = stream.few(after)
    if few is not None:
        return [(step, value, value, value) for step, value in few]
    rows = stream.thin(POINTS, after)
    found: list[Sequence[float]] = rows[[0, 2, 3, 4]].T.tolist()
    return found


def _row(row: Epoch) -> dict[str, Any]:
    return {
        "epoch": row.epoch,
        "step": row.step,
        "loss": _number(row.loss),
        "accuracy": _number(row.accuracy),
        "metrics": {name: _number(value) for name, value in row.metrics.items()},
    }


def noted(note: Any) -> dict[str, Any]:
    """A note of a run, for the page."""
    return {name: getattr(note, name) for name in ("id", "kind", "step", "text", "todo")}


def _length(dataset: Any) -> int:
    try:
        return len(dataset)
    except TypeError:
        return 0


def _in_short(reason: str) -> str:
    head = reason.partition(":")[0]
    if "no NVIDIA driver" in head:
        return "no NVIDIA driver"
    if "no NVIDIA GPU" in head or "no GPU" in head:
        return "no GPU found"
    return head if len(head) <= 24 else "not available"


_watched: Any = None


def _end_with_cells() -> None:
    """The notebook's interrupt while another cell is running ends that cell and the training."""
    global _watched
    shell = _shell()
    if shell is not None and shell is not _watched:
        shell.events.register("post_run_cell", _after_cell)
        _watched = shell


def _after_cell(result: Any = None) -> None:
    if isinstance(getattr(result, "error_in_exec", None), KeyboardInterrupt):
        stop_all("Interrupted")
