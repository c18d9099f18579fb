"""Common subexpressions: what is computed twice is computed once."""

from __future__ import annotations

from ...device import to_host
from ..ir import Equation, Graph, Var, renamed, substitute
from .record import Note, no_note


def join_common(graph: Graph, note: Note = no_note) -> Graph:
    """Let equations with the same op, inputs and attributes share one result."""
    instead: dict[int, Var] = {}
    values: dict[object, Var] = {}
    for v, array in graph.constants:  # equal constants first: they make equations equal
        if array.size <= 16:
            key = (v.spec, to_host(array).tobytes() if hasattr(array, "tobytes") else id(array))
            first = values.setdefault(key, v)
            if first is not v:
                instead[v.id] = first
    seen: dict[object, Equation] = {}
    out: list[Equation] = []
    for old in graph.equations:
        e = renamed(old, instead)
        if e.op.random:  # two draws differ
            out.append(e)
            continue
        same = seen.setdefault(e.key(), e)
        if same is e:
            out.append(e)
        else:
            instead[e.out.id] = same.out
            note("merged", (same, old), (same,), "")
    return substitute(graph, out, instead)
