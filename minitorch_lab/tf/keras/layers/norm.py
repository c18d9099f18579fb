"""Normalisation."""

from __future__ import annotations

from typing import Any

from ....errors import ArgumentError
from ....tensor import Tensor, no_grad
from .. import initializers
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.center, self.scale = center, scale
        self._first = {
            "gamma": initializers.get(gamma_initializer),
            "beta": initializers.get(beta_initializer),
            "moving_mean": initializers.get(moving_mean_initializer),
            "moving_variance": initializers.get(moving_variance_initializer),
        }

    def build(self, input_shape: Any) -> None:
        """Make gamma, beta and the moving averages."""
        size = input_shape[self.axis]
        if size is None:
            raise ArgumentError(
                f"BatchNormalization {self.name!r}: axis {self.axis} of its input is open\n"
                f"  input     {tuple(input_shape)}\n  expected a number of channels there"
            )

        def weight(name: str, learned: bool) -> Variable:
            return self.add_weight((size,), self._first[name], trainable=learned, name=name)

        self.gamma = weight("gamma", True) if self.scale else None
        self.beta = weight("beta", True) if self.center else None
        self.moving_mean = weight("moving_mean", False)
        self.moving_variance = weight("moving_variance", False)

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
