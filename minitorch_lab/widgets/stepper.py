"""The stepper: a backward pass, one op at a time, in both directions."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from html import escape
from typing import Any

import traitlets

from ..errors import GradError, KindError, describe
from ..graph.compiler import Compiled
from ..nn.module import Module
from ..op import INTERPRETER
from ..tape import Settings
from ..tensor import Record, Tensor, tensor
from ..viz.build import _argument_names, _call_title, _tensors
from ..viz.fold import Drawing, closed_scopes, draw
from ..viz.layout import LayoutError, layout
from ..viz.listing import Block, Place, block_html, listing, lit_html
from ..viz.marks import marked
from ..viz.measure import code_width
from ..viz.steps import Steps, steps_of
from ..viz.sums import arrived, plain, question, say, should_be, sums, together, values, words
from ..viz.svg import page_style, svg
from ..viz.unfold import TRACED, traced_call
from .base import LabWidget, asset
from .explorer import _failed, _names, _plain

_ALONG = 60  # steps that come along with the picture, so that they answer at once
CHUNK = 20  # steps that one message brings
_PAGE = 2000  # steps that a page without a kernel can hold
_SCENES = 24  # ways of folding that a page without a kernel has
_LINES = 60  # lines of the transcript in a notebook


class Stepper(LabWidget):
    """The live picture of ``Steps``.

    ``step`` is the step that is shown, from 1; ``ask`` says whether a prediction is asked for
    first, ``answers`` keeps what was predicted, by step. Messages from the page:
    ``{"do": "steps", "chunk"}``, ``{"do": "toggle", "module"}``, ``{"do": "look", "node"}``,
    ``{"do": "export", "format"}``, ``{"do": "example"}``.
    """

    part = "stepper"
    uses = ("graph",)

    title = traitlets.Unicode("nothing yet").tag(sync=True)
    state = traitlets.Unicode("message").tag(sync=True)  # "steps" or "message"
    message = traitlets.Unicode("").tag(sync=True)  # HTML, where there are no steps
    badge = traitlets.Unicode("").tag(sync=True)  # what is broken, or why there are no steps
    picture = traitlets.Dict({}).tag(sync=True)
    plan = traitlets.Dict({}).tag(sync=True)  # which node each step is about
    code: Any = traitlets.List([]).tag(sync=True)
    known = traitlets.Dict({}).tag(sync=True)  # steps at hand, by number
    step = traitlets.Int(1).tag(sync=True)
    ask = traitlets.Bool(False).tag(sync=True)
    answers = traitlets.Dict({}).tag(sync=True)

    def __init__(self, steps: Steps | None = None, depth: int | None = None, **facts: Any) -> None:
        super().__init__(**facts)
        self.steps: Steps | None = None
        self.drawing: Drawing | None = None
        self.blocks: list[Block] = []
        self.places: dict[int, Place] = {}
        # A page's message can be answered on another thread while a cell runs.
        self._lock = threading.RLock()
        self.answer_while_cells_run()
        self.on_msg(self._on_message)
        if steps is not None:
            self.show_steps(steps, depth)
        elif not self.message:
            self.message = _EMPTY

    @traitlets.validate("step")
    def _within(self, proposal: Any) -> int:
        last = len(self.steps) if getattr(self, "steps", None) is not None else 1  # type: ignore[arg-type]
        return int(min(max(1, proposal["value"]), last))

    # The steps -----------------------------------------------------------------------------

    def show_steps(self, steps: Steps, depth: int | None = None) -> None:
        """Show ``steps``, with ``depth`` levels of modules open."""
        with self._lock, self.hold_trait_notifications():
            view = steps.view
            self.steps = steps
            self.title = view.title
            self.badge = f"broken: {steps.engine.name}" if steps.engine.name else ""
            self.blocks, self.places = listing(steps.calls)
            self.code = [
                {"title": block.title, "first": block.first, "lines": block_html(block)}
                for block in self.blocks
            ]
            self.plan = {
                "count": len(steps),
                "forward": steps.forward,
                "root": steps.root,
                "backward": [step.node for step in steps.back],
                "where": {str(n): [p.block, p.line] for n, p in self.places.items()},
                "chunk": CHUNK,
                "failure": steps.failure,
            }
            along = len(steps) if len(steps) <= _ALONG else CHUNK
            self.known = {str(n): self.data(n) for n in range(1, along + 1)}
            self._draw(closed_scopes(view, depth), self.plan["forward"][0])
            self.step = 1
            self.state = "steps"

    def data(self, number: int) -> dict[str, Any]:
        """What the page shows of step ``number``."""
        assert self.steps is not None
        step = self.steps[number - 1]
        place = self.places.get(step.node)
        return {
            "html": sums(self.steps, step),
            "values": values(self.steps, step),
            "say": say(self.steps, step),
            "ask": question(self.steps, step),
            "lit": lit_html(self.blocks[place.block], place) if place else "",
            "late": [f"n{p.node}" for p in step.parts if p.arrival.late],
        }

    def _draw(self, closed: Any, focus: int) -> None:
        assert self.steps is not None
        self.drawing = draw(self.steps.view, closed, focus)
        self.picture = _picture(self.drawing)

    def toggle(self, module: str) -> None:
        """Open the module ``module`` (a path such as ``"Net.fc1"``), or fold it."""
        with self._lock:
            if self.drawing is None or self.steps is None:
                return
            known = {scope.path for scope in self.drawing.view.scopes.walk() if scope.path}
            if module in known:
                self._draw(set(self.drawing.closed) ^ {module}, self.steps[self.step - 1].node)

    def look(self, node: int) -> None:
        """Move the window of a large graph to ``node``."""
        with self._lock:
            if self.drawing is not None and 1 <= node <= len(self.drawing.view):
                self._draw(self.drawing.closed, node)

    # The page ------------------------------------------------------------------------------

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if not isinstance(content, dict):
            return
        match content:
            case {"do": "steps", "chunk": int(chunk)}:
                found = self._chunk(chunk)
                if found:
                    self.send({"steps": found})
            case {"do": "toggle", "module": str(module)}:
                self.toggle(module)
            case {"do": "look", "node": int(node)}:
                self.look(node)
            case {"do": "export", "format": str(form)}:
                if form in _EXPORTS and self.steps is not None:
                    kind, make = _EXPORTS[form]
                    name = re.sub(r"[^A-Za-z0-9]+", "-", self.title).strip("-") or "steps"
                    answer = {"export": form, "name": f"{name}-steps.{form}", "type": kind}
                    self.send({**answer, "text": make(self)})
            case {"do": "example"}:
                self.show_example()

    def _chunk(self, chunk: int) -> dict[str, Any]:
        if self.steps is None or chunk < 0:
            return {}
        with self._lock:
            first, last = chunk * CHUNK + 1, min(len(self.steps), (chunk + 1) * CHUNK)
            return {str(n): self.data(n) for n in range(first, last + 1)}

    def page_answers(self) -> dict[str, dict[str, Any]]:
        """Every chunk of steps, so that a saved page steps without a kernel."""
        if self.steps is None or len(self.steps) <= len(self.known):
            return {}
        chunks = range((min(len(self.steps), _PAGE) - 1) // CHUNK + 1)
        return {
            " " + _message(do="steps", chunk=chunk): {"send": {"steps": self._chunk(chunk)}}
            for chunk in chunks
        }

    def page_data(self) -> dict[str, Any]:
        """What a saved page has: the steps, and the pictures with modules open and folded."""
        data = super().page_data()
        if self.drawing is not None:
            first, scenes, answers = _folding(self.drawing)
            data["traits"]["page"] = first
            data["scenes"] = scenes
            data["answers"] = {**data["answers"], **answers}
        return data

    def show_example(self) -> None:
        """Show the steps of x**2 + 2*x + 1 at x = 2."""
        x: Any = tensor(2.0, requires_grad=True)
        y = x**2 + 2 * x + 1
        self.show_steps(steps_of(y, names={id(x): "x", id(y): "y"}))

    # Twins ---------------------------------------------------------------------------------

    def text(self) -> str:
        """The whole transcript, one step a line; the same on every machine."""
        return words(self.steps) if self.steps is not None else self.transcript()

    def transcript(self) -> str:
        """The steps in words, of many the last ones."""
        if self.steps is None:
            return _plain(f"step through: {self.title}\n{self.message}")
        return words(self.steps, _LINES)

    def static_html(self) -> str:
        """The picture after the last step and what each step gave, for a page without a kernel."""
        if self.steps is None:
            return f'<div class="lab-still">{self.message}</div>'
        return still(self)


def _room(drawing: Drawing) -> dict[int, tuple[float, float]]:
    """The room for the gradients that are written on lines, by the line's position."""
    found = {}
    for position, link in enumerate(drawing.links):
        value = link.edges[0].value if len(link.edges) == 1 else None
        if isinstance(value, str):
            found[position] = (code_width(value) + 4, 14.0)
    return found


