"""Several GPUs: not here. ``DataParallel`` runs its module, as PyTorch's does on a CPU."""

from __future__ import annotations

from typing import Any

from .module import Module


class DataParallel(Module):
    """A module around a module, which it calls: ``.module``."""

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes."""
        return self.module(*args, **kwargs)
