"""Lesson 14: what is asked in it, and what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch_lab.lessons.judges import Function, Number
from minitorch_lab.lessons.model import Choice, Exercise, Lesson, Prediction, Question, Wrong


def leaked(train: Sequence[int], test: Sequence[int]) -> int:
    """How many examples of the test set also stand in the training set?"""
    return len(set(train) & set(test))


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


# 14.3 ------------------------------------------------------------------------------------------


class Score:
    """Accuracies of networks that were never trained: made up, and the same at each call.

    A start is good or bad for both settings alike; what ``b`` gains with each seed is ``gains``.
    On the other two parts it gains something else.
    """

    def __init__(self, gains: Sequence[float], drawn: np.random.Generator) -> None:
        self.gains = dict(enumerate(gains))
        self.starts = dict(enumerate(drawn.uniform(0.60, 0.75, len(gains))))
        self.elsewhere = {"valid": 0.0, "train": drawn.uniform(0.05, 0.1), "test": -0.04}

    def __call__(self, setting: str, seed: int, part: str) -> float:
        """The accuracy of a setting with a seed on a part."""
        if part not in self.elsewhere:
            raise ValueError(f'part is "train", "valid" or "test", and this is {part!r}')
        if seed not in self.starts:
            raise ValueError(f"take the seeds that are given; {seed!r} is none of them")
        gain = self.gains[seed] + self.elsewhere[part] if setting == "b" else 0.0
        return float(round(self.starts[seed] + gain, 4))

    def __repr__(self) -> str:
        return "score"


Fair = tuple[Score, str, str, list[int]]


def _compared(*gains: float) -> Fair:
    score = Score(gains, np.random.default_rng(14))
    return score, "a", "b", [*range(len(gains))]


def _some_comparison(drawn: np.random.Generator) -> Fair:
    """Two settings, with six seeds; one comparison in two is clear."""
    gains = drawn.uniform(0.005, 0.09, 6) * drawn.choice([-1, 1])
    if drawn.random() < 0.5:
        gains[drawn.integers(6)] *= -0.2
    return Score(gains, drawn), "a", "b", [*range(6)]


def _gaps(score: Score, a: str, b: str, seeds: Sequence[int], part: str = "valid") -> list[float]:
    return [score(b, seed, part) - score(a, seed, part) for seed in seeds]


def _where_clear(gaps: Sequence[float]) -> float:
    return sum(gaps) / len(gaps) if min(gaps) > 0 or max(gaps) < 0 else 0.0


def fair(score: Score, a: str, b: str, seeds: Sequence[int]) -> float:
    """By how much ``b`` is better than ``a`` with every seed, on average; 0 where none is."""
    return _where_clear(_gaps(score, a, b, seeds))


def fair_in_numpy(score: Score, a: str, b: str, seeds: Sequence[int]) -> Any:
    """The same with arrays and signs."""
    first, second = (np.array([score(x, seed, "valid") for seed in seeds]) for x in (a, b))
    gaps = second - first
    return gaps.mean() * (abs(np.sign(gaps).sum()) == len(gaps))


def fair_by_counting(score: Score, a: str, b: str, seeds: Sequence[int]) -> float:
    """The same, by counting who is ahead how often."""
    total, wins, losses = 0.0, 0, 0
    for seed in seeds:
        gap = score(b, seed, "valid") - score(a, seed, "valid")
        total += gap
        wins += gap > 0
        losses += gap < 0
    return total / len(seeds) if len(seeds) in (wins, losses) else 0


def _other_seeds(score: Score, a: str, b: str, seeds: Sequence[int]) -> float:
    half = len(seeds) // 2
    pairs = zip(seeds[:half], seeds[half:], strict=False)
    return _where_clear([score(b, t, "valid") - score(a, s, "valid") for s, t in pairs])


def _best(score: Score, a: str, b: str, seeds: Sequence[int]) -> float:
    first, second = (max(score(x, seed, "valid") for seed in seeds) for x in (a, b))
    return second - first


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
            title="a fair comparison",
            level="stretch",
            judge=Function(
                fair,
                [
                    _compared(0.03, 0.05, 0.04, 0.02, 0.06, 0.04),
                    _compared(-0.02, -0.01, -0.05, -0.03),
                    _compared(0.04, -0.03, 0.05, -0.02, 0.06, 0.01),
                    _compared(0.01, 0.08, -0.01, 0.02),
                ],
                labels=("b ahead six times", "a ahead four times", "ups and downs", "one luck"),
                column="comparison",
                fresh=_some_comparison,
            ),
            right="One thing is changed, the seeds are the same, and the test set is asleep. Six "
            "differences of one sign are luck in 2 of 64 cases only.",
            hints=(
                'For one seed the difference is score(b, seed, "valid") - score(a, seed, "valid").',
                "Make a list of them, one for each seed. Where its min is above 0, b is ahead with "
                "every seed; where its max is below 0, a is.",
                "In both cases give sum(gaps) / len(gaps), and in all others 0.",
            ),
            wrong=(
                Wrong(
                    lambda score, a, b, seeds: _gaps(score, a, b, seeds)[0],
                    "That is one seed alone. It may be a lucky one, so ask all of them.",
                ),
                Wrong(
                    _other_seeds,
                    "The two settings get different seeds. Then two things differ: the setting, "
                    "and the luck of the start.",
                ),
                Wrong(
                    _best,
                    "The best of each is compared. The best of many is luck: take the "
                    "differences, seed by seed, and their mean.",
                ),
                Wrong(
                    lambda score, a, b, seeds: _where_clear(_gaps(score, a, b, seeds, "test")),
                    "The test set is used to compare. Then nothing is left to judge the winner: "
                    "compare on validation.",
                ),
                Wrong(
                    lambda score, a, b, seeds: _where_clear(_gaps(score, a, b, seeds, "train")),
                    "The training set is used to compare. Who learns by heart would win: "
                    "compare on validation.",
                ),
                Wrong(
                    lambda score, a, b, seeds: float(np.mean(_gaps(score, a, b, seeds))),
                    "The mean is right, and it is given where the seeds disagree, too. There it "
                    "is no difference to speak of.",
                ),
                Wrong(
                    lambda score, a, b, seeds: fair(score, b, a, seeds),
                    "The sign is turned round: b minus a is asked for.",
                ),
            ),
            also=(fair_in_numpy, fair_by_counting),
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
