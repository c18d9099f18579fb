"""Lesson 01: what is asked in it, and what is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch_lab as lab
from minitorch_lab.lessons.judges import Refused, Rule, call, show
from minitorch_lab.lessons.model import (
    Choice,
    Exercise,
    Lesson,
    Prediction,
    Question,
    Verdict,
    Wrong,
)
from minitorch_lab.lessons.showing import kind

SHARES = "Your tensor shares the array's block: a change of the array reaches it."
NO_TENSOR = "A tensor is asked for, and this is {}."
AN_ARRAY, A_LIST = NO_TENSOR.format("a NumPy array"), NO_TENSOR.format("a list")
OTHER_NUMBERS = "Your tensor does not hold the numbers of the array."

WHOLE_WATCHED = "Whole numbers cannot be watched. Make them numbers with a point first."
WHOLE = "Your tensor holds whole numbers. A gradient needs numbers with a point."
NOT_WATCHED = "The numbers have a point now, but nothing watches the tensor yet."
NOT_FIRST = (
    "An op made your tensor out of another one, so the gradient is kept there, not in yours. "
    "Watching has to come last."
)

IN_PLACE = "That is one gap for each place. Here every entry of p has to meet every entry of q."
SWAPPED = "Rows and columns are swapped: row i belongs to p[i]."
TURNED = "The sign is turned round: p[i] - q[j] is asked for."
SUMS = "These are sums. A gap is a difference."
NO_SIGN = "These are the gaps without their signs. Keep the minus."


def _tensor(answer: Any, *args: Any) -> Any:
    """The tensor that a learner's function returns; whatever else it returns is refused."""
    result = call(answer, *args, where=", ".join(map(show, args)))
    if not lab.is_tensor(result):
        raise Refused(Verdict(False, NO_TENSOR.format(kind(result))))
    return result


def _own(answer: Any) -> Verdict | None:
    random = np.random.default_rng()
    for array in (np.arange(1.0, 4.0), random.integers(1, 9, (2, 2)), random.integers(1, 9, 5) / 2):
        before = array.copy()
        made = _tensor(answer, array)
        held = f"For {show(before)} it holds {show(made)}."
        if not np.array_equal(made.detach().numpy(), before):
            return Verdict(False, OTHER_NUMBERS, held)
        array += 1
        if not np.array_equal(made.detach().numpy(), before):
            changed = f"The array {show(before)} was changed to {show(array)}, and so was it."
            return Verdict(False, SHARES, changed)
    return None


def _ready(answer: Any) -> Verdict | None:
    random = np.random.default_rng()
    for numbers in ([1, 2, 3], random.integers(1, 9, 4).tolist(), [0.5, 2, -1.5]):
        try:
            made = _tensor(answer, list(numbers))
        except Refused as refused:
            if "GradError" in refused.verdict.detail:
                return Verdict(False, WHOLE_WATCHED, refused.verdict.detail)
            raise
        given = f"The numbers were {show(numbers)}."
        if made.shape != (len(numbers),) or not np.allclose(made.detach().numpy(), numbers):
            return Verdict(False, "Your tensor does not hold these numbers.", given)
        if not made.is_floating_point():
            return Verdict(False, WHOLE, given)
        if not made.requires_grad:
            return Verdict(False, NOT_WATCHED, given)
        if not made.is_leaf:
            return Verdict(False, NOT_FIRST, given)
        (made**2).sum().backward()
        if not np.allclose(made.grad.numpy(), 2 * np.array(numbers)):
            return Verdict(False, "The gradient of its squares is not right.", given)
    return None


GAPS_MISTAKES: tuple[tuple[Callable[[Any, Any], Any], str], ...] = (
    (lambda p, q: p - q, IN_PLACE),
    (lambda p, q: p - q[:, None], SWAPPED),
    (lambda p, q: q - p[:, None], TURNED),
    (lambda p, q: p[:, None] + q, SUMS),
    (lambda p, q: abs(p[:, None] - q), NO_SIGN),
)


