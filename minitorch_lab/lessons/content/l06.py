"""Lesson 06: what is asked in it, and what is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import minitorch_lab
from minitorch_lab.lessons.judges import Function, Number, Refused, call
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

TABLE = (
    "The numbers are right, but the whole table was computed for them: one walk back for each "
    "entry of w. Two walks are enough."
)
WIDE = 40  # inputs, each with a walk of its own if the whole table is built
WALKS = 8


@dataclass(frozen=True)
class Curve:
    """A function to differentiate, with the formula by which it is named."""

    formula: str
    f: Callable[[Any], Any]

    def __call__(self, x: Any) -> Any:
        """The function at x."""
        return self.f(x)

    def __repr__(self) -> str:
        return self.formula


CUBES = Curve("sum of cubes", lambda w: (w**3).sum())


def product(f: Any, w: Any, v: Any) -> Any:
    """The Hessian of f at w, times v, in two walks back."""
    (g,) = lab.autograd.grad(f(w), w, create_graph=True)
    (result,) = lab.autograd.grad((g * v).sum(), w)
    return result


def by_table(f: Any, w: Any, v: Any) -> Any:
    """The same by the whole Hessian."""
    return lab.func.hessian(f)(w.detach()) @ v


def by_another_walk(f: Any, w: Any, v: Any) -> Any:
    """The same with backward() for the second walk."""
    own = w.detach().requires_grad_()
    (g,) = lab.autograd.grad(f(own), own, create_graph=True)
    (g @ v).backward()
    return own.grad


def added_up(f: Any, w: Any, v: Any) -> Any:
    """With backward() for both walks, and .grad never cleared: the gradient is in it too."""
    own = w.detach().requires_grad_()
    f(own).backward(create_graph=True)
    (own.grad * v).sum().backward()
    return own.grad


def walks_back(answer: Callable[..., Any]) -> int:
    """How often a Hessian-vector product walks back through its function."""
    count = 0

    def seen(gradient: Any) -> None:
        nonlocal count
        count += 1

    def f(w: Any) -> Any:
        inner = w * 1.0
        inner.register_hook(seen)
        return (inner**3).sum()

    call(answer, f, lab.ones(WIDE, requires_grad=True), lab.ones(WIDE), where="a long w")
    return count


@dataclass(frozen=True)
class FewWalks(Function):
    """A function whose values are compared, and then how often it walks back."""

    def judge(self, answer: Any, wrong: tuple[Wrong, ...]) -> Verdict:
        """Compare the values first; a right answer may still do too much work."""
        found = super().judge(answer, wrong)
        if not found.right:
            return found
        try:
            count = walks_back(answer)
        except Refused as refused:
            return refused.verdict
        if count > WALKS:
            return Verdict(False, TABLE, f"With {WIDE} entries in w it walked back {count} times.")
        return found


def _point(*values: float) -> Any:
    return lab.tensor(values, requires_grad=True)


def _three_functions() -> Sequence[tuple[Any, ...]]:
    twisted = Curve("a²b + b³", lambda w: w[0] ** 2 * w[1] + w[1] ** 3)
    growing = Curve("exp(a + 2b)", lambda w: lab.exp(w[0] + 2 * w[1]))
    return [
        (twisted, _point(1.0, 2.0), lab.tensor([1.0, -1.0])),
        (CUBES, _point(1.0, -1.0, 2.0), lab.tensor([1.0, 2.0, 0.5])),
        (growing, _point(0.1, -0.2), lab.tensor([1.0, 0.0])),
    ]


def _any_cubes(chance: np.random.Generator) -> tuple[Any, ...]:
    w, v = chance.uniform(-2, 2, (2, 4)).round(1).tolist()
    return CUBES, _point(*w), lab.tensor(v)


def slopes(f: Any, x: float) -> tuple[float, float]:
    """The slope and the bend of f at x, as in the lesson."""
    at = lab.tensor(x, requires_grad=True)
    (slope,) = lab.autograd.grad(f(at), at, create_graph=True)
    (bend,) = lab.autograd.grad(slope, at)
    return slope.item(), bend.item()


def _steps(f: Any, x: float, move: Callable[[float, float], float], limit: float) -> int:
    slope, bend = slopes(f, x)
    count = 0
    while abs(slope) >= limit:
        x -= move(slope, bend)
        slope, bend = slopes(f, x)
        count += 1
    return count


def race(f: Any, x: float, lr: float, limit: float = 0.001) -> list[int]:
    """The steps that Newton's method takes, and those of gradient descent."""
    return [
        _steps(f, x, lambda s, b: s / b, limit),
        _steps(f, x, lambda s, b: lr * s, limit),
    ]


