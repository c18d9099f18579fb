"""``tf.Module``, name scopes, gradients of one's own, and names that have little to do here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from ..autograd import Function as Custom
from ..nn import Parameter
from ..op import current
from ..tape import SCOPE
from .errors import retells
from .tape import flat
from .tensor import as_tensor, styled


class Module:
    """Something that has variables: its attributes, and those of the modules in them.

    >>> from minitorch_lab import tf
    >>> class Line(tf.Module):
    ...     def __init__(self):
    ...         super().__init__(name="line")
    ...         self.w = tf.Variable(2.0, name="w")
    ...     def __call__(self, x):
    ...         return self.w * x
    >>> [v.name for v in Line().trainable_variables]
    ['w:0']
    """

    def __init__(self, name: str | None = None) -> None:
        self._name = name or type(self).__name__.lower()

    @property
    def name(self) -> str:
        """What it is called."""
        return self._name

    @property
    def submodules(self) -> tuple[Any, ...]:
        """The modules inside of it, and those inside of them."""
        return tuple(m for m in _reached(self) if isinstance(m, Module) and m is not self)

    @property
    def variables(self) -> tuple[Any, ...]:
        """Its variables, and those of the modules inside."""
        found = {}
        for x in _reached(self):
            if isinstance(x, Parameter):
                own: Any = [x]
            else:  # a layer knows its own
                own = () if isinstance(x, Module) else x.variables
            found.update({id(v): v for v in own})
        return tuple(found.values())

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """Those that a tape watches."""
        return tuple(v for v in self.variables if v.trainable)

    @classmethod
    def with_name_scope(cls, method: Callable[..., Any]) -> Callable[..., Any]:
        """A method whose ops stand in the scope of the module."""

        @wraps(method)
        def call(self: Module, *args: Any, **kwargs: Any) -> Any:
            with name_scope(self.name):
                return method(self, *args, **kwargs)

        return call


def _reached(root: Module) -> list[Any]:
    """A module with all that its attributes hold: variables, modules, layers."""
    seen: dict[int, Any] = {}
    todo: list[Any] = [root]
    while todo:
        x = todo.pop(0)
        if id(x) in seen:
            continue
        seen[id(x)] = x
        if isinstance(x, Module):
            named = sorted(vars(x).items())
            todo += [v for _, value in named for v in flat(value) if _counts(v)]
    return [*seen.values()]


def _counts(x: Any) -> bool:
    return isinstance(x, Parameter | Module) or hasattr(type(x), "trainable_variables")


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """A block whose ops stand in a scope of the graph's picture."""
    outer = SCOPE.get()
    token = SCOPE.set(f"{outer}.{name}" if outer else name)
    try:
        yield f"{name}/"
    finally:
        SCOPE.reset(token)


@retells
def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that gives its result and the function of its gradient.

    >>> from minitorch_lab import tf
    >>> @tf.custom_gradient
    ... def twice(x):
    ...     return x * 2.0, lambda dy: dy * 100.0
    >>> x = tf.Variable(1.0)
    >>> with tf.GradientTape() as tape:
    ...     y = twice(x)
    >>> float(tape.gradient(y, x))
    100.0
    """

    class Own(Custom):
        """The function with a gradient of its own."""

        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            out, ctx.pull = f(*map(styled, args))
            return out

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            found = ctx.pull(*(styled(g) for g in grads))
            return found if not isinstance(found, list) else tuple(found)

    Own.__name__ = getattr(f, "__name__", "custom")

    @wraps(f)
    def call(*args: Any) -> Any:
        return styled(Own.apply(*map(as_tensor, args)))

    return call


def executing_eagerly() -> bool:
    """Whether ops compute at once: False while a graph is traced."""
    return not current().tracing


def group(*inputs: Any, **kwargs: Any) -> None:
    """Nothing: ops run in the order in which they are written."""


def no_op(name: str | None = None) -> None:
    """Nothing."""


@contextmanager
def control_dependencies(control_inputs: Any) -> Iterator[None]:
    """A block as any other: ops run in the order in which they are written."""
    yield
