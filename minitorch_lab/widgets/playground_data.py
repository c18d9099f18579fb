"""Points in the plane to learn from, and what can be computed of a point before the first layer.

A data set is a function of a few lines that takes the number of points and the noise. "Show me the
code" shows these very lines, so they are written as a learner would write them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

from ..creation import arange, rand, randn
from ..ops import FUNCTIONS
from ..tensor import Tensor

# The data sets say `lab`, as a learner's lines do. Of that they need this.
lab = SimpleNamespace(pi=math.pi, arange=arange, rand=rand, randn=randn, stack=FUNCTIONS["stack"])
Points = tuple[Tensor, Tensor]


def moons(n: int, noise: float) -> Points:
    """Two half circles, each with an end inside of the other."""
    y = lab.arange(n).remainder(2)
    side = 1 - 2 * y  # the second is the first, turned round
    t = lab.pi * lab.rand(n)
    x = 2 * lab.stack([side * (t.cos() - 0.5), side * (t.sin() - 0.25)], 1)
    return x + noise * lab.randn(n, 2), y


def circles(n: int, noise: float) -> Points:
    """A disc, and a ring around it."""
    y = lab.arange(n).remainder(2)
    r = 1.8 * y + lab.rand(n)
    t = 2 * lab.pi * lab.rand(n)
    x = lab.stack([r * t.cos(), r * t.sin()], 1)
    return x + noise * lab.randn(n, 2), y


def spirals(n: int, noise: float) -> Points:
    """Two arms that wind around each other."""
    y = lab.arange(n).remainder(2)
    r = lab.rand(n).sqrt()
    t = 3.5 * lab.pi * r + lab.pi * y
    x = 3 * lab.stack([r * t.cos(), r * t.sin()], 1)
    return x + noise * lab.randn(n, 2), y


def xor(n: int, noise: float) -> Points:
    """Four quarters: the class says whether the two coordinates have different signs."""
    x = 6 * lab.rand(n, 2) - 3
    y = (x[:, 0] * x[:, 1]).lt(0).long()
    return x + 0.2 * x.sign() + noise * lab.randn(n, 2), y


def gaussians(n: int, noise: float) -> Points:
    """Two round clouds."""
    y = lab.arange(n).remainder(2)
    x = 1.5 * (2 * y - 1).unsqueeze(1) + (0.5 + noise) * lab.randn(n, 2)
    return x, y


def pinwheel(n: int, noise: float) -> Points:
    """Three bent arms, so three classes."""
    y = lab.arange(n).remainder(3)
    r = lab.rand(n).sqrt()
    t = lab.pi * r + 2 * lab.pi / 3 * y
    x = 3 * lab.stack([r * t.cos(), r * t.sin()], 1)
    return x + noise * lab.randn(n, 2), y


def plane(n: int, noise: float) -> Points:
    """A number that grows from one corner to the other: a straight line is enough."""
    x = 6 * lab.rand(n, 2) - 3
    y = x.sum(1, keepdim=True) / 6
    return x, y + noise * lab.randn(n, 1)


def waves(n: int, noise: float) -> Points:
    """A number that goes up and down over the plane."""
    x = 6 * lab.rand(n, 2) - 3
    y = x[:, :1].sin() * x[:, 1:].cos()
    return x, y + noise * lab.randn(n, 1)


DATA: dict[str, Callable[[int, float], Points]] = {
    f.__name__: f for f in (moons, circles, spirals, xor, gaussians, pinwheel, plane, waves)
}
TITLES = {
    "moons": "two moons",
    "circles": "circles",
    "spirals": "spirals",
    "xor": "xor",
    "gaussians": "gaussians",
    "pinwheel": "pinwheel, 3 classes",
    "plane": "plane, a number",
    "waves": "waves, a number",
    "own": "your arrays",
}


class Feature(NamedTuple):
    """What is computed of a point: its value, and the same as code."""

    value: Callable[[Tensor, Tensor], Tensor]
    code: str
    sign: str


FEATURES = {
    "x1": Feature(lambda x1, x2: x1, "x1", "x₁"),
    "x2": Feature(lambda x1, x2: x2, "x2", "x₂"),
    "x1^2": Feature(lambda x1, x2: x1**2, "x1**2", "x₁²"),
    "x2^2": Feature(lambda x1, x2: x2**2, "x2**2", "x₂²"),
    "x1*x2": Feature(lambda x1, x2: x1 * x2, "x1 * x2", "x₁x₂"),
    "sin x1": Feature(lambda x1, x2: x1.sin(), "x1.sin()", "sin x₁"),
    "sin x2": Feature(lambda x1, x2: x2.sin(), "x2.sin()", "sin x₂"),
}


def featured(points: Tensor, names: tuple[str, ...]) -> Tensor:
    """The features ``names`` of points ``(N, 2)``: ``(N, len(names))``.

    >>> from minitorch_lab import tensor
    >>> featured(tensor([[2.0, 3.0]]), ("x1", "x1*x2"))
    tensor([[2., 6.]])
    """
    x1, x2 = points[:, 0], points[:, 1]
    return lab.stack([FEATURES[name].value(x1, x2) for name in names], 1)
