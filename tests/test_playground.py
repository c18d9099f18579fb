"""The playground in Python: data, settings, the run, its code, its messages, and a real kernel."""

import json
import math
import os
import signal
import threading
import time

import numpy as np
import pytest

pytest.importorskip("anywidget")

import minitorch_lab as lab
from minitorch_lab.errors import ArgumentError, KindError
from minitorch_lab.widgets import playground_run
from minitorch_lab.widgets.playground import playground
from minitorch_lab.widgets.playground_data import DATA, FEATURES, featured
from minitorch_lab.widgets.playground_presets import PRESETS
from minitorch_lab.widgets.playground_run import Play
from minitorch_lab.widgets.playground_settings import Settings, changed
from minitorch_lab.widgets.playground_still import runs
from minitorch_lab.widgets.playground_trial import MOST_LOOKS, SIDE, Curves, Look, Trial

WAIT = 20


def until(true, seconds=WAIT):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    until(lambda: all(thread.name != "playground" for thread in threading.enumerate()))


# Data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DATA)
def test_data_is_points_and_classes_or_numbers(name):
    lab.manual_seed(3)
    x, y = DATA[name](60, 0.1)
    assert (x.shape, x.dtype) == ((60, 2), lab.float32)
    if name in ("plane", "waves"):
        assert (y.shape, y.dtype) == ((60, 1), lab.float32)
    else:
        assert (y.shape, y.dtype) == ((60,), lab.int64)
        assert len(set(y.tolist())) == (3 if name == "pinwheel" else 2)


def without_noise(name):
    lab.manual_seed(0)
    x, y = DATA[name](200, 0.0)
    return x.numpy().astype(float), y.numpy()


def test_each_moon_is_half_of_a_circle():
    x, y = without_noise("moons")
    for kind, centre in ((0, [-1, -0.5]), (1, [1, 0.5])):
        away = x[y == kind] - centre
        np.testing.assert_allclose(np.hypot(*away.T), 2, rtol=1e-5)
        assert ((away[:, 1] >= -1e-5) == (kind == 0)).all()


def test_a_ring_lies_around_a_disc():
    x, y = without_noise("circles")
    r = np.hypot(*x.T)
    assert r[y == 0].max() <= 1.0 + 1e-5
    assert 1.8 - 1e-5 <= r[y == 1].min() <= r[y == 1].max() <= 2.8 + 1e-5


@pytest.mark.parametrize(("name", "arms", "turns"), [("spirals", 2, 3.5), ("pinwheel", 3, 1.0)])
def test_arms_are_one_arm_turned(name, arms, turns):
    x, y = without_noise(name)
    r, angle = np.hypot(*x.T) / 3, np.arctan2(x[:, 1], x[:, 0])
    expected = math.pi * turns * r + 2 * math.pi / arms * y
    np.testing.assert_allclose(np.cos(angle - expected), 1, atol=1e-4)


def test_xor_is_about_signs_and_numbers_are_of_the_point():
    x, y = without_noise("xor")
    assert ((x[:, 0] * x[:, 1] < 0) == (y == 1)).all()
    x, y = without_noise("plane")
    np.testing.assert_allclose(y[:, 0], x.sum(1) / 6, atol=1e-6)
    x, y = without_noise("waves")
    np.testing.assert_allclose(y[:, 0], np.sin(x[:, 0]) * np.cos(x[:, 1]), atol=1e-5)


def test_features_are_what_their_code_says():
    points = lab.randn(5, 2)
    x1, x2 = points[:, 0], points[:, 1]
    for name, feature in FEATURES.items():
        np.testing.assert_array_equal(
            featured(points, (name,))[:, 0].numpy(),
            eval(feature.code, {"x1": x1, "x2": x2}).numpy(),
        )


# Settings ------------------------------------------------------------------------------------


