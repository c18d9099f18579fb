"""What a lesson is made of. Everything in ``lessons/content`` is written in these words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Level = Literal["easy", "core", "stretch"]


@dataclass(frozen=True)
class Table:
    """A small table: the heads of its columns, then its rows, all as text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Verdict:
    """What a check found. ``right`` is None where nothing has been answered yet."""

    right: bool | None
    says: str
    detail: str = ""
    table: Table | None = None


@dataclass(frozen=True)
class Wrong:
    """A wrong answer that learners give, and what to say to it.

    ``answer`` is given as the learner would give it: a number, a list, a function.
    """

    answer: Any
    says: str


class Judge(Protocol):
    """Compares an answer; see `judges.py` for the kinds."""

    def judge(self, answer: Any, wrong: tuple[Wrong, ...]) -> Verdict:
        """Say whether ``answer`` is right, and if not, what is wrong with it."""
        ...


@dataclass(frozen=True)
class Exercise:
    """One exercise. ``right`` is what is said to a right answer; hints come one at a time.

    ``also`` holds right answers that are written in another way than the solution in the text.
    """

    title: str
    level: Level
    judge: Judge
    right: str
    hints: tuple[str, ...]
    wrong: tuple[Wrong, ...]
    also: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """A question before a cell is run.

    ``choices`` makes it a choice, otherwise a number (or a few words) is typed in after
    ``field``. ``code`` lists the lines that are asked about, ``lit`` the one that is marked
    (counted from 1). ``why`` explains the result when it is shown. ``result`` is the choice that
    comes out, where the cell does not compute it: a cell that spelled it out would give it away.
    """

    question: str
    why: str = ""
    choices: tuple[str, ...] = ()
    field: str = "your answer"
    code: str = ""
    lit: int = 0
    result: str = ""


@dataclass(frozen=True)
class Choice:
    """One choice of a quiz question, and why it is right or wrong."""

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A quiz question with exactly one right choice."""

    title: str
    ask: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Lesson:
    """A lesson: its head, and everything that it asks."""

    number: str
    title: str
    minutes: int
    needs: tuple[str, ...]
    asks: str
    exercises: dict[str, Exercise]
    quiz: tuple[Question, ...]
    predictions: dict[str, Prediction] = field(default_factory=dict)
    next: str | None = None
    seed: int = 42
