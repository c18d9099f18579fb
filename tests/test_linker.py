"""One program in several styles: which values are the same, and which lines made them."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
import minitorch_lab.tf.compat.v1 as tf
from minitorch_lab import nn
from minitorch_lab.errors import ArgumentError, KindError
from minitorch_lab.graph import GraphBuilder, Session
from minitorch_lab.tf import keras
from minitorch_lab.viz.match import link
from minitorch_lab.widgets.dialects import PROGRAMS, samples
from minitorch_lab.widgets.linker import Linker


@pytest.fixture(scope="module")
def regression() -> Linker:
    return lab.link()


def shares(found: Any) -> dict[str, tuple[int, int]]:
    return {p.title: (p.common, p.count) for p in found.programs}


def value(found: Any, label: str) -> Any:
    (one,) = [v for v in found.values if v.label == label]
    return one


def lines(found: Any, title: str) -> dict[str, list[int]]:
    (program,) = [p for p in found.programs if p.title == title]
    return {line.text.strip(): list(line.values) for line in program.lines if line.values}


# Matching ------------------------------------------------------------------------------------


def test_the_same_program_in_other_words_is_the_same():
    def one(x: Any, w: Any) -> Any:
        return (x * w).sum() + 1

    def other(a: Any, b: Any) -> Any:
        product = b * a
        return 1 + lab.sum(product)

    found = link({"one": one, "other": other}, lab.ones(3), lab.ones(3))
    assert shares(found) == {"one": (5, 5), "other": (5, 5)}
    assert [v.label for v in found.values] == ["x", "w", "mul", "sum", "add 1"]
    assert not any(v.numbers for v in found.values)
    assert lines(found, "other")["product = b * a"] == [3]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda x: F.softmax(x, dim=-1), lambda x: _softmax(x)),
        (lambda x: (x**2).exp(), lambda x: (x / 1).square().exp()),
        (lambda x: nn.functional.mse_loss(x, x * 2), lambda x: ((x - x * 2) ** 2).mean()),
    ],
)
def test_ops_that_are_made_of_others_are_compared_in_parts(one, other):
    found = link({"one": one, "other": other}, lab.randn(4, 5))
    assert all(common == count for common, count in shares(found).values())


def _softmax(x: Any) -> Any:
    e = lab.exp(x - x.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


def test_what_only_one_has_is_said_so():
    found = link({"one": lambda x: x.exp() + 1, "other": lambda x: x.exp() * 3}, lab.ones(3))
    assert shares(found) == {"one": (2, 3), "other": (2, 3)}
    numbers = {v.label: n for n, v in enumerate(found.values, 1)}
    assert found.missing(numbers["exp"]) == []
    assert found.missing(numbers["add 1"]) == ["other"]
    assert found.missing(numbers["mul 3"]) == ["one"]


def test_other_attributes_are_another_value():
    x = lab.randn(3, 3)
    found = link({"one": lambda x: x.sum(0), "other": lambda x: x.sum(1)}, x)
    assert shares(found) == {"one": (1, 2), "other": (1, 2)}


def test_the_same_numbers_from_other_steps():
    """A gradient is written in two orders: no graph says so, the numbers do."""
    a, b = lab.randn(3, 4), lab.randn(4, 5)
    found = link({"one": lambda a, b: (a @ b).T, "other": lambda a, b: b.T @ a.T}, a, b)
    last = next(v for v in found.values if len(v.members) == 2 and v.ops)
    assert last.ops == {0: "permute", 1: "matmul"}
    assert last.numbers == {1}
    assert shares(found) == {"one": (3, 4), "other": (3, 5)}


def test_numbers_that_cannot_be_told_apart_are_not_compared():
    """Two counts are both 3: that says nothing."""

    def one(x: Any) -> Any:
        return (x > 0).sum() * 0 + x.sum()

    def other(x: Any) -> Any:
        return (x <= 9).sum() * 0 + x.sum()

    found = link({"one": one, "other": other}, lab.ones(3))
    assert not any(v.numbers for v in found.values if v.dtype != "float32")


def test_the_random_numbers_of_the_program_go_on():
    state = lab.get_rng_state()
    link({"one": lambda x: F.dropout(x, 0.5), "other": lambda x: x * 2}, lab.ones(8))
    assert (lab.get_rng_state() == state).all()


def test_nothing_of_the_learners_changes():
    model = nn.Linear(2, 1)
    before = model.weight.detach().numpy().copy()
    optimiser = lab.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        loss = model(x).sum()
        loss.backward()
        optimiser.step()
        return loss

    link({"one": step, "other": lambda x: x.sum()}, lab.ones(3, 2))
    np.testing.assert_array_equal(model.weight.detach().numpy(), before)
    assert model.weight.grad is None


def test_modules_and_compiled_functions_and_sessions():
    model = nn.Linear(2, 1)
    w, b = lab.zeros(1, 2), lab.zeros(1)

    @lab.compile
    def function(x: Any, w: Any, b: Any) -> Any:
        return x @ w.T + b

    graph = GraphBuilder()
    with graph:
        fed = graph.placeholder("float32", (None, 2))
        kept, bias = graph.variable([[0.0, 0.0]]), graph.variable([0.0])
        prediction = fed @ kept.T + bias
    session = Session(graph)
    session.run(graph.initializer())
    x = lab.ones(3, 2)
    found = link(
        {
            "module": model,
            "function": (function, x, w, b),
            "session": (session, prediction, {fed: x.numpy()}),
        },
        x,
    )
    assert set(shares(found).values()) == {(6, 6)}
    assert value(found, "weight").kind == "param"  # one style knows it, and that is enough
    assert lines(found, "session") == {"prediction = fed @ kept.T + bias": [4, 5, 6]}


def test_what_a_session_assigns_is_compared_also_where_nobody_fetches_it():
    w = lab.zeros(2, 1, requires_grad=True)

    def step(x: Any, y: Any) -> Any:
        loss = ((x @ w - y) ** 2).mean()
        (slope,) = lab.autograd.grad(loss, (w,))
        with lab.no_grad():
            w.sub_(0.1 * slope)
        return loss

    with tf.Graph().as_default(), tf.Session() as session:
        fed, target = tf.placeholder("float32", [None, 2]), tf.placeholder("float32", [None, 1])
        kept = tf.Variable([[0.0], [0.0]])
        loss = tf.reduce_mean(tf.square(tf.matmul(fed, kept) - target))
        train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
        session.run(tf.global_variables_initializer())
        x, y = lab.rand(4, 2), lab.rand(4, 1)
        run = session, [loss, train], {fed: x.numpy(), target: y.numpy()}
        found = link({"step": step, "session": run}, x, y)
    shared = shares(found)
    assert shared["step"] == shared["session"]
    assert shared["step"][0] == shared["step"][1]


def test_a_tensor_has_the_name_that_the_function_reads_it_by():
    scale = lab.tensor([2.0, 3.0])
    found = link({"one": lambda x: x * scale}, lab.ones(2))
    assert [v.label for v in found.values] == ["x", "scale", "mul"]


def test_lines_of_every_function_in_which_an_op_was_made():
    def inner(x: Any) -> Any:
        y = x.exp()
        return y * 2

    def outer(x: Any) -> Any:
        z = inner(x)
        return z + 1

    found = link({"one": outer}, lab.ones(3))
    (program,) = found.programs
    assert [line.text.strip() for line in program.lines] == [
        "def inner(x: Any) -> Any:", "y = x.exp()", "return y * 2",
        "def outer(x: Any) -> Any:", "z = inner(x)", "return z + 1",
    ]  # fmt: skip
    assert lines(found, "one") == {"return z + 1": [4], "y = x.exp()": [2], "return y * 2": [3]}


def test_what_was_computed_before_belongs_to_the_line_that_did():
    def f(x: Any) -> Any:
        a = x.exp()
        b = x.exp()
        return a, b * 2

    assert lines(link({"one": f}, lab.ones(3)), "one") == {
        "a = x.exp()": [2],
        "b = x.exp()": [2],  # it made nothing else
        "return a, b * 2": [3],
    }


@pytest.mark.parametrize(
    ("programs", "error", "words"),
    [
        ({}, KindError, "expected a dict of programs by name"),
        (3, KindError, "expected a dict of programs by name"),
        ({"a": 3}, KindError, r"link\('a'\): got int 3[\s\S]*expected a function or a module"),
        ({"a": ()}, KindError, "expected a function or a module"),
    ],
)
def test_what_is_no_program_is_refused(programs, error, words):
    with pytest.raises(error, match=words):
        link(programs, lab.ones(3))


def test_a_session_needs_what_is_wanted():
    graph = GraphBuilder()
    with graph:
        fetch = graph.placeholder("float32", (2,)) * 2
    with pytest.raises(ArgumentError, match=r"link\('a'\): got a session and 0 more"):
        link({"a": (Session(graph),)})
    with pytest.raises(KindError, match="without a session"):
        link({"a": fetch})


# Keras ---------------------------------------------------------------------------------------


def classifier() -> Any:
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="relu", name="hidden"),
            keras.layers.Dense(2, name="last"),
        ]
    )
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def test_a_keras_model_is_its_step_of_training():
    """Two layers with other layouts of their weights: each layer's line, the loss, the update."""
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = lab.optim.SGD(net.parameters(), 0.1)

    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    model = classifier()
    before = model.get_weights()
    found = link({"PyTorch": step, "Keras": model}, lab.randn(5, 3), lab.tensor([0, 1, 1, 0, 1]))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    weights = [v for v in found.values if v.turned and not v.ops]
    assert [(v.shape, v.turned[1], v.members[1].name) for v in weights] == [
        ((4, 3), (1, 0), "kernel"),
        ((2, 4), (1, 0), "kernel"),
    ]
    ours = lines(found, "Keras")
    made = {
        name: {v.ops[1] for n in ours[line] if 1 in (v := found.values[n - 1]).ops}
        for name, line in [
            ("hidden", 'keras.layers.Dense(4, activation="relu", name="hidden"),'),
            ("last", 'keras.layers.Dense(2, name="last"),'),
            ("optimizer", "keras.optimizers.SGD(0.1),"),
        ]
    }
    assert made == {
        "hidden": {"matmul", "add", "maximum"},
        "last": {"matmul", "add"},
        "optimizer": {"mul", "sub"},
    }
    alone = {title: count - common for title, (common, count) in shares(found).items()}
    assert alone == {"PyTorch": 3, "Keras": 4}  # weights and pictures turned around
    # the update of the kernel, transposed
    updates = [v for v in found.values if v.turned and v.ops.get(1) == "sub"]
    assert [v.shape for v in updates] == [(4, 3), (2, 4)]


