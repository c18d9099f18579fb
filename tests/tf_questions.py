# ruff: noqa: E501
"""Questions to TensorFlow: lines of code that run on TensorFlow and on this library's ``tf``.

``python tests/tf_questions.py``, where TensorFlow is installed, writes down what TensorFlow answers,
in ``tests/tf_answers.json``; the tests compare with that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RECORDED = Path(__file__).parent / "tf_answers.json"
RNG = np.random.default_rng(5)


def names(tf: Any) -> dict[str, Any]:
    """What the lines may use."""
    c = tf.constant
    return {
        "tf": tf, "np": np, "c": c, "D": tf.data.Dataset, "x": c([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        "A": c([[4.0, 1.0], [1.0, 3.0]]), "i": c([3, 1, 2]), "t": c([True, False, True]),
        "pictures": c(np.arange(180, dtype="f4").reshape(2, 5, 6, 3) % 7 - 3),
        "kernel": c(np.arange(72, dtype="f4").reshape(3, 2, 3, 4) % 5 - 2),
        "rows": np.arange(10, dtype="f4").reshape(5, 2), "numbers": np.arange(5),
    }  # fmt: skip


# Lines whose result prints as TensorFlow's, to the letter.
PRINTED = """
c(2.0) | c([[1, 2], [3, 4]]) | c([1.0, 2.0]) | c(True) | c(1).shape | c([[1, 2]]).shape | c(1).dtype
str(c(2.0)) | str(c(1).dtype) | str(c([[1.0, 2.0], [3.0, 4.0]])) | str(c([[1, 2]]).shape)
str(c([1, 2, 3])) | str(c(0.1)) | str(c(1e-8)) | str(c(True)) | f'{c(2.0)}' | f'{c(2.0):.2f}'
tf.TensorShape([None, 3]) | str(tf.TensorShape([None, 3])) | tf.Variable(2.0) | str(tf.Variable(2.0))
tf.Variable([1.0, 2.0], name='w') | tf.Variable(2.0, name='z').name | tf.Variable(1.0).name
tf.float32 | str(tf.float32) | tf.as_dtype('float32') | tf.float32 == 'float32' | tf.bool
c(1.0).dtype == np.float32 | c(2.0).device | c(2.0).numpy() | c([1.5]).numpy() | float(c(2.5))
c([1, 2, 3]) / 2 | c([1, 2]) // 2 | c(1) < 2 | c([1, 2]) == c([1, 3]) | c(2) ** 3 | -c(2) | ~c(True)
c(1.0) + 1 | c([1.0]) + np.array([1.0]) | np.array([1.0]) + c([1.0]) | c([1]) + np.array([1])
c([1, 2, 3])[0] | c([1, 2, 3])[1:] | [v for v in c([1, 2])] | len(c([1, 2])) | x[::-1] | x[:, ::-2]
x[0] | x[:, 1] | x[..., tf.newaxis].shape | x[c(1)] | x[x > 2] | x[1, 2] | x[-1]
tf.Variable(2.0) * 3 | tf.Variable(2.0).read_value() | tf.Variable([1, 2])[0] | tf.is_tensor(1)
c([1, 2]) == c([1, 2, 3]) | c([1, 2]) != None | c(1) == None | int(c(3)) | range(c(3)) | bool(c(1))
c([1, 2], dtype=tf.float32) | c([1, 2, 3, 4], shape=[2, 2]) | c(0, shape=[2, 2]) | c(2.0, tf.float64)
tf.convert_to_tensor(np.array([1.0])) | tf.convert_to_tensor([1, 2.0]) | c(c(1.0)) | c(2**31)
tf.zeros([2, 3]) | tf.zeros(3) | tf.ones([2], tf.int32) | tf.fill([2], 3) | tf.eye(2) | tf.range(5)
tf.range(0, 1, 0.25) | tf.range(1, 7, delta=2) | tf.linspace(0.0, 1.0, 5) | tf.shape(x) | tf.size(x)
tf.rank(x) | tf.shape(x)[0] | tf.shape(x)[0] * 2 | tf.zeros_like(i) | tf.ones_like(x)
tf.argmax(c([1, 3, 2])) | tf.reduce_mean(c([1, 2, 4])) | tf.add(1, 2) | tf.cast(c(1.7), tf.int32)
tf.cast(c(-1.7), 'int64') | tf.one_hot([0, 1], 3) | tf.where(t) | tf.where(t, 1, 2) | tf.unique(i)
tf.nn.top_k(c([1.0, 3.0, 2.0]), 2) | np.mean(c([1.0, 2.0])) | np.sum(c([1, 2])) | np.exp(c(0.0))
tf.TensorSpec([None, 2], tf.float32) | D.range(5).batch(2) | D.from_tensor_slices((rows, numbers))
D.from_tensor_slices({'a': rows}) | D.range(3).map(lambda v: tf.cast(v, tf.float32)).prefetch(1)
D.range(4).batch(2, drop_remainder=True).map(lambda v: v + 1) | D.range(3).shuffle(2).repeat()
D.range(3).cardinality() | D.range(3).filter(lambda v: v > 1).cardinality() | D.zip((D.range(2),) * 2)
"""

# Lines whose result has TensorFlow's dtype, shape and numbers.
NUMBERS = """
tf.reduce_sum(x) | tf.reduce_sum(x, axis=1, keepdims=True) | tf.reduce_sum(i) | tf.reduce_mean(x, 0)
tf.reduce_max(x, axis=-1) | tf.reduce_min(x, [0, 1]) | tf.reduce_prod(c([[1, 2], [3, 4]]), axis=[0, 1])
tf.reduce_all(x > 0) | tf.reduce_any(x > 5, axis=1) | tf.reduce_logsumexp(x) | tf.reduce_mean(x, ())
tf.math.reduce_variance(x) | tf.math.reduce_std(x, 0) | tf.math.reduce_euclidean_norm(x, 1)
tf.math.count_nonzero(c([0, 1, 2])) | tf.cumsum(i) | tf.cumsum(i, exclusive=True, reverse=True)
tf.math.cumprod(x, 1) | tf.argmin(x, 1) | tf.argmax(x, 1, output_type=tf.int32) | tf.abs(c([-1, 2]))
tf.exp(x) | tf.math.log(x) | tf.math.log1p(x) | tf.sqrt(x) | tf.math.rsqrt(x) | tf.square(i)
tf.sin(x) | tf.cos(x) | tf.tanh(x) | tf.sigmoid(x) | tf.sign(c([-2.0, 0.0, 3.0])) | tf.round(c([0.5, 1.5]))
tf.floor(c([-1.5])) | tf.math.ceil(c([-1.5])) | tf.math.erf(x) | tf.math.softplus(x) | tf.math.log_sigmoid(x)
tf.maximum(x, 3.0) | tf.minimum(i, 2) | tf.clip_by_value(x, 2, 4) | tf.pow(x, 2.0) | tf.multiply(x, x)
tf.math.floormod(-5, 3) | tf.math.floordiv(-5, 3) | tf.math.squared_difference(x, 1.0) | tf.divide(i, 2)
tf.math.divide_no_nan(c([1.0, 2.0]), c([0.0, 2.0])) | tf.add_n([x, x, x]) | tf.math.is_nan(c([np.nan, 1.0]))
tf.logical_and(t, [True, True, False]) | tf.not_equal(i, 3) | tf.greater_equal(x, 3.0) | tf.negative(i)
tf.reshape(x, [3, -1]) | tf.transpose(x) | tf.transpose(pictures, [0, 3, 1, 2]) | tf.expand_dims(x, 1)
tf.squeeze(c([[[1], [2]]])) | tf.squeeze(c([[[1], [2]]]), 2) | tf.concat([x, x], 1) | tf.stack([x, x], 1)
tf.unstack(x, axis=1) | tf.split(x, 3, axis=1) | tf.split(x, [1, 2], axis=1) | tf.tile(x, [1, 2])
tf.pad(x, [[1, 0], [0, 1]]) | tf.pad(x, [[0, 0], [1, 1]], 'REFLECT') | tf.pad(x, [[1, 1], [0, 0]], 'SYMMETRIC')
tf.pad(x, [[0, 1], [0, 0]], constant_values=9) | tf.gather(x, [1, 0]) | tf.gather(x, [[0, 2]], axis=1)
tf.gather(x, [0, 1], batch_dims=1, axis=1) | tf.gather_nd(x, [[0, 1], [1, 2]]) | tf.gather_nd(x, [[1]])
tf.one_hot([0, -1, 2], 3, on_value=5, off_value=1) | tf.one_hot([0, 1], 2, axis=0) | tf.boolean_mask(x, [True, False])
tf.sort(i) | tf.argsort(i, direction='DESCENDING') | tf.reverse(x, [1]) | tf.roll(i, 1, 0) | tf.repeat(i, 2)
tf.broadcast_to(i, [2, 3]) | tf.meshgrid([1, 2], [3, 4, 5]) | tf.sequence_mask([1, 3], 4) | tf.slice(x, [0, 1], [2, -1])
tf.searchsorted(c([1, 3, 5]), c([2, 5])) | tf.scatter_nd([[1], [3]], c([5.0, 6.0]), [4])
tf.tensor_scatter_nd_update(i, [[1]], [9]) | tf.tensor_scatter_nd_add(i, [[1], [1]], [9, 1]) | tf.identity(x)
tf.clip_by_norm(c([3.0, 4.0]), 1.0) | tf.clip_by_global_norm([c([3.0, 4.0])], 1.0) | tf.linalg.global_norm([x, x])
tf.matmul(x, x, transpose_b=True) | x @ tf.transpose(x) | tf.tensordot(x, A, [[0], [0]]) | tf.einsum('ij,kj->ik', x, x)
tf.linalg.inv(A) | tf.linalg.det(A) | tf.linalg.solve(A, c([[1.0], [2.0]])) | tf.linalg.cholesky(A) | tf.norm(x)
tf.norm(x, axis=1) | tf.norm(x, ord=1, axis=0) | tf.norm(x, ord=np.inf) | tf.linalg.trace(A) | tf.linalg.diag(c([1.0, 2.0]))
tf.linalg.diag_part(A) | tf.linalg.band_part(tf.ones([3, 3]), -1, 0) | tf.linalg.matvec(A, c([1.0, 2.0])) | tf.linalg.slogdet(A)
tf.nn.relu(x - 3) | tf.nn.relu6(x * 3) | tf.nn.elu(x - 3) | tf.nn.selu(x - 3) | tf.nn.leaky_relu(x - 3) | tf.nn.gelu(x - 3)
tf.nn.gelu(x - 3, approximate=True) | tf.nn.silu(x) | tf.nn.softsign(x) | tf.nn.softmax(x) | tf.nn.softmax(x, axis=0)
tf.nn.log_softmax(x) | tf.nn.sigmoid_cross_entropy_with_logits(labels=c([0.0, 1.0]), logits=c([2.0, -3.0]))
tf.nn.softmax_cross_entropy_with_logits(labels=c([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]), logits=x)
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=c([0, 2]), logits=x) | tf.nn.l2_loss(x) | tf.nn.l2_normalize(x, 1)
tf.nn.conv2d(pictures, kernel, 1, 'SAME') | tf.nn.conv2d(pictures, kernel, [1, 2, 2, 1], 'VALID')
tf.nn.conv2d(pictures, kernel, 2, 'SAME') | tf.nn.conv2d(pictures, kernel, 1, [[0, 0], [1, 1], [1, 0], [0, 0]])
tf.nn.max_pool2d(pictures, 2, 2, 'VALID') | tf.nn.max_pool2d(pictures, [1, 2, 3, 1], [1, 2, 2, 1], 'SAME')
tf.nn.avg_pool2d(pictures, 3, 2, 'SAME') | tf.nn.moments(pictures, [0, 1, 2]) | tf.nn.bias_add(x, c([1.0, 2.0, 3.0]))
tf.nn.embedding_lookup(x, [1, 0, 1]) | tf.nn.batch_normalization(x, 1.0, 2.0, None, None, 1e-3) | tf.nn.zero_fraction(i)
tf.math.confusion_matrix([0, 1, 1], [0, 1, 0]) | tf.math.in_top_k([0], [[0.1, 0.9]], 1) | tf.math.polyval([1.0, 2.0], 3.0)
tf.map_fn(lambda v: v * 2, x) | tf.cond(c(1) > 0, lambda: 1, lambda: 2) | tf.switch_case(c(1), [lambda: 10, lambda: 20])
tf.while_loop(lambda n: n < 10, lambda n: [n * 2], [c(1)]) | tf.case([(c(False), lambda: 1)], default=lambda: 2)
list(D.from_tensor_slices(numbers).map(lambda v: v * 2)) | list(D.range(5).batch(2)) | list(D.range(3).repeat(2))
list(D.from_tensor_slices((rows, numbers)).batch(2).map(lambda a, b: (a + 1, b))) | list(D.range(5).take(2))
list(D.range(5).skip(3)) | list(D.range(2, 10, 3)) | list(D.zip((D.range(3), D.range(3, 6)))) | list(D.range(3).enumerate())
list(D.range(3).concatenate(D.range(2))) | list(D.range(5).filter(lambda v: v % 2 == 0)) | list(D.range(10).shard(3, 1))
list(D.range(3).interleave(lambda v: D.from_tensors(v).repeat(2), cycle_length=2)) | list(D.range(4).batch(2).unbatch())
list(D.range(4).interleave(lambda v: D.from_tensors(v).repeat(3), cycle_length=2, block_length=2)) | len(D.range(5).batch(2))
list(D.from_generator(lambda: range(3), output_signature=tf.TensorSpec((), tf.int32)).cache()) | list(D.range(0))
list(D.range(3).flat_map(lambda v: D.from_tensors(v).repeat(2))) | D.range(5).reduce(np.int64(0), lambda s, v: s + v)
list(D.from_generator(lambda: ([1] * n for n in (1, 3)), output_signature=tf.TensorSpec((None,), tf.int32)).padded_batch(2))
"""

# Lines that fail; the error's class, or the built-in that it is, is TensorFlow's.
MISTAKES = """
c(1) + c(2.0) | c(1) + 2.0 | tf.add(1, 2.0) | c(2.0) ** c(3) | bool(c([1, 2])) | x[c([0, 1])] | x[5] | len(c(1))
c([1.0]).mean_ | c(1.5, dtype=tf.int32) | tf.convert_to_tensor(c(1), dtype=tf.float32) | c(1.0) + None | c(None)
tf.matmul(x, x) | tf.matmul(c([1.0]), c([1.0])) | c([1, 2]) + c([1, 2, 3]) | tf.reshape(x, [4, 4]) | tf.math.log(c(1))
tf.concat([c([1]), c([2.0])], 0) | tf.gather(i, [0, 5]) | tf.squeeze(x, 0) | tf.equal(c(1), c(1.0)) | tf.sqrt(4)
tf.Variable([1.0]).assign([1.0, 2.0]) | tf.Variable([1.0]) + c(np.array([1.0])) | c([1.0]) @ np.array([[1.0]])
tf.matmul(c([[1.0]]), c(np.array([[1.0]]))) | tf.nn.softmax_cross_entropy_with_logits(labels=c([0, 1]), logits=x)
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=c([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]), logits=x)
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=c([0, 5]), logits=x) | tf.nn.dropout(x, 1.5)
tf.debugging.assert_equal(c(1), c(2)) | tf.debugging.assert_positive(c(-1.0)) | tf.debugging.check_numerics(c(np.nan), 'm')
tf.debugging.assert_rank(x, 1) | tf.debugging.assert_type(i, tf.float32) | tf.debugging.assert_shapes([(x, ('N', 2))])
tf.debugging.assert_near(c(1.0), c(1.1)) | tf.debugging.Assert(c(False), [i]) | len(D.range(3).repeat()) | tf.konstant
D.from_tensor_slices((rows, numbers[:3])) | D.range(5).batch(0) | iter(D.range(0)).get_next() | tf.GradientTape().watch(1.0)
tf.function(lambda v: v.numpy())(c(1.0)) | tf.function(lambda v: tf.Variable(1.0) * v)(c(1.0)) | tf.linalg.inv(tf.zeros([2, 2]))
tf.function(lambda v: v, input_signature=[tf.TensorSpec([2], tf.float32)])(tf.ones([3])) | for_if(tf, c(1.0))
"""

TAPES: dict[str, Callable[[Any], Any]] = {}


def ask(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Add a program; it gets ``tf`` and gives what is compared."""
    TAPES[function.__name__] = function
    return function