def test_settings_are_looked_at():
    wanted = changed(Settings(), {"units": [3, 2], "features": ["sin x1", "x1"], "lr": 1})
    assert (wanted.units, wanted.features, wanted.lr) == ((3, 2), ("x1", "sin x1"), 1.0)


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ({"data": "moon"}, ArgumentError, "data is str 'moon'\n  expected one of moons, circles"),
        ({"units": [0]}, ArgumentError, "units is [0]\n  expected a list of at most 6 numbers"),
        ({"units": 3}, KindError, "units is int 3\n  expected a list"),
        ({"features": []}, ArgumentError, "features is []\n  expected some of x1, x2, x1^2"),
        ({"lr": -1}, ArgumentError, "lr is int -1\n  expected a number of 0 to 1000"),
        ({"lr": math.nan}, ArgumentError, "lr is float nan"),
        ({"lr": "fast"}, KindError, "lr is str 'fast'"),
        ({"batch": 2.5}, KindError, "batch is float 2.5\n  expected a whole number"),
        ({"seed": -1}, ArgumentError, "seed is int -1"),
        (
            {"activation": "swish"},
            ArgumentError,
            "expected one of tanh, relu, sigmoid, gelu, linear",
        ),
        ({"width": 3}, KindError, "there is no setting 'width'\n  expected one of activation"),
        ({"preset": "best"}, ArgumentError, "preset is 'best'\n  expected one of moons"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_named_and_changes_nothing(given, kind, text):
    play = playground()
    before = play.settings
    with pytest.raises(kind, match="playground") as caught:
        play.set(noise=0.5, **given)
    assert text in str(caught.value)
    assert play.settings == before


@pytest.mark.parametrize(
    ("x", "y", "text"),
    [
        (np.zeros((5, 3)), np.zeros(5), "expected points of shape (N, 2)"),
        (np.zeros((5, 2)), np.zeros(4), "expected one class number for each point: shape (5,)"),
        (
            np.zeros((5, 2)),
            np.full(5, 9),
            "class numbers from 9 to 9\n  expected 0, 1, ..., at most 5",
        ),
        (np.full((5, 2), np.nan), np.zeros(5), "nan or infinite"),
        (np.zeros((5, 2)), ["a"] * 5, "y is list of 5 items\n  expected an array"),
        (np.zeros((5, 2)), None, "one of the two is missing"),
    ],
    ids=["points", "lengths", "classes", "nan", "words", "one"],
)
def test_wrong_arrays_are_named(x, y, text):
    with pytest.raises((KindError, ArgumentError)) as caught:
        playground(x, y)
    assert text in str(caught.value)


def test_own_arrays_are_learned_as_they_are():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 2)) + np.repeat([[0, 0], [8, 0], [0, 8]], 30, axis=0)
    play = playground(x, np.repeat([0, 1, 2], 30), units=[6], lr=0.05)
    assert (play.play.trial.classes, play.settings.data) == (3, "own")
    np.testing.assert_allclose(np.sort(play.play.trial.points.numpy(), 0), np.sort(x, 0), rtol=1e-5)
    play.step(300)
    assert play.history.test_accuracy[-1] > 0.9
    numbers = playground(x, x[:, 0])
    assert numbers.play.trial.classes == 0
    assert numbers.model[-1].out_features == 1


# The run -------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_numbers_and_touches_nobody_elses():
    lab.manual_seed(5)
    expected = lab.rand(3).tolist()
    lab.manual_seed(5)
    first, second = Play(Settings(seed=1)), Play(Settings(seed=1))
    first.step(30)
    for _ in range(30):
        second.step()
    assert lab.rand(3).tolist() == expected
    assert first.last.weights.tolist() == second.last.weights.tolist()
    assert (
        Play(Settings(seed=2)).last.weights.tolist() != Play(Settings(seed=1)).last.weights.tolist()
    )


def test_graph_mode_goes_on_with_the_same_numbers():
    eager, graph = Play(Settings()), Play(Settings())
    graph.set_mode("graph")
    for play in (eager, graph):
        play.step(120)
    np.testing.assert_allclose(graph.last.weights, eager.last.weights, rtol=1e-3, atol=1e-4)
    assert graph.last.train == pytest.approx(eager.last.train, rel=1e-3)
    assert (eager.speed["graph"], graph.speed["eager"]) == (None, None)
    assert graph.speed["graph"] > eager.speed["eager"]


