"""``tf.function``, ``tf.print``, devices, random numbers, modules, and what a learner reads."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from golden import Golden

import minitorch_lab as lab
import minitorch_lab.tf as tf
from minitorch_lab.errors import LabError
from minitorch_lab.lessons.museum import program

c = tf.constant


# tf.function -------------------------------------------------------------------------------


def test_python_runs_only_while_tracing(capsys: pytest.CaptureFixture[str]) -> None:
    @tf.function
    def step(x: Any) -> Any:
        print("tracing", x)
        return x + 1

    values = [step(c(1.0)), step(c(2.0)), step(3), step(3), step(np.float32(5.0))]
    assert capsys.readouterr().out == 'tracing Tensor("x:0", shape=(), dtype=float32)\ntracing 3\n'
    assert [float(v) for v in values] == [2, 3, 4, 4, 6]
    assert step.experimental_get_tracing_count() == 2
    assert isinstance(values[2], tf.Tensor)  # a number of Python comes back as a tensor
    assert step.pretty_printed_concrete_signatures() == (
        "Input Parameters:\n  x: Literal[3]\n\n"
        "Input Parameters:\n  x: TensorSpec(shape=(), dtype=tf.float32, name=None)"
    )


def test_explain_says_why_it_was_traced_again() -> None:
    @tf.function
    def double(x: Any) -> Any:
        return x * 2.0

    double(tf.ones([2]))
    double(tf.ones([3]))
    text = str(lab.explain(double))
    assert "traced 2 times" in text
    assert "x: float32 (2,) -> float32 (3,)" in text


@pytest.mark.parametrize("options", [
    {"input_signature": [tf.TensorSpec([None, 2], tf.float32)]}, {"reduce_retracing": True},
], ids=["signature", "reduce_retracing"])  # fmt: skip
def test_one_trace_serves_every_size(options: Any) -> None:
    @tf.function(**options)
    def total(x: Any) -> Any:
        return tf.reduce_sum(x) + tf.cast(tf.shape(x)[1], tf.float32)

    assert [float(total(tf.ones([n, 2]))) for n in (2, 3, 5)] == [6, 8, 12]
    assert total.traces == 1


def test_a_concrete_function_is_traced_and_not_run() -> None:
    ran: list[Any] = []

    @tf.function
    def scale(x: Any) -> Any:
        ran.append(x)
        return x * 2.0

    made = scale.get_concrete_function(tf.TensorSpec([None, 2], tf.float32))
    assert len(ran) == scale.traces == 1
    assert made(tf.ones([1, 2])).numpy().tolist() == [[2.0, 2.0]]
    assert repr(made.structured_outputs) == (
        "TensorSpec(shape=(None, 2), dtype=tf.float32, name=None)"
    )
    assert [e.op.name for e in made.graph.equations] == ["mul"]


def test_a_variable_may_be_made_in_the_first_call() -> None:
    class Scale:
        w: Any = None

        @tf.function
        def __call__(self, x: Any) -> Any:
            if self.w is None:
                self.w = tf.Variable(3.0)
            return self.w * x

    scale = Scale()
    assert float(scale(c(2.0))) == 6
    scale.w.assign(4.0)
    assert float(scale(c(2.0))) == 8


def test_eagerly() -> None:
    seen: list[float] = []

    @tf.function
    def look(x: Any) -> Any:
        seen.append(float(x))
        return x if x > 0 else -x

    tf.config.run_functions_eagerly(True)
    try:
        assert float(look(c(-2.0))) == 2
    finally:
        tf.config.run_functions_eagerly(False)
    assert seen == [-2]
    assert not tf.config.functions_run_eagerly()


def test_a_step_with_an_optimizer_of_keras_learns() -> None:
    w = tf.Variable([[0.0], [0.0]])
    x = tf.constant(np.random.default_rng(0).normal(size=(64, 2)).astype("float32"))
    y = x @ [[1.0], [-2.0]]
    optimizer = tf.optimizers.SGD(0.1)

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(x @ w - y))
        grads = tape.gradient(loss, [w])
        optimizer.apply_gradients(zip(grads, [w], strict=True))
        return loss

    first, *_, last = [float(step()) for _ in range(60)]
    assert last < 1e-3 < first
    np.testing.assert_allclose(w.numpy(), [[1.0], [-2.0]], atol=0.02)
    assert step.traces == 1


def test_a_model_with_a_train_step_of_its_own() -> None:
    class Own(tf.keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.line = tf.keras.layers.Dense(1, kernel_initializer="zeros")

        def call(self, x: Any) -> Any:
            return self.line(x)

        def train_step(self, data: Any) -> Any:
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(self(x, training=True) - y))
            grads = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
            return {"loss": loss}

    model = Own()
    model.compile(optimizer=tf.keras.optimizers.SGD(0.1))
    data = tf.data.Dataset.from_tensor_slices((tf.ones([8, 2]), tf.ones([8, 1]))).batch(4)
    history = model.fit(data, epochs=2, verbose=0).history["loss"]
    # error e shrinks to 0.4 e in each of two steps of an epoch: 1, 0.4, then 0.16, 0.064
    np.testing.assert_allclose(history, [0.16, 0.064**2], rtol=1e-4)


# tf.print ----------------------------------------------------------------------------------


def test_print_shows_values_of_each_run_of_a_graph() -> None:
    out = io.StringIO()

    @tf.function
    def shown(x: Any) -> Any:
        tf.print("x", x, [x, 2.5], {"a": x}, sep="|", output_stream=out)
        return x + 1

    shown(c([1.0, 1 / 3]))
    shown(c([2.0, 3.0]))
    assert out.getvalue() == (
        "x|[1 0.333333343]|[[1 0.333333343], 2.5]|{'a': [1 0.333333343]}\n"
        "x|[2 3]|[[2 3], 2.5]|{'a': [2 3]}\n"
    )


@pytest.mark.parametrize(("value", "text"), [
    (c(0.1), "0.1"), (c(True), "1"), (c(1e-8), "1e-08"),
    (c([[1.5, 2.0], [3.0, 4.0]]), "[[1.5 2]\n [3 4]]"),
    (tf.range(10), "[0 1 2 ... 7 8 9]"), ("words", "words"), ((1, "a"), "(1, 'a')"),
], ids=str)  # fmt: skip
def test_print(value: Any, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    tf.print(value)
    assert capsys.readouterr().err == text + "\n"


# The rest ----------------------------------------------------------------------------------


def test_a_check_in_a_graph_looks_at_each_run() -> None:
    @tf.function
    def root(x: Any) -> Any:
        tf.debugging.assert_non_negative(x, "no root")
        return x + 1

    assert float(root(c(4.0))) == 5
    with pytest.raises(tf.errors.InvalidArgumentError, match="no root"):
        root(c(-4.0))


def test_devices() -> None:
    with tf.device("/CPU:0"):
        assert tf.constant(1.0).device == "/job:localhost/replica:0/task:0/device:CPU:0"
    assert lab.device("cpu") == tf.zeros([2]).device
    if not tf.config.list_physical_devices("GPU"):
        with pytest.raises(tf.errors.InvalidArgumentError, match="not available"):
            tf.device("/GPU:0").__enter__()


def test_random_numbers_come_again() -> None:
    tf.random.set_seed(3)
    first = [tf.random.normal([2]).numpy(), tf.random.uniform([2], seed=1).numpy()]
    tf.random.set_seed(3)
    again = [tf.random.normal([2]).numpy(), tf.random.uniform([2], seed=1).numpy()]
    np.testing.assert_array_equal(first, again)
    pair = [tf.random.stateless_normal([3], seed=(1, 2)).numpy() for _ in range(2)]
    np.testing.assert_array_equal(*pair)
    own = [tf.random.Generator.from_seed(7).normal([3]).numpy() for _ in range(2)]
    np.testing.assert_array_equal(*own)


def test_random_numbers_have_their_laws() -> None:
    tf.random.set_seed(0)
    cut = tf.random.truncated_normal([4000], mean=1.0, stddev=2.0).numpy()
    assert np.abs(cut - 1).max() <= 4
    assert abs(cut.mean() - 1) < 0.1
    assert abs(cut.std() - 2 * 0.8796) < 0.06  # of a normal number cut at two deviations
    whole = tf.random.uniform([500], 2, 5, dtype=tf.int32).numpy()
    assert set(whole.tolist()) == {2, 3, 4}
    assert sorted(tf.random.shuffle(tf.range(9)).numpy()) == list(range(9))


def test_shuffled_data_has_another_order_in_each_loop() -> None:
    data = tf.data.Dataset.range(50).shuffle(50, seed=1)
    first, second = ([int(x) for x in data] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    fixed = tf.data.Dataset.range(50).shuffle(50, seed=1, reshuffle_each_iteration=False)
    assert [int(x) for x in fixed] == [int(x) for x in fixed] == first


def test_a_cache_reads_once() -> None:
    read: list[int] = []

    def numbers() -> Any:
        read.append(1)
        yield from range(3)

    data = tf.data.Dataset.from_generator(numbers, output_signature=tf.TensorSpec((), tf.int32))
    data = data.cache().repeat(3)
    assert [int(x) for x in data] == [0, 1, 2] * 3
    assert len(read) == 1


def test_a_module_knows_its_variables() -> None:
    class Part(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable([1.0], name="w")
            self.count = tf.Variable(0, name="count", trainable=False)

    class Whole(tf.Module):
        def __init__(self) -> None:
            super().__init__(name="whole")
            self.parts = [Part(), Part()]
            self.b = tf.Variable(0.0, name="b")

    whole = Whole()
    assert [v.name for v in whole.variables] == ["b:0", "count:0", "w:0", "count:0", "w:0"]
    assert [v.name for v in whole.trainable_variables] == ["b:0", "w:0", "w:0"]
    assert [type(m) for m in whole.submodules] == [Part, Part]


def test_tensors_of_both_dialects_meet() -> None:
    ours = lab.tensor([1.0, 2.0], requires_grad=True)
    total = tf.reduce_sum(ours * c([3.0, 4.0]))
    total.backward()
    assert ours.grad.tolist() == [3.0, 4.0]
    assert isinstance(total, tf.Tensor)
    assert isinstance(total, lab.Tensor)
    assert type(lab.relu(c([-1.0]))) is lab.Tensor  # what PyTorch's functions give is PyTorch's


# The articles' programs: only the imports differ -------------------------------------------

ARTICLES = {
    "C4a": (
        'import tensorflow as tf\na = tf.constant(2.0, name="a")\nb = tf.constant(3.0, name="b")\n'
        'c = tf.add(a, b, name="c")\nprint("Computational Graph Nodes:")\n'
        "print(a)\nprint(b)\nprint(c)",
        "Computational Graph Nodes:\ntf.Tensor(2.0, shape=(), dtype=float32)\n"
        "tf.Tensor(3.0, shape=(), dtype=float32)\ntf.Tensor(5.0, shape=(), dtype=float32)\n",
    ),
    "C4e": (
        "import tensorflow as tf\nx = tf.Variable([1.0, 2.0, 3.0], dtype=tf.float32)\ny = x ** 2\n"
        "z = tf.reduce_mean(y)\nwith tf.GradientTape() as tape:\n    tape.watch(x)\n"
        "    z = tf.reduce_mean(x ** 2)\ngrads = tape.gradient(z, x)\n"
        'print("Gradients of x:", grads.numpy())',
        "Gradients of x: [0.6666667 1.3333334 2.       ]\n",
    ),
}


@pytest.mark.parametrize("name", ARTICLES)
def test_an_article_prints(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = ARTICLES[name]
    exec(code.replace("import tensorflow", "import minitorch_lab.tf"), {})  # noqa: S102
    assert capsys.readouterr().out == text


def test_an_article_fails_as_in_tensorflow() -> None:
    """C0b asks tf.losses for a function that TensorFlow no longer has."""
    text = lab.doctor(program("C0b")).reflow()
    text = text.replace("import tensorflow", "import minitorch_lab.tf")
    with pytest.raises(AttributeError, match="mean_squared_error"):
        exec(text, {"__name__": "article"})  # noqa: S102


# What a learner reads ----------------------------------------------------------------------

x = c([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def _used_twice() -> None:
    v = tf.Variable(1.0)
    with tf.GradientTape() as tape:
        y = v * v
    tape.gradient(y, v)
    tape.gradient(y, v)


def _in_each_call(v: Any) -> Any:
    w = tf.Variable(1.0, name="w")
    return w * v


def _branch(v: Any) -> Any:
    return v if v > 0 else -v


MISTAKES = {
    "int and float": lambda: c(1) + c(2.0),
    "NumPy's float64": lambda: tf.matmul(x, c(np.ones((3, 1)))),
    "float64 into a variable": lambda: tf.Variable([1.0]).assign(c(np.array([1.0]))),
    "whole numbers": lambda: tf.sqrt(4),
    "vectors multiplied": lambda: tf.matmul(c([1.0]), c([1.0])),
    "no tensor": lambda: c(None),
    "float into int32": lambda: c(1.5, dtype=tf.int32),
    "another dtype": lambda: tf.convert_to_tensor(c(1), dtype=tf.float32),
    "the truth of two": lambda: bool(c([True, False])),
    "a list of places": lambda: x[c([0, 1])],
    "one-hot labels": lambda: tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.ones([2, 3]), logits=x
    ),
    "class numbers": lambda: tf.nn.softmax_cross_entropy_with_logits(labels=c([0, 1]), logits=x),
    "a shape that stays": lambda: tf.Variable([1.0], name="w").assign([1.0, 2.0]),
    "a tape used twice": _used_twice,
    "a source that is an array": lambda: tf.GradientTape().gradient(c(1.0), np.ones(1)),
    "a target that is a number": lambda: tf.GradientTape().gradient(1.0, c(1.0)),
    "watching a number": lambda: tf.GradientTape().watch(1.0),
    "a variable in each call": lambda: tf.function(_in_each_call)(c(1.0)),
    "a branch in a graph": lambda: tf.function(_branch)(c(1.0)),
    "a signature": lambda: tf.function(
        lambda v: v, input_signature=[tf.TensorSpec([None, 2], tf.float32)]
    )(tf.ones([2, 3])),
    "grey pictures": lambda: tf.nn.conv2d(tf.ones([2, 5, 5]), tf.ones([3, 3, 1, 2]), 1, "SAME"),
    "parts of one size": lambda: tf.split(x, 2, axis=1),
    "data of two lengths": lambda: tf.data.Dataset.from_tensor_slices((np.ones(3), np.ones(4))),
    "elements of two shapes": lambda: [*tf.data.Dataset.from_generator(
        lambda: ([1] * n for n in (1, 2)), output_signature=tf.TensorSpec((None,), tf.int32)
    ).batch(2)],
    "no form": lambda: tf.data.Dataset.from_generator(lambda: iter([1])),
    "a length without end": lambda: len(tf.data.Dataset.range(3).repeat()),
    "not finite": lambda: tf.debugging.check_numerics(c([1.0, float("nan")]), "loss"),
    "letters of shapes": lambda: tf.debugging.assert_shapes([(x, ("N", "D")), (x, ("D", "N"))]),
}  # fmt: skip
GOLDEN = Golden("tf", MISTAKES)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    with pytest.raises(LabError) as caught:
        MISTAKES[name]()
    text = re.sub(r"line \d+", "line ...", str(caught.value))
    GOLDEN.check(name, LabError(text))


@pytest.mark.parametrize(("name", "hint"), [
    ("log", "did you mean tf.math.log?"), ("Session", "import minitorch_lab.tf.compat.v1 as tf"),
    ("reduce_meen", "did you mean tf.reduce_mean"),
])  # fmt: skip
def test_what_tf_lacks(name: str, hint: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'") as caught:
        getattr(tf, name)
    assert hint in str(caught.value)
