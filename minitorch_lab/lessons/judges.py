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

from .calling import NOTHING, Refused, call, listening, own_line, stopped, too_long
from .guard import SECONDS, TooLong, limited
from .model import Table, Verdict, Wrong
from .showing import as_array, kind, number, show

__all__ = [
    "NOTHING", "Function", "Number", "Refused", "Rule", "Values", "as_array", "call", "number",
    "show",
]  # fmt: skip

ROWS = 8  # a longer table hides the row that matters
FRESH = 6  # inputs that nobody has seen, after those of the table
RULE_SECONDS = 20.0  # a rule may train something


def _is_blank(answer: Any) -> bool:
    return answer is None or answer is ...


def _near(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    return a.shape == b.shape and bool(
        np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
    )


def _same_numbers(given: np.ndarray, known: Any, tolerance: float) -> bool:
    try:
        return _near(given, as_array(known).reshape(given.shape), tolerance)
    except (TypeError, ValueError):
        return False


def _no_numbers(expected: str, answer: Any) -> Verdict:
    return Verdict(
        False, f"{expected} expected here, and this is {kind(answer)}.", _what_to_do(answer)
    )


def _what_to_do(answer: Any) -> str:
    """How to mend an answer of the wrong kind, where that can be said."""
    if callable(answer) and not hasattr(answer, "detach"):
        return "This is the function itself. Call it: write brackets after its name."
    return "Leave the quotation marks out." if isinstance(answer, str) else ""


def _side(value: Any, want: Any) -> str:
    return "too large" if value > want else "too small" if value < want else "no number"


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
            return _no_numbers("A number is", answer)
        if given.size != 1:
            return Verdict(False, f"One number is expected here, and this holds {given.size}.")
        value, want = given.reshape(()), np.asarray(float(self.expected))
        if _near(value, want, self.tolerance):
            return Verdict(True, "")
        for known in wrong:
            if _same_numbers(value, known.answer, self.tolerance):
                return Verdict(False, known.says)
        if np.isnan(value):
            return Verdict(False, "This is nan: somewhere a result was not a number.")
        return Verdict(False, f"{number(float(value))} is {_side(value, want)}.")


@dataclass(frozen=True)
class Values:
    """A tensor or list of numbers; the table says of each entry whether it is right.

    It does not show the right number: where the answer is the list, that would be the solution.
    """

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
            return _no_numbers("Numbers are", answer)
        if given.shape != want.shape:
            return Verdict(
                False,
                f"The shape is {given.shape}, and it should be {want.shape}.",
                "The numbers are compared once the shape is right.",
            )
        if _near(given, want, self.tolerance):
            return Verdict(True, "")
        fits = np.isclose(given, want, rtol=self.tolerance, atol=self.tolerance, equal_nan=True)
        entries = list(np.ndindex(want.shape))
        if all(fits[i] for i in entries[:ROWS]):  # what is wrong stands further down
            entries = [i for i in entries if not fits[i]]
        rows = [
            (
                str(list(i)) if len(i) > 1 else str(*i),
                number(float(given[i])),
                "right" if fits[i] else _side(given[i], want[i]),
            )
            for i in entries[:ROWS]
        ]
        table = Table(("entry", "yours", "it is"), tuple(rows))
        for known in wrong:
            if _same_numbers(given, known.answer, self.tolerance):
                return Verdict(False, known.says, table=table)
        ok = int(fits.sum())
        return Verdict(False, f"{ok} of {want.size} entries are right.", table=table)


Calls = Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class Function:
    """A function, compared with another one on several inputs.

    ``inputs`` holds one tuple of arguments a call, or is a function that makes them (where they
    are tensors, say). ``labels`` names the calls in the table.

    A function that is right on these is tried on inputs that nobody has seen: ``fresh`` makes one
    tuple of arguments from a NumPy generator. Where all inputs are floats, it need not be given:
    numbers between them are taken. The answers for the inputs of the table can be read off and
    written down; for fresh ones they cannot.

    ``changes_input`` allows the function to change what it is given.
    """

    reference: Callable[..., Any]
    inputs: Calls | Callable[[], Calls]
    labels: tuple[str, ...] = ()
    column: str = "x"
    tolerance: float = 1e-4
    fresh: Callable[[np.random.Generator], tuple[Any, ...]] | None = None
    changes_input: bool = False
    seconds: float = SECONDS

    def judge(self, answer: Any, wrong: tuple[Wrong, ...]) -> Verdict:
        """Call ``answer`` on every input and compare what it returns."""
        if _is_blank(answer):
            return NOTHING
        calls = self.inputs() if callable(self.inputs) else self.inputs
        labels = self.labels or tuple(map(_label, calls))
        try:
            seen = self._compare(answer, calls, labels, wrong)
            if not seen.right:
                return seen
            unseen = self._unseen(calls)
            found = self._compare(answer, unseen, tuple(map(_label, unseen)), wrong)
        except Refused as refused:
            return refused.verdict
        if found.right or found.says in {known.says for known in wrong}:
            return found
        says = f"Right for the {len(calls)} inputs of the check, and not for others."
        return Verdict(False, says, found.detail, found.table)

    def _compare(
        self, answer: Any, calls: Calls, labels: tuple[str, ...], wrong: tuple[Wrong, ...]
    ) -> Verdict:
        want = [as_array(self.reference(*arguments)) for arguments in calls]
        given = [
            self._result(answer, arguments, label)
            for arguments, label in zip(calls, labels, strict=True)
        ]
        fits = [_near(g, w, self.tolerance) for g, w in zip(given, want, strict=True)]
        if all(fits):
            return Verdict(True, "")
        first = min((i for i, fit in enumerate(fits) if not fit), key=lambda i: _size(calls[i]))
        detail = self._detail(labels[first], want[first], given[first])
        table = self._table(labels, want, given)
        for known in wrong:
            if self._is_known(known, calls, given):
                return Verdict(False, known.says, detail, table)
        if len(given) > 1 and all(_near(g, given[0], 0.0) for g in given):
            says = f"Your function gives {show(given[0])} for every {self.column}."
            return Verdict(False, says, f"Work it out from what comes in. {detail}", table)
        return Verdict(False, f"Right for {sum(fits)} of {len(fits)} inputs.", detail, table)

    def _result(self, answer: Any, arguments: tuple[Any, ...], label: str) -> np.ndarray:
        where = f"{self.column} = {label}"
        result = call(
            answer, *arguments, where=where, seconds=self.seconds, changes_input=self.changes_input
        )
        try:
            return as_array(result)
        except (TypeError, ValueError):
            says = f"For {where} your function returns {kind(result)}, and a number is expected."
            raise Refused(Verdict(False, says)) from None

    def _is_known(self, known: Wrong, calls: Calls, given: list[np.ndarray]) -> bool:
        if not callable(known.answer):
            return False
        try:
            same = [as_array(known.answer(*arguments)) for arguments in calls]
        except Exception:  # noqa: BLE001 - a wrong answer may fail on inputs of chance
            return False
        return all(_near(g, s, self.tolerance) for g, s in zip(given, same, strict=True))

    def _unseen(self, calls: Calls) -> Calls:
        """Inputs of chance, apart from the random numbers that a learner draws."""
        chance = np.random.default_rng()
        if self.fresh is not None:
            return [self.fresh(chance) for _ in range(FRESH)]
        if not all(type(a) is float for arguments in calls for a in arguments):
            return []
        spans = [(min(column), max(column)) for column in zip(*calls, strict=True)]
        made = [tuple(round(chance.uniform(*span), 2) for span in spans) for _ in range(FRESH)]
        return [arguments for arguments in made if self._is_defined(arguments)]

    def _is_defined(self, arguments: tuple[Any, ...]) -> bool:
        try:
            return bool(np.isfinite(as_array(self.reference(*arguments))).all())
        except (ArithmeticError, ValueError):
            return False

    def _detail(self, label: str, want: np.ndarray, given: np.ndarray) -> str:
        if given.shape != want.shape:
            return (
                f"For {self.column} = {label} your answer has the shape {given.shape}; "
                f"it should be {want.shape}."
            )
        return (
            f"At {self.column} = {label} your answer is {show(given)}; it should be {show(want)}."
        )

    def _table(
        self, labels: Sequence[str], want: list[np.ndarray], given: list[np.ndarray]
    ) -> Table:
        rows = []
        for label, w, g in zip(labels, want, given, strict=True):
            gap = show(g - w) if g.shape == w.shape else "other shape"
            rows.append((label, show(w), show(g), gap))
        return Table((self.column, "expected", "yours", "difference"), tuple(rows[:ROWS]))


def _label(arguments: tuple[Any, ...]) -> str:
    return ", ".join(map(show, arguments))


def _size(value: Any) -> tuple[int, float]:
    """How large an example is: its numbers counted, and then summed up. For the smallest one."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple)):
        parts = [_size(part) for part in value]
        return sum(count for count, _ in parts), sum(total for _, total in parts)
    try:
        array = as_array(value)
    except (TypeError, ValueError):
        return 1, 0.0
    return array.size, float(np.nansum(np.abs(array)))


@dataclass(frozen=True)
class Rule:
    """An open answer, judged by a function.

    ``rule(answer)`` returns None where the answer is right, otherwise what is wrong with it: a
    text, or a whole `Verdict` where a table helps. A rule that calls a function of the learner's
    does so by `call(function, ...)`, so that whatever goes wrong in it gets its own words.
    """

    rule: Callable[[Any], str | Verdict | None]
    seconds: float = RULE_SECONDS

    def judge(self, answer: Any, wrong: tuple[Wrong, ...]) -> Verdict:
        """Ask the rule. What it cannot handle is an answer of the wrong kind."""
        if _is_blank(answer):
            return NOTHING
        try:
            with listening():
                found = limited(lambda: self.rule(answer), self.seconds)
        except Refused as refused:
            return refused.verdict
        except TooLong:
            return too_long("The check of your answer had not ended", self.seconds)
        except Exception as error:  # noqa: BLE001 - the answer may be anything at all
            if own_line(error):
                return stopped("Your answer stopped.", error)
            says = f"This cannot be checked: it is {kind(answer)}."
            return Verdict(False, says, _what_to_do(answer))
        if isinstance(found, Verdict):
            return found
        return Verdict(True, "") if found is None else Verdict(False, found)
