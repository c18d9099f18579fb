"""A compiled call on the tape, unfolded: in place of its one node the ops that were traced.

A plan keeps no values in between, so they are computed once more, op by op, from what the call was
given. Nothing of the learner's runs for it, and nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..graph.compiler import Before, Call, CallOp, Compiled, Entry
from ..graph.ir import Var, compute
from ..graph.trace import Captured, flatten
from ..random import apart
from ..tape import NUMBERS, Node, outdated
from ..tensor import Tensor, make, record
from .build import Names, _inputs, _reachable

_RAN = "{} ran as a graph. These are the ops that were traced, in NumPy; its plan joins them."
TRACED = "These are the ops that were traced from {}, in NumPy; nothing was changed by it."
_CHANGED = "{} ran as a graph, and stands as one op: what it read was changed since."
_OWN = (
    "{} ran as a graph, and stands as one op: in it is a choice, a loop or a Function with a "
    "gradient of its own."
)


def unfolded(roots: Sequence[Tensor], names: Names) -> tuple[list[Tensor], Names, str]:
    """The tape of ``roots`` with the ops of compiled calls in place of their nodes.

    Hands back the roots on that tape, names for its tensors, and what to say of it.
    """
    nodes = _reachable(roots)
    calls = [node for node in nodes if isinstance(node.op, CallOp)]
    title = ", ".join(dict.fromkeys(f"{node.op.name}()" for node in calls))
    if not calls or any(node.freed for node in nodes):
        return list(roots), names, ""
    if not all(can_unfold(node.op.call.entry) for node in calls if isinstance(node.op, CallOp)):
        return list(roots), names, _OWN.format(title)
    if any(map(_changed, nodes)):
        return list(roots), names, _CHANGED.format(title)
    made: dict[int, Tensor] = {}  # by the id of a node: its output on the new tape
    results: dict[int, list[Tensor]] = {}  # by the id of a call
    now = dict(names)

    def moved(x: Any) -> Any:
        if x.__class__ in NUMBERS or x.node is None:
            return x
        new = made[id(x.node)]
        new.requires_grad, new.name = x.requires_grad, x.name
        if id(x) in names:
            now[id(new)] = names[id(x)]
        return new

    for node in nodes:
        inputs = tuple(map(moved, _inputs(node)))
        if not isinstance(node.op, CallOp):
            made[id(node)] = _made(node, inputs)
            continue
        call = node.op.call
        if id(call) not in results:
            stand_ins = {id(x): new for x, new in zip(call.wanted, inputs, strict=True)}
            results[id(call)] = on_tape(call, stand_ins)
        made[id(node)] = results[id(call)][node.op.index]
    return [moved(root) for root in roots], now, _RAN.format(title)


def traced_call(function: Compiled, *inputs: Any) -> list[Tensor] | None:
    """What ``function`` gives for ``inputs``, with the traced ops on the tape; nothing changes.

    None where a gradient in it has a rule of its own.
    """
    leaves: list[Any] = []
    flatten((inputs, {}), leaves)
    entry = function._entry(inputs, {})
    if not can_unfold(entry):
        return None
    now = Before(tuple(x.array for x in entry.updated), None)
    return on_tape(Call(entry, leaves, (), now), {})


def can_unfold(entry: Entry) -> bool:
    """Whether every gradient in a traced graph is that of its op."""
    return None not in entry.traced.tape.values()


def on_tape(call: Call, stand_ins: Mapping[int, Tensor]) -> list[Tensor]:
    """The results of a call, with each traced op as a node of the tape.

    ``stand_ins`` gives other tensors for some of those that it read, by their id.
    """
    traced = call.entry.traced
    values = _values(call)
    made: dict[int, Any] = {}  # by the number of a value: with its history
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
    return [tensor(v, v.id in made and made[v.id].requires_grad) for v in traced.graph.outputs]


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


def _changed(node: Node) -> bool:
    """Whether something that a node read was changed in place after it."""
    read = [x for x in node.inputs if x.__class__ not in NUMBERS]
    if isinstance(node.op, CallOp):
        call = node.op.call
        own = {id(x) for x in call.entry.updated if not x.requires_grad}
        found = (b.tensor for b in call.entry.traced.bindings if isinstance(b, Captured))
        read += [*call.leaves, *(x for x in found if id(x) not in own)]
    return any(x.version[0] > node.id or outdated(x) for x in read)


def _made(like: Node, inputs: tuple[Any, ...]) -> Tensor:
    """The output of a node like this one, with other inputs."""
    x = make(like.y)
    x.node = record(like.op, inputs, like.attrs, like.y)
    x.node.scope, x.node.source = like.scope, like.source
    if like.hooked:
        x.node.__class__, x.node.hooks = like.__class__, like.hooks
    return x
