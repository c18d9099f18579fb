"""Guard rails: each note is said where a small run really goes wrong, and by no healthy run."""

import io
import math
import time
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.nn import functional as F
from minitorch_lab.utils.data import DataLoader, TensorDataset
from minitorch_lab.widgets import gauges
from minitorch_lab.widgets.guards import Guards, Note, listed
from minitorch_lab.widgets.history import Epoch, History
from minitorch_lab.widgets.loop import Loop
from minitorch_lab.widgets.playground_presets import PRESETS
from minitorch_lab.widgets.playground_settings import Settings
from minitorch_lab.widgets.playground_trial import Trial
from minitorch_lab.widgets.progress import Progress
from minitorch_lab.widgets.training import Training

WAIT = 30


def moons(count=256, noise=0.15, seed=3):
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    angle, side = rng.uniform(0, np.pi, count), np.where(y, -1, 1)
    x = np.stack([y + side * np.cos(angle), 0.5 * y + side * np.sin(angle)], 1)
    x += rng.normal(0, noise, x.shape)
    return lab.tensor(x.astype(np.float32)), lab.tensor(y.astype(np.int64))


def network(*sizes, activation=nn.ReLU):
    lab.manual_seed(0)
    parts = []
    for before, after in pairwise(sizes):
        parts += [nn.Linear(before, after), activation()]
    return nn.Sequential(*parts[:-1])


@pytest.fixture
def each_step(monkeypatch):
    """Every step is looked at, however fast they are."""
    monkeypatch.setattr(gauges, "PACE", 0.0)
    monkeypatch.setattr(gauges, "SHARE", math.inf)


def said(model, data, make, epochs=40, valid=None, every=10, batch_size=32):
    """The notes that a run ever had, by kind, and those at its end."""
    optimizer = make(model.parameters())
    batches = DataLoader(TensorDataset(*data), batch_size=batch_size, shuffle=True)
    run, found = Loop(batches, model=model, optimizer=optimizer), {}
    loss_of = F.cross_entropy if data[1].dtype is lab.int64 else F.mse_loss
    lab.manual_seed(0)
    for _ in range(epochs):
        for x, y in run:
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            run.log(loss=loss)
            loss.backward()
            optimizer.step()
            if run.step_count % every == 0:
                run._guards.look(at_once=True)
                for note in run.notes:
                    found.setdefault(note.kind, note)
        if valid is not None:
            with lab.no_grad():
                run.log(validation_loss=loss_of(model(valid[0]), valid[1]))
    run.end()
    for note in run.notes:
        found.setdefault(note.kind, note)
    return found, {note.kind for note in run.notes}


def sgd(lr):
    return lambda parameters: optim.SGD(parameters, lr=lr)


def adam(lr):
    return lambda parameters: optim.Adam(parameters, lr=lr)


# What goes wrong -----------------------------------------------------------------------------


@pytest.mark.usefixtures("each_step")
def test_a_learning_rate_that_is_too_high():
    notes, _ = said(network(2, 16, 16, 2), moons(), sgd(20.0))
    note = notes["jumps"]
    assert note.text.startswith("The loss jumps: ")
    assert "more than 2 times as high as the beginning (0.6" in note.text
    assert note.todo == "The steps are too large: try a tenth of the learning rate."


@pytest.mark.usefixtures("each_step")
def test_a_learning_rate_that_is_too_low_makes_no_progress():
    notes, last = said(network(2, 8, 2), moons(), sgd(1e-7), epochs=70)
    assert last == {"stuck"}
    assert notes["stuck"].text.startswith("No progress in 5")
    assert notes["stuck"].todo.startswith("Try a learning rate ten times higher or lower")


@pytest.mark.usefixtures("each_step")
def test_a_loss_on_the_noise_floor():
    model = network(2, 8, 2, activation=nn.Tanh)
    notes, last = said(model, moons(512, 0.6), adam(0.02), epochs=100, every=100)
    assert "noise" in last
    assert notes["noise"].text.startswith("The loss has stood at 0.4")
    assert "since about step" in notes["noise"].text


