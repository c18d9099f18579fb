"""The learner's source around the ops of a graph: whole cells and functions, ready to be lit."""

from __future__ import annotations

import inspect
import io
import keyword
import linecache
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from types import CodeType

from ..tape import LINES, Node, cell_name, locate

_LONG = 200  # lines of a cell; of a longer one the function is shown
_AROUND = 4  # lines above and below, where the code of a file stands in no function


@dataclass(frozen=True, slots=True)
class Block:
    """A cell or a function: its title, the number of its first line, its lines.

    ``indent`` letters that all lines begin with are left out.
    """

    title: str
    first: int
    lines: tuple[str, ...]
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an op stands: block, line of the file, and the columns of its expression."""

    block: int
    line: int
    columns: tuple[int, int] | None


def listing(calls: Mapping[int, Node]) -> tuple[list[Block], dict[int, Place]]:
    """The blocks of the learner's code in which ``calls`` stand, and the place of each call."""
    sources = {number: node.source for number, node in calls.items() if node.source is not None}
    used: dict[str, set[int]] = {}
    for source in set(sources.values()):
        used.setdefault(source[0].co_filename, set()).add(locate(*source).line)
    blocks: list[Block] = []
    starts: dict[tuple[str, int], int] = {}
    known: dict[tuple[CodeType, int], Place | None] = {}
    for source in sources.values():
        if source not in known:
            known[source] = _place(*source, used[source[0].co_filename], blocks, starts)
    found = {number: known[source] for number, source in sources.items()}
    return blocks, {number: place for number, place in found.items() if place is not None}


def _place(
    code: CodeType,
    instruction: int,
    used: set[int],
    blocks: list[Block],
    starts: dict[tuple[str, int], int],
) -> Place | None:
    """The place of an instruction; its block is added to ``blocks`` where it is a new one."""
    at = locate(code, instruction)
    first, last = _around(code, used)
    key = (code.co_filename, first)
    if key not in starts:
        text = linecache.getlines(code.co_filename)[first - 1 : last]
        if not any(line.strip() for line in text):
            return None
        title = at.cell
        if not title.startswith("cell ") and code.co_name not in LINES:
            title += f", {code.co_name}"
        indent = min(len(line) - len(line.lstrip()) for line in text if line.strip())
        cut = tuple(line.rstrip("\n")[indent:] for line in text)
        starts[key] = len(blocks)
        blocks.append(Block(title, first, cut, indent))
    block = blocks[starts[key]]
    if not block.first <= at.line < block.first + len(block.lines):
        return None
    columns = _columns(code, instruction, at.line)
    if columns is not None:
        columns = columns[0] - block.indent, columns[1] - block.indent
    return Place(starts[key], at.line, columns)


def _around(code: CodeType, used: set[int]) -> tuple[int, int]:
    """First and last line of what is shown: the cell, the function, or the lines about it."""
    text = linecache.getlines(code.co_filename)
    if cell_name(code.co_filename).startswith("cell ") and len(text) <= _LONG:
        return 1, len(text)
    if code.co_name not in LINES:
        return _function(code)
    return max(1, min(used) - _AROUND), min(len(text), max(used) + _AROUND, min(used) + _LONG)


@cache
def _function(code: CodeType) -> tuple[int, int]:
    first = code.co_firstlineno
    text = linecache.getlines(code.co_filename)
    return first, first + max(1, len(inspect.getblock(text[first - 1 :]))) - 1


@cache
def _columns(code: CodeType, instruction: int, line: int) -> tuple[int, int] | None:
    """The columns of the expression of an instruction, in letters."""
    positions = list(code.co_positions())
    place = instruction // 2
    if place >= len(positions):
        return None
    start, end, low, high = positions[place]
    if start != line or low is None or high is None:
        return None
    text = linecache.getline(code.co_filename, line).rstrip("\n").encode()
    return len(text[:low].decode(errors="ignore")), (
        len(text[:high].decode(errors="ignore")) if end == start else len(text.decode())
    )


# HTML ------------------------------------------------------------------------------------------


def block_html(block: Block) -> list[str]:
    """Each line of a block as HTML, with its colours."""
    classes = _classes(block.lines)
    return [line_html(line, kinds) for line, kinds in zip(block.lines, classes, strict=True)]


def lit_html(block: Block, place: Place) -> str:
    """The line of ``place`` with its expression marked."""
    i = place.line - block.first
    return line_html(block.lines[i], _classes(block.lines)[i], place.columns)


def line_html(line: str, kinds: list[str], marked: tuple[int, int] | None = None) -> str:
    """A line of code as HTML: ``kinds`` has a class for each letter.

    >>> line_html("y = 2", ["", "", "", "", "s"], (0, 1))
    '<b>y</b> = <span class="s">2</span>'
    """
    if marked is not None:
        low, high = marked
        before, inside, after = (
            line_html(line[a:b], kinds[a:b]) for a, b in ((0, low), (low, high), (high, len(line)))
        )
        return f"{before}<b>{inside}</b>{after}"
    out, start = "", 0
    for i in range(1, len(line) + 1):
        if i < len(line) and kinds[i] == kinds[start]:
            continue
        text = escape(line[start:i], quote=False)
        out += f'<span class="{kinds[start]}">{text}</span>' if kinds[start] else text
        start = i
    return out


@cache
def _classes(lines: tuple[str, ...]) -> list[list[str]]:
    """For each letter of each line: "k" in a keyword, "s" in a literal, "c" in a comment."""
    kinds = [[""] * len(line) for line in lines]
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO("\n".join(lines) + "\n").readline))
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return kinds  # a part of a cell with a %magic; it is legible without colours
    for token in tokens:
        kind = {tokenize.NUMBER: "s", tokenize.STRING: "s", tokenize.COMMENT: "c"}.get(token.type)
        if token.type == tokenize.NAME and keyword.iskeyword(token.string):
            kind = "k"
        if kind is None:
            continue
        (row, low), (last, high) = token.start, token.end
        for r in range(row, last + 1):
            begin, end = low if r == row else 0, high if r == last else len(lines[r - 1])
            kinds[r - 1][begin:end] = [kind] * (min(end, len(lines[r - 1])) - begin)
    return kinds
