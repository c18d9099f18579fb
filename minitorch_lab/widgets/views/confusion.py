"""How often the model takes one class for another."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..cards import aligned
from .pictures import shown
from .scene import NotHere, Picture, Scene, answers, class_name

SECONDS = 0.02  # of one look while the run goes on
LARGEST = 30  # classes that are shown
IN_CELL = 6  # samples of a cell


def compute(scene: Scene, options: dict[str, Any]) -> Picture:
    """Counts ``(classes, classes)``: a row for each class, a column for what the model said."""
    samples = scene.samples()
    count = scene.count(samples, SECONDS)
    found = answers(scene, samples, count)
    if not found.classes:
        raise NotHere("The targets are numbers, not classes: there is nothing to take for another.")
    size = found.classes
    pairs = found.target * size + found.said
    counts = np.bincount(pairs, minlength=size * size).reshape(size, size).astype(np.int32)
    kept = np.arange(size)
    if size > LARGEST:  # those with the most mistakes
        wrong = counts.sum(1) + counts.sum(0) - 2 * np.diag(counts)
        kept = np.sort(np.argsort(-wrong, kind="stable")[:LARGEST])
    right = int(np.trace(counts))
    each = counts.sum(1)
    recall = np.divide(np.diag(counts), each, out=np.full(size, np.nan), where=each > 0)
    words = f"{right:,} of {len(pairs):,} right ({100 * right / len(pairs):.1f} %)"
    if size > LARGEST:
        words += f"; the {LARGEST} of {size} classes with the most mistakes"
    facts: dict[str, Any] = {
        "names": [class_name(samples.names, int(i)) for i in kept],
        "classes": kept.tolist(),
        "samples": samples.words(count),
        "right": right,
    }
    arrays = {"counts": counts[np.ix_(kept, kept)], "recall": recall[kept].astype(np.float32)}
    cell = options.get("cell")
    if cell is not None:
        truth, said = (kept[i] for i in cell)
        flat = len(samples.x[:count]) == len(found.target)
        chosen = np.flatnonzero((found.target == truth) & (found.said == said))
        facts["cell"] = list(cell)
        if flat:
            more, pictures = shown(samples, found, chosen[:IN_CELL])
            facts["rows"] = more
            arrays |= pictures
    return Picture("confusion", scene.step, words, facts, arrays)


def text(picture: Picture) -> str:
    """The table: what is, and what was said."""
    names, counts, recall = picture["names"], picture["counts"], picture["recall"]
    rows = [
        [name, *(str(v) if v else "." for v in row), "-" if np.isnan(part) else f"{part:.3f}"]
        for name, row, part in zip(names, counts.tolist(), recall.tolist(), strict=True)
    ]
    table = aligned(["is \\ said", *names, "recall"], rows)
    return f"{table}\n  {picture['samples']}"
