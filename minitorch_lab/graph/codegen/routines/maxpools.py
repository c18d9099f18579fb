"""Max pooling with windows that are written out entry by entry; wider ones are in pools.py."""

from __future__ import annotations

from typing import Any

from ...fuse import WIDEST, Single
from ..text import C_TYPES, Place, block, indented, index_of, nest, pointer
from .windows import SMALL, windows

LANES = 16  # floats of the widest vector


def max_pool(w: Any, step: Single) -> bool:
    """The largest entry of each window, or NaN where there is one."""
    x, out = w.seen(step, step.equation.inputs[0]), w.seen(step, step.equation.out)
    v = windows(step.equation, x, out)
    if v["kh"] * v["kw"] > WIDEST:
        return False
    entries, body = [], _max_by_rows if _side_by_side(v) else _max_by_windows
    for k in range(v["kh"] * v["kw"]):
        at, inside = _entry(v, k)
        value = f"a[{index_of(at, x.strides)}]"
        entries.append(f"({inside} ? {value} : -INFINITY)" if inside else value)
    return block(
        w,
        f"""
{pointer("a", x)}
{pointer("o", out, "", "restrict ")}
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++)
{body(v, C_TYPES[str(out.array.dtype)], entries)}
""",
    )


def _max_by_windows(v: dict[str, Any], kind: str, entries: list[str]) -> str:
    """Window by window."""
    return f"""for (long y = 0; y < {v["out_h"]}; y++, o += {v["out_w"]})
for (long x = 0; x < {v["out_w"]}; x++) {{
{indented(_largest(kind, entries))}
    o[x] = top;
}}"""


def _side_by_side(v: dict[str, Any]) -> bool:
    """Whether windows fill each row of a small picture: all its rows are then one long row."""
    exact = not v["pw"] and v["dw"] == 1 and v["width"] == v["sw"] * v["out_w"]
    return exact and v["xw"] == 1 and v["out_h"] * v["width"] <= SMALL


def _along(n: int, body: str) -> str:
    """``body`` for x from 0 to n, in whole vectors: the last ones are done once more for that.

    An entry that is left over costs as much as a vector, and more where it asks a question.
    """
    whole = n // LANES * LANES if n > LANES else n
    text = nest([("x", whole)], body, simd=True)
    if whole < n:
        again = nest([("x", n)], body, simd=True).replace("x = 0", f"x = {n - LANES}")
        text += f"\n{again}"
    return text


def _in_rows(*places: Place) -> bool:
    """Whether row lies behind row in each picture: what is read past the end of one is the next."""
    return all(place.strides[2:] == (place.array.shape[3], 1) for place in places)


def _rows(v: dict[str, Any], wide: int, *bodies: str, past: bool = True) -> str:
    """Each of ``bodies`` for each row of windows, for ``wide`` places x in it.

    Where a row is shorter than a vector, all rows but the last take the beginning of the next one
    with them, which comes after, if they may read ``past`` their end.
    """
    row = "\n".join(_along(wide, body) for body in bodies)
    last, full = v["out_h"] - 1, 1 << (wide - 1).bit_length()
    fits = full - wide <= min(wide, v["width"] - wide) and v["xh"] == v["width"] and last
    if wide >= LANES or full == wide or v["ph"] or v["dh"] > 1 or not (fits and past):
        return nest([("y", v["out_h"])], row)
    filled = "\n".join(_along(full, body) for body in bodies)
    return f"{nest([('y', last)], filled)}\n{{\n    const long y = {last};\n{indented(row)}\n}}"


def _max_by_rows(v: dict[str, Any], kind: str, entries: list[str]) -> str:
    """First down the columns, then along what is left, a row of all windows."""
    wide, total = v["width"], v["out_h"] * v["out_w"]
    down = [entry.replace(f"(x * {v['sw']} + 0)", "x") for entry in entries[:: v["kw"]]]
    along = [f"best[x * {v['sw']} + {j}]" for j in range(v["kw"])]
    columns = _rows(v, wide, f"{_largest(kind, down)}\nbest[y * {wide} + x] = top;")
    windows = _along(total, f"{_largest(kind, along)}\no[x] = top;")
    return f"""{{
    {kind} best[{v["out_h"] * wide}];
{indented(columns)}
{indented(windows)}
    o += {total};
}}"""


