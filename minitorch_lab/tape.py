"""The tape: what Record writes down, and the backward walk over it.

A node stands for one call of an op. The walk goes from the last node to the first by their ids
with a heap, so that a chain of 100,000 ops needs no deep stack. It knows nodes, and of tensors
only that they have ``array``, ``node`` and ``requires_grad``.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from math import inf
from operator import add as plus
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from .device import out_of_memory
from .errors import GradError, LabError, ShapeError
from .errors import caller as caller
from .op import COMPUTE, INTERPRETER, OPS, Op, Spec, current

NUMBERS = frozenset((int, float, bool))

# One clock for nodes and in-place changes: what has a later time than a node happened after it.
tick = count(1).__next__

# The dotted path of the module that is running: "Net.fc1".
SCOPE: ContextVar[str] = ContextVar("scope", default="")


def _shell() -> Any:
    """The IPython shell that this code runs in, or None."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


class Settings:
    """``sources``: whether a node keeps the line of the learner that made it.

    On in a notebook, where the explorer shows it; the benchmark tells what it costs.
    """

    sources: bool = _shell() is not None
    # What looks at each step of a backward walk, and may raise: autograd.detect_anomaly.
    watch: Callable[[Iterator[Step]], Iterator[Step]] | None = None
    # What runs the rules of an ordinary backward pass: the allocator theatre looks at results.
    compute: Any = COMPUTE


# How often hooks of leaves were added or removed, and whether anomaly mode is on. A traced
# backward pass holds for one such state only.
WATCHED = "gradient hooks and detect_anomaly"
WATCH: dict[str, tuple[int, bool]] = {WATCHED: (0, False)}
# How often hooks of modules were added or removed: a graph holds what they computed.
OF_MODULES = "hooks of modules"
MODULE_HOOKS = {OF_MODULES: 0}
# How often an attribute of a module was set: a graph has baked the numbers in.
SET = "attributes of modules"
ATTRIBUTES = {SET: 0}


# Names of code that stands for lines of a file, and not for a function: the file itself, and what
# the layer of a Keras model is called through.
LAYER = "<layer>"
LINES = ("<module>", LAYER)


class Freed:
    """Stands in a freed node for an input whose values backward() let go."""

    __slots__ = ("name", "node", "requires_grad", "version")
    array = None

    def __init__(self, value: Any) -> None:
        self.node: Node = value.node
        self.name: str | None = value.name
        self.requires_grad: bool = value.requires_grad
        self.version = value.version

    @property
    def spec(self) -> Spec:
        """Shape and dtype of the value that was here."""
        return self.node.spec

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return self.node.spec.shape

    @property
    def dtype(self) -> Any:
        """The NumPy dtype."""
        return self.node.spec.dtype


class Node:
    """One call of an op: a node of the graph that backward walks.

    ``y`` is the value of the output until backward() frees it, after that its Spec.
    """

    __slots__ = ("__weakref__", "attrs", "hooks", "id", "inputs", "op", "scope", "source", "y")
    hooked = False

    id: int
    op: Op
    inputs: tuple[Any, ...]  # tensors, numbers; Freed after backward()
    attrs: dict[str, Any]
    scope: str
    source: tuple[CodeType, int] | None
    y: Any
    hooks: dict[Any, Callable[[Any], Any]]  # of a HookedNode: gradient -> gradient

    def name(self) -> str:
        """The name that PyTorch prints for the backward of the op: ``MulBackward0``."""
        if self.op.name not in OPS:  # a Function of the learner
            return f"{self.op.name}Backward"
        known = {"reshape": "view", "to": "to_copy", "matmul": "mm"}
        return "".join(w.capitalize() for w in known.get(self.op.name, self.op.name).split("_")) + (
            "Backward0"
        )

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """For each tensor that went in: the node that made it, and 0.

        A leaf that requires grad gives an AccumulateGrad, other tensors give None.
        """
        found: list[tuple[Any, int]] = []
        for x in self.inputs:
            if x.__class__ not in NUMBERS:
                x = at_time(x, self.id)
                leaf = AccumulateGrad(x) if x.requires_grad else None
                found.append((leaf if x.node is None else x.node, 0))
        return tuple(found)

    @property
    def freed(self) -> bool:
        """Whether backward() has let the values go."""
        return self.y.__class__ is Spec

    @property
    def spec(self) -> Spec:
        """Shape, dtype and device of the output."""
        y = self.y
        if isinstance(y, Spec):
            return y
        from_value = getattr(y, "spec", None)
        return from_value if from_value is not None else Spec(tuple(y.shape), y.dtype)

    def free(self) -> None:
        """Let the values go; shapes, names and the structure stay for the explorer."""
        self.y = self.spec
        self.inputs = tuple(
            x if x.__class__ in NUMBERS or x.node is None else Freed(x) for x in self.inputs
        )

    def __repr__(self) -> str:
        return f"<{self.op.name} {self.spec}>"


