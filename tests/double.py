"""A test double for CuPy: its API over NumPy, and no silent way to or from host memory.

An array of the double lives "on the device". Handing it to NumPy, or a NumPy array to it, raises
as CuPy does, so that a CPU machine catches a call that would work on NumPy only. What CuPy has
not is missing here too. ``COPIES`` counts what went over the bus, ``POOL`` what lies on the device.
"""

from __future__ import annotations

import operator
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np


class HostError(TypeError):
    """A conversion that CuPy refuses."""


def host(x: Any) -> Any:
    """The hidden NumPy array; a number stays one; a NumPy array is refused."""
    if isinstance(x, DeviceArray):
        return x._a
    if isinstance(x, np.ndarray):
        raise HostError("a NumPy array was given to the device: asarray() makes the copy visible")
    if isinstance(x, tuple):
        return tuple(host(v) for v in x)
    if isinstance(x, list):
        return [host(v) for v in x]
    return x


def wrap(a: Any) -> Any:
    """A result: always an array of the device, also for 0-d, as in CuPy."""
    if isinstance(a, (np.ndarray, np.generic)):
        return DeviceArray(np.asarray(a))
    if isinstance(a, (tuple, list)):
        return type(a)(wrap(v) for v in a)
    return a


class OutOfMemoryError(MemoryError):
    """CuPy's error of this name."""


class Pool:
    """The memory of the device, counted while a test asks for it."""

    limit: int | None = None
    used = total = 0

    def malloc(self, size: int) -> int:
        if self.limit is not None and self.used + size > self.limit:
            raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes")
        self.used += size
        self.total = max(self.total, self.used)
        return size

    def give(self, size: int) -> None:
        self.used -= size

    def used_bytes(self) -> int:
        return self.used

    def total_bytes(self) -> int:
        return self.total

    def free_bytes(self) -> int:
        return self.total - self.used

    def free_all_blocks(self) -> None:
        self.total = self.used

    def get_limit(self) -> int:
        return self.limit or 0

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self.limit = size if fraction is None else int(fraction * RUNTIME.memGetInfo()[1])


POOL = Pool()
ALLOCATOR = [POOL.malloc]  # what is asked for memory
COPIES = {"to the GPU": 0, "to the CPU": 0}


class PinnedMemoryPointer(bytearray):
    """Memory of the host that the device reads."""


