"""The table of ``model.summary()``, as Keras draws it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from typing import Any

WIDTHS = (33, 24, 15)  # of the columns, with a space at each side
HEAD = ("Layer (type)", "Output Shape", "Param #")


def table(model: Any) -> str:
    """The layers of a model with the shapes that come out and the numbers of their weights."""
    rows = [_row(layer) for layer in model.layers]
    body = _rule("├", "─", "┼", "┤").join(_lines(row, "│") for row in rows)
    return (
        f'Model: "{model.name}"\n'
        + _rule("┏", "━", "┳", "┓")
        + _lines(HEAD, "┃")
        + _rule("┡", "━", "╇", "┩")
        + body
        + _rule("└", "─", "┴", "┘")
        + _totals(model)
    )


def _row(layer: Any) -> tuple[str, str, str]:
    name = f"{layer.name} ({type(layer).__name__})"
    if not layer.built:
        return name, "?", "0 (unbuilt)"
    shape = layer._build_shape
    try:
        out = "?" if shape is None else str(tuple(layer.compute_output_shape(shape)))
    except (NotImplementedError, TypeError, ValueError, RuntimeError):
        out = "?"  # a layer of the learner that takes more than one input, or no zeros
    return name, out, f"{layer.count_params():,}"


def _lines(cells: tuple[str, str, str], edge: str) -> str:
    """A row, of as many lines as its longest cell needs; numbers stand at the right."""
    wrapped = [textwrap.wrap(c, w - 2) or [""] for c, w in zip(cells, WIDTHS, strict=True)]
    lines = []
    for i in range(max(map(len, wrapped))):
        texts = [part[i] if i < len(part) else "" for part in wrapped]
        padded = [f"{t:{a}{w - 2}}" for t, a, w in zip(texts, "<<>", WIDTHS, strict=True)]
        lines.append(f"{edge} {f' {edge} '.join(padded)} {edge}\n")
    return "".join(lines)


def _rule(left: str, line: str, middle: str, right: str) -> str:
    return left + middle.join(line * width for width in WIDTHS) + right + "\n"


def _totals(model: Any) -> str:
    learned = _count(model.trainable_weights)
    kept = _count(model.non_trainable_weights)
    optimizer = getattr(model, "optimizer", None)
    own: tuple[int, int] | None = None
    if optimizer is not None and optimizer.built:
        count, size = _count(optimizer.variables)
        own = count + 2, size + 12  # the number of steps as int64, the learning rate as float32
    parts = [learned, kept, *([own] if own else [])]
    total = sum(n for n, _ in parts), sum(size for _, size in parts)
    lines = [("Total", total), ("Trainable", learned), ("Non-trainable", kept)]
    lines += [("Optimizer", own)] if own else []
    return "".join(f" {word} params: {n:,} ({_size(size)})\n" for word, (n, size) in lines)


def _count(tensors: Any) -> tuple[int, int]:
    count = sum(math.prod(t.shape) for t in tensors)
    return count, sum(math.prod(t.shape) * t.dtype.itemsize for t in tensors)


def _size(size: int) -> str:
    """
    >>> _size(407080), _size(0)
    ('397.54 KB', '0.00 B')
    """
    power = min(int(math.log(size, 1024)), 4) if size else 0
    return f"{size / 1024**power:.2f} {('B', 'KB', 'MB', 'GB', 'TB')[power]}"


def show(model: Any, say: Callable[[str], Any] | None = None) -> None:
    """Print the table; where layers have no weights yet, say what gives them some."""
    text = table(model)
    unbuilt = [layer.name for layer in model.layers if not layer.built]
    if unbuilt or not model.built:
        text += (
            f" {', '.join(unbuilt) or model.name}: no weights yet, for no input shape is known\n"
            " give one: keras.Input(shape) first in the model, or model.build((None, ...)), or "
            "call it on data\n"
        )
    (say or print)(text.rstrip("\n"))
