"""The live panel in a browser, with a few lines of script in place of a kernel."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe import violations
from live_page import ABOUT, page_text
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

Open = Callable[..., Locator]

# How many pixels of a canvas have a colour near this one.
COUNT = """(canvas, [r, g, b]) => {
  const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let found = 0;
  for (let i = 0; i < all.length; i += 4) {
    const far = Math.abs(all[i] - r) + Math.abs(all[i + 1] - g) + Math.abs(all[i + 2] - b);
    if (all[i + 3] > 200 && far < 40) found++;
  }
  return found;
}"""
BLUE = [0, 114, 178]
LIGHT_BLUE = [89, 179, 247]


@pytest.fixture
def panel(page: Page) -> Iterator[Open]:
    """Open the page and return the panel; an error in the page fails the test."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def open_one(*, width: int = 1000, dark: bool = False, **about: Any) -> Locator:
        page.set_viewport_size({"width": width, "height": 900})
        page.set_content(page_text({**ABOUT, **about}, dark=dark))
        page.wait_for_function("window.ready")
        page.evaluate("kernel.emit({}, [], {reset: true})")
        return page.locator(".lab.live")

    yield open_one
    assert errors == []


def sent(page: Page) -> list[dict[str, Any]]:
    """What the page has told the kernel, without the first greeting."""
    return [message for message in page.evaluate("kernel.sent") if message["type"] != "hello"]


def field(panel: Locator, name: str) -> Locator:
    return panel.locator(f"[data-field={name}]")


def test_a_new_view_asks_for_the_history(panel: Open, page: Page) -> None:
    panel()
    assert page.evaluate("kernel.sent") == [{"type": "hello"}]


def test_ready_says_what_will_be_trained(panel: Open) -> None:
    root = panel()
    expect(field(root, "state")).to_have_text("ready")
    expect(root.locator(".ready")).to_contain_text("Sequential, 2,242 parameters")
    expect(root.locator("canvas").first).to_be_hidden()
    expect(root.locator("[data-act=stop]")).to_have_attribute("aria-disabled", "true")


def test_the_buttons_say_and_send_what_they_do(panel: Open, page: Page) -> None:
    root = panel()
    root.locator("[data-act=start]").click()
    page.evaluate("kernel.run(20, {state: 'running'})")
    expect(root.locator("[data-act=pause]")).to_have_text("pause")
    root.locator("[data-act=pause]").click()
    page.evaluate("kernel.emit({state: 'paused'})")
    expect(root.locator("[data-act=start]")).to_have_text("resume")
    root.locator("[data-act=step]").click()
    page.evaluate("kernel.run(1)")
    expect(field(root, "step")).to_have_text("21")
    root.locator("[data-act=stop]").click()
    page.evaluate("kernel.emit({state: 'stopped', message: 'Stopped after step 21'})")
    expect(root.locator("[data-act=start]")).to_have_text("go on")
    root.locator("[data-act=stop]").click(force=True)  # nothing runs: nothing is sent
    assert [message["type"] for message in sent(page)] == ["start", "pause", "step", "stop"]


def test_everything_can_be_done_by_keys(panel: Open, page: Page) -> None:
    root = panel()
    page.evaluate("kernel.run(20, {state: 'running'})")
    root.locator("[data-act=pause]").focus()
    page.keyboard.press("Space")
    root.locator("[value=eager]").focus()
    page.keyboard.press("ArrowRight")
    root.locator("[data-field=lr]").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(250)
    messages = sent(page)
    assert messages[0] == {"type": "pause"}
    assert messages[1] == {"type": "mode", "value": "graph"}
    assert {"type": "lr", "value": 0.0013} in messages


def test_keys_stay_in_the_panel(panel: Open, page: Page) -> None:
    """JupyterLab listens on the document, and would take an arrow for its own."""
    root = panel()
    page.evaluate("document.addEventListener('keydown', () => { window.leaked = true; })")
    root.locator("[data-field=lr]").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("window.leaked") is None
    assert root.get_attribute("data-lm-suppress-shortcuts") == "true"


