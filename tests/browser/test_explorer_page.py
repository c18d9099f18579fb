"""The explorer in a real browser: seen, clicked, driven by keys; Python behind it, no Jupyter."""

from __future__ import annotations

import re
from typing import Any

import pytest
from host_page import show
from playwright.sync_api import Page, expect

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab import nn
from minitorch_lab.viz.build import from_tensors
from minitorch_lab.viz.view import Builder
from minitorch_lab.widgets.explorer import Explorer, explore

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("window")]
WINDOW = 1000, 800


class Net(nn.Module):
    """Two layers, one of them in a module of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(6, 5)
        self.fc2 = nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        h = self.fc1(x).relu()
        return self.fc2(h)


def network() -> Explorer:
    """The loss of a small network: 1 linear #4, 2 relu #5, 3 linear #8, 4 cross_entropy #10."""
    net = Net()
    loss = F.cross_entropy(net(lab.randn(4, 6)), lab.tensor([0, 1, 2, 0]))
    return Explorer(from_tensors(loss, "loss", {id(loss): "loss"}, {"net": net}))


def polynomial() -> Explorer:
    x = lab.tensor(2.0, requires_grad=True)
    y = x**2 + 2 * x + 1
    return explore(y)


def selected(page: Page) -> str | None:
    return page.locator(".graph .selected").get_attribute("data-key")


def test_a_click_shows_value_gradient_formula_and_source(page: Page) -> None:
    show(page, polynomial())
    page.locator("[data-node='1']").click()
    expect(page.locator("[data-field=value]")).to_contain_text("2.000")
    expect(page.locator("[data-field=gradient]")).to_contain_text("6.000")
    expect(page.locator("[data-field=gradient] li")).to_have_count(2)  # 4 from pow, 2 from mul
    expect(page.locator("[data-field=status]")).to_have_text("x 2, input 1 of 8, to pow, mul.")
    page.locator("[data-node='3']").click()
    assert page.locator("[data-field=formula] math").count() >= 2
    expect(page.locator(".graph .edge.near")).to_have_count(5)  # two in, one out, two gradients


def test_links_lead_to_neighbours(page: Page) -> None:
    show(page, polynomial())
    page.locator("[data-field=inputs] a").first.click()
    assert selected(page) == "n6"


def test_a_value_of_a_compiled_training_step_leads_to_its_gradient_and_back(page: Page) -> None:
    net, target = Net(), lab.tensor([0, 1, 2, 0])
    optimiser = lab.optim.SGD(net.parameters(), lr=0.1)

    @lab.compile
    def step(x: Any) -> Any:
        optimiser.zero_grad()
        loss = F.cross_entropy(net(x), target)
        loss.backward()
        optimiser.step()
        return loss

    widget = explore(step, lab.randn(4, 6), depth=0)
    show(page, widget)
    assert widget.view is not None
    folded = page.locator(".node.folded text:first-of-type")
    assert set(folded.all_text_contents()) >= {"net", "backward()", "updates()"}
    relu = next(node for node in widget.view.nodes if node.op == "maximum")
    page.get_by_placeholder("find op or shape").fill("maximum")
    page.keyboard.press("Enter")  # into the folded module
    assert selected(page) == f"n{relu.id}"
    page.locator("figure[data-field=gradient] a").click()
    (at,) = relu.gradient_at
    expect(page.locator(".graph .selected")).to_have_attribute("data-key", f"n{at}")
    expect(page.locator(".graph .title").filter(has_text="backward()")).to_have_count(1)
    page.locator("[data-field=gradient-of] a").click()
    expect(page.locator(".graph .selected")).to_have_attribute("data-key", f"n{relu.id}")


def test_arrow_keys_go_along_the_picture(page: Page) -> None:
    show(page, network())
    page.locator("[data-node='5']").click()  # relu
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert selected(page) in ("n5", "n6", "n7", "ofc2", "oNet.fc2")
    page.locator("[data-node='5']").focus()
    page.keyboard.press("ArrowUp")
    assert selected(page) == "n4"
    expect(page.locator("[data-node='4']")).to_be_focused()
    stops = page.locator(".graph [tabindex='0']")
    expect(stops).to_have_count(1)  # one stop for the Tab key, the arrows do the rest


