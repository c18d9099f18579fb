"""A graph as a program in one of five styles: PyTorch, tape, function, Keras, session.

What was traced is written down again, an op to a line. A table says each op in the words of PyTorch
and in those of TensorFlow; around the lines stands what a style is about: who keeps the weights,
and who asks for gradients. TensorFlow keeps pictures with their channels last and the weights of a
layer as ``(in, out)``: both are turned where they come in.
"""

from __future__ import annotations

import keyword
import linecache
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..device import to_host
from ..errors import ArgumentError, KindError, describe
from ..graph.ir import Equation, Graph, Var, _attr_text
from ..graph.session import Session
from ..graph.trace import Argument, Captured, trace
from ..nn import Module
from ..op import INTERPRETER
from ..tape import location
from ..tensor import NO_GRAD, Tensor, tensor

STYLES = ("PyTorch", "tape", "function", "Keras", "session")
SMALL = 16  # entries: a larger constant is kept beside the program, among the weights


class Code(str):
    """A program as text. ``weights`` are the arrays that it begins with, by name.

    ``run(*inputs)`` runs it: the arrays that ``program(*inputs)`` gives. ``gradients(*inputs)`` are
    those of the weights, for a program whose result is one number.
    """

    style: str
    weights: dict[str, Any]

    def names(self) -> dict[str, Any]:
        """The names that there are after the program: ``program``, and what it is made of."""
        file = f"<{self.style} style>"
        linecache.cache[file] = len(self), None, self.splitlines(keepends=True), file
        names: dict[str, Any] = {"weights": self.weights, "__name__": "program"}
        exec(compile(str(self), file, "exec"), names)  # noqa: S102  our own text
        return names

    def run(self, *inputs: Any) -> list[Any]:
        """The results of the program for these inputs, as arrays."""
        return _arrays(self.names()["program"](*inputs))

    def gradients(self, *inputs: Any) -> list[Any]:
        """The gradients of its one number with respect to the weights that are learned."""
        return _arrays(self.names()["gradients"](*inputs))


def _arrays(found: Any) -> list[Any]:
    several = found if isinstance(found, (list, tuple)) else [found]
    return [to_host(x.detach().array) if isinstance(x, Tensor) else np.asarray(x) for x in several]


def as_code(what: Any, style: str, *inputs: Any) -> Code:
    """The program that computes what ``what(*inputs)`` computes, in one of five styles.

    ``what`` is a function, a module, a Keras model, a tuple ``(session, fetches, feeds)``, or a
    graph; ``style`` is "PyTorch", "tape", "function", "Keras" or "session". The program takes
    batches of any size where the shapes allow it.

    Raises ArgumentError for the first op that a style cannot say.

    >>> from minitorch_lab.tensor import tensor
    >>> print(as_code(lambda x: (x * 2).relu(), "function", tensor([1.0, -1.0])))
    import minitorch_lab as lab
    from minitorch_lab.nn import functional as F
    <BLANKLINE>
    def program(x):
        mul_1 = x * 2
        relu_2 = F.relu(mul_1)
        return relu_2
    <BLANKLINE>
    """
    known = {s.lower(): s for s in STYLES}
    chosen = known.get(style.lower()) if isinstance(style, str) else None
    if chosen is None:
        raise ArgumentError(
            f"as_code(what, style): got {describe(style)}\n"
            f"  expected one of {', '.join(map(repr, STYLES))}"
        )
    source = _source(what, inputs)
    writer = WRITERS[chosen](source, chosen)
    code = Code(writer.text())
    code.style, code.weights = chosen, writer.weights
    return code


# What is written -------------------------------------------------------------------------------


@dataclass(eq=False)
class Source:
    """A traced graph: its equations, what comes in, and the arrays that it closes over."""

    graph: Graph
    inputs: list[Var]
    kept: dict[int, tuple[str, Any]]  # by var: name and array
    learned: list[int]
    batch: int | None = None
    alias: dict[int, Var] = field(default_factory=dict)