def test_numbers_and_curves_follow_the_run(panel: Open, page: Page) -> None:
    root = panel()
    page.evaluate("kernel.run(90, {state: 'running', speed: {eager: 1238.4, graph: null}})")
    expect(field(root, "step")).to_have_text("90")
    expect(field(root, "speed-eager")).to_have_text("1,240")
    expect(field(root, "speed-graph")).to_have_text("–")
    loss = float(field(root, "loss").inner_text())
    assert loss == pytest.approx(page.evaluate("kernel.loss(90)"), rel=1e-3)
    page.wait_for_timeout(100)
    for canvas in root.locator("canvas >> visible=true").all():
        assert canvas.evaluate(COUNT, BLUE) > 300


def test_a_missed_message_is_asked_for_again(panel: Open, page: Page) -> None:
    root = panel()
    page.evaluate("kernel.run(10, {state: 'running'})")
    page.evaluate("kernel.first += 5; kernel.run(10)")  # steps 11 to 15 were lost
    assert [m["type"] for m in page.evaluate("kernel.sent")] == ["hello", "hello"]
    page.evaluate("kernel.first = 0; kernel.run(25, {}, {reset: true})")
    expect(field(root, "step")).to_have_text("25")


def test_the_axis_does_not_jump(panel: Open, page: Page) -> None:
    """While 450 steps go by, the axis of steps changes its scale at most 4 times."""
    panel()
    page.evaluate(
        """() => { const draw = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
          if (text === "step 0") window.labels = [];
          else if (window.labels && y > 200) window.labels.push(text + " at " + Math.round(x));
          return draw.call(this, text, x, y); }; }"""
    )
    scales = set()
    for _ in range(45):
        page.evaluate("kernel.run(10, {state: 'running'})")
        page.wait_for_timeout(30)
        scales.add(page.evaluate("window.labels[0]"))
    assert 2 <= len(scales) <= 5


def test_the_learning_rate_of_the_kernel_is_shown(panel: Open, page: Page) -> None:
    root = panel()
    page.evaluate("kernel.emit({lr: 0.0125})")
    expect(root.locator(".controls")).to_contain_text("0.0125")
    assert float(field(root, "lr").input_value()) == pytest.approx(-1.9)


def test_the_readout_is_the_step_under_the_pointer(panel: Open, page: Page) -> None:
    root = panel()
    page.evaluate("kernel.run(90, {state: 'paused'})")
    canvas = root.locator("canvas").first
    canvas.hover(position={"x": 120, "y": 100})
    text = field(root, "loss").inner_text()
    step = int(re.match(r"step (\d+)", text)[1])
    assert f"{page.evaluate(f'kernel.loss({step})'):.3f}"[:4] in text
    assert field(root, "accuracy").inner_text().startswith(f"step {step} ")
    canvas.focus()
    page.keyboard.press("Home")
    expect(field(root, "loss")).to_contain_text("step 1 ")
    expect(root.locator("[aria-live]")).to_contain_text("step 1: loss ")
    page.keyboard.press("Escape")
    expect(field(root, "loss")).not_to_contain_text("step")


def test_an_unavailable_gpu_can_be_read_about_but_not_taken(panel: Open, page: Page) -> None:
    root = panel()
    cuda = root.locator("[value=cuda]")
    cuda.focus()
    page.keyboard.press("Space")
    root.locator("label:has([value=cuda])").click(force=True)
    assert sent(page) == []
    expect(root.locator("[value=cpu]")).to_be_checked()
    reason = cuda.get_attribute("aria-describedby")
    expect(page.locator(f"#{reason}")).to_contain_text("pip install")


def test_a_failure_shows_its_message_as_text(panel: Open, page: Page) -> None:
    root = panel()
    message = "ShapeError: <b>linear</b>\n  weight  (10, 4608)"
    page.evaluate(
        "text => kernel.emit({state: 'failed', message: text, advice: 'Correct it.'})", message
    )
    expect(root.get_by_role("alert")).to_have_text(message)
    expect(root.locator(".failed")).to_contain_text("Correct it.")
    expect(root.locator("[data-act=start]")).to_have_text("go on")
    assert root.locator("b").count() == 0


