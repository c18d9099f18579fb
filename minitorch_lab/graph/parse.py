"""The text form of a graph, read back.

The text is a list of lines, and a line is read from left to right: a name, an equals sign, an op
with its inputs and attributes, a spec. A small table of tokens and one function for each part of
the grammar do it; nothing is evaluated.
"""

from __future__ import annotations

import ast
import re
from collections import deque
from typing import Any, NoReturn

import numpy as np

from .. import dtypes
from ..errors import ArgumentError, LabError
from ..op import OPS, Mismatch, Spec, infer
from .control import ROWS
from .ir import Equation, Graph, Part, Var

TOKEN = re.compile(
    r"""
    (?P<string> '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" )
  | (?P<number> -?(?: inf\b | nan\b | \d+(?:\.\d*)?(?:[eE][+-]?\d+)? ) )
  | (?P<var> %\d+ )
  | (?P<name> [^\W\d][\w.]* )
  | (?P<mark> \.\.\. | <- | [()\[\]{},:=] )
  | (?P<comment> \#.* )
    """,
    re.VERBOSE,
)
HEAD = re.compile(r"graph (?P<name>.*?)\((?=%|\))")
PART = re.compile(r"\s*(?P<name>\w+)\((?P<places>[\d, ]*)\) = (?=graph )")
CAPTURED = re.compile(r"(?P<name>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\S+)\s+")
WORDS = {"None": None, "True": True, "False": False}
DTYPES = {dtype.name: dtype for dtype in dtypes.ALL}
KINDS = ("param", "state")


