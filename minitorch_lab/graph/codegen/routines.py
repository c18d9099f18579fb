"""Ops that are no loop over entries: matrix products, windows, rows by number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ops.indexing import PLACE
from ..fuse import WIDEST, Single
from ..ir import Equation
from .text import C_TYPES, Place, index_of

TINY = 2048  # a product of fewer multiplications is a loop: a call of the BLAS costs more


def _matmul(w: Any, step: Single) -> bool:
    e = step.equation
    a, b, out = (w.seen(step, x) for x in (*e.inputs, e.out))
    dtype = e.out.spec.dtype
    if str(dtype) not in ("float32", "float64"):
        return False
    m, n = out.array.shape[-2:]
    k = a.array.shape[-1]
    kind = C_TYPES[str(dtype)]
    t = w.text
    lead = out.array.shape[:-2]
    steps = [
        tuple(
            s // x.array.itemsize
            for s in np.broadcast_to(x.array, (*lead, *x.array.shape[-2:])).strides
        )
        for x in (a, b, out)
    ]
    t.add("{  // " + f"({m}, {k}) @ ({k}, {n})")
    t.depth += 1
    t.add(_pointer("a", a))
    t.add(_pointer("b", b))
    t.add(_pointer("c", out, ""))
    index = []
    for d, size in enumerate(lead):
        if size > 1:
            t.add(f"for (long b{d} = 0; b{d} < {size}; b{d}++)")
        index.append(f"b{d}" if size > 1 else "0")
    loops = [d for d, size in enumerate(lead) if size > 1]
    spots = [
        f"{name} + {index_of([index[d] for d in loops], [st[d] for d in loops])}"
        for name, st in zip("abc", steps, strict=True)
    ]
    tiny = m * n * k <= TINY
    forms = [_layout(st[-2:], x.array.shape[-2:]) for st, x in zip(steps, (a, b, out), strict=True)]
    if tiny or any(f is None for f in forms) or not k:
        (ra, ca), (rb, cb), (rc, cc) = (st[-2:] for st in steps)
        t.add(
            f"for (long i = 0; i < {m}; i++) for (long j = 0; j < {n}; j++) {{ {kind} s = 0; "
            f"for (long l = 0; l < {k}; l++) s += ({spots[0]})[i * {ra} + l * {ca}] * "
            f"({spots[1]})[l * {rb} + j * {cb}]; ({spots[2]})[i * {rc} + j * {cc}] = s; }}"
        )
    else:
        (ta, la), (tb, lb), (_, lc) = forms  # type: ignore[misc]
        gemm = "lab_sgemm" if kind == "float" else "lab_dgemm"
        t.add(
            f"{gemm}({int(tb)}, {int(ta)}, {n}, {m}, {k}, {spots[1]}, {lb}, {spots[0]}, {la}, "
            f"{spots[2]}, {lc});"
        )
    t.depth -= 1
    t.add("}")
    return True


def _layout(strides: Any, shape: Any) -> tuple[bool, int] | None:
    """Whether a matrix lies transposed, and how far apart its lines are; None for neither."""
    (r, c), (m, n) = strides, shape
    if (c == 1 or n == 1) and (r >= max(n, 1) or m == 1):
        return False, max(r, n, 1)
    if (r == 1 or m == 1) and (c >= max(m, 1) or n == 1):
        return True, max(c, m, 1)
    return None


def _gather(w: Any, step: Single) -> bool:
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


def _block(w: Any, text: str) -> bool:
    """C text with a pair of braces around it."""
    w.text.add("{")
    w.text.depth += 1
    for line in text.strip("\n").splitlines():
        w.text.add(line)
    w.text.depth -= 1
    w.text.add("}")
    return True


def _pointer(name: str, place: Place, const: str = "const ") -> str:
    kind = C_TYPES[str(place.array.dtype)]
    return f"{const}{kind} *{name} = ({const}{kind} *)p[{place.slot}] + {place.offset}{place.more};"


def _nll_mean(w: Any, step: Single) -> bool:
    x, target, out = (w.seen(step, v) for v in (*step.equation.inputs, step.equation.out))
    n, classes = x.array.shape
    kind = C_TYPES[str(out.array.dtype)]
    return _block(
        w,
        f"""
{_pointer("x", x)}
{_pointer("k", target)}
{_pointer("q", out, "")}
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


