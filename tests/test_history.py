"""What a run measured: buckets that keep extremes, in bounded memory."""

import math
import time
from copy import deepcopy

import numpy as np
import pytest

from minitorch_lab.widgets.history import Epoch, History, Rows, Stream
from minitorch_lab.widgets.live import points, table


def filled(values, most=64):
    stream = Stream(most)
    for step, value in enumerate(values, start=1):
        stream.add(step, value)
    return stream


def test_few_values_stay_as_they_are():
    values = np.random.default_rng(0).normal(size=3000)
    stream = filled(values, most=4096)
    assert stream.mean.tolist() == values.tolist()
    assert stream.step.tolist() == list(range(1, 3001))
    assert stream.at(2000) == values[1999]


@pytest.mark.parametrize("count", [1, 1023, 1024, 5000, 20_001])
def test_buckets_keep_extremes_counts_and_means(count):
    values = np.random.default_rng(1).normal(size=count)
    rows = filled(values).rows()
    assert rows[1].sum() == count
    assert (np.cumsum(rows[1]) == rows[0]).all()
    assert (rows[3].min(), rows[4].max()) == (values.min(), values.max())
    ends = np.cumsum(rows[1]).astype(int)
    for begin, end, mean, low, high in zip(np.r_[0, ends[:-1]], ends, *rows[2:5], strict=True):
        part = values[begin:end]
        assert mean == pytest.approx(part.mean())
        assert (low, high) == (part.min(), part.max())


def test_nan_and_infinity_are_counted_and_hide_nothing():
    values = np.ones(8000)
    values[[100, 200]] = math.nan, math.inf
    values[101] = 7.0
    rows = filled(values).rows()
    assert rows[5].sum() == 2
    assert np.isfinite(rows[2]).all()
    assert (rows[4] == 7.0).any()
    assert rows[4].max() == math.inf


def test_a_million_steps_take_no_more_memory_and_draw_quickly():
    history = History()
    for step in range(1_000_000):
        history.add(float(step), 0.5)
    size = sum(part.nbytes for part in history.streams["loss"]._parts if hasattr(part, "nbytes"))
    assert size < 4 * 2**20
    began = time.process_time()
    rows = table(history, 0, len(history), 8000)
    assert time.process_time() - began < 0.05
    assert len(rows) <= 8000
    assert rows[:, 1].sum() == 1_000_000
    assert (rows[0, 3], rows[-1, 4]) == (0, 999_999)
    assert history.since(999_990)[0] == pytest.approx(999_994.5)


def test_a_cut_through_a_bucket_keeps_its_beginning():
    stream = filled(np.arange(20_000.0))
    end = int(stream.step[10])
    stream.cut(end - 3)
    assert stream.total == end - 3
    assert stream.step[-1] == end - 3
    stream.add(end - 2, 5.0)
    assert stream.last == stream.at(end - 2) == 5.0


def test_only_what_changed_is_logged():
    history = History()
    for rate in (0.1, 0.1, 0.01, 0.01, 0.1):
        history.add(1.0, math.nan)
        history.log(lr=rate)
    assert history.streams["lr"].step.tolist() == [1, 3, 5]
    assert history.streams["lr"].mean.tolist() == [0.1, 0.01, 0.1]


def rows_of(count, most=8):
    rows = Rows(most=most)
    for epoch in range(1, count + 1):
        rows.append(Epoch(epoch, 10 * epoch, 1 / epoch, 0.5))
    return rows


@pytest.mark.parametrize("count", [1, 8, 9, 10, 17, 50, 1001])
def test_epochs_are_bounded_with_the_first_and_the_last(count):
    rows = rows_of(count)
    epochs = [row.epoch for row in rows]
    assert len(rows) <= 9
    assert (epochs[0], epochs[-1], rows.total) == (1, count, count)
    gaps = set(np.diff(epochs[:-1]).tolist())
    assert len(gaps) <= 1, "all of the same distance, but for the last"
    assert count > 8 or epochs == list(range(1, count + 1))


def test_what_is_new_of_the_epochs_comes_once():
    rows, seen, told = Rows(most=8), 0, []
    for epoch in range(1, 101):
        rows.append(Epoch(epoch, epoch, 0.0, 0.0))
        if epoch % 3 == 0:
            told += [row.epoch for row in rows.since(seen)]
            seen = rows.total
    assert told == sorted(set(told))
    assert told[-1] == 99
    assert rows.since(rows.total) == []
    assert [row.epoch for row in rows.since(99)] == [100]


@pytest.mark.parametrize("count", [0, 1, 5, 20, 33, 50])
def test_epochs_that_were_cut_go_on_as_those_that_never_went_further(count):
    rows = deepcopy(rows_of(50))
    rows.cut(count)
    assert all(row.epoch <= count for row in rows)
    assert rows.total == count
    for epoch in range(count + 1, 51):
        rows.append(Epoch(epoch, 10 * epoch, 1 / epoch, 0.5))
    assert rows == rows_of(50)


def test_few_new_entries_are_read_as_many_are():
    stream = filled([3.0, 1.0, 2.0])
    assert stream.few(1) == [(2, 1.0), (3, 2.0)]
    assert stream.few(1, most=1) is None
    assert [list(row) for row in points(stream, 1)] == stream.thin(9, 1)[[0, 2, 3, 4]].T.tolist()
    long = filled(range(5000))
    assert long.few(4998) == [(4999, 4998), (5000, 4999)]
    assert long.few(0) is None
