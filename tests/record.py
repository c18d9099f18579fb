"""Write down PyTorch's answers for machines without it: ``python tests/record.py [tests]``.

Runs the tests that ask the oracle, all or those of the named files, and replaces the answers in
tests/recorded by what PyTorch said. A file is replaced only when all of its tests passed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from oracle import PRESENT, Book

TESTS = Path(__file__).parent


def main(names: list[str]) -> int:
    """Run the tests, then write the answers."""
    if not PRESENT:
        print("PyTorch is not installed: pip install torch==2.13.0", file=sys.stderr)
        return 2
    files = names or [
        str(path) for path in sorted(TESTS.glob("test_*.py")) if "oracle" in path.read_text("utf-8")
    ]
    result = pytest.main(["-q", "-p", "no:cacheprovider", *files])
    if result == pytest.ExitCode.OK:
        for book in Book.books.values():
            book.write()
            print(f"{len(book.new)} tests kept in {book.path.name}")
    return int(result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
