"""Fusion: which equations run together in one loop over memory.

Elementwise ops of one shape share a loop, so that what passes between them stays in registers.
A sum or a maximum over the last dimensions joins the loop that makes its input; what is computed
from it stands in a later stage of the same loop, row by row: softmax and layer normalisation
become one loop with three stages, and each row is still in the cache when it is read again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from .ir import Equation, Graph, Var

LONG = 100  # equations in a loop: compilers take far longer over a longer one
FULL = 80  # from here on a loop takes only what goes on with its own values
NEAR = 16  # steps that are looked back for a loop to join
REDUCTIONS = ("sum", "mean", "amax", "amin")
FLOAT16 = np.dtype("float16")


@dataclass(eq=False)
class Part:
    """An equation in a loop: its stage, and whether it computes an entry, a row or a total."""

    equation: Equation
    stage: int
    level: str  # "entry", "row" (one value for each row), "fold" (into a row), "total"


@dataclass(eq=False)
class Loop:
    """One loop over a shape; ``split`` is where the dimensions of a row begin."""

    shape: tuple[int, ...]
    split: int | None = None
    parts: list[Part] = field(default_factory=list)

    @property
    def rows(self) -> tuple[int, ...] | None:
        """The shape of one value for each row."""
        if self.split is None:
            return None
        return (*self.shape[: self.split], *(1,) * (len(self.shape) - self.split))


@dataclass(eq=False)
class Single:
    """An equation with a routine of its own."""

    equation: Equation


@dataclass(eq=False)
class Tile:
    """Steps that run for one sample after another: what passes between them stays in the cache.

    ``axis`` 0 takes samples apart; in a tile of these, one of ``axis`` 1 takes planes apart.
    """

    count: int
    steps: list[Step]
    axis: int = 0


Step = Loop | Single | Tile


def expression(e: Equation) -> str | None:
    """The C expression of an elementwise equation; None where it is not one."""
    kernel = e.op.kernel
    return kernel(**e.attrs) if callable(kernel) else kernel


def fusible(e: Equation) -> bool:
    """Whether an equation is a C expression of the entries at one place."""
    if e.out.spec.number or e.out.spec.size == 0:
        return False
    if e.op.name == "to":
        return True
    return not e.op.view and expression(e) is not None


def of_halves(e: Equation) -> bool:
    """Whether an equation reads tensors of float16, with which C computes in loops only."""
    return any(
        isinstance(x, Var) and x.spec.dtype == FLOAT16 and not x.spec.number for x in e.inputs
    )


def trailing(dims: tuple[int, ...], ndim: int) -> int:
    """Where the last run of reduced dimensions begins."""
    k = ndim
    while k > 0 and k - 1 in dims:
        k -= 1
    return k


class _Scheduler:
    """Puts each equation into the latest loop that can take it."""

    def __init__(self, graph: Graph, fuse: bool = True) -> None:
        self.graph, self.fuse = graph, fuse
        self.steps: list[Loop | Single] = []
        self.made: dict[int, int] = {}  # variable -> the step that makes it
        self.views: list[Equation] = []  # those that copy nothing
        self.part: dict[int, Part] = {}  # variable -> its part of a loop
        self.like: dict[int, Any] = {}  # variable -> an array laid out like it, never touched
        self.copied: dict[int, Var] = {}  # variable -> its copy in order, made by a reshape

    def run(self) -> list[Loop | Single]:
        """All steps in order."""
        for e in self.graph.equations:
            if e.out.spec.number:
                continue
            if e.op.view and (self.looks(e) or self.looks(self.at_copy(e))):
                self.made[e.out.id] = self.made.get(self.views[-1].inputs[0].id, -1)
            elif fusible(e):
                self.join(e)
            elif e.op.name in REDUCTIONS and self.reducible(e):
                self.reduce(e)
            else:
                self.alone(e)
        return [part for step in self.steps for part in _apart(step)]

    def looks(self, e: Equation) -> bool:
        """Whether a view is one: a reshape of what was turned has to copy."""
        x = e.inputs[0]
        base = self.like.get(x.id)
        if base is None:
            base = self.like[x.id] = np.empty(x.spec.shape, x.spec.dtype)
        made = e.op.forward(np, base, **e.attrs)
        if made.size and not np.shares_memory(made, base):
            return False
        self.like[e.out.id] = made
        self.views.append(e)
        return True

    def at_copy(self, e: Equation) -> Equation:
        """A reshape that has to copy, as a look at the copy that another one has made."""
        if e.op.name != "reshape":
            return e
        copy = self.copied.setdefault(e.inputs[0].id, e.out)
        return e if copy is e.out else replace(e, inputs=(copy,))

    def after(self, e: Equation) -> int:
        """The step before which no part of ``e`` can run."""
        return max((self.made.get(x.id, -1) for x in e.inputs if isinstance(x, Var)), default=-1)

    def alone(self, e: Equation) -> None:
        self.made[e.out.id] = len(self.steps)
        self.steps.append(Single(e))

    def add(self, index: int, e: Equation, stage: int, level: str) -> None:
        loop = self.steps[index]
        assert isinstance(loop, Loop)
        part = Part(e, stage, level)
        loop.parts.append(part)
        self.part[e.out.id] = part
        self.made[e.out.id] = index

    def stage(self, e: Equation, index: int) -> int | None:
        """The stage of ``e`` in a loop; None where the loop makes an input that it cannot use."""
        stage = 0
        for x in e.inputs:
            if not isinstance(x, Var) or self.made.get(x.id, -1) != index:
                continue
            part = self.part.get(x.id)
            if part is None or part.level == "total":
                return None  # a view of something that the loop makes, or not known before its end
            stage = max(stage, part.stage + (part.level == "fold"))
        return stage

    def join(self, e: Equation) -> None:
        first = self.after(e) if self.fuse else len(self.steps)
        for index in range(len(self.steps) - 1, max(first, 0, len(self.steps) - NEAR) - 1, -1):
            loop = self.steps[index]
            if not isinstance(loop, Loop):
                break  # an earlier loop would have to keep the result until it is needed
            goes_on = any(self.made.get(x.id) == index for x in e.inputs if isinstance(x, Var))
            if len(loop.parts) >= (LONG if goes_on else FULL):
                continue
            level = "entry" if loop.shape == e.out.spec.shape else None
            if level is None and loop.rows == e.out.spec.shape and goes_on:
                level = "row"  # one that does not go on has nothing to do with these rows
            if level is None:
                continue
            stage = self.stage(e, index)
            if stage is not None:
                self.add(index, e, stage, level)
                return
        self.steps.append(Loop(e.out.spec.shape))
        self.add(len(self.steps) - 1, e, 0, "entry")

    def reducible(self, e: Equation) -> bool:
        x = e.inputs[0]
        dims = e.attrs["dim"]
        if x.spec.dtype != e.out.spec.dtype or x.spec.dtype.kind != "f" or not x.spec.size:
            return False
        if not dims:  # of a number: it is that number
            return False
        if of_halves(e):  # the pass "lower" has it added in float32
            return False
        split = trailing(dims, x.spec.ndim)
        lead = [d for d in dims if d < split]
        return not lead or e.op.name in ("sum", "mean")

    def reduce(self, e: Equation) -> None:
        x = e.inputs[0]
        dims, ndim = e.attrs["dim"], x.spec.ndim
        split = trailing(dims, ndim)
        level = "fold" if len(dims) == ndim - split else "total"
        wanted = None if split == ndim else split
        index = self.made.get(x.id, -1)
        loop = self.steps[index] if index >= 0 else None
        known = self.fuse and x.id in self.part
        if isinstance(loop, Loop) and loop.shape == x.spec.shape and known:
            fits = wanted is None or loop.split in (None, wanted)
            if fits and prod(loop.shape[wanted:]) > 0:
                if wanted is not None:
                    loop.split = wanted
                self.add(index, e, self.part[x.id].stage, level)
                return
        self.steps.append(Loop(x.spec.shape, wanted))
        self.add(len(self.steps) - 1, e, 0, level)


def _apart(step: Loop | Single) -> list[Loop | Single]:
    """The loops that a loop falls into: parts that share no entries need not run together.

    So the update of each parameter is a loop of its own, and one function can serve all of them.
    """
    if isinstance(step, Single) or prod(step.shape) == 1:
        return [step]
    leader: dict[int, int] = {}

    def find(i: int) -> int:
        while leader.setdefault(i, i) != i:
            i = leader[i]
        return i

    own = {p.equation.out.id for p in step.parts}
    for e in (p.equation for p in step.parts):
        for x in e.inputs:
            if isinstance(x, Var) and (x.id in own or x.spec.size == prod(step.shape)):
                leader[find(x.id)] = find(e.out.id)
    groups: dict[int, list[Part]] = {}
    for part in step.parts:
        groups.setdefault(find(part.equation.out.id), []).append(part)
    rows = {k: any(p.level != "entry" for p in parts) for k, parts in groups.items()}
    return [Loop(step.shape, step.split if rows[k] else None, p) for k, p in groups.items()]


# Tiles -------------------------------------------------------------------------------------

PLANES = ("max_pool2d", "max_pool2d_grad", "max_pool2d_where", "max_pool2d_put")
BATCHED = ("matmul", "unfold", "fold", *PLANES)  # they treat samples alike, planes even planes
WIDEST = 64  # entries of a window that is written out entry by entry
SMALL = 1 << 18, 1 << 14  # bytes: what is smaller than this stays in the cache anyway


def dimension(step: Loop | Single, v: Var, axis: int) -> int | None:
    """The dimension of an operand that is the step's own ``axis``; None: every place has all."""
    if isinstance(step, Loop):
        for p in step.parts:
            if p.equation.out is v and p.level in ("fold", "total"):
                dims = p.equation.attrs["dim"]
                if axis in dims:
                    return None
                return axis if p.equation.attrs["keepdim"] else axis - sum(d < axis for d in dims)
        d = axis - (len(step.shape) - v.spec.ndim)
        return d if d >= 0 and v.spec.shape[d] == step.shape[axis] else None
    out = step.equation.out.spec
    if step.equation.op.name == "matmul":  # an input of fewer dimensions serves every sample
        fits = out.ndim > 2 and v.spec.ndim == out.ndim and v.spec.shape[0] == out.shape[0]
    else:
        fits = v.spec.ndim > 2 and v.spec.shape[axis] == out.shape[axis]
    return axis if fits else None


