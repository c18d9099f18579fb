"""Shapes and kinds without numbers: what the calls of PyTorch, TensorFlow and NumPy give."""

from __future__ import annotations

import ast
import operator
from collections.abc import Sequence
from math import prod
from typing import Any

from .values import Event, Shape, Value, broadcast, product

TENSORS = ("tensor", "array", "placeholder", "variable", "operation")
SAME = frozenset(
    "relu relu6 elu gelu silu selu celu leaky_relu tanh sigmoid softplus exp log log1p sqrt "
    "rsqrt square abs sin "
    "cos neg negative clone detach contiguous requires_grad_ clamp clip clip_by_value dropout "
    "identity stop_gradient "
    "dropout2d softsign sign reciprocal float double half requires_grad fill_ zero_ swish cuda "
    "to_device cpu".split()
)  # fmt: skip
REDUCE = frozenset(
    "mean sum prod max min amax amin var std reduce_mean reduce_sum reduce_max reduce_min "
    "logsumexp norm".split()
)
BINARY = frozenset(
    "add sub subtract mul multiply div divide pow maximum minimum squared_difference".split()
)
SOFT = frozenset("softmax log_softmax sigmoid".split())
DRAWS = frozenset(
    "rand randn normal uniform random_normal random_uniform truncated_normal randint".split()
)
FILLS = frozenset("zeros ones empty full".split())
DATASETS = {
    "MNIST": ((1, 28, 28), 60000, 10000), "FashionMNIST": ((1, 28, 28), 60000, 10000),
    "KMNIST": ((1, 28, 28), 60000, 10000), "CIFAR10": ((3, 32, 32), 50000, 10000),
    "CIFAR100": ((3, 32, 32), 50000, 10000),
}  # fmt: skip
LOADED = {
    "mnist": ((28, 28), 60000, 10000), "fashion_mnist": ((28, 28), 60000, 10000),
    "cifar10": ((32, 32, 3), 50000, 10000), "cifar100": ((32, 32, 3), 50000, 10000),
}  # fmt: skip
_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv, ast.Div: operator.truediv, ast.Mod: operator.mod,
}  # fmt: skip


# Shapes of what was given ------------------------------------------------------------------------


def shape_of(value: Value | None) -> Shape | None:
    """The shape that a tuple or list of sizes says."""
    if value is None:
        return None
    if isinstance(value.const, int):
        return (value.const,)
    if value.items is None:
        return None
    sizes: list[int | None] = []
    for item in value.items:
        if item.const is None and item.kind != "number":
            sizes.append(None)
        elif item.const is None or isinstance(item.const, int):
            sizes.append(None if item.const in (None, -1) else item.const)
        else:
            return None
    return tuple(sizes)


def sizes_of(args: Sequence[Value]) -> Shape | None:
    """The sizes of ``randn(2, 3)`` or ``randn((2, 3))``."""
    if len(args) == 1 and args[0].kind in ("tuple", "list"):
        return shape_of(args[0])
    if args and all(a.kind == "number" for a in args):
        return shape_of(Value("tuple", items=list(args)))
    if args and all(a.kind in ("number", "") for a in args) and len(args) > 1:
        return tuple(a.const if isinstance(a.const, int) else None for a in args)
    return None


def data_shape(value: Value) -> tuple[Shape | None, str]:
    """Shape and dtype of nested lists of numbers."""
    if value.kind == "number":
        kinds = {bool: "bool", int: "int", float: "float"}
        return ((), kinds[type(value.const)]) if type(value.const) in kinds else (None, "")
    if value.kind in TENSORS:
        return value.shape, value.dtype
    if value.items is None:
        return None, ""
    if not value.items:
        return (0,), "float"
    parts = [data_shape(item) for item in value.items]
    if any(shape is None or shape != parts[0][0] for shape, _ in parts):
        return None, ""
    dtypes = {dtype for _, dtype in parts}
    dtype = "float" if "float" in dtypes else dtypes.pop() if len(dtypes) == 1 else ""
    return (len(parts), *(parts[0][0] or ())), dtype


def dtype_of(value: Value | None) -> str:
    """``float``, ``int`` or ``bool``, from an argument such as ``torch.float32`` or ``"int64"``."""
    if value is None:
        return ""
    text = value.tail if value.kind in ("library", "builtin") else str(value.const or "")
    for name, kinds in (
        ("float", ("float", "double", "half", "bfloat")),
        ("int", ("int", "uint", "long", "short")),
        ("bool", ("bool",)),
    ):
        if text.startswith(kinds):
            return name
    return ""


def element(over: Value) -> Value:
    """What a loop over a value gives first."""
    if over.kind == "loader" and "element" in over.facts:
        return _fresh(over.facts["element"])
    if over.kind == "range":
        return Value("number", inputs=(over,))
    if over.items:
        return over.items[0]
    if "element" in over.facts:
        return over.facts["element"]
    if over.kind in TENSORS and over.shape:
        return Value(
            over.kind, library=over.library, shape=over.shape[1:], dtype=over.dtype, inputs=(over,)
        )
    return Value(inputs=(over,))


def _fresh(value: Value) -> Value:
    """A copy: what a loader gives in one loop is not what it gives in the next."""
    copy = Value(
        value.kind, value.name, shape=value.shape, dtype=value.dtype, library=value.library
    )
    copy.facts, copy.inputs = dict(value.facts), value.inputs
    copy.items = None if value.items is None else [_fresh(item) for item in value.items]
    return copy


# Operators ---------------------------------------------------------------------------------------


def binary(node: ast.BinOp, a: Value, b: Value) -> Value:
    """``a + b`` and its like."""
    out = Value(inputs=(a, b))
    if a.kind == b.kind == "number":
        out.kind = "number"
        if type(node.op) in _OPERATORS and all(
            isinstance(x, (int, float)) and not isinstance(x, bool) and abs(x) < 1e9
            for x in (a.const, b.const)
        ):
            try:
                out.const = _OPERATORS[type(node.op)](a.const, b.const)
            except ZeroDivisionError:
                return out
        return out
    sides = [v for v in (a, b) if v.kind in TENSORS]
    if not sides:
        return out
    kinds = [v.kind for v in sides]
    out.kind = "tensor" if set(kinds) != {"array"} else "array"
    out.library = next((v.library for v in sides if v.library != "np"), "np")
    if isinstance(node.op, ast.MatMult):
        out.shape, out.dtype = matmul(a.shape, b.shape), a.dtype
        return out
    shapes = [() if v.kind == "number" else v.shape for v in (a, b)]
    out.shape = broadcast(*shapes)
    whole = all(v.dtype in ("int", "bool") or isinstance(v.const, int) for v in (a, b))
    some_float = any(v.dtype == "float" or isinstance(v.const, float) for v in (a, b))
    out.dtype = "float" if some_float or isinstance(node.op, ast.Div) else "int" if whole else ""
    return out