class AccumulateGrad:
    """The end of the graph at a leaf: backward() adds up the gradient in ``variable.grad``."""

    next_functions = ()

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def name(self) -> str:
        """What it is."""
        return "AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad {self.variable.spec}>"


class HookedNode(Node):
    """A node with hooks: the gradient of its output goes through them first.

    A node takes this class when it gets its first hook, so that the others pay nothing.
    """

    __slots__ = ()
    hooked = True


class RemovableHandle:
    """What registering a hook gives back: ``remove()`` takes the hook away.

    As a ``with`` block it removes the hook at the end of the block.
    """

    def __init__(self, hooks: dict[Any, Any], changed: Callable[[], None] | None) -> None:
        self.id = tick()
        self._hooks = hooks
        self._changed = changed  # what is told of it

    def remove(self) -> None:
        """Take the hook away; doing so twice is no error."""
        if self._hooks.pop(self.id, None) is not None and self._changed is not None:
            self._changed()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def leaf_hooks_changed() -> None:
    """A hook of a leaf came or went: walks look for them from now on."""
    changes, anomaly = WATCH[WATCHED]
    WATCH[WATCHED] = (changes + 1, anomaly)


def module_hooks_changed() -> None:
    """A hook of a module came or went: graphs that hold modules are traced anew."""
    MODULE_HOOKS[OF_MODULES] += 1


class Location(NamedTuple):
    """Where a node was made: ``cell`` is "cell 7" or a file's name, ``text`` the line itself."""

    cell: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.cell} line {self.line}"


def location(node: Any) -> Location | None:
    """The learner's line that made a node or an equation; None where it was not recorded."""
    if getattr(node, "source", None) is None:
        return None
    return locate(*node.source)


def locate(code: CodeType, instruction: int) -> Location:
    """The line of an instruction in a code object."""
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= instruction < end and number is not None:
            line = number
    name = code.co_filename
    return Location(cell_name(name), line, linecache.getline(name, line).strip())


def cell_name(filename: str) -> str:
    """ "cell 7" for a notebook cell, the file's name for a file."""
    shell = _shell()
    if shell is not None:
        number = getattr(shell.compile, "_filename_map", {}).get(filename)
        if number is not None:
            return f"cell {number}"
    return Path(filename).name


# Backward ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the backward walk: a node, the gradient of its output, what it passes on."""

    node: Node
    incoming: Any
    contributions: list[tuple[int, Any, Any]]  # input's index, input, gradient


def undo_broadcast(g: Any, shape: tuple[int, ...], reduce_sum: Op, reshape: Op) -> Any:
    """Sum ``g`` over what broadcasting repeated: one place for all ops."""
    lead = len(g.shape) - len(shape)
    axes = [*range(lead)]
    axes += [i + lead for i, n in enumerate(shape) if n == 1 and g.shape[i + lead] != 1]
    if axes:
        g = reduce_sum(g, tuple(axes), True)
    return reshape(g, tuple(shape)) if tuple(g.shape) != tuple(shape) else g


