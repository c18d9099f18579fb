"""Gradients returned instead of added to ``.grad``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import creation
from ..errors import ArgumentError, GradError, KindError, describe
from ..tensor import Tensor, collect, make, start_gradient


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``; no ``.grad`` is touched.

    With ``create_graph`` they can be differentiated again. An input that the outputs do not
    depend on is an error; ``allow_unused`` gives None for it, ``materialize_grads`` zeros.
    ``only_inputs`` is taken and has no effect; ``is_grads_batched`` is refused.

    >>> from minitorch_lab.tensor import tensor
    >>> x = tensor(2.0, requires_grad=True)
    >>> (d,) = grad(x**3, x, create_graph=True)
    >>> grad(d, x)
    (tensor(12.),)
    """
    if is_grads_batched:
        raise ArgumentError(
            "is_grads_batched=True: one walk has one gradient here\n"
            "  expected False; call grad() for each row, or use autograd.functional.jacobian"
        )
    if materialize_grads and allow_unused is False:
        raise ArgumentError(
            "materialize_grads=True gives zeros for unused inputs: allow_unused=False contradicts\n"
            "  expected allow_unused left out"
        )
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
        raise ArgumentError(
            f"grad_outputs: expected {len(roots)}, one for each output, got {len(starts)}"
        )
    for i, x in enumerate(targets):
        if not isinstance(x, Tensor):
            raise KindError(f"grad(): inputs[{i}]: expected a tensor, got {describe(x)}")
        if not x.requires_grad:
            raise GradError(
                f"grad(): inputs[{i}] does not require grad\n  tensor  {x.spec}\n"
                "  expected a tensor with requires_grad=True, or one computed from such a tensor"
            )
    keep = create_graph if retain_graph is None else retain_graph
    found: list[Any] = [None] * len(targets)
    for n, (root, start) in enumerate(zip(roots, starts, strict=True)):
        g = start_gradient(root, start, f"grad(): grad_outputs[{n}]", f"grad(): outputs[{n}]")
        collect(root, g, targets, found, keep or n + 1 < len(roots), create_graph)
    for i, g in enumerate(found):
        if g is None and materialize_grads:
            found[i] = creation.zeros_like(targets[i].detach())
        elif g is None and not allow_unused:
            raise GradError(
                f"grad(): inputs[{i}] was not used to compute the outputs\n"
                f"  tensor  {targets[i].spec}\n"
                "  expected a tensor that the outputs depend on; allow_unused=True gives None"
            )
    return tuple(g if g is None or isinstance(g, Tensor) else _tensor(g) for g in found)


def _tensor(g: Any) -> Tensor:
    """A gradient as a tensor; a rule gives a number of NumPy for an array without dimensions."""
    return make(np.asarray(g) if isinstance(g, np.generic) else g)


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """``backward()`` of several tensors: their gradients are added up."""
    roots = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    one = grad_tensors is None or isinstance(grad_tensors, Tensor)
    starts = [grad_tensors] * len(roots) if one else list(grad_tensors)  # type: ignore[arg-type]
    if len(starts) != len(roots):
        raise ArgumentError(
            f"grad_tensors: expected {len(roots)}, one for each tensor, got {len(starts)}"
        )
    keep = create_graph if retain_graph is None else retain_graph
    for root, start in zip(roots, starts, strict=True):
        start_gradient(root, start)  # type: ignore[arg-type]  # all are looked at before one runs
    for n, (root, start) in enumerate(zip(roots, starts, strict=True)):
        root.backward(start, keep or n + 1 < len(roots), create_graph, inputs)
