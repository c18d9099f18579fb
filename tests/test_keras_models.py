"""tf.keras beyond single layers: branches, weights between dialects, files, mistakes, programs."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
import minitorch_lab.tf as tf
from minitorch_lab import bench_keras
from minitorch_lab.errors import FileError, KindError
from minitorch_lab.graph import Compiled
from minitorch_lab.tf import keras

layers, nn = keras.layers, lab.nn
X = np.arange(24.0).reshape(6, 4) / 10
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture(autouse=True)
def by_numpy() -> Any:
    """A C compiler takes longer than these trainings."""
    before = lab.executor()
    lab.executor("numpy")
    yield
    lab.executor(before)


def close(a: Any, b: Any, off: float = 1e-6) -> None:
    a, b = (np.asarray(x.detach().numpy() if hasattr(x, "detach") else x) for x in (a, b))
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=off)


# Branches --------------------------------------------------------------------------------------


def test_a_layer_that_two_inputs_share_has_one_set_of_weights() -> None:
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(2)
    model = keras.Model({"a": a, "b": b}, {"sum": shared(a) + shared(b), "both": [a, b]})
    assert len(model.weights) == 2
    out = model({"b": X, "a": -X})
    assert list(out) == ["sum", "both"]
    close(out["sum"], 2 * shared.bias.numpy() + 0 * out["sum"].numpy())
    close(out["both"][1], X)


def test_a_part_of_a_model_is_a_model() -> None:
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, "relu", name="in"), layers.Dense(2)]
    )
    part = keras.Model(model.input, model.get_layer("in").output)
    close(part(X), np.maximum(X @ part.weights[0].numpy(), 0))
    twice = keras.Sequential([part, layers.Dense(1)])
    assert [layer.name for layer in twice.layers] == [part.name, twice.layers[1].name]
    assert twice.count_params() == 15 + 4
    twice.compile("sgd", "mse")
    before = model.get_weights()[0]
    twice.fit(X, Y, verbose=0)
    assert (model.get_weights()[0] != before).any()  # it is the same layer


def test_indices_and_signs_between_layers() -> None:
    x = keras.Input((4,))
    y = (1.0 - x[:, 1:3]) * 2.0 / abs(x[:, :1] + 3.0)
    close(keras.Model(x, y)(X), (1 - X[:, 1:3]) * 2 / np.abs(X[:, :1] + 3))


def test_sizes_that_are_open_stay_open() -> None:
    words = keras.Input((None,), dtype="int64")
    out = layers.GlobalAveragePooling1D()(layers.Embedding(9, 3)(words))
    assert layers.Embedding(9, 3)(words).shape == (None, None, 3)
    model = keras.Model(words, out)
    assert model.output_shape == (None, 3)
    assert [model(np.ones((2, n), int)).shape for n in (3, 8)] == [(2, 3), (2, 3)]


def test_a_copy_of_a_branched_model_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    model = sides()
    other = copy.deepcopy(model)
    for w in other.weights:
        w.assign(w.numpy() + 1)
    close(other([X, X[:, :2]])[1], model([X, X[:, :2]])[1].numpy() + X[:, :2].sum(1)[:, None] + 1)
    other.summary()
    assert "Connected to" in capsys.readouterr().out


def test_a_subclass_of_inputs_and_outputs() -> None:
    class Net(keras.Model):
        def __init__(self, units: int) -> None:
            x = keras.Input((4,))
            super().__init__(inputs=x, outputs=layers.Dense(units)(x), name="net")

    net = Net(3)
    assert [net.output_shape, net.count_params(), type(net).__name__] == [(None, 3), 15, "Net"]


def test_a_trial_leaves_moving_averages_as_they_are() -> None:
    x = keras.Input((4,))
    layer = layers.BatchNormalization()
    model = keras.Model(x, layer(x, training=True))
    close(layer.moving_variance, np.ones(4))
    close(model(X).numpy().mean(0), np.zeros(4), 1e-5)  # by the batch, as the call said


def test_a_layer_of_ones_own_in_a_branch() -> None:
    """Two inputs, a build with two shapes, a loss of its own."""

    class Mix(keras.layers.Layer):
        def build(self, first_shape: Any, second_shape: Any) -> None:
            self.w = self.add_weight((first_shape[-1], second_shape[-1]), "ones")

        def call(self, first: Any, second: Any) -> Any:
            self.add_loss(tf.reduce_sum(self.w) * 0.5)
            return (first @ self.w) * second

    a, b = keras.Input((4,)), keras.Input((2,))
    model = keras.Model([a, b], Mix()(a, b))
    model([X, X[:, :2]])
    assert [float(loss) for loss in model.losses] == [4.0]
    model.compile("sgd", "mse")
    given = [X, X[:, :2]], np.zeros((6, 2))
    plain = float((model.predict(given[0], verbose=0) ** 2).mean())
    assert model.evaluate(*given, verbose=0) == pytest.approx(plain + 4.0)


def test_a_config_makes_the_layer_again() -> None:
    layer = layers.Conv2D(3, 2, activation="relu", name="c", kernel_regularizer="l2")
    config = layer.get_config()
    again = layers.Conv2D.from_config(config)
    assert [config[k] for k in ("filters", "kernel_size", "name", "padding")] == [
        3,
        2,
        "c",
        "valid",
    ]
    assert again.get_config() == config


# Training --------------------------------------------------------------------------------------


def own_step(run_eagerly: bool) -> Any:
    class Custom(keras.Model):
        def train_step(self, data: Any) -> Any:
            x, y = data
            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(y=y, y_pred=y_pred)
            grads = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, y_pred)
            return {m.name: m.result() for m in self.metrics}

    keras.utils.set_random_seed(1)
    x = keras.Input((4,))
    model = Custom(x, layers.Dense(3, "softmax", kernel_regularizer="l2")(x))
    how = {"metrics": ["accuracy"], "run_eagerly": run_eagerly}
    model.compile("adam", "sparse_categorical_crossentropy", **how)
    return model, model.fit(X, Y, batch_size=3, epochs=3, verbose=0).history


def test_a_train_step_with_a_tape_is_the_usual_step() -> None:
    model, history = own_step(False)
    assert isinstance(model._step("train"), Compiled)
    for name, values in own_step(True)[1].items():
        close(history[name], values)
    keras.utils.set_random_seed(1)
    usual = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, "softmax", kernel_regularizer="l2")]
    )
    usual.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    theirs = usual.fit(X, Y, batch_size=3, epochs=3, verbose=0).history
    for name, values in theirs.items():
        close(history[name], values)


def test_a_step_without_call_and_metrics_of_ones_own() -> None:
    class Pair(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.line, self.seen = layers.Dense(1), keras.metrics.Mean(name="seen")

        def train_step(self, x: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(self.line(x) ** 2)
            grads = tape.gradient(loss, self.line.trainable_weights)
            self.optimizer.apply(grads, self.line.trainable_weights)
            self.seen.update_state(loss)
            return {"seen": self.seen.result()}

    model = Pair()
    model.compile("sgd")
    history = model.fit(X, epochs=4, verbose=0).history
    assert list(history) == ["seen"]
    assert history["seen"][3] < history["seen"][0]


def test_a_schedule_counts_in_a_compiled_step() -> None:
    seen: list[float] = []
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([1, 3], [0.5, 0.25, 0.0])
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    for _ in range(6):
        before = model.get_weights()[0]
        model.train_on_batch(X, X[:, 0])
        seen.append(float(np.abs(model.get_weights()[0] - before).max()))
    assert model._step("train").traces == 1
    assert min(seen[:4]) > 0
    assert seen[4:] == [0, 0]


def test_a_data_set_is_taken_as_batches() -> None:
    data = tf.data.Dataset.from_tensor_slices((X.astype("float32"), Y)).batch(4)
    first, second = (keras.Sequential([keras.Input((4,)), layers.Dense(3)]) for _ in range(2))
    second.set_weights(first.get_weights())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for model in (first, second):
        model.compile("sgd", loss)
    a = first.fit(data, epochs=2, verbose=0, validation_data=data).history
    b = second.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False).history
    close(a["loss"], b["loss"])
    assert list(a) == ["loss", "val_loss"]
    close(first.predict(data, verbose=0), first.predict(X, verbose=0))


def test_data_that_runs_out_ends_training() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    given = ((X[i : i + 2], Y[i : i + 2]) for i in (0, 2, 4))
    with pytest.warns(RuntimeWarning, match="the data ran out after 1 of 2 batches"):
        found = model.fit(given, steps_per_epoch=2, epochs=5, verbose=0)
    assert found.epoch == [0, 1]


def test_the_panel_is_a_callback(capsys: pytest.CaptureFixture[str]) -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    panel = keras.callbacks.LivePanel(show=False)
    assert isinstance(panel, lab.LivePanel)
    given = {"batch_size": 2, "epochs": 2, "verbose": 0, "shuffle": False}
    model.optimizer.learning_rate = 0.0
    model.fit(X, Y, callbacks=[panel], validation_data=(X, Y), **given)
    run = panel.run
    assert [run.state, len(run.history), len(run.history.epochs)] == ["done", 6, 2]
    each = [model.evaluate(X[i : i + 2], Y[i : i + 2], verbose=0)[0] for i in (0, 2, 4)]
    close(run.history.loss[:3], each)  # of each batch, and no mean
    assert run.history.validation[1].loss == pytest.approx(np.mean(each), rel=1e-5)


def test_stop_in_the_panel_ends_fit() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    panel = lab.LivePanel(show=False)
    press = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: panel.run.stop())
    found = model.fit(X, Y, epochs=9, verbose=0, callbacks=[panel, press])
    assert len(found.epoch) < 4


def test_plot_model_opens_the_explorer() -> None:
    pytest.importorskip("pygraphviz")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, "relu", name="hidden")])
    text = keras.utils.plot_model(model, show_shapes=True).text()
    assert "relu float32 (2, 2) in sequential" in text


def test_the_benchmark_of_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_keras, "COUNT", 64)
    rows = bench_keras.table(1, tensorflow=False)
    assert [row[0] for row in rows] == ["MLP 784-128-10, dropout", "Conv(32, 3)-pool-Dense"]
    assert all(float(row[3].rstrip("×")) > 0 and row[4:] == ["", ""] for row in rows)
    for name in bench_keras.MODELS:
        ours = keras.Sequential(bench_keras.MODELS[name][1](keras))
        lab.transfer_weights(bench_keras.twin(name), ours)  # they are the same network


# Files -----------------------------------------------------------------------------------------


def test_weights_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "net.weights.h5"
    first, second = (keras.Sequential([keras.Input((4,)), layers.Dense(2)]) for _ in range(2))
    first.save_weights(path)
    second.load_weights(path)
    close(first(X), second(X))
    other = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"of another model[\s\S]*\(4, 3\), in the file \(4, 2\)"):
        other.load_weights(path)
    close(other.get_weights()[0], before[0])
    theirs = tmp_path / "theirs.weights.h5"
    theirs.write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(FileError, match="is an HDF5 file, as Keras writes it"):
        first.load_weights(theirs)
    with pytest.raises(ValueError, match="models are not written to files, their weights are"):
        first.save(tmp_path / "net.keras")


# Between dialects ------------------------------------------------------------------------------


def shaken(model: Any) -> Any:
    """The model with other weights everywhere."""
    drawn = np.random.default_rng(5)
    for w in model.weights:
        w.assign(drawn.random(w.shape))
    return model


def picture_twins() -> tuple[Any, Any, Any]:
    ours = keras.Sequential([
        keras.Input((9, 8, 2)), layers.Conv2D(4, 3, activation="relu"),
        layers.BatchNormalization(epsilon=1e-5), layers.MaxPooling2D(), layers.Flatten(),
        layers.Dropout(0.5), layers.Dense(6), layers.LayerNormalization(epsilon=1e-5),
        layers.Dense(3),
    ])  # fmt: skip
    theirs = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(36, 6), nn.LayerNorm(6), nn.Linear(6, 3),
    )  # fmt: skip
    x = lab.rand(5, 2, 9, 8)
    theirs(x)
    return ours, theirs.eval(), (x.permute(0, 2, 3, 1), x)


def sequence_twins(kind: str, both: bool) -> tuple[Any, Any, Any]:
    layer: Any = getattr(layers, kind)(4, return_sequences=True)
    layer = layers.Bidirectional(layer) if both else layer
    width = 8 if both else 4
    ours = keras.Sequential([
        keras.Input((6,)), layers.Embedding(9, 3), layer,
        layers.Conv1D(2, 3), layers.Flatten(), layers.Dense(2),
    ])  # fmt: skip

    class Theirs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            cell = getattr(nn, {"SimpleRNN": "RNN"}.get(kind, kind))
            self.words = nn.Embedding(9, 3)
            self.cell = cell(3, 4, batch_first=True, bidirectional=both)
            self.conv, self.last = nn.Conv1d(width, 2, 3), nn.Linear(8, 2)

        def forward(self, x: Any) -> Any:
            y, _ = self.cell(self.words(x))
            return self.last(self.conv(y.transpose(1, 2)).flatten(1))

    words = lab.randint(0, 9, (3, 6))
    return ours, Theirs(), (words, words)


def flat_twins(first: Any, theirs: Any, x: Any) -> tuple[Any, Any, tuple[Any, Any]]:
    """Twins that flatten rows of numbers, where both have the same order."""
    ours = keras.Sequential([keras.Input(tuple(x.shape[1:])), *first, layers.Flatten(),
                             layers.Dense(2)])  # fmt: skip
    return ours, nn.Sequential(*theirs, nn.Flatten(), nn.Linear(30, 2)), (x, x)


TWINS = {
    "pictures": picture_twins,
    "grey pictures": lambda: flat_twins([], [], lab.rand(3, 5, 6)),
    "embedded": lambda: flat_twins(
        [layers.Embedding(9, 6)], [nn.Embedding(9, 6)], lab.randint(0, 9, (3, 5))
    ),
} | {
    f"{kind}{' both' * both}": (lambda kind=kind, both=both: sequence_twins(kind, both))
    for kind in ("SimpleRNN", "LSTM", "GRU")
    for both in (False, True)
}


@pytest.mark.parametrize("name", TWINS)
def test_twins_give_the_same(name: str) -> None:
    ours, theirs, (x, same) = TWINS[name]()
    assert lab.transfer_weights(theirs, ours) is ours
    close(ours(x), theirs(same), 1e-5)
    assert lab.transfer_weights(shaken(ours), theirs) is theirs
    close(ours(x), theirs(same), 1e-4)


TWIN_MISTAKES: dict[str, tuple[Any, Any, str]] = {
    "both": (
        lambda: keras.Sequential(), lambda: keras.Sequential(),
        "both are Keras models\n  expected one of each; between equals: "
        "target.set_weights(source.get_weights())",
    ),
    "count": (
        lambda: nn.Linear(4, 3),
        lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)]),
        "have different layers with weights\n  Keras    Dense, Dense\n  PyTorch  Linear",
    ),
    "kind": (
        lambda: nn.LayerNorm(4),
        lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3, name="d")]),
        "'d' is Dense, and stands beside LayerNorm\n  expected LayerNorm beside LayerNormalization",
    ),
    "sizes": (
        lambda: nn.Linear(4, 2),
        lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3, name="d")]),
        "'d' has other sizes\n  Keras    (4, 3)\n  PyTorch  (4, 2)",
    ),
    "bias": (
        lambda: nn.Linear(4, 3, bias=False),
        lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3, name="d")]),
        "'d' has a bias in the style of Keras only",
    ),
    "unbuilt": (
        lambda: nn.Linear(4, 3), lambda: keras.Sequential([layers.Dense(3)], name="s"),
        "the Keras model 's' has no weights yet\n  expected keras.Input(shape) first in it",
    ),
    "no rule": (
        lambda: nn.Bilinear(2, 2, 2),
        lambda: keras.Sequential([keras.Input((4,)), layers.Dense(3)]),
        "there is no rule for the parameter 'weight' of Bilinear",
    ),
    "GRU": (
        lambda: nn.GRU(3, 4), lambda: keras.Sequential(
            [keras.Input((5, 3)), layers.GRU(4, reset_after=False, name="g")]
        ), "'g' has reset_after=False\n  expected reset_after=True",
    ),
    "layers": (
        lambda: nn.LSTM(3, 4, 2), lambda: keras.Sequential([keras.Input((5, 3)), layers.LSTM(4)]),
        "LSTM has 2 layers in one\n  expected num_layers=1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TWIN_MISTAKES)
def test_what_are_no_twins(name: str) -> None:
    source, target, words = TWIN_MISTAKES[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        lab.transfer_weights(source(), target())
    assert words in str(caught.value)


# Mistakes --------------------------------------------------------------------------------------


def line(**how: Any) -> Any:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="d")], name="line")
    model.compile("sgd", "mse", **how)
    return model


def sides() -> Any:
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    return keras.Model([a, b], [layers.Dense(1, name="p")(a), layers.Dense(1, name="q")(b)])


class Narrow(keras.Layer):
    """A layer that wants 3 features."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_spec = keras.InputSpec(ndim=2, axes={-1: 3})

    def call(self, x: Any) -> Any:
        return x


