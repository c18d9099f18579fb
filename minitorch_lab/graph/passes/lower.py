"""Lowering: an op that is made of smaller ops is taken apart.

Forward and backward then share parts (softmax and its gradient need the same exp), and each
part can write into a planned buffer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...op import INTERPRETER, Attrs, Op
from ..ir import Equation, Graph, Var, renamed, substitute
from ..trace import Builder, Symbol, Trace
from .record import Note, no_note


class _TakeApart(Trace):
    """Trace an op, and in place of one that has a composition trace what it is made of."""

    __slots__ = ()

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Symbol:
        """Append ``op``, or its parts, to the graph."""
        out = super().apply(op, inputs, attrs)
        return out if op.composition is None else self.parts(self.builder.equations.pop())

    def parts(self, e: Equation) -> Symbol:
        """The result of an equation, computed by the composition of its op."""
        assert e.op.composition is not None
        out = e.op.composition(
            *(self.symbol(x) if isinstance(x, Var) else x for x in e.inputs), **e.attrs
        )
        assert isinstance(out, Symbol)  # a composition is made of ops
        return out

    def with_grad(self, recording: bool) -> Trace:
        """The same: what is taken apart records nothing."""
        return self


def lower(graph: Graph, note: Note = no_note) -> Graph:
    """Replace each op that has a composition by it, and again what that is made of."""
    if not any(e.op.composition for e in graph.equations):
        return graph
    builder = Builder(graph.name)
    ids = [v.id for v in (*graph.inputs, *graph.constant_vars)]
    builder.count = 1 + max([*ids, *(e.out.id for e in graph.equations)], default=0)
    interpreter = _TakeApart(builder, recording=False)
    instead: dict[int, Var] = {}
    token = INTERPRETER.set(interpreter)
    try:
        for e in graph.equations:
            now = renamed(e, instead)
            if e.op.composition is None:
                builder.equations.append(now)
                continue
            start = len(builder.equations)
            instead[e.out.id] = interpreter.parts(now).variable
            # the parts stand where the whole stood: same module, same line
            parts = [
                replace(p, scope=e.scope, source=e.source, of=e.of)
                for p in builder.equations[start:]
            ]
            builder.equations[start:] = parts
            note("taken apart", (e,), tuple(parts), "")
    finally:
        INTERPRETER.reset(token)
        builder.open = False
    constants = (*graph.constants, *builder.constants)
    return substitute(replace(graph, constants=constants), builder.equations, instead)
