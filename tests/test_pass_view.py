"""The pass view: what each pass did to which value, and the widget that shows it."""

from __future__ import annotations

import inspect
import json
import re
import threading
from typing import Any
from xml.etree import ElementTree

import pytest

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab import nn
from minitorch_lab.errors import ArgumentError
from minitorch_lab.graph.codegen import native
from minitorch_lab.viz.diff import diff
from minitorch_lab.widgets import passes
from minitorch_lab.widgets.passes import PassView

try:
    native.compiler()
    COMPILER = ""
except native.NoCompiler as why:
    COMPILER = str(why)
compiled = pytest.mark.skipif(bool(COMPILER), reason=COMPILER or "-")


def step(x: Any, w: Any, b: Any) -> Any:
    s = lab.tensor(1.0) / 4
    h = (x * w + b) * s
    p = x * w
    q = p.exp()  # noqa: F841  never used, on purpose
    return (h.tanh() + p).relu()


FIRST = inspect.getsourcelines(step)[1]


def explained(executor: str = "numpy") -> Any:
    x, w, b = lab.randn(100, 784), lab.randn(784), lab.randn(784)
    return lab.explain(lab.compile(step, executor=executor), x, w, b)


@pytest.fixture
def found() -> Any:
    return diff(explained())


@pytest.fixture(scope="module")
def fused() -> PassView:
    return PassView(explained("c"))


def ask(widget: PassView, **content: Any) -> list[Any]:
    """Send a message as the page does; returns the answers."""
    answers: list[Any] = []
    widget.send = lambda content, buffers=None: answers.append(content)  # type: ignore[method-assign]
    widget._handle_custom_msg(content, [])
    return answers


def stop(found: Any, name: str) -> int:
    return [s.name for s in found.stops].index(name)


def the(found: Any, text: str) -> Any:
    (piece,) = [p for p in found.pieces if f"%{p.var} {p.text}" == text]
    return piece


# What became of what -------------------------------------------------------------------------


def test_stops_are_the_trace_and_each_pass_and_stage(found):
    record_names = [r.name for r in explained().passes()]
    assert [s.name for s in found.stops] == ["traced", *record_names]
    assert found.stops[0].count == "9 ops"
    assert found.stops[stop(found, "common")].did == (
        "common: 1 op merged, 78 kflop and 630 kB of reads and writes saved"
    )
    assert found.stops[stop(found, "simplify")].did == "simplify: nothing to do here"
    assert found.stops[stop(found, "dead")].count == "6 ops"


@pytest.mark.parametrize(
    ("text", "went", "why", "struck"),
    [
        ("%8 mul(%0, %1)", "common", "same as %5", True),
        ("%4 div(%3, 4)", "fold", "now 0.25", True),
        ("%9 exp(%8)", "dead", "never used", True),
        ("%3 1", "dead", "no longer needed", True),
        ("%12 relu(%11)", "lower", "now maximum", False),
    ],
)
def test_why_a_value_went(found, text, went, why, struck):
    piece = the(found, text)
    assert found.stops[piece.gone].name == went
    assert (piece.why, piece.struck) == (why, struck)


def test_what_stays_has_no_end_and_what_is_new_has_a_beginning(found):
    assert the(found, "%5 mul(%0, %1)").gone == 0
    maximum, quarter = the(found, "%13 maximum(%11, 0)"), the(found, "%4 0.25")
    assert found.stops[maximum.born].name == "lower"
    assert found.stops[quarter.born].name == "fold"
    assert quarter.kind == "const"


def test_a_value_knows_where_it_came_from(found):
    assert the(found, "%5 mul(%0, %1)").origin == {5, 8}  # it stands for both products
    assert the(found, "%13 maximum(%11, 0)").origin == {12}
    assert the(found, "%4 0.25").origin == {4}
    assert [(s.line - FIRST, s.text) for s in found.lines][1:3] == [
        (2, "h = (x * w + b) * s"),
        (3, "p = x * w"),
    ]


