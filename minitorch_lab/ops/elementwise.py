"""Elementwise ops: one number in, one number out, at each place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..dtypes import DType, dtype_of
from ..op import Attrs, Op, Spec, apart, mask, normal, op, sample, uniform
from .rules import broadcast, compare, per_entry, same_shape

TWO = ("input", "other")


# Arithmetic --------------------------------------------------------------------------------


def _with_alpha(input: Any, other: Any, *, alpha: float = 1) -> tuple[tuple[Any, ...], Attrs]:
    """PyTorch's ``add(input, other, alpha=2)``: other is scaled first."""
    return (input, other if alpha == 1 else mul(other, alpha)), {}


add: Op = op(
    "add",
    "Sum of each pair of entries.",
    ufunc="add",
    arguments=TWO,
    bind=_with_alpha,
    vjp=(lambda g, z, x, y: g, lambda g, z, x, y: g),
    promotes="*",
    shape=broadcast,
    formula=(r"z = x + y", r"\bar x = \bar z,\quad \bar y = \bar z"),
    cost=per_entry(),
    kernel="x + y",
    onnx="Add",
    samples=[
        sample(normal(3, 4), normal(3, 4)),
        sample(normal(3, 1), normal(4)),
        sample(normal(), normal(2)),
    ],
)
sub: Op = op(
    "sub",
    "Difference of each pair of entries.",
    ufunc="subtract",
    arguments=TWO,
    bind=_with_alpha,
    vjp=(lambda g, z, x, y: g, lambda g, z, x, y: -g),
    promotes="*",
    shape=broadcast,
    formula=(r"z = x - y", r"\bar x = \bar z,\quad \bar y = -\bar z"),
    cost=per_entry(),
    kernel="x - y",
    onnx="Sub",
    samples=[sample(normal(3, 4), normal(3, 4)), sample(normal(3, 4), normal(4))],
)
mul: Op = op(
    "mul",
    "Product of each pair of entries.",
    ufunc="multiply",
    arguments=TWO,
    vjp=(lambda g, z, x, y: g * y, lambda g, z, x, y: g * x),
    saved="input other",
    promotes="*",
    shape=broadcast,
    formula=(r"z = x\,y", r"\bar x = \bar z\,y,\quad \bar y = \bar z\,x"),
    cost=per_entry(),
    kernel="x * y",
    onnx="Mul",
    samples=[sample(normal(3, 4), normal(3, 4)), sample(normal(3, 4), normal(3, 1))],
)
div: Op = op(
    "div",
    "Quotient of each pair of entries.",
    ufunc="true_divide",
    arguments=TWO,
    vjp=(lambda g, z, x, y: g / y, lambda g, z, x, y: -(g * x) / (y * y)),
    saved="input other",
    promotes="*",
    floats=True,
    shape=broadcast,
    formula=(r"z = x / y", r"\bar x = \bar z / y,\quad \bar y = -\bar z\,x / y^2"),
    cost=per_entry(),
    kernel="x / y",
    onnx="Div",
    samples=[sample(normal(3, 4), uniform(0.5, 2, 3, 4)), sample(normal(3), uniform(0.5, 2, 2, 3))],
)


def _pow_forward(xp: Any, input: Any, other: Any) -> Any:
    return xp.square(input) if other is _TWO else xp.power(input, other)


_TWO = 2  # CPython keeps one 2, so `is` finds the commonest exponent without a comparison


def _pow_base(g: Any, z: Any, x: Any, p: Any) -> Any:
    if isinstance(p, (int, float)):
        return g * (p * x ** (p - 1)) if p != 0 else g * 0.0
    return where(eq(p, 0), 0.0, g * (p * x ** (p - 1)))


def _pow_exponent(g: Any, z: Any, x: Any, p: Any) -> Any:
    return g * where(eq(x, 0), 0.0, z * log(where(eq(x, 0), 1.0, x)))


