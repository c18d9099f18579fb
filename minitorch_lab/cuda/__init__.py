"""``lab.cuda``: what PyTorch's ``torch.cuda`` answers, and why there is no GPU, if so."""

from __future__ import annotations

from typing import Any

from .. import device as devices
from . import amp

__all__ = [
    "amp",
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "is_bf16_supported",
    "manual_seed",
    "manual_seed_all",
    "memory_allocated",
    "synchronize",
    "why_not",
]


def is_available() -> bool:
    """Whether ``device("cuda")`` can be used; ``why_not()`` gives the reason."""
    return devices.why_no_cuda() is None


def why_not() -> str | None:
    """Why "cuda" cannot be used here, in plain words; None where it can."""
    return devices.why_no_cuda()


def device_count() -> int:
    """How many GPUs can be used."""
    if devices.why_no_cuda() is not None:
        return 0
    return int(devices.namespace_for(devices.CUDA).cuda.runtime.getDeviceCount())


def current_device() -> int:
    """The number of the GPU that "cuda" means: 0."""
    devices.namespace_for(devices.CUDA)  # an error where there is none
    return 0


def get_device_name(device: Any = None) -> str:
    """What the maker calls the GPU."""
    cupy = devices.namespace_for(devices.CUDA)
    return str(cupy.cuda.runtime.getDeviceProperties(0)["name"].decode())


def memory_allocated(device: Any = None) -> int:
    """Bytes of the GPU that arrays hold; 0 without one."""
    if devices.why_no_cuda() is not None:
        return 0
    return int(devices.namespace_for(devices.CUDA).get_default_memory_pool().used_bytes())


def synchronize(device: Any = None) -> None:
    """Wait until the GPU has done what was asked of it."""
    devices.synchronize()


def empty_cache() -> None:
    """Give free memory of the GPU back; nothing to do without one."""
    if devices.why_no_cuda() is None:
        devices.namespace_for(devices.CUDA).get_default_memory_pool().free_all_blocks()


def is_bf16_supported() -> bool:
    """False: there is no bfloat16 here."""
    return False


def manual_seed(seed: int) -> None:
    """Accepted: numbers for the GPU are drawn on the CPU, from ``lab.manual_seed``."""


manual_seed_all = manual_seed
