"""The kinds of answer, and how each is compared.

A judge never shows the right formula: it shows what is expected on a few inputs, beside what
the learner's answer gives there. A wrong answer that is known (`Wrong`) is recognised by its
values, so that the same mistake written in another way gets the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .model import Table, Verdict, Wrong

NOTHING = Verdict(
    None,
    "Nothing to check yet. Put your answer in place of the three dots, and run the cell again.",
)
ROWS = 8  # a longer table hides the row that matters


def number(value: float) -> str:
    """A number for people: 4 significant digits and a real minus sign.

    >>> number(2 / 3), number(-2.0), number(1.5e-7)
    ('0.6667', '−2', '1.5e−07')
    """
    size = abs(value)
    if not np.isfinite(value):
        text = "nan" if np.isnan(value) else "∞" if value > 0 else "-∞"
    elif float(value).is_integer() and size < 1e5:
        text = str(int(value))
    elif 1e4 <= size < 1e5:
        text = f"{value:.0f}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", "−")


def show(value: Any) -> str:
    """Any value in a few characters, for a table.

    >>> show([1.0, -0.5]), show("b")
    ('[1, −0.5]', "'b'")
    """
    if hasattr(value, "detach"):
        value = as_array(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, (int, float, np.number)):
        return number(float(value))
    if isinstance(value, (list, tuple)):
        text = "[" + ", ".join(show(v) for v in value) + "]"
    else:
        text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def as_array(value: Any) -> np.ndarray:
    """Numbers as an array of float64: a number, a list, a NumPy array, a tensor.

    Raises TypeError or ValueError where the value is none of these.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, str):
        raise TypeError("a text is no number")
    return np.asarray(value, dtype=np.float64)


def _is_blank(answer: Any) -> bool:
    return answer is None or answer is ...


def _kind(answer: Any) -> str:
    if hasattr(answer, "detach"):
        return "a tensor"
    name = "function" if callable(answer) else type(answer).__name__
    names = {
        "str": "a text", "int": "a whole number", "float": "a number", "dict": "a dictionary",
        "ndarray": "a NumPy array", "function": "a function",
    }  # fmt: skip
    return names.get(name, f"a {name}")


