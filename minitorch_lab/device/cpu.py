"""Memory and threads of the CPU."""

from __future__ import annotations

import ctypes
import importlib
import os
import sys

from ..errors import ComputeError, KindError

# Memory --------------------------------------------------------------------------------------


def _keep_freed_memory() -> None:
    """Have the C library keep memory that arrays free, for the arrays of the next step.

    A training step asks for the same sizes as the step before. glibc gives back to the system
    what lies free at the top of its heap and takes it anew, and the system clears each page and
    counts a page fault: half the time of a step of a small transformer. Other C libraries are
    left alone, and so are settings that the user made by glibc's environment variables.
    """
    if not sys.platform.startswith("linux") or any(n in os.environ for n in GLIBC_SETTINGS):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the largest that glibc takes
        mallopt(_M_TRIM_THRESHOLD, 512 << 20)


GLIBC_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_keep_freed_memory()

# Threads of NumPy's matrix products -----------------------------------------------------------

_threads: int | None = None  # what the learner chose


def set_num_threads(n: int) -> None:
    """How many threads a matrix product on the CPU may use, for the whole process."""
    global _threads
    if isinstance(n, bool) or not isinstance(n, int):
        raise KindError(f"set_num_threads(n): expected an int, got {n!r}")
    if n < 1:
        raise ComputeError(f"set_num_threads(n): expected 1 or more, got {n}")
    _threads = n
    set_blas_threads(n)


def set_blas_threads(n: int) -> None:
    """Let every BLAS that is loaded now use ``n`` threads."""
    importlib.import_module("threadpoolctl").threadpool_limits(n)


def get_num_threads() -> int:
    """How many threads a matrix product on the CPU may use."""
    pools = importlib.import_module("threadpoolctl").threadpool_info()
    return max((pool["num_threads"] for pool in pools if pool["user_api"] == "blas"), default=1)


def prefer_one_thread() -> None:
    """One thread, unless the learner has chosen: called where training or a lesson begins.

    The arrays of a lesson are small. On two cores with a browser beside, threads that wait for
    each other made a training of two seconds last for half a minute.
    """
    if _threads is None:
        set_blas_threads(1)
