"""The passes: what they record, what their certificates say, and that they stay linear."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_ir import SMALL_MODELS, step_of, traced
from test_ops import CASES, arrays_of, call

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.errors import ArgumentError, LabError
from minitorch_lab.graph import replaced, run_pass
from minitorch_lab.graph.codegen import native
from minitorch_lab.graph.ir import Equation, Graph
from minitorch_lab.graph.passes import PASSES, STAGES, Record, run_passes, simplify
from minitorch_lab.graph.passes.reasons import REASONS, reason
from minitorch_lab.graph.passes.simplify import RULES
from minitorch_lab.op import OPS, Op, Sample
from minitorch_lab.tensor import make

PAGE = Path(__file__).parents[1] / "docs" / "passes.md"
TINY = float(np.finfo("float32").smallest_subnormal)
ODD = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, TINY, -TINY, 3.4e38, 1e-38, 1 / 3, -2.5, 7.0], "float32"
)


def names(graph: Graph) -> list[str]:
    return [e.op.name for e in graph.equations]


def bits(a: Any) -> bytes:
    """The bits of an array, each NaN as one and the same."""
    return bytes(np.where(np.isnan(a), np.float32("nan"), a).tobytes())


# Simplification ----------------------------------------------------------------------------

X = lab.tensor(ODD)
ARROW: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "x * 1 = x": (lambda x: lab.exp(1 * (x * 1.0)), ["exp"]),
    "x * -1 = -x": (lambda x: x * -1, ["neg"]),
    "(-x) * (-y) = x * y": (
        lambda x: (-x) * (-(x + 1)) + (-x) / (-lab.exp(x)),
        ["add", "mul", "exp", "div", "add"],
    ),
    "x + (-0.0) = x": (lambda x: lab.exp(x + -0.0), ["exp"]),
    "x - 0 = x": (lambda x: lab.exp(x - 0.0 - 0), ["exp"]),
    "x + (-y) = x - y": (lambda x: lab.exp(x) + -x, ["exp", "sub"]),
    "x - (-y) = x + y": (lambda x: lab.exp(x) - (-x), ["exp", "add"]),
    "x / 1 = x": (lambda x: lab.exp(x / 1), ["exp"]),
    "x / 2ⁿ = x * 2⁻ⁿ": (lambda x: x / 8, ["mul"]),
    "-(-x) = x": (lambda x: lab.exp(lab.neg(-x)), ["exp"]),
    "|-x| = |x|": (lambda x: lab.abs(-x), ["abs"]),
    "x ** 1 = x": (lambda x: lab.exp(x**1), ["exp"]),
    "x ** 2 = x * x": (lambda x: x**2.0, ["square"]),
    "f(f(x)) = f(x)": (lambda x: lab.exp(lab.floor(lab.floor(x))), ["floor", "exp"]),
    "not not x = x": (
        lambda x: lab.exp(lab.logical_not(lab.logical_not(x > 0)).float()),
        ["gt", "to", "exp"],
    ),
    "max(x, x) = x": (lambda x: lab.exp(lab.maximum(x, x)), ["exp"]),
    "where(c, x, x) = x": (lambda x: lab.exp(lab.where(x > 0, x, x)), ["exp"]),
    "clone(x) = x": (lambda x: lab.exp(x.clone()), ["exp"]),
    "copy(x, y) = y": (lambda x: lab.exp(x.clone().copy_(x * x)), ["mul", "exp"]),
    "to(x, its dtype) = x": (
        lambda x: lab.exp(call(lab.op.OPS["to"], [x], {"dtype": np.dtype("float32")})),
        ["exp"],
    ),
    "to(to(x, a), b) = to(x, b)": (lambda x: x.double().half().float(), ["to", "to"]),
    "reshape(reshape(x)) = reshape(x)": (lambda x: x.reshape(3, 4).reshape(4, 3), ["reshape"]),
    "permute(permute(x)) = permute(x)": (
        lambda x: x.reshape(3, 2, 2).permute(1, 2, 0).permute(-1, 1, 0),
        ["reshape", "permute"],
    ),
    "permute(x, in order) = x": (lambda x: lab.exp(x.reshape(3, 4).t().t()), ["reshape", "exp"]),
    "expand(expand(x)) = expand(x)": (
        lambda x: x.expand(2, 12).expand(3, 2, 12),
        ["expand"],
    ),
    "reshape, expand(x, its shape) = x": (
        lambda x: lab.exp(x.reshape(12).expand(12).reshape(12, 1).reshape(12)),
        ["exp"],
    ),
    "x[:] = x": (lambda x: lab.exp(x[:][0:12]), ["exp"]),
    "flip(flip(x)) = x": (lambda x: lab.exp(x.flip(0).flip(0)), ["exp"]),
}


def tidy(graph: Graph) -> Graph:
    return run_passes(graph, without=("lower",))[-1].after


@pytest.mark.parametrize("rule", RULES, ids=[r.text for r in RULES])
def test_each_rule_fires_and_changes_no_bit(rule: Any) -> None:
    f, expected = ARROW[rule.text]
    graph = traced(f, X)
    simple = run_passes(graph, without=("lower",))
    used = [change.rule for record in simple for change in record.changes]
    assert rule.text in used
    left = simple[-1].after
    assert names(left) == expected
    assert bits(left.run(ODD)[0]) == bits(graph.run(ODD)[0])
    assert len(ARROW) == len({r.text for r in RULES})


@pytest.mark.parametrize(
    "f",
    [
        lambda x: lab.exp(x + 0.0),  # -0.0 + 0.0 is 0.0
        lambda x: lab.exp(x - -0.0),
        lambda x: lab.exp(0 - x),
        lambda x: lab.exp(x * 0),  # NaN where x is infinite
        lambda x: lab.exp(x - x),
        lambda x: lab.exp(x / x),
        lambda x: lab.exp(x / 3.0),
        lambda x: lab.exp(x / 2.0**120),  # the inverse times x may vanish where x / 2**120 does not
        lambda x: lab.exp(x / 0.0),
        lambda x: lab.exp(x / np.inf),
        lambda x: lab.exp(x**3),
        lambda x: lab.exp(x**0.5),  # of -inf: inf, and sqrt gives NaN
        lambda x: lab.log(lab.exp(x)),
        lambda x: lab.exp(lab.log(x)),
        lambda x: x.expand(4, 12).sum(0),  # rounds at each step
        lambda x: x.half().float(),
        lambda x: lab.exp(x.long().float()),
        lambda x: x.to(lab.float64).to(lab.int32),
        lambda x: lab.where(x > 0, x, -x),
        lambda x: lab.exp(x * lab.ones(1, 1)),  # another shape
        lambda x: lab.bitwise_not(lab.logical_not(x > 0)),
    ],
    ids=range(21),
)
def test_what_is_not_exact_stays(f: Any) -> None:
    graph = traced(f, X)
    left = simplify(graph)
    assert bits(left.run(ODD)[0]) == bits(graph.run(ODD)[0])
    assert names(left) == names(graph)


def test_integers_have_one_zero() -> None:
    x = lab.arange(4)
    assert names(tidy(traced(lambda x: (x + 0) ** 1 - 0 + 5, x))) == ["add"]


def test_a_result_keeps_its_own_memory() -> None:
    w = lab.ones(3)
    f = lab.compile(lambda x: (x * 1, w.clone(), w - 0))
    x = lab.ones(3)
    for out in f(x):
        out.add_(5)
    assert x.tolist() == w.tolist() == [1, 1, 1]


@pytest.mark.parametrize("executor", ["numpy", "c"])
def test_an_old_value_outlives_the_change_of_its_tensor(executor: str) -> None:
    """Without its clone, an old value is read from the tensor itself, before that is changed."""
    if executor == "c":
        need_compiler()
    results = []
    for compiled in (False, True):
        w, x = lab.tensor([1.0, 2.0]), lab.tensor([10.0, 20.0])

        def f(x: Any, w: Any = w) -> Any:
            old, inner = w.clone(), x.clone()
            w.mul_(2).add_(old)
            inner.add_(w)
            w.copy_(w * 1 + inner)
            return old * w + inner, old - 0, x * 1.0 + old

        g = lab.compile(f, executor=executor) if compiled else f
        results.append([[out.tolist() for out in g(x)] for _ in range(3)] + [w.tolist()])
    assert results[0] == results[1]


def need_compiler() -> None:
    try:
        native.compiler()
    except native.NoCompiler as why:
        pytest.skip(str(why))


def test_zeros_of_both_signs_are_two_constants() -> None:
    f = lab.compile(lambda x: (x * 0.0, x * -0.0))
    a, b = f(lab.tensor([1.0, -1.0]))
    assert np.signbit([a.array, b.array]).tolist() == [[False, True], [True, False]]


# Records -----------------------------------------------------------------------------------


def shared(x: Any) -> Any:
    a = lab.exp(x * 1.0)
    b = lab.exp(x)
    lab.tanh(x)  # nothing needs it
    c = lab.tensor([2.0]) * 3
    return a + b + c + lab.sigmoid(x)


def test_a_record_says_what_was_done_and_where_it_came_from() -> None:
    graph = traced(shared, lab.ones(4))
    records = {r.name: r for r in run_passes(graph)}
    assert list(records) == list(PASSES) == [
        "lower", "fold", "simplify", "common", "pools", "slices", "dead",
    ]  # fmt: skip

    (change,) = records["lower"].changes
    assert change.what == "taken apart"
    assert change.ops[0] == ("sigmoid",)
    assert set(change.ops[1]) < set(names(records["lower"].after))

    (change,) = [c for c in records["fold"].changes if c.ops[0] == ("mul",)]
    assert (change.what, change.ops[1]) == ("computed", ("const",))
    assert change.ids[0] == change.ids[1]

    (change,) = records["simplify"].changes
    assert (change.what, change.rule, change.ops) == (
        "rewritten",
        "x * 1 = x",
        (("mul",), ("input",)),
    )
    (line,) = change.lines
    assert line.text == "a = lab.exp(x * 1.0)"

    (change,) = records["common"].changes
    assert (change.what, change.ops) == ("merged", (("exp", "exp"), ("exp",)))
    assert [line.text for line in change.lines] == ["a = lab.exp(x * 1.0)", "b = lab.exp(x)"]
    assert change.ids[1] == change.ids[0][:1]
    assert re.fullmatch(
        r"merged: (%\d+) = exp\(%0\), (%\d+) = exp\(%0\) -> \1 = exp\(%0\)  "
        r"# test_passes.py line \d+, test_passes.py line \d+",
        str(change).replace(str(change.before[1]), f"{change.before[1].out} = exp(%0)"),
    )

    (change,) = records["dead"].changes
    assert (change.what, change.ops) == ("removed", (("tanh",), ()))

    before = graph
    for record in records.values():
        assert record.before is before
        assert record.origin is graph
        assert record.seconds > 0
        assert record.flops_saved == record.before.cost().flops - record.after.cost().flops
        before = record.after
    assert records["common"].bytes_saved == 2 * 16
    assert records["dead"].flops_saved > 0
    text = str(records["dead"])
    assert text.startswith("dead: Leaves out what nothing needs. ")
    assert ", 1 change, " in text


def test_compiled_functions_hand_their_records_over() -> None:
    f = lab.compile(shared)
    x = lab.ones(4)
    records = f.passes(x)
    here = [s.name for s in STAGES.values() if f.executor_used in s.executors]
    assert [r.name for r in records] == [*PASSES, *here]
    assert records[len(PASSES) - 1].after is f.graph(x)
    assert records[0].before is f.graph(x, optimised=False)
    assert f.traces == 1


def test_passes_are_switched_off_one_by_one() -> None:
    x = lab.randn(4)
    expected = lab.compile(shared)(x).array
    here = ("flat", "transposes", "buffers")  # what is done for NumPy
    for name in PASSES:
        f = lab.compile(shared, without=(name,), executor="numpy")
        np.testing.assert_allclose(f(x).array, expected, rtol=1e-6)
        assert [r.name for r in f.passes(x)] == [*(n for n in PASSES if n != name), *here]
    f = lab.compile(without=[*PASSES, *here], executor="numpy")(shared)
    np.testing.assert_allclose(f(x).array, expected, rtol=1e-6)
    assert f.passes(x) == ()
    assert f.graph(x) is f.graph(x, optimised=False)


def small_net() -> Any:
    """A training step with something to do for each stage."""
    lab.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 13 * 13, 6),
        nn.LayerNorm(6),
    )  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


@pytest.fixture(scope="module")
def pictures() -> tuple[Any, Any, list[float]]:
    """Pictures, their classes, and the losses of eager mode."""
    lab.manual_seed(1)
    x, y = lab.randn(32, 1, 28, 28), lab.randint(0, 6, (32,))
    step = small_net()
    return x, y, [step(x, y).item() for _ in range(3)]


@pytest.mark.parametrize("executor", ["c", "numpy"])
@pytest.mark.parametrize(
    "without", [*((name,) for name in STAGES), tuple(STAGES), (*PASSES, *STAGES)], ids=" ".join
)
def test_stages_are_switched_off_and_results_stay(
    without: Any, executor: str, pictures: Any
) -> None:
    if executor == "c":
        need_compiler()
    x, y, expected = pictures
    step = lab.compile(small_net(), executor=executor, without=without)
    found = [step(x, y).item() for _ in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert step.executor_used == executor


@pytest.fixture(scope="module")
def explained(pictures: Any) -> Any:
    need_compiler()
    step = lab.compile(small_net(), executor="c")
    step(*pictures[:2])
    return lab.explain(step)


def changes(found: Any, name: str) -> list[Any]:
    (record,) = [r for r in found.passes() if r.name == name]
    return list(record.changes)


def test_a_stage_says_what_it_was_and_what_it_became(explained: Any) -> None:
    rules = [set(change.rule.split(", ")) for change in changes(explained, "fuse")]
    assert {"relu"} in rules
    assert {"layer_norm", "standardize"} <= set().union(*rules)
    assert any({"cross_entropy", "softmax"} <= rule for rule in rules)
    assert {"optimiser update"} in rules
    (softmax,) = [c for c in changes(explained, "fuse") if "cross_entropy" in c.rule]
    assert softmax.what == "fused"
    assert {"amax", "exp", "sum", "log"} < set(softmax.ops[0])
    (kernel,) = softmax.after
    assert kernel.equations == softmax.before
    assert kernel.kind == "loop"
    assert str(softmax).startswith(f"fused as {softmax.rule}: {kernel.equations[0]}, ")

    tiled = {c.rule for c in changes(explained, "tile")}
    assert "conv2d, relu, max_pool2d" in tiled or "conv2d, relu" in tiled
    assert all(c.after[0].samples == 32 for c in changes(explained, "tile"))

    looked = changes(explained, "transposes")
    assert {c.ops for c in looked} >= {(("clone",), ("matmul",))}

    kinds = {c.what for c in changes(explained, "buffers")}
    assert kinds == {"shared", "in place"}
    written = {c.after[0].name for c in changes(explained, "buffers") if c.what == "in place"}
    assert {"weight", "bias"} <= written


def test_a_loop_reads_and_writes_what_crosses_its_border() -> None:
    f = lab.compile(lambda x, w: (x * 2 + w).tanh().sum(1), executor="c")
    need_compiler()
    found = lab.explain(f, lab.ones(6, 50), lab.ones(50))
    (kernel,) = found.kernels()
    assert (kernel.ops, kernel.name) == (("mul", "add", "tanh", "sum"), "mul, add, tanh, sum")
    assert [v.id for v in kernel.reads] == [0, 1]
    assert [v.spec.shape for v in kernel.writes] == [(6,)]
    assert kernel.bytes == 4 * (300 + 50 + 6)
    assert kernel.flops == found.graph().cost().flops
    (fuse,) = [r for r in found.passes() if r.name == "fuse"]
    # each of three values of 300 entries was written by one loop and read by the next
    assert fuse.bytes_saved == 2 * 3 * 4 * 300
    assert (len(fuse.before), len(fuse.after)) == (4, 1)
    assert "4 -> 1 steps, 1 change, 0 flops and 7200 bytes saved" in str(fuse)


@pytest.mark.parametrize("executor", ["c", "numpy"])
def test_memory_saved_is_that_of_a_plan_without(executor: str, pictures: Any) -> None:
    if executor == "c":
        need_compiler()
    found = {}
    for without in ((), ("buffers",)):
        step = lab.compile(small_net(), executor=executor, without=without)
        found[without] = lab.explain(step, *pictures[:2])
    shared, apart = (e.signatures[0].buffer_bytes for e in found.values())
    record = found[()].passes()[-1]
    assert (record.name, record.memory_saved) == ("buffers", apart - shared)
    assert record.memory_saved > 0
    assert found["buffers",].passes()[-1].name != "buffers"


def attend(q: Any, k: Any, v: Any, w: Any) -> Any:
    y = nn.functional.scaled_dot_product_attention(q, k, v)
    return nn.functional.gelu(y @ w)


def test_attention_and_gelu_are_known() -> None:
    q, k, v, w = lab.randn(2, 5, 8), lab.randn(2, 6, 8), lab.randn(2, 6, 8), lab.randn(8, 4)
    need_compiler()
    kernels = lab.explain(lab.compile(attend, executor="c"), q, k, v, w).kernels()
    patterns = [p for kernel in kernels for p in kernel.patterns]
    assert patterns == ["attention", "gelu"]
    plain = lab.explain(lab.compile(lambda x: nn.functional.softmax(x, 1), executor="c"), w)
    assert [k.name for k in plain.kernels()] == ["softmax"]


def test_stages_leave_the_results_near(explained: Any, pictures: Any) -> None:
    bits = explained.bits()
    stages = [s for s in STAGES.values() if "c" in s.executors]
    assert [*bits.rows] == [*PASSES, "c", *(s.name for s in stages)]
    assert all(found.relative < 1e-4 for found in bits.rows.values())
    for name in [*stages, *PASSES.values()]:
        assert bits.rows[name.name].alone or not name.bitwise, name.name
    assert bits.changed == tuple(n for n, found in bits.rows.items() if not found.alone)
    assert explained.certificate().relative == bits.rows["buffers"].relative
    (record,) = [r for r in explained.passes() if r.name == "tile"]
    assert record.certificate() == bits.rows["tile"]
    assert "changes bits" in str(bits)
    assert not bits.rows["c"].alone  # C has functions and sums of its own
    assert bits.rows["c"].reasons[-1].startswith("c: exp")
    assert "              exp" in str(bits)  # under the row, without its name
    (said,) = [r for r in explained.certificate().reasons if r.startswith("c: ")]
    assert "matmul by another library, which adds in other blocks" in said
    assert f"\n  {said}" in str(explained.certificate())


def test_what_may_round_otherwise_has_a_reason_and_nothing_else_has() -> None:
    every = {p.name for p in [*PASSES.values(), *STAGES.values()] if not p.bitwise}
    assert {*REASONS} == every | {"numpy", "c", "cuda"}
    once = "a product and the sum that takes it become one step, which rounds once"
    assert reason("fuse", [OPS["mul"], OPS["add"]]) == once
    assert reason("fuse", [OPS["add"], OPS["sub"]]) == "another order of what is added"
    assert reason("lower", [OPS["relu"], OPS["softmax"], OPS["linear"]]) == (
        "softmax, linear in smaller ops, each of which rounds"
    )
    names = ["exp", "log", "sin", "tanh", "cos", "erf", "relu"]
    assert reason("c", [OPS[n] for n in names]) == (
        "exp, log, sin, tanh, 2 more by formulas of its own"
    )
    assert reason("dead", [OPS["exp"]]) == ""


def test_what_may_change_bits_is_named_before_it_is_measured() -> None:
    x = lab.randn(3, 4)
    cases = [
        (lambda x: x.exp().sum(0), (), "every bit as in eager mode"),
        (lambda x: x.t().exp().sum(0), (), "rounding may differ by numpy; bits() measures it"),
        (lambda x: nn.functional.softmax(x, 1), (), "rounding may differ by lower; bits() mea"),
        (lambda x: nn.functional.softmax(x, 1), "lower", "every bit as in eager mode"),
    ]
    for f, without, words in cases:
        found = lab.explain(lab.compile(f, executor="numpy", without=without), x)
        assert f"  bits             {words}" in str(found)
        assert found.bits().same
        assert "  bits             every bit as in eager mode" in str(found)


def test_a_certificate_of_a_plan_changes_nothing() -> None:
    lab.manual_seed(3)
    layer, drop = nn.BatchNorm1d(4), nn.Dropout(0.5)
    optimizer = optim.Adam(layer.parameters(), lr=0.1)

    @lab.compile(executor="numpy")
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = drop(layer(x)).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    step(lab.randn(8, 4))
    found = lab.explain(step)
    before = [t.clone() for t in (*layer.parameters(), *layer.buffers(), layer.weight.grad)]
    numbers, state = optimizer.state_dict(), lab.random.get_rng_state()
    certificate = found.certificate()
    assert certificate.results == len(found.traced().results)
    assert certificate.relative < 1e-5
    now = [*layer.parameters(), *layer.buffers(), layer.weight.grad]
    assert all((a == b).all().item() for a, b in zip(before, now, strict=True))
    assert str(optimizer.state_dict()) == str(numbers)
    assert lab.random.get_rng_state().tolist() == state.tolist()


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lab.linalg.cholesky, lab.eye(3)),
        (lambda p: nn.functional.binary_cross_entropy(p, p), lab.full((2, 3), 0.5)),
        (lambda k: nn.functional.embedding(k, lab.ones(1, 3)), lab.tensor([0, 0])),
    ],
    ids=["a positive definite matrix", "probabilities", "an index"],
)
def test_a_sample_suits_the_graph(f: Any, x: Any) -> None:
    found = lab.explain(lab.compile(f, executor="numpy"), x)
    assert found.certificate().relative < 1e-5


def test_a_graph_that_takes_no_sample_says_so() -> None:
    f = lab.compile(lambda x: lab.linalg.cholesky(x - 10 * lab.eye(3)), executor="numpy")
    found = lab.explain(f, lab.eye(3) * 20)
    for ask in (found.certificate, found.bits, found.passes()[0].certificate):
        with pytest.raises(lab.ComputeError) as error:
            ask()
        first, _, *last = str(error.value).splitlines()
        assert first == "certificate: the graph <lambda> does not run on drawn inputs"
        assert last == [
            "  expected one that takes any numbers, indices of 0, or probabilities",
            "  give arguments that it takes: record.certificate(x)",
        ]
    fits = lab.eye(3) * 20
    assert found.certificate(arguments=(fits,)).relative < 1e-6
    assert all(record.certificate(fits).relative < 1e-6 for record in found.passes())
    with pytest.raises(lab.linalg.LinAlgError, match="not positive definite"):
        found.certificate(arguments=(-fits,))
    with pytest.raises(
        ArgumentError, match=r"input %0.* is float32 \(2, 2\)\n  expected float32 \(3"
    ):
        found.certificate(arguments=(lab.eye(2),))
    with pytest.raises(
        ArgumentError, match=r"certificate: got .* for %0\n  expected float32 \(3, 3"
    ):
        found.certificate(arguments=("a matrix",))
    with pytest.raises(ArgumentError) as wrong:
        found.passes()[0].certificate(fits, fits)
    assert str(wrong.value) == (
        "certificate: got 2 arguments for 1 inputs\n  expected one for each of %0: float32 (3, 3)"
    )


def test_a_pass_of_ones_own_is_checked() -> None:
    graph = traced(lambda x: lab.exp(x).sum() * 2, lab.ones(3))
    exp, total, _ = graph.equations
    same = run_pass(lambda graph: graph, graph)
    assert (same.name, same.changes, same.diff()) == ("<lambda>", (), "")
    assert same.certificate().bitwise
    with pytest.raises(lab.KindError) as kind:
        run_pass(lambda graph: None, graph)  # type: ignore[arg-type, return-value]
    assert str(kind.value) == (
        "run_pass(<lambda>): the pass gave NoneType\n"
        "  expected a Graph: return the graph itself where there is nothing to do"
    )
    with pytest.raises(ArgumentError, match=r"other inputs or results\n  before  1 inputs, 1 res"):
        run_pass(lambda graph: traced(lambda x: (x, x), lab.ones(3)), graph)
    with pytest.raises(lab.TraceError, match="uses %1 before it is defined"):
        run_pass(lambda graph: Graph(graph.inputs, (), graph.equations[1:], graph.outputs), graph)
    with pytest.raises(ArgumentError) as shape:
        replaced(graph, {total.out: exp.out})
    assert str(shape.value) == (
        "replaced: %1 cannot stand for %2\n  %2  float32 ()\n  %1  float32 (3,)\n"
        "  expected the same shape and dtype"
    )
    with pytest.raises(ArgumentError, match="replaced: %1 stands for itself"):
        replaced(graph, {exp.out: exp.out})
    chain = traced(lambda x: lab.exp(lab.abs(lab.neg(x))), lab.ones(3))
    neg, positive, _ = chain.equations
    left = replaced(chain, {positive.out: neg.out, neg.out: chain.inputs[0]})
    assert [str(e) for e in left.equations] == ["%3 = exp(%0)"]


def test_the_way_back_goes_through_all_passes() -> None:
    def f(x: Any, w: Any) -> Any:
        y = nn.functional.relu(x @ w.t())
        z = nn.functional.relu(x @ w.t())  # the same again
        return lab.exp(lab.neg(-(y + z)))

    x, w = lab.ones(3, 2), lab.ones(4, 2)
    found = lab.explain(lab.compile(f, executor="numpy", without="transposes"), x, w)
    graph = found.graph()
    (product,) = [e for e in graph.equations if e.op.name == "matmul"]
    assert [e.op.name for e in found.origin(product).equations] == ["matmul", "matmul"]
    assert [line.line for line in found.origin(product).lines] == [
        f.__code__.co_firstlineno + 1,
        f.__code__.co_firstlineno + 2,
    ]
    (add,) = [e for e in graph.equations if e.op.name == "add"]
    assert [e.op.name for e in found.origin(add).equations] == ["add", "neg"]
    assert [e.op.name for e in found.origin(graph.outputs[0]).equations] == ["exp"]
    assert found.origin(graph.inputs[0]).equations == ()
    copies = [k for k in found.kernels() if k.ops == ("clone",)]
    assert [e.op.name for e in found.origin(copies[0]).equations] == ["permute", "permute"]
    with pytest.raises(lab.KindError, match=r"origin: got int\n  expected a kernel of kernels"):
        found.origin(3)
    other = lab.explain(lab.compile(lambda x: x.exp() + 1, executor="numpy"), x)
    with pytest.raises(ArgumentError, match=r"origin: .* is not in this graph\n  expected a k"):
        other.origin(product)


def test_nothing_is_worked_out_before_somebody_asks() -> None:
    f = lab.compile(lambda x: x.exp() * 2, executor="numpy")
    f(lab.ones(2))
    (entry,) = f._kept()
    assert "workings" not in vars(entry)
    f.passes(lab.ones(2))
    assert not {"steps", "bits", "provenance", "namer"} & set(vars(entry.workings))


def test_an_unknown_pass_is_named() -> None:
    for wrong in (("fold", "folding"), "folding"):
        with pytest.raises(ArgumentError) as error:
            lab.compile(shared, without=wrong)
        assert str(error.value) == (
            "without: no pass is called 'folding'\n"
            "  expected names of lower, fold, simplify, common, pools, slices, dead, "
            "flat, transposes, fuse, tile, buffers"
        )


# Certificates ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_passes_that_promise_every_bit_keep_it(name: str) -> None:
    step = step_of(name)
    records = run_passes(step.graph, bindings=step.bindings)
    before = lab.random.get_rng_state()
    for record in records:
        found = record.certificate()
        assert found.results == len(step.graph.results)
        assert found.relative < 1e-5, record.name
        assert found.alone or not PASSES[record.name].bitwise, record.name
        assert not found.bitwise or found.absolute == found.relative == 0
    assert lab.random.get_rng_state().tolist() == before.tolist()  # nothing was drawn


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_every_op_and_its_gradient_keep_their_bits(op: Op, sample: Sample) -> None:
    arrays = arrays_of(op, sample, np.float32)
    graph = traced(lambda *xs: call(op, list(xs), sample.attrs), *[make(a) for a in arrays])
    floats = [v for v in graph.inputs if v.spec.dtype.kind == "f"]
    graphs = [graph]
    if op.differentiable and floats and graph.outputs[0].spec.dtype.kind == "f":
        graphs.append(graph.differentiate())
    for one in graphs:
        before = one
        values = [
            *arrays,
            *(np.ones(v.spec.shape, v.spec.dtype) for v in one.inputs[len(arrays) :]),
        ]
        for record in run_passes(one):
            assert record.before is before
            if PASSES[record.name].bitwise and not any(e.op.random for e in one.equations):
                for a, b in zip(record.before.run(*values), record.after.run(*values), strict=True):
                    assert bits_of(a) == bits_of(b), (record.name, str(record.before))
            before = record.after


def bits_of(a: Any) -> bytes:
    return bits(a) if a.dtype.kind == "f" else a.tobytes()


def test_a_certificate_tells_how_far_results_are_apart() -> None:
    graph = traced(lambda x: lab.exp(x) * 3, lab.ones(4))
    e = graph.equations[-1]
    other = Graph(
        graph.inputs, (), (graph.equations[0], Equation(e.out, e.op, (e.inputs[0], 3.003), {})),
        graph.outputs,
    )  # fmt: skip
    record = Record("wrong", "Changes a factor.", graph, other, (), 0.0, graph)
    found = record.certificate()
    assert not found.bitwise
    assert not found.alone
    assert found.relative == pytest.approx(1e-3, rel=1e-3)
    assert found.absolute == pytest.approx(
        1e-3 * np.abs(graph.run(*_values(graph))[0]).max(), rel=1e-3
    )
    assert str(found).startswith("largest difference ")
    assert str(run_passes(graph)[0].certificate()) == "1 result equal, bit for bit"


def _values(graph: Graph) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=v.spec.shape).astype(v.spec.dtype) for v in graph.inputs]


# Time --------------------------------------------------------------------------------------


def chain(x: Any) -> Any:
    for _ in range(2500):
        x = x * 0.5 + lab.tanh(x) * 1 + lab.tanh(x)
    return x


def separate(x: Any) -> Any:
    return [x * float(i) for i in range(10_000)]


@pytest.mark.parametrize("f", [chain, separate], ids=["chain", "separate"])
def test_ten_thousand_equations_go_through_all_passes(f: Any) -> None:
    graph = traced(f, lab.ones(3))
    assert len(graph.equations) >= 10_000
    start = time.process_time()
    left = run_passes(graph)[-1].after
    assert time.process_time() - start < 10
    assert len(left.equations) == 10_000
    start = time.process_time()
    Graph.parse(str(graph))
    assert time.process_time() - start < 10


def test_the_transformer_goes_through_in_a_second() -> None:
    step = step_of("transformer")
    start = time.process_time()
    run_passes(step.graph, bindings=step.bindings)
    assert time.process_time() - start < 1


# Transposes --------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["numpy", "c"])
def test_a_transpose_before_a_matrix_product_copies_nothing(executor: str) -> None:
    """Both executors hand the transposed view to the product."""
    if executor == "c":
        need_compiler()
    f = lab.compile(lambda a, b: (lab.exp(a).t() @ b.t(), a.t() @ b.t()), executor=executor)
    a, b = lab.randn(64, 32), lab.randn(16, 64)
    for found, expected in zip(f(a, b), (lab.exp(a).t() @ b.t(), a.t() @ b.t()), strict=True):
        np.testing.assert_allclose(found.array, expected.array, rtol=2e-5, atol=1e-5)
    code = f.code(a, b)
    assert "permute" not in code
    assert "copy" not in code


# The page ----------------------------------------------------------------------------------


def test_the_page_has_the_table_of_passes_and_of_rules() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for p in PASSES.values():
        assert f"| `{p.name}` | {p.words} |" in page
    names = {"c": "C", "cuda": "CUDA", "numpy": "NumPy"}
    for s in STAGES.values():
        kept, done = ("yes" if s.bitwise else "to rounding"), ", ".join(map(names.get, s.executors))
        assert f"| `{s.name}` | {s.words} | {kept} | {done} |" in page
    for rule in RULES:
        assert f"| `{rule.text}` | {rule.why} |" in page.replace(r"\|", "|"), rule.text
    assert all(f"\n| `{name}` |" in page for name in ("run(*values)", "cost()"))


def test_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    space: dict[str, Any] = {"__name__": "page"}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, "passes.md", "exec"), space)  # noqa: S102  our own page
    printed = capsys.readouterr().out
    assert "merged: %2 = exp(%0), %3 = exp(%0) -> %2 = exp(%0)  # passes.md line 5" in printed
    assert "  common      keeps every bit" in printed
    assert "-  %2 = log(%1)" in printed
    last, cost = printed.splitlines()[-1], re.findall(r"^\d+$", printed, re.MULTILINE)
    assert last == "largest difference inf, relative inf"
    assert int(cost[0]) >= 4 * 4000


def test_errors_are_told_as_before_the_passes() -> None:
    f = lab.compile(lambda x: (x.long() ** -1).sum() * 1)
    with pytest.raises(LabError, match="an integer has no negative powers"):
        f(lab.ones(2))


# Pools -------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["numpy", "c"])
@pytest.mark.parametrize("relu", [False, True, "turned"])
@pytest.mark.parametrize("window", [(2,), (3, 4, 1), ((1, 2),)], ids=str)
def test_a_pool_remembers_places(executor: str, relu: Any, window: tuple[Any, ...]) -> None:
    """Ties, NaN, windows that the relu emptied: every bit as without the pass."""
    lab.manual_seed(0)
    x = lab.randn(3, 2, 8, 8)
    x[0, 0, :2, :2] = float("nan")
    x[0, 1, 2:4, 2:4] = 0.5  # four largest
    x[1, 0, :4, :4] = -1.0
    weight = lab.randn(3, 2, 8, 8)

    def f(x: Any, weight: Any) -> Any:
        y = x * weight  # what the pool looks at is made here
        y = y.relu() if relu else y
        if relu == "turned":  # there and back, as between two layers with channels last
            y = y.permute(0, 2, 3, 1).permute(0, 3, 1, 2)
        pooled = lab.nn.functional.max_pool2d(y, *window)
        return lab.autograd.grad((pooled * pooled.exp()).nansum(), weight)[0]

    weight.requires_grad_()
    after = lab.compile(f, executor=executor)
    before = lab.compile(f, executor=executor, without="pools")
    assert bits(after(x, weight).detach().numpy()) == bits(before(x, weight).detach().numpy())
    graph = lab.explain(after).graph()
    assert "max_pool2d_grad" in names(lab.explain(before).graph())
    assert "max_pool2d_grad" not in names(graph)
    pool = next(i for i, e in enumerate(graph.equations) if e.op.name == "max_pool2d_where")
    picture = graph.equations[pool].inputs[1]
    later = graph.equations[pool + 1 :]
    if relu:  # nothing of the picture's size is kept for the gradient but the multiplied input
        assert not any(picture in e.inputs for e in later)


def test_overlapping_windows_are_left_alone() -> None:
    def f(x: Any) -> Any:
        pooled = lab.nn.functional.max_pool2d(x.exp(), 3, 2)
        return lab.autograd.grad(pooled.sum(), x)[0]

    graph = traced(f, lab.randn(1, 1, 9, 9).requires_grad_())
    assert "max_pool2d_grad" in names(run_passes(graph)[-1].after)


# Slices ------------------------------------------------------------------------------------

CUTS: dict[str, tuple[Callable[[Any], list[Any]], str]] = {
    "queries, keys, values": (lambda x: [x[0], x[2], x[1]], "stack"),
    "chunks of the last dimension": (lambda x: list(lab.chunk(x, 2, -1)), "cat"),
    "unequal pieces": (lambda x: [x[:, 1:], x[:, :1]], "cat"),
    "from behind": (lambda x: [x[-1], x[0], x[1]], "stack"),
    "a gap": (lambda x: [x[0], x[2]], ""),
    "one piece twice": (lambda x: [x[0], x[0], x[1], x[2]], ""),
    "an overlap": (lambda x: [x[:2].sum(0), x[1:].sum(0)], ""),
    "two dimensions": (lambda x: [x[0, :2], x[0, 2:], x[1, :2], x[1, 2:]], ""),
    "every second": (lambda x: [x[:, ::2], x[:, 1::2]], ""),
}


@pytest.mark.parametrize("name", CUTS)
def test_gradients_of_slices_lie_side_by_side(name: str) -> None:
    cut, joined = CUTS[name]
    lab.manual_seed(0)
    x = lab.randn(3, 4, 6).requires_grad_()

    def f(x: Any) -> Any:
        loss = 0.0
        for i, piece in enumerate(cut(x)):
            loss = loss + (piece.exp() * (i + 1)).sum()
        return lab.autograd.grad(loss, x)[0]

    graph = run_passes(traced(f, x))[-1].after
    ops = names(graph)
    if joined:
        assert joined in ops
        assert "unslice" not in ops
    else:
        assert {"stack", "cat"}.isdisjoint(ops)
    for executor in ("numpy", "c"):
        found = lab.compile(f, executor=executor)(x)
        np.testing.assert_allclose(found.detach().numpy(), f(x).numpy(), rtol=1e-6)
