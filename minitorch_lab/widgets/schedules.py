"""The schedule of the learning rate in a run."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError, KindError, describe
from ..optim import Optimizer
from ..optim.lr_scheduler import LRScheduler, ReduceLROnPlateau


def checked_schedule(schedule: Any, optimizer: Optimizer) -> LRScheduler | None:
    """The schedule, if it is one of this optimiser."""
    if schedule is None:
        return None
    if not isinstance(schedule, LRScheduler):
        raise KindError(
            f"train: schedule is {describe(schedule)}\n"
            "  expected a schedule such as optim.lr_scheduler.StepLR(optimizer, 10)"
        )
    if schedule.optimizer is not optimizer:
        raise ArgumentError(
            "train: schedule has another optimiser than the run\n"
            "  expected the same: train(..., optimizer=optimizer, schedule=StepLR(optimizer, 10))"
        )
    return schedule


def go_on(schedule: LRScheduler, loss: float) -> None:
    """An epoch with this mean loss is over."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(loss)
    else:
        schedule.step()
