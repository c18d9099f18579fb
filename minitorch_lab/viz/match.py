"""One program in several styles: which values are the same ones, and which lines made them.

Each program is traced, and its graph brought to a form in which spelling matters less: ops taken
apart, constants computed, what is computed twice joined. Two values are the same where their
graphs are: the same ops with the same attributes on the same inputs, found from the results back.
Of what is left, those are the same that have the same numbers on drawn inputs: a gradient may be
written in two orders. A weight that one program keeps transposed is the same weight: Keras keeps
``(in, out)`` where PyTorch keeps ``(out, in)``.
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from .. import random
from ..device import to_host
from ..errors import ArgumentError, KindError, LabError, describe
from ..graph.builder import GraphTensor
from ..graph.compiler import Compiled, compile
from ..graph.explain import explain
from ..graph.ir import Equation, Graph, Var
from ..graph.passes import PASSES, run_passes
from ..graph.provenance import Provenance
from ..graph.session import Session
from ..graph.trace import Captured, Number
from ..tape import cell_name, locate
from ..tf.keras import Model
from .measure import brief
from .view import Builder, GraphView, Kind

SHOWN = 40  # lines: a cell up to this length is shown whole
_FORM = ("lower", "fold", "simplify", "common", "dead")
_EITHER = {"add", "mul", "maximum", "minimum", "eq", "ne"}  # ops whose inputs may change places
_KINDS: Mapping[str, Kind] = {"param": "param", "const": "const"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a program, and the numbers of the values that it made."""

    cell: str
    number: int
    text: str
    values: tuple[int, ...]


@dataclass(eq=False, slots=True)
class Value:
    """One value of the program, in all styles: for each style that has it the var, and its op."""

    kind: Kind
    label: str
    shape: tuple[int, ...]
    dtype: str
    members: dict[int, Var] = field(default_factory=dict)  # by place of the program
    ops: dict[int, str] = field(default_factory=dict)
    numbers: set[int] = field(default_factory=set)  # programs where only the numbers are the same
    turned: dict[int, tuple[int, ...]] = field(default_factory=dict)  # programs with other axes
    array: Any = None


@dataclass(frozen=True, slots=True)
class Program:
    """One style: its name, its lines, and how many of its values the others have too."""

    title: str
    lines: tuple[Line, ...]
    common: int
    count: int


@dataclass(frozen=True, eq=False)
class Linked:
    """Programs whose values were matched; ``values`` are numbered from 1 as in ``view``."""

    title: str
    programs: tuple[Program, ...]
    values: tuple[Value, ...]
    view: GraphView

    def missing(self, number: int) -> list[str]:
        """The programs that do not have a value."""
        members = self.values[number - 1].members
        return [p.title for i, p in enumerate(self.programs) if i not in members]

    def lines(self, number: int) -> list[tuple[str, list[int]]]:
        """For each program the numbers of the lines that made a value."""
        found = [
            (p.title, [x.number for x in p.lines if number in x.values]) for p in self.programs
        ]
        return [(title, numbers) for title, numbers in found if numbers]


def link(programs: Mapping[str, Any], *inputs: Any) -> Linked:
    """Match programs that compute the same, given by name.

    A program is a function or a module, which is traced with ``inputs``; a tuple of one and
    inputs of its own; or a tuple ``(session, fetches)`` or ``(session, fetches, feeds)``. A Keras
    model with examples and labels stands for a step of its training, without the metrics. Raises
    KindError for anything else.

    >>> from minitorch_lab.tensor import tensor
    >>> found = link({"a": lambda x: x * 2 + 1, "b": lambda x: 1 + 2 * x}, tensor([1.0]))
    >>> [(p.title, p.common, p.count) for p in found.programs]
    [('a', 3, 3), ('b', 3, 3)]
    """
    if not isinstance(programs, Mapping) or not programs:
        raise KindError(
            f"link(programs): got {describe(programs)}\n"
            "  expected a dict of programs by name: "
            "lab.link({'one': f, 'another': g}, x)"
        )
    forms = [_form(i, *item, inputs) for i, item in enumerate(programs.items())]
    values: list[Value] = []
    for place, form in enumerate(forms):
        _join(values, forms, place)
        for v in form.every():
            if v.id not in form.value:
                _add(values, form, v, place)
    numbers = {id(value): n for n, value in enumerate(values, 1)}
    made = []
    for place, form in enumerate(forms):
        mine = [value for value in values if place in value.members]
        shared = sum(len(value.members) > 1 for value in mine)
        lines = _lines(form, forms, numbers)
        made.append(Program(form.title, tuple(lines), shared, len(mine)))
    title = ", ".join(form.title for form in forms)
    return Linked(title, tuple(made), tuple(values), _view(title, forms, values, numbers))


