"""The mistakes that people make most with optimisers and schedules, and what they read."""

from __future__ import annotations

from typing import Any

import pytest

import minitorch_lab as lab

# A mistake is written once, for both libraries: name: (what is done, what is read here).
MISTAKES: dict[str, tuple[Any, str]] = {
    "empty list": (
        lambda t, w: t.optim.SGD([], lr=0.1),
        "params: got an empty list of parameters\n"
        "  expected at least one tensor with requires_grad=True\n"
        "  model.parameters() can be used up once: pass it anew; layers in a plain list are not "
        "found: use nn.ModuleList",
    ),
    "generator used up": (
        lambda t, w: (lambda ps: (list(ps), t.optim.SGD(ps, lr=0.1)))(
            t.nn.Linear(2, 1).parameters()
        ),
        "params: got an empty list of parameters\n"
        "  expected at least one tensor with requires_grad=True\n"
        "  model.parameters() can be used up once: pass it anew; layers in a plain list are not "
        "found: use nn.ModuleList",
    ),
    "one tensor": (
        lambda t, w: t.optim.Adam(w, lr=0.1),
        "params: expected the parameters of a model, got Tensor lab.float32 (2,)\n"
        "  pass model.parameters(), or a list: [w, b]",
    ),
    "the model": (
        lambda t, w: t.optim.Adam(t.nn.Linear(2, 1), lr=0.1),
        "params: expected the parameters of a model, got Linear\n"
        "  pass model.parameters(), or a list: [w, b]",
    ),
    "the method without parentheses": (
        lambda t, w: t.optim.Adam(t.nn.Linear(2, 1).parameters, lr=0.1),
        "params: expected the parameters of a model, got method\n"
        "  pass model.parameters(), or a list: [w, b]",
    ),
    "a set": (
        lambda t, w: t.optim.Adam([{"params": {w}}], lr=0.1),
        "params: a set has no order, so that state could not be saved\n  expected a list: [w, b]",
    ),
    "no tensor": (
        lambda t, w: t.optim.SGD([w, 3.0], lr=0.1),
        "params: expected tensors, got float 3.0\n  pass model.parameters(), or a list: [w, b]",
    ),
    "computed tensor": (
        lambda t, w: t.optim.SGD([w * 2], lr=0.1),
        "params: a computed tensor cannot be optimised\n  tensor  float32 (2,)\n"
        "  expected a leaf: a parameter, or tensor(..., requires_grad=True)",
    ),
    "in two groups": (
        lambda t, w: t.optim.SGD([{"params": [w]}, {"params": [w], "lr": 1.0}], lr=0.1),
        "params: a parameter is given twice\n  tensor  float32 (2,)\n"
        "  expected each one in one group",
    ),
    "group without params": (
        lambda t, w: t.optim.SGD([{"weights": [w]}], lr=0.1),
        'param_groups[0] has no \'params\'\n  keys  weights\n  write {"params": [w, b], "lr": 0.1}',
    ),
    "group that is no dict": (
        lambda t, w: t.optim.SGD([w], lr=0.1).add_param_group([t.ones(1, requires_grad=True)]),
        "param_groups[1]: expected a dict, got list of 1 item\n"
        '  write {"params": [w, b], "lr": 0.1}',
    ),
    "negative lr": (
        lambda t, w: t.optim.SGD([w], lr=-0.1),
        "lr=-0.1: expected 0 or more",
    ),
    "etas in another order": (
        lambda t, w: t.optim.Rprop([{"params": [w], "lr": 0.1}], etas=(1.2, 0.5)),
        "etas=(1.2, 0.5): expected one between 0 and 1 and one above 1",
    ),
    "wrong betas": (
        lambda t, w: t.optim.Adam([w], betas=(0.9, 1.0)),
        "betas[1]=1.0: expected 0 to below 1",
    ),
    "one beta": (
        lambda t, w: t.optim.NAdam([w], betas=0.9),
        "betas: expected a pair such as (0.9, 0.999), got float 0.9",
    ),
    "nesterov alone": (
        lambda t, w: t.optim.SGD([w], lr=0.1, nesterov=True),
        "nesterov=True: got momentum=0, dampening=0\n  expected momentum above 0 and dampening 0",
    ),
    "state of a model": (
        lambda t, w: t.optim.SGD([w], lr=0.1).load_state_dict(t.nn.Linear(2, 1).state_dict()),
        "load_state_dict: there is no 'state'\n  keys  weight, bias\n"
        "  expected what optimizer.state_dict() gives; model.load_state_dict() takes the "
        "parameters of a model",
    ),
    "state of other parameters": (
        lambda t, w: t.optim.SGD([w], lr=0.1).load_state_dict(
            t.optim.SGD(t.nn.Linear(2, 1).parameters(), lr=0.1).state_dict()
        ),
        "load_state_dict: the groups differ\n  optimizer   [1] parameters\n"
        "  state_dict  [2] parameters\n"
        "  expected an optimiser over the same parameters, in the same groups",
    ),
    "schedule of a model": (
        lambda t, w: t.optim.lr_scheduler.StepLR(t.nn.Linear(2, 1), 3),
        "optimizer: expected an optimiser, got Linear\n"
        "  make one first: optimizer = optim.SGD(model.parameters(), lr=0.1)",
    ),
    "too few milestones": (
        lambda t, w: sequence(t, w, 3, [5]),
        "milestones: expected 2 for 3 schedulers, got 1\n"
        "  each is the epoch at which the next scheduler takes over",
    ),
    "schedule of another optimiser": (
        lambda t, w: t.optim.lr_scheduler.SequentialLR(
            t.optim.SGD([w], lr=0.1),
            [t.optim.lr_scheduler.ExponentialLR(t.optim.SGD([w], lr=0.1), 0.9)],
            [],
        ),
        "schedulers[0] belongs to another optimiser\n  expected schedulers of one optimiser",
    ),
    "plateau in a sequence": (
        lambda t, w: (
            lambda o: t.optim.lr_scheduler.ChainedScheduler(
                [t.optim.lr_scheduler.ReduceLROnPlateau(o)]
            )
        )(t.optim.SGD([w], lr=0.1)),
        "schedulers[0]: ReduceLROnPlateau needs a loss in each step, which ChainedScheduler does "
        "not have\n  call its step(loss) beside",
    ),
    "plateau without a loss": (
        lambda t, w: t.optim.lr_scheduler.ReduceLROnPlateau(t.optim.SGD([w], lr=0.1)).step(),
        "ReduceLROnPlateau.step(metrics): the loss of this epoch is needed\n"
        "  expected a number\n  write scheduler.step(loss)",
    ),
    "one cycle without a length": (
        lambda t, w: t.optim.lr_scheduler.OneCycleLR(t.optim.Adam([w]), 0.1),
        "OneCycleLR needs total_steps, or epochs and steps_per_epoch",
    ),
    "cycle without momentum": (
        lambda t, w: t.optim.lr_scheduler.CyclicLR(t.optim.Adagrad([w]), 0.1, 0.2),
        "cycle_momentum=True: Adagrad has no momentum and no betas\n"
        "  expected cycle_momentum=False for this optimiser",
    ),
    "resumed without its state": (
        lambda t, w: t.optim.lr_scheduler.StepLR(t.optim.SGD([w], lr=0.1), 3, last_epoch=4),
        "last_epoch=4: param_groups[0] has no 'initial_lr'\n"
        "  expected an optimiser whose state_dict comes from one with a scheduler",
    ),
    "no restarts": (
        lambda t, w: t.optim.lr_scheduler.CosineAnnealingWarmRestarts(t.optim.SGD([w], lr=0.1), 0),
        "T_0=0: expected an int of 1 or more",
    ),
}

