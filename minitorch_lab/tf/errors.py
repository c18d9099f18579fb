"""TensorFlow's classes of errors. Each one that is raised here is a ``LabError`` too.

A message of the engine keeps its words: what comes out of a function of ``tf`` has TensorFlow's
class in addition to the one that it has in a PyTorch-style program.

>>> import minitorch_lab.tf as tf
>>> try:
...     tf.constant([1.0]) + tf.constant([1])
... except tf.errors.InvalidArgumentError as error:
...     print(error.message.splitlines()[0])
add(x, y): the dtypes differ
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from ..errors import (
    ComputeError,
    DeviceError,
    DTypeError,
    IndexingError,
    LabError,
    NonFiniteError,
    ShapeError,
    TraceError,
)

F = TypeVar("F", bound=Callable[..., Any])


class OpError(LabError):
    """What an op raises."""

    error_code = 2

    @property
    def message(self) -> str:
        """What went wrong."""
        return str(self)

    @property
    def op(self) -> None:
        """None: the message names the op."""

    @property
    def node_def(self) -> None:
        """None: the message names the op."""


class CancelledError(OpError):
    """An op that was cancelled."""

    error_code = 1


class UnknownError(OpError):
    """An error of no other class."""


class InvalidArgumentError(OpError):
    """An input of a shape, a dtype or a value that the op cannot take."""

    error_code = 3


class DeadlineExceededError(OpError):
    """Something that took too long."""

    error_code = 4


class NotFoundError(OpError):
    """A file or a variable that is not there."""

    error_code = 5


class AlreadyExistsError(OpError):
    """Something that is made a second time."""

    error_code = 6


class PermissionDeniedError(OpError):
    """Something that is not allowed."""

    error_code = 7


class ResourceExhaustedError(OpError):
    """Memory that is used up."""

    error_code = 8


class FailedPreconditionError(OpError):
    """Something that had to be done first, such as initialising a variable."""

    error_code = 9


class AbortedError(OpError):
    """Something that was given up."""

    error_code = 10


class OutOfRangeError(OpError):
    """The end of a data set."""

    error_code = 11


class UnimplementedError(OpError):
    """An op that is not there."""

    error_code = 12


class InternalError(OpError):
    """A broken invariant."""

    error_code = 13


class UnavailableError(OpError):
    """A service that is not there."""

    error_code = 14


class OperatorNotAllowedInGraphError(TraceError, TypeError):
    """A Python ``if``, ``while`` or ``for`` on a tensor that has no value yet."""


# What an op of the engine raises, and TensorFlow's class for it.
_CLASSES: dict[type[LabError], type[OpError]] = {
    ShapeError: InvalidArgumentError,
    DTypeError: InvalidArgumentError,
    ComputeError: InvalidArgumentError,
    DeviceError: InvalidArgumentError,
    NonFiniteError: InvalidArgumentError,
    IndexingError: InvalidArgumentError,
}


_MADE: dict[tuple[type, type], type[LabError]] = {}


def both(wanted: type[LabError], kind: type[LabError]) -> type[LabError]:
    """A class that is TensorFlow's and the engine's in one, under TensorFlow's name."""
    made = _MADE.get((wanted, kind))
    if made is None:
        words = {"__module__": __name__, "__doc__": wanted.__doc__}
        made = _MADE[wanted, kind] = type(wanted.__name__, (wanted, kind), words)
    return made


def retold(error: LabError) -> LabError:
    """The error with TensorFlow's class, and the same words."""
    if isinstance(error, OpError):
        return error
    for kind, wanted in _CLASSES.items():
        if isinstance(error, kind):
            return both(wanted, type(error))(*error.args)
    return error


def retells(function: F) -> F:
    """The function, with TensorFlow's classes for what the engine raises in it."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except LabError as error:
            now = retold(error)
            if now is error:
                raise
            raise now from error.__cause__

    return call  # type: ignore[return-value]
