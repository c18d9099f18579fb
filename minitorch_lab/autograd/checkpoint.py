"""Checkpointing: compute again in the backward pass what was not kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import ArgumentError
from ..op import INTERPRETER, current
from ..random import get_rng_state, set_rng_state
from ..tape import NUMBERS, at_time, tick, walk, walk_arrays
from ..tensor import Tensor, as_now, enable_grad, make, output_tensor
from .function import attach


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, whose inner values are not kept for the backward pass.

    backward() runs the function once more to have them: less memory for more time. Dropout draws
    the same numbers again unless ``preserve_rng_state`` is off. ``use_reentrant`` is taken and has
    no effect: parameters inside get their gradients in any case. In graph mode the function is
    traced as it is, since there the plan decides what is kept.

    >>> from minitorch_lab.tensor import tensor
    >>> x = tensor(2.0, requires_grad=True)
    >>> checkpoint(lambda x: (x * x).exp().log(), x).backward()
    >>> x.grad
    tensor(4.)
    """
    interpreter = current()
    if interpreter.tracing or interpreter.always or not interpreter.recording:
        return function(*args, **kwargs)
    random_state = get_rng_state() if preserve_rng_state else None
    start = tick()
    result = function(*args, **kwargs)
    outputs = [result] if isinstance(result, Tensor) else list(result)
    wanted = [
        k
        for k, y in enumerate(outputs)
        if isinstance(y, Tensor) and y.requires_grad and y.node is not None and y.node.id > start
    ]
    inputs = _border([outputs[k] for k in wanted], start)
    if not inputs:
        return result

    again = as_now(function)

    def backward(grads: list[Any], outs: Any, values: tuple[Any, ...]) -> list[Any]:
        return _again(again, args, kwargs, wanted, grads, inputs, random_state)

    made = attach(
        getattr(function, "__name__", type(function).__name__),
        "A checkpoint: computed again in the backward pass.",
        [outputs[k] for k in wanted],
        inputs,
        backward,
        saved=frozenset(range(len(inputs))),
    )
    for k, y in zip(wanted, made, strict=True):
        outputs[k] = y
    if isinstance(result, Tensor):
        return outputs[0]
    return type(result)(outputs) if type(result) in (list, tuple) else tuple(outputs)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """The functions one after the other, in ``segments`` checkpoints of which the last is none.

    ``functions`` is a list, or a Sequential. What the last segment computed is needed at once, so
    that its values are kept.
    """
    steps = list(functions.children() if hasattr(functions, "children") else functions)
    if not 1 <= segments <= len(steps):
        raise ArgumentError(
            f"segments={segments}: expected 1 to {len(steps)}, the number of functions"
        )
    size = len(steps) // segments

    def run(part: list[Callable[..., Any]], x: Any) -> Any:
        for function in part:
            x = function(x)
        return x

    for start in range(0, size * (segments - 1), size):
        part = steps[start : start + size]
        input = checkpoint(
            partial(run, part),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve_rng_state,
        )
    return run(steps[size * (segments - 1) :], input)


def _border(outputs: list[Tensor], start: int) -> tuple[Any, ...]:
    """The tensors from before ``start`` that the outputs were computed from."""
    found: dict[int, Any] = {}
    waiting: list[Any] = [y.node for y in outputs]
    seen = {id(node) for node in waiting}
    while waiting:
        node = waiting.pop()
        for x in node.inputs:
            if x.__class__ in NUMBERS:
                continue
            x = at_time(x, node.id)
            if not x.requires_grad:
                continue
            if x.node is None or x.node.id < start:
                found.setdefault(id(x) if x.node is None else id(x.node), x)
            elif id(x.node) not in seen:
                seen.add(id(x.node))
                waiting.append(x.node)
    return tuple(found.values())


def _again(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wanted: list[int],
    grads: list[Any],
    inputs: tuple[Any, ...],
    random_state: Any,
) -> list[Any]:
    """Compute the function again and go backward through it, as far as ``inputs``."""
    interpreter = current()
    present = get_rng_state()
    if random_state is not None:
        set_rng_state(random_state)
    start = tick()
    try:
        with enable_grad():
            result = function(*args, **kwargs)
            outputs = [result] if isinstance(result, Tensor) else list(result)
            if len(wanted) == 1:
                root, first = outputs[wanted[0]], grads[0]
            else:
                terms = [(outputs[k] * g).sum() for k, g in zip(wanted, grads, strict=True)]
                root, first = terms[0], None
                for term in terms[1:]:
                    root = root + term
    finally:
        if random_state is not None:
            set_rng_state(present)
    if first is None:
        first = make(root.array * 0 + 1)
    if interpreter.recording:
        token = INTERPRETER.set(interpreter)
        try:
            steps = list(walk(root, first, lambda x: x, output_tensor, False, start))
        finally:
            INTERPRETER.reset(token)
    else:
        steps = walk_arrays(root, first.array, True, start)
    found: dict[int, Any] = {}
    for step in steps:
        for _, x, gx in step.contributions:
            if x.node is None or x.node.id < start:
                key = id(x) if x.node is None else id(x.node)
                found[key] = found[key] + gx if key in found else gx
    out = [found.get(id(x) if x.node is None else id(x.node)) for x in inputs]
    return [make(g) if g is not None and not isinstance(g, Tensor) else g for g in out]