def lines(text: str) -> list[str]:
    """The single lines of code in one of the texts."""
    return [part.strip() for line in text.strip().splitlines() for part in line.split(" | ")]


def for_if(tf: Any, x: Any) -> Any:
    """A Python ``if`` on a tensor in a graph, where nothing rewrites it."""
    return tf.function(lambda v: v if bool(v) else -v)(x)


@ask
def unwatched(tf: Any) -> Any:
    x, v = tf.constant(3.0), tf.Variable(2.0)
    with tf.GradientTape(persistent=True) as tape:
        y = x * v
    return tape.gradient(y, x), tape.gradient(y, v)


@ask
def not_accessed(tf: Any) -> Any:
    v = tf.Variable(2.0)
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        y = v * v
        z = y * 2
    return tape.gradient(z, v), tape.gradient(z, y)


@ask
def made_outside(tf: Any) -> Any:
    v = tf.Variable(2.0)
    h = v * 2
    with tf.GradientTape(persistent=True) as tape:
        y = h * v
    return tape.gradient(y, v), tape.gradient(y, h), tape.gradient(h, v)


@ask
def not_trainable(tf: Any) -> Any:
    v = tf.Variable(2.0, trainable=False)
    with tf.GradientTape() as tape:
        y = v * v
    return tape.gradient(y, v)


