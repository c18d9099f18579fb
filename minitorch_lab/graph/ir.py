"""A traced graph as data: variables, equations, and the state that it updates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..device import NAMESPACES, to_host
from ..dtypes import DType
from ..errors import ArgumentError, TraceError
from ..op import COMPUTE, Attrs, Cost, Mismatch, Op, Spec, infer
from ..tape import location

if TYPE_CHECKING:
    from .estimate import Seconds


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


class Gradient(NamedTuple):
    """Of which call an equation is a part of the gradient: its op, its module, its number.

    ``asked`` is where the gradient was asked for: the line with backward().
    """

    op: str
    scope: str
    call: int
    asked: tuple[CodeType, int] | None = None

    def __str__(self) -> str:
        return f"gradient of {self.op}" + (f" in {self.scope}" if self.scope else "")


@dataclass(frozen=True, slots=True, eq=False)
class Equation:
    """``out = op(inputs, attrs)``, with the module and the learner's line that it came from.

    An equation of the backward pass has the line of the call that it is the gradient ``of``.
    """

    out: Var
    op: Op
    inputs: tuple[Any, ...]  # Var, or a Python number
    attrs: Attrs
    scope: str = ""
    source: tuple[CodeType, int] | None = None
    tensors: tuple[Any, ...] = field(default=(), repr=False)  # what was traced, for messages
    of: Gradient | None = None

    def key(self) -> tuple[Any, ...]:
        """Equal for equations that compute the same; 0.0 and -0.0 are two numbers."""
        inputs = tuple(x.id if isinstance(x, Var) else (type(x), repr(x)) for x in self.inputs)
        return (self.op, inputs, repr(sorted(self.attrs.items())) if self.attrs else "")

    def cost(self) -> Cost:
        """Floating point operations and bytes of this call."""
        specs = [x.spec for x in self.inputs if isinstance(x, Var)]
        if self.out.spec.number or len(specs) < len(self.inputs):
            moved = self.out.spec.nbytes + sum(s.nbytes for s in specs)
            return Cost(self.out.spec.size, moved)
        return self.op.cost(self.out.spec, *specs, **self.attrs)

    @property
    def parts(self) -> dict[str, Part]:
        """The graphs of a choice or a loop, by name; of any other op none."""
        parts: dict[str, Part] = self.attrs.get("parts", {})
        return parts

    def __str__(self) -> str:
        inputs = [str(x) for x in self.inputs]
        attrs = [f"{k}={_attr_text(v)}" for k, v in self.attrs.items() if k != "parts"]
        return f"{self.out} = {self.op.name}({', '.join(inputs + attrs)})"


def _attr_text(value: Any) -> str:
    """An attribute as ``graph.parse`` reads it."""
    if isinstance(value, slice):
        parts = ["" if v is None else _attr_text(v) for v in (value.start, value.stop, value.step)]
        return ":".join(parts if value.step is not None else parts[:2])
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(_attr_text, value))
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_attr_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, np.generic):
        return _attr_text(value.item())
    if value is Ellipsis:
        return "..."
    if isinstance(value, (str, DType)):
        return repr(value)
    if value is None or isinstance(value, (int, float, np.dtype, Spec)):
        return str(value)
    return f"<{type(value).__name__}>"


SMALL = 16  # entries: a larger constant has a name in the text, and a table has its value


def _constant_text(v: Var, array: Any, place: str) -> str:
    """The value of a small constant, exactly; the name of a large one."""
    if array.size > SMALL:
        return f"{place}c{v.id}"
    entries = [_entry_text(x) for x in to_host(array).ravel()]
    return entries[0] if len(entries) == 1 else f"[{', '.join(entries)}]"


def _entry_text(x: Any) -> str:
    """The shortest text that gives this number in its dtype."""
    short = f"{x:.6g}" if x.dtype.kind == "f" else str(x)
    return short if x.dtype.kind != "f" or x != x or x.dtype.type(short) == x else str(x)


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

    @property
    def constant_vars(self) -> tuple[Var, ...]:
        """The variables of the constants."""
        return tuple(v for v, _ in self.constants)

    def verify(self, before: Graph | None = None) -> Graph:
        """Raise TraceError unless each value is defined before it is used and specs agree.

        The specs of equations that stood in ``before``, a verified graph, are not worked out
        again.
        """
        checked = set(map(id, before.equations)) if before is not None else frozenset()
        known = {v.id for v in self.inputs} | set(self.constant_values)
        for e in self.equations:
            for x in e.inputs:
                if isinstance(x, Var) and x.id not in known:
                    raise TraceError(f"graph {self.name}: {e} uses {x} before it is defined")
            if e.out.id in known:
                raise TraceError(f"graph {self.name}: {e.out} is defined twice")
            known.add(e.out.id)
            if id(e) in checked:
                continue
            for name, part in e.parts.items():
                part.verify(f"graph {self.name}: {name} of {e}", e)
            try:
                spec = infer(e.op, [x.spec if isinstance(x, Var) else x for x in e.inputs], e.attrs)
            except Mismatch as mismatch:
                raise TraceError(f"graph {self.name}: {e}: {mismatch.problem}") from None
            if (spec.shape, spec.dtype) != (e.out.spec.shape, e.out.spec.dtype):
                raise TraceError(f"graph {self.name}: {e} gives {spec}, not {e.out.spec}")
        for v in self.results:
            if v.id not in known:
                raise TraceError(f"graph {self.name}: result {v} is not defined")
        return self

    def cost(self) -> Cost:
        """Floating point operations and bytes of one run."""
        each = [e.cost() for e in self.equations]
        return Cost(sum(c.flops for c in each), sum(c.bytes for c in each))

    def estimate(self) -> Seconds:
        """Seconds of one run, op by op, by the limits that this machine was measured to have."""
        from .estimate import estimate

        return estimate(self)

    def run(self, *values: Any) -> tuple[Any, ...]:
        """Compute the graph op by op in plain NumPy: outputs, then new state.

        ``values`` are arrays, and numbers for the inputs that are numbers, in the order of
        ``inputs``. Nothing is changed: new state is handed back.

        >>> import minitorch_lab as lab
        >>> graph = lab.compile(lambda x: x * 2 + 1).graph(lab.ones(3))
        >>> graph.run(np.array([1, 2, 3], "float32"))
        (array([3., 5., 7.], dtype=float32),)
        """
        return self.evaluate(values, self.results)

    def evaluate(self, values: Iterable[Any], wanted: Iterable[Var]) -> tuple[Any, ...]:
        """The values of some variables of the graph, from the values of its inputs."""
        given = tuple(values)
        if len(given) != len(self.inputs):
            raise ArgumentError(
                f"graph {self.name}: got {len(given)} values for {len(self.inputs)} inputs\n"
                "  expected one for each of "
                + (", ".join(f"{v} {v.name}".strip() for v in self.inputs) or "none")
            )
        known: dict[int, Any] = dict(self.constant_values)
        for v, value in zip(self.inputs, given, strict=True):
            known[v.id] = _checked(self, v, value)
        with np.errstate(all="ignore"):
            for e in self.equations:
                known[e.out.id] = compute(e, known)
        return tuple(known[v.id] for v in wanted)

    def differentiate(self, outputs: Any = None, inputs: Any = None) -> Graph:
        """The graph of the gradients of ``outputs`` with respect to ``inputs``.

        Both are variables or names of them, one or a tuple; without them, the outputs of the
        graph and its inputs of a float dtype. An output with more than one entry takes the
        gradient that comes to it as one more input, after the others.

        >>> import minitorch_lab as lab
        >>> graph = lab.compile(lambda x: (x * x).sum()).graph(lab.ones(3))
        >>> graph.differentiate().run(np.array([1, 2, 3], "float32"))
        (array([2., 4., 6.], dtype=float32),)
        """
        from .differentiate import differentiate

        return differentiate(self, outputs, inputs)

    def table(self) -> dict[str, Any]:
        """The constants that are too large for the text, by the names that they have there."""
        return self._table("")

    def _table(self, place: str) -> dict[str, Any]:
        found = {f"{place}c{v.id}": a for v, a in self.constants if a.size > SMALL}
        for e in self.equations:
            for name, part in e.parts.items():
                found |= part.graph._table(_place(place, e, name))
        return found

    @staticmethod
    def parse(source: str, table: dict[str, Any] | None = None) -> Graph:
        """The graph that has this text; ``table`` gives the large constants by name.

        Comments, the lines and modules that equations came from, are passed over.

        >>> print(Graph.parse("graph same(%0: float32 (3,)):\\n  return %0"))
        graph same(%0: float32 (3,)):
          return %0
        """
        from .parse import parse

        return parse(source, table or {})

    def __str__(self) -> str:
        return text(self)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Part:
    """A graph inside of an equation: one way of a choice, or the body of a loop.

    ``places`` are those of its inputs among the inputs of the equation. A loop over rows takes
    one row of some of them.
    """

    graph: Graph
    places: tuple[int, ...]

    def run(self, arrays: Sequence[Any]) -> Sequence[Any]:
        """What it gives for the inputs of the equation, op by op."""
        return self.graph.run(*(arrays[i] for i in self.places))

    def verify(self, where: str, e: Equation) -> None:
        """TraceError unless the graph is one, and takes what the equation gives it."""
        self.graph.verify()
        if len(self.places) != len(self.graph.inputs):
            raise TraceError(f"{where}: {len(self.places)} values for {len(self.graph.inputs)}")
        for v, i in zip(self.graph.inputs, self.places, strict=True):
            x = e.inputs[i].spec if i < len(e.inputs) else None
            if x is None or v.spec.dtype != x.dtype or v.spec.shape not in (x.shape, x.shape[1:]):
                raise TraceError(f"{where}: {v} is {v.spec}, and is given {x or 'nothing'}")


ALIGN = 16  # bytes: where a result of a choice or a loop may begin among the others


def room(spec: Spec) -> int:
    """The bytes that a result of a choice or a loop takes among the others."""
    return -(-spec.nbytes // ALIGN) * ALIGN


def places_of(specs: Sequence[Spec]) -> list[int]:
    """Where each result begins, in bytes."""
    return [sum(map(room, specs[:k])) for k in range(len(specs))]


def with_parts(graph: Graph, change: Callable[[str, Part], Any]) -> Graph:
    """The graph with other parts in its choices and loops; itself where there are none."""
    if not any(e.parts for e in graph.equations):
        return graph

    def now(e: Equation) -> Equation:
        if not e.parts:
            return e
        parts = {name: change(f"{name} of {e.out}", part) for name, part in e.parts.items()}
        return replace(e, attrs=e.attrs | {"parts": parts})

    return with_equations(graph, map(now, graph.equations))


def compute(e: Equation, known: dict[int, Any]) -> Any:
    """The value of an equation from the values of its inputs."""
    inputs = tuple(known[x.id] if isinstance(x, Var) else x for x in e.inputs)
    value = COMPUTE.apply(e.op, inputs, e.attrs)
    if e.out.spec.number:  # a number of Python gives way to arrays, one of NumPy does not
        return value.item() if hasattr(value, "item") else value
    if type(value) not in NAMESPACES:
        value = np.asarray(value)
    return value if value.dtype == e.out.spec.dtype else value.astype(e.out.spec.dtype)


def _checked(graph: Graph, v: Var, value: Any) -> Any:
    if v.spec.number:
        return value.item() if hasattr(value, "item") else value
    array = value if type(value) in NAMESPACES else np.asarray(value)
    if array.shape != v.spec.shape or array.dtype != v.spec.dtype:
        raise ArgumentError(
            f"graph {graph.name}: input {v} {v.name} is {array.dtype} {array.shape}\n"
            f"  expected {v.spec}"
        )
    return array


def with_equations(graph: Graph, equations: Iterable[Equation], **changes: Any) -> Graph:
    """The graph with other equations."""
    return replace(graph, equations=tuple(equations), **changes)


def renamed(e: Equation, instead: dict[int, Var]) -> Equation:
    """The equation with its inputs renamed; itself where none is."""
    if not any(isinstance(x, Var) and x.id in instead for x in e.inputs):
        return e
    inputs = tuple(instead.get(x.id, x) if isinstance(x, Var) else x for x in e.inputs)
    return replace(e, inputs=inputs)


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


def _name_text(v: Var) -> str:
    """A name as it is, or as a string where it would be read as something else."""
    plain = v.name and not set(v.name) & set(" \t\n#'\"") and v.name not in ("?", "return")
    return v.name if plain and v.name[0] not in "%(" else repr(v.name) if v.name else "?"


def _place(place: str, e: Equation, name: str) -> str:
    """What the names of the constants of a part begin with."""
    return f"{place}p{e.out.id}.{name}."


def text(graph: Graph, lines: bool = True) -> str:
    """The graph as text: one line for each value.

    ``lines`` adds the module and the learner's line that an equation came from, as a comment.
    The graphs of a choice or a loop stand below its equation, further in; the numbers before
    each are the places of what it reads among the inputs of the equation.

    >>> print(text(Graph((), (), (), (), name="nothing")))
    graph nothing():
      return
    """
    return "\n".join(_rows(graph, lines, ""))


def _rows(graph: Graph, lines: bool, place: str) -> list[str]:
    head = ", ".join(f"{v}: {v.spec}" for v in graph.inputs if v.kind == "input")
    out = [f"graph {graph.name}({head}):"]
    captured = [v for v in graph.inputs if v.kind != "input"]
    out += [f"  {v} = {v.kind} {_name_text(v)}  {v.spec}" for v in captured]
    for v, array in graph.constants:
        out.append(f"  {v} = const {_constant_text(v, array, place)}  {v.spec}")
    lefts = [f"  {e}" for e in graph.equations]
    width = min(max(map(len, lefts), default=0), 60)
    for left, e in zip(lefts, graph.equations, strict=True):
        where = location(e) if lines else None
        came = ", ".join(str(w) for w in (e.of or e.scope, where) if w and lines)
        out.append(f"{left:{width}}  {e.out.spec}" + (f"  # {came}" if came else ""))
        for name, part in e.parts.items():
            reads = ", ".join(map(str, part.places))
            head, *rest = _rows(part.graph, lines, _place(place, e, name))
            out += [f"    {name}({reads}) = {head}", *(f"    {row}" for row in rest)]
    for target, value in graph.updates:
        if target.id < 0:
            out.append(f"  {_name_text(target)} <- {value}")
        else:
            out.append(f"  {target} <- {value}" + (f"  # {target.name}" if target.name else ""))
    out.append(f"  return {', '.join(str(v) for v in graph.outputs)}".rstrip())
    return out
