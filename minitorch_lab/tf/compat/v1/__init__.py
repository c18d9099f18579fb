"""TensorFlow 1: a graph is built first, and a session runs it.

Nothing is computed before ``run``; each name of an operation is TensorFlow's. The graph machinery
of ``lab.compile`` runs it, with its passes and executors.

>>> import minitorch_lab.tf.compat.v1 as tf
>>> with tf.Graph().as_default():
...     a = tf.constant(2.0, name="a")
...     b = tf.constant(3.0, name="b")
...     c = tf.add(a, b, name="c")
...     print(c)
...     with tf.Session() as sess:
...         print(sess.run(c))
Tensor("c:0", shape=(), dtype=float32)
5.0
"""

from __future__ import annotations

from typing import Any

from ...dtypes import (
    DType,
    as_dtype,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from ...dtypes import bool_ as bool
from ...tensor import TensorShape
from . import errors, initializers, layers, losses, nn, ops, random, train
from .control import cond, control_dependencies, group, no_op, while_loop
from .control import tuple_ as tuple
from .graphs import (
    Graph,
    Operation,
    Tensor,
    Variable,
    constant,
    get_default_graph,
    placeholder,
    placeholder_with_default,
    reset_default_graph,
)
from .initializers import (
    constant_initializer,
    glorot_normal_initializer,
    glorot_uniform_initializer,
    ones_initializer,
    random_normal_initializer,
    random_uniform_initializer,
    truncated_normal_initializer,
    variance_scaling_initializer,
    zeros_initializer,
)
from .random import (
    multinomial,
    random_normal,
    random_shuffle,
    random_uniform,
    set_random_seed,
    truncated_normal,
)
from .scopes import (
    AUTO_REUSE,
    GraphKeys,
    VariableScope,
    add_to_collection,
    get_collection,
    get_variable,
    get_variable_scope,
    global_variables,
    global_variables_initializer,
    initialize_all_variables,
    local_variables,
    local_variables_initializer,
    name_scope,
    trainable_variables,
    variable_scope,
    variables_initializer,
)
from .sessions import (
    ConfigProto,
    GPUOptions,
    InteractiveSession,
    Session,
    get_default_session,
)
from .train import gradients

newaxis = None
globals().update(ops.WRITERS)
div = ops.WRITERS["divide"]
sigmoid, tanh = ops.OF_NN["sigmoid"], ops.OF_NN["tanh"]
all_variables = global_variables


def to_float(x: Any, name: str = "ToFloat") -> Any:
    """The entries as float32."""
    return ops.WRITERS["cast"](x, float32, name=name)


def to_int32(x: Any, name: str = "ToInt32") -> Any:
    """The entries as int32."""
    return ops.WRITERS["cast"](x, int32, name=name)


def to_int64(x: Any, name: str = "ToInt64") -> Any:
    """The entries as int64."""
    return ops.WRITERS["cast"](x, int64, name=name)


def assign(
    ref: Any, value: Any, validate_shape: Any = None, use_locking: Any = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """An operation that gives a variable another value."""
    return ref.assign(value, name=name)


def assign_add(ref: Any, value: Any, use_locking: Any = None, name: str | None = None) -> Any:
    """An operation that adds to a variable."""
    return ref.assign_add(value, name=name)


def assign_sub(ref: Any, value: Any, use_locking: Any = None, name: str | None = None) -> Any:
    """An operation that subtracts from a variable."""
    return ref.assign_sub(value, name=name)


def disable_eager_execution() -> None:
    """Nothing to do: functions of this module always write into a graph."""


disable_v2_behavior = disable_v2_tensorshape = disable_resource_variables = disable_eager_execution


def executing_eagerly() -> Any:
    """False: functions of this module write into a graph."""
    return False


__all__ = [
    "AUTO_REUSE",
    "ConfigProto",
    "DType",
    "GPUOptions",
    "Graph",
    "GraphKeys",
    "InteractiveSession",
    "Operation",
    "Session",
    "Tensor",
    "TensorShape",
    "Variable",
    "VariableScope",
    "add_to_collection",
    "all_variables",
    "as_dtype",
    "assign",
    "assign_add",
    "assign_sub",
    "bool",
    "cond",
    "constant",
    "constant_initializer",
    "control_dependencies",
    "disable_eager_execution",
    "disable_resource_variables",
    "disable_v2_behavior",
    "disable_v2_tensorshape",
    "div",
    "errors",
    "executing_eagerly",
    "float16",
    "float32",
    "float64",
    "get_collection",
    "get_default_graph",
    "get_default_session",
    "get_variable",
    "get_variable_scope",
    "global_variables",
    "global_variables_initializer",
    "glorot_normal_initializer",
    "glorot_uniform_initializer",
    "gradients",
    "group",
    "initialize_all_variables",
    "initializers",
    "int8",
    "int16",
    "int32",
    "int64",
    "layers",
    "local_variables",
    "local_variables_initializer",
    "losses",
    "multinomial",
    "name_scope",
    "newaxis",
    "nn",
    "no_op",
    "ones_initializer",
    "placeholder",
    "placeholder_with_default",
    "random",
    "random_normal",
    "random_normal_initializer",
    "random_shuffle",
    "random_uniform",
    "random_uniform_initializer",
    "reset_default_graph",
    "set_random_seed",
    "sigmoid",
    "tanh",
    "to_float",
    "to_int32",
    "to_int64",
    "train",
    "trainable_variables",
    "truncated_normal",
    "truncated_normal_initializer",
    "tuple",
    "uint8",
    "variable_scope",
    "variables_initializer",
    "variance_scaling_initializer",
    "while_loop",
    "zeros_initializer",
]


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"module 'minitorch_lab.tf.compat.v1' has no attribute {name!r}\n"
        "  tf.keras, tf.data and tf.GradientTape are in `import minitorch_lab.tf as tf`"
    )
