"""The panel's branches: going back, forks, other runs over the one that is shown."""

import re
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("anywidget")

import minitorch_lab as lab
from minitorch_lab import nn
from minitorch_lab.widgets.history import History, Mark
from minitorch_lab.widgets.live import Live
from minitorch_lab.widgets.live_still import held
from minitorch_lab.widgets.timeline import fork_point, marks_of, not_finite, thin_curve
from minitorch_lab.widgets.training import Training

WAIT = 20


def make(**given):
    lab.manual_seed(0)
    x = lab.randn(64, 3)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2))
    given = {"epochs": 4, "batch_size": 8, "seed": 3, "name": "signs", **given}
    return Training(model, (x, (x.sum(1) > 0).long()), **given)


@pytest.fixture
def panel():
    made = Live(make())
    made.messages = []
    made.send = lambda content, buffers=None: made.messages.append(content)
    return made


def steps(panel, count):
    """Single steps; each is kept."""
    training = panel.training
    for _ in range(count):
        goal = training.step_count + 1
        panel.step()
        end = time.monotonic() + WAIT
        while not (training.step_count == goal and goal in training.kept):
            assert time.monotonic() < end, training.message
            time.sleep(0.0005)
    return training


def say(panel, **content):
    panel._handle_custom_msg(content, [])


def latest(panel, name):
    """The last message with this part of it."""
    return next(message[name] for message in reversed(panel.messages) if name in message)


def test_the_page_goes_back_and_the_curves_with_it(panel):
    run = steps(panel, 6)
    losses = panel.history.loss.tolist()
    say(panel, type="rewind", step=3)
    assert (run.step_count, panel.kept[-1]) == (3, 6)
    message = next(m for m in panel.messages[::-1] if m["reset"])
    assert (message["now"]["step"], message["first"]) == (3, 0)
    say(panel, type="rewind", step=6)
    assert panel.history.loss.tolist() == losses
    panel.start().wait(WAIT)
    assert panel.history.loss[:6].tolist() == losses


def test_going_back_has_a_run_hold_first():
    panel = Live(make(epochs=10_000))
    panel.send = lambda content, buffers=None: None
    panel.start()
    end = time.monotonic() + WAIT
    while len(panel.kept) < 3:
        assert time.monotonic() < end
        time.sleep(0.001)
    assert panel.rewind(panel.kept[1]) == panel.training.step_count
    end = time.monotonic() + WAIT
    while panel.state != "paused":
        assert time.monotonic() < end
        time.sleep(0.001)
    panel.stop()
    assert panel.wait(WAIT).state == "stopped"


def test_a_refusal_lets_a_run_go_on():
    panel = Live(make(epochs=10_000))
    panel.send = lambda content, buffers=None: None
    panel.start()
    with pytest.raises(lab.ArgumentError, match="expected 0 or more"):
        panel.fork(lr=-1)
    with pytest.raises(lab.ArgumentError, match=r"rewind\(-1\): step -1 is not kept"):
        panel.rewind(-1)
    assert panel.state == "running"
    fork = panel.fork(lr=0.5)  # of a run that is under way: it holds now
    root = panel.branches["signs"]
    end = time.monotonic() + WAIT
    while root.state != "paused":
        assert time.monotonic() < end
        time.sleep(0.001)
    assert (panel.training, fork.state) == (fork, "ready")
    assert fork.step_count <= root.step_count
    root.stop()
    root.wait(WAIT)


def test_the_timeline_names_what_is_kept_and_its_bound(panel):
    steps(panel, 2)
    say(panel, type="hello")
    timeline = latest(panel, "timeline")
    assert timeline["kept"] == [0, 1, 2]
    assert timeline["current"] == "signs"
    assert timeline["memory"].startswith("3 steps kept, ")
    assert timeline["memory"].endswith(" KB of 256 MB")
    assert "offer" not in timeline


