"""Parts put together, and entries moved to other places."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...fuse import Single
from ..text import C_TYPES, Place


def unslice(w: Any, step: Single) -> bool:
    """A value put into zeros where a slice took it: the gradient of the slice."""
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


def cat(w: Any, step: Single) -> bool:
    """Parts along a dimension, one after another."""
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


def stack(w: Any, step: Single) -> bool:
    """Parts along a new dimension."""
    e = step.equation
    out, dim = w.seen(step, e.out), e.attrs["dim"]
    for i, v in enumerate(e.inputs):
        x, part = w.seen(step, v), out.array[(*(slice(None),) * dim, i)]
        if part.size:
            start = out.offset + i * out.strides[dim]
            w.copy_into(Place(out.slot, start, np.asarray(part), out.sample, out.more), x, part)
    return True
