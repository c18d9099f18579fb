"""The panel of a loop of one's own: its steps and numbers, its controls, its ends, its failures."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.nn import functional as F
from minitorch_lab.utils.data import DataLoader, TensorDataset
from minitorch_lab.widgets.loop import LINGER, Loop

WAIT = 20


def until(condition):
    """Wait for a condition; fail when it does not come."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def go(run, body):
    """A loop with this body."""
    for batch in run:
        body(batch)


def data(count=64):
    lab.manual_seed(1)
    x = lab.randn(count, 3)
    return DataLoader(TensorDataset(x, (x.sum(1) > 0).long()), batch_size=8, shuffle=True)


def network():
    lab.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2))


def trained(batches, log=lambda **values: None, model=None, optimizer=None):
    """The loop that a learner writes; its losses and the weights at its end."""
    model = model or network()
    optimizer = optimizer or optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        log(loss=loss, accuracy=(model(x).argmax(1) == y).float().mean())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [p.array.copy() for p in model.parameters()]


# Steps and numbers ---------------------------------------------------------------------------


def test_the_numbers_of_the_loop_are_the_same_with_and_without():
    def once(watched):
        batches, model = data(), network()
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        run = Loop(batches, model=model, optimizer=optimizer) if watched else batches
        log = run.log if watched else (lambda **values: None)
        lab.manual_seed(5)
        return trained(run, log, model, optimizer)

    (losses, weights), (expected, same) = once(True), once(False)
    assert losses == expected
    assert all(np.array_equal(a, b) for a, b in zip(weights, same, strict=True))


def test_epochs_are_counted_when_the_loader_is_gone_over_again():
    run = Loop([4.0, 2.0])
    for _ in range(3):
        for batch in run:
            run.log(loss=batch, accuracy=batch / 4)
    assert (run.state, run.epoch, run.step_count, run.total) == ("done", 3, 6, None)
    assert [(row.epoch, row.step, row.loss) for row in run.history.epochs] == [
        (1, 2, 3.0), (2, 4, 3.0), (3, 6, 3.0),
    ]  # fmt: skip
    assert run.history.accuracy.tolist() == [1.0, 0.5] * 3


def test_epochs_that_are_given_are_gone_over_by_one_loop_and_the_total_is_known():
    run = Loop([4.0, 2.0], epochs=3)
    parts = []
    for batch in run:
        run.log(loss=batch)
        parts.append(run.part)
    assert (run.epoch, run.total, run.step_count) == (3, 6, 6)
    assert parts == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6])


def test_the_bar_goes_over_one_pass_where_the_number_of_passes_is_not_known():
    run, parts = Loop([1.0] * 4), []
    for _ in range(2):
        for batch in run:
            run.log(loss=batch)
            parts.append(run.part)
    assert parts == [0, 0.25, 0.5, 0.75] * 2


def test_a_block_counts_each_loss():
    with Loop(steps=4) as run:
        assert run.state == "running"
        for i in range(4):
            run.log(loss=lab.tensor(float(i)), reward=i)
            run.log(accuracy=i / 4)
    assert (run.state, run.step_count, run.total) == ("done", 4, 4)
    assert run.history.accuracy.tolist() == [0, 0.25, 0.5, 0.75]
    assert run.history.streams["reward"].mean.tolist() == [0, 1, 2, 3]


def test_several_logs_of_a_batch_are_one_step():
    run = Loop(range(3))
    for i in run:
        run.log(accuracy=0.5)
        run.log(loss=i)
        run.log(margin=2 * i)
    assert run.history.loss.tolist() == [0, 1, 2]
    assert run.history.accuracy.tolist() == [0.5] * 3
    assert run.history.streams["margin"].step.tolist() == [1, 2, 3]


def test_a_loss_now_and_then():
    run = Loop(range(6))
    for i in run:
        if i % 3 == 2:
            run.log(loss=float(i))
    assert run.step_count == 6
    np.testing.assert_array_equal(run.history.loss, [np.nan, np.nan, 2, np.nan, np.nan, 5])
    assert run.history.epochs[0].loss == 3.5
    assert run.summary().loss == 5


def test_a_loop_without_a_loss_counts_what_it_logs():
    with Loop() as run:
        for i in range(5):
            run.log(reward=float(i))
    assert run.step_count == 5
    assert run.history.streams["reward"].step.tolist() == [1, 2, 3, 4, 5]


def test_validation_becomes_points_on_the_curves():
    run = Loop([1.0, 2.0])
    for epoch in range(2):
        for batch in run:
            run.log(loss=batch)
        run.log(validation_loss=0.5 + epoch, validation_accuracy=0.25)
    rows = [(row.epoch, row.step, row.loss, row.accuracy) for row in run.history.validation]
    assert rows == [(1, 2, 0.5, 0.25), (2, 4, 1.5, 0.25)]
    assert run.state == "running"  # logged after the pass: the cell or end() ends it
    run.end()
    assert run.state == "done"


