"""A real JupyterLab or Notebook for the browser tests and the screenshots: server and page."""

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page

SETTINGS = {
    # All cells stand in the page, also those outside the window.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false"},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},  # as minitorch-lab has it
}


# The tests' own kernel without subshells, where cells and pages wait for each other: what ipykernel
# 6 is, and what other hosts make of ipykernel 7.
PLAIN = """
from ipykernel.kernelapp import IPKernelApp

class Plain(IPKernelApp):
    def init_kernel(self):
        self.shell_channel_thread = None
        super().init_kernel()

Plain.launch_instance()
"""


def _write_kernel(folder: Path, program: str) -> None:
    folder.mkdir(parents=True)
    spec = {
        "argv": [sys.executable, "-c", program, "-f", "{connection_file}"],
        "display_name": "Python 3, without subshells",
        "language": "python",
    }
    (folder / "kernel.json").write_text(json.dumps(spec))


@dataclass(frozen=True)
class Server:
    """A running JupyterLab or Notebook that serves the folder ``root``."""

    url: str
    token: str
    root: Path
    app: str


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serve(
    root: Path, home: Path, start_seconds: float = 60, app: str = "jupyterlab"
) -> Iterator[Server]:
    """Run JupyterLab, or ``app="notebook"``, on ``root``.

    It reads and writes settings in ``home`` and nowhere else.
    """
    settings = home / "settings"
    for name, values in SETTINGS.items():
        file = settings / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    env = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "MINITORCH_LAB_PROGRESS": "off",
    }
    _write_kernel(home / "data" / "kernels" / "plain", PLAIN)
    token, port = secrets.token_hex(16), _free_port()
    command = [
        *(sys.executable, "-m", app, "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"),
        *(f"--ServerApp.root_dir={root}", "--LabApp.news_url=None"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *("--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True"),
        "--JupyterNotebookApp.expose_app_in_browser=True",
    ]
    log = home / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=root, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _await_answer(f"{url}/api/status?token={token}", process, log, start_seconds)
            yield Server(url, token, root, app)
        finally:
            # SIGTERM: the server ends its kernels, then itself.
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def write_notebook(file: Path, cells: Iterable[str], kernel: str = "python3") -> None:
    """A notebook of code cells."""
    spec = {"name": kernel, "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(text) for text in cells], metadata={"kernelspec": spec}
    )
    nbformat.write(book, file)


@contextlib.contextmanager
def serve_cells(
    folders: pytest.TempPathFactory, app: str = "jupyterlab", **books: Iterable[str]
) -> Iterator[Server]:
    """Run JupyterLab, or ``app="notebook"``, on a notebook of these cells for each name."""
    root, home = folders.mktemp("root"), folders.mktemp("home")
    for name, cells in books.items():
        write_notebook(root / f"{name}.ipynb", cells)
    with serve(root, home, app=app) as running:
        yield running


def _await_answer(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-4000:]}")


