"""The explorer's Python side: what it is asked, what it shows, what stays without a kernel."""

from __future__ import annotations

import re
import threading
from typing import Any
from xml.etree import ElementTree

import pytest
import viz_samples as samples

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab import nn
from minitorch_lab.errors import KindError, ShapeError
from minitorch_lab.viz import layout as layout_module
from minitorch_lab.viz.build import from_tensors
from minitorch_lab.widgets.explorer import Explorer, explore


def ask(widget: Explorer, **content: Any) -> list[Any]:
    """Send a message as the page does; returns the answers."""
    answers: list[Any] = []
    widget.send = lambda content, buffers=None: answers.append(content)  # type: ignore[method-assign]
    widget._handle_custom_msg(content, [])
    return answers


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.fixture
def mlp() -> Explorer:
    return Explorer(samples.mlp())


def test_opens_on_the_output_with_panels_at_hand(mlp):
    assert mlp.state == "graph"
    assert mlp.title == "loss"
    assert mlp.selected == "n16"
    assert mlp.picture["svg"].startswith("<svg")
    assert set(mlp.panels) == {f"n{i}" for i in range(1, 17)} | {"ofc1", "ofc2"}
    words = text_of(mlp.panels["n7"])
    assert "h = relu op #7" in words
    assert "4.1 kflop, 33 kB" in words
    assert "cell 7, line 3" in words
    assert re.search(r'data-field="source".*h = self\.fc1\(x / 255\)\.relu\(\)', mlp.panels["n7"])
    assert "<math" in mlp.panels["n7"]


def test_toggle_folds_and_opens_and_keeps_the_module_selected(mlp):
    before = mlp.picture["svg"]
    ask(mlp, do="toggle", module="fc1")
    assert 'data-module="fc1" aria-expanded="false"' in mlp.picture["svg"]
    assert mlp.selected == mlp.picture["select"] == "mfc1"
    assert mlp.picture["members"] == {"mfc1": [4, 5, 6]}
    assert "open this module" in mlp.panels["mfc1"]
    ask(mlp, do="toggle", module="fc1")
    assert mlp.selected == "ofc1"
    assert mlp.picture["svg"] == before  # nothing has moved for good


def test_selecting_a_hidden_node_opens_what_is_around_it(mlp):
    mlp.toggle("fc1")
    ask(mlp, do="select", node=6)
    assert mlp.selected == "n6"
    assert 'data-node="6"' in mlp.picture["svg"]


def test_a_large_graph_sends_panels_when_asked():
    widget = Explorer(samples.tower(40), depth=3)
    assert len(widget.panels) == 1
    (answer,) = ask(widget, do="panel", key="n4")
    assert answer["panel"] == "n4"
    assert "linear" in answer["html"]


def test_the_window_moves_to_a_node_that_is_not_drawn():
    widget = Explorer(samples.chain(3000))
    assert 'data-node="7"' not in widget.picture["svg"]
    assert "3,001 nodes" in widget.picture["note"]
    ask(widget, do="select", node=7)
    assert widget.selected == "n7"
    assert 'data-node="7"' in widget.picture["svg"]
    assert "later …" in widget.picture["svg"]