def test_nothing_of_the_graph_is_kept():
    run = Loop([0, 1])
    for _ in run:
        w = lab.tensor([1.0, 2.0], requires_grad=True)
        loss = (w * w).sum()
        run.log(loss=loss)
        seen = weakref.ref(loss), weakref.ref(w)
        del loss, w
        gc.collect()
        assert [one() for one in seen] == [None, None]


@pytest.mark.parametrize(
    ("given", "expected"),
    [(2, 2.0), (np.float32(0.5), 0.5), (np.array(3.0), 3.0), (True, 1.0), (lab.ones(1, 1), 1.0)],
)
def test_what_counts_as_a_number(given, expected):
    run = Loop([0])
    for _ in run:
        run.log(loss=given)
    assert run.history.loss.tolist() == [expected]


def test_norms_are_measured_where_model_and_optimizer_are_given():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    run = Loop(data(), model=model, optimizer=optimizer)
    before = [p.array.copy() for p in model.parameters()]
    batches = iter(run)
    x, y = next(batches)
    loss = F.cross_entropy(model(x), y)
    run.log(loss=loss)
    loss.backward()
    optimizer.step()
    gradient = np.sqrt(sum(float((p.grad.numpy() ** 2).sum()) for p in model.parameters()))
    after = [p.array for p in model.parameters()]
    size = np.sqrt(sum(float((a**2).sum()) for a in after))
    moved = np.sqrt(sum(float(((a - b) ** 2).sum()) for a, b in zip(after, before, strict=True)))
    next(batches)
    batches.close()
    streams = run.history.streams
    assert streams["gradient_norm"].mean[0] == pytest.approx(gradient, rel=1e-5)
    assert streams["weight_norm"].mean[0] == pytest.approx(size, rel=1e-5)
    assert streams["update_ratio"].mean[0] == pytest.approx(moved / size, rel=1e-4)
    assert streams["lr"].mean.tolist() == [0.5]


def test_without_an_optimizer_there_is_no_learning_rate():
    run = Loop([0])
    assert (run.lr, run.momentum, run.weight_decay, run.dropout) == (None, None, None, None)


# Controls ------------------------------------------------------------------------------------


def looping(run, pause=0.001):
    """The loop, in a thread of its own."""

    def work():
        for _ in run:
            run.log(loss=1.0)
            time.sleep(pause)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_pause_step_and_stop_act_in_the_iterator():
    run = Loop(range(10**6))
    thread = looping(run)
    until(lambda: run.step_count > 2)
    run.pause()
    until(lambda: run.state == "paused")
    held = run.step_count
    time.sleep(0.03)
    assert run.step_count == held
    run.step()
    until(lambda: run.step_count == held + 1 and run.state == "paused")
    run.start()
    until(lambda: run.step_count > held + 3)
    asked = time.monotonic()
    run.stop()
    thread.join(WAIT)
    assert time.monotonic() - asked < 2
    assert run.state == "stopped"
    assert run.message == f"Stopped after step {run.step_count:,}."


def test_stop_ends_the_loops_around_it_too():
    run, begun = Loop(range(10)), []
    for epoch in range(3):
        for i in run:
            begun.append((epoch, i))
            run.log(loss=1.0)
            if (epoch, i) == (1, 4):
                run.stop()
    assert begun[-1] == (1, 4)
    assert (run.state, run.step_count) == ("stopped", 15)
    run.start()  # and it can be run again
    for _ in run:
        run.log(loss=1.0)
    assert (run.state, run.step_count) == ("done", 25)


def test_stop_ends_a_block():
    with Loop() as run:
        while True:
            run.log(loss=1.0)
            if run.step_count == 5:
                run.stop()
    assert (run.state, run.step_count) == ("stopped", 5)


def test_a_pause_before_the_loop_holds_it_at_its_first_step():
    run = Loop(range(3))
    run.pause()
    thread = looping(run)
    until(lambda: run.state == "paused")
    assert run.step_count == 0
    run.start()
    thread.join(WAIT)
    assert run.state == "done"


def test_the_learning_rate_is_changed_between_two_steps_and_marked():
    model = network()
    run = Loop(range(4), optimizer=optim.SGD(model.parameters(), lr=0.1))
    for i in run:
        run.log(loss=1.0)
        if i == 1:
            run.set_lr(0.01)
    assert run.lr == 0.01
    assert [(m.step, m.kind, m.new) for m in run.history.marks] == [(2, "lr", 0.01)]