@pytest.mark.usefixtures("each_step")
def test_what_is_learnt_by_heart():
    rng = np.random.default_rng(0)
    pairs = [
        (lab.tensor(rng.normal(size=(n, 20)).astype(np.float32)), lab.tensor(rng.integers(0, 2, n)))
        for n in (48, 200)
    ]
    notes, last = said(network(20, 64, 2), pairs[0], adam(0.01), valid=pairs[1])
    assert last == {"overfit"}
    assert notes["overfit"].text.startswith("It learns by heart: the validation loss was 0.")
    assert "weight decay, dropout" in notes["overfit"].todo


@pytest.mark.usefixtures("each_step")
def test_gradients_that_explode():
    x, _ = moons()
    lab.manual_seed(2)
    y = 1000 * lab.randn(len(x), 1)
    notes, last = said(network(2, 16, 16, 1), (1000 * x, y), sgd(1e-12), epochs=5)
    assert last == {"exploding"}
    assert "times as long as the weights, most in '" in notes["exploding"].text
    assert "clip_grad_norm_" in notes["exploding"].todo


@pytest.mark.usefixtures("each_step")
def test_gradients_that_vanish_are_said_by_layer():
    model = network(2, *[16] * 8, 2, activation=nn.Sigmoid)
    notes, last = said(model, moons(), sgd(0.1), epochs=5)
    assert last == {"vanishing"}
    text = notes["vanishing"].text
    assert text.startswith("The gradients vanish on their way: in '0', '2', '4' and ")
    assert "Use ReLU" in notes["vanishing"].todo


@pytest.mark.usefixtures("each_step")
def test_dead_units_are_counted_by_layer():
    model = network(2, 16, 16, 2)
    with lab.no_grad():
        model[2].bias[:11] = -20.0
    data = moons()
    with lab.no_grad():  # those that answer 0 to each sample
        answers = model[:4](data[0]).numpy()
    count = int((answers == 0).all(0).sum())
    assert count >= 11
    notes, last = said(model, data, sgd(0.0), epochs=5)
    assert last == {"dead"}
    assert notes["dead"].id == "dead:2"
    assert notes["dead"].text.startswith(f"{count} of 16 units of '2' are dead: in the last 1")


@pytest.mark.usefixtures("each_step")
def test_dead_channels_of_a_convolution_without_bias():
    lab.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    with lab.no_grad():
        model[0].weight[1:] = -1.0
    x = lab.rand(64, 1, 4, 4)
    y = (x.mean((1, 2, 3)) > 0.5).long()
    notes, _ = said(model, (x, y), adam(0.001), epochs=15)
    assert notes["dead"].text.startswith("3 of 4 units of '0' are dead")


@pytest.mark.usefixtures("each_step")
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_training_says_it_in_both_modes(mode):
    model = network(2, 16, 2)
    with lab.no_grad():
        model[0].bias.fill_(-20.0)
    training = Training(model, moons(), epochs=6, seed=0)
    training.set_mode(mode)
    summary = training.start().wait(WAIT)
    [note] = training.notes
    assert note.id == "dead:0"
    assert summary.notes == training.notes
    assert repr(summary).splitlines()[1] == f"{note.text} {note.todo}"


@pytest.mark.usefixtures("each_step")
def test_a_terminal_says_a_note_once():
    model = network(2, 16, 2)
    with lab.no_grad():
        model[0].bias.fill_(-20.0)
    training = Training(model, moons(), epochs=6, seed=0)
    training.start().wait(WAIT)
    out = io.StringIO()
    progress = Progress(training, out)
    progress.show()
    progress.show()
    progress.end()
    lines = [line for line in out.getvalue().splitlines() if "dead" in line]
    assert lines == [f"step {training.notes[0].step:,}: 16 of 16 {lines[0].split('16 of 16 ')[1]}"]


# What goes well ------------------------------------------------------------------------------


@pytest.mark.usefixtures("each_step")
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize(
    "make", [adam(0.01), adam(0.001), sgd(0.1), sgd(0.5)], ids=["adam", "slow", "sgd", "fast"]
)
def test_healthy_runs_hear_nothing(activation, make):
    model = network(2, 16, 16, 2, activation=activation)
    notes, _ = said(model, moons(), make, epochs=80, valid=moons(seed=9), every=50)
    assert notes == {}


