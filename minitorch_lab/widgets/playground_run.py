"""The playground without a page: a network that is trained in a thread, with controls.

``Play`` holds the settings and the present ``Trial``; whatever changes the network or the data puts
a new one in its place. The thread lives only while there is something to do.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np

from ..device import prefer_one_thread
from ..errors import ArgumentError
from ..errors import describe as describe_value
from ..graph import mode
from ..nn import Sequential
from ..tensor import Tensor
from .controls import MODES
from .playground_settings import Settings
from .playground_trial import Curves, Trial
from .threads import end_on_interrupt, quick_switches, running_loop

TICK = 1 / 20  # seconds between two looks at the plane while training
UNWATCHED = 60.0  # seconds without a sign of the page after which a run holds


class Play:
    """A playground's settings and its trial, with controls that may be called from any thread.

    >>> play = Play(Settings(data="gaussians", units=()))
    >>> play.step(60)
    >>> bool(play.history.test[-1] < play.history.test[0])
    True
    """

    def __init__(
        self, settings: Settings | None = None, own: tuple[Tensor, Tensor] | None = None
    ) -> None:
        self.own = own
        self.settings = settings or Settings()
        self.mode: str = mode()
        self.pace = 0.0  # steps per second at most; 0: as many as there can be
        self.listeners: list[Callable[[str], None]] = []
        self.speed: dict[str, float | None] = {}  # steps per second in each mode
        self.number = 0  # of trials so far
        self.message = ""  # why it holds, where that was not asked for
        self.busy = ""  # what takes a moment
        self.watched: float | None = None  # when the page was last heard of
        self._go = False
        self._owed = 0
        self._lock = threading.Condition(threading.RLock())
        self._attention = False
        self._alive = False
        self._finished = threading.Event()
        self._finished.set()
        self._main_loop = running_loop()
        self._build()

    # What a watcher reads.

    @property
    def state(self) -> str:
        """ready, running, or paused."""
        return "running" if self._go else "paused" if self.trial.count else "ready"

    @property
    def alive(self) -> bool:
        """Whether the thread is at work."""
        return self._alive

    @property
    def model(self) -> Sequential:
        """The network that is being trained."""
        return self.trial.model

    # Controls.

    def start(self) -> None:
        """Train until ``pause()``."""
        with self._lock:
            self._go, self._owed, self.message = True, 0, ""
            self._launch()

    def pause(self) -> None:
        """Hold after the step that is under way; comes back when that is done."""
        self.hold()
        self._wait()

    def hold(self, reason: str = "") -> None:
        """Hold after the step that is under way, without waiting for it."""
        with self._lock:
            self._go, self._owed, self._attention = False, 0, True
            after = f" after step {self.trial.count:,}." if reason == "Interrupted" else ""
            self.message = reason + after
            self._lock.notify_all()
        self._tell("state")

    stop = hold  # what an interrupt calls

    def step(self, count: int = 1) -> None:
        """Do ``count`` steps and hold; comes back when they are done."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ArgumentError(
                f"step(count): count is {describe_value(count)}\n  expected 1 or more"
            )
        self.pause()
        self.owe(count)
        self._wait()

    def owe(self, count: int = 1) -> None:
        """Have ``count`` steps done, without waiting for them."""
        with self._lock:
            self._go, self._owed, self.message = False, self._owed + count, ""
            self._launch()

    def reset(self) -> None:
        """Back to the first values, and hold."""
        self.hold()
        self._build(self.speed)

    def set(self, settings: Settings) -> None:
        """Other settings. Another learning rate counts from the next step on; any other change
        starts again from step 0, and goes on training if it was."""
        old, self.settings = self.settings, settings
        if replace(old, lr=settings.lr) != settings:
            self._build()
        elif old.lr != settings.lr:
            trial, lr = self.trial, settings.lr
            self._ask(trial, lambda: trial.set_lr(lr))

    def set_mode(self, mode: str) -> None:
        """Run from the next step on in eager or in graph mode; the numbers go on."""
        if mode not in MODES:
            raise ArgumentError(f"set(mode): mode is {mode!r}\n  expected 'eager' or 'graph'")
        self.mode = mode
        self._tell("state")

    def set_weight(self, layer: int, unit: int, source: int | None, value: float) -> None:
        """Another value for a weight, or for the bias where ``source`` is None."""
        trial = self.trial
        shapes = [m.weight.shape for m in trial.layers]
        if not 0 <= layer < len(shapes):
            raise ArgumentError(f"set_weight(layer): {layer}\n  expected 0 to {len(shapes) - 1}")
        outputs, inputs = shapes[layer]
        if not 0 <= unit < outputs or not (source is None or 0 <= source < inputs):
            raise ArgumentError(
                f"set_weight(layer, unit, source): unit {unit}, source {source}\n"
                f"  expected a unit of 0 to {outputs - 1}, a source of 0 to {inputs - 1} or None"
            )
        if not math.isfinite(value):
            raise ArgumentError(f"set_weight(value): {value}\n  expected a finite number")
        self._ask(trial, lambda: trial.set_weight(layer, unit, source, value))

    # The thread.

    def _build(self, speed: dict[str, float | None] | None = None) -> None:
        trial = Trial(self.settings, self.own)
        history, look = Curves(), trial.look()
        history.add(look)
        with self._lock:
            self.trial, self.history, self.last = trial, history, look
            self.number += 1
            self.speed = speed or dict.fromkeys(MODES)
            self._attention = True
            self.message = ""
        self._tell("new")

    def _ask(self, trial: Trial, change: Callable[[], None]) -> None:
        with self._lock:
            if self._alive:
                trial.requests.append(change)
                self._attention = True
                return
            change()
        self._look(trial, "eager")

    def _launch(self) -> None:
        self._attention = True
        self._lock.notify_all()
        if self._alive:
            return
        self._alive = True
        self._finished = threading.Event()
        prefer_one_thread()
        end_on_interrupt(cast(Any, self))
        threading.Thread(
            target=self._work, args=[self._finished], name="playground", daemon=True
        ).start()

    def _wait(self) -> None:
        try:
            self._finished.wait()
        except KeyboardInterrupt:
            self.hold("Interrupted")
            self._finished.wait()
            raise

    def _work(self, finished: threading.Event) -> None:
        try:
            # An overflow is no warning here: the loss shows it.
            with quick_switches(), np.errstate(all="ignore"):
                while self._more():
                    self._burst(self.trial, self.mode)
        except BaseException as error:  # noqa: BLE001 - nobody reads a thread's traceback
            with self._lock:
                self._go, self._owed, self._alive = False, 0, False
                self.message = f"{type(error).__name__}: {error}"
        finally:
            self.busy = ""
            finished.set()
            self._tell("state")

    def _more(self) -> bool:
        """Whether there is anything to do. Only here does the thread end: under the lock, so that
        a start cannot be lost."""
        with self._lock:
            self._attention = False
            if not (self._go or self._owed):
                while self.trial.requests:
                    self.trial.requests.pop(0)()
                self._alive = False
            return self._alive

    def _burst(self, trial: Trial, mode: str) -> None:
        """Steps until the next look, then the look."""
        first = mode == "graph" and not trial.compiled
        if first:
            self.busy = "Writing the training step down as a graph, and compiling it."
            self._tell("state")
        # So many steps at once that there is a look every TICK, also where the pace is slow.
        many = max(1, round(self.pace * TICK)) if self.pace else self._owed or 1_000_000
        start = time.perf_counter()
        done, most = 0, 1 if first else many
        while done < most and time.perf_counter() < start + TICK and not (done and self._attention):
            trial.step(mode)
            done += 1
        if not (first or self.pace):
            self._count(mode, done, time.perf_counter() - start)
        with self._lock:
            self._owed = max(0, self._owed - done)
        self._look(trial, mode)
        if first:
            trial.compiled, self.busy = True, ""  # the next look says so
        if self.pace and self._go:
            rest = start + done / self.pace - time.perf_counter()
            with self._lock:
                self._lock.wait_for(lambda: self._attention, max(0.0, rest))
        if self.watched is not None and time.monotonic() - self.watched > UNWATCHED:
            self.watched = None
            self.hold("Held: the page has not been heard of for a minute. Start goes on.")

    def _count(self, mode: str, steps: int, seconds: float) -> None:
        if steps < 5:
            return
        rate, old = steps / seconds, self.speed[mode]
        self.speed[mode] = rate if old is None else 0.8 * old + 0.2 * rate

    def _look(self, trial: Trial, mode: str) -> None:
        look = trial.look(mode)
        with self._lock:
            if trial is not self.trial:  # another one has taken its place meanwhile
                return
            self.last = look
            self.history.add(look)
        if not math.isfinite(look.train):
            self.hold(
                f"After step {look.step:,} the loss is no longer a number: the steps were too "
                "large. Reset, and take a smaller learning rate."
            )
        self._tell("look")

    def _tell(self, what: str) -> None:
        for listener in tuple(self.listeners):
            try:
                listener(what)
            except Exception:  # noqa: BLE001 - a closed page must not end a run
                if listener in self.listeners:
                    self.listeners.remove(listener)
