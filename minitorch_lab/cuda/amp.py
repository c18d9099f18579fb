"""``cuda.amp``: the older names of ``amp``, whose device is the GPU."""

from __future__ import annotations

from .. import amp
from ..dtypes import DType

__all__ = ["GradScaler", "autocast"]


class autocast(amp.autocast):
    """``lab.autocast("cuda", ...)``."""

    def __init__(
        self, enabled: bool = True, dtype: DType | None = None, cache_enabled: bool = True
    ) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """``lab.amp.GradScaler("cuda", ...)``."""

    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        super().__init__(
            "cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )
