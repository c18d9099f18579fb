"""What a compiled function reads besides its arguments: where that changes, it is traced anew.

Python values are baked into a graph. So a graph holds only while they are the same: the globals and
closure variables that the function names, and those of the functions that it calls; entries of
small lists and dicts among them; attributes of objects and of the modules that were called. What is
read is seen in the bytecode, by name, and its values are those after the trace.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable
from functools import partial
from inspect import getattr_static
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ..tape import ATTRIBUTES, SET
from ..tensor import Tensor
from .trace import Guard

PLAIN = (int, float, bool, str, bytes, type(None), tuple)
MANY = 64  # entries of a list or dict that are watched
DEEP = 3  # attributes of attributes, entries of entries
LENGTH = "the length of "
PACKAGE = __name__.partition(".")[0]


def values_read(function: Callable[..., Any]) -> dict[str, Any]:
    """What ``function`` reads by name, with the values of now."""
    watch = _Watch()
    watch.function(function)
    return {guard.words: guard.value for guard in watch.guards.values()}


def watched(
    function: Callable[..., Any], before: dict[str, Any], modules: Iterable[tuple[Any, Any]]
) -> tuple[Any, ...]:
    """The guards for what ``function`` and the modules that it called have read.

    ``before`` has the values before the trace, each module comes with its attributes at its first
    call. What the function itself has changed is left out: it would fit no later call.
    """
    watch = _Watch()
    watch.function(function)
    for module, _ in modules:
        if not _ours(type(module)):
            watch.function(type(module).forward)
        for name, value in _attributes(module):
            watch.entries(value, f"{_name(module)}.{name}")
    found: list[Any] = list(watch.guards.values())
    changed = {g.words for g in found if g.words in before and not _same(before[g.words], g.value)}
    grown = tuple(f"{w.removeprefix(LENGTH)}[" for w in changed if w.startswith(LENGTH))
    found = [g for g in found if g.words not in changed and not g.words.startswith(grown)]
    return (*found, Attributes(modules)) if modules else tuple(found)


def _same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and isinstance(a, PLAIN) and bool(a == b))


class Attributes:
    """The numbers and texts that modules hold: asked one by one when a module was given one."""

    words = "every attribute of its modules"
    value = True

    def __init__(self, modules: Iterable[tuple[Any, Any]]) -> None:
        self.guards = [
            Guard(vars(module), name, value, f"{_name(module)}.{name}")
            for module, before in modules
            for name, value in _attributes(module)
            if isinstance(value, PLAIN) and _same(before.get(name), value)
        ]
        self.count = ATTRIBUTES[SET]

    def holds(self) -> bool:
        """Whether nothing changed."""
        now = ATTRIBUTES[SET]
        if now != self.count:
            if not all(guard.holds() for guard in self.guards):
                return False
            self.count = now
        return True

    def change(self) -> str:
        """What changed, in words."""
        return "; ".join(guard.change() for guard in self.guards if not guard.holds())


class _Watch:
    """Collects guards."""

    def __init__(self) -> None:
        self.guards: dict[tuple[int, Any], Guard] = {}
        self.seen: set[int] = set()

    def guard(self, owner: Any, key: Any, value: Any, words: str) -> None:
        self.guards.setdefault((id(owner), key), Guard(owner, key, value, words))

    def function(self, function: Any) -> None:
        """What a function names, and the functions that it calls."""
        if isinstance(function, partial):
            function = function.func
        function = getattr(function, "function", function)  # one that is compiled
        owner, function = (
            getattr(function, "__self__", None),
            getattr(function, "__func__", function),
        )
        code = getattr(function, "__code__", None)
        if code is None or id(code) in self.seen:
            return
        self.seen.add(id(code))
        names, attributes = names_read(code)
        if owner is not None:
            self.look("self", owner, attributes, 0)
        space = function.__globals__
        for name in names:
            if space.get(name) is not None:
                self.value(space, name, space[name], name, attributes)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            place = Cell(cell)
            self.guard(place, name, place.get(name), name)
            self.look(name, place.get(name), attributes, 0)

    def value(
        self, owner: Any, key: Any, value: Any, words: str, attributes: set[str], depth: int = 0
    ) -> None:
        """A value at its place: whether it is the same, and what lies in it."""
        learners = isinstance(value, FunctionType) and not _ours(value)
        if isinstance(value, (Tensor, *PLAIN)) or hasattr(value, "forward") or learners:
            self.guard(owner, key, value, words)
        self.look(words, value, attributes, depth)

    def look(self, words: str, value: Any, attributes: set[str], depth: int) -> None:
        """What lies in a value: entries, attributes, or what a function names."""
        if isinstance(value, FunctionType) or hasattr(value, "traces"):
            if not _ours(value) or hasattr(value, "traces"):
                self.function(value)
            return
        if isinstance(value, (list, dict)):
            self.entries(value, words)
            return
        known = isinstance(value, (Tensor, ModuleType, *PLAIN)) or hasattr(value, "forward")
        own = getattr(value, "__dict__", None)
        if known or own is None or _ours(value) or depth == DEEP or id(value) in self.seen:
            return
        self.seen.add(id(value))
        attributes = _of_methods(type(value), attributes)
        for name in attributes & own.keys():
            self.value(own, name, own[name], f"{words}.{name}", attributes, depth + 1)
        for name in attributes - own.keys():
            shared = getattr_static(type(value), name, None)
            if isinstance(shared, FunctionType) and not _ours(shared):
                self.function(shared)
            elif shared is not None and isinstance(shared, PLAIN):  # an instance may get its own
                self.guard(Attribute(value), name, shared, f"{words}.{name}")

    def entries(self, value: Any, words: str, depth: int = 0) -> None:
        """The numbers and texts in a small list or dict."""
        if not isinstance(value, (list, dict)) or len(value) > MANY or depth == DEEP:
            return
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        place = value if isinstance(value, dict) else Items(value)
        for key, entry in pairs:
            if isinstance(entry, PLAIN):
                self.guard(place, key, entry, f"{words}[{key!r}]")
            else:
                self.entries(entry, f"{words}[{key!r}]", depth + 1)
        if all(isinstance(x, PLAIN) for _, x in pairs):  # one that gathers tensors may grow
            self.guard(Length(value), "length", len(value), f"{LENGTH}{words}")


class Cell:
    """A closure variable that reads like a dict."""

    __slots__ = ("cell",)

    def __init__(self, cell: Any) -> None:
        self.cell = cell

    def get(self, key: Any) -> Any:
        """What the variable holds now."""
        try:
            return self.cell.cell_contents
        except ValueError:
            return None


class Attribute:
    """An object whose attributes, those of its class too, read like a dict."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self, key: str) -> Any:
        """What the attribute is now."""
        return getattr(self.value, key, None)


