"""Several runs in one picture."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from ..errors import ArgumentError, KindError
from ..errors import describe as describe_value
from .gauges import STREAMS
from .history import History
from .live_still import STYLE, Drawn, picture
from .timeline import history_of
from .words import figures, plural


def compare(
    *runs: Any, names: list[str] | None = None, streams: tuple[str, ...] = ()
) -> Comparison:
    """Several runs in one picture, with their figures; nothing of it changes afterwards.

    Args:
        runs: panels of ``lab.train``, ``Training`` objects, or histories.
        names: one for each run; without them the runs' own.
        streams: shown beside loss and accuracy, such as "gradient_norm".

    Raises:
        KindError: something else than a run.
        ArgumentError: no run, or not as many names as runs.

    >>> fast, slow = History(), History()
    >>> for step in range(8):
    ...     fast.add(1 / (step + 1), 0.5)
    ...     slow.add(1.0, 0.5)
    >>> compare(fast, slow, names=["fast", "slow"])
    fast  8 steps, loss 0.125, accuracy 0.500
    slow  8 steps, loss 1.00, accuracy 0.500
    """
    if not runs:
        raise ArgumentError("compare(): no run is given\n  expected compare(run1, run2, ...)")
    if names is not None and len(names) != len(runs):
        raise ArgumentError(
            f"compare(names): {plural(len(names), 'name')} for {plural(len(runs), 'run')}\n"
            "  expected one for each run"
        )
    drawn: list[Drawn] = []
    for i, given in enumerate(runs):
        run = getattr(given, "training", given)
        if not isinstance(history_of(run), History):
            raise KindError(
                f"compare: run {i + 1} is {describe_value(given)}\n"
                "  expected a panel of lab.train, a Training or a History"
            )
        name = names[i] if names else getattr(run, "name", f"run {i + 1}")
        if names is None and any(other.name == name for other in drawn):
            name = f"{name}, run {i + 1}"
        drawn.append(Drawn(str(name), history_of(run), i))
    return Comparison(drawn, streams)


class Comparison:
    """Runs beside each other: printed their figures, in a notebook their curves, too."""

    def __init__(self, runs: list[Drawn], streams: tuple[str, ...] = ()) -> None:
        self.runs = runs
        self.streams = streams

    def __repr__(self) -> str:
        width = max(len(run.name) for run in self.runs)
        return "\n".join(f"{run.name:<{width}}  {result(run.history)}" for run in self.runs)

    def _repr_html_(self) -> str:
        first, *others = self.runs
        known = any(not math.isnan(run.history.streams["accuracy"].last) for run in self.runs)
        names = ["loss", *(["accuracy"] if known else []), *self.streams]
        drawn = [picture(name, STREAMS.get(name, name), first, others) for name in names]
        return (
            f'<div class="lab-still lab-run"><style>{STYLE}</style>'
            f'<div class="pictures">{"".join(drawn)}</div><pre>{escape(repr(self))}</pre></div>'
        )


def result(history: History) -> str:
    """How a run stands, in a line."""
    loss, accuracy = (history.streams[name].last for name in ("loss", "accuracy"))
    text = f"{plural(len(history), 'step')}, {figures('', loss, accuracy)}"
    if history.validation:
        last = history.validation[-1]
        text += f"; {figures('validation ', last.loss, last.accuracy)}"
    return text
