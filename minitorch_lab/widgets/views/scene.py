"""What the views of a run look at: a copy of its model at one step, and some of its samples.

A copy, so that a look changes nothing: no gradient, no running mean, no random number, no flag that
a compiled step hangs on. The copy is in ``eval()`` and has none of the learner's hooks.
"""

from __future__ import annotations

import random as python_random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ... import random
from ...device import device_of, move, to_host
from ...errors import LabError
from ...nn import Module
from ...tensor import Tensor, enable_grad, make, no_grad
from ...utils.data import DataLoader, IterableDataset, TensorDataset

if TYPE_CHECKING:
    from ..training import Training

Array = npt.NDArray[Any]

MOST = 2000  # samples that are looked at
FEW = 256  # of them, where each look is dear: histograms, the loss surface
READING = 0.1  # seconds that reading samples one by one may take
MEMORY = 32 * 2**20  # bytes of samples that are kept
BATCH = 256  # samples that go through the model at once
SEED = 0  # of the choice of the samples


class NotHere(Exception):
    """A view has nothing to show; the text says why."""


@dataclass(frozen=True)
class Picture:
    """What a view shows at one step: ``facts`` for JSON and small ``arrays``.

    Where it does not apply, ``empty`` says why. Printed it is a table; in a notebook a drawing.
    """

    name: str
    step: int
    words: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    empty: str = ""

    def __getitem__(self, name: str) -> Any:
        return self.arrays[name] if name in self.arrays else self.facts[name]

    def __repr__(self) -> str:
        from . import VIEWS

        view = VIEWS[self.name]
        head = f"{view.title} after step {self.step:,}"
        if self.empty:
            return f"{head}: nothing to show\n  {self.empty}"
        return f"{head}: {self.words}\n{view.text(self)}"

    def _repr_html_(self) -> str:
        from .still import html

        return html(self)


@dataclass(frozen=True)
class Samples:
    """Some samples of a run's data, always the same ones. ``places``: where in the data they are.

    Their order is a shuffled one, so that the first few stand for all.
    """

    x: Array
    y: Array
    places: list[int]
    total: int
    origin: str  # "training" or "validation"
    names: list[str] | None  # of the classes

    def __len__(self) -> int:
        return len(self.x)

    def words(self, count: int) -> str:
        """``512 of 1,437 training samples``."""
        noun = f"{self.origin} samples"
        return (
            f"all {count:,} {noun}"
            if count == self.total
            else f"{count:,} of {self.total:,} {noun}"
        )


def read(loader: DataLoader, origin: str, most: int = MOST) -> Samples | str:
    """Some samples of a loader's data, or why there are none. Draws no random number."""
    dataset: Any = loader.dataset
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        return (
            "The data are a stream, from which nothing can be taken aside. "
            "Give validation data: train(..., valid=dataset)."
        )
    total = len(dataset)
    places = np.random.default_rng(SEED).permutation(total)[:most].tolist()
    parts: list[tuple[Array, Array]] = []
    quick = isinstance(dataset, TensorDataset) and loader.batch_sampler is not None
    size = 64 if quick else 16 if loader.batch_sampler is not None else 1
    began, taken = time.perf_counter(), 0
    with untouched():
        for start in range(0, len(places), size):
            wanted = places[start : start + size]
            try:
                batch = loader._fetch(wanted if loader.batch_sampler is not None else wanted[0])
            except Exception as error:  # noqa: BLE001 - the data set is the learner's
                return f"The data cannot be read: {type(error).__name__}: {error}"
            if not isinstance(batch, (tuple, list)) or len(batch) != 2:
                return "A batch of the data is no pair of inputs and targets."
            if not all(isinstance(part, Tensor) for part in batch):
                return "The inputs or targets are no tensors."
            parts.append((to_host(batch[0].array), to_host(batch[1].array)))
            taken += parts[-1][0].nbytes
            late = not quick and time.perf_counter() - began > READING
            if late or taken > MEMORY or sum(len(part[0]) for part in parts) >= most:
                break
    if not parts:
        return "The data have no samples."
    x, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    names = getattr(dataset, "classes", None)
    names = [str(name) for name in names] if isinstance(names, (list, tuple)) else None
    return Samples(x[:most], y[:most], places, total, origin, names)


@contextmanager
def untouched() -> Iterator[None]:
    """A ``with`` block after which all random states are as before."""
    theirs, numpys = python_random.getstate(), np.random.get_state()
    try:
        with random.apart():
            yield
    finally:
        python_random.setstate(theirs)
        np.random.set_state(numpys)


