"""A network that learns points in the plane, and what is to be seen of it.

A training step is one function (forward, loss, backward, update), and so is a look at the plane:
eager mode calls them, graph mode calls their compiled twins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import nn, random
from ..creation import randn, randperm
from ..graph import compile
from ..nn import functional as F
from ..ops import FUNCTIONS
from ..tensor import Tensor, from_numpy, no_grad
from .playground_data import DATA, FEATURES, featured
from .playground_settings import ACTIVATIONS, OPTIMIZERS, Settings

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

POINTS = 400
SIDE = 100  # the plane is shown by this many points a side
EVERY = 4  # and a unit's output by every fourth of them
MOST_LOOKS = 2000  # rows of a history; above it, every second one goes


class Look(NamedTuple):
    """The network at one moment, for a page: bytes for colours, numbers for all else."""

    step: int
    train: float  # losses, without what the regulariser adds
    test: float
    train_accuracy: float  # nan where the task has none
    test_accuracy: float
    plane: Bytes  # (1 or 2, SIDE, SIDE): see `colours`
    units: Bytes  # (hidden units and outputs, SIDE / EVERY, SIDE / EVERY)
    weights: npt.NDArray[np.float32]  # layer by layer: weight (out, in), then bias (out)


class Curves:
    """What the looks found: arrays ``step``, ``train``, ``test``, and the two accuracies.

    ``train`` and ``test`` are mean losses over all points of each kind, without what the
    regulariser adds. Of a long run every second row is left out, again and again.
    """

    def __init__(self) -> None:
        self.rows: list[tuple[float, ...]] = []
        self.stride = 1
        self._seen = 0

    def add(self, look: Look) -> None:
        """Append the numbers of a look; a second look at the same step changes nothing."""
        if self.rows and self.rows[-1][0] == look.step:
            return
        self._seen += 1
        if self._seen > 2 and self._seen % self.stride:
            return
        if len(self.rows) >= MOST_LOOKS:
            self.rows = self.rows[::2]
            self.stride *= 2
        self.rows.append(look[:5])

    def __len__(self) -> int:
        return len(self.rows)

    def _column(self, at: int) -> Floats:
        return np.array([row[at] for row in self.rows])

    @property
    def step(self) -> Floats:
        """After how many steps."""
        return self._column(0)

    @property
    def train(self) -> Floats:
        """Loss on the training points."""
        return self._column(1)

    @property
    def test(self) -> Floats:
        """Loss on the test points."""
        return self._column(2)

    @property
    def train_accuracy(self) -> Floats:
        """Share of the training points that get their class."""
        return self._column(3)

    @property
    def test_accuracy(self) -> Floats:
        """Share of the test points that get their class."""
        return self._column(4)


class Trial:
    """A network and its data, trained step by step from the first values that the seed gives."""

    def __init__(self, settings: Settings, own: tuple[Tensor, Tensor] | None = None):
        self.settings = settings
        # The numbers of a program that begins with manual_seed; nobody else's are touched.
        with random.apart(random.Generator().manual_seed(settings.seed).get_state()):
            self.points, self.target = self._data(own)
            highest = 0 if self.target.ndim == 2 else int(self.target.max().item())
            self.classes = 0 if self.target.ndim == 2 else max(2, highest + 1)
            self.model = network(settings, self.classes or 1)
            self._draws = random.drawing().clone_state()
        self.known = math.ceil(settings.share * len(self.points))  # points to learn from
        self.batch = min(settings.batch, self.known)
        self.steps_an_epoch = self.known // self.batch
        self.low, self.high = extent(self.points)
        self.inputs = featured(self.points, settings.features)
        grid = from_numpy(mesh(self.low, self.high))
        self._looked_at = FUNCTIONS["cat"]([featured(grid, settings.features), self.inputs])
        self.layers = [m for m in self.model.modules() if isinstance(m, nn.Linear)]
        kind, more = OPTIMIZERS[settings.optimizer]
        self.optimizer = kind(self.model.parameters(), lr=settings.lr, **more)
        self.count = 0
        self.changes: list[tuple[int, str]] = []  # made while training: after which step, as code
        self.requests: list[Callable[[], None]] = []
        self.compiled = False  # whether it has run as a graph
        self._batches = self._endless()
        self._graph = compile(self.learn)
        self._seen_as_graph = compile(self.see)

    def _data(self, own: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        settings = self.settings
        if settings.data != "own" or own is None:
            return DATA[settings.data](POINTS, settings.noise)
        x, y = own
        order = randperm(len(x))
        return x[order] + settings.noise * randn(len(x), 2), y[order]

    @property
    def epoch(self) -> float:
        """How often all training points have been used."""
        return self.count / self.steps_an_epoch

    # One step.

    def loss(self, output: Tensor, y: Tensor) -> Tensor:
        """Cross entropy for classes, mean squared error for numbers."""
        return F.cross_entropy(output, y) if self.classes else F.mse_loss(output, y)

    def penalty(self) -> Tensor | float:
        """What the regulariser adds to the loss."""
        kind, strength = self.settings.regulariser, self.settings.strength
        if kind == "none":
            return 0.0
        sizes = [w.abs() if kind == "l1" else w.square() for w in (m.weight for m in self.layers)]
        return strength * sum(s.sum() for s in sizes)

    def learn(self, x: Tensor, y: Tensor) -> Tensor:
        """One training step on a batch: a function that can be compiled whole."""
        loss = self.loss(self.model(x), y) + self.penalty()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        x, y = self.inputs.numpy(), self.target.numpy()
        while True:
            order = self._draws.randperm(self.known)
            for start in range(0, self.steps_an_epoch * self.batch, self.batch):
                rows = order[start : start + self.batch]
                yield from_numpy(x[rows]), from_numpy(y[rows])

    def step(self, mode: str) -> None:
        """Do what was asked for since the last step, then one step."""
        while self.requests:
            self.requests.pop(0)()
        (self.learn if mode == "eager" else self._graph)(*next(self._batches))
        self.count += 1

    # A look at the whole plane.

    def see(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Outputs of all hidden units and of the network for inputs ``(P, F)``, and the losses."""
        shown: list[Tensor] = []
        h = inputs
        last = len(self.model) - 1
        for i, module in enumerate(self.model):
            h = module(h)
            linear = isinstance(module, nn.Linear)
            if i < last and linear == (ACTIVATIONS[self.settings.activation] is None):
                shown.append(h)
        output = h[SIDE * SIDE :]
        known, y = self.known, self.target
        train, test = output[:known], output[known:]
        losses = [self.loss(train, y[:known])]
        if len(test):
            losses.append(self.loss(test, y[known:]))
        shown.append(F.softmax(h, 1) if self.classes else h)
        return (*losses, h, *shown)

    def look(self, mode: str = "eager") -> Look:
        """The network as it is now."""
        with no_grad():
            parts = (self.see if mode == "eager" else self._seen_as_graph)(self._looked_at)
        arrays = [part.numpy() for part in parts]
        tested = self.known < len(self.points)
        train = float(arrays[0])
        test = float(arrays[1]) if tested else math.nan
        output, *shown = arrays[2:] if tested else arrays[1:]
        right = [math.nan, math.nan]
        if self.classes:
            hits = output[SIDE * SIDE :].argmax(1) == self.target.numpy()
            right = [
                float(part.mean()) if len(part) else math.nan
                for part in (hits[: self.known], hits[self.known :])
            ]
        flat = [p.detach().numpy().ravel() for p in self.model.parameters()]
        return Look(
            self.count,
            train,
            test,
            right[0],
            right[1],
            self._plane(shown[-1][: SIDE * SIDE]),
            np.concatenate([self._small(part, i) for i, part in enumerate(shown)]),
            np.concatenate(flat).astype(np.float32),
        )

    def _plane(self, values: npt.NDArray[Any]) -> Bytes:
        """Of two classes the share of the second, of more the class and its share."""
        square = values.reshape(SIDE, SIDE, -1)
        if self.classes > 2:
            return np.stack([square.argmax(2).astype(np.uint8), to_bytes(square.max(2))])
        return to_bytes(square[:, :, 1] if self.classes else square[:, :, 0] / 2 + 0.5)[None]

    def _small(self, values: npt.NDArray[Any], layer: int) -> Bytes:
        """A layer's outputs over the plane, each from blue (low) to orange (high)."""
        start = EVERY // 2
        square = values[: SIDE * SIDE].reshape(SIDE, SIDE, -1)[start::EVERY, start::EVERY]
        if layer == len(self.layers) - 1:
            square = square if self.classes else square / 2 + 0.5
        elif self.settings.activation != "sigmoid":  # that gives shares itself
            square = around_half(square)
        return to_bytes(np.moveaxis(square, 2, 0))

    def feature_views(self) -> Bytes:
        """Each feature over the plane, as the units' outputs are shown."""
        start = EVERY // 2
        grid = from_numpy(mesh(self.low, self.high))
        values = featured(grid, tuple(FEATURES)).numpy().reshape(SIDE, SIDE, -1)
        return to_bytes(np.moveaxis(around_half(values[start::EVERY, start::EVERY]), 2, 0))

    # Changes from outside.

    def set_lr(self, lr: float) -> None:
        """Another learning rate from the next step on."""
        self.optimizer.param_groups[0]["lr"] = lr
        self.note(f'optimizer.param_groups[0]["lr"] = {lr}', "optimizer.param_groups")

    def set_weight(self, layer: int, unit: int, source: int | None, value: float) -> None:
        """Another value for a weight, or for the bias where ``source`` is None."""
        module = self.layers[layer]
        at = next(i for i, m in enumerate(self.model) if m is module)
        with no_grad():
            if source is None and module.bias is not None:
                module.bias[unit] = value
                name = f"model[{at}].bias[{unit}]"
            else:
                module.weight[unit, source] = value
                name = f"model[{at}].weight[{unit}, {source}]"
        self.note(f"{name} = {value}", name)

    def note(self, code: str, same: str) -> None:
        """Keep a change as code; of two changes of one thing after one step the last counts."""
        if self.changes and self.changes[-1][0] == self.count:
            self.changes = [
                (step, text)
                for step, text in self.changes
                if step != self.count or not text.startswith(same)
            ]
        self.changes.append((self.count, code))


