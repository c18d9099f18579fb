"""Products with the matrix of first derivatives and of second ones, and these matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import creation
from ..errors import ArgumentError, GradError, KindError, describe
from ..ops import movement
from ..tensor import Tensor, enable_grad
from .functions import grad

Tensors = tuple[Tensor, ...]


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    r"""The pair of ``func(*inputs)`` and :math:`v^\top J`: what one backward pass computes.

    ``v`` has the shape of the output; for an output of one number it may be left out.

    >>> from minitorch_lab.tensor import tensor
    >>> vjp(lambda x: x * x, tensor([1.0, 2.0]), tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        xs, one = _start("vjp", inputs, create_graph)
        ys, one_y = _call("vjp", func, xs)
        vs = _vectors("vjp", v, ys)
        found = _grads(ys, xs, vs, create_graph, strict)
    return _finish(ys, one_y, create_graph), _finish(found, one, create_graph)


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    r"""The pair of ``func(*inputs)`` and :math:`J v`: how the output moves when the input goes
    along ``v``.

    It takes two backward passes: :math:`u^\top J` is linear in u, and its gradient along v is
    :math:`J v`.

    >>> from minitorch_lab.tensor import tensor
    >>> jvp(lambda x: x * x, tensor([1.0, 2.0]), tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        xs, _ = _start("jvp", inputs, create_graph)
        vs = _vectors("jvp", v, xs)
        ys, one_y = _call("jvp", func, xs)
        us = tuple(creation.zeros_like(y.detach()).requires_grad_() for y in ys)
        first = _grads(ys, xs, us, True, strict)
        found = _grads(first, us, vs, create_graph, False)
    return _finish(ys, one_y, create_graph), _finish(found, one_y, create_graph)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All first derivatives, in the shape of the output followed by that of the input.

    Several inputs give a tuple, several outputs a tuple of them. It takes one backward pass for
    each number of the output, whatever ``vectorize`` and ``strategy`` say.

    >>> from minitorch_lab.tensor import tensor
    >>> jacobian(lambda x: x * x.sum(), tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ArgumentError(f"strategy={strategy!r}: expected 'reverse-mode' or 'forward-mode'")
    with enable_grad():
        xs, one = _start("jacobian", inputs, create_graph)
        ys, one_y = _call("jacobian", func, xs)
        rows = tuple(_jacobian(y, xs, create_graph, strict) for y in ys)
    found = tuple(_finish(row, one, create_graph) for row in rows)
    return found[0] if one_y else found


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """All second derivatives of a function that gives one number.

    Several inputs give a tuple of tuples: the derivative by input i and then by input j.

    >>> from minitorch_lab.tensor import tensor
    >>> hessian(lambda x: (x**3).sum(), tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    one = isinstance(inputs, Tensor)

    def gradient(*xs: Tensor) -> Any:
        ys, _ = _call("hessian", func, xs)
        _one_number("hessian", ys)
        return _grads(ys, xs, _vectors("hessian", None, ys), True, strict)

    found = jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return found[0] if one else found


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    r"""The pair of ``func(*inputs)``, one number, and :math:`v^\top H`, without computing H.

    >>> from minitorch_lab.tensor import tensor
    >>> vhp(lambda x: (x**3).sum(), tensor([1.0, 2.0]), tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        xs, one = _start("vhp", inputs, create_graph)
        vs = _vectors("vhp", v, xs)
        ys, _ = _call("vhp", func, xs)
        _one_number("vhp", ys)
        first = _grads(ys, xs, _vectors("vhp", None, ys), True, strict)
        found = _grads(first, xs, vs, create_graph, strict)
    return _finish(ys, True, create_graph), _finish(found, one, create_graph)


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    r"""The pair of ``func(*inputs)``, one number, and :math:`H v`.

    H is symmetric where the second derivatives are continuous, so this is what ``vhp`` gives;
    it is computed the other way, as the gradient along v of the gradient.

    >>> from minitorch_lab.tensor import tensor
    >>> hvp(lambda x: (x**3).sum(), tensor([1.0, 2.0]), tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        xs, one = _start("hvp", inputs, create_graph)
        vs = _vectors("hvp", v, xs)
        ys, _ = _call("hvp", func, xs)
        _one_number("hvp", ys)
        us = (creation.zeros_like(ys[0].detach()).requires_grad_(),)
        ones = _vectors("hvp", None, ys)
        first = _grads(ys, xs, (ones[0] + us[0],), True, strict)
        found = _grads(first, xs, vs, create_graph, strict)
    return _finish(ys, True, create_graph), _finish(found, one, create_graph)


def _start(name: str, inputs: Any, create_graph: bool) -> tuple[Tensors, bool]:
    """Inputs that require grad: leaves of their own, or views where a graph is wanted."""
    one = isinstance(inputs, Tensor)
    given = (inputs,) if one else tuple(inputs)
    out = []
    for i, x in enumerate(given):
        if not isinstance(x, Tensor):
            raise KindError(f"{name}: inputs[{i}]: expected a tensor, got {describe(x)}")
        if create_graph and x.requires_grad:
            out.append(movement.reshape(x, tuple(x.shape)))
        else:
            out.append(x.detach().requires_grad_())
    return tuple(out), one


def _call(name: str, func: Callable[..., Any], xs: Tensors) -> tuple[Tensors, bool]:
    found = func(*xs)
    one = isinstance(found, Tensor)
    ys = (found,) if one else tuple(found)
    for i, y in enumerate(ys):
        if not isinstance(y, Tensor):
            raise KindError(f"{name}: the function must give tensors, output {i} is {describe(y)}")
    return ys, one


def _vectors(name: str, v: Any, likes: Tensors) -> Tensors:
    """``v`` as a tuple of the shapes of ``likes``; 1 for a single number."""
    if v is None:
        if len(likes) != 1 or likes[0].numel() != 1:
            raise GradError(
                f"{name}: v is needed for more than one number\n"
                f"  expected v of shape {tuple(likes[0].shape)}"
            )
        return (creation.ones_like(likes[0].detach()),)
    vs = (v,) if isinstance(v, Tensor) else tuple(v)
    if len(vs) != len(likes):
        raise GradError(f"{name}: expected {len(likes)} tensors in v, got {len(vs)}")
    for i, (u, like) in enumerate(zip(vs, likes, strict=True)):
        if tuple(u.shape) != tuple(like.shape):
            raise GradError(
                f"{name}: v[{i}] does not fit\n  v         {tuple(u.shape)}\n"
                f"  expected  {tuple(like.shape)}"
            )
    return vs


def _one_number(name: str, ys: Tensors) -> None:
    if len(ys) != 1 or ys[0].numel() != 1:
        raise GradError(
            f"{name}: the function must give one number\n"
            f"  output  {', '.join(str(tuple(y.shape)) for y in ys)}\n"
            "  reduce it with .sum() or .mean(), or use jacobian"
        )


def _grads(ys: Tensors, xs: Tensors, vs: Tensors, create_graph: bool, strict: bool) -> Tensors:
    """Gradients, with zeros for inputs that do not matter."""
    pairs = [(y, v) for y, v in zip(ys, vs, strict=True) if y.requires_grad]
    found: tuple[Tensor | None, ...] = (None,) * len(xs)
    if pairs:
        found = grad(
            [y for y, _ in pairs], xs, [v for _, v in pairs], True, create_graph, allow_unused=True
        )
    if strict and any(g is None for g in found):
        raise GradError(
            f"strict=True: the output does not depend on input {found.index(None)}\n"
            "  expected a function that uses every input; strict=False gives zeros"
        )
    return tuple(
        creation.zeros_like(x.detach()) if g is None else g for x, g in zip(xs, found, strict=True)
    )


def _jacobian(y: Tensor, xs: Tensors, create_graph: bool, strict: bool) -> Tensors:
    shape = tuple(y.shape)
    flat = movement.reshape(y, (-1,))
    n = y.numel()
    unit = creation.eye(n, dtype=y.dtype, device=y.device)
    rows = [_grads((flat,), xs, (unit[i],), create_graph, strict) for i in range(n)]
    if not n:
        return tuple(creation.zeros((*shape, *x.shape), dtype=x.dtype, device=x.device) for x in xs)
    return tuple(
        movement.reshape(movement.stack([row[k] for row in rows]), (*shape, *x.shape))
        for k, x in enumerate(xs)
    )


def _finish(found: Any, one: bool, create_graph: bool) -> Any:
    out = tuple(x if create_graph else x.detach() for x in found)
    return out[0] if one else out


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
