"""Adamax."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..op import current
from ..ops import elementwise
from ..tensor import Tensor
from .optimizer import Group, Optimizer, momentum_of, number, second_of, setting


class Adamax(Optimizer):
    r"""Adam with the largest gradient of late in place of the mean square.

    :math:`u \leftarrow \max(\beta_2 u, |g| + \epsilon)`, :math:`p \leftarrow p - \text{lr}\,
    \hat m / u` with Adam's m. Source: Kingma and Ba (2015), section 7.1.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        more = {"foreach": foreach, "maximize": maximize}
        last = {"differentiable": differentiable, "capturable": capturable}
        super().__init__(params, {**defaults, **more, **last})

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """One step for one parameter."""
        state = self.of(
            p,
            step=lambda: 0,
            exp_avg=lambda: creation.zeros_like(p),
            exp_inf=lambda: creation.zeros_like(p),
        )
        step = number(state, "step") + 1
        current().write(state, "step", step)
        grad = self.slope(p, grad, group)
        beta1 = momentum_of(group)
        m, u = state["exp_avg"], state["exp_inf"]
        m.mul_(beta1).add_(grad * (1 - beta1))
        largest = elementwise.maximum(u * second_of(group), grad.abs() + setting(group, "eps"))
        p.sub_((m / u.copy_(largest)) * (number(group, "lr") / (1 - beta1**step)))
