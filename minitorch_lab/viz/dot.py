"""The graph in Graphviz's language, by the ``graphviz`` package, which also does the escaping."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import graphviz

from .fold import Box, Drawing
from .measure import code_width, text_width
from .view import Scope

# How a kind looks in a picture that somebody else's Graphviz draws: shape first, as in our own.
_LOOKS: Mapping[str, dict[str, str]] = {
    "input": {"style": "rounded", "color": "#0072b2"},
    "param": {"peripheries": "2", "color": "#05976e"},
    "const": {"style": "dashed", "color": "#777777"},
    "op": {"color": "#777777"},
    "output": {"penwidth": "2.5", "color": "#c3719f"},
    "folded": {"shape": "box3d", "color": "#777777"},
    "rest": {"style": "dashed", "color": "#777777"},
}
_HEIGHT = 40.0
LABEL_HEIGHT = 16  # of a module's title


def dot(drawing: Drawing) -> str:
    """DOT text of the picture with its labels, for any Graphviz.

    Forward edges are plain, gradient edges dashed and of their own, modules are clusters.
    """
    graph = graphviz.Digraph(
        graph_attr={"rankdir": "TB", "fontname": "Helvetica", "label": _plain(drawing.view.title)},
        node_attr={"shape": "box", "fontname": "Helvetica", "fontsize": "11"},
        edge_attr={"color": "#777777", "arrowsize": "0.6"},
    )
    names = box_names(drawing)

    def put(into: graphviz.Digraph, box: Box) -> None:
        label = _plain(*filter(None, (box.title, box.detail)))
        into.node(names[box.key], label, _attributes=_LOOKS[box.kind], tooltip=_plain(box.say))

    for cluster, scope in _nest(graph, drawing, put):
        cluster.attr(label=_plain(scope.label), labeljust="l", color="#bbbbbb")
    for link in drawing.links:
        back = {"dir": "back", "style": "dashed", "color": "#d55e00", "arrowtail": "open"}
        looks = back if link.flow == "gradient" else {}
        graph.edge(names[link.tail], names[link.head], _attributes=looks)
    return str(graph.source)


def skeleton(
    drawing: Drawing,
    straight: Collection[str] = (),
    labels: Mapping[int, tuple[float, float]] | None = None,
) -> str:
    """DOT text for the layout alone: boxes of our measured sizes and not a letter of text.

    Without text Graphviz needs no fonts: places are the same on every machine, and no Fontconfig
    warning reaches a notebook. The boxes with the keys ``straight`` are put in one line. Links are
    known by their position as ``id``; ``labels`` gives the size of a text on a link.
    """
    graph = graphviz.Digraph(
        graph_attr={"nodesep": "0.26", "ranksep": "0.52", "splines": "true", "newrank": "true"},
        node_attr={"shape": "box", "fixedsize": "true", "label": ""},
        edge_attr={"arrowsize": "0.6"},
    )
    names = box_names(drawing)

    def put(into: graphviz.Digraph, box: Box) -> None:
        width, height = box_size(box)
        into.node(
            names[box.key],
            width=f"{width / 72:.3f}",
            height=f"{height / 72:.3f}",
            group="main" if box.key in straight else "",
        )

    for cluster, scope in _nest(graph, drawing, put):
        cluster.attr(label=_space(text_width(scope.label, 12) + 20), labeljust="l", margin="11")
    kinds = {box.key: box.kind for box in drawing.boxes}
    for above, below in _steps(drawing):
        graph.edge(names[above], names[below], style="invis", weight="0")
    for position, link in enumerate(drawing.links):
        gradient = link.flow == "gradient"
        size = (labels or {}).get(position)
        graph.edge(
            names[link.tail],
            names[link.head],
            label=_space(*size) if size else None,
            id=str(position),
            dir="back" if gradient else "forward",
            weight="1" if gradient or kinds[link.tail] in ("param", "const") else "3",
        )
    return str(graph.source)


def box_names(drawing: Drawing) -> dict[str, str]:
    """DOT names by key: plain letters, whatever a module is called."""
    count = 0
    names = {}
    for box in drawing.boxes:
        if box.node:
            names[box.key] = box.key
        else:
            count += 1
            names[box.key] = f"box_{count}"
    return names


def box_size(box: Box) -> tuple[float, float]:
    """Width and height of a box in pixels, with room for fonts that are wider than ours."""
    sign = 22 if box.kind == "folded" else 0
    text = max(text_width(box.title) + sign, code_width(box.detail)) + 22
    return max(44.0, float(round(text))), 28.0 if not box.detail else _HEIGHT


def main_path(drawing: Drawing) -> set[str]:
    """The boxes from the first output back to an input, each by what feeds it: drawn in line."""
    feeds: dict[str, list[str]] = {}
    for link in drawing.links:
        if link.flow == "forward":
            feeds.setdefault(link.head, []).append(link.tail)
    boxes = {box.key: box for box in drawing.boxes}
    first = drawing.view.outputs[0] if drawing.view.outputs else 0
    key: str | None = next((box.key for box in drawing.boxes if first in box.members), None)
    path: set[str] = set()
    while key is not None and key not in path:
        path.add(key)
        made = ("op", "folded", "output")
        tails = sorted(feeds.get(key, []), key=lambda t: boxes[t].kind not in made)
        key = next((t for t in tails if boxes[t].kind in (*made, "input")), None)
    return path


def _steps(drawing: Drawing) -> list[tuple[str, str]]:
    """Pairs (above, below) that keep modules one under the other.

    A parameter may stand as high as it likes, so a chain of layers would be drawn as a staircase,
    each module beside the one before. It is held below the value that its op reads as well.
    """
    boxes = {box.key: box for box in drawing.boxes}
    feeds: dict[str, list[str]] = {}
    users: dict[str, list[int]] = {}
    for link in drawing.links:
        if link.flow == "forward":
            feeds.setdefault(link.head, []).append(link.tail)
            users.setdefault(link.tail, []).append(boxes[link.head].members[0])
    pairs: dict[tuple[str, str], None] = {}  # a set in a fixed order
    for head, tails in feeds.items():
        values = [t for t in tails if boxes[t].kind not in ("param", "const", "rest")]
        for tail in tails:
            box = boxes[tail]
            if box.kind != "param" or not values or boxes[head].scope != box.scope:
                continue
            above = next((boxes[v] for v in values if boxes[v].scope != box.scope), None)
            # A parameter that is used before that value (tied weights) may well be needed for it.
            if above is not None and above.members[-1] < min(users[tail]):
                pairs[above.key, tail] = None
    return list(pairs)


def _nest(
    graph: graphviz.Digraph, drawing: Drawing, put: Callable[[graphviz.Digraph, Box], None]
) -> Iterator[tuple[graphviz.Digraph, Scope]]:
    """Put every box into the cluster of its module; yields each cluster for its attributes."""
    clusters = {"": graph}
    for position, scope in enumerate(drawing.modules):
        clusters[scope.path] = graphviz.Digraph(name=f"cluster_{position}")
        yield clusters[scope.path], scope

    def home(path: str) -> str:
        while path not in clusters:
            path = path.rpartition(".")[0]
        return path

    for box in drawing.boxes:
        put(clusters[home(box.scope)], box)
    for scope in reversed(drawing.modules):  # inner ones first: a subgraph is copied as it stands
        clusters[home(scope.path.rpartition(".")[0])].subgraph(clusters[scope.path])


def _plain(*lines: str) -> Any:
    """Lines of text as themselves: no HTML-like label, no backslash escapes of a learner's."""
    return graphviz.nohtml(r"\n".join(graphviz.escape(" ".join(line.split())) for line in lines))


def _space(width: float, height: float = LABEL_HEIGHT) -> str:
    """A label without text that takes up room."""
    return (
        f'<<TABLE BORDER="0" FIXEDSIZE="TRUE" WIDTH="{round(width)}" HEIGHT="{round(height)}">'
        "<TR><TD></TD></TR></TABLE>>"
    )
