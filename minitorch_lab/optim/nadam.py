"""NAdam."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..op import current
from ..tensor import Tensor
from .optimizer import Group, Optimizer, momentum_of, need_between, number, second_of, setting


class NAdam(Optimizer):
    r"""Adam that looks one step ahead, as Nesterov's momentum does.

    With :math:`\mu_t = \beta_1 (1 - 0.96^{t \psi} / 2)` the step is :math:`\frac{\text{lr}}{\sqrt{
    \hat v} + \epsilon} \left(\frac{1 - \mu_t}{1 - \prod_{i \le t} \mu_i} g + \frac{\mu_{t+1}}{1 -
    \prod_{i \le t+1} \mu_i} m\right)`; :math:`\psi` is ``momentum_decay``. Source: Dozat (2016).
    """

    counts = ("step", "mu_product")

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        more = {"momentum_decay": momentum_decay, "maximize": maximize, "foreach": foreach}
        last = {"capturable": capturable, "differentiable": differentiable}
        last["decoupled_weight_decay"] = decoupled_weight_decay
        super().__init__(params, {**defaults, **more, **last})

    def check(self, settings: Group) -> None:
        """ArgumentError for settings that make no sense."""
        super().check(settings)
        need_between("momentum_decay", settings["momentum_decay"], 0)

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """One step for one parameter."""
        state = self.of(
            p,
            step=lambda: 0,
            mu_product=lambda: 1.0,
            exp_avg=lambda: creation.zeros_like(p),
            exp_avg_sq=lambda: creation.zeros_like(p),
        )
        beta1, beta2 = momentum_of(group), second_of(group)
        step, psi = number(state, "step") + 1, setting(group, "momentum_decay")
        mu, following = (beta1 * (1 - 0.5 * 0.96 ** (t * psi)) for t in (step, step + 1))
        product = number(state, "mu_product") * mu
        current().write(state, "step", step)
        current().write(state, "mu_product", product)
        grad = self.slope(p, grad, group)
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m.mul_(beta1).add_(grad * (1 - beta1))
        v.mul_(beta2).add_((grad * grad).mul_(1 - beta2))
        root = (v / (1 - beta2**step)).sqrt_().add_(setting(group, "eps"))
        ahead = grad * ((1 - mu) / (1 - product)) + m * (following / (1 - product * following))
        p.sub_((ahead / root).mul_(number(group, "lr")))
