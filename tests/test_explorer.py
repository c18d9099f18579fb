"""The explorer's Python side: what it is asked, what it shows, what stays without a kernel."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import viz_samples as samples

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab import nn
from minitorch_lab.errors import ArgumentError, FileError, KindError, ShapeError
from minitorch_lab.graph.builder import GraphBuilder
from minitorch_lab.graph.session import Session
from minitorch_lab.viz import layout as layout_module
from minitorch_lab.viz import scene as scene_module
from minitorch_lab.viz.build import from_tensors
from minitorch_lab.viz.measure import code_width
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


def test_a_large_graph_is_searched_in_python_and_says_that_it_is_folded():
    widget = Explorer(samples.tower(300))
    assert widget.index == []
    assert "2,101 nodes, folded to" in widget.picture["note"]
    (answer,) = ask(widget, do="find", text="net.7.fc1 linear")
    assert answer == {"text": "net.7.fc1 linear", "hits": [53], "count": 2101}
    assert widget.find("no such thing") == []


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


# All kinds of things to explore --------------------------------------------------------------


def test_explore_a_compiled_function_with_and_without_its_inputs():
    w = lab.ones(3, requires_grad=True)

    @lab.compile
    def scale(x):
        return (x * w).sum()

    with pytest.raises(KindError, match="was not traced yet"):
        explore(scale)
    scale(lab.ones(3))
    without = explore(scale)
    assert without.title == "scale"
    (answer,) = ask(without, do="panel", key="n1")
    assert "Bound when the graph runs." in text_of(answer["html"])
    data = lab.tensor([1.0, 2.0, 3.0])
    widget = explore(scale, data)
    assert widget.title == "scale(data)"
    end = widget.selected
    assert widget.panels == {}  # nothing is computed before a value is asked for
    assert widget.view is not None
    assert widget.view.waits
    (answer,) = ask(widget, do="panel", key=end)
    assert "6.000 Computed for this view" in text_of(answer["html"])
    ask(widget, do="measure", node=int(end[1:]))
    assert widget.seconds[int(end[1:])] is not None


def test_explore_a_session_and_its_graph():
    graph = GraphBuilder()
    with graph:
        x = graph.placeholder("float32", (2,), name="x")
        y = x * 2 + 1
    with Session(graph) as session:
        assert explore(session).title == "session"
        assert (
            explore(graph).transcript().splitlines()[1:]
            == (explore(session).transcript().splitlines()[1:])
        )
        run = explore(session, y, {x: [1.0, 2.0]})
        (answer,) = ask(run, do="panel", key=run.selected)
        assert "3.000 5.000" in text_of(answer["html"])
    assert "(2,)" in explore(y).transcript()  # a tensor of the graph: what leads to it


def test_text_is_the_transcript():
    x = lab.tensor(2.0, requires_grad=True)
    y = x * x
    widget = explore(y)
    assert widget.text() == widget.transcript()
    assert widget.text().splitlines()[0] == "graph of y: 2 nodes (1 input, 1 output)"


# What one can do -----------------------------------------------------------------------------


@pytest.fixture
def normed() -> Explorer:
    """x #1, layer_norm #2, sum #3."""
    x = lab.tensor([[1.0, 2.0, 4.0]], requires_grad=True)
    return Explorer(from_tensors(F.layer_norm(x, (3,)).sum(), "y", {id(x): "x"}))


def test_an_op_is_opened_and_folded_again(normed):
    before = normed.picture["svg"]
    assert 'data-parts=""' in before
    assert "open layer_norm made of smaller ops" in text_of(normed.panels["n2"])
    ask(normed, do="open", node=2)
    assert normed.selected == "olayer_norm #2"
    assert "standardize" in normed.picture["svg"]
    assert "fold this op" in text_of(normed.panels["olayer_norm #2"])
    ask(normed, do="open", node=2)  # and standardize, which now stands at its place
    assert normed.opened == (2, 2)
    assert "sqrt" in normed.picture["svg"]
    ask(normed, do="toggle", module="layer_norm #2.standardize #2")
    assert normed.opened == (2,)
    ask(normed, do="open", node=2)
    ask(normed, do="toggle", module="layer_norm #2")
    assert normed.opened == ()
    assert normed.picture["svg"] == before
    assert normed.selected == "n2"
    assert normed.transcript() == normed.text()  # the words are those of the graph as it came


