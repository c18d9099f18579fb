"""The graph of a program that is run: of its first step, or as far as it came; two side by side.

`Recorder` keeps every op until the first backward pass and ends the program there: for a picture
one step is enough. `graph_of` makes a graph of what it kept, `Pair` draws two.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from types import FrameType
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..errors import LabError
from ..graph.ir import Var, renamed, with_equations
from ..nn.module import Module
from ..op import INTERPRETER, Attrs, Op
from ..tape import SCOPE
from ..tensor import Record, Tensor, make
from ..tensor.record import RECORD, record
from ..tf import config
from ..tf.compat.v1 import Tensor as Handle
from ..tf.keras import words
from ..tf.keras.training import Trainer
from ..utils.data.loader import DataLoader
from ..viz.build import from_graph, from_tensors
from ..viz.fold import closed_scopes, draw, titles
from ..viz.layout import LayoutError
from ..viz.svg import page_style, svg
from ..viz.text import transcript
from ..viz.view import Builder, GraphView, NodeView

# What runs inside of these is not the program's own: batches, and a model that looks at its shapes.
_ASIDE = {DataLoader._fetch.__code__, DataLoader._read.__code__, Trainer._see.__code__}


class Enough(BaseException):
    """The first backward pass begins: the graph is whole. No program shall catch it."""


class Failed(NamedTuple):
    """An op that failed, with its inputs, the module it is in, and its error."""

    op: Op
    inputs: tuple[Any, ...]
    scope: str
    error: LabError

    def led_to(self, error: BaseException | None) -> bool:
        """Whether ``error`` is this one, perhaps told in other words by a layer."""
        while error is not None and error is not self.error:
            error = error.__context__
        return error is not None


class Recorder(Record):
    """Keeps every op that runs, also those without a gradient, and the one that failed."""

    __slots__ = ("failed", "made")

    def __init__(self) -> None:
        super().__init__(always=True)
        self.made: list[Tensor] = []
        self.failed: Failed | None = None

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Tensor:
        """Run and keep ``op``."""
        if _is_aside(sys._getframe(1)):
            return RECORD.apply(op, inputs, attrs)
        try:
            made = super().apply(op, inputs, attrs)
        except LabError as error:
            self.failed = Failed(op, inputs, SCOPE.get(), error)
            raise
        self.made.append(made)
        return made

    def with_grad(self, recording: bool) -> Record:
        """This one again; under ``no_grad`` nothing is kept."""
        return self if recording else _Paused(self)

    def walk(self, *unused: Any, **more: Any) -> NoReturn:
        """The backward pass: there is enough for a picture."""
        raise Enough

    def ends(self) -> list[Tensor]:
        """The results that no other op took."""
        made = {id(y.node): y for y in self.made}
        taken = {key for y in self.made for key in _takes(y)}
        return [y for key, y in made.items() if key not in taken]


def _takes(result: Tensor) -> set[int]:
    """The nodes whose results an op took, by id."""
    inputs = result.node.inputs if result.node else ()
    return {id(x.node) for x in inputs if isinstance(x, Tensor)}


class _Paused(Record):
    __slots__ = ("kept",)

    def __init__(self, kept: Recorder) -> None:
        super().__init__(recording=False)
        self.kept = kept

    def with_grad(self, recording: bool) -> Record:
        return self.kept if recording else self


def _is_aside(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in _ASIDE:
            return True
        frame = frame.f_back
    return False


@contextmanager
def recorded(into: Recorder) -> Iterator[None]:
    """A block whose ops are kept. Keras trains op by op in it, and at `Enough` it ends."""
    eagerly = config.functions_run_eagerly()
    token = INTERPRETER.set(into)
    config.run_functions_eagerly(True)
    try:
        with words.apart():  # a layer is called the same in both programs
            yield
    except Enough:
        pass
    finally:
        config.run_functions_eagerly(eagerly)
        INTERPRETER.reset(token)


# From what was kept to a graph --------------------------------------------------------------------


@dataclass(frozen=True)
class Stop:
    """Where a program stopped: what it called there, with which tensors, and why."""

    call: str
    given: tuple[Tensor, ...]
    error: Exception

    @property
    def why(self) -> str:
        """In a few words, for a box."""
        reason = str(self.error).partition("\n")[0].partition(": ")[2]
        return reason if isinstance(self.error, LabError) and reason else type(self.error).__name__

    @property
    def words(self) -> str:
        """In full: what came, and what was expected."""
        head, *lines = str(self.error).splitlines()
        while lines and not lines[0].startswith("  expected "):
            del lines[0]
        return "\n".join([f"{type(self.error).__name__}: {head}", *lines])


def stop_of(error: Exception, source: str, file: str) -> Stop:
    """Where in ``source``, run as ``file``, an error ended it: the call in its line."""
    trace, frame, line = error.__traceback__, None, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            frame, line = trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
    here = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    calls = [node for node in ast.walk(here[-1]) if isinstance(node, ast.Call)] if here else []
    if not calls or frame is None:
        return Stop(f"line {line}", (), error)
    known = {**frame.f_globals, **frame.f_locals}
    words = [node.id for node in ast.walk(calls[0]) if isinstance(node, ast.Name)]
    given = [known[word] for word in words if isinstance(known.get(word), Tensor)]
    return Stop(ast.unparse(calls[0].func), tuple(given), error)


def graph_of(
    kept: Recorder, names: Mapping[str, Any], title: str, stop: Stop | None = None
) -> GraphView | None:
    """The graph of a program's ops, or of its session; None where there is none.

    ``names`` are the program's variables. Where it stopped, the last node is the call that failed.
    """
    handles = {name: x for name, x in names.items() if isinstance(x, Handle)}
    if handles:
        return _bare(_session_graph(handles, title))
    known = {id(x): name for name, x in names.items() if isinstance(x, Tensor)}
    modules = {name: x for name, x in names.items() if isinstance(x, Module)}
    ends = kept.ends()
    failed = _failed(kept, stop, known) if stop is not None else None
    if failed is not None:
        taken = _takes(failed)
        ends = [failed, *(x for x in ends if id(x.node) not in taken)]
    if not ends:
        return None
    view = _bare(from_tensors(ends, title, known, modules))
    if failed is None or stop is None:
        return view
    last = view.node(view.outputs[0])  # what never came has no shape; its box says why
    last = replace(last, kind="op", label=f"{last.op} stops", dtype="", note=stop.why)
    nodes = (last if node.id == last.id else node for node in view.nodes)
    return replace(view, nodes=tuple(nodes))


def _session_graph(handles: Mapping[str, Handle], title: str) -> GraphView:
    """What leads to those of the tensors that no other one of them is computed from."""
    named = {x.symbol.variable.id: name for name, x in handles.items()}
    symbols = [x.symbol for x in handles.values()]
    builder = symbols[0].graph
    taken = {v.id for e in builder.ir(*symbols).equations for v in e.inputs if isinstance(v, Var)}
    found = builder.ir(*(x for x in symbols if x.variable.id not in taken))
    # the picture calls a tensor as the program does
    instead = {
        v.id: replace(v, name=named[v.id])
        for v in (*found.inputs, *(e.out for e in found.equations))
        if v.id in named
    }
    equations = [
        replace(renamed(e, instead), out=instead.get(e.out.id, e.out)) for e in found.equations
    ]
    return from_graph(with_equations(found, equations), title)


def _failed(kept: Recorder, stop: Stop, known: dict[int, str]) -> Tensor | None:
    """A stand-in for the result that never came, with the inputs of the call that failed."""
    if kept.failed is not None and kept.failed.led_to(stop.error):
        op, given, scope, _ = kept.failed
    else:
        op, given, scope = _nameless(stop.call.rpartition(".")[2]), stop.given, ""
    inputs = []
    for x in given:
        if isinstance(x, np.ndarray):
            x = make(x)
            known[id(x)] = "array"
            kept.made.append(x)  # so that no other object gets its id
        inputs.append(x)
    if not inputs:
        return None
    result = make(np.zeros((), np.float32))
    result.node = record(op, tuple(inputs), {}, result.array)
    result.node.scope = scope
    return result


def _nameless(call: str) -> Op:
    """An op that is in no table, for a call that never came to one."""

    def never(*unused: Any, **more: Any) -> NoReturn:
        raise TypeError(f"{call} never ran")

    return Op(name=call, doc="", forward=never, shape=never, formula=("", ""), cost=never)


def _bare(view: GraphView) -> GraphView:
    """What leads to the results, with shapes and ways alone.

    Values are left out, for they are not what is compared, and so is what only copies.
    """
    whole = {node.id: node for node in view.nodes}
    copied = {n.id: n.inputs[0] for n in view.nodes if _copies(n, whole)}
    names = {node.id: node.name for node in view.nodes}

    def origin(number: int) -> int:
        while number in copied:
            names[copied[number]] = names[copied[number]] or names[number]
            number = copied[number]
        return number

    ends = [origin(number) for number in view.outputs]
    needed = {*ends}
    for node in reversed(view.nodes):
        if node.id in needed:
            needed.update(map(origin, node.inputs))
    build = Builder()
    place: dict[int, int] = {}
    for number in sorted(needed):
        node = whole[number]
        place[number] = build.add(
            "op" if node.op else node.kind,
            names[number] if node.kind == "input" and names[number] else node.label,
            [place[origin(i)] for i in node.inputs],
            name=names[number],
            op=node.op,
            shape=node.shape,
            dtype=node.dtype,
            scope=node.scope,
            value=node.value if node.kind == "const" else None,
        )
    labels = {scope.path: scope.label for scope in view.scopes.walk()}
    return build.build(view.title, [place[number] for number in ends], labels=labels)


def _copies(node: NodeView, whole: Mapping[int, NodeView]) -> bool:
    """Whether a node gives its input as it is: its formula says so."""
    if len(node.inputs) != 1 or not node.formula or node.formula[0] != "y = x":
        return False
    given = whole[node.inputs[0]]
    return (node.shape, node.dtype, node.device) == (given.shape, given.dtype, given.device)


# Two side by side ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    """One of the two: its title, its graph or None, and where it stopped."""

    title: str
    view: GraphView | None
    stop: Stop | None = None

    @property
    def failed(self) -> NodeView | None:
        """The call at which it stopped, where that is a node of the graph."""
        return next((n for n in self.view.nodes if n.note), None) if self.view else None

    def said(self) -> list[str]:
        """The words under its picture."""
        nothing = [] if self.view else ["There is no graph: no op is run on a tensor."]
        if self.stop is None:
            return nothing
        when = "Before that it" if nothing else "Here it" if self.failed else "Then it"
        return [*nothing, f"{when} stops. {self.stop.words}"]

    def text(self) -> str:
        """The graph in words."""
        lines = [transcript(self.view)] if self.view else [f"graph of {self.title}"]
        return "\n".join([*lines, *self.said()])


class Pair:
    """The graph before a repair and after it, side by side; one where nothing was repaired.

    A box that only one of them has says "gone" or "new".
    """

    def __init__(self, before: Side, after: Side | None = None) -> None:
        self.sides = (before,) if after is None else (before, after)

    @property
    def words(self) -> str:
        """What the repair does to the graph, where a sentence says it."""
        if len(self.sides) == 1:
            return "Nothing to repair: before and after are one."
        before, after = (side.text().partition("\n")[2] for side in self.sides)
        return "" if before != after else "The repair changes nothing in the graph."

    def marks(self) -> list[dict[int, str]]:
        """For each side what its nodes that the other one does not have say, by number."""
        before, after = self.sides[0], self.sides[-1]
        if before.view is None or after.view is None or before is after:
            return [{} for _ in self.sides]
        gone = dict.fromkeys(_unmatched(before.view, after.view), "gone")
        new = dict.fromkeys(_unmatched(after.view, before.view), "new")
        if before.failed is not None:
            gone[before.failed.id] = before.failed.note
            cut = _reached(after.view, before.view, before.failed)
            new = {n: word for n, word in new.items() if n < cut}
        return [gone, new]

    def __repr__(self) -> str:
        parts = []
        for side, marks in zip(self.sides, self.marks(), strict=True):
            changed = [
                f"{word}: {side.view.node(n).label} #{n}"
                for n, word in sorted(marks.items())
                if side.view and word in ("gone", "new")
            ]
            parts.append("\n".join([side.text(), *changed]))
        return "\n\n".join(filter(None, [*parts, self.words]))

    def _repr_html_(self) -> str:
        figures = "".join(
            f"<figure><figcaption>{escape(side.title)}</figcaption>{_picture(side, marks)}"
            + "".join(f"<pre>{escape(text)}</pre>" for text in side.said())
            + "</figure>"
            for side, marks in zip(self.sides, self.marks(), strict=True)
        )
        words = f"<p>{escape(self.words)}</p>" if self.words else ""
        return (
            f'<div class="lab-still lab-pair"><style>{page_style()}{_STYLE}</style>'
            f'<div class="pair">{figures}</div>{words}'
            "<details><summary>the same in words</summary>"
            f"<pre>{escape(repr(self))}</pre></details></div>"
        )


def _unmatched(view: GraphView, other: GraphView) -> list[int]:
    """The nodes of a graph that have no partner in the other one.

    Partners look the same; of those that are left, also what differs in nothing but its name.
    """
    rest, free = list(reversed(view.nodes)), list(other.nodes)  # what comes first is left over
    for same in (titles, lambda node: (node.label, node.shape, node.dtype)):
        known: dict[Any, list[NodeView]] = {}
        for node in free:
            known.setdefault(same(node), []).append(node)
        rest = [n for n in rest if not known.get(same(n)) or not known[same(n)].pop()]
        free = [node for nodes in known.values() for node in nodes]
    return [node.id for node in rest]


def _reached(after: GraphView, before: GraphView, failed: NodeView) -> int:
    """How far into ``after`` the program had come: to what takes the inputs of the failed call."""
    given = {titles(before.node(i)) for i in failed.inputs}
    for node in after.nodes:
        if any(titles(after.node(i)) in given for i in node.inputs):
            return node.id
    return len(after) + 1


def _picture(side: Side, marks: Mapping[int, str]) -> str:
    if side.view is None:
        return ""
    folded = closed_scopes(side.view, depth=1 if len(side.view) > _MANY else None)
    drawing = draw(side.view, folded)
    coloured, boxes = {}, []
    for box in drawing.boxes:
        if box.node in marks:
            word = marks[box.node]
            stops = side.failed is not None and box.node == side.failed.id
            text = word if stops else f"{box.detail} {word}".strip()
            coloured[box.key] = ("c1" if stops else "c0", text)
            box = replace(box, detail=text, say=f"{box.say}, {word}")
        boxes.append(box)
    try:
        return svg(replace(drawing, boxes=tuple(boxes)), marks=coloured)
    except LayoutError:
        return f"<pre>{escape(transcript(side.view))}</pre>"


_MANY = 16  # nodes: of a larger graph the layers are folded
_STYLE = """
.lab-pair { padding: 4px; }
.lab-pair .pair { display: flex; flex-wrap: wrap; gap: 16px 32px; align-items: flex-start; }
.lab-pair figure { flex: 1 1 18em; min-width: 0; margin: 0; }
.lab-pair figcaption { font-weight: 600; margin: 0 0 4px; }
.lab-pair pre { white-space: pre-wrap; word-break: normal; overflow-wrap: break-word;
  margin: 4px 0; }
"""
