"""What ``help(lab.tanh)`` and ``lab.tanh?`` say, from the row that runs the op."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import cache
from typing import Any


class PerRow:
    """An attribute that a row works out when it is asked for; calls of the op never ask."""

    def __init__(self, find: Callable[[Any], Any], own: str | None = None) -> None:
        self.find, self.own = find, own

    def __get__(self, row: Any, owner: type | None = None) -> Any:
        return self.own if row is None else self.find(row)


def signature(row: Any) -> inspect.Signature:
    """How the op is called: PyTorch's arguments, and ``out`` where the result has own memory."""
    kind = inspect.Parameter
    if row.bind is not None:
        found = inspect.signature(row.bind).parameters.values()
        parameters = [p.replace(annotation=kind.empty) for p in found if p.kind != p.VAR_KEYWORD]
    else:
        many = kind.VAR_POSITIONAL if row.variadic else kind.POSITIONAL_OR_KEYWORD
        parameters = [kind(name, many) for name in row.arguments]
    if not row.view:
        parameters.append(kind("out", kind.KEYWORD_ONLY, default=None))
    return inspect.Signature(parameters)


KINDS = {"b": "bool", "B": "bool", "i": "signed integers", "u": "uint8", "f": "floats"}
AUTOCAST = {"low": "float16", "full": "float32"}


def notes(row: Any) -> list[str]:
    """What is good to know of an op, a sentence each: shapes, dtypes, memory, chance."""
    found = []
    shapes = (row.shape.__doc__ or "").partition("\n\n")[0]
    if shapes:
        found.append(" ".join(shapes.split()))
    if row.floats:
        found.append("Whole numbers become floats first.")
    if row.autocast:
        found.append(f"In a block of autocast it takes {AUTOCAST[row.autocast]}.")
    if row.view:
        found.append("The result shares the memory of the input where it can.")
    if row.random:
        found.append("It draws random numbers: two calls differ.")
    if row.refuses:
        refused = [KINDS[kind] for kind in row.refuses]
        found.append(f"Inputs of {' or '.join(refused)} raise a DTypeError.")
    if not row.differentiable:
        found.append("It has no gradient.")
    return found


@cache  # a method and a second name ask again
def text(row: Any) -> str:
    """The help of a row: the call, the sentence, what is good to know, formulas, an example."""
    value, gradient = (plain(latex) for latex in row.formula)
    formulas = [f"Formula:   {value}"] if value else []
    if gradient and row.differentiable:
        formulas.append(f"Gradient:  {gradient}")
    parts = (
        f"{row.name}{signature(row)}",
        row.doc,
        "\n".join(notes(row)),
        "\n".join(formulas),
        row.example,
    )
    return "\n\n".join(part for part in parts if part)


_FORMS = (
    (r"\\(?:operatorname|text|mathrm|mathbin|mathrel)\{((?:[^{}]|\\[{}])*)\}", r"\1"),
    (r"\\bar\s*([A-Za-z])", r"d\1"),
    (r"\\sqrt\s*(?:\{([^{}]*)\}|(\\?\w+))", r"sqrt(\1\2)"),
    (r"\\t?frac\{(\w+)\}\{(\w+)\}", r"\1/\2 "),
    (r"\^\{(\w)\}|_\{(\w+)\}", lambda m: f"^{m[1]}" if m[1] else f"_{m[2]}"),
    (r"([\^_])\{([^{}]*)\}", r"\1(\2)"),
    (r"\\t?frac\{([^{} ]*)\}\{([^{}]*)\}", r"\1 / (\2)"),
    (r"\\t?frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1) / (\2)"),
    (r"\\q?quad", " "),
    (r"\\[,;!: ]", " "),
    (r"\\(?:left|right)(?![a-z])", ""),
    (r"\\((?:arc)?(?:sin|cos|tan)|[sct][a-z]*h|ln|log|exp|min|max|det)(?![a-z])", r"\1"),
)
_SIGNS = {
    "pi": "π", "sigma": "σ", "infty": "∞", "sum": "Σ", "prod": "Π", "le": "≤", "ge": "≥",
    "ne": "≠", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "top": "T",
    "cdot": "·", "odot": "·", "land": "and", "lor": "or", "lnot": "not", "oplus": "xor",
    "sim": "~", "dots": "...", "ll": "<<", "gg": ">>", "int": "∫",
}  # fmt: skip


def plain(latex: str) -> str:
    r"""A formula as a line of text, or nothing where only LaTeX can say it.

    >>> plain(r"\bar x = \frac{1}{n} \bar y \cos x")
    'dx = 1/n dy cos x'
    """
    for pattern, form in _FORMS:
        latex = re.sub(pattern, form, latex)
    latex = re.sub(r"\\([a-z]+)", lambda m: _SIGNS.get(m[1], m[0]), latex).replace(r"\&", "&")
    return "" if re.search(r"[\\{}]", latex) else re.sub(r" {2,}(?=\S)", " ", latex.strip())
