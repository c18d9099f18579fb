"""``compile``, ``function`` and ``mode``: when a function runs as a graph.

A compiled function keeps a plan for each signature: shapes and dtypes of the tensors, values of
the other arguments, grad mode, and the guards that tracing found (training flags, settings,
globals). A call that fits a known signature runs its plan; another one traces anew.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import cached_property, partial, update_wrapper
from time import perf_counter
from types import TracebackType
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np

from .. import random
from ..autograd.functions import grad as autograd_grad
from ..device import default_device, namespace_of
from ..errors import ArgumentError, LabError, describe, warn
from ..interrupts import whole
from ..op import COMPUTE, INTERPRETER, Mismatch, Op, Spec, current
from ..ops.rules import per_entry
from ..tape import OF_MODULES, WATCH, WATCHED, tick
from ..tensor import NO_GRAD, Tensor, add_grad, autocasting, explain, make, record
from .codegen.numpy import Plan
from .dynamic import PRIME, PRIMES, Fixed, OpenSize, Sizes, check, graph_at, need_same
from .executors import build, check_executor
from .ir import Graph, Var
from .passes import Record, check_names, run_passes
from .stages import StageRecord
from .trace import (
    ArgumentGrad,
    Captured,
    Grad,
    Guard,
    Symbol,
    Traced,
    argument_names,
    flatten,
    leaf_hooks,
    need_function,
    trace,
)
from .watch import Cell, names_read, values_read, watched
from .workings import Workings

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound="Compiled")
PLAIN = (int, float, bool, str, bytes, type(None), tuple)
LIMIT = 64  # signatures kept for one function
RETRACES = 3  # in a row for one and the same reason: then a warning says so


class Before(NamedTuple):
    """What a run changes, as it was before: the gradient computes the forward pass again."""

    arrays: tuple[Any, ...]  # of the tensors that the graph updates
    state: Any  # of the generator; None where nothing is drawn


class Call(NamedTuple):
    """One call of a compiled function that is on the tape: what it was given."""

    entry: Entry
    leaves: list[Any]  # the tensors among the arguments
    wanted: tuple[Tensor, ...]  # what its gradient goes to: the inputs of its nodes
    before: Before


class CallOp(Op):
    """The op of a node that stands for a call: result ``index`` of it."""

    __slots__ = ("call", "index")
    call: Call
    index: int


class Entry:
    """One signature: the traced graph, the optimised graph, and the plan that runs it."""

    def __init__(
        self,
        traced: Traced,
        guards: tuple[Any, ...],
        signature: Any,
        executor: str | None,
        without: tuple[str, ...] = (),
    ) -> None:
        self.traced = traced
        self.signature = signature
        self.executor = executor
        self.casts: frozenset[str] = current().casts  # whether it was traced in a block of autocast
        self.size: Any = None  # what is open in the trace, and the trace with it open
        self.open: Traced | None = None
        self.history = Retrace()
        self.seconds: dict[str, float] = {}  # of tracing, passes, build, first and cached call
        start = perf_counter()
        self.records = run_passes(traced.graph, without, traced.bindings)
        self.graph = self.records[-1].after if self.records else traced.graph
        self.seconds["passes"] = perf_counter() - start
        start = perf_counter()
        self.without = without
        self.plan: Plan = build(traced, self.graph, executor, without)
        self.seconds["build"] = perf_counter() - start
        self.warm = False  # two calls were timed
        self.guards = (*traced.guards, *guards)
        # most guards ask whether a dict still holds the same object: checked in one tight loop
        known = [g for g in self.guards if isinstance(g, Guard)]
        self.cells = [(g.owner.cell, g.value, g) for g in known if isinstance(g.owner, Cell)]
        dicts = [g for g in known if not isinstance(g.owner, Cell)]
        self.quick = [(g.owner.get, g.key, g.value, g) for g in dicts]
        self.slow = [g for g in self.guards if not isinstance(g, Guard)]
        self.grads = tuple(t for t in traced.targets if isinstance(t, (Grad, ArgumentGrad)))
        self.cleared = traced.cleared
        self.updated = tuple(t.tensor for t in traced.targets if isinstance(t, Captured))
        self.outputs = len(self.graph.outputs)
        self.differentiable = any(traced.differentiable)
        self.one = _is_one(traced.rebuild, self.outputs)
        self.draws = any(e.op.random for e in self.graph.equations)
        self.pullbacks: dict[Any, Compiled] = {}

    @property
    def at_once(self) -> bool:
        """Whether no interrupt can come between two changes that a run makes."""
        return self.plan.at_once and not self.traced.later

    @cached_property
    def was(self) -> tuple[Tensor, ...]:
        """Stand-ins with the values that the updated tensors had before a run."""
        return tuple(make(x.array.copy()) for x in self.updated)

    def holds(self) -> bool:
        """Whether all guards hold."""
        for get, key, value, guard in self.quick:
            if get(key) is not value and not guard.holds():
                return False
        try:
            for cell, value, guard in self.cells:
                if cell.cell_contents is not value and not guard.holds():
                    return False
        except ValueError:  # a variable that was deleted
            return False
        for slow in self.slow:  # noqa: SIM110  a generator costs as much as all of the above
            if not slow.holds():
                return False
        return True

    def changed(self) -> None:
        """Note that a run has changed the tensors that the graph updates."""
        if self.updated:
            now = tick()
            for tensor in self.updated:
                tensor.version[0] = now

    def rebind(self) -> None:
        """Build the plan anew: a captured tensor has got another array."""
        self.plan = build(self.traced, self.graph, self.executor, self.without)
        self.__dict__.pop("workings", None)

    @cached_property
    def workings(self) -> Workings:
        """All that was done to the trace, from the first pass to the plan."""
        return Workings(self.traced, self.records, self.graph, self.plan, self.without)


class Compiled:
    """A function that runs as a graph. Call it as the function itself.

    ``graph(*args)`` shows the optimised graph for these arguments, ``code(*args)`` what was
    generated from it, ``passes(*args)`` what each pass did to it; ``reasons`` says of each trace
    why it was needed.
    """

    kind: type[Symbol] = Symbol  # what the function is traced with

    def __init__(
        self,
        function: Callable[..., Any],
        executor: str | None = None,
        without: Iterable[str] | str = (),
        dynamic: bool | dict[str, Any] = False,
    ) -> None:
        need_function(function)
        self.function = function
        self.executor = executor
        self.dynamic = check_dynamic(dynamic)
        self.templates: dict[Any, list[Template]] = {}  # traces with an open size
        self.fixed: dict[Any, str] = {}  # why the size cannot be left open
        self.without = check_names(without)
        self.entries: dict[Any, list[Entry]] = {}
        self.reasons: list[str] = []
        self.traces = 0  # how often the function was traced
        self.history: list[Retrace] = []  # of the last traces
        self._warned = self._told = False
        self._lock = threading.RLock()
        update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the graph for these arguments; trace it first where none fits."""
        interpreter = current()
        if interpreter.tracing or interpreter.always:  # inside another trace: part of its graph
            return self.function(*args, **kwargs)
        leaves: list[Any] = []
        key = signature(args, kwargs, leaves, interpreter)
        if key is None:  # an argument that no guard can describe: traced for this call only
            entry = self._new_entry(args, kwargs, interpreter.recording, None)
        else:
            for entry in self.entries.get(key, ()):
                if entry.holds():
                    break
            else:
                entry = self._trace(key, args, kwargs, interpreter.recording)
        if not entry.warm:
            return self._timed(entry, leaves, args, kwargs, interpreter.recording)
        return self._run(entry, leaves, args, kwargs, interpreter.recording)

    def _timed(self, entry: Entry, *call: Any) -> Any:
        """The first two calls of a plan: how long each took is kept for ``lab.explain``."""
        start = perf_counter()
        out = self._run(entry, *call)
        entry.warm = "first call" in entry.seconds
        entry.seconds["cached call" if entry.warm else "first call"] = perf_counter() - start
        return out

    @property
    def as_graph(self) -> bool:
        """Whether a call runs as a graph now."""
        return True

    @property
    def executor_used(self) -> str | None:
        """What runs the graph that was traced last: "c", "cuda", "numpy"; None before the first."""
        newest = max(self._kept(), key=lambda entry: entry.history.number, default=None)
        return None if newest is None else newest.plan.executor

    def _kept(self) -> list[Entry]:
        return [entry for entries in self.entries.values() for entry in entries]

    def _reason(self, key: Any) -> tuple[str, list[str]]:
        """Why no known graph fits a call, and the names of the guards that failed."""
        if key is None:
            return "an argument that no guard can describe", []
        if not self.entries:
            return "the first call", []
        failed: list[list[Any]] = [
            [guard for guard in entry.guards if not guard.holds()]
            for entry in self.entries.get(key, ())
        ]
        if failed:
            fewest = min(failed, key=len)  # against the graph that fits best
            return "; ".join(g.change() for g in fewest), [g.words for g in fewest]
        casts, rest = _autocast_of(key)
        if any(_autocast_of(known)[1] == rest for known in self.entries):
            on = f"is on for {' and '.join(sorted(casts))}" if casts else "is off"
            return f"autocast {on} now, and was not before", []
        return f"new arguments: {_key_text(key)}", []

    def _trace(self, key: Any, args: Any, kwargs: Any, recording: bool) -> Entry:
        with self._lock:
            opened = entry = None
            if self.dynamic and key is not None:
                shapes = [part[0] for part in key if _is_tensor(part)]
                names = argument_names(self.function, args, kwargs)
                opened = Opened(key, self._open_sizes(names, shapes))
            if opened is not None:
                entry = self._with_open_size(opened, key, args, kwargs, recording)
            if entry is None:
                try:
                    entry = self._new_entry(args, kwargs, recording, key, None, opened)
                except BaseException:  # it fails with its own size too: that says nothing
                    if opened is not None:
                        self.fixed.pop(opened.place, None)
                    raise
                if opened is not None:
                    self._tell(self.fixed.get(opened.place))
            known = self.entries.setdefault(key, [])
            known.insert(0, entry)
            del known[LIMIT:]
            for kept in (self.entries, self.templates, self.fixed):
                while len(kept) > LIMIT:
                    kept.pop(next(iter(kept)))
            return entry

    def _open_sizes(self, names: list[str], shapes: list[Any]) -> list[dict[int, int]]:
        """For each tensor argument the sizes of its open dimensions."""
        if not isinstance(self.dynamic, dict):
            size = next((shape[0] for shape in shapes if shape), 0)
            return [{0: size} if shape[:1] == (size,) else {} for shape in shapes]
        return named_sizes(self.function, self.dynamic, names, shapes)

    def _with_open_size(
        self, opened: Opened, key: Any, args: Any, kwargs: Any, recording: bool
    ) -> Entry | None:
        """The plan of a trace with open sizes; None where they cannot stay open."""
        now, place = opened.now, opened.place
        known = self.templates.setdefault(place, [])
        for template in known:
            if template.size.holds(now):
                entry = template.at(now, key, self)
                if entry is not None and entry.holds():
                    return entry
        # a size of 1 that no trace fits is one that is spread over other sizes
        if not now or 0 in now or place in self.fixed or (1 in now and known):
            return None
        primes = (PRIME,) if self.dynamic is True else PRIMES[: len(now)]
        if len(primes) < len(now):
            self.fixed[place] = f"{len(now)} of them, and {len(PRIMES)} can be told apart"
            return None
        size = OpenSize(now, opened.which, primes)
        try:
            entry = self._new_entry(args, kwargs, recording, key, size, opened)
            known.insert(0, Template(size, entry))
            del known[LIMIT:]
        except Exception as error:  # noqa: BLE001  the trace with the sizes themselves has the words
            if 1 in now:  # it is spread over other sizes: it says nothing of those
                return None
            line = str(error).splitlines()[0][:160]
            if isinstance(error, RecursionError):  # sums of sums
                error, line = Fixed(), "a loop goes over a size"
            instead = ", ".join(map(str, primes))
            self.fixed[place] = (
                line if isinstance(error, Fixed) else f"with {instead} in its place: {line}"
            )
            return None
        return entry

    def _tell(self, why: str | None) -> None:
        """Say once that each size is traced for itself, and why."""
        if why is not None and not self._told:
            self._told = True
            name = getattr(self.function, "__name__", "a function")
            warn(
                f"graph mode: {name}() is traced for each size, in spite of dynamic: "
                f"{self._sizes} cannot stay open: {why}"
            )

    @property
    def _sizes(self) -> str:
        return "dimension 0" if self.dynamic is True else "what dynamic names"

    def _why_not_open(self, opened: Opened, is_open: bool) -> str:
        if is_open or opened.place not in self.fixed:
            known = self.templates.get(opened.place)
            now = ", ".join(map(str, opened.now))
            return f" (the function does something else for size {now})" if known else ""
        return f" ({self._sizes} cannot stay open: {self.fixed[opened.place]})"

    def _new_entry(
        self,
        args: Any,
        kwargs: Any,
        recording: bool,
        key: Any,
        size: OpenSize | None = None,
        opened: Opened | None = None,
    ) -> Entry:
        reason, guards = self._reason(key)
        effects: list[str] = []
        start = perf_counter()
        values = values_read(self.function)
        with side_effects(self.function, effects):
            traced = trace(self.function, args, kwargs, recording, size, self.kind)
            if size is not None and self.dynamic is not True:
                traced = self._followed(traced, size, args, kwargs, recording)
        seconds = perf_counter() - start
        if size is not None:
            traced = replace(traced, graph=check(traced.graph, size))
        graph = (
            traced
            if size is None
            else replace(traced, graph=graph_at(traced.graph, size, size.now))
        )
        guards_of_names = watched(self.function, values, traced.modules)
        entry = Entry(graph, guards_of_names, key, self.executor, self.without)
        if size is not None:
            entry.size, entry.open = shown(size.now), traced
        if opened is not None:
            reason += self._why_not_open(opened, size is not None)
        self.traces += 1
        self.reasons.append(reason)
        entry.seconds["tracing"] = seconds
        before = self.history[-1].arguments if self.history else {}
        entry.history = Retrace(
            self.traces, reason, arguments(self.function, args, kwargs), before, guards, effects
        )
        self.history.append(entry.history)
        # a shape that changes with every call makes no list that grows with every call
        del self.history[:-LIMIT], self.reasons[1 : -2 * LIMIT]
        self._warn()
        return entry

    def _followed(
        self, traced: Traced, size: OpenSize, args: Any, kwargs: Any, recording: bool
    ) -> Traced:
        """The trace; Fixed where it is not, for the sizes of this call, the one made with them."""
        plain = trace(self.function, args, kwargs, recording, None, self.kind)
        try:
            need_same(graph_at(check(traced.graph, size), size, size.now), plain.graph)
            return traced
        except Fixed:  # the first trace may have made state, such as an optimiser's
            traced = trace(self.function, args, kwargs, recording, size, self.kind)
            need_same(graph_at(check(traced.graph, size), size, size.now), plain.graph)
            return traced

    def _warn(self) -> None:
        """Say once that each call is traced anew, and what to do."""
        last = self.history[-RETRACES - 1 :]
        if self._warned or len(last) <= RETRACES:
            return
        for name in last[-1].causes():
            if all(name in retrace.causes() for retrace in last[1:]):
                self._warned = True
                text = retrace_warning(self.function, name, last, self.dynamic)
                warn(text)
                return

    def _run(self, entry: Entry, *call: Any) -> Any:
        return self._do(entry, *call) if entry.at_once else whole(self._do, entry, *call)

    def _do(self, entry: Entry, leaves: list[Any], args: Any, kwargs: Any, recording: bool) -> Any:
        plan = entry.plan
        with plan.lock:
            for tensor, array in plan.captured:
                if tensor.array is not array:
                    entry.rebind()
                    plan = entry.plan
                    break
            before = _before(entry) if entry.differentiable and recording else None
            try:
                results = plan.run(*[x.array for x in leaves])
            except Exception as error:  # noqa: BLE001  retold in the learner's words
                raise retold(entry, leaves, error) from None
            entry.changed()
            n = entry.outputs
            for target, array in zip(entry.grads, results[n:], strict=True):
                if isinstance(target, Grad):
                    target.tensor._grad = make(_array(array))
                else:
                    add_grad(leaves[target.index], make(_array(array)))
            for tensor in entry.cleared:
                tensor._grad = None
            for _, call in entry.traced.later:
                call()
        if entry.one and not (entry.differentiable and recording):
            return make(_array(results[0]))
        outputs: list[Any] = [make(_array(a)) for a in results[:n]]
        if before is not None:
            _record_call(self, entry, leaves, args, kwargs, outputs, before)
        return entry.traced.rebuild(outputs)

    def graph(self, *args: Any, optimised: bool = True, **kwargs: Any) -> Graph:
        """The graph for these arguments, after the passes or as it was traced."""
        entry = self._entry(args, kwargs)
        return entry.graph if optimised else entry.traced.graph

    def passes(self, *args: Any, **kwargs: Any) -> tuple[Record | StageRecord, ...]:
        """What each pass did to the graph for these arguments, in the order in which they ran.

        After the passes over the graph come the stages, which make the steps of the plan of it.
        """
        return self._entry(args, kwargs).workings.passes

    def code(self, *args: Any, **kwargs: Any) -> str:
        """The generated code that runs for these arguments."""
        return self._entry(args, kwargs).plan.source

    def _entry(self, args: Any, kwargs: Any) -> Entry:
        interpreter = current()
        key = signature(args, kwargs, [], interpreter)
        for entry in self.entries.get(key, ()):
            if entry.holds():
                return entry
        return self._trace(key, args, kwargs, interpreter.recording)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        # on a method: each instance has its own graphs
        if instance is None:
            return self
        bound = type(self)(
            self.function.__get__(instance, owner), self.executor, self.without, self.dynamic
        )
        instance.__dict__[self.function.__name__] = bound
        return bound


