"""Algebraic simplification: rules that hold to the last bit.

Numbers in a computer are no real numbers. A rule stands here only if both sides are equal for
every input: NaN, infinities and the two zeros included. So ``x + 0.0`` stays, which turns -0.0
into 0.0, while ``x - 0.0`` goes; ``0 * x`` stays, which is NaN where x is infinite; ``x - x`` and
``exp(log(x))`` stay, and a sum of a repeated value is no product, since it rounds otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import copysign, frexp
from typing import Any

import numpy as np

from ...device import to_host
from ...op import OPS, Attrs, Mismatch, infer
from ..ir import Equation, Graph, Var, renamed, with_equations
from .record import Note, no_note


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the values: the equation that makes it, or the constant that it is."""

    made: dict[int, Equation]
    constants: dict[int, Any]

    def by(self, name: str, x: Any) -> Equation | None:
        """The equation that makes ``x``, if its op has this name."""
        e = self.made.get(x.id) if isinstance(x, Var) else None
        return e if e is not None and e.op.name == name else None

    def under(self, name: str, x: Any) -> Any:
        """What the op of this name was applied to, to make ``x``; None if it was not."""
        e = self.by(name, x)
        return None if e is None else e.inputs[0]

    def number(self, x: Any) -> Any:
        """The number that ``x`` is in every run; None where it may vary."""
        if not isinstance(x, Var):
            return x
        array = self.constants.get(x.id)
        return None if array is None or array.size != 1 else to_host(array).item()


