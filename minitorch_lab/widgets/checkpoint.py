"""How a run can go back: a copy of its state every some steps, and the batches since.

Copying all weights at each step would slow small models down, so a copy is made only as often as
it costs about a hundredth of the run's time. To reach a step between two copies, the steps from the
copy on are done again with the same batches, the same mode and the same random numbers, which gives
the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .. import random
from ..nn import Module
from ..nn.module import move_in_place
from ..optim import Optimizer
from ..tensor import Tensor

SHARE = 0.01  # of the run's time that copies may take
MEMORY = 64 * 2**20  # bytes of batches kept since a copy
LONGEST = 2000  # steps between two copies

Call = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Copy:
    """The values of all tensors of a model and its optimiser, and the optimiser's numbers."""

    arrays: list[tuple[Tensor, Any]]
    state: dict[Any, dict[str, Any]]
    random: Any


@dataclass(frozen=True)
class Entry:
    """A step as it can be done again. ``random``: the generator's state, where it must be set."""

    x: Tensor
    y: Tensor
    call: Call
    random: Any


@dataclass
class Stretch:
    """A copy, the learning rates from there on, and the steps since."""

    copy: Copy
    rates: list[float]
    entries: list[Entry] = field(default_factory=list)


class Recorder:
    """Keeps the two last copies of a run's state and the steps since each."""

    def __init__(self, model: Module, optimizer: Optimizer) -> None:
        self._model = model
        self._optimizer = optimizer
        self._draws: bool | None = None  # whether a step draws random numbers; None: not seen yet
        self.clear()

    def clear(self) -> None:
        """Forget all; the next step begins with a copy."""
        self._stretches: list[Stretch] = []
        self._every = 1
        self._due = True
        self._open = False  # a step has begun and not ended
        self._spent = 0.0
        self._rewound: Copy | None = None

    @property
    def steps(self) -> int:
        """How many steps back it could go."""
        return sum(len(stretch.entries) for stretch in self._stretches)

    def log(self, x: Tensor, y: Tensor, call: Call, new_epoch: bool) -> None:
        """A step with this batch begins. An epoch's shuffle draws from the generator, too, so the
        generator's state is kept at its start where the step itself draws (dropout)."""
        if self._due:
            self._begin()
        self._open = True
        drawn = random.get_rng_state() if new_epoch and self._draws is not False else None
        self._stretches[-1].entries.append(Entry(x, y, call, drawn))

    def keep(self, seconds: float) -> None:
        """The step has ended well, after ``seconds``."""
        self._open = False
        self._spent += seconds
        entries = self._stretches[-1].entries
        if self._draws is None:
            before = entries[-1].random
            self._draws = before is None or bool((random.get_rng_state() != before).any())
        if len(entries) >= self._every:
            self._due = True

    def cut(self) -> None:
        """A setting changes now: the steps from here on start from a copy of their own."""
        self._due = True

    def move(self, device: str) -> None:
        """Move the optimiser's state; what was kept belongs to the old device and is forgotten."""
        for slots in self._optimizer.state.values():
            for value in slots.values():
                if isinstance(value, Tensor):
                    move_in_place(value, None, device)
        self.clear()

    def _begin(self) -> None:
        began = time.perf_counter()
        copy = self._copy()
        cost = time.perf_counter() - began
        if self._stretches and self._stretches[-1].entries and self._spent:
            entries = self._stretches[-1].entries
            wanted = int(cost / (SHARE * self._spent / len(entries))) + 1
            size = entries[-1].x.array.nbytes + entries[-1].y.array.nbytes
            self._every = max(1, min(wanted, LONGEST, MEMORY // max(size, 1)))
        self._spent = 0.0
        self._due = False
        rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        self._stretches = [*self._stretches[-1:], Stretch(copy, rates)]

    def _tensors(self) -> Iterable[Tensor]:
        yield from self._model.parameters()
        yield from (buffer for _, buffer in self._model.named_buffers())
        for group in self._optimizer.param_groups:  # may train more than the model
            yield from group["params"]

    def _copy(self) -> Copy:
        seen: dict[int, tuple[Tensor, Any]] = {}
        for tensor in self._tensors():
            if id(tensor) not in seen:
                seen[id(tensor)] = (tensor, tensor.array.copy())
        state = {
            owner: {
                name: (value, value.array.copy()) if isinstance(value, Tensor) else value
                for name, value in slots.items()
            }
            for owner, slots in self._optimizer.state.items()
        }
        drawn = None if self._draws is False else random.get_rng_state()
        return Copy(list(seen.values()), state, drawn)

    def _restore(self, copy: Copy) -> None:
        for tensor, array in copy.arrays:
            tensor.array[...] = array
        for owner, slots in self._optimizer.state.items():
            kept = copy.state.get(owner)
            for name, value in slots.items():
                if isinstance(value, Tensor):
                    # In place, because a compiled step holds these tensors. State that did not
                    # exist at the time of the copy started from zero.
                    value.array[...] = 0 if kept is None else kept[name][1]
                else:
                    slots[name] = type(value)(0) if kept is None else kept[name]
        if copy.random is not None:
            random.set_rng_state(copy.random)

    def rewind(self, count: int) -> list[Entry]:
        """Go back to before the last ``count`` steps (or as far as can be) and return them."""
        if not self._stretches:
            return []
        count = min(count, self.steps)
        newest = self._stretches[-1].entries
        back = self._stretches[-1:] if len(newest) >= count else self._stretches
        steps = [(entry, stretch.rates) for stretch in back for entry in stretch.entries]
        split = len(steps) - count
        drawn = random.get_rng_state()
        groups = self._optimizer.param_groups
        rates = [group["lr"] for group in groups]
        try:
            self._restore(back[0].copy)
            for entry, used in steps[:split]:
                if entry.random is not None:
                    random.set_rng_state(entry.random)
                for group, rate in zip(groups, used, strict=True):
                    group["lr"] = rate
                entry.call(entry.x, entry.y)
            self._rewound = self._copy()
        finally:
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate
            random.set_rng_state(drawn)
        return [entry for entry, _ in steps[split:]]

    def restore_rewound(self) -> None:
        """Back to where ``rewind`` went, whatever was tried since."""
        if self._rewound is not None:
            drawn = random.get_rng_state()
            self._restore(self._rewound)
            random.set_rng_state(drawn)

    def undo(self) -> None:
        """A step has raised: back to before it."""
        if not self._open:
            return
        self._open = False
        try:
            self.rewind(1)
        except Exception:  # noqa: BLE001 - a step that cannot be repeated: the copy is whole, if older
            self._restore(self._stretches[0].copy)
