"""Questions to Keras: programs that run on TensorFlow's Keras and on this library's.

``python tests/keras_questions.py``, where TensorFlow is installed, writes down what Keras answers,
in ``tests/keras_answers.json``; the tests compare with that.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RECORDED = Path(__file__).parent / "keras_answers.json"
QUESTIONS: dict[str, Callable[[Any], Any]] = {}
RNG = np.random.default_rng(7)
PICTURES = RNG.integers(-9, 10, (2, 5, 6, 2)).astype("float32") / 4
ROWS = RNG.integers(-9, 10, (20, 4)).astype("float32") / 4
CLASSES = RNG.integers(0, 3, 20)
SHARES = np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25], [0.05, 0.15, 0.8]], "float32")
LABELS = np.array([1, 2, 2])
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
POINTS = np.array([[-4.0, -1.0, -0.25, 0.0, 0.5, 2.0, 7.0]], "float32")


def weights(*shapes: tuple[int, ...]) -> list[Any]:
    """Weights that both get: small whole numbers over 8."""
    drawn = np.random.default_rng(3)
    return [drawn.integers(-9, 10, shape).astype("float32") / 8 for shape in shapes]


def ask(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Add a question; it gets ``keras``."""
    QUESTIONS[function.__name__] = function
    return function


def plain(value: Any) -> Any:
    """Numbers, texts, lists and dicts."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "detach"):
        value = value.detach()
    if hasattr(value, "numpy") or isinstance(value, np.ndarray | np.generic):
        value = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
        if value.dtype.kind == "f":
            value = np.array([float(f"{x:.7g}") for x in value.ravel()]).reshape(value.shape)
        return value.tolist()
    return value


def run(layer: Any, x: Any, given: Any = None, **more: Any) -> Any:
    """What a layer gives, with these weights."""
    if given is not None:
        layer.build(x.shape)
        layer.set_weights(given)
    return layer(x, **more)


@ask
def convolution(keras: Any) -> Any:
    made = {}
    for padding in ("valid", "same"):
        for strides in (1, 2, (2, 1)):
            layer = keras.layers.Conv2D(3, (3, 2), strides=strides, padding=padding)
            out = run(layer, PICTURES, weights((3, 2, 2, 3), (3,)))
            made[f"{padding} {strides}"] = np.asarray(plain(out)).sum((1, 2)), list(out.shape)
    wide = keras.layers.Conv2D(2, 2, dilation_rate=2, activation="relu", use_bias=False)
    made["wide"] = run(wide, PICTURES, weights((2, 2, 2, 2)))
    grouped = keras.layers.Conv2D(2, (1, 3), groups=2, padding="same", activation="softmax")
    made["grouped"] = run(grouped, PICTURES, weights((1, 3, 1, 2), (2,)))
    return made


@ask
def pooling(keras: Any) -> Any:
    made = {}
    for padding in ("valid", "same"):
        for strides in (None, 1, (2, 1)):
            for kind in (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D):
                layer = kind((2, 3), strides=strides, padding=padding)
                made[f"{kind.__name__} {padding} {strides}"] = layer(PICTURES)
    made["global"] = keras.layers.GlobalAveragePooling2D()(PICTURES)
    made["global kept"] = keras.layers.GlobalAveragePooling2D(keepdims=True)(PICTURES)
    return made


@ask
def normalisation(keras: Any) -> Any:
    layer = keras.layers.BatchNormalization(momentum=0.9)
    train = run(layer, PICTURES, [*weights((2,), (2,), (2,)), np.ones(2)], training=True)
    return train, [w.numpy() for w in layer.weights], layer(PICTURES, training=False)


@ask
def small_layers(keras: Any) -> Any:
    layers = keras.layers
    return {
        "dense": run(layers.Dense(3, "tanh"), ROWS[:2], weights((4, 3), (3,))),
        "dense 3-d": run(layers.Dense(2), PICTURES[:1, :1], weights((2, 2), (2,))),
        "embedding": run(layers.Embedding(4, 2), np.array([[0, 3], [1, 1]]), weights((4, 2))),
        "flatten": layers.Flatten()(PICTURES[:, :1, :2]),
        "reshape": layers.Reshape((2, -1))(ROWS[:2]),
        "rescaling": layers.Rescaling(1 / 4, offset=-1)(np.array([[0, 4, 8]], "uint8")),
        "relu": layers.ReLU(max_value=3, negative_slope=0.1, threshold=0.3)(POINTS),
        "softmax": layers.Softmax(axis=0)(ROWS[:2]),
        "dropout": layers.Dropout(0.5)(ROWS[:2], training=False),
        "activation": layers.Activation("sigmoid")(POINTS),
    }


@ask
def activations(keras: Any) -> Any:
    names = """relu sigmoid tanh softmax softplus softsign elu selu gelu exponential silu swish
        leaky_relu log_softmax hard_sigmoid relu6 mish linear hard_silu"""
    return {n: run(keras.layers.Activation(n), POINTS) for n in names.split()}


@ask
def losses(keras: Any) -> Any:
    L = keras.losses
    yes, sure = np.array([[0.0], [1.0], [1.0]]), np.array([[0.2], [0.9], [0.4]], "float32")
    logits = SHARES * 4 - 1
    return {
        "sparse": L.SparseCategoricalCrossentropy()(LABELS, SHARES),
        "sparse column": L.SparseCategoricalCrossentropy()(LABELS[:, None], SHARES),
        "sparse logits": L.SparseCategoricalCrossentropy(from_logits=True)(LABELS, logits),
        "categorical": L.CategoricalCrossentropy()(ONE_HOT, SHARES),
        "unnormalised": L.CategoricalCrossentropy()(ONE_HOT, SHARES * 2),
        "smoothed": L.CategoricalCrossentropy(True, label_smoothing=0.1)(ONE_HOT, logits),
        "binary": L.BinaryCrossentropy()(yes, sure),
        "binary logits": L.BinaryCrossentropy(from_logits=True)(yes, sure),
        "binary smoothed": L.BinaryCrossentropy(label_smoothing=0.2)(yes, sure),
        "mse": L.MeanSquaredError()(ONE_HOT, SHARES),
        "mse sum": L.MeanSquaredError(reduction="sum")(ONE_HOT, SHARES),
        "mse none": L.MeanSquaredError(reduction="none")(ONE_HOT, SHARES),
        "mse weighted": L.MeanSquaredError()(
            ONE_HOT, SHARES, sample_weight=np.array([1.0, 2.0, 0.0])
        ),
        "mse (N,) and (N, 1)": L.MeanSquaredError()(np.array([1.0, 2.0, 3.0]), sure),
        "mae": L.MeanAbsoluteError()(ONE_HOT, SHARES),
        "edge": L.SparseCategoricalCrossentropy()(np.array([1]), np.array([[1.0, 0.0]], "float32")),
    }


@ask
def metrics(keras: Any) -> Any:
    M = keras.metrics
    yes, sure = np.array([[0.0], [1.0], [1.0]]), np.array([[0.2], [0.9], [0.4]], "float32")
    made = {}
    for metric, given in [
        (M.Accuracy(), ([1, 2, 3], [1, 2, 0])),
        (M.SparseCategoricalAccuracy(), (LABELS, SHARES)),
        (M.CategoricalAccuracy(), (ONE_HOT, SHARES)),
        (M.BinaryAccuracy(), (yes, sure)),
        (M.BinaryAccuracy(threshold=0.1), (yes, sure)),
        (M.MeanSquaredError(), (ONE_HOT, SHARES)),
        (M.Mean(), ([1.0, 3.0, 8.0],)),
    ]:
        metric.update_state(*given)
        first = plain(metric.result())
        metric.reset_state()
        again = plain(metric.result())
        made[metric.name + "'" * (metric.name in made)] = [first, again]
    return made


@ask
def optimizers(keras: Any) -> Any:
    """Five steps of one layer, through ``train_on_batch``."""
    SGD, Adam, RMSprop = (getattr(keras.optimizers, n) for n in ("SGD", "Adam", "RMSprop"))
    made = {}
    for name, optimizer in {
        "sgd": SGD(0.1), "momentum": SGD(0.1, momentum=0.9),
        "nesterov": SGD(0.1, momentum=0.9, nesterov=True),
        "decay": SGD(0.1, weight_decay=0.1), "clipnorm": SGD(0.1, clipnorm=0.05),
        "clipvalue": SGD(0.1, clipvalue=0.05), "global": SGD(0.1, global_clipnorm=0.05),
        "adam": Adam(0.1), "amsgrad": Adam(0.1, beta_1=0.5, amsgrad=True),
        "rmsprop": RMSprop(0.1),
        "centered": RMSprop(0.1, rho=0.8, momentum=0.5, centered=True),
    }.items():  # fmt: skip
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        model.set_weights(weights((4, 3), (3,)))
        model.compile(optimizer, "mse", run_eagerly=True)
        for _ in range(4):
            model.train_on_batch(ROWS[:5], ROWS[5:10, :3])
        made[name] = [*model.get_weights(), model.train_on_batch(ROWS[:5], ROWS[5:10, :3])]
    return made


def classifier(keras: Any, **how: Any) -> Any:
    """A small model with the same weights in both."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(5, activation="tanh"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.set_weights(weights((4, 5), (5,), (5, 3), (3,)))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **how)
    return model