def matmul(a: Shape | None, b: Shape | None) -> Shape | None:
    """The shape of ``a @ b``."""
    if a is None or b is None or not a or not b:
        return None
    if len(b) == 1:
        return a[:-1]
    return (*a[:-1], b[-1]) if len(b) == 2 else None


def unary(node: ast.UnaryOp, a: Value) -> Value:
    """``-a`` and ``not a``."""
    out = Value(a.kind if a.kind in TENSORS else "", inputs=(a,), library=a.library, shape=a.shape)
    out.dtype = a.dtype
    if a.kind == "number":
        out.kind = "number"
        if isinstance(node.op, ast.USub) and isinstance(a.const, (int, float)):
            out.const = -a.const
    return out


def subscript(node: ast.Subscript, base: Value, index: Value) -> Value:
    """``x[...]``: new axes, slices and single places."""
    if base.kind == "dict":
        return Value(inputs=(base, index))
    if base.items is not None:
        if isinstance(index.const, int) and -len(base.items) <= index.const < len(base.items):
            return base.items[index.const]
        return Value(inputs=(base, index))
    if base.kind == "model" and base.items is None:
        return Value(inputs=(base,))
    out = Value(
        base.kind if base.kind in TENSORS else "", inputs=(base, index), library=base.library
    )
    if base.kind == "tuple" or base.kind == "list":
        return out
    out.dtype, out.facts = (
        base.dtype,
        {k: v for k, v in base.facts.items() if k in ("part", "onehot")},
    )
    if base.shape is None or out.kind == "":
        return out
    parts = index.items if index.kind == "tuple" and index.items is not None else [index]
    rest = list(base.shape)
    side: list[int | None] = []
    taken = sum(1 for p in parts if _takes(p))
    for part in parts:
        if part.const is Ellipsis:
            keep = len(rest) - (taken - sum(1 for p in parts[: parts.index(part)] if _takes(p)))
            side.extend(rest[:keep])
            rest = rest[keep:]
        elif _is_new_axis(part):
            side.append(1)
        elif not rest:
            return out
        elif part.kind == "slice":
            side.append(_sliced(rest.pop(0), part))
        elif part.kind == "number" and isinstance(part.const, int):
            rest.pop(0)
        elif part.kind in TENSORS and part.shape is not None and len(parts) == 1:
            rest.pop(0)
            known = part.dtype == "int"
            return_shape = (*part.shape, *rest) if known else (None, *rest)
            out.shape = (
                return_shape if known or (part.dtype == "bool" and len(part.shape) == 1) else None
            )
            return out
        else:
            return out
    out.shape = (*side, *rest)
    return out


def _takes(part: Value) -> bool:
    return part.const is not Ellipsis and not _is_new_axis(part)


def _is_new_axis(part: Value) -> bool:
    if part.kind == "library":
        return part.tail == "newaxis"
    return part.kind == "number" and part.const is None


def _sliced(size: int | None, part: Value) -> int | None:
    bounds = [i.const for i in part.items or []]
    known = [i.kind == "number" for i in part.items or []]
    if size is None or not all(known) or not all(b is None or isinstance(b, int) for b in bounds):
        return None if bounds != [None, None, None] or not all(known) else size
    return len(range(size)[slice(*bounds)])


def attribute(owner: Value, name: str) -> Value:
    """``x.T``, ``x.shape`` and bound methods."""
    if owner.kind in TENSORS:
        if name == "T" and owner.shape is not None:
            return Value(
                owner.kind, library=owner.library, shape=owner.shape[::-1], inputs=(owner,)
            )
        if name == "shape":
            items = None
            if owner.shape is not None:
                items = [
                    Value("number", const=n) if n is not None else Value() for n in owner.shape
                ]
            return Value("tuple", items=items, inputs=(owner,))
        if name in ("data", "real"):
            return Value(
                owner.kind,
                library=owner.library,
                shape=owner.shape,
                inputs=(owner,),
                dtype=owner.dtype,
            )
        if name == "grad":
            return Value("", inputs=(owner,))
    if not owner.known and name not in _METHODS:
        value = Value(inputs=(owner,))
        value.kind, value.name = "method", name
        value.facts = {"owner": owner}
        return value
    return Value("method", name, inputs=(owner,), facts={"owner": owner})


_METHODS = frozenset(("shape", "T"))


# Layers ------------------------------------------------------------------------------------------


def _pair(value: int | tuple[int, int] | None) -> int | None:
    return value if isinstance(value, int) else None


def _spatial(
    size: int | None, kernel: int | None, stride: int | None, padding: int | None
) -> int | None:
    if size is None or kernel is None or not stride or padding is None:
        return None
    return (size + 2 * padding - kernel) // stride + 1


def _slid(
    x: Value, out: Value, word: str, k: int | None, s: int | None, p: int | None, places: range
) -> list[int | None]:
    """The sizes after a window slid over them; how the last one came about is kept."""
    sizes = []
    for at in places:
        before = x.shape[at] if x.shape else None
        after = _spatial(before, k, s, p)
        sizes.append(after)
        if before is not None and after is not None:
            extra = f", stride {s}" if word == "conv" and s != 1 else ""
            extra += f", padding {p}" if p else ""
            out.route = (f"{word} {k}{extra}", before, after)
    return sizes


