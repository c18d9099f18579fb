"""More elementwise functions: inverse and hyperbolic curves, and short ones made of ops."""

from __future__ import annotations

from math import log as ln
from math import pi
from typing import Any

import numpy as np

from ..errors import ComputeError
from ..op import Op, apart, normal, op, sample, uniform
from . import elementwise as e
from .rules import broadcast, per_entry, same_shape

# Curves --------------------------------------------------------------------------------------

asin: Op = e._curve(
    "asin",
    "The angle, in radians, whose sine is the entry.",
    "arcsin",
    lambda g, y, x: g / e.sqrt(1 - x * x),
    "input",
    (r"y = \arcsin x", r"\bar x = \bar y / \sqrt{1 - x^2}"),
    "asin(x)",
    "Asin",
    low=-0.8,
    high=0.8,
    example="""
        >>> lab.asin(lab.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.5236, 1.5708])
    """,
    autocast="full",
)
acos: Op = e._curve(
    "acos",
    "The angle, in radians, whose cosine is the entry.",
    "arccos",
    lambda g, y, x: -g / e.sqrt(1 - x * x),
    "input",
    (r"y = \arccos x", r"\bar x = -\bar y / \sqrt{1 - x^2}"),
    "acos(x)",
    "Acos",
    low=-0.8,
    high=0.8,
    example="""
        >>> lab.acos(lab.tensor([1.0, 0.5, 0.0]))
        tensor([0.0000, 1.0472, 1.5708])
    """,
    autocast="full",
)
sinh: Op = e._curve(
    "sinh",
    "Hyperbolic sine of each entry.",
    "sinh",
    lambda g, y, x: g * cosh(x),
    "input",
    (r"y = \sinh x", r"\bar x = \bar y \cosh x"),
    "sinh(x)",
    "Sinh",
    example="""
        >>> lab.sinh(lab.tensor([-1.0, 0.0, 1.0]))
        tensor([-1.1752,  0.0000,  1.1752])
    """,
    autocast="full",
)
cosh: Op = e._curve(
    "cosh",
    "Hyperbolic cosine of each entry.",
    "cosh",
    lambda g, y, x: g * sinh(x),
    "input",
    (r"y = \cosh x", r"\bar x = \bar y \sinh x"),
    "cosh(x)",
    "Cosh",
    example="""
        >>> lab.cosh(lab.tensor([-1.0, 0.0, 1.0]))
        tensor([1.5431, 1.0000, 1.5431])
    """,
    autocast="full",
)
asinh: Op = e._curve(
    "asinh",
    "The number whose hyperbolic sine is the entry.",
    "arcsinh",
    lambda g, y, x: g / e.sqrt(x * x + 1),
    "input",
    (r"y = \operatorname{arsinh} x", r"\bar x = \bar y / \sqrt{x^2 + 1}"),
    "asinh(x)",
    "Asinh",
    example="""
        >>> lab.asinh(lab.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.8814,  0.0000,  0.8814])
    """,
)
acosh: Op = e._curve(
    "acosh",
    "The positive number whose hyperbolic cosine is the entry.",
    "arccosh",
    lambda g, y, x: g / e.sqrt(x * x - 1),
    "input",
    (r"y = \operatorname{arcosh} x", r"\bar x = \bar y / \sqrt{x^2 - 1}"),
    "acosh(x)",
    "Acosh",
    low=1.3,
    high=3.0,
    promotes="input",  # the loops over all entries stay inside of where it is defined,
    example="""
        >>> lab.acosh(lab.tensor([1.0, 2.0]))
        tensor([0.0000, 1.3170])
    """,
)
atanh: Op = e._curve(
    "atanh",
    "The number whose hyperbolic tangent is the entry.",
    "arctanh",
    lambda g, y, x: g / (1 - x * x),
    "input",
    (r"y = \operatorname{artanh} x", r"\bar x = \bar y / (1 - x^2)"),
    "atanh(x)",
    "Atanh",
    low=-0.8,
    high=0.8,
    example="""
        >>> lab.atanh(lab.tensor([-0.5, 0.0, 0.5]))
        tensor([-0.5493,  0.0000,  0.5493])
    """,
)
exp2: Op = e._curve(
    "exp2",
    "2 to the power of each entry.",
    "exp2",
    lambda g, y, x: g * (y * ln(2)),
    "y",
    (r"y = 2^x", r"\bar x = \bar y\,y \ln 2"),
    "exp2(x)",
    example="""
        >>> lab.exp2(lab.tensor([0.0, 1.0, 3.0]))
        tensor([1., 2., 8.])
    """,
)


