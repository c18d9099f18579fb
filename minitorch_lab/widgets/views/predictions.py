"""Single samples: how they look, what they are, and what the model says."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..cards import aligned
from ..words import number
from .pictures import shown
from .scene import NotHere, Picture, Scene, answers

SECONDS = 0.02  # of one look while the run goes on
SHOWN = 12
ORDERS = {"first": "as they come", "worst": "worst first", "wrong": "only wrong ones"}


def compute(scene: Scene, options: dict[str, Any]) -> Picture:
    """Twelve samples: the first ones, those with the greatest loss, or wrong ones."""
    samples = scene.samples()
    order = options.get("order", "first")
    count = scene.count(samples, SECONDS) if order != "first" else min(len(samples), SHOWN)
    found = answers(scene, samples, count)
    if len(found.target) != count:
        raise NotHere("A sample here has many targets, as words of a text have.")
    places = np.arange(count)
    if found.classes:
        wrong = found.said != found.target
        if order == "wrong":
            places = np.flatnonzero(wrong)
        words = f"{int((~wrong).sum()):,} of {count:,} right"
    else:
        if order == "wrong":
            raise NotHere("The targets are numbers: an answer is near or far, not right or wrong.")
        words = f"mean squared error {number(float(found.losses.mean()))}"
    if order == "worst":
        losses = np.nan_to_num(found.losses, nan=np.inf)
        places = np.argsort(-losses, kind="stable")
    rows, pictures = shown(samples, found, places[:SHOWN])
    facts = {
        "rows": rows,
        "classes": found.classes,
        "order": order,
        "orders": ORDERS if found.classes else {k: v for k, v in ORDERS.items() if k != "wrong"},
        "samples": samples.words(count),
    }
    return Picture("samples", scene.step, words, facts, pictures)


def text(picture: Picture) -> str:
    """A row for each sample."""
    if not picture["rows"]:
        return "  none of them is wrong"
    lines = []
    for row in picture["rows"]:
        line = [str(row["place"]), row["is"], row["said"]]
        if "right" in row:
            line += ["✓ right" if row["right"] else "✗ wrong", f"{row['likely'][0][1]:.3f}"]
        line += [number(row["loss"]) if row["loss"] is not None else "nan"]
        lines.append(line)
    heads = ["sample", "is", "said"]
    heads += ["", "share", "loss"] if "right" in picture["rows"][0] else ["squared error"]
    return f"{aligned(heads, lines)}\n  {picture['samples']}, {ORDERS[picture['order']]}"
