"""Write down PyTorch's answers for machines without it: ``python tests/record.py [tests]``.

Runs the tests that ask the oracle, all or those of the named files, and replaces the answers in
tests/recorded by what PyTorch said, when all of them passed. Of a file of which only some tests
are asked for (``tests/test_nn.py -k loss``), the other answers stay.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from oracle import PRESENT, RECORDED, Book

TESTS = Path(__file__).parent


class OnlyAsking:
    """Of the tests of a file, run those that ask."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if "oracle" in getattr(item, "fixturenames", ())]


def main(names: list[str]) -> int:
    """Run the tests, then write the answers."""
    if not PRESENT:
        print("PyTorch is not installed: pip install torch==2.13.0", file=sys.stderr)
        return 2
    files = names or [
        str(path) for path in sorted(TESTS.glob("test_*.py")) if "oracle" in path.read_text("utf-8")
    ]
    result = pytest.main(["-q", "-p", "no:cacheprovider", *files], plugins=[OnlyAsking()])
    if result in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        part = any(name.startswith("-") for name in names)
        whole = set() if part else {Path(name).stem for name in files if name.endswith(".py")}
        if not names:  # every book, also those whose tests ask no more
            whole |= {path.stem for path in RECORDED.glob("*.json")}
        for name in sorted({*Book.books, *whole}):
            book = Book.of(name)
            book.write(keep_others=name not in whole)
            print(f"{len(book.new)} tests asked in {name}")
        return 0
    return int(result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
