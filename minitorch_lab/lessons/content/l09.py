"""Lesson 09: what is asked in it, and what is answered."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minitorch_lab
from minitorch_lab import random
from minitorch_lab.lessons.judges import Function, Rule, as_array, call, number
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
nn: Any = lab.nn


# 09.1 ------------------------------------------------------------------------------------------


def count(sizes: Sequence[int]) -> int:
    """How many parameters a row of Linear layers has."""
    return sum(n * m + m for n, m in itertools.pairwise(sizes))


def count_by_building(sizes: Sequence[int]) -> int:
    """The same, by making the layers and asking them."""
    layers = [nn.Linear(n, m) for n, m in itertools.pairwise(sizes)]
    return sum(p.numel() for p in nn.Sequential(*layers).parameters())


# 09.2 ------------------------------------------------------------------------------------------

EPOCHS, BATCH, EXAMPLES = 2, 4, 10


class Seen(nn.Module):  # type: ignore[misc]  # nn is Any here
    """Passes its input on, and notes how many rows came and in which mode."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []
        self.modes: list[bool] = []

    def forward(self, x: Any) -> Any:
        """Note, and pass on."""
        self.rows.append(len(x))
        self.modes.append(self.training)
        return x


def run_fit(fit: Callable[..., Any]) -> tuple[Any, np.ndarray, np.ndarray, Seen]:
    """What ``fit`` returns, the weights before and after it, and what the model saw."""
    with random.apart(random.Generator().manual_seed(3).get_state()):
        X = lab.randn(EXAMPLES, 3)
        y = 2 * X[:, :1] - X[:, 1:2] + 0.5 * lab.arange(EXAMPLES).reshape(-1, 1)
        seen = Seen()
        model = nn.Sequential(seen, nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).eval()
        optimizer = lab.optim.SGD(model.parameters(), lr=0.05)
        before = _weights(model)
        given = (model, nn.MSELoss(), optimizer, X, y, EPOCHS, BATCH)
        losses = call(fit, *given, where="10 examples and batches of 4", returns=False)
        return losses, before, _weights(model), seen


def _weights(model: Any) -> np.ndarray:
    return np.concatenate([as_array(p).ravel() for p in model.parameters()])


def fit(
    model: Any, criterion: Any, optimizer: Any, X: Any, y: Any, epochs: int, batch_size: int
) -> list[float]:
    """The loop inside Keras's ``fit``, in order and without a progress bar."""
    return fit_with(model, criterion, optimizer, X, y, epochs, batch_size)


def fit_with(
    model: Any,
    criterion: Any,
    optimizer: Any,
    X: Any,
    y: Any,
    epochs: int,
    batch_size: int,
    *,
    zero: bool = True,
    step: bool = True,
    train: bool = True,
    last: bool = True,
    report: str = "mean",
) -> list[float]:
    """The loop, with one of its parts changed or left out."""
    if train:
        model.train()
    losses = []
    for _ in range(epochs):
        found, weights = [], []
        for i in range(0, len(X) if last else len(X) - batch_size + 1, batch_size):
            loss = criterion(model(X[i : i + batch_size]), y[i : i + batch_size])
            if zero:
                optimizer.zero_grad()
            loss.backward()
            if step:
                optimizer.step()
            found.append(loss.item())
            weights.append(len(X[i : i + batch_size]))
        losses.append(_report(report, found, weights))
    return losses


def _report(report: str, found: list[float], weights: list[int]) -> float:
    if report == "last":
        return found[-1]
    if report == "sum":
        return sum(found)
    return float(np.average(found, weights=weights if report == "mean" else None))


def fit_by_loader(
    model: Any, criterion: Any, optimizer: Any, X: Any, y: Any, epochs: int, batch_size: int
) -> Any:
    """A right answer with a loader, and a tensor of losses."""
    loader = lab.utils.data.DataLoader(lab.utils.data.TensorDataset(X, y), batch_size=batch_size)
    model.train()
    losses = lab.zeros(epochs)
    for epoch in range(epochs):
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()
            losses[epoch] += loss.detach() * len(inputs)
    return losses / len(X)


