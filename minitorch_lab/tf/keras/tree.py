"""Values in nested lists, tuples and dicts: several inputs, several outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(value: Any) -> Iterator[Any]:
    """All values inside, in order.

    >>> [*leaves([1, {"a": 2, "b": (3, 4)}])]
    [1, 2, 3, 4]
    """
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        yield value
        return
    for entry in value:
        yield from leaves(entry)


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """The same structure with ``function`` of each value.

    >>> mapped(str, [1, {"a": 2}])
    ['1', {'a': '2'}]
    """
    if isinstance(value, dict):
        return {k: mapped(function, v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        kind = list if isinstance(value, list) else tuple
        return kind(mapped(function, v) for v in value)
    return function(value)


def is_shape(value: Any) -> bool:
    """Whether this is one shape, and no list of them."""
    return isinstance(value, list | tuple) and all(n is None or isinstance(n, int) for n in value)


def shapes_mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """The same structure with ``function`` of each shape.

    >>> shapes_mapped(len, [(None, 3), (None, 4, 4)])
    [2, 3]
    """
    if is_shape(value):
        return function(tuple(value))
    if isinstance(value, dict):
        return {k: shapes_mapped(function, v) for k, v in value.items()}
    return [shapes_mapped(function, v) for v in value]
