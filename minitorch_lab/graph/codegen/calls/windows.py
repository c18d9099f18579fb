"""Windows over pictures: unfold and fold, and pooling.

What goes back to the picture is gathered: an entry asks each window that it may lie in.
"""

from __future__ import annotations

from typing import Any

from ...fuse import Single
from ..routines.windows import windows
from ..text import Place, computed, index_of, read, written
from .kernel import BLOCK, Kernel, each, kernel

PLACE, ENTRY = ["n", "c", "y", "x"], ["n", "c", "r", "q"]  # of a window, of a picture


def _entry(name: str, place: Place, index: list[str]) -> str:
    return read(place.array.dtype, f"{name}[{index_of(index, place.strides)}]")


def _kernel(
    w: Any, step: Single, places: dict[str, Place], sizes: dict[str, int], body: str
) -> Kernel:
    text = "\n".join(line for line in body.splitlines() if line.strip())
    loop, blocks = each(sizes, text)
    return kernel(w, step, places, loop, blocks, (BLOCK, 1))


def unfold(w: Any, step: Single) -> Kernel:
    """The windows of a picture as columns of a matrix."""
    x, out = (w.place[v.id] for v in (step.equation.inputs[0], step.equation.out))
    v = windows(step.equation, x, out)
    sizes = dict(zip("ncijyx", (v[k] for k in "n c kh kw out_h out_w".split()), strict=True))
    body = f"""
const int r = {v["row"]}, q = {v["column"]};
out[entry] = {v["inside"]} ? a[{index_of(ENTRY, x.strides)}] : {written(x.array.dtype, "0")};
"""
    return _kernel(w, step, {"a": x, "out": out}, sizes, body)


def _gathered(
    w: Any, step: Single, v: dict[str, Any], places: dict[str, Place], value: str, first: str = ""
) -> Kernel:
    """For each entry of a picture the sum of ``value`` over the windows that it lies in.

    ``first`` is what comes before it, and may leave a window out.
    """
    dtype = places["out"].array.dtype
    body = f"""
{computed(dtype)} sum = 0;
for (int i = 0; i < {v["kh"]}; i++) for (int j = 0; j < {v["kw"]}; j++) {{
    const int down = r + {v["ph"]} - i * {v["dh"]}, right = q + {v["pw"]} - j * {v["dw"]};
    const int y = down / {v["sh"]}, x = right / {v["sw"]};
    if (down < 0 || down % {v["sh"]} || y >= {v["out_h"]}) continue;
    if (right < 0 || right % {v["sw"]} || x >= {v["out_w"]}) continue;
    {first}
    sum += {value};
}}
out[entry] = {written(dtype, "sum")};
"""
    sizes = {"n": v["n"], "c": v["c"], "r": v["height"], "q": v["width"]}
    return _kernel(w, step, places, sizes, body)


def fold(w: Any, step: Single) -> Kernel:
    """Columns of windows added up into a picture."""
    x, out = (w.place[v.id] for v in (step.equation.inputs[0], step.equation.out))
    v = windows(step.equation, out, x)
    at = ["n", f"((c * {v['kh']} + i) * {v['kw']} + j)", f"(y * {v['out_w']} + x)"]
    return _gathered(w, step, v, {"a": x, "out": out}, _entry("a", x, at))


def max_pool(w: Any, step: Single) -> Kernel:
    """The largest entry of each window, or NaN where there is one."""
    x, out = (w.place[v.id] for v in (step.equation.inputs[0], step.equation.out))
    v = windows(step.equation, x, out)
    kind = computed(out.array.dtype)
    body = f"""
{kind} top = -INFINITY;
for (int i = 0; i < {v["kh"]}; i++) for (int j = 0; j < {v["kw"]}; j++) {{
    const int r = {v["row"]}, q = {v["column"]};
    if (!({v["inside"]})) continue;
    const {kind} b = {_entry("a", x, ENTRY)};
    top = (b > top) | (b != b) ? b : top;
}}
out[entry] = {written(out.array.dtype, "top")};
"""
    return _kernel(w, step, {"a": x, "out": out}, _places(v), body)


def pool_where(w: Any, step: Single) -> Kernel:
    """The number of the first largest entry in each window; -1 where there is a NaN."""
    y, x, out = (w.place[v.id] for v in (*step.equation.inputs, step.equation.out))
    v = windows(step.equation, x, out)
    body = f"""
const {computed(y.array.dtype)} top = {_entry("b", y, PLACE)};
int at = -1;
for (int i = 0; i < {v["kh"]}; i++) for (int j = 0; j < {v["kw"]}; j++) {{
    const int r = {v["row"]}, q = {v["column"]};
    if (at >= 0 || !({v["inside"]})) continue;
    if ({_entry("a", x, ENTRY)} == top) at = i * {v["kw"]} + j;
}}
out[entry] = at;
"""
    return _kernel(w, step, {"b": y, "a": x, "out": out}, _places(v), body)


def pool_put(w: Any, step: Single) -> Kernel:
    """Each entry at the place of its window that has a number; zeros around it."""
    g, where, out = (w.place[v.id] for v in (*step.equation.inputs, step.equation.out))
    v = windows(step.equation, out, g)
    own = f"where[{index_of(PLACE, where.strides)}] == i * {v['kw']} + j"
    value = f"{own} ? {_entry('g', g, PLACE)} : 0"
    return _gathered(w, step, v, {"g": g, "where": where, "out": out}, value)


def max_pool_grad(w: Any, step: Single) -> Kernel:
    """The gradient of the largest entry: to the first one of each window."""
    g, y, x, out = (w.place[v.id] for v in (*step.equation.inputs, step.equation.out))
    v = windows(step.equation, x, out)
    first = f"""
    const {computed(y.array.dtype)} top = {_entry("b", y, PLACE)};
    bool own = {_entry("a", x, ENTRY)} == top;
    for (int k = 0; own && k < i * {v["kw"]} + j; k++) {{ // none before it is as large
        const int r = y * {v["sh"]} + k / {v["kw"]} * {v["dh"]} - {v["ph"]};
        const int q = x * {v["sw"]} + k % {v["kw"]} * {v["dw"]} - {v["pw"]};
        own = !({v["inside"]} && {_entry("a", x, ENTRY)} == top);
    }}"""
    places = {"g": g, "b": y, "a": x, "out": out}
    return _gathered(w, step, v, places, f"own ? {_entry('g', g, PLACE)} : 0", first)


def _places(v: dict[str, Any]) -> dict[str, int]:
    return {"n": v["n"], "c": v["c"], "y": v["out_h"], "x": v["out_w"]}
