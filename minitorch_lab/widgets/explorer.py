"""The explorer: a graph to look around in."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from html import escape, unescape
from typing import Any

import traitlets

from ..errors import GradError, KindError, LabError, describe
from ..graph.builder import GraphBuilder, GraphTensor
from ..graph.compiler import Compiled
from ..graph.ir import Graph
from ..graph.session import Session
from ..nn.module import Module
from ..tensor import Tensor, tensor
from ..viz.build import from_call, from_compiled, from_graph, from_session, from_tensors
from ..viz.dot import dot
from ..viz.fold import Drawing, closed_scopes, draw
from ..viz.layout import LayoutError
from ..viz.measure import shape_text
from ..viz.panel import panel
from ..viz.svg import page_style, svg, svg_file
from ..viz.text import transcript
from ..viz.view import WORDS, GraphView, NodeView
from .base import LabWidget

# Panels that come along with the picture: up to so many boxes and array entries. They answer at
# once, even while the kernel runs a cell; those of a larger graph are asked for one by one.
_ALONG_BOXES = 80
_ALONG_ENTRIES = 400_000
_INDEX = 5000  # nodes that can be searched


class Explorer(LabWidget):
    """The live picture of a ``GraphView``.

    Messages from the page: ``{"do": "panel", "key"}``, ``{"do": "toggle", "module"}``,
    ``{"do": "select", "node"}``, ``{"do": "export", "format"}``, ``{"do": "example"}``. The
    picture, the selected box and the panels go to the page as traits.
    """

    part = "explorer"
    uses = ("graph",)

    title = traitlets.Unicode("nothing yet").tag(sync=True)
    state = traitlets.Unicode("message").tag(sync=True)  # "graph" or "message"
    message = traitlets.Unicode("").tag(sync=True)  # HTML, where there is no picture
    badge = traitlets.Unicode("").tag(sync=True)
    picture = traitlets.Dict({}).tag(sync=True)
    panels = traitlets.Dict({}).tag(sync=True)
    index: Any = traitlets.List([]).tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self, view: GraphView | None = None, depth: int | None = None, **facts: Any
    ) -> None:
        super().__init__(**facts)
        self.view: GraphView | None = None
        self.drawing: Drawing | None = None
        # A page's message can be answered on another thread while a cell runs.
        self._lock = threading.RLock()
        self.on_msg(self._on_message)
        if view is not None:
            self.show_graph(view, depth)
        elif not self.message:
            self.message = _EMPTY

    # The graph -----------------------------------------------------------------------------

    def show_graph(self, view: GraphView, depth: int | None = None) -> None:
        """Show ``view``, with ``depth`` levels of modules open."""
        with self._lock, self.hold_trait_notifications():
            self.view = view
            self.title = view.title
            self._draw(draw(view, closed_scopes(view, depth)), f"n{view.outputs[0]}")

    def _draw(self, drawing: Drawing, select: str) -> None:
        """Lay out ``drawing`` and give it to the page, with the box ``select`` selected."""
        view = drawing.view
        self.drawing = drawing
        keys = _keys(drawing)
        if select not in keys:  # its node was folded away: select the box it is in now
            inside = int(select[1:]) if select[:1] == "n" else 0
            select = next((b.key for b in drawing.boxes if inside in b.members), keys[-1])
        try:
            markup = svg(drawing)
        except LayoutError as error:
            self.message = _no_layout(error, view)
            self.badge = "no picture"
            return
        entries = sum(node.size for node in view.nodes)
        along = len(keys) <= _ALONG_BOXES and entries <= _ALONG_ENTRIES
        self.panels = {key: panel(drawing, key) for key in (keys if along else [select])}
        if not self.index:
            self.index = [_words(node) for node in view.nodes[:_INDEX]]
        notes = [text for text in (view.note, drawing.note) if text]
        self.picture = {
            "svg": markup,
            "select": select,
            "note": " ".join(notes),
            "members": {b.key: list(b.members[:_INDEX]) for b in drawing.boxes if not b.node},
        }
        self.selected = select
        self.state = "graph"

    def toggle(self, module: str) -> None:
        """Open the module ``module`` (a path such as ``"fc1"``), or fold it."""
        with self._lock:
            if self.drawing is None:
                return
            known = {scope.path for scope in self.drawing.view.scopes.walk() if scope.path}
            if module not in known:
                return
            closed = set(self.drawing.closed)
            opening = module in closed
            closed ^= {module}
            key = ("o" if opening else "m") + module
            self._draw(draw(self.drawing.view, closed, self._focus()), key)

    def select(self, node: int) -> None:
        """Select node ``#node``, opening the modules around it and moving the window there."""
        with self._lock:
            if self.drawing is None or not 1 <= node <= len(self.drawing.view):
                return
            key = f"n{node}"
            if key not in _keys(self.drawing):
                view = self.drawing.view
                scope = view.node(node).scope
                around = {scope[:i] for i, letter in enumerate(scope) if letter == "."} | {scope}
                self._draw(draw(view, self.drawing.closed - around, node), key)
            self.selected = key

    def _focus(self) -> int:
        """The node about which the window of a large graph lies."""
        return int(self.selected[1:]) if self.selected[:1] == "n" else 0

    # The page ------------------------------------------------------------------------------

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if not isinstance(content, dict):
            return
        match content:
            case {"do": "panel", "key": str(key)}:
                if self.drawing is not None and key in _keys(self.drawing):
                    self.send({"panel": key, "html": panel(self.drawing, key)})
            case {"do": "toggle", "module": str(module)}:
                self.toggle(module)
            case {"do": "select", "node": int(node)}:
                self.select(node)
            case {"do": "export", "format": str(form)}:
                if form in _EXPORTS and self.drawing is not None:
                    kind, make = _EXPORTS[form]
                    name = f"{_file_name(self.title)}.{form}"
                    text = make(self.drawing)
                    self.send({"export": form, "name": name, "text": text, "type": kind})
            case {"do": "example"}:
                self.show_example()

    def show_example(self) -> None:
        """Show the graph of x**2 + 2*x + 1 at x = 2."""
        x: Any = tensor(2.0, requires_grad=True)
        y = x**2 + 2 * x + 1
        self.show_graph(from_tensors(y, names={id(x): "x", id(y): "y"}))

    # Twins ---------------------------------------------------------------------------------

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
        return (
            f'<div class="lab-still"><style>{page_style()}</style>{self.picture["svg"]}'
            f"<details><summary>the graph in words</summary><pre>{words}</pre></details></div>"
        )


def _keys(drawing: Drawing) -> list[str]:
    """All that can be selected: boxes, and the titles of open modules."""
    return [f"o{scope.path}" for scope in drawing.modules] + [box.key for box in drawing.boxes]


def _words(node: NodeView) -> str:
    """What a search looks through."""
    shape = shape_text(node.shape)
    words = (node.label, node.name, node.op, WORDS[node.kind], shape, node.dtype, node.scope)
    return " ".join(word for word in words if word).lower()


def _file_name(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-") or "graph"


_EXPORTS: dict[str, tuple[str, Callable[[Drawing], str]]] = {
    "svg": ("image/svg+xml", svg_file),
    "dot": ("text/vnd.graphviz", dot),
    "txt": ("text/plain", lambda drawing: transcript(drawing.view, limit=100_000) + "\n"),
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
