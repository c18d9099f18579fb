"""What of a graph is drawn: modules open or folded, and a window on graphs that are too large."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass

from .measure import brief, shape_text, shorten
from .view import BACKWARD, UPDATES, WORDS, Edge, Flow, GraphView, NodeView, Scope, word_of

FOLD_FROM = 60  # boxes from which on modules are folded by default
LARGE = 1000  # nodes from which on a note says that they are folded
CAP = 400  # boxes drawn at most: more can be neither read nor laid out at once


@dataclass(frozen=True, eq=False, slots=True)
class Box:
    """One box of the drawing: a node, a folded module, or the rest beyond the window.

    ``key`` is stable: ``n7`` for node 7, ``m`` and the path for a module, ``earlier`` and
    ``later`` for the rest. ``goto`` is the node to which a rest box leads.
    """

    key: str
    kind: str
    title: str
    detail: str
    say: str
    scope: str
    members: tuple[int, ...]
    goto: int = 0
    parts: bool = False  # whether its op is made of smaller ones and can be opened

    @property
    def node(self) -> int:
        """The number of the node, 0 for a module or a rest."""
        return int(self.key[1:]) if self.key[0] == "n" else 0


@dataclass(frozen=True, eq=False, slots=True)
class Link:
    """A line between two boxes, for one edge of the graph or for several that were folded."""

    tail: str
    head: str
    flow: Flow
    edges: tuple[Edge, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Drawing:
    """The boxes, lines and open modules of one picture of ``view``."""

    view: GraphView
    boxes: tuple[Box, ...]
    links: tuple[Link, ...]
    modules: tuple[Scope, ...]  # open ones, outer before inner
    closed: frozenset[str]
    note: str


def closed_scopes(view: GraphView, depth: int | None = None) -> frozenset[str]:
    """The modules that are folded at first.

    ``depth`` levels are open (0: every module is one box). With None the deepest level is chosen
    that keeps the picture at ``FOLD_FROM`` boxes; one more where that would fold nearly all. The
    backward pass and the updates of a training step are folded then: one looks forward first.
    """
    level = {path: path.count(".") + 1 for path in frames(view)}
    deepest = max(level.values(), default=0)
    later = {BACKWARD, UPDATES} & level.keys() if depth is None else set()
    if depth is None:
        depth = deepest
        while depth > 0 and _boxes_at(view, depth) > FOLD_FROM:
            depth -= 1
        if _boxes_at(view, depth) < 6 and _boxes_at(view, depth + 1) <= CAP:
            depth += 1
    return frozenset(path for path, at in level.items() if at > depth) | later


def _boxes_at(view: GraphView, depth: int) -> int:
    seen = set()
    for node in view.nodes:
        parts = node.scope.split(".") if node.scope else []
        seen.add(".".join(parts[: depth + 1]) if len(parts) > depth else node.id)
    return len(seen)


def frames(view: GraphView) -> set[str]:
    """The modules that get a frame and can be folded.

    Around a single node a frame says nothing, and none around all ops of the graph either. An op
    that was opened keeps its frame, to be folded again.
    """
    counts: Counter[str] = Counter()
    ops: Counter[str] = Counter()
    made = Counter(node.scope for node in view.nodes if node.op)
    for scope, count in Counter(node.scope for node in view.nodes).items():
        for cut in _cuts(scope):
            path = scope[: len(scope) - cut]
            counts[path] += count
            ops[path] += made[scope]
    total = made.total()
    return {
        path
        for path, count in counts.items()
        if word_of(path) == "op" or (count > 1 and ops[path] < total)
    }


def draw(
    view: GraphView, closed: Collection[str] | None = None, focus: int = 0, cap: int = CAP
) -> Drawing:
    """Choose the boxes and lines for ``view`` with the modules in ``closed`` folded.

    Where more than ``cap`` boxes would be drawn, only those nearest to node ``focus`` are (the
    first output, if 0), and a box at each end leads on.
    """
    shut = closed_scopes(view) if closed is None else frozenset(closed)
    home: dict[str, str] = {}  # scope -> the outermost folded module around it, or ""
    for scope in view.scopes.walk():
        parent = home.get(scope.path.rpartition(".")[0], "")
        home[scope.path] = parent or (scope.path if scope.path in shut else "")
    key = [f"m{home[node.scope]}" if home[node.scope] else f"n{node.id}" for node in view.nodes]
    members: dict[str, list[int]] = {}
    for node in view.nodes:
        members.setdefault(key[node.id - 1], []).append(node.id)

    note, goto = "", {}
    if len(members) > cap:
        start = key[(focus or view.outputs[0]) - 1]
        shown = _window(view, key, members, start, cap)
        last = max(number_ for k in shown for number_ in members[k])
        goto = _rests(view, key, shown)
        for i, k in enumerate(key):
            if k not in shown:
                # Rests beside the window that lead nowhere are drawn with the ones before it.
                key[i] = "later" if i + 1 > last and "later" in goto else "earlier"
        members = {}
        for node in view.nodes:
            members.setdefault(key[node.id - 1], []).append(node.id)
        note = (
            f"{len(view):,} nodes: the {len(shown):,} boxes nearest to "
            f"{_call(view.node(focus or view.outputs[0]))} are drawn. "
            "The dashed boxes at the ends lead on, search finds every node."
        )

    elif len(view) > LARGE and len(members) < len(view):
        note = (
            f"{len(view):,} nodes, folded to {len(members):,} boxes: "
            "open one to look inside. Search finds every node."
        )
    labels = {scope.path: scope.label for scope in view.scopes.walk()}
    links = _links(view, key)
    into: dict[str, list[str]] = {}
    outof: dict[str, list[str]] = {}
    for link in links:
        if link.flow == "forward":
            into.setdefault(link.head, []).append(link.tail)
            outof.setdefault(link.tail, []).append(link.head)

    def name(k: str) -> str:
        if k[0] == "m":
            return labels[k[1:]]
        if k[0] == "n":
            return _call(view.node(int(k[1:])))
        return f"{k} nodes"

    def ways(k: str) -> str:
        text = ""
        for word, table in (("from", into), ("to", outof)):
            names = [name(other) for other in dict.fromkeys(table.get(k, []))]
            if len(names) > 4:
                names = [*names[:3], f"{len(names) - 3} more"]
            text += f", {word} {', '.join(names)}" if names else ""
        return text

    boxes = []
    for k, ids in members.items():
        if k[0] == "n":
            boxes.append(_node_box(view, view.node(ids[0]), ways(k)))
        elif k[0] == "m":
            path = k[1:]
            count = _count(len(ids), "node")
            say = f"{labels[path]}, folded {word_of(path)} of {count}{ways(k)}"
            parent = path.rpartition(".")[0]
            boxes.append(
                Box(k, "folded", shorten(labels[path], 28), count, say, parent, tuple(ids))
            )
        else:
            count = _count(len(ids), "node")
            say = f"{count} {k}, not drawn{ways(k)}"
            boxes.append(Box(k, "rest", f"{k} …", count, say, "", tuple(ids), goto.get(k, ids[0])))

    framed = frames(view)
    drawn = {box.scope for box in boxes}
    around = {path[: len(path) - cut] for path in drawn for cut in _cuts(path)}
    modules = tuple(
        scope
        for scope in view.scopes.walk()
        if scope.path in around and scope.path in framed and not home[scope.path]
    )
    return Drawing(view, tuple(boxes), tuple(links), modules, shut, note)


def keys(drawing: Drawing) -> list[str]:
    """All that can be selected: boxes, and the titles of open modules."""
    return [f"o{scope.path}" for scope in drawing.modules] + [box.key for box in drawing.boxes]


def around(scope: str) -> set[str]:
    """A module and all modules around it."""
    return {scope[: len(scope) - cut] for cut in _cuts(scope)}


def outline(drawing: Drawing) -> list[tuple[str, int]]:
    """All that can be selected as a list: keys in reading order, with how deep they stand."""
    first = {scope.path: min(n for s in scope.walk() for n in s.nodes) for scope in drawing.modules}
    inside: dict[str, list[tuple[int, int, str, str]]] = {}

    def home(path: str) -> str:
        while path and path not in first:
            path = path.rpartition(".")[0]
        return path

    for path, number in first.items():
        at = home(path.rpartition(".")[0])
        inside.setdefault(at, []).append((number, 0, f"o{path}", path))
    for box in drawing.boxes:
        last = box.key == "later"
        inside.setdefault(home(box.scope), []).append((box.members[last and -1], 1, box.key, ""))
    rows: list[tuple[str, int]] = []
    todo = [(entry, 1) for entry in sorted(inside.get("", []), reverse=True)]
    while todo:
        (_, _, key, path), level = todo.pop()
        rows.append((key, level))
        if path:
            todo += [(e, level + 1) for e in sorted(inside.get(path, []), reverse=True)]
    return rows


def _cuts(path: str) -> list[int]:
    """How many letters to cut from ``path`` to get itself and each path around it."""
    if not path:
        return []
    return [0, *(len(path) - i for i, letter in enumerate(path) if letter == ".")]


def _node_box(view: GraphView, node: NodeView, ways: str) -> Box:
    title, detail = titles(node)
    where = f"{WORDS[node.kind]} {node.id} of {len(view)}"
    named = f"{node.name} = {node.op}" if node.op and node.name else node.name or node.label
    say = f"{named} {detail}".rstrip() + f", {where}{ways}"
    parts = node.parts is not None
    return Box(f"n{node.id}", node.kind, title, detail, say, node.scope, (node.id,), parts=parts)


def titles(node: NodeView) -> tuple[str, str]:
    """The two lines in a node's box: ``("h = relu", "(32, 128)")``.

    The second is the value of a single number, else the shape, with the type where it is not
    float32; a constant number has one line.
    """
    title = f"{shorten(node.name, 16)} = {node.label}" if node.op and node.name else node.label
    if node.kind == "const" and node.shape == ():
        return shorten(title.replace("-", "\u2212"), 28), ""
    detail = shape_text(node.shape)
    if node.shape == () and node.value is not None:
        detail = brief(scalar(node.value))
    if node.dtype and node.dtype != "float32" and node.shape != ():
        detail += f" {node.dtype}"
    return shorten(title, 28), shorten(detail, 30)


def scalar(value: object) -> object:
    """The Python number in a 0-d array, whatever its library; a number as it is."""
    item = getattr(value, "item", None)
    return item() if callable(item) else value


def _call(node: NodeView) -> str:
    return node.name if node.op and node.name else node.label


def _count(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _links(view: GraphView, key: list[str]) -> list[Link]:
    """One line for each edge between two nodes; between folded boxes one for all of them."""
    bundles: dict[tuple[str, str, Flow, int], list[Edge]] = {}
    for edge in view.edges:
        tail, head = key[edge.tail - 1], key[edge.head - 1]
        if tail == head:
            continue
        single = tail[0] == "n" and head[0] == "n"
        bundle = (tail, head, edge.flow, edge.index if single else -1)
        bundles.setdefault(bundle, []).append(edge)
    return [Link(t, h, flow, tuple(edges)) for (t, h, flow, _), edges in bundles.items()]


def _window(
    view: GraphView, key: list[str], members: dict[str, list[int]], start: str, cap: int
) -> set[str]:
    """The boxes nearest to ``start``, inputs before users: one reads a result backwards."""
    shown, queue = {start}, deque([start])
    while queue and len(shown) < cap:
        for number_ in members[queue.popleft()]:
            node = view.node(number_)
            for other in (*node.inputs, *node.users):
                k = key[other - 1]
                if k not in shown and len(shown) < cap:
                    shown.add(k)
                    queue.append(k)
    return shown


def _rests(view: GraphView, key: list[str], shown: set[str]) -> dict[str, int]:
    """For each end of the window that goes on, the nearest node beyond it."""
    goto: dict[str, int] = {}
    for edge in view.flows("forward"):
        tail, head = key[edge.tail - 1] in shown, key[edge.head - 1] in shown
        if head and not tail:
            goto["earlier"] = max(goto.get("earlier", 0), edge.tail)
        elif tail and not head:
            goto["later"] = min(goto.get("later", edge.head), edge.head)
    return goto
