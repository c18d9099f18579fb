"""Graph mode: trace a function once, make the graph smaller, run it as a plan."""

from .compiler import Compiled, Function, compile, function, mode
from .executors import executor
from .explain import explain
from .ir import Equation, Graph, Var

__all__ = [
    "Compiled",
    "Equation",
    "Function",
    "Graph",
    "Var",
    "compile",
    "executor",
    "explain",
    "function",
    "mode",
]
