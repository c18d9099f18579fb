"""The live panel on Python's side: its messages, its twins without a kernel, and a real kernel."""

import queue
import re
import time

import numpy as np
import pytest

pytest.importorskip("anywidget")

import minitorch_lab as lab
from minitorch_lab import nn
from minitorch_lab.widgets.history import Epoch
from minitorch_lab.widgets.live import Live, table, train
from minitorch_lab.widgets.training import History, Training

WAIT = 20


def data(count=64):
    lab.manual_seed(1)
    x = lab.randn(count, 3)
    return x, (x.sum(1) > 0).long()


def network():
    lab.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))


class Wire:
    """Stands for the page: keeps what the widget sends."""

    def __init__(self, panel):
        self.messages = []
        panel.send = self.take
        self.panel = panel

    def take(self, content, buffers=None):
        rows = np.frombuffer(buffers[0], dtype=np.float32).reshape(-1, 6)
        self.messages.append((content, rows))

    def say(self, **content):
        self.panel._handle_custom_msg(content, [])

    def rows(self):
        return np.concatenate([rows for _, rows in self.messages])


@pytest.fixture
def panel():
    made = Live(Training(network(), data(), epochs=4, batch_size=8, seed=3, name="signs"))
    made.wire = Wire(made)
    return made


def test_all_steps_arrive_once_and_in_order(panel):
    panel.start().wait(WAIT)
    rows = panel.wire.rows()
    assert rows[:, 1].sum() == 32
    assert rows[-1, 0] == 32
    assert (np.diff(rows[:, 0]) > 0).all()
    firsts = [content["first"] for content, _ in panel.wire.messages]
    assert firsts == [0, *np.cumsum([len(rows) for _, rows in panel.wire.messages])[:-1]]
    last = panel.wire.messages[-1][0]["now"]
    assert (last["state"], last["step"], last["epoch"]) == ("done", 32, 4)
    assert last["loss"] == pytest.approx(float(panel.history.loss[-1]))
    epochs = [row for content, _ in panel.wire.messages for row in content["epoch_rows"]]
    assert [row["step"] for row in epochs] == [8, 16, 24, 32]


def test_of_many_epochs_a_message_has_eight_with_the_last(panel):
    panel._push()
    panel.wire.messages.clear()
    for epoch in range(1, 101):
        panel.history.add(0.5, 0.5)
        panel.history.epochs.append(Epoch(epoch, epoch, 0.5, 0.5))
    panel._push()
    panel._push()
    told = [[row["epoch"] for row in content["epoch_rows"]] for content, _ in panel.wire.messages]
    assert told[1:] == [[]]
    assert len(told[0]) <= 8
    assert told[0][-1] == 100


def test_a_new_view_gets_everything(panel):
    panel.start().wait(WAIT)
    panel.wire.messages.clear()
    panel.wire.say(type="hello")
    [(content, rows)] = panel.wire.messages
    assert content["reset"]
    assert content["first"] == 0
    assert len(content["epoch_rows"]) == 4
    np.testing.assert_allclose(rows[:, 2], panel.history.loss, rtol=1e-6)


def test_the_page_steers_the_run(panel):
    say = panel.wire.say
    say(type="step")
    end = time.monotonic() + WAIT
    while len(panel.history) < 1:
        assert time.monotonic() < end
        time.sleep(0.002)
    say(type="lr", value=0.5)
    say(type="mode", value="graph")
    say(type="start")
    panel.wait(WAIT)
    kinds = [(mark.kind, mark.new) for mark in panel.history.marks]
    assert kinds == [("lr", 0.5), ("mode", "graph")]
    sent = [mark for content, _ in panel.wire.messages for mark in content["marks"]]
    assert [mark["step"] for mark in sent] == [1, 1]
    assert panel.state == "done"


def test_the_page_changes_settings_and_a_refusal_is_said(panel):
    panel.refusals = []
    take = panel.wire.take
    panel.send = lambda c, b=None: panel.refusals.append(c) if b is None else take(c, b)
    panel.wire.say(type="momentum", value=0.5)
    panel.wire.say(type="batch_size", value=16)
    panel.wire.say(type="momentum", value=2)
    panel.wire.say(type="batch_size", value=0.5)
    assert (panel.training.momentum, panel.training.batch_size) == (0.5, 16)
    assert [refusal["setting"] for refusal in panel.refusals] == ["momentum", "batch_size"]
    assert panel.refusals[0]["message"].startswith("set_momentum(momentum): momentum is 2")
    now = panel.wire.messages[-1][0]["now"]
    assert (now["momentum"], now["batch_size"], now["dropout"]) == (0.5, 16, None)


