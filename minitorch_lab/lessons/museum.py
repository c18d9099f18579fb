"""The room of lesson A1: the articles' programs as they were published, and a place to run them.

The texts stand in ``lessons/articles``, without the line breaks and the indentation that they
lost. `run` changes their import lines and nothing else, and gives them small pictures where they
load MNIST.
"""

from __future__ import annotations

import atexit
import contextlib
import gzip
import io
import linecache
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..random import manual_seed
from .doctor.diagnosis import Diagnosis
from .doctor.model import diff
from .drawn import Pair, Recorder, Side, graph_of, recorded, stop_of

WRITTEN = Path(__file__).parent / "articles"
OURS = {  # import lines, and nothing else
    r"^import torch(?=$|#)": "import minitorch_lab as torch",
    r"^import torchvision(?=$|#)": "import minitorch_lab.vision as torchvision",
    r"^import torchvision\.": "import minitorch_lab.vision.",
    r"^import torch\.": "import minitorch_lab.",
    r"^(import|from) tensorflow\b": r"\1 minitorch_lab.tf",
}
TIMES = re.compile(r" [\d.]+(s|ms|us)( [\d.]+(s|ms|us)/step)?(?= - )")  # Keras's


def program(name: str) -> str:
    """A program of the articles, such as ``program("C2a")``, as it was published.

    >>> program("C2a")[:30]
    'import torchx = torch.tensor(2'
    """
    path = WRITTEN / f"{name}.txt"
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in WRITTEN.glob("*.txt")))
        raise ArgumentError(f"no program {name!r}\n  there are {there}")
    return path.read_text(encoding="utf-8")


def repair(found: Diagnosis) -> str:
    """What the doctor changes in a program beyond its line breaks, as lines with - and +."""
    return diff(found.reflow(), found.fix())


def imports(text: str) -> str:
    """A program with its import lines changed to this package's.

    >>> imports("import torch"), imports("import torch# x = 1")
    ('import minitorch_lab as torch', 'import minitorch_lab as torch# x = 1')
    """
    for theirs, ours in OURS.items():
        text = re.sub(theirs, ours, text, flags=re.MULTILINE)
    return text


def run(text: str, *, digits: int | None = None, **names: Any) -> dict[str, Any]:
    """Run a program with its import lines changed: the names that it leaves.

    An error ends the program and is printed in words. Times that Keras prints are left out, for
    they differ each time. ``digits`` rounds what is printed: the last digits of a trained number
    differ from one processor to another. Further ``names`` are there when it begins.
    """
    source = _prepared(text)
    names["__name__"] = "article"
    out = io.StringIO()
    error = ""
    with _pictures(), contextlib.redirect_stdout(out):
        try:
            exec(compile(source, "article", "exec"), names)  # noqa: S102  a text of the reader's
        except Exception as stopped:  # noqa: BLE001  whatever it is, it is shown
            error = f"It stops. {type(stopped).__name__}: {stopped}"
    printed = TIMES.sub("", out.getvalue()).rstrip("\n")
    if digits is not None:
        printed = re.sub(r"\d+\.\d{3,}", lambda m: f"{float(m.group()):.{digits}f}", printed)
    print("\n".join(filter(None, [printed, error])) or "The program runs, and prints nothing.")
    return names


def graphs(found: Diagnosis, before: str | None = None, **names: Any) -> Pair:
    """The graph of a program before its repair and after it, side by side.

    Each is the graph of the first step: the program is run until the first backward pass, or until
    it stops. ``before`` is drawn in the place of the program as it was written; further ``names``
    are there when that begins.
    """
    before = before or found.reflow()
    if found.fix() == before:
        return Pair(_side("as written", before, names))
    return Pair(_side("before", before, names), _side("after", found.fix(), {}))


def _side(title: str, text: str, names: dict[str, Any]) -> Side:
    """One side of `graphs`. A loop with many steps is run once."""
    kept, stop = Recorder(), None
    space = {"__name__": "article"} | names
    with recorded(kept), contextlib.redirect_stdout(io.StringIO()):
        source = _prepared(re.sub(r"\brange\(\d+\)", "range(1)", text))
        with _pictures():
            try:
                exec(compile(source, "article", "exec"), space)  # noqa: S102  a text of the reader's
            except Exception as error:  # noqa: BLE001  whatever it is, it is shown
                stop = stop_of(error, source, "article")
    return Side(title, graph_of(kept, space, title, stop), stop)


def _prepared(text: str) -> str:
    """The program with its import lines changed, and all as it is for a program that begins."""
    from ..tf.compat.v1 import reset_default_graph

    manual_seed(0)
    reset_default_graph()
    source = imports(text)
    # a name in linecache lets an error and a graph show the program's own lines
    linecache.cache["article"] = (len(source), None, source.splitlines(keepends=True), "article")
    return source


# Pictures ----------------------------------------------------------------------------------------


def write_idx(path: Path, array: Any) -> None:
    """A file of MNIST's format."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))


def write_pictures(folder: Path) -> None:
    """A small MNIST in MNIST's own files: a bright bar on noise, as high as the class.

    480 pictures to train and 80 to test.
    """
    folder.mkdir(parents=True)
    drawn = np.random.default_rng(0)
    for part, count in (("train", 480), ("t10k", 80)):
        classes = (np.arange(count) % 10).astype(np.uint8)
        images = drawn.integers(0, 100, (count, 28, 28))
        for image, k in zip(images, classes, strict=True):
            image[2 + 2 * k : 5 + 2 * k] += 150
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images.astype(np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", classes)


@cache
def _folder() -> str:
    made = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    write_pictures(Path(made) / "mnist")
    return made


@contextlib.contextmanager
def _pictures() -> Iterator[None]:
    """Small pictures in the place of MNIST, for both styles; nothing is fetched or left behind."""
    before = os.environ.get("MINITORCH_LAB_DATA")
    os.environ["MINITORCH_LAB_DATA"] = _folder()
    try:
        with contextlib.chdir(_folder()):
            yield
    finally:
        if before is None:
            del os.environ["MINITORCH_LAB_DATA"]
        else:
            os.environ["MINITORCH_LAB_DATA"] = before
