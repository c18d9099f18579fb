"""Gradients returned instead of added to ``.grad``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError, GradError
from ..op import current
from ..tensor import Tensor, make, start_gradient


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``; no ``.grad`` is touched.

    With ``create_graph`` they can be differentiated again.

    >>> from minitorch_lab.tensor import tensor
    >>> x = tensor(2.0, requires_grad=True)
    >>> (d,) = grad(x**3, x, create_graph=True)
    >>> grad(d, x)
    (tensor(12.),)
    """
    roots = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    targets = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    starts = (
        (None,) * len(roots)
        if grad_outputs is None
        else (grad_outputs,)
        if isinstance(grad_outputs, Tensor)
        else tuple(grad_outputs)
    )
    if len(starts) != len(roots):
        raise ArgumentError(f"grad_outputs: expected {len(roots)}, got {len(starts)}")
    for i, x in enumerate(targets):
        if not x.requires_grad:
            raise GradError(
                f"grad(): inputs[{i}] does not require grad\n  tensor  {x.spec}\n"
                "  expected a tensor with requires_grad=True, or one computed from such a tensor"
            )
    keep = create_graph if retain_graph is None else retain_graph
    found: list[Any] = [None] * len(targets)
    for n, (root, start) in enumerate(zip(roots, starts, strict=True)):
        _collect(root, start, targets, found, keep or n + 1 < len(roots), create_graph)
    for i, g in enumerate(found):
        if g is None and not allow_unused:
            raise GradError(
                f"grad(): inputs[{i}] was not used to compute the outputs\n"
                f"  tensor  {targets[i].spec}\n"
                "  expected a tensor that the outputs depend on; allow_unused=True gives None"
            )
    return tuple(g if g is None or isinstance(g, Tensor) else make(g) for g in found)


def _collect(
    root: Tensor, start: Any, targets: Sequence[Tensor], found: list[Any], keep: bool, create: bool
) -> None:
    interpreter = current()
    g = start_gradient(root, start)
    create = create or interpreter.tracing

    def add(i: int, gx: Any) -> None:
        found[i] = gx if found[i] is None else found[i] + gx

    leaves = {id(x): i for i, x in enumerate(targets) if x.node is None}
    inner = {x.node.id: i for i, x in enumerate(targets) if x.node is not None}
    if root.node is None:
        if id(root) in leaves:
            add(leaves[id(root)], g if create else g.array)
        return
    for step in interpreter.walk(root, g, keep, create):
        if step.node.id in inner:
            add(inner[step.node.id], step.incoming)
        for _, x, gx in step.contributions:
            if x.node is None and id(x) in leaves:
                add(leaves[id(x)], gx)
