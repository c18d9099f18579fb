"""Graphs that are built by hand, and the sessions that run them."""

from __future__ import annotations

import doctest
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from golden import Golden

import minitorch_lab as lab
from minitorch_lab import nn
from minitorch_lab.graph import (
    GraphBuilder,
    Session,
    UninitializedError,
)
from minitorch_lab.tape import location

F = nn.functional
X = np.array([[1.0, 2.0], [3.0, 5.0], [-1.0, 0.5]], "float32")
Y = np.array([[1.0], [2.0], [0.0]], "float32")


class Line(NamedTuple):
    """A linear regression by gradient descent, written by hand."""

    graph: GraphBuilder
    x: Any
    y: Any
    w: Any
    b: Any
    prediction: Any
    loss: Any
    train: Any
    init: Any


def line(rate: float = 0.05) -> Line:
    graph = GraphBuilder("line")
    with graph:
        x = graph.placeholder("float32", (None, 2), "x")
        y = graph.placeholder("float32", (None, 1), "y")
        w = graph.variable([[0.5], [-0.5]], "w")
        b = graph.variable(0.0, "b")
        prediction = graph.rename(x @ w + b, "prediction")
        loss = graph.rename(((prediction - y) ** 2).mean(), "loss")
        dw, db = graph.gradients(loss, [w, b])
        train = graph.group(w.assign_sub(rate * dw), b.assign_sub(rate * db), name="train")
        init = graph.initializer()
    return Line(graph, x, y, w, b, prediction, loss, train, init)


def by_hand(steps: int, rate: float = 0.05) -> tuple[list[float], Any, float]:
    w, b, losses = np.array([[0.5], [-0.5]]), 0.0, []
    for _ in range(steps):
        d = X @ w + b - Y
        losses.append(float((d**2).mean()))
        w, b = w - rate * (2 / 3 * X.T @ d), b - rate * 2 * float(d.mean())
    return losses, w, b


# What a run computes -----------------------------------------------------------------------


@pytest.mark.usefixtures("each_executor")
def test_a_line_is_trained_by_operations_written_by_hand() -> None:
    m = line()
    losses, w, b = by_hand(30)
    with Session(m.graph) as session:
        assert session.run(m.init) is None
        found = [session.run([m.loss, m.train], {m.x: X, m.y: Y}) for _ in range(30)]
        assert all(none is None for _, none in found)
        np.testing.assert_allclose([loss for loss, _ in found], losses, rtol=1e-4)
        np.testing.assert_allclose(session.run(m.w), w, rtol=1e-4)
        np.testing.assert_allclose(session.run(m.b), b, rtol=1e-4)


@pytest.mark.usefixtures("each_executor")
def test_everything_is_read_as_it_is_at_the_start_of_a_run() -> None:
    graph = GraphBuilder()
    with graph:
        v = graph.variable([1.0, 2.0], "v")
        doubled = v * 2
        up = v.assign_add([10.0, 10.0])
        again = v.assign_add(v)
        init = graph.initializer()
    session = Session(graph)
    session.run(init)
    before, twice, now = session.run([v, doubled, up])
    assert (before.tolist(), twice.tolist(), now.tolist()) == ([1, 2], [2, 4], [11, 12])
    assert session.run(v).tolist() == [11, 12]
    # both add, in the order in which they were built, and v inside is the v of the start
    assert session.run([again, up])[0].tolist() == [32, 34]
    assert session.run(v).tolist() == [32, 34]


@pytest.mark.usefixtures("each_executor")
def test_control_dependencies_order_reads_after_assignments() -> None:
    graph = GraphBuilder()
    with graph:
        v = graph.variable(1.0, "v")
        plain = graph.identity(v, "plain")
        step = v.assign(v * 3)
        with graph.control_dependencies([step]):
            after = graph.identity(v, "after")
            more = v + 1
            last = v.assign_add(v)
        init = graph.initializer()
    session = Session(graph)
    session.run(init)
    assert session.run([plain, after, more]) == [1.0, 3.0, 4.0]
    assert session.run(v) == 3.0
    assert session.run(last) == 18.0  # 3 * 3, and that added once more
    assert session.run(v) == 18.0
    with graph, graph.control_dependencies([step]):
        both = graph.group(name="only the control")
    session.run(both)
    assert session.run("v") == 54.0


