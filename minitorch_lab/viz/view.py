"""A graph as data: what explorer, stepper, static picture and transcript read.

Nothing here knows tensors, tapes or Graphviz. ``build.py`` makes views from a tensor's tape,
from a traced graph or from a call; a test makes one by hand with ``Builder``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

Kind = Literal["input", "param", "const", "op", "output"]
Flow = Literal["forward", "gradient"]

# The words that a learner reads for a kind.
WORDS: Mapping[Kind, str] = {
    "input": "input",
    "param": "parameter",
    "const": "constant",
    "op": "op",
    "output": "output",
}


# The boxes of a training step that was traced: what goes backward, and what comes after it.
BACKWARD, UPDATES = "backward()", "updates()"

COMPUTED = "Computed for this view: the plan keeps no values in between."


def modules_of(scope: str) -> str:
    """The modules in a scope, without the functions and opened ops.

    >>> modules_of("Net.attention().layer_norm #7")
    'Net'
    """
    return ".".join(part for part in scope.split(".") if not part.endswith(")") and "#" not in part)


def word_of(path: str) -> str:
    """What a box with this path is: a module, a function, or an op that was opened.

    >>> word_of("Net.fc1"), word_of("Net.attend()"), word_of("Net.layer_norm #7")
    ('module', 'function', 'op')
    """
    last = path.rpartition(".")[2]
    return "function" if last.endswith(")") else "op" if " #" in last else "module"


class Source(NamedTuple):
    """Where a node was written: ``Source("cell 7", 3, "h = self.fc1(x).relu()")``."""

    cell: str
    line: int
    text: str


class Work(NamedTuple):
    """What a node costs: floating point operations, and bytes read and written."""

    flops: int
    bytes: int


@dataclass(frozen=True, eq=False, slots=True)
class NodeView:
    """One value of the graph, and how it came about.

    ``id`` counts from 1 in an order in which every node stands after its inputs. ``inputs`` has
    one id for each argument, in order, so a node that is squared by ``x * x`` has ``x`` twice;
    ``users`` names each user once. ``value`` and ``gradient`` are arrays of the node's shape, or
    None where they are not known; ``note`` and ``gradient_note`` then say why.
    """

    id: int
    kind: Kind
    label: str
    name: str = ""  # the variable, or the parameter's full name
    shape: tuple[int, ...] = ()
    dtype: str = ""
    device: str = "cpu"
    value: Any = None
    gradient: Any = None
    op: str = ""  # "" for leaves
    arguments: tuple[str, ...] = ()  # the op's names for its inputs
    attributes: tuple[tuple[str, str], ...] = ()
    doc: str = ""
    formula: tuple[str, str] | None = None  # LaTeX: the value, the gradient
    cost: Work | None = None
    source: Source | None = None
    scope: str = ""  # "fc1", dotted; "" outside of modules
    inputs: tuple[int, ...] = ()
    users: tuple[int, ...] = ()
    note: str = ""  # why there is no value
    gradient_note: str = ""  # why there is no gradient, or what it is
    # Where the backward pass is part of the graph: the nodes whose sum is the gradient of this one,
    # and those of which this one is the gradient.
    gradient_at: tuple[int, ...] = ()
    gradient_of: tuple[int, ...] = ()
    shapes: str = ""  # how the shape comes about, in words
    again: Callable[..., Any] | None = None
    parts: Callable[[Sequence[Any], Any], GraphView] | None = None  # (values, gradient) -> view

    @property
    def size(self) -> int:
        """How many entries the value has."""
        count = 1
        for length in self.shape:
            count *= length
        return count


@dataclass(frozen=True, eq=False, slots=True)
class Edge:
    """A value that flows into an op, or the gradient that flows back along the same way.

    Both run from ``tail`` (the input) to ``head`` (the user), so that a gradient edge lies beside
    its forward edge; ``index`` is the argument's position. ``value`` is the array that a gradient
    edge adds to the tail's gradient, None where it is not known.
    """

    tail: int
    head: int
    index: int
    flow: Flow = "forward"
    value: Any = None


@dataclass(frozen=True, eq=False, slots=True)
class Scope:
    """A module in the graph: the nodes that it made itself, and the modules inside it."""

    path: str
    label: str
    nodes: tuple[int, ...]
    children: tuple[Scope, ...]

    def walk(self) -> Iterator[Scope]:
        """This scope and all inside it, outer ones first."""
        todo = [self]
        while todo:
            scope = todo.pop()
            yield scope
            todo.extend(reversed(scope.children))

    @property
    def count(self) -> int:
        """How many nodes stand here and in all scopes inside."""
        return sum(len(scope.nodes) for scope in self.walk())


@dataclass(frozen=True, eq=False)
class GraphView:
    """The whole graph: nodes by number, edges, modules.

    >>> b = Builder()
    >>> x, two = b.leaf("input", "x", value=3.0), b.const(2)
    >>> y = b.op("mul", [x, two], value=6.0, name="y")
    >>> view = b.build("y", outputs=[y])
    >>> [node.label for node in view.nodes], view.node(3).inputs
    (['x', '2', 'mul'], (1, 2))
    """

    title: str
    nodes: tuple[NodeView, ...]
    edges: tuple[Edge, ...]
    outputs: tuple[int, ...]
    scopes: Scope
    note: str = ""  # what a reader should know of the whole: freed, no gradient, ...
    # Computes values and gradients that the nodes do not hold, by number: a plan keeps none in
    # between. It is called when one is asked for.
    compute: Callable[[], tuple[Mapping[int, Any], Mapping[int, Any]]] | None = None

    def node(self, number: int) -> NodeView:
        """Node ``#number``, counted from 1."""
        return self.nodes[number - 1]

    def value(self, number: int) -> Any:
        """The value of node ``#number``, computed now where the graph holds none; or None."""
        held = self.node(number).value
        return held if held is not None else self._computed[0].get(number)

    def known(self, node: NodeView) -> NodeView:
        """The node with its value and gradient, where these can be computed."""
        if node.value is not None or self.compute is None:
            return node
        value, gradient = (found.get(node.id) for found in self._computed)
        if gradient is not None:
            node = replace(node, gradient=gradient, gradient_note="")
        return node if value is None else replace(node, value=value, note=COMPUTED)

    @property
    def waits(self) -> bool:
        """Whether values could be computed, and were not asked for yet."""
        return self.compute is not None and "_values" not in self.__dict__

    @property
    def _computed(self) -> tuple[Mapping[int, Any], Mapping[int, Any]]:
        if "_values" not in self.__dict__:
            self.__dict__["_values"] = ({}, {}) if self.compute is None else self.compute()
        found: tuple[Mapping[int, Any], Mapping[int, Any]] = self.__dict__["_values"]
        return found

    def __len__(self) -> int:
        return len(self.nodes)

    def flows(self, flow: Flow) -> Iterator[Edge]:
        """The edges of one direction."""
        return (edge for edge in self.edges if edge.flow == flow)

    def gradients_into(self, number: int) -> list[Edge]:
        """The gradient edges whose contributions add up to the gradient of a node."""
        return self._by_tail.get(number, [])

    @property
    def _by_tail(self) -> dict[int, list[Edge]]:
        table: dict[int, list[Edge]] | None = self.__dict__.get("_table")
        if table is None:
            table = {}
            for edge in self.flows("gradient"):
                table.setdefault(edge.tail, []).append(edge)
            self.__dict__["_table"] = table
        return table


