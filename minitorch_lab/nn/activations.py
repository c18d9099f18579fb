"""Activations as layers. ``inplace`` is accepted; the input keeps its entries all the same."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..errors import ArgumentError
from ..tensor import Tensor
from . import functional as F
from .module import Module, Parameter


def _inplace(module: Any) -> str:
    return "inplace=True" if module.inplace else ""


class ReLU(Module):
    """max(0, x) for each entry."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.relu(input)

    def extra_repr(self) -> str:
        """The settings."""
        return _inplace(self)


class Tanh(Module):
    """The hyperbolic tangent of each entry."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.tanh(input)


class Sigmoid(Module):
    """The logistic function of each entry."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.sigmoid(input)


class LeakyReLU(Module):
    """Each entry, times ``negative_slope`` where it is negative."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """The settings."""
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(Module):
    """Each entry, or ``alpha * (exp(x) - 1)`` where it is negative."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        """The settings."""
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class GELU(Module):
    """Each entry times the chance that a standard normal number is below it."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """The settings."""
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """Each entry times its sigmoid; also called swish."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.silu(input)

    def extra_repr(self) -> str:
        """The settings."""
        return _inplace(self)


class Softplus(Module):
    """A smooth relu: ``log(1 + exp(beta x)) / beta``."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The settings."""
        return f"beta={self.beta}, threshold={self.threshold}"


class LogSigmoid(Module):
    """Logarithm of the sigmoid."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.logsigmoid(input)


class GLU(Module):
    """The first half along ``dim`` times the sigmoid of the second half."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        """The settings."""
        return f"dim={self.dim}"


class Hardtanh(Module):
    """Each entry, moved into the range from ``min_val`` to ``max_val``."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """The settings."""
        text = f"min_val={self.min_val}, max_val={self.max_val}"
        return text + (", inplace=True" if self.inplace else "")


class ReLU6(Hardtanh):
    """Each entry, moved into the range from 0 to 6."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        """The settings."""
        return _inplace(self)


class Softmax(Module):
    """Positive numbers that sum to 1 along ``dim``."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        """The settings."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """The logarithm of softmax along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.log_softmax(input, self.dim)


class Softmin(Softmax):
    """The softmax of the negative entries along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.softmin(input, self.dim)


class Softmax2d(Module):
    """The softmax over the channels of ``(N, C, H, W)`` or ``(C, H, W)``, at each place."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        if input.ndim not in (3, 4):
            raise ArgumentError(
                f"Softmax2d: input has {input.ndim} dimensions\n  input  {input.spec}\n"
                "  expected (N, C, H, W) or (C, H, W)"
            )
        return F.softmax(input, -3)


class PReLU(Module):
    """Each entry, times a learned ``weight`` where it is negative. He et al. (2015).

    One number for all channels, or ``num_parameters`` for ``(N, num_parameters, ...)``.
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(creation.full((num_parameters,), init, device=device, dtype=dtype))

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """The settings."""
        return f"num_parameters={self.num_parameters}"


class SELU(ReLU):
    """``elu`` with the numbers that keep mean 0 and variance 1. Klambauer et al. (2017)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.selu(input)


class Mish(ReLU):
    """Each entry times the tanh of its softplus. Misra (2019)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.mish(input)


class Hardsigmoid(ReLU):
    """A straight line from 0 at -3 to 1 at 3, and flat beyond."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.hardsigmoid(input)

    def extra_repr(self) -> str:
        """The settings."""
        return ""


class Hardswish(ReLU):
    """Each entry times its hardsigmoid. Howard et al. (2019)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.hardswish(input)

    def extra_repr(self) -> str:
        """The settings."""
        return ""


class Softsign(Module):
    """A squashing function gentler than tanh: ``x / (1 + |x|)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.softsign(input)


class Tanhshrink(Module):
    """Each entry minus its hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.tanhshrink(input)


class CELU(ELU):
    """Each entry, or ``alpha * (exp(x / alpha) - 1)`` where it is negative. Barron (2017)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.celu(input, self.alpha)


class Softshrink(Module):
    """Each entry moved towards 0 by ``lambd``, and 0 within it."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.lambd}"


class Hardshrink(Softshrink):
    """Each entry, or 0 within ``lambd`` of 0."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.hardshrink(input, self.lambd)


class Threshold(Module):
    """Each entry above ``threshold``, and ``value`` for the others."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply it."""
        return F.threshold(input, self.threshold, self.value)

    def extra_repr(self) -> str:
        """The settings."""
        text = f"threshold={self.threshold}, value={self.value}"
        return text + (", inplace=True" if self.inplace else "")