@pytest.mark.usefixtures("each_step")
@pytest.mark.parametrize("batch_size", [1, 8, 32])
def test_a_line_through_points_hears_nothing(batch_size):
    lab.manual_seed(4)
    x = lab.randn(256, 3)
    y = x @ lab.tensor([[1.0], [2.0], [-1.0]]) + 0.1 * lab.randn(256, 1)
    notes, _ = said(nn.Linear(3, 1), (x, y), sgd(0.02), epochs=4, batch_size=batch_size)
    assert notes == {}


@pytest.mark.usefixtures("each_step")
@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.good])
def test_the_good_presets_of_the_playground_hear_nothing(name):
    trial = Trial(Settings(**PRESETS[name].settings))
    run = Loop(range(900), model=trial.model, optimizer=trial.optimizer)
    found = set()
    for i in run:
        x, y = next(trial._batches)
        run.log(loss=trial.learn(x, y))
        if i % 50 == 0:
            run._guards.look(at_once=True)
            found |= {note.kind for note in run.notes}
    assert found == set()


# Said once, taken back -----------------------------------------------------------------------


class Fake:
    """A run that is only a history."""

    batch_size = 32

    def __init__(self):
        self.history = History()
        self.guards = Guards(self)

    def log(self, *losses):
        for loss in losses:
            self.history.add(float(loss), math.nan)
        self.guards.look(at_once=True)
        return [note.kind for note in self.guards.notes]


def test_jumps_are_said_from_ten_and_taken_back_below_three():
    run = Fake()  # without an update ratio a jump is ten times the beginning
    assert run.log(*[1.0] * 50) == []
    assert run.log(*[11.0] * 9) == []
    assert run.log(11.0) == ["jumps"]
    first = run.guards.notes[0]
    assert first.step == 60
    assert run.log(*[0.5] * 97) == ["jumps"]  # three are left among the last hundred
    assert run.guards.notes[0] is first  # it keeps its words
    assert run.log(0.5) == []


NOISE = {
    "squared errors": lambda rng, n: rng.normal(size=n) ** 2,
    "cross entropies": lambda rng, n: -np.log(rng.beta(5, 0.5, n) + 1e-9),
    "a long tail": lambda rng, n: np.exp(rng.normal(size=n)),
}


@pytest.mark.parametrize("name", NOISE)
def test_losses_of_single_samples_scatter_and_do_not_jump(name):
    said = 0
    for seed in range(30):
        run = Fake()
        run.batch_size = 1
        first, *losses = NOISE[name](np.random.default_rng(seed), 401)
        run.log(first)
        run.history.log(update_ratio=0.05)
        said += any(run.log(*part) for part in np.split(np.array(losses), 16))
    assert said <= 1  # 8 to 15 where twice the greatest of five is a jump


def test_losses_of_single_samples_that_jump():
    """Half of the samples are right, the other half is far off: as with steps too large."""
    run = Fake()
    run.batch_size = 1
    rng = np.random.default_rng(0)
    assert run.log(*rng.uniform(0.5, 1.0, 20)) == []
    run.history.log(update_ratio=0.05)
    assert run.log(*np.where(rng.random(100) < 0.5, 0, rng.uniform(5, 30, 100))) == ["jumps"]
    assert "more than 5 times as high as the beginning" in run.guards.notes[0].text


def test_a_high_loss_with_small_steps_is_no_jump():
    run = Fake()
    run.history.add(0.7, math.nan)
    run.history.log(update_ratio=0.001)
    assert run.log(*[3.0] * 100) == []


def test_no_progress_is_taken_back_when_the_loss_falls():
    run = Fake()
    rng = np.random.default_rng(0)
    assert run.log(*rng.normal(1, 0.01, 499)) == []
    assert run.log(1.0) == ["stuck"]
    assert run.log(*rng.normal(0.93, 0.01, 300)) == ["stuck"]  # not yet a tenth
    assert run.log(*np.linspace(0.9, 0.1, 400)) == []


