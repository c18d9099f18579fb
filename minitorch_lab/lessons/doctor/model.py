"""What the doctor finds, as plain data."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace

NOTES = frozenset(("L17", "L19"))  # good to know, and no mistakes


@dataclass(frozen=True)
class Check:
    """One of the things that the doctor looks for: a row of the table in `table`."""

    id: str
    name: str
    what: str
    why: str
    repair: str


@dataclass(frozen=True, order=True)
class Edit:
    """A change of a text: what stands from ``start`` to ``end`` becomes ``text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor found.

    ``lines`` are the first and the last line that are meant, counted from 1; (0, 0) where no line
    is known. ``measured`` are rows of a small experiment, computed when the finding was made.
    ``diff`` is the repair, where there is one that can be applied.
    """

    check: str
    name: str
    lines: tuple[int, int]
    what: str
    why: str
    do: str
    measured: tuple[tuple[str, str], ...] = ()
    edits: tuple[Edit, ...] = ()
    diff: str = ""

    @property
    def kind(self) -> str:
        """``"mistake"``, or ``"note"`` for what is good to know and breaks nothing."""
        return "note" if self.check in NOTES else "mistake"

    def with_diff(self, source: str) -> Finding:
        """The same finding with what its repair changes in ``source``."""
        return replace(self, diff=diff(source, apply(source, self.edits)))


def apply(source: str, edits: Iterable[Edit]) -> str:
    """The text with the edits in it; of two that touch the same letters the first is taken.

    >>> apply("a b c", [Edit(0, 1, "x"), Edit(4, 5, "z"), Edit(4, 5, "z")])
    'x b z'
    """
    taken: list[Edit] = []
    for edit in edits:
        if edit not in taken and not any(_touch(edit, other) for other in taken):
            taken.append(edit)
    for edit in sorted(taken, reverse=True):
        source = source[: edit.start] + edit.text + source[edit.end :]
    return source


def _touch(a: Edit, b: Edit) -> bool:
    return a.start < b.end and b.start < a.end


def diff(before: str, after: str) -> str:
    """What changed, as lines with ``-`` and ``+`` and one line around them.

    >>> print(diff("a = 1", "a = 2"))
    -a = 1
    +a = 2
    """
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return "\n".join(line for line in list(lines)[2:] if not line.startswith("@@"))
