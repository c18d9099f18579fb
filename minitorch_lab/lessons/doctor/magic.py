"""``%%doctor``: looks at a cell, runs it, and looks again at what only the run could tell."""

from __future__ import annotations

import re
from typing import Any

from IPython.display import display

from ...errors import ArgumentError
from .diagnose import _plain, diagnose
from .diagnosis import Diagnosis

_OPTIONS = ("--only", "--fix")
_SAID = (
    "The repaired program is in the cell: read it, then run it. Ctrl+Z in the cell brings yours "
    'back.\nDid the cell not change? Press "apply all repairs" and "copy the program", and paste.'
)
_MAGIC = re.compile(r"^[%!].*$", re.MULTILINE)
_HIDDEN = "# doctor keeps: "  # a comment, while the rest is read as Python


def doctor_magic(shell: Any, line: str, cell: str) -> None:
    """``%%doctor`` looks at the cell and runs it; with ``--only`` it is read and not run.

    ``--fix`` puts the repaired text in place of the cell's, and runs nothing.
    """
    wanted = line.split()
    for word in wanted:
        if word not in _OPTIONS:
            raise ArgumentError(f"%%doctor {line}: expected {' or '.join(_OPTIONS)}, got {word!r}")
    source = without_magics(cell)
    before = _plain(shell.user_ns)
    found = diagnose(source, before)
    if "--fix" in wanted:
        repaired = _repaired(cell, before)
        shell.set_next_input(f"%%doctor\n{repaired}", replace=True)
        display(found)
        if repaired != cell.rstrip("\n"):
            print(_SAID)
        return
    if "--only" in wanted:
        display(found)
        return
    if "L22" in found.checks:  # it cannot run as it stands, or not all of it
        display(found)
        return
    result = shell.run_cell(cell)
    if result.success:
        found = _after(source, before, _plain(shell.user_ns), found)
    display(found)


def _after(
    source: str, before: dict[str, Any], after: dict[str, Any], found: Diagnosis
) -> Diagnosis:
    later = diagnose(source, before, after)
    return later if len(later) >= len(found) else found


def _repaired(cell: str, before: dict[str, Any]) -> str:
    """The cell with its repairs, and its magics and shell lines where they were."""
    hidden = _MAGIC.sub(rf"{_HIDDEN}\g<0>", cell)
    return diagnose(hidden, before).fix().replace(_HIDDEN, "").rstrip("\n")


def without_magics(cell: str) -> str:
    r"""A cell with its magics and shell lines as empty lines, so that the lines keep their numbers.

    >>> without_magics("%matplotlib inline\nx = 1")
    '\nx = 1'
    """
    return _MAGIC.sub("", cell)
