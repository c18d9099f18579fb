"""``Sequential`` and ``Model`` under the name that Keras's users import them by."""

from .model import Model, Sequential

__all__ = ["Model", "Sequential"]
