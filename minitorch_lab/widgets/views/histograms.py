"""The values that each layer gives, and the gradients that come back to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import to_host
from ...tape import Node, steps
from ..cards import aligned
from ..words import number, plural
from .scene import FEW, Array, NotHere, Picture, Scene

BINS = 41
MOST = 40  # layers
ZERO = ("relu", "relu6")  # units that give 0 for everything learn nothing
FLAT = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}  # units near an end hardly learn
NEAR = 0.02  # of the way between the ends
BENT = ("elu", "celu", "selu", "gelu", "silu", "mish", "softplus", "leaky_relu", "hardtanh",
        "hardswish", "hardsigmoid", "prelu", "rrelu", "softsign")  # fmt: skip


def compute(scene: Scene, options: dict[str, Any]) -> Picture:
    """For each layer histograms of its outputs and of their gradients, on a few samples."""
    samples = scene.samples("training")
    count = min(FEW, len(samples))
    output, loss = scene.taped(samples, count)
    if output.node is None or loss.node is None:
        raise NotHere("The loss does not hang on any weight that has a gradient.")
    walked = {step.node.id: step for step in steps(loss)}
    nodes = layers(scene, [step.node for step in walked.values()], output.node.id)
    if not nodes:
        raise NotHere("The model has no layer: its output is its weights, or its input.")
    rows: list[dict[str, Any]] = []
    values: list[Array] = []
    gradients: list[Array] = []
    for name, node in nodes[:MOST]:
        got, back = host(node.y), host(walked[node.id].incoming)
        rows.append({
            "name": name,
            "op": node.op.name,
            "shape": list(got.shape[1:]),
            "mean": float(got.mean()),
            "std": float(got.std()),
            "gradient": float(np.sqrt((back.astype(np.float64) ** 2).mean())),
            "said": said(node.op.name, got),
        })  # fmt: skip
        for kept, array in ((values, got), (gradients, back)):
            counts, end = histogram(array)
            kept.append(counts)
            rows[-1]["value_end" if kept is values else "gradient_end"] = end
    trouble = [f"{row['name']}: {row['said']}" for row in rows if row["said"]]
    words = "; ".join(trouble) or f"{plural(len(rows), 'layer')}, no dead units"
    facts = {"layers": rows, "samples": samples.words(count)}
    arrays = {"values": np.stack(values), "gradients": np.stack(gradients)}
    return Picture("gradients", scene.step, words, facts, arrays)


def host(value: Any) -> Array:
    """A value of the tape as a NumPy array."""
    return np.asarray(to_host(value) if getattr(value, "ndim", 0) else value)


def layers(scene: Scene, nodes: list[Node], last: int) -> list[tuple[str, Node]]:
    """The last op of each innermost module, and activations wherever they are; in their order."""
    assert scene.model is not None
    root = type(scene.model).__name__
    inner = {
        f"{root}.{path}" if path else root: f"{path} {type(module).__name__}".strip()
        for path, module in scene.model.named_modules()
        if not list(module.children())
    }
    found: dict[Any, tuple[str, Node]] = {}
    for node in sorted(nodes, key=lambda node: node.id):
        if node.id > last:
            break
        if node.scope in inner:
            found[node.scope] = (inner[node.scope], node)
        elif node.op.name in (*ZERO, *FLAT, *BENT):
            place = node.scope.partition(".")[2]
            found[node.id] = (f"{place} {node.op.name}".strip(), node)
    rows = [row for row in found.values() if row[1].op.name != "reshape"]
    return sorted(rows, key=lambda row: row[1].id)


def histogram(array: Array) -> tuple[Array, float]:
    """Counts in bins that lie evenly from −end to end, and the end; what is not finite is left."""
    clean = array[np.isfinite(array)]
    end = float(np.abs(clean).max(initial=0.0))
    counts, _ = np.histogram(clean, BINS, (-(end or 1.0), end or 1.0))
    return counts.astype(np.float32), end


def said(op: str, values: Array) -> str:
    """What is wrong with the units of a layer, in words; a unit is an entry of dimension 1."""
    if not np.isfinite(values).all():
        return "some values are nan or infinite"
    if values.ndim < 2 or not len(values):
        return ""
    units = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
    if op in ZERO:
        dead = int((units <= 0).all(1).sum())
        if dead:
            verb = "is" if dead == 1 else "are"
            return f"{dead} of {len(units)} units {verb} dead: 0 for all samples"
    if op in FLAT:
        low, high = FLAT[op]
        near = NEAR * (high - low)
        stuck = int(((units < low + near) | (units > high - near)).all(1).sum())
        if stuck:
            verb = "is" if stuck == 1 else "are"
            return f"{stuck} of {len(units)} units {verb} stuck at an end for all samples"
    return ""


def text(picture: Picture) -> str:
    """Mean and spread of the values, and the size of the gradients."""
    rows = [
        [r["name"], number(r["mean"]), number(r["std"]), number(r["gradient"]), r["said"]]
        for r in picture["layers"]
    ]
    table = aligned(["layer", "mean", "spread", "gradient", ""], rows)
    table = "\n".join(line.rstrip() for line in table.splitlines())
    return (
        f"{table}\n  {picture['samples']}; spread: standard deviation, gradient: root mean square"
    )
