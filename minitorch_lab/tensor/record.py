"""Record, the interpreter that runs ops on tensors and writes the tape."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..device import NAMESPACES, Device, device_of, move, namespace_of, out_of_memory
from ..errors import (
    ComputeError,
    DeviceError,
    GradError,
    KindError,
    LabError,
    describe,
)
from ..op import (
    INTERPRETER,
    Attrs,
    Mismatch,
    Op,
    Spec,
    check_kind,
    common_dtype,
    infer,
    input_lines,
    message,
    set_ordinary,
)
from ..op import op as new_op
from ..ops import movement
from ..ops.rules import per_entry
from ..tape import (
    ENGINE,
    NUMBERS,
    SCOPE,
    Node,
    Settings,
    caller,
    locate,
    outdated,
    run_hooks,
    tick,
    walk,
    walk_arrays,
)
from .gradients import accumulate, start_gradient
from .tensor import Tensor, make, origin

FLOAT32 = np.dtype("float32")
ndarray = np.ndarray
get_scope = SCOPE.get
_new = object.__new__


class Record:
    """Run ops on tensors, and add a node to the tape where a gradient is wanted.

    ``recording`` is off under ``no_grad``; ``always`` records ops without gradient too, for the
    explorer.
    """

    __slots__ = ("always", "recording")
    tracing = inference = False
    casts: frozenset[str] = frozenset()

    def __init__(self, recording: bool = True, always: bool = False) -> None:
        self.recording = recording
        self.always = always

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Tensor:
        """Run ``op`` on the arrays of ``inputs``."""
        arrays = []
        dtype = kind = None
        regular, requires_grad = True, False
        for x in inputs:
            if isinstance(x, Tensor):
                array = x.array
                if dtype is None:
                    dtype = array.dtype
                    kind = array.__class__
                elif array.dtype is not dtype or array.__class__ is not kind:
                    regular = False
                if x.requires_grad:
                    requires_grad = True
                arrays.append(array)
            elif x.__class__ in NUMBERS:
                arrays.append(x)
            else:
                return self.apply(op, only_numbers(op, inputs, attrs), attrs)
        try:
            if not regular or (dtype is not FLOAT32 and (dtype is None or dtype.kind != "f")):
                arrays = _converted(op, inputs, arrays)
            if kind is ndarray and op.on_numpy is not None:
                out = op.on_numpy(*arrays)
            else:
                out = op.forward(NAMESPACES.get(kind, np), *arrays, **attrs)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001  retold in the learner's words
            raise explain(op, inputs, attrs, error) from (
                None if isinstance(error, (Mismatch, LabError)) else error
            )
        if out.__class__ is not kind and out.__class__ not in NAMESPACES:
            out = np.asarray(out)  # a ufunc gives a scalar for 0-d arrays
        made = _new(Tensor)
        made.array = out
        made._grad = made.name = None
        made.version = [0]
        if op.view and (out.base is array or shares_memory(out, array)):
            made.version = inputs[0].version
        if self.always or (requires_grad and op.differentiable and self.recording):
            made.requires_grad = requires_grad and op.differentiable
            made.node = node = _new(Node)  # record() in place: a call would cost a tenth of the op
            node.id = tick()
            node.op = op
            node.inputs = inputs
            node.attrs = attrs
            node.y = out
            node.scope = get_scope()
            node.source = caller(2) if Settings.sources else None
        else:
            made.requires_grad = False
            made.node = None
            if op.view and len(made.version) == 1:
                made.version.append(weakref.ref(inputs[0]))
        return made

    def update(self, op: Op, target: Tensor, inputs: tuple[Any, ...], attrs: Attrs) -> Tensor:
        """The in-place form of ``op``: ``target`` takes the result."""
        arrays = []
        wants = False
        for x in inputs:
            if isinstance(x, Tensor):
                arrays.append(x.array)
                wants = wants or x.requires_grad
            elif x.__class__ in NUMBERS:
                arrays.append(x)
            else:
                return self.update(op, target, only_numbers(op, inputs, attrs), attrs)
        old = None
        if wants and self.recording:
            base, through = path_to(target)
            check_in_place(op, base, target)
            inputs = tuple(_before(op, i, x, target) for i, x in enumerate(inputs))
            old = inputs[0]
        if target.node is not None:
            _keep_output(target)
        try:
            kind = type(target.array)
            if op.ufunc is not None and wide_enough(target.array.dtype, arrays):
                ufunc = getattr(np if kind is ndarray else NAMESPACES[kind], op.ufunc)
                ufunc(*arrays, out=target.array)
            elif op.inplace is not None:
                op.inplace(NAMESPACES[kind], target.array, *arrays[1:], **attrs)
            else:
                specs = [x.spec if isinstance(x, Tensor) else x for x in inputs]
                check_result(op, target.spec, infer(op, specs, attrs))
                arrays = _converted(op, inputs, arrays)
                target.array[...] = op.forward(NAMESPACES[kind], *arrays, **attrs)
        except Exception as error:  # noqa: BLE001  retold in the learner's words
            raise explain(op, inputs, attrs, error, target) from (
                None if isinstance(error, (Mismatch, LabError)) else error
            )
        target.version[0] = tick()
        if old is not None:
            node = record(op, inputs, attrs, target.array)
            if through:  # the base has changed; the view goes on telling where it lies in it
                value = make(target.array.copy() if op.saves_output else target.array)
                node.y, value.node, value.requires_grad = value.array, node, True
                attrs = {"through": through}
                node = record(movement.write_view, (_twin(base), value), attrs, base.array)
            base.node = node
            base.requires_grad = target.requires_grad = True
            base.version[0] = node.id
        return target

    def become(self, target: Tensor, view: Callable[[Any], Any]) -> Tensor:
        """``target`` itself takes the shape of a view of it: ``x.unsqueeze_(0)``."""
        if self.recording:
            check_leaf("view", target)
        out = view(_twin(target))
        target.array, target.node, target.requires_grad = out.array, out.node, out.requires_grad
        return target

    def constant(self, array: Any) -> Tensor:
        """A tensor made from data."""
        return make(array)

    def detach(self, x: Tensor) -> Tensor:
        """The same memory without history."""
        out = make(x.array)
        out.version = x.version
        return out

    def move(self, x: Tensor, device: Device, non_blocking: bool = False) -> Tensor:
        """A tensor on another device; its gradient comes back to the device of ``x``."""
        if x.device == device:
            return x
        if x.requires_grad and self.recording:
            return _transfer(x, device=str(device))
        return make(move(x.array, device, non_blocking))

    def with_grad(self, recording: bool) -> Record:
        """The interpreter with recording on or off."""
        return Record(recording, self.always and recording)

    def for_inference(self) -> Record:
        """The interpreter that records nothing, and does not begin to."""
        return INFERENCE

    def read(self, owner: Any, key: str) -> Any:
        """A number that may change between calls: a learning rate, a step count."""
        return owner[key]

    def write(self, owner: Any, key: str, value: Any) -> None:
        """Change such a number."""
        owner[key] = value

    def fixed(self, owner: Any, key: str) -> Any:
        """A setting that a graph bakes in and guards."""
        return owner[key]

    def backward(self, root: Tensor, gradient: Tensor | None, keep: bool, create: bool) -> None:
        """Add gradients to the leaves; all or none."""
        g = start_gradient(root, gradient)
        if root.node is None:
            accumulate([(root, run_hooks(getattr(root, "_hooks", {}), g.array), False)])
            return
        add = ENGINE.get().add
        found: dict[int, tuple[Tensor, Any, bool]] = {}
        for step in self.walk(root, g, keep, create):
            for _, x, gx in step.contributions:
                if x.node is None:
                    known = found.get(id(x))
                    if known is not None:
                        found[id(x)] = (x, add(known[1], gx), True)
                    else:
                        own = gx is not step.incoming and getattr(gx, "base", None) is None
                        found[id(x)] = (x, gx, own)
        accumulate(list(found.values()))

    def walk(self, root: Tensor, g: Tensor, keep: bool, create: bool, since: int = 0) -> Any:
        """The steps of the backward walk, on arrays or, to differentiate again, on tensors.

        With ``since`` it stops at nodes from before that time.
        """
        if not create:
            return walk_arrays(root, g.array, not keep, since)
        token = INTERPRETER.set(Record(True, self.always))
        try:
            return list(walk(root, g, lambda x: x, output_tensor, not keep, since))
        finally:
            INTERPRETER.reset(token)

    def refuse(self, what: str, remedy: str) -> None:
        """Nothing is refused outside a trace."""

    def postpone(self, call: Any, words: str, owners: Any) -> bool:
        """Nothing is put off outside a trace: False."""
        return False


class Inference(Record):
    """Record nothing, whatever is asked for inside."""

    __slots__ = ()
    inference = True

    def with_grad(self, recording: bool) -> Record:
        """Recording stays off."""
        return self


RECORD = Record()
NO_GRAD = Record(recording=False)
INFERENCE = Inference(recording=False)
set_ordinary(RECORD)


def record(op: Op, inputs: tuple[Any, ...], attrs: Attrs, out: Any) -> Node:
    """A new node of the tape."""
    node = _new(Node)
    node.id = tick()
    node.op = op
    node.inputs = inputs
    node.attrs = attrs
    node.scope = SCOPE.get()
    node.source = caller(2) if Settings.sources else None
    node.y = out
    return node


def output_tensor(node: Node) -> Tensor:
    """The output of a node as a tensor, for rules that are differentiated again."""
    out = make(node.y)
    out.node = node
    out.requires_grad = True
    out.version = [0]
    return out


def _twin(x: Tensor) -> Tensor:
    """Stands for the state of ``x`` before an in-place op."""
    old = make(x.array)
    old.node, old.requires_grad, old.name = x.node, x.requires_grad, x.name
    old.version = x.version
    return old


def _before(op: Op, index: int, x: Any, target: Tensor) -> Any:
    """An input of an in-place op as it was before, where it is changed too."""
    if not isinstance(x, Tensor) or x.version is not target.version:
        return x
    old = _twin(x)
    old.node = node_now(x)
    if index in op.saved:  # a rule will read the value that is overwritten now
        old.array, old.version = x.array.copy(), [0]
    return old


def node_now(x: Tensor) -> Node | None:
    """The node of ``x``, made anew where it is that of an outdated view."""
    node = x.node
    if node is None or not outdated(x):
        return node
    return record(node.op, node.inputs, node.attrs, node.y)


def path_to(view: Tensor) -> tuple[Tensor, movement.Path]:
    """The tensor that ``view`` looks into, and the view ops from there to it."""
    x = view
    through: movement.Path = ()
    while (
        x.node is not None
        and x.node.op.view
        and isinstance(x.node.inputs[0], Tensor)
        and x.node.inputs[0].version is x.version
    ):
        through = ((x.node.op.name, x.node.attrs), *through)
        x = x.node.inputs[0]
    return x, through


def shares_memory(view: Any, array: Any) -> bool:
    """Whether a view op gave a view: ``reshape`` copies where it must."""
    base = view.base
    return (
        base is array
        or (base is not None and base is array.base)
        or bool(namespace_of(array).may_share_memory(view, array))
    )


def _keep_output(target: Tensor) -> None:
    """Copy a value that a gradient rule reads as the op's output, before it is overwritten."""
    x = path_to(target)[0]
    node = x.node
    if node is not None and node.op.saves_output and node.y is x.array:
        node.y = x.array.copy()