def test_a_look_is_the_network_over_the_plane():
    trial = Trial(Settings(data="circles", units=(3,), activation="relu"))
    look = trial.look()
    assert (look.plane.shape, look.units.shape) == ((1, SIDE, SIDE), (3 + 2, 25, 25))
    x1 = trial.low[0] + (trial.high[0] - trial.low[0]) * 0.505  # column 50, row 20 from the top
    x2 = trial.low[1] + (trial.high[1] - trial.low[1]) * (1 - 0.205)
    with lab.no_grad():
        share = lab.nn.functional.softmax(trial.model(lab.tensor([[float(x1), float(x2)]])), 1)[
            0, 1
        ].item()
        output = trial.model(trial.inputs)
        loss = lab.nn.functional.cross_entropy(output[:200], trial.target[:200]).item()
    assert look.plane[0, 20, 50] == pytest.approx(255 * share, abs=1)
    assert look.train == pytest.approx(loss, rel=1e-6)
    weights = np.concatenate([p.detach().numpy().ravel() for p in trial.model.parameters()])
    assert look.weights.tolist() == weights.tolist()


def test_regularisers_add_to_the_loss_but_not_to_what_is_shown():
    plain, l1, l2 = (
        Trial(Settings(regulariser=kind, strength=0.5)) for kind in ("none", "l1", "l2")
    )
    weights = np.concatenate([layer.weight.detach().numpy().ravel() for layer in plain.layers])
    assert plain.penalty() == 0.0
    assert l1.penalty().item() == pytest.approx(0.5 * np.abs(weights).sum(), rel=1e-5)
    assert l2.penalty().item() == pytest.approx(0.5 * (weights**2).sum(), rel=1e-5)
    assert plain.look().train == l2.look().train


def test_start_pause_step_and_reset():
    play = Play(Settings())
    first = play.last.weights.tolist()
    assert play.state == "ready"
    play.start()
    until(lambda: play.trial.count > 20)
    assert (play.state, play.alive) == ("running", True)
    play.pause()
    assert (play.state, play.alive) == ("paused", False)
    count = play.trial.count
    play.step(3)
    assert play.last.step == play.trial.count == count + 3
    play.reset()
    assert (play.state, play.last.step, len(play.history)) == ("ready", 0, 1)
    assert play.last.weights.tolist() == first


def test_other_settings_start_again_and_go_on_training():
    play = playground()
    play.start()
    until(lambda: play.play.trial.count > 5)
    play.set(units=[3], mode="graph")
    assert play.state == "running"
    until(lambda: play.history.step[-1] > 20)
    play.pause()
    assert play.model[0].out_features == 3
    with pytest.raises(ArgumentError, match="there are no arrays of your own"):
        play.set(data="own")


def test_a_learning_rate_and_a_weight_change_while_it_trains():
    play = Play(Settings())
    play.start()
    until(lambda: play.trial.count > 5)
    play.set(changed(play.settings, {"lr": 0.0}))
    play.set_weight(0, 1, 0, 2.5)
    play.set_weight(2, 0, None, -1.0)
    until(lambda: not play.trial.requests)
    play.pause()
    assert play.trial.model[0].weight[1, 0].item() == 2.5  # with the rate 0 it stays
    assert play.trial.model[4].bias[0].item() == -1.0
    with pytest.raises(ArgumentError, match="a unit of 0 to 5, a source of 0 to 1"):
        play.set_weight(0, 6, 0, 1.0)


def test_a_loss_that_is_no_number_holds_the_run_and_says_why():
    play = Play(Settings(data="waves", optimizer="sgd", activation="relu", lr=1000.0))
    play.start()
    until(lambda: play.state == "paused" and not play.alive)
    assert "the loss is no longer a number" in play.message


def test_a_page_that_has_gone_does_not_leave_a_run_behind(monkeypatch):
    monkeypatch.setattr(playground_run, "UNWATCHED", 0.1)
    play = Play(Settings())
    play.watched = time.monotonic()
    play.start()
    until(lambda: not play.alive)
    assert play.message.startswith("Held: the page has not been heard of")


def test_a_panel_that_is_closed_holds():
    panel = playground()
    panel.start()
    panel.close()
    until(lambda: not panel.play.alive)


