"""The explorer: a graph to look around in."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from html import escape, unescape
from pathlib import Path
from typing import Any

import traitlets

from ..errors import ArgumentError, FileError, GradError, KindError, LabError, describe
from ..graph.builder import GraphBuilder, GraphTensor
from ..graph.compiler import Compiled
from ..graph.ir import Graph
from ..graph.session import Session
from ..nn.module import Module
from ..tape import ENGINE
from ..tensor import Tensor, tensor
from ..viz.build import from_call, from_compiled, from_graph, from_session, from_tensors
from ..viz.clock import all_seconds, seconds
from ..viz.colour import MODES, colours
from ..viz.compose import opened, opened_op, path_of
from ..viz.dot import dot
from ..viz.fold import Drawing, around, closed_scopes, draw, keys
from ..viz.layout import LayoutError
from ..viz.measure import shape_text
from ..viz.panel import panel
from ..viz.scene import LIST, along, coloured, key_in, paged, picture
from ..viz.svg import page_style, svg, svg_file, swatch
from ..viz.text import transcript
from ..viz.view import WORDS, GraphView, NodeView
from .base import LabWidget

_INDEX = 1000  # nodes that the page searches itself; in a larger graph it asks
_MEASURING = 2.0  # seconds for measuring all ops


class Explorer(LabWidget):
    """The live picture of a ``GraphView``.

    Messages from the page: ``{"do": "panel", "key"}``, ``{"do": "toggle", "module"}``,
    ``{"do": "open", "node"}`` for an op that is made of smaller ones, ``{"do": "select", "node"}``,
    ``{"do": "find", "text"}``, ``{"do": "measure", "node"}``, ``{"do": "colour", "by"}``,
    ``{"do": "export", "format"}``, ``{"do": "example"}``. The picture, the selected box, the
    colours and the panels go to the page as traits.
    """

    part = "explorer"
    uses = ("graph",)

    title = traitlets.Unicode("nothing yet").tag(sync=True)
    state = traitlets.Unicode("message").tag(sync=True)  # "graph" or "message"
    message = traitlets.Unicode("").tag(sync=True)  # HTML, where there is no picture
    badge = traitlets.Unicode("").tag(sync=True)
    picture = traitlets.Dict({}).tag(sync=True)
    colour = traitlets.Dict({}).tag(sync=True)  # by what, a mark for each box, a legend
    panels = traitlets.Dict({}).tag(sync=True)
    index: Any = traitlets.List([]).tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    formats: Any = traitlets.List(["svg", "png", "dot", "txt", "html"]).tag(sync=True)

    def __init__(
        self, view: GraphView | None = None, depth: int | None = None, **facts: Any
    ) -> None:
        super().__init__(**facts)
        self.view: GraphView | None = None  # the graph as it came
        self.drawing: Drawing | None = None  # what is seen of it, perhaps with opened ops
        self.opened: tuple[int, ...] = ()
        self.seconds: dict[int, float | None] = {}
        # A page's message can be answered on another thread while a cell runs.
        self._lock = threading.RLock()
        self.answer_while_cells_run()
        self.on_msg(self._on_message)
        if view is not None:
            self.show_graph(view, depth)
        elif not self.message:
            self.message = _EMPTY

    # The graph -----------------------------------------------------------------------------

    def show_graph(self, view: GraphView, depth: int | None = None) -> None:
        """Show ``view``, with ``depth`` levels of modules open."""
        with self._lock:
            self.view, self.opened, self.seconds = view, (), {}
            self.badge = f"broken: {ENGINE.get().name}" if ENGINE.get().name else ""
            self._draw(draw(view, closed_scopes(view, depth)), f"n{view.outputs[0]}")

    def _draw(self, drawing: Drawing, select: str) -> None:
        """Lay out ``drawing`` and give it to the page, with the box ``select`` selected."""
        before, self.drawing = self.drawing, drawing
        try:
            image = picture(drawing)
        except LayoutError as error:
            self.title, self.badge = drawing.view.title, "no picture"
            self.message = _no_layout(error, drawing.view)
            return
        select = key_in(drawing, select)
        # One message for all that changes together.
        with self.hold_sync(), self.hold_trait_notifications():
            self.title = drawing.view.title
            if before is None or before.view is not drawing.view:
                few = drawing.view.nodes if len(drawing.view) <= _INDEX else ()
                self.index = [_words(node) for node in few]
            self.panels = along(drawing, select, self.seconds)
            self.colour = coloured(drawing, self.colour.get("by", "kind"), self.seconds)
            self.picture = image | {"select": select}
            self.selected = select
            self.state = "graph"

    def toggle(self, module: str) -> None:
        """Open the module or function ``module`` (a path such as ``"fc1"``), or fold it.

        An op that was opened, ``"fc1.layer_norm #7"``, is folded to one node again.
        """
        with self._lock:
            if self.drawing is None:
                return
            known = {scope.path for scope in self.drawing.view.scopes.walk() if scope.path}
            if module not in known:
                return
            number = opened_op(module)
            if number in self.opened:
                assert self.view is not None
                self._open(_without(self.opened, module, len(self.view)), f"n{number}")
                return
            closed = set(self.drawing.closed)
            opening = module in closed
            closed ^= {module}
            key = ("o" if opening else "m") + module
            self._draw(draw(self.drawing.view, closed, self._focus()), key)

    def open_op(self, node: int) -> None:
        """Open an op that is made of smaller ops, such as layer_norm: these take its place."""
        with self._lock:
            if self.drawing is None or not 1 <= node <= len(self.drawing.view):
                return
            whole = self.drawing.view.node(node)
            if whole.parts is not None:
                self._open((*self.opened, node), f"o{path_of(whole)}")

    def _open(self, numbers: tuple[int, ...], select: str) -> None:
        assert self.view is not None
        assert self.drawing is not None
        self.opened = numbers
        self.seconds = {n: t for n, t in self.seconds.items() if n <= len(self.view)}
        view = opened(self.view, numbers) if numbers else self.view
        self._draw(draw(view, self.drawing.closed, self._focus()), select)

    def select(self, node: int) -> None:
        """Select node ``#node``, opening the modules around it and moving the window there."""
        with self._lock:
            if self.drawing is None or not 1 <= node <= len(self.drawing.view):
                return
            key = f"n{node}"
            if key not in keys(self.drawing):
                view = self.drawing.view
                closed = self.drawing.closed - around(view.node(node).scope)
                self._draw(draw(view, closed, node), key)
            self.selected = key

    def find(self, text: str) -> list[int]:
        """The numbers of the nodes that have all words of ``text``: op, name, shape, module."""
        if self.drawing is None:
            return []
        words = text.lower().split()
        nodes = self.drawing.view.nodes
        return [node.id for node in nodes if all(word in _words(node) for word in words)]

    def _focus(self) -> int:
        """The node about which the window of a large graph lies."""
        node = int(self.selected[1:]) if self.selected[:1] == "n" else 0
        return node if self.view is not None and node <= len(self.view) else 0

    # Time and colour -----------------------------------------------------------------------

    def measure(self, node: int) -> None:
        """Measure how long the op of ``#node`` takes, once; the panel shows it."""
        with self._lock:
            if self.drawing is None or not 1 <= node <= len(self.drawing.view):
                return
            view = self.drawing.view
            if view.node(node).op and node not in self.seconds:
                self.seconds[node] = seconds(view, node)

    def colour_by(self, by: str) -> None:
        """Colour the boxes by kind, module, device, time, memory or gradient.

        For the time every op is run again, two seconds at most.
        """
        if by not in MODES:
            raise ArgumentError(
                f"colour_by(by): unknown\n  got {describe(by)}\n  expected one of "
                + ", ".join(repr(mode) for mode in MODES)
            )
        with self._lock:
            if self.drawing is None:
                return
            if by == "time":
                all_seconds(self.drawing.view, self.seconds, _MEASURING)
                self.panels = along(self.drawing, key_in(self.drawing, self.selected), self.seconds)
            self.colour = coloured(self.drawing, by, self.seconds)

    # The page ------------------------------------------------------------------------------

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if not isinstance(content, dict):
            return
        match content:
            case {"do": "panel", "key": str(key)}:
                if self.drawing is not None and key in keys(self.drawing):
                    self._send_panel(key)
            case {"do": "toggle", "module": str(module)}:
                self.toggle(module)
            case {"do": "open", "node": int(node)}:
                self.open_op(node)
            case {"do": "select", "node": int(node)}:
                self.select(node)
            case {"do": "find", "text": str(text)}:
                if self.drawing is not None:
                    found = {"hits": self.find(text), "count": len(self.drawing.view)}
                    self.send({"text": text, **found})
            case {"do": "measure", "node": int(node)}:
                self.measure(node)
                if self.drawing is not None and f"n{node}" in keys(self.drawing):
                    self._send_panel(f"n{node}")
            case {"do": "colour", "by": str(by)} if by in MODES:
                self.colour_by(by)
            case {"do": "export", "format": str(form)}:
                if form in _EXPORTS and self.drawing is not None:
                    kind, make = _EXPORTS[form]
                    name = f"{_file_name(self.title)}.{form}"
                    self.send({"export": form, "name": name, "text": make(self), "type": kind})
            case {"do": "example"}:
                self.show_example()

    def _send_panel(self, key: str) -> None:
        assert self.drawing is not None
        self.send({"panel": key, "html": panel(self.drawing, key, self.seconds)})

    def show_example(self) -> None:
        """Show the graph of x**2 + 2*x + 1 at x = 2."""
        x: Any = tensor(2.0, requires_grad=True)
        y = x**2 + 2 * x + 1
        self.show_graph(from_tensors(y, names={id(x): "x", id(y): "y"}))

    # Twins and files -----------------------------------------------------------------------

    def transcript(self) -> str:
        """The graph in words."""
        if self.view is None:
            return _plain(f"explore: {self.title}\n{self.message}")
        return transcript(self.view)

    def text(self) -> str:
        """The graph in words, the same on every machine: ``print(lab.explore(x).text())``."""
        return self.transcript()

    def static_html(self) -> str:
        """The picture and the words, for a page without a kernel."""
        if self.drawing is None or self.state != "graph":
            return f'<div class="lab-still">{self.message}</div>'
        words = escape(transcript(self.drawing.view))
        picture, marks, legend = self.picture["svg"], self.colour["marks"], ""
        if marks:
            picture = svg(self.drawing, marks=marks)
            found = colours(self.drawing, self.colour["by"], self.seconds)
            said = " &#160; ".join(f"{swatch(mark)} {escape(text)}" for mark, text in found.legend)
            legend = f"<p>{found.by}: {said}</p>"
        return (
            f'<div class="lab-still"><style>{page_style()}</style>{legend}{picture}'
            f"<details><summary>the graph in words</summary><pre>{words}</pre></details></div>"
        )

    def page_data(self) -> dict[str, Any]:
        """The traits, the scenes of folding and the answers of a page without a kernel."""
        if self.drawing is None or self.view is None or self.state != "graph":
            return super().page_data()
        with self._lock:
            all_seconds(self.view, self.seconds, _MEASURING)
            index = [_words(node) for node in self.view.nodes[:LIST]]
            traits = self.shown() | {"index": index}
            return paged(traits, self.view, self.drawing, self.seconds)

    def save(self, path: str | Path) -> Path:
        """Write the graph to a file; what it will be is said by its ending.

        ``.svg`` is the picture as it is folded now, ``.html`` a page that folds, selects and
        searches without a kernel and a network, ``.dot`` for Graphviz, ``.txt`` the words.
        Returns the path.

        Raises ArgumentError for another ending, FileError where the folder does not exist.
        """
        target = Path(path)
        form = target.suffix.lower().removeprefix(".")
        if form not in _EXPORTS:
            hint = "\n  a PNG is drawn by the browser: 'save as' in the widget"
            raise ArgumentError(
                f"save(path): no format has this ending\n  got {str(path)!r}\n"
                "  expected a name that ends with .svg, .html, .dot or .txt"
                + (hint if form == "png" else "")
            )
        if not target.parent.is_dir():
            raise FileError(
                f"save(path): there is no folder {str(target.parent)!r}\n  got {str(path)!r}\n"
                "  expected a folder that exists: make it, or save beside the notebook"
            )
        if self.drawing is None:
            raise ArgumentError(
                "save(path): there is no graph to save\n"
                "  expected an explorer with a graph: lab.explore(loss)"
            )
        target.write_text(_EXPORTS[form][1](self), encoding="utf-8")
        return target


