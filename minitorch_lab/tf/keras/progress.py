"""The line that ``fit``, ``evaluate`` and ``predict`` print, as Keras prints it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

WIDTH = 20  # signs of the bar
EVERY = 0.05  # seconds between two pictures of the bar


class Progress:
    """A bar that grows (``verbose=1``), or a line at the end (``verbose=2``).

    Where output goes to a screen the line is written over as it grows; into a file goes its last
    state only.
    """

    def __init__(self, verbose: int, steps: int, say: Callable[[str], None] | None = None) -> None:
        self.verbose, self.steps = verbose, steps
        self.say = say or _write
        self.start = perf_counter()
        self.next = self.start if _on_a_screen() else float("inf")
        self.first = 0.0  # seconds of the first step, which may include compiling
        self.length = 0

    def update(self, step: int, logs: Callable[[], dict[str, Any]]) -> None:
        """Say that a step is done; ``logs`` is asked for numbers when they are shown."""
        if self.verbose != 1:
            return
        now = perf_counter()
        if step == 1:
            self.first = now - self.start
        if now >= self.next and (step < self.steps or not self.steps):
            self.next = now + EVERY
            per_step = self._per_step(step, now)
            left = self.steps - step if self.steps else step
            self._draw(step, _duration(per_step * left), per_step, logs())

    def finish(self, step: int, logs: dict[str, Any]) -> None:
        """Write the last state, and end the line."""
        now = perf_counter()
        self.steps = self.steps or step
        seconds = f"{now - self.start:.0f}s"
        per_step = self._per_step(step, now)
        if self.verbose == 1:
            self._draw(step, seconds, per_step, logs)
            self.say("\n")
        elif self.verbose == 2:
            line = f"{step}/{self.steps} - {seconds} - {_speed(per_step)}{_numbers(logs)}\n"
            self.say(line)

    def _per_step(self, step: int, now: float) -> float:
        """Seconds for a step; the first one counts only where it is the only one."""
        if step > 1 and self.first:
            return (now - self.start - self.first) / (step - 1)
        return (now - self.start) / max(step, 1)

    def _draw(self, step: int, seconds: str, per_step: float, logs: dict[str, Any]) -> None:
        done = WIDTH * step // max(self.steps, 1)
        count = f"{step:{len(str(self.steps))}}/{self.steps}"
        bar = "━" * done, "━" * (WIDTH - done)
        if not self.steps:
            count, bar = f"{step:7}/Unknown", ("", "")
        end = f" {_speed(per_step)}{_numbers(logs)}"
        length = len(count) + WIDTH + len(seconds) + len(end)
        if _on_a_screen():
            text = f"\r\x1b[1m{count}\x1b[0m \x1b[32m{bar[0]}\x1b[0m\x1b[37m{bar[1]}\x1b[0m "
            text += f"\x1b[1m{seconds}\x1b[0m{end}" + " " * (self.length - length)
        else:
            text = f"{count} {''.join(bar)} {seconds}{end}"
        self.length = length
        self.say(text)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _on_a_screen() -> bool:
    """Whether a line can be written over: in a terminal, and in a notebook."""
    out = sys.stdout
    return type(out).__module__.startswith("ipykernel") or (hasattr(out, "isatty") and out.isatty())


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}" if whole > 60 else f"{whole}s"


def _speed(seconds: float) -> str:
    """
    >>> _speed(0.0021), _speed(2.4), _speed(0.0000304)
    ('2ms/step', '2s/step', '30us/step')
    """
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/step"
    return f"{seconds * 1e3:.0f}ms/step" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/step"


def _numbers(logs: dict[str, Any]) -> str:
    """
    >>> _numbers({"accuracy": 0.5, "loss": 0.00012})
    ' - accuracy: 0.5000 - loss: 1.2000e-04'
    """
    return "".join(
        f" - {name}: {value:.4f}" if abs(value) > 1e-3 else f" - {name}: {value:.4e}"
        for name, value in logs.items()
    )
