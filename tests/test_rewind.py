"""Going back in a run, forks, and the script that does a run again."""

import time

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn, optim
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