class _Tiler:
    """Finds runs of steps that can go sample by sample, and in these plane by plane."""

    def __init__(self, steps: list[Loop | Single], views: list[Equation], within: int = 0) -> None:
        self.steps, self.views = steps, views
        self.within = within  # the samples, where planes of one are looked for
        self.axis = 1 if within else 0

    def run(self) -> list[Step]:
        """The steps, some of them put into tiles."""
        out: list[Step] = []
        run: list[Loop | Single] = []
        for step in self.steps:
            count = self.count(step)
            if run and count == self.count(run[0]) and self.follows(run, step):
                run.append(step)
                continue
            out += self.closed(run)
            run = [step] if count else []
            if not count:
                out.append(step)
        return out + self.closed(run)

    def reads(self, step: Loop | Single, other: Loop | Single) -> bool:
        """Whether a step needs what another one makes."""
        made = {v.id for v in outputs(other)}
        return any(x.id in made for x in operands(step, self.views))

    def closed(self, run: list[Loop | Single]) -> list[Step]:
        if len(run) < 2 or self.between(run) < SMALL[self.axis] * max(self.within, 1):
            return list(run)
        count = self.count(run[0])
        inner: list[Step] = [*run] if self.axis else _Tiler(run, self.views, count).run()
        return [Tile(count, inner, self.axis)]

    def between(self, run: list[Loop | Single]) -> int:
        """The bytes of what the steps of a run hand on."""
        made = {v.id: v.spec.nbytes for step in run for v in outputs(step)}
        used = {x.id for step in run for x in operands(step, self.views)}
        return sum(n for i, n in made.items() if i in used)

    def count(self, step: Loop | Single) -> int:
        """How many samples a step can be taken apart into; 0 where it cannot."""
        axis = self.axis
        if isinstance(step, Loop):
            whole = any(p.level == "fold" for p in step.parts) and (step.split or 0) <= axis
            apart = all(p.level != "total" or 0 in p.equation.attrs["dim"] for p in step.parts)
            long = len(step.shape) > axis + 1
            count = step.shape[axis] if long and apart and not whole else 0
        else:
            e = step.equation
            # only what is sure to be written in C: a step in Python cannot stand in a tile
            known = e.op.name in (PLANES if axis else BATCHED) and e.out.spec.ndim >= 3
            known = known and (e.out.spec.dtype.kind == "f" or e.op.name == "max_pool2d_where")
            known = known and not of_halves(e)
            known = known and prod(e.attrs.get("kernel_size", ())) <= WIDEST
            count = e.out.spec.shape[axis] if known else 0
        return count if count > 1 else 0

    def follows(self, run: list[Loop | Single], step: Loop | Single) -> bool:
        """Whether a step can run for a sample as soon as the others have run for it."""
        made = {v.id for s in run for v in outputs(s)}
        totals = {
            p.equation.out.id
            for s in run
            if isinstance(s, Loop)
            for p in s.parts
            if p.level == "total"
        }
        for x in direct(step):
            root, arrays = x, []
            for e in reversed(self.views):
                if e.out is root:
                    arrays.append(e)
                    root = e.inputs[0]
            if root.id not in made:
                continue
            if root.id in totals or dimension(step, x, self.axis) != self.axis:
                return False
            if not _alike(root, arrays, self.axis):
                return False
        return True


