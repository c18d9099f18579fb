"""The dtypes, with PyTorch's names, and what they become when they meet.

A ``DType`` wraps the NumPy dtype that CuPy shares. Promotion follows PyTorch: a Python number
never widens a tensor of its kind, an int tensor with a float number becomes the default float.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import KindError

BOOL, INT, FLOAT = 0, 1, 2  # the kinds that promotion ranks


class DType:
    """A data type, such as ``float32``.

    >>> float32, float32.itemsize, float32.is_floating_point
    (lab.float32, 4, True)
    """

    __slots__ = ("is_floating_point", "itemsize", "kind", "name", "np")

    def __init__(self, name: str, kind: int) -> None:
        self.name = name
        self.np = np.dtype(name)
        self.kind = kind
        self.is_floating_point = kind == FLOAT
        self.itemsize = self.np.itemsize

    def __repr__(self) -> str:
        return f"lab.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:  # so that copies are the same object
        return (dtype_of, (self.name,))


bool_ = DType("bool", BOOL)
uint8 = DType("uint8", INT)
int8 = DType("int8", INT)
int16 = short = DType("int16", INT)
int32 = DType("int32", INT)
int64 = long = DType("int64", INT)
float16 = half = DType("float16", FLOAT)
float32 = DType("float32", FLOAT)
float64 = double = DType("float64", FLOAT)

ALL = (bool_, uint8, int8, int16, int32, int64, float16, float32, float64)
_BY_NP = {dtype.np: dtype for dtype in ALL}
_default = float32


def dtype_of(like: Any) -> DType:
    """The ``DType`` for a NumPy dtype, a name, a Python type or a ``DType`` itself.

    >>> import numpy as np
    >>> dtype_of(np.float32), dtype_of("int64")
    (lab.float32, lab.int64)
    """
    if isinstance(like, DType):
        return like if like.__class__ is DType else _BY_NP[like.np]
    if isinstance(like, type) and isinstance(getattr(like, "dtype", None), DType):
        return dtype_of(vars(like)["dtype"])  # a type of tensors, such as FloatTensor
    found = _BY_NP.get(like) if isinstance(like, np.dtype) else None
    if found is None:
        try:
            found = _BY_NP.get(np.dtype(like))
        except TypeError:
            raise KindError(f"dtype: expected a dtype such as lab.float32, got {like!r}") from None
    if found is None:
        names = ", ".join(dtype.name for dtype in ALL)
        raise KindError(f"dtype {np.dtype(like)} is not supported\n  expected one of {names}")
    return found


def get_default_dtype() -> DType:
    """The dtype of a float tensor made from Python numbers; float32 until changed."""
    return _default


def set_default_dtype(dtype: DType) -> None:
    """Set the dtype of float tensors made from Python numbers.

    >>> set_default_dtype(float32)
    """
    global _default
    dtype = dtype_of(dtype)
    if not dtype.is_floating_point:
        raise KindError(
            f"set_default_dtype(dtype): got {dtype.name}\n  expected a float dtype: "
            "float16, float32 or float64"
        )
    _default = dtype


def number_dtype(number: Any, like: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of ``tensor op number`` for a tensor of dtype ``like`` and a Python number."""
    kind = _BY_NP[like].kind
    if isinstance(number, np.bool_ | _PYTHON_BOOL) or kind == FLOAT:
        return like
    if isinstance(number, _PYTHON_INT):
        return int64.np if kind == BOOL else like
    return _default.np


def promote(a: np.dtype[Any], b: np.dtype[Any], a_ndim: int = 1, b_ndim: int = 1) -> np.dtype[Any]:
    """The dtype of ``a op b`` for tensors: a 0-d tensor gives way unless its kind is higher.

    >>> import numpy as np
    >>> str(promote(np.dtype("int64"), np.dtype("float32")))
    'float32'
    """
    if a == b:
        return a
    ka, kb = _BY_NP[a].kind, _BY_NP[b].kind
    if (a_ndim == 0) != (b_ndim == 0):  # one of the two is 0-d
        if a_ndim == 0:
            a, b, ka, kb = b, a, kb, ka
        if ka >= kb:
            return a
        return b
    if ka != kb and FLOAT in (ka, kb):  # PyTorch: int64 with float32 is float32
        return a if ka == FLOAT else b
    return np.promote_types(a, b)


def can_cast(from_: Any, to: Any) -> Any:
    """Whether a result of one dtype may be kept in a tensor of another: no kind is lost.

    >>> can_cast(int64, float32), can_cast(float32, int64)
    (True, False)
    """
    return dtype_of(from_).kind <= dtype_of(to).kind


_PYTHON_BOOL, _PYTHON_INT = bool, int


def is_float(dtype: np.dtype[Any]) -> Any:
    """Whether a NumPy dtype is a floating point one."""
    return dtype.kind == "f"


class finfo:
    """The limits of a float dtype.

    >>> finfo(float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, dtype: Any = None) -> None:
        kind = _default if dtype is None else dtype_of(dtype)
        if kind.kind != FLOAT:
            raise KindError(f"finfo(dtype): expected a float dtype, got {kind.name}; use iinfo")
        known = np.finfo(kind.np)
        self.dtype, self.bits = kind.name, known.bits
        self.eps, self.max, self.min = float(known.eps), float(known.max), float(known.min)
        self.tiny = self.smallest_normal = float(known.tiny)
        self.resolution = float(known.resolution)

    def __repr__(self) -> str:
        return f"finfo({', '.join(f'{k}={v}' for k, v in vars(self).items())})"


class iinfo:
    """The limits of an integer dtype.

    >>> iinfo(uint8).max
    255
    """

    def __init__(self, dtype: Any) -> None:
        kind = dtype_of(dtype)
        if kind.kind != INT:
            raise KindError(f"iinfo(dtype): expected an integer dtype, got {kind.name}; use finfo")
        known = np.iinfo(kind.np)
        self.dtype, self.bits, self.min, self.max = kind.name, known.bits, known.min, known.max

    def __repr__(self) -> str:
        return f"iinfo({', '.join(f'{k}={v}' for k, v in vars(self).items())})"
