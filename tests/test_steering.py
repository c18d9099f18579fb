"""What a run logs beside its loss, and what can be changed while it goes on."""

import io
import time

import numpy as np
import pytest
from test_training import WAIT, moons, network, until, weights

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.utils.data import DataLoader, TensorDataset
from minitorch_lab.widgets.progress import Progress
from minitorch_lab.widgets.training import Training


def one_step(training):
    count = training.step_count + 1
    training.step()
    until(lambda: training.step_count == count and training.state == "paused")


def end(training):
    training.stop()
    assert training.wait(WAIT).error is None


def values(history):
    return {name: stream.last for name, stream in history.streams.items()}


# Streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_norms_are_those_of_the_step_by_hand(mode):
    lab.manual_seed(0)
    x = lab.randn(8, 3)
    model = nn.Linear(3, 1)
    training = Training(model, (x, x), optimizer="sgd", lr=0.5, batch_size=8, loss=squares)
    training.set_mode(mode)
    before = weights(model)
    one_step(training)
    after = weights(model)
    moved = np.sqrt(sum(((after[k] - before[k]) ** 2).sum() for k in after))
    size = np.sqrt(sum((after[k] ** 2).sum() for k in after))
    until(lambda: "update_ratio" in training.history.streams)
    found = values(training.history)
    end(training)
    assert found["weight_norm"] == pytest.approx(size, rel=1e-5)
    assert found["gradient_norm"] == pytest.approx(moved / 0.5, rel=1e-4)
    assert found["update_ratio"] == pytest.approx(moved / size, rel=1e-4)
    assert found["lr"] == 0.5


def squares(output, target):
    return (output - target).pow(2).mean()


def test_speed_and_memory_are_logged():
    training = Training(network(), moons(960), epochs=2000, batch_size=8, seed=0).start()
    until(lambda: "samples_per_second" in training.history.streams)
    end(training)
    streams = training.history.streams
    assert streams["samples_per_second"].last == 8 * streams["steps_per_second"].last
    assert streams["memory"].last > 10
    assert streams["gradient_norm"].total < training.step_count


def test_a_metric_is_measured_on_batches_and_on_all_validation_data():
    data = moons(90)
    metrics = {"error": lambda output, target: (output.argmax(1) != target).float().mean()}
    training = Training(network(), data, valid=data, epochs=2, seed=0, metrics=metrics)
    training.start().wait(WAIT)
    row = training.history.validation[-1]
    assert row.metrics["error"] == pytest.approx(1 - row.accuracy)
    assert 0 <= training.history.streams["error"].last <= 1


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        ([1], lab.KindError, "train: metrics is list of 1\n  expected metrics="),
        ({"a": 3}, lab.KindError, "train: metrics has 'a': int 3\n  expected metrics="),
        ({"loss": len}, lab.ArgumentError, "train: metrics has the name 'loss', which is taken"),
    ],
)
def test_bad_metrics_are_refused(metrics, error, message):
    with pytest.raises(error) as caught:
        Training(network(), moons(), metrics=metrics)
    assert str(caught.value).startswith(message.split(" of 1")[0])


def test_a_metric_that_gives_no_number_is_named():
    training = Training(network(), moons(), metrics={"raw": lambda output, target: output})
    message = training.start().wait(WAIT).message
    assert message.startswith("KindError: train: metrics['raw'] gave Tensor")


# Controls ------------------------------------------------------------------------------------


def test_step_epoch_holds_at_the_end_of_each_epoch():
    training = Training(network(), moons(), epochs=3, seed=0)  # 3 steps an epoch
    for epoch in (1, 2):
        training.step_epoch()
        until(lambda epoch=epoch: training.epoch == epoch and training.state == "paused")
        assert training.step_count == 3 * epoch
    training.step_epoch()
    assert training.wait(WAIT).state == "done"


@pytest.mark.parametrize("kind", ["sgd", "adam"])
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_settings_take_effect_as_in_a_loop_by_hand(kind, mode):
    data, model, mine = moons(32), network(), network()

    def optimizer(parameters):
        if kind == "sgd":
            return optim.SGD(parameters, lr=0.1, momentum=0.5)
        return optim.AdamW(parameters, lr=0.1)

    by_hand = optimizer(model.parameters())
    group = by_hand.param_groups[0]
    key, value = ("momentum", 0.9) if kind == "sgd" else ("betas", (0.3, 0.999))
    loader = DataLoader(TensorDataset(*data), batch_size=32)
    training = Training(mine, loader, optimizer=optimizer(mine.parameters()), epochs=9)
    training.set_mode(mode)
    training.history.marks.clear()
    for step in range(6):
        if step == 2:
            group[key] = value
            training.set_momentum(value if kind == "sgd" else value[0])
        if step == 4:
            group["weight_decay"] = 0.2
            training.set_weight_decay(0.2)
        by_hand.zero_grad()
        nn.functional.cross_entropy(model(data[0]), data[1]).backward()
        by_hand.step()
        one_step(training)
    for name, expected in weights(model).items():
        np.testing.assert_allclose(weights(mine)[name], expected, rtol=1e-4, atol=1e-6)
    marks = [(mark.step, mark.kind, mark.new) for mark in training.history.marks]
    first = 0.9 if kind == "sgd" else 0.3
    assert marks == [(2, "momentum", first), (4, "weight_decay", 0.2)]
    assert (training.momentum, training.weight_decay) == (first, 0.2)
    end(training)


