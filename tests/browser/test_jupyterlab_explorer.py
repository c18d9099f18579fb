"""Explorer and linker in a real JupyterLab: by mouse, by keys, while a cell runs; a saved page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import ipykernel
import pytest
from axe import violations
from lab_server import Notebook, Server, opened, serve_cells
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = [
    """import time
import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab import nn
net = nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 3))
data, target = lab.ones(4, 6), lab.tensor([0, 1, 2, 0])
def loss_of(data):
    return F.cross_entropy(net(data / 2), target)
loss = loss_of(data)
widget = lab.explore(loss_of, data)
widget""",
    """tower = lab.explore(lambda x: sum(x.sin() for _ in range(60)), data)
tower""",
    "pass",
    """def written(x, w):
    product = x @ w
    squares = product**2
    return squares.mean()

def called(x, w):
    p = lab.matmul(x, w)
    return lab.mean(p * p)

lab.link({"operators": written, "functions": called}, lab.ones(4, 2), lab.ones(2, 1))""",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab on a notebook with two explorers and a linker."""
    with serve_cells(tmp_path_factory, explorer=CELLS) as running:
        yield running


@pytest.fixture
def notebook(server: Server, page: Page) -> Iterator[Notebook]:
    with opened(page, server, "explorer") as notebook:
        yield notebook


def test_the_explorer_is_driven_by_mouse_and_keys(notebook: Notebook, tmp_path: Path) -> None:
    page = notebook.page
    explorer = page.locator(".lab.explorer").first
    explorer.scroll_into_view_if_needed()
    linear = explorer.locator("[data-node]", has_text="linear").first
    linear.click()
    expect(explorer.locator(".side h3").first).to_have_text("linear")
    expect(explorer.locator("[data-field=source]")).to_contain_text("cell 1, line 8")
    expect(explorer.locator("[data-field=value] table")).to_be_visible()
    for key in "abx":  # keys of the widget, not of the notebook, where they insert and cut cells
        page.keyboard.press(key)
    assert len(notebook.cells()) == len(CELLS)
    page.keyboard.press("ArrowUp")
    expect(explorer.locator(".graph .selected")).not_to_have_attribute(
        "data-key", str(linear.get_attribute("data-key"))
    )

    # fold and open, by mouse and by key
    explorer.locator(".title", has_text="1 LayerNorm").click()
    folded = explorer.locator(".folded", has_text="1 LayerNorm")
    expect(folded).to_be_focused()
    page.keyboard.press("Enter")
    expect(explorer.locator(".title", has_text="1 LayerNorm")).to_be_focused()

    # an op made of smaller ones
    explorer.locator("[data-node]", has_text="layer_norm").click()
    explorer.get_by_role("button", name="open layer_norm").click()
    expect(explorer.locator("[data-node]", has_text="standardize")).to_be_visible()
    page.keyboard.press("Enter")

    # time and colours
    explorer.locator("[data-node]", has_text="cross_entropy").click()
    explorer.get_by_role("button", name="measure").click()
    expect(explorer.locator("[data-field=time] code")).to_have_text(re.compile(r"[\d.]+ (µs|ms)"))
    explorer.get_by_label("colour by").select_option("memory")
    expect(explorer.locator(".legend li").first).to_contain_text(" B")
    assert notebook.ask("widget.colour['by']") == "'memory'"

    # the list, and Python's own word
    explorer.get_by_role("button", name="list").click()
    page.keyboard.press("Home")
    expect(explorer.get_by_role("treeitem").first).to_be_focused()
    assert notebook.ask("widget.selected") == "'n1'"
    for theme in ("light", "dark"):
        notebook.theme(theme)
        assert violations(page, ".lab.explorer") == []

    # a page of it, opened with the network off
    explorer.locator(".menu summary").click()
    with page.expect_download() as waiting:
        explorer.get_by_role("button", name="page (HTML)").click()
    file = tmp_path / "saved.html"
    waiting.value.save_as(file)
    assert page.context.browser is not None
    away = page.context.browser.new_context(offline=True)
    other = away.new_page()
    other.goto(file.as_uri())
    other.locator(".title", has_text="0 Linear").click()
    expect(other.locator(".folded", has_text="0 Linear")).to_be_visible()
    away.close()