def _alike(root: Var, views: list[Equation], axis: int) -> bool:
    """Whether views leave the first dimensions where they are, and copy nothing."""
    base = array = np.empty(root.spec.shape, root.spec.dtype)
    for e in reversed(views):
        array = e.op.forward(np, array, **e.attrs)
    head = axis + 1
    return bool(
        np.shares_memory(array, base)
        and array.shape[:head] == base.shape[:head]
        and array.strides[:head] == base.strides[:head]
    )


def leaves(step: Step) -> list[Loop | Single]:
    """The steps of a tile, those of tiles in it included."""
    if isinstance(step, Tile):
        return [leaf for inner in step.steps for leaf in leaves(inner)]
    return [step]


def outputs(step: Loop | Single) -> list[Var]:
    """What a step makes."""
    if isinstance(step, Loop):
        return [p.equation.out for p in step.parts]
    return [step.equation.out]


def equations(step: Step) -> list[Equation]:
    """What a step computes, in order."""
    if isinstance(step, Tile):
        return [e for inner in step.steps for e in equations(inner)]
    return [p.equation for p in step.parts] if isinstance(step, Loop) else [step.equation]


def first(step: Step) -> int:
    """The first value that a step makes, by which it is known."""
    return equations(step)[0].out.id


def direct(step: Loop | Single) -> list[Var]:
    """What a step reads, as its equations name it."""
    own = {v.id for v in outputs(step)}
    return [
        x
        for e in equations(step)
        for x in e.inputs
        if isinstance(x, Var) and not x.spec.number and x.id not in own
    ]


