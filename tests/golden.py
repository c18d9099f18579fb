"""What a learner reads: the texts of errors, kept word for word in tests/golden.

A file has one text after another, each under a line ``== name``. A test writes down only what is
done wrong, once for both libraries; ``GOLDEN=write pytest tests/test_mistakes.py`` writes down
what is said now. Read the difference before you commit it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import minitorch_lab as lab

HERE = Path(__file__).parent / "golden"
MARK = "== "


class Golden:
    """The texts of one file."""

    def __init__(self, name: str, mistakes: Iterable[str]) -> None:
        self.path = HERE / f"{name}.txt"
        self.names = list(mistakes)
        self.texts: dict[str, str] = {}
        if self.path.exists():
            for part in ("\n" + self.path.read_text(encoding="utf-8")).split(f"\n{MARK}")[1:]:
                key, _, text = part.partition("\n")
                self.texts[key] = text.rstrip("\n")

    def check(self, name: str, error: BaseException) -> None:
        """The error says what is kept under this name."""
        if os.environ.get("GOLDEN") == "write":
            self.texts[name] = str(error)
            self.write()
        assert name in self.texts, f"no text is kept for {name!r}: see tests/golden.py"
        assert str(error) == self.texts[name]

    def write(self) -> None:
        """Keep the texts, in the order of the mistakes."""
        kept = [f"{MARK}{n}\n{self.texts[n]}\n" for n in self.names if n in self.texts]
        self.path.write_text("\n".join(kept), encoding="utf-8")

    def complete(self) -> None:
        """There is a text for each mistake, and no other."""
        assert sorted(self.texts) == sorted(self.names)


def said(call: Callable[[], Any], graph: bool = False) -> lab.LabError:
    """The error of a call, op by op or while it is traced."""
    with pytest.raises(lab.LabError) as caught:
        (lab.compile(call) if graph else call)()
    return caught.value


def same_kind(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether ``except`` catches the error by PyTorch's built-in class.

    PyTorch's NotImplementedError, of a kernel that is missing for a dtype, is a RuntimeError here.
    """
    return isinstance(error, RuntimeError if kind is NotImplementedError else kind)
