"""The oracle gives the same data when it computes and when it reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import oracle as module
import pytest
from oracle import Book, Oracle, decoded, encoded


def test_an_answer_comes_back_as_it_was_given() -> None:
    given = {
        "array": np.array([[0.1, -0.0, np.nan], [np.inf, 1e-45, 3]], np.float32),
        1: (np.array([True]), np.int64(2**62), 0.1 + 0.2, None, "text"),
        "empty": np.zeros((0, 3), np.int16),
    }
    found = decoded(json.loads(json.dumps(encoded(given))))
    assert list(found) == ["array", 1, "empty"]
    np.testing.assert_array_equal(found["array"], given["array"], strict=True)
    assert np.signbit(found["array"][0, 1])
    assert found[1][0].dtype == bool
    assert found[1][1] == 2**62
    assert found[1][2] == 0.1 + 0.2
    assert found["empty"].shape == (0, 3)
    assert found["empty"].dtype == np.int16


def test_answers_are_read_where_pytorch_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECORDED", tmp_path)
    monkeypatch.setattr(module, "PRESENT", False)
    monkeypatch.setattr(Book, "books", {})
    book = Book("one")
    book.new = {"test_a": [encoded(np.arange(3)), "KeyError"]}
    book.write()
    Book.books.clear()
    ask = Oracle("one", "test_a")
    np.testing.assert_array_equal(ask(lambda torch: None), np.arange(3))
    assert ask.error(lambda torch: None) is KeyError
    with pytest.raises(AssertionError, match=r"no answer .* for test_a: .*record\.py"):
        ask(lambda torch: None)


def test_what_pytorch_says_now_is_what_was_kept(oracle: Any) -> None:
    found = oracle(lambda torch: (torch.arange(3.0) / 3, torch.Size([2]), torch.float16))
    np.testing.assert_array_equal(found[0], np.arange(3, dtype=np.float32) / np.float32(3))
    assert found[1:] == [[2], "float16"]
    assert oracle.error(lambda torch: torch.zeros(2)[5]) is IndexError
