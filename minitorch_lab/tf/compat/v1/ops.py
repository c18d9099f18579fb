"""The functions of ``tf`` as operations of a graph, and the operators of its tensors.

One table: for each function the type of the operation that it writes, and the name that this has
unless the program gives one. The function itself is that of ``minitorch_lab.tf``, written once for
tensors with values and without.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ....errors import KindError
from ... import arrays, linalg, nn
from ... import math as tf_math
from ... import random as tf_random
from ...tensor import TensorShape
from . import graphs
from .errors import GraphShape
from .graphs import Sizes, Tensor

# name in tf: type of the operation, and its name where that is another
TABLE = {
    "add": "AddV2 Add", "subtract": "Sub", "multiply": "Mul", "divide": "RealDiv truediv",
    "truediv": "RealDiv truediv", "floordiv": "FloorDiv floordiv", "floormod": "FloorMod",
    "mod": "FloorMod", "pow": "Pow", "maximum": "Maximum", "minimum": "Minimum",
    "squared_difference": "SquaredDifference", "negative": "Neg", "abs": "Abs", "exp": "Exp",
    "expm1": "Expm1", "log": "Log", "log1p": "Log1p", "sqrt": "Sqrt", "rsqrt": "Rsqrt",
    "square": "Square", "sign": "Sign", "round": "Round", "floor": "Floor", "sin": "Sin",
    "cos": "Cos", "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh",
    "cosh": "Cosh", "tanh": "Tanh", "sigmoid": "Sigmoid", "reciprocal": "Reciprocal",
    "equal": "Equal", "not_equal": "NotEqual", "less": "Less", "less_equal": "LessEqual",
    "greater": "Greater", "greater_equal": "GreaterEqual", "logical_and": "LogicalAnd",
    "logical_or": "LogicalOr", "logical_not": "LogicalNot", "logical_xor": "LogicalXor",
    "add_n": "AddN", "clip_by_value": "ClipByValue clip_by_value", "cast": "Cast",
    "clip_by_norm": "ClipByNorm clip_by_norm",
    "clip_by_global_norm": "ClipByGlobalNorm clip_by_global_norm",
    "cumsum": "Cumsum", "cumprod": "Cumprod", "where": "Select", "matmul": "MatMul",
    "reduce_mean": "Mean", "reduce_sum": "Sum", "reduce_max": "Max", "reduce_min": "Min",
    "reduce_prod": "Prod", "reduce_all": "All", "reduce_any": "Any",
    "reduce_logsumexp": "ReduceLogSumExp", "argmax": "ArgMax", "argmin": "ArgMin",
    "reshape": "Reshape", "transpose": "Transpose transpose", "concat": "ConcatV2 concat",
    "stack": "Pack stack", "unstack": "Unpack unstack", "split": "Split split",
    "expand_dims": "ExpandDims", "squeeze": "Squeeze", "one_hot": "OneHot one_hot",
    "gather": "GatherV2", "gather_nd": "GatherNd", "shape": "Shape", "size": "Size",
    "rank": "Rank", "zeros": "Fill zeros", "ones": "Fill ones", "fill": "Fill",
    "zeros_like": "ZerosLike zeros_like", "ones_like": "OnesLike ones_like",
    "range": "Range range", "linspace": "LinSpace linspace", "tile": "Tile", "pad": "Pad",
    "identity": "Identity", "stop_gradient": "StopGradient", "eye": "Eye eye", "norm": "Norm norm",
    "slice": "Slice", "tensordot": "Tensordot", "boolean_mask": "BooleanMask boolean_mask",
    "einsum": "Einsum einsum", "reverse": "ReverseV2", "sort": "Sort sort",
    "argsort": "Argsort argsort",
    "broadcast_to": "BroadcastTo", "repeat": "Repeat", "meshgrid": "Meshgrid meshgrid",
    "roll": "Roll", "diag_part": "DiagPart", "trace": "Trace", "global_norm": "GlobalNorm",
    "ceil": "Ceil", "count_nonzero": "CountNonzero count_nonzero", "is_nan": "IsNan",
    "is_inf": "IsInf", "is_finite": "IsFinite", "erf": "Erf", "atan2": "Atan2",
    "sequence_mask": "SequenceMask", "confusion_matrix": "ConfusionMatrix confusion_matrix",
}  # fmt: skip
RANDOM = {
    "normal": "RandomStandardNormal random_normal", "uniform": "RandomUniform random_uniform",
    "truncated_normal": "TruncatedNormal truncated_normal",
    "shuffle": "RandomShuffle", "categorical": "Multinomial multinomial",
}  # fmt: skip
NN = {
    "relu": "Relu", "relu6": "Relu6", "elu": "Elu", "selu": "Selu", "leaky_relu": "LeakyRelu",
    "softplus": "Softplus", "softsign": "Softsign", "sigmoid": "Sigmoid", "tanh": "Tanh",
    "softmax": "Softmax", "log_softmax": "LogSoftmax", "swish": "Swish swish",
    "silu": "Swish swish",
    "gelu": "Gelu", "bias_add": "BiasAdd", "l2_loss": "L2Loss",
    "l2_normalize": "L2Normalize l2_normalize",
    "embedding_lookup": "EmbeddingLookup embedding_lookup", "moments": "Moments moments",
    "top_k": "TopKV2", "in_top_k": "InTopKV2 in_top_k", "log_sigmoid": "LogSigmoid",
    "batch_normalization": "BatchNorm batchnorm",
}  # fmt: skip
REDUCTIONS = {row.partition(" ")[0] for name, row in TABLE.items() if name.startswith("reduce_")}
OLD = {"keep_dims": "keepdims", "reduction_indices": "axis", "dimension": "axis"}
# the names of arguments in TensorFlow 1


def lift(function: Callable[..., Any], row: str) -> Callable[..., Any]:
    """A function that writes one operation, which calls ``function`` in a run."""
    kind, _, default = row.partition(" ")

    @wraps(function)
    def write(*args: Any, name: str | None = None, **kwargs: Any) -> Any:
        kwargs = {OLD.get(k, k): v for k, v in kwargs.items()}
        graph = graphs.graph_of((*args, *kwargs.values()))
        out = graph.write(kind, name or default or kind, function, args, kwargs)
        if kind in REDUCTIONS and len(args) == 1 and kwargs.get("axis") is None:
            graph.shaped(out, ())
        return out

    write.__module__ = __name__
    # without the example, which prints a value where here an operation is written
    write.__doc__ = (function.__doc__ or "").partition("\n\n    >>>")[0]
    return write


def taken(table: dict[str, str], *modules: Any) -> dict[str, Callable[..., Any]]:
    """The functions of a table, from the first module that has them, as operations."""
    found = {}
    for name, row in table.items():
        module = next(m for m in modules if hasattr(m, name))
        found[name] = lift(getattr(module, name), row)
    return found


WRITERS = taken(TABLE, tf_math, arrays, linalg)
OF_NN = taken(NN, nn, tf_math, linalg)
OF_RANDOM = taken(RANDOM, tf_random)

_shape = WRITERS["shape"]


def shape(input: Any, out_type: Any = "int32", name: str | None = None) -> Any:
    """The sizes of a tensor, as a tensor: those of the run."""
    out = _shape(input, out_type, name=name)
    return Sizes.made(out, input) if isinstance(input, Tensor) else out


WRITERS["shape"] = shape

# Operators -------------------------------------------------------------------------------------

_OPERATORS = {
    "add": "AddV2 add", "sub": "Sub sub", "mul": "Mul mul", "truediv": "RealDiv truediv",
    "floordiv": "FloorDiv floordiv", "mod": "FloorMod mod", "pow": "Pow pow",
    "matmul": "MatMul matmul", "and": "LogicalAnd and", "or": "LogicalOr or",
}  # fmt: skip
_FUNCTIONS = {
    "sub": "subtract", "mul": "multiply", "mod": "floormod", "and": "logical_and",
    "or": "logical_or",
}  # fmt: skip
_COMPARISONS = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}


def _operators() -> None:
    for name, row in _OPERATORS.items():
        known = _FUNCTIONS.get(name, name)
        write = lift(linalg.matmul if known == "matmul" else getattr(tf_math, known), row)
        setattr(Tensor, f"__{name}__", _checked(name, write))
        setattr(Tensor, f"__r{name}__", _checked(name, lambda x, y, write=write: write(y, x)))
    for name, function in _COMPARISONS.items():
        setattr(Tensor, f"__{name}__", lambda x, y, function=function: WRITERS[function](x, y))
    for name, function in {"neg": "negative", "abs": "abs", "invert": "logical_not"}.items():
        setattr(Tensor, f"__{name}__", lambda x, function=function: WRITERS[function](x))
    setattr(Tensor, "__getitem__", _item)  # noqa: B010  for the type checker


def _checked(name: str, write: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def operator(x: Any, y: Any) -> Any:
        if y is None or isinstance(y, (str, bytes, dict, set)) or callable(y):
            raise KindError(
                f"{name}: a tensor and {type(y).__name__}\n  tensor  {x}\n"
                "  expected a tensor of the graph, a number or an array"
            )
        return write(x, y)

    return operator


def _item(x: Tensor, index: Any) -> Any:
    keys = index if isinstance(index, tuple) else (index,)
    bounds = [v for k in keys if isinstance(k, slice) for v in (k.start, k.stop, k.step)]
    if any(isinstance(v, Tensor) for v in bounds):
        raise KindError(
            f"{x.name}[...]: a slice whose bounds are tensors\n"
            "  expected Python's numbers there; tf.slice or tf.gather take tensors"
        )
    out = x.graph.write("StridedSlice", "strided_slice", lambda v, i: v[i], (x, index), {})
    one = isinstance(x, Sizes) and x.axis is None and isinstance(index, int)
    return Sizes.made(out, x.of, index) if one else out


_operators()


def same_shape(what: str, x_name: str, x: Any, y_name: str, y: Any) -> None:
    """A ValueError where two shapes cannot be the same."""
    shapes = [TensorShape(np.shape(v)) if not isinstance(v, Tensor) else v.shape for v in (x, y)]
    if any(shape.rank is None for shape in shapes) or shapes[0].is_compatible_with(shapes[1]):
        return
    width = max(len(x_name), len(y_name))
    raise GraphShape(
        f"{what}: the shapes differ\n  {x_name:{width}}  {x}\n  {y_name:{width}}  {y}\n"
        "  expected one shape for both"
    )
