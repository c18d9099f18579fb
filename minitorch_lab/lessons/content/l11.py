"""Lesson 11: what is asked in it, and what is answered."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch_lab
from minitorch_lab.lessons.judges import Function, Refused, Rule, as_array, call, number
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
F: Any = minitorch_lab.nn.functional

# 11.1 ------------------------------------------------------------------------------------------

GRADIENT = (-5 / 6, 2 / 6, 3 / 6)
GRADIENT_SLIPS = (
    Wrong(
        [1 / 6, 2 / 6, 3 / 6], "These are the probabilities. The right class gets a 1 taken off."
    ),
    Wrong([5 / 6, -2 / 6, -3 / 6], "Turned round: it is what was said, less what is right."),
    Wrong(
        [-5 / 6, 0, 0], "The other classes have a gradient too: their probabilities are too high."
    ),
    Wrong([1 / 6, 2 / 6, -3 / 6], "That takes 1 off the last class. Which class is right?"),
    Wrong([-1, math.log(2), math.log(3)], "The logits are no probabilities yet: softmax first."),
    Wrong([0, 2, 3], "These are exp(z), less y. They are still to be divided by their sum."),
)


def _gradient(answer: Any) -> str | None:
    """Which of three gradients are wrong, and not what they should be."""
    given = as_array(answer).reshape(-1)
    if given.shape != (3,):
        return "Three numbers are expected, one for each logit."
    for slip in GRADIENT_SLIPS:
        if np.allclose(given, slip.answer, atol=2e-3):
            return slip.says
    fits = np.isclose(given, GRADIENT, atol=2e-3)
    if fits.all():
        return None
    first = int(np.argmin(fits))
    says = f"{int(fits.sum())} of 3 gradients are right. The one of class {'abc'[first]} is not "
    return says + f"{number(given[first])}."


# 11.2 ------------------------------------------------------------------------------------------


def lowest(classes: int) -> float:
    """The lowest loss that softmax twice can reach."""
    return math.log(math.e + classes - 1) - 1


def lowest_asked(classes: int) -> Any:
    """The same, asked of the engine."""
    perfect = lab.zeros(1, classes)
    perfect[0, 0] = 1.0
    return F.cross_entropy(perfect, lab.tensor([0]))


# 11.3 ------------------------------------------------------------------------------------------

Loss = Callable[[Any, Any, Any, Any], Any]


def repaired(x: Any, labels: Any, weight: Any, bias: Any) -> Any:
    """The loss that learns."""
    return F.cross_entropy(x @ weight + bias, labels)


def in_two_steps(x: Any, labels: Any, weight: Any, bias: Any) -> Any:
    """The same with the logarithm of softmax."""
    return F.nll_loss(F.log_softmax(x @ weight + bias, 1), labels)


def from_the_formula(x: Any, labels: Any, weight: Any, bias: Any) -> Any:
    """The same as section 3 writes it."""
    z = x @ weight + bias
    rows = lab.arange(len(z))
    return (lab.log(lab.exp(z).sum(1)) - z[rows, labels]).mean()


def _said(x: Any, weight: Any, bias: Any) -> Any:
    return lab.softmax(x @ weight + bias, 1)


def _with_itself(x: Any, labels: Any, weight: Any, bias: Any) -> Any:
    y = _said(x, weight, bias)
    return F.cross_entropy(y, y)


def _logits_with_itself(x: Any, labels: Any, weight: Any, bias: Any) -> Any:
    return F.cross_entropy(x @ weight + bias, _said(x, weight, bias))


LOSS_SLIPS = (
    Wrong(_with_itself, "That is the loss as it was: softmax twice, and compared with itself."),
    Wrong(
        lambda x, labels, weight, bias: F.cross_entropy(_said(x, weight, bias), labels),
        "One edit is made: the labels are the right ones. But softmax is still applied twice.",
    ),
    Wrong(
        _logits_with_itself,
        "One edit is made: softmax is applied once. But the answer is still compared with itself.",
    ),
    Wrong(
        lambda x, labels, weight, bias: F.cross_entropy(
            x @ weight + bias, _said(x, weight, bias).detach()
        ),
        "Without a gradient of their own, the labels are still what the network says.",
    ),
    Wrong(
        lambda x, labels, weight, bias: F.cross_entropy(x @ weight + bias, labels, reduction="sum"),
        "That is the sum over the rows. The loss was their mean before, and should be still.",
    ),
    Wrong(
        lambda x, labels, weight, bias: F.cross_entropy(x @ weight, labels),
        "The two edits are made, and the bias was lost on the way.",
    ),
    Wrong(
        lambda x, labels, weight, bias: F.nll_loss(_said(x, weight, bias), labels),
        "nll_loss expects logarithms of probabilities, and these are probabilities.",
    ),
)


Data = tuple[Any, Any, Any, Any]


def _measured(loss_of: Loss, data: Data) -> np.ndarray:
    """What a loss is for these data, and after it its gradients, in one row of numbers."""
    x, labels, *weights = data
    weights = [t.clone().requires_grad_() for t in weights]
    loss = call(loss_of, x, labels, *weights, where=f"{len(x)} rows")
    if not isinstance(loss, lab.Tensor) or loss.shape != ():
        says = "The loss has to be one number, as a tensor: the mean of the rows."
        raise Refused(Verdict(False, says))
    if not loss.requires_grad:
        says = "Your loss is a number without a graph: no gradient can reach the weights."
        raise Refused(Verdict(False, says, "Leave out .item(), .detach() and no_grad()."))
    try:
        loss.backward()
    except lab.GradError:
        says = "The check calls backward() itself. Leave it out of your function."
        raise Refused(Verdict(False, says)) from None
    grads = [t.grad if t.grad is not None else lab.zeros_like(t) for t in weights]
    return as_array(lab.cat([loss.detach().reshape(1), *(g.flatten() for g in grads)]))


def _data(drawn: np.random.Generator, rows: int) -> Data:
    """Rows of four numbers, three classes, weights and a bias."""
    x, weight, bias = (lab.tensor(drawn.normal(size=s)) for s in ((rows, 4), (4, 3), (3,)))
    return x, lab.tensor(drawn.integers(0, 3, rows)), weight, bias


def _near(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=1e-4, atol=1e-6))


def _repair(answer: Any) -> str | Verdict | None:
    """Compare loss and gradients, first on three rows that stay, then on new ones."""
    if not callable(answer):
        return Verdict(
            False,
            "A function is expected here: data and weights go in, the loss comes out.",
            "Give the function itself, without brackets after its name.",
        )
    chance = np.random.default_rng()
    for drawn, rows in ((np.random.default_rng(0), 3), (chance, 5), (chance, 9)):
        data = _data(drawn, rows)
        mine, want = (_measured(loss_of, data) for loss_of in (answer, repaired))
        if _near(mine, want):
            continue
        for slip in LOSS_SLIPS:
            if _near(mine, _measured(slip.answer, data)):
                return slip.says
        shown = (("loss", 0), ("gradient of weight[0, 0]", 1), ("gradient of bias[0]", -3))
        table = Table(
            (f"for {rows} rows", "expected", "yours"),
            tuple((name, number(want[i]), number(mine[i])) for name, i in shown),
        )
        right = _near(mine[:1], want[:1])
        says = "The loss is right, its gradients are not." if right else "The loss is not right."
        return Verdict(False, says, table=table)
    return None


LESSON = Lesson(
    number="11",
    title="Softmax, logits, and a loss that cannot learn",
    minutes=40,
    needs=("00", "03", "07"),
    asks="The loss fell to 1.4612 and stayed there. What did the network learn?",
    next="12",
    predictions={
        "11.p1": Prediction(
            question="The logits are 2, 1 and −1. What happens to the probabilities when 100 is "
            "added to each of them?",
            choices=("all become larger", "nothing changes", "the largest comes near `1`"),
            result="nothing changes",
            why="exp(z + 100) = exp(z) · exp(100). All are multiplied by the same number, and "
            "dividing by the sum takes it away again. Only differences count.",
        ),
        "11.p2": Prediction(
            question="Ten classes with the same probability. What does an answer cost?",
            field="cost",
            why="The right class has probability 1/10, and −ln(1/10) = ln 10 = 2.3026.",
        ),
        "11.p3": Prediction(
            question="How large is the gradient on the first logit with softmax twice, next to "
            "that with softmax once?",
            choices=("about 30 times larger", "about the same", "about 30 times smaller"),
            result="about 30 times smaller",
            why="0.0288 against 0.9647. Whoever is sure and wrong should be pushed hard, and is "
            "hardly touched.",
        ),
        "11.p4": Prediction(
            question="Labels are fed into y, which is what the network says. A thousand steps of "
            "training: what does the loss do?",
            choices=("it falls to `0`", "it falls a little", "it stays where it began"),
            result="it stays where it began",
            why="What is fed is not computed. The loss depends on no weight, so each gradient is 0 "
            "and Adam has nothing to go by.",
        ),
        "11.p5": Prediction(
            question="After 1,000 steps against its own answer: how many pictures does it name "
            "right?",
            choices=("about `10 %`", "about `50 %`", "nearly all"),
            result="about `10 %`",
            why="No label was ever asked for. Ten classes, and a guess that knows nothing: one in "
            "ten.",
        ),
    },
    exercises={
        "11.1": Exercise(
            title="a gradient by hand",
            level="easy",
            judge=Rule(_gradient),
            right="exp gives 1, 2, 3, their sum is 6, so p is 1/6, 2/6, 3/6. The right class gets "
            "1 taken off: −5/6.",
            hints=(
                "First the probabilities: exp of each logit, divided by the sum. exp(0) is 1.",
                "1, 2 and 3 have the sum 6. Now gradient = p − y.",
                "y is 1, 0, 0, for the first class is right.",
            ),
            wrong=GRADIENT_SLIPS,
            also=(
                (-5 / 6, 1 / 3, 1 / 2),
                np.array([-0.8333, 0.3333, 0.5]),
                lab.tensor([[-5 / 6, 2 / 6, 3 / 6]]),
            ),
        ),
        "11.2": Exercise(
            title="the lowest loss",
            level="core",
            judge=Function(
                lowest,
                [(2,), (3,), (10,), (1000,)],
                column="classes",
                fresh=lambda drawn: (int(drawn.integers(4, 500)),),
            ),
            right="e for the right class and a 1 for each other one: −ln(e / (e + classes − 1)).",
            hints=(
                "The perfect answer is 1 for the right class and 0 for each other one. How many "
                "others are there?",
                "The sum of exp is e for the right class and 1 for each of the classes - 1 others.",
                "The cost is -ln(e / sum), and that is ln(sum) - 1.",
            ),
            wrong=(
                Wrong(
                    lambda classes: math.log(math.e + 9) - 1,
                    "That is the number for ten classes, whatever is asked for.",
                ),
                Wrong(
                    lambda classes: math.log(math.e + classes) - 1,
                    "One class too many: the right one has its e, and the others are classes - 1.",
                ),
                Wrong(
                    lambda classes: math.log(classes),
                    "That is the loss of a network that knows nothing. Here the answer is perfect.",
                ),
                Wrong(lambda classes: 0.0, "That is the lowest loss with softmax once."),
                Wrong(
                    lambda classes: math.log(math.e + classes - 1),
                    "That is ln of the sum. The right class brings −ln e = −1 as well.",
                ),
                Wrong(
                    lambda classes: math.e / (math.e + classes - 1),
                    "That is the probability of the right class. The cost is −ln of it.",
                ),
            ),
            also=(
                lowest_asked,
                lambda classes: -math.log(math.e / (math.e + classes - 1)),
                lambda classes: float(np.log1p((classes - 1) / np.e)),
            ),
        ),
        "11.3": Exercise(
            title="repair it in two edits",
            level="stretch",
            judge=Rule(_repair),
            right="No softmax before the loss, and the labels where the labels go. The loss can "
            "now reach 0, and its gradient is p − y.",
            hints=(
                "cross_entropy applies softmax itself. What should it be given?",
                "cross_entropy(scores, labels): first what the network says, then what is right.",
                "y = x @ weight + bias, and in the next line labels in place of the second y.",
            ),
            wrong=LOSS_SLIPS,
            also=(in_two_steps, from_the_formula),
        ),
    },
    quiz=(
        Question(
            title="a first loss",
            ask="A network with ten classes starts to train. Its first loss is 2.31. What do you "
            "think?",
            choices=(
                Choice(
                    "fine: that is about ln 10, so it has no opinion yet",
                    "Ten equal probabilities cost ln 10 = 2.3026.",
                    right=True,
                ),
                Choice(
                    "something is wrong: a loss has to be below 1",
                    "−ln p has no upper limit. It is above 1 for each p below 0.37.",
                ),
                Choice(
                    "it is right in 2.31 % of all cases",
                    "A loss is no percentage. For that, count the right answers.",
                ),
            ),
        ),
        Question(
            title="one gradient",
            ask="A network says 0.9 for the right class. What is the gradient on the logit of that "
            "class?",
            choices=(
                Choice("0.9", "That is p. From the right class, 1 is taken off."),
                Choice(
                    "−0.1",
                    "p − y = 0.9 − 1. Nearly right, so it is pushed only a little.",
                    right=True,
                ),
                Choice(
                    "−1.11", "That is −1/p, the gradient on p. The logit stands behind softmax."
                ),
            ),
        ),
        Question(
            title="a fine curve",
            ask="A loss falls smoothly and the network is 99.9 % sure of each answer. "
            "What has it learnt?",
            choices=(
                Choice(
                    "the labels, nearly perfectly",
                    "Perhaps. The network of section 6 looked just like that, and knew nothing.",
                ),
                Choice(
                    "nothing: nobody is that sure",
                    "A good network may well be sure, and right.",
                ),
                Choice(
                    "this cannot be said without counting right answers",
                    "Sure is not right. Count, on pictures that it has not seen.",
                    right=True,
                ),
            ),
        ),
    ),
)
