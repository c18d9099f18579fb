"""TensorFlow 1's dialect: graphs, sessions, variables, optimisers, as its programs write them.

Names, printed text and numbers are what TensorFlow 2.21 (``compat.v1``) gives for these lines.
"""

from __future__ import annotations

import doctest
import re
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
import minitorch_lab.tf as tf2
import minitorch_lab.tf.compat.v1 as tf


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    lab.manual_seed(0)
    tf.reset_default_graph()
    yield
    while (session := tf.get_default_session()) is not None:
        session.close()


def names(*tensors: Any) -> list[str]:
    return [t.name for t in tensors]


# What is written -----------------------------------------------------------------------------


def test_article_c4a_prints_the_nodes_of_the_graph(capsys):
    a = tf.constant(2.0, name="a")
    b = tf.constant(3.0, name="b")
    c = tf.add(a, b, name="c")
    print(a, b, c, sep="\n")
    assert capsys.readouterr().out == (
        'Tensor("a:0", shape=(), dtype=float32)\n'
        'Tensor("b:0", shape=(), dtype=float32)\n'
        'Tensor("c:0", shape=(), dtype=float32)\n'
    )
    assert [o.type for o in tf.get_default_graph().get_operations()] == ["Const", "Const", "AddV2"]
    assert tf.Session().run(c) == 5.0


def test_tensors_operations_and_variables_print_as_tensorflows():
    x = tf.placeholder(tf.float32, [None, 784])
    w = tf.Variable(tf.zeros([2]), name="w")
    assert repr(x) == "<tf.Tensor 'Placeholder:0' shape=(None, 784) dtype=float32>"
    assert f"{x}" == 'Tensor("Placeholder:0", shape=(None, 784), dtype=float32)'
    assert repr(x.op) == "<tf.Operation 'Placeholder' type=Placeholder>"
    assert repr(w) == str(w) == "<tf.Variable 'w:0' shape=(2,) dtype=float32>"
    assert repr(tf.placeholder(tf.float32)) == (
        "<tf.Tensor 'Placeholder_1:0' shape=<unknown> dtype=float32>"
    )
    assert (x.shape.as_list(), x.shape[0], x.get_shape().ndims) == ([None, 784], None, 2)
    assert x.dtype == tf.float32
    assert repr(x.dtype) == "tf.float32"
    assert {x: 1}[x] == 1
    assert (x == w) is False  # tensors of a graph are compared as objects


