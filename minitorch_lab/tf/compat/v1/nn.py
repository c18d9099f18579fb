"""``tf.nn`` in the form of TensorFlow 1: ``filter``, ``ksize``, ``keep_prob``, ``dim``."""

from __future__ import annotations

from typing import Any

from ....creation import rand
from ....errors import ArgumentError, KindError
from ....nn import functional as F
from ... import linalg, math
from ... import nn as tf_nn
from ...tensor import as_tensor
from . import errors, graphs
from .graphs import Tensor
from .ops import OF_NN, lift, same_shape

globals().update(OF_NN)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'tf.compat.v1.nn' has no attribute {name!r}")


def _either(what: str, **names: Any) -> Any:
    """The one of two arguments that was given: TensorFlow renamed it."""
    given = {name: value for name, value in names.items() if value is not None}
    if len(given) != 1:
        raise ArgumentError(f"{what}: expected one of {' and '.join(names)}, got {len(given)}")
    return next(iter(given.values()))


_conv2d = lift(tf_nn.conv2d, "Conv2D")
_max_pool = lift(tf_nn.max_pool2d, "MaxPool")
_avg_pool = lift(tf_nn.avg_pool2d, "AvgPool")
_sparse_entropy = lift(
    tf_nn.sparse_softmax_cross_entropy_with_logits, "SparseSoftmaxCrossEntropyWithLogits"
)


def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Any:
    """Convolution of pictures ``(N, H, W, C)`` with ``(h, w, C, filters)``."""
    weights = _either("conv2d", filter=filter, filters=filters)
    steps = 1 if strides is None else strides
    return _conv2d(input, weights, steps, padding or "VALID", data_format, dilations, name=name)


def max_pool(
    value: Any = None,
    ksize: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Any:
    """The largest entry of each window of pictures ``(N, H, W, C)``."""
    value = _either("max_pool", value=value, input=input)
    return _max_pool(value, ksize, strides, padding, data_format, name=name)


def avg_pool(
    value: Any = None,
    ksize: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Any:
    """The mean of each window of pictures ``(N, H, W, C)``."""
    value = _either("avg_pool", value=value, input=input)
    return _avg_pool(value, ksize, strides, padding, data_format, name=name)


max_pool2d, avg_pool2d = max_pool, avg_pool


def dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: Any = None,
    name: str | None = None,
    rate: Any = None,
) -> Any:
    """Zeros in the place of some entries, the rest scaled up. ``rate`` is 1 - ``keep_prob``.

    Either may be a tensor, such as a placeholder that is fed 1.0 when the model is tested.
    """
    chance = _either("dropout", keep_prob=keep_prob, rate=rate)
    x = x if isinstance(x, Tensor) else graphs.constant(x)
    if not isinstance(chance, Tensor) and not 0 <= chance <= 1:
        raise ArgumentError(f"dropout: expected a number from 0 to 1, got {chance!r}")

    def drop(x: Any, p: Any) -> Any:
        kept = p if rate is None else 1 - p
        return dropped(x, kept)

    graph = graphs.graph_of((x, chance))
    return graph.shaped_like(graph.write("Dropout", name or "dropout", drop, (x, chance), {}), x)


def dropped(x: Any, kept: Any) -> Any:
    """Each entry with this chance, or zero; what is kept is scaled up."""
    if isinstance(kept, (int, float)):
        return F.dropout(x, 1 - kept)
    return x / kept * (rand(tuple(x.shape)) < kept).to(x.dtype)


def softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    dim: int = -1,
    name: str | None = None,
    axis: int | None = None,
) -> Any:
    """Cross-entropy of each example; ``labels`` are chances of the classes, and get no gradient."""
    _named("softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    same_shape("softmax_cross_entropy_with_logits", "labels", labels, "logits", logits)
    return _entropy(labels, logits, dim if axis is None else axis, name, stopped=True)


def softmax_cross_entropy_with_logits_v2(
    labels: Any, logits: Any, axis: int | None = None, name: str | None = None, dim: int = -1
) -> Any:
    """The same, with a gradient for the labels too."""
    same_shape("softmax_cross_entropy_with_logits_v2", "labels", labels, "logits", logits)
    return _entropy(labels, logits, dim if axis is None else axis, name, stopped=False)


def _entropy(labels: Any, logits: Any, axis: int, name: str | None, stopped: bool) -> Any:
    title = "softmax_cross_entropy_with_logits" + "_sg" * stopped
    return _dense_entropy(labels, logits, axis, name=name or title, stopped=stopped)


def _of_chances(labels: Any, logits: Any, axis: int, stopped: bool) -> Any:
    labels = as_tensor(labels, like=logits.dtype)
    labels = labels.detach() if stopped else labels
    return tf_nn.softmax_cross_entropy_with_logits(labels.to(logits.dtype), logits, axis)


_dense_entropy = lift(_of_chances, "SoftmaxCrossEntropyWithLogits")


def _named(what: str, sentinel: Any, labels: Any, logits: Any) -> None:
    if sentinel is not None or labels is None or logits is None:
        raise ArgumentError(
            f"{what}: labels and logits are easily mistaken for one another\n"
            f"  expected both by name: {what}(labels=y, logits=z)"
        )


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Any:
    """Cross-entropy of each example; ``labels`` are the numbers of the classes."""
    what = "sparse_softmax_cross_entropy_with_logits"
    _named(what, _sentinel, labels, logits)
    labels = labels if isinstance(labels, Tensor) else graphs.constant(labels)
    if not labels.dtype.is_integer:
        raise KindError(
            f"{what}: labels are {labels.dtype.name}\n  labels  {labels}\n"
            "  expected int32 or int64: the numbers of the classes; tf.cast(labels, tf.int64)"
        )
    rank, given = logits.shape.rank, labels.shape.rank
    if None not in (rank, given) and given != rank - 1:
        raise errors.GraphShape(
            f"{what}: labels have {given} dimensions, logits {rank}\n"
            f"  labels  {labels}\n  logits  {logits}\n"
            "  expected the number of a class for each example, (N,) with (N, classes)\n"
            "  labels that are one-hot go with softmax_cross_entropy_with_logits; "
            "tf.squeeze takes (N, 1) to (N,)"
        )
    graph = graphs.graph_of((labels, logits))
    with graph.name_scope(name or "SparseSoftmaxCrossEntropyWithLogits"):
        return _sparse_entropy(labels=labels, logits=logits)


def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Any:
    """Cross-entropy of each entry, for yes and no."""
    what = "sigmoid_cross_entropy_with_logits"
    _named(what, _sentinel, labels, logits)
    same_shape(what, "labels", labels, "logits", logits)
    return _yes_no_entropy(labels, logits, name=name)


_yes_no_entropy = lift(
    lambda y, z: tf_nn.sigmoid_cross_entropy_with_logits(as_tensor(y, like=z.dtype).to(z.dtype), z),
    "LogisticLoss logistic_loss",
)
xw_plus_b = lift(lambda x, w, b: math.add(linalg.matmul(x, w), b), "BiasAdd xw_plus_b")
