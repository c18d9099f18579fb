"""Gradients of slices: parts that fill a value side by side need no zeros around them.

The gradient of a slice is a value of zeros with the slice's gradient at its place. Where a value
was cut into pieces, as the queries, keys and values of an attention are, there are as many of these
as pieces, and they are added. Here the pieces are put side by side instead. The numbers are the
same, but a -0.0 stays, which a sum with 0.0 turns into 0.0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from ...op import OPS, infer
from ..ir import Equation, Graph, Var, with_equations
from .record import Note, no_note


class Piece(NamedTuple):
    """A part of a value along one dimension, which ends before ``end``."""

    start: int
    end: int
    value: Var


def join_slices(graph: Graph, note: Note = no_note) -> Graph:
    """Put side by side what is added to zeros at places that fill the whole."""
    made = {e.out.id: e for e in graph.equations}
    uses: dict[int, int] = {v.id: 2 for v in graph.results}  # a result has to stay
    for e in graph.equations:
        for x in e.inputs:
            if isinstance(x, Var):
                uses[x.id] = uses.get(x.id, 0) + 1
    instead: dict[int, Equation] = {}
    inner: set[int] = set()
    for e in reversed(graph.equations):
        if e.op.name != "add" or e.out.id in inner:
            continue
        adds, leaves = _tree(e, made, uses)
        inner |= {a.out.id for a in adds[1:]}
        new = _side_by_side(e, leaves)
        if new is not None:
            instead[e.out.id] = new
            note("rewritten", (*leaves, *reversed(adds)), (new,), "the pieces fill the whole")
    if not instead:
        return graph
    return with_equations(graph, [instead.get(e.out.id, e) for e in graph.equations])


def _tree(
    e: Equation, made: dict[int, Equation], uses: dict[int, int]
) -> tuple[list[Equation], list[Equation]]:
    """The sums below a sum that only it uses, and the pieces at their ends; none for others."""
    adds, leaves, todo = [e], [], list(e.inputs)
    while todo:
        x = todo.pop()
        below = made.get(x.id) if isinstance(x, Var) else None
        if below is None or uses[below.out.id] > 1 or below.op.name not in ("add", "unslice"):
            return [e], []
        if below.op.name == "unslice":
            leaves.append(below)
        else:
            adds.append(below)
            todo += below.inputs
    return adds, leaves


def _side_by_side(e: Equation, leaves: list[Equation]) -> Equation | None:
    """The equation that joins the pieces; None where they do not fill the whole."""
    dims = {_dimension(leaf) for leaf in leaves}
    if len(dims) != 1 or None in dims or len({len(leaf.attrs["index"]) for leaf in leaves}) > 1:
        return None
    dim = dims.pop()
    assert dim is not None
    pieces = sorted((_piece(leaf, dim) for leaf in leaves), key=lambda p: p[:2])
    ends = [0, *(p.end for p in pieces)]
    if [p.start for p in pieces] != ends[:-1] or ends[-1] != e.out.spec.shape[dim]:
        return None
    single = isinstance(leaves[0].attrs["index"][dim], int)
    if any(isinstance(leaf.attrs["index"][dim], int) != single for leaf in leaves):
        return None
    op, inputs = OPS["stack" if single else "cat"], tuple(p.value for p in pieces)
    spec = infer(op, [v.spec for v in inputs], {"dim": dim})
    if spec != e.out.spec:
        return None
    return replace(e, op=op, inputs=inputs, attrs={"dim": dim}, tensors=())


def _dimension(e: Equation) -> int | None:
    """The only dimension that a slice cuts; None where it cuts others too, or steps."""
    cut = [
        d
        for d, (part, n) in enumerate(zip(e.attrs["index"], e.out.spec.shape, strict=False))
        if not (isinstance(part, slice) and part.indices(n) == (0, n, 1))
    ]
    if len(cut) != 1 or not all(isinstance(part, (int, slice)) for part in e.attrs["index"]):
        return None
    part: Any = e.attrs["index"][cut[0]]
    return cut[0] if isinstance(part, int) or part.step in (None, 1) else None


def _piece(e: Equation, dim: int) -> Piece:
    part, n = e.attrs["index"][dim], e.out.spec.shape[dim]
    value = e.inputs[0]
    if isinstance(part, int):
        return Piece(part % n, part % n + 1, value)
    start, end, _ = part.indices(n)
    return Piece(start, end, value)


__all__ = ["join_slices"]
