"""Rows by number, slices, and the losses that pick a class."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....op import OPS
from ....ops.indexing import PLACE
from ...fuse import Single, of_halves
from ..routines.joins import part
from ..text import C_TYPES, computed, index_of, read, written
from .kernel import BLOCK, Kernel, copied, decoded, each, kernel

MANY = 1 << 20  # questions, for each column: more take longer than to sort the numbers


def nll_mean(w: Any, step: Single) -> Kernel | None:
    """The mean of ``-x[i, target[i]]``, without the entries to ignore; one block adds them."""
    if of_halves(step.equation):
        return None
    x, target, out = (w.place[v.id] for v in (*step.equation.inputs, step.equation.out))
    n, classes = x.array.shape
    kind = C_TYPES[str(out.array.dtype)]
    body = f"""
{kind} sum = 0;
int known = 0;
for (int i = threadIdx.x; i < {n}; i += blockDim.x) {{
    const int64_t at = target[{index_of(["i"], target.strides)}];
    if (at == -100) continue;
    if (at < 0 || at >= {classes}) {{
        lab_refuse();
        continue;
    }}
    sum -= x[{index_of(["i", "at"], x.strides)}];
    known++;
}}
sum = lab_row(sum, lab_plus());
known = lab_row(known, lab_plus());
if (threadIdx.x == 0) *out = sum / ({kind})known;
"""
    return kernel(w, step, {"x": x, "target": target, "out": out}, body, (1, 1), (BLOCK, 1))


def class_error(w: Any, step: Single) -> Kernel | None:
    """The gradient of the cross-entropy: a softmax less one at the class."""
    if of_halves(step.equation):
        return None
    x, target, out = (w.place[v.id] for v in (*step.equation.inputs, step.equation.out))
    n, classes = x.array.shape
    kind = C_TYPES[str(out.array.dtype)]
    body = f"""
int known = 0; // every block counts them for itself
for (int i = threadIdx.x; i < {n}; i += blockDim.x)
    known += target[{index_of(["i"], target.strides)}] != -100;
known = lab_row(known, lab_plus());
const {kind} share = ({kind}){n} / ({kind})(known ? known : 1);
"""
    loop, blocks = each(
        {"i": n, "j": classes},
        f"""
const int64_t at = target[{index_of(["i"], target.strides)}];
const {kind} scale = at == -100 ? 0 : share;
if (at != -100 && (at < 0 || at >= {classes})) lab_refuse();
const {kind} value = x[{index_of(["i", "j"], x.strides)}];
out[{index_of(["i", "j"], out.strides)}] = (value - (j == at)) * scale;
""",
    )
    places = {"x": x, "target": target, "out": out}
    return kernel(w, step, places, body + loop, blocks, (BLOCK, 1))


def embedding(w: Any, step: Single) -> Kernel | None:
    """Rows by number."""
    index, weight = (w.place[v.id] for v in step.equation.inputs)
    out = w.place[step.equation.out.id]
    rows, width = weight.array.shape
    if not (index.array.flags.c_contiguous and out.array.flags.c_contiguous) or not out.array.size:
        return None
    loop, blocks = each(
        {"row": index.array.size, "column": width},
        f"""
const int64_t at = index[row];
if (at < 0 || at >= {rows}) lab_refuse();
else out[entry] = weight[{index_of(["at", "column"], weight.strides)}];
""",
    )
    places = {"index": index, "weight": weight, "out": out}
    return kernel(w, step, places, loop, blocks, (BLOCK, 1))


def rows_added(w: Any, step: Single) -> Kernel | None:
    """Rows added to zeros by number, the gradient of an embedding: each row asks every number."""
    if step.equation.attrs["template"] != (PLACE,):
        return None
    value, index, out = (w.place[v.id] for v in (*step.equation.inputs, step.equation.out))
    rows, numbers = out.array.shape[0], index.array.size
    dense = all(x.array.flags.c_contiguous for x in (index, out))
    if not dense or not out.array.size or rows * numbers > MANY:
        return None
    width, dtype = out.array.size // rows, out.array.dtype
    spots = decoded("k", index.array.shape) + decoded("column", out.array.shape[1:])
    loop, blocks = each(
        {"row": rows, "column": width},
        f"""
{computed(dtype)} sum = 0;
for (int k = 0; k < {numbers}; k++) {{
    const int64_t at = index[k] < 0 ? index[k] + {rows} : index[k];
    if (at < 0 || at >= {rows}) lab_refuse();
    if (at == row) sum += {read(dtype, f"value[{index_of(spots, value.strides)}]")};
}}
out[entry] = {written(dtype, "sum")};
""",
    )
    places = {"value": value, "index": index, "out": out}
    return kernel(w, step, places, loop, blocks, (BLOCK, 1))


def unslice(w: Any, step: Single) -> list[Kernel] | None:
    """A value put into zeros where a slice took it: the gradient of the slice."""
    e = step.equation
    x, out = (w.place[v.id] for v in (*e.inputs, e.out))
    view = OPS["slice"].forward(np, out.array, index=e.attrs["index"])
    if view.shape != x.array.shape or not view.size or not out.array.flags.c_contiguous:
        return None
    loop, blocks = each({"i": out.array.size}, f"out[i] = {written(out.array.dtype, '0')};")
    zeros = kernel(w, step, {"out": out}, loop, blocks, (BLOCK, 1))
    return [zeros, copied(w, step, part(out, view), x)]
