"""Elementwise ops: one number in, one number out, at each place."""

from __future__ import annotations

import builtins
from dataclasses import replace
from math import log as ln
from math import pi
from typing import Any

import numpy as np

from ..device import known, scalar
from ..dtypes import DType, dtype_of, get_default_dtype, number_dtype
from ..errors import ComputeError, DTypeError, KindError
from ..op import Attrs, Mismatch, Op, Spec, apart, mask, normal, op, sample, uniform
from .rules import BOOL, UINT8, broadcast, compare, number, per_entry, same_shape

TWO = ("input", "other")


# Arithmetic --------------------------------------------------------------------------------


def _with_alpha(input: Any, other: Any, *, alpha: float = 1) -> tuple[tuple[Any, ...], Attrs]:
    """PyTorch's ``add(input, other, alpha=2)``: other is scaled first."""
    return (input, other if alpha == 1 else other * alpha), {}


add: Op = op(
    "add",
    "Sum of each pair of entries.",
    example="""
        >>> lab.add(lab.tensor([1.0, 2.0]), lab.tensor([10.0, 20.0]))
        tensor([11., 22.])
        >>> lab.add(lab.tensor([1.0, 2.0]), 10, alpha=3)
        tensor([31., 32.])
    """,
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
    example="""
        >>> lab.sub(lab.tensor([10.0, 20.0]), lab.tensor([1.0, 2.0]))
        tensor([ 9., 18.])
    """,
    ufunc="subtract",
    arguments=TWO,
    bind=_with_alpha,
    vjp=(lambda g, z, x, y: g, lambda g, z, x, y: -g),
    promotes="*",
    refuses="B",
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
    example="""
        >>> lab.mul(lab.tensor([1.0, 2.0]), lab.tensor([[3.0], [4.0]]))
        tensor([[3., 6.],
                [4., 8.]])
    """,
    ufunc="multiply",
    arguments=TWO,
    vjp=(lambda g, z, x, y: g * y, lambda g, z, x, y: g * x),
    saved=("other", "input"),
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
    example="""
        >>> lab.true_divide(lab.tensor([7, 8]), 2)
        tensor([3.5000, 4.0000])
    """,
    ufunc="true_divide",
    arguments=TWO,
    vjp=(lambda g, z, x, y: g / y, lambda g, z, x, y: -(g * x) / (y * y)),
    saved=("other", "input other"),
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
    if other is _TWO:
        return xp.square(input)
    kind = getattr(input, "dtype", None)
    if (kind is None or kind.kind in "iu") and _below_0(other):
        raise Mismatch(
            "an integer has no negative powers among the integers",
            "expected other of 0 or more",
            "with .float() the result is a fraction",
            ComputeError,
        )
    return xp.power(input, other)


def _below_0(power: Any) -> bool:
    if isinstance(power, (int, float)):
        return isinstance(power, int) and power < 0
    return power.dtype.kind == "i" and bool(known((power < 0).any()))


_TWO = 2  # CPython keeps one 2, so `is` finds the commonest exponent without a comparison


def _pow_base(g: Any, z: Any, x: Any, p: Any) -> Any:
    if isinstance(p, (int, float)):
        return g * (p * x ** (p - 1)) if p != 0 else g * 0.0
    return where(eq(p, 0), 0.0, g * (p * x ** (p - 1)))


def _pow_exponent(g: Any, z: Any, x: Any, p: Any) -> Any:
    # 0 to a power of 0 or more stays as it is when the power moves: log 1 in place of log 0
    return g * (z * log(where(eq(x, 0), to_dtype(ge(p, 0), z.dtype), x)))


pow: Op = op(
    "pow",
    "Each entry to the power of the other.",
    example="""
        >>> lab.pow(lab.tensor([1.0, 2.0, 3.0]), 2)
        tensor([1., 4., 9.])
        >>> lab.pow(2, lab.tensor([1.0, 2.0, 3.0]))
        tensor([2., 4., 8.])
    """,
    forward=_pow_forward,
    vjp=(_pow_base, _pow_exponent),
    saved=("input other", "input other y"),
    promotes="*",
    shape=broadcast,
    refuses="b",
    formula=(r"z = x^p", r"\bar x = \bar z\,p\,x^{p-1},\quad \bar p = \bar z\,z \ln x"),
    autocast="full",
    cost=per_entry(8),
    kernel="lab_pow(x, y)",
    onnx="Pow",
    samples=[sample(uniform(0.5, 2, 3, 4), normal(3, 4)), sample(uniform(0.5, 2, 3), normal())],
)
neg: Op = op(
    "neg",
    "Each entry with the other sign.",
    example="""
        >>> lab.neg(lab.tensor([1.0, -2.0]))
        tensor([-1.,  2.])
    """,
    ufunc="negative",
    vjp=lambda g, y, x: -g,
    refuses="b",
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
    example="""
        >>> lab.abs(lab.tensor([-3.0, 0.0, 4.0]))
        tensor([3., 0., 4.])
    """,
    ufunc="absolute",
    vjp=lambda g, y, x: g * sign(x),
    saved="input",
    shape=same_shape,
    refuses="b",
    formula=(r"y = |x|", r"\bar x = \bar y\,\operatorname{sign} x"),
    cost=per_entry(),
    kernel="lab_by_kind(x, fabs(x), x < 0 ? -x : x)",
    onnx="Abs",
    samples=[apart(3, 4)],
)


def _sign_forward(xp: Any, input: Any) -> Any:
    if input.dtype.kind == "b":
        return input.copy()
    kind = input.dtype  # xp.sign would keep NaN, which PyTorch makes 0
    return (input > 0).astype(kind) - (input < 0).astype(kind)


sign: Op = op(
    "sign",
    "-1, 0 or 1 for each entry.",
    example="""
        >>> lab.sign(lab.tensor([-3.0, 0.0, 4.0]))
        tensor([-1.,  0.,  1.])
    """,
    forward=_sign_forward,
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
    example="""
        >>> lab.square(lab.tensor([-3.0, 0.0, 4.0]))
        tensor([ 9.,  0., 16.])
    """,
    ufunc="square",
    vjp=lambda g, y, x: g * (2 * x),
    saved="input",
    shape=same_shape,
    refuses="b",
    formula=(r"y = x^2", r"\bar x = 2 x\,\bar y"),
    autocast="full",
    cost=per_entry(),
    kernel="x * x",
    samples=[normal(3, 4)],
)


def _whole_division(ufunc: str) -> Any:
    def forward(xp: Any, input: Any, other: Any) -> Any:
        # floats divided by 0 are inf or nan; integers have neither
        _need_divisor(input, other)
        return getattr(xp, ufunc)(input, other)

    return forward


def _need_divisor(input: Any, other: Any) -> None:
    array = input if hasattr(input, "dtype") else other
    whole = array.dtype.kind in "iu" and not isinstance(other, float)
    if whole and (not other if isinstance(other, int) else bool(known((other == 0).any()))):
        raise Mismatch(
            "an integer is divided by 0",
            "expected no 0 in other",
            "with .float() the result is inf or nan",
            ComputeError,
        )


remainder: Op = op(
    "remainder",
    "What is left of input after whole steps of other, with the sign of other.",
    example="""
        >>> lab.remainder(lab.tensor([-5, 5]), 3)
        tensor([1, 2])
    """,
    forward=_whole_division("remainder"),
    arguments=TWO,
    vjp=(lambda g, z, x, y: g, lambda g, z, x, y: -g * floor(x / y)),
    saved=("", "input other"),
    promotes="*",
    shape=broadcast,
    refuses="b",
    formula=(
        r"z = x - y \lfloor x / y \rfloor",
        r"\bar x = \bar z,\quad \bar y = -\bar z \lfloor x / y \rfloor",
    ),
    cost=per_entry(4),
    kernel="lab_remainder(x, y)",
    onnx="Mod",
    samples=[
        sample(apart(3, 4), uniform(0.331, 0.332, 3, 4)),
        sample(apart(4), uniform(0.331, 0.332, 3, 1)),
    ],
)
floor_divide: Op = op(
    "floor_divide",
    "How many whole steps of other fit into input: the quotient, rounded down.",
    example="""
        >>> lab.floor_divide(lab.tensor([-5, 5]), 3)
        tensor([-2,  1])
    """,
    forward=_whole_division("floor_divide"),
    arguments=TWO,
    promotes="*",
    shape=broadcast,
    refuses="b",
    formula=(r"z = \lfloor x / y \rfloor", r"\text{none}"),
    cost=per_entry(2),
    kernel="lab_floor_divide(x, y)",
    samples=[sample(normal(3, 4), uniform(0.5, 2, 4))],
)


# Exponentials, trigonometry, squashing -----------------------------------------------------

exp: Op = op(
    "exp",
    "Exponential of each entry.",
    example="""
        >>> lab.exp(lab.tensor([0.0, 1.0, 2.0]))
        tensor([1.0000, 2.7183, 7.3891])
    """,
    ufunc="exp",
    vjp=lambda g, y, x: g * y,
    saved="y",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(r"y = e^x", r"\bar x = \bar y\,y"),
    autocast="full",
    cost=per_entry(8),
    kernel="exp(x)",
    onnx="Exp",
    samples=[normal(3, 4)],
)
log: Op = op(
    "log",
    "Natural logarithm of each entry.",
    example="""
        >>> lab.log(lab.tensor([1.0, 2.7183, 10.0]))
        tensor([0.0000, 1.0000, 2.3026])
    """,
    ufunc="log",
    vjp=lambda g, y, x: g / x,
    saved="input",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(r"y = \ln x", r"\bar x = \bar y / x"),
    autocast="full",
    cost=per_entry(8),
    kernel="log(x)",
    onnx="Log",
    samples=[uniform(0.5, 3, 3, 4)],
)
sqrt: Op = op(
    "sqrt",
    "Square root of each entry.",
    example="""
        >>> lab.sqrt(lab.tensor([1.0, 4.0, 2.0]))
        tensor([1.0000, 2.0000, 1.4142])
    """,
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
    example="""
        >>> lab.sin(lab.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.4794, 0.8415])
    """,
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
    example="""
        >>> lab.cos(lab.tensor([0.0, 0.5, 1.0]))
        tensor([1.0000, 0.8776, 0.5403])
    """,
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
    example="""
        >>> lab.tanh(lab.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.7616,  0.0000,  0.7616])
    """,
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
    example="""
        >>> lab.sigmoid(lab.tensor([-2.0, 0.0, 2.0]))
        tensor([0.1192, 0.5000, 0.8808])
    """,
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


# erf by two polynomials, least worst fits (Remez) worked out for this project to 60 digits:
# below 1, erf(x) / x in x^2; above, exp(x^2) erfc(x) in t = (x - 3) / (x + 3). They are off by
# less than 1e-17, and the short ones for float32 by less than 5e-9: what is left is rounding.
_ERF_BELOW_1 = (
    -7.795898827002142e-10,
    1.3720064546777686e-08,
    -1.6208483801871705e-07,
    1.6447424703317362e-06,
    -1.492473690741966e-05,
    0.00012055294904839707,
    -0.0008548325975389692,
    0.0052239776071164225,
    -0.02686617064323777,
    0.11283791670945006,
    -0.37612638903183543,
    1.1283791670955126,
)
_ERF_ABOVE_1 = (
    3.381355142042904e-09,
    1.2755818949624478e-06,
    2.0135111426447427e-06,
    -8.00978093907608e-06,
    -1.2845780030775907e-05,
    6.406279226046039e-05,
    4.525434558991009e-05,
    -0.0005970624964924544,
    0.0007077464666941425,
    0.004269136356961225,
    -0.024392499318915004,
    0.07166583719747308,
    -0.15011593650077898,
    0.24560380171233487,
    -0.3262335600430372,
    0.17900115118138996,
)
# In float32 one quotient of polynomials in x * x does for all x, times x: relative error 4e-7.
_ERF_OVER = (
    2.123142115517831e-06,
    0.00028594398402140454,
    0.0036527548664438136,
    0.05241853603013103,
    0.18730824318122274,
    1.1283791520618662,
)
_ERF_UNDER = (
    3.8898424099684176e-05,
    0.001141708892558809,
    0.014742498533528612,
    0.11290047982921655,
    0.49933051226821484,
    1.0,
)


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    """Horner's scheme, highest power first, in one array."""
    out = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        out *= x
        out += c
    return out


def _erf_short(xp: Any, x: Any) -> Any:
    """erf in float32; from 3.83 on it is 1."""
    near = xp.clip(x, -3.83, 3.83)
    square = near * near
    out = _polynomial(_ERF_OVER, square)
    out *= near
    out /= _polynomial(_ERF_UNDER, square)
    return xp.clip(out, -1, 1)


def _erf_forward(xp: Any, input: Any) -> Any:
    if input.dtype.itemsize < 8:
        return _erf_short(xp, input.astype("float32", copy=False)).astype(input.dtype, copy=False)
    size = xp.minimum(xp.absolute(input), 6.0)  # 1 - erf(6) is 2e-17
    near = xp.minimum(size, 1.0)
    below = near * _polynomial(_ERF_BELOW_1, near * near)
    tail = xp.exp(-size * size) * _polynomial(_ERF_ABOVE_1, (size - 3.0) / (size + 3.0))
    out = xp.where(size < 1.0, below, 1.0 - tail)
    return xp.where(input < 0, -out, out)


erf: Op = op(
    "erf",
    "Error function: how much of a normal curve lies within x, scaled to go from -1 to 1.",
    example="""
        >>> lab.erf(lab.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.8427,  0.0000,  0.8427])
    """,
    forward=_erf_forward,
    vjp=lambda g, y, x: g * (2 / pi**0.5 * exp(-x * x)),
    saved="input",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(
        r"y = \frac{2}{\sqrt\pi} \int_0^x e^{-t^2}\,dt",
        r"\bar x = \bar y\,\frac{2}{\sqrt\pi} e^{-x^2}",
    ),
    cost=per_entry(60),
    kernel="erf(x)",
    onnx="Erf",
    samples=[normal(3, 4), uniform(-3, 3, 5), normal()],
)


def _curve(
    name: str,
    doc: str,
    ufunc: str,
    vjp: Any,
    saved: str,
    formula: tuple[str, str],
    kernel: str,
    onnx: str | None = None,
    low: float = -1.0,
    high: float = 1.0,
    promotes: str = "*",
    *,
    example: str,
    autocast: str = "",
) -> Op:
    return op(
        name,
        doc,
        example=example,
        autocast=autocast,
        ufunc=ufunc,
        vjp=vjp,
        saved=saved,
        promotes=promotes,
        floats=True,
        shape=same_shape,
        formula=formula,
        cost=per_entry(8),
        kernel=kernel,
        onnx=onnx,
        samples=[uniform(low, high, 3, 4), uniform(low, high)],
    )


tan: Op = _curve(
    "tan",
    "Tangent of each entry, in radians.",
    "tan",
    lambda g, y, x: g * (1 + y * y),
    "y",
    (r"y = \tan x", r"\bar x = \bar y\,(1 + y^2)"),
    "tan(x)",
    "Tan",
    example="""
        >>> lab.tan(lab.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.5463, 1.5574])
    """,
    autocast="full",
)
atan: Op = _curve(
    "atan",
    "The angle, in radians, whose tangent is the entry.",
    "arctan",
    lambda g, y, x: g / (1 + x * x),
    "input",
    (r"y = \arctan x", r"\bar x = \bar y / (1 + x^2)"),
    "atan(x)",
    "Atan",
    example="""
        >>> lab.atan(lab.tensor([0.0, 1.0, float("inf")]))
        tensor([0.0000, 0.7854, 1.5708])
    """,
)
reciprocal: Op = op(
    "reciprocal",
    "One divided by each entry.",
    example="""
        >>> lab.reciprocal(lab.tensor([1.0, 4.0, -0.5]))
        tensor([ 1.0000,  0.2500, -2.0000])
    """,
    forward=lambda xp, input: xp.reciprocal(input),  # as a ufunc it would round integers in place
    vjp=lambda g, y, x: -g * (y * y),
    saved="y",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(r"y = 1 / x", r"\bar x = -\bar y\,y^2"),
    autocast="full",
    cost=per_entry(),
    kernel="1 / x",
    onnx="Reciprocal",
    samples=[uniform(0.5, 2, 3, 4), uniform(0.5, 2)],
)
log2: Op = _curve(
    "log2",
    "Logarithm to base 2 of each entry.",
    "log2",
    lambda g, y, x: g / (x * ln(2)),
    "input",
    (r"y = \log_2 x", r"\bar x = \bar y / (x \ln 2)"),
    "log2(x)",
    low=0.5,
    high=3.0,
    example="""
        >>> lab.log2(lab.tensor([1.0, 8.0]))
        tensor([0., 3.])
    """,
    autocast="full",
)
log10: Op = _curve(
    "log10",
    "Logarithm to base 10 of each entry.",
    "log10",
    lambda g, y, x: g / (x * ln(10)),
    "input",
    (r"y = \log_{10} x", r"\bar x = \bar y / (x \ln 10)"),
    "log10(x)",
    low=0.5,
    high=3.0,
    example="""
        >>> lab.log10(lab.tensor([1.0, 100.0]))
        tensor([0.0000, 2.0000])
    """,
    autocast="full",
)
log1p: Op = _curve(
    "log1p",
    "Natural logarithm of 1 + x, exact also for a tiny x.",
    "log1p",
    lambda g, y, x: g / (1 + x),
    "input",
    (r"y = \ln(1 + x)", r"\bar x = \bar y / (1 + x)"),
    "log1p(x)",
    low=-0.5,
    high=3.0,
    example="""
        >>> lab.log1p(lab.tensor([0.0, 1.0]))
        tensor([0.0000, 0.6931])
    """,
    autocast="full",
)
expm1: Op = _curve(
    "expm1",
    "Exponential minus 1, exact also for a tiny x.",
    "expm1",
    lambda g, y, x: g * (y + 1),
    "y",
    (r"y = e^x - 1", r"\bar x = \bar y\,(y + 1)"),
    "expm1(x)",
    example="""
        >>> lab.expm1(lab.tensor([0.0, 1.0]))
        tensor([0.0000, 1.7183])
    """,
    autocast="full",
)
rsqrt: Op = op(
    "rsqrt",
    "One divided by the square root of each entry.",
    example="""
        >>> lab.rsqrt(lab.tensor([1.0, 4.0]))
        tensor([1.0000, 0.5000])
    """,
    forward=lambda xp, input: 1 / xp.sqrt(input),
    vjp=lambda g, y, x: g * (-0.5 * (y * y * y)),
    saved="y",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(r"y = 1 / \sqrt x", r"\bar x = -\tfrac{1}{2}\,\bar y\,y^3"),
    autocast="full",
    cost=per_entry(5),
    kernel="1 / sqrt(x)",
    composition=lambda x: 1 / sqrt(x),
    samples=[uniform(0.5, 3, 3, 4), uniform(0.5, 3)],
)


# Rounding: flat between the steps, so no gradient passes ------------------------------------


def _rounding(
    name: str, ufunc: str, formula: str, onnx: str | None, doc: str, *, example: str
) -> Op:
    return op(
        name,
        doc,
        example=example,
        # integers are whole already, and older NumPy would make them floats
        forward=lambda xp, input: (
            getattr(xp, ufunc)(input) if input.dtype.kind == "f" else input.copy()
        ),
        vjp=lambda g, y, x: g * 0.0,
        shape=same_shape,
        refuses="b",
        formula=(formula, r"\bar x = 0"),
        cost=per_entry(),
        kernel=f"lab_by_kind(x, {ufunc}(x), x)",
        onnx=onnx,
        samples=[apart(3, 4), apart()],
    )


floor: Op = _rounding(
    "floor",
    "floor",
    r"y = \lfloor x \rfloor",
    "Floor",
    "Each entry rounded down.",
    example="""
        >>> lab.floor(lab.tensor([-1.5, 1.5]))
        tensor([-2.,  1.])
    """,
)
ceil: Op = _rounding(
    "ceil",
    "ceil",
    r"y = \lceil x \rceil",
    "Ceil",
    "Each entry rounded up.",
    example="""
        >>> lab.ceil(lab.tensor([-1.5, 1.5]))
        tensor([-1.,  2.])
    """,
)
trunc: Op = _rounding(
    "trunc",
    "trunc",
    r"y = \operatorname{sign}(x) \lfloor |x| \rfloor",
    None,
    "Each entry without what follows the point.",
    example="""
        >>> lab.trunc(lab.tensor([-1.5, 1.5]))
        tensor([-1.,  1.])
    """,
)


def _round_bind(input: Any, *, decimals: int = 0) -> tuple[tuple[Any, ...], Attrs]:
    return (input,), {"decimals": decimals}


def _round_forward(xp: Any, input: Any, decimals: int = 0) -> Any:
    if input.dtype.kind != "f":
        return input.copy()
    if not decimals:
        return xp.rint(input)
    step = 10.0 ** builtins.abs(decimals)
    return xp.rint(input * step) / step if decimals > 0 else xp.rint(input / step) * step


def _round_kernel(decimals: int) -> str:
    step = number(10.0 ** builtins.abs(decimals))
    scaled = "rint(x)"
    if decimals:
        scaled = f"rint(x * {step}) / {step}" if decimals > 0 else f"rint(x / {step}) * {step}"
    return f"lab_by_kind(x, {scaled}, x)"


round: Op = op(
    "round",
    "Each entry rounded to a whole number, or to some decimals; a half goes to the even one.",
    example="""
        >>> lab.round(lab.tensor([0.5, 1.5, 2.5]))
        tensor([0., 2., 2.])
        >>> lab.round(lab.tensor([3.14159]), decimals=2)
        tensor([3.1400])
    """,
    forward=_round_forward,
    bind=_round_bind,
    vjp=lambda g, y, x, decimals=0: g * 0.0,
    shape=same_shape,
    refuses="b",
    formula=(r"y = \operatorname{round} x", r"\bar x = 0"),
    cost=per_entry(),
    kernel=_round_kernel,
    onnx="Round",
    samples=[sample(apart(3, 4), decimals=0), sample(apart(3, 4), decimals=1)],
)


# The positive part --------------------------------------------------------------------------

relu: Op = op(
    "relu",
    "Each entry, or 0 where it is negative.",
    example="""
        >>> lab.relu(lab.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 2.])
    """,
    forward=lambda xp, input: xp.maximum(input, 0),
    vjp=lambda g, y, x: g * (y > 0),
    saved="y",
    shape=same_shape,
    refuses="b",
    formula=(r"y = \max(0, x)", r"\bar x = \bar y\,[x > 0]"),
    cost=per_entry(),
    kernel="(x > 0) | (x != x) ? x : 0",
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
    example="""
        >>> lab.maximum(lab.tensor([1.0, 5.0]), lab.tensor([3.0, 4.0]))
        tensor([3., 5.])
    """,
    ufunc="maximum",
    arguments=TWO,
    vjp=(_larger, lambda g, z, x, y: _larger(g, z, y, x)),
    saved="input other",
    promotes="*",
    shape=broadcast,
    formula=(r"z = \max(x, y)", r"\bar x = \bar z\,[x > y],\quad \bar y = \bar z\,[y > x]"),
    cost=per_entry(),
    kernel="(x > y) | (x != x) ? x : y",
    onnx="Max",
    samples=[sample(apart(3, 4), normal(3, 4)), sample(apart(3, 4), normal(4))],
)
minimum: Op = op(
    "minimum",
    "The smaller of each pair of entries.",
    example="""
        >>> lab.minimum(lab.tensor([1.0, 5.0]), lab.tensor([3.0, 4.0]))
        tensor([1., 4.])
    """,
    ufunc="minimum",
    arguments=TWO,
    vjp=(lambda g, z, x, y: _larger(g, z, y, x), _larger),
    saved="input other",
    promotes="*",
    shape=broadcast,
    formula=(r"z = \min(x, y)", r"\bar x = \bar z\,[x < y],\quad \bar y = \bar z\,[y < x]"),
    cost=per_entry(),
    kernel="(x < y) | (x != x) ? x : y",
    onnx="Min",
    samples=[sample(apart(3, 4), normal(3, 4))],
)


def _need_mask(condition: Any) -> None:
    kind = getattr(condition, "dtype", BOOL)
    if kind not in (BOOL, UINT8):
        raise Mismatch(
            "condition must be bool",
            f"expected a bool tensor, got {kind}",
            "convert with .bool(), or compare: condition != 0",
            DTypeError,
        )


def _where_shape(condition: Spec, input: Spec, other: Spec) -> Spec:
    _need_mask(condition)
    return replace(broadcast(input, other, condition), dtype=input.dtype)


def _where_forward(xp: Any, condition: Any, input: Any, other: Any) -> Any:
    _need_mask(condition)
    if {type(input), type(other)} <= {bool, int, float}:
        kind = number_dtype(other, number_dtype(input, BOOL))
        input, other = scalar(xp, input, kind), scalar(xp, other, kind)
    return xp.where(condition, input, other)


where: Op = op(
    "where",
    "The entry of input where the condition holds, else that of other.",
    forward=_where_forward,
    vjp=(
        None,
        lambda g, z, c, x, y: where(c, g, 0.0),
        lambda g, z, c, x, y: where(c, 0.0, g),
    ),
    saved="condition",
    promotes="input other",
    shape=_where_shape,
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
    if min is None and max is None:
        raise ComputeError(
            "clamp(input, min, max): expected min, max or both, got neither\n"
            "  clamp(x, 0, 1) keeps x from 0 to 1"
        )
    for name, bound in (("min", min), ("max", max)):
        if not (bound is None or isinstance(bound, (int, float))):
            raise KindError(
                f"clamp(input, min, max): {name} is not a number\n"
                f"  expected a Python number, got {type(bound).__name__}\n"
                "  numbers and tensors of bounds can be given"
            )
    if isinstance(min, float) or isinstance(max, float):
        input = _as_float(input)
    return (input,), {"min": min, "max": max}


def _as_float(x: Any) -> Any:
    """Integers as the default float; what an integer tensor becomes next to a float number."""
    return x if np.dtype(x.dtype.name).kind == "f" else to_dtype(x, get_default_dtype())


def _clamp_grad(g: Any, y: Any, x: Any, min: Any, max: Any) -> Any:
    inside = ge(x, min) if max is None else le(x, max)
    if min is not None and max is not None:
        inside = logical_and(ge(x, min), inside)
    return g * inside


def _clamp_kernel(min: Any, max: Any) -> str:
    text = "x"
    if min is not None:
        text = f"(x < {number(min)} ? {number(min)} : x)"
    return text if max is None else f"({text} > {number(max)} ? {number(max)} : {text})"


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
    kernel=_clamp_kernel,
    onnx="Clip",
    samples=[sample(apart(3, 4), min=-0.33, max=0.41), sample(apart(3, 4), min=None, max=0.2)],
)


def clamp_min(input: Any, min: Any) -> Any:
    """Each entry, or ``min`` where it is smaller; ``min`` is a number or a tensor.

    >>> import minitorch_lab as lab
    >>> lab.clamp_min(lab.tensor([-1.0, 2.0]), 0)
    tensor([0., 2.])
    """
    if isinstance(min, (int, float)):
        return clamp(input, min=min)
    return where(logical_or(ge(input, min), isnan(input)), input, min)


def clamp_max(input: Any, max: Any) -> Any:
    """Each entry, or ``max`` where it is larger; ``max`` is a number or a tensor.

    >>> import minitorch_lab as lab
    >>> lab.clamp_max(lab.tensor([-1.0, 2.0]), 0)
    tensor([-1.,  0.])
    """
    if isinstance(max, (int, float)):
        return clamp(input, max=max)
    return where(logical_or(le(input, max), isnan(input)), input, max)


def _fill_check(input: Spec, mask: Spec, value: Spec) -> Spec:
    """The mask broadcasts to the shape of the input, and the value is one number."""
    if mask.dtype != BOOL:
        raise Mismatch(
            "mask must be bool",
            f"expected a bool tensor, got {mask.dtype}",
            "convert with .bool(), or compare: mask != 0",
            ComputeError,
        )
    if value.ndim:
        raise Mismatch(
            "value must be one number",
            f"expected a number or a 0-d tensor, got shape {value.shape}",
            "where(mask, value, input) takes a tensor of values",
        )
    return replace(broadcast(input, mask), dtype=input.dtype)


def _fill_forward(xp: Any, input: Any, mask: Any, value: Any) -> Any:
    if mask.dtype.kind != "b" or getattr(value, "ndim", 0):
        raise KindError("masked_fill")  # the shape rule writes the message
    return xp.where(mask, scalar(xp, value, input.dtype), input)


masked_fill: Op = op(
    "masked_fill",
    "The value where mask holds, else the entry of input.",
    example="""
        >>> x = lab.tensor([1.0, -2.0, 3.0])
        >>> lab.masked_fill(x, x < 0, 0.0)
        tensor([1., 0., 3.])
    """,
    forward=_fill_forward,
    bind=lambda input, mask, value: ((input, mask, value), {}),
    vjp=(
        lambda g, y, x, m, v: where(m, 0.0, g),
        None,
        lambda g, y, x, m, v: where(m, g, 0.0),
    ),
    saved="mask",
    shape=_fill_check,
    formula=(
        r"y = m\;?\;v : x",
        r"\bar x = [\lnot m]\,\bar y,\quad \bar v = \sum [m]\,\bar y",
    ),
    cost=per_entry(),
    kernel="y ? z : x",
    samples=[
        sample(normal(3, 4), mask(3, 4), normal()),
        sample(normal(3, 4), mask(4), normal()),
    ],
)


# Comparisons and logic: no gradient --------------------------------------------------------


def _comparison(name: str, ufunc: str, symbol: str, c: str, doc: str, *, example: str) -> Op:
    return op(
        name,
        doc,
        example=example,
        ufunc=ufunc,
        arguments=TWO,
        promotes="*",
        shape=compare,
        formula=(rf"z = [x {symbol} y]", r"\text{none}"),
        cost=per_entry(),
        kernel=c if "x" in c else f"x {c} y",
        samples=[sample(normal(3, 4), normal(4))],
    )


eq: Op = _comparison(
    "eq",
    "equal",
    "=",
    "==",
    "Whether the entries are equal.",
    example="""
        >>> lab.eq(lab.tensor([1, 2]), lab.tensor([1, 3]))
        tensor([ True, False])
    """,
)
ne: Op = _comparison(
    "ne",
    "not_equal",
    r"\ne",
    "!=",
    "Whether the entries differ.",
    example="""
        >>> lab.ne(lab.tensor([1, 2]), lab.tensor([1, 3]))
        tensor([False,  True])
    """,
)
lt: Op = _comparison(
    "lt",
    "less",
    "<",
    "<",
    "Whether input is less than other.",
    example="""
        >>> lab.lt(lab.tensor([1, 2, 3]), 2)
        tensor([ True, False, False])
    """,
)
le: Op = _comparison(
    "le",
    "less_equal",
    r"\le",
    "<=",
    "Whether input is at most other.",
    example="""
        >>> lab.le(lab.tensor([1, 2, 3]), 2)
        tensor([ True,  True, False])
    """,
)
gt: Op = _comparison(
    "gt",
    "greater",
    ">",
    ">",
    "Whether input is greater than other.",
    example="""
        >>> lab.gt(lab.tensor([1, 2, 3]), 2)
        tensor([False, False,  True])
    """,
)
ge: Op = _comparison(
    "ge",
    "greater_equal",
    r"\ge",
    ">=",
    "Whether input is at least other.",
    example="""
        >>> lab.ge(lab.tensor([1, 2, 3]), 2)
        tensor([False,  True,  True])
    """,
)
logical_and: Op = _comparison(
    "logical_and",
    "logical_and",
    r"\land",
    "&&",
    "Whether both hold.",
    example="""
        >>> lab.logical_and(lab.tensor([True, True]), lab.tensor([True, False]))
        tensor([ True, False])
    """,
)
logical_or: Op = _comparison(
    "logical_or",
    "logical_or",
    r"\lor",
    "||",
    "Whether one holds.",
    example="""
        >>> lab.logical_or(lab.tensor([True, False]), lab.tensor([False, False]))
        tensor([ True, False])
    """,
)
logical_xor: Op = _comparison(
    "logical_xor",
    "logical_xor",
    r"\oplus",
    "!x != !y",
    "Whether exactly one holds.",
    example="""
        >>> lab.logical_xor(lab.tensor([True, True]), lab.tensor([True, False]))
        tensor([False,  True])
    """,
)


def _question(name: str, ufunc: str, formula: str, c: str, doc: str, *, example: str) -> Op:
    return op(
        name,
        doc,
        example=example,
        ufunc=ufunc,
        shape=lambda x: replace(x, dtype=compare(x).dtype),
        formula=(formula, r"\text{none}"),
        cost=per_entry(),
        kernel=c,
        samples=[normal(3, 4)],
    )


logical_not: Op = _question(
    "logical_not",
    "logical_not",
    r"y = \lnot x",
    "!x",
    "Whether the entry is 0.",
    example="""
        >>> lab.logical_not(lab.tensor([0, 1, 2]))
        tensor([ True, False, False])
    """,
)
isnan: Op = _question(
    "isnan",
    "isnan",
    r"y = [x \text{ is NaN}]",
    "x != x",
    "Whether the entry is NaN.",
    example="""
        >>> lab.isnan(lab.tensor([1.0, float("nan")]))
        tensor([False,  True])
    """,
)
isinf: Op = _question(
    "isinf",
    "isinf",
    r"y = [|x| = \infty]",
    "isinf(x)",
    "Whether the entry is infinite.",
    example="""
        >>> lab.isinf(lab.tensor([1.0, float("-inf")]))
        tensor([False,  True])
    """,
)
isfinite: Op = _question(
    "isfinite",
    "isfinite",
    r"y = [|x| < \infty]",
    "isfinite(x)",
    "Whether the entry is a number.",
    example="""
        >>> lab.isfinite(lab.tensor([1.0, float("inf"), float("nan")]))
        tensor([ True, False, False])
    """,
)


def isclose(
    input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """Whether the entries are equal up to ``atol + rtol * abs(other)``.

    >>> import minitorch_lab as lab
    >>> lab.isclose(lab.tensor([1.0, 2.0]), lab.tensor([1.000001, 2.1]))
    tensor([ True, False])
    """
    if input.dtype != other.dtype:
        raise DTypeError(
            f"isclose(input, other): the dtypes differ\n  input  {input.spec}\n"
            f"  other  {other.spec}\n  expected one dtype\n"
            f"  convert with .to(lab.{input.dtype.name})"
        )
    # whole numbers may wrap around, and bools have no difference
    input, other = (
        x if x.dtype.is_floating_point else to_dtype(x, "float64") for x in (input, other)
    )
    gap = abs(sub(input, other))
    near = logical_and(le(gap, add(mul(abs(other), rtol), atol)), isfinite(gap))
    same = logical_or(eq(input, other), near)
    return logical_or(same, logical_and(isnan(input), isnan(other))) if equal_nan else same


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
    example="""
        >>> x = lab.tensor([1.0, 2.0])
        >>> y = lab.clone(x)
        >>> y[0] = 5.0
        >>> x, y
        (tensor([1., 2.]), tensor([5., 2.]))
    """,
    forward=_clone_forward,
    vjp=lambda g, y, x: g,
    shape=same_shape,
    formula=(r"y = x", r"\bar x = \bar y"),
    cost=per_entry(0),
    kernel="x",
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
        scalar(xp, source, input.dtype), input.shape
    ).copy(),
    inplace=_copy,
    vjp=(lambda g, y, x, s: g * 0.0, lambda g, y, x, s: g),
    shape=_copy_shape,
    formula=(r"y = s", r"\bar s = \bar y"),
    cost=per_entry(0),
    kernel="y",
    samples=[sample(normal(3, 4), normal(4))],
)


# What a learner calls by these names, as a function and as a method.
FUNCTIONS = {
    name: globals()[name]
    for name in (
        "add sub mul pow neg abs sign square exp log sqrt sin cos tanh sigmoid relu "
        "maximum minimum where eq ne lt le gt ge logical_and logical_or logical_not "
        "isnan isinf isfinite clone "
        "remainder floor_divide erf tan atan reciprocal rsqrt log2 log10 log1p expm1 "
        "floor ceil trunc round clamp_min clamp_max masked_fill logical_xor isclose"
    ).split()
}
NOT_METHODS = ("where",)
# With an in-place form, such as ``x.add_(y)``.
IN_PLACE = tuple(
    n
    for n in FUNCTIONS
    if n not in "maximum minimum where isnan isinf isfinite clone isclose".split()
)