def test_the_line_that_is_read_aloud_is_calm(panel: Open, page: Page) -> None:
    root = panel()
    page.evaluate(
        """() => { window.said = 0; const line = document.querySelector("[aria-live]");
        const watcher = new MutationObserver(() => window.said++);
        watcher.observe(line, {childList: true, characterData: true, subtree: true}); }"""
    )
    for _ in range(30):
        page.evaluate("kernel.run(10, {state: 'running'})")
        page.wait_for_timeout(20)
    assert page.evaluate("window.said") <= 2
    expect(root.locator("[aria-live]")).to_contain_text("Training in eager mode")


def test_dark_theme_redraws_the_canvas(panel: Open, page: Page) -> None:
    root = panel()
    page.evaluate("kernel.run(90, {state: 'paused'})")
    page.wait_for_timeout(100)
    canvas = root.locator("canvas").first
    assert canvas.evaluate(COUNT, BLUE) > 300
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.wait_for_timeout(100)
    assert canvas.evaluate(COUNT, LIGHT_BLUE) > 300


@pytest.mark.parametrize("width", [520, 760, 1000, 1640])
def test_nothing_overflows(panel: Open, page: Page, width: int) -> None:
    root = panel(width=width)
    page.evaluate(
        "kernel.run(200, {state: 'running', speed: {eager: 123456, graph: 234567}, lr: 0.00123})"
    )
    page.wait_for_timeout(50)
    assert root.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    for canvas in root.locator("canvas >> visible=true").all():
        box = canvas.bounding_box()
        assert box is not None
        assert box["width"] >= 200


def test_two_panels_do_not_share_their_radio_buttons(panel: Open, page: Page) -> None:
    panel()
    page.evaluate(
        """() => { const copy = document.querySelector(".lab.live").cloneNode(true);
        document.body.append(copy); copy.querySelector("[value=graph]").checked = true; }"""
    )
    expect(page.locator("[value=eager]").first).to_be_checked()


def test_a_regression_has_no_accuracy(panel: Open, page: Page) -> None:
    root = panel(classifies=False, validates=False)
    page.evaluate("kernel.run(20, {state: 'running', accuracy: null})")
    expect(root.locator("canvas >> visible=true")).to_have_count(1)
    expect(root.locator(".key.valid >> visible=true")).to_have_count(0)


def test_long_runs_stay_small(panel: Open, page: Page) -> None:
    """A hundred thousand rows: neighbours are merged, and a frame is still drawn quickly."""
    root = panel(total=200_000)
    page.evaluate("for (let i = 0; i < 400; i++) kernel.run(250, {state: 'running'})")
    expect(field(root, "step")).to_have_text("100,000")
    spent = [
        page.evaluate(
            """async () => { const began = performance.now(); kernel.run(250);
            await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);
            return performance.now() - began; }"""
        )
        for _ in range(5)
    ]
    assert min(spent) < 250  # the others may have waited for a busy machine


def test_removing_the_view_ends_it(panel: Open, page: Page) -> None:
    panel()
    page.evaluate("window.remove()")
    assert page.evaluate("kernel.handlers.length") == 0


# The kernel ----------------------------------------------------------------------------------


def test_a_kernel_that_does_not_hear_is_told_of_in_words(panel: Open, page: Page) -> None:
    root = panel()
    note = root.locator(".unheard")
    page.evaluate("kernel.busy = true")
    root.locator("[data-act=start]").click()
    expect(note).to_be_hidden()  # not at once
    expect(note).to_contain_text("it does when the running cell has ended")
    assert note.get_by_role("status").count() == 1
    page.evaluate("kernel.busy = false")
    page.wait_for_timeout(250)
    root.locator("[data-act=step]").click()
    expect(note).to_be_hidden()


