"""Predictions and the quiz, on Python's side."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import minitorch_lab as lab
from minitorch_lab.errors import ArgumentError
from minitorch_lab.lessons import ask, content, memory
from minitorch_lab.widgets.quiz import Predict, Quiz
from minitorch_lab.widgets.toggle import ModeToggle, mode_toggle


@pytest.fixture(autouse=True)
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "progress.json"
    monkeypatch.setenv("MINITORCH_LAB_PROGRESS", str(path))
    memory.forget()
    ask.forget()
    yield path
    memory.forget()
    ask.forget()
    lab.mode("eager")


def keep(widget: Predict, answer: str, sure: int = 50) -> None:
    """What the page does when the learner keeps an answer."""
    with widget.hold_trait_notifications():
        widget.answer = answer
        widget.sure = sure


def test_a_prediction_stands_beside_the_result(kept_in: Path) -> None:
    keep(ask.predict("03.p1"), "6", 80)
    found = ask.reveal("03.p1", lab.tensor(6.0))
    assert found.right is True
    assert repr(found).splitlines()[:2] == [
        "prediction 03.p1: the result is 6",
        "  you predicted 6 (80 % sure): right",
    ]
    data = json.loads(kept_in.read_text())
    assert data["lessons"]["03"]["predictions"]["03.p1"] == {
        "answer": "6", "sure": 80, "first_right": True, "first_sure": 80,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "right"),
    [("6", True), ("6.0", True), (" tensor(6.) ", True), ("12/2", True), ("−6", False),
     ("5", False), ("an error", False), ("6 / 0", False)],
)  # fmt: skip
def test_what_is_typed_is_understood(answer: str, right: bool) -> None:
    keep(ask.predict("03.p1"), answer)
    assert ask.reveal("03.p1", 6.0).right is right


def test_a_choice_is_compared_with_or_without_its_backticks() -> None:
    keep(ask.predict("02.p1"), "`tensor(5.)`")
    assert ask.reveal("02.p1", "tensor(5.)").right is True
    assert ask.reveal("02.p1", lab.tensor(5.0)).right is True
    keep(ask.predict("02.p1"), "`a + b`")
    assert ask.reveal("02.p1", "`tensor(5.)`").right is False


def test_without_a_prediction_there_is_only_the_result() -> None:
    found = ask.reveal("03.p1", 6.0)
    assert found.right is None
    assert "you predicted" not in repr(found)
    assert "not predicted" in found._repr_html_()


def test_a_prediction_of_another_day_shows_in_the_panel_only() -> None:
    keep(ask.predict("03.p1"), "5")
    ask.forget()
    memory.forget()
    found = ask.reveal("03.p1", 6.0)
    assert "you predicted" not in repr(found)
    assert "not this time" in found._repr_html_()
    assert ask.predict("03.p1").answer == "5"


def test_own_questions_need_no_lesson() -> None:
    widget = ask.predict("mine.1", "How many?", ["one", "two"], why="Because.")
    keep(widget, "two")
    found = ask.reveal("mine.1", "two")
    assert found.right is True
    assert "Because." in repr(found)


def test_transcripts_name_question_and_choices_and_no_answer() -> None:
    text = ask.quiz("03").transcript()
    for question in content.lesson("03").quiz:
        assert question.ask in text
        for choice in question.choices:
            assert choice.text in text
            assert choice.why not in text
    assert "  > 4  print(x.grad)" in ask.predict("03.p1").transcript()
    text = ask.predict("mine", "What is c?", ["`tensor(5.)`", "`a + b`"]).transcript()
    assert "( ) `tensor(5.)`" in text


def test_static_pictures_hold_everything_and_no_script() -> None:
    html = ask.quiz("03").static_html()
    for question in content.lesson("03").quiz:
        for choice in question.choices:
            assert choice.why.split("`")[0] in html
    assert "<script" not in html
    assert "http" not in html
    assert html.count("<details") == 9


def test_text_is_escaped_in_static_pictures() -> None:
    html = ask.predict("mine.2", "<script>x</script>", ["<b>a</b>", "`<i>`"]).static_html()
    assert "<script>x" not in html
    assert "<b>a" not in html
    assert "<code>&lt;i&gt;</code>" in html


def test_answers_of_the_quiz_are_kept() -> None:
    widget = ask.quiz("03")
    widget.answers = [[0, 1], [], [2]]
    assert memory.recall("03", "quiz", "1") == {"tries": 2, "right": True}
    assert memory.recall("03", "quiz", "2") == {}
    assert memory.recall("03", "quiz", "3") == {"tries": 1, "right": False}


def test_answers_that_no_page_sends_are_left_out() -> None:
    widget = ask.quiz("03")
    widget.answers = [[99], "x", None]
    assert memory.recall("03", "quiz", "1") == {}


def test_unknown_names_are_errors() -> None:
    with pytest.raises(ArgumentError, match=r"lesson 03 has 03\.p1"):
        ask.predict("03.p9")
    with pytest.raises(ArgumentError, match="no lesson '42'"):
        ask.quiz("42")


def test_a_widget_comes_with_text_and_picture() -> None:
    for widget in (ask.quiz("02"), ask.predict("02.p2"), ModeToggle()):
        data, _ = widget._repr_mimebundle_()
        assert data["text/plain"] == widget.transcript()
        assert data["text/html"] == widget.static_html()
        assert "0x" not in data["text/plain"]
    assert isinstance(ask.quiz("02"), Quiz)


def test_the_toggle_sets_the_mode() -> None:
    toggle = mode_toggle()
    toggle.mode = "graph"
    assert lab.mode() == "graph"
    assert "(x) graph" in toggle.transcript()
    toggle.mode = "no mode"
    assert lab.mode() == "graph"
    lab.mode("eager")
    assert mode_toggle().mode == "eager"


def test_an_answer_from_the_page_shows_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    # IPython is told of "post_execute" after a comm's message, and Matplotlib then shows what is
    # open; on another thread that breaks the figure that a cell is drawing.
    heard = []

    class Events:
        def trigger(self, name: str) -> None:
            heard.append(name)

    class Shell:
        events = Events()

    monkeypatch.setattr("IPython.get_ipython", lambda: Shell())
    widget = ask.predict("03.p1")
    data = {"method": "update", "state": {"answer": "6"}, "buffer_paths": []}
    widget.comm.handle_msg({"content": {"data": data}, "buffers": []})
    assert widget.answer == "6"
    assert heard == []
