"""Kernels: what a plan runs one after another, each with where it came from and what it moves.

A kernel is a step of the schedule: a loop that computes several equations, a call of a routine,
or a tile of both that runs sample by sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

from ..op import Cost
from ..tape import Location
from .codegen import cuda
from .codegen.numpy import Plan
from .fuse import Loop, Step, Tile, equations, first, schedule
from .ir import Equation, Graph, Var
from .passes.flat import JOIN
from .provenance import Origin, Provenance

MOST = 6  # names in the name of a kernel

# What is written in Python as a chain of ops has no op of its own: it is known by the chain.
CHAINS = {
    "gelu": ("mul", "erf", "mul", "add", "mul"),
}


@dataclass(frozen=True, eq=False, repr=False)
class Kernel:
    """One step of a plan.

    ``kind`` is "loop", "tile" or "call". ``name`` says what it computes: ops by the names that
    they had in the trace where most of their parts are here, such as softmax or layer_norm.
    ``reads`` and ``writes`` are the values that cross its border; what passes between its
    equations never does. ``flops`` and ``bytes`` count its arithmetic and what crosses the border.
    ``origin`` has the equations as they were traced.
    """

    name: str
    kind: str
    ops: tuple[str, ...]
    equations: tuple[Equation, ...]
    origin: Origin
    reads: tuple[Var, ...]
    writes: tuple[Var, ...]
    flops: int
    bytes: int
    samples: int = 1  # that a tile goes through
    patterns: tuple[str, ...] = ()  # those parts of the name that are more than an op
    code: str = ""

    @property
    def lines(self) -> tuple[Location, ...]:
        """The learner's lines that it came from, each once."""
        return self.origin.lines

    @property
    def title(self) -> str:
        """What it is, in a line."""
        if len(self.equations) == 1:
            return str(self.equations[0])
        what = f"tile of {self.samples} samples" if self.kind == "tile" else self.kind
        reads, writes = (", ".join(map(str, vs)) for vs in (self.reads, self.writes))
        return f"{what} [{self.name}] {reads} -> {writes}"

    def __str__(self) -> str:
        lines = ", ".join(map(str, self.lines))
        inside = "".join(f"\n  {e}" for e in self.equations) if len(self.equations) > 1 else ""
        return self.title + (f"  # {lines}" if lines else "") + inside

    __repr__ = __str__


@dataclass(frozen=True, eq=False, repr=False)
class Steps:
    """The kernels of a plan in the order in which they run; ``memory``: bytes of its buffers."""

    kernels: tuple[Kernel, ...]
    memory: int | None = None

    @property
    def equations(self) -> tuple[Equation, ...]:
        """What all kernels compute, in order."""
        return tuple(e for k in self.kernels for e in k.equations)

    def cost(self) -> Cost:
        """Floating point operations, and bytes that cross the borders of kernels."""
        return Cost(sum(k.flops for k in self.kernels), sum(k.bytes for k in self.kernels))

    def __len__(self) -> int:
        return len(self.kernels)

    def __iter__(self) -> Iterator[Kernel]:
        return iter(self.kernels)

    def __str__(self) -> str:
        return "\n".join(map(str, self.kernels))

    __repr__ = __str__


class Namer:
    """Names kernels by what their equations were before the passes took them apart."""

    def __init__(self, graph: Graph, provenance: Provenance) -> None:
        self.provenance = provenance
        self.updates = {v.id for target, v in graph.updates if target.kind == "param"}
        self.label: dict[int, tuple[int, str]] = {}  # traced value -> its pattern: number, name
        self._find_patterns(list(provenance.traced.values()))
        self.whole = Counter(p for e in graph.equations if counted(e) for p in self.of(e))

    def of(self, e: Equation) -> set[tuple[int, str]]:
        """The patterns that an equation is a part of."""
        found = (self.label.get(i) for i in self.provenance.ids([e]))
        return {p for p in found if p is not None}

    def __call__(self, inside: list[Equation]) -> tuple[str, tuple[str, ...]]:
        """The name of a kernel with these equations, and the patterns in it."""
        here = Counter(p for e in inside if counted(e) for p in self.of(e))
        known = {p for p, n in here.items() if 2 * n > self.whole[p]}  # the most of it is here
        update = any(e.out.id in self.updates for e in inside)
        names: dict[str, bool] = {}
        for e in inside:
            mine = sorted(self.of(e) & known)
            for _, name in mine:
                names[name] = True
            if not mine and not update:
                names.setdefault(e.op.name, False)
        if update:
            names["optimiser update"] = True
        listed = list(names)
        more = ["..."] if len(listed) > MOST else []
        return ", ".join(listed[:MOST] + more), tuple(n for n, is_one in names.items() if is_one)

    def _find_patterns(self, traced: list[Equation]) -> None:
        for i, e in enumerate(traced):
            if e.op.composition is not None:
                name = "attention" if _in_attention(i, traced) else e.op.name
                self.label[e.out.id] = (i, name)
            for name, chain in CHAINS.items():
                run = traced[i : i + len(chain)]
                if tuple(x.op.name for x in run) == chain and _is_chain(run):
                    self.label |= {x.out.id: (i, name) for x in run}
            if e.of is not None:  # each call has a number that no other pattern has
                self.label.setdefault(e.out.id, (-1 - e.of.call, f"gradient of {e.of.op}"))


