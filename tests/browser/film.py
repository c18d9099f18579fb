"""A short film of the live panel in JupyterLab, as an animated WebP: training that is steered.

    python tests/browser/film.py docs/images/live.webp

It opens lesson 14, runs it up to its first panel, starts, raises the learning rate, goes back, and
forks with a lower rate. To take a picture needs time, too: what took 25 s is played in 16.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from lab_server import LAUNCH_ARGUMENTS, Notebook, chromium, serve
from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

LESSONS = Path(__file__).parents[2] / "notebooks"
FRAME = 1 / 8  # seconds between two frames
SPEED = 1.6  # times as fast as it was
MOST = 1_500_000  # bytes of the film
# A picture of a page has no pointer: this one follows the mouse.
POINTER = """() => {
  const mark = document.createElement("div");
  mark.innerHTML = '<svg width="18" height="22" viewBox="0 0 18 22"><path d="M1 1v16l4-4 3 7 3-1.3-3-6.7h6z" '
    + 'fill="#000" stroke="#fff" stroke-width="1.2"/></svg>';
  mark.style.cssText = "position:fixed;left:-40px;top:0;z-index:99999;pointer-events:none";
  document.body.append(mark);
  document.addEventListener("mousemove", (event) => {
    mark.style.left = `${event.clientX}px`;
    mark.style.top = `${event.clientY}px`;
  }, true);
}"""  # noqa: E501


class Film:
    """Frames of one widget with the times when they were taken."""

    def __init__(self, page: Page, panel: Locator) -> None:
        self.page, self.panel = page, panel
        self.frames: list[tuple[float, Image.Image]] = []
        self.at = (700.0, 300.0)
        page.evaluate(POINTER)
        page.mouse.move(*self.at)

    def take(self) -> None:
        """One frame."""
        now = time.monotonic()
        box = self.panel.bounding_box()
        if box is None:
            raise SystemExit("the panel is not on the page")
        clip = {name: float(round(value)) for name, value in box.items()}
        shot = self.page.screenshot(clip=clip)  # type: ignore[arg-type]
        self.frames.append((now, Image.open(io.BytesIO(shot)).convert("RGB")))

    def go_on(self, seconds: float) -> None:
        """Film for a while."""
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            self.take()
            left = FRAME - (time.monotonic() - began)
            if left > 0:
                self.page.wait_for_timeout(1000 * left)

    def point(self, what: Locator, across: float = 0.5) -> None:
        """Move the pointer to a place, in a few frames; ``across`` from 0, left, to 1, right."""
        box = what.bounding_box()
        if box is None:
            raise SystemExit(f"{what} is not on the page")
        to = (box["x"] + across * box["width"], box["y"] + box["height"] / 2)
        for part in (0.4, 0.75, 0.95, 1.0):
            x, y = (a + part * (b - a) for a, b in zip(self.at, to, strict=True))
            self.page.mouse.move(x, y)
            self.take()
        self.at = to

    def click(self, what: Locator) -> None:
        """Go there, and click."""
        self.point(what)
        self.page.mouse.down()
        self.page.mouse.up()
        self.go_on(0.3)

    def drag(self, slider: Locator, to: float) -> None:
        """Take a slider's thumb to a place, from 0 to 1."""
        now = slider.evaluate("(node) => (node.value - node.min) / (node.max - node.min || 1)")
        box = slider.bounding_box()
        if box is None:
            raise SystemExit("the slider is not on the page")
        thumb = 8 / box["width"]  # half of it: the thumb stays within the slider
        place = [thumb + (1 - 2 * thumb) * at for at in (now, to)]
        self.point(slider, place[0])
        self.page.mouse.down()
        for part in range(1, 9):
            across = place[0] + part / 8 * (place[1] - place[0])
            x = box["x"] + across * box["width"]
            self.page.mouse.move(x, self.at[1])
            self.take()
            self.at = (x, self.at[1])
        self.page.mouse.up()

    def write(self, file: Path) -> None:
        """The film, in the best quality that is small enough."""
        width = max(frame.width for _, frame in self.frames)
        height = max(frame.height for _, frame in self.frames)
        shown: list[tuple[float, Image.Image]] = []
        for at, frame in self.frames:
            sheet = Image.new("RGB", (width, height), "white")
            sheet.paste(frame)
            if not shown or sheet.tobytes() != shown[-1][1].tobytes():
                shown.append((at, sheet))
        times = [at for at, _ in shown] + [self.frames[-1][0] + 1.5]
        spans = [max(1, round(1000 * (b - a) / SPEED)) for a, b in pairwise(times)]
        pictures = [sheet for _, sheet in shown]
        for quality in (None, 90, 75, 60, 40):
            how = {"lossless": True} if quality is None else {"quality": quality}
            pictures[0].save(
                file, save_all=True, append_images=pictures[1:], duration=spans, loop=0,
                method=4, minimize_size=True, **how,
            )  # fmt: skip
            if file.stat().st_size <= MOST:
                break
        seconds = sum(spans) / 1000
        print(
            f"{file}: {width} x {height}, {len(pictures)} frames, {seconds:.1f} s, "
            f"{file.stat().st_size:,} bytes, {how}"
        )


