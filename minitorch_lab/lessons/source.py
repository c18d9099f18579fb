"""Reading a lesson's source: one Markdown file, of which notebooks are made.

The form is MyST's, so GitHub shows it and Jupytext and MyST open it as a notebook::

    ---
    title: Gradients, one step at a time
    ---
    # Text is Markdown. A new cell begins at each heading of level 1 or 2.

    ```{code-cell}
    :tags: [raises-exception]
    x.backward()
    ```

An exercise's cell holds its solution between ``### BEGIN SOLUTION`` and ``### END SOLUTION``
(nbgrader's markers). The learner's notebook has ``# your code here`` in that place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import ArgumentError
from .content import NUMBERS

TEXTS = Path(__file__).parent / "text"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
FENCE = re.compile(r"^```\{code-cell\}.*$")


@dataclass(frozen=True)
class Cell:
    """A cell: its kind ("markdown" or "code"), its text, its tags."""

    kind: str
    text: str
    tags: tuple[str, ...] = ()


def parse(text: str, name: str = "source") -> list[Cell]:
    """The cells of a source. Raises ArgumentError, with the line, where it cannot be read.

    >>> [cell.kind for cell in parse("# A\\n\\n```{code-cell}\\n1 + 1\\n```\\n")]
    ['markdown', 'code']
    """
    lines = text.splitlines()
    at = 0
    if lines and lines[0] == "---":  # what stands at the head is for other readers
        if "---" not in lines[1:]:
            raise ArgumentError(f"{name}, line 1: the head has no closing ---")
        at = lines.index("---", 1) + 1
    cells: list[Cell] = []
    prose: list[str] = []

    def flush() -> None:
        body = "\n".join(prose).strip()
        if body:
            cells.append(Cell("markdown", body))
        prose.clear()

    plain_fence = False
    while at < len(lines):
        line = lines[at]
        if FENCE.match(line) and not plain_fence:
            flush()
            start = at
            at += 1
            tags: tuple[str, ...] = ()
            if at < len(lines) and lines[at].startswith(":tags:"):
                tags = tuple(
                    tag.strip() for tag in lines[at].partition("[")[2].rstrip("] ").split(",")
                )
                at += 1
            body: list[str] = []
            while at < len(lines) and lines[at] != "```":
                body.append(lines[at])
                at += 1
            if at == len(lines):
                raise ArgumentError(f"{name}, line {start + 1}: the code cell has no closing ```")
            cells.append(Cell("code", "\n".join(body).strip("\n"), tags))
        else:
            if line.startswith("```"):
                plain_fence = not plain_fence
            if re.match(r"^##? ", line) and not plain_fence:
                flush()
            prose.append(line)
        at += 1
    flush()
    return cells


def _regions(text: str) -> list[tuple[str, list[str]]]:
    parts: list[tuple[str, list[str]]] = [("shared", [])]
    for line in text.splitlines():
        mark = line.strip()
        if mark == BEGIN:
            if parts[-1][0] == "solution":
                raise ArgumentError(f"two times {BEGIN}, with no {END} between them")
            parts.append(("solution", [line]))
        elif mark == END:
            if parts[-1][0] != "solution":
                raise ArgumentError(f"{END} without {BEGIN}")
            parts.append(("shared", []))
        else:
            parts[-1][1].append(line)
    if parts[-1][0] == "solution":
        raise ArgumentError(f"{BEGIN} without {END}")
    return parts


def stub(text: str) -> str:
    """A cell as the learner gets it: ``# your code here`` in place of the solution.

    >>> print(stub("a = ...\\n### BEGIN SOLUTION\\na = 6.0\\n### END SOLUTION\\nprint(a)"))
    a = ...
    # your code here
    print(a)
    """
    out: list[str] = []
    for kind, lines in _regions(text):
        if kind == "shared":
            out += lines
        else:
            first = lines[0]
            out.append(first[: len(first) - len(first.lstrip())] + "# your code here")
    return "\n".join(out)


def solution(text: str) -> str:
    """A cell with its solution, without the markers.

    >>> print(solution("a = ...\\n### BEGIN SOLUTION\\na = 6.0\\n### END SOLUTION\\nprint(a)"))
    a = ...
    a = 6.0
    print(a)
    """
    out: list[str] = []
    for kind, lines in _regions(text):
        out += lines if kind == "shared" else lines[1:]
    return "\n".join(out)


def read(path: Path) -> list[Cell]:
    """The cells of a source file."""
    return parse(path.read_text(encoding="utf-8"), path.name)


def find_sources(folder: Path = TEXTS) -> dict[str, Path]:
    """The text of each lesson, by number. Raises ArgumentError where one is missing."""
    found = {number: sorted(folder.glob(f"{number}_*.md")) for number in NUMBERS}
    for number, paths in found.items():
        if len(paths) != 1:
            raise ArgumentError(f"{folder} holds {len(paths)} sources of lesson {number}, not one")
    return {number: paths[0] for number, paths in found.items()}