def test_the_explorer_answers_while_a_cell_runs(notebook: Notebook) -> None:
    page = notebook.page
    tower = page.locator(".lab.explorer").nth(1)
    tower.scroll_into_view_if_needed()
    page.evaluate(
        """() => { // not awaited: the cell shall run on
          const {content} = window.jupyterapp.shell.currentWidget;
          content.deselectAll();
          content.activeCellIndex = 2;
          content.activeCell.model.sharedModel.setSource("time.sleep(8)");
          window.jupyterapp.commands.execute("notebook:run-cell");
        }"""
    )
    prompt = page.locator(".jp-CodeCell .jp-InputPrompt").nth(2)
    expect(prompt).to_have_text("[*]:")
    search = tower.get_by_role("searchbox")
    search.fill("sin")
    search.press("Enter")
    if ipykernel.version_info[0] < 7:  # it has one thread for cells and for pages
        expect(tower.locator(".side")).to_contain_text("The kernel is busy")
        return
    expect(tower.locator(".side h3").first).to_have_text("sin", timeout=5000)
    expect(tower.locator("[data-field=value]")).to_be_visible(timeout=5000)
    expect(prompt).to_have_text("[*]:")  # the cell still runs: the answer did not wait for it


def test_the_linker_lights_up_what_is_the_same(notebook: Notebook) -> None:
    page = notebook.page
    linker = page.locator(".lab.linker")
    linker.scroll_into_view_if_needed()
    status = linker.locator("[data-field=status]")
    operators = linker.get_by_role("listbox", name="operators").get_by_role("option")
    functions = linker.get_by_role("listbox", name="functions").get_by_role("option")
    square = linker.locator(".node", has_text="square")

    def lit() -> dict[str, list[str]]:
        found = linker.locator(".code .lit, .node.lit")
        texts = found.evaluate_all(
            "all => all.map(e => [e.matches('li') ? 'lines' : 'nodes', e.textContent.trim()])"
        )
        return {kind: [t for k, t in texts if k == kind] for kind in ("lines", "nodes")}

    # Point at a line: the node lights up, and the line of the other program.
    operators.filter(has_text="product = x @ w").hover()
    assert lit() == {"lines": ["product = x @ w", "p = lab.matmul(x, w)"], "nodes": ["matmul#3"]}
    # A line of two steps is lit by both; a click keeps its light when the pointer has left.
    functions.filter(has_text="return lab.mean").click()
    linker.get_by_role("heading").first.hover()
    kept = {
        "lines": ["squares = product**2", "return squares.mean()", "return lab.mean(p * p)"],
        "nodes": ["square#4", "mean#5"],
    }
    assert lit() == kept
    expect(status).to_contain_text("The same in operators line 3, 4")

    # By keys: lines, then nodes; letters are no commands of the notebook.
    page.keyboard.press("ArrowUp")
    expect(functions.filter(has_text="p = lab.matmul")).to_be_focused()
    expect(status).to_contain_text("The same in operators line 2")
    for key in "abx":
        page.keyboard.press(key)
    assert len(notebook.cells()) == len(CELLS)
    square.focus()
    expect(status).to_contain_text("#4 square")
    assert lit()["lines"] == ["squares = product**2", "return lab.mean(p * p)"]
    page.keyboard.press("ArrowDown")
    expect(linker.locator(".node", has_text="mean")).to_be_focused()
    page.keyboard.press("Enter")
    expect(linker.locator(".node", has_text="mean")).to_have_class(re.compile("pinned"))
    page.keyboard.press("Escape")
    expect(status).to_have_text("Nothing is lit.")
    assert lit() == {"lines": [], "nodes": []}

    for theme in ("light", "dark"):
        notebook.theme(theme)
        assert violations(page, ".lab.linker") == []
