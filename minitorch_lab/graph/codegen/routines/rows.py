"""Entries and rows taken by number, written by number, and the losses that pick a class.

All ops that go by index tensors are one walk over the places of an index: the number that stands at
a place leads into a larger array.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ....ops.indexing import PLACE, ints_first
from ....ops.movement import expand_ellipsis
from ...fuse import Single
from ..text import C_TYPES, Place, axes, block, index_of, kept, over, pointer, source
from .joins import copied, part


@dataclass(eq=False)
class Walk:
    """A walk over the places of an index, and where each of them leads to."""

    shape: tuple[int, ...]
    into: Place  # the array that the numbers lead into
    along: list[str]  # the variable of each of its dimensions: one of the walk, or a number
    numbers: list[tuple[Place, int]]  # index tensors spread over the walk, and what they count
    from_end: bool  # whether numbers below 0 count from the end

    @property
    def at(self) -> str:
        """The place that the walk leads to."""
        return index_of(self.along, self.into.strides)

    def around(self, body: str) -> str:
        """The loops around ``body``; each number is read as soon as the loops say where it is."""
        names = axes(len(self.shape))
        lines = [pointer(f"index{k}", x) for k, (x, _) in enumerate(self.numbers)] + self.reads(0)
        for d, (name, n) in enumerate(zip(names, self.shape, strict=True)):
            inside = self.reads(d + 1)
            if d == len(names) - 1 and name in self.along and not inside:
                lines.append("    " * d + "#pragma omp simd")
            lines.append("    " * d + f"for (long {name} = 0; {name} < {n}; {name}++) {{")
            lines += ["    " * (d + 1) + line for line in inside]
        lines += ["    " * len(names) + line for line in body.splitlines()]
        return "\n".join([*lines, *("    " * d + "}" for d in reversed(range(len(names))))])

    def reads(self, depth: int) -> list[str]:
        """The numbers that are known inside of so many loops; one out of range ends the step."""
        lines = []
        for k, (x, size) in enumerate(self.numbers):
            if max((d + 1 for d, s in enumerate(x.strides) if s), default=0) != depth:
                continue
            lines.append(f"long k{k} = index{k}[{index_of(axes(len(x.strides)), x.strides)}];")
            if self.from_end:
                lines.append(f"if (k{k} < 0) k{k} += {size};")
            lines.append(f"if (k{k} < 0 || k{k} >= {size}) return 1;")
        return lines


def _walk(w: Any, step: Single, into: Place, index: Any) -> Walk:
    """The walk of an op: an index of all dimensions, or what square brackets mean."""
    attrs = step.equation.attrs
    tensors = [w.seen(step, v) for v in index]
    if step.equation.op.name in WHOLE:
        (numbers,), dim = tensors, attrs["dim"]
        along = axes(into.array.ndim)
        along[dim] = "k0"
        return Walk(numbers.array.shape, into, along, [(numbers, into.array.shape[dim])], False)
    template = attrs.get("template", (*(slice(None),) * attrs.get("dim", 0), PLACE))
    return _brackets(into, tensors, template, "template" in attrs)


def _brackets(into: Place, tensors: list[Place], template: Any, from_end: bool) -> Walk:
    """``x[template]``: ints and slices choose a part, whose dimensions go by the walk or a number.

    The dimensions of the index tensors stand where these stood if they are neighbours, else first.
    """
    basic, rest = ints_first(template)
    into = part(into, into.array[basic if Ellipsis in basic else (*basic, ...)])
    ndim = into.array.ndim
    given = expand_ellipsis(rest, ndim)
    spots = [d for d, p in enumerate(given) if p == PLACE]
    joined = np.broadcast_shapes(*(x.array.shape for x in tensors))
    first = spots[0] if spots and spots[-1] - spots[0] < len(spots) else 0
    free = [d for d in range(ndim) if d not in spots]
    shape = [into.array.shape[d] for d in free]
    shape[first:first] = joined
    names = axes(len(shape))
    own = dict(zip(free, names[:first] + names[first + len(joined) :], strict=True))
    own |= {d: f"k{k}" for k, d in enumerate(spots)}
    numbers = []
    for x, d in zip(tensors, spots, strict=True):
        spread = np.broadcast_to(x.array, joined)
        spread = np.expand_dims(spread, tuple(range(len(joined), len(shape) - first)))
        numbers.append((part(x, np.broadcast_to(spread, shape)), into.array.shape[d]))
    return Walk(tuple(shape), into, [own[d] for d in range(ndim)], numbers, from_end)


JOINED = {"write": "=", "add": "+=", "prod": "*="}
MANY, SMALL = 4096, 1 << 18  # additions to one place, and entries of what they are added to
WHOLE = ("gather", "scatter_zeros", "scatter", "scatter_add", "scatter_join")


def taken(w: Any, step: Single) -> bool:
    """Entries by number: ``gather``, ``index_select``, ``embedding``, ``x[index]``."""
    e = step.equation
    x, *index = reversed(e.inputs) if e.op.name == "embedding" else e.inputs
    out, walk = w.seen(step, e.out), _walk(w, step, w.seen(step, x), index)
    here = index_of(axes(len(walk.shape)), out.strides)
    return block(
        w,
        f"""
{pointer("x", walk.into)}
{pointer("q", out, "")}
{walk.around(f"q[{here}] = x[{walk.at}];")}
""",
    )


def zeros_joined(w: Any, step: Single) -> bool:
    """Entries added to zeros by number: the gradient of taking them."""
    value, *index = step.equation.inputs
    out = w.seen(step, step.equation.out)
    block(w, f"{pointer('q', out, '')}\nmemset(q, 0, {out.array.nbytes});")
    return _join(w, step, out, value, index)


def joined(w: Any, step: Single) -> bool:
    """Entries written by number into a copy, or joined with what is there."""
    e = step.equation
    x, *rest = e.inputs
    value, index = (rest[0], rest[1:]) if "template" in e.attrs else (rest[1], rest[:1])
    out = w.seen(step, e.out)
    copied(w, out, w.seen(step, x))
    return _join(w, step, out, value, index)


def _join(w: Any, step: Single, out: Place, value: Any, index: Any) -> bool:
    e, dtype = step.equation, out.array.dtype
    way = e.attrs.get("reduce", "write" if e.op.name in ("scatter", "index_put") else "add")
    walk = _walk(w, step, out, index)
    often = prod(n for i, n in enumerate(walk.shape) if f"i{i}" not in walk.along)
    room = None
    if way == "add" and dtype == np.float32 and often > MANY and out.array.size <= SMALL:
        room = kept(w, np.empty(out.array.shape))  # one place may get them all: added in double
        walk = _walk(w, step, room, index)
        _converted(w, room, out)
    declared, text = source(w, step, value, dtype, walk.shape)
    here = f"q[{walk.at}]"
    body = f"{here} {JOINED.get(way)} {text};"
    if way == "add" and dtype.kind == "b":
        body = f"{here} |= {text};"
    if way in ("amax", "amin"):
        sign = ">" if way == "amax" else "<"
        body = f"const {C_TYPES[str(dtype)]} old = {here}, new = {text};\n"
        body += f"{here} = (old {sign} new) | (old != old) ? old : new;"
    block(w, f"{pointer('q', walk.into, '')}\n{declared}\n{walk.around(body)}")
    if room is not None:
        _converted(w, out, room)
    return True


def _converted(w: Any, to: Place, x: Place) -> None:
    copy = over((x.array.size,), "q[i0] = x[i0];")
    block(w, f"{pointer('x', x)}\n{pointer('q', to, '')}\n{copy}")


# Losses ------------------------------------------------------------------------------------


def nll_mean(w: Any, step: Single) -> bool:
    """The mean of ``-x[i, target[i]]``, without the entries to ignore."""
    x, target, out = (w.seen(step, v) for v in (*step.equation.inputs, step.equation.out))
    n, classes = x.array.shape
    kind = C_TYPES[str(out.array.dtype)]
    return block(
        w,
        f"""
{pointer("x", x)}
{pointer("k", target)}
{pointer("q", out, "")}
double sum = 0;  // a batch may be long
long count = 0;
for (long i = 0; i < {n}; i++) {{
    const long at = k[{index_of(["i"], target.strides)}];
    if (at == -100) continue;
    if (at < 0 || at >= {classes}) return 1;
    sum -= x[{index_of(["i", "at"], x.strides)}];
    count++;
}}
*q = ({kind})(sum / count);
""",
    )


def class_error(w: Any, step: Single) -> bool:
    """The gradient of the cross-entropy: a softmax less one at the class."""
    x, target, out = (w.seen(step, v) for v in (*step.equation.inputs, step.equation.out))
    n, classes = x.array.shape
    kind = C_TYPES[str(out.array.dtype)]
    return block(
        w,
        f"""
{pointer("x", x)}
{pointer("k", target)}
{pointer("q", out, "")}
long count = 0;
for (long i = 0; i < {n}; i++) {{
    const long at = k[{index_of(["i"], target.strides)}];
    if (at != -100 && (at < 0 || at >= {classes})) return 1;
    count += at != -100;
}}
const {kind} share = ({kind}){n} / ({kind})(count ? count : 1);
for (long i = 0; i < {n}; i++) {{
    const long at = k[{index_of(["i"], target.strides)}];
    const {kind} scale = at == -100 ? 0 : share;
    for (long j = 0; j < {classes}; j++)
        q[{index_of(["i", "j"], out.strides)}] =
            (x[{index_of(["i", "j"], x.strides)}] - (j == at)) * scale;
}}
""",
    )


def row_share(w: Any, step: Single) -> bool:
    """For each row its weight in a mean over those that count."""
    target, out = (w.seen(step, v) for v in (step.equation.inputs[1], step.equation.out))
    n, kind = target.array.size, C_TYPES[str(out.array.dtype)]
    here = f"k[{index_of(['i'], target.strides)}] != -100"
    return block(
        w,
        f"""
{pointer("k", target)}
{pointer("q", out, "")}
long count = 0;
for (long i = 0; i < {n}; i++) count += {here};
for (long i = 0; i < {n}; i++) q[i] = ({here}) / ({kind})(count ? count : 1);
""",
    )


def class_index(w: Any, step: Single) -> bool:
    """The class numbers, which must be classes; 0 for those to ignore."""
    e = step.equation
    x, target, out = (w.seen(step, v) for v in (*e.inputs, e.out))
    names = axes(out.array.ndim)
    body = f"""const long at = k[{index_of(names, target.strides)}];
const int keep = at != {e.attrs["ignore_index"]};
if (keep && (at < 0 || at >= {x.array.shape[e.attrs["dim"]]})) return 1;
q[{index_of(names, out.strides)}] = keep ? at : 0;"""
    return block(
        w, f"{pointer('k', target)}\n{pointer('q', out, '')}\n{over(out.array.shape, body)}"
    )
