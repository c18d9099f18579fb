"""Values in words: numbers, tensors and anything else in a few characters."""

from __future__ import annotations

from typing import Any

import numpy as np


def number(value: float) -> str:
    """A number for people: 4 significant digits and a real minus sign.

    >>> number(2 / 3), number(-2.0), number(1.5e-7)
    ('0.6667', '−2', '1.5e−07')
    """
    size = abs(value)
    if not np.isfinite(value):
        text = "nan" if np.isnan(value) else "∞" if value > 0 else "-∞"
    elif float(value).is_integer() and size < 1e5:
        text = str(int(value))
    elif 1e4 <= size < 1e5:
        text = f"{value:.0f}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", "−")


def show(value: Any) -> str:
    """Any value in a few characters, for a table.

    >>> show([1.0, -0.5]), show("b")
    ('[1, −0.5]', "'b'")
    """
    if hasattr(value, "detach"):
        value = as_array(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, (int, float, np.number)):
        return number(float(value))
    if isinstance(value, (list, tuple)):
        text = "[" + ", ".join(show(v) for v in value) + "]"
    else:
        text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def as_array(value: Any) -> np.ndarray:
    """Numbers as an array of float64: a number, a list, a NumPy array, a tensor.

    Raises TypeError or ValueError where the value is none of these.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    elif hasattr(value, "numpy"):  # a tensor or variable of TensorFlow's kind
        value = value.numpy()
    if isinstance(value, str):
        raise TypeError("a text is no number")
    return np.asarray(value, dtype=np.float64)


def kind(answer: Any) -> str:
    """What an answer is, for people.

    >>> kind(3), kind("3"), kind(print)
    ('a whole number', 'a text', 'a function')
    """
    if hasattr(answer, "detach"):
        return "a tensor"
    name = "function" if callable(answer) else type(answer).__name__
    names = {
        "str": "a text", "int": "a whole number", "float": "a number", "dict": "a dictionary",
        "ndarray": "a NumPy array", "function": "a function",
    }  # fmt: skip
    return names.get(name, f"a {name}")