def test_without_a_kernel_the_curves_stay(panel: Open, page: Page) -> None:
    root = panel()
    page.evaluate("kernel.run(90, {state: 'running'})")
    page.evaluate("kernel.deaf = true")
    root.locator("[data-act=pause]").click()
    expect(field(root, "state")).to_have_text("no kernel")
    expect(root.locator(".unheard")).to_contain_text("Run this panel's cell again")
    expect(root.locator("canvas").first).to_be_visible()
    expect(field(root, "step")).to_have_text("90")


def test_a_notebook_that_was_opened_without_its_kernel_has_the_picture(page: Page) -> None:
    still = "<svg id='kept'><title>kept</title></svg>"
    page.set_content(page_text({**ABOUT, "still": still, "busy": True}))
    expect(page.locator(".lab.live .unheard #kept")).to_be_attached()
    expect(page.locator(".lab.live .bar")).to_be_hidden()
    page.evaluate("kernel.busy = false; kernel.run(20, {state: 'running'}, {reset: true})")
    expect(page.locator(".lab.live .bar")).to_be_visible()
    expect(page.locator("#kept")).to_have_count(0)


# Settings and streams ------------------------------------------------------------------------


def test_settings_are_sent_and_a_refused_one_is_said_and_put_back(panel: Open, page: Page) -> None:
    root = panel()
    root.locator(".more summary").click()
    dropout = field(root, "dropout")
    dropout.fill("2")
    dropout.press("Tab")
    root.locator("[data-field=batch_size]").fill("64")
    page.keyboard.press("Enter")
    root.locator("[data-act=epoch]").click()
    assert sent(page) == [
        {"type": "dropout", "value": 2},
        {"type": "batch_size", "value": 64},
        {"type": "epoch"},
    ]
    page.evaluate(
        "for (const f of kernel.handlers)"
        " f({type: 'refused', setting: 'dropout', message: 'p is 2: expected 0 to 1'})"
    )
    expect(root.locator(".more .refused")).to_have_text("p is 2: expected 0 to 1")
    expect(dropout).to_have_value("0.2")


def test_a_setting_that_the_optimiser_does_not_have_is_not_shown(panel: Open) -> None:
    root = panel(momentum=None, dropout=None, batch_fixed=True)
    assert root.locator(".more input[type=number]").count() == 1


def test_streams_are_chosen_by_key_and_read_with_the_others(panel: Open, page: Page) -> None:
    root = panel()
    points = "Array.from({length: 20}, (_, i) => [5 * i + 5, i + 1, i + 1, i + 1])"
    page.evaluate(f"kernel.run(100, {{state: 'paused'}}, {{points: {{gradient_norm: {points}}}}})")
    summary = root.locator(".more summary")
    summary.focus()
    page.keyboard.press("Enter")
    root.locator("[data-stream=gradient_norm]").focus()
    page.keyboard.press("Space")
    figure = root.locator("figure", has=page.get_by_text("gradient norm", exact=True))
    expect(figure).to_be_visible()
    expect(field(figure, "gradient_norm")).to_have_text("20.00")
    page.wait_for_timeout(100)
    assert figure.locator("canvas").evaluate(COUNT, BLUE) > 200
    root.locator("canvas").first.focus()
    page.keyboard.press("Home")
    expect(field(figure, "gradient_norm")).to_contain_text("step 5  1.000")


def test_without_smoothing_the_bold_line_is_the_values(panel: Open, page: Page) -> None:
    root = panel()
    page.evaluate("kernel.run(100, {state: 'paused'})")
    root.locator(".more summary").click()
    root.get_by_label("Smoothing").focus()
    page.keyboard.press("Home")
    canvas = root.locator("canvas").first
    canvas.focus()
    page.keyboard.press("End")
    text = field(root, "loss").inner_text()
    plain, mild = re.findall(r"[○●] (\S+)", text)
    assert plain == mild


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(panel: Open, page: Page, dark: bool) -> None:
    root = panel(dark=dark)
    page.evaluate("kernel.run(200, {state: 'running'})")
    root.locator(".more summary").click()
    root.locator("[data-stream=error]").check()
    assert violations(page) == []
