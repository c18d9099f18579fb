"""Max pooling: its gradient needs to know where the largest entry of a window was, not all of them.

The gradient of a max pool, as it is traced, compares the whole picture with the largest entries
once more, so the picture has to stay in memory until then. Here the place in each window is kept
as a number of one byte, found while the picture is at hand. Where the picture came from a relu, its
gradient is 0 or 1 times that of the pool; it asks the largest entries instead, which are fewer: the
entry that a gradient goes to is the largest one. All entries stay what they were, bit for bit.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from ...op import OPS, infer
from ..ir import Equation, Graph, Var, with_equations
from .dead import drop_dead
from .record import Note, no_note

WIDEST = 64  # entries of a window


def remember_places(graph: Graph, note: Note = no_note) -> Graph:
    """Let gradients of max pools go by the places of the largest entries."""
    gradients = [e for e in graph.equations if _simple(e)]
    if not gradients:
        return graph
    builder = _Builder(graph)
    after: dict[int, list[Equation]] = {}  # what is put behind the equation of a value
    instead: dict[int, list[Equation]] = {}
    places: dict[tuple[Any, ...], Var] = {}
    for e in gradients:
        grad, output, picture = e.inputs
        if output.id not in builder.made:
            continue
        key = (output.id, picture.id, *sorted(e.attrs.items()))
        if key not in places:
            pool = builder.made[output.id]
            found = builder.equation(pool, "max_pool2d_where", (output, picture), e.attrs)
            after.setdefault(builder.later(output, picture).id, []).append(found)
            places[key] = found.out
        masked = builder.masked(e)
        new: list[Equation] = []
        if masked is not None:
            product, mask = masked
            positive = builder.equation(product, "gt", (output, 0), {})
            number = builder.equation(product, "to", (positive.out,), mask.attrs)
            grad_masked = builder.equation(product, "mul", (grad, number.out), {})
            new, grad = [positive, number, grad_masked], grad_masked.out
            instead[e.out.id] = []
        last = e if masked is None else masked[0]
        height, width = e.out.spec.shape[2:]
        attrs = {"height": height, "width": width, **e.attrs}
        put = replace(
            last, op=OPS["max_pool2d_put"], inputs=(grad, places[key]), attrs=attrs, tensors=()
        )
        instead[last.out.id] = [*new, put]
        note("rewritten", (e,) if masked is None else (e, last), (*new, put), "the place is known")
    out: list[Equation] = []
    gone = {made for made, new in instead.items() if not new}
    for e in graph.equations:
        if e.out.id not in instead and any(isinstance(x, Var) and x.id in gone for x in e.inputs):
            gone.add(e.out.id)
            note("removed", (e,), (), "nothing needs it")
            continue
        out += instead.get(e.out.id, [e])
        out += after.get(e.out.id, [])
    return with_equations(graph, out)


def _simple(e: Equation) -> bool:
    """Whether no two windows share an entry: each entry then gets one gradient at most."""
    if e.op.name != "max_pool2d_grad":
        return False
    kernel, stride, dilation = (e.attrs[k] for k in ("kernel_size", "stride", "dilation"))
    apart = all(s >= k and d == 1 for k, s, d in zip(kernel, stride, dilation, strict=True))
    return apart and prod(kernel) <= WIDEST


class _Builder:
    """Makes equations with new values for a graph."""

    def __init__(self, graph: Graph) -> None:
        self.made = {e.out.id: e for e in graph.equations}
        self.order = {n: i for i, n in enumerate(self.made)}
        self.users: dict[int, list[Equation]] = {}
        for e in drop_dead(graph).equations:  # what nothing needs reads nothing
            for x in e.inputs:
                if isinstance(x, Var):
                    self.users.setdefault(x.id, []).append(e)
        self.results = {v.id for v in graph.results}
        every = (*graph.inputs, *graph.constant_vars, *(e.out for e in graph.equations))
        self.next = 1 + max(v.id for v in every)

    def later(self, a: Var, b: Var) -> Var:
        """The one of two values that is made last."""
        return a if self.order.get(a.id, -1) > self.order.get(b.id, -1) else b

    def equation(self, like: Equation, name: str, inputs: tuple[Any, ...], attrs: Any) -> Equation:
        """An equation at the place of another one: same module, same line."""
        op = OPS[name]
        spec = infer(op, [x.spec if isinstance(x, Var) else x for x in inputs], attrs)
        out = Var(self.next, spec)
        self.next += 1
        return Equation(out, op, inputs, attrs, like.scope, like.source, of=like.of)

    def masked(self, e: Equation) -> tuple[Equation, Equation] | None:
        """The only user of a gradient and its mask, if that is the gradient of a relu."""
        users = self.users.get(e.out.id, [])
        if len(users) != 1 or users[0].op.name != "mul" or e.out.id in self.results:
            return None
        for x in users[0].inputs:
            mask = self.made.get(x.id) if isinstance(x, Var) else None
            test = self.made.get(mask.inputs[0].id) if mask and mask.op.name == "to" else None
            if mask and test and test.op.name == "gt" and test.inputs == (e.inputs[2], 0):
                return users[0], mask
        return None


__all__ = ["remember_places"]
