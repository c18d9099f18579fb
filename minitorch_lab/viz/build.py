"""Views of the real thing: from a tensor's tape, from a traced graph, from a call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from ..errors import GradError, KindError, LabError, describe
from ..graph.compiler import CallOp, Compiled, Entry
from ..graph.ir import Graph, Var, compute
from ..graph.session import Session
from ..graph.sizes import Unknown
from ..graph.trace import Argument, Captured, Number, Trace, flatten
from ..graph.trace import Builder as Writer
from ..nn import functional
from ..nn.module import Module, Parameter
from ..op import COMPUTE, INTERPRETER, OPS, Attrs, Mismatch, Op, Spec
from ..ops.rules import broadcast_shapes
from ..random import apart
from ..tape import (
    ENGINE,
    NUMBERS,
    Freed,
    Node,
    Settings,
    Step,
    at_time,
    locate,
    location,
    no_graph_message,
    outdated,
    steps,
)
from ..tensor import NO_GRAD, Record, Tensor, make
from .measure import shape_text, shorten
from .replay import call_now, can_replay, changed_since, on_tape
from .view import BACKWARD, UPDATES, Builder, GraphView, Kind, Source, Work, modules_of

Names = Mapping[int, str]  # id of an object -> the variable that holds it

FREED = "Freed by backward()."
FREED_GRADIENT = (
    "Freed by backward(). To see both, explore before backward(), or call "
    "backward(retain_graph=True)."
)
_NO_GRADIENT = "None: requires_grad is False here."
_RAN_BACKWARD = "The call ran backward(): values and gradients are those that were there then."
_NOT_SCALAR = "None: the output is not one number. Explore a loss, or .sum() of it."


def from_tensors(
    tensors: Tensor | Sequence[Tensor],
    title: str = "",
    names: Names | None = None,
    modules: Mapping[str, Module] | None = None,
    gradient: Any = None,
    calls: bool = False,
    seen: Seen | None = None,
    inside: CodeType | None = None,
) -> GraphView:
    """The graph that the tape holds of one tensor or of several.

    ``names`` says which variables hold which tensors, ``modules`` has modules by variable. Where
    the graph is alive and the tensor is one number, or ``gradient`` is its gradient, every node
    gets its gradient; no ``.grad`` is touched. ``calls`` says that the scopes name the calls of
    functions already, ``seen`` has the backward pass that was run meanwhile, ``inside`` is the code
    of the function that is viewed, which gets no box. Raises GradError where no tensor has a
    history.
    """
    many = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    roots = [t for t in many if t.node is not None]
    if not roots:
        raise GradError(no_graph_message(many[0]) if many else "there is no tensor to explore")
    return _Tape(names or {}, modules or {}, gradient, calls, seen, inside).view(roots, title)


class Seen:
    """The backward passes that ran inside of a call, and the leaves as they were then."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.roots: list[Tensor] = []
        self.leaves: dict[int, Any] = {}  # by id: an optimiser writes into their memory afterwards


