"""How long an op takes: run again, alone, on the values that it had."""

from __future__ import annotations

from statistics import median
from time import perf_counter

from ..device import synchronize
from ..random import apart
from .view import GraphView

_RUNS = 5
_SECONDS = 0.05  # of one op: a slow one is run less often


def seconds(view: GraphView, number: int) -> float | None:
    """The median time of a few runs of node ``#number``; None where its inputs are not known."""
    node = view.node(number)
    if node.again is None:
        return None
    values = [view.value(i) for i in node.inputs]
    if any(value is None for value in values):
        return None
    times: list[float] = []
    try:
        with apart():
            node.again(*values)  # the first run loads what the others find there
            while len(times) < _RUNS and sum(times) < _SECONDS:
                synchronize()
                start = perf_counter()
                node.again(*values)
                synchronize()
                times.append(perf_counter() - start)
    except Exception:  # noqa: BLE001  its values have another type by now: then there is no time
        return None
    return median(times)


def all_seconds(view: GraphView, known: dict[int, float | None], budget: float) -> None:
    """Put the time of each op into ``known``, until ``budget`` seconds have gone."""
    start = perf_counter()
    for node in view.nodes:
        if perf_counter() - start > budget:
            return
        if node.op and node.id not in known:
            known[node.id] = seconds(view, node.id)
