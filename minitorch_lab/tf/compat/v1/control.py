"""What is run after what, and choices and loops in the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .... import dtypes as lab_dtypes
from ....errors import ArgumentError, KindError, LabError, describe
from ....graph import control as engine
from ....graph.builder import Operation as Step
from ....graph.session import apply_step
from ....graph.sizes import AnyRank, is_open, size_of
from . import errors, graphs
from .graphs import Graph, Operation, Tensor, constant, get_default_graph


def _step(x: Any, what: str) -> Step:
    if isinstance(x, Operation):
        return x.step
    if isinstance(x, Tensor):
        return x.symbol.operation
    raise KindError(f"{what}: expected operations and tensors, got {describe(x)}")


@contextmanager
def control_dependencies(control_inputs: Any) -> Iterator[None]:
    """Operations that are written inside run after these; None: after none of those around."""
    graph = get_default_graph()
    if control_inputs is None:
        with graph.waiting_for_nothing():
            yield
        return
    steps = [_step(x, "control_dependencies") for x in control_inputs]
    with graph.control_dependencies(steps):
        yield


def group(*inputs: Any, name: str | None = None) -> Operation:
    """An operation that runs all of these and gives None."""
    parts = [
        x for given in inputs for x in (given if isinstance(given, (list, tuple)) else [given])
    ]
    steps = [_step(x, "group(...)") for x in parts]
    graph = graphs.graph_of(parts) if parts else get_default_graph()
    return graph.operation_of(graph.group(*steps, name=name or "group_deps"))


def no_op(name: str | None = None) -> Operation:
    """An operation that does nothing."""
    return group(name=name or "NoOp")


def tuple_(
    tensors: Sequence[Any], name: str | None = None, control_inputs: Any = None
) -> list[Any]:
    """The tensors, each once all of them are there."""
    steps = [x for x in [*tensors, *(control_inputs or ())] if x is not None]
    with control_dependencies(steps):
        return [None if x is None else x.graph.identity_of(x, name or "tuple") for x in tensors]


# Choices and loops -----------------------------------------------------------------------------


class Part:
    """Operations that a function wrote, as a function of what stands around them."""

    def __init__(
        self, graph: Graph, wanted: list[Any], start: int, own: Sequence[int] = ()
    ) -> None:
        self.graph, self.own = graph, tuple(own)
        self.wanted = [x.symbol.variable.id for x in wanted]
        around: dict[int, None] = {}
        stack = list(self.wanted)
        steps: set[Step] = set()
        while stack:
            number = stack.pop()
            made = graph.maker[number]
            if number in self.own:
                continue
            if made.index < start:
                around[number] = None
            elif made not in steps:
                steps.add(made)
                stack += [*made.needs, *(v.id for o in made.control for v in o.outputs if v)]
        inner = [o for o in steps if o.assigns is not None]
        if inner:
            raise ArgumentError(
                f"a choice or a loop changes variable {inner[0].inputs[-1]}\n"
                f"  by operation {inner[0].name!r}{inner[0].where()}\n"
                "  expected functions that only compute; assign their result outside"
            )
        self.around = sorted(around)
        self.steps = sorted(steps, key=lambda o: o.index)

    def run(self, own: Sequence[Any], around: dict[int, Any]) -> list[Any]:
        """The values that are wanted."""
        values = {**around, **dict(zip(self.own, own, strict=True))}
        for o in self.steps:
            apply_step(o, values, {})
        return [values[i] for i in self.wanted]


def _tensors(value: Any) -> list[Any]:
    listed = list(value) if isinstance(value, (list, tuple)) else [value]
    return [x if isinstance(x, Tensor) else constant(x) for x in listed]


def cond(
    pred: Any,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    strict: bool = False,
    name: str | None = None,
    fn1: Any = None,
    fn2: Any = None,
) -> Any:
    """What ``true_fn()`` gives where ``pred`` is true, else ``false_fn()``; a run does one of both.

    Both are called once, while the graph is built. Their results have the same shapes and dtypes.
    """
    true_fn, false_fn = true_fn or fn1, false_fn or fn2
    if isinstance(pred, bool) or not isinstance(pred, Tensor):
        raise KindError(
            f"cond(pred): expected a tensor of bool, got {describe(pred)}\n"
            "  what Python knows already is chosen by Python's `if`"
        )
    if not callable(true_fn) or not callable(false_fn):
        raise KindError("cond(pred, true_fn, false_fn): expected two functions without arguments")
    graph = pred.graph
    with graph.as_default(), graph.name_scope(name or "cond"):
        start = len(graph.operations)
        single = None
        parts = []
        for f in (true_fn, false_fn):
            given = f()
            single = not isinstance(given, (list, tuple)) if single is None else single
            results = _tensors(given)
            parts.append(Part(graph, results, start))
        around = sorted({i for part in parts for i in part.around})

        def choose(chosen: Any, *values: Any) -> Any:
            known = dict(zip(around, values, strict=True))
            yes, no = (lambda part=part: part.run((), known) for part in parts)
            return engine.cond(chosen, yes, no)

        choose.__name__ = "If"
        found = _called(graph, choose, [pred.symbol, *(graph.tensors[i] for i in around)])
        for out, result in zip(found, results, strict=True):
            graph.shaped_like(out, result)
    return found[0] if single else found


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: int | None = None,
    return_same_structure: bool = False,
) -> Any:
    """``loop_vars = body(*loop_vars)`` as long as ``cond(*loop_vars)`` is true.

    Gradients need ``maximum_iterations``.
    """
    given = _tensors(loop_vars)
    if not given:
        raise ArgumentError("while_loop(loop_vars): expected a tensor or more, got none")
    graph = graphs.graph_of(given)
    with graph.as_default(), graph.name_scope(name or "while"):
        turns = [_stand_in(graph, x) for x in given]
        own = [x.symbol.variable.id for x in turns]
        start = len(graph.operations)
        test = Part(graph, _tensors(cond(*turns)), start, own)
        step = Part(graph, _tensors(body(*turns)), start, own)
        around = sorted({*test.around, *step.around})
        n = len(given)

        def loop(*values: Any) -> Any:
            known = dict(zip(around, values[n:], strict=True))
            return list(engine.while_loop(
                lambda *now: test.run(now, known)[0],
                lambda *now: tuple(step.run(now, known)),
                *values[:n], max_iterations=maximum_iterations,
            ))  # fmt: skip

        loop.__name__ = "While"
        inputs = [*(x.symbol for x in given), *(graph.tensors[i] for i in around)]
        found = _called(graph, loop, inputs)
    if n == 1 and not return_same_structure:
        return found[0]
    return found


def _called(graph: Graph, function: Callable[..., Any], inputs: list[Any]) -> Any:
    try:
        return graph.handled(graph.call(function, *inputs, name="Identity"))
    except LabError as error:
        raise errors.at_building(error) from None


def _stand_in(graph: Graph, x: Tensor) -> Any:
    """A value of one turn, of which only shape and dtype are known."""
    spec, number = x.symbol.variable.spec, graph.count
    sizes = tuple(
        size_of(number, i, graph.sizes, n.first, n.second) if is_open(n) else n
        for i, n in enumerate(tuple[Any, ...](spec.shape))
    )
    if type(spec.shape) is AnyRank:
        sizes = AnyRank(sizes)
    return graph.handle(graph.fed(lab_dtypes.dtype_of(spec.dtype), sizes, "Turn"))


__all__ = ["cond", "control_dependencies", "group", "no_op", "tuple_", "while_loop"]