# One program ---------------------------------------------------------------------------------


@dataclass(eq=False)
class _Form:
    """A program in the form in which programs are compared."""

    title: str
    place: int
    codes: tuple[CodeType, ...]  # of the functions that the learner wrote
    graph: Graph
    back: Provenance
    given: Mapping[int, Any]  # numbers that stand for themselves: a learning rate
    value: dict[int, Value] = field(default_factory=dict)  # by var
    colour: dict[int, int] = field(default_factory=dict)
    arrays: dict[int, Any] = field(default_factory=dict)

    def every(self) -> Iterator[Var]:
        """All values: inputs and constants that are read, and results; a number is none."""
        read = {x.id for e in self.graph.equations for x in e.inputs if isinstance(x, Var)}
        read |= {v.id for v in self.graph.results}
        leaves = (*self.graph.inputs, *self.graph.constant_vars)
        yield from (v for v in leaves if v.id in read and v.id not in self.given)
        yield from (e.out for e in self.graph.equations)

    def reads(self, e: Equation) -> list[Var]:
        """The values that an equation reads."""
        return [x for x in e.inputs if isinstance(x, Var) and x.id not in self.given]

    def made(self) -> dict[int, Equation]:
        """The equation of each result."""
        return {e.out.id: e for e in self.graph.equations}


def _form(place: int, title: str, program: Any, inputs: tuple[Any, ...]) -> _Form:
    what, *own = program if isinstance(program, tuple) and program else (program,)
    codes: tuple[CodeType, ...] = ()
    if isinstance(what, Session):
        graph = _of_session(title, what, own)
        given: Mapping[int, Any] = {}
    elif isinstance(what, GraphTensor):
        raise KindError(
            f"link({title!r}): got a value of a graph built by hand, without a session\n"
            "  expected (session, fetches, feeds): a run knows the sizes"
        )
    elif isinstance(what, Model):
        graph, codes, given = _of_model(what, tuple(own) or inputs)
    elif callable(what):
        graph, codes, given = _of_call(what, tuple(own) or inputs)
    else:
        raise KindError(
            f"link({title!r}): got {describe(what)}\n"
            "  expected a function or a module, or (session, fetches, feeds)"
        )
    records = run_passes(graph, tuple(name for name in PASSES if name not in _FORM))
    return _Form(
        title, place, codes, records[-1].after, Provenance(graph, records, records[-1].after), given
    )


def _of_session(title: str, session: Session, own: list[Any]) -> Graph:
    if not 1 <= len(own) <= 2:
        raise ArgumentError(
            f"link({title!r}): got a session and {len(own)} more\n"
            "  expected (session, fetches) or (session, fetches, feeds)"
        )
    fetches, feeds = (*own, None)[:2]
    graph = session.graph_of(fetches, feeds, optimised=False)
    # New values are compared too; that they are copied into variables is the session's own.
    before = {e.out: e.inputs[-1] for e in graph.equations if e.op.name in ("copy", "clone")}
    new: list[Any] = []
    for _, v in graph.updates:
        made: Any = v
        while made in before:
            made = before[made]
        new.append(made)
    outputs = (*graph.outputs, *(v for v in new if isinstance(v, Var) and v not in graph.outputs))
    return replace(graph, outputs=outputs, updates=())


def _of_model(model: Model, inputs: tuple[Any, ...]) -> tuple[Graph, tuple[CodeType, ...], Any]:
    """A training step of a Keras model, or its forward pass where there are no labels.

    Its code is the functions in which its layers were made: those of a cell stand in none.
    """

    def step(x: Any, y: Any) -> Any:
        return model.learn(x, y)[0]

    graph, _, given = _of_call(step if len(inputs) == 2 else model, inputs)
    made = [layer._made[0] for layer in model._flatten_layers() if layer._made is not None]
    codes = dict.fromkeys(code for code in made if not code.co_name.startswith("<"))
    return graph, tuple(codes), given


