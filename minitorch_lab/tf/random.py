"""Random numbers: the generator of the rest of this library."""

from __future__ import annotations

from .. import random


def set_seed(seed: int) -> None:
    """Start the random numbers anew, so that a program gives the same results each time.

    The numbers are those of ``lab.manual_seed``, not TensorFlow's.
    """
    random.manual_seed(seed)
