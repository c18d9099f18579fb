"""The states that a run can go back to.

A checkpoint holds all that the next steps depend on: weights and buffers, the optimiser's state and
settings, a schedule, dropout rates, the state of each random generator, and the place in the data.
It holds values in the order of the model's tensors, not the tensors themselves, so that a copy of
the model (a fork) can take them over, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from ..device import device_of, move
from ..errors import ArgumentError
from ..graph import compile
from ..nn import Module
from ..optim import Optimizer
from ..random import Generator, default_generator
from ..tensor import Tensor, make
from ..utils.data import BatchSampler, DataLoader

if TYPE_CHECKING:
    from .training import Training

LIMIT = 256 * 2**20  # bytes that the kept steps of a run may take
MOST = 200  # steps kept, however small they are
SHARE = 0.01  # of the run's time that copies may take
PACE = 1 / 20  # seconds between two checkpoints, as between two pictures of the panel

States = list[Any]  # of the generators of a run, in their order


@dataclass(frozen=True)
class Place:
    """Where in its data a run is. ``begin``: the generators' states when this pass began, None
    between two passes. ``pending``: a batch that was read and not used."""

    begin: States | None
    batches: int = 0
    samples: int = 0
    pending: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Event:
    """A pass was begun anew after ``step``, or went on after others had drawn random numbers."""

    step: int
    kind: Literal["start", "draw"]
    random: States
    left: bool = False  # the pass before it was left before its end


@dataclass(frozen=True)
class Checkpoint:
    """A run after ``step`` steps, before all that follows them."""

    step: int
    epoch: int
    epoch_start: int
    place: Place
    random: States
    arrays: list[Any]
    state: dict[int, dict[str, Any]]
    groups: list[dict[str, Any]]
    rates: list[float]  # of the dropout layers
    schedule: dict[str, Any] | None
    mode: str
    batch_size: int
    rows: tuple[int, int, int]  # epochs, validations and marks in the history
    events: tuple[Event, ...]

    @property
    def nbytes(self) -> int:
        """The memory it takes (what several checkpoints share is counted in each)."""
        inside = [v for slots in self.state.values() for v in slots.values()]
        batch = [part.array for pair in self.place.pending for part in pair]
        parts = [*self.arrays, *inside, *self.random, *(self.place.begin or []), *batch]
        return sum(getattr(part, "nbytes", 32) for part in parts)


def take(run: Training, place: Place) -> Checkpoint:
    """The state of a run now. Nothing else may change it meanwhile."""
    tensors = tensors_of(run.model, run.optimizer)
    numbers = {id(tensor): i for i, tensor in enumerate(tensors)}
    history = run.history
    schedule = schedule_of(run)
    return Checkpoint(
        step=len(history),
        epoch=run.epoch,
        epoch_start=run._epoch_start,
        place=place,
        random=states_of(run),
        arrays=[tensor.array.copy() for tensor in tensors],
        state={
            numbers[id(owner)]: {
                name: value.array.copy() if isinstance(value, Tensor) else deepcopy(value)
                for name, value in slots.items()
            }
            for owner, slots in run.optimizer.state.items()
        },
        groups=[
            {name: deepcopy(value) for name, value in group.items() if name != "params"}
            for group in run.optimizer.param_groups
        ],
        rates=[module.p for module in dropouts(run.model)],
        schedule=None if schedule is None else deepcopy(schedule.state_dict()),
        mode=run.mode,
        batch_size=run.batch_size,
        rows=history.counts,
        events=run._keeper.events,
    )


def put(checkpoint: Checkpoint, run: Training) -> None:
    """Give a run, or a copy of it, this state; the generators and the data follow when it goes on.

    Tensors are written in place, because a compiled step holds them. Where the optimiser has other
    state now (its first step makes it), the step is compiled anew.
    """
    optimizer = run.optimizer
    tensors = tensors_of(run.model, optimizer)
    for tensor, array in zip(tensors, checkpoint.arrays, strict=True):
        write(tensor, array)
    whole = True
    for i, tensor in enumerate(tensors):
        kept, now = checkpoint.state.get(i, {}), optimizer.state.get(tensor, {})
        if kept.keys() != now.keys():
            whole = False
            optimizer.state.pop(tensor, None)
            if kept:
                now = optimizer.state[tensor] = {}
        for name, value in kept.items():
            if not hasattr(value, "nbytes"):
                now[name] = deepcopy(value)
            elif name in now:
                write(now[name], value)
            else:
                now[name] = make(move(value.copy(), device_of(tensor.array)))
    for group, kept in zip(optimizer.param_groups, checkpoint.groups, strict=True):
        params = group["params"]
        group.clear()
        group.update(params=params, **deepcopy(kept))
    for module, rate in zip(dropouts(run.model), checkpoint.rates, strict=True):
        if module.p != rate:
            module.p, whole = rate, False
    if run.batch_size != checkpoint.batch_size:
        set_batch_size(run, checkpoint.batch_size)
    schedule = schedule_of(run)
    if schedule is not None and checkpoint.schedule is not None:
        schedule.load_state_dict(deepcopy(checkpoint.schedule))
    optimizer.zero_grad()
    if not whole:
        run._compiled = compile(run._step)
    run._choose(checkpoint.mode)


def write(tensor: Tensor, array: Any) -> None:
    """The values of ``array``, which may lie on another device, into the tensor's own memory."""
    tensor.array[...] = move(array, device_of(tensor.array))