class _Tape:
    """One walk over the tape."""

    def __init__(
        self,
        names: Names,
        modules: Mapping[str, Module],
        gradient: Any,
        calls: bool,
        seen: Seen | None,
        inside: CodeType | None,
    ) -> None:
        self.gradient, self.calls, self.seen = gradient, calls, seen or Seen()
        self.inside = inside
        self.names = {
            id(parameter): f"{variable}.{path}"
            for variable, module in modules.items()
            for path, parameter in module.named_parameters()
        } | dict(names)
        self.modules = modules
        self.build = Builder()
        self.numbers: dict[int, int] = {}  # id of a node or leaf -> its number
        self.kept: list[Any] = []  # so that no id is used twice
        self.known: dict[Any, dict[str, Any]] = {}  # op_facts by op and specs
        self.homes: dict[int, str] = {}  # id of a parameter -> the module it belongs to
        self.places: dict[tuple[CodeType, int], Source] = {}

    def view(self, roots: Sequence[Tensor], title: str) -> GraphView:
        nodes = _reachable(roots)
        owner = _owners(nodes)
        alive = not any(node.freed for node in nodes)
        gradients, flows, note = self._gradients(roots, alive)
        self.homes = self._homes({node.scope for node in nodes})
        of_node = {id(root.node): root for root in roots}
        for node in nodes:
            for x in _inputs(node):
                self._leaf(x, node, owner, gradients, alive)
            self._op(node, of_node.get(id(node)), owner, gradients, alive)
        self._edges(nodes, flows, alive)
        outputs = [self.numbers[id(root.node)] for root in roots]
        name = title or ", ".join(self._name(root) or "result" for root in roots)
        if not alive:
            note = "backward() has freed the values inside; the shapes and the structure stay."
        broken = ENGINE.get().name
        if broken and gradients:
            note = f"lab.broken({broken!r}) is on: these gradients are wrong on purpose. {note}"
        return self.build.build(name, outputs, note, self._labels())

    def _homes(self, scopes: set[str]) -> dict[int, str]:
        """Where parameters belong, also those that another module uses first."""
        homes = {}
        full = {modules_of(scope): scope for scope in sorted(scopes, reverse=True)}
        for module in self.modules.values():
            root = type(module).__name__
            for path, parameter in module.named_parameters():
                scope = ".".join([root, *path.split(".")[:-1]])
                if scope in full:
                    homes[id(parameter)] = full[scope]
        return homes

    def _labels(self) -> dict[str, str]:
        """Titles for the modules that have a parameter in this graph."""
        used = {
            variable: module
            for variable, module in self.modules.items()
            if any(id(parameter) in self.numbers for parameter in module.parameters())
        }
        return _module_titles(used)

    def _gradients(
        self, roots: Sequence[Tensor], alive: bool
    ) -> tuple[dict[int, Any], list[tuple[Node, int, Any, Any]], str]:
        """The gradient of every node and leaf, by id, and what flows along each edge."""
        if self.seen.steps:
            return *_flows(self.seen.steps), _RAN_BACKWARD
        root = roots[0]
        known = self.gradient is not None or root.array.size == 1
        if not alive or len(roots) != 1 or not known or not root.requires_grad:
            return {}, [], ""
        try:
            return *_flows(steps(root, self.gradient)), ""
        except LabError as error:  # say, a value that was overwritten in place
            return {}, [], str(error)

    def _name(self, x: Any) -> str:
        return self.names.get(id(x), "") or getattr(x, "name", None) or ""

    def _leaf(
        self, x: Any, user: Node, owner: Mapping[int, Any], gradients: dict[int, Any], alive: bool
    ) -> None:
        """Number an input that no op made: a number, an input or a parameter."""
        if x.__class__ in NUMBERS or not isinstance(x, (Tensor, Freed)):
            return  # a number gets a node of its own at each use, by _op
        if x.node is not None or id(x) in self.numbers:
            return
        param = isinstance(x, Parameter)
        kind: Kind = "param" if param else "input"
        name = self._name(x)
        gradient, note = self._leaf_gradient(x, gradients, alive)
        array = self.seen.leaves.get(id(x), x.array)
        self.kept.append(x)
        self.numbers[id(x)] = self.build.leaf(
            kind,
            name,
            # The optimiser writes into a leaf's memory: the view keeps what was there.
            value=None if array is None else array.copy(),
            gradient=gradient,
            gradient_note=note,
            note="" if array is not None else FREED,
            shape=tuple(x.shape),
            dtype=_dtype(x),
            device=_device(x),
            scope=self.homes.get(id(x), user.scope) if param else "",
        )

    def _leaf_gradient(self, x: Any, gradients: dict[int, Any], alive: bool) -> tuple[Any, str]:
        stored = None if self.seen.steps else getattr(x, "_grad", None)
        computed = gradients.get(id(x))
        if computed is not None:
            if stored is not None and not np.array_equal(
                _host(stored.array), _host(computed), equal_nan=True
            ):
                return computed, ".grad holds another value: what earlier backward() calls added."
            return computed, ""
        if stored is not None:
            return stored.array.copy(), ".grad, as backward() left it." if not alive else ".grad"
        if not x.requires_grad:
            return None, _NO_GRADIENT
        if not alive:
            return None, "None: .grad is empty. backward() fills it."
        return None, _NOT_SCALAR

    def _op(
        self,
        node: Node,
        root: Tensor | None,
        owner: Mapping[int, Any],
        gradients: dict[int, Any],
        alive: bool,
    ) -> None:
        inputs = [self._number_of(x, node) for x in _inputs(node)]
        spec = node.spec
        value = None if isinstance(node.y, Spec) else node.y
        holder = root if root is not None else owner.get(id(node))
        if value is None and root is not None:
            value = root.array
        gradient = gradients.get(id(node))
        why = ""
        if gradient is None:
            wants = holder.requires_grad if holder is not None else True
            why = _NO_GRADIENT if not wants else _NOT_SCALAR if alive else FREED_GRADIENT
        name = self._name(holder) if holder is not None else ""
        facts = self._facts(node.op, node.attrs, spec, tuple(_spec(x) for x in _inputs(node)))
        if isinstance(node.op, CallOp) and value is not None and not changed_since(node):
            known = can_replay(node.op.call.entry)
            facts = facts | {"parts": partial(_call_parts, node.op) if known else None}
        self.kept.append(node)
        self.numbers[id(node)] = self.build.op(
            node.op.name,
            inputs,
            name=name,
            value=value,
            gradient=gradient,
            shape=tuple(spec.shape),
            dtype=str(spec.dtype),
            device=spec.device,
            note=FREED if value is None else "",
            gradient_note=why,
            scope=node.scope or ("" if self.calls else _function(node.source, self.inside)),
            source=self._source(node),
            **facts,
        )

    def _facts(
        self, op: Op, attrs: Mapping[str, Any], out: Spec, inputs: tuple[Spec, ...]
    ) -> dict[str, Any]:
        """``op_facts``, once for calls that are alike."""
        if attrs:
            return op_facts(op, attrs, out, inputs)
        key = (op.name, out, inputs)
        facts = self.known.get(key)
        if facts is None:
            facts = self.known[key] = op_facts(op, attrs, out, inputs)
        return facts

    def _number_of(self, x: Any, user: Node) -> int:
        if isinstance(x, (Tensor, Freed)):
            return self.numbers[id(x.node) if x.node is not None else id(x)]
        return self.build.const(x, user.scope)

    def _source(self, node: Node) -> Source | None:
        if node.source is None:
            return None
        place = self.places.get(node.source)
        if place is None:
            found = locate(*node.source)
            place = self.places[node.source] = Source(found.cell, found.line, found.text)
        return place

    def _edges(
        self, nodes: Sequence[Node], flows: list[tuple[Node, int, Any, Any]], alive: bool
    ) -> None:
        """The ways back: with what flows on them where it is known, else by requires_grad."""
        if flows:
            for node, index, x, g in flows:
                tail = self.numbers.get(id(x.node) if x.node is not None else id(x))
                if tail is not None:
                    self.build.gradient(tail, self.numbers[id(node)], index, g)
            return
        for node in nodes:
            for index, x in enumerate(_inputs(node)):
                if x.__class__ in NUMBERS or not x.requires_grad or node.op.rule(index) is None:
                    continue
                tail = self.numbers[id(x.node) if x.node is not None else id(x)]
                self.build.gradient(tail, self.numbers[id(node)], index)


