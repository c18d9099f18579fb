"""Finding the op whose gradient first became NaN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..device import namespace_of
from ..errors import GradError, NonFiniteError
from ..op import current
from ..tape import WATCH, WATCHED, Settings, Step, location, made_by
from ..tensor import Tensor


class AnomalyError(GradError, NonFiniteError):
    """A gradient that became NaN, found by ``detect_anomaly``; a RuntimeError, as in PyTorch."""


class set_detect_anomaly:
    """Turn the search for NaN in the backward pass on or off: as a call or as a ``with`` block.

    With ``check_nan=False`` only the learner's lines are recorded, for other errors.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        if mode and check_nan:
            current().refuse("detect_anomaly()", "a graph has no values to look at yet")
        self._before = (_State.sources is not None, is_anomaly_enabled())
        _switch(mode, check_nan)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        _switch(*self._before)


class _State:
    sources: bool | None = None  # what Settings.sources was before anomaly mode


def _switch(mode: bool, check_nan: bool) -> None:
    if mode and _State.sources is None:
        _State.sources, Settings.sources = Settings.sources, True
    elif not mode and _State.sources is not None:
        Settings.sources, _State.sources = _State.sources, None
    Settings.watch = staticmethod(_find_nan)
    WATCH[WATCHED] = (WATCH[WATCHED][0], mode and check_nan)


class detect_anomaly(set_detect_anomaly):
    """Within this block a backward pass that makes NaN is an error that names the op and its line.

    It looks at every gradient, which is slow, and works in eager mode; graph mode refuses it.

    >>> from minitorch_lab.tensor import tensor
    >>> x = tensor(0.0, requires_grad=True)
    >>> with detect_anomaly():
    ...     (x.sqrt() * 0).backward()
    Traceback (most recent call last):
    minitorch_lab.autograd.anomaly.AnomalyError: backward(): the gradient of sqrt became nan
    ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)


def is_anomaly_enabled() -> bool:
    """Whether backward passes look for NaN."""
    return WATCH[WATCHED][1]


def _find_nan(steps: Iterator[Step]) -> Iterator[Step]:
    while True:
        with np.errstate(all="ignore"):  # what NumPy would warn of is told below, with the line
            step = next(steps, None)
        if step is None:
            return
        for i, x, gx in step.contributions:
            if isinstance(gx, Tensor) and current().tracing:
                current().refuse("detect_anomaly()", "a graph has no values to look at yet")
            if _has_nan(gx):
                raise AnomalyError(_message(step, i, x))
        yield step


def _has_nan(value: Any) -> bool:
    array = value.array if isinstance(value, Tensor) else value
    return bool(namespace_of(array).isnan(array).any())


def _message(step: Step, index: int, x: Any) -> str:
    node = step.node
    name = node.op.name
    where = location(node)
    lines = [
        f"backward(): the gradient of {name} became nan",
        f"  op      {made_by(node)}" + (f": {where.text}" if where else ""),
        f"  its gradient with respect to {node.op.argument(index)}, {x.spec}, holds nan",
    ]
    if not node.freed and _has_nan(node.y):
        lines.append(
            f"  the result of {name} is nan already: look at its inputs in the forward pass"
        )
    elif _has_nan(step.incoming):
        lines.append("  the gradient that came in is nan already: look at what uses the result")
    else:
        lines.append("  what came in is a number: the derivative does not exist at this input,")
        lines.append("  or infinity met 0 (0 * inf = nan)")
    lines.append(
        "  expected numbers; keep the input away from the edge: x.clamp(min=1e-8), x + eps"
    )
    return "\n".join(lines)