# What PyTorch lets pass, to fail later or to do something else.
STRICTER: dict[str, tuple[Any, str]] = {
    "milestones in another order": (
        lambda t, w: sequence(t, w, 3, [5, 2]),
        "milestones=[5, 2]: expected epochs in rising order\n  write milestones=[2, 5]",
    ),
    "T_max 0": (
        lambda t, w: t.optim.lr_scheduler.CosineAnnealingLR(t.optim.SGD([w], lr=0.1), 0),
        "T_max=0: expected 1 or more\n"
        "  it is the number of epochs from the first rate down to eta_min",
    ),
    "twice in a group": (
        lambda t, w: t.optim.SGD([w, w], lr=0.1),
        "params: a parameter is given twice\n  tensor  float32 (2,)\n"
        "  expected each one in one group",
    ),
    "differentiable": (
        lambda t, w: t.optim.SGD([w], lr=0.1, differentiable=True),
        "differentiable=True: a step is not recorded, no gradient flows through it\n"
        "  expected False; write the update with ops to differentiate it: p = p - lr * g",
    ),
}


def sequence(t: Any, w: Any, n: int, milestones: list[int]) -> Any:
    s, optimizer = t.optim.lr_scheduler, t.optim.SGD([w], lr=0.1)
    return s.SequentialLR(
        optimizer, [s.ExponentialLR(optimizer, 0.9) for _ in range(n)], milestones
    )


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, oracle: Any) -> None:
    mistake, text = MISTAKES[name]
    kind = oracle.error(lambda torch: mistake(torch, torch.ones(2, requires_grad=True)))
    with pytest.raises(kind) as found:
        mistake(lab, lab.ones(2, requires_grad=True))
    assert str(found.value) == text
    assert isinstance(found.value, lab.LabError)


@pytest.mark.parametrize("name", STRICTER)
def test_mistakes_that_pytorch_lets_pass(name: str) -> None:
    mistake, text = STRICTER[name]
    with pytest.raises(ValueError, match="expected") as found:
        mistake(lab, lab.ones(2, requires_grad=True))
    assert str(found.value) == text


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
