"""The live panel in a real JupyterLab, and all that may happen to page and kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator

import ipykernel
import pytest
from lab_server import Notebook, Server, opened, serve_cells, write_notebook
from playwright.sync_api import Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SETUP = """import threading, time
import minitorch_lab as lab
from minitorch_lab import nn
lab.manual_seed(0)
x = lab.randn(512, 4)
data = x, (x.sum(1) > 0).long()
def net():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
def runs():
    return sorted(t.name for t in threading.enumerate() if t.name.startswith(("train", "play")))"""
FIRST = 'panel = lab.train(net(), data, epochs=10**6, name="first")'
CELLS = [
    SETUP,
    FIRST,
    "panel",
    'other = lab.train(net(), data, epochs=10**6, name="other")',
    "pass",
]
GONE = re.compile("kernel is no longer there")
LATE = re.compile("kernel has not answered yet")
# Clicks a button of a panel and waits until the panel shows a state; in milliseconds.
CLICK = """([act, state, nth]) => new Promise((resolve) => {
  const panel = document.querySelectorAll(".lab.live")[nth], start = performance.now();
  const badge = panel.querySelector("[data-field=state]");
  const look = () => badge.textContent === state && resolve(performance.now() - start);
  new MutationObserver(look).observe(badge, {childList: true, characterData: true, subtree: true});
  panel.querySelector(`[data-act=${act}]`).click();
})"""
# The greatest number of messages to one panel in any second of the next few, while a slider moves.
COUNT = """async (seconds) => {
  const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel, at = {};
  const note = (_, message) => {
    if (message.header.msg_type === "comm_msg" && message.content.data.method === "custom")
      (at[message.content.comm_id] ??= []).push(performance.now());
  };
  kernel.iopubMessage.connect(note);
  const rate = document.querySelector(".lab.live [data-field=lr]");
  const drag = setInterval(() => {
    rate.value = -3 + (performance.now() % 1000) / 1000;
    rate.dispatchEvent(new Event("input", {bubbles: true}));
  }, 30);
  await new Promise((done) => setTimeout(done, 1000 * seconds));
  clearInterval(drag);
  kernel.iopubMessage.disconnect(note);
  const within = (times, t) => times.filter((u) => u >= t && u < t + 1000).length;
  const most = (times) => Math.max(...times.map((t) => within(times, t)));
  return Object.values(at).map(most);
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve_cells(tmp_path_factory, live=CELLS, steered=CELLS, kept=CELLS[:2]) as running:
        write_notebook(running.root / "plain.ipynb", CELLS, kernel="plain")
        yield running


def states(page: Page) -> Locator:
    return page.locator(".lab.live [data-field=state]")


def steps(page: Page) -> list[int]:
    texts = page.locator(".lab.live [data-field=step]").all_inner_texts()
    return [int(text.replace(",", "")) for text in texts]


def press(page: Page, act: str, nth: int = 0) -> None:
    page.locator(".lab.live").nth(nth).locator(f"[data-act={act}]").click()


def grows(page: Page, nth: int = 0) -> None:
    """Wait until a panel shows more steps than now."""
    page.wait_for_function(
        """([nth, before]) => {
          const shown = document.querySelectorAll(".lab.live [data-field=step]")[nth].textContent;
          return Number(shown.replaceAll(",", "")) > before;
        }""",
        arg=[nth, steps(page)[nth]],
    )


def test_two_panels_one_of_them_shown_twice(server: Server, page: Page) -> None:
    with opened(page, server, "live", patience=15_000) as notebook:
        expect(states(page)).to_have_text(["ready"] * 3)
        press(page, "start", 0)
        press(page, "start", 2)
        expect(states(page)).to_have_text(["running"] * 3)
        for nth in range(3):
            grows(page, nth)
        assert notebook.ask("runs()") == "['train first', 'train other']"
        most = page.evaluate(COUNT, 3)
        assert len(most) == 2
        assert max(most) <= 30

        # Pause and stop, in either view: at once, and in both. On a quiet machine 20 ms.
        took = []
        for nth in (0, 1, 0, 1, 0):
            took.append(page.evaluate(CLICK, ["pause", "paused", nth]))
            expect(states(page)).to_have_text(["paused", "paused", "running"])
            press(page, "start", 1 - nth)
            expect(states(page).nth(nth)).to_have_text("running")
        assert min(took) < 150  # the others may have waited for a busy machine
        press(page, "pause", 0)
        expect(states(page)).to_have_text(["paused", "paused", "running"])
        assert steps(page)[0] == steps(page)[1] == int(notebook.ask("panel.training.step_count"))

        # The cell is run again while its run goes on, as soon as it can be.
        press(page, "start", 1)
        expect(states(page).nth(1)).to_have_text("running")
        notebook.run_cell(1)
        expect(states(page)).to_have_text(["ready", "stopped", "running"])
        expect(page.locator(".lab.live").nth(1)).to_contain_text(
            "Its cell was run again after step"
        )
        assert notebook.ask("runs()") == "['train other']"

        # An interrupt between two cells ends all runs, and nothing of what they did is lost.
        press(page, "start", 0)
        expect(states(page).nth(0)).to_have_text("running")
        grows(page, 0)
        notebook.interrupt()
        expect(states(page)).to_have_text(["stopped"] * 3)
        assert notebook.ask("runs()") == "[]"
        done = steps(page)[0]
        assert notebook.ask("len(panel.history)") == str(done)
        press(page, "start", 0)  # and on from there
        grows(page, 0)

        # One during a cell, too.
        notebook.run_cell(4, "time.sleep(60)", wait=False)
        page.wait_for_timeout(300)
        notebook.interrupt()
        expect(states(page).nth(0)).to_have_text("stopped")
        assert notebook.ask("runs()") == "[]"

        # A restart: the curves stay, and the panel says that nobody is there.
        press(page, "start", 2)
        expect(states(page).nth(2)).to_have_text("running")
        notebook.restart()
        expect(states(page)).to_have_text(["no kernel"] * 3)
        expect(page.locator(".lab.live .unheard").first).to_have_text(GONE)
        expect(page.locator(".lab.live canvas").first).to_be_visible()
        press(page, "start", 0)
        expect(states(page).first).to_have_text("no kernel")
        notebook.run_cell(4, "pass")
        notebook.run_all()
        expect(states(page)).to_have_text(["ready"] * 3)
        press(page, "start", 0)
        expect(states(page).first).to_have_text("running")
        press(page, "stop", 0)
        expect(states(page).first).to_have_text("stopped")


def test_a_closed_tab_and_a_notebook_that_is_opened_again(server: Server, page: Page) -> None:
    with opened(page, server, "kept", patience=15_000) as notebook:
        press(page, "start")
        grows(page)
        before = steps(page)[0]
        # The tab is closed in the middle; the run goes on, and the reopened notebook has it.
        notebook.save()
        page.goto("about:blank")
        again = Notebook(page, server, "kept.ipynb")
        expect(states(page)).to_have_text("running")
        grows(page)
        assert steps(page)[0] > before
        press(page, "stop")
        expect(states(page)).to_have_text("stopped")
        assert again.ask("runs()") == "[]"
        assert again.ask("len(panel.history)") == str(steps(page)[0])

        # Without its kernel the notebook has the picture of the run as it was.
        page.wait_for_timeout(1500)
        again.save()
        page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        press(page, "start")
        expect(states(page)).to_have_text("no kernel")
        page.goto("about:blank")
        Notebook(page, server, "kept.ipynb")
        still = page.locator(".lab.live .unheard svg").first
        expect(still).to_be_visible()
        expect(page.locator(".lab.live .unheard")).to_contain_text(LATE)
        expect(page.locator(".lab.live .unheard")).to_contain_text("stopped")
        expect(page.locator(".lab.live .bar")).to_be_hidden()


@pytest.mark.parametrize("way", ["subshells", "one thread", "ipykernel 6"])
def test_controls_while_no_cell_runs_and_while_one_does(
    server: Server, page: Page, way: str
) -> None:
    """Between cells every kernel hears the page. While a cell runs one without subshells, as
    ipykernel 6 is, or where JupyterLab does not use them, hears it later, and the panel says so."""
    with opened(page, server, "plain" if way == "ipykernel 6" else "steered", 15_000) as notebook:
        if way == "one thread":
            page.evaluate("jupyterapp.serviceManager.kernels.commsOverSubshells = 'disabled'")
        for act, state in (
            ("step", "paused"),
            ("start", "running"),
            ("pause", "paused"),
            ("start", "running"),
        ):
            press(page, act)
            expect(states(page).first).to_have_text(state)
        grows(page)

        notebook.run_cell(4, "time.sleep(60)", wait=False)
        page.wait_for_function(
            "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'"
        )
        grows(page)  # the run is drawn all the same
        note = page.locator(".lab.live .unheard").first
        press(page, "pause")
        if way == "subshells" and ipykernel.version_info >= (7,):
            expect(states(page).first).to_have_text("paused")
            expect(note).to_be_hidden()
        else:
            expect(note).to_have_text(LATE)
            expect(states(page).first).to_have_text("running")
        assert not page.evaluate("window.cellRan")
        notebook.interrupt()
        expect(note).to_be_hidden()
        expect(states(page).first).to_have_text("stopped")
        notebook.run_cell(4, "pass")
        assert notebook.ask("runs()") == "[]"
