"""Layer: a part of a model that gets its weights when it sees the first shape."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any

from ... import random
from ...creation import zeros
from ...errors import ArgumentError, KindError, ShapeError, describe
from ...nn import Module
from ...tape import SCOPE
from ...tensor import Tensor
from ..tensor import styled
from . import initializers
from .lines import Where, called_from, here
from .variable import Shape, Variable, as_array, convert, plainly
from .words import snake_case, unique

# What ``training`` is for a layer that is called by another one.
TRAINING: ContextVar[bool | None] = ContextVar("training", default=None)


class NotBuilt(ArgumentError):
    """A layer that has no weights yet."""


class Layer(Module):
    """A part of a model. A subclass makes its weights in ``build`` and uses them in ``call``.

    ``build`` runs once, with the shape of the first input. ``call`` may take ``training``: True
    in ``fit``, False elsewhere, unless the call says it. A ``Layer`` is a ``nn.Module``: what takes
    one of those takes it too.

    >>> class Scale(Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones")
    ...     def call(self, x):
    ...         return x * self.factor
    >>> scale = Scale()
    >>> scale([[1.0, 2.0]]).shape, [w.shape for w in scale.weights]
    (TensorShape([1, 2]), [TensorShape([2])])
    """

    _made: Where  # the line of the learner where it was made

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A layer that knows the line where it is made."""
        layer = super().__new__(cls)
        object.__setattr__(layer, "_made", here())
        return layer

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls):
            cls.build = _noted(cls.build)  # type: ignore[method-assign]

    def __init__(
        self,
        *,
        trainable: bool = True,
        dtype: Any = None,
        name: str | None = None,
        input_shape: Any = None,
        input_dim: int | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            takes = [p for p in inspect.signature(type(self)).parameters if p != "kwargs"]
            raise KindError(
                f"{type(self).__name__}(): there is no argument {next(iter(unknown))!r}\n"
                f"  expected  {', '.join([*takes, 'name', 'trainable'])}"
            )
        if dtype not in (None, "float32"):
            raise ArgumentError(
                f"{type(self).__name__}(dtype): got {dtype!r}\n"
                "  expected 'float32': all weights have this dtype here"
            )
        super().__init__()
        self.built = False
        self._name = unique(snake_case(type(self).__name__)) if name is None else str(name)
        self._label = self._name
        self._trainable = trainable
        self._own: list[Variable] = []
        self._build_shape: Shape | None = None
        self._line: Any = None
        if input_dim is not None:
            input_shape = (input_dim,)
        self._first_shape: Shape | None = None if input_shape is None else (None, *input_shape)

    # What a subclass writes ----------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of this shape, in which None is a size that may change."""
        self.built = True
        self._build_shape = self._build_shape or input_shape

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer computes."""
        raise NotImplementedError(
            f"{type(self).__name__} has no call: define `def call(self, inputs):` in the class"
        )

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> Variable:
        """A new weight of this layer, with the first values that ``initializer`` gives."""
        with plainly():
            value = initializers.get(initializer)(tuple(shape or ()), dtype)
        name = name or "variable"
        variable = Variable(value, trainable, name=name)
        variable.path = "/".join([*filter(None, SCOPE.get().split(".")), self.name, name])
        self._own.append(variable)
        if not self._trainable:
            variable.trainable = False
        return variable

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what comes out: the layer is tried on zeros, for two sizes of each None."""
        shapes = []
        for size in (2, 3):
            sizes = [n if n is not None else size + 30 * bool(i) for i, n in enumerate(input_shape)]
            with plainly(), random.apart():
                shapes.append(tuple(self(zeros(*sizes), training=False).shape))
        return tuple(a if a == b else None for a, b in zip(*shapes, strict=True))

    # Calls ---------------------------------------------------------------------------------

    def __call__(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Build the layer if it is new, and run ``call``."""
        args = tuple(_converted(x) for x in args)
        if not self.built and args:
            self.build(shape_of(args[0]))
        training = bool(TRAINING.get()) if training is None else bool(training)
        if _takes_training(type(self).call):
            kwargs["training"] = training
        token = TRAINING.set(training)
        try:
            return styled(super().__call__(*args, **kwargs))
        finally:
            TRAINING.reset(token)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The name that ``nn.Module`` has for ``call``."""
        return self.call(*args, **kwargs)

    def at_its_line(self, *args: Any, method: str = "__call__") -> Any:
        """Call the layer, or another method, as from the line where it was made."""
        if self._line is None:
            self._line = called_from(self._made)
        return self._line(getattr(self, method), *args)

    # Parts ---------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if isinstance(value, Layer):  # it is known by its own name, not by the attribute's
            object.__setattr__(value, "_label", value.name)
        elif isinstance(value, Variable) and value.name == "variable":
            value.name, value.path = name, value.path.removesuffix("variable") + name

    def _parts(self) -> Iterator[Layer]:
        """The layers inside of this one: attributes, and entries of lists and dicts."""
        for name, value in vars(self).items():
            if name in ("_parameters", "_buffers", "_modules"):
                continue
            entries = value.values() if isinstance(value, dict) else value
            for entry in entries if isinstance(value, list | tuple | dict) else (value,):
                if isinstance(entry, Layer):
                    yield entry

    def _flatten_layers(self) -> list[Layer]:
        """This layer and all inside of it, each once."""
        seen: dict[int, Layer] = {}
        todo = [self]
        while todo:
            layer = todo.pop()
            if id(layer) not in seen:
                seen[id(layer)] = layer
                todo += reversed([*layer._parts()])
        return [*seen.values()]

    @property
    def name(self) -> str:
        """Unique, such as ``dense_1``."""
        return self._name

    @property
    def weights(self) -> list[Variable]:
        """All variables: of this layer, then of those inside of it."""
        every = [w for layer in self._flatten_layers() for w in layer._variables()]
        return [*{id(w): w for w in every}.values()]

    variables = weights

    def _variables(self) -> list[Variable]:
        own = {id(w): w for w in self._own}
        own |= {id(w): w for w in vars(self).values() if isinstance(w, Variable)}
        return [*own.values()]

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that are learned."""
        return [w for w in self.weights if w.trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The variables that are kept, or frozen."""
        return [w for w in self.weights if not w.trainable]

    non_trainable_variables = non_trainable_weights

    @property
    def trainable(self) -> bool:
        """Whether the layer learns; ``layer.trainable = False`` freezes it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._flatten_layers():
            layer._trainable = bool(value)
            for w in layer._variables():
                w.trainable = bool(value) and not any(w is kept for kept in layer._kept())

    def _kept(self) -> list[Variable]:
        """The variables that are never learned."""
        return []

    def get_weights(self) -> list[Any]:
        """The entries of all weights as NumPy arrays."""
        return [w.numpy() for w in self.weights]

    def set_weights(self, weights: Any) -> None:
        """Take entries over, in the order of ``weights``."""
        self._need_built("set_weights")
        arrays, own = [as_array(w) for w in weights], self.weights
        if [a.shape for a in arrays] != [tuple(w.shape) for w in own]:
            rows = [f"    {w.path:24} {tuple(w.shape)}" for w in own]
            raise ShapeError(
                f"set_weights(weights): {self.name!r} has other weights\n"
                f"  weights   {', '.join(str(a.shape) for a in arrays) or 'none'}\n"
                "  expected\n" + "\n".join(rows)
            )
        for w, array in zip(own, arrays, strict=True):
            w.assign(array)

    def count_params(self) -> int:
        """How many numbers the weights are."""
        self._need_built("count_params")
        return sum(w.numel() for w in self.weights)

    def _need_built(self, what: str) -> None:
        if not self.built:
            raise NotBuilt(
                f"{what}(): {self.name!r} has no weights yet, for it knows no input shape\n"
                "  give one: keras.Input(shape) first in the model, or model.build((None, ...)), "
                "or call it on data"
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _noted(build: Callable[..., None]) -> Callable[..., None]:
    """A ``build`` of a subclass, which leaves its mark: the layer is built, for this shape."""

    @wraps(build)
    def built(self: Layer, input_shape: Any) -> None:
        shape = tuple(input_shape) if isinstance(input_shape, tuple | list) else input_shape
        with plainly():
            build(self, shape)
        Layer.build(self, shape)

    return built


def _converted(x: Any) -> Any:
    """Arrays and lists of numbers as tensors; anything else as it is."""
    if isinstance(x, Tensor):
        return convert(x)
    if isinstance(x, list) and x and isinstance(x[0], Tensor):
        return [convert(entry) for entry in x]
    if isinstance(x, KerasTensor):
        raise ArgumentError(
            f"a layer was called on {x!r}, which has a shape and no entries\n"
            "  models from Input(...) and calls of layers are not here yet\n"
            "  expected data: list the layers in Sequential, or write a subclass of Model"
        )
    return convert(x) if hasattr(x, "__array__") or isinstance(x, list | int | float) else x


def shape_of(x: Any) -> Any:
    """The shape of an input with an open batch; None for what has no shape."""
    if isinstance(x, list | tuple):
        return [shape_of(entry) for entry in x]
    return (None, *x.shape[1:]) if isinstance(x, Tensor) else None


@cache
def _takes_training(call: Callable[..., Any]) -> bool:
    return "training" in inspect.signature(call).parameters


class KerasTensor:
    """What ``Input`` gives: a shape and a dtype without entries."""

    def __init__(self, shape: Shape, dtype: str = "float32", name: str | None = None) -> None:
        self.shape, self.dtype = tuple(shape), dtype
        self.name = unique("keras_tensor") if name is None else name

    @property
    def ndim(self) -> int:
        """How many dimensions."""
        return len(self.shape)

    def __repr__(self) -> str:
        return (
            f"<KerasTensor shape={self.shape}, dtype={self.dtype}, sparse=False, ragged=False, "
            f"name={self.name}>"
        )


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> KerasTensor:
    """The shape of what goes into a model, without the batch; first in ``Sequential``.

    >>> Input((28, 28)).shape
    (None, 28, 28)
    """
    if shape is None or isinstance(shape, int | float) or not all(_is_size(n) for n in shape):
        raise KindError(
            f"Input(shape): got {describe(shape)}\n"
            "  expected the sizes of one example, such as (784,) or (28, 28, 1)"
        )
    return KerasTensor((batch_size, *shape), str(dtype or "float32"), name)


def _is_size(n: Any) -> bool:
    return n is None or (isinstance(n, int) and n > 0)


def need_positive(what: str, value: Any) -> None:
    """ArgumentError unless ``value`` is a whole number above 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        kind = ArgumentError if isinstance(value, int) else _KindOfNumber
        raise kind(f"{what}: expected a whole number above 0, got {describe(value)}")


class _KindOfNumber(KindError, ArgumentError):
    """A size that is no whole number: a ValueError in Keras."""


__all__ = ["Input", "KerasTensor", "Layer", "NotBuilt", "need_positive"]
