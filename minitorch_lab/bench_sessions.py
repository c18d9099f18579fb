"""What a session costs beside a compiled step: ``python -m minitorch_lab.bench --sessions``.

The same training loop twice, taking turns: ``sess.run([train, loss], feed_dict)`` in the style
of TensorFlow 1, and a step in the style of PyTorch that is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch_lab as lab

from .bench_steps import training_step
from .tf.compat import v1 as tf

Step = Callable[[], float]
HEADS = ["µs a step", "compiled", "session", "ratio"]


def of_session(make: Callable[[Any, Any], Any], x: Any, y: Any, optimizer: Any) -> Step:
    """A step of a session, which feeds arrays and fetches the loss."""
    graph = tf.Graph()
    with graph.as_default():
        given = tf.placeholder(x.dtype, [None, *x.shape[1:]])
        wanted = tf.placeholder(y.dtype, [None, *y.shape[1:]])
        loss = make(given, wanted)
        train = optimizer.minimize(loss)
        init = tf.global_variables_initializer()
    session = tf.Session(graph=graph)
    session.run(init)
    return lambda: float(session.run([train, loss], feed_dict={given: x, wanted: y})[1])


def of_function(model: Any, criterion: Any, optimizer: Any, x: Any, y: Any) -> Step:
    """A compiled step, which gives the loss."""
    step, x, y = training_step((model, criterion, optimizer, lab.tensor(x), lab.tensor(y)))
    compiled = lab.compile(step)
    return lambda: float(compiled(x, y).item())


def line() -> dict[str, Step]:
    """Linear regression on 100 numbers by gradient descent."""
    x = np.linspace(0.0, 2.0, 100, dtype="float32")[:, None]
    y = 4 + 3 * x
    model = lab.nn.Linear(1, 1)
    sgd = lab.optim.SGD(model.parameters(), lr=0.01)
    return {
        "compiled": of_function(model, lab.nn.MSELoss(), sgd, x, y),
        "session": of_session(
            lambda x, y: tf.losses.mean_squared_error(y, tf.layers.dense(x, 1)),
            x, y, tf.train.GradientDescentOptimizer(0.01),
        ),
    }  # fmt: skip


def network() -> dict[str, Step]:
    """A network 784-128-10 on batches of 32 by Adam."""
    rng = np.random.default_rng(0)
    x, y = rng.random((32, 784), dtype="float32"), rng.integers(0, 10, 32)
    model = lab.nn.Sequential(lab.nn.Linear(784, 128), lab.nn.ReLU(), lab.nn.Linear(128, 10))
    adam = lab.optim.Adam(model.parameters(), lr=1e-4)

    def loss(x: Any, y: Any) -> Any:
        hidden = tf.layers.dense(x, 128, activation=tf.nn.relu)
        return tf.losses.sparse_softmax_cross_entropy(y, tf.layers.dense(hidden, 10))

    return {
        "compiled": of_function(model, lab.nn.CrossEntropyLoss(), adam, x, y),
        "session": of_session(loss, x, y, tf.train.AdamOptimizer(1e-4)),
    }


ROWS = {"linear regression 100 x 1, SGD": line, "MLP 784-128-10, Adam, batch 32": network}


def table(interleaved: Callable[..., dict[str, float]], rounds: int, seconds: float) -> Any:
    """For each program both medians and their ratio."""
    rows = []
    for title, make in ROWS.items():
        found = interleaved(make(), rounds, seconds)
        ratio = found["session"] / found["compiled"]
        times = (f"{found[name] * 1e6:.1f}" for name in ("compiled", "session"))
        rows.append([title, *times, f"{ratio:.2f}"])
    return rows
