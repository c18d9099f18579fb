"""The benchmark's training steps in JAX: gradients and update in one function under ``jax.jit``.

Written as JAX's own users write them: plain functions of dictionaries of arrays, pictures with
their channels last, the old parameters given up to the new ones, random keys carried along. JAX is
imported by ``start``, never by importing this file.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import partial
from typing import Any

Arrays = dict[str, Any]
# (parameters, buffers, x) -> (result, buffers)
Model = Callable[[Arrays, Arrays, Any], tuple[Any, Arrays]]

jax: Any = None  # set by start()
jnp: Any = None


def start() -> None:
    """Import JAX, held to one thread of the processor."""
    global jax, jnp
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ.setdefault("XLA_FLAGS", flags)
    os.environ.setdefault("PJRT_NPROC", "1")  # the threads of its pool
    os.environ.setdefault("NPROC", "1")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    jax = importlib.import_module("jax")
    jnp = jax.numpy


# Layers ------------------------------------------------------------------------------------


def linear(p: Arrays, name: str, x: Any) -> Any:
    """Weights lie as (inputs, outputs)."""
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def convolution(p: Arrays, name: str, x: Any, padding: str) -> Any:
    """Pictures ``(N, H, W, C)``, kernels ``(H, W, I, O)``."""
    shapes = ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(x, p[f"{name}.weight"], (1, 1), padding, None, None, shapes)
    return y + p[f"{name}.bias"]


def max_pool(x: Any) -> Any:
    """The largest of each 2 x 2; on processors this is ahead of ``jax.lax.reduce_window``."""
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))


def normal(x: Any, axis: int) -> tuple[Any, Any, Any]:
    """x without its mean and with variance 1, and both."""
    mean, var = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(var + 1e-5), mean, var


def layer_norm(p: Arrays, name: str, x: Any) -> Any:
    """Over the last dimension."""
    return normal(x, -1)[0] * p[f"{name}.weight"] + p[f"{name}.bias"]


# Models ------------------------------------------------------------------------------------


def without_buffers(model: Callable[[Arrays, Any], Any]) -> Model:
    """A model that keeps nothing from step to step but its parameters."""
    return lambda p, buffers, x: (model(p, x), buffers)


def regression(p: Arrays, x: Any) -> Any:
    """One linear layer."""
    return x @ p["weight"] + p["bias"]


def mlp(p: Arrays, x: Any) -> Any:
    """Two linear layers."""
    return linear(p, "2", jax.nn.relu(linear(p, "0", x)))


def dropout(p: Arrays, buffers: Arrays, x: Any) -> tuple[Any, Arrays]:
    """The same with dropout between them."""
    key, now = jax.random.split(buffers.get("key", jax.random.key(0)))
    h = jax.nn.relu(linear(p, "0", x))
    h = jnp.where(jax.random.bernoulli(now, 0.8, h.shape), h / 0.8, 0.0)
    return linear(p, "3", h), {"key": key}


def norms(p: Arrays, buffers: Arrays, x: Any) -> tuple[Any, Arrays]:
    """Batch norm, which keeps running statistics, and layer norm."""
    h, mean, var = normal(linear(p, "0", x), 0)
    n = x.shape[0]
    buffers = {
        "1.num_batches_tracked": buffers["1.num_batches_tracked"] + 1,
        "1.running_mean": 0.9 * buffers["1.running_mean"] + 0.1 * mean[0],
        "1.running_var": 0.9 * buffers["1.running_var"] + 0.1 * var[0] * (n / (n - 1)),
    }
    h = linear(p, "3", jax.nn.silu(h * p["1.weight"] + p["1.bias"]))
    return linear(p, "6", jax.nn.silu(layer_norm(p, "4", h))), buffers


def conv(p: Arrays, x: Any) -> Any:
    """One convolution."""
    h = max_pool(jax.nn.relu(convolution(p, "0", x, "VALID")))
    return linear(p, "4", h.reshape(h.shape[0], -1))


def cnn(p: Arrays, x: Any) -> Any:
    """Two convolutions."""
    h = max_pool(jax.nn.relu(convolution(p, "0", x, "SAME")))
    h = max_pool(jax.nn.relu(convolution(p, "3", h, "SAME")))
    return linear(p, "7", h.reshape(h.shape[0], -1))


def gru(p: Arrays, x: Any) -> Any:
    """The inputs' part of the gates for all times at once, then step after step."""
    gates = p["token.weight"][x] @ p["gru.weight_ih_l0"] + p["gru.bias_ih_l0"]

    def step(h: Any, gate: Any) -> tuple[Any, Any]:
        r, z, n = jnp.split(gate, 3, axis=1)
        hr, hz, hn = jnp.split(h @ p["gru.weight_hh_l0"] + p["gru.bias_hh_l0"], 3, axis=1)
        r, z = jax.nn.sigmoid(r + hr), jax.nn.sigmoid(z + hz)
        n = jnp.tanh(n + r * hn)
        h = (1 - z) * n + z * h
        return h, h

    first = jnp.zeros((x.shape[0], 64), jnp.float32)
    _, out = jax.lax.scan(step, first, gates.swapaxes(0, 1))
    return linear(p, "head", out.swapaxes(0, 1)).reshape(-1, 65)