class Notebook:
    """One notebook, open in JupyterLab or Notebook in a browser's page."""

    def __init__(self, page: Page, server: Server | None, path: str) -> None:
        """Load the page anew, or with None as server open it in the JupyterLab that is there."""
        self.page = page
        if server:
            place = "lab/tree" if server.app == "jupyterlab" else "notebooks"
            page.goto(f"{server.url}/{place}/{path}?reset&token={server.token}")
        else:
            page.evaluate(
                "path => void jupyterapp.commands.execute('docmanager:open', {path})", path
            )
        # `jupyterapp` is there because the server was started with expose_app_in_browser.
        page.wait_for_function(
            """path => {
                const panel = window.jupyterapp?.shell?.currentWidget;
                return panel?.context?.path === path && panel.content.widgets?.length > 0
                  && panel.sessionContext?.session?.kernel?.status === "idle";
            }""",
            arg=path,
            timeout=60_000,
        )

    def run_all(self, seconds: float = 120) -> None:
        """Run every cell and wait until the kernel is idle; an error in a cell raises."""
        self.page.evaluate(
            """() => {
                window.allCellsRan = false;
                window.jupyterapp.commands.execute("notebook:run-all-cells")
                  .finally(() => { window.allCellsRan = true; });
            }"""
        )
        self.page.wait_for_function(
            """() => window.allCellsRan &&
            window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === "idle"
            """,
            timeout=seconds * 1000,
        )
        if errors := self.errors():
            raise AssertionError("\n".join(errors))

    def rerun(self, find: str, pattern: str, replacement: str) -> None:
        """Edit the first code cell that contains ``find``, and run that cell alone."""
        cells = self.cells()
        index = next(
            i
            for i, c in enumerate(cells)
            if c["cell_type"] == "code" and find in "".join(c["source"])
        )
        old = "".join(cells[index]["source"])
        new = re.sub(pattern, replacement, old)
        if new == old:
            raise AssertionError(f"nothing like {pattern} in the cell\n{old}")
        self.run_cell(index, new)

    def run_cell(self, index: int, source: str | None = None, wait: bool = True) -> None:
        """Run one cell, with ``source`` as its new text; ``wait=False``: while it runs, go on."""
        self.page.evaluate(
            """async ([index, source, wait]) => {
                const {content} = window.jupyterapp.shell.currentWidget;
                content.deselectAll();
                content.activeCellIndex = index;
                if (source !== null) content.activeCell.model.sharedModel.setSource(source);
                window.cellRan = false;
                const run = window.jupyterapp.commands.execute("notebook:run-cell")
                  .finally(() => { window.cellRan = true; });
                if (wait) await run;
            }""",
            [index, source, wait],
        )

    def interrupt(self) -> None:
        """Press the button that interrupts the kernel, and wait until no cell runs."""
        self.page.evaluate("jupyterapp.commands.execute('notebook:interrupt-kernel')")
        self.page.wait_for_function("() => window.cellRan ?? true")

    def restart(self) -> None:
        """Restart the kernel; the cells are as they were."""
        self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.restartKernel()")

    def close(self) -> None:
        """Close the tab and end its kernel; nothing is saved. JupyterLab stays open."""
        self.page.evaluate(
            """async () => {
                const panel = jupyterapp.shell.currentWidget;
                await panel.sessionContext.shutdown();
                panel.dispose();
            }"""
        )

    def save(self) -> None:
        """Write the file."""
        self.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")

    def cells(self) -> list[dict[str, Any]]:
        """The cells as they would be saved."""
        cells: list[dict[str, Any]] = self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells"
        )
        return cells

    def errors(self) -> list[str]:
        """What cells raised that were not meant to."""
        return [
            f"{''.join(cell['source'])}\n{output['ename']}: {output['evalue']}"
            for cell in self.cells()
            if "raises-exception" not in cell.get("metadata", {}).get("tags", [])
            for output in cell.get("outputs", ())
            if output["output_type"] == "error"
        ]

    def ask(self, expression: str) -> str:
        """The repr of ``expression`` in the notebook's kernel; works while a widget is busy."""
        answer: dict[str, Any] = self.page.evaluate(
            """async expression => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const reply = await kernel.requestExecute(
                  {code: "", user_expressions: {answer: expression}, store_history: false}).done;
                return reply.content.user_expressions.answer;
            }""",
            expression,
        )
        if answer["status"] != "ok":
            raise AssertionError(f"{expression}: {answer['ename']}: {answer['evalue']}")
        return str(answer["data"]["text/plain"])

    def theme(self, name: str) -> None:
        """Change the theme: "light" or "dark"."""
        theme = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}[name]
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
        )
        self.page.wait_for_function(
            "light => document.body.dataset.jpThemeLight === light",
            arg="true" if name == "light" else "false",
        )
        self.page.wait_for_load_state("networkidle")


@contextlib.contextmanager
def opened(
    page: Page, server: Server, name: str, patience: int = 8000, width: int = 1400
) -> Iterator[Notebook]:
    """The notebook of this name, all of it run; what a widget complains of is an error.

    After that the page's actions wait for ``patience`` milliseconds.
    """
    said = complaints(page)
    page.set_viewport_size({"width": width, "height": 1000})
    notebook = Notebook(page, server, f"{name}.ipynb")
    notebook.run_all()
    page.set_default_timeout(patience)
    yield notebook
    assert said == []


def complaints(page: Page) -> list[str]:
    """Fills with what scripts of widgets raise or the console calls an error in them.

    A widget's script is a blob; an application's own errors are not ours.
    """
    said: list[str] = []
    page.on("pageerror", lambda e: said.append(str(e)) if "blob:" in (e.stack or "") else None)
    page.on(
        "console",
        lambda m: (
            said.append(m.text)
            if m.type == "error" and m.location["url"].startswith("blob:")
            else None
        ),
    )
    return said


def chromium() -> str | None:
    """The path of an installed Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


LAUNCH_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
)


def number(text: str) -> float:
    """The first number in a text, with the real minus sign that the widgets write."""
    found = re.search(r"[-\u2212]?\d+(?:\.\d+)?(?:e[-+\u2212]?\d+)?", text)
    if found is None:
        raise AssertionError(f"no number in {text!r}")
    return float(found.group().replace("\u2212", "-"))