def _label(path: str, labels: Mapping[str, str]) -> str:
    """A box's text: the last part of its path; what is known of a module inside a function."""
    last = path.rpartition(".")[2]
    if last.endswith(")"):
        return re.sub(r"\((\d+)\)$", r"() \1", last)
    return labels.get(modules_of(path), last) if "#" not in last else last.partition(" #")[0]


def scope_tree(nodes: Iterable[NodeView], labels: Mapping[str, str] | None = None) -> Scope:
    """The modules of the nodes as a tree, in the order in which they first appear.

    ``labels`` gives a module's text by path where its last name alone says little, such as
    ``{"0": "0 Linear"}``.
    """
    labels = labels or {}
    members: dict[str, list[int]] = {"": []}
    inside: dict[str, list[str]] = {"": []}
    for node in nodes:
        path = node.scope
        if path not in members:
            parts = path.split(".")
            for depth in range(len(parts)):
                parent, here = ".".join(parts[:depth]), ".".join(parts[: depth + 1])
                if here not in members:
                    members[here], inside[here] = [], []
                    inside[parent].append(here)
        members[path].append(node.id)
    done: dict[str, Scope] = {}
    for path in sorted(members, key=lambda p: -p.count(".") - (p != "")):  # inner ones first
        label = labels.get(path) or _label(path, labels)
        children = tuple(done[child] for child in inside[path])
        done[path] = Scope(path, label, tuple(members[path]), children)
    return done[""]


@dataclass
class Builder:
    """Collects nodes in topological order and numbers them."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def add(self, kind: Kind, label: str, inputs: Sequence[int] = (), **facts: Any) -> int:
        """Append a node; the facts are the fields of ``NodeView``. Returns its number."""
        number = len(self.rows) + 1
        facts.update(id=number, kind=kind, label=label, inputs=tuple(inputs))
        self.rows.append(facts)
        for index, tail in enumerate(inputs):
            self.edges.append(Edge(tail, number, index))
        return number

    def leaf(self, kind: Kind, name: str, **facts: Any) -> int:
        """Append an input or a parameter; its label is the last part of its name."""
        facts.setdefault("shape", tuple(getattr(facts.get("value"), "shape", ())))
        label = name.rpartition(".")[2] or ("parameter" if kind == "param" else "input")
        return self.add(kind, label, name=name, **facts)

    def const(self, value: float, scope: str = "") -> int:
        """Append a plain Python number."""
        text = f"{value:.6g}" if isinstance(value, float) and value % 1 else repr(value)
        return self.add("const", text, dtype=type(value).__name__, value=value, scope=scope)

    def op(self, op: str, inputs: Sequence[int], /, **facts: Any) -> int:
        """Append the result of an op."""
        facts.setdefault("shape", tuple(getattr(facts.get("value"), "shape", ())))
        return self.add("op", facts.pop("label", op), inputs, op=op, **facts)

    def gradient(self, tail: int, head: int, index: int = 0, value: Any = None) -> None:
        """Append a gradient edge beside the forward edge from ``tail`` to ``head``."""
        self.edges.append(Edge(tail, head, index, "gradient", value))

    def build(
        self,
        title: str,
        outputs: Sequence[int],
        note: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> GraphView:
        """The finished view; ``outputs`` are drawn as outputs."""
        users: list[dict[int, None]] = [{} for _ in self.rows]
        for row in self.rows:
            for tail in row["inputs"]:
                users[tail - 1][row["id"]] = None
        for end in outputs:
            if self.rows[end - 1]["kind"] == "op":
                self.rows[end - 1]["kind"] = "output"
        nodes = tuple(
            NodeView(users=tuple(ids), **row) for ids, row in zip(users, self.rows, strict=True)
        )
        tree = scope_tree(nodes, labels)
        return GraphView(title, nodes, tuple(self.edges), tuple(outputs), tree, note)
