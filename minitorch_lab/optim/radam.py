"""RAdam."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..op import current
from ..tensor import Tensor
from .optimizer import Group, Optimizer, momentum_of, number, second_of, setting


class RAdam(Optimizer):
    r"""Adam that waits with its division until the mean square is worth something.

    :math:`\rho_t` counts the gradients in the running mean. Up to 5 of them the step is
    :math:`\text{lr}\, \hat m`, after that Adam's times :math:`\sqrt{\frac{(\rho_t - 4)(\rho_t - 2)
    \rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2) \rho_t}}`. Source: Liu et al. (2020).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        more = {"maximize": maximize, "foreach": foreach, "capturable": capturable}
        more["decoupled_weight_decay"] = decoupled_weight_decay
        super().__init__(params, {**defaults, **more, "differentiable": differentiable})

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """One step for one parameter."""
        state = self.of(
            p,
            step=lambda: 0,
            exp_avg=lambda: creation.zeros_like(p),
            exp_avg_sq=lambda: creation.zeros_like(p),
        )
        step = number(state, "step") + 1
        current().write(state, "step", step)
        grad = self.slope(p, grad, group)
        beta1, beta2 = momentum_of(group), second_of(group)
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m.mul_(beta1).add_(grad * (1 - beta1))
        v.mul_(beta2).add_((grad * grad).mul_(1 - beta2))
        most = 2 / (1 - beta2) - 1
        rho = most - 2 * step * beta2**step / (1 - beta2**step)
        late = (0 * rho + 1) * (rho > 5)  # 1.0 or 0.0, no branch: a graph does not know the step
        ratio = (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)
        size = (late * ratio * (1 - beta2**step)) ** 0.5
        share = size / v.sqrt().add_(setting(group, "eps")) + (1 - late)
        p.sub_((m * share).mul_(number(group, "lr") / (1 - beta1**step)))
