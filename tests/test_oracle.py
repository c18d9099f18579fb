"""The oracle gives the same data when it computes and when it reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import oracle as module
import pytest
from oracle import Book, Oracle, decoded, digest, encoded

import minitorch_lab as lab


def test_an_answer_comes_back_as_it_was_given() -> None:
    given = {
        "array": np.array([[0.1, -0.0, np.nan], [np.inf, 1e-45, 3]], np.float32),
        1: (np.array([True]), np.int64(2**62), 0.1 + 0.2, None, "text"),
        "empty": np.zeros((0, 3), np.int16),
        "long": np.linspace(-1, 1, 50).reshape(5, 10),
    }
    found = decoded(json.loads(json.dumps(encoded(given))))
    assert list(found) == ["array", 1, "empty", "long"]
    np.testing.assert_array_equal(found["long"], given["long"], strict=True)
    np.testing.assert_array_equal(found["array"], given["array"], strict=True)
    assert np.signbit(found["array"][0, 1])
    assert found[1][0].dtype == bool
    assert found[1][1] == 2**62
    assert found[1][2] == 0.1 + 0.2
    assert found["empty"].shape == (0, 3)
    assert found["empty"].dtype == np.int16


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one book: an array, an error and two answers of a loop."""
    monkeypatch.setattr(module, "RECORDED", tmp_path)
    monkeypatch.setattr(module, "PRESENT", False)
    monkeypatch.setattr(Book, "books", {})
    book = Book("one")
    error, one, two = (
        {"about": a, "is": b} for a, b in [("error", "KeyError"), ("x", 1), ("y", 2)]
    )
    book.new = {"test_a": [encoded(np.arange(3)), error], "test_b": [one, two]}
    book.write()
    return tmp_path


@pytest.mark.usefixtures("kept")
def test_answers_are_read_where_pytorch_is_missing() -> None:
    ask = Oracle("one", "test_a")
    np.testing.assert_array_equal(ask(lambda torch: None), np.arange(3))
    assert ask.error(lambda torch: None) is KeyError
    ask.finish()
    with pytest.raises(AssertionError, match=r"answer 3 to test_a is not kept: .*record\.py"):
        ask(lambda torch: None)
    loop = Oracle("one", "test_b")
    assert loop.both(lambda t: t is lab, "x") == (True, 1)
    assert loop(lambda torch: None, "y") == 2


@pytest.mark.usefixtures("kept")
def test_questions_in_another_order_or_number_are_refused() -> None:
    with pytest.raises(AssertionError, match=r"asks about 'error', .* answer 1 .* 'a value'"):
        Oracle("one", "test_a").error(lambda torch: None)
    ask = Oracle("one", "test_b")
    with pytest.raises(AssertionError, match="asks about 'y', the answer 1 kept is about 'x'"):
        ask(lambda torch: None, "y")
    ask.finish()  # it asked nothing: a test may skip itself
    ask(lambda torch: None, "x")
    with pytest.raises(AssertionError, match=r"test_b asked 1 times, 2 are kept: install"):
        ask.finish()


def test_a_book_keeps_other_answers_when_told_to_and_goes_when_it_is_empty(kept: Path) -> None:
    book = Book.of("one")
    book.new = {"test_b": [3]}
    book.write(keep_others=True)
    assert set(Book("one").old) == {"test_a", "test_b"}
    assert Book("one").old["test_b"] == [3]
    book.new = {}
    book.write()
    assert not list(kept.iterdir())


def test_no_answer_is_kept_for_a_test_that_is_gone(request: pytest.FixtureRequest) -> None:
    """By name for each book; by parameters too, where this run collects a file as a whole."""
    config = request.config
    part = config.option.keyword or config.option.markexpr or any("::" in a for a in config.args)
    found: dict[str, set[str]] = {}
    for item in request.session.items:
        found.setdefault(item.path.stem, set()).add(item.name)
    for path in module.RECORDED.glob("*.json"):
        text = path.parent.parent.joinpath(f"{path.stem}.py").read_text(encoding="utf-8")
        for name in Book(path.stem).old:
            assert f"def {name.split('[')[0]}(" in text, f"{path.stem}: {name}"
            assert part or path.stem not in found or name in found[path.stem], name


def test_what_pytorch_says_now_is_what_was_kept(oracle: Any) -> None:
    found = oracle(lambda torch: (torch.arange(3.0) / 3, torch.Size([2]), torch.float16))
    np.testing.assert_array_equal(found[0], np.arange(3, dtype=np.float32) / np.float32(3))
    assert found[1:] == [[2], "float16"]
    assert oracle.error(lambda torch: torch.zeros(2)[5]) is IndexError


def test_longer_arrays_are_compared_by_digest(oracle: Any) -> None:
    with pytest.raises(ValueError, match=r"\(5000,\) is too long .* digest"):
        encoded(np.zeros(5000))
    assert digest(np.arange(5000)) == oracle(lambda torch: digest(torch.arange(5000)))
    assert digest(np.zeros(2)) != digest(-np.zeros(2))
    with pytest.raises(TypeError, match="cannot keep object"):
        encoded(object())
