"""What every kind of test here shares: unit tests, doctests and the lessons under nbval."""

import atexit
import os
import tempfile

# Before NumPy loads, and inherited by the kernels that run the lessons: one thread for each of
# them, so that results do not hang on the number of cores and two processes do not fight.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# A lesson says the same whatever a learner on this machine has done before.
os.environ["MINITORCH_LAB_PROGRESS"] = "off"
# Matplotlib draws into memory; Jupyter finds this environment's kernel and widgets before a user's.
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
# No start-up file of a user's IPython runs in a lesson, and no cell goes into a user's history.
_ipython = tempfile.TemporaryDirectory(prefix="ipython-", ignore_cleanup_errors=True)
atexit.register(_ipython.cleanup)
os.environ["IPYTHONDIR"] = _ipython.name

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nbval.kernel import RunningKernel

import minitorch_lab as lab
from minitorch_lab.graph.codegen import native

# To compile each graph of each test would take long: the tests of the C executor ask for it. The
# lessons run as a learner runs them.
lab.executor("numpy")
ROOT = Path(__file__).parent
NOTEBOOKS = ROOT / "notebooks"
# PyTorch programs, which test_programs.py runs; to import one would run it on PyTorch.
collect_ignore = ["tests/programs"]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Run no notebook but the lessons: no checkpoint, no copy that a learner made."""
    if collection_path.suffix != ".ipynb":
        return None
    inside = NOTEBOOKS in collection_path.parents
    return None if inside and ".ipynb_checkpoints" not in collection_path.parts else True


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Compare what a lesson says, not how its pictures were drawn.

    Another build of Graphviz or Matplotlib puts the same picture a pixel elsewhere. Its text is
    compared: a widget's transcript stands in text/plain.
    """
    if collector.path.suffix == ".ipynb" and hasattr(collector, "skip_compare"):
        collector.skip_compare = (*collector.skip_compare, "image/svg+xml", "text/html")


def _execute_as_a_notebook_does(self: RunningKernel, cell: str, allow_stdin: bool = False) -> str:
    """Run a cell with its number counted up.

    nbval leaves that out, and then every line that a lesson names stands in "cell 1".
    """
    return self.kc.execute(cell, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)


RunningKernel.execute_cell_input = _execute_as_a_notebook_does


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as Python has it: a shell, or a kernel among the tests, may have left it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    """Start each test from the same random numbers, whichever tests ran before it."""
    np.random.seed(0)
    lab.manual_seed(0)


@pytest.fixture(params=["numpy", "c"])
def each_executor(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run graphs on NumPy, and once more in C where there is a compiler."""
    if request.param == "c":
        try:
            native.compiler()
        except native.NoCompiler as why:
            pytest.skip(str(why))
    before = lab.executor()
    lab.executor(request.param)
    yield request.param
    lab.executor(before)


@pytest.fixture
def oracle(request: pytest.FixtureRequest) -> Iterator[Any]:
    """PyTorch, or what it said when the answers were written down: see tests/oracle.py."""
    from oracle import Oracle

    asked, failed = Oracle(request.path.stem, request.node.name), request.session.testsfailed
    yield asked
    if request.session.testsfailed == failed:
        asked.finish()
