"""Layers of one input that look at no neighbours."""

from __future__ import annotations

import math
from typing import Any

from ....creation import randn_like
from ....errors import ArgumentError, KindError, ShapeError, describe
from ....nn import functional as F
from ....op import current
from ....ops import FUNCTIONS as OPS
from ....tensor import Tensor
from .. import activations
from ..layer import Layer, need_positive


def as_float(x: Tensor) -> Tensor:
    """Whole numbers as float32."""
    return x if x.dtype.is_floating_point else x.float()


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
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        need_positive("Dense(units)", units)
        self.units, self.use_bias = units, use_bias
        self.activation = activations.get(activation)
        self.supports_masking = True
        self.rules(
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Make kernel and bias."""
        size = input_shape[-1]
        if size is None:
            raise ShapeError(
                f"Dense {self.name!r}: the last size of its input is open\n"
                f"  input     {tuple(input_shape)}\n  expected a number there: it is that of the "
                "weights; give the size in Input(shape)"
            )
        self.kernel = self.ruled("kernel", (size, self.units))
        self.bias = self.ruled("bias", (self.units,)) if self.use_bias else None

    def call(self, inputs: Tensor) -> Tensor:
        """The product with the kernel, the bias, the activation."""
        if inputs.shape[-1] != self.kernel.shape[0]:
            raise _InputShape(
                f"Dense {self.name!r}: the last size of its input differs from that of its kernel\n"
                f"  inputs    {inputs.spec}\n  kernel    {self.kernel.spec}\n"
                f"  expected  (..., {self.kernel.shape[0]}), which the layer was built for"
            )
        y = self._product(as_float(inputs))
        if self.bias is not None:
            y = y + self.bias
        return self.activation(y)

    def _product(self, x: Tensor) -> Tensor:
        """The product with the kernel.

        In a graph, flattened pictures are taken with their channels first, as the engine has them,
        and the rows of the kernel are put in that order: it has fewer entries than a batch.
        """
        planes = flattened_planes(x) if current().tracing else None
        if planes is None:
            return x @ self.kernel
        n, c, h, w = planes.shape
        rows = self.kernel.reshape(h, w, c, self.units).permute(2, 0, 1, 3)
        return planes.reshape(n, c * h * w) @ rows.reshape(c * h * w, self.units)


def flattened_planes(x: Tensor) -> Any:
    """The ``(N, C, H, W)`` of which ``x`` is the flattened ``(N, H, W, C)``; None for others."""
    flat = x.node
    before = flat.inputs[0] if flat is not None and flat.op.name == "reshape" else None
    turned = getattr(before, "node", None)
    if turned is None or turned.op.name != "permute" or turned.attrs["dims"] != (0, 2, 3, 1):
        return None
    planes = turned.inputs[0]
    return planes if x.ndim == 2 and x.shape[0] == planes.shape[0] else None


class _InputShape(ShapeError, ArgumentError):
    """An input of another shape than the layer was built for; a ValueError in Keras."""


class Activation(Layer):
    """An activation as a layer of its own, by name or as a function."""

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.supports_masking = True

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


class Dropout(Layer):
    """In training, zeros in place of a share ``rate`` of the entries; the rest is scaled up."""

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise ArgumentError(f"Dropout(rate): expected a number from 0 to 1, got {rate!r}")
        if noise_shape is not None:
            raise ArgumentError(
                f"Dropout(noise_shape): got {noise_shape!r}\n  expected None: each entry for itself"
            )
        self.rate, self.seed, self.supports_masking = rate, seed, True

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

    Shapes: ``(N, ...)`` to ``(N, ..., output_dim)``. With ``mask_zero`` the layers behind it that
    go step by step pass over the places that hold 0.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("input_length", None)  # older programs give it; it says nothing
        super().__init__(**kwargs)
        need_positive("Embedding(input_dim)", input_dim)
        need_positive("Embedding(output_dim)", output_dim)
        self.input_dim, self.output_dim, self.mask_zero = input_dim, output_dim, mask_zero
        self.supports_masking = mask_zero
        self.rules(
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
        )

    def build(self, input_shape: Any = None) -> None:
        """Make the table of rows."""
        self.embeddings = self.ruled("embeddings", (self.input_dim, self.output_dim))

    def compute_mask(self, inputs: Tensor, mask: Any = None) -> Any:
        """True where the number is not 0; None without ``mask_zero``."""
        return OPS["ne"](inputs, 0) if self.mask_zero else None

    def call(self, inputs: Tensor) -> Tensor:
        """The rows."""
        return F.embedding(inputs.long(), self.embeddings)


class Masking(Layer):
    """Hides the steps in which all features are ``mask_value``; they become 0."""

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value, self.supports_masking = mask_value, True

    def compute_mask(self, inputs: Tensor, mask: Any = None) -> Any:
        """True where any feature differs."""
        return OPS["ne"](inputs, self.mask_value).float().sum(-1) > 0

    def call(self, inputs: Tensor) -> Tensor:
        """The inputs, zeros where they are hidden."""
        seen = OPS["ne"](inputs, self.mask_value).float().sum(-1, keepdim=True) > 0
        return as_float(inputs) * seen.float()


class Lambda(Layer):
    """A function as a layer."""

    def __init__(
        self,
        function: Any,
        output_shape: Any = None,
        mask: Any = None,
        arguments: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise KindError(f"Lambda(function): expected a function, got {describe(function)}")
        self.function, self.arguments = function, dict(arguments or {})

    def call(self, inputs: Any) -> Any:
        """What the function gives."""
        return self.function(inputs, **self.arguments)


class Identity(Layer):
    """The input itself."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """The input itself."""
        return inputs


class GaussianNoise(Layer):
    """In training, normal numbers are added."""

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev, self.seed, self.supports_masking = stddev, seed, True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The inputs, or in training something close to them."""
        x = as_float(inputs)
        return x + randn_like(x) * self.stddev if training else x
