"""Random numbers of a graph: drawn in each run."""

from __future__ import annotations

from .... import random
from . import graphs
from .ops import OF_RANDOM


def set_random_seed(seed: int) -> None:
    """Let each session of the graph that is made from now on draw the same numbers.

    The numbers are those of ``lab.manual_seed``, not TensorFlow's.
    """
    random.manual_seed(seed)
    graphs.get_default_graph().seed = seed


normal = random_normal = OF_RANDOM["normal"]
uniform = random_uniform = OF_RANDOM["uniform"]
truncated_normal = OF_RANDOM["truncated_normal"]
shuffle = random_shuffle = OF_RANDOM["shuffle"]
multinomial = categorical = OF_RANDOM["categorical"]