def test_lines_between_values_come_and_go(found):
    number = {f"%{p.var} {p.text}": n for n, p in enumerate(found.pieces, 1)}
    exp, first, second = (number[k] for k in ("%9 exp(%8)", "%5 mul(%0, %1)", "%8 mul(%0, %1)"))
    common, dead = stop(found, "common"), stop(found, "dead")
    assert found.ways[second, exp] == (0, common)
    assert found.ways[first, exp] == (common, dead)


def test_every_stop_has_the_graph_of_its_record():
    """Values that are there at a stop, and what they read, are those of the graph."""
    found, explanation = diff(explained()), explained()
    graphs = [explanation.traced()]
    graphs += [r.after for r in explanation.passes() if hasattr(r.after, "inputs")]
    for at, graph in enumerate(graphs):
        here = {
            n: p
            for n, p in enumerate(found.pieces, 1)
            if p.born <= at and not (p.gone and p.gone <= at)
        }
        every = (*graph.inputs, *graph.constant_vars, *(e.out for e in graph.equations))
        assert sorted(p.var for p in here.values()) == sorted(v.id for v in every)
        ways = {
            (found.piece(t).var, found.piece(h).var)
            for (t, h), (born, gone) in found.ways.items()
            if born <= at and not (gone and gone <= at)
        }
        assert ways == {
            (x.id, e.out.id) for e in graph.equations for x in e.inputs if hasattr(x, "id")
        }


def test_a_pass_that_is_left_out_is_no_stop():
    x = lab.ones(3)
    explanation = lab.explain(lab.compile(lambda x: (x * 1).exp(), without="simplify"), x)
    assert "simplify" not in [s.name for s in diff(explanation).stops]


def test_a_part_of_a_gradient_has_two_lines():
    """That of the call that it is the gradient of, and the one that asked for it."""

    def f(x: Any) -> Any:
        y = x.exp()
        y.sum().backward()
        return y

    widget = PassView(lab.explain(lab.compile(f), lab.ones(3, requires_grad=True)))
    texts = [line.text for line in widget.diff.lines]
    assert texts == ["y = x.exp()", "y.sum().backward()"]
    rows = dict(re.findall(r'data-line="([^"]*)"[^>]*>.*?<code>(\w+)\(', widget.tape))
    assert rows["0 1"] == "mul"  # the gradient of exp
    assert "gradient, line" in widget.tape
    assert "gradient from line" in widget.transcript()


def test_parameters_are_called_after_their_module_and_new_state_is_said_so():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    optimiser = lab.optim.SGD(net.parameters(), lr=0.1)

    def train(x: Any, t: Any) -> Any:
        loss = F.cross_entropy(net(x), t)
        loss.backward()
        optimiser.step()
        return loss

    found = diff(lab.explain(lab.compile(train), lab.ones(5, 4), lab.tensor([0, 1, 0, 1, 0])))
    names = {p.title for p in found.pieces if p.kind == "param"}
    assert names == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert "new weight = sub" in {n.label for n in found.views["kernels"].nodes}
    softmax = next(p for p in found.pieces if p.title == "softmax")
    assert softmax.why == "now 5 ops"
    assert not softmax.struck


@compiled
def test_kernels_have_the_ops_that_they_came_from(fused):
    found = fused.diff
    (group,) = found.groups
    assert group.say == "kernel 0, 6 ops in one loop: mul, add, tanh, relu"
    assert [found.piece(n).var for n in group.pieces] == [5, 6, 7, 10, 11, 13]
    assert found.stops[group.born].name == "fuse"
    assert found.stops[group.born].did == (
        "fuse: 6 ops → 1 kernel, 5 passes over memory saved (3.4 MB)"
    )
    assert found.steps[0].origin == (5, 6, 7, 8, 10, 11, 12)
    assert the(found, "%8 mul(%0, %1)").kernels == (0,)
    assert the(found, "%9 exp(%8)").kernels == ()


