"""L02, L03 and L23: what a loss is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .. import demos
from ..case import Case, Loss, keras_loss
from ..model import Edit, Finding
from ..rules import activation
from ..values import Event, Value, written


def logits(case: Case) -> Iterator[Finding]:
    """L02: probabilities where logits are expected, or the other way."""
    for loss in case.losses:
        soft = loss.output.soft
        if loss.expects == "logits" and soft in ("softmax", "sigmoid"):
            yield _twice(case, loss)
        elif loss.expects == "logarithms" and soft == "softmax":
            yield _logarithm(case, loss)
    for event in case.events:
        if event.name == ".compile" and event.owner is not None and event.owner.kind == "model":
            yield from _compiled(case, event)


def _twice(case: Case, loss: Loss) -> Finding:
    soft = loss.output.soft
    classes = (loss.output.shape or (None,))[-1]
    edits = _without(case, loss.output)
    measured = demos.softmax_twice() if soft == "softmax" else ()
    if soft == "softmax" and classes and classes <= 1000:
        measured += demos.lowest_twice(classes)
    return case.find(
        "L02", loss.event.node,
        f"`{case.text(loss.output_node)}` went through {soft} already, and {loss.name} applies "
        f"{soft} itself.",
        f"{loss.name} expects logits, numbers of any size. Probabilities lie between 0 and 1, so "
        "the second "
        f"{soft} makes nearly equal numbers of them, and the gradient of a wrong answer is small.",
        f"Leave the {soft} out of the model; apply it where you read probabilities.",
        measured, edits,
    )  # fmt: skip


def _logarithm(case: Case, loss: Loss) -> Finding:
    node = next(
        (
            v.node
            for v in loss.output.ancestors()
            if v.soft == "softmax" and isinstance(v.node, ast.Call)
        ),
        None,
    )
    edits = []
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("softmax", "Softmax")
    ):
        name = {"softmax": "log_softmax", "Softmax": "LogSoftmax"}[node.func.attr]
        end = case.program.span(node.func)[1]
        edits = [Edit(end - len(node.func.attr), end, name)]
    return case.find(
        "L02", loss.event.node,
        f"{loss.name} gets probabilities and expects their logarithms.",
        "It takes the number of the right class with a minus sign. Of probabilities that is −1 "
        "at best; "
        "of logarithms it is 0, and it grows without bound for wrong answers.",
        "Use log_softmax, or CrossEntropyLoss on the logits.", (), edits,
    )  # fmt: skip


def _without(case: Case, output: Value) -> list[Edit]:
    """The edits that take the softmax away which came last."""
    for value in output.ancestors():
        if value.facts.get("layer") == "dense" and isinstance(value.facts.get("call"), ast.Call):
            return _drop(case, value.facts["call"], "activation")
        node = value.node
        if not isinstance(node, ast.Call):
            continue
        if (
            value.kind == "layer"
            and value.tail in ("Softmax", "Sigmoid")
            and value.library == "torch"
        ):
            return _drop_layer(case, node)
        if value.kind == "layer" and activation(value):
            return _drop(case, node, "activation")
        if value.name in ("softmax", "sigmoid") and value.soft and hasattr(node, "lineno"):
            inner = node.args[0] if node.args else None
            if (
                isinstance(node.func, ast.Attribute)
                and value.inputs
                and isinstance(node.func.value, ast.expr)
            ):
                base = node.func.value
                text = case.text(base)
                method = text not in (
                    "torch",
                    "F",
                    "tf.nn",
                    "nn.functional",
                    "torch.nn.functional",
                    "lab",
                    "tf",
                )
                if method:
                    return [case.program.replace(node, text)]
            if inner is not None:
                return [case.program.replace(node, case.text(inner))]
    return []


def _drop(case: Case, call: ast.Call, name: str) -> list[Edit]:
    for keyword in call.keywords:
        if keyword.arg == name:
            start, end = case.program.span(keyword)
            before = case.program.source[:start].rstrip()
            return [Edit(len(before) - 1 if before.endswith(",") else start, end, "")]
    return []


def _drop_layer(case: Case, call: ast.Call) -> list[Edit]:
    parent = case.program.parents.get(call)
    if isinstance(parent, ast.Call) and call in parent.args and len(parent.args) > 1:
        start, end = case.program.span(call)
        before = case.program.source[:start].rstrip()
        if before.endswith(","):
            return [Edit(len(before) - 1, end, "")]
    return []


def _compiled(case: Case, event: Event) -> Iterator[Finding]:
    given = event.arg(1, "loss")
    said = keras_loss(given) if given is not None else None
    layer = last_layer(event.owner)
    if said is None or layer is None or given is None or said[1] == "values":
        return
    name, expects, _ = said
    soft = activation(layer) or {"Softmax": "softmax"}.get(layer.tail, "")
    where = layer.node or event.node
    if expects == "logits" and soft in ("softmax", "sigmoid"):
        edits = _drop(case, layer.node, "activation") if isinstance(layer.node, ast.Call) else []
        yield case.find(
            "L02", where,
            f"`{case.text(layer.node)}` gives probabilities, and {name}(from_logits=True) "
            f"applies {soft} itself.",
            f"With from_logits=True the loss expects numbers of any size. The second {soft} "
            "makes nearly "
            "equal numbers of probabilities, and the gradient of a wrong answer is small.",
            "Take the activation away, or from_logits=True.", demos.softmax_twice(), edits,
        )  # fmt: skip
    elif (
        expects == "probabilities"
        and layer.tail == "Dense"
        and "activation" not in layer.kwargs
        and len(layer.args) < 2
    ):
        yield _raw(case, event, given, layer, name)


def _raw(case: Case, event: Event, given: Value, layer: Value, name: str) -> Finding:
    edits: list[Edit] = []
    node = event.written(1, "loss")
    camel = "".join(part.capitalize() for part in name.split("_"))
    if isinstance(given.const, str) and node is not None:
        keras = f"{case.program.called('tf') or 'tf'}.keras"
        edits = [case.program.replace(node, f"{keras}.losses.{camel}(from_logits=True)")]
    elif isinstance(node, ast.Call):
        edits = [case.program.add_argument(node, "from_logits=True")]
    return case.find(
        "L02", layer.node,
        f"`{case.text(layer.node)}` gives numbers of any size, and {name} expects probabilities.",
        "It takes the logarithm of what it gets. Of numbers below 0 there is none: Keras cuts "
        "them off, "
        "and their gradient is 0.",
        "Say from_logits=True; then the loss applies softmax itself.", (), edits,
    )  # fmt: skip


def last_layer(model: Value | None) -> Value | None:
    """The layer that a Keras model ends with."""
    if model is None:
        return None
    layers = model.facts.get("layers")
    if layers:
        return layers[-1]
    outputs = model.arg(1, "outputs")
    return (
        outputs.facts.get("layer") if outputs is not None and outputs.kind == "symbolic" else None
    )


def itself(case: Case) -> Iterator[Finding]:
    """L03: a loss compares a value with itself."""
    for loss in case.losses:
        if loss.output is not loss.target or not loss.output.known:
            continue
        made_by = any(v.kind in ("layer", "model", "variable") for v in loss.output.ancestors())
        if not made_by:
            continue
        name = case.text(loss.output_node)
        yield case.find(
            "L03", loss.event.node,
            f"{loss.name} compares `{name}` with `{name}`: the labels are the output.",
            "The data's answer is never asked for. The loss falls as the model gets surer of "
            "whatever it says, "
            "and its accuracy stays that of chance.",
            "Give the loss the labels of the data.",
            demos.itself() if loss.expects == "logits" else (),
            _labels(case, loss),
        )  # fmt: skip


def _labels(case: Case, loss: Loss) -> list[Edit]:
    """In a session program: a placeholder for the labels. Else: a name that ends in labels or y."""
    root = next((v for v in loss.output.ancestors() if v.kind == "placeholder"), None)
    if loss.target_node is None:
        return []
    if root is not None:
        free = _free(case, loss)
        name = free or "labels"
        made = [] if free else placeholder(case, root, loss)
        return [*made, case.program.replace(loss.target_node, name)]
    names = [n.id for n in case.program.walk(ast.Name) if isinstance(n, ast.Name)]
    for name in ("labels", "targets", "target", "y"):
        if name in names and name != case.text(loss.target_node):
            return [case.program.replace(loss.target_node, name)]
    return []


def _free(case: Case, loss: Loss) -> str:
    """The name of a placeholder of the output's shape that nothing reads yet."""
    for name, value, _, _ in case.reader.stored:
        reads = [n for n in case.program.loads if n.id == name]
        if value.kind == "placeholder" and value.shape == loss.output.shape and not reads:
            return name
    return ""


