"""Losses, by name, as functions (a number for each example) and as objects (one number)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...errors import ArgumentError, ShapeError
from ...nn import functional as F
from ...ops import FUNCTIONS as OPS
from ...tensor import Tensor
from ..tensor import styles
from .lines import here
from .variable import convert
from .words import found, snake_case

EPSILON = 1e-7  # probabilities stay this far from 0 and 1
_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "none", None)


class _Labels(ShapeError, ArgumentError):
    """Labels of another shape than the loss takes; a ValueError in Keras."""


def aligned(name: str, y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors of one shape: a last size of 1 that only one has is dropped."""
    y_true, y_pred = convert(y_true), convert(y_pred)
    if y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
        y_true = y_true.reshape(y_true.shape[:-1])
    elif y_pred.ndim == y_true.ndim + 1 and y_pred.shape[-1] == 1:
        y_true = y_true.reshape(*y_true.shape, 1)
    if y_true.shape != y_pred.shape:
        raise _Labels(
            f"{name}: the labels have another shape than the predictions\n"
            f"  y_true  {y_true.spec}\n  y_pred  {y_pred.spec}\n"
            f"  expected one shape{_hint(y_true, y_pred)}"
        )
    return y_true.to(dtype=y_pred.dtype), y_pred


def _hint(y_true: Tensor, y_pred: Tensor) -> str:
    """What to do where the labels are class numbers and one-hot rows are expected."""
    if y_true.shape == y_pred.shape[:-1] or y_true.shape == (*y_pred.shape[:-1], 1):
        return (
            f": rows of {y_pred.shape[-1]}, with a 1 at the class\n"
            "  for class numbers use the loss sparse_categorical_crossentropy, or make rows: "
            "keras.utils.to_categorical(y)"
        )
    return "\n  the last layer has to give as many numbers as there are labels for an example"


def _logits(y_pred: Tensor, op: str) -> Tensor | None:
    """What went into the softmax or sigmoid that made ``y_pred``, where it is known.

    The loss of logits is exact where a probability is too close to 0 for its logarithm; Keras
    looks through the last activation too.
    """
    node = y_pred.node
    if node is None or node.freed or node.op.name != op:
        return None
    if op == "softmax" and node.attrs.get("dim", -1) not in (-1, y_pred.ndim - 1):
        return None
    x = node.inputs[0]
    return x if isinstance(x, Tensor) and x.ndim == y_pred.ndim else None


def _smooth(y_true: Tensor, amount: float, classes: int) -> Tensor:
    return y_true * (1 - amount) + amount / classes if amount else y_true


