"""Adagrad."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..op import current
from ..tensor import Tensor
from .optimizer import Group, Optimizer, need_between, number, setting


class Adagrad(Optimizer):
    r"""Gradients divided by the root of the sum of all their squares so far.

    :math:`s \leftarrow s + g^2`, :math:`p \leftarrow p - \text{lr}_t\, g / (\sqrt s + \epsilon)`
    with :math:`\text{lr}_t = \text{lr} / (1 + (t - 1)\,\text{lr\_decay})`. Source: Duchi, Hazan
    and Singer (2011).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay}
        start = {"initial_accumulator_value": initial_accumulator_value, "foreach": foreach}
        more = {"maximize": maximize, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**defaults, **start, **more})

    def check(self, settings: Group) -> None:
        """ArgumentError for settings that make no sense."""
        super().check(settings)
        for name in ("lr_decay", "initial_accumulator_value"):
            need_between(name, settings[name], 0)

    def add_param_group(self, group: Group) -> None:
        """Add parameters; their sums start at ``initial_accumulator_value`` right away."""
        super().add_param_group(group)
        for p in self.param_groups[-1]["params"]:
            self._start(p, self.param_groups[-1])

    def _start(self, p: Tensor, group: Group) -> Group:
        start = group["initial_accumulator_value"]
        return self.of(p, step=lambda: 0, sum=lambda: creation.full_like(p, start))

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """One step for one parameter."""
        state = self._start(p, group)
        before = number(state, "step")
        current().write(state, "step", before + 1)
        grad = self.slope(p, grad, group)
        lr = number(group, "lr") / (1 + before * setting(group, "lr_decay"))
        total = state["sum"].add_(grad * grad)
        p.sub_((grad / total.sqrt().add_(setting(group, "eps"))).mul_(lr))
