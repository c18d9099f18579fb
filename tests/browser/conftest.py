"""Which browser the tests drive, and how it is started."""

from __future__ import annotations

import os
from typing import Any

import pytest
from lab_server import LAUNCH_ARGUMENTS, chromium


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The machine's own Chromium; without one the browser tests are skipped, in CI they fail."""
    path = chromium()
    if path is None:
        if os.environ.get("MINITORCH_LAB_REQUIRE_BROWSER"):
            pytest.fail("no Chromium on PATH, and MINITORCH_LAB_REQUIRE_BROWSER is set")
        pytest.skip("no Chromium on PATH")
    return {**browser_type_launch_args, "executable_path": path, "args": list(LAUNCH_ARGUMENTS)}
