"""What happens after the passes, as passes: transposes, fuse, tile, buffers.

An executor turns the graph that is left into steps. Each stage has a record like that of a pass,
with the steps without it and with it in place of graphs. Nothing here is worked out before
somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import ArgumentError, KindError
from ..tensor import Tensor, make
from .codegen.numpy import Plan
from .executors import build
from .ir import Equation, Graph, Var
from .kernels import Kernel, Namer, Steps, steps_of
from .passes import PASSES, STAGES, Certificate, Change, Record, Stage
from .passes.record import compare, difference, sample
from .passes.transposes import copied
from .provenance import Origin, Provenance
from .trace import Argument, Captured, Number, Traced

Results = tuple[Any, ...]
SAME = "every bit as in eager mode"


class Workings:
    """All that was done to one traced graph, from the trace to the plan that runs it."""

    def __init__(
        self,
        traced: Traced,
        records: tuple[Record, ...],
        graph: Graph,
        plan: Plan,
        without: tuple[str, ...],
    ) -> None:
        self.traced, self.records, self.graph, self.plan = traced, records, graph, plan
        self.executor = plan.executor
        here = [s for s in STAGES.values() if plan.executor in s.executors]
        done = [s for s in here if s.name not in without]
        self.stages = tuple(StageRecord(self, stage) for stage in done)
        self.without = tuple(name for name, s in STAGES.items() if s not in done)

    @property
    def passes(self) -> tuple[Record | StageRecord, ...]:
        """The records of all passes and stages, in the order in which they ran."""
        return (*self.records, *self.stages)

    @cached_property
    def provenance(self) -> Provenance:
        """The way back from a value of the graph to what was traced."""
        return Provenance(self.traced.graph, self.records, self.graph)

    @cached_property
    def namer(self) -> Namer:
        """Names kernels by what was traced."""
        return Namer(self.graph, self.provenance)

    @cached_property
    def steps(self) -> Steps:
        """The kernels of the plan, with their code."""
        return self.steps_without(self.without, self.plan)

    def steps_without(self, without: tuple[str, ...], plan: Plan | None = None) -> Steps:
        """The steps where some stages are left out."""
        graph = copied(self.graph) if "transposes" in without else self.graph
        return steps_of(graph, self.namer, self.executor, without, plan)

    def origin(self, what: Kernel | Equation | Var) -> Origin:
        """The traced equations that made what a kernel or an equation computes."""
        if not isinstance(what, (Kernel, Equation, Var)):
            raise KindError(
                f"origin: got {type(what).__name__}\n"
                "  expected a kernel of kernels(), an equation of graph(), or a value of it"
            )
        if isinstance(what, Kernel):
            return what.origin
        graph, v = self.graph, what.out if isinstance(what, Equation) else what
        known = (*graph.inputs, *graph.constant_vars, *(e.out for e in graph.equations))
        if v.id not in self.provenance.copies and not any(x.id == v.id for x in known):
            raise ArgumentError(
                f"origin: {what} is not in this graph\n"
                "  expected a kernel of kernels(), an equation of graph(), or a value of it"
            )
        return self.provenance.origin([v])

    # Certificates

    def run(self, without: tuple[str, ...], *values: Any) -> Results:
        """The results of the plan with some stages left out; the learner's objects stay."""
        apart = _apart(self.traced)
        plan = build(apart, self.graph, self.executor, without)
        given = {
            binding.index: value
            for binding, value in zip(apart.bindings, values, strict=True)
            if isinstance(binding, Argument)
        }
        made = list(plan.run(*(given[i] for i in sorted(given))))
        graph = self.graph
        grads = iter(made[len(graph.outputs) :])
        out: list[Any] = made[: len(graph.outputs)]
        for (_, v), target in zip(graph.updates, apart.targets, strict=True):
            if isinstance(target, (Captured, Number)):
                value = target.value([])
                out.append(value if v.spec.number else np.asarray(value, v.spec.dtype))
            else:
                out.append(next(grads))
        return tuple(out)

    def results(self) -> Iterator[tuple[str, Results]]:
        """What each pass and each stage leaves on one sample, after "traced"; nothing is changed.

        After the passes comes the executor's name: its code with no stage.
        """
        with sample(self.traced.graph, self.traced.bindings) as again:
            yield "traced", again(self.traced.graph.run)
            for record in self.records:
                yield record.name, again(record.after.run)
            names = tuple(STAGES)
            yield self.executor, again(partial(self.run, names))
            for stage in self.stages:
                yield stage.name, again(partial(self.run, self.later(stage.name)))

    def later(self, name: str, inclusive: bool = False) -> tuple[str, ...]:
        """The stages that are left out where those up to ``name`` are switched on."""
        names = list(STAGES)
        after = names[names.index(name) + (not inclusive) :]
        return tuple(n for n in names if n in after or n in self.without)

    def certificate(self) -> Certificate:
        """The plan itself against the graph as it was traced."""
        with sample(self.traced.graph, self.traced.bindings) as again:
            first = again(self.traced.graph.run)
            now = again(partial(self.run, self.without))
        return compare(first, first, now)

    def bits_in_words(self) -> str:
        """Which passes changed bits, if that was measured; else which may have."""
        found: Bits | None = self.__dict__.get("bits")
        if found is not None:
            by = ", ".join(found.changed)
            return SAME if found.same else f"not every bit as in eager mode: changed by {by}"
        kept = [r.name for r in self.records if not PASSES[r.name].bitwise and r.changes]
        code = [self.executor] if self.executor != "numpy" else []
        order = [s.name for s in self.stages if code and not STAGES[s.name].bitwise and s.changes]
        may = ", ".join(kept + code + order)
        return f"rounding may differ by {may}; bits() measures it" if may else SAME

    @cached_property
    def bits(self) -> Bits:
        """What each pass did to the bits of the results."""
        rows: dict[str, Certificate] = {}
        first: Results | None = None
        before: Results = ()
        for name, now in self.results():
            if first is None:
                first = now
            else:
                rows[name] = compare(first, before, now)
            before = now
        return Bits(rows)