def copy_of(model: Module) -> Module:
    """A copy of a model in ``eval()``, without hooks."""
    twin = deepcopy(model)
    for module in twin.modules():
        # Past __setattr__, which tells every compiled function to look at its modules anew.
        vars(module).update(training=False, _hooks={})
    return twin


def tensors(model: Module) -> list[Tensor]:
    """Parameters and buffers."""
    return [*model.parameters(), *(buffer for _, buffer in model.named_buffers())]


class Scene:
    """A run at one step. Made and refreshed between two steps; looked at whenever one likes."""

    def __init__(self, run: Training, known: dict[str, Samples | str]) -> None:
        self._known = known
        self.classifies = run.classifies
        self._counts: dict[str, int] = {}
        self.quick = run.alive and run.state == "running"
        self.path: list[tuple[int, list[Any]]] = []
        try:
            self.model: Module | None = copy_of(run.model)
            self.loss = deepcopy(run.loss) if isinstance(run.loss, Module) else run.loss
            self.why = ""
        except Exception as error:  # noqa: BLE001 - a model of the learner's may hold anything
            self.model, self.why = None, f"The model cannot be copied: {error}"
        self.refresh(run)

    def refresh(self, run: Training) -> bool:
        """Take over the state of now; False where the model has other parts than it had."""
        self.step = len(run.history)
        self.quick = run.alive and run.state == "running"
        for name, loader in (("training", run.loader), ("validation", run.valid)):
            if name not in self._known and loader is not None:
                self._known[name] = read(loader, name)
        if self.model is None:
            return True
        ours, theirs = tensors(self.model), tensors(run.model)
        if [(t.shape, t.array.dtype, device_of(t.array)) for t in ours] != [
            (t.shape, t.array.dtype, device_of(t.array)) for t in theirs
        ]:
            return False
        for mine, other in zip(ours, theirs, strict=True):
            mine.array[...] = other.array
        return True

    def samples(self, origin: str = "") -> Samples:
        """The samples: of the validation data where there are any, or of ``origin``.

        Raises NotHere with the reason where there are none.
        """
        if self.model is None:
            raise NotHere(self.why)
        found = self._known.get(origin or "validation", self._known["training"])
        if isinstance(found, str):
            other = self._known.get("validation" if origin == "training" else "training", found)
            found = other
        if isinstance(found, str):
            raise NotHere(found)
        return found

    def run(self, x: Array) -> Array:
        """The model's output for inputs ``(N, ...)``."""
        assert self.model is not None
        with no_grad(), random.apart():
            parts = [to_host(self._called(x[i : i + BATCH]).array) for i in range(0, len(x), BATCH)]
        return np.concatenate(parts)

    def _called(self, x: Array) -> Tensor:
        assert self.model is not None
        try:
            output: Any = self.model(self.tensor(x))
        except LabError as error:
            raise NotHere(f"The model refuses the samples: {error}") from None
        if not isinstance(output, Tensor) or output.ndim == 0 or len(output) != len(x):
            raise NotHere("The model does not give one output for each sample.")
        return output

    def tensor(self, array: Array) -> Tensor:
        """An array as a tensor on the model's device."""
        assert self.model is not None
        here = next((device_of(t.array) for t in tensors(self.model)), None)
        return make(array if here is None else move(array, here))

    def losses_of(self, samples: Samples, count: int = FEW) -> Callable[[], float]:
        """A function that gives the loss of the first ``count`` samples as the model is then."""
        x, y = self.tensor(samples.x[:count]), self.tensor(samples.y[:count])

        def loss() -> float:
            assert self.model is not None
            with no_grad(), random.apart():
                return float(self.loss(self.model(x), y).item())

        return loss

    def taped(self, samples: Samples, count: int = FEW) -> tuple[Tensor, Tensor]:
        """Output and loss of the first ``count`` samples, with the tape that led there."""
        with enable_grad(), random.apart():
            output = self._called(samples.x[:count])
            return output, self.loss(output, self.tensor(samples.y[:count]))

    def count(self, samples: Samples, seconds: float) -> int:
        """How many samples to look at: all, or while the run goes on what takes ``seconds``."""
        if not self.quick:
            return len(samples)
        if samples.origin not in self._counts:
            first = samples.x[:64]
            self.run(first)  # not the first call: that one may prepare something
            began = time.perf_counter()
            self.run(first)
            many = seconds / max(time.perf_counter() - began, 1e-6)
            self._counts[samples.origin] = 64 * 2 ** max(0, int(np.log2(max(many, 1))))
        return min(len(samples), self._counts[samples.origin])


