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
_SIGINT = int(signal.SIGINT)


def whole(run: Callable[..., Any], *args: Any) -> Any:
    """``run(*args)``, which Ctrl-C, or a notebook's stop, does not cut in two: it ends first.

    Half of an update would leave weights and optimiser state that belong to no step. Who asks twice
    does not wait. An interrupt comes to the main thread only: in others there is nothing to do.
    """
    if get_ident() != main_thread().ident:
        return run(*args)
    before = _signal.getsignal(_SIGINT)
    if not callable(before):  # ignored, or not Python's
        return run(*args)
    asked: list[Any] = []

    def later(number: int, frame: Any) -> None:
        if asked:
            before(number, frame)
        asked.append(frame)

    _signal.signal(_SIGINT, later)
    try:
        return run(*args)
    finally:
        _signal.signal(_SIGINT, before)
        if asked:
            before(_SIGINT, asked[0])
