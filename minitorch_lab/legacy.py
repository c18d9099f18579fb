"""The older names of tensors, by dtype: ``FloatTensor(2, 3)``, ``LongTensor([1, 2])``."""

from __future__ import annotations

from typing import Any

from . import dtypes
from .tensor import TYPES, Tensor, from_sizes_or_data


class TensorType(type):
    """A class whose instances are the tensors of one dtype, and which makes such tensors."""

    dtype: dtypes.DType

    def __call__(cls, *data: Any) -> Tensor:
        """Sizes give zeros; a list, an array or a tensor gives its entries as the dtype."""
        return from_sizes_or_data(data, cls.dtype)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype is cls.dtype


def _type(dtype: dtypes.DType) -> Any:
    name = TYPES[dtype]
    text = f"Tensors of dtype {dtype.name}: ``{name}(2, 3)``, ``{name}([1, 2])``."
    return TensorType(name, (), {"dtype": dtype, "__doc__": text, "__module__": __name__})


BoolTensor = _type(dtypes.bool_)
ByteTensor = _type(dtypes.uint8)
CharTensor = _type(dtypes.int8)
ShortTensor = _type(dtypes.int16)
IntTensor = _type(dtypes.int32)
LongTensor = _type(dtypes.int64)
HalfTensor = _type(dtypes.float16)
FloatTensor = _type(dtypes.float32)
DoubleTensor = _type(dtypes.float64)


def set_default_tensor_type(t: Any) -> None:
    """The older ``set_default_dtype``: with a type such as ``DoubleTensor``, or its name."""
    if isinstance(t, str):
        t = {name: dtype for dtype, name in TYPES.items()}.get(t.split(".")[-1], t)
    dtypes.set_default_dtype(t)


class _VariableType(type):
    def __call__(cls, data: Tensor, requires_grad: bool = False) -> Tensor:
        x = data.detach()
        return x.requires_grad_() if requires_grad else x

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor)


class Variable(metaclass=_VariableType):
    """The older name of a tensor with gradient: ``Variable(x, requires_grad=True)``."""
