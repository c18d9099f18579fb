"""Checking an exercise: `check` says in words what is right or wrong, `hint` helps one step.

`solution` shows one, after the hints. It comes from the lesson's text, as everything else that is
made of it: the notebooks for learners and for teachers.
"""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..graph import mode
from ..random import fork_rng
from ..widgets import cards
from . import content, memory, source
from .model import Exercise, Verdict

WIDTH = 88
CLASS = ".class"  # beside the notebooks of a class: the folder is opened as it is
WITHHELD = "solutions-are-with-the-teacher.txt"  # beside the notebooks of a class
NOT_SHOWN = re.compile(r"lab\.check\(|^\s*\w+ = \.\.\.$")  # the check, and the learner's blank
_hints_shown: dict[str, int] = {}
_tries: dict[str, int] = {}


def _wrap(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="  ")


@dataclass(frozen=True)
class Checked:
    """What `check` found. ``right`` is None where nothing has been answered yet.

    Its plain text is the same on every machine: how often you tried shows in the panel only.
    """

    key: str
    exercise: Exercise
    verdict: Verdict
    tries: int

    @property
    def right(self) -> bool | None:
        """True, False, or None where nothing has been answered yet."""
        return self.verdict.right

    @property
    def says(self) -> str:
        """The sentence that says what is right or wrong."""
        return self.exercise.right if self.right else self.verdict.says

    def _state(self) -> str:
        return {True: "right", False: "not yet", None: "not answered yet"}[self.right]

    def __repr__(self) -> str:
        lines = [f"exercise {self.key}: {self.exercise.title} · {self._state()}", _wrap(self.says)]
        if self.right is False:
            if self.verdict.detail:
                lines.append(_wrap(self.verdict.detail))
            if self.verdict.table:
                found = self.verdict.table
                lines += ["", cards.aligned(found.columns, found.rows), ""]
        if not self.right:
            count = len(self.exercise.hints)
            if _hints_seen(self.key) < count:
                lines.append(f'  lab.hint("{self.key}") shows a hint; there are {count}.')
            else:
                lines.append(f'  lab.solution("{self.key}") shows a solution.')
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        tone = {True: "good", False: "bad", None: ""}[self.right]
        body = cards.said(self.says, tone, bold=self.right is False)
        if self.right is False and self.verdict.detail:
            body += f'<p class="muted">{cards.rich(self.verdict.detail)}</p>'
        if not self.right:
            body += _nested(self.key, self.exercise.hints)
        found = self.verdict.table if self.right is False else None
        side = ""
        if found is not None:
            side = cards.table(found.columns, found.rows, "Your answer against the expected one")
        aside = cards.badge(self._state(), tone)
        if self.tries:
            aside += f'<span class="muted small">try {self.tries}</span>'
        inner = f'<div class="words">{body}</div>{side}'
        return cards.page(
            cards.card(
                f"exercise {self.key}", self.exercise.title, inner, extra="check", aside=aside
            )
        )


def _nested(key: str, hints: tuple[str, ...]) -> str:
    """Hints one inside the other, so that each is opened by itself; needs no kernel."""
    out = cards.note(f'The last hint. `lab.solution("{key}", now=True)` shows a solution.')
    for i in range(len(hints), 0, -1):
        out = (
            f"<details><summary>show hint {i} of {len(hints)}</summary>"
            f"<p>{cards.rich(hints[i - 1])}</p>{out}</details>"
        )
    return out


def judge(key: str, answer: Any) -> Verdict:
    """The verdict alone: counts no try and shows nothing. For tests and for teachers."""
    return _verdict(content.exercise(key), answer)


def _verdict(exercise: Exercise, answer: Any) -> Verdict:
    """Judge, and leave the mode and all random numbers as the learner's notebook had them."""
    arrays, plain = np.random.get_state(), random.getstate()
    try:
        with fork_rng(), _same_mode():
            return exercise.judge.judge(answer, exercise.wrong)
    finally:
        np.random.set_state(arrays)
        random.setstate(plain)


@contextmanager
def _same_mode() -> Iterator[None]:
    before = mode()
    try:
        yield
    finally:
        mode(before)


