"""``%%doctor`` in a real JupyterLab: the repaired text takes the place of the cell's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab_server import Notebook, Server, opened, serve_cells
from playwright.sync_api import Page, expect

import minitorch_lab as lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PROGRAM = """\
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Flatten(), nn.Linear(780, 10))
print(model(torch.zeros(1, 28, 28)).shape)"""
OURS = PROGRAM.replace("import torch", "import minitorch_lab as torch", 1).replace(
    "from torch import nn", "from minitorch_lab import nn"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve_cells(tmp_path_factory, doctor=["import minitorch_lab", "pass"]) as running:
        yield running


def text(notebook: Notebook, index: int) -> str:
    return "".join(notebook.cells()[index]["source"])


def test_fix_takes_the_place_of_the_cell(server: Server, page: Page) -> None:
    with opened(page, server, "doctor", patience=60_000) as notebook:
        page.evaluate(
            "source => jupyterapp.shell.currentWidget.content.widgets[1]"
            ".model.sharedModel.setSource(source)",
            f"%%doctor --fix\n{OURS}",
        )
        page.wait_for_timeout(1000)  # changes within half a second are one step back
        notebook.run_cell(1)
        page.wait_for_function(
            "() => jupyterapp.shell.currentWidget.content.model.toJSON().cells[1].source"
            ".includes('nn.Linear(784, 10)')"
        )
        assert text(notebook, 1) == f"%%doctor\n{lab.doctor(OURS).fix()}"
        expect(page.locator(".lab.doctor article")).to_have_count(1)  # what was repaired
        expect(page.get_by_text("The repaired program is in the cell")).to_be_visible()
        assert len(notebook.cells()) == 2

        # Run as it stands now: the program itself, and nothing is found.
        notebook.run_cell(1)
        expect(page.get_by_text("Size([1, 10])", exact=True)).to_be_visible()
        expect(page.locator(".lab.doctor .words")).to_contain_text("None of the 25 mistakes")

        # One step back with the keys brings the learner's own text again.
        editor = page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".cm-content")
        editor.click()
        editor.press("Control+z")
        page.wait_for_function(
            "() => jupyterapp.shell.currentWidget.content.model.toJSON().cells[1].source"
            ".includes('nn.Linear(780, 10)')"
        )
