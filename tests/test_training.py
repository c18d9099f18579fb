"""Training in a thread: its states, its numbers against a loop by hand, its failures."""

import os
import signal
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from double import DeviceArray, make_cupy

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.device import CUDA, register, unregister
from minitorch_lab.nn import functional as F
from minitorch_lab.utils.data import DataLoader, TensorDataset
from minitorch_lab.widgets.training import History, Meter, Training

WAIT = 20  # seconds after which a test has failed


def moons(count=96, seed=3):
    """Two classes in the plane."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    angle = rng.uniform(0, np.pi, count)
    side = np.where(y, -1, 1)
    x = np.stack([y + side * np.cos(angle), 0.5 * y + side * np.sin(angle)], 1)
    x += rng.normal(0, 0.1, x.shape)
    return lab.tensor(x.astype(np.float32)), lab.tensor(y.astype(np.int64))


def network(*extra):
    lab.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), *extra, nn.Linear(8, 2))


def weights(model):
    return {name: value.array.copy() for name, value in model.named_parameters()}


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def by_hand(model, data, epochs, seed, lr=0.01, batch_size=32):
    """The loop that a learner would write."""
    lab.manual_seed(seed)
    optimizer = optim.Adam(model.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        for x, y in DataLoader(TensorDataset(*data), batch_size=batch_size, shuffle=True):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def until(condition):
    """Wait for a condition; fail when it does not come."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


@pytest.fixture
def slow_data():
    """A dataset that takes 5 ms a batch, so that a run can be caught in the middle."""
    x, y = moons()

    class Slow(TensorDataset):
        def rows(self, wanted):
            time.sleep(0.005)
            return super().rows(wanted)

    return Slow(x, y)


# Numbers -------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_loop_written_by_hand():
    data = moons()
    expected, mine = network(), network()
    losses = by_hand(expected, data, epochs=4, seed=7)
    training = Training(mine, data, epochs=4, seed=7, lr=0.01)
    summary = training.start().wait(WAIT)
    assert (summary.state, summary.epoch, summary.step) == ("done", 4, 12)
    assert training.history.loss.tolist() == losses
    assert equal(weights(mine), weights(expected))


def test_pausing_and_stepping_change_no_bit():
    """Dropout draws from the same generator as the shuffle: all numbers must come in order."""
    data = moons()
    expected, mine = network(nn.Dropout(0.3)), network(nn.Dropout(0.3))
    losses = by_hand(expected, data, epochs=5, seed=1)
    training = Training(mine, data, epochs=5, seed=1, lr=0.01)
    for count in range(1, 8):
        training.step()
        until(lambda count=count: training.step_count == count and training.state == "paused")
    training.resume()
    training.pause()
    until(lambda: training.state in ("paused", "done"))
    training.start()
    assert training.wait(WAIT).state == "done"
    assert training.history.loss.tolist() == losses
    assert equal(weights(mine), weights(expected))


def test_mode_can_change_at_every_step():
    data = moons()
    expected, mine = network(), network()
    losses = by_hand(expected, data, epochs=3, seed=2)
    training = Training(mine, data, epochs=3, seed=2, lr=0.01)
    for count in range(1, 9):
        training.set_mode("graph" if count % 3 else "eager")
        training.step()
        until(lambda count=count: training.step_count == count)
    training.start()
    assert training.wait(WAIT).state == "done"
    np.testing.assert_allclose(training.history.loss, losses, rtol=1e-5)
    for name, value in weights(mine).items():
        np.testing.assert_allclose(value, weights(expected)[name], rtol=1e-4, atol=1e-6)
    marks = [(mark.step, mark.old, mark.new) for mark in training.history.marks]
    assert marks[:3] == [(0, "eager", "graph"), (2, "graph", "eager"), (3, "eager", "graph")]


def test_both_speeds_are_known_after_both_modes():
    training = Training(network(), moons(960), epochs=4, batch_size=8, seed=0)
    training.start()
    until(lambda: training.step_count > 30)
    training.set_mode("graph")
    assert training.wait(WAIT).state == "done"
    assert training.speed["eager"] > 0
    assert training.speed["graph"] > 0