def _of_call(
    what: Callable[..., Any], inputs: tuple[Any, ...]
) -> tuple[Graph, tuple[CodeType, ...], Any]:
    """The graph of a call, the code of the function, and the numbers that it reads."""
    function = what.function if isinstance(what, Compiled) else what
    found = explain(compile(function, executor="numpy"), *inputs)
    traced = found.traced()
    bindings = next((r.bindings for r in found.passes() if hasattr(r, "bindings")), ())
    names = {id(x): name for name, x in _variables(function).items()}
    given, named = {}, {}
    for v, binding in zip(traced.inputs, bindings, strict=False):
        if isinstance(binding, Number):
            given[v.id] = binding.value([])
        elif isinstance(binding, Captured) and not v.name:
            named[v.id] = replace(v, name=names.get(id(binding.tensor), ""))
    code = getattr(getattr(function, "forward", function), "__code__", None)
    codes = () if code is None else (code,)
    renamed = tuple(named.get(v.id, v) for v in traced.inputs)
    # How many steps there were is counted beside the program, unless a value depends on it.
    updates = tuple(pair for pair in traced.updates if not pair[1].spec.number)
    return replace(traced, inputs=renamed, updates=updates), codes, given


def _variables(function: Any) -> dict[str, Any]:
    """What a function reads from around it, by name."""
    try:
        found = inspect.getclosurevars(function)
    except TypeError:  # an object that is called
        return {}
    return {**found.globals, **found.nonlocals}


# Matching ------------------------------------------------------------------------------------


def _join(values: list[Value], forms: Sequence[_Form], place: int) -> None:
    """Find for the values of one program those of the programs before it that are the same."""
    form = forms[place]
    table: dict[Any, int] = {}
    for other in forms[: place + 1]:
        other.colour = _colours(other, table)
    for other in forms[:place]:
        _from_the_results(other, form, place)
    _evaluate(form, place)
    _by_numbers(values, form, place)


def _colours(form: _Form, table: dict[Any, int]) -> dict[int, int]:
    """A number for each value, the same for values whose graphs are the same up to their inputs."""

    def number(key: Any) -> int:
        return table.setdefault(key, len(table))

    found = {v.id: number(_leaf(v, form)) for v in form.graph.inputs}
    for v, array in form.graph.constants:
        found[v.id] = number((v.spec.shape, str(v.spec.dtype), to_host(array).tobytes()))
    leaves = {v.id for v in form.graph.inputs}
    for e in form.graph.equations:
        if _turns(e, leaves):  # as an input of that shape: another program may keep it so
            found[e.out.id] = number(_leaf(e.out, form))
            continue
        reads = [
            found[x.id] if isinstance(x, Var) else number(("number", float(x))) for x in e.inputs
        ]
        if e.op.name in _EITHER:
            reads.sort()
        attrs = repr(sorted((k, repr(v)) for k, v in e.attrs.items()))
        found[e.out.id] = number((e.op.name, attrs, tuple(reads)))
    return found


def _turns(e: Equation | None, leaves: Collection[int]) -> bool:
    """Whether an equation is an input with its axes in another order."""
    return e is not None and e.op.name == "permute" and _read(e) in leaves


def _read(e: Equation) -> int | None:
    x = e.inputs[0]
    return x.id if isinstance(x, Var) else None


def _leaf(v: Var, form: _Form) -> Any:
    if v.id in form.given:
        return "number", float(form.given[v.id])
    return tuple(v.spec.shape), str(v.spec.dtype), v.spec.number


def _from_the_results(other: _Form, form: _Form, place: int) -> None:
    """Pair values with the same graph: results first, then what they read; then what is left."""
    starts = [*_same(other, form, other.graph.results, form.graph.results)]
    rest = reversed([*form.every()]), reversed([*other.every()])
    starts += _same(other, form, [*rest[1]], [*rest[0]])
    theirs, ours = other.made(), form.made()
    for start in starts:
        if (start[0].id in theirs) != (start[1].id in ours):
            continue  # an input and a turned one: only what reads them can tell
        todo: list[tuple[Var, Var, tuple[int, ...] | None]] = [(*start, None)]
        while todo:
            a, b, turn = todo.pop()
            value = other.value[a.id]
            if b.id in form.value or place in value.members:
                continue
            _put(value, form, b, place)
            before = value.turned.get(other.place)
            if turn or before:
                value.turned[place] = _after(before, turn)
            if a.id in theirs and b.id in ours:
                pairs = _inputs(theirs[a.id], ours[b.id], other, form)
                todo += [_straight(x, y, theirs, ours) for x, y in pairs]


def _straight(
    a: Var, b: Var, theirs: Mapping[int, Equation], ours: Mapping[int, Equation]
) -> tuple[Var, Var, tuple[int, ...] | None]:
    """Two values that belong together; of an input and a turned one the two inputs.

    With them the order of a's axes that makes b.
    """
    if (a.id in theirs) == (b.id in ours):
        return a, b, None
    e = theirs[a.id] if a.id in theirs else ours[b.id]
    dims, x = tuple(e.attrs["dims"]), e.inputs[0]
    assert isinstance(x, Var)
    return (x, b, dims) if a.id in theirs else (a, x, tuple(np.argsort(dims).tolist()))


