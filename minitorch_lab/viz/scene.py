"""What a page is given to show: one picture with its list, colours and panels; or all of them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, NamedTuple

from .colour import MODES, colours
from .compose import opened, opened_op, path_of
from .dot import box_size, dot
from .fold import Drawing, around, draw, keys, outline
from .measure import shorten
from .panel import panel
from .svg import svg
from .text import transcript
from .view import GraphView

Seconds = Mapping[int, float | None]

# Panels that come along with a picture: of so many boxes, array entries and letters. They answer
# at once, even while the kernel runs a cell; the others are asked for one by one.
_BOXES = 80
_ENTRIES = 400_000
_LETTERS = 100_000
LIST = 5000  # nodes that are listed by number: what a search finds, what a page leads to


def picture(drawing: Drawing) -> dict[str, Any]:
    """The picture with what the page needs to walk in it. Raises LayoutError."""
    return {
        "svg": svg(drawing),
        "note": " ".join(text for text in (drawing.view.note, drawing.note) if text),
        "members": {b.key: list(b.members[:LIST]) for b in drawing.boxes if not b.node},
        "outline": [list(row) for row in outline(drawing)],
    }


def key_in(drawing: Drawing, key: str) -> str:
    """``key`` if it is drawn; else the box that its node was folded into, or the last one."""
    known = keys(drawing)
    if key in known:
        return key
    inside = int(key[1:]) if key[:1] == "n" else 0
    return next((box.key for box in drawing.boxes if inside in box.members), known[-1])


def coloured(drawing: Drawing, by: str, seconds: Seconds) -> dict[str, Any]:
    """The marks of the boxes, each with a text that fits in, and the legend as HTML."""
    found = colours(drawing, by, seconds)
    room = {box.key: int((box_size(box)[0] - 6) / 6.8) for box in drawing.boxes}
    items = "".join(
        f'<li><i class="swatch {mark}"></i>{escape(text)}</li>' for mark, text in found.legend
    )
    return {
        "by": by,
        "marks": {k: [mark, shorten(text, room[k])] for k, (mark, text) in found.marks.items()},
        "legend": f'<ul aria-label="Legend: {by}">{items}</ul>',
    }


def along(drawing: Drawing, select: str, seconds: Seconds) -> dict[str, str]:
    """The panels that come along: that of the selected box, and the others while they are few."""
    if drawing.view.waits:  # values are computed when the first panel is asked for
        return {}
    found = {select: panel(drawing, select, seconds)}
    known = keys(drawing)
    if len(known) > _BOXES or sum(node.size for node in drawing.view.nodes) > _ENTRIES:
        return found
    letters = len(found[select])
    for key in known:
        if key not in found:
            html = panel(drawing, key, seconds)
            letters += len(html)
            if letters > _LETTERS:
                break
            found[key] = html
    return found


# A page without a kernel -------------------------------------------------------------------

_SCENES = 48  # ways of folding; more where there are more modules, each of which can be opened
_MODULES = 400
_OPS = 12  # that are made of smaller ops and can be opened
_PAGE_LETTERS = 4_000_000
_LEFT_OUT = "Left out, to keep this page small."


class State(NamedTuple):
    """What is folded, which op is opened, where the window of a large graph is."""

    closed: frozenset[str]
    opened: tuple[int, ...] = ()
    focus: int = 0


def paged(
    traits: dict[str, Any], view: GraphView, drawing: Drawing, seconds: Seconds
) -> dict[str, Any]:
    """Traits, scenes and answers for ``LabWidget.page``: folding, colours, panels, search.

    Every module can be opened, with what is around it; the other ways of folding are there while
    they are few. Values are left out where the page would grow too large, and the page says so.
    """
    page = _Page(view, {n.id: seconds.get(n.id) for n in view.nodes if n.op})
    start = page.add(State(drawing.closed))
    page.grow(start)
    page.answer()
    first = page.scenes[page.names[start]]
    select = key_in(page.drawings[start], traits["selected"])
    return {
        "traits": traits
        | first
        | {
            "page": page.names[start],
            "selected": select,
            "panels": {},
            "index": traits["index"],
            "formats": ["svg", "png", "dot", "txt"],
        },
        "scenes": page.scenes,
        "answers": page.answers,
    }


def _message(**content: Any) -> str:
    """A message as the page writes it, the key of its answer."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