def _apart(traced: Traced) -> Traced:
    """The same graph bound to copies, so that a run changes nothing of the learner's."""
    tensors: dict[int, Tensor] = {}
    owners: dict[int, dict[str, Any]] = {}

    def other(binding: Any) -> Any:
        if isinstance(binding, Captured):
            tensor = binding.tensor
            if id(tensor) not in tensors:
                tensors[id(tensor)] = make(tensor.array.copy(order="K"))
            return Captured(tensors[id(tensor)])
        if isinstance(binding, Number):
            owner = owners.setdefault(id(binding.owner), {})
            if binding.key in binding.owner:
                owner.setdefault(binding.key, binding.value([]))
            return Number(owner, binding.key)
        return binding

    return replace(
        traced,
        bindings=tuple(map(other, traced.bindings)),
        targets=tuple(map(other, traced.targets)),
    )


@dataclass(frozen=True, slots=True)
class Bits:
    """Which passes changed bits, on sample inputs: a certificate for each, by name."""

    rows: dict[str, Certificate]

    @property
    def changed(self) -> tuple[str, ...]:
        """The passes that changed a bit of what the one before them left."""
        return tuple(name for name, found in self.rows.items() if not found.alone)

    @property
    def same(self) -> bool:
        """Whether every bit of every result is as in eager mode."""
        return all(found.bitwise for found in list(self.rows.values())[-1:])

    def __str__(self) -> str:
        width = max(map(len, self.rows), default=0)
        lines = [SAME if self.same else "not every bit as in eager mode"]
        for name, found in self.rows.items():
            words = "keeps every bit" if found.alone else f"changes bits: {found}"
            lines.append(f"  {name:{width}}  {words}")
        return "\n".join(lines)

    __repr__ = __str__


