"""A program as text and as a tree, and the names that its imports stand for."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from functools import cached_property
from typing import TypeVar

from .model import Edit

N = TypeVar("N", bound=ast.AST)
# A library by its first name; this one stands for each that it speaks the language of.
_LIBRARIES = {
    "minitorch_lab.tf.compat.v1": "tf1",
    "minitorch_lab.tf": "tf",
    "minitorch_lab.vision": "torchvision",
    "minitorch_lab": "torch",
    "tensorflow.compat.v1": "tf1",
    "tensorflow.python.keras": "tf.keras",
    "tensorflow": "tf",
    "keras": "tf.keras",
    "numpy": "np",
    "tf.compat.v1": "tf1",
}
# What pasted code without its imports means by these names.
USUAL = {
    "torch": "torch", "nn": "torch.nn", "F": "torch.nn.functional", "optim": "torch.optim",
    "lab": "torch", "tf": "tf", "np": "np", "keras": "tf.keras", "layers": "tf.keras.layers",
    "models": "tf.keras.models", "torchvision": "torchvision",
    "DataLoader": "torch.utils.data.DataLoader",
    "TensorDataset": "torch.utils.data.TensorDataset", "transforms": "torchvision.transforms",
    "datasets": "torchvision.datasets", "plt": "matplotlib.pyplot",
}  # fmt: skip


def canonical(name: str) -> str:
    """A dotted name with the library's short name in front.

    >>> canonical("tensorflow.keras.layers.Dense"), canonical("minitorch_lab.nn.Linear")
    ('tf.keras.layers.Dense', 'torch.nn.Linear')
    """
    for long, short in _LIBRARIES.items():
        if name == long or name.startswith(long + "."):
            return short + name[len(long) :]
    return name


class Program:
    """Source that Python can read: its tree, and where each part of it stands in the text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tree = ast.parse(source)
        self.lines = source.splitlines()
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._nodes = list(ast.walk(self.tree))
        self.imports = dict(self._imports())

    def _imports(self) -> Iterator[tuple[str, str]]:
        for node in self._nodes:
            if isinstance(node, ast.Import):
                for name in node.names:
                    if name.asname:
                        yield name.asname, canonical(name.name)
                    else:
                        first = name.name.partition(".")[0]
                        yield first, canonical(first)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for name in node.names:
                    yield name.asname or name.name, canonical(f"{node.module}.{name.name}")

    @cached_property
    def assigned(self) -> set[str]:
        """Every name that is assigned anywhere, arguments included."""
        found = {n.id for n in self.walk(ast.Name) if not isinstance(n.ctx, ast.Load)}
        found |= {n.arg for n in self.walk(ast.arg)}
        found |= {n.name for n in self.walk(ast.FunctionDef)}
        found |= {n.name for n in self.walk(ast.ClassDef)}
        return found

    @cached_property
    def loads(self) -> list[ast.Name]:
        """Every place where a name is read."""
        return [n for n in self.walk(ast.Name) if isinstance(n.ctx, ast.Load)]

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """What each node stands in."""
        return {c: n for n in self._nodes for c in ast.iter_child_nodes(n)}

    def walk(self, kind: type[N]) -> list[N]:
        """All nodes of a kind."""
        return [n for n in self._nodes if isinstance(n, kind)]

    def within(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node stands in, from the inside to the outside."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """The statement that a node belongs to."""
        for n in (node, *self.within(node)):
            if isinstance(n, ast.stmt):
                return n
        return None

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node stands in the text."""
        first, last = node.lineno, node.end_lineno  # type: ignore[attr-defined]
        start = self._place(first, node.col_offset)  # type: ignore[attr-defined]
        return start, self._place(last, node.end_col_offset)  # type: ignore[attr-defined]

    def _place(self, line: int, column: int) -> int:
        text = self.source[self._starts[line - 1] : self._starts[line]]
        if not text.isascii():  # Python counts bytes
            column = len(text.encode()[:column].decode(errors="ignore"))
        return self._starts[line - 1] + column

    def text(self, node: ast.AST) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.source[start:end]

    def replace(self, node: ast.AST, text: str) -> Edit:
        """The edit that puts another text in a node's place."""
        return Edit(*self.span(node), text)

    def after(self, node: ast.AST, text: str) -> Edit:
        """The edit that puts a text right behind a node."""
        end = self.span(node)[1]
        return Edit(end, end, text)

    def insert_before(self, statement: ast.stmt, text: str) -> Edit:
        """The edit that puts lines before a statement, with its indentation."""
        start = self._starts[statement.lineno - 1]
        decorators = getattr(statement, "decorator_list", [])
        if decorators:
            start = self._starts[min(d.lineno for d in decorators) - 1]
        pad = " " * statement.col_offset
        return Edit(start, start, textwrap.indent(text, pad) + "\n")

    def insert_after(self, statement: ast.stmt, text: str, pad: int | None = None) -> Edit:
        """The edit that puts lines after a statement, with its indentation."""
        end = self._starts[statement.end_lineno or statement.lineno]
        indent = " " * (statement.col_offset if pad is None else pad)
        break_ = "" if self.source[:end].endswith("\n") else "\n"
        lines = textwrap.indent(text, indent)
        return Edit(end, end, f"{break_}{lines}\n" if not break_ else f"{break_}{lines}")

    def remove(self, statement: ast.stmt) -> Edit:
        """The edit that takes the lines of a statement away."""
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        return Edit(self._starts[first - 1], self._starts[last], "")

    def add_argument(self, call: ast.Call, text: str) -> Edit:
        """The edit that gives a call one argument more."""
        end = self.span(call)[1] - 1
        last = [*call.args, *(k.value for k in call.keywords)]
        if last:
            end = max(self.span(node)[1] for node in last)
            text = f", {text}"
        return Edit(end, end, text)

    def alone(self, statement: ast.stmt) -> bool:
        """Whether no other statement shares a line with this one."""
        before = self.source[self._starts[statement.lineno - 1] : self.span(statement)[0]]
        end = self._starts[statement.end_lineno or statement.lineno]
        after = self.source[self.span(statement)[1] : end].strip()
        return not before.strip() and (not after or after.startswith("#"))

    def after_imports(self, text: str) -> Edit:
        """The edit that puts a line behind the imports at the head."""
        last = None
        for statement in self.tree.body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                last = statement
        if last is not None:
            return self.insert_after(last, text)
        first = self.tree.body[0]
        return self.insert_before(first, text)

    def called(self, library: str) -> str | None:
        """The name that a library has in this program."""
        for name, meant in self.imports.items():
            if meant == library:
                return name
        names = {n.id for n in self.loads}
        usual = next((n for n, m in USUAL.items() if m == library and n in names), None)
        return usual if usual not in self.assigned else None
