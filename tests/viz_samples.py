"""Graphs made by hand for the tests of pictures and of the explorer."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_lab.viz.view import Builder, GraphView, Source, Work

RELU = (r"y = \max(0, x)", r"\bar x = \bar y \cdot [x > 0]")
TANH = (r"y = \tanh x", r"\bar x = \bar y\,(1 - y^2)")
LINEAR = (r"Y = X W^\top + b", r"\bar X = \bar Y W, \quad \bar W = \bar Y^\top X")
PLAIN = (r"y = a + b", r"\bar a = \bar y, \quad \bar b = \bar y")


def mlp() -> GraphView:
    """Two linear layers, cross entropy and a penalty: 18 nodes, modules fc1 and fc2."""
    rng = np.random.default_rng(0)

    def draw(*shape: int, scale: float = 1.0) -> Any:
        return (rng.normal(size=shape) * scale).astype(np.float32)

    b = Builder()
    f32 = {"dtype": "float32"}
    x = b.leaf("input", "x", value=draw(32, 784) * 100, **f32)
    k = b.const(255)
    div = b.op(
        "div",
        [x, k],
        shape=(32, 784),
        value=draw(32, 784),
        formula=(r"y = a / b", r"\bar a = \bar y / b"),
        arguments=("input", "other"),
        cost=Work(25088, 200_704),
        source=Source("cell 7", 3, "h = self.fc1(x / 255).relu()"),
        **f32,
    )
    w1 = b.leaf(
        "param",
        "fc1.weight",
        value=draw(128, 784),
        gradient=draw(128, 784, scale=1e-3),
        scope="fc1",
        **f32,
    )
    b1 = b.leaf(
        "param", "fc1.bias", value=draw(128), gradient=draw(128, scale=1e-3), scope="fc1", **f32
    )
    lin = b.op(
        "linear",
        [div, w1, b1],
        shape=(32, 128),
        value=draw(32, 128),
        gradient=draw(32, 128, scale=1e-3),
        formula=LINEAR,
        arguments=("input", "weight", "bias"),
        cost=Work(6_426_624, 550_000),
        scope="fc1",
        source=Source("cell 7", 3, "h = self.fc1(x / 255).relu()"),
        **f32,
    )
    h = np.maximum(draw(32, 128), 0)
    relu = b.op(
        "relu",
        [lin],
        name="h",
        shape=(32, 128),
        value=h,
        gradient=draw(32, 128, scale=1e-3) * (h > 0),
        formula=RELU,
        arguments=("input",),
        cost=Work(4096, 32_768),
        source=Source("cell 7", 3, "h = self.fc1(x / 255).relu()"),
        **f32,
    )
    w2 = b.leaf(
        "param",
        "fc2.weight",
        value=draw(10, 128),
        gradient=draw(10, 128, scale=1e-3),
        scope="fc2",
        **f32,
    )
    b2 = b.leaf(
        "param", "fc2.bias", value=draw(10), gradient=draw(10, scale=1e-3), scope="fc2", **f32
    )
    lin2 = b.op(
        "linear",
        [relu, w2, b2],
        shape=(32, 10),
        value=draw(32, 10),
        gradient=draw(32, 10, scale=1e-2),
        formula=LINEAR,
        arguments=("input", "weight", "bias"),
        cost=Work(82_000, 23_000),
        scope="fc2",
        **f32,
    )
    t = b.leaf("input", "labels", value=np.arange(32) % 10, dtype="int64")
    ce = b.op(
        "cross_entropy",
        [lin2, t],
        shape=(),
        value=np.float32(2.3026),
        gradient=np.float32(1.0),
        arguments=("input", "target"),
        formula=(r"y = -\frac{1}{N}\sum_n \log p_{n, t_n}", r"\bar x = \frac{\bar y}{N}(p - e_t)"),
        **f32,
    )
    ss = b.op(
        "sum_squares", [w1], shape=(), value=np.float32(100352.0), gradient=np.float32(1e-4), **f32
    )
    lam = b.const(0.0001)
    mul = b.op(
        "mul", [ss, lam], shape=(), value=np.float32(10.0352), gradient=np.float32(1.0), **f32
    )
    loss = b.op(
        "add",
        [ce, mul],
        name="loss",
        shape=(),
        value=np.float32(12.3378),
        gradient=np.float32(1.0),
        formula=PLAIN,
        arguments=("input", "other"),
        cost=Work(1, 12),
        **f32,
    )
    for tail, head, index in [
        (ce, loss, 0), (mul, loss, 1), (ss, mul, 0), (w1, ss, 0), (lin2, ce, 0), (relu, lin2, 0),
        (w2, lin2, 1), (b2, lin2, 2), (lin, relu, 0), (w1, lin, 1), (b1, lin, 2),
    ]:  # fmt: skip
        b.gradient(tail, head, index)
    return b.build("loss", [loss])


def polynomial() -> GraphView:
    """y = x**2 + 2*x + 1 at x = 2: every gradient known, x receives 4 and 2."""
    b = Builder()
    f = {"dtype": "float32", "shape": ()}
    x = b.leaf("input", "x", value=np.float32(2), gradient=np.float32(6), **f)
    two = b.const(2)
    square = b.op(
        "pow",
        [x, two],
        value=4.0,
        gradient=1.0,
        formula=(r"y = x^p", r"\bar x = \bar y\, p\, x^{p-1}"),
        **f,
    )
    factor = b.const(2)
    double = b.op("mul", [x, factor], value=4.0, gradient=1.0, **f)
    both = b.op("add", [square, double], value=8.0, gradient=1.0, **f)
    one = b.const(1)
    y = b.op("add", [both, one], value=9.0, gradient=1.0, name="y", **f)
    for tail, head, value in [
        (both, y, 1.0),
        (square, both, 1.0),
        (double, both, 1.0),
        (x, square, 4.0),
        (x, double, 2.0),
    ]:
        b.gradient(tail, head, 1 if tail == double else 0, np.asarray(value, np.float32))
    return b.build("y", [y])


def chain(count: int) -> GraphView:
    """``count`` ops in a row."""
    b = Builder()
    at = b.leaf("input", "x", dtype="float32")
    for _ in range(count):
        at = b.op("tanh", [at], dtype="float32")
    return b.build("y", [at])


def tower(blocks: int) -> GraphView:
    """Blocks of two layers each in a module ``net``: 8 nodes a block."""
    b = Builder()
    at = b.leaf("input", "x", dtype="float32", shape=(8, 16))
    for i in range(blocks):
        for layer in ("fc1", "fc2"):
            scope = f"net.{i}.{layer}"
            w = b.leaf("param", f"{scope}.weight", dtype="float32", shape=(16, 16), scope=scope)
            bias = b.leaf("param", f"{scope}.bias", dtype="float32", shape=(16,), scope=scope)
            before, at = (
                at,
                b.op("linear", [at, w, bias], dtype="float32", shape=(8, 16), scope=scope),
            )
            b.gradient(w, at, 1)
            b.gradient(bias, at, 2)
            if i or layer == "fc2":
                b.gradient(before, at)
        before, at = at, b.op("relu", [at], dtype="float32", shape=(8, 16), scope=f"net.{i}")
        b.gradient(before, at)
    return b.build("y", [at])
