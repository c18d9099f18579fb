"""``lab.doctor``: reads a program, a function or a model, and says what is wrong with it."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from types import CodeType
from typing import Any

from ...errors import KindError, describe
from ...tf.keras.model import Model
from .case import Case
from .checks import ALL
from .diagnosis import Diagnosis
from .model import Edit, Finding, apply
from .program import Program
from .reader import Reader
from .reflow import readable, reflow, swallowed
from .running import examine
from .table import CHECKS

Names = Mapping[str, Any] | None
_ROUNDS = 12  # repairs that make room for others


def doctor(subject: Any, *inputs: Any) -> Diagnosis:
    """Look for the 25 mistakes of the table in ``docs/doctor.md``, each with its repair.

    ``subject`` is a program as text, a function, a class or a model. Text is read and never run. A
    function or a model is traced with ``inputs`` where they are given, which changes no weight.
    Nothing is said of what is not known for sure. ``.fix()`` gives the repaired program,
    ``.reflow()`` the lines of code that lost its line breaks. Raises KindError for anything else.

    >>> found = doctor("import torch\\nx = torch.tensor([1, 2], requires_grad=True)")
    >>> found.checks, found.fix().splitlines()[-1]
    (['L12'], 'x = torch.tensor([1.0, 2.0], requires_grad=True)')
    """
    if isinstance(subject, str):
        return diagnose(subject)
    if not (callable(subject) or isinstance(subject, type)):
        raise KindError(
            f"doctor(subject): expected code as text, a function, a class or a model, "
            f"got {describe(subject)}\n  of a file: lab.doctor(open('train.py').read())"
        )
    return _of_object(subject, inputs)


def diagnose(text: str, space: Names = None, after: Names = None, title: str = "") -> Diagnosis:
    """The diagnosis of a text.

    ``space`` are the names that a notebook has before the text runs, ``after`` those that it has
    then. Only kinds, shapes and dtypes are read, never numbers.
    """
    source, first = _readable(text)
    if not readable(source):
        return Diagnosis(source, first, text, text, title)
    findings = [*first, *(f.with_diff(source) for f in look(source, space, after))]
    findings.sort(key=lambda f: (f.check != "L22", f.lines, f.check))
    return Diagnosis(source, tuple(findings), repaired(source, space, after), text, title)


def look(source: str, space: Names = None, after: Names = None) -> list[Finding]:
    """Every finding in a source that can be read."""
    program = Program(source)
    case = Case(program, Reader(program, space, after))
    found: list[Finding] = []
    for check in ALL:
        for finding in check(case):
            if not any(f.check == finding.check and f.lines == finding.lines for f in found):
                found.append(finding)
    return found


def repaired(source: str, space: Names = None, after: Names = None) -> str:
    """The source with one repair after another, until none is left or none helps."""
    seen = {source}
    for _ in range(_ROUNDS):
        edits = [f.edits for f in look(source, space, after) if f.edits]
        taken: list[Edit] = []
        for group in edits:  # all of a finding, or nothing of it
            if not any(_overlap(e, t) for e in group for t in taken):
                taken += group
        tried = apply(source, taken)
        if not readable(tried) and edits:
            tried = apply(source, edits[0])
        if tried in seen or not readable(tried):
            return source
        seen.add(tried)
        source = tried
    return source


def _overlap(a: Edit, b: Edit) -> bool:
    return a != b and a.start < b.end and b.start < a.end


def _readable(text: str) -> tuple[str, tuple[Finding, ...]]:
    """The text in a form that Python can read, with the finding that it was not."""
    source = without_prompts(textwrap.dedent(text.replace("\r\n", "\n").expandtabs(4)))
    lost = swallowed(source)
    if readable(source) and not lost:
        return source, ()
    found = reflow(source)
    if found is not None:
        return found, (_lost(source, found),)
    return source, (_unreadable(source),)


def without_prompts(text: str) -> str:
    r"""What was typed at prompts, without them and what was printed; other text as it is.

    >>> without_prompts(">>> for i in (1, 2):\n...     i\n1\n2")
    'for i in (1, 2):\n    i\n\n'
    """
    lines = text.splitlines()
    if not any(line.startswith(">>> ") for line in lines):
        return text
    return "\n".join(line[4:] if line.startswith((">>> ", "... ")) else "" for line in lines)


def _lost(text: str, found: str) -> Finding:
    before, after = len(text.strip().splitlines()), len(found.splitlines())
    inside = sum(line.startswith(" ") for line in found.splitlines())
    what = "The lines of blocks are not indented."
    if before < after:
        what = f"{before} line{'s' * (before > 1)} of text for {after} lines of code."
    why = (
        f"Python reads blocks by their indentation: {inside} of the {after} lines "
        f"{'has' if inside == 1 else 'have'} to stand further in."
    )
    if not inside:
        why = "Each statement needs a line of its own, and what stands behind # is not run at all."
    check = CHECKS["L22"]
    return Finding(
        "L22", check.name, (0, 0), what, why,
        "The line breaks are restored here, and lines are counted with them: a best guess, which "
        "`.reflow()` gives you. Read it before you run it.",
    )  # fmt: skip


def _unreadable(text: str) -> Finding:
    line, what = 1, "it is no Python"
    try:
        compile(
            text, "<text>", "exec", dont_inherit=True, flags=0x400
        )  # only the tree: nothing is run
    except SyntaxError as error:
        line, what = error.lineno or 1, error.msg
    except (ValueError, RecursionError, MemoryError) as error:
        what = str(error)
    line = min(line, max(1, len(text.splitlines())))
    check = CHECKS["L22"]
    return Finding(
        "L22", check.name, (line, line), f"Python cannot read line {line}: {what}.",
        "The mistake is there or right above it: a bracket or a quote that is open, a colon that "
        "is missing, or "
        "lines that were glued together in a way that no guess undoes.",
        "Repair this line first. Nothing else was looked at.",
    )  # fmt: skip


def _of_object(subject: Any, inputs: tuple[Any, ...]) -> Diagnosis:
    written: Any = subject
    if not isinstance(subject, type) and not inspect.isroutine(subject):
        written = getattr(subject, "function", None) or type(subject)
    title = getattr(written, "__name__", "")
    source, first, space = "", 1, {}
    if getattr(written, "__module__", "").partition(".")[0] != __name__.partition(".")[0]:
        try:
            lines, first = inspect.getsourcelines(written)
            source = textwrap.dedent("".join(lines))
        except (OSError, TypeError):
            source = ""  # typed into a plain session: only the run is left
        function = inspect.unwrap(written) if callable(written) else written
        space = dict(getattr(function, "__globals__", {}))

    def line_of(origin: Any) -> int:
        if origin is None:
            return 0
        code: CodeType
        code, instruction = origin
        if code is not getattr(inspect.unwrap(written), "__code__", None):
            return 0
        lines = list(code.co_positions())
        return int(lines[instruction // 2][0] or first) - first + 1

    asked = inputs or isinstance(subject, Model)  # a compiled model of Keras knows its loss
    found = tuple(examine(subject, inputs, line_of)) if asked else ()
    shown = (
        diagnose(source, _plain(space), title=title) if source else Diagnosis("", (), "", "", title)
    )
    known = {f.check for f in shown.findings}
    more = tuple(f for f in found if f.check not in known)
    return Diagnosis(shown.source, (*shown.findings, *more), shown.fix(), source, title)


def _plain(space: Mapping[str, Any]) -> dict[str, Any]:
    """The names that hold values; modules and functions are known by their imports."""
    return {
        k: v
        for k, v in space.items()
        if not k.startswith("_") and not inspect.ismodule(v) and not callable(v)
    }
