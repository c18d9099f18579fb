"""Lesson 12: what is asked in it, and what is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch_lab
from minitorch_lab.lessons.judges import NOTHING, Function, Refused, Rule, as_array, call, show
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
from minitorch_lab.utils.data import Dataset

lab: Any = minitorch_lab  # written as a learner writes it

# 12.1 ------------------------------------------------------------------------------------------


def last(count: int, size: int) -> int:
    """How many examples are in the last batch."""
    return count % size or size


def last_by_counting(count: int, size: int) -> int:
    """The same, by taking batches away."""
    while count > size:
        count -= size
    return count


# 12.2 ------------------------------------------------------------------------------------------


class Windows(Dataset[Any]):
    """A right answer, from which the wrong ones differ in one part each."""

    short, behind, first, extra = 0, 0, 0, 0

    def __init__(self, values: Any, width: int) -> None:
        self.values, self.width = lab.tensor(values, dtype=lab.float32), width

    def __len__(self) -> int:
        return len(self.values) - self.width + self.short

    def __getitem__(self, i: Any) -> Any:
        start, end = i + self.first, i + self.width + self.extra
        return self.values[start:end], self.values[i + self.width - self.behind]


class TooMany(Windows):
    """A wrong answer: one window more than has a value behind it."""

    short = 1


class TooFew(Windows):
    """A wrong answer: the last window is forgotten."""

    short = -1


class AllValues(Windows):
    """A wrong answer: as many windows as values."""

    def __len__(self) -> int:
        return len(self.values)


class LastInside(Windows):
    """A wrong answer: the target is the last value of the window."""

    behind = 1


class TargetInside(Windows):
    """A wrong answer: the window holds its target."""

    extra = 1


class Steps(Windows):
    """A wrong answer: windows that do not overlap."""

    def __getitem__(self, i: Any) -> Any:
        return super().__getitem__(i * self.width)


class Sliced(Dataset[Any]):
    """A right answer that makes all pairs at the start."""

    def __init__(self, values: Any, width: int) -> None:
        whole = [float(value) for value in values]
        self.pairs = [
            (lab.tensor(whole[i : i + width]), lab.tensor(whole[i + width]))
            for i in range(len(whole) - width)
        ]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, i: Any) -> Any:
        return self.pairs[i]


class Plain:
    """A right answer that is no subclass, and gives a plain number."""

    def __init__(self, values: Any, width: int) -> None:
        self.values, self.width = lab.tensor(values, dtype=lab.float32), width

    def __len__(self) -> int:
        return max(0, len(self.values) - self.width)

    def __getitem__(self, i: Any) -> Any:
        window = self.values[i : i + self.width]
        return window, self.values[i + self.width].item()


ONE_MORE = (
    "There is one window too many: the last one has no value behind it. Of 5 values and width 2 "
    "there are 3."
)
ONE_LESS = "There is one window too few. Of 5 values and width 2 there are 3."
AS_VALUES = "It says that there are as many windows as values. Only whole windows count."
INSIDE = "The target is a value of the window itself. It should be the one right behind it."
HOLDS = "The window holds its own target: then there is nothing to predict."
JUMPS = "The windows do not overlap. Example 1 begins one place after example 0."


def _check_windows(answer: Any) -> str | Verdict | None:
    if not isinstance(answer, type):
        return "A class is expected here. Give its name without brackets: Windows."
    drawn = np.random.default_rng()
    chance = [round(float(v), 2) for v in drawn.normal(size=7)]
    for values, width in (([1.0, 2.0, 3.0, 4.0, 5.0], 2), (chance, 3)):
        where = f"values = {show(values)} and width = {width}"
        made = call(answer, values, width, where=where)
        found = _count(made, len(values), width) or _pairs(made, values, width)
        if found:
            return found
    return None


def _count(made: Any, values: int, width: int) -> str | None:
    if not hasattr(type(made), "__len__"):
        return "The class has no method `__len__`. It says how many windows there are."
    count = call(lambda: type(made).__len__(made), where="len()")
    right = values - width
    if count == right:
        return None
    known = {right + 1: ONE_MORE, right - 1: ONE_LESS, values: AS_VALUES}
    return known.get(count, f"For {values} values and width {width} it says {show(count)} windows.")


def _pairs(made: Any, values: list[float], width: int) -> str | Verdict | None:
    for i in range(len(values) - width):
        where = f"example {i}"
        pair = call(lambda i=i: made[i], where=where)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            return "An example should be a pair: the window, and the value behind it."
        window, target = as_array(pair[0]).ravel(), float(as_array(pair[1]).reshape(()))
        want, behind = np.array(values[i : i + width]), values[i + width]
        fits = window.shape == want.shape and np.allclose(window, want, atol=1e-4)
        if fits and np.isclose(target, behind, atol=1e-4):
            continue
        rows = (
            ("window", show(want), show(window)),
            ("target", show(behind), show(target)),
        )
        return Verdict(
            False,
            _what(window, target, values, i, width),
            table=Table((f"example {i}", "expected", "yours"), rows),
        )
    return None


def _what(window: np.ndarray, target: float, values: list[float], i: int, width: int) -> str:
    if len(window) == width + 1:
        return HOLDS
    if i and len(window) and np.isclose(window[0], values[min(i * width, len(values) - 1)]):
        return JUMPS
    if np.isclose(target, values[i + width - 1]):
        return INSIDE
    return f"Example {i} is not the one that is expected."


# 12.3 ------------------------------------------------------------------------------------------


def scale(train: Any, test: Any) -> tuple[Any, Any]:
    """Both tables, moved and scaled by the numbers of the first."""
    return scale_with(train, test)


def scale_with(
    train: Any, test: Any, *, of: str = "train", dim: int | None = 0, constant: bool = True
) -> tuple[Any, Any]:
    """The same, by the numbers of other rows, or one number for all columns."""
    both = lab.cat([train, test])
    known = both if of == "both" else train
    seen = test if of == "each" else known

    def moved(table: Any, rows: Any) -> Any:
        mean = rows.mean() if dim is None else rows.mean(0)
        std = rows.std(correction=0) if dim is None else rows.std(0, correction=0)
        return (table - mean) / (lab.where(std == 0, 1.0, std) if constant else std)

    return moved(train, known), moved(test, seen)


def scale_in_numpy(train: Any, test: Any) -> tuple[Any, Any]:
    """A right answer with arrays."""
    a, b = as_array(train), as_array(test)
    mean, std = a.mean(0), a.std(0)
    std[std == 0] = 1
    return (a - mean) / std, (b - mean) / std


def _scaled(**changed: Any) -> Callable[[Any, Any], Any]:
    def wrong(train: Any, test: Any) -> Any:
        return scale_with(train, test, **changed)

    return wrong


def only_mean(train: Any, test: Any) -> Any:
    """A wrong answer: nothing is divided."""
    return train - train.mean(0), test - train.mean(0)


OWN = "The test table is scaled with its own numbers. They are not known before the test."
BOTH = "The numbers come from both tables together. So the test has had a say: that is a leak."
ONE_NUMBER = "All columns are moved by one number. Each column has a mean of its own: `mean(0)`."
CONSTANT = (
    "A column that never changes became nan: it was divided by 0. Divide by 1 there, such as with "
    "`lab.where(std == 0, 1.0, std)`."
)
NOT_DIVIDED = "The means are right. But the columns still differ in width: divide by `std`."
WRONG_SCALES = (
    (_scaled(of="each"), OWN),
    (_scaled(of="both"), BOTH),
    (_scaled(dim=None), ONE_NUMBER),
    (only_mean, NOT_DIVIDED),
)


def _check_scale(answer: Any) -> str | Verdict | None:
    drawn = np.random.default_rng()
    plain = _tables(drawn, constant=False)
    for tables, seen in (
        (plain, "two columns"),
        (_tables(drawn, constant=True), "a constant column"),
    ):
        with np.errstate(all="ignore"):  # nan is told in words below
            given = _two(call(answer, *tables, where=f"tables with {seen}"))
        want = _two(scale(*tables))
        if _alike(given, want):
            continue
        for known, says in WRONG_SCALES:
            if _alike(given, _two(known(*tables))):
                return says
        if any(np.isnan(part).any() or np.isinf(part).any() for part in given):
            return CONSTANT
        rows = tuple(
            (name, show(w[0]), show(g[0]))
            for name, w, g in zip(("train", "test"), want, given, strict=True)
        )
        return Verdict(
            False,
            f"Not right yet for tables with {seen}.",
            table=Table(("first row of", "expected", "yours"), rows),
        )
    return None


def _tables(drawn: np.random.Generator, *, constant: bool) -> tuple[Any, Any]:
    spread = [2.0, 0.0 if constant else 0.5]
    train, test = (drawn.normal(size=(n, 2)) * spread + [5.0, -1.0] for n in (6, 3))
    return lab.tensor(train, dtype=lab.float32), lab.tensor(test + 1.0, dtype=lab.float32)


def _two(pair: Any) -> tuple[np.ndarray, np.ndarray]:
    if pair is ...:
        raise Refused(NOTHING)
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise Refused(Verdict(False, "Two tables are expected: `return train, test`, scaled."))
    return as_array(pair[0]), as_array(pair[1])


def _alike(a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...]) -> bool:
    return all(
        x.shape == y.shape and bool(np.allclose(x, y, rtol=1e-3, atol=1e-3))
        for x, y in zip(a, b, strict=True)
    )


LESSON = Lesson(
    number="12",
    title="Data pipelines",
    minutes=30,
    needs=("00", "07", "09"),
    asks="The network is right and the loss falls. Can the data still fool me?",
    next="13",
    predictions={
        "12.p1": Prediction(
            question="500 examples come in batches of 32. How many are in the last batch?",
            field="examples",
            why="15 full batches hold 480. The other 20 make a batch of their own.",
        ),
        "12.p2": Prediction(
            question="The data are sorted by class and are not shuffled. One epoch. How many of "
            "these same examples does the network name right?",
            choices=(
                "nearly all: it has seen each of them once",
                "about one half",
                "about 10 %, like guessing",
            ),
            result="about 10 %, like guessing",
            why="The last batches held nines alone. Each step went further towards nine, and what "
            "was learnt before was overwritten.",
        ),
        "12.p3": Prediction(
            question="A network is trained on pixels from −1 to 1. It is tested on the same "
            "pictures, with pixels from 0 to 1. What happens?",
            choices=(
                "an error: the data do not fit",
                "nothing: they are the same pictures",
                "many go wrong, and no error comes",
            ),
            result="many go wrong, and no error comes",
            why="The shapes are the same, so all runs. But the numbers are ones that the network "
            "has never met: for it, black has become grey.",
        ),
        "12.p4": Prediction(
            question="The columns were chosen with all 60 people, the vote is tested on 20 of "
            "them. All numbers are noise. How many labels does the vote get right?",
            choices=("about 50 %", "about 70 %", "about 95 %"),
            result="about 95 %",
            why="Among 2,000 columns of noise some agree with the labels of all 60 by chance. "
            "Those were picked, and so they agree with the test, too.",
        ),
    },
    exercises={
        "12.1": Exercise(
            title="the last batch",
            level="easy",
            judge=Function(
                last,
                [(500, 32), (70, 16), (64, 32), (5, 8), (8, 8), (9, 1)],
                column="count, size",
                fresh=lambda drawn: (int(drawn.integers(1, 200)), int(drawn.integers(1, 40))),
            ),
            right="What is left over, and a full batch where nothing is.",
            hints=(
                "70 examples in batches of 16: four full batches, and what is left of 70?",
                "The remainder of a division is `count % size`.",
                "64 in batches of 32 leaves 0. Then the last batch is a full one.",
            ),
            wrong=(
                Wrong(
                    lambda count, size: count % size,
                    "Where the batches fit exactly, this says 0. Then the last batch is full.",
                ),
                Wrong(lambda count, size: size, "The last batch may be smaller than the others."),
                Wrong(
                    lambda count, size: count // size,
                    "That is the number of *full batches*. Asked is what the last one holds.",
                ),
                Wrong(
                    lambda count, size: -(-count // size),
                    "That is the number of *batches*. Asked is how many examples the last one "
                    "holds.",
                ),
                Wrong(
                    lambda count, size: size - count % size,
                    "That is how many are *missing* to make it full.",
                ),
            ),
            also=(last_by_counting, lambda count, size: (count - 1) % size + 1),
        ),
        "12.2": Exercise(
            title="a dataset of windows",
            level="core",
            judge=Rule(_check_windows),
            right="It answers both questions, so any loader can read it, shuffle it, batch it.",
            hints=(
                "How many windows of two values, each with a value behind it, are in five values?",
                "`__len__`: the number of values less the width.",
                "`__getitem__`: self.values[i : i + self.width], and self.values[i + self.width].",
            ),
            wrong=(
                Wrong(TooMany, ONE_MORE),
                Wrong(TooFew, ONE_LESS),
                Wrong(AllValues, AS_VALUES),
                Wrong(LastInside, INSIDE),
                Wrong(TargetInside, HOLDS),
                Wrong(Steps, JUMPS),
            ),
            also=(Sliced, Plain),
        ),
        "12.3": Exercise(
            title="scale without a leak",
            level="stretch",
            judge=Rule(_check_scale),
            right="The test table was moved by numbers that were known before it came.",
            hints=(
                "`train.mean(0)` has one mean for each column. Which table may it come from?",
                "Take the mean and the deviation of `train`, and use them for both tables.",
                "`std = lab.where(std == 0, 1.0, std)` keeps a constant column from becoming nan.",
            ),
            wrong=(
                *(Wrong(answer, says) for answer, says in WRONG_SCALES),
                Wrong(_scaled(constant=False), CONSTANT),
            ),
            also=(scale, scale_in_numpy),
        ),
    },
    quiz=(
        Question(
            title="order",
            ask="Why does a loader shuffle the training data?",
            choices=(
                Choice(
                    "so that each batch looks like the whole set",
                    "Otherwise the last kind of example has the last word.",
                    right=True,
                ),
                Choice("so that it reads faster", "Reading in order is at least as fast."),
                Choice(
                    "so that the test becomes harder",
                    "The test data need no shuffling: nothing is learnt from them.",
                ),
            ),
        ),
        Question(
            title="a leak?",
            ask="You fill missing ages with the mean age of *all* people, and then split. Is that "
            "a leak?",
            choices=(
                Choice(
                    "no: an age is not a label",
                    "Not only labels leak. The mean was computed with the test people.",
                ),
                Choice(
                    "yes: the test people had a say in the mean",
                    "A small one, perhaps. Split first, and it cannot happen.",
                    right=True,
                ),
                Choice(
                    "only if more than half are missing",
                    "How much it matters depends on that. Whether it is one does not.",
                ),
            ),
        ),
        Question(
            title="no error",
            ask="Which of these mistakes stops with an error?",
            choices=(
                Choice(
                    "training on 0 to 1, testing on 0 to 255",
                    "The shapes fit, so it runs. Only the accuracy is bad.",
                ),
                Choice(
                    "shuffling pictures and labels each by itself",
                    "It runs, and learns noise.",
                ),
                Choice(
                    "pictures of two sizes in one batch",
                    "They cannot be stacked to one tensor. The other two run without a word.",
                    right=True,
                ),
            ),
        ),
    ),
)
