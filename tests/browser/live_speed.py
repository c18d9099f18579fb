"""How fast the live panel is, in JupyterLab: medians of a few runs.

    python tests/browser/live_speed.py

The aims: pause and stop act within 150 ms; at most 30 messages a second; the page keeps 50 frames a
second while a model trains on 2 cores; 1,000,000 steps draw in 50 ms.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from lab_server import LAUNCH_ARGUMENTS, Notebook, chromium, serve, write_notebook
from live_page import ABOUT, page_text
from playwright.sync_api import Browser, Page, sync_playwright
from test_jupyterlab_live import CLICK, COUNT, steps

CELLS = [
    """import minitorch_lab as lab
from minitorch_lab import nn
lab.manual_seed(0)
def panel(size, *layers):
    data = lab.randn(512, *size), (lab.rand(512) * 10).long()
    return lab.train(nn.Sequential(*layers), data, epochs=10**6, batch_size=64)""",
    "run = panel((64,), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))",
    """run = panel((1, 16, 16), nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4096, 10))""",
]
FRAMES = """(seconds) => new Promise((resolve) => {
  const times = [];
  const next = (time) => {
    times.push(time);
    if (time - times[0] < 1000 * seconds) return requestAnimationFrame(next);
    const gaps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
    resolve([1000 * gaps.length / (time - times[0]), gaps[Math.floor(0.95 * gaps.length)]]);
  };
  requestAnimationFrame(next);
})"""
# A message with new steps, until it is drawn.
REDRAW = """() => new Promise((resolve) => {
  requestAnimationFrame(() => {
    const start = performance.now();
    kernel.run(250);
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
  });
})"""
# All of a long run, as the kernel sends it to a new view, until it is drawn.
OPEN = """(count) => new Promise((resolve) => {
  const start = performance.now();
  kernel.first = 0;
  const rows = Array.from({length: 8000}, (_, i) => {
    const step = Math.round((i + 1) * count / 8000), loss = kernel.loss(step / count * 400);
    return [step, count / 8000, loss, loss - 0.1, loss + 0.1, 0.9];
  });
  const made = performance.now() - start;
  kernel.emit({state: "running", step: count, total: 2 * count, loss: 0.1}, rows, {reset: true});
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start - made)));
})"""


def row(what: str, value: float, unit: str, aim: str = "") -> None:
    """One line of the table."""
    print(f"  {what:52}{value:9.1f} {unit:12}{aim}")


def trains(page: Page, nth: int, mode: str, seconds: float) -> None:
    """Measure the panel of this number in a mode."""
    panel = page.locator(".lab.live").nth(nth)
    panel.scroll_into_view_if_needed()
    panel.locator(f"label:has([value={mode}])").click()
    page.evaluate(CLICK, ["start", "running", nth])
    page.wait_for_timeout(2000)
    before = steps(page)[nth]
    frames, gap = page.evaluate(FRAMES, seconds)
    row("steps", (steps(page)[nth] - before) / seconds, "a second")
    row("frames", frames, "a second", "50")
    row("gap between two frames, 95 %", gap, "ms")
    row("messages in the busiest second, a slider dragged", max(page.evaluate(COUNT, 3)), "", "30")
    for act, state in (("pause", "paused"), ("stop", "stopped")):
        took = []
        for _ in range(7):
            took.append(page.evaluate(CLICK, [act, state, nth]))
            page.evaluate(CLICK, ["start", "running", nth])
            page.wait_for_timeout(150)
        row(f"{act}, from the click to what is shown", median(took), "ms", "150")
    page.evaluate(CLICK, ["stop", "stopped", nth])


def long_run(browser: Browser, count: int = 1_000_000) -> None:
    """How long the page takes to draw a run of a million steps."""
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    about: dict[str, Any] = {**ABOUT, "total": 2 * count}
    page.set_content(page_text(about))
    page.wait_for_function("window.ready")
    print(f"{count:,} steps")
    row("a new view of them", median(page.evaluate(OPEN, count) for _ in range(5)), "ms")
    row("the next message, drawn", median(page.evaluate(REDRAW) for _ in range(9)), "ms", "50")
    page.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5, help="in which frames are counted")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        root, home = Path(folder) / "root", Path(folder) / "home"
        root.mkdir()
        home.mkdir()
        write_notebook(root / "speed.ipynb", CELLS)
        browser = play.chromium.launch(executable_path=chromium(), args=list(LAUNCH_ARGUMENTS))
        long_run(browser)
        with serve(root, home) as server:
            page = browser.new_page(viewport={"width": 1300, "height": 1000})
            Notebook(page, server, "speed.ipynb").run_all()
            page.wait_for_timeout(1000)
            row("frames of a page at rest", page.evaluate(FRAMES, 2)[0], "a second")
            for nth, name in enumerate(("2,410 parameters", "59,850 parameters")):
                for mode in ("eager", "graph"):
                    print(f"{name}, {mode} mode")
                    trains(page, nth, mode, options.seconds)
        browser.close()


if __name__ == "__main__":
    main()