def fit_whole(
    model: Any, criterion: Any, optimizer: Any, X: Any, y: Any, epochs: int, batch_size: int
) -> list[float]:
    """The wrong answer that is the worked example: all examples in one batch."""
    return fit_with(model, criterion, optimizer, X, y, epochs, len(X))


def fit_each_batch(
    model: Any, criterion: Any, optimizer: Any, X: Any, y: Any, epochs: int, batch_size: int
) -> list[float]:
    """A wrong answer: the losses of all batches."""
    model.train()
    losses = []
    for _ in range(epochs):
        for a, b in zip(X.split(batch_size), y.split(batch_size), strict=True):
            optimizer.zero_grad()
            loss = criterion(model(a), b)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def _other(**changed: Any) -> Callable[..., Any]:
    def wrong(*arguments: Any) -> list[float]:
        return fit_with(*arguments, **changed)

    return wrong


NO_ZERO = "The gradients of earlier batches are still there. Each step needs `zero_grad()`."
NO_STEP = "The weights are as they were. Is `optimizer.step()` called, after `backward()`?"
NO_TRAIN = "The model is still in testing mode. Call `model.train()` before the loop."
NO_LAST = (
    "The last batch is missing. Of 10 examples in batches of 4, the third batch has 2, and they "
    "count too."
)
WHOLE = "All examples come at once. Take `batch_size` of them at a time, and step after each."
EACH_BATCH = "There is a loss for each batch. Asked is one for each epoch: the mean."
PLAIN_MEAN = (
    "The steps are right, the report is not: the last batch is small, and counts as much as a "
    "full one. Weigh each loss with the number of its examples."
)
LAST_LOSS = "The steps are right. But the report is the loss of the last batch, not the mean."
SUM = "The steps are right. But the report is the sum over the batches, not the mean."
REPORTS = {"plain": PLAIN_MEAN, "last": LAST_LOSS, "sum": SUM}


def _near(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-4, atol=1e-5))


def _check_fit(answer: Any) -> str | Verdict | None:
    losses, before, after, seen = run_fit(answer)
    return _batches(seen) or _steps(before, after, seen) or _losses(losses)


def _batches(seen: Seen) -> str | None:
    right = [4, 4, 2] * EPOCHS
    if not seen.rows:
        return "The model was never called."
    if seen.rows == right:
        return None
    if seen.rows == [4, 4] * EPOCHS:
        return NO_LAST
    if set(seen.rows) == {EXAMPLES}:
        return WHOLE
    if seen.rows == [4, 4, 2]:
        return "There is one epoch only. Go over the examples `epochs` times."
    got = ", ".join(map(str, seen.rows[:8])) + (", …" if len(seen.rows) > 8 else "")
    return f"Two epochs should see batches of 4, 4, 2, 4, 4, 2 examples. Yours saw {got}."


def _steps(before: np.ndarray, after: np.ndarray, seen: Seen) -> str | None:
    if np.array_equal(before, after):
        return NO_STEP
    if _near(after, run_fit(_other(zero=False))[2]):
        return NO_ZERO
    if not all(seen.modes):
        return NO_TRAIN
    if not _near(after, run_fit(fit)[2]):
        return (
            "The batches are right, and the weights end elsewhere. For each batch, once: forward, "
            "loss, gradients to zero, backward, step. And take the examples in their order."
        )
    return None


def _losses(losses: Any) -> str | Verdict | None:
    if losses is None:
        return "The training is right, and nothing is returned. Is there a `return losses`?"
    try:
        given = as_array(losses)
    except (TypeError, ValueError):
        return "The training is right. But a list of numbers is expected: call `loss.item()`."
    if given.shape == (3 * EPOCHS,):
        return EACH_BATCH
    if given.shape != (EPOCHS,):
        return f"For {EPOCHS} epochs a list of {EPOCHS} losses is expected."
    want = as_array(run_fit(fit)[0])
    if _near(given, want):
        return None
    for report, says in REPORTS.items():
        if _near(given, as_array(run_fit(_other(report=report))[0])):
            return says
    rows = tuple(
        (str(i), number(float(w)), number(float(g)))
        for i, (w, g) in enumerate(zip(want, given, strict=True), 1)
    )
    return Verdict(
        False,
        "The steps are right, and the reported losses are not.",
        table=Table(("epoch", "expected", "yours"), rows),
    )


# 09.3 ------------------------------------------------------------------------------------------