def test_dropout_changes_in_all_layers_and_is_marked():
    model = network(nn.Dropout(0.5), nn.Dropout(0.1))
    training = Training(model, moons())
    training.set_dropout(0)
    assert [layer.p for layer in model if isinstance(layer, nn.Dropout)] == [0.0, 0.0]
    assert [(m.kind, m.old, m.new) for m in training.history.marks] == [("dropout", 0.5, 0.0)]


def test_a_batch_size_holds_from_the_next_batch_on_and_each_sample_comes_once():
    x, y = moons(96)
    seen = []

    class Watched(TensorDataset):
        def rows(self, wanted):
            seen.append(np.asarray(wanted).tolist())
            return super().rows(wanted)

    training = Training(network(), Watched(x, y), batch_size=16, epochs=2, seed=0)
    one_step(training)
    one_step(training)
    training.set_batch_size(32)
    one_step(training)
    assert training.batch_size == 32
    assert training.total == 7
    training.start().wait(WAIT)
    assert training.error is None, training.message
    assert training.step_count == 7  # 16 + 16 + 32 + 32, and 3 of 32
    assert [(m.step, m.kind, m.new) for m in training.history.marks] == [(2, "batch_size", 32)]
    assert [row.step for row in training.history.epochs] == [4, 7]


@pytest.mark.parametrize(
    ("call", "value", "error", "message"),
    [
        ("set_lr", "high", lab.KindError, "set_lr(lr): lr is str 'high'"),
        ("set_momentum", 1.0, lab.ArgumentError, "set_momentum(momentum): momentum is 1.0"),
        ("set_weight_decay", -1, lab.ArgumentError, "set_weight_decay(weight_decay): weight_decay"),
        ("set_dropout", 0.5, lab.ArgumentError, "set_dropout(p): p is 0.5, and the model has no"),
        ("set_batch_size", 0, lab.ArgumentError, "train: batch_size is 0\n  expected 1 or more"),
        ("set_batch_size", 2.5, lab.KindError, "train: batch_size is float 2.5"),
    ],
)
def test_a_bad_value_is_named_and_changes_nothing(call, value, error, message):
    training = Training(network(), moons())
    with pytest.raises(error) as caught:
        getattr(training, call)(value)
    assert str(caught.value).startswith(message)
    assert training.history.marks == []


def test_what_the_optimiser_or_the_loader_does_not_have_is_said():
    training = Training(network(), moons(), optimizer=optim.Adagrad(network().parameters()))
    with pytest.raises(lab.ArgumentError, match=r"momentum is 0\.9, and Adagrad has none"):
        training.set_momentum(0.9)
    loader = DataLoader(TensorDataset(*moons()), batch_sampler=[[0, 1], [2, 3]])
    with pytest.raises(lab.ArgumentError, match="makes its batches in its own way"):
        Training(network(), loader).set_batch_size(4)


@pytest.mark.parametrize("validates", [False, True], ids=["training", "validation"])
def test_pause_and_stop_act_within_150_ms(validates):
    x, y = moons()

    class Slow(TensorDataset):
        def rows(self, wanted):
            time.sleep(0.005)
            return super().rows(wanted)

    slow, quick = DataLoader(Slow(x, y), batch_size=1), DataLoader(TensorDataset(x, y), 96)
    training = Training(network(), quick, valid=slow if validates else None, epochs=99999)
    if not validates:
        training.loader = slow
    training.start()
    until(lambda: training.step_count > 0)
    time.sleep(0.05)
    began = time.perf_counter()
    training.pause()
    until(lambda: training.state == "paused")
    assert time.perf_counter() - began < 0.15
    training.resume()
    until(lambda: training.state == "running")
    began = time.perf_counter()
    training.stop()
    training.wait(WAIT)
    assert time.perf_counter() - began < 0.15


# The terminal --------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar_with_speed_and_time_left():
    training = Training(network(), moons(), epochs=4, seed=0)
    for _ in range(6):
        one_step(training)
    training._meters["eager"].rate = 2.0
    out = Terminal()
    Progress(training, out).show()
    end(training)
    text = out.getvalue()
    assert text.startswith("\repoch 3 of 4 [##########..........] step 6 of 12, loss 0.")
    assert text.endswith(", 2 steps/s, 0:03 left\x1b[K")