@ask
def between(tf: Any) -> Any:
    v = tf.Variable(2.0)
    with tf.GradientTape(persistent=True) as tape:
        y = v * v
        z = y * y
    return tape.gradient(z, y), tape.gradient(z, [y, v]), tape.gradient([y, z], {"v": v})


@ask
def sums_in_silence(tf: Any) -> Any:
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
    weights = tf.constant([1.0, 10.0])
    return tape.gradient(y, x), tape.gradient(y, x, output_gradients=weights)


@ask
def unconnected(tf: Any) -> Any:
    v, w = tf.Variable([1.0, 2.0]), tf.Variable([3.0])
    with tf.GradientTape(persistent=True) as tape:
        y = v * 2
    zero = tf.UnconnectedGradients.ZERO
    return tape.gradient(y, [v, w]), tape.gradient(y, [v, w], unconnected_gradients=zero)


@ask
def nested(tf: Any) -> Any:
    v = tf.Variable(2.0)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            y = v**3
        first = inner.gradient(y, v)
    return first, outer.gradient(first, v)


@ask
def two_at_once(tf: Any) -> Any:
    v, w = tf.Variable(2.0), tf.Variable(3.0)
    with tf.GradientTape() as one, tf.GradientTape() as two:
        y = v * w
        z = y * v
    return one.gradient(z, v), two.gradient(y, w)