def _erfc_forward(xp: Any, input: Any) -> Any:
    x = input.astype("float32") if input.dtype.itemsize < 4 else input
    size = xp.minimum(xp.absolute(x), 28.0)
    tail = xp.exp(-size * size) * e._polynomial(e._ERF_ABOVE_1, (size - 3.0) / (size + 3.0))
    # below 1 nothing is lost by 1 - erf; above, the tail itself keeps its digits
    near = 1.0 - e._erf_forward(xp, x)
    out = xp.where(size < 1.0, near, xp.where(x < 0, 2.0 - tail, tail))
    return out.astype(input.dtype, copy=False)


erfc: Op = op(
    "erfc",
    "1 minus the error function, exact also where it is tiny.",
    example="""
        >>> lab.erfc(lab.tensor([0.0, 1.0]))
        tensor([1.0000, 0.1573])
    """,
    forward=_erfc_forward,
    vjp=lambda g, y, x: g * (-2 / pi**0.5 * e.exp(-x * x)),
    saved="input",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(
        r"y = 1 - \operatorname{erf} x",
        r"\bar x = -\bar y\,\frac{2}{\sqrt\pi} e^{-x^2}",
    ),
    cost=per_entry(60),
    kernel="erfc(x)",
    samples=[normal(3, 4), uniform(-3, 3, 5), normal()],
)


def _erfinv_forward(xp: Any, input: Any) -> Any:
    x = xp.absolute(input.astype("float64", copy=False))
    log = xp.log((1 - x) * (1 + x))
    # Winitzki (2008) to three digits; then Halley's method, which trebles them in each step.
    half = 2 / (pi * 0.147) + log / 2
    y = xp.sqrt(xp.sqrt(half * half - log / 0.147) - half)
    for _ in range(3):
        # near 1 the digits are in what is left to 1
        off = xp.where(x < 0.5, e.erf.forward(xp, y) - x, (1 - x) - erfc.forward(xp, y))
        step = off * (pi**0.5 / 2) * xp.exp(y * y)
        y = y - step / (1 + y * step)
    y = xp.where(x == 1, np.inf, y)
    return (xp.sign(input) * y).astype(input.dtype, copy=False)


erfinv: Op = op(
    "erfinv",
    "Inverse of the error function, from -1 to 1.",
    example="""
        >>> lab.erfinv(lab.tensor([0.0, 0.5, 0.8427]))
        tensor([0.0000, 0.4769, 1.0000])
    """,
    forward=_erfinv_forward,
    vjp=lambda g, y, x: g * (pi**0.5 / 2 * e.exp(y * y)),
    saved="y",
    promotes="*",
    floats=True,
    shape=same_shape,
    formula=(
        r"y = \operatorname{erf}^{-1} x",
        r"\bar x = \bar y\,\frac{\sqrt\pi}{2} e^{y^2}",
    ),
    autocast="full",
    cost=per_entry(200),
    kernel="lab_erfinv(x)",
    samples=[uniform(-0.9, 0.9, 3, 4), uniform(-0.9, 0.9)],
)


# Pairs ---------------------------------------------------------------------------------------