def race_counted_down(f: Any, x: float, lr: float) -> Any:
    """The same, with a tensor that moves and a count that is a tensor."""
    counts = []
    for name in ("newton", "sgd"):
        at = lab.tensor(float(x), requires_grad=True)
        for taken in range(10_000):
            (slope,) = lab.autograd.grad(f(at), at, create_graph=True)
            if -0.001 < slope.item() < 0.001:
                counts.append(taken)
                break
            (bend,) = lab.autograd.grad(slope, at)
            step = slope / bend if name == "newton" else lr * slope
            at = (at - step).detach().requires_grad_()
    return lab.tensor(counts)


def _without_sign(f: Any, x: float, lr: float) -> list[int]:
    counts = []
    for newton in (True, False):
        at, count = x, 0
        slope, bend = slopes(f, at)
        while slope >= 0.001:
            at -= slope / bend if newton else lr * slope
            slope, bend = slopes(f, at)
            count += 1
        counts.append(count)
    return counts


def _curves() -> Sequence[tuple[Any, ...]]:
    return [
        (Curve("(x − 3)²", lambda x: (x - 3) ** 2), 0.0, 0.1),
        (Curve("eˣ − 2x", lambda x: lab.exp(x) - 2 * x), 0.0, 0.1),
        (Curve("eˣ + e⁻²ˣ", lambda x: lab.exp(x) + lab.exp(-2 * x)), 1.5, 0.1),
    ]


def _bowl(a: float, x: Any) -> Any:
    return lab.exp(x) - a * x


def _any_curve(chance: np.random.Generator) -> tuple[Any, ...]:
    """A curve on whose counts two ways of rounding agree."""
    while True:
        a, start = chance.uniform(1.0, 3.0), chance.uniform(-1.0, 2.0)
        a, start = round(a, 1), round(start, 1)
        curve = Curve(f"eˣ − {a:g}x", partial(_bowl, a))
        if race(curve, start, 0.1, 0.00099) == race(curve, start, 0.1, 0.00101):
            return curve, start, 0.1


