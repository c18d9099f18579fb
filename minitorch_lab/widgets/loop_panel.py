"""The live panel of a loop that the learner writes by hand."""

from __future__ import annotations

import time
from typing import Any

from .gauges import STREAMS
from .live import MOST_SPAN, SETTINGS, Live
from .loop import Loop, size_of
from .words import plural, short

TAKEN = ("hello", "start", "pause", "step", "stop", "streams")
ANEW = 1.0  # seconds between two messages with everything, to a page that cannot ask for it


class LoopPanel(Live):
    """The same panel without what a loop of one's own does not have.

    The page says hello when it is there. Where a notebook hands messages to Python only between
    two cells, the hello waits until the loop is over, as all buttons do (the page says so): until
    then everything is sent anew now and then, as the page cannot ask for what it missed.
    """

    def __init__(self, run: Loop) -> None:
        self._answers = False  # the page was heard
        self._anew = 0.0
        self.run = run
        super().__init__(run)
        run.listeners.append(self._renew)
        if run.names:  # a panel that is shown when something was logged already
            self._renew("names")

    def _renew(self, what: str) -> None:
        if what == "names":
            self._streams = list(self.run.names)
            self.about = self.facts()

    def facts(self) -> dict[str, Any]:
        """What the page has to know; it changes when something is logged under a new name."""
        run = self.run
        given = []
        if run.model is not None:
            given.append(["model", type(run.model).__name__])
        if run.optimizer is not None:
            rate = short(run.lr or 0.0)
            given.append(["optimizer", f"{type(run.optimizer).__name__}, learning rate {rate}"])
        length = size_of(run.data)
        if length is not None:
            given.append(["data", f"{type(run.data).__name__}, {plural(length, 'step')} an epoch"])
        if run.total is not None:
            given.append(["steps", plural(run.total, "step")])
        measured = ["steps_per_second", "memory"]
        if run.model is not None or run.optimizer is not None:
            measured = ["gradient_norm", "weight_norm", "update_ratio", *measured]
        if run.optimizer is not None:
            measured.insert(0, "lr")
        measured = [name for name in measured if name not in run.names]
        return {
            "own": True,
            "title": run.name,
            "facts": given,
            "epochs": run.epochs,
            "total": run.total,
            "counts": run.part is not None,
            "batch": 0,
            "batch_fixed": True,
            "momentum": run.momentum,
            "weight_decay": run.weight_decay,
            "dropout": run.dropout,
            "streams": [[name, STREAMS.get(name, name)] for name in [*run.names, *measured]],
            "lr": run.lr,
            "mode": run.mode,
            "device": run.device,
            "seed": None,
            "classifies": run.classifies,
            "validates": run.validates,
            "span": max(5, min(MOST_SPAN, (run.total or 1000) // 60)),
            "no_cuda": "",
            "no_cuda_short": "",
        }

    def _on_message(self, widget: Any, content: dict[str, Any], buffers: Any) -> None:
        self._answers = True
        match content:
            case {"type": str() as name} if name in (*SETTINGS, *TAKEN):
                super()._on_message(widget, content, buffers)

    def _push(self, reset: bool = False, at_once: bool = False) -> None:
        now = time.monotonic()
        if not self._answers and not reset and now >= self._anew:
            reset, self._anew = True, now + ANEW
        super()._push(reset, at_once)

    def _around(self, reset: bool) -> dict[str, Any]:
        found = super()._around(reset)
        if self.run.error is None:  # a step whose loss was not logged is nan, and no trouble
            found["bad"] = []
        return found

    def _now(self, count: int) -> dict[str, Any]:
        run = self.run
        told = super()._now(count)
        told["part"] = run.part
        told["advice"] = ""
        return told
