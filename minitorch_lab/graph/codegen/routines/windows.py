"""Windows over pictures: unfold and fold, and pooling."""

from __future__ import annotations

from typing import Any

from ...fuse import WIDEST, Single
from ...ir import Equation
from ..text import C_TYPES, Place, block, indented, index_of, pointer


def windows(e: Equation, x: Place, out: Place) -> dict[str, Any]:
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


def unfold(w: Any, step: Single) -> bool:
    """The windows of a picture as columns of a matrix."""
    x, out = w.seen(step, step.equation.inputs[0]), w.seen(step, step.equation.out)
    v = windows(step.equation, x, out)
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
    return block(
        w,
        f"""
{pointer("a", x)}
{pointer("o", out, "")}
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++)
for (long i = 0; i < {v["kh"]}; i++) for (long j = 0; j < {v["kw"]}; j++)
for (long y = 0; y < {v["out_h"]}; y++, o += {v["out_w"]}) {{
    const long r = {v["row"]};
{indented(inside)}
}}
""",
    )


def fold(w: Any, step: Single) -> bool:
    """Columns of windows added up into a picture."""
    x, out = w.seen(step, step.equation.inputs[0]), w.seen(step, step.equation.out)
    v = windows(step.equation, out, x)
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
    return block(
        w,
        f"""
{pointer("a", x)}
{pointer("o", out, "")}
memset(o, 0, {out.array.nbytes});
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++)
for (long i = 0; i < {v["kh"]}; i++) for (long j = 0; j < {v["kw"]}; j++)
for (long y = 0; y < {v["out_h"]}; y++) {{
    const long r = {v["row"]};
{indented(inside)}
}}
""",
    )


def max_pool(w: Any, step: Single) -> bool:
    """The largest entry of each window, or NaN where there is one."""
    x, out = w.seen(step, step.equation.inputs[0]), w.seen(step, step.equation.out)
    v = windows(step.equation, x, out)
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
    return block(
        w,
        f"""
{pointer("a", x)}
{pointer("o", out, "", "restrict ")}
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


def max_pool_grad(w: Any, step: Single) -> bool:
    """The gradient of the largest entry: to the first one of each window."""
    g, y, x = (w.seen(step, v) for v in step.equation.inputs)
    out = w.seen(step, step.equation.out)
    v = windows(step.equation, x, out)
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
    return block(
        w,
        f"""
{pointer("g", g)}
{pointer("b", y)}
{pointer("a", x)}
{pointer("o", out, "")}
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


def pool_where(w: Any, step: Single) -> bool:
    """The number of the largest entry in each window."""
    y, x = (w.seen(step, v) for v in step.equation.inputs)
    out = w.seen(step, step.equation.out)
    v = windows(step.equation, x, out)
    if v["kh"] * v["kw"] > WIDEST:
        return False
    kind = C_TYPES[str(x.array.dtype)]
    lines = ["int k = -1;"]
    for k in reversed(range(v["kh"] * v["kw"])):  # the first that is the largest has the last word
        at, inside = _entry(v, k)
        test = f"a[{index_of(at, x.strides)}] == top"
        lines.append(f"k = {f'({inside}) && ' if inside else ''}{test} ? {k} : k;")
    body = "\n        ".join(lines)
    return block(
        w,
        f"""
{pointer("a", x)}
{pointer("b", y)}
{pointer("o", out, "", "restrict ")}
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++)
for (long y = 0; y < {v["out_h"]}; y++, o += {v["out_w"]}) {{
    int32_t found[{v["out_w"]}];  // as wide as a float: vectors of both have the same length
    #pragma omp simd
    for (long x = 0; x < {v["out_w"]}; x++) {{
        const {kind} top = b[{index_of(["n", "c", "y", "x"], y.strides)}];
        {body}
        found[x] = k;
    }}
    for (long x = 0; x < {v["out_w"]}; x++) o[x] = (int8_t)found[x];
}}
""",
    )


def pool_put(w: Any, step: Single) -> bool:
    """Each entry at the place of its window that has a number; zeros around it."""
    g, where = (w.seen(step, v) for v in step.equation.inputs)
    out = w.seen(step, step.equation.out)
    v = windows(step.equation, out, g)
    kh, kw, place = v["kh"], v["kw"], ["n", "c", "y", "x"]
    row, column = (
        f"y * {v['sh']} - {v['ph']} + row[at] * {v['dh']}",
        f"x * {v['sw']} - {v['pw']} + column[at] * {v['dw']}",
    )
    return block(
        w,
        f"""
{pointer("g", g)}
{pointer("k", where)}
{pointer("o", out, "", "restrict ")}
static const short row[] = {{{", ".join(str(k // kw) for k in range(kh * kw))}}};
static const short column[] = {{{", ".join(str(k % kw) for k in range(kh * kw))}}};
memset(o, 0, {out.array.nbytes});
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++)
for (long y = 0; y < {v["out_h"]}; y++) for (long x = 0; x < {v["out_w"]}; x++) {{
    const int at = k[{index_of(place, where.strides)}];
    if (at < 0) continue;  // the window has a NaN
    if (at >= {kh * kw}) return 1;
    const long r = {row}, q = {column};
    if (!({v["inside"]})) return 1;
    o[{index_of(["n", "c", "r", "q"], out.strides)}] {v["add"]} g[{index_of(place, g.strides)}];
}}
""",
    )
