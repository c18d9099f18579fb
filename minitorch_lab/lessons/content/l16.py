"""Lesson 16: what is asked in it, and what is answered."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import minitorch_lab
from minitorch_lab.lessons.judges import Number, Rule, as_array, call, number, show
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


def _quiet() -> warnings.catch_warnings[None]:
    """Without the warning of many traces: the check says in its own words what it found."""
    return warnings.catch_warnings(action="ignore")


# 16.2 ------------------------------------------------------------------------------------------

PAIRS = "Four calls are expected, each as a pair: [(x, k), (x, k), (x, k), (x, k)]."
FITS = "One of the calls fits a graph that was there already, so Python does not trace again."
TWO_AT_ONCE = "One of the last three calls differs from the first in more than one thing."
SAME_REASON = "All four are traced, but two of them for the same reason."
NO_NUMBER = "k is to be a plain number. A tensor is an input, and is not baked into the graph."


def _differs(now: tuple[Any, Any], first: tuple[Any, Any]) -> list[str]:
    """In which things a call differs from the first one."""
    (x, k), (x0, k0) = now, first
    pairs = {
        "shape of x": (tuple(x.shape), tuple(x0.shape)),
        "dtype of x": (x.dtype, x0.dtype),
        "k": ((type(k), k), (type(k0), k0)),
    }
    return [name for name, (a, b) in pairs.items() if a != b]


def _retraces(answer: Any) -> str | Verdict | None:
    calls = [tuple(pair) for pair in answer] if isinstance(answer, (list, tuple)) else []
    if len(calls) != 4 or any(len(c) != 2 or not hasattr(c[0], "detach") for c in calls):
        return PAIRS
    if any(not isinstance(k, (int, float)) for _, k in calls):
        return NO_NUMBER
    compiled = lab.compile(lambda x, k: x * k, executor="numpy")
    counts = [0]
    with _quiet():
        for x, k in calls:
            compiled(x, k)
            counts.append(compiled.traces)
    traced = [now > before for before, now in pairwise(counts)]
    what = [_differs(pair, calls[0]) for pair in calls]
    rows = tuple(
        (str(i), "everything" if i == 1 else ", ".join(w) or "nothing", "yes" if t else "no")
        for i, (w, t) in enumerate(zip(what, traced, strict=True), 1)
    )
    table = Table(("call", "differs from call 1 in", "traced"), rows)
    if not all(traced):
        detail = f"It is call {traced.index(False) + 1}. The numbers inside x are not looked at."
        return Verdict(False, FITS, detail, table)
    many = [i for i, w in enumerate(what[1:], 2) if len(w) > 1]
    if many:
        return Verdict(False, TWO_AT_ONCE, f"It is call {many[0]}.", table)
    if len({w[0] for w in what[1:]}) < 3:
        return Verdict(False, SAME_REASON, "One each is asked for: shape, dtype, k.", table)
    return None


def _calls(*changed: tuple[Any, Any]) -> list[tuple[Any, Any]]:
    return [(lab.ones(3), 2), *changed]


# 16.3 ------------------------------------------------------------------------------------------

NOT_COMPILED = "The results are right, but no graph was made: Python entered f at every call."
BAKED = "The results are right, but f was traced for each rate: a plain number is baked in."
EACH_SIZE = "The results are right, but f was traced for each number of rows."
PADDED = "The batches were made equally long, and that changes the mean of each of them."
STUCK = "Every batch got the first rate. The rate has to go into the graph as an input."


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Graphs are made and not compiled: what is counted is how many there are."""
    before = lab.executor()
    lab.executor("numpy")
    try:
        yield
    finally:
        lab.executor(before)


def _loss(entered: list[Any]) -> Callable[..., Any]:
    def f(x: Any, rate: Any) -> Any:
        entered.append((type(x).__name__, hasattr(rate, "detach")))
        return (x * x).mean() * rate

    return f


def _batches() -> tuple[list[Any], list[float]]:
    """Fresh batches, each with another number of rows; the learner's random numbers stay."""
    state = lab.get_rng_state()
    lab.seed()
    batches = [lab.rand(rows, 3) + rows for rows in (8, 5, 7, 3, 6, 4)]
    lab.set_rng_state(state)
    return batches, [0.5**i for i in range(6)]


