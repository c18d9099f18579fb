"""Cards: the panels of a lesson as HTML, with the widgets' stylesheet.

Loads no Jupyter package, so that `lab.check` works in a plain Python session too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from pathlib import Path

_STATIC = Path(__file__).parent / "static"


def rich(text: str) -> str:
    """Text as HTML, escaped; what stands between backticks becomes code.

    >>> rich("`x < y` holds")
    '<code>x &lt; y</code> holds'
    """
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))


@cache
def style(*parts: str) -> str:
    """A ``<style>`` element with lab.css and the named parts, without comments and indentation."""
    names = ("lab", *parts)
    text = "\n".join((_STATIC / f"{name}.css").read_text(encoding="utf-8") for name in names)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    lines = (line.strip() for line in text.splitlines())
    return "<style>" + "\n".join(line for line in lines if line) + "</style>"


def card(kind: str, title: str, body: str, *, extra: str = "", aside: str = "") -> str:
    """One card: ``kind: title`` in its bar, then ``body`` (HTML).

    ``aside`` (HTML) stands at the right of the bar; ``extra`` is a class name for the card.
    """
    head = f'<h2><span class="muted">{escape(kind)}:</span> {rich(title)}</h2>{aside}'
    return (
        f'<section class="lab card {extra}" aria-label="{escape(f"{kind}: {title}")}">'
        f'<header class="bar">{head}</header><div class="inner">{body}</div></section>'
    )


def page(cards: str) -> str:
    """Cards with the stylesheet that they need."""
    return style("quiz") + cards


def said(text: str, tone: str = "", *, bold: bool = False) -> str:
    """A line of an answer, with a bar in its tone: "good", "bad" or none."""
    inner = f"<b>{rich(text)}</b>" if bold else rich(text)
    return f'<p class="said {tone}">{inner}</p>'


def note(text: str) -> str:
    """A line below the rest of a card, small and muted."""
    return f'<p class="muted small">{rich(text)}</p>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names with their values, in a row."""
    items = "".join(
        f'<span><span class="muted">{escape(name)}</span> <code>{escape(value)}</code></span>'
        for name, value in pairs
    )
    return f'<p class="facts">{items}</p>'


def badge(text: str, tone: str = "") -> str:
    """A small label."""
    return f'<span class="badge {tone}">{escape(text)}</span>'


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table of numbers, flush right."""
    heads = "".join(f'<th class="n" scope="col">{escape(c)}</th>' for c in columns)
    body = "".join("<tr>" + "".join(map(_number_cell, row)) + "</tr>" for row in rows)
    return (
        f'<table><caption class="hidden">{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def _number_cell(text: str) -> str:
    fits = " fits" if text in ("right", "0") else ""  # a difference of 0 is none
    return f'<td class="n{fits}">{escape(text)}</td>'


def aligned(columns: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  ") -> str:
    """The same table in plain text.

    >>> print(aligned(("x", "yours"), (("-1", "2"), ("10", "3"))))
       x   yours
      -1       2
      10       3
    """
    lines = [tuple(columns), *(tuple(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        indent + "   ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def code_list(code: str, lit: int = 0) -> str:
    """Numbered lines of code, one of them marked (counted from 1)."""
    lines = "".join(
        f'<li class="lit">{escape(line)}</li>' if i == lit else f"<li>{escape(line)}</li>"
        for i, line in enumerate(code.splitlines(), 1)
    )
    return f'<ol class="code">{lines}</ol>'
