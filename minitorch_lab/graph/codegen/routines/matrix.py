"""Matrix products: a call of the BLAS, or a loop for a small one and for whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...fuse import Single
from ..text import C_TYPES, index_of, pointer

TINY = 2048  # a product of fewer multiplications is a loop: a call of the BLAS costs more


def matmul(w: Any, step: Single) -> bool:
    """``a @ b``, with the dimensions before the matrices spread."""
    e = step.equation
    a, b, out = (w.seen(step, x) for x in (*e.inputs, e.out))
    dtype = e.out.spec.dtype
    m, n = out.array.shape[-2:]
    k = a.array.shape[-1]
    kind = C_TYPES[str(dtype)]
    t = w.text
    lead = out.array.shape[:-2]
    steps = [
        tuple(
            s // x.array.itemsize
            for s in np.broadcast_to(x.array, (*lead, *x.array.shape[-2:])).strides
        )
        for x in (a, b, out)
    ]
    t.add("{  // " + f"({m}, {k}) @ ({k}, {n})")
    t.depth += 1
    t.add(pointer("a", a))
    t.add(pointer("b", b))
    t.add(pointer("c", out, ""))
    index = []
    for d, size in enumerate(lead):
        if size > 1:
            t.add(f"for (long b{d} = 0; b{d} < {size}; b{d}++)")
        index.append(f"b{d}" if size > 1 else "0")
    loops = [d for d, size in enumerate(lead) if size > 1]
    spots = [
        f"{name} + {index_of([index[d] for d in loops], [st[d] for d in loops])}"
        for name, st in zip("abc", steps, strict=True)
    ]
    tiny = m * n * k <= TINY
    forms = [_layout(st[-2:], x.array.shape[-2:]) for st, x in zip(steps, (a, b, out), strict=True)]
    if tiny or dtype.kind != "f" or any(f is None for f in forms) or not k:
        (ra, ca), (rb, cb), (rc, cc) = (st[-2:] for st in steps)
        t.add(
            f"for (long i = 0; i < {m}; i++) for (long j = 0; j < {n}; j++) {{ {kind} s = 0; "
            f"for (long l = 0; l < {k}; l++) s += ({spots[0]})[i * {ra} + l * {ca}] * "
            f"({spots[1]})[l * {rb} + j * {cb}]; ({spots[2]})[i * {rc} + j * {cc}] = s; }}"
        )
    else:
        (ta, la), (tb, lb), (_, lc) = forms  # type: ignore[misc]
        gemm = "lab_sgemm" if kind == "float" else "lab_dgemm"
        t.add(
            f"{gemm}({int(tb)}, {int(ta)}, {n}, {m}, {k}, {spots[1]}, {lb}, {spots[0]}, {la}, "
            f"{spots[2]}, {lc});"
        )
    t.depth -= 1
    t.add("}")
    return True


def _layout(strides: Any, shape: Any) -> tuple[bool, int] | None:
    """Whether a matrix lies transposed, and how far apart its lines are; None for neither."""
    (r, c), (m, n) = strides, shape
    if (c == 1 or n == 1) and (r >= max(n, 1) or m == 1):
        return False, max(r, n, 1)
    if (r == 1 or m == 1) and (c >= max(m, 1) or n == 1):
        return True, max(c, m, 1)
    return None
