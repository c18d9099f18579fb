"""Attention: each query takes a weighted mean of the values whose keys are like it."""

from __future__ import annotations

import math
from typing import Any

from ... import dtypes
from ...creation import ones
from ...errors import ArgumentError, DTypeError, ShapeError
from ...op import Mismatch, autocast
from ...ops import elementwise as e
from ...ops import reduce
from ...ops.indexing import repeat_interleave
from ...ops.linalg import product
from ...ops.movement import transpose, tril
from ...ops.reduce import softmax
from ...ops.rules import broadcast_shapes
from ...tensor import Tensor
from .drop import dropout

_NAME = "scaled_dot_product_attention"


def causal(rows: int, columns: int, device: Any) -> Tensor:
    """True where a query may look: at its own place and before it. Shape ``(rows, columns)``."""
    return tril(ones(rows, columns, dtype=dtypes.bool_, device=device))  # ops: sizes may be open


def masked(scores: Any, mask: Any) -> Any:
    """The scores with minus infinity where a bool mask is False, or plus a float mask."""
    if mask.dtype.np.kind == "b":
        # The mask is smaller than the scores, and an addition costs backward nothing.
        mask = e.to_dtype(e.where(mask, 0.0, -math.inf), scores.dtype)
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
    look, or float, added to the scores; a query that may look nowhere gets zeros. With
    ``is_causal`` no query looks ahead. With ``enable_gqa`` each of the fewer heads of key and
    value serves several heads of query (dimension -3). Dropout is applied whenever ``dropout_p``
    is above 0. Vaswani et al. (2017); Ainslie et al. (2023) for the shared heads.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> x = lab.tensor([[0.0, 1.0], [2.0, 3.0]])
    >>> F.scaled_dot_product_attention(x, x, x, is_causal=True)
    tensor([[0.0000, 1.0000],
            [1.9983, 2.9983]])
    """
    if is_causal and attn_mask is not None:
        raise _MaskError(f"{_NAME}: attn_mask and is_causal are both given\n  expected one of them")
    query, key, value, attn_mask = autocast("low", query, key, value, attn_mask)
    _check(query, key, value)
    if enable_gqa:
        key, value = _shared(query, key, value)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = product(query * factor, transpose(key, -1, -2))
    if attn_mask is None:
        if is_causal:
            scores = masked(scores, causal(query.shape[-2], key.shape[-2], query.device))
        return product(dropout(softmax(scores, -1), dropout_p), value)
    _check_mask(scores, attn_mask)
    hidden = e.logical_not(attn_mask) if _is_bool(attn_mask) else e.eq(attn_mask, -math.inf)
    # A row without any key would be 0 / 0: it looks at all keys, and its result is set to zeros.
    blind = reduce.all(hidden, -1, keepdim=True)
    shown = e.logical_or(attn_mask, blind) if _is_bool(attn_mask) else e.where(blind, 0, attn_mask)
    weights = softmax(masked(scores, shown), -1)
    return e.masked_fill(product(dropout(weights, dropout_p), value), blind, 0)


def _is_bool(mask: Any) -> Any:
    return mask.dtype.np.kind == "b"


def _check(query: Any, key: Any, value: Any) -> None:
    fits = (
        min(query.ndim, key.ndim, value.ndim) >= 2
        and query.shape[-1] == key.shape[-1]
        and key.shape[-2] == value.shape[-2]
    )
    if not fits:
        raise ShapeError(
            f"{_NAME}: query, key and value do not fit\n  query  {query.spec}\n"
            f"  key    {key.spec}\n  value  {value.spec}\n"
            "  expected (..., L, E), (..., S, E) and (..., S, F)"
        )


def _check_mask(scores: Any, mask: Any) -> None:
    """The mask is bool or of the scores' dtype, and broadcasts to their shape."""
    if not _is_bool(mask) and mask.dtype != scores.dtype:
        raise DTypeError(
            f"{_NAME}: attn_mask has a wrong dtype\n  attn_mask  {mask.spec}\n"
            f"  expected bool, True where a query may look, or {scores.dtype.name}, added to the "
            "scores\n  convert with .bool() or .to(query.dtype)"
        )
    target = tuple(scores.shape)
    try:
        fits = broadcast_shapes(tuple(mask.shape), target) == target
    except Mismatch:
        fits = False
    if not fits:
        raise ShapeError(
            f"{_NAME}: attn_mask has a wrong shape\n  attn_mask  {mask.spec}\n"
            f"  expected {target}, or a shape that broadcasts to it"
        )


def _shared(query: Any, key: Any, value: Any) -> list[Any]:
    """Key and value with each head repeated, until there are as many as in the query."""
    heads = [x.shape[-3] if x.ndim > 2 else 0 for x in (query, key, value)]
    if not all(heads) or heads[0] % heads[1] or heads[0] % heads[2]:
        raise ShapeError(
            f"{_NAME}(enable_gqa=True): the heads do not fit\n  query  {query.spec}\n"
            f"  key    {key.spec}\n  value  {value.spec}\n"
            "  expected (..., heads, length, size), and heads of query that are a multiple of the "
            f"heads of key and value, got {heads[0]}, {heads[1]} and {heads[2]}"
        )
    return [
        x if n == heads[0] else repeat_interleave(x, heads[0] // n, -3)
        for x, n in ((key, heads[1]), (value, heads[2]))
    ]


class _MaskError(ArgumentError, RuntimeError):
    """Two masks at once."""
