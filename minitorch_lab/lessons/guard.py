"""A time limit for what a learner wrote.

`limited` ends a loop that never ends, in the thread that runs it. A second thread waits for the
deadline, asleep, and then raises `TooLong` in the first one, between two steps of Python. That
works on every system, in the main thread and in others, needs no trace function (which would slow
the code down and fight with a debugger), and leaves nothing behind that still computes. A call
into C cannot be cut: it is ended when it comes back. Only the main thread's sleep can: it is woken.
"""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
SECONDS = 5.0  # for one call of a learner's function
AGAIN = 0.2  # an `except:` in the loop may catch what is raised: until it has ended, once more


class TooLong(BaseException):
    """Raised inside code that has not ended in time. No `except Exception` catches it."""


def limited(function: Callable[[], T], seconds: float = SECONDS) -> T:
    """What ``function()`` returns. Raises TooLong where it has not ended in time.

    >>> limited(lambda: 6 * 7)
    42
    """
    watch = _Watch(threading.get_ident(), seconds)
    try:
        watch.start()
        try:
            return function()
        finally:
            watch.end()
    except (TooLong, KeyboardInterrupt):
        watch.end()  # it may have come while the line above ran; the next is AGAIN seconds away
        if watch.fired:
            raise TooLong from None
        raise  # the learner's own Ctrl + C


class _Watch(threading.Thread):
    """Sleeps until the deadline or the end, whichever comes first."""

    def __init__(self, watched: int, seconds: float) -> None:
        super().__init__(name="time limit of a check", daemon=True)
        self.watched, self.seconds = watched, seconds
        self.fired = False
        self._ended, self._lock = threading.Event(), threading.Lock()

    def run(self) -> None:
        began, wait = time.monotonic(), self.seconds
        while not self._ended.wait(wait):
            with self._lock:  # never after the end: it would hit whatever comes next
                if self._ended.is_set():
                    return
                self.fired, wait = True, AGAIN
                _raise_in(self.watched, TooLong)
                if time.monotonic() - began > self.seconds + 3 * AGAIN:
                    _wake(self.watched)

    def end(self) -> None:
        """No exception comes after this; what was raised and has not arrived is taken back."""
        with self._lock:
            self._ended.set()
            _raise_in(self.watched, None)
        self.join()


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise ``error`` in a thread as soon as it takes its next step; None takes that back."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(error) if error is not None else None
    )


def _wake(thread: int) -> None:
    """End a sleep of the main thread, as Ctrl + C does: asleep, it takes no step."""
    if thread != threading.main_thread().ident:
        return
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
