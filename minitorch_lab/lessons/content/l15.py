"""Lesson 15: what is asked in it, and what is answered."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_lab
from minitorch_lab.lessons.judges import Refused, Rule, as_array, call, number
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
from minitorch_lab.tf.compat import v1

lab: Any = minitorch_lab  # written as a learner writes it
tf: Any = v1

# 15.1 ------------------------------------------------------------------------------------------

NEEDED = {"h": {"x"}, "loss": {"x", "y"}, "train": {"x", "y", "rate"}}
A_DICT = 'A dictionary with three lists is expected: {"h": [...], "loss": [...], "train": [...]}.'
ALL_FED = "That feeds every placeholder in every run. A run needs only what leads to its fetch."
WITH_W = "w is a variable: its value is in the session, and nobody feeds it."
ONE_EDGE = "Go on to the beginning: what the fetch is made from is itself made from something."
NO_RATE = "rate is a placeholder too. Which of the three fetches needs it?"


def _fed(answer: Any) -> str | Verdict | None:
    if not isinstance(answer, dict) or set(answer) != set(NEEDED):
        return A_DICT
    if any(v is ... for v in answer.values()):
        return Verdict(None, "Fill all three lists, and run the cell again.")
    given = {
        fetch: {names} if isinstance(names, str) else set(map(str, names))
        for fetch, names in answer.items()
    }
    if given == NEEDED:
        return None
    table = Table(
        ("fetch", "you feed"),
        tuple((k, ", ".join(sorted(v)) or "nothing") for k, v in given.items()),
    )
    if any("w" in names for names in given.values()):
        return Verdict(False, WITH_W, table=table)
    if all(names == {"x", "y", "rate"} for names in given.values()):
        return Verdict(False, ALL_FED, table=table)
    if not any("rate" in names for names in given.values()):
        return Verdict(False, NO_RATE, table=table)
    wrong = next(fetch for fetch in NEEDED if given[fetch] != NEEDED[fetch])
    if given[wrong] < NEEDED[wrong]:
        return Verdict(False, ONE_EDGE, f"Look at `{wrong}` again.", table)
    return Verdict(False, f"Follow the edges back from `{wrong}` once more.", table=table)


# 15.2 ------------------------------------------------------------------------------------------

NO_VARIABLE = "No variable is in the default graph. The counting has to happen in a session."
GROWS = "The numbers are right, but the graph grows with n: an op is written inside the loop."
ANEW = "It ends at 2 for every n: the initialiser runs in the loop, and sets the variable back."
NEVER = "It ends at 0 for every n: the op that adds is never run."
ONE_MORE = "It adds once too often."
NO_VALUE = "What comes back has no value: it is a part of the graph. Return what `sess.run` gives."
RESET = "Leave tf.reset_default_graph() out: the check gives you an empty graph."
NO_NUMBER = "One number is expected: what the variable holds at the end."
NOT_RUN = "A variable was read that has no value in this session. Run the initialiser first."


def _counted(answer: Any, n: int) -> tuple[Any, int, int]:
    """What ``count(n)`` gives in a graph of its own; how many ops and variables it leaves there."""
    with tf.Graph().as_default() as graph:
        try:
            found = call(answer, n, where=f"n = {n}")
        except Refused as refused:
            detail = refused.verdict.detail
            for sign, says in (
                ("FailedPreconditionError", NOT_RUN),
                ("reset_default_graph", RESET),
            ):
                if sign in detail:
                    raise Refused(Verdict(False, says, detail)) from None
            raise
        return found, len(graph.get_operations()), len(tf.global_variables())


def _counter(answer: Any) -> str | Verdict | None:
    if not callable(answer):
        return "A function is expected here: give `count` itself, without brackets."
    rows, sizes = [], []
    for n in (3, 5, 12):
        found, size, variables = _counted(answer, n)
        if hasattr(found, "op"):
            return NO_VALUE
        if not variables:
            return NO_VARIABLE
        try:
            rows.append((n, float(as_array(found).reshape(()))))
        except (TypeError, ValueError):
            return NO_NUMBER
        sizes.append(size)
    table = Table(
        ("n", "expected", "yours", "ops in the graph"),
        tuple(
            (str(n), str(2 * n), number(v), str(k)) for (n, v), k in zip(rows, sizes, strict=True)
        ),
    )
    known = {
        ANEW: all(v == 2 for _, v in rows),
        NEVER: all(v == 0 for _, v in rows),
        ONE_MORE: all(v == 2 * n + 2 for n, v in rows),
    }
    for says, fits in known.items():
        if fits:
            return Verdict(False, says, table=table)
    if any(v != 2 * n for n, v in rows):
        return Verdict(False, "The variable does not end at 2 n.", table=table)
    if len(set(sizes)) > 1:
        return Verdict(False, GROWS, "Write the op once, before the loop; run it in there.", table)
    return None


def _counts(*, init_inside: bool = False, fresh_op: bool = False, runs: int = 0) -> Any:
    """A wrong ``count``: with the initialiser or the op in the loop, or with more runs."""

    def count(n: int) -> Any:
        total = tf.Variable(0.0)
        add_two, init = tf.assign_add(total, 2.0), tf.global_variables_initializer()
        with tf.Session() as sess:
            sess.run(init)
            for _ in range(n + runs):
                if init_inside:
                    sess.run(init)
                sess.run(tf.assign_add(total, 2.0) if fresh_op else add_two)
            return sess.run(total)

    return count


def _no_init(n: int) -> Any:
    total = tf.Variable(0.0)
    add_two = tf.assign_add(total, 2.0)
    with tf.Session() as sess:
        for _ in range(n):
            sess.run(add_two)
        return sess.run(total)


def _symbol(n: int) -> Any:
    return tf.assign_add(tf.Variable(0.0), 2.0 * n)


def _never(n: int) -> Any:
    total = tf.Variable(0.0)
    for _ in range(n):
        tf.assign_add(total, 2.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(total)


def _by_assign(n: int) -> float:
    total = tf.get_variable("total", [], initializer=tf.zeros_initializer())
    more, sess = tf.assign(total, total + 2), tf.Session()
    sess.run(tf.global_variables_initializer())
    last = 0.0
    for _ in range(n):
        last = float(sess.run(more))
    return last


def _with_feed(n: int) -> Any:
    by, total = tf.placeholder(tf.float32, []), tf.Variable(0.0)
    more = tf.assign_add(total, by)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return [sess.run(more, {by: 2.0}) for _ in range(n)][-1]


# 15.3 ------------------------------------------------------------------------------------------

STEPS = 8
TWICE = "A softmax comes before the loss. cross_entropy takes logits, and does that itself."
SUMMED = "The losses of the rows are added up. reduce_mean takes their mean."
ADDS_UP = "The first step is right, then it drifts: gradients of earlier steps are still there."
STILL = "The loss never changes. Is there a step() in the loop, and do the labels come in?"
NOT_ADAM = "The first loss is right, and the steps are those of plain gradient descent, not Adam's."
ONE_LATE = "Each loss is the one after its update. Fetched together, loss comes from before."
A_LIST = f"A list of numbers is expected, one for each of the {STEPS} steps."


def _pictures() -> tuple[Any, Any]:
    """Fresh rows and their one-hot labels."""
    drawn = np.random.default_rng()
    classes = drawn.permutation(np.arange(12) % 3)
    images = drawn.normal(size=(12, 5)) + 2 * np.eye(3, 5)[classes]
    return images.astype("float32"), np.eye(3, dtype="float32")[classes]


def session_losses(images: Any, one_hot: Any, steps: int) -> list[float]:
    """The losses of the repaired program of article S3, in a session."""
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None, images.shape[1]])
        labels = tf.placeholder(tf.float32, [None, one_hot.shape[1]])
        y = tf.layers.dense(x, one_hot.shape[1], kernel_initializer=tf.zeros_initializer())
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=y))
        train = tf.train.AdamOptimizer(0.01).minimize(loss)
        sess.run(tf.global_variables_initializer())
        fed = {x: images, labels: one_hot}
        return [float(sess.run([loss, train], fed)[0]) for _ in range(steps)]


def _ported(*changes: str) -> Any:
    """A port of that program with known mistakes, for comparison."""

    def train(images: Any, one_hot: Any, steps: int) -> list[float]:
        kernel = lab.zeros(images.shape[1], one_hot.shape[1], requires_grad=True)
        bias = lab.zeros(one_hot.shape[1], requires_grad=True)
        kind = lab.optim.SGD if "sgd" in changes else lab.optim.Adam
        optimizer = kind([kernel, bias], lr=0.01)

        def loss_now() -> Any:
            logits = images @ kernel + bias
            if "softmax" in changes:
                logits = lab.softmax(logits, dim=1)
            how = "sum" if "sum" in changes else "mean"
            return lab.nn.functional.cross_entropy(logits, one_hot, reduction=how)

        losses = []
        for _ in range(steps):
            loss = loss_now()
            if "keep" not in changes:
                optimizer.zero_grad()
            loss.backward()
            if "still" not in changes:
                optimizer.step()
            losses.append((loss_now() if "late" in changes else loss).item())
        return losses

    return train


MISTAKES = {
    TWICE: ("softmax",),
    SUMMED: ("sum",),
    ADDS_UP: ("keep",),
    STILL: ("still",),
    NOT_ADAM: ("sgd",),
    ONE_LATE: ("late",),
}


def _port(answer: Any) -> str | Verdict | None:
    if not callable(answer):
        return "A function is expected here: give `train` itself, without brackets."
    images, one_hot = _pictures()
    want = session_losses(images, one_hot, STEPS)
    rows = lab.tensor(images), lab.tensor(one_hot)
    found = call(answer, *rows, STEPS, where="12 pictures")
    try:
        given = [float(as_array(loss).reshape(())) for loss in found]
    except (TypeError, ValueError):
        return A_LIST
    if len(given) != STEPS:
        return Verdict(False, A_LIST, f"These are {len(given)}.")
    if _alike(given, want):
        return None
    table = Table(
        ("step", "session", "yours"),
        tuple(
            (str(i), f"{w:.4f}", f"{g:.4f}")
            for i, (w, g) in enumerate(zip(want, given, strict=True))
        ),
    )
    for says, changes in MISTAKES.items():
        if _alike(given, _ported(*changes)(*rows, STEPS)):
            return Verdict(False, says, table=table)
    first = next(
        i for i, (w, g) in enumerate(zip(want, given, strict=True)) if not _alike([g], [w])
    )
    start = "No update has been made there: look at the first weights, and at the loss."
    says = f"The losses part from those of the session at step {first}."
    return Verdict(False, says, "" if first else start, table)


def _alike(given: list[float], want: list[float]) -> bool:
    return bool(np.allclose(given, want, rtol=1e-4, atol=1e-4))


def _by_hand(images: Any, one_hot: Any, steps: int) -> list[Any]:
    """The losses, with Adam and the softmax written out."""
    kernel = lab.zeros(images.shape[1], one_hot.shape[1], requires_grad=True)
    bias = lab.zeros(one_hot.shape[1], requires_grad=True)
    optimizer = lab.optim.Adam([{"params": [kernel]}, {"params": [bias]}], lr=0.01)
    losses = []
    for _ in range(steps):
        likely = lab.log_softmax(images @ kernel + bias, dim=-1)
        loss = -(one_hot * likely).sum(dim=1).mean()
        kernel.grad = bias.grad = None
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


LESSON = Lesson(
    number="15",
    title="Session and placeholder time machine",
    minutes=35,
    needs=("00", "02", "07", "11"),
    asks="The code is from 2017, and nothing in it computes anything. Where does the work happen?",
    next="16",
    predictions={
        "15.p1": Prediction(
            question="What does the last line print?",
            code='a = tf.constant(2.0, name="a")\nb = tf.constant(3.0, name="b")\n'
            'c = tf.add(a, b, name="c")\nprint(c)',
            lit=4,
            choices=(
                "`tf.Tensor(5.0, shape=(), dtype=float32)`",
                '`Tensor("c:0", shape=(), dtype=float32)`',
                "an error: there is no session",
            ),
            result='`Tensor("c:0", shape=(), dtype=float32)`',
            why="The line before it wrote an op into the graph. Nothing was added yet, so there is "
            "no 5 to print.",
        ),
        "15.p2": Prediction(
            question="`prediction = 2 * x + 1` and `gap = prediction - y`. The run fetches "
            "`prediction`; x is fed with 10, y is not fed. What happens?",
            choices=("21", "an error: y is not fed", "`Tensor(...)`, without a value"),
            result="21",
            why="The way back from prediction leads to x and to two constants. y is not on it.",
        ),
        "15.p3": Prediction(
            question="Both sessions ran the initialiser, which sets count to 0. The first session "
            "then adds 1, three times. What is count in the second session?",
            field="count",
            why="The graph is shared, the values are not: each session keeps its own.",
        ),
        "15.p4": Prediction(
            question="Five losses each from the session, from the port in eager mode and from the "
            "port in graph mode. How do they compare, to four digits?",
            choices=(
                "all three alike",
                "the session differs from the other two",
                "eager mode differs from the other two",
            ),
            result="all three alike",
            why="The same ops on the same numbers. The style says who writes the graph, and when; "
            "it does not change the arithmetic.",
        ),
        "15.p5": Prediction(
            question="The article's own loop, with data and initialised weights. The labels are "
            "fed into `y`, which is the network's output. What does the loss do?",
            code="loss = tf.reduce_mean(\n    tf.nn.softmax_cross_entropy_with_logits("
            "labels=y, logits=y))\n...\n"
            "sess.run(optimizer, feed_dict={x: images, y: labels})",
            lit=4,
            choices=("it falls", "it stays exactly where it is", "it grows"),
            result="it stays exactly where it is",
            why="The loss is computed from the labels alone. No weight is on the way, so every "
            "gradient is 0.",
        ),
    },
    exercises={
        "15.1": Exercise(
            title="what has to be fed?",
            level="easy",
            judge=Rule(_fed),
            right="Each fetch needs the holes that lead to it, and no others.",
            hints=(
                "Begin at the fetch and go back: what is it made from, and what is that made from?",
                "h is made from w and x. w is a variable, so its value is in the session.",
                "train needs rate and loss, and with loss all that loss needs.",
            ),
            wrong=(
                Wrong({fetch: ["x", "y", "rate"] for fetch in NEEDED}, ALL_FED),
                Wrong({"h": ["x", "w"], "loss": ["x", "y"], "train": ["x", "y", "rate"]}, WITH_W),
                Wrong({"h": ["x"], "loss": ["y"], "train": ["rate"]}, ONE_EDGE),
                Wrong({"h": ["x"], "loss": ["x", "y"], "train": ["x", "y"]}, NO_RATE),
                Wrong(["x", "y", "rate"], A_DICT),
            ),
            also=(
                {"train": ("rate", "y", "x"), "loss": ("y", "x"), "h": ("x",)},
                {"h": "x", "loss": {"x", "y"}, "train": {"x", "y", "rate"}},
            ),
        ),
        "15.2": Exercise(
            title="a counter in a session",
            level="core",
            judge=Rule(_counter),
            right="Written once, run n times: the graph stays as it is, the session counts.",
            hints=(
                "Three parts: a variable, an op that adds to it, a session that runs the op.",
                "tf.assign_add(total, 2.0) writes the op. It stands before the loop.",
                "In the session: run tf.global_variables_initializer() once, the op n times, and "
                "at last fetch the variable.",
            ),
            wrong=(
                Wrong(lambda n: 2.0 * n, NO_VARIABLE),
                Wrong(_counts(fresh_op=True), GROWS),
                Wrong(_counts(init_inside=True), ANEW),
                Wrong(_counts(runs=1), ONE_MORE),
                Wrong(_never, NEVER),
                Wrong(_symbol, NO_VALUE),
                Wrong(_no_init, NOT_RUN),
            ),
            also=(_by_assign, _with_feed),
        ),
        "15.3": Exercise(
            title="port C3a to eager",
            level="stretch",
            judge=Rule(_port),
            right="The losses are those of the session, digit for digit. You have ported a program "
            "over a gap of years, and repaired it on the way.",
            hints=(
                "Kernel and bias are tensors of zeros with requires_grad=True, made before the "
                "loop. The kernel has a row for each input and a column for each class.",
                "In the loop: logits, loss, zero_grad(), backward(), step().",
                "lab.nn.functional.cross_entropy(logits, one_hot) holds the softmax and the mean.",
            ),
            wrong=(
                *(Wrong(_ported(*changes), says) for says, changes in MISTAKES.items()),
                Wrong(lambda images, one_hot, steps: 0.5, A_LIST),
            ),
            also=(_ported(), _by_hand),
        ),
    },
    quiz=(
        Question(
            title="when",
            ask="At which line of a program in the old style is a matrix product computed?",
            choices=(
                Choice(
                    "at `tf.matmul(x, w)`",
                    "That line writes the op into the graph. x may have no value yet.",
                ),
                Choice(
                    "at a `sess.run` whose fetch needs it",
                    "And at each such run anew, with what is fed there.",
                    right=True,
                ),
                Choice("at `tf.Session()`", "That makes a place for values, and computes nothing."),
            ),
        ),
        Question(
            title="where",
            ask="Where is the value of a `tf.Variable` after ten steps of training?",
            choices=(
                Choice(
                    "in the graph",
                    "The graph only says how it begins. Two sessions can share a graph.",
                ),
                Choice(
                    "in the session that ran the steps",
                    "Close it without saving, and the trained weights are gone.",
                    right=True,
                ),
                Choice(
                    "in the Python variable `w`",
                    "That is a name for a part of the graph. Printing it shows no value.",
                ),
            ),
        ),
        Question(
            title="fed",
            ask="`y` is the output of a network. A run has `feed_dict={x: images, y: labels}`. "
            "What does that do?",
            choices=(
                Choice(
                    "it compares y with the labels",
                    "Comparing is the loss's work, and it needs both. Here one replaces the other.",
                ),
                Choice(
                    "it is an error",
                    "It is allowed: any value of a graph may be fed in place of computing it.",
                ),
                Choice(
                    "it puts the labels in the place of the output",
                    "The network is not asked, and nothing learns. Labels need a placeholder "
                    "of their own.",
                    right=True,
                ),
            ),
        ),
    ),
)
