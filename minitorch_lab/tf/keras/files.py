"""Weights and models in files, without pickle: a safetensors file, as ``lab.save`` writes it.

Keras writes HDF5. A file of ours may have any name, also one that ends with ``.weights.h5``; a
file that Keras wrote is not read, and the message says so.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...errors import ArgumentError, FileError, ShapeError
from ...saving import load, save
from ...tensor import make

FORMAT = "keras weights"


class _Differs(ShapeError, ArgumentError):
    """A file with other weights; a ValueError in Keras."""


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Write the weights of a model, each with its path."""
    model._need_built("save_weights")
    path = Path(os.fspath(filepath))
    if path.exists() and not overwrite:
        raise ArgumentError(f"save_weights: {path} is there\n  expected overwrite=True, or a name")
    weights = [[w.path, make(w.numpy())] for w in model.weights]
    save({"format": FORMAT, "weights": weights}, path)


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False) -> None:
    """Take weights over in their order; all or none, unless ``skip_mismatch``."""
    model._need_built("load_weights")
    path = Path(os.fspath(filepath))
    start = b""
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(4)
    if start == b"\x89HDF":
        raise FileError(
            f"load_weights: {path.name} is an HDF5 file, as Keras writes it\n"
            "  expected one that model.save_weights wrote here\n"
            "  in Keras write np.savez('w.npz', *model.get_weights()); here model.set_weights("
            "[*np.load('w.npz').values()])"
        )
    found = load(path)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise FileError(f"load_weights: {path.name} holds no weights of a Keras model")
    given, own = found["weights"], model.weights
    pairs = list(zip(own, given, strict=False))
    wrong = [(w, name, x) for w, (name, x) in pairs if tuple(w.shape) != tuple(x.shape)]
    if (wrong or len(given) != len(own)) and not skip_mismatch:
        rows = [f"  {w.path}  {tuple(w.shape)}, in the file {tuple(x.shape)}" for w, _, x in wrong]
        raise _Differs(
            f"load_weights: {path.name} is of another model\n"
            f"  model  {len(own)} weights\n  file   {len(given)} weights\n"
            + "".join(f"{row}\n" for row in rows[:5])
            + "  expected the same layers in the same order; skip_mismatch=True leaves out others"
        )
    for w, (_, x) in pairs:
        if tuple(w.shape) == tuple(x.shape):
            w.assign(x)
