"""Layers of one input that look at no neighbours."""

from __future__ import annotations

import math
from typing import Any

from ....errors import ArgumentError, ShapeError
from ....nn import functional as F
from ....tensor import Tensor
from .. import activations, initializers
from ..layer import Input as make_input
from ..layer import KerasTensor, Layer, need_positive


def as_float(x: Tensor) -> Tensor:
    """Whole numbers as float32."""
    return x if x.dtype.is_floating_point else x.float()


class InputLayer(Layer):
    """Says the shape of what goes into a model."""

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.batch_shape = make_input(shape, batch_size, dtype).shape
        self.built = True

    @classmethod
    def of(cls, x: KerasTensor) -> InputLayer:
        """The layer of an ``Input``."""
        return cls(x.shape[1:], x.shape[0], x.dtype)

    def call(self, inputs: Any) -> Any:
        """The input itself."""
        return inputs


class Dense(Layer):
    r"""A layer in which each unit reads all inputs: :math:`y = f(x W + b)`.

    Shapes: ``(N, ..., in)`` to ``(N, ..., units)``; ``kernel`` is ``(in, units)``, where PyTorch's
    ``Linear`` keeps ``(out, in)``.

    >>> layer = Dense(2, kernel_initializer="ones")
    >>> layer([[1.0, 2.0, 3.0]]).detach()
    <tf.Tensor: shape=(1, 2), dtype=float32, numpy=array([[6., 6.]], dtype=float32)>
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        need_positive("Dense(units)", units)
        self.units, self.use_bias = units, use_bias
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        """Make kernel and bias."""
        size = input_shape[-1]
        if size is None:
            raise ShapeError(
                f"Dense {self.name!r}: the last size of its input is open\n"
                f"  input     {tuple(input_shape)}\n  expected a number there: it is that of the "
                "weights; give the size in Input(shape)"
            )
        self.kernel = self.add_weight((size, self.units), self.kernel_initializer, name="kernel")
        self.bias = (
            self.add_weight((self.units,), self.bias_initializer, name="bias")
            if self.use_bias
            else None
        )

    def call(self, inputs: Tensor) -> Tensor:
        """The product with the kernel, the bias, the activation."""
        if inputs.shape[-1] != self.kernel.shape[0]:
            raise _InputShape(
                f"Dense {self.name!r}: the last size of its input differs from that of its kernel\n"
                f"  inputs    {inputs.spec}\n  kernel    {self.kernel.spec}\n"
                f"  expected  (..., {self.kernel.shape[0]}), which the layer was built for"
            )
        y = as_float(inputs) @ self.kernel
        if self.bias is not None:
            y = y + self.bias
        return self.activation(y)


class _InputShape(ShapeError, ArgumentError):
    """An input of another shape than the layer was built for; a ValueError in Keras."""


class Activation(Layer):
    """An activation as a layer of its own, by name or as a function."""

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Tensor) -> Tensor:
        """The activation of the inputs."""
        return self.activation(inputs)


class ReLU(Layer):
    """``activations.relu`` as a layer."""

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold

    def call(self, inputs: Tensor) -> Tensor:
        """The positive part."""
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class Softmax(Layer):
    """``activations.softmax`` as a layer."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Tensor) -> Tensor:
        """Shares that add up to 1."""
        return activations.softmax(inputs, self.axis)


class Flatten(Layer):
    """Each example in one row: ``(N, a, b, ...)`` to ``(N, a * b * ...)``.

    >>> Flatten().compute_output_shape((None, 28, 28))
    (None, 784)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs in rows."""
        return inputs.reshape(inputs.shape[0], math.prod(inputs.shape[1:]))


class Reshape(Layer):
    """Each example in another shape; one size may be -1.

    >>> Reshape((7, -1)).compute_output_shape((None, 28))
    (None, 7, 4)
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs in their new shape."""
        return inputs.reshape(inputs.shape[0], *self.target_shape)


class Dropout(Layer):
    """In training, zeros in place of a share ``rate`` of the entries; the rest is scaled up."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise ArgumentError(f"Dropout(rate): expected a number from 0 to 1, got {rate!r}")
        self.rate = rate

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The inputs, or in training some of them."""
        return F.dropout(as_float(inputs), self.rate, training) if training else inputs


class Rescaling(Layer):
    """``inputs * scale + offset``: pictures of bytes to numbers from 0 to 1 by ``1 / 255``."""

    def __init__(self, scale: float, offset: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs on another scale."""
        return as_float(inputs) * self.scale + self.offset


class Embedding(Layer):
    """A row of numbers for each whole number below ``input_dim``.

    Shapes: ``(N, ...)`` to ``(N, ..., output_dim)``.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        need_positive("Embedding(input_dim)", input_dim)
        need_positive("Embedding(output_dim)", output_dim)
        self.input_dim, self.output_dim = input_dim, output_dim
        self.embeddings_initializer = initializers.get(embeddings_initializer)

    def build(self, input_shape: Any) -> None:
        """Make the table of rows."""
        shape = self.input_dim, self.output_dim
        self.embeddings = self.add_weight(shape, self.embeddings_initializer, name="embeddings")

    def call(self, inputs: Tensor) -> Tensor:
        """The rows."""
        return F.embedding(inputs.long(), self.embeddings)