def _source(what: Any, inputs: tuple[Any, ...]) -> Source:
    names: dict[int, str] = {}
    if isinstance(what, Graph):
        return _made(what, list(what.inputs), {})
    if isinstance(what, tuple) and what and isinstance(what[0], Session):
        session, fetches, feeds = (*what, None)[:3]
        program, fed, *_ = session._prepare(fetches, feeds)
        function, inputs, keys = program.compiled.function, tuple(fed), [v.name for v in fed]
    elif callable(what):
        function, keys = getattr(what, "function", what), []
        if isinstance(what, Module):
            names = {id(p): n for n, p in [*what.named_parameters(), *what.named_buffers()]}
            names |= {id(w): w.path for w in getattr(what, "weights", ()) if hasattr(w, "path")}
        inputs = tuple(x if isinstance(x, Tensor) else tensor(x) for x in inputs)
    else:
        raise KindError(
            f"as_code(what): got {describe(what)}\n"
            "  expected a function, a module, (session, fetches, feeds) or a graph"
        )
    token = INTERPRETER.set(NO_GRAD)
    try:
        traced = trace(function, inputs, {}, recording=False)
    finally:
        INTERPRETER.reset(token)
    if traced.graph.updates:
        v = traced.graph.updates[0][0]
        raise ArgumentError(
            f"as_code(what): it changes {v.name or 'a tensor'!r}\n"
            "  expected something that only computes: a model or its loss, not a step of training\n"
            "  gradients are part of the program where the result is one number"
        )
    kept: dict[int, tuple[str, Any]] = {}
    given = []
    for v, binding in zip(traced.graph.inputs, traced.bindings, strict=True):
        if isinstance(binding, Argument):
            given.append(v)
        elif isinstance(binding, Captured):
            name = names.get(id(binding.tensor)) or v.name or f"weight{len(kept) + 1}"
            kept[v.id] = name, to_host(binding.tensor.array)
        else:
            kept[v.id] = v.name, np.asarray(binding.value([]))
    learned = [
        v.id for v, b in zip(traced.graph.inputs, traced.bindings, strict=True)
        if isinstance(b, Captured) and (v.kind == "param" or keys) and v.spec.dtype.kind == "f"
    ]  # fmt: skip
    if keys:
        by_name = {v.id: replace_name(name) for v, name in zip(given, keys, strict=False)}
        given = [_named(v, by_name.get(v.id, v.name)) for v in given]
    return _made(traced.graph, given, kept, learned)


def replace_name(name: str) -> str:
    """The name of a tensor without the number of the result."""
    return str(name).partition(":")[0]


def _named(v: Var, name: str) -> Var:
    return Var(v.id, v.spec, name, v.kind)


def _made(
    graph: Graph, inputs: list[Var], kept: dict[int, tuple[str, Any]], learned: Sequence[int] = ()
) -> Source:
    made = Source(graph, inputs, kept, list(learned))
    firsts = {v.spec.shape[0] for v in inputs if v.spec.shape}
    if len(firsts) == 1 and 1 not in firsts:
        batch = firsts.pop()  # data of the same size may be meant for this batch only
        fixed = any(v.spec.shape[:1] == (batch,) for v, _ in graph.constants)
        made.batch = None if fixed else batch
    return made


# Writing ---------------------------------------------------------------------------------------


