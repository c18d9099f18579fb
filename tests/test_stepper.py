"""Steps: the engine's own numbers and order; the stepper: what it is asked, what it shows."""

from __future__ import annotations

import inspect
import json
import re
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab import nn
from minitorch_lab.errors import GradError, KindError
from minitorch_lab.op import OPS, current
from minitorch_lab.tape import Settings
from minitorch_lab.tensor import make
from minitorch_lab.viz.derivative import gradient_rule, local_derivative
from minitorch_lab.viz.listing import Block, block_html, listing
from minitorch_lab.viz.steps import Steps, steps_of
from minitorch_lab.viz.sums import say, sums, values, words
from minitorch_lab.widgets.base import asset
from minitorch_lab.widgets.stepper import CHUNK, Stepper, step_through


@pytest.fixture(autouse=True)
def _sources(monkeypatch):
    monkeypatch.setattr(Settings, "sources", True)  # as in a notebook


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def ask(widget: Stepper, **content: Any) -> list[Any]:
    """Send a message as the page does; returns the answers."""
    answers: list[Any] = []
    widget.send = lambda content, buffers=None: answers.append(content)  # type: ignore[method-assign]
    widget._handle_custom_msg(content, [])
    return answers


def polynomial() -> tuple[Any, Any]:
    x = lab.tensor(2.0, requires_grad=True)
    return x, x**2 + 2 * x + 1


def of_polynomial(**more: Any) -> Steps:
    x, y = polynomial()
    return steps_of(y, names={id(x): "x", id(y): "y"}, **more)


# The numbers -------------------------------------------------------------------------------


def totals(steps: Steps) -> dict[int, Any]:
    """What has arrived at each node when all steps are done."""
    return {tail: found[-1].total for tail, found in steps.arrivals.items()}


def assert_as_backward(root: Any, leaves: list[Any], gradient: Any = None) -> Steps:
    """Bitwise what ``backward()`` leaves in ``.grad``, which the steps do not touch."""
    names = {id(x): f"leaf{i}" for i, x in enumerate(leaves)}
    steps = steps_of(root, gradient, names=names)
    assert all(x.grad is None for x in leaves)
    number = {node.name: node.id for node in steps.view.nodes if node.name.startswith("leaf")}
    found = totals(steps)
    root.backward(gradient)  # so nothing was freed
    for i, x in enumerate(leaves):
        np.testing.assert_array_equal(found[number[f"leaf{i}"]], x.grad.array)
    return steps


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(6, 5)
        self.norm = nn.LayerNorm(5)
        self.fc2 = nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        h = self.norm(self.fc1(x)).relu()
        return self.fc2(h) + self.fc2(h * 2)  # one layer, used twice


def test_the_numbers_are_those_of_backward_for_a_network():
    lab.manual_seed(0)
    net = Net()
    out = net(lab.randn(4, 6))
    penalty = sum((p * p).sum() for p in net.parameters())
    loss = F.cross_entropy(out, lab.tensor([0, 1, 2, 0])) + penalty * 0.01
    assert_as_backward(loss, list(net.parameters()))


@pytest.mark.parametrize(
    "make",
    [
        lambda x: (x.softmax(1) * x.tanh()).sum(),
        lambda x: (x @ x.T).exp().mean(),
        lambda x: (x.max(0).values - x[0]).abs().sum(),
        lambda x: lab.cat([x, x * 2]).std() + x.T.reshape(-1)[3:].prod(),
        lambda x: (x + x.sum(0, keepdim=True) / x.mean(1, keepdim=True)).square().sum(),
        lambda x: nn.Conv2d(1, 1, 2)(x[None, None]).sum() * x[0, 0],
    ],
    ids=["softmax", "matmul", "max", "cat", "broadcast", "conv"],
)
def test_the_numbers_are_those_of_backward(make):
    lab.manual_seed(1)
    x = lab.randn(4, 3, requires_grad=True)
    assert_as_backward(make(x), [x])


