"""Lesson 07: what is asked in it, and what is answered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import minitorch_lab
from minitorch_lab.lessons.judges import Function, Rule, as_array, number
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

lab: Any = minitorch_lab  # written as a learner writes it

GOAL = 0.008
TOO_SMALL = "The steps are too small: after 100 epochs the loss is still far from the floor."
TOO_LARGE = (
    "The steps are too large: each one overshoots, so the loss falls slowly or grows without end."
)
BEST = 0.3  # about the rate that arrives soonest


def article_start() -> tuple[Any, Any, float, float]:
    """The data of article S4 and its model's first weight and bias.

    The random numbers of the learner's notebook are left as they were.
    """
    state = lab.get_rng_state()
    lab.manual_seed(42)
    X = 2 * lab.rand(100, 1)
    y = 4 + 3 * X + 0.1 * lab.randn(100, 1)
    first = lab.nn.Linear(1, 1)
    lab.set_rng_state(state)
    return X, y, first.weight.item(), first.bias.item()


def loss_at(epoch: int, lr: float) -> float:
    """The loss that the article's loop prints at an epoch: measured before its update."""
    X, y, w, b = article_start()
    x, target = as_array(X)[:, 0], as_array(y)[:, 0]
    gap = w * x + b - target
    for _ in range(epoch - 1):
        w, b = w - lr * 2 * float((gap * x).mean()), b - lr * 2 * float(gap.mean())
        if not math.isfinite(w + b) or abs(w) > 1e100:
            return math.inf
        gap = w * x + b - target
    return float((gap**2).mean())


def _learning_rate(answer: Any) -> str | Verdict | None:
    lr = float(as_array(answer).reshape(()))
    if not math.isfinite(lr):
        return "A learning rate is an ordinary number, such as 0.01."
    if lr < 0:
        return "A negative learning rate walks uphill: the loss grows."
    if lr == 0:
        return "With a learning rate of 0 nothing moves: every epoch has the same loss."
    tried = [loss_at(epoch, lr) for epoch in (10, 50, 100)]
    if tried[-1] < GOAL:
        return None
    table = Table(
        ("epoch", "loss", "wanted"),
        tuple(
            (str(epoch), number(loss) if loss < 1e12 else "beyond 1e12", wanted)
            for epoch, loss, wanted in zip((10, 50, 100), tried, ("", "", "< 0.008"), strict=True)
        ),
    )
    return Verdict(False, TOO_LARGE if lr > BEST else TOO_SMALL, table=table)


def _order(answer: Any) -> str | None:
    if isinstance(answer, (list, tuple)):
        answer = "".join(map(str, answer))
    if not isinstance(answer, str):
        return 'A text of five letters is expected, such as "ABCDE".'
    given = answer.upper().replace(" ", "").replace(",", "")
    if sorted(given) != list("ABCDE"):
        return "Each of the five letters A to E is needed once."
    at = {letter: place for place, letter in enumerate(given)}
    if at["B"] < at["C"]:
        return "B comes too early: the loss needs the outputs that C makes."
    if at["D"] < at["B"]:
        return "D comes too early: backward() starts from the loss that B makes."
    if at["A"] < at["D"]:
        return "A comes too early: the optimiser needs the gradients that D computes."
    if at["D"] < at["E"] < at["A"]:
        return "E stands between D and A: it clears the gradients before the optimiser uses them."
    return None


def floor(X: Any, y: Any) -> Any:
    """The lowest mean squared error that a line can reach on these data."""
    dx, dy = X - X.mean(), y - y.mean()
    slope = (dx * dy).sum() / (dx * dx).sum()
    return ((dy - slope * dx) ** 2).mean()


def _floor_by_columns(X: Any, y: Any) -> float:
    """The same by NumPy's solver: a column of ones beside the inputs."""
    x, target = as_array(X)[:, 0], as_array(y)[:, 0]
    columns = np.stack([x, np.ones_like(x)], 1)
    best = np.linalg.lstsq(columns, target, rcond=None)[0]
    return float(np.mean((columns @ best - target) ** 2))


def _floor_by_correlation(X: Any, y: Any) -> Any:
    """The same as the part of the spread of y that does not go with X."""
    together = ((X - X.mean()) * (y - y.mean())).mean()
    return y.var(correction=0) - together**2 / X.var(correction=0)


def _any_points(chance: np.random.Generator) -> tuple[Any, Any]:
    x, y = chance.normal(0, 1, (2, 6, 1)).round(1).tolist()
    return lab.tensor(x), lab.tensor(y)


def _data_sets() -> Sequence[tuple[Any, Any]]:
    X = lab.tensor([[0.0], [1.0], [2.0], [3.0]])
    return [
        (X, lab.tensor([[1.0], [3.0], [2.0], [5.0]])),
        (X, 2 * X + 1),
        article_start()[:2],
    ]