def test_a_pace_is_kept():
    play = Play(Settings())
    play.pace = 100
    began = time.monotonic()
    play.start()
    until(lambda: play.trial.count >= 30)
    assert time.monotonic() - began > 0.2  # 0.3 s at 100 steps a second
    play.pause()


def test_two_at_once_do_not_disturb_each_other():
    plays = [Play(Settings(seed=7)) for _ in range(2)]
    for play in plays:
        play.start()
    until(lambda: all(play.trial.count > 50 for play in plays))
    for play in plays:
        play.pause()
    low, high = sorted(plays, key=lambda play: play.trial.count)
    low.step(high.trial.count - low.trial.count or 1)
    if low.trial.count == high.trial.count:
        assert low.last.weights.tolist() == high.last.weights.tolist()


def test_a_long_history_stays_short():
    curves = Curves()
    empty = np.zeros(0)
    for step in range(10 * MOST_LOOKS):
        curves.add(Look(step, 1.0, 2.0, 0.5, 0.5, empty, empty, empty))
    assert MOST_LOOKS / 2 <= len(curves) <= MOST_LOOKS
    assert (np.diff(curves.step) > 0).all()
    assert curves.step[-1] > 9.9 * MOST_LOOKS


# Presets -------------------------------------------------------------------------------------

