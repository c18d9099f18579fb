"""The views of a run in a browser: real Python behind the page, no kernel between."""

import re
from collections.abc import Callable, Iterator

import host_page
import pytest
from axe import violations
from playwright.sync_api import Locator, Page, expect

import minitorch_lab as lab
from minitorch_lab import nn
from minitorch_lab.vision.datasets import digits
from minitorch_lab.widgets.live import Live
from minitorch_lab.widgets.training import Training

pytestmark = pytest.mark.browser

Open = Callable[..., Locator]
WAIT = 20
NAMES = ["boundary", "confusion", "samples", "weights", "gradients", "surface"]


def moons() -> Training:
    lab.manual_seed(0)
    x = lab.randn(120, 2)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    return Training(model, (x, (x.sum(1) > 0).long()), epochs=4, lr=0.02, seed=0, name="sides")


def pictures() -> Training:
    lab.manual_seed(0)
    x, y = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    return Training(model, (x[:300], y[:300]), epochs=2, lr=0.01, seed=0, name="digits")


@pytest.fixture(scope="module")
def trained() -> dict[str, Training]:
    """Runs that have ended: a view changes nothing in them."""
    runs = {"moons": moons(), "pictures": pictures()}
    for run in runs.values():
        run.start().wait(WAIT)
    return runs


