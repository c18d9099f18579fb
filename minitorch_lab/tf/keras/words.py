"""How Keras's names are found and made: ``"adam"``, ``MaxPooling2D`` and ``max_pooling2d``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from ...errors import ArgumentError, describe

_COUNTS: Counter[str] = Counter()


def snake_case(name: str) -> str:
    """The name of a class as the name of its objects.

    >>> [snake_case(name) for name in ("Dense", "MaxPooling2D", "ReLU")]
    ['dense', 'max_pooling2d', 're_lu']
    """
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique(name: str) -> str:
    """``dense``, then ``dense_1``, ``dense_2``, ..."""
    number = _COUNTS[name]
    _COUNTS[name] += 1
    return f"{name}_{number}" if number else name


def clear_session(free_memory: bool = True) -> None:
    """Let the numbers in the names of layers start again."""
    _COUNTS.clear()


@contextmanager
def apart() -> Iterator[None]:
    """A block whose layers take no numbers from the names outside of it."""
    before = _COUNTS.copy()
    _COUNTS.clear()
    try:
        yield
    finally:
        _COUNTS.clear()
        _COUNTS.update(before)


def found(what: str, wanted: Any, known: Mapping[str, Any], kind: type | None = None) -> Any:
    """What ``wanted`` stands for: an entry of ``known`` for a text, an object or function itself.

    ``what`` is how the argument is called in messages: ``compile(optimizer)``.
    """
    if isinstance(wanted, str):
        if wanted in known:
            return known[wanted]
        near = get_close_matches(wanted, known, 3, 0.5)
        few = ", ".join(map(repr, sorted(known)))
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {few}"
        raise ArgumentError(f"{what}: unknown name {wanted!r}\n  {hint}")
    if callable(wanted) or (kind is not None and isinstance(wanted, kind)):
        return wanted
    raise ArgumentError(
        f"{what}: got {describe(wanted)}\n"
        f"  expected a name such as {next(iter(known))!r}, or an object or a function in its place"
    )