@pytest.mark.parametrize(
    "content",
    [
        {"do": "toggle", "module": "no such"}, {"do": "select", "node": 99}, {"do": "nothing"},
        {"do": "select", "node": 0}, {"do": "panel", "key": "n99"}, {"do": "panel", "key": "m<b>"},
        {"do": "export", "format": "exe"}, {}, {"do": "select", "node": "6"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_changes_nothing(mlp, content):
    before = (mlp.picture, mlp.selected)
    assert ask(mlp, **content) == []
    assert (mlp.picture, mlp.selected) == before


@pytest.mark.parametrize(
    ("form", "start"), [("svg", "<svg"), ("dot", "digraph"), ("txt", "graph of loss")]
)
def test_exports(mlp, form, start):
    (answer,) = ask(mlp, do="export", format=form)
    assert answer["name"] == f"loss.{form}"
    assert answer["text"].startswith(start)


def test_messages_may_come_on_another_thread(mlp):
    threads = [threading.Thread(target=mlp.toggle, args=(module,)) for module in ("fc1", "fc2") * 6]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mlp.drawing is not None
    assert mlp.drawing.closed == frozenset()  # each was toggled six times


def test_the_mimebundle_has_picture_and_words(mlp):
    data, _ = mlp._repr_mimebundle_()
    assert data["text/plain"].startswith("graph of loss: 16 nodes")
    assert "application/vnd.jupyter.widget-view+json" in data
    html = data["text/html"]
    assert "<svg" in html
    assert "color-scheme: dark" in html
    assert not re.search(r"https?://(?!www\.w3\.org)", html)
    ElementTree.fromstring(re.search(r"<svg.*?</svg>", html, re.S)[0])  # type: ignore[index]


def test_a_name_cannot_break_out_of_the_page():
    x = lab.tensor(1.0, requires_grad=True)
    view_name = "<img src=x onerror=alert(1)>"
    y = x * 2
    widget = Explorer(from_tensors(y, view_name, {id(x): view_name, id(y): view_name}))
    page = widget.static_html() + "".join(widget.panels.values()) + widget.picture["svg"]
    assert "<img" not in page
    assert "&lt;img" in page


# The door ----------------------------------------------------------------------------------


def test_explore_uses_the_names_of_the_caller():
    x = lab.tensor(2.0, requires_grad=True)
    y = x**2 + 2 * x + 1
    widget = explore(y)
    assert widget.title == "y"
    assert "#1 input x float32 () value 2 gradient 6" in widget.transcript()
    assert "#8 output y = add" in widget.transcript()
    gradient = re.search(r'<figure data-field="gradient">.*?</figure>', widget.panels["n1"], re.S)
    assert "6.000" in gradient[0]  # type: ignore[index]
    assert x.grad is None
    y.backward()  # exploring has freed nothing


def test_explore_a_module_and_a_function():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    data, target = lab.ones(5, 4), lab.tensor([0, 1, 0, 1, 0])
    widget = explore(net, data)
    assert widget.title == "net(data)"
    assert "parameter net.0.weight float32 (3, 4) in Sequential.0" in widget.transcript()
    assert "0 Linear" in widget.picture["svg"]

    def loss_of(data):
        return F.cross_entropy(net(data / 2), target)

    words = explore(loss_of, data).transcript()
    assert "op div float32 (5, 4) from data #1, 2 #2" in words  # recorded without a gradient too
    assert "output cross_entropy" in words


def test_depth():
    net = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.Linear(3, 3), nn.Tanh()))
    view = explore(net, lab.ones(1, 4), depth=1)
    assert "mSequential.1" in view.panels
    assert "oSequential.1" in explore(net, lab.ones(1, 4)).panels


def test_nothing_to_explore_is_a_panel_and_not_a_traceback():
    total = 3.5
    plain = lab.tensor([1.0, 2.0])
    for widget, name, words in [
        (explore(total), "total", "A Python number remembers no ops."),
        (explore(plain), "plain", "A graph begins at a tensor with requires_grad=True ."),
        (explore([1, 2]), "list", "Explore a tensor, or a call"),
    ]:
        assert widget.state == "message"
        assert widget.badge == "no graph"
        assert "has no graph" in widget.message
        assert words in text_of(widget.message)
        assert "<" not in widget.transcript()
        assert widget.static_html()
        assert widget.title == name


def test_empty_and_its_example():
    widget = explore()
    assert "The graph of your next result will be here." in widget.message
    assert widget.transcript().startswith("explore: nothing yet\nThe graph of your next result")
    ask(widget, do="example")
    assert widget.state == "graph"
    assert widget.title == "y"
    assert "6.000" in widget.panels["n1"]


def test_errors_of_the_learners_own_call_stay_errors():
    with pytest.raises(ShapeError):
        explore(nn.Linear(3, 2), lab.ones(1, 4))
    with pytest.raises(KindError, match="returned no tensor"):
        explore(lambda x: None, lab.ones(1))


def test_without_graphviz_the_words_are_shown(monkeypatch):
    monkeypatch.setattr(layout_module, "engine", lambda: None)
    widget = Explorer(samples.polynomial())
    assert widget.state == "message"
    assert "pip install pygraphviz" in widget.message
    assert "output y = add" in widget.message
