"""A book of what was copied to the GPU and back: how often, how much, and by which line.

Copies are what makes a GPU slow, and none is made that does not stand here. What is kept grows with
the lines of a program and not with its steps.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import CodeType
from typing import Any

from ..errors import caller

TO_GPU, TO_CPU = "to the GPU", "to the CPU"
Source = tuple[CodeType, int] | None

# (way, the line) -> [how many copies, bytes]
BOOK: dict[tuple[str, Source], list[int]] = {}
# id of an array -> (the array, the line that moved it there), as long as it lives
_MOVED: dict[int, tuple[weakref.ref[Any], Source]] = {}


# What looks at copies as they are made: called with the way before one, and with its bytes after.
WATCH: list[Callable[[str, int | None], None]] = []


def begin(way: str) -> None:
    """A copy is about to be made."""
    for look in WATCH:
        look(way, None)


def note(way: str, array: Any) -> None:
    """Enter one copy, of which ``array`` is the result."""
    for look in WATCH:
        look(way, int(array.nbytes))
    source = caller(3)
    entry = BOOK.setdefault((way, source), [0, 0])
    entry[0] += 1
    entry[1] += int(array.nbytes)
    number = id(array)
    _MOVED[number] = weakref.ref(array, lambda _: _MOVED.pop(number, None)), source


def moved_by(array: Any) -> Source:
    """The line that copied this array from another device; None for one that was made there."""
    held, source = _MOVED.get(id(array), (None, None))
    return source if held is not None and held() is array else None