def _flows(
    walk: Iterable[Step],
) -> tuple[dict[int, Any], list[tuple[Node, int, Any, Any]]]:
    """The gradient of every node and leaf of a backward pass, by id, and what flows where."""
    gradients: dict[int, Any] = {}
    flows: list[tuple[Node, int, Any, Any]] = []

    def arrive(key: int, g: Any) -> None:
        gradients[key] = ENGINE.get().add(gradients[key], g) if key in gradients else g

    for step in walk:
        arrive(id(step.node), step.incoming)
        for index, x, g in step.contributions:
            flows.append((step.node, index, x, g))
            if x.node is None:
                arrive(id(x), g)
    return gradients, flows


def _reachable(roots: Sequence[Tensor]) -> list[Node]:
    """All nodes that led to ``roots``, in the order in which they ran. No recursion."""
    seen: dict[int, Node] = {}
    todo: list[tuple[Any, float]] = [(root, inf) for root in roots]
    while todo:
        x, time = todo.pop()
        while x.node is not None:
            node = x.node
            if id(node) not in seen:
                seen[id(node)] = node
                todo += [(i, node.id) for i in _inputs(node) if i.__class__ not in NUMBERS]
            if not outdated(x):
                break
            x = at_time(node.inputs[0], time)  # what a view looked into when it was read
    return sorted(seen.values(), key=lambda node: node.id)


def _inputs(node: Node) -> tuple[Any, ...]:
    """The inputs as they were when the node ran: a tensor changed in place has moved on since."""
    time = node.id
    return tuple(
        at_time(x, time) if x.__class__ not in NUMBERS and x.version[0] > time else x
        for x in node.inputs
    )


def _owners(nodes: Sequence[Node]) -> dict[int, Any]:
    """For each node the tensor that holds its output, as its users know it."""
    owner = {}
    for node in nodes:
        for x in _inputs(node):
            if x.__class__ not in NUMBERS and x.node is not None:
                owner[id(x.node)] = x
    return owner


def _module_titles(modules: Mapping[str, Module]) -> dict[str, str]:
    """By scope: the variable's name for a whole network, "0 Linear" for a part with a number."""
    titles: dict[str, str] = {}
    for variable, module in modules.items():
        root = type(module).__name__
        titles.setdefault(root, variable)
        for path, part in module.named_modules():
            last = path.rpartition(".")[2]
            if last.isdigit():
                titles.setdefault(f"{root}.{path}", f"{last} {type(part).__name__}")
    return titles


def _home(name: str, scope: str) -> str:
    """The module that a parameter belongs to: the part of the user's scope that its name says."""
    owner = name.rpartition(".")[0]
    if not owner or not scope:
        return scope
    parts = scope.split(".")
    for end in range(len(parts), 0, -1):
        if ".".join(parts[:end]).endswith(owner):
            return ".".join(parts[:end])
    return scope


def _array(x: Any) -> Any:
    return x.array if isinstance(x, Tensor) else x


def _host(array: Any) -> Any:
    get = getattr(array, "get", None)
    return get() if callable(get) else array


def _dtype(x: Any) -> str:
    return str(x.array.dtype) if x.array is not None else str(x.dtype)


def _device(x: Any) -> str:
    return str(x.spec.device)


def _spec(x: Any) -> Any:
    """What a cost rule gets for an input."""
    if isinstance(x, (Tensor, Freed)):
        return x.spec
    return Spec((), np.dtype(type(x)), number=True)


