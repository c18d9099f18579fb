"""Guard rails: what a run says in words when it goes badly.

Each rule reads what the run has recorded anyway. A rule has two thresholds, one to speak and one,
well below, to take it back, so that nothing flickers; a note is said once and keeps its words.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from .history import Floats, average
from .words import number, plural, short

if TYPE_CHECKING:
    from .watched import Watched

PACE = 0.25  # seconds between two looks

# The loss.
BEGINNING = 10  # steps whose greatest loss is that of the beginning, where batches are small,
SMALL = 4  # with fewer samples than this; else it is the loss of the first step
JUMP, LEAP = 2.0, 10.0  # times that loss is a jump, with the update ratio known and without it
JUMPS, FEW, RECENT = 10, 3, 100  # jumps in the last steps that are said, and that are still said
SHAKING = 0.03  # update ratio, at any time, without which steps are not too large
LONG = 500  # steps after which no progress is said
FALLEN, FALLEN_WELL = 0.05, 0.1  # of the loss at first: less is no progress, more takes it back
SETTLED = 1000  # steps after which a noise floor is said
SPREAD = 0.05  # of the loss: scatter from step to step that counts as noise
LEARNT = 0.02  # of the loss at first: below it a loss that stands is no trouble
RISEN, ROWS = 0.1, 3  # validation above its best by this share, for so many rows
APART = 0.05  # and by this share of the loss at first

# Gradients; a look is a step whose gradients were measured, 30 a second at most.
LOOKS = 10  # looks in a row for what is said of layers and units
EXPLODED, CALM = 100.0, 10.0  # times the norm of the weights
VANISHED, VISIBLE = 1e-4, 1e-3  # of the greatest root mean square of a layer's gradient
DEAD, FEWER = 0.5, 0.25  # of a layer's units

Found = Iterator[tuple[str, str, str]]


@dataclass(frozen=True)
class Note:
    """What a run wants to be known: since which step, what is seen, and what to do."""

    id: str
    kind: str
    step: int
    text: str
    todo: str


class Guards:
    """Looks at a run now and then; ``notes`` is what holds at present."""

    def __init__(self, run: Watched) -> None:
        self._run = run
        self.notes: tuple[Note, ...] = ()
        self._next = 0.0

    def look(self, at_once: bool = False) -> None:
        """Say what is new, and take back what no longer holds."""
        began = time.perf_counter()
        if began < self._next and not at_once:
            return
        said = {note.id for note in self.notes}
        try:
            with np.errstate(all="ignore"):  # a loss on its way to infinity
                found = self._found(said)
        except Exception:  # noqa: BLE001 - the run may be rewound meanwhile; no rule ends a run
            return
        kept = [note for note in self.notes if note.id in found]
        step = len(self._run.history)
        kept += [
            Note(id, kind, step, text, todo)
            for id, (kind, text, todo) in found.items()
            if id not in said
        ]
        self.notes = tuple(kept)
        spent = time.perf_counter() - began
        self._next = began + max(PACE, 200 * spent)

    def _found(self, said: set[str]) -> dict[str, tuple[str, str, str]]:
        seen = Seen(self._run)
        return {
            id: (rule.__name__, text, todo) for rule in RULES for id, text, todo in rule(seen, said)
        }


class Seen:
    """What the rules look at."""

    def __init__(self, run: Watched) -> None:
        self.history = run.history
        self.gauges: Any = getattr(run, "_gauges", None)
        self.loss = run.history.streams["loss"].rows()
        self.count = len(run.history)
        self.small = run.batch_size < SMALL
        early = self.loss[:, : BEGINNING if self.small else 1]
        self.first = float(np.fmax.reduce(early[4])) if early.shape[1] else math.nan
        self.early = average(self.loss[:, : max(10, self.loss.shape[1] // 50)])

    def between(self, start: float, end: float) -> Floats:
        """The losses of the steps after ``start`` up to ``end``."""
        begin, stop = np.searchsorted(self.loss[0], [start, end], side="right")
        return self.loss[:, begin:stop]

    def recent(self, name: str, most: int) -> Floats:
        """The last values of another stream."""
        stream = self.history.streams.get(name)
        return np.empty(0) if stream is None else stream.rows()[2, -most:]


def jumps(seen: Seen, said: set[str]) -> Found:
    """The loss leaps above where it began: the steps are too large."""
    if not seen.first > 0 or seen.count < RECENT // 5:
        return
    recent = seen.between(max(seen.count - RECENT, 1), seen.count)
    ratio = seen.recent("update_ratio", 0)
    times = JUMP if ratio.size else LEAP
    if seen.small and recent.size:  # single samples differ: more is needed than their scatter
        losses = recent[2][np.isfinite(recent[2])]
        times = math.ceil(times * (1 + losses.std() / max(losses.mean(), 1e-30)))
    high = int((recent[4] > times * seen.first).sum())
    large = not ratio.size or np.nanmax(ratio) > SHAKING
    if large and high >= (FEW if "jumps" in said else JUMPS):
        yield (
            "jumps",
            f"The loss jumps: {high} of the last {recent.shape[1]} steps are more than "
            f"{times:.0f} times as high as the beginning ({number(seen.first)}).",
            "The steps are too large: try a tenth of the learning rate.",
        )


def stuck(seen: Seen, said: set[str]) -> Found:
    """The loss has not fallen at all."""
    if seen.count < LONG or not seen.early > 0:
        return
    parts = [seen.between(seen.count * i / 10, seen.count * (i + 1) / 10) for i in range(1, 10)]
    least = min((average(part) for part in parts if part.shape[1]), default=math.nan)
    if least > (1 - (FALLEN_WELL if "stuck" in said else FALLEN)) * seen.early:
        now = average(parts[-1])
        yield (
            "stuck",
            f"No progress in {plural(seen.count, 'step')}: the loss was {number(seen.early)} at "
            f"first and is {number(now)} now.",
            "Try a learning rate ten times higher or lower, and see whether inputs are scaled and "
            "targets belong to them.",
        )


def noise(seen: Seen, said: set[str]) -> Found:
    """The loss stands, and what is left of its changes is the difference between batches."""
    if seen.count < SETTLED or not seen.early > 0:
        return
    third = seen.between(seen.count / 2, seen.count * 3 / 4)
    fourth = seen.between(seen.count * 3 / 4, seen.count)
    if min(third.shape[1], fourth.shape[1]) < 50:
        return
    before, now = average(third), average(fourth)
    spread = float(np.nanstd(fourth[2]))
    error = spread * math.sqrt(2 / fourth.shape[1])
    fell = before - now > (4 if "noise" in said else 1) * error
    fallen = now < (1 - FALLEN) * seen.early  # else it is stuck
    if not fell and fallen and now > LEARNT * seen.early and spread > SPREAD * now:
        yield (
            "noise",
            f"The loss has stood at {number(now)} since about step {seen.count // 2:,}: batches "
            f"differ by {number(spread)}, which hides what is left to learn.",
            "If that is low enough, stop. A lower learning rate or larger batches go below it.",
        )


def overfit(seen: Seen, said: set[str]) -> Found:
    """The validation rises while the training loss falls."""
    rows = [row for row in seen.history.validation if math.isfinite(row.loss)]
    if len(rows) <= ROWS:
        return
    best = min(rows, key=lambda row: row.loss)
    place = rows.index(best)
    last = rows[-1]
    risen = 0.5 * RISEN if "overfit" in said else RISEN
    limit = max((1 + risen) * best.loss, best.loss + APART * seen.early)
    above = all(row.loss > limit for row in rows[-ROWS:])
    if place + ROWS >= len(rows) or not above or not best.loss > 0:
        return
    then = average(seen.between(rows[place - 1].step if place else 0, best.step))
    now = average(seen.between(rows[-2].step, last.step))
    if now < then:
        yield (
            "overfit",
            f"It learns by heart: the validation loss was {number(best.loss)} after step "
            f"{best.step:,} and is {number(last.loss)} now, while the training loss fell from "
            f"{number(then)} to {number(now)}.",
            "Stop earlier, or use more data, weight decay, dropout or a smaller model.",
        )


def exploding(seen: Seen, said: set[str]) -> Found:
    """Gradients far longer than the weights."""
    gradient, weight = (seen.recent(name, LOOKS // 2) for name in ("gradient_norm", "weight_norm"))
    if len(gradient) < LOOKS // 2 or not len(weight):
        return
    ratio = float(np.median(gradient)) / max(float(weight[-1]), 1e-30)
    if ratio > (CALM if "exploding" in said else EXPLODED):
        layers = [layer for layer in seen.gauges.layers if math.isfinite(layer.gradient)]
        worst = max(layers, key=lambda layer: layer.gradient, default=None)
        where = "" if worst is None or len(layers) < 2 else f", most in '{worst.name}'"
        yield (
            "exploding",
            f"The gradients explode: they are {number(ratio)} times as long as the weights{where}.",
            "Scale inputs and targets to about 1, clip them (nn.utils.clip_grad_norm_), or lower "
            "the learning rate.",
        )


def vanishing(seen: Seen, said: set[str]) -> Found:
    """Layers whose gradient is nothing beside that of others."""
    layers = [] if seen.gauges is None else seen.gauges.layers
    most = max((layer.gradient for layer in layers if layer.gradient > 0), default=0.0)
    small = [
        layer
        for layer in layers
        if 0 < layer.gradient < (VISIBLE if "vanishing" in said else VANISHED) * most
    ]
    if not small or seen.gauges.faint < LOOKS:
        return
    names = listed([f"'{layer.name}'" for layer in small])
    share = min(layer.gradient for layer in small) / most
    yield (
        "vanishing",
        f"The gradients vanish on their way: in {names} they are down to {short(share)} of the "
        "greatest of a layer.",
        "Use ReLU instead of sigmoid or tanh, normalisation, a skip connection, or fewer layers.",
    )


def dead(seen: Seen, said: set[str]) -> Found:
    """Units that no sample reaches."""
    layers = [] if seen.gauges is None else seen.gauges.layers
    for layer, after in zip_longest(layers, layers[1:]):
        idle = np.atleast_1d(layer.idle) >= LOOKS
        total, count = layer.weight.shape[0], int(idle.sum())
        id = f"dead:{layer.name}"
        if count < 2 or count < (FEWER if id in said else DEAD) * total:
            continue
        if count == total and after is not None and (np.atleast_1d(after.idle) >= LOOKS).all():
            continue  # it gets none because the next layer passes none on
        least = int(np.atleast_1d(layer.idle)[idle].min())
        yield (
            id,
            f"{count} of {total} units of '{layer.name}' are dead: in the last {least:,} batches "
            "that were looked at they got no gradient, as behind a ReLU that answers 0 to each "
            "sample.",
            "Begin anew with a lower learning rate, or use LeakyReLU or GELU; weights cannot come "
            "back from there.",
        )


def listed(names: list[str]) -> str:
    """Names in a sentence, three at most.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c", "d"])
    ('a', 'a and b', 'a, b, c and 1 more')
    """
    if len(names) > 3:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


RULES = (jumps, stuck, noise, overfit, exploding, vanishing, dead)
