"""Going back in a run, forks, and the script that does a run again."""

import time

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.nn import functional as F
from minitorch_lab.widgets.rewind import Kept, amount
from minitorch_lab.widgets.training import Training

WAIT = 60
OPTIMISERS = {
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
    "dampened": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "nadam": lambda p: optim.NAdam(p, lr=0.01),
}


def points(n=100):
    x = lab.randn(n, 2)
    return x, (x.sum(1) > 0).to(lab.int64)


def network():
    return nn.Sequential(
        nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2)
    )


def make(mode="eager", optimiser="momentum", data=points, **given):
    """A run with dropout, batch norm, validation and a short last batch: 7 steps an epoch."""
    lab.manual_seed(1)
    x, y = points()
    model = network()
    given = {"batch_size": 16, "epochs": 3, "seed": 5, "valid": (x[:20], y[:20]), **given}
    training = Training(model, (x, y), optimizer=OPTIMISERS[optimiser](model.parameters()), **given)
    training.set_mode(mode)
    return training


def go(training):
    summary = training.start().wait(WAIT)
    assert summary.error is None, summary.message
    return training.history


def steps(training, count):
    """Single steps; each is kept."""
    for _ in range(count):
        goal = training.step_count + 1
        training.step()
        end = time.monotonic() + WAIT
        while not (training.step_count == goal and goal in training.kept):
            assert time.monotonic() < end, training.message
            time.sleep(0.0005)
    return training


def losses(history):
    return history.loss.tolist(), [row.loss for row in history.validation]


# Going back --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_run_goes_on_from_a_kept_step_with_the_same_bits(mode, optimiser):
    """Dropout, batch norm, momentum, the order of the data, in the middle of an epoch."""
    once = losses(go(make(mode, optimiser)))
    training = steps(make(mode, optimiser), 10)
    for step in (3, 0, 8, 7, 10, 4):  # back and forth
        assert training.rewind(step) == step == training.step_count
    lab.randn(100)  # somebody else draws meanwhile
    assert losses(go(training)) == once
    for step in (4, 0):  # after the end
        training.rewind(step)
        lab.randn(100)
        assert losses(go(training)) == once


SCHEDULES = {
    "steps": lambda o: optim.lr_scheduler.StepLR(o, 1, gamma=0.5),
    "warmup": lambda o: optim.lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=2),
    "cosine": lambda o: optim.lr_scheduler.CosineAnnealingLR(o, T_max=3),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_goes_back_too(schedule, tmp_path):
    def run():
        lab.manual_seed(1)
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        made = SCHEDULES[schedule](optimizer)
        x, y = points()
        return Training(
            model, (x, y), optimizer=optimizer, schedule=made, batch_size=32, epochs=3, seed=2
        )

    training = run()
    once = losses(go(training))
    steps(training := run(), 6)
    rate = training.lr
    training.rewind(3)
    assert training.lr != rate
    assert losses(go(training.fork(3))) == once
    assert losses(go(training)) == once
    same_losses(training, tmp_path)


def test_a_schedule_of_another_optimiser_is_refused():
    model = network()
    made = [optim.SGD(model.parameters(), lr=0.1) for _ in range(2)]
    schedule = optim.lr_scheduler.StepLR(made[0], 1)
    with pytest.raises(lab.ArgumentError, match="schedule has another optimiser than the run"):
        Training(model, points(), optimizer=made[1], schedule=schedule)
    with pytest.raises(lab.KindError, match="train: schedule is str 'cosine'"):
        Training(model, points(), schedule="cosine")


def test_a_fork_repeats_its_run_and_leaves_it_as_it_is():
    once = losses(go(make()))
    training = steps(make(), 4)
    before = {k: v.numpy().copy() for k, v in training.model.state_dict().items()}
    same, lower = training.fork(3), training.fork(3, "lower", lr=0.001)
    assert lower.step_count == 3
    assert losses(go(lower))[0][:4] == once[0][:4]  # step 4 is measured before its update
    assert losses(lower.history)[0][4:] != once[0][4:]
    assert all(np.array_equal(before[k], v.numpy()) for k, v in training.model.state_dict().items())
    assert losses(go(training)) == once  # its random numbers are its own
    assert losses(go(same)) == once