def op_facts(op: Op, attrs: Mapping[str, Any], out: Spec, inputs: Sequence[Any]) -> dict[str, Any]:
    """What the op table says of one call: formula, arguments, attributes, cost."""
    cost = None
    try:
        found = op.cost(out, *inputs, **attrs)
        open_ = any(isinstance(n, Unknown) for spec in (out, *inputs) for n in spec.shape)
        cost = None if open_ else Work(int(found.flops), int(found.bytes))
    except (TypeError, ValueError, AttributeError, IndexError, KeyError, ArithmeticError):
        pass  # a cost is an extra: a rule that does not fit shall not hide the graph
    shown = tuple((k, shorten(_attr(v), 40)) for k, v in attrs.items() if v is not None)
    return {
        "formula": op.formula,
        "doc": op.doc,
        "arguments": tuple(op.argument(i) for i in range(len(inputs))),
        "attributes": shown,
        "cost": cost,
        "shapes": _shapes(op, out, inputs),
        "again": partial(_again, op, attrs) if OPS.get(op.name) is op else None,
        "parts": partial(_parts, op, attrs, tuple(inputs)) if op.composition else None,
    }


def _shapes(op: Op, out: Spec, inputs: Sequence[Any]) -> str:
    """Where the shape comes from, and what broadcasting repeats, in words."""
    arrays = [(op.argument(i), tuple(x.shape)) for i, x in enumerate(inputs) if not x.number]
    if len(arrays) < 2:
        return ""
    try:
        together = broadcast_shapes(*(shape for _, shape in arrays))
    except Mismatch:
        return ""
    if together != tuple(out.shape) or not (op.kernel or op.ufunc):
        return ""
    words = []
    for name, shape in arrays:
        lead = len(together) - len(shape)
        axes = [i for i, n in enumerate(together) if i < lead or shape[i - lead] != n]
        if axes:
            times = " x ".join(str(together[i]) for i in axes)
            dims = ", ".join(map(str, axes))
            words.append(
                f"{name} {shape_text(shape)} is repeated {times} times along dimension"
                f"{'s' if len(axes) > 1 else ''} {dims}; its gradient is the sum over them."
            )
    return " ".join(words)


def _again(op: Op, attrs: Mapping[str, Any], *values: Any) -> Any:
    """The value of a call from the values of its inputs."""
    return COMPUTE.apply(op, values, dict(attrs))


@contextmanager
def _interpreted(interpreter: Any) -> Iterator[None]:
    token = INTERPRETER.set(interpreter)
    try:
        yield
    finally:
        INTERPRETER.reset(token)


def _parts(
    op: Op,
    attrs: Mapping[str, Any],
    specs: tuple[Any, ...],
    values: Sequence[Any],
    gradient: Any,
) -> GraphView:
    """The graph of the smaller ops that ``op`` is made of; input ``i`` is the leaf ``@i``.

    Run where the values are known, else only traced.
    """
    assert op.composition is not None
    xs: list[Any]
    if all(value is not None for value in values):
        xs = [x if x.__class__ in NUMBERS else make(x) for x in values]
        for x in xs:
            if isinstance(x, Tensor) and gradient is not None and x.array.dtype.kind == "f":
                x.requires_grad = True
        with _interpreted(Record(always=True)):
            out = op.composition(*xs, **attrs)
        names = {id(x): f"@{i}" for i, x in enumerate(xs)}
        return from_tensors(out, op.name, names, gradient=gradient if out.requires_grad else None)
    writer = Writer(op.name)
    trace = Trace(writer, recording=False)
    given = [writer.input(spec, f"@{i}", "input", Argument(i)) for i, spec in enumerate(specs)]
    xs = [
        x if x.__class__ in NUMBERS else trace.symbol(v) for x, v in zip(values, given, strict=True)
    ]
    with _interpreted(trace):
        out = op.composition(*xs, **attrs)
    writer.open = False
    outputs = (out.variable,)
    return from_graph(
        Graph(tuple(given), tuple(writer.constants), tuple(writer.equations), outputs)
    )


def _call_parts(op: CallOp, values: Sequence[Any], gradient: Any) -> GraphView:
    """The ops that a call of a compiled function ran; what its gradient goes to is ``@i``."""
    leaves = [make(value) for value in values]
    for x in leaves:
        x.requires_grad = True
    stand_ins = {id(x): leaf for x, leaf in zip(op.call.wanted, leaves, strict=True)}
    out = on_tape(op.call, stand_ins)[0][op.index]
    names = {id(x): f"@{i}" for i, x in enumerate(leaves)}
    return from_tensors(out, op.name, names, gradient=gradient)


# Functions as boxes ------------------------------------------------------------------------

_FUNCTIONAL = str(Path(functional.__file__).parent)
_PACKAGE = str(Path(__file__).parent.parent)


def _is_function(code: CodeType) -> bool:
    """Whether a call of this code is a box: the learner's functions and those of F."""
    name, file = code.co_name, code.co_filename
    if name[0] in "<_" or name == "forward" or name in OPS:
        return False
    return not file.startswith(_PACKAGE) or file.startswith(_FUNCTIONAL)