@dataclass
class _Page:
    view: GraphView
    seconds: Seconds
    names: dict[State, str] = field(default_factory=dict)
    drawings: dict[State, Drawing] = field(default_factory=dict)
    scenes: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    ops: tuple[int, ...] = ()
    letters: int = 0

    def add(self, state: State) -> State:
        """Draw a state, if it was not drawn yet."""
        if state in self.names:
            return state
        view = opened(self.view, state.opened) if state.opened else self.view
        drawing = draw(view, state.closed, state.focus)
        scene = {"picture": picture(drawing), "colour": coloured(drawing, "kind", self.seconds)}
        name = self.names[state] = str(len(self.names))
        self.drawings[state], self.scenes[name] = drawing, scene | {"page": name}
        self.letters += len(scene["picture"]["svg"])
        return state

    def grow(self, start: State) -> None:
        """Each module open, with those around it; then all that is one fold away, and so on."""
        paths = [scope.path for scope in self.view.scopes.walk() if scope.path]
        composed = [box.node for box in self.drawings[start].boxes if box.node]
        self.ops = tuple(n for n in composed if self.view.node(n).parts is not None)[:_OPS]
        queue = deque([start])
        for path in paths[:_MODULES]:
            if path in start.closed:
                queue.append(self.add(self._to(start, path)))
        done: set[State] = set()
        while queue:
            state = queue.popleft()
            if state in done:
                continue
            done.add(state)
            for _, _, target in self._ways(state):
                room = len(self.names) < _SCENES and self.letters < _PAGE_LETTERS
                if target in self.names:
                    queue.append(target)
                elif room:
                    queue.append(self.add(target))

    def _to(self, start: State, path: str) -> State:
        return State(start.closed - around(path))

    def _ways(self, state: State) -> Iterator[tuple[str, str, State]]:
        """Where one can go from a state: the message, what is selected then, the new state."""
        drawing = self.drawings[state]
        for scope in drawing.modules:
            number = opened_op(scope.path)
            message = _message(do="toggle", module=scope.path)
            if number in state.opened:
                yield message, f"n{number}", state._replace(opened=())
            else:
                shut = state._replace(closed=state.closed | {scope.path})
                yield message, f"m{scope.path}", shut
        for box in drawing.boxes:
            if box.kind == "folded":
                path = box.key[1:]
                message = _message(do="toggle", module=path)
                yield message, f"o{path}", state._replace(closed=state.closed - {path})
            elif box.goto:
                message = _message(do="select", node=box.goto)
                yield message, f"n{box.goto}", state._replace(focus=box.goto)
            elif box.node in self.ops and not state.opened:
                message = _message(do="open", node=box.node)
                key = f"o{path_of(drawing.view.node(box.node))}"
                yield message, key, state._replace(opened=(box.node,))

    def answer(self) -> None:
        """What the page answers: scenes to go to, colours, panels, files."""
        start = next(iter(self.names))
        for state, name in self.names.items():
            drawing = self.drawings[state]
            for message, select, target in self._ways(state):
                if target not in self.names and select[0] == "o":
                    target = self._to(start, select[1:])
                if target in self.names and select in keys(self.drawings[target]):
                    answer = {"go": self.names[target], "set": {"selected": select}}
                    self.answers[f"{name} {message}"] = answer
            for by in MODES:
                colour = {"colour": coloured(drawing, by, self.seconds)}
                self.answers[f"{name} {_message(do='colour', by=by)}"] = {"set": colour}
        self._panels()
        text = transcript(self.view, limit=100_000) + "\n"
        for form, kind, whole in [("dot", "text/vnd.graphviz", dot(self.drawings[start])),
                                  ("txt", "text/plain", text)]:  # fmt: skip
            send = {"export": form, "name": f"graph.{form}", "text": whole, "type": kind}
            self.answers[f" {_message(do='export', format=form)}"] = {"send": send}

    def _panels(self) -> None:
        """A panel for each box; and the way to each node, wherever it is folded."""
        letters = 0
        for state, name in self.names.items():
            drawing = self.drawings[state]
            for key in keys(drawing):
                node = int(key[1:]) if key[0] == "n" else 0
                inner = node > len(self.view) or (bool(state.opened) and node in state.opened)
                own = f"{name} " if inner or key in ("earlier", "later") else " "
                place = own + _message(do="panel", key=key)
                if place not in self.answers:
                    shown = drawing if letters < _PAGE_LETTERS else _bare(drawing, node)
                    html = panel(shown, key, self.seconds, live=node in self.ops)
                    letters += len(html)
                    self.answers[place] = {"send": {"panel": key, "html": html}}
                way = " " + _message(do="select", node=node)
                if 0 < node <= len(self.view) and node <= LIST and way not in self.answers:
                    self.answers[way] = {"go": name, "set": {"selected": key}}


def _bare(drawing: Drawing, number: int) -> Drawing:
    """The drawing with one node's values left out."""
    if not number:
        return drawing
    nodes = list(drawing.view.nodes)
    nodes[number - 1] = replace(
        nodes[number - 1], value=None, gradient=None, note=_LEFT_OUT, gradient_note=_LEFT_OUT
    )
    return replace(drawing, view=replace(drawing.view, nodes=tuple(nodes), compute=None))
