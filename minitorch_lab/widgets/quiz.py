"""The quiz and the prediction: native radio buttons and fields in a card.

Both take plain data, so that they know nothing of lessons; `minitorch_lab.lessons.ask` fills
them. Their answers come back in the trait ``answers`` or ``answer``.
"""

from __future__ import annotations

from html import escape
from typing import Any

import traitlets

from . import cards
from .base import LabWidget

LETTERS = "abcdefgh"


class Quiz(LabWidget):
    """Questions one after the other; every choice has its explanation.

    ``questions`` is a list of ``{"title", "ask", "choices": [{"text", "why", "right"}]}``.
    ``answers`` holds, for each question, the choices that were checked, in order.
    """

    part = "quiz"

    kind = traitlets.Unicode("quiz").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    questions: traitlets.List[Any] = traitlets.List().tag(sync=True)
    answers: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def transcript(self) -> str:
        """The questions and their choices, without the answers."""
        lines = [f"quiz {self.title}: {len(self.questions)} questions"]
        for i, question in enumerate(self.questions, 1):
            lines.append(f"{i}. {question['ask']}")
            lines += [
                f"   {letter}) {choice['text']}"
                for letter, choice in zip(LETTERS, question["choices"], strict=False)
            ]
        return "\n".join(lines)

    def static_html(self) -> str:
        """Every choice folded: opening one shows whether it is right, and why. Needs no script."""
        blocks = []
        for i, question in enumerate(self.questions, 1):
            folded = "".join(
                _folded(choice, f"lab-{self.title}-{i}") for choice in question["choices"]
            )
            blocks.append(
                f'<div class="question"><p class="ask">{i}. {cards.rich(question["ask"])}</p>'
                f'<div class="choices">{folded}</div></div>'
            )
        note = '<p class="muted small">Open a choice to see whether it is right.</p>'
        return cards.page(cards.card("quiz", self.title, "".join(blocks) + note))


def _folded(choice: dict[str, Any], group: str) -> str:
    verdict = "Right." if choice["right"] else "Not this one."
    return (
        f'<details name="{escape(group)}"><summary>{cards.rich(choice["text"])}</summary>'
        f"<p>{verdict} {cards.rich(choice['why'])}</p></details>"
    )


class Predict(LabWidget):
    """A question before a cell is run. ``answer`` is what was kept, as text; "" until then."""

    part = "quiz"

    kind = traitlets.Unicode("predict").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    question = traitlets.Unicode().tag(sync=True)
    choices = traitlets.List(traitlets.Unicode()).tag(sync=True)
    field = traitlets.Unicode("your answer").tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)
    lit = traitlets.Int(0).tag(sync=True)
    answer = traitlets.Unicode().tag(sync=True)
    sure = traitlets.Int(50).tag(sync=True)

    def transcript(self) -> str:
        """The question, the lines it is about, and the choices."""
        lines = [f"predict {self.title}: {self.question}"]
        for i, line in enumerate(self.code.splitlines(), 1):
            lines.append(f"  {'>' if i == self.lit else ' '} {i}  {line}")
        lines += [f"  ( ) {choice}" for choice in self.choices] or [f"  {self.field}: ____"]
        return "\n".join(lines)

    def static_html(self) -> str:
        """The question and its choices as text; there is no kernel that could keep an answer."""
        body = f'<p class="ask">{cards.rich(self.question)}</p>'
        if self.code:
            body += cards.code_list(self.code, self.lit)
        if self.choices:
            items = "".join(f"<li>{cards.rich(choice)}</li>" for choice in self.choices)
            body += f'<ul class="options">{items}</ul>'
        body += (
            '<p class="muted small">Answer for yourself before you read on. '
            "Run this cell to get a field for your answer.</p>"
        )
        return cards.page(cards.card("predict", self.title, body))
