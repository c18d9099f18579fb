"""What a run measured, in bounded memory however long it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST = 32768  # buckets of a stream: above it, neighbours are put together
BLOCK = 1024  # values that wait for their bucket, and so stay exact


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
    step, count, mean, low, high, bad = rows
    found = np.empty((6, len(starts)))
    found[0] = step[np.append(starts[1:], rows.shape[1]) - 1]
    found[1] = np.add.reduceat(count, starts)
    found[3] = np.fmin.reduceat(low, starts)
    found[4] = np.fmax.reduceat(high, starts)
    found[5] = np.add.reduceat(bad, starts)
    finite = np.isfinite(mean)
    weight = np.where(finite, count - bad if bad.any() else count, 0.0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        total = np.add.reduceat(np.where(finite, mean, 0.0) * weight, starts)
        counted = np.add.reduceat(weight, starts)
        found[2] = np.where(counted > 0, total / counted, found[4])
    return found


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
        self.epochs: list[Epoch] = []
        self.validation: list[Epoch] = []
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

    def cut(self, step: int, epochs: int, validation: int, marks: int) -> None:
        """Forget what came after ``step``; the counts are of the rows that there were."""
        self._count = min(step, self._count)
        for stream in self.streams.values():
            stream.cut(self._count)
        del self.epochs[epochs:], self.validation[validation:], self.marks[marks:]

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
