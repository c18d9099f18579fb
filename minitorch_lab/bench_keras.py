"""What Keras's ``fit`` costs, against a loop in PyTorch's style and against Keras itself.

An epoch of the articles' two models on pictures of MNIST's size, batches of 32: all candidates
shuffle, cut batches and update the same network with Adam. Seconds are the processor's, so that
what else runs on the machine counts less.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch_lab as lab
from minitorch_lab.bench_steps import training_step
from minitorch_lab.tf import keras as ours

COUNT, BATCH = 3200, 32
HOW: dict[str, Any] = {
    "optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"],
}  # fmt: skip


def mlp(keras: Any) -> list[Any]:
    """Layers of the articles' dense network."""
    layers = keras.layers
    return [
        keras.Input((28, 28)), layers.Flatten(), layers.Dense(128, activation="relu"),
        layers.Dropout(0.2), layers.Dense(10, activation="softmax"),
    ]  # fmt: skip


def cnn(keras: Any) -> list[Any]:
    """Layers of the articles' convolutional network."""
    layers = keras.layers
    return [
        keras.Input((28, 28, 1)), layers.Conv2D(32, (3, 3), activation="relu"),
        layers.MaxPooling2D((2, 2)), layers.Flatten(), layers.Dense(10, activation="softmax"),
    ]  # fmt: skip


def twin(name: str) -> Any:
    """The same network as a ``nn.Module``."""
    nn = lab.nn
    if name == "mlp":
        parts = [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10)]
    else:
        parts = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5408, 10)]
    return nn.Sequential(*parts)


MODELS = {"mlp": ("MLP 784-128-10, dropout", mlp), "cnn": ("Conv(32, 3)-pool-Dense", cnn)}


def fitting(keras: Any, name: str, x: Any, y: Any) -> Callable[[], Any]:
    """One epoch by ``fit``."""
    model = keras.Sequential(MODELS[name][1](keras))
    model.compile(**HOW)
    return lambda: model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)


def looping(name: str, x: Any, y: Any) -> Callable[[], Any]:
    """One epoch of a compiled training step, called by hand."""
    model, loss = twin(name), lab.nn.CrossEntropyLoss()
    optimizer = lab.optim.Adam(model.parameters(), lr=0.001)
    x = x if name == "mlp" else x.reshape(COUNT, 1, 28, 28)
    step = lab.compile(training_step((model, loss, optimizer, x, y))[0])

    def epoch() -> float:
        order, value = lab.randperm(COUNT).numpy(), None
        for start in range(0, COUNT, BATCH):
            rows = order[start : start + BATCH]
            value = step(lab.from_numpy(x[rows]), lab.from_numpy(y[rows]))
        return float(value)  # type: ignore[arg-type]

    return epoch


def measured(rounds: int, tensorflow: bool) -> dict[str, dict[str, float]]:
    """Microseconds of a step: row, candidate."""
    found = {}
    drawn = np.random.default_rng(0)
    y = drawn.integers(0, 10, COUNT)
    for name in MODELS:
        x = drawn.random((COUNT, 28, 28) + (1,) * (name == "cnn"), dtype=np.float32)
        calls = {"fit": fitting(ours, name, x, y), "loop": looping(name, x, y)}
        if tensorflow:
            calls["Keras"] = fitting(importlib.import_module("tensorflow").keras, name, x, y)
        times: dict[str, list[float]] = {k: [] for k in calls}
        for number in range(rounds + 2):
            for candidate, call in calls.items():
                start = time.process_time()
                call()
                if number > 1:  # the first ones trace and compile
                    times[candidate].append(time.process_time() - start)
        steps = COUNT / BATCH
        found[name] = {k: statistics.median(v) / steps * 1e6 for k, v in times.items()}
    return found


def table(rounds: int, tensorflow: bool) -> list[list[str]]:
    """Rows: the model, microseconds of a step of each, how they compare."""
    rows = []
    for name, us in measured(rounds, tensorflow).items():
        keras = us.get("Keras")
        rows.append(
            [MODELS[name][0], f"{us['fit']:.1f}", f"{us['loop']:.1f}"]
            + [f"{us['fit'] / us['loop']:.2f}×"]
            + ([f"{keras:.1f}", f"{keras / us['fit']:.2f}×"] if keras else ["", ""])
        )
    return rows


HEADS = [
    "one step of an epoch, 1 thread", "fit µs", "own loop µs", "fit to loop", "Keras's fit µs",
    "Keras's fit to ours",
]  # fmt: skip
