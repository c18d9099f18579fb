"""A traced graph on the tape: its values, computed once more, with what they were computed from.

A trace knows where eager mode would have cut a gradient, so the tape is the one of eager mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..graph.compiler import Before, Call, CallOp, Entry
from ..graph.ir import Var, compute
from ..graph.trace import Captured
from ..random import apart
from ..tape import NUMBERS, Node, outdated
from ..tensor import Tensor, make, record


def can_replay(entry: Entry) -> bool:
    """Whether every gradient in a traced graph is that of its op."""
    return None not in entry.traced.tape.values()


def call_now(entry: Entry, leaves: list[Any]) -> Call:
    """A call that is not made: with what it would find now."""
    return Call(entry, leaves, (), Before(tuple(x.array for x in entry.updated), None))


def on_tape(call: Call, stand_ins: Mapping[int, Tensor]) -> tuple[list[Tensor], dict[int, Tensor]]:
    """The results of a call, with each traced op as a node of the tape, and all of its tape.

    ``stand_ins`` gives other tensors for some of those that it read, by their id. The tensors of
    the tape are those of the traced values, by number.
    """
    traced = call.entry.traced
    values = _values(call)
    made: dict[int, Tensor] = {}  # by the number of a value: with its history
    bare: dict[int, Tensor] = {}  # and without
    for v, binding in zip(traced.graph.inputs, traced.bindings, strict=True):
        x = binding.tensor if isinstance(binding, Captured) else None
        if not v.spec.number and x is None:
            x = call.leaves[binding.index]
        if isinstance(x, Tensor) and values[v.id] is x.array:
            made[v.id] = stand_ins.get(id(x), x)

    def tensor(x: Any, wants: bool) -> Any:
        if not isinstance(x, Var):
            return x
        if x.spec.number and x.id not in traced.tape:
            return values[x.id]
        known = made.get(x.id)
        if known is not None and known.requires_grad == wants:
            return known
        if x.id not in bare:
            bare[x.id] = make(values[x.id])
        return bare[x.id]

    for e in traced.graph.equations:
        given = traced.tape.get(e.out.id)
        if given is not None and e.out.id in values:
            inputs = tuple(tensor(x, wants) for x, wants in given)
            x = made[e.out.id] = make(values[e.out.id])
            x.node, x.requires_grad = record(e.op, inputs, e.attrs, x.array), True
            x.node.scope, x.node.source = e.scope, e.source
    results = [tensor(v, v.id in made and made[v.id].requires_grad) for v in traced.graph.outputs]
    return results, made


def _values(call: Call) -> dict[int, Any]:
    """All values that lead to the results, by number, from what the call found."""
    graph, entry = call.entry.traced.graph, call.entry
    was = {id(x): a for x, a in zip(entry.updated, call.before.arrays, strict=True)}
    known = dict(graph.constant_values)
    for v, binding in zip(graph.inputs, entry.traced.bindings, strict=True):
        before = was.get(id(binding.tensor)) if isinstance(binding, Captured) else None
        known[v.id] = binding.value(call.leaves) if before is None else before
    needed = {v.id for v in graph.outputs}
    for e in reversed(graph.equations):
        if e.out.id in needed or e.op.random:  # each draw moves the generator on
            needed |= {e.out.id, *(x.id for x in e.inputs if isinstance(x, Var))}
    with np.errstate(all="ignore"), apart(call.before.state):
        for e in graph.equations:
            if e.out.id in needed:
                known[e.out.id] = compute(e, known)
    return known


def changed_since(node: Node) -> bool:
    """Whether something that a node read was changed in place after it."""
    read = [x for x in node.inputs if x.__class__ not in NUMBERS]
    if isinstance(node.op, CallOp):
        call = node.op.call
        own = {id(x) for x in call.entry.updated if not x.requires_grad}
        found = (b.tensor for b in call.entry.traced.bindings if isinstance(b, Captured))
        read += [*call.leaves, *(x for x in found if id(x) not in own)]
    return any(x.version[0] > node.id or outdated(x) for x in read)
