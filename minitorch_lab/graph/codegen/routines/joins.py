"""Parts put together, and entries moved to other places."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....op import OPS
from ...fuse import Single
from ..text import Place, axes, block, index_of, kept, over, pointer, source


def part(place: Place, view: Any) -> Place:
    """The place of a view of what lies at ``place``."""
    start = 0
    if view.size:
        address, base = (a.__array_interface__["data"][0] for a in (view, place.array))
        start = (address - base) // view.itemsize
    return Place(place.slot, place.offset + start, view, place.alone, place.more)


def cat(w: Any, step: Single) -> bool:
    """Parts along a dimension, one after another."""
    e = step.equation
    out, dim = w.seen(step, e.out), e.attrs["dim"]
    parts = [w.seen(step, v) for v in e.inputs]
    if any(x.array.ndim != out.array.ndim or x.array.dtype != out.array.dtype for x in parts):
        return False
    at = 0
    for x in parts:
        n = x.array.shape[dim]
        copied(w, part(out, out.array[(*(slice(None),) * dim, slice(at, at + n))]), x)
        at += n
    return True


def stack(w: Any, step: Single) -> bool:
    """Parts along a new dimension."""
    e = step.equation
    out, dim = w.seen(step, e.out), e.attrs["dim"]
    for i, v in enumerate(e.inputs):
        copied(w, part(out, out.array[(*(slice(None),) * dim, i, ...)]), w.seen(step, v))
    return True


def copied(w: Any, to: Place, x: Place) -> None:
    """The entries of ``x``, copied to another place of the same shape and dtype."""
    if to.array.size:
        w.copy_into(to, x, to.array)


def unslice(w: Any, step: Single) -> bool:
    """A value put into zeros where a slice took it: the gradient of the slice."""
    e = step.equation
    out = w.seen(step, e.out)
    view = OPS["slice"].forward(np, out.array, index=e.attrs["index"])
    block(w, f"{pointer('q', out, '')}\nmemset(q, 0, {out.array.nbytes});")
    return _written(w, step, part(out, view), e.inputs[0])


def flip(w: Any, step: Single) -> bool:
    """Entries in reverse order: the input is read from its end."""
    e = step.equation
    x, out = w.seen(step, e.inputs[0]), w.seen(step, e.out)
    back = [slice(None, None, -1 if d in e.attrs["dims"] else 1) for d in range(x.array.ndim)]
    copied(w, out, part(x, x.array[(*back, ...)]))
    return True


def repeat(w: Any, step: Single) -> bool:
    """Copies side by side: along dimensions of their own, where the input has no step."""
    e = step.equation
    x, out = w.seen(step, e.inputs[0]), w.seen(step, e.out)
    counts = e.attrs["repeats"]
    shape = (*(1,) * (len(counts) - x.array.ndim), *x.array.shape)
    pairs = [n for pair in zip(counts, shape, strict=True) for n in pair]
    apart = np.expand_dims(x.array, tuple(range(len(counts) - x.array.ndim)))
    apart = np.expand_dims(apart, tuple(range(0, 2 * len(counts), 2)))
    copied(w, part(out, out.array.reshape(pairs)), part(x, np.broadcast_to(apart, pairs)))
    return True


def triangle(w: Any, step: Single) -> bool:
    """``tril`` and ``triu``: zeros on one side of a diagonal."""
    e = step.equation
    x, out = w.seen(step, e.inputs[0]), w.seen(step, e.out)
    names = axes(out.array.ndim)
    row, column = names[-2:]
    sign = "<=" if e.op.name == "tril" else ">="
    inside = f"{column} - {row} {sign} {e.attrs['diagonal']}"
    value = f"{inside} ? x[{index_of(names, x.strides)}] : 0"
    return block(
        w,
        f"""
{pointer("x", x)}
{pointer("q", out, "")}
{over(out.array.shape, f"q[{index_of(names, out.strides)}] = {value};")}
""",
    )


def write_view(w: Any, step: Single) -> bool:
    """The input with new values in a view of it."""
    e = step.equation
    x, out = w.seen(step, e.inputs[0]), w.seen(step, e.out)
    view, numbers = out.array, np.arange(out.array.size).reshape(out.array.shape)
    for name, attrs in e.attrs["through"]:
        view, numbers = (OPS[name].forward(np, a, **attrs) for a in (view, numbers))
    copied(w, out, x)
    if not view.size:
        return True
    if np.may_share_memory(view, out.array):
        return _written(w, step, part(out, view), e.inputs[1])
    known = kept(w, np.ascontiguousarray(numbers))  # in another order: the places are written down
    at = f"k[{index_of(axes(view.ndim), known.strides)}]"
    return _written(
        w, step, Place(out.slot, out.offset, view), e.inputs[1], pointer("k", known), at
    )


def _written(
    w: Any, step: Single, to: Place, value: Any, declared: str = "", at: str | None = None
) -> bool:
    """A value, or a number, spread over a place."""
    lines, text = source(w, step, value, to.array.dtype, to.array.shape)
    here = index_of(axes(to.array.ndim), to.strides) if at is None else at
    return block(
        w,
        f"""
{pointer("q", to, "")}
{declared}
{lines}
{over(to.array.shape, f"q[{here}] = {text};")}
""",
    )
