"""Lesson 04: what is asked in it, and what is answered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

import minitorch_lab
from minitorch_lab.autograd.broken import MISTAKES
from minitorch_lab.lessons.calling import call
from minitorch_lab.lessons.judges import Function, Rule, show
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
from minitorch_lab.tape import ENGINE, RIGHT

lab: Any = minitorch_lab  # written as a learner writes it

# Exercises 1 and 2: an op gives its value and its local derivatives -----------------------------


def _flat(result: Any) -> Any:
    """``(12, (4, 3))`` as ``(12, 4, 3)``: brackets inside of brackets are no mistake."""
    if not isinstance(result, (tuple, list)):
        return result
    parts = [_flat(part) for part in result]
    return [x for part in parts for x in (part if isinstance(part, list) else [part])]


@dataclass(frozen=True)
class Op:
    """An op of the lesson's engine: a function that gives a value, then local derivatives."""

    reference: Callable[..., Any]
    inputs: Sequence[tuple[float, ...]]
    column: str

    def judge(self, answer: Any, wrong: tuple[Wrong, ...]) -> Verdict:
        """Compare the value and the derivatives on each input."""
        judge = Function(self.reference, self.inputs, column=self.column)
        if not callable(answer):
            return judge.judge(answer, wrong)

        @wraps(answer)  # so that words about it name the learner's function
        def op(*numbers: float) -> Any:
            return _flat(answer(*numbers))

        return judge.judge(op, wrong)


PAIRS = [(2.0, 3.0), (-1.5, 4.0), (0.0, 5.0)]
NUMBERS = [(0.0,), (1.0,), (-2.0,)]


def tanh(a: float) -> tuple[float, float]:
    """The value of tanh, and its local derivative."""
    t = math.tanh(a)
    return t, 1 - t * t


def _tanh_by_exp(a: float) -> list[float]:
    up, down = math.exp(a), math.exp(-a)
    return [(up - down) / (up + down), 4 / (up + down) ** 2]


# Exercise 3: what is broken? --------------------------------------------------------------------

FAULTS = ("overwrite", "order", "zero_grad", "nothing")


@contextmanager
def _engine(fault: str) -> Iterator[None]:
    """An engine with this fault that does not tell: its name is empty, and no line is written."""
    token = ENGINE.set(RIGHT._replace(**MISTAKES.get(fault, {})))
    try:
        yield
    finally:
        ENGINE.reset(token)


ALWAYS_NOTHING = (
    "It says that nothing is wrong in all four engines. Which program has another gradient there?"
)
NEVER_ORDER = (
    "`order` stays unseen. It needs a number that is used twice: by a near op and by a far one, "
    "as h in section 8."
)
NEVER_ZERO = (
    "`zero_grad` stays unseen. No gradient is wrong there: call zero_grad(), and look at what is "
    "left in .grad."
)
ORDER_FIRST = (
    "An engine with `overwrite` gets the program of `order` wrong too. Ask x + x first: only "
    "`overwrite` fails on it."
)
ALWAYS_ALARM = "It finds a fault in the engine that is right. When should it say `nothing`?"


def _find_fault(answer: Any) -> str | Verdict | None:
    found = {}
    for fault in FAULTS:
        where = "the right engine" if fault == "nothing" else f"the engine with `{fault}`"
        with _engine(fault):
            found[fault] = call(answer, where=where)
    if all(found[fault] == fault for fault in FAULTS):
        return None
    table = Table(
        ("engine with", "you say"), tuple((fault, show(said)) for fault, said in found.items())
    )
    return Verdict(False, _what_is_missed(found), table=table)


def _what_is_missed(found: dict[str, Any]) -> str:
    if strange := [said for said in found.values() if said not in FAULTS]:
        return f"{show(strange[0])} is none of the four answers. They are {', '.join(FAULTS)}."
    if set(found.values()) == {"nothing"}:
        return ALWAYS_NOTHING
    if found["nothing"] != "nothing":
        return ALWAYS_ALARM
    if found["overwrite"] == "order":
        return ORDER_FIRST
    if found["order"] == "nothing":
        return NEVER_ORDER
    if found["zero_grad"] == "nothing":
        return NEVER_ZERO
    missed = next(fault for fault in FAULTS if found[fault] != fault)
    return f"The engine with `{missed}` is taken for another one."


def _gradient(function: Callable[[Any], Any], value: float = 3.0) -> float:
    x = lab.tensor(value, requires_grad=True)
    function(x).backward()
    return float(x.grad.item())


def _adds() -> bool:
    return _gradient(lambda x: x + x) == 2


def _keeps_order() -> bool:
    def later(x: Any) -> Any:
        h = x * x
        return h + h * 3

    return _gradient(later) == 24


def _clears() -> bool:
    x = lab.tensor(1.0, requires_grad=True)
    (x * 2).backward()
    lab.optim.SGD([x], lr=0.1).zero_grad()
    return x.grad is None