@ask
def inside_the_block(tf: Any) -> Any:
    v = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        y = v * v
        return tape.gradient(y, v)


@ask
def stopped(tf: Any) -> Any:
    v = tf.Variable(2.0)
    with tf.GradientTape(persistent=True) as tape:
        y = v * v
        with tape.stop_recording():
            z = y * v
        w = tf.stop_gradient(y) * v
    return tape.gradient(z, v), tape.gradient(w, v)


@ask
def jacobians(tf: Any) -> Any:
    w, a = tf.Variable([1.0, 2.0]), tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(a)
        y = tf.stack([w[0] * w[1], w[0] ** 2, w[1]])
        z = a * a
    return tape.jacobian(y, w), tape.batch_jacobian(z, a), tape.jacobian(z, a)


@ask
def hessian(tf: Any) -> Any:
    w = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            y = tf.reduce_sum(w**3) + w[0] * w[1]
        first = inner.gradient(y, w)
    return outer.jacobian(first, w)


@ask
def a_function_in_a_tape(tf: Any) -> Any:
    v = tf.Variable([1.0, 2.0])
    square = tf.function(lambda x: tf.reduce_sum(x * x * v))
    x = tf.constant([3.0, 4.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = square(x)
    return y, tape.gradient(y, [x, v])


@ask
def a_step_as_a_graph(tf: Any) -> Any:
    w, b = tf.Variable([[0.5], [-0.5]]), tf.Variable([0.0])
    x, y = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]), tf.constant([[1.0], [2.0], [3.0]])

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(x @ w + b - y))
        for v, g in zip([w, b], tape.gradient(loss, [w, b]), strict=True):
            v.assign_sub(0.01 * g)
        return loss

    return [step(x, y) for _ in range(3)], w.read_value(), b.read_value()


