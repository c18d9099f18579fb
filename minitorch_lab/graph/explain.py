"""``lab.explain(f)``: what graph mode made of a function, and why it traced it when it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from html import escape
from typing import Any

from ..errors import ArgumentError
from ..tensor import Tensor
from .compiler import Compiled, Entry, said
from .ir import Equation, Graph, Var
from .kernels import Kernel, Steps
from .passes import Certificate, Record
from .plain import plain
from .provenance import Origin
from .stages import StageRecord
from .trace import ArgumentGrad, Captured, Grad, Guard, Number
from .workings import Bits

# What makes the picture of ``Explanation.view``: the package puts it in, from a room above.
VIEW: list[Callable[[Explanation, int], Any]] = []
TIMES = ("tracing", "passes", "build", "first call", "cached call")


class Signature:
    """One graph of a compiled function: what it holds for, what it reads, what it changes."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self.number = entry.history.number
        self.size = entry.size
        self.reason = entry.history.reason
        self.changes = entry.history.changes()
        self.arguments = {k: said(v) for k, v in entry.history.arguments.items()}
        self.guards = [_guard(g) for g in entry.guards]
        self.captured = _captured(entry)
        self.updates = _updates(entry)
        self.side_effects = list(entry.history.effects)
        self.later = [words for words, _ in entry.traced.later]
        self.executor = entry.plan.executor
        self.seconds = dict(entry.seconds)
        self.equations = len(entry.traced.graph.equations), len(entry.graph.equations)
        self.buffer_bytes = entry.plan.buffer_bytes

    @property
    def steps(self) -> int:
        """How many steps a run takes: fused loops and calls in C, lines of NumPy."""
        if self.executor == "numpy":
            return self._entry.plan.source.count("\n") - 2
        return len(self._entry.workings.steps)

    @property
    def passes(self) -> dict[str, int]:
        """How much each pass and each stage changed."""
        return {r.name: len(r.changes) for r in self._entry.workings.passes}

    def _bits(self) -> list[str]:
        w = self._entry.workings
        measured = w.__dict__.get("bits")
        names = w.doubtful if measured is None else measured.changed
        return [w.bits_in_words(), *w.why(*names)]

    def _rows(self) -> list[tuple[str, list[str]]]:
        before, after = self.equations
        plan = self._entry.plan
        words = {
            "c": "steps",
            "cuda": f"steps, {plan.launches} launches of {plan.kernels} kernels",
        }.get(self.executor, "lines of NumPy")
        times = [f"{t} {duration(self.seconds[t])}" for t in TIMES if t in self.seconds]
        return [
            ("why", [self.reason, *self.changes]),
            ("arguments", [f"{k}: {v}" for k, v in self.arguments.items()] or ["none"]),
            ("holds while", self.guards or ["the arguments are the same"]),
            ("by reference", self.captured or ["nothing"]),
            ("updates", self.updates or ["nothing"]),
            ("in tracing only", self.side_effects),
            ("after each run", self.later),
            ("equations", [f"{before} traced, {after} after the passes"]),
            ("changes", [", ".join(f"{name} {n}" for name, n in self.passes.items()) or "no pass"]),
            ("bits", self._bits()),
            ("runs on", [f"{self.executor}: {self.steps} {words}, {self.buffer_bytes} bytes"]),
            ("times", [", ".join(times)]),
        ]

    def __str__(self) -> str:
        size = "" if self.size is None else f", written for {written_for(self.size)}"
        lines = [f"trace {self.number}{size}"]
        for name, values in self._rows():
            for i, value in enumerate(values):
                lines.append(f"  {'' if i else name:15}  {value}")
        return "\n".join(lines)

    __repr__ = __str__