def tensors_of(model: Module, optimizer: Optimizer) -> list[Tensor]:
    """Parameters, buffers, and what the optimiser trains beside the model, each once."""
    every: Iterable[Tensor] = chain(
        model.parameters(),
        (buffer for _, buffer in model.named_buffers()),
        (tensor for group in optimizer.param_groups for tensor in group["params"]),
    )
    return list({id(tensor): tensor for tensor in every}.values())


def dropouts(model: Module) -> list[Any]:
    """The layers with a dropout rate."""
    return [module for module in model.modules() if isinstance(getattr(module, "p", None), float)]


def set_batch_size(run: Training, size: Any) -> int:
    """Read the data in batches of another size; the order of the samples stays."""
    from .arguments import at_least_one

    count, old = at_least_one("batch_size", size), run.loader
    if type(old.batch_sampler) is not BatchSampler:
        raise ArgumentError(
            f"fork: batch_size is {count}\n"
            "  the batches of this run's data are made by a sampler of its own, or by none\n"
            "  expected a DataLoader(dataset, batch_size)"
        )
    run.loader = DataLoader(
        old.dataset,
        count,
        sampler=old.batch_sampler.sampler,
        num_workers=old.num_workers,
        collate_fn=old.collate_fn,
        drop_last=old.drop_last,
        timeout=old.timeout,
        worker_init_fn=old.worker_init_fn,
        generator=old.generator,
    )
    run.batch_size = count
    return count


def schedule_of(run: Training) -> Any:
    """The schedule of the learning rate, where the run has one."""
    return getattr(run, "schedule", None)


def generators_of(run: Training) -> list[Generator]:
    """The default generator and those of the loaders, each once."""
    found: list[Any] = [default_generator]
    for loader in (run.loader, run.valid):
        inner = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
        found += [getattr(part, "generator", None) for part in (loader, inner)]
        found.append(getattr(getattr(loader, "sampler", None), "generator", None))
    return list({id(g): g for g in found if isinstance(g, Generator)}.values())


def states_of(run: Training) -> States:
    """The states of the generators of a run."""
    return [generator.get_state() for generator in generators_of(run)]


def set_states(run: Training, states: States | None) -> None:
    """Set the generators of a run."""
    for generator, state in zip(generators_of(run), states or [], strict=True):
        generator.set_state(state)


