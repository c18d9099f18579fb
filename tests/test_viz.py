"""Pictures of graphs: the data, what is drawn of it, and its three forms (SVG, DOT, words)."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pygraphviz
import pytest
import viz_samples as samples

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab import nn
from minitorch_lab.errors import GradError, KindError
from minitorch_lab.graph.builder import GraphBuilder
from minitorch_lab.graph.session import Session
from minitorch_lab.op import OPS
from minitorch_lab.random import apart
from minitorch_lab.viz import layout as layout_module
from minitorch_lab.viz.build import from_call, from_compiled, from_session, from_tensors
from minitorch_lab.viz.colour import colours
from minitorch_lab.viz.compose import opened
from minitorch_lab.viz.dot import dot, main_path, skeleton
from minitorch_lab.viz.fold import CAP, closed_scopes, draw
from minitorch_lab.viz.formula import formulas, mathml
from minitorch_lab.viz.layout import LayoutError, layout
from minitorch_lab.viz.measure import brief, number, text_width
from minitorch_lab.viz.panel import aligned, panel
from minitorch_lab.viz.svg import svg, svg_file
from minitorch_lab.viz.text import transcript
from minitorch_lab.viz.view import Builder, GraphView

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('1')</script> \"--\" \\N </g> & <b>"


def parse(view: GraphView, **options: Any) -> ElementTree.Element:
    return ElementTree.fromstring(svg(draw(view, **options)))


def nodes_of(tree: ElementTree.Element) -> list[ElementTree.Element]:
    return [g for g in tree.iter(f"{SVG}g") if "node" in g.get("class", "").split()]


# The data ----------------------------------------------------------------------------------


def test_numbers_count_from_one_and_inputs_stand_before_their_users():
    view = samples.mlp()
    assert [node.id for node in view.nodes] == list(range(1, 17))
    assert all(i < node.id for node in view.nodes for i in node.inputs)
    assert view.node(4).users == (6, 13)  # fc1.weight goes to linear and to the penalty
    assert view.node(16).kind == "output"


def test_scopes_are_a_tree():
    tree = samples.tower(2).scopes
    (net,) = tree.children
    assert [child.path for child in net.children] == ["net.0", "net.1"]
    assert [child.label for child in net.children[0].children] == ["fc1", "fc2"]
    assert net.count == 14
    assert tree.count == 15


def test_a_view_cannot_be_changed():
    view = samples.polynomial()
    with pytest.raises(AttributeError):
        view.node(1).label = "z"  # type: ignore[misc]


# The tape ----------------------------------------------------------------------------------


def test_the_tape_of_a_polynomial():
    x = lab.tensor(2.0, requires_grad=True)
    y = x**2 + 2 * x + 1
    view = from_tensors(y, "y", {id(x): "x", id(y): "y"})
    assert transcript(view) == (
        "graph of y: 8 nodes (1 input, 3 constants, 3 ops, 1 output)\n"
        "#1 input x float32 () value 2 gradient 6 to pow #3, mul #5\n"
        "#2 constant 2 to pow #3\n"
        "#3 op pow float32 () value 4 gradient 1 from x #1, 2 #2 to add #6\n"
        "#4 constant 2 to mul #5\n"
        "#5 op mul float32 () value 4 gradient 1 from 2 #4, x #1 to add #6\n"
        "#6 op add float32 () value 8 gradient 1 from pow #3, mul #5 to add #8\n"
        "#7 constant 1 to add #8\n"
        "#8 output y = add float32 () value 9 gradient 1 from add #6, 1 #7"
    )
    into_x = sorted(float(edge.value) for edge in view.gradients_into(1))
    assert into_x == [2.0, 4.0]  # two ways, and their sum is the gradient
    assert x.grad is None  # looking changes nothing
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == 6


def test_gradients_are_those_of_backward():
    net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    loss = F.cross_entropy(net(lab.randn(4, 6)), lab.tensor([0, 1, 2, 0]))
    view = from_tensors(loss, modules={"net": net})
    seen = {node.name: node for node in view.nodes if node.kind == "param"}
    loss.backward()
    for node, p in zip(seen.values(), net.parameters(), strict=True):
        assert p.grad is not None
        np.testing.assert_array_equal(node.gradient, p.grad.numpy())
    inner = [node for node in view.nodes if node.kind == "op"]
    assert all(node.gradient.shape == node.shape for node in inner)
    assert [node.scope for node in view.nodes if node.op == "linear"] == [
        "Sequential.0",
        "Sequential.2",
    ]
    assert [scope.label for scope in view.scopes.children[0].children] == [
        "0 Linear",
        "1 Tanh",
        "2 Linear",
    ]


def test_after_backward_leaves_keep_their_grad_and_the_rest_says_who_freed_it():
    x = lab.tensor(3.0, requires_grad=True)
    y = (x * x).tanh()
    y.backward()
    view = from_tensors(y, "y", {id(x): "x"})
    leaf, product = view.node(1), view.node(2)
    assert leaf.value == 3
    assert leaf.gradient == x.grad.item()  # type: ignore[union-attr]
    assert product.value is None
    assert product.note == "Freed by backward()."
    assert "retain_graph=True" in product.gradient_note
    assert [edge.tail for edge in view.flows("gradient")] == [1, 1, 2]  # x twice, then x * x
    assert "backward() has freed" in view.note


def test_a_view_keeps_the_values_that_were_there():
    p = nn.Parameter(lab.tensor([1.0, 2.0]))
    view = from_tensors((p * 2).sum())
    with lab.no_grad():
        p -= 1
    assert view.node(1).value.tolist() == [1, 2]


def test_in_place_ops_do_not_bend_the_history():
    x = lab.tensor([1.0, 2.0], requires_grad=True)
    h: Any = x + 0
    z = h.sum()
    h.mul_(z)  # h moves on; what z was computed from does not
    view = from_tensors(h.sum(), names={id(z): "z"})
    assert [node.op for node in view.nodes if node.op] == ["add", "sum", "mul", "sum"]
    z_node = next(node for node in view.nodes if node.name == "z")
    assert view.node(z_node.inputs[0]).op == "add"
    assert all(i < node.id for node in view.nodes for i in node.inputs)


def test_grad_of_an_earlier_backward_is_told_apart():
    x = lab.tensor(1.0, requires_grad=True)
    (x * 5).backward()
    view = from_tensors(x * 3)
    assert view.node(1).gradient == 3
    assert "earlier backward()" in view.node(1).gradient_note


def test_no_gradient_says_why():
    x = lab.tensor([1.0, 2.0], requires_grad=True)
    assert "not one number" in from_tensors(x * 2).node(1).gradient_note
    c = lab.tensor([3.0, 4.0])
    view = from_tensors((x * c).sum(), names={id(c): "c"})
    (node,) = (node for node in view.nodes if node.name == "c")
    assert node.gradient is None
    assert "requires_grad is False" in node.gradient_note


def test_a_chain_of_100_000_ops_needs_no_recursion():
    x = lab.tensor(0.5, requires_grad=True)
    y: Any = x
    for _ in range(100_000):
        y = y.sin()
    start = time.process_time()  # of this process: others on the machine do not count
    view = from_tensors(y, "y")
    drawing = draw(view)
    text = transcript(view)
    picture = svg(drawing)
    took = time.process_time() - start
    assert len(view) == 100_001
    assert len(drawing.boxes) == CAP + 1
    assert "400 boxes nearest" in drawing.note
    assert 'data-node="100001"' in picture
    assert len(text.splitlines()) < 130
    assert took < 20  # 3 s on a slow machine; a recursion or a square would take minutes


def test_a_tensor_without_history_is_refused():
    with pytest.raises(GradError, match="no graph"):
        from_tensors(lab.tensor(1.0))


def test_a_call_is_run_and_every_op_recorded():
    def f(a: Any, b: Any) -> Any:
        return {"sum": (a / 2 + b).sum(), "product": [a * b]}

    view = from_call(f, lab.ones(2), lab.ones(2))
    assert view.title == "f(a, b)"
    assert [view.node(i).op for i in view.outputs] == ["sum", "mul"]
    assert [n.name for n in view.nodes if n.kind == "input"] == ["a", "b"]
    assert view.node(view.outputs[0]).value == 3


def test_a_compiled_training_step_is_its_traced_graph():
    net = nn.Sequential(nn.Linear(3, 2))
    optimizer = lab.optim.SGD(net.parameters(), lr=0.1)

    @lab.compile
    def step(x: Any, target: Any) -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), target)
        loss.backward()
        optimizer.step()
        return loss

    before = net[0].weight.tolist()
    view = from_call(step, lab.ones(4, 3), lab.ones(4, 2), modules={"net": net})
    assert net[0].weight.tolist() == before  # looking trains nothing
    kinds = {node.label: node.kind for node in view.nodes}
    assert kinds["x"] == kinds["target"] == kinds["lr"] == "input"
    assert kinds["weight"] == kinds["bias"] == "param"
    assert kinds["new 0.weight"] == "output"
    assert view.node(view.outputs[0]).shape == ()
    assert all(i < node.id for node in view.nodes for i in node.inputs)
    assert all(node.value is None for node in view.nodes if node.kind == "op")
    assert "0 Linear" in svg(draw(view))


def test_a_call_without_a_tensor_is_refused():
    with pytest.raises(KindError, match="returned no tensor"):
        from_call(lambda x: 3, lab.ones(2))


def test_two_views_of_one_run_are_equal():
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    x = lab.ones(2, 3)
    one, two = (from_call(net, x, names={id(x): "x", id(net): "net"}) for _ in range(2))
    assert transcript(one) == transcript(two)
    assert skeleton(draw(one)) == skeleton(draw(two))


# Calls, plans and sessions -----------------------------------------------------------------


def attend(q: Any) -> Any:
    return F.scaled_dot_product_attention(q, q, q)


def test_functions_are_boxes_call_by_call():
    net = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))

    def model(x):
        h = net(x)
        return attend(h).sum() + attend(h * 2).mean()

    view = from_call(model, lab.ones(5, 4), modules={"net": net})
    labels = {scope.path: scope.label for scope in view.scopes.walk()}
    inner = "scaled_dot_product_attention"
    assert {path: label for path, label in labels.items() if path.endswith(")")} == {
        "attend()": "attend()",
        f"attend().{inner}()": f"{inner}()",
        "attend(2)": "attend() 2",
        f"attend(2).{inner}(2)": f"{inner}() 2",
    }
    ops = [node.op for node in view.nodes if node.scope == f"attend().{inner}()" and node.op]
    assert ops == ["mul", "permute", "matmul", "softmax", "matmul"]
    assert labels["Sequential.1"] == "1 LayerNorm"
    assert "attend" not in transcript(view)  # known where lines are kept: not on every machine
    folded = svg(draw(view, {"attend()", "attend(2)"}))
    assert folded.count('aria-expanded="false"') == 2


def test_modules_called_in_a_function_stand_inside_it():
    net = nn.Sequential(nn.Linear(4, 3), nn.Tanh())

    def encode(x):
        return net(x) * 2

    view = from_call(lambda x: encode(x).sum(), lab.ones(5, 4), modules={"net": net})
    assert view.node(4).scope == "encode().Sequential.0"
    assert view.node(2).scope == "encode().Sequential.0"  # its weight
    assert {s.path: s.label for s in view.scopes.walk()}["encode().Sequential"] == "net"


def test_a_tensor_of_a_cell_has_boxes_for_functions_too(monkeypatch):
    from minitorch_lab.tape import Settings

    monkeypatch.setattr(Settings, "sources", True)
    x = lab.ones(3, requires_grad=True)
    view = from_tensors(attend(x.reshape(1, 3)).sum())
    assert {node.scope for node in view.nodes if node.op == "matmul"} == {"attend()"}


def test_an_op_can_be_opened_into_the_ops_that_it_is_made_of():
    x = lab.tensor([[1.0, 2.0, 4.0]], requires_grad=True)
    w = lab.tensor([1.0, 2.0, 3.0], requires_grad=True)
    loss = (F.layer_norm(x, (3,), w) * lab.tensor([1.0, 0.0, 2.0])).sum()
    view = from_tensors(loss, "loss", {id(x): "x", id(w): "w"})
    (whole,) = [node for node in view.nodes if node.op == "layer_norm"]
    more = opened(view, [whole.id])
    last = more.node(whole.id)
    assert (last.op, more.node(last.inputs[0]).op) == ("mul", "standardize")
    assert last.scope == f"layer_norm #{whole.id}"
    assert last.users == whole.users
    np.testing.assert_array_equal(last.value, whole.value)
    again = opened(more, [len(view) + 1])  # and the parts of a part
    spread = next(node for node in again.nodes if node.op == "sqrt")
    eps, row = 1e-5, np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(spread.value, [[np.sqrt(row.var() + eps)]], rtol=1e-6)
    # what arrives at x along the parts is its gradient
    arrives = sum(edge.value for edge in again.gradients_into(1))
    np.testing.assert_allclose(arrives, view.node(1).gradient, rtol=1e-4, atol=1e-6)
    assert f"layer_norm #{whole.id}" in svg(draw(again, ()))


def test_an_op_without_values_is_opened_too():
    x = lab.ones(2, 3, requires_grad=True)
    loss = F.layer_norm(x, (3,)).sum()
    loss.backward()
    view = from_tensors(loss)
    number = next(node.id for node in view.nodes if node.op == "layer_norm")
    more = opened(view, [number])
    assert [node.op for node in more.nodes if "layer_norm #" in node.scope] == ["standardize"]
    assert more.node(number).shape == (2, 3)
    assert more.node(number).value is None


def test_every_composition_of_the_table_opens():
    rng = np.random.default_rng(0)
    for op in OPS.values():
        if op.composition is None:
            continue
        sample = op.samples[0]
        inputs = [lab.tensor(draw_(rng).astype("float32")) if draw_.kind != "integers" else
                  lab.tensor(draw_(rng)) for draw_ in sample.inputs]  # fmt: skip
        view = from_call(lambda *xs: op(*xs, **sample.attrs), *inputs)
        for node in [node for node in view.nodes if node.parts is not None]:
            more = opened(view, [node.id])
            assert len(more) >= len(view), op.name
            assert more.node(node.id).shape == node.shape, op.name


def test_a_compiled_function_has_values_when_they_are_asked_for():
    p = nn.Parameter(lab.ones(3))
    optimizer = lab.optim.SGD([p], lr=0.1)

    @lab.compile
    def step(x):
        loss = ((p * x) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    with pytest.raises(KindError, match=r"not traced yet\n  expected a call of it before"):
        from_compiled(step)
    step(lab.ones(3))
    view = from_compiled(step)  # what was traced last, without its arguments
    assert view.title == "step"
    by_name = {node.label: node.id for node in view.nodes}
    np.testing.assert_array_equal(view.value(by_name["parameter"]), np.full(3, 0.8, "float32"))
    assert view.value(by_name["x"]) is None
    assert view.value(view.outputs[0]) is None
    view = from_compiled(step, lab.tensor([1.0, 2.0, 3.0]))
    assert view.node(view.outputs[0]).value is None  # not before it is asked for
    np.testing.assert_allclose(view.value(view.outputs[0]), 0.64 * 14, rtol=1e-6)
    news = view.value(by_name["new state"])
    np.testing.assert_allclose(news, 0.8 - 0.1 * 1.6 * np.array([1.0, 4.0, 9.0]), rtol=1e-6)
    assert view.known(view.node(view.outputs[0])).note.startswith("Computed for this view")
    assert p.tolist() == pytest.approx([0.8] * 3)  # looking trains nothing


def test_a_compiled_loss_has_gradients_as_well():
    w = lab.tensor([3.0, 4.0], requires_grad=True)
    loss = lab.compile(lambda x: ((x * w) ** 2).sum())
    view = from_compiled(loss, lab.tensor([1.0, 2.0]))
    known = {node.label: view.known(node) for node in view.nodes}
    for node in view.nodes:
        if node.kind == "param" or node.name == "w":
            np.testing.assert_allclose(view.known(node).gradient, [6.0, 32.0])
    assert known["x"].gradient is None  # as in eager mode: nobody asks for it
    assert known["x"].gradient_note == "None: no gradient flows here, to one number."
    np.testing.assert_allclose(known["mul"].gradient, [6.0, 16.0])
    assert known["sum"].gradient == 1
    assert w.grad is None


def test_a_call_of_a_compiled_function_opens_into_its_ops():
    w = lab.tensor([3.0, 4.0], requires_grad=True)
    loss = lab.compile(lambda x: ((x * w) ** 2).sum())(lab.tensor([1.0, 2.0])) * 2
    view = from_tensors(loss, names={id(w): "w"})
    (call,) = [node for node in view.nodes if node.op == "<lambda>"]
    whole = opened(view, [call.id])
    ops = {node.op: node for node in whole.nodes if node.op and node.scope}
    assert [*ops] == ["sum", "mul", "pow"]  # the last has the number of the call
    assert ops["sum"].id == call.id
    np.testing.assert_array_equal(ops["mul"].value, [3.0, 8.0])
    np.testing.assert_array_equal(ops["mul"].gradient, [12.0, 32.0])
    assert whole.node(ops["mul"].inputs[1]).name == "w"
    with lab.no_grad():
        w.add_(1.0)
    assert from_tensors(loss).node(call.id).parts is None  # its values are gone


def test_a_compiled_loss_has_no_gradient_where_eager_mode_has_none():
    w = lab.tensor([3.0, 4.0], requires_grad=True)
    view = from_compiled(lab.compile(lambda: (w * w.detach()).sum()))
    (weight,) = [view.known(node) for node in view.nodes if node.kind == "param"]
    np.testing.assert_array_equal(weight.gradient, [3.0, 4.0])  # not twice as much


class Convolved(nn.Module):
    """With ops that the passes take apart, merge and rewrite."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(18, 3)

    def forward(self, x):
        x = F.max_pool2d(self.norm(self.conv(x)).relu(), 2)
        return self.fc(x.flatten(1)).softmax(1)


