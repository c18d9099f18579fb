"""Matrix products of small matrices."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...fuse import Single
from ..text import Place, computed, index_of, read, written
from .kernel import Kernel, decoded, kernel

SMALL = 1 << 22  # multiplications; a larger product is worth a call of cuBLAS, which ends a graph
TILE = 16


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
        entry = read(x.array.dtype, f"{name}[{at}]")
        return f"{square}[{i}][{j}] = {inside} ? {entry} : 0;"

    spots = zip(index, decoded("batch", lead), strict=True)
    places = " ".join(f"const int {name} = {spot};" for name, spot in spots)
    kind, end = computed(e.out.spec.dtype), written(e.out.spec.dtype, "sum")
    body = f"""
// ({m}, {k}) @ ({k}, {n})
__shared__ {kind} left[{TILE}][{TILE + 1}], right[{TILE}][{TILE + 1}];
const int tile = blockDim.x, x = threadIdx.x, y = threadIdx.y, across = ({n} + tile - 1) / tile;
for (int batch = blockIdx.y; batch < {batch}; batch += gridDim.y)
for (int at = blockIdx.x; at < across * (({m} + tile - 1) / tile); at += gridDim.x) {{
    {places}
    const int row = at / across * tile, column = at % across * tile;
    {kind} sum = 0;
    for (int k = 0; k < {k}; k += tile) {{
        __syncthreads();
        {load("left", "a", a, "row", "k")}
        {load("right", "b", b, "k", "column")}
        __syncthreads();
        for (int i = 0; i < tile; i++) sum += left[y][i] * right[i][x];
    }}
    if (row + y < {m} && column + x < {n}) out[{spot(out, ["(row + y)", "(column + x)"])}] = {end};
}}
"""
    tiles = -(-m // TILE) * -(-n // TILE)
    return kernel(
        w, step, {"a": a, "b": b, "out": out}, body, (tiles, min(batch, 65535)), (TILE, TILE)
    )
