"""Attention as a layer, with Keras's weights: one matrix for each head."""

from __future__ import annotations

import math
from typing import Any

from ....creation import ones_like
from ....errors import ArgumentError, ShapeError
from ....nn import functional as F
from ....ops import FUNCTIONS as OPS
from ....tensor import Tensor
from ..layer import Layer, need_positive
from .core import as_float

PARTS = ("query", "key", "value")


class _Query(ShapeError, ArgumentError):
    """Inputs that do not fit; a ValueError in Keras."""


class MultiHeadAttention(Layer):
    """Attention in several heads, each with its own projections of query, key and value.

    Shapes: query ``(N, T, E)``, value and key ``(N, S, E')``, result ``(N, T, output_shape)``, by
    default E. ``attention_mask`` ``(N, T, S)`` is True where a query looks. Vaswani et al. (2017).

    >>> layer = MultiHeadAttention(num_heads=2, key_dim=3)
    >>> x = [[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]]
    >>> layer(x, x).shape, [w.shape for w in layer.weights[:2]]
    (TensorShape([1, 3, 2]), [TensorShape([2, 2, 3]), TensorShape([2, 3])])
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        need_positive("MultiHeadAttention(num_heads)", num_heads)
        need_positive("MultiHeadAttention(key_dim)", key_dim)
        self.num_heads, self.key_dim, self.value_dim = num_heads, key_dim, value_dim or key_dim
        self.dropout, self.use_bias, self.size = dropout, use_bias, output_shape
        self.supports_masking = True
        self.rules(
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def build(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any, key_shape: Any = None
    ) -> None:
        """Make the projections of query, key, value and result."""
        sizes = (query_shape[-1], (key_shape or value_shape)[-1], value_shape[-1])
        widths = (self.key_dim, self.key_dim, self.value_dim)
        heads, out = self.num_heads, self.size or query_shape[-1]
        self.kernels: dict[str, Any] = {}
        self.biases: dict[str, Any] = {}
        for part, size, width in zip(PARTS, sizes, widths, strict=True):
            self._projection(part, (size, heads, width), (heads, width))
        self._projection("attention_output", (heads, self.value_dim, out), (out,))

    def _projection(self, part: str, kernel: Any, bias: Any) -> None:
        self.kernels[part] = self.ruled("kernel", kernel)
        self.biases[part] = self.ruled("bias", bias) if self.use_bias else None
        for w in (self.kernels[part], self.biases[part]):
            if w is not None:
                place, _, name = w.path.rpartition("/")
                w.path = f"{place}/{part}/{name}"

    def _heads(self, part: str, x: Tensor) -> Tensor:
        """``(N, T, E)`` as ``(N, heads, T, width)``."""
        kernel, bias = self.kernels[part], self.biases[part]
        size, heads, width = kernel.shape
        y = as_float(x) @ kernel.reshape(size, heads * width)
        y = y if bias is None else y + bias.reshape(heads * width)
        return y.reshape(*x.shape[:2], heads, width).transpose(1, 2)

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """The result, and with ``return_attention_scores`` the weights ``(N, heads, T, S)``."""
        key = value if key is None else key
        for name, x in zip(PARTS, (query, key, value), strict=True):
            if x.ndim != 3 or x.shape[-1] != self.kernels[name].shape[0]:
                raise _Query(
                    f"MultiHeadAttention {self.name!r}: {name} does not fit\n  {name}  {x.spec}\n"
                    f"  expected (N, steps, {self.kernels[name].shape[0]})"
                )
        masks = [m if m.ndim != 3 else m.reshape(m.shape[0], 1, *m.shape[1:])
                 for m in (attention_mask,) if m is not None]  # fmt: skip
        hidden = [m for m in (value_mask, key_mask) if m is not None]
        masks += [m.reshape(m.shape[0], 1, 1, -1) for m in hidden]
        if query_mask is not None:
            masks.append(query_mask.reshape(*query_mask.shape[:1], 1, -1, 1))
        if use_causal_mask:
            steps = OPS["cumsum"](ones_like(query[0, :, 0]), 0)
            places = OPS["cumsum"](ones_like(key[0, :, 0]), 0)
            masks.append(steps.reshape(-1, 1) >= places.reshape(1, -1))
        q, k, v = (self._heads(n, x) for n, x in zip(PARTS, (query, key, value), strict=True))
        scores = (q * (1 / math.sqrt(self.key_dim))) @ k.transpose(-1, -2)
        for m in masks:
            scores = OPS["where"](m.bool(), scores, -3e38)
        weights = F.softmax(scores, -1)
        if training and self.dropout:
            weights = F.dropout(weights, self.dropout, True)
        mixed = (weights @ v).transpose(1, 2)
        kernel, bias = self.kernels["attention_output"], self.biases["attention_output"]
        heads, width, out = kernel.shape
        y = mixed.reshape(*query.shape[:2], heads * width) @ kernel.reshape(heads * width, out)
        y = y if bias is None else y + bias
        return (y, weights) if return_attention_scores else y
