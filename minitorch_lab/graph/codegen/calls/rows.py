"""Rows by number, and the losses that pick a class."""

from __future__ import annotations

from typing import Any

from ...fuse import Single
from ..text import C_TYPES, index_of
from .kernel import BLOCK, Kernel, each, kernel


def nll_mean(w: Any, step: Single) -> Kernel:
    """The mean of ``-x[i, target[i]]``, without the entries to ignore; one block adds them."""
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


def class_error(w: Any, step: Single) -> Kernel:
    """The gradient of the cross-entropy: a softmax less one at the class."""
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