def test_several_runs_at_once_and_one_within_another():
    outer = Loop(range(3), name="outer")
    for i in outer:
        inner = Loop(range(2), name="inner")
        for j in inner:
            inner.log(loss=float(j))
        assert inner.state == "done"
        outer.log(loss=float(i))
    assert outer.history.loss.tolist() == [0, 1, 2]


# Ends ----------------------------------------------------------------------------------------


def test_break_leaves_the_run_whole():
    run = Loop(range(10))
    for i in run:
        run.log(loss=float(i))
        if i == 3:
            break
    assert (run.state, run.message) == ("stopped", "The loop was left after step 4.")
    for i in run:  # again: the steps go on
        run.log(loss=float(i))
    assert (run.state, run.step_count) == ("done", 14)


def test_an_error_in_a_block_ends_the_run_as_failed_with_its_message():
    run = Loop(range(3))

    def block():
        with run:
            for i in run:
                run.log(loss=1 / (1 - i))

    with pytest.raises(ZeroDivisionError):
        block()
    assert (run.state, run.step_count) == ("failed", 1)
    assert run.message == "ZeroDivisionError: division by zero"


def test_an_error_of_the_loader_ends_the_run_as_failed():
    def batches():
        yield 1.0
        raise OSError("the disk is gone")

    run = Loop(batches())
    with pytest.raises(OSError, match="gone"):
        go(run, lambda batch: run.log(loss=batch))
    assert (run.state, run.message) == ("failed", "OSError: the disk is gone")


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_it_is_paused_ends_the_loop():
    run = Loop(range(100))
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()

    def body(i):
        run.log(loss=1.0)
        if i == 5:
            run.pause()

    with pytest.raises(KeyboardInterrupt):
        go(run, body)
    timer.join()
    assert (run.state, run.message) == ("stopped", "Interrupted after step 6.")


def test_no_thread_is_left():
    before = threading.active_count()
    for _ in range(3):
        run = Loop(range(3))
        for i in run:
            run.log(loss=float(i))
    assert run._finished.wait(WAIT)
    until(lambda: threading.active_count() <= before)


def test_listeners_hear_the_end():
    run, heard = Loop(range(3)), []
    run.listeners.append(lambda what: heard.append((what, run.state)))
    for i in run:
        run.log(loss=float(i))
    assert run._finished.wait(LINGER + WAIT)
    assert heard[-1] == ("state", "done")


# nan -----------------------------------------------------------------------------------------


@np.errstate(all="ignore")
def test_a_nan_ends_the_loop_at_its_step_and_names_the_first_op():
    x = lab.tensor([4.0, 1.0, 0.0], requires_grad=True)
    run, done = Loop(range(5)), []

    def body(i):
        run.log(loss=((x - i).log() * 0).sum())
        done.append(i)

    with pytest.raises(lab.NonFiniteError) as caught:
        go(run, body)
    lines = str(caught.value).splitlines()
    assert lines[0] == "log: the loss is nan at step 1"
    assert lines[1] == "  first     log(input) is -inf in 1 of 3 entries"
    assert "log has no value at 0 or below" in lines[-2]
    assert done == []
    assert (run.state, run.step_count) == ("failed", 1)
    assert run.message.startswith("NonFiniteError: log: the loss is nan")


@np.errstate(all="ignore")
def test_a_nan_that_came_with_the_data_or_a_weight_is_named():
    w = nn.Parameter(
        lab.tensor([1.0, float("nan")]),
    )
    w.name = "w"
    with pytest.raises(lab.NonFiniteError, match="the parameter 'w' is nan in 1 of 2 entries"):
        Loop().log(loss=(w * 2).sum())
    x = lab.tensor([1.0, float("inf")])
    good = lab.tensor([1.0, 1.0], requires_grad=True)
    with pytest.raises(
        lab.NonFiniteError, match=r"the input a float32 of shape \(2,\) is inf in 1"
    ):
        Loop().log(loss=(good * x).sum())


@pytest.mark.parametrize("freed", [True, False])
@np.errstate(all="ignore")
def test_a_nan_without_its_graph_says_what_to_log(freed):
    loss = lab.tensor([0.0], requires_grad=True).log().sum()
    if freed:
        loss.backward()
    with pytest.raises(lab.NonFiniteError, match="the loss came without its graph") as caught:
        Loop().log(loss=loss if freed else loss.item())
    assert "before backward(): run.log(loss=loss)" in str(caught.value)


