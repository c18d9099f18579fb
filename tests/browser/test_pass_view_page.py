"""The pass view in a real browser: slider, lights, kernels; Python behind it, no Jupyter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from axe import violations
from host_page import show
from playwright.sync_api import Page, expect

import minitorch_lab as lab
from minitorch_lab.graph.codegen import native
from minitorch_lab.widgets.passes import PassView

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("window")]
WINDOW = 1200, 900

try:
    native.compiler()
    EXECUTOR = "c"
except native.NoCompiler:
    EXECUTOR = "numpy"


fuses = pytest.mark.skipif(EXECUTOR != "c", reason="fused loops need a C compiler")


def step(x: Any, w: Any, b: Any) -> Any:
    s = lab.tensor(1.0) / 4
    h = (x * w + b) * s
    p = x * w
    q = p.exp()  # noqa: F841  never used, on purpose
    return (h.tanh() + p).relu()


def widget() -> PassView:
    x, w, b = lab.randn(10, 8), lab.randn(8), lab.randn(8)
    return PassView(lab.explain(lab.compile(step, executor=EXECUTOR), x, w, b))


def go(page: Page, name: str) -> None:
    page.locator(".names button", has_text=name).first.click()


def lit(page: Page, selector: str) -> list[str]:
    found: list[str] = page.locator(f"{selector}.lit").evaluate_all(
        "all => all.map((x) => x.dataset.var ?? x.dataset.tape ?? x.dataset.line)"
    )
    return found


def row(page: Page, var: int) -> Any:
    return page.locator(f".tape li[data-tape='{var}']")


def node(page: Page, var: int) -> Any:
    return page.locator(f".node[data-var='{var}']").last


def test_the_slider_strikes_through_what_is_gone(page: Page) -> None:
    show(page, widget())
    go(page, "traced")
    expect(page.locator(".graph .node.gone")).to_have_count(0)
    expect(node(page, 13)).to_have_class("node output later")
    place = node(page, 5).bounding_box()
    go(page, "common")
    expect(node(page, 8)).to_have_class("node op gone")
    expect(row(page, 8).locator(".why")).to_be_visible()
    expect(row(page, 8)).to_contain_text("same as %5")
    line = page.locator(".graph .merge:not(.later)")  # joined with what stays
    expect(line).to_have_count(1)
    expect(line).to_have_attribute("d", re.compile(r"^M[-\d.]+ [-\d.]+L[-\d.]+ [-\d.]+$"))
    expect(page.locator(".status")).to_contain_text("After common: 1 op merged")
    assert node(page, 5).bounding_box() == place  # nothing moves


def test_the_slider_by_keys_is_spoken(page: Page) -> None:
    show(page, widget())
    slider = page.get_by_label("After pass")
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "traced, 9 ops")
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "lower, 9 ops")
    expect(page.locator("[data-field=status]")).to_contain_text("After lower: 1 op taken apart")


@fuses
def test_a_kernel_lights_up_its_tape_and_lines_and_the_other_way_round(page: Page) -> None:
    show(page, widget())
    page.locator(".kernel .title").hover()
    assert lit(page, ".tape li") == ["5", "6", "7", "8", "10", "11", "12"]
    assert len(lit(page, ".left .code li")) == 3
    assert page.locator(".lower .code li.lit").count() == 7
    page.locator("h2").hover()
    assert lit(page, ".tape li") == []
    row(page, 8).hover()
    assert set(lit(page, ".node")) == {"5", "8"}  # itself, and what stands for it
    assert page.locator(".module.kernel.lit").count() == 1
    page.locator(".left .code li", has_text="h = (x").hover()
    assert lit(page, ".tape li") == ["5", "6", "7"]
    page.locator(".lower .code li", has_text="tanh").first.hover()
    assert lit(page, ".tape li") == ["10"]


@fuses
def test_a_kernel_shuts_and_opens_in_its_place(page: Page) -> None:
    show(page, widget())
    title = page.locator(".kernel .title")
    title.click()
    expect(title).to_have_attribute("aria-expanded", "false")
    expect(page.locator(".lid")).to_be_visible()
    page.locator(".lid").click()
    expect(title).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".lid")).to_be_hidden()
    title.focus()
    page.keyboard.press("Enter")
    expect(title).to_have_attribute("aria-expanded", "false")
    go(page, "common")  # before there was a kernel
    expect(page.locator(".module.kernel")).to_be_hidden()
    expect(page.locator(".lid")).to_be_hidden()


def test_boxes_are_kernels_or_modules_and_lines(page: Page) -> None:
    show(page, widget())
    page.get_by_label("boxes").select_option("modules")
    title = page.locator(".title[data-module='line 1']")
    expect(title).to_have_attribute("aria-expanded", "true")
    title.click()
    folded = page.locator(".folded[data-module='line 1']")
    expect(folded).to_have_attribute("aria-expanded", "false")
    folded.hover()
    assert lit(page, ".tape li") == ["4", "5", "6", "7", "8"]  # with 0.25, and the other product
    folded.click()
    folded.click()
    expect(title).to_have_attribute("aria-expanded", "true")
    expect(node(page, 9)).to_have_class("node op gone before")  # the stop stays


def test_keys_light_up_and_keep(page: Page) -> None:
    show(page, widget())
    page.locator(".tape li").first.focus()
    for _ in range(9):
        page.keyboard.press("ArrowDown")
    assert lit(page, ".tape li") == ["9"]
    assert "9" in lit(page, ".node")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(row(page, 0)).to_have_attribute("aria-selected", "true")
    page.get_by_label("After pass").focus()
    assert lit(page, ".tape li") == ["0"]  # kept
    page.keyboard.press("Escape")
    assert lit(page, ".tape li") == []


def test_arrow_keys_walk_through_the_picture(page: Page) -> None:
    show(page, widget())
    node(page, 0).focus()
    page.keyboard.press("ArrowDown")
    focused = page.evaluate("document.activeElement.dataset.key")
    assert focused is not None
    assert focused != "n1"
    expect(page.locator("[data-field=status]")).to_contain_text("%")


def test_the_certificate_stands_where_its_button_was(page: Page) -> None:
    show(page, widget())
    go(page, "common")
    page.locator(".proof button").click()
    expect(page.locator(".proof .badge")).to_have_text("largest difference 0 (bitwise)")
    expect(page.locator(".proof button")).to_have_count(0)
    go(page, "dead")
    expect(page.locator(".proof button")).to_have_count(1)  # of each pass its own


def test_beside_a_difference_stands_what_is_computed_otherwise(page: Page) -> None:
    view = widget()
    reasons = ["c: exp by formulas of its own", "fuse: <b>"]
    view.certificates = {
        "1": {"text": "largest difference 0.1", "good": False, "alone": False, "why": reasons},
        "2": {"text": "largest difference 0 (bitwise)", "good": True},
    }
    show(page, view)
    go(page, "lower")
    expect(page.locator(".otherwise li")).to_have_text(reasons)
    go(page, "fold")
    expect(page.locator(".otherwise")).to_be_hidden()


def test_a_busy_kernel_does_not_stop_the_page(page: Page) -> None:
    show(page, widget())
    page.evaluate("window.busy = true")
    go(page, "common")
    page.locator(".proof button").click()
    expect(page.locator(".proof")).to_have_text("running both …")
    go(page, "traced")
    expect(page.locator(".graph .node.gone")).to_have_count(0)


def test_the_saved_page_works_with_no_kernel_and_no_network(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "passes.html"
    file.write_text(widget().page(), encoding="utf-8")
    page.context.set_offline(True)
    page.goto(file.as_uri())
    go(page, "common")
    expect(page.locator(".proof .badge")).to_have_text("largest difference 0 (bitwise)")
    row(page, 8).hover()
    assert set(lit(page, ".node")) == {"5", "8"}
    page.context.set_offline(False)


def test_a_name_cannot_break_out(page: Page) -> None:
    def f(x: Any) -> Any:
        return x * 2

    f.__name__ = "<img src=x onerror=window.broken=1>"
    show(page, PassView(lab.explain(lab.compile(f), lab.ones(3))))
    expect(page.locator("h2")).to_contain_text("<img src=x")
    assert page.locator(".passes img").count() == 0
    assert page.evaluate("window.broken") is None


@pytest.mark.parametrize("width", [480, 1600])
def test_fits_its_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    show(page, widget())
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width


@pytest.mark.parametrize("width", [1300, 480])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(page: Page, dark: bool, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    show(page, widget(), dark=dark)
    page.locator(".changes summary").click()
    assert violations(page) == []
    page.get_by_label("After pass").focus()
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.locator(".proof button").click()
    row(page, 8).click()
    expect(page.locator(".proof .badge")).to_be_visible()
    assert violations(page) == []
