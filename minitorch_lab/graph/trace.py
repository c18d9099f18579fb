"""Trace: the interpreter that writes a graph instead of computing.

A learner's function is run once on symbols, which have a shape and a dtype and no value. Real
tensors that it meets (parameters, optimiser state) become inputs by reference; in-place changes
of them become updates at the end of the graph. Symbols carry a tape too, so ``loss.backward()``
inside the function appends the backward pass to the same graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from operator import add as plus
from typing import Any, NoReturn

import numpy as np

from .. import dtypes
from ..device import Device, device_of
from ..device.copies import Source
from ..errors import KindError, LabError, TraceError, describe
from ..op import INTERPRETER, OPS, Attrs, Mismatch, Op, Spec, common_dtype, current, infer
from ..ops import elementwise as e
from ..ops.movement import Path, reshape, write_view
from ..tape import (
    ENGINE,
    MODULE_HOOKS,
    NUMBERS,
    OF_MODULES,
    SCOPE,
    Node,
    Settings,
    Step,
    caller,
    locate,
    location,
    tick,
    walk,
)
from ..tensor import (
    Size,
    Tensor,
    check_in_place,
    check_leaf,
    check_result,
    explain,
    in_front,
    need_one,
    node_now,
    only_numbers,
    record,
    start_gradient,
)
from .dynamic import LONG, Fixed, OpenSize, need_no_size
from .ir import Equation, Gradient, Graph, Var
from .sizes import is_open, plain

_new = object.__new__


class Symbol(Tensor):
    """A tensor without a value: it stands for a variable of the graph that is being traced."""

    __slots__ = ("builder", "outside", "seen", "variable", "viewed")

    # no name of a method of Tensor may stand here: x.var() is the variance
    builder: Builder
    variable: Var
    outside: bool  # stands for a tensor that was computed before the function was called
    viewed: tuple[Tensor, Op, Attrs] | None  # of a view: what it looks into, and how
    seen: int  # the version of the memory that ``variable`` stands for

    @property
    def array(self) -> Any:
        """There is none while tracing."""
        if self.builder.open:
            refuse("reading a value", "return the tensor and read it outside")
        raise TraceError(outlived_message(self))

    def __bool__(self) -> bool:
        if not self.builder.open:
            raise TraceError(outlived_message(self))
        refuse("a branch on a value", "use where(condition, a, b), lab.cond or lab.while_loop")

    def __index__(self) -> int:
        if not self.builder.open:
            raise TraceError(outlived_message(self))
        refuse("reading a value as an int", "give a Python int, or use lab.while_loop or lab.scan")

    @property
    def shape(self) -> Size:
        """Sizes of the dimensions."""
        size = self.builder.size
        shape = self.variable.spec.shape
        return Size(shape if size is None or not self.builder.open else size.wrap(shape))

    @property
    def dtype(self) -> dtypes.DType:
        """The data type."""
        return dtypes.dtype_of(self.variable.spec.dtype)

    @property
    def device(self) -> Device:
        """Where the entries will be."""
        return Device(self.variable.spec.device)

    @property
    def spec(self) -> Spec:
        """Shape, dtype and device in one."""
        return self.variable.spec

    @property  # type: ignore[misc]
    def data(self) -> Tensor:
        """The same value without history."""
        return self.detach()

    def __iter__(self) -> Any:
        if self.ndim and is_open(self.shape[0]):
            n: Any = self.shape[0]
            raise n.owner.refuse(n, "is looped over")
        return super().__iter__()

    def _moved_by(self) -> Source:
        made = next((e for e in self.builder.equations if e.out is self.variable), None)
        if made is not None and made.op.name == "to_device":
            return made.source
        return self.builder.moved.get(self.variable.id)

    def __repr__(self) -> str:
        return f"Symbol({self.variable.spec})"

    def __str__(self) -> str:
        if self.builder.open:
            refuse("print of a value", "return the tensor and print it outside")
        return repr(self)

    def __format__(self, spec: str) -> str:
        return str(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.clone()


def outlived_message(x: Symbol) -> str:
    """A symbol that was kept when its trace ended."""
    made = next((e for e in x.builder.equations if e.out is x.variable), None)
    where = None if made is None else location(made)
    return (
        "this tensor belongs to a graph that was traced before: it has no value\n"
        f"  tensor  {x.spec}{f'  from {where}: {where.text}' if where else ''}\n"
        "  expected a tensor that the compiled function returned\n"
        "  return it from the function instead of keeping it in a variable outside"
    )


def refuse(what: str, remedy: str) -> NoReturn:
    """TraceError: the learner's code needs a value while the graph is traced."""
    found = caller(2)
    where = locate(*found) if found else None
    line = f"\n  {where}: {where.text}" if where else ""
    raise TraceError(
        f"graph mode: {what} while the graph is traced{line}\n"
        "  expected ops only: no value exists yet, the function runs on symbols\n"
        f'  {remedy}, or run this function in eager mode: lab.mode("eager")'
    )


