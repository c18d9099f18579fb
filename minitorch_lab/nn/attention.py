"""Attention as a layer."""

from __future__ import annotations

import math
from typing import Any

from .. import creation
from ..errors import ArgumentError, DTypeError, ShapeError
from ..ops import elementwise as e
from ..ops import reduce
from ..ops.linalg import product
from ..ops.movement import cat, narrow, reshape, squeeze, transpose, unsqueeze
from ..tensor import Tensor
from . import functional as F
from . import init
from .functional.attention import causal
from .layers import Linear
from .module import Module, Parameter


class _HeadError(ArgumentError, AssertionError):
    """Heads that do not divide the width."""


class _FitError(ShapeError, AssertionError):
    """Inputs or masks that do not fit; PyTorch has RuntimeError for some, assert for others."""


class _MaskKindError(DTypeError, AssertionError):
    """A mask that is neither bool nor float."""


class MultiheadAttention(Module):
    """Attention in several heads, each with its own projections of query, key and value.

    Shapes: query ``(L, N, embed_dim)``, key ``(S, N, kdim)``, value ``(S, N, vdim)``, result
    ``(L, N, embed_dim)`` and the weights ``(N, L, S)``; with ``batch_first`` N comes first;
    without N, one sequence. ``add_bias_kv`` appends a learned key and value to every sequence,
    ``add_zero_attn`` a key and value of zeros. Vaswani et al. (2017).

    >>> layer = MultiheadAttention(4, 2, batch_first=True)
    >>> x = creation.ones(3, 5, 4)
    >>> out, weights = layer(x, x, x)
    >>> out.shape, weights.shape
    (Size([3, 5, 4]), Size([3, 5, 5]))
    """

    in_proj_weight: Any
    in_proj_bias: Any
    bias_k: Any
    bias_v: Any

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
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise _HeadError(
                f"MultiheadAttention: num_heads={num_heads} must divide embed_dim={embed_dim}"
            )
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.head_dim = embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first, self.add_zero_attn = batch_first, add_zero_attn
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
        self.bias_k = empty(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = empty(1, 1, embed_dim) if add_bias_kv else None
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
        if self.bias_k is not None:
            init.xavier_normal_(self.bias_k)
            init.xavier_normal_(self.bias_v)

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
        ``attn_mask`` makes the mask that hides what is ahead. A query that may look nowhere gets
        NaN, and without ``need_weights`` zeros, as in PyTorch.
        """
        self._check(query, key, value, key_padding_mask, attn_mask)
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
        n, length, source = q.shape[0], q.shape[1], k.shape[1]
        if attn_mask is None and is_causal:
            attn_mask = e.logical_not(causal(length, source, query.device))
        elif attn_mask is not None and attn_mask.ndim == 3:
            attn_mask = reshape(attn_mask, (n, self.num_heads, length, source))
        if key_padding_mask is not None:
            key_padding_mask = reshape(key_padding_mask, (n, 1, 1, source))
        mask = _merged(attn_mask, key_padding_mask, q.dtype)
        q, k, v = self._projected(q, k, v)
        if self.bias_k is not None:
            k, v, mask = _longer(k, v, mask, self.bias_k, self.bias_v)
        if self.add_zero_attn:
            zeros = creation.zeros(1, 1, self.embed_dim, dtype=k.dtype, device=k.device)
            k, v, mask = _longer(k, v, mask, zeros, zeros)
        q, k, v = (self._heads(x) for x in (q, k, v))
        p = self.dropout if self.training else 0.0
        if need_weights:
            scores = product(q * (1 / math.sqrt(self.head_dim)), transpose(k, -1, -2))
            weights = F.dropout(F.softmax(_hidden(scores, mask), -1), p)
            mixed = product(weights, v)
        else:
            seen = e.logical_not(mask) if mask is not None and _is_bool(mask) else mask
            mixed = F.scaled_dot_product_attention(q, k, v, seen, p)
        out = self.out_proj(reshape(transpose(mixed, 1, 2), (n, length, self.embed_dim)))
        if single:
            out = squeeze(out, 0)
        elif not self.batch_first:
            out = transpose(out, 0, 1)
        if not need_weights:
            return out, None
        shown = reduce.mean(weights, 1) if average_attn_weights else weights
        return out, squeeze(shown, 0) if single else shown

    def _check(
        self, query: Any, key: Any, value: Any, key_padding_mask: Any, attn_mask: Any
    ) -> None:
        """Errors for what does not fit, before anything is computed."""
        given = f"  query  {query.spec}\n  key    {key.spec}\n  value  {value.spec}\n"
        if not query.ndim == key.ndim == value.ndim or query.ndim not in (2, 3):
            raise _FitError(
                f"MultiheadAttention: query, key and value need 2 or 3 dimensions\n{given}"
                f"  expected {self._order} for a batch, or (length, size) for one sequence"
            )
        sizes = (self.embed_dim, self.kdim, self.vdim)
        found = (query.shape[-1], key.shape[-1], value.shape[-1])
        if found != sizes:
            raise _FitError(
                f"MultiheadAttention: the last sizes are not those of the layer\n{given}"
                f"  expected embed_dim={sizes[0]}, kdim={sizes[1]} and vdim={sizes[2]}, got "
                f"{found[0]}, {found[1]} and {found[2]}"
            )
        batched = query.ndim == 3
        at = int(batched and self.batch_first)  # the dimension of the length
        same_batch = not batched or query.shape[1 - at] == key.shape[1 - at]
        if key.shape[:-1] != value.shape[:-1] or not same_batch:
            raise _FitError(
                "MultiheadAttention: query, key and value differ in batch, or key and value in "
                f"length\n{given}"
                + (
                    f"  expected {self._order}\n  batch_first={self.batch_first} says so"
                    if batched
                    else "  expected (L, E), (S, E) and (S, E)"
                )
            )
        n = query.shape[1 - at] if batched else 1
        length, source = query.shape[at], key.shape[at]
        padding = (n, source) if batched else (source,)
        _check_mask("key_padding_mask", key_padding_mask, [padding])
        stacked = (n * self.num_heads, length, source)
        _check_mask("attn_mask", attn_mask, [(length, source), stacked])

    @property
    def _order(self) -> str:
        return "(batch, length, size)" if self.batch_first else "(length, batch, size)"


def _is_bool(mask: Any) -> Any:
    return mask.dtype.np.kind == "b"


def _check_mask(name: str, mask: Any, shapes: list[tuple[int, ...]]) -> None:
    if mask is None:
        return
    if not _is_bool(mask) and not mask.dtype.is_floating_point:
        raise _MaskKindError(
            f"MultiheadAttention: {name} has a wrong dtype\n  {name}  {mask.spec}\n"
            "  expected bool, True where nobody looks, or float, added to the scores\n"
            "  convert with .bool()"
        )
    if tuple(mask.shape) not in shapes:
        raise _FitError(
            f"MultiheadAttention: {name} has a wrong shape\n  {name}  {mask.spec}\n"
            f"  expected {' or '.join(map(str, shapes))}"
        )


def _hidden(scores: Any, mask: Any) -> Any:
    """The scores with minus infinity where a bool mask is True, or plus a float mask."""
    if mask is None:
        return scores
    return e.where(mask, -math.inf, scores) if _is_bool(mask) else scores + mask


def _merged(a: Any, b: Any, dtype: Any) -> Any:
    """Both masks in one: bool where both are, else float in ``dtype``."""
    masks = [m for m in (a, b) if m is not None]
    if len(masks) == 2 and _is_bool(a) and _is_bool(b):
        return e.logical_or(a, b)
    if len(masks) == 2:
        a, b = (e.where(m, -math.inf, 0.0) if _is_bool(m) else m for m in masks)
        return (a + b).to(dtype=dtype)
    if not masks or _is_bool(masks[0]):
        return masks[0] if masks else None
    return masks[0].to(dtype=dtype)


def _longer(k: Any, v: Any, mask: Any, more_k: Any, more_v: Any) -> tuple[Any, Any, Any]:
    """Keys and values with one more ``(1, 1, E)`` at the end, which no mask hides."""
    n, _, size = k.shape
    k, v = (cat([x, more.expand(n, 1, size)], 1) for x, more in ((k, more_k), (v, more_v)))
    if mask is not None:
        seen = creation.zeros(*mask.shape[:-1], 1, dtype=mask.dtype, device=mask.device)
        mask = cat([mask, seen], -1)
    return k, v, mask