@pytest.fixture
def views(page: Page, trained: dict[str, Training]) -> Iterator[Open]:
    """The panel's views; an error in the page fails the test."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def show(run: str = "moons", *, width: int = 1100, dark: bool = False) -> Locator:
        page.set_viewport_size({"width": width, "height": 1000})
        host_page.show(page, Live(trained[run]), dark=dark)
        # What a thread sends comes with the answer to a message: a kernel needs no asking.
        page.evaluate("setInterval(() => model.send({type: 'anything new'}), 50)")
        return page.locator(".views")

    yield show
    assert errors == []


def tab(views: Locator, name: str) -> Locator:
    return views.get_by_role("tab", name=name)


def test_the_first_view_is_there_at_once(views: Open) -> None:
    root = views()
    expect(tab(root, "boundary")).to_have_attribute("aria-selected", "true")
    expect(root.locator("canvas").first).to_have_attribute(
        "aria-label", re.compile(r"^The plane after step 16: class 0 \d+ %, class 1 \d+ %")
    )
    expect(root.locator(".legend")).to_have_text("class 0class 1share 0.5")
    expect(root.locator(".words")).to_contain_text("From all 120 training samples.")


def test_tabs_are_one_stop_and_go_by_arrows(views: Open, page: Page) -> None:
    root = views()
    tabs = root.get_by_role("tab")
    assert tabs.all_inner_texts() == NAMES
    tab(root, "boundary").focus()
    page.keyboard.press("ArrowRight")
    expect(tab(root, "confusion")).to_be_focused()
    expect(root.get_by_role("tabpanel", name="confusion")).to_contain_text("recall")
    page.keyboard.press("End")
    expect(tab(root, "surface")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(tab(root, "boundary")).to_be_focused()
    expect(root.locator("canvas").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(root.get_by_role("tabpanel", name="boundary")).to_be_focused()
    page.keyboard.press("Tab")
    expect(root.locator("canvas").first).to_be_focused()
    assert [t.get_attribute("tabindex") for t in tabs.all()] == ["0", *["-1"] * 5]


def test_the_boundary_is_read_by_arrows_and_by_pointer(views: Open, page: Page) -> None:
    root = views()
    canvas = root.locator("canvas").first
    expect(canvas).to_have_attribute("aria-label", re.compile("after step 16"))
    canvas.focus()
    page.keyboard.press("ArrowRight")
    said = r"^−?[\d.e−]+, −?[\d.e−]+: class [01], share [01]\.\d\d$"
    expect(root.locator("output")).to_have_text(re.compile(said))
    first = root.locator("output").inner_text()
    expect(page.locator(".status [aria-live]")).to_have_text(first)
    page.keyboard.press("Shift+ArrowUp")
    assert root.locator("output").inner_text() != first
    page.keyboard.press("Escape")
    expect(root.locator("output")).to_have_text("")
    canvas.hover(position={"x": 5, "y": 5})
    expect(root.locator("output")).to_have_text(re.compile(said))


def test_a_cell_of_the_confusion_shows_its_samples(views: Open, page: Page) -> None:
    root = views("pictures")
    tab(root, "confusion").click()
    cells = root.locator("td button")
    expect(cells).to_have_count(100)
    cells.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(cells.first).to_be_focused()
    page.keyboard.press("Enter")
    expect(cells.first).to_have_attribute("aria-pressed", "true")
    count = cells.first.inner_text()
    expect(root.locator(".in-cell h3")).to_have_text(f"is 0, said 0: {count}")
    expect(root.locator(".in-cell .cards > li")).to_have_count(6)
    expect(root.locator(".in-cell .cards > li").first).to_contain_text("✓ right")
    assert cells.first.get_attribute("aria-label") == f"is 0, said 0: {count}"
    page.keyboard.press("Enter")
    expect(root.locator(".in-cell")).to_have_text("A press on a number shows its samples.")


def test_samples_are_pictures_with_shares_worst_first(views: Open, page: Page) -> None:
    root = views("pictures")
    expect(tab(root, "samples")).to_have_attribute("aria-selected", "true")
    cards = root.locator(".cards > li")
    expect(cards).to_have_count(12)
    expect(cards.first.locator("canvas")).to_have_count(1)
    expect(cards.first.locator(".bars li")).to_have_count(3)
    root.get_by_label("order").select_option("worst first")
    expect(cards.first).to_contain_text("✗ wrong")
    root.get_by_label("order").select_option("only wrong ones")
    expect(root.locator(".cards strong.good")).to_have_count(0)
    lit = page.evaluate(
        """() => { const c = document.querySelector(".cards canvas");
        const d = c.getContext("2d").getImageData(0, 0, 8, 8).data;
        return [c.width, c.height, Math.max(...d.filter((_, i) => i % 4 === 0))]; }"""
    )
    assert lit[:2] == [8, 8]
    assert lit[2] > 200


def test_weights_are_read_unit_by_unit(views: Open, page: Page) -> None:
    root = views("pictures")
    tab(root, "weights").click()
    canvas = root.locator("canvas").first
    expect(canvas).to_have_attribute("aria-label", re.compile(r"^1\.weight, 16 units, after step"))
    canvas.focus()
    page.keyboard.press("ArrowRight")
    expect(root.locator("output")).to_have_text(re.compile(r"^unit \d+: −[\d.]+ to [\d.]+, norm "))
    expect(root.locator(".legend")).to_contain_text("a picture for each unit")


def test_gradients_have_a_section_for_each_layer(views: Open) -> None:
    root = views("pictures")
    tab(root, "gradients").click()
    layers = root.locator("section.layer")
    expect(layers).to_have_count(3)
    expect(layers.nth(1)).to_have_attribute("aria-label", re.compile("^2 ReLU: values up to "))
    expect(layers.nth(1).locator("svg")).to_have_count(2)


def test_the_surface_is_computed_when_asked_for(views: Open, page: Page) -> None:
    root = views()
    tab(root, "surface").click()
    expect(root.locator("canvas").first).to_be_hidden()
    start = root.get_by_role("button", name="compute it")
    start.focus()
    page.keyboard.press("Enter")
    canvas = root.locator("canvas").first
    expect(canvas).to_have_attribute(
        "aria-label", re.compile(r"^The loss around the weights of step 16: loss "), timeout=20_000
    )
    expect(root.get_by_role("button", name="compute it anew")).to_be_focused()
    canvas.focus()
    page.keyboard.press("ArrowUp")
    expect(root.locator("output")).to_have_text(re.compile(r": loss [\d.]+$"))


def test_a_view_that_does_not_apply_says_why(views: Open) -> None:
    root = views("pictures")
    tab(root, "boundary").click()
    expect(root.locator(".empty")).to_contain_text("The plane has two directions, and an input")
    expect(root.locator("canvas").first).to_be_hidden()


def test_the_view_as_text_comes_when_it_is_opened(views: Open) -> None:
    root = views("pictures")
    tab(root, "confusion").click()
    root.get_by_text("As text").click()
    expect(root.locator(".as-text pre")).to_contain_text("is \\ said")


def test_nobody_is_asked_while_the_views_are_off_the_screen(views: Open, page: Page) -> None:
    views()
    page.evaluate(
        """() => { window.said = []; const send = model.send;
        model.send = (content) => { if (content.type === "view") said.push(content.name);
          return send(content); };
        document.body.style.paddingTop = "3000px"; }"""
    )
    page.wait_for_function("said.length === 1")
    assert page.evaluate("said") == [None]
    page.evaluate("document.querySelector('.views').scrollIntoView()")
    page.wait_for_function("said.length === 2")
    assert page.evaluate("said[1]") == "boundary"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("run", ["moons", "pictures"])
def test_accessibility(views: Open, page: Page, run: str, dark: bool) -> None:
    root = views(run, dark=dark)
    for name in NAMES:
        tab(root, name).click()
        expect(root.locator(".empty")).not_to_have_text("Looking at the model.")
        if name == "surface" and run == "moons":
            root.get_by_role("button", name="compute it").click()
            expect(root.locator(".legend")).to_contain_text("weights of step", timeout=20_000)
        assert violations(page, ".views") == []


def test_narrow_the_views_stand_below_and_nothing_is_cut(views: Open, page: Page) -> None:
    root = views("pictures", width=480)
    for name in NAMES[1:]:
        tab(root, name).click()
        expect(root.locator(".empty")).not_to_have_text("Looking at the model.")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 480
    box = root.bounding_box()
    curves = page.locator(".curves").bounding_box()
    assert box is not None
    assert curves is not None
    assert box["y"] >= curves["y"] + curves["height"]


@pytest.mark.parametrize("width", [640, 770, 900, 1300])
def test_the_tabs_are_one_line_and_the_curves_as_high_as_fits(
    views: Open, page: Page, width: int
) -> None:
    root = views(width=width)
    expect(root.locator(".square canvas")).to_be_visible()
    tops = "e => [...e.children].map(tab => tab.getBoundingClientRect().top)"
    assert len(set(root.get_by_role("tablist").evaluate(tops))) == 1
    assert root.get_by_role("tablist").evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    heights = page.locator(".curves canvas:visible").evaluate_all(
        "all => all.map(canvas => canvas.clientHeight)"
    )
    assert all(240 <= height <= 420 for height in heights)
    if width == 1300:  # beside the views: nothing is blank below
        low = "e => e.getBoundingClientRect().bottom"
        assert abs(page.locator("section.timeline").evaluate(low) - root.evaluate(low)) <= 2
        assert min(heights) > 300
