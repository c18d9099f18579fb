"""The Transformer: stacks of attention and small networks. Vaswani et al. (2017).

Shapes: source ``(S, N, E)`` and target ``(T, N, E)``; with ``batch_first`` ``(N, S, E)`` and
``(N, T, E)``; without N, one sequence. Masks are bool, True where nobody looks, or float, added to
the scores: ``src_mask`` ``(S, S)``, ``tgt_mask`` ``(T, T)``, ``memory_mask`` ``(T, S)``, each also
with ``N * nhead`` in front, and ``src_key_padding_mask`` ``(N, S)``, ``tgt_key_padding_mask``
``(N, T)``, ``memory_key_padding_mask`` ``(N, S)``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from .. import creation
from ..errors import ArgumentError, KindError, ShapeError, describe
from ..ops.movement import transpose, triu
from ..tensor import Tensor
from . import functional as F
from . import init
from .attention import MultiheadAttention
from .containers import ModuleList
from .layers import Dropout, Linear
from .module import Module
from .norm import LayerNorm

Activation = str | Callable[[Any], Any]


class _ActivationError(ArgumentError, RuntimeError):
    """A name of an activation that is not known."""


def _activation(given: Activation) -> Callable[[Any], Any]:
    if callable(given):
        return given
    named: dict[str, Callable[[Any], Any]] = {"relu": F.relu, "gelu": F.gelu}
    if given not in named:
        raise _ActivationError(
            f"activation: got {describe(given)}\n  expected 'relu', 'gelu' or a function"
        )
    return named[given]


class _Layer(Module):
    """What the layers of both stacks share: the network after attention, and the order of parts."""

    self_attn: MultiheadAttention
    linear1: Linear
    linear2: Linear
    dropout: Dropout
    norm_first: bool
    activation: Callable[[Any], Any]

    def _around(self, x: Any, part: Callable[[Any], Any], norm: Any) -> Any:
        """``x`` plus what a part makes of it, normalised before or after."""
        if self.norm_first:
            return x + part(norm(x))
        return norm(x + part(x))

    def _look(
        self,
        attention: MultiheadAttention,
        x: Any,
        memory: Any,
        mask: Any,
        padding: Any,
        is_causal: bool,
        dropout: Dropout,
    ) -> Any:
        """Attention of ``x`` to ``memory``, then dropout."""
        options = {"attn_mask": mask, "key_padding_mask": padding, "is_causal": is_causal}
        out, _ = attention(x, memory, memory, need_weights=False, **options)
        if attention.batch_first and out.ndim == 3:
            # PyTorch works with the length in front, and draws what it drops in that order.
            return transpose(dropout(transpose(out, 0, 1)), 0, 1)
        return dropout(out)

    def _network(self, x: Any) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    r"""Self-attention, then a network of two linear layers, each added to its input.

    :math:`x' = \operatorname{norm}(x + \operatorname{attention}(x))`, and
    :math:`y = \operatorname{norm}(x' + W_2\,a(W_1 x'))`; with ``norm_first`` each part gets the
    normalised input instead. ``is_causal`` without ``src_mask`` hides what is ahead. Shapes:
    ``(S, N, d_model)`` to the same. Vaswani et al. (2017); Xiong et al. (2020) for ``norm_first``.

    >>> layer = TransformerEncoderLayer(d_model=8, nhead=2, batch_first=True)
    >>> layer(creation.ones(3, 5, 8)).shape
    Size([3, 5, 8])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, batch_first=batch_first, **made
        )
        self.linear1 = Linear(d_model, dim_feedforward, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **made)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **made)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **made)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Both parts in turn."""

        def look(x: Any) -> Any:
            masks = src_mask, src_key_padding_mask
            return self._look(self.self_attn, x, x, *masks, is_causal, self.dropout1)

        x = self._around(src, look, self.norm1)
        out: Tensor = self._around(x, lambda x: self.dropout2(self._network(x)), self.norm2)
        return out


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to what an encoder has read, then a network of two linear layers.

    Each part is added to its input and normalised, as in ``TransformerEncoderLayer``. Shapes:
    target ``(T, N, d_model)`` and memory ``(S, N, d_model)`` to ``(T, N, d_model)``. Vaswani et
    al. (2017).

    >>> layer = TransformerDecoderLayer(d_model=8, nhead=2, batch_first=True)
    >>> layer(creation.ones(3, 4, 8), creation.ones(3, 5, 8), tgt_is_causal=True).shape
    Size([3, 4, 8])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        more: dict[str, Any] = {"dropout": dropout, "batch_first": batch_first, **made}
        self.self_attn = MultiheadAttention(d_model, nhead, **more)
        self.multihead_attn = MultiheadAttention(d_model, nhead, **more)
        self.linear1 = Linear(d_model, dim_feedforward, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **made)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **made)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **made)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, **made)
        self.dropout1, self.dropout2, self.dropout3 = (Dropout(dropout) for _ in range(3))
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The three parts in turn."""

        def look(x: Any) -> Any:
            masks = tgt_mask, tgt_key_padding_mask
            return self._look(self.self_attn, x, x, *masks, tgt_is_causal, self.dropout1)

        def read(x: Any) -> Any:
            masks = memory_mask, memory_key_padding_mask
            attention = self.multihead_attn
            return self._look(attention, x, memory, *masks, memory_is_causal, self.dropout2)

        x = self._around(tgt, look, self.norm1)
        x = self._around(x, read, self.norm2)
        out: Tensor = self._around(x, lambda x: self.dropout3(self._network(x)), self.norm3)
        return out


