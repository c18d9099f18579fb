"""Optimisers with all their arguments, and schedules: PyTorch's numbers, layouts and errors."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import optim
from minitorch_lab.optim import lr_scheduler

# Optimisers ----------------------------------------------------------------------------------

OPTIMISERS: dict[str, Any] = {
    "sgd dampening": lambda o, p: o.SGD(p, 0.1, 0.8, 0.3, 0.01),
    "sgd nesterov": lambda o, p: o.SGD(p, 0.1, momentum=0.8, nesterov=True, foreach=False),
    "sgd maximize": lambda o, p: o.SGD(p, lr=0.01, maximize=True, weight_decay=0.1),
    "adam": lambda o, p: o.Adam(p, 0.05, (0.8, 0.95), 1e-6, 0.01, True, foreach=False),
    "adam decoupled": lambda o, p: o.Adam(p, weight_decay=0.1, decoupled_weight_decay=True),
    "adamw maximize": lambda o, p: o.AdamW(p, 0.01, maximize=True, capturable=False),
    "rmsprop centered": lambda o, p: o.RMSprop(p, 0.01, 0.9, 1e-6, 0.01, 0.8, True, False, None),
    "rmsprop maximize": lambda o, p: o.RMSprop(p, maximize=True),
    "adagrad": lambda o, p: o.Adagrad(p, 0.1, 0.05, 0.01, 0.3, 1e-6, None, maximize=True),
    "adadelta": lambda o, p: o.Adadelta(p, 2.0, 0.8, 1e-5, 0.01, None, maximize=True),
    "nadam": lambda o, p: o.NAdam(p),
    "nadam all": lambda o, p: o.NAdam(p, 0.05, (0.8, 0.95), 1e-6, 0.01, 0.1, maximize=True),
    "nadam decoupled": lambda o, p: o.NAdam(p, weight_decay=0.1, decoupled_weight_decay=True),
    "radam": lambda o, p: o.RAdam(p, lr=0.02),
    "radam all": lambda o, p: o.RAdam(p, 0.05, (0.8, 0.9), 1e-6, 0.01, maximize=True),
    "radam decoupled": lambda o, p: o.RAdam(p, weight_decay=0.1, decoupled_weight_decay=True),
    "adamax": lambda o, p: o.Adamax(p),
    "adamax all": lambda o, p: o.Adamax(p, 0.05, (0.8, 0.9), 1e-6, 0.01, maximize=True),
    "rprop": lambda o, p: o.Rprop(p),
    "rprop all": lambda o, p: o.Rprop(p, 0.1, (0.4, 1.5), (1e-3, 0.2), maximize=True),
    "groups": lambda o, p: o.Adam([{"params": p[:1], "lr": 0.1}, {"params": p[1:], "eps": 1e-3}]),
}


def run(t: Any, make: Any, dtype: str, mode: str = "eager", n: int = 20) -> Any:
    """Losses of ``n`` steps of logistic regression, the parameters, and the optimiser."""
    rng = np.random.default_rng(0)
    w, b = (t.tensor(rng.normal(size=s).astype(dtype), requires_grad=True) for s in ((3, 2), (2,)))
    x, y = (t.tensor(rng.normal(size=(8, k)).astype(dtype)) for k in (3, 2))
    optimizer = make(t.optim, [w, b])

    def step() -> Any:
        optimizer.zero_grad()
        loss = ((x @ w + b).tanh() - y).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    losses = []
    if t is lab:
        step = lab.function(step)
    with lab.mode(mode):
        for i in range(n):
            if i == 15:
                optimizer.param_groups[0]["lr"] *= 0.5
            losses.append(step().item())
    if mode == "graph":
        assert step.traces == 1  # type: ignore[attr-defined]
    return losses, w, b, optimizer


def plain(optimizer: Any) -> Any:
    """The layout of a state: the settings, and the state in numbers."""
    saved = optimizer.state_dict()
    state = {}
    for number, values in saved["state"].items():
        known = {k: v for k, v in values.items() if v is not None}
        state[number] = {
            k: np.asarray(getattr(v, "tolist", lambda v=v: v)(), np.float64).ravel()[:3].tolist()
            for k, v in sorted(known.items())
        }
    return [state, saved["param_groups"]]


def tolerance_of(name: str) -> float:
    """In float64; of NAdam PyTorch keeps one number in float32."""
    return 1e-6 if name.startswith("nadam") else 1e-9


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_twenty_steps_follow_pytorch(name: str, mode: str, dtype: str, oracle: Any) -> None:
    make = OPTIMISERS[name]
    expected = oracle(lambda torch: list(run(torch, make, dtype)[:3]))
    tolerance = 1e-5 if dtype == "float32" else tolerance_of(name)
    for mine, theirs in zip(run(lab, make, dtype, mode)[:3], expected, strict=True):
        mine = mine.tolist() if isinstance(mine, lab.Tensor) else mine
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_layout_of_a_state_is_pytorchs(name: str, oracle: Any) -> None:
    state, groups = oracle(lambda torch: plain(run(torch, OPTIMISERS[name], "float64")[3]))
    mine, own_groups = plain(run(lab, OPTIMISERS[name], "float64")[3])
    shown = [{k: list(v) if isinstance(v, tuple) else v for k, v in g.items()} for g in own_groups]
    assert shown == groups
    assert list(mine) == list(state)
    for number, values in state.items():
        own = {k: v for k, v in mine[number].items() if k in values}
        assert sorted(own) == sorted(values)
        assert set(mine[number]) - set(values) <= {"step"}  # of SGD with dampening
        for key, value in values.items():
            np.testing.assert_allclose(own[key], value, rtol=tolerance_of(name), atol=1e-12)


def as_pytorch_saves(state: Any) -> Any:
    """The same state with its numbers as tensors, as PyTorch keeps them."""
    state = copy.deepcopy(state)
    for values in state["state"].values():
        for key in ("step", "mu_product"):
            if key in values:
                values[key] = lab.tensor(float(values[key]))
    return state


@pytest.mark.parametrize("name", OPTIMISERS)
def test_training_goes_on_from_a_state_of_pytorch(name: str) -> None:
    whole = run(lab, OPTIMISERS[name], "float64", n=14)
    _, w, b, first = run(lab, OPTIMISERS[name], "float64", n=7)

    def more(o: Any, p: Any) -> Any:
        made = OPTIMISERS[name](o, p)
        for new, old in zip(p, (w, b), strict=True):
            with lab.no_grad():
                new.copy_(old)
        saved = as_pytorch_saves(first.state_dict())
        if "dampening" in name:
            for values in saved["state"].values():
                del values["step"]  # PyTorch's SGD does not count
        before = repr(saved)
        made.load_state_dict(saved)
        assert repr(saved) == before
        return made

    rest = run(lab, more, "float64", n=7)
    np.testing.assert_allclose(rest[0], whole[0][7:], rtol=tolerance_of(name))


def test_one_step_by_hand() -> None:
    def moved(make: Any, steps: int = 1) -> float:
        w = lab.tensor(2.0, dtype=lab.float64, requires_grad=True)
        optimizer = make([w])
        for _ in range(steps):
            optimizer.zero_grad()
            (w * w).backward()
            optimizer.step()
        return float(w.item())

    assert moved(lambda p: optim.Adamax(p, lr=0.1, eps=0)) == pytest.approx(1.9)
    assert moved(lambda p: optim.Rprop(p, lr=0.1)) == pytest.approx(1.9)
    assert moved(lambda p: optim.Rprop(p, lr=0.1), 2) == pytest.approx(1.9 - 0.12)
    # the first steps of RAdam do not divide: lr m_hat, and m_hat is the gradient, 4
    assert moved(lambda p: optim.RAdam(p, lr=0.1)) == pytest.approx(2 - 0.1 * 4)
    mu, following = (0.9 * (1 - 0.5 * 0.96 ** (t * 4e-3)) for t in (1, 2))
    ahead = (1 - mu) / (1 - mu) * 4 + following / (1 - mu * following) * 0.4
    assert moved(lambda p: optim.NAdam(p, lr=0.1, eps=0)) == pytest.approx(2 - 0.1 * ahead / 4)


def test_groups_have_defaults_and_names() -> None:
    w, b, c = (lab.ones(2, requires_grad=True) for _ in range(3))
    optimizer = optim.SGD([{"params": w, "lr": 1.0}, {"params": [b], "momentum": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": [c], "weight_decay": 0.2})
    shown = [(g["lr"], g["momentum"], g["weight_decay"]) for g in optimizer.param_groups]
    assert shown == [(1.0, 0, 0), (0.1, 0.5, 0), (0.1, 0, 0.2)]
    model = lab.nn.Linear(2, 1)
    named = optim.Adam(model.named_parameters())
    assert named.param_groups[0]["param_names"] == ["weight", "bias"]
    assert named.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_zero_grad_and_closures() -> None:
    w = lab.tensor([3.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    calls = []

    def closure() -> Any:
        calls.append(lab.is_grad_enabled())
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with lab.no_grad():
        assert [optimizer.step(closure).item() for _ in range(2)] == [9, 0]
    assert calls == [True, True]
    assert w.tolist() == [0]
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0]
    optimizer.zero_grad()
    assert w.grad is None
    optimizer.step()  # nothing has a gradient: nothing moves


# Schedules -----------------------------------------------------------------------------------

SCHEDULES: dict[str, Any] = {
    "constant": lambda s, o: s.ConstantLR(o, 0.25, 6),
    "constant default": lambda s, o: s.ConstantLR(o),
    "polynomial": lambda s, o: s.PolynomialLR(o, 12, 2.0),
    "polynomial default": lambda s, o: s.PolynomialLR(o),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, eta_min=0.01),
    "restarts longer": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, T_mult=2),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, 0.2, 5),
    "cyclic 2": lambda s, o: s.CyclicLR(o, [0.01, 0.02], 0.2, 4, 3, "triangular2"),
    "cyclic exp": lambda s, o: s.CyclicLR(o, 0.01, 0.2, 4, mode="exp_range", gamma=0.9),
    "cyclic own": lambda s, o: s.CyclicLR(
        o, 0.01, 0.2, 4, scale_fn=lambda n: 1 / n, cycle_momentum=False
    ),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda t: 0.9 if t % 2 else 0.95),
    "chained": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 4), s.ExponentialLR(o, 0.9)]),
    "sequence": lambda s, o: s.SequentialLR(
        o,
        [
            s.ConstantLR(o, 0.1, 3),
            s.PolynomialLR(o, 5),
            s.CosineAnnealingWarmRestarts(o, 3),
            s.MultiplicativeLR(o, lambda t: 0.9),
            s.StepLR(o, 2),
        ],
        milestones=[4, 8, 13, 18],
    ),
}


def scheduled(t: Any, name: str, kind: str = "SGD") -> tuple[Any, Any]:
    groups = [{"params": [t.ones(1, requires_grad=True)]}]
    groups.append({"params": [t.ones(1, requires_grad=True)], "lr": 0.4})
    extra = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(t.optim, kind)(groups, lr=0.1, **extra)
    return optimizer, SCHEDULES[name](t.optim.lr_scheduler, optimizer)


def rates(optimizer: Any, scheduler: Any, n: int = 25) -> Any:
    out = []
    for i in range(n + 1):
        if i:
            optimizer.step()
            scheduler.step()
        row = [g["lr"] for g in optimizer.param_groups]
        assert row == pytest.approx(scheduler.get_last_lr())
        row += [g.get("momentum", g.get("betas", [0])) for g in optimizer.param_groups]
        out.append(np.hstack(row))
    return np.array(out)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_follow_pytorch(name: str, kind: str, oracle: Any) -> None:
    expected = oracle(lambda torch: rates(*scheduled(torch, name, kind)))
    np.testing.assert_allclose(rates(*scheduled(lab, name, kind)), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_go_over(name: str) -> None:
    whole = rates(*scheduled(lab, name), 25)
    optimizer, scheduler = scheduled(lab, name)
    rates(optimizer, scheduler, 9)
    twin, second = scheduled(lab, name)
    twin.load_state_dict(optimizer.state_dict())
    second.load_state_dict(copy.deepcopy(scheduler.state_dict()))
    assert getattr(second, "last_epoch", 9) == 9
    np.testing.assert_allclose(rates(twin, second, 16), whole[9:], rtol=1e-12)


def test_a_chain_in_a_sequence_starts_with_its_first_rates() -> None:
    optimizer = optim.SGD([lab.ones(1, requires_grad=True)], lr=1.0)
    chain = lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(optimizer, 0.5, 2), lr_scheduler.ExponentialLR(optimizer, 0.1)]
    )
    last = lr_scheduler.ExponentialLR(optimizer, 0.8)
    both = lr_scheduler.SequentialLR(optimizer, [chain, last], [3])
    found = [both.get_last_lr()[0]]
    for _ in range(4):
        optimizer.step()
        both.step()
        found += both.get_last_lr()
    assert found == pytest.approx([0.5, 0.05, 0.01, 1.0, 0.8])


def test_restarts_take_parts_of_epochs(oracle: Any) -> None:
    def ask(t: Any) -> Any:
        out = []
        for T_mult in (1, 2):
            optimizer = t.optim.SGD([t.ones(1, requires_grad=True)], lr=0.1)
            s = t.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3, T_mult)
            for i in range(30):
                optimizer.step()
                s.step(i / 3)
                out.append(s.get_last_lr()[0])
        return out

    np.testing.assert_allclose(ask(lab), oracle(ask), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "NAdam", "RAdam", "Adamax"])
def test_a_cycle_retraces_nothing(kind: str) -> None:
    def losses(mode: str) -> list[float]:
        w = lab.tensor([1.0, -2.0], dtype=lab.float64, requires_grad=True)
        extra = {"momentum": 0.9} if kind == "SGD" else {}
        optimizer = getattr(optim, kind)([w], lr=0.1, **extra)
        schedule = lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, 3)

        @lab.function
        def step() -> Any:
            optimizer.zero_grad()
            loss = (w.exp() - 1).square().sum()
            loss.backward()
            optimizer.step()
            return loss

        out = []
        with lab.mode(mode):
            for _ in range(12):
                out.append(step().item())
                schedule.step()
        if mode == "graph":
            assert step.traces == 1
        return out

    np.testing.assert_allclose(losses("graph"), losses("eager"), rtol=1e-12)


def test_a_schedule_before_the_optimiser_warns() -> None:
    w = lab.ones(1, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    schedule = lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match="before optimizer") as found:
        schedule.step()
    assert str(found[0].message) == (
        "lr_scheduler.step() came before optimizer.step(): StepLR skips its first rate\n"
        "  write optimizer.step(), and scheduler.step() at the end of the epoch"
    )
    assert found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule.step()  # it is said once
        optimizer.step()
        lr_scheduler.StepLR(optimizer, 2).step()

    class Own(optim.Optimizer):
        def step(self, closure: Any = None) -> None:
            pass

    lr_scheduler.StepLR(Own([w], {"lr": 0.1}), 2).step()  # nobody knows what it does
