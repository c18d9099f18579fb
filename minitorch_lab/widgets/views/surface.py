"""The loss around the weights of now, along two directions, with the way that the run came.

Directions of the way are the two principal components of the kept steps' weights minus those of
now; where too few steps are kept, they are random ones with the size of each filter. Both are from
Li, Xu, Taylor, Studer and Goldstein, *Visualizing the Loss Landscape of Neural Nets* (2018),
arXiv:1712.09913, sections 4 and 7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...device import device_of, move, to_host
from ..cards import aligned
from ..words import number
from .scene import FEW, Array, NotHere, Picture, Scene

SIDE = 25  # points along a side
WAY = 60  # kept steps of the way
MARGIN = 0.3  # of the way's extent, around it
SEED = 0  # of the random directions


def compute(scene: Scene, options: dict[str, Any], go_on: Callable[[float], None]) -> Picture:
    """The loss at 25 x 25 places. ``go_on`` is told how much is done; it may raise to end it."""
    samples = scene.samples("training")
    count = min(FEW, len(samples))
    assert scene.model is not None
    weights = list({id(p): p for p in scene.model.parameters()}.values())
    if not weights:
        raise NotHere("The model has no weights.")
    here = flat([to_host(p.array) for p in weights])
    way = np.array([flat(arrays) - here for _, arrays in scene.path])
    found = principal(way) if len(way) >= 3 else None
    if found is None:
        along = random_pair([p.array for p in weights])
        kind, share = "random", None
    else:
        along, share = found
        kind = "principal"
    squares = (along * along).sum(1)
    places = way @ along.T / squares if len(way) else np.empty((0, 2))
    low, high = window(places if kind == "principal" else np.empty((0, 2)))
    loss = scene.losses_of(samples, count)
    across, up = (np.linspace(low[i], high[i], SIDE) for i in (0, 1))
    values = np.empty((SIDE, SIDE))
    with np.errstate(all="ignore"):
        for i in range(SIDE):
            for j in range(SIDE):
                put(weights, here + across[j] * along[0] + up[i] * along[1])
                values[SIDE - 1 - i, j] = loss()  # the topmost row first
                go_on((i * SIDE + j + 1) / (SIDE * SIDE))
        put(weights, here)
        now = loss()
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise NotHere("The loss is no number anywhere around the weights of now.")
    words = f"loss {number(now)} here, {number(finite.min())} to {number(finite.max())} around"
    facts = {
        "low": low.tolist(),
        "high": high.tolist(),
        "kind": kind,
        "share": share,
        "steps": [step for step, _ in scene.path],
        "now": now,
        "samples": samples.words(count),
        "directions": directions(kind, share),
    }
    arrays = {"values": values.astype(np.float32), "way": places.astype(np.float32)}
    return Picture("surface", scene.step, words, facts, arrays)


def directions(kind: str, share: float | None) -> str:
    """Which directions these are, in words."""
    if kind == "principal":
        return (
            f"The two directions in which the kept steps moved most: {100 * (share or 0):.0f} % of "
            "their way"
        )
    return (
        "Two random directions, as large as each filter: too few steps are kept for the way's own"
    )


def flat(arrays: list[Any]) -> Array:
    """Weights as one row of numbers."""
    return np.concatenate([np.asarray(to_host(a), dtype=np.float64).ravel() for a in arrays])


def put(weights: list[Any], row: Array) -> None:
    """Write one row of numbers into weights."""
    start = 0
    for p in weights:
        size = p.array.size
        part = row[start : start + size].reshape(p.array.shape).astype(p.array.dtype)
        p.array[...] = move(part, device_of(p.array))
        start += size


def principal(way: Array) -> tuple[Array, float] | None:
    """The two directions of unit length along which a way goes, and the share of it that they hold.

    From the small table of the products of all pairs, as there are far more weights than steps.
    """
    sizes, mixes = np.linalg.eigh(way @ way.T)
    if sizes[-2] <= 1e-10 * max(sizes[-1], 1e-300):
        return None
    along = mixes[:, [-1, -2]].T @ way
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    # Signs are free: the beginning of the way is at the left, and below.
    along *= np.where(way[0] @ along.T > 0, -1.0, 1.0)[:, None]
    return along, float((sizes[-1] + sizes[-2]) / max(sizes.sum(), 1e-300))


def random_pair(arrays: list[Any]) -> Array:
    """Two random directions. Each filter (a row of weights) has the length that its weights have;
    numbers that are no table (biases, scales of normalisation) stay."""
    draw = np.random.default_rng(SEED)
    pair = []
    for _ in range(2):
        parts = []
        for array in map(to_host, arrays):
            if array.ndim < 2:
                parts.append(np.zeros(array.size))
                continue
            rows = draw.standard_normal((len(array), array.size // max(len(array), 1)))
            sizes = np.linalg.norm(array.reshape(len(array), -1), axis=1, keepdims=True)
            rows *= sizes / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
            parts.append(rows.ravel())
        pair.append(np.concatenate(parts))
    return np.array(pair)


def window(places: Array) -> tuple[Array, Array]:
    """Two corners that hold the way and the weights of now, with a margin."""
    if not len(places):
        return np.array([-1.0, -1.0]), np.array([1.0, 1.0])
    every = np.concatenate([places, np.zeros((1, 2))])
    low, high = every.min(0), every.max(0)
    size = np.maximum(high - low, 0.25 * (high - low).max())
    middle = (low + high) / 2
    return middle - (0.5 + MARGIN) * size, middle + (0.5 + MARGIN) * size


def text(picture: Picture) -> str:
    """Every fourth row and column of the losses, and the way."""
    values, low, high = picture["values"], picture["low"], picture["high"]
    some = np.arange(0, SIDE, 4)
    across = np.linspace(low[0], high[0], SIDE)[some]
    up = np.linspace(high[1], low[1], SIDE)[some]
    rows = [
        [number(float(y)), *(number(float(v)) for v in values[i, some])]
        for y, i in zip(up, some, strict=True)
    ]
    table = aligned(["", *(number(float(x)) for x in across)], rows)
    return f"{table}\n  {picture['directions']}; {picture['samples']}"
