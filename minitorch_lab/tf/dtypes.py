"""The dtypes under TensorFlow's names and with its printing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..errors import KindError


class DType(dtypes.DType):
    """A dtype of the engine that prints as TensorFlow's and equals its name.

    >>> float32, str(float32), float32 == "float32", float32 == np.float32
    (tf.float32, "<dtype: 'float32'>", True, True)
    """

    __slots__ = ("plain",)

    def __init__(self, plain: dtypes.DType) -> None:
        super().__init__(plain.name, plain.kind)
        self.plain = plain

    @property
    def as_numpy_dtype(self) -> Any:
        """NumPy's type of such a number."""
        return self.np.type

    @property
    def base_dtype(self) -> DType:
        """The dtype itself."""
        return self

    @property
    def is_floating(self) -> bool:
        """Whether the entries are floating point numbers."""
        return self.is_floating_point

    @property
    def is_integer(self) -> bool:
        """Whether the entries are whole numbers."""
        return self.kind == dtypes.INT

    @property
    def is_bool(self) -> bool:
        """Whether the entries are True and False."""
        return self.kind == dtypes.BOOL

    @property
    def size(self) -> int:
        """Bytes of one entry."""
        return self.itemsize

    @property
    def min(self) -> Any:
        """The least number."""
        return np.finfo(self.np).min if self.is_floating_point else np.iinfo(self.np).min

    @property
    def max(self) -> Any:
        """The largest number."""
        return np.finfo(self.np).max if self.is_floating_point else np.iinfo(self.np).max

    def __eq__(self, other: object) -> bool:
        if isinstance(other, dtypes.DType):
            return self.np is other.np
        try:
            return bool(self.np == other)
        except TypeError:
            return False

    def __hash__(self) -> int:
        return hash(self.plain)

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: '{self.name}'>"

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)


_ALL = {dtype.np: DType(dtype) for dtype in dtypes.ALL}
bool_ = _ALL[np.dtype(bool)]
uint8, int8, int16, int32, int64, float16, float32, float64 = (
    _ALL[np.dtype(name)]
    for name in ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
)
half, double = float16, float64


def as_dtype(type_value: Any) -> DType:
    """The dtype of a name, of a NumPy or Python type, or of a dtype itself.

    >>> as_dtype("float32"), as_dtype(np.int64), as_dtype(float)
    (tf.float32, tf.int64, tf.float32)
    """
    if isinstance(type_value, dtypes.DType):
        return _ALL[type_value.np]
    if isinstance(type_value, type) and type_value in _PYTHON:
        return _PYTHON[type_value]
    name = _OTHER_NAMES.get(type_value, type_value) if isinstance(type_value, str) else type_value
    try:
        return _ALL[dtypes.dtype_of(name).np]
    except KindError as error:
        raise KindError(str(error).replace("lab.", "tf.")) from None


_PYTHON = {float: float32, int: int32, bool: bool_}
_OTHER_NAMES = {"float": "float32", "half": "float16", "double": "float64"}