def test_a_keras_model_on_examples_alone_is_its_forward_pass():
    layer = nn.Conv2d(2, 3, 2)
    model = keras.Sequential([keras.layers.Conv2D(3, 2, input_shape=(4, 5, 2))])

    def forward(x: Any) -> Any:
        return layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    found = link({"PyTorch": forward, "Keras": model}, lab.randn(2, 4, 5, 2))
    assert shares(found)["PyTorch"][0] == shares(found)["PyTorch"][1]
    weight = value(found, "weight")
    assert (weight.shape, weight.turned) == ((3, 2, 2, 2), {1: (2, 3, 1, 0)})


def test_weights_that_are_square_are_told_apart_by_what_reads_them():
    w, v = lab.randn(3, 3), lab.randn(3, 3)
    found = link(
        {"one": lambda x: (x @ w.T) @ v, "other": lambda x: (x @ w) @ v.T}, lab.randn(2, 3)
    )
    turned = [sorted(value.turned.items()) for value in found.values if value.label in "wv"]
    assert turned == [[(1, (1, 0))], [(1, (1, 0))]]


# The sample ----------------------------------------------------------------------------------


def test_linear_regression_in_all_styles_is_one_program(regression):
    found = regression.linked
    assert shares(found) == {
        "PyTorch style": (19, 20),
        "tape style": (22, 22),
        "Keras": (20, 21),
        "function": (22, 22),
        "session": (22, 22),
    }
    gradient = {
        title: next(n for text, n in lines(found, title).items() if part in text)
        for title, part in [
            ("PyTorch style", "loss.backward()"),
            ("tape style", "autograd.grad"),
            ("Keras", "model.fit"),
            ("function", "both(w, b, x, y)"),
            ("session", "line.gradients"),
        ]
    }
    shared = set.intersection(*map(set, gradient.values()))
    assert sorted(found.values[n - 1].label for n in shared) == ["mul", "mul 2", "sum"]


