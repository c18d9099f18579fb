"""PyTorch programs that run here with nothing changed but the import."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


def run(path: Path, library: str) -> dict[str, Any]:
    """The variables of a program after it ran on a library."""
    text = path.read_text(encoding="utf-8")
    if library != "torch":
        text = re.sub(r"^import torch$", f"import {library} as torch", text, flags=re.M)
        text = re.sub(r"^(import|from) torch\b", rf"\1 {library}", text, flags=re.M)
    space: dict[str, Any] = {"__name__": path.stem}
    exec(compile(text, str(path), "exec"), space)  # noqa: S102  a program of ours
    return space


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_only_the_import_is_changed(path: Path, oracle: Any) -> None:
    def told(library: Any) -> dict[str, Any]:
        space = run(path, library.__name__)
        return {name: space.get(name) for name in ("losses", "said", "correct", "lengths")}

    ours, theirs = oracle.both(told)
    losses, expected = ours.pop("losses"), theirs.pop("losses")
    np.testing.assert_allclose(losses, expected, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(losses[:2], expected[:2], rtol=1e-5)
    assert ours == theirs


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_it_learns(path: Path) -> None:
    space = run(path, "minitorch_lab")
    losses = space["losses"]
    assert np.isfinite(losses).all()
    if path.stem in ("gpt", "vae", "resnet", "chars", "reverse"):
        assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
