"""A graph that is built by hand, in the style of TensorFlow 1.

Inside ``with graph:`` every op writes an equation and computes nothing. Each is kept as an
``Operation`` with a name and what it needs; a session runs those that lead to what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Token
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from types import CodeType
from typing import Any, NoReturn

import numpy as np

from .. import dtypes
from ..autograd.functions import grad
from ..device import to_host
from ..errors import ArgumentError, GradError, KindError, ShapeError, TraceError, describe
from ..op import INTERPRETER, OPS, Attrs, Op, Spec, current
from ..tape import SCOPE, caller, locate
from ..tensor import NO_GRAD, Tensor, no_grad, tensor
from .ir import Graph, Var
from .passes import drop_dead
from .sizes import (
    AnyRank,
    Dim,
    Unknown,
    Values,
    first,
    fits,
    in_attrs,
    known,
    recognise,
    shape_of_result,
    size_of,
    unknowns,
)
from .trace import Builder, Symbol, Trace, flatten

NONE = (
    "  None is a size that is not known before a run; it fits 1 and other unknown sizes only\n"
    "  where the size is always the same, give it in placeholder(dtype, shape)"
)


class GraphTensor(Symbol):
    """A value of a hand-built graph: what it will be is known only to a run."""

    __slots__ = ()

    @property
    def graph(self) -> GraphBuilder:
        """The graph that it belongs to."""
        assert isinstance(self.builder, GraphBuilder)
        return self.builder

    @property
    def operation(self) -> Operation:
        """The operation that makes it."""
        return self.graph.maker[self.variable.id]

    @property
    def array(self) -> Any:
        """There is none: a session computes it."""
        raise TraceError(no_value(self))

    def __repr__(self) -> str:
        shape = tuple(self.variable.spec.shape)
        return f'Tensor("{self.name}", shape={shape}, dtype={self.variable.spec.dtype})'

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __bool__(self) -> bool:
        raise TraceError(no_value(self))


class Variable(GraphTensor):
    """A value that a session keeps between runs; to read it is to use it."""

    __slots__ = ()

    @property
    def initializer(self) -> Operation:
        """The operation that gives it its initial value."""
        return self.graph.initializers[self.variable.id]

    @property
    def trainable(self) -> bool:
        """Whether an optimiser shall change it."""
        return self.variable.kind == "param"

    def assign(self, value: Any, name: str = "") -> Tensor:
        """An operation that gives it another value; its result is that value."""
        return self.graph.assign(self, value, name)

    def assign_add(self, value: Any, name: str = "") -> Tensor:
        """An operation that adds to it."""
        return self.graph.assign_add(self, value, name)

    def assign_sub(self, value: Any, name: str = "") -> Tensor:
        """An operation that subtracts from it."""
        return self.graph.assign_sub(self, value, name)


def no_value(x: GraphTensor) -> str:
    """A value was asked for, or an op was called outside of the graph."""
    return (
        f"{x.name} has no value: it is a tensor of a graph, and only a run computes it\n"
        f"  tensor  {x!r}\n"
        "  expected ops on it inside `with graph:`, and a session for its value\n"
        f'  Session(graph).run("{x.name}")'
    )


@dataclass(eq=False, slots=True)
class Operation:
    """One step of a graph: ``compute(inputs, values of the run)`` gives its results.

    Without ``compute`` it stands for a value that comes from elsewhere (a placeholder, a
    variable), or for a group of others.
    """

    graph: GraphBuilder = field(repr=False)
    name: str
    kind: str
    index: int
    inputs: tuple[Any, ...]  # Var, or a number
    outputs: tuple[Var | None, ...]
    control: tuple[Operation, ...]
    compute: Callable[[list[Any], Values], Sequence[Any]] | None
    needs: frozenset[int]  # numbers of the variables that it looks at
    recording: bool = True
    assigns: Var | None = None  # the variable that takes the result
    scope: str = ""
    source: tuple[CodeType, int] | None = None

    def __repr__(self) -> str:
        return f"<operation {self.name!r}, {self.kind}>"

    def where(self) -> str:
        """The learner's line that built it."""
        if self.source is None:
            return ""
        place = locate(*self.source)
        return f", {place}" + (f": {place.text}" if place.text else "")

    def parents(self) -> list[Operation]:
        """The operations that must run before it."""
        return [*(self.graph.maker[i] for i in sorted(self.needs)), *self.control]


