"""Widgets under what VS Code gives a notebook's output: its classes, its colours, its rules."""

from __future__ import annotations

from typing import Any

import pytest
from axe import violations
from host_page import show
from playwright.sync_api import Page, expect

import minitorch_lab as lab
from minitorch_lab.tape import Settings

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("window")]
WINDOW = 1100, 900

# Classes of the body, ground, text and lines in the themes that VS Code comes with.
THEMES = {
    "light": ("vscode-light", "#ffffff", "#3b3b3b", "#e5e5e5"),
    "dark": ("vscode-dark", "#1f1f1f", "#cccccc", "#2b2b2b"),
    "contrast": ("vscode-high-contrast", "#000000", "#ffffff", "#6fc3df"),
    "light contrast": (
        "vscode-high-contrast-light vscode-high-contrast",
        "#ffffff",
        "#292929",
        "#0f4a85",
    ),
}
# Its widget manager brings JupyterLab's light colours, whatever the theme is.
HOST = """
:root { --jp-layout-color1: white; --jp-ui-font-color1: rgba(0, 0, 0, .8);
  --jp-border-color2: #e0e0e0; --jp-ui-font-family: Helvetica, Arial, sans-serif;
  --vscode-editor-background: GROUND; --vscode-editor-foreground: TEXT;
  --vscode-panel-border: LINES; --vscode-font-family: system-ui, sans-serif;
  --vscode-editor-font-family: monospace; }
body { background: GROUND; color: TEXT; }
code { padding: 1px 3px; border-radius: 4px; background: #8884; }
table, th, tr { vertical-align: middle; text-align: right; }
thead, th { background: #8884; }
tr:nth-child(2n) { background: #8884; }
"""


def host(theme: str) -> tuple[str, str]:
    classes, *colours = THEMES[theme]
    style = HOST
    for name, colour in zip(("GROUND", "TEXT", "LINES"), colours, strict=True):
        style = style.replace(name, colour)
    return f'class="{classes}"', style


def rgb(colour: str) -> str:
    return f"rgb({int(colour[1:3], 16)}, {int(colour[3:5], 16)}, {int(colour[5:], 16)})"


def stepper() -> Any:
    x = lab.tensor(2.0, requires_grad=True)
    return lab.step_through(x**2 + 2 * x + 1)


def explorer() -> Any:
    net = lab.nn.Sequential(lab.nn.Linear(3, 2), lab.nn.ReLU())
    return lab.explore(net(lab.ones(2, 3)))


@pytest.mark.parametrize(
    ("theme", "make"),
    [*((theme, stepper) for theme in THEMES), ("dark", explorer)],
    ids=[*THEMES, "dark explorer"],
)
def test_a_widget_follows_the_theme_of_vs_code(page: Page, theme: str, make: Any) -> None:
    show(page, make(), host=host(theme))
    widget = page.locator(".lab")
    _, ground, text, _ = THEMES[theme]
    expect(widget).to_have_css("background-color", rgb(ground))
    expect(widget).to_have_css("color", rgb(text))
    expect(widget).to_have_css("color-scheme", "dark" if ground < "#8" else "light")
    expect(widget.locator(".node.input .body").first).to_have_css("fill", rgb(ground))
    for part in widget.locator("thead th, code").all():  # no rule of the host's for outputs
        expect(part).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    for code in widget.locator("code").all():
        expect(code).to_have_css("padding", "0px")
    assert violations(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_a_still_picture_follows_the_theme_of_vs_code(page: Page, theme: str) -> None:
    body, style = host(theme)
    still = explorer().static_html()
    page.set_content(f"<!doctype html><style>{style}</style><body {body}>{still}</body>")
    _, ground, text, _ = THEMES[theme]
    picture = page.locator("svg.graph").last
    expect(picture).to_have_css("color-scheme", "dark" if ground < "#8" else "light")
    expect(picture.locator(".body").first).to_have_css("fill", rgb(ground))
    expect(picture.locator("text:not(.shape)").last).to_have_css("fill", rgb(text))


def test_a_line_in_a_cell_that_is_not_on_the_page(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "sources", True)
    show(page, explorer(), host=host("dark"))  # its cells are outside of the page with the outputs
    page.locator("[data-node]", has_text="relu").click()
    link = page.locator("[data-field=source] a")
    expect(link).to_contain_text("test_vscode_page.py, line")
    link.click()
    expect(page.locator("[data-field=status]")).to_contain_text("is not on this page")
