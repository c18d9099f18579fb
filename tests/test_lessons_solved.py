"""Every lesson as its teacher has it: with the solutions, run in a kernel."""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from minitorch_lab.lessons import build, content, source
from minitorch_lab.lessons.check import Checked
from minitorch_lab.lessons.model import Verdict

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LESSONS = {n: content.lesson(n) for n in content.NUMBERS}
SOURCES = source.find_sources()


@pytest.fixture(scope="module")
def taught(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[dict[str, Any]]]]:
    """Each lesson with its solutions, run in a kernel: two at a time, unless tests do that too."""
    folder = tmp_path_factory.mktemp("instructor")

    def build_one(number: str) -> dict[str, Any]:
        own = folder / number  # the lessons write files
        own.mkdir()
        book = build.notebook(source.read(SOURCES[number]), number, solved=True)
        try:
            return build.execute(book, own)
        finally:
            asyncio.get_event_loop().close()  # nbclient makes one for this thread and leaves it

    alone = "PYTEST_XDIST_WORKER" not in os.environ
    with ThreadPoolExecutor(2 if alone else 1) as pool:
        tests = [t for t in request.session.items if getattr(t, "module", None) is request.module]
        asked = [test.callspec.params["number"] for test in tests]  # those that were chosen
        yield {number: pool.submit(build_one, number) for number in asked}
        pool.shutdown(cancel_futures=True)


def spoken(cell: dict[str, Any]) -> list[str]:
    """What a cell's outputs say, without their pictures: what it wrote to stdout and to stderr,
    which have no order between them, then the rest."""
    said, written = [], {"stdout": "", "stderr": ""}
    for output in cell["outputs"]:
        if output["output_type"] == "error":
            said.append(f"{output['ename']}: {output['evalue']}")
        elif output["output_type"] == "stream":
            written[output["name"]] += "".join(output["text"])
        else:
            said.append("".join(output["data"].get("text/plain", "")))
    return [*written.values(), *said]


@pytest.mark.slow
@pytest.mark.parametrize("number", LESSONS)
def test_with_solutions_a_lesson_says_the_same_and_all_checks_are_right(
    number: str, taught: dict[str, Future[dict[str, Any]]]
) -> None:
    """Strictly, as nbval does it for the learner's notebooks."""
    learner = json.loads((NOTEBOOKS / f"{SOURCES[number].stem}.ipynb").read_text(encoding="utf-8"))
    teacher = taught[number].result()
    right = []
    for mine, theirs in zip(learner["cells"], teacher["cells"], strict=True):
        if mine["cell_type"] != "code":
            continue
        checked = re.search(r'lab\.check\("(.*?)"', "".join(theirs["source"]))
        if checked:
            key = checked[1]
            expected = Checked(key, LESSONS[number].exercises[key], Verdict(True, ""), 1)
            assert spoken(theirs)[-1] == repr(expected)
            right.append(key)
        elif "nbval-ignore-output" not in mine["metadata"].get("tags", []):
            assert spoken(theirs) == spoken(mine), "".join(mine["source"])
    assert right == list(LESSONS[number].exercises)