@ask
def a_gradient_of_ones_own(tf: Any) -> Any:
    @tf.custom_gradient
    def clipped(x: Any) -> Any:
        return x * 1.0, lambda g: tf.clip_by_value(g, -1.0, 1.0)

    x = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = clipped(x) ** 2
    return y, tape.gradient(y, x)


@ask
def a_loop_in_a_graph(tf: Any) -> Any:
    @tf.function
    def total(n: Any) -> Any:
        start = [tf.constant(0), tf.constant(0.0)]
        return tf.while_loop(
            lambda i, s: i < n, lambda i, s: [i + 1, s + tf.cast(i, tf.float32)], start
        )[1]

    return total(tf.constant(5)), total(tf.constant(10)), total.experimental_get_tracing_count()


@ask
def sizes_in_a_graph(tf: Any) -> Any:
    @tf.function
    def halves(x: Any) -> Any:
        n = tf.shape(x)[0]
        return tf.reshape(x, [n * 2, -1]), tf.zeros([n]), tf.range(n)

    return halves(tf.ones([2, 4]))


@ask
def assigned(tf: Any) -> Any:
    v = tf.Variable([1.0, 2.0])
    v.assign([3.0, 4.0])
    v.assign_add([1.0, 1.0])
    v.assign_sub(tf.constant([0.5, 0.5]))
    return v.read_value(), v.shape.as_list(), v.trainable