class OpenSizes:
    """What a graph says of the sizes that only a run will know."""

    watched = False

    def __init__(self, graph: GraphBuilder) -> None:
        self.graph = graph

    def shown(self, size: Unknown) -> str:
        """A size as text."""
        return "None"

    def use(self, size: Unknown) -> Any:
        """The value that the graph is built with: ``recognise`` finds it again."""
        return size.first

    def decide(self, size: Unknown, ask: Callable[[Any], bool]) -> NoReturn:
        """Refused: what Python decides now would hold for all runs."""
        raise self.refuse(size, "is compared")

    def refuse(self, size: Unknown, what: str) -> TraceError:
        """The error that names the placeholder that the size comes from."""
        found = caller(2)
        where = locate(*found) if found else None
        line = f"  line         {where}: {where.text}\n" if where else ""
        fed = [
            f"  placeholder  {o.name}: {_first(o).spec}{o.where()}\n"
            for o in self.graph.origins(size.needs)
        ]
        root = "; write n ** 0.5 for a square root" if what.endswith("float") else ""
        return TraceError(
            f"a size that is not known while the graph is built {what}\n{line}{''.join(fed)}"
            "  expected such sizes in shapes and next to tensors only, x.reshape(n, -1) or x / n"
            f"{root}\n"
            "  where the size is always the same, give it in placeholder(dtype, shape); a choice "
            "in a run is\n  graph.call(lab.cond, pred, f, g, x)"
        )


def _first(o: Operation) -> Var:
    v = o.outputs[0]
    assert v is not None
    return v


class GraphTrace(Trace):
    """Write equations into a hand-built graph, and keep each call as an operation."""

    __slots__ = ()
    builder: GraphBuilder

    def with_grad(self, recording: bool) -> GraphTrace:
        """The interpreter with the tape on or off."""
        return GraphTrace(self.builder, recording)

    def symbol(self, var: Var, kind: type[GraphTensor] = GraphTensor) -> Any:
        """A tensor of the graph for a variable."""
        out = super().symbol(var)
        out.__class__ = kind
        return out

    def constant(self, array: Any) -> Symbol:
        """Data: baked into the graph, or one number for each entry of a size that is not known."""
        array = np.array(array)
        shape = recognise({"shape": array.shape}, [v.spec.shape for v, _ in self.builder.inputs])
        if not unknowns(shape.values()):
            return self.builder.keep_constant(array)
        if (array != array.flat[0]).any():
            raise TraceError(
                "a tensor whose entries hang on a size that is not known while the graph is built\n"
                f"  tensor  {array.dtype} {shape['shape']}\n"
                "  expected entries that are all the same, as those of ones(x.shape)\n"
                "  feed it through a placeholder, or build the graph for one size"
            )
        return self.apply(
            OPS["expand"], (self.builder.keep_constant(np.asarray(array.flat[0])),), shape
        )

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Any:
        """Append ``op`` to the graph."""
        graph = self.builder
        inputs = tuple(graph.visible(x, op.name) if isinstance(x, Tensor) else x for x in inputs)
        shapes = [x.shape for x in inputs if isinstance(x, Tensor)]
        attrs = recognise(attrs, [*shapes, *(v.spec.shape for v, _ in graph.inputs)])
        graph._applying = True
        try:
            out = super().apply(op, tuple(map(first, inputs)), attrs)
        except ShapeError as error:
            if unknowns(shapes):
                raise ShapeError(f"{error}\n{NONE}") from None
            raise
        finally:
            graph._applying = False

        def compute(now: list[Any], values: Values) -> list[Any]:
            return [current().apply(op, tuple(now), in_attrs(lambda x: known(x, values), attrs))]

        used = tuple(self.var_of(x) if isinstance(x, Tensor) else x for x in inputs)
        graph.add(op.name, used, [out], compute, attrs=attrs, recording=self.recording)
        return out

    def detach(self, x: Tensor) -> Tensor:
        """The same value, where gradients stop."""
        out: Tensor = self.with_grad(False).apply(OPS["clone"], (x,), {})
        return out

    def update(self, op: Op, target: Tensor, inputs: tuple[Any, ...], attrs: Attrs) -> NoReturn:
        """Refused: a graph has no order in which a value could change."""
        raise TraceError(
            f"{op.name}_: a value of a graph does not change\n"
            f"  tensor  {target!r}\n"
            f"  expected the form without the underscore, {op.name}(...), which gives a new value\n"
            "  what shall last between runs is a variable: graph.assign(variable, value)"
        )

    def become(self, target: Tensor, view: Callable[[Any], Any]) -> NoReturn:
        """Refused, as an in-place change is."""
        self.update(OPS["reshape"], target, (), {})

    def refuse(self, what: str, remedy: str) -> NoReturn:
        """A value is needed that does not exist."""
        raise TraceError(
            f"{what} while the graph is built: its tensors have no values\n"
            "  expected ops only; Session(graph).run(tensor) computes a value"
        )

    def backward(self, root: Tensor, gradient: Tensor | None, keep: bool, create: bool) -> NoReturn:
        """Refused: gradients are values of the graph."""
        raise TraceError(
            "backward(): a tensor of a graph has no .grad to fill\n"
            f"  tensor  {root!r}\n"
            "  expected graph.gradients(y, [x]), which gives the gradients as tensors of the graph"
        )

    def read(self, owner: Any, key: str) -> Any:
        """A number that the graph keeps as it is now."""
        return owner[key]

    def write(self, owner: Any, key: str, value: Any) -> NoReturn:
        """Refused: only variables change."""
        self.refuse(f"a change of {key}", "")


