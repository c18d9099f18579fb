"""Optimisers and schedules: the same numbers as PyTorch's, in both modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import plain

import minitorch_lab as lab
from minitorch_lab import optim
from minitorch_lab.optim import lr_scheduler

OPTIMISERS: dict[str, Any] = {
    "adam amsgrad": lambda o, p: o.Adam(p, lr=0.05, amsgrad=True, weight_decay=0.01),
    "adamw": lambda o, p: o.AdamW(p, lr=0.02),
    "adamw amsgrad": lambda o, p: o.AdamW(p, 0.05, (0.7, 0.8), 1e-6, 0.2, True, maximize=False),
    "rmsprop": lambda o, p: o.RMSprop(p),
    "rmsprop all": lambda o, p: o.RMSprop(p, 0.005, 0.9, 1e-6, 0.01, momentum=0.8, centered=True),
    "adagrad": lambda o, p: o.Adagrad(p, lr=0.1),
    "adagrad all": lambda o, p: o.Adagrad(p, 0.1, 0.05, 0.01, 0.3, 1e-6),
    "adadelta": lambda o, p: o.Adadelta(p),
    "adadelta all": lambda o, p: o.Adadelta(p, 2.0, 0.8, 1e-5, 0.01),
    "maximize": lambda o, p: o.Adagrad(p, lr=0.001, maximize=True),
}


def train(t: Any, make: Any, mode: str = "eager", schedule: Any = None, n: int = 30) -> Any:
    t.manual_seed(1)
    model = t.nn.Sequential(t.nn.Linear(6, 8), t.nn.Tanh(), t.nn.Linear(8, 3)).double()
    x, y = t.randn(20, 6).double(), t.randint(0, 3, (20,))
    optimizer = make(t.optim, model.parameters())
    scheduler = schedule(t.optim.lr_scheduler, optimizer) if schedule else None
    criterion = t.nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = lab.function(step) if t is lab else step
    losses = []
    with lab.mode(mode):
        for i in range(n):
            if i == 20 and not scheduler:
                optimizer.param_groups[0]["lr"] *= 0.5
            losses.append(run(x, y).item())
            if scheduler:
                scheduler.step()
    if t is lab and mode == "graph":
        assert run.traces == 1
    return losses, optimizer, model


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers_follow_pytorch(name: str, oracle: Any) -> None:
    def run(t: Any, mode: str = "eager") -> Any:
        losses, optimizer, model = train(t, OPTIMISERS[name], mode)
        parameters = list(model.parameters())
        settings = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
        return losses, parameters, [dict(optimizer.state[p]) for p in parameters], settings

    expected, their_parameters, their_states, theirs = oracle(run)
    for mode in ("eager", "graph"):
        losses, parameters, states, ours = plain(run(lab, mode))
        np.testing.assert_allclose(losses, expected, rtol=1e-9)
        for p, q in zip(parameters, their_parameters, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-7, atol=1e-10)
        for state, their_state in zip(states, their_states, strict=True):
            assert set(state) == set(their_state)
            for key, value in their_state.items():
                np.testing.assert_allclose(state[key], value, rtol=1e-7, atol=1e-12)
        assert {k: v for k, v in theirs.items() if k in ours} == ours


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimiser_state_goes_over(name: str) -> None:
    whole, _, _ = train(lab, OPTIMISERS[name], n=12)
    _, first, model = train(lab, OPTIMISERS[name], n=6)

    def more(o: Any, p: Any) -> Any:
        made = OPTIMISERS[name](o, p)
        for new, old in zip(made.param_groups[0]["params"], model.parameters(), strict=True):
            with lab.no_grad():
                new.copy_(old)
        made.load_state_dict(first.state_dict())
        return made

    rest, _, _ = train(lab, more, n=6)
    np.testing.assert_allclose(rest, whole[6:], rtol=1e-12)


def test_one_step_by_hand() -> None:
    for make, expected in [
        (lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.5, eps=0), 2 * 0.95 - 0.1),
        (lambda p: optim.RMSprop(p, lr=0.1, alpha=0.75, eps=0), 2 - 0.1 / 0.5),
        (lambda p: optim.Adagrad(p, lr=0.1, eps=0), 2 - 0.1),
        (lambda p: optim.Adadelta(p, lr=1, rho=0.75, eps=1), 2 - 4 / (1 + 4) ** 0.5),
    ]:
        w = lab.tensor(2.0, dtype=lab.float64, requires_grad=True)
        optimizer = make([w])
        (w * w).backward()
        optimizer.step()
        assert w.item() == pytest.approx(expected)


def test_settings_are_checked() -> None:
    w = lab.ones(2, requires_grad=True)
    for make in (
        lambda: optim.AdamW([w], betas=(1.0, 0.9)),
        lambda: optim.Adam([w], eps=-1),
        lambda: optim.RMSprop([w], alpha=-1),
        lambda: optim.RMSprop([w], momentum=-1),
        lambda: optim.Adagrad([w], lr_decay=-1),
        lambda: optim.Adadelta([w], rho=2),
        lambda: optim.AdamW([w], lr=-1),
        lambda: optim.LBFGS([w], line_search_fn="wolfe"),
        lambda: optim.LBFGS([w], history_size=0),
        lambda: optim.LBFGS([{"params": [w]}, {"params": [lab.ones(1, requires_grad=True)]}]),
    ):
        with pytest.raises(ValueError, match="expected"):
            make()


# L-BFGS ------------------------------------------------------------------------------------


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_lbfgs_follows_pytorch(search: Any, mode: str, oracle: Any) -> None:
    def run(t: Any) -> Any:
        t.manual_seed(2)
        model = t.nn.Sequential(t.nn.Linear(2, 6), t.nn.Tanh(), t.nn.Linear(6, 1)).double()
        x = t.randn(30, 2).double()
        y = x[:, :1] * x[:, 1:]
        lr = 1 if search else 0.3
        optimizer = t.optim.LBFGS(
            model.parameters(), lr=lr, max_iter=5, history_size=4, line_search_fn=search
        )

        def closure() -> Any:
            optimizer.zero_grad()
            loss = ((model(x) - y) ** 2).mean()
            loss.backward()
            return loss

        compute = lab.function(closure) if t is lab else closure
        with lab.mode(mode):
            losses = [optimizer.step(compute).item() for _ in range(10)]
        state = optimizer.state[next(iter(model.parameters()))]
        return [*losses, state["func_evals"], state["n_iter"]]

    found, expected = oracle.both(run)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found[9] < found[0] / 2


def test_lbfgs_on_rosenbrock_and_its_refusals() -> None:
    w = lab.tensor([-1.2, 1.0], dtype=lab.float64, requires_grad=True)
    optimizer = optim.LBFGS([w], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(w.tolist(), [1, 1], atol=1e-3)
    optimizer.step(closure)  # there is nothing left to do
    with pytest.raises(TypeError, match="closure"):
        optimizer.step()
    with pytest.raises(lab.TraceError, match="compile the closure"):
        lab.compile(lambda: optimizer.step(closure))()


# Schedules ---------------------------------------------------------------------------------

SCHEDULES: dict[str, Any] = {
    "step": lambda s, o: s.StepLR(o, 7, 0.5),
    "multistep": lambda s, o: s.MultiStepLR(o, [3, 3, 20], gamma=0.3),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 12, eta_min=0.001),
    "lambda": lambda s, o: s.LambdaLR(o, [lambda t: 0.9**t, lambda t: 1 / (1 + t)]),
    "linear": lambda s, o: s.LinearLR(o, 0.25, 0.75, total_iters=10),
    "one cycle": lambda s, o: s.OneCycleLR(o, [0.5, 1.0], total_steps=60),
    "one cycle linear": lambda s, o: s.OneCycleLR(
        o, 0.5, epochs=11, steps_per_epoch=5, anneal_strategy="linear", pct_start=0.4
    ),
    "three phases": lambda s, o: s.OneCycleLR(o, 0.5, 50, three_phase=True, cycle_momentum=False),
    "sequence": lambda s, o: s.SequentialLR(
        o,
        [s.LinearLR(o, 0.1, total_iters=5), s.ExponentialLR(o, 0.9), s.CosineAnnealingLR(o, 9)],
        milestones=[6, 20],
    ),
    "plateau": lambda s, o: s.ReduceLROnPlateau(o, patience=2, cooldown=1, min_lr=[0.0, 0.01]),
    "plateau max": lambda s, o: s.ReduceLROnPlateau(
        o, "max", 0.5, 3, threshold=0.01, threshold_mode="abs"
    ),
}


def scheduled(t: Any, name: str, kind: str = "SGD") -> tuple[Any, Any]:
    groups = [{"params": [t.ones(1, requires_grad=True)]}]
    groups.append({"params": [t.ones(1, requires_grad=True)], "lr": 0.4})
    extra = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(t.optim, kind)(groups, lr=0.1, **extra)
    return optimizer, SCHEDULES[name](t.optim.lr_scheduler, optimizer)


def rates(optimizer: Any, scheduler: Any, n: int, first: int = 0) -> list[list[float]]:
    out = []
    for i in range(first, first + n):
        optimizer.step()
        if type(scheduler).__name__ == "ReduceLROnPlateau":
            scheduler.step(np.cos(i / 9) + 1 / (1 + i))
        else:
            scheduler.step()
        row = [g["lr"] for g in optimizer.param_groups]
        np.testing.assert_allclose(row, scheduler.get_last_lr())
        row += [g.get("momentum", g.get("betas", [0])) for g in optimizer.param_groups]
        out.append(np.hstack(row).tolist())
    return out


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step:UserWarning")
def test_schedules_follow_pytorch(name: str, kind: str, oracle: Any) -> None:
    def run(t: Any) -> Any:
        optimizer, scheduler = scheduled(t, name, kind)
        first = [g["lr"] for g in optimizer.param_groups]
        return first, np.array(rates(optimizer, scheduler, 50))

    (first, rest), (their_first, theirs) = oracle.both(run)
    assert first == pytest.approx(their_first)
    np.testing.assert_allclose(rest, theirs, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_go_over(name: str) -> None:
    whole = rates(*scheduled(lab, name), 40)
    optimizer, scheduler = scheduled(lab, name)
    rates(optimizer, scheduler, 17)
    twin, second = scheduled(lab, name)
    twin.load_state_dict(optimizer.state_dict())
    second.load_state_dict(scheduler.state_dict())
    np.testing.assert_allclose(rates(twin, second, 23, 17), whole[17:], rtol=1e-12)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "RMSprop"])
def test_a_schedule_retraces_nothing(kind: str, oracle: Any) -> None:
    def make(o: Any, p: Any) -> Any:
        return getattr(o, kind)(p, lr=0.01, **({} if kind == "Adam" else {"momentum": 0.9}))

    def cycle(s: Any, o: Any) -> Any:
        return s.OneCycleLR(o, 0.05, total_steps=31)

    found, expected = oracle.both(
        lambda t: train(t, make, "graph" if t is lab else "eager", cycle)[0]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step:UserWarning")
def test_schedules_refuse() -> None:
    w = lab.ones(1, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    for make, kind in [
        (lambda: lr_scheduler.StepLR(0.1, 3), TypeError),  # type: ignore[arg-type]
        (lambda: lr_scheduler.StepLR(optimizer, 0), ValueError),
        (lambda: lr_scheduler.LinearLR(optimizer, 0), ValueError),
        (lambda: lr_scheduler.LinearLR(optimizer, 1, 2), ValueError),
        (lambda: lr_scheduler.LambdaLR(optimizer, [abs, abs]), ValueError),
        (lambda: lr_scheduler.OneCycleLR(optimizer, 0.1), ValueError),
        (lambda: lr_scheduler.OneCycleLR(optimizer, 0.1, 9, anneal_strategy="log"), ValueError),
        (lambda: lr_scheduler.OneCycleLR(optim.Adagrad([w]), 0.1, 9), ValueError),
        (lambda: lr_scheduler.ReduceLROnPlateau(optimizer, "up"), ValueError),
        (lambda: lr_scheduler.ReduceLROnPlateau(optimizer, factor=1.5), ValueError),
        (lambda: lr_scheduler.ReduceLROnPlateau(optimizer).step(), TypeError),
        (lambda: lr_scheduler.ExponentialLR(optim.SGD([w], 0.1), 0.9, last_epoch=3), ValueError),
    ]:
        with pytest.raises(kind):
            make()
    once = lr_scheduler.OneCycleLR(optim.SGD([w], 0.1, momentum=0.9), 0.1, total_steps=2)
    once.step()
    once.step()
    with pytest.raises(ValueError, match="total_steps"):
        once.step()
