"""Small helpers with Keras's names."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from ... import random
from ...errors import ArgumentError
from .variable import as_array


def set_random_seed(seed: int) -> None:
    """Seed everything that draws: this library, NumPy's legacy generator, Python's ``random``."""
    random.manual_seed(seed)
    np.random.seed(seed)
    python_random.seed(seed)


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """Class numbers as one-hot rows, a NumPy array of float32.

    >>> to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    classes = as_array(x)
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes.reshape(classes.shape[:-1])
    if classes.dtype.kind == "f":
        classes = classes.astype(np.int64)
    count = int(classes.max()) + 1 if num_classes is None else num_classes
    if classes.size and not 0 <= int(classes.min()) <= int(classes.max()) < count:
        raise ArgumentError(
            f"to_categorical(x, num_classes={num_classes}): x has classes from {classes.min()} to "
            f"{classes.max()}\n  expected 0 to {count - 1}"
        )
    return np.eye(count, dtype=np.float32)[classes]
