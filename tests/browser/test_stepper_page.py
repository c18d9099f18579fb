"""The stepper in a real browser: stepped, played, asked; Python behind it, no Jupyter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from axe import violations
from host_page import show
from playwright.sync_api import Page, expect
from test_explorer_page import CONTRAST, OUTSIDE

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab import nn
from minitorch_lab.viz.steps import steps_of
from minitorch_lab.widgets.stepper import Stepper, step_through

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("window")]
WINDOW = 1100, 900


def polynomial(**options: Any) -> Stepper:
    """9 steps: pow #3, mul #5, add #6, y = add #8; the start; and back."""

    def poly(x: Any) -> Any:
        square = x**2
        return square + 2 * x + 1

    x = lab.tensor(2.0, requires_grad=True)
    return step_through(poly, x, **options)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(6, 5)
        self.fc2 = nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        h = self.fc1(x).relu()
        return self.fc2(h)


def network(**options: Any) -> Stepper:
    net, target = Net(), lab.tensor([0, 1, 2, 0])

    def loss_of(x: Any) -> Any:
        return F.cross_entropy(net(x), target)

    return step_through(loss_of, lab.randn(4, 6), **options)


def deep(count: int = 60) -> Stepper:
    x = lab.tensor(0.5, requires_grad=True)
    y = x
    for _ in range(count):
        y = y.sin()
    return step_through(y)


def status(page: Page) -> Any:
    return page.locator("[data-field=status]")


def at(page: Page, words: str) -> None:
    """The step that is shown, as it is spoken and as the slider says it."""
    expect(status(page)).to_contain_text(f"Step {words.split()[0]} of")
    expect(page.locator(".transport output").first).to_have_text(words)


def test_forth_and_back_by_buttons(page: Page) -> None:
    show(page, polynomial())
    at(page, "1 of 9")
    expect(status(page)).to_have_text("Step 1 of 9, forward: pow of x, 2 gives 4.")
    expect(page.get_by_role("button", name="back")).to_be_disabled()
    expect(page.locator(".edge.grad:visible")).to_have_count(0)
    next_ = page.get_by_role("button", name="next", exact=True)
    for n in range(2, 9):
        next_.click()
        at(page, f"{n} of 9")
    expect(page.locator(".badge.grad")).to_have_text("backward")
    expect(page.locator(".sums")).to_contain_text("1 of 2 paths has arrived.")
    next_.click()
    expect(page.locator(".sums .row").nth(1)).to_contain_text("so far, from mul")
    expect(page.locator(".sums .row").nth(1).locator("strong")).to_have_text(["2", "4", "6"])
    expect(next_).to_be_disabled()
    expect(page.locator(".values tr", has_text="x").last).to_contain_text("6")
    page.get_by_role("button", name="back").click()
    at(page, "8 of 9")
    expect(page.locator(".values tr", has_text="x").last).to_contain_text("2 so far")


def test_by_keys(page: Page) -> None:
    show(page, polynomial())
    page.locator(".view").focus()
    for key, words in [
        ("ArrowRight", "2 of 9"), ("End", "9 of 9"), ("ArrowLeft", "8 of 9"), ("Home", "1 of 9"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        at(page, words)
    slider = page.get_by_role("slider", name="Step")
    slider.focus()
    page.keyboard.press("ArrowRight")
    at(page, "2 of 9")  # once: the slider moves by itself
    expect(slider).to_have_attribute("aria-valuetext", "step 2 of 9, forward")


def test_done_nodes_are_full_the_current_one_is_ringed(page: Page) -> None:
    show(page, polynomial())
    expect(page.locator(".node.todo")).to_have_count(3)
    expect(page.locator(".node.selected")).to_have_attribute("data-node", "3")
    expect(page.locator("[data-node='5'] .shape")).to_be_hidden()  # its value is not known yet
    page.locator(".view").focus()
    page.keyboard.press("End")
    expect(page.locator(".node.passed")).to_have_count(4)
    expect(page.locator(".edge.grad:visible")).to_have_count(5)
    expect(page.locator(".edge.now text")).to_have_text("4")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".edge.grad:visible")).to_have_count(4)
    expect(page.locator(".edge.now text")).to_have_text("2")


