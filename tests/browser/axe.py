"""axe-core on a widget: what it finds against WCAG 2.2 AA, and against good practice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

_SCRIPT = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
_RUN = """async (root) => {
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const found = await axe.run({include: [[root]]}, {runOnly: tags});
  return found.violations.flatMap((v) => v.nodes.map((n) =>
    `${v.id}: ${n.target.join(' ')}: ${n.failureSummary}`));
}"""


def violations(page: Page, root: str = ".lab") -> list[Any]:
    """One text for each element that breaks a rule; none is what a test wants."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_SCRIPT)
    found: list[Any] = page.evaluate(_RUN, root)
    return found
