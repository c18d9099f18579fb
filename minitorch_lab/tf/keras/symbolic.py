"""Models from calls: what ``Input`` gives, and which layer made what out of it.

A layer that is called on a ``KerasTensor`` computes nothing but shapes, and notes the call as a
node. ``Network`` walks back from outputs to inputs and finds the layers in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import random
from ...creation import zeros
from ...errors import ArgumentError, DTypeError, KindError, ShapeError, describe
from ...ops import FUNCTIONS as OPS
from ...tensor import Tensor
from .tree import leaves, mapped
from .variable import Shape, plainly
from .words import unique


class KerasTensor:
    """A shape and a dtype without entries: what a layer of a functional model takes and gives."""

    node: Node | None = None  # the call that made it
    index = 0  # its place among what the call gave

    def __init__(
        self, shape: Shape, dtype: str = "float32", name: str | None = None, **unused: Any
    ) -> None:
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

    def __array__(self, *unused: Any, **more: Any) -> Any:
        raise _NoEntries(
            f"{self!r} has a shape and no entries\n"
            "  expected data, or a layer that is called on it: inside of functional models "
            "everything is a layer (write a Lambda layer, or a Layer with call)"
        )

    def __bool__(self) -> bool:
        raise _NoEntries(
            f"{self!r} is neither true nor false: it has no entries\n"
            "  expected a branch inside of the call of a layer of your own"
        )

    def __iter__(self) -> Any:
        raise _NoEntries(f"{self!r} cannot be gone through\n  expected its parts by index: x[:, 0]")

    def __getitem__(self, key: Any) -> Any:
        return _applied("GetItem", lambda x: x[key], self)


class _NoEntries(KindError, ArgumentError):
    """A KerasTensor where data is needed."""


class Node:
    """One call of a layer: what it took and what it gave."""

    def __init__(self, layer: Any, args: Any, kwargs: Any, outputs: Any) -> None:
        self.layer, self.args, self.kwargs, self.outputs = layer, args, kwargs, outputs
        self.parents = [t for t in leaves([args, kwargs]) if isinstance(t, KerasTensor)]
        for i, output in enumerate(leaves(outputs)):
            if isinstance(output, KerasTensor):
                output.node, output.index = self, i
        layer._nodes.append(self)

    @property
    def place(self) -> int:
        """Which call of its layer it is."""
        return next(i for i, node in enumerate(self.layer._nodes) if node is self)


def is_symbolic(value: Any) -> bool:
    """Whether any value inside is a KerasTensor."""
    return any(isinstance(leaf, KerasTensor) for leaf in leaves(value))


def called(layer: Any, args: Any, kwargs: Any) -> Any:
    """The call of a layer on KerasTensors: it is built, and tried on zeros of two sizes."""
    if not layer.built:
        with plainly():
            layer.build_for(args, kwargs)
    outputs = tried(layer, args, kwargs)
    Node(layer, args, kwargs, outputs)
    return outputs


def tried(layer: Any, args: Any, kwargs: Any) -> Any:
    """What comes out for inputs of these shapes; a size that follows an open one is open."""
    found = []
    if "training" in kwargs:  # a trial leaves moving averages as they are
        kwargs = {**kwargs, "training": False}
    for size in (2, 3):

        def filled(t: Any, size: int = size) -> Any:
            if not isinstance(t, KerasTensor):
                return t
            sizes = [n if n is not None else size + 30 * bool(i) for i, n in enumerate(t.shape)]
            x = zeros(*sizes)
            return x if "float" in t.dtype else x.bool() if t.dtype == "bool" else x.long()

        with plainly(), random.apart(), np.errstate(all="ignore"):
            found.append(layer(*mapped(filled, args), **mapped(filled, kwargs)))
    two, three = (list(leaves(out)) for out in found)
    made = iter([_between(a, b) for a, b in zip(two, three, strict=True)])
    return mapped(lambda _: next(made), found[0])


def _between(a: Any, b: Any) -> Any:
    if not isinstance(a, Tensor):
        return a
    shape = tuple(m if m == n else None for m, n in zip(a.shape, b.shape, strict=True))
    return KerasTensor(shape, a.dtype.name)


def _applied(kind: str, function: Callable[..., Any], *given: Any) -> Any:
    """An operation on KerasTensors, which is a layer without weights."""
    return OPERATIONS[kind](function)(*given)


OPERATIONS: dict[str, Any] = {}  # filled where Layer is known
_SIGNS: dict[str, tuple[str, Callable[..., Any]]] = {
    "__add__": ("Add", lambda a, b: a + b), "__radd__": ("Add", lambda a, b: b + a),
    "__sub__": ("Subtract", lambda a, b: a - b), "__rsub__": ("Subtract", lambda a, b: b - a),
    "__mul__": ("Multiply", lambda a, b: a * b), "__rmul__": ("Multiply", lambda a, b: b * a),
    "__truediv__": ("TrueDivide", lambda a, b: a / b),
    "__rtruediv__": ("TrueDivide", lambda a, b: b / a),
    "__pow__": ("Power", lambda a, b: a**b), "__matmul__": ("Matmul", lambda a, b: a @ b),
    "__neg__": ("Negative", lambda a: -a), "__abs__": ("Absolute", OPS["abs"]),
}  # fmt: skip
KINDS = [*dict.fromkeys([*(kind for kind, _ in _SIGNS.values()), "GetItem"])]


def _sign(kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *other: _applied(kind, function, self, *other)


for _name, (_kind, _function) in _SIGNS.items():
    setattr(KerasTensor, _name, _sign(_kind, _function))


class Network:
    """The calls between inputs and outputs, in the order in which they are computed."""

    def __init__(self, inputs: Any, outputs: Any) -> None:
        self.inputs, self.outputs = inputs, outputs
        for words, given in (("inputs", inputs), ("outputs", outputs)):
            for t in leaves(given):
                if not isinstance(t, KerasTensor):
                    raise _NoEntries(
                        f"Model(inputs, outputs): got {describe(t)} among the {words}\n"
                        "  expected what keras.Input(...) and calls of layers on it give"
                    )
        self.flat: list[KerasTensor] = [*leaves(inputs)]
        self.ends: list[KerasTensor] = [*leaves(outputs)]
        self._walk()

    def _walk(self) -> None:
        """Find all nodes; layers farther from the outputs come first."""
        first: dict[int, int] = {}  # layers as they are met
        order: list[Node] = []  # parents first
        seen: set[int] = set()
        known = {id(t) for t in self.flat}
        todo: list[tuple[Node, bool]] = [(t.node, False) for t in reversed(self.ends) if t.node]
        while todo:
            node, ready = todo.pop()
            if ready:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                first.setdefault(id(node.layer), len(first))
                todo.append((node, True))
                outside = [t for t in node.parents if id(t) not in known]
                todo += [(t.node, False) for t in reversed(node.parents) if t.node is not None]
                lost = [t for t in outside if t.node is None or not t.node.parents]
                if lost:
                    self._lost(lost[0])
        depth: dict[int, int] = {}
        of_layer: dict[int, int] = {}
        for node in reversed(order):
            here = max(depth.get(id(node), 0), of_layer.get(id(node.layer), 0))
            depth[id(node)] = of_layer[id(node.layer)] = here
            for parent in node.parents:
                if parent.node is not None:
                    before = depth.get(id(parent.node), 0)
                    depth[id(parent.node)] = max(here + 1, before)
        for t in self.flat:  # an input that nothing uses
            if t.node is not None and id(t.node) not in seen:
                order.insert(0, t.node)
                first.setdefault(id(t.node.layer), len(first))
                of_layer[id(t.node.layer)] = 0
        self.order = order
        made_here = {id(t.node) for t in self.flat}
        self.calls = [node for node in order if id(node) not in made_here]
        layers = {id(node.layer): node.layer for node in order}.values()
        self.layers = sorted(layers, key=lambda n: (-of_layer[id(n)], first[id(n)]))
        names = [layer.name for layer in self.layers]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ArgumentError(
                f"Model(inputs, outputs): two layers are called {twice!r}\n"
                "  expected a name of its own for each"
            )

    @property
    def nodes(self) -> set[int]:
        """The calls of this network, by their ids."""
        return {id(node) for node in self.order}

    def _lost(self, t: KerasTensor) -> None:
        raise ArgumentError(
            f"Model(inputs, outputs): the outputs need {t!r}, which is not among the inputs\n"
            f"  inputs    {', '.join(x.name for x in self.flat)}\n"
            "  expected all Input(...) that lead to the outputs"
        )

    @property
    def is_a_line(self) -> bool:
        """Whether each layer is called once, on what the one before it gave."""
        nodes = self.nodes
        return (
            all(len(node.parents) < 2 for node in self.calls)
            and (len(self.flat) == len(self.ends) == 1)
            and all(sum(id(n) in nodes for n in layer._nodes) == 1 for layer in self.layers)
        )

    def __call__(self, data: Any) -> Any:
        """The outputs for these inputs."""
        given = self.fitted(data)
        values = {id(t): x for t, x in zip(self.flat, given, strict=True)}

        def put(t: Any) -> Any:
            return values[id(t)] if isinstance(t, KerasTensor) else t

        hidden: dict[int, Any] = {}  # masks, by what they belong to
        for node in self.calls:
            layer, args = node.layer, mapped(put, node.args)
            masks = [hidden.get(id(t)) for t in node.parents]
            if len(args) == 1 and not node.kwargs and len(masks) == 1:
                out, mask = layer.masked(args[0], masks[0])
            else:
                out, mask = layer.at_its_line(*args, **mapped(put, node.kwargs)), None
            for t, x in zip(leaves(node.outputs), leaves(out), strict=True):
                values[id(t)] = x
                if mask is not None:
                    hidden[id(t)] = mask
        return mapped(put, self.outputs)

    def fitted(self, data: Any) -> list[Any]:
        """The data in the order of the inputs, and of their numbers of dimensions."""
        if isinstance(data, dict):
            data = self._by_name(data)
        given = [*leaves(data)]
        if len(given) != len(self.flat):
            raise _Structure(
                f"the model has {len(self.flat)} inputs and got {len(given)}\n"
                f"  inputs    {', '.join(f'{t.name} {t.shape}' for t in self.flat)}\n"
                f"  got       {', '.join(map(describe, given))}\n"
                "  expected a list with one for each, or a dict by their names"
            )
        return [_fitted(t, x) for t, x in zip(self.flat, given, strict=True)]

    def _by_name(self, data: dict[str, Any]) -> list[Any]:
        found = []
        for t in self.flat:
            names = [t.name, *([t.node.layer.name] if t.node is not None else [])]
            if isinstance(self.inputs, dict):
                names += [key for key, value in self.inputs.items() if value is t]
            name = next((name for name in names if name in data), None)
            if name is None:
                raise _Structure(
                    f"the model got no data for its input {names[-1]!r}\n"
                    f"  got       {', '.join(map(str, data))}\n"
                    "  expected a dict with the names of the inputs: Input(..., name='title')"
                )
            found.append(data[name])
        return found


class _Structure(ShapeError, ArgumentError):
    """Data of another structure or shape than the inputs; a ValueError in Keras."""


def _fitted(t: KerasTensor, x: Any) -> Any:
    """Data with a last size of 1 more or less, where the input has it so."""
    shape = x.shape
    if len(shape) == t.ndim + 1 and shape[-1] == 1:
        x = x.reshape(shape[:-1])
    elif len(shape) == t.ndim - 1 and t.shape[-1] == 1:
        x = x.reshape(*shape, 1)
    fits = len(x.shape) == t.ndim and all(
        n is None or n == m for n, m in zip(t.shape[1:], x.shape[1:], strict=True)
    )
    if not fits:
        raise _Structure(
            f"the data does not fit the input {t.name!r}\n  got       {tuple(shape)}\n"
            f"  expected  {t.shape}, where None is any size"
        )
    if "float" in t.dtype and not x.dtype.is_floating_point:
        return x.float()
    return x if "float" in t.dtype or not x.dtype.is_floating_point else _whole(t, x)


def _whole(t: KerasTensor, x: Any) -> Any:
    """Floats for an input of whole numbers, as in Keras: cut off."""
    if t.dtype == "bool":
        raise DTypeError(f"the input {t.name!r} is bool\n  got  {x.spec}\n  expected bool")
    return x.long()
