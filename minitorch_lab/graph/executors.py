"""Executors: what runs a plan. The best that this machine has is taken."""

from __future__ import annotations

import os
from collections.abc import Collection

from ..errors import ArgumentError, warn
from .codegen import c, cuda, native
from .codegen import numpy as straight
from .codegen.numpy import Plan
from .ir import Graph
from .parts import ready
from .passes.flat import free_number, gathered
from .passes.transposes import copied
from .plan import TOGETHER
from .trace import Traced

NAMES = ("auto", "c", "cuda", "numpy")


class _Wanted:
    """The choice of the process."""

    name = os.environ.get("MINITORCH_LAB_EXECUTOR", "auto")
    told: str | None = None


def executor(name: str | None = None) -> str:
    """Get or set what runs graphs that are traced from now on: "auto", "c", "cuda" or "numpy".

    "c" compiles a plan with the machine's C compiler, "cuda" makes kernels of one whose values are
    on a GPU, "numpy" runs it as straight-line NumPy, or CuPy; "auto" is "c" on the CPU, where there
    is a compiler, and "cuda" on a GPU. The environment variable MINITORCH_LAB_EXECUTOR says it
    for a whole process.

    >>> executor() in ("auto", "c", "cuda", "numpy")
    True
    """
    if name is not None:
        check_executor(name)
        _Wanted.name = name
    return _Wanted.name


def check_executor(name: str) -> None:
    """ArgumentError for a name that no executor has."""
    if name not in NAMES:
        raise ArgumentError(f"executor: expected one of {', '.join(NAMES)}, got {name!r}")


def build(
    traced: Traced, graph: Graph, wanted: str | None = None, without: Collection[str] = ()
) -> Plan:
    """The plan of a graph, by the executor that was chosen or the next one that works here.

    ``without`` names stages to leave out.
    """
    name = _Wanted.name if wanted is None else wanted
    check_executor(name)
    graph = ready(graph, [name for name in without if name != TOGETHER])
    free = free_number(graph)
    if "transposes" in without:
        graph = copied(graph)
    for kind, made, instead in (("c", c, "NumPy"), ("cuda", cuda, "CuPy op by op")):
        if name not in ("auto", kind) or not made.writable(graph):
            continue
        try:
            return made.build(traced, graph, without)
        except native.NoCompiler as why:
            if _Wanted.told != str(why):
                _Wanted.told = str(why)
                warn(f"graph mode runs on {instead}: {why}")
    flat = None if "flat" in without else gathered(traced, graph, free)
    return straight.build(traced, graph, without, flat)
