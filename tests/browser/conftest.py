"""Which browser the tests drive, and how it is started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from lab_server import LAUNCH_ARGUMENTS, chromium
from playwright.sync_api import Page


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The machine's own Chromium; without one the browser tests are skipped, in CI they fail."""
    path = chromium()
    if path is None:
        if os.environ.get("MINITORCH_LAB_REQUIRE_BROWSER"):
            pytest.fail("no Chromium on PATH, and MINITORCH_LAB_REQUIRE_BROWSER is set")
        pytest.skip("no Chromium on PATH")
    return {**browser_type_launch_args, "executable_path": path, "args": list(LAUNCH_ARGUMENTS)}


@pytest.fixture
def window(request: pytest.FixtureRequest, page: Page) -> Iterator[Page]:
    """The page, as large as the file's ``WINDOW``; an error in its console fails the test."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    width, height = request.module.WINDOW
    page.set_viewport_size({"width": width, "height": height})
    page.set_default_timeout(getattr(request.module, "PATIENCE", 30_000))
    yield page
    assert complaints == []
