"""Weights between a PyTorch-style module and its Keras twin, in both directions.

Both lists of layers that have weights are gone through side by side, each pair by its own rule.
What differs: Keras keeps matrices as ``(in, out)``, kernels of pictures as ``(h, w, in, out)``,
GRU gates in another order; and behind a ``Flatten`` of pictures the rows of a matrix stand in the
order height, width, channel, where PyTorch counts the channels first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import nn
from ...errors import ArgumentError, KindError, ShapeError, describe
from ...tensor import Tensor, make, no_grad
from . import layers
from .layer import Layer

Array = Any
# How a pair of layers exchanges weights: for each weight of Keras the tensors of PyTorch's layer,
# what makes Keras's array of theirs, and what makes theirs of Keras's.
Rule = list[tuple[Any, list[Any], Callable[..., Array], Callable[[Array], list[Array]]]]
CHANNELS_FIRST = (  # whose twins in PyTorch take and give sequences with their channels first
    layers.Conv1D, layers.BatchNormalization, layers.MaxPooling1D, layers.AveragePooling1D,
)  # fmt: skip


class _NoTwin(ShapeError, ArgumentError):
    """Models that are no twins."""


def transfer_weights(source: Any, target: Any) -> Any:
    """Copy all weights of ``source`` into ``target``, the same network in the other dialect.

    One of them is a Keras model that is built, the other a ``nn.Module``. Gives ``target``. Nothing
    is changed where anything does not fit.

    Raises:
        KindError: both, or none, are Keras models.
        ArgumentError: other layers, in number, kind or sizes.

    >>> from minitorch_lab.tf import keras
    >>> twin = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> module = nn.Sequential(nn.Linear(2, 3))
    >>> transfer_weights(module, twin) is twin
    True
    >>> (twin.layers[0].kernel.T == module[0].weight).all().item()
    True
    """
    for name, given in (("source", source), ("target", target)):
        if not isinstance(given, nn.Module):
            raise KindError(
                f"transfer_weights({name}): got {describe(given)}\n"
                "  expected a nn.Module, or a Keras model"
            )
    there, back = isinstance(target, Layer), isinstance(source, Layer)
    if there == back:
        what = "Keras models" if there else "PyTorch-style modules"
        raise KindError(
            f"transfer_weights(source, target): both are {what}\n"
            "  expected one of each; between equals: "
            + ("target.set_weights(source.get_weights())" if there else
               "target.load_state_dict(source.state_dict())")
        )  # fmt: skip
    ours, theirs = (target, source) if there else (source, target)
    changes: list[tuple[Tensor, Array]] = []
    for rule in _rules(ours, theirs):
        for weight, tensors, to_keras, to_torch in rule:
            arrays = [_array(t) for t in tensors]
            if there:
                changes.append((weight, to_keras(*arrays)))
            else:
                changes += zip(tensors, to_torch(_array(weight)), strict=True)
    for tensor, array in changes:
        if tuple(tensor.shape) != tuple(array.shape):
            raise _NoTwin(
                f"transfer_weights: a weight has another shape\n"
                f"  target  {tuple(tensor.shape)}\n  source  {tuple(array.shape)}, turned"
            )
    with no_grad():
        for tensor, array in changes:
            tensor.copy_(make(np.ascontiguousarray(array, dtype=tensor.array.dtype)))
    return target


def _array(t: Any) -> Array:
    return t.detach().cpu().numpy()


def _rules(ours: Any, theirs: Any) -> list[Rule]:
    """The rule of each pair of layers."""
    if not ours.built:
        raise _NoTwin(
            f"transfer_weights: the Keras model {ours.name!r} has no weights yet\n"
            "  expected keras.Input(shape) first in it, or model.build((None, ...))"
        )
    mine = [*_keras_layers(ours)]
    yours = [m for m in theirs.modules() if type(m) in KINDS]
    known = {id(p) for m in yours for p in m.parameters()}
    rest = [name for name, p in theirs.named_parameters() if id(p) not in known]
    if rest:
        raise _NoTwin(
            f"transfer_weights: there is no rule for the parameter {rest[0]!r} of "
            f"{type(theirs).__name__}\n  rules are for  {', '.join(k.__name__ for k in KINDS)}"
        )
    if len(mine) != len(yours):
        raise _NoTwin(
            "transfer_weights: the models have different layers with weights\n"
            f"  Keras    {', '.join(type(layer).__name__ for layer, _ in mine)}\n"
            f"  PyTorch  {', '.join(type(m).__name__ for m in yours)}\n"
            "  expected the same network in both, layer by layer"
        )
    found = []
    for (layer, planes), module in zip(mine, yours, strict=True):
        wanted, rule = KINDS[type(module)]
        if not isinstance(layer, wanted):
            raise _NoTwin(
                f"transfer_weights: {layer.name!r} is {type(layer).__name__}, and stands beside "
                f"{type(module).__name__}\n  expected {type(module).__name__} beside "
                f"{wanted.__name__}, in the same order in both"
            )
        found.append(rule(layer, module, planes))
    return found


def _keras_layers(model: Any) -> Any:
    """Layers with weights, each with the ``(H, W, C)`` of the picture that was flattened for it."""
    flattened: dict[int, Any] = {}
    before: Any = None  # the last layer that has weights or pools
    for layer in model._flatten_layers():
        shape = layer._build_shape if isinstance(layer, layers.Flatten) else None
        if shape and _turned(shape, before):
            for w in _next_dense(model, layer):
                flattened[id(w)] = shape[1:]
        before = layer if layer.weights or isinstance(layer, CHANNELS_FIRST) else before
    for layer in model._flatten_layers():
        both = isinstance(layer, layers.Bidirectional)
        own = not any(True for _ in layer._parts()) and not _inside_bidirectional(model, layer)
        if layer.weights and (both or own):
            yield layer, flattened.get(id(layer))


def _turned(shape: Any, before: Any) -> bool:
    """Whether PyTorch flattens these in another order: only where it has the channels first.

    A grey picture ``(28, 28)`` has no channels, and what an embedding or a recurrent layer gives
    has its features last in both.
    """
    return len(shape) > 3 or (len(shape) == 3 and isinstance(before, CHANNELS_FIRST))


def _inside_bidirectional(model: Any, layer: Any) -> bool:
    return any(
        isinstance(outer, layers.Bidirectional) and any(layer is p for p in outer._parts())
        for outer in model._flatten_layers()
    )


def _next_dense(model: Any, flatten: Any) -> list[Any]:
    """The first Dense behind a Flatten: by the calls where they are known, else by the order."""
    passing = (layers.Dropout, layers.Activation, layers.ReLU, layers.Flatten)
    if flatten._nodes:
        found, ends = [], [t for node in flatten._nodes for t in [node.outputs]]
        every = [n for layer in model._flatten_layers() for n in layer._nodes]
        while ends:
            end = ends.pop()
            for node in every:
                if any(t is end for t in node.parents):
                    if isinstance(node.layer, layers.Dense):
                        found.append(node.layer)
                    elif isinstance(node.layer, passing):
                        ends.append(node.outputs)
        return found
    behind = model._flatten_layers()
    behind = behind[next(i for i, layer in enumerate(behind) if layer is flatten) + 1 :]
    return [layer for layer in behind if isinstance(layer, layers.Dense)][:1]


# Rules -------------------------------------------------------------------------------------


def _same(weight: Any, tensor: Any) -> Any:
    return weight, [tensor], lambda a: a, lambda a: [a]


def _bias(layer: Any, module: Any) -> Rule:
    _need_both(layer, "bias", layer.bias, module.bias)
    return [] if layer.bias is None else [_same(layer.bias, module.bias)]


def _need_both(layer: Any, name: str, mine: Any, yours: Any) -> None:
    if (mine is None) != (yours is None):
        has, lacks = ("Keras", "PyTorch") if yours is None else ("PyTorch", "Keras")
        raise _NoTwin(
            f"transfer_weights: {layer.name!r} has a {name} in the style of {has} only\n"
            f"  expected one in both, or in none; {lacks} has {name}=False"
        )


def _dense(layer: Any, module: Any, planes: Any) -> Rule:
    def to_keras(w: Array) -> Array:
        if planes is not None:
            h, wide, c = planes
            w = w.reshape(len(w), c, h, wide).transpose(0, 2, 3, 1).reshape(len(w), -1)
        return w.T

    def to_torch(w: Array) -> list[Array]:
        w = w.T
        if planes is not None:
            h, wide, c = planes
            w = w.reshape(len(w), h, wide, c).transpose(0, 3, 1, 2).reshape(len(w), -1)
        return [w]

    if tuple(layer.kernel.shape) != (module.in_features, module.out_features):
        raise _NoTwin(
            f"transfer_weights: {layer.name!r} has other sizes\n"
            f"  Keras    {tuple(layer.kernel.shape)}\n"
            f"  PyTorch  ({module.in_features}, {module.out_features})"
        )
    flat = planes is not None and len(planes) == 2  # sequences: steps, features
    planes = (planes[0], 1, planes[1]) if flat else planes
    return [(layer.kernel, [module.weight], to_keras, to_torch), *_bias(layer, module)]


def _conv(layer: Any, module: Any, planes: Any) -> Rule:
    there = (2, 1, 0) if layer.kernel.ndim == 3 else (2, 3, 1, 0)
    back = (2, 1, 0) if layer.kernel.ndim == 3 else (3, 2, 0, 1)
    kernel = (
        layer.kernel, [module.weight], lambda a: a.transpose(there), lambda a: [a.transpose(back)]
    )  # fmt: skip
    return [kernel, *_bias(layer, module)]


def _scaled(layer: Any, module: Any, planes: Any) -> Rule:
    _need_both(layer, "gamma (weight)", layer.gamma, module.weight)
    _need_both(layer, "beta (bias)", layer.beta, module.bias)
    pairs = [(layer.gamma, module.weight), (layer.beta, module.bias)]
    if isinstance(layer, layers.BatchNormalization):
        pairs += [
            (layer.moving_mean, module.running_mean),
            (layer.moving_variance, module.running_var),
        ]
    return [_same(a, b) for a, b in pairs if a is not None]


def _embedding(layer: Any, module: Any, planes: Any) -> Rule:
    return [_same(layer.embeddings, module.weight)]


def _gates(kind: str) -> Callable[[Array], Array]:
    """The columns of Keras's gates as PyTorch orders them, and back: GRU's first two change."""

    def turned(a: Array) -> Array:
        if kind != "GRU":
            return a
        z, r, n = np.split(a, 3, -1)
        return np.concatenate([r, z, n], -1)

    return turned


def _cell(layer: Any, module: Any, end: str) -> Rule:
    kind, turned = type(module).__name__, _gates(type(module).__name__)
    w_ih, w_hh = (getattr(module, f"weight_{name}_l0{end}") for name in ("ih", "hh"))
    rule: Rule = [
        (own, [w], lambda a: turned(a.T), lambda a: [turned(a).T])
        for own, w in ((layer.kernel, w_ih), (layer.recurrent_kernel, w_hh))
    ]
    _need_both(layer, "bias", layer.bias, True if module.bias else None)
    if layer.bias is None:
        return rule
    biases = [getattr(module, f"bias_{name}_l0{end}") for name in ("ih", "hh")]
    if kind == "GRU" and layer.reset_after:
        rule.append((
            layer.bias, biases, lambda a, b: np.stack([turned(a), turned(b)]),
            lambda a: [turned(a[0]), turned(a[1])],
        ))  # fmt: skip
    else:  # one bias here, the sum of two there
        rule.append((layer.bias, biases, lambda a, b: a + b, lambda a: [a, np.zeros_like(a)]))
    return rule


def _recurrent(layer: Any, module: Any, planes: Any) -> Rule:
    if module.num_layers != 1:
        raise _NoTwin(
            f"transfer_weights: {type(module).__name__} has {module.num_layers} layers in one\n"
            "  expected num_layers=1: Keras has a layer for each, so write as many here"
        )
    both = isinstance(layer, layers.Bidirectional)
    if both != module.bidirectional:
        raise _NoTwin(
            f"transfer_weights: {layer.name!r} reads in "
            f"{'both directions' if both else 'one direction'}, "
            f"{type(module).__name__} does not\n  expected bidirectional={both}"
        )
    cells = [layer.forward_layer, layer.backward_layer] if both else [layer]
    wanted = {"RNN": "SimpleRNN"}.get(type(module).__name__, type(module).__name__)
    for cell in cells:
        if type(cell).__name__ != wanted:
            raise _NoTwin(
                f"transfer_weights: {cell.name!r} is {type(cell).__name__}, and stands beside "
                f"{type(module).__name__}\n  expected {wanted}"
            )
        if wanted == "GRU" and not cell.reset_after:
            raise _NoTwin(
                f"transfer_weights: {cell.name!r} has reset_after=False\n"
                "  expected reset_after=True: PyTorch's GRU has no other"
            )
    return [rule for cell, end in zip(cells, ("", "_reverse"), strict=False)
            for rule in _cell(cell, module, end)]  # fmt: skip


KINDS: dict[type, tuple[Any, Callable[..., Rule]]] = {
    nn.Linear: (layers.Dense, _dense),
    nn.Conv1d: (layers.Conv1D, _conv),
    nn.Conv2d: (layers.Conv2D, _conv),
    nn.BatchNorm1d: (layers.BatchNormalization, _scaled),
    nn.BatchNorm2d: (layers.BatchNormalization, _scaled),
    nn.LayerNorm: (layers.LayerNormalization, _scaled),
    nn.Embedding: (layers.Embedding, _embedding),
    nn.RNN: (Layer, _recurrent),
    nn.LSTM: (Layer, _recurrent),
    nn.GRU: (Layer, _recurrent),
}
__all__ = ["transfer_weights"]
