"""``utils.data.dataloader``: PyTorch's path to the loader."""

from .collate import default_collate, default_convert
from .loader import DataLoader

__all__ = ["DataLoader", "default_collate", "default_convert"]
