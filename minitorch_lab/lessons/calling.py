"""Calling a learner's function: kind and exact words for whatever goes wrong.

`call` is for judges. A `Rule` of a lesson uses it too, for each call of a function that it judges.
"""

from __future__ import annotations

import inspect
import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np

from .guard import SECONDS, TooLong, limited
from .model import Verdict
from .showing import as_array, kind, number, show

PRINTED = 2000  # characters that a check may print: an endless loop would fill the page
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
NOT_THEIRS = (PACKAGE, *(sysconfig.get_path(name) for name in ("stdlib", "platlib", "purelib")))

NOTHING = Verdict(
    None,
    "Nothing to check yet. Put your answer in place of the three dots, and run the cell again.",
)


class Refused(Exception):
    """What a learner's function did cannot be compared; ``verdict`` says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.says)
        self.verdict = verdict


def call(
    function: Callable[..., Any],
    *arguments: Any,
    where: str = "",
    seconds: float = SECONDS,
    returns: bool = True,
    changes_input: bool = False,
) -> Any:
    """What a learner's function returns.

    Raises Refused, with the words for it, where it is no function, raises, takes too long, changes
    its arguments (unless ``changes_input``) or returns nothing (unless ``returns`` is False).
    ``where`` says with what it is called, such as ``"x = 2"``.

    >>> call(abs, -3)
    3
    """
    if not callable(function):
        raise Refused(
            Verdict(
                False,
                f"A function is expected here, and this is {kind(function)}.",
                "Give the function itself, without brackets after its name.",
            )
        )
    _fits(function, arguments)
    before = [(_frozen(a), show(a)) for a in arguments]
    at = f" for {where}" if where else ""
    with listening() as heard:
        try:
            result = limited(lambda: function(*arguments), seconds)
        except TooLong:
            raise Refused(too_long(f"Your function had not ended{at}", seconds)) from None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it may raise anything
            raise Refused(stopped(f"Your function stopped{at}.", error)) from None
    if not changes_input:
        _unchanged(arguments, before, at)
    if result is ...:
        raise Refused(NOTHING)
    if result is None and returns:
        if heard.text.strip():
            says = "Your function prints its answer, and returns nothing."
            raise Refused(
                Verdict(False, says, "What is printed is for people. Put `return` for `print`.")
            )
        says = f"Your function returns nothing{at}."
        raise Refused(Verdict(False, says, "Does every way through it end with a `return`?"))
    return result


def too_long(says: str, seconds: float) -> Verdict:
    """The words for code that has not ended."""
    return Verdict(
        False,
        f"{says} after {number(seconds)} seconds, so it was stopped.",
        "Look at its loops. A `while` loop ends only if something in it changes what its "
        "condition asks. Is that line there, inside the loop, and does it go the right way?",
    )


def stopped(says: str, error: BaseException) -> Verdict:
    """The words for code that raised ``error``."""
    if isinstance(error, RecursionError):
        return Verdict(
            False, says, "It calls itself again and again. In which case should it stop?"
        )
    lines = str(error).splitlines()
    raised = f"raised {type(error).__name__}" + (f": {lines[0]}" if lines else ".")
    where = own_line(error)
    place = f"In line {where[0]}, `{where[1]}`, it" if where else "It"
    power = ". Python writes a power with two stars: x**2" if " for ^: " in str(error) else ""
    return Verdict(False, says, f"{place} {raised}{power}")


def own_line(error: BaseException) -> tuple[int, str] | None:
    """The last line of the learner's own code that an error went through: its number and text."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(NOT_THEIRS) and frame.lineno is not None:
            text = linecache.getline(frame.filename, frame.lineno).strip()
            if text:
                return frame.lineno, text.replace("`", "'")
    return None


def _fits(function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Refuse a function that takes another number of arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a function of C may have none
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        count = len(arguments)
        given = "1 argument" if count == 1 else f"{count} arguments"
        raise Refused(
            Verdict(
                False,
                f"Your function is called with {given} here, and it cannot be.",
                f"It is written as `{getattr(function, '__name__', 'function')}{signature}`.",
            )
        ) from None


def _frozen(value: Any) -> Any:
    """A copy of plain data, to compare later. Of other things only which one it is."""
    if isinstance(value, dict):
        return tuple((_frozen(k), _frozen(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(v) for v in value)
    if isinstance(value, np.ndarray) or hasattr(value, "detach"):
        try:
            array = as_array(value)
        except (TypeError, ValueError):
            return id(value)
        return array.shape, array.tobytes()
    return value if isinstance(value, (int, float, str)) else id(value)


def _unchanged(arguments: tuple[Any, ...], before: list[tuple[Any, str]], at: str) -> None:
    for argument, (frozen, text) in zip(arguments, before, strict=True):
        if _frozen(argument) != frozen:
            copied = "x.clone()" if hasattr(argument, "detach") else "x.copy()"
            raise Refused(
                Verdict(
                    False,
                    f"Your function changes its input{at}.",
                    f"It was given {text}, and left {show(argument)} behind. Whoever calls it "
                    f"still needs that: work on a copy, such as `{copied}`.",
                )
            )


class _Heard:
    """Stands in for ``sys.stdout``: passes on what is printed, up to a limit, and remembers it."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self.text = ""

    def write(self, text: str) -> int:
        room = PRINTED - len(self.text)
        if room > 0:
            self.text += text[:room]
            self._out.write(text[:room] + ("…\n" if len(text) > room else ""))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)


@contextmanager
def listening() -> Iterator[_Heard]:
    """Hear what is printed meanwhile."""
    heard = _Heard(sys.stdout)
    with redirect_stdout(heard):
        yield heard
