"""Parameters as one vector."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import ArgumentError, ShapeError
from ...ops import movement
from ...tensor import Tensor, no_grad


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All entries of all parameters, one after the other."""
    parts = [movement.flatten(x) for x in parameters]
    if not parts:
        raise ArgumentError("parameters_to_vector: there are no parameters")
    return movement.cat(parts)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the entries of a vector into the parameters, one after the other."""
    found = list(parameters)
    needed = sum(x.numel() for x in found)
    if vec.ndim != 1 or vec.numel() != needed:
        raise ShapeError(
            f"vector_to_parameters: the vector does not fit\n  vec  {vec.spec}\n"
            f"  expected ({needed},)"
        )
    start = 0
    with no_grad():
        for x in found:
            part = movement.narrow(vec, 0, start, x.numel())
            x.copy_(movement.reshape(part, tuple(x.shape)))
            start += x.numel()


__all__ = ["parameters_to_vector", "vector_to_parameters"]
