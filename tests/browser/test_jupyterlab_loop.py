"""A loop of one's own in a real JupyterLab: its panel draws and steers while the cell runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from lab_server import Notebook, Server, opened, serve_cells, write_notebook
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = ["import time\nimport minitorch_lab as lab", "pass"]
LOOP = """run = lab.live(range(100_000), name="mine")
for i in run:
    run.log(loss=1 / (i + 1), reward=i)
    time.sleep(0.005)
print("the loop has ended:", run.state)"""
LATE = re.compile("kernel has not answered yet")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve_cells(tmp_path_factory, loop=CELLS) as running:
        write_notebook(running.root / "plain.ipynb", CELLS, kernel="plain")
        yield running


def count(page: Page) -> int:
    return int(page.locator(".lab.live [data-field=step]").inner_text().replace(",", ""))


def grows(page: Page) -> None:
    """Wait until the panel shows more steps than now."""
    page.wait_for_function(
        """(before) => Number(document.querySelector(".lab.live [data-field=step]").textContent
          .replaceAll(",", "")) > before""",
        arg=count(page),
    )


def test_pause_step_and_stop_act_while_the_cell_runs(server: Server, page: Page) -> None:
    with opened(page, server, "loop", patience=15_000) as notebook:
        notebook.run_cell(1, LOOP, wait=False)
        state = page.locator(".lab.live [data-field=state]")
        expect(state).to_have_text("running")
        grows(page)
        expect(page.locator(".lab.live figure:visible h3")).to_have_text(["loss", "reward"])
        expect(page.locator(".lab.live [data-act=epoch]")).to_have_count(0)
        page.click(".lab.live [data-act=pause]")
        expect(state).to_have_text("paused")
        held = count(page)
        page.click(".lab.live [data-act=step]")
        expect(page.locator(".lab.live [data-field=step]")).to_have_text(str(held + 1))
        page.click(".lab.live [data-act=start]")
        expect(state).to_have_text("running")
        grows(page)
        page.click(".lab.live [data-act=stop]")
        expect(state).to_have_text("stopped")
        page.wait_for_function("() => window.cellRan")
        expect(page.get_by_text("the loop has ended: stopped")).to_be_visible()
        expect(page.locator(".lab.live .status")).to_contain_text("Stopped after step")

        # Run again, and interrupted: the run is whole, and says so.
        notebook.run_cell(1, LOOP, wait=False)
        expect(state).to_have_text("running")
        grows(page)
        notebook.interrupt()
        expect(state).to_have_text("stopped")
        expect(page.locator(".lab.live .status")).to_contain_text("Interrupted after step")
        assert notebook.ask("run.state") == "'stopped'"

        # An error in the body, of the loop in another cell, is what the panel shows.
        notebook.run_cell(0, "for i in run:\n    run.log(loss=1.0)\n    if i == 9: 1 / 0")
        expect(state).to_have_text("failed")
        expect(page.locator(".lab.live .failed pre")).to_have_text(
            "ZeroDivisionError: division by zero"
        )


def test_without_subshells_it_draws_and_says_that_the_buttons_wait(
    server: Server, page: Page
) -> None:
    page.set_viewport_size({"width": 1400, "height": 1000})
    notebook = Notebook(page, server, "plain.ipynb")
    page.set_default_timeout(15_000)
    notebook.run_cell(0)
    notebook.run_cell(1, LOOP, wait=False)
    state = page.locator(".lab.live [data-field=state]")
    expect(state).to_have_text("running")
    grows(page)
    grows(page)
    expect(page.locator(".lab.live .unheard")).to_have_text(LATE)
    expect(page.locator(".lab.live canvas").first).to_be_visible()
    notebook.interrupt()
    expect(state).to_have_text("stopped")
    expect(page.locator(".lab.live .unheard")).to_be_hidden()
    done = count(page)
    assert notebook.ask("run.step_count") == str(done)
