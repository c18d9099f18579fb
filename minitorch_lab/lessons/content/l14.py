"""Lesson 14: what is asked in it, and what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import numpy as np

from minitorch_lab.lessons.judges import Function, Number
from minitorch_lab.lessons.model import Choice, Exercise, Lesson, Prediction, Question, Wrong


def leaked(train: Sequence[int], test: Sequence[int]) -> int:
    """How many examples of the test set also stand in the training set?"""
    return len(set(train) & set(test))


def honest(valid: Sequence[float], test: Sequence[float]) -> float:
    """The test accuracy of the model that the validation set chose."""
    return test[max(range(len(valid)), key=lambda i: valid[i])]


def leaked_in_a_loop(train: Sequence[int], test: Sequence[int]) -> int:
    """The same, counted one by one."""
    count = 0
    for example in test:
        if example in train:
            count += 1
    return count


def some_split(drawn: np.random.Generator) -> tuple[list[int], list[int]]:
    """Names of examples for two sets; the first may name one twice."""
    train = drawn.integers(0, 30, 15).tolist()
    return train, drawn.permutation(30)[: int(drawn.integers(3, 9))].tolist()


def some_scores(drawn: np.random.Generator) -> tuple[list[float], list[float]]:
    """Accuracies of a few models, no two of them alike."""
    count = int(drawn.integers(3, 7))
    valid, test = ((drawn.permutation(100)[:count] / 100).tolist() for _ in range(2))
    return valid, test


def honest_sorted(valid: Sequence[float], test: Sequence[float]) -> float:
    """The same, by sorting the pairs."""
    ranked = sorted(zip(valid, test, strict=True), key=itemgetter(0), reverse=True)
    return ranked[0][1]


LESSON = Lesson(
    number="14",
    title="Digits: train, validate, test",
    minutes=40,
    needs=("00", "03", "07"),
    asks="97 % right: of what, and may I believe it?",
    next="15",
    predictions={
        "14.p1": Prediction(
            question="A network has random weights and has seen nothing. "
            "How many of ten images does it name right?",
            choices=("none", "about one", "about five"),
            result="about one",
            why="Ten digits, and a guess that knows nothing: about one in ten is right. "
            "That is the accuracy to compare with, not 0.",
        ),
        "14.p2": Prediction(
            question="The same image goes through the network twice, in train mode, and the "
            "weights stay as they are. Are the two outputs equal?",
            choices=("yes, the same input gives the same output", "no, they differ"),
            result="no, they differ",
            why="Dropout sets a fifth of the numbers between the layers to zero, each time "
            "another fifth. model.eval() switches that off.",
        ),
        "14.p3": Prediction(
            question="100 networks that learnt nothing guess the 360 validation images. "
            "What accuracy has the best of them?",
            choices=("`10 %`: they know nothing", "clearly more than `10 %`", "`100 %`"),
            result="clearly more than `10 %`",
            why="With a hundred tries, one is lucky. Choosing by a set makes the score on that "
            "set too good. That is why the test set is kept for the end.",
        ),
        "14.p4": Prediction(
            question="The same network, the same rate of 0.2, but the pixels stay as they are, "
            "0 to 16. How well does it learn?",
            choices=("better", "about as well", "no better than guessing"),
            result="no better than guessing",
            why="The first layer's gradients are the pixels times what comes back. With pixels 16 "
            "times as large the steps are far too long, and the neurons never recover.",
        ),
    },
    exercises={
        "14.1": Exercise(
            title="count the parameters",
            level="easy",
            judge=Number(9610),
            right="64 · 128 + 128 in the first layer, 128 · 10 + 10 in the second.",
            hints=(
                "Each of the 128 neurons has one weight for each of the 64 pixels, and one bias.",
                "The first layer has 64 · 128 weights and 128 biases: 8,320 parameters.",
                "The second layer has 128 · 10 weights and 10 biases. Add both layers.",
            ),
            wrong=(
                Wrong(9472, "Only the weights are counted. Each neuron has a bias too."),
                Wrong(101770, "That is the article's network: its images have 28 x 28 pixels."),
                Wrong(8320, "That is the first layer alone."),
                Wrong(1290, "That is the second layer alone."),
                Wrong(9482, "The biases of the first layer are missing."),
            ),
            also=(65 * 128 + 129 * 10, 9610.0),
        ),
        "14.2": Exercise(
            title="find the leak",
            level="core",
            judge=Function(
                leaked,
                [
                    ([0, 1, 2, 3, 4, 5], [6, 7, 8]),
                    ([0, 1, 2, 3, 4, 5], [3, 4, 9]),
                    ([5, 1, 7, 2], [7, 5, 1, 8, 2]),
                    ([4, 4, 4, 2], [4, 9]),
                ],
                labels=("honest split", "two in both", "four in both", "one, three times"),
                column="split",
                fresh=some_split,
            ),
            right="0 is the only good answer of this function. It costs one line, and it would "
            "have saved many a published result.",
            hints=(
                "set(train) holds each number once. Two sets have a common part: a & b.",
                "How many numbers are in the common part?",
                "len(set(train) & set(test))",
            ),
            wrong=(
                Wrong(
                    lambda train, test: sum(a == b for a, b in zip(train, test, strict=False)),
                    "Places are compared. An example may stand at another place in the two lists.",
                ),
                Wrong(
                    lambda train, test: sum(i in test for i in train),
                    "An example that stands in train three times is counted three times.",
                ),
                Wrong(
                    lambda train, test: float(bool(set(train) & set(test))),
                    "Whether there is a leak is right. How many examples are in it?",
                ),
                Wrong(
                    lambda train, test: len(set(train) | set(test)),
                    "These are all examples together. Asked are those in both.",
                ),
                Wrong(
                    lambda train, test: len(set(test) - set(train)),
                    "These are the test examples that are *not* in the training set.",
                ),
            ),
            also=(
                leaked_in_a_loop,
                lambda train, test: np.intersect1d(train, test).size,
                lambda train, test: len(test) - len(set(test).difference(train)),
            ),
        ),
        "14.3": Exercise(
            title="report one number",
            level="stretch",
            judge=Function(
                honest,
                [
                    ([0.95, 0.97, 0.96], [0.99, 0.96, 0.98]),
                    ([0.90, 0.91], [0.93, 0.88]),
                    ([0.80, 0.85, 0.99, 0.70], [0.81, 0.90, 0.95, 0.97]),
                ],
                labels=("three models", "two models", "four models"),
                column="models",
                fresh=some_scores,
            ),
            right="The validation set chooses, the test set reports. The number is a little "
            "smaller than the best of the list, and it is one that you can believe.",
            hints=(
                "Two questions: which model is chosen, and by which list? And which number of it "
                "is reported?",
                "valid.index(max(valid)) is the place of the model that validation chooses.",
                "Take the test accuracy at that place.",
            ),
            wrong=(
                Wrong(
                    lambda valid, test: max(test),
                    "This chooses by the test set. Then nothing is left to judge the choice.",
                ),
                Wrong(
                    lambda valid, test: max(valid),
                    "The model is the right one. Its validation accuracy is too good, though: "
                    "the model was chosen for it.",
                ),
                Wrong(
                    lambda valid, test: sum(test) / len(test),
                    "This is the mean of all models. One model is chosen, and reported.",
                ),
                Wrong(
                    lambda valid, test: test[-1],
                    "This is the last model. Which one does the validation set choose?",
                ),
            ),
            also=(
                honest_sorted,
                lambda valid, test: np.asarray(test)[np.argmax(valid)],
                lambda valid, test: max(zip(valid, test, strict=True))[1],
            ),
        ),
    },
    quiz=(
        Question(
            title="three sets",
            ask="What is the validation set for?",
            choices=(
                Choice(
                    "to compute the gradients",
                    "That is the training set. The validation set changes no weight.",
                ),
                Choice(
                    "to choose: between models, settings, or when to stop",
                    "And because it was used for choosing, its score is a little too good.",
                    right=True,
                ),
                Choice(
                    "to report the final accuracy",
                    "That is the test set, which was used for nothing before.",
                ),
            ),
        ),
        Question(
            title="two modes",
            ask="You measure accuracy and forget `model.eval()`. What happens with a network that "
            "has Dropout?",
            choices=(
                Choice(
                    "an error that names the line",
                    "No error comes. That is what makes it dangerous.",
                ),
                Choice(
                    "the accuracy is a little lower, and another one each time",
                    "Dropout is still at work and takes a fifth of the numbers away.",
                    right=True,
                ),
                Choice(
                    "the weights change",
                    "Only the optimiser changes weights.",
                ),
            ),
        ),
        Question(
            title="fair",
            ask="Network A has 97.2 %, network B 97.8 % on the same 360 images. What may you say?",
            choices=(
                Choice(
                    "B is better",
                    "The difference is two images of 360. Another seed may turn it round.",
                ),
                Choice(
                    "A and B are equal",
                    "Not that either: a difference may be there and too small to be seen here.",
                ),
                Choice(
                    "with this many images, these two cannot be told apart",
                    "Repeat with other seeds, or take more images. The spread tells what a "
                    "difference means.",
                    right=True,
                ),
            ),
        ),
    ),
)
