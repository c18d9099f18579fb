"""Questions about tensors, dtypes and devices: ``numel``, ``result_type``."""

from __future__ import annotations

from typing import Any

from .device import Device, default_device
from .device import set_default_device as set_device
from .dtypes import DType, dtype_of, number_dtype, promote
from .errors import KindError, describe
from .tensor import Tensor, tensor


def _need_tensor(name: str, value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise KindError(f"{name}(input): expected a tensor, got {describe(value)}")
    return value


def is_tensor(value: Any) -> bool:
    """Whether ``value`` is a tensor."""
    return isinstance(value, Tensor)


def numel(input: Tensor) -> int:
    """How many entries.

    >>> numel(tensor([[1, 2, 3]]))
    3
    """
    return _need_tensor("numel", input).numel()


def is_floating_point(input: Tensor) -> bool:
    """Whether the entries are floating point numbers."""
    return _need_tensor("is_floating_point", input).is_floating_point()


def is_complex(input: Tensor) -> bool:
    """False: there are no complex numbers here."""
    return _need_tensor("is_complex", input).is_complex()


def is_nonzero(input: Tensor) -> bool:
    """Whether the one entry is not 0."""
    return bool(_need_tensor("is_nonzero", input))


def promote_types(type1: DType, type2: DType) -> DType:
    """The dtype of what two tensors of these dtypes make.

    >>> from minitorch_lab.dtypes import float32, int64
    >>> promote_types(int64, float32)
    lab.float32
    """
    return dtype_of(promote(dtype_of(type1).np, dtype_of(type2).np))


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The dtype of what two tensors, or a tensor and a number, make.

    >>> result_type(tensor([1, 2]), 1.0)
    lab.float32
    """
    if not isinstance(tensor1, Tensor):
        tensor1, tensor2 = tensor2, tensor1
    if not isinstance(tensor1, Tensor):  # two numbers
        return (tensor(tensor1) + tensor(tensor2)).dtype
    if not isinstance(tensor2, Tensor):
        return dtype_of(number_dtype(tensor2, tensor1.dtype.np))
    a, b = tensor1.dtype.np, tensor2.dtype.np
    return dtype_of(promote(a, b, tensor1.ndim, tensor2.ndim))


def get_default_device() -> Device:
    """The device of new tensors: of the innermost ``with lab.device(...)``, or the one set."""
    return default_device()


def set_default_device(device: Any) -> None:
    """Make new tensors on ``device`` from now on, in the whole process; None is the CPU.

    DeviceError, with the reason, where it is not there.

    >>> set_default_device("cpu")
    """
    set_device(Device("cpu" if device is None else device))