def test_streams_are_sent_once_and_anew_to_a_new_view(panel):
    panel.start().wait(WAIT)
    sent = [p for c, _ in panel.wire.messages for p in c["points"].get("weight_norm", [])]
    stream = panel.history.streams["weight_norm"]
    assert [p[0] for p in sent] == stream.step.tolist()
    panel.wire.messages.clear()
    panel.wire.say(type="hello")
    assert panel.wire.messages[0][0]["points"]["weight_norm"] == sent
    names = [name for name, _ in panel.about["streams"]]
    assert names[:3] == ["lr", "gradient_norm", "weight_norm"]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "lr", "value": "high"},
        {"type": "mode", "value": "fast"},
        {"type": "device", "value": "toaster"},
        {"type": "eval", "value": "1/0"},
    ],
)
def test_messages_that_make_no_sense_change_nothing(panel, message):
    panel.wire.say(**message)
    assert panel.state == "ready"
    assert panel.history.marks == []


@pytest.mark.skipif(lab.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_is_refused_where_there_is_none(panel):
    panel.wire.say(type="device", value="cuda")
    assert panel.training.device == "cpu"
    assert panel.about["no_cuda"] == lab.cuda.why_not()


def test_messages_are_few_and_small():
    """A fast run of 20,000 steps: at most 30 messages a second, each of bounded size."""
    history = History()
    for i in range(20_000):
        history.add(float(i), 0.5)
    rows = table(history, 0, 20_000, 250)
    assert len(rows) == 250
    assert rows[:, 1].sum() == 20_000
    assert rows[0].tolist() == [80, 80, 39.5, 0, 79, 0.5]
    assert table(history, 20_000, 20_000, 250).shape == (0, 6)


def test_ticks_come_at_most_thirty_times_a_second():
    panel = Live(Training(network(), data(256), epochs=20, batch_size=2, seed=0))
    wire = Wire(panel)
    began = time.monotonic()
    panel.start().wait(WAIT)
    spent = time.monotonic() - began
    assert len(wire.messages) <= 30 * spent + 6  # and one for each change of state


def test_a_failure_reaches_the_page():
    panel = Live(Training(nn.Linear(5, 2), data(), epochs=1))
    wire = Wire(panel)
    panel.start().wait(WAIT)
    now = wire.messages[-1][0]["now"]
    assert now["state"] == "failed"
    assert now["message"].startswith("ShapeError: linear(input, weight, bias): inner sizes differ")
    assert now["advice"].startswith("The failed step changed nothing")


def test_a_nan_is_no_number_for_json():
    x = lab.ones(8, 1)
    panel = Live(Training(nn.Linear(1, 1), (x, x), optimizer="sgd", lr=1e30, epochs=9))
    wire = Wire(panel)
    panel.start().wait(WAIT)
    now = wire.messages[-1][0]["now"]
    assert now["state"] == "failed"
    assert now["loss"] is None
    assert now["accuracy"] is None


# Twins without a kernel ----------------------------------------------------------------------


def test_the_transcript_of_a_panel_that_has_not_started(panel):
    assert panel.transcript() == (
        "train: signs, ready\n"
        "  model      Sequential, 50 parameters\n"
        "  data       64 samples\n"
        "  epochs     4 epochs in batches of 8: 32 steps\n"
        "  optimizer  Adam, learning rate 0.001\n"
        "  loss       cross_entropy"
    )


def test_the_transcript_of_a_run_has_no_times(panel):
    panel.start().wait(WAIT)
    first = panel.transcript()
    assert re.fullmatch(
        r"train: signs\ndone: 4 epochs, 32 steps; loss 0\.\d{3}, accuracy [01]\.\d{3}", first
    )
    again = Live(Training(network(), data(), epochs=4, batch_size=8, seed=3, name="signs"))
    again.start().wait(WAIT)
    assert again.transcript() == first


def test_the_picture_is_svg_without_a_kernel(panel):
    ready = panel.static_html()
    assert "<svg" not in ready
    assert "50 parameters" in ready
    panel.training.set_lr(0.01)
    panel.start().wait(WAIT)
    html = panel.static_html()
    assert html.count("<svg") == 2
    assert 'aria-label="accuracy over 32 steps' in html
    assert "lr 0.001 → 0.01" in html
    assert "http" not in html
    assert "<script" not in html


def test_the_picture_of_a_long_run_ends_at_its_last_step(panel):
    for step in range(70_000):
        panel.history.add(1.0 + step, 0.5)
    html = panel.static_html()
    assert 'aria-label="loss over 70,000 steps' in html
    assert ">70,000</text>" in html
    assert panel.history.loss.size < 70_000
    points = re.findall(r"[ML]([\d.]+) ", re.search(r'class="r0" d="([^"]+)"', html)[1])
    assert float(points[-1]) == 436.0  # the right end


def test_names_are_escaped():
    made = Live(Training(network(), data(), name="<img src=x onerror=alert(1)>"))
    assert "<img" not in made.static_html()


def test_the_bundle_holds_view_text_and_picture(panel):
    bundle, _ = panel._repr_mimebundle_()
    assert bundle["text/plain"].startswith("train: signs, ready")
    assert bundle["text/html"].startswith('<div class="lab-still lab-run">')
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_train_makes_a_panel_and_shows_nothing_outside_a_notebook(capsys):
    panel = train(network(), data(), epochs=1)
    assert panel.state == "ready"
    assert capsys.readouterr().out == ""


# A real kernel -------------------------------------------------------------------------------

MAKE = """
import minitorch_lab as lab
from minitorch_lab import nn
lab.manual_seed(0)
x = lab.randn(512, 3)
y = (x.sum(1) > 0).long()
model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
from minitorch_lab.widgets.history import Epoch
from minitorch_lab.widgets.live import train
panel = train(model, (x, y), epochs=100_000, batch_size=8, seed=0, name="signs")
"""


class Kernel:
    """A kernel of its own process, and a few words to talk with it."""

    def __init__(self, manager, client):
        self.manager, self.client = manager, client

    def run(self, code, timeout=60):
        """What the cell printed or its last value's text; its error's name."""
        return self.result(self.client.execute(code), timeout)

    def result(self, sent, timeout=60):
        text, error, shown = "", None, 0
        end = time.monotonic() + timeout
        while time.monotonic() < end:  # the panel's own messages never stop coming
            message = self.client.get_iopub_msg(timeout=timeout)
            if message["parent_header"].get("msg_id") != sent:
                continue
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    text += content["text"]
                case "execute_result" | "display_data":
                    shown += 1
                    text += content["data"].get("text/plain", "")
                case "error":
                    error = content["ename"]
                case "status" if content["execution_state"] == "idle":
                    self.shown = shown
                    return text.strip(), error
        raise TimeoutError(f"no answer in {timeout} seconds: {text!r}")

    def interrupt(self):
        self.manager.interrupt_kernel()


@pytest.fixture(scope="module")
def kernel():
    manager_module = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    manager, client = manager_module.start_new_kernel(kernel_name="python3")
    yield Kernel(manager, client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture
def running(kernel):
    text, error = kernel.run(MAKE)
    assert error is None, text
    assert text.startswith("train: signs, ready")
    assert kernel.shown == 1
    kernel.run("panel.start(); import time; time.sleep(0.3)")
    yield kernel
    kernel.run("panel.stop(); panel.wait(10)")


def test_the_panel_is_shown_once_as_a_last_line(kernel):
    kernel.run(MAKE)
    kernel.run("train(model, (x, y))")
    assert kernel.shown == 1


def test_cells_answer_while_it_trains(running):
    spent = []
    for _ in range(10):
        began = time.perf_counter()
        running.run("1 + 1")
        spent.append(time.perf_counter() - began)
    assert running.run("print(panel.state)")[0] == "running"
    assert np.median(spent) < 0.25  # 14 ms on a quiet machine; 109 ms with slow switches


def test_an_interrupt_between_cells_ends_the_run(running):
    time.sleep(0.5)  # the kernel is idle: SIGINT would be ignored
    running.interrupt()
    text, _ = running.run("print(panel.wait(10))")
    assert text.startswith("stopped: ")
    assert "Interrupted after step " in text
    # and the kernel ignores the next one, as it did before
    time.sleep(0.5)
    running.interrupt()
    assert running.run("import signal; print(1)") == ("1", None)


def test_an_interrupt_of_wait_ends_the_run(running):
    sent = running.client.execute("print(panel.wait()); print(model[0].weight.isfinite().all())")
    time.sleep(0.5)
    running.interrupt()
    text, error = running.result(sent)
    assert error is None
    assert text.startswith("stopped: ")


def test_an_interrupt_of_another_cell_ends_both(running):
    sent = running.client.execute("import time; time.sleep(60)")
    time.sleep(0.5)
    running.interrupt()
    _, error = running.result(sent)
    assert error == "KeyboardInterrupt"
    text, _ = running.run("print(panel.wait(10).state)")
    assert text == "stopped"


def test_messages_of_the_page_reach_a_kernel_that_is_busy(running):
    """Comm messages go to a subshell of the kernel, so that buttons work while a cell runs."""
    text, _ = running.run("print(panel.comm.comm_id)")
    client = running.client
    reply = client.session.msg("create_subshell_request", {})
    client.control_channel.send(reply)
    try:
        subshell = client.get_control_msg(timeout=10)["content"]["subshell_id"]
    except (KeyError, queue.Empty):
        pytest.skip("this kernel has no subshells")
    sent = client.execute("print(panel.wait())")
    message = client.session.msg(
        "comm_msg",
        {"comm_id": text, "data": {"method": "custom", "content": {"type": "stop"}}},
    )
    message["header"]["subshell_id"] = subshell
    time.sleep(0.3)
    client.shell_channel.send(message)
    answer, error = running.result(sent, timeout=20)
    assert error is None
    assert answer.startswith("stopped: ")