pow: Op = op(
    "pow",
    "Each entry to the power of the other.",
    forward=_pow_forward,
    vjp=(_pow_base, _pow_exponent),
    saved="input other y",
    promotes="*",
    shape=broadcast,
    formula=(r"z = x^p", r"\bar x = \bar z\,p\,x^{p-1},\quad \bar p = \bar z\,z \ln x"),
    cost=per_entry(8),
    kernel="pow(x, y)",
    onnx="Pow",
    samples=[sample(uniform(0.5, 2, 3, 4), normal(3, 4)), sample(uniform(0.5, 2, 3), normal())],
)
neg: Op = op(
    "neg",
    "Each entry with the other sign.",
    ufunc="negative",
    vjp=lambda g, y, x: -g,
    shape=same_shape,
    formula=(r"y = -x", r"\bar x = -\bar y"),
    cost=per_entry(),
    kernel="-x",
    onnx="Neg",
    samples=[normal(3, 4), normal()],
)
abs: Op = op(
    "abs",
    "Absolute value of each entry.",
    ufunc="absolute",
    vjp=lambda g, y, x: g * sign(x),
    saved="input",
    shape=same_shape,
    formula=(r"y = |x|", r"\bar x = \bar y\,\operatorname{sign} x"),
    cost=per_entry(),
    kernel="fabs(x)",
    onnx="Abs",
    samples=[apart(3, 4)],
)
sign: Op = op(
    "sign",
    "-1, 0 or 1 for each entry.",
    ufunc="sign",
    vjp=lambda g, y, x: g * 0.0,
    shape=same_shape,
    formula=(r"y = \operatorname{sign} x", r"\bar x = 0"),
    cost=per_entry(),
    kernel="(x > 0) - (x < 0)",
    onnx="Sign",
    samples=[apart(3, 4)],
)
square: Op = op(
    "square",
    "Square of each entry.",
    ufunc="square",
    vjp=lambda g, y, x: g * (2 * x),
    saved="input",
    shape=same_shape,
    formula=(r"y = x^2", r"\bar x = 2 x\,\bar y"),
    cost=per_entry(),
    kernel="x * x",
    samples=[normal(3, 4)],
)


# Exponentials, trigonometry, squashing -----------------------------------------------------

exp: Op = op(
    "exp",
    "Exponential of each entry.",
    ufunc="exp",
    vjp=lambda g, y, x: g * y,
    saved="y",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(r"y = e^x", r"\bar x = \bar y\,y"),
    cost=per_entry(8),
    kernel="exp(x)",
    onnx="Exp",
    samples=[normal(3, 4)],
)
log: Op = op(
    "log",
    "Natural logarithm of each entry.",
    ufunc="log",
    vjp=lambda g, y, x: g / x,
    saved="input",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(r"y = \ln x", r"\bar x = \bar y / x"),
    cost=per_entry(8),
    kernel="log(x)",
    onnx="Log",
    samples=[uniform(0.5, 3, 3, 4)],
)
sqrt: Op = op(
    "sqrt",
    "Square root of each entry.",
    ufunc="sqrt",
    vjp=lambda g, y, x: g / (2 * y),
    saved="y",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(r"y = \sqrt x", r"\bar x = \bar y / (2 y)"),
    cost=per_entry(4),
    kernel="sqrt(x)",
    onnx="Sqrt",
    samples=[uniform(0.5, 3, 3, 4)],
)
sin: Op = op(
    "sin",
    "Sine of each entry, in radians.",
    ufunc="sin",
    vjp=lambda g, y, x: g * cos(x),
    saved="input",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(r"y = \sin x", r"\bar x = \bar y \cos x"),
    cost=per_entry(8),
    kernel="sin(x)",
    onnx="Sin",
    samples=[normal(3, 4)],
)
cos: Op = op(
    "cos",
    "Cosine of each entry, in radians.",
    ufunc="cos",
    vjp=lambda g, y, x: -g * sin(x),
    saved="input",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(r"y = \cos x", r"\bar x = -\bar y \sin x"),
    cost=per_entry(8),
    kernel="cos(x)",
    onnx="Cos",
    samples=[normal(3, 4)],
)
tanh: Op = op(
    "tanh",
    "Hyperbolic tangent of each entry.",
    ufunc="tanh",
    vjp=lambda g, y, x: g * (1 - y * y),
    saved="y",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(r"y = \tanh x", r"\bar x = \bar y\,(1 - y^2)"),
    cost=per_entry(8),
    kernel="tanh(x)",
    onnx="Tanh",
    samples=[normal(3, 4), normal()],
)
sigmoid: Op = op(
    "sigmoid",
    "Logistic function of each entry: any number becomes one between 0 and 1.",
    # tanh does not overflow, where exp(-x) would for x below -88 in float32
    forward=lambda xp, input: xp.tanh(input * 0.5) * 0.5 + 0.5,
    vjp=lambda g, y, x: g * (y * (1 - y)),
    saved="y",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(r"y = \frac{1}{1 + e^{-x}}", r"\bar x = \bar y\,y\,(1 - y)"),
    cost=per_entry(10),
    kernel="0.5 * tanh(0.5 * x) + 0.5",
    onnx="Sigmoid",
    composition=lambda x: tanh(x * 0.5) * 0.5 + 0.5,
    samples=[normal(3, 4), normal()],
)
relu: Op = op(
    "relu",
    "Each entry, or 0 where it is negative.",
    forward=lambda xp, input: xp.maximum(input, 0),
    vjp=lambda g, y, x: g * (y > 0),
    saved="y",
    shape=same_shape,
    formula=(r"y = \max(0, x)", r"\bar x = \bar y\,[x > 0]"),
    cost=per_entry(),
    kernel="x > 0 ? x : 0",
    onnx="Relu",
    composition=lambda x: maximum(x, 0),
    inplace=lambda xp, target: xp.maximum(target, 0, out=target),
    samples=[apart(3, 4)],
)