class Writer:
    """Lines of a program. A subclass is a style."""

    module = "torch"  # what functions are called by
    tensorflow = False

    def __init__(self, source: Source, style: str) -> None:
        self.source, self.style = source, style
        self.lines: list[str] = []
        self.expr: dict[int, str] = {}
        self.last: set[int] = set()  # values that are kept with their channels last
        self.taken = {"weights", "program", "gradients", "forward", "self", "session", "graph",
                      "torch", "tf", "lab", "nn", "keras", "F", "loss", "tape", "init", "inputs",
                      "values", "learned", "found"}  # fmt: skip
        self.weights: dict[str, Any] = {}
        self.params: dict[int, tuple[str, str]] = {}  # by var: Python's name, and that of weights
        self.layers: list[tuple[str, Equation]] = []
        self.count = 0
        self.vars = {v.id: v for v in source.graph.inputs}
        self.inputs = [self.named(v.name or f"x{i}") for i, v in enumerate(source.inputs)]
        self.expr |= {v.id: n for v, n in zip(source.inputs, self.inputs, strict=True)}
        self.uses: dict[int, list[Equation]] = {}
        for e in source.graph.equations:
            for x in e.inputs:
                if isinstance(x, Var):
                    self.uses.setdefault(x.id, []).append(e)
        names: set[str] = set()
        for number, (name, array) in source.kept.items():
            key = _free(name, names)
            self.weights[key] = array
            self.params[number] = self.named(key), key
        self.scalar = self._is_loss()

    def _is_loss(self) -> bool:
        outputs = self.source.graph.outputs
        one = len(outputs) == 1 and outputs[0].spec.size == 1 and not outputs[0].spec.number
        return one and outputs[0].spec.dtype.kind == "f" and bool(self.source.learned)

    def named(self, name: str) -> str:
        """A name that Python takes and that is free."""
        plain = re.sub(r"\W+", "_", name).strip("_") or "x"
        if plain[0].isdigit():
            plain = f"layer{plain}"
        if keyword.iskeyword(plain):
            plain += "_"
        return _free(plain, self.taken)

    def line(self, text: str) -> None:
        """Add a line to the body."""
        self.lines.append(text)

    def use(self, x: Any) -> str:
        """A value in an expression."""
        if not isinstance(x, Var):
            return repr(x)
        found = self.expr.get(x.id)
        if found is None:
            if x.id in self.params:
                found = self.param(x.id)
            else:
                found = self.constant(x)
            self.expr[x.id] = found
        return found

    def first(self, x: Any) -> str:
        """A value with its channels where the graph has them."""
        text = self.use(x)
        if isinstance(x, Var) and x.id in self.last:
            turned = f"{text}_first"
            if turned not in self.taken:
                self.taken.add(turned)
                self.line(f"{turned} = tf.transpose({text}, (0, 3, 1, 2))")
            return turned
        return text

    def channels_last(self, x: Var) -> str:
        """A value with its channels last."""
        text = self.use(x)
        return text if x.id in self.last else f"tf.transpose({text}, (0, 2, 3, 1))"

    def constant(self, x: Var) -> str:
        """Data of the program: small ones are written out."""
        array = next(a for v, a in self.source.graph.constants if v.id == x.id)
        array = to_host(array)
        if array.size <= SMALL:
            return self.data(repr(array.tolist()), array.dtype.name)
        key = _free("constant", set(self.weights))
        self.weights[key] = array
        return self.data(f"weights[{key!r}]", array.dtype.name)

    def data(self, text: str, dtype: str) -> str:
        """An expression for data."""
        dtype = f"{dtype}_" if dtype == "bool" and not self.tensorflow else dtype
        maker = "constant" if self.tensorflow else "tensor"
        return f"{self.module}.{maker}({text}, dtype={self.module}.{dtype.rstrip('_')})"

    def param(self, number: int) -> str:
        """What the style calls a weight."""
        return self.params[number][0]

    def turned(self, number: int) -> str:
        """How a weight is laid out for this style: "" as it is, else the op that it belongs to."""
        if not self.tensorflow:
            return ""
        uses = self.uses.get(number, [])
        kinds = {e.op.name for e in uses if len(e.inputs) > 1 and _is(e.inputs[1], number)}
        whole = kinds in ({"linear"}, {"conv2d"}) and all(
            _is(e.inputs[1], number) and not _is(e.inputs[0], number) for e in uses
        )
        return kinds.pop() if whole else ""

    def array(self, number: int) -> str:
        """The array of a weight, as the style keeps it."""
        text = f"weights[{self.params[number][1]!r}]"
        return (
            text + {"": "", "linear": ".T", "conv2d": ".transpose(2, 3, 1, 0)"}[self.turned(number)]
        )

    def body(self) -> list[str]:
        """The lines of all equations, and what is returned."""
        for e in self.source.graph.equations:
            self.equation(e)
        results = [self.first(v) for v in self.source.graph.outputs]
        return [*self.lines, self.returned(results)]

    def returned(self, results: list[str]) -> str:
        """The last line."""
        return f"return {', '.join(results)}"

    def equation(self, e: Equation) -> None:
        """One op to a line."""
        if e.op.name == "clone":
            self.expr[e.out.id] = self.use(e.inputs[0])
            if isinstance(e.inputs[0], Var) and e.inputs[0].id in self.last:
                self.last.add(e.out.id)
            return
        table = TENSORFLOW if self.tensorflow else PYTORCH
        row = table.get(e.op.name)
        said = None if row is None else row(self, e)
        if said is None:
            self.refuse(e)
        self.count += 1
        name = self.named(f"{e.op.name}_{self.count}")
        self.line(f"{name} = {said}")
        self.expr[e.out.id] = name

    def refuse(self, e: Equation) -> None:
        """The error for an op that the style has no words for."""
        where = location(e)
        attrs = ", ".join(f"{k}={_attr_text(v)}" for k, v in e.attrs.items() if k != "parts")
        others = [s for s in STYLES if s != self.style and e.op.name in (
            TENSORFLOW if WRITERS[s].tensorflow else PYTORCH)]  # fmt: skip
        drawn = "  it draws random numbers: model.eval() leaves dropout out\n" * e.op.random
        raise ArgumentError(
            f"as_code: the {self.style} style cannot say {e.op.name!r}\n"
            f"  op        {e.op.name}({attrs})"
            + (f", {where}: {where.text}" if where else "")
            + f"\n{drawn}  expected  ops that have a line in the style's table"
            + (f"; {', '.join(others)} may say it" if others and not e.op.random else "")
        )

    def layer(self, e: Equation) -> str:
        """The layer that computes an op with its weights; "" where there is none."""
        return ""

    def shape(self, shape: Sequence[int]) -> str:
        """A shape, open where it is that of the batch."""
        sizes = list(shape)
        if sizes and self.source.batch is not None and sizes[0] == self.source.batch:
            sizes[0] = -1
        return f"({', '.join(map(str, sizes))}{',' * (len(sizes) == 1)})"

    def text(self) -> str:
        """The whole program."""
        raise NotImplementedError


def _free(name: str, taken: set[str]) -> str:
    found, n = name, 1
    while found in taken:
        n += 1
        found = f"{name}_{n}"
    taken.add(found)
    return found


def _is(x: Any, number: int) -> bool:
    return isinstance(x, Var) and x.id == number


def _block(head: str, lines: Sequence[str]) -> list[str]:
    return [head, *("    " + line if line else "" for line in lines)]


# The words for ops -----------------------------------------------------------------------------

Row = Callable[[Writer, Equation], str | None]
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "matmul": "@",
             "gt": ">", "ge": ">=", "lt": "<", "le": "<="}  # fmt: skip
SAME = {"exp", "log", "sqrt", "rsqrt", "sin", "cos", "tan", "tanh", "sigmoid", "abs", "sign",
        "floor", "ceil", "round", "square", "erf", "log1p", "expm1"}  # fmt: skip
OF_NN = {"relu", "silu", "elu", "softplus"}
OF_MATH = {"erf", "log1p", "expm1", "rsqrt", "ceil"}  # stand in tf.math only
REDUCTIONS = {"sum": "reduce_sum", "mean": "reduce_mean", "amax": "reduce_max",
              "amin": "reduce_min", "prod": "reduce_prod"}  # fmt: skip