def find_fault() -> str:
    """What is wrong with the engine of this place."""
    if not _adds():
        return "overwrite"
    if not _keeps_order():
        return "order"
    return "nothing" if _clears() else "zero_grad"


def _by_gradcheck() -> str:
    x = lab.tensor(0.7, dtype=lab.float64, requires_grad=True)

    def agrees(function: Callable[[Any], Any]) -> bool:
        return bool(lab.autograd.gradcheck(function, x, raise_exception=False))

    if not agrees(lambda x: x**2 + 2 * x + 1):
        return "overwrite"
    if not agrees(lambda x: (x * x).sin() * 2 + x * x) or not agrees(_twice_used):
        return "order"
    layer = lab.nn.Linear(1, 1)
    layer(lab.ones(1, 1)).sum().backward()
    layer.zero_grad()
    return "nothing" if layer.weight.grad is None else "zero_grad"


def _twice_used(x: Any) -> Any:
    h = x.exp()
    return h.sin() * 2 + h


def _by_two_backwards() -> str:
    x = lab.tensor(1.0, requires_grad=True)
    for _ in range(2):
        (3 * x).backward()
    if x.grad.item() == 3:
        return "overwrite"
    x.grad = None
    h = x * 2
    (h + h.exp()).backward()
    if abs(x.grad.item() - 2 * (1 + math.exp(2))) > 0.01:
        return "order"
    return "nothing" if _clears() else "zero_grad"


