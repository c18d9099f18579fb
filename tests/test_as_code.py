"""One graph as programs in five styles, which run and give the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
import minitorch_lab.tf.compat.v1 as tf1
from minitorch_lab import nn
from minitorch_lab.errors import ArgumentError, KindError
from minitorch_lab.tf import keras
from minitorch_lab.viz.code import STYLES, as_code

F = nn.functional


class Small(nn.Module):
    """A convnet with its loss, which has weights of layers and one of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.fc = nn.Linear(3 * 4 * 4, 5)
        self.scale = nn.Parameter(lab.ones(5) * 2)

    def forward(self, x: Any, y: Any = None) -> Any:
        hidden = F.max_pool2d(F.relu(self.conv(x)), 2)
        scores = self.fc(hidden.flatten(1)) * self.scale
        return scores if y is None else F.cross_entropy(scores, y)


def cases() -> dict[str, tuple[Any, ...]]:
    lab.manual_seed(0)
    line, small = nn.Linear(2, 1), Small()
    mlp = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3), nn.Softmax(-1))
    x, classes = lab.randn(4, 6), lab.tensor([0, 2, 1, 1])

    def squares(x: Any, y: Any) -> Any:
        return ((line(x) - y) ** 2).mean()

    def entropy(x: Any, y: Any) -> Any:
        return F.cross_entropy(mlp[2](F.relu(mlp[0](x))), y)

    def mixed(x: Any, y: Any) -> Any:
        both = lab.cat([x, y[:, 1:]], 1)
        best = (both.argmax(1) == lab.tensor([0, 1, 2, 3])).float()
        rows = F.layer_norm(lab.where(both > 0, both, -both), (11,)).sum(1) * best
        return rows, lab.stack([x, y]).permute(1, 0, 2).amax(2), both.clamp(min=0).exp().sqrt()

    def pools(x: Any, y: Any = None) -> Any:
        most = F.max_pool2d(small.conv(x) - 3, 3, 2, padding=1)  # below 0: what is added is less
        scores = F.avg_pool2d(most, (3, 2), 2, padding=(1, 0)).sum(3).flatten(1)
        return scores if y is None else F.cross_entropy(scores, y)

    return {
        "pools": (pools, lab.randn(4, 1, 8, 8)),
        "pools loss": (pools, lab.randn(4, 1, 8, 8), classes),
        "line": (line, lab.randn(4, 2)),
        "line loss": (squares, lab.randn(4, 2), lab.randn(4, 1)),
        "mlp": (mlp, x),
        "mlp loss": (entropy, x, classes),
        "cnn": (small, lab.randn(4, 1, 8, 8)),
        "cnn loss": (small, lab.randn(4, 1, 8, 8), classes),
        "many ops": (mixed, x, lab.randn(4, 6)),
    }