@np.errstate(all="ignore")
def test_the_last_good_weights_come_back():
    w = nn.Parameter(lab.tensor([3.0]))
    model = nn.Module()
    model.w = w
    optimizer = optim.SGD([w], lr=1e30, momentum=0.5)
    run = Loop(range(9), model=model, optimizer=optimizer)

    def body(_):
        optimizer.zero_grad()
        loss = (w * w).sum()
        run.log(loss=loss)
        loss.backward()
        optimizer.step()

    with pytest.raises(lab.NonFiniteError) as caught:
        go(run, body)
    assert "  kept      the weights after step 0: run.restore() puts them back" in str(caught.value)
    assert "(1e+30 now, try 1e+29)" in str(caught.value)
    assert run.restore() == 0
    assert w.tolist() == [3.0]
    run.set_lr(0.1)
    go(run, body)
    assert run.state == "done"
    assert abs(w.item()) < 1


def test_a_nan_may_pass():
    run = Loop([1.0, float("nan"), 2.0], finite=False)
    for batch in run:
        run.log(loss=batch)
    assert run.state == "done"
    assert run.history.streams["loss"].rows()[5].tolist() == [0, 1, 0]


# Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: Loop(5),
            lab.KindError,
            "live(data): data is int 5\n"
            "  expected something to go over: a DataLoader, a list, range(100)",
        ),
        (lambda: Loop(epochs=0), lab.ArgumentError, "live: epochs is 0\n  expected 1 or more"),
        (
            lambda: Loop(steps=2.5),
            lab.KindError,
            "live: steps is float 2.5\n  expected a whole number",
        ),
        (
            lambda: Loop(model=len),
            lab.KindError,
            "live: model is builtin_function_or_method\n  expected an nn.Module",
        ),
        (
            lambda: Loop(optimizer="adam"),
            lab.KindError,
            "live: optimizer is str 'adam'\n"
            "  expected an optimiser such as optim.Adam(model.parameters())",
        ),
        (
            lambda: iter(Loop()),
            lab.ArgumentError,
            "live(): there is no data to go over\n"
            "  give it: for batch in lab.live(loader)\n"
            "  or write the loop yourself: with lab.live() as run: ... run.log(loss=loss)",
        ),
        (
            lambda: Loop().log(loss=lab.ones(2)),
            lab.KindError,
            "log(loss=...): loss is Tensor lab.float32 (2,)\n"
            "  expected a number, or a tensor of one entry: end it with .mean()",
        ),
        (
            lambda: Loop().log(reward=None),
            lab.KindError,
            "log(reward=...): reward is None\n"
            "  expected a number, or a tensor of one entry: end it with .mean()",
        ),
        (
            lambda: Loop().restore(),
            lab.ArgumentError,
            "restore(): neither model nor optimizer was given\n"
            "  expected a run that knows what it trains:\n"
            "  lab.live(loader, model=model, optimizer=optimizer)",
        ),
    ],
)
def test_bad_input_says_what_was_expected(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message


def test_one_run_has_one_loop_at_a_time():
    run = Loop(range(3))
    with pytest.raises(lab.ArgumentError, match="a loop within a loop takes a run of its own"):
        go(run, lambda _: next(iter(run)))


# Cost ----------------------------------------------------------------------------------------


def test_a_log_is_cheap():
    """4 to 7 microseconds on a quiet machine; the limit is for a loaded one."""
    loss, count, best = lab.tensor(0.5), 5000, []
    for _ in range(5):
        run = Loop(range(count))
        began = time.perf_counter()
        for _ in run:
            run.log(loss=loss, accuracy=0.5)
        best.append((time.perf_counter() - began) / count)
    assert min(best) < 40e-6


# In a terminal -------------------------------------------------------------------------------


def test_a_script_prints_a_line_an_epoch():
    code = (
        "import minitorch_lab as lab\n"
        "run = lab.live([0.5, 0.25])\n"
        "for epoch in range(2):\n"
        "    for batch in run:\n"
        "        run.log(loss=batch)\n"
        "print('after it')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    lines = ["epoch 1: loss 0.375", "epoch 2: loss 0.375", "after it"]
    assert done.stdout.splitlines() == lines
    assert done.stderr == ""


def test_a_terminal_shows_a_bar():
    pty = pytest.importorskip("pty", reason="there are no terminals of this kind here")
    code = (
        "import minitorch_lab as lab, time\n"
        "for batch in (run := lab.live([0.5] * 20, epochs=2)):\n"
        "    run.log(loss=batch); time.sleep(0.01)\n"
        "print('after it')\n"
    )
    ours, theirs = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", code], stdout=theirs, close_fds=True)
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(ours)
    assert child.wait(WAIT) == 0
    shown = text.decode().replace("\x1b[K", "").replace("\r\n", "\n")
    bars = [line for line in shown.split("\n")[0].split("\r") if line]
    assert bars[-1].startswith("epoch 2 of 2 [####################] step 40 of 40, loss 0.500")
    assert any("[#" in bar and "..." in bar for bar in bars[:-1])
    assert shown.split("\n")[1] == "after it"
