"""Optimisers in Keras's form: the engine's, with Keras's names, defaults and updates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .... import creation
from ....errors import ArgumentError, GradError, describe
from ....interrupts import whole
from ....op import current
from ....ops import FUNCTIONS as OPS
from ....optim import Optimizer as Engine
from ....optim.optimizer import Group, number, setting
from ....tensor import Tensor, no_grad
from ..lines import here
from ..variable import convert, plainly
from ..words import found, snake_case, unique
from . import schedules as schedules
from .schedules import LearningRateSchedule


class Optimizer(Engine):
    """Changes variables by their gradients. A subclass writes ``update``.

    ``learning_rate`` may be changed at any time. ``weight_decay`` takes a share of the variable
    off at each step; ``clipnorm`` and ``clipvalue`` limit the gradient of each variable,
    ``global_clipnorm`` that of all together.
    """

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
        **settings: Any,
    ) -> None:
        if sum(x is not None for x in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ArgumentError(
                "expected one of clipnorm, clipvalue and global_clipnorm, got several"
            )
        self.name = name or unique(snake_case(type(self).__name__))
        self.made = here()
        self.clipnorm, self.clipvalue = clipnorm, clipvalue
        self.global_clipnorm = global_clipnorm
        self.defaults = {"weight_decay": weight_decay or 0, **settings}
        self.check(self.defaults)
        # what all groups share: read anew at each step, also in a compiled one
        self._now: Group = _Now(learning_rate=_rate(learning_rate), iterations=0)
        self.state: dict[Tensor, Group] = {}
        self.param_groups: list[Group] = []
        self.built = False

    @property
    def learning_rate(self) -> Any:
        """The size of the steps; of a schedule, that of the next step."""
        return float(self._now["learning_rate"])

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._now["learning_rate"] = _rate(value)

    lr = learning_rate

    @property
    def iterations(self) -> int:
        """How many steps were made."""
        return int(self._now["iterations"])

    def build(self, variables: Sequence[Tensor]) -> None:
        """Say which variables are changed; the first step does so too."""
        known = {id(p) for group in self.param_groups for p in group["params"]}
        new = [v for v in variables if id(v) not in known]
        if new:
            self.add_param_group({"params": new})
        self.built = True
        with no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    self.of(p, **self.first(p, group))

    def first(self, p: Tensor, group: Group) -> dict[str, Callable[[], Any]]:
        """What is remembered of a variable, at the start."""
        return {}

    @property
    def variables(self) -> list[Any]:
        """What is remembered of all variables."""
        return [x for state in self.state.values() for x in state.values()]

    def apply_gradients(self, grads_and_vars: Any) -> int:
        """One step for pairs of gradient and variable."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self.iterations

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """One step: ``grads`` for the variables in the same order; those without one stay.

        Raises GradError where no variable has a gradient.
        """
        grads = list(grads)
        if trainable_variables is None:
            trainable_variables = [p for group in self.param_groups for p in group["params"]]
        variables = list(trainable_variables)
        if len(grads) != len(variables):
            raise ArgumentError(
                f"apply: got {len(grads)} gradients for {len(variables)} variables\n"
                "  expected one for each, or None"
            )
        pairs = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
        if not pairs:
            raise _NoGradient(
                "apply_gradients: no variable has a gradient\n"
                f"  variables  {', '.join(getattr(v, 'path', '?') for v in variables) or 'none'}\n"
                "  expected a loss that was computed from them, inside of the tape"
            )
        self.build(variables)
        with no_grad():
            whole(self._move_all, pairs)

    def _move_all(self, pairs: list[tuple[Any, Any]]) -> None:
        step = number(self._now, "iterations") + 1
        grads = self._clipped([g for g, _ in pairs])
        groups = {id(p): group for group in self.param_groups for p in group["params"]}
        for g, (_, v) in zip(grads, pairs, strict=True):
            group = groups[id(v)]
            if setting(group, "weight_decay"):
                v.mul_(1 - self.rate() * setting(group, "weight_decay"))
            self.move(v, g, group, step)
        current().write(self._now, "iterations", step)
        for _, v in pairs:
            if getattr(v, "constraint", None) is not None:
                v.copy_(v.constraint(v))

    def rate(self) -> Any:
        """The learning rate, as a number that a compiled step reads anew."""
        return number(self._now, "learning_rate")

    def move(self, p: Tensor, grad: Tensor, group: Group, step: Any) -> None:
        """Change one variable in place, in the step of this number."""
        raise NotImplementedError

    def _clipped(self, grads: list[Any]) -> list[Any]:
        if self.clipvalue is not None:
            return [g.clamp(-self.clipvalue, self.clipvalue) for g in grads]
        if self.clipnorm is not None:
            return [g * _shrink((g * g).sum(), self.clipnorm) for g in grads]
        if self.global_clipnorm is not None:
            total = (grads[0] * grads[0]).sum()
            for g in grads[1:]:
                total = total + (g * g).sum()
            return [g * _shrink(total, self.global_clipnorm) for g in grads]
        return grads

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, learning_rate={self.learning_rate:g}>"


