"""Rows of a table, and class numbers as rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ArgumentError, DTypeError, LabError, describe
from ...op import current
from ...ops import elementwise as e
from ...ops import nn
from ...ops.movement import unsqueeze
from ...tensor import Tensor, as_tensor


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of ``weight`` whose numbers are in ``input``.

    Shapes: ``input`` any, int64; ``weight`` ``(rows, size)``; the result ``(*input, size)``. Row
    ``padding_idx`` gets no gradient. ``sparse`` is accepted, and the gradient is dense.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.embedding(lab.tensor([1, 1, 0]), lab.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [3., 4.],
            [1., 2.]])
    """
    if max_norm is not None or scale_grad_by_freq:
        raise NotSupported(
            "embedding: max_norm and scale_grad_by_freq are not supported\n"
            "  expected max_norm=None and scale_grad_by_freq=False"
        )
    return nn.embedding(input, weight, padding_row(padding_idx, weight))


class NotSupported(LabError, NotImplementedError):
    """An argument of PyTorch's that is not here."""


def padding_row(padding_idx: int | None, weight: Any) -> int | None:
    """The padding row counted from the start."""
    if padding_idx is None:
        return None
    rows = weight.shape[0]
    if not -rows <= padding_idx < rows:
        raise _PaddingError(
            f"embedding: padding_idx={padding_idx} is out of range\n"
            f"  weight  {weight.spec}\n  expected {-rows} to {rows - 1}"
        )
    return int(padding_idx) % rows


class _PaddingError(ArgumentError, AssertionError):
    """A padding row that the table does not have."""


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """For each class number a row with a 1 at its place and 0 elsewhere, int64.

    Shapes: any to ``(..., num_classes)``. Without ``num_classes`` there are as many as the
    largest number needs, which graph mode cannot know.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.one_hot(lab.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if tensor.dtype.np.kind not in "iu":
        raise DTypeError(
            f"one_hot: class numbers must be integers\n  tensor  {tensor.spec}\n"
            "  expected int64\n  convert with .long()"
        )
    if current().tracing:
        if num_classes < 0:
            current().refuse("one_hot without num_classes", "give num_classes")
    elif tensor.numel():
        low, high = int(tensor.min()), int(tensor.max())
        if low < 0 or (num_classes >= 0 and high >= num_classes):
            raise _ClassError(
                f"one_hot: a class number is out of range\n  tensor  {tensor.spec}\n"
                + (
                    f"  expected 0 or more, got {low}"
                    if low < 0
                    else f"  expected numbers below num_classes={num_classes}, got {high}\n"
                    f"  use num_classes={high + 1}"
                )
            )
        num_classes = high + 1 if num_classes < 0 else num_classes
    elif num_classes <= 0:
        raise _ClassError(
            f"one_hot: there is no class number\n  tensor  {tensor.spec}\n"
            f"  expected num_classes of 1 or more, got {describe(num_classes)}"
        )
    classes = as_tensor(np.arange(num_classes), device=tensor.device)
    return e.eq(unsqueeze(tensor, -1), classes).long()


class _ClassError(ArgumentError, RuntimeError):
    """A class number outside the classes."""


__all__ = ["NotSupported", "embedding", "one_hot", "padding_row"]