def _run(answer: Any) -> str | Verdict | None:
    if not callable(answer):
        return "A function is expected here: give `run` itself, without brackets."
    batches, rates = _batches()
    entered: list[Any] = []
    with _quiet(), _without_compiler():
        results = call(answer, _loss(entered), batches, rates, where="the six batches")
    want = [float((x * x).mean()) * rate for x, rate in zip(batches, rates, strict=True)]
    try:
        given = [float(as_array(result).reshape(())) for result in results]
    except (TypeError, ValueError):
        return "A list of numbers is expected, one for each batch."
    if len(given) != len(want):
        return f"{len(want)} results are expected, one for each batch, and these are {len(given)}."
    rows = tuple(
        (str(tuple(x.shape)), show(rate), number(w), number(g))
        for x, rate, w, g in zip(batches, rates, want, given, strict=True)
    )
    table = Table(("batch", "rate", "expected", "yours"), rows)
    if not _alike(given, want):
        stuck = [w / rate * rates[0] for w, rate in zip(want, rates, strict=True)]
        longest = max(x.shape[0] for x in batches)
        padded = [w * x.shape[0] / longest for w, x in zip(want, batches, strict=True)]
        says = "The results are not those of f."
        says = STUCK if _alike(given, stuck) else PADDED if _alike(given, padded) else says
        compared = zip(batches, given, want, strict=True)
        count, g, w = min((len(x), g, w) for x, g, w in compared if not _alike([g], [w]))
        detail = f"For {count} rows you give {number(g)}, and it should be {number(w)}."
        return Verdict(False, says, detail, table)
    if len(entered) <= 2:
        return None
    detail = f"Python entered f {len(entered)} times for {len(batches)} batches; twice is allowed."
    if all(kind == "Tensor" for kind, _ in entered):
        return Verdict(False, NOT_COMPILED, detail)
    return Verdict(False, EACH_SIZE if all(tensor for _, tensor in entered) else BAKED, detail)


def _alike(given: list[float], want: list[float]) -> bool:
    return all(abs(g - w) <= 1e-4 * max(1.0, abs(w)) for g, w in zip(given, want, strict=True))


def _in_graph_mode(f: Any, batches: Any, rates: Any) -> list[Any]:
    graph = lab.function(f, dynamic={"x": 0})
    with lab.mode("graph"):
        return [graph(x, lab.tensor(rate)) for x, rate in zip(batches, rates, strict=True)]


def _without_dynamic(f: Any, batches: Any, rates: Any) -> list[Any]:
    graph = lab.compile(f)
    return [graph(x, lab.tensor(rate)) for x, rate in zip(batches, rates, strict=True)]


def _with_numbers(f: Any, batches: Any, rates: Any) -> list[Any]:
    graph = lab.compile(f, dynamic=True)
    return [graph(x, rate) for x, rate in zip(batches, rates, strict=True)]


def _with_one_rate(f: Any, batches: Any, rates: Any) -> list[Any]:
    graph = lab.compile(lambda x: f(x, rates[0]), dynamic=True)
    return [graph(x) for x in batches]


def _with_padding(f: Any, batches: Any, rates: Any) -> list[Any]:
    graph = lab.compile(f)
    rows = max(x.shape[0] for x in batches)
    even = [lab.cat([x, lab.zeros(rows - x.shape[0], 3)]) for x in batches]
    return [graph(x, lab.tensor(rate)) for x, rate in zip(even, rates, strict=True)]


def _by_map(f: Any, batches: Any, rates: Any) -> list[float]:
    graph = lab.compile(f, dynamic=True)
    return [float(loss) for loss in map(graph, batches, map(lab.tensor, rates))]


STEP = """def step(x, y):
    optimizer.zero_grad()
    loss = mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    return loss"""

