"""Marks on a picture: more attributes for boxes, lines and frames, known by key."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

Marks = Mapping[str, str]

_SVG = "http://www.w3.org/2000/svg"
_G = f"{{{_SVG}}}g"


def marked(
    picture: str,
    boxes: Mapping[str, Marks],
    lines: Mapping[tuple[str, str], Marks] | None = None,
    frames: Mapping[str, Marks] | None = None,
) -> str:
    """The picture with ``boxes`` marked by key, ``lines`` by the keys of their ends, and frames.

    Frames of modules are known by path; their titles take the marks too. A mark "class" is added
    to the classes that are there, any other takes the place of what is there.
    """
    root = _tree(picture)
    for g in root.iter(_G):
        key, ends = g.get("data-key"), (g.get("data-tail", ""), g.get("data-head", ""))
        if key is not None and key[:1] == "o":
            _put(g, (frames or {}).get(key[1:]))
        elif key is not None:
            _put(g, boxes.get(key))
        elif ends[0]:
            _put(g, (lines or {}).get(ends))
        elif g.get("data-frame") is not None:
            marks = dict((frames or {}).get(g.get("data-frame", ""), {}))
            marks.pop("aria-label", None)  # of the title, which is a button
            _put(g, marks)
    return _text(root)


def lidded(picture: str, lids: Mapping[str, tuple[str, str]]) -> str:
    """The picture with a lid over the frames in ``lids``, with two lines of text on it.

    A lid lies over all else, so that a frame can be shut and opened in its place. It has
    ``data-lid`` with the path of its frame.
    """
    root = _tree(picture)
    frames = {g.get("data-frame"): g for g in root.iter(_G) if g.get("data-frame") is not None}
    for path, texts in lids.items():
        rect = None if path not in frames else frames[path].find(f"{{{_SVG}}}rect")
        if rect is None:
            continue
        lid = ElementTree.SubElement(root, _G, {"class": "lid", "data-lid": path})
        ElementTree.SubElement(lid, f"{{{_SVG}}}rect", dict(rect.attrib))
        x, y, width, height = (float(rect.get(k, "0")) for k in ("x", "y", "width", "height"))
        for i, text in enumerate(texts):
            at = {"x": f"{x + width / 2:g}", "y": f"{y + height / 2 - 3 + 17 * i:g}"}
            line = ElementTree.SubElement(
                lid, f"{{{_SVG}}}text", at | {"class": "shape"} if i else at
            )
            line.text = text
        lid.set("aria-hidden", "true")
    return _text(root)


def _tree(picture: str) -> ElementTree.Element:
    ElementTree.register_namespace("", _SVG)
    return ElementTree.fromstring(picture)  # our own text


def _text(root: ElementTree.Element) -> str:
    return ElementTree.tostring(root, encoding="unicode")


def _put(g: ElementTree.Element, marks: Marks | None) -> None:
    for name, value in (marks or {}).items():
        before = g.get("class", "") + " " if name == "class" else ""
        g.set(name, before + value)
