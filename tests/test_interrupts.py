"""Ctrl-C in the middle of a training step: weights and optimiser state belong to one step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab.op import INTERPRETER, OPS, Op
from minitorch_lab.tensor import Record

pytestmark = pytest.mark.usefixtures("interruptible")


class Interrupted(Record):
    """Runs ops as ever; when the op of this number has run, Ctrl-C is pressed so often."""

    __slots__ = ("count", "number", "times")

    def __init__(self, number: int, times: int = 1, recording: bool = True) -> None:
        super().__init__(recording)
        self.count, self.number, self.times = [0], number, times

    def _press(self) -> None:
        self.count[0] += 1
        if self.count[0] == self.number:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)

    def apply(self, op: Op, inputs: Any, attrs: Any) -> Any:
        out = super().apply(op, inputs, attrs)
        self._press()
        return out

    def update(self, op: Op, target: Any, inputs: Any, attrs: Any) -> Any:
        out = super().update(op, target, inputs, attrs)
        self._press()
        return out

    def with_grad(self, recording: bool) -> Record:
        made = Interrupted(self.number, self.times, recording)
        made.count = self.count
        return made


def pressed(run: Callable[[], Any], number: int, times: int = 1) -> Interrupted:
    """Run it, with Ctrl-C behind the op of this number."""
    interpreter = Interrupted(number, times)
    token = INTERPRETER.set(interpreter)
    try:
        run()
    finally:
        INTERPRETER.reset(token)
    return interpreter


OPTIMISERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: lab.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: lab.optim.Adam(p, lr=0.1, amsgrad=True),
    "rmsprop": lambda p: lab.optim.RMSprop(p, lr=0.1, momentum=0.5),
    "adagrad": lambda p: lab.optim.Adagrad(p, lr=0.1),
}


def training(name: str) -> tuple[Any, Any, Callable[[], Any], Callable[[], Any]]:
    lab.manual_seed(0)
    model = lab.nn.Sequential(lab.nn.Linear(3, 4), lab.nn.Tanh(), lab.nn.Linear(4, 1))
    optimizer, x = OPTIMISERS[name](model.parameters()), lab.randn(5, 3)

    def gradients() -> Any:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        return loss

    return model, optimizer, gradients, lambda: (gradients(), optimizer.step())


def state_of(model: Any, optimizer: Any) -> list[Any]:
    kept = [v for p in model.parameters() for v in optimizer.state[p].values()]
    found = [p.detach().numpy().copy() for p in model.parameters()]
    return found + [v.numpy().copy() if isinstance(v, lab.Tensor) else v for v in kept]


def same(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("number", [1, 5, 14])
def test_an_update_ends_before_an_interrupt_stops_the_program(name: str, number: int) -> None:
    model, optimizer, gradients, step = training(name)
    twin, other, _, twin_step = training(name)
    step(), twin_step(), twin_step()
    gradients()
    with pytest.raises(KeyboardInterrupt):
        pressed(optimizer.step, number)
    assert same(state_of(model, optimizer), state_of(twin, other))


def test_who_asks_twice_does_not_wait() -> None:
    model, optimizer, gradients, step = training("adam")
    step()
    gradients()
    before = [p.detach().numpy().copy() for p in model.parameters()]
    with pytest.raises(KeyboardInterrupt):
        pressed(optimizer.step, 3, 2)
    now = [p.detach().numpy() for p in model.parameters()]
    np.testing.assert_array_equal(now[-1], before[-1])  # it was not reached


def test_an_interrupt_before_the_update_changes_no_weight() -> None:
    model, optimizer, _, step = training("adam")
    step()
    before = state_of(model, optimizer)
    with pytest.raises(KeyboardInterrupt):
        pressed(step, 2)
    assert same(state_of(model, optimizer), before)


@pytest.mark.parametrize("op", ["tanh", "linear", "square"])
def test_an_interrupt_inside_a_gradient_rule_changes_no_grad(
    op: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _, gradients, _ = training("sgd")
    gradients()
    before = [p.grad.numpy().copy() for p in model.parameters()]
    loss = model(lab.randn(5, 3)).square().mean()
    first, *others = OPS[op].vjp

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return first(*args, **kwargs)

    monkeypatch.setattr(OPS[op], "vjp", (interrupted, *others))
    with pytest.raises(KeyboardInterrupt):
        loss.backward()
    assert same([p.grad.numpy() for p in model.parameters()], before)
    monkeypatch.undo()
    gradients()  # and it goes on
    assert same([p.grad.numpy() for p in model.parameters()], before)


def test_another_thread_is_not_held_up() -> None:
    """An interrupt comes to the main thread alone, so a step elsewhere is whole anyway."""
    _, optimizer, _, step = training("sgd")
    handlers: list[Any] = []
    update = optimizer.update
    optimizer.update = lambda *args: (handlers.append(signal.getsignal(signal.SIGINT)),
                                      update(*args))  # fmt: skip
    thread = threading.Thread(target=step)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler] * 4


def test_a_handler_of_the_program_is_asked_when_the_update_has_ended() -> None:
    model, optimizer, gradients, _ = training("sgd")
    gradients()
    seen: list[Any] = []
    signal.signal(signal.SIGINT, lambda *args: seen.append(state_of(model, optimizer)))
    pressed(optimizer.step, 1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert len(seen) == 1
    assert same(seen[0], state_of(model, optimizer))


def test_a_loop_with_a_panel_stops_between_two_steps() -> None:
    model, optimizer, gradients, step = training("adam")
    twin, other, _, twin_step = training("adam")
    run = lab.live(range(9))

    def train() -> None:
        for i in run:
            loss = gradients()
            run.log(loss=loss.item())
            pressed(optimizer.step, 5 if i == 2 else 0)

    with pytest.raises(KeyboardInterrupt):
        train()
    for _ in range(3):
        twin_step()
    assert same(state_of(model, optimizer), state_of(twin, other))
    step()  # and it goes on


def test_a_run_of_the_panel_stops_between_two_steps() -> None:
    """It trains in a thread of its own; the main thread waits, and is interrupted."""
    model, optimizer, _, _ = training("adam")
    data = lab.utils.data.TensorDataset(lab.randn(64, 3), lab.randn(64, 1))
    run = lab.train(model, data, optimizer=optimizer, loss=lab.nn.MSELoss(), epochs=10_000,
                    batch_size=8)  # fmt: skip
    update = optimizer.update

    def pressing(p: Any, grad: Any, group: Any) -> None:
        update(p, grad, group)
        if optimizer.state[p]["step"] == 5 and p is model[0].weight:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    optimizer.update = pressing
    run.start()
    summary = run.wait(20)
    assert summary.message.startswith("Interrupted after step")
    counts = {optimizer.state[p]["step"] for p in model.parameters()}
    assert counts == {run.training.step_count}


# Compiled steps ------------------------------------------------------------------------------


class Presses(dict[str, Any]):
    """State of an optimiser; Ctrl-C is pressed once, when a count of steps was written."""

    wanted = False

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if Presses.wanted:
            Presses.wanted = False
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("executor", ["numpy", "c"])
def test_a_compiled_step_ends_first(executor: str) -> None:
    found = []
    for press in (False, True):
        model, optimizer, _, _ = training("adam")
        x = lab.ones(5, 3)
        for p in model.parameters():
            optimizer.of(p)
            optimizer.state[p] = Presses()

        def step(model: Any = model, optimizer: Any = optimizer, x: Any = x) -> Any:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        compiled = lab.compile(step, executor=executor)
        compiled(), compiled()
        if compiled.executor_used != executor:
            pytest.skip("there is no compiler")
        if press:
            Presses.wanted = True  # behind the first of four counts
            with pytest.raises(KeyboardInterrupt):
                compiled()
        else:
            compiled()
        found.append(state_of(model, optimizer))
    assert same(*found)


def test_a_step_that_is_one_call_of_c_is_not_slowed_down() -> None:
    model, _, _, _ = training("sgd")
    optimizer, x = lab.optim.SGD(model.parameters(), lr=0.1), lab.ones(5, 3)

    def step() -> Any:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    compiled = lab.compile(step, executor="c")
    compiled()
    ((entry,),) = compiled.entries.values()
    if compiled.executor_used != "c":
        pytest.skip("there is no compiler")
    assert entry.at_once
    with_state = lab.compile(lambda: (lab.ones(3) * 2).sum(), executor="numpy")
    with_state()
    ((entry,),) = with_state.entries.values()
    assert entry.at_once  # it changes nothing


# LBFGS asks the learner's function in its middle -----------------------------------------------


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_lbfgs_goes_back_to_before_the_step(search: Any, error: Any) -> None:
    w = lab.tensor([3.0, -2.0], requires_grad=True)
    optimizer = lab.optim.LBFGS([w], lr=0.3, max_iter=4, line_search_fn=search)
    calls = {"left": -1}

    def closure() -> Any:
        calls["left"] -= 1
        if calls["left"] == 0:
            raise error
        optimizer.zero_grad()
        loss = (w * w * lab.tensor([1.0, 30.0])).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    before = w.detach().numpy().copy()
    state = {k: str(v) for k, v in optimizer.state_dict()["state"][0].items()}
    calls["left"] = 3
    with pytest.raises(error):
        optimizer.step(closure)
    np.testing.assert_array_equal(w.detach().numpy(), before)
    assert {k: str(v) for k, v in optimizer.state_dict()["state"][0].items()} == state
    optimizer.step(closure)  # and it goes on