def test_a_click_on_a_node_goes_to_its_step_of_this_pass(page: Page) -> None:
    show(page, polynomial())
    page.locator("[data-node='5']").click()
    at(page, "2 of 9")
    page.locator(".view").focus()
    page.keyboard.press("End")
    page.locator("[data-node='5']").click()
    at(page, "8 of 9")
    page.locator("[data-node='5']").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    at(page, "9 of 9")  # pow
    page.locator("[data-node='1']").click()
    at(page, "8 of 9")  # of an input: where the first gradient reaches it


def test_a_click_on_a_line_goes_to_its_first_step(page: Page) -> None:
    show(page, polynomial())
    expect(page.locator(".code .lit")).to_have_text(re.compile(r"square = x\*\*2"))
    expect(page.locator(".code .lit b")).to_have_text("x**2")
    page.get_by_role("button", name="return square + 2 * x + 1").click()
    at(page, "2 of 9")
    expect(page.locator(".code .lit b")).to_have_text("2 * x")
    page.get_by_role("button", name="return square").click()  # again: the line's next op
    at(page, "3 of 9")
    expect(page.locator(".code .lit b")).to_have_text("square + 2 * x")
    page.locator(".view").focus()
    page.keyboard.press("End")
    page.get_by_role("button", name="return square").click()
    at(page, "6 of 9")


def test_the_lit_line_stands_out(page: Page) -> None:
    show(page, polynomial())
    ground = "li => getComputedStyle(li).backgroundColor"
    lines = page.locator(".source li")
    grounds = [lines.nth(i).evaluate(ground) for i in range(3)]
    assert grounds[1] != grounds[0] == grounds[2]
    expect(lines.nth(1)).to_have_class("lit")


def test_a_compiled_loss_is_stepped_through_and_said(page: Page) -> None:
    net, target = Net(), lab.tensor([0, 1, 2, 0])
    loss_of = lab.compile(lambda x: F.cross_entropy(net(x), target))
    show(page, step_through(loss_of(lab.randn(4, 6))))
    expect(page.locator(".notice")).to_contain_text("ran as a graph")
    at(page, "1 of 9")  # four ops, the start, four ops
    page.keyboard.press("Tab")
    page.locator(".view").focus()
    page.keyboard.press("End")
    expect(status(page)).to_contain_text("linear passes (5, 6) to")


def test_signs_stand_between_the_numbers(page: Page) -> None:
    """Also where a number has a norm below it."""
    w = lab.randn(20, 12, requires_grad=True)
    widget = step_through((lab.randn(16, 20) @ w).tanh().sum())
    widget.step = 6  # tanh: its local derivative times what comes in
    show(page, widget)
    middle = "e => { const r = e.getBoundingClientRect(); return r.y + r.height / 2; }"
    row = page.locator(".sums > .row").first
    number, sign = row.locator("strong").last, row.locator(".sign").last
    assert abs(number.evaluate(middle) - sign.evaluate(SIGN)) <= 3


SIGN = """e => { const range = document.createRange(); range.selectNodeContents(e);
  const r = range.getBoundingClientRect(); return r.y + r.height / 2; }"""


def test_play_goes_to_the_end_and_stops(page: Page) -> None:
    show(page, polynomial())
    speed = page.get_by_label("speed")
    speed.fill("4")
    expect(page.locator(".transport .field output")).to_have_text("4 / s")
    page.locator(".view").focus()
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="pause")).to_be_visible()
    at(page, "9 of 9")
    expect(page.get_by_role("button", name="play")).to_be_visible()


