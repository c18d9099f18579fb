"""Lesson 10: what is asked in it, and what is answered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

import minitorch_lab
from minitorch_lab import random
from minitorch_lab.errors import ArgumentError, KindError
from minitorch_lab.lessons.judges import Function, Rule
from minitorch_lab.lessons.model import (
    Choice,
    Exercise,
    Lesson,
    Prediction,
    Question,
    Table,
    Verdict,
    Wrong,
)
from minitorch_lab.widgets.playground_run import Play
from minitorch_lab.widgets.playground_settings import Settings, changed

lab: Any = minitorch_lab  # written as a learner writes it

FIXED = ("data", "noise", "share", "seed", "mode")
DICTIONARY = 'A dictionary of settings is expected, such as {"batch": 5}.'
DATA_CHANGED = "The data should stay as they are: leave data, noise, share and seed alone."


def _trained(settings: Settings, steps: int, own: tuple[Any, Any] | None = None) -> Play:
    play = Play(settings, own)
    play.set_mode("graph")
    play.step(steps)
    return play


def _asked(answer: Any) -> str | None:
    """What is wrong with the settings before any of them is tried."""
    if not isinstance(answer, dict):
        return DICTIONARY
    if any(name in FIXED for name in answer):
        return DATA_CHANGED
    try:
        changed(Settings(), answer)
    except (KindError, ArgumentError) as error:
        return "; ".join(line.strip() for line in str(error).splitlines()) + "."
    return None


# 10.1 ------------------------------------------------------------------------------------------

NOTHING_CHANGED = "Nothing is changed yet. Name one setting and a value for it."
TWO = "More than one thing is changed. Which of them was it? Change one alone."


def disk() -> tuple[Any, Any]:
    """The lesson's points: a disk, and a ring around it."""
    with random.apart(random.Generator().manual_seed(42).get_state()):
        kind = lab.arange(400) % 2
        radius = lab.where(kind == 1, 0.9 * lab.rand(400), 1.6 + 0.6 * lab.rand(400))
        angle = 2 * lab.pi * lab.rand(400)
        return lab.stack([radius * angle.cos(), radius * angle.sin()], 1), kind


def _break(answer: Any) -> str | Verdict | None:
    if found := _asked(answer):
        return found
    if not answer:
        return NOTHING_CHANGED
    if len(answer) > 1:
        return TWO
    start = {"data": "own", "noise": 0.0, "units": [8]}
    play = _trained(changed(Settings(), {**start, **answer}), 1500, disk())
    right = float(play.history.test_accuracy[-1])
    if right < 0.8:
        return None
    return f"{still_solved(answer)} The test accuracy is {right:.0%}."


def still_solved(answer: dict[str, Any]) -> str:
    """Why this change does not break the network."""
    (name,) = answer
    if name == "units":
        return "There are still enough units: three lines close around a disk."
    if name == "lr":
        return "This learning rate still works. The field is wide: think of much more, or less."
    if name == "activation":
        return "This activation bends, too. Which one does not?"
    return "The network still learns it."


# 10.2 ------------------------------------------------------------------------------------------

SPIRAL = {"data": "spirals", "noise": 0.05, "share": 0.8}
GOAL, SEEDS = 0.94, 3
STRAIGHT = "Without a bend all layers are one, and one line parts no spirals. Choose an activation."
NO_LAYER = "There is no hidden layer, so there is one straight line. Give some units."
FEW = "Too few units: each is one soft line, and the arms have many turns. Take more, or a layer."
ONE_LAYER = "One layer comes some of the way. A second one bends what is bent already."
SLOW = "The steps are too small: the loss has hardly moved after 3000 of them."
FAST = "The steps are too large: the loss jumps and does not settle."


def _solve(answer: Any) -> str | Verdict | None:
    if found := _asked(answer):
        return found
    settings = changed(Settings(), {**SPIRAL, **answer})
    scores: list[float] = []
    losses: list[float] = []
    for seed in range(SEEDS):
        play = _trained(changed(settings, {"seed": seed}), 3000)
        scores.append(float(play.history.test_accuracy[-1]))
        losses.append(float(play.history.train[-1]))
        if sum(scores) + SEEDS - len(scores) < GOAL * SEEDS:
            break  # were the others without a mistake, the mean would still be too low
    mean = sum(scores) / len(scores)
    if len(scores) == SEEDS and mean >= GOAL:
        return None
    rows = [(str(seed), f"{score:.0%}") for seed, score in enumerate(scores)]
    rows.append(("mean", f"{mean:.0%}" if len(scores) == SEEDS else "below 94%"))
    table = Table(("seed", "test accuracy"), (*rows, ("wanted", "94%")))
    return Verdict(False, _why(settings, float(np.mean(losses))), table=table)