LESSON = Lesson(
    number="04",
    title="Build the engine",
    minutes=45,
    needs=("02", "03"),
    asks="How can a program write down what it did, and then run backwards?",
    next="05",
    predictions={
        "04.p1": Prediction(
            question="An op gives back its value, then its local derivatives. "
            "square(3.0) gives two numbers. What is the second?",
            code="def square(a):\n    return a * a, 2 * a",
            lit=2,
            field="second number",
            why="The local derivative of a² is 2a. At a = 3 that is 6.",
        ),
        "04.p2": Prediction(
            question="While the tape is played, `x.grad += ...` runs for many numbers. How often "
            "does it run for the x of our program?",
            code="s = record(square, x)\nd = record(add, x, x)\n"
            "y = record(add, record(add, s, d), Number(1.0))",
            field="times",
            why="Once for each use of x: one time from square, two times from add(x, x).",
        ),
        "04.p3": Prediction(
            question="The tape is played from the front: the op that ran first comes first. "
            "What is in x.grad at the end?",
            code="x = Number(2.0)\ny = program(x)\ny.grad = 1.0\nfor node in tape:\n"
            "    for a, local in zip(node.inputs, node.local):\n"
            "        a.grad += node.grad * local",
            lit=4,
            field="x.grad",
            why="The first two ops use x, and their own gradients are still 0. They pass on "
            "0 · local = 0. When the 1 of y comes down, their turn is over.",
        ),
        "04.p4": Prediction(
            question="With += the gradient of x is 1 + 1 + 4 = 6. What is it with = ?",
            code="while tape:\n    node = tape.pop()\n"
            "    for a, local in zip(node.inputs, node.local):\n"
            "        a.grad = node.grad * local  # no +=",
            lit=4,
            field="x.grad",
            why="The op that is taken from the tape last has the last word. That is square, "
            "which ran first. It passes on 4, and the 2 of the others is gone.",
        ),
        "04.p5": Prediction(
            question="The local derivative should be 2a. This op says a. At one place the "
            "gradient check sees no difference. At which x?",
            code="def wrong_square(a):\n    return a * a, a",
            lit=2,
            field="x",
            why="At 0, for 2 · 0 = 0. A mistake can be right by chance at one place.",
        ),
        "04.p6": Prediction(
            question="h is x², so y is 4x², and the right gradient at x = 3 is 24. The broken "
            "engine serves h as soon as the first 1 has arrived. What does it say?",
            code="h = x * x\ny = h + h * 3\ny.backward()",
            field="x.grad",
            why="The last op passes 1 to h at once. h passes on 1 · 2x = 6. Then the 3 arrives by "
            "h * 3, too late.",
        ),
    },
    exercises={
        "04.1": Exercise(
            title="write mul",
            level="easy",
            judge=Op(lambda a, b: (a * b, b, a), PAIRS, "a, b"),
            right="Each factor's local derivative is the other factor. With this op your engine "
            "can do every product.",
            hints=(
                "Take a = 2 and b = 3. The product is 6. When a grows to 3, it is 9.",
                "So it grew by 3, and that is b. The first local derivative is b.",
                "Three things after `return`: the value, then b, then a.",
            ),
            wrong=(
                Wrong(
                    lambda a, b: (a * b, a, b),
                    "The two local derivatives have changed places. When a grows by 1, how much "
                    "does a * b grow?",
                ),
                Wrong(
                    lambda a, b: (a * b, 1, 1),
                    "These are the local derivatives of a sum. A product grows by another amount.",
                ),
                Wrong(
                    lambda a, b: a * b,
                    "That is the value alone. After it come two local derivatives.",
                ),
                Wrong(
                    lambda a, b: (b, a),
                    "These are the two local derivatives. The value comes before them.",
                ),
                Wrong(
                    lambda a, b: (a * b, a + b),
                    "There is one local derivative for each input, so three numbers in all. "
                    "They are not added here.",
                ),
            ),
            also=(
                lambda a, b: [a * b, b, a],
                lambda a, b: (b * a, (b, a)),
                lambda a, b: np.array([a * b, b, a]),
            ),
        ),
        "04.2": Exercise(
            title="write tanh",
            level="core",
            judge=Op(tanh, NUMBERS, "a"),
            right="1 at a = 0, and nearly 0 far away: there a nudge changes nothing any more.",
            hints=(
                "First the value: t = math.tanh(a).",
                "The local derivative is made from t, not from a: 1 - t * t.",
                "At a = 0 the two numbers are 0 and 1. At a = 1 they are 0.7616 and 0.42.",
            ),
            wrong=(
                Wrong(
                    lambda a: (math.tanh(a), 1 - a * a),
                    "The local derivative is made from the value t, not from the input a.",
                ),
                Wrong(
                    lambda a: (math.tanh(a), 1 - math.tanh(a)),
                    "Nearly: the value is squared, 1 − t².",
                ),
                Wrong(
                    lambda a: (math.tanh(a), math.tanh(a) * (1 - math.tanh(a))),
                    "That is the rule of another function, the sigmoid. For tanh it is 1 − t².",
                ),
                Wrong(
                    math.tanh,
                    "That is the value alone. After it comes the local derivative.",
                ),
                Wrong(
                    lambda a: 1 - math.tanh(a) ** 2,
                    "That is the local derivative alone. The value comes before it.",
                ),
                Wrong(
                    lambda a: (math.tan(a), 1 - math.tan(a) ** 2),
                    "math.tan is another function. The one with the h squeezes: math.tanh.",
                ),
            ),
            also=(
                lambda a: [math.tanh(a), 1 / math.cosh(a) ** 2],
                _tanh_by_exp,
                lambda a: (np.tanh(a), 1 - np.tanh(a) ** 2),
            ),
        ),
        "04.3": Exercise(
            title="find the broken engine",
            level="stretch",
            judge=Rule(_find_fault),
            right="Three small programs tell four engines apart. That is how engines are tested.",
            hints=(
                "`overwrite`: (x + x).backward() gives 2 in a right engine. And in this one?",
                "`order`: use the function `gradient` of section 8. At x = 3 it gives 24 in a "
                "right engine. Ask it after x + x, for `overwrite` fails here too.",
                "`zero_grad`: after a backward() and optimizer.zero_grad(), x.grad should be None.",
            ),
            wrong=(
                Wrong(lambda: "nothing", ALWAYS_NOTHING),
                Wrong(
                    lambda: "overwrite" if not _adds() else "nothing" if _clears() else "zero_grad",
                    NEVER_ORDER,
                ),
                Wrong(
                    lambda: (
                        "overwrite" if not _adds() else "nothing" if _keeps_order() else "order"
                    ),
                    NEVER_ZERO,
                ),
                Wrong(
                    lambda: "order" if not _keeps_order() else find_fault(),
                    ORDER_FIRST,
                ),
                Wrong(lambda: "overwrite", ALWAYS_ALARM),
                Wrong(
                    lambda: None,
                    "Your function returns nothing for the engine with `overwrite`.",
                ),
            ),
            also=(_by_gradcheck, _by_two_backwards),
        ),
    },
    quiz=(
        Question(
            title="from the end",
            ask="Why does backward play the tape from its end?",
            choices=(
                Choice(
                    "because the last op is the most important one",
                    "No op matters more than another. It is about who waits for whom.",
                ),
                Choice(
                    "so that all of a number's gradient has arrived before it is passed on",
                    "Who uses a number stands later on the tape. From the end, all users come "
                    "first.",
                    right=True,
                ),
                Choice(
                    "because that is faster",
                    "Each op is visited once in either order. From the front the result is wrong.",
                ),
            ),
        ),
        Question(
            title="three uses",
            ask="A number is used by three ops. An engine has = where += should be. What is in "
            "its gradient?",
            choices=(
                Choice(
                    "the contribution that arrived last",
                    "Each one replaces the one before.",
                    right=True,
                ),
                Choice("the contribution that arrived first", "It was there, and was replaced."),
                Choice("an error message", "No error comes. That is what makes it dangerous."),
            ),
        ),
        Question(
            title="the check",
            ask="What does a gradient check compare?",
            choices=(
                Choice(
                    "the loss before and after training",
                    "Nothing is trained in it. It looks at one gradient at one place.",
                ),
                Choice(
                    "the engine of this workbench with PyTorch's",
                    "It needs no second engine. A nudge is enough.",
                ),
                Choice(
                    "the engine's gradient with what a small nudge does",
                    "(f(x + h) − f(x − h)) / 2h needs no engine at all, so it is a fair judge.",
                    right=True,
                ),
            ),
        ),
    ),
)
