"""Tables of rows as layers."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..errors import ArgumentError, KindError, ShapeError, describe
from ..tensor import Tensor, no_grad
from . import functional as F
from . import init
from .functional.sparse import NotSupported, padding_row
from .module import Module, Parameter


class Embedding(Module):
    """A learned row for each of ``num_embeddings`` things: words, users, places.

    Shapes: input any, int64, from 0 to ``num_embeddings - 1``; output
    ``(*input, embedding_dim)``. The row ``padding_idx`` starts as zeros and is not learned; the
    others start as standard normal numbers.

    >>> Embedding(10, 3)
    Embedding(10, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if max_norm is not None or scale_grad_by_freq:
            raise NotSupported(
                "Embedding: max_norm and scale_grad_by_freq are not supported\n"
                "  expected max_norm=None and scale_grad_by_freq=False"
            )
        for name, size in (("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)):
            if isinstance(size, bool) or not isinstance(size, int):
                raise KindError(f"{name}: expected an int, got {describe(size)}")
            if size < 0:
                raise ArgumentError(f"{name}={size}: expected 0 or more")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if _weight is None:
            made = creation.empty(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.weight = Parameter(made, not _freeze)
        elif tuple(_weight.shape) != (num_embeddings, embedding_dim):
            raise ShapeError(
                f"Embedding: _weight does not fit\n  _weight  {_weight.spec}\n"
                f"  expected ({num_embeddings}, {embedding_dim})"
            )
        else:
            self.weight = Parameter(_weight, not _freeze)
        self.padding_idx = padding_row(padding_idx, self.weight)
        if _weight is None:
            self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None
    ) -> Embedding:
        """A table with given rows, which are not learned unless ``freeze`` is False."""
        if embeddings.ndim != 2:
            raise ShapeError(f"from_pretrained: expected (rows, size), got {embeddings.spec}")
        rows, size = embeddings.shape
        return cls(rows, size, padding_idx, _weight=embeddings, _freeze=freeze)

    def reset_parameters(self) -> None:
        """Draw new first values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        """The rows of ``input``."""
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The settings."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"