def training(net):
    optimiser = lab.optim.SGD(net.parameters(), lr=0.1)

    def step(x):
        optimiser.zero_grad()
        loss = (net(x) ** 2).mean()
        loss.backward()
        optimiser.step()
        return loss

    return step


def test_a_compiled_training_step_links_each_value_to_its_gradient():
    lab.manual_seed(0)
    net, x = Convolved(), lab.randn(2, 1, 8, 8)
    view = from_compiled(lab.compile(training(net)), x)
    (net(x) ** 2).mean().backward()
    want = {tuple(p.shape): p.grad.array for p in net.parameters() if p.ndim > 1}
    found = {n.shape: view.known(n).gradient for n in view.nodes if n.kind == "param"}
    for shape, gradient in want.items():
        np.testing.assert_allclose(found[shape], gradient, rtol=1e-5, atol=1e-7)
    linked = [node for node in view.nodes if node.gradient_at]
    assert len(linked) >= 14  # six parameters, and what is computed from them
    for node in linked:
        (at,) = node.gradient_at
        assert at > node.id
        assert node.id in view.node(at).gradient_of
        np.testing.assert_array_equal(view.known(node).gradient, view.value(at))
    pool = next(n for n in linked if n.op == "max_pool2d")
    assert view.known(pool).gradient.shape == pool.shape
    (at,) = pool.gradient_at
    drawing = draw(view, closed=())
    shown = panel(drawing, f"n{pool.id}")
    assert f'node <a href="#" data-goto="{at}">{view.node(at).label} #{at}</a>' in shown
    assert f'data-goto="{pool.id}">max_pool2d #{pool.id}</a>' in panel(drawing, f"n{at}")
    assert f"gradient at {view.node(at).label} #{at}" in transcript(view)
    marks = colours(drawing, "gradient", {}).marks
    loss = view.outputs[0]  # its gradient is the 1 that the pass starts with
    assert view.known(view.node(loss)).gradient == 1
    assert {f"n{node.id}" for node in linked} | {f"n{loss}"} == set(marks)
    lost = next(n for n in view.nodes if n.op == "matmul" and not n.gradient_of)
    assert view.known(lost).gradient_note == "The graph computes no gradient of this value alone."


