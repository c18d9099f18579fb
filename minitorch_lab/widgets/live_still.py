"""The panel's curves as SVG, for a page without a kernel and for several runs side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from .history import Epoch, History, Mark
from .timeline import change_text, not_finite
from .words import number, plural

STYLE = (
    ".lab-run{color-scheme:light dark;max-width:960px;font:13px/20px var(--vscode-font-family,"
    "var(--jp-ui-font-family,system-ui,sans-serif));color:var(--vscode-editor-foreground,"
    "var(--jp-ui-font-color1,inherit));font-variant-numeric:tabular-nums}"
    ".lab-run>h4{margin:0 0 8px;padding:0;font-size:13px;font-family:inherit}"
    ".lab-run small{font-weight:400;opacity:.75}"
    ".lab-run .pictures{display:grid;gap:16px;"
    "grid-template-columns:repeat(auto-fit,minmax(240px,460px))}"
    ".lab-run .pictures svg{display:block;width:100%;height:auto;overflow:visible}"
    ".lab-run>p{margin:8px 0 0}"
    ".lab-run dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0}"
    ".lab-run dd{margin:0}.lab-run dt{opacity:.75}"
    ".lab-run pre{margin:8px 0 0;white-space:pre-wrap}"
    ".lab-run pre.failed{padding:8px 12px;border-left:3px solid #d55e00}"
    '[data-jp-theme-light="true"] .lab-run,.vscode-light .lab-run{color-scheme:light}'
    '[data-jp-theme-light="false"] .lab-run,.vscode-dark .lab-run,.vscode-high-contrast '
    ".lab-run{color-scheme:dark}.vscode-high-contrast-light .lab-run{color-scheme:light}"
)
# The runs of a picture: a colour for lines and one for words (light, dark), and dashes for those
# that are drawn over the first.
COLOURS = (
    (("#0072b2", "#59b3f7"), ("#0072b2", "#59b3f7")),
    (("#c3719f", "#df8aba"), ("#a25380", "#df8aba")),
    (("#05976e", "#26ad81"), ("#037d5b", "#26ad81")),
    (("#d55e00", "#f0762d"), ("#b54f03", "#f0762d")),
    (("#ba800a", "#e69f00"), ("#936400", "#e69f00")),
)
DASHES = ("6 3", "2 3", "9 3 2 3", "11 4", "4 2 1 2")
STYLE += "".join(
    f".lab-run .r{i}{{stroke:light-dark({line[0]},{line[1]})}}"
    f".lab-run .w{i}{{fill:light-dark({ink[0]},{ink[1]})}}"
    for i, (line, ink) in enumerate(COLOURS)
)
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 440, 200, 44, 36, 22
FINE, BOLD = 400, 50  # points along the thin line, and along the bold one
LETTER = 6.2  # the width of a letter, about
THICK = 'stroke-width="1.75"'
MUTED = 'font-size="11" fill="currentColor" opacity=".75"'


@dataclass(frozen=True)
class Drawn:
    """A run in a picture, from step ``first`` on; ``place`` gives its colour and dashes."""

    name: str
    history: History
    place: int = 0
    first: int = 0

    def points(self, stream: str, most: int) -> list[tuple[float, float]]:
        """Steps and finite values of a stream."""
        found = self.history.streams.get(stream)
        if found is None:
            return []
        rows = found.thin(most, self.first)
        pairs = zip(rows[0].tolist(), rows[2].tolist(), strict=True)
        return [(step, value) for step, value in pairs if math.isfinite(value)]


def picture(
    stream: str, title: str, run: Drawn, others: Sequence[Drawn] = (), marks: Iterable[Mark] = ()
) -> str:
    """A stream of a run as SVG: thin as it came, bold the mean of neighbours, the validation's
    points; other runs dashed over it; changes, and steps whose loss was no number."""
    fine = run.points(stream, FINE)
    checks: list[tuple[float, float]] = [
        (row.step, value)
        for row in run.history.validation
        if (value := of(row, stream)) is not None
    ]
    last = max([len(run.history), 1, *(len(other.history) for other in others)])

    def line_of(one: Drawn) -> list[tuple[float, float]]:
        length = len(one.history) - one.first  # as smooth as the others, however short
        points = one.points(stream, max(2, BOLD * length // last))
        return held(points, len(one.history)) if stream == "lr" else points

    bold = line_of(run)
    beside = [(other, line_of(other)) for other in others]
    curves: list[list[tuple[float, float]]] = [fine, checks, *(points for _, points in beside)]
    values = [value for points in curves for _, value in points]
    low = min([0.0, *values])
    high = 1.0 if stream == "accuracy" else max([*values, low + 1e-9])

    def at(step: float, value: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - 4) * step / last
        return x, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    def path(points: Iterable[tuple[float, float]]) -> str:
        ends = [at(*point) for point in points]
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in ends) if ends else ""

    place = run.place % len(COLOURS)
    line, ink = COLOURS[place][0][0], COLOURS[place][1][0]
    parts = [heading(title, run.name if others else "", place, ink), *axes(low, high, at)]
    parts += changes(marks, at)
    if stream != "lr":
        parts.append(stroke(path(fine), place, line, 'opacity=".32"'))
    parts.append(stroke(path(bold), place, line, THICK))
    parts.append(
        f'<path d="{path(checks)}" fill="none" stroke="currentColor" stroke-width="1.25"/>'
    )
    names: list[tuple[float, float, Drawn]] = []
    for other, points in beside:
        dash = f'{THICK} stroke-dasharray="{dash_of(other.place)}"'
        spot = other.place % len(COLOURS)
        parts.append(stroke(path(points), spot, COLOURS[spot][0][0], dash))
        if points:
            names.append((*at(*points[-1]), other))
    parts += labels(names)
    if stream == "loss":
        parts += crosses(run.history, at)
    parts.append(
        f'<text x="{LEFT}" y="{HEIGHT - 5}" {MUTED}>step 0</text>'
        f'<text x="{WIDTH - 4}" y="{HEIGHT - 5}" text-anchor="end" {MUTED}>{last:,}</text>'
    )
    said = f"{title} over {plural(len(run.history), 'step')}"
    if fine:
        said += f", last {number(fine[-1][1])}"
    said += "".join(f"; {other.name} last {number(points[-1][1])}" for other, points in beside
                    if points)  # fmt: skip
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said)}">'
        f"{''.join(parts)}</svg>"
    )


def of(row: Epoch, stream: str) -> float | None:
    """A stream's value on the validation data, where it was measured."""
    value = getattr(row, stream) if stream in ("loss", "accuracy") else row.metrics.get(stream)
    return value if value is not None and math.isfinite(value) else None