def test_a_prediction_first(page: Page) -> None:
    widget = polynomial()
    show(page, widget)
    page.locator(".view").focus()
    page.keyboard.press("End")
    page.get_by_label("predict first").check()
    expect(status(page)).to_have_text(
        "Step 9 of 9, backward: what has x after pow has added to it?"
    )
    expect(page.locator(".edge.grad:visible")).to_have_count(4)  # the picture does not tell
    expect(page.locator(".values tr.now").first).to_contain_text("?")
    expect(page.locator(".sums")).not_to_contain_text("6")
    field = page.get_by_label("Your prediction")
    field.fill("4")
    field.press("Enter")
    expect(page.locator(".verdict")).to_have_text(
        "Not 4: off by 2. All that arrives is added up. Try again, or choose show."
    )
    field.fill("six")
    field.press("Enter")
    expect(page.locator(".verdict")).to_have_text("Expected one number.")
    field.fill("6.0")
    field.press("Enter")
    expect(page.locator(".note", has_text="Right.")).to_be_visible()
    expect(status(page)).to_contain_text("Right. Step 9 of 9")
    expect(page.locator(".edge.grad:visible")).to_have_count(5)
    expect(page.locator("[data-field=score]")).to_have_text("1 of 1 as predicted")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="show")).to_be_visible()
    page.get_by_role("button", name="show").click()  # no prediction: it is shown, and not counted
    expect(page.locator(".sums")).to_contain_text("1 of 2 paths has arrived.")
    expect(page.locator("[data-field=score]")).to_have_text("1 of 1 as predicted")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".sums")).to_contain_text("as you predicted")
    assert widget.answers["9"] == {"given": "6.0", "right": True}


def test_a_vector_and_a_shape_are_asked(page: Page) -> None:
    b = lab.tensor([1.0, 2.0], requires_grad=True)
    show(page, Stepper(steps_of((lab.ones(3, 2) * b).sum()), ask=True))
    page.locator(".view").focus()
    page.keyboard.press("End")
    field = page.get_by_label("Your prediction")
    field.fill("3, 1")
    field.press("Enter")
    expect(page.locator(".verdict")).to_contain_text("Not 3, 1: 1 of 2 are right.")
    field.fill("3 3")
    field.press("Enter")
    expect(page.locator(".note", has_text="Right.")).to_be_visible()


def test_playing_waits_at_a_question(page: Page) -> None:
    show(page, polynomial(ask=True))
    page.get_by_label("speed").fill("4")
    page.get_by_role("button", name="show").click()
    page.get_by_role("button", name="play").click()
    at(page, "2 of 9")
    expect(page.get_by_role("button", name="play")).to_be_visible()
    expect(page.get_by_label("Your prediction")).to_be_visible()


def test_a_busy_kernel_is_said_and_the_step_comes_later(page: Page) -> None:
    show(page, deep())
    page.evaluate("window.busy = true")
    page.locator(".view").focus()
    page.keyboard.press("End")
    at(page, "121 of 121")
    expect(page.locator(".sums")).to_contain_text("The kernel is busy")
    page.evaluate("window.busy = false; window.waiting.forEach((c) => window.model.send(c))")
    expect(page.locator(".sums")).to_contain_text("local derivative")


def test_a_module_folds_and_keeps_the_step(page: Page) -> None:
    show(page, network())
    page.locator(".view").focus()
    page.keyboard.press("End")
    page.locator(".title[data-module='Net.fc1']").click()
    expect(page.locator(".folded[data-module='Net.fc1']")).to_have_class(re.compile("selected"))
    at(page, "9 of 9")
    page.locator(".folded[data-module='Net.fc1']").click()
    expect(page.locator(".selected[data-node]")).to_have_count(1)


def test_the_step_can_be_set_from_python(page: Page) -> None:
    widget = polynomial()
    show(page, widget)
    page.locator(".view").focus()
    page.keyboard.press("ArrowRight")
    assert widget.step == 2


@pytest.mark.parametrize("width", [480, 760, 1100, 1600])
@pytest.mark.parametrize("dark", [False, True])
def test_fits_every_width_in_both_themes(page: Page, width: int, dark: bool) -> None:
    page.set_viewport_size({"width": width + 42, "height": 900})
    with lab.broken("overwrite"):
        show(page, network(), dark=dark)
    page.locator(".view").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    over = page.evaluate(
        "[document.documentElement, document.querySelector('.lab')]"
        ".map((e) => e.scrollWidth - e.clientWidth)"
    )
    assert over == [0, 0]
    assert page.evaluate(OVERLAP) == []
    assert page.evaluate(OUTSIDE) == []
    contrast = page.evaluate(CONTRAST)
    assert min(contrast.values()) >= 4.5, contrast
    view, side = page.locator(".view").bounding_box(), page.locator(".side").bounding_box()
    assert view is not None
    assert side is not None
    assert (side["y"] >= view["y"] + view["height"] - 1) == (width <= 720)


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(page: Page, dark: bool) -> None:
    with lab.broken("overwrite"):
        show(page, polynomial(ask=True), dark=dark)
    assert violations(page) == []
    page.get_by_label("predict first").uncheck()
    page.locator(".view").focus()
    page.keyboard.press("End")
    assert violations(page) == []


