"""Along a dimension: sums and products that no loop takes, running ones, extremes and order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...fuse import Single
from ..text import C_TYPES, Place, axes, block, index_of, kept, nest, over, pointer

# What a row starts with, and what an entry makes of it.
FOLDS = {
    "sum": ("0", "old + new"),
    "mean": ("0", "old + new"),
    "prod": ("1", "old * new"),
    "all": ("1", "old & (new != 0)"),
    "any": ("0", "old | (new != 0)"),
    "amax": ("lowest", "(old > new) | (old != old) ? old : new"),
    "amin": ("highest", "(old < new) | (old != old) ? old : new"),
}


def fold_dims(w: Any, step: Single) -> bool:
    """Entries along some dimensions become one."""
    e = step.equation
    x, out, dims = w.seen(step, e.inputs[0]), w.seen(step, e.out), e.attrs["dim"]
    names, sizes = axes(x.array.ndim), x.array.shape
    every = list(zip(names, sizes, strict=True))
    outer = [pair for d, pair in enumerate(every) if d not in dims]
    inner = [pair for d, pair in enumerate(every) if d in dims]
    start, joined = FOLDS[e.op.name]
    start = _limits(out.array.dtype).get(start, start)
    here = f"q[{index_of(names, _spread(out, dims, e.attrs['keepdim']))}]"
    kind, entry = C_TYPES[str(out.array.dtype)], f"x[{index_of(names, x.strides)}]"
    take = f"const {C_TYPES[str(x.array.dtype)]} new = {entry};"
    if inner and inner[-1] != every[-1] and x.array.size:  # in the order of memory, into memory
        text = nest(outer, f"{here} = {start};") + "\n"
        text += nest(every, f"const {kind} old = {here};\n{take}\n{here} = {joined};", simd=True)
    else:
        count = x.array.size // max(out.array.size, 1)
        found = f"old / {count}" if e.op.name == "mean" else "old"
        rows = nest(inner, f"{take}\nold = {joined};")
        text = nest(outer, f"{kind} old = {start};\n{rows}\n{here} = {found};")
    return block(w, f"{pointer('x', x)}\n{pointer('q', out, '')}\n{text}")


def _limits(dtype: Any) -> dict[str, str]:
    """The lowest and the highest number of a dtype, in C."""
    if dtype.kind == "f":
        return {"lowest": "-INFINITY", "highest": "INFINITY"}
    if dtype.kind == "b":
        return {"lowest": "0", "highest": "1"}
    name = str(dtype).upper()
    return {"lowest": f"{name}_MIN" if dtype.kind == "i" else "0", "highest": f"{name}_MAX"}


def _spread(out: Place, dims: tuple[int, ...], keepdim: bool) -> list[int]:
    """The strides of a reduced value over the whole shape: 0 along what was reduced."""
    strides = list(out.strides)
    for d in dims:
        strides[d : d + keepdim] = [0]
    return strides


def argument(w: Any, step: Single) -> bool:
    """``argmax`` and ``argmin``: where the extreme is, of equal ones the first; NaN is extreme."""
    e = step.equation
    x, out, dim = w.seen(step, e.inputs[0]), w.seen(step, e.out), e.attrs["dim"]
    ndim = x.array.ndim
    dims = tuple(range(ndim)) if dim is None else (dim,)[:ndim]
    names, kind = axes(ndim), C_TYPES[str(x.array.dtype)]
    every = list(zip(names, x.array.shape, strict=True))
    sign = ">" if e.op.name == "argmax" else "<"
    look = f"""
