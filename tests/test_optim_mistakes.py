"""The mistakes that people make most with optimisers and schedules, and what they read."""

from __future__ import annotations

from typing import Any

import pytest
from golden import Golden, said, same_kind

import minitorch_lab as lab

# A mistake is written once, for both libraries; tests/golden holds what is read here.
MISTAKES: dict[str, Any] = {
    "empty list": lambda t, w: t.optim.SGD([], lr=0.1),
    "generator used up": lambda t, w: (lambda ps: (list(ps), t.optim.SGD(ps, lr=0.1)))(
        t.nn.Linear(2, 1).parameters()
    ),
    "one tensor": lambda t, w: t.optim.Adam(w, lr=0.1),
    "the model": lambda t, w: t.optim.Adam(t.nn.Linear(2, 1), lr=0.1),
    "the method without parentheses": lambda t, w: t.optim.Adam(
        t.nn.Linear(2, 1).parameters, lr=0.1
    ),
    "a set": lambda t, w: t.optim.Adam([{"params": {w}}], lr=0.1),
    "no tensor": lambda t, w: t.optim.SGD([w, 3.0], lr=0.1),
    "computed tensor": lambda t, w: t.optim.SGD([w * 2], lr=0.1),
    "in two groups": lambda t, w: t.optim.SGD(
        [{"params": [w]}, {"params": [w], "lr": 1.0}], lr=0.1
    ),
    "group without params": lambda t, w: t.optim.SGD([{"weights": [w]}], lr=0.1),
    "group that is no dict": lambda t, w: t.optim.SGD([w], lr=0.1).add_param_group(
        [t.ones(1, requires_grad=True)]
    ),
    "negative lr": lambda t, w: t.optim.SGD([w], lr=-0.1),
    "etas in another order": lambda t, w: t.optim.Rprop(
        [{"params": [w], "lr": 0.1}], etas=(1.2, 0.5)
    ),
    "wrong betas": lambda t, w: t.optim.Adam([w], betas=(0.9, 1.0)),
    "one beta": lambda t, w: t.optim.NAdam([w], betas=0.9),
    "nesterov alone": lambda t, w: t.optim.SGD([w], lr=0.1, nesterov=True),
    "state of a model": lambda t, w: t.optim.SGD([w], lr=0.1).load_state_dict(
        t.nn.Linear(2, 1).state_dict()
    ),
    "state of other parameters": lambda t, w: t.optim.SGD([w], lr=0.1).load_state_dict(
        t.optim.SGD(t.nn.Linear(2, 1).parameters(), lr=0.1).state_dict()
    ),
    "schedule of a model": lambda t, w: t.optim.lr_scheduler.StepLR(t.nn.Linear(2, 1), 3),
    "too few milestones": lambda t, w: sequence(t, w, 3, [5]),
    "schedule of another optimiser": lambda t, w: t.optim.lr_scheduler.SequentialLR(
        t.optim.SGD([w], lr=0.1),
        [t.optim.lr_scheduler.ExponentialLR(t.optim.SGD([w], lr=0.1), 0.9)],
        [],
    ),
    "plateau in a sequence": lambda t, w: (
        lambda o: t.optim.lr_scheduler.ChainedScheduler([t.optim.lr_scheduler.ReduceLROnPlateau(o)])
    )(t.optim.SGD([w], lr=0.1)),
    "plateau without a loss": lambda t, w: t.optim.lr_scheduler.ReduceLROnPlateau(
        t.optim.SGD([w], lr=0.1)
    ).step(),
    "one cycle without a length": lambda t, w: t.optim.lr_scheduler.OneCycleLR(
        t.optim.Adam([w]), 0.1
    ),
    "cycle without momentum": lambda t, w: t.optim.lr_scheduler.CyclicLR(
        t.optim.Adagrad([w]), 0.1, 0.2
    ),
    "resumed without its state": lambda t, w: t.optim.lr_scheduler.StepLR(
        t.optim.SGD([w], lr=0.1), 3, last_epoch=4
    ),
    "no restarts": lambda t, w: t.optim.lr_scheduler.CosineAnnealingWarmRestarts(
        t.optim.SGD([w], lr=0.1), 0
    ),
}

# What PyTorch lets pass, to fail later or to do something else.
STRICTER: dict[str, Any] = {
    "milestones in another order": lambda t, w: sequence(t, w, 3, [5, 2]),
    "T_max 0": lambda t, w: t.optim.lr_scheduler.CosineAnnealingLR(t.optim.SGD([w], lr=0.1), 0),
    "twice in a group": lambda t, w: t.optim.SGD([w, w], lr=0.1),
    "differentiable": lambda t, w: t.optim.SGD([w], lr=0.1, differentiable=True),
}


def sequence(t: Any, w: Any, n: int, milestones: list[int]) -> Any:
    s, optimizer = t.optim.lr_scheduler, t.optim.SGD([w], lr=0.1)
    return s.SequentialLR(
        optimizer, [s.ExponentialLR(optimizer, 0.9) for _ in range(n)], milestones
    )


GOLDEN = Golden("optim", [*MISTAKES, *STRICTER])


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, oracle: Any) -> None:
    mistake = MISTAKES[name]
    kind = oracle.error(lambda torch: mistake(torch, torch.ones(2, requires_grad=True)))
    found = said(lambda: mistake(lab, lab.ones(2, requires_grad=True)))
    assert same_kind(found, kind)
    GOLDEN.check(name, found)


@pytest.mark.parametrize("name", STRICTER)
def test_mistakes_that_pytorch_lets_pass(name: str) -> None:
    found = said(lambda: STRICTER[name](lab, lab.ones(2, requires_grad=True)))
    assert same_kind(found, ValueError)
    GOLDEN.check(name, found)


def test_every_text_belongs_to_a_mistake() -> None:
    GOLDEN.complete()


def test_a_refused_group_or_state_changes_nothing() -> None:
    w = lab.ones(2, requires_grad=True)
    optimizer = lab.optim.SGD([w], lr=0.1, momentum=0.9)
    w.sum().backward()
    optimizer.step()
    before = repr(optimizer.state_dict())
    with pytest.raises(ValueError, match="twice"):
        optimizer.add_param_group({"params": [lab.ones(1, requires_grad=True), w]})
    with pytest.raises(ValueError, match="lr=-1"):
        optimizer.add_param_group({"params": [lab.ones(1, requires_grad=True)], "lr": -1})
    with pytest.raises(KeyError, match="param_groups"):
        optimizer.load_state_dict({"state": {}})
    assert repr(optimizer.state_dict()) == before


def test_a_model_that_was_converted_afterwards_still_trains() -> None:
    model = lab.nn.Linear(2, 1)
    optimizer = lab.optim.Adam(model.parameters(), lr=0.1)
    saved = optimizer.state_dict()
    model(lab.ones(1, 2)).sum().backward()
    optimizer.step()
    saved = optimizer.state_dict()
    model.double()
    optimizer.load_state_dict(saved)  # the state goes to the dtype of the parameters
    assert optimizer.state[model.weight]["exp_avg"].dtype is lab.float64
    before = model.weight.tolist()
    optimizer.zero_grad()
    model(lab.ones(1, 2, dtype=lab.float64)).sum().backward()
    optimizer.step()
    assert model.weight.tolist() != before
