"""What was copied between the CPU and the GPU, and by which line."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..device import why_no_cuda
from ..device.copies import BOOK
from ..tape import locate
from ..tensor.memory import in_words


class Transfer(NamedTuple):
    """The copies of one line in one direction."""

    way: str  # "to the GPU" or "to the CPU"
    times: int
    bytes: int
    line: str  # "cell 3 line 2"
    text: str  # of that line

    def __str__(self) -> str:
        often = "once" if self.times == 1 else f"{self.times} times"
        return f"{self.way:10}  {often:>11}  {in_words(self.bytes):>8}  {self.line}  {self.text}"


class Transfers:
    """The copies so far, or those of a block: ``with lab.cuda.transfers() as seen:``.

    As a string a table, a row for each line and direction; ``rows`` has the figures.
    """

    def __init__(self) -> None:
        self._before: dict[Any, tuple[int, int]] = {}
        self._after: dict[Any, tuple[int, int]] | None = None

    def __enter__(self) -> Transfers:
        self._before = _now()
        return self

    def __exit__(self, *error: object) -> None:
        self._after = _now()

    @property
    def rows(self) -> list[Transfer]:
        """A row for each line and direction, in the order in which they came."""
        rows = []
        for (way, source), (count, size) in (self._after or _now()).items():
            old_count, old_size = self._before.get((way, source), (0, 0))
            if count > old_count:
                where = None if source is None else locate(*source)
                line = "no line of yours" if where is None else str(where)
                text = "" if where is None else where.text
                rows.append(Transfer(way, count - old_count, size - old_size, line, text))
        return rows

    @property
    def count(self) -> int:
        """How many copies in all."""
        return sum(row.times for row in self.rows)

    @property
    def bytes(self) -> int:
        """How many bytes in all."""
        return sum(row.bytes for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        rows = self.rows
        if rows:
            return "\n".join(map(str, rows))
        reason = why_no_cuda()
        none = "nothing was copied between the CPU and a GPU"
        return none if reason is None else f"{none}: {reason}"

    __repr__ = __str__


def _now() -> dict[Any, tuple[int, int]]:
    return {key: (count, size) for key, (count, size) in BOOK.items()}


def transfers() -> Transfers:
    """What was copied to the GPU and back since the start, each with its line.

    Nothing is copied that is not shown: also ``.item()``, ``print``, and a check of a target. As a
    ``with`` block it shows the copies of the block.

    >>> with transfers() as seen:
    ...     y = 1 + 1
    >>> seen.count
    0
    """
    return Transfers()
