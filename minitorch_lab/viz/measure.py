"""Numbers as text, and how wide a text will be drawn."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

MINUS = "\N{MINUS SIGN}"

# Advance widths of DejaVu Sans in thousandths of the font size. Hosts draw with other fonts, most
# of them narrower: a box that fits this one fits them.
_WIDTHS = {
    278: "'ijl", 295: "IJ", 318: " ,.", 337: "/:;\\|", 352: "f", 361: "-", 390: "()[]t", 401: "!",
    411: "r", 460: '"', 500: "*_`", 525: "sz", 531: "?", 553: "cL", 577: "Fk", 592: "vxy",
    613: "PTYaeo", 635: "Ehnu$0123456789Sbdgpq{}", 656: "K", 685: "AVBRXZ", 698: "C", 732: "U",
    750: "HN", 775: "DG&", 787: "OQ", 818: "w", 838: "#+<=>^~", 863: "M", 950: "%", 974: "m",
    1000: "W@",
}  # fmt: skip
_WIDTH = {letter: width for width, letters in _WIDTHS.items() for letter in letters}


def text_width(text: str, size: float = 13.0) -> float:
    """Width of ``text`` in a sans-serif font of ``size`` pixels.

    >>> text_width("relu") < text_width("linear") < text_width("cross_entropy")
    True
    """
    total = 0
    for letter in text:
        total += _WIDTH.get(letter) or _other(letter)
    return total * size / 1000


def code_width(text: str, size: float = 11.0) -> float:
    """Width of ``text`` in a fixed-width font of ``size`` pixels."""
    cells = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
    return 0.615 * size * cells


def _other(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 1000 if unicodedata.east_asian_width(letter) in "WF" else 700


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` letters, the rest an ellipsis.

    >>> shorten("cross_entropy", 8)
    'cross_e…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def number(value: Any) -> str:
    """4 significant digits, a real minus sign, scientific only beyond 1e-4 and 1e5.

    >>> number(6.0), number(-0.00012346), number(3), number(2.5e-7)
    ('6.000', '−0.0001235', '3', '2.500e−7')
    """
    if isinstance(value, complex):
        sign = MINUS if value.imag < 0 else "+"
        return f"{number(value.real)} {sign} {number(abs(value.imag))}i"
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value).replace("-", MINUS)
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    if not -4 <= int(exponent) < 5:
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    return f"{value:.{max(0, 3 - int(exponent))}f}".replace("-", MINUS)


def brief(value: Any) -> str:
    """``number`` without zeros at its end, for the small space of a box.

    >>> brief(9.0), brief(0.5), brief(2.302585), brief(100)
    ('9', '0.5', '2.303', '100')
    """
    text = number(value)
    if "." not in text or "i" in text:
        return text
    mantissa, e, exponent = text.partition("e")
    return mantissa.rstrip("0").rstrip(".") + e + exponent


def quantity(count: float, unit: str) -> str:
    """A count with a prefix: three digits are enough to compare.

    >>> quantity(4096, "flop"), quantity(33_000, "B"), quantity(12, "B")
    ('4.1 kflop', '33 kB', '12 B')
    """
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            scaled = count / factor
            return f"{scaled:.1f} {prefix}{unit}" if scaled < 10 else f"{scaled:.0f} {prefix}{unit}"
    return f"{count:.0f} {unit}"


def duration(seconds: float) -> str:
    """A time with a unit, three digits at most.

    >>> duration(0.0000123), duration(0.0042), duration(3.2e-7)
    ('12 µs', '4.2 ms', '0.3 µs')
    """
    scaled, unit = next(
        ((seconds * k, unit) for k, unit in ((1, "s"), (1e3, "ms")) if seconds * k >= 1),
        (seconds * 1e6, "µs"),
    )
    return f"{scaled:.1f} {unit}" if scaled < 10 else f"{scaled:.0f} {unit}"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as Python writes it: ``(32, 784)``, ``(128,)``, ``()``."""
    return str(tuple(shape))