def test_the_samples_run():
    """What is shown side by side computes the same loss."""
    programs, (x, y) = samples()
    assert list(programs) == list(PROGRAMS)
    session, fetches, feeds = programs["session"]
    function, *own = programs["function"]
    tape = programs["tape style"](x, y)
    assert session.run(fetches, feeds)[0] == pytest.approx(tape.item(), rel=1e-6)
    assert function(*own)[0].item() == pytest.approx(tape.item(), rel=1e-6)
    first, second = (programs["PyTorch style"](x, y).item() for _ in range(2))
    assert second < first
    losses = [programs["Keras"].learn(x, y)[0].item() for _ in range(2)]
    assert losses[1] < losses[0]


def test_the_samples_leave_names_and_random_numbers_alone():
    before, name = lab.get_rng_state(), keras.layers.Dense(1).name
    samples()
    number = int(name.partition("_")[2] or 0) + 1
    assert keras.layers.Dense(1).name == f"dense_{number}"
    assert (lab.get_rng_state() == before).all()


# The widget ----------------------------------------------------------------------------------


def test_lines_and_boxes_have_the_numbers_of_their_values(regression):
    root = ElementTree.fromstring(regression.picture["svg"])
    boxes = {g.get("data-key"): g.get("data-values") for g in root.iter() if g.get("data-values")}
    assert boxes == {f"n{i}": str(i) for i in range(1, len(regression.values) + 1)}
    some = [g.get("aria-label", "") for g in root.iter() if "some" in g.get("class", "").split()]
    assert len(some) == 7
    assert all("; not in " in label for label in some)
    (html,) = [p["lines"] for p in regression.programs if p["title"] == "tape style"]
    (line,) = re.findall(r"<li[^>]*>    dw, db = [^<]*</li>", html)
    assert 'data-values="12 13 15 16 21 22 23"' in line


