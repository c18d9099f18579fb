"""Graphs made by hand for the tests of pictures and of the explorer."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_lab.viz.view import Builder, GraphView, Source, Work

RELU = (r"y = \max(0, x)", r"\bar x = \bar y \cdot [x > 0]")
LINEAR = (r"Y = X W^\top + b", r"\bar X = \bar Y W, \quad \bar W = \bar Y^\top X")
POW = (r"y = x^p", r"\bar x = \bar y\, p\, x^{p-1}")
HERE = Source("cell 7", 3, "h = self.fc1(x / 255).relu()")


def mlp() -> GraphView:
    """Two linear layers, cross entropy and a penalty: 16 nodes, modules fc1 and fc2."""
    rng = np.random.default_rng(0)
    b = Builder()

    def draw(*shape: int, scale: float = 1.0) -> Any:
        return (rng.normal(size=shape) * scale).astype(np.float32)

    def leaf(name: str, *shape: int) -> int:
        scope, value, gradient = name.partition(".")[0], draw(*shape), draw(*shape, scale=1e-3)
        return b.leaf("param", name, value=value, gradient=gradient, dtype="float32", scope=scope)

    def op(op: str, inputs: list[int], /, *shape: int, **facts: Any) -> int:
        facts.setdefault("value", draw(*shape))
        facts.setdefault("gradient", draw(*shape, scale=1e-3))
        return b.op(op, inputs, shape=shape, dtype="float32", **facts)

    x = b.leaf("input", "x", value=draw(32, 784), dtype="float32")
    div = op("div", [x, b.const(255)], 32, 784, gradient=None, source=HERE)
    w1, b1 = leaf("fc1.weight", 128, 784), leaf("fc1.bias", 128)
    words = ("input", "weight", "bias")
    lin = op("linear", [div, w1, b1], 32, 128, formula=LINEAR, arguments=words, scope="fc1")
    h = np.maximum(draw(32, 128), 0)
    relu = op(
        "relu", [lin], 32, 128, name="h", value=h, formula=RELU, cost=Work(4096, 32768), source=HERE
    )
    w2, b2 = leaf("fc2.weight", 10, 128), leaf("fc2.bias", 10)
    lin2 = op("linear", [relu, w2, b2], 32, 10, formula=LINEAR, arguments=words, scope="fc2")
    t = b.leaf("input", "labels", value=np.arange(32) % 10, dtype="int64")
    ce = op("cross_entropy", [lin2, t], value=np.float32(2.3026), gradient=np.float32(1))
    ss = op("sum_squares", [w1], value=np.float32(100352), gradient=np.float32(1e-4))
    mul = op("mul", [ss, b.const(0.0001)], value=np.float32(10.0352), gradient=np.float32(1))
    loss = op("add", [ce, mul], name="loss", value=np.float32(12.3378), gradient=np.float32(1))
    ways = [(ce, loss), (mul, loss), (ss, mul), (w1, ss), (lin2, ce), (relu, lin2), (w2, lin2)]
    for tail, head in [*ways, (b2, lin2), (lin, relu), (w1, lin), (b1, lin)]:
        b.gradient(tail, head)
    return b.build("loss", [loss])


def polynomial() -> GraphView:
    """y = x**2 + 2*x + 1 at x = 2: every gradient known, x receives 4 and 2."""
    b = Builder()

    def op(op: str, inputs: list[int], value: float, /, **facts: Any) -> int:
        one = np.float32(1)
        return b.op(op, inputs, value=np.float32(value), gradient=one, dtype="float32", **facts)

    x = b.leaf("input", "x", value=np.float32(2), gradient=np.float32(6), dtype="float32")
    square = op("pow", [x, b.const(2)], 4, formula=POW)
    double = op("mul", [x, b.const(2)], 4)
    both = op("add", [square, double], 8)
    y = op("add", [both, b.const(1)], 9, name="y")
    for tail, head, value in [
        (both, y, 1),
        (square, both, 1),
        (double, both, 1),
        (x, square, 4),
        (x, double, 2),
    ]:
        b.gradient(tail, head, int(tail == double), np.asarray(value, np.float32))
    return b.build("y", [y])


def chain(count: int) -> GraphView:
    """``count`` ops in a row."""
    b = Builder()
    at = b.leaf("input", "x", dtype="float32")
    for _ in range(count):
        at = b.op("tanh", [at], dtype="float32")
    return b.build("y", [at])


def tower(blocks: int) -> GraphView:
    """Blocks of two layers each in a module ``net``: 7 nodes a block."""
    b = Builder()
    facts: dict[str, Any] = {"dtype": "float32", "shape": (8, 16)}
    at = b.leaf("input", "x", **facts)
    for i in range(blocks):
        for layer in ("fc1", "fc2"):
            scope = f"net.{i}.{layer}"
            w = b.leaf("param", f"{scope}.weight", dtype="float32", shape=(16, 16), scope=scope)
            bias = b.leaf("param", f"{scope}.bias", dtype="float32", shape=(16,), scope=scope)
            before, at = at, b.op("linear", [at, w, bias], scope=scope, **facts)
            for index, tail in enumerate((before, w, bias)):
                b.gradient(tail, at, index)
        before, at = at, b.op("relu", [at], scope=f"net.{i}", **facts)
        b.gradient(before, at)
    return b.build("y", [at])