def held(points: list[tuple[float, float]], last: int) -> list[tuple[float, float]]:
    """The corners of a line whose value holds until it changes."""
    if not points:
        return []
    corners = [(after[0], before[1]) for before, after in pairwise(points)]
    both = [point for pair in zip(points, corners, strict=False) for point in pair]
    return [*both, points[-1], (last, points[-1][1])]


def dash_of(place: int) -> str:
    """The dashes of a run: as on the page, another pattern when the colours come again."""
    return DASHES[(place + place // len(COLOURS)) % len(DASHES)]


def stroke(path: str, place: int, colour: str, more: str) -> str:
    """A line of a run."""
    return f'<path class="r{place}" d="{path}" fill="none" stroke="{colour}" {more}/>'


def heading(title: str, name: str, place: int, ink: str) -> str:
    """The stream, and whose it is where there are several."""
    whose = f' <tspan class="w{place}" font-weight="400" fill="{ink}" dx="8">{escape(name)}</tspan>'
    return (
        '<text x="0" y="12" font-size="12" font-weight="600" fill="currentColor">'
        f"{escape(title)}{whose if name else ''}</text>"
    )


def axes(low: float, high: float, at: Any) -> list[str]:
    """Three hairlines and their numbers."""
    lines = []
    for value in (low, (low + high) / 2, high):
        y = at(0, value)[1]
        lines.append(
            f'<path d="M{LEFT} {y:.1f}H{WIDTH}" stroke="currentColor" opacity=".2"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" {MUTED}>{tick(value)}</text>'
        )
    return lines


def tick(value: float) -> str:
    """A number at an axis, in the room that there is."""
    text = f"{value:.3g}"
    return text if len(text) <= 6 else f"{value:.0e}"


def changes(marks: Iterable[Mark], at: Any) -> list[str]:
    """Changes of settings: a dashed line each, with words where they fit."""
    lines, free = [], 0.0
    for mark in marks:
        x = at(mark.step, 0)[0]
        words = change_text(mark) if isinstance(mark.new, (int, float)) else str(mark.new)
        lines.append(
            f'<path d="M{x:.1f} 18V{HEIGHT - BOTTOM}" stroke="currentColor" opacity=".6" '
            'stroke-dasharray="2 3"/>'
        )
        size = len(words) * LETTER
        start = min(x + 4, WIDTH - size)
        if start >= free:
            free = start + size
            lines.append(f'<text x="{start:.1f}" y="26" {MUTED}>{escape(words)}</text>')
    return lines


def labels(names: list[tuple[float, float, Drawn]]) -> list[str]:
    """The names of the other runs, each at its end, none over another."""
    found, free = [], 0.0
    for x, y, run in sorted(names, key=lambda item: item[1]):
        place = run.place % len(COLOURS)
        start = min(x + 6, WIDTH - len(run.name) * LETTER)
        free = max(y + (4 if start == x + 6 else -6), free + 13)  # beside the end, or above it
        found.append(
            f'<text class="w{place}" x="{start:.1f}" y="{free:.1f}" font-size="11" '
            f'fill="{COLOURS[place][1][0]}">{escape(run.name)}</text>'
        )
    return found


def crosses(history: History, at: Any) -> list[str]:
    """Steps whose loss was nan or infinite: a cross at the top, with words."""
    found, free = [], 0.0
    for step, word in not_finite(history):
        x = at(step, 0)[0]
        found.append(
            f'<path class="r3" d="M{x - 4:.1f} {TOP - 4}l8 8m0 -8l-8 8" stroke="#d55e00" {THICK}/>'
        )
        words = f"{word} at step {step:,}"
        size = len(words) * LETTER
        start = x + 8 if x + 8 + size <= WIDTH else x - 8 - size
        if start >= free:
            free = start + size
            found.append(
                f'<text class="w3" x="{start:.1f}" y="{TOP + 4}" font-size="11" '
                f'fill="#b54f03">{words}</text>'
            )
    return found