# Where the inputs of a graph come from at run time ------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """The array of argument ``index``."""

    index: int

    def value(self, arguments: list[Any]) -> Any:
        """What it is now."""
        return arguments[self.index].array


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """The array of a tensor that the function closes over."""

    tensor: Tensor

    def value(self, arguments: list[Any]) -> Any:
        """What it is now."""
        return self.tensor.array


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A Python number kept in a dict: a learning rate, a step count."""

    owner: Any
    key: str

    def value(self, arguments: list[Any]) -> Any:
        """What it is now."""
        return self.owner[self.key]


@dataclass(frozen=True, slots=True, eq=False)
class Grad:
    """The gradient slot of a tensor."""

    tensor: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class ArgumentGrad:
    """The gradient slot of argument ``index``; the gradient is added to what is there."""

    index: int


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """``owner[key]`` must still be ``value``, else the graph does not hold."""

    owner: Any
    key: Any
    value: Any
    words: str

    def holds(self) -> bool:
        """Whether nothing changed."""
        now = self.owner.get(self.key)
        return now is self.value or (type(now) in _PLAIN and bool(now == self.value))

    def change(self) -> str:
        """What changed, in words."""
        now = self.owner.get(self.key)
        if type(now) in _PLAIN and type(self.value) in _PLAIN:
            return f"{self.words} was {self.value!r} and is {now!r}"
        return f"{self.words} is another object"


_PLAIN = (int, float, bool, str, tuple)


@dataclass(frozen=True, slots=True, eq=False)
class GradIsNone:
    """The gradient slot of a tensor must be empty (or hold this tensor) at the start."""

    tensor: Tensor
    value: Tensor | None

    @property
    def words(self) -> str:
        """What is guarded."""
        return f"the gradient of {self.tensor.name or 'a tensor'} at the start"

    def holds(self) -> bool:
        """Whether nothing changed."""
        return self.tensor._grad is self.value

    def change(self) -> str:
        """What changed, in words."""
        return f"{self.words} is another one" if self.value is not None else f"{self.words} is set"


# By the number of a result: what went in, and whether its gradient goes back there. None where the
# gradient has a rule of its own: that of a choice, a loop, or a Function of the learner.
Tape = dict[int, tuple[tuple[Any, bool], ...] | None]


@dataclass(eq=False)
class Traced:
    """A graph with what binds it to the learner's objects."""

    graph: Graph
    bindings: tuple[Any, ...]  # for each graph input
    targets: tuple[Any, ...]  # for each update
    cleared: tuple[Tensor, ...]  # tensors whose gradient is None at the end
    guards: tuple[Any, ...]
    rebuild: Callable[[list[Any]], Any]  # outputs as the learner returned them
    differentiable: tuple[bool, ...]
    keep: tuple[Any, ...]  # objects whose ids are used
    later: tuple[tuple[str, Callable[[], Any]], ...] = ()  # what Python does after each run
    modules: tuple[tuple[Any, dict[str, Any]], ...] = ()  # called, with their attributes then
    tape: Tape = field(default_factory=dict)  # of each result with a gradient
    gradients: dict[int, int] = field(default_factory=dict)  # of a value that backward() passed

    @property
    def changes(self) -> bool:
        """Whether a run changes state: gradients are written when it has ended."""
        return any(isinstance(target, (Captured, Number)) for target in self.targets)


