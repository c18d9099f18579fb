"""The benchmark's training steps in TensorFlow: gradients and update in one ``tf.function``.

Variables, a ``GradientTape`` and TensorFlow's own update kernels where its arithmetic is the same;
pictures with their channels last. TensorFlow is imported by ``start``, never by importing this
file.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import partial
from typing import Any

Arrays = dict[str, Any]

tf: Any = None  # set by start()


def start() -> None:
    """Import TensorFlow, held to one thread of the processor."""
    global tf
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tf = importlib.import_module("tensorflow")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.set_visible_devices([], "GPU")
    tf.get_logger().setLevel("ERROR")  # one step for each row is no retracing


# Layers ------------------------------------------------------------------------------------


def linear(p: Arrays, name: str, x: Any) -> Any:
    """Weights lie as (inputs, outputs)."""
    w = p[f"{name}.weight"]
    rows = tf.matmul(tf.reshape(x, (-1, w.shape[0])), w)
    return tf.reshape(tf.nn.bias_add(rows, p[f"{name}.bias"]), (*x.shape[:-1], w.shape[1]))


def convolution(p: Arrays, name: str, x: Any, padding: str) -> Any:
    """Pictures ``(N, H, W, C)``, kernels ``(H, W, I, O)``."""
    return tf.nn.bias_add(tf.nn.conv2d(x, p[f"{name}.weight"], 1, padding), p[f"{name}.bias"])


def max_pool(x: Any) -> Any:
    """The largest of each 2 x 2."""
    return tf.nn.max_pool2d(x, 2, 2, "VALID")


def normal(p: Arrays, name: str, x: Any, axis: int) -> tuple[Any, Any, Any]:
    """x with mean 0 and variance 1, times a weight, plus a bias; and what they were."""
    mean, var = tf.nn.moments(x, axis, keepdims=True)
    weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
    return tf.nn.batch_normalization(x, mean, var, bias, weight, 1e-5), mean, var


# Models ------------------------------------------------------------------------------------


def regression(p: Arrays, x: Any) -> Any:
    """One linear layer."""
    return tf.nn.bias_add(tf.matmul(x, p["weight"]), p["bias"])


def mlp(p: Arrays, x: Any) -> Any:
    """Two linear layers."""
    return linear(p, "2", tf.nn.relu(linear(p, "0", x)))


def dropout(p: Arrays, x: Any) -> Any:
    """The same with dropout between them."""
    return linear(p, "3", tf.nn.dropout(tf.nn.relu(linear(p, "0", x)), 0.2))


def norms(p: Arrays, x: Any) -> Any:
    """Batch norm, which keeps running statistics, and layer norm."""
    n = x.shape[0]
    p["1.num_batches_tracked"].assign_add(1)
    h, mean, var = normal(p, "1", linear(p, "0", x), 0)
    for name, now in (("mean", mean[0]), ("var", var[0] * (n / (n - 1)))):
        held = p[f"1.running_{name}"]
        held.assign(0.9 * held + 0.1 * now)
    h = normal(p, "4", linear(p, "3", tf.nn.silu(h)), -1)[0]
    return linear(p, "6", tf.nn.silu(h))


def conv(p: Arrays, x: Any) -> Any:
    """One convolution."""
    h = max_pool(tf.nn.relu(convolution(p, "0", x, "VALID")))
    return linear(p, "4", tf.reshape(h, (x.shape[0], -1)))


def cnn(p: Arrays, x: Any) -> Any:
    """Two convolutions."""
    h = max_pool(tf.nn.relu(convolution(p, "0", x, "SAME")))
    h = max_pool(tf.nn.relu(convolution(p, "3", h, "SAME")))
    return linear(p, "7", tf.reshape(h, (x.shape[0], -1)))


def gru(p: Arrays, x: Any) -> Any:
    """The inputs' part of the gates for all times at once, then step after step, written out."""
    words = tf.reshape(tf.gather(p["token.weight"], x), (-1, 32))
    gates = tf.nn.bias_add(tf.matmul(words, p["gru.weight_ih_l0"]), p["gru.bias_ih_l0"])
    h, out = tf.zeros((x.shape[0], 64)), []
    for gate in tf.unstack(tf.reshape(gates, (*x.shape, 192)), axis=1):
        own = tf.nn.bias_add(tf.matmul(h, p["gru.weight_hh_l0"]), p["gru.bias_hh_l0"])
        rz = tf.sigmoid(gate[:, :128] + own[:, :128])
        r, z = rz[:, :64], rz[:, 64:]
        n = tf.tanh(gate[:, 128:] + r * own[:, 128:])
        h = (1 - z) * n + z * h
        out.append(h)
    return tf.reshape(linear(p, "head", tf.stack(out, axis=1)), (-1, 65))


