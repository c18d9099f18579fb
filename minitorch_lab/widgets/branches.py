"""Going back in a run, and runs that start from a state of another one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import ArgumentError, KindError, NonFiniteError, warn
from ..errors import describe as describe_value
from ..nn import Module
from ..optim import Optimizer
from .rewind import (
    Checkpoint,
    Keeper,
    Kept,
    Place,
    cut,
    dropouts,
    put,
    schedule_of,
    set_batch_size,
)
from .script import Script, script

if TYPE_CHECKING:
    from .training import Training

T = TypeVar("T")


@dataclass(eq=False)
class Branch:
    """A run, and where it came from. ``changed``: setting, then its old and its new value.
    ``shared``: the steps that it has in common with its parent, fewer than ``step`` where the
    parent has gone back behind the fork, and on from there."""

    run: Training
    name: str
    parent: Branch | None = None
    step: int = 0
    shared: int = 0
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    children: list[Branch] = field(default_factory=list)
    start: Checkpoint | None = None

    @property
    def losses(self) -> tuple[Any, Any]:
        """The steps from the fork on and the training loss of each, as NumPy arrays."""
        history = self.run.history
        step, loss = history.step, history.loss
        count = min(len(step), len(loss))  # it may have grown between the two
        after = step[:count] > self.step
        return step[:count][after], loss[:count][after]

    @property
    def root(self) -> Branch:
        """The run that all began with."""
        return self if self.parent is None else self.parent.root

    @property
    def line(self) -> list[Branch]:
        """The branches from the root to this one."""
        return [*(self.parent.line if self.parent else []), self]

    def __iter__(self) -> Iterator[Branch]:
        yield self
        for child in self.children:
            yield from child

    def __repr__(self) -> str:
        parts = [f"{self.name}: "]
        if self.parent is not None:
            parts.append(f"from step {self.step:,}, ")
            parts += [f"{name} {old} → {new}, " for name, (old, new) in self.changed.items()]
        _, loss = self.losses
        count = len(loss)
        done = len(self.run.history) - self.step
        parts.append(f"{done:,} step" if done == 1 else f"{done:,} steps")
        if count:
            parts.append(f", loss {loss[-1]:#.3g}".rstrip("."))
        return "".join(parts)


class Branches:
    """The tree of a run and its forks. Printed it is a tree; by name or number it gives a run.

    ``overlay()`` has the numbers to draw the branches over each other.
    """

    def __init__(self, root: Branch) -> None:
        self._root = root

    def __iter__(self) -> Iterator[Branch]:
        return iter(self._root)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, name: str | int) -> Training:
        every = list(self)
        if isinstance(name, int) and -len(every) <= name < len(every):
            return every[name].run
        found = [branch.run for branch in every if branch.name == name]
        if not found:
            names = ", ".join(repr(branch.name) for branch in every)
            raise ArgumentError(f"branches[{name!r}]: there is no such branch\n  branches  {names}")
        return found[0]

    def overlay(self) -> dict[str, tuple[Any, Any]]:
        """Steps and training losses of each branch, from its fork on."""
        return {branch.name: branch.losses for branch in self}

    def __repr__(self) -> str:
        return "\n".join(_drawn(self._root, "", ""))


def _drawn(branch: Branch, first: str, rest: str) -> Iterator[str]:
    yield f"{first}{branch!r}"
    for child in branch.children:
        last = child is branch.children[-1]
        here, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
        yield from _drawn(child, rest + here, rest + below)


class Branching:
    """What a run can do with the steps that it keeps. A part of ``Training``."""

    _keeper: Keeper
    _branch: Branch

    @property
    def kept(self) -> Kept:
        """The steps that ``rewind`` and ``fork`` can go to, with the memory that they take."""
        return self._keeper.kept

    @property
    def branches(self) -> Branches:
        """This run, those that were forked from it, and those that it was forked from."""
        return Branches(self._branch.root)

    def rewind(self: Any, step: int) -> int:
        """Go back to the kept step at ``step`` or before, and return its number.

        ``start()`` then goes on exactly as the first time: same batches, same random numbers, same
        bits. Settings are those of that step. The steps after it stay kept, so that one can go
        forward again, until the run does a step.

        Raises:
            ArgumentError: the run is under way, or no such step is kept.
        """
        with self._lock:
            if self.alive and self._go:
                raise ArgumentError(
                    f"rewind({step}): the run is under way\n"
                    "  expected one that holds: call pause() or stop() first"
                )
        return between_steps(self, lambda: self._rewind(step))

    def _rewind(self: Any, step: int) -> int:
        checkpoint = kept_at(self, "rewind", step)
        self._keeper.go_to(checkpoint)
        if not self.alive:
            self._state = "done" if self.epoch >= self._goal else "stopped"
        return checkpoint.step

    def fork(
        self: Any, step: int | None = None, name: str | None = None, **settings: Any
    ) -> Training:
        """A new run that starts from a kept step of this one, which stays as it is.

        Args:
            step: the kept step at ``step`` or before is taken; None for the state of now (after a
                failure the last good one).
            name: of the branch.
            settings: of the optimiser (``lr``, ``momentum``, ``weight_decay``, ...), and
                ``batch_size``, ``dropout``, or ``optimizer``: "adam", "sgd", or what makes one of
                parameters, such as ``optim.RMSprop``.

        Raises:
            ArgumentError: a setting that there is not, or no such step is kept.

        Weights, optimiser state, place in the data and random numbers are those of the step: with
        no setting changed the fork repeats what this run did.
        """
        return between_steps(self, lambda: self._fork(step, name, settings))

    def fork_lower(self: Any, name: str | None = None) -> Training:
        """After a loss that was nan or infinite: a fork from the last good step with a tenth of
        the learning rate. Good is a step whose loss was not above that of the first step.

        Raises:
            ArgumentError: no step is kept.
        """
        return self.fork(self.last_good, name, lr=self.lr / 10)

    def script(self: Any, file: str | None = None) -> Script:
        """A Python script that does the steps of this branch again, with the same losses.

        It is plain text, for a file, a cell or ``exec(text, {})``. Weights that no seed gives, and
        data, go into the safetensors file that it reads (``file``, or one called like the run).
        What could not be written down, such as a lambda, is said in a comment and a warning; the
        script expects it by that name.

        Raises:
            ArgumentError: no step was done, or the run's start is not kept.
        """
        text = between_steps(self, lambda: script(self, file))
        if text.notes:
            notes = "\n  ".join(text.notes)
            warn(f"script(): not all of the run could be written down\n  {notes}")
        return text

    @property
    def last_good(self: Any) -> int:
        """The last kept step whose loss was finite and not above that of the first step."""
        steps, loss = self.history.step, self.history.loss
        kept = list(self.kept) or [0]
        after = [int(np.searchsorted(steps, step + 1)) for step in kept]
        good = [
            step
            for step, place in zip(kept, after, strict=True)
            if place < len(loss) and loss[place] <= loss[0]
        ]
        return good[-1] if good else kept[0]

    def _fork(self: Any, step: int | None, name: str | None, settings: dict[str, Any]) -> Training:
        failed = isinstance(self.error, NonFiniteError)
        if step is None and failed:
            step = self.last_good
        if step is None:
            checkpoint = self._keeper.take()
        else:
            checkpoint = kept_at(self, "fork", step)
        if "batch_size" in settings:
            checkpoint = replace(checkpoint, place=without_pending(checkpoint.place))
        if name is not None and any(branch.name == name for branch in self.branches):
            raise ArgumentError(
                f"fork: name is {name!r}\n  there is a branch of this name: give another one"
            )
        run = copy_of(self, checkpoint, name or f"fork {len(self.branches)}")
        changed = {key: change(run, key, value) for key, value in in_order(settings)}
        self._keeper.part()
        start = run._keeper.take()
        start = replace(start, place=checkpoint.place, random=checkpoint.random)
        run._keeper.kept.add(start)
        run._keeper.resume = start
        run._branch.parent, run._branch.step = self._branch, checkpoint.step
        run._branch.shared = checkpoint.step
        run._branch.changed, run._branch.start = changed, start
        self._branch.children.append(run._branch)
        return run


def between_steps(run: Training, work: Callable[[], T]) -> T:
    """Do ``work`` while the run does no step, on its own thread where that is alive."""
    results: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def job() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
            errors.append(error)
        done.set()

    with run._lock:
        if run.alive and threading.current_thread() is not run._thread:
            run._requests.append(job)
            run._wake()
        else:
            job()
    done.wait()
    if errors:
        raise errors[0]
    run._tell("state")
    return results[0]


def kept_at(run: Training, call: str, step: Any) -> Checkpoint:
    """The checkpoint of ``step`` or the one before it."""
    if isinstance(step, bool) or not isinstance(step, (int, np.integer)):
        raise KindError(f"{call}: step is {describe_value(step)}\n  expected a whole number")
    kept = run.kept
    found = kept.before(int(step))
    last = max([run.step_count, *kept])
    if found is None or not 0 <= step <= last:
        near = sorted(kept, key=lambda number: abs(number - step))[:3]
        words = ", ".join(f"{number:,}" for number in sorted(near)) or f"none: {kept!r}"
        raise ArgumentError(f"{call}({step}): step {step} is not kept\n  nearest  {words}")
    return found


def without_pending(place: Place) -> Place:
    """The place before a batch that was read and not used."""
    return replace(place, pending=())


def copy_of(run: Training, checkpoint: Checkpoint, name: str) -> Training:
    """A run of its own with the same model, optimiser and data, at a checkpoint."""
    memo: dict[int, Any] = {id(run.loader.dataset): run.loader.dataset}
    if run.valid is not None:
        memo[id(run.valid.dataset)] = run.valid.dataset
    parts = (run.model, run.optimizer, run.loss, schedule_of(run), run.loader, run.valid)
    model, optimizer, loss, schedule, loader, valid = deepcopy(parts, memo)
    given = {**run._given, "loss": loss, "optimizer": optimizer, "valid": valid, "lr": None}
    given.update(seed=None, name=name)
    if "schedule" in given:
        given["schedule"] = schedule
    twin = type(run)(model, loader, **given)
    twin.history = cut(run._keeper.whole, checkpoint)
    twin.epoch, twin._epoch_start, twin._goal = checkpoint.epoch, checkpoint.epoch_start, run.goal
    twin._state = "done" if twin.epoch >= twin._goal else "ready"
    twin._keeper.kept.limit, twin._keeper.kept.most = run.kept.limit, run.kept.most
    twin._keeper.apart, twin._keeper.events = True, checkpoint.events
    twin._keeper.seed = run._keeper.seed
    twin._keeper.moved = False
    put(checkpoint, twin)
    return twin


def in_order(settings: dict[str, Any]) -> list[tuple[str, Any]]:
    """An optimiser first: the other settings are for it."""
    return sorted(settings.items(), key=lambda item: item[0] != "optimizer")


def change(run: Training, name: str, value: Any) -> tuple[Any, Any]:
    """Change a setting of a run that has not started; its old and its new value."""
    groups = run.optimizer.param_groups
    if name == "optimizer":
        old = type(run.optimizer).__name__
        run.optimizer = other_optimizer(value, run.model, run.lr)
        schedule = schedule_of(run)
        if schedule is not None:
            schedule.optimizer = run.optimizer
            for group in run.optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        run._recorder = type(run._recorder)(run.model, run.optimizer)
        return old, type(run.optimizer).__name__
    if name == "batch_size":
        return run.batch_size, set_batch_size(run, value)
    if name == "dropout":
        return set_dropout(run.model, value)
    if name == "momentum" and "betas" in groups[0]:
        return groups[0]["betas"][0], change(run, "betas", (value, groups[0]["betas"][1]))[1][0]
    if name not in groups[0] or name == "params":
        known = [key for key in groups[0] if key not in ("params", "initial_lr")]
        kind = type(run.optimizer).__name__
        raise ArgumentError(
            f"fork: there is no setting {name!r}\n"
            f"  {kind} has  {', '.join(known)}\n"
            "  a run has  batch_size, dropout, optimizer"
        )
    old = groups[0][name]
    for group in groups:
        wanted = {**group, name: value}
        if name == "lr" and group["lr"] != old and old:
            wanted["lr"] = group["lr"] * value / old
        run.optimizer.check(wanted)
        group[name] = wanted[name]
    return old, value


def other_optimizer(wanted: Any, model: Module, lr: float) -> Optimizer:
    """An optimiser over the parameters of a fork, with the learning rate of now."""
    from .training import make_optimizer

    if isinstance(wanted, Optimizer):
        raise KindError(
            f"fork: optimizer is {describe_value(wanted)}, with another run's parameters\n"
            "  expected 'adam', 'sgd', or what makes one: optim.RMSprop, or "
            "lambda p: optim.SGD(p, lr=0.1)"
        )
    if not callable(wanted):
        return make_optimizer(wanted, model, lr)
    made = wanted(list(model.parameters()))
    if not isinstance(made, Optimizer):
        raise KindError(
            f"fork: optimizer makes {describe_value(made)}\n  expected an optimiser of optim"
        )
    if isinstance(wanted, type):
        for group in made.param_groups:
            group["lr"] = lr
    return made


def set_dropout(model: Module, rate: Any) -> tuple[Any, float]:
    """Give all dropout layers a rate."""
    layers = dropouts(model)
    if not layers:
        raise ArgumentError(
            f"fork: dropout is {rate}\n  the model has no dropout layer: add nn.Dropout(0.5)"
        )
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
        raise ArgumentError(f"fork: dropout is {rate!r}\n  expected a number from 0 to 1")
    old = layers[0].p
    for layer in layers:
        layer.p = float(rate)
    return old, float(rate)
