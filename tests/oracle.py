"""PyTorch's answers: computed where PyTorch is installed, read from tests/recorded elsewhere.

A test asks ``oracle(lambda torch: ...)`` and gets what the function returns, as plain data:
tensors and arrays as NumPy arrays, sizes and tuples as lists, dtypes as their names. An error is
asked for with ``oracle.error`` and comes as its built-in class; ``oracle.both`` runs a function on
the lab and on PyTorch. ``python tests/record.py`` runs the tests with PyTorch and writes the
answers down, one readable JSON file for each test file. ``MINITORCH_LAB_ORACLE=recorded`` hides
an installed PyTorch: what then passes, passes without it.
"""

from __future__ import annotations

import base64
import builtins
import hashlib
import importlib.util
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import minitorch_lab as lab

RECORDED = Path(__file__).parent / "recorded"
HIDDEN = os.environ.get("MINITORCH_LAB_ORACLE") == "recorded"
PRESENT = not HIDDEN and importlib.util.find_spec("torch") is not None
REMEDY = ": install torch==2.13.0 and run python tests/record.py"
READABLE = 32  # entries of an array of floats: what is longer is packed
LARGEST = 4096  # entries of an array: what is longer is compared by digest()


def digest(values: Any) -> str:
    """A long array in one line: for values that must be equal bit by bit."""
    array = np.ascontiguousarray(values)
    return f"{array.dtype}{array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"


def plain(value: Any) -> Any:
    """``value`` of either library as numbers, texts, arrays, and lists and dicts of them."""
    if isinstance(value, np.generic):
        return np.asarray(value)
    if value is None or isinstance(value, (bool, int, float, str, np.ndarray)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items()}
    if type(value).__name__ in ("dtype", "DType"):
        return str(value).split(".")[-1]
    if hasattr(value, "detach"):
        return np.array(value.detach().cpu().numpy())
    raise TypeError(f"the oracle cannot keep {type(value).__name__}")


def encoded(value: Any) -> Any:
    """``value`` as JSON holds it: no float loses a bit."""
    value = plain(value)
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, list):
        return [encoded(v) for v in value]
    if isinstance(value, dict):
        return {"dict": [[encoded(k), encoded(v)] for k, v in value.items()]}
    if isinstance(value, np.ndarray):
        if value.size > LARGEST:
            raise ValueError(f"{value.shape} is too long to keep: compare its digest()")
        kept: dict[str, Any] = {"array": str(value.dtype), "shape": list(value.shape)}
        if value.dtype.kind != "f":
            kept["entries"] = value.ravel().tolist()
        elif value.size <= READABLE:
            kept["entries"] = " ".join(map(_short, value.ravel()))
        else:
            data = value.astype(value.dtype.newbyteorder("<")).tobytes()
            kept["zlib"] = base64.b64encode(zlib.compress(data)).decode()
        return kept
    return value


def _short(x: Any) -> str:
    """The shortest text of a float that reads as the same float of its dtype."""
    return str(x).removesuffix(".0").replace("e-0", "e-")


def decoded(value: Any) -> Any:
    """What ``encoded`` was given, as plain data."""
    if isinstance(value, list):
        return [decoded(v) for v in value]
    if not isinstance(value, dict):
        return value
    if "float" in value:
        return float(value["float"])
    if "dict" in value:
        return {decoded(k): decoded(v) for k, v in value["dict"]}
    dtype = np.dtype(value["array"])
    if "zlib" in value:
        data = zlib.decompress(base64.b64decode(value["zlib"]))
        return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(value["shape"])
    entries = value["entries"]
    entries = entries.split() if isinstance(entries, str) else entries
    return np.array(entries, dtype).reshape(value["shape"])


class Book:
    """The answers to the tests of one file, by test and by order in it."""

    books: ClassVar[dict[str, Book]] = {}

    def __init__(self, name: str) -> None:
        self.path = RECORDED / f"{name}.json"
        self.new: dict[str, list[Any]] = {}
        self.old: dict[str, list[Any]] = {}
        if self.path.exists():
            self.old = json.loads(self.path.read_text(encoding="utf-8"))

    @classmethod
    def of(cls, name: str) -> Book:
        """The one book of this name."""
        return cls.books.setdefault(name, cls(name))

    def write(self, keep_others: bool = False) -> None:
        """Keep the new answers, one test to a line; where there are none, keep no file."""
        kept = self.old | self.new if keep_others else self.new
        if not kept:
            self.path.unlink(missing_ok=True)
            return
        RECORDED.mkdir(exist_ok=True)
        lines = [
            f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in kept.items()
        ]
        self.path.write_text("{\n" + ",\n".join(sorted(lines)) + "\n}\n", encoding="utf-8")


class Oracle:
    """What a test asks, and how often it has asked."""

    def __init__(self, book: str, test: str) -> None:
        self.book, self.test, self.asked = Book.of(book), test, 0

    def __call__(self, ask: Callable[[Any], Any], about: str = "") -> Any:
        """What ``ask(torch)`` returns; ``about`` tells the questions of a loop apart."""
        return decoded(self._answer(lambda torch: encoded(ask(torch)), about))

    def both(self, run: Callable[[Any], Any], about: str = "") -> tuple[Any, Any]:
        """What ``run(lab)`` and ``run(torch)`` return, both as plain data."""
        return plain(run(lab)), self(run, about)

    def error(self, ask: Callable[[Any], Any], about: str = "") -> type[BaseException]:
        """The built-in class of the error that ``ask(torch)`` raises."""

        def name(torch: Any) -> str:
            try:
                ask(torch)
            except Exception as error:  # noqa: BLE001 - which one it is, is the question
                kinds = [c.__name__ for c in type(error).__mro__]
                return next(kind for kind in kinds if hasattr(builtins, kind))
            raise AssertionError(f"PyTorch accepts what {self.test} expects it to refuse")

        return getattr(builtins, self._answer(name, f"error {about}".strip()))

    def _answer(self, ask: Callable[[Any], Any], about: str) -> Any:
        """The answer in the form that JSON holds, computed and noted, or read."""
        if PRESENT:
            import torch

            torch.set_num_threads(1)
            answer = ask(torch)
            kept = {"about": about, "is": answer} if about else answer
            self.book.new.setdefault(self.test, []).append(kept)
        else:
            answers = self.book.old.get(self.test, [])
            if len(answers) <= self.asked:
                raise AssertionError(
                    f"PyTorch's answer {self.asked + 1} to {self.test} is not kept" + REMEDY
                )
            kept = answers[self.asked]
            noted, answer = "", kept
            if isinstance(kept, dict) and "about" in kept:
                noted, answer = kept["about"], kept["is"]
            if noted != about:
                raise AssertionError(
                    f"{self.test} asks about {about or 'a value'!r}, "
                    f"the answer {self.asked + 1} kept is about {noted or 'a value'!r}" + REMEDY
                )
        self.asked += 1
        return answer

    def finish(self) -> None:
        """Refuse a record with more answers than were asked for (a test may skip itself)."""
        kept = len(self.book.old.get(self.test, []))
        if not PRESENT and 0 < self.asked < kept:
            raise AssertionError(f"{self.test} asked {self.asked} times, {kept} are kept" + REMEDY)
