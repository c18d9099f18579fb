"""The doctor's panel in a browser: repairs by mouse and keyboard, undo, copy, narrow, no kernel."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from host_page import show
from playwright.sync_api import Page, expect

import minitorch_lab as lab

pytestmark = pytest.mark.browser

PROGRAM = """\
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Flatten(), nn.Linear(780, 10), nn.Softmax(dim=1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.rand(32, 28, 28), torch.randint(0, 10, (32,))
for _ in range(10):
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
"""


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if path is None:
        pytest.skip("no Chromium on this machine")
    return {"executable_path": path, "args": ["--no-sandbox", "--disable-gpu"]}


def test_repairs_one_by_one_and_back(page: Page) -> None:
    widget = lab.doctor(PROGRAM).widget()
    show(page, widget)
    findings, lit = page.locator("article"), page.locator(".code li.lit")
    expect(findings).to_have_count(3)
    expect(lit).to_have_count(3)
    findings.nth(1).hover()
    expect(page.locator(".code li.near")).to_contain_text("cross_entropy")
    page.get_by_role("button", name="apply the repair of L01").press("Enter")
    expect(findings).to_have_count(2)
    expect(page.get_by_role("status")).to_have_text("The repair of L01 is in the program.")
    expect(page.locator(".code")).to_contain_text("nn.Linear(784, 10)")
    page.get_by_role("button", name="apply all repairs").click()
    expect(findings).to_have_count(0)
    expect(page.locator(".words")).to_contain_text("None of the 25 mistakes")
    expect(page.get_by_role("button", name="apply all repairs")).to_be_hidden()
    assert widget.text == lab.doctor(PROGRAM).fix()
    for _ in range(2):
        page.get_by_role("button", name="undo").click()
    expect(findings).to_have_count(3)
    expect(page.get_by_role("button", name="undo")).to_be_hidden()
    assert widget.text == PROGRAM


def test_copy_gives_the_program_as_it_stands(page: Page) -> None:
    show(page, lab.doctor(PROGRAM).widget())
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard',"
        " {value: {writeText: async (text) => { window.copied = text; }}})"
    )
    page.get_by_role("button", name="apply all repairs").click()
    expect(page.locator("article")).to_have_count(0)
    page.get_by_role("button", name="copy the program").click()
    expect(page.get_by_role("status")).to_contain_text("on the clipboard")
    assert page.evaluate("window.copied") == lab.doctor(PROGRAM).fix()


@pytest.mark.parametrize("width", [480, 1300])
def test_nothing_sticks_out(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    show(page, lab.doctor(PROGRAM).widget(), dark=True)
    over = page.evaluate(
        "() => [...document.querySelectorAll('.lab.doctor, .finding, .bar > *')].filter("
        "(e) => e.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert over == 0
    columns = page.evaluate(
        "() => getComputedStyle(document.querySelector('.body'))"
        ".gridTemplateColumns.split(' ').length"
    )
    assert columns == (1 if width == 480 else 2)


def test_a_page_without_a_kernel_repairs_too(page: Page) -> None:
    page.set_content(lab.doctor(PROGRAM).widget().page())
    findings = page.locator("article")
    expect(findings).to_have_count(3)
    page.get_by_role("button", name="apply the repair of L08").click()
    expect(findings).to_have_count(2)
    expect(page.locator("article button")).to_have_count(0)
    page.get_by_role("button", name="undo").click()
    expect(findings).to_have_count(3)
    page.get_by_role("button", name="apply all repairs").click()
    expect(findings).to_have_count(0)


def test_what_needs_no_script(page: Page) -> None:
    page.set_content(f"<body>{lab.doctor(PROGRAM).widget().static_html()}</body>")
    expect(page.locator("article.finding")).to_have_count(3)
    expect(page.locator(".code li.lit")).to_have_count(3)
    page.locator("summary").click()
    expect(page.locator("details pre")).to_contain_text("nn.Linear(784, 10)")
