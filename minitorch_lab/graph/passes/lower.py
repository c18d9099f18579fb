"""Lowering: an op that is made of smaller ops is taken apart.

Forward and backward then share parts (softmax and its gradient need the same exp), and each
part can write into a planned buffer.
"""

from __future__ import annotations

from dataclasses import replace

from ...op import INTERPRETER
from ..ir import Equation, Graph, Var, substitute
from ..trace import Builder, Symbol, Trace


def lower(graph: Graph) -> Graph:
    """Replace each op that has a composition by it, and again what that is made of."""
    while any(e.op.composition for e in graph.equations):
        graph = _once(graph)
    return graph


def _once(graph: Graph) -> Graph:
    builder = Builder(graph.name)
    ids = [v.id for v in (*graph.inputs, *(v for v, _ in graph.constants))]
    builder.count = 1 + max([*ids, *(e.out.id for e in graph.equations)], default=0)
    interpreter = Trace(builder, recording=False)
    instead: dict[int, Var] = {}
    token = INTERPRETER.set(interpreter)
    try:
        for e in graph.equations:
            inputs = tuple(instead.get(x.id, x) if isinstance(x, Var) else x for x in e.inputs)
            if e.op.composition is None:
                builder.equations.append(replace(e, inputs=inputs))
                continue
            start = len(builder.equations)
            symbols = [interpreter.symbol(x) if isinstance(x, Var) else x for x in inputs]
            out = e.op.composition(*symbols, **e.attrs)
            assert isinstance(out, Symbol)  # a composition is made of ops
            instead[e.out.id] = out.variable
            builder.equations[start:] = [_from(new, e) for new in builder.equations[start:]]
    finally:
        INTERPRETER.reset(token)
        builder.open = False
    constants = (*graph.constants, *builder.constants)
    return substitute(replace(graph, constants=constants), builder.equations, instead)


def _from(new: Equation, old: Equation) -> Equation:
    """The parts stand where the whole stood: same module, same line."""
    return replace(new, scope=old.scope, source=old.source)