# What each preset's reason says, as something that can be seen after so many steps.
CLAIMS = {
    "moons": (1000, lambda h: h.test_accuracy[-1] > 0.98),
    "xor-product": (1000, lambda h: h.test_accuracy[-1] > 0.95),
    "circles-squares": (1000, lambda h: h.test_accuracy[-1] > 0.95),
    "spirals": (4000, lambda h: h.test_accuracy[-1] > 0.9),
    "held": (4000, lambda h: h.test[-1] < 0.45 and h.test[-1] < 1.1 * h.test.min()),
    "too-fast": (1000, lambda h: h.train[-1] > 0.5),
    "too-slow": (1000, lambda h: 0.6 < h.train[-1] < h.train[0]),
    "xor-line": (1000, lambda h: abs(h.train[-1] - math.log(2)) < 0.02),
    "linear": (1000, lambda h: abs(h.train[-1] - math.log(2)) < 0.03),
    "too-few": (4000, lambda h: h.train[-1] > 0.4),
    "overfitting": (4000, lambda h: h.train[-1] < 0.1 and h.test[-1] > 2 * h.test.min()),
    "vanishing": (1000, lambda h: abs(h.train[-1] - math.log(2)) < 0.01),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_does_what_its_reason_says(name):
    steps, seen = CLAIMS[name]
    play = playground(preset=name, mode="graph")
    play.step(steps)
    assert seen(play.history)
    assert play.presets[name] == PRESETS[name].reason


# The code ------------------------------------------------------------------------------------

SHOWN = {
    "usual": {},
    "features": {"data": "spirals", "features": ["x1", "sin x2"], "units": [5], "batch": 7},
    "l1": {"data": "pinwheel", "regulariser": "l1", "share": 1, "activation": "relu"},
    "l2": {"data": "xor", "regulariser": "l2", "optimizer": "momentum", "activation": "gelu"},
    "number": {"data": "waves", "optimizer": "rmsprop", "activation": "sigmoid"},
    "line": {"data": "gaussians", "units": [], "optimizer": "sgd", "lr": 0.1},
}


@pytest.mark.parametrize("name", SHOWN)
def test_the_code_gives_the_numbers_of_the_panel(name, capsys):
    play = playground(**SHOWN[name])
    play.step(45)
    play.set(lr=0.05)
    play.step(20)
    play.set_weight(0, 0, 1, 0.5)
    play.step(3)
    program: dict = {}
    exec(play.code("torch"), program)  # noqa: S102
    assert program["train_loss"] == pytest.approx(play.history.train[-1], rel=1e-6)
    if play.settings.share < 1:
        assert program["test_loss"] == pytest.approx(play.history.test[-1], rel=1e-6)
    weights = np.concatenate([p.detach().numpy().ravel() for p in program["model"].parameters()])
    assert weights.tolist() == play.play.last.weights.tolist()
    assert capsys.readouterr().out.startswith("train loss ")


def test_the_code_of_graph_mode_and_of_own_arrays(capsys):
    x, y = np.random.default_rng(1).normal(size=(40, 2)), np.arange(40) % 2
    play = playground(x, y, mode="graph", noise=0.1)
    play.step(30)
    assert "@lab.compile\ndef learn(x, y):" in play.code()
    program = {"x": x, "y": y}
    exec(play.code(), program)  # noqa: S102
    assert program["train_loss"] == pytest.approx(play.history.train[-1], rel=1e-4)


@pytest.mark.parametrize("name", ["usual", "number", "line", "l1", "l2"])
def test_the_keras_code_learns_the_same(name, capsys):
    play = playground(**SHOWN[name])
    play.step(1200)
    program: dict = {}
    exec(play.code("keras"), program)  # noqa: S102
    model = program["model"]
    shapes = [tuple(reversed(w.shape)) for w in model.get_weights()]
    assert shapes == [tuple(p.shape) for p in play.model.parameters()]
    if "test_accuracy" in program:
        assert program["test_accuracy"] == pytest.approx(play.history.test_accuracy[-1], abs=0.06)
    assert program["train_loss"] == pytest.approx(play.history.train[-1], abs=0.12)


def test_code_before_the_first_step_and_of_another_kind():
    play = playground()
    assert "range(1000)" in play.code()
    with pytest.raises(ArgumentError, match="kind is 'jax'\n  expected 'torch' or 'keras'"):
        play.code("jax")


# Messages ------------------------------------------------------------------------------------


class Wire:
    """Stands for the page: keeps what the widget sends."""

    def __init__(self, panel):
        self.panel, self.messages, self.times = panel, [], []
        panel.send = self.take

    def take(self, content, buffers=None):
        json.dumps(content, allow_nan=False)  # what JSON has no word for never travels
        self.times.append(time.monotonic())
        self.messages.append((content, [bytes(buffer) for buffer in buffers or ()]))

    def say(self, **content):
        self.panel._handle_custom_msg(content, [])


@pytest.fixture
def wire():
    made = Wire(playground())
    yield made
    made.panel.pause()


def test_a_new_view_gets_everything(wire):
    wire.panel.step(20)
    wire.messages.clear()
    wire.say(type="hello")
    [(content, buffers)] = wire.messages
    assert (content["type"], content["step"], content["classes"]) == ("new", 20, 2)
    assert content["layers"] == [[6, 2], [4, 6], [2, 4]]
    weights = 4 * sum(out * (inner + 1) for out, inner in content["layers"])
    rows = 4 * 5 * len(wire.panel.history)
    assert [len(b) for b in buffers] == [10_000, 12 * 625, weights, 3200, 1600, 7 * 625, rows]


def test_looks_come_often_and_not_too_often(wire):
    wire.say(type="set", values={"mode": "graph"})
    wire.say(type="start")
    until(lambda: len(wire.panel.history) > 3)  # compiled by now
    count, began = len(wire.messages), time.monotonic()
    time.sleep(1.0)
    rate = (len(wire.messages) - count) / (time.monotonic() - began)
    wire.say(type="pause")
    assert 5 < rate <= 30  # 20 on a quiet machine
    assert wire.messages[-1][0]["type"] in ("look", "state")


def test_the_page_s_messages_are_the_methods(wire):
    panel = wire.panel
    wire.say(type="step")
    until(lambda: panel.play.last.step == 1)
    wire.say(type="set", values={"preset": "xor-line"})
    assert (panel.settings.data, panel.settings.units) == ("xor", ())
    assert wire.messages[-1][0]["preset"] == "xor-line"
    wire.say(type="pace", value=20)
    assert panel.play.pace == 20.0
    wire.say(type="weight", layer=0, unit=1, source=0, value=1.5)
    assert panel.model[0].weight[1, 0].item() == 1.5
    wire.say(type="code", kind="keras")
    assert "tf.keras.Sequential" in wire.messages[-1][0]["text"]
    wire.say(type="set", values={"lr": -1})
    assert "lr is int -1" in wire.messages[-1][0]["message"]
    wire.say(type="reset")
    assert panel.state == "ready"


# Twins ---------------------------------------------------------------------------------------


def test_the_transcript_says_what_is_set_and_how_far_it_is():
    play = playground(data="spirals", units=[8])
    assert play.transcript() == (
        "playground: spirals, 2 features, 1 hidden layer (8), tanh\n"
        "  adam, learning rate 0.01, 200 points in batches of 10"
    )
    play.step(2)
    last = play.transcript().splitlines()[-1]
    assert last.startswith("  after 2 steps: train loss 0.")
    assert "test loss 0." in last


def test_the_picture_has_the_plane_the_points_and_the_losses():
    play = playground(data="pinwheel")
    play.step(40)
    html = play.static_html()
    assert html.count("<svg") == 2
    assert html.count("h0") == 200  # a dot for each point to learn from
    assert "Loss over 40 steps" in html
    assert "http" not in html


def test_neighbours_of_one_colour_are_one_rectangle():
    plane = np.array([[[0, 0, 255, 130]]], dtype=np.uint8)
    assert [(x, y, w, hue) for x, y, w, hue, _ in runs(plane, 2)] == [
        (0, 0, 2, 0),
        (2, 0, 1, 1),
        (3, 0, 1, 1),
    ]


def test_a_page_without_a_kernel_has_the_last_look():
    play = playground()
    play.step(5)
    answers = play.page_answers()
    kept = answers[' {"type":"hello"}']["send"]
    assert (kept["step"], len(kept["packed"])) == (5, 7)
    assert "lab.nn.Sequential" in answers[' {"type":"code","kind":"torch"}']["send"]["text"]


# A real kernel -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cells():
    """Run a cell in a kernel of its own process: what it printed and its error's name."""
    manager_module = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    manager, client = manager_module.start_new_kernel(kernel_name="python3")

    def interrupt():  # the manager's own way leaves an event loop behind in a timer's thread
        os.kill(manager.provisioner.pid, signal.SIGINT)

    def run(code, cell="a", interrupt_after=None):
        found = {"text": "", "error": None}

        def keep(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                found["text"] += content["text"]
            elif message["msg_type"] == "error":
                found["error"] = content["ename"]

        if interrupt_after is not None:
            threading.Timer(interrupt_after, interrupt).start()
        message = client.session.msg(
            "execute_request",
            {"code": code, "silent": False, "store_history": True, "user_expressions": {}},
            metadata={"cellId": cell},
        )
        client.shell_channel.send(message)
        end = time.monotonic() + 60
        while time.monotonic() < end:  # the panel's own messages never stop coming
            got = client.get_iopub_msg(timeout=60)
            if got["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            keep(got)
            if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                return found["text"].strip(), found["error"]
        raise TimeoutError(found["text"])

    run.interrupt = interrupt
    run("import time, threading, minitorch_lab as lab\nlab.executor('numpy')")
    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)


THREADS = "print([t.name for t in threading.enumerate() if t.name == 'playground'])"


def test_a_cell_that_is_run_again_holds_its_old_panel(cells):
    cells("play = lab.playground()\nplay", "b")
    cells("old = play.start()", "c")
    cells("play = lab.playground()\nplay", "b")
    text, _ = cells("print(old.state, old.play.message); old.pause()", "d")
    assert text == "paused Held: its cell has been run again."
    assert cells(THREADS) == ("[]", None)


def test_an_interrupt_between_cells_holds_the_run(cells):
    cells("play = lab.playground(); play.start()", "e")
    time.sleep(0.6)
    cells.interrupt()
    text, error = cells("time.sleep(0.3); print(play.state)")
    assert (text, error) == ("paused", None)
    assert cells(THREADS) == ("[]", None)


def test_an_interrupt_of_a_cell_ends_both(cells):
    cells("play = lab.playground(); play.start()", "f")
    _, error = cells("time.sleep(60)", interrupt_after=0.5)
    assert error == "KeyboardInterrupt"
    assert cells("time.sleep(0.3); print(play.state)") == ("paused", None)
    _, error = cells("play.step(10_000_000)", interrupt_after=0.5)
    assert error == "KeyboardInterrupt"
    assert cells(THREADS) == ("[]", None)
