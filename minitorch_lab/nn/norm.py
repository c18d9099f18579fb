"""Normalisation as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import creation, dtypes
from ..errors import ArgumentError
from ..ops.movement import squeeze, unsqueeze
from ..tensor import Tensor, no_grad
from . import functional as F
from . import init
from .module import Module, Parameter


class _BatchNorm(Module):
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    weight: Tensor | None
    bias: Tensor | None
    _dims: tuple[int, ...] = ()
    _expected = ""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        made = {"device": device, "dtype": dtype}
        self.weight = Parameter(creation.ones(num_features, **made)) if affine else None
        self.bias = Parameter(creation.zeros(num_features, **made)) if affine and bias else None
        track = track_running_stats
        self.register_buffer(
            "running_mean", creation.zeros(num_features, **made) if track else None
        )
        self.register_buffer("running_var", creation.ones(num_features, **made) if track else None)
        self.register_buffer(
            "num_batches_tracked",
            creation.zeros(dtype=dtypes.int64, device=device) if track else None,
        )

    def reset_running_stats(self) -> None:
        """Forget the running statistics."""
        if self.running_mean is not None and self.running_var is not None:
            with no_grad():
                self.running_mean.zero_()
                self.running_var.fill_(1)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Start anew: no scaling, no shift, no statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``."""
        if input.ndim not in self._dims:
            raise ArgumentError(
                f"{type(self).__name__}: input has {input.ndim} dimensions\n"
                f"  input  {input.spec}\n  expected {self._expected}"
            )
        momentum: Any = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            with no_grad():
                self.num_batches_tracked += 1
                if self.momentum is None:  # the mean over all batches so far
                    momentum = 1.0 / self.num_batches_tracked
        own = self.training or self.running_mean is None
        keep = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if keep else None,
            self.running_var if keep else None,
            self.weight,
            self.bias,
            own,
            momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Each channel of ``(N, C)`` or ``(N, C, L)`` moved to mean 0 and variance 1.

    Ioffe and Szegedy (2015). In evaluation the running statistics of training are used.
    """

    _dims, _expected = (2, 3), "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Each channel of ``(N, C, H, W)`` moved to mean 0 and variance 1.

    Ioffe and Szegedy (2015). In evaluation the running statistics of training are used.
    """

    _dims, _expected = (4,), "(N, C, H, W)"


class LayerNorm(Module):
    """The last dimensions moved to mean 0 and variance 1, then scaled and shifted.

    Ba, Kiros and Hinton (2016). Shapes: ``(..., *normalized_shape)``.
    """

    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = normalized_shape
        self.normalized_shape = (sizes,) if isinstance(sizes, int) else tuple(sizes)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        made = {"device": device, "dtype": dtype}
        shape, affine = self.normalized_shape, elementwise_affine
        self.weight = Parameter(creation.ones(*shape, **made)) if affine else None
        self.bias = Parameter(creation.zeros(*shape, **made)) if affine and bias else None

    def reset_parameters(self) -> None:
        """Start anew: no scaling, no shift."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        text = f"{self.normalized_shape}, eps={self.eps}"
        text += f", elementwise_affine={self.elementwise_affine}"
        return text + f", bias={self.bias is not None}"


class RMSNorm(Module):
    """The last dimensions over their root mean square, then scaled.

    Zhang and Sennrich (2019). Shapes: ``(..., *normalized_shape)``.
    """

    weight: Tensor | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = normalized_shape
        self.normalized_shape = (sizes,) if isinstance(sizes, int) else tuple(sizes)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        ones = creation.ones(*self.normalized_shape, device=device, dtype=dtype)
        self.weight = Parameter(ones) if elementwise_affine else None

    def reset_parameters(self) -> None:
        """Start anew: no scaling."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        affine = self.elementwise_affine
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}"


class GroupNorm(Module):
    """Each group of channels of each picture moved to mean 0 and variance 1.

    Wu and He (2018). Shapes: ``(N, num_channels, ...)``.
    """

    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ArgumentError(
                f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}"
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        made = {"device": device, "dtype": dtype}
        self.weight = Parameter(creation.ones(num_channels, **made)) if affine else None
        self.bias = Parameter(creation.zeros(num_channels, **made)) if affine and bias else None

    def reset_parameters(self) -> None:
        """Start anew: no scaling, no shift."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        text = f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"
        return f"{text}, bias={self.bias is not None}"


class _InstanceNorm(_BatchNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input``."""
        batch = self._dims[-1]
        if input.ndim not in self._dims:
            raise ArgumentError(
                f"{type(self).__name__}: input has {input.ndim} dimensions\n"
                f"  input  {input.spec}\n  expected {self._expected}"
            )
        out = F.instance_norm(
            input if input.ndim == batch else unsqueeze(input, 0),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return out if input.ndim == batch else squeeze(out, 0)


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each sequence of ``(N, C, L)`` or ``(C, L)`` moved to mean 0, variance 1.

    Ulyanov, Vedaldi and Lempitsky (2016).
    """

    _dims, _expected = (2, 3), "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each picture of ``(N, C, H, W)`` or ``(C, H, W)`` made standard.

    Ulyanov, Vedaldi and Lempitsky (2016).
    """

    _dims, _expected = (3, 4), "(N, C, H, W) or (C, H, W)"


class CosineSimilarity(Module):
    """The cosine of the angle between two vectors along ``dim``."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Apply it."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of the difference along the last dimension."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Apply it."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
