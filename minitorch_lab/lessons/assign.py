"""Copies of the lessons for a class: ``minitorch-lab assign FOLDER``.

All of them are made from the lessons' texts, so a stub and its solution cannot drift apart:

- ``student``: notebooks with stubs and without outputs;
- ``instructor``: the same with the solutions;
- ``nbgrader/source``: solutions between nbgrader's markers, and nbgrader's metadata in the cells;
  ``nbgrader generate_assignment`` takes it from there;
- ``release``: what nbgrader makes of that for students, so that it need not be installed;
- ``points.csv`` and ``points.md``: what each exercise counts.

`collect` reads returned notebooks and runs nothing of them: it lists what their saved outputs say.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import ArgumentError
from . import build, content, source
from .check import CLASS, WITHHELD
from .model import Exercise, Lesson

POINTS = {"easy": 1, "core": 2, "stretch": 3}
HIDDEN, SHOWN_AGAIN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
CHECK = re.compile(r'^lab\.check\("(?P<key>[^"]+)", (?P<answer>.+)\)$')
SAID = re.compile(r"^exercise (\S+): .* · (right|not yet|not answered yet)$", re.MULTILINE)
COLUMNS = ("lesson", "exercise", "title", "level", "points")
CONFIG = '''"""Settings of nbgrader for these lessons: nbgrader generate_assignment NAME."""

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "minitorch-lab"
c.ClearSolutions.code_stub = {"python": "# your code here"}
'''
AS_IT_IS = "minitorch-lab --lessons opens this folder as it is, and adds no lesson to it.\n"
KEPT = "In this class, solutions are with the teacher: lab.solution shows none in this folder.\n"


def assign(folder: Path, numbers: Sequence[str] = (), *, solutions: bool = True) -> list[str]:
    """Write the copies into ``folder``; the lines that say what is where.

    ``numbers`` chooses lessons, otherwise all. Without ``solutions``, `lab.solution` shows none
    where the student copies are. Raises ArgumentError where the folder holds something already.
    """
    sources = source.find_sources()
    chosen = [content.lesson(number) for number in (numbers or content.NUMBERS)]
    _new_folder(folder)
    for lesson in chosen:
        path = sources[lesson.number]
        cells = source.read(path)
        graded = nbgrader_cells(cells, lesson)
        name = path.stem
        for place, book in {
            f"student/{name}": build.notebook(cells, lesson.number, solved=False),
            f"instructor/{name}": build.notebook(cells, lesson.number, solved=True),
            f"nbgrader/source/{name}/{name}": graded,
            f"release/{name}/{name}": released(graded),
        }.items():
            target = folder / f"{place}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            build.write(book, target)
            if not solutions and place.startswith(("student/", "release/")):
                (target.parent / WITHHELD).write_text(KEPT, encoding="utf-8")
    for place in ("student", "instructor"):
        (folder / place / CLASS).write_text(AS_IT_IS, encoding="utf-8")
    (folder / "nbgrader" / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    rows = points(chosen)
    write_csv(folder / "points.csv", COLUMNS, rows)
    (folder / "points.md").write_text(as_markdown(rows), encoding="utf-8")
    return [
        f"{len(chosen)} lessons in {folder}",
        "  student/      to hand out: stubs, no outputs",
        "  instructor/   with solutions: for you",
        "  release/      for students, in nbgrader's form",
        "  nbgrader/     its source, if you mark with nbgrader: nbgrader generate_assignment NAME",
        f"  points.csv, points.md   {sum(int(row[-1]) for row in rows)} points in all",
        f"Open {chosen[0].number} as a student sees it:",
        f"  minitorch-lab --lessons {shlex.quote(str(folder / 'student'))}",
    ]


def _new_folder(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArgumentError(
            f"{folder} is there already, and nothing is overwritten\n"
            "  name a new folder, or empty this one"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(
            f"{folder} cannot be made\n  the system says: {error.strerror}"
        ) from error


# -- nbgrader -------------------------------------------------------------------------------------


def nbgrader_cells(cells: list[source.Cell], lesson: Lesson) -> dict[str, Any]:
    """A notebook for nbgrader: each exercise's cell becomes an answer and a check with points."""
    book = build.notebook(cells, lesson.number, solved=False)
    made: list[dict[str, Any]] = []
    for cell, entry in zip(cells, book["cells"], strict=True):
        found = CHECK.search(cell.text.splitlines()[-1]) if cell.kind == "code" else None
        if found is None:
            made.append(entry)
            continue
        key = found["key"]
        answer = "\n".join(cell.text.splitlines()[:-1]).rstrip()
        made += [
            _graded(entry, "answer", key, answer),
            _graded(entry, "check", key, _checking(found), lesson.exercises[key]),
        ]
    return book | {"cells": made}


