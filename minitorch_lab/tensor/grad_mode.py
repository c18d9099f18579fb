"""Grad mode: whether ops are recorded."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from ..op import (
    INTERPRETER,
    current,
)
from .record import NO_GRAD, RECORD, Record

_new = object.__new__
F = TypeVar("F", bound=Callable[..., Any])


class set_grad_enabled:
    """Turn recording on or off: as a call, as a ``with`` block, or as a decorator."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._before = current()
        INTERPRETER.set(self._before.with_grad(mode))

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        INTERPRETER.set(self._before)

    def __call__(self, function: F) -> F:
        """The function, run in this mode; the code around it keeps its own."""
        INTERPRETER.set(self._before)
        return (enable_grad() if self.mode else no_grad())(function)


class no_grad:
    """Run without recording: results have no graph and need no memory for it.

    >>> from minitorch_lab.tensor import tensor
    >>> w = tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     print((w * 2).requires_grad)
    False
    """

    _mode = False

    def __init__(self) -> None:
        self._tokens: list[Any] = []

    def __enter__(self) -> None:
        now = current()
        self._tokens.append(
            INTERPRETER.set(
                NO_GRAD if now is RECORD and not self._mode else now.with_grad(self._mode)
            )
        )

    def __exit__(self, *error: object) -> None:
        INTERPRETER.reset(self._tokens.pop())

    def __call__(self, function: F) -> F:
        """The function, run in this mode."""

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]


class enable_grad(no_grad):
    """Record again inside ``no_grad``."""

    _mode = True


class inference_mode(no_grad):
    """Run without recording, and let ``enable_grad`` inside change nothing.

    The results are ordinary tensors: unlike PyTorch's they may be used in training later.

    >>> from minitorch_lab.tensor import tensor
    >>> w = tensor([1.0], requires_grad=True)
    >>> with inference_mode():
    ...     print((w * 2).requires_grad, is_inference_mode_enabled())
    False True
    """

    def __new__(cls, mode: Any = True) -> Any:
        """As ``@inference_mode`` without parentheses it gives the function itself."""
        return cls()(mode) if callable(mode) else _new(cls)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.mode = mode

    def __enter__(self) -> None:
        now = current()
        if self.mode:
            now = now.for_inference()
        self._tokens.append(INTERPRETER.set(now))

    def __call__(self, function: F) -> F:
        """The function, run in this mode."""

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with inference_mode(self.mode):
                return function(*args, **kwargs)

        return inside  # type: ignore[return-value]


def is_inference_mode_enabled() -> bool:
    """Whether the code runs under ``inference_mode``."""
    return bool(current().inference)


def is_grad_enabled() -> bool:
    """Whether ops are recorded now."""
    return bool(current().recording)


class record_all:
    """Record ops without gradient too, so that the explorer can show any computation."""

    def __enter__(self) -> None:
        self._token = INTERPRETER.set(Record(True, always=True))

    def __exit__(self, *error: object) -> None:
        INTERPRETER.reset(self._token)
