"""The checks, a file for each family; each is a function from a case to its findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..case import Case
from ..model import Finding
from . import data, inputs, losses, runs, sessions, shapes, steps

ALL: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    *shapes.CHECKS,
    *losses.CHECKS,
    *sessions.CHECKS,
    *steps.CHECKS,
    *inputs.CHECKS,
    *data.CHECKS,
    *runs.CHECKS,
)
