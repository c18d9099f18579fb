"""The graph in words: for text/plain, for a screen reader, for a diff."""

from __future__ import annotations

from collections import Counter

from .fold import scalar
from .measure import brief, shape_text
from .view import WORDS, GraphView, Kind, NodeView, modules_of

LIMIT = 120  # lines; a longer list nobody reads to its end


def transcript(view: GraphView, limit: int = LIMIT) -> str:
    """The nodes in order, one a line: number, kind, name, shape, value, from, to.

    The same graph gives the same text everywhere: no ids, addresses or times. Of more than
    ``limit`` nodes the last ones are listed.
    """
    kinds = Counter(node.kind for node in view.nodes)
    order: list[Kind] = ["input", "param", "const", "op", "output"]
    parts = [_count(kinds[kind], WORDS[kind]) for kind in order if kinds[kind]]
    head = f"graph of {view.title}: {_count(len(view), 'node')} ({', '.join(parts)})"
    lines = [head]
    if view.note:
        lines += [f"  {line}" for line in view.note.splitlines()]
    nodes = view.nodes
    if len(nodes) > limit:
        nodes = nodes[-limit:]
        lines.append(f"  ... {len(view) - limit:,} nodes before these")
    width = len(f"#{len(view)}")
    lines += [f"{f'#{node.id}':>{width}} {_line(view, node)}" for node in nodes]
    return "\n".join(lines)


def _line(view: GraphView, node: NodeView) -> str:
    label = f"{node.name} = {node.op}" if node.op and node.name else node.name or node.label
    text = f"{WORDS[node.kind]} {label}"
    if node.kind != "const" or node.shape != ():
        text += f" {node.dtype} {shape_text(node.shape)}".replace("  ", " ")
        if node.device != "cpu":
            text += f" {node.device}"
        if node.shape == () and node.value is not None:
            text += f" value {_plain(node.value)}"
        if node.shape == () and node.gradient is not None:
            text += f" gradient {_plain(node.gradient)}"
    if modules_of(node.scope):  # functions are known only where lines are kept: not everywhere
        text += f" in {modules_of(node.scope)}"
    if node.gradient_at:
        text += " gradient at " + " + ".join(_call(view.node(i)) for i in node.gradient_at)
    if node.inputs:
        text += " from " + ", ".join(_call(view.node(i)) for i in node.inputs)
    if node.users:
        shown = [_call(view.node(i)) for i in node.users[:6]]
        more = len(node.users) - len(shown)
        text += " to " + ", ".join([*shown, f"{more} more"] if more > 0 else shown)
    return " ".join(text.split())


def _plain(value: object) -> str:
    return brief(scalar(value)).replace("\N{MINUS SIGN}", "-")


def _call(node: NodeView) -> str:
    return f"{node.label} #{node.id}"


def _count(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