class Dense(nn.Module):  # type: ignore[misc]  # nn is Any here
    """A right answer, from which the wrong ones differ in one part each."""

    kept = True
    again = False
    fan = staticmethod(lambda n, m: (6 / (n + m)) ** 0.5)
    height = 0.0

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units
        self.kernel: Any = None
        self.bias: Any = None

    def forward(self, x: Any) -> Any:
        """Make the weights at the first call, and apply them."""
        if self.kernel is None or self.again:
            limit = self.fan(x.shape[1], self.units)
            wrap = nn.Parameter if self.kept else (lambda t: t)
            self.kernel = wrap((lab.rand(x.shape[1], self.units) * 2 - 1) * limit)
            self.bias = wrap(lab.zeros(self.units) + self.height)
        return lab.nn.functional.linear(x, self.kernel.T, self.bias)


class Unregistered(Dense):
    """A wrong answer: plain tensors."""

    kept = False


class Forgetful(Dense):
    """A wrong answer: other weights at each call."""

    again = True


class AllZero(Dense):
    """A wrong answer: a kernel of zeros."""

    fan = staticmethod(lambda n, m: 0.0)


class LikeLinear(Dense):
    """A wrong answer: PyTorch's width."""

    fan = staticmethod(lambda n, m: 1 / n**0.5)


class HighBias(Dense):
    """A wrong answer: a bias of ones."""

    height = 1.0


class Early:
    """A wrong answer: a Linear layer, whose inputs are guessed."""

    def __new__(cls, units: int) -> Any:
        """Give the layer itself."""
        return nn.Linear(3, units)


class ByUniform(nn.Module):  # type: ignore[misc]  # nn is Any here
    """A right answer with other means."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def forward(self, x: Any) -> Any:
        """Make the weights at the first call, and apply them."""
        if not hasattr(self, "kernel"):
            inputs = x.shape[-1]
            limit = (6 / (inputs + self.units)) ** 0.5
            self.kernel = nn.Parameter(lab.empty(inputs, self.units).uniform_(-limit, limit))
            self.bias = nn.Parameter(lab.zeros(self.units))
        return lab.matmul(x, self.kernel) + self.bias


class ByInit(nn.Module):  # type: ignore[misc]  # nn is Any here
    """A right answer that lets the library draw."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units
        self.linear: Any = None

    def forward(self, x: Any) -> Any:
        """Make a Linear layer at the first call, with Keras's first numbers."""
        if self.linear is None:
            self.linear = nn.Linear(x.shape[1], self.units)
            nn.init.xavier_uniform_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)
        return self.linear(x)


PLAIN = (
    "The layer works, but its module finds no parameters: an optimiser would train nothing. Wrap "
    "kernel and bias in `nn.Parameter(...)` and put them on `self`."
)
ANEW = (
    "Two calls with the same input give two results: new weights are drawn each time. Draw them "
    "at the first call only."
)
ZEROS = "All first weights are 0. Then all units do the same: section 2 shows what comes of it."
WIDTH = "That is PyTorch's width, ±1/√n. Keras looks at inputs and outputs: ±√(6 / (n + units))."
BIAS = "The bias should begin at 0."
GUESSED = "There are parameters before the first call. How does it know the number of inputs?"


def _check_dense(answer: Any) -> str | Verdict | None:
    if not isinstance(answer, type):
        return "A class is expected here. Give its name without brackets: Dense."
    with random.apart(random.Generator().manual_seed(5).get_state()):
        x = lab.randn(4, 36)
        layer = call(answer, 64, where="64 units")
        if list(layer.parameters()):
            return GUESSED
        first = call(layer, x, where="64 units and an input of the shape (4, 36)")
        again = call(layer, x, where="the second call")
        other = call(lambda: answer(2)(lab.ones(3, 5)), where="2 units and an input of (3, 5)")
    for given, shape in ((first, (4, 64)), (other, (3, 2))):
        if tuple(given.shape) != shape:
            return f"The output has the shape {tuple(given.shape)}, and it should be {shape}."
    return _weights_of(layer, x, first, again)


