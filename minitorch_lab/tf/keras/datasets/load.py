"""Where the files of a data set lie, and how they come as arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ....vision.datasets import MNIST

Pairs = tuple[tuple[Any, Any], tuple[Any, Any]]


def load(kind: type[MNIST]) -> Pairs:
    """Pictures ``(N, 28, 28)`` and classes ``(N,)`` as uint8, to train and to test.

    Files are looked for in MINITORCH_LAB_DATA, then in the user's cache, then fetched into it, and
    their checksums compared.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minitorch_lab"
    parts = [kind(cache / "data", train=train, download=True) for train in (True, False)]
    train, test = ((p.data.numpy(), p.targets.numpy().astype(np.uint8)) for p in parts)
    return train, test
