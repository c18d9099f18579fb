"""The content of the lessons, one file each. `lesson("03")` finds one."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ...errors import ArgumentError
from ..model import Exercise, Lesson, Prediction

NUMBERS = tuple(sorted(found.name[1:] for found in iter_modules(__path__)))


def lesson(number: str) -> Lesson:
    """The lesson with this number, such as ``"03"`` (3 and "3" are understood too).

    Raises ArgumentError where there is no such lesson.

    >>> lesson("03").title
    'Gradients, one step at a time'
    """
    known = str(number).strip().zfill(2)
    if known not in NUMBERS:
        raise ArgumentError(
            f"no lesson {number!r}\n  there are {', '.join(NUMBERS)}\n"
            '  give the number as a text, such as lab.start("03")'
        )
    found: Lesson = import_module(f"{__name__}.l{known}").LESSON
    return found


def _owner(key: str, kind: str) -> Lesson:
    number, dot, _ = str(key).partition(".")
    if not dot or number not in NUMBERS:
        raise ArgumentError(
            f"no {kind} {key!r}\n  a {kind} is named by its lesson and a dot, such as "
            + ('"03.2"' if kind == "exercise" else '"03.p1"')
        )
    return lesson(number)


def exercise(key: str) -> Exercise:
    """The exercise with this key, such as ``"03.2"``. Raises ArgumentError."""
    owner = _owner(key, "exercise")
    if key not in owner.exercises:
        raise ArgumentError(
            f"no exercise {key!r}\n  lesson {owner.number} has {', '.join(owner.exercises)}"
        )
    return owner.exercises[key]


def prediction(key: str) -> Prediction:
    """The prediction with this key, such as ``"03.p1"``. Raises ArgumentError."""
    owner = _owner(key, "prediction")
    if key not in owner.predictions:
        raise ArgumentError(
            f"no prediction {key!r}\n  lesson {owner.number} has {', '.join(owner.predictions)}"
        )
    return owner.predictions[key]
