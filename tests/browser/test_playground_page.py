"""The playground in a real browser: Python behind it, no Jupyter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe import violations
from host_page import show
from playwright.sync_api import Locator, Page, expect

import minitorch_lab as lab
from minitorch_lab.widgets.playground import Playground

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("window")]
WINDOW = 1300, 1000

# How many pixels of a canvas are not clear.
PAINTED = """(canvas) => {
  const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let found = 0;
  for (let i = 3; i < all.length; i += 4) if (all[i]) found++;
  return found / (all.length / 4);
}"""


def opened(page: Page, *, dark: bool = False, **settings: Any) -> Playground:
    play = lab.playground(**settings)
    show(page, play, dark=dark)
    expect(page.locator(".playground .badge")).to_have_text("ready")
    return play


def latest(page: Page) -> None:
    """Have all that there is to see sent again: this page hears nothing of the run's own thread."""
    page.evaluate("model.send({type: 'hello'})")
    page.wait_for_timeout(80)


def until(page: Page, true: Callable[[], bool]) -> None:
    """Wait for the run's thread; the page must go on meanwhile."""
    for _ in range(200):
        if true():
            return
        page.wait_for_timeout(25)
    raise AssertionError("it did not happen")


def field(page: Page, name: str) -> Locator:
    return page.locator(f"[data-field={name}]")


def test_the_panel_shows_data_network_and_result(page: Page) -> None:
    opened(page)
    expect(page.locator(".bar h2")).to_have_text("playground: two moons")
    expect(page.locator(".reason")).to_contain_text("Each unit of the first layer draws one")
    assert page.locator(".unit").count() == 7 + 6 + 4 + 2
    page.wait_for_timeout(100)
    for canvas in page.locator(".plane canvas, .lines, .unit canvas").all():
        assert canvas.evaluate(PAINTED) > 0.02


def test_steps_are_done_and_shown(page: Page) -> None:
    play = opened(page)
    page.get_by_role("button", name="step", exact=True).click()
    until(page, lambda: play.play.last.step == 1)
    latest(page)
    expect(field(page, "step")).to_have_text("1")
    play.step(400)
    latest(page)
    expect(page.locator(".badge")).to_have_text("paused")
    expect(field(page, "train")).to_have_text(f"{play.history.train[-1]:.4g}")
    expect(page.locator(".status [role=status]")).to_contain_text(
        "Paused after step 401: train loss 0."
    )
    assert page.locator(".losses canvas").evaluate(PAINTED) > 0.02
    page.get_by_role("button", name="reset").click()
    expect(page.locator(".badge")).to_have_text("ready")


def test_start_becomes_pause_and_both_speeds_are_shown(page: Page) -> None:
    play = opened(page)
    page.get_by_role("button", name="start").click()
    expect(page.locator(".badge")).to_have_text("running")
    page.get_by_role("button", name="pause").click()
    until(page, lambda: not play.play.alive)
    play.step(200)
    page.locator("input[value=graph]").check(force=True)
    until(page, lambda: play.play.mode == "graph")
    play.step(200)
    latest(page)
    shown = [int(text.replace(",", "")) for text in page.locator(".rate").all_inner_texts()]
    assert shown[0] > 10
    assert shown[1] > 10