def test_names_are_those_that_tensorflow_gives():
    a, b = tf.constant(2.0, name="a"), tf.constant(3.0)
    m = tf.ones([2, 2])
    assert names(a, b, m) == ["a:0", "Const:0", "ones:0"]
    found = names(a + b, a - b, a * b, a / b, a // b, a % b, a**b, -a, abs(a), a < b, m @ m, m[0])
    assert found == [
        "add:0", "sub:0", "mul:0", "truediv:0", "floordiv:0", "mod:0", "pow:0", "Neg:0", "Abs:0",
        "Less:0", "matmul:0", "strided_slice:0",
    ]  # fmt: skip
    assert names(2 + a, 2 * a, 2 - a, 2 / a) == ["add_1:0", "mul_1:0", "sub_1:0", "truediv_1:0"]
    # capital letters make no difference between names
    assert names(tf.add(a, b), tf.subtract(a, b), tf.multiply(a, b)) == [
        "Add_2:0", "Sub_2:0", "Mul_2:0",
    ]  # fmt: skip
    found = names(
        tf.matmul(m, m), tf.reduce_mean(m), tf.reduce_sum(m), tf.argmax(m, 1), tf.cast(m, tf.int32),
        tf.reshape(m, [4]), tf.transpose(m), tf.concat([m, m], 0), tf.one_hot([1, 2], 3),
        tf.gather(m, [0]), tf.identity(m), tf.random_normal([2]), tf.where(m > 0, m, m),
        tf.nn.relu(m), tf.nn.softmax(m), tf.nn.bias_add(m, [1.0, 2.0]), tf.square(a),
    )  # fmt: skip
    assert found == [
        "MatMul_1:0", "Mean:0", "Sum:0", "ArgMax:0", "Cast:0", "Reshape:0", "transpose:0",
        "concat:0", "one_hot:0", "GatherV2:0", "Identity:0", "random_normal:0", "Select:0",
        "Relu:0", "Softmax:0", "BiasAdd:0", "Square:0",
    ]  # fmt: skip


def test_scopes_of_names_and_of_variables():
    with tf.variable_scope("a"), tf.name_scope("n"):
        made = tf.get_variable("v", [1]), tf.constant(1.0, name="c"), tf.Variable(1.0, name="w")
    assert names(*made) == ["a/v:0", "a/n/c:0", "a/n/w:0"]
    with tf.variable_scope("a", reuse=tf.AUTO_REUSE):
        assert tf.get_variable("v", [1]) is made[0]
        assert tf.constant(1.0, name="c").name == "a_1/c:0"
    with tf.variable_scope("a", reuse=True) as scope:
        assert (scope.name, tf.get_variable_scope().name) == ("a", "a")
    for expected in ("n/", "n_1/"):
        with tf.name_scope("n") as name:
            assert (name, tf.constant(1.0).name) == (expected, expected + "Const:0")
    with tf.name_scope(name):
        assert tf.constant(1.0).name == "n_1/Const_1:0"
    with tf.variable_scope("q"), tf.variable_scope("r"):
        assert tf.get_variable("z", [1]).name == "q/r/z:0"
    for expected in ("d/z:0", "d_1/z:0"):
        with tf.variable_scope(None, default_name="d"):
            assert tf.get_variable("z", [1]).name == expected


def test_an_optimiser_writes_the_variables_that_tensorflows_has():
    x, y = tf.placeholder(tf.float32, [None, 2]), tf.placeholder(tf.float32, [None, 1])
    prediction = tf.layers.dense(x, 1, name="layer")
    loss = tf.reduce_mean(tf.square(prediction - y))
    kinds = {
        "Adam": tf.train.AdamOptimizer(0.1),
        "GradientDescent": tf.train.GradientDescentOptimizer(0.1),
        "Momentum": tf.train.MomentumOptimizer(0.1, 0.9),
        "RMSProp": tf.train.RMSPropOptimizer(0.1),
        "Adagrad": tf.train.AdagradOptimizer(0.1),
    }
    for name, optimizer in kinds.items():
        step = optimizer.minimize(loss)
        assert (step.name, step.type) == (name, "NoOp")
    assert names(*tf.trainable_variables()) == ["layer/kernel:0", "layer/bias:0"]
    assert names(*tf.global_variables()) == [
        "layer/kernel:0", "layer/bias:0", "beta1_power:0", "beta2_power:0", "layer/kernel/Adam:0",
        "layer/kernel/Adam_1:0", "layer/bias/Adam:0", "layer/bias/Adam_1:0",
        "layer/kernel/Momentum:0", "layer/bias/Momentum:0", "layer/kernel/RMSProp:0",
        "layer/kernel/RMSProp_1:0", "layer/bias/RMSProp:0", "layer/bias/RMSProp_1:0",
        "layer/kernel/Adagrad:0", "layer/bias/Adagrad:0",
    ]  # fmt: skip


# Nothing is computed before a run ------------------------------------------------------------


def test_nothing_is_computed_before_run_and_then_only_what_is_fetched():
    asked: list[str] = []

    def noting(x: Any, word: str) -> Any:
        asked.append(word)
        return x * 2

    graph = tf.get_default_graph()
    a = tf.placeholder(tf.float32, [2], name="a")
    b = graph.write("Noting", "b", noting, (a, "b"), {})
    c = graph.write("Noting", "c", noting, (a, "c"), {})
    asked.clear()  # each was called once on shapes, to know that of its result
    sess = tf.Session()
    assert asked == []
    assert sess.run(b, {a: [1.0, 2.0]}).tolist() == [2.0, 4.0]
    assert asked == ["b"]
    assert sess.run([b, c], {a: [1.0, 2.0]})[1].tolist() == [2.0, 4.0]
    assert asked == ["b", "b", "c"]


def test_fetches_come_in_their_arrangement():
    Pair = namedtuple("Pair", "first second")
    x = tf.placeholder(tf.float32, [2], name="x")
    w = tf.Variable([1.0, 2.0], name="w")
    total = tf.reduce_sum(x * w, name="total")
    with tf.Session() as sess:
        assert sess.run(tf.global_variables_initializer()) is None
        feed = {x: [3.0, 4.0]}
        assert sess.run(total, feed) == 11.0
        assert sess.run("total:0", {"x:0": [3.0, 4.0]}) == 11.0
        found = sess.run({"t": (total, [w, "w:0"]), "p": Pair(total, w.initializer)}, feed)
        assert found["t"][0] == 11.0
        assert found["t"][1][1].tolist() == [1.0, 2.0]
        assert (found["p"].first, found["p"].second) == (11.0, None)
        assert (total.eval(feed), w.eval().tolist()) == (11.0, [1.0, 2.0])
        assert sess.run(total, {x * w: [0.0, 0.0]} | feed) == 11.0
        assert sess.run(total, {total: 5.0}) == 5.0
    graph = tf.get_default_graph()
    assert graph.get_tensor_by_name("total:0") is total
    assert graph.get_operation_by_name("total").outputs == [total]


def test_assignments_and_what_waits_for_them():
    v = tf.Variable(3.0, name="v")
    with tf.control_dependencies([v.assign(10.0)]):
        after = tf.identity(v)
    up, both = tf.assign_add(v, 1.0), tf.group(tf.assign_sub(v, 2.0), name="both")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run([after, v]) == [10.0, 3.0]
        assert sess.run(v) == 10.0
        assert sess.run(up) == 11.0
        assert sess.run(both) is None
        assert sess.run(v) == 9.0
        v.load(5.0, sess)
        assert sess.run(v + 1) == 6.0


def test_choices_and_loops():
    x, up = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.bool)
    w = tf.Variable(2.0)
    chosen = tf.cond(up, lambda: x * w, lambda: -x)
    slope = tf.gradients(chosen, w)[0]
    turns, total = tf.while_loop(
        lambda i, s: i < 4, lambda i, s: (i + 1, s + tf.reduce_sum(x)), [0, 1.0]
    )
    doubled = tf.while_loop(lambda v: v < 100.0, lambda v: v * 2, [tf.constant(3.0)])
    assert names(chosen, doubled) == ["cond/Identity:0", "while_1/Identity:0"]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(chosen, {x: [1.0, 2.0], up: True}).tolist() == [2.0, 4.0]
        assert sess.run(chosen, {x: [1.0, 2.0, 3.0], up: False}).tolist() == [-1.0, -2.0, -3.0]
        assert sess.run(slope, {x: [1.0, 2.0], up: True}) == 3.0
        assert sess.run(slope, {x: [1.0, 2.0], up: False}) == 0.0
        assert sess.run([turns, total], {x: [1.0, 2.0]}) == [4, 13.0]
        assert sess.run(doubled) == 192.0


