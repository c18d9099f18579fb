"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..errors import ArgumentError
from ..op import current
from ..tensor import Tensor
from .optimizer import Group, Optimizer, momentum_of, number, setting


class SGD(Optimizer):
    r"""Gradient descent, :math:`p \leftarrow p - \text{lr} \cdot g`, with optional momentum.

    With momentum, :math:`v \leftarrow \mu v + (1 - d) g` takes the place of g. ``weight_decay``
    adds ``weight_decay * p`` to the gradient. Source: Sutskever et al. (2013), in PyTorch's form.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ArgumentError("nesterov=True needs momentum above 0 and dampening 0")
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def check(self, settings: Group) -> None:
        """ArgumentError for settings that make no sense."""
        super().check(settings)
        if not settings["momentum"] >= 0:
            raise ArgumentError(f"momentum={settings['momentum']}: expected 0 or more")

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """One step for one parameter."""
        momentum = momentum_of(group) if group["momentum"] else setting(group, "momentum")
        if setting(group, "maximize"):
            grad = -grad
        if setting(group, "weight_decay"):
            grad = grad + p * setting(group, "weight_decay")
        if group["momentum"]:
            velocity = self._velocity(p, grad, momentum, setting(group, "dampening"))
            grad = grad + velocity * momentum if setting(group, "nesterov") else velocity
        p.sub_(grad * number(group, "lr"))

    def _velocity(self, p: Tensor, grad: Tensor, momentum: Any, dampening: float) -> Tensor:
        """The running sum of gradients; the first one counts in full."""
        state = self.of(p, momentum_buffer=lambda: creation.zeros_like(p))
        velocity: Tensor = state["momentum_buffer"].mul_(momentum)
        if not dampening:
            return velocity.add_(grad)
        state = self.of(p, momentum_buffer=lambda: None, step=lambda: 0)
        seen = number(state, "step")
        current().write(state, "step", seen + 1)
        return velocity.add_(grad * (1 - dampening * (seen > 0)))
