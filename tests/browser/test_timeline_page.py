"""The panel's timeline in a browser, with a real run behind it."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from axe import violations
from host_page import show
from live_page import ABOUT, page_text
from playwright.sync_api import Locator, Page, expect
from test_live_page import COUNT

import minitorch_lab as lab
from minitorch_lab import nn
from minitorch_lab.widgets.live import Live
from minitorch_lab.widgets.training import Training

pytestmark = pytest.mark.browser

WAIT = 20
Open = Callable[..., Locator]


def panel_of(**given):
    lab.manual_seed(0)
    x = lab.randn(64, 3)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2))
    given = {"epochs": 4, "batch_size": 8, "seed": 3, "name": "signs", **given}
    return Live(Training(model, (x, (x.sum(1) > 0).long()), **given))


def until(happened, page=None):
    """Wait; with a page its messages reach Python meanwhile."""
    end = time.monotonic() + WAIT
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.001) if page is None else page.wait_for_timeout(5)


def steps(panel, count):
    """Single steps; each is kept."""
    run = panel.training
    for _ in range(count):
        goal = run.step_count + 1
        panel.step()
        until(lambda goal=goal: run.step_count == goal and goal in run.kept)
    return panel


@pytest.fixture
def panel() -> Live:
    return steps(panel_of(), 8)


@pytest.fixture
def opened(page: Page) -> Iterator[Open]:
    """Show a panel; an error in the page fails the test."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def open_one(panel: Live, *, width: int = 1000, dark: bool = False) -> Locator:
        page.set_viewport_size({"width": width, "height": 1000})
        show(page, panel, dark=dark)
        return page.locator(".lab.live")

    yield open_one
    assert errors == []


def slider(root: Locator) -> Locator:
    return root.locator("[data-field=timeline]")


def test_arrow_keys_go_from_kept_step_to_kept_step(opened: Open, page: Page, panel: Live) -> None:
    root = opened(panel)
    track = slider(root)
    expect(track).to_have_attribute("aria-valuetext", "step 8, kept")
    expect(root.locator("[data-field=kept]")).to_contain_text("9 steps kept, ")
    track.focus()
    for key, step in {"ArrowLeft": 7, "Home": 0, "ArrowRight": 1, "End": 8, "PageDown": 0}.items():
        page.keyboard.press(key)
        expect(root.locator("[data-field=step]")).to_have_text(str(step))
        assert panel.training.step_count == step
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(root.locator("[data-field=step]")).to_have_text("6")
    expect(track).to_be_focused()
    expect(root.locator("[aria-live]").first).to_contain_text(re.compile("step 6[,:] loss "))
    expect(root.locator(".hint")).to_contain_text("Step 6 of 8. Going on forgets")


def test_the_ring_is_dragged_to_the_nearest_kept_step(
    opened: Open, page: Page, panel: Live
) -> None:
    root = opened(panel)
    box = slider(root).bounding_box()
    assert box is not None
    at = lambda step: box["x"] + 7 + (box["width"] - 14) * step / 16  # noqa: E731
    page.mouse.move(at(8), box["y"] + 16)
    page.mouse.down()
    for step in (7, 5, 3, 2.8):
        page.mouse.move(at(step), box["y"] + 16)
    page.mouse.up()
    expect(root.locator("[data-field=step]")).to_have_text("3")
    assert panel.training.step_count == 3
    assert int(slider(root).input_value()) == 3


def test_a_fork_is_started_from_the_form_by_keys(opened: Open, page: Page, panel: Live) -> None:
    root = opened(panel)
    panel.rewind(4)
    button = root.locator("[data-act=fork]")
    button.focus()
    page.keyboard.press("Enter")
    form = root.locator(".forking")
    expect(form).to_contain_text("Fork from step 4")
    expect(form.get_by_label("learning rate")).to_be_focused()
    page.keyboard.press("Escape")
    expect(form).to_be_hidden()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    form.get_by_label("learning rate").fill("0.05")
    form.get_by_label("dropout").fill("0.5")
    page.keyboard.press("Enter")
    until(lambda: len(panel.branches) == 2 and panel.state == "done", page)
    assert (panel.training.lr, panel.training.dropout) == (0.05, 0.5)
    expect(form).to_be_hidden()
    expect(root.locator("h2")).to_contain_text("fork 1")
    lane = root.locator(".lanes li")
    expect(lane).to_have_count(1)
    expect(lane).to_contain_text("signs")
    expect(lane).to_contain_text("holds at 4")


