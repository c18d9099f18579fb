"""Name scopes, variable scopes, and the variables that are shared by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ....errors import ArgumentError
from ...dtypes import as_dtype
from ...keras.initializers import Initializer
from ...keras.initializers import get as get_initializer
from ...keras.words import snake_case
from . import graphs
from .graphs import Graph, Operation, Tensor, Variable, get_default_graph
from .initializers import numbers

AUTO_REUSE = "auto_reuse"


class GraphKeys:
    """The names of the collections."""

    GLOBAL_VARIABLES = "variables"
    LOCAL_VARIABLES = "local_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    UPDATE_OPS = "update_ops"
    LOSSES = "losses"
    REGULARIZATION_LOSSES = "regularization_losses"
    GLOBAL_STEP = "global_step"


class name_scope:
    """``with tf.name_scope("layer"):`` names inside begin with ``layer/``.

    >>> with Graph().as_default(), name_scope("a"):
    ...     graphs.constant(1.0).name
    'a/Const:0'
    """

    def __init__(self, name: str | None, default_name: str | None = None, values: Any = None):
        self.name = name or default_name
        self._graph = graphs.graph_of((values,)) if values else get_default_graph()

    def __enter__(self) -> str:
        self._inside = self._graph.name_scope(self.name)
        return str(self._inside.__enter__())

    def __exit__(self, *error: Any) -> None:
        self._inside.__exit__(*error)


class VariableScope:
    """Where ``get_variable`` finds and makes variables: the beginning of their names."""

    def __init__(
        self, name: str, reuse: Any = False, initializer: Any = None, regularizer: Any = None
    ) -> None:
        self.name, self.reuse = name, reuse
        self.initializer, self.regularizer = initializer, regularizer
        self.original_name_scope = ""

    def reuse_variables(self) -> None:
        """From here on ``get_variable`` gives only variables that are there."""
        self.reuse = True


def get_variable_scope() -> VariableScope:
    """The variable scope that is open now."""
    graph = get_default_graph()
    if graph.scope is None:
        graph.scope = VariableScope("")
    found: VariableScope = graph.scope
    return found


@contextmanager
def variable_scope(
    name_or_scope: Any,
    default_name: str | None = None,
    values: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    reuse: Any = None,
    **unused: Any,
) -> Iterator[VariableScope]:
    """Variables inside are named ``scope/name``, and shared where ``reuse`` says so.

    ``reuse`` True gives only variables that are there, AUTO_REUSE those that are there and makes
    the others.

    >>> with Graph().as_default():
    ...     with variable_scope("layer"):
    ...         w = get_variable("w", [2, 3])
    ...     with variable_scope("layer", reuse=True):
    ...         print(get_variable("w") is w, w.name)
    True layer/w:0
    """
    graph, outer = get_default_graph(), get_variable_scope()
    if isinstance(name_or_scope, VariableScope):
        full, short = name_or_scope.name, name_or_scope.name.rpartition("/")[2]
        reuse = name_or_scope.reuse if reuse is None else reuse
        initializer = initializer or name_or_scope.initializer
    elif name_or_scope:
        short = str(name_or_scope)
        full = f"{outer.name}/{short}" if outer.name else short
    elif default_name:
        short = _free(graph, outer, default_name)
        full = f"{outer.name}/{short}" if outer.name else short
    else:
        raise ArgumentError(
            "variable_scope(name): there is none\n  expected a name, a scope or a default_name"
        )
    inner = VariableScope(full, reuse or outer.reuse, initializer or outer.initializer, regularizer)
    graph.opened.add(full)
    graph.scope = inner
    try:
        with graph.name_scope(short) as name:
            inner.original_name_scope = name
            yield inner
    finally:
        graph.scope = outer


def _free(graph: Graph, outer: VariableScope, name: str) -> str:
    """``name``, or ``name_1`` where a scope of that name was opened before."""
    found, n = name, 0
    while (f"{outer.name}/{found}" if outer.name else found) in graph.opened:
        n += 1
        found = f"{name}_{n}"
    return found


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool | None = None,
    collections: Any = None,
    **unused: Any,
) -> Any:
    """The variable of this name in the scope; made where there is none, with Glorot's numbers.

    Raises ArgumentError (a ValueError) for a name that is taken where nothing is to be reused,
    for one that is not there where only reuse is allowed, and for another shape.
    """
    graph, scope = get_default_graph(), get_variable_scope()
    full = f"{scope.name}/{name}" if scope.name else name
    there = graph.shared.get(full)
    if there is not None:
        return _again(there, full, shape, dtype, scope)
    if scope.reuse is True:
        some = ", ".join(map(repr, list(graph.shared)[:5])) or "none"
        raise ArgumentError(
            f"get_variable({name!r}): variable {full!r} does not exist, and the scope reuses\n"
            f"  there are  {some}\n"
            "  expected a name among these, or reuse=tf.AUTO_REUSE, which makes what is missing"
        )
    start = initializer if initializer is not None else scope.initializer
    plain = start is not None and not callable(start) and not isinstance(start, (str, type))
    if shape is None and not plain:
        raise ArgumentError(
            f"get_variable({name!r}): the shape of a new variable is not known\n"
            "  expected shape=[784, 10], or an initializer that is an array or a tensor"
        )
    sizes = None if shape is None else [getattr(n, "value", n) for n in _listed(shape)]
    if sizes is not None and None in sizes:
        raise ArgumentError(
            f"get_variable({name!r}): shape {tuple(sizes)} has a size that is not known\n"
            "  expected sizes that are known: a session keeps memory for it"
        )
    kind = as_dtype(dtype or "float32")
    start = start() if isinstance(start, type) else start
    value = start if plain else drawn(get_initializer(start), sizes, kind)
    with graph.exactly(""):
        made = Variable(
            value, trainable, collections=collections, name=full, dtype=dtype if plain else None
        )
    graph.shared[full] = made
    penalty = regularizer or scope.regularizer
    if penalty is not None:
        graph.collect(GraphKeys.REGULARIZATION_LOSSES, penalty(made))
    return made


def _listed(shape: Any) -> Any:
    return [shape] if isinstance(shape, int) else shape


def drawn(initializer: Any, shape: Any, dtype: Any) -> Any:
    """What makes the first value, once the place for it has a name."""

    def first() -> Any:
        if isinstance(initializer, Initializer):
            name = snake_case(type(initializer).__name__)
            return get_default_graph().write(
                "Initializer", name, lambda: numbers(initializer, tuple(shape), dtype), (), {}
            )
        value = initializer(tuple(shape), dtype=dtype)
        return value if isinstance(value, Tensor) else graphs.constant(value, dtype)

    return first


def _again(there: Any, full: str, shape: Any, dtype: Any, scope: VariableScope) -> Any:
    if not scope.reuse:
        where = there.symbol.operation.where()
        raise ArgumentError(
            f"get_variable: variable {full!r} already exists{where}\n"
            "  expected a name that is new in this scope\n"
            "  share it with tf.variable_scope(scope, reuse=True) or reuse=tf.AUTO_REUSE"
        )
    if shape is not None and tuple(_listed(shape)) != tuple(there.shape):
        raise ArgumentError(
            f"get_variable: variable {full!r} is shared, and has another shape\n"
            f"  asked for  {tuple(_listed(shape))}\n  variable   {tuple(there.shape)}\n"
            "  expected the same shape, or another name"
        )
    if dtype is not None and as_dtype(dtype) != there.dtype:
        raise ArgumentError(
            f"get_variable: variable {full!r} is shared, and has another dtype\n"
            f"  asked for  {as_dtype(dtype).name}\n  variable   {there.dtype.name}"
        )
    return there


# Sets of variables -----------------------------------------------------------------------------


def global_variables(scope: str | None = None) -> list[Any]:
    """All variables of the graph that sessions share by name."""
    return get_default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


def local_variables(scope: str | None = None) -> list[Any]:
    """The variables of the collection "local_variables"."""
    return get_default_graph().get_collection(GraphKeys.LOCAL_VARIABLES, scope)


def trainable_variables(scope: str | None = None) -> list[Any]:
    """The variables that optimisers change."""
    return get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


def get_collection(key: str, scope: str | None = None) -> list[Any]:
    """A copy of a collection of the graph."""
    return get_default_graph().get_collection(key, scope)


def add_to_collection(name: str, value: Any) -> None:
    """Add to a collection of the graph."""
    get_default_graph().collect(name, value)


def variables_initializer(var_list: Any, name: str = "init") -> Operation:
    """An operation that gives these variables their first values."""
    graph = get_default_graph()
    steps = [v.symbol.initializer for v in var_list]
    return graph.operation_of(graph.group(*steps, name=name))


def global_variables_initializer() -> Operation:
    """An operation that gives all variables that there are now their first values."""
    return variables_initializer(global_variables())


initialize_all_variables = global_variables_initializer


def local_variables_initializer() -> Operation:
    """The same for the collection "local_variables"."""
    return variables_initializer(local_variables())


def get_global_step(graph: Graph | None = None) -> Any:
    """The variable that counts steps; None where there is none."""
    found = (graph or get_default_graph()).get_collection(GraphKeys.GLOBAL_STEP)
    return found[0] if found else None


def get_or_create_global_step(graph: Graph | None = None) -> Any:
    """The variable that counts steps."""
    there = get_global_step(graph)
    if there is not None:
        return there
    with (graph or get_default_graph()).as_default() as g:
        made = Variable(0, trainable=False, name="global_step", dtype="int64")
        g.collect(GraphKeys.GLOBAL_STEP, made)
    return made
