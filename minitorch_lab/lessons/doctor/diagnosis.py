"""What the doctor says: findings to be read, and the repaired program."""

from __future__ import annotations

import textwrap
from html import escape
from typing import Any

from ...widgets import cards
from .model import Finding, apply, diff
from .reflow import reflow

_WIDTH = 88


class Diagnosis:
    """What was found in a program, in the order of its lines.

    ``findings`` holds a `Finding` for each; ``source`` is what was read, with its line breaks
    restored where they were lost; ``fixed`` is the repaired program.
    """

    def __init__(
        self, source: str, findings: tuple[Finding, ...], fixed: str, given: str, title: str
    ) -> None:
        self.source, self.findings, self.title = source, findings, title
        self._fixed, self._given = fixed, given

    def fix(self) -> str:
        """The source with all repairs that can be applied.

        What has none, because only you know what is meant, is left as it is: the diagnosis of the
        result says what is still to be done.
        """
        return self._fixed

    def reflow(self) -> str:
        """The source with the line breaks and the indentation that it lost."""
        return reflow(self._given) or self._given

    def diff(self) -> str:
        """All that `fix` changes, as lines with ``-`` and ``+``."""
        return diff(self._given, self._fixed)

    @property
    def checks(self) -> list[str]:
        """The numbers of what was found: ``["L01", "L15"]``."""
        return sorted({f.check for f in self.findings})

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Any:
        return iter(self.findings)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return transcript(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget()._repr_mimebundle_(**kwargs)

    def widget(self, space: Any = None) -> Any:
        """The panel that a notebook shows."""
        from .panel import DoctorPanel

        return DoctorPanel(self)


def where(finding: Finding) -> str:
    """``line 3``, ``lines 3 to 5``, or nothing."""
    first, last = finding.lines
    if not first:
        return ""
    return f"line {first}" if first == last else f"lines {first} to {last}"


def note(finding: Finding) -> str:
    """``a note``, or nothing for a mistake."""
    return "a note" if finding.kind == "note" else ""


def count(n: int) -> str:
    """``nothing``, ``one finding``, ``3 findings``."""
    return "nothing found" if n == 0 else "1 finding" if n == 1 else f"{n} findings"


def transcript(diagnosis: Diagnosis) -> str:
    """The findings in words."""
    title = f" of {diagnosis.title}" if diagnosis.title else ""
    parts = [f"doctor{title}: {count(len(diagnosis.findings))}"]
    lines = diagnosis.source.splitlines()
    for f in diagnosis.findings:
        place = where(f)
        parts += ["", ", ".join(filter(None, [f"{f.check} {f.name}", place, note(f)]))]
        first, last = f.lines
        for number in range(first, min(last, first + 5) + 1) if first else ():
            if number <= len(lines):
                parts.append(f"  > {number}  {lines[number - 1]}")
        parts += [_wrapped(f.what), _wrapped(f.why)]
        parts += [f"    {words}: {value}" for words, value in f.measured]
        parts.append(_wrapped(f.do))
        if f.diff:
            parts.append(textwrap.indent(f.diff, "    "))
    return "\n".join(parts)


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False
    )


def listing(diagnosis: Diagnosis) -> str:
    """The program as HTML, a row for each line, with the lines lit that were found."""
    lit: dict[int, list[str]] = {}
    for at, f in enumerate(diagnosis.findings):
        for number in range(f.lines[0], f.lines[1] + 1) if f.lines[0] else ():
            lit.setdefault(number, []).append(str(at))
    rows = []
    for number, line in enumerate(diagnosis.source.splitlines(), 1):
        found = lit.get(number)
        facts = f' class="lit" data-found="{" ".join(found)}"' if found else ""
        rows.append(f"<li{facts}>{escape(line) or ' '}</li>")
    return "".join(rows)


def changed(text: str) -> str:
    """A diff as HTML: what goes, what comes, and what stays."""
    rows = []
    for line in text.splitlines():
        mark, rest = line[:1], escape(line[1:])
        kind = {"-": ("del", "goes"), "+": ("ins", "comes")}.get(mark)
        if kind is None:
            rows.append(f'<span class="row"><span class="mark"> </span>{rest}</span>')
        else:
            rows.append(
                f'<{kind[0]} class="row"><span '
                f'class="mark">{"−" if mark == "-" else "+"}</span>{rest}</{kind[0]}>'
            )
    return "".join(rows)


def article(finding: Finding) -> str:
    """One finding as HTML."""
    place = ", ".join(filter(None, [where(finding), note(finding)]))
    badge = "badge" if note(finding) else "badge grad"
    rows = "".join(
        f'<tr><td>{cards.rich(words)}</td><td class="n">{escape(value)}</td></tr>'
        for words, value in finding.measured
    )
    measured = (
        '<table class="measured"><caption class="muted small">measured '
        f"here</caption><tbody>{rows}</tbody></table>"
        if rows
        else ""
    )
    repair = (
        '<pre class="diff" tabindex="0" aria-label="the repair of '
        f'{finding.check}">{changed(finding.diff)}</pre>'
        if finding.diff
        else ""
    )
    return (
        f'<h3><span class="{badge}">{finding.check}</span> {escape(finding.name)}'
        f'<span class="muted">{place}</span></h3>'
        f"<p>{cards.rich(finding.what)}</p><p class='why'>{cards.rich(finding.why)}</p>{measured}"
        f"<p>{cards.rich(finding.do)}</p>{repair}"
    )


__all__ = ["Diagnosis", "apply", "article", "changed", "count", "listing", "transcript", "where"]
