"""Explorer and stepper in a real Notebook 7: by mouse, by keys, narrow, in both themes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe import violations
from lab_server import Notebook, opened, serve_cells
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]
pytest.importorskip("notebook", reason="Notebook 7 is not installed")

CELLS = [
    """import minitorch_lab as lab
net = lab.nn.Sequential(lab.nn.Linear(4, 3), lab.nn.ReLU())
lab.explore(net(lab.ones(2, 4)).sum())""",
    """x = lab.tensor(2.0, requires_grad=True)
y = x**2 + 2 * x + 1
lab.step_through(y)""",
]


@pytest.fixture
def notebook(tmp_path_factory: pytest.TempPathFactory, page: Page) -> Iterator[Notebook]:
    with (
        serve_cells(tmp_path_factory, app="notebook", widgets=CELLS) as server,
        opened(page, server, "widgets", width=1300) as notebook,
    ):
        yield notebook


def test_explorer_and_stepper_are_driven_in_notebook_7(notebook: Notebook) -> None:
    page = notebook.page
    explorer, stepper = page.locator(".lab.explorer"), page.locator(".lab.stepper")

    explorer.scroll_into_view_if_needed()
    relu = explorer.locator("[data-node][aria-label^='relu']")
    relu.click()
    expect(explorer.locator(".side h3").first).to_have_text("relu")
    expect(explorer.locator("[data-field=value] table")).to_be_visible()
    page.keyboard.press("ArrowUp")
    expect(explorer.locator(".side h3").first).to_have_text("linear")
    for key in "abx":  # which insert and cut cells elsewhere in the notebook
        page.keyboard.press(key)
    assert len(notebook.cells()) == len(CELLS)
    title = explorer.locator(".title", has_text="0 Linear")
    title.click()
    expect(explorer.locator(".folded", has_text="0 Linear")).to_be_focused()
    page.keyboard.press("Enter")
    expect(title).to_be_focused()

    stepper.scroll_into_view_if_needed()
    status = stepper.locator("[data-field=status]")
    stepper.locator(".view").focus()
    page.keyboard.press("End")
    expect(status).to_contain_text("which now has 6")
    page.keyboard.press("ArrowLeft")
    expect(status).to_contain_text("Step 8 of 9")
    stepper.get_by_role("button", name="next", exact=True).click()
    expect(status).to_contain_text("Step 9 of 9")
    page.keyboard.press("Home")
    expect(status).to_contain_text("Step 1 of 9")

    page.set_viewport_size({"width": 480, "height": 1000})
    for theme, ground in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(33, 33, 33)")):
        notebook.theme(theme)
        for widget in (explorer, stepper):
            expect(widget).to_have_css("background-color", ground)
            picture, panel = widget.locator(".view").first, widget.locator(".side")
            above, below = picture.bounding_box(), panel.bounding_box()
            assert above is not None
            assert below is not None
            assert above["y"] + above["height"] <= below["y"] + 1  # one below the other
            assert widget.evaluate("w => w.scrollWidth <= w.clientWidth")
        assert violations(page, ".lab") == []