# Choosing ----------------------------------------------------------------------------------


def _larger(g: Any, z: Any, x: Any, y: Any) -> Any:
    return g * (gt(x, y) + eq(x, y) * 0.5)  # where both are equal each gets half, as in PyTorch


maximum: Op = op(
    "maximum",
    "The larger of each pair of entries.",
    ufunc="maximum",
    arguments=TWO,
    vjp=(_larger, lambda g, z, x, y: _larger(g, z, y, x)),
    saved="input other",
    promotes="*",
    shape=broadcast,
    formula=(r"z = \max(x, y)", r"\bar x = \bar z\,[x > y],\quad \bar y = \bar z\,[y > x]"),
    cost=per_entry(),
    kernel="x > y ? x : y",
    onnx="Max",
    samples=[sample(apart(3, 4), normal(3, 4)), sample(apart(3, 4), normal(4))],
)
minimum: Op = op(
    "minimum",
    "The smaller of each pair of entries.",
    ufunc="minimum",
    arguments=TWO,
    vjp=(lambda g, z, x, y: _larger(g, z, y, x), _larger),
    saved="input other",
    promotes="*",
    shape=broadcast,
    formula=(r"z = \min(x, y)", r"\bar x = \bar z\,[x < y],\quad \bar y = \bar z\,[y < x]"),
    cost=per_entry(),
    kernel="x < y ? x : y",
    onnx="Min",
    samples=[sample(apart(3, 4), normal(3, 4))],
)
where: Op = op(
    "where",
    "The entry of input where the condition holds, else that of other.",
    forward=lambda xp, condition, input, other: xp.where(condition, input, other),
    vjp=(
        None,
        lambda g, z, c, x, y: where(c, g, 0.0),
        lambda g, z, c, x, y: where(c, 0.0, g),
    ),
    saved="condition",
    promotes="input other",
    shape=lambda condition, input, other: replace(
        broadcast(input, other, condition), dtype=input.dtype
    ),
    formula=(
        r"z = c\;?\;x : y",
        r"\bar x = [c]\,\bar z,\quad \bar y = [\lnot c]\,\bar z",
    ),
    cost=per_entry(),
    kernel="x ? y : z",
    onnx="Where",
    samples=[
        sample(mask(3, 4), normal(3, 4), normal(3, 4)),
        sample(mask(3, 4), normal(4), normal()),
    ],
)


def _clamp_bind(input: Any, min: Any = None, max: Any = None) -> tuple[tuple[Any, ...], Attrs]:
    return (input,), {"min": min, "max": max}


def _clamp_grad(g: Any, y: Any, x: Any, min: Any, max: Any) -> Any:
    inside = ge(x, min) if max is None else le(x, max)
    if min is not None and max is not None:
        inside = logical_and(ge(x, min), inside)
    return g * inside


clamp: Op = op(
    "clamp",
    "Each entry, moved into the range from min to max (numbers).",
    forward=lambda xp, input, min, max: xp.clip(input, min, max),
    bind=_clamp_bind,
    vjp=_clamp_grad,
    saved="input",
    shape=same_shape,
    formula=(r"y = \min(\max(x, a), b)", r"\bar x = \bar y\,[a \le x \le b]"),
    cost=per_entry(2),
    onnx="Clip",
    samples=[sample(apart(3, 4), min=-0.33, max=0.41), sample(apart(3, 4), min=None, max=0.2)],
)


# Comparisons and logic: no gradient --------------------------------------------------------


def _comparison(name: str, ufunc: str, symbol: str, c: str, doc: str) -> Op:
    return op(
        name,
        doc,
        ufunc=ufunc,
        arguments=TWO,
        promotes="*",
        shape=compare,
        formula=(rf"z = [x {symbol} y]", r"\text{none}"),
        cost=per_entry(),
        kernel=f"x {c} y",
        samples=[sample(normal(3, 4), normal(4))],
    )


