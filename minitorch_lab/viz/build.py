"""Views of the real thing: from a tensor's tape, from a traced graph, from a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any

import numpy as np

from ..errors import GradError, KindError, LabError, describe
from ..graph.compiler import Compiled
from ..graph.ir import Graph
from ..graph.sizes import Unknown
from ..nn.module import Module, Parameter
from ..op import INTERPRETER, Op, Spec
from ..tape import (
    NUMBERS,
    Freed,
    Node,
    Settings,
    at_time,
    locate,
    location,
    no_graph_message,
    steps,
)
from ..tensor import Record, Tensor
from .measure import shorten
from .view import Builder, GraphView, Kind, Source, Work

Names = Mapping[int, str]  # id of an object -> the variable that holds it

FREED = "Freed by backward()."
FREED_GRADIENT = (
    "Freed by backward(). To see both, explore before backward(), or call "
    "backward(retain_graph=True)."
)
_NO_GRADIENT = "None: requires_grad is False here."
_NOT_SCALAR = "None: the output is not one number. Explore a loss, or .sum() of it."


def from_tensors(
    tensors: Tensor | Sequence[Tensor],
    title: str = "",
    names: Names | None = None,
    modules: Mapping[str, Module] | None = None,
) -> GraphView:
    """The graph that the tape holds of one tensor or of several.

    ``names`` says which variables hold which tensors, ``modules`` has modules by variable. Where
    the graph is alive and the tensor is one number, every node gets its gradient; no ``.grad`` is
    touched. Raises GradError where no tensor has a history.
    """
    many = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    roots = [t for t in many if t.node is not None]
    if not roots:
        raise GradError(no_graph_message(many[0]) if many else "there is no tensor to explore")
    return _Tape(names or {}, modules or {}).view(roots, title)


class _Tape:
    """One walk over the tape."""

    def __init__(self, names: Names, modules: Mapping[str, Module]) -> None:
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
        nodes = _reachable([root.node for root in roots if root.node is not None])
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
        return self.build.build(name, outputs, note, self._labels())

    def _homes(self, scopes: set[str]) -> dict[int, str]:
        """Where parameters belong, also those that another module uses first."""
        homes = {}
        for module in self.modules.values():
            root = type(module).__name__
            for path, parameter in module.named_parameters():
                scope = ".".join([root, *path.split(".")[:-1]])
                if scope in scopes:
                    homes[id(parameter)] = scope
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
        root = roots[0]
        if not alive or len(roots) != 1 or root.array.size != 1 or not root.requires_grad:
            return {}, [], ""
        gradients: dict[int, Any] = {}
        flows: list[tuple[Node, int, Any, Any]] = []
        try:
            for step in steps(root):
                gradients[id(step.node)] = step.incoming
                for index, x, g in step.contributions:
                    flows.append((step.node, index, x, g))
                    if x.node is None:
                        known = gradients.get(id(x))
                        gradients[id(x)] = g if known is None else known + g
        except LabError as error:  # say, a value that was overwritten in place
            return {}, [], str(error)
        return gradients, flows, ""

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
        array = x.array
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
        stored = getattr(x, "_grad", None)
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
            scope=node.scope,
            source=self._source(node),
            **self._facts(node.op, node.attrs, spec, tuple(_spec(x) for x in _inputs(node))),
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


def _reachable(roots: Sequence[Node]) -> list[Node]:
    """All nodes that led to ``roots``, in the order in which they ran. No recursion."""
    seen = {id(node): node for node in roots}
    todo = list(seen.values())
    while todo:
        for x in _inputs(todo.pop()):
            if x.__class__ not in NUMBERS:
                node = x.node
                if node is not None and id(node) not in seen:
                    seen[id(node)] = node
                    todo.append(node)
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
    }


def _attr(value: Any) -> str:
    shape = getattr(value, "shape", ())
    return f"array {tuple(shape)}" if shape else str(value)


# From a traced graph -----------------------------------------------------------------------

_KINDS: Mapping[str, Kind] = {
    "input": "input",
    "param": "param",
    "state": "input",  # a buffer or a learning rate: read anew each time the graph runs
    "const": "const",
}


def from_graph(
    graph: Graph, title: str = "", modules: Mapping[str, Module] | None = None
) -> GraphView:
    """A traced graph: inputs, captured state, equations in order, outputs, updates of state.

    A traced graph has no values: the plan computes them in memory that it uses again.
    """
    build = Builder()
    numbers: dict[int, int] = {}
    constants = {var.id: array for var, array in graph.constants}
    no_value = "Graph mode keeps no values in between: the plan uses their memory again."

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
                    x.name or "",
                    value=array,
                    shape=tuple(spec.shape),
                    dtype="number" if spec.number else str(spec.dtype),
                    device=spec.device,
                    note="" if array is not None else "Bound when the graph runs.",
                    gradient_note="In a traced graph the backward pass is part of the graph.",
                    scope=_home(x.name or "", scope) if kind == "param" else "",
                )
        return numbers[x.id]

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
            note=no_value,
            gradient_note="In a traced graph the backward pass is part of the graph.",
            scope=equation.scope,
            source=Source(*place) if place is not None else None,
            **op_facts(equation.op, equation.attrs, out.spec, specs),
        )
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
                note=no_value,
            )
        )
    return build.build(title or graph.name, ends, labels=_module_titles(modules or {}))


# From a call -------------------------------------------------------------------------------


def from_call(
    function: Callable[..., Any],
    *inputs: Any,
    title: str = "",
    names: Names | None = None,
    modules: Mapping[str, Module] | None = None,
) -> GraphView:
    """Run ``function`` (or a module) on ``inputs`` and view what it returned.

    Every op is recorded, also those that no gradient flows through. Several results are several
    outputs. A compiled function is traced and its graph shown.
    """
    if isinstance(function, Compiled):
        graph = function.graph(*inputs)
        return from_graph(graph, title or _call_title(function, inputs, names), modules)
    token = INTERPRETER.set(Record(always=True))
    before, Settings.sources = Settings.sources, True
    try:
        result = function(*inputs)
    finally:
        Settings.sources = before
        INTERPRETER.reset(token)
    found = list(_tensors(result))
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
    return from_tensors(found, title, names, modules)


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
