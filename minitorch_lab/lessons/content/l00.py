"""Lesson 00: what is asked in it, and what is answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import minitorch_lab
from minitorch_lab.graph.compiler import ModeSwitch
from minitorch_lab.lessons.judges import Rule
from minitorch_lab.lessons.model import Choice, Exercise, Lesson, Prediction, Question, Wrong

lab: Any = minitorch_lab  # written as a learner writes it


def _mode_is_graph(answer: Any) -> str | None:
    if answer == "graph":
        return None
    if answer == "eager":
        return "The toggle still stands on eager."
    if isinstance(answer, str) and answer.lower() == "graph":
        return "The name of the mode is written in small letters: graph."
    return "The name of a mode is expected here: give lab.mode(), with its brackets."


def _saved(answer: Any) -> str | None:
    if callable(answer):
        return "This is the function itself. Brackets after its name run it: lab.save_progress()."
    if not isinstance(answer, (str, Path)):
        return "The name of the file is expected here, as lab.save_progress(...) gives it back."
    path = Path(answer)
    if not path.is_file():
        return "There is no file with this name yet. lab.save_progress(...) writes it."
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "This file holds something else. Let lab.save_progress(...) write it."
    if not isinstance(data, dict) or "lessons" not in data:
        return "This file holds something else. Let lab.save_progress(...) write it."
    return None


def _three_that_make_ten(answer: Any) -> str | None:
    if isinstance(answer, (list, tuple)):
        return "This is a list of Python. Wrap it to make a tensor: lab.tensor([...])."
    if not isinstance(answer, lab.Tensor):
        return "A tensor is expected here: lab.tensor([...]), with three numbers in the list."
    if tuple(answer.shape) != (3,):
        return "The sum is not looked at yet: the tensor needs exactly three entries."
    total = float(answer.sum().item())
    if abs(total - 10.0) > 1e-4:
        return f"Three entries, good. Their sum is {total:g}, and it should be 10."
    return None


LESSON = Lesson(
    number="00",
    title="Start here",
    minutes=15,
    needs=(),
    asks="What is this page, and what happens if I press something?",
    next="01",
    predictions={
        "00.p1": Prediction(
            question="A list of Python doubles its length when it is multiplied by 2. "
            "What does a tensor do?",
            code="numbers = lab.tensor([1.0, 2.0, 3.0])\nprint(numbers * 2)",
            lit=2,
            choices=(
                "`tensor([1., 2., 3., 1., 2., 3.])`",
                "`tensor([2., 4., 6.])`",
                "an error: a tensor cannot be multiplied by 2",
            ),
            result="`tensor([2., 4., 6.])`",
            why="A tensor computes with every entry. A list repeats itself, a tensor does "
            "arithmetic: that is what it is for.",
        ),
        "00.p2": Prediction(
            question="Now the tensor is multiplied by itself. What comes out?",
            code="numbers = lab.tensor([1.0, 2.0, 3.0])\nprint(numbers * numbers)",
            lit=2,
            choices=(
                "`tensor([1., 4., 9.])`",
                "`tensor(14.)`: the products are added up",
                "a table with nine products",
            ),
            result="`tensor([1., 4., 9.])`",
            why="Entry meets entry: 1 · 1, 2 · 2, 3 · 3. Sums and tables of products exist too; "
            "they have signs and names of their own.",
        ),
    },
    exercises={
        "00.1": Exercise(
            title="find the toggle",
            level="easy",
            judge=Rule(_mode_is_graph),
            right="The mode is graph now. Set the toggle back to eager when you go on.",
            also=("graph", ModeSwitch("graph")),  # the second is what lab.mode("graph") gives back
            hints=(
                "The toggle stands in section 5: two words in a frame, eager and graph.",
                "Click on graph there, then run this cell again.",
                'Without the mouse: a cell with lab.mode("graph") does the same.',
            ),
            wrong=(
                Wrong("eager", "The toggle still stands on eager."),
                Wrong("Graph", "The name of the mode is written in small letters: graph."),
                Wrong(
                    True, "The name of a mode is expected here: give lab.mode(), with its brackets."
                ),
            ),
        ),
        "00.2": Exercise(
            title="save your progress",
            level="core",
            judge=Rule(_saved),
            also=("my_progress.json", Path("my_progress.json")),
            right="Your progress is in that file. lab.load_progress(...) reads it on any machine.",
            hints=(
                "The function is called lab.save_progress. It gives back the name of the file.",
                "Give it a name for the file, as a text between quotation marks.",
                'answer = lab.save_progress("my_progress.json")',
            ),
            wrong=(
                Wrong(
                    "a_file_that_nobody_wrote.json",
                    "There is no file with this name yet. lab.save_progress(...) writes it.",
                ),
                Wrong(
                    print,
                    "This is the function itself. Brackets after its name run it: "
                    "lab.save_progress().",
                ),
                Wrong(
                    __file__,
                    "This file holds something else. Let lab.save_progress(...) write it.",
                ),
                Wrong(
                    10,
                    "The name of the file is expected here, as lab.save_progress(...) "
                    "gives it back.",
                ),
            ),
        ),
        "00.3": Exercise(
            title="three numbers that make ten",
            level="stretch",
            judge=Rule(_three_that_make_ten),
            also=(lab.tensor([-1, 5, 6]), lab.full((3,), 10 / 3), 10 * lab.eye(3)[1]),
            right="Three entries, and their sum is 10. There are many right answers; this is one.",
            hints=(
                "A tensor is made from a list: lab.tensor([1.0, 2.0, 3.0]).",
                "Change the three numbers until answer.sum() says 10.",
                "Two of them can be anything; the third is 10 minus these two.",
            ),
            wrong=(
                Wrong(
                    [2.0, 3.0, 5.0],
                    "This is a list of Python. Wrap it to make a tensor: lab.tensor([...]).",
                ),
                Wrong(
                    lab.tensor([10.0]),
                    "The sum is not looked at yet: the tensor needs exactly three entries.",
                ),
                Wrong(
                    lab.tensor([1.0, 2.0, 3.0]),
                    "Three entries, good. Their sum is 6, and it should be 10.",
                ),
                Wrong(
                    10.0,
                    "A tensor is expected here: lab.tensor([...]), with three numbers in the list.",
                ),
            ),
        ),
    },
    quiz=(
        Question(
            title="order",
            ask="You open a notebook and run only its last cell. It says that a name is not "
            "defined. What helps?",
            choices=(
                Choice(
                    "running the cells above it first",
                    "The name is made in a cell above. Cells know what ran before them, not what "
                    "stands above them.",
                    right=True,
                ),
                Choice(
                    "running the last cell again",
                    "It would say the same: the name still does not exist.",
                ),
                Choice(
                    "closing the browser",
                    "That loses nothing and helps nothing: the name still does not exist.",
                ),
            ),
        ),
        Question(
            title="predict, run, explain",
            ask="Why guess before running a cell?",
            choices=(
                Choice(
                    "because wrong guesses are counted against you",
                    "Nobody counts them. Your predictions stay in a file on your own machine.",
                ),
                Choice(
                    "because a surprise shows where your picture of the program is wrong",
                    "A result that you expected teaches little. The gap between guess and result "
                    "is where you learn.",
                    right=True,
                ),
                Choice(
                    "because the cell runs faster afterwards",
                    "The cell does not know about your guess.",
                ),
            ),
        ),
        Question(
            title="two modes",
            ask="In which mode does every op run at the moment when its line runs?",
            choices=(
                Choice(
                    "in graph mode",
                    "Graph mode writes down the whole function first, and then runs it as a plan.",
                ),
                Choice(
                    "in eager mode",
                    "Eager means at once: a line runs, and its result is there.",
                    right=True,
                ),
                Choice(
                    "in both",
                    "The results are the same in both. When the work is done differs.",
                ),
            ),
        ),
    ),
)
