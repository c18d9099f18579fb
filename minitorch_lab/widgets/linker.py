"""One program in several styles, line by line beside the picture of what they all compute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from textwrap import dedent
from typing import Any

import traitlets

from ..viz import match
from ..viz.fold import Drawing, draw
from ..viz.layout import LayoutError
from ..viz.marks import marked
from ..viz.match import Line, Linked, Value
from ..viz.measure import shape_text
from ..viz.svg import page_style, svg
from ..viz.view import WORDS
from .base import LabWidget
from .dialects import samples
from .passes import note


class Linker(LabWidget):
    """Programs whose values were matched: point at a line, and the same lines light up elsewhere.

    Message from the page: ``{"do": "export"}``. All else is on the page.
    """

    part = "linker"
    uses = ("graph",)

    title = traitlets.Unicode("").tag(sync=True)
    programs: Any = traitlets.List([]).tag(sync=True)  # title, words, HTML of the lines
    values: Any = traitlets.List([]).tag(sync=True)  # what is said of each
    picture = traitlets.Dict({}).tag(sync=True)

    def __init__(self, linked: Linked) -> None:
        super().__init__()
        self.linked = linked
        self.title = linked.title
        self.values = [said(linked, n) for n in range(1, len(linked.values) + 1)]
        self.programs = [
            {"title": p.title, "words": _share(p), "lines": _lines(p.lines)}
            for p in linked.programs
        ]
        self.drawing = drawn(linked)
        try:
            picture = svg_of(linked, self.drawing)
        except LayoutError as error:
            picture = f'<pre role="alert">{escape(str(error))}</pre>'
        self.picture = {"svg": picture, "note": note(self.drawing)}
        self.on_msg(self._on_message)

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        match content:
            case {"do": "export"}:
                name = re.sub(r"[^A-Za-z0-9]+", "-", self.title).strip("-")[:40] or "programs"
                self.send({"export": f"{name}.html", "text": self.page()})

    # Twins ---------------------------------------------------------------------------------

    def transcript(self) -> str:
        """The programs with the numbers of their values, and the values with their lines."""
        return transcript(self.linked)

    def static_html(self) -> str:
        """The picture and the programs, with the numbers of the values at each line."""
        listings = "".join(
            f"<h4>{escape(p.title)} <small>{escape(_share(p))}</small></h4>"
            f"<pre>{escape(_listing(p.lines))}</pre>"
            for p in self.linked.programs
        )
        picture = self.picture["svg"] if "<svg" in self.picture["svg"] else ""
        words = escape(self.transcript())
        return (
            f'<div class="lab-still"><style>{page_style()}{_STILL}</style>{picture}{listings}'
            f"<details><summary>the values in words</summary><pre>{words}</pre></details></div>"
        )


_STILL = ".graph .some .body { stroke-dasharray: 2 3; } .graph .some text { fill: var(--g-muted); }"


def drawn(linked: Linked) -> Drawing:
    """The picture of all values, each with its number."""
    drawing = draw(linked.view, frozenset())
    boxes = [
        replace(box, detail=f"#{box.node}", say=said(linked, box.node)) if box.node else box
        for box in drawing.boxes
    ]
    return replace(drawing, boxes=tuple(boxes))


def svg_of(linked: Linked, drawing: Drawing) -> str:
    """The picture, where boxes know their values, and lines that only some programs go."""
    marks = {}
    for box in drawing.boxes:
        marks[box.key] = {"data-values": " ".join(map(str, box.members))}
        if box.node and linked.missing(box.node):
            marks[box.key]["class"] = "some"
    return marked(svg(drawing), marks)


def said(linked: Linked, number: int) -> str:
    """What a value is, and who computes it in which line."""
    value = linked.values[number - 1]
    kind = f", {WORDS[value.kind]}" if value.kind not in ("op", "output") else ""
    where = [f"{title} line {', '.join(map(str, lines))}" for title, lines in linked.lines(number)]
    parts = [f"#{number} {value.label} {shape_text(value.shape)}{kind}", *where]
    return "; ".join([*parts, *_notes(linked, number, value)])


def _notes(linked: Linked, number: int, value: Value) -> list[str]:
    missing = linked.missing(number)
    notes = [f"not in {', '.join(missing)}"] if missing else []
    for place in value.turned:
        name = "" if place in value.ops else f"as {value.members[place].name} "
        shape = shape_text(value.members[place].spec.shape)
        notes.append(f"{linked.programs[place].title} keeps it {name}{shape}")
    if value.numbers and len(set(value.ops.values())) > 1:
        ops = {
            op: [linked.programs[i].title for i, o in value.ops.items() if o == op]
            for op in dict.fromkeys(value.ops.values())
        }
        written = ", ".join(f"{op} ({', '.join(names)})" for op, names in ops.items())
        notes.append(f"the same numbers, written as {written}")
    elif value.numbers:
        notes.append("the same numbers, from other steps")
    return notes


def _share(program: match.Program) -> str:
    alone = program.count - program.common
    return (
        f"all {program.count} values are shared"
        if not alone
        else f"{program.common} of {program.count} values are shared"
    )


def _texts(lines: tuple[Line, ...]) -> list[str]:
    """The lines without the indentation that all have."""
    return dedent("\n".join(line.text for line in lines)).split("\n")


def _lines(lines: tuple[Line, ...]) -> str:
    rows, last = [], None
    for line, text in zip(lines, _texts(lines), strict=True):
        values = " ".join(map(str, line.values))
        facts = f' data-values="{values}" tabindex="-1"' if values else ' aria-disabled="true"'
        if not text:
            facts = ' aria-label="empty"' + facts
        gap = last is not None and (line.cell, line.number) != (last.cell, last.number + 1)
        last = line
        rows.append(
            f'<li role="option" aria-selected="false"{facts}{" class=gap" * gap} '
            f'data-at="{line.number}" style="counter-set: line {line.number}">'
            f"{escape(text)}</li>"
        )
    return "".join(rows)


def _listing(lines: tuple[Line, ...]) -> str:
    """The lines with their numbers, and those of their values behind."""
    texts = _texts(lines)
    width = max((len(text) for text in texts), default=0)
    rows = []
    for line, text in zip(lines, texts, strict=True):
        values = "  " + " ".join(f"#{n}" for n in line.values) if line.values else ""
        rows.append(f"{line.number:<4}{text:{width}}{values}".rstrip())
    return "\n".join(rows)


def transcript(linked: Linked) -> str:
    """The programs in words: each line with its values, each value with its lines."""
    parts = [f"{len(linked.programs)} programs, {len(linked.values)} values"]
    for program in linked.programs:
        parts += [f"{program.title}: {_share(program)}", _listing(program.lines)]
    parts.append("values")
    parts += [f"  {said(linked, n)}" for n in range(1, len(linked.values) + 1)]
    return "\n".join(parts)


def link(programs: Mapping[str, Any] | None = None, *inputs: Any) -> Linker:
    """Show one program in several styles side by side, with what they all compute.

    ``programs`` are functions or modules by name, which are traced with ``inputs``; a tuple
    ``(function, x, ...)`` has inputs of its own, and ``(session, fetches, feeds)`` is a run of a
    session. Point at a line, and the values that it makes light up, and the lines of the other
    programs that make them. A compiled Keras model stands for a step of its training, on examples
    and labels. Without programs linear regression is shown in five styles.

    >>> from minitorch_lab.tensor import tensor
    >>> view = link({"a": lambda x: x * 2 + 1, "b": lambda x: 1 + 2 * x}, tensor([1.0]))
    >>> [p["words"] for p in view.programs]
    ['all 3 values are shared', 'all 3 values are shared']
    """
    if programs is None:
        programs, inputs = samples()
    return Linker(match.link(programs, *inputs))