def test_the_transcript(regression):
    words = regression.transcript()
    assert words.startswith("5 programs, 24 values\nPyTorch style: 19 of 20 values are shared\n")
    assert re.search(r"^7       prediction = model\(x\) +#6 #7 #8$", words, re.MULTILINE)
    assert "#9 sub (8, 1); PyTorch style line 8; tape style line 8; Keras line 9; function" in words
    assert "#3 weight (1, 2), parameter; Keras keeps it as kernel (2, 1)\n" in words
    assert (
        "the same numbers, written as matmul (PyTorch style), "
        "permute (tape style, function, session)"
    ) in words


def test_the_mimebundle_has_picture_and_programs(regression):
    data, _ = regression._repr_mimebundle_()
    assert data["text/plain"] == regression.transcript()
    html = data["text/html"]
    assert "<svg" in html
    assert "line.gradients(loss, [w, b])" in html
    assert not re.search(r"https?://(?!www\.w3\.org)", html)


def test_the_page_needs_no_answers(regression):
    answers: list[Any] = []
    regression.send = lambda content, buffers=None: answers.append(content)
    regression._handle_custom_msg({"do": "export"}, [])
    regression._handle_custom_msg({"do": "nothing"}, [])
    (answer,) = answers
    assert answer["export"].endswith(".html")
    assert json.dumps(regression.picture["svg"])[1:40] in answer["text"].replace("\\u003c", "<")


def test_a_name_cannot_break_out_of_the_page():
    naughty = "<img src=x onerror=alert(1)>"
    widget = lab.link({naughty: lambda x: x * 2, "b": lambda x: x * 2}, lab.ones(3))
    parts = [widget.static_html(), widget.picture["svg"], widget.page()]
    assert "<img" not in "".join(parts + [p["lines"] for p in widget.programs])