def test_gradients_are_tensors_of_the_graph():
    x = tf.placeholder(tf.float32, [], name="x")
    y = x**3
    (first,) = tf.gradients(y, x)
    (second,) = tf.gradients(first, [x])
    assert tf.gradients(y, tf.constant(1.0)) == [None]
    with tf.Session() as sess:
        assert sess.run([first, second], {x: 2.0}) == [12.0, 12.0]


def test_the_same_seed_gives_each_session_the_same_numbers():
    tf.set_random_seed(1)
    numbers = tf.random_normal([3])
    w = tf.get_variable("w", [4, 5])
    runs = []
    for _ in range(2):
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            runs.append([sess.run(numbers), sess.run(numbers), sess.run(w)])
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (runs[0][0] != runs[0][1]).all()
    assert np.abs(runs[0][2]).max() <= np.sqrt(6 / 9)


# Numbers as TensorFlow 2.21 gives them -------------------------------------------------------

W0 = np.array([[0.5, -0.3], [0.1, 0.8]], "float32")
X = np.array([[1.0, 2.0], [-1.0, 0.5], [0.3, -0.7]], "float32")
Y = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], "float32")
AFTER_TWO = {  # W0 after two steps on the softmax cross-entropy of X @ W0
    "sgd": [[0.5639313, -0.3639314], [0.1598801, 0.7401199]],
    "momentum": [[0.5934425, -0.3934425], [0.188183, 0.711817]],
    "nesterov": [[0.6451201, -0.4451201], [0.2338904, 0.6661096]],
    "adam": [[0.699166, -0.499166], [0.2973772, 0.6026228]],
    "rmsprop": [[0.585646, -0.385646], [0.1805556, 0.7194445]],
    "centered": [[0.5685612, -0.3685613], [0.1641478, 0.7358522]],
    "adagrad": [[0.6257685, -0.4257686], [0.2187561, 0.6812439]],
}  # fmt: skip


