"""Adam."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..errors import ArgumentError
from ..op import current
from ..tensor import Tensor
from .optimizer import Group, Optimizer, number, setting


class Adam(Optimizer):
    r"""Adam: each weight gets a step of its own size.

    :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g`, :math:`v \leftarrow \beta_2 v + (1 - \beta_2)
    g^2`, :math:`p \leftarrow p - \text{lr}\, \hat m / (\sqrt{\hat v} + \epsilon)`, where the hats
    undo the start from zero. Source: Kingma and Ba (2015).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "maximize": maximize})

    def check(self, settings: Group) -> None:
        """ArgumentError for settings that make no sense."""
        super().check(settings)
        for i, beta in enumerate(settings["betas"]):
            if not 0 <= beta < 1:
                raise ArgumentError(f"betas[{i}]={beta}: expected 0 to below 1")
        if not settings["eps"] >= 0:
            raise ArgumentError(f"eps={settings['eps']}: expected 0 or more")

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """One step for one parameter."""
        beta1, beta2 = setting(group, "betas")
        state = self.of(
            p,
            step=lambda: 0,
            exp_avg=lambda: creation.zeros_like(p),
            exp_avg_sq=lambda: creation.zeros_like(p),
        )
        step = number(state, "step") + 1
        current().write(state, "step", step)
        if setting(group, "maximize"):
            grad = -grad
        if setting(group, "weight_decay"):
            grad = grad + p * setting(group, "weight_decay")
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m.mul_(beta1).add_(grad * (1 - beta1))
        v.mul_(beta2).add_((grad * grad).mul_(1 - beta2))
        # lr m_hat / (sqrt(v_hat) + eps), with the numbers gathered in front and beside eps
        root = (1 - beta2**step) ** 0.5
        size = number(group, "lr") * root / (1 - beta1**step)
        p.sub_((m / v.sqrt().add_(setting(group, "eps") * root)).mul_(size))