@dataclass(frozen=True)
class Answers:
    """What a model says of samples: shares ``(N, classes)`` for classes, else the plain output."""

    classes: int  # 0 where the targets are numbers
    shares: Array
    output: Array
    target: Array

    @property
    def said(self) -> Array:
        """The likeliest class of each."""
        return self.shares.argmax(1)

    @property
    def losses(self) -> Array:
        """How far off each is: −log of the share of its class, or the mean squared error."""
        with np.errstate(all="ignore"):
            if self.classes:
                own = self.shares[np.arange(len(self.target)), self.target]
                return -np.log(np.maximum(own, 1e-300))
            gap = (self.output - self.target.reshape(self.output.shape)) ** 2
            return gap.reshape(len(gap), -1).mean(1)


def answers(scene: Scene, samples: Samples, count: int) -> Answers:
    """The model's answers for the first ``count`` samples."""
    output, target = scene.run(samples.x[:count]), samples.y[:count]
    return understood(scene, output, target)


def understood(scene: Scene, output: Array, target: Array) -> Answers:
    """Outputs as classes or as numbers: by the targets, and by a loss for two classes.

    Raises NotHere where no output is a number.
    """
    if not np.isfinite(output).any():
        raise NotHere("The model's outputs are nan or infinite for all samples.")
    if scene.classifies and output.ndim == target.ndim + 1:
        flat = np.moveaxis(output, 1, -1).reshape(-1, output.shape[1])
        return Answers(output.shape[1], softmax(flat), flat, target.reshape(-1).astype(int))
    kind = getattr(scene.loss, "__name__", type(scene.loss).__name__).lower().replace("_", "")
    if ("binarycrossentropy" in kind or kind.startswith("bce")) and output[:1].size == 1:
        share = output.reshape(-1).astype(np.float64)
        if "logits" in kind:
            share = softmax(np.stack([np.zeros_like(share), share], 1))[:, 1]
        return Answers(2, np.stack([1 - share, share], 1), share, (target.reshape(-1) > 0.5) * 1)
    return Answers(0, np.empty((len(output), 0)), output, target)


def softmax(values: Array) -> Array:
    """Shares of the classes ``(N, classes)``; what is not finite counts as 0."""
    with np.errstate(all="ignore"):
        wide = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=1e30, neginf=-1e30)
        grown = np.exp(wide - wide.max(1, keepdims=True))
        return grown / grown.sum(1, keepdims=True)


def class_name(names: list[str] | None, number: int) -> str:
    """A class in words: its name, or its number."""
    return names[number] if names and number < len(names) else str(number)


# Pictures.

SMALLEST = 8  # pixels of a side of a flat row of numbers that may be a picture
ALIKE = 0.3  # correlation of neighbours in a picture


def images(x: Array) -> Array | None:
    """Inputs ``(N, ...)`` as pictures ``(N, H, W, 1 or 3)``, where they are some.

    A flat row of numbers is one where it fills a square whose neighbours are alike.
    """
    if x.dtype.kind not in "fu" and not (x.dtype.kind == "i" and x.ndim >= 3):
        return None
    if x.ndim == 4 and x.shape[1] in (1, 3) and min(x.shape[2:]) >= 2:
        return np.moveaxis(x, 1, -1)
    if x.ndim == 3 and min(x.shape[1:]) >= SMALLEST and _alike(x[..., None]):
        return x[..., None]
    shape = None if x.ndim != 2 else square(x.shape[1])
    if shape is not None:
        shaped = np.moveaxis(x.reshape(len(x), *shape), 1, -1)
        return shaped if _alike(shaped) else None
    return None


def square(size: int) -> tuple[int, int, int] | None:
    """Channels, height and width of a flat picture of so many numbers."""
    for channels in (1, 3):
        side = round((size / channels) ** 0.5)
        if side >= SMALLEST and channels * side * side == size:
            return channels, side, side
    return None


def _alike(pictures: Array) -> bool:
    some = pictures[:64].astype(np.float64)
    pairs = ((some[:, 1:], some[:, :-1]), (some[:, :, 1:], some[:, :, :-1]))
    for a, b in pairs:
        a, b = a - a.mean(), b - b.mean()
        size = np.sqrt((a * a).sum() * (b * b).sum())
        if not size or (a * b).sum() / size < ALIKE:
            return False
    return True


def pixels(pictures: Array, low: float, high: float) -> Array:
    """Pictures as bytes, from ``low`` to ``high``."""
    if pictures.dtype == np.uint8:
        return pictures
    wide = (pictures.astype(np.float64) - low) / ((high - low) or 1.0)
    clean = np.nan_to_num(np.clip(wide, 0, 1), nan=0.5)
    return np.rint(255 * clean).astype(np.uint8)
