"""Adam."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..op import current
from ..ops import elementwise
from ..tensor import Tensor
from .optimizer import Group, Optimizer, momentum_of, number, second_of, setting


class Adam(Optimizer):
    r"""Adam: each weight gets a step of its own size.

    :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g`, :math:`v \leftarrow \beta_2 v + (1 - \beta_2)
    g^2`, :math:`p \leftarrow p - \text{lr}\, \hat m / (\sqrt{\hat v} + \epsilon)`, where the hats
    undo the start from zero. With ``amsgrad`` the largest v so far takes its place, and
    ``decoupled_weight_decay`` makes it AdamW. Sources: Kingma and Ba (2015); Reddi, Kale and Kumar
    (2018).
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
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        more = {"amsgrad": amsgrad, "maximize": maximize, "foreach": foreach, "fused": fused}
        last = {"capturable": capturable, "differentiable": differentiable}
        last["decoupled_weight_decay"] = decoupled_weight_decay
        super().__init__(params, {**defaults, **more, **last})

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """One step for one parameter."""
        beta1, beta2 = momentum_of(group), second_of(group)
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
        grad = self.slope(p, grad, group)
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m.mul_(beta1).add_(grad * (1 - beta1))
        v.mul_(beta2).add_((grad * grad).mul_(1 - beta2))
        if amsgrad:
            v = state["max_exp_avg_sq"].copy_(elementwise.maximum(state["max_exp_avg_sq"], v))
        # lr m_hat / (sqrt(v_hat) + eps), with the numbers gathered in front and beside eps
        root = (1 - beta2**step) ** 0.5
        size = number(group, "lr") * root / (1 - beta1**step)
        p.sub_((m / v.sqrt().add_(setting(group, "eps") * root)).mul_(size))
