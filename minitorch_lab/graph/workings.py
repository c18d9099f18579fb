"""All that was done to a traced graph, from the first pass to the plan, and what proves it.

A plan is run on samples for its certificate: bound to copies, so that nothing of the learner's
changes. Nothing here is worked out before somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..errors import ArgumentError, KindError
from ..tensor import Tensor, make
from .codegen.numpy import Plan
from .executors import build
from .ir import Equation, Graph, Var
from .kernels import Kernel, Namer, Steps, steps_of
from .passes import PASSES, STAGES, Certificate, Record
from .passes.flat import Flat, address, free_number, gathered, side_by_side
from .passes.reasons import reason
from .passes.record import compare, sample
from .passes.transposes import copied
from .provenance import Origin, Provenance
from .stages import StageRecord
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
        return Provenance(self.traced.graph, self.records, self.graph, self.flat)

    @cached_property
    def flat(self) -> Flat | None:
        """The graph with updates over flat buffers, where the executor has them."""
        here = self.executor in STAGES["flat"].executors and "flat" not in self.without
        return self.gathered(self.graph) if here else None

    @property
    def planned(self) -> Graph:
        """The graph that the plan is of."""
        return self.graph if self.flat is None else self.flat.graph

    def gathered(self, graph: Graph) -> Flat | None:
        """The graph, or the one with copies of its turned matrices, with flat buffers."""
        return gathered(self.traced, graph, free_number(self.graph))

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
        flat = None if self.flat is None or "flat" in without else self.gathered(graph)
        graph = graph if flat is None else flat.graph
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
                loose = isinstance(target, Number) and not v.spec.number  # an entry that was taken
                out.append(np.asarray(value, v.spec.dtype) if loose else value)
            else:
                out.append(next(grads))
        return tuple(out)

    def results(self) -> Iterator[tuple[str, Results]]:
        """What each pass and each stage leaves on one sample, after "traced"; nothing is changed.

        After the passes comes the executor's name: its code with no stage.
        """
        again = sample(self.traced.graph, self.traced.bindings)
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

    def certificate(self, *arguments: Any) -> Certificate:
        """The plan itself against the graph as it was traced."""
        again = sample(self.traced.graph, self.traced.bindings, arguments)
        first = again(self.traced.graph.run)
        now = again(partial(self.run, self.without))
        return self.with_reasons(compare(first, first, now))

    def with_reasons(self, found: Certificate, last: str = "") -> Certificate:
        """A certificate with what was computed otherwise, by the passes and stages up to one."""
        if found.bitwise:
            return found
        names = self.doubtful
        if "bits" in self.__dict__:  # it was measured
            names = self.bits.changed
        if last in PASSES:
            names = tuple(n for n in names if n in PASSES)
        if last:
            order = [*PASSES, self.executor, *STAGES]
            names = tuple(n for n in names if order.index(n) <= order.index(last))
        return replace(found, reasons=self.why(*names))

    def why(self, *names: str) -> tuple[str, ...]:
        """What these passes, stages and the executor compute otherwise, in plain words."""
        taken = [
            e.op for r in self.records if r.name == "lower" for c in r.changes for e in c.before
        ]
        now = [e.op for e in self.graph.equations]
        found = ((name, reason(name, taken if name == "lower" else now)) for name in names)
        return tuple(f"{name}: {words}" for name, words in found if words)

    @property
    def doubtful(self) -> tuple[str, ...]:
        """The passes and stages that may have changed bits, and the executor."""
        kept = [r.name for r in self.records if not PASSES[r.name].bitwise and r.changes]
        if self.executor == "numpy":  # sums over what is turned go in another order in a plan
            code = ["numpy"] * any(e.op.name == "permute" for e in self.graph.equations)
        else:
            stages = [s for s in self.stages if not STAGES[s.name].bitwise]
            code = [self.executor, *(s.name for s in stages if s.changes)]
        return (*kept, *code)

    def bits_in_words(self) -> str:
        """Which passes changed bits, if that was measured; else which may have."""
        found: Bits | None = self.__dict__.get("bits")
        if found is not None:
            by = ", ".join(found.changed)
            return SAME if found.same else f"not every bit as in eager mode: changed by {by}"
        may = ", ".join(self.doubtful)
        return f"rounding may differ by {may}; bits() measures it" if may else SAME

    @cached_property
    def bits(self) -> Bits:
        """What each pass did to the bits of the results."""
        rows: dict[str, Certificate] = {}
        first: Results | None = None
        before: Results = ()
        changed: list[str] = []
        for name, now in self.results():
            if first is None:
                first = now
            else:
                found = compare(first, before, now)
                changed += [name] * (not found.alone)
                rows[name] = replace(found, reasons=() if found.bitwise else self.why(*changed))
            before = now
        return Bits(rows)


def _apart(traced: Traced) -> Traced:
    """The same graph bound to copies, so that a run changes nothing of the learner's."""
    tensors: dict[int, Tensor] = {}
    bases: dict[int, Any] = {}
    owners: dict[int, dict[str, Any]] = {}

    def other(binding: Any) -> Any:
        if isinstance(binding, Captured):
            tensor = binding.tensor
            if id(tensor) not in tensors:
                tensors[id(tensor)] = make(_copy(tensor.array, bases))
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


def _copy(array: Any, bases: dict[int, Any]) -> Any:
    """A copy of an array; arrays side by side in a flat buffer have copies side by side."""
    flat = side_by_side([array])
    if flat is None:
        return array.copy(order="K")
    base = bases.setdefault(id(array.base), array.base.copy())
    start = (address(array) - address(array.base)) // array.itemsize
    return base[start : start + array.size].reshape(array.shape)


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
            words = "keeps every bit" if found.alone else f"changes bits: {found.size}"
            lines.append(f"  {name:{width}}  {words}")
            own = [r.partition(": ")[2] for r in found.reasons if r.startswith(f"{name}: ")]
            lines += [f"  {'':{width}}  {r}" for r in own if not found.alone]
        return "\n".join(lines)

    __repr__ = __str__