def test_time_is_measured_when_it_is_asked_for(normed):
    assert "time measure" in text_of(normed.panels["n2"])
    (answer,) = ask(normed, do="measure", node=2)
    assert answer["panel"] == "n2"
    assert re.search(r"time [\d.]+ (µs|ms)", text_of(answer["html"]))
    assert ask(normed, do="measure", node=99) == []
    x = lab.ones(3, requires_grad=True)
    loss = (x * 2).exp().sum()
    loss.backward()
    freed = explore(loss)
    (answer,) = ask(freed, do="measure", node=4)
    assert "time not known" in text_of(answer["html"])


def test_colours_are_asked_for(mlp):
    assert mlp.colour["by"] == "kind"
    ask(mlp, do="colour", by="memory")
    assert mlp.colour["marks"]["n7"] == ["s3", "16 kB"]
    assert "16 kB" in text_of(mlp.colour["legend"])
    ask(mlp, do="toggle", module="fc1")
    assert mlp.colour["by"] == "memory"  # it stays
    assert mlp.colour["marks"]["mfc1"] == ["s4", "418 kB"]
    with pytest.raises(ArgumentError, match="expected one of 'kind', 'module'"):
        mlp.colour_by("taste")


def test_a_still_picture_has_the_colours_too(mlp, tmp_path):
    assert "data-mark=" not in re.sub(r"<style>.*?</style>", "", mlp.static_html(), flags=re.S)
    mlp.colour_by("memory")
    for text in (mlp.static_html(), mlp.save(tmp_path / "a.svg").read_text()):
        box = re.search(r'<g class="node op" data-key="n7".*?</g></g>', text, re.S)[0]  # type: ignore[index]
        assert 'data-mark="s3"' in box
        assert ">16 kB<" in box
    assert "memory:" in text_of(mlp.static_html())
    assert "100 kB to 401 kB" in text_of(mlp.static_html())


def test_a_text_on_a_box_fits_into_it(mlp):
    mlp.colour_by("gradient")
    for key, (_, text) in mlp.colour["marks"].items():
        width = float(re.search(rf'data-key="{key}".*?class="body".*? width="([\d.]+)"',
                                mlp.picture["svg"])[1]) if key != "n1" else 100  # fmt: skip
        assert code_width(text) <= width


def test_shapes_are_said_in_words():
    x, b = lab.ones(32, 8, requires_grad=True), lab.ones(8, requires_grad=True)
    widget = explore((x + b).sum())
    key = next(f"n{n.id}" for n in widget.view.nodes if n.op == "add")  # type: ignore[union-attr]
    assert (
        "other (8,) is repeated 32 times along dimension 0; its gradient is the sum over them."
        in text_of(widget.panels[key])
    )


def test_a_picture_of_the_data_is_a_picture():
    image = lab.rand(2, 1, 28, 28)
    widget = explore(lambda x: x.mean(), image)
    html = widget.panels["n1"]
    assert 'alt="Picture, 28 by 28 pixels"' in html
    source = re.search(r'src="data:image/png;base64,([^"]+)"', html)[1]  # type: ignore[index]
    from matplotlib import image as mpimg

    pixels = mpimg.imread(io.BytesIO(base64.b64decode(source)))
    np.testing.assert_allclose(pixels, image.numpy()[0, 0], atol=1 / 255)


def test_the_outline_has_all_boxes_in_reading_order(mlp):
    rows = mlp.picture["outline"]
    assert [key for key, _ in rows] == [
        "n1", "n2", "n3", "ofc1", "n4", "n5", "n6", "n7", "ofc2", "n8", "n9", "n10",
        "n11", "n12", "n13", "n14", "n15", "n16",
    ]  # fmt: skip
    assert dict(rows)["ofc1"] == 1
    assert dict(rows)["n6"] == 2
    mlp.toggle("fc1")
    assert [key for key, _ in mlp.picture["outline"]][3] == "mfc1"