def training(keras: Any, **how: Any) -> Any:
    """Two epochs with a last batch that is smaller, then what the model says."""
    model = classifier(keras, **how)
    given = {"batch_size": 6, "epochs": 2, "shuffle": False, "validation_split": 0.2, "verbose": 0}
    found = model.fit(ROWS, CLASSES, **given)
    return {
        "history": found.history,
        "epoch": found.epoch,
        "params": found.params,
        "weights": model.get_weights(),
        "evaluate": model.evaluate(ROWS, CLASSES, verbose=0),
        "dict": model.evaluate(ROWS, CLASSES, verbose=0, return_dict=True),
        "predict": model.predict(ROWS[:2], verbose=0),
        "train_on_batch": model.train_on_batch(ROWS, CLASSES),
    }


ask(training)


@ask
def other_losses(keras: Any) -> Any:
    """``accuracy`` is another metric for another loss; one number each."""
    made = {}
    for loss, units, last, labels in [
        ("categorical_crossentropy", 3, "softmax", np.eye(3, dtype="float32")[CLASSES]),
        ("binary_crossentropy", 1, "sigmoid", (CLASSES > 0).astype("float32")),
        ("mse", 1, None, ROWS[:, 0]),
    ]:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, activation=last)])
        model.set_weights(weights((4, units), (units,)))
        model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy", "mae"])
        made[loss] = model.fit(ROWS, labels, epochs=1, verbose=0, shuffle=False).history
    return made


