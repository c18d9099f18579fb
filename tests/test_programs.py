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
    return run_text(path.read_text(encoding="utf-8"), library, path.stem)


def run_text(text: str, library: str, name: str) -> dict[str, Any]:
    """The same of its text, in which only the imports are changed."""
    if library != "torch":
        text = re.sub(r"^( *)import torch$", rf"\1import {library} as torch", text, flags=re.M)
        text = re.sub(r"^( *)(import|from) torch\b", rf"\1\2 {library}", text, flags=re.M)
        text = re.sub(r"^( *)from torchvision\b", rf"\1from {library}.vision", text, flags=re.M)
    space: dict[str, Any] = {"__name__": name}
    exec(compile(text, name, "exec"), space)  # noqa: S102  a program of ours
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
    if path.stem not in ("actor", "corridor", "gan", "reinforce"):  # these find no end
        assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_forms_of_imports() -> None:
    text = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.utils.data
import torch.backends.cudnn as cudnn
from torch import Tensor, nn, optim
from torch.autograd import Variable
from torch.cuda.amp import GradScaler, autocast
from torch.distributions import Bernoulli, Categorical, Normal
from torch.nn.functional import softmax
from torch.nn.parameter import Parameter
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms
def inside():
    import torch
    return torch
loss = F.mse_loss(torch.ones(1), torch.zeros(1))
losses = [loss.item(), inside() is torch, torch.utils.data.DataLoader is DataLoader]
"""
    space = run_text(text, "minitorch_lab", "forms")
    assert space["losses"] == [1.0, True, True]
    assert space["transforms"].ToTensor