USUAL = {"padding": 0, "dilation": 1, "groups": 1, "keepdim": False}


def _usual(key: str, value: Any) -> bool:
    """Whether an attribute is what the functions of PyTorch take where none is given."""
    return key in USUAL and set(value if isinstance(value, tuple) else [value]) == {USUAL[key]}


def _call(name: str, *keys: str) -> Row:
    """``name(inputs, key=value)`` for the attributes that are known."""

    def row(w: Writer, e: Equation) -> str | None:
        if set(e.attrs) - set(keys):
            return None
        told = [k for k in keys if k in e.attrs and not _usual(k, e.attrs[k])]
        given = [w.use(x) for x in e.inputs] + [f"{k}={_attr_text(e.attrs[k])}" for k in told]
        return f"{name.format(m=w.module)}({', '.join(given)})"

    return row


def _operator(sign: str) -> Row:
    return lambda w, e: f"{w.use(e.inputs[0])} {sign} {w.use(e.inputs[1])}"


def _listed(name: str) -> Row:
    def row(w: Writer, e: Equation) -> str:
        given = ", ".join(w.use(x) for x in e.inputs)
        return f"{w.module}.{name}([{given}], dim={e.attrs['dim']})"

    return row


def _index(w: Writer, e: Equation) -> str:
    text = _attr_text(tuple(e.attrs["index"]))[1:-1].rstrip(",")
    return f"{w.first(e.inputs[0])}[{text}]"


PYTORCH: dict[str, Row] = {
    **{name: _operator(sign) for name, sign in OPERATORS.items()},
    **{name: _call("{m}." + name) for name in SAME | {"maximum", "minimum", "where", "reciprocal"}},
    **{name: _call("F." + name) for name in OF_NN - {"elu"}},
    **{name: _call("{m}." + name, "dim", "keepdim") for name in (*REDUCTIONS, "argmax", "argmin")},
    "neg": lambda w, e: f"-{w.use(e.inputs[0])}",
    "eq": _operator("=="), "ne": _operator("!="),
    "linear": _call("F.linear"),
    "conv2d": _call("F.conv2d", "stride", "padding", "dilation", "groups"),
    "max_pool2d": _call("F.max_pool2d", "kernel_size", "stride", "padding", "dilation"),
    "avg_pool2d": lambda w, e: _avg_pool_torch(w, e),
    "softmax": _call("F.softmax", "dim"), "log_softmax": _call("F.log_softmax", "dim"),
    "cross_entropy": _call("F.cross_entropy"), "mse_loss": _call("F.mse_loss"),
    "layer_norm": lambda w, e: _layer_norm_torch(w, e),
    "embedding": lambda w, e: f"F.embedding({w.use(e.inputs[0])}, {w.use(e.inputs[1])})",
    "standardize": lambda w, e: _standardize(w, e),
    "reshape": lambda w, e: f"{w.use(e.inputs[0])}.reshape{w.shape(e.attrs['shape'])}",
    "permute": lambda w, e: f"{w.use(e.inputs[0])}.permute{_attr_text(e.attrs['dims'])}",
    "expand": lambda w, e: f"{w.use(e.inputs[0])}.expand{_attr_text(tuple(e.attrs['shape']))}",
    "cat": _listed("cat"), "stack": _listed("stack"), "slice": _index,
    "clamp": lambda w, e: _clamp(w, e),
    "gather": lambda w, e: f"{w.module}.gather({w.use(e.inputs[0])}, {e.attrs['dim']}, "
                           f"{w.use(e.inputs[1])})",
    "to": lambda w, e: f"{w.use(e.inputs[0])}.to({w.module}.{e.out.spec.dtype.name})",
}  # fmt: skip


def _avg_pool_torch(w: Writer, e: Equation) -> str | None:
    size, pad = e.attrs["kernel_size"], e.attrs["padding"]
    if e.attrs["divisor"] != size[0] * size[1] or any(n != 1 for n in e.attrs["dilation"]):
        return None
    extra = "" if not any(pad) else f", padding={_attr_text(pad)}"
    return f"F.avg_pool2d({w.use(e.inputs[0])}, {size}, {e.attrs['stride']}{extra})"


def _layer_norm_torch(w: Writer, e: Equation) -> str:
    shape = tuple(e.out.spec.shape)[-e.attrs["count"] :]
    given = [w.use(e.inputs[0]), _attr_text(shape), *(w.use(x) for x in e.inputs[1:])]
    return f"F.layer_norm({', '.join(given)}, eps={e.attrs['eps']!r})"


def _standardize(w: Writer, e: Equation) -> str:
    """Mean 0 and variance 1 over some dimensions, in small steps."""
    x, dims = w.first(e.inputs[0]), _attr_text(e.attrs["dim"])
    mean = f"{w.module}.reduce_mean" if w.tensorflow else f"{w.module}.mean"
    words = f"{dims}, keepdims=True" if w.tensorflow else f"dim={dims}, keepdim=True"
    away = w.named(f"away_{w.count + 1}")
    w.line(f"{away} = {x} - {mean}({x}, {words})")
    root = f"{w.module}.sqrt({mean}({w.module}.square({away}), {words}) + {e.attrs['eps']!r})"
    return f"{away} / {root}"