CASES = cases()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", list(CASES))
def test_the_program_runs_and_gives_the_same_numbers(name: str, style: str) -> None:
    what, *inputs = CASES[name]
    expected = what(*inputs)
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = as_code(what, style, *inputs).run(*inputs)
    for array, tensor in zip(found, expected, strict=True):
        np.testing.assert_allclose(array, tensor.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", ["line loss", "mlp loss", "cnn loss"])
def test_its_gradients_are_the_same_too(name: str, style: str) -> None:
    what, *inputs = CASES[name]
    code = as_code(what, style, *inputs)
    reference = as_code(what, "PyTorch", *inputs)
    names = reference.names()
    expected = [g.numpy() for g in names["gradients"](*inputs)]
    for array, wanted in zip(code.gradients(*inputs), expected, strict=True):
        if style in ("tape", "Keras", "session"):  # kernels are kept the other way round
            wanted = {2: wanted.T, 4: wanted.transpose()}.get(wanted.ndim, wanted)
            wanted = wanted if wanted.ndim < 4 else wanted.transpose(1, 0, 2, 3)
        np.testing.assert_allclose(array, wanted, rtol=1e-4, atol=1e-6)


def test_a_program_takes_batches_of_other_sizes():
    what, x = CASES["mlp"]
    more = lab.randn(9, 6)
    for style in STYLES:
        (found,) = as_code(what, style, x).run(more)
        np.testing.assert_allclose(found, what(more).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_the_text_of_each_style_says_what_it_is():
    what, *inputs = CASES["line loss"]
    assert str(as_code(what, "pytorch", *inputs)) == PYTORCH
    assert str(as_code(what, "session", *inputs)) == SESSION


PYTORCH = """\
import minitorch_lab as torch
from minitorch_lab import nn

class Program(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear_1 = nn.Linear(2, 1)
        self.linear_1.weight = nn.Parameter(torch.tensor(weights['weight']))
        self.linear_1.bias = nn.Parameter(torch.tensor(weights['bias']))

    def forward(self, x, y):
        linear_1 = self.linear_1(x)
        sub_2 = linear_1 - y
        pow_3 = sub_2 ** 2
        mean_4 = torch.mean(pow_3, dim=(0, 1))
        return mean_4

program = Program()

def gradients(x, y):
    program.zero_grad()
    program(x, y).backward()
    return [program.linear_1.weight.grad, program.linear_1.bias.grad]
"""
SESSION = """\
import minitorch_lab.tf.compat.v1 as tf

graph = tf.Graph()
with graph.as_default():
    x = tf.placeholder(tf.float32, [None, 2], name='x')
    y = tf.placeholder(tf.float32, [None, 1], name='y')
    weight = tf.Variable(weights['weight'].T)
    bias = tf.Variable(weights['bias'])
    linear_1 = tf.matmul(x, weight) + bias
    sub_2 = linear_1 - y
    pow_3 = sub_2 ** 2
    mean_4 = tf.reduce_mean(pow_3)
    found = mean_4
    slopes = tf.gradients(found, [weight, bias])
    init = tf.global_variables_initializer()

session = tf.Session(graph=graph)
session.run(init)

def program(x_now, y_now):
    return session.run(found, feed_dict={x: x_now, y: y_now})

def gradients(x_now, y_now):
    return session.run(slopes, feed_dict={x: x_now, y: y_now})
"""


def test_a_keras_model_and_a_session_are_said_in_the_other_styles():
    model = keras.Sequential([
        keras.Input((6,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(2),
    ])  # fmt: skip
    x = lab.randn(5, 6)
    graph = tf1.Graph()
    with graph.as_default():
        fed = tf1.placeholder(tf1.float32, [None, 6], name="x")
        w = tf1.Variable(tf1.ones([6, 2]) * 0.5, name="w")
        y = tf1.nn.softmax(tf1.matmul(fed, w))
        init = tf1.global_variables_initializer()
    session = tf1.Session(graph=graph)
    session.run(init)
    for style in STYLES:
        (found,) = as_code(model, style, x).run(x)
        np.testing.assert_allclose(found, model(x).detach().numpy(), rtol=1e-5, atol=1e-6)
        code = as_code((session, y, {fed: x.numpy()}), style)
        assert list(code.weights) == ["w"]
        np.testing.assert_allclose(code.run(x)[0], np.full((5, 2), 0.5), rtol=1e-5)


def test_the_first_op_that_a_style_cannot_say_is_named():
    def sorting(x: Any) -> Any:
        return lab.cumsum(x * 2, 1)

    with pytest.raises(ArgumentError, match="the Keras style cannot say 'cumsum'") as raised:
        as_code(sorting, "Keras", lab.ones(2, 3))
    assert "return lab.cumsum(x * 2, 1)" in str(raised.value)
    with pytest.raises(ArgumentError, match=r"draws random numbers: model\.eval"):
        as_code(nn.Dropout(0.5), "PyTorch", lab.ones(3))
    with pytest.raises(ArgumentError, match="expected one of 'PyTorch', 'tape'"):
        as_code(sorting, "JAX", lab.ones(2, 3))
    with pytest.raises(KindError, match="expected a function, a module"):
        as_code(3, "tape")
    weight = nn.Parameter(lab.ones(2))

    def step(x: Any) -> Any:
        with lab.no_grad():
            weight.sub_(x)
        return weight.sum()

    with pytest.raises(ArgumentError, match="it changes"):
        as_code(step, "tape", lab.ones(2))


def test_the_page_shows_what_is_printed() -> None:
    text = (Path(__file__).parents[1] / "docs" / "dialects.md").read_text(encoding="utf-8")
    what, *inputs = CASES["line loss"]
    for style in STYLES:
        assert f"```python\n{as_code(what, style, *inputs)}```" in text, style