eq: Op = _comparison("eq", "equal", "=", "==", "Whether the entries are equal.")
ne: Op = _comparison("ne", "not_equal", r"\ne", "!=", "Whether the entries differ.")
lt: Op = _comparison("lt", "less", "<", "<", "Whether input is less than other.")
le: Op = _comparison("le", "less_equal", r"\le", "<=", "Whether input is at most other.")
gt: Op = _comparison("gt", "greater", ">", ">", "Whether input is greater than other.")
ge: Op = _comparison("ge", "greater_equal", r"\ge", ">=", "Whether input is at least other.")
logical_and: Op = _comparison("logical_and", "logical_and", r"\land", "&&", "Whether both hold.")
logical_or: Op = _comparison("logical_or", "logical_or", r"\lor", "||", "Whether one holds.")


def _question(name: str, ufunc: str, formula: str, c: str, doc: str) -> Op:
    return op(
        name,
        doc,
        ufunc=ufunc,
        shape=lambda x: replace(x, dtype=compare(x).dtype),
        formula=(formula, r"\text{none}"),
        cost=per_entry(),
        kernel=c,
        samples=[normal(3, 4)],
    )


logical_not: Op = _question(
    "logical_not", "logical_not", r"y = \lnot x", "!x", "Whether the entry is 0."
)
isnan: Op = _question(
    "isnan", "isnan", r"y = [x \text{ is NaN}]", "x != x", "Whether the entry is NaN."
)
isinf: Op = _question(
    "isinf", "isinf", r"y = [|x| = \infty]", "isinf(x)", "Whether the entry is infinite."
)
isfinite: Op = _question(
    "isfinite", "isfinite", r"y = [|x| < \infty]", "isfinite(x)", "Whether the entry is a number."
)


# Dtype -------------------------------------------------------------------------------------


def _to_bind(input: Any, dtype: DType | Any) -> tuple[tuple[Any, ...], Attrs]:
    return (input,), {"dtype": dtype_of(dtype).np}


to_dtype: Op = op(
    "to",
    "The same numbers as another dtype.",
    forward=lambda xp, input, dtype: input.astype(dtype),
    bind=_to_bind,
    vjp=lambda g, y, x, dtype: g,  # the engine converts a gradient to its input's dtype
    shape=lambda x, dtype: replace(x, dtype=dtype),
    formula=(r"y = x", r"\bar x = \bar y"),
    cost=per_entry(0),
    onnx="Cast",
    samples=[sample(normal(3, 4), dtype=np.dtype("float32"))],
)


def _clone_forward(xp: Any, input: Any) -> Any:
    return input.copy()


clone: Op = op(
    "clone",
    "A copy with its own memory.",
    forward=_clone_forward,
    vjp=lambda g, y, x: g,
    shape=same_shape,
    formula=(r"y = x", r"\bar x = \bar y"),
    cost=per_entry(0),
    onnx="Identity",
    samples=[normal(3, 4)],
)


def _copy(xp: Any, target: Any, source: Any) -> None:
    target[...] = source


def _copy_shape(input: Spec, source: Spec) -> Spec:
    return replace(broadcast(input, source), dtype=input.dtype)


copy: Op = op(
    "copy",
    "The entries of source, in the shape and dtype of input.",
    forward=lambda xp, input, source: xp.broadcast_to(
        xp.asarray(source, input.dtype), input.shape
    ).copy(),
    inplace=_copy,
    vjp=(lambda g, y, x, s: g * 0.0, lambda g, y, x, s: g),
    shape=_copy_shape,
    formula=(r"y = s", r"\bar s = \bar y"),
    cost=per_entry(0),
    samples=[sample(normal(3, 4), normal(4))],
)


# What a learner calls by these names, as a function and as a method.
FUNCTIONS = {
    name: globals()[name]
    for name in (
        "add sub mul div pow neg abs sign square exp log sqrt sin cos tanh sigmoid relu "
        "maximum minimum where clamp eq ne lt le gt ge logical_and logical_or logical_not "
        "isnan isinf isfinite clone"
    ).split()
}
NOT_METHODS = ("where",)
# With an in-place form, such as ``x.add_(y)``.
IN_PLACE = tuple(
    "add sub mul div pow neg abs exp sqrt tanh sigmoid relu clamp square maximum minimum".split()
)
