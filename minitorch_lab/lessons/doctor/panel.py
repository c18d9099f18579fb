"""The doctor's panel: the program with its lines lit, and the findings with their repairs."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import traitlets

from ...widgets import cards
from ...widgets.base import LabWidget
from .diagnosis import Diagnosis, article, count, listing, transcript
from .model import apply


class DoctorPanel(LabWidget):
    """What `lab.doctor` shows in a notebook.

    Messages from the page: ``{"do": "apply", "at": 0}`` repairs what one finding says, ``{"do":
    "fix"}`` all, ``{"do": "undo"}`` goes back one step. The learner's cell is not touched: the
    repaired program stands in the panel, to be copied.
    """

    part = "doctor"

    title = traitlets.Unicode("").tag(sync=True)
    words = traitlets.Unicode("").tag(sync=True)
    text = traitlets.Unicode("").tag(sync=True)
    lines = traitlets.Unicode("").tag(sync=True)  # HTML
    findings: Any = traitlets.List([]).tag(sync=True)
    changed = traitlets.Bool(False).tag(sync=True)
    fixable = traitlets.Bool(False).tag(sync=True)

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__()
        self.diagnosis = diagnosis
        self.steps = [diagnosis]
        self.title = diagnosis.title
        self._show(diagnosis)
        self.on_msg(self._on_message)

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        now = self.steps[-1]
        match content:
            case {"do": "apply", "at": int(at)} if 0 <= at < len(now.findings):
                self._go(_applied(now, at))
            case {"do": "fix"}:
                self._go(_again(now, now.fix()))
            case {"do": "undo"} if len(self.steps) > 1:
                self.steps.pop()
                self._show(self.steps[-1])

    def _go(self, diagnosis: Diagnosis) -> None:
        self.steps.append(diagnosis)
        self._show(diagnosis)

    def _show(self, diagnosis: Diagnosis) -> None:
        for name, value in _traits(diagnosis, self.diagnosis).items():
            setattr(self, name, value)

    def transcript(self) -> str:
        """The findings in words."""
        return transcript(self.diagnosis)

    def static_html(self) -> str:
        """The program and the findings, as they stand in a saved notebook."""
        return still(self.diagnosis)

    def page_data(self) -> dict[str, Any]:
        """What a page without a kernel has; its trait ``page`` says which repair it shows."""
        data = super().page_data()
        data["traits"]["page"] = "0"
        return data

    def page_answers(self) -> dict[str, dict[str, Any]]:
        """Each repair of the program as it was given, and all at once."""
        first = self.diagnosis

        def key(page: str, message: dict[str, Any]) -> str:
            return f"{page} {json.dumps(message, separators=(',', ':'))}"

        fixed = {"set": _traits(_again(first, first.fix()), first) | {"page": "fixed"}}
        answers = {
            key("", {"do": "fix"}): fixed,
            key("", {"do": "undo"}): {"set": _traits(first, first) | {"page": "0"}},
        }
        for at, finding in enumerate(first.findings):
            if finding.edits:
                traits = _traits(_applied(first, at), first) | {"page": f"repair {at}"}
                traits["findings"] = [f | {"repair": False} for f in traits["findings"]]
                answers[key("0", {"do": "apply", "at": at})] = {"set": traits}
        return answers


def _again(now: Diagnosis, source: str) -> Diagnosis:
    from .diagnose import diagnose

    return diagnose(source, title=now.title)


def _applied(now: Diagnosis, at: int) -> Diagnosis:
    return _again(now, apply(now.source, now.findings[at].edits))


def _traits(now: Diagnosis, first: Diagnosis) -> dict[str, Any]:
    return {
        "words": count(len(now.findings)),
        "text": now.source,
        "lines": listing(now),
        "findings": [
            {"html": article(f), "repair": bool(f.edits), "check": f.check} for f in now.findings
        ],
        "changed": now.source != first.source,
        "fixable": any(f.edits for f in now.findings),
    }


def still(diagnosis: Diagnosis) -> str:
    """A page without a kernel: the lines, the findings, and the repaired program folded."""
    found = "".join(f'<article class="finding">{article(f)}</article>' for f in diagnosis.findings)
    code = (
        f'<ol class="code" tabindex="0" aria-label="the program">{listing(diagnosis)}</ol>'
        if diagnosis.source
        else ""
    )
    body = f'{code}<div class="words">{found or _fine()}</div>'
    if diagnosis.fix() != diagnosis.source:
        body += (
            "<details><summary>the repaired "
            f"program</summary><pre>{escape(diagnosis.fix())}</pre></details>"
        )
    title = diagnosis.title or "your program"
    aside = f'<span class="muted small">{count(len(diagnosis.findings))}</span>'
    return cards.style("quiz", "doctor") + cards.card(
        "doctor", title, body, extra="doctor", aside=aside
    )


def _fine() -> str:
    return (
        "<p>None of the 25 mistakes that the doctor knows. That is no proof that it is right.</p>"
    )
