"""What boxes are coloured by, and the same as text on them: never by colour alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .fold import Box, Drawing
from .measure import duration, number, quantity, shorten
from .view import WORDS, GraphView, NodeView

MODES = ("kind", "module", "device", "time", "memory", "gradient")
CLASSES = 4  # hues that every eye can tell apart; what is left is "others"
STEPS = 5


@dataclass(frozen=True, slots=True)
class Colours:
    """A mark and a text for boxes by key, and the legend: marks with what they mean.

    Marks are ``c0`` to ``c3`` and ``rest`` for classes, ``s0`` to ``s4`` for sizes, and a kind's
    name for kinds.
    """

    by: str
    marks: Mapping[str, tuple[str, str]]
    legend: tuple[tuple[str, str], ...]


def colours(drawing: Drawing, by: str, seconds: Mapping[int, float | None]) -> Colours:
    """The colours of a drawing by one of ``MODES``; ``seconds`` are measured times by node."""
    if by == "kind":
        kinds = [kind for kind in WORDS if any(box.kind == kind for box in drawing.boxes)]
        legend: list[tuple[str, str]] = [(kind, WORDS[kind]) for kind in kinds]
        if any(box.kind == "folded" for box in drawing.boxes):
            legend.append(("pile", "folded module"))
        if any(link.flow == "gradient" for link in drawing.links):
            legend.append(("grad", "gradient"))
        return Colours(by, {}, tuple(legend))
    if by in ("module", "device"):
        return _classes(drawing, by)
    sizes = {
        box.key: size
        for box in drawing.boxes
        if box.kind != "rest" and (size := _size(drawing.view, box, by, seconds)) is not None
    }
    return _steps(drawing, by, sizes)


def _classes(drawing: Drawing, by: str) -> Colours:
    view = drawing.view
    boxes = [box for box in drawing.boxes if box.kind != "rest"]
    homes = {b.key: b.key[1:] if b.kind == "folded" else b.scope for b in boxes}
    level = _level(list(homes.values()))
    labels = {scope.path: scope.label for scope in view.scopes.walk()}
    names: dict[str, str] = {}
    for box in boxes:
        if by == "device":
            nodes = [view.node(i) for i in box.members]
            name = " + ".join(dict.fromkeys(node.device for node in nodes if node.kind != "const"))
        else:
            name = ".".join(homes[box.key].split(".")[:level])
        if name:
            names[box.key] = name
    order = list(dict.fromkeys(names.values()))
    if len(order) > CLASSES:
        order = [name for name, _ in Counter(names.values()).most_common(CLASSES)]
    mark = {name: f"c{i}" for i, name in enumerate(order)}
    marks = {k: (mark.get(name, "rest"), labels.get(name, name)) for k, name in names.items()}
    legend = [(mark[name], shorten(labels.get(name, name), 24)) for name in order]
    others = len(set(names.values()) - set(order))
    if others:
        legend.append(("rest", f"{others} others"))
    if len(names) < len(boxes):
        legend.append(("none", "outside of modules" if by == "module" else "no device"))
    return Colours(by, marks, tuple(legend))


def _level(homes: Sequence[str]) -> int:
    """How many levels of modules tell boxes apart: the most with as many names as colours."""
    deepest = max(home.count(".") + 1 for home in homes)
    counts = [
        len({".".join(home.split(".")[:level]) for home in homes if home})
        for level in range(1, deepest + 1)
    ]
    fits = [level for level, count in enumerate(counts, 1) if count <= CLASSES]
    if fits and counts[fits[-1] - 1] > 1:
        return fits[-1]
    return next((level for level, count in enumerate(counts, 1) if count > 1), 1)


def _size(view: GraphView, box: Box, by: str, seconds: Mapping[int, float | None]) -> float | None:
    """What a box measures: of a folded module the sum, of gradients the norm of all parameters."""
    nodes = [view.node(i) for i in box.members]
    if by == "time":
        found = [seconds.get(node.id) for node in nodes]
        return _total(found)
    if by == "memory":
        return _total([_bytes(node) for node in nodes if node.kind != "const"])
    if box.kind == "folded":
        nodes = [node for node in nodes if node.kind == "param"]
    norms = [norm for node in nodes if (norm := _norm(view.known(node))) is not None]
    return math.sqrt(sum(norm * norm for norm in norms)) if norms else None


def _total(parts: list[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _bytes(node: NodeView) -> float:
    try:
        return float(node.size * np.dtype(node.dtype).itemsize)
    except TypeError:
        return 4.0 * node.size


def _norm(node: NodeView) -> float | None:
    """The Euclidean norm of the gradient; NaN and infinity stay."""
    g = node.gradient
    if g is None:
        return None
    get = getattr(g, "get", None)
    flat = np.asarray(get() if callable(get) else g).astype(np.float64).ravel()
    return float(np.sqrt(np.dot(flat, flat)))


def _steps(drawing: Drawing, by: str, sizes: Mapping[str, float]) -> Colours:
    """Five steps of one hue, even on a logarithmic scale."""
    write = {"time": duration, "memory": lambda x: quantity(x, "B"), "gradient": number}[by]
    finite = [x for x in sizes.values() if 0 < x < math.inf]
    low, high = (min(finite), max(finite)) if finite else (1.0, 1.0)
    span = math.log(high / low)

    def step(x: float) -> int:
        if not x < math.inf:
            return STEPS - 1
        return 0 if x <= low or not span else min(STEPS - 1, int(STEPS * math.log(x / low) / span))

    marks = {key: (f"s{step(x)}", write(x)) for key, x in sizes.items()}
    used = sorted({mark for mark, _ in marks.values()})
    legend = []
    for mark in used:
        inside = [x for key, x in sizes.items() if marks[key][0] == mark]
        ends = dict.fromkeys((write(min(inside)), write(max(inside))))
        legend.append((mark, " to ".join(ends)))
    missing = any(b.key not in sizes for b in drawing.boxes if b.kind not in ("rest", "const"))
    if missing or not legend:
        words = {"time": "not measured", "memory": "unknown", "gradient": "no gradient"}
        legend.append(("none", words[by]))
    return Colours(by, marks, tuple(legend))