def _weights_of(layer: Any, x: Any, first: Any, again: Any) -> str | None:
    if not _near(as_array(first), as_array(again)):
        return ANEW
    found = [as_array(p) for p in layer.parameters()]
    if not found:
        return PLAIN
    sizes = sorted(p.size for p in found)
    if sizes != [64, 36 * 64]:
        return f"A kernel of 2304 numbers and a bias of 64 are expected. Yours have {sizes}."
    bias, kernel = sorted(found, key=lambda p: p.size)
    kernel = kernel if kernel.shape == (36, 64) else kernel.T
    if not kernel.any():
        return ZEROS
    if bias.any():
        return BIAS
    if not _near(as_array(first), as_array(x) @ kernel + bias):
        return "The output should be `x @ kernel + bias`, and is something else."
    return _drawn(kernel)


def _drawn(kernel: np.ndarray) -> str | None:
    limit, widest = (6 / 100) ** 0.5, float(np.abs(kernel).max())
    if widest <= 1 / 6 and widest > 0.95 / 6:
        return WIDTH
    if kernel.min() > -0.5 * widest:
        return "The weights should lie on both sides of 0. `lab.rand` gives 0 to 1."
    if not 0.95 * limit < widest <= limit:
        return (
            f"The widest first weight is {number(widest)}. With 36 inputs and 64 units the limit "
            f"is √(6 / 100) = {number(limit)}."
        )
    return None


