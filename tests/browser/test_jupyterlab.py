"""The lessons in a real JupyterLab, in a real browser: what a learner does, done by a test."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import ipykernel
import pytest
from lab_server import Notebook, Server, number, serve, write_notebook
from playwright.sync_api import Page, expect

from minitorch_lab import cli

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LESSONS = Path(__file__).parents[2] / "notebooks"
WIDGETS = [
    """import time
import minitorch_lab as lab
lab.manual_seed(0)
model = lab.nn.Sequential(lab.nn.Linear(4, 8), lab.nn.ReLU(), lab.nn.Linear(8, 3))
loss = lab.nn.functional.cross_entropy(model(lab.randn(5, 4)), lab.arange(5) % 3)
loss.backward(retain_graph=True)
lab.explore(loss)""",
    """x = lab.tensor(2.0, requires_grad=True)
y = x**2 + 2 * x + 1
lab.step_through(y)""",
    """def f(x, w):
    p = x * w
    return (p * 1.0).tanh() + (x * w).exp()

lab.explain(f, lab.ones(50), lab.ones(50)).view()""",
    "time.sleep(0)",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab on a copy of the lessons, trusted as `minitorch-lab` does it."""
    root, home = tmp_path_factory.mktemp("lessons"), tmp_path_factory.mktemp("home")
    for lesson in LESSONS.glob("*.ipynb"):
        shutil.copy(lesson, root)
    write_notebook(root / "widgets.ipynb", WIDGETS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DATA_DIR", str(home / "data"))
        cli.trust(sorted(root.glob("*.ipynb")))
    with serve(root, home) as running:
        yield running


@pytest.fixture
def open_lesson(server: Server, page: Page) -> Iterator[Callable[[str], Notebook]]:
    """Open the lesson with this number; what the page's console calls an error fails the test."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def open_one(number: str) -> Notebook:
        page.set_viewport_size({"width": 1400, "height": 1000})
        lesson = next(server.root.glob(f"{number}*.ipynb"))
        return Notebook(page, server, lesson.name)

    yield open_one
    assert complaints == []


def test_lesson_03_a_click_on_a_node_shows_its_gradient(open_lesson):
    notebook = open_lesson("03")
    notebook.run_all()
    # y = x**2 + 2*x + 1 at x = 2: 4 arrives by the square and 2 by the product.
    explorer = notebook.page.locator(
        ".lab.explorer", has=notebook.page.get_by_text("explore: y")
    ).first
    explorer.scroll_into_view_if_needed()
    gradient = explorer.locator("[data-field=gradient]")
    for label, expected in (("y = add", 1.0), ("mul", 1.0), ("x 2", 6.0)):
        explorer.locator(f"[data-node][aria-label^='{label}']").click()
        expect(gradient).to_contain_text(str(int(expected)))
        assert number(gradient.inner_text()) == expected

    explorer.locator("[data-node][aria-label^='pow']").click()
    expect(explorer.locator("[data-field=value]")).to_contain_text("4")
    expect(explorer.locator("[data-field=source]")).to_contain_text("y = x**2 + 2*x + 1")
    expect(explorer.locator("[data-field=formula] math").first).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_reopened_lesson_shows_its_pictures_before_anything_has_run(open_lesson, theme):
    notebook = open_lesson("02")
    notebook.theme(theme)
    bodies = notebook.page.locator(".jp-OutputArea svg.graph .body")
    expect(bodies.first).to_be_visible()
    # A node has the colour of the page and its text the other one, whatever else is on the page.
    fills = bodies.evaluate_all("nodes => nodes.map(node => getComputedStyle(node).fill)")
    texts = notebook.page.locator(".jp-OutputArea svg.graph .node text:not(.shape)").evaluate_all(
        "texts => texts.map(text => getComputedStyle(text).fill)"
    )
    assert len(fills) >= 8

    def lightness(colour: str) -> float:
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / (3 * 255)

    for fill, text in zip(fills, texts, strict=False):
        page_is_light = theme == "light"
        assert (lightness(fill) > 0.8) == page_is_light, fill
        assert (lightness(text) < 0.4) == page_is_light, text


def test_lesson_14_training_is_steered_while_it_runs(open_lesson):
    notebook = open_lesson("14")
    notebook.run_all()
    # The lesson's run is over in seconds; this one still goes on when the last button is pressed.
    notebook.rerun("lab.train(", r"epochs=\d+", "epochs=1_000_000")
    live = notebook.page.locator(".lab.live").first
    state = live.locator("[data-field=state]")
    expect(state).to_have_text("ready")
    live.scroll_into_view_if_needed()

    def press(name: str) -> None:
        live.locator(f"[data-act={name}]").click()

    def step() -> float:
        return number(live.locator("[data-field=step]").inner_text().replace(",", ""))

    def wait_for_steps_after(before: float) -> None:
        live.locator(
            f"xpath=self::*[number(translate(.//*[@data-field='step'], ',', '')) > {before}]"
        ).wait_for()

    press("start")
    expect(state).to_have_text("running")
    wait_for_steps_after(0)
    assert number(live.locator("[data-field=loss]").inner_text()) > 0

    # While it runs, the notebook answers, and knows of every change.
    rate = live.locator("[data-field=lr]")
    before = notebook.ask("panel.training.lr")
    rate.focus()
    for _ in range(3):
        notebook.page.keyboard.press("ArrowLeft")
    wait_for_steps_after(step())
    assert float(notebook.ask("panel.training.lr")) < float(before)

    assert notebook.ask("panel.training.mode") == "'eager'"
    live.locator("label", has_text="graph").click()
    expect(live.locator("input[value=graph]")).to_be_checked()
    wait_for_steps_after(step())
    assert notebook.ask("panel.training.mode") == "'graph'"
    expect(live.locator("[data-field=speed-graph]")).to_have_text(re.compile(r"\d"))

    press("pause")
    expect(state).to_have_text("paused")
    here = step()
    notebook.page.wait_for_timeout(500)
    assert step() == here

    press("start")
    expect(state).to_have_text("running")
    wait_for_steps_after(here)

    press("stop")
    expect(state).to_have_text("stopped")
    assert notebook.errors() == []


def test_the_graph_widgets_work_while_a_cell_runs_and_without_a_kernel(open_lesson, tmp_path):
    notebook = open_lesson("widgets")
    notebook.run_all()
    page = notebook.page
    explorer, stepper = page.locator(".lab.explorer").first, page.locator(".lab.stepper").first
    passes = page.locator(".lab.passes").first

    # Explorer: by click and by keys; a module folds and unfolds.
    title = explorer.locator(".title[data-module='Sequential.0']")
    title.click()
    folded = explorer.locator(".node.folded[data-module='Sequential.0']")
    expect(folded).to_be_visible()
    folded.press("Enter")
    expect(title).to_be_visible()
    explorer.locator("[data-node][aria-label^='relu']").click()
    page.keyboard.press("ArrowDown")
    expect(explorer.locator("[data-field=status]")).to_contain_text("linear")

    # Stepper: there and back again.
    status = stepper.locator("[data-field=status]")
    stepper.locator(".view").focus()
    page.keyboard.press("End")
    expect(status).to_contain_text("which now has 6")
    page.keyboard.press("ArrowLeft")
    expect(status).not_to_contain_text("which now has 6")
    stepper.get_by_role("button", name="next", exact=True).click()
    expect(status).to_contain_text("which now has 6")

    # Pass view: the slider.
    slider = passes.get_by_label("After pass")
    slider.focus()
    page.keyboard.press("End")
    expect(passes.locator("[data-field=status]")).to_contain_text("After buffers")

    # A cell runs for long: the widgets go on.
    page.evaluate(
        """() => {
            const {content} = window.jupyterapp.shell.currentWidget;
            content.activeCellIndex = 3;
            content.activeCell.model.sharedModel.setSource("time.sleep(20)");
            window.cellRan = false;
            window.jupyterapp.commands.execute("notebook:run-cell")
              .finally(() => { window.cellRan = true; });
        }"""
    )
    kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    page.wait_for_function(f"() => {kernel}.status === 'busy'")
    explorer.locator("[data-node][aria-label^='relu']").click()
    expect(explorer.locator(".side [data-field=value]")).to_be_visible()
    stepper.locator(".view").focus()
    page.keyboard.press("Home")
    expect(status).to_contain_text("Step 1 of")
    if ipykernel.version_info >= (7,):  # it answers beside the cell that runs
        title.click()
        expect(folded).to_be_visible()
        folded.press("Enter")
        expect(title).to_be_visible()
    assert not page.evaluate("() => window.cellRan")
    page.evaluate(f"() => {kernel}.interrupt()")
    page.wait_for_function("() => window.cellRan")

    # The page that the explorer saves works from the disk, without a kernel and a network.
    explorer.locator(".menu summary").click()
    with page.expect_download() as download:
        explorer.get_by_role("button", name="page (HTML)").click()
    saved = tmp_path / "saved.html"
    download.value.save_as(saved)
    alone = page.context.browser.new_context(offline=True).new_page()
    alone.goto(saved.as_uri())
    alone.locator(".title[data-module='Sequential.0']").click()
    expect(alone.locator(".node.folded[data-module='Sequential.0']")).to_be_visible()
    alone.locator("[data-node][aria-label^='relu']").click()
    expect(alone.locator(".side [data-field=value]")).to_be_visible()
    alone.context.close()
