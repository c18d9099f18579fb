"""A Python process in which code that was compiled with AddressSanitizer may be loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run_sanitised(code: str, compiler: list[str]) -> None:
    """Run ``code``, which may import from the tests; what goes outside of its memory fails."""
    found = subprocess.run(
        [*compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=False
    )
    runtime = found.stdout.strip()
    if not os.path.isabs(runtime):
        pytest.skip("the compiler brings no AddressSanitizer")
    environment = os.environ | {
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
        "TESTS": str(Path(__file__).parent),
    }
    done = subprocess.run(
        [sys.executable, "-c", f"import os, sys\nsys.path.append(os.environ['TESTS'])\n{code}"],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
