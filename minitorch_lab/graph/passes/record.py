"""What a pass did: the graph before and after, each change, what it saves, and a proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import random
from ...device import to_host
from ...tape import Location, location
from ..ir import Equation, Graph, Var
from ..trace import Argument

# A pass is told where to note its changes: what it did, the equations before, what stands there
# now, and the rule.
Note = Callable[[str, tuple[Equation, ...], tuple[Equation | Var, ...], str], None]


def no_note(
    what: str, before: tuple[Equation, ...], after: tuple[Equation | Var, ...], rule: str
) -> None:
    """Where nobody asks."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of some equations.

    ``what`` is "taken apart", "computed", "rewritten", "merged" or "removed". ``after`` holds
    equations, or values that stand in for the results: a constant, or one that was there already.
    """

    what: str
    before: tuple[Equation, ...]
    after: tuple[Equation | Var, ...]
    rule: str = ""

    @property
    def ids(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Numbers of the values before, and of those that stand for them now."""
        return tuple(e.out.id for e in self.before), tuple(_var(x).id for x in self.after)

    @property
    def ops(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the ops before and after; of a value that is no result of an op, its kind."""
        after = (x.op.name if isinstance(x, Equation) else x.kind for x in self.after)
        return tuple(e.op.name for e in self.before), tuple(after)

    @property
    def lines(self) -> tuple[Location, ...]:
        """The learner's lines that the equations before came from, each once."""
        found = (location(e) for e in self.before)
        return tuple(dict.fromkeys(line for line in found if line is not None))

    def __str__(self) -> str:
        before = ", ".join(map(str, self.before))
        after = ", ".join(map(str, self.after))
        rule = f" by {self.rule}" if self.rule else ""
        lines = ", ".join(map(str, self.lines))
        return (
            f"{self.what}{rule}: {before}"
            + (f" -> {after}" if after else "")
            + (f"  # {lines}" if lines else "")
        )


def _var(x: Equation | Var) -> Var:
    return x.out if isinstance(x, Equation) else x


@dataclass(frozen=True, slots=True)
class Certificate:
    """How far the results of two graphs are apart on sample inputs.

    ``absolute`` is the largest difference of two entries; ``relative`` the same for each result
    in units of its largest entry; ``bitwise`` says that no entry differs at all (NaN counts as
    NaN). ``alone`` says whether this pass, compared with the graph that it was given, left every
    bit as it was.
    """

    absolute: float
    relative: float
    bitwise: bool
    alone: bool
    results: int

    def __str__(self) -> str:
        if self.bitwise:
            return f"{self.results} result{'' if self.results == 1 else 's'} equal, bit for bit"
        own = "; this pass itself changed no bit" if self.alone else ""
        return f"largest difference {self.absolute:.2g}, relative {self.relative:.2g}{own}"


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One run of one pass."""

    name: str
    words: str
    before: Graph
    after: Graph
    changes: tuple[Change, ...]
    seconds: float
    origin: Graph  # as it was traced, before all passes
    bindings: tuple[Any, ...] = ()  # where its inputs come from

    @property
    def flops_saved(self) -> int:
        """Floating point operations that a run no longer does; below 0 where it does more."""
        return self.before.cost().flops - self.after.cost().flops

    @property
    def bytes_saved(self) -> int:
        """Bytes that a run, op by op, no longer reads or writes."""
        return self.before.cost().bytes - self.after.cost().bytes

    def certificate(self) -> Certificate:
        """Compare all results with those of the graph as it was traced.

        Captured tensors have their present values, arguments are drawn. Nothing is changed, and
        the random numbers of the program go on as if nothing had been drawn.
        """
        state = random.get_rng_state()
        try:
            values, first = _sample(self.origin, self.bindings)
            found = []
            for graph in (self.before, self.after):
                random.set_rng_state(state)
                found.append(graph.run(*values))
        finally:
            random.set_rng_state(state)
        before, after = found
        absolute = relative = 0.0
        for a, b in zip(first, after, strict=True):
            difference, scale = _difference(a, b)
            absolute = max(absolute, difference)
            relative = max(relative, difference / scale if difference else 0.0)
        return Certificate(
            absolute, relative, _same(first, after), _same(before, after), len(after)
        )

    def __str__(self) -> str:
        count = len(self.changes)
        return (
            f"{self.name}: {self.words} {len(self.before.equations)} -> "
            f"{len(self.after.equations)} equations, {count} change{'' if count == 1 else 's'}, "
            f"{self.flops_saved} flops and {self.bytes_saved} bytes saved"
        )


def _sample(graph: Graph, bindings: tuple[Any, ...]) -> tuple[list[Any], tuple[Any, ...]]:
    """Values for the inputs, and the results that the graph has with them."""
    state = random.get_rng_state()
    for high in (2, 1):  # an index of 1 may be too large, 0 fits wherever anything fits
        rng = np.random.default_rng(0)
        values: list[Any] = []
        for i, v in enumerate(graph.inputs):
            binding = bindings[i] if i < len(bindings) else None
            if binding is None or isinstance(binding, Argument):
                values.append(_drawn(v, rng, high))
            else:
                values.append(binding.value([]))
        try:
            random.set_rng_state(state)
            return values, graph.run(*values)
        except Exception:
            if high == 1:
                raise
    raise AssertionError  # the loop has returned or raised


def _drawn(v: Var, rng: np.random.Generator, high: int) -> Any:
    if v.spec.number:
        return 1.0
    if v.spec.dtype.kind == "f":
        return rng.normal(size=v.spec.shape).astype(v.spec.dtype)
    return rng.integers(0, high, v.spec.shape).astype(v.spec.dtype)


def _difference(a: Any, b: Any) -> tuple[float, float]:
    """The largest difference of two entries, and the largest entry."""
    x, y = (to_host(np.asarray(v) if isinstance(v, (bool, int, float)) else v) for v in (a, b))
    if not x.size:
        return 0.0, 1.0
    x, y = x.astype(np.float64), y.astype(np.float64)
    with np.errstate(all="ignore"):
        same = (x == y) | (np.isnan(x) & np.isnan(y))
        away = np.where(same, 0.0, np.abs(x - y))
        away[np.isnan(away)] = np.inf  # a number against NaN
    finite = np.abs(x[np.isfinite(x)])
    return float(away.max()), float(finite.max(initial=0.0)) or 1.0


def _same(first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    return all(_same_bits(a, b) for a, b in zip(first, second, strict=True))


def _same_bits(a: Any, b: Any) -> bool:
    if isinstance(a, (bool, int, float)):
        return repr(a) == repr(b)
    x, y = to_host(a), to_host(b)
    if x.tobytes() == y.tobytes():
        return True
    if x.dtype.kind != "f":
        return False
    either = np.isnan(x) & np.isnan(y)
    return np.where(either, 0, x).tobytes() == np.where(either, 0, y).tobytes()