def test_a_noise_floor_is_taken_back_when_the_loss_falls_below_it():
    run = Fake()
    rng = np.random.default_rng(0)
    losses = np.concatenate([np.linspace(2, 1, 200), rng.normal(1, 0.2, 1300)])
    assert run.log(*losses) == ["noise"]
    assert run.log(*rng.normal(0.6, 0.1, 700)) == []


def test_a_loss_that_is_learnt_may_stand():
    run = Fake()
    rng = np.random.default_rng(0)
    assert run.log(*np.linspace(2, 0.02, 200), *rng.normal(0.02, 0.004, 2000)) == []


def test_overfitting_takes_three_validations_in_a_row():
    run = Fake()
    kinds = []
    for epoch, checked in enumerate([1.0, 0.5, 0.6, 0.7, 0.8, 0.51, 0.49], start=1):
        for _ in range(10):
            run.history.add(1 / epoch, math.nan)
        run.history.validation.append(Epoch(epoch, len(run.history), checked, math.nan))
        kinds.append(run.log())
    assert kinds == [[], [], [], [], ["overfit"], [], []]


def test_nothing_is_said_of_a_run_without_steps_or_of_nan():
    run = Fake()
    assert run.log() == []
    assert run.log(*[math.nan] * 1500) == []
    assert run.log(*[-1.0] * 1500) == []


def test_a_rule_that_fails_ends_no_run():
    run = Fake()
    run.history = SimpleNamespace()
    assert run.guards.look(at_once=True) is None
    assert run.guards.notes == ()


def test_looking_is_cheap():
    """A run of 30,000 steps: about 2 ms a look, at most four a second."""
    run = Fake()
    run.log(*np.linspace(2, 1, 30_000))
    assert isinstance(run.guards.notes, tuple)
    spent = []
    for _ in range(5):
        began = time.process_time()
        run.guards.look(at_once=True)
        spent.append(time.process_time() - began)
    assert min(spent) < 0.05


def test_names_are_listed_in_a_sentence():
    assert listed(["'0'", "'2'"]) == "'0' and '2'"
    assert Note("a", "b", 1, "c", "d").todo == "d"


# nan: the last rail --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_nan_stops_names_the_op_keeps_what_was_good_and_offers_a_fork(mode):
    x = lab.tensor(np.linspace(-1, 1, 64, dtype=np.float32)[:, None])
    lab.manual_seed(1)
    model = nn.Linear(1, 1)
    training = Training(model, (x, 2 * x), optimizer="sgd", lr=30.0, epochs=300, seed=0)
    training.set_mode(mode)
    summary = training.start().wait(WAIT)
    assert summary.state == "failed"
    losses = training.history.loss
    assert np.isfinite(losses[:-1]).all()  # at that step, and not later
    assert not np.isfinite(losses[-1])
    lines = summary.message.splitlines()
    assert lines[0] == f"NonFiniteError: train: the loss is inf at step {summary.step:,}"
    assert lines[1].startswith("  first     ")
    assert f"the weights from before step {summary.step - 1:,}, the last" in summary.message
    assert lines[-1].endswith(f"take training.fork_lower(), from step {training.last_good}")
    assert all(np.isfinite(p.array).all() for p in model.parameters())
    assert float(F.mse_loss(model(x), 2 * x)) < np.inf
    fork = training.fork_lower()
    assert (fork.lr, fork.mode, fork.step_count) == (3.0, mode, training.last_good)
    lower = fork.fork(lr=0.3)
    assert lower.start().wait(60).state == "done"
    assert lower.history.loss[-1] < 1e-6


def test_a_note_of_a_later_step_is_gone_where_the_run_went_back():
    run = Training(network(2, 4, 2), moons(64), epochs=2, batch_size=16, seed=0)
    run.start().wait(WAIT)
    run._guards.notes = tuple(Note(f"{k}", "stuck", k, "no progress", "wait") for k in (0, 4))
    assert [note.step for note in run.notes] == [0, 4]
    run.rewind(0)
    assert [note.step for note in run.notes] == [0]
