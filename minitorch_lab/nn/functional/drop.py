"""Dropout."""

from __future__ import annotations

import math

from ... import creation
from ...errors import ArgumentError, KindError, ShapeError, describe
from ...ops import random
from ...tensor import Tensor


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each entry with probability ``p`` while training, and scale the rest up.

    With ``inplace`` the result is the same, and ``input`` keeps its entries all the same.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.dropout(lab.ones(1000), 0.25).unique()
    tensor([0.0000, 1.3333])
    >>> F.dropout(lab.ones(3), 0.25, training=False)
    tensor([1., 1., 1.])
    """
    check_probability(p)
    if not isinstance(input, Tensor):
        raise KindError(
            f"dropout(input): input is not a tensor\n  expected a tensor, got {describe(input)}\n"
            "  lab.tensor(x) makes one from numbers, lists and arrays"
        )
    if not training or p == 0:
        return input
    return random.dropout(input, p)


def _channels(name: str, input: Tensor, p: float, training: bool, ndims: tuple[int, ...]) -> Tensor:
    """Whole channels dropped: one draw for each, spread over its places."""
    check_probability(p)
    if input.ndim not in ndims:
        expected = " or ".join(map(str, ndims))
        raise ShapeError(
            f"{name}: input has {input.ndim} dimensions\n  input  {input.spec}\n"
            f"  expected {expected}"
        )
    if not training or p == 0:
        return input
    lead = tuple(input.shape)[: 1 if input.ndim == ndims[0] and len(ndims) > 1 else 2]
    shape = lead + (1,) * (input.ndim - len(lead))
    ones = creation.ones(shape, dtype=input.dtype, device=input.device)
    return input * random.dropout(ones, p)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels with probability ``p`` while training, and scale the rest up.

    Shapes: ``(N, C, L)`` or ``(C, L)``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> _ = lab.manual_seed(0)
    >>> F.dropout1d(lab.ones(1, 4, 3))
    tensor([[[0., 0., 0.],
             [0., 0., 0.],
             [2., 2., 2.],
             [0., 0., 0.]]])
    """
    return _channels("dropout1d", input, p, training, (2, 3))


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels with probability ``p`` while training, and scale the rest up.

    Shapes: ``(N, C, H, W)``; as in PyTorch, three dimensions are ``(N, C, L)``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> _ = lab.manual_seed(0)
    >>> F.dropout2d(lab.ones(1, 4, 2, 2)).sum((2, 3))
    tensor([[0., 0., 8., 0.]])
    """
    if input.ndim == 3:
        return _channels("dropout2d", input, p, training, (3,))
    return _channels("dropout2d", input, p, training, (4,))


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout for ``selu``: entries become its lowest value; mean and variance stay.

    Klambauer et al. (2017). Shapes: any.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> F.alpha_dropout(lab.tensor([1.0, 2.0]), training=False)
    tensor([1., 2.])
    """
    check_probability(p)
    if not training or p == 0:
        return input
    low = -1.7580993408473766  # what selu tends to for large negative numbers
    if p == 1:
        return input * 0.0
    ones = creation.ones(tuple(input.shape), dtype=input.dtype, device=input.device)
    keep = random.dropout(ones, p) * (1 - p)
    scale = 1 / math.sqrt((1 - p) * (1 + p * low * low))
    dropped = input * keep + (1 - keep) * low
    return dropped * scale - scale * p * low


def check_probability(p: float) -> None:
    """ArgumentError unless ``p`` is a number from 0 to 1."""
    if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ArgumentError(f"dropout: p={p!r}\n  expected a probability from 0 to 1")