@styles
def mse(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of the squares of the differences, for each example.

    >>> mse([[0.0, 1.0]], [[1.0, 1.0]])
    <tf.Tensor: shape=(1,), dtype=float32, numpy=array([0.5], dtype=float32)>
    """
    y_true, y_pred = aligned("mean_squared_error", y_true, y_pred)
    return ((y_pred - y_true) ** 2).mean(-1)


@styles
def mae(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of the absolute differences, for each example."""
    y_true, y_pred = aligned("mean_absolute_error", y_true, y_pred)
    return (y_pred - y_true).abs().mean(-1)


MSE, MAE = mse, mae


@styles
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    r""":math:`-\log p_y` for labels that are class numbers.

    Shapes: ``y_true`` ``(N, ...)`` or ``(N, ..., 1)``, ``y_pred`` ``(N, ..., classes)``. Raises
    ShapeError for one-hot labels.
    """
    return _sparse(y_true, y_pred, from_logits, axis, "none")


def _sparse(y_true: Any, y_pred: Any, from_logits: bool, axis: int, reduction: str) -> Tensor:
    y_true, y_pred = convert(y_true), convert(y_pred)
    if axis not in (-1, y_pred.ndim - 1):
        raise ArgumentError(f"axis: expected -1, the last one, got {axis}")
    classes = y_pred.shape[-1] if y_pred.ndim else 0
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true.reshape(y_true.shape[:-1])
    if y_true.shape != y_pred.shape[:-1] or not y_pred.ndim:
        one_hot = y_true.shape == y_pred.shape and classes > 1
        raise _Labels(
            "sparse_categorical_crossentropy: "
            + ("the labels are one-hot rows" if one_hot else "labels and predictions do not fit")
            + f"\n  y_true  {y_true.spec}\n  y_pred  {y_pred.spec}\n"
            f"  expected class numbers of shape {tuple(y_pred.shape[:-1])}"
            + (
                "\n  for one-hot rows use the loss categorical_crossentropy, or y.argmax(axis=-1)"
                if one_hot
                else ""
            )
        )
    logits = y_pred if from_logits else _logits(y_pred, "softmax")
    if logits is None:
        logits = y_pred.clamp(EPSILON, 1 - EPSILON).log()
    if logits.ndim == 2:
        return F.cross_entropy(logits, y_true.long(), reduction=reduction)
    rows, labels = logits.reshape(-1, classes), y_true.long().reshape(-1)
    loss = F.cross_entropy(rows, labels, reduction=reduction)
    return loss.reshape(y_true.shape) if reduction == "none" else loss


@styles
def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    r""":math:`-\sum_k y_k \log p_k` for labels that are one-hot rows, or shares."""
    y_true, y_pred = aligned("categorical_crossentropy", y_true, y_pred)
    y_true = _smooth(y_true, label_smoothing, y_pred.shape[axis])
    logits = y_pred if from_logits else _logits(y_pred, "softmax") if axis == -1 else None
    if logits is not None:
        return -(y_true * F.log_softmax(logits, axis)).sum(axis)
    shares = y_pred / y_pred.sum(axis, keepdim=True)
    return -(y_true * shares.clamp(EPSILON, 1 - EPSILON).log()).sum(axis)


@styles
def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    r""":math:`-y \log p - (1 - y) \log (1 - p)`, its mean for each example."""
    y_true, y_pred = aligned("binary_crossentropy", y_true, y_pred)
    y_true = _smooth(y_true, label_smoothing, 2)
    logits = y_pred if from_logits else _logits(y_pred, "sigmoid")
    if logits is not None:
        each = F.binary_cross_entropy_with_logits(logits, y_true, reduction="none")
        return each.mean(axis)
    p = y_pred.clamp(EPSILON, 1 - EPSILON)
    return -(y_true * p.log() + (1 - y_true) * (1 - p).log()).mean(axis)


@styles
def mape(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of the absolute differences in percent of the labels, for each example."""
    y_true, y_pred = aligned("mean_absolute_percentage_error", y_true, y_pred)
    return 100 * ((y_true - y_pred) / y_true.abs().clamp(EPSILON)).abs().mean(-1)


@styles
def msle(y_true: Any, y_pred: Any) -> Tensor:
    r"""The mean of the squares of the differences of :math:`\log(1 + y)`, for each example."""
    y_true, y_pred = aligned("mean_squared_logarithmic_error", y_true, y_pred)
    first, second = ((y.clamp(EPSILON) + 1).log() for y in (y_true, y_pred))
    return ((first - second) ** 2).mean(-1)


MAPE, MSLE = mape, msle


@styles
def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """Half the square of a difference up to ``delta``, a straight line beyond it."""
    y_true, y_pred = aligned("huber", y_true, y_pred)
    size = (y_pred - y_true).abs()
    line = delta * size - 0.5 * delta**2
    return OPS["where"](size <= delta, 0.5 * size**2, line).mean(-1)


@styles
def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    r"""The mean of :math:`\log \cosh` of the differences, for each example."""
    y_true, y_pred = aligned("log_cosh", y_true, y_pred)
    x = y_pred - y_true
    return (x + F.softplus(-2.0 * x) - math.log(2.0)).mean(-1)


def _signs(y_true: Tensor) -> Tensor:
    """Labels of 0 and 1 as -1 and 1; others as they are."""
    others = (y_true * (y_true - 1)).abs().sum()
    return OPS["where"](OPS["eq"](others, 0.0), 2 * y_true - 1, y_true)


@styles
def hinge(y_true: Any, y_pred: Any) -> Tensor:
    r"""The mean of :math:`\max(0, 1 - y \hat y)` for labels of -1 and 1."""
    y_true, y_pred = aligned("hinge", y_true, y_pred)
    return (1 - _signs(y_true) * y_pred).clamp(0.0).mean(-1)


@styles
def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of the squares of ``hinge``."""
    y_true, y_pred = aligned("squared_hinge", y_true, y_pred)
    return ((1 - _signs(y_true) * y_pred).clamp(0.0) ** 2).mean(-1)


@styles
def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """How much the right class lies less than 1 above the best of the others; one-hot rows."""
    y_true, y_pred = aligned("categorical_hinge", y_true, y_pred)
    right = (y_true * y_pred).sum(-1)
    return (OPS["amax"]((1 - y_true) * y_pred, -1) - right + 1).clamp(0.0)


@styles
def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    r""":math:`\sum y \log(y / \hat y)`, for each example."""
    y_true, y_pred = aligned("kl_divergence", y_true, y_pred)
    y_true, y_pred = y_true.clamp(EPSILON, 1), y_pred.clamp(EPSILON, 1)
    return (y_true * (y_true / y_pred).log()).sum(-1)


@styles
def poisson(y_true: Any, y_pred: Any) -> Tensor:
    r"""The mean of :math:`\hat y - y \log \hat y`, for each example."""
    y_true, y_pred = aligned("poisson", y_true, y_pred)
    return (y_pred - y_true * (y_pred + EPSILON).log()).mean(-1)


@styles
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Minus the cosine of the angle between labels and predictions."""
    y_true, y_pred = aligned("cosine_similarity", y_true, y_pred)
    return -(_unit(y_true, axis) * _unit(y_pred, axis)).sum(axis)


def _unit(x: Tensor, axis: int) -> Tensor:
    return x * (x * x).sum(axis, keepdim=True).clamp(1e-12).rsqrt()


class Loss:
    """A loss as an object. A subclass writes ``call``, which gives a number for each example.

    ``reduction`` makes one number of them: "sum_over_batch_size" is the mean, "sum", or "none".
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        if reduction not in _REDUCTIONS:
            raise ArgumentError(
                f"reduction: expected 'sum_over_batch_size', 'sum' or 'none', got {reduction!r}"
            )
        self.name = name or snake_case(type(self).__name__)
        self.reduction = reduction
        self.made = here()

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """A number for each example."""
        raise NotImplementedError(f"{type(self).__name__}: define def call(self, y_true, y_pred):")

    @styles
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """One number, as ``reduction`` says; each example counts ``sample_weight`` times."""
        each = self.call(convert(y_true), convert(y_pred))
        if sample_weight is not None:
            each = each * convert(sample_weight).to(dtype=each.dtype)
        if self.reduction in ("none", None):
            return each
        return each.sum() if self.reduction == "sum" else each.mean()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


class _Of(Loss):
    """The loss of a function."""

    def __init__(
        self, function: Callable[..., Any], name: str, reduction: Any, **settings: Any
    ) -> None:
        super().__init__(name, reduction)
        self.function, self.settings = function, settings

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """What the function gives."""
        return self.function(y_true, y_pred, **self.settings)


class MeanSquaredError(_Of):
    """The mean of the squares of the differences."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mse, name, reduction)


class MeanAbsoluteError(_Of):
    """The mean of the absolute differences."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mae, name, reduction)


class SparseCategoricalCrossentropy(_Of):
    """Cross-entropy of class numbers with probabilities, or ``from_logits`` with their logits.

    >>> loss = SparseCategoricalCrossentropy(from_logits=True)
    >>> loss([0, 1], [[2.0, 0.0], [0.0, 2.0]])
    <tf.Tensor: shape=(), dtype=float32, numpy=0.12692802>
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        if ignore_class is not None:
            raise ArgumentError(
                f"ignore_class={ignore_class!r}: not here yet\n  expected None; drop these examples"
            )
        function = sparse_categorical_crossentropy
        super().__init__(function, name, reduction, from_logits=from_logits, axis=axis)

    @styles
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """One number, as ``reduction`` says; the mean is computed in one go."""
        if sample_weight is None and self.reduction in ("sum_over_batch_size", "mean"):
            return _sparse(y_true, y_pred, **self.settings, reduction="mean")
        return super().__call__(y_true, y_pred, sample_weight)


class CategoricalCrossentropy(_Of):
    """Cross-entropy of one-hot rows with probabilities, or ``from_logits`` with their logits."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        given = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(categorical_crossentropy, name, reduction, **given)


class BinaryCrossentropy(_Of):
    """Cross-entropy of yes and no with a probability, or ``from_logits`` with its logit."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        given = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(binary_crossentropy, name, reduction, **given)


class Huber(_Of):
    """Half the square of a difference up to ``delta``, a straight line beyond it."""

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(huber, name, reduction, delta=delta)


class CosineSimilarity(_Of):
    """Minus the cosine of the angle between labels and predictions."""

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(cosine_similarity, name, reduction, axis=axis)


def _class_of(kind: str, own: str, function: Callable[..., Any]) -> type[_Of]:
    """The class of a function without settings."""

    def start(
        self: _Of,
        reduction: str | None = "sum_over_batch_size",
        name: str = own,
        dtype: Any = None,
    ) -> None:
        _Of.__init__(self, function, name, reduction)

    return type(
        kind, (_Of,), {"__init__": start, "__doc__": function.__doc__, "__module__": __name__}
    )


MeanAbsolutePercentageError = _class_of(
    "MeanAbsolutePercentageError", "mean_absolute_percentage_error", mape
)
MeanSquaredLogarithmicError = _class_of(
    "MeanSquaredLogarithmicError", "mean_squared_logarithmic_error", msle
)
LogCosh = _class_of("LogCosh", "log_cosh", log_cosh)
Hinge = _class_of("Hinge", "hinge", hinge)
SquaredHinge = _class_of("SquaredHinge", "squared_hinge", squared_hinge)
CategoricalHinge = _class_of("CategoricalHinge", "categorical_hinge", categorical_hinge)
KLDivergence = _class_of("KLDivergence", "kl_divergence", kl_divergence)
Poisson = _class_of("Poisson", "poisson", poisson)

kld = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh

NAMES: dict[str, Callable[[], Loss]] = {
    "mean_squared_error": MeanSquaredError, "mse": MeanSquaredError, "MSE": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError, "mae": MeanAbsoluteError, "MAE": MeanAbsoluteError,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy, "huber": Huber, "huber_loss": Huber,
    "log_cosh": LogCosh, "logcosh": LogCosh, "hinge": Hinge, "squared_hinge": SquaredHinge,
    "categorical_hinge": CategoricalHinge, "kl_divergence": KLDivergence, "kld": KLDivergence,
    "KLD": KLDivergence, "poisson": Poisson, "cosine_similarity": CosineSimilarity,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError,
    "mape": MeanAbsolutePercentageError, "MAPE": MeanAbsolutePercentageError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError,
    "msle": MeanSquaredLogarithmicError, "MSLE": MeanSquaredLogarithmicError,
}  # fmt: skip


def get(identifier: Any) -> Loss:
    """The loss of a name; a function of ``(y_true, y_pred)`` becomes one."""
    made = found("loss", identifier, NAMES, Loss)
    if isinstance(made, type):
        return made()
    if isinstance(made, Loss):
        return made
    return _Of(made, getattr(made, "__name__", "loss"), "sum_over_batch_size")
