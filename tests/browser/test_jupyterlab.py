"""The lessons in a real JupyterLab, in a real browser: what a learner does, done by a test."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_server import Notebook, Server, number, serve
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LESSONS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab on a copy of the lessons."""
    root = tmp_path_factory.mktemp("lessons")
    for lesson in LESSONS.glob("*.ipynb"):
        shutil.copy(lesson, root)
    with serve(root, tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def open_lesson(server: Server, page: Page) -> Callable[[str], Notebook]:
    """Open the lesson with this number; what the page's console calls an error fails the test."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def open_one(number: str) -> Notebook:
        page.set_viewport_size({"width": 1400, "height": 1000})
        lesson = next(server.root.glob(f"{number}*.ipynb"))
        return Notebook(page, server, lesson.name)

    yield open_one
    assert complaints == []


def test_lesson_02_a_click_on_a_node_shows_its_gradient(open_lesson):
    notebook = open_lesson("02")
    notebook.run_all()
    explorer = notebook.page.locator(".lab.explorer").first
    expect(explorer).to_be_visible()
    explorer.scroll_into_view_if_needed()

    nodes = explorer.locator("[data-node]")
    assert nodes.count() >= 3
    nodes.last.click()
    gradient = explorer.locator("[data-field=gradient]")
    expect(gradient).to_be_visible()
    assert number(gradient.inner_text()) == 1.0  # d loss / d loss
    for field in ("value", "formula", "source"):
        assert explorer.locator(f"[data-field={field}]").inner_text().strip()


def test_lesson_14_training_is_steered_while_it_runs(open_lesson):
    notebook = open_lesson("14")
    notebook.run_all()
    live = notebook.page.locator(".lab.live").first
    expect(live).to_be_visible()
    live.scroll_into_view_if_needed()

    def act(name: str) -> None:
        live.locator(f"[data-act={name}]").click()

    state = live.locator("[data-field=state]")
    step = live.locator("[data-field=step]")

    def step_now() -> float:
        return number(step.inner_text())

    def wait_for_steps_after(before: float) -> None:
        notebook.page.wait_for_function(
            """([step, before]) => Number(step.innerText.replace(/[^0-9]/g, "")) > before""",
            arg=[step.element_handle(), before],
            timeout=20_000,
        )

    act("start")
    expect(state).to_contain_text("running")
    wait_for_steps_after(0)
    assert number(live.locator("[data-field=loss]").inner_text()) > 0

    slider = live.locator("[data-field=lr]")
    before = slider.input_value()
    slider.focus()
    for _ in range(3):
        notebook.page.keyboard.press("ArrowRight")
    assert slider.input_value() != before

    live.locator("input[type=radio][value=graph]").check()
    wait_for_steps_after(step_now())

    act("pause")
    expect(state).to_contain_text("paused")
    here = step_now()
    notebook.page.wait_for_timeout(500)
    assert step_now() == here

    act("start")
    expect(state).to_contain_text("running")
    wait_for_steps_after(here)

    act("stop")
    expect(state).to_contain_text("stopped")
    assert notebook.errors() == []