def _pair(
    name: str,
    doc: str,
    ufunc: str,
    vjp: tuple[Any, Any],
    formula: tuple[str, str],
    saved: str = "input other",
    forward: Any = None,
    floats: bool = True,
    refuses: str = "",
    kernel: str = "",
    *,
    example: str,
) -> Op:
    return op(
        name,
        doc,
        example=example,
        ufunc=ufunc if forward is None else None,
        forward=forward,
        arguments=e.TWO,
        vjp=vjp,
        saved=saved,
        promotes="*",
        floats=floats,
        refuses=refuses,
        shape=broadcast,
        formula=formula,
        cost=per_entry(8),
        kernel=kernel or f"{name}(x, y)",
        samples=[
            sample(apart(3, 4), uniform(0.331, 0.332, 3, 4)),
            sample(apart(4), uniform(0.331, 0.332, 3, 1)),
        ],
    )


atan2: Op = _pair(
    "atan2",
    "The angle of the point (other, input), in radians from -pi to pi.",
    "arctan2",
    (
        lambda g, z, y, x: g * (x / (x * x + y * y)),
        lambda g, z, y, x: g * (-y / (x * x + y * y)),
    ),
    (
        r"z = \operatorname{atan2}(y, x)",
        r"\bar y = \bar z\,x / (x^2 + y^2),\quad \bar x = -\bar z\,y / (x^2 + y^2)",
    ),
    example="""
        >>> lab.atan2(lab.tensor([1.0, -1.0]), lab.tensor([1.0, -1.0]))
        tensor([ 0.7854, -2.3562])
    """,
)
hypot: Op = _pair(
    "hypot",
    "Length of the hypotenuse over two sides, without overflow.",
    "hypot",
    (lambda g, z, x, y: g * (x / z), lambda g, z, x, y: g * (y / z)),
    (r"z = \sqrt{x^2 + y^2}", r"\bar x = \bar z\,x / z,\quad \bar y = \bar z\,y / z"),
    "input other y",
    floats=False,
    refuses="bui",
    example="""
        >>> lab.hypot(lab.tensor([3.0]), lab.tensor([4.0]))
        tensor([5.])
    """,
)
copysign: Op = _pair(
    "copysign",
    "The size of input with the sign of other.",
    "copysign",
    (lambda g, z, x, y: g * (e.sign(x) * copysign(1.0, y)), lambda g, z, x, y: g * 0.0),
    (
        r"z = |x| \operatorname{sign} y",
        r"\bar x = \bar z \operatorname{sign} x \operatorname{sign} y",
    ),
    example="""
        >>> lab.copysign(lab.tensor([1.0, 2.0]), lab.tensor([-3.0, 4.0]))
        tensor([-1.,  2.])
    """,
)
logaddexp: Op = _pair(
    "logaddexp",
    "Logarithm of the sum of two exponentials, without overflow.",
    "logaddexp",
    (
        lambda g, z, x, y: g * e.sigmoid(_gap(x, y)),
        lambda g, z, x, y: g * e.sigmoid(_gap(y, x)),
    ),
    (
        r"z = \ln(e^x + e^y)",
        r"\bar x = \bar z\,\sigma(x - y),\quad \bar y = \bar z\,\sigma(y - x)",
    ),
    floats=False,
    refuses="bui",
    # of two equal infinities the difference is NaN
    kernel=f"x == y ? x + {ln(2)} : x > y ? x + log1p(exp(y - x)) : x < y ? y + log1p(exp(x - y))"
    " : x + y",
    example="""
        >>> lab.logaddexp(lab.tensor([0.0, 100.0]), lab.tensor([0.0, 100.0]))
        tensor([  0.6931, 100.6931])
    """,
)


def _gap(x: Any, y: Any) -> Any:
    """``x - y``, and 0 for two equal infinities."""
    return e.where(e.eq(x, y), 0.0, x - y)


def _fmod_forward(xp: Any, input: Any, other: Any) -> Any:
    e._need_divisor(input, other)
    return xp.fmod(input, other)


