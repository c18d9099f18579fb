"""Places for boxes, modules and lines, by Graphviz: in this process, or by a ``dot`` program."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import graphviz

from ..errors import LabError
from .dot import box_names, main_path, skeleton
from .fold import Drawing

Point = tuple[float, float]

_LOCK = threading.Lock()  # Graphviz keeps global state, and widgets answer on another thread
_AIR = 9.0  # around the picture: the ring of a selected node needs 5


class LayoutError(LabError, RuntimeError):
    """The picture cannot be laid out; the transcript still can be read."""


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle: its upper left corner and its size, in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Route:
    """A line: Bezier points (1 + 3 n of them), the arrow's tip, the middle of its text.

    The tip lies after the last point, or before the first one for a gradient.
    """

    points: tuple[Point, ...]
    tip: Point | None
    text: Point | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """Where everything of a drawing is: boxes and modules by key and path, lines by position."""

    width: float
    height: float
    boxes: Mapping[str, Rect]
    modules: Mapping[str, Rect]
    routes: Mapping[int, Route]


def engine() -> str | None:
    """What lays out on this machine: ``"pygraphviz"``, ``"dot"``, or None."""
    if importlib.util.find_spec("pygraphviz") is not None:
        return "pygraphviz"
    return "dot" if shutil.which("dot") else None


def layout(drawing: Drawing, labels: Mapping[int, tuple[float, float]] | None = None) -> Layout:
    """Lay out a drawing from top to bottom.

    ``labels`` gives the size of the text on a link, by the link's position. Raises LayoutError
    where this machine has no Graphviz.
    """
    raw, complaints = _run(skeleton(drawing, main_path(drawing), labels))
    if "Error" in complaints:  # a straight main path and the modules do not always go together
        raw, _ = _run(skeleton(drawing, (), labels))
    return _read(drawing, raw)


def _run(source: str) -> tuple[dict[str, Any], str]:
    """What Graphviz says of a graph: its places, and its complaints."""
    found = engine()
    if found is None:
        raise LayoutError(
            "the picture needs Graphviz, which is not on this machine\n"
            "  expected the Python package pygraphviz, or a program dot\n"
            "  install it with: python -m pip install pygraphviz"
        )
    with _LOCK, _heard() as complaints:
        if found == "pygraphviz":
            import pygraphviz  # only where a picture is drawn: it loads a library of 10 MB

            raw = pygraphviz.AGraph(string=source).draw(format="json0", prog="dot")
        else:
            raw = graphviz.Source(source).pipe(format="json0", engine="dot", quiet=True)
    places: dict[str, Any] = json.loads(raw)
    return places, "".join(complaints)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Catch what C code writes to file descriptor 2, so that it does not end up in a notebook.

    Python's own messages do not go this way there: ipykernel sends them over its own channel.
    """
    complaints: list[str] = []
    try:
        kept = os.dup(2)
    except OSError:  # a program without a standard error
        yield complaints
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield complaints
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            complaints.append(file.read().decode(errors="replace"))


def _read(drawing: Drawing, raw: dict[str, Any]) -> Layout:
    left, bottom, right, top = (float(c) for c in raw["bb"].split(","))

    def place(x: float, y: float) -> Point:
        return round(x - left + _AIR, 1), round(top - y + _AIR, 1)

    keys = {name: key for key, name in box_names(drawing).items()}
    boxes: dict[str, Rect] = {}
    modules: dict[str, Rect] = {}
    for item in raw.get("objects", []):
        name = item["name"]
        if name.startswith("cluster_"):
            if "bb" not in item:
                continue
            x0, y0, x1, y1 = (float(c) for c in item["bb"].split(","))
            x, y = place(x0, y1)
            path = drawing.modules[int(name[8:])].path
            modules[path] = Rect(x, y, round(x1 - x0, 1), round(y1 - y0, 1))
        else:
            x, y = (float(c) for c in item["pos"].split(","))
            width, height = 72 * float(item["width"]), 72 * float(item["height"])
            x, y = place(x - width / 2, y + height / 2)
            boxes[keys[name]] = Rect(x, y, round(width, 1), round(height, 1))
    routes = {}
    for item in raw.get("edges", []):
        if "id" not in item:  # an invisible one, that only keeps modules in line
            continue
        points, tip = [], None
        for word in item["pos"].split():
            *mark, px, py = word.split(",")
            point = place(float(px), float(py))
            if mark:
                tip = point
            else:
                points.append(point)
        text = place(*(float(c) for c in item["lp"].split(","))) if "lp" in item else None
        routes[int(item["id"])] = Route(tuple(points), tip, text)
    width, height = right - left + 2 * _AIR, top - bottom + 2 * _AIR
    return Layout(round(width, 1), round(height, 1), boxes, modules, routes)
