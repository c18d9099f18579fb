"""The panel of a loop of one's own on a page: what it has, what it leaves out, and its notes."""

from __future__ import annotations

import pytest
from axe import violations
from host_page import show
from playwright.sync_api import Page, expect

from minitorch_lab import nn, optim
from minitorch_lab.widgets.guards import Note
from minitorch_lab.widgets.loop import Loop
from minitorch_lab.widgets.loop_panel import LoopPanel

pytestmark = pytest.mark.browser


def looped(**given: object) -> tuple[Loop, LoopPanel]:
    """A run that has ended, and its panel."""
    run = Loop([1.0, 0.5, 0.25], name="mine", **given)
    panel = LoopPanel(run)
    for loss in run:
        run.log(loss=loss, accuracy=1 - loss, reward=loss)
    return run, panel


def test_it_shows_what_was_logged_and_no_controls_that_are_not_there(page: Page) -> None:
    _, panel = looped()
    show(page, panel)
    expect(page.locator("figure:visible h3")).to_have_text(["loss", "accuracy", "reward"])
    expect(page.locator("[data-field=state]")).to_have_text("done")
    for act in ("start", "step", "stop"):
        expect(page.locator(f"[data-act={act}]")).to_have_attribute("aria-disabled", "true")
    for gone in ("[data-act=epoch]:visible", "[data-field=lr]:visible", ".device:visible"):
        expect(page.locator(gone)).to_have_count(0)
    expect(page.locator(".status")).to_contain_text("Done after 1 epoch: loss 0.5833")


def test_a_loop_that_has_no_epochs_names_none(page: Page) -> None:
    run = Loop(steps=2, name="mine")
    panel = LoopPanel(run)
    with run:
        for loss in (1.0, 0.5):
            run.log(loss=loss)
    show(page, panel)
    expect(page.locator(".run")).to_have_text("100 %")
    expect(page.locator(".status")).to_contain_text("Done after 2 steps: loss 0.5")


def test_the_learning_rate_is_there_with_an_optimizer(page: Page) -> None:
    model = nn.Linear(1, 1)
    _, panel = looped(optimizer=optim.SGD(model.parameters(), lr=0.1))
    show(page, panel)
    expect(page.locator("[data-field=lr]")).to_be_visible()


def test_a_note_is_words_and_can_be_dismissed(page: Page) -> None:
    run, panel = looped()
    assert run._finished.wait(20)  # nobody looks any more
    run._guards.notes = (Note("jumps", "jumps", 2, "The <b>loss</b> jumps.", "Go slower."),)
    show(page, panel)
    notes = page.locator(".notes li")
    expect(notes).to_have_count(1)
    expect(notes).to_contain_text("The <b>loss</b> jumps. Go slower.")
    notes.get_by_role("button").click()
    expect(notes).to_have_count(0)


def test_a_new_name_makes_a_picture_for_it(page: Page) -> None:
    run, panel = looped()
    show(page, panel)
    expect(page.locator("figure:visible")).to_have_count(3)
    for loss in run:
        run.log(loss=loss, other=2 * loss)
    page.locator("summary").first.click()
    page.locator("[data-stream=reward]").click()  # the answer brings what is new
    expect(page.locator("[data-stream=other]")).to_have_count(1)
    expect(page.locator("section.live")).to_have_count(1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(page: Page, dark: bool) -> None:
    run, panel = looped()
    assert run._finished.wait(20)
    run._guards.notes = (Note("jumps", "jumps", 2, "The loss jumps.", "Go slower."),)
    show(page, panel, dark=dark)
    expect(page.locator(".notes li")).to_have_count(1)
    assert violations(page) == []
