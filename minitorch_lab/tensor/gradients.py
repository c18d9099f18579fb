"""Gradients: where a backward pass starts, and where it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import add as plus
from typing import Any

import numpy as np

from ..device import NAMESPACES, Device, namespace_for
from ..errors import (
    GradError,
    KindError,
    describe,
)
from ..op import (
    current,
)
from ..tape import (
    ENGINE,
    no_graph_message,
    not_scalar_message,
    tick,
)
from .tensor import Tensor, make


def start_gradient(
    root: Tensor,
    gradient: Tensor | None,
    name: str = "backward(gradient)",
    of: str = "backward(): this tensor",
) -> Tensor:
    """The gradient that backward() starts with: 1 for a number."""
    if not root.requires_grad:
        raise GradError(no_graph_message(root, of))
    spec = root.spec
    if gradient is None:
        if spec.size != 1:
            raise GradError(not_scalar_message(root))
        xp = namespace_for(Device(spec.device))
        out: Tensor = current().constant(xp.ones(spec.shape, spec.dtype))
        return out
    if not isinstance(gradient, Tensor):
        raise KindError(f"{name}: expected a tensor, got {describe(gradient)}")
    if gradient.spec.shape != spec.shape:
        raise GradError(
            f"{name}: the shapes differ\n  tensor    {spec}\n"
            f"  gradient  {gradient.spec}\n  expected {spec.shape}"
        )
    return gradient


def collect(
    root: Tensor,
    g: Tensor,
    targets: Sequence[Tensor],
    found: list[Any],
    keep: bool,
    create: bool,
    since: int = 0,
) -> None:
    """Add the gradients of ``targets`` to ``found``: arrays, or tensors that have a graph.

    With ``since``, what was computed before that time counts as a leaf.
    """
    interpreter = current()
    create = create or interpreter.tracing
    total = ENGINE.get().add

    def add(i: int, gx: Any) -> None:
        found[i] = gx if found[i] is None else total(found[i], gx)

    def is_leaf(x: Any) -> bool:
        return x.node is None or x.node.id < since

    leaves = {id(x): i for i, x in enumerate(targets) if is_leaf(x)}
    inner = {x.node.id: i for i, x in enumerate(targets) if x.node is not None and not is_leaf(x)}
    if is_leaf(root):
        if id(root) in leaves:
            add(leaves[id(root)], g if create else g.array)
        return
    for step in interpreter.walk(root, g, keep, create, since):
        if step.node.id in inner:
            add(inner[step.node.id], step.incoming)
        for _, x, gx in step.contributions:
            if id(x) in leaves and is_leaf(x):
                add(leaves[id(x)], gx)


AFTER: dict[int, dict[int, Callable[[Tensor], Any]]] = {}  # of leaves, by id: what runs afterwards


def accumulate(found: list[tuple[Tensor, Any, bool]]) -> None:
    """Add gradients to leaves. ``own`` says that nobody else holds the array."""
    add = ENGINE.get().add
    for x, gx, own in found:
        if isinstance(gx, Tensor):  # create_graph: the gradient keeps its history
            x._grad = gx if x._grad is None else add(x._grad, gx)
        elif x._grad is None:
            x._grad = make(gx if own and gx.__class__ in NAMESPACES else copied(gx))
        elif x._grad.node is None and add is plus:
            x._grad.array += gx
            x._grad.version[0] = tick()
        else:
            x._grad = add(x._grad, make(copied(gx)))
    if AFTER:
        for x, _, _ in found:
            for hook in tuple(AFTER.get(id(x), {}).values()):
                hook(x)


def add_grad(x: Tensor, gradient: Tensor) -> None:
    """Add a gradient, which nobody else holds, to ``x.grad``."""
    accumulate([(x, gradient.array, True)])


def copied(array: Any) -> Any:
    """A copy; of a NumPy number, an array."""
    return array.copy() if type(array) in NAMESPACES else np.asarray(array)