class Kept(Sequence[int]):
    """The steps that a run can go back to, as a sequence of numbers, within a bound of memory.

    The first one and the newest stay. When the memory is full, the step goes whose neighbours are
    closest to each other, so that those that stay are spread over the whole run.
    """

    def __init__(self, limit: int = LIMIT, most: int = MOST) -> None:
        self.limit = limit
        self.most = most
        self._entries: list[Checkpoint] = []
        self._sizes: list[int] = []
        self._full = False

    def add(self, checkpoint: Checkpoint) -> None:
        """Keep a step, which is the newest; one of the same number is replaced."""
        if self._entries and self._entries[-1].step == checkpoint.step:
            self.drop_after(checkpoint.step - 1)
        self._entries = [*self._entries, checkpoint]
        self._sizes.append(checkpoint.nbytes)
        while self.nbytes > self.limit or len(self._entries) > self.most:
            self._full = True
            self._thin()
            if not self._entries:
                return

    def _thin(self) -> None:
        steps = list(self)
        gaps = [steps[i + 1] - steps[i - 1] for i in range(1, len(steps) - 1)]
        place = 1 + gaps.index(min(gaps)) if gaps else 0
        self._entries = self._entries[:place] + self._entries[place + 1 :]
        del self._sizes[place]

    def drop_after(self, step: int) -> None:
        """Forget the steps after ``step``."""
        count = sum(number <= step for number in self)
        self._entries = self._entries[:count]
        del self._sizes[count:]

    def due(self, step: int) -> bool:
        """Whether another step would stay: it is not too close to the newest one."""
        if not self._entries:
            return True
        gap = step - self._entries[-1].step
        return gap > 0 and (not self._full or gap * 2 * len(self._entries) >= step)

    def before(self, step: int) -> Checkpoint | None:
        """The newest checkpoint of ``step`` or earlier."""
        found = [entry for entry in self._entries if entry.step <= step]
        return found[-1] if found else None

    @property
    def nbytes(self) -> int:
        """The memory that the kept steps take."""
        return sum(self._sizes)

    @property
    def bound(self) -> str:
        """The bound in words."""
        return f"{amount(self.nbytes)} of at most {amount(self.limit)}"

    def __getitem__(self, index: Any) -> Any:
        found = self._entries[index]
        return [entry.step for entry in found] if isinstance(found, list) else found.step

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        steps = [f"{step:,}" for step in self]
        if not steps:
            return f"no step is kept, {self.bound}"
        shown = steps if len(steps) <= 8 else [*steps[:4], "…", *steps[-3:]]
        noun = "step" if len(steps) == 1 else "steps"
        return f"{len(steps)} {noun} kept ({self.bound}): {', '.join(shown)}"


def amount(count: int) -> str:
    """Bytes in words.

    >>> amount(900), amount(20_480), amount(256 * 2**20)
    ('900 bytes', '20.0 KB', '256 MB')
    """
    if count < 1024:
        return f"{count} bytes"
    size, unit = (count / 1024, "KB") if count < 2**20 else (count / 2**20, "MB")
    return f"{size:.0f} {unit}" if size >= 100 else f"{size:.1f} {unit}"


