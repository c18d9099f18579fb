"""The playground: a network that learns points in the plane, with everything in reach of a hand.

``lab.playground()`` shows a ``Play`` (playground_run.py). The page gets the plane, the units and
the weights as bytes, at most 20 times a second, and draws them. A control sends one message.
"""

from __future__ import annotations

import math
import threading
import time
from base64 import b64encode
from dataclasses import asdict
from typing import Any

import numpy as np
import traitlets

from ..errors import ArgumentError, KindError, LabError
from ..nn import Sequential
from .base import LabWidget
from .live import _end_with_cells
from .playground_code import code
from .playground_data import FEATURES, TITLES
from .playground_presets import PRESETS
from .playground_run import Play
from .playground_settings import (
    ACTIVATIONS,
    LAYERS,
    OPTIMIZERS,
    REGULARISERS,
    Settings,
    arrays,
    changed,
    named,
)
from .playground_still import picture
from .playground_trial import Curves, Trial
from .threads import end_with_cell
from .words import figures, plural, short

PACES = (0, 200, 20, 2)  # steps per second at most; 0: no limit
UNITS_SHOWN = 8  # that the page's buttons go up to


def playground(
    x: Any = None, y: Any = None, *, preset: str | None = None, **settings: Any
) -> Playground:
    """A panel in which a network learns points in the plane, and all of it can be changed.

    Args:
        x, y: your own points ``(N, 2)``, and for each a class 0, 1, ... or a number, ``(N,)``.
        preset: settings to begin with, such as "spirals"; ``play.presets`` has all, with reasons.
        **settings: ``data``, ``noise``, ``share`` (of the points to learn from), ``batch``,
            ``features``, ``units`` (how many in each hidden layer), ``activation``,
            ``optimizer``, ``lr``, ``regulariser``, ``strength``, ``seed``, and ``mode`` ("eager" or
            "graph").

    Raises:
        KindError, ArgumentError: a name or a value that there is not.

    >>> play = playground(data="gaussians", units=[])
    >>> play.step(100)
    >>> bool(play.history.test_accuracy[-1] > 0.9)
    True
    """
    if (x is None) != (y is None):
        raise KindError("playground(x, y): one of the two is missing\n  expected both, or neither")
    own = None if x is None else arrays(x, y)
    start = Settings() if own is None else Settings(data="own", noise=0.0)
    mode = settings.pop("mode", None)
    if preset is not None:
        settings = {**_preset(preset), **settings}
    panel = Playground(Play(changed(start, settings), own))
    if own is None and not settings:
        preset = "moons"  # what the usual settings are
    panel.preset = preset or ""
    if mode is not None:
        panel.play.set_mode(mode)
    end_with_cell(panel._replaced)
    return panel


