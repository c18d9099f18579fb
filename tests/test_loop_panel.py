"""The panel of a loop of one's own on Python's side, and in a real kernel."""

import threading
import time

import numpy as np
import pytest

pytest.importorskip("anywidget")

from test_live import Kernel, Wire

from minitorch_lab import nn, optim
from minitorch_lab.widgets import loop_panel
from minitorch_lab.widgets.loop import Loop
from minitorch_lab.widgets.loop_panel import LoopPanel

WAIT = 20


def made(*data, **given):
    run = Loop(*data, **given)
    panel = LoopPanel(run)
    panel.wire = Wire(panel)
    return run, panel


def test_all_steps_arrive_once_and_in_order():
    run, panel = made(range(400), name="steps")
    panel.wire.say(type="hello")
    for i in run:
        run.log(loss=float(i), reward=i)
    assert run._finished.wait(WAIT)
    rows = panel.wire.rows()
    assert rows[:, 1].sum() == 400
    np.testing.assert_allclose(rows[rows[:, 1] == 1, 2], rows[rows[:, 1] == 1, 0] - 1)
    last = panel.wire.messages[-1][0]["now"]
    assert (last["state"], last["step"], last["epoch"], last["part"]) == ("done", 400, 1, 1.0)


def test_a_page_that_is_not_heard_gets_everything_anew(monkeypatch):
    monkeypatch.setattr(loop_panel, "ANEW", 0.0)
    run, panel = made(range(10))
    for i in run:
        run.log(loss=float(i))
        time.sleep(0.02)
    assert run._finished.wait(WAIT)
    content, rows = panel.wire.messages[-1]
    assert content["reset"]
    assert rows[:, 2].tolist() == list(range(10))


def test_what_the_page_knows_grows_with_what_is_logged():
    run, panel = made(range(3))
    about = panel.about
    assert about["own"]
    assert (about["lr"], about["classifies"], about["validates"]) == (None, False, False)
    assert [name for name, _ in about["streams"]] == ["steps_per_second", "memory"]
    for i in run:
        run.log(loss=1.0, accuracy=0.5, **{"<b>reward": i})
    run.log(validation_loss=0.5)
    run.end()
    about = panel.about
    assert (about["classifies"], about["validates"]) == (True, True)
    assert about["streams"][0] == ["<b>reward", "<b>reward"]
    assert panel._now(3)["streams"] == ["<b>reward"]
    assert "<b>" not in panel.static_html()


def test_the_learning_rate_is_there_where_an_optimizer_is():
    model = nn.Linear(2, 1)
    run, panel = made(range(3), model=model, optimizer=optim.SGD(model.parameters(), lr=0.1))
    about = panel.about
    assert (about["lr"], about["momentum"], about["counts"]) == (0.1, 0.0, True)
    names = [name for name, _ in about["streams"]]
    assert names[:4] == ["lr", "gradient_norm", "weight_norm", "update_ratio"]
    panel.wire.say(type="lr", value=0.5)
    panel.send = lambda content, buffers=None: panel.wire.messages.append((content, None))
    panel.wire.say(type="lr", value=-1)
    refusals = [c for c, _ in panel.wire.messages if c["type"] == "refused"]
    assert run.lr == 0.5
    assert [c["message"].splitlines()[0] for c in refusals] == ["set_lr(lr): lr is -1"]


def test_the_page_pauses_steps_and_stops_the_loop():
    run, panel = made(range(10**6))

    def work():
        for _ in run:
            run.log(loss=1.0)
            time.sleep(0.001)

    def until(condition):
        end = time.monotonic() + WAIT
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.002)

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: run.step_count > 2)
    panel.wire.say(type="pause")
    until(lambda: run.state == "paused")
    held = run.step_count
    panel.wire.say(type="step")
    until(lambda: run.step_count == held + 1)
    panel.wire.say(type="start")
    until(lambda: run.step_count > held + 2)
    panel.wire.say(type="stop")
    thread.join(WAIT)
    assert run.state == "stopped"


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "mode", "value": "graph"},
        {"type": "device", "value": "cuda"},
        {"type": "batch_size", "value": 4},
        {"type": "lr", "value": "high"},
        {"type": "fork", "step": None, "settings": {}},
        {"type": "rewind", "step": 1},
        {"type": "view", "name": "boundary"},
        {"type": "epoch"},
    ],
)
def test_messages_about_what_a_loop_does_not_have_change_nothing(message):
    run, panel = made(range(3))
    panel.send = lambda content, buffers=None: None
    panel.wire.say(**message)
    assert (run.state, run.history.marks) == ("ready", [])


