"""``lab.cuda``: what PyTorch's ``torch.cuda`` answers, and why there is no GPU, if so."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import device as devices
from ..errors import ArgumentError, OutOfMemoryError
from ..tensor import memory
from . import amp
from .allocator import CachingAllocator
from .figures import Recorded, recorded
from .peak import (
    max_memory_allocated,
    max_memory_reserved,
    memory_stats,
    pool,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
)
from .sizes import Crossover, Row, crossover
from .streams import Event, Stream, current_stream, default_stream, stream
from .theatre import MemoryTimeline, Theatre, theatre
from .timeline import Run, Span, Timeline, timeline
from .transfers import Transfer, Transfers, transfers

__all__ = [
    "CachingAllocator",
    "Crossover",
    "Event",
    "MemoryTimeline",
    "OutOfMemoryError",
    "Properties",
    "Recorded",
    "Row",
    "Run",
    "Span",
    "Stream",
    "Theatre",
    "Timeline",
    "Transfer",
    "Transfers",
    "amp",
    "crossover",
    "current_device",
    "current_stream",
    "default_stream",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "init",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "memory_summary",
    "recorded",
    "reset_peak_memory_stats",
    "set_device",
    "set_per_process_memory_fraction",
    "stream",
    "synchronize",
    "theatre",
    "timeline",
    "transfers",
    "versions",
    "why_not",
]


# Whether there is one ------------------------------------------------------------------------


def is_available() -> bool:
    """Whether ``device("cuda")`` can be used; ``why_not()`` gives the reason.

    A tiny kernel was compiled, run and waited for.
    """
    return devices.why_no_cuda() is None


def why_not() -> str | None:
    """Why "cuda" cannot be used here, in plain words with what mends it; None where it can."""
    return devices.why_no_cuda()


def init() -> None:
    """DeviceError, with the reason, where no GPU can be used; else it is ready."""
    devices.namespace_for(devices.CUDA)


def is_initialized() -> bool:
    """Whether a GPU is in use."""
    return devices.is_loaded()


def device_count() -> int:
    """How many GPUs this machine shows, 0 where none can be used. A process uses cuda:0."""
    return devices.device_count()


def current_device() -> int:
    """The number of the GPU that "cuda" means: 0."""
    init()
    return 0


def set_device(device: Any) -> None:
    """Accepted for the first GPU, the one that a process uses; DeviceError for others."""
    _place(device)


def _place(device: Any) -> devices.Device:
    """A GPU that can be used, from None, a number, a name or a device."""
    if device is None:
        place = devices.CUDA
    elif isinstance(device, int) and not isinstance(device, bool):
        place = devices.Device("cuda", device)
    else:
        place = devices.Device(device)
    if place.type != "cuda":
        raise ArgumentError(f"device: expected a GPU, such as 'cuda:0', got {str(place)!r}")
    devices.namespace_for(place)
    return place


# What it is ----------------------------------------------------------------------------------


class Properties(NamedTuple):
    """What the driver says of a GPU."""

    name: str
    major: int
    minor: int
    total_memory: int  # bytes
    multi_processor_count: int


def get_device_properties(device: Any = None) -> Properties:
    """Name, compute capability, bytes of memory and number of multiprocessors."""
    place = _place(device)
    found = devices.namespace_for(place).cuda.runtime.getDeviceProperties(0)
    return Properties(
        found["name"].decode(),
        int(found["major"]),
        int(found["minor"]),
        int(found["totalGlobalMem"]),
        int(found["multiProcessorCount"]),
    )


def get_device_name(device: Any = None) -> str:
    """What the maker calls the GPU."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Its generation, as NVIDIA counts: (8, 6) for an RTX 3060."""
    found = get_device_properties(device)
    return found.major, found.minor


def versions() -> dict[str, str]:
    """The versions of CuPy, of the CUDA that it is built for, and of the CUDA the driver knows."""
    cupy = devices.namespace_for(devices.CUDA)
    runtime = cupy.cuda.runtime
    return {
        "CuPy": str(cupy.__version__),
        "CUDA of CuPy": devices.version(runtime.runtimeGetVersion()),
        "CUDA of the driver": devices.version(runtime.driverGetVersion()),
    }


def is_bf16_supported() -> bool:
    """False: there is no bfloat16 here."""
    return False


# Memory --------------------------------------------------------------------------------------


def memory_allocated(device: Any = None) -> int:
    """Bytes of the GPU that arrays hold; 0 without one."""
    held = pool()
    return 0 if held is None else int(held.used_bytes())


def memory_reserved(device: Any = None) -> int:
    """Bytes that CuPy's pool holds: those of arrays, and free ones kept for the next arrays."""
    held = pool()
    return 0 if held is None else int(held.total_bytes())


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Bytes of the GPU that are free for anybody, and all of them."""
    free, total = devices.namespace_for(_place(device)).cuda.runtime.memGetInfo()
    return int(free), int(total)


def memory_summary(device: Any = None) -> str:
    """Who holds the GPU's memory, the largest first, in words; on the CPU without a GPU."""
    reason = devices.why_no_cuda()
    where = "cuda" if reason is None else "cpu"
    lines = memory.holder_lines(memory.holders(where))
    if reason is not None:
        head = f"no GPU here: {reason}\nwhat tensors hold of the CPU's memory:"
    else:
        head = (
            f"arrays hold {memory.in_words(memory_allocated())}, CuPy's pool keeps "
            f"{memory.in_words(memory_reserved() - memory_allocated())} free for the next ones"
        )
    return "\n".join([head, *(lines or ["  nothing"])])


def empty_cache() -> None:
    """Give free memory of the GPU back to the system; nothing to do without one."""
    held = pool()
    if held is not None:
        held.free_all_blocks()


# Waiting, and numbers ------------------------------------------------------------------------


def synchronize(device: Any = None) -> None:
    """Wait until the GPU has done what was asked of it; nothing to do without one.

    A call of an op only asks. Whoever measures a time waits before each look at the clock.
    """
    devices.synchronize()


def manual_seed(seed: int) -> None:
    """Accepted: numbers for the GPU are drawn on the CPU, from ``lab.manual_seed``."""


manual_seed_all = manual_seed
