"""Pooling window by window: averages, wide windows, and places of the largest entry."""

from __future__ import annotations

from typing import Any

from ....ops.rules import number
from ...fuse import Single
from ..text import C_TYPES, Place, block, index_of, nest, pointer

SPOT, PLACE = ["n", "c", "y", "x"], ["n", "c", "r", "q"]  # of a window, of an entry in it


def _each(step: Single, picture: Place, pooled: Place, first: str, look: str, last: str) -> str:
    """Loops over windows, with ``first`` and ``last`` around ``look`` at each of their entries."""
    attrs = step.equation.attrs
    (kh, kw), (sh, sw) = attrs["kernel_size"], attrs["stride"]
    (ph, pw), (dh, dw) = attrs["padding"], attrs["dilation"]
    height, width = picture.array.shape[2:]
    where = f"const long r = y * {sh} + i * {dh} - {ph}, q = x * {sw} + j * {dw} - {pw};"
    if ph or pw:
        where += f"\nif (r < 0 || r >= {height} || q < 0 || q >= {width}) continue;"
    entries = nest([("i", kh), ("j", kw)], f"{where}\n{look}")
    windows = list(zip(SPOT, pooled.array.shape, strict=True))
    return nest(windows, f"{first}\n{entries}\n{last}")


def _at(name: str, names: list[str], place: Place) -> str:
    return f"{name}[{index_of(names, place.strides)}]"


def average(w: Any, step: Single) -> bool:
    """The sum of each window over a divisor."""
    x, out = w.seen(step, step.equation.inputs[0]), w.seen(step, step.equation.out)
    kind, divisor = C_TYPES[str(out.array.dtype)], number(step.equation.attrs["divisor"])
    text = _each(
        step, x, out,
        f"{kind} sum = 0;",
        f"sum += {_at('a', PLACE, x)};",
        f"{_at('o', SPOT, out)} = sum / ({kind}){divisor};",
    )  # fmt: skip
    return block(w, f"{pointer('a', x)}\n{pointer('o', out, '')}\n{text}")


def average_grad(w: Any, step: Single) -> bool:
    """Each entry shared out to its window."""
    g, out = w.seen(step, step.equation.inputs[0]), w.seen(step, step.equation.out)
    kind, divisor = C_TYPES[str(out.array.dtype)], number(step.equation.attrs["divisor"])
    share = f"const {kind} share = {_at('g', SPOT, g)} / ({kind}){divisor};"
    text = _each(step, out, g, share, f"{_at('o', PLACE, out)} += share;", "")
    clear = f"memset(o, 0, {out.array.nbytes});"
    return block(w, f"{pointer('g', g)}\n{pointer('o', out, '')}\n{clear}\n{text}")


def wide_max(w: Any, step: Single) -> bool:
    """The largest entry of each window, or NaN where there is one."""
    x, out = w.seen(step, step.equation.inputs[0]), w.seen(step, step.equation.out)
    kind = C_TYPES[str(out.array.dtype)]
    text = _each(
        step, x, out,
        f"{kind} top = -INFINITY;",
        f"const {kind} b = {_at('a', PLACE, x)};\ntop = (b > top) | (b != b) ? b : top;",
        f"{_at('o', SPOT, out)} = top;",
    )  # fmt: skip
    return block(w, f"{pointer('a', x)}\n{pointer('o', out, '')}\n{text}")


def wide_max_grad(w: Any, step: Single) -> bool:
    """The gradient of the largest entry: to the first one of each window."""
    g, y, x = (w.seen(step, v) for v in step.equation.inputs)
    out = w.seen(step, step.equation.out)
    found = f"{_at('o', PLACE, out)} += {_at('g', SPOT, g)};"
    text = f"{pointer('g', g)}\n{pointer('o', out, '')}\nmemset(o, 0, {out.array.nbytes});"
    return block(w, f"{text}\n{_first(step, x, y, '', found, '')}")


def chosen(w: Any, step: Single) -> bool:
    """What stands at the largest entry of each window: a value, or its number in the picture."""
    e = step.equation
    y, x = (w.seen(step, v) for v in e.inputs[-2:])
    out, declared = w.seen(step, e.out), ""
    what = f"r * {e.attrs.get('width')} + q"
    if e.op.name == "max_pool2d_where":
        what = f"i * {e.attrs['kernel_size'][1]} + j"
    if e.op.name == "max_pool2d_take":
        value = w.seen(step, e.inputs[0])
        declared, what = pointer("b", value), _at("b", PLACE, value)
    none = -1 if e.op.name == "max_pool2d_where" else 0
    here = _at("o", SPOT, out)
    text = _first(step, x, y, f"{here} = {none};", f"{here} = {what};", "")
    return block(w, f"{declared}\n{pointer('o', out, '')}\n{text}")


def _first(step: Single, x: Place, y: Place, first: str, found: str, last: str) -> str:
    """Loops over windows, with ``found`` at the first entry that is the largest."""
    hit = f"free && {_at('a', PLACE, x)} == {_at('top', SPOT, y)}"
    look = f"if ({hit}) {{\n    {found}\n    free = 0;\n}}"
    text = _each(step, x, y, f"int free = 1;\n{first}", look, last)
    return f"{pointer('a', x)}\n{pointer('top', y)}\n{text}"


def pick(w: Any, step: Single) -> bool:
    """The entry of each window that has a number; 0 where there is none."""
    e = step.equation
    x, where, out = (w.seen(step, v) for v in (*e.inputs, e.out))
    here = _at("o", SPOT, out)
    look = f"if (i * {e.attrs['kernel_size'][1]} + j == at) {here} = {_at('a', PLACE, x)};"
    number_of = f"const long at = {_at('k', SPOT, where)};\n{here} = 0;"
    text = _each(step, x, out, number_of, look, "")
    return block(w, f"{pointer('a', x)}\n{pointer('k', where)}\n{pointer('o', out, '')}\n{text}")