def test_a_learning_rate_takes_effect_and_is_marked():
    data = moons()
    training = Training(network(), data, epochs=100, optimizer="sgd", lr=0.1, seed=0)
    training.step()
    until(lambda: training.step_count == 1)
    before = weights(training.model)
    training.set_lr(0.0)
    training.step()
    until(lambda: training.step_count == 2)
    assert equal(weights(training.model), before)
    mark = training.history.marks[0]
    assert (mark.step, mark.kind, mark.old, mark.new) == (1, "lr", 0.1, 0.0)
    training.stop()
    training.wait(WAIT)
    training.set_lr(0.5)  # between runs, too
    assert training.lr == 0.5


def test_groups_keep_their_proportions():
    model = network()
    groups = [
        {"params": model[0].parameters(), "lr": 0.1},
        {"params": model[2].parameters(), "lr": 0.02},
    ]
    training = Training(model, moons(), optimizer=optim.SGD(groups, lr=0.1))
    training.set_lr(0.05)
    assert [group["lr"] for group in training.optimizer.param_groups] == [0.05, pytest.approx(0.01)]


def test_validation_is_measured_each_epoch_and_leaves_the_flags():
    model = network(nn.Dropout(0.5))
    model[2].eval()  # frozen by the learner: it must stay so
    data = moons()
    training = Training(model, data, epochs=2, valid=data, seed=0)
    seen = []
    training.listeners.append(lambda what: seen.append(model.training))
    training.start().wait(WAIT)
    assert [row.step for row in training.history.validation] == [3, 6]
    with lab.no_grad():
        model.eval()
        expected = F.cross_entropy(model(data[0]), data[1]).item()
    assert training.history.validation[-1].loss == pytest.approx(expected, rel=1e-5)
    assert all(seen)


def test_a_regression_has_no_accuracy():
    x = lab.randn(64, 3)
    training = Training(nn.Linear(3, 1), (x, x.sum(1, keepdim=True)), epochs=2)
    training.start().wait(WAIT)
    assert np.isnan(training.history.accuracy).all()
    assert training.loss is F.mse_loss


def test_accuracy_is_the_share_of_the_batch():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(lab.tensor([1.0, 0.0]))

        def forward(self, x):
            return x * 0 + self.bias

    x, y = moons(64)
    y = lab.tensor(np.r_[np.zeros(48), np.ones(16)].astype(np.int64))
    training = Training(Constant(), (x, y), batch_size=64, epochs=1, lr=0.0)
    training.start().wait(WAIT)
    assert training.history.accuracy.tolist() == [0.75]


# States --------------------------------------------------------------------------------------


def test_the_states_of_a_run(slow_data):
    training = Training(network(), slow_data, epochs=100, batch_size=8)
    assert training.state == "ready"
    training.start()
    until(lambda: training.state == "running" and training.step_count > 2)
    training.pause()
    until(lambda: training.state == "paused")
    held = training.step_count
    time.sleep(0.03)
    assert training.step_count == held
    training.step()
    until(lambda: training.step_count == held + 1)
    until(lambda: training.state == "paused")
    training.resume()
    until(lambda: training.step_count > held + 3)
    training.stop()
    assert training.state in ("stopping", "stopped")
    summary = training.wait(WAIT)
    assert summary.state == training.state == "stopped"
    assert summary.message == f"Stopped after step {summary.step:,}; the weights are from there."
    until(lambda: not training._thread.is_alive())  # no thread is left behind


def test_wait_returns_where_the_run_pauses(slow_data):
    began = time.monotonic()
    training = Training(network(), slow_data, epochs=100, batch_size=8)
    training.step_epoch()
    summary = training.wait(WAIT)
    assert (summary.state, summary.epoch) == ("paused", 1)
    assert summary.message == f"Paused after step {summary.step}; start() goes on."
    for count in (1, 2):  # not before the step that was asked for is done
        training.step()
        assert training.wait(WAIT).step == summary.step + count
    training.start()
    threading.Timer(0.05, training.pause).start()
    assert training.wait(WAIT).state == "paused"
    assert training.wait(0.05, until="end").state == "paused"
    threading.Timer(0.05, training.stop).start()
    assert training.wait(WAIT, until="end").state == "stopped"
    assert time.monotonic() - began < WAIT / 2  # no wait gave up
    with pytest.raises(lab.ArgumentError, match="until is 'epoch'\n  expected 'pause' or 'end'"):
        training.wait(until="epoch")


