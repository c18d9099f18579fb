"""L01, L07 and L13: shapes that do not fit, or fit by accident."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .. import demos
from ..case import Case
from ..model import Edit, Finding
from ..values import Event, Shape, Value, product, written


def flatten(case: Case) -> Iterator[Finding]:
    """L01: a layer gets rows of another length than it was made for."""
    seen = set()
    for event in case.events:
        if event.problem and id(event.problem[1] or event.node) not in seen:
            seen.add(id(event.problem[1] or event.node))
            yield _misfit(case, event)


def _misfit(case: Case, event: Event) -> Finding:
    kind, layer, x, got, want = event.problem
    where: ast.AST = layer.node if layer is not None and layer.node is not None else event.node
    size = f"{got}"
    arithmetic = _arithmetic(x, got)
    mine = _written_size(case, layer, want, kind)
    edits: list[Edit] = []
    match kind:
        case "linear":
            what = f"`{case.text(where)}` takes rows of {want} numbers, and rows of {got} arrive."
            do = f"Use {layer.tail}({size}, {layer.number(1, 'out_features')})."
            edits = _resize(case, layer, 0, "in_features", size)
        case "conv":
            what = f"`{case.text(where)}` takes {want} channel{'s' * (want > 1)}, and {got} arrive."
            do = f"Write {got} as the first argument."
            edits = _resize(case, layer, 0, "in_channels", size)
        case "reshape":
            what = f"`{case.text(where)}` makes {want} numbers of {got}."
            do = f"Choose sizes whose product is {got}."
        case "matmul":
            what = (
                f"The product in `{case.text(event.node)}` meets rows of {got} and columns of "
                f"{want}."
            )
            do = f"Make the second factor with {got} rows."
            edits = _rows(case, layer, got)
        case _:
            what = f"`{case.text(event.node)}` cuts images of {got} numbers into rows of {want}."
            do = "Keep the images apart: flatten from dimension 1 on."
            if event.name == ".view" or event.name == ".reshape":
                flat = f"{case.text(event.base)}.flatten(1)"
                edits = [case.program.replace(event.node, flat)]
    why = arithmetic or _WHY[kind].format(got=got, want=want)
    if mine:
        why = f"{why}; you wrote {mine}" if arithmetic else why
    return case.find("L01", where, what, why + ("" if why.endswith(".") else "."), do, edits=edits)


_WHY = {
    "linear": "A row of the weights is as long as a row of the input: {want} is not {got}.",
    "conv": "A kernel has weights for each channel of its input: for {got} channels, {got} times.",
    "reshape": "A reshape only puts numbers into other rows: {want} cannot be made of {got}.",
    "matmul": "Each row meets each column, number by number: {got} numbers do not meet {want}.",
    "view": "A view only puts numbers into other rows: rows of {want} mix images of {got}.",
}


def _arithmetic(x: Value, got: int) -> str:
    """``28 -> conv 3 -> 26 -> pool 2 -> 13, and 32 * 13 * 13 = 5408``."""
    steps = sorted((v for v in x.ancestors() if v.route), key=lambda v: v.order or 0)
    ways = [v.route for v in steps if v.route]
    chain: list[tuple[str, int, int]] = []
    for way in sorted(ways, key=lambda w: -w[1]):
        if not chain or chain[-1][2] == way[1]:
            chain.append(way)
    if not chain:
        return ""
    text = str(chain[0][1]) + "".join(f" -> {word} -> {after}" for word, _, after in chain)
    for v in x.ancestors():
        sizes = (v.shape or ())[1:]
        if len(sizes) > 1 and product(sizes) == got:
            return f"{text}, and {' * '.join(map(str, sizes))} = {got}"
    return text


def _written_size(case: Case, layer: Value | None, want: int, kind: str) -> str:
    node = layer.node if layer is not None else None
    if kind != "linear" or not isinstance(node, ast.Call):
        return ""
    given = (
        node.args[0]
        if node.args
        else next((k.value for k in node.keywords if k.arg == "in_features"), None)
    )
    text = case.text(given)
    return (
        f"{text} = {want}"
        if given is not None and text != str(want) and isinstance(given, ast.BinOp)
        else str(want)
    )


def _resize(case: Case, layer: Value, at: int, name: str, size: str) -> list[Edit]:
    node = layer.node
    if not isinstance(node, ast.Call):
        return []
    given = (
        node.args[at]
        if len(node.args) > at
        else next((k.value for k in node.keywords if k.arg == name), None)
    )
    return [] if given is None else [case.program.replace(given, size)]


def _rows(case: Case, factor: Value | None, got: int) -> list[Edit]:
    node = factor.node if factor is not None else None
    if isinstance(node, ast.Call):
        for part in ast.walk(node):
            if (
                isinstance(part, (ast.List, ast.Tuple))
                and len(part.elts) == 2
                and hasattr(part, "lineno")
            ):
                return [case.program.replace(part.elts[0], str(got))]
        if len(node.args) == 2 and factor is not None and factor.library == "torch":
            return [case.program.replace(node.args[0], str(got))]
    return []


def scalar(case: Case) -> Iterator[Finding]:
    """L07: the gradient of a loss that is several numbers."""
    for event in case.events:
        if event.name == ".backward" and event.owner is not None:
            loss = event.owner
            if event.args or event.kwargs.get("gradient") or not _several(loss.shape, torch=True):
                continue
            node = event.base
            yield case.find(
                "L07", event.node,
                f"`{case.text(node)}` has shape {written(loss.shape)}: {_count(loss.shape)} "
                "numbers, not one.",
                "backward() starts from one number: how fast that one changes with each weight. "
                "Of several it does not know which you mean, and stops.",
                f"Take the mean: `{case.text(node)}.mean().backward()`.",
                demos.several(), [case.program.after(node, ".mean()")],
            )  # fmt: skip
        elif event.name == ".gradient" and event.owner is not None and event.owner.kind == "tape":
            loss = event.args[0] if event.args else Value()
            if (
                _several(loss.shape, torch=False)
                and loss.facts.get("loss")
                and _applied(case, event)
            ):
                yield _tape(case, event, loss)


def _several(shape: Shape | None, torch: bool) -> bool:
    return bool(shape) and not (torch and all(n == 1 for n in shape or ()))


def _count(shape: Shape | None) -> str:
    n = product(shape or ())
    return "N" if n is None else str(n)


def _applied(case: Case, event: Event) -> bool:
    return any(
        e.name == ".apply_gradients" and any(event.result in v.ancestors() for v in e.args)
        for e in case.events
    )


SUMMED = (
    "The tape adds them up without a word: the gradient is that of their sum, and grows with the "
    "batch. "
)


def _tape(case: Case, event: Event, loss: Value) -> Finding:
    node = loss.node
    edits = []
    tf = case.program.called(loss.library) or "tf"
    if node is not None and hasattr(node, "lineno"):
        start, end = case.program.span(node)
        edits = [Edit(start, start, f"{tf}.reduce_mean("), Edit(end, end, ")")]
    alone = product(loss.shape or ()) == 1
    why = (
        "It is a row with one number in it, not a number: `'{:.4f}'.format(loss.numpy())` is a "
        "TypeError. "
        if alone
        else SUMMED
    )
    return case.find(
        "L07", node or event.node,
        f"The loss has shape {written(loss.shape)}: one number for each example.",
        why + "A loss has shape ().",
        f"Take the mean: `{tf}.reduce_mean(...)`.",
        demos.several(), edits,
    )  # fmt: skip


def broadcast(case: Case) -> Iterator[Finding]:
    """L13: a loss that subtracts shapes (N, 1) and (N,)."""
    for loss in case.losses:
        if loss.expects == "values" and not loss.event.name.startswith(
            ("call:tf.", "tf.keras.losses.")
        ):
            yield from _wide(
                case,
                loss.output,
                loss.target,
                loss.output_node,
                loss.target_node,
                loss.event.node,
            )
    for node, a, b in case.reader.differences:
        if not hasattr(node, "lineno") or not _squared(case, node):
            continue
        if any(v.kind in ("model", "layer") for s in (a, b) for v in s.ancestors()):
            yield from _wide(case, a, b, node.left, node.right, node)


def _squared(case: Case, node: ast.BinOp) -> bool:
    parent = case.program.parents.get(node)
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, ast.Pow)
    if isinstance(parent, ast.Attribute):
        return parent.attr in ("pow", "square", "abs")
    return isinstance(parent, ast.Call) and case.text(parent.func).endswith(("square", "abs"))


def _wide(
    case: Case, a: Value, b: Value, left: ast.expr | None, right: ast.expr | None, where: ast.AST
) -> Iterator[Finding]:  # fmt: skip
    if not a.shape or not b.shape:
        return
    column, row, node = (a, b, right) if len(a.shape) == 2 else (b, a, left)
    if len(column.shape or ()) != 2 or len(row.shape or ()) != 1 or (column.shape or ())[1] != 1:
        return
    n, m = (column.shape or ())[0], (row.shape or ())[0]
    if 1 in (n, m) or (n is not None and m is not None and n != m):
        return
    size = n if n is not None else m
    big = f"{size} * {size} = {size * size}" if size is not None else "N * N"
    text = case.text(node)
    edit = []
    if node is not None and hasattr(node, "lineno"):
        simple = isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript))
        edit = [case.program.replace(node, f"{text if simple else f'({text})'}[:, None]")]
    yield case.find(
        "L13", where,
        f"Shapes {written(column.shape)} and {written(row.shape)} are subtracted.",
        f"Broadcasting makes {written((size, size))} of them, {big} differences: each output is "
        "compared "
        "with each target. Nothing stops, and the model learns the mean of the targets.",
        f"Give both the same shape: `{text}[:, None]` is a column too.",
        demos.column_less_row(), edit,
    )  # fmt: skip


CHECKS = (flatten, scalar, broadcast)
