"""``tf.losses``: one number for each example, times a weight, and the mean of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....errors import ArgumentError
from ....nn import functional as F
from ...nn import sparse_softmax_cross_entropy_with_logits
from . import graphs, scopes
from .graphs import Tensor
from .ops import WRITERS, same_shape
from .scopes import GraphKeys


class Reduction:
    """What is made of the losses of the examples."""

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """Each of them."""
        return cls.NONE, cls.SUM, cls.MEAN, cls.SUM_OVER_BATCH_SIZE, cls.SUM_BY_NONZERO_WEIGHTS


MEAN = Reduction.SUM_BY_NONZERO_WEIGHTS


def _weighted(losses: Any, weights: Any, reduction: str) -> Any:
    """The losses times their weights, added up and divided as ``reduction`` says."""
    if isinstance(weights, (int, float)):
        total = losses if weights == 1 else losses * weights
        if weights and reduction in (MEAN, Reduction.SUM_OVER_BATCH_SIZE):
            return total.mean()
        count = share = losses.numel() * weights or 1
    else:
        weights = weights.to(losses.dtype)
        if weights.ndim and weights.ndim == losses.ndim - 1:
            weights = weights.unsqueeze(-1)
        total, spread = losses * weights, weights.expand(tuple(losses.shape))
        count = spread.sum()
        share = (spread != 0).to(losses.dtype).sum().clamp(min=1)
    if reduction == Reduction.NONE:
        return total
    by = {Reduction.SUM: 1, Reduction.MEAN: count, MEAN: share}
    return total.sum() / by.get(reduction, losses.numel())


def _loss(
    name: str,
    scope: str | None,
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    weights: Any,
    collection: str | None,
    reduction: str,
) -> Any:
    if reduction not in Reduction.all():
        raise ArgumentError(
            f"{name}(reduction): got {reduction!r}\n  expected one of {', '.join(Reduction.all())}"
        )
    inputs = tuple(x if isinstance(x, Tensor) else graphs.constant(x) for x in inputs)
    graph = graphs.graph_of(inputs)
    with graph.as_default(), graph.name_scope(scope or name):
        if not isinstance(weights, (int, float, Tensor)):
            weights = graphs.constant(weights)
        found = graph.write(
            "Loss", "value", lambda w, *xs: _weighted(function(*xs), w, reduction),
            (weights, *inputs), {},
        )  # fmt: skip
    if collection:
        graph.collect(collection, found)
    return found


def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = MEAN,
) -> Any:
    """Losses times their weights, as one number."""
    name = "weighted_loss"
    return _loss(name, scope, lambda x: x, (losses,), weights, loss_collection, reduction)


def _alike(what: str, labels: Any, predictions: Any) -> None:
    same_shape(what, "labels", labels, "predictions", predictions)


def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = MEAN,
) -> Any:
    """The mean of the squared differences. Both have the same shape."""
    _alike("mean_squared_error", labels, predictions)

    return _loss("mean_squared_error", scope, lambda y, p: (p.float() - y.float()).square(),
                 (labels, predictions), weights,
                 loss_collection, reduction)  # fmt: skip


def absolute_difference(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = MEAN,
) -> Any:
    """The mean of the differences without their signs."""
    _alike("absolute_difference", labels, predictions)
    return _loss("absolute_difference", scope, lambda y, p: (p.float() - y.float()).abs(),
                 (labels, predictions), weights, loss_collection, reduction)  # fmt: skip


def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: float = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = MEAN,
) -> Any:
    """Squares of small differences, and lines beyond ``delta``."""
    _alike("huber_loss", labels, predictions)
    return _loss("huber_loss", scope,
                 lambda y, p: F.huber_loss(p, y.to(p.dtype), reduction="none", delta=delta),
                 (labels, predictions), weights, loss_collection, reduction)  # fmt: skip


def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = MEAN,
) -> Any:
    """Cross-entropy of chances for yes and no."""
    _alike("log_loss", labels, predictions)

    def logs(y: Any, p: Any) -> Any:
        y = y.to(p.dtype)
        return -(y * (p + epsilon).log()) - (1 - y) * (1 - p + epsilon).log()

    return _loss("log_loss", scope, logs, (labels, predictions), weights, loss_collection,
                 reduction)  # fmt: skip


def hinge_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = MEAN,
) -> Any:
    """``max(0, 1 - y * logit)`` for labels 0 and 1, which stand for y = -1 and 1."""
    same_shape("hinge_loss", "labels", labels, "logits", logits)
    return _loss("hinge_loss", scope,
                 lambda y, z: (1 - (y.to(z.dtype) * 2 - 1) * z).clamp(min=0),
                 (labels, logits), weights, loss_collection, reduction)  # fmt: skip


def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = MEAN,
) -> Any:
    """Cross-entropy of scores for yes and no, before the sigmoid."""
    same_shape("sigmoid_cross_entropy", "multi_class_labels", multi_class_labels, "logits", logits)

    def entropy(y: Any, z: Any) -> Any:
        y = y.to(z.dtype)
        y = y * (1 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else y
        return F.binary_cross_entropy_with_logits(z, y, reduction="none")

    return _loss("sigmoid_cross_entropy_loss", scope, entropy, (multi_class_labels, logits),
                 weights, loss_collection, reduction)  # fmt: skip


def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = MEAN,
) -> Any:
    """Cross-entropy of scores for classes, before the softmax; labels are chances of classes."""
    same_shape("softmax_cross_entropy", "onehot_labels", onehot_labels, "logits", logits)

    def entropy(y: Any, z: Any) -> Any:
        y = y.to(z.dtype)
        y = y * (1 - label_smoothing) + label_smoothing / y.shape[-1] if label_smoothing else y
        return F.cross_entropy(z, y.detach(), reduction="none")

    return _loss("softmax_cross_entropy_loss", scope, entropy, (onehot_labels, logits), weights,
                 loss_collection, reduction)  # fmt: skip


def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = MEAN,
) -> Any:
    """The same with the numbers of the classes as labels."""
    plain = isinstance(weights, (int, float)) and weights == 1 and reduction == MEAN

    def entropy(y: Any, z: Any) -> Any:
        y = y.squeeze(-1) if y.ndim == z.ndim and y.shape[-1] == 1 else y
        if plain and (y.ndim, z.ndim) == (1, 2):
            return F.cross_entropy(z, y.long())  # the mean at once, which has a kernel of its own
        return sparse_softmax_cross_entropy_with_logits(y, z)

    labels = labels if isinstance(labels, Tensor) else graphs.constant(labels)
    return _loss("sparse_softmax_cross_entropy_loss", scope, entropy, (labels, logits),
                 weights, loss_collection, reduction)  # fmt: skip


def add_loss(loss: Any, loss_collection: str = GraphKeys.LOSSES) -> None:
    """Add to the losses that ``get_total_loss`` sums up."""
    scopes.add_to_collection(loss_collection, loss)


def get_losses(scope: str | None = None, loss_collection: str = GraphKeys.LOSSES) -> list[Any]:
    """The losses of the graph."""
    return scopes.get_collection(loss_collection, scope)


def get_regularization_losses(scope: str | None = None) -> list[Any]:
    """What regularisers of variables gave."""
    return scopes.get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss", scope: str | None = None
) -> Any:
    """The sum of the losses of the graph."""
    losses = get_losses(scope)
    if add_regularization_losses:
        losses = losses + get_regularization_losses(scope)
    return WRITERS["add_n"](losses, name=name)
