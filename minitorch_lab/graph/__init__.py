"""Graph mode: trace a function once, make the graph smaller, run it as a plan."""

from .builder import GraphBuilder, Operation
from .compiler import Compiled, Function, compile, function, mode
from .control import cond, scan, while_loop
from .executors import executor
from .explain import explain
from .ir import Equation, Graph, Var
from .kernels import Kernel
from .passes.own import replaced, run_pass
from .session import Session, SessionError, UninitializedError

__all__ = [
    "Compiled",
    "Equation",
    "Function",
    "Graph",
    "GraphBuilder",
    "Kernel",
    "Operation",
    "Session",
    "SessionError",
    "UninitializedError",
    "Var",
    "compile",
    "cond",
    "executor",
    "explain",
    "function",
    "mode",
    "replaced",
    "run_pass",
    "scan",
    "while_loop",
]