def only_numbers(op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> tuple[Any, ...]:
    """The inputs with NumPy numbers made Python ones; KindError for anything else."""
    out = []
    for i, x in enumerate(inputs):
        if isinstance(x, np.generic):
            x = x.item()
        if not (isinstance(x, Tensor) or x.__class__ in NUMBERS):
            raise KindError(kind_message(op, inputs, i))
        out.append(x)
    return tuple(out)


def need_one(op: Op, inputs: tuple[Any, ...]) -> None:
    """KindError where an op was given numbers alone: Python computes with those."""
    if inputs and not any(isinstance(x, Tensor) for x in inputs):
        raise KindError(kind_message(op, inputs, 0))


def kind_message(op: Op, inputs: tuple[Any, ...], index: int) -> str:
    """An input that is neither a tensor nor a number."""
    names = [op.argument(i) for i in range(len(inputs))]
    shown = [str(x.spec) if isinstance(x, Tensor) else describe(x) for x in inputs]
    lines = [f"{op.name}({', '.join(names)}): {names[index]} is not a tensor"]
    lines += input_lines(names, shown, [origin(x) for x in inputs])
    got = inputs[index]
    lines.append(f"  expected a tensor, got {describe(got)}")
    if isinstance(got, np.ndarray):
        hint = "lab.tensor(x) copies an array, lab.from_numpy(x) shares its memory"
        lines.append(f"  {hint}; float64 becomes float32 with .float()")
    elif isinstance(got, (list, tuple)):
        lines.append("  lab.tensor(x) makes a tensor from lists of numbers")
    elif isinstance(got, str):
        lines.append("  float(text) reads a number")
    elif got is None:
        lines.append("  a function without return gives None")
    elif isinstance(got, (int, float)):
        lines.append("  lab.tensor(x) makes a tensor; for numbers alone there is math")
    return "\n".join(lines)


def _converted(op: Op, inputs: tuple[Any, ...], arrays: list[Any]) -> list[Any]:
    """The arrays in their common dtype, where the op promotes."""
    need_one(op, inputs)
    if len({type(a) for a in arrays if type(a) in NAMESPACES}) > 1:
        raise TypeError("devices differ")  # explain() writes the message
    specs = [
        Spec(tuple(a.shape), a.dtype) if isinstance(x, Tensor) else x
        for x, a in zip(inputs, arrays, strict=True)
    ]
    check_kind(op, specs)
    target = common_dtype(op, specs)
    if target is None:
        return arrays
    indices = range(len(arrays)) if op.promotes is None else op.promotes
    return [
        a.astype(target, copy=False) if i in indices and isinstance(inputs[i], Tensor) else a
        for i, a in enumerate(arrays)
    ]


def explain(
    op: Op, inputs: tuple[Any, ...], attrs: Attrs, error: Exception, target: Tensor | None = None
) -> Exception:
    """The error to raise when a forward failed: the shape rule knows the words.

    ``target`` is the tensor that should have taken the result of an in-place op.
    """
    if isinstance(error, MemoryError):
        return out_of_memory(
            f"{op.name}({', '.join(op.argument(i) for i in range(len(inputs)))})", error
        )
    if isinstance(error, AttributeError) and not any(isinstance(x, Tensor) for x in inputs):
        return KindError(kind_message(op, inputs, 0))
    specs = [x.spec if isinstance(x, Tensor) else x for x in inputs]
    origins = [origin(x) for x in inputs]
    mismatch = error if isinstance(error, Mismatch) else None
    if mismatch is None:
        try:
            spec = infer(op, specs, attrs)
            if target is not None:
                check_result(op, target.spec, spec)
        except Mismatch as found:
            mismatch = found
        except LabError as found:
            return found
    if mismatch is not None:
        if mismatch.error is DeviceError:
            origins = [where_moved(x, words) for x, words in zip(inputs, origins, strict=True)]
        return message(op, specs, origins, mismatch, attrs)
    if isinstance(error, LabError):
        return error
    plain = Mismatch(f"{type(error).__name__}: {error}", error=ComputeError)
    return message(op, specs, origins, plain, attrs)


def where_moved(x: Any, words: str) -> str:
    """The words for an input, and which line moved it to where it is."""
    if not isinstance(x, Tensor):
        return words
    source = x._moved_by()
    if source is not None:
        return ", ".join(filter(None, [words, f"moved by {locate(*source)}"]))
    if x.node is not None:
        return words
    return ", ".join(filter(None, [words, "made there" if x.is_cuda else "never moved"]))


def check_leaf(name: str, base: Tensor, a: str = "a leaf") -> None:
    """GradError where an in-place change would be one of a leaf that requires grad."""
    if base.requires_grad and base.node is None:
        raise GradError(
            f"{name}_: {a} that requires grad cannot be changed in place\n"
            f"  tensor  {base.spec}  {origin(base)}".rstrip()
            + "\n"
            "  expected a change outside the graph\n"
            "  put the update under `with lab.no_grad():`"
        )


def check_in_place(op: Op, base: Tensor, target: Tensor) -> None:
    """Whether the tape can follow an in-place change of ``target``, which looks into ``base``."""
    check_leaf(op.name, base, "a leaf" if base is target else "a view of a leaf")
    # an unrecorded view knows only that it is one: the version tells who was looked into first
    first = base.version[1]() if base.node is None and len(base.version) > 1 else None
    unknown = first is not None and first is not base
    if unknown or (base.node is not None and base.node.op.view and base.node.freed):
        raise GradError(
            f"{op.name}_: the tensor that this one is a view of cannot learn of the gradient\n"
            f"  tensor  {target.spec}  {origin(target)}".rstrip()
            + "\n"
            "  expected a view of a tensor that is part of a graph\n"
            "  change the tensor itself, x[index] = value, or .clone() the view first"
        )


def wide_enough(target: np.dtype[Any], arrays: list[Any]) -> bool:
    """Whether a ufunc may write into ``target`` itself: all inputs are of its dtype."""
    return all(a.__class__ in NUMBERS or a.dtype is target or a.dtype == target for a in arrays)


def check_result(op: Op, target: Spec, found: Spec) -> None:
    """Mismatch unless the result of an in-place op fits into its target."""
    if found.shape != target.shape:
        raise Mismatch(
            "the result does not fit into the tensor that takes it",
            f"expected {target.shape}, got {found.shape}",
            f"use the form without the underscore: {op.name}(...)",
        )
    if not dtypes.can_cast(found.dtype, target.dtype) and op.name != "copy":
        raise Mismatch(
            f"the result is {found.dtype} and cannot be kept in {target.dtype}",
            f"expected {target.dtype}",
            f"use the form without the underscore: {op.name}(...)",
            error=ComputeError,
        )


# Transfer between devices ------------------------------------------------------------------


def _transfer_shape(x: Spec, device: str) -> Spec:
    return Spec(x.shape, x.dtype, Device(device).type)


_transfer: Op = new_op(
    "to_device",
    "The same entries on another device.",
    forward=lambda xp, input, device: move(input, Device(device)),
    vjp=lambda g, y, x, device: _transfer(
        g, device=str(device_of(x) if not isinstance(x, Tensor) else x.device)
    ),
    shape=_transfer_shape,
    formula=(r"y = x", r"\bar x = \bar y"),
    cost=per_entry(0),
)