fmod: Op = _pair(
    "fmod",
    "What is left of input after whole steps of other, with the sign of input.",
    "",
    (lambda g, z, x, y: g, lambda g, z, x, y: -g * e.trunc(x / y)),
    (
        r"z = x - y \operatorname{trunc}(x / y)",
        r"\bar x = \bar z,\quad \bar y = -\bar z \operatorname{trunc}(x / y)",
    ),
    forward=_fmod_forward,
    floats=False,
    refuses="b",
    kernel="lab_fmod(x, y)",
    example="""
        >>> lab.fmod(lab.tensor([-5, 5]), 3)
        tensor([-2,  2])
    """,
)


# Made of the above ---------------------------------------------------------------------------


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Quotient of each pair of entries; ``rounding_mode`` "trunc" or "floor" makes it whole.

    >>> import minitorch_lab as lab
    >>> lab.div(lab.tensor([7, -7]), 2, rounding_mode="trunc")
    tensor([ 3, -3])
    """
    if rounding_mode is None:
        return e.div(input, other)
    if rounding_mode == "floor":
        return e.floor_divide(input, other)
    if rounding_mode != "trunc":
        raise ComputeError(
            f"div(rounding_mode): got {rounding_mode!r}\n  expected None, 'trunc' or 'floor'"
        )
    return e.trunc(e.div(input, other)) if _any_float(input, other) else _whole_trunc(input, other)


def _any_float(*values: Any) -> bool:
    return any(
        isinstance(x, float) or (hasattr(x, "dtype") and x.dtype.is_floating_point) for x in values
    )


def _whole_trunc(input: Any, other: Any) -> Any:
    down = e.floor_divide(input, other)
    rest = e.remainder(input, other)  # it has the sign of other: not 0 and input's is the other one
    turned = (
        e.ne(e.lt(input, 0), e.lt(other, 0))
        if hasattr(other, "dtype")
        else (e.ge(input, 0) if other < 0 else e.lt(input, 0))
    )
    return down + e.logical_and(turned, e.ne(rest, 0))


def rsub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """``other - alpha * input``.

    >>> import minitorch_lab as lab
    >>> lab.rsub(lab.tensor([1.0, 2.0]), 10)
    tensor([9., 8.])
    """
    return e.sub(other, input if alpha == 1 else e.mul(input, alpha))


def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Each entry, moved into the range from min to max: numbers, or tensors that broadcast.

    >>> import minitorch_lab as lab
    >>> lab.clamp(lab.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if not (hasattr(min, "shape") or hasattr(max, "shape")):
        return e.clamp(input, min, max)
    if min is not None:
        input = e.clamp_min(input, min)
    return input if max is None else e.clamp_max(input, max)


def lerp(input: Any, end: Any, weight: Any) -> Any:
    """From input to end by the share ``weight``: 0 gives input, 1 gives end.

    >>> import minitorch_lab as lab
    >>> lab.lerp(lab.tensor([0.0, 10.0]), lab.tensor([4.0, 20.0]), 0.5)
    tensor([ 2., 15.])
    """
    if not input.dtype.is_floating_point:
        raise ComputeError(
            f"lerp(input, end): expected a float dtype, got {input.dtype.name}\n"
            "  convert with .float()"
        )
    if end.dtype != input.dtype:
        raise ComputeError(
            f"lerp(input, end): the dtypes differ\n  input  {input.spec}\n  end    {end.spec}\n"
            f"  expected one dtype\n  convert with .to(lab.{input.dtype.name})"
        )
    way = e.sub(end, input)
    if isinstance(weight, (int, float)):
        return input + way * weight if weight < 0.5 else end - way * (1 - weight)
    return e.where(e.lt(e.abs(weight), 0.5), input + way * weight, end - way * (1 - weight))


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """``input + value * tensor1 * tensor2``.

    >>> import minitorch_lab as lab
    >>> lab.addcmul(lab.ones(2), lab.tensor([2.0, 3.0]), lab.tensor([4.0, 5.0]), value=10)
    tensor([ 81., 151.])
    """
    product = e.mul(tensor1, tensor2)
    return input + (product if value == 1 else product * value)


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """``input + value * tensor1 / tensor2``.

    >>> import minitorch_lab as lab
    >>> lab.addcdiv(lab.tensor([1.0, 1.0]), lab.tensor([8.0, 9.0]), lab.tensor([4.0, 3.0]))
    tensor([3., 4.])
    """
    if not _any_float(tensor1, tensor2):
        raise ComputeError(
            "addcdiv(input, tensor1, tensor2): the quotient of integers is no integer\n"
            "  expected float tensors\n  convert with .float()"
        )
    quotient = e.div(tensor1, tensor2)
    return input + (quotient if value == 1 else quotient * value)


def frac(input: Any) -> Any:
    """What follows the point: each entry minus its whole part.

    >>> import minitorch_lab as lab
    >>> lab.frac(lab.tensor([1.25, -1.25]))
    tensor([ 0.2500, -0.2500])
    """
    if not input.dtype.is_floating_point:
        raise ComputeError(
            f"frac(input): expected a float dtype, got {input.dtype.name}\n  convert with .float()"
        )
    return input - e.trunc(input)


def heaviside(input: Any, values: Any) -> Any:
    """0 for negative entries, 1 for positive ones, ``values`` for 0.

    >>> import minitorch_lab as lab
    >>> lab.heaviside(lab.tensor([-2.0, 0.0, 3.0]), lab.tensor(0.5))
    tensor([0.0000, 0.5000, 1.0000])
    """
    if input.dtype != values.dtype:
        raise ComputeError(
            "heaviside(input, values): the dtypes differ\n"
            f"  input   {input.dtype.name}\n  values  {values.dtype.name}\n  convert one with .to()"
        )
    one = e.to_dtype(e.gt(input, 0), input.dtype)
    return e.where(e.eq(input, 0), values, one)


def nan_to_num(
    input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """NaN as ``nan`` (0), infinities as the largest and smallest number of the dtype.

    >>> import minitorch_lab as lab
    >>> lab.nan_to_num(lab.tensor([float("nan"), float("inf"), 1.0]), posinf=9.0)
    tensor([0., 9., 1.])
    """
    if not input.dtype.is_floating_point:
        return e.clone(input)
    limit = float(np.finfo(input.dtype.np).max)
    input = e.where(e.isnan(input), 0.0 if nan is None else float(nan), input)
    high = limit if posinf is None else float(posinf)
    low = -limit if neginf is None else float(neginf)
    input = e.where(e.eq(input, float("inf")), high, input)
    return e.where(e.eq(input, float("-inf")), low, input)


def xlogy(input: Any, other: Any) -> Any:
    """``input * log(other)``, and 0 where input is 0.

    >>> import minitorch_lab as lab
    >>> lab.xlogy(lab.tensor([0.0, 2.0]), lab.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    zero = e.eq(input, 0)
    if not hasattr(other, "shape"):
        return e.where(zero, 0.0, e.mul(input, ln(other)))
    zero = e.logical_and(zero, e.logical_not(e.isnan(other)))
    return e.where(zero, 0.0, e.mul(input, e.log(e.where(zero, 1.0, other))))


def sinc(input: Any) -> Any:
    """``sin(pi x) / (pi x)``, and 1 at 0.

    >>> import minitorch_lab as lab
    >>> lab.sinc(lab.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    zero = e.eq(input, 0)
    x = e.where(zero, 1.0, input) * pi
    return e.where(zero, 1.0, e.sin(x) / x)


def logit(input: Any, eps: float | None = None) -> Any:
    """The inverse of sigmoid: ``log(x / (1 - x))``; with ``eps``, x is moved from 0 and 1 first.

    >>> import minitorch_lab as lab
    >>> lab.logit(lab.tensor([0.5, 0.9]))
    tensor([0.0000, 2.1972])
    """
    x = e._as_float(input)
    x = x if eps is None else e.clamp(x, eps, 1 - eps)
    return e.log(x / (1 - x))


def float_power(input: Any, exponent: Any) -> Any:
    """Power in float64.

    >>> import minitorch_lab as lab
    >>> lab.float_power(lab.tensor([2, 3]), 2)
    tensor([4., 9.], dtype=lab.float64)
    """
    wide = [
        e.to_dtype(x, "float64") if hasattr(x, "dtype") else float(x) for x in (input, exponent)
    ]
    return e.pow(*wide)


def fmax(input: Any, other: Any) -> Any:
    """The larger of each pair of entries; a number wins against NaN.

    >>> import minitorch_lab as lab
    >>> lab.fmax(lab.tensor([1.0, float("nan")]), lab.tensor([3.0, 2.0]))
    tensor([3., 2.])
    """
    return e.where(e.isnan(other), input, e.where(e.isnan(input), other, e.maximum(input, other)))


def fmin(input: Any, other: Any) -> Any:
    """The smaller of each pair of entries; a number wins against NaN.

    >>> import minitorch_lab as lab
    >>> lab.fmin(lab.tensor([1.0, float("nan")]), lab.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return e.where(e.isnan(other), input, e.where(e.isnan(input), other, e.minimum(input, other)))


def deg2rad(input: Any) -> Any:
    """Degrees as radians.

    >>> import minitorch_lab as lab
    >>> lab.deg2rad(lab.tensor([0.0, 90.0, 180.0]))
    tensor([0.0000, 1.5708, 3.1416])
    """
    return e.mul(input, pi / 180)


def rad2deg(input: Any) -> Any:
    """Radians as degrees.

    >>> import minitorch_lab as lab
    >>> lab.rad2deg(lab.tensor([0.0, 1.0]))
    tensor([ 0.0000, 57.2958])
    """
    return e.mul(input, 180 / pi)


def signbit(input: Any) -> Any:
    """Whether the entry is negative; -0.0 is.

    >>> import minitorch_lab as lab
    >>> lab.signbit(lab.tensor([-1.0, -0.0, 1.0]))
    tensor([ True,  True, False])
    """
    if not input.dtype.is_floating_point:
        return e.lt(input, 0)
    return e.lt(copysign(1.0, input), 0)


def positive(input: Any) -> Any:
    """The tensor itself.

    >>> import minitorch_lab as lab
    >>> lab.positive(lab.tensor([-1.0, 2.0]))
    tensor([-1.,  2.])
    """
    if input.dtype.name == "bool":
        raise ComputeError("positive(input): a bool has no sign\n  convert with .int()")
    return input


_OWN = (
    "asin acos sinh cosh asinh acosh atanh exp2 erfc erfinv atan2 hypot copysign logaddexp fmod "
    "div rsub clamp lerp addcmul addcdiv frac heaviside nan_to_num xlogy sinc logit float_power "
    "fmax fmin deg2rad rad2deg signbit positive"
).split()
# PyTorch's second names, and those of its elder relatives.
_SAME = {
    "arcsin": asin,
    "arccos": acos,
    "arctan": e.atan,
    "arcsinh": asinh,
    "arccosh": acosh,
    "arctanh": atanh,
    "arctan2": atan2,
    "multiply": e.mul,
    "subtract": e.sub,
    "divide": div,
    "true_divide": e.div,
    "negative": e.neg,
    "absolute": e.abs,
    "clip": clamp,
    "fix": e.trunc,
    "sgn": e.sign,
    "greater": e.gt,
    "greater_equal": e.ge,
    "less": e.lt,
    "less_equal": e.le,
    "not_equal": e.ne,
}
FUNCTIONS = {name: globals()[name] for name in _OWN} | _SAME
NOT_METHODS = ("rsub",)
IN_PLACE = (
    *(n for n in _OWN if n not in "logaddexp rsub float_power fmax fmin signbit positive".split()),
    *_SAME,
)