def _picture(drawing: Drawing) -> dict[str, Any]:
    """The trait ``picture``: the markup, a note, and the nodes in each folded module."""
    view = drawing.view
    note = f"{len(view):,} nodes: those near the step are drawn." if drawing.note else ""
    try:
        markup = svg(drawing, layout(drawing, _room(drawing)))
    except LayoutError as error:  # the sums need no picture
        markup, note = "", str(error).splitlines()[0]
    return {
        "svg": markup,
        "note": " ".join(text for text in (view.note, note) if text),
        "members": {b.key: list(b.members) for b in drawing.boxes if b.kind == "folded"},
    }


def _folding(start: Drawing) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """For a saved page: the scene it starts in, all scenes, and which message leads where."""
    names = {start.closed: "0"}
    todo, scenes, answers = [start], {}, {}
    for drawing in todo:
        here = names[drawing.closed]
        scenes[here] = {"page": here, "picture": _picture(drawing)}
        folded = [box.key[1:] for box in drawing.boxes if box.kind == "folded"]
        for module in [*folded, *(scope.path for scope in drawing.modules)]:
            closed = drawing.closed ^ {module}
            if closed not in names:
                if len(names) == _SCENES:
                    continue
                names[closed] = str(len(names))
                todo.append(draw(drawing.view, closed))
            answers[f"{here} {_message(do='toggle', module=module)}"] = {"go": names[closed]}
    return "0", scenes, answers