class Builder:
    """The graph that is being written."""

    def __init__(self, name: str, outer: Builder | None = None) -> None:
        self.name = name
        self.outer = outer  # of the graph of a branch or a loop: the graph around it
        self.size: OpenSize | None = None if outer is None else outer.size
        self.kind: type[Symbol] = Symbol if outer is None else outer.kind  # stands for values
        self.open = True
        self.count = 0
        self.inputs: list[tuple[Var, Any]] = []
        self.constants: list[tuple[Var, Any]] = []
        self.equations: list[Equation] = []
        self.value: dict[int, Var] = {}  # id of a captured tensor -> its present variable
        self.updated: dict[int, tuple[Var, Tensor]] = {}
        self.numbers: dict[tuple[int, str], Any] = {}
        self.written: dict[tuple[int, str], tuple[Any, str]] = {}
        self.read: dict[tuple[int, str], tuple[Any, Any]] = {}  # the owner, the value as traced
        self.grads: dict[int, Any] = {}
        self.borders: dict[int, Symbol] = {}  # id of a tensor with a history -> its stand-in
        self.guards: dict[tuple[int, Any], Any] = {}
        self.moved: dict[int, Source] = {}  # argument -> the line that moved it to its device
        self.keep: list[Any] = []
        # the modules that were called, with their attributes at the first call
        self.modules: dict[int, tuple[Any, dict[str, Any]]] = {}
        self.lines: dict[int, Any] = {}  # number of a node -> where the call was written
        self.later: list[tuple[str, Callable[[], Any]]] = []
        self.passed: dict[int, str] = {}  # id of an owner of numbers -> what changes them later
        self.tape: Tape = {}
        self.gradient_of: dict[int, int] = {}

    def var(self, spec: Spec, name: str = "", kind: str = "op") -> Var:
        """A new variable."""
        self.count += 1
        return Var(self.count - 1, spec, name, kind)

    def inside(self, builder: Builder) -> bool:
        """Whether this is the graph of a branch or a loop in that graph."""
        around = self.outer
        while around is not None and around is not builder:
            around = around.outer
        return around is builder

    def input(self, spec: Spec, name: str, kind: str, binding: Any) -> Var:
        """A new input."""
        var = self.var(spec, name, kind)
        self.inputs.append((var, binding))
        return var

    def capture(self, x: Tensor) -> Var:
        """The variable of a real tensor."""
        found = self.value.get(id(x))
        if found is None:
            if x.node is not None and x.requires_grad and not x.node.freed:
                kind = "state"
            else:
                kind = "param" if x.requires_grad else "state"
            found = self.input(x.spec, x.name or "", kind, Captured(x))
            self.value[id(x)] = found
            self.keep.append(x)
        return found

    def constant(self, array: Any) -> Var:
        """A variable with a baked value."""
        var = self.var(Spec(tuple(array.shape), array.dtype, device_of(array).type), kind="const")
        self.constants.append((var, array))
        return var

    def emit(
        self,
        op: Op,
        inputs: tuple[Any, ...],
        attrs: Attrs,
        spec: Spec,
        tensors: tuple[Any, ...] = (),
    ) -> Var:
        """Append an equation."""
        if self.size is not None:
            inputs, attrs = plain(inputs), plain(attrs)
            if len(self.equations) > LONG:
                raise Fixed("a loop goes over the size")
        out = self.var(spec)
        self.equations.append(Equation(out, op, inputs, attrs, SCOPE.get(), caller(3), tensors))
        return out

    def guard(self, owner: Any, key: Any, words: str) -> Any:
        """The value of ``owner[key]``, which must stay as it is."""
        value = owner.get(key)
        if (id(owner), key) not in self.guards:
            self.guards[id(owner), key] = Guard(owner, key, value, words)
            self.keep.append(owner)
        return value


