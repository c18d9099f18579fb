"""The way back: from a value after the passes to what was traced, and to the learner's lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..tape import Location, location
from .ir import Equation, Graph, Var
from .passes import Record
from .passes.flat import Flat
from .passes.record import lines_of
from .passes.transposes import copied


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something came from: ``equations`` as they were traced, and the learner's ``lines``."""

    equations: tuple[Equation, ...]

    @property
    def lines(self) -> tuple[Location, ...]:
        """The learner's lines, each once."""
        return lines_of(self.equations)

    def __str__(self) -> str:
        rows = []
        for e in self.equations:
            where = location(e)
            came = ", ".join(str(w) for w in (e.of or e.scope, where) if w)
            rows.append(
                f"{e}" + (f"  # {came}" + (f": {where.text}" if where else "")) * bool(came)
            )
        return "\n".join(rows)

    __repr__ = __str__


class Provenance:
    """Follows values back through the changes of the passes, to the graph that was traced."""

    def __init__(
        self, traced: Graph, records: Iterable[Record], graph: Graph, flat: Flat | None = None
    ) -> None:
        self.traced = {e.out.id: e for e in traced.equations}
        self._order = {e.out.id: i for i, e in enumerate(traced.equations)}
        made = {e.out.id for e in graph.equations}
        extra = [e for e in copied(graph).equations if e.out.id not in made]
        # what stages make stands for values of the graph: copies, where "transposes" is off
        self.copies: dict[int, tuple[int, ...]] = {e.out.id: (e.inputs[0].id,) for e in extra}
        self.copies |= {} if flat is None else flat.members
        records = list(records)
        self._back = [_back(record) for record in records][::-1]
        self._forth = [_forth(record) for record in records]

    def ids(self, equations: Iterable[Equation | Var]) -> list[int]:
        """The numbers of the traced values that these came from, in order."""
        now = {v.id for v in map(_value, equations)}
        while not now.isdisjoint(self.copies):
            now = {of for i in now for of in self.copies.get(i, (i,))}
        for back in self._back:
            now = {before for i in now for before in back.get(i, ())}
        return sorted(now & self.traced.keys(), key=self._order.__getitem__)

    def now(self, number: int) -> int | None:
        """The number that a value of the trace has after the passes; None where it is gone."""
        for kept, instead in self._forth:
            while number not in kept:
                if number not in instead:
                    return None
                number = instead[number]
        return number

    def origin(self, equations: Iterable[Equation | Var]) -> Origin:
        """The traced equations that these came from."""
        return Origin(tuple(self.traced[i] for i in self.ids(equations)))


def _value(x: Equation | Var) -> Var:
    return x.out if isinstance(x, Equation) else x


def _back(record: Record) -> dict[int, set[int]]:
    """For each value after a pass the values before it that it stands for."""
    before = {e.out.id for e in record.before.equations}
    back = {e.out.id: {e.out.id} & before for e in record.after.equations}
    for change in record.changes:
        old, new = change.ids
        for i in new:
            back.setdefault(i, set()).update(old)
    return back


def _forth(record: Record) -> tuple[set[int], dict[int, int]]:
    """The values that are there after a pass, and for others the value that stands in."""
    after = record.after
    known = (*after.inputs, *after.constant_vars, *(e.out for e in after.equations))
    instead = {}
    for change in record.changes:
        old, new = change.ids
        if old and new and old[-1] != new[-1]:  # the last of several has the result
            instead[old[-1]] = new[-1]
    return {v.id for v in known}, instead
