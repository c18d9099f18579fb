"""Windows over pictures: unfold and fold."""

from __future__ import annotations

from typing import Any

from ...fuse import Single
from ...ir import Equation
from ..text import C_TYPES, Place, block, indented, index_of, pointer

SMALL = 4096  # entries of a picture that a routine may have a copy of


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
    start = f"{pointer('a', x)}\n{pointer('o', out, '')}"
    high, wide = v["height"] + 2 * v["ph"], v["width"] + 2 * v["pw"]
    if v["sw"] == v["xw"] == 1 and (high * wide <= SMALL or not (v["ph"] or v["pw"])):
        return block(w, f"{start}\n{_unfold_rows(v, C_TYPES[str(out.array.dtype)], x)}")
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
{start}
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++)
for (long i = 0; i < {v["kh"]}; i++) for (long j = 0; j < {v["kw"]}; j++)
for (long y = 0; y < {v["out_h"]}; y++, o += {v["out_w"]}) {{
    const long r = {v["row"]};
{indented(inside)}
}}
""",
    )


def _unfold_rows(v: dict[str, Any], kind: str, x: Place) -> str:
    """Row by row, out of a copy of the picture with its border where there is one."""
    high, wide = v["height"] + 2 * v["ph"], v["width"] + 2 * v["pw"]
    plane, row = index_of(["n", "c"], x.strides[:2]), v["xh"]
    before, copied = "", f"const {kind} *from = a + {plane};"
    if v["ph"] or v["pw"]:
        before, row = f"{kind} from[{high * wide}] = {{0}};", wide
        copied = (
            f"for (long r = 0; r < {v['height']}; r++)\n    memcpy(from + (r + {v['ph']}) * {wide}"
            f" + {v['pw']}, a + {plane} + r * {v['xh']}, {v['width']} * sizeof *o);"
        )
    at = f"(y * {v['sh']} + i * {v['dh']}) * {row} + j * {v['dw']}"
    return f"""{before}
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++) {{
{indented(copied)}
    for (long i = 0; i < {v["kh"]}; i++) for (long j = 0; j < {v["kw"]}; j++)
    for (long y = 0; y < {v["out_h"]}; y++, o += {v["out_w"]})
        memcpy(o, from + {at}, {v["out_w"]} * sizeof *o);
}}"""


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