def apply(layer: Value, args: list[Value], event: Event) -> Value:
    """What a layer, a loss object or a container gives for its input."""
    if layer.kind == "loss":
        return loss_value(layer, args, event.kwargs)
    x = args[0] if args else Value()
    if x.items is not None and len(x.items) == 1:
        x = x.items[0]
    if layer.facts.get("layers") is not None:
        for part in layer.facts["layers"]:
            if x.kind == "symbolic":
                break
            x = _applied(part, x, event)
        out = (
            _copy(x)
            if x is not (args[0] if args else None)
            else Value("tensor", library=layer.library)
        )
        out.inputs = (layer, *args, x)
        return out
    return _applied(layer, x, event)


def _copy(x: Value) -> Value:
    return Value(
        x.kind, shape=x.shape, dtype=x.dtype, library=x.library, soft=x.soft, route=x.route
    )


def _applied(layer: Value, x: Value, event: Event) -> Value:
    if layer.facts.get("layers") is not None:
        return apply(layer, [x], event)
    if layer.kind == "function":
        return Value("tensor", inputs=(x,))
    if x.kind == "symbolic":
        return Value("symbolic", inputs=(layer, x), facts={"layer": layer})
    out = Value("tensor", inputs=(layer, x), library=layer.library)
    rule = _KERAS if layer.library in ("tf", "tf1") else _TORCH
    name = layer.tail
    out.dtype = "float"
    if name in rule:
        rule[name](layer, x, out, event)
    elif name in _SAME_LAYERS:
        out.shape, out.dtype = x.shape, x.dtype
    soft = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}.get(name, "")
    out.soft = soft or activation(layer)
    if name in ("Dropout", "Identity", "Flatten"):
        out.soft = x.soft
    return out


def activation(layer: Value) -> str:
    """The name of a Keras layer's activation where it is a soft one."""
    given = layer.kwargs.get("activation")
    if given is None and layer.tail == "dense":
        given = layer.arg(2, "activation")
    if given is None and layer.tail == "Activation":
        given = layer.arg(0, "activation")
    if given is None:
        return ""
    name = given.const if isinstance(given.const, str) else given.tail
    return name if name in SOFT else ""


_SAME_LAYERS = frozenset(
    "ReLU ReLU6 LeakyReLU PReLU ELU SELU GELU SiLU Tanh Sigmoid Softmax LogSoftmax Softplus "
    "Dropout Dropout2d "
    "BatchNorm1d BatchNorm2d LayerNorm GroupNorm Identity BatchNormalization LayerNormalization "
    "Activation Rescaling "
    "GaussianNoise Hardtanh".split()
)  # fmt: skip


def _linear(layer: Value, x: Value, out: Value, event: Event) -> None:
    want, width = layer.number(0, "in_features"), layer.number(1, "out_features")
    if not x.shape:
        return
    if want is not None and x.shape[-1] is not None and x.shape[-1] != want:
        event.problem = event.problem or ("linear", layer, x, x.shape[-1], want)
    out.shape = (*x.shape[:-1], width)


def _conv(layer: Value, x: Value, out: Value, event: Event) -> None:
    want, width = layer.number(0, "in_channels"), layer.number(1, "out_channels")
    k, s = layer.number(2, "kernel_size"), layer.number(3, "stride", 1)
    padding = layer.arg(4, "padding")
    p = layer.number(4, "padding", 0)
    n = int(layer.tail[4])
    if x.shape is None or len(x.shape) not in (n + 1, n + 2):
        return
    channels = x.shape[-n - 1]
    if want is not None and channels is not None and channels != want:
        event.problem = event.problem or ("conv", layer, x, channels, want)
    if layer.arg(5, "dilation") is not None:
        s = None
    if padding is not None and padding.const == "same":
        sizes = list(x.shape[-n:])
    else:
        sizes = _slid(x, out, "conv", k, s, p, range(-n, 0))
    out.shape = (*x.shape[: -n - 1], width, *sizes)


def _pool(layer: Value, x: Value, out: Value, event: Event) -> None:
    k = layer.number(0, "kernel_size")
    s, p = layer.number(1, "stride", k), layer.number(2, "padding", 0)
    n = int(layer.tail[-2])
    if (
        x.shape is None
        or len(x.shape) not in (n + 1, n + 2)
        or "ceil_mode" in layer.kwargs
        or "dilation" in layer.kwargs
    ):
        return
    out.shape = (*x.shape[:-n], *_slid(x, out, "pool", k, s, p, range(-n, 0)))
    out.dtype = x.dtype


def _flatten(layer: Value, x: Value, out: Value, event: Event) -> None:
    start = layer.number(0, "start_dim", 1)
    if x.shape is None or layer.arg(1, "end_dim") is not None or start != 1:
        return
    out.shape = (x.shape[0], product(x.shape[1:])) if x.shape else None


def _embedding(layer: Value, x: Value, out: Value, event: Event) -> None:
    if x.shape is not None:
        out.shape = (*x.shape, layer.number(1, "embedding_dim"))


def _adaptive(layer: Value, x: Value, out: Value, event: Event) -> None:
    n, size = int(layer.tail[-2]), layer.number(0, "output_size")
    if x.shape is not None and len(x.shape) in (n + 1, n + 2):
        out.shape = (*x.shape[:-n], *[size] * n)


_TORCH = {
    "Linear": _linear, "Conv1d": _conv, "Conv2d": _conv, "MaxPool1d": _pool, "MaxPool2d": _pool,
    "AvgPool1d": _pool, "AvgPool2d": _pool, "Flatten": _flatten, "Embedding": _embedding,
    "AdaptiveAvgPool2d": _adaptive, "AdaptiveMaxPool2d": _adaptive,
}  # fmt: skip


def _dense(layer: Value, x: Value, out: Value, event: Event) -> None:
    if x.shape:
        out.shape = (*x.shape[:-1], layer.number(0, "units"))


