"""The local derivative of an op in words of the learner: the table's formula, names put in."""

from __future__ import annotations

import re
from typing import Any

from ..op import Op
from .fold import scalar
from .measure import MINUS, brief
from .view import GraphView, NodeView

_PARTS = re.compile(r"[,;]?\s*\\[q]?quad\s*|;")
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[A-Za-z]|\s+|.")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_VALUE_ENDS = re.compile(r"[0-9A-Za-z)\]}]$")


def gradient_rule(op: Op, index: int) -> str:
    r"""The LaTeX of the gradient of input ``index``: ``\bar x = \bar z\,y``; "" where unknown.

    >>> from minitorch_lab.op import OPS
    >>> gradient_rule(OPS["mul"], 1)
    '\\bar y = \\bar z\\,x'
    """
    parts = [part.strip() for part in _PARTS.split(op.formula[1]) if part.strip()]
    ruled = [i for i, rule in enumerate(op.vjp) if rule is not None]
    if op.variadic:
        return op.formula[1]
    if index in ruled and len(parts) == len(ruled):
        return parts[ruled.index(index)]
    return op.formula[1]


def local_derivative(op: Op, index: int) -> str:
    r"""The rule without what comes in: the derivative of an elementwise op; "" where unknown.

    >>> from minitorch_lab.op import OPS
    >>> [local_derivative(OPS[name], 0) for name in ("mul", "log", "neg", "square", "add")]
    ['y', '1 / x', '-1', '2 x', '1']
    """
    if not (op.kernel or op.ufunc) or _letters(op) is None:
        return ""
    text = gradient_rule(op, index).partition("=")[2].strip()
    text = re.sub(r"\\,\s*\\bar [a-z]$", "", text)
    text = re.sub(r"\\bar [a-z](?:\\,|\s*\\cdot|\s)\s*(?=[^/\s])", "", text)
    return re.sub(r"\\bar [a-z]", "1", text)


def _letters(op: Op) -> dict[str, int] | None:
    """What the formula calls the inputs, by position, and -1 for the output."""
    parts = [part.strip() for part in _PARTS.split(op.formula[1]) if part.strip()]
    ruled = [i for i, rule in enumerate(op.vjp) if rule is not None]
    output = re.match(r"([A-Za-z]) =", op.formula[0])
    names = [re.match(r"\\bar ([A-Za-z])", part) for part in parts]
    if op.variadic or output is None or len(names) != len(ruled) or not all(names):
        return None
    found = {name[1]: i for name, i in zip(names, ruled, strict=True) if name}
    return {output[1]: -1, **found}


def rule_names(op: Op, index: int, view: GraphView, node: NodeView) -> list[tuple[str, NodeView]]:
    """What the letters of a gradient rule stand for: ``[("X", data)]``."""
    letters = _letters(op) or {}
    right = gradient_rule(op, index).partition("=")[2]
    used = dict.fromkeys(_TOKEN.findall(re.sub(r"\\bar [A-Za-z]", "", right)))
    return [
        (letter, view.node(node.inputs[letters[letter]]) if letters[letter] >= 0 else node)
        for letter in used
        if letter in letters and letters[letter] < len(node.inputs)
    ]


def with_names(latex: str, op: Op, view: GraphView, node: NodeView) -> str:
    """The formula in the learner's names: ``y`` of the table becomes ``w``."""
    return _put(latex, op, node, lambda n: _name(view.node(n) if n else node))


def with_numbers(latex: str, op: Op, view: GraphView, node: NodeView) -> str:
    """The formula with numbers for all names; "" where one is no single number."""
    values: list[Any] = []

    def number(n: int) -> str:
        x = view.node(n) if n else node
        values.append(x.value if x.size == 1 and x.shape == () else None)
        if values[-1] is None:
            return "?"
        text = brief(scalar(x.value))
        if text.startswith(MINUS) or "e" in text:
            return "(" + text.replace(MINUS, "-") + ")"
        return text

    text = _put(latex, op, node, number)
    return "" if not values or any(value is None for value in values) else text


def _put(latex: str, op: Op, node: NodeView, word: Any) -> str:
    letters = _letters(op) or {}
    out = ""
    for token in _TOKEN.findall(latex):
        place = letters.get(token)
        if place is None or (place >= 0 and place >= len(node.inputs)):
            out += token
            continue
        text = word(node.inputs[place] if place >= 0 else 0)
        before = out.removesuffix("\\,").rstrip()
        if _VALUE_ENDS.search(before) and not re.search(r"\\[A-Za-z]+$", before):
            out = before + r" \cdot "  # 2 x becomes 2 . 3, never 23
        out += text
    return out


def _name(node: NodeView) -> str:
    if node.kind == "const":
        return node.label
    name = node.name if not node.name.count(".") else node.label
    name = name or node.op
    if len(name) == 1 and name.isalpha():
        return name
    return rf"\mathrm{{{name}}}" if _NAME.fullmatch(name) else r"\text{" + _plain(name) + "}"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9 .]", " ", name)[:16].strip() or "value"
