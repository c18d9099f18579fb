"""Lesson 02: what is asked in it, and what is answered."""

from __future__ import annotations

from itertools import permutations
from math import factorial
from typing import Any

import numpy as np

from minitorch_lab.lessons.judges import Function, Number, Rule
from minitorch_lab.lessons.model import Choice, Exercise, Lesson, Prediction, Question, Wrong

Drawing = dict[str, list[str]]

DRAWN: Drawing = {"h": ["x", "w"], "s": ["h", "b"], "y": ["s", "h"]}

A_FORMULA = 'Give the names as a list, such as ["x", "w"], and leave out what is done with them.'


def _drawing(answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return 'A dictionary is expected: {"h": [...], "s": [...], "y": [...]}.'
    if any(isinstance(made_from, str) for made_from in answer.values()):
        return A_FORMULA
    given = {str(op): sorted(map(str, made_from)) for op, made_from in answer.items()}
    want = {op: sorted(made_from) for op, made_from in DRAWN.items()}
    if given == want:
        return None
    if "x" in given or "w" in given or "b" in given:
        return (
            "The edges point the other way. For each result, list what it is made from; "
            "x, w and b are made from nothing here."
        )
    if missing := sorted(set(want) - set(given)):
        return f"No entry for {', '.join(missing)}. Each of the three lines makes one node."
    if given["y"] == ["s"]:
        return "h is used twice: s is made from it, and y too. One of these edges is missing."
    if set(given["y"]) >= {"w", "x"}:
        return (
            "An edge goes from one node to the next, not from the beginning to the end. "
            "The line of y names s and h only."
        )
    wrong = [op for op in want if given[op] != want[op]]
    return f"Look again at the line that makes {wrong[0]}: which names stand right of the = ?"


def orders(graph: Drawing) -> int:
    """In how many orders can the ops of a graph run?"""

    def legal(order: tuple[str, ...]) -> bool:
        return all(
            order.index(made_from) < order.index(op)
            for op in order
            for made_from in graph[op]
            if made_from in graph
        )

    return sum(legal(order) for order in permutations(graph))


def _only_first_input(graph: Drawing) -> int:
    return orders({op: made_from[:1] for op, made_from in graph.items()})


def _by_what_is_ready(graph: Drawing) -> int:
    """The same, one op after the other: each op that waits for nobody may be the next."""
    ready = [op for op in graph if not any(x in graph for x in graph[op])]
    if not graph:
        return 1
    rests = ({other: graph[other] for other in graph if other != op} for op in ready)
    return sum(_by_what_is_ready(rest) for rest in rests)


def _by_what_is_done(graph: Drawing) -> int:
    """The same, looking for what each op needs among those that are done."""
    count = 0
    for order in permutations(graph):
        done = {x for made_from in graph.values() for x in made_from} - set(graph)
        legal = True
        for op in order:
            legal = legal and set(graph[op]) <= done
            done.add(op)
        count += legal
    return count


def _drawn(chance: np.random.Generator) -> tuple[Drawing]:
    """A graph of chance with four ops, each made from one or two things that stand before it."""
    names = ["x", "p", "q", "r", "s"]
    return (
        {
            names[i]: [names[j] for j in chance.choice(i, min(i, 2), replace=False)]
            for i in range(1, len(names))
        },
    )


CHAIN: Drawing = {"h": ["x"], "y": ["h"]}
TWO_THEN_ONE: Drawing = {"p": ["a", "b"], "q": ["a", "b"], "r": ["p", "q"]}
THREE_THEN_ONE: Drawing = {"p": ["a"], "q": ["a"], "s": ["a"], "t": ["p", "q", "s"]}
TWO_CHAINS: Drawing = {"p": ["x"], "q": ["p"], "r": ["x"], "s": ["r"]}

LESSON = Lesson(
    number="02",
    title="A graph is a picture of a program",
    minutes=30,
    needs=("00",),
    asks="The article prints its graph, and I see only numbers. Where is the graph?",
    next="03",
    predictions={
        "02.p1": Prediction(
            question="What do the last three lines print?",
            code="a = tf.constant(2.0, name='a')\nb = tf.constant(3.0, name='b')\n"
            "c = tf.add(a, b, name='c')\nprint(a)\nprint(b)\nprint(c)",
            lit=6,
            choices=(
                "three values",
                "three names: `a`, `b`, `a + b`",
                "a picture with three boxes",
            ),
            result="three values",
            why="Printing shows a value. That c came from a and b cannot be seen in it.",
        ),
        "02.p2": Prediction(
            question="Lines 2, 3 and 4 each make a node. In how many orders may these three "
            "lines run, so that the result is the same?",
            code="def program(a, b):\n    p = a * b\n    q = a + b\n    r = p * q\n    return r",
            field="orders",
            why="p and q do not need each other, so either may come first. r needs both, so it "
            "comes last.",
        ),
        "02.p3": Prediction(
            question="The old dialect writes a graph down. What does its last line print?",
            code="with tf1.Graph().as_default() as written:\n    a = tf1.constant(2.0, name='a')\n"
            "    b = tf1.constant(3.0, name='b')\n    c = tf1.add(a, b, name='c')\n    print(c)",
            lit=5,
            choices=("the value 5", "a name, and no value", "an error"),
            result="a name, and no value",
            why="Nothing was added yet, so there is no 5. The node has a name, a shape and a "
            "dtype, for these are known before.",
        ),
        "02.p4": Prediction(
            question="The function is called three times in graph mode. How often does it print?",
            code="@lab.function\ndef f(a, b):\n"
            '    print("Python is running f")\n    return a * b + a',
            lit=3,
            field="times",
            why="Python runs the function once, to write down its graph. After that the graph "
            "runs, and a print is no op.",
        ),
    },
    exercises={
        "02.1": Exercise(
            title="count the ops",
            level="easy",
            judge=Number(3),
            right="add, sub and mul: three ops, so three nodes that compute.",
            hints=(
                "Every op in the line is one node: look for +, - and *.",
                "a and b are inputs. They are in the picture, but no op made them.",
                "(a + b) is one, (a - b) is one, and one op takes these two.",
            ),
            wrong=(
                Wrong(5, "You counted the inputs too: a and b are not made by an op."),
                Wrong(2, "You found the two brackets. Which op takes their results?"),
                Wrong(6, "Six is the number of edges: two go into each op. How many ops?"),
            ),
        ),
        "02.2": Exercise(
            title="draw it by hand",
            level="core",
            judge=Rule(_drawing),
            right="Three nodes, six edges, and h is used twice. That dictionary is the graph.",
            hints=(
                "Draw it on paper first: one box for each of x, w, b, h, s, y.",
                'The first line gives "h": ["x", "w"], because h is made from x and w.',
                "h stands right of the = in two lines, so it is in two of the lists.",
            ),
            wrong=(
                Wrong(
                    {"x": ["h"], "w": ["h"], "h": ["s", "y"], "b": ["s"], "s": ["y"]},
                    "The edges point the other way. For each result, list what it is made from; "
                    "x, w and b are made from nothing here.",
                ),
                Wrong(
                    {"h": ["x", "w"], "s": ["h", "b"], "y": ["s"]},
                    "h is used twice: s is made from it, and y too. One of these edges is missing.",
                ),
                Wrong(
                    {"h": ["x", "w"], "s": ["h", "b"], "y": ["x", "w", "b"]},
                    "An edge goes from one node to the next, not from the beginning to the end. "
                    "The line of y names s and h only.",
                ),
                Wrong(
                    {"h": ["x", "w"], "y": ["s", "h"]},
                    "No entry for s. Each of the three lines makes one node.",
                ),
                Wrong({"h": "x * w", "s": "h + b", "y": "s * h"}, A_FORMULA),
                Wrong(
                    ["x", "w", "h"],
                    'A dictionary is expected: {"h": [...], "s": [...], "y": [...]}.',
                ),
            ),
            also=(
                {"y": ["h", "s"], "s": ["b", "h"], "h": ["w", "x"]},
                {"h": ("x", "w"), "s": ("h", "b"), "y": ("s", "h")},
            ),
        ),
        "02.3": Exercise(
            title="count the legal orders",
            level="stretch",
            judge=Function(
                orders,
                [(CHAIN,), (TWO_THEN_ONE,), (THREE_THEN_ONE,), (TWO_CHAINS,)],
                labels=("a chain", "two, then one", "three, then one", "two chains"),
                column="graph",
                fresh=_drawn,
            ),
            right="Where an order is free, a graph mode may choose the best one, or run two ops "
            "at once. A list of lines does not show that freedom; the graph does.",
            hints=(
                "permutations(graph) gives every order of the ops. Count those that are legal.",
                "An order is legal when every op comes after the ops that it is made from.",
                "Inputs such as x are not keys of the dictionary: they are there from the start.",
            ),
            wrong=(
                Wrong(
                    lambda graph: factorial(len(graph)),
                    "These are all orders. An edge forbids those in which an op comes before "
                    "what it is made from.",
                ),
                Wrong(
                    lambda graph: 1,
                    "One order always works: the order of the lines. The others are asked for too.",
                ),
                Wrong(
                    _only_first_input,
                    "Only the first thing that an op is made from is looked at. Look at all.",
                ),
                Wrong(
                    lambda graph: 0,
                    "You forbid too much. An input such as x is no op: it is there from the start.",
                ),
            ),
            also=(_by_what_is_ready, _by_what_is_done),
        ),
    },
    quiz=(
        Question(
            title="edges",
            ask="What goes along an edge of the graph?",
            choices=(
                Choice(
                    "the order of the lines in the file",
                    "Two lines that do not need each other have no edge, whatever their order.",
                ),
                Choice(
                    "a tensor, from where it is made to where it is used",
                    "And because of that, the edge also says what has to come first.",
                    right=True,
                ),
                Choice(
                    "the name of a variable",
                    "Names are for people. The same tensor can have three names, or none.",
                ),
            ),
        ),
        Question(
            title="values and structure",
            ask="You run the same function with other numbers, and it has no `if` or `while`. "
            "What changes in the graph?",
            choices=(
                Choice(
                    "the structure, and the values too",
                    "The same ops run, in the same places: the structure stays.",
                ),
                Choice(
                    "only the values",
                    "The structure comes from the program, the values from the input.",
                    right=True,
                ),
                Choice("nothing at all", "Other numbers go along the edges."),
            ),
        ),
        Question(
            title="no graph",
            ask="Why can `lab.explore(total)` show no graph after `total = c.item() * 2`?",
            choices=(
                Choice(
                    "because `item()` gives a number of Python, and that remembers no op",
                    "The graph ends where `item()` takes the value out.",
                    right=True,
                ),
                Choice(
                    "because multiplying by 2 is not an op",
                    "It is one when a tensor is multiplied: `c * 2` is a node called mul.",
                ),
                Choice(
                    "because a graph needs at least two inputs",
                    "One input is enough: `x * x` has one, and is a graph.",
                ),
            ),
        ),
    ),
)
