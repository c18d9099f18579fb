"""A run in a terminal: a bar that is written over, or a line an epoch where nobody watches."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from .words import figures

if TYPE_CHECKING:
    from .loop import Loop
    from .training import Training

WIDTH = 20


class Progress:
    """Prints how a run goes on."""

    def __init__(self, run: Training | Loop, out: TextIO | None = None) -> None:
        self._run = run
        self._out = out or sys.stdout
        self.terminal = self._out.isatty()
        self._shown = run.epoch
        self._said: set[str] = set()

    def show(self) -> None:
        """Print what is new."""
        for note in self._run.notes:
            if note.id not in self._said:
                self._said.add(note.id)
                clear = "\r\x1b[K" if self.terminal else ""
                print(f"{clear}step {note.step:,}: {note.text} {note.todo}", file=self._out)
        if self.terminal:
            if self._run.step_count:
                print(f"\r{self.line()}\x1b[K", end="", flush=True, file=self._out)
            return
        history = self._run.history
        rows = history.validation if self._run.valid else history.epochs
        done = rows[-1].epoch if rows else 0
        for epoch in range(self._shown + 1, done + 1):
            if said := self._epoch(epoch):  # not of each one of thousands
                print(f"{self._count(epoch)}: {said}", file=self._out)
        self._shown = done

    def end(self) -> None:
        """Print the last of it."""
        self.show()
        if self.terminal:
            print(file=self._out)

    def line(self) -> str:
        """``epoch 2 of 9 [####......] step 40 of 90, loss 0.31, 1,240 steps/s, 0:04 left``."""
        run = self._run
        now, total, rate = run.summary(), run.total, run.speed[run.mode]
        words = f"{self._count(run.epoch + run.alive)} "
        part = run.part
        if part is not None:
            filled = int(WIDTH * part)
            words += f"[{'#' * filled}{'.' * (WIDTH - filled)}] "
        words += f"step {now.step:,}" + (f" of {total:,}" if total else "")
        words += f", {figures('', now.loss, now.accuracy)}"
        if rate:
            words += f", {rate:,.0f} steps/s"
            if total and run.alive:
                words += f", {clock((total - now.step) / rate)} left"
        return words

    def _count(self, epoch: int) -> str:
        goal = self._run.goal
        if goal is None:  # a loop of the learner's own
            return f"epoch {epoch}" if self._run.epoch else self._run.name
        return f"epoch {max(min(epoch, goal), 1)} of {goal}"

    def _epoch(self, epoch: int) -> str:
        history = self._run.history
        parts = [
            figures(word, row.loss, row.accuracy)
            for word, rows in (("", history.epochs), ("validation ", history.validation))
            for row in rows
            if row.epoch == epoch
        ]
        return "; ".join(parts)


def clock(seconds: float) -> str:
    """Minutes and seconds, or hours, minutes and seconds.

    >>> clock(4.2), clock(3661)
    ('0:04', '1:01:01')
    """
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