_OPS = [
    lambda a, b: a * b, lambda a, b: a + b, lambda a, b: a - b.tanh(), lambda a, b: a.sin() + 1,
    lambda a, b: a.sum(0) * b, lambda a, b: a.exp() / (b * b + 1), lambda a, b: a.relu(),
]  # fmt: skip


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 3), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_the_numbers_are_those_of_backward_for_any_graph(plan):
    known = [
        lab.tensor([0.5, -1.0], requires_grad=True),
        lab.tensor([[1.0, 2.0], [0.25, -0.5]], requires_grad=True),
    ]
    for op, a, b in plan:
        known.append(_OPS[op % len(_OPS)](known[a % len(known)], known[b % len(known)]).tanh())
    loss = sum((x * x).sum() for x in known)
    steps = assert_as_backward(loss, known[:2])
    done: set[int] = set()
    for step in steps:
        if step.phase == "backward":  # each step's gradient is whole when its turn comes
            total, came, paths = steps.gradient_at(step.node, step.number - 1)
            assert came == paths
            np.testing.assert_array_equal(total, step.incoming)
            assert not {part.node for part in step.parts} & done
            done.add(step.node)


def test_local_times_incoming_is_the_contribution():
    x, y = polynomial()
    z = (y.sin() * x).sqrt().exp() / y + lab.where(x > 1, x, y) - y.log()
    for step in steps_of(z):
        for part in step.parts:
            assert part.local is not None
            np.testing.assert_allclose(part.local * step.incoming, part.gradient, rtol=1e-6)


def view_then_add(a):
    x = a * 1
    v = x[0]
    x += 1
    return (v * v).sum()


def change_the_view(a):
    x = a * 1
    v = x[0]
    v *= 2
    return (x * x).sum() + v.sum()


def view_of_a_view(a):
    x = a * 1
    v = x.T
    w = v[0]
    x.mul_(3)
    return (w * v[1]).sum()


def both(a):
    x = a * 1
    v = x[0]
    y = v * 1
    x += a
    v2 = x[0]
    v2.add_(y)
    return (v * v2 * x).sum()


def filled(a):
    x = lab.zeros(2, 2)
    x[0] = a[1] * 2
    x[1] = a[0]
    v = x[1]
    x *= a
    return (v.sum() * x).sum()


@pytest.mark.parametrize("f", [view_then_add, change_the_view, view_of_a_view, both, filled])
def test_in_place_changes_through_views(f):
    a = lab.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    steps = assert_as_backward(f(a), [a])
    assert steps.failure == ""


def test_an_outdated_view_at_the_end():
    a = lab.ones(2, requires_grad=True)
    x = a * 1
    v = x[0]
    x *= 2
    assert_as_backward(v, [a])
    assert a.grad.tolist() == [2, 0]


def test_in_place_ops_views_and_no_grad_parts():
    x = lab.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y[0] = 10 * x[1]
    y += 1
    with lab.no_grad():
        kept = x.sum() * 3
    assert_as_backward((y * y).sum() * kept, [x])


def test_second_order():
    x = lab.tensor(2.0, requires_grad=True)
    (first,) = lab.autograd.grad(x**3, x, create_graph=True)
    steps = assert_as_backward(first**2, [x])  # d (3x^2)^2 = 36 x^3
    assert x.grad.item() == 288
    assert len(steps.back) > 2


def test_hooks_are_in_it_and_retain_grad_keeps_nothing():
    x, y = polynomial()
    y.register_hook(lambda g: 10 * g)
    y.retain_grad()
    z = y * 1
    steps = steps_of(z)
    assert totals(steps)[1].item() == 60
    assert y.grad is None
    z.backward()
    assert (x.grad.item(), y.grad.item()) == (60, 10)


def test_a_gradient_of_many_numbers():
    x = lab.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    assert_as_backward(y, [x], lab.tensor([1.0, 0.5]))


