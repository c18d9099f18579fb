"""Steps on a GPU that an interrupt leaves whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any


def whole(run: Callable[..., Any]) -> Callable[..., Any]:
    """A call that Ctrl-C, or a notebook's stop, does not cut in two: it ends, and then it stops.

    Half of a training step would leave weights and optimiser state that belong to no step. Who asks
    twice does not wait.
    """

    @wraps(run)
    def call(*arrays: Any) -> Any:
        before = signal.getsignal(signal.SIGINT)
        if not callable(before) or threading.current_thread() is not threading.main_thread():
            return run(*arrays)
        asked: list[Any] = []

        def later(number: int, frame: Any) -> None:
            if asked:
                before(number, frame)
            asked.append(frame)

        signal.signal(signal.SIGINT, later)
        try:
            return run(*arrays)
        finally:
            signal.signal(signal.SIGINT, before)
            if asked:
                before(signal.SIGINT, asked[0])

    return call
