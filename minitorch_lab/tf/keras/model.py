"""Model and Sequential."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError, KindError, describe
from ...tape import SCOPE
from .judge import Judge
from .layer import Input, InputLayer, KerasTensor, Layer, Operation, shape_of
from .symbolic import Network
from .training import Trainer
from .tree import mapped
from .variable import plainly


class Model(Trainer):
    """A network. A subclass makes its layers in ``__init__`` and uses them in ``call``.

    ``Model(inputs, outputs)`` is the network between what ``Input`` gave and what layers made of
    it; a subclass may be made so, too, and then needs no ``call``.

    >>> class Net(Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.first = Dense(4, activation="relu")
    ...         self.last = Dense(1)
    ...     def call(self, x):
    ...         return self.last(self.first(x))
    >>> from minitorch_lab.tf.keras.layers import Dense, Input
    >>> net = Net()
    >>> net([[1.0, 2.0]]).shape, net.count_params()
    (TensorShape([1, 1]), 17)
    >>> x = Input((3,))
    >>> Model(x, Dense(2)(x), name="net").output_shape
    (None, 2)
    """

    _network: Network | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A model; ``Functional`` for inputs and outputs."""
        functional = cls is Model and (len(args) > 1 or "outputs" in kwargs)
        return super().__new__(Functional if functional else cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        parts = dict(zip(("inputs", "outputs"), args, strict=False))
        parts |= {name: kwargs.pop(name) for name in ("inputs", "outputs") if name in kwargs}
        if len(args) > 2:
            kwargs["name"] = args[2]
        if len(parts) == 1:
            raise KindError(
                f"Model(inputs, outputs): got the {next(iter(parts))} alone\n"
                "  expected both, or a list of layers in Sequential, or a subclass of Model"
            )
        super().__init__(**kwargs)
        self._judge = Judge(None, None, None, None)
        self._forget()
        if parts:
            self._network = Network(**parts)
            self._operations = self._network.layers
            for layer in self._operations:
                self._modules[layer.name] = layer
            self.built = True
            self._build_shape = mapped(lambda t: t.shape, self._network.inputs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the model gives for inputs; a subclass writes its own."""
        if self._network is None:
            return super().call(*args, **kwargs)
        return self._network(args[0])

    @property
    def inputs(self) -> list[KerasTensor]:
        """What ``Input`` gave, in a list."""
        return [] if self._network is None else self._network.flat

    @property
    def outputs(self) -> list[KerasTensor]:
        """What comes out, in a list."""
        return [] if self._network is None else self._network.ends

    @property
    def input(self) -> Any:
        """What ``Input`` gave."""
        return super().input if self._network is None else self._network.inputs

    @property
    def output(self) -> Any:
        """What comes out, for further models."""
        return super().output if self._network is None else self._network.outputs

    @property
    def input_names(self) -> list[str]:
        """The names of the layers of the inputs."""
        return [t.node.layer.name for t in self.inputs if t.node is not None]

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that give the outputs."""
        return [t.node.layer.name for t in self.outputs if t.node is not None]

    @property
    def input_shape(self) -> Any:
        """The shape of what goes in; None stands for the batch."""
        self._need_built("input_shape")
        return self._build_shape

    @property
    def output_shape(self) -> Any:
        """The shape of what comes out."""
        self._need_built("output_shape")
        if self._network is not None:
            return mapped(lambda t: t.shape, self._network.outputs)
        with plainly():
            return self.compute_output_shape(self._build_shape)

    @property
    def layers(self) -> list[Layer]:
        """The layers of which the model is made."""
        every = {id(layer): layer for layer in self._parts()}.values()
        return [layer for layer in every if not isinstance(layer, Operation)]

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
        if type(self).call is not Model.call:
            self.compute_output_shape(input_shape)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The network on data; the layers inside are built as they are called."""
        if not self.built and args:
            Layer.build(self, shape_of(args[0]))
        return super().__call__(*args, **kwargs)


class Functional(Model):
    """What ``Model(inputs, outputs)`` makes."""


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
        self._outs: list[Any] = []  # the Input, and what each layer makes of it
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
        if isinstance(layer, KerasTensor) and layer.node is not None:
            layer = layer.node.layer
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
        del self._outs[len(self._stack) + 1 :]
        self._connect()
        self._forget()
        return layer

    @property
    def layers(self) -> list[Layer]:
        """The layers in order, without an ``InputLayer``."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    def _build_from_first(self) -> None:
        if self._stack and isinstance(self._stack[0], InputLayer):
            self._outs = self._outs or [self._stack[0].output, self._stack[0].output]
        elif self._stack and not self._outs:
            first = self._stack[0]
            if isinstance(first, Model) and first.inputs:
                self._outs = [Input(batch_shape=first.inputs[0].shape)]
            elif first._first_shape is not None:
                self._outs = [Input(batch_shape=first._first_shape)]
        self._connect()

    def build(self, input_shape: Any) -> None:
        """Make all weights, for inputs of this shape: None stands for the batch."""
        if not self._outs:
            self._outs = [Input(batch_shape=input_shape)]
        self._connect()

    def _connect(self) -> None:
        """Call the layers that have no place yet on what the one before gave."""
        if not self._outs or not self.layers:
            return
        token = SCOPE.set(f"{SCOPE.get()}.{self.name}".lstrip("."))
        try:
            for layer in self._stack[len(self._outs) - 1 :]:
                self._outs.append(layer.at_its_line(self._outs[-1]))
        finally:
            SCOPE.reset(token)
        self._network = Network(self._outs[0], self._outs[-1])
        Layer.build(self, self._outs[0].shape)

    def call(self, inputs: Any) -> Any:
        """The inputs through all layers, each called as from the line where it was made."""
        x: Any = inputs
        mask: Any = None
        for layer in self._stack:
            x, mask = layer.masked(x, mask)
        return x