const {kind} new = x[{index_of(names, x.strides)}];
const int further = !at || new {sign} top || (new != new && top == top);
best = further ? at : best;
top = further ? new : top;
at++;"""
    row = nest([pair for d, pair in enumerate(every) if d in dims], look)
    here = f"q[{index_of(names, _spread(out, dims, e.attrs['keepdim']))}]"
    text = nest(
        [pair for d, pair in enumerate(every) if d not in dims],
        f"long best = 0, at = 0;\n{kind} top = 0;\n{row}\n{here} = best;",
    )
    return block(w, f"{pointer('x', x)}\n{pointer('q', out, '')}\n{text}")


def running(w: Any, step: Single) -> bool:
    """``cumsum``, ``cumprod`` and ``cumsum_from_end``: each entry goes on from the one before."""
    e = step.equation
    x, out, dim = w.seen(step, e.inputs[0]), w.seen(step, e.out), e.attrs["dim"]
    names, sign = axes(out.array.ndim), "*" if e.op.name == "cumprod" else "+"
    every = list(zip(names, out.array.shape, strict=True))
    at, before = names, "0"
    if names:
        back = e.op.name == "cumsum_from_end"
        at = [f"({n - 1} - {i})" if back and d == dim else i for d, (i, n) in enumerate(every)]
        before = f"{index_of(at, out.strides)} {'+' if back else '-'} {out.strides[dim]}"
    entry, here = f"x[{index_of(at, x.strides)}]", f"q[{index_of(at, out.strides)}]"
    first = names[dim] if names else "0"
    body = f"{here} = {first} ? q[{before}] {sign} {entry} : {entry};"
    return block(w, f"{pointer('x', x)}\n{pointer('q', out, '')}\n{nest(every, body)}")


# Order -------------------------------------------------------------------------------------


def argsort(w: Any, step: Single) -> bool:
    """The order of the entries along a dimension: sorted runs of 1, 2, 4, ... are merged.

    Equal entries keep their order; NaN is the largest.
    """
    e = step.equation
    x, out, dim = w.seen(step, e.inputs[0]), w.seen(step, e.out), e.attrs["dim"]
    names, kind = axes(x.array.ndim), C_TYPES[str(x.array.dtype)]
    every = list(zip(names, x.array.shape, strict=True))
    i, n = every[dim] if names else ("i", 1)
    names_of = ("key", "a", "next", "b")  # keys and where they stood, and room for both
    room = [kept(w, np.empty(max(n, 1), d)) for d in (x.array.dtype, np.int64) * 2]
    declared = "\n".join(pointer(name, r, "") for name, r in zip(names_of, room, strict=True))
    one, other = ("key[j]", "key[i]") if e.attrs["descending"] else ("key[i]", "key[j]")
    second = f"({one} > {other})"
    if x.array.dtype.kind == "f":
        second += f" | (({one} != {one}) & ({other} == {other}))"
    fill = nest([(i, n)], f"key[{i}] = x[{index_of(names, x.strides)}];\na[{i}] = {i};")
    store = nest([(i, n)], f"q[{index_of(names, out.strides)}] = a[{i}];")
    row = f"""{fill}
for (long run = 1; run < {n}; run *= 2) {{
    for (long low = 0; low < {n}; low += 2 * run) {{
        const long middle = low + run < {n} ? low + run : {n};
        const long high = middle + run < {n} ? middle + run : {n};
        long i = low, j = middle, k = low;
        while (i < middle && j < high) {{
            const long second = {second};
            const long from = i + (j - i) * second;  // a branch here would be guessed wrongly
            next[k] = key[from];
            b[k++] = a[from];
            i += !second;
            j += second;
        }}
        for (; i < middle; i++, k++) next[k] = key[i], b[k] = a[i];
        for (; j < high; j++, k++) next[k] = key[j], b[k] = a[j];
    }}
    {kind} *keys = key;
    key = next;
    next = keys;
    int64_t *order = a;
    a = b;
    b = order;
}}
{store}"""
    body = nest([pair for d, pair in enumerate(every) if d != dim], row)
    return block(w, f"{pointer('x', x)}\n{pointer('q', out, '')}\n{declared}\n{body}")


def median(w: Any, step: Single) -> bool:
    """The middle of all entries in order; NaN where there is one.

    The entries are parted at one of them, again and again on the side where the middle is.
    """
    x, out = w.seen(step, step.equation.inputs[0]), w.seen(step, step.equation.out)
    n, names = x.array.size, axes(x.array.ndim)
    if not n:
        return block(w, f"{pointer('q', out, '')}\n*q = NAN;")
    kind = C_TYPES[str(x.array.dtype)]
    entry = f"const {kind} new = x[{index_of(names, x.strides)}];"
    fill = over(x.array.shape, f"{entry}\nkey[at++] = new;\nnan |= new != new;")
    return block(
        w,
        f"""
{pointer("x", x)}
{pointer("q", out, "")}
{pointer("key", kept(w, np.empty(n, x.array.dtype)), "")}
int nan = 0;
long at = 0, low = 0, high = {n - 1};
{fill}
while (low < high && !nan) {{
    const {kind} middle = key[(low + high) / 2];
    long i = low, j = high;
    while (i <= j) {{
        while (key[i] < middle) i++;
        while (key[j] > middle) j--;
        if (i <= j) {{
            const {kind} moved = key[i];
            key[i++] = key[j];
            key[j--] = moved;
        }}
    }}
    if (j < {(n - 1) // 2}) low = i;
    if (i > {(n - 1) // 2}) high = j;
}}
*q = nan ? {"NAN" if x.array.dtype.kind == "f" else "0"} : key[{(n - 1) // 2}];
""",
    )
