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
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ArgumentError(
                f"nesterov=True: got momentum={momentum}, dampening={dampening}\n"
                "  expected momentum above 0 and dampening 0"
            )
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )

    def load_state_dict(self, state_dict: Group) -> None:
        """Take settings and state over; PyTorch's does not count the steps."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            for p in group["params"] if group["dampening"] else ():
                if p in self.state:
                    self.state[p].setdefault("step", 1)

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """One step for one parameter."""
        momentum = momentum_of(group) if group["momentum"] else setting(group, "momentum")
        grad = self.slope(p, grad, group)
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