def _near(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    return a.shape == b.shape and bool(
        np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
    )


@dataclass(frozen=True)
class Number:
    """One number. A wrong one is told whether it is too large or too small, not the answer."""

    expected: float
    tolerance: float = 1e-4

    def judge(self, answer: Any, wrong: tuple[Wrong, ...]) -> Verdict:
        """Compare ``answer``, a number or a tensor with one entry."""
        if _is_blank(answer):
            return NOTHING
        try:
            given = as_array(answer)
        except (TypeError, ValueError):
            return Verdict(False, f"A number is expected here, and this is {_kind(answer)}.")
        if given.size != 1:
            return Verdict(False, f"One number is expected here, and this holds {given.size}.")
        value, want = given.reshape(()), np.asarray(float(self.expected))
        if _near(value, want, self.tolerance):
            return Verdict(True, "")
        for known in wrong:
            if _near(value, as_array(known.answer).reshape(()), self.tolerance):
                return Verdict(False, known.says)
        side = "large" if value > want else "small"
        return Verdict(False, f"{number(float(value))} is too {side}.")


@dataclass(frozen=True)
class Values:
    """A tensor or list of numbers; the table shows it entry by entry."""

    expected: Any
    tolerance: float = 1e-3

    def judge(self, answer: Any, wrong: tuple[Wrong, ...]) -> Verdict:
        """Compare ``answer`` in shape first, then entry by entry."""
        if _is_blank(answer):
            return NOTHING
        want = as_array(self.expected)
        try:
            given = as_array(answer)
        except (TypeError, ValueError):
            return Verdict(False, f"Numbers are expected here, and this is {_kind(answer)}.")
        if given.shape != want.shape:
            return Verdict(
                False,
                f"The shape is {given.shape}, and it should be {want.shape}.",
                "The numbers are compared once the shape is right.",
            )
        if _near(given, want, self.tolerance):
            return Verdict(True, "")
        rows = [
            (str(list(i)) if len(i) > 1 else str(i[0]), number(w), number(g), number(g - w))
            for i, w, g in (
                (i, float(want[i]), float(given[i])) for i in np.ndindex(want.shape) if want.shape
            )
        ]
        table = Table(("entry", "expected", "yours", "difference"), tuple(rows[:ROWS]))
        for known in wrong:
            if _near(given, as_array(known.answer), self.tolerance):
                return Verdict(False, known.says, table=table)
        ok = sum(bool(np.isclose(g, w, rtol=self.tolerance, atol=self.tolerance))
                 for g, w in zip(given.flat, want.flat, strict=True))  # fmt: skip
        return Verdict(False, f"{ok} of {want.size} entries are right.", table=table)


@dataclass(frozen=True)
class Function:
    """A function, compared with another one on several inputs.

    ``inputs`` holds one tuple of arguments a call, or is a function that makes them (where they
    are tensors, say). ``labels`` names the calls in the table.
    """

    reference: Callable[..., Any]
    inputs: Sequence[tuple[Any, ...]] | Callable[[], Sequence[tuple[Any, ...]]]
    labels: tuple[str, ...] = ()
    column: str = "x"
    tolerance: float = 1e-4

    def judge(self, answer: Any, wrong: tuple[Wrong, ...]) -> Verdict:
        """Call ``answer`` on every input and compare what it returns."""
        if _is_blank(answer):
            return NOTHING
        if not callable(answer):
            return Verdict(
                False,
                f"A function is expected here, and this is {_kind(answer)}.",
                "Give the function itself, without brackets after its name.",
            )
        calls = self.inputs() if callable(self.inputs) else self.inputs
        labels = self.labels or tuple(", ".join(show(a) for a in call) for call in calls)
        want = [as_array(self.reference(*call)) for call in calls]
        given: list[np.ndarray] = []
        blank = 0
        for call, label in zip(calls, labels, strict=True):
            try:
                result = answer(*call)
            except Exception as error:  # noqa: BLE001 - the learner's code may raise anything
                text = str(error).splitlines()[0] if str(error) else ""
                return Verdict(
                    False,
                    f"Your function stopped for {self.column} = {label}.",
                    f"It raised {type(error).__name__}: {text}",
                )
            if result is ...:
                return NOTHING
            if result is None:
                blank += 1
                continue
            try:
                given.append(as_array(result))
            except (TypeError, ValueError):
                return Verdict(
                    False,
                    f"For {self.column} = {label} your function returns {_kind(result)}, "
                    "and a number is expected.",
                )
        if blank:
            return Verdict(
                False, "Your function returns nothing.", "Does its last line begin with `return`?"
            )
        fits = [_near(g, w, self.tolerance) for g, w in zip(given, want, strict=True)]
        if all(fits):
            return Verdict(True, "")
        table = self._table(labels, want, given)
        detail = self._detail(labels, want, given, fits)
        for known in wrong:
            same = [as_array(known.answer(*call)) for call in calls]
            if all(_near(g, s, self.tolerance) for g, s in zip(given, same, strict=True)):
                return Verdict(False, known.says, detail, table)
        return Verdict(False, f"Right for {sum(fits)} of {len(fits)} inputs.", detail, table)

    def _detail(
        self,
        labels: Sequence[str],
        want: list[np.ndarray],
        given: list[np.ndarray],
        fits: list[bool],
    ) -> str:
        # The largest miss tells most; a tie goes to the later input.
        misses = [i for i, fit in enumerate(fits) if not fit]
        for i in misses:
            if given[i].shape != want[i].shape:
                return (
                    f"For {self.column} = {labels[i]} your answer has the shape "
                    f"{given[i].shape}; it should be {want[i].shape}."
                )
        worst = max(misses, key=lambda i: (np.nan_to_num(np.abs(given[i] - want[i])).max(), i))
        return (
            f"At {self.column} = {labels[worst]} your answer is {show(given[worst])}; "
            f"it should be {show(want[worst])}."
        )

    def _table(
        self, labels: Sequence[str], want: list[np.ndarray], given: list[np.ndarray]
    ) -> Table:
        rows = []
        for label, w, g in zip(labels, want, given, strict=True):
            gap = show(g - w) if g.shape == w.shape else "other shape"
            rows.append((label, show(w), show(g), gap))
        return Table((self.column, "expected", "yours", "difference"), tuple(rows[:ROWS]))


@dataclass(frozen=True)
class Rule:
    """An open answer, judged by a function.

    ``rule(answer)`` returns None where the answer is right, otherwise what is wrong with it: a
    text, or a whole `Verdict` where a table helps.
    """

    rule: Callable[[Any], str | Verdict | None]

    def judge(self, answer: Any, wrong: tuple[Wrong, ...]) -> Verdict:
        """Ask the rule. What it cannot handle is an answer of the wrong kind."""
        if _is_blank(answer):
            return NOTHING
        try:
            found = self.rule(answer)
        except Exception:  # noqa: BLE001 - the answer may be anything at all
            return Verdict(False, f"This cannot be checked: it is {_kind(answer)}.")
        if isinstance(found, Verdict):
            return found
        return Verdict(True, "") if found is None else Verdict(False, found)
