"""Activations that are layers of their own."""

from __future__ import annotations

from typing import Any

from ....ops import FUNCTIONS as OPS
from ....tensor import Tensor
from .. import activations
from ..layer import Layer


class LeakyReLU(Layer):
    """``x`` above 0, ``negative_slope * x`` below."""

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        negative_slope = kwargs.pop("alpha", negative_slope)  # as it was called before
        super().__init__(**kwargs)
        self.negative_slope, self.supports_masking = negative_slope, True

    def call(self, inputs: Tensor) -> Tensor:
        """The activation of the inputs."""
        return activations.leaky_relu(inputs, self.negative_slope)


class ELU(Layer):
    r""":math:`\alpha (e^x - 1)` below 0."""

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha, self.supports_masking = alpha, True

    def call(self, inputs: Tensor) -> Tensor:
        """The activation of the inputs."""
        return activations.elu(inputs, self.alpha)


class PReLU(Layer):
    """A leaky ReLU that learns its slope, one for each entry that ``shared_axes`` does not join."""

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes or []
        self.rules(
            alpha_initializer=alpha_initializer,
            alpha_regularizer=alpha_regularizer,
            alpha_constraint=alpha_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Make the slopes."""
        shape = [*input_shape[1:]]
        for axis in self.shared_axes:
            shape[axis - 1] = 1
        self.alpha = self.ruled("alpha", tuple(shape))

    def call(self, inputs: Tensor) -> Tensor:
        """The activation of the inputs."""
        return OPS["relu"](inputs) - self.alpha * OPS["relu"](-inputs)
