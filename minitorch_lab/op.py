"""The op table: an op is one row.

Forward, gradient, shape rule, formula, cost, kernel text and sample inputs of an op stand
together. Calling an op asks the current interpreter what the call means: Compute runs it on
plain arrays, Record runs it and adds a node to the tape, Trace appends an equation to a graph.
Gradient rules are written with ops, so they work under all three.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import wraps
from math import prod
from typing import Any, Protocol, TypeVar, cast

import numpy as np

from . import dtypes, words
from .device import NAMESPACES
from .errors import (
    ArgumentError,
    DeviceError,
    DTypeError,
    GradError,
    KindError,
    LabError,
    ShapeError,
    describe,
)

Attrs = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spec:
    """What is known of a value before it is computed: shape, dtype, device.

    ``number`` marks a Python number (a learning rate, say): it has no dtype of its own.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    device: str = "cpu"
    number: bool = False

    @property
    def ndim(self) -> int:
        """How many dimensions the value has."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many entries the value has."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of memory for the value."""
        return self.size * self.dtype.itemsize

    def __str__(self) -> str:
        if self.number:
            return "number"
        device = "" if self.device == "cpu" else f" {self.device}"
        return f"{self.dtype} {self.shape}{device}"


@dataclass(frozen=True, slots=True)
class Cost:
    """The work of one call: floating point operations, and bytes read and written."""

    flops: int
    bytes: int


class Mismatch(Exception):
    """Raised by a shape rule: what is wrong, what was expected, what to do.

    The caller knows the op and where the inputs come from, and makes the message.
    """

    def __init__(
        self,
        problem: str,
        expected: str = "",
        hint: str = "",
        error: type[LabError] = ShapeError,
    ) -> None:
        super().__init__(problem)
        self.problem, self.expected, self.hint, self.error = problem, expected, hint, error


# Sample inputs -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draw:
    """A rule for drawing a test input of one shape."""

    kind: str
    shape: tuple[int, ...]
    low: float = 0.0
    high: float = 1.0

    def __call__(self, rng: np.random.Generator, dtype: Any = np.float64) -> Any:
        """Draw the input."""
        if self.kind == "normal":
            return np.asarray(rng.normal(size=self.shape), dtype)
        if self.kind == "uniform":
            return np.asarray(rng.uniform(self.low, self.high, self.shape), dtype)
        if self.kind == "apart":  # no two entries closer than the step of a finite difference
            flat = rng.permutation(prod(self.shape)) - prod(self.shape) / 2 + 0.25
            return np.asarray((flat * 0.1).reshape(self.shape), dtype)
        if self.kind == "mask":
            return rng.random(self.shape) < 0.5
        return rng.integers(int(self.low), int(self.high), self.shape)


def normal(*shape: int) -> Draw:
    """Standard normal entries."""
    return Draw("normal", shape)


def uniform(low: float, high: float, *shape: int) -> Draw:
    """Entries between ``low`` and ``high``."""
    return Draw("uniform", shape, low, high)


def apart(*shape: int) -> Draw:
    """Entries of which no two are close, and none is close to 0: for max, relu, sort."""
    return Draw("apart", shape)


def integers(high: int, *shape: int) -> Draw:
    """int64 entries from 0 to ``high - 1``."""
    return Draw("integers", shape, 0, high)


def mask(*shape: int) -> Draw:
    """Booleans."""
    return Draw("mask", shape)


@dataclass(frozen=True, slots=True)
class Sample:
    """The inputs and attributes of one test call."""

    inputs: tuple[Draw, ...]
    attrs: Attrs


def sample(*inputs: Draw, **attrs: Any) -> Sample:
    """A test call with these inputs and attributes."""
    return Sample(inputs, attrs)


# The table ---------------------------------------------------------------------------------

Rule = Callable[..., Any]


