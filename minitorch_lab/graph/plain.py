"""Passes and kernels as lists, dicts, texts and numbers: what a view of them is drawn from."""

from __future__ import annotations

import re
from typing import Any

from ..tape import Location, location
from .ir import Equation
from .kernels import Kernel
from .passes import Change, Record
from .stages import StageRecord
from .workings import Workings

DEFINES = re.compile(r" {0,2}%(\d+) = ")  # further to the right stand the graphs of choices


def plain(workings: Workings) -> dict[str, Any]:
    """All passes, the kernels, and the traced equations that both lead back to, by number."""
    return {
        "executor": workings.executor,
        "traced": [_equation(e) for e in workings.traced.graph.equations],
        "passes": [_record(r) for r in workings.passes],
        "kernels": [_kernel(k, workings) for k in workings.steps],
        "bits": workings.bits_in_words(),
    }


def _record(r: Record | StageRecord) -> dict[str, Any]:
    return {
        "name": r.name,
        "words": r.words,
        "before": _rows(r.before),
        "after": _rows(r.after),
        "changes": [_change(c) for c in r.changes],
        "flops_saved": r.flops_saved,
        "bytes_saved": r.bytes_saved,
        "memory_saved": r.memory_saved,
        "seconds": r.seconds,
    }


def _rows(text: Any) -> list[dict[str, Any]]:
    """The lines of a graph or of steps, each with the number of the value that it defines."""
    found = [(line, DEFINES.match(line)) for line in str(text).splitlines()]
    return [{"text": line, "id": int(m[1]) if m else None} for line, m in found]


def _change(c: Change) -> dict[str, Any]:
    return {
        "what": c.what,
        "rule": c.rule,
        "text": str(c),
        "ids": [list(ids) for ids in c.ids],
        "ops": [list(ops) for ops in c.ops],
        "lines": [_line(line) for line in c.lines],
    }


def _kernel(k: Kernel, workings: Workings) -> dict[str, Any]:
    return {
        "name": k.name,
        "kind": k.kind,
        "title": k.title,
        "ops": list(k.ops),
        "ids": [e.out.id for e in k.equations],
        "equations": [str(e) for e in k.equations],
        "reads": [v.id for v in k.reads],
        "writes": [v.id for v in k.writes],
        "flops": k.flops,
        "bytes": k.bytes,
        "code": k.code,
        "lines": [_line(line) for line in k.lines],
        "origin": [e.out.id for e in workings.origin(k).equations],
    }


def _equation(e: Equation) -> dict[str, Any]:
    where = location(e)
    return {
        "id": e.out.id,
        "op": e.op.name,
        "text": str(e),
        "spec": str(e.out.spec),
        "scope": e.scope,
        "line": None if where is None else _line(where),
    }


def _line(line: Location) -> dict[str, Any]:
    return {"cell": line.cell, "line": line.line, "text": line.text}
