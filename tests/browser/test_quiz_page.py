"""Quiz, prediction, toggle and checked exercises in a browser: mouse, keyboard, narrow, dark."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe import violations
from playwright.sync_api import Locator, Page, expect
from quiz_page import still_page, widget_page

import minitorch_lab as lab
from minitorch_lab.lessons import ask, course, memory
from minitorch_lab.lessons.check import check
from minitorch_lab.lessons.start import start
from minitorch_lab.widgets.base import LabWidget
from minitorch_lab.widgets.toggle import ModeToggle

pytestmark = pytest.mark.browser

Open = Callable[..., Locator]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if path is None:
        pytest.skip("no Chromium on this machine")
    switches = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
    return {"executable_path": path, "args": [*switches, "--disable-dev-shm-usage"]}


@pytest.fixture
def show(page: Page) -> Iterator[Open]:
    """Open a widget and return its card; an error in the page fails the test."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def open_one(widget: LabWidget, *, width: int = 900, dark: bool = False) -> Locator:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto("about:blank")  # a new realm: names of the last page are gone
        page.set_content(widget_page(widget, dark=dark))
        page.wait_for_function("window.ready")
        return page.locator(".lab").first

    yield open_one
    assert errors == []


def saved(page: Page, name: str) -> Any:
    """The last value of a trait that went to Python."""
    return page.evaluate("name => window.saved.at(-1)?.[name]", name)


def test_an_empty_line_of_code_is_as_high_as_a_full_one(show: Open) -> None:
    card = show(ask.predict("mine", "What is a?", code="a = 1\n\nprint(a)"))
    heights = [line.bounding_box() for line in card.locator(".code li").all()]
    assert [box["height"] for box in heights if box] == [20, 20, 20]


def test_a_wrong_choice_is_explained_and_can_be_mended(show: Open, page: Page) -> None:
    card = show(ask.quiz("03"))
    expect(card).to_contain_text("question 1 of 3")
    card.get_by_label("the contribution of the last use").check()
    card.get_by_role("button", name="check my answer").click()
    expect(card.locator(".badge")).to_have_text("not yet")
    expect(card.get_by_role("status")).to_have_text("Nothing is overwritten: both uses count.")
    card.get_by_label("the sum of both contributions").check()
    expect(card.locator(".badge")).to_have_count(0)  # nothing is judged before it is asked
    card.get_by_role("button", name="check my answer").click()
    expect(card.locator(".badge")).to_have_text("right")
    expect(card.get_by_text("skip")).to_be_hidden()  # one way on, not two
    assert saved(page, "answers") == [[0, 1], [], []]


def test_the_quiz_can_be_done_by_keyboard_alone(show: Open, page: Page) -> None:
    card = show(ask.quiz("03"))
    for right in (1, 0, 1):
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        for _ in range(right):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(card.locator(".badge")).to_have_text("right")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
    expect(card).to_contain_text("3 of 3 right")
    assert saved(page, "answers") == [[1], [0], [1]]
    expect(card.locator(".summary .badge")).to_have_text(["right"] * 3)


def test_no_choice_is_said_not_counted(show: Open, page: Page) -> None:
    card = show(ask.quiz("03"))
    card.get_by_role("button", name="check my answer").click()
    expect(card.get_by_role("status")).to_have_text("Choose an answer first.")
    assert page.evaluate("window.saved.length") == 0
    card.get_by_role("button", name="skip").click()
    expect(card).to_contain_text("question 2 of 3")


def test_a_prediction_is_kept(show: Open, page: Page) -> None:
    card = show(ask.predict("03.p1"))
    expect(card.locator(".code li.lit")).to_have_text("print(x.grad)")
    card.get_by_role("button", name="keep my answer").click()
    expect(card.get_by_role("status")).to_contain_text("Type an answer first")
    card.get_by_label("x.grad is").fill("6")
    card.get_by_label("how sure").press("ArrowRight")
    card.get_by_label("x.grad is").press("Enter")
    expect(card.get_by_role("status")).to_contain_text("Kept: 6, 60 % sure.")
    assert (saved(page, "answer"), saved(page, "sure")) == ("6", 60)


def test_a_choice_is_kept_as_its_text(show: Open, page: Page) -> None:
    card = show(ask.predict("my.own", "What does it print?", ["`a + b`", "`tensor(5.)`"]))
    card.get_by_text("tensor(5.)").click()
    card.get_by_role("button", name="keep my answer").click()
    assert saved(page, "answer") == "`tensor(5.)`"
    expect(card.get_by_role("status").locator("code")).to_have_text("tensor(5.)")


