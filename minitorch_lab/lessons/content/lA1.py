"""Lesson A1: what is asked in it, and what is answered."""

from __future__ import annotations

from minitorch_lab.lessons.judges import Function, Number
from minitorch_lab.lessons.model import Choice, Exercise, Lesson, Prediction, Question, Wrong


def arriving(size: int) -> float:
    """How many numbers reach the last layer of C1b from a picture of size x size?"""
    return 32 * ((size - 2) // 2) ** 2


LESSON = Lesson(
    number="A1",
    title="Museum of the article code",
    minutes=30,
    needs=("00", "03"),
    asks="Thirteen programs were published. Which of them run, and which of them learn?",
    next=None,
    predictions={
        "A1.p1": Prediction(
            question="The texts of the 13 programs stand as they were published, with no line "
            "break restored. How many does Python accept?",
            field="programs",
            why="C1a kept enough of its line breaks. C4a, C4c and C4e are accepted because a # in "
            "their first line makes a comment of all the rest.",
        ),
        "A1.p2": Prediction(
            question="A picture of 21 × 21 goes through a convolution with 32 windows of 3, and "
            "then through pooling by 2. How many numbers come out?",
            field="numbers",
            why="21 − 2 = 19 along a side, 19 // 2 = 9, and 32 · 9 · 9 = 2,592.",
        ),
        "A1.p3": Prediction(
            question="C3a feeds the labels into y, which is its own output. After 20 steps, what "
            "has it learnt?",
            choices=("nothing", "a little", "nearly all"),
            result="nothing",
            why="What is fed is not computed. So the loss depends on no weight, every gradient is "
            "0, and no weight moves.",
        ),
    },
    exercises={
        "A1.1": Exercise(
            title="count those that stop",
            level="easy",
            judge=Number(4),
            right="C0b, C1b, C3a and C3b. The other nine run; that says nothing about whether they "
            "learn.",
            hints=(
                "Look for the words 'It stops.' under the programs as written.",
                "Where the first error is mended and a second one comes, it is one program still.",
                "There is one in article S0, one in S1, and two in S3.",
            ),
            wrong=(
                Wrong(9, "These are the ones that run. How many stop?"),
                Wrong(
                    13,
                    "All of them lost their line breaks or need other import lines. With "
                    "both restored, some run.",
                ),
                Wrong(3, "One is missing. Article S3 has two programs that stop."),
                Wrong(5, "One too many. A program that learns nothing may still run to its end."),
            ),
            also=(13 - 9, len({"C0b", "C1b", "C3a", "C3b"})),
        ),
        "A1.2": Exercise(
            title="what is never reported",
            level="core",
            judge=Number(375),
            right="1,875 batches are 18 windows of 100 and 75 more; five rounds lose 5 · 75.",
            hints=(
                "60,000 pictures in batches of 32: how many batches has one round?",
                "1,875 batches, and a line is printed after each 100. How many come after the "
                "last line?",
                "75 in each round. There are five rounds.",
            ),
            wrong=(
                Wrong(75, "That is one round. The program goes round five times."),
                Wrong(1875, "That is how many batches one round has."),
                Wrong(9375, "That is all batches of five rounds. Most of them are reported."),
                Wrong(90, "That is how many lines are printed."),
            ),
            also=(5 * (1875 - 18 * 100), 5 * 1875 - 90 * 100),
        ),
        "A1.3": Exercise(
            title="pictures of another size",
            level="stretch",
            judge=Function(
                arriving,
                [(28,), (32,), (9,), (64,)],
                labels=("28 x 28", "32 x 32", "9 x 9", "64 x 64"),
                column="pictures",
                fresh=lambda chance: (int(chance.integers(8, 90)),),
            ),
            also=(
                lambda size: 32 * (size // 2 - 1) * (size // 2 - 1),
                lambda size: 32 * len(range(0, size - 3, 2)) ** 2,
            ),
            right="A window of 3 takes 2 off each side, pooling halves and rounds down, and there "
            "are 32 channels.",
            hints=(
                "A window of 3 has size - 2 places along a side.",
                "Pooling by 2 halves that. Half a window is left out: // 2.",
                "32 channels of ((size - 2) // 2) rows and as many columns.",
            ),
            wrong=(
                Wrong(
                    lambda size: 32 * (size // 2 - 2) ** 2,
                    "Pooling comes after the windows, not before: that is how 12 came about.",
                ),
                Wrong(
                    lambda size: 32 * (size - 2) ** 2, "Pooling is missing: it halves each side."
                ),
                Wrong(lambda size: ((size - 2) // 2) ** 2, "That is one channel. There are 32."),
                Wrong(
                    lambda size: 32 * ((size - 2) // 2),
                    "That is one row of each channel. A picture has two sides.",
                ),
            ),
        ),
    },
    quiz=(
        Question(
            title="it runs",
            ask="A program runs to its end and its loss falls. What do you know?",
            choices=(
                Choice(
                    "that it learns",
                    "C3a, with its output not fed, has a falling loss and "
                    "compares its output with itself.",
                ),
                Choice(
                    "that its sizes and names fit, and that the loss falls",
                    "Whether it learns, only labels and new data can tell.",
                    right=True,
                ),
                Choice(
                    "that its repair is right", "A repair is a proposal. You know what is meant."
                ),
            ),
        ),
        Question(
            title="no gradient",
            ask="C3a feeds labels into `y`, which the network computes. What is the gradient of "
            "the weights?",
            choices=(
                Choice("small", "It would be small with two softmaxes. Here it is less."),
                Choice(
                    "exactly zero",
                    "What is fed is not computed, so the loss depends on no weight.",
                    right=True,
                ),
                Choice("not a number", "Nothing is divided by zero. The loss stays at 1.4612."),
            ),
        ),
        Question(
            title="noise",
            ask="C0a draws new targets in each step. What is the best it can do?",
            choices=(
                Choice(
                    "a loss near 0, with more steps",
                    "There is nothing in the input that tells the target.",
                ),
                Choice(
                    "a loss around 1, up and down",
                    "That is the spread of the targets, and more steps change nothing.",
                    right=True,
                ),
                Choice(
                    "a loss that grows without end",
                    "The learning rate is small. It goes up and down.",
                ),
            ),
        ),
    ),
)
