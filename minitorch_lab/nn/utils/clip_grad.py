"""Gradients kept small."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ...errors import NonFiniteError
from ...ops import elementwise as e
from ...ops import movement, reduce
from ...tensor import Tensor, no_grad, tensor


class _NotFinite(NonFiniteError, RuntimeError):
    """A total norm that is no number."""


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Any]:
    found = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [x.grad for x in found if x.grad is not None]


def get_total_norm(tensors: Iterable[Tensor], norm_type: float = 2.0) -> Any:
    """The norm of all entries of all tensors together."""
    p = float(norm_type)
    if p == math.inf:
        tops = [reduce.amax(e.abs(g)) for g in tensors]
        return reduce.amax(movement.stack(tops)) if tops else tensor(0.0)
    if p == 2:
        parts = [reduce.sum(e.square(g)) for g in tensors]
    else:
        parts = [reduce.sum(e.abs(g) ** p) for g in tensors]
    if not parts:
        return tensor(0.0)
    total = reduce.sum(movement.stack(parts))
    return e.sqrt(total) if p == 2 else total ** (1 / p)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients so that their common norm is at most ``max_norm``, in place.

    Gives the norm that they had before.

    >>> x = tensor([3.0, 4.0], requires_grad=True)
    >>> (x * x / 2).sum().backward()
    >>> clip_grad_norm_([x], 1.0)
    tensor(5.)
    >>> x.grad
    tensor([0.6000, 0.8000])
    """
    gradients = _gradients(parameters)
    with no_grad():
        total = get_total_norm(gradients, norm_type)
        if error_if_nonfinite and not math.isfinite(float(total)):
            raise _NotFinite(
                f"clip_grad_norm_: the norm of the gradients is {float(total)}\n"
                "  expected finite gradients\n  error_if_nonfinite=False lets this pass"
            )
        scale = e.clamp(float(max_norm) / (total + 1e-6), None, 1.0)
        for g in gradients:
            g *= scale
    return total


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Move each entry of each gradient into ``-clip_value`` to ``clip_value``, in place."""
    size = float(clip_value)
    with no_grad():
        for g in _gradients(parameters):
            g.clamp_(-size, size)


__all__ = ["clip_grad_norm_", "clip_grad_value_", "get_total_norm"]
