"""Graphs, their tensors, operations and variables, in the form of TensorFlow 1.

A graph is the engine's ``GraphBuilder`` with TensorFlow's names. What a program holds are small
handles: a ``Tensor`` here knows a symbol of the builder. Each function of ``tf`` writes one
operation; a run of it calls the function again with values.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from .... import dtypes as lab_dtypes
from ....errors import ArgumentError, KindError, LabError, describe
from ....graph.builder import GraphBuilder, GraphTensor, leaf
from ....graph.builder import Operation as Step
from ....graph.builder import Variable as Kept
from ....graph.sizes import AnyRank, is_open, size_of
from ....tape import SCOPE
from ....tensor import Tensor as Eager
from ...dtypes import DType, as_dtype
from ...tensor import TensorShape
from . import errors

TYPES = {
    "placeholder": "Placeholder", "variable": "VarHandleOp", "const": "Const", "group": "NoOp",
    "assign": "AssignVariableOp", "assign_add": "AssignAddVariableOp", "clone": "Identity",
    "assign_sub": "AssignSubVariableOp", "gradients": "SymbolicGradient",
}  # fmt: skip
NAMES = {
    "placeholder": "Placeholder", "variable": "Variable", "const": "Const", "group": "group_deps",
    "assign": "Assign", "assign_add": "AssignAdd", "assign_sub": "AssignSub",
}  # fmt: skip

# Types of operations with an argument that is a shape.
SHAPED = {"Reshape", "Fill", "BroadcastTo", "Tile", "Slice", "Range", "OneHot", "SequenceMask",
          "RandomStandardNormal", "RandomUniform", "TruncatedNormal"}  # fmt: skip
NO_SHAPE = (
    "  a placeholder without a shape goes through ops on single entries only\n"
    "  give it one: tf.placeholder(tf.float32, [None, 784])"
)


class UnknownShape(TensorShape):
    """The shape of a placeholder that was given none."""

    __slots__ = ()
    rank = ndims = dims = None  # type: ignore[assignment]

    def is_fully_defined(self) -> bool:
        """No."""
        return False

    def is_compatible_with(self, other: Any) -> bool:
        """It may become any shape."""
        return True

    def as_list(self) -> list[Any]:
        """There is none: an error."""
        raise ArgumentError(
            "as_list(): the number of dimensions is not known\n"
            "  expected a placeholder with a shape: tf.placeholder(tf.float32, [None, 784])"
        )

    def __str__(self) -> str:
        return "<unknown>"

    def __repr__(self) -> str:
        return "TensorShape(None)"


UNKNOWN = UnknownShape()


class Operation:
    """One step of a graph, with a name and a type."""

    __slots__ = ("step",)

    def __init__(self, step: Step) -> None:
        self.step = step

    @property
    def graph(self) -> Graph:
        """The graph that it belongs to."""
        assert isinstance(self.step.graph, Graph)
        return self.step.graph

    @property
    def name(self) -> str:
        """Its name, which no other operation of the graph has."""
        return self.step.name

    @property
    def type(self) -> str:
        """What it does: "MatMul", "Placeholder"."""
        return TYPES.get(self.step.kind, self.step.kind)

    @property
    def outputs(self) -> list[Any]:
        """Its results."""
        graph = self.graph
        return [graph.handle(graph.tensors[v.id]) for v in self.step.outputs if v is not None]

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The tensors that it takes."""
        graph = self.graph
        return tuple(graph.handle(graph.tensors[i]) for i in sorted(self.step.needs))

    @property
    def control_inputs(self) -> list[Operation]:
        """The operations that it waits for."""
        return [self.graph.operation_of(o) for o in self.step.control]

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Run it in the session, or the one that is the default."""
        _session(session, f"operation {self.name!r}", "run").run(self, feed_dict)

    def __repr__(self) -> str:
        return f"<tf.Operation {self.name!r} type={self.type}>"


class Tensor:
    """A value of a graph: it has a name, a dtype and a shape, and no entries before a run."""

    __slots__ = ("__weakref__", "symbol")
    __array_priority__ = 100

    def __init__(self, symbol: GraphTensor) -> None:
        self.symbol = symbol

    @property
    def graph(self) -> Graph:
        """The graph that it belongs to."""
        assert isinstance(self.symbol.builder, Graph)
        return self.symbol.builder

    @property
    def op(self) -> Operation:
        """The operation that makes it."""
        return self.graph.operation_of(self.symbol.operation)

    @property
    def name(self) -> str:
        """The name of its operation, and the number of the result."""
        return str(self.symbol.name)

    @property
    def dtype(self) -> DType:
        """The data type."""
        return as_dtype(self.symbol.variable.spec.dtype)

    @property
    def shape(self) -> TensorShape:
        """The sizes, with None for those that a run will know."""
        sizes = sizes_of(self.symbol)
        return UNKNOWN if sizes is None else TensorShape(sizes)

    def get_shape(self) -> TensorShape:
        """The sizes, with None for those that a run will know."""
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Say more of its sizes than could be found out."""
        known, said = sizes_of(self.symbol), _sizes(shape)
        if known is not None and (
            len(known) != len(said)
            or any(None not in (m, n) and m != n for m, n in zip(known, said, strict=True))
        ):
            raise ArgumentError(f"set_shape: {self!r} cannot have the shape {tuple(said)}")

    @property
    def device(self) -> str:
        """Where it is computed: left open."""
        return ""

    def consumers(self) -> list[Operation]:
        """The operations that take it."""
        number = self.symbol.variable.id
        steps = self.graph.operations
        return [self.graph.operation_of(o) for o in steps if number in o.needs]

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Its value in the session, or in the one that is the default."""
        return _session(session, f"tensor {self.name!r}", "eval").run(self, feed_dict)

    def __repr__(self) -> str:
        return f"<tf.Tensor {self.name!r} shape={shape_text(self.symbol)} dtype={self.dtype.name}>"

    def __str__(self) -> str:
        return f'Tensor("{self.name}", shape={shape_text(self.symbol)}, dtype={self.dtype.name})'

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def _asked(self, what: str, instead: str) -> NoReturn:
        where = self.symbol.operation.where()
        raise (errors.NoValue if what[0] == "." else errors.OperatorNotAllowedInGraphError)(
            f"{what}: {self.name} has no value while the graph is built\n  tensor  {self}{where}\n"
            f"  expected ops only; sess.run({self.name!r}) gives its value\n  {instead}"
        )

    def __bool__(self) -> bool:
        self._asked("a tensor as a Python bool", "a choice in the graph is tf.cond or tf.where")

    def __iter__(self) -> Iterator[Any]:
        self._asked("a loop over a tensor", "a loop in the graph is tf.while_loop; tf.unstack(x)")

    def __float__(self) -> float:
        self._asked("a tensor as a float", "keep to tensors: tf.cast(x, tf.float32)")

    def __int__(self) -> int:
        self._asked("a tensor as an int", "keep to tensors: tf.cast(x, tf.int32)")

    __index__ = __int__

    def __len__(self) -> int:
        self._asked("len() of a tensor", "x.shape[0] is what is known, tf.shape(x)[0] in the graph")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise errors.NoArray(
            f"{self.name} cannot become a NumPy array: it has no value while the graph is built\n"
            f"  tensor  {self}{self.symbol.operation.where()}\n"
            f"  expected functions of tf in place of np; sess.run({self.name!r}) gives an array"
        )

    def refuse_value(self) -> NoReturn:
        """The error where its entries are asked for outside of the graph."""
        raise KindError(
            f"{self.name} is a tensor of a graph, and was given where values are needed\n"
            f"  tensor  {self}{self.symbol.operation.where()}\n"
            "  expected numbers, an array or an eager tensor; "
            f"sess.run({self.name!r}) gives the value\n"
            "  functions of tf.compat.v1 take both tensors of graphs and numbers"
        )

    def __getattr__(self, name: str) -> Any:
        if name in ("numpy", "item", "tolist"):
            self._asked(f".{name}()", f"in a session: sess.run({self.name!r})")
        raise AttributeError(f"a tensor of a graph has no attribute {name!r}")


class Sizes(Tensor):
    """What ``tf.shape(x)`` gives: where a shape is asked for, the sizes of x in that run."""

    __slots__ = ("axis", "of")
    of: Tensor
    axis: int | None  # of one size; None for all of them

    @classmethod
    def made(cls, out: Tensor, of: Tensor, axis: int | None = None) -> Any:
        """A tensor of the graph that is known to be sizes of another."""
        sized = cls(out.symbol)
        sized.of, sized.axis = of, axis
        out.graph.handles[out.symbol.variable.id] = sized
        return sized


class Variable(Tensor):
    """A value that each session keeps between its runs, once it is initialised there."""

    __slots__ = ("first",)
    first: Tensor  # the value that it begins with
    symbol: Kept

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        **unused: Any,
    ) -> None:
        if initial_value is None:
            raise ArgumentError(
                "Variable(initial_value): there is none\n"
                "  expected numbers, an array, or a tensor: tf.Variable(tf.zeros([10]))"
            )
        graph = get_default_graph()
        with graph.waiting_for_nothing():
            self._begin(graph, initial_value, trainable is not False, name, dtype)
        names = ["variables"] if collections is None else collections
        for collected in [*names, *["trainable_variables"] * (trainable is not False)]:
            graph.collect(collected, self)

    def _begin(
        self, graph: Graph, value: Any, trainable: bool, name: str | None, dtype: Any
    ) -> None:
        full = graph.unique(name or "Variable")
        if callable(value) or not isinstance(value, Tensor):
            with graph.exactly(f"{full}/Initializer"):
                value = value() if callable(value) else value
                if not isinstance(value, Tensor):
                    value = constant(value, dtype, name="initial_value")
        start = graph.own_symbol(value, "Variable(initial_value)")
        kept = graph.kept(start, full, trainable, dtype)
        self.symbol, self.first = kept, graph.handle(start)
        graph.handles[kept.variable.id] = self

    @property
    def trainable(self) -> bool:
        """Whether an optimiser shall change it."""
        return bool(self.symbol.trainable)

    @property
    def initializer(self) -> Operation:
        """The operation that gives it its first value."""
        return self.graph.operation_of(self.symbol.initializer)

    @property
    def initial_value(self) -> Tensor:
        """What it begins with."""
        return self.first

    def initialized_value(self) -> Tensor:
        """What it begins with."""
        return self.first

    def value(self) -> Tensor:
        """Its value as a tensor."""
        return self.graph.identity_of(self, "ReadVariableOp")

    def read_value(self) -> Tensor:
        """Its value as a tensor."""
        return self.value()

    def assign(
        self,
        value: Any,
        use_locking: bool = False,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        """An operation that gives it another value; its result is that value."""
        return self.graph.changed("assign", self, value, name)

    def assign_add(
        self,
        delta: Any,
        use_locking: bool = False,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        """An operation that adds to it."""
        return self.graph.changed("assign_add", self, delta, name)

    def assign_sub(
        self,
        delta: Any,
        use_locking: bool = False,
        name: str | None = None,
        read_value: bool = True,
    ) -> Any:
        """An operation that subtracts from it."""
        return self.graph.changed("assign_sub", self, delta, name)

    def eval(  # type: ignore[override]
        self, session: Any = None, feed_dict: Any = None
    ) -> Any:
        """Its value in the session, or in the one that is the default."""
        return super().eval(feed_dict, session)

    def load(self, value: Any, session: Any = None) -> None:
        """Give it a value in a session."""
        _session(session, f"variable {self.name!r}", "load").load(self.symbol, value)

    def __repr__(self) -> str:
        shape = shape_text(self.symbol)
        return f"<tf.Variable {self.name!r} shape={shape} dtype={self.dtype.name}>"

    __str__ = __repr__


def sizes_of(symbol: GraphTensor) -> list[int | None] | None:
    """The sizes of a symbol, None for an open one; None where not even their number is known."""
    shape = symbol.variable.spec.shape
    if type(shape) is AnyRank:
        return None
    return [None if is_open(n) else n for n in shape]


def shape_text(symbol: GraphTensor) -> str:
    """A shape as it is printed."""
    sizes = sizes_of(symbol)
    return "<unknown>" if sizes is None else str(tuple(sizes))


def _sizes(shape: Any) -> tuple[int | None, ...]:
    """A shape as the learner gives it: a number, a list, a ``TensorShape``."""
    if isinstance(shape, int):
        return (shape,)
    return tuple(getattr(n, "value", n) for n in shape)


def sizes_given(what: str, shape: Any) -> tuple[int, ...]:
    """A shape that is known while the graph is built."""
    if isinstance(shape, Tensor):
        raise KindError(
            f"{what}: the shape is a tensor\n  shape  {shape}\n"
            "  expected sizes that Python knows, such as [784, 10]"
        )
    sizes = _sizes(shape)
    if None in sizes:
        raise ArgumentError(f"{what}: got {sizes}\n  expected sizes that are known")
    return tuple(int(n) for n in sizes)  # type: ignore[arg-type]


def _session(session: Any, what: str, how: str) -> Any:
    found = session if session is not None else current_session()
    if found is None:
        raise ArgumentError(
            f"{how}() of {what}: there is no session\n"
            f"  expected a session: x.{how}(session=sess), or `with tf.Session() as sess:` around"
        )
    return found


# Which graph, which session -------------------------------------------------------------------


class _Stacks(threading.local):
    def __init__(self) -> None:
        self.graphs: list[Graph] = []
        self.sessions: list[Any] = []


_STACKS = _Stacks()


def current_session() -> Any:
    """The session of the innermost ``with``; None where there is none."""
    return _STACKS.sessions[-1] if _STACKS.sessions else None


@contextmanager
def pushed(kind: str, what: Any) -> Iterator[Any]:
    """Make a graph or a session the default inside of a ``with``."""
    stack = getattr(_STACKS, kind)
    stack.append(what)
    try:
        yield what
    finally:
        at = next(i for i in range(len(stack) - 1, -1, -1) if stack[i] is what)
        del stack[at]


def push_session(session: Any) -> None:
    """Make a session the default until it is closed."""
    _STACKS.sessions.append(session)


def drop_session(session: Any) -> None:
    """Take a session that was pushed away again."""
    _STACKS.sessions[:] = [s for s in _STACKS.sessions if s is not session]


class _First:
    graph: Graph


def get_default_graph() -> Graph:
    """The graph that ops are written into: that of ``as_default``, or the one of the program."""
    return _STACKS.graphs[-1] if _STACKS.graphs else _First.graph


def reset_default_graph() -> None:
    """Begin a new graph in place of the program's."""
    if _STACKS.graphs:
        raise ArgumentError(
            "reset_default_graph() inside `with graph.as_default():`\n"
            "  expected a call outside of it; tf.Graph() makes another graph"
        )
    _First.graph = Graph()


