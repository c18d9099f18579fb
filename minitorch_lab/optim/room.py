"""Updates on a GPU whose memory is nearly full: all of an update is made, or nothing of it.

An update needs memory for what it computes in between. Where a GPU has little left, the update runs
beside a copy of weights and state in the CPU's memory, which is put back where the GPU is full in
its middle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import CUDA, move, namespace_for, out_of_memory, to_host
from ..tensor import Tensor

BETWEEN = 4  # results as large as a parameter that an update holds at one time, or makes as state


def roomy(params: list[Tensor], first: bool) -> bool:
    """Whether the GPU has memory for an update of these parameters; the first makes the state."""
    sizes = [p.array.nbytes for p in params]
    needed = BETWEEN * (max(sizes) + (sum(sizes) if first else 0))
    xp = namespace_for(CUDA)
    pool = xp.get_default_memory_pool()
    free, limit = pool.free_bytes(), pool.get_limit()
    if free < needed:  # what the pool has is enough in most steps: the driver is not asked
        free += xp.cuda.runtime.memGetInfo()[0]
    return bool(min(free, limit - pool.used_bytes() if limit else free) >= needed)


def all_or_nothing(update: Callable[[], None], optimizer: Any) -> None:
    """Run ``update``; where it ends early, weights and state are as before."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    state = {p: dict(optimizer.state[p]) for p in params if p in optimizer.state}
    held = [v for kept in state.values() for v in kept.values() if isinstance(v, Tensor)]
    before = [(x, to_host(x.array).copy()) for x in (*params, *held)]
    try:
        update()
    except BaseException as error:
        for x, array in before:
            _put_back(x.array, array)
        for p in params:
            if p in state:  # the dict itself stays: a compiled step may read numbers from it
                optimizer.state[p].clear()
                optimizer.state[p].update(state[p])
            else:
                optimizer.state.pop(p, None)
        if len(state) < len(params):  # what was made now has taken its places
            optimizer.__dict__.pop("_flat", None)
        if isinstance(error, MemoryError):
            raise out_of_memory(f"{type(optimizer).__name__}.step()", error) from None
        raise


def _put_back(array: Any, host: Any) -> None:
    """Entries from the CPU, without new memory on the GPU where that can be."""
    if isinstance(array, np.ndarray):
        array[...] = host
    elif array.flags.c_contiguous:
        array.set(host)
    else:
        array[...] = move(host, CUDA)
