"""Beginning a lesson."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ..device import prefer_one_thread
from ..errors import LabError
from ..graph import mode
from ..random import manual_seed
from ..widgets import cards
from . import content, memory
from .model import Lesson

PACKAGE = str(Path(__file__).parents[1]) + os.sep
DEVICE = "cpu"  # the lessons' numbers are the same everywhere because they are made here


@dataclass(frozen=True)
class Started:
    """The head of a lesson. Its plain text is the same on every machine."""

    lesson: Lesson
    mode: str
    device: str

    def __repr__(self) -> str:
        lesson = self.lesson
        return (
            f"lesson {lesson.number}: {lesson.title} ({lesson.minutes} minutes)\n"
            f"mode {self.mode}, device {self.device}, seed {lesson.seed}"
        )

    def _repr_html_(self) -> str:
        lesson = self.lesson
        facts = [("mode", self.mode), ("device", self.device), ("seed", str(lesson.seed))]
        body = (
            f'<p class="ask">{cards.rich(lesson.asks)}</p>{cards.facts(facts)}'
            f'<p class="muted small">{cards.rich(_standing(lesson))}</p>'
        )
        aside = f'<span class="muted small">{lesson.minutes} minutes</span>'
        return cards.page(cards.card(f"lesson {lesson.number}", lesson.title, body, aside=aside))


def _standing(lesson: Lesson) -> str:
    done = memory.solved(lesson.number)
    if not done:
        return f"{len(lesson.exercises)} exercises at the end, with hints."
    return f"{len(done)} of {len(lesson.exercises)} exercises solved: {', '.join(done)}."


def _short_tracebacks() -> None:
    """In a notebook, show of a LabError's traceback the learner's own lines only.

    Its message says what is wrong; the engine's lines would hide it. Other errors keep all lines.
    """
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None:
        shell.set_custom_exc((LabError,), _show_short)


def _show_short(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    steps = []
    while trace is not None:
        steps.append((trace, trace.tb_next))
        trace = trace.tb_next
    own = [t for t, _ in steps if not t.tb_frame.f_code.co_filename.startswith(PACKAGE)]
    for here, below in zip(own, [*own[1:], None], strict=True):
        here.tb_next = below
    cause, error.__cause__ = error.__cause__, None  # NumPy's words for the same thing
    quiet, error.__suppress_context__ = error.__suppress_context__, True
    try:
        shell.showtraceback((kind, error, own[0] if own else None), tb_offset=tb_offset)
    finally:  # a debugger finds everything as it was
        error.__cause__, error.__suppress_context__ = cause, quiet
        for here, following in steps:
            here.tb_next = following


def start(number: str) -> Started:
    """Begin a lesson, such as ``lab.start("03")``: eager mode, the CPU, the lesson's seed.

    Returns the lesson's head, which a notebook shows. Raises ArgumentError where there is no such
    lesson.

    >>> start("03")
    lesson 03: Gradients, one step at a time (40 minutes)
    mode eager, device cpu, seed 42
    """
    lesson = content.lesson(number)
    # Notes of other packages about their own future would stand between a learner and the lesson.
    for kind in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
        warnings.simplefilter("ignore", kind)
    _short_tracebacks()
    prefer_one_thread()
    mode("eager")
    manual_seed(lesson.seed)
    memory.begin(lesson.number)
    return Started(lesson, mode(), DEVICE)