def _copies(layer: Any, count: int) -> ModuleList:
    """As many copies of a layer: they start with the same values and learn apart."""
    if not isinstance(layer, Module):
        got = describe(layer)
        if isinstance(layer, type):
            got = (
                f"the class {layer.__name__}\n  make an instance: {layer.__name__}(d_model, nhead)"
            )
        raise KindError(f"expected a layer to copy, got {got}")
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


class TransformerEncoder(Module):
    """``num_layers`` copies of an encoder layer, one after the other, then ``norm`` if given.

    ``enable_nested_tensor`` and ``mask_check`` are accepted and change nothing.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """All layers in turn."""
        out: Any = src
        for layer in self.layers:
            out = layer(
                out,
                src_mask=mask,
                src_key_padding_mask=src_key_padding_mask,
                is_causal=bool(is_causal),
            )
        return out if self.norm is None else self.norm(out)


class TransformerDecoder(Module):
    """``num_layers`` copies of a decoder layer, one after the other, then ``norm`` if given."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """All layers in turn; each reads the same memory."""
        out: Any = tgt
        for layer in self.layers:
            out = layer(
                out,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return out if self.norm is None else self.norm(out)


class Transformer(Module):
    """An encoder that reads the source, and a decoder that reads it while it writes the target.

    Shapes: ``src`` ``(S, N, d_model)`` and ``tgt`` ``(T, N, d_model)`` to ``(T, N, d_model)``; the
    masks are those at the top of this file. Vaswani et al. (2017).

    >>> model = Transformer(8, 2, 1, 1, dim_feedforward=16, batch_first=True)
    >>> mask = Transformer.generate_square_subsequent_mask(4)
    >>> model(creation.ones(3, 5, 8), creation.ones(3, 4, 8), tgt_mask=mask).shape
    Size([3, 4, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        sizes = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps
        encoder, decoder = custom_encoder, custom_decoder
        if encoder is None:
            layer: Module = TransformerEncoderLayer(*sizes, batch_first, norm_first, **made)
            norm = LayerNorm(d_model, layer_norm_eps, **made)
            encoder = TransformerEncoder(layer, num_encoder_layers, norm)
        self.encoder = encoder
        if decoder is None:
            layer = TransformerDecoderLayer(*sizes, batch_first, norm_first, **made)
            norm = LayerNorm(d_model, layer_norm_eps, **made)
            decoder = TransformerDecoder(layer, num_decoder_layers, norm)
        self.decoder = decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Encode the source, then decode the target."""
        self._check(src, tgt)
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        out: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )
        return out

    def _check(self, src: Any, tgt: Any) -> None:
        order = "(batch, length, d_model)" if self.batch_first else "(length, batch, d_model)"
        given = f"  src  {src.spec}\n  tgt  {tgt.spec}\n  expected {order} for both"
        at = 0 if self.batch_first else 1
        if src.ndim == tgt.ndim == 3 and src.shape[at] != tgt.shape[at]:
            raise ShapeError(
                f"Transformer: src and tgt differ in batch\n{given}\n"
                f"  batch_first={self.batch_first} says so"
            )
        if src.shape[-1:] != (self.d_model,) or tgt.shape[-1:] != (self.d_model,):
            raise ShapeError(f"Transformer: the last size must be d_model={self.d_model}\n{given}")

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The mask ``(sz, sz)`` that hides what is ahead: minus infinity above the diagonal.

        >>> Transformer.generate_square_subsequent_mask(3)
        tensor([[0., -inf, -inf],
                [0., 0., -inf],
                [0., 0., 0.]])
        """
        return triu(creation.full((sz, sz), -math.inf, device=device, dtype=dtype), 1)