def network(settings: Settings, outputs: int) -> nn.Sequential:
    """The layers that the settings ask for."""
    parts: list[nn.Module] = []
    kind = ACTIVATIONS[settings.activation]
    size = len(settings.features)
    for units in settings.units:
        parts += [nn.Linear(size, units)] + ([kind()] if kind else [])
        size = units
    return nn.Sequential(*parts, nn.Linear(size, outputs))


def extent(points: Tensor) -> tuple[Floats, Floats]:
    """Two corners of the plane that is shown: all points, and a margin. The plane is a square
    where both coordinates have a like range."""
    array = points.numpy().astype(np.float64)
    low, high = array.min(0), array.max(0)
    size = np.maximum(high - low, 1e-6)
    if size.max() < 4 * size.min():
        size[:] = size.max()
    middle = (low + high) / 2
    return middle - 0.54 * size, middle + 0.54 * size


def mesh(low: Floats, high: Floats, side: int = SIDE) -> npt.NDArray[np.float32]:
    """The points of the plane that are shown, ``(side * side, 2)``, the topmost row first."""
    part = (np.arange(side) + 0.5) / side
    x1, x2 = (low[i] + (high[i] - low[i]) * part for i in (0, 1))
    return np.stack([np.tile(x1, side), np.repeat(x2[::-1], side)], 1).astype(np.float32)


def to_bytes(shares: npt.NDArray[Any]) -> Bytes:
    """Numbers from 0 to 1 as bytes; what is no number is 0.5."""
    clean = np.nan_to_num(shares, nan=0.5, posinf=1.0, neginf=0.0)
    return np.rint(255 * np.clip(clean, 0, 1)).astype(np.uint8)


def around_half(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Numbers ``(H, W, units)`` as shares: 0 is 0.5; 1, or a unit's greatest size, is an end."""
    with np.errstate(all="ignore"):
        return values / np.maximum(np.abs(values).max((0, 1)), 1) / 2 + 0.5
