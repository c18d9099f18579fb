"""The room in which lesson A1 runs the articles' programs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from minitorch_lab.errors import ArgumentError
from minitorch_lab.lessons import museum


def test_an_error_ends_the_program_and_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    left = museum.run("a = 1\nprint(a)\nb = a / 0\nc = 2")
    assert capsys.readouterr().out == "1\nIt stops. ZeroDivisionError: division by zero\n"
    assert left["a"] == 1
    assert "c" not in left


def test_a_program_that_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    museum.run("b = a + 1", a=1)
    assert capsys.readouterr().out == "It runs, and prints nothing.\n"


def test_what_differs_each_time_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    museum.run("print('15/15 ━━ 1s 65ms/step - loss: 1.9422 - val_loss: 0.0071')", digits=2)
    assert capsys.readouterr().out == "15/15 ━━ - loss: 1.94 - val_loss: 0.01\n"


def test_folder_and_data_are_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINITORCH_LAB_DATA", raising=False)
    here = Path.cwd()
    left = museum.run("import os\nfolder = os.getcwd()\nraise ValueError")
    assert Path(left["folder"]) != here == Path.cwd()
    assert "MINITORCH_LAB_DATA" not in os.environ


def test_an_unknown_program_says_which_there_are() -> None:
    with pytest.raises(ArgumentError, match=r"no program 'C9'\n  there are C0a, C0b, C1a"):
        museum.program("C9")


def test_the_lesson_shows_each_program() -> None:
    page = (Path(museum.__file__).parent / "text" / "A1_museum_of_the_article_code.md").read_text(
        encoding="utf-8"
    )
    shown = re.findall(r'museum\.program\("(\w+)"\)\)\nprint\(', page)
    assert shown == sorted(p.stem for p in museum.WRITTEN.glob("*.txt"))
