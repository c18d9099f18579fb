"""Making the notebooks from their sources.

    python -m minitorch_lab.lessons.build                 every lesson, with its outputs
    python -m minitorch_lab.lessons.build 03              one lesson
    python -m minitorch_lab.lessons.build 03 --solutions DIR   with the solutions, into DIR

To change a lesson, edit ``lessons/text/03_*.md`` (what the learner reads) and
``lessons/content/l03.py`` (what is asked and answered), then run this. A cell that
fails without the tag ``raises-exception``, or writes to stderr without the tag
``writes-stderr``, stops it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from ..errors import ArgumentError
from . import source
from .content import NUMBERS

CHECKOUT = Path(__file__).parents[2]
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
STILLS = "application/vnd.minitorch-lab.stills+json"
# The last cell of a run; no notebook keeps it.
FINISH = "from minitorch_lab.lessons.build import finish\nfinish()"


def notebook(cells: list[source.Cell], number: str, *, solved: bool) -> dict[str, Any]:
    """A notebook (nbformat 4.5) without outputs. The same source gives the same notebook."""
    made = []
    for i, cell in enumerate(cells):
        text = cell.text
        if cell.kind == "code":
            text = source.solution(text) if solved else source.stub(text)
        entry: dict[str, Any] = {
            "cell_type": cell.kind,
            "id": f"lesson-{number}-{i:02}",
            "metadata": {"tags": list(cell.tags)} if cell.tags else {},
            "source": text.splitlines(keepends=True),
        }
        if cell.kind == "code":
            entry |= {"execution_count": None, "outputs": []}
        made.append(entry)
    return {
        "cells": made,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {
                "file_extension": ".py",
                "mimetype": "text/x-python",
                "name": "python",
            },
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def finish() -> None:
    """Start each live panel that waits for it, and publish how all panels look at their end.

    A panel's output is as it was when the cell showed it: a reader without a kernel would see
    "ready", and no curve. After the last cell nothing is there that such a run could change.
    """
    from IPython.display import publish_display_data

    from ..widgets.live import Live
    from ..widgets.training import Training

    stills = {}
    for panel in [thing for thing in gc.get_objects() if issubclass(type(thing), Live)]:
        if isinstance(panel.training, Training) and panel.state == "ready":
            panel.start().wait(60)
        stills[panel.model_id] = panel.static_html()
    publish_display_data({STILLS: stills})


def execute(book: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run every cell in a fresh kernel in ``folder``; the notebook with its outputs."""
    try:
        import nbformat  # only this tool needs them, so the library does not
        from nbclient import NotebookClient
    except ImportError as error:
        raise ArgumentError(
            'running notebooks needs nbclient: python -m pip install "minitorch_lab[lab]"'
        ) from error
    # A lesson's outputs must not depend on what somebody has done before, nor on the number of
    # cores; the tests run the notebooks in the same way.
    os.environ["MINITORCH_LAB_PROGRESS"] = "off"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    node = nbformat.reads(json.dumps(book), as_version=4)
    node.cells.append(nbformat.v4.new_code_cell(FINISH))
    NotebookClient(
        node,
        timeout=120,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    done: dict[str, Any] = json.loads(nbformat.writes(node))
    stills = done["cells"].pop()["outputs"][0]["data"][STILLS]
    for cell in done["cells"]:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr" and not _warns(cell):
                raise ArgumentError(
                    "a cell wrote to stderr:\n" + "".join(cell["source"])
                    + "\n" + "".join(output["text"])
                )  # fmt: skip
            if "traceback" in output:  # where the package lies on this machine concerns nobody
                output["traceback"] = [
                    line.replace(f"{CHECKOUT}{os.sep}", "") for line in output["traceback"]
                ]
            # A view without its model shows an error in a reopened notebook; without the view,
            # JupyterLab shows the picture that stands beside it.
            data = output.get("data", {})
            still = stills.get(data.pop(WIDGET_VIEW, {}).get("model_id"))
            if still is not None:
                data["text/html"] = still.splitlines(keepends=True)
        if "outputs" in cell:
            cell["outputs"] = _joined(cell["outputs"])
    _style_once(done)
    done["metadata"] = book["metadata"]
    return done


def _warns(cell: dict[str, Any]) -> bool:
    """Whether the cell writes to stderr on purpose, as ``lab.broken`` does."""
    return "writes-stderr" in cell["metadata"].get("tags", [])


def _joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was printed in one go as one output, however the kernel sent it."""
    found: list[dict[str, Any]] = []
    for output in outputs:
        before = found[-1] if found else {}
        stream = output.get("name")  # stdout or stderr; None of what is no stream
        if stream is not None and stream == before.get("name"):
            text = "".join([*before["text"], *output["text"]])
            before["text"] = text.splitlines(keepends=True)
        else:
            found.append(output)
    return found


def _style_once(book: dict[str, Any]) -> None:
    """Keep each stylesheet at its first place: it holds for the whole page."""
    seen: set[str] = set()

    def once(match: re.Match[str]) -> str:
        sheet = match.group()
        if sheet in seen:
            return ""
        seen.add(sheet)
        return sheet

    for cell in book["cells"]:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html")
            if html:
                text = re.sub(r"<style>.*?</style>", once, "".join(html), flags=re.DOTALL)
                output["data"]["text/html"] = text.splitlines(keepends=True)


def write(book: dict[str, Any], path: Path) -> None:
    """Write a notebook as Jupyter does: one space of indentation, sorted keys, real characters."""
    text = json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m minitorch_lab.lessons.build",
        description="Make the lessons' notebooks from their texts, and run them.",
    )
    parser.add_argument("numbers", nargs="*", help="lessons, such as 03 (default: all)")
    parser.add_argument("--notebooks", type=Path, default=Path("notebooks"), help="their folder")
    parser.add_argument(
        "--solutions", type=Path, metavar="DIR", help="write notebooks with solutions into DIR"
    )
    parser.add_argument("--no-run", action="store_true", help="write them without outputs")
    chosen = parser.parse_args(arguments)
    try:
        sources = source.find_sources()
        for number in chosen.numbers or NUMBERS:
            if number not in sources:
                raise ArgumentError(f"no lesson {number}; there are {', '.join(sources)}")
            path = sources[number]
            solved = chosen.solutions is not None
            folder = chosen.solutions if solved else chosen.notebooks
            folder.mkdir(parents=True, exist_ok=True)
            book = notebook(source.read(path), number, solved=solved)
            began = time.perf_counter()
            if not chosen.no_run:
                book = execute(book, folder)
            target = folder / f"{path.stem}.ipynb"
            write(book, target)
            print(f"{target}  {time.perf_counter() - began:.1f} s")
    except ArgumentError as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