class Trace:
    """Write equations to a builder; with a tape on top where gradients are wanted."""

    __slots__ = ("builder", "recording")
    tracing = True
    always = inference = False
    casts: frozenset[str] = frozenset()

    def __init__(self, builder: Builder, recording: bool = True) -> None:
        self.builder = builder
        self.recording = recording

    def with_grad(self, recording: bool) -> Trace:
        """The interpreter with the tape on or off."""
        return Trace(self.builder, recording)

    def for_inference(self) -> Trace:
        """The interpreter without the tape."""
        return self.with_grad(False)

    def symbol(self, var: Var) -> Symbol:
        """A symbol for a variable."""
        out = _new(self.builder.kind)
        out.builder, out.variable, out.outside = self.builder, var, False
        out.requires_grad = False
        out._grad = out.node = None
        out.name = out.viewed = None
        out.version = [0]
        out.seen = 0
        return out

    def constant(self, array: Any) -> Symbol:
        """A tensor made from data inside the function: baked into the graph."""
        return self.symbol(self.builder.constant(array))

    def var_of(self, x: Tensor) -> Var:
        """The variable of a symbol or of a real tensor."""
        if isinstance(x, Symbol):
            if x.builder is not self.builder:
                if self.builder.inside(x.builder):
                    return self.builder.capture(x)
                if not x.builder.open:
                    raise TraceError(outlived_message(x))
                raise TraceError("a tensor of another trace was used in this one")
            if x.viewed is not None and x.version[0] > x.seen:
                self._look_again(x)
            return x.variable
        return self.builder.capture(x)

    def _look_again(self, x: Symbol) -> None:
        """Take a view anew: what it looks into has been changed in place."""
        assert x.viewed is not None
        base, op, attrs = x.viewed
        now = self.var_of(base)
        x.variable = self.builder.emit(op, (now,), attrs, x.spec)
        x.seen = x.version[0]
        if base.requires_grad:
            self.builder.tape[x.variable.id] = ((now, True),)
        if x.node is None and base.requires_grad and self.recording:
            x.node, x.requires_grad = record(op, (base,), attrs, x.variable), True

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Symbol:
        """Append ``op`` to the graph."""
        if self.builder.size is not None:
            inputs, attrs = plain(inputs), plain(attrs)
        inputs = only_numbers(op, inputs, attrs)
        need_one(op, inputs)
        args: list[Any] = [x if x.__class__ in NUMBERS else self.var_of(x) for x in inputs]
        specs: list[Any] = [x.spec if isinstance(x, Var) else x for x in args]
        given = tuple(args)
        try:
            spec = infer(op, specs, attrs)
        except (Mismatch, LabError) as error:
            raise explain(op, inputs, attrs, error) from None
        if all(s.number if isinstance(s, Spec) else True for s in specs) and specs:
            spec = Spec(spec.shape, spec.dtype, number=True)
        else:
            self._convert(op, args, specs)
        var = self.builder.emit(op, tuple(args), attrs, spec, inputs)
        inputs = tuple(map(self.at_border, inputs))
        out = self.symbol(var)
        if op.view and isinstance(inputs[0], Tensor):
            out.version, out.viewed = inputs[0].version, (inputs[0], op, attrs)
            out.seen = out.version[0]
        if (
            self.recording
            and op.differentiable
            and any(isinstance(x, Tensor) and x.requires_grad for x in inputs)
        ):
            out.requires_grad = True
            out.node = record(op, inputs, attrs, var)
            wants = (isinstance(x, Tensor) and x.requires_grad for x in inputs)
            self.builder.tape[var.id] = tuple(zip(given, wants, strict=True))
            source = self.builder.lines[out.node.id] = self.builder.equations[-1].source
            if Settings.sources:
                out.node.source = source
        return out

    def at_border(self, x: Any) -> Any:
        """For a captured tensor with a history: a leaf that ends the tape of this trace."""
        if not isinstance(x, Tensor):
            return x
        if x.builder is self.builder if isinstance(x, Symbol) else x.node is None:
            return x
        known = self.builder.borders.get(id(x))
        if known is None:
            known = self.symbol(self.builder.capture(x))
            known.requires_grad, known.name, known.outside = x.requires_grad, x.name, True
            self.builder.borders[id(x)] = known
        return known

    def _convert(self, op: Op, args: list[Any], specs: list[Any]) -> None:
        """Cast the promoted inputs to their common dtype, visibly in the graph."""
        target = common_dtype(op, specs)
        if target is None:
            return
        for i in range(len(args)) if op.promotes is None else op.promotes:
            x = args[i] if i < len(args) else None
            if isinstance(x, Var) and not x.spec.number and x.spec.dtype != target:
                spec = Spec(x.spec.shape, target, x.spec.device)
                args[i] = self.builder.emit(OPS["to"], (x,), {"dtype": target}, spec)

    def update(self, op: Op, target: Tensor, inputs: tuple[Any, ...], attrs: Attrs) -> Tensor:
        """The in-place form of ``op``: the target stands for the new value from here on."""
        inputs = only_numbers(op, inputs, attrs)
        wants = target.requires_grad or any(
            isinstance(x, Tensor) and x.requires_grad for x in inputs
        )
        base, through = _path(target)
        if isinstance(base, Symbol) and base.builder is not self.builder:
            refuse(
                "a change of a tensor from outside in a branch or a loop",
                "return the new value from it",
            )
        if wants and self.recording:
            check_in_place(op, base, target)
        old = self._state(target)
        try:
            found = infer(op, [x.spec if isinstance(x, Tensor) else x for x in inputs], attrs)
            check_result(op, target.spec, found)
        except (Mismatch, LabError) as error:
            raise explain(op, inputs, attrs, error, target) from None
        out = self.apply(op, tuple(old if x is target else x for x in inputs), attrs)
        if out.variable.spec.dtype != target.spec.dtype:
            out = self.apply(OPS["to"], (out,), {"dtype": target.spec.dtype})
        if through:
            out = self.apply(write_view, (self._state(base), out), {"through": through})
        if isinstance(base, Symbol):
            base.variable, base.node = out.variable, out.node
            base.requires_grad = out.requires_grad
        else:
            if out.requires_grad:
                refuse(
                    "an in-place change of a tensor from outside that records a gradient",
                    "put it under no_grad(), or change a tensor that is made inside",
                )
            self.builder.value[id(base)] = out.variable
            first = self.builder.updated.get(id(base))
            entry = first[0] if first else self._entry(base)
            self.builder.updated[id(base)] = (entry, base)
        base.version[0] = tick() if out.node is None else out.node.id
        return target

    def become(self, target: Tensor, view: Callable[[Any], Any]) -> Tensor:
        """``target`` itself takes the shape of a view of it: ``x.unsqueeze_(0)``."""
        if not isinstance(target, Symbol):
            refuse("a new shape for a tensor from outside", "use the form without the underscore")
        if self.recording:
            check_leaf("view", target)
        old = self.symbol(self.var_of(target))
        for name in ("node", "requires_grad", "name", "viewed", "version", "seen"):
            setattr(old, name, getattr(target, name))
        out = view(old)
        for name in ("variable", "node", "requires_grad", "viewed", "version", "seen"):
            setattr(target, name, getattr(out, name))
        return target

    def _state(self, x: Tensor) -> Symbol:
        """What ``x`` is before an in-place op: its value stays in the graph."""
        old = self.symbol(self.var_of(x))
        old.node, old.requires_grad, old.name = node_now(x), x.requires_grad, x.name
        return old

    def _entry(self, target: Tensor) -> Var:
        return next(
            v for v, b in self.builder.inputs if isinstance(b, Captured) and b.tensor is target
        )

    def detach(self, x: Tensor) -> Tensor:
        """The same value without history."""
        return self.symbol(self.var_of(x))

    def move(self, x: Tensor, device: Device, non_blocking: bool = False) -> Tensor:
        """A tensor on another device."""
        if x.device == device:
            return x
        return self.apply(OPS["to_device"], (x,), {"device": str(device)})

    # State that is not a tensor

    def read(self, owner: Any, key: str) -> Any:
        """A number that may change between calls: an input of the graph."""
        builder = self.builder
        if (words := builder.passed.get(id(owner))) is not None:
            refuse(f"{key!r} is read after {words}", f"call {words} last")
        found = builder.numbers.get((id(owner), key))
        if found is None:
            spec = Spec((), np.dtype("float64"), number=True)
            found = self.symbol(builder.input(spec, key, "state", Number(owner, key)))
            builder.numbers[id(owner), key] = found
            builder.read[id(owner), key] = (owner, owner[key])
        return found

    def write(self, owner: Any, key: str, value: Any) -> None:
        """Change such a number at the end of the graph."""
        self.builder.numbers[id(owner), key] = value
        self.builder.written[id(owner), key] = (owner, key)
        self.builder.keep.append(owner)

    def postpone(self, call: Callable[[], Any], words: str, owners: Iterable[Any]) -> bool:
        """Let each run do ``call`` when it is done: it changes the numbers of ``owners``."""
        if self.builder.outer is not None:
            refuse(f"{words} in a choice or a loop", "call it outside of it")
        self.builder.later.append((words, call))
        self.builder.passed |= dict.fromkeys(map(id, owners), words)
        return True

    @contextmanager
    def where(self, good: Tensor, words: str) -> Iterator[Callable[[bool], None]]:
        """A block whose changes of state hold where ``good``, a bool of one entry, is true.

        Tensors choose inside the graph. Numbers are computed by Python, so each run keeps those of
        the block aside, and whoever has read ``good`` calls what the block gives to take them over.
        """
        b = self.builder
        value, numbers, written = dict(b.value), dict(b.numbers), dict(b.written)
        aside: list[tuple[Any, str, dict[str, Any]]] = []

        def settle(held: bool) -> None:
            for owner, key, kept in aside if held else ():
                owner[key] = kept[key]

        yield settle
        for number, (entry, _) in b.updated.items():
            old = value.get(number, entry)
            if b.value[number] is not old:
                new = self.symbol(b.value[number])
                chosen = self.apply(OPS["where"], (good, new, self.symbol(old)), {})
                b.value[number] = chosen.variable
        for place, (owner, key) in list(b.written.items()):
            if b.numbers[place] is numbers.get(place):
                continue
            kept = {key: owner[key]}
            aside.append((owner, key, kept))
            self.write(kept, key, b.numbers[place])
            b.passed[id(owner)] = words
            for known, before in ((b.numbers, numbers), (b.written, written)):
                if place in before:
                    known[place] = before[place]
                else:
                    del known[place]

    @contextmanager
    def again(self, tensors: Sequence[Tensor], before: Sequence[Tensor]) -> Iterator[None]:
        """Trace a function once more, for its gradients: all of its changes were made already.

        ``tensors``, which it changes, have the values of ``before``, and stay as they are.
        """
        b = self.builder
        kept = dict(b.updated), dict(b.written), dict(b.grads), [*b.later]
        for t, was in zip(tensors, before, strict=True):
            b.value[id(t)] = b.capture(was)
            b.updated[id(t)] = (b.value[id(t)], t)
        b.keep += tensors
        yield
        b.updated, b.written, b.grads, b.later = kept

    def uses_module(self, module: Any) -> None:
        """The graph holds for this training flag only, and for the hooks that there are."""
        self.builder.guard(MODULE_HOOKS, OF_MODULES, OF_MODULES)
        self.builder.modules.setdefault(id(module), (module, dict(vars(module))))
        name = module.__dict__.get("_label") or type(module).__name__
        self.builder.guard(module.__dict__, "training", f"{name}.training")

    def fixed(self, owner: Any, key: str) -> Any:
        """A setting that is baked into the graph; another value makes another graph."""
        return self.builder.guard(owner, key, key)

    def refuse(self, what: str, remedy: str) -> NoReturn:
        """A value is needed that does not exist."""
        refuse(what, remedy)

    # Gradients

    def get_grad(self, x: Tensor) -> Any:
        """``x.grad`` as it is at this place of the function."""
        builder = self.builder
        if id(x) not in builder.grads:
            entry = None if isinstance(x, Symbol) else x._grad
            if not isinstance(x, Symbol):
                builder.guards[id(x), "grad"] = GradIsNone(x, entry)
            builder.grads[id(x)] = entry
            builder.keep.append(x)
        return builder.grads[id(x)]

    def set_grad(self, x: Tensor, value: Any) -> None:
        """Set ``x.grad``; the tensor itself is changed only when the graph has run."""
        self.builder.grads[id(x)] = value
        self.builder.keep.append(x)

    def walk(self, root: Tensor, g: Tensor, keep: bool, create: bool, since: int = 0) -> Any:
        """The backward walk on symbols: it appends the backward pass to the graph."""
        token = INTERPRETER.set(self.with_grad(create))
        equations, gradient_of = self.builder.equations, self.builder.gradient_of
        start = len(equations)
        leaves: dict[int, list[tuple[Tensor, Tensor]]] = {}

        def label(step: Step) -> Step:
            nonlocal start
            node = step.node
            gradient_of[node.y.id] = self.var_of(step.incoming).id
            for _, x, gx in step.contributions:
                if x.node is None:
                    leaves.setdefault(id(x), []).append((x, gx))
            line = self.builder.lines.get(node.id)
            for i in range(start, len(equations)):
                made = equations[i]
                of = Gradient(node.op.name, node.scope, node.id, made.source)
                equations[i] = replace(made, of=of, source=line or made.source)
            start = len(equations)
            return step

        try:
            steps = list(walk(root, g, lambda x: x, self._output, not keep, since, label))
            single = (found[0] for found in leaves.values() if len(found) == 1)
            gradient_of.update((self.var_of(x).id, self.var_of(gx).id) for x, gx in single)
            return steps
        finally:
            INTERPRETER.reset(token)

    def _output(self, node: Node) -> Tensor:
        out = self.symbol(node.y)
        out.node, out.requires_grad = node, True
        return out

    def backward(self, root: Tensor, gradient: Tensor | None, keep: bool, create: bool) -> None:
        """Append the backward pass and set the gradients of the leaves."""
        g = start_gradient(root, gradient)
        if root.node is None:
            self._add_grad(root, g)
            return
        for step in self.walk(root, g, keep, create):
            for _, x, gx in step.contributions:
                if x.node is None:
                    self._add_grad(x, gx)

    def _add_grad(self, x: Tensor, gx: Any) -> None:
        if isinstance(x, Symbol) and x.outside:
            refuse(
                "backward() into a tensor that was computed outside the function",
                "compute it inside, or return the loss and call backward() outside",
            )
        known = self.get_grad(x)
        token = INTERPRETER.set(self.with_grad(False))
        try:
            add = ENGINE.get().add
            if known is None:
                self.set_grad(x, gx)
            elif isinstance(known, Symbol) or add is not plus:
                total = add(known, gx)
                self.set_grad(x, total)
                self.builder.gradient_of[self.var_of(x).id] = self.var_of(total).id
            else:
                self.update(e.add, known, (known, gx), {})
        finally:
            INTERPRETER.reset(token)