def _function(source: tuple[CodeType, int] | None, inside: CodeType | None = None) -> str:
    """The box of a node outside of modules, by the learner's function that its line is in."""
    code = source[0] if source is not None else None
    return f"{code.co_name}()" if code and code is not inside and _is_function(code) else ""


class _Calls(Record):
    """Records every op, and puts the functions around it into its scope, call by call."""

    __slots__ = ("frames", "names", "seen")

    def __init__(
        self,
        recording: bool = True,
        frames: Any = None,
        names: dict[str, int] | None = None,
        seen: Seen | None = None,
    ) -> None:
        super().__init__(recording, always=True)
        self.seen = seen or Seen()
        self.frames: dict[int, tuple[FrameType, str]] = {} if frames is None else frames
        self.names: dict[str, int] = {} if names is None else names

    def with_grad(self, recording: bool) -> Record:
        """The same; under ``no_grad`` nothing is recorded."""
        if not recording:
            return Record(recording=False)
        return _Calls(True, self.frames, self.names, self.seen)

    def walk(self, root: Tensor, g: Tensor, keep: bool, create: bool, since: int = 0) -> Any:
        """The backward pass; its gradients are kept, and so are the values of the graph."""
        found = super().walk(root, g, True, create, since)
        self.seen.roots.append(root)
        for step in found:
            ways = [(i, x, _array(gx)) for i, x, gx in step.contributions]
            self.seen.steps.append(Step(step.node, _array(step.incoming), ways))
            for x in step.node.inputs:
                if isinstance(x, Tensor) and x.node is None and x.requires_grad:
                    self.seen.leaves.setdefault(id(x), x.array.copy())
        return found

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Tensor:
        """Run and record ``op``."""
        made = super().apply(op, inputs, attrs)
        if made.node is not None:
            made.node.scope = self._scope(sys._getframe(1), made.node.scope)
        return made

    def _scope(self, frame: FrameType | None, scope: str) -> str:
        modules, parts = scope.split(".") if scope else [], []
        while frame is not None and frame.f_code is not from_call.__code__:
            code, around = frame.f_code, frame.f_back
            if code is Module.__call__.__code__ and modules:
                parts.append(modules.pop())
            elif _is_function(code) and around and around.f_code is not from_call.__code__:
                parts.append(self._name(frame))
            frame = around
        return ".".join([*modules, *reversed(parts)])

    def _name(self, frame: FrameType) -> str:
        """A name for one call: "attention()", the next one "attention(2)"."""
        if id(frame) not in self.frames:  # kept, so that no other frame gets its id
            name = frame.f_code.co_name
            count = self.names[name] = self.names.get(name, 0) + 1
            self.frames[id(frame)] = (frame, f"{name}({count if count > 1 else ''})")
        return self.frames[id(frame)][1]


def _attr(value: Any) -> str:
    shape = getattr(value, "shape", ())
    return f"array {tuple(shape)}" if shape else str(value)


# From a traced graph -----------------------------------------------------------------------

_NO_VALUE = "Graph mode keeps no values in between: the plan uses their memory again."
_NOT_FED = "It hangs on what is fed: lab.explore(session, y, {x: ...}) shows what a run computes."
_MOST = 1 << 30  # bytes: of a larger graph no values are kept for a view

_KINDS: Mapping[str, Kind] = {
    "input": "input",
    "param": "param",
    "state": "input",  # a buffer or a learning rate: read anew each time the graph runs
    "const": "const",
}


