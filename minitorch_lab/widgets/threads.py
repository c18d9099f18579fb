"""A run's thread beside a notebook: whose turn it is, and what an interrupt ends."""

from __future__ import annotations

import asyncio
import atexit
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .training import Training

_switchers = 0
_usual_interval = 0.0
_switch_lock = threading.Lock()


@contextmanager
def quick_switches() -> Iterator[None]:
    """Let other threads have their turn within 0.2 ms instead of Python's 5 ms.

    A notebook's kernel answers a cell with several threads that each wait for the interpreter's
    lock: beside a busy thread, an empty cell took 109 ms, and takes 14 ms so (6 ms alone), while
    the busy thread kept its speed. The interval is the process's: the last run to end puts it back.
    """
    global _switchers, _usual_interval
    with _switch_lock:
        if _switchers == 0:
            _usual_interval = sys.getswitchinterval()
            sys.setswitchinterval(min(2e-4, _usual_interval))
        _switchers += 1
    try:
        yield
    finally:
        with _switch_lock:
            _switchers -= 1
            if _switchers == 0:
                sys.setswitchinterval(_usual_interval)


_in_cells: dict[str, tuple[str, list[weakref.WeakMethod[Callable[[], object]]]]] = {}


def end_with_cell(end: Callable[[], object]) -> None:
    """See that ``end()``, a method, is called when this notebook's cell is run again.

    The panel that the cell had shown is gone from the page then, and its run would go on unseen.
    """
    shell = notebook_shell()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = parent.get("metadata", {}).get("cellId")
    if cell is None:
        return
    run = parent["header"]["msg_id"]  # a cell may show several panels
    before, ends = _in_cells.get(cell, ("", []))
    if run != before:
        for method in ends:
            if (old := method()) is not None:
                old()
        ends = []
    _in_cells[cell] = run, [*ends, weakref.WeakMethod(end)]


def notebook_shell() -> Any:
    """IPython's shell, where this is one."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return None
    return get_ipython()


_alive: set[Training] = set()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The main thread's event loop, where one is running: in a notebook's kernel it is."""
    if threading.current_thread() is not threading.main_thread():
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def end_on_interrupt(training: Training) -> None:
    """See that the notebook's interrupt ends this run even when no cell is running.

    A kernel ignores SIGINT between cells, and puts that back after each cell. So the handler is
    set from the kernel's own event loop, whenever it finds SIGINT ignored while a run is alive, and
    taken away when the last run has ended. While a cell runs, Python's own handler is in place and
    the cell gets its KeyboardInterrupt.
    """
    _alive.add(training)
    loop = training._main_loop
    if loop is not None and not loop.is_closed():
        loop.call_soon_threadsafe(_watch, loop)


def _watch(loop: asyncio.AbstractEventLoop) -> None:
    for training in list(_alive):
        if not training.alive:
            _alive.discard(training)
    current = signal.getsignal(signal.SIGINT)
    if _alive and current is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    elif not _alive and current is _interrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return
    elif not _alive and current is signal.SIG_IGN:
        return
    loop.call_later(0.2, _watch, loop)


def _interrupt(signum: int, frame: object) -> None:
    stop_all("Interrupted")


def stop_all(reason: str = "") -> None:
    """End every run of this process."""
    for training in list(_alive):
        training.stop(reason)


@atexit.register
def _leave() -> None:
    # A daemon thread must not be inside NumPy while the interpreter goes away.
    stop_all()
    for training in list(_alive):
        training._finished.wait(2.0)
