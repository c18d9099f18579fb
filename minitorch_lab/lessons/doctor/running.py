"""What only a run can tell: one step of a function or a model, traced on its real inputs.

Tracing writes the ops down and changes nothing: no weight, no statistic, no random number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...dtypes import float32
from ...errors import (
    DeviceError,
    DTypeError,
    GradError,
    KindError,
    LabError,
    ShapeError,
    TraceError,
)
from ...graph.ir import Equation, Graph, Var
from ...graph.trace import trace
from ...nn import Module
from ...tensor import as_tensor
from ...tf.keras.layer import Layer
from ...tf.keras.model import Model
from . import demos
from .checks.shapes import SUMMED
from .model import Finding
from .table import CHECKS

_LOSSES = frozenset(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"))


def found(
    check: str, line: int, what: str, why: str, do: str, measured: tuple[tuple[str, str], ...] = ()
) -> Finding:
    """A finding of a run; its line is 0 where it is not known."""
    return Finding(check, CHECKS[check].name, (line, line), what, why, do, measured)


def examine(
    function: Callable[..., Any], inputs: tuple[Any, ...], lines: Callable[[Any], int]
) -> Iterator[Finding]:
    """What one traced call shows. ``lines`` says which line of the source an equation came from."""
    given = inputs
    if isinstance(function, Layer):  # Keras takes arrays
        given = tuple(
            as_tensor(x, dtype=float32) if isinstance(x, np.ndarray) else x for x in inputs[:1]
        )
        if isinstance(function, Model):
            yield from _compiled(function, inputs)
        if not inputs:
            return
    elif isinstance(function, Module):
        arrays = [x for x in inputs if isinstance(x, np.ndarray)]
        for x in arrays:
            yield found(
                "L11", 0, f"An input is a NumPy array {x.dtype} {x.shape}, and the model takes "
                "tensors.",
                "An array knows no gradient and no device: the call stops with a TypeError.",
                "Make a tensor of it: `lab.as_tensor(x, dtype=lab.float32)`.",
            )  # fmt: skip
        if arrays:
            return
    try:
        graph = trace(function, given, {}, True).graph
    except TraceError:
        return  # it asks for values, so its source has to do
    except (ShapeError, DeviceError, DTypeError, GradError, KindError) as error:
        told = _error(error, _line(error, lines))
        if told is not None:
            yield told
        return
    except (
        LabError,
        RuntimeError,
        TypeError,
        ValueError,
        AttributeError,
        LookupError,
        ArithmeticError,
    ):
        return  # the call itself says what is wrong
    yield from _graph(graph, lines)


def _compiled(model: Model, inputs: tuple[Any, ...]) -> Iterator[Finding]:
    """What a compiled Keras model's loss gets: probabilities or logits, class numbers or rows."""
    loss = getattr(model, "loss", None)
    name = loss if isinstance(loss, str) else getattr(loss, "name", "")
    if not isinstance(name, str) or "categorical_crossentropy" not in name or not model.layers:
        return
    last = model.layers[-1]
    soft = getattr(getattr(last, "activation", None), "__name__", "linear") == "softmax"
    logits = bool(getattr(loss, "settings", {}).get("from_logits"))
    if soft and logits:
        yield found(
            "L02", 0, f"The last layer, {last.name}, applies softmax, and "
            f"{name}(from_logits=True) does it again.",
            CHECKS["L02"].why, "Take the activation away, or "
            "from_logits=True.", demos.softmax_twice(),
        )  # fmt: skip
    elif type(last).__name__ == "Dense" and not soft and not logits:
        yield found(
            "L02", 0, f"The last layer, {last.name}, gives numbers of any size, and {name} "
            "expects probabilities.",
            "It takes the logarithm of what it gets, and of numbers below 0 there is none.",
            "Say from_logits=True; then the loss applies softmax itself.",
        )  # fmt: skip
    shape = getattr(inputs[1], "shape", None) if len(inputs) > 1 else None
    if shape is None:
        return
    rows = len(shape) == 2 and shape[1] > 1
    if rows == name.startswith("sparse"):
        form = "rows of shape" if rows else "class numbers of shape"
        expected = "class numbers, shape (N,)" if rows else "a row for each example, shape (N, C)"
        yield found(
            "L23", 0, f"The labels are {form} {tuple(shape)}, and {name} expects {expected}.",
            CHECKS["L23"].why, CHECKS["L23"].repair,
        )  # fmt: skip