def test_wait_returns_where_the_run_pauses_in_its_validation(slow_data):
    training = Training(network(), moons(8), valid=slow_data, epochs=2, batch_size=8)
    training.start()
    until(lambda: not training.model.training)
    training.pause()
    began = time.monotonic()
    assert training.wait(WAIT).state == "paused"
    assert time.monotonic() - began < WAIT / 2
    training.stop()
    assert training.wait(WAIT).state == "stopped"


def test_stopping_a_paused_run_ends_it():
    training = Training(network(), moons(), epochs=2)
    training.step()
    until(lambda: training.step_count == 1)
    training.stop()
    assert training.wait(WAIT).state == "stopped"
    assert training.step_count == 1


def test_controls_do_nothing_out_of_season():
    training = Training(network(), moons(), epochs=1)
    training.pause()
    training.resume()
    training.stop()
    assert training.state == "ready"
    assert training.wait(1).state == "ready"


def test_start_after_the_end_trains_as_many_epochs_again():
    training = Training(network(), moons(), epochs=2, seed=0)
    training.start().wait(WAIT)
    training.start()
    summary = training.wait(WAIT)
    assert (summary.state, summary.epoch, summary.step) == ("done", 4, 12)
    assert training.total == 12


def test_start_after_a_stop_goes_on_to_the_same_end():
    training = Training(network(), moons(), epochs=3, seed=0)
    for count in range(1, 5):
        training.step()
        until(lambda count=count: training.step_count == count)
    training.stop()
    training.wait(WAIT)
    training.start()
    summary = training.wait(WAIT)
    assert (summary.state, summary.epoch) == ("done", 3)


def test_wait_gives_up_after_its_time_and_the_run_goes_on(slow_data):
    training = Training(network(), slow_data, epochs=100, batch_size=8)
    training.start()
    assert training.wait(0.05).state == "running"
    training.stop()
    assert training.wait(WAIT).state == "stopped"


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_a_wait_cleanly(slow_data):
    training = Training(network(), slow_data, epochs=1000, batch_size=8)
    training.start()
    until(lambda: training.step_count > 2)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    summary = training.wait(WAIT)
    assert summary.state == "stopped"
    assert summary.message.startswith("Interrupted after step ")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_run_prints_a_line_an_epoch(capsys):
    data = moons()
    training = Training(network(), data, epochs=2, valid=data, seed=0)
    summary = training.run()
    lines = capsys.readouterr().out.splitlines()
    assert summary.state == "done"
    assert len(lines) == 2
    assert lines[1].startswith("epoch 2 of 2: loss 0.")
    assert "; validation loss 0." in lines[1]


def test_the_interval_of_thread_switches_is_put_back():
    before = sys.getswitchinterval()
    Training(network(), moons(), epochs=1).start().wait(WAIT)
    until(lambda: sys.getswitchinterval() == before)


