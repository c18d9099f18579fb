"""Constant folding: what depends on constants only is computed once, now."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...device import namespace_of
from ...op import Spec
from ..ir import Equation, Graph, Var, with_equations

LIMIT = 1 << 16  # entries: a larger result is cheaper to compute than to keep


def fold_constants(graph: Graph) -> Graph:
    """Replace equations whose inputs are all constants by their value."""
    values = dict(graph.constant_values)
    constants = list(graph.constants)
    out: list[Equation] = []
    for e in graph.equations:
        known = all(not isinstance(x, Var) or x.id in values for x in e.inputs)
        if not known or e.op.random or e.out.spec.number or e.out.spec.size > LIMIT:
            out.append(e)
            continue
        arrays = [values[x.id] if isinstance(x, Var) else x for x in e.inputs]
        xp = next((namespace_of(a) for a in arrays if hasattr(a, "shape")), np)
        try:
            value = xp.asarray(e.op.forward(xp, *arrays, **e.attrs))
        except Exception:  # noqa: BLE001  the run will meet it again, and has the words
            out.append(e)
            continue
        if value.dtype != e.out.spec.dtype:
            value = value.astype(e.out.spec.dtype)
        values[e.out.id] = value
        constants.append((_constant(e.out), value))
    return with_equations(graph, out, constants=tuple(constants))


def _constant(v: Var) -> Var:
    spec = Spec(v.spec.shape, v.spec.dtype, v.spec.device)
    return replace(v, kind="const", spec=spec)