@pytest.mark.parametrize("name", list(AFTER_TWO))
def test_optimisers_step_as_tensorflows(name: str) -> None:
    kinds = {
        "sgd": lambda: tf.train.GradientDescentOptimizer(0.1),
        "momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9),
        "nesterov": lambda: tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
        "adam": lambda: tf.train.AdamOptimizer(0.1),
        "rmsprop": lambda: tf.train.RMSPropOptimizer(0.1, momentum=0.5),
        "centered": lambda: tf.train.RMSPropOptimizer(0.1, centered=True),
        "adagrad": lambda: tf.train.AdagradOptimizer(0.1),
    }
    w = tf.Variable(W0)
    loss = tf.losses.softmax_cross_entropy(Y, tf.matmul(X, w))
    step = kinds[name]().minimize(loss)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(2):
            sess.run(step)
        np.testing.assert_allclose(sess.run(w), AFTER_TWO[name], rtol=2e-5, atol=1e-6)


LOSSES = {
    "softmax": 0.6093122,
    "softmax smooth": 0.6343122,
    "softmax weights": 0.9698925,
    "sparse": 0.6093122,
    "sparse weights": 0.9698925,
    "mse": 1.038333,
    "mse weights": 1.49,
    "mse half": 0.5191666,
    "mse sum": 6.23,
    "sigmoid": 0.6975116,
    "absolute": 0.8166666,
    "log": 0.3635479,
    "huber": 0.4358333,
    "hinge": 0.75,
}  # fmt: skip


@pytest.mark.parametrize("name", list(LOSSES))
def test_losses_are_tensorflows(name: str) -> None:
    with tf.Session() as sess:
        np.testing.assert_allclose(sess.run(losses(tf)[name]()), LOSSES[name], rtol=1e-5)


def losses(tf: Any) -> dict[str, Any]:
    chances = np.array([[0.8, 0.2], [0.4, 0.6], [0.7, 0.3]], "float32")
    classes, weights = np.array([0, 1, 0]), np.array([1.0, 0.0, 2.0], "float32")
    of = tf.losses
    return {
        "softmax": lambda: of.softmax_cross_entropy(Y, X),
        "softmax smooth": lambda: of.softmax_cross_entropy(Y, X, label_smoothing=0.1),
        "softmax weights": lambda: of.softmax_cross_entropy(Y, X, weights),
        "sparse": lambda: of.sparse_softmax_cross_entropy(classes, X),
        "sparse weights": lambda: of.sparse_softmax_cross_entropy(classes, X, weights),
        "mse": lambda: of.mean_squared_error(Y, X),
        "mse weights": lambda: of.mean_squared_error(Y, X, weights[:, None]),
        "mse half": lambda: of.mean_squared_error(Y, X, 0.5),
        "mse sum": lambda: of.mean_squared_error(Y, X, reduction=of.Reduction.SUM),
        "sigmoid": lambda: of.sigmoid_cross_entropy(Y, X),
        "absolute": lambda: of.absolute_difference(Y, X),
        "log": lambda: of.log_loss(Y, chances),
        "huber": lambda: of.huber_loss(Y, X),
        "hinge": lambda: of.hinge_loss(Y, X),
    }


# What goes wrong first -----------------------------------------------------------------------


def line() -> tuple[Any, Any, Any]:
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    w = tf.Variable([[1.0], [2.0]], name="w")
    return x, w, tf.matmul(x, w, name="y")


def test_an_uninitialised_variable_names_what_initialises_it():
    x, _, y = line()
    tf.global_variables_initializer()
    with tf.Session() as sess, pytest.raises(tf.errors.FailedPreconditionError) as raised:
        sess.run(y, {x: [[1.0, 2.0]]})
    text = str(raised.value)
    assert "variable 'w' has no value in this session yet" in text
    assert "needed by  w -> y" in text
    assert (
        "sess.run(tf.global_variables_initializer()) first; in this graph there is 'init'" in text
    )


