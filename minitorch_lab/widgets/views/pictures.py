"""Samples as the page shows them: what each is, what the model says, and how it looks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..words import number
from .scene import Answers, Array, Samples, class_name, images, pixels

LIKELY = 3  # classes of a sample that are named
VALUES = 8  # numbers of a sample that is no picture
SIDE = 64  # pixels: larger pictures are thinned


def shown(
    samples: Samples, found: Answers, chosen: Array
) -> tuple[list[dict[str, Any]], dict[str, Array]]:
    """Words for some samples, and their pictures as bytes ``(n, H, W, 1 or 3)`` if they are any."""
    losses = found.losses
    rows = [row(samples, found, int(i), float(losses[i])) for i in chosen]
    pictures = images(samples.x)
    if pictures is None:
        for line, i in zip(rows, chosen, strict=True):
            values = samples.x[i].reshape(-1)
            line["values"] = [written(v) for v in values[:VALUES].tolist()]
            line["more"] = max(0, values.size - VALUES)
        return rows, {}
    low, high = float(pictures.min()), float(pictures.max())
    every = max(1, -(-max(pictures.shape[1:3]) // SIDE))
    return rows, {"images": pixels(pictures[chosen][:, ::every, ::every], low, high)}


def row(samples: Samples, found: Answers, i: int, loss: float) -> dict[str, Any]:
    """One sample: its place in the data, what it is and what the model says."""
    line: dict[str, Any] = {"place": samples.places[i], "loss": loss if np.isfinite(loss) else None}
    if found.classes:
        order = np.argsort(-found.shares[i], kind="stable")[:LIKELY]
        line["is"] = class_name(samples.names, int(found.target[i]))
        line["said"] = class_name(samples.names, int(order[0]))
        line["right"] = bool(order[0] == found.target[i])
        line["likely"] = [
            [class_name(samples.names, int(k)), round(float(found.shares[i, k]), 4)] for k in order
        ]
        return line
    line["is"] = ", ".join(written(v) for v in found.target[i].reshape(-1)[:4].tolist())
    line["said"] = ", ".join(written(v) for v in found.output[i].reshape(-1)[:4].tolist())
    return line


def written(value: float) -> str:
    """A number of a sample: whole ones without a point."""
    return str(value) if isinstance(value, (int, bool)) else number(value)