def placeholder(case: Case, root: Value, loss: Loss) -> list[Edit]:
    """The line that makes a placeholder for labels, after that of the inputs."""
    if "labels" in case.program.assigned or root.node is None:
        return []
    statement = case.program.statement(root.node)
    if statement is None:
        return []
    tf = case.program.called(root.library) or "tf"
    shape = loss.output.shape
    sizes = f"[None, {shape[-1]}]" if shape and shape[-1] is not None else "[None]"
    dtype = "float32"
    if loss.labels == "classes":
        sizes, dtype = "[None]", "int64"
    return [
        case.program.insert_after(
            statement, f"labels = {tf}.placeholder({tf}.{dtype}, shape={sizes})"
        )
    ]


def forms(case: Case) -> Iterator[Finding]:
    """L23: class numbers where rows are expected, or the other way."""
    for event in case.events:
        if event.name == ".fit" and event.owner is not None:
            yield from _fit(case, event)
    for loss in case.losses:
        if loss.event.name.partition(":")[2].startswith("torch") or loss.event.name.startswith(
            "torch"
        ):
            yield from _torch(case, loss)
        else:
            node = loss.target_node
            yield from _form(case, loss.labels, loss.target, loss.name, loss.event.node, node, None)


def _fit(case: Case, event: Event) -> Iterator[Finding]:
    compiled = [
        e
        for e in case.events
        if e.name == ".compile" and e.owner is event.owner and e.order < event.order
    ]
    target = event.arg(1, "y")
    if not compiled or target is None:
        return
    given = compiled[-1].arg(1, "loss")
    said = keras_loss(given) if given is not None else None
    if said is None:
        return
    yield from _form(
        case, said[2], target, said[0], event.node, compiled[-1].written(1, "loss"), given
    )