def by_time() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The last node first: when a node's turn comes, all of its gradient has arrived."""
    return heappush, heappop


class Engine(NamedTuple):
    """How a backward pass puts gradients together.

    The default is the right way; ``autograd/broken.py`` has engines with a mistake each.
    """

    name: str = ""  # of what is broken; "" for nothing
    add: Callable[[Any, Any], Any] = plus  # what has arrived, and what arrives now
    undo: Callable[..., Any] = undo_broadcast
    order: Callable[[], tuple[Callable[..., Any], Callable[..., Any]]] = by_time
    clears: bool = True  # whether zero_grad() does its work
    keeps: bool = True  # whether retain_grad() keeps what it sees; not where one only looks


RIGHT = Engine()
ENGINE: ContextVar[Engine] = ContextVar("engine", default=RIGHT)


class _EngineName:
    """Reads like a dict, so that a graph can guard which engine its backward pass is from."""

    def get(self, key: str) -> str:
        return ENGINE.get().name

    __getitem__ = get


_ENGINE_NAME = _EngineName()


def engine() -> Engine:
    """The engine of this place of the program; a graph that is traced now holds for it only."""
    current().fixed(_ENGINE_NAME, "lab.broken")
    return ENGINE.get()


def at_time(x: Any, time: int | float) -> Any:
    """The tensor as it was at ``time``: before the in-place op of that time and later ones.

    An in-place op moves the tensor to a new node, whose first input stands for the old state.
    """
    while x.node is not None and x.node.id >= time:
        x = x.node.inputs[0]
    return x


def outdated(x: Any) -> bool:
    """Whether ``x`` is a view whose memory was changed in place after its node was made.

    Such a node tells where in its base the view lies, but not what the base was computed from.
    """
    node = x.node
    return (
        node is not None
        and node.op.view
        and x.version[0] > node.id
        and not node.freed
        and node.inputs[0].version is x.version
    )