def _keras_conv(layer: Value, x: Value, out: Value, event: Event) -> None:
    k, s = layer.number(1, "kernel_size"), layer.number(2, "strides", 1)
    if (
        x.shape is None
        or len(x.shape) != 4
        or "data_format" in layer.kwargs
        or "dilation_rate" in layer.kwargs
    ):
        return
    padding = layer.arg(3, "padding")
    if padding is not None and padding.const == "same":
        sizes = [None if n is None or s is None else -(-n // s) for n in x.shape[1:3]]
    elif padding is None or padding.const == "valid":
        sizes = _slid(x, out, "conv", k, s, 0, range(-3, -1))
    else:
        return
    out.shape = (x.shape[0], *sizes, layer.number(0, "filters"))


def _keras_pool(layer: Value, x: Value, out: Value, event: Event) -> None:
    k = layer.number(0, "pool_size", 2)
    s = layer.number(1, "strides", k)
    if (
        x.shape is None
        or len(x.shape) != 4
        or "padding" in layer.kwargs
        or "data_format" in layer.kwargs
    ):
        return
    out.shape = (x.shape[0], *_slid(x, out, "pool", k, s, 0, range(-3, -1)), x.shape[3])


def _keras_reshape(layer: Value, x: Value, out: Value, event: Event) -> None:
    target = shape_of(layer.arg(0, "target_shape"))
    if x.shape is None or target is None:
        return
    have, want = product(x.shape[1:]), product(target)
    if have is not None and want is not None and have != want:
        event.problem = event.problem or ("reshape", layer, x, have, want)
    out.shape = (x.shape[0], *target)


_KERAS = {
    "Dense": _dense, "dense": _dense, "Conv2D": _keras_conv, "conv2d": _keras_conv,
    "MaxPooling2D": _keras_pool,
    "AveragePooling2D": _keras_pool, "max_pooling2d": _keras_pool,
    "Flatten": _flatten, "flatten": _flatten,
    "Reshape": _keras_reshape,
}  # fmt: skip


def loss_value(layer: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """The shape of a loss: one number, unless its reduction is none."""
    out = Value("tensor", inputs=(layer, *args), library=layer.library, dtype="float")
    out.facts["loss"] = True
    reduction = layer.kwargs.get("reduction") or kwargs.get("reduction")
    if reduction is None:
        out.shape = ()
    elif reduction.const in ("none", "NONE") or reduction.tail == "NONE":
        shapes = [a.shape for a in args[:2]]
        if (
            layer.library == "torch"
            and len(shapes) == 2
            and "Cross" not in layer.tail
            and "cross" not in layer.tail
        ):
            out.shape = broadcast(*shapes)
        elif layer.library == "torch" and len(shapes) == 2:
            out.shape = shapes[1]
        elif shapes and shapes[0]:
            out.shape = shapes[0][:-1]
    elif isinstance(reduction.const, str):
        out.shape = ()
    return out


# Methods -----------------------------------------------------------------------------------------


def method(owner: Value, name: str, event: Event) -> Value:
    """What a method of a value gives."""
    args, kwargs = event.args, event.kwargs
    event.name = f".{name}"
    if owner.kind in TENSORS:
        if name == "to" or name in ("cuda", "cpu"):
            return _moved(owner, name, event)
        if name in ("numpy", "eval") and owner.library in ("torch", "tf", "tf1"):
            return Value(
                "array", library="np", shape=owner.shape, dtype=owner.dtype, inputs=(owner, *args)
            )
        if name in ("item", "tolist"):
            return Value("", inputs=(owner,))
        if name in ("type", "astype", "long", "int", "bool"):
            out = _copy(owner)
            out.inputs = (owner, *args)
            out.dtype = {"long": "int", "int": "int", "bool": "bool"}.get(name) or dtype_of(
                args[0] if args else None
            )
            return out
        if name == "size" and owner.shape is not None:
            if (
                args
                and isinstance(args[0].const, int)
                and -len(owner.shape) <= args[0].const < len(owner.shape)
            ):
                n = owner.shape[args[0].const]
                return Value("number", const=n) if n is not None else Value(inputs=(owner,))
            return attribute(owner, "shape")
        if name in ("view", "reshape"):
            return _reshaped(owner, sizes_of(args), event)
        return op(name, [owner, *args], kwargs, owner.library, event)
    if owner.kind in ("model", "layer"):
        return _of_model(owner, name, event)
    if owner.kind == "dataset_module" and name == "load_data":
        return loaded(owner.facts["data"])
    if name == "format" or (owner.kind == "number" and isinstance(owner.const, str)):
        return Value(inputs=(owner, *args))
    if owner.kind == "tape":
        return Value(inputs=(owner, *args))
    if owner.kind == "list" and name in ("append", "extend", "insert"):
        owner.items = None
        owner.inputs += tuple(args)
        return Value()
    if owner.kind == "session" and name == "run":
        return Value(inputs=(owner, *args))
    if owner.kind == "optimizer" and name == "minimize":
        return Value("operation", "minimize", library=owner.library, inputs=(owner, *args))
    return Value(inputs=(owner, *args))


def _moved(owner: Value, name: str, event: Event) -> Value:
    out = _copy(owner)
    out.inputs, out.device, out.facts = (owner, *event.args), owner.device, dict(owner.facts)
    target = event.arg(0, "device")
    dtype = dtype_of(target) or dtype_of(event.kwargs.get("dtype"))
    if name != "to":
        out.device = Value("number", const=name)
    elif dtype:
        out.dtype = dtype
    elif target is not None:
        out.device = target
    return out


def _of_model(owner: Value, name: str, event: Event) -> Value:
    if name in ("to", "cuda", "cpu"):
        target = event.arg(0, "device")
        if not dtype_of(target):
            owner.device = Value("number", const=name) if name != "to" else target
        return owner
    if name in ("train", "eval", "float", "double", "requires_grad_", "apply"):
        return owner
    if name in ("parameters", "named_parameters", "state_dict"):
        return Value("parameters", inputs=(owner,))
    if name == "add" and owner.facts.get("layers") is not None and event.args:
        owner.facts["layers"].append(event.args[0])
        _infer(owner)
        return Value()
    if (
        name in ("predict", "__call__", "forward")
        and owner.facts.get("layers") is not None
        and event.args
    ):
        return apply(owner, event.args, event)
    return Value(inputs=(owner, *event.args))


def _reshaped(x: Value, sizes: Shape | None, event: Event) -> Value:
    kind = "array" if x.kind == "array" else "tensor"
    out = Value(kind, library=x.library, dtype=x.dtype, inputs=(x, *event.args))
    out.facts = {k: x.facts[k] for k in ("onehot",) if k in x.facts}
    if sizes is None:
        return out
    out.shape = sizes
    if x.shape and len(x.shape) > 1 and len(sizes) == 2 and sizes[0] is None and sizes[1]:
        have = product(x.shape[1:])
        first = x.shape[0] is None or (have or 0) * x.shape[0] % sizes[1] == 0
        if have is not None and have != sizes[1] and any(v.route for v in x.ancestors()):
            event.problem = ("view", None, x, have, sizes[1])
            out.shape = (x.shape[0], have)  # as it should be: the next layer is not to blame
            return out
        elif first and have == sizes[1]:
            out.shape = (x.shape[0], sizes[1])
    if None in sizes and x.shape is not None:
        have, rest = product(x.shape), product(tuple(n for n in sizes if n is not None))
        if have is not None and rest and sizes.count(None) == 1 and have % rest == 0:
            out.shape = tuple(have // rest if n is None else n for n in sizes)
        elif sizes == (None, 1) and x.shape and product(x.shape[1:]) == 1:
            out.shape = (x.shape[0], 1)
    if x.shape is not None and sizes.count(None) == 1 and len(sizes) == 1:
        rest = product(tuple(n for n in x.shape if n != 1))
        out.shape = (rest,)
    return out


# Functions ---------------------------------------------------------------------------------------


def op(name: str, args: list[Value], kwargs: dict[str, Value], library: str, event: Event) -> Value:
    """What an op gives, as a function or as a method."""
    x = args[0] if args else Value()
    out = Value(
        "array" if library == "np" else "tensor", library=library, inputs=(*args, *kwargs.values())
    )
    out.name, out.dtype = name, x.dtype
    if name in SOFT:
        out.shape, out.soft, out.dtype = x.shape, name, "float"
    elif name.rstrip("_") in SAME or name in SAME:
        out.shape = x.shape if x.kind in TENSORS else data_shape(x)[0]
        out.soft = x.soft if name in ("dropout", "clone", "identity", "float") else ""
        out.dtype = "float" if name in ("float", "double") else x.dtype
    elif name in REDUCE:
        out.shape = _reduced(x, args, kwargs)
    elif name in ("argmax", "argmin", "arg_max"):
        out.shape, out.dtype = _reduced(x, args, kwargs), "int"
    elif name in BINARY and len(args) > 1:
        made = binary(ast.BinOp(ast.Constant(0), ast.Add(), ast.Constant(0)), x, args[1])
        out.shape, out.dtype = made.shape, made.dtype
    elif name in ("matmul", "mm", "dot") and len(args) > 1:
        a, b = x.shape, args[1].shape
        out.shape = matmul(a, b)
        if a and b and len(b) == 2 and a[-1] is not None and b[0] is not None and a[-1] != b[0]:
            event.problem = ("matmul", args[1], x, a[-1], b[0])
        if kwargs:
            out.shape, event.problem = None, ()
    elif name == "flatten":
        start = args[1].const if len(args) > 1 else getattr(kwargs.get("start_dim"), "const", 0)
        if x.shape is not None and start == 1 and len(args) < 3 and "end_dim" not in kwargs:
            out.shape = (x.shape[0], product(x.shape[1:])) if x.shape else None
    elif name == "squeeze" and x.shape is not None:
        out.shape = _squeezed(x.shape, args[1:], kwargs)
    elif name in ("unsqueeze", "expand_dims") and x.shape is not None:
        at = (
            args[1].const
            if len(args) > 1
            else getattr(kwargs.get("dim") or kwargs.get("axis"), "const", None)
        )
        if isinstance(at, int):
            at = at + len(x.shape) + 1 if at < 0 else at
            out.shape = (*x.shape[:at], 1, *x.shape[at:])
    elif name in ("max_pool2d", "avg_pool2d") and library == "torch":
        pool = Value("layer", "torch.nn.MaxPool2d", args=args[1:], kwargs=kwargs)
        _pool(pool, x, out, event)
    elif name == "reshape":
        made = _reshaped(x, shape_of(args[1]) if len(args) > 1 else None, event)
        out.shape = made.shape
    elif name == "one_hot":
        depth = next(
            (v.const for v in (*args[1:2], *kwargs.values()) if isinstance(v.const, int)), None
        )
        out.shape = (*x.shape, depth) if x.shape is not None else None
        out.dtype = "int" if library == "torch" else "float"
        out.facts["onehot"] = True
    elif name in ("zeros_like", "ones_like", "rand_like", "randn_like"):
        out.shape = x.shape
    elif name == "cast":
        out.shape, out.dtype = x.shape, dtype_of(args[1] if len(args) > 1 else kwargs.get("dtype"))
    return out


def _reduced(x: Value, args: list[Value], kwargs: dict[str, Value]) -> Shape | None:
    given = next(
        (kwargs[k] for k in ("dim", "axis") if k in kwargs), args[1] if len(args) > 1 else None
    )
    keep = next(
        (kwargs[k] for k in ("keepdim", "keepdims") if k in kwargs),
        args[2] if len(args) > 2 else None,
    )
    if given is None:
        return () if keep is None else None
    if x.shape is None:
        return None
    dims = [given.const] if isinstance(given.const, int) else [i.const for i in given.items or []]
    if not dims or not all(isinstance(d, int) and -len(x.shape) <= d < len(x.shape) for d in dims):
        return None
    dims = [d % len(x.shape) for d in dims]
    if keep is not None and keep.const is True:
        return tuple(1 if i in dims else n for i, n in enumerate(x.shape))
    if keep is not None and keep.const is not False:
        return None
    return tuple(n for i, n in enumerate(x.shape) if i not in dims)


def _squeezed(shape: Shape, args: list[Value], kwargs: dict[str, Value]) -> Shape | None:
    given = kwargs.get("dim") or kwargs.get("axis") or (args[0] if args else None)
    if given is None:
        return tuple(n for n in shape if n != 1)
    at = given.const if isinstance(given.const, int) else None
    if at is None and given.items and len(given.items) == 1:
        at = given.items[0].const
    if not isinstance(at, int) or not -len(shape) <= at < len(shape):
        return None
    at %= len(shape)
    return (*shape[:at], *shape[at + 1 :]) if shape[at] == 1 else shape


def library(name: str, event: Event) -> Value:
    """What a function or a class of a library gives."""
    first, _, rest = name.partition(".")
    event.name = name
    if first == "torch":
        return _torch(rest, name, event)
    if first in ("tf", "tf1"):
        return _tensorflow(rest, name, first, event)
    if first == "np":
        return _numpy(rest, event)
    if first == "torchvision":
        return _vision(rest, event)
    return Value(inputs=(*event.args, *event.kwargs.values()))


def _object(kind: str, name: str, library: str, event: Event) -> Value:
    made = Value(kind, name, event.node, library=library)
    made.args, made.kwargs = event.args, event.kwargs
    made.inputs = (*event.args, *event.kwargs.values())
    return made


def _given(event: Event, library: str, kind: str = "tensor") -> Value:
    """A tensor of numbers that stand in the program, or of another one's."""
    x = event.args[0] if event.args else Value()
    out = Value(kind, library=library, inputs=tuple(event.args))
    out.shape, out.dtype = data_shape(x)
    if x.kind in TENSORS:
        out.shape, out.dtype, out.facts = (
            x.shape,
            x.dtype,
            {k: x.facts[k] for k in ("part", "onehot") if k in x.facts},
        )
    given = event.kwargs.get("dtype") or (event.args[1] if len(event.args) > 1 else None)
    out.dtype = dtype_of(given) or ("" if given is not None else out.dtype)
    return out


def _torch(rest: str, name: str, event: Event) -> Value:
    tail = rest.rpartition(".")[2]
    args, kwargs = event.args, event.kwargs
    if rest in ("no_grad", "inference_mode", "autograd.no_grad"):
        return Value("no_grad")
    if rest == "device":
        return Value("device", const=args[0].const if args else None, inputs=tuple(args))
    if rest.startswith("nn.init."):
        return args[0] if args else Value()
    if rest.startswith(("nn.functional.", "functional.")) and (
        "loss" in tail or "cross_entropy" in tail
    ):
        return loss_value(Value("loss", name, library="torch", inputs=tuple(args)), args, kwargs)
    if rest.startswith("nn.functional."):
        return op(tail, args, kwargs, "torch", event)
    if rest in ("nn.Sequential",):
        made = _object("model", name, "torch", event)
        if all(a.kind in ("layer", "model") for a in args):
            made.facts["layers"] = list(args)
        return made
    if rest in ("nn.Parameter", "nn.parameter.Parameter"):
        x = args[0] if args else Value()
        out = Value(
            "tensor", "parameter", library="torch", shape=x.shape, inputs=(*args,), dtype=x.dtype
        )
        out.facts["leaf"] = True
        return out
    if rest.startswith("nn.") and tail[:1].isupper() and rest.count(".") <= 2:
        return _object("loss" if tail.endswith("Loss") else "layer", name, "torch", event)
    if rest.startswith("optim.") and tail[:1].isupper():
        kind = "scheduler" if "lr_scheduler" in rest or tail.endswith("LR") else "optimizer"
        return _object(kind, name, "torch", event)
    if tail == "DataLoader":
        return _loader(event)
    if tail == "TensorDataset":
        made = _object("dataset", name, "torch", event)
        shapes = [a.shape for a in args if a.shape]
        if shapes and len(shapes) == len(args):
            made.facts["row"] = [
                Value("tensor", library="torch", shape=s[1:], dtype=a.dtype, inputs=(a,))
                for a, s in zip(args, shapes, strict=True)
            ]
            made.facts["length"] = shapes[0][0]
        return made
    if rest in (
        "tensor",
        "as_tensor",
        "from_numpy",
        "Tensor",
        "FloatTensor",
        "LongTensor",
        "asarray",
    ):
        out = _given(event, "torch")
        if rest in ("Tensor", "FloatTensor"):
            out.dtype = "float"
            if args and args[0].kind == "number":
                out.shape = sizes_of(args)
        flag = kwargs.get("requires_grad")
        if flag is not None and flag.const is True:
            out.facts["leaf"] = True
        return out
    if rest in DRAWS or rest in FILLS:
        given = args if rest not in ("randint", "normal", "full") else []
        if rest == "randint":
            given = [a for a in args if a.kind in ("tuple", "list")]
        out = Value("tensor", library="torch", shape=sizes_of(given), inputs=tuple(args))
        out.dtype = dtype_of(kwargs.get("dtype")) or ("int" if rest == "randint" else "float")
        out.facts["drawn"] = rest in DRAWS
        out.facts["empty"] = rest == "empty"
        out.facts["leaf"] = getattr(kwargs.get("requires_grad"), "const", None) is True
        out.device = kwargs.get("device")
        return out
    if rest in ("arange", "linspace"):
        out = Value("tensor", library="torch", inputs=tuple(args))
        whole = all(isinstance(a.const, int) for a in args)
        out.dtype = dtype_of(kwargs.get("dtype")) or (
            "float" if rest == "linspace" or not whole else "int"
        )
        consts = [a.const for a in args]
        if rest == "arange" and whole and args:
            out.shape = (len(range(*consts)),) if 0 not in consts[2:] else None
        elif rest == "linspace":
            steps = event.number(2, "steps")
            out.shape = (steps,) if steps is not None else None
        return out
    if "." not in rest and tail[:1].islower():
        return op(tail, args, kwargs, "torch", event)
    return Value(inputs=(*args, *kwargs.values()))


def _loader(event: Event) -> Value:
    made = _object("loader", "torch.utils.data.DataLoader", "torch", event)
    data = event.args[0] if event.args else event.kwargs.get("dataset")
    if data is None:
        return made
    batch = event.number(1, "batch_size", 1)
    made.facts |= {"dataset": data, "batch": batch}
    row = data.facts.get("row")
    if row is not None and "collate_fn" not in event.kwargs:
        items = [
            Value(r.kind, library=r.library, dtype=r.dtype, inputs=(data, r), facts=dict(r.facts),
                  shape=None if r.shape is None else (None, *r.shape))
            for r in row
        ]  # fmt: skip
        made.facts["element"] = Value("list", items=items, inputs=(data,))
    length = data.facts.get("length")
    drop = event.kwargs.get("drop_last")
    if isinstance(length, int) and batch and drop is None:
        made.facts["batches"] = -(-length // batch)
    return made


def _vision(rest: str, event: Event) -> Value:
    tail = rest.rpartition(".")[2]
    if rest.startswith("transforms."):
        return _object("transform", f"torchvision.{rest}", "torchvision", event)
    if tail not in DATASETS:
        return Value(inputs=tuple(event.args))
    made = _object("dataset", f"torchvision.{rest}", "torchvision", event)
    shape, train, test = DATASETS[tail]
    flag = event.arg(1, "train")
    part = {True: "train", False: "test"}.get(flag.const if flag else True)
    made.facts |= {"part": part, "length": {"train": train, "test": test}.get(part or "")}
    names = [v.tail for v in transforms(event.arg(2, "transform"))]
    if "ToTensor" in names and not {
        "Resize",
        "Pad",
        "CenterCrop",
        "RandomCrop",
        "Lambda",
        "",
    } & set(names):
        image = Value("tensor", library="torch", shape=shape, dtype="float", facts={"part": part})
        label = Value(
            "tensor", library="torch", shape=(), dtype="int", facts={"part": part, "classes": True}
        )
        made.facts["row"] = [image, label]
    return made


def transforms(value: Value | None) -> list[Value]:
    """The steps of a transform, in order."""
    if value is None or value.kind != "transform":
        return [] if value is None else [value]
    if value.tail != "Compose":
        return [value]
    items = value.args[0].items if value.args else None
    return list(items) if items is not None else [Value()]


def _numpy(rest: str, event: Event) -> Value:
    tail = rest.rpartition(".")[2]
    args = event.args
    out = Value("array", library="np", inputs=tuple(args))
    if rest in ("array", "asarray"):
        out = _given(event, "np", "array")
    elif rest.startswith("random.") or tail in ("zeros", "ones"):
        if tail in ("seed", "default_rng", "RandomState"):
            return Value(inputs=tuple(args))
        out.shape = (
            sizes_of(args)
            if tail in ("rand", "randn", "random", "zeros", "ones")
            else shape_of(event.kwargs.get("size"))
        )
        out.dtype = dtype_of(event.kwargs.get("dtype")) or ("int" if "randint" in tail else "float")
        out.facts["drawn"] = rest.startswith("random.")
    elif tail in ("linspace", "arange"):
        out.dtype = "float" if tail == "linspace" else ""
        if tail == "linspace":
            n = event.number(2, "num", 50)
            out.shape = (n,) if n is not None else None
    elif tail in ("float32", "float64", "int64", "int32"):
        return Value("number")
    else:
        out = op(tail, args, event.kwargs, "np", event)
    return out


def _tensorflow(rest: str, name: str, first: str, event: Event) -> Value:
    tail = rest.rpartition(".")[2]
    args, kwargs = event.args, event.kwargs
    if rest == "GradientTape":
        return _object("tape", name, first, event)
    if tail in ("Session", "InteractiveSession"):
        return _object("session", name, first, event)
    if tail == "placeholder" or rest == "placeholder":
        made = _object("placeholder", name, first, event)
        made.shape, made.dtype = shape_of(event.arg(1, "shape")), dtype_of(event.arg(0, "dtype"))
        return made
    if tail == "placeholder_with_default":
        return _object("placeholder", name, first, event)
    if rest in ("Variable", "get_variable"):
        if rest == "Variable":
            made = (
                _given(Event(name, event.node, None, ()), first, "variable")
                if not args
                else _given(_first(event), first, "variable")
            )
            made.dtype = dtype_of(kwargs.get("dtype")) or ("" if "dtype" in kwargs else made.dtype)
        else:
            made = Value("variable", name, shape=shape_of(event.arg(1, "shape")), dtype="float")
        made.library, made.name, made.inputs = first, name, (*args, *kwargs.values())
        return made
    if rest == "constant" or tail == "convert_to_tensor":
        return _given(event, first)
    if rest.startswith("layers."):
        layer = Value(
            "layer", f"tf.layers.{tail}", library=first, args=args[1:], kwargs=dict(kwargs)
        )
        x = args[0] if args else kwargs.get("inputs", Value())
        layer.facts["shift"] = True
        out = Value("tensor", library=first, inputs=(*args, layer), dtype="float")
        if tail in _KERAS:
            _KERAS[tail](layer, x, out, event)
        elif tail == "dropout":
            out.shape = x.shape
        given = kwargs.get("activation") or (args[2] if tail == "dense" and len(args) > 2 else None)
        soft = given.tail if given is not None else ""
        out.soft = soft if soft in SOFT else ""
        out.facts |= {"layer": tail, "made_layer": layer, "from": x, "call": event.node}
        return out
    if rest.startswith("keras."):
        return _keras(rest[6:], tail, first, name, event)
    if rest.startswith("train.") and tail.endswith("Optimizer"):
        return _object("optimizer", name, first, event)
    if tail.startswith(("softmax_cross_entropy", "sparse_softmax_cross_entropy")):
        logits = kwargs.get("logits") or (args[1] if len(args) > 1 else None)
        out = Value("tensor", library=first, inputs=(*args, *kwargs.values()), dtype="float")
        whole = rest.startswith("losses.")
        out.shape = (
            () if whole else logits.shape[:-1] if logits is not None and logits.shape else None
        )
        out.facts["loss"] = True
        return out
    if tail == "sigmoid_cross_entropy_with_logits":
        logits = kwargs.get("logits")
        return Value(
            "tensor",
            library=first,
            inputs=(*args, *kwargs.values()),
            shape=logits.shape if logits else None,
        )
    if rest in ("losses.mean_squared_error", "losses.absolute_difference"):
        # In TF 1 one number, in TF 2 (where the name was kept for some time) one for each example.
        out = Value(
            "tensor",
            library=first,
            inputs=(*args, *kwargs.values()),
            dtype="float",
            facts={"loss": True},
        )
        out.shape = (
            ()
            if first == "tf1"
            else args[1].shape[:-1]
            if len(args) > 1 and args[1].shape
            else None
        )
        return out
    if tail in DRAWS or tail in FILLS:
        out = Value("tensor", library=first, inputs=(*args, *kwargs.values()))
        out.shape = shape_of(event.arg(0, "shape"))
        out.dtype = dtype_of(kwargs.get("dtype")) or "float"
        out.facts["drawn"] = tail in DRAWS
        return out
    if tail in ("global_variables_initializer", "initialize_all_variables"):
        return Value("initializer", name, library=first)
    if tail == "no_gradient":
        return Value()
    return op(tail, args, kwargs, first, event)


def _first(event: Event) -> Event:
    alone = Event(event.name, event.node, None, ())
    alone.args = event.args[:1]
    alone.kwargs = {k: v for k, v in event.kwargs.items() if k == "dtype"}
    return alone


def _keras(rest: str, tail: str, first: str, name: str, event: Event) -> Value:
    args, kwargs = event.args, event.kwargs
    if tail == "Sequential":
        made = _object("model", name, first, event)
        given = args[0] if args else kwargs.get("layers")
        if given is None:
            made.facts["layers"] = []
        elif given.items is not None and all(
            i.kind in ("layer", "model", "symbolic") for i in given.items
        ):
            made.facts["layers"] = list(given.items)
            _infer(made, event)
        return made
    if rest in ("Model", "models.Model"):
        return _object("model", name, first, event)
    if tail == "Input" or tail == "InputLayer":
        return _object("symbolic", name, first, event)
    if rest.startswith("layers.") and tail[:1].isupper():
        return _object("layer", name, first, event)
    if rest.startswith("losses.") and tail[:1].isupper() and not tail.isupper():  # MSE is one too
        return _object("loss", name, first, event)
    if rest.startswith("losses.") or (rest.startswith("metrics.") and not tail[:1].isupper()):
        out = Value(
            "tensor",
            library=first,
            inputs=(*args, *kwargs.values()),
            dtype="float",
            facts={"loss": True},
        )
        shape = next((a.shape for a in args[::-1] if a.shape), None)
        out.shape = shape[:-1] if shape else None
        return out
    if rest.startswith("optimizers."):
        return _object("optimizer", name, first, event)
    if rest.startswith("datasets.") and tail == "load_data":
        return loaded(rest.split(".")[1])
    if tail == "to_categorical":
        x = args[0] if args else Value()
        out = Value("array", library="np", inputs=(*args, *kwargs.values()), dtype="float")
        n = event.number(1, "num_classes")
        out.shape = (*x.shape, n) if x.shape is not None else None
        out.facts = {k: v for k, v in x.facts.items() if k == "part"} | {"onehot": True}
        return out
    return Value(inputs=(*args, *kwargs.values()))


def loaded(name: str) -> Value:
    """What ``load_data()`` of a Keras data set gives."""
    if name not in LOADED:
        return Value(facts={"loaded": name})
    shape, *counts = LOADED[name]
    halves = []
    for part, n in zip(("train", "test"), counts, strict=True):
        images = Value("array", library="np", shape=(n, *shape), dtype="int", facts={"part": part})
        labels = Value(
            "array", library="np", shape=(n,), dtype="int", facts={"part": part, "classes": True}
        )
        halves.append(Value("tuple", items=[images, labels]))
    return Value("tuple", items=halves)


def _infer(model: Value, event: Event | None = None) -> None:
    """The shapes within a Sequential that says its input shape."""
    layers = model.facts["layers"]
    if not layers:
        return
    given = layers[0].kwargs.get("input_shape") or (
        layers[0].arg(0, "shape") if layers[0].kind == "symbolic" else None
    )
    sizes = shape_of(given)
    dim = layers[0].number(-1, "input_dim")
    if sizes is None and dim is not None:
        sizes = (dim,)
    if sizes is None:
        return
    x = Value("tensor", library="tf", shape=(None, *sizes), dtype="float")
    quiet = event or Event("", ast.Call(ast.Name("", ast.Load()), [], []), None, ())
    for layer in layers:
        if layer.kind == "symbolic":
            continue
        layer.facts["input"] = x
        x = _applied(layer, x, quiet)
        layer.facts["output"] = x
    model.facts["output"] = x


def builtin(name: str, args: list[Value]) -> Value:
    """What a built-in function gives."""
    if name == "range":
        consts = [a.const for a in args]
        length = (
            len(range(*consts))
            if args and all(isinstance(c, int) for c in consts) and 0 not in consts[2:]
            else None
        )
        return Value("range", inputs=tuple(args), facts={"length": length})
    if name == "enumerate" and args:
        pair = Value("tuple", items=[Value("number"), element(args[0])])
        return Value("list", inputs=tuple(args), facts={"element": pair, "over": args[0]})
    if name == "zip":
        row = Value("tuple", items=[element(a) for a in args])
        return Value("list", inputs=tuple(args), facts={"element": row})
    if name in ("float", "int", "round", "abs", "sum", "max", "min", "len"):
        return Value("number" if name == "len" else "", inputs=tuple(args))
    if name in ("list", "tuple", "sorted", "reversed") and args:
        return Value("list", items=args[0].items, inputs=tuple(args), facts=dict(args[0].facts))
    if name == "print":
        return Value("number", const=None)
    return Value(inputs=tuple(args))


# What a notebook has -----------------------------------------------------------------------------


def of_object(thing: Any) -> Value:
    """What is known of a real value: the kind, the shape and the dtype, never the numbers."""
    kind = type(thing)
    if isinstance(thing, (bool, int, float, str)) or thing is None:
        return Value("number", const=thing)
    shape, dtype = getattr(thing, "shape", None), getattr(thing, "dtype", None)
    if isinstance(shape, tuple) and dtype is not None:
        module = kind.__module__.partition(".")[0]
        library = {"numpy": "np", "minitorch_lab": "torch", "tensorflow": "tf"}.get(module, module)
        if kind.__module__.startswith("minitorch_lab.tf"):
            library = "tf"
        value = Value(
            "array" if library == "np" else "tensor", library=library, shape=tuple(map(int, shape))
        )
        value.dtype = dtype_of(Value("number", const=str(dtype).rpartition(".")[2]))
        if getattr(thing, "requires_grad", False) and getattr(thing, "node", None) is None:
            value.facts["leaf"] = True
        return value
    return Value()


def count(shape: Shape | None) -> int | None:
    """How many entries a shape has."""
    return None if shape is None or None in shape else prod(n for n in shape if n is not None)
