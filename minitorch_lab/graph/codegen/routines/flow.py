"""Choices and loops: ``if`` and ``for`` in C, around the steps of their graphs.

The results of a choice or a loop lie one after another in one buffer. What a loop carries stays
there from turn to turn. Where a graph has a step that only Python can run, all of it runs there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....op import Spec
from ...control import scanned
from ...fuse import Single
from ...ir import Part, Var, places_of
from ..text import C_TYPES, REFUSES, Place, kept, pointer, read


class _NeedsPython(Exception):
    """A step of the graph has no C text."""


def cond(w: Any, step: Single) -> bool:
    """``if (pred) { ... } else { ... }``."""
    e = step.equation

    def write() -> None:
        results = _results(w, e.out, e.attrs["specs"])
        _open(w, f"if ({_truth(w.place[e.inputs[0].id])}) {{")
        for name in ("true", "false"):
            inner = _inside(w, e.parts[name], e.inputs)
            _copy(w, zip(results, inner.results, strict=True))
            if name == "true":
                _close(w, "} else {")
                w.text.depth += 1
        _close(w)

    return _tried(w, write)


def while_loop(w: Any, step: Single) -> bool:
    """``for (;;) { if (!test) break; ... }``."""
    e = step.equation

    def write() -> None:
        carry = _results(w, e.out, e.attrs["specs"])
        _copy(w, zip(carry, [w.place[x.id] for x in e.inputs[: len(carry)]], strict=True))
        start = len(w.text.lines)
        _open(w, "for (;;) {")
        test = _inside(w, e.parts["test"], e.inputs, dict(enumerate(carry)))
        w.text.add(f"if (!({_truth(test.results[0])})) break;")
        body = _inside(w, e.parts["body"], e.inputs, dict(enumerate(carry)))
        _carry(w, carry, body.results)
        if any(REFUSES.search(line) for line in w.text.lines[start:]):
            w.text.add("if (lab_wrong) return 1;")  # else it might go on for ever
        _close(w)

    return _tried(w, write)


def scan(w: Any, step: Single) -> bool:
    """``for (long turn = 0; ...) { ... }``: a row of each input, and a row of each result."""
    e, part = step.equation, step.equation.parts["step"]
    count = e.attrs["count"]

    def write() -> None:
        results = _results(w, e.out, e.attrs["specs"])
        carry = results[:count]
        turn = f"turn{w.text.depth}"
        rows = [_row(place, turn) for place in results[count:]]
        items = scanned(part, count)
        given = dict(enumerate(carry)) | {k: _row(w.place[e.inputs[k].id], turn) for k in items}
        _copy(w, zip(carry, [w.place[x.id] for x in e.inputs[:count]], strict=True))
        length = e.inputs[items[0]].spec.shape[0]
        _open(w, f"for (long {turn} = 0; {turn} < {length}; {turn}++) {{")
        body = _inside(w, part, e.inputs, given)
        _copy(w, zip(rows, body.results[count:], strict=True))
        _carry(w, carry, body.results[:count])
        _close(w)

    return _tried(w, write)


def take_out(w: Any, step: Single) -> bool:
    """One result out of the buffer."""
    e = step.equation
    packed, out = w.place[e.inputs[0].id], w.place[e.out.id]
    if w.counters or packed.offset:
        return False
    _copy(w, [(out, _at(packed, e.attrs["start"], e.out.spec))])
    return True


# Parts -------------------------------------------------------------------------------------


def _tried(w: Any, write: Any) -> bool:
    """Write a choice or a loop; where that cannot be done, nothing is written."""
    mark, depth = len(w.text.lines), w.text.depth
    if w.counters:
        return False
    try:
        w.text.add("{")
        w.text.depth += 1
        write()
        _close(w)
    except _NeedsPython:
        del w.text.lines[mark:]
        w.text.depth = depth
        return False
    return True


def _inside(
    w: Any, part: Part, inputs: Sequence[Any], given: dict[int, Place] | None = None
) -> Any:
    """Write the steps of a part; ``given`` are places of inputs that are not those outside.

    The writer of the part has the places of its outputs as ``results``.
    """
    inner = w.within(part.graph)
    for v, i in zip(part.graph.inputs, part.places, strict=True):
        if v.spec.number:
            x = inputs[i]
            inner.numbers[v.id] = w.numbers.setdefault(x.id, len(w.numbers))
        else:
            inner.place[v.id] = (given or {}).get(i) or w.place[inputs[i].id]
    if any(e.out.spec.number for e in part.graph.equations) or not inner.steps_written():
        raise _NeedsPython
    inner.results = [inner.place[v.id] for v in part.graph.outputs]
    return inner


def _results(w: Any, packed: Var, specs: Sequence[Spec]) -> list[Place]:
    """Where the results lie in the buffer."""
    place = w.place[packed.id]
    if place.offset or any(s.number or str(s.dtype) not in C_TYPES for s in specs):
        raise _NeedsPython
    return [_at(place, start, spec) for start, spec in zip(places_of(specs), specs, strict=True)]


def _at(packed: Place, start: int, spec: Spec) -> Place:
    like = np.empty(spec.shape, spec.dtype)
    return Place(packed.slot, start // like.itemsize, like)


def _row(place: Place, turn: str) -> Place:
    """One row of a value: number ``turn``."""
    more = f"{place.more} + {turn} * {place.strides[0]}"
    return Place(place.slot, place.offset, place.array[0, ...], place.alone, more)


def _truth(place: Place) -> str:
    kind = C_TYPES[str(place.array.dtype)]
    entry = f"((const {kind} *)p[{place.slot}])[{place.offset}{place.more}]"
    return f"{read(place.array.dtype, entry)} != 0"


def _carry(w: Any, carry: Sequence[Place], new: Sequence[Place]) -> None:
    """Put new values where the old ones are; those that are old values of others go first."""
    slots = {x.slot for x in carry}
    moved = []
    for to, x in zip(carry, new, strict=True):
        if x.slot in slots and _same(to, x):
            continue
        if x.slot in slots:
            room = kept(w, np.empty(x.array.shape, x.array.dtype))
            _copy(w, [(room, x)])
            x = room
        moved.append((to, x))
    _copy(w, moved)


def _same(a: Place, b: Place) -> bool:
    return (a.slot, a.offset, a.more, a.strides) == (b.slot, b.offset, b.more, b.strides)


def _copy(w: Any, pairs: Any) -> None:
    for to, x in pairs:
        if not to.array.size or _same(to, x):
            continue
        if to.array.flags.c_contiguous and x.array.flags.c_contiguous:
            w.text.add("{")
            w.text.add("    " + pointer("q", to, ""))
            w.text.add("    " + pointer("s", x))
            w.text.add(f"    memcpy(q, s, {to.array.nbytes});")
            w.text.add("}")
        else:
            w.copy_into(to, x, to.array)


def _open(w: Any, line: str) -> None:
    w.text.add(line)
    w.text.depth += 1


def _close(w: Any, line: str = "}") -> None:
    w.text.depth -= 1
    w.text.add(line)
