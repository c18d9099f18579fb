"""The C text of one loop of the schedule."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...tape import location
from ..fuse import FLOAT16, Loop, Part, expression
from ..ir import Equation, Var
from .text import C_TYPES, Place, computed, index_of, read, written

FUNCTIONS = re.compile(
    r"\b(exp|log|tanh|erf|sqrt|pow|floor|ceil|trunc|rint|fabs|sin|cos|tan|atan|log1p|expm1|log2"
    r"|log10|erfc|asin|acos|sinh|cosh|asinh|acosh|atanh|exp2|atan2|hypot|copysign)\("
)
OWN = {"exp", "log", "tanh", "erf"}  # in the prelude, for float: loops of them use vectors; exp
# is there for double too
FLOATS = re.compile(r"(?<![\w.])(\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+)(?![\w.])")
START = {"amax": "-INFINITY", "amin": "INFINITY"}


BLOCK = 4096  # floats that are added as floats, before the sum goes into a double


class LoopWriter:
    """The C text of one loop."""

    def __init__(self, writer: Any, loop: Loop) -> None:
        self.w, self.loop = writer, loop
        within = len(writer.counters)  # in a tile: one sample, one plane
        self.shape = (1,) * within + loop.shape[within:]
        self.t = writer.text
        self.local: dict[int, Part] = {p.equation.out.id: p for p in loop.parts}

    def write(self) -> None:
        """Add the loop to the text of the plan."""
        t, loop = self.t, self.loop
        self.pointers: dict[int, str] = {}
        self.strides: dict[str, tuple[int, ...]] = {}
        totals = [p for p in loop.parts if p.level == "total"]
        where = _where(loop)
        t.add("{" + (f"  // {where}" if where else ""))
        t.depth += 1
        split = len(loop.shape) if loop.split is None else loop.split
        if loop.split is None:
            split = 0
        for part in loop.parts:
            for x in part.equation.inputs:
                if isinstance(x, Var) and not x.spec.number and self._from_memory(x, part):
                    self._pointer(x, "const ")
            if part.equation.out.id in self.w.outside:
                self._pointer(part.equation.out, "")
        for part in totals if not self.w.counters else ():
            self.w.clear(part)
        outer, inner = self._axes(split)
        opened = self._open(outer)
        stages = max(p.stage for p in loop.parts)
        for stage in range(stages + 1):
            self._stage(stage, outer, inner)
        self._close(opened)
        for part in totals if not self.w.counters else ():
            self.w.divide(part)
        t.depth -= 1
        t.add("}")

    def _open(self, axes: list[Any]) -> int:
        """Open the loops over the rows; how many blocks that are."""
        for name, n, _ in axes:
            self.t.add(f"for (long {name} = 0; {name} < {n}; {name}++) {{")
            self.t.depth += 1
        return len(axes)

    def _enter(self, axes: list[Any], gathered: list[Part]) -> int:
        """Open the loops over the entries of a row; how many blocks that are."""
        if not axes:
            self.t.add("{")
            self.t.depth += 1
            return 1
        (name, n, _), start, end = axes[-1], "0", str(axes[-1][1])
        opened = self._open(axes[:-1])
        if self.wide and n > BLOCK:
            start, end = "start", "end"
            self.t.add(f"for (long start = 0; start < {n}; start += {BLOCK}) {{")
            self.t.depth, opened = self.t.depth + 1, opened + 1
            self.t.add(f"const long end = start + {BLOCK} < {n} ? start + {BLOCK} : {n};")
        for p in self.wide:
            self.t.add(f"{C_TYPES[str(p.equation.out.spec.dtype)]} s{p.equation.out.id} = 0;")
        self.t.add(f"#pragma omp simd{self._clause(gathered)}")
        self.t.add(f"for (long {name} = {start}; {name} < {end}; {name}++) {{")
        self.t.depth += 1
        return opened + 1

    def _leave(self, blocks: int) -> None:
        """Close what was entered; the sum of a block goes to the others."""
        if self.wide:
            self._close(1)
        for p in self.wide:
            self.t.add(f"w{p.equation.out.id} += s{p.equation.out.id};")
        self._close(blocks - 1 if self.wide else blocks)

    def _close(self, blocks: int) -> None:
        for _ in range(blocks):
            self.t.depth -= 1
            self.t.add("}")

    def _from_memory(self, x: Var, part: Part) -> bool:
        made = self.local.get(x.id)
        if made is None:
            return True
        return made.level == "entry" and made.stage != part.stage

    def _pointer(self, v: Var, const: str) -> None:
        if v.id in self.pointers:
            return
        made = self.local.get(v.id)
        place = self.w.seen(self.loop, v)
        if made is not None and made.level in ("fold", "total", "row"):
            strides = self._spread(made, place)
        else:
            place, strides = self.w.operand(place, self.shape)
        kind = C_TYPES[str(v.spec.dtype)]
        name = f"m{v.id}"
        const = "" if made is not None else const
        self._declare(f"{const}{kind} *", name, place)
        self.pointers[v.id] = name
        self.strides[name] = strides

    def _declare(self, kind: str, name: str, place: Place) -> None:
        """Name the memory of a value."""
        self.t.add(f"{kind}{name} = ({kind})p[{place.slot}] + {place.offset}{place.more};")

    def _spread(self, part: Part, place: Place) -> tuple[int, ...]:
        """Strides of a reduced value over the whole shape: 0 along what was reduced."""
        if part.level == "row":
            return self.w.operand(place, self.shape)[1]
        dims, keep = part.equation.attrs["dim"], part.equation.attrs["keepdim"]
        strides = list(place.strides)
        if not keep:
            for d in dims:
                strides.insert(d, 0)
        return tuple(0 if d in dims else s for d, s in enumerate(strides))

    def _axes(self, split: int) -> tuple[list[Any], list[Any]]:
        """Dimensions outside and inside a row, joined where memory allows: (name, size, dims)."""
        shape = self.shape
        every = list(self.strides.values())

        def joined(dims: Iterable[int]) -> list[list[int]]:
            groups: list[list[int]] = []
            for d in dims:
                if shape[d] == 1:
                    continue
                if groups and all(s[groups[-1][-1]] == s[d] * shape[d] for s in every):
                    groups[-1].append(d)
                else:
                    groups.append([d])
            return groups

        named = []
        for k, dims in enumerate(self._sides(split)):
            named.append(
                [
                    (f"{'oi'[k]}{g}", math.prod(shape[d] for d in group), group)
                    for g, group in enumerate(joined(dims))
                ]
            )
        return named[0], named[1]

    def _sides(self, split: int) -> tuple[Iterable[int], Iterable[int]]:
        """Which dimensions lie outside a row, and which inside."""
        return range(split), range(split, len(self.shape))

    def _at(self, name: str, axes: list[Any]) -> str:
        strides = self.strides[name]
        return index_of([a for a, _, _ in axes], [strides[group[-1]] for _, _, group in axes])

    def _stage(self, stage: int, outer: list[Any], inner: list[Any]) -> None:
        parts = [p for p in self.loop.parts if p.stage == stage]
        entries = [p for p in parts if p.level == "entry"]
        folds = [p for p in parts if p.level in ("fold", "total")]
        for p in parts:
            if p.level == "row":
                self._row(p, outer)
        # a total whose inner axes are all summed gathers its row first
        gathered = [p for p in folds if p.level == "fold" or self._summed(p, inner)]
        many = math.prod(n for _, n, _ in inner) > BLOCK
        sums = [p for p in gathered if many and p.equation.op.name not in START]
        self.wide = sums if self.BLOCKS else []
        for p in gathered:
            self._start(p, p in sums)
        if not entries and not folds:
            return
        opened = self._enter(inner, gathered)
        axes = outer + inner
        for p in entries:
            self._compute(p, axes)
        for p in folds:
            self._accumulate(p, axes, p in gathered)
        for p in entries:
            self._keep(p.equation.out, axes)
        self._leave(opened)
        for p in gathered:
            self._finish(p, outer)

    def _compute(self, p: Part, axes: list[Any]) -> None:
        """The value of an equation at one place; of float16 with as many digits as that has."""
        e, out = p.equation, p.equation.out
        value = self._expression(e, axes, p)
        if out.spec.dtype == FLOAT16:
            value = f"lab_rounded({value})"
        self.t.add(f"const {_local(out)} v{out.id} = {value};")

    def _keep(self, out: Var, axes: list[Any], who: str = "") -> None:
        """Write a value to memory, where something outside the loop reads it."""
        if out.id in self.w.outside:
            name = self.pointers[out.id]
            value = written(out.spec.dtype, f"v{out.id}")
            self.t.add(f"{who}{name}[{self._at(name, axes)}] = {value};")

    BLOCKS = True  # whether many floats are added by blocks

    def _start(self, p: Part, many: bool) -> None:
        """The variable that a row is gathered in; in double where many floats are added."""
        out, op = p.equation.out, p.equation.op.name
        kind = "double" if many else C_TYPES[str(out.spec.dtype)]
        name = "w" if p in self.wide else "s"
        self.t.add(f"{kind} {name}{out.id} = {START.get(op, '0')};")
        if op in START:  # a comparison with NaN is false: they are counted
            self.t.add(f"int nan{out.id} = 0;")

    def _clause(self, gathered: list[Part]) -> str:
        """What the last loop of a stage gathers, in OpenMP's words."""
        by: dict[str, list[str]] = {}
        for p in gathered:
            n, op = p.equation.out.id, p.equation.op.name
            by.setdefault({"amax": "max", "amin": "min"}.get(op, "+"), []).append(f"s{n}")
            if op in START:
                by.setdefault("+", []).append(f"nan{n}")
        return "".join(f" reduction({sign}:{', '.join(names)})" for sign, names in by.items())

    def _finish(self, p: Part, outer: list[Any]) -> None:
        """What was gathered becomes the value of the row."""
        out, op = p.equation.out, p.equation.op.name
        sum_of = "w" if p in self.wide else "s"
        if p.level == "total":
            name = self.pointers[out.id]
            self.t.add(f"{name}[{self._at(name, outer)}] += {sum_of}{out.id};")
            return
        value = f"nan{out.id} ? NAN : s{out.id}" if op in START else f"{sum_of}{out.id}"
        value = self._whole(value, p)
        if op == "mean":
            value = f"{value} / {p.equation.inputs[0].spec.size // out.spec.size}"
        self.t.add(f"const {C_TYPES[str(out.spec.dtype)]} v{out.id} = {value};")
        self._keep(out, outer, self.ONE)

    ONE = ""  # before what is done once for a row

    def _whole(self, value: str, p: Part) -> str:
        """What a row gives, from what was gathered here: there may be others at work."""
        return value

    def _summed(self, p: Part, inner: list[Any]) -> bool:
        """Whether a total sums over all inner axes."""
        strides = self.strides[self.pointers[p.equation.out.id]]
        return all(strides[group[-1]] == 0 for _, _, group in inner)

    def _row(self, p: Part, outer: list[Any]) -> None:
        self._compute(p, outer)
        self._keep(p.equation.out, outer, self.ONE)

    def _accumulate(self, p: Part, axes: list[Any], gathered: bool) -> None:
        e = p.equation
        value = self._value(e.inputs[0], axes, p)
        s = f"s{e.out.id}"
        if not gathered:
            name = self.pointers[e.out.id]
            s = f"{name}[{self._at(name, axes)}]"
        if e.op.name not in START:
            self.t.add(f"{s} += {value};")
            return
        sign = ">" if e.op.name == "amax" else "<"
        self.t.add(f"{s} = {value} {sign} {s} ? {value} : {s};")
        self.t.add(f"nan{e.out.id} += {value} != {value};")

    def _value(self, x: Any, axes: list[Any], part: Part) -> str:
        """An input of an equation at one place."""
        made = self.local.get(x.id)
        if made is not None and not self._from_memory(x, part):
            return f"v{x.id}"
        name = self.pointers[x.id]
        return read(x.spec.dtype, f"{name}[{self._at(name, axes)}]")

    def _expression(self, e: Equation, axes: list[Any], part: Part) -> str:
        if e.op.name == "to":
            x = e.inputs[0]
            text = self._value(x, axes, part)
            if e.out.spec.dtype.kind == "b":
                return f"{text} != 0"
            kind = computed(e.out.spec.dtype)
            return text if computed(x.spec.dtype) == kind else f"({kind}){text}"
        kinds = [x.spec.dtype for x in e.inputs if isinstance(x, Var) and not x.spec.number]
        common = _compute_dtype(e, kinds)
        inputs = [self._input(x, axes, part, common, i, e) for i, x in enumerate(e.inputs)]
        if e.op.name == "pow" and not isinstance(e.inputs[1], Var):
            quick = _power(inputs[0], e.inputs[1])
            if quick is not None and (common.kind == "f" or e.inputs[1] >= 0):
                return quick
        if e.op.name in BOUNDS and not isinstance(e.inputs[1], Var) and e.inputs[1] == e.inputs[1]:
            x, bound = inputs  # one question instead of two, and a NaN is still what is left
            return f"{x} {BOUNDS[e.op.name]} {bound} ? {bound} : {x}"
        text = expression(e) or ""
        if common == np.float32:
            text = FUNCTIONS.sub(lambda m: f"lab_{m[1]}f(" if m[1] in OWN else f"{m[1]}f(", text)
            text = FLOATS.sub(r"\1f", text)
        elif common == np.float64:
            text = re.sub(r"\bexp\(", "lab_exp(", text)
        if common.kind == "b":  # as whole numbers 1 + 1 is 2 and ~1 is -2
            text = f"({text.replace('~', '!')}) != 0"
        names = dict(zip("xyz", inputs, strict=False))
        return re.sub(r"\b([xyz])\b", lambda m: names[m[1]], text)

    def _number(self, k: int) -> str:
        """A Python number."""
        return f"n[{k}]"

    def _input(
        self, x: Any, axes: list[Any], part: Part, common: Any, index: int, e: Equation
    ) -> str:
        kind = C_TYPES[str(common)]
        if isinstance(x, Var) and x.spec.number:
            k = self.w.numbers.setdefault(x.id, len(self.w.numbers))
            text = f"({kind}){self._number(k)}"
            return f"lab_rounded({text})" if _halves(e) else text
        if isinstance(x, Var):
            text = self._value(x, axes, part)
            if e.op.name == "where" and index == 0:
                return text
            return text if computed(x.spec.dtype) == kind else f"({kind}){text}"
        if isinstance(x, float) and _halves(e):
            x = _half(x)
        if isinstance(x, float) and not math.isfinite(x):
            word = "NAN" if math.isnan(x) else "INFINITY"
            return f"(-{word})" if x < 0 else word
        if common.kind == "f":
            text = repr(float(x)) + ("f" if common == np.float32 else "")
            return f"({text})" if x < 0 else text
        return f"(({kind}){int(x)})"