class _Line:
    """One line, and how far it has been read."""

    def __init__(self, number: int, text: str) -> None:
        self.place, self.text, self.at = number, text, 0
        self.skip()

    def fail(self, problem: str, expected: str) -> NoReturn:
        """Say where the text is wrong."""
        raise ArgumentError(
            f"Graph.parse(text): line {self.place}: {problem}\n"
            f"  {self.text.strip()}\n  expected {expected}"
        )

    def skip(self) -> None:
        """Go to the next character that is no space."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def peek(self) -> tuple[str, str]:
        """The next token: its kind and its text; at the end, two empty texts."""
        found = TOKEN.match(self.text, self.at)
        if found is None:
            if self.at < len(self.text):
                self.fail(f"cannot read {self.text[self.at :]!r}", "a value, a name or a variable")
            return "", ""
        kind = found.lastgroup or ""
        return ("", "") if kind == "comment" else (kind, found.group())

    def take(self) -> tuple[str, str]:
        """The next token, which is then read."""
        kind, token = self.peek()
        self.at += len(token)
        self.skip()
        return kind, token

    def found(self, mark: str) -> bool:
        """Take a mark if it comes next."""
        if self.peek()[1] != mark:
            return False
        self.take()
        return True

    def calls(self) -> bool:
        """Whether the name that was taken is called."""
        return self.text.startswith("(", self.at)

    def need(self, mark: str) -> None:
        """Take a mark, which must come next."""
        if not self.found(mark):
            self.fail(f"found {self.peek()[1] or 'the end'!r}", repr(mark))

    def match(self, pattern: re.Pattern[str], expected: str) -> str:
        """Take the name that a pattern finds here."""
        found = pattern.match(self.text, self.at)
        if found is None:
            self.fail(f"found {self.text[self.at :]!r}", expected)
        self.at = found.end()
        self.skip()
        return _word(found["name"])

    # Values

    def value(self) -> Any:
        """A number, text, tuple, list, dict, slice, dtype, None, True, False or an ellipsis."""
        if self.peek()[1] == ":":
            return self.slice(None)
        first = self.item()
        return self.slice(first) if self.peek()[1] == ":" else first

    def slice(self, start: Any) -> slice:
        """``start:stop:step``, where each may be left out."""
        parts: list[Any] = []
        while len(parts) < 2 and self.found(":"):
            parts.append(self.item() if self.peek()[0] == "number" else None)
        return slice(start, *parts)

    def item(self) -> Any:
        """A value that is no slice."""
        kind, token = self.take()
        if kind == "string":
            return ast.literal_eval(token)
        if kind == "number":
            return _number(token)
        if token in WORDS:
            return WORDS[token]
        if token in DTYPES:
            return self.spec_of(token) if self.peek()[1] == "(" else DTYPES[token].np
        if token.removeprefix("lab.") in DTYPES:
            return DTYPES[token.removeprefix("lab.")]
        if token == "...":
            return ...
        if token == "(":
            return tuple(self.several(")"))
        if token == "[":
            return self.several("]")
        if token == "{":
            return self.pairs()
        return self.fail(
            f"found {token or 'the end'!r}", "a number, a text, a tuple, a slice or a dtype"
        )

    def several(self, end: str) -> list[Any]:
        """Values with commas between them."""
        out = []
        while not self.found(end):
            out.append(self.value())
            if self.peek()[1] != end:
                self.need(",")
        return out

    def pairs(self) -> dict[str, Any]:
        """A dict with texts for its keys."""
        out: dict[str, Any] = {}
        while not self.found("}"):
            key = self.item()
            self.need(":")
            out[key] = self.value()
            if self.peek()[1] != "}":
                self.need(",")
        return out

    def number(self) -> int:
        """The number of a variable, ``%3``."""
        kind, token = self.take()
        if kind != "var":
            self.fail(f"found {token or 'the end'!r}", "a variable such as %3")
        return int(token[1:])

    def spec(self) -> Spec:
        """``float32 (2, 3)``, with a device where it is not the CPU; or ``number``."""
        _, token = self.take()
        if token == "number":
            return Spec((), np.dtype("float64"), number=True)
        if token not in DTYPES:
            self.fail(f"found {token or 'the end'!r}", "a dtype such as float32")
        return self.spec_of(token)

    def spec_of(self, token: str) -> Spec:
        """The rest of a spec, after its dtype."""
        shape = self.item() if self.peek()[1] == "(" else None
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            self.fail("a dtype without its shape", "a shape such as (2, 3)")
        device = self.take()[1] if self.peek()[0] == "name" else "cpu"
        return Spec(shape, DTYPES[token].np, device)

    def end(self) -> None:
        """Nothing may follow but a comment."""
        if self.peek() != ("", ""):
            self.fail(f"found {self.peek()[1]!r}", "the end of the line")


def _word(token: str) -> str:
    if token[:1] in ("'", '"'):
        return str(ast.literal_eval(token))
    return "" if token == "?" else token


def _number(token: str) -> int | float:
    return int(token) if token.lstrip("-").isdigit() else float(token)


class _Reader:
    """The graph, as far as it has been read."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.table = table
        self.vars: dict[int, Var] = {}
        self.inputs: list[Var] = []
        self.constants: list[tuple[Var, Any]] = []
        self.equations: list[Equation] = []
        self.updates: list[tuple[Var, Var]] = []

    def part(self, line: _Line, name: str, places: str, graph: Graph) -> None:
        """The graph of a choice or a loop, for the equation above it."""
        above = self.equations[-1] if self.equations else None
        if above is None or above.op.name not in ROWS:
            line.fail("a graph here", f"it below an equation of {', '.join(ROWS)}")
        made = Part(graph, tuple(int(n) for n in places.replace(",", " ").split()))
        above.attrs.setdefault("parts", {})[name] = made

    def define(self, line: _Line, id: int, spec: Spec, name: str = "", kind: str = "op") -> Var:
        """A variable, which has this number for the first time."""
        if id in self.vars:
            line.fail(f"%{id} is defined twice", "another number")
        self.vars[id] = Var(id, spec, name, kind)
        return self.vars[id]

    def known(self, line: _Line) -> Var:
        """A variable of a line above."""
        id = line.number()
        if id not in self.vars:
            line.fail(f"%{id} is not defined", "a variable of a line above")
        return self.vars[id]

    def head(self, line: _Line) -> str:
        """``graph name(%0: float32 (3,)):``."""
        name = line.match(HEAD, "graph name(%0: float32 (3,)):")
        while not line.found(")"):
            id = line.number()
            line.need(":")
            self.inputs.append(self.define(line, id, line.spec(), kind="input"))
            if line.peek()[1] != ")":
                line.need(",")
        line.need(":")
        line.end()
        return name

    def line(self, line: _Line) -> None:
        """A captured tensor, a constant, an equation or an update."""
        arrow = re.match(r"\s*('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^%\s]\S*)\s+<-", line.text)
        if arrow is not None:
            line.at = arrow.end()
            line.skip()
            value = self.known(line)
            target = Var(-1, value.spec, _word(arrow[1]), "state")
            self.updates.append((target, value))
            return line.end()
        id = line.number()
        if line.found("<-"):
            if id not in self.vars:
                line.fail(f"%{id} is not defined", "a captured tensor of a line above")
            self.updates.append((self.vars[id], self.known(line)))
            return line.end()
        line.need("=")
        kind, name = line.take()
        if kind == "name" and name in KINDS and not line.calls():
            label = line.match(CAPTURED, "a name, or ?")
            self.inputs.append(self.define(line, id, line.spec(), label, name))
        elif name == "const" and not line.calls():
            self.constant(line, id)
        elif kind == "name":
            self.equation(line, id, name)
        else:
            line.fail(f"found {name!r}", "an op, const, param or state")
        return line.end()

    def outputs(self, line: _Line) -> list[Var]:
        """``return %3, %4``."""
        line.take()
        found = []
        while line.peek()[0]:
            found.append(self.known(line))
            if line.peek()[0]:
                line.need(",")
        return found

    def constant(self, line: _Line, id: int) -> None:
        """``const [1, 2]  float32 (2,)``, or ``const c3  float32 (100,)`` from the table."""
        kind, token = line.take()
        if kind == "name" and token not in WORDS:
            spec = line.spec()
            if token not in self.table:
                line.fail(f"the table has no {token!r}", "its array: Graph.parse(text, table)")
            array = self.table[token]
            if (tuple(array.shape), array.dtype) != (spec.shape, spec.dtype):
                line.fail(f"the table's {token!r} is {array.dtype} {array.shape}", str(spec))
        else:
            entries = [token]
            if token == "[":
                entries = []
                while not line.found("]"):
                    entries.append(line.take()[1])
                    if line.peek()[1] != "]":
                        line.need(",")
            spec = line.spec()
            try:
                array = np.array([_entry(x, spec.dtype) for x in entries], spec.dtype)
                array = array.reshape(spec.shape)
            except (ValueError, OverflowError):
                line.fail(f"{len(entries)} entries that do not fit", f"entries of {spec}")
        self.constants.append((self.define(line, id, spec, kind="const"), array))

    def equation(self, line: _Line, id: int, name: str) -> None:
        """``sum(%0, dim=(1,), keepdim=False)  float32 (3,)``."""
        op = OPS.get(name) or ROWS.get(name)
        if op is None:
            line.fail(
                f"the table has no op {name!r}",
                "an op of lab.op.OPS, cond, while_loop or scan; a Function holds code, no text",
            )
        line.need("(")
        inputs: list[Any] = []
        attrs: dict[str, Any] = {}
        while not line.found(")"):
            kind, token = line.peek()
            if kind == "var":
                inputs.append(self.known(line))
            elif kind == "name" and token not in WORDS:
                line.take()
                line.need("=")
                attrs[token] = line.value()
            else:
                inputs.append(line.value())
            if line.peek()[1] != ")":
                line.need(",")
        spec = line.spec()
        try:
            found = infer(op, [x.spec if isinstance(x, Var) else x for x in inputs], attrs)
        except Mismatch as mismatch:
            line.fail(mismatch.problem, mismatch.expected.removeprefix("expected ") or "another")
        except (LabError, TypeError, ValueError) as error:
            line.fail(str(error).splitlines()[0], f"what {name} takes")
        if spec.number:
            spec = Spec(found.shape, found.dtype, number=True)
        elif (spec.shape, spec.dtype) != (found.shape, found.dtype):
            line.fail(f"{name} gives {found}", f"that, not {spec}")
        out = self.define(line, id, spec)
        self.equations.append(Equation(out, op, tuple(inputs), attrs))


