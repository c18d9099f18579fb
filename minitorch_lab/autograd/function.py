"""Functions with a gradient of the learner's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from math import prod
from typing import Any

from ..device import Device, namespace_for
from ..errors import GradError, KindError, describe
from ..op import INTERPRETER, Op, Spec, current
from ..ops import elementwise as e
from ..ops import movement
from ..ops.rules import per_entry
from ..tensor import NO_GRAD, Tensor, make, record

Backward = Callable[[list[Any], Any, tuple[Any, ...]], Sequence[Any]]


class FunctionCtx:
    """What ``forward`` leaves for ``backward``.

    Tensors go through ``save_for_backward``; anything else may be an attribute.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._to_save: tuple[Any, ...] = ()
        self._saved: tuple[Any, ...] | None = None
        self._plain: set[int] = set()
        self._materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs, outputs or intermediate tensors for ``backward``."""
        for x in tensors:
            if x is not None and not isinstance(x, Tensor):
                raise KindError(
                    f"save_for_backward: expected tensors or None, got {describe(x)}\n"
                    "  keep other values as attributes: ctx.size = 3"
                )
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved, in the same order."""
        if self._saved is None:
            raise GradError(
                "ctx.saved_tensors: they can be read in backward() only\n"
                "  expected a backward pass; after it the values are freed"
            )
        return self._saved

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these outputs have no gradient, such as indices."""
        self._plain.update(map(id, tensors))
        self._marked = tensors  # so that the ids stay theirs

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Not supported: a Function must leave its inputs as they are."""
        raise GradError(
            "ctx.mark_dirty: a Function that changes its inputs in place is not supported\n"
            "  expected a forward that leaves its inputs as they are\n"
            "  return a new tensor: x.clone() first"
        )

    def set_materialize_grads(self, value: bool) -> None:
        """Whether outputs that nothing used give zeros (always so here) instead of None."""
        self._materialize = value


