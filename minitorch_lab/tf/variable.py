"""``tf.Variable``: a tensor that stays and whose entries change."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..device import to_host
from ..errors import ArgumentError, ShapeError, TraceError
from ..nn import Parameter
from ..op import OPS
from ..tape import caller, locate
from ..tensor import no_grad
from .errors import both
from .math import pair
from .tensor import Styled, TensorShape, as_tensor, plainly, styled


class _Nowhere(list[Any]):
    """Forgets what is put into it."""

    def append(self, x: Any) -> None:
        """Nothing is kept."""


# Where variables are noted when they are made: for tf.function, which lets its first trace make
# some. None where none may be made.
NEW: ContextVar[list[Any] | None] = ContextVar("new", default=_Nowhere())  # noqa: B039


class _NotOnce(TraceError, ArgumentError):
    """A variable that each call of a tf.function would make: a ValueError in TensorFlow."""


def new_message(name: str | None) -> str:
    """A tf.function makes a variable in each of its calls."""
    where = caller(2)
    line = f"\n  {locate(*where)}: {locate(*where).text}" if where else ""
    return (
        f"tf.function: a tf.Variable is made in each call{f' ({name!r})' if name else ''}{line}\n"
        "  expected variables that are made once: the graph keeps and changes them\n"
        "  make it before the function, or in the first call only: "
        "if self.w is None: self.w = tf.Variable(...)"
    )


class Variable(Styled, Parameter):
    """A tensor whose entries can be assigned; a tape watches it where it is ``trainable``.

    >>> w = Variable([1.0, 2.0], name="w")
    >>> w
    <tf.Variable 'w:0' shape=(2,) dtype=float32, numpy=array([1., 2.], dtype=float32)>
    >>> w.assign_add([1.0, 1.0]).numpy()
    array([2., 3.], dtype=float32)
    """

    __slots__ = ("_trainable",)

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        import_scope: Any = None,
        constraint: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
    ) -> None:
        made = NEW.get()
        if made is None:
            raise _NotOnce(new_message(name))
        if initial_value is None:
            raise ArgumentError(
                "Variable(initial_value): there is none\n"
                "  expected the first entries, such as tf.zeros([2, 3])"
            )
        with plainly():
            value = as_tensor(initial_value() if callable(initial_value) else initial_value, dtype)
            self._trainable = trainable is not False
            learned = self._trainable and value.dtype.is_floating_point
            Parameter.__init__(self, value.detach().clone(), learned)
        self.name = f"{name or 'Variable'}:0"
        made.append(self)

    @property
    def trainable(self) -> bool:
        """Whether a tape watches it."""
        return self._trainable

    def numpy(self, *, force: bool = False) -> Any:
        """A copy of the entries."""
        return np.array(to_host(self.array))[()]

    def value(self) -> Any:
        """The entries as a tensor."""
        return styled(OPS["clone"](self))

    read_value = value

    def initialized_value(self) -> Any:
        """The entries as a tensor."""
        return self.value()

    def assign(
        self, value: Any, use_locking: bool = False, name: str | None = None,
        read_value: bool = True,
    ) -> Any:  # fmt: skip
        """Put other entries in place of these; ArgumentError where there are more or fewer."""
        return self._set("assign", value, None)

    def assign_add(
        self, delta: Any, use_locking: bool = False, name: str | None = None,
        read_value: bool = True,
    ) -> Any:  # fmt: skip
        """Add to the entries."""
        return self._set("assign_add", delta, OPS["add"])

    def assign_sub(
        self, delta: Any, use_locking: bool = False, name: str | None = None,
        read_value: bool = True,
    ) -> Any:  # fmt: skip
        """Take from the entries."""
        return self._set("assign_sub", delta, OPS["sub"])

    def _set(self, what: str, value: Any, op: Callable[..., Any] | None) -> Any:
        value = as_tensor(value, like=self.dtype)
        if value.dtype != self.dtype:
            pair(f"{what} of {str(self.name)[:-2]!r}", self, value, "variable", "value")
        if tuple(value.shape) != tuple(self.shape) and (op is None or value.ndim):
            raise both(ShapeError, ArgumentError)(
                f"{what}(value): the shape of {str(self.name)[:-2]!r} stays\n"
                f"  value     {value.spec}\n"
                f"  variable  {self.spec}\n  expected the shape {tuple(self.shape)}"
            )
        with no_grad():
            self.copy_(value if op is None else op(self, value))
        return self

    def set_shape(self, shape: Any) -> None:
        """Say what the shape is."""
        Styled.set_shape(self, TensorShape(shape))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made: Any = super().__deepcopy__(memo)
        made._trainable = self._trainable
        return made

    def __reduce__(self) -> Any:
        return Variable, (to_host(self.array), self._trainable, True, None, str(self.name)[:-2])

    def __repr__(self) -> str:
        return (
            f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}, "
            f"numpy={self.values_text}>"
        )

    __str__ = __repr__