def transformer(p: Arrays, x: Any) -> Any:
    """Two blocks of attention and a two-layer network."""
    n, length = x.shape
    hidden = tf.linalg.band_part(tf.ones((length, length)), -1, 0) * 1e9 - 1e9
    h = tf.gather(p["token.weight"], x) + p["place.weight"]
    for b in ("blocks.0", "blocks.1"):
        qkv = linear(p, f"{b}.qkv", normal(p, f"{b}.first", h, -1)[0])
        qkv = tf.transpose(tf.reshape(qkv, (n, length, 3, 4, 16)), (2, 0, 3, 1, 4))
        q, k, v = tf.unstack(qkv)
        seen = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / 4 + hidden)
        mixed = tf.reshape(tf.transpose(tf.matmul(seen, v), (0, 2, 1, 3)), (n, length, 64))
        h = h + linear(p, f"{b}.out", mixed)
        wide = linear(p, f"{b}.mlp.0", normal(p, f"{b}.second", h, -1)[0])
        h = h + linear(p, f"{b}.mlp.2", tf.nn.gelu(wide))
    return tf.reshape(linear(p, "head", normal(p, "norm", h, -1)[0]), (-1, 65))


def chain(p: Arrays, x: Any) -> Any:
    """Three elementwise functions."""
    return tf.square(tf.sigmoid(tf.tanh(p["weight"])))


def expression(p: Arrays, x: Any) -> Any:
    """One expression of two parameters."""
    return tf.tanh(x * p["w"] + p["b"]) * tf.sigmoid(x) + x**2


# Losses and updates ------------------------------------------------------------------------


def squares(out: Any, y: Any) -> Any:
    """The mean squared error."""
    return tf.reduce_mean(tf.math.squared_difference(out, y))


def entropy(out: Any, y: Any) -> Any:
    """The cross-entropy of logits and labels."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, out))


def sgd(p: Any, g: Any, kept: list[Any], t: Any, lr: float = 0.01) -> None:
    """Down the gradient."""
    tf.raw_ops.ResourceApplyGradientDescent(var=p.handle, alpha=lr, delta=g)


def momentum(p: Any, g: Any, kept: list[Any], t: Any) -> None:
    """Down the gathered gradients."""
    tf.raw_ops.ResourceApplyMomentum(
        var=p.handle, accum=kept[0].handle, lr=0.01, grad=g, momentum=0.9
    )


def rmsprop(p: Any, g: Any, kept: list[Any], t: Any) -> None:
    """Divided by the root of the mean square; the kernel adds its epsilon inside the root."""
    mean = kept[0].assign(0.99 * kept[0] + 0.01 * tf.square(g))
    p.assign_sub(0.001 * g / (tf.sqrt(mean) + 1e-8))


def adam(p: Any, g: Any, kept: list[Any], t: Any, decay: float = 0.0) -> None:
    """Adam; AdamW with a decay. The kernel wants epsilon beside a root without its hat."""
    if decay:
        p.assign(p * (1 - 0.001 * decay))
    first, second = tf.pow(0.9, t), tf.pow(0.999, t)
    m, v = kept
    tf.raw_ops.ResourceApplyAdam(
        var=p.handle, m=m.handle, v=v.handle, beta1_power=first, beta2_power=second, lr=0.001,
        beta1=0.9, beta2=0.999, epsilon=1e-8 * tf.sqrt(1 - second), grad=g,
    )  # fmt: skip


# Name of the row: model, loss, update, variables that the update keeps for each parameter.
WORK: dict[str, tuple[Callable[..., Any], Callable[[Any, Any], Any], Callable[..., None], int]] = {
    "linear": (regression, squares, sgd, 0),
    "one": (regression, squares, sgd, 0),
    "digits": (mlp, entropy, adam, 2),
    "mlp32": (mlp, entropy, adam, 2),
    "dropout": (dropout, entropy, adam, 2),
    "mlp256": (mlp, entropy, adam, 2),
    "norms": (norms, entropy, momentum, 1),
    "conv": (conv, entropy, adam, 2),
    "conv128": (conv, entropy, adam, 2),
    "cnn": (cnn, entropy, adam, 2),
    "gru": (gru, entropy, rmsprop, 1),
    "transformer": (transformer, entropy, partial(adam, decay=0.01), 2),
    "chain": (chain, lambda out, _: tf.reduce_sum(out), partial(sgd, lr=0.0), 0),
    "expression": (expression, lambda out, _: tf.reduce_mean(out), sgd, 0),
}


def step(name: str, parameters: Arrays, buffers: Arrays, x: Any, y: Any) -> Callable[[], float]:
    """The training step of one row, from these parameters and data."""
    model, criterion, update, count = WORK[name]
    p = {n: tf.Variable(a) for n, a in parameters.items()}
    held = p | {n: tf.Variable(a, trainable=False) for n, a in buffers.items()}
    kept = {
        n: [tf.Variable(tf.zeros_like(v), trainable=False) for _ in range(count)]
        for n, v in p.items()
    }
    t = tf.Variable(0.0, trainable=False)
    x, y = tf.constant(x), tf.constant(y)

    @tf.function  # type: ignore[untyped-decorator, unused-ignore]
    def whole(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = criterion(model(held, x), y)
        grads = tape.gradient(loss, p)
        now = t.assign_add(1.0)
        for n, g in grads.items():
            # Rows taken from a table have a gradient of rows only; all have it in the others.
            update(p[n], tf.convert_to_tensor(g), kept[n], now)
        return loss

    return lambda: float(whole(x, y).numpy())
