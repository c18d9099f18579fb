"""What a pass did: the graph before and after, each change, what it saves, and a proof."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import unified_diff
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import random
from ...device import Device, first_line, move, to_host
from ...errors import ArgumentError, ComputeError, describe
from ...tape import Location, location
from ..ir import Equation, Graph, Var
from ..trace import Argument

if TYPE_CHECKING:
    from ..kernels import Kernel

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

    ``what`` is "taken apart", "computed", "rewritten", "merged" or "removed"; of stages "looked
    at", "fused", "tiled", "shared" or "in place". ``after`` holds equations, or values that stand
    in for the results: a constant, or one that was there already; of stages, kernels. ``rule`` is
    the rule of algebra, or the name of what a kernel is: softmax, layer_norm, attention.
    """

    what: str
    before: tuple[Equation, ...]
    after: tuple[Equation | Var | Kernel, ...]
    rule: str = ""

    @property
    def ids(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Numbers of the values before, and of those that stand for them now."""
        return tuple(e.out.id for e in self.before), tuple(
            v.id for x in self.after for v in _vars(x)
        )

    @property
    def ops(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the ops before and after; of a value that is no result of an op, its kind."""
        return tuple(e.op.name for e in self.before), tuple(map(_name, self.after))

    @property
    def lines(self) -> tuple[Location, ...]:
        """The learner's lines that the equations before came from, each once."""
        return lines_of(self.before)

    def __str__(self) -> str:
        before = ", ".join(map(str, self.before))
        after = ", ".join(getattr(x, "title", str(x)) for x in self.after)
        plain = all(isinstance(x, (Equation, Var)) for x in self.after)
        rule = f" {'by' if plain else 'as'} {self.rule}" if self.rule else ""
        lines = ", ".join(map(str, self.lines))
        return (
            f"{self.what}{rule}: {before}"
            + (f" -> {after}" if after else "")
            + (f"  # {lines}" if lines else "")
        )


def lines_of(equations: Iterable[Equation]) -> tuple[Location, ...]:
    """The learner's lines that equations came from, each once."""
    found = (location(e) for e in equations)
    return tuple(dict.fromkeys(line for line in found if line is not None))


def _vars(x: Equation | Var | Kernel) -> tuple[Var, ...]:
    if isinstance(x, Var):
        return (x,)
    return (x.out,) if isinstance(x, Equation) else x.writes


def _name(x: Equation | Var | Kernel) -> str:
    if isinstance(x, Var):
        return x.kind
    return x.op.name if isinstance(x, Equation) else x.name


@dataclass(frozen=True, slots=True)
class Certificate:
    """How far the results of two graphs are apart on sample inputs.

    ``absolute`` is the largest difference of two entries; ``relative`` the same for each result
    in units of its largest entry; ``bitwise`` says that no entry differs at all (NaN counts as
    NaN). ``alone`` says whether this pass, compared with the graph that it was given, left every
    bit as it was. ``reasons`` say in plain words what was computed otherwise, where they are
    known: by ``lab.explain``, which sees all passes.
    """

    absolute: float
    relative: float
    bitwise: bool
    alone: bool
    results: int
    reasons: tuple[str, ...] = field(default=(), compare=False)

    @property
    def size(self) -> str:
        """The difference in a line."""
        if self.bitwise:
            return f"{self.results} result{'' if self.results == 1 else 's'} equal, bit for bit"
        own = "; this pass itself changed no bit" if self.alone else ""
        return f"largest difference {self.absolute:.2g}, relative {self.relative:.2g}{own}"

    def __str__(self) -> str:
        return "\n".join([self.size, *(f"  {words}" for words in self.reasons)])


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

    @property
    def memory_saved(self) -> int:
        """Bytes of memory that a plan no longer needs: of a graph nothing is known yet."""
        return 0

    def diff(self) -> str:
        """The lines that the pass took away and those that it added, with what stands around."""
        return difference(self.before, self.after)

    def certificate(self, *arguments: Any) -> Certificate:
        """Compare all results with those of the graph as it was traced.

        Captured tensors have their present values, arguments are drawn where none are given.
        Nothing is changed, and the random numbers of the program go on as if nothing had been
        drawn.
        """
        again = sample(self.origin, self.bindings, arguments)
        first, before, after = (again(g.run) for g in (self.origin, self.before, self.after))
        return compare(first, before, after)

    def __str__(self) -> str:
        count = len(self.changes)
        return (
            f"{self.name}: {self.words} {len(self.before.equations)} -> "
            f"{len(self.after.equations)} equations, {count} change{'' if count == 1 else 's'}, "
            f"{self.flops_saved} flops and {self.bytes_saved} bytes saved"
        )


def difference(before: Any, after: Any) -> str:
    """How two texts differ, line by line: "-" before a line that went, "+" before a new one."""
    old, new = (
        [re.sub(r"(?<=\S) {2,}", "  ", line) for line in str(x).splitlines()]  # columns may move
        for x in (before, after)
    )
    found = list(unified_diff(old, new, lineterm="", n=1))[2:]
    rows = ["  ..." if x.startswith("@@") else x for x in found if not x.startswith("@@ -1,")]
    return "\n".join(rows)


Again = Callable[[Callable[..., tuple[Any, ...]]], tuple[Any, ...]]


def sample(graph: Graph, bindings: tuple[Any, ...], arguments: tuple[Any, ...] = ()) -> Again:
    """A function that runs something with values for the inputs of a graph.

    Arguments are drawn where none are given. Each run draws the same random numbers, and those of
    the program go on as if none had been.
    """
    state = random.get_rng_state()

    def again(run: Callable[..., tuple[Any, ...]]) -> tuple[Any, ...]:
        with random.apart(state):
            return run(*values)

    values: list[Any] = []
    for draw in [_given(graph, bindings, arguments)] if arguments else DRAWS:
        values = _values(graph, bindings, draw)
        try:
            again(graph.run)
            break
        except Exception as error:
            if arguments:
                raise
            if draw is DRAWS[-1]:
                raise ComputeError(
                    f"certificate: the graph {graph.name} does not run on drawn inputs\n"
                    f"  {first_line(error)}\n"
                    "  expected one that takes any numbers, indices of 0, or probabilities\n"
                    "  give arguments that it takes: record.certificate(x)"
                ) from None
    return again


def _is_argument(i: int, bindings: tuple[Any, ...]) -> bool:
    return i >= len(bindings) or isinstance(bindings[i], Argument)


def _values(graph: Graph, bindings: tuple[Any, ...], draw: Draw) -> list[Any]:
    rng = np.random.default_rng(0)
    return [
        _placed(draw(v, rng), v) if _is_argument(i, bindings) else bindings[i].value([])
        for i, v in enumerate(graph.inputs)
    ]


def _given(graph: Graph, bindings: tuple[Any, ...], arguments: tuple[Any, ...]) -> Draw:
    """Arguments in place of numbers that are drawn."""
    wanted = [v for i, v in enumerate(graph.inputs) if _is_argument(i, bindings)]
    if len(arguments) != len(wanted):
        raise ArgumentError(
            f"certificate: got {len(arguments)} arguments for {len(wanted)} inputs\n"
            f"  expected one for each of {', '.join(f'{v}: {v.spec}' for v in wanted) or 'none'}"
        )
    by = {v.id: _array_of(x, v) for v, x in zip(wanted, arguments, strict=True)}
    return lambda v, rng: by[v.id]


def _array_of(x: Any, v: Var) -> Any:
    try:
        return np.asarray(to_host(x.array) if hasattr(x, "array") else x).astype(v.spec.dtype)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"certificate: got {describe(x)} for {v}\n  expected {v.spec}"
        ) from None


