"""Layer: a part of a model that gets its weights when it sees the first shape."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any

from ...errors import ArgumentError, KindError, LabError, ShapeError, describe
from ...nn import Module
from ...tape import SCOPE
from ...tensor import Tensor
from ..tensor import styled
from . import constraints, initializers, regularizers
from .lines import Where, called_from, here
from .symbolic import KINDS, OPERATIONS, KerasTensor, Node, called, is_symbolic, tried
from .tree import is_shape, leaves, mapped, shapes_mapped
from .variable import Shape, Variable, as_array, convert, plainly
from .words import snake_case, unique

# What ``training`` is for a layer that is called by another one.
TRAINING: ContextVar[bool | None] = ContextVar("training", default=None)
# The losses that layers add while a model is called.
ADDED: ContextVar[list[Any] | None] = ContextVar("added", default=None)


class _NoNode(LabError, AttributeError):
    """A layer that is in no graph of layers."""


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

    _arguments: tuple[Any, Any]  # with which it was made
    _made: Where  # the line of the learner where it was made

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A layer that knows the line where it is made."""
        layer = super().__new__(cls)
        object.__setattr__(layer, "_made", here())
        object.__setattr__(layer, "_arguments", (args, kwargs))
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
        batch_input_shape: Any = None,
        activity_regularizer: Any = None,
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
        self._nodes: list[Node] = []
        self._added: list[Any] = []
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.input_spec: Any = None
        self.supports_masking = False
        if input_dim is not None:
            input_shape = (input_dim,)
        self._first_shape: Shape | None = None if input_shape is None else (None, *input_shape)
        if batch_input_shape is not None:
            self._first_shape = tuple(batch_input_shape)

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
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
    ) -> Variable:
        """A new weight of this layer, with the first values that ``initializer`` gives.

        What ``regularizer`` makes of it is added to the loss, ``constraint`` changes it after each
        step.
        """
        shape = (shape,) if isinstance(shape, int) else tuple(shape or ())
        if None in shape:
            raise ArgumentError(
                f"add_weight(shape): {self.name!r} needs all sizes, got {shape}\n"
                "  expected numbers: give the size in Input(shape)"
            )
        with plainly():
            value = initializers.get(initializer)(shape, dtype)
        name = name or "variable"
        variable = Variable(value, trainable, name=name)
        variable.path = "/".join([*filter(None, SCOPE.get().split(".")), self.name, name])
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        self._own.append(variable)
        if not self._trainable:
            variable.trainable = False
        return variable

    def rules(self, **given: Any) -> None:
        """Keep initialisers, regularisers and constraints, given by name or as objects."""
        kinds = {
            "initializer": initializers.get,
            "regularizer": regularizers.get,
            "constraint": constraints.get,
        }
        for name, value in given.items():
            setattr(self, name, kinds[name.rpartition("_")[2]](value))

    def ruled(self, name: str, shape: Any, kind: str = "", trainable: bool = True) -> Variable:
        """A weight by the rules that the layer keeps for it: ``kernel_initializer``, ..."""
        kind = kind or name
        return self.add_weight(
            shape,
            getattr(self, f"{kind}_initializer"),
            trainable=trainable,
            regularizer=getattr(self, f"{kind}_regularizer", None),
            constraint=getattr(self, f"{kind}_constraint", None),
            name=name,
        )

    def add_loss(self, loss: Any) -> None:
        """Add a number to the loss of the model, from inside of ``call``."""
        added = ADDED.get()
        every = loss if isinstance(loss, list | tuple) else [loss]
        (self._added if added is None else added).extend(every)

    @property
    def losses(self) -> list[Any]:
        """What layers added in the last call, and what regularisers make of the weights."""
        kept = [w for w in self.weights if w.regularizer is not None and w.trainable]
        return [*self._added, *(w.regularizer(w) for w in kept)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of what comes out: the layer is tried on zeros, for two sizes of each None."""
        given = shapes_mapped(lambda shape: KerasTensor(shape, name="input"), input_shape)
        out = tried(self, (given,), {"training": False})
        return mapped(lambda t: t.shape, out)

    # Calls ---------------------------------------------------------------------------------

    def __call__(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Build the layer if it is new, and run ``call``."""
        if is_symbolic(args) or (kwargs and is_symbolic(kwargs)):
            said = {} if training is None else {"training": training}
            return called(self, args, kwargs | said)
        args = tuple(_converted(x) for x in args)
        if kwargs:
            kwargs = {k: _converted(x) if _is_data(x) else x for k, x in kwargs.items()}
        if not self.built:
            self.build_for(args, kwargs)
        if self.input_spec is not None and args:
            check_specs(self, args[0])
        outer = TRAINING.get()
        training = bool(outer) if training is None else bool(training)
        if _takes(type(self).call, "training"):
            kwargs["training"] = training
        token, collected = TRAINING.set(training), None
        if outer is None:  # the call of a whole model: what its layers add is gathered anew
            self._added = []
            collected = ADDED.set(self._added)
        try:
            out = styled(super().__call__(*args, **kwargs))
            if self.activity_regularizer is not None:
                for y in leaves(out):
                    self.add_loss(self.activity_regularizer(y) / y.shape[0])
            return out
        finally:
            TRAINING.reset(token)
            if collected is not None:
                ADDED.reset(collected)

    def build_for(self, args: Any, kwargs: Any) -> None:
        """``build`` for the shapes of these inputs, as many of them as it takes."""
        names = _shape_names(type(self).build)
        if len(names) < 2 or not args:
            if args or kwargs:
                first = args[0] if args else next(iter(kwargs.values()))
                self.build(shape_of(first))
            return
        call = list(inspect.signature(type(self).call).parameters)[1:]
        given = dict(zip(call, args, strict=False)) | kwargs
        shapes = {f"{name}_shape": shape_of(x) for name, x in given.items()}
        if not set(names) & set(shapes):
            self.build(shape_of(args[0]))
        else:
            self.build(**{name: shapes.get(name) for name in names})

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Which steps the next layer passes over: those that this one was told of, or none."""
        return mask if self.supports_masking else None

    def masked(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        """The layer at its line on inputs of which some steps are hidden, and what it hides."""
        hidden = mask is not None and _takes(type(self).call, "mask")
        out = self.at_its_line(inputs, **({"mask": mask} if hidden else {}))
        return out, self.compute_mask(inputs, mask)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The name that ``nn.Module`` has for ``call``."""
        return self.call(*args, **kwargs)

    def at_its_line(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer as from the line where it was made."""
        if self._line is None:
            self._line = called_from(self._made)
        return self._line(self, *args, **kwargs)

    @property
    def output(self) -> Any:
        """What the layer gave where it was called first on an ``Input``, for further models."""
        return self._first_node("output").outputs

    @property
    def input(self) -> Any:
        """What the layer was called on first."""
        node = self._first_node("input")
        return node.outputs if not node.args else node.args[0]

    def _first_node(self, what: str) -> Node:
        if not self._nodes:
            raise _NoNode(
                f"{what}: {self.name!r} was never called on an Input\n"
                "  expected a layer of a functional model, or of a Sequential with an Input first"
            )
        return self._nodes[0]

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

    def get_config(self) -> dict[str, Any]:
        """The arguments with which a layer like this one can be made: ``from_config`` does.

        A layer of your own adds its arguments to those of ``super().get_config()``.

        >>> class Times(Layer):
        ...     def __init__(self, n, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.n = n
        >>> Times(3, name="x").get_config()
        {'name': 'x', 'trainable': True, 'dtype': 'float32', 'n': 3}
        """
        own = {"name": self.name, "trainable": self.trainable, "dtype": "float32"}
        if "get_config" in vars(type(self)):  # it names its arguments itself
            return own
        args, kwargs = self._arguments
        takes = inspect.signature(type(self).__init__).bind(self, *args, **kwargs)
        takes.apply_defaults()
        given = {k: v for k, v in takes.arguments.items() if k not in ("self", "kwargs")}
        return own | given | {k: v for k, v in kwargs.items() if k not in given and k not in own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer with these arguments, and weights of its own."""
        return cls(**config)

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
    def built(self: Layer, *shapes: Any, **named: Any) -> None:
        shapes = tuple(tuple(s) if isinstance(s, list) and is_shape(s) else s for s in shapes)
        with plainly():
            build(self, *shapes, **named)
        first = [*shapes, *named.values()]
        Layer.build(self, first[0] if first else None)

    return built


def _converted(x: Any) -> Any:
    """Arrays and lists of numbers as tensors; anything else as it is."""
    if isinstance(x, Tensor):
        return convert(x)
    if isinstance(x, dict):
        return {name: _converted(entry) for name, entry in x.items()}
    if (
        isinstance(x, list | tuple)
        and x
        and (isinstance(x[0], Tensor | dict) or getattr(x[0], "ndim", 0) > 0)
    ):
        return type(x)(_converted(entry) for entry in x) if type(x) in (list, tuple) else x
    return convert(x) if hasattr(x, "__array__") or isinstance(x, list | int | float) else x


def _is_data(x: Any) -> bool:
    return hasattr(x, "__array__") or isinstance(x, list | tuple | dict)


def shape_of(x: Any) -> Any:
    """The shape of an input with an open batch; None for what has no shape."""
    if isinstance(x, dict):
        return {name: shape_of(entry) for name, entry in x.items()}
    if isinstance(x, list | tuple):
        return [shape_of(entry) for entry in x]
    if isinstance(x, KerasTensor):
        return x.shape
    return (None, *x.shape[1:]) if hasattr(x, "shape") else None


@cache
def _shape_names(build: Callable[..., Any]) -> tuple[str, ...]:
    """The arguments of ``build``: ``query_shape`` and ``value_shape``, or one."""
    return tuple(inspect.signature(build).parameters)[1:]


@cache
def _takes(call: Callable[..., Any], name: str) -> bool:
    return name in inspect.signature(call).parameters


class InputSpec:
    """What a layer expects of its inputs: ``layer.input_spec = InputSpec(ndim=4)``.

    ``axes`` says sizes by axis: ``{-1: 3}``.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype, self.shape = dtype, None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim, self.axes = max_ndim, min_ndim, axes or {}
        self.name = name

    def __repr__(self) -> str:
        given = {k: v for k, v in vars(self).items() if v}
        return f"InputSpec({', '.join(f'{k}={v!r}' for k, v in given.items())})"


class _Incompatible(ShapeError, ArgumentError):
    """An input that a layer does not take; a ValueError in Keras."""


def check_specs(layer: Layer, inputs: Any) -> None:
    """An error unless the inputs are as ``layer.input_spec`` says."""
    specs, given = [*leaves(layer.input_spec)], [*leaves(inputs)]
    if len(specs) != len(given):
        raise _Incompatible(
            f"{type(layer).__name__} {layer.name!r}: got {len(given)} inputs\n"
            f"  expected {len(specs)}"
        )
    for i, (spec, x) in enumerate(zip(specs, given, strict=True)):
        if spec is None or not hasattr(x, "shape"):
            continue
        n, shape = len(x.shape), tuple(x.shape)
        wrong = None
        if spec.ndim is not None and n != spec.ndim:
            wrong = f"{spec.ndim} dimensions"
        elif spec.max_ndim is not None and n > spec.max_ndim:
            wrong = f"at most {spec.max_ndim} dimensions"
        elif spec.min_ndim is not None and n < spec.min_ndim:
            wrong = f"at least {spec.min_ndim} dimensions"
        for axis, size in {**dict(enumerate(spec.shape or ())), **spec.axes}.items():
            if wrong is None and size is not None and shape[int(axis)] != size:
                wrong = f"the size {size} at axis {axis}"
        if wrong is not None:
            raise _Incompatible(
                f"{type(layer).__name__} {layer.name!r}: input {i} does not fit\n"
                f"  got       {shape}\n  expected  {wrong}"
            )


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    batch_shape: Any = None,
    name: str | None = None,
) -> KerasTensor:
    """The shape of what goes into a model, without the batch.

    First in ``Sequential``, or what the first layers of a functional model are called on.

    >>> Input((28, 28)).shape
    (None, 28, 28)
    """
    return InputLayer(shape, batch_size, dtype, batch_shape, name).output


class InputLayer(Layer):
    """Says the shape of what goes into a model."""

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        batch_shape: Any = None,
        name: str | None = None,
    ) -> None:
        if batch_shape is not None:
            batch_size, *shape = batch_shape
        if shape is None or isinstance(shape, int | float) or not all(_is_size(n) for n in shape):
            raise KindError(
                f"Input(shape): got {describe(shape)}\n"
                "  expected the sizes of one example, such as (784,) or (28, 28, 1)"
            )
        super().__init__(name=name)
        self.batch_shape = (batch_size, *shape)
        self.built = True
        self._dtype = getattr(dtype, "name", None) or str(dtype or "float32")
        out = KerasTensor(self.batch_shape, self._dtype, name)
        Node(self, (), {}, out)

    def call(self, inputs: Any) -> Any:
        """The input itself."""
        return inputs


class Operation(Layer):
    """A sign such as ``+`` between KerasTensors."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def call(self, *given: Any) -> Any:
        """What the operation gives."""
        return self.function(*given)


OPERATIONS.update({kind: type(kind, (Operation,), {"__module__": __name__}) for kind in KINDS})


def _is_size(n: Any) -> bool:
    return n is None or (isinstance(n, int) and n > 0)


def need_positive(what: str, value: Any) -> None:
    """ArgumentError unless ``value`` is a whole number above 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        kind = ArgumentError if isinstance(value, int) else _KindOfNumber
        raise kind(f"{what}: expected a whole number above 0, got {describe(value)}")


class _KindOfNumber(KindError, ArgumentError):
    """A size that is no whole number: a ValueError in Keras."""


__all__ = [
    "Input",
    "InputLayer",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "NotBuilt",
    "Operation",
    "need_positive",
]