LESSON = Lesson(
    number="16",
    title="Toggle eager and graph",
    minutes=45,
    needs=("00", "02", "07"),
    asks="I turn one switch, and the same code runs faster. What did it do, and what do I pay?",
    next="A1",
    predictions={
        "16.p1": Prediction(
            question="Five steps in eager mode, five in graph mode, from the same start. What do "
            "the losses do, printed with four digits?",
            code=STEP,
            choices=(
                "the same, digit for digit",
                "they begin alike and drift apart",
                "graph mode takes other steps",
            ),
            result="the same, digit for digit",
            why="Both modes run the same ops on the same numbers. Deep in the last bits they may "
            "round differently; four digits do not see that.",
        ),
        "16.p2": Prediction(
            question="The loop goes round three times. How many ops are in the graph?",
            code="def grow(x, times):\n    for _ in range(times):\n        x = x * 2\n"
            "    return x\nlab.compile(grow).graph(lab.ones(3), 3)",
            lit=2,
            field="ops",
            why="`for` is Python's, and Python ran it during the trace. Each round wrote one op.",
        ),
        "16.p3": Prediction(
            question="Five calls of a compiled function. How often is it traced?",
            code="f(lab.tensor([1.0, 2.0, 3.0]))\nf(lab.tensor([7.0, 8.0, 9.0]))\n"
            "f(lab.tensor([1.0, 2.0]))\nf(lab.tensor([4.0, 5.0, 6.0]))\n"
            "f(lab.tensor([1, 2, 3]))",
            field="traces",
            why="Three floats, two floats, three whole numbers: three kinds of input, three "
            "graphs. The second and the fourth call find a graph that fits.",
        ),
        "16.p4": Prediction(
            question="The function is called three times with the same input. How many different "
            "results come?",
            code="@lab.compile\ndef noisy(x):\n    return x + random.random()",
            lit=3,
            field="different results",
            why="`random.random()` is no op. Python drew once, in the trace, and the graph keeps "
            "that number for ever.",
        ),
        "16.p5": Prediction(
            question="Seven ops are traced: div, mul, exp, mul, exp, tanh, add. How many "
            "have to run?",
            code="def careless(x):\n    half = lab.tensor(1.0) / 2\n    a = (x * half).exp()\n"
            "    b = (x * half).exp()\n    x.tanh()\n    return a + b",
            field="ops",
            why="One mul, one exp, one add. The division is done beforehand, b is the same as a, "
            "and nobody needs the tanh.",
        ),
        "16.p6": Prediction(
            question="After how many steps does graph mode pay on your machine, for this small "
            "network?",
            choices=("fewer than 10 steps", "10 to 3000 steps", "more than 3000 steps"),
            why="It depends on the machine, and on whether the program in C was on the disk "
            "already. A training run has thousands of steps, so it mostly pays. A trial of a "
            "few steps may not.",
        ),
    },
    exercises={
        "16.1": Exercise(
            title="a print that vanishes",
            level="easy",
            judge=Number(4),
            right="Three graphs, so three traces; and one call in eager mode, which runs the "
            "function itself.",
            hints=(
                "In graph mode it prints once for each trace, not once for each call.",
                "A call is traced where the shape or the plain number k is new. What is inside x "
                "does not matter, and old graphs are kept.",
                "The last line stands outside the `with`: that call is eager, and prints.",
            ),
            wrong=(
                Wrong(6, "That is one for each call. A call that fits a graph runs no Python."),
                Wrong(
                    1,
                    "That would be so if all calls were alike. Other shapes and other plain "
                    "numbers need graphs of their own.",
                ),
                Wrong(3, "Those are the traces. The last call is not in graph mode."),
                Wrong(
                    5,
                    "One too many. Zeros are no reason for a trace, nor is coming back to "
                    "inputs of an earlier call.",
                ),
                Wrong(
                    2, "A call is missing. Look at k as well as at the shape, and at the last line."
                ),
            ),
        ),
        "16.2": Exercise(
            title="make it retrace",
            level="core",
            judge=Rule(_retraces),
            right="Four calls, four graphs, and a reason for each: a graph depends on these.",
            hints=(
                "Begin with (lab.ones(3), 2). The next three are copies of it, each with one "
                "change.",
                "Another shape: lab.ones(5). Another number: 4 in the place of 2.",
                "Another dtype: lab.ones(3, dtype=lab.float64), or whole numbers: "
                "lab.tensor([1, 1, 1]).",
            ),
            wrong=(
                Wrong(
                    _calls((lab.ones(5), 2), (lab.ones(3) * 9, 2), (lab.ones(3), 4)),
                    FITS,
                ),
                Wrong(_calls((lab.ones(5), 2), (lab.ones(6), 2), (lab.ones(3), 4)), SAME_REASON),
                Wrong(
                    _calls((lab.ones(5), 4), (lab.ones(3, dtype=lab.float64), 2), (lab.ones(3), 4)),
                    TWO_AT_ONCE,
                ),
                Wrong(
                    _calls(
                        (lab.ones(5), 2),
                        (lab.ones(3, dtype=lab.float64), 2),
                        (lab.ones(3), lab.tensor(4.0)),
                    ),
                    NO_NUMBER,
                ),
                Wrong([lab.ones(3), lab.ones(5), lab.zeros(3), lab.zeros(5)], PAIRS),
            ),
            also=(
                [
                    (lab.zeros(2, 2), 1.5),
                    (lab.zeros(2, 2), 2.5),
                    (lab.zeros(2, 2).to(lab.int64), 1.5),
                    (lab.zeros(4), 1.5),
                ],
                (
                    [lab.tensor([1, 2]), 3],
                    [lab.tensor([1.0, 2.0]), 3],
                    [lab.tensor([1]), 3],
                    [lab.tensor([1, 2]), 3.0],
                ),
            ),
        ),
        "16.3": Exercise(
            title="stop it from retracing",
            level="stretch",
            judge=Rule(_run),
            right="One trace for all sizes, and the rate is an input: this loop can go on for "
            "a million batches.",
            hints=(
                "Compile once, before the loop. Each compile begins with no graph.",
                "dynamic=True leaves the number of rows open, so another batch is no new trace.",
                "The rate is a plain number, and would be baked in. Give lab.tensor(rate).",
            ),
            wrong=(
                Wrong(
                    lambda f, batches, rates: [
                        f(x, rate) for x, rate in zip(batches, rates, strict=True)
                    ],
                    NOT_COMPILED,
                ),
                Wrong(_with_numbers, BAKED),
                Wrong(_without_dynamic, EACH_SIZE),
                Wrong(_with_padding, PADDED),
                Wrong(_with_one_rate, STUCK),
                Wrong(
                    lambda f, batches, rates: None,
                    "Your function returns nothing for the six batches.",
                ),
            ),
            also=(_in_graph_mode, _by_map),
        ),
    },
    quiz=(
        Question(
            title="tracing",
            ask="What does your function get as arguments while it is traced?",
            choices=(
                Choice("the tensors of the first call", "Then it could ask for their values."),
                Choice(
                    "symbols: they have a shape and a dtype, and no values",
                    "That is why `if x.sum() > 0` cannot be answered in a trace.",
                    right=True,
                ),
                Choice("nothing: the text of the function is read", "Python really runs it, once."),
            ),
        ),
        Question(
            title="a learning rate that falls",
            ask="A compiled step has the argument `lr`, a plain number that changes at each call. "
            "What happens?",
            choices=(
                Choice(
                    "the first rate is used for ever",
                    "It is baked in, but it is looked at too: a new number does not fit.",
                ),
                Choice(
                    "it is traced at each call",
                    "Each number makes a graph of its own. A tensor would be an input, and one "
                    "graph would do.",
                    right=True,
                ),
                Choice(
                    "an error", "It works, and it is slow. After three in a row comes a warning."
                ),
            ),
        ),
        Question(
            title="does it pay?",
            ask="Start 50 ms, an eager step 0.3 ms, a graph step 0.1 ms. After how many steps "
            "does graph mode pay?",
            choices=(
                Choice("about 170", "That is 50 / 0.3. But a graph step is not free."),
                Choice("250", "50 / (0.3 − 0.1): each step saves 0.2 ms.", right=True),
                Choice("500", "That is 50 / 0.1. What is saved is the difference of the steps."),
            ),
        ),
    ),
)
