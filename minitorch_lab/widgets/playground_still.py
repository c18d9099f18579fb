"""The playground as a picture that needs no kernel: the plane in bands, the points, the losses."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from .playground_trial import Bytes, Curves, Look, Trial

SIZE = 240
BANDS = 4  # on each side of the middle
EACH = 2  # points of the plane that are one square here

# Blue and orange, then the other hues that tell classes apart; see lab.css.
HUES = (
    ("#0072b2", "#59b3f7"),
    ("#d55e00", "#f0762d"),
    ("#05976e", "#26ad81"),
    ("#c3719f", "#df8aba"),
    ("#ba800a", "#e69f00"),
    ("#6b6b6b", "#9a9a9a"),
)
STYLE = (
    ".lab-plays{color-scheme:light dark;font:13px/20px var(--vscode-font-family,"
    "var(--jp-ui-font-family,system-ui,sans-serif));color:var(--vscode-editor-foreground,"
    "var(--jp-ui-font-color1,inherit));font-variant-numeric:tabular-nums}"
    ".lab-plays div{display:flex;flex-wrap:wrap;gap:16px}"
    ".lab-plays pre{margin:0 0 8px;font:12px/18px var(--jp-code-font-family,monospace);"
    "white-space:pre-wrap;background:none;color:inherit}"
    ".lab-plays .plane{outline:1px solid light-dark(#e0e0e0,#424242)}"
    ".lab-plays text{font-size:11px;fill:currentColor}"
    '[data-jp-theme-light="true"] .lab-plays,.vscode-light .lab-plays{color-scheme:light}'
    '[data-jp-theme-light="false"] .lab-plays,.vscode-dark .lab-plays,.vscode-high-contrast '
    ".lab-plays{color-scheme:dark}"
)


def picture(trial: Trial, look: Look, history: Curves, words: str) -> str:
    """The whole twin as HTML."""
    hues = "".join(
        f".lab-plays .c{i}{{color:light-dark({light},{dark})}}"
        for i, (light, dark) in enumerate(HUES)
    )
    parts = [f"<pre>{escape(words)}</pre>", "<div>", plane(trial, look)]
    if len(history) > 1:
        parts.append(losses(history))
    body = "".join([*parts, "</div>"])
    return f'<div class="lab-still lab-plays"><style>{STYLE}{hues}</style>{body}</div>'


def plane(trial: Trial, look: Look) -> str:
    """The plane of a playground, with the points that the network learns from."""
    points = (trial.points.numpy()[: trial.known] - trial.low) / (trial.high - trial.low)
    target = trial.target.numpy()[: trial.known]
    kinds = target if trial.classes else (target[:, 0] > 0).astype(int)
    label = f"The plane after {look.step:,} steps"
    return drawn_plane(look.plane, trial.classes, points, kinds, label)


def drawn_plane(
    plane: Bytes, classes: int, points: npt.NDArray[Any], kinds: npt.NDArray[Any], label: str
) -> str:
    """The plane as bands of colour, with points from 0 to 1 (left to right, bottom to top)."""
    step = SIZE * EACH / plane.shape[-1]
    bands = list(runs(plane[:, ::EACH, ::EACH], classes))
    rects = "".join(
        f'<rect class="c{hue}" x="{_num(x * step)}" y="{_num(y * step)}" '
        f'width="{_num(width * step)}" height="{_num(step)}" fill-opacity="{depth:.2f}"/>'
        for x, y, width, hue, depth in bands
    )
    marks = []
    points = points * SIZE
    for kind in np.unique(kinds):
        dots = "".join(f"M{x:.0f} {SIZE - y:.0f}h0" for x, y in points[kinds == kind])
        cap = "square" if kind % 2 else "round"
        marks.append(
            f'<path class="c{kind % len(HUES)}" d="{dots}" stroke="currentColor" stroke-width="5" '
            f'stroke-linecap="{cap}"/>'
        )
    return (
        f'<svg class="plane" role="img" aria-label="{escape(label)}" '
        f'width="{SIZE}" height="{SIZE}" viewBox="0 0 {SIZE} {SIZE}">'
        f'<g fill="currentColor" shape-rendering="crispEdges">{rects}</g>{"".join(marks)}</svg>'
    )


def runs(plane: Bytes, classes: int) -> Iterator[tuple[int, int, int, int, float]]:
    """Neighbours of one colour in a row: column, row, how many, hue, and depth of the colour."""
    if classes > 2:
        hue, part = plane[0].astype(int), plane[1] / 255
        band = np.rint(BANDS * np.clip((part - 1 / classes) / (1 - 1 / classes), 0, 1))
    else:
        signed = plane[0] / 127.5 - 1
        hue, band = (signed > 0).astype(int), np.rint(BANDS * np.abs(signed))
    depth = 0.06 + 0.3 * band / BANDS
    for y in range(len(hue)):
        cuts = np.flatnonzero((np.diff(hue[y]) != 0) | (np.diff(depth[y]) != 0)) + 1
        starts: list[int] = [0, *cuts.tolist()]
        for start, end in zip(starts, [*starts[1:], hue.shape[1]], strict=True):
            yield start, y, end - start, int(hue[y, start]) % len(HUES), float(depth[y, start])


def losses(history: Curves) -> str:
    """Both losses over the steps."""
    step, width, height = history.step, SIZE, 120
    top = max(float(np.nanmax(curve)) for curve in (history.train, history.test)) or 1.0
    lines = []
    for name, curve, style in (
        ("train", history.train, 'class="c0" stroke-width="2"'),
        ("test", history.test, 'stroke-width="1.25"'),
    ):
        every = max(1, len(curve) // 100)
        good = np.isfinite(curve)
        points = _points(step[good][::every], curve[good][::every], float(step[-1]), top, height)
        if points:
            lines.append(
                f'<polyline {style} points="{points}" stroke="currentColor" fill="none"/>'
                f'<text x="{width}" y="{16 if name == "train" else 30}" text-anchor="end" '
                f"{style.split(' stroke')[0] if name == 'train' else ''}>{name} "
                f"{curve[good][-1]:.3g}</text>"
            )
    return (
        f'<svg role="img" aria-label="Loss over {int(step[-1]):,} steps" width="{width}" '
        f'height="{height + 20}" viewBox="0 0 {width} {height + 20}">'
        f'<text x="0" y="12">loss, at most {top:.3g}</text>{"".join(lines)}'
        f'<text x="{width}" y="{height + 16}" text-anchor="end">{int(step[-1]):,} steps</text>'
        "</svg>"
    )


def _points(x: npt.NDArray[Any], y: npt.NDArray[Any], right: float, top: float, height: int) -> str:
    low = 18
    return " ".join(
        f"{SIZE * a / (right or 1):.1f},{height - (height - low) * b / top:.1f}"
        for a, b in zip(x, y, strict=True)
    )


def _num(value: float) -> str:
    return f"{round(value, 1):g}"
