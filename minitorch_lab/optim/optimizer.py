"""What all optimisers share: groups of parameters with their settings, and state for each.

The settings that choose an implementation in PyTorch (``foreach``, ``fused``, ``capturable``) are
taken and kept in the groups, and have no effect. ``differentiable=True`` is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import accumulate
from typing import Any

from ..device import is_loaded, namespace_of
from ..errors import ArgumentError, GradError, KindError, describe
from ..interrupts import whole
from ..op import INTERPRETER, current
from ..tape import engine
from ..tensor import NO_GRAD, Tensor, enable_grad, make, no_grad
from .room import all_or_nothing, roomy

Group = dict[str, Any]


class Optimizer:
    """Changes parameters by their gradients. A subclass writes ``update``.

    ``param_groups`` is a list of dicts with "params" and settings such as "lr", which may be
    changed at any time; ``state`` holds what is remembered of each parameter.
    """

    stepped = False  # whether step() has run: a schedule warns where it has not
    updated = False  # whether one has come to its end, so that the state is there
    counts: tuple[str, ...] = ("step",)  # entries of the state that are numbers

    def __init__(self, params: Any, defaults: Group) -> None:
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise KindError(
                f"params: expected the parameters of a model, got {describe(params)}\n"
                "  pass model.parameters(), or a list: [w, b]"
            )
        if defaults.get("differentiable"):
            raise ArgumentError(
                "differentiable=True: a step is not recorded, no gradient flows through it\n"
                "  expected False; write the update with ops to differentiate it: p = p - lr * g"
            )
        self.defaults = defaults
        self.state: dict[Tensor, Group] = {}
        self.param_groups: list[Group] = []
        given = list(params)
        if not given:
            raise ArgumentError(
                "params: got an empty list of parameters\n"
                "  expected at least one tensor with requires_grad=True\n"
                "  model.parameters() can be used up once: pass it anew; layers in a plain list "
                "are not found: use nn.ModuleList"
            )
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, group: Group) -> None:
        """Add parameters with settings of their own, or pairs of name and parameter.

        Raises TypeError for what is no group or no tensor, KeyError without "params", ValueError
        for a computed tensor, a tensor that is there already, or settings that make no sense.
        """
        number = len(self.param_groups)
        if not isinstance(group, dict):
            raise KindError(
                f"param_groups[{number}]: expected a dict, got {describe(group)}\n"
                '  write {"params": [w, b], "lr": 0.1}'
            )
        if "params" not in group:
            raise MissingError(
                f"param_groups[{number}] has no 'params'\n"
                f"  keys  {', '.join(map(str, group))}\n"
                '  write {"params": [w, b], "lr": 0.1}'
            )
        given = group["params"]
        if isinstance(given, (set, frozenset)):
            raise KindError(
                "params: a set has no order, so that state could not be saved\n"
                "  expected a list: [w, b]"
            )
        params = [given] if isinstance(given, Tensor) else list(given)
        names = [p[0] for p in params if isinstance(p, tuple)]
        if names and len(names) != len(params):
            raise ArgumentError("params: expected a name with each parameter, or with none")
        params = [p[1] for p in params] if names else params
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise KindError(
                    f"params: expected tensors, got {describe(p)}\n"
                    "  pass model.parameters(), or a list: [w, b]"
                )
            if p.node is not None:
                raise ComputedError(
                    f"params: a computed tensor cannot be optimised\n  tensor  {p.spec}\n"
                    "  expected a leaf: a parameter, or tensor(..., requires_grad=True)"
                )
            if id(p) in known:
                raise ArgumentError(
                    f"params: a parameter is given twice\n  tensor  {p.spec}\n"
                    "  expected each one in one group"
                )
            known.add(id(p))
        settings = {**self.defaults, **group, "params": params}
        if names:
            settings["param_names"] = names
        self.check(settings)
        self.param_groups.append(settings)

    def check(self, settings: Group) -> None:
        """ArgumentError for settings that make no sense."""
        for name in ("lr", "weight_decay", "eps", "momentum"):
            if name in settings:
                need_between(name, settings[name], 0)
        if "betas" in settings:
            need_pair("betas", settings["betas"])
            for i, beta in enumerate(settings["betas"]):
                need_between(f"betas[{i}]", beta, 0, 1)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters: to None, or to zeros."""
        if not engine().clears:
            return
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    with no_grad():
                        p.grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change each parameter that has a gradient; returns the loss of ``closure``, if any.

        Ctrl-C waits until all are changed: weights and state belong to one step.
        """
        loss = None
        self.stepped = True
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            whole(self._update_all)
        return loss

    def _update_all(self) -> None:
        if is_loaded() and not current().tracing:
            there = [p for group in self.param_groups for p in group["params"] if p.is_cuda]
            if there and not roomy(there, not self.updated):
                all_or_nothing(self._update_each, self)
                return
        self._update_each()
        self.updated = True

    def _update_each(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                grad = p.grad
                if grad is not None:
                    self.update(p, grad, group)

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """Change one parameter in place."""
        raise NotImplementedError

    def slope(self, p: Tensor, grad: Tensor, group: Group) -> Tensor:
        """The gradient with its sign turned for a maximum, and with weight decay."""
        if setting(group, "maximize"):
            grad = -grad
        decay = setting(group, "weight_decay")
        if not decay:
            return grad
        if "decoupled_weight_decay" in group and setting(group, "decoupled_weight_decay"):
            p.mul_(1 - number(group, "lr") * decay)  # a step of its own
            return grad
        return grad + p * decay

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
                        state[name] = self._side_by_side(name, p, value())
            finally:
                INTERPRETER.reset(token)
        return state

    def _side_by_side(self, name: str, p: Tensor, value: Any) -> Any:
        """A first value of the state, beside those of the other parameters.

        So graph mode can go over the state of all parameters at once (graph/passes/flat.py).
        """
        if not isinstance(value, Tensor) or value.array.shape != p.array.shape:
            return value
        kind = (value.array.dtype, value.device, p.array.dtype)
        flat: dict[Any, Places] = self.__dict__.setdefault("_flat", {})  # since the first step
        places = flat.get((name, *kind))
        if places is None:
            params = [q for group in self.param_groups for q in group["params"]]
            alike = [q for q in params if (q.array.dtype, q.device) == (p.array.dtype, p.device)]
            places = flat[(name, *kind)] = Places(alike, value)
        place = places.take(p)
        if place is not None:
            place[...] = value.array
            value.array = place
        return value

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
        """Take settings and state over; ArgumentError where the groups differ.

        ``state_dict`` may come from PyTorch. Tensors are copied, to dtype and device of their
        parameters.
        """
        for key in ("state", "param_groups"):
            if key not in state_dict:
                raise MissingError(
                    f"load_state_dict: there is no {key!r}\n"
                    f"  keys  {', '.join(map(str, list(state_dict)[:5]))}\n"
                    "  expected what optimizer.state_dict() gives; model.load_state_dict() takes "
                    "the parameters of a model"
                )
        sizes = [len(g["params"]) for g in state_dict["param_groups"]]
        own = [len(g["params"]) for g in self.param_groups]
        if sizes != own:
            raise ArgumentError(
                f"load_state_dict: the groups differ\n  optimizer   {own} parameters\n"
                f"  state_dict  {sizes} parameters\n"
                "  expected an optimiser over the same parameters, in the same groups"
            )
        flat = [p for g in self.param_groups for p in g["params"]]
        numbers = [n for g in state_dict["param_groups"] for n in g["params"]]
        owners = dict(zip(map(int, numbers), flat, strict=True))
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({k: deepcopy(v) for k, v in saved.items() if k != "params"})
        for p in flat:
            self.state.pop(p, None)
        self.__dict__.pop("_flat", None)
        for number, values in state_dict["state"].items():
            p = owners[int(number)]
            found = {k: self._kept(k, v, p) for k, v in values.items() if v is not None}
            self.state[p] = {k: self._side_by_side(k, p, v) for k, v in found.items()}

    def _kept(self, key: str, value: Any, p: Tensor) -> Any:
        """A copy of an entry of a state; PyTorch keeps numbers as tensors."""
        if isinstance(value, (list, tuple)):
            return [self._kept(key, v, p) for v in value]
        if not isinstance(value, Tensor):
            return value
        if key in self.counts:
            number = value.item()
            return int(number) if number == int(number) and key == "step" else number
        return make(value.array.copy()).to(device=p.device, dtype=p.dtype)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {v}" for k, v in sorted(group.items()) if k != "params"]
        return "\n".join([*lines, ")"])


class Places:
    """Memory for one entry of the state of several parameters, one after another."""

    def __init__(self, params: list[Tensor], like: Tensor) -> None:
        self.ends = list(accumulate(p.array.size for p in params))
        self.flat = namespace_of(like.array).zeros(self.ends[-1], like.array.dtype)
        self.free = {id(p): i for i, p in enumerate(params)}

    def take(self, p: Tensor) -> Any:
        """The place of a parameter; None where it has been taken, or never was one for it."""
        i = self.free.pop(id(p), None)
        if i is None:
            return None
        end = self.ends[i]
        return self.flat[end - p.array.size : end].reshape(p.array.shape)


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


def second_of(group: Group) -> float:
    """The second of the betas; where a schedule moves the first, the pair is new in each step."""
    return float(group["betas"][1] if CYCLED in group else setting(group, "betas")[1])


CYCLED = "max_momentum"  # the mark that a schedule leaves in a group whose momentum it moves


class _First(Group):
    """Reads like a group whose "betas" is the first of them."""

    def __init__(self, group: Group) -> None:
        super().__init__()
        self.group = group

    def __getitem__(self, key: str) -> Any:
        return self.group[key][0]


class MissingError(ArgumentError, KeyError):
    """A dict without a key that is needed; a KeyError, as in PyTorch."""

    __str__ = Exception.__str__  # a KeyError would show the repr


class ComputedError(GradError, ArgumentError):
    """A computed tensor among the parameters; a ValueError, as in PyTorch."""


def need_pair(name: str, value: Any) -> None:
    """KindError unless the setting is a pair."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise KindError(f"{name}: expected a pair such as (0.9, 0.999), got {describe(value)}")


def need_between(name: str, value: Any, low: float, high: float | None = None) -> None:
    """ArgumentError unless the setting is at least ``low``, and below ``high`` if there is one."""
    if not (value >= low and (high is None or value < high)):
        expected = f"{low} or more" if high is None else f"{low} to below {high}"
        raise ArgumentError(f"{name}={value}: expected {expected}")
