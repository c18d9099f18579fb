"""A forward and a backward pass as a list of steps, one op at a time.

The backward walk is the engine's own (``tape.walk``), so the order and the numbers are those of
``backward()``. It runs once, on arrays, when the list is made; it touches no ``.grad`` and frees
nothing. What a step says of itself is put together when the step is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any, Literal

import numpy as np

from ..errors import GradError, LabError
from ..nn.module import Module
from ..op import COMPUTE, INTERPRETER, OPS, Op
from ..tape import (
    ENGINE,
    NUMBERS,
    RIGHT,
    Engine,
    Node,
    does_not_fit_message,
    freed_message,
    no_graph_message,
    not_scalar_message,
    walk,
)
from ..tensor import Tensor
from .build import Names, _inputs, _reachable, from_tensors
from .fold import scalar
from .measure import brief, shape_text
from .unfold import unfolded
from .view import Edge, GraphView, NodeView

Phase = Literal["forward", "start", "backward"]
SMALL = 64  # entries of an array whose numbers are shown, 8 x 8


@dataclass(frozen=True, eq=False, slots=True)
class Arrival:
    """A gradient that reaches a node: from the user ``head``, at step ``step``."""

    step: int
    head: int
    index: int  # which input of the user the node is
    tail: int
    gradient: Any
    total: Any  # what the node has after it
    late: bool = False  # the node has passed on its gradient before: this is lost


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """What a backward step gives to one input: local derivative x incoming = gradient.

    ``local`` is known where the numbers are few and each entry of the output depends on one of the
    input, or the output is one number. ``before`` is what had arrived there, ``total`` what is
    there now. Under a broken engine ``right`` and ``right_total`` are what should be.
    """

    arrival: Arrival
    argument: str
    local: Any
    before: Any
    before_from: tuple[int, ...]
    paths: int  # how many contributions the node gets in all
    arrived: int
    summed: tuple[int, ...]  # dimensions over which broadcasting was summed away
    spread: tuple[tuple[int, ...], tuple[int, ...]] | None  # from this shape to that one
    right: Any = None
    right_total: Any = None

    @property
    def node(self) -> int:
        """The number of the input."""
        return self.arrival.tail

    @property
    def gradient(self) -> Any:
        """What this step adds."""
        return self.arrival.gradient

    @property
    def total(self) -> Any:
        """What has arrived at the input in all."""
        return self.arrival.total

    @property
    def complete(self) -> bool:
        """Whether nothing more will come."""
        return self.arrived == self.paths


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """One step: an op that runs, the start of the way back, or an op on the way back."""

    number: int  # from 1
    phase: Phase
    node: int  # in the view
    incoming: Any = None
    right_incoming: Any = None  # where a broken engine has another
    parts: tuple[Part, ...] = ()
    reads: tuple[int, ...] = ()  # nodes whose values the gradient rules of the op read


@dataclass(eq=False)
class _Back:
    """A step of the engine's walk: numbers in place of nodes."""

    node: int
    incoming: Any
    arrivals: list[Arrival] = field(default_factory=list)


