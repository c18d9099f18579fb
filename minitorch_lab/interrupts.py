"""What an interrupt leaves whole: a change of weights and optimiser state ends before it stops."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable
from threading import get_ident, main_thread
from typing import Any

# What ``signal.signal`` and ``signal.getsignal`` call: those two make an enum of each number, which
# takes ten times as long as the rest.
_signal: Any = importlib.import_module("_signal")
_set, _get, _SIGINT = _signal.signal, _signal.getsignal, int(signal.SIGINT)
_MAIN = main_thread().ident


class _Held:
    """While something runs that shall end: whom an interrupt went to before, and where it came."""

    before: Callable[[int, Any], Any] = signal.default_int_handler
    asked: list[Any] = []  # noqa: RUF012  one for the process


def _later(number: int, frame: Any) -> None:
    if _Held.asked:
        _Held.before(number, frame)
    _Held.asked.append(frame)


def whole(run: Callable[..., Any], *args: Any) -> Any:
    """``run(*args)``, which Ctrl-C, or a notebook's stop, does not cut in two: it ends first.

    Half of an update would leave weights and optimiser state that belong to no step. Who asks twice
    does not wait. An interrupt comes to the main thread only: in others there is nothing to do.
    """
    if get_ident() != _MAIN:
        return run(*args)
    before = _get(_SIGINT)
    if before is _later or not callable(before):  # a part of it; or ignored, or not Python's
        return run(*args)
    _Held.before = before
    _set(_SIGINT, _later)
    try:
        return run(*args)
    finally:
        _set(_SIGINT, before)
        if _Held.asked:
            frame = _Held.asked[0]
            _Held.asked.clear()
            before(_SIGINT, frame)
