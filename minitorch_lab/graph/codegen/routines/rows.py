"""Entries and rows taken by number, and the losses that pick a class."""

from __future__ import annotations

from typing import Any

from ....ops.indexing import PLACE
from ...fuse import Single
from ..text import C_TYPES, block, index_of, pointer


def gather(w: Any, step: Single) -> bool:
    """``out[..., i, ...] = x[..., index, ...]`` along one dimension."""
    e = step.equation
    x, index, out = (w.seen(step, v) for v in (*e.inputs, e.out))
    dim, kind = e.attrs["dim"], C_TYPES[str(e.out.spec.dtype)]
    t = w.text
    names = [f"i{d}" for d in range(out.array.ndim)]
    t.add("{")
    t.depth += 1
    t.add(f"const {kind} *x = (const {kind} *)p[{x.slot}] + {x.offset}{x.more};")
    it = C_TYPES[str(index.array.dtype)]
    t.add(f"const {it} *k = (const {it} *)p[{index.slot}] + {index.offset}{index.more};")
    t.add(f"{kind} *q = ({kind} *)p[{out.slot}] + {out.offset}{out.more};")
    for name, n in zip(names, out.array.shape, strict=True):
        t.add(f"for (long {name} = 0; {name} < {n}; {name}++) {{")
        t.depth += 1
    t.add(f"const long at = k[{index_of(names, index.strides)}];")
    t.add(f"if (at < 0 || at >= {x.array.shape[dim]}) return 1;")
    inside = ["at" if d == dim else name for d, name in enumerate(names)]
    t.add(f"q[{index_of(names, out.strides)}] = x[{index_of(inside, x.strides)}];")
    for _ in names:
        t.depth -= 1
        t.add("}")
    t.depth -= 1
    t.add("}")
    return True


def rows_taken(w: Any, step: Single) -> bool:
    """Rows of a matrix by number: an embedding, or ``x[index]``."""
    e = step.equation
    if e.op.name == "index" and (e.attrs["template"] != (PLACE,) or len(e.inputs) != 2):
        return False
    first, second = e.inputs
    rows, numbers = (first, second) if e.op.name == "index" else (second, first)
    x, k, out = w.seen(step, rows), w.seen(step, numbers), w.seen(step, e.out)
    if not (x.array.flags.c_contiguous and k.array.flags.c_contiguous and x.array.ndim):
        return False
    size, count = x.array.shape[0], k.array.size
    width = x.array.size // max(size, 1)
    wrap = "if (at < 0) at += " + str(size) + ";" if e.op.name == "index" else ""
    return block(
        w,
        f"""
{pointer("x", x)}
{pointer("k", k)}
{pointer("q", out, "")}
for (long i = 0; i < {count}; i++) {{
    long at = k[i];
    {wrap}
    if (at < 0 || at >= {size}) return 1;
    memcpy(q + i * {width}, x + at * {width}, {width * x.array.itemsize});
}}
""",
    )


def rows_added(w: Any, step: Single) -> bool:
    """The gradient of rows by number: each row is added to its place."""
    e = step.equation
    if e.attrs["template"] != (PLACE,) or len(e.inputs) != 2:
        return False
    g, k, out = (w.seen(step, v) for v in (*e.inputs, e.out))
    if not (g.array.flags.c_contiguous and k.array.flags.c_contiguous and out.array.ndim):
        return False
    size, count = out.array.shape[0], k.array.size
    width = out.array.size // max(size, 1)
    if g.array.size != count * width:
        return False
    return block(
        w,
        f"""
{pointer("g", g)}
{pointer("k", k)}
{pointer("q", out, "")}
memset(q, 0, {out.array.nbytes});
for (long i = 0; i < {count}; i++) {{
    long at = k[i];
    if (at < 0) at += {size};
    if (at < 0 || at >= {size}) return 1;
    #pragma omp simd
    for (long j = 0; j < {width}; j++) q[at * {width} + j] += g[i * {width} + j];
}}
""",
    )


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
{kind} sum = 0;
long count = 0;
for (long i = 0; i < {n}; i++) {{
    const long at = k[{index_of(["i"], target.strides)}];
    if (at == -100) continue;
    if (at < 0 || at >= {classes}) return 1;
    sum -= x[{index_of(["i", "at"], x.strides)}];
    count++;
}}
*q = sum / ({kind})count;
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
