"""The errors of graphs and sessions: TensorFlow's classes, and what Python expects besides."""

from __future__ import annotations

from ....errors import (
    ArgumentError,
    DTypeError,
    FileError,
    KindError,
    LabError,
    ShapeError,
    TraceError,
)
from ....graph.session import SessionError, UninitializedError
from ... import errors as tf
from ...errors import InvalidArgumentError, NotFoundError, OperatorNotAllowedInGraphError, OpError


class FailedPreconditionError(tf.FailedPreconditionError, UninitializedError):
    """A variable is read that was not initialised in this session."""


class WrongFeed(InvalidArgumentError, ArgumentError):
    """A placeholder that is not fed, or with what it cannot take; a ValueError, too."""


WrongFeed.__name__ = WrongFeed.__qualname__ = "InvalidArgumentError"  # what a learner reads


class NoArray(TraceError, NotImplementedError):
    """NumPy asks for a value while there is only a graph."""


class NoValue(OperatorNotAllowedInGraphError, AttributeError):
    """A learner asks for a value while there is only a graph."""


class GraphShape(ShapeError, ArgumentError):
    """Shapes that do not go together, found while the graph is built: a ValueError."""


class GraphType(DTypeError, KindError):
    """Dtypes that do not go together, found while the graph is built: a TypeError."""


class NoSuchName(ArgumentError, KeyError):
    """A graph has nothing of this name: a ValueError, or a KeyError."""

    __str__ = ArgumentError.__str__


class BadKey(KindError, ArgumentError):
    """A key of feed_dict that stands for nothing of the graph: a TypeError."""


class NoCheckpoint(NotFoundError, FileError, ArgumentError):
    """A file that is not there: a ValueError."""


def at_building(error: LabError) -> LabError:
    """The same words in the class that TensorFlow raises while a graph is built."""
    for kind, wanted in ((ShapeError, GraphShape), (DTypeError, GraphType)):
        if isinstance(error, kind) and not isinstance(error, wanted):
            return wanted(str(error))
    return error


def in_run(error: LabError) -> LabError:
    """The same words in the class that TensorFlow raises in a run."""
    if isinstance(error, (ShapeError, DTypeError)) and not isinstance(error, OpError):
        return WrongFeed(str(error))
    return tf.retold(error)


__all__ = [
    "FailedPreconditionError",
    "InvalidArgumentError",
    "NotFoundError",
    "OpError",
    "OperatorNotAllowedInGraphError",
    "SessionError",
]