class Playground(LabWidget):
    """The panel of one ``Play``, with its controls as methods."""

    part = "playground"
    uses = ("kernel", "plane")
    about = traitlets.Dict().tag(sync=True)
    still = traitlets.Unicode().tag(sync=True)  # for a notebook that is opened without its kernel

    def __init__(self, play: Play) -> None:
        self.play = play
        self.preset = ""  # that the settings began with
        self._lock = threading.Lock()
        super().__init__(about=about(play))
        # This panel sends from its training thread and waits for no reply.
        self.answer_while_cells_run()
        self.on_msg(self._on_message)
        play.listeners.append(self._push)
        _end_with_cells()

    # For cells.

    @property
    def presets(self) -> dict[str, str]:
        """What ``set(preset=...)`` takes, each with its reason."""
        return {name: preset.reason for name, preset in PRESETS.items()}

    @property
    def model(self) -> Sequential:
        """The network: it takes the features of points, ``(N, features)``."""
        return self.play.model

    @property
    def history(self) -> Curves:
        """Losses and accuracies so far: ``step``, ``train``, ``test``, ``test_accuracy``, ..."""
        return self.play.history

    @property
    def settings(self) -> Settings:
        """What the panel is set to."""
        return self.play.settings

    @property
    def state(self) -> str:
        """ready, running or paused."""
        return self.play.state

    @property
    def speed(self) -> dict[str, float | None]:
        """Steps per second in each mode, None where it was not tried yet."""
        return dict(self.play.speed)

    def start(self) -> Playground:
        """Train until ``pause()``."""
        self.play.start()
        return self

    def pause(self) -> None:
        """Hold after the step that is under way."""
        self.play.pause()

    def step(self, count: int = 1) -> None:
        """Do ``count`` steps, then hold."""
        self.play.step(count)

    def reset(self) -> None:
        """Back to the first weights, and hold."""
        self.play.reset()

    def set(self, **settings: Any) -> None:
        """Change settings, such as ``units=[8, 8]``, ``preset="xor-line"``, ``mode="graph"``.

        The learning rate and the mode change while training goes on. Any other change starts again
        at step 0, and goes on training if it was.

        Raises:
            KindError, ArgumentError: a name or a value that there is not; nothing changes then.
        """
        play = self.play
        mode = settings.pop("mode", None)
        preset = settings.pop("preset", None)
        start, given = play.settings, settings
        if preset is not None:
            start, given = Settings(seed=start.seed), {**_preset(preset), **settings}
        wanted = changed(start, given)
        if wanted.data == "own" and play.own is None:
            raise ArgumentError(
                "playground(data): there are no arrays of your own\n"
                "  give them: lab.playground(x, y)"
            )
        if mode is not None:
            play.set_mode(mode)
        if preset is not None or wanted.data != play.settings.data:
            self.preset = preset or ""
        if wanted != play.settings:
            play.set(wanted)  # tells the page itself: with a slider and looks under 30 a second
        else:
            self._push("state")

    def set_weight(self, layer: int, unit: int, source: int | None, value: float) -> None:
        """Set a weight by hand: of ``unit`` of ``layer`` (0 is the first) for input ``source``;
        without a source the bias."""
        self.play.set_weight(layer, unit, source, value)

    def code(self, kind: Any = "torch", steps: int | None = None) -> str:
        """The same model and training as a program, in the words of "torch" or of "keras"."""
        return code(self.play.trial, kind, self.play.mode, steps)

    def close(self) -> None:
        """Take the panel off its pages, and hold."""
        self.play.hold()
        super().close()

    def _replaced(self) -> None:
        self.play.hold("Held: its cell has been run again.")

    # Messages.

    def _on_message(self, _: Any, content: dict[str, Any], buffers: Any) -> None:
        play = self.play
        play.watched = time.monotonic()
        try:
            match content:
                case {"type": "hello"}:
                    self._push("new")
                case {"type": "start"}:
                    play.start()
                    self._push("state")
                case {"type": "pause"}:
                    play.hold()
                case {"type": "step"}:
                    play.owe()
                case {"type": "reset"}:
                    play.reset()
                case {"type": "pace", "value": value} if value in PACES:
                    play.pace = float(value)
                    self._push("state")
                case {"type": "set", "values": dict() as values}:
                    self.set(**values)
                case {"type": "weight", "value": float() | int() as value}:
                    play.set_weight(content["layer"], content["unit"], content["source"], value)
                case {"type": "code", "kind": kind}:
                    self.send({"type": "code", "kind": kind, "text": self.code(kind)})
        except LabError as error:
            play.message = str(error)
            self._push("state")

    def _push(self, what: str) -> None:
        """Send the state; with it what is new to see, or everything."""
        with self._lock:
            message, buffers = self._message(what)
            self.send(message, buffers)

    def _message(self, what: str) -> tuple[dict[str, Any], list[bytes]]:
        play = self.play
        with play._lock:
            trial, last, history = play.trial, play.last, play.history
            message: dict[str, Any] = {
                "type": what,
                "trial": play.number,
                "state": play.state,
                "message": play.message,
                "busy": play.busy,
                "mode": play.mode,
                "pace": play.pace,
                "speed": play.speed,
                "settings": asdict(play.settings),
                "preset": self.preset,
                "step": last.step,
                "epoch": last.step / trial.steps_an_epoch,
                "numbers": [_finite(value) for value in last[:5]],
            }
            buffers: list[Any] = []
            if what != "state":
                buffers = [last.plane, last.units, last.weights]
            if what == "new":
                message |= shape_of(trial)
                rows = np.array(history.rows, dtype=np.float32)
                target = trial.target.numpy().astype(np.float32)
                buffers += [trial.points.numpy(), target, trial.feature_views(), rows]
            return message, [buffer.tobytes() for buffer in buffers]

    # Twins.

    @property
    def title(self) -> str:
        """Its data set, in words."""
        return TITLES[self.play.settings.data]

    def transcript(self) -> str:
        """What is set, and how far it is."""
        play, settings = self.play, self.play.settings
        last = play.last
        lines = [
            f"playground: {self.title}, {named(settings)}",
            f"  {settings.optimizer}, learning rate {short(settings.lr)}, "
            f"{plural(play.trial.known, 'point')} in batches of {play.trial.batch}",
        ]
        if last.step:
            text = figures("train ", last.train, last.train_accuracy)
            if math.isfinite(last.test):
                text += "; " + figures("test ", last.test, last.test_accuracy)
            lines.append(f"  after {plural(last.step, 'step')}: {text}")
        return "\n".join(lines)

    def static_html(self) -> str:
        """The plane and the losses as they are now, with the settings in words."""
        play = self.play
        return picture(play.trial, play.last, play.history, self.transcript())

    def page_answers(self) -> dict[str, dict[str, Any]]:
        """A page without a kernel shows the last look, and the code."""
        content, buffers = self._message("new")
        content["packed"] = [b64encode(buffer).decode() for buffer in buffers]
        answers = {' {"type":"hello"}': {"send": content}}
        for kind in ("torch", "keras"):
            told = {"type": "code", "kind": kind, "text": self.code(kind)}
            answers[f' {{"type":"code","kind":"{kind}"}}'] = {"send": told}
        return answers


def about(play: Play) -> dict[str, Any]:
    """What there is to choose from: it does not change."""
    data = {name: title for name, title in TITLES.items() if name != "own" or play.own is not None}
    return {
        "data": data,
        "features": {name: feature.sign for name, feature in FEATURES.items()},
        "activations": [*ACTIVATIONS],
        "optimizers": [*OPTIMIZERS],
        "regularisers": [*REGULARISERS],
        "paces": [*PACES],
        "layers": LAYERS,
        "units": UNITS_SHOWN,
        "presets": {name: preset._asdict() for name, preset in PRESETS.items()},
    }


def shape_of(trial: Trial) -> dict[str, Any]:
    """What the page has to know of a trial before it can draw it."""
    return {
        "classes": trial.classes,
        "known": trial.known,
        "layers": [list(layer.weight.shape) for layer in trial.layers],
        "low": trial.low.tolist(),
        "high": trial.high.tolist(),
    }


def _preset(name: Any) -> dict[str, Any]:
    if name not in PRESETS:
        raise ArgumentError(
            f"playground(preset): preset is {name!r}\n  expected one of {', '.join(PRESETS)}"
        )
    return PRESETS[name].settings


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None  # JSON has neither nan nor infinity