def test_the_twins_without_a_kernel():
    run, panel = made([0.5, 0.25], name="mine")
    assert panel.transcript() == "train: mine, ready\n  data       list, 2 steps an epoch"
    for batch in run:
        run.log(loss=batch)
    assert panel.transcript() == "train: mine\ndone: 1 epoch, 2 steps; loss 0.250"
    assert panel.static_html().count("<svg") == 1


def test_a_panel_of_a_loop_that_is_over_has_all_its_pictures():
    run = Loop(range(3))
    for i in run:
        run.log(loss=float(i), reward=i)
    panel = LoopPanel(run)
    assert panel.static_html().count("<svg") == 2
    assert panel.about["streams"][0] == ["reward", "reward"]


# A real kernel -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel():
    manager_module = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    manager, client = manager_module.start_new_kernel(kernel_name="python3")
    made = Kernel(manager, client)
    made.run("import minitorch_lab as lab, time")
    yield made
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_two_lines_in_a_cell_show_the_panel(kernel):
    text, error = kernel.run(
        "run = lab.live([1.0, 0.5])\nfor batch in run:\n    run.log(loss=batch)"
    )
    assert (text, error, kernel.shown) == (
        "train: my loop, ready\n  data       list, 2 steps an epoch",
        None,
        1,
    )
    assert kernel.run("print(run.state)")[0] == "done"


def test_an_error_in_the_body_is_what_the_panel_shows(kernel):
    _, error = kernel.run("for batch in run:\n    run.log(loss=batch)\n    batch.nothing")
    assert error == "AttributeError"
    text, _ = kernel.run("print(run.state, '|', run.message)")
    assert text == "failed | AttributeError: 'float' object has no attribute 'nothing'"


def test_an_interrupt_leaves_a_whole_run_and_the_cell_can_be_run_again(kernel):
    kernel.run("run = lab.live(range(10**6), show=False)")
    sent = kernel.client.execute("for i in run:\n    run.log(loss=1.0); time.sleep(0.01)")
    time.sleep(1.0)
    kernel.interrupt()
    _, error = kernel.result(sent)
    assert error == "KeyboardInterrupt"
    text, _ = kernel.run(
        "print(run.state, run.message == f'Interrupted after step {run.step_count}.')"
    )
    assert text == "stopped True"
    text, _ = kernel.run(
        "for i in run:\n    run.log(loss=1.0)\n    if i == 3: break\nprint(run.state)"
    )
    assert text == "stopped"


def test_a_loop_without_an_end_of_its_own_ends_with_its_cell(kernel):
    kernel.run("run = lab.live(show=False)\nfor i in range(3): run.log(loss=1.0)")
    assert kernel.run("print(run.state, run.step_count)")[0] == "done 3"


def test_stop_holds_for_its_cell_and_the_next_cell_goes_on(kernel):
    code = "for epoch in range(3):\n    for i in run:\n        run.log(loss=1.0); run.stop()\n"
    text, _ = kernel.run("run = lab.live(range(4), show=False)\n" + code + "print(run.step_count)")
    assert text == "1"
    assert kernel.run("for i in run: run.log(loss=1.0)\nprint(run.step_count)")[0] == "5"


def test_the_page_stops_a_loop_while_its_cell_runs(kernel):
    """Messages of the page go to a subshell, on a thread of its own."""
    client = kernel.client
    client.control_channel.send(client.session.msg("create_subshell_request", {}))
    answer = client.get_control_msg(timeout=10)["content"]
    if "subshell_id" not in answer:
        pytest.skip("this kernel has no subshells")
    text, _ = kernel.run(
        "from minitorch_lab.widgets.loop_panel import LoopPanel\n"
        "run = lab.live(range(10**6), show=False)\n"
        "panel = LoopPanel(run)\nprint(panel.comm.comm_id)"
    )
    sent = client.execute(
        "for i in run:\n    run.log(loss=1.0); time.sleep(0.01)\nprint(run.message)"
    )
    time.sleep(0.7)
    message = client.session.msg(
        "comm_msg",
        {"comm_id": text, "data": {"method": "custom", "content": {"type": "stop"}}},
    )
    message["header"]["subshell_id"] = answer["subshell_id"]
    client.shell_channel.send(message)
    answer, error = kernel.result(sent, timeout=20)
    assert error is None
    assert answer.startswith("Stopped after step ")
