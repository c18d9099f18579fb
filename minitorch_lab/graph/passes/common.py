"""Common subexpressions: what is computed twice is computed once."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Equation, Graph, Var, substitute


def join_common(graph: Graph) -> Graph:
    """Let equations with the same op, inputs and attributes share one result."""
    seen: dict[object, Var] = {}
    instead: dict[int, Var] = {}
    for v, array in graph.constants:  # equal constants first: they make equations equal
        if array.size <= 16:
            key = ("const", v.spec, array.tobytes() if hasattr(array, "tobytes") else id(array))
            if key in seen:
                instead[v.id] = seen[key]
            else:
                seen[key] = v
    out: list[Equation] = []
    for e in graph.equations:
        inputs = tuple(instead.get(x.id, x) if isinstance(x, Var) else x for x in e.inputs)
        e = replace(e, inputs=inputs)
        if e.op.random:
            out.append(e)
            continue
        key = e.key()
        if key in seen:
            instead[e.out.id] = seen[key]
        else:
            seen[key] = e.out
            out.append(e)
    return substitute(graph, out, instead)
