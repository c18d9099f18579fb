"""The gradient of a graph, as a graph: its ops are traced once more, with a tape on top."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..autograd.functions import grad
from ..errors import ArgumentError
from .ir import Graph, Var
from .trace import Builder, Symbol, tracing


def differentiate(graph: Graph, outputs: Any = None, inputs: Any = None) -> Graph:
    """The graph of the gradients of ``outputs`` with respect to ``inputs``."""
    roots = graph.outputs if outputs is None else _chosen(graph, outputs, "outputs")
    wanted = tuple(v for v in graph.inputs if v.spec.dtype.kind == "f" and not v.spec.number)
    if inputs is not None:
        wanted = _chosen(graph, inputs, "inputs")
    for v in wanted:
        if v not in graph.inputs:
            raise ArgumentError(f"differentiate(inputs): {v} is no input of graph {graph.name}")
    builder = Builder(f"gradient of {graph.name}")
    builder.count = 1 + max(
        (v.id for v in (*graph.inputs, *graph.constant_vars, *(e.out for e in graph.equations))),
        default=-1,
    )
    known: dict[int, Symbol] = {}
    with tracing(builder, recording=True) as interpreter:
        for v in (*graph.inputs, *graph.constant_vars):
            known[v.id] = interpreter.symbol(v)
            known[v.id].requires_grad = v in wanted
        for e in graph.equations:
            symbols = tuple(known[x.id] if isinstance(x, Var) else x for x in e.inputs)
            start = len(builder.equations)
            known[e.out.id] = interpreter.apply(e.op, symbols, e.attrs)
            builder.equations[start:] = [
                replace(new, scope=e.scope, source=e.source) for new in builder.equations[start:]
            ]
        starts: list[Symbol | None] = []
        for v in roots:
            more = v.spec.size != 1
            name = f"gradient of {v}"
            starts.append(
                interpreter.symbol(builder.input(v.spec, name, "input", None)) if more else None
            )
        grads = grad(
            [known[v.id] for v in roots],
            [known[v.id] for v in wanted],
            starts,
            allow_unused=True,
            materialize_grads=True,
        )
        results = tuple(interpreter.var_of(g) for g in grads if g is not None)
    return Graph(
        (*graph.inputs, *(v for v, _ in builder.inputs)),
        (*graph.constants, *builder.constants),
        tuple(builder.equations),
        results,
        name=builder.name,
    ).verify()


def _chosen(graph: Graph, given: Any, argument: str) -> tuple[Var, ...]:
    """The variables that are given as they are or by name."""
    several = given if isinstance(given, (tuple, list)) else (given,)
    names = {v.name: v for v in graph.inputs if v.name} | {
        str(v): v for v in (*graph.inputs, *graph.constant_vars, *(e.out for e in graph.equations))
    }
    found = []
    for x in several:
        v = names.get(str(x))
        if v is None:
            raise ArgumentError(
                f"differentiate({argument}): graph {graph.name} has no {x!s}\n"
                f"  expected a variable such as %0, or one of {', '.join(names)}"
            )
        found.append(v)
    return tuple(found)
