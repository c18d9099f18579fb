"""TensorFlow's dialect over the same engine: so far ``tf.keras``, and what its programs need.

>>> import minitorch_lab.tf as tf
>>> tf.keras.layers.Dense(10, name="digits")
<Dense name=digits, built=False>
"""

from __future__ import annotations

from typing import Any

from . import config, keras, random
from .keras.variable import Variable

newaxis = None

__all__ = ["Variable", "config", "keras", "newaxis", "random"]


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"module 'minitorch_lab.tf' has no attribute {name!r}: it has tf.keras, and of the rest "
        f"{', '.join(f'tf.{known}' for known in __all__ if known != 'keras')}"
    )
