"""What rooms further up do for those below, by name.

A room imports only from rooms below it. Where one of them wants something from further up, such
as the explorer for ``keras.utils.plot_model``, it finds it here: the front door puts it in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OFFERED: dict[str, Callable[..., Any]] = {}