def from_graph(
    graph: Graph,
    title: str = "",
    modules: Mapping[str, Module] | None = None,
    given: Callable[[], Mapping[int, Any]] | None = None,
    code: CodeType | None = None,
    gradients: Mapping[int, Sequence[int]] | None = None,
    backward: Callable[[], Mapping[int, Any]] | None = None,
) -> GraphView:
    """A traced graph: inputs, captured state, equations in order, outputs, updates of state.

    The plan keeps no values in between, it uses their memory again. ``given`` gives the inputs'
    values, by the variable's number, when a value is asked for: what follows from them is computed
    then, op by op. ``code`` is that of the traced function, which gets no box. ``gradients`` says
    which values of the graph are the gradient of a value, by number; ``backward`` gives gradients
    that the graph does not compute.
    """
    build = Builder()
    numbers: dict[int, int] = {}
    constants = {var.id: array for var, array in graph.constants}
    no_gradient = "In a traced graph the backward pass is part of the graph."
    if backward is not None:
        no_gradient = "None: no gradient flows here, to one number."
    if gradients:
        no_gradient = "The graph computes no gradient of this value alone."

    def of(x: Any, scope: str) -> int:
        if isinstance(x, (int, float)):
            return build.const(x, scope)
        if x.id not in numbers:
            spec, array = x.spec, constants.get(x.id)
            if array is not None and getattr(array, "shape", None) == () and not x.name:
                numbers[x.id] = build.const(array.item(), scope)
            else:
                kind = _KINDS.get(x.kind, "input")
                numbers[x.id] = build.leaf(
                    "const" if array is not None else kind,
                    x.name or ("array" if array is not None else ""),
                    value=array,
                    shape=tuple(spec.shape),
                    dtype="number" if spec.number else str(spec.dtype),
                    device=spec.device,
                    note="" if array is not None else "Bound when the graph runs.",
                    gradient_note=no_gradient,
                    scope=_home(x.name or "", scope) if kind == "param" else "",
                )
        return numbers[x.id]

    boxes = _boxes(graph, code)
    for equation in graph.equations:
        inputs = [of(x, equation.scope) for x in equation.inputs]
        out = equation.out
        place = location(equation)
        specs = [
            Spec((), np.dtype(type(x)), number=True) if x.__class__ in NUMBERS else x.spec
            for x in equation.inputs
        ]
        numbers[out.id] = build.op(
            equation.op.name,
            inputs,
            name=out.name or "",
            shape=tuple(out.spec.shape),
            dtype=str(out.spec.dtype),
            device=out.spec.device,
            note=_NO_VALUE,
            gradient_note=no_gradient,
            scope=boxes[equation.out.id],
            source=Source(*place) if place is not None else None,
            **op_facts(equation.op, equation.attrs, out.spec, specs),
        )
        if equation.of is not None:
            row = build.rows[numbers[out.id] - 1]
            row["attributes"] = (*row["attributes"], ("part of", str(equation.of)))
    for x in graph.inputs:
        of(x, "")
    ends = [of(x, "") for x in graph.outputs]
    for target, value in graph.updates:
        name = target.name or "state"
        if target.id in numbers:  # the same name in two layers: say which
            scope = build.rows[numbers[target.id] - 1].get("scope", "")
            layer = scope.rpartition(".")[2]
            name = f"{layer}.{name}" if layer else name
        ends.append(
            build.add(
                "op",
                f"new {name}",
                [of(value, "")],
                shape=tuple(target.spec.shape),
                dtype=str(target.spec.dtype),
                device=target.spec.device,
                doc=f"Written into {name} when the plan ends.",
                note=_NO_VALUE,
                scope=UPDATES if BACKWARD in boxes.values() else "",
            )
        )
    _settle(build.rows)
    _link(build.rows, numbers, gradients or {})
    view = build.build(title or graph.name, ends, labels=_module_titles(modules or {}))
    if given is None:
        return view
    last = ends[len(graph.outputs) :]
    news = {end: value.id for end, (_, value) in zip(last, graph.updates, strict=True)}

    def values() -> tuple[Mapping[int, Any], Mapping[int, Any]]:
        if sum(e.out.spec.nbytes for e in graph.equations) > _MOST:
            return {}, {}
        known = _evaluate(graph, given())
        found = {numbers[v]: value for v, value in known.items() if v in numbers}
        found |= {end: known[v] for end, v in news.items() if v in known}
        flows = dict(_backward(graph, known) if backward is None else backward())
        for v, at in (gradients or {}).items():
            if known.keys() >= {*at}:
                flows[v] = sum((known[g] for g in at[1:]), known[at[0]])
        return found, {numbers[v]: g for v, g in flows.items() if v in numbers}

    return replace(view, compute=values)


def _boxes(graph: Graph, code: CodeType | None) -> dict[int, str]:
    """The box of each equation: its module or function, else its part in a training step.

    What is a part of a gradient is in the backward pass, and what comes after it and leads to no
    output is in the updates.
    """
    last = max((i for i, e in enumerate(graph.equations) if e.of is not None), default=None)
    out = {v.id for v in graph.outputs}
    for e in reversed(graph.equations):
        if e.out.id in out:
            out |= {x.id for x in e.inputs if isinstance(x, Var)}
    found = {}
    for i, e in enumerate(graph.equations):
        if e.of is not None:
            found[e.out.id] = ".".join(filter(None, (BACKWARD, e.of.scope)))
        elif last is not None and i > last and e.out.id not in out:
            found[e.out.id] = UPDATES
        else:
            found[e.out.id] = e.scope or _function(e.source, code)
    return found


def _settle(rows: list[dict[str, Any]]) -> None:
    """Constants and state that only one part of a training step reads stand in it."""
    users: dict[int, set[str]] = {}
    for row in rows:
        for i in row["inputs"]:
            users.setdefault(i, set()).add(row.get("scope", ""))
    for row in rows:
        if row["kind"] in ("input", "const") and not row.get("scope"):
            boxes = users.get(row["id"], set())
            parts = {box.partition(".")[0] for box in boxes}
            if parts in ({BACKWARD}, {UPDATES}):
                row["scope"] = (boxes if len(boxes) == 1 else parts).pop()


