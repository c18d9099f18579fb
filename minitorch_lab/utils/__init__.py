"""What is not the engine: data sets and loaders, checkpoints."""

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