def _without(numbers: tuple[int, ...], path: str, count: int) -> tuple[int, ...]:
    """The opened ops without the one in the box ``path``, and without what was opened inside.

    Parts have numbers beyond ``count``; the last part of an op has that of the op.
    """
    number = opened_op(path)
    depth = sum(part.endswith(f" #{number}") for part in path.split("."))
    at = [i for i, n in enumerate(numbers) if n == number][depth - 1]
    return (*numbers[:at], *(n for n in numbers[at + 1 :] if n != number and n <= count))


def _words(node: NodeView) -> str:
    """What a search looks through."""
    shape = shape_text(node.shape)
    words = (node.label, node.name, node.op, WORDS[node.kind], shape, node.dtype, node.scope)
    return " ".join(word for word in words if word).lower()


def _file_name(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-") or "graph"


def _need(widget: Explorer) -> Drawing:
    assert widget.drawing is not None
    return widget.drawing


_EXPORTS: dict[str, tuple[str, Callable[[Explorer], str]]] = {
    "svg": ("image/svg+xml", lambda w: svg_file(_need(w), marks=w.colour["marks"])),
    "dot": ("text/vnd.graphviz", lambda w: dot(_need(w))),
    "txt": ("text/plain", lambda w: transcript(_need(w).view, limit=100_000) + "\n"),
    "html": ("text/html", lambda w: w.page()),
}


# Messages in place of a picture ------------------------------------------------------------

_EMPTY = (
    "<p>The graph of your next result will be here.</p>"
    '<p class="muted small">Run a cell with <code>lab.explore(loss)</code>, where loss was '
    "computed from a tensor with requires_grad=True.</p>"
    '<div class="actions"><button class="primary" data-do="example">explore an example</button>'
    "</div>"
)


def _failed(error: LabError, hint: str) -> str:
    text = f"{type(error).__name__}: {error}"
    more = f'<p class="small">{hint}</p>' if hint else ""
    return f'<pre role="alert">{escape(text)}</pre>{more}'


def _no_layout(error: LayoutError, view: GraphView) -> str:
    words = escape(transcript(view))
    return _failed(error, "The graph in words:") + f'<pre class="words">{words}</pre>'


def _plain(html: str) -> str:
    """HTML of a message as text."""
    text = re.sub(r"<button.*?</button>", "", html)
    text = re.sub(r"</p>|</pre>|</div>", "\n", text)
    return unescape(re.sub(r"<[^>]+>", "", text)).strip()


# The door ----------------------------------------------------------------------------------


def explore(x: Any = None, *inputs: Any, depth: int | None = None) -> Explorer:
    """Look around in the graph of a tensor, or of a call.

    ``explore(loss)`` shows what a tensor was computed from; ``explore(f, x)`` and
    ``explore(model, x)`` run the call and show it with every op. Of a compiled function the traced
    graph is shown: for the inputs ``explore(step, x)``, or the one that was traced last.
    ``explore(graph)`` shows a graph that was built by hand, ``explore(session)`` the same with the
    values of the variables, ``explore(session, y, {x: ...})`` what that run computes. ``depth``
    says how many levels of modules and functions are open at first.

    What has no graph (a number, a tensor without history) gives a panel that says so.

    >>> import minitorch_lab as lab
    >>> x = lab.tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> print(lab.explore(y).text())
    graph of y: 2 nodes (1 input, 1 output)
    #1 input x float32 () value 3 gradient 6 to mul #2
    #2 output y = mul float32 () value 9 gradient 1 from x #1, x #1
    """
    names, modules = _names(sys._getframe(1), x)
    if x is None:
        return Explorer()
    title = names.get(id(x), "")
    try:
        if isinstance(x, GraphTensor):
            view = from_graph(x.graph.ir(x), title, modules)
        elif isinstance(x, Tensor) and not inputs:
            view = from_tensors(x, title, names, modules)
        elif isinstance(x, GraphView):
            view = x
        elif isinstance(x, (Graph, GraphBuilder)):
            view = from_graph(x if isinstance(x, Graph) else x.ir(), title, modules)
        elif isinstance(x, Session):
            view = from_session(x, *inputs, title=title)
        elif isinstance(x, Compiled):
            view = from_compiled(x, *inputs, names=names, modules=modules)
        elif callable(x):
            view = from_call(x, *inputs, names=names, modules=modules)
        else:
            raise KindError(
                f"explore: {title or 'this'} has no graph\n  got {describe(x)}\n"
                "  expected a tensor that was computed, or a function or module and its inputs"
            )
    except (GradError, KindError) as error:
        if callable(x):
            raise
        if isinstance(x, Tensor):
            error = GradError(
                str(error).replace("backward(): this tensor", f"explore: {title or 'this'}")
            )
        return Explorer(
            title=title or type(x).__name__,
            badge="no graph",
            message=_failed(error, _advice(x)),
        )
    return Explorer(view, depth)


def _advice(x: Any) -> str:
    if isinstance(x, (bool, int, float)):
        return "A Python number remembers no ops. Explore the tensor before <code>.item()</code>."
    if isinstance(x, Tensor):
        return (
            "A graph begins at a tensor with <code>requires_grad=True</code>. To see ops without "
            "a gradient, explore the call: <code>lab.explore(f, x)</code>."
        )
    return "Explore a tensor, or a call: <code>lab.explore(f, x)</code>."


def _names(frame: Any, x: Any) -> tuple[dict[int, str], dict[str, Module]]:
    """What the caller calls its tensors, functions and modules: the picture says the same."""
    names: dict[int, str] = {}
    modules: dict[str, Module] = {}
    for scope in (frame.f_locals, frame.f_globals):
        for name, value in scope.items():
            known = isinstance(value, Tensor) or callable(value) or value is x
            if name.startswith("_") or not known:
                continue
            names.setdefault(id(value), name)
            if isinstance(value, Module):
                modules.setdefault(name, value)
    return names, modules