class Explanation:
    """What ``lab.explain`` gives: print it, or ask for a part.

    ``signatures`` holds one entry for each graph that is kept, the oldest first. The methods
    take its place in that list; the newest is meant where none is given.
    """

    def __init__(self, compiled: Compiled) -> None:
        self.name = getattr(compiled.function, "__name__", type(compiled.function).__name__)
        self.traces = compiled.traces
        self._entries = sorted(compiled._kept(), key=lambda e: e.history.number)
        self.signatures = [Signature(entry) for entry in self._entries]
        self.history = [f"trace {r.number}: {r.reason}" for r in compiled.history]

    def _at(self, index: int) -> Entry:
        if not self._entries:
            raise ArgumentError(
                f"explain({self.name}): no graph is kept yet\n"
                f"  expected a call before, or its arguments: lab.explain({self.name}, x)"
            )
        if not -len(self._entries) <= index < len(self._entries):
            raise ArgumentError(
                f"explain({self.name}): expected a place from 0 to {len(self._entries) - 1}, "
                f"got {index}"
            )
        return self._entries[index]

    def graph(self, index: int = -1) -> Graph:
        """The graph after the passes."""
        return self._at(index).graph

    def traced(self, index: int = -1) -> Graph:
        """The graph as it was traced."""
        return self._at(index).traced.graph

    def code(self, index: int = -1) -> str:
        """The code that was generated."""
        return self._at(index).plan.source

    def passes(self, index: int = -1) -> tuple[Record | StageRecord, ...]:
        """What each pass did, and each stage after them; the order is that in which they ran."""
        return self._at(index).workings.passes

    def kernels(self, index: int = -1) -> Steps:
        r"""The steps of the plan, each with what it computes, reads and writes, and its code.

        >>> from minitorch_lab.tensor import tensor
        >>> steps = explain(lambda x: (x * 2).exp() + 1, tensor([1.0])).kernels()
        >>> print(*steps.equations, sep="\n")
        %1 = mul(%0, 2)
        %2 = exp(%1)
        %3 = add(%2, 1)
        """
        return self._at(index).workings.steps

    def origin(self, what: Kernel | Equation | Var, index: int = -1) -> Origin:
        """The traced equations that a kernel or an equation came from, and the learner's lines."""
        return self._at(index).workings.origin(what)

    def certificate(self, index: int = -1, arguments: tuple[Any, ...] = ()) -> Certificate:
        """Run the plan itself on sample inputs, and compare with the graph as it was traced.

        Captured tensors have their present values, arguments are drawn where none are given;
        nothing is changed. Beside a difference its ``reasons`` say what is computed otherwise.
        """
        return self._at(index).workings.certificate(*arguments)

    def bits(self, index: int = -1) -> Bits:
        """Which passes change bits of the results, on sample inputs; kept once it was measured.

        The row of the executor's name is its code with no stage, against NumPy op by op. Plans
        are made for it, one for each stage.
        """
        return self._at(index).workings.bits

    def view(self, index: int = -1) -> Any:
        """The passes to be gone through in a notebook: the tape beside the graph after each."""
        self._at(index)
        return VIEW[0](self, index)

    def data(self, index: int = -1) -> dict[str, Any]:
        """Passes and kernels as plain lists, dicts, texts and numbers, which JSON can hold."""
        return plain(self._at(index).workings)

    def __str__(self) -> str:
        kept = len(self.signatures)
        head = f"{self.name}(): traced {_times(self.traces)}, {kept} graph{'s' * (kept != 1)} kept"
        kept_numbers = {s.number for s in self.signatures}
        gone = [
            line for line in self.history if int(line.split()[1][:-1]) not in kept_numbers
        ]  # no longer kept, or made for one call
        return "\n\n".join([head, *map(str, self.signatures), *(["\n".join(gone)] if gone else [])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def explain(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """What graph mode made of ``function``: each graph, what it holds for, and why it was traced.

    With arguments the function is traced for them where no graph fits, and not run. A function
    that is not compiled needs them.

    >>> from minitorch_lab.tensor import tensor
    >>> explain(lambda x: x.exp() * 2, tensor([1.0])).signatures[0].equations
    (2, 2)
    """
    compiled = function if isinstance(function, Compiled) else Compiled(function)
    if args or kwargs:
        compiled._entry(args, kwargs)
    elif compiled is not function:
        name = getattr(function, "__name__", "f")
        raise ArgumentError(
            f"explain({name}): a function that is not compiled\n"
            f"  expected what lab.compile or @lab.function gave, or arguments to trace it with\n"
            f"  lab.explain({name}, x)"
        )
    return Explanation(compiled)


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def written_for(size: Any) -> str:
    """The open sizes of a plan in words."""
    if isinstance(size, tuple):
        return f"sizes {', '.join(map(str, size))}"
    return f"size {size} of dimension 0"


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


def _guard(guard: Any) -> str:
    if not isinstance(guard, Guard):
        return str(guard.words) + (
            " is empty" if getattr(guard, "value", 0) is None else " is the same"
        )
    plain = guard.value is None or isinstance(guard.value, (int, float, bool, str, tuple))
    return f"{guard.words} is {guard.value!r}" if plain else f"{guard.words} is the same object"


def _captured(entry: Entry) -> list[str]:
    graph = entry.traced.graph
    names = _names(entry)
    rows = []
    for v, binding in zip(graph.inputs, entry.traced.bindings, strict=True):
        if isinstance(binding, Captured):
            kind = "parameter" if v.kind == "param" else "state"
            rows.append(f"{kind} {names[id(binding.tensor)]}: {v.spec}")
        elif isinstance(binding, Number):
            rows.append(f"number {binding.key}")
    draws = sum(e.op.random for e in graph.equations)
    drawn = [f"random state: {draws} draw{'s' * (draws > 1)} in each run"] if draws else []
    return _counted(rows) + drawn


def _updates(entry: Entry) -> list[str]:
    names = _names(entry)
    rows = []
    for (at, value), target in zip(entry.traced.graph.updates, entry.traced.targets, strict=True):
        if isinstance(target, Number):
            rows.append(f"number {at.name}")
        elif isinstance(target, ArgumentGrad):
            rows.append(f"{at.name}: {value.spec}")
        elif isinstance(target, Grad):
            known = names.get(id(target.tensor), target.tensor.name or "tensor")
            rows.append(f"{known}.grad: {value.spec}")
        elif isinstance(target, Captured):
            rows.append(f"{names.get(id(target.tensor), 'without a name')}: {value.spec}")
    return _counted(rows)


def _names(entry: Entry) -> dict[int, str]:
    """A name for each captured tensor: its own, after the module that reads it first."""
    kept: dict[int, str] = {}  # buffers of modules, and what stands next to an optimiser's numbers
    for owner in [g.owner for g in entry.guards if isinstance(g, Guard) and g.key == "training"]:
        kept |= {id(x): name for name, x in owner.get("_buffers", {}).items()}
    for binding in entry.traced.bindings:
        if isinstance(binding, Number) and isinstance(binding.owner, dict):
            kept |= {id(x): str(k) for k, x in binding.owner.items() if isinstance(x, Tensor)}
    scopes: dict[int, str] = {}
    for e in entry.traced.graph.equations:
        for x in e.inputs:
            scopes.setdefault(getattr(x, "id", -1), e.scope)
    names = {}
    for v, binding in zip(entry.traced.graph.inputs, entry.traced.bindings, strict=True):
        if isinstance(binding, Captured):
            name, scope = v.name or kept.get(id(binding.tensor), ""), scopes.get(v.id, "")
            named = f"{scope}.{name}" if scope and name else name
            names[id(binding.tensor)] = named or "without a name"
    return names


def _counted(rows: list[str]) -> list[str]:
    """Each row once, with how often it came."""
    counts = Counter(rows)
    return [row if n == 1 else f"{row} ({n} of them)" for row, n in counts.items()]
