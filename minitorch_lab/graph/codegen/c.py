"""The C executor: one C function for each run of steps, compiled once and kept on disk.

Each loop of the schedule becomes a loop nest in C, each matrix product a call of the BLAS that
SciPy brings, every other op a routine. Work of LAPACK and random draws are left to NumPy: they run
as in eager mode, between two functions.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection
from typing import Any

import numpy as np

from ..fuse import (
    Loop,
    Part,
    Single,
    Step,
    Tile,
    dimension,
    expression,
    first,
    leaves,
    of_halves,
    operands,
    outputs,
    schedule,
)
from ..ir import Equation, Graph, Var
from ..plan import TOGETHER, Pool
from ..trace import Argument, ArgumentGrad, Captured, Grad, Number, Traced
from . import native
from .loops import LoopWriter
from .numpy import NUMBER_CODE, Plan
from .routines import COPIES, ROUTINES
from .text import C_TYPES, REFUSES, Place, Text, index_of, joined

SMALL = 1024  # bytes of a result that is copied for the learner


def build(traced: Traced, graph: Graph, without: Collection[str] = ()) -> Plan:
    """The plan of a graph; ``traced`` says what its inputs and targets are."""
    return _Writer(traced, graph, without).plan()


def writable(graph: Graph) -> bool:
    """Whether C knows every value: on the CPU, and of a type that C has."""
    values = [*graph.inputs, *(v for v, _ in graph.constants), *(e.out for e in graph.equations)]
    return all(v.spec.device == "cpu" and str(v.spec.dtype) in C_TYPES for v in values)


class _Writer:
    """Writes the C functions, and the Python function that calls them."""

    schedule = staticmethod(schedule)

    def __init__(self, traced: Traced, graph: Graph, without: Collection[str] = ()) -> None:
        self.traced, self.graph = traced, graph
        self.without = without
        self.share = "buffers" not in without  # values may use memory one after the other
        self.steps, self.views = self.schedule(graph, without)
        self.step_of: dict[int, int] = {}
        self.place: dict[int, Place] = {}
        self.slots: list[str] = []  # how the Python code gets each pointer: "" for a fixed one
        self.fixed: list[Any] = []  # arrays whose addresses do not change
        self.python: list[str] = []
        self.scope: dict[str, Any] = {"np": np, "native": native}
        self.numbers: dict[int, int] = {}  # number variable -> its index in the table
        self.pool = Pool()
        self.storage: list[Any] = []
        self.text = Text()
        self.functions: list[list[list[str]]] = []
        self.pieces: dict[int, list[str]] = {}  # first variable of a step -> its code
        self.memory: dict[int, int] = {}  # variable -> its buffer
        self.buffer: dict[int, int] = {}  # the same, of those that are needed now

    # Lifetimes at the level of steps

    def analyse(self) -> None:
        graph = self.graph
        self.root: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.outside: set[int] = set()  # values that must be in memory
        self.again: set[int] = set()  # values that several tiles make, each for itself
        stage_of: dict[int, tuple[Any, int, str]] = {}
        flat = [(i, step) for i, whole in enumerate(self.steps) for step in leaves(whole)]
        for i, step in flat:
            for own in step.parts if isinstance(step, Loop) else ():
                stage_of[own.equation.out.id] = (step, own.stage, own.level)
            for v in outputs(step):
                if self.step_of.setdefault(v.id, i) != i:
                    self.again.add(v.id)
        for e in self.views:
            x = e.inputs[0]
            self.root[e.out.id] = self.root.get(x.id, x.id)
            self.outside.add(self.root[e.out.id])
        for i, step in flat:
            equations: list[tuple[Equation, Part | None]] = (
                [(p.equation, p) for p in step.parts]
                if isinstance(step, Loop)
                else [(step.equation, None)]
            )
            for e, part in equations:
                for x in e.inputs:
                    if not isinstance(x, Var) or x.spec.number:
                        continue
                    r = self.root.get(x.id, x.id)
                    self.last[r] = max(self.last.get(r, -1), i)
                    made = stage_of.get(x.id)
                    if made is None:
                        continue
                    same = made[0] is step
                    if not same or (part and made[2] == "entry" and made[1] != part.stage):
                        self.outside.add(x.id)
        end = len(self.steps)
        for v in graph.results:
            r = self.root.get(v.id, v.id)
            self.last[r] = end
            self.outside.add(r)
        for _, step in flat:
            if isinstance(step, Single):
                self.outside.add(step.equation.out.id)
            else:
                for part in step.parts:
                    if part.level == "total":
                        self.outside.add(part.equation.out.id)

    # Graphs inside

    def within(self, graph: Graph) -> Any:
        """A writer for a graph inside of this one, which adds to the same C text."""
        inner = type(self)(self.traced, graph, self.without)
        inner.text, inner.slots, inner.fixed = self.text, self.slots, self.fixed
        inner.pool, inner.storage = self.pool, self.storage
        return inner

    def steps_written(self) -> bool:
        """Write all steps, which have their inputs; False where one of them needs Python."""
        self.fresh, self.direct = set[int](), dict[int, Any]()
        if not writable(self.graph):
            return False
        self.analyse()
        for v, array in self.graph.constants:
            self.fix(v, self.constant(array))
        views = self.views_by_step()
        for e in views.get(-1, ()):
            self.make_view(e)
        for i, step in enumerate(self.steps):
            self.step(step, i, views.get(i, []), [])
            self.release(i)
        for number in self.buffer.values() if self.share else ():
            self.pool.give(number)
        return not self.python

    # Memory

    def slot(self, get: str) -> int:
        self.slots.append(get)
        return len(self.slots) - 1

    def fix(self, v: Var, array: Any) -> None:
        """A value in memory that stays where it is."""
        n = self.slot("")
        self.fixed.append((n, array))
        self.place[v.id] = Place(n, 0, array)

    def bring(self, v: Var, name: str) -> None:
        """A value whose memory comes with each run."""
        like = np.empty(v.spec.shape, v.spec.dtype)
        self.place[v.id] = Place(self.slot(name), 0, like)

    def constant(self, array: Any) -> Any:
        return np.asarray(array, order="C")

    def allocate(self, v: Var) -> None:
        number = self.pool.take(v.spec.nbytes)
        if number == len(self.storage):
            self.storage.append(np.empty(v.spec.nbytes, np.uint8))
        self.buffer[v.id] = self.memory[v.id] = number
        self.fix(v, self.storage[number].view(v.spec.dtype).reshape(v.spec.shape))

    def release(self, index: int) -> None:
        for root, number in list(self.buffer.items()) if self.share else ():
            if self.last.get(root, -1) <= index or root in self.again:
                self.pool.give(number)
                del self.buffer[root]

    def view(self, e: Equation) -> bool:
        """The place of a view; False where it needs a copy."""
        x = e.inputs[0]
        base = self.place[x.id]
        made = e.op.forward(np, base.array, **e.attrs)
        if made.size and not np.shares_memory(made, base.array):
            return False
        delta = 0
        if made.size:
            delta = made.__array_interface__["data"][0] - base.array.__array_interface__["data"][0]
        self.place[e.out.id] = Place(
            base.slot, base.offset + delta // made.itemsize, made, base.alone, base.more
        )
        return True

    # The plan

    def plan(self) -> Plan:
        graph, traced = self.graph, self.traced
        self.analyse()
        captured, arguments = [], {}
        reads: list[str] = []
        for v, binding in zip(graph.inputs, traced.bindings, strict=True):
            if isinstance(binding, Argument):
                arguments[binding.index] = f"a{binding.index}"
                self.bring(v, f"a{binding.index}")
            elif isinstance(binding, Captured):
                captured.append((binding.tensor, binding.tensor.array))
                self.fix(v, binding.tensor.array)
            elif isinstance(binding, Number):
                self.scope[f"o{v.id}"] = binding.owner
                reads.append(f"v{v.id} = o{v.id}[{binding.key!r}]")
        for v, array in graph.constants:
            self.fix(v, self.constant(array))
        self.fresh = self.kept()
        self.direct = self.direct_targets()
        views = self.views_by_step()
        for e in views.get(-1, ()):
            self.make_view(e)
        needed: list[str] = []
        for i, step in enumerate(self.steps):
            written, calls = len(self.text.lines), len(self.python)
            self.step(step, i, views.get(i, []), needed)
            called = len(self.python) > calls  # in Python, between two C functions
            self.pieces[first(step)] = self.python[-1:] if called else self.text.lines[written:]
            self.release(i)
            if TOGETHER in self.without:
                self.flush()
                self.python[calls:] = [f"begin({i})", *self.python[calls:], f"end({i})"]
        self.flush()
        for e in graph.equations:
            if e.out.spec.number:
                code = NUMBER_CODE[e.op.name].format(*(f"({self.number(x)})" for x in e.inputs))
                reads.append(f"v{e.out.id} = {code}")
        copies = self.copies()
        return self.assemble(arguments, captured, reads, needed, copies)

    def step(self, step: Step, index: int, views: list[Equation], needed: list[str]) -> None:
        if isinstance(step, Tile):
            self.tile(step, index, views, needed)
            return
        for v in outputs(step):
            if v.id in self.outside:
                self.locate(v, needed)
        self.emit(step)
        for e in views:
            self.make_view(e)

    def kept(self) -> set[int]:
        """Values that the learner keeps and that are made in memory of their own in each run.

        Small ones are made in the plan's memory and copied: that takes less time than to hand the
        address of a new array to C.
        """
        out = set(self.graph.outputs)
        for (_, value), target in zip(self.graph.updates, self.traced.targets, strict=True):
            if isinstance(target, (Grad, ArgumentGrad)):
                out.add(value)
        return {v.id for v in out if v.id in self.step_of and v.spec.nbytes > SMALL}

    def direct_targets(self) -> dict[int, Any]:
        """New state that is written over the old at once: nothing reads the old one later."""
        count: dict[int, int] = {}
        for v in self.graph.results:
            count[v.id] = count.get(v.id, 0) + 1
        found: dict[int, Any] = {}
        for (entry, value), target in zip(self.graph.updates, self.traced.targets, strict=True):
            at = self.step_of.get(value.id) if self.share else None
            if not isinstance(target, Captured) or at is None or count[value.id] > 1:
                continue
            step, array = self.steps[at], target.tensor.array
            if not isinstance(step, Loop) or not array.flags.c_contiguous:
                continue
            if (array.shape, array.dtype) != (value.spec.shape, value.spec.dtype):
                continue
            if value.spec.shape != step.shape or self.last.get(entry.id, -1) > at:
                continue
            write = next(p for p in step.parts if p.equation.out is value)
            if write.level != "entry":
                continue
            if any(REFUSES.search(expression(p.equation) or "") for p in step.parts):
                continue  # a value that is refused leaves the state as it is
            if all(self.reads_in_place(p, entry, write) for p in step.parts):
                found[value.id] = array
        return found

    def reads_in_place(self, part: Part, entry: Var, write: Part) -> bool:
        for x in part.equation.inputs:
            if isinstance(x, Var) and self.root.get(x.id, x.id) == entry.id:
                if x.id != entry.id or part.stage > write.stage:
                    return False
                if part.level != "entry" and part.level != "fold":
                    return False
        return True

    def views_by_step(self) -> dict[int, list[Equation]]:
        at: dict[int, list[Equation]] = {}
        for e in self.views:
            at.setdefault(self.step_of.get(self.root[e.out.id], -1), []).append(e)
        return at

    def make_view(self, e: Equation) -> None:
        if not self.view(e):
            # the same entries in another order of memory: copied, then looked at
            x = self.place[e.inputs[0].id]
            out = np.empty(e.out.spec.shape, e.out.spec.dtype)
            self.fix(e.out, out)
            self.copy_into(self.place[e.out.id], x, out.reshape(x.array.shape))

    def copy_into(self, to: Place, x: Place, out: Any) -> None:
        kind = C_TYPES[str(out.dtype)]
        steps = [s // out.itemsize for s in out.strides]
        index = [f"i{d}" for d in range(out.ndim)]
        t = self.text
        t.add("{")
        t.depth += 1
        t.add(f"{kind} *q = ({kind} *)p[{to.slot}] + {to.offset}{to.more};")
        t.add(f"const {kind} *x = (const {kind} *)p[{x.slot}] + {x.offset}{x.more};")
        for d, n in enumerate(out.shape):
            t.add(f"for (long i{d} = 0; i{d} < {n}; i{d}++)")
        t.add(f"    q[{index_of(index, steps)}] = x[{index_of(index, x.strides)}];")
        t.depth -= 1
        t.add("}")

    def locate(self, v: Var, needed: list[str]) -> None:
        """Memory for a value that is made now."""
        if v.id in self.direct:
            self.fix(v, self.direct[v.id])
        elif v.id in self.fresh:
            like = np.empty(v.spec.shape, v.spec.dtype)
            self.scope[f"s{v.id}"], self.scope[f"d{v.id}"] = v.spec.shape, v.spec.dtype
            needed.append(f"r{v.id} = empty(s{v.id}, d{v.id})")
            self.place[v.id] = Place(self.slot(f"r{v.id}"), 0, like)
        else:
            self.allocate(v)

    def number(self, x: Any) -> str:
        if isinstance(x, Var):
            return f"v{x.id}"
        if isinstance(x, float) and not math.isfinite(x):
            self.scope[f"f{len(self.scope)}"] = x
            return f"f{len(self.scope) - 1}"
        return repr(x)

    def emit(self, step: Step) -> None:
        if isinstance(step, Tile):
            self.one_by_one(step)
        elif isinstance(step, Loop):
            LoopWriter(self, step).write()
        else:
            self.single(step)

    # Tiles

    counters: tuple[str, ...] = ()  # of the tiles around the present step

    def tile(self, tile: Tile, index: int, views: list[Equation], needed: list[str]) -> None:
        """Samples one after another: what only the tile uses has memory for one sample."""
        totals = [
            p
            for step in leaves(tile)
            if isinstance(step, Loop)
            for p in step.parts
            if p.level == "total"
        ]
        whole = {p.equation.out.id for p in totals}
        planes = self.of_planes(tile)
        for v in [v for step in leaves(tile) for v in outputs(step) if v.id in self.outside]:
            needed_later = self.last.get(v.id, -1) > index and v.id not in self.again
            if v.id in whole or needed_later or v.id in self.direct:
                self.locate(v, needed)
                continue
            nbytes = v.spec.nbytes // (tile.count * planes.get(v.id, 1))
            kept = None if self.share else self.memory.get(v.id)  # by another tile
            n = self.pool.take(nbytes) if kept is None else kept
            if n == len(self.storage):
                self.storage.append(np.empty(nbytes, np.uint8))
            self.buffer[v.id] = self.memory[v.id] = n
            slot = self.slot("")
            self.fixed.append((slot, self.storage[n]))
            like = np.empty(v.spec.shape, v.spec.dtype)  # never touched: its layout is asked for
            self.place[v.id] = Place(slot, 0, like, 2 if v.id in planes else 1)
        again = self.again.intersection(v.id for step in leaves(tile) for v in outputs(step))
        mine = {e.out.id for e in views}
        for e in self.views:
            if e.out.id in mine or self.root[e.out.id] in again:
                self.make_view(e)
        t = self.text
        t.add(f"{{  // {tile.count} samples, one after another")
        t.depth += 1
        for p in totals:
            self.clear(p)
        self.one_by_one(tile)
        for p in totals:
            self.divide(p)
        t.depth -= 1
        t.add("}")

    def one_by_one(self, tile: Tile) -> None:
        name, t = "tu"[tile.axis], self.text
        t.add(f"for (long {name} = 0; {name} < {tile.count}; {name}++) {{")
        t.depth += 1
        self.counters += (name,)
        for step in tile.steps:
            self.emit(step)
        self.counters = self.counters[:-1]
        t.depth -= 1
        t.add("}")

    def of_planes(self, tile: Tile) -> dict[int, int]:
        """Values that only one tile of planes in this tile uses, with the number of its planes."""
        found: dict[int, int] = {}
        for inner in tile.steps:
            if isinstance(inner, Tile):
                others = [leaf for s in tile.steps if s is not inner for leaf in leaves(s)]
                read = {x.id for step in others for x in operands(step, self.views)}
                made = [v for step in leaves(inner) for v in outputs(step)]
                found |= {v.id: inner.count for v in made if v.id not in read}
        return found

    def clear(self, p: Part) -> None:
        out, place = p.equation.out, self.place[p.equation.out.id]
        kind = C_TYPES[str(out.spec.dtype)]
        self.text.add(f"memset(({kind} *)p[{place.slot}] + {place.offset}, 0, {out.spec.nbytes});")

    def divide(self, p: Part) -> None:
        if p.equation.op.name != "mean":
            return
        out, place = p.equation.out, self.place[p.equation.out.id]
        kind = C_TYPES[str(out.spec.dtype)]
        count = p.equation.inputs[0].spec.size // out.spec.size
        self.text.add(
            f"for (long i = 0; i < {out.spec.size}; i++) "
            f"(({kind} *)p[{place.slot}] + {place.offset})[i] /= {count};"
        )

    def seen(self, step: Loop | Single, v: Var) -> Place:
        """The place of an operand; in a tile, that of one sample or one plane."""
        place = self.place[v.id]
        array, more = place.array, place.more
        for axis, counter in enumerate(self.counters):
            d = dimension(step, v, axis)
            if d is None:
                continue
            array = array[(*(slice(None),) * d, slice(1))]
            if axis >= place.alone:
                more += f" + {counter} * {place.strides[d]}"
        return Place(place.slot, place.offset, array, place.alone, more)

    # Loops

    def operand(self, place: Place, shape: tuple[int, ...]) -> tuple[Place, tuple[int, ...]]:
        """The place of a value and its strides where it is spread over a shape.

        A loop over one entry has no dimensions, and its values may have some of size 1.
        """
        array = place.array if shape else place.array.reshape(())
        spread = np.broadcast_to(array, shape)
        return place, tuple(s // place.array.itemsize for s in spread.strides)

    # Single steps

    def single(self, step: Single) -> None:
        e = step.equation
        if e.op.view:  # one that has to copy
            x, out = self.seen(step, e.inputs[0]), self.place[e.out.id]
            self.copy_into(out, x, out.array.reshape(x.array.shape))
            return
        made = ROUTINES.get(e.op.name)
        in_c = e.parts or e.op.name in COPIES or not of_halves(e)
        if made is not None and in_c and made(self, step):
            return
        if not e.out.spec.size and (e.op.kernel is not None or e.op.name == "to"):
            return  # elementwise, and there is no entry
        self.flush()
        p = e.attrs.get("p", -1)
        if e.op.name == "bernoulli" and e.out.spec.dtype == np.float32 and 0 <= p <= 1:
            self.scope["bernoulli"] = native.bernoulli
            self.python.append(f"bernoulli(library, {self.as_array(e.out)}, {p!r})")
        else:
            self.between(e)

    def between(self, e: Equation) -> None:
        """An equation that runs as in eager mode, between two functions."""
        self.scope[f"op{e.out.id}"] = e.op.forward
        self.scope[f"attrs{e.out.id}"] = e.attrs
        inputs = ", ".join(["np", *(self.as_array(x) for x in e.inputs)])
        self.python.append(
            f"np.copyto({self.as_array(e.out)}, op{e.out.id}({inputs}, **attrs{e.out.id}))"
        )

    def as_array(self, x: Any) -> str:
        """A value in the Python code."""
        if not isinstance(x, Var):
            return self.number(x)
        if x.spec.number:
            return f"v{x.id}"
        place = self.place[x.id]
        get = self.slots[place.slot]
        if not get:
            self.scope[f"w{x.id}"] = place.array
            return f"w{x.id}"
        if place.offset == 0 and place.array.shape == x.spec.shape and x.id in self.fresh:
            return get
        whole = x.id == self.root.get(x.id, x.id)
        if whole:
            return get
        self.scope[f"g{x.id}"] = (place.array.shape, place.array.strides, place.offset)
        return f"native.view({get}, *g{x.id})"

    def flush(self) -> None:
        """End the C function that is being written."""
        if self.text.lines:
            name = f"step{len(self.functions)}"
            self.functions.append(self.text.blocks())
            self.python.append(f"if {name}(p, n): raise ValueError('a value is out of range')")
            self.text = Text()

    # The end

    def copies(self) -> list[str]:
        out, stores = [], []
        pairs: list[tuple[str, str]] = []
        for (_, value), target in zip(self.graph.updates, self.traced.targets, strict=True):
            if isinstance(target, Number):
                self.scope[f"t{value.id}"] = target.owner
                text = f"v{value.id}" if value.spec.number else f"{self.as_array(value)}.item()"
                stores.append(f"t{value.id}[{target.key!r}] = {text}")
            elif isinstance(target, Captured) and value.id not in self.direct:
                name = f"u{len(pairs)}"
                self.scope[name] = target.tensor.array
                pairs.append((name, self.as_array(value)))
        if len(pairs) > 1:
            out += [f"new{i} = {source}.copy()" for i, (_, source) in enumerate(pairs)]
            pairs = [(name, f"new{i}") for i, (name, _) in enumerate(pairs)]
        out += [f"np.copyto({name}, {source})" for name, source in pairs]
        return out + stores

    def assemble(
        self,
        arguments: dict[int, str],
        captured: list[Any],
        reads: list[str],
        needed: list[str],
        copies: list[str],
    ) -> Plan:
        body_of_c = joined(self.functions)
        source = native.PRELUDE + "\n" + body_of_c
        names = [f"step{i}" for i in range(len(self.functions))]
        library = native.load(source, names) if names or "bernoulli" in self.scope else None
        self.scope["library"] = library
        pointers = native.table(len(self.slots), self.fixed)
        self.scope |= {"p": pointers, "address": native.ffi().from_buffer, "empty": np.empty}
        self.scope["contiguous"] = np.ascontiguousarray
        self.scope["fixed"] = self.fixed  # the table knows addresses only: this keeps the arrays
        self.scope["n"] = native.numbers(max(len(self.numbers), 1))
        for i in range(len(self.functions)):
            self.scope[f"step{i}"] = getattr(library, f"step{i}")
        body = reads + [f"n[{i}] = v{k}" for k, i in self.numbers.items()] + needed
        for i, get in enumerate(self.slots):
            if get in arguments.values():  # one that lies otherwise in memory is copied first
                body += [f"try: p[{i}] = address({get})", "except ValueError:"]
                body += [f"    {get} = contiguous({get})", f"    p[{i}] = address({get})"]
            elif get:
                body.append(f"p[{i}] = address({get})")
        plan = self.made(arguments, captured, body + self.python + copies, body_of_c, "c")
        plan.at_once = not self.traced.changes or (len(self.functions) == 1 and not copies)
        return plan

    def results(self) -> list[str]:
        """What a run gives: memory of its own, that the next run does not change."""
        grads = [
            value
            for (_, value), target in zip(self.graph.updates, self.traced.targets, strict=True)
            if isinstance(target, (Grad, ArgumentGrad))
        ]
        seen: set[int] = set()
        outputs = []
        for v in (*self.graph.outputs, *grads):
            text = self.as_array(v)
            fresh = v.id in self.fresh and v.id not in seen
            outputs.append(text if fresh else f"{text}.copy()")
            seen.add(v.id)
        return outputs

    def made(
        self,
        arguments: dict[int, str],
        captured: list[Any],
        body: list[str],
        code: str,
        executor: str,
    ) -> Plan:
        """The plan of a Python function with this body."""
        outputs = self.results()
        params = ", ".join(arguments[i] for i in sorted(arguments))
        text = f"def run({params}):\n" + "".join(f"    {line}\n" for line in body)
        text += f"    return ({', '.join(outputs)}{',' if outputs else ''})\n"
        exec(compile(text, f"<graph {self.graph.name}>", "exec"), self.scope)  # noqa: S102  ours
        return Plan(
            self.scope["run"],
            text + "\n" + code,
            tuple(captured),
            len(self.pool.sizes),
            sum(self.pool.sizes),
            threading.Lock(),
            executor,
            self.pieces,
            self.memory,
            frozenset(self.direct),
            tuple(self.pool.sizes),
        )