def _line(error: LabError, lines: Callable[[Any], int]) -> int:
    """The line of the function that an error came through; 0 where it came from elsewhere."""
    line, step = 0, error.__traceback__
    while step is not None:
        line = lines((step.tb_frame.f_code, step.tb_lasti)) or line
        step = step.tb_next
    return line


def _error(error: LabError, line: int) -> Finding | None:
    head, _, rest = str(error).partition("\n")
    text = "; ".join(" ".join(line.split()) for line in rest.splitlines())
    match error:
        case ShapeError() if any(w in head for w in ("inner sizes", "channels", "last size")):
            check = "L01"
        case ShapeError():
            return None
        case DeviceError():
            check = "L24"
        case KindError() if "numpy" in str(error).lower():
            check = "L11"
        case GradError() if head.startswith("requires_grad: "):
            check = "L12"
        case GradError() if "of many numbers at once" in head:
            check = "L07"
        case GradError() if "freed by" in head or "was used before" in head:
            check = "L09"
        case _:
            return None
    return found(
        check,
        line,
        f"A call with these inputs stops: {head}.",
        f"{text}." if text else CHECKS[check].why,
        CHECKS[check].repair,
    )


def _graph(graph: Graph, lines: Callable[[Any], int]) -> Iterator[Finding]:
    made = {e.out.id: e for e in graph.equations if e.of is None}
    for e in made.values():
        line = lines(e.source)
        if e.op.name == "cross_entropy":
            yield from _cross_entropy(e, made, line)
        if e.op.name in _LOSSES or e.op.name == "cross_entropy":
            a, b = e.inputs[0], e.inputs[1]
            if isinstance(a, Var) and a is b and a.kind == "op":
                yield found(
                    "L03", line, f"{e.op.name} compares a value with "
                    "itself.", CHECKS["L03"].why, CHECKS["L03"].repair,
                    demos.itself(),
                )  # fmt: skip
        if e.op.name in _LOSSES or (e.op.name == "sub" and _squared(e, made)):
            yield from _wide(e, line)
    yield from _summed(graph, lines)


def _summed(graph: Graph, lines: Callable[[Any], int]) -> Iterator[Finding]:
    """L07: weights follow a gradient that a tape began at several numbers."""
    first = next((e for e in graph.equations if e.of is not None), None)
    if first is None or first.of is None or first.of.asked is None:
        return
    code, _ = first.of.asked
    given = any(isinstance(c, tuple) and "output_gradients" in c for c in code.co_consts)
    if "gradient" not in code.co_names or given:
        return  # backward() refuses several numbers, or was told what each counts
    if not any(target.kind == "param" for target, _ in graph.updates):
        return  # slopes to be looked at
    for x in first.inputs:
        start = graph.constant_values.get(x.id) if isinstance(x, Var) else None
        if start is not None and np.size(start) > 1 and bool(np.all(start == 1)):
            yield found(
                "L07", lines(first.source), f"The loss has shape {np.shape(start)}: one number "
                "for each example.",
                SUMMED + "A loss has shape ().", "Take the mean: `tf.reduce_mean(...)`.",
                demos.several(),
            )  # fmt: skip


def _cross_entropy(e: Equation, made: dict[int, Equation], line: int) -> Iterator[Finding]:
    logits = e.inputs[0]
    before = made.get(logits.id) if isinstance(logits, Var) else None
    if before is not None and before.op.name == "softmax":
        yield found(
            "L02", line, "cross_entropy gets what went through softmax already, and applies "
            "softmax itself.",
            CHECKS["L02"].why, "Leave the softmax to the loss.", demos.softmax_twice(),
        )  # fmt: skip


def _squared(e: Equation, made: dict[int, Equation]) -> bool:
    users = [u for u in made.values() if e.out in u.inputs]
    return any(
        u.op.name in ("square", "pow") or (u.op.name == "mul" and u.inputs[0] is u.inputs[1])
        for u in users
    )


def _wide(e: Equation, line: int) -> Iterator[Finding]:
    shapes = [x.spec.shape for x in e.inputs[:2] if isinstance(x, Var)]
    if len(shapes) != 2:
        return
    column, row = sorted(shapes, key=len, reverse=True)
    if len(column) == 2 and len(row) == 1 and column[1] == 1 and row[0] == column[0] > 1:
        n = row[0]
        yield found(
            "L13", line, f"Shapes {column} and {row} are subtracted.",
            f"Broadcasting makes ({n}, {n}) of them, {n} * {n} = {n * n} differences: each "
            "output is compared with "
            "each target.",
            "Give both the same shape: `target[:, None]` is a column too.", demos.column_less_row(),
        )  # fmt: skip
