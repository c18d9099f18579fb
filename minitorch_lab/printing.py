"""How a tensor prints: PyTorch's layout, four digits, aligned columns, ``...`` in the middle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .errors import ArgumentError

PRECISION, EDGE, WIDTH = 4, 3, 80
THRESHOLD: float = 1000
SCIENTIFIC: bool | None = None  # whether numbers are written as 1.0000e-08; None: where it helps
_PROFILES: dict[str, tuple[int, float, int]] = {  # precision, threshold, edgeitems
    "default": (4, 1000, 3),
    "short": (2, 1000, 2),
    "full": (4, math.inf, 3),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors print: digits, entries above which the middle is left out, what is left then.

    ``profile`` is "default", "short" or "full". ``sci_mode`` None chooses by the numbers.

    >>> set_printoptions(precision=4)
    """
    global PRECISION, THRESHOLD, EDGE, WIDTH, SCIENTIFIC
    if profile is not None:
        if profile not in _PROFILES:
            raise ArgumentError(
                f"set_printoptions(profile): got {profile!r}\n"
                f"  expected one of {', '.join(_PROFILES)}"
            )
        PRECISION, THRESHOLD, EDGE = _PROFILES[profile]
        WIDTH = 80
    PRECISION = PRECISION if precision is None else precision
    THRESHOLD = THRESHOLD if threshold is None else threshold
    EDGE = EDGE if edgeitems is None else edgeitems
    WIDTH = WIDTH if linewidth is None else linewidth
    SCIENTIFIC = sci_mode


class _Format:
    """One format for all entries, so that columns line up."""

    def __init__(self, entries: np.ndarray[Any, Any]) -> None:
        self.is_float = entries.dtype.kind == "f"
        self.whole, self.scientific = True, False
        if self.is_float:
            finite = entries[np.isfinite(entries) & (entries != 0)].astype(np.float64)
            if finite.size:
                size = np.abs(finite)
                low, high = float(size.min()), float(size.max())
                self.whole = bool(np.all(np.ceil(finite) == finite))
                self.scientific = high / low > 1000 or high > 1e8 or (not self.whole and low < 1e-4)
                self.scientific = self.scientific if SCIENTIFIC is None else SCIENTIFIC
            entries = finite  # as in PyTorch, inf and nan do not widen the columns
        self.width = max((len(self._text(v)) for v in entries.ravel().tolist()), default=1)

    def _text(self, value: Any) -> str:
        if not self.is_float:
            return str(value)
        if self.scientific:
            return f"{value:.{PRECISION}e}"
        if self.whole:
            return f"{value:.0f}" + ("." if math.isfinite(value) else "")
        return f"{value:.{PRECISION}f}"

    def __call__(self, value: Any) -> str:
        return self._text(value).rjust(self.width)


def _edges(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What is shown of a large array: the first and last entries of each dimension."""
    for axis, size in enumerate(array.shape):
        if size > 2 * EDGE:
            shown = [*range(EDGE), *range(size - EDGE, size)]
            array = np.take(array, shown, axis=axis)
    return array


def _lines(array: np.ndarray[Any, Any], indent: int, show: _Format, short: bool) -> str:
    size = array.shape[0]
    cut = short and size > 2 * EDGE
    rows = [*range(EDGE), *range(size - EDGE, size)] if cut else [*range(size)]
    if array.ndim == 1:
        texts = [show(v) for v in array[rows].tolist()]
        if cut:
            texts.insert(EDGE, " ...")
        each = max(1, (WIDTH - indent) // (show.width + 2))
        parts = [", ".join(texts[i : i + each]) for i in range(0, len(texts), each)]
        return "[" + (",\n" + " " * (indent + 1)).join(parts) + "]"
    texts = [_lines(array[i], indent + 1, show, short) for i in rows]
    if cut:
        texts.insert(EDGE, "...")
    gap = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
    return "[" + gap.join(texts) + "]"


def tensor_text(array: np.ndarray[Any, Any], suffixes: list[str], prefix: str = "tensor(") -> str:
    """``tensor([[1., 2.],\\n        [3., 4.]])`` with suffixes such as ``requires_grad=True``."""
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            suffixes = [f"size={array.shape}", *suffixes]
    elif array.ndim == 0:
        body = _Format(array)(array.item())
    else:
        short = array.size > THRESHOLD
        body = _lines(array, len(prefix), _Format(_edges(array) if short else array), short)
    text = prefix + body
    column = len(text) - text.rfind("\n")
    for suffix in suffixes:
        if column + len(suffix) + 2 > WIDTH:
            text += ",\n" + " " * len(prefix) + suffix
            column = len(prefix) + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"