def _link(
    rows: list[dict[str, Any]], numbers: Mapping[int, int], gradients: Mapping[int, Sequence[int]]
) -> None:
    """Let each node know where in the graph its gradient is, and of what it is the gradient."""
    for v, at in gradients.items():
        if v in numbers and all(g in numbers for g in at):
            row = rows[numbers[v] - 1]
            row.update(gradient_at=tuple(numbers[g] for g in at), gradient_note="")
            for g in row["gradient_at"]:
                of = rows[g - 1]
                of["gradient_of"] = (*of.get("gradient_of", ()), numbers[v])


def _evaluate(graph: Graph, given: Mapping[int, Any]) -> dict[int, Any]:
    """The values that follow from those of some inputs, by variable. Nothing is changed by it."""
    known = dict(graph.constant_values)
    for v in graph.inputs:
        value = given.get(v.id)
        if value is not None and (v.spec.number or _fits(value, v.spec)):
            known[v.id] = value if v.spec.number else value.copy()
    try:
        with np.errstate(all="ignore"), apart():
            for e in graph.equations:
                if all(x.id in known for x in e.inputs if isinstance(x, Var)):
                    known[e.out.id] = compute(e, known)
    except Exception:  # noqa: BLE001  a run would tell; here the values up to that op are shown
        pass
    return known


def _backward(graph: Graph, known: Mapping[int, Any]) -> dict[int, Any]:
    """The gradients of a graph that only goes forward, to one number; by variable."""
    one = len(graph.outputs) == 1 and graph.outputs[0].spec.size == 1 and not graph.updates
    if not one or not all(v.id in known for v in graph.inputs):
        return {}
    tensors: dict[int, Any] = {}
    for v in (*graph.inputs, *graph.constant_vars):
        x = tensors[v.id] = known[v.id] if v.spec.number else make(known[v.id])
        if isinstance(x, Tensor) and v.kind != "const":
            x.requires_grad = x.array.dtype.kind == "f"
    record, made = Record(always=True), {}
    gradients: dict[int, Any] = {}
    try:
        with np.errstate(all="ignore"), apart():
            for e in graph.equations:
                inputs = tuple(tensors[x.id] if isinstance(x, Var) else x for x in e.inputs)
                out = tensors[e.out.id] = record.apply(e.op, inputs, e.attrs)
                made[id(out.node)] = e.out.id
            leaves = {id(tensors[v.id]): v.id for v in graph.inputs}
            for step in steps(tensors[graph.outputs[0].id]):
                gradients[made[id(step.node)]] = step.incoming
                for _, x, g in step.contributions:
                    if id(x) in leaves:
                        at = leaves[id(x)]
                        gradients[at] = gradients[at] + g if at in gradients else g
    except Exception:  # noqa: BLE001  no gradient then: the words of the node stay
        return {}
    return gradients


def _fits(value: Any, spec: Spec) -> bool:
    return tuple(value.shape) == tuple(spec.shape) and value.dtype == spec.dtype


def _bound(entry: Entry, leaves: Sequence[Any]) -> Callable[[], dict[int, Any]]:
    """What gives the inputs' values of a compiled graph; arguments where they are known."""
    arrays = [x.array for x in leaves]

    def given() -> dict[int, Any]:
        found = {}
        for v, binding in zip(entry.graph.inputs, entry.traced.bindings, strict=True):
            if isinstance(binding, Argument):
                if binding.index < len(arrays):
                    found[v.id] = arrays[binding.index]
            elif isinstance(binding, (Captured, Number)):
                found[v.id] = binding.value([])
        return found

    return given


def _gradients_in(entry: Entry) -> dict[int, list[int]]:
    """The values of a compiled graph that are the gradient of a value, or sum up to it."""
    now = entry.workings.provenance.now
    found: dict[int, list[int]] = {}
    for v, g in entry.traced.gradients.items():
        value, gradient = now(v), now(g)
        if value is not None and gradient is not None:
            found.setdefault(value, []).append(gradient)
    return found


def _gradients_behind(entry: Entry, leaves: list[Any]) -> Callable[[], dict[int, Any]]:
    """The gradients of a compiled graph that only goes forward, to one number; by number.

    Of one that goes backward itself, those that are constant: the 1 that it starts with.
    """
    ways, now = entry.traced.gradients, entry.workings.provenance.now
    constants = entry.traced.graph.constant_values

    def gradients() -> dict[int, Any]:
        if ways:
            fixed = ((now(v), constants.get(g)) for v, g in ways.items())
            return {v: g for v, g in fixed if v is not None and g is not None}
        needs = [b.index for b in entry.traced.bindings if isinstance(b, Argument)]
        if max(needs, default=-1) >= len(leaves) or not can_replay(entry):
            return {}
        (root, *others), made = on_tape(call_now(entry, leaves), {})
        if others or root.array.size != 1 or root.node is None:
            return {}
        keys = {id(x.node or x): now(v) for v, x in made.items()}
        found: dict[int, Any] = {}
        for step in steps(root):
            leaf = [(x, g) for _, x, g in step.contributions if x.node is None]
            for x, g in [(step.node, step.incoming), *leaf]:
                key = keys.get(id(x))
                if key is not None:
                    found[key] = found[key] + g if key in found else g
        return found

    return gradients


