"""Copies of the lessons for a class, and what came back."""

import csv
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from minitorch_lab import cli
from minitorch_lab.errors import ArgumentError
from minitorch_lab.lessons import content, source
from minitorch_lab.lessons.assign import POINTS, as_markdown, assign, collect, points
from minitorch_lab.lessons.check import WITHHELD

STEM = source.find_sources()["03"].stem


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class") / "new"
    assert "lessons in" in assign(folder)[0]
    return folder


def book(path: Path) -> Any:
    read = nbformat.read(path, as_version=4)
    nbformat.validate(read)
    return read


def text(path: Path) -> str:
    return "\n".join(cell.source for cell in book(path).cells)


def test_students_get_stubs_and_teachers_solutions(made: Path) -> None:
    student, teacher = made / "student", made / "instructor"
    papers = list(student.glob("*.ipynb"))
    assert len(papers) == len(list(teacher.glob("*.ipynb"))) == len(content.NUMBERS)
    for path in papers:
        assert "# your code here" in text(path)
        assert "SOLUTION" not in text(path) + text(teacher / path.name)
        assert all(not cell.get("outputs") for cell in book(path).cells)
    name = f"{STEM}.ipynb"
    assert "by_the_square" not in text(student / name)
    assert "by_the_square" in text(teacher / name)


@pytest.mark.parametrize("number", content.NUMBERS)
def test_nbgrader_finds_an_answer_and_a_check_for_each_exercise(made: Path, number: str) -> None:
    stem = source.find_sources()[number].stem
    ours = book(made / f"nbgrader/source/{stem}/{stem}.ipynb")
    theirs = book(made / f"release/{stem}/{stem}.ipynb")
    graded = {c.metadata.nbgrader.grade_id: c for c in ours.cells if "nbgrader" in c.metadata}
    out = {c.metadata.nbgrader.grade_id: c for c in theirs.cells if "nbgrader" in c.metadata}
    lesson = content.lesson(number)
    assert (
        list(graded)
        == list(out)
        == [f"{part}-{number}-{i}" for i in (1, 2, 3) for part in ("answer", "check")]
    )
    for key, exercise in lesson.exercises.items():
        answer, check = (graded[f"{part}-{key.replace('.', '-')}"] for part in ("answer", "check"))
        assert answer.metadata.nbgrader.solution
        assert not answer.metadata.nbgrader.grade
        assert source.BEGIN in answer.source
        assert "lab.check" not in answer.source
        assert check.metadata.nbgrader.points == POINTS[exercise.level]
        assert check.metadata.nbgrader.locked
        assert "assert checked.right" in check.source
        assert out[check.metadata.nbgrader.grade_id].source.startswith("checked = lab.check(")
        assert "# your code here" in out[answer.metadata.nbgrader.grade_id].source
        assert out[check.metadata.nbgrader.grade_id].metadata.editable is False
    whole = "\n".join(cell.source for cell in theirs.cells)
    assert "HIDDEN" not in whole
    assert "SOLUTION" not in whole
    assert len({cell.id for cell in ours.cells}) == len(ours.cells)


@pytest.mark.filterwarnings("default")
def test_the_check_cells_pass_with_the_solution_and_fail_with_the_stub(made: Path) -> None:
    cells = book(made / f"nbgrader/source/{STEM}/{STEM}.ipynb").cells
    for read, works in ((source.solution, True), (source.stub, False)):
        space: dict[str, Any] = {}
        exec("import minitorch_lab as lab, minitorch_lab as torch", space)  # noqa: S102
        for cell in cells:
            if "nbgrader" not in cell.metadata:
                continue
            if works or "check" not in cell.metadata.nbgrader.grade_id:
                exec(read(cell.source), space)  # noqa: S102
            else:
                with pytest.raises(AssertionError, match="Nothing to check yet"):
                    exec(cell.source, space)  # noqa: S102


def test_points_are_a_table_for_people_and_for_spreadsheets(made: Path) -> None:
    with open(made / "points.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["exercise"] for row in rows][:3] == ["00.1", "00.2", "00.3"]
    assert rows[0]["points"] == "1"
    total = sum(int(row["points"]) for row in rows)
    assert total == 6 * len(content.NUMBERS)
    assert f"{total} points in all" in (made / "points.md").read_text(encoding="utf-8")
    assert "| 03 | 03.2 | x used twice | core | 2 |" in as_markdown(points([content.lesson("03")]))


def test_some_lessons_without_solutions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a" / "b"
    assert cli.main(["assign", str(folder), "--only", "03", "--no-solutions"]) == 0
    assert "6 points in all" in capsys.readouterr().out
    assert (folder / "student" / WITHHELD).is_file()
    assert (folder / "release" / STEM / WITHHELD).is_file()
    assert not (folder / "instructor" / WITHHELD).exists()
    assert len(list((folder / "student").glob("*.ipynb"))) == 1


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "work.txt").write_text("mine")
    assert cli.main(["assign", str(tmp_path)]) == 1
    assert "nothing is overwritten" in capsys.readouterr().err
    with pytest.raises(ArgumentError, match="there already"):
        assign(tmp_path / "work.txt")
    with pytest.raises(ArgumentError, match="cannot be made"):
        assign(tmp_path / "work.txt" / "new")
    with pytest.raises(ArgumentError, match="no lesson '77'"):
        assign(tmp_path / "new", ["77"])
    assert not (tmp_path / "new").exists()


def returned(path: Path, *said: str) -> None:
    outputs = [{"output_type": "execute_result", "data": {"text/plain": [line]}} for line in said]
    cells = [{"cell_type": "code", "source": "1/0", "outputs": [output]} for output in outputs]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": cells}))


def test_what_came_back_is_read_and_not_run(tmp_path: Path) -> None:
    returned(
        tmp_path / "ada" / "03.ipynb",
        "exercise 03.1: a · not yet\n  10 is too small.",
        "exercise 03.1: a · right",
        "exercise 03.3: b · not answered yet",
        "exercise 99.1: not ours · right",
    )
    returned(tmp_path / "=cmd" / "03.ipynb")
    (tmp_path / "bad.ipynb").write_text("[1]")
    lines = "\n".join(collect(tmp_path))
    assert "ada/03.ipynb: points 1" in lines
    assert "bad.ipynb: cannot be read" in lines
    assert "a saved output can be edited" in lines
    table = (tmp_path / "marks.csv").read_text(encoding="utf-8-sig")
    assert "ada/03.ipynb,03.1,right,1" in table
    assert "ada/03.ipynb,03.3,not answered yet,0" in table
    assert "'=cmd/03.ipynb,,no exercise was run," in table


def test_an_empty_folder_has_nothing_to_collect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["assign", "--collect", str(tmp_path)]) == 1
    assert "holds no notebooks" in capsys.readouterr().err