def _why(settings: Settings, loss: float) -> str:
    if not settings.units:
        return NO_LAYER
    if settings.activation == "linear":
        return STRAIGHT
    if not loss < 0.7:
        return FAST
    if settings.lr < 0.002 and settings.optimizer != "momentum":
        return SLOW
    if sum(settings.units) < 10:
        return FEW
    if len(settings.units) == 1:
        return ONE_LAYER
    return "Near, and not there yet. Try more units, or another learning rate."


# 10.3 ------------------------------------------------------------------------------------------


def forward(layers: Sequence[tuple[Any, Any]], point: Sequence[float]) -> list[float]:
    """A network of tanh units, in NumPy."""
    return _scores(layers, point)


def _scores(
    layers: Sequence[tuple[Any, Any]],
    point: Sequence[float],
    *,
    bend: bool = True,
    end: bool = False,
    bias: bool = True,
    order: str = "sum, bias, bend",
) -> list[float]:
    values = np.asarray(point, dtype=float)
    for i, (rows, biases) in enumerate(layers):
        values = np.asarray(rows) @ values
        if order == "sum, bend, bias" and i < len(layers) - 1:
            values = np.tanh(values)
        if bias:
            values = values + np.asarray(biases)
        if order == "sum, bias, bend" and bend and (end or i < len(layers) - 1):
            values = np.tanh(values)
    return [float(value) for value in values]


def forward_by_recursion(layers: Sequence[tuple[Any, Any]], point: Sequence[float]) -> list[float]:
    """A right answer that calls itself for the layers that are left."""
    (rows, biases), *rest = layers
    sums = [b + sum(w * v for w, v in zip(row, point, strict=True))
            for row, b in zip(rows, biases, strict=True)]  # fmt: skip
    return forward_by_recursion(rest, [math.tanh(s) for s in sums]) if rest else sums


def _network(drawn: np.random.Generator, sizes: Sequence[int]) -> tuple[Any, Any]:
    layers = [
        (drawn.normal(size=(m, n)).tolist(), drawn.normal(size=m).tolist())
        for n, m in pairwise(sizes)
    ]
    return layers, drawn.normal(size=sizes[0]).tolist()


def _networks() -> list[tuple[Any, Any]]:
    drawn = np.random.default_rng(10)
    return [_network(drawn, sizes) for sizes in ([2, 1], [2, 3, 2], [2, 4, 3, 2], [2, 2, 2, 2, 3])]


