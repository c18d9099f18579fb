"""A compiled call on the tape, unfolded: in place of its one node the ops that were traced.

A plan keeps no values in between, so they are computed once more, op by op, from what the call was
given. Nothing of the learner's runs for it, and nothing changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph.compiler import CallOp, Compiled
from ..graph.trace import flatten
from ..tape import NUMBERS, Node
from ..tensor import Tensor, make, record
from .build import Names, _inputs, _reachable
from .replay import call_now, can_replay, changed_since, on_tape

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
    if not all(can_replay(node.op.call.entry) for node in calls if isinstance(node.op, CallOp)):
        return list(roots), names, _OWN.format(title)
    if any(map(changed_since, nodes)):
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
            results[id(call)] = on_tape(call, stand_ins)[0]
        made[id(node)] = results[id(call)][node.op.index]
    return [moved(root) for root in roots], now, _RAN.format(title)


def traced_call(function: Compiled, *inputs: Any) -> list[Tensor] | None:
    """What ``function`` gives for ``inputs``, with the traced ops on the tape; nothing changes.

    None where a gradient in it has a rule of its own.
    """
    leaves: list[Any] = []
    flatten((inputs, {}), leaves)
    entry = function._entry(inputs, {})
    if not can_replay(entry):
        return None
    return on_tape(call_now(entry, leaves), {})[0]


def _made(like: Node, inputs: tuple[Any, ...]) -> Tensor:
    """The output of a node like this one, with other inputs."""
    x = make(like.y)
    x.node = record(like.op, inputs, like.attrs, like.y)
    x.node.scope, x.node.source = like.scope, like.source
    if like.hooked:
        x.node.__class__, x.node.hooks = like.__class__, like.hooks
    return x
