"""Model and Sequential."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError, KindError, describe
from ...tape import SCOPE
from ...tensor import Tensor
from .layer import KerasTensor, Layer, shape_of
from .layers.core import InputLayer
from .training import Trainer
from .variable import plainly


class Model(Trainer):
    """A network. A subclass makes its layers in ``__init__`` and uses them in ``call``.

    >>> class Net(Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.first = Dense(4, activation="relu")
    ...         self.last = Dense(1)
    ...     def call(self, x):
    ...         return self.last(self.first(x))
    >>> from minitorch_lab.tf.keras.layers import Dense
    >>> net = Net()
    >>> net([[1.0, 2.0]]).shape, net.count_params()
    (TensorShape([1, 1]), 17)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or "inputs" in kwargs or "outputs" in kwargs:
            raise KindError(
                "Model(inputs, outputs): models from Input(...) and calls of layers are not here "
                "yet\n  expected a list of layers in Sequential, or a subclass of Model"
            )
        super().__init__(**kwargs)
        self._forget()
        self._loss = None
        self._given: list[Any] = []

    @property
    def layers(self) -> list[Layer]:
        """The layers of which the model is made."""
        return [*{id(layer): layer for layer in self._parts()}.values()]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer with this name, or at this place."""
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ArgumentError(f"get_layer(index={index}): there are {len(layers)} layers")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        have = ", ".join(layer.name for layer in layers) or "none"
        raise ArgumentError(
            f"get_layer(name={name!r}): there is no such layer\n  there are  {have}"
        )

    def build(self, input_shape: Any) -> None:
        """Make all weights, for inputs of this shape: None stands for the batch."""
        if type(self).call is not Layer.call:
            self.compute_output_shape(tuple(input_shape))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The network on data; the layers inside are built as they are called."""
        if not self.built and args:
            Layer.build(self, shape_of(args[0]))
        return super().__call__(*args, **kwargs)


class Sequential(Model):
    """Layers one after another.

    With an ``Input`` first, or ``input_shape`` in the first layer, all weights are there at once;
    else the first data bring them.

    >>> from minitorch_lab.tf.keras.layers import Dense, Input
    >>> model = Sequential([Input((3,)), Dense(2, activation="relu"), Dense(1, name="last")])
    >>> model.output_shape, model.count_params(), model.layers[-1]
    ((None, 1), 11, <Dense name=last, built=True>)
    """

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(trainable=trainable, name=name)
        self._stack: list[Layer] = []
        if layers is not None and not isinstance(layers, list | tuple):
            raise KindError(
                f"Sequential(layers): got {describe(layers)}\n  expected a list of layers"
            )
        for layer in layers or ():
            self._add(layer)
        self._build_from_first()

    def add(self, layer: Any) -> None:
        """Put a layer at the end."""
        self._add(layer)
        self._build_from_first()

    def _add(self, layer: Any) -> None:
        if isinstance(layer, KerasTensor):
            layer = InputLayer.of(layer)
        if not isinstance(layer, Layer):
            raise KindError(
                f"Sequential: got {describe(layer)} where a layer is expected\n"
                "  expected a list of keras.layers, such as [layers.Dense(10)]"
            )
        if any(known.name == layer.name for known in self._stack):
            raise ArgumentError(
                f"Sequential: two layers are called {layer.name!r}\n"
                "  expected a name of its own for each; a layer stands in a model once"
            )
        self._stack.append(layer)
        self._modules[layer.name] = layer
        self._forget()

    def pop(self) -> Layer:
        """Take the last layer away."""
        if not self._stack:
            raise ArgumentError("pop(): the model has no layers")
        layer = self._stack.pop()
        self._modules.pop(layer.name, None)
        self._forget()
        return layer

    @property
    def layers(self) -> list[Layer]:
        """The layers in order, without an ``InputLayer``."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    def _build_from_first(self) -> None:
        shape: Any = None
        if self._stack and isinstance(self._stack[0], InputLayer):
            shape = self._stack[0].batch_shape
        elif self._stack:
            shape = self._stack[0]._first_shape
        if shape is not None and self.layers:
            self.build(shape)

    def build(self, input_shape: Any) -> None:
        """Make all weights, for inputs of this shape: None stands for the batch."""
        shape = input_shape
        token = SCOPE.set(f"{SCOPE.get()}.{self.name}".lstrip("."))
        try:
            for layer in self.layers:
                if not layer.built:
                    layer.at_its_line(shape, method="build")
                shape = layer.compute_output_shape(shape)
        finally:
            SCOPE.reset(token)

    @property
    def input_shape(self) -> Any:
        """The shape of what goes in; None stands for the batch."""
        self._need_built("input_shape")
        return self._build_shape

    @property
    def output_shape(self) -> Any:
        """The shape of what comes out."""
        self._need_built("output_shape")
        with plainly():
            return self.compute_output_shape(self._build_shape)

    def call(self, inputs: Any) -> Any:
        """The inputs through all layers, each called as from the line where it was made."""
        x: Tensor = inputs
        for layer in self._stack:
            x = layer.at_its_line(x)
        return x