def from_compiled(
    function: Compiled,
    *inputs: Any,
    title: str = "",
    names: Names | None = None,
    modules: Mapping[str, Module] | None = None,
) -> GraphView:
    """The optimised graph of a compiled function for ``inputs``.

    Without inputs it is the graph that was traced last; raises KindError where there is none.
    """
    leaves: list[Any] = []
    kept = function._kept()
    needs = function.function.__code__.co_argcount if hasattr(function.function, "__code__") else 1
    if not inputs and (kept or needs):
        if not kept:
            name = (names or {}).get(id(function), function.__name__)  # type: ignore[attr-defined]
            raise KindError(
                f"explore({name}): this function was not traced yet\n"
                f"  expected a call of it before, or its inputs: lab.explore({name}, x)"
            )
        entry = max(kept, key=lambda entry: entry.history.number)
    else:
        flatten((inputs, {}), leaves)
        entry = function._entry(inputs, {})
    title = title or _call_title(function, inputs, names)
    if not inputs:
        title = title.removesuffix("()")
    code = getattr(function.function, "__code__", None)
    return _from_entry(entry, leaves, title, modules, code)


def _from_entry(
    entry: Entry,
    leaves: list[Any],
    title: str,
    modules: Mapping[str, Module] | None = None,
    code: CodeType | None = None,
) -> GraphView:
    read = {id(b.tensor) for b in entry.traced.bindings if isinstance(b, Captured)}
    used = {
        name: module
        for name, module in (modules or {}).items()
        if any(id(p) in read for p in module.parameters())
    }
    return from_graph(
        entry.graph,
        title,
        used,
        _bound(entry, leaves),
        code,
        _gradients_in(entry),
        _gradients_behind(entry, leaves),
    )


def from_session(session: Session, *call: Any, title: str = "") -> GraphView:
    """All of a session's graph with the values of its variables; or what one run computes.

    ``call`` is what ``run`` takes: fetches and a feed_dict.
    """
    if not call:
        given = {v: x.array for v, x in session.kept.items() if v in session.known}
        view = from_graph(session.graph.ir(), title or "session", None, lambda: given)
        told = (replace(n, note=_NOT_FED) if n.note == _NO_VALUE else n for n in view.nodes)
        return replace(view, nodes=tuple(told))
    with session._lock, _interpreted(NO_GRAD):
        program, feeds, *_ = session._prepare(call[0], call[1] if len(call) > 1 else None)
        entry = program.compiled._entry(feeds, {})
    leaves: list[Any] = []
    flatten((feeds, {}), leaves)
    return _from_entry(entry, leaves, title or "session")


# From a call -------------------------------------------------------------------------------


def from_call(
    function: Callable[..., Any],
    *inputs: Any,
    title: str = "",
    names: Names | None = None,
    modules: Mapping[str, Module] | None = None,
) -> GraphView:
    """Run ``function`` (or a module) on ``inputs`` and view what it returned.

    Every op is recorded, also those that no gradient flows through, with the functions around it,
    call by call. Several results are several outputs. Where the call goes ``backward()``, the
    gradients are from there. A compiled function is traced and its graph shown.
    """
    if isinstance(function, Compiled):
        return from_compiled(function, *inputs, title=title, names=names, modules=modules)
    before, Settings.sources = Settings.sources, True
    calls = _Calls()
    try:
        with _interpreted(calls):
            result = function(*inputs)
    finally:
        Settings.sources = before
    found = list(_tensors(result))
    if not any(x.node is not None for x in found):  # say, loss.item()
        found = calls.seen.roots or found
    if not found:
        raise KindError(
            f"explore: the call returned no tensor\n  got {describe(result)}\n"
            "  expected a tensor, or a list or dict of tensors"
        )
    called = {id(x): name for name, x in _argument_names(function, inputs)}
    names = {**called, **(names or {})}
    title = title or _call_title(function, inputs, names)
    if isinstance(function, Module) and function not in (modules or {}).values():
        modules = {type(function).__name__: function, **(modules or {})}
    return from_tensors(found, title, names, modules, calls=True, seen=calls.seen)


def _tensors(value: Any) -> list[Tensor]:
    """The tensors in a result, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for part in value for tensor in _tensors(part)]
    return []


def _argument_names(function: Any, inputs: Sequence[Any]) -> list[tuple[str, Any]]:
    """What the function itself calls its inputs: that is what its formula is written in."""
    code = getattr(getattr(function, "forward", function), "__code__", None)
    if code is None:
        return []
    words = list(code.co_varnames[: code.co_argcount])
    if words[:1] == ["self"]:
        words = words[1:]
    return [(n, x) for n, x in zip(words, inputs, strict=False) if isinstance(x, Tensor)]


def _call_title(function: Any, inputs: Sequence[Any], names: Names | None) -> str:
    known = names or {}
    words = [known.get(id(x), "") for x in inputs]
    name = known.get(id(function)) or getattr(function, "__name__", "") or type(function).__name__
    return f"{name}({', '.join(word or '...' for word in words)})"