class Pullback(Compiled):
    """The gradients of a compiled function: what is open in a call of it is open here."""

    def __init__(self, function: Any, of: Compiled, names: list[str]) -> None:
        super().__init__(function, dynamic=of.dynamic)
        self.of, self.names, self.kind = of, names, of.kind
        self._warned = self._told = True  # the function itself has the words

    def _open_sizes(self, names: list[str], shapes: list[Any]) -> list[dict[int, int]]:
        if not isinstance(self.dynamic, dict):
            return super()._open_sizes(names, shapes)
        *inputs, start = shapes  # the arguments, and the gradient that comes to the result
        found = self.of._open_sizes(self.names, inputs)
        sizes = {n for each in found for n in each.values()}
        return [*found, {d: n for d, n in enumerate(start) if n in sizes}]


class Template:
    """A trace with an open size, of which each size that comes gets a plan."""

    def __init__(self, size: OpenSize, first: Entry) -> None:
        self.size, self.first = size, first

    def at(self, now: Sizes, key: Any, compiled: Compiled) -> Entry | None:
        """The plan for one size, without the learner's Python; None where an op refuses it."""
        traced = self.first.open
        assert traced is not None
        try:
            graph = graph_at(traced.graph, self.size, now)
        except (Mismatch, LabError, ArithmeticError):
            return None
        guards = self.first.guards[len(traced.guards) :]
        made = Entry(replace(traced, graph=graph), guards, key, compiled.executor, compiled.without)
        made.size, made.history, made.pullbacks = (
            shown(now),
            self.first.history,
            self.first.pullbacks,
        )
        return made


