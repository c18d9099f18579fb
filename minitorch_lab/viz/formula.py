"""Formulas for a page: LaTeX of the op table as MathML, which browsers typeset themselves."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from xml.etree import ElementTree

_SPACE = "http://www.w3.org/1998/Math/MathML"
# What a formula is made of. Anything else (links, scripts, HTML) means: show the LaTeX instead.
_PARTS = re.compile(
    "math|mrow|mi|mn|mo|mtext|mspace|msup|msub|msubsup|mover|munder|munderover|mfrac|msqrt|mroot|"
    "mtable|mtr|mtd|mstyle|mpadded"
)
_ATTRIBUTES = re.compile(
    "display|stretchy|fence|form|width|mathvariant|accent|columnalign|linethickness|displaystyle|"
    "scriptlevel|movablelimits|separator|minsize|maxsize|symmetric|largeop|lspace|rspace"
)
_APART = re.compile(r"\s*,?\s*\\q?quad\s*")
_NAME = re.compile(r"[A-Za-z]{2,}")


def formulas(latex: str) -> str:
    """The formulas of one text, apart by ``\\quad``: each can go on a line of its own."""
    return " ".join(mathml(part) for part in _APART.split(latex) if part.strip())


@cache
def mathml(latex: str) -> str:
    """A ``<math>`` element for a formula; the LaTeX as code where it cannot be converted.

    >>> mathml("y < 1").startswith("<math"), mathml(r"\\\\href{x}{y}").startswith("<code>")
    (True, True)
    """
    from latex2mathml.converter import convert  # 60 ms, and only a panel needs it

    plain = f"<code>{escape(latex)}</code>"
    try:
        tree = ElementTree.fromstring(convert(latex))
    except Exception:  # noqa: BLE001 -- its errors have no common class; the LaTeX is readable too
        return plain
    for part in tree.iter():
        part.tag = part.tag.removeprefix(f"{{{_SPACE}}}")
        if not _PARTS.fullmatch(part.tag) or not all(map(_ATTRIBUTES.fullmatch, part.attrib)):
            return plain
    _typeset(tree)
    return ElementTree.tostring(tree, encoding="unicode")


def _typeset(tree: ElementTree.Element) -> None:
    """Put right what shows: short bars over letters, a gap after the name of a function."""
    for part in tree.iter():
        if part.tag == "mo" and len(part) == 0 and _NAME.fullmatch(part.text or ""):
            part.tag = "mi"  # max, min, mean: functions, not operators with space around
        if part.tag == "mover" and len(part) == 2 and part[1].text in ("¯", "‾"):
            part[1].attrib.update(stretchy="false")
    for part in tree.iter():
        children = list(part)
        for position in range(len(children) - 1, 0, -1):
            before, after = children[position - 1], children[position]
            word = before.tag == "mi" and _NAME.fullmatch(before.text or "")
            if word and after.tag not in ("mo", "mspace"):
                part.insert(position, ElementTree.Element("mspace", width="0.167em"))
