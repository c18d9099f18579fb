"""tf.keras: the same programs as TensorFlow's Keras, with its recorded answers."""

from __future__ import annotations

import copy
import doctest
import json
import linecache
import re
import traceback
from pathlib import Path
from typing import Any

import keras_questions_more  # noqa: F401  it adds its own questions
import numpy as np
import pytest
from keras_questions import QUESTIONS, RECORDED, plain, training

import minitorch_lab as lab
import minitorch_lab.tf as tf
from minitorch_lab.errors import ShapeError, TraceError
from minitorch_lab.graph import Compiled
from minitorch_lab.lessons.museum import write_pictures
from minitorch_lab.tape import Settings, location
from minitorch_lab.tf import keras
from minitorch_lab.tf.keras import progress
from minitorch_lab.tf.keras.lines import called_from

ANSWERS = json.loads(RECORDED.read_text(encoding="utf-8"))


def compare(ours: Any, theirs: Any, where: str = "") -> None:
    """Equal texts and structure; numbers to five digits."""
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for name in theirs:
            compare(ours[name], theirs[name], f"{where} {name}")
    elif isinstance(theirs, list) and any(isinstance(v, dict | str) for v in theirs):
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            compare(a, b, f"{where} {i}")
    elif isinstance(theirs, list) and len({np.shape(v) for v in theirs}) > 1:
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            compare(a, b, f"{where} {i}")
    elif isinstance(theirs, list | float):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-5, err_msg=where)
    else:
        assert ours == theirs, where


@pytest.mark.parametrize("name", [name for name in QUESTIONS if "signatures" not in name])
def test_as_keras(name: str) -> None:
    compare(plain(QUESTIONS[name](keras)), ANSWERS[name], name)


def test_training_op_by_op_gives_the_same() -> None:
    compare(plain(training(keras, run_eagerly=True)), ANSWERS["training"])


@pytest.mark.parametrize("which", ["signatures", "more_signatures"])
def test_arguments_and_defaults(which: str) -> None:
    """Ours are among Keras's, in its order; what may be given by place stands at its place."""
    for name, ours in QUESTIONS[which](keras).items():
        theirs = {k: v for k, v in ANSWERS[which][name].items() if k in ours}
        assert ours == theirs, name
        assert list(ours) == list(theirs), name


# What Keras does besides numbers ---------------------------------------------------------------

X = np.arange(24.0).reshape(6, 4) / 10  # float64, as NumPy gives it
Y = np.array([0, 1, 2, 0, 1, 2], "uint8")


def small(*more: Any, **how: Any) -> Any:
    """A model that is compiled and has seen no data."""
    model = keras.Sequential([keras.layers.Dense(3, activation="softmax"), *more])
    given = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    model.compile(**given | how)
    return model


def test_the_page_is_true() -> None:
    page = Path(__file__).parent.parent / "docs" / "keras.md"
    result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
    assert result.attempted > 10


def test_fit_runs_one_graph_for_each_shape_of_a_batch() -> None:
    model = small()
    model.fit(X, Y, batch_size=4, epochs=3, verbose=0)
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    step = model._step("train")
    assert isinstance(step, Compiled)
    assert step.traces == 2  # four examples, and the last two
    model.optimizer.learning_rate = 0.5
    model.fit(X, Y, batch_size=4, verbose=0)
    assert step.traces == 2
    assert model.optimizer.iterations == 12


def test_the_learning_rate_counts_at_once() -> None:
    model = small()
    model.train_on_batch(X, Y)
    before = model.get_weights()
    model.optimizer.learning_rate = 0.0
    model.train_on_batch(X, Y)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_run_eagerly_shows_values_inside_of_layers() -> None:
    seen: list[float] = []

    class Look(keras.Layer):
        def call(self, x: Any) -> Any:
            seen.append(float(x.sum().item()))
            return x

    model = small(Look(), run_eagerly=True)
    model.fit(X, Y, verbose=0)
    assert seen[-1] == pytest.approx(6.0)
    graph = small(Look())
    with pytest.raises(TraceError, match=r"item\(\)[\s\S]*compile\(..., run_eagerly=True\)"):
        graph.fit(X, Y, verbose=0)
    tf.config.run_functions_eagerly(True)
    try:
        graph.fit(X, Y, verbose=0)
    finally:
        tf.config.run_functions_eagerly(False)
    assert len(seen) == 4