class Opened:
    """What is open in a call: the sizes, and the signature without them.

    ``sizes`` has for each tensor the sizes of its open dimensions; equal ones are one size.
    """

    def __init__(self, key: Any, sizes: list[dict[int, int]]) -> None:
        self.now: Sizes = tuple(dict.fromkeys(n for found in sizes for n in found.values()))
        self.which = tuple({d: self.now.index(n) for d, n in found.items()} for found in sizes)
        rest = iter(self.which)
        self.place = tuple(
            (_without(part[0], next(rest)), *part[1:]) if _is_tensor(part) else part for part in key
        )


def _without(shape: tuple[int, ...], which: dict[int, int]) -> tuple[Any, ...]:
    return tuple((None, which[d]) if d in which else n for d, n in enumerate(shape))


def named_sizes(
    function: Callable[..., Any],
    dynamic: dict[str, tuple[int, ...]],
    names: list[str],
    shapes: list[tuple[int, ...]],
) -> list[dict[int, int]]:
    """The open sizes of each tensor argument; ArgumentError where there is no such dimension."""
    title = f"dynamic of {getattr(function, '__name__', 'a function')}()"
    for name, dims in dynamic.items():
        if name not in names:
            raise ArgumentError(
                f"{title}: there is no tensor argument {name!r}\n"
                f"  expected names of {', '.join(names) or 'arguments that are tensors'}"
            )
        shape = shapes[names.index(name)]
        for d in dims:
            if not -len(shape) <= d < len(shape):
                raise ArgumentError(
                    f"{title}: {name!r} has no dimension {d}\n  {name}  {shape}\n"
                    f"  expected dimensions from {-len(shape)} to {len(shape) - 1}"
                    if shape
                    else f"{title}: {name!r} is a number and has no dimension {d}\n"
                    "  expected tensors with dimensions"
                )
    return [
        {d % len(shape): shape[d] for d in dynamic.get(name, ())}
        for name, shape in zip(names, shapes, strict=True)
    ]


