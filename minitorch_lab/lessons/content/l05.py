"""Lesson 05: what is asked in it, and what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import minitorch_lab
import minitorch_lab.tf
from minitorch_lab.lessons.judges import Function, Rule
from minitorch_lab.lessons.model import (
    Choice,
    Exercise,
    Lesson,
    Prediction,
    Question,
    Verdict,
    Wrong,
)

lab: Any = minitorch_lab  # written as a learner writes it
tf: Any = minitorch_lab.tf

# Exercise 1: which are None? --------------------------------------------------------------------

LOST = ("b", "d", "e")
WATCHED = "c is a constant, but the tape was told to watch it. Its gradient arrives."
VARIABLE = "a is a variable, and it is used inside the block. Its gradient arrives."
CONSTANT = "b is missing. It is a constant, and no line names it to the tape."
BEFORE = "d is missing. It is a variable, but where is it used: inside the block, or before it?"
NUMPY = "e is missing. It is used inside the block, but what goes into y is a number of NumPy."


def _which_are_none(answer: Any) -> str | None:
    if isinstance(answer, str):
        answer = [letter for letter in answer if letter.isalpha()]
    if not isinstance(answer, (list, tuple, set)) or not all(isinstance(a, str) for a in answer):
        return 'A list of names is expected, such as ["a", "b"].'
    given = {name.strip().lower() for name in answer}
    if strange := sorted(given - set("abcde")):
        return f"{strange[0]!r} is none of the five names a, b, c, d, e."
    if "c" in given:
        return WATCHED
    if "a" in given:
        return VARIABLE
    for name, says in (("b", CONSTANT), ("d", BEFORE), ("e", NUMPY)):
        if name not in given:
            return says
    return None


# Exercise 2: rescue a None ----------------------------------------------------------------------

STILL_NONE = (
    "It is still None. Ask both questions: who watches x? And is all of the way from x to the mean "
    "computed inside of the block?"
)


@dataclass(frozen=True)
class Rescue:
    """A function whose result was None; the rest is as for every function."""

    function: Function

    def judge(self, answer: Any, wrong: tuple[Wrong, ...]) -> Verdict:
        """Compare the numbers; None has words of its own here."""
        verdict = self.function.judge(answer, wrong)
        if verdict.says.startswith("Your function returns nothing"):
            return Verdict(False, STILL_NONE)
        return verdict


def _some(chance: np.random.Generator, low: float = 1.1) -> list[float]:
    return [round(float(x), 1) for x in chance.uniform(low, low + 2, 4)]


LISTS: Sequence[tuple[list[float]]] = [([1.0, 2.0],), ([1.0, 2.0, 3.0],)]


def rescued(numbers: Sequence[float]) -> Any:
    """The gradient of the mean of the cubes."""
    x = np.asarray(numbers)
    return 3 * x**2 / x.size


def _only_watched(numbers: Sequence[float]) -> Any:
    x = tf.constant(numbers)
    cubes = x**3
    with tf.GradientTape() as tape:
        tape.watch(x)
        mean = tf.reduce_mean(cubes)
    return tape.gradient(mean, x)


def _only_inside(numbers: Sequence[float]) -> Any:
    x = tf.constant(numbers)
    with tf.GradientTape() as tape:
        mean = tf.reduce_mean(x**3)
    return tape.gradient(mean, x)


def _by_cubes(numbers: Sequence[float]) -> Any:
    x = tf.Variable(numbers)
    with tf.GradientTape() as tape:
        cubes = x**3
        mean = tf.reduce_mean(cubes)
    return tape.gradient(mean, cubes)


def _watching(numbers: Sequence[float]) -> Any:
    x = tf.constant(numbers)
    with tf.GradientTape() as tape:
        tape.watch(x)
        mean = tf.reduce_mean(x * x * x)
    return tape.gradient(mean, [x])[0]


def _by_backward(numbers: Sequence[float]) -> Any:
    x = lab.tensor(numbers, requires_grad=True)
    (x**3).mean().backward()
    return x.grad


# Exercise 3: a loss of many numbers -------------------------------------------------------------

Numbers = Sequence[float]


def per_example(w: float, X: Numbers, Y: Numbers) -> list[float]:
    """The gradient of each loss by the weight."""
    return [2 * (w * x - y) * x for x, y in zip(X, Y, strict=True)]


EXAMPLES = [
    (1.0, [1.0, 2.0], [3.0, 5.0]),
    (2.0, [1.0, -2.0, 3.0], [0.0, 1.0, 4.0]),
]


def _running_sums(w: float, X: Numbers, Y: Numbers) -> list[float]:
    return [float(part) for part in np.cumsum(per_example(w, X, Y))]


def _of_the_sum(w: float, X: Numbers, Y: Numbers) -> Any:
    weight = tf.Variable(w)
    with tf.GradientTape() as tape:
        losses = (weight * tf.constant(X) - tf.constant(Y)) ** 2
    return tape.gradient(losses, weight)


def _by_jacobian(w: float, X: Numbers, Y: Numbers) -> Any:
    weight = tf.Variable(w)
    with tf.GradientTape() as tape:
        losses = (weight * tf.constant(X) - tf.constant(Y)) ** 2
    return tape.jacobian(losses, weight)


def _one_by_one(w: float, X: Numbers, Y: Numbers) -> list[float]:
    found = []
    for x, y in zip(X, Y, strict=True):
        weight = lab.tensor(w, requires_grad=True)
        ((weight * x - y) ** 2).backward()
        found.append(weight.grad.item())
    return found


LESSON = Lesson(
    number="05",
    title="Two ways to ask: backward and tape",
    minutes=30,
    needs=("03", "04"),
    asks="One library says `loss.backward()`, the other opens a tape. Do they compute the same?",
    next="06",
    predictions={
        "05.p1": Prediction(
            question="Lesson 03 took the gradient of the mean of three squares with backward(). "
            "What does the tape find?",
            choices=(
                "the same three numbers as in lesson 03",
                "three other numbers",
                "one number, for z is one number",
            ),
            result="the same three numbers as in lesson 03",
            why="Same program, same rule. NumPy prints 0.6666667 where a tensor prints 0.6667.",
        ),
        "05.p2": Prediction(
            question="Two tapes, one after the other, and nothing is set to zero. What is the "
            "second gradient?",
            code="x = tf.Variable(2.0)\nfor _ in range(2):\n    with tf.GradientTape() as tape:\n"
            "        y = x**2 + 2 * x + 1\n    gradient = tape.gradient(y, x)",
            lit=5,
            field="gradient",
            why="Each tape hands over its own gradient, and adds it to nothing.",
        ),
        "05.p3": Prediction(
            question="c is a constant, and y is its square. What does the tape say?",
            code="c = tf.constant(3.0)\nwith tf.GradientTape() as tape:\n    y = c * c\n"
            "print(tape.gradient(y, c))",
            lit=4,
            choices=("`6.0`", "`0.0`", "`None`", "an error"),
            result="`None`",
            why="A tape writes down what comes from variables. Of a constant it knows nothing, "
            "and it says so without an error.",
        ),
        "05.p4": Prediction(
            question="z is computed before the block, from the variable x. What is its gradient?",
            code="z = tf.reduce_mean(x**2)\nwith tf.GradientTape() as tape:\n    pass\n"
            "print(tape.gradient(z, x))",
            lit=4,
            choices=("as in section 1", "`None`", "an error"),
            result="`None`",
            why="When z was computed, no tape was on.",
        ),
        "05.p5": Prediction(
            question="y has three numbers, and so has x. What are the three numbers that the tape "
            "gives?",
            code="y = x * tf.reduce_sum(x)\nprint(tape.gradient(y, x).numpy())",
            lit=2,
            choices=(
                "each entry of y by the same entry of x",
                "the gradient of the sum of y",
                "the gradient of the mean of y",
            ),
            result="the gradient of the sum of y",
            why="Each entry of y by the same entry of x would be 6 + x: 7, 8, 9. The sum gives "
            "12 for all.",
        ),
    },
    exercises={
        "05.1": Exercise(
            title="which are None?",
            level="easy",
            judge=Rule(_which_are_none),
            right="b is not watched, d is used before the block, e leaves by NumPy. a and c have "
            "a way back.",
            hints=(
                "Ask two things of each: is it watched? Is it used inside the block?",
                "Variables are watched. Of the constants only the one that watch() names.",
                "d is used for early, before the block. e.numpy() leaves the tape.",
            ),
            wrong=(
                Wrong(["b", "c", "d", "e"], WATCHED),
                Wrong(["d", "e"], CONSTANT),
                Wrong(["b", "e"], BEFORE),
                Wrong(["b", "d"], NUMPY),
                Wrong(["a", "b", "d", "e"], VARIABLE),
                Wrong(3, 'A list of names is expected, such as ["a", "b"].'),
            ),
            also=("bde", ("e", "d", "b"), {"b", "d", "e"}),
        ),
        "05.2": Exercise(
            title="rescue a None",
            level="core",
            judge=Rescue(
                Function(rescued, LISTS, column="numbers", fresh=lambda chance: (_some(chance),))
            ),
            right="Someone watches x, and all of the way from x to the mean is written down.",
            hints=(
                "Two things are wrong: who watches x? And where are the cubes computed?",
                "Make x a variable, or begin the block with tape.watch(x).",
                "Put x**3 inside of the block: mean = tf.reduce_mean(x**3).",
            ),
            wrong=(
                Wrong(_only_inside, STILL_NONE),
                Wrong(
                    lambda numbers: 3 * np.asarray(numbers) ** 2,
                    "That is the gradient of the sum of the cubes. Asked is their mean.",
                ),
                Wrong(
                    _by_cubes,
                    "That is the gradient by the cubes. The way goes on from there to x.",
                ),
                Wrong(
                    lambda numbers: np.zeros(len(numbers)),
                    "Zeros in place of None hide the hole. A nudge of x does change the mean.",
                ),
                Wrong(
                    lambda numbers: np.mean(np.asarray(numbers) ** 3),
                    "That is the mean itself. Asked is its gradient.",
                ),
            ),
            also=(_watching, _by_backward, rescued),
        ),
        "05.3": Exercise(
            title="a loss of many numbers",
            level="stretch",
            judge=Function(
                per_example,
                EXAMPLES,
                column="w, X, Y",
                fresh=lambda chance: (0.5, _some(chance), _some(chance, -7.0)),
            ),
            right="One gradient for each example. Their sum is what a tape would have given.",
            hints=(
                "A tape adds up what it is asked about. So ask about one loss at a time.",
                "Compute the losses one by one inside of a tape, and keep them in a list.",
                "You ask the tape several times, so it has to be persistent.",
            ),
            wrong=(
                Wrong(
                    _of_the_sum,
                    "That is one number: the tape has added the losses up. Ask for one loss at a "
                    "time.",
                ),
                Wrong(
                    _running_sums,
                    "Each gradient holds the ones before it too. backward() adds to .grad: set it "
                    "to zero in between.",
                ),
                Wrong(
                    lambda w, X, Y: [g / len(X) for g in per_example(w, X, Y)],
                    "These are the parts of the gradient of the mean. Each loss counts in full "
                    "here.",
                ),
                Wrong(
                    lambda w, X, Y: [2 * (w * x - y) for x, y in zip(X, Y, strict=True)],
                    "That is the gradient by the model's answer w * x. On the way to w comes one "
                    "more local derivative, x.",
                ),
                Wrong(
                    lambda w, X, Y: [(w * x - y) ** 2 for x, y in zip(X, Y, strict=True)],
                    "These are the losses themselves. Asked are their gradients by w.",
                ),
            ),
            also=(_by_jacobian, _one_by_one, per_example),
        ),
    },
    quiz=(
        Question(
            title="None",
            ask="`x = tf.constant(3.0)`, and inside of a tape `y = x * x`. "
            "The gradient is `None`. What helps?",
            choices=(
                Choice(
                    "`tape.watch(x)` as the first line of the block",
                    "Now the tape writes down what is computed from x.",
                    right=True,
                ),
                Choice(
                    "`persistent=True`",
                    "That is for asking more than once. What was not written down stays missing.",
                ),
                Choice(
                    "setting the gradient to zero first",
                    "A tape adds to nothing, so there is nothing to set to zero.",
                ),
            ),
        ),
        Question(
            title="static?",
            ask="Article S4 calls its tape a static graph. What shows that it is none?",
            choices=(
                Choice("that it prints a gradient", "A static graph could give one too."),
                Choice(
                    "that `tape.watch(x)` is not needed",
                    "That is about who is watched, not about when the graph is made.",
                ),
                Choice(
                    "that the tape holds what ran, and another input left another list of ops",
                    "A static graph would be there before the first number is.",
                    right=True,
                ),
            ),
        ),
        Question(
            title="many numbers",
            ask="`losses` has 32 numbers. Somebody asks a tape for their gradient by the weights. "
            "What comes?",
            choices=(
                Choice("an error", "backward() would raise one. A tape does not."),
                Choice(
                    "the gradient of their sum",
                    "32 times as large as that of the mean. Write tf.reduce_mean if you mean it.",
                    right=True,
                ),
                Choice("the gradient of the last one", "All of them count, with the same weight."),
            ),
        ),
    ),
)