def test_many_threads_may_press_all_buttons(slow_data):
    training = Training(network(), slow_data, epochs=50, batch_size=8, seed=0)

    def press(seed):
        rng = np.random.default_rng(seed)
        actions = [training.start, training.pause, training.step, training.resume]
        actions += [lambda: training.set_lr(float(rng.uniform(0, 0.1)))]
        actions += [lambda: training.set_mode("graph"), lambda: training.set_mode("eager")]
        for _ in range(60):
            actions[rng.integers(len(actions))]()
            time.sleep(0.001)

    threads = [threading.Thread(target=press, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    training.stop()
    assert training.wait(WAIT).state in ("stopped", "done")
    assert np.isfinite(training.history.loss).all()


# Failures ------------------------------------------------------------------------------------


class Log(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def forward(self, x):
        h = self.fc(x) - 0.25
        return h.log()


def line_of(text):
    with open(__file__, encoding="utf-8") as file:
        return 1 + [line.strip() for line in file].index(text)


def log_fails_at_step_3():
    """A model whose logarithm meets a negative number in the third batch."""
    model = Log()
    with lab.no_grad():
        model.fc.weight.copy_(lab.tensor([[1.0, 0.0], [0.0, 1.0]]))
        model.fc.bias.fill_(0.0)
    batches = [[1.0, 2.0], [2.0, 1.0], [0.25, 0.125], [1.0, 1.0]]
    x = lab.tensor(np.repeat(batches, 4, axis=0).astype(np.float32))
    y = lab.tensor(np.tile([0, 1, 1, 0], 4).astype(np.int64))
    loader = DataLoader(TensorDataset(x, y), batch_size=4)
    return Training(model, loader, optimizer="sgd", lr=0.0, epochs=2)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_nan_in_the_forward_pass_names_step_op_and_line(mode):
    training = log_fails_at_step_3()
    training.set_mode(mode)
    before = weights(training.model)
    summary = training.start().wait(WAIT)
    assert summary.state == "failed"
    assert isinstance(summary.error, lab.NonFiniteError)
    assert summary.message == textwrap.dedent(
        f"""\
        NonFiniteError: train: the loss is nan at step 3
          first     log(input) is nan in 4 and -inf in 4 of 8 entries
          from      Log, test_training.py line {line_of("return h.log()")}:  return h.log()
          input     float32 (4, 2), from -0.125 to 0
          expected  finite values in the forward pass, the gradients and the update
          kept      the weights from before step 2, the last with a finite loss (0.7803)
          log has no value at 0 or below: add a small number, log(x + 1e-8); then go on"""
    )
    assert equal(weights(training.model), before)
    assert np.isnan(training.history.loss).tolist() == [False, False, True]


def test_weights_go_back_to_the_last_finite_loss():
    """Too high a learning rate: compare with the same loop by hand, weights kept at each step."""
    data = (lab.tensor(np.linspace(-1, 1, 64, dtype=np.float32)[:, None]),) * 2
    lab.manual_seed(0)
    one = nn.Linear(1, 1)
    lab.manual_seed(0)
    two = nn.Linear(1, 1)
    lab.manual_seed(5)
    optimizer = optim.SGD(one.parameters(), lr=1e6)
    kept, losses = [], []
    with np.errstate(all="ignore"):
        for _ in range(20):
            for x, y in DataLoader(TensorDataset(*data), batch_size=32, shuffle=True):
                kept.append(weights(one))
                optimizer.zero_grad()
                loss = F.mse_loss(one(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    first = int(np.argmin(np.isfinite(losses)))
    training = Training(two, data, optimizer="sgd", lr=1e6, epochs=20, seed=5)
    summary = training.start().wait(WAIT)
    assert summary.state == "failed"
    assert summary.step == first + 1
    assert training.history.loss[:first].tolist() == losses[:first]
    assert equal(weights(two), kept[first - 1])
    assert "lower the learning rate (1e+06 now, try 1e+05); then go on" in summary.message


def test_a_bad_gradient_is_named_where_it_rose():
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(lab.tensor([0.0]))

        def forward(self, x):
            return (x * self.scale).sqrt()

    x = lab.ones(8, 1)
    training = Training(Root(), (x, x), batch_size=8, optimizer="sgd", lr=0.1, epochs=3)
    summary = training.start().wait(WAIT)
    lines = summary.message.splitlines()
    assert lines[0] == "NonFiniteError: train: the loss is inf at step 2"
    what = "the gradient of sqrt(input) for input"
    assert lines[1] == f"  first     {what} is -inf in 8 of 8 entries, in step 1"
    assert lines[2].startswith("  from      Root, test_training.py line ")
    assert "sqrt has no value below 0" in lines[-1]
    assert weights(training.model)["scale"].tolist() == [0.0]


def test_an_update_that_overflows_is_named():
    x = lab.ones(8, 1)
    model = nn.Linear(1, 1)
    with lab.no_grad():
        model.weight.fill_(1e10)
        model.bias.fill_(0.0)
    training = Training(model, (x, x), batch_size=8, optimizer="sgd", lr=1e30, epochs=3)
    summary = training.start().wait(WAIT)
    lines = summary.message.splitlines()
    assert lines[0] == "NonFiniteError: train: the loss is inf at step 2"
    assert lines[1] == "  first     the update of 'weight' by SGD is -inf, in step 1"
    assert "lower the learning rate (1e+30 now, try 1e+29)" in lines[-1]
    assert weights(model)["weight"].tolist() == [[np.float32(1e10)]]


def test_nan_in_the_data_is_named():
    x, y = moons(64)
    x.array[40, 1] = np.nan
    training = Training(network(), DataLoader(TensorDataset(x, y), batch_size=32), epochs=1)
    lines = training.start().wait(WAIT).message.splitlines()
    assert lines[1] == "  first     input of the batch is nan in 1 of 64 entries"
    assert lines[-1] == "  the data holds it: leave the samples out or fill them in; then go on"


def test_a_mask_of_infinities_is_not_the_cause():
    """-inf before a softmax is there in every step; the nan comes from the weights' overflow."""

    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 3)

        def forward(self, x):
            h = self.fc(x)
            mask = lab.tensor([[False, False, True]])
            return h.masked_fill(mask, float("-inf"))

    x, y = moons(64)
    training = Training(Masked(), (100 * x, y), optimizer="sgd", lr=3e38, epochs=30, seed=0)
    message = training.start().wait(WAIT).message
    assert message.startswith("NonFiniteError")
    assert "first     masked_fill" not in message


def test_the_run_can_start_again_after_a_lower_learning_rate():
    x = lab.tensor(np.linspace(-1, 1, 64, dtype=np.float32)[:, None])
    training = Training(nn.Linear(1, 1), (x, x), optimizer="sgd", lr=1e6, epochs=30, seed=0)
    assert training.start().wait(WAIT).state == "failed"
    training.set_lr(0.5)
    training.start()
    summary = training.wait(WAIT)
    assert summary.state == "done"
    assert summary.error is None


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_an_error_in_a_step_is_shown_and_changes_nothing(mode):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 2)
            self.small = nn.Linear(3, 2)

        def forward(self, x):
            h = self.fc(x)
            return h if x.shape[0] == 32 else self.small(h)  # the last batch is smaller

    x, y = moons(80)
    lab.manual_seed(0)
    model = Odd()
    training = Training(model, DataLoader(TensorDataset(x, y), batch_size=32), epochs=2, lr=0.01)
    training.set_mode(mode)
    training.step()
    training.step()
    until(lambda: training.step_count == 2)
    until(lambda: training.state == "paused")
    before, state = weights(model), training.optimizer.state_dict()["state"]
    moments = {k: v["exp_avg"].numpy().copy() for k, v in state.items()}
    training.resume()
    summary = training.wait(WAIT)
    assert summary.state == "failed"
    assert summary.message.startswith("ShapeError: linear(input, weight, bias): inner sizes differ")
    assert equal(weights(model), before)
    after = training.optimizer.state_dict()["state"]
    assert all(np.array_equal(after[k]["exp_avg"].numpy(), v) for k, v in moments.items())
    assert all(v["step"] == 2 for v in after.values() if "step" in v)
    assert all(p.grad is None for p in model.parameters())


def test_run_raises_what_a_step_raised():
    training = Training(nn.Linear(5, 2), moons(), epochs=1)
    with pytest.raises(lab.ShapeError, match="inner sizes differ"):
        training.run()
    assert training.state == "failed"


def test_a_listener_that_fails_does_not_end_the_run():
    training = Training(network(), moons(), epochs=1)

    def broken(what):
        raise RuntimeError("the page was closed")

    training.listeners.append(broken)
    assert training.start().wait(WAIT).state == "done"


# Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"data": (np.zeros((4, 2)), np.zeros(4))},
            lab.KindError,
            "train(model, data): data is a pair of numpy array float64 (4, 2) "
            "and numpy array float64 (4,)\n"
            "  expected a pair of Tensors\n"
            "  make Tensors of them: lab.from_numpy(array), lab.tensor(list)",
        ),
        (
            {"data": 5},
            lab.KindError,
            "train(model, data): data is int 5\n"
            "  expected a DataLoader, a Dataset, or a pair of Tensors (inputs, targets)",
        ),
        (
            {"data": []},
            lab.ArgumentError,
            "train(model, data): data has no samples\n  expected at least 1",
        ),
        ({"epochs": 0}, lab.ArgumentError, "train: epochs is 0\n  expected 1 or more"),
        (
            {"batch_size": 2.5},
            lab.KindError,
            "train: batch_size is float 2.5\n  expected a whole number",
        ),
        (
            {"optimizer": "adagrat"},
            lab.ArgumentError,
            "train: optimizer is 'adagrat'\n  expected 'adam' or 'sgd'",
        ),
        (
            {"model": len},
            lab.KindError,
            "train(model, data): model is a builtin_function_or_method\n"
            "  expected an nn.Module, for example nn.Sequential(nn.Linear(2, 1))",
        ),
        (
            {"model": nn.Tanh()},
            lab.ArgumentError,
            "train(model, data): model has no parameters\n  there is nothing to train",
        ),
    ],
)
def test_bad_arguments_say_what_was_expected(arguments, error, message):
    given = {"model": network(), "data": moons(), **arguments}
    with pytest.raises(error) as caught:
        Training(given.pop("model"), given.pop("data"), **given)
    assert str(caught.value) == message


