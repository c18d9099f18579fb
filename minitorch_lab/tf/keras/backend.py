"""The one function of Keras's backend that programs call."""

from .words import clear_session

__all__ = ["clear_session"]
