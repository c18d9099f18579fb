"""Rprop."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..errors import ArgumentError
from ..op import current
from ..ops import elementwise
from ..tensor import Tensor
from .optimizer import Group, Optimizer, need_pair, number, setting


class Rprop(Optimizer):
    r"""Steps that look at the sign of the gradient only, for all data at once.

    Each weight has a step of its own, ``lr`` at first. It grows by ``etas[1]`` while the sign
    stays, and shrinks by ``etas[0]`` when it turns, and then the weight waits for one step.
    ``step_sizes`` bounds the steps. Source: Riedmiller and Braun (1993).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach}
        more = {"maximize": maximize, "differentiable": differentiable, "capturable": capturable}
        super().__init__(params, {**defaults, **more})

    def check(self, settings: Group) -> None:
        """ArgumentError for settings that make no sense."""
        super().check(settings)
        need_pair("etas", settings["etas"])
        need_pair("step_sizes", settings["step_sizes"])
        if not 0 < settings["etas"][0] < 1 < settings["etas"][1]:
            raise ArgumentError(
                f"etas={settings['etas']}: expected one between 0 and 1 and one above 1"
            )

    def update(self, p: Tensor, grad: Tensor, group: Group) -> None:
        """One step for one parameter."""
        first = group["lr"]
        state = self.of(
            p,
            step=lambda: 0,
            prev=lambda: creation.zeros_like(p),
            step_size=lambda: creation.full_like(p, first),
        )
        current().write(state, "step", number(state, "step") + 1)
        if setting(group, "maximize"):
            grad = -grad
        less, more = setting(group, "etas")
        turn = grad * state["prev"]
        size = state["step_size"]
        next_size = elementwise.where(turn < 0, size * less, size)
        next_size = elementwise.where(turn > 0, size * more, next_size)
        size.copy_(next_size.clamp(*setting(group, "step_sizes")))
        grad = elementwise.where(turn < 0, 0.0, grad)
        p.sub_(grad.sign() * size)
        state["prev"].copy_(grad)
