"""Gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, GradError
from ..tensor import Tensor, enable_grad, make, no_grad
from .functions import grad


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Whether the gradients of ``func`` agree with finite differences.

    Inputs that require grad must be float64: in float32 the differences drown in rounding.
    A random direction for an output of many numbers makes one of it.

    >>> from minitorch_lab import dtypes
    >>> from minitorch_lab.tensor import tensor
    >>> gradcheck(lambda x: x * x, tensor([1.0, 2.0], dtype=dtypes.float64, requires_grad=True))
    True
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wanted = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise GradError("gradcheck: no input requires grad\n  set requires_grad=True on one")
    for i in wanted:
        if args[i].array.dtype != np.float64:
            raise DTypeError(
                f"gradcheck: input {i} is {args[i].array.dtype}\n"
                "  expected float64: make it with dtype=lab.float64"
            )
    rng = np.random.default_rng(0)
    outputs = func(*args)
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    one = sum(y.array.size for y in outputs) == 1  # then an error shows the gradient itself
    directions = [
        make(np.ones(y.array.shape) if one else np.asarray(rng.normal(size=y.array.shape)))
        for y in outputs
    ]
    analytic = grad(
        outputs, [args[i] for i in wanted], directions, retain_graph=True, allow_unused=True
    )

    def value() -> float:
        with no_grad():
            now = func(*args)
        now = (now,) if isinstance(now, Tensor) else tuple(now)
        return float(sum(np.sum(y.array * d.array) for y, d in zip(now, directions, strict=True)))

    for i, found in zip(wanted, analytic, strict=True):
        array = args[i].array
        numeric = np.zeros_like(array)
        for k in np.ndindex(*array.shape):
            kept = array[k]
            array[k] = kept + eps
            high = value()
            array[k] = kept - eps
            numeric[k] = (high - value()) / (2 * eps)
            array[k] = kept
        exact = np.zeros_like(array) if found is None else found.array
        if exact.shape != array.shape:  # an engine that lab.broken broke
            if not raise_exception:
                return False
            raise GradError(
                f"gradcheck: the gradient of input {i} has another shape than the input\n"
                f"  input     {array.shape}\n  gradient  {exact.shape}\n"
                "  expected the shape of the input: broadcasting was not undone"
            )
        if not np.allclose(exact, numeric, rtol, atol):
            if not raise_exception:
                return False
            worst = np.unravel_index(np.argmax(np.abs(exact - numeric)), array.shape)
            raise GradError(
                f"gradcheck: the gradient of input {i} is not what finite differences say\n"
                f"  at {tuple(int(n) for n in worst)}: gradient {exact[worst]:.6g}, "
                f"differences {numeric[worst]:.6g}\n"
                "  check the gradient rule, or the point: max and abs have corners"
            )
    return True


def gradgradcheck(
    func: Callable[..., Any], inputs: Tensor | Sequence[Any], **tolerances: Any
) -> bool:
    """Whether the gradients of the gradients of ``func`` agree with finite differences."""
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wanted = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
    y = func(*args)
    rng = np.random.default_rng(1)
    direction = make(np.asarray(rng.normal(size=y.array.shape)))
    direction.requires_grad = True

    def first(*both: Any) -> tuple[Tensor, ...]:
        with enable_grad():  # gradcheck evaluates under no_grad
            out = func(*both[:-1])
            found = grad(
                out, [both[i] for i in wanted], both[-1], create_graph=True, allow_unused=True
            )
        return tuple(g for g in found if g is not None and g.requires_grad)

    return gradcheck(first, (*args, direction), **tolerances)
