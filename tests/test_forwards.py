"""Forwards that take a faster way for large arrays give what the plain way gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minitorch_lab.ops.rules import add_rows, total


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("keepdim", [True, False])
@pytest.mark.parametrize(
    ("shape", "dim"),
    [
        ((300, 40), (1,)),
        ((300, 40), 1),
        ((300, 40), (0,)),
        ((300, 40), (0, 1)),
        ((5, 60, 40), (2,)),
        ((5, 60, 40), (0,)),
        ((5, 60, 40), (1, 2)),
        ((2, 5000), (1,)),
        ((3, 4), (1,)),
        ((5000,), (0,)),
    ],
)
def test_total_is_the_sum(shape: Any, dim: Any, keepdim: bool, dtype: Any) -> None:
    x = np.random.default_rng(1).normal(size=shape).astype(dtype)
    exact = x.astype(np.float64).sum(axis=dim, keepdims=keepdim)
    near = {2: 3e-2, 4: 1e-5, 8: 1e-12}[x.dtype.itemsize]
    turned = np.asfortranarray(x)
    for y in (x, turned):
        found = total(np, y, dim, keepdim)
        assert found.shape == exact.shape
        assert found.dtype == dtype
        np.testing.assert_allclose(found, exact, rtol=near, atol=near * 100)


def test_total_of_numbers_that_are_no_numbers() -> None:
    x = np.ones((200, 40), np.float32)
    x[3, 4], x[5, 6] = np.inf, np.nan
    found = total(np, x, (1,))
    assert found[3] == np.inf
    assert np.isnan(found[5])
    assert (np.delete(found, (3, 5)) == 40).all()


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64])
@pytest.mark.parametrize("places", [(500,), (20, 25)])
def test_rows_of_the_same_number_are_added(kind: Any, places: Any) -> None:
    rng = np.random.default_rng(2)
    low = 0 if kind is np.uint8 else -7  # from the end, as in square brackets
    index = rng.integers(low, 7, places).astype(kind)
    rows = rng.normal(size=(*places, 2, 16))
    found, expected = np.ones((7, 2, 16)), np.ones((7, 2, 16))
    add_rows(np, found, index, rows)
    np.add.at(expected, index, rows)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