def check_dynamic(dynamic: Any) -> bool | dict[str, tuple[int, ...]]:
    """True, False, or the open dimensions by the names of arguments; ArgumentError for others."""
    if isinstance(dynamic, bool):
        return dynamic
    wrong = f"got {describe(dynamic)}"
    if isinstance(dynamic, dict) and dynamic:
        made = {k: v if isinstance(v, (tuple, list)) else (v,) for k, v in dynamic.items()}
        bad = {
            k: v
            for k, v in made.items()
            if not isinstance(k, str) or not v or any(type(d) is not int for d in v)
        }
        if not bad:
            return {name: tuple(dims) for name, dims in made.items()}
        name = next(iter(bad))
        wrong = f"got {name!r}: {dynamic[name]!r}"
    raise ArgumentError(
        f"dynamic: {wrong}\n"
        "  expected True for dimension 0 of the first tensor, or dimensions by the names of "
        'arguments\n  dynamic={"x": 0, "ids": (0, 1)}'
    )


def shown(sizes: Sizes) -> Any:
    """One size as a number, several as a tuple."""
    return sizes[0] if len(sizes) == 1 else sizes


def _is_tensor(part: Any) -> bool:
    return isinstance(part, tuple) and len(part) == 4 and isinstance(part[1], np.dtype)