def wide(executor: str = "numpy") -> Any:
    """Six lines that make 40 ops each."""

    def f(x: Any) -> Any:
        for _ in range(20):
            x = (x * 2).sin()
            x = (x * 3).cos()
            x = (x * 4).tanh()
            x = (x * 5).exp()
            x = (x * 6).relu()
            x = (x * 7).sqrt()
        return x

    return lab.explain(lab.compile(f, executor=executor), lab.ones(3))


def test_a_large_graph_is_folded_by_module_and_line():
    widget = PassView(wide())
    assert not widget.diff.few
    assert "folded by module and line" in widget.picture["note"]
    labels = [scope.label for scope in widget.diff.views["modules"].scopes.children]
    assert labels[0].endswith("x = (x * 2).sin()")
    path = widget.diff.views["modules"].scopes.children[0].path
    assert 'data-module="line 0" aria-expanded="false"' in widget.picture["svg"]
    ask(widget, do="toggle", module=path)
    assert 'data-module="line 0" aria-expanded="true"' in widget.picture["svg"]
    assert widget.picture["svg"].count("data-var") > 40
    ask(widget, do="toggle", module="no such")
    assert widget.picture["svg"].count("data-var") > 40


def test_boxes_are_kernels_or_modules():
    widget = PassView(explained())
    assert widget.picture["by"] == "kernels"
    ask(widget, do="group", by="modules")
    assert widget.picture["by"] == "modules"
    labels = [s.label for s in widget.drawing.modules]
    assert f"{FIRST + 2}  h = (x * w + b) * s" in labels
    ask(widget, do="group", by="nothing")
    assert widget.picture["by"] == "modules"


def test_the_window_of_a_very_large_graph_moves():
    def f(x: Any) -> Any:
        for _ in range(500):
            x = (x * 2).sin()
        return x

    widget = PassView(lab.explain(lab.compile(f), lab.ones(3)))
    assert "1,001 values: 601 are too far from the" in widget.picture["note"]
    assert 'data-key="n3"' not in widget.picture["svg"]
    ask(widget, do="look", node=3)
    assert 'data-key="n3"' in widget.picture["svg"]
    ask(widget, do="look", node=5000)
    assert 'data-key="n3"' in widget.picture["svg"]


@compiled
def test_kernels_of_a_large_graph_are_folded_and_open():
    widget = PassView(wide("c"))
    ask(widget, do="group", by="kernels")
    assert "folded by kernel" in widget.picture["note"]
    path = widget.diff.groups[0].path
    assert f'data-module="{path}" aria-expanded="false"' in widget.picture["svg"]
    ask(widget, do="toggle", module=path)
    assert f'data-module="{path}" aria-expanded="true"' in widget.picture["svg"]


# The widget ----------------------------------------------------------------------------------


def test_view_is_a_door_of_explain():
    widget = explained().view()
    assert isinstance(widget, PassView)
    assert widget.title == "step"
    assert widget.about == "x (100, 784), w (784,), b (784,)"
    with pytest.raises(ArgumentError, match="no graph is kept yet"):
        lab.explain(lab.compile(step)).view()


def test_nothing_is_compared_before_somebody_asks():
    widget = PassView(explained())
    assert widget.certificates == {}
    at = stop(widget.diff, "common")
    state = lab.get_rng_state()
    assert ask(widget, do="certificate", stop=at) == []
    assert widget.certificates == {
        str(at): {"text": "largest difference 0 (bitwise)", "good": True}
    }
    assert (lab.get_rng_state() == state).all()


