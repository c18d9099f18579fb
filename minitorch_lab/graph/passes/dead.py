"""Dead code: what nothing needs is not computed."""

from __future__ import annotations

from ..ir import Equation, Graph, Var, with_equations
from .record import Note, no_note


def drop_dead(graph: Graph, note: Note = no_note) -> Graph:
    """Keep the equations that lead to an output or to new state.

    A random op stays: leaving it out would change the numbers that later ones draw.
    """
    needed = {v.id for v in graph.results}
    out: list[Equation] = []
    for e in reversed(graph.equations):
        if e.out.id in needed or e.op.random:
            out.append(e)
            needed.update(x.id for x in e.inputs if isinstance(x, Var))
        else:
            note("removed", (e,), (), "")
    constants = tuple((v, a) for v, a in graph.constants if v.id in needed)
    return with_equations(graph, reversed(out), constants=constants)