def _after(first: tuple[int, ...] | None, then: tuple[int, ...] | None) -> tuple[int, ...]:
    """Two orders of axes as one."""
    return tuple(first[i] for i in then) if first and then else first or then or ()


def _same(
    other: _Form, form: _Form, theirs: Sequence[Var], ours: Sequence[Var]
) -> list[tuple[Var, Var]]:
    """Pairs of the same colour, in order."""
    waiting: dict[int, list[Var]] = {}
    for a in theirs:
        waiting.setdefault(other.colour[a.id], []).append(a)
    pairs = []
    for b in ours:
        known = waiting.get(form.colour[b.id])
        if known:
            pairs.append((known.pop(0) if len(known) > 1 else known[0], b))
    return pairs


def _inputs(a: Equation, b: Equation, other: _Form, form: _Form) -> list[tuple[Var, Var]]:
    """The inputs that belong together; those of a sum may have changed places."""
    left, right = other.reads(a), form.reads(b)
    if a.op.name in _EITHER and len(left) == len(right) == 2:
        straight = other.colour[left[0].id] == form.colour[right[0].id]
        right = right if straight else right[::-1]
    return [*zip(left, right, strict=False)][::-1]


def _by_numbers(values: list[Value], form: _Form, place: int) -> None:
    """Of what is left, pair what has the same numbers; the same op first."""
    turns = {None: None} | {v.turned[place]: None for v in values if place in v.turned}
    for e in form.graph.equations:
        array = form.arrays.get(e.out.id)
        if e.out.id in form.value or not _telling(array):
            continue
        free = [v for v in values if place not in v.members]
        found = [(v, t) for t in turns for v in free if _close(_turned(v.array, t), array)]
        found.sort(key=lambda pair: e.op.name not in pair[0].ops.values())
        if found:
            value, turn = found[0]
            _put(value, form, e.out, place)
            value.numbers.add(place)
            if turn:
                value.turned[place] = turn


def _turned(array: Any, axes: tuple[int, ...] | None) -> Any:
    """An array with its axes in this order; None where it has other ones."""
    if axes is None or array is None:
        return array
    return np.transpose(array, axes) if np.ndim(array) == len(axes) else None


def _evaluate(form: _Form, place: int) -> None:
    """The values of a program on drawn inputs: where values are the same, the same numbers."""
    rng = np.random.default_rng(place)
    inputs = []
    for v in form.graph.inputs:
        known = form.value.get(v.id)
        if known is not None and known.array is not None:
            array = _turned(known.array, known.turned.get(place))
        elif v.spec.number:
            array = form.given.get(v.id, 1.0)
        elif v.spec.dtype.kind == "f":
            array = rng.normal(size=v.spec.shape).astype(v.spec.dtype)
        else:
            array = rng.integers(0, 2, v.spec.shape).astype(v.spec.dtype)
        inputs.append(array)
    every = [*form.every()]
    try:
        with random.apart():
            arrays = form.graph.evaluate(inputs, every)
    except (LabError, ArithmeticError, ValueError, IndexError):
        return  # an op that takes no such numbers: what the graphs say has to do
    form.arrays = {
        v.id: a if v.spec.number else to_host(a) for v, a in zip(every, arrays, strict=True)
    }


def _telling(array: Any) -> bool:
    """Whether numbers can be told from others: not whole ones, nor all the same."""
    if array is None or getattr(array, "dtype", np.dtype(int)).kind != "f" or not array.size:
        return False
    return bool(np.isfinite(array).all()) and (array.size == 1 or bool(np.ptp(array) > 0))


def _close(a: Any, b: Any) -> bool:
    if not _telling(a) or a.shape != b.shape or a.dtype != b.dtype:
        return False
    scale = float(np.abs(b).max())
    return scale > 0 and float(np.abs(a - b).max()) <= 1e-4 * scale


def _put(value: Value, form: _Form, v: Var, place: int) -> None:
    form.value[v.id] = value
    value.members[place] = v
    e = form.made().get(v.id)
    if e is not None:
        value.ops[place] = e.op.name
    elif v.kind == "param":
        value.kind = "param"
    if v.name and (e is None and value.label in ("input", "state", "parameter")):
        value.label = v.name