def test_beside_a_difference_stands_what_is_computed_otherwise():
    wide = lab.explain(
        lab.compile(lambda x: x.t().exp().sum(0), executor="numpy"), lab.randn(99, 7)
    )
    widget = PassView(wide)
    last = len(widget.diff.stops) - 1
    ask(widget, do="certificate", stop=last)
    said = widget.certificates[str(last)]
    if said["good"]:  # NumPy may add as eager mode does
        assert "why" not in said
    else:
        assert said["why"] == ["numpy: sum of a turned array in the order of memory"]
    widget = PassView(lab.explain(lab.compile(lambda x: x.softmax(1)), lab.randn(3, 4)))
    widget.certificates = {"1": {"text": "far <off>", "good": False, "why": ["lower: a <b>"]}}
    assert "<td>far &lt;off&gt;<ul><li>lower: a &lt;b&gt;</li></ul></td>" in widget.static_html()
    assert "rounds otherwise: softmax in smaller ops, each of which rounds" in widget.transcript()


def test_where_the_graph_cannot_be_run_on_drawn_inputs_the_page_is_told(monkeypatch):
    widget = PassView(explained())

    def refuse(self: Any) -> Any:
        raise lab.ComputeError("certificate: the graph does not run on drawn inputs")

    monkeypatch.setattr(type(widget.explanation.passes()[0]), "certificate", refuse)
    ask(widget, do="certificate", stop=1)
    assert "does not run on drawn inputs" in widget.certificates["1"]["text"]
    assert not widget.certificates["1"]["good"]


def test_while_a_cell_runs_nothing_is_compared(monkeypatch):
    """Comparing draws random numbers, and would disturb those of the cell."""
    widget = PassView(explained())
    monkeypatch.setattr(passes, "_cell_runs", lambda: True)
    (answer,) = ask(widget, do="certificate", stop=1)
    assert answer["text"].startswith("A cell is running")
    assert widget.certificates == {}


