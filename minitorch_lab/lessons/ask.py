"""Asking before and after: `predict` and `reveal` around a cell, `quiz` at a lesson's end."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..widgets import cards
from ..widgets.quiz import Predict, Quiz
from . import content, memory
from .judges import as_array, show
from .model import Prediction

# What was predicted in this session: plain text shows only this, so that a notebook's text is the
# same on every machine, whatever an earlier session kept.
_predicted: dict[str, tuple[str, int]] = {}
_own: dict[str, Prediction] = {}


def predict(
    key: str,
    question: str | None = None,
    choices: Sequence[str] = (),
    *,
    code: str = "",
    why: str = "",
) -> Predict:
    """Ask for a prediction, and keep the answer until `reveal` shows it beside the result.

    ``key`` names a prediction of a lesson, such as ``"03.p1"``. With a ``question`` it may be
    any name: that is how you ask one of your own. Raises ArgumentError where there is no such
    prediction.
    """
    if question is None:
        asked = content.prediction(key)
    else:
        asked = Prediction(question, why, tuple(choices), code=code)
        _own[key] = asked
    number = key.partition(".")[0]
    kept = memory.recall(number, "predictions", key)
    answer, sure = kept.get("answer"), kept.get("sure")
    widget = Predict(
        title=key,
        question=asked.question,
        choices=list(asked.choices),
        field=asked.field,
        code=asked.code,
        lit=asked.lit,
        answer=answer if isinstance(answer, str) else "",
        sure=sure if isinstance(sure, int) else 50,
    )

    def keep(change: dict[str, Any]) -> None:
        if not widget.answer:
            return
        _predicted[key] = (widget.answer, widget.sure)
        now = memory.recall(number, "predictions", key)
        memory.note(
            number, "predictions", key, now | {"answer": widget.answer, "sure": widget.sure}
        )

    widget.observe(keep, names=["answer", "sure"])
    return widget


def as_number(text: str) -> float | None:
    """What a learner typed, as a number: ``6``, ``6.0``, ``−2``, ``1/3``, ``tensor(6.)``.

    >>> as_number("tensor(6.)"), as_number("1/3") == 1 / 3, as_number("an error")
    (6.0, True, None)
    """
    text = text.strip(" `").replace("−", "-").replace(" ", "")
    if text.startswith("tensor(") and text.endswith(")"):
        text = text[7:-1].split(",")[0]
    try:
        return float(Fraction(text)) if "/" in text else float(text)
    except (ValueError, ZeroDivisionError):
        return None


@dataclass(frozen=True)
class Revealed:
    """A result beside what was predicted. ``right`` is None where nothing was predicted."""

    key: str
    result: str
    why: str
    predicted: str
    sure: int
    right: bool | None
    in_session: bool

    def __repr__(self) -> str:
        lines = [f"prediction {self.key}: the result is {self.result}"]
        if self.in_session:
            verdict = {True: ": right", False: ": not this time", None: ""}[self.right]
            lines.append(f"  you predicted {self.predicted} ({self.sure} % sure){verdict}")
        if self.why:
            lines.append(textwrap.fill(self.why, 88, initial_indent="  ", subsequent_indent="  "))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        facts = [("result", self.result)]
        aside = '<span class="muted small">not predicted</span>'
        tone = ""
        if self.predicted:
            facts += [("you predicted", self.predicted), ("sure", f"{self.sure} %")]
            tone = {True: "good", False: "bad", None: ""}[self.right]
            word = {True: "right", False: "not this time", None: "compare"}[self.right]
            aside = cards.badge(word, tone)
        body = cards.facts(facts)
        if self.why:
            body += cards.said(self.why, tone)
        return cards.page(cards.card("prediction", self.key, body, aside=aside))


def reveal(key: str, result: Any = None) -> Revealed:
    """Show a result beside the prediction that was kept for it.

    ``result`` is a number, a tensor, or the text of one of the choices. Where it is left out, the
    lesson says which of its choices came out. Raises ArgumentError where there is no such
    prediction, or no result.

    >>> reveal("03.p1", 6.0)
    prediction 03.p1: the result is 6
      ...
    """
    asked = _own[key] if key in _own else content.prediction(key)
    if result is None:
        if not asked.result:
            raise ArgumentError(f"reveal({key!r}): give the result that came out")
        result = asked.result
    text = result if isinstance(result, str) else show(result)
    number = key.partition(".")[0]
    kept = memory.recall(number, "predictions", key)
    predicted, sure = _predicted.get(key, (str(kept.get("answer", "")), kept.get("sure", 50)))
    sure = sure if isinstance(sure, int) else 50
    right = _agrees(predicted, result, text) if predicted else None
    if right is not None and "first_right" not in kept:  # later ones know the result
        memory.note(number, "predictions", key, kept | {"first_right": right, "first_sure": sure})
    return Revealed(
        key, text.replace("`", ""), asked.why, predicted.replace("`", ""), sure, right,
        key in _predicted,
    )  # fmt: skip


def _agrees(predicted: str, result: Any, text: str) -> bool | None:
    if predicted.replace("`", "") == text.replace("`", ""):
        return True
    typed = as_number(predicted)
    try:
        value = as_array(result)
    except (TypeError, ValueError):
        return False  # a choice, and another one was chosen
    if typed is None or value.size != 1:
        return None if typed is None and value.size != 1 else False
    return bool(np.isclose(typed, float(value.reshape(())), rtol=2e-3, atol=1e-6))


def quiz(number: str) -> Quiz:
    """The quiz of a lesson: three questions, and a reason for every choice.

    Raises ArgumentError where there is no such lesson.
    """
    lesson = content.lesson(number)
    widget = Quiz(
        title=lesson.number,
        questions=[
            {
                "title": question.title,
                "ask": question.ask,
                "choices": [
                    {"text": c.text, "why": c.why, "right": c.right} for c in question.choices
                ],
            }
            for question in lesson.quiz
        ],
        answers=[[] for _ in lesson.quiz],
    )

    def keep(change: dict[str, Any]) -> None:
        for i, (question, tried) in enumerate(zip(lesson.quiz, widget.answers, strict=False), 1):
            known = range(len(question.choices))
            if isinstance(tried, list) and tried and all(n in known for n in tried):
                right = any(question.choices[n].right for n in tried)
                memory.note(lesson.number, "quiz", str(i), {"tries": len(tried), "right": right})

    widget.observe(keep, names="answers")
    return widget


def forget() -> None:
    """Forget what was predicted in this session."""
    _predicted.clear()
    _own.clear()