class Keeper:
    """Reads the data of a run, knows its place in them, and keeps checkpoints on the way."""

    _pending: tuple[Any, ...]  # a batch that was read and not used

    def __init__(self, run: Training) -> None:
        self._run = run
        self.kept = Kept()
        self.resume: Checkpoint | None = None  # where the next pass goes on
        self.moved = False  # the run was taken elsewhere while it held
        self.seed = default_generator.initial_seed()  # the model may have been made from it
        self.events: tuple[Event, ...] = ()
        self.apart = False  # its random numbers are its own: there are forks, or it was rewound
        self._states: States | None = None  # of the generators while it holds
        self._whole: Any = None  # the history before the run was rewound
        self._next = 0.0
        self._at(Place(None))

    # Called by the run's thread.

    def launch(self) -> None:
        """The thread begins: the state at the start is kept."""
        if self.apart:
            self.go_on()
        self._states = None
        if self.resume is None:
            self._at(Place(None))
            self._event("start")
            self.keep()

    def batches(self) -> Iterator[Any]:
        """The batches of a pass, or those that are left of the pass where the run goes on."""
        run, resume = self._run, self.resume
        self.resume, self.moved = None, False
        pending: tuple[Any, ...] = ()
        if resume is not None and resume.place.begin is not None:
            place = resume.place
            pending = place.pending
            samples = place.samples + sum(len(batch[0]) for batch in pending)
            set_states(run, place.begin)
            rest = run.loader.rest(place.batches + len(pending), samples)
            if place.batches or pending:  # else the pass begins here
                set_states(run, resume.random)
            self._at(place)
        else:
            if resume is not None:
                set_states(run, resume.random)
            self._at(Place(states_of(run)))
            rest = iter(run.loader)
        for batch in chain(pending, rest):
            if isinstance(batch, (tuple, list)):
                self._pending = (batch,)
            yield batch
            if self.moved:
                return

    def stepped(self, size: int, now: float) -> None:
        """A step has used a batch of ``size`` samples."""
        self._pending = ()
        self._batches += 1
        self._samples += size
        if self._whole is not None:  # a step anew: what came after it once is gone
            before = len(self._run.history) - 1
            self._whole = None
            self.kept.drop_after(before)
            for child in self._run._branch.children:
                child.shared = min(child.shared, before)
        if now >= self._next and self.kept.due(len(self._run.history)):
            self.keep()

    def passed(self) -> None:
        """The pass is over."""
        self._at(Place(None))

    def keep(self) -> None:
        """Keep the state of now. How soon the next one is due depends on what this one took."""
        began = time.perf_counter()
        self.kept.add(self.take())
        now = time.perf_counter()
        self._next = now + max(PACE, (now - began) / SHARE)

    def hold(self, changed: bool = False) -> None:
        """The run holds, or ends: nobody else's random numbers shall change how it goes on.

        What was ``changed`` since the step is no part of it: one that is kept stays as it was.
        """
        if self._whole is None and not (changed and len(self._run.history) in self.kept):
            self.keep()
        if self._states is None and not self.moved:
            self._states = states_of(self._run)

    def go_on(self) -> None:
        """The run goes on after ``hold``. Where somebody else has drawn meanwhile, an event says
        from which numbers it goes on."""
        states, self._states = self._states, None
        if states is None or self.resume is not None:
            return
        if self.apart:
            set_states(self._run, states)
        elif any((a != b).any() for a, b in zip(states, states_of(self._run), strict=True)):
            self._event("draw")

    def _event(self, kind: Literal["start", "draw"]) -> None:
        step, epochs = len(self._run.history), self._run.history.epochs
        left = kind == "start" and step > 0 and (not epochs or epochs[-1].step < step)
        self.events = (*self.events, Event(step, kind, states_of(self._run), left))

    def _at(self, place: Place) -> None:
        # in parts, because they change with each step
        self._begin, self._batches = place.begin, place.batches
        self._samples = place.samples
        self._pending = place.pending

    # Called between two steps, on whichever thread.

    @property
    def whole(self) -> Any:
        """The history with all that is kept, also after the run was rewound."""
        return self._run.history if self._whole is None else self._whole

    def take(self) -> Checkpoint:
        """The state of now."""
        place = Place(self._begin, self._batches, self._samples, self._pending)
        checkpoint = take(self._run, place)
        if self.resume is not None:
            return replace(checkpoint, random=self.resume.random)
        return checkpoint if self._states is None else replace(checkpoint, random=self._states)

    def part(self) -> None:
        """From now on the run's random numbers are its own."""
        run = self._run
        seeded = run.state == "ready" and run.seed is not None
        holds = not (run.alive and (run._go or run._owed))
        if self._states is None and self.resume is None and holds and not seeded:
            self._states = states_of(run)
        self.apart = True

    def go_to(self, checkpoint: Checkpoint) -> None:
        """Take the run to a checkpoint; what is kept of later steps stays until it steps again."""
        run = self._run
        whole = self.whole
        put(checkpoint, run)
        self._whole = whole
        run.history = cut(whole, checkpoint)
        run.epoch, run._epoch_start = checkpoint.epoch, checkpoint.epoch_start
        run.error, run.message = None, ""
        run._recorder.clear()
        self.resume, self.moved, self.apart, self._states = checkpoint, True, True, None
        self._at(checkpoint.place)
        self.events = checkpoint.events


def cut(history: Any, checkpoint: Checkpoint) -> Any:
    """A copy of a history as it was at a checkpoint."""
    copy = deepcopy(history)
    copy.cut(checkpoint.step, *checkpoint.rows)
    return copy