def test_the_toggle_sets_and_follows(show: Open, page: Page) -> None:
    card = show(ModeToggle())
    expect(card.get_by_label("eager", exact=True)).to_be_checked()
    card.get_by_label("eager", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert saved(page, "mode") == "graph"
    expect(card.get_by_role("status")).to_contain_text("written down as a graph once")
    page.evaluate("window.model.set('mode', 'eager')")
    expect(card.get_by_label("eager", exact=True)).to_be_checked()


def test_questions_are_never_read_as_html(show: Open) -> None:
    card = show(ask.predict("my.own", "<img src=x onerror=alert(1)> `<b>`?", ["<i>yes</i>", "no"]))
    expect(card.locator("img, b, i")).to_have_count(0)
    expect(card).to_contain_text("<i>yes</i>")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [480, 1600])
def test_nothing_sticks_out(show: Open, page: Page, width: int, dark: bool) -> None:
    for widget in (ask.quiz("02"), ask.predict("02.p2"), ModeToggle()):
        show(widget, width=width, dark=dark)
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        for control in page.locator("button:visible, label:visible, input[type=text]").all():
            box = control.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
    colour = page.evaluate("getComputedStyle(document.querySelector('.lab')).color")
    assert ("255" in colour) is dark


def test_the_pictures_without_a_kernel_work_without_script(page: Page) -> None:
    page.set_viewport_size({"width": 900, "height": 900})
    page.set_content(
        still_page(
            ask.quiz("03").static_html(),
            ask.predict("03.p1").static_html(),
            check("03.2", lambda x: 2 * x * (x + 1))._repr_html_(),
            start("03")._repr_html_(),
            lab.hint("03.2")._repr_html_(),
        )
    )
    quiz = page.locator(".lab.card").first
    why = quiz.get_by_text("Nothing is overwritten")
    expect(why).to_be_hidden()
    quiz.get_by_text("the contribution of the last use").click()
    expect(why).to_be_visible()
    exercise = page.locator(".lab.check")
    hints = exercise.locator("details")
    expect(hints.nth(1)).to_be_hidden()  # the second comes with the first
    exercise.get_by_text("show hint 1 of 3").click()
    expect(hints.nth(1)).to_be_visible()
    expect(exercise.locator("tbody tr")).to_have_count(3)


def test_a_quiz_saved_as_a_page_needs_no_kernel(page: Page) -> None:
    page.set_content(ask.quiz("03").page())
    card = page.locator(".lab.card")
    card.get_by_label("the sum of both contributions").check()
    card.get_by_role("button", name="check my answer").click()
    expect(card.locator(".badge")).to_have_text("right")


def test_still_pictures_leave_each_other_alone(page: Page) -> None:
    x = lab.tensor(2.0, requires_grad=True)
    model, data = lab.nn.Linear(1, 1), (lab.ones(4, 1), lab.ones(4, 1))
    run = lab.train(model, data, loss=lab.nn.MSELoss(), epochs=2, show=False)
    run.start().wait()
    graph = lab.explore(x * 2)
    page.set_content(
        still_page(graph.static_html(), run.static_html(), ask.quiz("03").static_html())
    )
    picture = page.locator("svg.graph").first
    expect(picture).to_have_css("width", f"{picture.get_attribute('width')}px")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [480, 1600])
def test_the_map_needs_no_kernel_and_axe_finds_nothing(page: Page, width: int, dark: bool) -> None:
    outcomes = tuple((sure, sure > 50) for sure in (20, 50, 60, 70, 80, 100))
    memory.forget()
    memory.note("00", "exercises", "00.1", {"right": True})
    found = dataclasses.replace(course.progress(), predictions=course.Predictions(outcomes))
    memory.forget()
    page.set_viewport_size({"width": width, "height": 900})
    page.set_content(still_page(found._repr_html_(), dark=dark))
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    card = page.locator(".lab.course")
    expect(card).to_contain_text("1 of 3")
    link = card.get_by_role("link", name="03 Gradients, one step at a time").first
    assert link.get_attribute("href") == "03_gradients_one_step_at_a_time.ipynb"
    path = card.get_by_text("16 Toggle eager and graph").last
    expect(path).to_be_hidden()
    for folded in card.locator("summary").all():
        folded.click()
    expect(path).to_be_visible()
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert violations(page, ".lab.course") == []
