"""The pictures of docs/devices.md: run it on one thread, OMP_NUM_THREADS=1."""

from pathlib import Path

import matplotlib.pyplot as plt

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab import nn

plt.style.use("minitorch_lab.lessons.lab")
HERE = Path(__file__).parent


def step_of(model):
    """A training step with Adam."""
    optimizer = lab.optim.Adam(model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


lab.manual_seed(0)
y = lab.randint(0, 10, (32,))
mlp = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
found = lab.cuda.timeline(step_of(mlp), lab.rand(32, 784), y)
print(found)
found.draw().savefig(HERE / "timeline.png", dpi=120)

cnn = nn.Sequential(
    nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(),
    nn.MaxPool2d(2), nn.Flatten(), nn.Linear(800, 10),
)  # fmt: skip
seen = lab.cuda.theatre(step_of(cnn), lab.rand(32, 1, 28, 28), y)
print(seen)
seen.draw().savefig(HERE / "theatre.png", dpi=120)