@pytest.mark.usefixtures("each_executor")
def test_only_what_is_needed_is_computed() -> None:
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float32", (None,), "x")
        index = graph.placeholder("int64", (None,), "index")
        bad = x[index]
        good = x * 2
        other = graph.variable(lab.ones(2), "other")
        init = graph.initializer()
    session = Session(graph)
    assert session.run(good, {x: [1.0, 2.0]}).tolist() == [2.0, 4.0]
    assert session.run(good, {"x": [1.0], index: [7]}).tolist() == [2.0]
    names = [q.op.name for q in session.graph_of(good, {x: [1.0]}, optimised=False).equations]
    assert names == ["mul"]
    with pytest.raises(IndexError):
        session.run([good, bad], {x: [1.0], index: [7]})
    session.run([init])
    assert session.run(other).tolist() == [1, 1]


def unknown_sizes(x: Any, y: Any) -> dict[str, Any]:
    return {
        "add": x + y,
        "rows": x.sum(1),
        "mean by the size": x.sum() / x.shape[0],
        "root of a size": x * x.shape[0] ** 0.5,
        "flat": x.reshape(-1),
        "flatten": (x @ y.T).flatten(),
        "other shape": x.reshape(x.shape[1], x.shape[0]),
        "view of a product": x.reshape(x.shape[0] * 2),
        "stack": lab.cat([x, y, x]),
        "softmax": F.softmax(x, 0),
        "ones": lab.ones(x.shape) * 3 + lab.zeros_like(y),
        "expand": x[:, :1].expand(x.shape[0], 3),
        "normed": F.layer_norm(x, (2,)),
    }


