"""The names of automatic mixed precision: everything is computed in the dtypes that it has."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ContextDecorator
from typing import Any

__all__ = ["GradScaler", "autocast"]


def _warn(name: str) -> None:
    warnings.warn(
        f"{name}: there is no mixed precision here, values keep their dtypes\n"
        "  expected enabled=False; for float16 throughout, convert the model with .half()",
        UserWarning,
        stacklevel=3,
    )


class autocast(ContextDecorator):
    """Accepted, with a warning where it is enabled: values keep their dtypes.

    >>> with autocast("cpu", enabled=False):
    ...     pass
    """

    def __init__(
        self,
        device_type: str = "cuda",
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if enabled:
            _warn("autocast")

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *raised: object) -> None:
        return None


class GradScaler:
    """Accepted, with a warning where it is enabled: losses are not scaled, steps are taken."""

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled:
            _warn("GradScaler")

    def is_enabled(self) -> bool:
        """False."""
        return False

    def get_scale(self) -> float:
        """1: what losses are multiplied by."""
        return 1.0

    def scale(self, outputs: Any) -> Any:
        """The loss as it is."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Nothing to undo."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step()``."""
        step: Callable[..., Any] = optimizer.step
        return step(*args, **kwargs)

    def update(self, new_scale: float | None = None) -> None:
        """Nothing to adapt."""

    def state_dict(self) -> dict[str, Any]:
        """Empty."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to load."""
