"""Derivatives of functions as functions, with the names of ``torch.func``.

They may be nested: ``grad(grad(f))`` is the second derivative. ``vmap`` is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..errors import ArgumentError, GradError, KindError, describe
from ..ops import movement
from ..tensor import Tensor, enable_grad
from . import functional

Function = Callable[..., Any]
Places = int | tuple[int, ...]


def grad(func: Function, argnums: Places = 0) -> Function:
    """The function that gives the gradient of ``func``, one number, by argument ``argnums``.

    >>> from minitorch_lab.tensor import tensor
    >>> grad(grad(lambda x: x**3))(tensor(2.0))
    tensor(12.)
    """
    both = grad_and_value(func, argnums)

    @wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[0]

    return gradient


def grad_and_value(func: Function, argnums: Places = 0) -> Function:
    """As ``grad``, with the pair of gradient and value."""

    @wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        places = _places(argnums, args)
        kept = any(isinstance(x, Tensor) and x.requires_grad for x in args)
        with enable_grad():
            inside = list(args)
            for i in places:
                x = args[i]
                if x.requires_grad:
                    inside[i] = movement.reshape(x, tuple(x.shape))
                else:
                    inside[i] = x.detach().requires_grad_()
            y = func(*inside, **kwargs)
            if not isinstance(y, Tensor) or y.ndim:
                shown = y.spec if isinstance(y, Tensor) else describe(y)
                raise GradError(
                    f"grad: the function must give one number\n  output  {shown}\n"
                    "  expected shape ()\n  reduce it with .sum() or .mean(), or use jacrev"
                )
            xs, one = tuple(inside[i] for i in places), functional._vectors("grad", None, (y,))
            found = functional._grads((y,), xs, one, create_graph=True, strict=False)
        out = [g if kept else g.detach() for g in found]
        value = y if kept else y.detach()
        return (out[0] if isinstance(argnums, int) else tuple(out)), value

    return both


def vjp(func: Function, *primals: Any) -> tuple[Any, Function]:
    """The pair of ``func(*primals)`` and the function from v to v times the Jacobian."""
    inputs = primals if len(primals) > 1 else primals[0]
    kept = any(x.requires_grad for x in primals)

    def pull(v: Any) -> Any:
        found = functional.vjp(func, inputs, v, create_graph=kept)[1]
        return found if len(primals) > 1 else (found,)

    return func(*primals), pull


def jvp(func: Function, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """The pair of ``func(*primals)`` and its change when the inputs go along ``tangents``."""
    for name, value in (("primals", primals), ("tangents", tangents)):
        if not isinstance(value, tuple):
            raise KindError(f"jvp: {name}: expected a tuple of tensors, got {describe(value)}")
    kept = any(x.requires_grad for x in primals)
    return functional.jvp(func, primals, tangents, create_graph=kept)


def jacrev(func: Function, argnums: Places = 0) -> Function:
    """The function that gives the Jacobian of ``func`` by argument ``argnums``."""

    @wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        places = _places(argnums, args)
        kept = any(isinstance(x, Tensor) and x.requires_grad for x in args)

        def of_some(*xs: Any) -> Any:
            inside = list(args)
            for i, x in zip(places, xs, strict=True):
                inside[i] = x
            return func(*inside, **kwargs)

        xs = tuple(args[i] for i in places)
        one = isinstance(argnums, int)
        return functional.jacobian(of_some, xs[0] if one else xs, create_graph=kept)

    return jacobian


jacfwd = jacrev  # the same numbers; this library goes backward for both


def hessian(func: Function, argnums: Places = 0) -> Function:
    """The function that gives the second derivatives of ``func``.

    >>> from minitorch_lab.tensor import tensor
    >>> hessian(lambda x: (x**3).sum())(tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacrev(jacrev(func, argnums), argnums)


def _places(argnums: Places, args: tuple[Any, ...]) -> tuple[int, ...]:
    places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in places:
        if not -len(args) <= i < len(args):
            raise ArgumentError(f"argnums={argnums}: the function got {len(args)} arguments")
        if not isinstance(args[i], Tensor):
            raise KindError(f"argument {i}: expected a tensor, got {describe(args[i])}")
    return places


__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "vjp"]