def test_branches_are_a_tree_with_what_was_changed():
    training = steps(make(name="moons"), 3)
    lower = training.fork(2, "lower", lr=0.01, batch_size=8)
    again = lower.fork(name="again", optimizer="adam")
    beside = training.fork(3)
    assert repr(beside.branches).splitlines() == [
        f"moons: 3 steps, loss {training.history.loss[-1]:#.3g}",
        "├─ lower: from step 2, lr 0.1 → 0.01, batch_size 16 → 8, 0 steps",
        "│  └─ again: from step 2, optimizer SGD → Adam, 0 steps",
        "└─ fork 3: from step 3, 0 steps",
    ]
    assert training.branches["again"] is again is again.branches[2]
    go(lower)
    count, loss = training.branches.overlay()["lower"]
    assert count.tolist() == list(range(3, 3 + len(loss)))
    assert loss.tolist() == lower.history.loss.tolist()[2:]
    assert lower.step_count == 2 + 9 + 13 * 2  # 68 of 100 samples were left in batches of 8
    assert len(training.history) == 3
    assert (again.optimizer.param_groups[0]["lr"], type(again.optimizer)) == (0.01, optim.Adam)


def test_a_fork_of_a_running_run_starts_between_two_steps():
    training = make(epochs=200)
    training.start()
    fork = training.fork(name="beside")
    training.pause()
    step = fork.step_count
    end = time.monotonic() + WAIT
    while training.step_count not in training.kept:
        assert time.monotonic() < end
        time.sleep(0.001)
    assert fork.history.loss.tolist() == training.history.loss.tolist()[:step]
    training.stop()


def test_settings_and_mode_are_those_of_the_step():
    training = steps(make(), 2)
    training.set_lr(0.01)
    training.set_mode("graph")
    steps(training, 2)
    training.rewind(2)
    assert (training.lr, training.mode, training.history.marks) == (0.1, "eager", [])
    training.rewind(4)
    assert (training.lr, training.mode) == (0.01, "graph")
    assert [mark.kind for mark in training.history.marks] == ["lr", "mode"]


def test_augmented_samples_come_again():
    """Data that draw random numbers when they are read."""

    class Noisy(lab.utils.data.Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, i):
            return lab.randn(2) + i, lab.tensor([float(i)])

    def run():
        lab.manual_seed(0)
        data = lab.utils.data.DataLoader(Noisy(), batch_size=4, shuffle=True)
        return Training(nn.Linear(2, 1), data, optimizer="sgd", lr=1e-4, epochs=2, seed=3)

    once = losses(go(run()))
    training = steps(run(), 6)
    training.rewind(3)
    training.rewind(6)
    assert losses(go(training)) == once
    training.rewind(3)
    assert losses(go(training)) == once


# What is kept ------------------------------------------------------------------------------------


class Size:
    """A checkpoint of a size."""

    def __init__(self, step, nbytes=100):
        self.step = step
        self.nbytes = nbytes


def test_a_full_memory_is_thinned_and_stays_spread():
    kept = Kept(limit=2000)
    for step in range(0, 10_000, 7):
        if kept.due(step):
            kept.add(Size(step))
        assert kept.nbytes <= 2000
    steps = list(kept)
    gaps = np.diff(steps)
    assert 10 <= len(steps) <= 20
    assert steps[0] == 0
    assert steps[-1] > 9000
    assert gaps.max() <= 4 * gaps.min()
    assert repr(kept).startswith(f"{len(kept)} steps kept ({amount(kept.nbytes)} of at most 2.0 KB")


def test_what_does_not_fit_is_not_kept():
    kept = Kept(limit=250)
    for step in range(5):
        kept.add(Size(step))
    assert list(kept) == [0, 4]
    kept.add(Size(9, nbytes=300))
    assert repr(kept) == "no step is kept, 0 bytes of at most 250 bytes"