def counted(e: Equation) -> bool:
    """Whether an equation is work of a kernel: no number of Python, no view of a value."""
    return not e.out.spec.number and not e.op.view


def _is_chain(run: list[Equation]) -> bool:
    """Whether each equation reads the one before, and the last also what the first read."""
    follow = all(a.out in b.inputs for a, b in pairwise(run))
    return follow and run[0].inputs[0] in run[-1].inputs


def _in_attention(i: int, traced: list[Equation]) -> bool:
    """Whether a softmax weighs: its scores come from a product, and it goes into another one."""
    if traced[i].op.name != "softmax":
        return False
    made = {e.out.id: e for e in traced[:i]}
    x, steps = made.get(traced[i].inputs[0].id), 0
    while x is not None and x.op.name != "matmul" and steps < NEAR:  # scaled, masked
        found = (v for v in x.inputs if isinstance(v, Var) and v.spec.shape == x.out.spec.shape)
        x, steps = next((made[v.id] for v in found if v.id in made), None), steps + 1
    weights = {traced[i].out.id}
    for e in traced[i + 1 : i + 1 + NEAR]:  # dropout may come between
        if e.inputs and isinstance(e.inputs[0], Var) and e.inputs[0].id in weights:
            if e.op.name == "matmul":
                return x is not None
            weights.add(e.out.id)
    return False


NEAR = 8  # equations between a softmax and the products of its attention


def steps_of(
    graph: Graph,
    namer: Namer,
    executor: str,
    without: Collection[str] = (),
    plan: Plan | None = None,
) -> Steps:
    """The steps of a graph; with the code and the memory of ``plan`` where it is given."""
    steps, views = (cuda.schedule if executor == "cuda" else schedule)(graph, without)
    root: dict[int, Var] = {}
    for e in views:
        root[e.out.id] = root.get(e.inputs[0].id, e.inputs[0])
    readers: dict[int, set[int]] = {}
    for i, step in enumerate(steps):
        for x in _inputs(step):
            readers.setdefault(root.get(x.id, x).id, set()).add(i)
    for v in graph.results:
        readers.setdefault(root.get(v.id, v).id, set()).add(len(steps))
    kernels = []
    for i, step in enumerate(steps):
        inside = equations(step)
        own = {e.out.id for e in inside}
        reads = {x.id: x for x in _inputs(step) if root.get(x.id, x).id not in own}
        writes = [e.out for e in inside if readers.get(e.out.id, set()) - {i}]
        name, patterns = namer(inside)
        kernels.append(
            Kernel(
                name,
                "call" if executor == "numpy" else _kind(step),
                tuple(e.op.name for e in inside),
                tuple(inside),
                namer.provenance.origin(inside),
                tuple(reads.values()),
                tuple(writes),
                sum(e.cost().flops for e in inside),
                _moved(inside, reads.values(), writes, root),
                step.count if isinstance(step, Tile) else 1,
                patterns,
                "" if plan is None else "\n".join(plan.pieces.get(first(step), ())),
            )
        )
    return Steps(tuple(kernels), None if plan is None else plan.buffer_bytes)


def _kind(step: Step) -> str:
    return "tile" if isinstance(step, Tile) else "loop" if isinstance(step, Loop) else "call"


def _inputs(step: Step) -> list[Var]:
    """What the equations of a step read, but numbers."""
    read = (x for e in equations(step) for x in e.inputs)
    return [x for x in read if isinstance(x, Var) and not x.spec.number]


def _moved(
    inside: list[Equation], reads: Collection[Var], writes: list[Var], root: dict[int, Var]
) -> int:
    """Bytes that cross the border of a kernel; what is joined was written at its place at once."""
    if inside[0].op is JOIN:
        return 0
    return _bytes(reads, root) + sum(v.spec.nbytes for v in writes)


def _bytes(reads: Collection[Var], root: dict[int, Var]) -> int:
    """Bytes that are read; several looks at one value read no more than all of it."""
    each: Counter[Var] = Counter()
    for x in reads:
        each[root.get(x.id, x)] += x.spec.nbytes
    return sum(min(n, v.spec.nbytes) for v, n in each.items())
