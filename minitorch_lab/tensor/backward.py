"""What a learner asks of gradients: ``backward()``, ``retain_grad()`` and hooks."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import (
    GradError,
    KindError,
    describe,
)
from ..op import (
    INTERPRETER,
    current,
)
from ..tape import (
    ENGINE,
    HookedNode,
    RemovableHandle,
    leaf_hooks_changed,
)
from .grad_mode import set_grad_enabled
from .gradients import AFTER, accumulate, collect, copied, start_gradient
from .record import NO_GRAD
from .tensor import Tensor, make, origin, refuse_trace


def backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradient of this number to ``.grad`` of every leaf that it was computed from.

    The values of the graph are freed on the way unless ``retain_graph``. With
    ``create_graph`` the gradients can be differentiated again. With ``inputs`` only these
    tensors get theirs, which need not be leaves.
    """
    keep = create_graph if retain_graph is None else retain_graph
    if any(AFTER.values()):
        refuse_trace("register_post_accumulate_grad_hook()", "remove the hook")
    if inputs is not None:
        _backward_to(
            (inputs,) if isinstance(inputs, Tensor) else inputs,
            self,
            gradient,
            keep,
            create_graph,
        )
        return
    current().backward(self, gradient, keep, create_graph)


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this intermediate result in ``.grad`` too.

    >>> from minitorch_lab.tensor import tensor
    >>> x = tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> y.retain_grad()
    >>> (2 * y).backward()
    >>> y.grad
    tensor(2.)
    """
    if not self.requires_grad:
        raise GradError(_no_gradient_here("retain_grad()", self))
    if self.node is None:
        return  # a leaf keeps its gradient anyway
    hooks = _hooks_of(self)
    if "retain" not in hooks:
        hooks["retain"] = _keeper(self)


def retains_grad(self: Tensor) -> Any:
    """Whether retain_grad() was called on this intermediate result."""
    return self.node is not None and self.node.hooked and "retain" in self.node.hooks


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call ``hook`` with the gradient of this tensor when backward() has it.

    What the hook returns takes the gradient's place; None leaves it as it is. The hook must
    not change its argument. Hooks run in the order in which they were registered, once in
    each backward pass, on the whole gradient. In graph mode a hook is traced: what it
    computes is part of the graph, its other effects happen while tracing only.

    >>> from minitorch_lab.tensor import tensor
    >>> x = tensor(3.0, requires_grad=True)
    >>> handle = x.register_hook(lambda g: 10 * g)
    >>> (x * x).backward()
    >>> x.grad
    tensor(60.)
    >>> handle.remove()
    """
    if not callable(hook):
        raise KindError(f"register_hook(hook): expected a function, got {describe(hook)}")
    if not self.requires_grad:
        raise GradError(_no_gradient_here("register_hook()", self))
    hooks = _hooks_of(self)
    handle = RemovableHandle(hooks, leaf_hooks_changed if self.node is None else None)
    keeper = hooks.pop("retain", None)
    hooks[handle.id] = _hook(hook)
    if keeper is not None:
        hooks["retain"] = keeper  # it keeps what the hooks have made
    if self.node is None:
        leaf_hooks_changed()
    return handle


def register_post_accumulate_grad_hook(
    self: Tensor, hook: Callable[[Tensor], None]
) -> RemovableHandle:
    """Call ``hook`` with this leaf after backward() has added to its ``.grad``.

    An optimiser may step there and free the gradient at once. Graph mode refuses it.
    """
    if not callable(hook):
        raise KindError(f"hook: expected a function, got {describe(hook)}")
    if not self.requires_grad:
        raise GradError(_no_gradient_here("register_post_accumulate_grad_hook()", self))
    if self.node is not None:
        raise GradError(
            "register_post_accumulate_grad_hook(): only a leaf adds up its gradient\n"
            f"  tensor  {self.spec}  {origin(self)}\n"
            "  expected a parameter; register_hook() sees the gradient of a computed tensor"
        )
    key = id(self)
    if key not in AFTER:
        AFTER[key] = {}
        weakref.finalize(self, AFTER.pop, key, None)
    handle = RemovableHandle(AFTER[key], leaf_hooks_changed)
    AFTER[key][handle.id] = hook
    leaf_hooks_changed()
    return handle


for _method in (backward, retain_grad, register_hook, register_post_accumulate_grad_hook):
    setattr(Tensor, _method.__name__, _method)
Tensor.retains_grad = property(retains_grad)


def _backward_to(
    inputs: Sequence[Tensor], root: Tensor, gradient: Any, keep: bool, create: bool
) -> None:
    if not inputs:
        raise GradError(
            "backward(inputs): got no tensors\n  expected the tensors that shall get a gradient; "
            "leave inputs out for all leaves"
        )
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor):
            raise KindError(f"backward(inputs): inputs[{i}]: expected a tensor, got {describe(x)}")
        if not x.requires_grad:
            raise GradError(_no_gradient_here(f"backward(inputs): inputs[{i}]", x))
    found: list[Any] = [None] * len(inputs)
    collect(root, start_gradient(root, gradient), inputs, found, keep, create)
    for x, g in zip(inputs, found, strict=True):
        if g is None or (x.node is not None and x.retains_grad):  # the walk has kept it
            continue
        if isinstance(g, Tensor):
            with set_grad_enabled(create):
                known = current().get_grad(x) if current().tracing else x._grad
                x.grad = g if known is None else known + g
        else:
            accumulate([(x, g, False)])


def _no_gradient_here(what: str, x: Tensor) -> str:
    return (
        f"{what}: this tensor does not require grad\n  tensor  {x.spec}  requires_grad=False\n"
        "  expected a tensor with requires_grad=True, or one computed from such a tensor"
    )


# Hooks: in an ordinary backward pass they get an array, else a tensor, and give the same back.


def _hooks_of(x: Tensor) -> dict[Any, Callable[[Any], Any]]:
    if x.node is None:
        if not hasattr(x, "_hooks"):
            x._hooks = {}
        return x._hooks
    if not x.node.hooked:
        x.node.__class__ = HookedNode
        x.node.hooks = {}
    return x.node.hooks


def _hook(function: Callable[[Tensor], Tensor | None]) -> Callable[[Any], Any]:
    def run(g: Any) -> Any:
        if isinstance(g, Tensor):
            found = function(g)
        else:
            token = INTERPRETER.set(NO_GRAD)
            try:
                found = function(make(g))
            finally:
                INTERPRETER.reset(token)
        if found is None:
            return g
        if not isinstance(found, Tensor):
            raise KindError(f"hook: expected a tensor or None, got {describe(found)}")
        if tuple(found.shape) != tuple(g.shape):
            raise GradError(
                "hook: the new gradient has another shape\n"
                f"  gradient  {tuple(g.shape)}\n  returned  {tuple(found.shape)}\n"
                "  expected the same shape, or None to leave the gradient as it is"
            )
        return found if isinstance(g, Tensor) else found.array

    return run


def _keeper(x: Tensor) -> Callable[[Any], Any]:
    reference = weakref.ref(x)

    def run(g: Any) -> Any:
        target = reference() if ENGINE.get().keeps else None
        if target is not None:
            if isinstance(g, Tensor):
                target.grad = g if target.grad is None else target.grad + g
            else:
                known = target._grad
                target._grad = make(copied(g) if known is None else known.array + g)
        return g

    return run
