"""``tf.GradientTape``: gradients of what was computed inside of a ``with`` block.

The engine writes down each op on tensors that want a gradient anyway. A tape remembers from when
on it ran and what it watches, and lets the backward walk end there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from math import inf
from typing import Any

import numpy as np

from .. import creation
from ..errors import ArgumentError, GradError, KindError, ShapeError, describe, warn
from ..nn import Parameter
from ..op import INTERPRETER, current
from ..ops import FUNCTIONS
from ..tape import NUMBERS, tick
from ..tensor import Tensor as Plain
from ..tensor import collect, make, no_grad
from .errors import retells
from .tensor import as_tensor, styled
from .variable import Variable

# The tapes that are running now, the innermost last.
TAPES: ContextVar[tuple[GradientTape, ...]] = ContextVar("tapes", default=())


class UnconnectedGradients(Enum):
    """What the gradient of something is that the target does not depend on."""

    NONE = "none"
    ZERO = "zero"


class GradientTape:
    """Writes down what is computed in its ``with`` block, to give gradients of it.

    Trainable variables are watched; a constant is after ``watch(x)``. What was computed before or
    after the block, or from nothing that is watched, has the gradient None. Without ``persistent``
    one gradient can be asked for. A tape inside of another one gives gradients of gradients.

    >>> x = as_tensor(3.0)
    >>> with GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = x * x
    >>> tape.gradient(y, x)
    <tf.Tensor: shape=(), dtype=float32, numpy=6.0>
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._accessed = watch_accessed_variables
        self._watched: dict[int, Plain] = {}
        self._start: int | None = None
        self._end = inf  # of its block, once that is left
        self._alone = True  # no other tape ran at the same time: its graph may be let go
        self._used = False
        self._tokens: list[tuple[Any, Any]] = []

    # Recording -----------------------------------------------------------------------------

    def __enter__(self) -> GradientTape:
        others = TAPES.get()
        for tape in others:
            tape._alone = self._alone = False
        if self._start is None:
            self._start = tick()
        self._end = inf
        on = INTERPRETER.set(current().with_grad(True))
        self._tokens.append((TAPES.set((*others, self)), on))
        return self

    def __exit__(self, *error: object) -> None:
        self._end = tick()
        tapes, on = self._tokens.pop()
        INTERPRETER.reset(on)
        TAPES.reset(tapes)

    def watch(self, tensor: Any) -> None:
        """Write down what is computed from ``tensor``, or from those of a list, from now on."""
        for x in flat(tensor):
            if not isinstance(x, Plain):
                raise ArgumentError(
                    f"watch(tensor): got {describe(x)}\n  expected a tensor or a variable\n"
                    "  tf.constant(x) makes a tensor"
                )
            if not x.dtype.is_floating_point:
                warn(
                    f"watch(tensor): {x.spec} gets no gradient, for whole numbers do not change "
                    "smoothly: write tf.constant(3.0) with a point, or tf.cast(x, tf.float32)"
                )
                continue
            x.requires_grad = True
            self._watched[id(x)] = x

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """A block in which nothing is written down."""
        with no_grad():
            yield

    def reset(self) -> None:
        """Forget what was written down."""
        self._start, self._watched, self._used = tick(), {}, False

    def watched_variables(self) -> tuple[Any, ...]:
        """The variables that were watched by ``watch``."""
        return tuple(x for x in self._watched.values() if isinstance(x, Variable))

    # Gradients -----------------------------------------------------------------------------

    @retells
    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
    ) -> Any:
        """The gradient of ``target`` with respect to ``sources``, in the form of ``sources``.

        A target of many entries counts as their sum, several targets as the sum of all. None, or
        zeros where ``unconnected_gradients`` says so, for what the target does not depend on.
        """
        keep = self._use("gradient")
        inputs = flat(sources)
        targets = flat(target)
        starts = flat(output_gradients) if output_gradients is not None else [None] * len(targets)
        if len(starts) != len(targets):
            raise ArgumentError(
                f"gradient(output_gradients): got {len(starts)}\n"
                f"  expected {len(targets)}, one for each target"
            )
        found = self._collect(targets, starts, inputs, keep)
        return self._result(found, inputs, sources, unconnected_gradients)

    def _use(self, what: str) -> bool:
        """Whether the graph has to be kept; GradError where it was used up."""
        if self._used:
            raise GradError(
                f"{what}(): this tape was used before, and gives one gradient\n"
                "  expected tf.GradientTape(persistent=True), or one call with all "
                "sources in a list:\n  tape.gradient(loss, [w, b])"
            )
        self._used = not self._persistent
        return self._persistent or not self._alone

    def _collect(
        self, targets: Sequence[Any], starts: Sequence[Any], inputs: Sequence[Any], keep: bool
    ) -> list[Any]:
        """The gradients of the sum of ``targets``, None for what they do not depend on."""
        for x in inputs:
            if not isinstance(x, Plain):
                raise KindError(
                    f"gradient(target, sources): a source is {describe(x)}\n"
                    "  expected the tensors and variables themselves, such as [w, b]"
                    + ("\n  .numpy() gives copies, of which the tape knows nothing"
                       if hasattr(x, "dtype") else "")
                )  # fmt: skip
        found: list[Any] = [None] * len(inputs)
        known = [i for i, x in enumerate(inputs) if self._knows(x, targets)]
        others = tuple(tape for tape in TAPES.get() if tape is not self or self._persistent)
        create = bool(others) and current().recording
        gradients: list[Any] = [None] * len(known)
        for n, (t, start) in enumerate(zip(targets, starts, strict=True)):
            if not isinstance(t, Plain):
                raise _NoTensor(
                    f"gradient(target, ...): got {describe(t)}\n  expected a tensor that was "
                    "computed inside of the tape\n  .numpy(), float(x) and item() leave it"
                )
            if not t.dtype.is_floating_point:
                warn(
                    f"gradient(target, ...): {t.spec} has no gradient, for whole numbers do not "
                    "change smoothly: leave out the cast"
                )
                continue
            if not (t.requires_grad or any(t is inputs[i] for i in known)):
                continue
            if t.node is not None and t.node.id > self._end:  # the tape was off
                continue
            g = self._start_of(t, start)
            last = n + 1 == len(targets)
            collect(
                t, g, [inputs[i] for i in known], gradients, keep or create or not last, create,
                self._start or 0,
            )  # fmt: skip
        for i, g in zip(known, gradients, strict=True):
            found[i] = g if g is None or isinstance(g, Plain) else _made(g)
        return styled(found)

    def _start_of(self, t: Plain, start: Any) -> Plain:
        if start is None:
            return creation.ones_like(t.detach())
        start = as_tensor(start, like=t.dtype)
        if tuple(start.shape) != tuple(t.shape):
            raise ShapeError(
                f"gradient(output_gradients): the shapes differ\n  target    {t.spec}\n"
                f"  gradient  {start.spec}\n  expected {tuple(t.shape)}"
            )
        return start

    def _knows(self, x: Plain, targets: Sequence[Any]) -> bool:
        """Whether the tape has written down what is computed from ``x``."""
        if any(x is t for t in targets):
            return True
        seen: set[int] = set()
        todo = [x]
        while todo:
            x = todo.pop()
            if id(x) in self._watched or (self._accessed and _learned(x)):
                return True
            node = x.node
            if node is not None and node.id > (self._start or 0) and node.id not in seen:
                seen.add(node.id)
                todo += [v for v in node.inputs if v.__class__ not in NUMBERS]
        return False

    def _result(
        self, found: list[Any], inputs: Sequence[Any], sources: Any, unconnected: Any
    ) -> Any:
        if UnconnectedGradients(unconnected) is UnconnectedGradients.ZERO:
            found = [
                styled(creation.zeros_like(x.detach())) if g is None else g
                for g, x in zip(found, inputs, strict=True)
            ]
        return packed(sources, iter(found))

    # Jacobians -----------------------------------------------------------------------------

    @retells
    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """The derivative of each entry of ``target``, of shape target.shape + source.shape."""
        self._use("jacobian")
        target, inputs = as_tensor(target), flat(sources)
        rows = []
        for i in range(target.spec.size):
            start = np.zeros(target.spec.size, target.spec.dtype)
            start[i] = 1
            one = current().constant(start.reshape(tuple(target.shape)))
            rows.append(self._collect([target], [one], inputs, True))
        found = [_piled(parts, tuple(target.shape), 0) for parts in zip(*rows, strict=True)]
        return self._result(found, inputs, sources, unconnected_gradients)

    @retells
    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """The Jacobian of each example: (n, a) with respect to (n, b) gives (n, a, b)."""
        self._use("batch_jacobian")
        target, source = as_tensor(target), as_tensor(source)
        n, *shape = target.shape
        if source.ndim < 1 or source.shape[0] != n:
            raise ShapeError(
                f"batch_jacobian(target, source): the first sizes differ\n"
                f"  target  {target.spec}\n  source  {source.spec}\n"
                "  expected as many examples in both\n  tape.jacobian takes any shapes"
            )
        rows = []
        for i in range(int(np.prod(shape))):
            start = np.zeros((n, int(np.prod(shape))), target.spec.dtype)
            start[:, i] = 1
            one = current().constant(start.reshape(tuple(target.shape)))
            rows += self._collect([target], [one], [source], True)
        found = _piled(rows, (n, *shape), 1)
        return self._result([found], [source], source, unconnected_gradients)