def test_messages_may_come_on_another_thread():
    widget = PassView(explained())
    last = len(widget.diff.stops) - 1
    threads = [threading.Thread(target=widget.certificate, args=(i,)) for i in (1, last, 1, last)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(widget.certificates) == {"1", str(last)}


@pytest.mark.parametrize(
    "content",
    [{"do": "certificate", "stop": 99}, {"do": "certificate", "stop": 0}, {"do": "code", "step": 7},
     {"do": "code", "step": -1}, {"do": "certificate", "stop": "1"}, {"do": "nothing"}, {},
     {"do": "toggle", "module": "<b>"}, {"do": "toggle", "module": ""}],
)  # fmt: skip
def test_what_makes_no_sense_changes_nothing(content):
    widget = PassView(explained())
    before = widget.shown()
    assert ask(widget, **content) == []
    assert widget.shown() == before


def test_the_picture_knows_its_times():
    widget = PassView(explained())
    root = ElementTree.fromstring(widget.picture["svg"])
    marks = {g.get("data-var"): g.attrib for g in root.iter() if g.get("data-var")}
    common = str(stop(widget.diff, "common"))
    assert (marks["8"]["data-gone"], marks["8"]["data-joined"]) == (common, "5")
    assert marks["5"]["data-tape"] == "5 8"
    assert marks["13"]["data-born"] == str(stop(widget.diff, "lower"))
    assert "data-gone" not in marks["5"]


@compiled
def test_the_code_has_the_lines_that_it_came_from(fused):
    text = fused.code["0"]
    rows = re.findall(r"<li([^>]*)>(.*?)</li>", text)
    (product,) = [row for facts, row in rows if 'data-tape="5 8"' in facts and "v5" in row]
    assert f"// line {FIRST + 2}: h = (x * w + b) * s" in product
    assert '<span class="k">for</span>' in text
    assert fused.language == "C"


@compiled
def test_opens_where_ops_were_fused(fused):
    assert fused.diff.stops[fused.stop].name == "fuse"


def test_code_of_a_large_plan_is_asked_for(monkeypatch):
    monkeypatch.setattr(passes, "_ALONG", 10)
    widget = PassView(explained())
    assert widget.code == {}
    (answer,) = ask(widget, do="code", step=1)
    assert answer["code"] == 1
    assert "add" in answer["html"]


def test_the_transcript():
    """Other passes may stand between those that are told of here."""
    rows = iter(PassView(explained()).transcript().splitlines())
    for row in TRANSCRIPT.format(*range(FIRST, FIRST + 7)).splitlines():
        assert row in rows


TRANSCRIPT = """\
passes of step, run by numpy
  traced      9 ops: as the code ran
  lower       9 ops: 1 op taken apart
  fold        8 ops: 1 op computed now, 1 flop and 8 B of reads and writes saved
  simplify    8 ops: nothing to do here
  common      7 ops: 1 op merged, 78 kflop and 630 kB of reads and writes saved
  dead        6 ops: 1 op removed, 627 kflop and 627 kB of reads and writes saved
tape
  %0 x
  %1 w
  %2 b
  %3 1; dead: no longer needed
  %4 div(%3, 4), line {1}; fold: now 0.25
  %5 mul(%0, %1), line {2}; in k0
  %6 add(%5, %2), line {2}; in k1
  %7 mul(%6, %4), line {2}; in k2
  %8 mul(%0, %1), line {3}; common: same as %5; in k0
  %9 exp(%8), line {4}; dead: never used
  %10 tanh(%7), line {5}; in k3
  %11 add(%10, %8), line {5}; in k4
  %12 relu(%11), line {5}; lower: now maximum; in k5
kernels
  k0 mul from %5, %8
  k1 add from %6
  k2 mul from %7
  k3 tanh from %10
  k4 add from %11
  k5 relu from %12"""


def test_the_mimebundle_has_picture_and_words():
    widget = PassView(explained())
    data, _ = widget._repr_mimebundle_()
    assert data["text/plain"] == widget.transcript()
    html = data["text/html"]
    assert "<svg" in html
    assert "same as %5" in html
    assert not re.search(r"https?://(?!www\.w3\.org)", html)
    root = ElementTree.fromstring(re.search(r"<svg.*?</svg>", html, re.S)[0])  # type: ignore[index]
    gone = [g.get("aria-label", "") for g in root.iter() if "node gone" in _class(g)]
    assert sorted(label.split(",")[0] for label in gone) == [
        "1 %3", "div 4 %4", "exp %9", "mul %8", "relu %12",
    ]  # fmt: skip


def _class(g: ElementTree.Element) -> str:
    return re.sub(r"(node) \w+ ", r"\1 ", g.get("class", ""))


def test_the_page_has_all_certificates_and_answers():
    widget = PassView(explained())
    page = widget.page()
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    proofs = data["traits"]["certificates"]
    assert set(proofs) == {str(i) for i in range(1, len(widget.diff.stops))}
    assert proofs["4"]["text"] == "largest difference 0 (bitwise)"


def test_the_page_of_a_large_graph_opens_its_folds():
    widget = PassView(wide())
    scope = widget.diff.views["modules"].scopes.children[0].path
    answers = widget.page_answers()
    message = json.dumps({"do": "toggle", "module": scope}, separators=(",", ":"))
    there, back = answers[f" {message}"]["set"], answers[f"modules {scope} {message}"]["set"]
    assert there["page"] == f"modules {scope}"
    assert back["page"] == ""
    assert len(there["picture"]["svg"]) > len(back["picture"]["svg"])


NAUGHTY = "<img src=x onerror=alert(1)>"


def test_a_name_cannot_break_out_of_the_page():
    def f(x: Any) -> Any:
        return x * 2

    f.__name__ = NAUGHTY
    explanation = lab.explain(lab.compile(f), lab.ones(3))
    widget = PassView(explanation)
    parts = [widget.static_html(), widget.tape, widget.lines, widget.picture["svg"]]
    assert "<img" not in "".join([*parts, *widget.code.values(), widget.page()])
