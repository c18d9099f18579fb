"""What a run measured, in bounded memory however long it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST = 32768  # buckets of a stream: above it, neighbours are put together
BLOCK = 1024  # values that wait for their bucket, and so stay exact
ROWS = 4096  # epochs: above it, every second one goes


@dataclass(frozen=True)
class Mark:
    """A change made while training: before ``step`` + 1, ``kind`` (a setting such as "lr", "mode",
    "batch_size") went from ``old`` to ``new``."""

    step: int
    kind: str
    old: str | float
    new: str | float


@dataclass(frozen=True)
class Epoch:
    """Mean loss and accuracy (nan where there is none) over an epoch, which ended at ``step``:
    of its training steps, or on the validation data after it. ``metrics``: of the learner's own."""

    epoch: int
    step: int
    loss: float
    accuracy: float
    metrics: Mapping[str, float] = field(default_factory=dict)


class Rows(list[Epoch]):
    """The epochs of a run: all of them, of a long run every second one, every fourth, ..., and the
    first and the last always. ``total`` counts those that there ever were.

    >>> rows = Rows(most=4)
    >>> for epoch in range(1, 8):
    ...     rows.append(Epoch(epoch, 10 * epoch, 0.5, 1.0))
    >>> [row.epoch for row in rows], rows.total
    ([1, 3, 5, 7], 7)
    """

    def __init__(self, rows: Iterable[Epoch] = (), most: int = ROWS) -> None:
        super().__init__(rows)
        self.total = len(self)
        self._most = most
        # Row i is number i * gap, but for a last one that may stand between two of those.
        self._gap, self._between = 1, False

    def append(self, row: Epoch) -> None:
        """Add a row."""
        if self._between:
            self[-1] = row
        else:
            super().append(row)
        self._between = self.total % self._gap > 0
        self.total += 1
        if len(self) > self._most:
            even = self[: len(self) - self._between : 2]
            self._gap *= 2
            self._between = (self.total - 1) % self._gap > 0
            self[:] = [*even, row] if self._between else even

    def since(self, count: int) -> list[Epoch]:
        """Those of the rows that came after the first ``count``."""
        return self[-(-count // self._gap) :] if count < self.total else []

    def cut(self, count: int) -> None:
        """Forget all but the first ``count`` rows that there ever were."""
        if count < self.total:
            del self[-(-count // self._gap) :]
            self.total, self._between = count, False

    def __deepcopy__(self, memo: Any) -> Rows:
        twin = Rows(self, self._most)
        twin.total, twin._gap, twin._between = self.total, self._gap, self._between
        return twin


class Stream:
    """One value as it changed from step to step, in at most ``most`` buckets.

    A bucket holds the last of its steps, how many values fell in it, the mean of the finite ones,
    the least and the greatest, and how many were nan or infinite. While there are fewer values than
    buckets each has a bucket of its own; after that, neighbours share one, twice as many each time.
    It can be read from any thread while one thread writes.

    >>> stream = Stream(most=4)
    >>> for step in range(1, 9):
    ...     stream.add(step, float(step))
    >>> stream.mean.tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self.total = 0  # values there ever were
        self.last = math.nan
        # Buckets, how many of them, values a bucket, (step, value) that wait, values in buckets:
        # swapped as one, so that a reader sees all of it before or all of it after.
        self._parts = (np.empty((6, 64)), 0, 1, np.empty((2, BLOCK)), 0)

    def __len__(self) -> int:
        return self.total

    def add(self, step: int, value: float) -> None:
        """Append the value of a step."""
        waiting, flushed = self._parts[3:]
        place = self.total - flushed
        if place == waiting.shape[1]:
            waiting, flushed = self._flush()
            place = self.total - flushed
        waiting[0, place] = step
        waiting[1, place] = value
        self.last = value
        self.total += 1

    def amend(self, value: float) -> None:
        """Give the newest value, which is still alone, another one."""
        waiting, flushed = self._parts[3:]
        waiting[1, self.total - flushed - 1] = self.last = value

    def _flush(self) -> tuple[Floats, int]:
        """The older half of what waits goes into buckets."""
        buckets, count, width, waiting, flushed = self._parts
        half = waiting.shape[1] // 2
        while count + half // width > self._most:
            pairs = buckets[:, : count - count % 2]
            odd = buckets[:, count - count % 2 : count]
            merged = merge(pairs, np.arange(0, pairs.shape[1], 2))
            buckets = np.concatenate([merged, odd], axis=1)
            width, count = 2 * width, buckets.shape[1]
        new = merge(single(waiting[:, :half]), np.arange(0, half, min(width, half)))
        end = count + new.shape[1]
        if end > buckets.shape[1]:
            longer = np.empty((6, min(2 * end, max(self._most, end))))
            longer[:, :count] = buckets[:, :count]
            buckets = longer
        buckets[:, count:end] = new
        rest = np.empty((2, max(BLOCK, 2 * width)))
        rest[:, : waiting.shape[1] - half] = waiting[:, half:]
        self._parts = (buckets, end, width, rest, flushed + half)
        return rest, flushed + half

    def rows(self, after: int = 0) -> Floats:
        """The buckets that end after step ``after``: a row each of last step, count, mean, least,
        greatest, and how many were not finite."""
        buckets, count, _, waiting, flushed = self._parts
        there = min(max(self.total - flushed, 0), waiting.shape[1])
        begin = int(np.searchsorted(waiting[0, :there], after, side="right"))
        newest = single(waiting[:, begin:there])
        if not count or buckets[0, count - 1] <= after:
            return newest
        first = int(np.searchsorted(buckets[0, :count], after, side="right"))
        return np.concatenate([buckets[:, first:count], newest], axis=1)

    def thin(self, most: int, after: int = 0) -> Floats:
        """The same in at most ``most`` buckets."""
        rows = self.rows(after)
        return merge(rows, np.arange(0, rows.shape[1], max(1, -(-rows.shape[1] // most))))

    def few(self, after: int, most: int = 8) -> list[tuple[int, float]] | None:
        """Step and value of the entries after step ``after``; None where they are more than
        ``most``, or do not all stand alone."""
        waiting, flushed = self._parts[3:]
        found: list[tuple[int, float]] = []
        for place in range(self.total - flushed - 1, -1, -1):
            step = int(waiting[0, place])
            if step <= after:
                return found[::-1]
            if len(found) == most:
                return None
            found.append((step, float(waiting[1, place])))
        return None if flushed else found[::-1]

    @property
    def step(self) -> npt.NDArray[np.int64]:
        """The last step of each bucket."""
        return self.rows()[0].astype(np.int64)

    @property
    def mean(self) -> Floats:
        """The mean of each bucket: of the finite values, where there are any."""
        return self.rows()[2]

    def at(self, step: int) -> float:
        """The value of a step; where it shares a bucket, the bucket's mean; nan where none is."""
        rows = self.rows(step - 1)
        return float(rows[2, 0]) if rows.shape[1] else math.nan

    def cut(self, step: int) -> None:
        """Forget what came after ``step``."""
        rows = self.rows()
        kept = int(np.searchsorted(rows[0], step, side="right"))
        buckets = rows[:, : kept + 1].copy()
        if buckets.shape[1] > kept:  # the bucket that the cut goes through keeps its beginning
            begin = buckets[0, kept - 1] if kept else 0
            buckets[:2, kept] = step, step - begin
            if step <= begin or buckets[1, kept] < 1:
                buckets = buckets[:, :kept]
        width = self._parts[2]
        self.total = int(buckets[1].sum()) if buckets.size else 0
        self.last = float(buckets[2, -1]) if buckets.size else math.nan
        self._parts = (
            buckets,
            buckets.shape[1],
            width,
            np.empty((2, max(BLOCK, 2 * width))),
            self.total,
        )


def single(pairs: Floats) -> Floats:
    """Steps and values as buckets of one value each."""
    rows = np.empty((6, pairs.shape[1]))
    rows[0], rows[1], rows[2:5] = pairs[0], 1, pairs[1]
    rows[5] = ~np.isfinite(pairs[1])
    return rows


def merge(rows: Floats, starts: npt.NDArray[Any]) -> Floats:
    """Buckets put together: one from each of ``starts`` to the next."""
    if not len(starts) or len(starts) == rows.shape[1]:
        return rows
    step, count, _, low, high, bad = rows
    found = np.empty((6, len(starts)))
    found[0] = step[np.append(starts[1:], rows.shape[1]) - 1]
    found[1] = np.add.reduceat(count, starts)
    found[2] = means(rows, starts)
    found[3] = np.fmin.reduceat(low, starts)
    found[4] = np.fmax.reduceat(high, starts)
    found[5] = np.add.reduceat(bad, starts)
    return found


def means(rows: Floats, starts: npt.NDArray[Any]) -> Floats:
    """The means of buckets put together: of the finite values, where there are any."""
    _, count, mean, _, high, bad = rows
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if not bad.any():
            return np.add.reduceat(mean * count, starts) / np.add.reduceat(count, starts)
        finite = np.isfinite(mean)
        weight = np.where(finite, count - bad, 0.0)
        total = np.add.reduceat(np.where(finite, mean, 0.0) * weight, starts)
        counted = np.add.reduceat(weight, starts)
        return np.where(counted > 0, total / counted, np.fmax.reduceat(high, starts))


class History:
    """What a run measured: a loss and an accuracy a step, other streams, validation an epoch, and
    all changes.

    ``loss`` and ``accuracy`` are NumPy arrays of one entry a step (accuracy is nan where the task
    has none), and ``step`` the numbers of the steps. After 32,768 steps an entry stands for several
    neighbours: it is their mean, ``step`` the last of them, and ``streams["loss"]`` has the least
    and the greatest, too. All can be read from any thread at any time.
    """

    def __init__(self) -> None:
        self._loss, self._accuracy = Stream(), Stream()
        self.streams: dict[str, Stream] = {"loss": self._loss, "accuracy": self._accuracy}
        self.epochs, self.validation = Rows(), Rows()
        self.marks: list[Mark] = []
        self._count = 0

    def add(self, loss: float, accuracy: float) -> None:
        """Append a step."""
        count = self._count + 1
        self._accuracy.add(count, accuracy)
        self._loss.add(count, loss)
        self._count = count

    def skip(self, accuracy: float = math.nan) -> None:
        """Append a step whose loss is not known; the last one that was stays the last."""
        before = self._loss.last
        self.add(math.nan, accuracy)
        self._loss.last = before

    def amend(self, accuracy: float) -> None:
        """The accuracy of the newest step."""
        if self._count:
            self._accuracy.amend(accuracy)

    def log(self, **values: float) -> None:
        """Write values of streams at the step of now. A value that has not changed is left out.

        >>> history = History()
        >>> history.add(0.5, 1.0)
        >>> history.log(gradient_norm=2.0)
        >>> history.streams["gradient_norm"].mean
        array([2.])
        """
        for name, value in values.items():
            stream = self.streams.get(name)
            if stream is None:
                # A new dict: another thread may be going through this one.
                stream = Stream()
                self.streams = {**self.streams, name: stream}
            if value != stream.last:
                stream.add(self._count, float(value))

    def __len__(self) -> int:
        return self._count

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many epochs, validations and marks there have been."""
        return self.epochs.total, self.validation.total, len(self.marks)

    def cut(self, step: int, epochs: int, validation: int, marks: int) -> None:
        """Forget what came after ``step``, and after so many epochs, validations and marks."""
        self._count = min(step, self._count)
        for stream in self.streams.values():
            stream.cut(self._count)
        self.epochs.cut(epochs)
        self.validation.cut(validation)
        del self.marks[marks:]

    def since(self, start: int) -> tuple[float, float]:
        """Mean loss and accuracy of the steps after step ``start``."""
        return average(self._loss.rows(start)), average(self._accuracy.rows(start))

    @property
    def step(self) -> npt.NDArray[np.int64]:
        """The number of each step, from 1."""
        return self._loss.step

    @property
    def loss(self) -> Floats:
        """The training loss of each step, measured before its update."""
        return self._loss.mean

    @property
    def accuracy(self) -> Floats:
        """The share of each batch that was classified correctly, before the update."""
        return self._accuracy.mean


def average(rows: Floats) -> float:
    """The mean of all finite values in some buckets."""
    if rows.shape[1] and rows[1].max() == 1 and not rows[5].any():
        return float(rows[2].mean())
    weight = rows[1] - rows[5]
    known = weight > 0
    total = weight.sum()
    return float((rows[2, known] * weight[known]).sum() / total) if total else math.nan