LESSON = Lesson(
    number="09",
    title="Modules to Keras fit",
    minutes=35,
    needs=("00", "03", "07"),
    asks="`fit` is one line. What does it do, and can I write it myself?",
    next="10",
    predictions={
        "09.p1": Prediction(
            question="How many numbers will training change in this network?",
            code="class SimpleNet(nn.Module):\n    def __init__(self):\n"
            "        super(SimpleNet, self).__init__()\n        self.fc = nn.Linear(10, 1)",
            lit=4,
            field="parameters",
            why="Ten weights, one for each input, and one bias.",
        ),
        "09.p2": Prediction(
            question="All first weights are 0.1. After 500 steps of training, how many different "
            "units are among the eight?",
            choices=(
                "`8`: training parts them",
                "`1`: they stay equal",
                "`2`: those that help, and those that do not",
            ),
            result="`1`: they stay equal",
            why="Equal weights give equal outputs, and equal outputs get equal gradients. So "
            "every step moves all eight in the same way.",
        ),
        "09.p3": Prediction(
            question="500 pictures, one call of fit, and no word on batches. How often are the "
            "weights changed?",
            field="steps",
            why="Keras takes 32 at a time unless you say otherwise. 500 / 32 is 15.6, and the "
            "rest makes a batch of its own: 16 steps.",
        ),
        "09.p4": Prediction(
            question="fit reports a loss for its one epoch. Then evaluate measures on the same "
            "pictures. What will evaluate say?",
            choices=("the same", "lower", "higher"),
            result="lower",
            why="The loss of fit is a mean over the epoch, and the first batches met a network "
            "that knew nothing. evaluate meets the one at the end.",
        ),
    },
    exercises={
        "09.1": Exercise(
            title="count to 101,770",
            level="easy",
            judge=Function(
                count,
                [([784, 128, 10],), ([10, 1],), ([3, 3, 3, 3],), ([64, 32, 16, 10],)],
                column="sizes",
                fresh=lambda drawn: (drawn.integers(1, 99, size=drawn.integers(2, 6)).tolist(),),
            ),
            right="Inputs times outputs, and one bias for each output, layer by layer.",
            hints=(
                "Do one layer first: Linear(10, 1) has 10 weights and 1 bias.",
                "zip(sizes, sizes[1:]) gives the pairs: (784, 128), then (128, 10).",
                "Add inputs * outputs + outputs for each pair.",
            ),
            wrong=(
                Wrong(
                    lambda sizes: sum(n * m for n, m in itertools.pairwise(sizes)),
                    "These are the weights alone. Each output has a bias too.",
                ),
                Wrong(
                    lambda sizes: count(sizes) + sizes[0],
                    "The inputs got biases too. Only what a layer gives out has them.",
                ),
                Wrong(
                    lambda sizes: sum(n * m + n for n, m in itertools.pairwise(sizes)),
                    "There is one bias for each *input* here. A layer has one for each output.",
                ),
                Wrong(
                    lambda sizes: sum(n * m + 1 for n, m in itertools.pairwise(sizes)),
                    "There is one bias for each *layer* here. A layer has one for each output.",
                ),
                Wrong(
                    lambda sizes: sizes[0] * sizes[1] + sizes[1],
                    "That is the first layer alone. Go on to the last.",
                ),
            ),
            also=(
                count_by_building,
                lambda s: sum((s[i] + 1) * s[i + 1] for i in range(len(s) - 1)),
            ),
        ),
        "09.2": Exercise(
            title="write fit in 12 lines",
            level="core",
            judge=Rule(_check_fit),
            right="That is the loop inside fit: the same weights at the end, the same report.",
            hints=(
                "Two loops, one in the other: over the epochs, and over the batches. "
                "`zip(X.split(batch_size), y.split(batch_size))` gives the batches.",
                "Inside: the loss of the batch, `zero_grad()`, `backward()`, `step()`.",
                "For the report, add `loss.item() * len(inputs)` for each batch, and divide by "
                "`len(X)` at the end of the epoch.",
            ),
            wrong=(
                Wrong(_other(zero=False), NO_ZERO),
                Wrong(_other(step=False), NO_STEP),
                Wrong(_other(train=False), NO_TRAIN),
                Wrong(_other(last=False), NO_LAST),
                Wrong(fit_whole, WHOLE),
                Wrong(fit_each_batch, EACH_BATCH),
                Wrong(_other(report="plain"), PLAIN_MEAN),
                Wrong(_other(report="last"), LAST_LOSS),
                Wrong(_other(report="sum"), SUM),
            ),
            also=(fit, fit_by_loader),
        ),
        "09.3": Exercise(
            title="a layer that looks first",
            level="stretch",
            judge=Rule(_check_dense),
            right="It waits for the first input, makes its weights once, and its module knows "
            "them. That is what Keras does.",
            hints=(
                "Ask `if self.kernel is None:` in `forward`. Only then are weights made.",
                "`lab.rand(n, units) * 2 - 1` lies between −1 and 1. Times the limit it lies "
                "where it should. n is `x.shape[1]`.",
                "`self.kernel = nn.Parameter(...)`, `self.bias = nn.Parameter(...)`, and after "
                "the `if`: `output = x @ self.kernel + self.bias`.",
            ),
            wrong=(
                Wrong(Unregistered, PLAIN),
                Wrong(Forgetful, ANEW),
                Wrong(AllZero, ZEROS),
                Wrong(LikeLinear, WIDTH),
                Wrong(HighBias, BIAS),
                Wrong(Early, GUESSED),
            ),
            also=(ByUniform, ByInit),
        ),
    },
    quiz=(
        Question(
            title="found or not",
            ask="You write `self.layers = [nn.Linear(2, 8)]` and `self.last = nn.Linear(8, 1)`. "
            "What will an optimiser train?",
            choices=(
                Choice("both layers", "A module does not look into plain lists."),
                Choice(
                    "the last layer only",
                    "And no error says so. `nn.ModuleList([...])` is a list that is looked into.",
                    right=True,
                ),
                Choice(
                    "nothing: there is an error",
                    "There would be one if no parameter at all were found. One layer is.",
                ),
            ),
        ),
        Question(
            title="the start",
            ask="Why are first weights random and not all equal?",
            choices=(
                Choice(
                    "so that each run gives another result",
                    "That is a side effect, and a seed takes it away.",
                ),
                Choice(
                    "because zeros would be an error",
                    "No error comes. The network trains, and its units stay alike.",
                ),
                Choice(
                    "so that the units become different",
                    "Equal units get equal gradients, and stay equal for ever.",
                    right=True,
                ),
            ),
        ),
        Question(
            title="two losses",
            ask="A friend's `fit` ends with loss 0.50, your own loop with 0.42: same data, same "
            "network. What may you say?",
            choices=(
                Choice(
                    "your loop trains better",
                    "It may. Or it has another batch size, other first weights, another report.",
                ),
                Choice(
                    "nothing, before you know batches, order, first weights and what is reported",
                    "Section 6 made them equal one by one, and then the tables agreed.",
                    right=True,
                ),
                Choice(
                    "Keras computes less exactly",
                    "With the same settings both gave the same digits.",
                ),
            ),
        ),
    ),
)
