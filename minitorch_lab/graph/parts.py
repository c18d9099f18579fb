"""The graphs of choices and loops, made ready to run.

Each has a plan of its own, straight-line NumPy, which the Python code of the plan around it calls.
The C executor writes most choices and loops into its own function: see codegen/routines/flow.py.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .codegen import numpy as straight
from .codegen.numpy import Plan
from .ir import Graph, Part, with_parts
from .trace import Argument, Number, Traced


@dataclass(frozen=True, eq=False, repr=False)
class Ready(Part):
    """A part with a plan, which is made when it runs for the first time."""

    without: Collection[str] = ()
    numbers: dict[str, Any] = field(default_factory=dict)  # what the plan reads them from

    @cached_property
    def plan(self) -> Plan:
        """The plan of the graph."""
        bindings = tuple(
            Number(self.numbers, str(i)) if v.spec.number else Argument(i)
            for i, v in enumerate(self.graph.inputs)
        )
        made = Traced(self.graph, bindings, (), (), (), list, (), ())
        return straight.build(made, ready(self.graph, self.without), self.without)

    def run(self, arrays: Sequence[Any]) -> Sequence[Any]:
        """What it gives for the inputs of the equation."""
        given = []
        for i, (v, place) in enumerate(zip(self.graph.inputs, self.places, strict=True)):
            if v.spec.number:
                self.numbers[str(i)] = arrays[place]
            else:
                given.append(arrays[place])
        return self.plan.run(*given)


def ready(graph: Graph, without: Collection[str] = ()) -> Graph:
    """The graph, with parts that have plans."""

    return with_parts(graph, lambda where, part: Ready(part.graph, part.places, without))
