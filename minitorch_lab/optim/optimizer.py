"""What all optimisers share: groups of parameters with their settings, and state for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from ..errors import ArgumentError, GradError, KindError, describe
from ..op import INTERPRETER, current
from ..tensor import NO_GRAD, Tensor, enable_grad, make, no_grad

Group = dict[str, Any]


class Optimizer:
    """Changes parameters by their gradients. A subclass writes ``update``.

    ``param_groups`` is a list of dicts with "params" and settings such as "lr", which may be
    changed at any time; ``state`` holds what is remembered of each parameter.
    """

    def __init__(self, params: Any, defaults: Group) -> None:
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise KindError(
                f"params: expected the parameters of a model, got {describe(params)}\n"
                "  pass model.parameters(), or a list: [w, b]"
            )
        self.defaults = defaults
        self.state: dict[Tensor, Group] = {}
        self.param_groups: list[Group] = []
        given = list(params)
        if not given:
            raise ArgumentError(
                "params: got an empty list of parameters\n"
                "  model.parameters() can be used up once; pass it anew"
            )
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, group: Group) -> None:
        """Add parameters with settings of their own."""
        params = group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise KindError(f"params: expected tensors, got {describe(p)}")
            if p.node is not None:
                raise GradError(
                    f"params: a computed tensor cannot be optimised\n  tensor  {p.spec}\n"
                    "  expected a leaf: a parameter, or tensor(..., requires_grad=True)"
                )
            if id(p) in known:
                raise ArgumentError("params: a parameter is given twice")
            known.add(id(p))
        settings = {**self.defaults, **group, "params": params}
        self.check(settings)
        self.param_groups.append(settings)

    def check(self, settings: Group) -> None:
        """ArgumentError for settings that make no sense."""
        if not settings["lr"] >= 0:
            raise ArgumentError(f"lr={settings['lr']}: expected 0 or more")
        if not settings.get("weight_decay", 0) >= 0:
            raise ArgumentError(f"weight_decay={settings['weight_decay']}: expected 0 or more")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters: to None, or to zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    with no_grad():
                        p.grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change each parameter that has a gradient; returns the loss of ``closure``, if any."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    grad = p.grad
                    if grad is not None:
                        self.update(p, grad, group)
        return loss

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """Change one parameter in place."""
        raise NotImplementedError

    def of(self, p: Tensor, **first: Callable[[], Any]) -> Group:
        """The state of ``p``, made from ``first`` when it is asked for the first time."""
        state = self.state.get(p)
        if state is None:
            state = self.state[p] = {}
        if len(state) < len(first):
            token = INTERPRETER.set(NO_GRAD)  # real state, also when the first step is traced
            try:
                for name, value in first.items():
                    if name not in state:
                        state[name] = value()
            finally:
                INTERPRETER.reset(token)
        return state

    def state_dict(self) -> Group:
        """Settings and state with parameters by number, as PyTorch saves them."""
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers[id(p)] = len(numbers)
            plain = {k: v for k, v in group.items() if k != "params"}
            groups.append({**plain, "params": [numbers[id(p)] for p in group["params"]]})
        state = {numbers[id(p)]: dict(values) for p, values in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Group) -> None:
        """Take settings and state over; ArgumentError where the groups differ."""
        sizes = [len(g["params"]) for g in state_dict["param_groups"]]
        own = [len(g["params"]) for g in self.param_groups]
        if sizes != own:
            raise ArgumentError(
                f"load_state_dict: the groups differ\n  optimizer   {own} parameters\n"
                f"  state_dict  {sizes} parameters"
            )
        flat = [p for g in self.param_groups for p in g["params"]]
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({k: deepcopy(v) for k, v in saved.items() if k != "params"})
        for p in flat:
            self.state.pop(p, None)
        for number, values in state_dict["state"].items():
            self.state[flat[int(number)]] = {
                k: make(v.array.copy()) if isinstance(v, Tensor) else v for k, v in values.items()
            }

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {v}" for k, v in sorted(group.items()) if k != "params"]
        return "\n".join([*lines, ")"])


def number(owner: Group, key: str) -> Any:
    """A setting or count that may change between steps; graph mode reads it anew each time."""
    return current().read(owner, key)


def setting(group: Group, key: str) -> Any:
    """A setting that shapes the update; graph mode traces anew when it changes."""
    return current().fixed(group, key)


def momentum_of(group: Group) -> Any:
    """The momentum, or the first of the betas: a number where a schedule moves it."""
    if "betas" not in group:
        return number(group, "momentum") if CYCLED in group else setting(group, "momentum")
    return number(_First(group), "betas") if CYCLED in group else setting(group, "betas")[0]


CYCLED = "max_momentum"  # the mark that OneCycleLR leaves in a group whose momentum it moves


class _First(Group):
    """Reads like a group whose "betas" is the first of them."""

    def __init__(self, group: Group) -> None:
        super().__init__()
        self.group = group

    def __getitem__(self, key: str) -> Any:
        return self.group[key][0]


def need_between(name: str, value: Any, low: float, high: float | None = None) -> None:
    """ArgumentError unless the setting is at least ``low``, and below ``high`` if there is one."""
    if not (value >= low and (high is None or value < high)):
        expected = f"{low} or more" if high is None else f"{low} to below {high}"
        raise ArgumentError(f"{name}={value}: expected {expected}")
