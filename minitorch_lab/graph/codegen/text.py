"""What the parts of the C generator share: types, places in memory, indented text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

C_TYPES = {
    "float32": "float", "float64": "double", "int64": "int64_t", "int32": "int32_t",
    "int16": "int16_t", "int8": "int8_t", "uint8": "uint8_t", "bool": "uint8_t",
}  # fmt: skip


@dataclass(eq=False)
class Place:
    """Where a value lies: a slot of the table of pointers, an offset and strides in entries."""

    slot: int
    offset: int
    array: Any  # the array itself, or one like it for memory that each run brings
    sample: int | None = 0  # entries from one sample to the next in a tile; None: one at a time
    more: str = ""  # what is added to the pointer: the sample of a tile

    @property
    def strides(self) -> tuple[int, ...]:
        """Entries from one place to the next along each dimension."""
        return tuple(s // self.array.itemsize for s in self.array.strides)


@dataclass(eq=False)
class Text:
    """C text, indented as it is written."""

    lines: list[str] = field(default_factory=list)
    depth: int = 1

    def add(self, line: str) -> None:
        """A line at the present depth."""
        self.lines.append("    " * self.depth + line)

    def blocks(self) -> list[list[str]]:
        """The lines, cut after each block in braces at the first depth."""
        out: list[list[str]] = [[]]
        for line in self.lines:
            out[-1].append(line)
            if line == "    }":
                out.append([])
        return [block for block in out if block]


def index_of(names: list[str], strides: Any) -> str:
    """``i0 * 12 + i1``: the place of an entry."""
    parts = [
        name if step == 1 else f"{name} * {step}"
        for name, step in zip(names, strides, strict=True)
        if step
    ]
    return " + ".join(parts) or "0"
