"""L11, L12 and L24: what is no tensor, has no gradient, or is elsewhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..case import Case
from ..model import Edit, Finding
from ..values import Event, Value, written


def arrays(case: Case) -> Iterator[Finding]:
    """L11: a NumPy array is given to a layer or a loss of PyTorch."""
    found: dict[int, tuple[Event, int, Value]] = {}
    for event in case.events:
        owner = event.owner
        layer = (
            event.name.startswith("call:torch") and owner is not None and owner.library == "torch"
        )
        if any(isinstance(n, ast.FunctionDef) and n.name == "call" for n in event.stack):
            continue  # Keras makes tensors of arrays before it calls
        if not layer and not event.name.startswith("torch.nn.functional."):
            continue
        for at, value in enumerate(event.args):
            missing = str(value.facts.get("missing", "")).startswith(
                ("mnist.train.", "mnist.test.")
            )
            if (value.kind == "array" and value.library == "np") or missing:
                before = found.get(id(value))
                if before is None or len(event.stack) < len(before[0].stack):
                    found[id(value)] = (event, at, value)
    for event, at, value in found.values():
        yield _array(case, event, at, value)


def _array(case: Case, event: Event, at: int, value: Value) -> Finding:
    node = event.written(at)
    text = case.text(node)
    loss = next((x for x in case.losses if x.event is event), None)
    classes = loss is not None and loss.labels == "classes" and loss.target is value
    torch = case.program.called("torch") or "torch"
    dtype = "int64" if classes else "float32"
    tensor = f"{torch}.as_tensor({text}, dtype={torch}.{dtype})"
    edits = (
        [case.program.replace(node, tensor)] if node is not None and hasattr(node, "lineno") else []
    )
    shape = f" {written(value.shape)}" if value.shape else ""
    kind = "class numbers of 64 bits" if classes else "floats of 32 bits"
    return case.find(
        "L11", event.node, f"`{text}` is a NumPy array{shape}, and "
        f"`{case.text(event.node.func)}` takes tensors.",
        f"An array knows no gradient and no device: the call stops with a TypeError. Here {kind} "
        "are needed; "
        "NumPy's own numbers mostly have another form.",
        f"Make a tensor of it: `{tensor}`.", (), edits,
    )  # fmt: skip


def whole(case: Case) -> Iterator[Finding]:
    """L12: a gradient is asked for with respect to whole numbers."""
    for event in case.events:
        value = event.result
        flag = event.kwargs.get("requires_grad")
        asked = flag is not None and flag.const is True
        if (
            event.name
            in ("torch.tensor", "torch.arange", "torch.randint", "torch.zeros", "torch.ones")
            and asked
        ):
            if value.dtype in ("int", "bool"):
                yield _whole(case, event, event.node, value)
        elif (
            event.name == ".requires_grad_"
            and event.owner is not None
            and event.owner.dtype == "int"
        ):
            yield _whole(case, event, event.owner.node, event.owner)
        elif event.name == ".gradient" and event.owner is not None and event.owner.kind == "tape":
            source = event.arg(1, "sources")
            if (
                source is not None
                and source.kind in ("variable", "tensor")
                and source.dtype == "int"
            ):
                yield _whole(case, event, source.node, source)


def _whole(case: Case, event: Event, made: ast.AST | None, value: Value) -> Finding:
    edits: list[Edit] = []
    if isinstance(made, ast.Call):
        numbers = [
            n for a in made.args[:1] for n in ast.walk(a)
            if isinstance(n, ast.Constant) and type(n.value) is int and hasattr(n, "lineno")
        ]  # fmt: skip
        dtype = next((k.value for k in made.keywords if k.arg == "dtype"), None)
        if dtype is not None:
            library = case.program.called("tf" if value.library == "tf" else "torch") or "torch"
            edits = [case.program.replace(dtype, f"{library}.float32")]
        elif case.text(made.func).endswith(("tensor", "Variable", "constant")):
            edits = [case.program.after(n, ".0") for n in numbers]
        elif case.text(made.func).endswith("arange"):
            library = case.program.called("torch") or "torch"
            edits = [case.program.add_argument(made, f"dtype={library}.float32")]
    tape = event.name == ".gradient"
    end = "The tape gives None, with a warning." if tape else "The call stops with a RuntimeError."
    return case.find(
        "L12", made or event.node, f"`{case.text(made or event.node)}` holds whole numbers, and "
        "a gradient is asked for.",
        "A gradient says what happens to the result when the number changes a little. A whole "
        "number cannot "
        f"change a little: from 1 the next is 2. {end}",
        "Write the numbers with a point: 1.0.", (), edits,
    )  # fmt: skip


def devices(case: Case) -> Iterator[Finding]:
    """L24: a model and its inputs are on different devices."""
    if case.named("set_default_device", "set_default_tensor_type"):
        return
    done: set[int] = set()
    for event in case.events:
        model = event.owner
        if (
            not event.name.startswith("call:torch")
            or model is None
            or model.kind not in ("model", "layer")
        ):
            continue
        if model.device is None or any(
            isinstance(n, ast.FunctionDef) and n.name == "forward" for n in event.stack
        ):
            continue
        place = _place(case, model.device)
        for at, value in enumerate(event.args):
            if not place or value.kind != "tensor" or id(event.node) in done:
                continue
            known = all(v.kind in _KNOWN and v.device is None for v in value.ancestors())
            if known and not any(v.kind in ("model", "layer") for v in value.ancestors()):
                done.add(id(event.node))
                yield _device(case, event, at, place)
    for node in case.program.walk(ast.Expr):
        yield from _dropped(case, node)


_KNOWN = (
    *"tensor array number tuple list library builtin range slice loader dataset transform".split(),
)


def _place(case: Case, device: Value) -> str:
    if device.const == "cpu":
        return ""
    if isinstance(device.const, str):
        return repr(device.const)
    text = case.text(device.node)
    names = [n for n, v, _, _ in case.reader.stored if v is device]
    return names[-1] if names else text


def _device(case: Case, event: Event, at: int, place: str) -> Finding:
    node = event.written(at)
    text = case.text(node)
    edits = []
    if isinstance(node, (ast.Name, ast.Call, ast.Attribute, ast.Subscript)):
        edits = [case.program.after(node, f".to({place})")]
    for loss in case.losses:
        target = loss.target_node
        if (
            event.result in (loss.output, *loss.output.inputs)
            and isinstance(target, ast.Name)
            and loss.target.device is None
        ):
            edits.append(case.program.after(target, f".to({place})"))
    return case.find(
        "L24", event.node, f"The model is on {place}, and `{text}` was never moved there.",
        "A product needs both factors in one memory. Where the device is a GPU, the call stops "
        "with a RuntimeError; "
        "on a machine without one nothing is seen of it.",
        f"Move the inputs and the labels too: `{text}.to({place})`.", (), edits,
    )  # fmt: skip


def _dropped(case: Case, node: ast.AST) -> Iterator[Finding]:
    call = node.value if isinstance(node, ast.Expr) else None
    if (
        not isinstance(call, ast.Call)
        or not isinstance(call.func, ast.Attribute)
        or call.func.attr not in ("to", "cuda")
    ):
        return
    event = next((e for e in case.events if e.node is call), None)
    if (
        event is None
        or event.owner is None
        or event.owner.kind != "tensor"
        or not isinstance(call.func.value, ast.Name)
    ):
        return
    name = case.text(call.func.value)
    yield case.find(
        "L24", call, f"`{case.text(call)}` moves nothing that is kept.",
        "A model moves itself; a tensor gives back a copy on the other device, and stays where "
        "it is.",
        f"Keep the copy: `{name} = "
        f"{case.text(call)}`.", (), [case.program.replace(call, f"{name} = {case.text(call)}")],
    )  # fmt: skip


CHECKS = (arrays, whole, devices)
