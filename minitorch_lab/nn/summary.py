"""A table of a model: its parts, their shapes, parameters, operations and memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from .. import creation, random
from ..errors import ArgumentError, KindError, LabError, describe
from ..op import INTERPRETER, Attrs, Op, Spec
from ..tensor import Record, Tensor, make, no_grad
from .module import Module


@dataclass
class Row:
    """One module: what it holds and does itself, without its parts. So the columns add up."""

    name: str
    kind: str
    depth: int
    parameters: int = 0
    frozen: int = 0  # of the parameters, those that are not learned
    parameter_bytes: int = 0
    flops: int = 0
    activation_bytes: int = 0
    calls: int = 0
    input: str = ""
    output: str = ""


@dataclass
class Summary:
    """What ``summary`` found. It prints as a table, also in a notebook."""

    title: str
    rows: list[Row] = field(default_factory=list)

    @property
    def parameters(self) -> int:
        """How many numbers the model holds as parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def trainable(self) -> int:
        """How many of them are learned."""
        return self.parameters - sum(row.frozen for row in self.rows)

    @property
    def flops(self) -> int:
        """Floating point operations of one forward pass."""
        return sum(row.flops for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Bytes of what the ops of one forward pass make."""
        return sum(row.activation_bytes for row in self.rows)

    def _cells(self) -> list[list[str]]:
        """The table as text, its head first."""
        head = ["module", "class", "input", "output", "parameters", "flops", "activations"]
        lines = [head]
        for row in self.rows:
            name = "  " * row.depth + row.name + (f" ({row.calls} calls)" if row.calls > 1 else "")
            held = f"{row.parameters:,}" + (
                "" if not row.frozen else " frozen" if row.frozen == row.parameters
                else f" ({row.frozen:,} frozen)"
            )  # fmt: skip
            numbers = [held if row.parameters else "-"]
            numbers.append(f"{row.flops:,}" if row.flops else "-")
            numbers.append(_scaled(row.activation_bytes, "B") if row.activation_bytes else "-")
            lines.append([name, row.kind, row.input, row.output, *numbers])
        return lines

    def _totals(self) -> list[str]:
        frozen = self.parameters - self.trainable
        size = sum(row.parameter_bytes for row in self.rows)
        return [
            f"parameters   {self.parameters:,} ({self.trainable:,} trainable, {frozen:,} frozen), "
            f"{_scaled(size, 'B')}",
            f"forward      {_scaled(self.flops, 'flop')}",
            f"activations  {_scaled(self.activation_bytes, 'B')}",
        ]

    def __repr__(self) -> str:
        cells = self._cells()
        widths = [max(len(line[k]) for line in cells) for k in range(len(cells[0]))]
        lines = [
            "  ".join(
                f"{text:{'>' if k > 3 else '<'}{width}}"
                for k, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cells
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:], rule, *self._totals()])

    def _repr_html_(self) -> str:
        def line(cells: list[str], tag: str) -> str:
            made = [
                f'<{tag} style="text-align:{"right" if k > 3 else "left"};white-space:pre">'
                f"{escape(text)}</{tag}>"
                for k, text in enumerate(cells)
            ]
            return f"<tr>{''.join(made)}</tr>"

        head, *rows = self._cells()
        body = "".join(line(cells, "td") for cells in rows)
        totals = "<br>".join(map(escape, self._totals()))
        return (
            f"<table><caption>{escape(self.title)}</caption><thead>{line(head, 'th')}</thead>"
            f'<tbody>{body}</tbody></table><div style="white-space:pre">{totals}</div>'
        )


class _SummaryError(LabError, RuntimeError):
    """A forward pass that failed."""


class _Count(Record):
    """Runs ops as ever, and adds the work of each to the row of the module that it belongs to."""

    __slots__ = ("inside",)

    def __init__(self, inside: list[Row], recording: bool = True) -> None:
        super().__init__(recording)
        self.inside = inside

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Tensor:
        """Run ``op`` and count it."""
        out = super().apply(op, inputs, attrs)
        specs = [x.spec if isinstance(x, Tensor) else Spec((), np.dtype(float)) for x in inputs]
        row = self.inside[-1]
        row.flops += int(op.cost(out.spec, *specs, **attrs).flops)
        row.activation_bytes += 0 if op.view else out.spec.nbytes
        return out

    def with_grad(self, recording: bool) -> Record:
        """The same count, with the tape on or off."""
        return _Count(self.inside, recording)


def summary(model: Module, *inputs: Any, **kwargs: Any) -> Summary:
    """Each part of ``model`` with its shapes, parameters, operations and memory.

    ``inputs`` are what the model is called with: tensors, or shapes such as ``(32, 1, 28, 28)``
    that stand for random numbers; a list holds several. The model runs once in evaluation mode;
    its weights, buffers, mode and the random state are as before. A module counts what happens
    in it outside of its parts, and one that is used twice stands once.

    >>> from minitorch_lab.nn import Linear, ReLU, Sequential
    >>> summary(Sequential(Linear(3, 4), ReLU()), (2, 3))
    module      class       input   output  parameters  flops  activations
    ----------------------------------------------------------------------
    Sequential  Sequential  (2, 3)  (2, 4)           -      -            -
      0         Linear      (2, 3)  (2, 4)          16     56         32 B
      1         ReLU        (2, 4)  (2, 4)           -      8         32 B
    ----------------------------------------------------------------------
    parameters   16 (16 trainable, 0 frozen), 64 B
    forward      64 flop
    activations  64 B
    """
    if not isinstance(model, Module):
        raise KindError(f"summary: model: expected a module, got {describe(model)}")
    if not inputs and not kwargs:
        raise ArgumentError("summary: give an input: summary(model, x), or a shape of one")
    if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) and not _is_shape(inputs[0]):
        inputs = tuple(inputs[0])
    rows, inside = _rows(model)
    with random.apart():
        given = [_input(model, x) for x in inputs]
        with _as_before(model), _counted(model, rows, inside):
            _run(model, given, kwargs, inside)
    return Summary(type(model).__name__, list(rows.values()))


def _is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(type(n) is int for n in value)


def _input(model: Module, x: Any) -> Any:
    """A tensor as it is; random numbers for a shape, as the model's parameters are."""
    if isinstance(x, Tensor):
        return x
    if not _is_shape(x):
        raise KindError(f"summary: expected a tensor or a shape as input, got {describe(x)}")
    like = next((p for p in model.parameters() if p.dtype.is_floating_point), None)
    made = {} if like is None else {"dtype": like.dtype, "device": like.device}
    return creation.randn(*x, **made)


def _rows(model: Module) -> tuple[dict[Module, Row], list[Row]]:
    """A row for each module, and the list of those that are running, which is empty yet."""
    rows: dict[Module, Row] = {}
    seen: set[int] = set()
    for path, module in model.named_modules():
        depth = path.count(".") + 1 if path else 0
        row = Row(path.rpartition(".")[2] or type(model).__name__, type(module).__name__, depth)
        for p in module.parameters(recurse=False):
            if id(p) not in seen:
                seen.add(id(p))
                row.parameters += p.numel()
                row.frozen += 0 if p.requires_grad else p.numel()
                row.parameter_bytes += p.spec.nbytes
        rows[module] = row
    return rows, []


@contextmanager
def _counted(model: Module, rows: dict[Module, Row], inside: list[Row]) -> Iterator[None]:
    """Calls of the modules and of ops are told to their rows."""

    def enter(module: Module, args: Any, kwargs: Any) -> None:
        row = rows[module]
        row.calls += 1
        row.input = row.input or _shapes([*args, *kwargs.values()])
        inside.append(row)

    def leave(module: Module, args: Any, out: Any) -> None:
        inside.pop()
        rows[module].output = rows[module].output or _shapes([out])

    handles = []
    token = INTERPRETER.set(_Count(inside))
    try:
        for module in rows:
            handles.append(module.register_forward_pre_hook(enter, prepend=True, with_kwargs=True))
            handles.append(module.register_forward_hook(leave))
        yield
    finally:
        INTERPRETER.reset(token)
        for handle in handles:
            handle.remove()


@contextmanager
def _as_before(model: Module) -> Iterator[None]:
    """Evaluation mode inside; then flags and buffers are what they were."""
    modules = list(model.modules())
    flags = [module.training for module in modules]
    kept = [
        (module, name, x, None if x is None else x.array.copy())
        for module in modules
        for name, x in module._buffers.items()
    ]
    for module in modules:
        object.__setattr__(module, "training", False)
    try:
        yield
    finally:
        for module, flag in zip(modules, flags, strict=True):
            object.__setattr__(module, "training", flag)
        for module, name, x, entries in kept:
            if module._buffers.get(name) is not x:
                setattr(module, name, x)
            if x is not None and (x.array != entries).any():
                with no_grad():
                    x.copy_(make(entries))


def _run(model: Module, given: list[Any], kwargs: Any, inside: list[Row]) -> None:
    try:
        model(*given, **kwargs)
    except Exception as error:
        row = inside[-1] if inside else Row(type(model).__name__, type(model).__name__, 0)
        path = ".".join(r.name for r in inside[1:]) or row.name
        told = str(error).replace("\n", "\n  ")
        raise _SummaryError(
            f"summary: forward failed in {path} ({row.kind}), whose input is {row.input}\n"
            f"  {told}\n"
            "  expected an input that the model can take: give a tensor where random numbers of "
            "a shape are of the wrong kind"
        ) from error


def _shapes(values: list[Any]) -> str:
    """The shapes of the tensors among ``values``, also inside of lists and tuples."""
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(str(tuple(value.shape)))
        elif isinstance(value, dict):
            found.append(_shapes(list(value.values())))
        elif isinstance(value, (list, tuple)):
            found.append(_shapes(list(value)))
    return ", ".join(text for text in found if text)


def _scaled(count: int, unit: str) -> str:
    """A count with a prefix: ``_scaled(4100, "B")`` is ``4.1 kB``."""
    for factor, prefix in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= factor:
            return f"{count / factor:.1f} {prefix}{unit}"
    return f"{count} {unit}"
