"""A session: it runs parts of a hand-built graph and keeps the values of its variables.

What a run asks for decides what is computed: the operations that lead there are taken, in the
order in which they were built, and become one compiled function of what is fed. Variables are
tensors that this function closes over; assignments change them at its end.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from .. import dtypes
from ..device import to_host
from ..errors import ArgumentError, DTypeError, KindError, LabError, ShapeError, describe
from ..interrupts import whole
from ..op import INTERPRETER, Spec, current
from ..ops import elementwise as e
from ..tape import SCOPE
from ..tensor import NO_GRAD, Tensor, enable_grad, make, no_grad
from .builder import GraphBuilder, GraphTensor, GraphTrace, Operation, Variable, leaf
from .compiler import Compiled, Entry, retold
from .ir import Graph, Var
from .sizes import AnyRank, Dim, fits, known

LIMIT = 64  # kept programs; each keeps a bounded number of plans, one for each set of shapes


class SessionError(LabError, RuntimeError):
    """A run that is not possible now: the session is closed, or a value is not there yet."""


class UninitializedError(SessionError):
    """A variable is read before it has got a value in this session."""


class Plans(Compiled):
    """The plans of one program, for each set of sizes."""

    def _warn(self) -> None:
        """Say nothing of new sizes: a placeholder with None is made for them."""


class Program:
    """What one set of fetches and feeds needs of a graph, as a function of the fed values."""

    def __init__(self, session: Session, wanted: list[Any], fed: list[Var]) -> None:
        self.session, self.fed = session, fed
        self.wanted = [x for x in wanted if isinstance(x, Var)]
        self.consumer = needed(session.graph, wanted, {v.id for v in fed}, session.Missing)
        self.steps = sorted(self.consumer, key=lambda o: o.index)
        self.reads = [_one(o) for o in self.steps if o.kind == "variable"]
        self.writers = {o.assigns.id: o for o in self.steps if o.assigns is not None}
        self.assigned = [o.assigns.id for o in self.steps if o.assigns is not None]
        self.recording = any(o.kind == "gradients" for o in self.steps)
        # a value that comes in is copied on the way out, so that nothing else can change it
        outside = {v.id for v in (*fed, *self.reads)}
        self.copied = [v.id in outside for v in self.wanted]
        run: Any = partial(replay, self)
        run.names = [session.graph.tensors[v.id].name.partition(":")[0] for v in fed]
        self.compiled = Plans(run, session.executor)


def replay(program: Program, *feeds: Any) -> tuple[Any, ...]:
    """Apply the operations of a program to the fed values and the variables of its session."""
    session = program.session
    values: dict[int, Any] = {}
    state: dict[int, Any] = {}  # variable -> the value that the run gives it
    for v, x in zip(program.fed, feeds, strict=True):
        values[v.id] = _named(leaf(x.detach()), v, session.graph)
    for v in program.reads:
        values[v.id] = _named(leaf(session.value(v).detach()), v, session.graph)
    for o in program.steps:
        with enable_grad() if program.recording and o.recording else no_grad():
            apply_step(o, values, state)
    with no_grad():
        for number, value in state.items():
            with _lines_of(program.writers[number]):
                session.value(session.graph.tensors[number].variable).copy_(value)
        return tuple(
            e.clone(values[v.id]) if copied else values[v.id].detach()
            for v, copied in zip(program.wanted, program.copied, strict=True)
        )


def _named(x: Any, v: Var, graph: GraphBuilder) -> Any:
    x.name = graph.tensors[v.id].name
    return x


def apply_step(o: Operation, values: dict[int, Any], state: dict[int, Any]) -> None:
    """Run one operation; its equations keep the line that built it."""
    if o.compute is None:
        return
    inputs = [values[x.id] if isinstance(x, Var) else known(x, values) for x in o.inputs]
    target = o.assigns
    if target is not None and len(inputs) > 1:  # assign_add: on top of what came before
        inputs[1] = state.get(target.id, inputs[1])
    try:
        with _lines_of(o):
            results = o.compute(inputs, values)
    except LabError as error:
        if "\n  operation " in str(error):
            raise
        raise type(error)(f"{error}\n  operation {o.name!r} of the graph{o.where()}") from None
    for v, result in zip(o.outputs, results, strict=True):
        if v is None or v.id in values:  # a fed value stays
            continue
        if not fits(result.shape, v.spec.shape):
            raise ShapeError(_another_size(o, v, result))
        values[v.id] = result
    if target is not None:
        state[target.id] = results[0]


@contextmanager
def _lines_of(o: Operation) -> Iterator[None]:
    """What is traced meanwhile has the line and the scope of an operation."""
    builder = getattr(current(), "builder", None)
    start = len(builder.equations) if builder is not None else 0
    token = SCOPE.set(o.scope)
    try:
        yield
    finally:
        SCOPE.reset(token)
    if builder is not None:
        builder.equations[start:] = [
            replace(q, source=o.source, scope=o.scope, of=q.of and q.of._replace(asked=o.source))
            for q in builder.equations[start:]
        ]


def _another_size(o: Operation, v: Var, result: Tensor) -> str:
    return (
        f"operation {o.name!r} gives another shape than when it was built{o.where()}\n"
        f"  built for  {tuple(v.spec.shape)}\n"
        f"  this run   {tuple(result.shape)}\n"
        "  expected sizes that do not hang on an unknown one by arithmetic such as n // 2\n"
        "  such sizes may be added, multiplied and used in reshape; or build for one size"
    )


def needed(
    graph: GraphBuilder, wanted: list[Any], fed: set[int], missing: type[LabError] = ArgumentError
) -> dict[Operation, Operation | None]:
    """The operations that lead to what is wanted, each with the one that asked for it."""
    consumer: dict[Operation, Operation | None] = {}
    stack: list[tuple[Operation, Operation | None]] = []

    def visit(numbers: Any, others: Any, by: Operation | None) -> None:
        stack.extend((graph.maker[i], by) for i in numbers if i not in fed)
        stack.extend((o, by) for o in others)

    for x in wanted:
        numbers, others = ([x.id], []) if isinstance(x, Var) else ([], [x])
        visit(numbers, others, None)
    while stack:
        o, by = stack.pop()
        if o in consumer:
            continue
        consumer[o] = by
        if o.kind == "placeholder" and _one(o).id not in fed:
            raise missing(_missing(o, consumer, wanted))
        visit(sorted(o.needs), o.control, o)
    return consumer


def _one(o: Operation) -> Var:
    v = o.outputs[0]
    assert v is not None
    return v


def path(o: Operation, consumer: dict[Operation, Operation | None]) -> str:
    """The operations from one to the fetch that needs it."""
    names = [o.name]
    after = consumer[o]
    while after is not None:
        names.append(after.name)
        after = consumer[after]
    if len(names) > 8:
        names[4:-3] = ["..."]
    return " -> ".join(names)


def _missing(o: Operation, consumer: dict[Operation, Operation | None], wanted: list[Any]) -> str:
    shape = _sizes(_one(o).spec.shape)
    way = path(o, consumer)
    return (
        f"run(fetches, feed_dict): placeholder {o.name!r} is not fed\n"
        f"  placeholder  {_one(o).spec.dtype} {shape}{o.where()}\n"
        f"  needed by    {way}\n"
        f"  expected a value of shape {shape} in feed_dict\n"
        f"  run({way.split(' -> ')[-1]}, feed_dict={{{o.name}: value}})"
    )


def _sizes(shape: Any) -> Any:
    """A shape as it is written in messages."""
    return shape if type(shape) is AnyRank else tuple(shape)


def _call(fetches: Any, feed_dict: Any) -> Any:
    """What a call is known again by: the objects that are fetched, and those that are fed."""
    what = tuple(map(id, fetches)) if fetches.__class__ is list else id(fetches)
    return (what, *map(id, feed_dict)) if feed_dict.__class__ is dict else (what,)


ONE = itemgetter(0)
UNKNOWN = object()


class Quick:
    """A call that was seen before: its plans, by the shapes of what is fed."""

    def __init__(self, call: Any, seen: Any, feeds: list[Any]) -> None:
        _, slots, reads, wanted, _, self.alive = seen
        self.call = call
        self.tensors = [isinstance(x, Var) for x in wanted]
        self.listed = call[0].__class__ is tuple  # a list of tensors and operations, else one
        self.feeds = [
            (x, fed.array.dtype, read)
            for (_, x), fed, read in zip(slots, feeds, reads, strict=True)
        ]
        self.entries: dict[Any, Entry] = {}

    def run(self, feed_dict: Any) -> Any:
        """The values of the fetches; UNKNOWN where there is no plan for what is fed."""
        feeds = self.feeds
        if feeds and (feed_dict.__class__ is not dict or len(feed_dict) != len(feeds)):
            return UNKNOWN
        if not feeds and feed_dict:
            return UNKNOWN
        arrays, shapes = [], []
        for x, dtype, read in feeds:
            a = feed_dict.get(x, UNKNOWN)
            if a is UNKNOWN:
                return UNKNOWN
            if a.__class__ is not np.ndarray or a.dtype is not dtype:
                a = read(a)
            arrays.append(a)
            shapes.append(a.shape)
        entry = self.entries.get(tuple(shapes))
        if entry is None or (entry.guards and not entry.holds()):
            return UNKNOWN
        plan = entry.plan
        for tensor, array in plan.captured:
            if tensor.array is not array:  # the plan has to be built anew
                return UNKNOWN
        try:  # the lock of the session is held: nothing else runs its plans
            run = plan.run
            results = run(*arrays) if entry.at_once else whole(run, *arrays)
        except Exception as error:  # noqa: BLE001  retold in the learner's words
            raise retold(entry, [make(a) for a in arrays], error) from None
        if entry.updated:
            entry.changed()
        if not self.listed:
            return results[0][()] if results else None
        found = iter(results)
        return [next(found)[()] if x else None for x in self.tensors]


class Session:
    """Runs of one graph, with values of its variables that last between runs.

    ``run`` takes fetches (a tensor, an operation, a name, or nested lists, tuples and dicts of
    them) and gives NumPy arrays in the same arrangement, None for an operation. Everything that
    a run reads, it reads as it is at the start; assignments are made at the end. Inside
    ``control_dependencies`` a variable is read as the operations that are waited for leave it.

    >>> graph = GraphBuilder()
    >>> with graph:
    ...     x = graph.placeholder("float32", (None,), name="x")
    ...     y = x * 2 + 1
    >>> with Session(graph) as session:
    ...     session.run(y, {x: [1.0, 2.0]})
    array([3., 5.], dtype=float32)
    """

    def __init__(self, graph: GraphBuilder, executor: str | None = None) -> None:
        if not isinstance(graph, GraphBuilder):
            raise KindError(
                f"Session(graph): expected a GraphBuilder, got {describe(graph)}\n"
                "  graph = GraphBuilder(), and ops inside `with graph:`"
            )
        self.graph, self.executor = graph, executor
        self.kept: dict[int, Tensor] = {}  # number of a variable -> memory for it
        self.known: set[int] = set()  # the variables that have a value
        self.closed = False
        self._programs: OrderedDict[Any, Program] = OrderedDict()
        self._calls: dict[Any, Any] = {}
        self._quick: dict[Any, list[Quick]] = {}
        self._lock = threading.RLock()

    # What a dialect over this one may say in other words: its own objects, and its errors.
    leaves: tuple[type, ...] = (GraphTensor, Variable, Operation)
    Missing: type[LabError] = ArgumentError
    Uninitialized: type[LabError] = UninitializedError

    def remedy(self, initializer: str) -> str:
        """What to run where a variable has no value; the name of what would set it is known."""
        if not initializer:
            return "run(graph.initializer()) first, made after the last variable"
        return (
            f'run("{initializer}") first; it initialises all variables that were there when '
            "it was made"
        )

    def meant(self, x: Any) -> Any:
        """The tensor or operation of the graph that an object stands for."""
        return x

    def __enter__(self) -> Any:
        self._need_open()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let values and plans go; closing twice is no error."""
        with self._lock:
            self.closed = True
            self.kept.clear()
            self.known.clear()
            self._programs.clear()
            self._calls.clear()
            self._quick.clear()

    def _need_open(self) -> None:
        if self.closed:
            raise SessionError(
                "the session is closed: its variables are gone\n"
                "  expected an open session\n"
                "  Session(graph) opens another; after `with Session(graph) as s:` s is closed"
            )

    def value(self, v: Var) -> Tensor:
        """The memory for a variable in this session."""
        found = self.kept.get(v.id)
        if found is None:
            found = self.kept[v.id] = make(np.zeros(v.spec.shape, v.spec.dtype))
            found.name = v.name
        return found

    def run(self, fetches: Any, feed_dict: dict[Any, Any] | None = None) -> Any:
        """The values of ``fetches``, computed with the values in ``feed_dict``.

        Raises ArgumentError for a placeholder that is not fed, UninitializedError for a variable
        without a value, before anything is computed.
        """
        now = current()
        if now.tracing and not isinstance(now, GraphTrace):
            now.refuse("session.run()", "run the session outside of the compiled function")
        what = tuple(map(id, fetches)) if fetches.__class__ is list else id(fetches)
        with self._lock:
            for quick in self._quick.get(what, ()):
                results = quick.run(feed_dict)
                if results is not UNKNOWN:
                    return results
            program, feeds, wanted, rebuild = self._prepare(fetches, feed_dict)
            token = INTERPRETER.set(NO_GRAD)
            try:
                found = iter(program.compiled(*feeds))
                self._keep(what, _call(fetches, feed_dict), program, feeds)
            finally:
                INTERPRETER.reset(token)
            self.known.update(program.assigned)
            return rebuild([_plain(next(found)) if isinstance(x, Var) else None for x in wanted])

    def _keep(self, what: Any, call: Any, program: Program, feeds: Any) -> None:
        """Let the next call of this kind go straight to its plan."""
        entry = program.compiled._entry(feeds, {})
        if call not in self._calls or not entry.warm:  # the first two are timed
            return
        if len(self._quick) >= LIMIT:
            self._quick.clear()
        known = self._quick.setdefault(what, [])
        quick = next((q for q in known if q.call == call), None)
        if quick is None:
            del known[LIMIT:]
            quick = Quick(call, self._calls[call], feeds)
            known.insert(0, quick)
        if len(quick.entries) >= LIMIT:
            quick.entries.clear()
        quick.entries[tuple([x.array.shape for x in feeds])] = entry

    def graph_of(
        self, fetches: Any, feed_dict: dict[Any, Any] | None = None, optimised: bool = True
    ) -> Graph:
        """The graph that ``run(fetches, feed_dict)`` runs: only what is needed, all sizes known."""
        with self._lock:
            program, feeds, *_ = self._prepare(fetches, feed_dict)
            token = INTERPRETER.set(NO_GRAD)
            try:
                return program.compiled.graph(*feeds, optimised=optimised)
            finally:
                INTERPRETER.reset(token)

    def _prepare(self, fetches: Any, feed_dict: Any) -> tuple[Program, list[Any], list[Any], Any]:
        """The program for a run, what it is fed, what is wanted, and how to arrange that.

        A call that was seen before is known by its objects, when fetches and keys are simple.
        """
        self._need_open()
        call = _call(fetches, feed_dict)
        seen = self._calls.get(call)
        if seen is not None:
            program, slots, _, wanted, rebuild, _ = seen
            self._need_values(program)
            values = list(feed_dict.values()) if slots else ()
            feeds = [_feed(self.meant(x), values[i]) for i, x in slots]
            return program, feeds, wanted, rebuild
        program, feeds, wanted, rebuild = self._look_up(fetches, feed_dict)
        leaves = fetches if fetches.__class__ is list else (fetches,)
        keys = feed_dict if feed_dict.__class__ is dict else ()
        if all(x.__class__ in self.leaves for x in (*leaves, *keys)):
            slots = sorted(enumerate(keys), key=lambda slot: self.meant(slot[1]).variable.id)
            reads = [_reader(self.meant(x)) for _, x in slots]
            if len(self._calls) >= LIMIT:
                self._calls.clear()
            alive = (*leaves, *keys)  # so that no other object gets one of their ids
            self._calls[call] = (program, slots, reads, wanted, rebuild, alive)
        return program, feeds, wanted, rebuild

    def _look_up(self, fetches: Any, feed_dict: Any) -> tuple[Program, list[Any], list[Any], Any]:
        """The same for a call that is new, or made of names and nested lists."""
        wanted: list[Any] = []
        rebuild = self._fetches(fetches, wanted, "fetches")
        fed = self._feeds({} if feed_dict is None else feed_dict)
        key = (*(x.id if isinstance(x, Var) else x for x in wanted), None, *fed)
        program = self._programs.get(key)
        if program is None:
            program = self._program(key, wanted, [v for v, _ in fed.values()])
        else:
            self._programs.move_to_end(key)
        self._need_values(program)
        return program, [x for _, x in fed.values()], wanted, rebuild

    def load(self, variable: Variable, value: Any) -> None:
        """Give a variable a value in this session."""
        with self._lock:
            self._need_open()
            self.graph.own(variable, "load(variable, value)")
            if not isinstance(variable, Variable):
                raise KindError(f"load(variable, value): {variable.name} is not a variable")
            v = variable.variable
            self.value(v).array[...] = _converted("load(variable, value)", variable, v.spec, value)
            self.known.add(v.id)

    @property
    def plans(self) -> int:
        """How many plans are kept: one for each fetches and shapes of feeds."""
        return sum(
            len(entries) for p in self._programs.values() for entries in p.compiled.entries.values()
        )

    def _program(self, key: Any, wanted: list[Any], fed: list[Var]) -> Program:
        program = self._programs[key] = Program(self, wanted, fed)
        while len(self._programs) > LIMIT:
            self._programs.popitem(last=False)
        return program

    def _need_values(self, program: Program) -> None:
        """UninitializedError where a variable is read that has no value yet."""
        for v in program.reads:
            if v.id in self.known:
                continue
            graph = self.graph
            made = graph.maker[v.id]
            variable = graph.tensors[v.id]
            inits = [o.name for o in graph.operations if variable.initializer in o.control]
            remedy = self.remedy(inits[-1] if inits else "")
            raise self.Uninitialized(
                f"run(fetches): variable {made.name!r} has no value in this session yet\n"
                f"  variable   {v.spec}{made.where()}\n"
                f"  needed by  {path(made, program.consumer)}\n"
                "  expected variables that were initialised in this session\n"
                f"  {remedy}"
            )

    # What comes in

    def _fetches(self, value: Any, wanted: list[Any], where: str) -> Callable[[list[Any]], Any]:
        """Collect what is fetched; the result puts the values into the same arrangement."""
        if isinstance(value, dict):
            parts = {k: self._fetches(v, wanted, f"{where}[{k!r}]") for k, v in value.items()}
            return lambda found: {k: part(found) for k, part in parts.items()}
        if isinstance(value, (list, tuple)):
            items = [self._fetches(v, wanted, f"{where}[{i}]") for i, v in enumerate(value)]
            if hasattr(value, "_fields"):
                return lambda found: type(value)(*[item(found) for item in items])
            kind = list if isinstance(value, list) else tuple
            return lambda found: kind([item(found) for item in items])
        index = len(wanted)
        wanted.append(self._fetch(self.meant(value), where))
        return ONE if index == 0 else lambda found: found[index]

    def _fetch(self, value: Any, where: str) -> Any:
        graph = self.graph
        if isinstance(value, GraphTensor):
            if value.builder is not graph:
                graph.own(value, f"run({where})")
            return value.variable
        if isinstance(value, str):
            if ":" not in value and not graph.operation(value).outputs:
                return graph.operation(value)
            return graph.tensor(value).variable
        if isinstance(value, Operation):
            if value.graph is graph:
                return value
            raise ArgumentError(
                f"run({where}): operation {value.name!r} belongs to another graph, "
                f"{value.graph.name}\n"
                f"  expected an operation of graph {graph.name}\n"
                "  make a session of the graph that it belongs to"
            )
        hint = "  x.name is the name of a tensor; constants are fetched as tensors too"
        if value is None:
            hint = "  a gradient is None where y does not depend on x; leave it out of the fetches"
        raise KindError(
            f"run({where}): cannot fetch {describe(value)}\n"
            f"  expected a tensor or an operation of graph {graph.name}, a name, or lists, tuples "
            f"and dicts of them\n{hint}"
        )

    def _feeds(self, feeds: Any) -> dict[int, tuple[Var, Any]]:
        """What is fed, by the number of the variable, checked and converted."""
        if not isinstance(feeds, dict):
            raise KindError(
                f"run(fetches, feed_dict): expected a dict, got {describe(feeds)}\n"
                "  {placeholder: value}"
            )
        found: dict[int, tuple[Var, Any]] = {}
        for key, value in feeds.items():
            x = self.meant(key)
            if not isinstance(x, GraphTensor) or x.builder is not self.graph:
                x = self._fed(x)
            v = x.variable
            fed = _feed(x, value)
            if v.id in found:
                raise ArgumentError(
                    f"run(fetches, feed_dict): {x.name} is fed twice, as a tensor and by name\n"
                    "  expected one value for it"
                )
            found[v.id] = (v, fed)
        return dict(sorted(found.items())) if len(found) > 1 else found

    def _fed(self, key: Any) -> Any:
        graph = self.graph
        if isinstance(key, GraphTensor):
            return graph.own(key, "run(fetches, feed_dict): a key")
        if isinstance(key, str):
            if key.partition(":")[0] in graph.names:
                return graph.tensor(key)
            names = [o.name for o in graph.operations if o.kind == "placeholder"]
            near = get_close_matches(key, names, 3, 0.5) or names
            raise ArgumentError(
                f"run(fetches, feed_dict): graph {graph.name} has nothing named {key!r}\n"
                f"  expected a placeholder: {', '.join(map(repr, near)) or 'there is none'}"
            )
        raise KindError(
            f"run(fetches, feed_dict): a key is {describe(key)}\n"
            f"  expected a tensor of graph {graph.name}, most often a placeholder, or its name\n"
            "  {placeholder: value}"
        )


