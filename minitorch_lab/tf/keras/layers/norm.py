"""Normalisation."""

from __future__ import annotations

from typing import Any

from ....errors import ArgumentError
from ....nn import functional as F
from ....tensor import Tensor, no_grad
from ..layer import Layer
from ..variable import Variable
from .core import as_float


class BatchNormalization(Layer):
    r"""Each channel with mean 0 and variance 1, then scaled: :math:`\gamma \hat x + \beta`.

    In training by the batch's own mean and variance, of which a moving average is kept
    (``momentum`` of the old one, variance with N below the line); else by these averages. Source:
    Ioffe and Szegedy (2015).
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.center, self.scale, self.supports_masking = center, scale, True
        self.rules(
            gamma_initializer=gamma_initializer,
            beta_initializer=beta_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            gamma_regularizer=gamma_regularizer,
            beta_regularizer=beta_regularizer,
            gamma_constraint=gamma_constraint,
            beta_constraint=beta_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Make gamma, beta and the moving averages."""
        size = input_shape[self.axis]
        if size is None:
            raise ArgumentError(
                f"BatchNormalization {self.name!r}: axis {self.axis} of its input is open\n"
                f"  input     {tuple(input_shape)}\n  expected a number of channels there"
            )

        self.gamma = self.ruled("gamma", (size,)) if self.scale else None
        self.beta = self.ruled("beta", (size,)) if self.center else None
        self.moving_mean = self.ruled("moving_mean", (size,), trainable=False)
        self.moving_variance = self.ruled("moving_variance", (size,), trainable=False)

    def _kept(self) -> list[Variable]:
        return [self.moving_mean, self.moving_variance] if self.built else []

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The inputs, normalised."""
        x = as_float(inputs)
        axis = self.axis % x.ndim
        others = [i for i in range(x.ndim) if i != axis]
        wide = [n if i == axis else 1 for i, n in enumerate(x.shape)]
        if training and self.trainable:
            mean = x.mean(others, keepdim=True)
            variance = ((x - mean) ** 2).mean(others, keepdim=True)
            self._remember(mean, variance)
        else:
            mean = self.moving_mean.reshape(wide)
            variance = self.moving_variance.reshape(wide)
        y = (x - mean) * (variance + self.epsilon).rsqrt()
        if self.gamma is not None:
            y = y * self.gamma.reshape(wide)
        return y if self.beta is None else y + self.beta.reshape(wide)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        with no_grad():
            for kept, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
                kept.mul_(self.momentum).add_(new.detach().reshape(-1) * (1 - self.momentum))


class LayerNormalization(Layer):
    r"""Each example with mean 0 and variance 1 along ``axis``: :math:`\gamma \hat x + \beta`.

    Source: Ba, Kiros and Hinton (2016).

    >>> LayerNormalization(epsilon=0.0)([[1.0, 3.0]]).detach()
    <tf.Tensor: shape=(1, 2), dtype=float32, numpy=array([[-1.,  1.]], dtype=float32)>
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.epsilon, self.center, self.scale = axis, epsilon, center, scale
        self.supports_masking = True
        self.rules(
            gamma_initializer=gamma_initializer,
            beta_initializer=beta_initializer,
            gamma_regularizer=gamma_regularizer,
            beta_regularizer=beta_regularizer,
            gamma_constraint=gamma_constraint,
            beta_constraint=beta_constraint,
        )

    def _axes(self, ndim: int) -> list[int]:
        given = [self.axis] if isinstance(self.axis, int) else self.axis
        return sorted(axis % ndim for axis in given)

    def build(self, input_shape: Any) -> None:
        """Make gamma and beta."""
        sizes = tuple(input_shape[axis] for axis in self._axes(len(input_shape)))
        self.gamma = self.ruled("gamma", sizes) if self.scale else None
        self.beta = self.ruled("beta", sizes) if self.center else None

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs, normalised."""
        x = as_float(inputs)
        axes = self._axes(x.ndim)
        if axes == [*range(axes[0], x.ndim)]:  # the last ones: one op does it
            sizes = tuple(x.shape[axes[0] :])
            return F.layer_norm(x, sizes, self.gamma, self.beta, self.epsilon)
        wide = [n if i in axes else 1 for i, n in enumerate(x.shape)]
        mean = x.mean(axes, keepdim=True)
        y = (x - mean) * (((x - mean) ** 2).mean(axes, keepdim=True) + self.epsilon).rsqrt()
        y = y if self.gamma is None else y * self.gamma.reshape(wide)
        return y if self.beta is None else y + self.beta.reshape(wide)
