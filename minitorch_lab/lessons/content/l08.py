"""Lesson 08: what is asked in it, and what is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import minitorch_lab
from minitorch_lab import tf as tensorflow
from minitorch_lab.lessons.judges import Function, Number
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
tf: Any = tensorflow

# The share of runs that go up --------------------------------------------------------------------


def share_up(train: Any, seeds: Any) -> float:
    """The share of the seeds with a last loss above the first."""
    return float(np.mean([losses[-1] > losses[0] for losses in map(train, seeds)]))


def _share_by_list(train: Any, seeds: Any) -> float:
    all_losses = [list(train(seed)) for seed in seeds]
    return len([1 for losses in all_losses if losses[0] < losses[len(losses) - 1]]) / len(
        all_losses
    )


def _share_as_tensor(train: Any, seeds: Any) -> Any:
    runs = lab.tensor([train(seed) for seed in seeds])
    return (runs[:, -1] > runs[:, 0]).float().mean()


def _wave(seed: int) -> list[float]:
    """Four losses: up for every third seed, and the last is always above the one before."""
    return [2.0, 3.0, 1.0, 2.5 if seed % 3 == 0 else 1.5]


def _sometimes_equal(seed: int) -> list[float]:
    return [1.0, 0.5, (0.8, 1.0, 1.2, 1.0)[seed % 4]]


@dataclass(frozen=True)
class Program:
    """Something to train, with a name for the table."""

    name: str
    losses: Callable[[int], list[float]]

    def __call__(self, seed: int) -> list[float]:
        """The losses of the run with this seed."""
        return self.losses(seed)

    def __repr__(self) -> str:
        return self.name


def _programs() -> Sequence[tuple[Any, ...]]:
    return [
        (Program("always down", lambda seed: [3.0, 2.0, 1.0]), range(5)),
        (Program("up and down", _wave), [3, 4, 6, 9, 12]),
        (Program("some equal", _sometimes_equal), range(8)),
    ]


def _any_program(chance: np.random.Generator) -> tuple[Any, ...]:
    losses = chance.normal(1.0, 0.3, (20, 5)).tolist()
    seeds = sorted(chance.choice(20, 8, replace=False).tolist())
    return Program("drawn", lambda seed: losses[seed]), seeds


# C0b repaired ------------------------------------------------------------------------------------

Train = Callable[..., Any]


def example(count: int) -> tuple[Any, Any, Any, Any]:
    """A model with known weights, its optimiser, and data whose target is a sum of inputs."""
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    numbers = np.sin(np.arange(10 * count, dtype=np.float32)).reshape(count, 10)
    x = tf.constant(numbers)
    model(x)
    model.set_weights([np.linspace(-0.3, 0.3, 10, dtype=np.float32)[:, None], np.zeros(1)])
    optimizer = tf.keras.optimizers.SGD(learning_rate=0.05)
    return model, optimizer, x, tf.reduce_sum(x, axis=1, keepdims=True) + 1.0


def train(
    model: Any,
    optimizer: Any,
    x: Any,
    y: Any,
    loss_of: Callable[[Any, Any], Any] | None = None,
    step: bool = True,
) -> Any:
    """Ten epochs as article S0 has them, repaired; with another loss or without a step, wrong."""
    losses = []
    for _ in range(10):
        with tf.GradientTape() as tape:
            output = model(x)
            loss = (loss_of or tf.keras.losses.MeanSquaredError())(y, output)
        gradients = tape.gradient(loss, model.trainable_variables)
        if step:
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        losses.append(loss.numpy())
    return losses


def _new_data_each_epoch(model: Any, optimizer: Any, x: Any, y: Any) -> list[float]:
    losses = []
    for _ in range(10):
        data, target = tf.random.normal((1, 10)), tf.random.normal((1, 1))
        losses += _epochs(1, model, optimizer, data, target)
    return losses


def _after_the_step(model: Any, optimizer: Any, x: Any, y: Any) -> list[float]:
    losses = []
    for _ in range(10):
        _epochs(1, model, optimizer, x, y)
        losses.append(float(tf.reduce_mean((y - model(x)) ** 2).numpy()))
    return losses


def _epochs(count: int, model: Any, optimizer: Any, x: Any, y: Any) -> list[float]:
    losses = []
    for _ in range(count):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - y))
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        losses.append(float(loss.numpy()))
    return losses


def _on_examples(function: Train) -> Callable[[int], Any]:
    """The same function of a number of examples, each time with a fresh model."""

    def run(count: int) -> Any:
        lab.manual_seed(0)  # a function that draws data anew is known by what it draws
        return function(*example(count))

    return run


@dataclass(frozen=True)
class Training(Function):
    """A function that trains: each call gets a fresh model and so many examples."""

    def judge(self, answer: Any, wrong: tuple[Wrong, ...]) -> Verdict:
        """Compare the losses that it returns; the learner's random numbers stay."""
        state = lab.get_rng_state()
        try:
            return super().judge(answer, wrong)
        finally:
            lab.set_rng_state(state)

    def _result(self, answer: Any, arguments: tuple[Any, ...], label: str) -> np.ndarray:
        lab.manual_seed(0)
        return super()._result(answer, example(*arguments), label)

    def _is_known(self, known: Wrong, calls: Any, given: list[np.ndarray]) -> bool:
        return super()._is_known(Wrong(_on_examples(known.answer), known.says), calls, given)