@pytest.mark.parametrize(
    ("feeds", "kind", "words"),
    [
        ({}, "InvalidArgumentError", ["placeholder 'x' is not fed", "float32 (None, 2)"]),
        ({"x:0": [[1.0, 2.0, 3.0]]}, ValueError, ["(1, 3)", "(None, 2)", "x:0"]),
        ({"x:0": [1.0, 2.0]}, ValueError, ["(2,)", "expected 2 dimensions, got 1"]),
        ({"x:0": [[1.0], [2.0, 3.0]]}, ValueError, ["parts have different lengths"]),
        ({"x:0": "hello"}, TypeError, ["x:0 is str 'hello'"]),
        ({"x": [[1.0, 2.0]]}, TypeError, ["'x' is that of an operation", '"x:0"']),
        ({"q:0": 1.0}, TypeError, ["'q:0' refers to a tensor that does not exist"]),
        ({3: 1.0}, TypeError, ["a key is int 3"]),
        ([1.0], TypeError, ["expected a dict, got list"]),
    ],
    ids=["missing", "size", "rank", "ragged", "str", "operation", "no name", "int", "no dict"],
)
def test_a_wrong_feed_names_the_placeholder_and_its_shape(feeds, kind, words):
    _, _, y = line()
    kind = getattr(tf.errors, kind) if isinstance(kind, str) else kind
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        with pytest.raises(kind) as raised:
            sess.run(y, feeds)
    assert all(word in str(raised.value) for word in words), str(raised.value)


def test_numbers_that_a_placeholder_cannot_hold_are_refused():
    n = tf.placeholder(tf.int32, [], name="n")
    with tf.Session() as sess:
        assert sess.run(n, {n: np.int64(4)}) == 4
        with pytest.raises(tf.errors.InvalidArgumentError, match="n:0 has a dtype that does not"):
            sess.run(n, {n: 1.5})
        x = tf.placeholder(tf.float32, [2])
        assert sess.run(x, {x: np.ones(2)}).dtype == np.float32
        with pytest.raises(TypeError, match="a value is a tensor of a graph"):
            sess.run(x, {x: tf.ones([2])})


@pytest.mark.parametrize(
    ("fetch", "kind", "words"),
    [
        (None, TypeError, "cannot fetch None"),
        ([None], TypeError, r"run\(fetches\[0\]\): cannot fetch None"),
        (3, TypeError, "cannot fetch int 3"),
        ("nope:0", ValueError, "tensor that does not exist"),
        ("nope", ValueError, "operation that is not in the graph"),
    ],
)
def test_a_fetch_that_stands_for_nothing(fetch, kind, words):
    line()
    with tf.Session() as sess, pytest.raises(kind, match=words):
        sess.run(fetch)


def test_a_closed_session_and_a_tensor_of_another_graph():
    x, _, y = line()
    with tf.Graph().as_default():
        other = tf.constant(1.0, name="q")
        with pytest.raises(ValueError, match="must be from the same graph as the rest"):
            other + y
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        with pytest.raises(ValueError, match="'q:0' is not an element of the session's graph"):
            sess.run(other)
    with pytest.raises(RuntimeError, match="the session is closed"):
        sess.run(y, {x: [[1.0, 2.0]]})
    with pytest.raises(ValueError, match="there is no session"):
        y.eval()


def test_graph_and_eager_tensors_are_not_mixed():
    _, _, y = line()
    for eager in (tf2.constant([[1.0]]), lab.ones(1, 1)):
        with pytest.raises(TypeError, match="an eager tensor among the tensors of a graph"):
            y + eager
        with pytest.raises(TypeError, match="an eager tensor among the tensors of a graph"):
            tf.matmul(y, eager)
        with pytest.raises(TypeError, match=r"y:0 is a tensor of a graph|is not a tensor"):
            eager + y
    for maker in (lab.tensor, tf2.constant):
        with pytest.raises(TypeError, match="y:0 is a tensor of a graph, and was given where"):
            maker(y)
    with pytest.raises(NotImplementedError, match="y:0 cannot become a NumPy array"):
        np.array(y)