def _feed(x: Any, value: Any) -> Tensor:
    """What is fed for ``x``, as an eager tensor with its name."""
    fed = make(_reader(x)(value))
    fed.name = x.name
    return fed


def _reader(x: Any) -> Callable[[Any], Any]:
    """What makes an array of a value that is fed for ``x``."""
    return lambda value: _converted("run(fetches, feed_dict)", x, x.variable.spec, value)


def _converted(what: str, x: Any, spec: Spec, value: Any) -> Any:
    """The array for a value that ``x`` takes; an error where kind, dtype or shape do not fit."""
    if (
        value.__class__ is np.ndarray
        and value.dtype is spec.dtype
        and value.flags.c_contiguous
        and fits(value.shape, spec.shape)
    ):
        return value
    head = f"{what}: the value of {x.name}"
    if isinstance(value, GraphTensor):
        raise KindError(
            f"{head} is a tensor of a graph\n"
            f"  value     {value!r}\n"
            "  expected numbers, lists, an array or an eager tensor\n"
            "  a session computes it: value = session.run(tensor), and then feed that"
        )
    array = value
    if isinstance(value, Tensor):
        array = to_host(value.array)
    elif not isinstance(value, np.ndarray):
        if value is None or isinstance(value, (str, bytes, dict, set)) or callable(value):
            raise KindError(
                f"{head} is {describe(value)}\n"
                f"  expected numbers, lists, an array or an eager tensor: {spec.dtype} "
                f"{_sizes(spec.shape)}"
            )
        try:
            array = np.asarray(value)
        except ValueError:
            raise ShapeError(
                f"{head} is a list whose parts have different lengths\n"
                f"  expected {spec.dtype} {_sizes(spec.shape)}"
            ) from None
    if array.dtype.kind not in "biuf":
        raise KindError(
            f"{head} is not made of numbers\n"
            f"  value     {describe(value)}\n"
            f"  expected {spec.dtype} {_sizes(spec.shape)}"
        )
    if not fits(array.shape, spec.shape):
        raise ShapeError(
            f"{head} has another shape\n"
            f"  value     {array.dtype} {array.shape}\n"
            f"  tensor    {spec.dtype} {tuple(spec.shape)}\n"
            f"  expected {_words(spec.shape, array.shape)}"
        )
    if array.dtype != spec.dtype:
        empty = array.size == 0 and not isinstance(value, (np.ndarray, Tensor))
        if not empty and _rank(array.dtype) > _rank(spec.dtype):
            raise DTypeError(
                f"{head} has a dtype that does not fit\n"
                f"  value     {array.dtype} {array.shape}\n"
                f"  tensor    {spec.dtype} {_sizes(spec.shape)}\n"
                f"  expected {spec.dtype}, or a dtype that loses nothing by becoming it\n"
                f"  convert the value: array.astype({str(spec.dtype)!r})"
            )
        if array.dtype.kind in "iu" and spec.dtype.kind in "iu" and array.size:
            limits = np.iinfo(spec.dtype)
            if int(array.min()) < limits.min or int(array.max()) > limits.max:
                raise ArgumentError(
                    f"{head} has entries that {spec.dtype} cannot hold\n"
                    f"  value     {array.dtype} {array.shape}, from {array.min()} to "
                    f"{array.max()}\n"
                    f"  expected entries from {limits.min} to {limits.max}"
                )
        array = array.astype(spec.dtype)
    return np.ascontiguousarray(array) if array.ndim else array


def _rank(dtype: Any) -> int:
    """bool, ints, floats: a dtype may become one of a higher kind."""
    return {"b": dtypes.BOOL, "f": dtypes.FLOAT}.get(dtype.kind, dtypes.INT)


def _words(wanted: Sequence[Any], found: Sequence[int]) -> str:
    if len(wanted) != len(found):
        some = "no dimension, one number" if not wanted else f"{len(wanted)} dimensions"
        hint = "; x[None] adds a dimension" if len(found) == len(wanted) - 1 else ""
        return f"{some}, got {len(found)}{hint}"
    at = next(
        i
        for i, (m, n) in enumerate(zip(found, wanted, strict=True))
        if not isinstance(n, Dim) and m != n
    )
    return f"size {wanted[at]} in dimension {at}, got {found[at]}"


def _plain(x: Tensor) -> Any:
    """A NumPy array, or a NumPy number for a tensor without dimensions."""
    return to_host(x.array)[()]


__all__ = ["Program", "Session", "SessionError", "UninitializedError"]
