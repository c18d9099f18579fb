"""Each lesson in JupyterLab, run as a learner runs it, and its widgets drawn.

    MINITORCH_LAB_SHOTS=folder pytest tests/browser/test_jupyterlab_lessons.py

keeps pictures of each whole lesson in that folder: in the light and in the dark theme, and narrow.
Without it one picture of each is taken, in the light theme, beside pytest's other files.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from lab_server import Notebook, Server, complaints, serve
from playwright.sync_api import Browser, Page

from minitorch_lab.lessons.source import find_sources

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LESSONS = Path(__file__).parents[2] / "notebooks"
# For each output that is a widget, what its cell shows of widgets: a list of their heights.
WIDGETS = """() => {
  const view = "application/vnd.jupyter.widget-view+json";
  return jupyterapp.shell.currentWidget.content.widgets
    .filter((cell) => cell.model.type === "code")
    .map((cell) => {
      const outputs = cell.model.outputs;
      const wanted = [...Array(outputs.length).keys()].filter((i) => view in outputs.get(i).data);
      const drawn = [...cell.node.querySelectorAll(".jp-OutputArea-output .lab")];
      return {
        source: cell.model.sharedModel.getSource(),
        wanted: wanted.length,
        heights: drawn.map((element) => element.getBoundingClientRect().height),
      };
    })
    .filter((cell) => cell.wanted);
}"""
HIGH = """() => {
  const panel = document.querySelector(".jp-NotebookPanel:not(.lm-mod-hidden)");
  panel.querySelector(".jp-WindowedPanel-outer").scrollTop = 0;
  const cells = [...panel.querySelectorAll(".jp-Cell")];
  return Math.ceil(Math.max(...cells.map((cell) => cell.getBoundingClientRect().bottom)));
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab on a copy of the lessons."""
    root, home = tmp_path_factory.mktemp("lessons"), tmp_path_factory.mktemp("home")
    for lesson in LESSONS.glob("*.ipynb"):
        shutil.copy(lesson, root)
    with serve(root, home) as running:
        yield running


@pytest.fixture(scope="module")
def jupyterlab(server: Server, browser: Browser) -> Iterator[Page]:
    """A page with JupyterLab, which is loaded once: the lessons are opened in it one by one."""
    page = browser.new_page()
    page.goto(f"{server.url}/lab?reset&token={server.token}")
    page.wait_for_function("window.jupyterapp?.restored")
    yield page
    page.close()


def shoot(page: Page, width: int, file: Path) -> None:
    """A picture of the whole lesson in a window of this width."""
    page.set_viewport_size({"width": width, "height": 16_000})
    page.wait_for_timeout(1000)  # widgets hear of their width, and draw again
    before = 0
    while (high := page.evaluate(HIGH)) != before:  # some draw when they come into sight
        page.set_viewport_size({"width": width, "height": high + 40})
        page.wait_for_timeout(500)
        before = high
    page.screenshot(path=file)


@pytest.mark.parametrize("number", find_sources())
def test_a_lesson_runs_and_draws_all_its_widgets(
    jupyterlab: Page, number: str, tmp_path: Path
) -> None:
    page, said = jupyterlab, complaints(jupyterlab)
    page.set_viewport_size({"width": 1300, "height": 1000})
    with closing(Notebook(page, None, f"{find_sources()[number].stem}.ipynb")) as notebook:
        page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        notebook.run_all()
        # A widget draws what can be seen: so all of it can.
        page.set_viewport_size({"width": 1300, "height": 16_000})
        page.wait_for_function(
            f"""() => ({WIDGETS})().every((cell) => cell.heights.length >= cell.wanted
                && cell.heights.every((height) => height > 20))""",
            timeout=30_000,
        )
        assert page.evaluate(WIDGETS), "a lesson has a quiz at least"
        assert page.get_by_text("Error displaying widget").count() == 0
        assert page.get_by_text("Loading widget").count() == 0
        kept = os.environ.get("MINITORCH_LAB_SHOTS")
        folder = Path(kept or tmp_path)
        folder.mkdir(parents=True, exist_ok=True)
        shoot(page, 1300, folder / f"{number}-light.png")
        if kept:
            notebook.theme("dark")
            shoot(page, 1300, folder / f"{number}-dark.png")
            notebook.theme("light")  # the next lesson begins in it
            shoot(page, 780, folder / f"{number}-narrow.png")  # some 700 px for the notebook
    assert said == []
