"""Devices: the array namespace is the device.

``xp`` is NumPy for "cpu" and CuPy for "cuda"; the same forward runs on both. CuPy is imported
when a learner first asks for it, never before.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from math import prod
from typing import Any

import numpy as np

from ..errors import DeviceError, KindError, LabError, OutOfMemoryError
from . import precision, probe
from .copies import TO_CPU, TO_GPU, begin, moved_by, note
from .cpu import (
    GLIBC_SETTINGS,
    get_num_threads,
    prefer_one_thread,
    set_blas_threads,
    set_num_threads,
)
from .precision import allows_tf32, matmul_precision
from .probe import first_line, version

__all__ = [
    "CPU",
    "CUDA",
    "GLIBC_SETTINGS",
    "NAMESPACES",
    "Device",
    "allows_tf32",
    "default_device",
    "device_count",
    "device_of",
    "ends",
    "first_line",
    "get_num_threads",
    "is_loaded",
    "is_pinned",
    "known",
    "matmul_precision",
    "move",
    "moved_by",
    "namespace_for",
    "namespace_of",
    "out_of_memory",
    "pin",
    "prefer_one_thread",
    "register",
    "retell_out_of_memory",
    "scalar",
    "set_blas_threads",
    "set_default_device",
    "set_matmul_precision",
    "set_num_threads",
    "synchronize",
    "to_host",
    "unregister",
    "version",
    "why_no_cuda",
]


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
            got = repr(name) if index is None else f"{name!r}, {index}"
            raise DeviceError(f'device: expected "cpu", "cuda" or "cuda:0", got {got}')
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

    def __enter__(self) -> Device:
        """A block whose new tensors are on this device."""
        namespace_for(self)  # a reason, where it is not there
        _PLACES.set((*_PLACES.get(), self))
        return self

    def __exit__(self, *error: object) -> None:
        _PLACES.set(_PLACES.get()[:-1])


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
        precision.loaded(namespace)


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
    """Why "cuda" cannot be used here, in plain words; None where it can."""
    if _cuda is not None:
        return None
    cupy, reason = probe.cupy()
    if reason is None:
        register(cupy.ndarray, cupy, CUDA)
    return reason


def namespace_for(device: Device) -> Any:
    """``xp`` for a device; DeviceError with the reason where the device is not there."""
    if device.type == "cpu":
        return np
    reason = why_no_cuda()
    if reason is not None:
        raise DeviceError(f"device {device} is not available\n  {reason}\n  use device('cpu')")
    if device.index:
        _need_first(device)
    return _cuda


def is_loaded() -> bool:
    """Whether "cuda" was asked for, and is there."""
    return _cuda is not None


def device_count() -> int:
    """How many GPUs this machine shows; 0 where none can be used."""
    return 0 if why_no_cuda() is not None else int(_cuda.cuda.runtime.getDeviceCount())


def _need_first(device: Device) -> None:
    """DeviceError for a GPU that is not cuda:0, the one that a process uses."""
    count, wanted = device_count(), device.index
    if count > (wanted or 0):
        raise DeviceError(
            f"device {device}: a process uses one GPU here, and calls it cuda:0\n"
            f"  this machine has {count}\n"
            f"  start Python with CUDA_VISIBLE_DEVICES={wanted} and use device('cuda:0')"
        )
    names = "one GPU, cuda:0" if count == 1 else f"{count} GPUs, cuda:0 to cuda:{count - 1}"
    raise DeviceError(
        f"device {device}: there is no GPU of this number\n  this machine has {names}\n"
        "  use device('cuda:0')"
    )


# Copies between devices ----------------------------------------------------------------------


def move(array: Any, device: Device, non_blocking: bool = False) -> Any:
    """The array on ``device``: itself where it already is there, else a copy.

    Every copy goes through here or through ``to_host``, and is noted with its line.
    """
    if type(array) is np.ndarray and device.type == "cpu":  # in most calls
        return array
    if device_of(array) == device:
        return array
    if device.type == "cpu":
        return to_host(array, non_blocking)
    xp = namespace_for(device)
    # CuPy stages ordinary memory, which may change at once; pinned memory is read while it runs
    wait = not non_blocking and is_pinned(array)
    begin(TO_GPU)
    try:
        moved = xp.asarray(array, blocking=wait)
    except MemoryError as error:
        raise out_of_memory(
            f"{array.dtype} {tuple(array.shape)}, copied to {device}", error
        ) from None
    note(TO_GPU, moved)
    return moved


def to_host(array: Any, non_blocking: bool = False) -> np.ndarray[Any, Any]:
    """The array as a NumPy array, copied from the GPU where it lives there."""
    if isinstance(array, np.ndarray):
        return array
    if isinstance(array, np.generic):
        return np.asarray(array)
    xp = namespace_of(array)
    begin(TO_CPU)
    if non_blocking:
        host = _pinned(array.shape, array.dtype)
        xp.asnumpy(array, out=host, blocking=False)
    else:
        host = np.asarray(xp.asnumpy(array))
    note(TO_CPU, host)
    return host


def known(number: Any) -> Any:
    """A number that Python decides by: what a GPU has found is copied, and that is noted."""
    return number if isinstance(number, (np.generic, np.ndarray)) else to_host(number)[()]


def scalar(xp: Any, value: Any, dtype: Any) -> Any:
    """A 0-d array of a number: the device writes it, and nothing is copied."""
    if xp is np or not isinstance(value, (bool, int, float, np.generic)):
        return xp.asarray(value, dtype)
    return xp.full((), value, dtype)


def ends(array: Any) -> tuple[Any, Any]:
    """The smallest and the largest entry, from a GPU in one copy."""
    if isinstance(array, np.ndarray):
        return np.minimum.reduce(array, None), np.maximum.reduce(array, None)
    xp = namespace_of(array)
    low, high = to_host(xp.stack([array.min(), array.max()]))
    return low, high


# The words for who holds the memory of a GPU: tensors know, which are made further up.
_holders: Callable[[], str] = str


def retell_out_of_memory(holders: Callable[[], str]) -> None:
    """Name what tells who holds the memory of a GPU, and what to do."""
    global _holders
    _holders = holders


def out_of_memory(what: str, error: Exception) -> Exception:
    """An error in words where it says that the GPU's memory is full, else the error itself."""
    if type(error).__name__ != "OutOfMemoryError" or isinstance(error, LabError):
        return error
    return OutOfMemoryError(f"{what}: the GPU has no memory left for it\n{_holders()}".rstrip())


