"""Which line of the learner an op, a gradient or an error of a Keras model belongs to.

Between ``Dense(10)`` in a list and the ops that it runs stand only functions of this package: by
the usual rule, the nearest line outside of it, all ops of a model would belong to ``fit``. So a
layer is called through a function that stands at the line where the layer was made. What walks the
stack finds that line: the pictures, the linker, and Python's own traceback.
"""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Callable
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from ...tape import LAYER, caller, locate

Where = tuple[CodeType, int] | None


def here() -> Where:
    """The learner's line that is running, as the tape keeps it."""
    return caller(2)


def called_from(where: Where, argument: str = "") -> Callable[..., Any]:
    """``call(function, ...)``, which stands at a line of the learner.

    Where the learner's call goes over several lines it is the one with this ``argument``.

    >>> called_from(here())(max, 1, 2)
    2
    """
    if where is None:
        return _call
    return _standing_at(where[0].co_filename, *where, argument)


@lru_cache(1024)  # by file too: the code of two cells with the same text is equal
def _standing_at(file: str, code: CodeType, instruction: int, argument: str) -> Callable[..., Any]:
    tree = ast.parse("lambda function, *args, **kwargs: function(*args, **kwargs)", mode="eval")
    line = _line(code, instruction, argument)
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.arg):
            node.lineno = node.end_lineno = line
            node.col_offset = node.end_col_offset = -1  # the line, and no place in it
    made = compile(tree, file, "eval")
    (inner,) = (c for c in made.co_consts if isinstance(c, CodeType))
    return FunctionType(inner.replace(co_name=LAYER), {"__name__": "__layer__"})


def _line(code: CodeType, instruction: int, argument: str) -> int:
    first, last, *_ = [*code.co_positions()][instruction // 2]
    for line in range(first or 0, (last or 0) + 1) if argument else ():
        if re.search(rf"\b{argument}\s*=[^=]", linecache.getline(code.co_filename, line)):
            return line
    return locate(code, instruction).line


def _call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)