def _path(view: Tensor) -> tuple[Tensor, Path]:
    """The tensor that ``view`` looks into, and the view ops from there to it."""
    x = view
    through: Path = ()
    while isinstance(x, Symbol) and x.viewed is not None:
        base, op, attrs = x.viewed
        if op is reshape and _may_copy(base, x):
            refuse(
                "an in-place change of a reshape that may be a copy",
                "change the tensor itself, or .clone() the reshape first",
            )
        through = ((op.name, attrs), *through)
        x = base
    return x, through


def _may_copy(base: Tensor, view: Tensor) -> bool:
    """Whether a reshape joins dimensions of a transposed or cut tensor."""
    if [n for n in base.shape if n != 1] == [n for n in view.shape if n != 1]:
        return False
    while isinstance(base, Symbol) and base.viewed is not None:
        base, op, _ = base.viewed
        if op is not reshape:
            return True
    return False


# Tracing a function ------------------------------------------------------------------------


def flatten(value: Any, leaves: list[Any]) -> Callable[[list[Any]], Any]:
    """Collect the tensors of nested tuples, lists and dicts; the result puts others in place."""
    if isinstance(value, Tensor):
        index = len(leaves)
        leaves.append(value)
        return lambda found: found[index]
    if isinstance(value, dict):
        parts = {k: flatten(v, leaves) for k, v in value.items()}
        return lambda found: {k: part(found) for k, part in parts.items()}
    if isinstance(value, Size):
        return lambda found: value
    if isinstance(value, (list, tuple)):
        items = [flatten(v, leaves) for v in value]
        if hasattr(value, "_fields"):  # a named tuple, such as the pair of max(dim)
            return lambda found: type(value)(*[item(found) for item in items])
        kind = list if isinstance(value, list) else tuple
        return lambda found: kind([item(found) for item in items])
    return lambda found: value