@dataclass(eq=False, slots=True, kw_only=True)
class Op:
    """One row of the table; call it to apply the op."""

    __doc__ = words.PerRow(words.text, __doc__)
    __signature__ = words.PerRow(words.signature)

    name: str
    doc: str
    forward: Callable[..., Any]  # (xp, *arrays, **attrs) -> array
    shape: Callable[..., Spec]  # (*specs, **attrs) -> Spec, or Mismatch
    formula: tuple[str, str]  # LaTeX: the value, the gradient
    vjp: tuple[Rule | None, ...] = ()  # for each input: (g, y, *inputs, **attrs) -> gradient
    jvp: Callable[..., Any] | None = None
    cost: Callable[..., Cost]
    samples: tuple[Sample, ...] = ()
    saved: frozenset[int] = frozenset()  # inputs whose values the gradient rules read
    saved_by: tuple[frozenset[int], ...] = ()  # the same, rule by rule
    saves_output: bool = False
    bind: Callable[..., tuple[tuple[Any, ...], Attrs]] | None = None
    arguments: tuple[str, ...] = ()
    variadic: bool = False  # any number of inputs; one rule, which gets the index first
    promotes: tuple[int, ...] | None = ()  # inputs that take a common dtype; None: all of them
    floats: bool = False  # integers become the default float first
    ufunc: str | None = None  # the NumPy ufunc that is this op: it can write into out=
    inplace: Callable[..., None] | None = None  # (xp, target, *arrays, **attrs): changes target
    view: bool = False  # the result shares the memory of the first input
    # a C expression of the inputs x, y, z, or what makes one of the attributes: means fusible
    kernel: str | Callable[..., str | None] | None = None
    onnx: str | None = None
    composition: Callable[..., Any] | None = None  # the same in smaller ops, (*inputs, **attrs)
    refuses: str = ""  # kinds of dtype that it does not take: "b" for bool, "B" even for one
    autocast: str = ""  # in a block of autocast: "low" is float16, "full" float32, "" as it comes
    random: bool = False  # draws from the generator: two calls differ
    example: str = ""  # a doctest that teaches what it does
    differentiable: bool = field(init=False)
    on_numpy: Callable[..., Any] | None = field(init=False)  # the ufunc itself, on the hot path

    def __post_init__(self) -> None:
        if self.saved and not self.saved_by:
            self.saved_by = (self.saved,) * len(self.vjp)
        self.differentiable = any(rule is not None for rule in self.vjp)
        self.on_numpy = None if self.ufunc is None else getattr(np, self.ufunc)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102  (IPython would show it)
        # The current interpreter says what the call means.
        if self.bind is not None:
            if "out" in kwargs:
                return into(self.name, self, args, kwargs)
            if "keepdims" in kwargs:  # NumPy's word, which PyTorch takes too
                kwargs["keepdim"] = kwargs.pop("keepdims")
            try:
                args, kwargs = self.bind(*args, **kwargs)
            except AttributeError as error:
                need_tensor(self.name, args, error)
                raise
            except TypeError:
                need_arguments(self.name, self.bind, args, kwargs)
                raise
        elif kwargs:
            if "out" in kwargs:
                return into(self.name, self, args, kwargs)
            args, kwargs = self._by_name(args, kwargs)
        return INTERPRETER.get(_ordinary).apply(self, args, kwargs)

    def _by_name(self, args: tuple[Any, ...], kwargs: Attrs) -> tuple[tuple[Any, ...], Attrs]:
        """Inputs given by keyword, ``maximum(x, other=y)``, put to their places."""
        rest = self.arguments[len(args) :]
        given = [name for name in rest if hasattr(kwargs.get(name), "shape")]  # no attribute has
        if given != list(rest[: len(given)]):
            missing = rest[0]
            raise KindError(f"{self.name}(): {missing} is missing")
        return (*args, *(kwargs.pop(name) for name in given)), kwargs

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (OPS.__getitem__, (self.name,))

    def rule(self, index: int) -> Rule | None:
        """The gradient rule for input ``index``: ``(g, y, *inputs, **attrs) -> gradient``."""
        if not self.variadic:
            return self.vjp[index] if index < len(self.vjp) else None
        first = self.vjp[0] if self.vjp else None
        if first is None:
            return None
        return lambda g, y, *inputs, **attrs: first(index, g, y, *inputs, **attrs)

    def reads(self, index: int, inputs: Sequence[Any]) -> bool:
        """Whether a rule that these inputs ask for reads the value of input ``index``."""
        if self.variadic:
            return bool(self.saved)
        wanted = zip(self.saved_by, inputs, strict=False)
        return any(index in kept for kept, x in wanted if getattr(x, "requires_grad", False))

    def argument(self, index: int) -> str:
        """The name of input ``index`` in messages."""
        if self.variadic:
            return f"{self.arguments[0]}[{index}]"
        return self.arguments[index] if index < len(self.arguments) else f"input {index}"