def _clamp(w: Writer, e: Equation) -> str | None:
    low, high = e.attrs.get("min"), e.attrs.get("max")
    x = w.first(e.inputs[0])
    if len(e.inputs) > 1:
        return None
    if not w.tensorflow:
        given = [f"{k}={v!r}" for k, v in (("min", low), ("max", high)) if v is not None]
        return f"{w.module}.clamp({x}, {', '.join(given)})"
    kind = float if e.out.spec.dtype.kind == "f" else int
    if low is not None:
        x = f"tf.maximum({x}, {kind(low)!r})"
    return f"tf.minimum({x}, {kind(high)!r})" if high is not None else x


# In TensorFlow's words ---------------------------------------------------------------------------


def _cast(w: Writer, e: Equation, x: Any) -> str:
    """An input with the dtype that the others have: TensorFlow's ops cast nothing."""
    text = w.first(x)
    if not isinstance(x, Var) or x.spec.number:
        return text
    kinds = [y.spec.dtype for y in e.inputs if isinstance(y, Var) and not y.spec.number]
    floats = [isinstance(y, float) for y in e.inputs]
    wanted = np.result_type(*kinds)
    if e.out.spec.dtype.kind == "f":
        wanted = e.out.spec.dtype
    elif any(floats) and wanted.kind in "iu":
        wanted = np.dtype("float32")
    return text if x.spec.dtype == wanted else f"tf.cast({text}, tf.{wanted.name})"


def _tf_operator(sign: str) -> Row:
    return lambda w, e: f"{_cast(w, e, e.inputs[0])} {sign} {_cast(w, e, e.inputs[1])}"


def _tf_call(name: str) -> Row:
    return lambda w, e: f"tf.{name}({', '.join(_cast(w, e, x) for x in e.inputs)})"


def _pointwise(name: str) -> Row:
    """A function of each entry, which leaves channels where they are."""

    def row(w: Writer, e: Equation) -> str:
        if isinstance(e.inputs[0], Var) and e.inputs[0].id in w.last:
            w.last.add(e.out.id)
        return f"tf.{name}({w.use(e.inputs[0])})"

    return row


def _tf_reduce(name: str) -> Row:
    def row(w: Writer, e: Equation) -> str:
        x, axis = w.first(e.inputs[0]), e.attrs["dim"]
        whole = isinstance(e.inputs[0], Var) and set(axis) == set(range(e.inputs[0].spec.ndim))
        if whole and not e.attrs["keepdim"]:
            return f"tf.{name}({x})"
        keep = ", keepdims=True" if e.attrs["keepdim"] else ""
        return f"tf.{name}({x}, axis={_attr_text(tuple(axis))}{keep})"

    return row


def _tf_place(name: str) -> Row:
    def row(w: Writer, e: Equation) -> str | None:
        if e.attrs.get("dim") is None:
            return None
        axis = e.attrs["dim"]
        found = f"tf.{name}({w.first(e.inputs[0])}, axis={axis})"
        return f"tf.expand_dims({found}, {axis})" if e.attrs["keepdim"] else found

    return row


def _tf_linear(w: Writer, e: Equation) -> str:
    x, weight, *bias = e.inputs
    layer = w.layer(e)
    if layer:
        return f"{layer}({w.first(x)})"
    turned = "" if isinstance(weight, Var) and w.turned(weight.id) else ", transpose_b=True"
    more = "".join(f" + {w.first(b)}" for b in bias)
    return f"tf.matmul({w.first(x)}, {w.first(weight)}{turned}){more}"


def _tf_conv(w: Writer, e: Equation) -> str | None:
    x, weight, *bias = e.inputs
    padding = _padding(e)
    if padding is None or e.attrs["groups"] != 1 or any(n != 1 for n in e.attrs["dilation"]):
        return None
    text = w.channels_last(x)
    w.last.add(e.out.id)
    layer = w.layer(e)
    if layer:
        return f"{layer}({text})"
    kernel = w.first(weight)
    if not w.turned(weight.id):
        kernel = f"tf.transpose({kernel}, (2, 3, 1, 0))"
    step = list(e.attrs["stride"])
    more = "".join(f" + {w.first(b)}" for b in bias)
    return f"tf.nn.conv2d({text}, {kernel}, strides={step}, padding={padding!r}){more}"


