"""Numbers and counts as the panel, the terminal and the transcripts write them."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """A number for a learner: 4 significant digits and a real minus sign.

    >>> number(0.0894), number(-12.0), number(3.2154e12)
    ('0.08940', '−12.00', '3.215e+12')
    """
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "∞" if value > 0 else "−∞"
    size = abs(value)
    text = f"{value:.3e}" if size and (size < 1e-4 or size >= 1e5) else f"{value:#.4g}".rstrip(".")
    return text.replace("-", "−")


def short(value: float) -> str:
    """A setting such as a learning rate, without zeros at its end: 0.1, 0.001, 1e-05.

    >>> short(0.1), short(1e-5), short(10.0)
    ('0.1', '1e-05', '10')
    """
    return f"{value:.3g}"


def figures(prefix: str, loss: float, accuracy: float) -> str:
    """``loss 0.0894, accuracy 0.971``, as transcripts give them: 3 digits, for any machine.

    >>> figures("", 0.08941, float("nan"))
    'loss 0.0894'
    """
    text = f"{prefix}loss {loss:#.3g}".rstrip(".")
    return text if math.isnan(accuracy) else f"{text}, accuracy {accuracy:.3f}"


def plural(count: int, noun: str) -> str:
    """``1 step``, ``1,200 steps``.

    >>> plural(1, "step"), plural(1200, "step")
    ('1 step', '1,200 steps')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