def transformer(p: Arrays, x: Any) -> Any:
    """Two blocks of attention and a two-layer network."""
    n, length = x.shape
    seen = jnp.tril(jnp.ones((length, length), bool))
    h = p["token.weight"][x] + p["place.weight"]
    for b in ("blocks.0", "blocks.1"):
        qkv = linear(p, f"{b}.qkv", layer_norm(p, f"{b}.first", h))
        q, k, v = qkv.reshape(n, length, 3, 4, 16).transpose(2, 0, 3, 1, 4)
        scores = jnp.where(seen, q @ k.swapaxes(2, 3) / 4, -jnp.inf)
        mixed = (jax.nn.softmax(scores) @ v).swapaxes(1, 2).reshape(n, length, 64)
        h = h + linear(p, f"{b}.out", mixed)
        wide = linear(p, f"{b}.mlp.0", layer_norm(p, f"{b}.second", h))
        h = h + linear(p, f"{b}.mlp.2", jax.nn.gelu(wide, approximate=False))
    return linear(p, "head", layer_norm(p, "norm", h)).reshape(-1, 65)


def chain(p: Arrays, x: Any) -> Any:
    """Three elementwise functions."""
    return jnp.square(jax.nn.sigmoid(jnp.tanh(p["weight"])))


def expression(p: Arrays, x: Any) -> Any:
    """One expression of two parameters."""
    return jnp.tanh(x * p["w"] + p["b"]) * jax.nn.sigmoid(x) + x**2


# Losses and updates ------------------------------------------------------------------------


def squares(out: Any, y: Any) -> Any:
    """The mean squared error."""
    return jnp.square(out - y).mean()


def entropy(out: Any, y: Any) -> Any:
    """The cross-entropy of logits and labels."""
    logp = jax.nn.log_softmax(out)
    return -jnp.take_along_axis(logp, y[:, None], axis=1).mean()


def sgd(p: Any, g: Any, kept: tuple[Any, ...], t: Any, lr: float = 0.01) -> Any:
    """Down the gradient."""
    return p - lr * g, kept


def momentum(p: Any, g: Any, kept: tuple[Any, ...], t: Any) -> Any:
    """Down the gathered gradients."""
    gathered = 0.9 * kept[0] + g
    return p - 0.01 * gathered, (gathered,)


def rmsprop(p: Any, g: Any, kept: tuple[Any, ...], t: Any) -> Any:
    """Divided by the root of the mean square."""
    mean = 0.99 * kept[0] + 0.01 * g * g
    return p - 0.001 * g / (jnp.sqrt(mean) + 1e-8), (mean,)


def adam(p: Any, g: Any, kept: tuple[Any, ...], t: Any, decay: float = 0.0) -> Any:
    """Adam; AdamW with a decay."""
    m, v = 0.9 * kept[0] + 0.1 * g, 0.999 * kept[1] + 0.001 * g * g
    size = 0.001 / (1 - 0.9**t)
    p = p * (1 - 0.001 * decay) if decay else p
    return p - size * m / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), (m, v)


# Name of the row: model, loss, update, arrays that the update keeps for each parameter.
WORK: dict[str, tuple[Model, Callable[[Any, Any], Any], Callable[..., Any], int]] = {
    "linear": (without_buffers(regression), squares, sgd, 0),
    "one": (without_buffers(regression), squares, sgd, 0),
    "digits": (without_buffers(mlp), entropy, adam, 2),
    "mlp32": (without_buffers(mlp), entropy, adam, 2),
    "dropout": (dropout, entropy, adam, 2),
    "mlp256": (without_buffers(mlp), entropy, adam, 2),
    "norms": (norms, entropy, momentum, 1),
    "conv": (without_buffers(conv), entropy, adam, 2),
    "conv128": (without_buffers(conv), entropy, adam, 2),
    "cnn": (without_buffers(cnn), entropy, adam, 2),
    "gru": (without_buffers(gru), entropy, rmsprop, 1),
    "transformer": (without_buffers(transformer), entropy, partial(adam, decay=0.01), 2),
    "chain": (without_buffers(chain), lambda out, _: out.sum(), partial(sgd, lr=0.0), 0),
    "expression": (without_buffers(expression), lambda out, _: out.mean(), sgd, 0),
}


def step(name: str, parameters: Arrays, buffers: Arrays, x: Any, y: Any) -> Callable[[], float]:
    """The training step of one row, from these parameters and data."""
    model, criterion, update, count = WORK[name]

    def objective(p: Arrays, buffers: Arrays, x: Any, y: Any) -> tuple[Any, Arrays]:
        out, buffers = model(p, buffers, x)
        return criterion(out, y), buffers

    def whole(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        p, kept, buffers, t = state
        (loss, buffers), g = jax.value_and_grad(objective, has_aux=True)(p, buffers, x, y)
        new = {n: update(p[n], g[n], kept[n], t + 1) for n in p}
        p, kept = {n: a for n, (a, _) in new.items()}, {n: b for n, (_, b) in new.items()}
        return loss, (p, kept, buffers, t + 1)

    compiled = jax.jit(whole, donate_argnums=0)
    p = {n: jnp.array(a) for n, a in parameters.items()}
    kept = {n: tuple(jnp.zeros_like(a) for _ in range(count)) for n, a in p.items()}
    held = {"key": jax.random.key(0)} if name == "dropout" else {}
    held |= {n: jnp.array(a) for n, a in buffers.items()}
    state = (p, kept, held, jnp.zeros(()))
    x, y = jnp.array(x), jnp.array(y)

    def run() -> float:
        nonlocal state
        loss, state = compiled(state, x, y)
        return float(loss)

    return run
