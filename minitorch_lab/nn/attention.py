"""Attention as a layer."""

from __future__ import annotations

import math
from typing import Any

from .. import creation
from ..errors import ArgumentError, ShapeError
from ..ops import elementwise as e
from ..ops import reduce
from ..ops.linalg import product
from ..ops.movement import narrow, reshape, squeeze, transpose, unsqueeze
from ..tensor import Tensor
from . import functional as F
from . import init
from .functional.attention import causal
from .functional.sparse import NotSupported
from .layers import Linear
from .module import Module, Parameter


class _HeadError(ArgumentError, AssertionError):
    """Heads that do not divide the width."""


class MultiheadAttention(Module):
    """Attention in several heads, each with its own projections of query, key and value.

    Shapes: query ``(L, N, embed_dim)``, key ``(S, N, kdim)``, value ``(S, N, vdim)``, result
    ``(L, N, embed_dim)`` and the weights ``(N, L, S)``; with ``batch_first`` N comes first;
    without N, one sequence. Vaswani et al. (2017).
    """

    in_proj_weight: Any
    in_proj_bias: Any

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if add_bias_kv or add_zero_attn:
            raise NotSupported("MultiheadAttention: add_bias_kv and add_zero_attn must be False")
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise _HeadError(
                f"MultiheadAttention: num_heads={num_heads} must divide embed_dim={embed_dim}"
            )
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.head_dim = embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first = batch_first
        made = {"device": device, "dtype": dtype}

        def empty(*shape: int) -> Parameter:
            return Parameter(creation.empty(*shape, **made))

        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = empty(3 * embed_dim, embed_dim)
        else:
            self.in_proj_weight = None
            self.q_proj_weight = empty(embed_dim, embed_dim)
            self.k_proj_weight = empty(embed_dim, self.kdim)
            self.v_proj_weight = empty(embed_dim, self.vdim)
        self.in_proj_bias = empty(3 * embed_dim) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new first values of the projections."""
        if self.in_proj_weight is not None:
            init.xavier_uniform_(self.in_proj_weight)
        else:
            init.xavier_uniform_(self.q_proj_weight)
            init.xavier_uniform_(self.k_proj_weight)
            init.xavier_uniform_(self.v_proj_weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            if self.out_proj.bias is not None:
                init.zeros_(self.out_proj.bias)

    def _projected(self, query: Any, key: Any, value: Any) -> list[Any]:
        size, weight, bias = self.embed_dim, self.in_proj_weight, self.in_proj_bias
        if weight is not None and query is key and key is value:
            both = F.linear(query, weight, bias)
            return [narrow(both, -1, k * size, size) for k in range(3)]
        weights = (
            [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
            if weight is None
            else [narrow(weight, 0, k * size, size) for k in range(3)]
        )
        shifts = [None if bias is None else narrow(bias, 0, k * size, size) for k in range(3)]
        inputs = (query, key, value)
        return [F.linear(x, w, b) for x, w, b in zip(inputs, weights, shifts, strict=True)]

    def _heads(self, x: Any) -> Any:
        """``(N, L, E)`` as ``(N, heads, L, E / heads)``."""
        n, length, _ = x.shape
        return transpose(reshape(x, (n, length, self.num_heads, self.head_dim)), 1, 2)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The result and, with ``need_weights``, the weights.

        ``attn_mask`` ``(L, S)`` or ``(N heads, L, S)`` and ``key_padding_mask`` ``(N, S)`` are
        bool, True where nobody looks, or float, added to the scores. ``is_causal`` without
        ``attn_mask`` makes the mask that hides what is ahead.
        """
        if not query.ndim == key.ndim == value.ndim or query.ndim not in (2, 3):
            raise ShapeError(
                "MultiheadAttention: query, key and value need 2 or 3 dimensions\n"
                f"  query  {query.spec}\n  key    {key.spec}\n  value  {value.spec}"
            )
        single = query.ndim == 2
        q, k, v = query, key, value
        same = query is key and key is value
        if single:
            q, k, v = (unsqueeze(x, 0) for x in (q, k, v))
            if key_padding_mask is not None:
                key_padding_mask = unsqueeze(key_padding_mask, 0)
        elif not self.batch_first:
            q, k, v = (transpose(x, 0, 1) for x in (q, k, v))
        if same:
            k = v = q
        q, k, v = (self._heads(x) for x in self._projected(q, k, v))
        n, length, source = q.shape[0], q.shape[2], k.shape[2]
        scores = product(q * (1 / math.sqrt(self.head_dim)), transpose(k, -1, -2))
        if attn_mask is None and is_causal:
            attn_mask = e.logical_not(causal(length, source, query.device))
        if attn_mask is not None:
            if attn_mask.ndim == 3:
                attn_mask = reshape(attn_mask, (n, self.num_heads, length, source))
            scores = _hidden(scores, attn_mask)
        if key_padding_mask is not None:
            scores = _hidden(scores, reshape(key_padding_mask, (n, 1, 1, source)))
        weights = F.softmax(scores, -1)
        mixed = product(F.dropout(weights, self.dropout, self.training), v)
        out = self.out_proj(reshape(transpose(mixed, 1, 2), (n, length, self.embed_dim)))
        if single:
            out = squeeze(out, 0)
        elif not self.batch_first:
            out = transpose(out, 0, 1)
        if not need_weights:
            return out, None
        shown = reduce.mean(weights, 1) if average_attn_weights else weights
        return out, squeeze(shown, 0) if single else shown


def _hidden(scores: Any, mask: Any) -> Any:
    """The scores with minus infinity where a bool mask is True, or plus a float mask."""
    if mask.dtype.np.kind == "b":
        return e.where(mask, -math.inf, scores)
    return scores + mask