def _entry(token: str, dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "b":
        return WORDS[token]
    return dtype.type(token) if dtype.kind == "f" else int(token)


def parse(source: str, table: dict[str, Any]) -> Graph:
    """The graph that has this text; ``table`` gives large constants by name."""
    lines = deque(_Line(i, text) for i, text in enumerate(source.splitlines(), 1) if text.strip())
    if not lines:
        raise ArgumentError("Graph.parse(text): the text is empty\n  expected str(graph)")
    graph = _graph(lines, table)
    if lines:
        lines[0].fail("a line after return", "nothing")
    return graph.verify()


def _graph(lines: deque[_Line], table: dict[str, Any]) -> Graph:
    """The lines up to return; they are taken away."""
    reader = _Reader(table)
    line = lines.popleft()
    name = reader.head(line)
    outputs: list[Var] | None = None
    while outputs is None:
        if not lines:
            line.fail("no return", "return %3 as the last line")
        line = lines[0]
        inner = PART.match(line.text)
        if inner is not None:
            line.at = inner.end()
            reader.part(line, inner["name"], inner["places"], _graph(lines, table))
            continue
        lines.popleft()
        if line.peek()[1] == "return" and "<-" not in line.text:
            outputs = reader.outputs(line)
        else:
            reader.line(line)
    return Graph(
        tuple(reader.inputs),
        tuple(reader.constants),
        tuple(reader.equations),
        tuple(outputs),
        tuple(reader.updates),
        name,
    )
