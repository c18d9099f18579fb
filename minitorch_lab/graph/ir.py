"""A traced graph as data: variables, equations, and the state that it updates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any

from ..errors import TraceError
from ..op import Attrs, Cost, Mismatch, Op, Spec, infer
from ..tape import location


@dataclass(frozen=True, slots=True, eq=False)
class Var:
    """A value of a graph, known by its number.

    ``kind`` is "input" for an argument, "param" for a captured tensor that is learned, "state"
    for other captured values (buffers, a learning rate), "const" for a baked value, "op" for a
    result.
    """

    id: int
    spec: Spec
    name: str = ""
    kind: str = "op"

    def __str__(self) -> str:
        return f"%{self.id}"


@dataclass(frozen=True, slots=True, eq=False)
class Equation:
    """``out = op(inputs, attrs)``, with the module and the learner's line that it came from."""

    out: Var
    op: Op
    inputs: tuple[Any, ...]  # Var, or a Python number
    attrs: Attrs
    scope: str = ""
    source: tuple[CodeType, int] | None = None
    tensors: tuple[Any, ...] = field(default=(), repr=False)  # what was traced, for messages

    def key(self) -> tuple[Any, ...]:
        """Equal for equations that compute the same."""
        inputs = tuple(x.id if isinstance(x, Var) else (type(x), x) for x in self.inputs)
        kinds = tuple(isinstance(x, Var) for x in self.inputs)
        return (self.op.name, kinds, inputs, repr(sorted(self.attrs.items())))

    def __str__(self) -> str:
        inputs = [str(x) for x in self.inputs]
        attrs = [f"{k}={_attr_text(v)}" for k, v in self.attrs.items()]
        return f"{self.out} = {self.op.name}({', '.join(inputs + attrs)})"


def _attr_text(value: Any) -> str:
    if isinstance(value, slice):
        parts = [("" if v is None else str(v)) for v in (value.start, value.stop)]
        return ":".join(parts) + (f":{value.step}" if value.step not in (None, 1) else "")
    if isinstance(value, tuple):
        inner = ", ".join(_attr_text(v) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return str(value) if not isinstance(value, str) else repr(value)


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Inputs, equations in order, outputs, and updates of captured state.

    ``updates`` are pairs (target, value): at the end of a run the target, a captured tensor or
    a number or a gradient, takes the value.
    """

    inputs: tuple[Var, ...]
    constants: tuple[tuple[Var, Any], ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Var, ...]
    updates: tuple[tuple[Var, Var], ...] = ()
    name: str = "graph"
    constant_values: dict[int, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "constant_values", {v.id: a for v, a in self.constants})

    @property
    def results(self) -> tuple[Var, ...]:
        """Everything that a run must produce: outputs and new state."""
        return (*self.outputs, *(value for _, value in self.updates))

    def verify(self) -> Graph:
        """Raise TraceError unless each value is defined before it is used and specs agree."""
        known = {v.id for v in self.inputs} | set(self.constant_values)
        for e in self.equations:
            for x in e.inputs:
                if isinstance(x, Var) and x.id not in known:
                    raise TraceError(f"graph {self.name}: {e} uses {x} before it is defined")
            if e.out.id in known:
                raise TraceError(f"graph {self.name}: {e.out} is defined twice")
            try:
                spec = infer(e.op, [x.spec if isinstance(x, Var) else x for x in e.inputs], e.attrs)
            except Mismatch as mismatch:
                raise TraceError(f"graph {self.name}: {e}: {mismatch.problem}") from None
            if (spec.shape, spec.dtype) != (e.out.spec.shape, e.out.spec.dtype):
                raise TraceError(f"graph {self.name}: {e} gives {spec}, not {e.out.spec}")
            known.add(e.out.id)
        for v in self.results:
            if v.id not in known:
                raise TraceError(f"graph {self.name}: result {v} is not defined")
        return self

    def cost(self) -> Cost:
        """Floating point operations and bytes of one run."""
        total = [0, 0]
        for e in self.equations:
            specs = [x.spec for x in e.inputs if isinstance(x, Var)]
            if e.out.spec.number or len(specs) < len(e.inputs):
                total[0] += e.out.spec.size
                total[1] += e.out.spec.nbytes + sum(s.nbytes for s in specs)
                continue
            cost = e.op.cost(e.out.spec, *specs, **e.attrs)
            total[0] += cost.flops
            total[1] += cost.bytes
        return Cost(*total)

    def __str__(self) -> str:
        return text(self)


def with_equations(graph: Graph, equations: Iterable[Equation], **changes: Any) -> Graph:
    """The graph with other equations."""
    return replace(graph, equations=tuple(equations), **changes)


def substitute(graph: Graph, equations: Iterable[Equation], instead: dict[int, Var]) -> Graph:
    """The graph with other equations, and its results renamed by ``instead``."""

    def now(v: Var) -> Var:
        return instead.get(v.id, v)

    return replace(
        graph,
        equations=tuple(equations),
        outputs=tuple(now(v) for v in graph.outputs),
        updates=tuple((target, now(value)) for target, value in graph.updates),
    )


def text(graph: Graph, lines: bool = True) -> str:
    """The graph as text: one line for each value.

    >>> print(text(Graph((), (), (), (), name="nothing")))
    graph nothing():
      return
    """
    head = ", ".join(f"{v}: {v.spec}" for v in graph.inputs if v.kind == "input")
    out = [f"graph {graph.name}({head}):"]
    captured = [v for v in graph.inputs if v.kind != "input"]
    out += [f"  {v} = {v.kind} {v.name or '?'}  {v.spec}" for v in captured]
    for v, array in graph.constants:
        shown = f" {array.item():.6g}" if array.size == 1 else ""
        out.append(f"  {v} = const{shown}  {v.spec}")
    rows: list[tuple[str, Callable[[], str]]] = []
    for e in graph.equations:
        where = location(e) if lines else None
        note = f"{e.out.spec}" + (f"  # {where}" if where else "")
        rows.append((f"  {e}", note.strip))
    width = min(max((len(left) for left, _ in rows), default=0), 60)
    out += [f"{left:{width}}  {note()}" for left, note in rows]
    for target, value in graph.updates:
        out.append(f"  {target.name or target} <- {value}")
    out.append("  return " + ", ".join(str(v) for v in graph.outputs))
    return "\n".join(out).replace("return \n", "return\n").rstrip()
