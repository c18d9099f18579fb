"""Views as pictures that need no kernel."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import numpy as np

from ...viz.image import address
from ..playground_still import HUES, drawn_plane
from ..words import number
from . import VIEWS
from .scene import Array, Picture

LOW, HIGH = (0, 114, 178), (213, 94, 0)  # of signed numbers: blue below 0, orange above
TILE = 48  # pixels of a picture's side
COLUMNS = 8  # tiles in a row
WIDTH, HEIGHT = 120, 32  # of a histogram

STYLE = (
    ".lab-views{color-scheme:light dark;font:13px/20px var(--vscode-font-family,"
    "var(--jp-ui-font-family,system-ui,sans-serif));color:var(--vscode-editor-foreground,"
    "var(--jp-ui-font-color1,inherit));font-variant-numeric:tabular-nums}"
    ".lab-views h4{margin:0;padding:0;font-size:13px;font-family:inherit}"
    ".lab-views p{margin:0 0 8px}"
    ".lab-run>.lab-views{margin-top:16px}.lab-views small{font-weight:400;opacity:.75}"
    ".lab-views ul{display:flex;flex-wrap:wrap;gap:8px 16px;margin:0;padding:0;list-style:none}"
    ".lab-views li{width:136px}.lab-views img{image-rendering:pixelated;display:block}"
    ".lab-views table{border-collapse:collapse;font-size:12px}"
    ".lab-views :is(th,td){padding:2px 8px;text-align:right;font-weight:400;"
    "border:1px solid light-dark(#e0e0e0,#424242);background:none}"
    ".lab-views .plane{outline:1px solid light-dark(#e0e0e0,#424242);display:block}"
    '[data-jp-theme-light="true"] .lab-views,.vscode-light .lab-views{color-scheme:light}'
    '[data-jp-theme-light="false"] .lab-views,.vscode-dark .lab-views,.vscode-high-contrast '
    ".lab-views{color-scheme:dark}"
) + "".join(
    f".lab-views .c{i}{{color:light-dark({light},{dark})}}" for i, (light, dark) in enumerate(HUES)
)


def html(picture: Picture) -> str:
    """A view with its heading, as HTML."""
    return f'<div class="lab-still lab-views"><style>{STYLE}</style>{inner(picture)}</div>'


def inner(picture: Picture) -> str:
    """The same without the style."""
    title = VIEWS[picture.name].title
    head = f"<h4>{title} <small>after step {picture.step:,}</small></h4>"
    if picture.empty:
        return f"{head}<p>{escape(picture.empty)}</p>"
    return f"{head}<p>{escape(picture.words)}</p>{DRAWN[picture.name](picture)}"


def boundary(picture: Picture) -> str:
    """The plane and its points."""
    low, high = np.array(picture["low"]), np.array(picture["high"])
    points = (picture["points"] - low) / (high - low)
    target = picture["target"]
    if picture["classes"]:
        kinds = target.astype(int)
    else:
        kinds = (target > np.mean(picture["range"])).astype(int)
    label = f"The plane after step {picture.step:,}: {picture.words}"
    return drawn_plane(picture["plane"], picture["classes"], points, kinds, label)


def confusion(picture: Picture) -> str:
    """The table."""
    names = [escape(name) for name in picture["names"]]
    counts, recall = picture["counts"], picture["recall"]
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = []
    for name, row, part in zip(names, counts.tolist(), recall.tolist(), strict=True):
        most = max(sum(row), 1)
        cells = "".join(
            f'<td style="background:rgb(0 114 178/{0.5 * v / most:.2f})">{v or "·"}</td>'
            for v in row
        )
        share = "–" if np.isnan(part) else f"{part:.3f}"
        rows.append(f'<tr><th scope="row">{name}</th>{cells}<td>{share}</td></tr>')
    return (
        f'<table><thead><tr><th scope="col">is \\ said</th>{heads}<th scope="col">recall</th></tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table>"
    )


def samples(picture: Picture) -> str:
    """Pictures, or values, with what is said."""
    items = []
    for i, row in enumerate(picture["rows"]):
        if "images" in picture.arrays:
            shown = np.moveaxis(picture["images"][i], -1, 0)
            look = f'<img src="{address(shown)}" width="{TILE}" height="{TILE}" alt="">'
        else:
            rest = f" and {row['more']} more" if row["more"] else ""
            look = f"<code>{escape(', '.join(row['values']))}</code>{rest}<br>"
        if "right" in row:
            sign = "✓ right" if row["right"] else "✗ wrong"
            words = f"{sign}: is {row['is']}, said {row['said']} ({row['likely'][0][1]:.2f})"
        else:
            words = f"is {row['is']}, said {row['said']}"
        items.append(f"<li>{look}{escape(words)}</li>")
    return f"<ul>{''.join(items)}</ul>"


def weights(picture: Picture) -> str:
    """All tiles in one picture: blue below 0, orange above."""
    sheet = tiled(picture["tiles"])
    channels = sheet.shape[2]
    if channels == 1:
        sheet = signed((sheet[:, :, 0].astype(float) - 127) / 127)
    height, width = sheet.shape[:2]
    scale = max(1, min(16, 384 // max(width, 1)))
    label = f"Weights {picture.words}"
    return (
        f'<img src="{address(np.moveaxis(sheet, -1, 0))}" width="{scale * width}" '
        f'height="{scale * height}" alt="{escape(label)}">'
    )


def tiled(tiles: Array) -> Array:
    """Tiles ``(n, H, W, C)`` side by side, with a line between them."""
    count, height, width, channels = tiles.shape
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    sheet = np.full((rows * (height + 1), columns * (width + 1), channels), 127, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        sheet[top : top + height, left : left + width] = tile
    return sheet[:-1, :-1]


def signed(values: Array) -> Array:
    """Numbers from −1 to 1 as colours that let the ground through, none at 0."""
    colours = np.where(values[:, :, None] < 0, np.array(LOW), np.array(HIGH))
    depth = np.rint(235 * np.clip(np.abs(values), 0, 1))[:, :, None]
    return np.concatenate([colours, depth], 2).astype(np.uint8)


def gradients(picture: Picture) -> str:
    """A row for each layer: the histogram of its values, and that of the gradients."""
    rows = []
    for row, values, back in zip(
        picture["layers"], picture["values"], picture["gradients"], strict=True
    ):
        rows.append(
            f'<tr><th scope="row">{escape(row["name"])}</th>'
            f"<td>{bars(values)}<br>±{number(row['value_end'])}</td>"
            f"<td>{bars(back)}<br>±{number(row['gradient_end'])}</td>"
            f"<td>{escape(row['said'])}</td></tr>"
        )
    heads = "".join(f'<th scope="col">{w}</th>' for w in ("layer", "values", "gradients", ""))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def bars(counts: Array) -> str:
    """A histogram."""
    step, top = WIDTH / len(counts), float(counts.max()) or 1.0
    path = "".join(
        f"M{i * step:.1f} {HEIGHT}v{-HEIGHT * (c / top) ** 0.5:.1f}h{step:.1f}V{HEIGHT}z"
        for i, c in enumerate(counts.tolist())
        if c
    )
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'aria-hidden="true"><path class="c0" fill="currentColor" d="{path}"/></svg>'
    )


def surface(picture: Picture) -> str:
    """The losses in bands, darker where less, and the way."""
    values, way = picture["values"], picture["way"]
    shares = levels(values)
    depth = np.rint(200 * (1 - np.rint(10 * shares) / 10))
    colours = np.broadcast_to(np.array(LOW), (*shares.shape, 3))
    image = np.concatenate([colours, depth[:, :, None]], 2).astype(np.uint8)
    low, high = np.array(picture["low"]), np.array(picture["high"])
    size = 240
    places = [size * (p - low) / (high - low) for p in [*way.astype(float), np.zeros(2)]]
    line = " ".join(f"{x:.1f},{size - y:.1f}" for x, y in places)
    x, y = places[-1]
    return (
        f'<svg class="plane" role="img" aria-label="{escape(picture.words)}" width="{size}" '
        f'height="{size}" viewBox="0 0 {size} {size}">'
        f'<image href="{address(np.moveaxis(image, -1, 0))}" width="{size}" height="{size}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated"/>'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="1.5"/>'
        f'<circle cx="{x:.1f}" cy="{size - y:.1f}" r="5" class="c1" fill="currentColor"/></svg>'
        f"<p>{escape(picture['directions'])}.</p>"
    )


def levels(values: Array) -> Array:
    """Losses as shares from the least to the greatest, by their logarithms where they lie far
    apart; what is not finite is the greatest."""
    wide = values.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    low, high = float(finite.min()), float(finite.max())
    wide = np.nan_to_num(wide, nan=high, posinf=high, neginf=high)
    if low > 0 and high > 20 * low:
        wide, low, high = np.log(wide), float(np.log(low)), float(np.log(high))
    shares: Array = (wide - low) / ((high - low) or 1.0)
    return shares


DRAWN: dict[str, Callable[[Picture], str]] = {
    "boundary": boundary,
    "confusion": confusion,
    "samples": samples,
    "weights": weights,
    "gradients": gradients,
    "surface": surface,
}
