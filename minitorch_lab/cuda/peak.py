"""The most memory of a GPU that was held at one time.

CuPy's pool knows what it holds now and not what it held. So each request is looked at, from the
first time on that somebody asks for a peak; before that nothing is counted, and costs nothing.
"""

from __future__ import annotations

from typing import Any

from ..device import CUDA, namespace_for, why_no_cuda
from ..errors import ArgumentError, KindError, describe


def pool() -> Any:
    """CuPy's pool: it keeps what arrays give back, for the next ones. None without a GPU."""
    if why_no_cuda() is not None:
        return None
    return namespace_for(CUDA).get_default_memory_pool()


class _Peak:
    """What has been counted: the namespace whose requests are looked at, and the most bytes."""

    xp: Any = None
    allocated = reserved = 0


def _look() -> None:
    """Both peaks grow at a request only: what is held shrinks between them."""
    held = _Peak.xp.get_default_memory_pool()
    _Peak.allocated = max(_Peak.allocated, int(held.used_bytes()))
    _Peak.reserved = max(_Peak.reserved, int(held.total_bytes()))


def _count() -> bool:
    """See that requests are looked at, of all threads; False without a GPU."""
    if pool() is None:
        return False
    xp = namespace_for(CUDA)
    if _Peak.xp is not xp:
        request = xp.cuda.get_allocator()

        def looked_at(size: int) -> Any:
            memory = request(size)
            _look()
            return memory

        xp.cuda.set_allocator(looked_at)
        _Peak.xp, _Peak.allocated, _Peak.reserved = xp, 0, 0
    _look()
    return True


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that arrays held at one time since ``reset_peak_memory_stats()``.

    Counted from the first call on of this function or one of its family: each request of memory
    takes a little longer from then on. 0 without a GPU.
    """
    return _Peak.allocated if _count() else 0


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that CuPy's pool held since ``reset_peak_memory_stats()``."""
    return _Peak.reserved if _count() else 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Begin anew to look for the peaks, at what is held now; nothing to do without a GPU."""
    if _count():
        _Peak.allocated = _Peak.reserved = 0
        _look()


def memory_stats(device: Any = None) -> dict[str, int]:
    """Bytes held by arrays, and by the pool, now and at most: some of PyTorch's keys.

    Empty without a GPU.
    """
    if not _count():
        return {}
    held = pool()
    return {
        "allocated_bytes.all.current": int(held.used_bytes()),
        "allocated_bytes.all.peak": _Peak.allocated,
        "reserved_bytes.all.current": int(held.total_bytes()),
        "reserved_bytes.all.peak": _Peak.reserved,
    }


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Let the pool take at most this share of the GPU's memory; beyond it the memory is full.

    Raises KindError for what is no number, ArgumentError unless it is above 0 and at most 1, and
    DeviceError, with the reason, without a GPU.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)):
        raise KindError(
            f"set_per_process_memory_fraction(fraction): expected a number, got "
            f"{describe(fraction)}"
        )
    if not 0 < fraction <= 1:
        raise ArgumentError(
            f"set_per_process_memory_fraction(fraction): got {fraction}\n"
            "  expected a share above 0 and at most 1: 0.5 is half of the GPU's memory"
        )
    namespace_for(CUDA).get_default_memory_pool().set_limit(fraction=float(fraction))