LESSON = Lesson(
    number="06",
    title="Control flow and higher-order",
    minutes=35,
    needs=("03", "05"),
    asks="My program has an `if` and a loop. Is its gradient still right?",
    next="07",
    predictions={
        "06.p1": Prediction(
            question="Which gradient does x get at −2?",
            code="def bent(x):\n    if x > 0:\n        return x**2\n    return -3 * x\n"
            "x = torch.tensor(-2.0, requires_grad=True)\nbent(x).backward()\nprint(x.grad)",
            lit=7,
            field="x.grad is",
            why="At −2 only the last line ran, -3 * x, and its slope is −3. "
            "The square did not run, so it has no part in the gradient.",
        ),
        "06.p2": Prediction(
            question="x starts at 3. What is its gradient after the loop?",
            code="y = x\nwhile y < 10:\n    y = 2 * y\ny.backward()\nprint(x.grad)",
            lit=5,
            field="x.grad is",
            why="3, 6, 12: the loop went round twice, so y is 2 · 2 · x, and its slope is 4.",
        ),
        "06.p3": Prediction(
            question="y = x³ at x = 2. What is the slope of its slope?",
            field="bend",
            why="The slope is 3x², and the slope of that is 6x. At 2 it is 12.",
        ),
        "06.p4": Prediction(
            question="How many Newton steps lead from (2, 1) to the lowest place of the valley?",
            choices=("`1`", "`2`: one for each input", "about `50`"),
            result="`1`",
            why="The valley is a parabola itself, so the parabola that Newton jumps by is the "
            "whole truth.",
        ),
    },
    exercises={
        "06.1": Exercise(
            title="a loop with an if in it",
            level="easy",
            judge=Number(150.0),
            right="3, 9, 15, 225. Two additions made 5x, the square made 25x², and its slope is "
            "50x: 150.",
            hints=(
                "Follow y: it begins at 3. Is 3 above 10? Then which line runs?",
                "The way is 3, 9, 15, 225. The additions add 2x each, so 15 is 5x.",
                "The last op squares 5x. The slope of 25x² is 50x.",
            ),
            wrong=(
                Wrong(225.0, "That is y at the end. Asked is how fast it grows when x grows."),
                Wrong(30.0, "That is the last step alone, 2 · 15. Before it, y was 5x."),
                Wrong(5.0, "That is the slope before the last step. The square ran as well."),
                Wrong(60.0, "Each addition brings 2, but y was there before it: 15 is 5x."),
                Wrong(120.0, "y began as x itself, so after two additions it is 5x, not 4x."),
                Wrong(6.0, "That is the slope of x² at 3. Follow the loop: what does it square?"),
            ),
            also=(150, lab.tensor(150.0), [50 * 3.0]),
        ),
        "06.2": Exercise(
            title="a Hessian times a vector",
            level="core",
            judge=FewWalks(
                product,
                _three_functions,
                column="input",
                fresh=_any_cubes,
            ),
            right="Two walks back, whatever the size of w. Without a table it works for a network "
            "too.",
            hints=(
                "First the gradient g of f(w), with create_graph=True.",
                "Then one number: (g * v).sum().",
                "The gradient of that number with respect to w is the answer.",
            ),
            wrong=(
                Wrong(
                    lambda f, w, v: lab.autograd.grad(f(w), w)[0] * v,
                    "That is the gradient times v. It has to be differentiated once more.",
                ),
                Wrong(
                    lambda f, w, v: (lab.autograd.grad(f(w), w)[0] * v).sum(),
                    "That is g · v, one number: how fast f grows along v. "
                    "Asked is the gradient of it.",
                ),
                Wrong(
                    lambda f, w, v: product(f, w, lab.ones_like(w)) * v,
                    "v came too late: it has to stand inside, before the second gradient.",
                ),
                Wrong(
                    added_up,
                    "The gradient itself is in there too: the second backward() added to w.grad. "
                    "Use torch.autograd.grad, or clear w.grad between the two.",
                ),
                Wrong(by_table, TABLE),
            ),
            also=(
                by_another_walk,
                lambda f, w, v: lab.autograd.functional.hvp(f, w, v)[1],
                lambda f, w, v: lab.func.jvp(lab.func.grad(f), (w.detach(),), (v,))[1],
            ),
        ),
        "06.3": Exercise(
            title="Newton against SGD",
            level="stretch",
            judge=Function(
                race,
                _curves,
                column="input",
                fresh=_any_curve,
            ),
            right="On the parabola Newton needs one step. On the others it needs a few, and "
            "SGD several times as many.",
            hints=(
                "Two loops of one kind: while abs(slope) >= 0.001, take a step and count it.",
                "Newton's step is slope / bend, SGD's is lr * slope. Both are subtracted.",
                "Ask for the slope again after each step, and begin the second loop at x again.",
            ),
            wrong=(
                Wrong(
                    lambda f, x, lr: race(f, x, lr)[::-1],
                    "The numbers are right, in the other order: Newton's comes first.",
                ),
                Wrong(
                    lambda f, x, lr: [n + 1 for n in race(f, x, lr)],
                    "One too many each: count the steps, not the places.",
                ),
                Wrong(
                    _without_sign,
                    "A slope may be below 0, and then it is not small. Look at abs(slope).",
                ),
                Wrong(
                    lambda f, x, lr: [race(f, x, lr)[1]] * 2,
                    "Both loops took SGD's step. Newton's is slope / bend.",
                ),
                Wrong(
                    lambda f, x, lr: [race(f, x, lr)[0], 0],
                    "The second loop began where the first one had ended. Begin at x again.",
                ),
            ),
            also=(race_counted_down, lambda f, x, lr: tuple(race(f, x, lr))),
        ),
    },
    quiz=(
        Question(
            title="what is kept",
            ask="A loop goes round 5 times for this input. What is on the tape?",
            choices=(
                Choice(
                    "a loop, with a number of rounds",
                    "The tape knows no loops. It keeps ops.",
                ),
                Choice(
                    "the ops of all 5 rounds, one after the other",
                    "As if you had written them out. Another input may make another number.",
                    right=True,
                ),
                Choice(
                    "the ops of the last round",
                    "All rounds had a part in the result, so all are kept.",
                ),
            ),
        ),
        Question(
            title="one direction",
            ask="A network has a million parameters. What does one Hessian times a vector cost?",
            choices=(
                Choice(
                    "a table with a million rows",
                    "That is the Hessian itself. For the product nobody needs it.",
                ),
                Choice(
                    "a million walks back",
                    "That would be one for each row of the table.",
                ),
                Choice(
                    "about as much as two walks back",
                    "One for the gradient, one for the gradient of (g · v).",
                    right=True,
                ),
            ),
        ),
        Question(
            title="a jump",
            ask="Newton's method has come to rest: the slope is 0 and the bend is −4. Where is it?",
            choices=(
                Choice(
                    "at a lowest place",
                    "There the curve bends up, and the bend is above 0.",
                ),
                Choice(
                    "on a hilltop",
                    "Flat, and bending down on both sides.",
                    right=True,
                ),
                Choice(
                    "still on its way",
                    "The step is slope / bend, and that is 0: it stays.",
                ),
            ),
        ),
    ),
)