def test_a_batch_of_three_parts_is_refused():
    x, y = moons()
    summary = Training(network(), TensorDataset(x, y, y)).start().wait(WAIT)
    assert summary.message == (
        "ArgumentError: train(model, data): a batch of data has 3 parts\n"
        "  expected 2: input and target"
    )


def test_bad_settings_are_refused_at_once():
    training = Training(network(), moons())
    with pytest.raises(lab.ArgumentError, match="expected a number of 0 or more"):
        training.set_lr(float("nan"))
    with pytest.raises(lab.ArgumentError, match="expected 'eager' or 'graph'"):
        training.set_mode("fast")
    if not lab.cuda.is_available():
        with pytest.raises(lab.DeviceError, match="no GPU to use"):
            training.set_device("cuda")


# Parts ---------------------------------------------------------------------------------------


def test_history_grows_and_is_never_read_half_written():
    history = History()
    stop = threading.Event()
    bad = []

    def read():
        while not stop.is_set():
            loss = history.loss
            if len(loss) and not np.array_equal(loss, np.arange(len(loss))):
                bad.append(len(loss))

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(20_000):
        history.add(float(i), 0.0)
    stop.set()
    reader.join()
    assert bad == []
    assert len(history) == 20_000
    assert history.step[-1] == 20_000


