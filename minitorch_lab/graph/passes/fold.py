"""Constant folding: what depends on constants only is computed once, now."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...op import Spec
from ..ir import Equation, Graph, Var, compute, with_equations
from .record import Note, no_note

LIMIT = 1 << 16  # entries: a larger result is cheaper to compute than to keep


def fold_constants(graph: Graph, note: Note = no_note) -> Graph:
    """Replace equations whose inputs are all constants by their value."""
    values = dict(graph.constant_values)
    constants = list(graph.constants)
    out: list[Equation] = []
    for e in graph.equations:
        known = all(not isinstance(x, Var) or x.id in values for x in e.inputs)
        if not known or e.op.random or e.out.spec.number or e.out.spec.size > LIMIT:
            out.append(e)
            continue
        try:
            with np.errstate(all="ignore"):
                value = compute(e, values)
        except Exception:  # noqa: BLE001  the run will meet it again, and has the words
            out.append(e)
            continue
        values[e.out.id] = value
        v = _constant(e.out)
        constants.append((v, value))
        note("computed", (e,), (v,), "")
    return with_equations(graph, out, constants=tuple(constants))


def _constant(v: Var) -> Var:
    spec = Spec(v.spec.shape, v.spec.dtype, v.spec.device)
    return replace(v, kind="const", spec=spec)
