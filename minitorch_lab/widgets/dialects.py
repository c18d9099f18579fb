"""Linear regression, one step of training, in each of the styles that this library knows.

The programs are kept as text: a learner reads them, and they run as a learner's own would.
"""

from __future__ import annotations

import linecache
from typing import Any

from ..creation import linspace

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

program = step
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

program = step
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

program = step, x, y, lab.zeros(1, 2), lab.zeros(1)
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
feeds = {x_: x.numpy(), y_: y.numpy()}
program = session, [loss, new_w, new_b], feeds
""",
}


def samples() -> tuple[dict[str, Any], tuple[Any, ...]]:
    """The programs by style, and the data that they take: what ``lab.link`` shows without any.

    >>> programs, (x, y) = samples()
    >>> list(programs), x.shape, y.shape
    (['PyTorch style', 'tape style', 'function', 'session'], Size([8, 2]), Size([8, 1]))
    """
    x = linspace(-1.0, 1.0, 16).reshape(8, 2)
    y = x @ linspace(2.0, -1.0, 2).reshape(2, 1) + 0.5
    return {title: _made(title, text, x, y) for title, text in PROGRAMS.items()}, (x, y)


def _made(title: str, text: str, x: Any, y: Any) -> Any:
    """Run one of the texts above, so that its ops know their lines."""
    file = f"<{title}>"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    names: dict[str, Any] = {"x": x, "y": y, "__name__": title}
    exec(compile(text, file, "exec"), names)  # noqa: S102  our own text
    return names["program"]
