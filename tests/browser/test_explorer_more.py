"""The explorer's list, colours, opened ops, pictures to save, page without a kernel, axe-core."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest
import viz_samples as samples
from axe import violations
from host_page import show
from playwright.sync_api import Browser, Page, expect
from test_explorer_page import network, polynomial, selected

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab.viz.build import from_tensors
from minitorch_lab.viz.view import Builder
from minitorch_lab.widgets.explorer import Explorer, explore

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("window")]
WINDOW = 1300, 800
PATIENCE = 4_000


# The list ------------------------------------------------------------------------------------


def test_the_list_is_a_tree_that_walks_opens_and_folds(page: Page) -> None:
    show(page, network())
    page.get_by_role("button", name="list").click()
    rows = page.get_by_role("treeitem")
    expect(rows).to_have_count(13)  # 10 nodes and the open modules Net, fc1, fc2
    expect(rows.locator("nth=-1")).to_be_focused()  # the selected one
    page.keyboard.press("Home")
    expect(rows.first).to_be_focused()
    assert selected(page) == rows.first.get_attribute("data-key")
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    expect(page.locator("[role=treeitem][tabindex='0']")).to_have_count(1)
    fc1 = page.locator("[role=treeitem][data-key='oNet.fc1']")
    fc1.click()
    expect(fc1).to_have_attribute("aria-level", "2")
    page.keyboard.press("ArrowLeft")  # folds
    folded = page.locator("[role=treeitem][data-key='mNet.fc1']")
    expect(folded).to_be_focused()
    expect(folded).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    expect(fc1).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")  # back to the module around it
    expect(fc1).to_be_focused()
    page.keyboard.press("Escape")
    expect(rows).to_have_count(0)
    expect(page.get_by_role("button", name="list")).to_be_focused()


@pytest.mark.parametrize(("width", "beside"), [(1300, True), (800, False), (480, False)])
def test_the_list_stands_beside_the_picture_or_in_its_place(
    page: Page, width: int, beside: bool
) -> None:
    page.set_viewport_size({"width": width + 42, "height": 800})
    show(page, network())
    page.get_by_role("button", name="list").click()
    assert page.locator(".view").is_visible() == beside
    over = page.evaluate(
        "[document.documentElement, document.querySelector('.lab')]"
        ".map((e) => e.scrollWidth - e.clientWidth)"
    )
    assert over == [0, 0]


# Colours and measuring -----------------------------------------------------------------------


def test_colours_come_with_a_text_and_a_legend(page: Page) -> None:
    show(page, network())
    box = page.locator("[data-node='4']")
    plain = box.locator(".body").evaluate("(e) => getComputedStyle(e).fill")
    page.get_by_label("colour by").select_option("memory")
    expect(box).to_have_attribute("data-mark", re.compile(r"s\d"))
    expect(box.locator(".shape")).to_have_text("80 B")  # 4 x 5 floats
    expect(box).to_have_attribute(
        "aria-label", re.compile(r"linear \(4, 5\), op 4 of 10.*, memory 80 B")
    )
    expect(page.locator(".legend li").first).to_contain_text("B")
    assert box.locator(".body").evaluate("(e) => getComputedStyle(e).fill") != plain
    page.locator(".title[data-module='Net.fc1']").click()  # folding keeps the colours
    expect(page.locator(".folded .shape")).to_have_text("220 B")
    page.get_by_label("colour by").select_option("kind")
    expect(page.locator(".folded .shape")).to_have_text("3 nodes")
    expect(page.locator(".legend li").first).to_have_text("input")


def test_time_is_measured_in_the_panel_and_for_the_colours(page: Page) -> None:
    show(page, network())
    page.locator("[data-node='4']").click()
    page.get_by_role("button", name="measure").click()
    expect(page.locator("[data-field=time] code")).to_have_text(re.compile(r"[\d.]+ (µs|ms)"))
    page.get_by_label("colour by").select_option("time")
    expect(page.locator("[data-node='8'] .shape")).to_have_text(re.compile(r"[\d.]+ (µs|ms)"))
    page.locator("[data-node='8']").click()
    expect(page.locator("[data-field=time] code")).to_have_text(re.compile(r"[\d.]+ (µs|ms)"))


def test_a_large_graph_is_searched_by_python(page: Page) -> None:
    show(page, Explorer(samples.tower(160)))
    expect(page.locator(".note")).to_contain_text("1,121 nodes, folded to")
    search = page.get_by_role("searchbox")
    search.fill("net.7.fc1 linear")
    expect(page.locator(".search output")).to_have_text("1 of 1121")
    search.press("Enter")
    expect(page.locator(".graph .selected")).to_have_attribute("data-scope", "net.7.fc1")


# Ops that open -------------------------------------------------------------------------------


def test_an_op_opens_by_its_button_and_by_a_key_and_folds_again(page: Page) -> None:
    x = lab.tensor([[1.0, 2.0, 4.0]], requires_grad=True)
    show(page, Explorer(from_tensors(F.layer_norm(x, (3,)).sum(), "y", {id(x): "x"})))
    page.locator("[data-node='2']").click()
    page.get_by_role("button", name="open layer_norm").click()
    title = page.locator(".title[data-module='layer_norm #2']")
    expect(title).to_have_class(re.compile("selected"))
    expect(page.locator("[data-node='2'] text").first).to_have_text("standardize")
    title.focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-node='2']")).to_be_focused()
    page.keyboard.press("Enter")
    expect(title).to_be_focused()


# The picture ---------------------------------------------------------------------------------


def test_the_minimap_shows_where_the_window_is_and_moves_it(page: Page) -> None:
    show(page, network())
    page.get_by_role("button", name="fit").click()
    expect(page.locator(".mini")).to_be_hidden()  # all is in sight
    page.evaluate("document.body.replaceChildren()")
    page2 = page.context.new_page()
    show(page2, Explorer(samples.tower(12)))
    mini = page2.locator(".mini")
    expect(mini).to_be_visible()
    top = page2.evaluate("document.querySelector('.view').scrollTop")
    assert top > 0  # it opens at the end
    box = mini.bounding_box()
    assert box is not None
    page2.mouse.click(box["x"] + box["width"] / 2, box["y"] + 2)
    expect(page2.locator(".mini .here")).to_have_attribute("y", re.compile(r"^-?\d(\.\d+)?$|^0"))
    assert page2.evaluate("document.querySelector('.view').scrollTop") < 5
    page2.close()


def test_a_png_is_drawn_in_the_browser(page: Page, tmp_path: Path) -> None:
    show(page, polynomial())
    page.get_by_label("colour by").select_option("memory")
    page.locator(".menu summary").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="picture (PNG)").click()
    assert waiting.value.suggested_filename == "y.png"
    file = tmp_path / "y.png"
    waiting.value.save_as(file)
    data = file.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    box = page.evaluate(
        "(({width, height}) => [width, height])(document.querySelector('.graph').viewBox.baseVal)"
    )
    assert abs(width - 2 * box[0]) <= 2
    assert abs(height - 2 * box[1]) <= 2


# Text from users -----------------------------------------------------------------------------

HOSTILE = "<img src=x onerror=bad()>"  # there is no bad(): running it would be an error


def hostile() -> Explorer:
    """A parameter, a module, an op and a device with such a name."""
    b = Builder()
    scope = f"net.{HOSTILE}"
    w = b.leaf("param", HOSTILE, scope=scope, device=HOSTILE, dtype="float32")
    y = b.op(
        HOSTILE, [w, w], name=HOSTILE, scope=scope, doc=HOSTILE, shapes=HOSTILE, device=HOSTILE
    )
    return Explorer(b.build(HOSTILE, [b.op("sum", [y], scope="net.b")]))


def test_names_are_text_in_picture_panel_list_and_legend(page: Page) -> None:
    show(page, hostile())
    page.get_by_role("button", name="list").click()
    for by in ("module", "device", "kind"):
        page.get_by_label("colour by").select_option(by)
        expect(page.locator(".legend li").first).to_be_visible()
        if by != "kind":
            expect(page.locator(".legend")).to_contain_text("<img src=x onerror")
    for row in page.get_by_role("treeitem").all():
        row.click()
        expect(page.locator(".side")).not_to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("tree")).to_contain_text("<img src=x onerror")
    assert page.locator("img").count() == 0
    assert page.title() == "explorer"


def test_names_are_text_in_an_exported_page(page: Page, tmp_path: Path) -> None:
    file = hostile().save(tmp_path / "page.html")
    page.goto(file.as_uri())
    expect(page.locator(".explorer h2")).to_contain_text("<img src=x onerror")
    page.get_by_role("button", name="list").click()
    for by in ("module", "device"):
        page.get_by_label("colour by").select_option(by)
        expect(page.locator(".legend")).to_contain_text("<img src=x onerror")
    for row in page.get_by_role("treeitem").all():
        row.click()
    assert page.locator("img").count() == 0
    assert page.title() == HOSTILE


# The page without kernel and network ---------------------------------------------------------


@pytest.fixture
def offline(browser: Browser) -> Any:
    """A page that cannot reach anything, and says what it asked for."""
    context = browser.new_context(offline=True, viewport={"width": 1300, "height": 800})
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield page
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()


def test_an_exported_page_folds_selects_searches_and_colours(offline: Page, tmp_path: Path) -> None:
    page = offline
    page.goto(network().save(tmp_path / "graph.html").as_uri())
    assert page.title() == "loss"
    page.locator("[data-node='4']").click()
    expect(page.locator(".side h3").first).to_have_text("linear")
    expect(page.locator("[data-field=value] table")).to_be_visible()
    expect(page.locator("[data-field=time] code")).to_have_text(re.compile(r"[\d.]+ (µs|ms)"))
    page.locator(".title[data-module='Net.fc1']").click()
    folded = page.locator(".folded[data-module='Net.fc1']")
    expect(folded).to_have_class(re.compile("selected"))
    page.get_by_label("colour by").select_option("memory")
    expect(folded.locator(".shape")).to_have_text("220 B")
    folded.focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-node='4'] .shape")).to_have_text("80 B")  # the colour stays
    page.locator(".title[data-module='Net.fc2']").click()
    search = page.get_by_role("searchbox")
    search.fill("linear")
    search.press("Enter")
    search.press("Enter")  # the second one is folded away: it is opened
    expect(page.locator("[data-node='8']")).to_have_class(re.compile("selected"))
    page.get_by_role("button", name="open linear").click()
    expect(page.locator(".title.selected")).to_have_attribute("data-module", "Net.fc2.linear #8")
    page.locator(".menu summary").click()
    expect(page.get_by_role("button", name="page (HTML)")).to_have_count(0)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="words (text)").click()
    assert Path(waiting.value.path()).read_text().startswith("graph of loss: 10 nodes")


def test_a_page_of_a_large_graph_opens_every_module(offline: Page, tmp_path: Path) -> None:
    page = offline
    file = Explorer(samples.tower(30)).save(tmp_path / "tower.html")
    assert file.stat().st_size < 1_500_000
    page.goto(file.as_uri())
    page.locator(".folded[data-module='net.7']").click()
    page.keyboard.press("Enter")
    page.locator(".folded[data-module='net.7.fc1']").click()
    page.keyboard.press("Enter")
    expect(page.locator(".title[data-module='net.7.fc1']")).to_be_focused()
    page.get_by_role("searchbox").fill("net.21.fc2 linear")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator(".graph .selected")).to_have_attribute("data-scope", "net.21.fc2")


# axe-core ------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1300, 480])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(page: Page, dark: bool, width: int) -> None:
    page.set_viewport_size({"width": width + 42, "height": 900})
    show(page, network(), dark=dark)
    page.locator("[data-node='2']").click()
    assert violations(page) == []
    for by in ("module", "memory", "gradient"):
        page.get_by_label("colour by").select_option(by)
        expect(page.locator("[data-mark]").first).to_be_visible()
        assert violations(page) == [], by
    page.get_by_role("button", name="list").click()
    page.locator(".menu summary").click()
    assert violations(page) == []


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_where_there_is_no_graph(page: Page, dark: bool) -> None:
    total = 3.5
    show(page, explore(total), dark=dark)
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_an_exported_page(page: Page, tmp_path: Path, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(network().save(tmp_path / "graph.html").as_uri())
    expect(page.locator("svg.graph")).to_be_visible()
    assert violations(page, "body") == []
