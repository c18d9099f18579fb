"""Transposes into matrix products: a product reads a turned matrix as it lies.

The routines for matrix products are told in which order the entries of a matrix lie, so a
transposed view needs no copy. Left out, each turned matrix is copied into the usual order first.
"""

from __future__ import annotations

from typing import Any

from ...op import OPS
from ..ir import Equation, Graph, Var, renamed, with_equations


def copied(graph: Graph) -> Graph:
    """The graph with a copy of each turned matrix before the product that reads it."""
    made: dict[int, Equation] = {}
    copies: dict[int, Equation] = {}
    out: list[Equation] = []
    values = (*graph.inputs, *graph.constant_vars, *(e.out for e in graph.equations))
    free = 1 + max((v.id for v in values), default=0)
    for e in graph.equations:
        turned = [x for x in e.inputs if e.op.name == "matmul" and _turned(x, made)]
        for x in turned:
            if x.id not in copies:
                copy = Var(free + len(copies), x.spec)
                copies[x.id] = Equation(copy, OPS["clone"], (x,), {}, e.scope, e.source, of=e.of)
                out.append(copies[x.id])
        made[e.out.id] = e
        out.append(renamed(e, {x.id: copies[x.id].out for x in turned}))
    return with_equations(graph, out) if copies else graph


def _turned(x: Any, made: dict[int, Equation]) -> bool:
    """Whether a value looks at another with its dimensions in another order."""
    e = made.get(x.id) if isinstance(x, Var) else None
    if e is None or not e.op.view:
        return False
    return e.op.name == "permute" or _turned(e.inputs[0], made)