class Retrace:
    """What is remembered of one trace: why it was made, and the arguments that it was made for."""

    def __init__(
        self,
        number: int = 0,
        reason: str = "",
        arguments: dict[str, Any] | None = None,
        before: dict[str, Any] | None = None,
        guards: list[str] | None = None,
        effects: list[str] | None = None,
    ) -> None:
        self.number, self.reason = number, reason
        self.arguments = arguments or {}
        self.before = before or {}
        self.guards = guards or []
        self.effects = effects or []

    def causes(self) -> list[str]:
        """The arguments that differ from those of the trace before, and the guards that failed."""
        if not self.before:
            return []
        changed = [k for k, v in self.arguments.items() if self.before.get(k, v) != v]
        return changed + [words for words in self.guards if words not in changed]

    def changes(self) -> list[str]:
        """The same in words: from what to what."""
        return [
            f"{k}: {said(self.before[k])} -> {said(self.arguments[k])}"
            for k in self.causes()
            if k in self.arguments
        ]


def arguments(function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments of a call by name: the spec of a tensor, the value of anything else."""
    found: dict[str, Any] = {}

    def add(name: str, x: Any) -> None:
        if isinstance(x, Tensor):
            found[name] = (x.spec, x.requires_grad)
        elif isinstance(x, dict):
            for k, v in x.items():
                add(f"{name}[{k!r}]", v)
        elif isinstance(x, (list, tuple)):
            for k, v in enumerate(x):
                add(f"{name}[{k}]", v)
        else:
            found[name] = x if isinstance(x, PLAIN) else f"<{type(x).__name__}>"

    code = getattr(getattr(function, "__func__", function), "__code__", None)
    names = list(code.co_varnames[: code.co_argcount]) if code else []
    names = names[hasattr(function, "__self__") :]
    for i, x in enumerate(args):
        add(names[i] if i < len(names) else f"input {i}", x)
    for name, x in kwargs.items():
        add(name, x)
    return found


def said(value: Any) -> str:
    """An argument in words."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], Spec):
        return f"{value[0]}" + (" with gradient" if value[1] else "")
    return repr(value)


def retrace_warning(
    function: Callable[..., Any], name: str, last: list[Retrace], dynamic: Any
) -> str:
    """The warning for a function that is traced at each call because of ``name``."""
    head = (
        f"graph mode: {getattr(function, '__name__', 'a function')}() was traced again "
        f"{RETRACES} times in a row, each time because {name!r} changed\n"
    )
    seen = [retrace.arguments.get(name) for retrace in last]
    if not all(isinstance(x, tuple) and x and isinstance(x[0], Spec) for x in seen):
        values = [r.reason for r in last[1:]] if name not in last[-1].arguments else map(said, seen)
        if name in (WATCHED, OF_MODULES):
            return (
                head + "  expected  hooks that stay: what they compute is part of the graph\n"
                "  register them once, before the first call"
            )
        return (
            head + f"  seen      {', '.join(values)}\n"
            "  expected  a Python value that stays: it is baked into the graph\n"
            f"  give a tensor instead of a number: lab.tensor({name.split('[')[0]}) is an input, "
            "and its value may change"
        )
    specs = [x[0] for x in seen if x]
    shapes = list(dict.fromkeys(str(spec.shape) for spec in specs))
    open_size = ""
    if not dynamic and len({spec.ndim for spec in specs}) == 1:
        dims = tuple(d for d in range(specs[0].ndim) if len({x.shape[d] for x in specs}) > 1)
        named = f"{{{name!r}: {dims if len(dims) > 1 else dims[0]}}}" if dims else True
        option = True if dims in ((), (0,)) else named
        open_size = f"compile it with dynamic={option}, or "
    return (
        head + f"  shapes    {', '.join(shapes)}\n"
        "  expected  a shape that stays: each new one costs a trace and a plan\n"
        f"  {open_size}pad to one size, or leave the last batch out: DataLoader(drop_last=True)"
    )


@contextmanager
def side_effects(function: Callable[..., Any], found: list[str]) -> Iterator[None]:
    """Note what a trace does once that eager mode does at each call: printing, growing a list."""
    if threading.current_thread() is not threading.main_thread():
        yield  # standard output belongs to all threads
        return
    tee = _Tee(sys.stdout)
    grows = [(n, x, len(x)) for n, x in _named(function) if isinstance(x, (list, dict, set))]
    with redirect_stdout(tee):
        yield
    if tee.lines:
        found.append(f"print: {tee.lines} line{'s' if tee.lines > 1 else ''}")
    found += [f"{n}: {len(x)} items, was {k}" for n, x, k in grows if len(x) != k]


class _Tee:
    """Standard output that counts its lines."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.lines = stream, 0

    def write(self, text: str) -> Any:
        self.lines += text.count("\n")
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _named(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    """The globals and closure variables that a function names."""
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    space = function.__globals__
    return [
        *((n, space[n]) for n in sorted(names_read(code)[0]) if n in space),
        *((n, Cell(cell).get(n)) for n, cell in cells),
    ]


def retold(entry: Entry, leaves: list[Any], error: Exception) -> Exception:
    """The error that the failing op raises in eager mode.

    The graph as it was traced is run op by op, which changes no state, until one fails.
    """
    values: dict[int, Any] = dict(entry.traced.graph.constant_values)
    with random.apart():
        for v, binding in zip(entry.traced.graph.inputs, entry.traced.bindings, strict=True):
            values[v.id] = binding.value(leaves)
        for e in entry.traced.graph.equations:
            inputs = [values[x.id] if isinstance(x, Var) else x for x in e.inputs]
            try:
                values[e.out.id] = COMPUTE.apply(e.op, tuple(inputs), e.attrs)
            except Exception as found:  # noqa: BLE001  retold in the learner's words
                return explain(e.op, e.tensors or e.inputs, e.attrs, found)
    return error


def _array(a: Any) -> Any:
    return np.asarray(a) if isinstance(a, np.generic) else a


def _is_one(rebuild: Callable[[list[Any]], Any], count: int) -> bool:
    mark = object()
    return count == 1 and rebuild([mark]) is mark


def signature(args: Any, kwargs: Any, leaves: list[Any], interpreter: Any) -> Any:
    """The part of a signature that can be looked up; None where an argument has no key."""
    key: list[Any] = [interpreter.recording]
    for x in args:
        if isinstance(x, Tensor):
            a = x.array
            leaves.append(x)
            key.append((a.shape, a.dtype, a.__class__, x.requires_grad))
        elif not _other(x, key, leaves):
            return None
    if kwargs:
        for name, x in kwargs.items():
            key.append(name)
            if not _other(x, key, leaves):
                return None
    if (place := default_device()).type != "cpu":  # where the function makes tensors
        key.append(("device", str(place)))
    if interpreter.casts:
        key.append(("autocast", interpreter.casts))
    if WATCH[WATCHED][0] and any(map(leaf_hooks, leaves)):  # they are part of the graph
        key.append(("hooks", tuple([id(x._hooks) if leaf_hooks(x) else 0 for x in leaves])))
    return tuple(key)


def _key_text(key: Any) -> str:
    """A signature in words: "float32 (5, 8), int64 (5,)"."""
    parts = []
    for part in key[1:]:
        if isinstance(part, tuple) and len(part) == 4 and isinstance(part[0], tuple):
            parts.append(f"{part[1]} {part[0]}" + (" with gradient" if part[3] else ""))
        elif isinstance(part, tuple) and part[0] == "hooks":
            parts.append("hooks")
        elif isinstance(part, tuple) and part[0] == "autocast":
            parts.append(f"autocast for {' and '.join(sorted(part[1]))}")
        elif isinstance(part, tuple) and part[0] not in (list, tuple, dict):
            parts.append(repr(part[1]))
    return ", ".join(parts) + ("" if key[0] else " (without gradients)")


def _autocast_of(key: Any) -> tuple[frozenset[str], list[Any]]:
    """On which devices autocast is on in a signature, and the rest of it."""
    found = [part for part in key if isinstance(part, tuple) and part[:1] == ("autocast",)]
    return (found[0][1] if found else frozenset()), [part for part in key if part not in found]


def _other(x: Any, key: list[Any], leaves: list[Any]) -> bool:
    """Add an argument that may be no tensor; False where it has no key."""
    if isinstance(x, Tensor):
        a = x.array
        leaves.append(x)
        key.append((a.shape, a.dtype, a.__class__, x.requires_grad))
        return True
    if isinstance(x, (list, tuple)):
        key.append((type(x), len(x)))
        return all([_other(v, key, leaves) for v in x])  # noqa: C419  every leaf is collected
    if isinstance(x, dict):
        key.append((dict, tuple(x)))
        return all([_other(v, key, leaves) for v in x.values()])  # noqa: C419
    key.append((type(x), x if isinstance(x, PLAIN) else id(x)))
    try:
        hash(key[-1])
    except TypeError:
        flatten(x, leaves)
        return False
    # an array's entries may change under the same id: such an argument has no key
    return not hasattr(x, "__array__")


# Gradients through a compiled call ---------------------------------------------------------


def _before(entry: Entry) -> Before:
    arrays = tuple(x.array.copy() for x in entry.updated)
    return Before(arrays, random.drawing().get_state() if entry.draws else None)


@contextmanager
def _as_before(entry: Entry, before: Before) -> Iterator[None]:
    """Random numbers and updated tensors as they were before a run, and at the end as now."""
    now = [x.array.copy() for x in entry.updated]
    for x, array in zip(entry.updated, before.arrays, strict=True):
        x.array[...] = array
    try:
        with random.apart(before.state):
            yield
    finally:
        for x, array in zip(entry.updated, now, strict=True):
            x.array[...] = array


def _record_call(
    compiled: Compiled,
    entry: Entry,
    leaves: list[Any],
    args: Any,
    kwargs: Any,
    outputs: list[Any],
    before: Before,
) -> None:
    """Put the call on the tape as one node for each output, so that backward() goes on through it.

    The gradient is a graph of its own, which computes the forward pass again.
    """
    captured = [t for t, _ in entry.plan.captured if t.requires_grad]
    wanted = [x for x in leaves if x.requires_grad] + captured
    if not wanted:
        return
    call = Call(entry, leaves, tuple(wanted), before)
    for index, out in enumerate(outputs):
        if not entry.traced.differentiable[index]:
            continue
        op = _call_op(compiled, entry, args, kwargs, index, wanted, before)
        op.call, op.index = call, index
        out.requires_grad = True
        out.node = record(op, tuple(wanted), {}, out.array)


def _call_op(
    compiled: Compiled,
    entry: Entry,
    args: Any,
    kwargs: Any,
    index: int,
    wanted: list[Any],
    before: Before,
) -> CallOp:
    results: dict[str, Any] = {}

    def pull(i: int, g: Any, y: Any, *inputs: Any) -> Any:
        if "grads" not in results:
            found = _pullback(compiled, entry, args, kwargs, index, wanted, g, before)
            results["grads"] = found
        return results["grads"][i]

    return CallOp(
        name=getattr(compiled.function, "__name__", "graph"),
        doc="A compiled function.",
        forward=lambda xp, *arrays: None,
        shape=lambda *specs: outputs_spec(entry, index),
        formula=(r"y = f(x)", r"\bar x = \bar y\,f'(x)"),
        vjp=(pull,),
        variadic=True,
        saved=frozenset(range(len(wanted))),
        arguments=("input",),
        cost=per_entry(0),
    )


def outputs_spec(entry: Entry, index: int) -> Spec:
    """The spec of one output."""
    return entry.graph.outputs[index].spec


def _pullback(
    compiled: Compiled,
    entry: Entry,
    args: Any,
    kwargs: Any,
    index: int,
    wanted: list[Any],
    g: Any,
    before: Before,
) -> tuple[Any, ...]:
    """The gradients of output ``index`` with respect to ``wanted``.

    The function runs once more, with the numbers that it drew and the state that it found.
    """
    leaves: list[Any] = []
    rebuild = flatten((args, kwargs), leaves)

    def gradients(inputs: list[Any], start: Tensor) -> Any:
        again, named = rebuild(inputs)
        found: list[Any] = []
        with current().again(entry.updated, entry.was), autocasting(entry.casts):
            flatten(compiled.function(*again, **named), found)
        place = {id(x): now for x, now in zip(leaves, inputs, strict=True)}
        targets = [place[id(x)] if id(x) in place else current().at_border(x) for x in wanted]
        with _unhooked(wanted):  # the backward pass that asks for these gradients runs them
            grads = autograd_grad(found[index], targets, start, allow_unused=True)
        return [
            start.sum() * 0.0 + t * 0.0 if d is None else d
            for t, d in zip(targets, grads, strict=True)
        ]

    if isinstance(g, Tensor):  # the gradient itself shall be differentiable: run it eagerly
        outputs: list[Any] = []
        with _as_before(entry, before), autocasting(entry.casts):
            flatten(compiled.function(*args, **kwargs), outputs)
        return autograd_grad(outputs[index], wanted, g, create_graph=True, allow_unused=True)
    pull = entry.pullbacks.get(index)
    if pull is None:
        pull = entry.pullbacks[index] = Pullback(
            gradients, compiled, argument_names(compiled.function, args, kwargs)
        )
    token = INTERPRETER.set(NO_GRAD.with_grad(True))
    try:
        xp = namespace_of(g)
        with compiled._lock, random.apart(before.state):
            for x, array in zip(entry.was, before.arrays, strict=True):
                x.array[...] = array
            results = pull([_bare(x) for x in leaves], make(xp.asarray(g)))
    finally:
        INTERPRETER.reset(token)
    return tuple(r.array for r in results)


def _bare(x: Tensor) -> Tensor:
    """An argument without its hooks."""
    if not leaf_hooks(x):
        return x
    bare = make(x.array)
    bare.requires_grad = x.requires_grad
    return bare


@contextmanager
def _unhooked(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Let captured tensors be without their hooks."""
    kept = [(x, x._hooks) for x in tensors if leaf_hooks(x)]
    for x, _ in kept:
        x._hooks = {}
    try:
        yield
    finally:
        for x, hooks in kept:
            x._hooks = hooks


# The mode ----------------------------------------------------------------------------------


class _Mode:
    """The one switch of the workbench."""

    name = "eager"


class ModeSwitch(str):
    """What ``lab.mode("graph")`` gives: the name of the mode, and a ``with`` block."""

    before: str

    def __enter__(self) -> ModeSwitch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        _Mode.name = self.before


def mode(name: str | None = None) -> str:
    """Get or set how functions marked with ``@lab.function`` run: "eager" or "graph".

    As a statement the mode stays; as a ``with`` block it goes back at the end.

    >>> mode()
    'eager'
    >>> with mode("graph"):
    ...     mode()
    'graph'
    """
    if name is None:
        return _Mode.name
    if name not in ("eager", "graph"):
        raise ArgumentError(f"mode: expected 'eager' or 'graph', got {name!r}")
    switch = ModeSwitch(name)
    switch.before = _Mode.name
    _Mode.name = name
    return switch


OPTIONS = """
    ``executor`` says what runs it, as ``lab.executor`` does for all. ``without`` names passes to
    leave out, such as ``("fold",)``. With ``dynamic=True`` one trace serves every size of the first
    tensor's dimension 0, a batch of any size; other arguments that have the same size there
    change along. With ``dynamic={"x": 0, "ids": (0, 1)}`` it serves every size of these dimensions
    of these arguments. Written as ``@name`` or as ``@name(dynamic=True)``.
"""


def _with_options(made: F) -> F:
    """Add what the options mean to the text of a function that takes them."""
    head, _, rest = (made.__doc__ or "").partition("\n\n")
    made.__doc__ = f"{head}\n{OPTIONS}\n{rest}"
    return made


def _compiler(
    kind: type[C], function: Any, executor: Any, without: Any, dynamic: Any
) -> C | Callable[[Callable[..., Any]], C]:
    """The compiled function, or what makes it of the function that stands below the decorator."""
    options = {
        "executor": executor,
        "without": check_names(without),
        "dynamic": check_dynamic(dynamic),
    }
    if executor is not None:
        check_executor(executor)
    return partial(kind, **options) if function is None else kind(function, **options)


@overload
def compile(
    function: Callable[..., Any],
    *,
    executor: str | None = None,
    without: Iterable[str] | str = (),
    dynamic: bool | dict[str, Any] = False,
) -> Compiled: ...
@overload
def compile(
    function: None = None,
    *,
    executor: str | None = None,
    without: Iterable[str] | str = (),
    dynamic: bool | dict[str, Any] = False,
) -> Callable[[Callable[..., Any]], Compiled]: ...
@_with_options
def compile(
    function: Callable[..., Any] | None = None,
    *,
    executor: str | None = None,
    without: Iterable[str] | str = (),
    dynamic: bool | dict[str, Any] = False,
) -> Any:
    """The function as a graph: traced at the first call with a signature, then run as a plan.

    >>> from minitorch_lab.tensor import tensor
    >>> double = compile(lambda x: x * 2)
    >>> double(tensor([1.0, 2.0]))
    tensor([2., 4.])
    """
    return _compiler(Compiled, function, executor, without, dynamic)


class Function(Compiled):
    """A function that follows ``lab.mode()``."""

    @property
    def as_graph(self) -> bool:
        """Whether a call runs as a graph now."""
        return _Mode.name == "graph"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run op by op or as a graph, as the mode says."""
        if self.as_graph:
            return super().__call__(*args, **kwargs)
        return self.function(*args, **kwargs)


@overload
def function(
    function: Callable[..., Any],
    *,
    executor: str | None = None,
    without: Iterable[str] | str = (),
    dynamic: bool | dict[str, Any] = False,
) -> Function: ...
@overload
def function(
    function: None = None,
    *,
    executor: str | None = None,
    without: Iterable[str] | str = (),
    dynamic: bool | dict[str, Any] = False,
) -> Callable[[Callable[..., Any]], Function]: ...
@_with_options
def function(
    function: Callable[..., Any] | None = None,
    *,
    executor: str | None = None,
    without: Iterable[str] | str = (),
    dynamic: bool | dict[str, Any] = False,
) -> Any:
    """The function as ``lab.mode()`` says: op by op in eager mode, as a graph in graph mode.

    A whole training step may stand in it: forward, backward and the optimiser's step.

    >>> from minitorch_lab.tensor import tensor
    >>> double = function(lambda x: x * 2)
    >>> double(tensor([1.0, 2.0])), double.traces
    (tensor([2., 4.]), 0)
    """
    return _compiler(Function, function, executor, without, dynamic)


__all__ = ["Compiled", "Function", "compile", "function", "mode"]
