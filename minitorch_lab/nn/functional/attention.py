"""Attention: each query takes a weighted mean of the values whose keys are like it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...ops import elementwise as e
from ...ops.linalg import product
from ...ops.movement import transpose
from ...ops.reduce import softmax
from ...tensor import Tensor, as_tensor
from .drop import dropout
from .sparse import NotSupported


def causal(rows: int, columns: int, device: Any) -> Tensor:
    """True where a query may look: at its own place and before it. Shape ``(rows, columns)``."""
    return as_tensor(np.tri(rows, columns, dtype=bool), device=device)


def masked(scores: Any, mask: Any) -> Any:
    """The scores with minus infinity where a bool mask is False, or plus a float mask."""
    if mask is None:
        return scores
    if mask.dtype.np.kind == "b":
        return e.where(mask, scores, -math.inf)
    return scores + mask


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    r""":math:`\operatorname{softmax}(Q K^\top / \sqrt E)\, V`.

    Shapes: query ``(..., L, E)``, key ``(..., S, E)``, value ``(..., S, F)``, result
    ``(..., L, F)``. ``attn_mask`` broadcasts to ``(..., L, S)``: bool, True where a query may
    look, or float, added to the scores. With ``is_causal`` no query looks ahead. Vaswani et al.
    (2017). Dropout is applied whenever ``dropout_p`` is above 0.
    """
    name = "scaled_dot_product_attention"
    if enable_gqa:
        raise NotSupported(f"{name}: enable_gqa=True is not supported\n  repeat the key heads")
    if is_causal and attn_mask is not None:
        raise _MaskError(f"{name}: attn_mask and is_causal are both given\n  expected one of them")
    if query.ndim < 2 or key.ndim < 2 or value.ndim < 2 or query.shape[-1] != key.shape[-1]:
        raise ShapeError(
            f"{name}: query, key and value do not fit\n  query  {query.spec}\n"
            f"  key    {key.spec}\n  value  {value.spec}\n"
            "  expected (..., L, E), (..., S, E) and (..., S, F)"
        )
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    if is_causal:
        attn_mask = causal(query.shape[-2], key.shape[-2], query.device)
    scores = product(query * factor, transpose(key, -1, -2))
    weights = softmax(masked(scores, attn_mask), -1)
    return product(dropout(weights, dropout_p), value)


class _MaskError(ArgumentError, RuntimeError):
    """Two masks at once."""