def _made(g: Any) -> Plain:
    """A gradient; a rule gives a number of NumPy for an array without dimensions."""
    return make(np.asarray(g) if isinstance(g, np.generic) else g)


class _NoTensor(KindError, AttributeError):
    """A target that is no tensor: an AttributeError in TensorFlow."""


def _learned(x: Any) -> bool:
    """Whether ``x`` is a variable or a parameter, which a tape watches by itself."""
    return isinstance(x, Parameter) and x.requires_grad


def _piled(parts: Sequence[Any], shape: tuple[int, ...], dim: int) -> Any:
    """One gradient for each entry of the target, as one tensor; None where there is none."""
    first = next((p for p in parts if p is not None), None)
    if first is None:
        return None
    rows = [creation.zeros_like(first) if p is None else p for p in parts]
    return styled(FUNCTIONS["stack"](rows, dim).reshape(*shape, *tuple(first.shape)[dim:]))


def flat(value: Any) -> list[Any]:
    """What nested lists, tuples and dicts hold, one by one."""
    if isinstance(value, dict):
        return [x for key in sorted(value) for x in flat(value[key])]
    if isinstance(value, list | tuple):
        return [x for v in value for x in flat(v)]
    return [value]


def packed(like: Any, found: Iterator[Any]) -> Any:
    """Entries in the form of ``like``."""
    if isinstance(like, dict):
        inside = {key: packed(like[key], found) for key in sorted(like)}
        return {key: inside[key] for key in like}
    if isinstance(like, list | tuple):
        items = [packed(v, found) for v in like]
        if hasattr(like, "_fields"):
            return type(like)(*items)
        return items if isinstance(like, list) else tuple(items)
    return next(found)


__all__ = ["TAPES", "GradientTape", "UnconnectedGradients", "flat", "packed"]
