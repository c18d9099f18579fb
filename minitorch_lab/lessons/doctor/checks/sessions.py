"""L04, L05 and L21: graphs that a session runs, and names that are gone."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .. import demos
from ..case import Case
from ..model import Edit, Finding
from ..values import Event, Value
from .losses import placeholder


def fed(case: Case) -> Iterator[Finding]:
    """L04: numbers are put in place of something that is computed."""
    for event in _runs(case):
        if event not in case.trains:
            continue  # to feed a result is a way to try a part of a graph
        given = event.kwargs.get("feed_dict") or event.arg(1)
        for key, value, _ in given.facts.get("pairs", ()) if given is not None else ():
            computed = value.kind == "tensor" and any(
                v.kind in ("placeholder", "variable", "layer") for v in value.ancestors()
            )
            if computed and key is not None:
                yield _fed(case, event, key, value)


def _runs(case: Case) -> list[Event]:
    return [
        e
        for e in case.events
        if e.name == ".run" and e.owner is not None and e.owner.kind == "session"
    ]


def _fed(case: Case, event: Event, key: ast.expr, value: Value) -> Finding:
    name = case.text(key)
    loss = next((x for x in case.losses if value in (x.output, x.target)), None)
    free = next((v for v in _placeholders(case) if not _is_fed(event, v)), None)
    edits: list[Edit] = []
    if free is not None and isinstance(free.node, ast.Call):
        statement = case.program.statement(free.node)
        if isinstance(statement, ast.Assign):
            edits = [case.program.replace(key, case.text(statement.targets[0]))]
    elif loss is not None:
        root = next((v for v in value.ancestors() if v.kind == "placeholder"), None)
        if root is not None:
            edits = [*placeholder(case, root, loss), case.program.replace(key, "labels")]
    return case.find(
        "L04", key, f"`{name}` is what the model computes, and feed_dict puts numbers in its "
        "place.",
        "What is fed is not computed. The loss then depends on no weight, every gradient is 0, "
        "and the "
        "weights stay as they were: nothing is trained.",
        "Make a placeholder for the labels, and feed that.", demos.fed(), edits,
    )  # fmt: skip


def _placeholders(case: Case) -> list[Value]:
    return [e.result for e in case.events if e.result.kind == "placeholder"]


def _is_fed(event: Event, value: Value) -> bool:
    given = event.kwargs.get("feed_dict") or event.arg(1)
    return (
        any(v is value for _, v, _ in given.facts.get("pairs", ())) if given is not None else False
    )


def initialised(case: Case) -> Iterator[Finding]:
    """L05: weights are read before anything gave them a value."""
    runs = _runs(case)
    if any(
        v.kind == "initializer" or "init" in v.name
        for e in runs
        for a in e.args
        for v in a.ancestors()
    ):
        return
    if any(e.name in (".restore", ".load", ".initialize_variables") for e in case.events):
        return
    if any(not a.known and not a.inputs for e in runs for a in e.args[:1]):
        return
    for event in runs:
        ancestors = [v for a in event.args[:1] for v in a.ancestors()]
        if any(
            v.kind == "variable" or v.facts.get("layer") in ("dense", "conv2d") for v in ancestors
        ):
            yield _uninitialised(case, event, runs)
            return
    yield from _empty(case)


def _uninitialised(case: Case, event: Event, runs: list[Event]) -> Finding:
    session = case.text(event.base)
    tf = case.program.called(event.owner.library if event.owner else "tf") or "tf"
    before: ast.stmt | None = event.loops[0] if event.loops else case.program.statement(event.node)
    edits = (
        []
        if before is None
        else [
            case.program.insert_before(
                before, f"{session}.run({tf}.global_variables_initializer())"
            )
        ]
    )
    return case.find(
        "L05", event.node, f"`{case.text(event.node)}` reads weights that have no values yet.",
        "A graph says how the first values are drawn, and a session draws them when it is asked "
        "to. Until "
        "then a weight is a place without a number: FailedPreconditionError.",
        f"Run {tf}.global_variables_initializer() once, before the first step.", (), edits,
    )  # fmt: skip


def _empty(case: Case) -> Iterator[Finding]:
    """In PyTorch's style: a parameter made by empty(), in a program that fills nothing."""
    fills = (
        "init",
        "fill_",
        "normal_",
        "uniform_",
        "copy_",
        "zero_",
        "load",
        "data",
        "ones_",
        "zeros_",
    )
    names = {n.attr for n in case.program.walk(ast.Attribute)} - {"__init__"}
    names |= {
        n.name for n in case.program.walk(ast.FunctionDef) if isinstance(n, ast.FunctionDef)
    } - {"__init__"}
    if any(part in name for name in names for part in fills) or any(
        "init" in m for m in case.program.imports.values()
    ):
        return
    for event in case.events:
        inside = [n.name for n in event.stack if isinstance(n, ast.FunctionDef)]
        if inside and "__init__" not in inside:
            continue  # who asked for it may fill it
        value = event.args[0] if event.args else None
        if (
            event.result.name == "parameter"
            and value is not None
            and value.facts.get("empty")
            and value.node is not None
        ):
            call = value.node
            edits = []
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                end = case.program.span(call.func)[1]
                edits = [Edit(end - len(call.func.attr), end, "randn")]
            yield case.find(
                "L05", event.node, f"`{case.text(event.node)}` is a weight that nothing gives a "
                "value to.",
                "empty() takes memory as it is: what stands there are left-over numbers, often "
                "huge or nan.",
                "Draw the first values: torch.randn, or a function of nn.init.", (), edits,
            )  # fmt: skip


