"""A layer of two inputs."""

from __future__ import annotations

import math
from typing import Any

from .. import creation
from ..tensor import Tensor
from . import functional as F
from . import init
from .layers import _count
from .module import Module, Parameter


class Bilinear(Module):
    r"""A layer of two inputs that act on each other, :math:`y_o = x_1^\top W_o\, x_2 + b_o`.

    Shapes: inputs ``(..., in1_features)`` and ``(..., in2_features)``, output
    ``(..., out_features)``, weight ``(out_features, in1_features, in2_features)``. Both start
    uniform within :math:`\pm 1/\sqrt{in_1}`.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features = _count("in1_features", in1_features)
        self.in2_features = _count("in2_features", in2_features)
        self.out_features = _count("out_features", out_features)
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(creation.empty(*shape, device=device, dtype=dtype))
        self.bias = (
            Parameter(creation.empty(out_features, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new first values."""
        bound = 1 / math.sqrt(max(self.in1_features, 1))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """Apply the layer to ``(..., in1_features)`` and ``(..., in2_features)``."""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