def test_a_seed_gives_the_same_training() -> None:
    found = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        model = small(keras.layers.Dropout(0.5))
        found.append(model.fit(X, Y, batch_size=2, epochs=2, verbose=0).history)
    assert found[0] == found[1]


def test_layers_of_ones_own() -> None:
    """Weights made in build, layers in a list, a name for each, training or not."""

    class Scale(keras.Layer):
        def build(self, input_shape: Any) -> None:
            self.shapes = input_shape
            self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")

        def call(self, x: Any, training: bool = False) -> Any:
            return x * self.factor * (2 if training else 1)

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="net")
            self.steps = [Scale(name="first"), Scale(name="second")]
            self.last = keras.layers.Dense(1, "relu", kernel_initializer="ones")

        def call(self, x: Any) -> Any:
            for layer in self.steps:
                x = layer(x)
            return self.last(x)

    net = Net()
    assert net(X).detach().numpy().ravel().tolist() == pytest.approx(X.sum(1).tolist())
    assert net(X, training=True).detach().numpy()[0, 0] == pytest.approx(4 * X[0].sum())
    assert net.steps[0].shapes == (None, 4)
    assert [w.path for w in net.weights] == [
        "net/first/factor", "net/second/factor", f"net/{net.last.name}/kernel",
        f"net/{net.last.name}/bias",
    ]  # fmt: skip
    net.compile("adam", "mse")
    net.fit(X, X[:, :1], verbose=0)
    assert net.count_params() == 4 + 4 + 5
    assert net.layers == [*net.steps, net.last]


def test_a_frozen_layer_keeps_its_weights() -> None:
    base = keras.layers.Dense(4, activation="relu")
    model = keras.Sequential([base, keras.layers.BatchNormalization(), keras.layers.Dense(1)])
    model.build((None, 4))
    base.trainable = False
    assert [len(model.trainable_weights), len(model.non_trainable_weights)] == [4, 4]
    before = base.get_weights()
    model.compile("adam", "mse")
    model.fit(X, X[:, 0], verbose=0)
    np.testing.assert_array_equal(base.get_weights()[0], before[0])
    model.trainable = True
    assert len(model.trainable_weights) == 6  # moving averages are never learned


