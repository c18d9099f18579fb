"""The CUDA executor: each loop of the schedule becomes a kernel, which CuPy compiles and launches.

The bodies come from the writer of C loops. What differs is who does the work: rows, or entries
where a loop has no rows, go to the threads of a grid, and the threads that share a row put
together what each has gathered. Ops that are no loop have kernels in ``calls``; large matrix
products are CuPy's, and the rest runs as in eager mode. Everything stays in fixed memory, so that
the kernels between two steps of CuPy can be captured as one CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ...device import CUDA, first_line, move, namespace_for, to_host
from ...device.copies import TO_GPU, begin, note
from .. import fuse
from ..fuse import Loop, Part, Single, Step, expression
from ..ir import Equation, Graph, Var
from ..trace import Traced
from . import c, native
from .calls import BLOCK, CALLS, FILL, Kernel, copied
from .loops import LoopWriter
from .numpy import Plan
from .routines import COPIES
from .text import C_TYPES, REFUSES, Place, Text, canonical

COMMON = "/* float16 ---"  # from here on the two preludes are one
PRELUDE = Path(__file__).with_name("prelude.cu").read_text(encoding="utf-8")
PRELUDE += "\n" + COMMON + native.PRELUDE.partition(COMMON)[2]
NARROW, WARP = 8, 32  # entries of a row that one thread takes; threads of a warp
FEW, LONG = 64, 1 << 14  # so few rows that are so long are shared by many blocks
JOIN = {"amax": "lab_max()", "amin": "lab_min()"}


def build(traced: Traced, graph: Graph, without: Collection[str] = ()) -> Plan:
    """The plan of a graph whose values are on a CUDA device."""
    return _Writer(traced, graph, without).plan()


def writable(graph: Graph) -> bool:
    """Whether all is computed on a CUDA device, in types that C has.

    What comes from the CPU may be moved to the device, or handed back as it came.
    """
    values = [*(v for _, v in graph.updates), *(e.out for e in graph.equations)]
    for e in graph.equations:
        if e.op.name != "to_device":
            values += [x for x in e.inputs if isinstance(x, Var)]
    kinds = {(v.spec.device, str(v.spec.dtype)) for v in values if not v.spec.number}
    return bool(kinds) and all(d == "cuda" and dtype in C_TYPES for d, dtype in kinds)


# Loops that one kernel can hold --------------------------------------------------------------


def schedule(graph: Graph, without: Collection[str] = ()) -> tuple[list[Step], list[Equation]]:
    """The steps that compute a graph, each loop as one kernel, and the views."""
    steps, views = fuse.schedule(graph, {*without, "tile"})
    return [kernel for step in steps for kernel in cut(step)], views


def cut(step: Step) -> list[Step]:
    """A step as kernels: a sum over rows is one of its own, and so is each stage of long rows.

    A kernel cannot wait for all of its blocks, and such a sum needs what all of them find.
    """
    if not isinstance(step, Loop):
        return [step]
    rows = prod(step.shape[: step.split]) if step.split is not None else 0
    if step.split is not None and rows <= FEW and prod(step.shape[step.split :]) >= LONG:
        stages = range(1 + max(p.stage for p in step.parts))
        return [
            new for k in stages for new in _stage(step, [p for p in step.parts if p.stage == k])
        ]
    together = [p for p in step.parts if p.level != "total"]
    first: list[Step] = [Loop(step.shape, step.split, together)] if together else []
    if not any(p.level == "fold" for p in together) and together:
        first = [Loop(step.shape, None, together)]
    return first + [_alone(step, p) for p in step.parts if p.level == "total"]


def _alone(loop: Loop, part: Part) -> Step:
    """A sum or an extreme, from entries that are in memory."""
    return Loop(loop.shape, None, [Part(part.equation, 0, "fold")])


def _stage(loop: Loop, parts: list[Part]) -> list[Step]:
    made: list[Step] = []
    for shape, level in ((loop.rows, "row"), (loop.shape, "entry")):
        own = [Part(p.equation, 0, "entry") for p in parts if p.level == level]
        if own and shape is not None:
            made.append(Loop(shape, None, own))
    return made + [_alone(loop, p) for p in parts if p.level in ("fold", "total")]


# Kernels -------------------------------------------------------------------------------------


class KernelWriter(LoopWriter):
    """The CUDA text of one loop."""

    ONE = "if (first) "
    BLOCKS = False  # the threads are the blocks

    def __init__(self, writer: _Writer, loop: Loop) -> None:
        super().__init__(writer, loop)
        self.t = Text(depth=0)
        self.params: dict[str, int] = {}  # a declaration -> its value
        folds = [p for p in loop.parts if p.level == "fold"]
        self.dims: tuple[int, ...] = folds[0].equation.attrs["dim"] if folds else ()
        self.folded = bool(folds)
        self.alone = self.folded and len(loop.parts) == 1
        self.column = False
        self.each = "row" if folds else "entry"

    def kernel(self) -> Kernel:
        """The whole kernel, and how it is launched."""
        self.write()
        head, *body = self.t.lines
        declared = ["long long count", *self.params]
        lines = f'extern "C" __global__ void NAME({", ".join(declared)})\n{{\n'
        text = canonical(lines + "\n".join(body) + "\n")
        values = [self.rows, *self.params.values()]
        kernel = Kernel(text, head.partition("// ")[2], *self.launch(), values)
        return replace(kernel, refuses=any(_refuses(p.equation) for p in self.loop.parts))

    # What the threads share

    def _sides(self, split: int) -> tuple[Iterable[int], Iterable[int]]:
        every = range(len(self.shape))
        return [d for d in every if not self.folded or d not in self.dims], [
            d for d in every if self.folded and d in self.dims
        ]

    def _axes(self, split: int) -> tuple[list[Any], list[Any]]:
        outer, inner = map(_named, super()._axes(split), (self.each, "i"))
        self.rows, self.entries = (prod(n for _, n, _ in axes) for axes in (outer, inner))
        if self.alone and outer and inner and self.entries > NARROW:
            # the rows lie side by side: neighbours read neighbouring entries
            strides = next(iter(self.strides.values()))
            near, far = (abs(strides[axes[-1][2][-1]]) for axes in (outer, inner))
            self.column = 0 < near < far
        return outer, inner

    def launch(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Blocks and threads, each along x and y."""
        if self.column:
            block = (WARP, BLOCK // WARP)
        elif self.entries <= NARROW:
            block = (1, BLOCK)
        else:
            block = (WARP, BLOCK // WARP) if self.entries <= 4 * BLOCK else (BLOCK, 1)
        in_a_row = block[1] if self.column else block[0]
        blocks = min(-(-self.rows // (BLOCK // in_a_row)), (1 << 16) - 1)
        parts = 1
        if self.alone:  # more blocks for a row, as long as each thread has some entries
            parts = min(FEW, -(-FILL // blocks), max(self.entries // (NARROW * in_a_row), 1))
            self.w.shared(parts * self.rows if parts > 1 else 0)
        return (blocks, parts), block

    @property
    def index(self) -> str:
        """The type of an index: int where all memory can be reached with it."""
        ends = [
            sum((n - 1) * abs(s) for n, s in zip(self.shape, strides, strict=True))
            for strides in self.strides.values()
        ]
        return "int" if max([*ends, self.rows * self.entries]) < 1 << 30 else "long long"

    def _decode(self, whole: str, axes: list[Any]) -> None:
        """The place along each axis, from the number of a row or of an entry."""
        if len(axes) == 1:
            return
        below = 1
        for k, (name, n, _) in reversed(list(enumerate(axes))):
            place = whole if below == 1 else f"{whole} / {below}"
            self.t.add(f"const {self.index} {name} = {place}{f' % {n}' if k else ''};")
            below *= n

    def _open(self, axes: list[Any]) -> int:
        t, kind = self.t, self.index
        if self.column:
            t.add(
                f"for ({kind} start = blockIdx.x * blockDim.x; start < count; "
                "start += gridDim.x * blockDim.x) {"
            )
            t.depth += 1
            t.add(f"const {kind} own = start + threadIdx.x;")
            t.add(f"const {kind} row = own < count ? own : count - 1;  // they stay together")
            t.add("bool first = threadIdx.y == 0 && own < count;")
        else:
            t.add(
                f"for ({kind} {self.each} = blockIdx.x * blockDim.y + threadIdx.y; "
                f"{self.each} < count; {self.each} += gridDim.x * blockDim.y) {{"
            )
            t.depth += 1
            if self.folded:
                t.add("bool first = threadIdx.x == 0;")
        self._decode(self.each, axes)
        return 1

    def _enter(self, axes: list[Any], gathered: list[Part]) -> int:
        t, way = self.t, "xy"[self.column]
        if not axes:
            return 0
        start, step = f"threadIdx.{way}", f"blockDim.{way}"
        if self.alone:
            start, step = f"blockIdx.y * {step} + {start}", f"gridDim.y * {step}"
        t.add(f"for ({self.index} i = {start}; i < {self.entries}; i += {step}) {{")
        t.depth += 1
        self._decode("i", axes)
        return 1

    def _whole(self, value: str, p: Part) -> str:
        join = JOIN.get(p.equation.op.name, "lab_plus()")
        value = f"{'lab_column' if self.column else 'lab_row'}({value}, {join})"
        if not self.alone:
            return value
        self.params |= {"double *parts": self.w.PARTS, "unsigned *arrived": self.w.ARRIVED}
        return f"lab_blocks({value}, {join}, first, parts, arrived, row, count)"

    # What a kernel is given

    def _declare(self, kind: str, name: str, place: Place) -> None:
        self.params[kind + name] = self.w.address(place)

    def _number(self, k: int) -> str:
        self.params[f"const double *n{k}"] = self.w.numbers_at(k)
        return f"*n{k}"


def _named(axes: list[Any], name: str) -> list[Any]:
    """A single axis under the name of the loop itself."""
    return [(name, n, dims) for _, n, dims in axes] if len(axes) == 1 else axes


# The plan ------------------------------------------------------------------------------------


class Launches:
    """Kernels one after another; from the second run on they are one CUDA graph.

    The first run has loaded them, and their arguments never change.
    """

    def __init__(self, xp: Any, calls: list[Callable[[], Any]]) -> None:
        self.xp, self.calls = xp, calls
        self.graph: Any = None
        self.tries = 0

    def __call__(self) -> None:
        """Let the device do the work; nobody waits for it."""
        if self.graph is None and self.tries == 1 and len(self.calls) > 1:
            self.graph = self.captured()
        self.tries += 1
        if self.graph is not None:
            self.graph.launch()
            return
        for call in self.calls:
            call()

    def captured(self) -> Any:
        """The graph of the calls, of which none runs now; None where that cannot be."""
        try:
            stream = self.xp.cuda.Stream(non_blocking=True)
            with stream:
                stream.begin_capture()
                try:
                    for call in self.calls:
                        call()
                finally:
                    graph = stream.end_capture()
            return graph
        except Exception:  # noqa: BLE001  launched one by one they do the same
            return None


class Numbers:
    """The table of Python numbers (learning rates, counts of steps) on the device."""

    def __init__(self, xp: Any, count: int) -> None:
        self.table = xp.zeros(max(count, 1), np.float64)
        self.now: tuple[float, ...] | None = None

    def __call__(self, *values: float) -> None:
        """Bring them where they have changed."""
        if values != self.now:
            begin(TO_GPU)
            self.table.set(np.array(values, np.float64))
            note(TO_GPU, self.table)
            self.now = values


class _Writer(c._Writer):
    """Writes the kernels, and the Python function that launches them."""

    schedule = staticmethod(schedule)
    PARTS, ARRIVED, NUMBERS = -1, -2, -3  # stand for addresses that are not known yet

    def __init__(self, traced: Traced, graph: Graph, without: Collection[str] = ()) -> None:
        super().__init__(traced, graph, without)
        self.xp = namespace_for(CUDA)
        self.scope["np"] = self.xp  # the Python between the kernels is that of the CPU
        self.array: dict[int, Any] = {}  # variable -> its array on the device
        self.kernels: dict[str, str] = {}  # text -> name
        self.lines: dict[str, list[str]] = {}  # name -> the learner's lines
        self.pending: list[Kernel] = []
        self.groups: list[list[Kernel]] = []
        self.host: dict[int, str] = {}  # arguments on the CPU -> their names
        self.brought: list[str] = []
        self.moved = {
            e.out.id
            for e in graph.equations
            if e.op.name == "to_device" and e.inputs[0].spec.device == "cpu"
        }
        self.parts = 0  # the most places that a sum over several blocks needs
        self.refusing: set[str] = set()  # kernels that may come upon a value that an op refuses

    # Memory: all of it stays where it is

    def fix(self, v: Var, array: Any) -> None:
        """A value in memory that stays where it is."""
        n = self.slot("")
        self.fixed.append((n, array))
        self.array[v.id] = array
        like = np.lib.stride_tricks.as_strided(
            np.empty(1, array.dtype), array.shape, array.strides
        )  # never touched: its layout is asked for
        self.place[v.id] = Place(n, 0, like)

    def bring(self, v: Var, name: str) -> None:
        """An argument: copied to where the kernels look for it, or left on the CPU."""
        if v.spec.device == "cpu":
            self.fix(v, np.empty(v.spec.shape, v.spec.dtype))
            self.host[v.id] = name
            return
        self.fix(v, self.xp.empty(v.spec.shape, v.spec.dtype))
        self.brought.append(f"np.copyto({self.as_array(v)}, {name})")

    def constant(self, array: Any) -> Any:
        return self.xp.ascontiguousarray(move(array, CUDA))

    def kept(self) -> set[int]:
        """None: what the learner keeps is copied."""
        return set()

    def locate(self, v: Var, needed: list[str]) -> None:
        if v.id in self.moved:  # it is there before the first kernel
            self.fix(v, self.xp.empty(v.spec.shape, v.spec.dtype))
        else:
            super().locate(v, needed)

    def allocate(self, v: Var) -> None:
        number = self.pool.take(v.spec.nbytes)
        if number == len(self.storage):
            self.storage.append(self.xp.empty(v.spec.nbytes, np.uint8))
        self.buffer[v.id] = self.memory[v.id] = number
        self.fix(v, self.storage[number].view(v.spec.dtype).reshape(v.spec.shape))

    def make_view(self, e: Equation) -> None:
        """The place of a view; one that has to copy does so in each run."""
        x = self.array[e.inputs[0].id]
        made = e.op.forward(self.xp, x, **e.attrs)
        if made.size == 0 or self.xp.shares_memory(made, x):
            self.fix(e.out, made)
            return
        self.fix(e.out, self.xp.empty(e.out.spec.shape, e.out.spec.dtype))
        self.single(Single(e))

    def copy_into(self, to: Place, x: Place, out: Any) -> None:
        """The entries of ``x``, copied to another place of the same shape."""
        self.add(copied(self, self.now, replace(to, array=out), x))

    def as_array(self, x: Any) -> str:
        """A value in the Python code."""
        if isinstance(x, Var) and x.id in self.host:
            return self.host[x.id]
        if isinstance(x, Var) and not x.spec.number:
            self.scope[f"w{x.id}"] = self.array[x.id]
            return f"w{x.id}"
        return super().as_array(x)

    def address(self, place: Place) -> int:
        return int(self.fixed[place.slot][1].data.ptr) + place.offset * place.array.itemsize

    def numbers_at(self, k: int) -> int:
        """The address of a Python number, which is known when all have been counted."""
        return self.NUMBERS - k

    def shared(self, parts: int) -> None:
        """Memory for the parts of sums that several blocks share."""
        self.parts = max(self.parts, parts)

    # Steps

    def emit(self, step: Step) -> None:
        if isinstance(step, Single):
            self.single(step)
            return
        assert isinstance(step, Loop)  # there are no tiles here
        self.add(KernelWriter(self, step).kernel())

    def add(self, kernel: Kernel) -> None:
        """A launch; kernels with the same text are one."""
        name = self.kernels.setdefault(kernel.text, f"{kernel.stem}{len(self.kernels)}")
        known = self.lines.setdefault(name, [])
        known += [line for line in kernel.where.split(", ") if line and line not in known]
        self.pending.append(kernel)
        self.text.lines += kernel.text.replace("NAME", name).splitlines()
        if kernel.refuses:
            self.refusing.add(name)

    def single(self, step: Single) -> None:
        e = step.equation
        self.now = step
        if e.out.id in self.moved:
            x = self.as_array(e.inputs[0])
            self.brought.append(f"np.copyto({self.as_array(e.out)}, to_gpu({x}))")
            self.scope["to_gpu"] = partial(move, device=CUDA)
            return
        if e.op.view or e.op.name in COPIES:
            super().single(step)  # it asks copy_into for all of it
            return
        kernels = CALLS[e.op.name](self, step) if e.op.name in CALLS else None
        if kernels is not None:
            for kernel in kernels if isinstance(kernels, list) else [kernels]:
                self.add(kernel)
            return
        self.flush()
        if e.op.name == "matmul" and e.out.spec.dtype.kind == "f":
            a, b, out = (self.as_array(x) for x in (*e.inputs, e.out))
            flat = all(x.spec.ndim == 2 for x in e.inputs)
            self.python.append(f"np.{'dot' if flat else 'matmul'}({a}, {b}, out={out})")
            return
        self.between(e)

    def flush(self) -> None:
        """End the run of launches that is being gathered."""
        if self.pending:
            self.python.append(f"launch{len(self.groups)}()")
            self.groups.append(self.pending)
            self.pending = []

    # The end

    def assemble(
        self,
        arguments: dict[int, str],
        captured: list[Any],
        reads: list[str],
        needed: list[str],
        copies: list[str],
    ) -> Plan:
        xp, body = self.xp, reads + self.brought
        numbers = Numbers(xp, len(self.numbers))
        if self.numbers:
            self.scope["numbers"] = numbers
            body.append(f"numbers({', '.join(f'v{v}' for v in self.numbers)})")
        parts, arrived = (
            xp.empty(max(self.parts, 1), np.float64),
            xp.zeros(max(self.parts, 1), np.uint32),
        )
        self.fixed += [(-1, x) for x in (parts, arrived)]
        self.scope["fixed"] = self.fixed  # kernels know addresses only: this keeps the arrays
        at = {self.PARTS: parts.data.ptr, self.ARRIVED: arrived.data.ptr}
        at |= {self.NUMBERS - k: numbers.table.data.ptr + 8 * k for k in range(len(self.numbers))}
        code = self.code()
        made = functions(xp, PRELUDE + code, [*self.kernels.values(), "lab_told"])
        for i, group in enumerate(self.groups):
            calls = [_launcher(made[self.kernels[kernel.text]], kernel, at) for kernel in group]
            self.scope[f"launch{i}"] = Launches(xp, calls)
        body += self.python
        if self.refusing:
            told = self.scope["told"] = xp.zeros(1, np.int32)
            self.scope["to_cpu"] = to_host
            ask = Kernel("", "", (1, 1), (1, 1), [int(told.data.ptr)])
            self.scope["ask"] = _launcher(made["lab_told"], ask, {})
            body.insert(0, "ask()")  # a run before may have ended before it asked
            body += ["ask()", "if to_cpu(told)[0]: raise ValueError('a value is out of range')"]
        plan = self.made(arguments, captured, body + copies, code, "cuda")
        launches = sum(len(group) for group in self.groups)
        return replace(plan, kernels=len(self.kernels), launches=launches)

    def code(self) -> str:
        """The kernels, each under the learner's lines that it comes from."""
        out = []
        for text, name in self.kernels.items():
            lines = self.lines[name]
            more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
            where = f"// {', '.join(lines[:3])}{more}\n" if lines else ""
            if self.refusing and name not in self.refusing:
                text = text.replace("\n{\n", f"\n{{\n    {UNLESS_REFUSED}\n", 1)
            out.append(where + text.replace("NAME", name, 1))
        return "\n".join(out)


def _launcher(function: Any, kernel: Kernel, at: dict[int, int]) -> Callable[[], None]:
    values = tuple(at.get(x, x) for x in kernel.values)
    grid, block = kernel.grid, kernel.block
    return lambda: function(grid, block, values)


def functions(xp: Any, code: str, names: list[str]) -> dict[str, Any]:
    """The kernels of a text, ready to launch; NoCompiler where CuPy cannot make them."""
    try:
        module = xp.RawModule(code=code)
        return {name: module.get_function(name) for name in names}
    except Exception as error:  # noqa: BLE001  whatever it is, it is the reason
        raise native.NoCompiler(f"CuPy cannot compile kernels: {first_line(error)}") from None


# What comes after a value that an op has refused changes nothing. A kernel that may refuse one
# itself goes on, to keep its threads together.
UNLESS_REFUSED = "if (lab_wrong) return;"


def _refuses(e: Equation) -> bool:
    """Whether an equation may come upon a value that its op refuses, such as a division by 0."""
    text = expression(e) or ""
    known = REFUSES.search(text) is not None
    return known and (e.out.spec.dtype.kind != "f" or "lab_bce" in text)