def test_a_compiled_training_step_has_its_backward_pass_and_its_updates_in_boxes():
    lab.manual_seed(0)
    other, net = Convolved(), Convolved()  # which one it reads is known, not only its class
    optimiser = lab.optim.Adam(net.parameters(), lr=0.1)

    @lab.compile
    def step(x):
        optimiser.zero_grad()
        out = net(x)
        loss = (out**2).mean()
        loss.backward()
        optimiser.step()
        return loss, out.argmax(1)

    modules = {"other": other, "net": net}
    view = from_compiled(step, lab.randn(2, 1, 8, 8), modules=modules)
    boxes = {scope.path: scope for scope in view.scopes.children}
    assert [scope.label for scope in boxes.values()] == ["net", "backward()", "updates()"]
    assert closed_scopes(view) >= {"backward()", "updates()"}  # one looks forward first
    assert not closed_scopes(view, 9)
    inner = [scope.label for scope in boxes["backward()"].children[0].children]
    assert set(inner) >= {"conv", "fc"}
    for node in view.nodes:
        if node.op == "argmax":  # after the backward pass, and handed back
            assert not node.scope
        if node.label in ("step", "lr", "exp_avg", "new conv.weight"):
            assert node.scope == "updates()"
    shown = panel(draw(view, closed=()), f"n{boxes['updates()'].nodes[0]}")
    assert "<dt>function</dt><dd><code>updates()</code></dd>" in shown
    forward = from_compiled(lab.compile(lambda x: net(x)), lab.randn(2, 1, 8, 8), modules=modules)
    assert [scope.label for scope in forward.scopes.children] == ["net"]


