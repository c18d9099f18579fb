"""A small MNIST in MNIST's own files: a bright bar on noise, as high as the class."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np


def write_idx(path: Path, array: Any) -> None:
    """A file of MNIST's format."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))


def write_pictures(folder: Path) -> None:
    """480 pictures to train and 80 to test."""
    folder.mkdir(parents=True)
    drawn = np.random.default_rng(0)
    for part, count in (("train", 480), ("t10k", 80)):
        classes = (np.arange(count) % 10).astype(np.uint8)
        images = drawn.integers(0, 100, (count, 28, 28))
        for image, k in zip(images, classes, strict=True):
            image[2 + 2 * k : 5 + 2 * k] += 150
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images.astype(np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", classes)
