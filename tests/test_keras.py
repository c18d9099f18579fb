"""tf.keras: the same programs as TensorFlow's Keras, with its recorded answers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from keras_questions import QUESTIONS, RECORDED, plain, training

from minitorch_lab.tf import keras

ANSWERS = json.loads(RECORDED.read_text(encoding="utf-8"))


def compare(ours: Any, theirs: Any, where: str = "") -> None:
    """Equal texts and structure; numbers to five digits."""
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for name in theirs:
            compare(ours[name], theirs[name], f"{where} {name}")
    elif isinstance(theirs, list) and any(isinstance(v, dict | str) for v in theirs):
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            compare(a, b, f"{where} {i}")
    elif isinstance(theirs, list) and len({np.shape(v) for v in theirs}) > 1:
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            compare(a, b, f"{where} {i}")
    elif isinstance(theirs, list | float):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-5, err_msg=where)
    else:
        assert ours == theirs, where


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name != "signatures"])
def test_as_keras(name: str) -> None:
    compare(plain(QUESTIONS[name](keras)), ANSWERS[name], name)


def test_training_op_by_op_gives_the_same() -> None:
    compare(plain(training(keras, run_eagerly=True)), ANSWERS["training"])


def test_arguments_and_defaults() -> None:
    """Ours are among Keras's, in its order; what may be given by place stands at its place."""
    for name, ours in QUESTIONS["signatures"](keras).items():
        theirs = {k: v for k, v in ANSWERS["signatures"][name].items() if k in ours}
        assert ours == theirs, name
        assert list(ours) == list(theirs), name