def test_a_function_of_the_learner_is_called_once():
    calls = []

    class Double(lab.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            calls.append(g)
            return g * 2

    x = lab.tensor(1.0, requires_grad=True)
    y = Double.apply(x)
    calls.clear()
    steps = steps_of(y)
    drawn = len(calls)  # the picture's own walk, and that of the steps
    sums(steps, steps[-1])
    list(steps)
    assert len(calls) == drawn <= 2
    assert steps[-1].parts[0].total.item() == 2


def test_later_changes_do_not_reach_the_steps():
    x, y = polynomial()
    steps = steps_of(y, names={id(x): "x"})
    before = sums(steps, steps[-1])
    y.backward()
    with lab.no_grad():
        x.fill_(100)
    assert sums(steps, steps[-1]) == before


# What a step says --------------------------------------------------------------------------


def test_the_steps_of_the_polynomial():
    steps = of_polynomial()
    assert [(s.phase, steps.view.node(s.node).op) for s in steps] == [
        ("forward", "pow"), ("forward", "mul"), ("forward", "add"), ("forward", "add"),
        ("start", "add"),
        ("backward", "add"), ("backward", "add"), ("backward", "mul"), ("backward", "pow"),
    ]  # fmt: skip
    (mul,), (power,) = steps[7].parts, steps[8].parts
    assert (mul.local, mul.gradient, mul.before, mul.total) == (2, 2, None, 2)
    assert (mul.arrived, mul.paths, mul.complete) == (1, 2, False)
    assert (power.local, power.gradient, power.before, power.total) == (4, 4, 2, 6)
    assert power.complete
    assert [steps.view.node(i).op for i in power.before_from] == ["mul"]
    assert steps[8].reads == (1, 2)  # the rule of pow reads x and its exponent


def test_the_arithmetic_as_html():
    steps = of_polynomial()
    html = sums(steps, steps[8])
    assert text_of(html) == (
        "pow to x local derivative: 2 · x 2 − 1 = 2 · 2 2 − 1 4 × incoming 1 = contribution 4 "
        "At x = 2, pow changes 4 times as fast as x. x.grad so far, from mul 2 + contribution 4 "
        "= what has arrived 6 Complete: all 2 paths have arrived. The rule of pow reads x. "
        "backward() now frees the value of pow, 4 B."
    )
    assert "1 of 2 paths has arrived." in text_of(sums(steps, steps[7]))
    assert "x 2 2 so far" in text_of(values(steps, steps[7]))
    assert "y 9" not in text_of(values(steps, steps[2]))  # not computed yet
    assert say(steps, steps[8]) == (
        "Step 9 of 9, backward: pow passes 4 to x, which now has 6; "
        "complete: all 2 paths have arrived."
    )


def test_summed_over_what_was_spread():
    b = lab.tensor([1.0, 2.0, 3.0], requires_grad=True)
    steps = steps_of((lab.ones(4, 3) + b).sum(), names={id(b): "b"})
    (part,) = steps[-1].parts
    assert (part.summed, part.spread) == ((0,), ((3,), (4, 3)))
    assert part.total.tolist() == [4, 4, 4]
    text = text_of(sums(steps, steps[-1]))
    assert "Summed over dimension 0, because (3,) was spread to (4, 3)." in text
    column = lab.ones(2, 1, requires_grad=True)
    steps = steps_of((column * lab.ones(5, 2, 3)).sum())
    assert steps[-1].parts[0].summed == (0, 2)


def test_large_tensors_are_shapes_and_statistics():
    x, w = lab.ones(32, 64), lab.ones(64, 10, requires_grad=True)
    steps = steps_of((x @ w).sum(), names={id(x): "x", id(w): "w"})
    text = text_of(sums(steps, steps[-1]))
    assert "rule, X = x (32, 64)" in text
    assert "contribution (64, 10) norm 809.5" in text  # 32 in each of 640 entries
    assert len(sums(steps, steps[-1])) < 3000


def test_what_grad_holds_already_is_said():
    x, y = polynomial()
    y.backward(retain_graph=True)
    steps = steps_of(y, names={id(x): "x"})
    assert "x.grad holds 6 from an earlier backward()" in text_of(sums(steps, steps[-1]))


@pytest.mark.parametrize(
    ("op", "index", "rule", "local"),
    [
        ("mul", 0, r"\bar x = \bar z\,y", "y"),
        ("div", 1, r"\bar y = -\bar z\,x / y^2", "-x / y^2"),
        ("log", 0, r"\bar x = \bar y / x", "1 / x"),
        ("where", 2, r"\bar y = [\lnot c]\,\bar z", r"[\lnot c]"),
        ("square", 0, r"\bar x = 2 x\,\bar y", "2 x"),
        ("linear", 1, r"\bar W = \bar Y^\top X", ""),
        ("sum", 0, r"\bar x_i = \bar y", ""),
    ],
)
def test_the_local_derivative_of_the_table(op, index, rule, local):
    assert gradient_rule(OPS[op], index) == rule
    assert local_derivative(OPS[op], index) == local


# Broken engines ----------------------------------------------------------------------------


def test_a_broken_engine_stands_beside_the_right_one():
    _, y = polynomial()
    with lab.broken("overwrite"):
        widget = step_through(y)
    assert widget.badge == "broken: overwrite"
    (part,) = widget.steps[-1].parts
    assert (part.total, part.right_total) == (4, 6)
    text = text_of(widget.known["9"]["html"])
    assert "2 replaced by contribution 4 = what has arrived 4" in text
    assert "Wrong: these are added, and make 6 ." in text
    assert "lab.broken: overwrite" in widget.text()
    assert (
        "so far 2 replaced by 4 = 4; complete: all 2 paths have arrived; the right engine has 6"
        in (widget.text())
    )
    assert "lab.broken is on: overwrite" in widget.static_html()


def test_no_order_says_what_comes_too_late():
    x = lab.tensor(3.0, requires_grad=True)
    y = x * x
    z = y.sin() * 2 + y
    with lab.broken("order"):
        steps = steps_of(z, names={id(x): "x", id(y): "y"})
    assert steps[-1].parts[0].arrival.late
    assert "Too late: y has passed on its gradient" in text_of(sums(steps, steps[-1]))
    wrong = next(s for s in steps if s.right_incoming is not None)
    assert wrong.incoming == 1
    assert wrong.right_incoming == pytest.approx(1 + 2 * np.cos(9))
    assert "Wrong: incoming should be" in text_of(sums(steps, wrong))


def test_no_sum_says_so_and_stops_where_shapes_fit_no_more():
    b = lab.ones(3, requires_grad=True)
    with lab.broken("broadcast"):
        steps = steps_of((lab.ones(4, 3) + b).sum(), names={id(b): "b"})
        stuck = step_through((lab.ones(4, 3) + (b * 2).reshape(1, 3).reshape(3)).sum())
    text = text_of(sums(steps, steps[-1]))
    assert "Not summed over dimension 0, though (3,) was spread to (4, 3)." in text
    assert "not summed over 0" in words(steps)
    assert len(stuck.steps.back) == 2
    assert "a gradient has the wrong shape" in stuck.plan["failure"]
    assert "wrong shape" not in stuck.picture["note"]  # it is said once
    assert "the walk ended here: backward() with lab.broken('broadcast')" in stuck.text()


# Source ------------------------------------------------------------------------------------


def test_the_function_around_and_the_expression_that_is_lit():
    def f(x):
        # twice
        y = x * x + x
        return y.sin()

    widget = step_through(f, lab.tensor(2.0, requires_grad=True))
    (block,) = widget.blocks
    assert block.title == "test_stepper.py, f"
    assert block.lines[0].strip() == "def f(x):"
    assert block.lines[-1].strip() == "return y.sin()"
    lit = [widget.known[str(n)]["lit"].strip() for n in (1, 2, 3)]
    assert lit == [
        "y = <b>x * x</b> + x",
        "y = <b>x * x + x</b>",
        '<span class="k">return</span> <b>y.sin()</b>',
    ]
    line = widget.plan["where"]
    assert line[str(widget.plan["forward"][2])] == [0, block.first + 3]


def test_colours_of_code():
    block = Block("cell 1", 1, ('print("<b>", 2)  # é', "%magic (", "if x: pass"))
    assert block_html(block)[0].startswith("print(")
    assert block_html(Block("", 1, ("if 2: # <i>",))) == [
        '<span class="k">if</span> <span class="s">2</span>: <span class="c"># &lt;i&gt;</span>'
    ]


def test_without_source_lines_it_works(monkeypatch):
    monkeypatch.setattr(Settings, "sources", False)
    _, y = polynomial()
    steps = steps_of(y)
    assert listing(steps.calls) == ([], {})
    assert step_through(y).code == []


# The widget --------------------------------------------------------------------------------


def test_the_transcript():
    x, y = polynomial()
    assert x.grad is None
    line = y.node.source and inspect.getsourcelines(polynomial)[1] + 2
    place = f"  [test_stepper.py line {line}]"
    assert step_through(y).text() == "\n".join(
        [
            "step through y: 9 steps (4 forward, 1 start, 4 backward)",
            f"1 forward  pow #3 of x, 2 = 4{place}",
            f"2 forward  mul #5 of 2, x = 4{place}",
            f"3 forward  add #6 of pow #3, mul #5 = 8{place}",
            f"4 forward  y #8 of add #6, 1 = 9{place}",
            "5 start    y #8 with gradient 1",
            f"6 backward y #8{place}: add #6 gets local 1 x incoming 1 = 1; complete: its only "
            "path has arrived",
            f"7 backward add #6{place}: pow #3 gets local 1 x incoming 1 = 1; complete: its only "
            "path has arrived",
            "           mul #5 gets local 1 x incoming 1 = 1; complete: its only path has arrived",
            f"8 backward mul #5{place}: x gets local 2 x incoming 1 = 2; 1 of 2 paths has arrived",
            f"9 backward pow #3{place}: x gets local 4 x incoming 1 = 4, so far 2 + 4 = 6; "
            "complete: all 2 paths have arrived",
        ]
    )


def test_modules_functions_and_compiled_functions():
    lab.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    data = lab.ones(1, 4)
    widget = step_through(net, data)
    assert widget.title == "net(data)"
    assert "net.0.weight gets" in widget.text()

    def f(x):
        return (x * 2).sin()

    x = lab.tensor(0.5, requires_grad=True)
    fast = lab.compile(f)
    eager = step_through(f, x).text()
    assert without_note(step_through(fast, x)) == eager.replace("f(x)", "fast(x)")
    follows = lab.function(f)  # in eager mode it is a function as any other
    assert step_through(follows, x).text() == eager.replace("f(x)", "follows(x)")


# What ran as a graph -----------------------------------------------------------------------


def without_note(widget: Stepper) -> str:
    """The transcript without the line that says where the steps are from."""
    head, said, *rest = widget.text().split("\n")
    assert said == f"  {widget.picture['note']}"
    return "\n".join([head, *rest])


class Noisy(nn.Module):
    """Draws numbers and keeps state."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.drop, self.norm = nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4)

    def forward(self, x: Any) -> Any:
        return self.norm(self.drop(self.fc(x))).relu()


def test_a_compiled_loss_has_the_steps_of_the_eager_one():
    lab.manual_seed(0)
    net, x = Noisy(), lab.randn(5, 3)

    def f(x):
        return net(x).square().mean()

    start = {k: v.clone() for k, v in net.state_dict().items()}

    def twice(f: Any) -> Any:
        lab.manual_seed(1)
        return f(x) * 2

    loss = twice(f)
    eager = step_through(loss).text()
    net.load_state_dict(start)
    loss = twice(lab.compile(f))
    state, later = lab.get_rng_state(), {k: v.clone() for k, v in net.state_dict().items()}
    widget = step_through(loss)
    assert without_note(widget) == eager
    assert widget.picture["note"] == (
        "f() ran as a graph. These are the ops that were traced, in NumPy; its plan joins them."
    )
    assert (lab.get_rng_state() == state).all()  # and nothing was changed
    assert all(lab.equal(v, later[k]) for k, v in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    found = {widget.steps.view.node(n).name: g for n, g in totals(widget.steps).items()}
    loss.backward()
    for name, p in net.named_parameters():
        np.testing.assert_allclose(found[f"net.{name}"], p.grad.array, rtol=1e-4, atol=1e-6)


def test_gradients_stop_in_a_graph_where_they_stop_in_eager_mode():
    x = lab.tensor([1.0, 2.0, 3.0], requires_grad=True)

    def f(x):
        with lab.no_grad():
            scale = (x * x).sum()
        h = x * x.detach() / scale
        h[0] = 0.0
        return (h * lab.arange(3)).sum()  # whole numbers become floats on the way

    steps = steps_of(lab.compile(f)(x), names={id(x): "x"})
    (number,) = [node.id for node in steps.view.nodes if node.name == "x"]
    f(x).backward()
    np.testing.assert_allclose(totals(steps)[number], x.grad.array, rtol=1e-6)


def test_calls_in_a_row_are_each_unfolded():
    w = lab.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    first = lab.compile(lambda x: (x @ w).tanh())
    second = lab.compile(lambda h, k: ((h * k).sum(), h.exp()))
    a, b = second(first(lab.ones(1, 2)), 2.0)
    widget = step_through((a * b).mean())
    ops = [widget.steps.view.node(n).op for n in widget.steps.forward]
    assert ops == ["matmul", "tanh", "mul", "sum", "exp", "mul", "mean"]
    assert "<lambda>() ran as a graph" in widget.picture["note"]


def test_what_cannot_be_unfolded_stands_as_one_op_and_says_why():
    w = lab.tensor(2.0, requires_grad=True)

    @lab.compile
    def f(x):
        return w * x

    y = f(lab.tensor(3.0))
    with lab.no_grad():
        w.add_(1.0)
    widget = step_through(y)
    assert [widget.steps.view.node(n).op for n in widget.steps.forward] == ["f"]
    assert "stands as one op: what it read was changed since" in widget.picture["note"]

    @lab.compile
    def g(x):
        return lab.cond(x > 0, lambda: w * x, lambda: -x)

    widget = step_through(g(lab.tensor(3.0)))
    assert [widget.steps.view.node(n).op for n in widget.steps.forward] == ["g"]
    assert "a choice, a loop or a Function with a gradient of its own" in widget.text()
    called = step_through(g, lab.tensor(3.0))  # run as Python
    assert "mul" in [called.steps.view.node(n).op for n in called.steps.forward]


def test_a_value_that_is_gone_ends_the_walk_at_once():
    w = lab.tensor(2.0, requires_grad=True)
    y = w * 3 * w
    with lab.no_grad():
        w.add_(1.0)
    text = step_through(y).text()
    assert "start    y #4 with gradient 1" in text
    assert "the walk ended here: backward(): mul needs its other, which was changed" in text


def test_a_compiled_loss_that_went_backward_is_freed():
    x = lab.tensor(2.0, requires_grad=True)
    y = lab.compile(lambda x: x * x)(x)
    y.backward()
    assert "values of this graph were freed" in step_through(y).message


def test_a_training_step_is_stepped_through_and_changes_nothing():
    lab.manual_seed(0)
    net, data, labels = nn.Linear(3, 2), lab.randn(4, 3), lab.tensor([0, 1, 1, 0])
    optimiser = lab.optim.SGD(net.parameters(), lr=0.1)

    def step(data, labels):
        optimiser.zero_grad()
        loss = F.cross_entropy(net(data), labels)
        loss.backward()
        optimiser.step()
        return loss

    before = net.weight.tolist()
    eager = step_through(step, data, labels)
    assert "step() ran as far as its backward(), which these steps show" in eager.text()
    fast = lab.compile(step)
    assert without_note(step_through(fast, data, labels)) == without_note(eager).replace(
        "step(data", "fast(data"
    )
    assert net.weight.tolist() == before
    assert net.weight.grad is None


def test_of_several_outputs_it_goes_back_from_the_first_number():
    def f(x):
        return x * 2, (x * 3).sum()

    x = lab.ones(2, requires_grad=True)
    steps = step_through(f, x).steps
    assert [steps.view.node(s.node).op for s in steps] == ["mul", "mul", "sum", "sum", "sum", "mul"]
    assert steps[-1].parts[0].total.tolist() == [3, 3]


def test_chunks_come_when_asked_and_small_messages():
    x = lab.tensor(0.5, requires_grad=True)
    y = x
    for _ in range(1000):
        y = (y * 1.001).sin()
    start = time.perf_counter()
    widget = step_through(y, depth=1)
    assert time.perf_counter() - start < 4  # under 1 s alone; others may be running beside it
    assert len(widget.steps) == 4001
    assert set(widget.known) == {str(n) for n in range(1, CHUNK + 1)}
    (answer,) = ask(widget, do="steps", chunk=200)
    assert set(answer["steps"]) == {"4001"}
    (answer,) = ask(widget, do="steps", chunk=199)
    assert len(json.dumps(answer)) < 80_000
    before = widget.picture
    ask(widget, do="look", node=2500)
    assert widget.picture != before


@pytest.mark.parametrize(
    "content",
    [
        {"do": "steps", "chunk": 99}, {"do": "steps", "chunk": -1}, {"do": "steps"}, {},
        {"do": "toggle", "module": "no"}, {"do": "look", "node": 99}, {"do": "export"},
        {"do": "export", "format": "exe"}, {"do": "steps", "chunk": "0"}, {"do": "nothing"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_changes_nothing(content):
    widget = Stepper(of_polynomial())
    before = widget.shown()
    assert ask(widget, **content) == []
    assert widget.shown() == before


def test_toggle_folds_a_module():
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    widget = step_through(net, lab.ones(1, 2))
    ask(widget, do="toggle", module="Sequential.0")
    assert 'data-module="Sequential.0" aria-expanded="false"' in widget.picture["svg"]
    assert widget.picture["members"]["mSequential.0"]


def test_the_step_stays_in_range():
    widget = Stepper(of_polynomial(), ask=True)
    widget.step = 99
    assert widget.step == 9
    widget.step = -3
    assert widget.step == 1
    assert widget.ask


def test_what_is_asked():
    steps = of_polynomial()
    (found,) = re.findall(r'data-ask="([^"]*)"', sums(steps, steps[8]))
    assert json.loads(found.replace("&quot;", '"'))["numbers"] == [6]
    x = lab.ones(32, 10, requires_grad=True)
    large = steps_of((x * 2).sum())
    (found,) = re.findall(r'data-ask="([^"]*)"', sums(large, large[-1]))
    asked = json.loads(found.replace("&quot;", '"'))
    assert asked["shape"] == "(32, 10)"
    assert "(10, 32)" in asked["choices"]


def test_twins_of_a_page_without_a_kernel():
    _, y = polynomial()
    widget = step_through(y)
    data, _ = widget._repr_mimebundle_()
    assert data["text/plain"] == widget.text()
    html = data["text/html"]
    assert "<svg" in html
    assert "2 + 4 = 6" in text_of(html)
    page = widget.page()
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    for _ in range(40):
        y = y * 1.01
    many = step_through(y)
    answers = many.page_answers()
    assert len(many.steps) > 60
    assert set(answers) == {f' {{"do":"steps","chunk":{k}}}' for k in range(5)}


def test_a_saved_page_folds():
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    widget = step_through(net, lab.ones(1, 2))
    data = widget.page_data()
    assert data["traits"]["page"] == "0"
    there = data["answers"]['0 {"do":"toggle","module":"Sequential.0"}']["go"]
    assert "mSequential.0" in data["scenes"][there]["picture"]["members"]
    back = data["answers"][f'{there} {{"do":"toggle","module":"Sequential.0"}}']["go"]
    assert back == "0"


def test_the_code_of_the_widget_is_small():
    assert len(Stepper.module()) + len(Stepper.style()) < 57_000  # 60,000 are allowed
    assert "/*" not in Stepper.style()
    for name in ("lab", "graph", "stepper"):  # and no text was changed with the comments
        rules = re.sub(r"/\*.*?\*/", "", asset(f"{name}.css"), flags=re.DOTALL)
        assert all(text in Stepper.style() for text in re.findall(r'"[^"]*"', rules))


def test_names_are_text():
    evil = "<img src=x onerror=alert(1)>"
    x = lab.tensor(1.0, requires_grad=True)
    y = x * x
    widget = Stepper(steps_of(y, title=evil, names={id(x): evil, id(y): evil}))
    found = widget.static_html() + widget.picture["svg"]
    for data in widget.known.values():  # "say" and "ask" are text, the page shows them as such
        found += data["html"] + data["values"] + data["lit"]
    assert "<img" not in found
    assert "&lt;img" in found
    assert "<img" not in widget.page().split("<script")[0]


# What has no steps -------------------------------------------------------------------------


def test_what_has_no_steps_is_a_panel_and_not_a_traceback():
    total = 3.5
    plain = lab.tensor([1.0, 2.0])
    _, used = polynomial()
    used.backward()
    many = lab.ones(2, requires_grad=True) * 2
    for widget, name, text in [
        (step_through(total), "total", "Step through the tensor before .item()."),
        (step_through(plain), "plain", "A graph begins at a tensor with requires_grad=True"),
        (step_through(used), "used", "before loss.backward() ."),
        (step_through(many), "many", "give gradient= of the same shape"),
        (step_through([1]), "list", "Step through a tensor, or a call"),
    ]:
        assert widget.state == "message"
        assert widget.badge == "no steps"
        assert text in text_of(widget.message)
        assert "<" not in widget.transcript()
        assert widget.static_html()
        assert widget.title == name
    assert "step_through: plain has no graph" in step_through(plain).message


def test_empty_and_its_example():
    widget = step_through()
    assert "The steps of your next backward pass will be here." in widget.message
    ask(widget, do="example")
    assert widget.state == "steps"
    assert widget.plan["count"] == 9


def test_errors_of_the_learners_own_call_stay_errors():
    with pytest.raises(KindError, match="step_through: the call returned no tensor"):
        step_through(lambda x: None, lab.ones(1))
    f = lambda x: x * 2  # noqa: E731
    with pytest.raises(GradError, match=r"step_through: f\(\.\.\.\) has no graph"):
        step_through(f, lab.ones(1))
    with pytest.raises(GradError) as raised:
        step_through(f, lab.ones(2, requires_grad=True))
    assert str(raised.value) == (
        "step_through: the gradient of many numbers at once is not defined\n"
        "  tensor  float32 (2,)\n"
        "  expected one number, such as a loss: shape ()\n"
        "  reduce it with .sum() or .mean(), or give step_through(..., gradient=...) of the same "
        "shape"
    )
    with pytest.raises(GradError, match=r"step_through\(gradient\): the shapes differ"):
        step_through(f, lab.ones(2, requires_grad=True), gradient=lab.ones(3))
    with pytest.raises(KindError, match=r"step_through\(gradient\): expected a tensor, got"):
        step_through(lab.ones(1, requires_grad=True) * 2, gradient=3)


def test_an_overwritten_value_ends_the_walk_and_is_said():
    x = lab.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = (y * y).sum()
    y += 1
    widget = step_through(z)
    assert "changed in place after it was used" in widget.plan["failure"]
    assert len(widget.steps.back) == 1


# Every op of the table ---------------------------------------------------------------------


def _calls() -> list[Any]:
    return [
        pytest.param(op, sample, id=f"{op.name}-{i}")
        for op in OPS.values()
        for i, sample in enumerate(op.samples[:2])
        if op.differentiable and not op.random and op.name != "to_device"
    ]


@pytest.mark.parametrize(("op", "sample"), _calls())
def test_every_op_of_the_table_steps(op, sample):
    rng = np.random.default_rng(0)
    inputs = [make(draw(rng)) for draw in sample.inputs]
    for i, x in enumerate(inputs):
        x.requires_grad = x.array.dtype.kind == "f" and op.rule(i) is not None
    leaves = [x for x in inputs if x.requires_grad]
    y = current().apply(op, tuple(inputs), sample.attrs)
    loss = (y * make(rng.normal(size=y.shape))).sum()
    steps = assert_as_backward(loss, leaves)
    for step in steps:
        html = sums(steps, step) + values(steps, step)
        assert "<code>\\" not in html  # every formula could be typeset
        assert say(steps, step)
        for part in step.parts:
            if part.local is not None:
                product = part.local * step.incoming
                if part.summed:
                    product = product.sum(part.summed, keepdims=True).reshape(part.gradient.shape)
                np.testing.assert_allclose(product, part.gradient, rtol=1e-6, atol=1e-9)
