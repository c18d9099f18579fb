"""What the parts of the C generator share: types, places in memory, indented text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...ops import rules
from ..fuse import FLOAT16
from ..ir import Var

C_TYPES = {  # in memory
    "float32": "float", "float64": "double", "int64": "int64_t", "int32": "int32_t",
    "int16": "int16_t", "int8": "int8_t", "uint8": "uint8_t", "bool": "uint8_t",
    "float16": "lab_half",
}  # fmt: skip

# float16 is a type of memory only: entries are read as float, and rounded when they are written.


def computed(dtype: Any) -> str:
    """The C type in which entries of a dtype are computed."""
    return "float" if dtype == FLOAT16 else C_TYPES[str(dtype)]


def read(dtype: Any, text: str) -> str:
    """An entry of memory, as it is computed with."""
    return f"lab_from_half({text})" if dtype == FLOAT16 else text


def written(dtype: Any, text: str) -> str:
    """What was computed, as an entry of memory."""
    return f"lab_to_half({text})" if dtype == FLOAT16 else text


@dataclass(eq=False)
class Place:
    """Where a value lies: a slot of the table of pointers, an offset and strides in entries."""

    slot: int
    offset: int
    array: Any  # the array itself, or one like it for memory that each run brings
    alone: int = 0  # along how many of the first dimensions memory holds one entry at a time
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


def pointer(name: str, place: Place, const: str = "const ", alone: str = "") -> str:
    """A pointer to a value; ``alone`` is "restrict" where its memory has no other pointer."""
    kind = C_TYPES[str(place.array.dtype)]
    at = f"({const}{kind} *)p[{place.slot}] + {place.offset}{place.more}"
    return f"{const}{kind} *{alone}{name} = {at};"


def kept(w: Any, array: Any) -> Place:
    """The place of an array of the plan's own: places that are known now, or room to work in."""
    w.fixed.append((w.slot(""), array))
    return Place(w.fixed[-1][0], 0, array)


def axes(ndim: int) -> list[str]:
    """The variables of nested loops: i0, i1, ..."""
    return [f"i{d}" for d in range(ndim)]


def nest(around: list[tuple[str, int]], body: str, simd: bool = False) -> str:
    """Nested loops, a variable and a size each, with ``body`` inside."""
    for name, n in reversed(around):
        body = f"for (long {name} = 0; {name} < {n}; {name}++) {{\n{indented(body)}\n}}"
        if simd:
            body, simd = f"#pragma omp simd\n{body}", False
    return body


def over(shape: tuple[int, ...], body: str) -> str:
    """``body`` for each place of a shape, which it knows as i0, i1, ..."""
    return nest(list(zip(axes(len(shape)), shape, strict=True)), body)


def source(w: Any, step: Any, x: Any, dtype: Any, shape: tuple[int, ...]) -> tuple[str, str]:
    """An operand spread over a shape or cut to it, or a number: what declares it, its entry."""
    kind = np.dtype(np.float64)
    if isinstance(x, Var) and not x.spec.number:
        place = w.seen(step, x)
        used = place.array[(*map(slice, shape[len(shape) - place.array.ndim :]), ...)]
        strides = [n // used.itemsize for n in np.broadcast_to(used, shape).strides]
        declared, text = pointer("s", place), f"s[{index_of(axes(len(shape)), strides)}]"
        kind = place.array.dtype
    elif isinstance(x, Var):
        declared, text = "", f"n[{w.numbers.setdefault(x.id, len(w.numbers))}]"
    else:
        declared, text = "", rules.number(x)
    if kind == dtype:
        return declared, text
    return declared, f"{text} != 0" if dtype.kind == "b" else f"({C_TYPES[str(dtype)]}){text}"


def block(w: Any, text: str) -> bool:
    """C text with a pair of braces around it."""
    w.text.add("{")
    w.text.depth += 1
    for line in text.splitlines():
        if line:
            w.text.add(line)
    w.text.depth -= 1
    w.text.add("}")
    return True


def indented(text: str) -> str:
    """C text one step further in."""
    return "\n".join(f"    {line}" for line in text.strip("\n").splitlines())


# Functions ---------------------------------------------------------------------------------

SLOT = re.compile(r"\b([pn])\[(\d+)\]")
NAME = re.compile(r"\b(m|n|v|w|s|nan)(\d+)\b")
BOUND = re.compile(r"(?<= < )\d+(?=; )")
REFUSES = re.compile(r"\blab_(fmod|remainder|floor_divide|pow|bce)\(")  # they know values to refuse
HEAD = "void *const *p, const double *n"


def joined(functions: list[list[list[str]]]) -> str:
    """The C functions ``step0``, ``step1``..., each a chain of blocks.

    Each block is a function of its own, since compilers take far longer over one long one. Blocks
    that differ in their slots only, such as the same layer twice, share one; so do single loops
    that differ in their length, such as the updates of an optimiser's parameters.
    """
    lengths: dict[str, list[str]] = {}  # of the blocks of each shape
    for block in (block for blocks in functions for block in blocks):
        lengths.setdefault(_shape(block), []).append(_length("\n".join(block)))
    made: dict[str, str] = {}
    out = []
    for number, blocks in enumerate(functions):
        calls = []
        for i, block in enumerate(blocks):
            shape, text = _shape(block), "\n".join(block)
            alike = lengths[shape]
            shared, long = len(alike) > 1, len(set(alike)) > 1
            if shape not in made:
                made[shape] = f"part{number}_{i}"
                out.append(_function(made[shape], text, shared, long))
            slots = ", ".join(k for _, k in SLOT.findall(text))
            given = f", (const short[]){{{slots}}}" if shared and slots else ""
            calls.append(f"{made[shape]}(p, n{given}{f', {_length(text)}' if long else ''})")
        chain = "\n        || ".join(calls)
        clear = any(REFUSES.search(line) for block in blocks for line in block)
        start = "    lab_wrong = 0;\n" if clear else ""
        out.append(f"int step{number}({HEAD})\n{{\n{start}    return {chain};\n}}\n")
    return "\n".join(out)


def _function(name: str, text: str, shared: bool, long: bool) -> str:
    """A block as a function; one that is shared gets the numbers of its slots, and its length."""
    head = HEAD
    if long:
        text = BOUND.sub("length", text)
    if shared and SLOT.search(text):
        head += ", const short *slot"
        pieces = SLOT.split(text)  # text, "p" or "n", the slot, text, ...
        text = pieces[0] + "".join(
            f"{table}[slot[{i}]]{rest}"
            for i, (table, rest) in enumerate(zip(pieces[1::3], pieces[3::3], strict=True))
        )
    head += ", long length" if long else ""
    start = f"static __attribute__((noinline)) int {name}({head})"
    end = "lab_wrong" if REFUSES.search(text) else "0"  # what was refused ends the step
    return f"{start}\n{{\n{text}\n    return {end};\n}}\n"


def _length(text: str) -> str:
    """How often a block's only loop runs; nothing where it has none, or more."""
    return BOUND.findall(text)[0] if text.count("for (") == 1 and BOUND.search(text) else ""


def _shape(block: list[str]) -> str:
    """A block without slots and the length of a single loop, its values numbered as they come."""
    text = SLOT.sub(r"\1[]", re.sub(r"  // .*", "", "\n".join(block)))
    return canonical(BOUND.sub("", text) if _length(text) else text)


def canonical(text: str) -> str:
    """A text with its values numbered in the order in which they come."""
    numbers: dict[str, int] = {}
    return NAME.sub(lambda m: f"{m[1]}{numbers.setdefault(m[2], len(numbers))}", text)