@contextmanager
def tracing(builder: Builder, recording: bool) -> Any:
    """Run code under Trace."""
    interpreter = Trace(builder, recording)
    token = INTERPRETER.set(in_front(interpreter, current().casts))
    try:
        yield interpreter
    finally:
        INTERPRETER.reset(token)
        builder.open = False


def trace(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    recording: bool,
    size: OpenSize | None = None,
    kind: type[Symbol] = Symbol,
) -> Traced:
    """Run ``function`` on symbols in place of the tensors in ``args`` and ``kwargs``.

    ``size`` leaves a size open: see dynamic.py. ``kind`` is the class of the symbols.
    """
    builder = Builder(getattr(function, "__name__", "graph"))
    builder.size, builder.kind = size, kind
    leaves: list[Any] = []
    rebuild_args = flatten((args, kwargs), leaves)
    names = argument_names(function, args, kwargs)
    with tracing(builder, recording) as interpreter:
        symbols: list[Any] = []
        for i, x in enumerate(leaves):
            name = names[i] if i < len(names) else f"input {i}"
            spec = x.spec
            if size is not None:
                spec = replace(spec, shape=size.stands(i, spec.shape))
            symbol = interpreter.symbol(builder.input(spec, name, "input", Argument(i)))
            builder.moved[symbol.variable.id] = x._moved_by()
            symbol.requires_grad, symbol.name = x.requires_grad, x.name
            symbol.outside = x.node is not None
            if x.node is None and leaf_hooks(x):
                symbol._hooks = x._hooks
            symbols.append(symbol)
        new_args, new_kwargs = rebuild_args(symbols)
        result = function(*new_args, **new_kwargs)
        if size is not None:
            need_no_size(result)
        outputs: list[Any] = []
        rebuild = flatten(result, outputs)
        return finish(interpreter, outputs, rebuild, symbols, names)


