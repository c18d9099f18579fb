"""Adam."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..op import current
from ..ops import elementwise
from ..tensor import Tensor
from .optimizer import CYCLED, Group, Optimizer, momentum_of, need_between, number, setting


class Adam(Optimizer):
    r"""Adam: each weight gets a step of its own size.

    :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g`, :math:`v \leftarrow \beta_2 v + (1 - \beta_2)
    g^2`, :math:`p \leftarrow p - \text{lr}\, \hat m / (\sqrt{\hat v} + \epsilon)`, where the hats
    undo the start from zero. With ``amsgrad`` the largest v so far takes its place. Sources: Kingma
    and Ba (2015); Reddi, Kale and Kumar (2018).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "amsgrad": amsgrad, "maximize": maximize})

    def check(self, settings: Group) -> None:
        """ArgumentError for settings that make no sense."""
        super().check(settings)
        for i, beta in enumerate(settings["betas"]):
            need_between(f"betas[{i}]", beta, 0, 1)
        need_between("eps", settings["eps"], 0)

    def decayed(self, p: Tensor, grad: Tensor, group: Group) -> Tensor:
        """Weight decay as a part of the gradient."""
        return grad + p * setting(group, "weight_decay")

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """One step for one parameter."""
        beta1, beta2 = momentum_of(group), _second(group)
        amsgrad = setting(group, "amsgrad")
        first: Group = {
            "step": lambda: 0,
            "exp_avg": lambda: creation.zeros_like(p),
            "exp_avg_sq": lambda: creation.zeros_like(p),
        }
        if amsgrad:
            first["max_exp_avg_sq"] = lambda: creation.zeros_like(p)
        state = self.of(p, **first)
        step = number(state, "step") + 1
        current().write(state, "step", step)
        if setting(group, "maximize"):
            grad = -grad
        if setting(group, "weight_decay"):
            grad = self.decayed(p, grad, group)
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m.mul_(beta1).add_(grad * (1 - beta1))
        v.mul_(beta2).add_((grad * grad).mul_(1 - beta2))
        if amsgrad:
            v = state["max_exp_avg_sq"].copy_(elementwise.maximum(state["max_exp_avg_sq"], v))
        # lr m_hat / (sqrt(v_hat) + eps), with the numbers gathered in front and beside eps
        root = (1 - beta2**step) ** 0.5
        size = number(group, "lr") * root / (1 - beta1**step)
        p.sub_((m / v.sqrt().add_(setting(group, "eps") * root)).mul_(size))


def _second(group: Group) -> float:
    # where a schedule moves the first beta, the tuple is new in each step
    return float(group["betas"][1] if CYCLED in group else setting(group, "betas")[1])
