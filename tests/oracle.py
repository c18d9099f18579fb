"""PyTorch's answers: computed where PyTorch is installed, read from tests/recorded elsewhere.

A test asks ``oracle(lambda torch: ...)`` and gets what the function returns, as plain data:
tensors and arrays as NumPy arrays, sizes and tuples as lists, dtypes as their names. An error is
asked for with ``oracle.error`` and comes as its built-in class. ``python tests/record.py`` runs
the tests with PyTorch and writes the answers down, one readable JSON file for each test file.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

RECORDED = Path(__file__).parent / "recorded"
PRESENT = importlib.util.find_spec("torch") is not None
LARGEST = 4096  # entries of an array: what is longer is compared by digest()


def digest(values: Any) -> str:
    """A long array in one line: for values that must be equal bit by bit."""
    array = np.ascontiguousarray(values)
    return f"{array.dtype}{array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"


def encoded(value: Any) -> Any:
    """``value`` as JSON holds it."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, (list, tuple)):
        return [encoded(v) for v in value]
    if isinstance(value, dict):
        return {"dict": [[encoded(k), encoded(v)] for k, v in value.items()]}
    if type(value).__module__ == "torch" and type(value).__name__ == "dtype":
        return str(value).removeprefix("torch.")
    if hasattr(value, "detach"):
        value = value.detach().cpu().resolve_conj().numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.size > LARGEST:
            raise ValueError(f"{array.shape} is too long to keep: compare its digest()")
        items = array.ravel()
        texts = [str(v) for v in items] if array.dtype.kind == "f" else items.tolist()
        return {"array": str(array.dtype), "shape": list(array.shape), "entries": texts}
    raise TypeError(f"the oracle cannot keep {type(value).__name__}")


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
    return np.array(value["entries"], value["array"]).reshape(value["shape"])


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

    def write(self) -> None:
        """Keep the new answers, one test to a line."""
        RECORDED.mkdir(exist_ok=True)
        lines = [f"{json.dumps(k)}: {json.dumps(self.new[k])}" for k in sorted(self.new)]
        self.path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


class Oracle:
    """What a test asks; ``oracle.torch`` says whether PyTorch itself answers."""

    def __init__(self, book: str, test: str) -> None:
        self.book, self.test, self.asked = Book.of(book), test, 0

    def __call__(self, ask: Callable[[Any], Any]) -> Any:
        """What ``ask(torch)`` returns."""
        if PRESENT:
            import torch

            torch.set_num_threads(1)
            answer = encoded(ask(torch))
            self.book.new.setdefault(self.test, []).append(answer)
        else:
            kept = self.book.old.get(self.test, [])
            if len(kept) <= self.asked:
                raise AssertionError(
                    f"no answer of PyTorch is kept for {self.test}: install torch==2.13.0 and run "
                    "python tests/record.py"
                )
            answer = kept[self.asked]
        self.asked += 1
        return decoded(answer)

    def error(self, ask: Callable[[Any], Any]) -> type[BaseException]:
        """The built-in class of the error that ``ask(torch)`` raises."""

        def name(torch: Any) -> str:
            try:
                ask(torch)
            except Exception as error:  # noqa: BLE001 - which one it is, is the question
                kinds = [c.__name__ for c in type(error).__mro__]
                return next(kind for kind in kinds if hasattr(builtins, kind))
            raise AssertionError(f"PyTorch accepts what {self.test} expects it to refuse")

        return getattr(builtins, self(name))