@ask
def tables(keras: Any) -> Any:
    """What ``summary`` prints."""
    layers = keras.layers
    keras.backend.clear_session()
    dense = keras.Sequential([
        layers.Flatten(input_shape=(28, 28)), layers.Dense(128, activation="relu"),
        layers.Dropout(0.2), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    pictures = keras.Sequential(name="pictures")
    pictures.add(keras.Input((28, 28, 1)))
    for layer in (
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(),
        layers.BatchNormalization(), layers.GlobalAveragePooling2D(), layers.ReLU(),
        layers.Dense(10, name="digits"),
    ):  # fmt: skip
        pictures.add(layer)
    dense.compile("adam", "sparse_categorical_crossentropy")
    dense.train_on_batch(np.zeros((2, 28, 28)), np.zeros(2))
    said: list[str] = []
    for model in (dense, pictures):
        model.summary(print_fn=lambda text, **_: said.append(text.rstrip("\n")))
    said += [w.path for w in pictures.weights] + [layer.name for layer in pictures.layers]
    return [*said, repr(layers.Dense(2)), repr(pictures), repr(keras.Input((3,), name="x"))]


@ask
def signatures(keras: Any) -> Any:
    """Arguments and defaults."""
    names = """layers.Dense layers.Conv2D layers.MaxPooling2D layers.AveragePooling2D layers.Flatten
        layers.GlobalAveragePooling2D layers.Dropout layers.Activation layers.ReLU layers.Softmax
        layers.Rescaling layers.Reshape layers.BatchNormalization layers.Embedding
        layers.InputLayer Input Sequential.compile Sequential.fit Sequential.evaluate
        Sequential.predict Sequential.train_on_batch Sequential.summary
        optimizers.SGD optimizers.Adam optimizers.RMSprop losses.SparseCategoricalCrossentropy
        losses.CategoricalCrossentropy losses.BinaryCrossentropy losses.MeanSquaredError
        losses.MeanAbsoluteError metrics.Accuracy metrics.SparseCategoricalAccuracy
        metrics.CategoricalAccuracy metrics.BinaryAccuracy metrics.Mean metrics.MeanSquaredError
        initializers.GlorotUniform initializers.HeNormal initializers.RandomNormal
        initializers.RandomUniform initializers.TruncatedNormal initializers.Constant
        activations.relu activations.leaky_relu activations.gelu activations.elu"""
    found = {}
    for name in names.split():
        thing = keras
        for part in name.split("."):
            thing = getattr(thing, part)
        parameters = inspect.signature(thing).parameters.values()
        found[name] = {
            p.name: "required" if p.default is p.empty else repr(p.default)
            for p in parameters
            if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        }
    return found


if __name__ == "__main__":
    import sys

    sys.modules["keras_questions"] = sys.modules["__main__"]
    import keras_questions_more  # noqa: F401  it adds its own
    import tensorflow as tf

    answers = {name: plain(question(tf.keras)) for name, question in QUESTIONS.items()}
    answers["version"] = tf.keras.__version__
    rows = [f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in answers.items()]
    RECORDED.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