LESSON = Lesson(
    number="07",
    title="Linear regression, to the digit",
    minutes=40,
    needs=("00", "03"),
    asks="Can I get the very numbers that an article printed?",
    next="08",
    predictions={
        "07.p1": Prediction(
            question="The data are made as y = 4 + 3 X, plus some noise. Which slope will the "
            "line have after training?",
            field="slope",
            why="It comes near to 3 and does not hit it: 1000 small steps are not enough to "
            "arrive, and the noise moves the best line a little.",
        ),
        "07.p2": Prediction(
            question="At epoch 1000 the loss is 0.0074. What will it be after another 9000 epochs?",
            choices=(
                "`0.0000`: more training always helps",
                "`0.0066`: it stops at a floor",
                "`0.0740`: it grows again",
            ),
            result="`0.0066`: it stops at a floor",
            why="The noise in y is no line, so no line can follow it. What is left is the floor.",
        ),
        "07.p3": Prediction(
            question="The loop without optimizer.zero_grad(). What does the loss do?",
            choices=(
                "it falls as before, only slower",
                "it swings up and down",
                "it stays where it was",
            ),
            result="it swings up and down",
            why="Every step goes by the sum of all gradients so far, so it keeps running past the "
            "lowest place, like a ball that nothing slows down.",
        ),
    },
    exercises={
        "07.1": Exercise(
            title="the five lines of a step",
            level="easy",
            judge=Rule(_order),
            right="Forward, loss, backward, step, and the gradients set to zero at any time "
            "but between backward and step.",
            hints=(
                "Ask of each line what it needs: the loss needs the outputs, backward needs the "
                "loss, the optimiser needs the gradients.",
                "C makes the outputs, B the loss, D the gradients, and A uses them.",
                "E clears the gradients: that must not happen between D and A.",
            ),
            wrong=(
                Wrong(
                    "CBDEA",
                    "E stands between D and A: it clears the gradients before the optimiser "
                    "uses them.",
                ),
                Wrong(
                    "ECBAD",
                    "A comes too early: the optimiser needs the gradients that D computes.",
                ),
                Wrong("EBCDA", "B comes too early: the loss needs the outputs that C makes."),
                Wrong("ECDBA", "D comes too early: backward() starts from the loss that B makes."),
                Wrong("CBDA", "Each of the five letters A to E is needed once."),
                Wrong(5, 'A text of five letters is expected, such as "ABCDE".'),
            ),
            also=("ECBDA", list("CEBDA"), "c, b, d, a, e"),
        ),
        "07.2": Exercise(
            title="a better learning rate",
            level="core",
            judge=Rule(_learning_rate),
            right="With this rate 100 epochs do what took the article 900 and more.",
            hints=(
                "The article's 0.01 is still at 0.2 after 100 epochs. Try ten times as much.",
                "Above about 0.44 the loss grows on these data.",
                "Everything from 0.1 to 0.43 is right.",
            ),
            wrong=(
                Wrong(0.01, TOO_SMALL),
                Wrong(0.44, TOO_LARGE),
                Wrong(
                    0.0, "With a learning rate of 0 nothing moves: every epoch has the same loss."
                ),
                Wrong(-0.1, "A negative learning rate walks uphill: the loss grows."),
                Wrong(math.inf, "A learning rate is an ordinary number, such as 0.01."),
            ),
            also=(0.1, 0.43, lab.tensor(0.2)),
        ),
        "07.3": Exercise(
            title="why .0074 and not 0?",
            level="stretch",
            judge=Function(
                floor,
                _data_sets,
                labels=("four points", "a perfect line", "the article's"),
                column="data",
                fresh=_any_points,
            ),
            right="No line is better than this. Of the article's 0.0074, 0.0066 is floor; "
            "only the other 0.0008 is training that was not finished.",
            hints=(
                "Subtract the means first: dx = X - X.mean(), dy = y - y.mean().",
                "The best slope is (dx * dy).sum() / (dx * dx).sum().",
                "What is left is dy - slope * dx. Its mean square is the floor.",
            ),
            wrong=(
                Wrong(
                    lambda X, y: 0.0,
                    "A loss of 0 needs all points on one line. Only one of the three data sets "
                    "is like that.",
                ),
                Wrong(
                    lambda X, y: ((y - (4 + 3 * X)) ** 2).mean(),
                    "This is the loss of the line 4 + 3 X. Other data have another best line, and "
                    "even for the article's the best line is a little better.",
                ),
                Wrong(
                    lambda X, y: ((y - y.mean()) ** 2).mean(),
                    "This is the loss of a flat line. Let it have a slope.",
                ),
                Wrong(
                    lambda X, y: 0.01,
                    "0.01 is the mean square of the noise for very many points. These data "
                    "are what they are.",
                ),
                Wrong(
                    lambda X, y: floor(X, y) * y.shape[0],
                    "This is the sum of the squares. The loss is their mean.",
                ),
            ),
            also=(_floor_by_columns, _floor_by_correlation),
        ),
    },
    quiz=(
        Question(
            title="the same digits",
            ask="Why does this notebook print the same ten losses as the article?",
            choices=(
                Choice(
                    "because training always ends at the same loss",
                    "With other random numbers the data and the start are others, and the losses "
                    "too.",
                ),
                Choice(
                    "because the same seed gives the same data and the same first weights",
                    "All else is arithmetic, the same on every machine to these four digits.",
                    right=True,
                ),
                Choice(
                    "because the numbers were copied",
                    "They were computed a minute ago. Change the seed, and they change.",
                ),
            ),
        ),
        Question(
            title="the floor",
            ask="The loss stays at 0.0066 however long you train. What does that tell?",
            choices=(
                Choice(
                    "the learning rate is too small",
                    "A larger one arrives sooner, at the same floor.",
                ),
                Choice(
                    "there is a mistake in the loop",
                    "The loop is right. The data themselves hold noise.",
                ),
                Choice(
                    "the rest is noise, which no line can follow",
                    "The floor belongs to the data and to the kind of model, not to the training.",
                    right=True,
                ),
            ),
        ),
        Question(
            title="one step",
            ask="What does `optimizer.step()` do?",
            choices=(
                Choice(
                    "it computes the gradients",
                    "That is backward(). The optimiser reads them.",
                ),
                Choice(
                    "it moves each parameter a little against its gradient",
                    "The learning rate says how far.",
                    right=True,
                ),
                Choice(
                    "it sets the gradients to zero",
                    "That is zero_grad(), a line of its own.",
                ),
            ),
        ),
    ),
)