OPS: dict[str, Op] = {}


def op(
    name: str,
    doc: str,
    *,
    shape: Callable[..., Spec],
    formula: tuple[str, str],
    cost: Callable[..., Cost],
    forward: Callable[..., Any] | None = None,
    ufunc: str | None = None,
    vjp: Rule | tuple[Rule | None, ...] | None = None,
    saved: str | tuple[str, ...] = "",
    samples: Sequence[Draw | Sample] = (),
    arguments: Sequence[str] | None = None,
    promotes: str = "",
    example: str = "",
    **rest: Any,
) -> Op:
    """Add a row to the table.

    ``vjp`` is one rule, or a tuple with a rule (or None) for each input. ``saved`` names the
    values that the rules read: arguments by name, the output as ``y``; what is not named may be
    overwritten before the backward pass. A tuple says it for each rule. ``promotes`` names the
    arguments that take a common dtype, ``*`` for all. ``example`` is a doctest, in which ``lab``
    is known.
    """
    if name in OPS:
        raise ArgumentError(f"op {name!r} is in the table already")
    if forward is None:
        if ufunc is None:
            raise ArgumentError(f"op {name!r} needs forward or ufunc")
        forward = _call_ufunc(ufunc)
    if arguments is None:
        arguments = _positional(forward)
    rules = vjp if isinstance(vjp, tuple) else (vjp,) if vjp is not None else ()
    variadic = rest.get("variadic", False)
    each = saved if isinstance(saved, tuple) else (saved,) * len(rules)
    names = {name for text in each for name in text.split()}
    unknown = names - set(arguments) - {"y"}
    if unknown:
        raise ArgumentError(f"op {name!r}: saved names {sorted(unknown)}, which it does not take")
    saved_by = tuple(
        frozenset(i for i, a in enumerate(arguments) if a in text.split()) for text in each
    )
    row = Op(
        name=name,
        doc=doc,
        forward=forward,
        ufunc=ufunc,
        shape=shape,
        formula=formula,
        cost=cost,
        vjp=rules,
        arguments=tuple(arguments),
        saved=frozenset().union(*saved_by),
        saved_by=saved_by,
        saves_output="y" in names,
        samples=tuple(s if isinstance(s, Sample) else Sample((s,), {}) for s in samples),
        promotes=(
            None
            if promotes == "*"
            else tuple(i for i, a in enumerate(arguments) if a in promotes.split())
        ),
        example=inspect.cleandoc(example),
        **rest,
    )
    if variadic and promotes:
        row.promotes = None
    OPS[name] = row
    return row


def _positional(forward: Callable[..., Any]) -> list[str]:
    """The names of a forward's arrays: its positional parameters after ``xp``."""
    kinds = inspect.Parameter
    return [
        p.name
        for p in inspect.signature(forward).parameters.values()
        if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD, kinds.VAR_POSITIONAL)
    ][1:]


def _call_ufunc(name: str) -> Callable[..., Any]:
    if getattr(np, name).nin == 1:
        return lambda xp, input: getattr(xp, name)(input)
    return lambda xp, input, other: getattr(xp, name)(input, other)


# Interpreters ------------------------------------------------------------------------------


class Interpreter(Protocol):
    """What a call of an op means."""

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Any:
        """Apply ``op``."""


class Compute:
    """Run ops on plain arrays: the meaning of a gradient rule in an ordinary backward pass."""

    casts: frozenset[str] = frozenset()  # devices whose values autocast casts

    def apply(self, op: Op, inputs: tuple[Any, ...], attrs: Attrs) -> Any:
        """Call the forward with the namespace of the first array."""
        for x in inputs:
            xp = NAMESPACES.get(type(x))
            if xp is not None:
                return op.forward(xp, *inputs, **attrs)
        return op.forward(np, *inputs, **attrs)


COMPUTE = Compute()
# Unset, a call has the ordinary meaning, which tensor/record.py names: new threads start with it.
INTERPRETER: ContextVar[Any] = ContextVar("interpreter")
_ordinary: Any = COMPUTE


