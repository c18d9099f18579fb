"""Streams, rows of work that a GPU does one after another, and events, marks in them.

What stands in different streams may run at the same time. The names are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..device import CUDA, namespace_for
from ..errors import ComputeError, KindError, describe


class Event:
    """A mark in a stream: to wait for, or to take the time between two of them.

    >>> start, end = Event(enable_timing=True), Event(enable_timing=True)  # doctest: +SKIP
    >>> start.record(); y = x @ x; end.record(); end.synchronize()  # doctest: +SKIP
    >>> start.elapsed_time(end)  # doctest: +SKIP
    0.41
    """

    def __init__(self, enable_timing: bool = False, blocking: bool = False) -> None:
        self._cupy = namespace_for(CUDA)
        self._event = self._cupy.cuda.Event(block=blocking, disable_timing=not enable_timing)
        self._timed, self._recorded = enable_timing, False

    def record(self, stream: Stream | None = None) -> None:
        """Set the mark behind what ``stream``, or the current one, was asked for so far."""
        self._event.record((current_stream() if stream is None else stream)._stream)
        self._recorded = True

    def wait(self, stream: Stream | None = None) -> None:
        """Let ``stream``, or the current one, wait for the mark."""
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self) -> bool:
        """Whether the mark was reached."""
        return bool(self._event.done)

    def synchronize(self) -> None:
        """Wait until the mark was reached."""
        self._event.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to another one."""
        for name, event in (("this event", self), ("end_event", end_event)):
            if not event._timed or not event._recorded:
                raise ComputeError(
                    f"elapsed_time(end_event): {name} has no time\n"
                    "  expected two events, made with Event(enable_timing=True), and recorded"
                )
        return float(self._cupy.cuda.get_elapsed_time(self._event, end_event._event))


class Stream:
    """A row of work of its own, next to the others.

    ``with lab.cuda.stream(s):`` puts the ops of a block there.
    """

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        self._stream = namespace_for(CUDA).cuda.Stream(non_blocking=True)

    @classmethod
    def _of(cls, stream: Any) -> Stream:
        made = cls.__new__(cls)
        made._stream = stream
        return made

    def synchronize(self) -> None:
        """Wait until all of its work is done."""
        self._stream.synchronize()

    def query(self) -> bool:
        """Whether all of its work is done."""
        return bool(self._stream.done)

    def record_event(self, event: Event | None = None) -> Event:
        """A mark behind what was asked for so far."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Let what is asked from now on wait for a mark."""
        self._stream.wait_event(event._event)

    def wait_stream(self, stream: Stream) -> None:
        """Let what is asked from now on wait for what another stream was asked so far."""
        self.wait_event(stream.record_event())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and bool(self._stream.ptr == other._stream.ptr)

    def __hash__(self) -> int:
        return hash(self._stream.ptr)


def current_stream(device: Any = None) -> Stream:
    """The stream that ops go to now."""
    return Stream._of(namespace_for(CUDA).cuda.get_current_stream())


def default_stream(device: Any = None) -> Stream:
    """The stream that ops go to where none was chosen."""
    return Stream._of(namespace_for(CUDA).cuda.Stream.null)


@contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """A block whose ops go to ``stream``; None leaves them where they go."""
    if stream is None:
        yield
        return
    if not isinstance(stream, Stream):
        raise KindError(f"stream(stream): expected a lab.cuda.Stream, got {describe(stream)}")
    with stream._stream:
        yield