def test_a_constant_is_written_short():
    view = from_compiled(lab.compile(lambda x: x * (1 - 0.9) + 0.1 * lab.ones(3)), lab.ones(3))
    number, table = [node for node in view.nodes if node.kind == "const"]
    assert (number.label, table.label) == ("0.1", "array")
    boxes = {box.key: box for box in draw(view).boxes}
    assert [boxes[f"n{n.id}"].detail for n in (number, table)] == ["", "(3,)"]
    assert f"#{table.id} constant array float32 (3,) to " in transcript(view)


def test_the_gradient_of_a_value_that_was_merged_is_a_sum():
    w = lab.tensor([0.5, 1.0], requires_grad=True)

    @lab.compile
    def step():
        loss = (w.exp() * 3 + w.exp() ** 2).sum()
        loss.backward()

    view = from_compiled(step)
    (exp,) = [node for node in view.nodes if node.op == "exp"]
    assert len(exp.gradient_at) == 2
    e = np.exp(w.array)
    np.testing.assert_allclose(view.known(exp).gradient, 3 + 2 * e, rtol=1e-6)
    assert "sum of <a" in panel(draw(view, closed=()), f"n{exp.id}")
    assert w.grad is None


def test_a_training_step_that_is_run_shows_values_and_gradients_of_then():
    lab.manual_seed(0)
    net, x = nn.Linear(3, 1), lab.randn(4, 3)
    before = net.weight.array.copy()
    (net(x) ** 2).mean().backward()
    gradient = net.weight.grad.array.copy()
    step = training(net)
    view = from_call(step, x)
    (weight,) = [node for node in view.nodes if node.label == "weight"]
    np.testing.assert_array_equal(weight.value, before)
    np.testing.assert_array_equal(weight.gradient, gradient)
    np.testing.assert_allclose(net.weight.array, before - 0.1 * gradient, rtol=1e-6)  # it ran
    assert view.note.startswith("The call ran backward()")
    assert all(node.gradient is not None for node in view.nodes if node.op)
    assert any(edge.value is not None for edge in view.flows("gradient"))
    assert from_call(lambda x: step(x).item(), x).nodes[-1].op == "mean"


