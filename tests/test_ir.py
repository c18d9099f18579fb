"""The graph as data: its text reads back, it runs, it has a gradient, a cost and a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_ops import CASES, arrays_of, call

import minitorch_lab as lab
from minitorch_lab import bench
from minitorch_lab.errors import ArgumentError, TraceError
from minitorch_lab.graph.estimate import Seconds, limits
from minitorch_lab.graph.ir import Graph, text
from minitorch_lab.graph.passes import optimise
from minitorch_lab.graph.trace import Traced, trace
from minitorch_lab.op import OPS, Op, Sample
from minitorch_lab.tensor import make

SMALL_MODELS = {
    "linear": lambda: bench.regression(lab, 100, 1),
    "one": lambda: bench.regression(lab, 1, 10),
    "mlp": lambda: bench.mlp(lab, 4),
    "dropout": lambda: bench.mlp(lab, 4, 0.2),
    "conv": lambda: bench.conv(lab, 2),
    "cnn": lambda: bench.cnn(lab, 2),
    "norms": lambda: bench.norms(lab, 4),
    "gru": lambda: bench.recurrent(lab, 2),
    "transformer": lambda: bench.transformer(lab, 2),
    "expression": lambda: bench.expression(lab, 100),
    "chain": lambda: bench.chain(lab, 100),
}


def step_of(name: str) -> Traced:
    """The traced training step of a model of the benchmark."""
    lab.manual_seed(0)
    step, x, y = bench.training_step(SMALL_MODELS[name]())
    float(step(x, y).item())  # the optimiser's state exists from here on
    return trace(step, (x, y), {}, True)


def traced(f: Any, *args: Any) -> Graph:
    return trace(f, args, {}, True).graph


def again(graph: Graph) -> Graph:
    """The graph that the text gives, which has the same text."""
    found = Graph.parse(str(graph), graph.table())
    assert text(found) == text(graph, lines=False)
    return found


def graph_of(op: Op, sample: Sample, dtype: Any = np.float32) -> tuple[Graph, list[Any]]:
    arrays = arrays_of(op, sample, dtype)
    graph = traced(lambda *xs: call(op, list(xs), sample.attrs), *[make(a) for a in arrays])
    return graph, arrays


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_the_text_of_every_op_reads_back_and_runs(op: Op, sample: Sample) -> None:
    graph, arrays = graph_of(op, sample)
    found = again(graph)
    for e, old in zip(found.equations, graph.equations, strict=True):
        assert e.op is old.op
        assert e.attrs == old.attrs
        assert e.out.spec == old.out.spec
    if not any(e.op.random for e in graph.equations):
        expected = call(op, [make(a) for a in arrays], sample.attrs).array
        for one in (graph, found):
            np.testing.assert_array_equal(one.run(*arrays)[0], expected)


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_the_text_of_a_training_step_reads_back(name: str) -> None:
    graph = step_of(name).graph
    found = again(graph)
    assert [v.name for v, _ in found.updates] == [v.name for v, _ in graph.updates]
    assert found.cost() == graph.cost()


def test_constants_are_exact_and_large_ones_stand_in_a_table() -> None:
    values = [1 / 3, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3.4e38, 2.0]
    large = np.random.default_rng(0).normal(size=100).astype("float32")

    def f(x: Any) -> Any:
        return x + lab.tensor(values) + lab.tensor(large)[:8] + lab.tensor([True, False] * 4)

    graph = traced(f, lab.ones(8))
    found = again(graph)
    for (_, a), (_, b) in zip(graph.constants, found.constants, strict=True):
        assert a.tobytes() == b.tobytes()
    with pytest.raises(ArgumentError, match="the table has no 'c3'"):
        Graph.parse(str(graph))
    with pytest.raises(ArgumentError, match="the table's 'c3' is float32"):
        Graph.parse(str(graph), {"c3": large[:3]})


@pytest.mark.parametrize(
    "value",
    [
        None, ..., True, 3, -1, 2.0, 1e-5, np.inf, -np.inf, "a 'b' # \"c\"\n", (), (1,),
        (1, (2, 3)), [1, [2]], slice(None), slice(1, None), slice(None, -2), slice(0, 9, 2),
        slice(None, None, -1),
        (slice(1, 2), None, ..., 3), np.dtype("float16"), lab.int64, {"index": (slice(0, 2), 1)},
        (("slice", {"index": (slice(None), 0)}), ("permute", {"dims": (1, 0)})),
    ],
    ids=str,
)  # fmt: skip
def test_attributes_of_every_kind_read_back(value: Any, monkeypatch: Any) -> None:
    # an op that takes anything: what the rows of the table have is in the test above
    anything = replace_op(OPS["neg"])
    monkeypatch.setitem(OPS, "anything", anything)
    graph = traced(lambda x: -x, lab.ones(2))
    (e,) = graph.equations
    graph = replace(graph, equations=(replace(e, op=anything, attrs={"value": value}),))
    found = again(graph).equations[0].attrs["value"]
    assert found == value
    assert type(found) is type(value)


def replace_op(op: Op) -> Op:
    return Op(
        name="anything", doc=op.doc, forward=op.forward, formula=op.formula, cost=op.cost,
        shape=lambda x, value: x, arguments=("input",),
    )  # fmt: skip


def test_the_text_tells_where_an_equation_comes_from() -> None:
    class Net(lab.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = lab.nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            return self.first(x).tanh()

    net = Net()
    graph = traced(lambda x: net(x), lab.ones(1, 2))
    lines = str(graph).splitlines()
    assert any("tanh(" in line and "# Net, test_ir.py line" in line for line in lines), lines
    assert any("linear(" in line and "# Net.first, test_ir.py line" in line for line in lines)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("", "the text is empty"),
        ("graf f():\n  return", "line 1: found 'graf f"),
        ("graph f(%0: float32 (2,)):\n  %1 = exp(%2)  float32 (2,)\n  return %1", "%2 is not def"),
        ("graph f(%0: float32 (2,)):\n  %0 = exp(%0)  float32 (2,)\n  return %0", "defined twice"),
        (
            "graph f(%0: float32 (2,)):\n  %1 = expo(%0)  float32 (2,)\n  return %1",
            "the table has no op 'expo'",
        ),
        ("graph f(%0: float32 (2,)):\n  %1 = exp(%0)  float32 (3,)\n  return %1", "gives float32"),
        ("graph f(%0: float32 (2,)):\n  %1 = exp(%0, %0)  float32 (2,)\n  return %1", "exp takes"),
        ("graph f(%0: float32 (2,)):\n  %1 = exp(%0  float32 (2,)\n  return %1", "expected ','"),
        ("graph f(%0: float32 (2,)):\n  %1 = exp(%0)  floaty (2,)\n  return %1", "such as float32"),
        ("graph f(%0: float32 (2,)):\n  %1 = exp(%0)  float32 2\n  return %1", "without its shape"),
        (
            "graph f(%0: float32 (2,)):\n  %1 = sum(%0, dim=@)  float32 (2,)\n  return",
            "cannot read",
        ),
        ("graph f():\n  %1 = const [1, 2]  float32 (3,)\n  return %1", "do not fit"),
        ("graph f(%0: float32 (2,)):\n  %1 = exp(%0)  float32 (2,)", "no return"),
        ("graph f(%0: float32 (2,)):\n  return %0\n  return %0", "after return"),
        ("graph f():\n  true() = graph g():\n    return\n  return", "below an equation of cond"),
        (
            "graph f(%0: bool ()):\n  %1 = cond(%0, specs=())  uint8 (0,)\n"
            "    true() = graph g():\n      %2 = exp(%0)  float32 ()\n      return\n  return",
            "line 4: %0 is not defined",
        ),
    ],
    ids=range(16),
)
def test_a_text_that_is_no_graph_is_refused_with_its_line(wrong: str, message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        Graph.parse(wrong)
    assert message in str(error.value)
    assert str(error.value).startswith("Graph.parse(text): ")
    assert "expected" in str(error.value)


def test_a_branch_stands_below_its_equation() -> None:
    def positive(x: Any) -> Any:
        return x * 2

    graph = traced(lambda x: lab.cond(x.sum() > 0, positive, lambda x: -x, x), lab.ones(2))
    assert text(graph, lines=False).splitlines()[3:10] == [
        "  %3 = cond(%2, %0, specs=(float32 (2,),))               uint8 (16,)",
        "    true(1) = graph positive(%0: float32 (2,)):",
        "      %1 = mul(%0, 2)  float32 (2,)",
        "      return %1",
        "    false(1) = graph <lambda>(%0: float32 (2,)):",
        "      %1 = neg(%0)  float32 (2,)",
        "      return %1",
    ]
    again(graph)


class Drawn:
    """Functions drawn at random: ops, choices and loops in each other."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.large = lab.tensor(self.rng.normal(size=(6, 3)) * 0.3)
        self.weight = lab.tensor(self.rng.normal(size=3))

    def body(self, depth: int) -> Any:
        """A function of a tensor of shape (3,) that gives another."""
        kinds = ["tanh", "weight", "product", "twice"]
        kinds += ["cond", "scan", "loop", "cond", "scan"] if depth else []
        kind = kinds[self.rng.integers(len(kinds))]
        after = self.body(depth - 1) if depth else lambda x: x
        one, two = (self.body(depth - 1) if depth else None for _ in range(2))
        number = float(self.rng.normal())

        def turn(carry: Any, row: Any) -> Any:
            new = one(carry + row)
            return new, {"y": two(carry)}

        def f(x: Any) -> Any:
            if kind == "cond":
                y = lab.cond(x.sum() > number, one, lambda x: two(x) * self.weight, x)
            elif kind == "scan":
                carry, rows = lab.scan(turn, x, lab.stack([x, x * number, self.weight]))
                y = carry + rows["y"].sum(0)
            elif kind == "loop":
                rounds = lab.while_loop(
                    lambda n, x: n < 3, lambda n, x: (n + 1, one(x) + self.weight), 0, x
                )
                y = rounds[1] * rounds[0]
            else:
                y = {
                    "tanh": x.tanh(),
                    "weight": x * self.weight + number,
                    "product": (self.large @ x).sum() * x,
                    "twice": x.exp().log1p() + x.exp(),
                }[kind]
            return after(y.tanh())

        return f