def _largest(kind: str, entries: list[str]) -> str:
    """The largest of some entries, or NaN where there is one, as ``top``."""
    lines = []
    for k, value in enumerate(entries):
        lines.append(f"const {kind} b{k} = {value};")
        lines.append(
            f"top = (b{k} > top) | (b{k} != b{k}) ? b{k} : top;" if k else f"{kind} top = b0;"
        )
    return "\n".join(lines)


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
    top = f"const {kind} top = b[{index_of(['n', 'c', 'y', 'x'], y.strides)}];"
    loops = f"for (long n = 0; n < {v['n']}; n++) for (long c = 0; c < {v['c']}; c++)"
    count = v["out_h"] * v["out_w"]
    if count <= SMALL:
        body = "\n".join([top, *lines, f"found[y * {v['out_w']} + x] = k;"])
        places = _rows(v, v["out_w"], body, past=_in_rows(x, y))
    else:
        loops, count = f"{loops}\nfor (long y = 0; y < {v['out_h']}; y++)", v["out_w"]
        places = nest([("x", count)], "\n".join([top, *lines, "found[x] = k;"]), simd=True)
    return block(
        w,
        f"""
{pointer("a", x)}
{pointer("b", y)}
{pointer("o", out, "", "restrict ")}
{loops} {{
    int32_t found[{count + LANES}];  // as wide as a float: vectors of both have the same length
{indented(places)}
    for (long x = 0; x < {count}; x++) o[x] = (int8_t)found[x];
    o += {count};
}}
""",
    )


def pool_put(w: Any, step: Single) -> bool:
    """Each entry at the place of its window that has a number; zeros around it."""
    g, where = (w.seen(step, v) for v in step.equation.inputs)
    out = w.seen(step, step.equation.out)
    v = windows(step.equation, out, g)
    filled = v["height"] == v["sh"] * v["out_h"] and (v["kh"], v["kw"]) == (v["sh"], v["sw"])
    if filled and not v["ph"] and _side_by_side(v) and _in_rows(g, where, out):
        return _put_by_rows(w, v, g, where, out)
    kh, kw, place = v["kh"], v["kw"], ["n", "c", "y", "x"]
    corner = [f"y * {v['sh']} - {v['ph']}", f"x * {v['sw']} - {v['pw']}"]
    spots = [divmod(k, kw) for k in range(kh * kw)]
    away = [i * v["dh"] * v["xh"] + j * v["dw"] * v["xw"] for i, j in spots]
    inside = ""
    if v["ph"] or v["pw"]:
        inside = f"""
    const long r = {corner[0]} + at / {kw} * {v["dh"]}, q = {corner[1]} + at % {kw} * {v["dw"]};
    if (!({v["inside"]})) return 1;"""
    return block(
        w,
        f"""
{pointer("g", g)}
{pointer("k", where)}
{pointer("o", out, "", "restrict ")}
static const int away[] = {{{", ".join(map(str, away))}}};  // from the corner of a window
memset(o, 0, {out.array.nbytes});
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++)
for (long y = 0; y < {v["out_h"]}; y++) for (long x = 0; x < {v["out_w"]}; x++) {{
    const uint8_t at = k[{index_of(place, where.strides)}];
    if (at >= {kh * kw}) {{
        if (at == 255) continue;  // the window has a NaN
        return 1;
    }}{inside}
    const long to = {index_of(["n", "c", *(f"({z})" for z in corner)], out.strides)} + away[at];
    o[to] {v["add"]} g[{index_of(place, g.strides)}];
}}
""",
    )


def _put_by_rows(w: Any, v: dict[str, Any], g: Place, where: Place, out: Place) -> bool:
    """Each entry of the picture asks whether its window put something there."""
    spot, total = ["n", "c", "y", "x"], v["out_h"] * v["out_w"]
    rows = []
    for i in range(v["kh"]):
        asks = [
            f"o[(y * {v['sh']} + {i}) * {v['xh']} + x * {v['sw']} + {j}] = "
            f"at[y * {v['out_w']} + x] == {i * v['kw'] + j} ? g[{index_of(spot, g.strides)}] : 0;"
            for j in range(v["kw"])
        ]
        rows.append("\n".join(asks))
    text = _rows(v, v["out_w"], *rows)
    return block(
        w,
        f"""
{pointer("g", g)}
{pointer("k", where)}
{pointer("o", out, "", "restrict ")}
for (long n = 0; n < {v["n"]}; n++) for (long c = 0; c < {v["c"]}; c++) {{
    int32_t at[{total + LANES}];  // as wide as a float: vectors of both have the same length
    for (long x = 0; x < {total}; x++) at[x] = k[{index_of(["n", "c"], where.strides[:2])} + x];
{indented(text)}
    o += {v["xc"]};
}}
""",
    )