def _checking(found: re.Match[str]) -> str:
    """The check as a cell of its own; that it is right is asked where students do not see it."""
    return "\n".join(
        [
            f'checked = lab.check("{found["key"]}", {found["answer"]})',
            HIDDEN,
            "assert checked.right, checked.says",
            SHOWN_AGAIN,
            "checked",
        ]
    )


def _graded(
    entry: dict[str, Any], part: str, key: str, text: str, exercise: Exercise | None = None
) -> dict[str, Any]:
    marks: dict[str, Any] = {
        "schema_version": 3,
        "grade_id": f"{part}-{key.replace('.', '-')}",
        "solution": exercise is None,
        "grade": exercise is not None,
        "locked": exercise is not None,
        "task": False,
    }
    if exercise is not None:
        marks["points"] = POINTS[exercise.level]
    return entry | {
        "id": f"{entry['id']}-{part}",
        "metadata": entry["metadata"] | {"nbgrader": marks},
        "source": text.splitlines(keepends=True),
    }


def released(book: dict[str, Any]) -> dict[str, Any]:
    """The same notebook for students: stubs for solutions, and no hidden test."""
    cells = []
    for cell in book["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            text = source.stub(re.sub(f"{HIDDEN}\n.*?{SHOWN_AGAIN}\n", "", text, flags=re.DOTALL))
        metadata = cell["metadata"]
        if marks := metadata.get("nbgrader"):
            metadata = metadata | {"deletable": False, "editable": not marks["locked"]}
        cells.append(cell | {"metadata": metadata, "source": text.splitlines(keepends=True)})
    return book | {"cells": cells}


# -- points ---------------------------------------------------------------------------------------


def points(lessons: Iterable[Lesson]) -> list[tuple[str, ...]]:
    """A row for each exercise: `COLUMNS` says what is in it."""
    return [
        (lesson.number, key, exercise.title, exercise.level, str(POINTS[exercise.level]))
        for lesson in lessons
        for key, exercise in lesson.exercises.items()
    ]


def as_markdown(rows: Sequence[tuple[str, ...]]) -> str:
    """The points as a table, with the sum below."""
    lines = [COLUMNS, tuple("---" for _ in COLUMNS), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"# Points\n\n{table}\n\n{sum(int(row[-1]) for row in rows)} points in all.\n"


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table that a spreadsheet opens; no cell of it is taken for a formula."""
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            writer.writerow(
                ["'" + cell if cell[:1] in "=+-@\t\r" and cell else cell for cell in row]
            )


# -- collecting -----------------------------------------------------------------------------------


def said(path: Path) -> dict[str, str]:
    """What a saved notebook's outputs say of its exercises. Raises ArgumentError."""
    try:
        book = json.loads(path.read_text(encoding="utf-8"))
        cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
        texts = [
            "".join(output.get("data", {}).get("text/plain", ""))
            for cell in cells
            for output in cell["outputs"]
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ArgumentError(f"{path} cannot be read as a notebook") from error
    return {key: state for text in texts for key, state in SAID.findall(text)}


def collect(folder: Path) -> list[str]:
    """List what returned notebooks say of their exercises, in ``marks.csv``; runs none of them.

    Raises ArgumentError where the folder holds no notebook.
    """
    paths = sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    if not paths:
        raise ArgumentError(f"{folder} holds no notebooks\n  name the folder of what came back")
    rows: list[tuple[str, ...]] = []
    lines = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            found = said(path)
        except ArgumentError:
            rows.append((name, "", "cannot be read", ""))
            lines.append(f"  {name}: cannot be read as a notebook")
            continue
        marks = [(name, key, state, _earned(key, state)) for key, state in sorted(found.items())]
        rows += marks or [(name, "", "no exercise was run", "")]
        lines.append(f"  {name}: points {sum(int(mark[-1]) for mark in marks)}")
    write_csv(folder / "marks.csv", ("notebook", "exercise", "says", "points"), rows)
    return [
        f"{len(paths)} notebooks, read and not run; the table is {folder / 'marks.csv'}",
        *lines,
        "These are the notebooks' own words, and a saved output can be edited. Where marks count,",
        "let nbgrader run them again, in a container: what a student wrote should not run as you.",
    ]


def _earned(key: str, state: str) -> str:
    try:
        exercise = content.exercise(key)
    except ArgumentError:
        return "0"
    return str(POINTS[exercise.level]) if state == "right" else "0"
