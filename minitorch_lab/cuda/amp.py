"""``cuda.amp``: the same as ``amp``."""

from ..amp import GradScaler, autocast

__all__ = ["GradScaler", "autocast"]
