"""What happens after the passes, as passes: transposes, fuse, tile, buffers.

An executor turns the graph that is left into steps. Each stage has a record like that of a pass,
with the steps without it and with it in place of graphs. Nothing here is worked out before
somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .ir import Equation, Var
from .kernels import Steps
from .passes import Certificate, Change, Stage
from .passes.record import compare, difference, sample

if TYPE_CHECKING:
    from .workings import Workings


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
        return [e.out for e in self._workings.planned.equations if e.out.id in direct]

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What became of which equations; ``after`` holds kernels."""
        find = CHANGES.get(self.name, _joined)
        return tuple(find(self, self._stage.verb))

    def diff(self) -> str:
        """The steps that the stage took away and those that it added, with what stands around."""
        return difference(self.before, self.after)

    def certificate(self, *arguments: Any) -> Certificate:
        """Run the plan with the stages so far, and compare with the graph as it was traced.

        Captured tensors have their present values, arguments are drawn where none are given;
        nothing is changed.
        """
        w = self._workings
        again = sample(w.traced.graph, w.traced.bindings, arguments)
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


def _gathered(record: StageRecord, verb: str) -> Iterator[Change]:
    """What goes over a flat buffer, or is put side by side in one, for several of before."""
    flat = record._workings.flat
    before = {e.out.id: e for e in record.before.equations}
    for kernel in record.after:
        of = () if flat is None else flat.members.get(kernel.equations[0].out.id, ())
        if of:
            yield Change(verb, tuple(before[i] for i in of if i in before), (kernel,), "")


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
    made = {e.out.id: e for e in w.planned.equations}
    users: dict[int, list[Equation]] = {}  # of each buffer
    for i, number in w.plan.memory.items():
        if i in made:
            users.setdefault(number, []).append(made[i])
    for number, each in users.items():
        if len(each) > 1:
            after = dict.fromkeys(kernels[e.out.id] for e in each if e.out.id in kernels)
            size = w.plan.sizes[number]
            yield Change(verb, tuple(each), tuple(after), f"one buffer of {size} bytes")
    for target, v in w.planned.updates:
        if v.id in w.plan.direct and v.id in made:
            yield Change("in place", (made[v.id],), (target,), "")


# How the changes of a stage are found; of others, by the kernels that were not there before.
CHANGES: dict[str, Callable[[StageRecord, str], Iterator[Change]]] = {
    "flat": _gathered,
    "transposes": _looked_at,
    "buffers": _shared,
}
