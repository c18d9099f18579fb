"""RMSprop."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..op import current
from ..tensor import Tensor
from .optimizer import CYCLED, Group, Optimizer, momentum_of, need_between, number, setting


class RMSprop(Optimizer):
    r"""Gradients divided by a running root mean square of their own.

    :math:`v \leftarrow \alpha v + (1 - \alpha) g^2`, :math:`p \leftarrow p - \text{lr}\, g /
    (\sqrt v + \epsilon)`. ``centered`` takes the square of the running mean off v; with
    ``momentum`` the quotients are summed up. Source: Hinton's lectures (2012).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps}
        more = {"centered": centered, "weight_decay": weight_decay, "capturable": capturable}
        last = {"foreach": foreach, "maximize": maximize, "differentiable": differentiable}
        super().__init__(params, {**defaults, **more, **last})

    def check(self, settings: Group) -> None:
        """ArgumentError for settings that make no sense."""
        super().check(settings)
        need_between("alpha", settings["alpha"], 0)

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """One step for one parameter."""
        centered = setting(group, "centered")
        moving = bool(group["momentum"]) if CYCLED in group else bool(setting(group, "momentum"))
        first: Group = {"step": lambda: 0, "square_avg": lambda: creation.zeros_like(p)}
        if moving:
            first["momentum_buffer"] = lambda: creation.zeros_like(p)
        if centered:
            first["grad_avg"] = lambda: creation.zeros_like(p)
        state = self.of(p, **first)
        current().write(state, "step", number(state, "step") + 1)
        grad = self.slope(p, grad, group)
        alpha = setting(group, "alpha")
        v = state["square_avg"].mul_(alpha).add_((grad * grad).mul_(1 - alpha))
        if centered:
            mean = state["grad_avg"].mul_(alpha).add_(grad * (1 - alpha))
            v = v - mean * mean
        quotient = grad / v.sqrt().add_(setting(group, "eps"))
        if moving:
            quotient = state["momentum_buffer"].mul_(momentum_of(group)).add_(quotient)
        p.sub_(quotient * number(group, "lr"))
