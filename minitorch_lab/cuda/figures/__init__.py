"""Figures of GPUs, measured elsewhere and kept as data: a machine without one can show them.

A file holds what ``python -m minitorch_lab.bench --gpu`` wrote: the device, the date, the command,
and what was measured.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent


class Recorded(NamedTuple):
    """What was measured on one GPU, and how."""

    device: str
    date: str
    command: str
    versions: dict[str, str]
    crossover: dict[str, list[dict[str, Any]]]  # what -> a row for each size
    steps: list[dict[str, Any]]  # a row for each model and batch
    tests: dict[str, int]
    timelines: dict[str, list[dict[str, Any]]] = {}  # noqa: RUF012  what -> a run in each mode

    @property
    def source(self) -> str:
        """Where the figures come from, in words."""
        return f"recorded on {self.device}, {self.date}: {self.command}"


def recorded(folder: Path = FOLDER) -> Recorded | None:
    """The newest figures that are kept; None where there are none."""
    found = [
        Recorded(**json.loads(path.read_text(encoding="utf-8"))) for path in folder.glob("*.json")
    ]
    return max(found, key=lambda r: r.date, default=None)