def test_looking_at_a_compiled_function_draws_no_random_numbers():
    noisy = lab.compile(lambda x: F.dropout(x) * lab.rand(3))
    lab.manual_seed(3)
    view = from_compiled(noisy, lab.ones(3))
    before = lab.get_rng_state().tolist()
    assert view.value(view.outputs[0]).shape == (3,)
    assert lab.get_rng_state().tolist() == before


def test_a_session_shows_all_of_its_graph_or_one_run():
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float32", (2,), name="x")
        w = graph.variable([3.0, 4.0], name="w")
        y = x * w
        z = y + 1
    with Session(graph) as session:
        session.run(w.initializer)
        view = from_session(session)
        assert {n.op for n in view.nodes if n.op} >= {"mul", "add"}
        (weight,) = [node for node in view.nodes if node.name.startswith("w")]
        assert view.nodes[-1].label == "new w"
        (product,) = [node for node in view.nodes if node.op == "mul"]
        assert view.known(product).note.startswith("It hangs on what is fed: lab.explore(session")
        np.testing.assert_array_equal(view.value(weight.id), [3.0, 4.0])
        one = from_session(session, y, {x: [1.0, 10.0]})
        assert {n.op for n in one.nodes if n.op} == {"mul"}
        np.testing.assert_array_equal(one.value(one.outputs[0]), [3.0, 40.0])
        both = from_session(session, [z, y], {x: [1.0, 10.0]})
        assert [both.value(i).tolist() for i in both.outputs] == [[4.0, 41.0], [3.0, 40.0]]


# What is drawn -----------------------------------------------------------------------------


def test_a_folded_module_is_one_box_with_the_ways_in_and_out():
    drawing = draw(samples.mlp(), closed={"fc1"})
    keys = {box.key: box for box in drawing.boxes}
    assert keys["mfc1"].members == (4, 5, 6)
    assert keys["mfc1"].say == "fc1, folded module of 3 nodes, from div, to h, sum_squares"
    assert "n6" not in keys
    forward = {(link.tail, link.head) for link in drawing.links if link.flow == "forward"}
    assert {("n3", "mfc1"), ("mfc1", "n7"), ("mfc1", "n13")} <= forward
    assert not any(tail == head for tail, head in forward)
    assert [scope.path for scope in drawing.modules] == ["fc2"]


