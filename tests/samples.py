"""All samples of some rows of the table, as one function: executors are asked for all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch_lab as lab
from minitorch_lab.op import current
from minitorch_lab.tensor import make


def samples_of(rows: list[Any], dtype: Any, device: str = "cpu") -> tuple[Callable[..., Any], Any]:
    """A function that gives the results and gradients of the samples, and its inputs."""
    rng = np.random.default_rng(7)
    cases = [(op, s, [make(d(rng, dtype)) for d in s.inputs]) for op in rows for s in op.samples]

    def all_of_them(*inputs: Any) -> list[Any]:
        rest, out = list(inputs), []
        for op, sample, xs in cases:
            taken = tuple(rest.pop(0) for _ in xs)
            y = current().apply(op, taken, sample.attrs)
            out.append(y)
            if op.differentiable and y.dtype.is_floating_point and y.numel():
                wanted = [x for x in taken if x.requires_grad]
                grads = lab.autograd.grad((y * y).sum(), wanted, allow_unused=True)
                out += [g for g in grads if g is not None]
        return out

    inputs = []
    for op, _, xs in cases:
        for i, x in enumerate(xs):
            inputs.append(x.to(device))
            inputs[-1].requires_grad = op.rule(i) is not None and x.dtype.is_floating_point
    return all_of_them, inputs