@pytest.mark.usefixtures("each_executor")
@pytest.mark.parametrize("name", list(unknown_sizes(lab.ones(2, 2), lab.ones(2, 2))))
def test_unknown_sizes_are_known_in_a_run(name: str) -> None:
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float32", (None, 2), "x")
        y = graph.placeholder("float32", (None, 2), "y")
        z = unknown_sizes(x, y)[name]
        found = graph.gradients(z, [x])[0]
    session = Session(graph)
    rng = np.random.default_rng(0)
    for n in (3, 1, 4):
        a, b = (rng.normal(size=(n, 2)).astype("float32") for _ in range(2))
        real = lab.tensor(a, requires_grad=True)
        expected = unknown_sizes(real, lab.tensor(b))[name]
        result = session.run(z, {x: a, y: b})
        np.testing.assert_allclose(result, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
        if found is not None:
            expected.sum().backward()
            now = session.run(found, {x: a, y: b})
            np.testing.assert_allclose(now, real.grad.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("each_executor")
def test_a_convnet_for_any_number_of_pictures() -> None:
    rng = np.random.default_rng(2)
    kernel, matrix = lab.tensor(rng.normal(size=(4, 3, 3, 3))), lab.tensor(rng.normal(size=(5, 64)))

    def model(x: Any, labels: Any) -> Any:
        hidden = F.max_pool2d(F.relu(F.conv2d(x, kernel, padding=1)), 2)
        return F.cross_entropy(F.linear(hidden.flatten(1), matrix), labels)

    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float64", (None, 3, 8, 8), "x")
        labels = graph.placeholder("int64", (None,), "labels")
        loss = model(x, labels)
        (slope,) = graph.gradients(loss, x)
    session = Session(graph)
    for n in (3, 1):
        pictures, wanted = rng.normal(size=(n, 3, 8, 8)), rng.integers(0, 5, n)
        real = lab.tensor(pictures, requires_grad=True)
        expected = model(real, lab.tensor(wanted))
        expected.backward()
        found = session.run([loss, slope], {x: pictures, labels: wanted})
        np.testing.assert_allclose(found[0], expected.item(), rtol=1e-9)
        np.testing.assert_allclose(found[1], real.grad.numpy(), rtol=1e-7, atol=1e-12)


@pytest.mark.usefixtures("each_executor")
def test_sizes_that_broadcast_only_in_the_run() -> None:
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float64", (None,), "x")
        y = graph.placeholder("float64", (None,), "y")
        z = x * y
        dx, dy = graph.gradients(z, [x, y])
    feed = {x: [2.0], y: [1.0, 2.0, 3.0]}
    z_now, dx_now, dy_now = Session(graph).run((z, dx, dy), feed)
    assert z_now.tolist() == [2, 4, 6]
    assert dx_now.tolist() == [6.0]
    assert dy_now.tolist() == [2, 2, 2]


@pytest.mark.usefixtures("each_executor")
def test_gradients_of_gradients_and_of_what_is_not_used() -> None:
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float64", (2,), "x")
        c = graph.constant([2.0, 3.0], lab.float64, "c")
        y = x**3 * c
        (dx,) = graph.gradients(y, x)
        (ddx,) = graph.gradients([dx], [x])
        weighted = graph.gradients(y, [x, y], grad_ys=graph.constant([1.0, 0.0], lab.float64))
        stopped = graph.gradients(y.detach() * x, x)[0]
        assert graph.gradients(x * 2, [c]) == [None]
    run = Session(graph).run
    feed = {x: [1.0, 2.0]}
    assert run(dx, feed).tolist() == [6.0, 36.0]
    assert run(ddx, feed).tolist() == [12.0, 36.0]
    assert [g.tolist() for g in run(weighted, feed)] == [[6.0, 0.0], [1.0, 0.0]]
    assert run(stopped, feed).tolist() == [2.0, 24.0]


@pytest.mark.usefixtures("each_executor")
def test_a_classifier_with_dropout_learns() -> None:
    graph = GraphBuilder("digits")
    lab.manual_seed(0)
    rng = np.random.default_rng(1)
    points = rng.normal(size=(60, 2)).astype("float32")
    labels = (points[:, 0] * points[:, 1] > 0).astype("int64")
    with graph:
        x = graph.placeholder("float32", (None, 2), "x")
        y = graph.placeholder("int64", (None,), "y")
        hidden = x
        for i, (n, m) in enumerate([(2, 16), (16, 2)]):
            with graph.name_scope("dense"):
                w = graph.variable(lab.randn(n, m) * 0.7, "kernel")
                b = graph.variable(lab.zeros(m), "bias")
                hidden = hidden @ w + b
                hidden = F.dropout(F.relu(hidden), 0.1) if i == 0 else hidden
        loss = F.cross_entropy(hidden, y)
        slopes = graph.gradients(loss, graph.variables)
        train = graph.group(
            *(v.assign_sub(g * 0.5) for v, g in zip(graph.variables, slopes, strict=True))
        )
        init = graph.initializer()
    assert [v.name for v in graph.variables] == [
        "dense/kernel:0",
        "dense/bias:0",
        "dense_1/kernel:0",
        "dense_1/bias:0",
    ]
    with Session(graph) as session:
        session.run(init)
        losses = [session.run([loss, train], {x: points, y: labels})[0] for _ in range(150)]
        assert losses[-1] < 0.25 < losses[0]
        again = session.run([loss, loss, hidden], {x: points[:5], y: labels[:5]})
        assert again[0] == again[1]


@pytest.mark.usefixtures("each_executor")
def test_a_function_that_branches_is_one_operation() -> None:
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float32", (None, 2), "x")
        y = graph.call(lab.cond, x.sum() > 0, lambda a: a * 2, lambda a: -a, x)
        dx = graph.gradients(y, x)[0]
        both = graph.call(lambda a: {"a": a, "sum": a.sum(0)}, x, name="both")
    assert y.name == "cond:0"
    assert tuple(map(repr, y.shape)) == ("None", "2")
    assert both["sum"].name == "both:1"
    run = Session(graph).run
    for n, factor in ((2, 1.0), (3, -1.0)):
        value = np.full((n, 2), factor, "float32")
        found, slope, sums = run([y, dx, both["sum"]], {x: value})
        scale = 2.0 if factor > 0 else -1.0
        np.testing.assert_allclose(found, scale * value)
        np.testing.assert_allclose(slope, np.full((n, 2), scale))
        np.testing.assert_allclose(sums, value.sum(0))


# What goes in and comes out ----------------------------------------------------------------


def test_fetches_keep_their_arrangement() -> None:
    m = line()

    class Pair(NamedTuple):
        first: Any
        second: Any

    session = Session(m.graph)
    session.run("init")
    found = session.run({"a": [m.w, (m.b, "b:0")], "p": Pair(m.b, m.init), "none": []})
    assert isinstance(found["p"], Pair)
    assert found["p"] == (0.0, None)
    assert found["none"] == []
    assert found["a"][1] == (0.0, 0.0)
    assert found["a"][0].dtype == np.float32
    assert isinstance(found["a"][1][0], np.float32)
    assert session.run([]) == []


def test_feeds_become_the_placeholders_dtype_and_are_not_kept() -> None:
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float32", (2,), "x")
        n = graph.placeholder("int32", (), "n")
        flag = graph.placeholder("bool", (None,), "flag")
        y = x * 2
    run = Session(graph).run
    for value in ([1, 2], (1.0, 2.0), np.array([1, 2]), np.array([1.0, 2.0]), lab.tensor([1, 2])):
        assert run(y, {x: value}).tolist() == [2.0, 4.0]
    assert run(n, {n: True}) == 1
    assert run(flag, {flag: []}).tolist() == []
    assert run(y, {x: np.arange(4.0)[::2]}).tolist() == [0.0, 4.0]
    array = np.array([1.0, 2.0], "float32")
    same = run(x, {x: array})
    array[0] = 9
    assert same.tolist() == [1.0, 2.0]


@pytest.mark.usefixtures("each_executor")
def test_a_value_in_the_middle_can_be_fed() -> None:
    m = line()
    with Session(m.graph) as session:
        assert session.run(m.loss, {m.prediction: Y + 2, m.y: Y}) == 4.0  # x and w are not needed
        assert session.run(m.prediction, {m.x: X, m.w: [[1], [1]], m.b: 1}).tolist() == [
            [4.0],
            [9.0],
            [0.5],
        ]


def test_names_are_unique_and_can_be_looked_up() -> None:
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float32", (), "x")
        again = graph.placeholder("float32", (), "x")
        total = x + again
        other = x + 1
        with graph.name_scope("a"), graph.name_scope("b"):
            inner = x + 2
        with graph.name_scope("a"):
            second = graph.identity(inner, "out")
    names = [t.name for t in (x, again, total, other, inner, second)]
    assert names == ["x:0", "x_1:0", "add:0", "add_1:0", "a/b/add:0", "a_1/out:0"]
    assert graph.tensor("a/b/add") is inner
    assert graph.tensor("x_1:0") is again
    assert graph.operation("add").kind == "add"
    assert str(total) == f"{total}" == 'Tensor("add:0", shape=(), dtype=float32)'
    assert Session(graph).run("a_1/out", {"x": 1}) == 3.0


def test_two_sessions_have_their_own_values() -> None:
    m = line()
    one, two = Session(m.graph), Session(m.graph)
    one.run(m.init)
    one.run(m.train, {m.x: X, m.y: Y})
    with pytest.raises(UninitializedError):
        two.run(m.w)
    two.run(m.init)
    assert two.run(m.w).tolist() == [[0.5], [-0.5]]
    assert one.run(m.w).tolist() != [[0.5], [-0.5]]
    two.load(m.w, one.run(m.w))
    assert two.run(m.w).tolist() == one.run(m.w).tolist()


def test_a_variable_may_begin_with_a_value_that_is_computed() -> None:
    graph = GraphBuilder()
    lab.manual_seed(3)
    with graph:
        v = graph.variable(lab.randn(2, 2) * 0.1, "v", trainable=False)
        init = graph.initializer()
    session = Session(graph)
    session.run(init)
    first = session.run(v)
    session.run(init)
    assert (first != session.run(v)).all()
    assert not v.trainable


@pytest.mark.filterwarnings("error")
def test_plans_are_kept_for_fetches_and_shapes_and_bounded() -> None:
    m = line()
    session = Session(m.graph)
    session.run(m.init)
    for _ in range(3):
        for n in range(1, 8):  # no word of warning: a None is made for that
            session.run(m.prediction, {m.x: np.ones((n, 2), "float32")})
    assert session.plans == 8  # the initialiser, and one for each size
    with m.graph:
        many = [m.b + i for i in range(80)]
    for t in many:
        session.run(t)
    assert session.plans <= 64


def test_the_order_of_feeds_does_not_matter() -> None:
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float32", (), "x")
        y = graph.placeholder("float32", (), "y")
        z = x - y
    session = Session(graph)
    for _ in range(2):  # the second time, the call is known
        assert session.run(z, {x: 5, y: 2}) == 3.0
        assert session.run(z, {y: 2, x: 5}) == 3.0
        assert session.run([z, [x]], {"y": 2, x: 5}) == [3.0, [5.0]]
    assert session.plans == 2
    with pytest.raises(lab.ShapeError):
        session.run(z, {y: 2, x: [5]})


def test_threads_share_a_session() -> None:
    graph = GraphBuilder()
    with graph:
        v = graph.variable(0.0, "v")
        up = v.assign_add(1.0)
        init = graph.initializer()
    session = Session(graph)
    session.run(init)

    def work() -> None:
        for _ in range(50):
            session.run(up)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert session.run(v) == 200.0


def test_an_eager_tensor_is_data() -> None:
    graph = GraphBuilder()
    data = lab.tensor([1.0, 2.0])
    with graph:
        x = graph.placeholder("float32", (2,), "x")
        y = x * data
        with Session(graph) as session:  # a session may run while its graph is current
            assert session.run(y, {x: [3.0, 4.0]}).tolist() == [3.0, 8.0]
    assert graph.ir(y).verify().outputs[0] is y.variable


def test_the_text_of_a_graph() -> None:
    graph = GraphBuilder("small")
    with graph:
        x = graph.placeholder("float32", (None, 2), "x")
        v = graph.variable([1.0, 2.0], "v")
        y = (x * v).sum(1)
        v.assign_add(v)
    lines = [t.split("  #")[0].split() for t in str(graph).splitlines()]
    assert [" ".join(t) for t in lines] == [
        "graph small(%0: float32 (None, 2)):",
        "%2 = param v float32 (2,)",
        "%1 = const [1, 2] float32 (2,)",
        "%3 = clone(%1) float32 (2,)",
        "%4 = mul(%0, %2) float32 (None, 2)",
        "%5 = sum(%4, dim=(1,), keepdim=False) float32 (None,)",
        "%6 = add(%2, %2) float32 (2,)",
        "%2 <- %3",
        "%2 <- %6",
        "return %5",
    ]
    assert "clone" not in str(graph.ir(y))


@pytest.mark.usefixtures("each_executor")
def test_a_call_that_was_seen_before_is_the_same_call() -> None:
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float32", (None,), "x")
        y = graph.placeholder("float32", (), "y")
        v = graph.variable(0.0, "v")
        total = x.sum() * y + v
        up = graph.group(v.assign_add(y), name="up")
        init = graph.initializer()
    session = Session(graph)
    session.run(init)
    one, two = np.ones(3, "float32"), np.full(2, 2.0, "float32")
    ten = np.array(10.0, "float32")
    for k in range(1, 7):  # the first calls are timed, later ones go straight to the plan
        assert session.run(up, {y: ten}) is None
        assert session.run(v) == 10 * k
        for fed in (one, two, [1.0, 2.0], np.ones(3), lab.ones(3), np.ones((3, 2), "f")[:, 0]):
            expected = float(np.sum(np.asarray(fed))) * 10 + 10 * k
            assert session.run(total, {x: fed, y: ten}) == expected
            assert session.run([total, up, v], {y: ten * 0, x: fed})[0] == 10 * k
        assert session.run({"v": v, "x": [x]}, {x: two})["x"][0].tolist() == [2, 2]
    assert session._quick
    with pytest.raises(lab.ArgumentError, match="placeholder 'y' is not fed"):
        session.run(total, {x: one})
    with pytest.raises(lab.ShapeError, match="has another shape"):
        session.run(total, {x: np.ones((2, 2), "f"), y: ten})
    session.load(v, -1.0)
    assert session.run(v) == -1
    found = session.run(v)
    session.run(up, {y: ten})
    assert found == -1  # what was fetched stays
    session.close()
    with pytest.raises(lab.LabError, match="the session is closed"):
        session.run(v)


def test_a_size_may_be_compared_where_every_run_gives_the_same_answer() -> None:
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float32", (None, None, 3), "x")
        n, m, three = x.shape
        assert n == n
        assert n + 1 > n
        assert (n - n, three == 3, n is None) == (0, True, False)
        assert repr(n - m) == "None"  # not 0, though one number stands for both
        y = x.sum() * (n - m)
    assert Session(graph).run(y, {x: np.ones((5, 2, 3))}) == 90


# What is said when something is wrong ------------------------------------------------------


def closed(m: Line) -> Any:
    with Session(m.graph) as session:
        pass
    return session.run(m.w)


def inside(m: Line, call: Callable[[], Any]) -> Any:
    with m.graph:
        return call()


def run(m: Line, fetches: Any, feeds: Any = None) -> Any:
    return Session(m.graph).run(fetches, feeds)


def unknown_start(m: Line) -> Any:
    return m.graph.variable(m.x, "z")


def late(m: Line) -> Any:
    session = Session(m.graph)
    session.run(m.init)
    with m.graph:
        late = m.graph.variable(1.0, "late")
    return session.run(late)


def fed_between(m: Line) -> Any:
    session = Session(m.graph)
    session.run(m.init)
    return session.run(m.train, {m.x: X, m.y: Y, m.prediction: Y})


def half(m: Line) -> Any:
    with m.graph:
        some = m.x[: m.x.shape[0] // 2]
    return Session(m.graph).run(some, {m.x: X})


def in_a_compiled_function(m: Line) -> Any:
    return lab.compile(lambda: Session(m.graph).run(m.init))()


leaf = lab.ones(2, 1, requires_grad=True)
MISTAKES: dict[str, Callable[[Line], Any]] = {
    "a feed is missing": lambda m: run(m, m.loss, {m.x: X}),
    "nothing is fed": lambda m: run(m, [m.train]),
    "another shape": lambda m: run(m, m.prediction, {m.x: X.T}),
    "a dimension is missing": lambda m: run(m, m.prediction, {m.x: X[0]}),
    "a number for a matrix": lambda m: run(m, m.prediction, {m.x: 1.0}),
    "uneven lists": lambda m: run(m, m.prediction, {m.x: [[1.0, 2.0], [3.0]]}),
    "text is fed": lambda m: run(m, m.prediction, {m.x: "1 2"}),
    "None is fed": lambda m: run(m, m.prediction, {m.x: None}),
    "an array of text": lambda m: run(m, m.prediction, {m.x: np.array([["a", "b"]])}),
    "a tensor of the graph is fed": lambda m: run(m, m.prediction, {m.x: m.y}),
    "a key that is no tensor": lambda m: run(m, m.prediction, {1: X}),
    "a key that is no name": lambda m: run(m, m.prediction, {"xx": X}),
    "a key of another graph": lambda m: run(m, m.prediction, {line().x: X}),
    "an operation as a key": lambda m: run(m, m.prediction, {m.train: X}),
    "feeds that are no dict": lambda m: run(m, m.prediction, [X]),
    "fed twice": lambda m: run(m, m.prediction, {m.x: X, "x": X}),
    "not initialised": lambda m: run(m, m.prediction, {m.x: X}),
    "made after the initialiser": late,
    "fetch of None": lambda m: run(m, [m.w, None]),
    "fetch of a number": lambda m: run(m, {"loss": 1.0}),
    "fetch of an eager tensor": lambda m: run(m, lab.ones(2)),
    "fetch of an unknown name": lambda m: run(m, "los"),
    "fetch of a result that is not there": lambda m: run(m, "loss:1"),
    "fetch of another graph": lambda m: run(m, line().loss),
    "an operation of another graph": lambda m: run(m, line().train),
    "used after close": closed,
    "no graph": lambda m: Session(lab.ones(2)),  # type: ignore[arg-type]
    "run while a function is traced": in_a_compiled_function,
    "a value between is fed": fed_between,
    "an op outside": lambda m: m.x + 1,
    "if of a tensor": lambda m: inside(m, lambda: 1 if m.loss > 0 else 2),
    "item of a tensor": lambda m: inside(m, lambda: m.loss.item()),
    "if of a size": lambda m: inside(m, lambda: 1 if (m.x * 2).shape[0] > 8 else 2),
    "odd or even": lambda m: inside(m, lambda: m.x.shape[0] % 2 == 0),
    "sizes of two placeholders": lambda m: inside(m, lambda: m.x.shape[0] == m.y.shape[0]),
    "range of a size": lambda m: inside(m, lambda: range(m.x.shape[0])),
    "a loop over rows": lambda m: inside(m, lambda: list(m.x)),
    "float of a size": lambda m: inside(m, lambda: float(m.x.shape[0])),
    "shapes that do not fit": lambda m: inside(m, lambda: m.x @ m.x),
    "half of an unknown size": half,
    "counting to an unknown size": lambda m: inside(m, lambda: lab.arange(m.x.shape[0])),
    "a branch inside": lambda m: inside(
        m, lambda: lab.cond(m.loss > 0, lambda a: a, lambda a: -a, m.w)
    ),
    "tensors of two graphs": lambda m: inside(m, lambda: m.x + line().x),
    "an eager parameter": lambda m: inside(m, lambda: m.x @ leaf),
    "in place": lambda m: inside(m, lambda: m.w.add_(1)),
    "backward": lambda m: inside(m, lambda: m.loss.backward()),
    "gradients of ints": lambda m: inside(
        m, lambda: m.graph.gradients(m.loss, m.graph.placeholder("int64", (), "n"))
    ),
    "gradients of data": lambda m: m.graph.gradients(m.loss, [lab.ones(2)]),
    "assign to a tensor": lambda m: m.graph.assign(m.loss, 1.0),
    "assign another shape": lambda m: m.w.assign([1.0, 2.0]),
    "assign another dtype": lambda m: m.graph.assign(m.graph.variable(1, "n"), m.loss),
    "a variable of unknown size": unknown_start,
    "a placeholder without a shape": lambda m: m.graph.placeholder("float32", None),  # type: ignore[arg-type]
    "a name with a colon": lambda m: m.graph.placeholder("float32", (), "x:0"),
    "load of another shape": lambda m: Session(m.graph).load(m.w, [1.0]),
    "ints too large": lambda m: run(m, "k", {m.graph.placeholder("uint8", (), "k"): 256}),
    "floats for ints": lambda m: run(m, "k", {m.graph.placeholder("int64", (), "k"): 0.5}),
}
golden = Golden("sessions", MISTAKES)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str) -> None:
    m = line()
    with pytest.raises(lab.LabError) as caught:
        MISTAKES[name](m)
    # which line it is may change whenever this file does
    golden.check(name, Exception(re.sub(r"line \d+", "line 1", str(caught.value))))


def test_each_text_is_of_a_mistake() -> None:
    golden.complete()


def test_a_size_that_does_not_fit_names_the_operation() -> None:
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float32", (None,), "x")
        y = graph.placeholder("float32", (None,), "y")
        total = graph.rename(x + y, "total")
    with pytest.raises(lab.ShapeError, match=r"(?s)'x:0'.*operation 'total' of the graph, test_"):
        Session(graph).run(total, {x: [1.0, 2.0], y: [1.0, 2.0, 3.0]})


# In the explorer ---------------------------------------------------------------------------


def test_the_explorer_draws_a_graph_and_a_tensor_of_it() -> None:
    m = line()
    whole = lab.explore(m.graph).transcript()
    for name in ("x", "y", "w", "b", "mean", "(None, 2)"):
        assert name in whole
    part = lab.explore(m.prediction).transcript()
    assert "matmul" in part
    assert "mean" not in part


# The page of the docs ----------------------------------------------------------------------


def test_the_page_of_sessions_is_true() -> None:
    page = Path(__file__).parent.parent / "docs" / "sessions.md"
    result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
    assert result.attempted > 10


def test_new_values_of_variables_have_the_line_that_assigns_them() -> None:
    line = GraphBuilder()
    with line:
        w = line.variable([1.0, 2.0])
        doubled = w.assign(w * 2.0)
    session = Session(line)
    session.run(line.initializer())
    traced = session.graph_of(doubled, optimised=False)
    texts = [where.text for where in map(location, traced.equations) if where is not None]
    assert texts
    assert set(texts) == {"doubled = w.assign(w * 2.0)"}


def test_what_a_run_computes_is_drawn_with_the_names_of_its_placeholders() -> None:
    graph = GraphBuilder()
    with graph:
        x, y = (graph.placeholder("float32", (None,), name) for name in ("x", "target"))
        gap = x * 2 - y
    with Session(graph) as session:
        shown = lab.explore(session, gap, {y: [1.0], x: [3.0]}).transcript()
    assert "input x float32 (1,)" in shown
    assert "input target float32 (1,)" in shown