def test_the_memory_of_a_run_is_bounded():
    training = make(epochs=100)
    training.kept.limit = 40_000
    go(training)
    assert 0 < training.kept.nbytes <= 40_000
    held = sum(a.nbytes for entry in training.kept._entries for a in entry.arrays)
    assert held < training.kept.nbytes


def test_steps_that_cannot_be_had_are_refused():
    training = make()
    with pytest.raises(lab.ArgumentError) as caught:
        training.rewind(0)
    assert str(caught.value) == (
        "rewind(0): step 0 is not kept\n  nearest  none: no step is kept, 0 bytes of at most 256 MB"
    )
    steps(training, 3)
    with pytest.raises(lab.ArgumentError) as caught:
        training.rewind(50)
    assert str(caught.value) == "rewind(50): step 50 is not kept\n  nearest  1, 2, 3"
    with pytest.raises(
        lab.KindError, match=r"rewind: step is float 1.5\n  expected a whole number"
    ):
        training.rewind(1.5)
    training.resume()
    running = make(epochs=1000).start()
    with pytest.raises(lab.ArgumentError) as caught:
        running.rewind(0)
    running.stop()
    assert str(caught.value) == (
        "rewind(0): the run is under way\n  expected one that holds: call pause() or stop() first"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"momentun": 0.9},
            "fork: there is no setting 'momentun'\n"
            "  SGD has  lr, momentum, dampening, weight_decay, nesterov, maximize, foreach, "
            "differentiable, fused\n"
            "  a run has  batch_size, dropout, optimizer",
        ),
        ({"lr": -1}, "lr=-1: expected 0 or more"),
        ({"batch_size": 0}, "train: batch_size is 0\n  expected 1 or more"),
        ({"dropout": 2}, "fork: dropout is 2\n  expected a number from 0 to 1"),
        ({"optimizer": "adagrat"}, "train: optimizer is 'adagrat'\n  expected 'adam' or 'sgd'"),
        (
            {"name": "taken"},
            "fork: name is 'taken'\n  there is a branch of this name: give another one",
        ),
    ],
)
def test_bad_settings_make_no_branch(settings, message):
    training = steps(make(), 1)
    training.fork(name="taken")
    with pytest.raises(lab.ArgumentError) as caught:
        training.fork(**settings)
    assert str(caught.value) == message
    assert len(training.branches) == 2


def test_after_nan_a_fork_starts_with_a_tenth_of_the_rate():
    x = lab.tensor(np.linspace(-1, 1, 64, dtype=np.float32)[:, None])
    training = Training(nn.Linear(1, 1), (x, 2 * x), optimizer="sgd", lr=30.0, epochs=300, seed=0)
    summary = training.start().wait(WAIT)
    assert summary.state == "failed"
    assert summary.message.endswith(
        f"then go on, or take training.fork_lower(), from step {training.last_good}"
    )
    fork = training.fork_lower()
    assert fork.lr == 3.0
    assert fork.step_count == training.last_good
    while fork.start().wait(WAIT).state == "failed":
        fork = fork.fork_lower()
    assert fork.lr == 0.3
    assert fork.history.loss[-1] < 1e-6


# The script --------------------------------------------------------------------------------------

WIDTH = 6


def squash(x):
    return F.tanh(x) * 0.5


class Net(nn.Module):
    def __init__(self, hidden, bias=True):
        super().__init__()
        self.hidden, self.bias = hidden, bias
        self.one = nn.Linear(2, hidden, bias=bias)
        self.two = nn.Linear(hidden, 2)

    def forward(self, x):
        return self.two(squash(self.one(x)))


