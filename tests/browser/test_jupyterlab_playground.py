"""The playground in a real JupyterLab: two views, and all that may happen to page and kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab_server import Notebook, Server, opened, serve_cells
from playwright.sync_api import Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = [
    "import threading\nimport minitorch_lab as lab",
    "play = lab.playground(preset='spirals')\nplay",
    "play",
    "print(play.state, sum(t.name == 'playground' for t in threading.enumerate()))",
]
# How often the plane is drawn in a second.
DRAWS = """async (seconds) => {
  const paint = document.querySelector(".playground .plane canvas").getContext("2d");
  let draws = 0;
  const old = paint.drawImage.bind(paint);
  paint.drawImage = (...what) => { draws++; old(...what); };
  await new Promise((done) => setTimeout(done, 1000 * seconds));
  delete paint.drawImage;
  return draws / seconds;
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab on a notebook with a playground that is shown twice."""
    with serve_cells(tmp_path_factory, playground=CELLS) as running:
        yield running


@pytest.fixture
def notebook(server: Server, page: Page) -> Iterator[Notebook]:
    with opened(page, server, "playground", patience=15_000) as notebook:
        yield notebook


def badges(notebook: Notebook) -> Locator:
    return notebook.page.locator(".lab.playground .badge")


def test_it_draws_while_it_trains_in_both_views(notebook: Notebook) -> None:
    page = notebook.page
    first = page.locator(".lab.playground").first
    first.get_by_role("button", name="start").click()
    expect(badges(notebook)).to_have_text(["running", "running"])
    assert page.evaluate(DRAWS, 1) > 4  # 18 on a quiet machine
    first.locator("input[value=graph]").check(force=True)
    expect(first.locator(".rate").nth(1)).not_to_have_text("–")
    assert page.evaluate(DRAWS, 1) > 4
    eager, graph = (float(t.replace(",", "")) for t in first.locator(".rate").all_inner_texts())
    assert graph > eager
    page.locator(".lab.playground").nth(1).get_by_role("button", name="pause").click()
    expect(badges(notebook)).to_have_text(["paused", "paused"])


def test_a_notebook_that_is_opened_again_has_the_run(notebook: Notebook, server: Server) -> None:
    page = notebook.page
    page.locator(".lab.playground").first.get_by_role("button", name="start").click()
    expect(badges(notebook).first).to_have_text("running")
    notebook.save()
    page.goto("about:blank")  # the tab is closed; the run goes on for a minute
    again = Notebook(page, server, "playground.ipynb")
    expect(badges(again)).to_have_text(["running", "running"])
    page.locator(".lab.playground").first.get_by_role("button", name="pause").click()
    expect(badges(again)).to_have_text(["paused", "paused"])


def test_a_cell_run_again_an_interrupt_and_a_restart_leave_nothing(notebook: Notebook) -> None:
    page = notebook.page
    start = page.locator(".lab.playground").first.get_by_role("button", name="start")
    start.click()
    expect(badges(notebook).first).to_have_text("running")
    notebook.run_cell(1)  # the second cell's view is the old panel's
    expect(badges(notebook)).to_have_text(["ready", "paused"])
    start.click()
    expect(badges(notebook).first).to_have_text("running")
    notebook.interrupt()
    expect(badges(notebook).first).to_have_text("paused")
    notebook.run_cell(3)
    expect(page.locator(".jp-OutputArea-output pre").last).to_have_text("paused 0")
    start.or_(page.get_by_role("button", name="go on")).first.click()
    expect(badges(notebook).first).to_have_text("running")
    notebook.restart()
    expect(badges(notebook)).to_have_text(["no kernel", "no kernel"])
    notebook.run_all()
    expect(badges(notebook)).to_have_text(["ready", "ready"])