def compare(first: tuple[Any, ...], before: tuple[Any, ...], after: tuple[Any, ...]) -> Certificate:
    """How far results are from the ``first``, and whether they are bit for bit those ``before``."""
    absolute = relative = 0.0
    for a, b in zip(first, after, strict=True):
        difference, scale = _difference(a, b)
        absolute = max(absolute, difference)
        relative = max(relative, difference / scale if difference else 0.0)
    return Certificate(absolute, relative, _same(first, after), _same(before, after), len(after))


def _placed(value: Any, v: Var) -> Any:
    """A drawn value as the graph takes it: a number, or an array on the device."""
    if v.spec.number:
        return 1.0
    return move(value.astype(v.spec.dtype), Device(v.spec.device))


Draw = Callable[[Var, np.random.Generator], Any]


def _anything(v: Var, rng: np.random.Generator) -> Any:
    shape = v.spec.shape
    return rng.normal(size=shape) if v.spec.dtype.kind == "f" else rng.integers(0, 2, shape)


def _first(v: Var, rng: np.random.Generator) -> Any:
    """An index of 1 may be too large, 0 fits wherever anything fits."""
    return _anything(v, rng) if v.spec.dtype.kind == "f" else np.zeros(v.spec.shape)


def _shares(v: Var, rng: np.random.Generator) -> Any:
    """Probabilities; where a matrix is square, one that is positive definite too."""
    shape = v.spec.shape
    out = rng.uniform(0.1, 0.9, shape)
    if v.spec.dtype.kind != "f":
        return np.zeros(shape)
    if len(shape) > 1 and shape[-1] == shape[-2]:
        return (out + out.swapaxes(-1, -2)) / (4 * shape[-1]) + 0.5 * np.eye(shape[-1])
    return out


DRAWS: tuple[Draw, ...] = (_anything, _first, _shares)  # the first that a graph can be run with


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
