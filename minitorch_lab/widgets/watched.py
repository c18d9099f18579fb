"""What a watcher reads of a run (a panel, a progress bar, a script), and how it is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .gauges import Meter
from .guards import Guards, Note
from .history import Epoch, History
from .words import figures, plural

State = Literal["ready", "running", "paused", "stopping", "stopped", "done", "failed"]

TICK = 1 / 30  # seconds between two calls of the listeners while a run goes on
SHARE = 0.02  # of the run's time that they may take
SELDOM = 0.5  # seconds between them at most: one that had to wait long says nothing about the next


@dataclass(frozen=True)
class Summary:
    """How a run stands: what ``wait()`` returns. Its text holds no times."""

    state: State
    epoch: int
    step: int
    loss: float
    accuracy: float
    validation: Epoch | None
    message: str
    error: BaseException | None
    notes: tuple[Note, ...] = ()

    def __repr__(self) -> str:
        parts = [f"{self.state}: {plural(self.epoch, 'epoch')}, {plural(self.step, 'step')}"]
        if self.step:
            parts.append(figures("", self.loss, self.accuracy))
        if self.validation is not None:
            parts.append(figures("validation ", self.validation.loss, self.validation.accuracy))
        lines = ["; ".join(parts)]
        if self.message:
            lines.append(self.message)
        lines += [f"{note.text} {note.todo}" for note in self.notes]
        return "\n".join(lines)


class Watched:
    """A run as others see it; each attribute is safe to read from any thread."""

    history: History
    listeners: list[Callable[[str], None]]
    epoch: int
    batch_size: int
    message: str
    error: BaseException | None
    _state: State
    _alive: bool
    _meters: dict[str, Meter]
    _next_tick: float
    _guards: Guards

    @property
    def state(self) -> State:
        """ready, running, paused, stopping, stopped, done or failed."""
        return self._state

    @property
    def step_count(self) -> int:
        """Steps done since the beginning."""
        return len(self.history)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What the run wants to be known at present: see ``guards``. One that was said later than
        the step to which the run went back is not of this run any more."""
        return tuple(note for note in self._guards.notes if note.step <= self.step_count)

    @property
    def part(self) -> float | None:
        """The share of the steps that is done; None where their number is not known."""
        total = self.total
        return min(self.step_count / total, 1.0) if total else None

    @property
    def alive(self) -> bool:
        """Whether the thread is at work or paused."""
        return self._alive

    @property
    def speed(self) -> dict[str, float | None]:
        """Steps per second in each mode, None where it was not tried yet."""
        return {name: meter.rate for name, meter in self._meters.items()}

    @property
    def total(self) -> int | None:
        """Steps there will be; None where that is not known."""
        raise NotImplementedError

    def summary(self) -> Summary:
        """How the run stands now."""
        history = self.history
        count = len(history)
        message = self.message
        if self._state == "paused":
            message = f"Paused after step {count:,}; start() goes on."
        validation = history.validation
        return Summary(
            self._state,
            self.epoch,
            count,
            history.streams["loss"].last,
            history.streams["accuracy"].last,
            validation[-1] if validation else None,
            message,
            self.error,
            self.notes,
        )

    def _tick(self) -> None:
        """Tell the listeners how it goes, less often where that would take too much of the time."""
        began = time.perf_counter()
        self._guards.look()
        self._tell("tick")
        now = time.perf_counter()
        self._next_tick = now + max(TICK, min((now - began) / SHARE, SELDOM))

    def _tell(self, what: str) -> None:
        for listener in tuple(self.listeners):
            try:
                listener(what)
            except Exception:  # noqa: BLE001 - a closed page must not end a training run
                if listener in self.listeners:
                    self.listeners.remove(listener)
