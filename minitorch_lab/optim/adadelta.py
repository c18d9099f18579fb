"""Adadelta."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..op import current
from ..tensor import Tensor
from .optimizer import Group, Optimizer, need_between, number, setting


class Adadelta(Optimizer):
    r"""Steps as large as the steps of before: no learning rate has to be found.

    :math:`v \leftarrow \rho v + (1 - \rho) g^2`, :math:`\Delta = g \sqrt{u + \epsilon} /
    \sqrt{v + \epsilon}`, :math:`u \leftarrow \rho u + (1 - \rho) \Delta^2`,
    :math:`p \leftarrow p - \text{lr}\,\Delta`. Source: Zeiler (2012).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
        more = {"maximize": maximize, "capturable": capturable, "foreach": foreach}
        super().__init__(params, {**defaults, **more, "differentiable": differentiable})

    def check(self, settings: Group) -> None:
        """ArgumentError for settings that make no sense."""
        super().check(settings)
        if settings["rho"] != 1:
            need_between("rho", settings["rho"], 0, 1)

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """One step for one parameter."""
        state = self.of(
            p,
            step=lambda: 0,
            square_avg=lambda: creation.zeros_like(p),
            acc_delta=lambda: creation.zeros_like(p),
        )
        current().write(state, "step", number(state, "step") + 1)
        grad = self.slope(p, grad, group)
        rho, eps = setting(group, "rho"), setting(group, "eps")
        v, u = state["square_avg"], state["acc_delta"]
        v.mul_(rho).add_((grad * grad).mul_(1 - rho))
        delta = (u + eps).sqrt() / (v + eps).sqrt() * grad
        u.mul_(rho).add_((delta * delta).mul_(1 - rho))
        p.sub_(delta * number(group, "lr"))
