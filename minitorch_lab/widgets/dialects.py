"""Linear regression, one step of training, in each of the styles that this library knows.

The programs are kept as text: a learner reads them, and they run as a learner's own would.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import random
from ..creation import linspace
from ..tf import config
from ..tf.keras import words

PROGRAMS = {
    "PyTorch style": """\
import minitorch_lab as torch

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)

def step(x, y):
    prediction = model(x)
    loss = ((prediction - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss
""",
    "tape style": """\
import minitorch_lab as lab

w = lab.zeros(1, 2, requires_grad=True)
b = lab.zeros(1, requires_grad=True)

def step(x, y):
    prediction = x @ w.T + b
    loss = ((prediction - y) ** 2).mean()
    dw, db = lab.autograd.grad(loss, (w, b))
    with lab.no_grad():
        w.sub_(0.1 * dw)
        b.sub_(0.1 * db)
    return loss
""",
    "Keras": """\
from minitorch_lab.tf import keras

model = keras.Sequential([
    keras.Input((2,)),
    keras.layers.Dense(1),
])
model.compile(
    optimizer=keras.optimizers.SGD(0.1),
    loss="mean_squared_error",
)
model.fit(x, y, batch_size=8, verbose=0)
""",
    "function": """\
import minitorch_lab as lab

def loss_of(w, b, x, y):
    prediction = x @ w.T + b
    return ((prediction - y) ** 2).mean()

@lab.compile
def step(x, y, w, b):
    both = lab.func.grad_and_value(loss_of, (0, 1))
    (dw, db), loss = both(w, b, x, y)
    return loss, w - 0.1 * dw, b - 0.1 * db

w, b = lab.zeros(1, 2), lab.zeros(1)
""",
    "session": """\
from minitorch_lab import graph

line = graph.GraphBuilder()
with line:
    x_ = line.placeholder("float32", (None, 2))
    y_ = line.placeholder("float32", (None, 1))
    w = line.variable([[0.0, 0.0]])
    b = line.variable([0.0])
    prediction = x_ @ w.T + b
    loss = ((prediction - y_) ** 2).mean()
    dw, db = line.gradients(loss, [w, b])
    new_w = w.assign_sub(0.1 * dw)
    new_b = b.assign_sub(0.1 * db)

session = graph.Session(line)
session.run(line.initializer())
fetches = [loss, new_w, new_b]
feeds = {x_: x.numpy(), y_: y.numpy()}
""",
}


def samples() -> tuple[dict[str, Any], tuple[Any, ...]]:
    """The programs by style, and the data that they take: what ``lab.link`` shows without any.

    >>> programs, (x, y) = samples()
    >>> list(programs), x.shape, y.shape
    (['PyTorch style', 'tape style', 'Keras', 'function', 'session'], Size([8, 2]), Size([8, 1]))
    """
    x = linspace(-1.0, 1.0, 16).reshape(8, 2)
    y = x @ linspace(2.0, -1.0, 2).reshape(2, 1) + 0.5
    with _apart():
        made = {title: _made(title, text, x, y) for title, text in PROGRAMS.items()}
    return {title: _program(**names) for title, names in made.items()}, (x, y)


def _program(**names: Any) -> Any:
    """What ``lab.link`` takes of the names that a program has made."""
    match names:
        case {"session": session, "fetches": fetches, "feeds": feeds}:
            return session, fetches, feeds
        case {"step": step, "loss_of": _}:
            return step, names["x"], names["y"], names["w"], names["b"]
    return names.get("model") if "step" not in names else names["step"]


@contextmanager
def _apart() -> Iterator[None]:
    """Leave the learner's random numbers and names of layers as they are; compile nothing."""
    eagerly = config.functions_run_eagerly()
    config.run_functions_eagerly(True)
    try:
        with random.apart(), words.apart():
            yield
    finally:
        config.run_functions_eagerly(eagerly)


def _made(title: str, text: str, x: Any, y: Any) -> dict[str, Any]:
    """The names after a run of one of the texts above, whose ops know their lines."""
    file = f"<{title}>"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    names: dict[str, Any] = {"x": x, "y": y, "__name__": title}
    exec(compile(text, file, "exec"), names)  # noqa: S102  our own text
    return names
