"""TensorFlow's dialect over the same engine: tensors, tapes, functions, data sets and Keras.

Names, arguments, defaults, shapes and printing are TensorFlow's. An op is one of the engine; what
it gives is a tensor of the engine under the class ``tf.Tensor``, which prints as TensorFlow's and
whose operators cast nothing by themselves.

>>> import minitorch_lab.tf as tf
>>> print(tf.constant(2.0))
tf.Tensor(2.0, shape=(), dtype=float32)
>>> x = tf.Variable(3.0)
>>> with tf.GradientTape() as tape:
...     y = x**2
>>> tape.gradient(y, x)
<tf.Tensor: shape=(), dtype=float32, numpy=6.0>
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from . import config, dtypes, errors, keras, math, random
from .dtypes import (
    DType,
    as_dtype,
    double,
    float16,
    float32,
    float64,
    half,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from .dtypes import bool_ as bool
from .math import (
    abs,
    acos,
    acosh,
    add,
    add_n,
    argmax,
    argmin,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cast,
    clip_by_value,
    cos,
    cosh,
    cumsum,
    divide,
    equal,
    exp,
    floor,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    pow,
    reduce_all,
    reduce_any,
    reduce_logsumexp,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
    round,
    sigmoid,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    truediv,
)
from .tape import GradientTape, UnconnectedGradients
from .tensor import Tensor, TensorShape, constant, convert_to_tensor, is_tensor
from .variable import Variable

newaxis = None

__all__ = [
    "DType",
    "GradientTape",
    "Tensor",
    "TensorShape",
    "UnconnectedGradients",
    "Variable",
    "abs",
    "acos",
    "acosh",
    "add",
    "add_n",
    "argmax",
    "argmin",
    "as_dtype",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bool",
    "cast",
    "clip_by_value",
    "config",
    "constant",
    "convert_to_tensor",
    "cos",
    "cosh",
    "cumsum",
    "divide",
    "double",
    "dtypes",
    "equal",
    "errors",
    "exp",
    "float16",
    "float32",
    "float64",
    "floor",
    "greater",
    "greater_equal",
    "half",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_tensor",
    "keras",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "math",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "newaxis",
    "not_equal",
    "pow",
    "random",
    "reduce_all",
    "reduce_any",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
    "round",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "truediv",
    "uint8",
]


def __getattr__(name: str) -> Any:
    near = get_close_matches(name, __all__, 3)
    raise AttributeError(
        f"module 'minitorch_lab.tf' has no attribute {name!r}"
        + (f": did you mean {' or '.join(f'tf.{n}' for n in near)}?" if near else "")
    )