def test_enter_opens_and_folds_and_nothing_jumps(page: Page) -> None:
    show(page, network())
    title = page.locator(".title[data-module='Net.fc1']")
    before = title.bounding_box()
    title.focus()
    page.keyboard.press("Enter")
    folded = page.locator(".folded[data-module='Net.fc1']")
    expect(folded).to_be_focused()
    expect(page.locator("[data-node='4']")).to_have_count(0)
    expect(page.locator(".side h3").first).to_have_text("fc1")
    page.keyboard.press("Enter")
    expect(title).to_be_focused()
    after = title.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["x"] - after["x"]) + abs(before["y"] - after["y"]) < 4


def test_escape_folds_the_module_around_a_node(page: Page) -> None:
    show(page, network())
    page.locator("[data-node='4']").click()
    page.keyboard.press("Escape")
    expect(page.locator(".folded[data-module='Net.fc1']")).to_be_focused()


def test_zoom_and_fit(page: Page) -> None:
    show(page, network())
    percent = page.locator("output[aria-label=Zoom]")
    start = percent.inner_text()
    page.get_by_role("button", name="Zoom in").click()
    assert int(percent.inner_text().split()[0]) > int(start.split()[0])
    page.locator(".graph .selected").focus()
    page.keyboard.press("f")
    whole = int(percent.inner_text().split()[0])
    page.keyboard.press("+")
    assert int(percent.inner_text().split()[0]) > whole
    page.keyboard.press("-")
    assert int(percent.inner_text().split()[0]) == whole
    view = page.locator(".view").bounding_box()
    assert view is not None
    page.mouse.move(view["x"] + 100, view["y"] + 100)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    expect(percent).not_to_have_text(f"{whole} %")


def test_drag_pans_and_selects_nothing(page: Page) -> None:
    show(page, Explorer(from_tensors(_deep(60))))
    before, was = page.evaluate("document.querySelector('.view').scrollTop"), selected(page)
    view = page.locator(".view").bounding_box()
    assert view is not None
    x, y = view["x"] + view["width"] / 2, view["y"] + 200
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 150, steps=4)
    page.mouse.up()
    after = page.evaluate("document.querySelector('.view').scrollTop")
    assert abs(before - 150 - after) <= 4
    assert selected(page) == was


def _deep(count: int) -> Any:
    x = lab.tensor(0.5, requires_grad=True)
    for _ in range(count):
        x = x.sin()
    return x


def test_gradients_can_be_hidden(page: Page) -> None:
    show(page, network())
    back = page.locator(".edge.grad").first
    expect(back).to_be_visible()
    before = page.locator("[data-node='10']").bounding_box()
    page.get_by_label("gradients").uncheck()
    expect(back).to_be_hidden()
    assert page.locator("[data-node='10']").bounding_box() == before


def test_search_dims_and_walks_into_folded_modules(page: Page) -> None:
    show(page, network())
    page.locator(".title[data-module='Net.fc2']").click()
    search = page.get_by_role("searchbox")
    search.fill("linear")
    expect(page.locator(".search output")).to_have_text("2 of 10")
    expect(page.locator("[data-node='5']")).to_have_class(re.compile("dim"))
    expect(page.locator("[data-node='4']")).not_to_have_class(re.compile("dim"))
    expect(page.locator(".folded")).not_to_have_class(re.compile("dim"))
    search.press("Enter")
    assert selected(page) == "n4"
    search.press("Enter")
    expect(page.locator("[data-node='8']")).to_have_class(re.compile("selected"))
    search.press("Escape")
    expect(page.locator(".dim")).to_have_count(0)


def test_a_busy_kernel_is_said_and_the_panel_comes_later(page: Page) -> None:
    b = Builder()
    at = b.leaf("input", "x", dtype="float32")
    for _ in range(120):
        at = b.op("tanh", [at], dtype="float32")
    show(page, Explorer(b.build("y", [at])))
    page.evaluate("window.busy = true")
    page.locator("[data-node='120']").click()
    expect(page.locator(".side")).to_contain_text("tanh (), op 120 of 121")
    expect(page.locator(".side")).to_contain_text("The kernel is busy")
    page.evaluate("window.busy = false; window.waiting.forEach((c) => window.model.send(c))")
    expect(page.locator(".side h3").first).to_have_text("tanh")