def test_everything_is_set_by_keys(page: Page) -> None:
    play = opened(page)
    field(page, "data").focus()
    page.keyboard.type("xor")
    page.keyboard.press("Enter")
    expect(page.locator(".bar h2")).to_have_text("playground: xor")
    field(page, "noise").focus()
    page.keyboard.press("ArrowRight")
    until(page, lambda: (play.settings.data, play.settings.noise) == ("xor", 0.25))
    page.get_by_role("button", name="one unit more in layer 2").press("Enter")
    expect(page.get_by_label("units in layer 2")).to_have_text("5")
    page.get_by_role("button", name="one unit more in layer 2").press("Enter")
    expect(page.get_by_label("units in layer 2")).to_have_text("6")
    page.get_by_role("button", name="one hidden layer less").press("Enter")
    expect(page.locator(".column")).to_have_count(3)
    page.get_by_role("button", name="feature x1*x2").press("Space")
    expect(page.get_by_role("button", name="feature x1*x2")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert (play.settings.units, play.settings.features) == ((6,), ("x1", "x2", "x1*x2"))
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "feature x1*x2"


def test_a_preset_says_why_it_fails(page: Page) -> None:
    play = opened(page)
    field(page, "preset").select_option("xor-line")
    expect(page.locator(".reason")).to_contain_text("no line parts xor")
    assert play.settings.units == ()
    page.get_by_role("button", name="one hidden layer more").click()
    expect(page.locator(".column")).to_have_count(3)
    expect(page.locator(".reason")).to_contain_text("Add a layer of four units")
    assert play.settings.units == (4,)
    field(page, "data").select_option("moons")
    expect(page.locator(".reason")).to_be_hidden()


def test_arrows_go_from_unit_to_unit_and_weights_can_be_set(page: Page) -> None:
    play = opened(page)
    page.get_by_role("button", name="layer 1, unit 1").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "layer 2, unit 2"
    expect(page.locator(".result h3")).to_have_text("layer 2, unit 2")
    page.keyboard.press("Enter")
    expect(page.locator(".inspector h3")).to_have_text("Weights of layer 2, unit 2")
    given = page.get_by_label("weight of unit 3")
    given.fill("-1.5")
    given.press("Tab")
    until(page, lambda: play.model[2].weight[1, 2].item() == -1.5)
    page.keyboard.press("Escape")
    expect(page.locator(".inspector")).to_contain_text("Press it to see its weights")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "layer 2, unit 2"


def test_a_wrong_value_is_answered_in_words(page: Page) -> None:
    opened(page)
    page.evaluate("model.send({type: 'set', values: {lr: -1}})")
    expect(page.locator(".failed")).to_contain_text("lr is int -1")


def test_the_code_is_shown_in_both_words(page: Page) -> None:
    opened(page, units=[3])
    page.locator("summary").click()
    listing = page.get_by_role("region", name="the program")
    expect(listing).to_contain_text("lab.nn.Linear(2, 3)")
    page.get_by_label("Keras").check(force=True)
    expect(listing).to_contain_text('tf.keras.layers.Dense(3, activation="tanh")')


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_accessible_and_no_wider_than_its_place(page: Page, dark: bool) -> None:
    play = opened(page, dark=dark, preset="overfitting")
    play.step(20)
    latest(page)
    page.locator("summary").click()
    page.get_by_role("button", name="layer 1, unit 1").first.click()
    for width in (1300, 900, 480):
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(60)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    assert violations(page) == []


def test_two_panels_are_two(page: Page) -> None:
    opened(page)
    page.evaluate(
        "() => { const el = document.createElement('div'); document.body.append(el);"
        " window.other = made.render({model, el}); }"
    )
    latest(page)
    panels = page.locator(".playground")
    expect(panels.nth(1).locator(".unit")).to_have_count(19)
    panels.nth(1).get_by_role("button", name="one unit less in layer 1").click()
    expect(panels.nth(0).get_by_label("units in layer 1")).to_have_text("5")
    expect(panels.nth(1).get_by_label("units in layer 1")).to_have_text("5")
    page.evaluate("other()")


def test_the_radio_buttons_of_two_playgrounds_are_apart(page: Page) -> None:
    play = opened(page)
    names = page.evaluate(
        """async (source) => {
          // As a notebook does it: the script is loaded anew for each widget.
          const url = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
          const el = document.body.appendChild(document.createElement("div"));
          (await import(url)).default.render({model, el});
          const panels = [...document.querySelectorAll(".playground")];
          return panels.map((panel) => panel.querySelector("[type=radio]").name);
        }""",
        play.module(),
    )
    assert len(set(names)) == 2


def test_a_saved_page_shows_the_last_look(page: Page, tmp_path: Path) -> None:
    play = lab.playground(data="pinwheel")
    play.step(50)
    file = tmp_path / "playground.html"
    file.write_text(play.page(), encoding="utf-8")
    page.context.set_offline(True)
    page.goto(file.as_uri())
    expect(field(page, "step")).to_have_text("50")
    page.locator("summary").click()
    expect(page.get_by_role("region", name="the program")).to_contain_text("range(50)")
