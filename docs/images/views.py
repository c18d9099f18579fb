"""The pictures of docs/views.md: run, it writes views-light.png and views-dark.png.

Each view is drawn in a browser, with Python behind the page, and all stand on one sheet.
"""

import sys
from base64 import b64encode
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "browser"))

import host_page  # noqa: E402  the tests' page

import minitorch_lab as lab  # noqa: E402
from minitorch_lab import nn  # noqa: E402
from minitorch_lab.vision.datasets import digits  # noqa: E402
from minitorch_lab.widgets.live import Live  # noqa: E402
from minitorch_lab.widgets.playground_data import DATA  # noqa: E402
from minitorch_lab.widgets.training import Training  # noqa: E402

SHOWN = ("boundary", "confusion", "samples", "weights", "gradients", "surface")


def runs() -> dict[str, Training]:
    """Two moons for the boundary, digits for the rest."""
    lab.manual_seed(0)
    moons = nn.Sequential(
        nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2)
    )
    x, y = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
    small = {"epochs": 60, "lr": 0.01, "seed": 0}
    made = {
        "boundary": Training(moons, DATA["moons"](200, 0.3), **small),
        "digits": Training(
            model, (x[:1400], y[:1400]), valid=(x[1400:], y[1400:]), epochs=12, lr=0.003, seed=0
        ),
    }
    for run in made.values():
        run.start().wait()
    return made


def shot(browser: Browser, run: Training, name: str, dark: bool) -> bytes:
    """One view, as it stands in the panel."""
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    host_page.show(page, Live(run), dark=dark)
    page.evaluate("setInterval(() => model.send({type: 'anything new'}), 50)")
    page.locator(f"[role=tab][id$={name}]").click()
    if name == "surface":
        page.get_by_role("button", name="compute it").click()
        page.get_by_role("button", name="compute it anew").wait_for()
    if name == "samples":
        page.get_by_label("order").select_option("worst first")
    page.mouse.move(0, 0)
    page.locator(".words", has_text="After step").wait_for()
    page.wait_for_timeout(600)
    picture = page.locator(".views").screenshot()
    page.close()
    return picture


def main() -> None:
    """Write both pictures."""
    made = runs()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        for theme in ("light", "dark"):
            shots = [shot(browser, made.get(n, made["digits"]), n, theme == "dark") for n in SHOWN]
            images = "".join(
                f'<img src="data:image/png;base64,{b64encode(one).decode()}">' for one in shots
            )
            page = browser.new_page(viewport={"width": 1320, "height": 1000})
            ground = "#212121" if theme == "dark" else "#ffffff"
            page.set_content(
                f'<body style="margin:0;background:{ground}"><div style="display:grid;gap:16px;'
                f'grid-template-columns:repeat(3,424px);align-items:start">{images}</div></body>'
            )
            page.locator("div").screenshot(path=HERE / f"views-{theme}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