# What a rule finds: a value that stands for the result, or another op with inputs and attributes.
# It is taken if shape and dtype are those of the result; a number is no value of the graph.
Found = Var | tuple[str, tuple[Any, ...], Attrs] | None
Finder = Callable[[Equation, Known], Found]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it says, why it is exact, and how it is found."""

    text: str
    why: str
    ops: tuple[str, ...]
    find: Finder


RULES: list[Rule] = []


def rule(text: str, why: str, *ops: str) -> Callable[[Finder], Finder]:
    """Add a rule to the table."""

    def add(find: Finder) -> Finder:
        RULES.append(Rule(text, why, ops, find))
        return find

    return add


# The rules ---------------------------------------------------------------------------------


@rule("x * 1 = x", "no rounding", "mul")
def _(e: Equation, known: Known) -> Found:
    a, b = e.inputs
    return a if known.number(b) == 1 else b if known.number(a) == 1 else None


@rule("x * -1 = -x", "only the sign changes", "mul")
def _(e: Equation, known: Known) -> Found:
    for a, b in (e.inputs, e.inputs[::-1]):
        if known.number(b) == -1 and isinstance(a, Var) and a.spec.dtype.kind == "f":
            return "neg", (a,), {}
    return None


@rule("(-x) * (-y) = x * y", "two signs cancel, the size is the same", "mul", "div")
def _(e: Equation, known: Known) -> Found:
    a, b = (known.under("neg", x) for x in e.inputs)
    both = a is not None and b is not None and e.out.spec.dtype.kind == "f"
    return (e.op.name, (a, b), {}) if both else None


@rule("x + (-0.0) = x", "0.0 would turn -0.0 into 0.0; for integers any 0", "add")
def _(e: Equation, known: Known) -> Found:
    for a, b in (e.inputs, e.inputs[::-1]):
        zero = known.number(b)
        if zero == 0 and (e.out.spec.dtype.kind in "iu" or copysign(1, zero) < 0):
            return a if isinstance(a, Var) else None
    return None


@rule("x - 0 = x", "-0.0 - 0.0 is -0.0", "sub")
def _(e: Equation, known: Known) -> Found:
    a, b = e.inputs
    return a if known.number(b) == 0 and copysign(1, known.number(b)) > 0 else None


@rule("x + (-y) = x - y", "what a difference is", "add")
def _(e: Equation, known: Known) -> Found:
    for a, b in (e.inputs, e.inputs[::-1]):
        y = known.under("neg", b)
        if y is not None and e.out.spec.dtype.kind == "f":
            return "sub", (a, y), {}
    return None


@rule("x - (-y) = x + y", "what a difference is", "sub")
def _(e: Equation, known: Known) -> Found:
    a, b = e.inputs
    y = known.under("neg", b)
    return ("add", (a, y), {}) if y is not None and e.out.spec.dtype.kind == "f" else None


@rule("x / 1 = x", "no rounding", "div")
def _(e: Equation, known: Known) -> Found:
    return e.inputs[0] if known.number(e.inputs[1]) == 1 else None


@rule("x / 2ⁿ = x * 2⁻ⁿ", "2⁻ⁿ is exact, and both sides round the same number", "div")
def _(e: Equation, known: Known) -> Found:
    divisor = known.number(e.inputs[1])
    if divisor is None or isinstance(divisor, bool) or not np.isfinite(divisor) or not divisor:
        return None
    part, power = frexp(divisor)
    safe = {2: 10, 4: 100, 8: 900}.get(e.out.spec.dtype.itemsize, 0)
    if abs(part) != 0.5 or abs(power) > safe or e.out.spec.number or divisor == 1:
        return None
    return "mul", (e.inputs[0], 1.0 / divisor), {}


@rule("-(-x) = x", "the sign comes back", "neg")
def _(e: Equation, known: Known) -> Found:
    return known.under("neg", e.inputs[0])


@rule("|-x| = |x|", "the sign goes anyway", "abs", "square")
def _(e: Equation, known: Known) -> Found:
    x = known.under("neg", e.inputs[0])
    return None if x is None else (e.op.name, (x,), {})


@rule("x ** 1 = x", "no rounding", "pow")
def _(e: Equation, known: Known) -> Found:
    return e.inputs[0] if known.number(e.inputs[1]) == 1 else None


@rule("x ** 2 = x * x", "NumPy computes it so", "pow")
def _(e: Equation, known: Known) -> Found:
    x, power = e.inputs
    wide = e.out.spec.dtype.kind != "f" or e.out.spec.dtype.itemsize > 2
    fits = known.number(power) == 2 and wide and not e.out.spec.number
    return ("square", (x,), {}) if fits else None


@rule("f(f(x)) = f(x)", "a rounded number stays", "abs", "floor", "ceil", "trunc", "sign")
def _(e: Equation, known: Known) -> Found:
    return e.inputs[0] if known.by(e.op.name, e.inputs[0]) else None


@rule("not not x = x", "for bits and bools", "logical_not", "bitwise_not")
def _(e: Equation, known: Known) -> Found:
    return known.under(e.op.name, e.inputs[0])


@rule("max(x, x) = x", "the larger of two equals", "maximum", "minimum")
def _(e: Equation, known: Known) -> Found:
    return e.inputs[0] if e.inputs[0] is e.inputs[1] else None


@rule("where(c, x, x) = x", "both ways lead to x", "where")
def _(e: Equation, known: Known) -> Found:
    return e.inputs[1] if e.inputs[1] is e.inputs[2] else None


@rule("clone(x) = x", "values of a graph never change", "clone")
def _(e: Equation, known: Known) -> Found:
    return e.inputs[0]


@rule("copy(x, y) = y", "what overwrites all of a value is the new one", "copy")
def _(e: Equation, known: Known) -> Found:
    return e.inputs[1] if isinstance(e.inputs[1], Var) else None


@rule("to(x, its dtype) = x", "nothing to convert", "to")
def _(e: Equation, known: Known) -> Found:
    return e.inputs[0]  # taken if the spec is the same


@rule("to(to(x, a), b) = to(x, b)", "a holds every value of x's dtype", "to")
def _(e: Equation, known: Known) -> Found:
    x, middle, end = known.under("to", e.inputs[0]), e.inputs[0].spec.dtype, e.out.spec.dtype
    if not isinstance(x, Var) or x.spec.number:
        return None
    start = x.spec.dtype
    holds = np.can_cast(start, middle, "safe") and (start.kind not in "iu" or start.itemsize < 8)
    return ("to", (x,), e.attrs) if holds and (start.kind != "f" or end.kind == "f") else None


@rule("reshape(reshape(x)) = reshape(x)", "the order of the entries stays", "reshape")
def _(e: Equation, known: Known) -> Found:
    x = known.under("reshape", e.inputs[0])
    return None if x is None else ("reshape", (x,), {"shape": e.out.spec.shape})


@rule("permute(permute(x)) = permute(x)", "one order after the other is an order", "permute")
def _(e: Equation, known: Known) -> Found:
    inner = known.by("permute", e.inputs[0])
    if inner is None:
        return None
    first, n = inner.attrs["dims"], e.out.spec.ndim
    return "permute", inner.inputs, {"dims": tuple(first[d] % n for d in e.attrs["dims"])}


@rule("permute(x, in order) = x", "each dimension stays in its place", "permute")
def _(e: Equation, known: Known) -> Found:
    n = e.out.spec.ndim
    return e.inputs[0] if all(d % n == i for i, d in enumerate(e.attrs["dims"])) else None


@rule("expand(expand(x)) = expand(x)", "what is repeated twice is repeated once", "expand")
def _(e: Equation, known: Known) -> Found:
    x = known.under("expand", e.inputs[0])
    return None if x is None else ("expand", (x,), {"shape": e.out.spec.shape})


@rule("reshape, expand(x, its shape) = x", "nothing to do", "reshape", "expand")
def _(e: Equation, known: Known) -> Found:
    return e.inputs[0]  # taken if the spec is the same


@rule("x[:] = x", "everything is taken, in order", "slice")
def _(e: Equation, known: Known) -> Found:
    parts = e.attrs["index"]
    whole = all(isinstance(p, slice) and p.step in (None, 1) for p in parts)
    return e.inputs[0] if whole else None  # taken if the spec is the same


@rule("flip(flip(x)) = x", "turned back", "flip")
def _(e: Equation, known: Known) -> Found:
    inner = known.by("flip", e.inputs[0])
    return inner.inputs[0] if inner is not None and inner.attrs == e.attrs else None


# The pass ----------------------------------------------------------------------------------

_BY_OP: dict[str, list[Rule]] = defaultdict(list)
for _rule in RULES:
    for _name in _rule.ops:
        _BY_OP[_name].append(_rule)


def simplify(graph: Graph, note: Note = no_note) -> Graph:
    """Apply the rules to each equation, in order, until none fits.

    A result of the graph keeps an equation of its own, so that it is no other tensor's memory.
    """
    known = Known({}, graph.constant_values)
    results = {v.id for v in graph.results}
    instead: dict[int, Var] = {}
    out: list[Equation] = []
    for old in graph.equations:
        e: Equation | None = renamed(old, instead)
        while e is not None:
            found = _first(e, known)
            if found is None:
                known.made[e.out.id] = e
                out.append(e)
                break
            new, by = found
            if isinstance(new, Equation):
                note("rewritten", (e,), (new,), by.text)
                e = new
                continue
            instead[e.out.id] = new
            if e.out.id in results:
                known.made[e.out.id] = e
                out.append(e)
            else:
                note("rewritten", (e,), (known.made.get(new.id, new),), by.text)
            e = None
    updates = tuple(
        (target, _written(value, instead, known, results)) for target, value in graph.updates
    )
    now = with_equations(graph, out, updates=updates)
    return graph if now.equations == graph.equations and updates == graph.updates else now


def _written(value: Var, instead: dict[int, Var], known: Known, results: set[int]) -> Var:
    """New state that is a copy of a value: the value itself, if it has memory of its own and is no
    other result."""
    copy, new = known.made.get(value.id), instead.get(value.id)
    made = None if new is None else known.made.get(new.id)
    if made is None or new is None or new.id in results or made.op.view:
        return value
    if copy is not None and copy.op.name != "copy":
        return value
    results.add(new.id)
    return new


def _first(e: Equation, known: Known) -> tuple[Equation | Var, Rule] | None:
    """What the first rule makes of an equation, if one fits."""
    for by in _BY_OP.get(e.op.name, ()):
        found = by.find(e, known)
        if isinstance(found, Var):
            if found.spec == e.out.spec:
                return found, by
        elif isinstance(found, tuple):
            new = _equation(e, *found)
            if new is not None:
                return new, by
    return None


def _equation(e: Equation, name: str, inputs: tuple[Any, ...], attrs: Attrs) -> Equation | None:
    """The equation with another right side; None where that has another shape or dtype."""
    op = OPS[name]
    try:
        spec = infer(op, [x.spec if isinstance(x, Var) else x for x in inputs], attrs)
    except Mismatch:
        return None
    same = (spec.shape, spec.dtype) == (e.out.spec.shape, e.out.spec.dtype)
    return replace(e, op=op, inputs=inputs, attrs=attrs, tensors=()) if same else None
