"""Pictures of the widgets as they look in JupyterLab, in both themes and at any width.

    python tests/browser/shots.py notebooks/07*.ipynb docs/images/explorer --widget .lab.explorer

writes explorer-light.png and explorer-dark.png. What has to happen before the picture is said with
--click and --wait, in the order in which they stand. In place of a notebook a Python file will do,
with a line "# %%" before each cell.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from lab_server import LAUNCH_ARGUMENTS, Notebook, chromium, serve, write_notebook
from playwright.sync_api import Page, sync_playwright


def prepare(page: Page, steps: list[tuple[str, str]]) -> None:
    """Do what was asked before the picture is taken."""
    for what, value in steps:
        if what == "click":
            page.locator(value).first.click()
        else:
            page.wait_for_timeout(float(value) * 1000)


def put(file: Path, folder: Path) -> str:
    """Copy a notebook into ``folder``, or make one of a Python file; returns its name."""
    if file.suffix != ".py":
        return Path(shutil.copy(file, folder)).name
    cells = [text.strip() for text in file.read_text(encoding="utf-8").split("# %%\n")[1:]]
    write_notebook(folder / f"{file.stem}.ipynb", cells)
    return f"{file.stem}.ipynb"


def shoot(options: argparse.Namespace) -> list[Path]:
    """Take the pictures; returns the files."""
    written = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        root, home = Path(folder) / "root", Path(folder) / "home"
        root.mkdir()
        home.mkdir()
        notebook_name = put(options.notebook, root)
        browser = play.chromium.launch(executable_path=chromium(), args=list(LAUNCH_ARGUMENTS))
        with serve(root, home) as server:
            for width in options.width:
                page = browser.new_page(
                    viewport={"width": width, "height": options.height},
                    device_scale_factor=options.scale,
                )
                page.emulate_media(reduced_motion="reduce")
                notebook = Notebook(page, server, notebook_name)
                # The file browser takes room that a picture needs.
                page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
                notebook.run_all()
                prepare(page, options.steps or [])
                target = page.locator(options.widget or ".jp-NotebookPanel").nth(options.nth)
                for theme in options.theme:
                    notebook.theme(theme)
                    target.scroll_into_view_if_needed()
                    page.wait_for_timeout(500)
                    suffix = f"-{width}" if len(options.width) > 1 else ""
                    file = options.out.with_name(f"{options.out.name}-{theme}{suffix}.png")
                    file.parent.mkdir(parents=True, exist_ok=True)
                    target.screenshot(path=file, animations="disabled")
                    written.append(file)
                page.close()
        browser.close()
    return written


class Step(argparse.Action):
    """Keeps --click and --wait in one list, in their order."""

    def __call__(self, parser, namespace, values, option_string=None):
        steps = getattr(namespace, "steps", None) or []
        namespace.steps = [*steps, (option_string.lstrip("-"), values)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("out", type=Path, help="path of the pictures, without -light.png")
    parser.add_argument("--widget", help="selector of the widget; the notebook where left out")
    parser.add_argument("--nth", type=int, default=0, help="which of several (default: the first)")
    parser.add_argument("--theme", nargs="+", choices=["light", "dark"], default=["light", "dark"])
    parser.add_argument("--width", nargs="+", type=int, default=[1280], help="of the window, px")
    parser.add_argument("--height", type=int, default=1100, help="of the window, px")
    parser.add_argument("--scale", type=float, default=2, help="pixels of the picture for each px")
    parser.add_argument("--click", action=Step, dest="steps", help="click this selector first")
    parser.add_argument("--wait", action=Step, dest="steps", help="then wait so many seconds")
    for file in shoot(parser.parse_args()):
        print(file)


if __name__ == "__main__":
    main()
