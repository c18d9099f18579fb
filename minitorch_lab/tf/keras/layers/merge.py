"""Layers that make one of several inputs."""

from __future__ import annotations

from functools import reduce
from typing import Any

from ....errors import ArgumentError, ShapeError, describe
from ....ops import FUNCTIONS as OPS
from ....tensor import Tensor
from ..layer import Layer


class _Inputs(ShapeError, ArgumentError):
    """Inputs that cannot be merged; a ValueError in Keras."""


class Merge(Layer):
    """What takes a list of inputs. A subclass writes ``merge``."""

    least = 2

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Tensor:
        """One of all inputs."""
        if not isinstance(inputs, list | tuple) or len(inputs) < self.least:
            what = f"{len(inputs)} inputs" if isinstance(inputs, list) else describe(inputs)
            raise _Inputs(
                f"{type(self).__name__} {self.name!r}: got {what}\n"
                f"  expected a list of inputs, {self.least} or more: {self.name}([a, b])"
            )
        return self.merge(list(inputs))

    def merge(self, inputs: list[Tensor]) -> Tensor:
        """One of all inputs."""
        raise NotImplementedError(f"{type(self).__name__}: define def merge(self, inputs):")

    def _each(self, inputs: list[Tensor], op: Any) -> Tensor:
        try:
            return reduce(op, inputs)
        except ShapeError:
            raise _Inputs(
                f"{type(self).__name__} {self.name!r}: the inputs have different shapes\n"
                + "\n".join(f"  input {i}   {x.spec}" for i, x in enumerate(inputs))
                + "\n  expected one shape, or sizes of 1"
            ) from None


class Add(Merge):
    """The sum.

    >>> import numpy as np
    >>> Add()([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])]).numpy()
    array([[4., 6.]], dtype=float32)
    """

    def merge(self, inputs: list[Tensor]) -> Tensor:
        """The sum."""
        return self._each(inputs, OPS["add"])


class Subtract(Merge):
    """The first without the second."""

    def merge(self, inputs: list[Tensor]) -> Tensor:
        """The difference."""
        if len(inputs) != 2:
            raise _Inputs(f"Subtract {self.name!r}: expected 2 inputs, got {len(inputs)}")
        return self._each(inputs, OPS["sub"])


class Multiply(Merge):
    """The product of the entries."""

    def merge(self, inputs: list[Tensor]) -> Tensor:
        """The product."""
        return self._each(inputs, OPS["mul"])


class Average(Merge):
    """The mean."""

    def merge(self, inputs: list[Tensor]) -> Tensor:
        """The mean."""
        return self._each(inputs, OPS["add"]) / len(inputs)


class Maximum(Merge):
    """The larger one of the entries."""

    def merge(self, inputs: list[Tensor]) -> Tensor:
        """The largest."""
        return self._each(inputs, OPS["maximum"])


class Minimum(Merge):
    """The smaller one of the entries."""

    def merge(self, inputs: list[Tensor]) -> Tensor:
        """The smallest."""
        return self._each(inputs, OPS["minimum"])


class Concatenate(Merge):
    """One behind the other along ``axis``.

    >>> import numpy as np
    >>> Concatenate()([np.array([[1.0, 2.0]]), np.array([[3.0]])]).numpy()
    array([[1., 2., 3.]], dtype=float32)
    """

    least = 1

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def merge(self, inputs: list[Tensor]) -> Tensor:
        """The inputs in a row."""
        try:
            return OPS["cat"](inputs, self.axis)
        except (ShapeError, IndexError):
            raise _Inputs(
                f"Concatenate {self.name!r}: the inputs do not fit\n"
                + "\n".join(f"  input {i}   {x.spec}" for i, x in enumerate(inputs))
                + f"\n  expected the same sizes but for axis {self.axis}"
            ) from None


class Dot(Merge):
    """Products along one axis of each of two inputs, summed up.

    >>> import numpy as np
    >>> Dot(axes=1)([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])]).numpy()
    array([[11.]], dtype=float32)
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes, self.normalize = axes, normalize

    def merge(self, inputs: list[Tensor]) -> Tensor:
        """The sums of products."""
        if len(inputs) != 2:
            raise _Inputs(f"Dot {self.name!r}: expected 2 inputs, got {len(inputs)}")
        a, b = inputs
        i, j = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        i, j = i % a.ndim, j % b.ndim
        if self.normalize:
            a, b = (x / (x * x).sum(k, keepdim=True).sqrt() for x, k in ((a, i), (b, j)))
        if a.ndim == b.ndim == 2:
            return (a * b).sum(1, keepdim=True)
        left = [k for k in range(a.ndim) if k not in (0, i)]
        right = [k for k in range(b.ndim) if k not in (0, j)]
        n, size = a.shape[0], a.shape[i]
        rows = a.permute(0, *left, i).reshape(n, -1, size)
        columns = b.permute(0, j, *right).reshape(n, size, -1)
        out = rows @ columns
        return out.reshape(n, *(a.shape[k] for k in left), *(b.shape[k] for k in right))


def add(inputs: Any, **kwargs: Any) -> Any:
    """``Add`` as a function."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """``Subtract`` as a function."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """``Multiply`` as a function."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """``Average`` as a function."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """``Maximum`` as a function."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """``Minimum`` as a function."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """``Concatenate`` as a function."""
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """``Dot`` as a function."""
    return Dot(axes, **kwargs)(inputs)