def _padding(e: Equation) -> str | None:
    """The word for a padding; None where there is none."""
    pad = tuple(e.attrs["padding"])
    if not any(pad):
        return "VALID"
    size = e.inputs[1].spec.shape[2:]
    same = all(n % 2 and p == n // 2 for n, p in zip(size, pad, strict=True))
    return "SAME" if same and all(n == 1 for n in e.attrs["stride"]) else None


def _tf_pool(name: str) -> Row:
    def row(w: Writer, e: Equation) -> str | None:
        a = e.attrs
        if any(n != 1 for n in a["dilation"]):
            return None
        if "divisor" in a and a["divisor"] != a["kernel_size"][0] * a["kernel_size"][1]:
            return None
        text = w.channels_last(e.inputs[0])
        w.last.add(e.out.id)
        if any(a["padding"]):  # in TensorFlow no pool counts what is added, PyTorch's means do
            around = [[0, 0], *([n, n] for n in a["padding"]), [0, 0]]
            least = ", constant_values=float('-inf')" if name == "max_pool2d" else ""
            text = f"tf.pad({text}, {around}{least})"
        size, step = list(a["kernel_size"]), list(a["stride"])
        return f"tf.nn.{name}({text}, {size}, {step}, 'VALID')"

    return row


def _tf_listed(name: str) -> Row:
    def row(w: Writer, e: Equation) -> str:
        given = ", ".join(w.first(x) for x in e.inputs)
        return f"tf.{name}([{given}], axis={e.attrs['dim']})"

    return row


def _tf_layer_norm(w: Writer, e: Equation) -> str:
    n = e.out.spec.ndim
    dims = tuple(range(n - e.attrs["count"], n))
    plain = Equation(e.out, e.op, e.inputs[:1], {"dim": dims, "eps": e.attrs["eps"]})
    said = _standardize(w, plain)
    if len(e.inputs) > 1:
        said = f"({said}) * {w.first(e.inputs[1])}"
    return said + "".join(f" + {w.first(b)}" for b in e.inputs[2:])


def _tf_cross_entropy(w: Writer, e: Equation) -> str | None:
    if e.attrs or len(e.inputs) != 2 or e.inputs[0].spec.ndim != 2:
        return None
    z, y = (w.first(x) for x in e.inputs)
    if e.inputs[1].spec.dtype.kind in "iu":
        losses = f"tf.nn.sparse_softmax_cross_entropy_with_logits(labels={y}, logits={z})"
    else:
        losses = f"tf.nn.softmax_cross_entropy_with_logits(labels={y}, logits={z})"
    return f"tf.reduce_mean({losses})"


TENSORFLOW: dict[str, Row] = {
    **{name: _tf_operator(sign) for name, sign in OPERATORS.items()},
    **{name: _pointwise(f"math.{name}" if name in OF_MATH else name) for name in SAME},
    **{name: _pointwise(f"nn.{name}") for name in OF_NN},
    **{name: _tf_reduce(tf) for name, tf in REDUCTIONS.items()},
    "argmax": _tf_place("argmax"), "argmin": _tf_place("argmin"),
    "maximum": _tf_call("maximum"), "minimum": _tf_call("minimum"),
    "where": lambda w, e: f"tf.where({', '.join(w.first(x) for x in e.inputs)})",
    "neg": lambda w, e: f"-{w.first(e.inputs[0])}",
    "reciprocal": lambda w, e: f"1.0 / {w.first(e.inputs[0])}",
    "eq": _tf_call("equal"), "ne": _tf_call("not_equal"),
    "linear": _tf_linear, "conv2d": _tf_conv, "max_pool2d": _tf_pool("max_pool2d"),
    "avg_pool2d": _tf_pool("avg_pool2d"),
    "softmax": lambda w, e: f"tf.nn.softmax({w.first(e.inputs[0])}, axis={e.attrs['dim']})",
    "log_softmax": lambda w, e: f"tf.nn.log_softmax({w.first(e.inputs[0])}, axis={e.attrs['dim']})",
    "cross_entropy": _tf_cross_entropy,
    "mse_loss": lambda w, e: None if e.attrs else
    f"tf.reduce_mean(tf.square({w.first(e.inputs[0])} - {w.first(e.inputs[1])}))",
    "layer_norm": _tf_layer_norm, "standardize": lambda w, e: _standardize(w, e),
    "embedding": lambda w, e: f"tf.gather({w.first(e.inputs[1])}, {w.first(e.inputs[0])})",
    "reshape": lambda w, e: f"tf.reshape({w.first(e.inputs[0])}, {w.shape(e.attrs['shape'])})",
    "permute": lambda w, e: f"tf.transpose({w.first(e.inputs[0])}, {_attr_text(e.attrs['dims'])})",
    "expand": lambda w, e: f"tf.broadcast_to({w.first(e.inputs[0])}, {w.shape(e.attrs['shape'])})",
    "cat": _tf_listed("concat"), "stack": _tf_listed("stack"), "slice": _index,
    "clamp": lambda w, e: _clamp(w, e),
    "to": lambda w, e: f"tf.cast({w.first(e.inputs[0])}, tf.{e.out.spec.dtype.name})",
}  # fmt: skip


# The styles ------------------------------------------------------------------------------------


def _whole_layer(w: Writer, e: Equation) -> bool:
    """Whether an op and its weights are one layer: each weight is learned, and used only here."""
    params = [x for x in e.inputs[1:] if isinstance(x, Var)]
    return all(
        p.id in w.params and p.id in w.source.learned and w.uses[p.id] == [e] for p in params
    ) and bool(params)


class PyTorch(Writer):
    """A module with its layers, and ``forward``."""

    def param(self, number: int) -> str:
        """An attribute of the module."""
        return f"self.{self.params[number][0]}"

    def equation(self, e: Equation) -> None:
        """A layer where it is one, else an op to a line."""
        if not (e.op.name in ("linear", "conv2d") and _whole_layer(self, e)):
            super().equation(e)
            return
        self.count += 1
        name = self.named(f"{e.op.name}_{self.count}")
        self.layers.append((name, e))
        self.line(f"{name} = self.{name}({self.use(e.inputs[0])})")
        self.expr[e.out.id] = name

    def made(self) -> Iterator[str]:
        """The layers and the weights of the module."""
        inside = {x.id for _, e in self.layers for x in e.inputs[1:] if isinstance(x, Var)}
        for name, e in self.layers:
            bias = len(e.inputs) > 2
            yield f"self.{name} = {_torch_layer(e, bias)}"
            for word, x in zip(("weight", "bias"), e.inputs[1:], strict=False):
                array = self.array(x.id)
                yield f"self.{name}.{word} = nn.Parameter(torch.tensor({array}))"
        for number in self.params:
            if number not in inside:
                made = f"torch.tensor({self.array(number)})"
                made = f"nn.Parameter({made})" if number in self.source.learned else made
                yield f"self.{self.params[number][0]} = {made}"

    def text(self) -> str:
        """The whole program."""
        body = self.body()
        out = [
            "import minitorch_lab as torch",
            "from minitorch_lab import nn",
            "from minitorch_lab.nn import functional as F",
            "",
            "class Program(nn.Module):",
        ]
        start = ["super().__init__()", *self.made()]
        given = ", ".join(["self", *self.inputs])
        out += ["    " + x for x in _block("def __init__(self):", start)] + [""]
        out += ["    " + x for x in _block(f"def forward({given}):", body)]
        out += ["", "program = Program()", ""]
        if self.scalar:
            given = ", ".join(self.inputs)
            out += _block(f"def gradients({given}):", [
                "program.zero_grad()", f"program({given}).backward()",
                f"return [{', '.join(map(self.place, self.source.learned))}]",
            ])  # fmt: skip
        return "\n".join(_without_unused(out)) + "\n"

    def place(self, number: int) -> str:
        """Where the gradient of a weight is."""
        for name, e in self.layers:
            for word, x in zip(("weight", "bias"), e.inputs[1:], strict=False):
                if _is(x, number):
                    return f"program.{name}.{word}.grad"
        return f"program.{self.params[number][0]}.grad"


def _torch_layer(e: Equation, bias: bool) -> str:
    shape = e.inputs[1].spec.shape
    if e.op.name == "linear":
        return f"nn.Linear({shape[1]}, {shape[0]}{'' if bias else ', bias=False'})"
    words = [f"{shape[1] * e.attrs['groups']}, {shape[0]}, {_attr_text(tuple(shape[2:]))}"]
    defaults = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    for key, usual in defaults.items():
        value = e.attrs[key]
        plain = value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value
        if plain != usual:
            words.append(f"{key}={_attr_text(plain)}")
    return f"nn.Conv2d({', '.join(words)}{'' if bias else ', bias=False'})"


def _without_unused(lines: list[str]) -> list[str]:
    """Imports that nothing uses are left out."""
    text = "\n".join(line for line in lines if "import" not in line)
    return [
        line for line in lines
        if not (" as F" in line and "F." not in text)
        and not (line.endswith("import nn") and "nn." not in text)
        and not (line.endswith("import keras") and "keras." not in text)
    ]  # fmt: skip


class Function(Writer):
    """A function of weights and inputs, and its gradient, which is a function too."""

    module = "lab"

    def text(self) -> str:
        """The whole program."""
        body = self.body()
        names = [name for name, _ in self.params.values()]
        out = ["import minitorch_lab as lab", "from minitorch_lab.nn import functional as F", ""]
        given = ", ".join(self.inputs)
        if not names:
            return (
                "\n".join(_without_unused([*out, *_block(f"def program({given}):", body)])) + "\n"
            )
        order = [*self.source.learned, *(n for n in self.params if n not in self.source.learned)]
        names = [self.params[n][0] for n in order]
        out += [f"{self.params[n][0]} = lab.tensor({self.array(n)})" for n in order] + [""]
        everything = ", ".join([*names, *self.inputs])
        out += _block(f"def forward({everything}):", body)
        out += [
            "",
            "@lab.compile",
            *_block(f"def program({given}):", [f"return forward({everything})"]),
        ]
        if self.scalar:
            places = tuple(range(len(self.source.learned)))
            out += ["", *_block(f"def gradients({given}):", [
                f"return lab.func.grad(forward, {places})({everything})"])]  # fmt: skip
        return "\n".join(_without_unused(out)) + "\n"


class TensorFlow(Writer):
    """What the styles of TensorFlow have in common."""

    module = "tf"
    tensorflow = True

    def made(self) -> list[str]:
        """Variables and constants with the arrays of the weights."""
        return [
            f"{name} = tf.Variable({self.array(n)})" if n in self.source.learned
            else f"{name} = tf.constant({self.array(n)})"
            for n, (name, _) in self.params.items()
        ]  # fmt: skip

    def learned(self) -> str:
        """The weights that have gradients, as a list."""
        return f"[{', '.join(self.params[n][0] for n in self.source.learned)}]"


class Tape(TensorFlow):
    """Variables and a function; a tape looks on and knows the gradients."""

    def text(self) -> str:
        """The whole program."""
        body, given = self.body(), ", ".join(self.inputs)
        out = ["import minitorch_lab.tf as tf", "", *self.made(), *[""] * bool(self.params)]
        out += _block(f"def program({given}):", body)
        if self.scalar:
            out += ["", *_block(f"def gradients({given}):", [
                "with tf.GradientTape() as tape:", f"    loss = program({given})",
                f"return tape.gradient(loss, {self.learned()})"])]  # fmt: skip
        return "\n".join(out) + "\n"


class Keras(TensorFlow):
    """A model with Keras's layers, and ``call``."""

    def param(self, number: int) -> str:
        """An attribute of the model."""
        return f"self.{self.params[number][0]}"

    def layer(self, e: Equation) -> str:
        """A Dense or Conv2D layer, where the weights are its own."""
        if not _whole_layer(self, e):
            return ""
        name = f"{'dense' if e.op.name == 'linear' else 'conv'}_{self.count + 1}"
        self.layers.append((name, e))
        return f"self.{name}"

    def text(self) -> str:
        """The whole program."""
        body, given = self.body(), ", ".join(self.inputs)
        inside = {x.id for _, e in self.layers for x in e.inputs[1:] if isinstance(x, Var)}
        start = ["super().__init__()"]
        for name, e in self.layers:
            shape, bias = e.inputs[1].spec.shape, len(e.inputs) > 2
            more = "" if bias else ", use_bias=False"
            if e.op.name == "linear":
                start.append(f"self.{name} = keras.layers.Dense({shape[0]}{more})")
                built: tuple[Any, ...] = (None, shape[1])
            else:
                words = f"{shape[0]}, {tuple(shape[2:])}"
                step = e.attrs["stride"]
                words += f", strides={step}" if any(n != 1 for n in step) else ""
                pad = _padding(e)
                words += ", padding='same'" if pad == "SAME" else ""
                start.append(f"self.{name} = keras.layers.Conv2D({words}{more})")
                built = (None, None, None, shape[1])
            arrays = ", ".join(self.array(x.id) for x in e.inputs[1:])
            start += [f"self.{name}.build({built})", f"self.{name}.set_weights([{arrays}])"]
        for n, (name, _) in self.params.items():
            if n not in inside:
                made = "Variable" if n in self.source.learned else "constant"
                start.append(f"self.{name} = tf.{made}({self.array(n)})")
        out = ["import minitorch_lab.tf as tf", "from minitorch_lab.tf import keras", "",
               "class Program(keras.Model):"]  # fmt: skip
        out += ["    " + x for x in _block("def __init__(self):", start)] + [""]
        out += ["    " + x for x in _block(f"def call(self, {given}):", body)]
        out += ["", "program = Program()"]
        if self.scalar:
            out += ["", *_block(f"def gradients({given}):", [
                "with tf.GradientTape() as tape:", f"    loss = program({given})",
                f"return tape.gradient(loss, [{', '.join(map(self.place, self.source.learned))}])",
            ])]  # fmt: skip
        return "\n".join(out) + "\n"

    def place(self, number: int) -> str:
        """Where a weight is."""
        for name, e in self.layers:
            for word, x in zip(("kernel", "bias"), e.inputs[1:], strict=False):
                if _is(x, number):
                    return f"program.{name}.{word}"
        return f"program.{self.params[number][0]}"


class SessionStyle(TensorFlow):
    """A graph of placeholders and variables, and a session that runs it."""

    def text(self) -> str:
        """The whole program."""
        feeds = []
        for v, name in zip(self.source.inputs, self.inputs, strict=True):
            sizes: list[int | None] = [*v.spec.shape]
            if sizes and sizes[0] == self.source.batch:
                sizes[0] = None
            dtype = v.spec.dtype.name
            feeds.append(f"{name} = tf.placeholder(tf.{dtype}, {sizes}, name={name!r})")
        inside = [*feeds, *self.made(), *self.body()]
        if self.scalar:
            inside.append(f"slopes = tf.gradients(found, {self.learned()})")
        if self.params:
            inside.append("init = tf.global_variables_initializer()")
        out = ["import minitorch_lab.tf.compat.v1 as tf", "", "graph = tf.Graph()"]
        out += _block("with graph.as_default():", inside)
        out += ["", "session = tf.Session(graph=graph)", *["session.run(init)"] * bool(self.params)]
        fed = ", ".join(f"{name}: {name}_now" for name in self.inputs)
        given = ", ".join(f"{name}_now" for name in self.inputs)
        out += ["", *_block(f"def program({given}):", [
            f"return session.run(found, feed_dict={{{fed}}})"])]  # fmt: skip
        if self.scalar:
            out += ["", *_block(f"def gradients({given}):", [
                f"return session.run(slopes, feed_dict={{{fed}}})"])]  # fmt: skip
        return "\n".join(out) + "\n"

    def returned(self, results: list[str]) -> str:
        """What a run gives."""
        return f"found = {results[0] if len(results) == 1 else '[' + ', '.join(results) + ']'}"


WRITERS: dict[str, type[Writer]] = {
    "PyTorch": PyTorch, "tape": Tape, "function": Function, "Keras": Keras,
    "session": SessionStyle,
}  # fmt: skip
