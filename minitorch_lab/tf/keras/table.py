"""The table of ``model.summary()``, as Keras draws it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from typing import Any

from .tree import is_shape, mapped

# of the columns, with a space at each side
WIDTHS: dict[tuple[str, ...], tuple[int, ...]] = {
    ("Layer (type)", "Output Shape", "Param #"): (33, 24, 15),
    ("Layer (type)", "Output Shape", "Param #", "Connected to"): (21, 19, 12, 19),
    ("Layer (type)", "Output Shape", "Param #", "Trainable"): (29, 23, 12, 7),
    ("Layer (type)", "Output Shape", "Param #", "Connected to", "Trainable"): (18, 16, 11, 17, 7),
}
ALIGNED = {"Param #": ">", "Trainable": "^"}


def table(model: Any, expand_nested: bool = False, show_trainable: bool = False) -> str:
    """The layers of a model with the shapes that come out and the numbers of their weights."""
    network = getattr(model, "_network", None)
    line = network is None or network.is_a_line
    head: tuple[str, ...] = ("Layer (type)", "Output Shape", "Param #")
    head += () if line else ("Connected to",)
    head += ("Trainable",) if show_trainable else ()
    rows = _rows(model, head, expand_nested, 0)
    body = _rule("├", "─", "┼", "┤", head).join(_lines(row, "│", head) for row in rows)
    return (
        f'Model: "{model.name}"\n'
        + _rule("┏", "━", "┳", "┓", head)
        + _lines(head, "┃", head)
        + _rule("┡", "━", "╇", "┩", head)
        + body
        + _rule("└", "─", "┴", "┘", head)
        + _totals(model)
    )


def _rows(model: Any, head: tuple[str, ...], expand: bool, level: int) -> list[tuple[str, ...]]:
    rows = []
    network = getattr(model, "_network", None)
    shown = model.layers
    if network is not None and type(model).__name__ != "Sequential":
        shown = model._operations  # signs such as + between layers, too
    for layer in shown:
        cells = dict(zip(head, _row(layer, level), strict=False))
        if "Connected to" in head:
            cells["Connected to"] = _connections(layer, network) if network else "-"
        if "Trainable" in head:
            cells["Trainable"] = "-" if not layer.weights else "Y" if layer.trainable else "N"
        rows.append(tuple(cells[name] for name in head))
        if expand and hasattr(layer, "layers"):
            rows += _rows(layer, head, expand, level + 1)
    return rows


def _connections(layer: Any, network: Any) -> str:
    """Where the inputs of a layer come from: name, number of the call, place in what it gave."""
    found = []
    for node in layer._nodes:
        if id(node) in network.nodes:
            found += [
                f"{t.node.layer.name}[{t.node.place}][{t.index}]" for t in node.parents if t.node
            ]
    return ", ".join(found) or "-"


def _row(layer: Any, level: int) -> tuple[str, str, str]:
    before = "   " * level + "└ " if level else ""
    name = f"{before}{layer.name} ({type(layer).__name__})"
    if not layer.built:
        return name, "?", "0 (unbuilt)"
    shape = layer._build_shape
    try:
        if layer._nodes:
            out = _shown(mapped(lambda t: t.shape, layer._nodes[-1].outputs))
        else:
            out = "?" if shape is None else _shown(layer.compute_output_shape(shape))
    except (NotImplementedError, TypeError, ValueError, RuntimeError):
        out = "?"  # a layer of the learner that takes more than one input, or no zeros
    return name, out, f"{layer.count_params():,}"


def _shown(shape: Any) -> str:
    if is_shape(shape):
        return str(tuple(shape))
    return ", ".join(map(_shown, shape.values() if isinstance(shape, dict) else shape))


def _lines(cells: tuple[str, ...], edge: str, head: tuple[str, ...]) -> str:
    """A row, of as many lines as its longest cell needs; numbers stand at the right."""
    widths = WIDTHS[head]
    wrapped = [_wrapped(c, w - 2) for c, w in zip(cells, widths, strict=True)]
    marks = [ALIGNED.get(name, "<") for name in head]
    lines = []
    for i in range(max(map(len, wrapped))):
        texts = [part[i] if i < len(part) else "" for part in wrapped]
        padded = [f"{t:{a}{w - 2}}" for t, a, w in zip(texts, marks, widths, strict=True)]
        lines.append(f"{edge} {f' {edge} '.join(padded)} {edge}\n")
    return "".join(lines)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of this width; a word that is longer is cut short."""
    indent = text[: len(text) - len(text.lstrip())]
    lines = textwrap.wrap(
        text, width, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    ) or [""]
    lines[0] = indent + lines[0].lstrip()
    return [line if len(line) <= width else line[: width - 1] + "…" for line in lines]


def _rule(left: str, line: str, middle: str, right: str, head: tuple[str, ...]) -> str:
    return left + middle.join(line * width for width in WIDTHS[head]) + right + "\n"


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


def show(model: Any, say: Callable[[str], Any] | None = None, **how: bool) -> None:
    """Print the table; where layers have no weights yet, say what gives them some."""
    text = table(model, **how)
    unbuilt = [layer.name for layer in model.layers if not layer.built]
    if unbuilt or not model.built:
        text += (
            f" {', '.join(unbuilt) or model.name}: no weights yet, for no input shape is known\n"
            " give one: keras.Input(shape) first in the model, or model.build((None, ...)), or "
            "call it on data\n"
        )
    (say or print)(text.rstrip("\n"))
