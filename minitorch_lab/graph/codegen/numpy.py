"""The NumPy executor: straight-line Python with ``out=`` into planned buffers.

Captured arrays, constants, buffers and views of them are looked up once, when the plan is
built; a run is a list of calls of ufuncs and matrix products. It needs nothing but NumPy, and
the same code runs on CuPy.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from ...device import Device, move, namespace_for
from ..ir import Equation, Graph, Var
from ..passes.flat import JOIN, Flat, Row
from ..plan import TOGETHER, Lifetimes, Pool, elementwise, lifetimes, same_layout
from ..trace import Argument, ArgumentGrad, Captured, Grad, Number, Traced

# Numbers (a learning rate, a step count) stay Python numbers: these are their operators.
NUMBER_CODE = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "pow": "{0} ** {1}",
    "neg": "-{0}",
    "sqrt": "{0} ** 0.5",
    "gt": "{0} > {1}",
    "lt": "{0} < {1}",
    "eq": "{0} == {1}",
}
REDUCTIONS = {"sum": "add", "amax": "maximum", "amin": "minimum", "mean": "add"}


@dataclass(eq=False)
class Plan:
    """A graph made ready: ``run(*argument arrays)`` gives the output arrays.

    ``arrays`` are the arrays of captured tensors that the code holds; when a tensor has got
    another array, the plan must be built anew.
    """

    run: Callable[..., tuple[Any, ...]]
    source: str
    captured: tuple[tuple[Any, Any], ...]  # tensor, its array
    buffers: int
    buffer_bytes: int
    lock: threading.Lock
    executor: str = "numpy"
    pieces: dict[int, list[str]] = field(default_factory=dict)  # first variable of a step -> code
    memory: dict[int, int] = field(default_factory=dict)  # variable -> its buffer
    direct: frozenset[int] = frozenset()  # variables that are written over old state at once
    sizes: tuple[int, ...] = ()  # bytes of each buffer
    kernels: int = 0  # of a CUDA plan: texts that are compiled, and
    launches: int = 0  # how often one of them starts in a run
    at_once: bool = False  # one call of C makes all the changes, or there are none

    def current(self) -> bool:
        """Whether the captured tensors still have the arrays that the plan holds."""
        return all(tensor.array is array for tensor, array in self.captured)


def build(
    traced: Traced, graph: Graph, without: Collection[str] = (), flat: Flat | None = None
) -> Plan:
    """The plan of a graph; ``traced`` says what its inputs and targets are.

    ``flat`` is the same with updates over flat buffers. Where what the updates share is not the
    same in a run, the graph itself runs.
    """
    if flat is None:
        return _Writer(traced, graph, without).plan()
    writer = _Writer(flat.traced, flat.graph, without)
    one_by_one = cache(lambda: _Writer(traced, graph, without).plan())
    writer.shared, writer.otherwise = flat.same, lambda *arrays: one_by_one().run(*arrays)
    plan = writer.plan()
    plan.captured += flat.kept
    return plan


class _Writer:
    """Writes the function line by line."""

    def __init__(self, traced: Traced, graph: Graph, without: Collection[str] = ()) -> None:
        self.traced, self.graph = traced, graph
        self.share = "buffers" not in without  # values may use memory one after the other
        self.apart = TOGETHER in without
        devices = [v.spec.device for v in graph.inputs if not v.spec.number]
        self.at(devices[0] if devices else "cpu")
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {"__name__": "minitorch_lab.graph.generated", "xp": self.xp}
        self.helpers: dict[tuple[str, int], str] = {}
        self.name: dict[int, str] = {}  # variable -> its name in the code
        self.static: dict[int, Any] = {}  # variable -> an array that is the same in each run
        self.buffer: dict[int, int] = {}  # root variable -> its buffer
        self.pool = Pool()
        self.storage: list[Any] = []
        self.life: Lifetimes = lifetimes(graph)
        self.memory: dict[int, int] = {}  # variable -> its buffer
        self.pieces: dict[int, list[str]] = {}  # variable -> the lines that make it
        self.written: dict[int, Any] = {}  # variable -> array that it is written into at once
        self.slots: dict[int, tuple[Equation, int]] = {}  # variable -> the join it is a part of
        self.placed: set[int] = set()  # variables that are made where the join wants them
        self.shared: tuple[Row, ...] = ()  # numbers that have to be equal, or else
        self.otherwise: Callable[..., Any] | None = None  # this runs

    # Names and arrays

    def at(self, device: str) -> None:
        """What is written from here on works on this device."""
        self.device = Device(device)
        self.xp = namespace_for(self.device)

    def bind(self, v: Var, array: Any) -> None:
        """A value whose array is known now."""
        name = f"v{v.id}"
        self.scope[name] = array
        self.name[v.id] = name
        self.static[v.id] = array

    def dynamic(self, v: Var) -> str:
        """A value that each run makes anew."""
        self.name[v.id] = f"v{v.id}"
        return self.name[v.id]

    def helper(self, prefix: str, value: Any) -> str:
        """A name for a function or a constant that the code uses."""
        known = self.helpers.get((prefix, id(value)))
        if known is None:
            known = self.helpers[prefix, id(value)] = f"{prefix}_{len(self.scope)}"
            self.scope[known] = value  # which keeps it alive, so that its id stays its own
        return known

    def use(self, x: Any, dtype: Any = None) -> str:
        """An input in the code; a number next to arrays becomes a 0-d array once, now."""
        if isinstance(x, Var):
            return self.name[x.id]
        if dtype is None:
            finite = not isinstance(x, float) or math.isfinite(x)
            return repr(x) if finite else self.helper("c", x)
        return self.helper("c", move(np.asarray(x, dtype), self.device))

    def allocate(self, e: Equation, index: int) -> Any:
        """An array for the result: its target, a dying input's memory, or a planned buffer."""
        spec = e.out.spec
        if e.out.id in self.written:
            return self.written[e.out.id]
        if elementwise(e) and self.share:
            for x in e.inputs:
                if (
                    isinstance(x, Var)
                    and x.id in self.buffer
                    and self.life.last_use.get(x.id) == index
                    and same_layout(x, e)
                ):
                    self.buffer[e.out.id] = self.memory[e.out.id] = self.buffer.pop(x.id)
                    return self.static[x.id]
        number = self.pool.take(spec.nbytes, spec.device)
        if number == len(self.storage):
            self.storage.append(self.xp.empty(spec.nbytes, np.uint8))
        self.buffer[e.out.id] = self.memory[e.out.id] = number
        return self.storage[number].view(spec.dtype).reshape(spec.shape)

    def release(self, index: int) -> None:
        """Give back the buffers whose last reader was equation ``index``."""
        for root, number in list(self.buffer.items()) if self.share else ():
            if self.life.last_use.get(root, -1) <= index:
                self.pool.give(number)
                del self.buffer[root]

    # The parts of the function

    def plan(self) -> Plan:
        graph = self.graph
        captured = []
        arguments: dict[int, str] = {}
        for v, binding in zip(graph.inputs, self.traced.bindings, strict=True):
            if isinstance(binding, Argument):
                arguments[binding.index] = self.dynamic(v)
            elif isinstance(binding, Captured):
                captured.append((binding.tensor, binding.tensor.array))
                self.bind(v, binding.tensor.array)
            elif isinstance(binding, Number):
                owner = self.helper("owner", binding.owner)
                self.lines.append(f"{self.dynamic(v)} = {owner}[{binding.key!r}]")
        params = ", ".join(arguments[i] for i in sorted(arguments))
        for row in self.shared:
            equal = " == ".join(self.name[v.id] for v in row)
            self.lines.append(
                f"if not ({equal}): return {self.helper('op', self.otherwise)}({params})"
            )
        for v, array in graph.constants:
            self.bind(v, array)
        self.direct_targets()
        self.find_slots()
        fresh = {v.id for v in graph.outputs}
        fresh |= {
            value.id
            for (_, value), target in zip(graph.updates, self.traced.targets, strict=True)
            if isinstance(target, (Grad, ArgumentGrad))
        }
        for i, e in enumerate(graph.equations):
            before = len(self.lines)
            self.equation(i, e, fresh)
            self.pieces[e.out.id] = self.lines[before:]
            if self.apart and self.lines[before:] and not e.out.spec.number:
                self.lines[before:] = [f"begin({i})", *self.lines[before:], f"end({i})"]
            self.release(i)
        self.finish_updates()
        outputs = ", ".join(self.output(v) for v in (*graph.outputs, *self.grads()))
        source = f"def run({params}):\n" + "".join(f"    {line}\n" for line in self.lines)
        source += f"    return ({outputs}{',' if outputs else ''})\n"
        exec(compile(source, f"<graph {graph.name}>", "exec"), self.scope)  # noqa: S102  our own text
        return Plan(
            self.scope["run"],
            source,
            tuple(captured),
            len(self.pool.sizes),
            sum(self.pool.sizes),
            threading.Lock(),
            pieces=self.pieces,
            memory=self.memory,
            direct=frozenset(self.written),
            sizes=tuple(self.pool.sizes),
            at_once=not self.traced.changes,
        )

    def grads(self) -> list[Var]:
        """The values that become gradients."""
        return [
            value
            for (_, value), target in zip(self.graph.updates, self.traced.targets, strict=True)
            if isinstance(target, (Grad, ArgumentGrad))
        ]

    def direct_targets(self) -> None:
        """New state that can be written over the old at once, without a copy at the end.

        Allowed where the equation that makes it is elementwise and nothing reads the old value
        after it.
        """
        made = {e.out.id: i for i, e in enumerate(self.graph.equations)}
        count: dict[int, int] = {}
        for v in self.graph.results:
            count[v.id] = count.get(v.id, 0) + 1
        for (entry, value), target in zip(self.graph.updates, self.traced.targets, strict=True):
            index = made.get(value.id) if self.share else None
            if not isinstance(target, Captured) or index is None or count[value.id] > 1:
                continue
            e = self.graph.equations[index]
            array = target.tensor.array
            reads = self.life.last_use.get(entry.id, -1)
            views = any(
                isinstance(x, Var) and x.id != entry.id and self.life.root.get(x.id) == entry.id
                for x in e.inputs
            )
            if (
                elementwise(e)
                and reads <= index
                and not views
                and array.flags.c_contiguous
                and (array.shape, array.dtype) == (e.out.spec.shape, e.out.spec.dtype)
            ):
                self.written[value.id] = array
                self.written_before(e, index, entry, made)

    def written_before(self, e: Equation, index: int, entry: Var, made: dict[int, int]) -> None:
        """Let the steps on the way to new state use its memory too: ``m.mul_(b).add_(g)``.

        A step may if nothing else reads it and the old state was read for the last time.
        """
        viewed = set(self.life.root.values())
        for x in e.inputs:
            if not isinstance(x, Var) or x.id not in made or not same_layout(x, e):
                continue
            before = made[x.id]
            step = self.graph.equations[before]
            if (
                elementwise(step)
                and self.life.last_use[x.id] == index
                and self.life.last_use.get(entry.id, -1) <= before
                and x.id not in viewed
                and x.id not in self.written
            ):
                self.written[x.id] = self.written[e.out.id]
                self.written_before(step, before, entry, made)
                return

    def equation(self, index: int, e: Equation, fresh: set[int]) -> None:
        """The line for one equation, on the device of what it reads."""
        read = [x.spec for x in e.inputs if isinstance(x, Var) and not x.spec.number]
        self.at((read or [e.out.spec])[0].device)
        if e.out.spec.number:
            code = NUMBER_CODE[e.op.name].format(*(f"({self.use(x)})" for x in e.inputs))
            self.lines.append(f"{self.dynamic(e.out)} = {code}")
            return
        if e.op.view:
            self.view(e)
            return
        if e.op is JOIN:
            self.join(index, e, fresh)
            return
        lines = self.with_out(e)
        if lines is None:
            self.fallback(e)
            return
        if e.out.id in self.slots and e.out.id not in self.written:
            self.at_its_place(index, e.out, fresh)
        elif e.out.id in fresh and e.out.id not in self.written:
            self.make(e.out)
        else:
            self.bind(e.out, self.allocate(e, index))
        self.lines += [line.format(out=self.name[e.out.id]) for line in lines]

    def make(self, v: Var) -> None:
        """Memory of its own in each run, for what the learner keeps."""
        empty = self.helper("empty", self.xp.empty)
        shape, dtype = self.helper("shape", v.spec.shape), self.helper("dtype", v.spec.dtype)
        self.lines.append(f"{self.dynamic(v)} = {empty}({shape}, {dtype})")

    def with_out(self, e: Equation) -> list[str] | None:
        """The lines for an op that can write into an array, with a place for its name."""
        if e.op.ufunc is not None:
            dtype = next(
                (x.spec.dtype for x in e.inputs if isinstance(x, Var) and not x.spec.number), None
            )
            inputs = ", ".join(self.use(x, dtype) for x in e.inputs)
            call = self.helper(e.op.ufunc, getattr(self.xp, e.op.ufunc))
            # by position is quicker, but these two ufuncs want it by name
            out = "out={out}" if e.op.ufunc in ("maximum", "minimum") else "{out}"
            return [f"{call}({inputs}, {out})"]
        if e.op.name == "matmul":
            two = all(len(x.spec.shape) == 2 for x in e.inputs)
            call = self.helper("dot", self.xp.dot) if two else self.helper("matmul", self.xp.matmul)
            return [f"{call}({self.use(e.inputs[0])}, {self.use(e.inputs[1])}, out={{out}})"]
        if e.op.name in REDUCTIONS:
            x = e.inputs[0]
            reduce = getattr(self.xp, REDUCTIONS[e.op.name]).reduce
            call = (
                f"{self.helper('reduce', reduce)}({self.use(x)}, {_axis(e)}, None, {{out}}, "
                f"{e.attrs['keepdim']})"
            )
            if e.op.name != "mean":
                return [call] if x.spec.dtype == e.out.spec.dtype else None
            count = x.spec.size // max(e.out.spec.size, 1)
            if not count:
                return None  # the mean of nothing: NaN without a warning, as in eager mode
            divide = self.helper("true_divide", self.xp.true_divide)
            return [call, f"{divide}({{out}}, {self.use(count, e.out.spec.dtype)}, {{out}})"]
        if e.op.name == "to":
            call = self.helper("copyto", self.xp.copyto)
            return [f"{call}({{out}}, {self.use(e.inputs[0])}, 'unsafe')"]
        return None

    # Values side by side

    def find_slots(self) -> None:
        """The places of values that are joined: they are written there at once."""
        for e in self.graph.equations:
            if e.op is JOIN:
                last, start = self.life.last_use, 0
                for x in e.inputs:
                    if self.life.root.get(x.id, x.id) == x.id:
                        self.slots.setdefault(x.id, (e, start))
                        last[e.out.id] = max(last[e.out.id], last[x.id])
                    start += x.spec.size

    def memory_of(self, index: int, e: Equation, fresh: set[int]) -> None:
        """Memory for a join: of its own in each run where the learner keeps a part of it."""
        if e.out.id in self.name:
            return
        if fresh.isdisjoint(x.id for x in e.inputs):
            self.bind(e.out, self.allocate(e, index))
        else:
            self.make(e.out)

    def at_its_place(self, index: int, v: Var, fresh: set[int]) -> None:
        """Memory for a value in the join that it is a part of."""
        e, start = self.slots[v.id]
        self.placed.add(v.id)
        self.memory_of(index, e, fresh)
        whole = self.static.get(e.out.id)
        if whole is not None:
            self.bind(v, whole[start : start + v.spec.size].reshape(v.spec.shape))
            return
        part = f"{self.name[e.out.id]}[{start}:{start + v.spec.size}]"
        shape = "" if len(v.spec.shape) == 1 else f".reshape({v.spec.shape})"
        self.lines.append(f"{self.dynamic(v)} = {part}{shape}")

    def join(self, index: int, e: Equation, fresh: set[int]) -> None:
        """Copy what is not at its place yet."""
        self.memory_of(index, e, fresh)
        copyto, start = self.helper("copyto", self.xp.copyto), 0
        for x in e.inputs:
            if self.slots.get(x.id) != (e, start) or x.id not in self.placed:
                part = f"{self.name[e.out.id]}[{start}:{start + x.spec.size}]"
                self.lines.append(f"{copyto}({part}.reshape({x.spec.shape}), {self.use(x)})")
            start += x.spec.size

    def view(self, e: Equation) -> None:
        """A view of a known array is made now; of an array of a run, in the run."""
        x = e.inputs[0]
        array = self.static.get(x.id)
        if array is not None:
            made = e.op.forward(self.xp, array, **e.attrs)
            if made.size == 0 or self.xp.shares_memory(made, array):
                self.bind(e.out, made)
                return
        self.fallback(e)

    def fallback(self, e: Equation) -> None:
        """An op without an ``out=`` form runs as in eager mode."""
        forward = self.helper("op", e.op.forward)
        attrs = self.helper("attrs", e.attrs)
        xp = "xp" if self.xp is self.scope["xp"] else self.helper("xp", self.xp)
        inputs = ", ".join([xp, *(self.use(x) for x in e.inputs)])
        spread = f", **{attrs}" if e.attrs else ""
        self.lines.append(f"{self.dynamic(e.out)} = {forward}({inputs}{spread})")

    def finish_updates(self) -> None:
        """What is not written in place is copied now, after everything has been read."""
        copies, stores = [], []
        for (_, value), target in zip(self.graph.updates, self.traced.targets, strict=True):
            if isinstance(target, Number):
                owner = self.helper("owner", target.owner)
                text = self.name[value.id] if value.spec.number else f"{self.name[value.id]}.item()"
                stores.append(f"{owner}[{target.key!r}] = {text}")
            elif isinstance(target, Captured) and value.id not in self.written:
                self.at(value.spec.device)
                copyto = self.helper("copyto", self.xp.copyto)
                name = self.helper("target", target.tensor.array)
                copies.append((copyto, name, self.name[value.id]))
        if len(copies) > 1:  # one may be the source of another: read all before writing any
            for i, (*_, source) in enumerate(copies):
                self.lines.append(f"new{i} = {source}.copy()")
            copies = [(copyto, name, f"new{i}") for i, (copyto, name, _) in enumerate(copies)]
        self.lines += [f"{copyto}({name}, {source})" for copyto, name, source in copies]
        self.lines += stores

    def output(self, v: Var) -> str:
        """An output: memory of its own, so that the next run does not change it."""
        name = self.name[v.id]
        return f"{name}.copy()" if v.id in self.static else name


def _axis(e: Equation) -> str:
    dim = e.attrs["dim"]
    return repr(dim[0] if len(dim) == 1 else dim)