class Function:
    r"""A function whose gradient you write yourself; call it with ``apply``.

    ``forward(ctx, *args)`` computes the result, ``backward(ctx, *grads)`` gets the gradient of
    each output and returns one for each argument of ``forward``, None for those without. In place
    of ``ctx`` in forward there may be a third method ``setup_context(ctx, inputs, output)``. A
    backward made of ops can be differentiated again, and both are traced in graph mode.

    >>> from minitorch_lab.tensor import tensor
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x**2
    >>> x = tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result; to be written by the subclass."""
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep what ``backward`` needs, where ``forward`` does not take ``ctx``."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Gradients of the arguments; to be written by the subclass."""
        raise NotImplementedError("a Function needs a static method backward(ctx, *grads)")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and remember the call for ``backward``."""
        places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        inputs = tuple(args[i] for i in places)
        ctx = FunctionCtx(tuple(isinstance(x, Tensor) and x.requires_grad for x in args))
        interpreter = current()
        token = INTERPRETER.set(interpreter.with_grad(False))
        try:
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *args, **kwargs)
            else:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
        finally:
            INTERPRETER.reset(token)
        outputs = [result] if isinstance(result, Tensor) else list(_sequence(cls, result))
        if not (interpreter.recording and any(ctx.needs_input_grad)):
            return result
        wanted = [
            k
            for k, y in enumerate(outputs)
            if isinstance(y, Tensor) and id(y) not in ctx._plain and _dtype(y).kind == "f"
        ]
        if not wanted:
            return result
        plan, extras = _plan(ctx._to_save, inputs, [outputs[k] for k in wanted])
        kept = frozenset(i for kind, i in plan if kind == "input")

        def backward(grads: list[Any], outs: Any, values: tuple[Any, ...]) -> list[Any]:
            made = outs() if any(kind == "output" for kind, _ in plan) else []
            source = {"input": values, "output": made, "none": (None,)}
            ctx._saved = tuple(source[kind][i] for kind, i in plan)
            full: list[Any] = [None] * len(outputs)
            for k, g in zip(wanted, grads, strict=True):
                full[k] = g
            for k, y in enumerate(shapes):
                if full[k] is None and y is not None and ctx._materialize:
                    full[k] = _zeros(y)
            try:
                found = cls.backward(ctx, *full)
            finally:
                ctx._saved = None
            return _checked(cls, found, args_shapes, places)

        shapes = [y.spec if isinstance(y, Tensor) else None for y in outputs]
        args_shapes = [tuple(x.shape) if isinstance(x, Tensor) else None for x in args]
        made = attach(
            cls.__name__,
            cls.__doc__ or "A function of the learner.",
            [outputs[k] for k in wanted],
            (*inputs, *extras),
            backward,
            saved=kept,
            keeps_output=any(kind == "output" for kind, _ in plan),
        )
        for k, y in zip(wanted, made, strict=True):
            outputs[k] = y
        if isinstance(result, Tensor):
            return outputs[0]
        return type(result)(outputs) if type(result) in (list, tuple) else tuple(outputs)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """For a backward that cannot be differentiated again: doing so is an error, not a wrong number.

    Put it under ``@staticmethod``.
    """

    @wraps(backward)
    def inside(ctx: Any, *grads: Any) -> Any:
        interpreter = current()
        token = INTERPRETER.set(interpreter.with_grad(False))
        try:
            found = backward(ctx, *grads)
        finally:
            INTERPRETER.reset(token)
        if not interpreter.recording:
            return found
        one = isinstance(found, Tensor) or found is None
        inputs = tuple(g for g in grads if isinstance(g, Tensor) and g.requires_grad)
        inputs += tuple(x for x in ctx.saved_tensors if isinstance(x, Tensor) and x.requires_grad)
        if not inputs:
            return found
        out = [
            attach(backward.__qualname__, "", [g], inputs, _refuse_again)[0]
            if isinstance(g, Tensor)
            else g
            for g in ([found] if one else found)
        ]
        return out[0] if one else tuple(out)

    return inside


def _refuse_again(grads: list[Any], outs: Any, values: tuple[Any, ...]) -> list[Any]:
    raise GradError(
        "backward(): this gradient was marked @once_differentiable\n"
        "  expected to differentiate it once only\n"
        "  write backward with ops on tensors and take the mark away"
    )


def _sequence(cls: type, result: Any) -> Any:
    if isinstance(result, (tuple, list)):
        return result
    raise KindError(
        f"{cls.__name__}.forward: expected a tensor or a tuple of tensors, got {describe(result)}"
    )


def _dtype(x: Tensor) -> Any:
    return x.spec.dtype


def _zeros(spec: Spec) -> Any:
    return current().constant(namespace_for(Device(spec.device)).zeros(spec.shape, spec.dtype))


def _plan(
    saved: tuple[Any, ...], inputs: tuple[Any, ...], outputs: list[Any]
) -> tuple[list[tuple[str, int]], list[Any]]:
    """Where each saved tensor will be found: among inputs, outputs, or the extras."""
    plan: list[tuple[str, int]] = []
    extras: list[Any] = []
    ins = {id(x): i for i, x in enumerate(inputs)}
    outs = {id(y): k for k, y in enumerate(outputs)}
    for x in saved:
        if x is None:
            plan.append(("none", 0))
        elif id(x) in ins:
            plan.append(("input", ins[id(x)]))
        elif id(x) in outs:
            plan.append(("output", outs[id(x)]))
        else:
            plan.append(("input", len(inputs) + len(extras)))
            extras.append(x)
    return plan, extras


def _checked(
    cls: type, found: Any, shapes: list[tuple[int, ...] | None], places: list[int]
) -> list[Any]:
    """The gradients of the tensors among the arguments; GradError where they do not fit."""
    grads = list(found) if isinstance(found, (tuple, list)) else [found]
    name = f"{cls.__name__}.backward"
    while len(grads) > len(shapes) and grads[-1] is None:
        grads.pop()
    if len(grads) != len(shapes):
        raise GradError(
            f"{name} returned {len(grads)} gradient{'s' if len(grads) != 1 else ''}\n"
            f"  expected {len(shapes)}: one for each argument of forward, None for those without"
        )
    for i, g in enumerate(grads):
        if g is None:
            continue
        if not isinstance(g, Tensor):
            raise KindError(f"{name}: gradient {i}: expected a tensor or None, got {describe(g)}")
        shape = shapes[i]
        if shape is not None and not _broadcasts(shape, tuple(g.shape)):
            raise GradError(
                f"{name}: gradient {i} does not fit its argument\n"
                f"  gradient  {tuple(g.shape)}\n  argument  {shape}\n  expected {shape}"
            )
    return [grads[i] for i in places]


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return len(shape) <= len(to) and all(
        n in (1, m) for n, m in zip(shape[::-1], to[::-1], strict=False)
    )


# One call as one node ----------------------------------------------------------------------


def attach(
    name: str,
    doc: str,
    outputs: list[Any],
    inputs: tuple[Any, ...],
    backward: Backward,
    saved: frozenset[int] = frozenset(),
    keeps_output: bool = False,
) -> list[Any]:
    """Put one node for a whole computation on the tape; the outputs, with that history.

    ``backward(grads, outs, values)`` gets tensors: the gradients of the outputs, a function that
    gives the outputs, and the inputs. It returns a gradient or None for each input. Several
    outputs become one flat tensor, which is the node's, and are taken out of it again.
    """
    interpreter = current()
    specs = [y.spec for y in outputs]
    token = INTERPRETER.set(interpreter.with_grad(False))
    try:
        if len(outputs) == 1:
            whole = interpreter.detach(outputs[0])
        else:
            whole = movement.cat([movement.reshape(y, (-1,)) for y in outputs])
    finally:
        INTERPRETER.reset(token)

    def parts(flat: Any) -> list[Any]:
        if len(specs) == 1:
            return [flat]
        out, start = [], 0
        for spec in specs:
            size = prod(spec.shape)
            part = movement.reshape(movement.narrow(flat, 0, start, size), spec.shape)
            out.append(e.to_dtype(part, spec.dtype) if part.spec.dtype != spec.dtype else part)
            start += size
        return out

    cache: list[Any] = [None, ()]

    def pull(i: int, g: Any, y: Any, *values: Any) -> Any:
        if cache[0] is not g:
            cache[:] = g, _pull(g, y, values, parts, backward)
        found = cache[1][i] if i < len(cache[1]) else None
        if i >= last:
            cache[:] = None, ()  # so that nothing is held after the walk
        return found

    if interpreter.tracing:
        inputs = tuple(map(interpreter.at_border, inputs))
    last = max((i for i, x in enumerate(inputs) if x.requires_grad), default=0)
    flat_spec = whole.spec
    op = Op(
        name=name,
        doc=doc,
        forward=lambda xp, *arrays: None,
        shape=lambda *specs: flat_spec,
        formula=(r"y = f(x)", r"\bar x = \text{backward}(\bar y)"),
        vjp=tuple(partial(pull, i) for i in range(len(inputs))),
        saved=saved,
        saves_output=keeps_output,
        arguments=tuple(f"input {i}" for i in range(len(inputs))),
        cost=per_entry(0),
    )
    whole.requires_grad = True
    whole.node = record(op, inputs, {}, whole.variable if interpreter.tracing else whole.array)
    if interpreter.tracing:
        interpreter.builder.tape[whole.variable.id] = None
    return parts(whole)


def _pull(
    g: Any,
    y: Any,
    values: tuple[Any, ...],
    parts: Callable[[Any], list[Any]],
    backward: Backward,
) -> Sequence[Any]:
    """Call ``backward`` on tensors, whatever the walk goes over."""
    if isinstance(g, Tensor):
        return backward(parts(g), lambda: parts(y), values)
    token = INTERPRETER.set(NO_GRAD)
    try:
        tensors = tuple(map(make, values))
        found = backward(parts(make(g)), lambda: parts(make(y)), tensors)
    finally:
        INTERPRETER.reset(token)
    return [None if v is None else v.array for v in found]


__all__ = ["Function", "FunctionCtx", "once_differentiable"]