def _row(y: Any, output: Any) -> Any:
    return tf.keras.losses.mse(y, output)


def _sum(y: Any, output: Any) -> Any:
    return tf.reduce_sum(_row(y, output))


def _mean(y: Any, output: Any) -> Any:
    return tf.reduce_mean(_row(y, output))


def _counted(losses: Iterable[Any]) -> list[float]:
    return [float(loss) for loss in losses]


LESSON = Lesson(
    number="08",
    title="Is it learning?",
    minutes=30,
    needs=("00", "07"),
    asks="The loss goes up and down. Is that learning, or luck?",
    next="09",
    predictions={
        "08.p1": Prediction(
            question="Read this loop. What will the ten losses look like?",
            code="for epoch in range(10):\n    optimizer.zero_grad()\n"
            "    input_data = torch.randn(1, 10)\n    target = torch.randn(1, 1)\n"
            "    output = model(input_data)\n    loss = nn.MSELoss()(output, target)\n"
            "    loss.backward()\n    optimizer.step()",
            lit=4,
            choices=(
                "they fall, quickly at first",
                "they fall slowly: the learning rate is small",
                "no order: they go up and down",
            ),
            result="no order: they go up and down",
            why="Each epoch draws a new target by chance. What was learnt for one target says "
            "nothing about the next.",
        ),
        "08.p2": Prediction(
            question="400 runs with 400 seeds. Of each 100, how many end with a loss above their "
            "first one?",
            choices=("about `10`", "about `50`", "about `90`"),
            result="about `50`",
            why="The weights hardly move in ten small steps. So the first loss and the last one "
            "are two draws of the same kind, and either may be the higher.",
        ),
        "08.p3": Prediction(
            question="The targets are drawn with randn: their mean is 0, the mean of their "
            "squares is 1. What is the lowest mean loss that any model can reach?",
            field="lowest mean loss",
            why="No answer beats the mean of the targets, 0, and it leaves the mean of their "
            "squares: 1.",
        ),
        "08.p4": Prediction(
            question="Eight examples of noise, drawn once. What will their loss be after 2,000 "
            "steps?",
            choices=("close to `1`: it is noise", "close to `0`", "it swings up and down"),
            result="close to `0`",
            why="The same eight examples come again in each step, so the layer learns them by "
            "heart. It has eleven numbers to do it with.",
        ),
    },
    exercises={
        "08.1": Exercise(
            title="the floor of a die",
            level="easy",
            judge=Number(35 / 12, tolerance=2e-3),
            right="The best answer is 3.5, and the mean square of the distance from it is "
            "35/12, about 2.92.",
            hints=(
                "First: which fixed answer is best? It is the mean of the six faces.",
                "The mean is 3.5. Now take the distance of each face from it, and square it.",
                "The floor is the mean of the six squares: 2.5², 1.5², 0.5², and again.",
            ),
            wrong=(
                Wrong(0, "For 0 somebody would have to know the next throw. The inputs do not."),
                Wrong(
                    3.5,
                    "3.5 is the best answer. Asked is what is left: the mean square of the "
                    "distance from it. (Divide by 6, for all six faces count.)",
                ),
                Wrong(
                    91 / 6,
                    "That is the mean of the squares, so the loss of the answer 0. "
                    "A better answer is in the middle.",
                ),
                Wrong(1.5, "That is the mean distance. The loss squares each distance first."),
                Wrong(17.5, "That is the sum of the six squares. The loss is their mean."),
                Wrong(
                    (35 / 12) ** 0.5,
                    "That is the square root of the floor. The loss is a mean of squares.",
                ),
                Wrong(1.0, "1 is the floor of `randn`. A die has another spread."),
            ),
            also=(2.9167, lab.tensor([1.0, 2, 3, 4, 5, 6]).var(correction=0), [35 / 12]),
        ),
        "08.2": Exercise(
            title="show P(up) = 1/2",
            level="core",
            judge=Function(
                share_up,
                _programs,
                column="input",
                fresh=_any_program,
            ),
            right="A share counts the runs and divides by how many there were. For `c0a` and "
            "400 seeds it comes close to 1/2.",
            hints=(
                "For each seed: losses = train(seed). The first is losses[0], the last losses[-1].",
                "Count the seeds for which the last is higher than the first.",
                "Divide the count by len(seeds).",
            ),
            wrong=(
                Wrong(
                    lambda train, seeds: share_up(train, seeds) * len(seeds),
                    "That is a count. Divide it by how many seeds there are.",
                ),
                Wrong(
                    lambda train, seeds: share_up(lambda seed: train(seed)[::-1], seeds),
                    "That is the share of runs that go down. Asked is up.",
                ),
                Wrong(
                    lambda train, seeds: share_up(lambda seed: train(seed)[-2:], seeds),
                    "The last loss is compared with the one before it. Compare it with the first.",
                ),
                Wrong(
                    lambda train, seeds: np.mean([train(s)[-1] >= train(s)[0] for s in seeds]),
                    "Equal is not higher: use > and not >=.",
                ),
                Wrong(
                    lambda train, seeds: share_up(train, range(len(seeds))),
                    "The seeds that were given are not used: they need not begin at 0.",
                ),
                Wrong(
                    lambda train, seeds: 100 * share_up(train, seeds),
                    "That is in percent. A share lies between 0 and 1.",
                ),
                Wrong(
                    lambda train, seeds: 0.5,
                    "1/2 is what comes out for `c0a`. Other programs have another share: count.",
                ),
            ),
            also=(_share_by_list, _share_as_tensor),
        ),
        "08.3": Exercise(
            title="repair C0b",
            level="stretch",
            judge=Training(
                _on_examples(train),
                [(1,), (6,)],
                column="number of examples",
                fresh=lambda chance: (int(chance.integers(2, 20)),),
            ),
            right="Today's name, the mean of the row, and data that stay: now the loss falls, and "
            "there is something to learn.",
            hints=(
                "The data are given, so the two lines that draw them go. The rest of the loop "
                "stays.",
                "`tf.keras.losses.mse(target, output)` is today's name. It gives a row: one loss "
                "for each example.",
                "tf.reduce_mean makes one number of the row, and .numpy() takes it out. "
                "Append it in each epoch.",
            ),
            wrong=(
                Wrong(
                    lambda m, o, x, y: train(m, o, x, y, loss_of=_row),
                    "The loss is a row, with one number for each example. Take its mean inside "
                    "the tape.",
                ),
                Wrong(
                    lambda m, o, x, y: train(m, o, x, y, loss_of=_sum),
                    "The losses of all examples were added up. Take their mean, or the steps "
                    "grow with the number of examples.",
                ),
                Wrong(
                    _new_data_each_epoch,
                    "New data are drawn in each epoch, so there is nothing to learn. Use what the "
                    "function is given.",
                ),
                Wrong(
                    lambda m, o, x, y: train(m, o, x, y, step=False),
                    "The loss is the same in all epochs: nothing moves the weights. "
                    "apply_gradients is missing.",
                ),
                Wrong(
                    _after_the_step,
                    "Each loss is measured after its step. The article prints the loss that the "
                    "tape saw, before the step.",
                ),
                Wrong(
                    lambda m, o, x, y: train(m, o, x, y)[-1],
                    "Only the last loss came back. Collect all ten in a list.",
                ),
            ),
            also=(
                lambda model, optimizer, x, y: _epochs(10, model, optimizer, x, y),
                lambda m, o, x, y: np.array(train(m, o, x, y)),
                lambda m, o, x, y: _counted(train(m, o, x, y, loss_of=_mean)),
            ),
        ),
    },
    quiz=(
        Question(
            title="one run",
            ask="A friend shows you one run of ten epochs: the loss fell from 1.9 to 0.4. "
            "What do you ask first?",
            choices=(
                Choice(
                    "whether a larger learning rate helps",
                    "It is not yet clear that there is anything to help.",
                ),
                Choice(
                    "what happens with other seeds, and on new data",
                    "One run of `c0a` may well look like that, and it learns nothing.",
                    right=True,
                ),
                Choice(
                    "nothing: it has learnt",
                    "Of the 400 runs here about half went down. None of them had learnt.",
                ),
            ),
        ),
        Question(
            title="below the floor",
            ask="Your targets are noise with a floor of 1. The training loss is 0.02. "
            "What has happened?",
            choices=(
                Choice(
                    "the floor was wrong",
                    "It holds for new data, and it was worked out, not guessed.",
                ),
                Choice(
                    "the model is better than the best answer",
                    "On new data nobody is.",
                ),
                Choice(
                    "the model has learnt its examples by heart",
                    "A few examples, seen again and again. On new ones the loss is above 1.",
                    right=True,
                ),
            ),
        ),
        Question(
            title="shuffled",
            ask="You shuffle the targets and train again. The loss ends where it ended before. "
            "What does that tell you?",
            choices=(
                Choice(
                    "the inputs say nothing about the targets",
                    "Which target belongs to which input made no difference.",
                    right=True,
                ),
                Choice(
                    "the model is too small",
                    "It may be, but then the real targets would still have helped it a bit.",
                ),
                Choice(
                    "shuffling does no harm",
                    "It breaks every pair. That it does no harm is the bad news.",
                ),
            ),
        ),
    ),
)