class Items:
    """A list that reads like a dict."""

    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def get(self, key: Any) -> Any:
        """The entry at a place; None behind the end."""
        return self.items[key] if key < len(self.items) else None


class Length:
    """The length of a list or a dict."""

    __slots__ = ("items",)

    def __init__(self, items: Any) -> None:
        self.items = items

    def get(self, key: Any) -> int:
        """What it is now."""
        return len(self.items)


def names_read(code: CodeType) -> tuple[set[str], set[str]]:
    """The globals and the attributes that code reads, that of functions inside it included."""
    names, attributes = set(), set()
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.add(step.argval)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            attributes.add(step.argval)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            more, theirs = names_read(inner)
            names |= more
            attributes |= theirs
    return names, attributes


def _of_methods(kind: type, attributes: set[str]) -> set[str]:
    """The attributes that are read, those that methods among them read included."""
    found, todo = set(attributes), list(attributes)
    while todo:
        method = getattr_static(kind, todo.pop(), None)
        if isinstance(method, FunctionType) and not _ours(method):
            more = names_read(method.__code__)[1] - found
            found |= more
            todo += more
    return found


def _attributes(module: Any) -> list[tuple[str, Any]]:
    """The attributes of a module, without its parts and what it keeps for itself."""
    return [(k, v) for k, v in vars(module).items() if k[0] != "_" and k != "training"]


def _name(module: Any) -> str:
    return str(vars(module).get("_label") or type(module).__name__)


def _ours(value: Any) -> bool:
    """Whether a function, a class or an object is of this package: it says itself what it reads."""
    home = getattr(value, "__module__", None) or getattr(type(value), "__module__", "")
    return str(home).partition(".")[0] == PACKAGE


__all__ = ["Cell", "names_read", "values_read", "watched"]