def test_a_meter_counts_its_own_time():
    meter = Meter()
    for _ in range(4):
        meter.add(0.1)
    meter.settle()
    assert meter.rate is None  # too few to say
    for _ in range(16):
        meter.add(0.1)
    assert meter.rate == pytest.approx(10)


# The device ----------------------------------------------------------------------------------


def test_a_run_moves_to_another_device_and_back_with_the_same_numbers():
    """On the test double for CuPy, which refuses every silent way to the host's memory."""
    data = moons()
    expected, mine = network(), network()
    losses = by_hand(expected, data, epochs=4, seed=7)
    register(DeviceArray, make_cupy(), CUDA)
    try:
        training = Training(mine, data, epochs=4, seed=7, lr=0.01, valid=data)
        for count, name in enumerate(["cpu", "cuda", "cuda", "cpu", "cuda"], start=1):
            training.set_device(name)
            training.step()
            until(lambda count=count: training.step_count == count or training.state == "failed")
            assert training.error is None, training.message
        training.set_device("cpu")
        training.start()
        summary = training.wait(WAIT)
    finally:
        unregister(DeviceArray)
    assert summary.error is None, summary.message
    kinds = [(mark.step, mark.new) for mark in training.history.marks]
    assert kinds == [(1, "cuda"), (3, "cpu"), (4, "cuda"), (5, "cpu")]
    losses_here = training.history.loss
    # the validation loader draws a seed, as in PyTorch: the first epoch's steps are the same
    np.testing.assert_allclose(losses_here[:3], losses[:3], rtol=1e-5)