# Names that are gone --------------------------------------------------------------------------

_SESSIONS = (
    "Session InteractiveSession placeholder placeholder_with_default global_variables_initializer "
    "initialize_all_variables get_variable variable_scope get_default_graph reset_default_graph"
).split()
_NOW = {
    "tf.losses.mean_squared_error": "tf.keras.losses.mse",
    "tf.losses.absolute_difference": "tf.keras.losses.mae",
    "tf.keras.losses.mean_squared_error": "tf.keras.losses.mse",
    "tf.keras.losses.mean_absolute_error": "tf.keras.losses.mae",
    "tf.log": "tf.math.log", "tf.random_normal": "tf.random.normal",
    "tf.random_uniform": "tf.random.uniform", "tf.truncated_normal": "tf.random.truncated_normal",
    "tf.set_random_seed": "tf.random.set_seed", "tf.to_float": "tf.cast(x, tf.float32)",
    "tf.arg_max": "tf.argmax", "tf.diag": "tf.linalg.diag", "tf.mul": "tf.multiply",
    "tf.sub": "tf.subtract",
    "tf.neg": "tf.negative", "tf.pack": "tf.stack", "tf.div": "tf.divide",
    "tf.keras.optimizers.adam": "tf.keras.optimizers.Adam",
    "torch.nn.utils.clip_grad_norm": "torch.nn.utils.clip_grad_norm_",
    "torch.nn.init.xavier_uniform": "torch.nn.init.xavier_uniform_",
    "torch.nn.init.xavier_normal": "torch.nn.init.xavier_normal_",
    "torch.nn.init.kaiming_normal": "torch.nn.init.kaiming_normal_",
    "torch.nn.init.normal": "torch.nn.init.normal_",
    "torch.nn.init.uniform": "torch.nn.init.uniform_",
    "torch.nn.init.constant": "torch.nn.init.constant_",
}  # fmt: skip


def legacy(case: Case) -> Iterator[Finding]:
    """L21: names that later versions took away."""
    program = case.program
    used = {}
    for node in program.walk(ast.Attribute):
        name = _name(case, node)
        if name and name not in used:
            used[name] = node
    old = [n for n in used if _is_session(n)]
    if old:
        yield _old(case, old, used)
    for name, node in used.items():
        if name in _NOW and not (old and name.startswith("tf.")):
            yield _renamed(case, name, node)
    yield from _tutorial(case)
    yield from _variables(case)


def _name(case: Case, node: ast.AST) -> str:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in case.program.imports:
        return ""
    return ".".join([case.program.imports[node.id], *reversed(parts)])


def _is_session(name: str) -> bool:
    if not name.startswith("tf."):
        return False
    rest = name[3:]
    return (
        rest in _SESSIONS
        or rest.startswith(("layers.", "contrib."))
        or (rest.startswith("train.") and rest.endswith("Optimizer"))
    )


def _old(case: Case, old: list[str], used: dict[str, ast.Attribute]) -> Finding:
    node = min((used[n] for n in old), key=lambda n: n.lineno)
    names = ", ".join(f"`{n}`" for n in sorted(old, key=lambda n: used[n].lineno)[:6])
    edits = []
    for statement in case.program.walk(ast.Import):
        for name in statement.names if isinstance(statement, ast.Import) else ():
            if name.name in ("tensorflow", "minitorch_lab.tf"):
                lines = f"import {name.name}.compat.v1 as {name.asname or 'tf'}"
                if name.name == "tensorflow":
                    lines += f"\n{name.asname or 'tf'}.disable_v2_behavior()"
                edits = [case.program.replace(statement, lines)]
    return case.find(
        "L21", node, f"TensorFlow 2 has no {names}.",
        "These are from TensorFlow 1, where a graph was built first and a session ran it. "
        "TensorFlow 2 "
        "computes each line as it runs; the old names live on in tf.compat.v1.",
        "Import tensorflow.compat.v1, or write the program with tf.keras.", (), edits,
    )  # fmt: skip


