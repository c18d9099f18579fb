"""Settings to begin with: some that work, some that do not, each with its reason in words."""

from __future__ import annotations

from typing import Any, NamedTuple


class Preset(NamedTuple):
    """``settings`` that differ from the usual ones, and what is to be seen with them."""

    title: str
    good: bool
    reason: str
    settings: dict[str, Any]


PRESETS = {
    "moons": Preset(
        "Two moons",
        True,
        "Each unit of the first layer draws one straight line and softens it. The units after it "
        "add such lines up to a curve. Six of them are enough for two moons.",
        {},
    ),
    "xor-product": Preset(
        "Xor with the right feature",
        True,
        "The product of the two coordinates is positive in two quarters and negative in the other "
        "two. Given that number, no hidden layer is needed: to know the data is half the network.",
        {"data": "xor", "units": [], "features": ["x1*x2"], "lr": 0.03},
    ),
    "circles-squares": Preset(
        "Circles with squares",
        True,
        "A circle is where the sum of the squares has one value. With squares as features the "
        "boundary is a straight line in them, and a circle on the plane.",
        {"data": "circles", "units": [], "features": ["x1^2", "x2^2"], "lr": 0.03},
    ),
    "spirals": Preset(
        "Spirals, with enough units",
        True,
        "Two layers of eight units have room for all the turns. It takes a few thousand steps: the "
        "loss stands still for a while, then falls. Graph mode is a good idea here.",
        {"data": "spirals", "noise": 0.05, "units": [8, 8], "share": 0.8, "lr": 0.01},
    ),
    "held": Preset(
        "Noise, held by L2",
        True,
        "The noisy data of \u201cOverfitting\u201d below. L2 puts a price on large weights, so "
        "the boundary stays smooth and the test loss stays low.",
        {
            "data": "moons",
            "noise": 0.8,
            "share": 0.1,
            "units": [16, 16],
            "regulariser": "l2",
            "strength": 0.01,
        },
    ),
    "too-fast": Preset(
        "Learning rate too large",
        False,
        "Each step goes too far, to the other side of the valley, so the loss jumps up and "
        "down and never settles. Drag the learning rate down while it trains: it falls at once.",
        {"data": "moons", "units": [6, 4], "optimizer": "momentum", "lr": 3.0},
    ),
    "too-slow": Preset(
        "Learning rate too small",
        False,
        "The steps point the right way and are tiny. Nothing is broken, but it takes a hundred "
        "times as long. Drag the learning rate up to 0.1.",
        {"data": "moons", "units": [6, 4], "optimizer": "sgd", "lr": 0.0001},
    ),
    "xor-line": Preset(
        "Xor without a hidden layer",
        False,
        "Without a hidden layer the boundary is one straight line, and no line parts xor: the loss "
        "stays near 0.69, as for guessing. Add a layer of four units.",
        {"data": "xor", "units": [], "lr": 0.03},
    ),
    "linear": Preset(
        "Layers without an activation",
        False,
        "Two layers and twelve units, but a line of a line is a line: with no activation between "
        "them the layers are one layer. Choose tanh or relu.",
        {"data": "circles", "units": [8, 4], "activation": "linear"},
    ),
    "too-few": Preset(
        "Too few units for the spirals",
        False,
        "Three units are three soft lines, and the arms have more turns than that. More training "
        "does not help. Add units, or a second layer.",
        {"data": "spirals", "noise": 0.05, "units": [3], "share": 0.8},
    ),
    "overfitting": Preset(
        "Overfitting",
        False,
        "Forty noisy points and more than 300 weights: the network learns each point by heart. The "
        "training loss goes to 0 while the test loss rises. Take more training points, or L2.",
        {"data": "moons", "noise": 0.8, "share": 0.1, "units": [16, 16]},
    ),
    "vanishing": Preset(
        "Deep and sigmoid",
        False,
        "A sigmoid passes on at most a quarter of a gradient. Through six layers hardly anything "
        "reaches the first one, so it does not learn. Choose tanh or relu.",
        {"data": "moons", "units": [6] * 6, "activation": "sigmoid", "optimizer": "sgd", "lr": 0.1},
    ),
}