def test_a_fork_with_a_bad_setting_is_refused_in_the_form(
    opened: Open, page: Page, panel: Live
) -> None:
    root = opened(panel)
    root.locator("[data-act=fork]").click()
    form = root.locator(".forking")
    form.get_by_label("dropout").fill("1.5")
    page.keyboard.press("Enter")
    expect(form.get_by_role("alert")).to_have_text(
        "fork: dropout is 1.5\n  expected a number from 0 to 1"
    )
    assert len(panel.branches) == 1


def test_a_branch_is_shown_hidden_and_continued_by_keys(
    opened: Open, page: Page, panel: Live
) -> None:
    panel.fork(5, "slow", lr=1e-5)
    steps(panel, 3)
    panel.select("signs")
    root = opened(panel)
    lane = root.locator(".lanes li")
    expect(lane).to_contain_text("lr 0.001 → 1e-05, loss ")
    expect(lane).to_contain_text("holds at 8")
    lane.get_by_role("checkbox").focus()
    page.keyboard.press("Space")
    until(lambda: panel._timeline()["branches"][1]["hidden"], page)
    page.keyboard.press("Space")
    until(lambda: not panel._timeline()["branches"][1]["hidden"], page)
    root.locator("canvas").first.focus()
    page.keyboard.press("End")
    for stream in ("loss", "accuracy"):
        expect(root.locator(f"figure [data-field={stream}]")).to_contain_text("slow 0.")
    expect(root.locator("[aria-live]").first).to_contain_text("; slow 0.")
    lane.get_by_role("button", name="slow", exact=True).focus()
    page.keyboard.press("Enter")
    until(lambda: panel.training is panel.branches["slow"], page)
    expect(root.locator("h2")).to_contain_text("slow")
    root.get_by_role("button", name="Go on with signs").focus()
    page.keyboard.press("Enter")
    until(lambda: panel.training is panel.branches["signs"] and panel.state == "done", page)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a script puts the weights that it starts from."""
    monkeypatch.chdir(tmp_path)


def test_the_script_is_shown_and_copied(opened: Open, page: Page, panel: Live) -> None:
    root = opened(panel)
    button = root.locator("[data-act=script]")
    button.focus()
    page.keyboard.press("Enter")
    text = root.get_by_role("region", name="Python script")
    expect(text).to_contain_text("# signs, 8 steps: the script gives the same losses")
    expect(text).to_be_focused()
    root.locator("[data-act=copy]").click()
    expect(root.locator(".script [role=status]")).to_have_text("selected: copy it with Ctrl+C")
    assert page.evaluate("getSelection().toString()").startswith("# signs, 8 steps")
    root.get_by_role("button", name="close").click()
    expect(text).to_be_hidden()
    expect(button).to_be_focused()


def test_after_nan_a_button_forks_with_a_tenth_of_the_rate(opened: Open, page: Page) -> None:
    x = lab.tensor(np.linspace(-1, 1, 64, dtype=np.float32)[:, None])
    run = Training(nn.Linear(1, 1), (x, 2 * x), optimizer="sgd", lr=3.0, epochs=90, seed=0)
    panel = Live(run)
    panel.start().wait(WAIT)
    assert panel.state == "failed"
    root = opened(panel)
    button = root.get_by_role("button", name="fork with learning rate 0.3")
    expect(button).to_be_visible()
    expect(root.locator("[data-field=loss]")).to_have_text("∞")
    button.click()
    until(lambda: panel.training is not run and panel.state == "done", page)
    assert panel.training.lr == pytest.approx(0.3)
    expect(button).to_be_hidden()
    expect(root.locator(".lanes li")).to_contain_text("failed at")


def test_names_are_text(opened: Open, page: Page, panel: Live) -> None:
    panel.fork(2, "<img src=x onerror=alert(1)>")
    panel.select("signs")
    root = opened(panel)
    expect(root.locator(".lanes .name")).to_have_text("<img src=x onerror=alert(1)>")
    assert root.locator("img").count() == 0


@pytest.mark.parametrize("width", [480, 760, 1600])
def test_many_branches_fit(opened: Open, page: Page, panel: Live, width: int) -> None:
    for i in range(6):
        panel.select("signs")
        panel.fork(i + 2, f"a branch of a long name, number {i}", lr=0.1, weight_decay=0.01)
    root = opened(panel, width=width)
    expect(root.locator(".lanes li")).to_have_count(6)
    assert root.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    for button in root.locator(".lanes [data-act=go-on]").all():
        box, whole = button.bounding_box(), root.bounding_box()
        assert box is not None
        assert whole is not None
        assert box["x"] + box["width"] <= whole["x"] + whole["width"]


def test_the_line_of_a_branch_that_went_back_stays_in_the_board(
    opened: Open, page: Page, panel: Live
) -> None:
    panel.rewind(1)
    panel.fork(None, "anew")
    root = opened(panel)
    line, board = root.locator(".tree .fork").bounding_box(), root.locator(".board").bounding_box()
    assert line is not None
    assert board is not None
    assert line["width"] > 0.2 * board["width"]  # to the last step that is kept, the eighth
    assert line["x"] + line["width"] <= board["x"] + board["width"] + 2


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(opened: Open, page: Page, panel: Live, dark: bool) -> None:
    panel.fork(5, "slow", lr=1e-5)
    panel.branches["signs"].fork(6, "slower", lr=1e-6)
    panel.overlay(panel_of(name="other"))
    root = opened(panel, dark=dark)
    root.locator("[data-act=fork]").click()
    root.locator("[data-act=script]").click()
    expect(root.get_by_role("region", name="Python script")).to_be_visible()
    assert violations(page) == []


PINK = [195, 113, 159]  # of the second run


def test_the_curve_of_another_branch_is_drawn_until_it_is_hidden(
    opened: Open, page: Page, panel: Live
) -> None:
    panel.fork(3, "other", lr=0.5)
    panel.start().wait(WAIT)
    panel.select("signs")
    root = opened(panel)
    count = lambda: root.locator("canvas").first.evaluate(COUNT, PINK)  # noqa: E731
    until(lambda: count() > 40, page)
    root.locator("[data-branch=other]").uncheck()
    until(lambda: count() == 0, page)


# Speed -------------------------------------------------------------------------------------------

# A million steps as the kernel sends them to a new view, and then as they come: 20,000 rows.
MILLION = """() => {
  const row = (step, count) => { const l = kernel.loss(step / 1000);
    return [step, count, l, 0.8 * l, 1.3 * l, 1 - 0.4 * l]; };
  const rows = (from, to, each) => Array.from({length: (to - from) / each},
    (_, i) => row(from + (i + 1) * each, each));
  const at = (step) => ({step, epoch: 10, state: 'running'});
  kernel.emit(at(800000), rows(0, 800000, 100), {reset: true});
  for (let from = 800000; from < 1000000; from += 5000)
    kernel.emit(at(from + 5000), rows(from, from + 5000, 20));
}"""
# Milliseconds of one redraw of all curves: nothing is kept from one to the next.
REDRAWS = """async () => {
  const found = [], real = window.requestAnimationFrame;
  window.requestAnimationFrame = (f) => real((t) => {
    const began = performance.now(); f(t); found.push(performance.now() - began); });
  for (let i = 0; i < 20; i++) {
    document.querySelector("[data-act=log]").click();
    await new Promise(real); await new Promise(real);
  }
  return found;
}"""


def test_a_million_steps_are_drawn_at_once(page: Page) -> None:
    page.set_viewport_size({"width": 1300, "height": 900})
    page.set_content(page_text({**ABOUT, "total": 1_000_000, "epochs": 20}))
    page.wait_for_function("window.ready")
    page.evaluate(MILLION)
    expect(page.locator("[data-field=step]")).to_have_text("1,000,000")
    spent = sorted(page.evaluate(REDRAWS))
    assert len(spent) >= 10
    assert spent[len(spent) // 4] < 50  # 5 ms on a quiet machine


def test_the_page_keeps_its_frames_while_a_long_run_goes_on(page: Page) -> None:
    page.set_viewport_size({"width": 1300, "height": 900})
    page.set_content(page_text({**ABOUT, "total": 1_000_000, "epochs": 20}))
    page.wait_for_function("window.ready")
    page.evaluate(MILLION)
    rates = page.evaluate(
        """async () => { const rates = [];
        const row = (step) => { const l = kernel.loss(step / 1000);
          return [step, 40, l, l, l, 0.9]; };
        const timer = setInterval(() => { const first = kernel.first;
          kernel.emit({step: first + 10000, state: 'running'},
            Array.from({length: 250}, (_, i) => row(first + 40 * (i + 1)))); }, 33);
        for (let turn = 0; turn < 4; turn++) {
          const began = performance.now(); let frames = 0;
          while (performance.now() - began < 500) {
            await new Promise(requestAnimationFrame); frames++; }
          rates.push(frames / (performance.now() - began) * 1000);
        }
        clearInterval(timer); return rates; }"""
    )
    assert max(rates) > 25  # 55 on a quiet machine with 2 cores