class Graph(GraphBuilder):
    """Operations that are written down; a session runs them.

    >>> g = Graph()
    >>> with g.as_default():
    ...     x = placeholder("float32", [None, 2], name="x")
    >>> x
    <tf.Tensor 'x:0' shape=(None, 2) dtype=float32>
    """

    begins = ("{}/Initializer/initial_value", "{}/Assign")

    def __init__(self) -> None:
        super().__init__("graph")
        self.seed: int | None = None
        self.collections: dict[str, list[Any]] = {}
        self.handles: dict[int, Tensor] = {}
        self.shared: dict[str, Variable] = {}  # those of get_variable, by name
        self.scope: Any = None  # the variable scope that is open
        self.opened: set[str] = set()  # the names of variable scopes that there were
        self._steps: dict[Step, Operation] = {}
        self._taken: set[str] = set()
        self._finalized = False

    def as_default(self) -> Any:
        """``with graph.as_default():`` ops inside are written into this graph."""
        return pushed("graphs", self)

    @property
    def finalized(self) -> bool:
        """Whether nothing may be added any more."""
        return self._finalized

    def finalize(self) -> None:
        """Let nothing be added any more."""
        self._finalized = True

    # Names

    def unique(self, name: str) -> str:
        """A name that is free: "x", then "x_1"; capital letters make no difference."""
        if name.endswith("/"):  # the name of a scope itself
            return name[:-1]
        full = "/".join([*self._prefix, name])
        found, n = full, 0
        while found.lower() in self._taken:
            n += 1
            found = f"{full}_{n}"
        return found

    @contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Names inside begin with ``name/``; ``name/`` with its slash is that scope once more."""
        if not name:
            with self.exactly("") as full:
                yield full
        elif name.endswith("/"):
            with self.exactly(name[:-1]) as full:
                yield full
        else:
            found = self.unique(_checked(name))
            self._taken.add(found.lower())
            with self.exactly(found) as full:
                yield full

    @contextmanager
    def exactly(self, full: str) -> Iterator[str]:
        """Names inside begin with ``full/``."""
        before, self._prefix = self._prefix, full.split("/") if full else []
        token = SCOPE.set(full.replace("/", "."))
        try:
            yield full + "/" if full else ""
        finally:
            self._prefix = before
            SCOPE.reset(token)

    @contextmanager
    def waiting_for_nothing(self) -> Iterator[None]:
        """Operations that are written inside wait for no others."""
        before, self._control = self._control, []
        try:
            yield
        finally:
            self._control = before

    def add(self, kind: str, *parts: Any, name: str = "", **rest: Any) -> Any:
        """Keep an operation, with TensorFlow's name for its kind."""
        if self._quiet:
            return None
        if self._finalized:
            raise errors.SessionError("the graph is finalised: nothing can be added to it")
        made = super().add(kind, *parts, name=_checked(name or NAMES.get(kind, kind)), **rest)
        assert made is not None
        self._taken.add(made.name.lower())
        return made

    def get_operations(self) -> list[Operation]:
        """All operations, in the order in which they were written."""
        return [self.operation_of(o) for o in self.operations]

    def get_operation_by_name(self, name: str) -> Operation:
        """The operation of this name, or KeyError."""
        found = self.names.get(name)
        if found is None:
            raise errors.NoSuchName(
                f"the name {name!r} refers to an operation that is not in the graph\n"
                f"  expected  {self._some(name)}"
            )
        return self.operation_of(found)

    def get_tensor_by_name(self, name: str) -> Any:
        """The tensor of a name such as "x:0"; KeyError where there is none."""
        base, colon, place = str(name).partition(":")
        if not colon or not place.isdigit():
            raise ArgumentError(
                f"the name {name!r} is that of an operation, not of a tensor\n"
                f'  expected  "operation:result", such as "{base}:0"'
            )
        made = self.names.get(base)
        index = int(place)
        v = made.outputs[index] if made is not None and index < len(made.outputs) else None
        if v is None:
            lack = "no such operation" if made is None else f"{len(made.outputs)} results"
            raise errors.NoSuchName(
                f"the name {name!r} refers to a tensor that does not exist\n"
                f"  graph     {lack}\n  expected  {self._some(base)}"
            )
        return self.handle(self.tensors[v.id])

    def as_graph_element(
        self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True
    ) -> Any:
        """The tensor or operation that a name or an object stands for."""
        if isinstance(obj, str):
            named = self.get_tensor_by_name if ":" in obj else self.get_operation_by_name
            return named(obj)
        return obj

    def _some(self, name: str) -> str:
        near = [o.name for o in self.operations if name.lower() in o.name.lower()]
        some = near[:3] or [o.name for o in self.operations[:5]]
        return ", ".join(map(repr, some)) or "a graph with operations: this one is empty"

    # Collections

    def collect(self, name: str, value: Any) -> None:
        """Add to a collection."""
        self.collections.setdefault(name, []).append(value)

    add_to_collection = collect

    def get_collection(self, name: str, scope: str | None = None) -> list[Any]:
        """A copy of a collection; ``scope`` is what the names begin with."""
        found = self.collections.get(name, [])
        return [x for x in found if not scope or getattr(x, "name", "").startswith(scope)]

    # Handles

    def handle(self, symbol: Any) -> Any:
        """The one ``Tensor`` for a symbol."""
        found = self.handles.get(symbol.variable.id)
        if found is None:
            found = self.handles[symbol.variable.id] = Tensor(symbol)
        return found

    def handled(self, value: Any) -> Any:
        """Symbols in nested lists as tensors."""
        if isinstance(value, GraphTensor):
            return self.handle(value)
        if isinstance(value, dict):
            return {k: self.handled(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            parts = [self.handled(v) for v in value]
            return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
        return value

    def operation_of(self, step: Step) -> Operation:
        """The one ``Operation`` for a step."""
        found = self._steps.get(step)
        if found is None:
            found = self._steps[step] = Operation(step)
        return found

    def own_symbol(self, x: Any, what: str) -> Any:
        """The symbol of a tensor, which must be of this graph."""
        if not isinstance(x, Tensor):
            x = constant(x)
        if x.graph is not self:
            raise ArgumentError(
                f"{what}: {x} must be from the same graph as the rest\n"
                f"  tensor of {x.graph}, the rest of {self}\n"
                "  build both in one `with graph.as_default():`, or run the first and feed what it "
                "gives"
            )
        return x.symbol

    def __repr__(self) -> str:
        return f"<tf.Graph with {len(self.operations)} operations, at {id(self):#x}>"

    __str__ = __repr__

    # What it is made of

    def kept(self, start: Any, name: str, trainable: bool, dtype: Any) -> Kept:
        """A variable of the builder; ``name`` is complete."""
        before, self._prefix = self._prefix, []
        try:
            return self.variable(start, name, trainable, dtype)
        finally:
            self._prefix = before

    def changed(self, how: str, variable: Variable, value: Any, name: str | None) -> Any:
        """The value of a variable after an assignment."""
        if not isinstance(value, Tensor):
            value = constant(value, variable.dtype, name=f"{name or NAMES[how]}/value")
        symbol = self.own_symbol(value, f"{how}(value)")
        try:
            return self.handle(
                getattr(GraphBuilder, how)(self, variable.symbol, symbol, name or "")
            )
        except LabError as error:
            raise errors.at_building(error) from None

    def cut_off(self, x: Any, value: Any) -> Any:
        """Zeros: what is fed does not change with the value that it would be computed from."""
        return value * 0

    def shaped_like(self, out: Tensor, x: Tensor) -> Any:
        """``out``, of which is known that it has the shape of ``x``."""
        return self.shaped(out, x.symbol.variable.spec.shape)

    def shaped(self, out: Tensor, shape: tuple[Any, ...]) -> Any:
        """``out``, of which more is known than could be found out."""
        var = out.symbol.variable
        if type(var.spec.shape) is AnyRank and type(shape) is not AnyRank:
            sizes = tuple(
                size_of(var.id, i, self.sizes, n.first, n.second) if is_open(n) else n
                for i, n in enumerate(shape)
            )
            self.reshaped(out.symbol, sizes)
            made = out.symbol.operation
            now = out.symbol.variable
            made.outputs = tuple(now if v is var else v for v in made.outputs)
        return out

    def identity_of(self, x: Tensor, name: str) -> Any:
        """The same value as a result of its own."""
        return self.write("Identity", name, lambda v: v, (x,), {})

    def write(
        self,
        kind: str,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """One operation that calls ``function``, with values in the place of the tensors."""
        symbols: list[Any] = []

        def taken(x: Any) -> Any:
            if isinstance(x, Sizes) and kind in SHAPED:
                symbols.append(self.own_symbol(x.of, f"{kind} {name!r}"))
                return _Place(len(symbols) - 1, x.axis, sizes=True)
            if isinstance(x, Tensor):
                symbols.append(self.own_symbol(x, f"{kind} {name!r}"))
                return _Place(len(symbols) - 1)
            if isinstance(x, Eager):
                raise KindError(_mixed(kind, x))
            if isinstance(x, (list, tuple)) and not hasattr(x, "_fields"):
                return type(x)([taken(v) for v in x])
            return {k: taken(v) for k, v in x.items()} if type(x) is dict else x

        places = taken(args), taken(kwargs)

        def compute(*values: Any) -> Any:
            given, named = (_filled(part, values) for part in places)
            return function(*given, **named)

        compute.__name__ = kind
        try:
            return self.handled(self.call(compute, *symbols, name=name))
        except LabError as error:
            now = errors.at_building(error)
            if any(type(x.variable.spec.shape) is AnyRank for x in symbols):
                now = type(now)(f"{now}\n{NO_SHAPE}")
            raise now from None


_First.graph = Graph()


class _Place:
    """Stands in the arguments of an operation for the tensor with this number, or its sizes."""

    __slots__ = ("axis", "index", "sizes")

    def __init__(self, index: int, axis: int | None = None, sizes: bool = False) -> None:
        self.index, self.axis, self.sizes = index, axis, sizes

    def value(self, values: Sequence[Any]) -> Any:
        """What it stands for."""
        x = values[self.index]
        if not self.sizes:
            return x
        shape = tuple(x.shape)
        return list(shape) if self.axis is None else shape[self.axis]


def _filled(x: Any, values: Sequence[Any]) -> Any:
    if isinstance(x, _Place):
        return x.value(values)
    if isinstance(x, (list, tuple)) and not hasattr(x, "_fields"):
        return type(x)([_filled(v, values) for v in x])
    return {k: _filled(v, values) for k, v in x.items()} if type(x) is dict else x


def _mixed(kind: str, x: Eager) -> str:
    return (
        f"{kind}: an eager tensor among the tensors of a graph\n"
        f"  tensor  {x.spec}{f'  {x.name!r}' if x.name else ''}\n"
        "  expected tensors of the graph, numbers or arrays\n"
        "  tf.constant(x.numpy()) keeps its value in the graph; a placeholder is fed with it"
    )


def _checked(name: str) -> str:
    ok = name and ":" not in name and " " not in name and name[0] not in "/_-"
    if not ok:
        raise ArgumentError(
            f"name: {name!r} is no name for an operation\n"
            "  expected letters, digits and . _ / - and no blank or colon, such as 'hidden_1'"
        )
    return name


def graph_of(values: Any) -> Graph:
    """The graph of the tensors among the arguments, or else the default one."""
    for x in values:
        if isinstance(x, Tensor):
            return x.graph
        if isinstance(x, (list, tuple, dict)):
            found = _tensor_in(x)
            if found is not None:
                return found.graph
    return get_default_graph()


def _tensor_in(x: Any) -> Tensor | None:
    if isinstance(x, Tensor):
        return x
    parts = x.values() if isinstance(x, dict) else x if isinstance(x, (list, tuple)) else ()
    return next((found for v in parts if (found := _tensor_in(v)) is not None), None)


# What begins a graph ---------------------------------------------------------------------------


def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Any:
    """A value that each run is fed; None in its shape is a size that only the run knows.

    >>> with Graph().as_default():
    ...     print(placeholder("float32", shape=[None, 784]))
    Tensor("Placeholder:0", shape=(None, 784), dtype=float32)
    """
    graph = get_default_graph()
    kind = lab_dtypes.dtype_of(as_dtype(dtype).as_numpy_dtype)
    if shape is None:
        symbol = graph.fed(kind, AnyRank(), name or "Placeholder")
    else:
        symbol = graph.placeholder(kind, _sizes(shape), name or "Placeholder")
    return graph.handle(symbol)


def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Any:
    """A value that may be fed; a run that does not feed it takes ``input``."""
    graph = graph_of((input,))
    given = input if isinstance(input, Tensor) else constant(input)
    out = graph.write(
        "PlaceholderWithDefault", name or "PlaceholderWithDefault", lambda x: x, (given,), {}
    )
    var = out.symbol.variable
    built = var.spec.shape
    sizes = AnyRank(built) if shape is None else _sizes(shape)
    if shape is not None:
        sizes = tuple(
            size_of(var.id, i, graph.sizes) if n is None else n for i, n in enumerate(sizes)
        )
        if len(sizes) != len(built):
            raise ArgumentError(
                f"placeholder_with_default(input, shape): {given} does not fit {_sizes(shape)}\n"
                f"  expected {len(built)} sizes"
            )
    graph.reshaped(out.symbol, sizes)
    out.symbol.operation.outputs = (out.symbol.variable,)
    return out


def constant(
    value: Any, dtype: Any = None, shape: Any = None, name: str | None = None, **unused: Any
) -> Any:
    """Data that is part of the graph.

    >>> with Graph().as_default():
    ...     print(constant(2.0, name="a"))
    Tensor("a:0", shape=(), dtype=float32)
    """
    graph = get_default_graph()
    array = array_of(value, dtype)
    if shape is not None:
        full = sizes_given("constant(shape)", shape)
        array = np.broadcast_to(array, full) if array.size == 1 else array.reshape(full)
    return graph.handle(leaf(graph.keep_constant(np.array(array), name or "Const")))


def array_of(value: Any, dtype: Any = None) -> Any:
    """Data as an array: floats as float32, whole numbers as int32, arrays as they are."""
    if isinstance(value, Tensor):
        raise KindError(
            f"constant(value): {value} is a tensor of a graph\n"
            "  expected data; tf.identity(x) gives a tensor once more"
        )
    if isinstance(value, Eager):
        value = value.detach().cpu().numpy()
    made = isinstance(value, (np.ndarray, np.generic))
    try:
        array = np.asarray(value)
    except ValueError:
        raise ArgumentError(
            f"constant(value): got {describe(value)}, whose parts have different lengths"
        ) from None
    if dtype is not None:
        return array.astype(as_dtype(dtype).as_numpy_dtype)
    if not made and array.dtype == np.float64:
        return array.astype(np.float32)
    if not made and array.dtype == np.int64:
        return array.astype(np.int32)
    if array.dtype.kind not in "biuf":
        raise KindError(
            f"constant(value): got {describe(value)}\n  expected numbers: graphs here hold no text"
        )
    return array
