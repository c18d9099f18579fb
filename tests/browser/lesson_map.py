"""The README's map of the lessons: a picture of each, its question and its minutes.

    python tests/browser/lesson_map.py            pictures and table
    python tests/browser/lesson_map.py --table    the table alone

A picture is cut from the committed notebook, at its first drawing: what a reader of the saved
lesson sees. The table stands between two marks in README.md.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

from lab_server import LAUNCH_ARGUMENTS, chromium
from nbconvert import HTMLExporter
from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

from minitorch_lab.lessons.content import NUMBERS, lesson
from minitorch_lab.lessons.source import find_sources

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "images" / "lessons"
BEGIN, END = "<!-- the map of the lessons -->", "<!-- end of the map -->"
WIDE, HIGH = 640, 400  # of the page that is shown; the picture is half as large
THEMES = ("light", "dark")
DRAWINGS = ".lab-still svg, .lab-still.lab-run .pictures, .jp-OutputArea img, .lab.doctor"
# Where another output says more than the first drawing: a CSS selector, and which of its matches.
PLOT = ".jp-OutputArea img"
CHOSEN: dict[str, tuple[str, int]] = {
    "00": (".lab.course", 0),
    "06": (PLOT, 1),
    "07": (PLOT, 0),
    "10": (".lab-plays", 0),
    "11": (PLOT, 2),
    "14": (PLOT, 0),
}


def chosen(page: Page, number: str) -> Locator:
    """The drawing that stands for a lesson."""
    selector, nth = CHOSEN.get(number, (DRAWINGS, 0))
    found = page.locator(selector)
    return found.nth(nth) if found.count() > nth else page.locator(".lab.card").first


def picture(page: Page, number: str) -> Image.Image:
    """The lesson's drawing, as large as fits, in the middle of a picture of one size."""
    target = chosen(page, number)
    target.scroll_into_view_if_needed()
    shot = Image.open(io.BytesIO(target.screenshot())).convert("RGB")
    shot = shot.crop((0, 0, shot.width, min(shot.height, max(shot.width * HIGH // WIDE, HIGH))))
    shot.thumbnail((WIDE, HIGH), Image.Resampling.LANCZOS)
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    whole = Image.new("RGB", (WIDE, HIGH), tuple(map(int, color[4:-1].split(",")[:3])))
    whole.paste(shot, ((WIDE - shot.width) // 2, (HIGH - shot.height) // 2))
    return whole


def pictures(numbers: list[str]) -> None:
    """Write the pictures of these lessons."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=list(LAUNCH_ARGUMENTS))
        page = browser.new_page(viewport={"width": 900, "height": 900}, device_scale_factor=2)
        for number in numbers:
            name = find_sources()[number].stem
            for theme in THEMES:
                html, _ = HTMLExporter(theme=theme).from_filename(
                    str(ROOT / "notebooks" / f"{name}.ipynb")
                )
                file = Path(folder) / f"{name}-{theme}.html"
                file.write_text(html, encoding="utf-8")
                page.goto(file.as_uri(), wait_until="load")
                target = FOLDER / f"{number}-{theme}.webp"
                picture(page, number).save(target, quality=80, method=6)
                print(f"{target.relative_to(ROOT)}  {target.stat().st_size} bytes")
        browser.close()


def table() -> str:
    """The map: a row for each lesson."""
    rows = ["| | lesson | minutes |", "|---|---|---:|"]
    for number in NUMBERS:
        found, name = lesson(number), find_sources()[number].stem
        at = f"docs/images/lessons/{number}"
        shown = (
            f'<picture><source media="(prefers-color-scheme: dark)" srcset="{at}-dark.webp">'
            f'<img alt="A drawing of lesson {number}" width="160" src="{at}-light.webp"></picture>'
        )
        title = f"[**{number} {found.title}**](notebooks/{name}.ipynb)"
        rows.append(f"| {shown} | {title}<br>{found.asks} | {found.minutes} |")
    return "\n".join(rows)


def readme(text: str) -> str:
    """The README with the map of now."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{tail}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make the README's map of the lessons.")
    parser.add_argument("numbers", nargs="*", help="lessons, such as 03 (default: all)")
    parser.add_argument("--table", action="store_true", help="the table alone")
    options = parser.parse_args()
    if not options.table:
        pictures(options.numbers or list(NUMBERS))
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