@pytest.mark.parametrize("seed", range(12))
def test_choices_and_loops_read_back_and_compute_the_same(seed: int) -> None:
    drawn = Drawn(seed)
    f = drawn.body(3)
    x = lab.tensor(drawn.rng.normal(size=3))
    traced_ = trace(f, (x,), {}, recording=False)
    values = [b.value([x]) for b in traced_.bindings]
    expected = f(x).numpy()
    for graph in (traced_.graph, optimise(traced_.graph)):
        np.testing.assert_allclose(graph.run(*values)[0], expected, rtol=1e-12)
        read = Graph.parse(str(graph), graph.table())
        assert text(read) == text(graph, lines=False)
        assert read.run(*values)[0].tobytes() == graph.run(*values)[0].tobytes()
    compiled = lab.compile(f, executor="auto" if seed < 4 else "numpy")  # a C compiler is slow
    np.testing.assert_allclose(compiled(x).numpy(), expected, rtol=1e-12, atol=1e-15)


def test_run_needs_values_that_fit() -> None:
    graph = traced(lambda x: x * 2, lab.ones(3))
    with pytest.raises(ArgumentError, match="got 0 values for 1 inputs"):
        graph.run()
    with pytest.raises(ArgumentError, match=r"input %0 x is float32 \(2,\)\n  expected float32"):
        graph.run(np.ones(2, "float32"))