@pytest.mark.parametrize("width", [480, 560, 1000, 1600])
@pytest.mark.parametrize("dark", [False, True])
def test_fits_every_width_in_both_themes(page: Page, width: int, dark: bool) -> None:
    page.set_viewport_size({"width": width + 42, "height": 900})
    show(page, network(), dark=dark)
    page.locator("[data-node='2']").click()
    over = page.evaluate(
        "[document.documentElement, document.querySelector('.lab')]"
        ".map((e) => e.scrollWidth - e.clientWidth)"
    )
    assert over == [0, 0]
    view, side = page.locator(".view").bounding_box(), page.locator(".side").bounding_box()
    assert view is not None
    assert side is not None
    below = side["y"] >= view["y"] + view["height"] - 1
    assert below == (width <= 720)
    # Every label is inside its box, whatever font this machine has.
    assert page.evaluate(OUTSIDE) == []
    contrast = page.evaluate(CONTRAST)
    assert min(contrast.values()) >= 4.5, contrast


OUTSIDE = """() => [...document.querySelectorAll('.graph .node')].flatMap((node) => {
  const box = node.querySelector('.body').getBBox();
  return [...node.querySelectorAll('text')].filter((text) => {
    const t = text.getBBox();
    return t.x < box.x + 2 || t.x + t.width > box.x + box.width - 2;
  }).map((text) => text.textContent);
})"""

# Contrast of texts with the ground they stand on, by WCAG's formula.
CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const over = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const c of colours) { canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); }
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = (rgb) => [0.2126, 0.7152, 0.0722].reduce((sum, k, i) => {
    const c = rgb[i] / 255;
    return sum + k * (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  }, 0);
  const lab = getComputedStyle(document.querySelector('.lab')).backgroundColor;
  const result = {};
  const texts = ['.graph .node text', '.graph .shape', '.module text', '.status', '.side h3',
    '.side dt', '.side a', '.side .badge', '.side .num', '.muted'];
  for (const name of texts) {
    const element = document.querySelector(name);
    if (!element) continue;
    const style = getComputedStyle(element);
    const ink = element.ownerSVGElement ? style.fill : style.color;
    const [a, b] = [light(over([lab])), light(over([lab, ink]))];
    result[name] = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }
  return result;
}"""


def test_messages_are_designed_and_the_example_opens(page: Page) -> None:
    show(page, explore())
    expect(page.locator(".lab.explorer")).to_contain_text("The graph of your next result")
    page.get_by_role("button", name="explore an example").click()
    expect(page.locator(".graph [data-node='8']")).to_be_visible()


def test_what_failed_is_an_alert_and_not_a_picture(page: Page) -> None:
    total = 3.5
    show(page, explore(total))
    expect(page.get_by_role("alert")).to_contain_text("KindError: explore: total has no graph")
    expect(page.locator(".badge.bad")).to_have_text("no graph")


def test_names_are_text_in_the_page(page: Page) -> None:
    b = Builder()
    name = "<img src=x onerror=document.title='bad'>"
    x = b.leaf("input", name, scope=name)
    y = b.op(name, [x, x], name=name, scope=name, doc=name, attributes=((name, name),))
    z = b.op("sum", [y])
    page_title = "explorer"
    show(page, Explorer(b.build(name, [z])))
    for key in ("n1", "n2", "n3"):
        page.locator(f"[data-key={key}]").click()
    assert page.locator(".lab img").count() == 0
    assert page.title() == page_title


def test_the_picture_can_be_saved(page: Page) -> None:
    show(page, polynomial())
    page.locator(".menu summary").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="picture (SVG)").click()
    assert waiting.value.suggested_filename == "y.svg"


def test_the_static_twin_follows_the_theme(page: Page) -> None:
    html = polynomial().static_html()
    inks = []
    for light in ("true", "false"):
        page.set_content(f'<body data-jp-theme-light="{light}">{html}</body>')
        expect(page.locator("svg.graph [data-node]")).to_have_count(8)
        inks.append(page.evaluate("getComputedStyle(document.querySelector('.node.op text')).fill"))
    assert inks == ["rgb(33, 33, 33)", "rgb(222, 222, 222)"]
