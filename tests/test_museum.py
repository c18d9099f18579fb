"""The room in which lesson A1 runs the articles' programs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import creation
from minitorch_lab.errors import ArgumentError
from minitorch_lab.lessons import museum
from minitorch_lab.lessons.drawn import Pair
from minitorch_lab.tf import config


def test_an_error_ends_the_program_and_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    left = museum.run("a = 1\nprint(a)\nb = a / 0\nc = 2")
    assert capsys.readouterr().out == "1\nIt stops. ZeroDivisionError: division by zero\n"
    assert left["a"] == 1
    assert "c" not in left


def test_a_program_that_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    museum.run("b = a + 1", a=1)
    assert capsys.readouterr().out == "The program runs, and prints nothing.\n"


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


# Graphs ------------------------------------------------------------------------------------------


def graphs(name: str, **more: Any) -> Pair:
    return museum.graphs(lab.doctor(museum.program(name)), **more)


def ops(pair: Pair, side: int) -> list[str]:
    view = pair.sides[side].view
    return [node.label for node in view.nodes if node.op] if view else []


def words(pair: Pair) -> list[str]:
    """The lines of what only one of the two graphs has."""
    return re.findall(r"^(?:gone|new): .+$", repr(pair), re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "before", "after", "changed"),
    [
        ("C0a", ["linear", "mse_loss"], ["sum", "linear", "mse_loss"], ["target", "sum"]),
        (
            "C1b",
            ["conv2d", "relu", "max_pool2d", "reshape", "linear stops"],
            ["conv2d", "relu", "max_pool2d", "reshape", "linear", "cross_entropy"],
            ["weight", "weight"],
        ),
        ("C4e", ["pow", "mean", "pow", "mean"], ["pow", "mean"], ["2", "pow", "mean"]),
    ],
)
def test_the_graph_of_the_first_step_before_and_after(
    name: str, before: list[str], after: list[str], changed: list[str]
) -> None:
    pair = graphs(name)
    assert ops(pair, 0) == before
    assert ops(pair, 1) == after
    assert [line.split()[1] for line in words(pair)] == changed
    assert pair.words == ""


def test_a_call_that_fails_is_the_last_box_with_what_came_and_what_was_expected() -> None:
    pair = graphs("C1b")
    side = pair.sides[0]
    assert side.failed is not None
    assert side.view is not None
    shapes = [side.view.node(i).shape for i in side.failed.inputs]
    assert shapes == [(32, 5408), (10, 4608), (10,)]
    assert side.said()[0].startswith("Here it stops. ShapeError: linear(input, weight, bias): ")
    assert "got 4608 and 5408" in side.said()[0]
    page = pair._repr_html_()
    assert page.count("<svg") == 2
    assert ">linear stops<" in page
    assert ">inner sizes differ<" in page
    assert page.count('data-mark="c1" role') == 1


def test_a_name_that_is_gone_is_drawn_with_the_tensors_of_its_call() -> None:
    pair = graphs("C0b")
    assert ops(pair, 0) == ["matmul", "add", "mean_squared_error stops"]
    assert ops(pair, 1)[-1] == "mean"
    assert words(pair) == ["gone: target #6", "new: sum #2"]  # the rest had not been reached


def test_an_op_whose_error_was_caught_is_not_blamed_for_a_later_one() -> None:
    caught = """import torch
a = torch.ones(2)
b = a * 3
try:
    a @ torch.ones(3)
except RuntimeError:
    pass
b.nothing()"""
    side = museum.graphs(lab.doctor(caught)).sides[0]
    assert side.failed is not None
    assert side.failed.label == "nothing stops"
    assert side.failed.note == "AttributeError"


def test_a_session_is_drawn_with_the_programs_own_names() -> None:
    text = lab.doctor(museum.program("C3a")).reflow()
    old = text.replace("import tensorflow as tf", "import tensorflow.compat.v1 as tf")
    pair = graphs("C3a", before=old)
    assert words(pair) == ["gone: softmax #6", "new: labels #6"]
    assert "Then it stops. NameError" in repr(pair)
    assert [node.name for node in pair.sides[0].view.nodes if node.op][2:3] == ["y"]  # type: ignore[union-attr]


def test_a_program_that_stops_before_its_first_op_says_so() -> None:
    pair = graphs("C3a")
    assert pair.sides[0].view is None
    assert "There is no graph" in repr(pair)
    assert "Before that it stops. AttributeError" in pair._repr_html_()
    arrays = SimpleNamespace(images=np.zeros((480, 784)), labels=np.zeros(480))
    given = graphs("C3b", mnist=SimpleNamespace(train=arrays))
    assert ops(given, 0) == ["linear stops"]
    assert words(given) == ["gone: array #1", "new: input #1", "new: to #2"]


@pytest.mark.parametrize("name", ["C1a", "C4b"])
def test_a_repair_that_changes_no_op_says_so(name: str) -> None:
    pair = graphs(name)
    assert ops(pair, 0) == ops(pair, 1) != []
    assert pair.words == "The repair changes nothing in the graph."
    assert pair._repr_html_().count("<svg") == 2


@pytest.mark.parametrize("name", ["C2a", "C4a", "C4c", "C4d", "C4f"])
def test_nothing_to_repair_is_one_graph(name: str) -> None:
    pair = graphs(name)
    assert pair.words == "Nothing to repair: before and after are one."
    assert pair._repr_html_().count("<svg") == (name != "C4c")


def test_a_drawn_program_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    graphs("C1a")
    assert capsys.readouterr().out == ""
    assert not config.functions_run_eagerly()
    x = creation.ones(2, requires_grad=True)
    (x * 2).sum().backward()  # no recorder is left that would end it
    assert x.grad is not None
    assert graphs("C1a").__repr__() == graphs("C1a").__repr__()  # the same names each time