def test_callbacks_are_told_in_order() -> None:
    told: list[Any] = []

    class Tell(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            told.append(("train", self.params["epochs"], self.model.optimizer.iterations))

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            told.append((batch, sorted(logs)))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            told.append(("end", epoch, sorted(logs)))
            self.model.stop_training = epoch == 1

    model = small()
    given = [Tell(), keras.callbacks.LambdaCallback(on_train_end=lambda logs: told.append("over"))]
    found = model.fit(X, Y, batch_size=3, epochs=9, verbose=0, callbacks=given)
    both = ["accuracy", "loss"]
    epoch = [(0, both), (1, both)]
    assert told == [
        ("train", 9, 0), *epoch, ("end", 0, both), *epoch, ("end", 1, both), "over",
    ]  # fmt: skip
    assert found.epoch == [0, 1]


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    model = small(metrics=None)
    model.fit(X, Y, batch_size=4, epochs=2)
    model.evaluate(X, Y, verbose=2)
    words = re.sub(r"\d+(us|ms|s)\b", "#", re.sub(r"\d\.\d{4}", "*", capsys.readouterr().out))
    bar = "2/2 ━━━━━━━━━━━━━━━━━━━━ # #/step - loss: *\n"
    assert words == f"Epoch 1/2\n{bar}Epoch 2/2\n{bar}1/1 - # - #/step - loss: *\n"


def test_a_line_that_is_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_on_a_screen", lambda: True)
    said: list[str] = []
    bar = progress.Progress(1, 100, said.append)
    bar.update(50, lambda: {"loss": 0.25})
    bar.finish(100, {"loss": 0.5, "acc": 0.00025})
    assert said[0].startswith("\r\x1b[1m 50/100\x1b[0m \x1b[32m━━━━━━━━━━\x1b[0m\x1b[37m━━━━━━━━━━")
    assert said[0].endswith("/step - loss: 0.2500")
    assert "━" * 20 + "\x1b[0m\x1b[37m\x1b[0m \x1b[1m0s" in said[1]
    assert " - loss: 0.5000 - acc: 2.5000e-04" in said[1]
    assert said[2] == "\n"


def test_initialisers_have_their_spread() -> None:
    """Standard deviation and largest entry of many numbers, by the formulas."""
    shape, draw = (3, 3, 64, 50), keras.initializers.get
    fan_in, fan_out = 9 * 64, 9 * 50
    for name, n, scale in [
        ("glorot", (fan_in + fan_out) / 2, 1), ("he", fan_in, 2), ("lecun", fan_in, 1),
    ]:  # fmt: skip
        std = (scale / n) ** 0.5
        uniform, normal = draw(f"{name}_uniform")(shape), draw(f"{name}_normal")(shape)
        assert float(uniform.std()) == pytest.approx(std, rel=0.02)
        assert float(uniform.abs().max()) == pytest.approx(std * 3**0.5, rel=0.01)
        assert float(normal.std()) == pytest.approx(std, rel=0.02)
        assert float(normal.abs().max()) <= 2 * std / 0.8796 + 1e-6
    first, second = (keras.initializers.HeNormal(seed=1)((2, 2)) for _ in range(2))
    assert first.tolist() == second.tolist()


# The articles' programs -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with pictures in MNIST's files, 480 and 80: a bright bar, as high as the class."""
    folder = tmp_path_factory.mktemp("data")
    write_pictures(folder / "mnist")
    before = lab.executor()
    lab.executor("numpy")  # a C compiler takes longer than this training
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINITORCH_LAB_DATA", str(folder))
        yield folder
    lab.executor(before)


def test_mnist_is_read_from_its_folder(pictures: Path) -> None:
    (x, y), (test_x, test_y) = keras.datasets.mnist.load_data()
    assert [a.shape for a in (x, y, test_x, test_y)] == [(480, 28, 28), (480,), (80, 28, 28), (80,)]
    assert {a.dtype for a in (x, y, test_x, test_y)} == {np.dtype("uint8")}


@pytest.mark.parametrize(("name", "count"), [("dense", 101_770), ("convolution", 54_410)])
def test_only_the_imports_are_changed(
    name: str, count: int, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The programs as the articles have them, with their line breaks: they run, and learn."""
    text = (Path(__file__).parent / "articles" / f"{name}.txt").read_text(encoding="utf-8")
    text = text.replace("import tensorflow as tf", "import minitorch_lab.tf as tf")
    text = text.replace("from tensorflow.", "from minitorch_lab.tf.")
    tf.random.set_seed(0)
    space: dict[str, Any] = {"__name__": name}
    exec(compile(text, name, "exec"), space)  # noqa: S102  the text beside this file
    assert space["model"].count_params() == count
    words = capsys.readouterr().out.splitlines()
    assert words[::2][:5] == [f"Epoch {i}/5" for i in range(1, 6)]
    assert all(line.startswith("15/15 ━") and " - loss: " in line for line in words[1:10:2])
    history = space["model"].history.history
    assert history["accuracy"][-1] > 0.9
    if name == "dense":
        assert float(words[-1].removeprefix("Test accuracy: ").removesuffix("%")) > 90
        assert list(history) == ["accuracy", "loss", "val_accuracy", "val_loss"]


# Lines -----------------------------------------------------------------------------------------


def test_an_error_in_a_layer_names_its_line() -> None:
    model = keras.Sequential(
        [
            keras.layers.Dense(4),
            keras.layers.Activation(lambda x: x @ x),  # the mistake
        ]
    )
    with pytest.raises(ShapeError) as caught:
        model.predict(X, verbose=0)
    lines = [f.line for f in traceback.extract_tb(caught.tb) if f.name == "<layer>"]
    assert lines == ["keras.layers.Activation(lambda x: x @ x),  # the mistake"]


def test_two_cells_with_the_same_text_are_told_apart() -> None:
    files = []
    for cell in ("one", "two"):
        space: dict[str, Any] = {"keras": keras}
        exec(compile("layer = keras.layers.Dense(1)", cell, "exec"), space)  # noqa: S102
        files.append(called_from(space["layer"]._made).__code__.co_filename)
    assert files == ["one", "two"]


def test_ops_belong_to_the_line_of_their_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "sources", True)
    hidden = keras.layers.Dense(4)
    model = keras.Sequential([hidden, keras.layers.ReLU()])
    out = model(X)
    texts = [location(node).text for node in (out.node, out.node.inputs[0].node)]
    assert texts == [
        "model = keras.Sequential([hidden, keras.layers.ReLU()])",
        "hidden = keras.layers.Dense(4)",
    ]


# Mistakes --------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[type[Exception], Any, str]] = {
    "lengths": (
        ValueError, lambda: small().fit(X, Y[:5]),
        "fit(x, y): their lengths differ\n  x  6 examples, numpy array float32 (6, 4)\n"
        "  y  5 labels, numpy array int64 (5,)\n  expected a label for each example",
    ),
    "one-hot": (
        ValueError, lambda: small().fit(X, np.eye(3)[Y]),
        "sparse_categorical_crossentropy: the labels are one-hot rows\n  y_true  float32 (6, 3)\n"
        "  y_pred  float32 (6, 3)\n  expected class numbers of shape (6,)\n"
        "  for one-hot rows use the loss categorical_crossentropy, or y.argmax(axis=-1)",
    ),
    "classes": (
        ValueError, lambda: small(loss="categorical_crossentropy").fit(X, Y),
        "categorical_crossentropy: the labels have another shape than the predictions\n"
        "  y_true  int64 (6,)\n  y_pred  float32 (6, 3)\n"
        "  expected one shape: rows of 3, with a 1 at the class\n  for class numbers use the loss "
        "sparse_categorical_crossentropy, or make rows: keras.utils.to_categorical(y)",
    ),
    "a class too many": (
        IndexError, lambda: small().fit(X, Y + 1), "expected entries from 0 to 2, got 3\n",
    ),
    "not compiled": (
        ValueError, lambda: keras.Sequential([keras.layers.Dense(3)]).fit(X, Y),
        "fit: the model does not know yet how to learn\n  expected model.compile(optimizer, loss)",
    ),
    "no loss": (ValueError, lambda: small(loss=None).fit(X, Y), "fit: there is no loss\n"),
    "optimizer": (
        ValueError, lambda: small(optimizer="adma"), "optimizer: unknown name 'adma'\n"
        "  did you mean",
    ),
    "loss": (
        ValueError, lambda: small(loss="msee"), "loss: unknown name 'msee'\n  did you mean 'mse'",
    ),
    "metric": (
        ValueError, lambda: small(metrics=["acuracy"]),
        "metrics: unknown name 'acuracy'\n  did you mean 'accuracy'",
    ),
    "activation": (
        ValueError, lambda: keras.layers.Dense(3, activation="rellu"),
        "activation: unknown name 'rellu'\n  did you mean 'relu'",
    ),
    "initializer": (
        ValueError, lambda: keras.layers.Dense(3, kernel_initializer=3),
        "initializer: got int 3\n  expected a name such as 'glorot_uniform'",
    ),
    "argument": (
        TypeError, lambda: keras.layers.Dense(3, activaton="relu"),
        "Dense(): there is no argument 'activaton'\n  expected  units, activation, use_bias",
    ),
    "dtype": (
        ValueError,
        lambda: keras.layers.Dense(3, dtype="float16"),
        "Dense(dtype): got 'float16'\n  expected 'float32'",
    ),
    "units": (
        ValueError, lambda: keras.layers.Dense("3"),
        "Dense(units): expected a whole number above 0, got str '3'",
    ),
    "rate": (
        ValueError, lambda: keras.layers.Dropout(20),
        "Dropout(rate): expected a number from 0 to 1, got 20",
    ),
    "no shape": (
        ValueError, lambda: keras.Sequential([keras.layers.Dense(3)]).count_params(),
        "has no weights yet, for it knows no input shape\n  give one: keras.Input(shape) first",
    ),
    "another shape": (
        ValueError,
        lambda: keras.Sequential([keras.layers.Dense(3, input_shape=(5,), name="d")]).predict(X),
        "Dense 'd': the last size of its input differs from that of its kernel\n"
        "  inputs    float32 (1, 4)\n  kernel    float32 (5, 3)\n  expected  (..., 5)",
    ),
    "no channels": (
        ValueError, lambda: keras.layers.Conv2D(3, 3, name="c")(np.zeros((2, 28, 28))),
        "Conv2D 'c': got an input of shape (None, 28, 28)\n  expected pictures (N, height, width, "
        "channels) with a number of channels\n  grey ones without channels get one by",
    ),
    "no layer": (
        TypeError, lambda: keras.Sequential([3]),
        "Sequential: got int 3 where a layer is expected\n  expected a list of keras.layers",
    ),
    "one name twice": (
        ValueError, lambda: keras.Sequential([keras.layers.ReLU(name="a")] * 2),
        "Sequential: two layers are called 'a'\n  expected a name of its own for each",
    ),
    "functional": (
        ValueError, lambda: keras.Model(keras.Input((3,)), X),
        "Model(inputs, outputs): got numpy array float64 (6, 4) among the outputs\n  expected what "
        "keras.Input(...) and calls of layers on it give",
    ),
    "input": (TypeError, lambda: keras.Input(784), "Input(shape): got int 784\n  expected"),
    "ragged": (
        ValueError, lambda: small().fit([[1.0, 2.0], [3.0]], Y[:2]),
        "fit(x): expected numbers, got list of 2 items\n  rows of different lengths make no array",
    ),
    "texts": (
        ValueError, lambda: small().fit(X, np.array(["a"] * 6)),
        "fit(y): expected numbers, got numpy array <U1 (6,)",
    ),
    "no labels": (ValueError, lambda: small().fit(X), "fit(x, y): there are no labels\n"),
    "validation": (
        ValueError, lambda: small().fit(X, Y, validation_data=X),
        "fit(validation_data): got numpy array float64 (6, 4)\n  expected a pair (x, y)",
    ),
    "split": (
        ValueError, lambda: small().fit(X, Y, validation_split=20),
        "fit(validation_split): expected a share between 0 and 1, got 20",
    ),
    "weights": (
        ValueError, lambda: small(keras.layers.ReLU(input_shape=(2,))).set_weights([1]),
        "set_weights(): ",
    ),
    "assign": (
        RuntimeError, lambda: tf.Variable([1.0, 2.0], name="v").assign([1.0]),
        "assign(value): the shape of 'v' stays\n  value     float32 (1,)\n  variable  float32 (2,)",
    ),
    "no gradient": (
        ValueError, lambda: keras.optimizers.SGD().apply_gradients([(None, tf.Variable(1.0))]),
        "apply_gradients: no variable has a gradient\n",
    ),
    "call": (NotImplementedError, lambda: keras.Layer()(X), "define `def call(self, inputs):`"),
    "tf": (AttributeError, lambda: tf.konstant, "did you mean tf.constant?"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    kind, mistake, words = MISTAKES[name]
    with pytest.raises(kind) as caught:
        mistake()
    assert words in str(caught.value)


def test_a_summary_without_shapes_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    keras.Sequential([keras.layers.Dense(3, name="a"), keras.layers.ReLU(name="b")]).summary()
    words = capsys.readouterr().out
    assert "│ a (Dense)                       │ ?                      │   0 (unbuilt) │" in words
    assert words.endswith(
        " a, b: no weights yet, for no input shape is known\n"
        " give one: keras.Input(shape) first in the model, or model.build((None, ...)), or call it "
        "on data\n"
    )


def test_a_copy_learns_for_itself() -> None:
    model = small()
    model.fit(X, Y, verbose=0)
    other = copy.deepcopy(model)
    before = model.get_weights()
    other.fit(X, Y, verbose=0)
    for a, b, c in zip(before, model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()
    assert other.optimizer.iterations == 2


def test_the_stepper_shows_the_lines_of_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "sources", True)
    model = keras.Sequential(
        [
            keras.layers.Dense(2, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )
    loss = keras.losses.MeanSquaredError()(X[:, :1], model(X))
    view = lab.step_through(loss)
    assert view.blocks[0].title == "test_keras.py"
    lines = {linecache.getline(__file__, place.line).strip() for place in view.places.values()}
    assert lines == {
        'keras.layers.Dense(2, activation="tanh"),',
        "keras.layers.Dense(1),",
        "loss = keras.losses.MeanSquaredError()(X[:, :1], model(X))",
    }
