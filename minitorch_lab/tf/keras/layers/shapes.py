"""Layers that lay entries out anew."""

from __future__ import annotations

import math
from typing import Any

from ....errors import ArgumentError, ShapeError
from ....nn import functional as F
from ....tensor import Tensor
from ..layer import Layer, need_positive
from .places import pair


class _ShapeSize(ShapeError, ArgumentError):
    """Sizes that do not fit; a ValueError in Keras."""


class Reshape(Layer):
    """Each example in another shape; one size may be -1.

    >>> Reshape((7, -1)).compute_output_shape((None, 28))
    (None, 7, 4)
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs in their new shape."""
        size, wanted = math.prod(inputs.shape[1:]), math.prod(n for n in self.target_shape if n > 0)
        if size % max(wanted, 1) or (-1 not in self.target_shape and size != wanted):
            raise _ShapeSize(
                f"Reshape {self.name!r}: the sizes differ\n"
                f"  an example    {tuple(inputs.shape[1:])}, {size} entries\n"
                f"  target_shape  {self.target_shape}, {wanted} entries\n"
                "  expected as many entries in both; one size may be -1"
            )
        return inputs.reshape(inputs.shape[0], *self.target_shape)


class Permute(Layer):
    """The axes of each example in another order, counted from 1.

    >>> Permute((2, 1)).compute_output_shape((None, 10, 64))
    (None, 64, 10)
    """

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != [*range(1, len(self.dims) + 1)]:
            raise ArgumentError(
                f"Permute(dims): got {self.dims}\n"
                f"  expected each of 1 to {len(self.dims)} once; the batch stays where it is"
            )

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs with their axes in this order."""
        return inputs.permute(0, *self.dims)


class RepeatVector(Layer):
    """A row ``n`` times: ``(N, a)`` to ``(N, n, a)``."""

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        need_positive("RepeatVector(n)", n)
        self.n = n

    def call(self, inputs: Tensor) -> Tensor:
        """The rows below each other."""
        return inputs.reshape(inputs.shape[0], 1, -1).expand(-1, self.n, -1)


class ZeroPadding2D(Layer):
    """Zeros around pictures ``(N, H, W, C)``.

    ``padding`` is a number, a pair for height and width, or ``((top, bottom), (left, right))``.
    """

    def __init__(self, padding: Any = (1, 1), data_format: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        given = (padding, padding) if isinstance(padding, int) else padding
        self.padding = tuple((p, p) if isinstance(p, int) else tuple(p) for p in given)

    def call(self, inputs: Tensor) -> Tensor:
        """The pictures with a frame."""
        (top, bottom), (left, right) = self.padding
        return F.pad(inputs, (0, 0, left, right, top, bottom))


class UpSampling2D(Layer):
    """Each place of pictures ``(N, H, W, C)`` several times: ``size`` in height and width."""

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: Any = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if interpolation != "nearest":
            raise ArgumentError(
                f"UpSampling2D(interpolation): got {interpolation!r}\n  expected 'nearest'"
            )
        self.size = pair("UpSampling2D(size)", size)

    def call(self, inputs: Tensor) -> Tensor:
        """Larger pictures."""
        n, h, w, c = inputs.shape
        rows, columns = self.size
        wide = inputs.reshape(n, h, 1, w, 1, c).expand(n, h, rows, w, columns, c)
        return wide.reshape(n, h * rows, w * columns, c)
