"""Small helpers with Keras's names."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from ... import random
from ...creation import zeros
from ...doors import OFFERED
from ...errors import ArgumentError
from .data import PyDataset, pack_x_y_sample_weight, unpack_x_y_sample_weight
from .symbolic import KerasTensor
from .tree import shapes_mapped
from .variable import as_array
from .words import clear_session

Sequence = PyDataset


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


def plot_model(model: Any, to_file: Any = None, show_shapes: bool = False, **how: Any) -> Any:
    """The explorer on what the model computes for a sample of zeros.

    It shows shapes, values and lines in any case, so that Keras's arguments for them are taken and
    change nothing; no file is written: ``plot_model(model).save("model.html")`` makes one.
    """
    model._need_built("plot_model")
    shapes = model._build_shape

    def sample(shape: Any) -> Any:
        return zeros(*(2 if n is None and not i else n or 8 for i, n in enumerate(shape)))

    return OFFERED["explore"](model, shapes_mapped(sample, shapes))


def is_keras_tensor(x: Any) -> bool:
    """Whether this is what ``Input`` gives, or what a layer makes of it."""
    return isinstance(x, KerasTensor)


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """Rows of length 1, as a NumPy array.

    >>> normalize([[3.0, 4.0]])
    array([[0.6, 0.8]])
    """
    array = np.atleast_2d(np.asarray(x, float))
    size = np.linalg.norm(array, order, axis, keepdims=True)
    return array / np.where(size == 0, 1, size)


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: float = 0.0,
) -> Any:
    """Lists of different lengths as the rows of one array, filled up or cut at one end.

    >>> pad_sequences([[1], [2, 3, 4]], maxlen=2)
    array([[0, 1],
           [3, 4]], dtype=int32)
    """
    for name, word in (("padding", padding), ("truncating", truncating)):
        if word not in ("pre", "post"):
            raise ArgumentError(f"pad_sequences({name}): expected 'pre' or 'post', got {word!r}")
    rows = [list(row) for row in sequences]
    width = max(map(len, rows), default=0) if maxlen is None else maxlen
    out = np.full((len(rows), width), value, dtype)
    for i, row in enumerate(rows):
        kept = row[-width:] if truncating == "pre" and width else row[:width]
        if kept:
            out[i, slice(-len(kept), None) if padding == "pre" else slice(len(kept))] = kept
    return out


__all__ = [
    "PyDataset",
    "Sequence",
    "clear_session",
    "is_keras_tensor",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "set_random_seed",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