def set_ordinary(interpreter: Any) -> None:
    """Name the interpreter of code that chose none."""
    global _ordinary
    _ordinary = interpreter


def current() -> Any:
    """The interpreter that calls of ops ask now."""
    return INTERPRETER.get(_ordinary)


def autocast(how: str, *inputs: Any) -> tuple[Any, ...]:
    """The inputs of a function made of ops, as a row with this ``autocast`` would take them."""
    interpreter = current()
    return tuple([interpreter.cast(x, how) for x in inputs]) if interpreter.casts else inputs


# What every public function has -------------------------------------------------------------


def public(function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    """A function made of ops, with what a row has of itself: ``out=``, and words for a list."""

    name = name or function.__name__

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if "out" in kwargs:
            return into(name, function, args, kwargs)
        if "keepdims" in kwargs:
            kwargs["keepdim"] = kwargs.pop("keepdims")
        try:
            return function(*args, **kwargs)
        except AttributeError as error:
            need_tensor(name, args, error)
            raise
        except TypeError:
            need_arguments(name, function, args, kwargs)
            raise

    call.__name__ = name

    return call


def need_arguments(name: str, function: Callable[..., Any], args: Any, kwargs: Attrs) -> None:
    """KindError where a call has other arguments than the function."""
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **kwargs)
        return
    except TypeError:
        known = signature.parameters
    places = [n for n, p in known.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    unknown = [n for n in kwargs if n not in known]
    twice = [n for n in kwargs if n in places[: len(args)]]
    open_ = [n for n in places[len(args) :] if n not in kwargs and known[n].default is _EMPTY]
    near = get_close_matches(unknown[0], known, 1, 0.5) if unknown else []
    if unknown:
        problem = f"there is no argument {unknown[0]}" + (f": write {near[0]}" if near else "")
    elif twice:
        problem = f"{twice[0]} is given twice, by place and by name"
    elif open_:
        problem = f"{open_[0]} is missing"
    else:
        only = f"{len(places)} argument" + "s" * (len(places) != 1)
        problem = f"expected {only} by place, got {len(args)}"
        if places == ["data"] and all(isinstance(value, (int, float)) for value in args):
            problem += f": put the numbers in a list, {name}({[*args]})"
    plain = [p.replace(annotation=_EMPTY) for p in known.values()]
    shown = signature.replace(parameters=plain, return_annotation=_EMPTY)
    raise KindError(f"{name}(): {problem}\n  expected {name}{shown}") from None


_EMPTY = inspect.Parameter.empty
F = TypeVar("F", bound=Callable[..., Any])


def checked(function: F) -> F:
    """The function, with words for arguments that it does not have."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError:
            need_arguments(function.__name__, function, args, kwargs)
            raise

    return cast(F, call)


def need_tensor(name: str, args: tuple[Any, ...], error: AttributeError) -> None:
    """KindError where a function was given a list, an array or a number instead of a tensor."""
    got = args[0] if args else None
    many = isinstance(got, (list, tuple))
    if many and got and all(hasattr(x, "requires_grad") for x in got):
        if error.obj is not got:
            return
        raise KindError(
            f"{name}(input): input is not a tensor\n"
            f"  expected a tensor, got {describe(got)}, which are tensors\n"
            f"  lab.stack(tensors) makes one tensor of them"
        ) from None
    if many or isinstance(got, (int, float, np.ndarray, np.generic)):
        raise KindError(
            f"{name}(input): input is not a tensor\n"
            f"  expected a tensor, got {describe(got)}\n"
            "  lab.tensor(x) makes one from numbers, lists and arrays"
        ) from None


def into(name: str, function: Callable[..., Any], args: Any, kwargs: Attrs) -> Any:
    """Call ``function`` and write what it gives into ``out``, one tensor or a tuple of them."""
    kwargs = dict(kwargs)
    out = kwargs.pop("out")
    if getattr(function, "view", False):
        raise KindError(f"{name}() takes no out=: its result shares the memory of its input")
    found = function(*args, **kwargs)
    return found if out is None else write_out(name, out, found)


def write_out(name: str, out: Any, found: Any) -> Any:
    """``out`` with the values of ``found``, resized where the shapes differ.

    Everything is checked before the first entry is written. It counts as an in-place change.
    """
    one = not isinstance(found, tuple)
    targets = (out,) if one else out
    results = (found,) if one else found
    if not isinstance(targets, (tuple, list)) or len(targets) != len(results):
        raise KindError(
            f"{name}(out): expected a tuple of {len(results)} tensors, got {describe(out)}"
        )
    for target, result in zip(targets, results, strict=True):
        _check_out(name, target, result)
    for target, result in zip(targets, results, strict=True):
        shape = tuple(result.shape)
        if tuple(target.shape) != shape:
            target.array = NAMESPACES[type(target.array)].empty(shape, target.array.dtype)
            target.version = [0]  # the views of it keep the old memory
        current().update(OPS["copy"], target, (target, result), {})
    if one:
        return out
    return type(found)(*targets) if hasattr(found, "_fields") else tuple(targets)


def _check_out(name: str, target: Any, result: Any) -> None:
    if not hasattr(result, "requires_grad"):
        raise KindError(f"{name}(): the result is no tensor, so there is no out=")
    if not hasattr(target, "requires_grad"):
        raise KindError(f"{name}(out): expected a tensor, got {describe(target)}")
    interpreter = current()
    if result.requires_grad or (target.requires_grad and interpreter.recording):
        raise GradError(
            f"{name}(out): what is written into out has no gradient\n"
            f"  out  {target.spec}\n"
            "  expected inputs and out without requires_grad\n"
            f"  use the result: x = {name}(...), or put the call under lab.no_grad()"
        )
    have, found = target.spec, result.spec
    if have.device != found.device:
        raise DeviceError(
            f"{name}(out): the tensors are on different devices\n"
            f"  out     {have}\n  result  {found}\n  move out with .to(device)"
        )
    if not dtypes.can_cast(found.dtype, have.dtype):
        raise DTypeError(
            f"{name}(out): the result is {found.dtype} and cannot be kept in {have.dtype}\n"
            f"  out     {have}\n  result  {found}\n  make out with dtype=lab.{found.dtype}"
        )
    if have.shape != found.shape:
        if interpreter.tracing:
            interpreter.refuse(
                "out= of another shape, which would be resized",
                f"make out with shape {found.shape}",
            )
        if have.size:
            warnings.warn(
                f"{name}(out): out {have.shape} is resized to {found.shape}; make it with the "
                "shape of the result, or with no entry at all",
                UserWarning,
                stacklevel=5,
            )


# Dtypes ------------------------------------------------------------------------------------


def common_dtype(op: Op, specs: Sequence[Spec | int | float]) -> np.dtype[Any] | None:
    """The dtype that the promoted inputs of ``op`` take; None where nothing is promoted."""
    indices = range(len(specs)) if op.promotes is None else op.promotes
    result: np.dtype[Any] | None = None
    ndim = 0
    tensors = [s for i in indices if isinstance(s := specs[i], Spec) and not s.number]
    for s in tensors:
        result = s.dtype if result is None else dtypes.promote(result, s.dtype, ndim, s.ndim)
        ndim = max(ndim, s.ndim)
    numbers = [_of_its_kind(s) for i in indices if not _is_tensor(s := specs[i])]
    if result is None:
        if not numbers:
            return None
        result = np.dtype(bool)  # gives way to every number
        if not any(map(_is_tensor, specs)):  # numbers of Python stay what they are
            return np.result_type(np.float64 if op.floats else bool, *map(type, numbers))
    for number in numbers:
        result = dtypes.number_dtype(number, result)
    if op.floats and result.kind != "f":
        result = dtypes.get_default_dtype().np
    return result


def _is_tensor(s: Spec | int | float) -> bool:
    return isinstance(s, Spec) and not s.number


def _of_its_kind(s: Spec | int | float) -> int | float:
    """A Python number of the kind that ``s``, a number or what is known of one, has."""
    return {"b": False, "i": 0}.get(s.dtype.kind, 0.0) if isinstance(s, Spec) else s


def check_kind(op: Op, specs: Sequence[Spec | int | float]) -> None:
    """Mismatch where the op is not made for the dtype of its inputs."""
    if not op.refuses:
        return
    dtype = common_dtype(op, specs)
    if dtype is None:
        dtype = next((s.dtype for s in specs if isinstance(s, Spec)), np.dtype("float32"))
    if "B" in op.refuses and any(s.dtype.kind == "b" for s in specs if isinstance(s, Spec)):
        raise Mismatch(
            f"{op.name} is not made for bool",
            "expected numbers",
            "~mask turns a mask over, a ^ b tells where two differ; convert with .long() to count",
            DTypeError,
        )
    if dtype.kind in op.refuses:
        if "f" in op.refuses:
            kinds = "integers" + ("" if "b" in op.refuses else " or bools")
            words = kinds, ".long(), or compare in brackets: (x > 0) & (x < 2)"
        else:
            words = ("floats", ".float()") if "i" in op.refuses else ("numbers", ".long()")
        raise Mismatch(
            f"{op.name} is not made for {dtype}",
            f"expected {words[0]}",
            f"convert with {words[1]}",
            DTypeError,
        )


def infer(op: Op, specs: Sequence[Spec | int | float], attrs: Attrs) -> Spec:
    """The spec of the result, by the shape rule; Mismatch where the inputs do not fit."""
    tensors = [s for s in specs if isinstance(s, Spec) and not s.number]
    devices = {s.device for s in tensors}
    if len(devices) > 1:
        raise Mismatch(
            "the tensors are on different devices",
            "expected all on one device, got " + " and ".join(sorted(devices)),
            "move them with x = x.to(device); a model moves as a whole: model.to(device)",
            DeviceError,
        )
    check_kind(op, specs)
    dtype = common_dtype(op, specs)
    indices = range(len(specs)) if op.promotes is None else op.promotes
    full: list[Spec] = []
    for i, s in enumerate(specs):
        if not isinstance(s, Spec):
            kind = np.result_type(type(s)) if not isinstance(s, bool) else np.dtype(bool)
            s = Spec((), kind)
        if dtype is not None and i in indices:
            s = replace(s, dtype=dtype, number=False)
        full.append(s)
    out = op.shape(*full, **attrs)
    if "device" in attrs or not tensors:  # it says itself where the result is
        return out
    device = tensors[0].device
    return out if out.device == device else replace(out, device=device)


def check_same_dtype(*specs: Spec, names: Sequence[str]) -> None:
    """For ops that do not promote: all given specs have one dtype."""
    if len({s.dtype for s in specs}) > 1:
        got = ", ".join(f"{n} {s.dtype}" for n, s in zip(names, specs, strict=True))
        floats = [s.dtype for s in specs if s.dtype.kind == "f"]
        target = floats[0] if floats else specs[0].dtype
        raise Mismatch(
            "the dtypes differ",
            f"expected one dtype, got {got}",
            f"convert with .to(lab.{target}) or .{_METHOD.get(str(target), 'float')}()",
            DTypeError,
        )


_METHOD = {"float32": "float", "float64": "double", "int64": "long", "int32": "int"}


# Messages ----------------------------------------------------------------------------------


def message(
    op: Op, specs: Sequence[Any], origins: Sequence[str], mismatch: Mismatch, attrs: Attrs
) -> LabError:
    """The error for a call of ``op``: problem, inputs with their origins, expectation, remedy."""
    names = [op.argument(i) for i in range(len(specs))]
    shown = [(f"{s}" if isinstance(s, Spec) else _number_text(s)) for s in specs]
    extra = [f"{k}={v!r}" for k, v in attrs.items() if k in SHOWN_ATTRS]
    lines = [f"{op.name}({', '.join(names + extra)}): {mismatch.problem}"]
    lines += input_lines(names, shown, origins)
    if mismatch.expected:
        lines.append(f"  {mismatch.expected}")
    if mismatch.hint:
        lines.append(f"  {mismatch.hint}")
    return mismatch.error("\n".join(lines))


def input_lines(names: Sequence[str], shown: Sequence[str], origins: Sequence[str]) -> list[str]:
    """One aligned line for each input: its name, what came, where it comes from."""
    left = max((len(n) for n in names), default=0)
    middle = max((len(s) for s in shown), default=0)
    return [
        f"  {name:{left}}  {text:{middle}}  {origin}".rstrip()
        for name, text, origin in zip(names, shown, origins, strict=True)
    ]


def _number_text(value: Any) -> str:
    return f"{type(value).__name__} {value!r}"


SHOWN_ATTRS = frozenset(
    ("dim", "dims", "shape", "kernel_size", "stride", "padding", "dilation", "groups", "index")
)