def compiled_sides(**how: Any) -> Any:
    model = sides()
    model.compile("sgd", **how)
    return model.fit([X, X[:, :2]], [Y, Y], verbose=0)


MISTAKES: dict[str, tuple[type[Exception], Any, str]] = {
    "spec": (
        ValueError, lambda: Narrow(name="n")(X),
        "Narrow 'n': input 0 does not fit\n  got       (6, 4)\n  expected  the size 3 at axis -1",
    ),
    "spec dimensions": (
        ValueError, lambda: Narrow(name="n")(X[0]), "got       (4,)\n  expected  2 dimensions",
    ),
    "input layer": (
        TypeError,
        lambda: layers.InputLayer(784),
        "Input(shape): got int 784\n  expected the sizes of one example, such as (784,)",
    ),
    "lost input": (
        ValueError, lambda: keras.Model(keras.Input((4,), name="a"), layers.Dense(1)(
            keras.Input((4,), name="b"))),
        "which is not among the inputs\n  inputs    a\n  expected all Input(...) that lead",
    ),
    "inputs alone": (
        TypeError, lambda: keras.Model(inputs=keras.Input((4,))), "got the inputs alone\n",
    ),
    "op on a KerasTensor": (
        TypeError, lambda: np.sqrt(keras.Input((4,), name="x")),
        "has a shape and no entries\n  expected data, or a layer that is called on it",
    ),
    "branch on a KerasTensor": (
        TypeError, lambda: bool(keras.Input((4,)) + 1.0), "neither true nor false",
    ),
    "missing input": (
        ValueError, lambda: sides()({"a": X}),
        "the model got no data for its input 'b'\n  got       a\n  expected a dict with the names",
    ),
    "too few inputs": (
        ValueError, lambda: sides()([X]),
        "the model has 2 inputs and got 1\n  inputs    a (None, 4)",
    ),
    "data of another shape": (
        ValueError, lambda: sides()([X, X]),
        "the data does not fit the input 'b'\n  got       (6, 4)\n  expected  (None, 2)",
    ),
    "merge": (
        ValueError, lambda: layers.Add(name="s")([X, X[:, :3]]),
        "Add 's': the inputs have different shapes\n  input 0   float32 (6, 4)\n"
        "  input 1   float32 (6, 3)\n  expected one shape",
    ),
    "one to merge": (
        ValueError, lambda: layers.Add(name="s")(X),
        "expected a list of inputs, 2 or more: s([a, b])",
    ),
    "concatenate": (
        ValueError, lambda: layers.Concatenate(name="c")([X, X[:2]]),
        "the inputs do not fit\n  input 0   float32 (6, 4)\n  input 1   float32 (2, 4)\n"
        "  expected the same sizes but for axis -1",
    ),
    "reshape": (
        ValueError, lambda: layers.Reshape((3,), name="r")(X),
        "the sizes differ\n  an example    (4,), 4 entries\n  target_shape  (3,), 3 entries",
    ),
    "permute": (ValueError, lambda: layers.Permute((0, 1)), "expected each of 1 to 2 once"),
    "no sequence": (
        ValueError, lambda: layers.LSTM(3, name="l")(X),
        "LSTM 'l': got an input of shape (None, 4)\n  expected sequences (N, steps, features) with "
        "a number of features\n  numbers of words become features by layers.Embedding",
    ),
    "state": (
        ValueError, lambda: layers.LSTM(3, name="l")(X[:, :, None], initial_state=[X]),
        "initial_state does not fit",
    ),
    "stateful": (ValueError, lambda: layers.GRU(3, stateful=True), "give the state of the batch"),
    "channels first": (
        ValueError, lambda: layers.Conv2D(3, 3, data_format="channels_first"),
        "Conv2D(data_format): got 'channels_first'\n  expected 'channels_last', or None\n"
        "  layers.Permute((2, 3, 1)) before it brings channels to the end",
    ),
    "regularizer": (
        ValueError, lambda: layers.Dense(3, kernel_regularizer="l3"),
        "regularizer: unknown name 'l3'\n  did you mean",
    ),
    "strength": (
        ValueError, lambda: keras.regularizers.l2(-1), "l2: expected a number of 0 or more, got -1",
    ),
    "weights of both": (
        ValueError, lambda: line().fit(X, Y, class_weight={0: 1.0}, sample_weight=Y, verbose=0),
        "fit(class_weight, sample_weight): got both\n  expected one of them",
    ),
    "class weight": (
        ValueError, lambda: line().fit(X, Y, class_weight=[1, 2], verbose=0),
        "fit(class_weight): got list of 2 items\n  expected a dict of class numbers",
    ),
    "weights too few": (
        ValueError, lambda: line().fit(X, X[:, :3], sample_weight=[1.0, 2.0], verbose=0),
        "their lengths differ\n  x              6 examples, numpy array float32 (6, 4)\n"
        "  sample_weight  2 weights, numpy array float32 (2,)\n  expected a weight",
    ),
    "batches and labels": (
        ValueError, lambda: line().fit(iter([]), Y, verbose=0),
        "x gives batches, and y was given, too",
    ),
    "batches and a split": (
        ValueError, lambda: line().fit(iter([(X, X[:, :3])]), validation_split=0.5, verbose=0),
        "fit(validation_split): got 0.5, and x gives batches",
    ),
    "no batches": (ValueError, lambda: line().fit(iter([]), verbose=0), "x gives no batch"),
    "no such output": (
        ValueError, lambda: compiled_sides(loss={"r": "mse"}),
        "compile(loss): there is no output 'r'\n  outputs   p, q",
    ),
    "too many losses": (
        ValueError, lambda: compiled_sides(loss=["mse"] * 3), "compile(loss): got 3 for 2 outputs",
    ),
    "metrics of several": (
        ValueError, lambda: compiled_sides(loss="mse", metrics=["mae"]),
        "compile(metrics): got 1 for 2 outputs\n  outputs   p, q",
    ),
    "schedule": (
        ValueError, lambda: keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1]),
        "got 1 boundaries and 1 values\n  expected one value more than boundaries",
    ),
    "rate": (
        ValueError, lambda: keras.optimizers.SGD("fast"),
        "learning_rate: expected a number such as",
    ),
    "mode": (ValueError, lambda: keras.callbacks.EarlyStopping(mode="up"), "(mode): got"),
    "checkpoint": (
        ValueError,
        lambda: keras.callbacks.ModelCheckpoint("best.keras"),
        "ModelCheckpoint('best.keras'): models are not written to files, their weights are\n"
        "  expected save_weights_only=True",
    ),
    "factor": (
        ValueError, lambda: keras.callbacks.ReduceLROnPlateau(factor=2), "expected less than 1",
    ),
    "no output": (
        AttributeError, lambda: layers.Dense(3, name="d").output,
        "output: 'd' was never called on an Input",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    kind, mistake, words = MISTAKES[name]
    with pytest.raises(kind) as caught:
        mistake()
    assert words in str(caught.value)


def test_a_number_that_is_not_logged_is_named() -> None:
    with pytest.warns(RuntimeWarning, match=r"monitor='val_loss'\): there is no such number"):
        line().fit(X, X[:, :3], verbose=0, callbacks=[keras.callbacks.EarlyStopping()])


def test_float64_becomes_float32_everywhere() -> None:
    model = sides()
    model.compile("sgd", "mse")
    history = model.fit([X, X[:, :2]], [Y * 1.0, Y * 1.0], sample_weight=np.ones(6), verbose=0)
    assert {w.dtype.name for w in model.weights} == {"float32"}
    assert model.predict([X, X[:, :2]], verbose=0)[0].dtype == np.float32
    assert list(history.history) == ["loss", "p_loss", "q_loss"]


# Programs as Keras's own examples have them ------------------------------------------------------


def test_two_inputs_and_two_outputs_learn() -> None:
    """Tickets: words of a title and a body, tags; a priority and a department."""
    keras.utils.set_random_seed(0)
    drawn = np.random.default_rng(0)
    title, body = drawn.integers(1, 20, (96, 6)), drawn.integers(1, 20, (96, 8))
    tags = drawn.integers(0, 2, (96, 4)).astype("float32")
    priority, department = tags.mean(1, keepdims=True), tags[:, 0].astype(int)

    words = keras.Input((None,), name="title", dtype="int64")
    text = keras.Input((None,), name="body", dtype="int64")
    tagged = keras.Input((4,), name="tags")
    embedded = layers.Embedding(20, 8)
    read = layers.LSTM(8)(embedded(words))
    seen = layers.GRU(8)(embedded(text))
    x = layers.concatenate([read, seen, tagged])
    outs = [
        layers.Dense(1, activation="sigmoid", name="priority")(x),
        layers.Dense(2, name="department")(x),
    ]
    model = keras.Model(inputs=[words, text, tagged], outputs=outs)
    model.compile(
        optimizer=keras.optimizers.Adam(0.03),
        loss={
            "priority": keras.losses.BinaryCrossentropy(),
            "department": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        },
        loss_weights={"priority": 1.0, "department": 0.5},
        metrics={"department": ["accuracy"]},
    )
    history = model.fit(
        {"title": title, "body": body, "tags": tags},
        {"priority": priority, "department": department},
        epochs=12, batch_size=32, verbose=0,
    ).history  # fmt: skip
    assert history["department_accuracy"][-1] > 0.9
    assert history["priority_loss"][-1] < history["priority_loss"][0]


def test_a_block_of_a_transformer_learns() -> None:
    """Is there a 7 in the sequence?"""
    keras.utils.set_random_seed(0)
    drawn = np.random.default_rng(1)
    x = drawn.integers(0, 12, (128, 6))
    y = (x == 7).any(1).astype(int)
    words = keras.Input((6,), dtype="int64")
    h = layers.Embedding(12, 16)(words)
    seen = layers.MultiHeadAttention(num_heads=2, key_dim=8)(h, h)
    h = layers.LayerNormalization(epsilon=1e-6)(h + layers.Dropout(0.1)(seen))
    wide = layers.Dense(16)(layers.Dense(32, activation="gelu")(h))
    h = layers.LayerNormalization(epsilon=1e-6)(h + wide)
    out = layers.Dense(2, activation="softmax")(layers.GlobalMaxPooling1D()(h))
    model = keras.Model(words, out)
    model.compile(
        keras.optimizers.AdamW(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    history = model.fit(x, y, epochs=8, batch_size=32, verbose=0).history
    assert history["accuracy"][-1] > 0.95


def test_lists_of_seeds_are_told_apart() -> None:
    keras.utils.set_random_seed(3)
    first = random.random(), np.random.rand(), float(lab.rand(1))
    keras.utils.set_random_seed(3)
    again = random.random(), np.random.rand(), float(lab.rand(1))
    assert first == again


def test_a_layer_needs_a_module() -> None:
    with pytest.raises(KindError, match="or a Keras model"):
        lab.transfer_weights(layers.Dense, nn.Linear(1, 1))


def test_a_layer_that_draws_and_a_step_with_two_losses() -> None:
    """A variational autoencoder: models inside of a model, tf's ops in a layer and in a step."""

    class Sampling(layers.Layer):
        def call(self, inputs: Any) -> Any:
            mean, log_var = inputs
            return mean + tf.exp(0.5 * log_var) * tf.random.normal(shape=tf.shape(mean))

    class VAE(keras.Model):
        def __init__(self, encoder: Any, decoder: Any) -> None:
            super().__init__()
            self.encoder, self.decoder = encoder, decoder
            self.total = keras.metrics.Mean(name="total_loss")
            self.apart = keras.metrics.Mean(name="kl_loss")

        @property
        def metrics(self) -> list[Any]:
            return [self.total, self.apart]

        def train_step(self, data: Any) -> Any:
            with tf.GradientTape() as tape:
                mean, log_var, z = self.encoder(data)
                made = self.decoder(z)
                wrong = tf.reduce_sum((data - made) ** 2, axis=1)
                apart = -0.5 * (1 + log_var - tf.square(mean) - tf.exp(log_var))
                apart = tf.reduce_mean(tf.reduce_sum(apart, axis=1))
                total = tf.reduce_mean(wrong) + apart
            grads = tape.gradient(total, self.trainable_weights)
            self.optimizer.apply_gradients(zip(grads, self.trainable_weights, strict=True))
            self.total.update_state(total)
            self.apart.update_state(apart)
            return {"loss": self.total.result(), "kl_loss": self.apart.result()}

    keras.utils.set_random_seed(0)
    x = keras.Input((8,))
    h = layers.Dense(16, activation="relu")(x)
    mean, log_var = layers.Dense(2, name="mean")(h), layers.Dense(2, name="log_var")(h)
    encoder = keras.Model(x, [mean, log_var, Sampling()([mean, log_var])], name="encoder")
    code = keras.Input((2,))
    decoder = keras.Model(code, layers.Dense(8, "sigmoid")(layers.Dense(16, "relu")(code)))
    vae = VAE(encoder, decoder)
    vae.compile(optimizer=keras.optimizers.Adam(0.01))
    points = (np.arange(64)[:, None] % 2 == np.arange(8) % 2).astype("float32")
    history = vae.fit(points, epochs=30, batch_size=16, verbose=0).history
    assert list(history) == ["kl_loss", "loss"]
    assert history["loss"][-1] < history["loss"][0]
