"""A pass of one's own: any function from graph to graph, with a record of what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from time import perf_counter

from ...errors import ArgumentError, KindError
from ..ir import Graph, Var, renamed, substitute
from .record import Change, Record


def replaced(graph: Graph, instead: Mapping[Var, Var]) -> Graph:
    r"""The graph where values are replaced by others, and what made them is left out.

    Raises TraceError where another value would be read before it is made.

    >>> graph = Graph.parse("graph f(%0: float32 (2,)):\n  %1 = abs(%0)  float32 (2,)\n"
    ...                     "  %2 = neg(%1)  float32 (2,)\n  return %2")
    >>> print(replaced(graph, {graph.equations[0].out: graph.inputs[0]}))
    graph f(%0: float32 (2,)):
      %2 = neg(%0)  float32 (2,)
      return %2
    """
    by = {old.id: new for old, new in instead.items()}
    for old, new in instead.items():
        if old.spec != new.spec:
            raise ArgumentError(
                f"replaced: {new} cannot stand for {old}\n"
                f"  {old}  {old.spec}\n  {new}  {new.spec}\n  expected the same shape and dtype"
            )
    for i in by:
        seen = {i}
        while by[i].id in by:  # what stands for a value may have been replaced too
            if by[i].id in seen:
                raise ArgumentError(f"replaced: %{i} stands for itself\n  expected another value")
            seen.add(by[i].id)
            by[i] = by[by[i].id]
    left = (renamed(e, by) for e in graph.equations if e.out.id not in by)
    return substitute(graph, left, by).verify()


def run_pass(f: Callable[[Graph], Graph], graph: Graph) -> Record:
    """Run a pass of one's own: its record has the difference, what it saved, and a certificate.

    ``f`` is a function from graph to graph; its name and the first line of its text name the
    record. The graph that it gives is checked. ``record.certificate(x)`` compares on arguments of
    one's own: numbers that are drawn are seldom NaN, infinite or 0.

    >>> import minitorch_lab as lab
    >>> def undo(graph):
    ...     "Takes exp(log(x)) for x."
    ...     made = {e.out: e for e in graph.equations}
    ...     inner = {e.out: made.get(e.inputs[0]) for e in graph.equations if e.op.name == "exp"}
    ...     return replaced(graph, {v: e.inputs[0] for v, e in inner.items() if e.op.name == "log"})
    >>> record = run_pass(undo, lab.compile(lambda x: x.log().exp()).graph(lab.ones(2)))
    >>> record.changes[0].what, record.changes[0].ops[0]
    ('removed', ('exp',))
    >>> record.certificate([-1.0, 2.0]).absolute
    inf
    """
    start = perf_counter()
    after = f(graph)
    if not isinstance(after, Graph):
        raise KindError(
            f"run_pass({f.__name__}): the pass gave {type(after).__name__}\n"
            "  expected a Graph: return the graph itself where there is nothing to do"
        )
    if len(after.results) != len(graph.results) or after.inputs != graph.inputs:
        raise ArgumentError(
            f"run_pass({f.__name__}): the graph that it gave has other inputs or results\n"
            f"  before  {len(graph.inputs)} inputs, {len(graph.results)} results\n"
            f"  after   {len(after.inputs)} inputs, {len(after.results)} results\n"
            "  expected the same: a pass changes the equations between them"
        )
    after.verify()
    seconds = perf_counter() - start
    name = getattr(f, "__name__", "pass")
    words = next(iter((f.__doc__ or "").strip().splitlines()), "A pass of your own.")
    changes = tuple(_changes(graph, after))
    return Record(name, words, graph, after, changes, seconds, graph)


def _changes(before: Graph, after: Graph) -> Iterator[Change]:
    """What went, what came, and what has another right side."""
    now = {e.out.id: e for e in after.equations}
    for e in before.equations:
        other = now.pop(e.out.id, None)
        if other is None:
            yield Change("removed", (e,), ())
        elif str(other) != str(e):
            yield Change("rewritten", (e,), (other,))
    for e in now.values():
        yield Change("added", (), (e,))
