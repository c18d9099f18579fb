"""The weights of the first layer: as pictures where inputs are some, else as a table of colours."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import to_host
from ..cards import aligned
from ..words import number, plural
from .scene import Array, NotHere, Picture, Scene, images, square

TILES = 64  # units that are shown
WIDE = 128  # inputs of a unit that is no picture
IN_TEXT = 16


def compute(scene: Scene, options: dict[str, Any]) -> Picture:
    """The first weights with two dimensions or more: a tile for each unit, or one of all."""
    samples = scene.samples("training")
    assert scene.model is not None
    named = ((n, to_host(p.array)) for n, p in scene.model.named_parameters())
    name, weight = next(((n, w) for n, w in named if w.ndim >= 2), ("", np.empty(0)))
    if not name:
        raise NotHere("The model has no layer whose weights are a table.")
    tiles, kind = tiled(weight, samples.x)
    units = len(weight)
    most = float(np.abs(weight[np.isfinite(weight)]).max(initial=0.0))
    shown = tiles[:TILES, :, :WIDE]
    words = f"{name} {tuple(weight.shape)}, largest {number(most)}"
    facts = {
        "name": name,
        "kind": kind,
        "most": most,
        "units": plural(units, "unit"),
        "cut": cut(units, tiles, kind),
        "rows": [
            [int(i), *(float(f(w)) for f in (np.min, np.max, np.linalg.norm))]
            for i, w in enumerate(weight[:TILES].reshape(min(units, TILES), -1))
        ],
    }
    signed = np.nan_to_num(shown.astype(np.float64) / (most or 1.0), nan=0.0)
    bytes_ = np.rint(127 + 127 * np.clip(signed, -1, 1)).astype(np.uint8)
    return Picture("weights", scene.step, words, facts, {"tiles": bytes_})


def tiled(weight: Array, x: Array) -> tuple[Array, str]:
    """Weights as tiles ``(n, H, W, 1 or 3)``, and what they are: filters, pictures or a table."""
    if weight.ndim == 4:
        channels = np.moveaxis(weight, 1, -1)
        if channels.shape[3] not in (1, 3):
            channels = channels.mean(3, keepdims=True)
            return channels, "filters, each the mean over its inputs"
        return channels, "filters"
    flat = weight.reshape(len(weight), -1)
    pictures = images(x)
    if weight.ndim == 2 and pictures is not None and pictures[0].size == flat.shape[1]:
        height, width, channels = pictures.shape[1:]
        shape = square(x.shape[1]) if x.ndim == 2 else (channels, height, width)
        return np.moveaxis(flat.reshape(len(flat), *(shape or ())), 1, -1), "pictures"
    return flat[:TILES, None, :, None].reshape(1, -1, flat.shape[1], 1), "table"


def cut(units: int, tiles: Array, kind: str) -> str:
    """What is left out, in words."""
    parts = []
    if units > TILES:
        parts.append(f"the first {TILES} of {units:,} units")
    if kind == "table" and tiles.shape[2] > WIDE:
        parts.append(f"the first {WIDE} of {tiles.shape[2]:,} inputs")
    return ", ".join(parts)


def text(picture: Picture) -> str:
    """The least, the greatest and the norm of each unit's weights."""
    rows = [[str(row[0]), *map(number, row[1:])] for row in picture["rows"]]
    table = aligned(["unit", "least", "greatest", "norm"], rows[:IN_TEXT])
    rest = len(rows) - IN_TEXT
    return table + (f"\n  and {plural(rest, 'unit')} more" if rest > 0 else "")