def test_a_small_graph_is_open_and_a_large_one_folded():
    assert closed_scopes(samples.mlp()) == frozenset()
    drawing = draw(samples.tower(40))
    assert len(drawing.boxes) == 41
    assert all(box.kind in ("input", "folded") for box in drawing.boxes)
    assert len(draw(samples.tower(40), closed=()).boxes) == 281


def test_depth_says_how_many_levels_are_open():
    view = samples.tower(3)
    # "net" holds every op, so that a frame around it would say nothing.
    assert [box.kind for box in draw(view, closed_scopes(view, 1)).boxes[1:]] == ["folded"] * 3
    assert "net.0.fc1" in closed_scopes(view, 2)
    assert closed_scopes(view, 3) == frozenset()


def test_a_window_is_around_the_focus_and_leads_on():
    view = samples.chain(2000)
    drawing = draw(view, focus=1000, cap=50)
    rests = {box.key: box for box in drawing.boxes if box.kind == "rest"}
    inside = sorted(box.node for box in drawing.boxes if box.node)
    assert len(inside) == 50
    assert inside[0] < 1000 < inside[-1]
    assert rests["earlier"].goto == inside[0] - 1
    assert rests["later"].goto == inside[-1] + 1
    assert len(rests["earlier"].members) + len(rests["later"].members) == 2001 - 50


def test_x_times_x_keeps_both_lines():
    b = Builder()
    x = b.leaf("input", "x")
    y = b.op("mul", [x, x])
    lines = draw(b.build("y", [y])).links
    assert [(link.tail, link.head) for link in lines] == [("n1", "n2")] * 2


def test_the_main_path_goes_from_the_output_to_an_input():
    assert main_path(draw(samples.mlp())) == {"n1", "n3", "n6", "n7", "n10", "n12", "n16"}


# Layout ------------------------------------------------------------------------------------


def test_layout_has_a_place_for_everything_and_nothing_overlaps():
    drawing = draw(samples.mlp())
    places = layout(drawing)
    assert set(places.boxes) == {box.key for box in drawing.boxes}
    assert set(places.modules) == {"fc1", "fc2"}
    assert set(places.routes) == set(range(len(drawing.links)))
    rects = list(places.boxes.values())
    for i, a in enumerate(rects):
        assert a.x >= 0
        assert a.y >= 0
        assert a.x + a.width <= places.width
        assert a.y + a.height <= places.height
        for b in rects[i + 1 :]:
            apart = a.x + a.width <= b.x or b.x + b.width <= a.x
            assert apart or a.y + a.height <= b.y or b.y + b.height <= a.y
    one = places.modules["fc1"]
    for key in ("n4", "n5", "n6"):
        box = places.boxes[key]
        assert one.x < box.x
        assert box.y + box.height < one.y + one.height


def test_modules_stand_one_under_the_other():
    places = layout(draw(samples.tower(3), closed=()))
    frames = [places.modules[f"net.{i}"] for i in range(3)]
    for above, below in pairwise(frames):
        assert above.y + above.height <= below.y


def test_a_gradient_runs_beside_its_forward_edge():
    drawing = draw(samples.polynomial())
    places = layout(drawing)
    lines = {(drawing.links[i].flow, drawing.links[i].tail, drawing.links[i].head): r
             for i, r in places.routes.items()}  # fmt: skip
    x, pow_ = places.boxes["n1"], places.boxes["n3"]
    forward, back = lines["forward", "n1", "n3"], lines["gradient", "n1", "n3"]
    assert forward.points != back.points
    assert abs(forward.tip[1] - pow_.y) < 3  # type: ignore[index]
    assert abs(back.tip[1] - (x.y + x.height)) < 3  # type: ignore[index]


