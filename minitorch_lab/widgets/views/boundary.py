"""The plane as the model sees it, for inputs of two numbers."""

from __future__ import annotations

import numpy as np

from ...tensor import make
from ..playground_trial import SIDE, extent, mesh, to_bytes
from ..words import number
from .scene import Array, NotHere, Picture, Samples, Scene, class_name, understood

QUICK = 50  # points along a side while the run goes on; SIDE when it holds
SHOWN = 400  # samples
ROWS, COLUMNS = 16, 32  # of the text


def compute(scene: Scene, options: dict[str, object]) -> Picture:
    """The likeliest class, or the output, at points of the plane; and the samples."""
    samples = scene.samples("training")
    if samples.x.ndim != 2 or samples.x.shape[1] != 2 or samples.x.dtype.kind != "f":
        raise NotHere(
            f"The plane has two directions, and an input here has {shape_words(samples.x)}."
        )
    known = np.flatnonzero(np.isfinite(samples.x).all(1))[:SHOWN]
    if not known.size:
        raise NotHere("No sample has two numbers: all have nan or infinity in them.")
    x, y = samples.x[known], samples.y[known]
    low, high = extent(make(x))
    side = QUICK if scene.quick else SIDE
    output = scene.run(mesh(low, high, side).astype(x.dtype))
    answers = understood(scene, output, shaped_like(y, len(output)))
    facts = {
        "classes": answers.classes,
        "low": low.tolist(),
        "high": high.tolist(),
        "samples": samples.words(len(x)),
    }
    if answers.classes:
        plane, words = of_classes(answers.shares, samples)
        facts["names"] = [class_name(samples.names, i) for i in range(answers.classes)]
    elif output[:1].size == 1:
        plane, words, ends = of_numbers(output.reshape(-1), y)
        facts["range"] = ends
    else:
        raise NotHere(
            f"The plane shows one number or classes, and the model gives {output[:1].size} numbers."
        )
    target = y.reshape(len(y), -1)[:, 0].astype(np.float32)
    arrays = {"plane": plane, "points": x.astype(np.float32), "target": target}
    return Picture("boundary", scene.step, words, facts, arrays)


def shape_words(x: Array) -> str:
    """The size of an input in words."""
    shape = x.shape[1:]
    if x.dtype.kind != "f":
        return "whole numbers"
    return f"{shape[0]} numbers" if len(shape) == 1 else f"the shape {tuple(shape)}"


def shaped_like(y: Array, count: int) -> Array:
    """Targets of as many points as the plane has, of which only the shape counts."""
    return np.broadcast_to(y[:1], (count, *y.shape[1:]))


def of_classes(shares: Array, samples: Samples) -> tuple[Array, str]:
    """Of two classes the share of the second, of more the class and its share."""
    classes = shares.shape[1]
    side = round(len(shares) ** 0.5)
    square = shares.reshape(side, side, classes)
    areas = np.bincount(shares.argmax(1), minlength=classes) / len(shares)
    words = ", ".join(
        f"class {class_name(samples.names, i)} {100 * area:.0f} %" for i, area in enumerate(areas)
    )
    if classes == 2:
        return to_bytes(square[:, :, 1])[None], f"{words} of the plane"
    best = square.argmax(2).astype(np.uint8)
    return np.stack([best, to_bytes(square.max(2))]), f"{words} of the plane"


def of_numbers(values: Array, y: Array) -> tuple[Array, str, list[float]]:
    """The output between the least and the greatest that it or a target has."""
    known = np.concatenate([values[np.isfinite(values)], y.reshape(-1)]).astype(np.float64)
    low, high = float(known.min()), float(known.max())
    if low < 0 < high:  # 0 in the middle
        low, high = -max(-low, high), max(-low, high)
    side = round(len(values) ** 0.5)
    plane = to_bytes((values.astype(np.float64) - low) / ((high - low) or 1.0))
    words = f"the output goes from {number(float(values.min()))} to {number(float(values.max()))}"
    return plane.reshape(1, side, side), words, [low, high]


def text(picture: Picture) -> str:
    """The plane in letters: the class of each place, or a digit from 0 (least) to 9."""
    plane = picture["plane"]
    last = plane.shape[-1] - 1
    rows = np.linspace(0, last, ROWS).round().astype(int)
    columns = np.linspace(0, last, COLUMNS).round().astype(int)
    some = plane[0][np.ix_(rows, columns)]
    classes = picture["classes"]
    if classes == 2:
        some = (some > 127).astype(int)
    elif not classes:
        some = some.astype(int) * 10 // 256
    letters = "0123456789abcdefghijklmnopqrstuvwxyz"
    lines = ["  " + "".join(letters[min(v, 35)] for v in row) for row in some.tolist()]
    low, high = picture["low"], picture["high"]
    ends = (
        f"  across {number(low[0])} to {number(high[0])}, up {number(low[1])} to {number(high[1])}"
    )
    return "\n".join([*lines, ends])
