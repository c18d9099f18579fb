"""Kernels of CUDA plans that are no loop over entries.

A function gives the kernel of an op, or None where it is not made for the case: then the op runs
as in eager mode, between two runs of kernels. A kernel is right for blocks of any size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ...tape import location
from ..fuse import Single
from .text import C_TYPES, Place, index_of

BLOCK = 256  # threads of a block
FILL = 256  # blocks that keep a whole device busy
SMALL = 1 << 22  # multiplications; a larger product is worth a call of cuBLAS, which ends a graph
TILE = 16


@dataclass
class Kernel:
    """A launch: the text that alike kernels share, and what is this one's own."""

    text: str
    where: str  # the learner's lines
    grid: tuple[int, int]
    block: tuple[int, int]
    values: list[int]  # addresses and sizes, in the order of the parameters
    stem: str = "loop"  # of its name
    refuses: bool = False  # it may come upon a value that its op refuses


def _kernel(
    w: Any,
    step: Single,
    params: dict[str, Place],
    body: str,
    grid: tuple[int, int],
    block: tuple[int, int],
) -> Kernel:
    """A kernel with this body, which knows each place by its name in ``params``."""
    kinds = {name: C_TYPES[str(place.array.dtype)] for name, place in params.items()}
    declared = ", ".join(
        f"{'' if name == 'out' else 'const '}{kind} *{name}" for name, kind in kinds.items()
    )
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines() if line.strip())
    return Kernel(
        f'extern "C" __global__ void NAME({declared})\n{{\n{lines}}}\n',
        str(location(step.equation) or ""),
        grid,
        block,
        [w.address(place) for place in params.values()],
        step.equation.op.name,
        "lab_refuse" in body,
    )


def matmul(w: Any, step: Single) -> Kernel | None:
    """``a @ b``: each block computes a square of the result, from squares in shared memory."""
    e = step.equation
    a, b, out = (w.place[x.id] for x in (*e.inputs, e.out))
    (m, n), k = out.array.shape[-2:], a.array.shape[-1]
    lead = out.array.shape[:-2]
    batch = prod(lead)
    if e.out.spec.dtype.kind != "f" or not 0 < batch * m * n * k <= SMALL:
        return None
    index = [f"b{d}" for d in range(len(lead))]

    def spot(x: Place, matrix: list[str]) -> str:
        spread = np.broadcast_to(x.array, (*lead, *x.array.shape[-2:]))
        return index_of(index + matrix, [s // x.array.itemsize for s in spread.strides])

    def load(square: str, name: str, x: Place, top: str, left: str) -> str:
        """A square of a matrix; neighbours along x read what lies side by side in memory."""
        rows, columns = x.array.strides[-2:]
        i, j = ("y", "x") if columns <= rows else ("x", "y")
        inside = f"{top} + {i} < {x.array.shape[-2]} && {left} + {j} < {x.array.shape[-1]}"
        at = spot(x, [f"({top} + {i})", f"({left} + {j})"])
        return f"{square}[{i}][{j}] = {inside} ? {name}[{at}] : 0;"

    decoded, below = [], 1
    for name, size in reversed(list(zip(index, lead, strict=True))):
        decoded.append(f"const int {name} = batch / {below} % {size};")
        below *= size
    kind = C_TYPES[str(e.out.spec.dtype)]
    body = f"""
// ({m}, {k}) @ ({k}, {n})
__shared__ {kind} left[{TILE}][{TILE + 1}], right[{TILE}][{TILE + 1}];
const int tile = blockDim.x, x = threadIdx.x, y = threadIdx.y, across = ({n} + tile - 1) / tile;
for (int batch = blockIdx.y; batch < {batch}; batch += gridDim.y)
for (int at = blockIdx.x; at < across * (({m} + tile - 1) / tile); at += gridDim.x) {{
    {" ".join(reversed(decoded))}
    const int row = at / across * tile, column = at % across * tile;
    {kind} sum = 0;
    for (int k = 0; k < {k}; k += tile) {{
        __syncthreads();
        {load("left", "a", a, "row", "k")}
        {load("right", "b", b, "k", "column")}
        __syncthreads();
        for (int i = 0; i < tile; i++) sum += left[y][i] * right[i][x];
    }}
    if (row + y < {m} && column + x < {n}) out[{spot(out, ["(row + y)", "(column + x)"])}] = sum;
}}
"""
    tiles = -(-m // TILE) * -(-n // TILE)
    return _kernel(
        w, step, {"a": a, "b": b, "out": out}, body, (tiles, min(batch, 65535)), (TILE, TILE)
    )


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
    return _kernel(w, step, {"x": x, "target": target, "out": out}, body, (1, 1), (BLOCK, 1))


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
const int start = blockIdx.x * blockDim.x + threadIdx.x;
for (int entry = start; entry < {n * classes}; entry += gridDim.x * blockDim.x) {{
    const int i = entry / {classes}, j = entry % {classes};
    const int64_t at = target[{index_of(["i"], target.strides)}];
    const {kind} scale = at == -100 ? 0 : share;
    if (at != -100 && (at < 0 || at >= {classes})) lab_refuse();
    const {kind} value = x[{index_of(["i", "j"], x.strides)}];
    out[{index_of(["i", "j"], out.strides)}] = (value - (j == at)) * scale;
}}
"""
    blocks = min(FILL, max(1, -(-n * classes // BLOCK)))
    return _kernel(w, step, {"x": x, "target": target, "out": out}, body, (blocks, 1), (BLOCK, 1))


def embedding(w: Any, step: Single) -> Kernel | None:
    """Rows by number."""
    index, weight = (w.place[v.id] for v in step.equation.inputs)
    out = w.place[step.equation.out.id]
    rows, width = weight.array.shape
    if not (index.array.flags.c_contiguous and out.array.flags.c_contiguous) or not out.array.size:
        return None
    body = f"""
const long long start = blockIdx.x * blockDim.x + threadIdx.x;
for (long long entry = start; entry < {out.array.size}; entry += gridDim.x * blockDim.x) {{
    const int64_t at = index[entry / {width}];
    const int column = entry % {width};
    if (at < 0 || at >= {rows}) lab_refuse();
    else out[entry] = weight[{index_of(["at", "column"], weight.strides)}];
}}
"""
    blocks = min(1 << 15, -(-out.array.size // BLOCK))
    places = {"index": index, "weight": weight, "out": out}
    return _kernel(w, step, places, body, (blocks, 1), (BLOCK, 1))


CALLS: dict[str, Callable[[Any, Single], Kernel | None]] = {
    "matmul": matmul,
    "nll_mean": nll_mean,
    "class_error": class_error,
    "embedding": embedding,
}