def test_a_fork_of_the_page_is_shown_and_started_while_the_run_holds(panel):
    root = steps(panel, 4)
    once = root.history.loss.tolist()
    say(panel, type="fork", step=2, settings={"lr": 0.5, "batch_size": 16})
    fork = panel.training
    assert fork is panel.branches["fork 1"]
    fork.wait(WAIT)
    assert (fork.state, fork.lr, fork.batch_size) == ("done", 0.5, 16)
    assert root.history.loss.tolist() == once
    assert root.state == "paused"
    marks = [m for message in panel.messages for m in message.get("marks", [])]
    assert {"step": 2, "kind": "lr", "from": 0.001, "to": 0.5} in marks
    rows = {row["name"]: row for row in latest(panel, "timeline")["branches"]}
    assert rows["signs"]["from"] == 2  # it leaves the fork, which is shown, there
    assert rows["signs"]["steps"] == 4
    assert rows["fork 1"]["changed"] == ["lr 0.001 → 0.5", "batch size 8 → 16"]
    drawn = latest(panel, "curves")["signs"]
    assert drawn["from"] == 2
    assert [step for step, _ in drawn["loss"]][-2:] == [3, 4]
    np.testing.assert_allclose([value for _, value in drawn["loss"]][-2:], once[2:])


def test_a_branch_goes_on_from_the_page_as_it_would_have(panel):
    alone = make()
    alone.start().wait(WAIT)
    root = steps(panel, 3)
    say(panel, type="fork", step=1, settings={})
    panel.wait(WAIT)
    assert panel.history.loss.tolist() == alone.history.loss.tolist()
    say(panel, type="go_on", name="signs")
    assert panel.training is root
    panel.wait(WAIT)
    assert root.history.loss.tolist() == alone.history.loss.tolist()
    panel.messages.clear()
    assert panel.select("fork 1") is panel.training is not root
    assert any(message["reset"] for message in panel.messages)


def test_forks_made_in_cells_are_shown_and_followed(panel):
    root = steps(panel, 2)
    lower = root.fork(1, "lower", lr=1e-4)
    assert [row["name"] for row in latest(panel, "timeline")["branches"]] == ["signs", "lower"]
    lower.start().wait(WAIT)
    end = time.monotonic() + WAIT
    while latest(panel, "timeline")["branches"][1]["state"] != "done":
        assert time.monotonic() < end
        time.sleep(0.005)
    assert panel.training is root
    assert latest(panel, "curves")["lower"]["loss"][-1][0] == 32


def test_where_branches_leave_the_one_that_is_shown():
    root = make()
    root.step()
    end = time.monotonic() + WAIT
    while 1 not in root.kept:
        assert time.monotonic() < end
        time.sleep(0.001)
    root.fork(0, "low")
    above = root.fork(1, "high").fork(name="above")
    at = {
        shown: {b.name: fork_point(b, root.branches[shown]._branch) for b in root.branches}
        for shown in ("signs", "low", "above")
    }
    assert at["signs"] == {
        "signs": (0, None), "low": (0, None), "high": (1, None), "above": (1, "high"),
    }  # fmt: skip
    assert at["low"]["signs"] == (0, None)
    assert at["low"]["high"] == (1, "signs")
    assert at["above"] == {
        "signs": (1, None), "low": (0, None), "high": (1, None), "above": (0, None),
    }  # fmt: skip
    assert above.step_count == 1


def test_a_run_that_goes_on_behind_a_fork_parts_from_it_there(panel):
    steps(panel, 5)
    root = panel.training
    fork = panel.fork(4, "late")
    panel.select("signs")
    panel.rewind(2)
    assert fork_point(fork._branch, root._branch) == (4, None)  # it has not gone on yet
    steps(panel, 1)
    assert fork_point(fork._branch, root._branch) == (2, None)
    assert fork_point(root._branch, fork._branch) == (2, None)
    assert fork._branch.step == 4
    say(panel, type="hello")
    assert latest(panel, "curves")["late"]["from"] == 2