BOUNDS = {"maximum": "<=", "minimum": ">="}


def _local(v: Var) -> str:
    """The type of a local variable: a bool as an int, which vectors of floats go well with."""
    return "int" if v.spec.dtype.kind == "b" else computed(v.spec.dtype)


def _halves(e: Equation) -> bool:
    """Whether the numbers of an equation are of float16, as the tensors beside them are."""
    kinds = [x.spec.dtype for x in e.inputs if isinstance(x, Var) and not x.spec.number]
    return _common_dtype(e, kinds) == FLOAT16


def _half(x: float) -> float:
    """The number of float16 that is nearest."""
    with np.errstate(over="ignore"):
        return float(np.float16(x))


def _compute_dtype(e: Equation, kinds: list[Any]) -> Any:
    """The dtype that the entries have in the expression."""
    found = _common_dtype(e, kinds)
    return np.dtype("float32") if found == FLOAT16 else found


def _common_dtype(e: Equation, kinds: list[Any]) -> Any:
    """The dtype that the entries have for eager mode."""
    if e.op.name == "where":
        kinds = kinds[1:] or [e.out.spec.dtype]
    out = e.out.spec.dtype
    if out.kind != "b" or not kinds:
        return out
    found = np.result_type(*kinds)
    floats = any(isinstance(x, float) for x in e.inputs)
    return np.dtype("float32") if floats and found.kind != "f" else found


def _power(x: str, p: Any) -> str | None:
    """Small powers as products."""
    return {2: f"{x} * {x}", 3: f"{x} * {x} * {x}", 1: x, -1: f"1 / {x}"}.get(p)


def _where(loop: Loop) -> str:
    """The lines of the learner's that a loop comes from."""
    found: list[str] = []
    for p in loop.parts:
        where = location(p.equation)
        if where and str(where) not in found:
            found.append(str(where))
    return ", ".join(found[:3])
