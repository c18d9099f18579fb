"""TensorFlow's dialect: what TensorFlow answered to the same lines, and what is of this library."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
from typing import Any

import numpy as np
import pytest
from tf_questions import MISTAKES, NUMBERS, PRINTED, RECORDED, TAPES, for_if, kinds, lines, plain
from tf_questions import names as names_of

import minitorch_lab.tf as tf
from minitorch_lab.errors import LabError

ANSWERS = json.loads(RECORDED.read_text(encoding="utf-8"))
SPACE = names_of(tf) | {"for_if": for_if}
MODULES = [m.name for m in pkgutil.iter_modules(tf.__path__) if m.name not in ("compat", "keras")]


def same(ours: Any, theirs: Any) -> None:
    """Equal structure, dtypes and shapes; numbers that agree to float32's digits."""
    if isinstance(theirs, list) and len(theirs) == 3 and isinstance(theirs[0], str):
        assert ours[:2] == theirs[:2]
        np.testing.assert_allclose(ours[2], theirs[2], rtol=2e-5, atol=1e-6)
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    elif isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            same(ours[key], theirs[key])
    else:
        assert ours == theirs


@pytest.mark.parametrize("line", lines(PRINTED))
def test_prints_as_tensorflow(line: str) -> None:
    assert repr(eval(line, dict(SPACE))) == ANSWERS["printed"][line]


@pytest.mark.parametrize("line", lines(NUMBERS))
def test_computes_as_tensorflow(line: str) -> None:
    same(plain(eval(line, dict(SPACE))), ANSWERS["numbers"][line])


@pytest.mark.parametrize("name", TAPES)
def test_differentiates_as_tensorflow(name: str) -> None:
    same(plain(TAPES[name](tf)), ANSWERS["tapes"][name])


def test_a_tape_that_is_off_writes_nothing_down() -> None:
    v = tf.Variable(2.0)
    with tf.GradientTape(persistent=True) as tape:
        y = v * v
    late = y * 2.0
    assert tape.gradient(late, v) is None
    assert tape.gradient([late, y], v).numpy() == 4
    with tape:  # it goes on where it was
        z = y * 2.0
    assert tape.gradient(z, v).numpy() == 8


@pytest.mark.parametrize("line", lines(MISTAKES))
def test_fails_as_tensorflow(line: str) -> None:
    """The class is TensorFlow's, or the built-in that a program catches it by."""
    with pytest.raises((LabError, AttributeError)) as caught:
        eval(line, dict(SPACE))
    assert set(ANSWERS["mistakes"][line]) & set(kinds(caught.value))
    if not isinstance(caught.value, AttributeError) or isinstance(caught.value, LabError):
        assert isinstance(caught.value, LabError)
        assert len(str(caught.value).splitlines()) > 1  # with what was expected


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"minitorch_lab.tf.{name}")
    assert doctest.testmod(module).failed == 0


def test_examples_of_the_page() -> None:
    assert doctest.testmod(tf).failed == 0