def test_after_nan_the_page_is_offered_a_tenth_of_the_rate():
    x = lab.tensor(np.linspace(-1, 1, 64, dtype=np.float32)[:, None])
    panel = Live(
        Training(nn.Linear(1, 1), (x, 2 * x), optimizer="sgd", lr=30.0, epochs=300, seed=0)
    )
    panel.messages = []
    panel.send = lambda content, buffers=None: panel.messages.append(content)
    panel.start().wait(WAIT)
    assert latest(panel, "timeline")["offer"] == {"lr": "3", "step": panel.training.last_good}
    assert latest(panel, "bad") == [[panel.training.step_count, "infinite"]]
    say(panel, type="fork_lower")
    panel.wait(WAIT)
    assert panel.training.lr == 3.0
    assert panel.fork_lower("again").lr == pytest.approx(0.3)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a script puts the weights that it starts from."""
    monkeypatch.chdir(tmp_path)


def test_the_page_gets_the_script(panel):
    steps(panel, 3)
    say(panel, type="script")
    message = panel.messages[-1]
    assert message["type"] == "script"
    assert message["text"] == str(panel.script())
    assert message["text"].startswith("# signs, 3 steps")


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({"type": "rewind", "step": 90}, "rewind(90): step 90 is not kept\n  nearest  0, 1, 2"),
        ({"type": "fork", "step": None, "settings": {"lr": -1}}, "lr=-1: expected 0 or more"),
        (
            {"type": "select", "name": "nobody"},
            "branches['nobody']: there is no such branch\n  branches  'signs'",
        ),
        (
            {"type": "hide", "name": "nobody", "value": True},
            "hide('nobody'): there is no such branch\n  branches  'signs'",
        ),
    ],
)
def test_a_refusal_is_said_on_the_page_and_changes_nothing(panel, message, says):
    run = steps(panel, 2)
    say(panel, **message)
    assert panel.messages[-1] == {"type": "refused", "setting": "timeline", "message": says}
    assert (panel.training, run.step_count, len(panel.branches)) == (run, 2, 1)


def test_streams_and_branches_are_shown_and_hidden_by_name(panel):
    steps(panel, 1)
    panel.fork(name="other")
    panel.hide("signs")
    assert latest(panel, "timeline")["branches"][0]["hidden"]
    panel.unhide("signs")
    assert not latest(panel, "timeline")["branches"][0]["hidden"]
    panel.show_streams("weight_norm", "lr")
    assert panel.messages[-1]["now"]["streams"] == ["lr", "weight_norm"]
    with pytest.raises(lab.ArgumentError, match="there is no such stream\n  streams  lr, grad"):
        panel.show_streams("weights")


# Other runs --------------------------------------------------------------------------------------


def test_what_is_hidden_is_said_also_after_many_messages(panel):
    panel.overlay(make(name="other"))
    for _ in range(40):
        panel._push()
    assert len(panel.messages) < 40  # of a second
    panel.hide("other")
    assert panel.messages[-1]["timeline"]["branches"][-1]["hidden"] is True


def test_another_run_is_drawn_over_this_one(panel):
    other = make(name="other", lr=0.1)
    other.start().wait(WAIT)
    steps(panel, 2)
    assert panel.overlay(other) is panel
    assert panel.overlay(other.history, name="again") is panel
    rows = latest(panel, "timeline")["branches"]
    assert [(row["name"], row.get("other", False)) for row in rows] == [
        ("signs", False), ("other", True), ("again", True),
    ]  # fmt: skip
    sent = latest(panel, "curves")["again"]["loss"]
    assert [step for step, _ in sent] == list(range(1, 33))
    np.testing.assert_allclose([value for _, value in sent], other.history.loss)


def test_a_run_over_this_one_is_taken_away_again(panel):
    other = make(name="other", lr=0.1)
    panel.overlay(other).hide("other")
    heard = len(other.listeners)
    panel.remove("other")
    assert [row["name"] for row in latest(panel, "timeline")["branches"]] == ["signs"]
    assert len(other.listeners) == heard - 1
    panel.overlay(other)
    assert latest(panel, "timeline")["branches"][-1]["hidden"] is False
    assert len(other.listeners) == heard
    with pytest.raises(lab.ArgumentError) as caught:
        panel.remove("signs")
    assert str(caught.value) == (
        "remove('signs'): this is a branch of the run, and stays\n"
        "  expected a run of overlay(); hide('signs') draws a branch no more"
    )


def test_the_validation_of_another_run_is_sent(panel):
    x = lab.randn(16, 3)
    other = make(name="other", valid=(x, (x.sum(1) > 0).long()))
    other.start().wait(WAIT)
    panel.overlay(other)
    checks = latest(panel, "curves")["other"]["checks"]
    assert [row["step"] for row in checks] == [8, 16, 24, 32]
    assert [row["loss"] for row in checks] == [row.loss for row in other.history.validation]


def test_what_is_no_run_is_not_overlaid(panel):
    with pytest.raises(lab.KindError) as caught:
        panel.overlay([1.0, 2.0])
    assert str(caught.value) == (
        "overlay(other): other is list of 2 items\n"
        "  expected a panel of lab.train, a Training or a History"
    )
    with pytest.raises(lab.ArgumentError) as caught:
        panel.overlay(make())
    assert str(caught.value) == (
        "overlay(other): a run called 'signs' is drawn already\n"
        "  expected another name: overlay(other, name='second')"
    )


def test_a_curve_keeps_its_end_and_is_thinned():
    history = History()
    for step in range(1, 2001):
        history.add(float(step), 0.5)
    rows = thin_curve(history, "loss", 1000)
    assert len(rows) <= 400
    assert rows[-1][0] == 2000
    assert rows[0] == [1003, 1002.0]
    assert thin_curve(history, "gradient_norm", 0) == []


def test_steps_without_a_finite_loss_are_found():
    history = History()
    for loss in (1.0, float("nan"), 2.0, float("inf")):
        history.add(loss, 0.5)
    assert not_finite(history) == [[2, "nan"], [4, "infinite"]]
    assert not_finite(history, 2) == [[4, "infinite"]]
    history.marks.append(Mark(2, "lr", 0.1, 0.01))
    assert marks_of(history) == [Mark(2, "lr", 0.1, 0.01)]


# Pictures without a kernel -----------------------------------------------------------------------


def test_the_picture_has_the_streams_and_branches_that_are_shown(panel):
    steps(panel, 4)
    panel.fork(2, "<b>", lr=0.5)
    panel.show_streams("lr")
    html = panel.static_html()
    assert html.count("<svg") == 3
    assert "<b>" not in html
    assert html.count('stroke-dasharray="6 3"') == 3  # the run that the fork came from
    assert 'aria-label="loss over 2 steps, last ' in html
    assert "; signs last " in html
    assert ">lr 0.001 → 0.5</text>" in html
    assert "└─ &lt;b&gt;: from step 2, lr 0.001 → 0.5, 0 steps" in html
    panel.hide("signs")
    assert 'stroke-dasharray="6 3"' not in panel.static_html()


def test_the_picture_has_a_cross_where_the_loss_was_no_number(panel):
    for loss in (1.0, 0.5, float("nan")):
        panel.history.add(loss, 0.5)
    html = panel.static_html()
    assert ">nan at step 3</text>" in html
    assert re.search(r' d="[^"]*nan', html) is None


def test_a_line_that_holds_is_drawn_with_corners():
    assert held([(1, 0.1), (5, 0.2)], 9) == [(1, 0.1), (5, 0.1), (5, 0.2), (9, 0.2)]
    assert held([], 9) == []


def test_runs_are_compared_in_one_picture(panel):
    other = make(name="signs", lr=0.1)
    other.start().wait(WAIT)
    steps(panel, 2)
    both = lab.compare(panel, other, streams=("weight_norm",))
    lines = repr(both).splitlines()
    assert lines[0].startswith("signs         2 steps, loss 0.")
    assert lines[1].startswith("signs, run 2  32 steps, loss 0.")
    html = both._repr_html_()
    assert html.count("<svg") == 3
    assert html.count("signs, run 2</text>") == 3
    with pytest.raises(lab.ArgumentError, match="1 name for 2 runs\n  expected one for each run"):
        lab.compare(panel, other, names=["one"])
    with pytest.raises(lab.KindError, match="compare: run 2 is int 3\n  expected a panel of"):
        lab.compare(panel, 3)
    with pytest.raises(lab.ArgumentError, match="no run is given"):
        lab.compare()