class _NoGradient(GradError, ArgumentError):
    """No gradient for any variable; a ValueError in Keras."""


def _shrink(square: Tensor, limit: float) -> Tensor:
    """The factor that makes a norm of at most ``limit``."""
    norm = square.sqrt()
    return limit / OPS["clamp"](norm, min=limit)


class _Now(Group):
    """What changes between steps; a schedule stands for the rate of the present step."""

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if isinstance(value, LearningRateSchedule):
            with plainly():
                value = value(convert(float(self["iterations"])))
            return float(value.item()) if isinstance(value, Tensor) else float(value)
        return value


def _rate(value: Any) -> Any:
    if isinstance(value, LearningRateSchedule):
        return value
    if isinstance(value, Tensor) or (callable(value) and not isinstance(value, type)):
        value = value.item() if isinstance(value, Tensor) else value()
    if isinstance(value, np.floating | np.integer):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentError(
            f"learning_rate: expected a number such as 0.001, got {describe(value)}"
        )
    return float(value)


def _zeros(p: Tensor) -> Callable[[], Tensor]:
    return lambda: creation.zeros_like(p)


class SGD(Optimizer):
    r"""Gradient descent: :math:`p \leftarrow p - \eta g`.

    With momentum, :math:`m \leftarrow \mu m - \eta g` is added in its place, or with ``nesterov``
    :math:`\mu m - \eta g`.

    >>> SGD(learning_rate=0.1, name="down")
    <SGD name=down, learning_rate=0.1>
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        limits = (weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        super().__init__(learning_rate, *limits, momentum=momentum, nesterov=nesterov)

    def first(self, p: Tensor, group: Group) -> dict[str, Callable[[], Any]]:
        """The momentum."""
        return {"momentum": _zeros(p)} if group["momentum"] else {}

    def move(self, p: Tensor, grad: Tensor, group: Group, step: Any) -> None:
        """One step for one variable."""
        momentum = setting(group, "momentum")
        if not momentum:
            p.sub_(grad * self.rate())
            return
        down = grad * self.rate()
        m = self.state[p]["momentum"].mul_(momentum).sub_(down)
        p.add_(m * momentum - down if setting(group, "nesterov") else m)


class Adam(Optimizer):
    r"""Adam: each weight gets a step of its own size.

    :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g`, :math:`v \leftarrow \beta_2 v + (1 - \beta_2)
    g^2`, :math:`p \leftarrow p - \eta_t m / (\sqrt v + \epsilon)` with :math:`\eta_t = \eta \sqrt{1
    - \beta_2^t} / (1 - \beta_1^t)`. Epsilon stands beside the root of v itself, where PyTorch adds
    it after undoing the start from zero. Source: Kingma and Ba (2015).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        own: Group = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon, "amsgrad": amsgrad}
        limits = (weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        super().__init__(learning_rate, *limits, **own)

    def first(self, p: Tensor, group: Group) -> dict[str, Callable[[], Any]]:
        """Running means of the gradient and of its square."""
        names = ["momentum", "velocity", *["velocity_hat"] * group["amsgrad"]]
        return {name: _zeros(p) for name in names}

    def move(self, p: Tensor, grad: Tensor, group: Group, step: Any) -> None:
        """One step for one variable."""
        beta_1, beta_2 = setting(group, "beta_1"), setting(group, "beta_2")
        state = self.state[p]
        m = state["momentum"].mul_(beta_1).add_(grad * (1 - beta_1))
        v = state["velocity"].mul_(beta_2).add_((grad * grad).mul_(1 - beta_2))
        if setting(group, "amsgrad"):
            v = state["velocity_hat"].copy_(OPS["maximum"](state["velocity_hat"], v))
        size = self.rate() * (1 - beta_2**step) ** 0.5 / (1 - beta_1**step)
        p.sub_((m / v.sqrt().add_(setting(group, "epsilon"))).mul_(size))


class RMSprop(Optimizer):
    r"""Gradients divided by a running root mean square of their own.

    :math:`v \leftarrow \rho v + (1 - \rho) g^2`, :math:`p \leftarrow p - \eta g / \sqrt{v +
    \epsilon}`. ``centered`` takes the square of the running mean off v; with ``momentum`` the steps
    are summed up. Source: Hinton's lectures (2012).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        own: Group = {"rho": rho, "momentum": momentum, "epsilon": epsilon, "centered": centered}
        limits = (weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        super().__init__(learning_rate, *limits, **own)

    def first(self, p: Tensor, group: Group) -> dict[str, Callable[[], Any]]:
        """Running means; the sum of the steps."""
        names = [
            "velocity",
            *["momentum"] * bool(group["momentum"]),
            *["average"] * group["centered"],
        ]
        return {name: _zeros(p) for name in names}

    def move(self, p: Tensor, grad: Tensor, group: Group, step: Any) -> None:
        """One step for one variable."""
        rho, state = setting(group, "rho"), self.state[p]
        v: Tensor = state["velocity"].mul_(rho).add_((grad * grad).mul_(1 - rho))
        if setting(group, "centered"):
            mean = state["average"].mul_(rho).add_(grad * (1 - rho))
            v = v - mean * mean
        down = grad * self.rate() / (v + setting(group, "epsilon")).sqrt()
        momentum = setting(group, "momentum")
        p.sub_(state["momentum"].mul_(momentum).add_(down) if momentum else down)


class AdamW(Adam):
    """Adam that takes a share of each weight off at each step. Loshchilov and Hutter (2019)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        own = (learning_rate, beta_1, beta_2, epsilon, amsgrad)
        super().__init__(*own, weight_decay, clipnorm, clipvalue, global_clipnorm, name)


class Adagrad(Optimizer):
    r"""Gradients divided by the root of the sum of their squares so far.

    :math:`a \leftarrow a + g^2`, :math:`p \leftarrow p - \eta g / \sqrt{a + \epsilon}`. Source:
    Duchi, Hazan and Singer (2011).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        own: Group = {"initial_accumulator_value": initial_accumulator_value, "epsilon": epsilon}
        limits = (weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        super().__init__(learning_rate, *limits, **own)

    def first(self, p: Tensor, group: Group) -> dict[str, Callable[[], Any]]:
        """The sum of the squares."""
        start = group["initial_accumulator_value"]
        return {"accumulator": lambda: creation.full_like(p, start)}

    def move(self, p: Tensor, grad: Tensor, group: Group, step: Any) -> None:
        """One step for one variable."""
        a = self.state[p]["accumulator"].add_(grad * grad)
        p.sub_(grad * self.rate() / (a + setting(group, "epsilon")).sqrt())


class Adadelta(Optimizer):
    r"""Steps as large as the steps before, by their root mean square. Source: Zeiler (2012)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        limits = (weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        super().__init__(learning_rate, *limits, rho=rho, epsilon=epsilon)

    def first(self, p: Tensor, group: Group) -> dict[str, Callable[[], Any]]:
        """Running means of the squares of gradients and steps."""
        return {"accumulated_grad": _zeros(p), "accumulated_delta_var": _zeros(p)}

    def move(self, p: Tensor, grad: Tensor, group: Group, step: Any) -> None:
        """One step for one variable."""
        rho, epsilon, state = setting(group, "rho"), setting(group, "epsilon"), self.state[p]
        a = state["accumulated_grad"].mul_(rho).add_(grad * grad * (1 - rho))
        d = state["accumulated_delta_var"]
        down = (d + epsilon).sqrt() * grad / (a + epsilon).sqrt()
        d.mul_(rho).add_(down * down * (1 - rho))
        p.sub_(down * self.rate())


class Adamax(Optimizer):
    r"""Adam with the largest gradient in the place of the root mean square. Kingma and Ba (2015).

    :math:`u \leftarrow \max(\beta_2 u, |g|)`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        own: Group = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
        limits = (weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        super().__init__(learning_rate, *limits, **own)

    def first(self, p: Tensor, group: Group) -> dict[str, Callable[[], Any]]:
        """The running mean of the gradient, and its largest size."""
        return {"momentum": _zeros(p), "norm": _zeros(p)}

    def move(self, p: Tensor, grad: Tensor, group: Group, step: Any) -> None:
        """One step for one variable."""
        beta_1, beta_2 = setting(group, "beta_1"), setting(group, "beta_2")
        m = self.state[p]["momentum"].mul_(beta_1).add_(grad * (1 - beta_1))
        u = self.state[p]["norm"]
        u.copy_(OPS["maximum"](u * beta_2, grad.abs()))
        size = self.rate() / (1 - beta_1**step)
        p.sub_((m / (u + setting(group, "epsilon"))).mul_(size))


class Nadam(Optimizer):
    r"""Adam with a momentum that looks one step ahead. Source: Dozat (2016)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        own: Group = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
        limits = (weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        super().__init__(learning_rate, *limits, **own)
        self._now["product"] = 1.0  # of the momenta so far

    def first(self, p: Tensor, group: Group) -> dict[str, Callable[[], Any]]:
        """Running means of the gradient and of its square."""
        return {"momentum": _zeros(p), "velocity": _zeros(p)}

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """One step; the product of the momenta grows once for all variables."""
        super().apply(grads, trainable_variables)
        step = number(self._now, "iterations")
        now = setting(self.defaults, "beta_1") * (1 - 0.5 * 0.96**step)
        with no_grad():
            current().write(self._now, "product", number(self._now, "product") * now)

    def move(self, p: Tensor, grad: Tensor, group: Group, step: Any) -> None:
        """One step for one variable."""
        beta_1, beta_2 = setting(group, "beta_1"), setting(group, "beta_2")
        here_, ahead = beta_1 * (1 - 0.5 * 0.96**step), beta_1 * (1 - 0.5 * 0.96 ** (step + 1))
        product = number(self._now, "product") * here_
        m = self.state[p]["momentum"].mul_(beta_1).add_(grad * (1 - beta_1))
        v = self.state[p]["velocity"].mul_(beta_2).add_(grad * grad * (1 - beta_2))
        m_hat = m * (ahead / (1 - product * ahead)) + grad * ((1 - here_) / (1 - product))
        v_hat = v / (1 - beta_2**step)
        p.sub_((m_hat * self.rate()) / (v_hat.sqrt() + setting(group, "epsilon")))


class Lion(Optimizer):
    r"""Steps of one size in the direction of the sign. Source: Chen et al. (2023)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        limits = (weight_decay, clipnorm, clipvalue, global_clipnorm, name)
        super().__init__(learning_rate, *limits, beta_1=beta_1, beta_2=beta_2)

    def first(self, p: Tensor, group: Group) -> dict[str, Callable[[], Any]]:
        """The running mean of the gradient."""
        return {"momentum": _zeros(p)}

    def move(self, p: Tensor, grad: Tensor, group: Group, step: Any) -> None:
        """One step for one variable."""
        beta_1, beta_2 = setting(group, "beta_1"), setting(group, "beta_2")
        m = self.state[p]["momentum"]
        p.sub_((m * beta_1 + grad * (1 - beta_1)).sign() * self.rate())
        m.mul_(beta_2).add_(grad * (1 - beta_2))


NAMES: dict[str, Callable[[], Optimizer]] = {
    "adam": Adam, "sgd": SGD, "rmsprop": RMSprop, "Adam": Adam, "SGD": SGD, "RMSprop": RMSprop,
    "adamw": AdamW, "AdamW": AdamW, "adagrad": Adagrad, "Adagrad": Adagrad, "adadelta": Adadelta,
    "Adadelta": Adadelta, "adamax": Adamax, "Adamax": Adamax, "nadam": Nadam, "Nadam": Nadam,
    "lion": Lion, "Lion": Lion,
}  # fmt: skip


def get(identifier: Any) -> Optimizer:
    """The optimiser of a name, or the object itself.

    >>> get("adam").learning_rate
    0.001
    """
    made = found("optimizer", identifier, NAMES, Optimizer)
    if isinstance(made, Optimizer):
        return made
    if made in NAMES.values():
        return made()
    raise ArgumentError(
        f"optimizer: got {describe(made)}\n"
        '  expected a name such as "adam", or one of keras.optimizers: SGD(0.01)'
    )