class Steps(Sequence[Step]):
    """The steps of ``view``, which ``steps_of`` makes; ``failure`` says why the walk ended early.

    >>> from minitorch_lab.tensor import tensor
    >>> x = tensor(2.0, requires_grad=True)
    >>> steps = steps_of(x**2 + 2 * x)
    >>> [(step.phase, steps.view.node(step.node).label) for step in steps][:4]
    [('forward', 'pow'), ('forward', 'mul'), ('forward', 'add'), ('start', 'add')]
    >>> [part.total.item() for part in steps[-1].parts]
    [6.0]
    """

    def __init__(
        self,
        view: GraphView,
        calls: Mapping[int, Node],
        rules: Mapping[int, tuple[Op, Mapping[str, Any]]],
        back: list[_Back],
        right: list[_Back],
        engine: Engine,
        failure: str,
        start: Any,
    ) -> None:
        self.start = start  # the gradient of the root
        self.calls = calls
        self.rules = rules
        self.engine = engine
        self.failure = failure
        self.forward = [node.id for node in view.nodes if node.op]
        self.back = back
        self.root = back[0].node if back else view.outputs[0]
        self.arrivals: dict[int, list[Arrival]] = {}
        for step in back:
            for arrival in step.arrivals:
                self.arrivals.setdefault(arrival.tail, []).append(arrival)
        self.right = {
            (a.head, a.index, a.tail): a.gradient for step in right for a in step.arrivals
        }
        self.right_incoming = {step.node: step.incoming for step in right}
        self._right_arrivals: dict[int, list[Arrival]] = {}
        for step in right:
            for arrival in step.arrivals:
                self._right_arrivals.setdefault(arrival.tail, []).append(arrival)
        self.paths = {tail: len(found) for tail, found in self._right_arrivals.items()}
        # Where outputs are many, the walk knows which ones it passes; its edges are drawn.
        ways = [
            Edge(a.tail, a.head, a.index, "gradient", written(a.gradient))
            for step in back
            for a in step.arrivals
        ]
        note = view.note.replace(failure, "").strip() if failure else view.note
        self.view = replace(view, edges=(*view.flows("forward"), *ways), note=note)
        self.locals = self._locals()
        self.held = self._held()

    def __len__(self) -> int:
        return len(self.forward) + 1 + len(self.back)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self[i] for i in range(*position.indices(len(self)))]
        position = range(len(self))[position]
        first = len(self.forward)
        if position < first:
            return Step(position + 1, "forward", self.forward[position])
        if position == first:
            return Step(position + 1, "start", self.root, self.start)
        return self._backward(position + 1, self.back[position - first - 1])

    def _backward(self, number: int, back: _Back) -> Step:
        node = self.view.node(back.node)
        parts = tuple(self._part(number, node, arrival) for arrival in back.arrivals)
        right = self.right_incoming.get(back.node) if self.engine.name else None
        differs = right is not None and not same(right, back.incoming)
        op, _ = self.rules[back.node]
        asked = {a.index for a in back.arrivals}
        reads = {
            tail
            for i, tail in enumerate(node.inputs)
            if (op.variadic and op.saved)
            or any(i in op.saved_by[k] for k in asked if k < len(op.saved_by))
        }
        return Step(
            number,
            "backward",
            back.node,
            back.incoming,
            right if differs else None,
            parts,
            tuple(sorted(reads)),
        )

    def _part(self, number: int, node: NodeView, arrival: Arrival) -> Part:
        earlier = [
            a
            for a in self.arrivals[arrival.tail]
            if a.step < number or (a.step == number and a.index < arrival.index)
        ]
        op, _ = self.rules[node.id]
        tail = self.view.node(arrival.tail)
        given = tuple(self.view.node(node.inputs[arrival.index]).shape)
        summed: tuple[int, ...] = ()
        spread = None
        if (op.kernel or op.ufunc) and given != tuple(node.shape):
            summed = _spread(given, tuple(node.shape))
            spread = (given, tuple(node.shape)) if summed else None
        right = total = None
        if self.engine.name:
            right = self.right.get((arrival.head, arrival.index, arrival.tail))
            total = self.right_so_far(arrival.tail, len(earlier) + 1)
        return Part(
            arrival,
            node.arguments[arrival.index] if node.arguments else "",
            self.locals.get((node.id, arrival.index)),
            earlier[-1].total if earlier else None,
            tuple(a.head for a in earlier),
            max(self.paths.get(tail.id, 0), len(earlier) + 1),
            len(earlier) + 1,
            summed,
            spread,
            None if right is None or same(right, arrival.gradient) else right,
            None if total is None or same(total, arrival.total) else total,
        )

    def right_so_far(self, tail: int, count: int) -> Any:
        """The sum that the right engine has after ``count`` gradients, in its own order."""
        found = self._right_arrivals.get(tail, [])
        return found[min(count, len(found)) - 1].total if found else None

    def gradient_at(self, node: int, number: int) -> tuple[Any, int, int]:
        """The gradient of ``node`` after step ``number``, how many paths came, how many will."""
        if node == self.root:
            return self.start, 1, 1
        arrived = [a for a in self.arrivals.get(node, ()) if a.step <= number]
        total = arrived[-1].total if arrived else None
        return total, len(arrived), self.paths.get(node, 0)

    def _held(self) -> dict[int, Any]:
        """What ``.grad`` of the leaves holds from before, by number."""
        found = {}
        for number, call in self.calls.items():
            for x, tail in zip(_inputs(call), self.view.node(number).inputs, strict=True):
                if x.__class__ not in NUMBERS and x.node is None and x._grad is not None:
                    found[tail] = x._grad.array.copy()
        return found

    def _locals(self) -> dict[tuple[int, int], Any]:
        """The local derivatives of small calls: kept now, for backward() may free the values."""
        found = {}
        token = INTERPRETER.set(COMPUTE)
        try:
            for back in self.back:
                node = self.view.node(back.node)
                if node.size > SMALL:
                    continue
                for arrival in back.arrivals:
                    local = self._local(node, back, arrival)
                    if local is not None:
                        found[node.id, arrival.index] = local
        finally:
            INTERPRETER.reset(token)
        return found

    def _local(self, node: NodeView, back: _Back, arrival: Arrival) -> Any:
        op, attrs = self.rules[node.id]
        rule = op.rule(arrival.index)
        each = bool(op.kernel or op.ufunc)
        if OPS.get(op.name) is not op:  # of the learner: it is not called behind his back
            return None
        if rule is None or node.value is None or not (each or node.size == 1):
            return None
        tape = self.calls[node.id]
        values = [x if x.__class__ in NUMBERS else x.array for x in _inputs(tape)]
        if any(getattr(v, "size", 1) > SMALL for v in values):
            return None
        try:
            with np.errstate(all="ignore"):
                local = rule(np.ones_like(node.value), tape.y, *values, **attrs)
        except (LabError, ArithmeticError, ValueError, TypeError, IndexError):
            return None  # the step does without
        if local is None or (each and local.shape != tuple(node.shape) and node.size != 1):
            return None
        return local