def steer(film: Film, notebook: Notebook) -> None:
    """Start, raise the learning rate, go back to before that, fork with a lower one."""
    panel, run = film.panel, "panel.training"
    film.go_on(0.6)
    film.click(panel.locator("[data-act=start]"))
    film.go_on(2.2)
    film.drag(panel.locator("[data-field=lr]"), 0.7)  # 0.2
    film.go_on(1.6)
    film.click(panel.locator("[data-act=pause]"))
    film.go_on(0.3)
    timeline = panel.locator("[data-field=timeline]")
    raised = int(notebook.ask(f"{run}.history.marks[0].step"))
    film.drag(timeline, 0.9 * raised / int(timeline.get_attribute("max") or 1))
    film.go_on(0.8)
    film.click(panel.locator("[data-act=fork]"))
    film.page.keyboard.press("Control+a")
    for letter in "0.001":
        film.page.keyboard.type(letter)
        film.take()
    film.click(panel.locator("[data-act=start-fork]"))
    if panel.locator("[data-act=start]").count():  # a fork of a run that holds does so, too
        film.click(panel.locator("[data-act=start]"))
    film.go_on(3.0)


def main() -> None:
    """Make the film."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="the film's file, .webp")
    parser.add_argument("--width", type=int, default=960, help="of the panel, px")
    parser.add_argument("--theme", choices=["light", "dark"], default="light")
    parser.add_argument("--epochs", type=int, default=400, help="of the run (default: 400)")
    options = parser.parse_args()
    lesson = next(LESSONS.glob("14*.ipynb"))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        root, home = Path(folder) / "root", Path(folder) / "home"
        root.mkdir()
        home.mkdir()
        shutil.copy(lesson, root)
        browser = play.chromium.launch(executable_path=chromium(), args=list(LAUNCH_ARGUMENTS))
        with serve(root, home) as server:
            page = browser.new_page(viewport={"width": options.width + 300, "height": 1300})
            notebook = Notebook(page, server, lesson.name)
            page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
            notebook.theme(options.theme)
            for index, cell in enumerate(notebook.cells()):
                source = "".join(cell["source"])
                if cell["cell_type"] == "code":
                    if "lab.train(" in source:
                        break
                    notebook.run_cell(index)
            notebook.rerun("lab.train(", r"epochs=\d+", f"epochs={options.epochs}")
            panel = page.locator(".lab.live").first
            for _ in range(3):  # the window as wide as the panel needs it
                box = panel.bounding_box()
                if box is None or round(box["width"]) == options.width:
                    break
                size = page.viewport_size or {"width": options.width + 300, "height": 1300}
                wider = size["width"] + options.width - round(box["width"])
                page.set_viewport_size({"width": wider, "height": 1300})
                page.wait_for_timeout(500)
            panel.evaluate("(node) => node.scrollIntoView({block: 'start'})")
            page.wait_for_timeout(1000)
            film = Film(page, panel)
            steer(film, notebook)
        browser.close()
        film.write(options.out)


if __name__ == "__main__":
    main()