def test_numbers_stay_numbers() -> None:
    """A learning rate in float64 leaves the parameters in float32."""
    step = step_of("mlp")
    values = [b.value([lab.randn(4, 784), lab.randint(0, 10, (4,))]) for b in step.bindings]
    for v, array in zip(step.graph.results, step.graph.run(*values), strict=True):
        if not v.spec.number:
            assert array.dtype == v.spec.dtype


def test_the_gradient_is_a_graph() -> None:
    def f(x: Any, w: Any) -> Any:
        return (lab.tanh(x @ w) ** 2).sum()

    x, w = lab.randn(3, 4), lab.randn(4, 2)
    graph = traced(f, x, w)
    found = graph.differentiate().run(x.array, w.array)
    x.requires_grad = w.requires_grad = True
    for a, b in zip(found, lab.autograd.grad(f(x, w), (x, w)), strict=True):
        np.testing.assert_allclose(a, b.array, rtol=1e-6)
    again(graph.differentiate())
    (only,) = graph.differentiate(inputs="w").run(x.array, w.array)
    np.testing.assert_array_equal(only, found[1])


def test_a_gradient_of_several_entries_takes_what_comes_to_it_and_goes_on() -> None:
    graph = traced(lambda x: x**3, lab.ones(2))
    first = graph.differentiate()
    assert [v.name for v in first.inputs] == ["x", "gradient of %1"]
    x, g = np.array([1, 2], "float32"), np.array([1, 10], "float32")
    np.testing.assert_allclose(first.run(x, g)[0], [3, 120])
    second = first.differentiate(inputs="x")
    np.testing.assert_allclose(second.run(x, g, np.ones(2, "float32"))[0], [6, 120])