def _add(values: list[Value], form: _Form, v: Var, place: int) -> None:
    """A value that no program before has."""
    e = form.made().get(v.id)
    kind: Kind = "op" if e is not None else _KINDS.get(v.kind, "input")
    array = form.graph.constant_values.get(v.id)
    if e is not None:
        literal = [form.given.get(x.id) if isinstance(x, Var) else x for x in e.inputs]
        numbers = [brief(x) for x in literal if x is not None]
        label = " ".join([e.op.name, *numbers])
    elif array is not None:
        entries = to_host(array).ravel()
        same = entries.size and (entries == entries[0]).all()
        label = brief(entries[0].item()) if same else "constant"
    else:
        label = v.name or {"param": "parameter"}.get(v.kind, v.kind)
    shape = () if v.spec.number else tuple(v.spec.shape)
    value = Value(kind, label, shape, "number" if v.spec.number else str(v.spec.dtype))
    value.array = form.arrays.get(v.id)
    values.append(value)
    _put(value, form, v, place)


# The view ------------------------------------------------------------------------------------


def _view(
    title: str, forms: Sequence[_Form], values: Sequence[Value], numbers: Mapping[int, int]
) -> GraphView:
    """All values in one graph, with what they read in any of the programs."""
    reads: dict[int, dict[int, None]] = {}
    ends: dict[int, None] = {}
    for form in forms:
        for e in form.graph.equations:
            head = numbers[id(form.value[e.out.id])]
            for x in form.reads(e):
                tail = numbers[id(form.value[x.id])]
                if tail != head:
                    reads.setdefault(head, {})[tail] = None
        ends |= dict.fromkeys(numbers[id(form.value[v.id])] for v in form.graph.results)
    build = Builder()
    for number, value in enumerate(values, 1):
        op = next(iter(value.ops.values()), "")
        build.add(
            value.kind,
            value.label,
            tuple(reads.get(number, ())),
            op=op,
            shape=value.shape,
            dtype=value.dtype,
        )
    return build.build(title, [*ends] or [len(values)])


# Lines ---------------------------------------------------------------------------------------


def _lines(form: _Form, forms: Sequence[_Form], numbers: Mapping[int, int]) -> list[Line]:
    """The lines of a program: its functions, or its whole cell where that is its own."""
    made: dict[tuple[str, int], set[int]] = {}
    again: dict[tuple[str, int], set[int]] = {}  # what an earlier line had made already
    for e in form.graph.equations:
        places = [_place(form.back.traced[i]) for i in form.back.ids([e])]
        for where in places:
            if where:
                into = made if where == places[0] else again
                into.setdefault(where, set()).add(numbers[id(form.value[e.out.id])])
    made = again | made
    shown: dict[str, set[int]] = {}
    for file, (first, last) in _ranges(form):
        shown.setdefault(file, set()).update(range(first, last + 1))
    others = {file for other in forms if other is not form for file, _ in _ranges(other)}
    for file, lines in shown.items():
        whole = len(linecache.getlines(file))
        if file not in others and whole <= SHOWN and not Path(file).exists():
            lines.update(range(1, whole + 1))
    return [
        Line(
            cell_name(file),
            number,
            linecache.getline(file, number).rstrip("\n"),
            tuple(sorted(made.get((file, number), ()))),
        )
        for file, lines in shown.items()
        for number in sorted(lines)
    ]


def _place(e: Equation) -> tuple[str, int] | None:
    """The line of an equation; of a part of a gradient the one that asked for it."""
    where = _where(e)
    return (where[0].co_filename, locate(*where).line) if where else None


def _where(e: Equation) -> tuple[CodeType, int] | None:
    return e.of.asked if e.of and e.of.asked else e.source


def _ranges(form: _Form) -> list[tuple[str, tuple[int, int]]]:
    """The lines of the functions in which ops were made; of a cell, from the first to the last."""
    codes = [*form.codes]
    seen: dict[str, list[int]] = {}
    used = form.back.ids(form.graph.equations)
    for e in map(form.back.traced.__getitem__, used):
        where, place = _where(e), _place(e)
        if where is None or place is None:
            continue
        if where[0].co_name.startswith("<"):
            seen.setdefault(place[0], []).append(place[1])
        elif where[0] not in codes:
            codes.append(where[0])
    spans = [(code.co_filename, _span(code)) for code in codes]
    return spans + [(file, (min(lines), max(lines))) for file, lines in seen.items()]


def _span(code: CodeType) -> tuple[int, int]:
    numbers = [line for *_, line in code.co_lines() if line]
    inner = [_span(c)[1] for c in code.co_consts if isinstance(c, CodeType)]
    return code.co_firstlineno, max([code.co_firstlineno, *numbers, *inner])
