"""The dialect linker in a real browser: a line lights up its values and the lines elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe import violations
from host_page import show
from playwright.sync_api import Page, expect

import minitorch_lab as lab

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("window")]
WINDOW = 1300, 900


def line(page: Page, title: str, text: str) -> Any:
    return page.get_by_role("listbox", name=title).locator("li", has_text=text)


def lit(page: Page) -> list[str]:
    texts: list[str] = page.locator("li.lit").all_text_contents()
    return [text.strip() for text in texts]


LOSS = [
    "loss = ((prediction - y) ** 2).mean()",
    "loss = ((prediction - y) ** 2).mean()",
    'loss="mean_squared_error",',
    "return ((prediction - y) ** 2).mean()",
    "loss = ((prediction - y_) ** 2).mean()",
]


def test_a_line_lights_up_its_values_and_the_lines_of_the_others(page: Page) -> None:
    show(page, lab.link())
    line(page, "tape style", "loss = ").hover()
    assert lit(page) == LOSS
    expect(page.locator(".node.lit")).to_have_count(3)
    page.locator("h2").hover()
    assert lit(page) == []


def test_a_node_lights_up_the_lines(page: Page) -> None:
    show(page, lab.link())
    page.locator(".node[data-values='10']").hover()  # square
    assert lit(page) == LOSS


def test_keys_move_light_up_and_keep(page: Page) -> None:
    show(page, lab.link())
    line(page, "PyTorch style", "prediction = ").focus()
    page.keyboard.press("ArrowDown")
    assert lit(page) == LOSS
    expect(page.locator("[data-field=status]")).to_contain_text("The same in tape style line 8")
    page.keyboard.press("Enter")
    expect(line(page, "PyTorch style", "loss = ")).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="fit").focus()
    assert lit(page) == LOSS
    page.keyboard.press("Escape")
    assert lit(page) == []
    page.locator(".node").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-field=status]")).to_contain_text("#")


def test_the_saved_page_works_with_no_kernel_and_no_network(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "link.html"
    file.write_text(lab.link().page(), encoding="utf-8")
    page.context.set_offline(True)
    page.goto(file.as_uri())
    line(page, "session", "loss = ").hover()
    assert lit(page) == LOSS
    page.context.set_offline(False)


def test_a_name_cannot_break_out(page: Page) -> None:
    naughty = "<img src=x onerror=window.broken=1>"
    show(page, lab.link({naughty: lambda x: x * 2}, lab.ones(3)))
    expect(page.locator("h3")).to_have_text(naughty)
    assert page.locator(".linker img").count() == 0


@pytest.mark.parametrize("width", [480, 1600])
def test_fits_its_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    show(page, lab.link())
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1300, 480])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(page: Page, dark: bool, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    show(page, lab.link(), dark=dark)
    assert violations(page) == []
    line(page, "tape style", "dw, db = ").click()
    assert violations(page) == []
