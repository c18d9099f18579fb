"""Adam with weight decay apart from the gradient."""

from __future__ import annotations

from typing import Any

from .adam import Adam


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
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