def _renamed(case: Case, name: str, node: ast.AST) -> Finding:
    new, text = _NOW[name], case.text(node)
    head = name.partition(".")[0]
    alias = next((a for a, m in case.program.imports.items() if m == head), None)
    edits = []
    if new.rpartition(".")[0] == name.rpartition(".")[0]:
        edits = [case.program.replace(node, text.rpartition(".")[0] + "." + new.rpartition(".")[2])]
    elif "(" not in new and alias is not None:
        edits = [case.program.replace(node, alias + new[len(head) :])]
    why = "The name was taken away in a later version: the program stops with AttributeError."
    if head == "torch":
        why = (
            "It changes its argument in place, and such names end in an underscore today. The old "
            "name warns, and goes in a later version."
        )
    what = f"`{text}` is {'an old name' if head == 'torch' else 'gone'}."
    return case.find("L21", node, what, why, f"Today it is `{new}`.", (), edits)


def _tutorial(case: Case) -> Iterator[Finding]:
    node = case.reader.missing.get("mnist")
    reads = any(
        isinstance(n, ast.Attribute) and case.text(n).startswith(("mnist.train.", "mnist.test."))
        for n in case.program.walk(ast.Attribute)
    )
    if node is None or not reads:
        return
    yield case.find(
        "L21", node, "`mnist` is not defined.",
        "It came from a tutorial module of TensorFlow 1, read_data_sets, which is gone: its "
        "images were "
        "rows of 784 numbers from 0 to 1, its labels class numbers or one-hot rows.",
        "Load the data with tf.keras.datasets.mnist.load_data() and reshape it.", (), _loaded(case),
    )  # fmt: skip


def _loaded(case: Case) -> list[Edit]:
    """Lines that load the images as NumPy arrays, and the names in place of the old ones."""
    session = any(e.result.kind in ("session", "placeholder") for e in case.events)
    onehot = any(x.labels == "rows" for x in case.losses)
    tf = case.program.called("tf1") or case.program.called("tf")
    lines = (
        "(train_images, train_labels), _ = mnist.load_data()\ntrain_images = (train_images / "
        "255.0).reshape(-1, 784)"
    )
    if onehot and session:
        lines += "\ntrain_labels = np.eye(10)[train_labels]"
    head = "from tensorflow.keras.datasets import mnist"
    if onehot and session:
        head = f"import numpy as np\n{head}"
    edits = [case.program.after_imports(f"{head}\n\n{lines}")]
    names = {"mnist.train.images": "train_images", "mnist.train.labels": "train_labels"}
    for node in case.program.walk(ast.Attribute):
        if case.text(node) in names:
            edits.append(case.program.replace(node, names[case.text(node)]))
        elif case.text(node).startswith("mnist.test."):
            return []
    return edits if tf or not session else []


def _variables(case: Case) -> Iterator[Finding]:
    """In PyTorch's style: ``Variable(x)`` and ``.data[0]``."""
    for event in case.events:
        if event.name == "torch.autograd.Variable" and event.node.args:
            inner = case.text(event.node.args[0])
            plain = not event.kwargs
            yield case.find(
                "L21", event.node, f"`{case.text(event.node)}`: a Variable is a tensor today.",
                "Since PyTorch 0.4 every tensor can have a gradient; Variable() gives back what "
                "it gets.",
                f"Write `{inner}`.", (), [case.program.replace(event.node, inner)] if plain else [],
            )  # fmt: skip
    for node in case.program.walk(ast.Subscript):
        text = case.text(node)
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Attribute)
            and text.endswith("loss.data[0]")
        ):
            base = case.text(node.value.value)
            yield case.find(
                "L21", node, f"`{text}`: a loss has no rows, its shape is ().",
                "Since PyTorch 0.4 a loss is a tensor with one number and no dimension: [0] is "
                "an IndexError.",
                f"Write `{base}.item()`.", (), [case.program.replace(node, f"{base}.item()")],
            )  # fmt: skip


CHECKS = (fed, initialised, legacy)
