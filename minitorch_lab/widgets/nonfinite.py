"""Where the first nan or infinity of a training run came from.

The last steps are done again in eager mode, with every value, every gradient and the update looked
at. A loss can be nan long after the cause: a weight that became infinite in the update of one step
shows in the loss of the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..device import to_host
from ..nn import Module
from ..optim import Optimizer
from ..tape import Node, Settings, location, steps
from ..tensor import Tensor
from .checkpoint import Entry

Array = npt.NDArray[Any]

REMEDIES = {
    "log": "log has no value at 0 or below: add a small number, log(x + 1e-8)",
    "div": "a divisor is 0: add a small number to it",
    "sqrt": "sqrt has no value below 0 and no gradient at 0: add a small number, sqrt(x + 1e-8)",
    "exp": "exp leaves float32 beyond 88: subtract the largest entry first, or use softmax",
    "pow": "this power has no value at 0 or below: add a small number to its base",
}
DATA = "the data holds it: leave the samples out or fill them in"


@dataclass(frozen=True)
class Finding:
    """The first non-finite array: what it is, of which step, where in the user's code.

    In words, because the arrays are overwritten when the weights are put back.
    """

    what: str
    step: int
    extent: str
    origin: str
    inputs: tuple[tuple[str, str], ...]
    remedy: str | None


def find_first(
    model: Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    optimizer: Optimizer,
    entries: Sequence[Entry],
    last: int,
) -> Finding | None:
    """Do the steps of ``entries`` again (the loss of step ``last``, the latest of them, is not
    finite) and return the first non-finite array, or None where all stay finite this time.

    The model is left in an unspecified state: the caller restores it.
    """
    sources, Settings.sources = Settings.sources, True
    try:
        return _search(model, loss, optimizer, entries, last)
    finally:
        Settings.sources = sources
        optimizer.zero_grad()


def _search(
    model: Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    optimizer: Optimizer,
    entries: Sequence[Entry],
    last: int,
) -> Finding | None:
    harmless: set[int] = set()
    for offset, entry in enumerate(entries, start=1 - len(entries)):
        step = last + offset
        found = _in_leaves(model, entry, step)
        if found is not None:
            return found
        optimizer.zero_grad()
        value = loss(model(entry.x), entry.y)
        forward = _values(value)
        bad = [place for place, (_, array) in enumerate(forward) if not _finite(array)]
        if offset == 0:
            # A mask's infinities were there while the loss was finite, too: they are not the cause.
            new = [place for place in bad if place not in harmless] or bad
            return _of_value(*forward[new[0]], step) if new else None
        found = _in_gradients(value, step)
        if found is not None:
            return _of_value(*forward[bad[0]], step) if bad else found
        value.backward()
        optimizer.step()
        found = _in_update(model, optimizer, step)
        if found is not None:
            return found
        harmless = set(bad)
    return None


def describe(
    value: float, step: int, finding: Finding | None, kept: str, lr: float, good: int
) -> str:
    """The message of the NonFiniteError."""
    lines = [f"train: the loss is {_word(value)} at step {step:,}"]
    if finding is None:
        lines.append("  first     not found: repeated in eager mode, the last steps stay finite")
        remedy = None
    else:
        when = "" if finding.step == step else f", in step {finding.step:,}"
        lines.append(f"  first     {finding.what} is {finding.extent}{when}")
        if finding.origin:
            lines.append(f"  from      {finding.origin}")
        lines += [f"  {name:<9} {stats}" for name, stats in finding.inputs]
        remedy = finding.remedy
    lines.append("  expected  finite values in the forward pass, the gradients and the update")
    lines.append(f"  kept      {kept}")
    rate = f"lower the learning rate ({lr:.3g} now, try {lr / 10:.3g})"
    fork = "" if remedy else f", or take training.fork_lower(), from step {good:,}"
    lines.append(f"  {remedy or rate}; then go on{fork}")
    return "\n".join(lines)


def of_logged(value: float, step: int, logged: Any, kept: str, lr: float | None) -> str:
    """The message where a loop of the learner's own logs a loss that is not finite."""
    lines = [f"log: the loss is {_word(value)} at step {step:,}"]
    nodes = _values(logged) if isinstance(logged, Tensor) else []
    remedy = None
    if not nodes or any(node.freed for node, _ in nodes):
        lines.append("  first     not known: the loss came without its graph")
        lines.append("  log the loss as a tensor, before backward(): run.log(loss=loss)")
    else:
        leaf = next((x for x in _leaves(nodes) if not _finite(x.array)), None)
        bad = [(node, array) for node, array in nodes if not _finite(array)]
        if leaf is not None:
            plain = f"a {leaf.array.dtype} of shape {tuple(leaf.shape)}"
            name = repr(leaf.name) if leaf.name else plain
            kind = "parameter" if leaf.requires_grad else "input"
            lines.append(f"  first     the {kind} {name} is {_extent(leaf.array)}")
            remedy = None if leaf.requires_grad else DATA
        elif bad:
            found = _of_value(*bad[0], step)
            lines.append(f"  first     {found.what} is {found.extent}")
            if found.origin:
                lines.append(f"  from      {found.origin}")
            lines += [f"  {name:<9} {stats}" for name, stats in found.inputs]
            remedy = found.remedy
    if kept:
        lines.append(f"  kept      {kept}")
    rate = "lower the learning rate" + ("" if lr is None else f" ({lr:.3g} now, try {lr / 10:.3g})")
    lines.append(f"  {remedy or rate}; then run the loop again")
    lines.append("  lab.live(..., finite=False) lets such a loss pass")
    return "\n".join(lines)


