"""What a layer learns or remembers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...errors import ShapeError, describe
from ...nn import Parameter
from ...op import INTERPRETER
from ...tensor import NO_GRAD, Tensor, make, no_grad
from ..tensor import Styled

Shape = tuple[int | None, ...]


@contextmanager
def plainly() -> Iterator[None]:
    """Compute with real values and no tape, also where a graph is being traced."""
    token = INTERPRETER.set(NO_GRAD)
    try:
        yield
    finally:
        INTERPRETER.reset(token)


def convert(value: Any, dtype: Any = None) -> Tensor:
    """``value`` as a tensor, floats as float32 and whole numbers as int64; a tensor stays one.

    >>> convert([1.0, 2.0]).dtype, convert(np.arange(3, dtype="uint8")).dtype
    (lab.float32, lab.int64)
    """
    if isinstance(value, Tensor):
        wide = value.dtype.is_floating_point and value.dtype.name != "float32"
        return value.float() if wide else value
    return make(as_array(value))


def as_array(value: Any) -> np.ndarray[Any, Any]:
    """``value`` as a NumPy array with the dtypes of ``convert``; a tensor gives its entries."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.asarray(value, object)
    if array.dtype.kind == "f":
        return array.astype(np.float32, copy=False)
    if array.dtype.kind in "iub":
        return array if array.dtype == bool else array.astype(np.int64, copy=False)
    raise ShapeError(
        f"expected numbers, got {describe(value)}\n"
        + (
            "  rows of different lengths make no array: pad them"
            if array.dtype == object
            else f"  dtype  {array.dtype}\n  make numbers of them first, such as class numbers"
        )
    )


class Variable(Styled, Parameter):
    """A tensor that a layer keeps: weights that are learned, or not (``trainable=False``).

    >>> v = Variable([1.0, 2.0], name="v")
    >>> v.assign_add([1.0, 1.0]).numpy()
    array([2., 3.], dtype=float32)
    """

    __slots__ = ("constraint", "path", "regularizer")

    def __init__(
        self, initial_value: Any, trainable: bool = True, dtype: Any = None, name: str = "variable"
    ) -> None:
        with plainly():
            value = convert(initial_value, dtype)
            super().__init__(value.detach().clone(), trainable and value.dtype.is_floating_point)
        self.name = self.path = name
        self.regularizer: Any = None
        self.constraint: Any = None

    @property
    def trainable(self) -> bool:
        """Whether it is learned."""
        return self.requires_grad

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def value(self) -> Variable:
        """The variable itself, which is used like a tensor."""
        return self

    def numpy(self, *, force: bool = False) -> Any:
        """A copy of the entries."""
        return np.array(self.array if isinstance(self.array, np.ndarray) else self.array.get())

    def assign(self, value: Any) -> Variable:
        """Put other entries in place of these; ShapeError where there are more or fewer."""
        value = convert(value)
        if tuple(value.shape) != tuple(self.shape):
            raise ShapeError(
                f"assign(value): the shape of {self.path!r} stays\n  value     {value.spec}\n"
                f"  variable  {self.spec}\n  expected the shape {tuple(self.shape)}"
            )
        with no_grad():
            self.copy_(value)
        return self

    def assign_add(self, value: Any) -> Variable:
        """Add to the entries."""
        with no_grad():
            self.add_(convert(value))
        return self

    def assign_sub(self, value: Any) -> Variable:
        """Take from the entries."""
        with no_grad():
            self.sub_(convert(value))
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made: Any = super().__deepcopy__(memo)
        made.path, made.regularizer, made.constraint = self.path, self.regularizer, self.constraint
        return made

    def __repr__(self) -> str:
        return (
            f"<Variable path={self.path}, shape={tuple(self.shape)}, dtype={self.dtype.name}, "
            f"value={np.array2string(self.numpy(), separator=', ')}>"
        )