def _class_error(w: Any, step: Single) -> bool:
    x, target, out = (w.seen(step, v) for v in (*step.equation.inputs, step.equation.out))
    n, classes = x.array.shape
    kind = C_TYPES[str(out.array.dtype)]
    return _block(
        w,
        f"""
{_pointer("x", x)}
{_pointer("k", target)}
{_pointer("q", out, "")}
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


def _rows_taken(w: Any, step: Single) -> bool:
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
    return _block(
        w,
        f"""
{_pointer("x", x)}
{_pointer("k", k)}
{_pointer("q", out, "")}
for (long i = 0; i < {count}; i++) {{
    long at = k[i];
    {wrap}
    if (at < 0 || at >= {size}) return 1;
    memcpy(q + i * {width}, x + at * {width}, {width * x.array.itemsize});
}}
""",
    )


def _rows_added(w: Any, step: Single) -> bool:
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
    return _block(
        w,
        f"""
{_pointer("g", g)}
{_pointer("k", k)}
{_pointer("q", out, "")}
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


def _unslice(w: Any, step: Single) -> bool:
    e = step.equation
    x, out = w.seen(step, e.inputs[0]), w.seen(step, e.out)
    part = out.array[e.attrs["index"]]
    if part.size != x.array.size:
        return False
    kind = C_TYPES[str(out.array.dtype)]
    w.text.add(f"memset(({kind} *)p[{out.slot}] + {out.offset}{out.more}, 0, {out.array.nbytes});")
    if part.size:
        start = part.__array_interface__["data"][0] - out.array.__array_interface__["data"][0]
        inside = Place(out.slot, out.offset + start // part.itemsize, part, out.sample, out.more)
        w.copy_into(inside, x, part.reshape(x.array.shape) if part.ndim == 0 else part)
    return True


def _cat(w: Any, step: Single) -> bool:
    e = step.equation
    out, dim = w.seen(step, e.out), e.attrs["dim"]
    at = 0
    for v in e.inputs:
        x = w.seen(step, v)
        if x.array.ndim != out.array.ndim or x.array.dtype != out.array.dtype:
            return False
    for v in e.inputs:
        x = w.seen(step, v)
        n = x.array.shape[dim]
        part = out.array[(*(slice(None),) * dim, slice(at, at + n))]
        if part.size:
            start = at * out.strides[dim]
            w.copy_into(Place(out.slot, out.offset + start, part, out.sample, out.more), x, part)
        at += n
    return True


def _windows(e: Equation, x: Place, out: Place) -> dict[str, Any]:
    """The numbers of a window over pictures, for the C text."""
    (kh, kw), (sh, sw) = e.attrs["kernel_size"], e.attrs["stride"]
    (ph, pw), (dh, dw) = e.attrs["padding"], e.attrs["dilation"]
    n, c, height, width = x.array.shape
    xn, xc, xh, xw = x.strides
    out_h = (height + 2 * ph - dh * (kh - 1) - 1) // sh + 1
    out_w = (width + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    row, column = f"y * {sh} + i * {dh} - {ph}", f"x * {sw} + j * {dw} - {pw}"
    apart = sh >= kh and sw >= kw and dh == dw == 1
    add = "=" if apart else "+="  # windows that share no entry need no adding up
    inside = f"r >= 0 && r < {height} && q >= 0 && q < {width}" if ph or pw else "1"
    return locals()


def _columns(v: dict[str, Any]) -> str:
    """The part of a row of places whose entry of the window lies in the picture: ``x0`` to ``x1``.

    Where places are further apart than an entry, each is asked by itself.
    """
    first = f"{v['pw']} - j * {v['dw']}"
    return f"""
const long x0 = {first} > 0 ? {first} : 0, far = {v["width"]} + {first};
const long x1 = far < x0 ? x0 : far < {v["out_w"]} ? far : {v["out_w"]};"""


def _unfold(w: Any, step: Single) -> bool:
    x, out = w.seen(step, step.equation.inputs[0]), w.seen(step, step.equation.out)
    v = _windows(step.equation, x, out)
    entry = f"a[{index_of(['n', 'c', 'r', 'q'], x.strides)}]"
    inside = f"""
for (long x = 0; x < {v["out_w"]}; x++) {{
    const long q = {v["column"]};
    o[x] = {v["inside"]} ? {entry} : 0;
}}"""
    if v["sw"] == 1:
        inside = f"""{_columns(v)}
if (r < 0 || r >= {v["height"]}) {{
    memset(o, 0, {v["out_w"] * out.array.itemsize});
    continue;
}}
for (long x = 0; x < x0; x++) o[x] = 0;
for (long x = x0; x < x1; x++) {{
    const long q = {v["column"]};
    o[x] = {entry};
}}
for (long x = x1; x < {v["out_w"]}; x++) o[x] = 0;"""
    return _block(
        w,
        f"""
{_pointer("a", x)}
{_pointer("o", out, "")}
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++)
for (long i = 0; i < {v["kh"]}; i++) for (long j = 0; j < {v["kw"]}; j++)
for (long y = 0; y < {v["out_h"]}; y++, o += {v["out_w"]}) {{
    const long r = {v["row"]};
{_indented(inside)}
}}
""",
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip("\n").splitlines())


def _fold(w: Any, step: Single) -> bool:
    x, out = w.seen(step, step.equation.inputs[0]), w.seen(step, step.equation.out)
    v = _windows(step.equation, out, x)
    k = f"(c * {v['kh']} + i) * {v['kw']} + j"
    place = index_of(["n", "c", "r", "q"], out.strides)
    at = ["n", f"({k})", f"(y * {v['out_w']} + x)"]
    value = f"a[{index_of(at, x.strides)}]"
    inside = f"""
for (long x = 0; x < {v["out_w"]}; x++) {{
    const long q = {v["column"]};
    if ({v["inside"]}) o[{place}] += {value};
}}"""
    if v["sw"] == 1:
        inside = f"""{_columns(v)}
if (r < 0 || r >= {v["height"]}) continue;
#pragma omp simd
for (long x = x0; x < x1; x++) {{
    const long q = {v["column"]};
    o[{place}] += {value};
}}"""
    return _block(
        w,
        f"""
{_pointer("a", x)}
{_pointer("o", out, "")}
memset(o, 0, {out.array.nbytes});
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++)
for (long i = 0; i < {v["kh"]}; i++) for (long j = 0; j < {v["kw"]}; j++)
for (long y = 0; y < {v["out_h"]}; y++) {{
    const long r = {v["row"]};
{_indented(inside)}
}}
""",
    )


def _stack(w: Any, step: Single) -> bool:
    e = step.equation
    out, dim = w.seen(step, e.out), e.attrs["dim"]
    for i, v in enumerate(e.inputs):
        x, part = w.seen(step, v), out.array[(*(slice(None),) * dim, i)]
        if part.size:
            start = out.offset + i * out.strides[dim]
            w.copy_into(Place(out.slot, start, np.asarray(part), out.sample, out.more), x, part)
    return True


def _pool(w: Any, step: Single) -> bool:
    x, out = w.seen(step, step.equation.inputs[0]), w.seen(step, step.equation.out)
    v = _windows(step.equation, x, out)
    if v["kh"] * v["kw"] > WIDEST:
        return False
    kind = C_TYPES[str(out.array.dtype)]
    lines = []
    for k in range(v["kh"] * v["kw"]):
        at, inside = _entry(v, k)
        value = f"a[{index_of(at, x.strides)}]"
        value = f"({inside} ? {value} : -INFINITY)" if inside else value
        lines.append(f"const {kind} b{k} = {value};")
        lines.append(
            f"top = (b{k} > top) | (b{k} != b{k}) ? b{k} : top;" if k else f"{kind} top = b0;"
        )
    body = "\n    ".join(lines)
    return _block(
        w,
        f"""
{_pointer("a", x)}
{_pointer("o", out, "")}
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++)
for (long y = 0; y < {v["out_h"]}; y++, o += {v["out_w"]})
for (long x = 0; x < {v["out_w"]}; x++) {{
    {body}
    o[x] = top;
}}
""",
    )


def _entry(v: dict[str, Any], k: int) -> tuple[list[str], str]:
    """Entry ``k`` of a window: its indices, and the test whether it lies in the picture."""
    i, j = divmod(k, v["kw"])
    row = f"(y * {v['sh']} + {i * v['dh'] - v['ph']})"
    column = f"(x * {v['sw']} + {j * v['dw'] - v['pw']})"
    inside = ""
    if v["ph"] or v["pw"]:
        inside = f"{row} >= 0 && {row} < {v['height']} && {column} >= 0 && {column} < {v['width']}"
    return ["n", "c", row, column], inside


def _pool_grad(w: Any, step: Single) -> bool:
    g, y, x = (w.seen(step, v) for v in step.equation.inputs)
    out = w.seen(step, step.equation.out)
    v = _windows(step.equation, x, out)
    if v["kh"] * v["kw"] > WIDEST:
        return False
    kind = C_TYPES[str(out.array.dtype)]
    place = ["n", "c", "y", "x"]
    hits, stores = [], []
    for k in range(v["kh"] * v["kw"]):
        at, inside = _entry(v, k)
        test = f"(a[{index_of(at, x.strides)}] == top)"
        before = f" & !({' | '.join(f'e{m}' for m in range(k))})" if k else ""
        hits.append(f"const int e{k} = {f'{inside} && ' if inside else ''}{test}{before};")
        check = f"if ({inside}) " if inside else ""
        stores.append(f"{check}o[{index_of(at, out.strides)}] {v['add']} e{k} ? here : 0;")
    lines = "\n    ".join(hits + stores)
    return _block(
        w,
        f"""
{_pointer("g", g)}
{_pointer("b", y)}
{_pointer("a", x)}
{_pointer("o", out, "")}
memset(o, 0, {out.array.nbytes});
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++)
for (long y = 0; y < {v["out_h"]}; y++) for (long x = 0; x < {v["out_w"]}; x++) {{
    // the gradient goes to the first entry of the window that is the largest
    const {kind} top = b[{index_of(place, y.strides)}];
    const {kind} here = g[{index_of(place, g.strides)}];
    {lines}
}}
""",
    )


ROUTINES: dict[str, Callable[[Any, Single], bool]] = {
    "matmul": _matmul, "gather": _gather, "nll_mean": _nll_mean, "class_error": _class_error,
    "embedding": _rows_taken, "index": _rows_taken, "unindex": _rows_added, "cat": _cat,
    "stack": _stack, "unslice": _unslice, "fold": _fold, "unfold": _unfold,
    "max_pool2d": _pool, "max_pool2d_grad": _pool_grad,
}  # fmt: skip
