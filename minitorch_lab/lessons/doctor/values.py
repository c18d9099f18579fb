"""What the reader knows of a value without computing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

Shape = tuple[int | None, ...]


class Value:
    """What an expression stands for: what made it, from what, and its shape where that is known.

    ``kind`` is ``"tensor"``, ``"array"``, ``"layer"``, ``"model"``, ... or ``""`` where nothing is
    known. ``None`` in a shape is a size that is not known, such as that of a batch. Two values are
    equal only when they are the same.
    """

    def __init__(self, kind: str = "", name: str = "", node: ast.AST | None = None, **facts: Any):
        self.kind, self.name, self.node = kind, name, node
        self.library: str = ""
        self.shape: Shape | None = None
        self.dtype: str = ""
        self.const: Any = None  # the value itself, of numbers and texts
        self.items: list[Value] | None = None  # of tuples and lists
        self.args: list[Value] = []
        self.kwargs: dict[str, Value] = {}
        self.inputs: tuple[Value, ...] = ()
        self.attributes: dict[str, Value] = {}
        self.soft = ""  # softmax, log_softmax or sigmoid, where that came last
        self.route: tuple[str, int, int] | None = None  # "conv 3", 28, 26
        self.device: Value | None = None
        self.stack: tuple[ast.AST, ...] = ()
        self.order = 0
        self.facts: dict[str, Any] = {}
        for key, value in facts.items():
            setattr(self, key, value)

    def arg(self, at: int, name: str = "") -> Value | None:
        """An argument of the call that made the value, by place or by name."""
        return self.kwargs.get(name) or (self.args[at] if 0 <= at < len(self.args) else None)

    def number(self, at: int, name: str = "", default: int | None = None) -> int | None:
        """An argument that is a whole number; ``default`` where it is not given."""
        given = self.arg(at, name)
        if given is None:
            return default
        if given.items is not None and given.items and len({i.const for i in given.items}) == 1:
            given = given.items[0]
        value = given.const
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def tail(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]

    def ancestors(self) -> Iterator[Value]:
        """The value and all that it was made from, each once."""
        seen, todo = set(), [self]
        while todo:
            value = todo.pop()
            if id(value) not in seen:
                seen.add(id(value))
                yield value
                todo += value.inputs

    @property
    def known(self) -> bool:
        """Whether anything is known of it."""
        return bool(self.kind)


class Event:
    """A call that the reader came by, in the order in which the program makes it."""

    def __init__(self, name: str, node: ast.Call, owner: Value | None, stack: tuple[ast.AST, ...]):
        self.name, self.node, self.owner, self.stack = name, node, owner, stack
        self.args: list[Value] = []
        self.kwargs: dict[str, Value] = {}
        self.result = Value()
        self.order = 0
        self.problem: tuple[Any, ...] = ()
        self.tapes: tuple[Value, ...] = ()
        self.without = False  # under no_grad
        self.main = True  # it runs when the program does

    def arg(self, at: int, name: str = "") -> Value | None:
        """An argument, by place or by name."""
        return self.kwargs.get(name) or (self.args[at] if 0 <= at < len(self.args) else None)

    def number(self, at: int, name: str = "", default: int | None = None) -> int | None:
        """An argument that is a whole number; ``default`` where it is not given."""
        return Value(args=self.args, kwargs=self.kwargs).number(at, name, default)

    def written(self, at: int, name: str = "") -> ast.expr | None:
        """The text of an argument, as a node."""
        found = next((k.value for k in self.node.keywords if k.arg == name), None)
        return found or (self.node.args[at] if at < len(self.node.args) else None)

    @property
    def tail(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]

    @property
    def base(self) -> ast.expr:
        """What a method is called of: ``x`` in ``x.mean()``."""
        function = self.node.func
        return function.value if isinstance(function, ast.Attribute) else function

    @property
    def loops(self) -> list[ast.For | ast.While]:
        """The loops that the call stands in, from the outside to the inside."""
        return [n for n in self.stack if isinstance(n, (ast.For, ast.While))]


def broadcast(a: Shape | None, b: Shape | None) -> Shape | None:
    """The shape of an entry-by-entry op, or None where it is not known.

    >>> broadcast((None, 1), (None,)), broadcast((3, 1), (3,))
    ((None, None), (3, 3))
    """
    if a is None or b is None:
        return None
    n = max(len(a), len(b))
    a, b = (1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b
    out: list[int | None] = []
    for x, y in zip(a, b, strict=True):
        if x is None or y is None:
            known = y if x is None else x
            out.append(known if known not in (None, 1) else None)
        elif x == y or 1 in (x, y):
            out.append(max(x, y) if 0 not in (x, y) else 0)
        else:
            return None
    return tuple(out)


def product(sizes: Shape) -> int | None:
    """The product of the sizes, or None where one is not known."""
    n = 1
    for size in sizes:
        if size is None:
            return None
        n *= size
    return n


def written(shape: Shape | None) -> str:
    """A shape as a learner reads it: N where a size depends on the batch.

    >>> written((None, 1)), written((4,))
    ('(N, 1)', '(4,)')
    """
    if shape is None:
        return "(...)"
    sizes = ["N" if size is None else str(size) for size in shape]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
