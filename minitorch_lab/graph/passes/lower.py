"""Lowering: an op that is made of smaller ops is taken apart.

Forward and backward then share parts (softmax and its gradient need the same exp), and each
part can write into a planned buffer. An op on float16 that adds many numbers is made of casts and
the same op on float32: its result is rounded once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...op import INTERPRETER, OPS, Attrs, Op
from ..codegen.routines import COPIES, ROUTINES
from ..fuse import FLOAT16, REDUCTIONS, fusible, of_halves
from ..ir import Equation, Graph, Var, renamed, substitute
from ..trace import Builder, Symbol, Trace
from .record import Note, no_note

FLOAT32 = np.dtype("float32")


class _TakeApart(Trace):
    """Trace an op, and in place of one that is taken apart trace what it is made of."""

    __slots__ = ()

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Symbol:
        """Append ``op``, or its parts, to the graph."""
        out = super().apply(op, inputs, attrs)
        return self.parts(self.builder.equations.pop()) if _apart(self.last) else out

    @property
    def last(self) -> Equation:
        """The equation that was appended last."""
        return self.builder.equations[-1]

    def parts(self, e: Equation) -> Symbol:
        """The result of an equation, computed by what its op is made of."""
        inputs = [self.symbol(x) if isinstance(x, Var) else x for x in e.inputs]
        if _widened(e):
            wide = [self.cast(x, FLOAT32) if _is_half(x) else x for x in inputs]
            out = self.apply(e.op, tuple(wide), e.attrs)
            return self.cast(out, FLOAT16) if e.out.spec.dtype == FLOAT16 else out
        assert e.op.composition is not None
        out = e.op.composition(*inputs, **e.attrs)
        assert isinstance(out, Symbol)  # a composition is made of ops
        return out

    def cast(self, x: Any, dtype: Any) -> Any:
        """The same numbers as another dtype."""
        return super().apply(OPS["to"], (x,), {"dtype": dtype})

    def with_grad(self, recording: bool) -> Trace:
        """The same: what is taken apart records nothing."""
        return self


def _apart(e: Equation) -> bool:
    """Whether an equation is taken apart; a loop over float16 rounds once where it is not."""
    made = e.op.composition is not None and not (of_halves(e) and fusible(e))
    return made or _widened(e)


def _widened(e: Equation) -> bool:
    """Whether an equation on float16 is one on float32 between casts.

    A GPU multiplies matrices of float16 itself, and has its own kernels for most that is no sum.
    """
    if e.op.view or e.parts or not of_halves(e) or fusible(e):
        return False
    on_cpu = e.out.spec.device == "cpu"
    if e.op.composition is not None:
        return on_cpu or e.op.autocast != "low"
    if not on_cpu:
        return e.op.name in REDUCTIONS
    return e.op.name in ROUTINES and e.op.name not in COPIES


def _is_half(x: Any) -> bool:
    return isinstance(x, Symbol) and x.variable.spec.dtype == FLOAT16


def lower(graph: Graph, note: Note = no_note) -> Graph:
    """Replace each op that has a composition by it, and again what that is made of."""
    if not any(map(_apart, graph.equations)):
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
            if not _apart(now):
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