def operands(step: Loop | Single, views: list[Equation]) -> list[Var]:
    """What a step reads, with what that looks into."""
    found = direct(step)
    for e in reversed(views):
        if any(x is e.out for x in found):
            found.append(e.inputs[0])
    return found


def schedule(graph: Graph, without: Collection[str] = ()) -> tuple[list[Step], list[Equation]]:
    """The steps that compute a graph, and the equations that only look at a value otherwise.

    Without "fuse" each equation is a step of its own, without "tile" no step waits for a sample.
    """
    scheduler = _Scheduler(graph, "fuse" not in without)
    steps = scheduler.run()
    if "tile" in without:
        return [*steps], scheduler.views
    tiled = _Tiler(steps, scheduler.views).run()
    _unfold_again(tiled, scheduler.views, graph)
    return tiled, scheduler.views


def _unfold_again(steps: list[Step], views: list[Equation], graph: Graph) -> None:
    """Let each tile make the columns of a picture that it needs, rather than keep them between.

    They hold each entry of the picture once for each window that it is in, and are mere copies.
    """
    made = [
        (tile, step)
        for tile in steps
        if isinstance(tile, Tile)
        for step in tile.steps
        if isinstance(step, Single) and step.equation.op.name == "unfold"
    ]
    within = _Tiler([], views)
    for tile, unfold in made:
        readers = {
            i: [leaf for leaf in leaves(step) if within.reads(leaf, unfold)]
            for i, step in enumerate(steps)
            if step is not tile
        }
        users = [(steps[i], found) for i, found in readers.items() if found]
        if _looks(graph.results, unfold, views) or not all(
            isinstance(user, Tile)
            and user.count == tile.count
            and all(within.follows([unfold], leaf) for leaf in found)
            for user, found in users
        ):
            continue
        for user, found in users:
            assert isinstance(user, Tile)
            at = next(i for i, s in enumerate(user.steps) if found[0] in leaves(s))
            user.steps.insert(at, unfold)


def _looks(values: Collection[Var], step: Single, views: list[Equation]) -> bool:
    """Whether one of some values is what a step makes, or a view of it."""
    found = {v.id for v in values}
    for e in reversed(views):
        if e.out.id in found:
            found.add(e.inputs[0].id)
    return step.equation.out.id in found