def test_a_tangle_of_modules_is_laid_out_too(capfd):
    """Graphviz fails to draw some of these with a straight main path; nobody needs to know."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        b = Builder()
        ids = [b.leaf("input", "x")]
        for i in range(60):
            scope = ".".join(rng.choice(["a", "b", "c"], rng.integers(0, 3)))
            if rng.random() < 0.25:
                ids.append(b.leaf("param", f"w{i}", scope=scope))
                continue
            inputs = [int(rng.choice(ids)) for _ in range(rng.integers(1, 4))]
            ids.append(b.op("op", inputs, scope=scope))
            for index, tail in enumerate(inputs):
                b.gradient(tail, ids[-1], index)
        view = b.build("f", [ids[-1]])
        for closed in ((), {"a"}, {"a", "b.c"}):
            drawing = draw(view, closed)
            places = layout(drawing)
            assert set(places.boxes) == {box.key for box in drawing.boxes}
            assert set(places.routes) == set(range(len(drawing.links)))
    assert capfd.readouterr().err == ""


def test_layout_is_fast():
    drawing = draw(samples.tower(9), closed=())
    layout(drawing)
    best = min(_seconds(lambda: layout(drawing)) for _ in range(3))
    assert len(drawing.boxes) == 64
    assert best < 0.4  # 20 ms on an idle machine


def _seconds(f: Any) -> float:
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def test_nothing_reaches_stderr(tmp_path):
    code = (
        "import viz_samples as s\n"
        "from minitorch_lab.viz.fold import draw\n"
        "from minitorch_lab.viz.svg import svg\n"
        "[svg(draw(v)) for v in (s.mlp(), s.polynomial(), s.tower(5), s.chain(2000))]\n"
    )
    env = {"PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_without_graphviz_the_words_remain(monkeypatch):
    monkeypatch.setattr(layout_module, "engine", lambda: None)
    with pytest.raises(LayoutError, match="pip install pygraphviz"):
        layout(draw(samples.polynomial()))
    assert transcript(samples.polynomial()).startswith("graph of y")


def test_a_dot_program_does_where_pygraphviz_is_missing(monkeypatch, tmp_path):
    stub = tmp_path / "dot"
    stub.write_text(
        f"#!{sys.executable}\nimport sys, pygraphviz\n"
        "assert sys.argv[1:] == ['-Kdot', '-Tjson0'], sys.argv\n"
        "graph = pygraphviz.AGraph(string=sys.stdin.read())\n"
        "sys.stdout.buffer.write(graph.draw(format='json0', prog='dot'))\n"
    )
    stub.chmod(0o755)
    drawing = draw(samples.polynomial())
    expected = layout(drawing)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert layout_module.engine() == "dot"
    assert layout(drawing).boxes == expected.boxes


# SVG ---------------------------------------------------------------------------------------


def test_every_node_is_in_the_svg_with_its_kind_and_words():
    tree = parse(samples.mlp())
    nodes = {int(g.get("data-node", 0)): g for g in nodes_of(tree)}
    view = samples.mlp()
    assert set(nodes) == {node.id for node in view.nodes}
    for node in view.nodes:
        assert node.kind in nodes[node.id].get("class", "").split()
    assert nodes[7].get("aria-label") == "h = relu (32, 128), op 7 of 16, from linear, to linear"
    assert [t.text for t in nodes[16].iter(f"{SVG}text")] == ["loss = add", "12.34"]
    assert [t.text for t in nodes[11].iter(f"{SVG}text")] == ["labels", "(32,) int64"]


def test_shapes_tell_kinds_apart():
    by_kind = {g.get("class", "").split()[1]: g for g in nodes_of(parse(samples.mlp()))}
    body = {kind: g.find(".//*[@class='body']") for kind, g in by_kind.items()}
    assert body["input"].tag == f"{SVG}path"  # type: ignore[union-attr]
    assert body["op"].tag == f"{SVG}rect"  # type: ignore[union-attr]
    assert by_kind["param"].find(".//*[@class='inner']") is not None
    assert by_kind["op"].find(".//*[@class='inner']") is None


def test_gradients_are_lines_of_their_own_with_their_values():
    tree = parse(samples.polynomial())
    lines = [g for g in tree.iter(f"{SVG}g") if g.get("class") == "edge grad"]
    found = {
        (
            g.get("data-tail"),
            g.get("data-head"),
            "".join(t.text or "" for t in g.iter(f"{SVG}text")),
        )
        for g in lines
    }
    assert {("n1", "n3", "4"), ("n1", "n5", "2")} <= found
    assert len(lines) == 5


def test_no_fixed_colour_outside_the_style_of_the_file():
    drawing = draw(samples.mlp())
    picture = svg(drawing)
    assert not re.search(r"#[0-9a-fA-F]{3,6}|rgb\(|fill=|stroke=|url\(|href", picture)
    file = ElementTree.fromstring(svg_file(drawing))
    style = file.find(f"{SVG}style")
    assert style is not None
    assert "prefers-color-scheme: dark" in (style.text or "")


def hostile() -> GraphView:
    b = Builder()
    x = b.leaf("input", HOSTILE.replace(".", ""), shape=(2,), dtype="float32")
    y = b.op(HOSTILE, [x], name=HOSTILE, scope=f"{HOSTILE}.{HOSTILE}", doc=HOSTILE)
    z = b.op("add", [y, y], scope=f"{HOSTILE}.{HOSTILE}")
    end = b.op("sum", [z], attributes=((HOSTILE, HOSTILE),), note=HOSTILE)
    return b.build(HOSTILE, [end])


@pytest.mark.parametrize("closed", [(), None, "all"])
def test_hostile_names_are_only_text(closed):
    view = hostile()
    shut = {scope.path for scope in view.scopes.walk()} if closed == "all" else closed
    drawing = draw(view, shut)
    picture = svg(drawing)
    tree = ElementTree.fromstring(picture)
    assert "<script" not in picture
    assert not list(tree.iter(f"{SVG}script"))
    for box in drawing.boxes:
        page = panel(drawing, box.key)
        assert "<script" not in page
        assert "alert('1')" not in page or "&lt;script&gt;" in page
    layout(drawing)


def test_hostile_names_in_dot_are_only_text():
    drawing = draw(hostile(), closed=())
    text = dot(drawing)
    graph = pygraphviz.AGraph(string=text)
    assert len(graph.nodes()) == 4
    label = graph.get_node("n1").attr["label"]
    assert not label.startswith("<<")
    assert "<script>" in label  # as text: quoted, not markup


# DOT ---------------------------------------------------------------------------------------


def test_dot_says_what_the_picture_says():
    text = dot(draw(samples.mlp(), closed={"fc2"}))
    graph = pygraphviz.AGraph(string=text)
    assert graph.get_node("n7").attr["label"] == r"h = relu\n(32, 128)"
    assert graph.get_node("n4").attr["peripheries"] == "2"
    assert sorted(s.graph_attr["label"] for s in graph.subgraphs()) == ["fc1"]
    assert text.count("dir=back") == text.count("style=dashed", text.index("dir=back")) == 9
    assert "box_1" in graph.nodes()


# Numbers, formulas, panels -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.0, "1.000"), (-2.5, "−2.500"), (12345.678, "12346"), (123456.0, "1.235e5"),
        (0.0001, "0.0001000"), (0.00001234, "1.234e−5"), (99999.99, "1.000e5"), (7, "7"),
        (float("nan"), "nan"), (float("-inf"), "−∞"), (True, "True"), (9.9996, "10.00"),
    ],
)  # fmt: skip
def test_numbers(value, text):
    assert number(value) == text


def test_brief_numbers_and_widths():
    assert [brief(v) for v in (4.0, 2.5, 1e-7, 1 / 3, 100)] == ["4", "2.5", "1e−7", "0.3333", "100"]
    assert text_width("图") == 13
    assert text_width("iiii") < text_width("mmmm")


def test_columns_have_equally_many_decimals():
    assert aligned(np.array([[0.5, -12.25], [np.nan, 0.0]])) == [
        ["0.50", "−12.25"],
        ["nan", "0.00"],
    ]
    assert aligned(np.array([[1, 20]])) == [["1", "20"]]
    assert aligned(np.array([[-0.0, 1.0, -1e-9]])) == [["0.000", "1.000", "−1.000e−9"]]


def test_formulas_are_typeset_and_never_markup():
    assert '<mo stretchy="false">¯</mo>' in mathml(r"\bar x = \bar y")
    assert "<mi>tanh</mi><mspace" in mathml(r"y = \tanh x")
    assert "<mi>max</mi><mo" in mathml(r"\max(0, x)")
    assert formulas(r"\bar x = 1,\quad \bar y = 2").count("<math") == 2
    for bad in (
        r"\text{<img src=x onerror=alert(1)>}",
        r"\href{javascript:alert(1)}{x}",
        r"\frac{",
    ):
        assert mathml(bad).startswith("<code>")
        assert "<img" not in mathml(bad)


def test_every_formula_of_the_op_table_is_typeset():
    plain = [op.name for op in OPS.values() for tex in op.formula if "<code>" in formulas(tex)]
    assert plain == []


def test_a_panel_shows_the_sum_of_what_arrives():
    drawing = draw(samples.polynomial())
    page = panel(drawing, "n1")
    assert 'data-field="gradient"' in page
    assert re.search(r"6\.000.*4\.000 from .*pow #3.*2\.000 from .*mul #5", page, re.S)


def test_large_arrays_are_drawn_and_what_is_not_finite_is_said():
    b = Builder()
    value = np.zeros((40, 50), np.float32)
    value[0, :10] = np.nan
    value[1] = 3
    x = b.leaf("input", "x", value=value, gradient=value, dtype="float32")
    view = b.build("x", [x])
    page = panel(draw(view), "n1")
    assert "10 of 2,000" in page
    assert "97 % at 0" in page or "98 % at 0" in page or "95 % at 0" in page
    assert "[:8, :8]" in page
    assert 'class="odd"' in page  # the nan entries of the heat map


@pytest.mark.parametrize(
    "value",
    [
        np.zeros((0, 3)), np.full((20, 20), np.nan), np.ones((3, 9), bool), np.arange(100),
        np.full(50, 2.5), np.ones((2, 3, 12, 12)), np.full((9, 9), 1e30), np.array([1 + 2j]),
        np.array([[True, False]]), np.float32(np.inf), np.ones((4, 1, 28, 28), np.float16),
    ],
)  # fmt: skip
def test_any_array_has_a_panel(value):
    b = Builder()
    x = b.leaf("input", "x", value=value, gradient=value, dtype=str(np.asarray(value).dtype))
    page = panel(draw(b.build("x", [x])), "n1")
    ElementTree.fromstring(f"<div>{page}</div>")  # well-formed
    assert 'data-field="value"' in page


def test_module_panels_count():
    drawing = draw(samples.mlp(), closed={"fc1"})
    page = panel(drawing, "mfc1")
    assert "100,480" in page  # 128 * 784 + 128
    assert 'data-toggle="fc1"' in page
    assert "open this module" in page
    assert "fold this module" in panel(drawing, "ofc2")


def test_what_a_view_computes_does_not_disturb_a_cell_that_draws_meanwhile():
    expected = lab.manual_seed(3) and [lab.rand(2).tolist() for _ in range(2)]
    lab.manual_seed(3)
    with apart(), ThreadPoolExecutor() as cell:
        aside = lab.rand(2).tolist()
        first = cell.submit(lambda: lab.rand(2).tolist()).result()  # the generator goes on for it
        inside = F.dropout(lab.ones(1000)).tolist()
    assert aside == expected[0]
    assert [first, lab.rand(2).tolist()] == expected
    lab.manual_seed(3)
    lab.rand(2)
    assert F.dropout(lab.ones(1000)).tolist() == inside  # the next run would have drawn the same
