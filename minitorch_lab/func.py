"""``lab.func``: derivatives of functions as functions, and modules as functions of their parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .autograd.func import grad, grad_and_value, hessian, jacrev, jvp, vjp
from .errors import LabError, describe

__all__ = ["functional_call", "grad", "grad_and_value", "hessian", "jacrev", "jvp", "vjp"]


class _NameError(LabError, KeyError):
    """A name that is no part of the module."""


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Mapping[str, Any],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """What a module computes with other parameters and buffers, by their names.

    Parts that are not named stay as they are, and so does the module itself: it is how steps of
    an inner optimisation are differentiated.

    >>> from minitorch_lab import nn
    >>> from minitorch_lab.tensor import tensor
    >>> line = nn.Linear(1, 1)
    >>> parts = {"weight": tensor([[2.0]]), "bias": tensor([1.0])}
    >>> functional_call(line, parts, tensor([[3.0]]))
    tensor([[7.]])
    """
    places = []
    known = dict([*module.named_parameters(), *module.named_buffers()])
    for name, value in parameter_and_buffer_dicts.items():
        if name not in known:
            raise _NameError(
                f"functional_call(): the module has no part {name!r}, got {describe(value)}\n"
                f"  expected one of {', '.join(known)}"
            )
        path, _, leaf = name.rpartition(".")
        owner = module.get_submodule(path)
        places.append((owner, leaf, getattr(owner, leaf), value))
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    try:
        for owner, leaf, _, value in places:
            object.__setattr__(owner, leaf, value)  # past the list of parameters
        return module(*args, **(kwargs or {}))
    finally:
        for owner, leaf, old, _ in places:
            object.__setattr__(owner, leaf, old)
