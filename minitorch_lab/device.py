"""Devices: the array namespace is the device.

``xp`` is NumPy for "cpu" and CuPy for "cuda"; the same forward runs on both. CuPy is imported
when a learner first asks for it, never before.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import sys
from typing import Any

import numpy as np

from .errors import ComputeError, DeviceError, KindError


class Device:
    """A device, as ``lab.device("cpu")`` or ``lab.device("cuda:0")``.

    >>> Device("cuda"), Device("cpu") == "cpu"
    (device(type='cuda', index=0), True)
    """

    __slots__ = ("index", "type")

    def __init__(self, type: str | Device, index: int | None = None) -> None:
        name = str(type) if isinstance(type, Device) else type
        if not isinstance(name, str):
            raise KindError(f'device: expected "cpu" or "cuda", got {name!r}')
        if name.startswith("/"):  # TensorFlow's: "/GPU:0", "/job:localhost/.../device:CPU:0"
            name = name.rpartition("/")[2].lower().removeprefix("device:").replace("gpu", "cuda")
        kind, _, number = name.partition(":")
        if index is not None and not number:
            number = str(index)
        if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
            raise DeviceError(f'device: expected "cpu", "cuda" or "cuda:0", got {name!r}')
        self.type = kind
        self.index = int(number or 0) if kind == "cuda" else None

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        if self.index is None:
            return f"device(type={self.type!r})"
        return f"device(type={self.type!r}, index={self.index})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            other = Device(other)
        return isinstance(other, Device) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


CPU = Device("cpu")
CUDA = Device("cuda")

# The namespace of each kind of array. An interpreter looks an input's type up here; a second
# array library (CuPy, or the test double that stands in for it) adds a row.
NAMESPACES: dict[type, Any] = {np.ndarray: np}
_DEVICE_OF_NAMESPACE: dict[int, Device] = {id(np): CPU}
_cuda: Any = None  # the namespace of "cuda" once it has been loaded


def register(array_type: type, namespace: Any, device: Device) -> None:
    """Make ``namespace`` the implementation of ``device``, for arrays of ``array_type``."""
    global _cuda
    NAMESPACES[array_type] = namespace
    _DEVICE_OF_NAMESPACE[id(namespace)] = device
    if device.type == "cuda":
        _cuda = namespace


def unregister(array_type: type) -> None:
    """Undo ``register``."""
    global _cuda
    namespace = NAMESPACES.pop(array_type)
    _DEVICE_OF_NAMESPACE.pop(id(namespace))
    if namespace is _cuda:
        _cuda = None


def namespace_of(array: Any) -> Any:
    """``xp``: the module whose functions take this array."""
    return NAMESPACES.get(type(array), np)


def device_of(array: Any) -> Device:
    """The device that holds an array."""
    if type(array) is np.ndarray:
        return CPU
    return _DEVICE_OF_NAMESPACE[id(namespace_of(array))]


def why_no_cuda() -> str | None:
    """Why "cuda" cannot be used here, in plain words; None where it can.

    A tiny kernel is run and waited for: CuPy imports, and even counts devices, on machines
    where its compiler is broken.
    """
    if _cuda is not None:
        return None
    if importlib.util.find_spec("cupy") is None:
        return (
            "CuPy is not installed: on a machine with an NVIDIA GPU, "
            'pip install "minitorch-lab[gpu]"'
        )
    try:
        cupy: Any = importlib.import_module("cupy")
    except Exception as error:  # noqa: BLE001  whatever it is, it is the reason
        return f"CuPy is installed but cannot be imported: {first_line(error)}"
    try:
        if not cupy.is_available():
            return "CuPy finds no NVIDIA GPU or no driver on this machine"
        probe = cupy.arange(4, dtype=cupy.float32) + 1
        cupy.cuda.get_current_stream().synchronize()
        float(probe.sum())
    except Exception as error:  # noqa: BLE001  whatever it is, it is the reason
        return f"CuPy is installed but a first kernel failed: {first_line(error)}"
    register(cupy.ndarray, cupy, CUDA)
    return None


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def namespace_for(device: Device) -> Any:
    """``xp`` for a device; DeviceError with the reason where the device is not there."""
    if device.type == "cpu":
        return np
    reason = why_no_cuda()
    if reason is not None:
        raise DeviceError(f"device {device} is not available\n  {reason}\n  use device('cpu')")
    return _cuda


def move(array: Any, device: Device) -> Any:
    """The array on ``device``: itself where it already is there, else a copy."""
    if device_of(array) == device:
        return array
    if device.type == "cpu":
        return to_host(array)
    return namespace_for(device).asarray(array)


def to_host(array: Any) -> np.ndarray[Any, Any]:
    """The array as a NumPy array, copied from the GPU where it lives there."""
    if isinstance(array, np.ndarray):
        return array
    if isinstance(array, np.generic):
        return np.asarray(array)
    return np.asarray(namespace_of(array).asnumpy(array))


def synchronize() -> None:
    """Wait until the GPU has done what was asked of it; nothing to do on the CPU."""
    if _cuda is not None:
        _cuda.cuda.get_current_stream().synchronize()


# Memory on the CPU ---------------------------------------------------------------------------


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
