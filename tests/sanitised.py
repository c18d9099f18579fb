"""A Python process in which code that was compiled with AddressSanitizer may be loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Steps of a small network; the code in front names the EXECUTOR and the DEVICE.
TRAINING = """
nn, F = lab.nn, lab.nn.functional
lab.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Flatten(),
    nn.Linear(4 * 4 * 4, 5), nn.LayerNorm(5),
)
words = nn.Embedding(7, 64)
model.to(DEVICE), words.to(DEVICE)
optimizer = lab.optim.Adam([*model.parameters(), *words.parameters()], lr=0.01)

@lab.compile(executor=EXECUTOR)
def step(x, index, y):
    optimizer.zero_grad()
    scores = model(x) + words(index)[:, :5] + F.softmax(x.flatten(1)[:, :5], -1)
    loss = F.cross_entropy(scores, y)
    loss.backward()
    optimizer.step()
    return loss

x, index, y = lab.randn(3, 2, 7, 7), lab.tensor([6, 0, 6]), lab.tensor([4, -100, 0])
losses = [step(x.to(DEVICE), index.to(DEVICE), y.to(DEVICE)).item() for _ in range(4)]
assert step.executor_used == EXECUTOR
assert losses[-1] < losses[0], losses
"""


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