def steps_of(
    root: Tensor | Sequence[Tensor],
    gradient: Any = None,
    title: str = "",
    names: Names | None = None,
    modules: Mapping[str, Module] | None = None,
    note: str = "",
    inside: CodeType | None = None,
) -> Steps:
    """The steps that lead to ``root`` and back, or to several tensors and back from one of them.

    Back it goes from the first one that is a single number, unless ``gradient`` says how it starts
    at ``root``; ``note`` is said beside the picture. In place of compiled calls stand their ops;
    the function with the code ``inside`` has no box. Raises GradError where there is no graph,
    where it was freed, or where no output is a number.
    """
    many, names, said = unfolded((root,) if isinstance(root, Tensor) else root, names or {})
    start = _start(many, gradient)
    nodes = _reachable(many)
    for node in reversed(nodes):
        if node.freed:
            raise GradError(freed_message(node))
    view = from_tensors(many, title, names, modules, inside=inside)
    view = replace(view, note=" ".join(filter(None, (note, said, view.note))))
    calls, numbers = _numbers(view, nodes)
    engine = ENGINE.get()
    array = start.array * 0 + 1 if gradient is None else gradient.array
    back, failure = _walk(start, array, numbers, engine, len(calls) + 1)
    right = back
    if engine.name:
        right, _ = _walk(start, array, numbers, RIGHT, len(calls) + 1)
    rules = {number: (node.op, node.attrs) for number, node in calls.items()}
    return Steps(view, calls, rules, back, right, engine, failure, array)


def _start(roots: Sequence[Tensor], gradient: Any) -> Tensor:
    known = [x for x in roots if x.requires_grad and x.node is not None]
    if not known:
        raise GradError(no_graph_message(roots[0]))
    if gradient is not None:
        return known[0]
    for x in known:
        if x.array.size == 1:
            return x
    raise GradError(not_scalar_message(known[0]))


def _numbers(view: GraphView, nodes: Sequence[Node]) -> tuple[dict[int, Node], dict[int, int]]:
    """The node of the tape of each op, and the number of each node and leaf, by id."""
    ops = [node for node in view.nodes if node.op]
    calls = {node.id: call for node, call in zip(ops, nodes, strict=True)}
    numbers = {id(call): number for number, call in calls.items()}
    for number, call in calls.items():
        for x, tail in zip(_inputs(call), view.node(number).inputs, strict=True):
            if x.__class__ not in NUMBERS and x.node is None:
                numbers[id(x)] = tail
    return calls, numbers


def _walk(
    root: Tensor, gradient: Any, numbers: Mapping[int, int], engine: Engine, first: int
) -> tuple[list[_Back], str]:
    """The walk of ``engine`` as far as it comes, and why it ended there."""
    found: list[_Back] = []
    known: dict[int, Any] = {}
    passed: set[int] = set()
    going = walk(root, gradient, lambda x: x.array, lambda node: node.y, False)
    kept = (INTERPRETER.set(COMPUTE), ENGINE.set(engine._replace(keeps=False)))
    failure = ""
    try:
        for step in going:
            head = numbers[id(step.node)]
            number = first + len(found) + 1
            back = _Back(head, step.incoming)
            passed.add(head)
            for index, x, g in step.contributions:
                tail = numbers.get(id(x.node) if x.node is not None else id(x))
                if tail is None:
                    continue
                total = engine.add(known[tail], g) if tail in known else g
                known[tail] = total
                late = tail in passed
                back.arrivals.append(Arrival(number, head, index, tail, g, total, late))
            found.append(back)
    except LabError as error:  # say, a value that was overwritten in place
        failure = str(error)
    except ValueError as error:
        if not engine.name:
            raise
        failure = does_not_fit_message(error)
    finally:
        ENGINE.reset(kept[1])
        INTERPRETER.reset(kept[0])
    return found, failure


def _spread(shape: tuple[int, ...], out: tuple[int, ...]) -> tuple[int, ...]:
    """The dimensions of ``out`` along which an array of ``shape`` was repeated."""
    lead = len(out) - len(shape)
    return tuple(i for i, n in enumerate(out) if i < lead or shape[i - lead] != n)


def same(a: Any, b: Any) -> bool:
    """Whether two gradients are equal, up to rounding."""
    return tuple(a.shape) == tuple(b.shape) and bool(
        np.allclose(_host(a), _host(b), rtol=1e-5, atol=1e-8, equal_nan=True)
    )


def _host(array: Any) -> Any:
    get = getattr(array, "get", None)
    return np.asarray(get() if callable(get) else array)


def written(array: Any) -> str:
    """A gradient in a few letters, for the line that it flows along."""
    if array.shape == ():
        return brief(scalar(array))
    if array.ndim == 1 and array.size <= 3 and array.dtype.kind == "f":
        return " ".join(brief(float(entry)) for entry in _host(array))
    return shape_text(array.shape)