def _need_unchanged(read: dict[Any, tuple[Any, Any]]) -> None:
    """TraceError where Python changed a number that the graph reads: no run would do it again."""
    changed = {}
    for (_, key), (owner, was) in read.items():
        now = owner[key]
        if now is not was and now != was:
            changed[key], owner[key] = (was, now), was
    for key, (was, now) in changed.items():
        raise TraceError(
            f"graph mode: {key!r} was changed from {was} to {now} while the graph was traced\n"
            "  expected numbers that stay as they are: a graph holds ops, and no Python code\n"
            "  change it outside of the compiled function, which reads it anew in each run"
        )


def finish(
    interpreter: Trace,
    outputs: list[Any],
    rebuild: Callable[[list[Any]], Any],
    symbols: list[Any],
    names: list[str],
) -> Traced:
    """Close the builder: outputs, updates, gradients and guards."""
    builder = interpreter.builder
    out_vars = tuple(interpreter.var_of(x) for x in outputs)
    for i, x in enumerate(symbols):
        if x.variable.kind != "input":
            raise TraceError(
                f"graph mode: argument {names[i]!r} was changed in place\n"
                "  expected arguments that stay as they are: a graph changes only its own state\n"
                "  return the new value, or change a tensor that the function closes over"
            )
    _need_unchanged(builder.read)
    updates: list[tuple[Var, Var]] = []
    targets: list[Any] = []
    for key, (entry, tensor) in builder.updated.items():
        updates.append((entry, builder.value[key]))
        targets.append(Captured(tensor))
    for place, (owner, name) in builder.written.items():
        value = builder.numbers[place]
        if not isinstance(value, Symbol):
            value = interpreter.symbol(builder.constant(np.asarray(float(value))))
        updates.append((Var(-1, value.variable.spec, name, "state"), value.variable))
        targets.append(Number(owner, name))
    cleared = []
    known = {id(x): x for x in builder.keep}
    places = {id(x): i for i, x in enumerate(symbols)}
    for key, grad in builder.grads.items():
        x = known[key]
        if isinstance(x, Symbol):
            if key in places and isinstance(grad, Symbol):
                name = f"{names[places[key]]}.grad"
                updates.append((Var(-1, grad.variable.spec, name, "state"), grad.variable))
                targets.append(ArgumentGrad(places[key]))
            continue
        if grad is None:
            cleared.append(x)
        elif isinstance(grad, Symbol):
            name = f"{x.name or 'tensor'}.grad"
            updates.append((Var(-1, grad.variable.spec, name, "state"), grad.variable))
            targets.append(Grad(x))
    graph = Graph(
        inputs=tuple(v for v, _ in builder.inputs),
        constants=tuple(builder.constants),
        equations=tuple(builder.equations),
        outputs=out_vars,
        updates=tuple(updates),
        name=builder.name,
    )
    return Traced(
        graph.verify(),
        tuple(b for _, b in builder.inputs),
        tuple(targets),
        tuple(cleared),
        tuple(builder.guards.values()),
        rebuild,
        # backward() inside the function has used a value's graph up
        tuple(
            x.requires_grad and interpreter.recording and not (x.node is not None and x.node.freed)
            for x in outputs
        ),
        tuple(builder.keep),
        tuple(builder.later),
        tuple(builder.modules.values()),
        builder.tape,
        builder.gradient_of,
    )


def argument_names(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[str]:
    """A name for each tensor argument, as the function calls it, or as its ``names`` say."""
    code = getattr(function, "__code__", None)
    known = code.co_varnames[: code.co_argcount] if code else getattr(function, "names", ())
    positional = list(known)
    if positional[:1] == ["self"] and hasattr(function, "__self__"):
        positional = positional[1:]
    out = []
    for i, x in enumerate(args):
        name = positional[i] if i < len(positional) else f"input {i}"
        leaves: list[Any] = []
        flatten(x, leaves)
        out += [name if len(leaves) == 1 else f"{name}[{k}]" for k in range(len(leaves))]
    for key, x in kwargs.items():
        leaves = []
        flatten(x, leaves)
        out += [key if len(leaves) == 1 else f"{key}[{k}]" for k in range(len(leaves))]
    return out


def leaf_hooks(x: Tensor) -> Any:
    """The hooks of a leaf, if it has some."""
    return getattr(x, "_hooks", None)


def need_function(function: Any) -> None:
    """KindError unless ``function`` can be called."""
    if not callable(function):
        raise KindError(f"compile(f): expected a function, got {describe(function)}")