LESSON = Lesson(
    number="10",
    title="Playground",
    minutes=30,
    needs=("00", "03", "09"),
    asks="How many units does a network need, and what happens when I turn the knobs?",
    next="11",
    predictions={
        "10.p1": Prediction(
            question="What is the smallest number of units, in one layer, that can close a border "
            "around the disk?",
            choices=("`1`", "`2`", "`3`", "`8`"),
            result="`3`",
            why="Each unit is one line. It takes three lines to close a shape: a triangle.",
        ),
        "10.p2": Prediction(
            question="Two layers of eight units and no activation. How well does the network tell "
            "disk from ring?",
            choices=(
                "perfectly: 16 units are plenty",
                "rather well, but not perfectly",
                "hardly better than guessing",
            ),
            result="hardly better than guessing",
            why="Without a bend, layers of sums are one sum. It draws one straight line, and no "
            "line parts a disk from its ring.",
        ),
        "10.p3": Prediction(
            question="Four learning rates for plain gradient descent. Which has the smallest "
            "training loss after 400 steps?",
            choices=("`0.001`", "`0.1`", "`1`", "`100`"),
            why="0.1 gets there too, only later. 0.001 has hardly begun, and 100 throws the "
            "weights far away.",
        ),
        "10.p4": Prediction(
            question="All coordinates are multiplied by 100, and nothing else is changed. How well "
            "does the network do?",
            choices=(
                "as well as before: the picture is the same",
                "it gets much worse",
                "even better: the points are farther apart",
            ),
            result="it gets much worse",
            why="The first weights are made for inputs near 1. Sums of a hundred times that size "
            "press every tanh flat, and where it is flat there is no gradient.",
        ),
    },
    exercises={
        "10.1": Exercise(
            title="break it with one knob",
            level="easy",
            judge=Rule(_break, seconds=60),
            right="One wrong setting is enough, and no error says so. Only the picture does.",
            hints=(
                "Sections 2, 3 and 4 each broke a network. With which settings?",
                'The names are those of `lab.playground`: "units", "activation", "lr", '
                '"features", "optimizer", ...',
                'Without a bend, two layers are one line. That activation is called "linear".',
            ),
            wrong=(
                Wrong({}, NOTHING_CHANGED),
                Wrong({"lr": 1e-6, "units": [1]}, TWO),
                Wrong({"noise": 5.0}, DATA_CHANGED),
                Wrong("linear", DICTIONARY),
                Wrong(
                    {"units": [8, 8]},
                    "There are still enough units: three lines close around a disk. The test "
                    "accuracy is 100%.",
                ),
                Wrong(
                    {"activation": "relu"},
                    "This activation bends, too. Which one does not? The test accuracy is 100%.",
                ),
            ),
            also=({"lr": 1e-7}, {"units": []}, {"lr": 500}),
        ),
        "10.2": Exercise(
            title="solve the spiral",
            level="core",
            judge=Rule(_solve, seconds=60),
            right="Solved, with three seeds. Look at it in a playground: the second layer makes "
            "curls of the lines of the first.",
            hints=(
                'Start from `lab.playground(preset="spirals")`, and look what is set there.',
                "Two layers see more than one. Eight units in each are enough.",
                '{"units": [8, 8], "lr": 0.01} is one of many answers.',
            ),
            wrong=(
                Wrong({"units": [8, 8], "activation": "linear"}, STRAIGHT),
                Wrong({"units": []}, NO_LAYER),
                Wrong({"units": [3]}, FEW),
                Wrong({"units": [16]}, ONE_LAYER),
                Wrong({"units": [8, 8], "lr": 0.0001}, SLOW),
                Wrong({"units": [8, 8], "lr": 1.0}, FAST),
                Wrong([8, 8], DICTIONARY),
                Wrong({"units": [8, 8], "noise": 0.0}, DATA_CHANGED),
            ),
            also=(
                {"units": [16, 16], "activation": "relu"},
                {"units": (12, 8), "lr": 0.02, "activation": "tanh"},
            ),
        ),
        "10.3": Exercise(
            title="out of the library",
            level="stretch",
            judge=Function(
                forward,
                _networks,
                labels=("one layer", "two layers", "three layers", "four layers"),
                column="network",
                fresh=lambda drawn: _network(drawn, drawn.integers(1, 6, size=4).tolist()),
            ),
            right="A trained network is a list of numbers and a few lines. It runs anywhere.",
            hints=(
                "Keep a list `values`. It begins as the point, and each layer makes a new one.",
                "One unit: sum(w * v for w, v in zip(row, values)) + b.",
                "Bend with math.tanh in every layer but the last.",
            ),
            wrong=(
                Wrong(
                    lambda layers, point: _scores(layers, point, end=True),
                    "The last layer is bent as well. Its scores should stay as they are.",
                ),
                Wrong(
                    lambda layers, point: _scores(layers, point, bend=False),
                    "Nothing is bent. Then all layers are one: use math.tanh between them.",
                ),
                Wrong(
                    lambda layers, point: _scores(layers, point, bias=False),
                    "The biases are missing. Each unit adds one to its sum.",
                ),
                Wrong(
                    lambda layers, point: _scores(layers, point, order="sum, bend, bias"),
                    "The bias is added after the bend. It belongs to the sum, before it.",
                ),
                Wrong(
                    lambda layers, point: _scores(layers[:1], point),
                    "That is the first layer alone. Go on to the last.",
                ),
            ),
            also=(forward, forward_by_recursion),
        ),
    },
    quiz=(
        Question(
            title="capacity",
            ask="The training loss goes to 0, and the test loss rises. What may help?",
            choices=(
                Choice("more units", "They make it easier still to learn noise by heart."),
                Choice(
                    "more points, fewer units, or a price on large weights",
                    "All three leave the network less room for noise.",
                    right=True,
                ),
                Choice("more training", "The longer it trains, the more noise it learns."),
            ),
        ),
        Question(
            title="layers",
            ask="What do five layers of units do, if none of them has an activation?",
            choices=(
                Choice(
                    "as much as one layer",
                    "A sum of sums is a sum. Section 3 folded three layers into one.",
                    right=True,
                ),
                Choice("five times as much", "They have more numbers, and draw the same line."),
                Choice("nothing: they cannot be trained", "They train well. It is one line."),
            ),
        ),
        Question(
            title="the knob",
            ask="The loss jumps up and down and does not settle. What do you try first?",
            choices=(
                Choice("train longer", "It would jump for longer."),
                Choice(
                    "a smaller learning rate",
                    "Jumps say that the steps go too far. In the panel you can drag it down.",
                    right=True,
                ),
                Choice("another seed", "Another start, and the same steps that go too far."),
            ),
        ),
    ),
)
