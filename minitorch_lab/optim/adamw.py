"""Adam with weight decay apart from the gradient."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from .adam import Adam
from .optimizer import Group, number, setting


class AdamW(Adam):
    r"""Adam, with :math:`p \leftarrow p - \text{lr}\,\lambda\,p` as a step of its own.

    The decay is not divided by the size of the gradients, as it is in ``Adam(weight_decay=...)``.
    Source: Loshchilov and Hutter (2019).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def decayed(self, p: Tensor, grad: Tensor, group: Group) -> Tensor:
        """Shrink the parameter; the gradient stays as it is."""
        p.mul_(1 - number(group, "lr") * setting(group, "weight_decay"))
        return grad