def pin(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy in memory that the system never moves: a GPU reads it without the CPU."""
    host = _pinned(array.shape, array.dtype)
    host[...] = array
    return host


def _pinned(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    count = prod(shape)
    memory = namespace_for(CUDA).cuda.alloc_pinned_memory(max(count, 1) * dtype.itemsize)
    return np.frombuffer(memory, dtype, count).reshape(shape)


def is_pinned(array: Any) -> bool:
    """Whether an array of the CPU lies in pinned memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    held = array.obj if isinstance(array, memoryview) else array
    return _cuda is not None and isinstance(held, _cuda.cuda.PinnedMemoryPointer)


def synchronize() -> None:
    """Wait until the GPU has done what was asked of it; nothing to do on the CPU."""
    if _cuda is not None:
        _cuda.cuda.Device().synchronize()


def set_matmul_precision(wanted: str) -> None:
    """How exactly a GPU multiplies float32 matrices; ``backends`` has the words."""
    precision.choose(wanted, _cuda)


# The device of new tensors -------------------------------------------------------------------


class _Default:
    """What ``set_default_device`` has set, for the process."""

    device = CPU


_PLACES: ContextVar[tuple[Device, ...]] = ContextVar("devices of open blocks", default=())


def default_device() -> Device:
    """The device of new tensors: of the innermost ``with lab.device(...)``, else the one set."""
    places = _PLACES.get()
    return places[-1] if places else _Default.device


def set_default_device(device: Device) -> None:
    """Have new tensors made on ``device``, for the whole process."""
    namespace_for(device)  # a reason, where it is not there
    _Default.device = device
