"""Programs in the style of TensorFlow 1, run as they are written: what they print and learn."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
import minitorch_lab.tf.compat.v1 as tf


@pytest.fixture(autouse=True)
def _fresh() -> None:
    lab.manual_seed(0)
    tf.reset_default_graph()


# The articles ----------------------------------------------------------------------------------

# Article S3, lines 44 to 55; of its lines only the import is another one.
C3A = """\
import minitorch_lab.tf.compat.v1 as tf
# Create a TensorFlow session
sess = tf.Session()
# Define a simple neural network
x = tf.placeholder(tf.float32, shape=[None, 784])
y = tf.layers.dense(x, units=10, activation=tf.nn.softmax)
# Compile the model
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=y))
optimizer = tf.train.AdamOptimizer(learning_rate=0.001).minimize(loss)
# Train the model
for i in range(1000):
    sess.run(optimizer, feed_dict={x: mnist.train.images, y: mnist.train.labels})
"""


def pictures(n: int = 100) -> Any:
    rng = np.random.default_rng(0)
    images = rng.random((n, 784)).astype("float32")
    labels = np.eye(10, dtype="float32")[rng.integers(0, 10, n)]
    return SimpleNamespace(train=SimpleNamespace(images=images, labels=labels))


def test_c3a_lacks_its_data_and_then_its_variables() -> None:
    with pytest.raises(NameError, match="mnist"):
        exec(C3A, {})  # noqa: S102
    with pytest.raises(tf.errors.FailedPreconditionError) as raised:
        exec(C3A, {"mnist": pictures()})  # noqa: S102
    assert "variable 'dense/kernel' has no value" in str(raised.value)
    assert "sess.run(tf.global_variables_initializer())" in str(raised.value)


def initialised(steps: int) -> str:
    """The program with its variables initialised, and fewer steps."""
    lines = C3A.replace("range(1000)", f"range({steps})")
    return lines.replace(
        "# Train", "sess.run(tf.global_variables_initializer())\nfirst = sess.run(w())\n# Train"
    ).replace("# Compile", "w = lambda: tf.trainable_variables()[0]\n# Compile")


def test_c3a_trains_nothing_for_labels_are_fed_into_the_output() -> None:
    names: dict[str, Any] = {"mnist": pictures()}
    exec(initialised(20), names)  # noqa: S102
    sess, data = names["sess"], names["mnist"].train
    fed = {names["x"]: data.images, names["y"]: data.labels}
    assert sess.run(names["loss"], fed) == pytest.approx(math.log(math.e + 9) - 1, abs=1e-5)
    (slope,) = tf.gradients(names["loss"], names["w"]())
    assert np.abs(sess.run(slope, fed)).max() == 0.0
    np.testing.assert_array_equal(sess.run(names["w"]()), names["first"])


def test_c3a_becomes_sure_of_itself_where_the_output_is_not_fed() -> None:
    names: dict[str, Any] = {"mnist": pictures()}
    exec(initialised(600).replace(", y: mnist.train.labels", ""), names)  # noqa: S102
    sess, data = names["sess"], names["mnist"].train
    fed = {names["x"]: data.images}
    assert sess.run(names["loss"], fed) == pytest.approx(1.4612, abs=1e-4)
    found = sess.run(names["y"], fed)
    assert found.max(1).mean() > 0.999
    assert (
        found.argmax(1) == data.labels.argmax(1)
    ).mean() < 0.3  # sure, and no better than chance


def test_c4a_in_a_session() -> None:
    a = tf.constant(2.0, name="a")
    b = tf.constant(3.0, name="b")
    c = tf.add(a, b, name="c")
    assert [str(t) for t in (a, b, c)] == [
        f'Tensor("{name}:0", shape=(), dtype=float32)' for name in "abc"
    ]
    with tf.Session() as sess:
        assert sess.run(c) == 5.0


# Programs of the time ---------------------------------------------------------------------------


def test_linear_regression_one_example_at_a_time() -> None:
    rng = np.random.default_rng(0)
    train_x = rng.uniform(0, 5, 20)
    train_y = 1.5 * train_x - 0.5 + rng.normal(0, 0.05, 20)
    X, Y = tf.placeholder("float"), tf.placeholder("float")  # no shapes, as it was done
    W = tf.Variable(rng.normal(), name="weight")
    b = tf.Variable(rng.normal(), name="bias")
    prediction = tf.add(tf.multiply(X, W), b)
    cost = tf.reduce_sum(tf.pow(prediction - Y, 2)) / (2 * len(train_x))
    optimizer = tf.train.GradientDescentOptimizer(0.05).minimize(cost)
    init = tf.global_variables_initializer()
    with tf.Session() as sess:
        sess.run(init)
        before = sess.run(cost, feed_dict={X: train_x, Y: train_y})
        for _ in range(600):
            for x, y in zip(train_x, train_y, strict=True):
                sess.run(optimizer, feed_dict={X: x, Y: y})
        after = sess.run(cost, feed_dict={X: train_x, Y: train_y})
        assert after < 0.002 < before
        assert sess.run(W) == pytest.approx(1.5, abs=0.05)
        assert sess.run(b) == pytest.approx(-0.5, abs=0.15)


def blobs(n: int, classes: int = 3) -> tuple[Any, Any]:
    """Points around some middles, and the number of the middle of each."""
    rng = np.random.default_rng(1)
    middles = np.array([[0.0, 2.0], [-2.0, -1.0], [2.0, -1.0]])[:classes]
    labels = rng.integers(0, classes, n)
    return (middles[labels] + rng.normal(0, 0.6, (n, 2))).astype("float32"), labels


def test_logistic_regression_with_batches_of_one_hot_labels() -> None:
    points, numbers = blobs(300)
    labels = np.eye(3, dtype="float32")[numbers]
    x = tf.placeholder(tf.float32, [None, 2])
    y = tf.placeholder(tf.float32, [None, 3])
    W, b = tf.Variable(tf.zeros([2, 3])), tf.Variable(tf.zeros([3]))
    prediction = tf.nn.softmax(tf.matmul(x, W) + b)
    cost = tf.reduce_mean(-tf.reduce_sum(y * tf.log(prediction), axis=1))
    optimizer = tf.train.GradientDescentOptimizer(0.5).minimize(cost)
    correct = tf.equal(tf.argmax(prediction, 1), tf.argmax(y, 1))
    accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(cost, {x: points, y: labels}) == pytest.approx(math.log(3))
        for _ in range(10):
            for i in range(0, 300, 50):
                batch = {x: points[i : i + 50], y: labels[i : i + 50]}
                _, c = sess.run([optimizer, cost], feed_dict=batch)
        assert c < 0.2
        assert accuracy.eval({x: points, y: labels}) > 0.95


def test_a_network_of_layers_with_dropout_and_a_rate_that_falls() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (200, 2)).astype("float32")
    labels = (points[:, 0] * points[:, 1] > 0).astype("int64")  # no line divides them
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    y = tf.placeholder(tf.int64, [None], name="y")
    training = tf.placeholder(tf.bool)
    hidden = tf.layers.dense(x, 32, activation=tf.nn.relu, name="hidden")
    hidden = tf.layers.dropout(hidden, rate=0.05, training=training)
    logits = tf.layers.dense(hidden, 2, name="logits")
    loss = tf.losses.sparse_softmax_cross_entropy(labels=y, logits=logits)
    step = tf.train.get_or_create_global_step()
    rate = tf.train.exponential_decay(0.05, step, 50, 0.8, staircase=True)
    train = tf.train.AdamOptimizer(rate).minimize(loss, global_step=step)
    right = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), y), tf.float32))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(200):
            sess.run(train, {x: points, y: labels, training: True})
        assert sess.run(step) == 200
        assert sess.run(rate) == pytest.approx(0.05 * 0.8**4)
        assert sess.run(right, {x: points, y: labels, training: False}) > 0.95
    assert [v.name for v in tf.trainable_variables()] == [
        "hidden/kernel:0", "hidden/bias:0", "logits/kernel:0", "logits/bias:0",
    ]  # fmt: skip


def bars(n: int) -> tuple[Any, Any]:
    """Pictures of a lying or a standing bar in noise."""
    rng = np.random.default_rng(0)
    images = rng.normal(0, 0.3, (n, 8, 8)).astype("float32")
    labels = rng.integers(0, 2, n)
    for image, standing, at in zip(images, labels, rng.integers(0, 8, n), strict=True):
        (image.T if standing else image)[at] += 1.0
    return images.reshape(n, 64), labels


def test_a_convnet_with_batch_normalisation() -> None:
    images, labels = bars(120)
    x = tf.placeholder(tf.float32, [None, 64])
    y = tf.placeholder(tf.int32, [None])
    training = tf.placeholder_with_default(False, [], name="training")

    def model(x: Any, training: Any, reuse: Any) -> Any:
        with tf.variable_scope("net", reuse=reuse):
            h = tf.reshape(x, [-1, 8, 8, 1])
            h = tf.layers.conv2d(h, 4, 3, padding="same", name="conv")
            h = tf.layers.batch_normalization(h, training=training, momentum=0.9, name="norm")
            h = tf.layers.max_pooling2d(tf.nn.relu(h), 2, 2)
            return tf.layers.dense(tf.layers.flatten(h), 2, name="out")

    logits = model(x, training, reuse=None)
    again = model(x, False, reuse=True)
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits), name="loss"
    )
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train = tf.train.AdamOptimizer(0.02).minimize(loss)
    assert len(tf.trainable_variables()) == 6
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(12):
            for i in range(0, 100, 25):
                batch = {x: images[i : i + 25], y: labels[i : i + 25], training: True}
                sess.run(train, feed_dict=batch)
        tested = {x: images[100:], y: labels[100:]}
        found, same = sess.run([logits, again], tested)
        np.testing.assert_array_equal(found, same)
        assert (found.argmax(1) == labels[100:]).mean() > 0.9
        moved = sess.run("net/norm/moving_variance:0")
        assert (moved != 1.0).all()


def test_a_network_by_hand_with_gradients_that_are_clipped() -> None:
    points, numbers = blobs(200)
    x, y = tf.placeholder(tf.float32, [None, 2]), tf.placeholder(tf.int64, [None])
    h = x
    for i, (n, m) in enumerate([(2, 16), (16, 3)]):
        with tf.variable_scope(f"layer{i}"):
            w = tf.get_variable(
                "w", [n, m], initializer=tf.truncated_normal_initializer(stddev=0.5)
            )
            b = tf.get_variable("b", [m], initializer=tf.zeros_initializer())
            h = tf.nn.xw_plus_b(h, w, b)
            h = tf.nn.tanh(h) if i == 0 else h
    loss = tf.losses.softmax_cross_entropy(tf.one_hot(y, 3), h)
    total = loss + 1e-4 * tf.add_n([tf.nn.l2_loss(v) for v in tf.trainable_variables()])
    optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
    pairs = optimizer.compute_gradients(total)
    clipped = [(tf.clip_by_value(g, -0.1, 0.1), v) for g, v in pairs]
    train = optimizer.apply_gradients(clipped)
    sess = tf.InteractiveSession()
    try:
        tf.global_variables_initializer().run()
        before = loss.eval({x: points, y: numbers})
        for _ in range(100):
            train.run({x: points, y: numbers})
        assert loss.eval({x: points, y: numbers}) < 0.1 < before
        assert optimizer.get_slot(tf.trainable_variables()[0], "momentum") is not None
    finally:
        sess.close()