def _gaps(answer: Any) -> Verdict | None:
    random = np.random.default_rng()
    for rows, columns in ((2, 2), (3, 2), (1, 4)):
        drawn = random.choice(50, rows + columns, replace=False).astype(np.float32)
        p, q = drawn[:rows], drawn[rows:]
        p[0], p[-1] = -1, 99  # below and above all of q, so that a sign that is lost shows
        made = _tensor(answer, lab.tensor(p), lab.tensor(q))
        want, given = p[:, None] - q, made.detach().numpy()
        if np.array_equal(given, want):
            continue
        detail = (
            f"For p = {show(p)} and q = {show(q)} it returns {show(given)}. "
            f"It should be {show(want)}."
        )
        for mistake, says in GAPS_MISTAKES if rows == columns else ():
            if np.array_equal(given, mistake(p, q)):
                return Verdict(False, says, detail)
        if given.shape != want.shape:
            return Verdict(
                False, f"The shape is {given.shape}, and it should be {want.shape}.", detail
            )
        right = int((given == want).sum())
        return Verdict(False, f"{right} of {want.size} entries are right.", detail)
    return None


LESSON = Lesson(
    number="01",
    title="Tensors and NumPy",
    minutes=25,
    needs=("00",),
    asks="Is a tensor only a NumPy array with another name?",
    next="02",
    predictions={
        "01.p1": Prediction(
            question="What does the last line print after its words?",
            code="x = torch.tensor([1, 2, 3])\nnumpy_array = x.numpy()\n"
            "print('pytorch array:', x)\nprint('numpy array:', numpy_array)",
            lit=4,
            choices=("`tensor([1, 2, 3])`", "`[1, 2, 3]`", "`[1 2 3]`"),
            result="`[1 2 3]`",
            why="A list of Python prints commas, an array does not, and a tensor prints its name. "
            "The numbers are the same in all three.",
        ),
        "01.p2": Prediction(
            question="Two whole numbers, and one with a point. What is printed?",
            code="mixed = torch.tensor([1, 2.5, 3])\nprint(mixed)",
            lit=2,
            choices=(
                "`tensor([1, 2.5, 3])`",
                "`tensor([1.0000, 2.5000, 3.0000])`",
                "`tensor([1, 2, 3])`",
                "an error",
            ),
            result="`tensor([1.0000, 2.5000, 3.0000])`",
            why="One dtype holds for all entries. Nothing is cut off: the whole numbers get a "
            "point, and all are printed with the same four digits.",
        ),
        "01.p3": Prediction(
            question="Line 3 changes the array. What is x[0] afterwards?",
            code="x = torch.tensor([1, 2, 3])\nnumpy_array = x.numpy()\n"
            "numpy_array[0] = 99\nprint(x)",
            lit=4,
            field="x[0] is",
            why="numpy() copies nothing. Both names stand for one block of numbers.",
        ),
        "01.p4": Prediction(
            question="A column of three plus a row of three. How many numbers has the result?",
            code="column = torch.tensor([[10.0], [20.0], [30.0]])\n"
            "row = torch.tensor([1.0, 2.0, 3.0])\ntotal = column + row",
            lit=3,
            field="numbers",
            why="Each of the three meets each of the three: 3 · 3 = 9.",
        ),
    },
    exercises={
        "01.1": Exercise(
            title="a tensor of your own",
            level="easy",
            judge=Rule(_own),
            right="The same numbers, in a block of their own. Now nobody can change them behind "
            "your back.",
            hints=(
                "Section 4 lists six ways. Which of them copy?",
                "Three of the six make a copy. One of these is one word and a pair of brackets.",
                "torch.tensor(...) always copies. What goes into the brackets?",
            ),
            wrong=(
                Wrong(lambda array: lab.from_numpy(array), SHARES),
                Wrong(lambda array: array.copy(), AN_ARRAY),
                Wrong(lambda array: array.tolist(), A_LIST),
                Wrong(lambda array: lab.zeros(array.shape), OTHER_NUMBERS),
            ),
            also=(
                lambda array: lab.from_numpy(array.copy()),
                lambda array: lab.as_tensor(array).clone(),
                lambda array: lab.tensor(array.tolist()),
            ),
        ),
        "01.2": Exercise(
            title="ready for a gradient",
            level="core",
            judge=Rule(_ready),
            right="A dtype with a point, and the watching last. The check has asked your tensor "
            "for a gradient, and got it.",
            hints=(
                "Two things are needed: a dtype with a point, and requires_grad.",
                ".float() gives the dtype. It is an op, so it comes before the watching.",
                "torch.tensor takes both at once: dtype=torch.float32 and requires_grad=True.",
            ),
            wrong=(
                Wrong(lambda numbers: lab.tensor(numbers, requires_grad=True), WHOLE_WATCHED),
                Wrong(lambda numbers: lab.tensor(numbers), WHOLE),
                Wrong(lambda numbers: lab.tensor(numbers).float(), NOT_WATCHED),
                Wrong(
                    lambda numbers: lab.tensor(
                        numbers, dtype=lab.float64, requires_grad=True
                    ).float(),
                    NOT_FIRST,
                ),
                Wrong(lambda numbers: np.array(numbers, dtype=np.float32), AN_ARRAY),
            ),
            also=(
                lambda numbers: lab.tensor(numbers).float().requires_grad_(),
                lambda numbers: lab.tensor([float(n) for n in numbers], requires_grad=True),
                lambda numbers: lab.tensor(np.array(numbers, dtype="f8")).requires_grad_(),
            ),
        ),
        "01.3": Exercise(
            title="every pair",
            level="stretch",
            judge=Rule(_gaps),
            right="A column and a row make a table of all pairs. The mistake of section 6 is a "
            "tool, once it is meant.",
            hints=(
                "p[i] does not change along a row of the result. So p has to be the column.",
                "A column of n numbers has the shape (n, 1). See `column` in section 5.",
                "p.reshape(-1, 1) is p as a column. Now take away q.",
            ),
            wrong=tuple(Wrong(mistake, says) for mistake, says in GAPS_MISTAKES),
            also=(
                lambda p, q: p[:, None] - q[None, :],
                lambda p, q: lab.stack([one - q for one in p]),
                lambda p, q: -(q - p.unsqueeze(1)),
            ),
        ),
    },
    quiz=(
        Question(
            title="rank",
            ask="A tensor prints as `tensor([[5., 6.]])`. What is its rank?",
            choices=(
                Choice("1", "There are two brackets at the start, so two directions to walk in."),
                Choice(
                    "2",
                    "One row, two columns: the shape is (1, 2). A direction with one place "
                    "counts too.",
                    right=True,
                ),
                Choice("4", "Rank counts directions. It says nothing about the values."),
            ),
        ),
        Question(
            title="one block",
            ask="`a` is an array, and `x = torch.from_numpy(a)`. Which line changes `a`?",
            choices=(
                Choice("`x = x + 1`", "That makes a new block, and only the name x moves to it."),
                Choice(
                    "`x += 1`",
                    "It changes the block in place, and the array is that very block.",
                    right=True,
                ),
                Choice("`y = x.clone()`", "A clone is a copy. Nothing that exists is changed."),
            ),
        ),
        Question(
            title="stretching",
            ask="What is the shape of `torch.ones(100, 1) - torch.ones(100)`?",
            choices=(
                Choice(
                    "`(100,)`",
                    "From the right, 1 meets 100, and the 1 is stretched. Then 100 meets "
                    "nothing, which counts as 1.",
                ),
                Choice("`(100, 1)`", "The 1 meets a 100, and is stretched to it."),
                Choice(
                    "`(100, 100)`",
                    "Each of the hundred meets each of the hundred. In a loss this is a classic "
                    "mistake: it raises no error.",
                    right=True,
                ),
                Choice("an error", "The shapes fit: a 1 stretches. That is why it is dangerous."),
            ),
        ),
    ),
)