@pytest.mark.parametrize(
    ("use", "kind", "words"),
    [
        (lambda y: bool(y), TypeError, "a tensor as a Python bool"),
        (lambda y: [*y], TypeError, "a loop over a tensor"),
        (lambda y: float(y), TypeError, "a tensor as a float"),
        (lambda y: len(y), TypeError, "x.shape"),
        (lambda y: y.numpy(), AttributeError, r"sess.run\('y:0'\)"),
        (lambda y: np.sin(y), NotImplementedError, "functions of tf in place of np"),
        (lambda y: y + None, TypeError, "a tensor and NoneType"),
        (lambda y: y[: tf.constant(1)], TypeError, "a slice whose bounds are tensors"),
    ],
)
def test_a_value_is_asked_for_while_the_graph_is_built(use, kind, words):
    _, _, y = line()
    with pytest.raises(kind, match=words):
        use(y)


def test_shapes_and_dtypes_are_checked_while_the_graph_is_built():
    x, w, _ = line()
    with pytest.raises(ValueError, match="inner sizes differ"):
        tf.matmul(x, tf.zeros([3, 1]))
    with pytest.raises(TypeError, match="the dtypes differ"):
        tf.zeros([3]) + tf.zeros([3], tf.int32)
    with pytest.raises(ValueError, match="does not fit into w:0"):
        w.assign([1.0, 2.0])
    with pytest.raises(ValueError, match="labels have 2 dimensions, logits 2"):
        tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.zeros([3, 4], tf.int32), logits=tf.zeros([3, 4])
        )
    with pytest.raises(TypeError, match="labels are float32"):
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.zeros([3]), logits=tf.ones([3, 4]))
    with pytest.raises(ValueError, match="both by name"):
        tf.nn.softmax_cross_entropy_with_logits(x, x)
    with pytest.raises(ValueError, match="last size of the inputs is not known"):
        tf.layers.dense(tf.placeholder(tf.float32, [None, None]), 3)
    with pytest.raises(ValueError, match="a placeholder without a shape goes through ops on"):
        tf.matmul(tf.placeholder(tf.float32), tf.zeros([3, 1]))
    with pytest.raises(ValueError, match="no name for an operation"):
        tf.constant(1.0, name="bad name")


def test_variables_that_are_shared_or_not():
    tf.get_variable("v", [1])
    with pytest.raises(ValueError, match="variable 'v' already exists"):
        tf.get_variable("v", [1])
    with (
        tf.variable_scope("foo", reuse=True),
        pytest.raises(ValueError, match="'foo/v' does not exist"),
    ):
        tf.get_variable("v", [1])
    with tf.variable_scope("foo"):
        tf.get_variable("v", [1])
    with (
        tf.variable_scope("foo", reuse=True),
        pytest.raises(ValueError, match="is shared, and has another shape"),
    ):
        tf.get_variable("v", [2])
    with pytest.raises(ValueError, match="no variable has a gradient"):
        tf.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0))


# Files ---------------------------------------------------------------------------------------


def test_a_saver_writes_variables_and_reads_them_back(tmp_path: Path) -> None:
    w, step = tf.Variable([1.0, 2.0], name="w"), tf.train.get_or_create_global_step()
    more = w.assign_add([1.0, 1.0])
    saver = tf.train.Saver(max_to_keep=2)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for n in range(3):
            sess.run(more)
            path = saver.save(sess, tmp_path / "model.ckpt", global_step=n)
    assert path == str(tmp_path / "model.ckpt-2")
    assert sorted(p.name for p in tmp_path.glob("*.safetensors")) == [
        "model.ckpt-1.safetensors", "model.ckpt-2.safetensors",
    ]  # fmt: skip
    assert tf.train.latest_checkpoint(tmp_path) == path
    with tf.Session() as sess:
        saver.restore(sess, path)
        assert sess.run(w).tolist() == [4.0, 5.0]
        assert sess.run(step) == 0
        with pytest.raises(ValueError, match="is no checkpoint"):
            saver.restore(sess, tmp_path / "other")
    with tf.Graph().as_default(), pytest.raises(ValueError, match="no variables to save"):
        tf.train.Saver()