def gradients_of(ys: Sequence[Any], xs: Sequence[Any], starts: Sequence[Any]) -> Any:
    """The gradients of the sum of all entries of ``ys``, each times its start; None if unused."""
    parts = [
        (y if g is None else y * g).sum()
        for y, g in zip(ys, starts, strict=True)
        if y.requires_grad
    ]
    if not parts:
        return (None,) * len(xs)
    total = sum(parts[1:], parts[0])
    return grad(total, list(xs), retain_graph=True, create_graph=True, allow_unused=True)


def leaf(x: Any) -> Any:
    """A value where the tape begins: everything float can be differentiated by."""
    x.requires_grad = x.dtype.is_floating_point
    return x


class GraphBuilder(Builder):
    """A graph that is built by hand: ops inside ``with graph:`` are written down, not run.

    A session runs it. ``print(graph)`` shows it as text.

    >>> graph = GraphBuilder()
    >>> with graph:
    ...     x = graph.placeholder("float32", (None, 2), name="x")
    ...     y = (x * 2).sum(1)
    >>> y
    Tensor("sum:0", shape=(None,), dtype=float32)
    """

    begins = ("{}/initial", "{}/assign")  # names of a variable's first value, and what sets it

    def __init__(self, name: str = "graph") -> None:
        super().__init__(name)
        self.operations: list[Operation] = []
        self.names: dict[str, Operation] = {}
        self.maker: dict[int, Operation] = {}  # number of a variable of the graph -> what makes it
        self.tensors: dict[int, Any] = {}
        self.variables: list[Variable] = []
        self.initializers: dict[int, Operation] = {}  # by the number of the variable
        self._prefix: list[str] = []
        self._scopes: set[str] = set()
        self._control: list[tuple[Operation, ...]] = []
        self.sizes = OpenSizes(self)
        self._quiet = False  # the equations belong to one operation, which is added after them
        self._applying = False  # an op of the table writes its equations
        self._tokens: list[Token[Any]] = []

    def __enter__(self) -> GraphBuilder:
        self._tokens.append(INTERPRETER.set(GraphTrace(self)))
        return self

    def __exit__(self, *error: object) -> None:
        INTERPRETER.reset(self._tokens.pop())

    def __hash__(self) -> int:
        return id(self)

    @contextmanager
    def _inside(self, quiet: bool = False) -> Iterator[GraphTrace]:
        """Write into this graph, whatever is current."""
        now = current()
        here = now if isinstance(now, GraphTrace) and now.builder is self else GraphTrace(self)
        token, before = INTERPRETER.set(here), self._quiet
        self._quiet = quiet or before
        try:
            yield here
        finally:
            INTERPRETER.reset(token)
            self._quiet = before

    # Names

    def unique(self, name: str) -> str:
        """A name that no operation has: "x", then "x_1"."""
        full = "/".join([*self._prefix, name])
        found, n = full, 0
        while found in self.names:
            n += 1
            found = f"{full}_{n}"
        return found

    @contextmanager
    def name_scope(self, name: str) -> Iterator[str]:
        """Names inside begin with ``name/``; a second scope of that name is ``name_1``."""
        _check_name("name_scope(name)", name)
        full, n = "/".join([*self._prefix, name]), 0
        base = full
        while full in self._scopes:
            n += 1
            full = f"{base}_{n}"
        self._scopes.add(full)
        before, self._prefix = self._prefix, full.split("/")
        token = SCOPE.set(full.replace("/", "."))
        try:
            yield full + "/"
        finally:
            self._prefix = before
            SCOPE.reset(token)

    def rename(self, x: Tensor, name: str) -> Any:
        """Give the operation that makes ``x`` another name, made unique; gives ``x``."""
        _check_name("rename(tensor, name)", name)
        made = self.own(x, "rename(tensor, name)").operation
        del self.names[made.name]
        made.name = self.unique(name)
        self.names[made.name] = made
        for i, v in enumerate(made.outputs):
            if v is not None:
                self.tensors[v.id].name = f"{made.name}:{i}"
        return x

    def operation(self, name: str) -> Operation:
        """The operation of this name."""
        found = self.names.get(name)
        if found is None:
            near = get_close_matches(name, self.names, 3, 0.5)
            some = near or list(self.names)[:5]
            raise ArgumentError(
                f"graph {self.name} has no operation {name!r}\n"
                f"  expected a name such as {', '.join(map(repr, some)) or '(it is empty)'}\n"
                "  graph.operations lists them all"
            )
        return found

    def origins(self, numbers: frozenset[int]) -> list[Operation]:
        """The placeholders that these variables are computed from."""
        stack, seen = [self.maker[i] for i in numbers if i in self.maker], set()
        while stack:
            o = stack.pop()
            if o not in seen:
                seen.add(o)
                stack += o.parents()
        return sorted((o for o in seen if o.kind == "placeholder"), key=lambda o: o.index)

    def tensor(self, name: str) -> Any:
        """The tensor of this name: ``"x:0"``, or ``"x"`` for the first result of ``x``."""
        base, _, place = name.partition(":")
        made = self.operation(base)
        index = int(place) if place.isdigit() else 0
        found = made.outputs[index] if index < len(made.outputs) else None
        if found is None:
            raise ArgumentError(
                f"operation {base!r} has no result {index}\n"
                f"  expected one of {sum(v is not None for v in made.outputs)} results\n"
                "  a tensor's name is its operation's with the number of the result: 'x:0'"
            )
        return self.tensors[found.id]

    # Operations

    def add(
        self,
        kind: str,
        inputs: tuple[Any, ...],
        outputs: Sequence[Any],
        compute: Callable[[list[Any], Values], Sequence[Any]] | None,
        *,
        name: str = "",
        attrs: Attrs | None = None,
        control: Sequence[Operation] = (),
        recording: bool = True,
        assigns: Var | None = None,
    ) -> Operation | None:
        """Keep an operation whose results are the tensors ``outputs``."""
        if self._quiet:
            return None
        if name:
            _check_name(f"{kind}(name)", name)
        needs = {x.id for x in inputs if isinstance(x, Var)}
        for x in unknowns([*inputs, *(attrs or {}).values()]):
            needs |= x.needs
        made = Operation(
            self,
            self.unique(name or kind),
            kind,
            len(self.operations),
            inputs,
            tuple(None if x is None else x.variable for x in outputs),
            (*(o for group in self._control for o in group), *control),
            compute,
            frozenset(needs),
            recording,
            assigns,
            SCOPE.get(),
            caller(2),
        )
        self.operations.append(made)
        self.names[made.name] = made
        for i, x in enumerate(outputs):
            if x is not None:
                self.maker[x.variable.id], self.tensors[x.variable.id] = made, x
                x.name = f"{made.name}:{i}"
        return made

    def emit(
        self,
        op: Op,
        inputs: tuple[Any, ...],
        attrs: Attrs,
        spec: Spec,
        tensors: tuple[Any, ...] = (),
    ) -> Var:
        """Append an equation, and find out which sizes of its result are unknown."""
        if not self._quiet and not self._applying:
            raise TraceError(
                f"{op.name}: this function does more than call ops, and cannot be kept as such\n"
                "  expected ops, or one operation for the whole\n"
                "  graph.call(function, *inputs) makes an operation of it: "
                "graph.call(lab.cond, p, f, g, x)"
            )
        spec = shape_of_result(op, inputs, attrs, spec, self.count, self.sizes)
        if any(isinstance(x, Var) and type(x.spec.shape) is AnyRank for x in inputs):
            spec = replace(spec, shape=AnyRank(spec.shape))
        return super().emit(op, inputs, attrs, spec, tensors)

    def capture(self, x: Tensor) -> Var:
        """An eager tensor becomes a constant with the value that it has now."""
        if x.requires_grad:
            raise TraceError(
                "an eager tensor that requires grad was used in a graph\n"
                f"  tensor  {x.spec}{f'  {x.name!r}' if x.name else ''}\n"
                "  expected tensors of the graph, or data that stays as it is\n"
                "  graph.variable(tensor) makes a variable that begins with its value"
            )
        if id(x) not in self.value:
            self.value[id(x)] = self.keep_constant(to_host(x.array).copy()).variable
            self.keep.append(x)
        return self.value[id(x)]

    def visible(self, x: Tensor, what: str = "assign") -> Tensor:
        """An input of an op: of this graph, and a variable as the control scope sees it."""
        if isinstance(x, GraphTensor):
            self.own(x, what)
            if isinstance(x, Variable) and self._control:
                return self._after_control(x)
        return x

    def _after_control(self, x: Variable) -> Any:
        """The variable after the last assignment that the control scope waits for."""
        found = None
        stack = [o for group in self._control for o in group]
        seen = set(stack)
        while stack:
            o = stack.pop()
            if o.assigns is x.variable and (found is None or o.index > found.index):
                found = o
            new = [p for p in o.parents() if p not in seen]
            seen.update(new)
            stack += new
        if found is None or found.outputs[0] is None:
            return x
        return self.tensors[found.outputs[0].id]

    def own(self, x: Any, what: str) -> Any:
        """``x``, if it is a tensor of this graph."""
        if not isinstance(x, GraphTensor):
            got = f"an eager tensor {x.spec}" if isinstance(x, Tensor) else describe(x)
            raise KindError(
                f"{what}: expected a tensor of graph {self.name}, got {got}\n"
                "  inside `with graph:`, ops and graph.constant(value) make such tensors"
            )
        if x.builder is not self:
            raise TraceError(
                f"{what}: {x.name} belongs to another graph\n"
                f"  tensor    {x!r} of graph {x.builder.name}\n"
                f"  expected  a tensor of graph {self.name}\n"
                "  build both in one `with graph:`, or run the first and feed its value"
            )
        return x

    # What a graph is made of

    def placeholder(self, dtype: Any, shape: Sequence[int | None], name: str = "") -> Any:
        """A value that each run is fed; None stands for a size that is not known yet."""
        return self.fed(dtypes.dtype_of(dtype), self._sizes(shape), name)

    def _sizes(self, shape: Any) -> tuple[Any, ...]:
        """A shape whose sizes may be None."""
        sizes = shape if isinstance(shape, (tuple, list)) else None
        ok = sizes is not None and all(
            n is None or (isinstance(n, int) and not isinstance(n, bool) and n >= 0) for n in sizes
        )
        if not ok or sizes is None:
            raise ArgumentError(
                f"placeholder(dtype, shape): shape: expected a tuple of sizes, got {shape!r}\n"
                "  None stands for a size that is not known: (None, 784); a number has shape ()"
            )
        number = self.count
        return tuple(
            size_of(number, i, self.sizes) if n is None else n for i, n in enumerate(sizes)
        )

    def fed(self, dtype: dtypes.DType, sizes: tuple[Any, ...], name: str = "") -> Any:
        """A placeholder for these sizes, which may be open, as may be how many there are."""
        with self._inside() as here:
            var = self.input(Spec(sizes, dtype.np), name, "input", None)
            out = leaf(here.symbol(var))
            self.add("placeholder", (), [out], None, name=name)
        return out

    def constant(  # what a learner calls; data inside an op comes by keep_constant
        self, value: Any, dtype: Any = None, name: str = ""
    ) -> Any:
        """A value that is part of the graph."""
        with self._inside():
            return leaf(self.keep_constant(_data(value, dtype), name))

    def keep_constant(self, array: Any, name: str = "") -> Any:
        """A constant with this array, which is not copied."""
        super_constant = super().constant
        with self._inside() as here:
            out = here.symbol(super_constant(array))
            self.add(
                "const",
                (),
                [out],
                lambda now, values: [leaf(current().constant(array))],
                name=name,
            )
        return out

    def variable(
        self, initial_value: Any, name: str = "", trainable: bool = True, dtype: Any = None
    ) -> Variable:
        """A value that sessions keep; it begins with ``initial_value``, data or a tensor of it."""
        name = self.unique(name or "variable")[sum(len(p) + 1 for p in self._prefix) :]
        with self._inside() as here:
            if not isinstance(initial_value, GraphTensor):
                initial_value = self.constant(initial_value, dtype, self.begins[0].format(name))
            start = self.own(initial_value, "variable(initial_value)")
            spec = start.variable.spec
            if any(isinstance(n, Dim) for n in spec.shape):
                raise ShapeError(
                    f"variable(initial_value): the shape {tuple(spec.shape)} has unknown sizes\n"
                    f"  tensor  {start!r}\n"
                    "  expected sizes that are known: a session keeps memory for it"
                )
            kind = "param" if trainable else "state"
            var = self.input(Spec(spec.shape, spec.dtype), name, kind, None)
            out: Variable = leaf(here.symbol(var, Variable))
            self.add("variable", (), [out], None, name=name)
            self.variables.append(out)
            first_value = self.assign(out, start, self.begins[1].format(name))
            self.initializers[var.id] = first_value.operation
        return out

    def _assign(self, how: str, variable: Any, value: Any, name: str) -> Any:
        """The operation that sets a variable; ``how`` is "assign" or the op that changes it."""
        what = f"{how}(variable, value)"
        if not isinstance(variable, Variable):
            got = "a tensor, not a variable" if isinstance(variable, Tensor) else describe(variable)
            raise KindError(
                f"{what}: expected a variable, got {got}\n  graph.variable(initial_value) makes one"
            )
        self.own(variable, what)
        op = {"assign_add": "add", "assign_sub": "sub"}.get(how)
        with self._inside() as here:
            if not isinstance(value, Tensor):
                value = self.constant(value, variable.dtype)
            var, spec = variable.variable, variable.variable.spec
            with self._inside(quiet=True):

                def new(old: Any, value: Any) -> Any:
                    result = OPS["clone"](value) if op is None else OPS[op](old, value)
                    if result.dtype != variable.dtype:
                        _check_cast(what, variable, result)
                        result = result.to(variable.dtype)
                    if len(result.shape) != len(spec.shape) or not fits(spec.shape, result.shape):
                        raise ShapeError(
                            f"{what}: the value does not fit into {variable.name}\n"
                            f"  variable  {spec}\n"
                            f"  value     {result.dtype.name} {tuple(result.shape)}\n"
                            f"  expected a value of shape {tuple(spec.shape)}"
                        )
                    return result

                with no_grad():
                    out = new(variable, self.visible(value))
            known_shape = replace(out.variable, spec=spec)
            self.equations[-1] = replace(self.equations[-1], out=known_shape)
            out = here.symbol(known_shape)
            inputs: tuple[Any, ...] = (here.var_of(self.visible(value)),)
            if op is not None:
                inputs = (*inputs, var)
            self.add(
                how,
                inputs,
                [out],
                lambda now, values: [new(now[1] if op else None, now[0])],
                name=name,
                recording=False,
                assigns=var,
            )
        return out

    def assign(self, variable: Variable, value: Any, name: str = "") -> Any:
        """An operation that gives a variable another value; its result is that value."""
        return self._assign("assign", variable, value, name)

    def assign_add(self, variable: Variable, value: Any, name: str = "") -> Any:
        """An operation that adds to a variable; several in one run all add."""
        return self._assign("assign_add", variable, value, name)

    def assign_sub(self, variable: Variable, value: Any, name: str = "") -> Any:
        """An operation that subtracts from a variable."""
        return self._assign("assign_sub", variable, value, name)

    def identity(self, x: Any, name: str = "") -> Any:
        """The same value under a name; in a control scope, a variable as it is then."""
        with self._inside():
            out = OPS["clone"](self.own(x, "identity(x)"))
        return self.rename(out, name) if name else out

    def call(self, function: Callable[..., Any], *inputs: Any, name: str = "") -> Any:
        """What ``function(*inputs)`` gives, as the results of one operation.

        For functions that are more than ops: ``graph.call(lab.cond, x.sum() > 0, f, g, x)``. What
        they take of the graph must be among ``inputs``; they run once for each new set of sizes.
        """
        inputs = tuple(self.visible(x, "call") if isinstance(x, Tensor) else x for x in inputs)
        tensors = [x for x in inputs if isinstance(x, Tensor)]
        results: list[Any] = []
        with self._inside(), self._inside(quiet=True) as here:
            start = self.count
            rebuild = flatten(function(*inputs), results)
            new = {*range(start, self.count)}
            outs = [self._result(x, tensors, new) for x in results]
            used = tuple(here.var_of(x) for x in tensors)

        def compute(now: list[Any], values: Values) -> list[Any]:
            rest = iter(now)
            again: list[Any] = []
            flatten(function(*(next(rest) if isinstance(x, Tensor) else x for x in inputs)), again)
            return again

        self.add(getattr(function, "__name__", "call"), used, outs, compute, name=name)
        return rebuild(outs)

    def _result(self, x: Any, inputs: Sequence[Tensor], new: set[int]) -> Any:
        """A variable of its own for a result, with the sizes that its inputs leave open.

        Of the ``new`` variables, which the call has made, each is one result.
        """
        out = x if isinstance(x, Symbol) and x.variable.id in new else OPS["clone"](x)
        var = out.variable
        new.discard(var.id)
        if var.kind == "const":
            return out
        (shape,) = recognise({"shape": tuple(var.spec.shape)}, [y.shape for y in inputs]).values()
        dims = tuple(
            size_of(var.id, i, self.sizes, n.first, n.second) if isinstance(n, Dim) else n
            for i, n in enumerate(shape)
        )
        if type(var.spec.shape) is AnyRank:
            dims = AnyRank(dims)
        return self.reshaped(out, dims)

    def reshaped(self, out: Any, shape: tuple[Any, ...]) -> Any:
        """The same result with another account of what is known of its sizes."""
        var = out.variable
        out.variable = replace(var, spec=replace(var.spec, shape=shape))
        at = next(i for i, q in enumerate(reversed(self.equations), 1) if q.out is var)
        self.equations[-at] = replace(self.equations[-at], out=out.variable)
        return out

    def gradients(
        self, ys: Any, xs: Any, grad_ys: Any = None, name: str = "gradients"
    ) -> list[Any]:
        """The gradients of the sum of ``ys`` with respect to each of ``xs``; None if unused.

        They are tensors of the graph: equations of the backward pass are appended, and can be
        differentiated again.
        """
        ys, xs = _list(ys), _list(xs)
        starts = [None] * len(ys) if grad_ys is None else _list(grad_ys)
        if len(starts) != len(ys):
            raise ArgumentError(
                f"gradients(ys, xs, grad_ys): expected {len(ys)} of grad_ys, got {len(starts)}"
            )
        for word, many in (("ys", ys), ("xs", xs)):
            for i, x in enumerate(many):
                what = f"gradients(ys, xs): {word}[{i}]"
                self.own(x, what)
                if not x.dtype.is_floating_point:
                    raise GradError(
                        f"{what}: {x.name} is {x.dtype.name}, which has no gradient\n"
                        f"  tensor  {x!r}\n  expected floats\n  convert with .float()"
                    )
        given = [g for g in starts if g is not None]
        with self._inside(), self._inside(quiet=True) as here:
            found = gradients_of(ys, xs, starts)
            inputs = tuple(here.var_of(x) for x in (*ys, *xs, *given))
            # a gradient may be a value that is there already; its own variable tells them apart
            outs = [None if g is None else OPS["clone"](g) for g in found]
            for x, out in zip(xs, outs, strict=True):
                if out is not None and type(out.variable.spec.shape) is AnyRank:
                    self.reshaped(out, x.variable.spec.shape)
        n, m = len(ys), len(xs)

        def compute(now: list[Any], values: Values) -> list[Any]:
            rest = iter(now[n + m :])
            again = [None if g is None else next(rest) for g in starts]
            results = gradients_of(now[:n], now[n : n + m], again)
            return [
                self.cut_off(x, value) if result is None and out is not None else result
                for x, value, out, result in zip(xs, now[n : n + m], outs, results, strict=True)
            ]

        self.add("gradients", inputs, outs, compute, name=name)
        return outs

    def cut_off(self, x: Any, value: Any) -> Any:
        """The gradient by ``x`` where a value on the way from it is fed: there is none."""
        raise GradError(
            f"gradients: {x.name} does not lead to the result in this run\n"
            "  a value on the way between them is fed\n"
            "  expected feeds before it or after it only"
        )

    def group(self, *what: Any, name: str = "group") -> Operation:
        """An operation that runs others and has no result."""
        done: list[Operation] = []
        for x in what:
            if isinstance(x, Operation):
                if x.graph is not self:
                    raise TraceError(
                        f"group(...): operation {x.name!r} belongs to another graph, "
                        f"{x.graph.name}\n  expected operations of graph {self.name}"
                    )
                done.append(x)
            else:
                done.append(self.own(x, "group(...)").operation)
        made = self.add("group", (), [], None, name=name, control=done)
        assert made is not None
        return made

    def initializer(self, name: str = "init") -> Operation:
        """An operation that gives all variables that there are now their initial values."""
        return self.group(*(v.initializer for v in self.variables), name=name)

    @contextmanager
    def control_dependencies(self, what: Sequence[Any]) -> Iterator[None]:
        """Operations built inside run after these, and see the variables as those left them."""
        done = [
            x if isinstance(x, Operation) else self.own(x, "control_dependencies").operation
            for x in _list(what)
        ]
        self._control.append(tuple(done))
        try:
            yield
        finally:
            self._control.pop()

    # The graph as data

    def ir(self, *outputs: Any) -> Graph:
        """What these outputs need; without outputs all of the graph, and its assignments.

        Backward equations stand there as they are for one size in place of the unknown ones; a
        run writes them anew for its sizes, see ``Session.graph_of``.
        """
        results = tuple(self.own(x, "ir(outputs)").variable for x in outputs)
        updates: list[tuple[Var, Var]] = []
        if not results:
            uses = [o for o in self.operations if o.kind != "gradients"]
            used = {v for o in uses for v in o.needs}
            results = tuple(
                v
                for o in uses
                for v in o.outputs
                if v is not None and v.id not in used and o.assigns is None
            )
            updates = [
                (o.assigns, v)
                for o in uses
                for v in o.outputs
                if o.assigns is not None and v is not None
            ]
        whole = Graph(
            inputs=tuple(v for v, _ in self.inputs),
            constants=tuple(self.constants),
            equations=tuple(self.equations),
            outputs=results,
            updates=tuple(updates),
            name=self.name,
        )
        return drop_dead(whole)

    def __str__(self) -> str:
        return str(self.ir())


def _check_name(what: str, name: Any) -> None:
    if not isinstance(name, str) or not name or ":" in name:
        raise ArgumentError(
            f"{what}: expected a name without a colon, got {describe(name)}\n"
            "  a colon is for the results of an operation: 'x:0'"
        )


def _check_cast(what: str, variable: Variable, value: Any) -> None:
    if not dtypes.can_cast(value.dtype, variable.dtype):
        raise KindError(
            f"{what}: {value.dtype.name} cannot be kept in {variable.name}\n"
            f"  variable  {variable.variable.spec}\n"
            f"  expected {variable.dtype.name}; convert with .to(lab.{variable.dtype.name})"
        )


def _data(value: Any, dtype: Any) -> Any:
    """The array of data of any kind."""
    token = INTERPRETER.set(NO_GRAD)
    try:
        if isinstance(value, Tensor):
            value = value.detach()
        return tensor(value, dtype=None if dtype is None else dtypes.dtype_of(dtype)).array
    finally:
        INTERPRETER.reset(token)


def _list(x: Any) -> list[Any]:
    return list(x) if isinstance(x, (list, tuple)) else [x]


__all__ = ["GraphBuilder", "GraphTensor", "GraphTrace", "Operation", "Variable", "leaf"]