def _message(**content: Any) -> str:
    """A message as the page writes it, the key of its answer."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def still(widget: Stepper) -> str:
    """The picture with all gradients on their edges, and the way back as a table."""
    steps = widget.steps
    assert steps is not None
    view, rows = steps.view, []
    back = [step for step in steps[-12:] if step.phase == "backward"]
    for step in back:
        for part in step.parts[:4]:
            node, tail = view.node(step.node), view.node(part.node)
            product = plain(part.gradient)
            if part.local is not None:
                product = f"{plain(part.local)} × {plain(step.incoming)} = {product}"
            cells = (
                str(step.number),
                f"{node.op} to {tail.name or tail.label}",
                product,
                together(steps, part),
                arrived(part) + should_be(part),
            )
            rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    head = "".join(
        f"<th>{word}</th>"
        for word in ("step", "passes on", "local × incoming", "so far + this", "paths")
    )
    table = "".join(f"<tr>{row}</tr>" for row in rows)
    badge = (
        f'<p><b class="broken">lab.broken is on: {escape(steps.engine.name)}</b></p>'
        if steps.engine.name
        else ""
    )
    last = steps[-1]
    place = widget.places.get(last.node)
    lines = ""
    if place is not None:
        block = widget.blocks[place.block]
        items = [f"<li>{line}</li>" for line in block_html(block)]
        items[place.line - block.first] = f'<li class="lit">{lit_html(block, place)}</li>'
        start = f' style="counter-reset: line {block.first - 1}"'
        lines = f"<p>{escape(block.title)}</p><ol{start}>{''.join(items)}</ol>"
    return (
        f'<div class="lab-still"><style>{page_style()}{asset("stepper-still.css")}</style>'
        f"<p>step through: <b>{escape(view.title)}</b>, {len(steps):,} steps. Here all are done; "
        f"in a live notebook they go one by one.</p>{badge}"
        f'<div class="both"><div>{_done(widget)}</div><div>{lines}</div></div>'
        f'<table class="steps"><thead><tr>{head}</tr></thead><tbody>{table}</tbody></table>'
        f"<details><summary>all steps in words</summary><pre>{escape(widget.transcript())}</pre>"
        "</details></div>"
    )


def _done(widget: Stepper) -> str:
    """The picture after the last step: what has passed its gradient on is filled."""
    picture, steps = widget.picture.get("svg", ""), widget.steps
    if not picture or steps is None:
        return str(picture)
    marks = {f"n{step.node}": {"class": "passed"} for step in steps.back}
    last = f"n{steps[-1].node}"
    if last in marks:
        marks[last] = {"class": "passed selected"}
    return marked(picture, marks)


_EXPORTS: dict[str, tuple[str, Callable[[Stepper], str]]] = {
    "html": ("text/html", lambda widget: widget.page()),
    "txt": ("text/plain", lambda widget: widget.text() + "\n"),
}

_EMPTY = (
    "<p>The steps of your next backward pass will be here.</p>"
    '<p class="muted small">Run a cell with <code>lab.step_through(loss)</code>, where loss was '
    "computed from a tensor with requires_grad=True.</p>"
    '<div class="actions"><button class="primary" data-do="example">step through an example'
    "</button></div>"
)


# The door ----------------------------------------------------------------------------------


def step_through(
    x: Any = None,
    *inputs: Any,
    gradient: Tensor | None = None,
    ask: bool = False,
    depth: int | None = None,
) -> Stepper:
    """Step through a forward and a backward pass, one op at a time, back and forth.

    ``step_through(loss)`` steps through what the tape holds of ``loss``; ``step_through(f, x)``
    and ``step_through(model, x)`` run the call first, op by op, as far as a ``backward()`` in it.
    Of what ran as a graph, and of a compiled function, the steps are the ops that were traced.
    Nothing is freed and no ``.grad`` is touched. ``gradient`` starts a tensor of many numbers, as
    in ``backward(gradient)``; of several outputs it goes back from the first that is one number.
    ``ask`` asks for a prediction before each step is shown; ``depth`` says how many levels of
    modules are open at first.

    What has no graph (a number, a tensor without history) gives a panel that says so.
    """
    names, modules = _names(sys._getframe(1), x)
    if x is None:
        return Stepper(ask=ask)
    title = names.get(id(x), "")
    called = callable(x) and not isinstance(x, Tensor)
    root, note, inside = x, "", None
    if called:
        root, note = _call(x, *inputs)
        title = _call_title(x, inputs, names)
        asked = x.function if isinstance(x, Compiled) else x
        inside = getattr(asked, "__code__", None)
        names = {**{id(t): n for n, t in _argument_names(asked, inputs)}, **names}
        if isinstance(x, Module) and x not in modules.values():
            modules = {type(x).__name__: x, **modules}
    try:
        if not called and (inputs or not isinstance(x, Tensor)):
            raise KindError(
                f"step_through: {title or 'this'} has no steps\n  got {describe(x)}\n"
                "  expected a tensor that was computed, or a function or module and its inputs"
            )
        _check_gradient(root, gradient)
        steps = steps_of(root, gradient, title, names, modules, note, inside)
    except (GradError, KindError) as error:
        told = type(error)(_told(str(error), title or "this"))
        if called or gradient is not None:
            raise told from None
        name = title or type(x).__name__
        message = _failed(told, _advice(x, str(told)))
        return Stepper(title=name, badge="no steps", message=message, ask=ask)
    return Stepper(steps, depth, ask=ask)


def _told(error: str, title: str) -> str:
    """What backward() would say, said of the stepper."""
    return (
        error.replace("backward(): this tensor", f"step_through: {title}")
        .replace("backward(): ", "step_through: ", 1)
        .replace("pass backward(gradient=...)", "give step_through(..., gradient=...)")
    )


class _Reached(BaseException):
    """A call has come to its ``backward()``: no ``except Exception`` of the learner stops it."""

    def __init__(self, root: Tensor) -> None:
        self.root = root


class _UntilBackward(Record):
    """Records every op, and ends the call where it goes backward: that is what the steps do."""

    def with_grad(self, recording: bool) -> Record:
        """The same; under ``no_grad`` nothing is recorded."""
        return _UntilBackward(True, always=True) if recording else Record(recording=False)

    def backward(self, root: Tensor, gradient: Any, keep: bool, create: bool) -> None:
        """End the call."""
        raise _Reached(root)


def _call(function: Callable[..., Any], *inputs: Any) -> tuple[list[Tensor], str]:
    """The tensors that a call gives, with every op on the tape and its line; what to say of it."""
    name = getattr(function, "__name__", "") or type(function).__name__
    if isinstance(function, Compiled) and function.as_graph:
        made = traced_call(function, *inputs)
        if made is not None:
            return _some(made), TRACED.format(f"{name}()")
    token = INTERPRETER.set(_UntilBackward(always=True))
    before, Settings.sources = Settings.sources, True
    try:
        result = function(*inputs)
        return _some(_tensors(result), result), ""
    except _Reached as reached:
        return [reached.root], f"{name}() ran as far as its backward(), which these steps show."
    finally:
        Settings.sources = before
        INTERPRETER.reset(token)


def _some(found: list[Tensor], result: Any = None) -> list[Tensor]:
    if not found:
        raise KindError(
            f"step_through: the call returned no tensor\n  got {describe(result)}\n"
            "  expected a tensor, or a list or dict of tensors"
        )
    return found


def _check_gradient(root: Any, gradient: Any) -> None:
    if gradient is None:
        return
    if not isinstance(gradient, Tensor):
        raise KindError(f"step_through(gradient): expected a tensor, got {describe(gradient)}")
    first = root if isinstance(root, Tensor) else root[0]
    if tuple(gradient.shape) != tuple(first.shape):
        raise GradError(
            f"step_through(gradient): the shapes differ\n  tensor    {first.spec}\n"
            f"  gradient  {gradient.spec}\n  expected {tuple(first.shape)}"
        )


def _advice(x: Any, error: str) -> str:
    if isinstance(x, (bool, int, float)):
        return "A Python number remembers no ops. Step through the tensor before .item()."
    if isinstance(x, Tensor) and "freed" in error:
        return "Call <code>lab.step_through(loss)</code> before <code>loss.backward()</code>."
    if isinstance(x, Tensor) and "many numbers" in error:
        return "Step through a loss, or give <code>gradient=</code> of the same shape."
    if isinstance(x, Tensor):
        return "A graph begins at a tensor with <code>requires_grad=True</code>."
    return "Step through a tensor, or a call: <code>lab.step_through(f, x)</code>."