# A program is as fast as its plan --------------------------------------------------------------


def test_a_call_that_was_seen_before_goes_straight_to_its_plan():
    x, y = tf.placeholder(tf.float32, [None, 1]), tf.placeholder(tf.float32, [None, 1])
    loss = tf.losses.mean_squared_error(y, tf.layers.dense(x, 1))
    step = tf.train.AdamOptimizer(0.1).minimize(loss)
    rng = np.random.default_rng(0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        fetches = [step, loss]
        for _ in range(4):
            values = rng.normal(size=(8, 1))  # float64: converted on the way
            sess.run(fetches, {x: values, y: values})
        (quick,) = sess._quick[tuple(map(id, fetches))]
        seen: list[Any] = []
        before, sess._prepare = sess._prepare, lambda *call: seen.append(call)
        _, found = sess.run(fetches, {x: values, y: values})
        sess._prepare = before
        assert seen == []
        assert found < 10.0
        assert len(quick.entries) == 1
        with pytest.raises(ValueError, match="has another shape"):
            sess.run(fetches, {x: values[:, 0], y: values})


def test_the_module_says_what_it_does_not_have():
    with pytest.raises(AttributeError, match=r"import minitorch_lab\.tf as tf"):
        tf.GradientTape  # noqa: B018
    assert tf.executing_eagerly() is False
    tf.disable_v2_behavior()
    assert "minitorch_lab.tf.compat.v1" in sys.modules


def test_the_page_says_what_happens() -> None:
    page = Path(__file__).parents[1] / "docs" / "compat-v1.md"
    result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert (result.failed, result.attempted > 15) == (0, True)


def test_shapes_of_the_run_are_used_as_shapes():
    x = tf.placeholder(tf.float32, [None, 2, 3], name="x")
    size = tf.shape(x)
    flat = tf.reshape(x, [size[0], 6])
    zeros = tf.zeros([tf.shape(x)[0], 4])
    noise = tf.random_normal(tf.shape(x))
    assert [str(t.shape) for t in (flat, zeros, noise)] == [
        "(None, 6)",
        "(None, 4)",
        "(None, 2, 3)",
    ]
    with tf.Session() as sess:
        for n in (2, 5):
            found = sess.run([flat, zeros, noise, size, size[0] * 2], {x: np.ones((n, 2, 3))})
            assert [a.shape for a in found[:3]] == [(n, 6), (n, 4), (n, 2, 3)]
            assert (found[3].tolist(), found[4]) == ([n, 2, 3], 2 * n)


def test_random_numbers_are_others_in_each_run():
    drawn = [
        tf.random_normal([8]), tf.random_uniform([8]), tf.truncated_normal([8]),
        tf.random_shuffle(np.arange(8)), tf.nn.dropout(tf.ones([64]), rate=0.5),
    ]  # fmt: skip
    v = tf.get_variable("v", [8])
    init = tf.global_variables_initializer()
    with tf.Session() as sess:
        one, other = sess.run(drawn), sess.run(drawn)
        sess.run(init)
        first = sess.run(v)
        sess.run(init)
        one, other = [*one, first], [*other, sess.run(v)]
    for a, b in zip(one, other, strict=True):
        assert (a != b).any()
    assert sorted(one[3]) == list(range(8))
    assert np.abs(one[2]).max() < 2
    assert set(one[4].tolist()) == {0.0, 2.0}


def test_a_graph_and_a_run_of_it_are_one_picture() -> None:
    """A name of a learner's adds no op: neither where the graph is shown nor where a run is."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        y = tf.tanh(tf.matmul(x, tf.ones([3, 2]), name="y") + 1.0, name="z")
        loss = tf.reduce_mean(tf.square(y, name="squares"), name="loss")
    session = tf.Session(graph=graph)
    built = lab.explore(graph).text()
    ran = lab.explore(session, loss, {x: np.ones((4, 3), "float32")}).text()
    ops = [re.findall(r"op (\w+)|output (\w+)", text) for text in (built, ran)]
    assert ops[0] == ops[1]
    assert [a or b for a, b in ops[0]] == ["matmul", "add", "tanh", "square", "mean"]