class StageRecord:
    """What one stage did: as a Record, with the steps of a plan in place of graphs.

    ``before`` and ``after`` are the steps without the stage and with it, where all stages before it
    are on and all after it are off.
    """

    def __init__(self, workings: Workings, stage: Stage) -> None:
        self._workings, self._stage = workings, stage
        self.name, self.words = stage.name, stage.words

    def _steps(self, inclusive: bool) -> Steps:
        return self._workings.steps_without(self._workings.later(self.name, inclusive))

    @cached_property
    def before(self) -> Steps:
        """The steps without this stage."""
        steps = self._steps(inclusive=True)
        if self.name != "buffers":
            return steps
        plan = self._workings.plan
        number = list(plan.memory.values())
        again = sum(plan.sizes[n] for n in number) - sum(plan.sizes[n] for n in set(number))
        direct = sum(v.spec.nbytes for v in self._written())
        return replace(steps, memory=plan.buffer_bytes + again + direct)

    @cached_property
    def _timed(self) -> tuple[Steps, float]:
        start = perf_counter()
        steps = self._steps(inclusive=False)
        if self.name == "buffers":
            steps = replace(steps, memory=self._workings.plan.buffer_bytes)
        return steps, perf_counter() - start

    @property
    def after(self) -> Steps:
        """The steps with this stage."""
        return self._timed[0]

    @property
    def seconds(self) -> float:
        """How long working out the steps with this stage took."""
        return self._timed[1]

    @property
    def flops_saved(self) -> int:
        """Floating point operations that a run no longer does: none, a stage moves work."""
        return self.before.cost().flops - self.after.cost().flops

    @property
    def bytes_saved(self) -> int:
        """Bytes that no longer go through memory, since they pass between equations of a kernel."""
        copies = 2 * sum(v.spec.nbytes for v in self._written()) if self.name == "buffers" else 0
        return self.before.cost().bytes - self.after.cost().bytes + copies

    @property
    def memory_saved(self) -> int:
        """Bytes of memory that a plan no longer needs for its values."""
        return (self.before.memory or 0) - (self.after.memory or 0)

    def _written(self) -> list[Var]:
        """New state that is written over the old at once, without a copy at the end."""
        direct = self._workings.plan.direct
        return [e.out for e in self._workings.graph.equations if e.out.id in direct]

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What became of which equations; ``after`` holds kernels."""
        find = CHANGES.get(self.name, _joined)
        return tuple(find(self, self._stage.verb))

    def diff(self) -> str:
        """The steps that the stage took away and those that it added, with what stands around."""
        return difference(self.before, self.after)

    def certificate(self) -> Certificate:
        """Run the plan with the stages so far, and compare with the graph as it was traced.

        Captured tensors have their present values, arguments are drawn; nothing is changed.
        """
        w = self._workings
        with sample(w.traced.graph, w.traced.bindings) as again:
            first = again(w.traced.graph.run)
            before, now = (
                again(partial(w.run, w.later(self.name, inclusive))) for inclusive in (True, False)
            )
        return compare(first, before, now)

    def __str__(self) -> str:
        count = len(self.changes)
        memory = f", {self.memory_saved} bytes of memory" if self.memory_saved else ""
        return (
            f"{self.name}: {self.words} {len(self.before)} -> {len(self.after)} steps, "
            f"{count} change{'' if count == 1 else 's'}, {self.flops_saved} flops and "
            f"{self.bytes_saved} bytes saved{memory}"
        )


def _joined(record: StageRecord, verb: str) -> Iterator[Change]:
    """The kernels that were not there before: what several of those before became."""
    known = {tuple(e.out.id for e in k.equations) for k in record.before}
    for kernel in record.after:
        if tuple(e.out.id for e in kernel.equations) not in known:
            yield Change(verb, kernel.equations, (kernel,), ", ".join(kernel.patterns))


def _looked_at(record: StageRecord, verb: str) -> Iterator[Change]:
    """The copies that are no longer made, and the products that look at the matrices themselves."""
    kept = {e.out.id for e in record.after.equations}
    copies = {e.out.id: e for e in record.before.equations if e.out.id not in kept}
    products = {e.out.id: k for k in record.after for e in k.equations}
    for e in record.before.equations:
        read = tuple(copies[x.id] for x in e.inputs if isinstance(x, Var) and x.id in copies)
        if read:
            yield Change(verb, read, (products[e.out.id],), "")


def _shared(record: StageRecord, verb: str) -> Iterator[Change]:
    """Values that use one buffer after the other, and new state that is written over the old."""
    w = record._workings
    kernels = {v.id: k for k in record.after for v in k.writes}
    made = {e.out.id: e for e in w.graph.equations}
    users: dict[int, list[Equation]] = {}  # of each buffer
    for i, number in w.plan.memory.items():
        if i in made:
            users.setdefault(number, []).append(made[i])
    for number, each in users.items():
        if len(each) > 1:
            after = dict.fromkeys(kernels[e.out.id] for e in each if e.out.id in kernels)
            size = w.plan.sizes[number]
            yield Change(verb, tuple(each), tuple(after), f"one buffer of {size} bytes")
    for target, v in w.graph.updates:
        if v.id in w.plan.direct and v.id in made:
            yield Change("in place", (made[v.id],), (target,), "")


CHANGES: dict[str, Callable[[StageRecord, str], Iterator[Change]]] = {
    "transposes": _looked_at,
    "buffers": _shared,
}


__all__ = ["Bits", "Kernel", "StageRecord", "Steps", "Workings"]
