"""``tf.math``: arithmetic, comparisons and reductions, and the operators of tensors.

An op casts nothing by itself: both inputs of ``add`` have one dtype, and a Python number becomes
one of it where it can.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import BOOL, FLOAT, INT
from ..errors import DTypeError, LabError, ShapeError
from ..op import OPS, current
from ..ops import FUNCTIONS, bits
from ..tensor import Tensor as Plain
from ..tensor.tensor import origin
from . import dtypes
from .dtypes import as_dtype
from .errors import retells, retold
from .tensor import Sizes, Styled, as_tensor, from_learner, is_number, styled

Function = Callable[..., Any]


def _holds(kind: int, number: Any) -> bool:
    """Whether a tensor of this kind of dtype takes a Python number as it is."""
    if isinstance(number, bool):
        return kind == BOOL
    return kind == FLOAT or (kind == INT and isinstance(number, int))


def pair(name: str, x: Any, y: Any, x_name: str = "x", y_name: str = "y") -> tuple[Any, Any]:
    """Two inputs: tensors of one dtype, or a tensor and a number; DTypeError where they differ."""
    if not isinstance(x, Plain) and isinstance(y, Plain):
        if is_number(x) and _holds(y.dtype.kind, x):
            return x, y
        x = as_tensor(x, like=y.dtype)
    x = as_tensor(x)
    if is_number(y) and _holds(x.dtype.kind, y):
        return x, y
    y = as_tensor(y, like=x.dtype)
    if x.dtype is not y.dtype and x.dtype != y.dtype:
        raise DTypeError(
            f"{name}({x_name}, {y_name}): the dtypes differ\n"
            + _row(x_name, x, y_name) + _row(y_name, y, x_name)
            + "  expected one dtype: TensorFlow's ops cast nothing by themselves\n" + _advice(x, y)
        )  # fmt: skip
    return x, y


def _row(name: str, x: Any, other: str) -> str:
    return f"  {name:{max(len(name), len(other))}}  {x.spec}  {origin(x)}".rstrip() + "\n"


def _advice(x: Any, y: Any) -> str:
    names = {x.dtype.name, y.dtype.name}
    if names == {"float32", "float64"}:
        return (
            "  NumPy's floats are float64: array.astype('float32') before, "
            "or tf.cast(x, tf.float32)"
        )
    target = next((n for n in sorted(names) if n.startswith("float")), "float32")
    return f"  tf.cast(x, tf.{target}) converts"


def floats(name: str, x: Any) -> Any:
    """An input that has to be of floats; DTypeError for whole numbers."""
    x = as_tensor(x)
    if x.dtype.kind != FLOAT:
        raise DTypeError(
            f"{name}(x): {x.dtype.name} is given where floats are needed\n  x  {x.spec}  "
            f"{origin(x)}".rstrip()
            + "\n  expected float32, float64 or float16\n"
            "  write 4.0 for 4, or convert: tf.cast(x, tf.float32)"
        )
    return x


def _named(name: str, doc: str, function: Function) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    function.__module__ = __name__
    return retells(function)


def _binary(name: str, doc: str, op: Any) -> Any:
    def call(x: Any, y: Any, name: str | None = None) -> Any:
        return styled(op(*pair(title, x, y)))

    title = name
    return _named(name, doc, call)


def unary(name: str, doc: str, op: Any = None, takes_ints: bool = False) -> Any:
    """A function of one tensor, of floats unless ``takes_ints``."""
    run = FUNCTIONS[name] if op is None else op

    def call(x: Any, name: str | None = None) -> Any:
        return styled(run(as_tensor(x) if takes_ints else floats(title, x)))

    title = name
    return _named(name, doc, call)


# Arithmetic --------------------------------------------------------------------------------

add = _binary("add", "Sum of each pair of entries.", OPS["add"])
subtract = _binary("subtract", "Difference of each pair of entries.", OPS["sub"])
multiply = _binary("multiply", "Product of each pair of entries.", OPS["mul"])
pow = _binary("pow", "Each entry to the power of the other.", OPS["pow"])
maximum = _binary("maximum", "The larger of each pair of entries.", FUNCTIONS["maximum"])
minimum = _binary("minimum", "The smaller of each pair of entries.", FUNCTIONS["minimum"])
floordiv = _binary("floordiv", "Quotient of each pair, rounded down.", FUNCTIONS["floor_divide"])
floormod = _binary("floormod", "What is left of a division rounded down.", FUNCTIONS["remainder"])
mod = floormod
atan2 = _binary("atan2", "The angle of each point (y, x).", FUNCTIONS["atan2"])
squared_difference = _binary(
    "squared_difference", "The square of each difference.",
    lambda x, y: FUNCTIONS["square"](OPS["sub"](x, y)),
)  # fmt: skip
equal = _binary("equal", "Whether each pair of entries is equal.", FUNCTIONS["eq"])
not_equal = _binary("not_equal", "Whether each pair of entries differs.", FUNCTIONS["ne"])
greater = _binary("greater", "Whether x > y, for each pair of entries.", FUNCTIONS["gt"])
greater_equal = _binary("greater_equal", "Whether x >= y, for each pair.", FUNCTIONS["ge"])
less = _binary("less", "Whether x < y, for each pair of entries.", FUNCTIONS["lt"])
less_equal = _binary("less_equal", "Whether x <= y, for each pair.", FUNCTIONS["le"])
logical_and = _binary("logical_and", "Whether both entries are True.", FUNCTIONS["logical_and"])
logical_or = _binary("logical_or", "Whether one of both is True.", FUNCTIONS["logical_or"])
logical_xor = _binary("logical_xor", "Whether one and only one is.", FUNCTIONS["logical_xor"])


def _divided(x: Any, y: Any, title: str = "divide") -> Any:
    """Whole numbers become floats first: int32 gives float64, as in TensorFlow."""
    x, y = pair(title, x, y)
    return OPS["div"](*(v if is_number(v) else _as_floats(v) for v in (x, y)))


def _as_floats(x: Any) -> Any:
    if x.dtype.kind == FLOAT:
        return x
    return x.to(dtype=dtypes.float64 if x.dtype.itemsize > 2 else dtypes.float32)


@retells
def divide(x: Any, y: Any, name: str | None = None) -> Any:
    """Quotient of each pair of entries; that of whole numbers is float64.

    >>> from minitorch_lab import tf
    >>> tf.divide(tf.constant([7, 8]), 2).numpy()
    array([3.5, 4. ])
    """
    return styled(_divided(x, y))


truediv = divide


@retells
def divide_no_nan(x: Any, y: Any, name: str | None = None) -> Any:
    """Quotient of each pair of entries, and 0 where ``y`` is 0."""
    x, y = pair("divide_no_nan", x, y)
    y = as_tensor(y, like=as_tensor(x).dtype)
    safe = FUNCTIONS["where"](FUNCTIONS["eq"](y, 0), 1.0, y)
    return styled(FUNCTIONS["where"](FUNCTIONS["eq"](y, 0), 0.0, OPS["div"](x, safe)))


multiply_no_nan = _binary(
    "multiply_no_nan", "Product of each pair, and 0 where y is 0, whatever x is.",
    lambda x, y: FUNCTIONS["where"](FUNCTIONS["eq"](as_tensor(y), 0), 0.0, OPS["mul"](x, y)),
)  # fmt: skip

# One input ---------------------------------------------------------------------------------

exp = unary("exp", "Exponential of each entry.")
expm1 = unary("expm1", "exp(x) - 1 of each entry, exact near 0.")
log = unary("log", "Natural logarithm of each entry.")
log1p = unary("log1p", "log(1 + x) of each entry, exact near 0.")
sqrt = unary("sqrt", "Square root of each entry.")
rsqrt = unary("rsqrt", "1 over the square root of each entry.")
reciprocal = unary("reciprocal", "1 over each entry.")
sin = unary("sin", "Sine of each entry.")
cos = unary("cos", "Cosine of each entry.")
tan = unary("tan", "Tangent of each entry.")
asin = unary("asin", "Inverse sine of each entry.")
acos = unary("acos", "Inverse cosine of each entry.")
atan = unary("atan", "Inverse tangent of each entry.")
sinh = unary("sinh", "Hyperbolic sine of each entry.")
cosh = unary("cosh", "Hyperbolic cosine of each entry.")
tanh = unary("tanh", "Hyperbolic tangent of each entry.")
asinh = unary("asinh", "Inverse hyperbolic sine of each entry.")
acosh = unary("acosh", "Inverse hyperbolic cosine of each entry.")
atanh = unary("atanh", "Inverse hyperbolic tangent of each entry.")
sigmoid = unary("sigmoid", "1 / (1 + exp(-x)) of each entry.")
erf = unary("erf", "Error function of each entry.")
erfinv = unary("erfinv", "Inverse of the error function of each entry.")
floor = unary("floor", "Each entry rounded down.")
ceil = unary("ceil", "Each entry rounded up.")
is_nan = unary("is_nan", "Whether each entry is not a number.", FUNCTIONS["isnan"])
is_inf = unary("is_inf", "Whether each entry is infinite.", FUNCTIONS["isinf"])
is_finite = unary("is_finite", "Whether each entry is a finite number.", FUNCTIONS["isfinite"])
softplus = unary(
    "softplus", "log(1 + exp(x)) of each entry.",
    lambda x: FUNCTIONS["logaddexp"](x, FUNCTIONS["mul"](x, 0.0)),
)  # fmt: skip
log_sigmoid = unary(
    "log_sigmoid", "Logarithm of the sigmoid of each entry.",
    lambda x: -FUNCTIONS["logaddexp"](-x, FUNCTIONS["mul"](x, 0.0)),
)  # fmt: skip
abs = unary("abs", "Each entry without its sign.", takes_ints=True)
negative = unary("negative", "Each entry with the other sign.", OPS["neg"], takes_ints=True)
sign = unary("sign", "-1, 0 or 1: the sign of each entry.", takes_ints=True)
square = unary("square", "Square of each entry.", takes_ints=True)
round = unary("round", "Each entry rounded; halves go to the even number.", takes_ints=True)
logical_not = unary("logical_not", "Whether each entry is False.", takes_ints=True)


@retells
def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """The entries as another dtype; floats lose what is behind the point.

    >>> from minitorch_lab import tf
    >>> tf.cast([1.7, -1.7], tf.int32)
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([ 1, -1], dtype=int32)>
    """
    made = as_tensor(x)
    kind = as_dtype(dtype)
    return made if made.dtype == kind else styled(made.to(dtype=kind))


@retells
def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Any:
    """Each entry, at least ``clip_value_min`` and at most ``clip_value_max``."""
    t = as_tensor(t)
    low = FUNCTIONS["minimum"](*pair("clip_by_value", t, clip_value_max, "t", "clip_value_max"))
    return styled(
        FUNCTIONS["maximum"](*pair("clip_by_value", low, clip_value_min, "t", "clip_value_min"))
    )


@retells
def add_n(inputs: Any, name: str | None = None) -> Any:
    """The sum of a list of tensors of one shape."""
    total = as_tensor(inputs[0])
    for x in inputs[1:]:
        total = OPS["add"](*pair("add_n", total, x))
    return styled(total)


@retells
def polyval(coeffs: Any, x: Any, name: str | None = None) -> Any:
    """The polynomial with these coefficients, that of the highest power first."""
    x, total = as_tensor(x), as_tensor(coeffs[0])
    for c in coeffs[1:]:
        total = OPS["add"](*pair("polyval", OPS["mul"](*pair("polyval", total, x)), c))
    return styled(total)


# Reductions --------------------------------------------------------------------------------


def axes(axis: Any) -> Any:
    """An axis, or a tuple of several, as the engine takes it."""
    if isinstance(axis, Plain):
        axis = axis.tolist()
    return tuple(axis) if isinstance(axis, list | tuple) else axis


def _kept(out: Any, x: Any) -> Any:
    """The engine adds up whole numbers in int64; TensorFlow keeps the dtype."""
    return styled(out if out.dtype == x.dtype else out.to(dtype=x.dtype))


def _reduction(name: str, doc: str, run: Function, prepare: Function = as_tensor) -> Any:
    def call(
        input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
    ) -> Any:
        x = prepare(input_tensor)
        if isinstance(axis, list | tuple) and not axis:  # over no axis
            return x
        return run(x, axes(axis), builtins.bool(keepdims))

    return _named(name, doc, call)


def _bools(x: Any) -> Any:
    x = as_tensor(x)
    if x.dtype.kind != BOOL:
        raise DTypeError(
            f"reduce_all(x), reduce_any(x): got {x.spec}\n  expected bools\n"
            "  compare first: tf.reduce_all(x > 0)"
        )
    return x


def _mean(x: Any, dim: Any, keep: bool) -> Any:
    if x.dtype.kind == FLOAT:
        return styled(FUNCTIONS["mean"](x, dim, keep))
    total = FUNCTIONS["sum"](x, dim, keep)
    quotient = FUNCTIONS["fix"](OPS["div"](total, builtins.max(x.numel() // total.numel(), 1)))
    return styled(quotient.to(dtype=x.dtype))


reduce_sum = _reduction(
    "reduce_sum", "Sum of the entries along ``axis``, of all without one.",
    lambda x, dim, keep: _kept(FUNCTIONS["sum"](x, dim, keep), x),
)  # fmt: skip
reduce_mean = _reduction(
    "reduce_mean", "Mean of the entries along ``axis``; that of whole numbers is cut off.", _mean
)
reduce_max = _reduction(
    "reduce_max", "The largest of the entries along ``axis``.",
    lambda x, dim, keep: styled(FUNCTIONS["amax"](x, () if dim is None else dim, keep)),
)  # fmt: skip
reduce_min = _reduction(
    "reduce_min", "The smallest of the entries along ``axis``.",
    lambda x, dim, keep: styled(FUNCTIONS["amin"](x, () if dim is None else dim, keep)),
)  # fmt: skip
reduce_all = _reduction(
    "reduce_all", "Whether all entries along ``axis`` are True.",
    lambda x, dim, keep: styled(_each(FUNCTIONS["all"], x, dim, keep)), _bools,
)  # fmt: skip
reduce_any = _reduction(
    "reduce_any", "Whether one of the entries along ``axis`` is True.",
    lambda x, dim, keep: styled(_each(FUNCTIONS["any"], x, dim, keep)), _bools,
)  # fmt: skip
reduce_prod = _reduction(
    "reduce_prod", "Product of the entries along ``axis``.",
    lambda x, dim, keep: _kept(_each(FUNCTIONS["prod"], x, dim, keep), x),
)  # fmt: skip
reduce_logsumexp = _reduction(
    "reduce_logsumexp", "Logarithm of the sum of exp along ``axis``.",
    lambda x, dim, keep: styled(FUNCTIONS["logsumexp"](x, _all(x, dim), keep)),
    lambda x: floats("reduce_logsumexp", x),
)  # fmt: skip
reduce_variance = _reduction(
    "reduce_variance", "Variance of the entries along ``axis``, over all n of them.",
    lambda x, dim, keep: styled(FUNCTIONS["var"](x, dim, keepdim=keep, correction=0)),
    lambda x: floats("reduce_variance", x),
)  # fmt: skip
reduce_std = _reduction(
    "reduce_std", "Standard deviation of the entries along ``axis``, over all n of them.",
    lambda x, dim, keep: styled(FUNCTIONS["std"](x, dim, keepdim=keep, correction=0)),
    lambda x: floats("reduce_std", x),
)  # fmt: skip
reduce_euclidean_norm = _reduction(
    "reduce_euclidean_norm", "The length of the vectors along ``axis``.",
    lambda x, dim, keep: styled(FUNCTIONS["sqrt"](FUNCTIONS["sum"](x * x, dim, keep))),
    lambda x: floats("reduce_euclidean_norm", x),
)  # fmt: skip


def _all(x: Any, dim: Any) -> Any:
    return tuple(range(x.ndim)) if dim is None else dim


def _each(op: Function, x: Any, dim: Any, keep: bool) -> Any:
    """A reduction over one dimension, or one after the other, the last one first."""
    dims = sorted({d % x.ndim for d in _all(x, dim)} if dim is None or isinstance(dim, tuple)
                  else {dim % builtins.max(x.ndim, 1)}, reverse=True)  # fmt: skip
    for d in dims:
        x = op(x, d, keep)
    return x


def _place(name: str, doc: str, op: Any) -> Any:
    def call(
        input: Any, axis: Any = None, output_type: Any = dtypes.int64, name: str | None = None
    ) -> Any:
        x = as_tensor(input)
        found = op(x, 0 if axis is None else axis) if x.ndim else op(x)
        return styled(found if as_dtype(output_type) == found.dtype else cast(found, output_type))

    return _named(name, doc, call)


argmax = _place("argmax", "Where the largest entry along ``axis`` stands.", FUNCTIONS["argmax"])
argmin = _place("argmin", "Where the smallest entry along ``axis`` stands.", FUNCTIONS["argmin"])


def _running(name: str, doc: str, op: Any) -> Any:
    def call(
        x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False,
        name: str | None = None,
    ) -> Any:  # fmt: skip
        x = as_tensor(x)
        turned = FUNCTIONS["flip"](x, (axis,)) if reverse else x
        found = op(turned, axis)
        if exclusive:
            found = found - turned if title == "cumsum" else found / turned
        found = FUNCTIONS["flip"](found, (axis,)) if reverse else found
        return _kept(found, x)

    title = name
    return _named(name, doc, call)


cumsum = _running("cumsum", "Sums of the entries up to each place.", FUNCTIONS["cumsum"])
cumprod = _running("cumprod", "Products of the entries up to each place.", FUNCTIONS["cumprod"])


@retells
def count_nonzero(
    input: Any, axis: Any = None, keepdims: bool = False, dtype: Any = dtypes.int64,
    name: str | None = None,
) -> Any:  # fmt: skip
    """How many entries along ``axis`` are not 0."""
    set_ = FUNCTIONS["ne"](as_tensor(input), 0).to(dtype=as_dtype(dtype))
    return _kept(FUNCTIONS["sum"](set_, axes(axis), builtins.bool(keepdims)), set_)


class TopKV2(NamedTuple):
    """What ``top_k`` gives."""

    values: Any
    indices: Any


@retells
def top_k(input: Any, k: int = 1, sorted: bool = True, name: str | None = None) -> Any:
    """The ``k`` largest entries of the last dimension, and where they stand."""
    values, places = FUNCTIONS["topk"](as_tensor(input), k)
    return TopKV2(styled(values), styled(places.to(dtype=dtypes.int32)))


@retells
def in_top_k(targets: Any, predictions: Any, k: int, name: str | None = None) -> Any:
    """Whether the entry of each target is one of the ``k`` largest of its row."""
    scores, wanted = as_tensor(predictions), as_tensor(targets).long()
    own = FUNCTIONS["gather"](scores, 1, wanted.unsqueeze(1))
    return styled((scores > own).sum(1) < k)


@retells
def confusion_matrix(
    labels: Any, predictions: Any, num_classes: int | None = None, weights: Any = None,
    dtype: Any = dtypes.int32, name: str | None = None,
) -> Any:  # fmt: skip
    """How often each label was taken for each class: ``[label, prediction]``."""
    rows, columns = (as_tensor(v).long() for v in (labels, predictions))
    n = num_classes or int(FUNCTIONS["maximum"](rows.max(), columns.max()).item()) + 1
    counts = FUNCTIONS["bincount"](rows * n + columns, None if weights is None else
                                   as_tensor(weights), minlength=n * n)  # fmt: skip
    return cast(counts.reshape(n, n), dtype)


# Operators ---------------------------------------------------------------------------------


def product(x: Any, y: Any, name: str = "matmul", names: tuple[str, str] = ("x", "y")) -> Any:
    """A product of matrices, or of stacks of them."""
    x, y = pair(name, x, y, *names)
    for v, called in zip((x, y), names, strict=True):
        if is_number(v) or v.ndim < 2:
            rows = zip(names, (x, y), strict=True)
            raise ShapeError(
                f"{name}({', '.join(names)}): {called} is no matrix\n"
                + "".join(f"  {n}  {getattr(v, 'spec', v)}\n" for n, v in rows)
                + "  expected two dimensions or more in both\n"
                "  tf.tensordot(x, y, 1) multiplies vectors, x[:, tf.newaxis] makes a column"
            )
    return styled(FUNCTIONS["matmul"](x, y))


def _equal(x: Any, y: Any) -> Any:
    if y is None:
        return False
    try:
        return equal(x, y)
    except ShapeError:  # tensors of shapes that do not fit are not equal
        return as_tensor(False)


def _not_equal(x: Any, y: Any) -> Any:
    found = _equal(x, y)
    return not found if found.__class__ is bool else logical_not(found)


# What gives numbers that are known in a graph, too, where both are.
_OF_SIZES = {f"{r}{name}" for name in ("add", "sub", "mul", "floordiv", "mod") for r in ("", "r")}


def _alike(x: Any, y: Any) -> bool:
    """Whether both are tensors of floats of one dtype, with values, or y is a number."""
    if current().tracing or x.array.dtype.kind != "f":
        return False
    return y.__class__ in _NUMBERS or (isinstance(y, Plain) and y.array.dtype is x.array.dtype)


_NUMBERS = (float, int)


def _operator(name: str, function: Function, swapped: bool = False) -> None:
    """The operator of tensors, strict where a learner wrote it."""
    plain: Any = getattr(Plain, f"__{name}__", None)
    quick = name.removeprefix("r") in ("add", "sub", "mul", "truediv", "pow")

    def method(self: Any, other: Any) -> Any:
        if plain is not None and not from_learner():
            return plain(self, other)
        if quick and _alike(self, other):
            try:
                return styled(plain(self, other))
            except LabError as error:
                raise retold(error) from error.__cause__
        if name in _OF_SIZES and isinstance(self, Sizes) and isinstance(other, Sizes | int):
            return Sizes.of(getattr(self.array, f"__{name}__")(getattr(other, "array", other)))
        return function(other, self) if swapped else function(self, other)

    method.__name__ = f"__{name}__"
    setattr(Styled, f"__{name}__", method)


_BOTH = {
    "add": add, "sub": subtract, "mul": multiply, "truediv": divide, "pow": pow,
    "floordiv": floordiv, "mod": floormod, "matmul": retells(product),
}  # fmt: skip
for _name, _function in _BOTH.items():
    _operator(_name, _function)
    _operator(f"r{_name}", _function, swapped=True)
    _operator(f"i{_name}", _function)  # x += 1 makes a new tensor
for _name, _function in {
    "lt": less, "le": less_equal, "gt": greater, "ge": greater_equal, "eq": _equal,
    "ne": _not_equal,
}.items():  # fmt: skip
    _operator(_name, _function)


def _bitwise(name: str, of_bools: Function, of_ints: Function) -> Function:
    @retells
    def call(x: Any, y: Any) -> Any:
        x, y = pair(name, x, y)
        bools = (y if is_number(x) else x).dtype.kind == BOOL
        return styled((of_bools if bools else of_ints)(x, y))

    return call


for _name in ("and", "or", "xor"):
    _function = _bitwise(_name, FUNCTIONS[f"logical_{_name}"], FUNCTIONS[f"bitwise_{_name}"])
    _operator(_name, _function)
    _operator(f"r{_name}", _function, swapped=True)
    _operator(f"i{_name}", _function)


def _one(name: str, function: Function) -> None:
    def method(self: Any) -> Any:
        return styled(function(self))

    setattr(Styled, f"__{name}__", method)


_one("neg", OPS["neg"])
_one("abs", FUNCTIONS["abs"])
_one("invert", retells(lambda x: bits.bitwise_not(x)))
Styled.__hash__ = Plain.__hash__  # type: ignore[method-assign]

_UFUNCS = {
    np.add: add, np.subtract: subtract, np.multiply: multiply, np.true_divide: divide,
    np.power: pow, np.floor_divide: floordiv, np.remainder: floormod, np.matmul: _BOTH["matmul"],
    np.less: less, np.less_equal: less_equal, np.greater: greater, np.greater_equal: greater_equal,
    np.equal: _equal, np.not_equal: _not_equal,
}  # fmt: skip


def _array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """An operator between an array and a tensor gives a tensor; NumPy's functions give arrays."""
    if method == "__call__" and ufunc in _UFUNCS and not kwargs:
        return _UFUNCS[ufunc](*inputs)
    arrays = [x.numpy() if isinstance(x, Styled) else x for x in inputs]
    return getattr(ufunc, method)(*arrays, **kwargs)


Styled.__array_ufunc__ = _array_ufunc  # type: ignore[assignment]


def _array_function(self: Any, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """NumPy's functions take the entries and give arrays: ``np.mean(x)``."""
    return function(*_arrays(args), **_arrays(kwargs))


def _arrays(value: Any) -> Any:
    if isinstance(value, Styled):
        return value.numpy()
    if isinstance(value, dict):
        return {k: _arrays(v) for k, v in value.items()}
    return type(value)(map(_arrays, value)) if type(value) in (list, tuple) else value


Styled.__array_function__ = _array_function  # type: ignore[attr-defined]