def _leaves(nodes: Sequence[tuple[Node, Any]]) -> list[Tensor]:
    """What went into a graph from outside, each once."""
    every = (x for node, _ in nodes for x in node.inputs if isinstance(x, Tensor))
    return list({id(x): x for x in every if x.node is None}.values())


def _in_leaves(model: Module, entry: Entry, step: int) -> Finding | None:
    for what, tensor in (("input", entry.x), ("target", entry.y)):
        if not _finite(tensor.array):
            return Finding(f"{what} of the batch", step, _extent(tensor.array), "", (), DATA)
    for name, parameter in model.named_parameters():
        if not _finite(parameter.array):
            origin = "it was so before this step"
            remedy = "make the model anew"
            extent = _extent(parameter.array)
            return Finding(f"parameter {name!r}", step, extent, origin, (), remedy)
    return None


def _values(result: Tensor) -> list[tuple[Node, Any]]:
    """Every node of the graph behind ``result`` with its value, in forward order."""
    found: dict[int, tuple[Node, Any]] = {}
    stack = [result]
    while stack:
        tensor = stack.pop()
        node = tensor.node
        if node is None or node.id in found:
            continue
        found[node.id] = (node, tensor.array)
        stack.extend(source for source in node.inputs if isinstance(source, Tensor))
    return [found[key] for key in sorted(found)]


def _in_gradients(result: Tensor, step: int) -> Finding | None:
    for passed in steps(result):
        for place, _, array in passed.contributions:
            if not _finite(array):
                name = passed.node.op.argument(place)
                what = f"the gradient of {_call(passed.node)} for {name}"
                inputs = (*_inputs(passed.node), ("incoming", _stats(passed.incoming)))
                remedy = None if _grown(passed.node) else REMEDIES.get(passed.node.op.name)
                return Finding(what, step, _extent(array), _origin(passed.node), inputs, remedy)
    return None


def _in_update(model: Module, optimizer: Optimizer, step: int) -> Finding | None:
    for name, parameter in model.named_parameters():
        if not _finite(parameter.array):
            what = f"the update of {name!r} by {type(optimizer).__name__}"
            gradient = parameter.grad
            inputs = () if gradient is None else (("gradient", _stats(gradient.array)),)
            return Finding(what, step, _extent(parameter.array), "", inputs, None)
    return None


def _of_value(node: Node, array: Any, step: int) -> Finding:
    remedy = None if _grown(node) else REMEDIES.get(node.op.name)
    return Finding(_call(node), step, _extent(array), _origin(node), _inputs(node), remedy)


def _floats(node: Node) -> list[tuple[str, Array]]:
    return [
        (node.op.argument(place), to_host(source.array))
        for place, source in enumerate(node.inputs)
        if isinstance(source, Tensor) and source.dtype.is_floating_point
    ]


def _grown(node: Node) -> bool:
    """Whether what came in was too large already: then the op is not to blame."""
    return any(np.abs(x[np.isfinite(x)]).max(initial=0) > 1e6 for _, x in _floats(node))


def _inputs(node: Node) -> tuple[tuple[str, str], ...]:
    return tuple((name, _stats(array)) for name, array in _floats(node))


def _call(node: Node) -> str:
    return f"{node.op.name}({', '.join(node.op.arguments)})"


def _origin(node: Node) -> str:
    place = location(node)
    if place is not None and place.cell == "threading.py":
        place = None  # made by the training itself: no line of the learner's
    where = "" if place is None else f"{place.cell} line {place.line}:  {place.text.strip()}"
    return ", ".join(part for part in (node.scope, where) if part)


def _finite(array: Any) -> bool:
    return bool(np.isfinite(to_host(array)).all()) if array.dtype.kind in "fc" else True


def _word(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _extent(array: Any) -> str:
    host = to_host(array)
    counts = {
        "nan": int(np.isnan(host).sum()),
        "inf": int(np.isposinf(host).sum()),
        "-inf": int(np.isneginf(host).sum()),
    }
    found = [(word, count) for word, count in counts.items() if count]
    if host.size == 1:
        return found[0][0]
    parts = " and ".join(f"{word} in {count:,}" for word, count in found)
    return f"{parts} of {host.size:,} entries"


def _stats(array: Any) -> str:
    host = to_host(array)
    finite = host[np.isfinite(host)]
    text = f"{host.dtype.name} {tuple(host.shape)}"
    if not finite.size:
        return f"{text}, no finite entry"
    low, high = float(finite.min()), float(finite.max())
    bad = host.size - finite.size
    text += f", {low:.4g}" if low == high else f", from {low:.4g} to {high:.4g}"
    return f"{text}, {bad:,} not finite" if bad else text