def plain(value: Any) -> Any:
    """Dtype, shape and entries of tensors; lists for tuples."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "as_list"):
        return [plain(v) for v in value]
    array = np.asarray(value)
    entries = [float(f"{v:.7g}") for v in array.ravel().astype("f8")]
    return [array.dtype.name, [*array.shape], entries]


def kinds(error: BaseException) -> list[str]:
    """The classes that a program may catch the error by."""
    common = {"Exception", "BaseException", "object", "OpError", "LabError"}
    return [c.__name__ for c in type(error).__mro__ if c.__name__ not in common]


def answer(tf: Any) -> dict[str, Any]:
    """What ``tf`` says to all questions."""
    space = names(tf) | {"for_if": for_if}
    found: dict[str, Any] = {"printed": {}, "numbers": {}, "mistakes": {}, "tapes": {}}
    for line in lines(PRINTED):
        found["printed"][line] = repr(eval(line, space))
    for line in lines(NUMBERS):
        found["numbers"][line] = plain(eval(line, space))
    for line in lines(MISTAKES):
        try:
            eval(line, space)
            found["mistakes"][line] = []
        except Exception as error:  # noqa: BLE001  its class is the answer
            found["mistakes"][line] = kinds(error)[:1] + [
                k for k in kinds(error) if k in ("ValueError", "TypeError", "AttributeError")
            ]
    for name, program in TAPES.items():
        found["tapes"][name] = plain(program(tf))
    return found


if __name__ == "__main__":
    import tensorflow

    RECORDED.write_text(json.dumps(answer(tensorflow), indent=1) + "\n", encoding="utf-8")
