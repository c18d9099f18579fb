"""How fast the explorer is, in Python and in Chromium: medians of a few runs.

    python tests/browser/explorer_speed.py

The aims: 100 nodes open in 300 ms; 2,000 nodes, folded to modules, in 1 s, and a module unfolds in
300 ms; 20,000 nodes do not hang the page; selecting a node answers in 150 ms.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from host_page import show
from lab_server import LAUNCH_ARGUMENTS, chromium
from playwright.sync_api import Browser, Page, sync_playwright

import minitorch_lab as lab
from minitorch_lab import nn
from minitorch_lab.viz.build import from_tensors
from minitorch_lab.viz.fold import keys
from minitorch_lab.widgets.explorer import Explorer

# A new picture as it comes from Python, until the next frame is drawn.
REDRAW = """(traits) => new Promise((resolve) => {
  const start = performance.now();
  Object.assign(state, traits);
  Object.keys(traits).forEach((name) => fire(`change:${name}`));
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
})"""
# Clicks what is selected by `css` and waits until `done` holds and the next frame is drawn.
CLICK = """([css, done]) => new Promise((resolve) => {
  const start = performance.now(), holds = new Function('return ' + done);
  document.querySelector(css).dispatchEvent(new MouseEvent('click', {bubbles: true}));
  const look = () => holds() || performance.now() > start + 5000
    ? requestAnimationFrame(() => resolve(performance.now() - start)) : setTimeout(look, 1);
  look();
})"""


def network(layers: int, width: int = 16) -> tuple[Any, nn.Module]:
    """A loss of blocks of two layers each; 7 nodes a block, and some."""
    blocks = [nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
              for _ in range(layers)]  # fmt: skip
    net = nn.Sequential(*blocks)
    return net(lab.ones(4, width)).sum(), net


def millis(run: Callable[[], Any], times: int = 5) -> float:
    """The median time of a call."""
    found = []
    for _ in range(times):
        start = perf_counter()
        run()
        found.append(1000 * (perf_counter() - start))
    return median(found)


def opened(browser: Browser, widget: Explorer) -> tuple[Page, float]:
    """A page with the widget, and how long its script took until the first frame."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    show(page, widget)
    took: float = page.evaluate("""() => new Promise((resolve) => {
      window.remove(); document.getElementById('here').replaceChildren();
      const start = performance.now();
      window.made.render({model, el: document.getElementById('here')});
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
    })""")
    return page, took


def row(what: str, value: float, aim: str = "") -> None:
    """One line of the table."""
    print(f"{what:58}{value:9.0f} ms  {aim}")


def main() -> None:
    """Measure and print."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=list(LAUNCH_ARGUMENTS))
        for layers, aim in ((14, "300"), (290, "1,000"), (2860, "no hang")):
            loss, net = network(layers)
            names, modules = {id(loss): "loss"}, {"net": net}
            view = from_tensors(loss, "loss", names, modules)
            Explorer(view)
            print(f"\n{len(view):,} nodes")
            python = millis(lambda: Explorer(from_tensors(loss, "loss", names, modules)), 3)
            widget = Explorer(view)
            pages = [opened(browser, Explorer(view)) for _ in range(3)]
            script = median(took for _, took in pages)
            row("view, layout and panels in Python", python)
            row("script in the page", script)
            row("open", python + script, aim)
            sizes = {name: len(json.dumps(value)) for name, value in widget.shown().items()}
            print(f"{'bytes sent':58}{sum(sizes.values()):9,}     {sizes}")
            page = pages[0][0]
            other = ".graph .node:not(.selected)"  # a click on the selected one may open it
            drawn = page.locator(other).evaluate_all("(all) => all.map((n) => n.dataset.key)")
            took = []
            for key in drawn[:: max(1, len(drawn) // 9)]:
                done = (f"document.querySelector('.selected')?.dataset.key === '{key}'"
                        " && !document.querySelector('.side[aria-busy]')")  # fmt: skip
                took.append(page.evaluate(CLICK, [f".graph [data-key='{key}']", done]))
            row(f"select, slowest {max(took):.0f}", median(took), "150")
            folded = [key[1:] for key in keys(widget.drawing) if key[0] == "m"]  # type: ignore[arg-type]
            if folded:
                path = folded[len(folded) // 2]
                python = millis(lambda: widget.toggle(path), 5)
                changed = {name: getattr(widget, name) for name in ("panels", "colour", "picture")}
                script = median(other.evaluate(REDRAW, changed) for other, _ in pages)
                row("unfold a module: fold, layout, picture in Python", python)
                row("the new picture in the page", script)
                row("unfold", python + script, "300" if layers < 1000 else "")
            for other, _ in pages:
                other.close()
        browser.close()
    print(
        f"\ncode of the widget: {len(Explorer.module()) + len(Explorer.style()):,} bytes (60,000)"
    )


if __name__ == "__main__":
    main()
