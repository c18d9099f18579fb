"""``cond``, ``while_loop`` and ``scan``: choices and loops that hang on values.

In eager mode they are plain Python. In graph mode a choice or a loop becomes one equation, whose
attributes hold the graphs of its functions. The passes go through these, and an executor makes
plans of them or writes them into its own code. The gradient of a choice is a choice between
gradients, and the gradient of a scan is a scan that goes backwards, so they are differentiable as
often as wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd.functions import grad as autograd_grad
from ..creation import zeros
from ..errors import ArgumentError, ComputeError, KindError, ShapeError, describe
from ..op import INTERPRETER, Cost, Op, Spec, current
from ..ops import FUNCTIONS
from ..tensor import Tensor, as_now, record, tensor
from .ir import Graph, Part, places_of, room
from .trace import Builder, Number, Trace, flatten, refuse

F = Callable[..., Any]


def cond(pred: Any, true_fn: F, false_fn: F, *operands: Any) -> Any:
    """``true_fn(*operands)`` where ``pred`` is true, else ``false_fn(*operands)``; only one runs.

    ``pred`` is a tensor with one entry, or a bool. In graph mode both functions are traced, and
    their results must have the same shapes and dtypes; inside them nothing outside may be changed.
    Gradients go through the branch that ran.

    >>> cond(tensor(3.0) > 2, lambda x: x * 2, lambda x: -x, tensor([1.0, 2.0]))
    tensor([2., 4.])
    """
    _need_functions("cond", true_fn=true_fn, false_fn=false_fn)
    trace = current()
    if not (trace.tracing and isinstance(pred, Tensor)):
        return (true_fn if pred else false_fn)(*operands)
    if pred.spec.size != 1:
        raise ComputeError(
            f"cond(pred): the truth of a tensor with {pred.spec.size} entries is not clear\n"
            f"  pred  {pred.spec}\n  use .all() or .any()"
        )
    leaves, rebuild = _leaves(operands)
    true_fn, false_fn = as_now(true_fn), as_now(false_fn)
    yes, no = (TracedPart(trace, f, leaves, rebuild) for f in (true_fn, false_fn))
    _need_same("cond", "true_fn", yes.specs, "false_fn", no.specs)

    def gradient(k: int, g: Tensor, inputs: Sequence[Any], extra: Sequence[Any]) -> Any:
        pulls = [_pull(f, k, rebuild, extra) for f in (true_fn, false_fn)]
        return cond(pred, pulls[0], pulls[1], g, *inputs)

    parts = {"true": yes, "false": no}
    outs = _emit(trace, COND, [pred], leaves, parts, yes.specs, gradient)
    return yes.rebuild(outs)


def while_loop(
    cond_fn: F, body_fn: F, *operands: Any, max_iterations: int | None = None
) -> tuple[Any, ...]:
    """Let ``operands = body_fn(*operands)`` as long as ``cond_fn(*operands)`` is true.

    ``body_fn`` gives as many values as it takes, each with the same shape and dtype. With
    ``max_iterations`` the loop ends after so many rounds at the latest; a graph needs that bound
    for gradients, and is as long as the bound. Numbers among the operands become tensors.

    >>> while_loop(lambda n, x: x.sum() < 10, lambda n, x: (n + 1, x * 2), 0, tensor([1.0]))
    (tensor(4), tensor([16.]))
    """
    _need_functions("while_loop", cond_fn=cond_fn, body_fn=body_fn)
    if max_iterations is not None and (type(max_iterations) is not int or max_iterations < 0):
        raise ArgumentError(
            f"while_loop(max_iterations): expected an int from 0, got {describe(max_iterations)}"
        )
    if not operands:
        raise ArgumentError("while_loop(): expected an operand or more, got none")
    carry = tuple(_tensors(x) for x in operands)
    trace = current()
    if not trace.tracing:
        rounds = 0
        while rounds != max_iterations and cond_fn(*carry):
            carry = _stepped(body_fn, carry)
            rounds += 1
        return carry
    if max_iterations is not None:
        for _ in range(max_iterations):  # once the condition fails, nothing changes any more
            go = cond_fn(*carry)
            carry = cond(go, lambda *xs: _stepped(body_fn, xs), lambda *xs: xs, *carry)
        return carry
    leaves, rebuild = _leaves(carry)
    cond_fn, body_fn = as_now(cond_fn), as_now(body_fn)
    test = TracedPart(trace, cond_fn, leaves, rebuild)
    if len(test.specs) != 1 or test.specs[0].size != 1:
        got = ", ".join(map(str, test.specs)) or "nothing"
        raise ShapeError(f"while_loop(cond_fn): expected one tensor with one entry, got {got}")
    body = TracedPart(trace, lambda *xs: _stepped(body_fn, xs), leaves, rebuild)

    def gradient(k: int, g: Tensor, inputs: Sequence[Any], extra: Sequence[Any]) -> Any:
        refuse(
            "the gradient of while_loop without a bound, whose steps cannot be kept,",
            "give max_iterations, or use lab.scan",
        )

    outs = _emit(trace, WHILE, [], leaves, {"test": test, "body": body}, body.specs, gradient)
    found: tuple[Any, ...] = body.rebuild(outs)
    return found


def scan(f: F, init: Any, xs: Any) -> tuple[Any, Any]:
    """Go through the first dimension of ``xs``: ``carry, y = f(carry, x)``; the ``y`` are stacked.

    Gives the last ``carry`` and the stacked ``y``. ``init``, ``xs`` and ``y`` may be nested lists,
    tuples and dicts of tensors; ``carry`` keeps its shapes and dtypes.

    >>> scan(lambda total, x: (total + x, total * x), tensor(0.0), tensor([1.0, 2.0, 3.0]))
    (tensor(6.), tensor([0., 2., 9.]))
    """
    _need_functions("scan", f=f)
    items, item = _leaves(xs)
    lengths = {x.shape[0] if x.ndim else None for x in items}
    if len(lengths) != 1 or not lengths.isdisjoint({None, 0}):
        got = ", ".join(str(x.spec) for x in items) or describe(xs)
        raise ShapeError(
            f"scan(xs): there is no first dimension to go through\n  xs  {got}\n"
            "  expected tensors with the same size of 1 or more in dimension 0"
        )
    carry = _tensors(init)
    trace = current()
    if trace.tracing:
        return _traced_scan(trace, f, carry, items, item)
    rows: list[list[Any]] = []
    for i in range(len(items[0])):
        carry, y = _turn(f, carry, item([x[i] for x in items]))
        found: list[Any] = []
        together = flatten(_tensors(y), found)
        rows.append(found)
    return carry, together([FUNCTIONS["stack"](column) for column in zip(*rows, strict=True)])


def _traced_scan(
    trace: Trace, f: F, carry: Any, items: list[Tensor], item: Callable[[list[Any]], Any]
) -> tuple[Any, Any]:
    start, rebuild = _leaves(carry)
    f = as_now(f)
    count, n = len(start), len(items[0])

    def turn(*flat: Any) -> Any:
        before = list(flat[:count])
        after, y = _turn(f, rebuild(before), item(list(flat[count:])))
        return after, y, before  # the gradient needs each carry as it was before its turn

    rows = [Spec(x.spec.shape[1:], x.spec.dtype, x.spec.device) for x in items]
    step = TracedPart(
        trace, turn, [*start, *items], lambda flat: flat, [*(x.spec for x in start), *rows]
    )
    last, ys = step.specs[:count], step.specs[count:]

    def gradient(k: int, g: Tensor, inputs: Sequence[Any], extra: Sequence[Any]) -> Any:
        flip = FUNCTIONS["flip"]

        def back(carried: Any, now: Any) -> Any:
            (gs, totals), (values, g_y) = carried, now
            gs, places = list(gs), list(range(count))
            if k >= count:
                gs, places = [*gs, g_y], [*places, k]
            pulled = _pull_all(turn, list(values), extra, gs, places)
            own, outer = pulled[: len(values)], pulled[len(values) :]
            total = [a + b for a, b in zip(totals, outer, strict=True)]
            return (list(own[:count]), total), list(own[count:])

        g_last = [g if k == j else _zeros(s) for j, s in enumerate(last)]
        values = [flip(x, 0) for x in (*outs[-count:], *inputs[count:])]
        g_rows = flip(g, 0) if k >= count else zeros(n, device=g.device)
        begin = g_last, [_zeros(x.spec) for x in extra]
        (g_start, totals), g_items = scan(back, begin, (values, g_rows))
        return (*g_start, *(flip(x, 0) for x in g_items), *totals)

    specs = [*last, *(Spec((n, *s.shape), s.dtype, s.device) for s in ys)]
    outs = _emit(trace, SCAN, [], [*start, *items], {"step": step}, specs, gradient, count=count)
    carry, y, _ = step.rebuild(outs)
    return carry, y


# The functions as graphs --------------------------------------------------------------------


class TracedPart:
    """A function as a graph of its own: what it takes, and the tensors around it that it reads."""

    def __init__(
        self,
        trace: Trace,
        f: F,
        leaves: Sequence[Tensor],
        rebuild: Callable[[list[Any]], Any],
        specs: Sequence[Spec] | None = None,
    ) -> None:
        builder = Builder(getattr(f, "__name__", "part"), trace.builder)
        inner = Trace(builder, trace.recording)
        inputs = []
        for i, x in enumerate(leaves):
            spec = x.spec if specs is None else specs[i]
            symbol = inner.symbol(builder.input(spec, f"input {i}", "input", None))
            symbol.requires_grad = x.requires_grad
            inputs.append(symbol)
        count = len(inputs)
        token = INTERPRETER.set(inner)
        try:
            outputs: list[Any] = []
            self.rebuild = flatten(_tensors(f(*rebuild(list(inputs)))), outputs)
            variables = tuple(inner.var_of(x) for x in outputs)
        finally:
            INTERPRETER.reset(token)
            builder.open = False
        changed = any(x.variable.kind != "input" for x in inputs)
        if changed or builder.updated or builder.written or builder.grads:
            refuse(
                "a change of a tensor from outside in a branch or a loop",
                "return the new value from it",
            )
        self.graph = Graph(
            tuple(v for v, _ in builder.inputs),
            tuple(builder.constants),
            tuple(builder.equations),
            variables,
            name=builder.name,
        ).verify()
        self.specs = [v.spec for v in variables]
        self.wants = [x.requires_grad for x in outputs]
        self.around = [_around(trace, b) for _, b in builder.inputs[count:]]
        self.draws = any(e.op.random for e in builder.equations)
        for key, guard in builder.guards.items():
            trace.builder.guards.setdefault(key, guard)
        trace.builder.keep.extend(builder.keep)


def _around(trace: Trace, binding: Any) -> Tensor:
    if isinstance(binding, Number):
        found: Tensor = trace.read(binding.owner, binding.key)
        return found
    around: Tensor = binding.tensor
    return around


def _emit(
    trace: Trace,
    op: Op,
    first: list[Any],
    leaves: Sequence[Tensor],
    parts: dict[str, TracedPart],
    specs: Sequence[Spec],
    gradient: Callable[..., Any],
    **attrs: Any,
) -> list[Any]:
    """The equation for a choice or a loop, and one that takes each result out of it."""
    extra: list[Any] = []
    offset = len(first)
    graphs = {}
    for name, part in parts.items():
        places = list(range(offset, offset + len(leaves)))
        for x in part.around:
            known = next((i for i, y in enumerate(extra) if y is x), len(extra))
            extra[known:] = extra[known:] or [x]
            places.append(offset + len(leaves) + known)
        graphs[name] = Part(part.graph, tuple(places))
    inputs = [*first, *leaves, *extra]
    packed = _packed(specs, inputs)
    variables = tuple(trace.var_of(x) for x in inputs)
    if any(part.draws for part in parts.values()) and trace.recording:
        wants = any(any(part.wants) for part in parts.values())
        if wants:
            refuse(
                "a random draw in a branch or a loop that has a gradient",
                "draw before it and hand the numbers in",
            )
    whole = trace.builder.emit(
        op, variables, {"parts": graphs, "specs": tuple(specs), **attrs}, packed, tuple(inputs)
    )
    tied = [*leaves, *extra]
    borders = tuple(trace.at_border(x) for x in tied)
    outs = []
    for k, (start, spec) in enumerate(zip(places_of(specs), specs, strict=True)):
        place = {"start": start, "shape": spec.shape, "dtype": spec.dtype}
        out = trace.symbol(trace.builder.emit(TAKE, (whole,), place, spec))
        if (
            trace.recording
            and spec.dtype.kind == "f"
            and any(isinstance(x, Tensor) and x.requires_grad for x in borders)
        ):
            out.requires_grad = True
            rule = _rule(op.name, k, spec, gradient, len(leaves), extra)
            out.node = record(rule, borders, {}, out.variable)
            trace.builder.tape[out.variable.id] = None
        outs.append(out)
    return outs


def _rule(
    name: str, k: int, spec: Spec, gradient: Callable[..., Any], count: int, extra: Sequence[Any]
) -> Op:
    """A row for the tape: the gradient of result ``k``."""
    last: list[Any] = [None, None]

    def pull(i: int, g: Any, y: Any, *inputs: Any) -> Any:
        if last[0] is not g:  # all gradients come at once
            last[:] = g, gradient(k, g, inputs[:count], extra)
        return last[1][i]

    return Op(
        name=name,
        doc="A choice or a loop.",
        forward=lambda xp, *arrays: None,
        shape=lambda *specs: spec,
        formula=(r"y = f(x)", r"\bar x = \bar y\,f'(x)"),
        vjp=(pull,),
        variadic=True,
        saved=frozenset(range(count)),
        arguments=("operand",),
        cost=_cost,
    )


def _pull(
    f: F, k: int, rebuild: Callable[[list[Any]], Any], extra: Sequence[Any]
) -> Callable[..., Any]:
    def pull(g: Tensor, *inputs: Any) -> Any:
        return _pull_all(lambda *xs: f(*rebuild(list(xs))), list(inputs), extra, [g], [k])

    return pull


def _pull_all(
    f: F, inputs: list[Any], extra: Sequence[Any], gs: Sequence[Any], places: Sequence[int]
) -> tuple[Any, ...]:
    """The gradients of some results of ``f`` with respect to ``inputs`` and the tensors around."""
    trace = current()
    create = trace.recording
    token = INTERPRETER.set(trace.with_grad(True))
    try:
        starts = []
        for x in inputs:
            y = x if create and x.requires_grad else x.detach()
            y.requires_grad = y.requires_grad or x.dtype.is_floating_point
            starts.append(y)
        outputs: list[Any] = []
        flatten(_tensors(f(*starts)), outputs)
        targets = [*starts, *(current().at_border(x) for x in extra)]
        asked = [t for t in targets if t.requires_grad]
        pairs = [
            (outputs[p], g) for p, g in zip(places, gs, strict=True) if outputs[p].requires_grad
        ]
        found: Sequence[Any] = [None] * len(asked)
        if pairs and asked:
            found = autograd_grad(
                [y for y, _ in pairs],
                asked,
                [g for _, g in pairs],
                create_graph=create,
                allow_unused=True,
            )
        by_id = {id(t): d for t, d in zip(asked, found, strict=True)}
        return tuple(_zeros(t.spec) if by_id.get(id(t)) is None else by_id[id(t)] for t in targets)
    finally:
        INTERPRETER.reset(token)


# The rows -----------------------------------------------------------------------------------


def _run_cond(xp: Any, pred: Any, *inputs: Any, parts: dict[str, Part], specs: Any) -> Any:
    part = parts["true" if bool(pred.reshape(-1)[0]) else "false"]
    return _pack(xp, part.run([pred, *inputs]), specs)


def _run_while(xp: Any, *inputs: Any, parts: dict[str, Part], specs: Any) -> Any:
    values = list(inputs)
    while bool(parts["test"].run(values)[0].reshape(-1)[0]):
        values[: len(specs)] = parts["body"].run(values)
    return _pack(xp, values[: len(specs)], specs)


def _run_scan(xp: Any, *inputs: Any, parts: dict[str, Part], specs: Any, count: int) -> Any:
    step = parts["step"]
    rows: list[Any] = []
    values = list(inputs)
    items = scanned(step, count)
    for i in range(inputs[items[0]].shape[0]):
        for k in items:
            values[k] = inputs[k][i, ...]
        found = step.run(values)
        values[:count] = found[:count]
        rows.append(found[count:])
    stacked = [xp.stack(column) for column in zip(*rows, strict=True)]
    return _pack(xp, [*values[:count], *stacked], specs)


def scanned(step: Part, count: int) -> list[int]:
    """The inputs of a scan of which each turn takes a row: they stand behind the carry."""
    taken = sum(v.kind == "input" for v in step.graph.inputs)
    return list(range(count, taken))


def _pack(xp: Any, arrays: Sequence[Any], specs: Sequence[Spec]) -> Any:
    """All results one after another in one array of bytes: an equation has one result."""
    out = xp.empty(sum(map(room, specs)), np.uint8)
    for a, start, spec in zip(arrays, places_of(specs), specs, strict=True):
        _look(out, start, spec.shape, spec.dtype)[...] = a
    return out


def _look(packed: Any, start: int, shape: tuple[int, ...], dtype: Any) -> Any:
    size = Spec(shape, np.dtype(dtype)).nbytes
    return packed[start : start + size].view(dtype).reshape(shape)


def _packed(specs: Sequence[Spec], inputs: Sequence[Any]) -> Spec:
    device = next((x.spec.device for x in inputs if not x.spec.number), "cpu")
    return Spec((sum(map(room, specs)),), np.dtype(np.uint8), device)


def _cost(out: Spec, *inputs: Spec, parts: Any = None, **attrs: Any) -> Cost:
    """That of the dearest graph, once."""
    costs = [part.graph.cost() for part in (parts or {}).values()]
    return max(costs, key=lambda c: c.flops, default=Cost(0, out.nbytes))


def _row(name: str, doc: str, forward: Callable[..., Any]) -> Op:
    def shape(*inputs: Spec, specs: Sequence[Spec], **attrs: Any) -> Spec:
        return Spec((sum(map(room, specs)),), np.dtype(np.uint8))

    return Op(
        name=name,
        doc=doc,
        forward=forward,
        shape=shape,
        formula=(r"y = f(x)", r"\bar x = \bar y\,f'(x)"),
        cost=_cost,
        arguments=("operand",),
        variadic=True,
        promotes=(),
    )


COND = _row("cond", "One of two graphs.", _run_cond)
WHILE = _row("while_loop", "A graph again and again.", _run_while)
SCAN = _row("scan", "A graph for each row.", _run_scan)
TAKE = Op(
    name="take_out",
    doc="One of the results of a choice or a loop.",
    forward=lambda xp, packed, start, shape, dtype: _look(packed, start, shape, dtype).copy(),
    shape=lambda packed, start, shape, dtype: Spec(shape, np.dtype(dtype), packed.device),
    formula=(r"y = x_k", r"\bar x_k = \bar y"),
    cost=lambda out, *inputs, **attrs: Cost(0, 2 * out.nbytes),
    arguments=("input",),
)


ROWS = {op.name: op for op in (COND, WHILE, SCAN, TAKE)}  # by name, for the text of a graph


# Small things -------------------------------------------------------------------------------


def _leaves(values: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    leaves: list[Any] = []
    rebuild = flatten(values, leaves)
    return leaves, rebuild


def _tensors(value: Any) -> Any:
    """Numbers among nested values as tensors."""
    if isinstance(value, (bool, int, float)):
        return tensor(value)
    if isinstance(value, dict):
        return {k: _tensors(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(_tensors(v) for v in value)
    return value


def _zeros(spec: Spec) -> Tensor:
    return zeros(spec.shape, dtype=spec.dtype, device=spec.device)


def _stepped(body_fn: F, carry: tuple[Any, ...]) -> tuple[Any, ...]:
    found = _tensors(body_fn(*carry))
    found = tuple(found) if isinstance(found, (tuple, list)) else (found,)
    specs = [[x.spec for x in _leaves(v)[0]] for v in (found, carry)]
    _need_same("while_loop", "body_fn", specs[0], "operands", specs[1])
    return found


def _turn(f: F, carry: Any, x: Any) -> tuple[Any, Any]:
    found = f(carry, x)
    if not (isinstance(found, tuple) and len(found) == 2):
        raise KindError(f"scan(f): expected f to give (carry, y), got {describe(found)}")
    new = _tensors(found[0])
    specs = [[x.spec for x in _leaves(v)[0]] for v in (new, carry)]
    _need_same("scan", "new carry", specs[0], "carry", specs[1])
    return new, _tensors(found[1])


def _need_same(
    name: str, one: str, ones: Sequence[Spec], other: str, others: Sequence[Spec]
) -> None:
    if list(ones) == list(others):
        return
    width = max(len(one), len(other))
    raise ShapeError(
        f"{name}(): {one} and {other} do not agree\n"
        f"  {one:{width}}  {', '.join(map(str, ones)) or 'no tensor'}\n"
        f"  {other:{width}}  {', '.join(map(str, others)) or 'no tensor'}\n"
        "  expected the same number of tensors, each with the same shape and dtype\n"
        "  convert with .to(dtype), and give both one shape"
    )


def _need_functions(name: str, **functions: Any) -> None:
    for argument, f in functions.items():
        if not callable(f):
            raise KindError(f"{name}({argument}): expected a function, got {describe(f)}")