def same_losses(training, tmp_path, **given):
    text = training.script(tmp_path / "start.safetensors")
    space = dict(given)
    exec(text, space)  # noqa: S102 - what it is for
    assert space["losses"] == training.history.loss.tolist()
    return text


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_script_does_a_branch_again(mode, tmp_path):
    """Every kind of change, in the middle of epochs, with dropout and batch norm."""
    training = steps(make(mode), 6)
    training.set_lr(0.05)
    steps(training, 1)
    low = steps(training.fork(6, "low", batch_size=8, momentum=0.5, dropout=0.1), 2)
    low.set_mode("eager" if mode == "graph" else "graph")
    adam = low.fork(optimizer="adam", lr=0.01)
    go(adam)
    go(training)
    assert adam.script(tmp_path / "a.safetensors").notes == []
    same_losses(training, tmp_path)
    text = same_losses(adam, tmp_path)
    assert "            # the fork 'low'\n" in text
    assert "optimizer = optim.Adam(model.parameters(), lr=0.01)" in text


@pytest.mark.parametrize("optimiser", ["momentum", "adam"])
def test_a_script_knows_of_all_settings_that_were_changed(optimiser, tmp_path):
    training = steps(make(optimiser=optimiser), 4)
    training.set_batch_size(8)
    steps(training, 1)
    training.set_momentum(0.5)
    training.set_dropout(0.1)
    training.set_weight_decay(0.01)
    steps(training, 4)
    training.set_batch_size(20)  # between two epochs
    go(training)
    same_losses(training, tmp_path)
    found = training.fork(4)
    assert (found.batch_size, found.dropout, found.momentum) == (16, 0.3, 0.9)


def test_a_kept_step_has_the_settings_that_it_was_made_with():
    training = steps(make(), 4)
    training.set_batch_size(8)
    end = time.monotonic() + WAIT
    while training.batch_size != 8:
        assert time.monotonic() < end
        time.sleep(0.0005)
    time.sleep(0.05)  # it holds again
    assert training.fork(4).batch_size == 16
    training.stop()


def test_a_script_has_the_source_of_the_model_and_its_seed(tmp_path):
    lab.manual_seed(4)
    model = Net(WIDTH, bias=False)
    training = Training(model, points(), optimizer="adam", epochs=1, batch_size=32)
    lab.randn(7)  # no seed for the run: its random numbers are in the file
    go(training)
    text = same_losses(training, tmp_path)
    assert "def squash(x):\n    return F.tanh(x) * 0.5\n" in text
    assert "lab.manual_seed(4)\nmodel = Net(hidden=6, bias=False)\n" in text
    assert "start['model']" not in text
    assert "\nloss = F.cross_entropy\n" in text


def test_a_script_knows_of_stops_and_of_others_that_drew(tmp_path):
    training = steps(make(), 3)
    lab.randn(5)
    steps(training, 2)
    training.stop()
    training.wait(WAIT)
    lab.randn(3)
    go(training)
    text = same_losses(training, tmp_path)
    assert "break  # stopped; started again" in text


def test_a_script_says_what_it_cannot_write(tmp_path):
    training = make(loss=lambda output, target: F.cross_entropy(output, target) * 2)
    training.wait(0)
    go(training)
    with pytest.warns(RuntimeWarning, match="not all of the run could be written down"):
        text = training.script(tmp_path / "start.safetensors")
    note = (
        "loss is not in the script (a lambda, which has no source that stands alone): "
        "give it, exec(script, {'loss': loss})"
    )
    assert text.notes == [note]
    assert f"# Note: {note}\n" in text
    assert text.file == str(tmp_path / "start.safetensors")
    space = {"loss": training.loss}
    exec(text, space)  # noqa: S102 - what it is for
    assert space["losses"] == training.history.loss.tolist()


def test_a_model_that_does_not_keep_its_arguments_is_given(tmp_path):
    class Forgetful(Net):
        pass

    training = Training(Forgetful(4), points(), epochs=1, batch_size=32, seed=2)
    go(training)
    with pytest.warns(RuntimeWarning, match="model is not in the script"):
        same_losses(training, tmp_path, model=Forgetful(4))


def test_a_script_needs_a_run():
    with pytest.raises(lab.ArgumentError, match="the start of the run is not kept"):
        make().script()