def to_base(x: Any, g: Any, time: int | float, value_of: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Lead the gradient of an outdated view to its base, as the base was at ``time``."""
    while outdated(x):
        node = x.node
        parent = node.inputs[0]
        g = node.op.rule(0)(g, None, value_of(parent), **node.attrs)
        if tuple(g.shape) != tuple(parent.shape):
            g = undo_broadcast(g, tuple(parent.shape), OPS["sum"], OPS["reshape"])
        x = at_time(parent, time)
    return x, g


def walk(
    root: Any,
    gradient: Any,
    value_of: Callable[[Any], Any],
    output_of: Callable[[Node], Any],
    free: bool,
    since: int = 0,
    after: Callable[[Step], Step] = lambda step: step,
) -> Iterator[Step]:
    """Go backward from ``root`` and yield each step; ``after`` is called as soon as it is done.

    ``value_of`` and ``output_of`` say what the rules get: plain arrays in an ordinary backward
    pass, tensors where the gradients shall be differentiated or traced. With ``since`` it is a
    part of another walk, which stops at nodes from before that time and leaves hooks to it.
    """
    if since:
        return map(after, _walk(root, gradient, value_of, output_of, free, since))
    current().fixed(WATCH, WATCHED)  # a graph with other hooks is another graph
    engine()
    return _watched(map(after, _walk(root, gradient, value_of, output_of, free)))


def _watched(steps: Iterator[Step]) -> Iterator[Step]:
    changes, anomaly = WATCH[WATCHED]
    if anomaly and Settings.watch is not None:
        steps = Settings.watch(steps)
    return _hook_leaves(steps) if changes else steps


def _hook_leaves(steps: Iterator[Step]) -> Iterator[Step]:
    """The steps, with what goes to leaves that have hooks gathered in the last one."""
    add = ENGINE.get().add
    totals: dict[int, Any] = {}
    leaves: dict[int, tuple[int, Any]] = {}
    last: Step | None = None  # held back as soon as there is something to gather in it
    for step in steps:
        if last is not None:
            yield last
        rest = []
        for i, x, gx in step.contributions:
            if x.node is None and getattr(x, "_hooks", None):
                totals[id(x)] = add(totals[id(x)], gx) if id(x) in totals else gx
                leaves[id(x)] = (i, x)
            else:
                rest.append((i, x, gx))
        step.contributions[:] = rest
        if leaves:
            last = step
        else:
            yield step
    if last is None:
        return
    for key, (i, x) in leaves.items():
        last.contributions.append((i, x, run_hooks(x._hooks, totals[key])))
    yield last


def run_hooks(hooks: dict[Any, Callable[[Any], Any]], g: Any) -> Any:
    """A gradient after all hooks."""
    for hook in tuple(hooks.values()):
        g = hook(g)
    return g


_STOP = Node()  # it looks freed, so that the walk needs no check of its own for it
_STOP.y = Spec((), np.dtype(bool))


def _walk(
    root: Any,
    gradient: Any,
    value_of: Callable[[Any], Any],
    output_of: Callable[[Node], Any],
    free: bool,
    since: int = 0,
) -> Iterator[Step]:
    reduce_sum, reshape, to = OPS["sum"], OPS["reshape"], OPS["to"]
    _, add, undo, order, *_ = ENGINE.get()
    push, pop = by_time() if since else order()
    root, gradient = to_base(root, gradient, inf, value_of)
    node = root.node
    pending: dict[int, tuple[Node, Any]] = {node.id: (node, gradient)}
    heap = [-node.id]
    if since:
        pending[since] = (_STOP, None)
        push(heap, -since)
    while heap:
        time = -pop(heap)
        node, g = pending.pop(time)
        if node.y.__class__ is Spec:
            if node is _STOP:
                return
            raise GradError(freed_message(node))
        if node.hooked:
            g = run_hooks(node.hooks, g)
        op, attrs = node.op, node.attrs
        inputs = node.inputs
        values = [x if x.__class__ in NUMBERS else value_of(x) for x in inputs]
        y = output_of(node) if op.saves_output else node.y
        contributions: list[tuple[int, Any, Any]] = []
        for i, x in enumerate(inputs):
            if x.__class__ in NUMBERS:
                continue
            changed = x.version[0]  # 0: neither it nor what it is a view of, ever
            if changed > time and op.reads(i, inputs):
                raise GradError(overwritten_message(node, i, x))
            if changed and not outdated(x):
                x = at_time(x, time)
            if not x.requires_grad:
                continue
            rule = op.rule(i)
            if rule is None:
                continue
            gx = rule(g, y, *values, **attrs)
            if gx is None:  # a Function whose backward gives None
                continue
            value: Any = values[i]
            if gx.shape != value.shape:
                gx = undo(gx, value.shape, reduce_sum, reshape)
            if gx.dtype != value.dtype:
                gx = to(gx, value.dtype)
            if changed:
                x, gx = to_base(x, gx, time, value_of)
            contributions.append((i, x, gx))
        yield Step(node, g, contributions)
        for _, x, gx in contributions:
            parent = x.node
            if parent is None:
                continue
            known = pending.get(parent.id)
            if known is None:
                pending[parent.id] = (parent, gx)
                push(heap, -parent.id)
            else:
                pending[parent.id] = (parent, add(known[1], gx))
        if free:
            node.free()


def _array(x: Any) -> Any:
    return x.array


def _output(node: Node) -> Any:
    return node.y


def walk_arrays(root: Any, gradient: Any, free: bool, since: int = 0) -> list[Step]:
    """The ordinary backward walk: rules run on plain arrays."""
    token = INTERPRETER.set(Settings.compute)
    try:
        if since:
            return list(_walk(root, gradient, _array, _output, free, since))
        return list(_watched(_walk(root, gradient, _array, _output, free)))
    except ValueError as error:  # NumPy's, of shapes that only a broken engine lets through
        if not ENGINE.get().name or isinstance(error, LabError):
            raise
        raise ShapeError(does_not_fit_message(error)) from error
    except MemoryError as error:
        raise out_of_memory("backward()", error) from None
    finally:
        INTERPRETER.reset(token)


def steps(tensor: Any, gradient: Any = None) -> Iterator[Step]:
    """Walk backward from ``tensor`` step by step, touching no ``.grad`` and freeing nothing.

    The gradient of a node's output is ``step.incoming``; ``step.contributions`` lists what it
    passes on to each input. Raises GradError where there is no graph or it was freed.
    """
    if tensor.node is None:
        raise GradError(no_graph_message(tensor))
    if gradient is None:
        array = tensor.array
        if array.size != 1:
            raise GradError(not_scalar_message(tensor))
        gradient = array * 0 + 1
    token = ENGINE.set(ENGINE.get()._replace(keeps=False))
    try:
        return iter(walk_arrays(tensor, gradient, False))
    finally:
        ENGINE.reset(token)


# Messages ----------------------------------------------------------------------------------


def made_by(node: Node) -> str:
    """ "relu, cell 7 line 3": the op of a node and where it stands."""
    where = location(node)
    scope = f" in {node.scope}" if node.scope else ""
    return f"{node.op.name}{scope}" + (f", {where}" if where else "")


def does_not_fit_message(error: Exception) -> str:
    """A gradient whose broadcasting was not undone does not fit into the next op."""
    return (
        f"backward() with lab.broken({ENGINE.get().name!r}): a gradient has the wrong shape\n"
        f"  NumPy says: {error}\n"
        "  expected each gradient in the shape of its input\n"
        "  leave the with block: the right engine sums it over the dimensions that were spread"
    )


def freed_message(node: Node) -> str:
    """A second backward pass through a graph that the first one freed."""
    return (
        "backward(): the values of this graph were freed by an earlier backward()\n"
        f"  first freed node reached: {made_by(node)}\n"
        "  expected a graph that was not walked yet\n"
        "  compute the loss again before each backward(), or keep the values with "
        "backward(retain_graph=True)"
    )


def overwritten_message(node: Node, index: int, x: Any) -> str:
    """A value that a gradient rule needs was changed in place after it was used."""
    name = node.op.argument(index)
    change = x.node
    by = f"  changed by: {made_by(change)}\n" if change is not None and change.id > node.id else ""
    return (
        f"backward(): {node.op.name} needs its {name}, "
        "which was changed in place after it was used\n"
        f"  needed by: {made_by(node)}\n"
        f"{by}"
        f"  expected {name} {tuple(x.shape)} as it was then\n"
        "  use the form without the underscore (x = x + 1 for x += 1 or x.add_(1)), "
        "or .clone() first"
    )


def no_graph_message(tensor: Any, what: str = "backward(): this tensor") -> str:
    """backward() on a tensor without a history."""
    return (
        f"{what} has no graph\n"
        f"  tensor  {tensor.spec}  requires_grad=False\n"
        "  expected a tensor that was computed from one with requires_grad=True\n"
        "  set requires_grad=True on the inputs whose gradient you want; "
        "no_grad(), .detach() and .item() cut the graph\n"
        "  a gradient has a graph where it was made with create_graph=True, and else none"
    )


def not_scalar_message(tensor: Any) -> str:
    """backward() on more than one number."""
    return (
        "backward(): the gradient of many numbers at once is not defined\n"
        f"  tensor  {tensor.spec}\n"
        "  expected one number, such as a loss: shape ()\n"
        "  reduce it with .sum() or .mean(), or pass backward(gradient=...) of the same shape"
    )