def test_differentiate_names_what_it_does_not_know() -> None:
    graph = traced(lambda x: x * 2, lab.ones(2))
    with pytest.raises(ArgumentError, match=r"differentiate\(inputs\): graph <lambda> has no y"):
        graph.differentiate(inputs="y")
    with pytest.raises(ArgumentError, match="is no input"):
        graph.differentiate(inputs="%1")


def test_an_input_without_influence_has_a_gradient_of_zeros() -> None:
    graph = traced(lambda x, y: x.sum(), lab.ones(2), lab.ones(3))
    dx, dy = graph.differentiate().run(np.ones(2, "float32"), np.ones(3, "float32"))
    assert (dx.tolist(), dy.tolist()) == ([1, 1], [0, 0, 0])


def test_a_graph_has_a_cost_and_a_time() -> None:
    small = traced(lambda x: x @ x, lab.ones(8, 8))
    large = traced(lambda x: x @ x, lab.ones(512, 512))
    assert small.cost().flops == 2 * 8**3
    machine = limits()
    assert limits() is machine  # measured once
    assert large.estimate() > 10 * small.estimate() > 0
    assert large.estimate() == pytest.approx(2 * 512**3 / machine.flops + machine.call)
    assert str(machine).count("/s") == 2
    assert [str(Seconds(t)) for t in (2, 0.0135, 5e-5, 8e-8)] == [
        "2 s",
        "13.5 ms",
        "50 µs",
        "80 ns",
    ]


def test_verify_finds_a_wrong_spec_and_trusts_what_was_checked() -> None:
    graph = traced(lambda x: (x + 1).sum(), lab.ones(2))
    first, last = graph.equations
    wrong = replace(last, out=replace(last.out, spec=first.out.spec))
    bad = replace(graph, equations=(first, wrong), outputs=(wrong.out,))
    with pytest.raises(TraceError, match="gives float32"):
        bad.verify(graph)
    assert bad.verify(bad) is bad
    with pytest.raises(TraceError, match="before it is defined"):
        replace(graph, equations=(last, first)).verify(graph)