class DeviceArray:
    """An array on the pretended device."""

    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, a: np.ndarray) -> None:
        self._a = a
        if a.base is None and (POOL.limit is not None or ALLOCATOR[0] != POOL.malloc):
            weakref.finalize(self, POOL.give, ALLOCATOR[0](a.nbytes))

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise HostError("implicit conversion of a device array to NumPy: use asnumpy()")

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        raise HostError("a NumPy ufunc was called on a device array: use xp")

    def __array_function__(self, *args: Any, **kwargs: Any) -> Any:
        raise HostError("a NumPy function was called on a device array: use xp")

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "dtype", "ndim", "size", "nbytes", "itemsize", "flags", "strides"):
            return getattr(self._a, name)
        raise AttributeError(name)

    @property
    def T(self) -> Any:
        return wrap(self._a.T)

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self._a.__array_interface__["data"][0])

    @property
    def base(self) -> Any:
        if self._a.base is None:
            return None
        found = object.__new__(DeviceArray)
        found._a = self._a.base
        return found

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Any:
        return (wrap(v) for v in self._a)

    def __getitem__(self, index: Any) -> Any:
        return wrap(self._a[host(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._a[host(index)] = host(value)

    def _read(self) -> np.ndarray:
        COPIES["to the CPU"] += 1
        return self._a

    def __float__(self) -> float:
        return float(self._read())

    def __int__(self) -> int:
        return int(self._read())

    def __bool__(self) -> bool:
        return bool(self._read())

    def __repr__(self) -> str:
        return f"DeviceArray({self._a!r})"

    def get(self) -> np.ndarray:
        return self._read().copy()

    def set(self, a: np.ndarray) -> None:
        COPIES["to the GPU"] += 1
        self._a[...] = a


def _method(name: str) -> Any:
    def method(self: DeviceArray, *args: Any, **kwargs: Any) -> Any:
        read = name in ("item", "tolist", "tobytes")
        array = self._read() if read else self._a
        found = getattr(array, name)(*map(host, args), **{k: host(v) for k, v in kwargs.items()})
        return found if read else wrap(found)

    return method


for _name in (
    "reshape transpose astype copy ravel item tolist tobytes view fill sum mean min max all any "
    "argmax argmin dot flatten squeeze"
).split():
    setattr(DeviceArray, _name, _method(_name))


def _operator(function: Any, turned: bool) -> Any:
    def method(self: DeviceArray, other: Any) -> Any:
        a, b = self._a, host(other)
        return wrap(function(b, a) if turned else function(a, b))

    return method


for _name in "add sub mul truediv pow matmul and_ or_ eq ne lt le gt ge floordiv mod".split():
    _plain = _name.rstrip("_")
    setattr(DeviceArray, f"__{_plain}__", _operator(getattr(operator, _name), False))
    if _name not in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(DeviceArray, f"__r{_plain}__", _operator(getattr(operator, _name), True))
for _name in "iadd isub imul itruediv iand ior ixor".split():

    def _in_place(self: DeviceArray, other: Any, function: Any = getattr(operator, _name)) -> Any:
        self._a = function(self._a, host(other))
        return self

    setattr(DeviceArray, f"__{_name}__", _in_place)
for _name in "neg invert abs".split():
    setattr(
        DeviceArray,
        f"__{_name}__",
        lambda self, function=getattr(operator, _name): wrap(function(self._a)),
    )


class Ufunc:
    """A ufunc of the device, with the methods that CuPy's have."""

    def __init__(self, name: str) -> None:
        self._f = getattr(np, name)

    def __call__(self, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        if len(args) > self._f.nin:
            args, out = args[: self._f.nin], args[-1]
        if out is not None:
            self._f(*map(host, args), out=host(out), **kwargs)
            return out
        return wrap(self._f(*map(host, args), **kwargs))

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        if self._f not in (np.add, np.multiply, np.maximum, np.minimum):
            raise NotImplementedError("CuPy reduces with add, multiply, maximum and minimum only")
        found = self._f.reduce(host(array), axis, dtype, host(out), keepdims)
        return out if out is not None else wrap(found)

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        self._f.at(host(a), host(indices), host(b))


UFUNCS = (
    "add subtract multiply true_divide power square negative absolute sign exp log sqrt sin cos "
    "tanh maximum minimum equal not_equal less less_equal greater greater_equal logical_and "
    "logical_or logical_not isnan isinf isfinite expm1 log1p "
    "logical_xor tan arctan reciprocal log2 log10 floor ceil rint trunc remainder floor_divide "
    "arcsin arccos sinh cosh arcsinh arccosh arctanh exp2 arctan2 hypot copysign logaddexp fmod "
    "bitwise_and bitwise_or bitwise_xor invert left_shift right_shift"
).split()
FUNCTIONS = (
    "where clip concatenate stack broadcast_to zeros ones full empty zeros_like ones_like "
    "argmax argmin all any take_along_axis nonzero arange eye linspace tile triu tril take "
    "may_share_memory ascontiguousarray "
    "cumsum cumprod argsort sort unique bincount searchsorted"
).split()


def _function(name: str) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out")
        found = getattr(np, name)(*map(host, args), **{k: host(v) for k, v in kwargs.items()})
        return out if out is not None else wrap(found)

    return call


def _linalg(name: str) -> Any:
    def call(*args: Any) -> Any:
        found = getattr(np.linalg, name)(*map(host, args))
        return wrap(tuple(found) if isinstance(found, tuple) else found)

    return call


LINALG = "inv solve det slogdet cholesky pinv svd".split()


DEFAULT, TF32 = 1, 7  # as CuPy numbers them
COMPUTE = {"float32": DEFAULT}  # how cuBLAS computes


def _set_compute_type(dtype: Any, kind: int) -> None:
    COMPUTE[np.dtype(dtype).name] = kind


def rounded_to_tf32(a: np.ndarray) -> np.ndarray:
    """The entries with 10 bits after the point."""
    bits = np.ascontiguousarray(a).view(np.uint32)
    return ((bits + 0xFFF + (bits >> 13 & 1)) & ~np.uint32(0x1FFF)).view(np.float32)


def _product(name: str) -> Any:
    """As cuBLAS: float16 is added in float32, two matrices of float32 may be TF32."""

    def call(a: Any, b: Any, out: Any = None) -> Any:
        x, y = host(a), host(b)
        if x.dtype == np.float16:
            found = getattr(np, name)(x.astype(np.float32), y.astype(np.float32)).astype(x.dtype)
        else:
            if x.dtype == np.float32 and x.ndim == y.ndim == 2 and COMPUTE["float32"] == TF32:
                x, y = rounded_to_tf32(x), rounded_to_tf32(y)
            found = getattr(np, name)(x, y)
        if out is None:
            return wrap(found)
        host(out)[...] = found
        return out

    return call


class _Grid:
    def __getitem__(self, key: Any) -> Any:
        return wrap(np.ogrid[key])


def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    np.copyto(host(dst), host(src), casting)


def _asarray(a: Any, dtype: Any = None, *, blocking: bool = False) -> Any:
    if isinstance(a, DeviceArray):
        return a if dtype is None or a.dtype == dtype else a.astype(dtype)
    COPIES["to the GPU"] += 1
    return DeviceArray(np.array(a, dtype))


def _asnumpy(a: DeviceArray, *, out: Any = None, blocking: bool = True) -> np.ndarray:
    COPIES["to the CPU"] += 1
    if out is None:
        return a._a.copy()
    out[...] = a._a
    return out


class Stream:
    """``cupy.cuda.Stream``: everything is done at once."""

    ptr, done, null = 7, True, None

    def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
        self.seen: list[str] = []

    def __enter__(self) -> Stream:
        CURRENT.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        CURRENT.pop()

    def synchronize(self) -> None:
        self.seen.append("synchronize")

    def record(self, event: Any) -> Any:
        self.seen.append("record")
        return event

    def wait_event(self, event: Any) -> None:
        self.seen.append("wait_event")


CURRENT = [Stream()]


class Event:
    """``cupy.cuda.Event``."""

    done = True

    def __init__(self, block: bool = False, disable_timing: bool = False) -> None:
        self.timed = not disable_timing

    def record(self, stream: Any = None) -> None:
        self.stream = stream

    def synchronize(self) -> None:
        pass


RUNTIME = SimpleNamespace(
    getDeviceCount=lambda: 1,
    driverGetVersion=lambda: 12040,
    runtimeGetVersion=lambda: 12090,
    memGetInfo=lambda: (3 << 30, 4 << 30),
    getDeviceProperties=lambda i: {
        "name": b"Double", "major": 9, "minor": 0, "totalGlobalMem": 4 << 30,
        "multiProcessorCount": 2,
    },
)  # fmt: skip


def make_cupy() -> SimpleNamespace:
    """The namespace ``xp`` of the double."""
    ALLOCATOR[0] = POOL.malloc
    return SimpleNamespace(
        **{name: Ufunc(name) for name in UFUNCS},
        **{name: _function(name) for name in FUNCTIONS},
        **{name: _product(name) for name in ("dot", "matmul")},
        linalg=SimpleNamespace(**{name: _linalg(name) for name in LINALG}),
        ndarray=DeviceArray,
        ogrid=_Grid(),
        copyto=_copyto,
        asarray=_asarray,
        asnumpy=_asnumpy,
        shares_memory=lambda a, b: np.shares_memory(host(a), host(b)),
        float32=np.float32,
        cuda=SimpleNamespace(
            get_current_stream=lambda: CURRENT[-1],
            runtime=RUNTIME,
            Device=lambda index=0: SimpleNamespace(
                synchronize=CURRENT[-1].synchronize, compute_capability="90"
            ),
            Stream=Stream,
            Event=Event,
            get_elapsed_time=lambda a, b: 1.5,
            get_allocator=lambda: ALLOCATOR[0],
            set_allocator=lambda allocator: ALLOCATOR.__setitem__(0, allocator),
            alloc_pinned_memory=lambda size: PinnedMemoryPointer(size),
            PinnedMemoryPointer=PinnedMemoryPointer,
        ),
        get_default_memory_pool=lambda: POOL,
        _core=SimpleNamespace(
            set_compute_type=_set_compute_type,
            _routines_linalg=SimpleNamespace(COMPUTE_TYPE_DEFAULT=DEFAULT, COMPUTE_TYPE_TF32=TF32),
        ),
        __version__="14.2.0",
    )
