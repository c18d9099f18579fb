"""The lessons: their checkers, their texts, their notebooks."""

import ast
import dataclasses
import json
import random
import re
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import minitorch_lab as lab
from minitorch_lab.errors import ArgumentError
from minitorch_lab.lessons import ask, build, content, memory, source
from minitorch_lab.lessons import check as check_function
from minitorch_lab.lessons.check import WITHHELD, judge, restart
from minitorch_lab.lessons.course import Predictions, hours, predictions, progress
from minitorch_lab.lessons.guard import TooLong, limited
from minitorch_lab.lessons.judges import Function, Number, Rule, Values, call, show
from minitorch_lab.lessons.judges import number as in_short
from minitorch_lab.lessons.model import Wrong
from minitorch_lab.lessons.start import start

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LESSONS = {n: content.lesson(n) for n in content.NUMBERS}
EXERCISES = {k: e for lesson in LESSONS.values() for k, e in lesson.exercises.items()}
SOURCES = source.find_sources()


@pytest.fixture(autouse=True)
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test begins with no progress, and keeps it in a folder of its own."""
    path = tmp_path / "data" / "progress.json"
    monkeypatch.setenv("MINITORCH_LAB_PROGRESS", str(path))
    memory.forget()
    ask.forget()
    restart()
    yield path
    memory.forget()
    ask.forget()


def cells(number: str) -> list[source.Cell]:
    return source.read(SOURCES[number])


def code(number: str) -> list[source.Cell]:
    return [cell for cell in cells(number) if cell.kind == "code"]


def prose(number: str) -> str:
    return "\n\n".join(cell.text for cell in cells(number) if cell.kind == "markdown")


# Checkers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", EXERCISES)
def test_each_known_wrong_answer_gets_its_own_words(key: str) -> None:
    exercise = EXERCISES[key]
    heard = []
    for wrong in exercise.wrong:
        verdict = judge(key, wrong.answer)
        assert verdict.right is False, f"{key}: {wrong.answer!r} passes"
        assert verdict.says == wrong.says
        heard.append(verdict.says)
    assert len(heard) >= 3
    assert len(set(heard)) == len(heard), f"{key}: two wrong answers get the same words"


@pytest.mark.parametrize("key", EXERCISES)
def test_right_answers_that_are_written_in_another_way_pass(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exercise = EXERCISES[key]
    monkeypatch.chdir(tmp_path)
    lab.lessons.save_progress("my_progress.json")  # 00.2 asks for it
    others = list(exercise.also)
    if isinstance(exercise.judge, Number | Values):
        want = exercise.judge.expected
        others += [
            lab.tensor(want),
            np.asarray(want),
            np.float64(want) if np.ndim(want) == 0 else want,
        ]
    assert len(others) >= 2, f"{key}: `also` needs two right answers"
    for other in others:
        verdict = judge(key, other)
        assert verdict.right is True, f"{key}: {other!r} is refused: {verdict}"


@pytest.mark.parametrize("key", EXERCISES)
def test_no_answer_yet_is_neither_right_nor_wrong_nor_a_try(key: str) -> None:
    found = check_function(key, ...)
    assert found.right is None
    assert found.tries == 0
    assert "not answered yet" in repr(found)


@pytest.mark.parametrize("key", EXERCISES)
def test_a_wrong_answer_does_not_show_the_right_one_for_a_number(key: str) -> None:
    exercise = EXERCISES[key]
    if isinstance(exercise.judge, Number):
        text = repr(check_function(key, exercise.judge.expected + 1e5))
        assert in_short(exercise.judge.expected) not in re.sub(r"\d\d\.\d|there are \d", "", text)


@pytest.mark.parametrize("key", EXERCISES)
def test_an_answer_of_any_kind_gets_words_and_no_traceback(key: str) -> None:
    for answer in ("x", 3, 2.5, [1, [2]], {}, None, object(), print, lab.tensor([1.0]), b"x"):
        found = check_function(key, answer)
        assert found.right in (False, None) or key == "02.1"
        assert found.says
        assert "object at 0x" not in repr(found)


def test_exercises_are_easy_core_and_stretch_with_three_hints() -> None:
    for lesson in LESSONS.values():
        assert [e.level for e in lesson.exercises.values()] == ["easy", "core", "stretch"]
        assert list(lesson.exercises) == [f"{lesson.number}.{i}" for i in (1, 2, 3)]
        for exercise in lesson.exercises.values():
            assert len(exercise.hints) == 3


def test_a_function_is_compared_on_all_inputs_and_shown_in_a_table() -> None:
    found = check_function("03.2", lambda x: x**2)
    assert "the path through the square" in found.says
    assert "At x = 0.5 your answer is 0.25; it should be 1.75." in repr(found)
    assert "  2         16       4          −12" in repr(found)
    assert "<td" in found._repr_html_()


def test_an_unknown_wrong_function_hears_how_many_inputs_are_right() -> None:
    found = check_function("03.2", lambda x: 16.0 if x == 2 else x)
    assert found.says == "Right for 1 of 3 inputs."
    assert "At x = 0.5 your answer is 0.5; it should be 1.75." in repr(found)


def test_a_function_that_raises_or_returns_nothing_is_told_so() -> None:
    assert "stopped for x = −1" in check_function("03.2", lambda x: x / (x + 1)).says
    assert "ZeroDivisionError" in repr(check_function("03.2", lambda x: x / (x + 1)))
    assert "returns nothing" in check_function("03.2", lambda x: None).says
    assert "returns a text" in check_function("03.2", lambda x: "6").says
    assert "without brackets" in repr(check_function("03.2", 6.0))


def test_an_error_is_shown_with_the_line_that_raised_it() -> None:
    def divides(x: float) -> float:
        return x / 0

    detail = judge("03.2", divides).detail
    assert re.fullmatch(
        r"In line \d+, `return x / 0`, it raised ZeroDivisionError: float division by zero", detail
    )
    assert "calls itself again and again" in judge("03.2", lambda x: again(x)).detail
    assert "called with 1 argument here" in judge("03.2", lambda x, y: x).says
    assert "`<lambda>(x, y)`" in judge("03.2", lambda x, y: x).detail
    assert "SystemExit" in judge("03.2", lambda x: sys.exit()).detail


def again(x: float) -> float:
    return again(x)


def right(x: float) -> float:
    return 2 * x * (x + 1) + x**2


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("where", ["main thread", "another thread"])
def test_a_function_that_never_ends_is_stopped(where: str) -> None:
    def forever(x: float) -> float:
        while True:
            pass

    def stubborn(x: float) -> float:
        while True:
            try:
                x += 1.0
            except BaseException:  # noqa: BLE001
                continue

    def busy(x: float) -> float:
        matrix = np.eye(60)
        while True:
            matrix = matrix @ matrix

    def asleep(x: float) -> float:
        time.sleep(60)
        return x

    def many_lines(x: float) -> float:
        while True:
            print(x)

    asked = [forever, stubborn, busy, many_lines]
    if where == "main thread":
        asked.append(asleep)
    for function in asked:
        before, began = threading.active_count(), time.perf_counter()
        verdict = elsewhere_or_here(where, function)
        assert time.perf_counter() - began < 10
        assert verdict.says.startswith("Your function had not ended for x = −1 after 0.3 seconds")
        assert "while" in verdict.detail
        assert threading.active_count() == before, "a thread is left"
        assert sum(range(10**5)) == 4999950000  # nothing is raised afterwards
        assert judge("03.2", right).right is True


def elsewhere_or_here(where: str, function: Any) -> Any:
    exercise = EXERCISES["03.2"]
    quick = dataclasses.replace(exercise.judge, seconds=0.3)
    if where == "main thread":
        return quick.judge(function, exercise.wrong)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(quick.judge, function, exercise.wrong).result()


def test_the_end_and_the_deadline_may_come_together() -> None:
    outcomes = set()
    for i in range(60):
        rest = 0.0005 * (i % 6)
        try:
            outcomes.add(limited(lambda: wait_busily(0.01 + rest - 0.001), 0.01))
        except TooLong:
            outcomes.add("too long")
        wait_busily(0.002)  # what came too late would come here
    assert outcomes <= {"done", "too long"}


def wait_busily(seconds: float) -> str:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    return "done"


@pytest.mark.slow
def test_a_kernel_lives_on_after_an_answer_that_never_ends() -> None:
    cells = [
        "import time, threading\nfrom minitorch_lab.lessons.judges import Function\n"
        "judge = Function(abs, [(-1.0,)], seconds=0.3).judge",
        "def forever(x):\n    while True:\n        pass\n\njudge(forever, ()).says",
        "judge(lambda x: time.sleep(60), ()).says",
        "6 * 7, [t.name for t in threading.enumerate() if 'limit' in t.name]",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    NotebookClient(book, timeout=60).execute()
    said = [cell.outputs[0].data["text/plain"] for cell in book.cells[1:]]
    assert "had not ended for x = −1 after 0.3 seconds" in said[0]
    assert said[1] == said[0]
    assert said[2] == "(42, [])"


def test_a_learners_own_interrupt_is_passed_on() -> None:
    def pressed() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        limited(pressed)


def test_a_rule_that_never_ends_is_stopped_too() -> None:
    verdict = Rule(lambda function: function(), seconds=0.3).judge(lambda: wait_busily(60), ())
    assert verdict.says.startswith("The check of your answer had not ended after 0.3 seconds")


def test_a_rule_says_what_goes_wrong_in_a_function_that_it_calls() -> None:
    rule = Rule(lambda function: None if call(function, 1.0, where="t = 1") else "zero")
    assert rule.judge(lambda t: t, ()).right is True
    assert rule.judge(lambda t: t - 1, ()).says == "zero"
    assert rule.judge(lambda t: 1 / (t - 1), ()).says == "Your function stopped for t = 1."
    assert rule.judge(lambda t: t ^ 0.5, ()).detail.endswith("two stars: x**2")
    assert rule.judge(lambda t: None, ()).says == "Your function returns nothing for t = 1."
    assert rule.judge(lambda t: ..., ()).right is None
    assert "changes its input" in Rule(lambda f: call(f, [1])).judge(lambda x: x.clear(), ()).says
    bare = Rule(lambda function: function(1.0)).judge(lambda t: t / 0, ())
    assert bare.says == "Your answer stopped."
    assert "ZeroDivisionError" in bare.detail


@pytest.mark.parametrize(
    "made", [lambda: [1.0, 2.0], lambda: np.ones(2), lambda: lab.ones(2), lambda: {"a": [1.0]}]
)
def test_a_function_may_not_change_its_input(made: Any) -> None:
    def changes(x: Any) -> float:
        if isinstance(x, dict):
            x["a"].append(3.0)
        else:
            x[0] = 5.0
        return 1.0

    function = Function(lambda x: 1.0, lambda: [(made(),)])
    verdict = function.judge(changes, ())
    assert verdict.says.startswith("Your function changes its input for x = ")
    assert ".clone()" in verdict.detail if hasattr(made(), "clone") else ".copy()" in verdict.detail
    assert dataclasses.replace(function, changes_input=True).judge(changes, ()).right is True
    assert function.judge(lambda x: 1.0, ()).right is True


def test_printing_instead_of_returning_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = judge("03.2", lambda x: print(right(x)))
    assert verdict.says == "Your function prints its answer, and returns nothing."
    assert "`return` for `print`" in verdict.detail
    assert capsys.readouterr().out == "1.0\n"  # what was printed is seen

    def looks(x: float) -> float:
        print("x is", x)
        return right(x)

    assert judge("03.2", looks).right is True
    assert "x is 0.5" in capsys.readouterr().out


def test_answers_that_are_written_down_are_found_out() -> None:
    table = {-1.0: 1.0, 0.5: 1.75, 2.0: 16.0}
    verdict = judge("03.2", lambda x: table.get(x, 0.0))
    assert verdict.says == "Right for the 3 inputs of the check, and not for others."
    assert re.search(r"At x = \S+ your answer is 0; it should be \S+\.", verdict.detail)
    assert judge("03.2", lambda x: 3.0).says == "Your function gives 3 for every x."
    chosen = Function(
        lambda n: n * n, [(1,), (2,)], fresh=lambda chance: (int(chance.integers(3, 9)),)
    )
    assert chosen.judge(lambda n: n**2, ()).right is True
    assert chosen.judge(lambda n: {1: 1, 2: 4}.get(n, 0), ()).right is False


def test_the_smallest_failing_input_is_the_one_in_words() -> None:
    inputs = [([9.0, 1.0, 4.0],), ([5.0],), ([2.0, 2.0],), ([1.0, 1.0],)]
    verdict = Function(lambda x: sorted(x)[0], inputs).judge(lambda x: x[0] * 2, ())
    assert verdict.detail.startswith("At x = [5] your answer is 10")


def test_an_answer_of_the_wrong_kind_hears_what_to_do() -> None:
    assert "write brackets after its name" in judge("03.1", right).detail
    assert "Leave the quotation marks out" in judge("03.1", "12").detail
    assert "not a number" in judge("03.1", float("nan")).says


def test_a_long_answer_shows_the_entries_that_are_wrong() -> None:
    verdict = Values([0.0] * 30).judge([0.0] * 29 + [1.0], ())
    assert verdict.table is not None
    assert verdict.table.rows == (("29", "1", "too large"),)


@pytest.mark.parametrize("key", EXERCISES)
def test_a_function_that_fails_gets_words_from_every_exercise(key: str) -> None:
    def raises(*arguments: Any) -> None:
        raise ValueError("my mistake")

    for function in (raises, lambda *arguments: print("6.0"), lambda: 6.0):
        verdict = judge(key, function)
        assert verdict.right is False
        assert "cannot be checked" not in verdict.says or "Call it" in verdict.detail, verdict


def test_the_same_mistake_in_another_form_gets_the_same_words() -> None:
    assert judge("03.2", lambda x: x * 2 * x + 2 * x).says == EXERCISES["03.2"].wrong[0].says
    assert judge("03.3", lab.tensor([3.0, 3.0, 3.0])).says == EXERCISES["03.3"].wrong[0].says


def test_shapes_are_compared_before_numbers() -> None:
    assert "The shape is (2,), and it should be (3,)" in judge("03.3", [6.0, 6.0]).says
    verdict = Values([[1.0, 2.0], [3.0, 4.0]]).judge([[1.0, 2.0], [3.0, 5.0]], ())
    assert verdict.says == "3 of 4 entries are right."
    assert verdict.table is not None
    assert verdict.table.rows[2:] == (("[1, 0]", "3", "right"), ("[1, 1]", "5", "too large"))


def test_nan_is_not_right_and_not_a_known_mistake() -> None:
    assert judge("03.1", float("nan")).right is False
    verdict = Function(lambda x: 1.0, [(1.0,)]).judge(lambda x: float("nan"), (Wrong(abs, "a"),))
    assert verdict.right is False


def test_learning_rate_exercise_takes_every_good_rate_and_no_other() -> None:
    for rate in (0.1, 0.2, 0.3, 0.4, lab.tensor(0.3)):
        assert judge("07.2", rate).right is True
    for rate in (0.05, 0.46, 0.5):
        assert judge("07.2", rate).right is False


def test_loop_exercise_takes_every_order_that_trains() -> None:
    for order in ("CBEDA", "ECBDA", "CEBDA", "CBDAE", "c b e d a", list("ECBDA")):
        assert judge("07.1", order).right is True


def test_a_check_draws_no_random_number() -> None:
    def drawn() -> list[Any]:
        return [lab.rand(3).tolist(), np.random.rand(3).tolist(), random.random()]

    def seed() -> None:
        lab.manual_seed(7)
        np.random.seed(7)
        random.seed(7)

    seed()
    expected = drawn()
    seed()
    for key in EXERCISES:
        check_function(key, EXERCISES[key].wrong[0].answer)
    check_function("03.2", lambda x: [drawn(), lab.mode("graph"), right(x)][2])
    assert drawn() == expected
    assert lab.mode() == "eager"


def test_answers_are_escaped() -> None:
    def bad(x: float) -> float:
        raise ValueError("<script>alert(1)</script>")

    assert "<script>" not in check_function("03.2", bad)._repr_html_()


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(ArgumentError, match=r"lesson 03 has 03\.1, 03\.2, 03\.3"):
        check_function("03.9", 1)
    with pytest.raises(ArgumentError, match="named by its lesson"):
        check_function("three", 1)
    with pytest.raises(ArgumentError, match="there are 00, "):
        start("55")


def test_numbers_have_four_digits_and_a_real_minus_sign() -> None:
    assert [in_short(v) for v in (-2.0, 2 / 3, 12345.6, 1e9, float("nan"))] == [
        "−2", "0.6667", "12346", "1e+09", "nan",
    ]  # fmt: skip
    assert show(list(range(100))).endswith("…")


# Hints, tries, progress ------------------------------------------------------------------------


def test_hints_come_one_at_a_time() -> None:
    texts = [repr(lab.hint("03.2")) for _ in range(4)]
    hints = EXERCISES["03.2"].hints
    first = [" ".join(t.split()) for t in texts]
    assert hints[0] in first[0]
    assert hints[1] not in first[0]
    assert hints[1] in first[1]
    assert "That was the last hint." in texts[2]
    assert texts[3] == texts[2]


def test_a_solution_comes_after_the_hints_or_at_once_on_request() -> None:
    assert "There are 3 hints, and you have seen none" in repr(lab.solution("03.2"))
    lab.hint("03.2")
    assert "you have seen 1" in repr(lab.solution("03.2"))
    assert "by_the_square" not in repr(lab.solution("03.2"))
    assert "by_the_square" in repr(lab.solution("03.2", now=True))
    assert "lab.hint(" in repr(check_function("03.2", 1.0))
    lab.hint("03.2")
    assert 'lab.solution("03.2")' in repr(lab.hint("03.2"))
    assert 'lab.solution("03.2")' in repr(check_function("03.2", 1.0))
    shown = lab.solution("03.2")
    assert "by_the_square = (x + 1) * 2 * x" in shown._repr_html_()
    assert "SOLUTION" not in repr(shown)
    assert "lab.check" not in repr(shown)
    restart()  # another day
    assert lab.solution("03.2").code == shown.code
    assert memory.recall("03", "exercises", "03.2")["solution"] is True


def test_a_solved_exercise_shows_its_solution_to_compare() -> None:
    check_function("03.1", 12)
    assert lab.solution("03.1").code == "answer = 2 * 5 + 2"


@pytest.mark.parametrize("key", EXERCISES)
def test_each_exercise_has_a_solution_to_show(key: str) -> None:
    assert lab.solution(key, now=True).code


def test_a_teacher_can_keep_the_solutions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / WITHHELD).touch()
    found = lab.solution("03.2", now=True)
    assert found.code == ""
    assert "with the teacher" in repr(found)


def test_tries_are_counted_and_kept_until_solved(kept_in: Path) -> None:
    check_function("03.1", 10)
    check_function("03.1", 11)
    assert check_function("03.1", 12).tries == 3
    assert check_function("03.1", 12).tries == 3  # running a solved cell again is no new try
    memory.forget()
    restart()
    kept = json.loads(kept_in.read_text())["lessons"]["03"]["exercises"]["03.1"]
    assert kept == {"tries": 3, "right": True}
    check_function("03.1", 10)
    assert memory.solved("03") == ["03.1"]  # what was solved stays solved


def test_plain_text_does_not_depend_on_what_was_done_before() -> None:
    fresh = [repr(check_function("03.1", 10)), repr(start("03")), ask.predict("03.p1").transcript()]
    for _ in range(3):
        check_function("03.1", 10)
    check_function("03.1", 12)
    widget = ask.predict("03.p1")
    widget.answer = "12"
    ask.forget()
    again = [repr(check_function("03.1", 10)), repr(start("03")), ask.predict("03.p1").transcript()]
    assert again == fresh


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"lessons": 3}', '{"lessons": {"03": {"exercises": [1]}}}', "\x00"]
)
def test_a_damaged_file_is_left_out(kept_in: Path, text: str) -> None:
    kept_in.parent.mkdir(parents=True, exist_ok=True)
    kept_in.write_text(text)
    memory.forget()
    start("03")
    assert check_function("03.1", 12).tries == 1
    assert memory.solved("03") == ["03.1"]


def test_nothing_fails_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MINITORCH_LAB_PROGRESS", str(tmp_path / "file" / "progress.json"))
    memory.forget()
    start("03")
    assert check_function("03.1", 12).right is True
    assert memory.solved("03") == ["03.1"]
    with pytest.raises(ArgumentError, match="could not be saved"):
        lab.lessons.save_progress(tmp_path / "file" / "mine.json")


def test_progress_goes_to_another_machine_in_a_file(tmp_path: Path) -> None:
    start("03")
    check_function("03.1", 12)
    path = lab.lessons.save_progress(tmp_path / "mine.json")
    memory.forget()
    (tmp_path / "data" / "progress.json").unlink()
    assert memory.solved("03") == []
    lab.lessons.load_progress(path)
    assert memory.solved("03") == ["03.1"]
    assert "1 of 3" in repr(progress())
    with pytest.raises(ArgumentError, match="not a JSON file"):
        lab.lessons.load_progress(__file__)
    with pytest.raises(ArgumentError, match="no progress could be read"):
        lab.lessons.load_progress(tmp_path / "none.json")


def test_the_map_shows_what_is_there_done_and_next() -> None:
    before = progress()
    assert before.next is not None
    assert before.next.number == "00"
    assert [s.number for s in before.stops if s.file] == list(LESSONS)
    states = {s.number: s.state for s in before.stops}
    assert states["03"] == "open"
    assert states["28"] == "planned"
    start("00")
    assert "Go on with: 00 Start here, 15 minutes." in progress().headline
    for key in LESSONS["00"].exercises:
        memory.note("00", "exercises", key, {"right": True})
    after = progress()
    assert after.headline.startswith(f"1 of {len(LESSONS)} lessons done. Next: 01 ")
    line = next(line for line in repr(after).splitlines() if line.startswith("00 "))
    assert line.split() == "00 Start here 15 3 of 3 0 of 3 ✓ done".split()
    html = after._repr_html_()
    assert f'<a href="{SOURCES["03"].stem}.ipynb">' in html
    assert 'lang="zh">中文读者<' in html
    assert "<script" not in html


def test_short_paths_name_lessons_that_are_on_the_map() -> None:
    for name, _, path in progress().paths():
        assert f"{name} ({hours(sum(s.minutes for s in path if s.file))})" in repr(progress())
        assert len(path) == 7


def test_the_map_of_a_whole_course_ends() -> None:
    for number, lesson in LESSONS.items():
        for key in lesson.exercises:
            memory.note(number, "exercises", key, {"right": True})
    assert "That was the whole course." in progress().headline


def test_predictions_and_their_first_outcome_are_kept() -> None:
    widget = ask.predict("03.p1")
    widget.sure = 80
    widget.answer = "5"
    ask.reveal("03.p1", 6.0)
    again = ask.predict("03.p1")
    again.answer = "6"  # now it is known
    ask.reveal("03.p1", 6.0)
    kept = memory.recall("03", "predictions", "03.p1")
    assert kept == {"answer": "6", "sure": 80, "first_right": False, "first_sure": 80}
    assert predictions().outcomes == ((80, False),)
    assert "So far: 1." in progress()._repr_html_()


def test_the_lesson_says_which_choice_came_out() -> None:
    ask.predict("02.p1").answer = "three values"
    assert ask.reveal("02.p1").right
    with pytest.raises(ArgumentError, match="give the result"):
        ask.reveal("03.p1")


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [
        (((90, True),) * 9 + ((90, False),), "You know well what you know."),
        (((90, True),) * 2 + ((80, False),) * 8, "You were surer than right."),
        (((20, True),) * 6, "You know more than you think."),
    ],
)
def test_how_well_you_predict_is_said_in_a_sentence(outcomes: Any, word: str) -> None:
    found = Predictions(outcomes)
    assert word in found.says
    assert sum(count for _, count, _ in found.rows) == len(outcomes)


def test_start_sets_mode_and_seed() -> None:
    head = repr(start("03"))
    assert head.splitlines() == [
        "lesson 03: Gradients, one step at a time (40 minutes)",
        "mode eager, device cpu, seed 42",
    ]
    drawn = lab.rand(2).tolist()
    lab.manual_seed(42)
    assert lab.rand(2).tolist() == drawn


# Texts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", LESSONS)
def test_a_text_has_all_parts(number: str) -> None:
    lesson, text = LESSONS[number], prose(number)
    title = text.splitlines()[0]
    assert title == f"# {number} {lesson.title}"
    assert f"**{lesson.minutes} minutes. You need:" in text
    for needed in lesson.needs:
        assert needed in text.split("\n\n")[1]
    assert f"*{lesson.asks.rstrip()}*".replace("`", "") in text.replace("`", "")
    goals = re.search(r"After this lesson you can\n\n((?:\d\. .*\n)+)", text)
    assert goals is not None
    assert goals.group(1).count("\n") == 3
    assert re.search(r"\*\*What an article says\.\*\*.*\b(S\d|[Aa]rticle)", text)
    assert re.search(r"S\d.{0,120}\(lines? \d+", text, re.DOTALL)
    for heading in ("Break it", "Exercises", "Recap", "Quiz"):
        assert re.search(rf"^## \d+ {heading}$", text, re.MULTILINE), heading
    recap = text.split("Recap\n")[1].split("##")[0]
    assert len(re.findall(r"^- ", recap, re.MULTILINE)) == 5
    assert "**Further reading.**" in text
    assert "**Next lesson:**" in text
    for key, exercise in lesson.exercises.items():
        assert re.search(rf"^### {re.escape(key)} .*\({exercise.level}\)$", text, re.MULTILINE)


@pytest.mark.parametrize("number", LESSONS)
def test_links_lead_to_lessons_that_are_there(number: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", prose(number))
    assert links
    stems = {path.stem for path in SOURCES.values()}
    assert {link.removesuffix(".ipynb") for link in links} <= stems
    following = LESSONS[number].next
    if following:
        assert SOURCES[following].stem + ".ipynb" in links


@pytest.mark.parametrize("number", LESSONS)
def test_nothing_is_fetched(number: str) -> None:
    text = SOURCES[number].read_text(encoding="utf-8")
    assert not re.search(r"https?:|//\w|www\.|pip install|urlopen|download=True|!\[", text)


@pytest.mark.parametrize("number", LESSONS)
def test_cells_are_short_and_in_order(number: str) -> None:
    lesson = LESSONS[number]
    texts = [cell.text for cell in code(number)]
    for text in texts:
        assert len(source.stub(text).splitlines()) <= 15, text
        assert len(source.solution(text).splitlines()) <= 15, text
        assert max(len(line) for line in text.splitlines()) <= 100
    assert f'lab.start("{number}")' in texts[0]
    whole = "\n".join(texts)
    for key in lesson.exercises:
        assert whole.count(f'lab.check("{key}"') == 1
    for key in lesson.predictions:
        asked, shown = whole.index(f'lab.predict("{key}")'), whole.index(f'lab.reveal("{key}"')
        assert asked < shown
    assert f'lab.quiz("{number}")' in texts[-1]
    assert any("raises-exception" in cell.tags for cell in code(number))


@pytest.mark.parametrize("number", LESSONS)
def test_no_cell_gives_away_what_it_asks(number: str) -> None:
    for key, asked in LESSONS[number].predictions.items():
        assert not asked.result or asked.result in asked.choices, key
    for cell in code(number):
        assert not re.search(r"lab\.reveal\([^,)]*, *[\"']", cell.text), cell.text


@pytest.mark.parametrize("number", LESSONS)
def test_quiz_has_three_questions_with_one_right_choice_and_reasons(number: str) -> None:
    quiz = LESSONS[number].quiz
    assert len(quiz) == 3
    for question in quiz:
        assert sum(choice.right for choice in question.choices) == 1
        assert all(choice.why for choice in question.choices)
        texts = [choice.text for choice in question.choices]
        assert len(set(texts)) == len(texts) >= 3


# Stubs, solutions, notebooks -------------------------------------------------------------------


@pytest.mark.parametrize("number", LESSONS)
def test_the_notebook_is_the_one_that_the_text_makes(number: str) -> None:
    path = NOTEBOOKS / f"{SOURCES[number].stem}.ipynb"
    made = build.notebook(cells(number), number, solved=False)
    kept = json.loads(path.read_text(encoding="utf-8"))
    bare = [
        {k: v for k, v in cell.items() if k not in ("outputs", "execution_count")}
        for cell in kept["cells"]
    ]
    wanted = [
        {k: v for k, v in cell.items() if k not in ("outputs", "execution_count")}
        for cell in made["cells"]
    ]
    assert bare == wanted, "run: python -m minitorch_lab.lessons.build " + number
    text = "".join("".join(cell["source"]) for cell in kept["cells"])
    assert "SOLUTION" not in text


@pytest.mark.parametrize("number", LESSONS)
def test_the_notebook_was_run_and_holds_no_machine(number: str) -> None:
    path = NOTEBOOKS / f"{SOURCES[number].stem}.ipynb"
    kept = json.loads(path.read_text(encoding="utf-8"))
    ran = [cell for cell in kept["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in ran] == list(range(1, len(ran) + 1))
    for cell in ran:
        loud = "writes-stderr" in cell["metadata"].get("tags", [])
        for output in cell["outputs"]:
            assert loud or output.get("name") != "stderr"
            assert build.WIDGET_VIEW not in output.get("data", {})
            plain = "".join(output.get("data", {}).get("text/plain", ""))
            if "nbval-ignore-output" not in cell["metadata"].get("tags", []):
                assert not re.search(r"0x[0-9a-f]{6,}|/home/|/tmp/|/root/", plain)
    raised = [o["ename"] for c in ran for o in c["outputs"] if o["output_type"] == "error"]
    assert len(raised) == sum("raises-exception" in c["metadata"].get("tags", []) for c in ran)


def test_exercises_stand_as_stubs_in_the_notebooks() -> None:
    for number in LESSONS:
        for cell in code(number):
            text = source.stub(cell.text)
            if "lab.check(" in text:
                ast.parse(text)
                assert "# your code here" in text
                assert "..." in text or number == "00"


def test_source_reader_says_where_it_stopped() -> None:
    with pytest.raises(ArgumentError, match=r"bad\.md, line 3: the code cell has no closing"):
        source.parse("# T\n\n```{code-cell}\n1\n", "bad.md")
    with pytest.raises(ArgumentError, match="without ### END SOLUTION"):
        source.stub("### BEGIN SOLUTION\nx = 1")
    with pytest.raises(ArgumentError, match="without ### BEGIN SOLUTION"):
        source.solution("x = 1\n### END SOLUTION")


def test_source_reader_keeps_plain_code_blocks_as_text() -> None:
    made = source.parse("# T\n\n```python\n# no heading\n## none either\n```\n\n## Next\n\ntext\n")
    assert [(c.kind, c.text.splitlines()[0]) for c in made] == [
        ("markdown", "# T"),
        ("markdown", "## Next"),
    ]


@pytest.mark.slow
def test_a_saved_panel_shows_its_curve(tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    text = (
        "import minitorch_lab as lab\n"
        "data = lab.ones(4, 1), lab.ones(4, 1)\n"
        'panel = lab.train(lab.nn.Linear(1, 1), data, optimizer="sgd", epochs=3, seed=0)'
    )
    book = build.notebook([source.Cell("code", text)], "99", solved=False)
    (cell,) = build.execute(book, tmp_path)["cells"]
    (output,) = cell["outputs"]
    assert build.WIDGET_VIEW not in output["data"]
    still = "".join(output["data"]["text/html"])
    assert "done: 3 epochs, 3 steps" in still
    assert "<svg" in still
    # What nbval compares is what the cell shows when it is run.
    assert ", ready" in "".join(output["data"]["text/plain"])


def test_build_writes_stubs_and_solutions(tmp_path: Path, capsys: Any) -> None:
    assert build.main(["03", "--no-run", "--notebooks", str(tmp_path)]) == 0
    assert build.main(["03", "--no-run", "--solutions", str(tmp_path / "teacher")]) == 0
    name = SOURCES["03"].stem + ".ipynb"
    learner = (tmp_path / name).read_text(encoding="utf-8")
    teacher = (tmp_path / "teacher" / name).read_text(encoding="utf-8")
    assert "by_the_square" not in learner
    assert "by_the_square" in teacher
    assert "SOLUTION" not in learner + teacher
    assert build.main(["77", "--no-run", "--notebooks", str(tmp_path)]) == 1
    assert "there are 00, " in capsys.readouterr().err