# Terms of the arithmetic that lie on one another.
OVERLAP = """() => {
  const boxes = [...document.querySelectorAll('.sums .term strong, .sums .term > span, .sums .sign, .sums table')]
    .map((e) => [e.textContent.slice(0, 20), e.getBoundingClientRect()]).filter(([, r]) => r.width);
  return boxes.flatMap(([a, r], i) => boxes.slice(i + 1).filter(([b, s]) =>
    Math.min(r.right, s.right) - Math.max(r.left, s.left) > 1 &&
    Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top) > 4).map(([b]) => `${a} | ${b}`));
}"""  # noqa: E501


def test_what_is_below_stays_where_it_is(page: Page) -> None:
    show(page, polynomial())
    page.locator(".view").focus()
    page.keyboard.press("End")
    tops = set()
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
        box = page.locator(".status").bounding_box()
        assert box is not None
        tops.add(round(box["y"]))
    assert len(tops) == 1


def test_a_broken_engine_is_loud(page: Page) -> None:
    with lab.broken("overwrite"):
        widget = polynomial()
    show(page, widget)
    expect(page.locator(".badge.alarm")).to_have_text("broken: overwrite")
    page.locator(".view").focus()
    page.keyboard.press("End")
    expect(page.locator(".sums .bad")).to_have_text("Wrong: these are added, and make 6.")


def test_messages_are_designed_and_the_example_opens(page: Page) -> None:
    show(page, step_through())
    expect(page.locator(".lab.stepper")).to_contain_text("The steps of your next backward pass")
    page.get_by_role("button", name="step through an example").click()
    at(page, "1 of 9")


def test_what_failed_is_an_alert(page: Page) -> None:
    total = 3.5
    show(page, step_through(total))
    expect(page.get_by_role("alert")).to_contain_text("KindError: step_through: total has no steps")
    expect(page.locator(".badge.bad")).to_have_text("no steps")


def test_names_are_text_in_the_page(page: Page) -> None:
    name = "<img src=x onerror=document.title='bad'>"
    x = lab.tensor(1.0, requires_grad=True)
    y = x * x
    show(page, Stepper(steps_of(y, title=name, names={id(x): name, id(y): name})))
    page.locator(".view").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert page.locator(".lab img").count() == 0
    assert page.title() == "stepper"


def test_a_saved_page_steps_without_kernel_and_network(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "steps.html"
    file.write_text(deep().page(), encoding="utf-8")
    page.context.set_offline(True)
    page.goto(file.as_uri())
    page.locator(".view").focus()
    page.keyboard.press("ArrowRight")
    at(page, "2 of 121")
    page.keyboard.press("End")
    at(page, "121 of 121")
    expect(page.locator(".sums")).to_contain_text("local derivative")
    page.get_by_label("predict first").check()
    page.get_by_role("button", name="show").click()
    expect(page.locator(".sums")).to_contain_text("local derivative")


def test_the_static_twin_has_all_gradients_and_follows_the_theme(page: Page) -> None:
    html = polynomial().static_html()
    inks = []
    for light in ("true", "false"):
        page.set_content(f'<body data-jp-theme-light="{light}">{html}</body>')
        expect(page.locator(".edge.grad text")).to_have_count(5)
        expect(page.locator("table.steps tr").last).to_contain_text("2 + 4 = 6")
        inks.append(page.evaluate("getComputedStyle(document.querySelector('.node.op text')).fill"))
    assert inks == ["rgb(33, 33, 33)", "rgb(222, 222, 222)"]