def check(key: str, answer: Any = ...) -> Checked:
    """Check your answer to an exercise, such as ``lab.check("03.2", gradient)``.

    ``answer`` is what the exercise asks for: a number, a list, a tensor, a function. The answer
    is never run against a file name, so the cell may stand anywhere. Raises ArgumentError where
    there is no such exercise.

    >>> check("03.1", 12.0).right
    True
    """
    exercise = content.exercise(key)
    verdict = _verdict(exercise, answer)
    number = key.partition(".")[0]
    before = memory.recall(number, "exercises", key)
    _tries[key] = _whole(before, "tries") if key not in _tries else _tries[key]
    if verdict.right is not None:
        if not before.get("right"):  # a solved exercise may be run again without a new try
            _tries[key] += 1
        right = bool(before.get("right")) or verdict.right
        kept = before | {"tries": _tries[key], "right": right}
        memory.note(number, "exercises", key, kept)
    return Checked(key, exercise, verdict, _tries[key])


def _whole(entry: dict[str, Any], name: str) -> int:
    value = entry.get(name)
    return value if isinstance(value, int) else 0


@dataclass(frozen=True)
class Hint:
    """Hints that were asked for, the newest last."""

    key: str
    title: str
    texts: tuple[str, ...]
    count: int

    def __repr__(self) -> str:
        lines = []
        for i, text in enumerate(self.texts, 1):
            lines += [f"hint {i} of {self.count} for exercise {self.key}:", _wrap(text)]
        if len(self.texts) == self.count:
            lines.append(f'  That was the last hint. lab.solution("{self.key}") shows a solution.')
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        shown = len(self.texts)
        body = "".join(cards.said(text) for text in self.texts)
        if shown == self.count:
            body += cards.note(
                f'That was the last hint. `lab.solution("{self.key}")` shows a solution.'
            )
        aside = f'<span class="muted small">{shown} of {self.count}</span>'
        return cards.page(cards.card(f"hint {self.key}", self.title, body, aside=aside))


def hint(key: str) -> Hint:
    """One more hint for an exercise each time it is called.

    Raises ArgumentError where there is no such exercise.
    """
    exercise = content.exercise(key)
    shown = min(_hints_shown.get(key, 0) + 1, len(exercise.hints))
    _hints_shown[key] = shown
    number = key.partition(".")[0]
    before = memory.recall(number, "exercises", key)
    memory.note(number, "exercises", key, before | {"hints": max(shown, _whole(before, "hints"))})
    return Hint(key, exercise.title, exercise.hints[:shown], len(exercise.hints))


def _hints_seen(key: str) -> int:
    """How many hints were shown in this session: what an earlier one kept changes no text."""
    return _hints_shown.get(key, 0)


@dataclass(frozen=True)
class Solution:
    """A solution, or, where ``code`` is empty, what comes before it."""

    key: str
    exercise: Exercise
    code: str
    says: str

    def __repr__(self) -> str:
        lines = [f"solution {self.key}: {self.exercise.title}", _wrap(self.says.replace("`", ""))]
        if self.code:
            lines += ["", *(f"    {line}".rstrip() for line in self.code.splitlines())]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body = cards.said(self.says, "good" if self.code else "")
        if self.code:
            body += cards.code_list(self.code)
        return cards.page(cards.card("solution", f"{self.key} {self.exercise.title}", body))


def solution(key: str, *, now: bool = False) -> Solution:
    """One right answer to an exercise, once you have seen its hints or solved it.

    ``now=True`` shows it at once. Raises ArgumentError where there is no such exercise.

    >>> solution("03.1", now=True)
    solution 03.1: the gradient at another place
      ...
        answer = 2 * 5 + 2
    """
    exercise = content.exercise(key)
    if Path(WITHHELD).is_file():
        return Solution(key, exercise, "", "In this class, solutions are with the teacher.")
    number = key.partition(".")[0]
    before = memory.recall(number, "exercises", key)
    seen, count = _whole(before, "hints"), len(exercise.hints)
    if not (now or before.get("right") or max(seen, _hints_seen(key)) >= count):
        says = (
            f'There are {count} hints, and you have seen {seen or "none"}. `lab.hint("{key}")` '
            f'shows the next one; `lab.solution("{key}", now=True)` shows the solution at once.'
        )
        return Solution(key, exercise, "", says)
    memory.note(number, "exercises", key, before | {"solution": True})
    return Solution(key, exercise, _solution_text(number, key), exercise.right)


def _solution_text(number: str, key: str) -> str:
    """The exercise's cell from the lesson's text, solved, without the line that checks it."""
    for cell in source.read(source.find_sources()[number]):
        if cell.kind == "code" and f'lab.check("{key}"' in cell.text:
            lines = source.solution(cell.text).splitlines()
            kept = [line for line in lines if not NOT_SHOWN.search(line)]
            return "\n".join(kept).strip("\n")
    raise ArgumentError(f"the text of lesson {number} has no cell for exercise {key}")


def restart() -> None:
    """Forget which hints were shown in this session."""
    _hints_shown.clear()
    _tries.clear()