def test_messages_are_not_larger_than_needed():
    small = Explorer(samples.mlp())
    assert len(json.dumps(small.panels)) < 120_000
    large = Explorer(samples.tower(300))  # 2,101 nodes
    assert len(large.panels) == 1
    assert len(json.dumps(large.picture)) < 400_000


# Files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.svg", "<svg"), ("b.DOT", "digraph"), ("c.txt", "graph of"), ("d.html", "<!doctype html>")],
)
def test_save_by_ending(mlp, tmp_path, name, start):
    path = mlp.save(tmp_path / name)
    assert path == tmp_path / name
    assert path.read_text(encoding="utf-8").startswith(start)


def test_save_says_what_is_wrong(mlp, tmp_path):
    with pytest.raises(ArgumentError, match=r"got 'graph.png'\n  expected a name .*\n  a PNG is"):
        mlp.save("graph.png")
    with pytest.raises(ArgumentError, match="no format has this ending"):
        mlp.save(tmp_path / "graph")
    with pytest.raises(FileError, match=r"there is no folder '.*nowhere'"):
        mlp.save(tmp_path / "nowhere" / "a.svg")
    with pytest.raises(ArgumentError, match="there is no graph to save"):
        explore().save(tmp_path / "a.svg")
    assert list(tmp_path.iterdir()) == []


def paged(widget: Explorer) -> dict[str, Any]:
    data: dict[str, Any] = widget.page_data()
    return data


def key(page: str, **content: Any) -> str:
    return f"{page} {json.dumps(content, separators=(',', ':'))}"


def test_in_a_page_every_module_can_be_opened_from_wherever_one_is():
    widget = Explorer(samples.tower(20))
    data = paged(widget)
    paths = {s.path for s in widget.view.scopes.walk() if "." in s.path}  # type: ignore[union-attr]
    reached = set()
    for name, scene in data["scenes"].items():
        svg = scene["picture"]["svg"]
        for path in re.findall(r'data-module="([^"]+)" aria-expanded="false"', svg):
            answer = data["answers"][key(name, do="toggle", module=path)]
            assert answer["set"]["selected"] == f"o{path}"
            shown = data["scenes"][answer["go"]]["picture"]["svg"]
            assert f'data-module="{path}" aria-expanded="true"' in shown
            reached.add(path)
    assert reached == paths


def test_in_a_page_every_node_has_a_panel_and_a_way_to_it():
    widget = Explorer(samples.tower(6))
    data = paged(widget)
    for node in widget.view.nodes:  # type: ignore[union-attr]
        panel = data["answers"][key("", do="panel", key=f"n{node.id}")]["send"]
        assert f"#{node.id}</span>" in panel["html"]
        way = data["answers"][key("", do="select", node=node.id)]
        assert f'data-node="{node.id}"' in data["scenes"][way["go"]]["picture"]["svg"]


def test_a_page_has_ops_to_open_and_colours_and_files(normed):
    data = paged(normed)
    answer = data["answers"][key("0", do="open", node=2)]
    inside = data["scenes"][answer["go"]]
    assert "standardize" in inside["picture"]["svg"]
    back = data["answers"][key(inside["page"], do="toggle", module="layer_norm #2")]
    assert back == {"go": "0", "set": {"selected": "n2"}}
    colour = data["answers"][key("0", do="colour", by="time")]["set"]["colour"]
    assert colour["marks"]["n2"][0].startswith("s")
    text = data["answers"][key("", do="export", format="txt")]["send"]["text"]
    assert text == normed.text() + "\n"
    assert "html" not in data["traits"]["formats"]


def test_a_large_page_leaves_values_out_and_says_so(monkeypatch):
    monkeypatch.setattr(scene_module, "_PAGE_LETTERS", 10_000)
    data = paged(Explorer(samples.mlp()))
    html = data["answers"][key("", do="panel", key="n12")]["send"]["html"]
    assert "Left out, to keep this page small." in html


def test_a_page_asks_for_nothing_from_outside(mlp):
    page = mlp.page()
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//|@import|url\(", page)
    assert "default-src 'none'" in page
    assert len(mlp.module()) + len(mlp.style()) < 60_000
