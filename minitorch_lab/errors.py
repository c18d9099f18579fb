"""The errors of the workbench.

Each is also a subclass of the built-in error that PyTorch raises in its place, so that
``except RuntimeError`` works as in any PyTorch program. A message says what went wrong, what
came (by argument name, with its origin), what was expected, and what to do.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import CodeType

# Code that is no line of the learner: the package, and what it generates.
_OURS = (str(Path(__file__).parent) + "/", "<graph ")


class LabError(Exception):
    """Any error of the workbench."""

    def __init_subclass__(cls) -> None:
        # A private kind is there so that other code can catch it as PyTorch's or Python's; whoever
        # reads the message sees the public name that it stands under.
        if cls.__name__.startswith("_"):
            cls.__name__ = cls.__qualname__ = cls.__mro__[1].__name__
            cls.__module__ = cls.__mro__[1].__module__


class ShapeError(LabError, RuntimeError):
    """Shapes that do not fit together."""


class DTypeError(LabError, RuntimeError):
    """A dtype that the op cannot take, or dtypes that differ where they must not."""


class DeviceError(LabError, RuntimeError):
    """Tensors on different devices, or a device that this machine does not have."""


class GradError(LabError, RuntimeError):
    """A gradient that cannot be computed."""


class TraceError(LabError, RuntimeError):
    """Code that graph mode cannot turn into a graph."""


class NonFiniteError(LabError, ArithmeticError):
    """NaN or infinity where a number is needed."""


class ComputeError(LabError, RuntimeError):
    """An op that failed on inputs which looked right."""


class OutOfMemoryError(LabError, RuntimeError, MemoryError):
    """The GPU has no memory left for a result."""


class ArgumentError(LabError, ValueError):
    """An argument of the right type with a wrong value."""


class KindError(LabError, TypeError):
    """An argument of a wrong Python type, such as a NumPy array given to a layer."""


class FileError(LabError, RuntimeError):
    """A file that is not what it should be."""


class IndexingError(LabError, IndexError):
    """An index that the tensor does not have."""


def warn(text: str, kind: type[Warning] = RuntimeWarning) -> None:
    """A warning at the learner's line: the first one outside this package."""
    level, frame = 1, sys._getframe(0)
    package = __name__.partition(".")[0]
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, kind, stacklevel=level)


def caller(depth: int = 2) -> tuple[CodeType, int] | None:
    """The nearest frame outside the package: its code and the instruction it is at.

    The line number is worked out when it is asked for; finding it here would cost more than
    the op.
    """
    frame = sys._getframe(depth)
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back  # type: ignore[assignment]
    return None if frame is None else (frame.f_code, frame.f_lasti)


def describe(value: object) -> str:
    """A few words for a value of any type in a message: ``list of 3 items``, ``str 'a'``."""
    if value is None or isinstance(value, (bool, int, float)):
        return f"{type(value).__name__} {value}" if value is not None else "None"
    if isinstance(value, str):
        return f"str {value!r}"
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        kind = "numpy array" if type(value).__module__ == "numpy" else type(value).__name__
        plain = getattr(dtype, "plain", None)  # of TensorFlow's dtypes
        return f"{kind} {plain.name if plain else dtype} {tuple(shape)}"
    if isinstance(value, (list, tuple, set, dict)):
        count = len(value)
        return f"{type(value).__name__} of {count} item{'' if count == 1 else 's'}"
    return type(value).__name__
