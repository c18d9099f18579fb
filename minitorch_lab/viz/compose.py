"""Ops taken apart in the picture: in place of one node, the smaller ops that it is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .view import Edge, GraphView, NodeView, scope_tree, word_of


def opened(view: GraphView, numbers: Iterable[int]) -> GraphView:
    """The graph with these nodes opened, one after the other.

    Numbers stay: the parts get new ones after all others, and the last part, which computes the
    same value, takes the number of the whole.
    """
    for number in numbers:
        view = _open(view, number)
    return view


def path_of(whole: NodeView) -> str:
    """The box around the parts of a node: "Net.fc1.layer_norm #7"."""
    return f"{whole.scope}.{whole.op} #{whole.id}".lstrip(".")


def opened_op(path: str) -> int:
    """The number of the op that was opened into this box; 0 for a module or a function."""
    number = path.rpartition(".")[2].rpartition(" #")[2]
    return int(number) if word_of(path) == "op" and number.isdigit() else 0


def _open(view: GraphView, number: int) -> GraphView:
    whole = view.known(view.node(number))
    assert whole.parts is not None
    inner = whole.parts([view.value(i) for i in whole.inputs], whole.gradient)
    place = _places(view, whole, inner)
    path = path_of(whole)
    nodes = {node.id: node for node in view.nodes}
    for part in inner.nodes:
        at = place[part.id]
        if at in whole.inputs:
            continue
        inputs = tuple(place[i] for i in part.inputs)
        now = replace(part, id=at, scope=path, source=whole.source, inputs=inputs, users=())
        if at == number:  # the same value as ever, by its last op
            now = replace(
                now, kind=whole.kind, name=whole.name, value=whole.value, note=whole.note,
                gradient=whole.gradient, gradient_note=whole.gradient_note, users=whole.users,
                gradient_at=whole.gradient_at, gradient_of=whole.gradient_of,
            )  # fmt: skip
        nodes[at] = now
    edges = [edge for edge in view.edges if edge.head != number]
    edges += [Edge(place[e.tail], place[e.head], e.index, e.flow, e.value) for e in inner.edges]
    users: dict[int, dict[int, None]] = {at: {} for at in nodes}
    for node in nodes.values():
        for i in node.inputs:
            users[i][node.id] = None
    parts = {*place.values(), *whole.inputs}
    done = tuple(
        replace(node, users=tuple(users[at])) if at in parts else node
        for at, node in sorted(nodes.items())
    )
    labels = {scope.path: scope.label for scope in view.scopes.walk()}
    return replace(view, nodes=done, edges=tuple(edges), scopes=scope_tree(done, labels))


def _places(view: GraphView, whole: NodeView, inner: GraphView) -> dict[int, int]:
    """For each node of the parts its number in the graph."""
    numbers = [i for i in whole.inputs if view.node(i).kind == "const"]
    place, count = {}, len(view)
    for part in inner.nodes:
        same = [i for i in numbers if view.node(i).label == part.label]
        if part.id == inner.outputs[0]:
            place[part.id] = whole.id
        elif part.name.startswith("@"):
            place[part.id] = whole.inputs[int(part.name[1:])]
        elif part.kind == "const" and same:  # a number that was an input
            place[part.id] = same[0]
        else:
            count += 1
            place[part.id] = count
    return place
