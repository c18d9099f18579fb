"""A program that is looked at: what it does, its losses, and how a finding is written down."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from .model import Edit, Finding
from .program import Program
from .reader import Reader
from .table import CHECKS
from .values import Event, Value


@dataclass(frozen=True)
class Loss:
    """A call of a loss: what it compares, and what it expects.

    ``expects`` is ``"logits"``, ``"probabilities"``, ``"logarithms"`` or ``"values"``; ``labels``
    is ``"classes"``, ``"rows"`` or ``""``.
    """

    event: Event
    name: str
    expects: str
    labels: str
    output: Value
    target: Value
    output_node: ast.expr | None
    target_node: ast.expr | None


_TORCH = {
    "CrossEntropyLoss": ("logits", "classes"), "cross_entropy": ("logits", "classes"),
    "NLLLoss": ("logarithms", "classes"), "nll_loss": ("logarithms", "classes"),
    "BCELoss": ("probabilities", ""), "binary_cross_entropy": ("probabilities", ""),
    "BCEWithLogitsLoss": ("logits", ""), "binary_cross_entropy_with_logits": ("logits", ""),
    "MSELoss": ("values", ""), "mse_loss": ("values", ""), "L1Loss": ("values", ""),
    "l1_loss": ("values", ""), "SmoothL1Loss": ("values", ""), "smooth_l1_loss": ("values", ""),
    "HuberLoss": ("values", ""), "huber_loss": ("values", ""),
}  # fmt: skip
_KERAS = {
    "CategoricalCrossentropy": "rows", "categorical_crossentropy": "rows",
    "SparseCategoricalCrossentropy": "classes", "sparse_categorical_crossentropy": "classes",
    "BinaryCrossentropy": "", "binary_crossentropy": "",
}  # fmt: skip
_KERAS_VALUES = frozenset(
    "mean_squared_error mean_absolute_error MSE MAE mse mae MeanSquaredError MeanAbsoluteError "
    "absolute_difference".split()
)


def keras_loss(value: Value) -> tuple[str, str, str] | None:
    """Name, what is expected, and the form of the labels, of a Keras loss."""
    name = value.const if isinstance(value.const, str) else value.tail
    if name in _KERAS_VALUES:
        return name, "values", ""
    if name not in _KERAS:
        return None
    flag = value.kwargs.get("from_logits")
    return (
        name,
        "logits" if flag is not None and flag.const is True else "probabilities",
        _KERAS[name],
    )


Parts = tuple[Value, Value, ast.expr | None, ast.expr | None]


def _made(event: Event, name: str, expects: str, labels: str, found: Parts | None) -> Loss | None:
    return None if found is None else Loss(event, name, expects, labels, *found)


class Case:
    """A program with what the reader learnt of it."""

    def __init__(self, program: Program, reader: Reader) -> None:
        self.program, self.reader = program, reader
        self.events = reader.events
        self.notebook = bool(reader.space)

    def find(
        self, check: str, where: ast.AST | None, what: str, why: str, do: str,
        measured: Iterable[tuple[str, str]] = (), edits: Iterable[Edit] = (),
    ) -> Finding:  # fmt: skip
        """A finding at a node."""
        first, last = getattr(where, "lineno", 0), getattr(where, "end_lineno", 0)
        lines = (first, first if isinstance(where, (ast.For, ast.With)) else last)
        name = CHECKS[check].name
        return Finding(check, name, lines, what, why, do, tuple(measured), tuple(edits))

    def text(self, node: ast.AST | None) -> str:
        """A node as it is written, on one line."""
        return (
            ""
            if node is None or not hasattr(node, "lineno")
            else " ".join(self.program.text(node).split())
        )

    def named(self, *tails: str) -> list[Event]:
        """The calls of functions whose names end so."""
        return [e for e in self.events if e.tail in tails and not e.name.startswith(".")]

    def line_of(self, value: Value) -> ast.stmt | None:
        """The statement that a value was made in."""
        return None if value.node is None else self.program.statement(value.node)

    @cached_property
    def losses(self) -> list[Loss]:
        """Every call of a loss."""
        return [loss for event in self.events if (loss := self._loss(event)) is not None]

    def _loss(self, event: Event) -> Loss | None:
        library = event.name.removeprefix("call:").partition(".")[0]
        tail = event.tail
        if (
            library == "torch"
            and tail in _TORCH
            and (event.name[:5] == "call:" or not tail[0].isupper())
        ):
            names = ("input", "target")
            found = self._parts(event, names, (0, 1))
            return _made(event, tail, *_TORCH[tail], found)
        if library not in ("tf", "tf1"):
            return None
        if tail.startswith(("softmax_cross_entropy", "sparse_softmax_cross_entropy")):
            labels = "classes" if tail.startswith("sparse") else "rows"
            first = "onehot_labels" if "onehot_labels" in event.kwargs else "labels"
            found = self._parts(event, ("logits", first), (1, 0))
            return _made(event, tail, "logits", labels, found)
        if tail == "sigmoid_cross_entropy_with_logits":
            found = self._parts(event, ("logits", "labels"), (1, 0))
            return _made(event, tail, "logits", "", found)
        made = (
            event.owner
            if event.name.startswith("call:")
            else Value(name=event.name, kwargs=event.kwargs)
        )
        said = (
            keras_loss(made)
            if made is not None and (made.kind == "loss" or not tail[:1].isupper())
            else None
        )
        if said is None:
            return None
        first = "labels" if "labels" in event.kwargs else "y_true"
        second = "predictions" if "predictions" in event.kwargs else "y_pred"
        found = self._parts(event, (second, first), (1, 0))
        return _made(event, *said, found)

    def _parts(self, event: Event, names: tuple[str, str], places: tuple[int, int]) -> Parts | None:
        output, target = event.arg(places[0], names[0]), event.arg(places[1], names[1])
        if output is None or target is None:
            return None
        return (
            output, target, event.written(places[0], names[0]), event.written(places[1], names[1])
        )  # fmt: skip

    @cached_property
    def trains(self) -> list[Event]:
        """The calls that change weights."""
        found = []
        for event in self.events:
            owner = event.owner.kind if event.owner is not None else ""
            fetches = event.args[0].ancestors() if event.args else ()
            if (
                (event.name == ".step" and owner == "optimizer" and event.loops)
                or event.name == ".apply_gradients"
                or (event.name == ".fit" and owner == "model")
                or (event.name == ".run" and any(v.name == "minimize" for v in fetches))
            ):
                found.append(event)
        return found

    @cached_property
    def models(self) -> list[Value]:
        """The models that are trained or called from outside, each once."""
        found: list[Value] = []
        for event in self.events:
            for value in (event.owner, *event.args):
                for v in (value,) if value is not None else ():
                    if v.kind == "model" and v not in found:
                        found.append(v)
        inner = {id(x) for m in found for x in parts(m) if x is not m}
        return [m for m in found if id(m) not in inner]


def parts(model: Value) -> list[Value]:
    """A model and all layers in it."""
    found: list[Value] = []
    todo = [model]
    while todo:
        value = todo.pop(0)
        if any(value is f for f in found):
            continue
        found.append(value)
        todo += [v for v in value.attributes.values() if v.kind in ("layer", "model")]
        todo += [v for v in value.facts.get("layers") or () if v.kind in ("layer", "model")]
        for v in value.attributes.values():
            todo += [i for i in v.items or () if i.kind in ("layer", "model")]
            if "element" in v.facts and v.facts["element"].kind in ("layer", "model"):
                todo.append(v.facts["element"])
        if value.kind == "layer" and value.tail in ("ModuleList", "Sequential"):
            todo += [
                i for a in value.args for i in (a.items or [a]) if i.kind in ("layer", "model")
            ]
    return found
