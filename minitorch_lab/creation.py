"""Making tensors from shapes and from the generator, with PyTorch's names and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes
from . import random as generators
from .device import Device, namespace_for
from .dtypes import DType
from .errors import ArgumentError, KindError, describe
from .op import current
from .ops.rules import shape_of_args
from .random import Generator
from .tensor import Tensor, make


def _made(array: Any, device: Any, requires_grad: bool) -> Tensor:
    if device is not None:
        array = namespace_for(Device(device)).asarray(array)
    out: Tensor = current().constant(array)
    return out.requires_grad_() if requires_grad else out


def _np(dtype: DType | None) -> np.dtype[Any]:
    return (dtypes.get_default_dtype() if dtype is None else dtypes.dtype_of(dtype)).np


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    shape = shape_of_args(size, "size")
    if any(n < 0 for n in shape):
        raise ArgumentError(f"size: expected sizes of 0 or more, got {shape}")
    return shape


def zeros(
    *size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of zeros.

    >>> zeros(2)
    tensor([0., 0.])
    """
    return _made(np.zeros(_shape(size), _np(dtype)), device, requires_grad)


def ones(
    *size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of ones."""
    return _made(np.ones(_shape(size), _np(dtype)), device, requires_grad)


def empty(
    *size: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor to be filled; it holds zeros until then, so that nothing differs by chance."""
    return zeros(*size, dtype=dtype, device=device, requires_grad=requires_grad)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of one number: int64 for an int, the default float for a float."""
    if dtype is None and isinstance(fill_value, int):
        dtype = dtypes.bool_ if isinstance(fill_value, bool) else dtypes.int64
    shape = _shape(tuple(size) if isinstance(size, (tuple, list)) else (size,))
    return _made(np.full(shape, fill_value, _np(dtype)), device, requires_grad)


def _like(input: Tensor, dtype: DType | None, device: Any) -> dict[str, Any]:
    if not isinstance(input, Tensor):
        raise KindError(f"expected a tensor, got {describe(input)}")
    return {
        "dtype": input.dtype if dtype is None else dtype,
        "device": input.device if device is None else device,
    }


def zeros_like(input: Tensor, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """Zeros in the shape, dtype and device of ``input``."""
    return zeros(tuple(input.shape), **_like(input, dtype, device))


def ones_like(input: Tensor, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """Ones in the shape, dtype and device of ``input``."""
    return ones(tuple(input.shape), **_like(input, dtype, device))


def full_like(
    input: Tensor, fill_value: Any, *, dtype: DType | None = None, device: Any = None
) -> Tensor:
    """One number in the shape, dtype and device of ``input``."""
    return full(tuple(input.shape), fill_value, **_like(input, dtype, device))


def eye(n: int, m: int | None = None, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """The identity matrix ``(n, m)``."""
    return _made(np.eye(n, m, dtype=_np(dtype)), device, False)


def arange(
    *bounds: Any, dtype: DType | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Numbers from start to before end: ``arange(end)``, ``arange(start, end, step)``.

    >>> arange(3)
    tensor([0, 1, 2])
    """
    if not 1 <= len(bounds) <= 3:
        raise KindError(f"arange: expected 1 to 3 numbers, got {len(bounds)}")
    if dtype is None and all(isinstance(v, int) for v in bounds):
        dtype = dtypes.int64
    start, end, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    if step == 0:
        raise ArgumentError("arange: step must not be 0")
    count = max(0, int(np.ceil((end - start) / step)))
    wide = np.arange(count) * step + start
    return _made(wide.astype(_np(dtype)), device, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: DType | None = None, device: Any = None
) -> Tensor:
    """``steps`` numbers from start to end, both included, equally far apart."""
    return _made(np.linspace(start, end, steps).astype(_np(dtype)), device, False)


# Random ------------------------------------------------------------------------------------


def _generator(generator: Generator | None) -> Generator:
    return generators.default_generator if generator is None else generator


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers from 0 to below 1: PyTorch's CPU numbers for the same seed."""
    drawn = _generator(generator).uniform(_shape(size), dtype=_np(dtype).name)
    return _made(drawn, device, requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers with mean 0 and deviation 1: PyTorch's CPU numbers for the same seed."""
    drawn = _generator(generator).normal(_shape(size), dtype=_np(dtype).name)
    return _made(drawn, device, requires_grad)


def randint(
    *args: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: DType = dtypes.int64,
    device: Any = None,
) -> Tensor:
    """Integers from low to below high: ``randint(high, size)`` or ``randint(low, high, size)``."""
    numbers, size = (args, size) if size is not None else (args[:-1], args[-1] if args else None)
    if not 1 <= len(numbers) <= 2 or not isinstance(size, (tuple, list)):
        raise KindError("randint: expected (high, size) or (low, high, size), size a tuple")
    low, high = (0, numbers[0]) if len(numbers) == 1 else numbers
    drawn = _generator(generator).randint(low, high, _shape(tuple(size)), _np(dtype).name)
    return _made(drawn, device, False)


def randperm(
    n: int, *, generator: Generator | None = None, dtype: DType = dtypes.int64, device: Any = None
) -> Tensor:
    """The numbers 0 to n - 1 in random order."""
    return _made(_generator(generator).randperm(n, _np(dtype).name), device, False)


def rand_like(input: Tensor, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """Uniform numbers in the shape, dtype and device of ``input``."""
    return rand(tuple(input.shape), **_like(input, dtype, device))


def randn_like(input: Tensor, *, dtype: DType | None = None, device: Any = None) -> Tensor:
    """Normal numbers in the shape, dtype and device of ``input``."""
    return randn(tuple(input.shape), **_like(input, dtype, device))


__all__ = [
    "arange",
    "empty",
    "eye",
    "full",
    "full_like",
    "linspace",
    "make",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "zeros",
    "zeros_like",
]
