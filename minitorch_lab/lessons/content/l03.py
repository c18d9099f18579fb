"""Lesson 03: what is asked in it, and what is answered."""

from __future__ import annotations

from typing import Any

import minitorch_lab
from minitorch_lab.lessons.judges import Function, Number, Values
from minitorch_lab.lessons.model import Choice, Exercise, Lesson, Prediction, Question, Wrong

lab: Any = minitorch_lab  # written as a learner writes it


def _by_backward(value: float) -> float:
    x = lab.tensor(value, requires_grad=True)
    (x**2 * (x + 1)).backward()
    return float(x.grad.item())


def _by_nudging(x: float, h: float = 1e-5) -> float:
    high, low = x + h, x - h
    return (high**2 * (high + 1) - low**2 * (low + 1)) / (2 * h)


LESSON = Lesson(
    number="03",
    title="Gradients, one step at a time",
    minutes=40,
    needs=("00", "02"),
    asks="backward() gives me a number. Who computed it, and how?",
    next="04",
    predictions={
        "03.p1": Prediction(
            question="What does the last line print?",
            code="x = torch.tensor(2.0, requires_grad=True)\n"
            "y = x**2 + 2*x + 1\ny.backward()\nprint(x.grad)",
            lit=4,
            field="x.grad is",
            why="Article S2 says 6.0. PyTorch and this workbench print tensor(6.), the same "
            "number as a tensor; x.grad.item() is 6.0.",
        ),
        "03.p2": Prediction(
            question="z is the mean of three squares. What is the last of the three gradients?",
            code="x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)\n"
            "y = x**2\nz = y.mean()\nz.backward()\nprint(x.grad)",
            lit=5,
            field="x.grad[2] is",
            why="The mean passes 1/3 to each square, and the square of 3 multiplies it by "
            "2 · 3 = 6. Together 6 · 1/3 = 2.",
        ),
        "03.p3": Prediction(
            question="The same line and backward() a second time, and nothing between. "
            "What is in x.grad now?",
            code="x = torch.tensor(2.0, requires_grad=True)\n"
            "for _ in range(2):\n    y = x**2 + 2*x + 1\n    y.backward()\nprint(x.grad)",
            lit=5,
            field="x.grad is",
            why="backward() adds to what x.grad holds: 6 + 6. That is why a training loop sets "
            "the gradients to zero before each step.",
        ),
    },
    exercises={
        "03.1": Exercise(
            title="the gradient at another place",
            level="easy",
            judge=Number(12.0),
            also=(12, 2 * 5 + 2, [12.0]),
            right="2 · 5 from the square and 2 from 2*x: 12. The 1 at the end brings nothing.",
            hints=(
                "There are two paths from x to y: one by the square, one by 2*x.",
                "The square brings 2x. At x = 5 that is 10.",
                "The path by 2*x brings 2, at every x. Add the two.",
            ),
            wrong=(
                Wrong(10.0, "That is the path by the square alone. x is used a second time."),
                Wrong(2.0, "That is the path by 2*x alone. x is used a second time."),
                Wrong(36.0, "That is y itself. Asked is how fast it grows when x grows."),
                Wrong(13.0, "The 1 at the end brings nothing: it stays 1 whatever x is."),
                Wrong(6.0, "That is the gradient at x = 2. Here x is 5."),
            ),
        ),
        "03.2": Exercise(
            title="x used twice",
            level="core",
            judge=Function(lambda x: 2 * x * (x + 1) + x**2, [(-1.0,), (0.5,), (2.0,)], column="x"),
            right="Two paths lead from x to y, and their contributions add: "
            "2x (x + 1) by the square, x² by the sum.",
            hints=(
                "A product passes to each factor: incoming gradient times the other factor.",
                "By the square: the incoming gradient is (x + 1), the local derivative is 2x.",
                "By the sum: the incoming gradient is x², the local derivative is 1. Add both.",
            ),
            wrong=(
                Wrong(
                    lambda x: 2 * x * (x + 1),
                    "One of the two contributions is missing: the path through add.",
                ),
                Wrong(
                    lambda x: x**2,
                    "One of the two contributions is missing: the path through the square.",
                ),
                Wrong(
                    lambda x: 2 * x,
                    "The derivatives of the two factors were multiplied. A product passes to each "
                    "factor the incoming gradient times the other factor.",
                ),
                Wrong(
                    lambda x: x**2 * (x + 1),
                    "That is y itself. Asked is how fast it grows when x grows.",
                ),
                Wrong(
                    lambda x: 2 * x * (x + 1) * x**2,
                    "The two contributions were multiplied. Where two paths meet, they add.",
                ),
            ),
            also=(lambda x: x * (3 * x + 2), _by_backward, _by_nudging),
        ),
        "03.3": Exercise(
            title="predict three gradients",
            level="stretch",
            judge=Values([6.0, 6.0, 6.0]),
            also=((6, 6, 6), [5.9999, 6, 6.0001]),
            right="Each entry gets 3 directly, and 3 by the mean: 1/3 of the sum 9. "
            "A small mean and a large entry do not matter here: all three get 6.",
            hints=(
                "x is used twice: as a factor, and inside the mean.",
                "As a factor: the contribution to each entry is the other factor, the mean, 3.",
                "By the mean: 1 + 2 + 6 = 9 arrives at the mean, and it passes 1/3 of it to each.",
            ),
            wrong=(
                Wrong(
                    [3.0, 3.0, 3.0],
                    "That is one of the two paths. x is used as a factor and inside the mean.",
                ),
                Wrong(
                    [2.0, 4.0, 12.0],
                    "That is the gradient of the sum of squares. The second factor is the mean, "
                    "not x.",
                ),
                Wrong(
                    [3 + 1 / 3, 3 + 2 / 3, 5.0],
                    "The path by the mean was not summed: every entry of the product sends "
                    "something back to the mean.",
                ),
                Wrong(
                    [12.0, 12.0, 12.0],
                    "The mean divides by 3: what arrives at it is shared by three entries.",
                ),
            ),
        ),
    },
    quiz=(
        Question(
            title="two paths",
            ask="A tensor `x` is used twice on the way to `loss`. What does `x.grad` hold after "
            "`backward()`?",
            choices=(
                Choice(
                    "the contribution of the last use",
                    "Nothing is overwritten: both uses count.",
                ),
                Choice(
                    "the sum of both contributions",
                    "A small change of x reaches the loss by both paths, so their effects add: "
                    "4 + 2 = 6 in section 3.",
                    right=True,
                ),
                Choice("the larger of the two", "Both paths carry an effect, and effects add."),
            ),
        ),
        Question(
            title="one step",
            ask="`tanh` has the local derivative 0.5 here, and the incoming gradient is 4. "
            "What does it pass on?",
            choices=(
                Choice(
                    "2",
                    "Incoming gradient times local derivative: 4 · 0.5.",
                    right=True,
                ),
                Choice("4.5", "They are multiplied, not added. Adding is for paths that meet."),
                Choice("8", "The incoming gradient is multiplied by the derivative, not divided."),
            ),
        ),
        Question(
            title="again",
            ask="You call `backward()` in a loop and never set the gradients to zero. "
            "What is in `x.grad` after three steps?",
            choices=(
                Choice(
                    "the gradient of the last step",
                    "It would be, if backward() replaced it. It adds.",
                ),
                Choice(
                    "the sum of the gradients of all three steps",
                    "backward() adds to what is there. optimizer.zero_grad() begins anew.",
                    right=True,
                ),
                Choice("an error", "No error: it is allowed, and sometimes wanted."),
            ),
        ),
    ),
)