def _form(
    case: Case, labels: str, target: Value, name: str, where: ast.AST,
    node: ast.expr | None, given: Value | None,
) -> Iterator[Finding]:  # fmt: skip
    onehot = any(v.facts.get("onehot") for v in (target, *target.inputs) if v.shape == target.shape)
    classes = bool(target.facts.get("classes")) or (
        target.dtype == "int" and len(target.shape or ()) == 1
    )
    if labels == "classes" and onehot:
        rows, other = "one-hot rows", name.replace("sparse_", "").replace("Sparse", "")
    elif labels == "rows" and classes and not onehot:
        rows = "class numbers"
        other = f"Sparse{name}" if name[0].isupper() else f"sparse_{name}"
    else:
        return
    edits = []
    if given is not None and node is not None:
        if isinstance(given.const, str):
            quote = case.text(node)[-1]
            edits = [case.program.replace(node, f"{quote}{other}{quote}")]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            end = case.program.span(node.func)[1]
            edits = [Edit(end - len(node.func.attr), end, other)]
    elif isinstance(where, ast.Call) and isinstance(where.func, ast.Attribute):
        end = case.program.span(where.func)[1]
        edits = [Edit(end - len(where.func.attr), end, other)]
    expected = (
        "class numbers, shape (N,)"
        if labels == "classes"
        else "a row for each example, shape (N, C)"
    )
    yield case.find(
        "L23", where,
        f"The labels are {rows}{f' of shape {written(target.shape)}' if target.shape else ''}, "
        f"and {name} expects {expected}.",
        "Class 3 of 5 is the number 3, or the row 0, 0, 0, 1, 0. The loss picks by number, or "
        "multiplies "
        "by the row; with the other form it stops, or compares what does not belong together.",
        f"Use {other}.", (), edits,
    )  # fmt: skip


_PICKS = (
    "A class number picks the output of the right class; a row or a float of the same meaning is "
    "another form, which this loss does not read."
)
_TIMES = (
    "It multiplies logarithms by the labels: 0 leaves one away and 1 keeps it, and for that they "
    "have to be floats like the output."
)


def _torch(case: Case, loss: Loss) -> Iterator[Finding]:
    target, node = loss.target, loss.target_node
    if node is None or target.kind not in ("tensor",):
        return
    text = case.text(node)
    pred = len(loss.output.shape or ())
    if loss.labels == "classes":
        if target.facts.get("onehot") and target.dtype == "int":
            what, add = f"`{text}` holds one-hot rows of whole numbers", ".argmax(-1)"
        elif (
            target.dtype == "float"
            and len(target.shape or ()) == 1
            and pred == 2
            and "shape" not in text
        ):
            what, add = f"`{text}` holds floats of shape {written(target.shape)}", ".long()"
        elif (
            target.dtype == "int"
            and target.shape
            and len(target.shape) == 2 == pred
            and target.shape[1] == 1
        ):
            what, add = f"`{text}` has shape {written(target.shape)}", ".squeeze(1)"
        else:
            return
        expects = "class numbers: whole numbers of shape (N,)"
    elif loss.name.startswith(("BCE", "binary")) and target.dtype == "int":
        what, add, expects = (
            f"`{text}` holds whole numbers",
            ".float()",
            "probabilities, floats of the output's shape",
        )
    else:
        return
    yield case.find(
        "L23", loss.event.node, f"{what}, and {loss.name} expects {expects}.",
        _PICKS if loss.labels == "classes" else _TIMES,
        f"Write `{text}{add}`.",
        (),
        [case.program.after(node, add)] if _simple(node) else [],
    )  # fmt: skip


def _simple(node: ast.expr) -> bool:
    return isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript))


CHECKS = (logits, itself, forms)
