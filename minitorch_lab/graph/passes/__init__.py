"""The passes: each takes a graph and gives a graph that computes the same with less."""

from __future__ import annotations

from collections.abc import Callable

from ..ir import Graph
from .common import join_common
from .dead import drop_dead
from .fold import fold_constants
from .lower import lower

# In the order in which they run.
PASSES: dict[str, Callable[[Graph], Graph]] = {
    "lower": lower,
    "fold": fold_constants,
    "common": join_common,
    "dead": drop_dead,
}


def optimise(graph: Graph) -> Graph:
    """Run all passes; the result is checked after each."""
    for apply in PASSES.values():
        graph = apply(graph).verify()
    return graph


__all__ = ["PASSES", "drop_dead", "fold_constants", "join_common", "lower", "optimise"]
