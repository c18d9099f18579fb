"""Broken engines: backward passes with a mistake on purpose, to find which gradients are wrong.

    with lab.broken("overwrite"):
        loss.backward()

An engine (``tape.Engine``) is four small functions. Each mistake below replaces one of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import Token
from difflib import get_close_matches
from typing import Any

from ..errors import ArgumentError, describe
from ..tape import ENGINE, Engine


def overwrite(known: Any, new: Any) -> Any:
    """``=`` for ``+=``: what arrives replaces what had arrived."""
    return 1 * new


def as_they_come() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """No topological order: a node's turn comes when the first gradient reaches it.

    What arrives later is lost: the node has passed on what it had.
    """
    reached: set[int] = set()

    def push(heap: list[int], key: int) -> None:
        if key not in reached:
            reached.add(key)
            heap.append(key)

    return push, lambda heap: heap.pop(0)


def keep_spread(g: Any, shape: tuple[int, ...], *ops: Any) -> Any:
    """Broadcasting is not undone: the gradient keeps the shape of the output."""
    return g


MISTAKES: dict[str, dict[str, Any]] = {
    "overwrite": {"add": overwrite},
    "order": {"order": as_they_come},
    "broadcast": {"undo": keep_spread},
    "zero_grad": {"clears": False},
}
WORDS = {
    "overwrite": "a gradient that arrives replaces what had arrived (= for +=)",
    "order": "a node passes on its gradient before all of it has arrived (no topological order)",
    "broadcast": "what broadcasting has spread is not summed up again",
    "zero_grad": "zero_grad() does nothing",
}


class _Block:
    """The ``with`` block inside which an engine is broken."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._tokens: list[Token[Engine]] = []

    def __enter__(self) -> None:
        now = ENGINE.get()
        names = tuple(dict.fromkeys([*_split(now.name), *self.names]))
        changes = {k: v for name in names for k, v in MISTAKES[name].items()}
        self._tokens.append(ENGINE.set(now._replace(name=", ".join(names), **changes)))
        for name in self.names:
            print(f"lab.broken({name!r}) is on: {WORDS[name]}", file=sys.stderr)

    def __exit__(self, *error: object) -> None:
        ENGINE.reset(self._tokens.pop())


class Broken:
    """``with lab.broken("overwrite"):`` breaks backward on purpose; printed, it says what is on.

    The mistakes are "overwrite" (``=`` for ``+=``), "order" (no topological order), "broadcast"
    (broadcasting is not undone) and "zero_grad" (``zero_grad()`` does nothing); several may be
    named. A line on stderr says that it is on, the stepper and the explorer carry a red badge. It
    holds inside the block, in this thread, in eager and in graph mode.

    >>> from minitorch_lab.tensor import tensor
    >>> x = tensor(2.0, requires_grad=True)
    >>> with broken("overwrite"):
    ...     (x**2 + 2 * x + 1).backward()
    >>> x.grad, broken.on
    (tensor(4.), ())
    """

    def __call__(self, *names: str) -> _Block:
        """A ``with`` block with these mistakes."""
        if not names:
            raise ArgumentError(f"broken(name): name is missing\n  expected {_known()}")
        for name in names:
            if not isinstance(name, str) or name not in MISTAKES:
                near = get_close_matches(name, MISTAKES, 1) if isinstance(name, str) else []
                hint = f"\n  did you mean {near[0]!r}?" if near else ""
                got = repr(name) if isinstance(name, str) else describe(name)
                raise ArgumentError(
                    f"broken(name): there is no such mistake\n  got {got}\n"
                    f"  expected {_known()}{hint}"
                )
        return _Block(names)

    @property
    def on(self) -> tuple[str, ...]:
        """What is broken here and now."""
        return _split(ENGINE.get().name)

    def __repr__(self) -> str:
        on = self.on
        head = f"lab.broken: {', '.join(on)}" if on else "lab.broken: nothing is broken"
        marks = {name: "ON " if name in on else "off" for name in WORDS}
        return "\n".join(
            [head, *(f"  {marks[name]}  {name:10} {words}" for name, words in WORDS.items())]
        )


def _split(name: str) -> tuple[str, ...]:
    return tuple(name.split(", ")) if name else ()


def _known() -> str:
    return ", ".join(repr(name) for name in MISTAKES)


broken = Broken()
