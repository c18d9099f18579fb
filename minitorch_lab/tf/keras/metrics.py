"""Metrics: numbers that are gathered batch by batch, ``accuracy`` above all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ArgumentError, KindError, describe
from ...ops import FUNCTIONS as OPS
from ...tensor import Tensor, no_grad
from ..tensor import styles
from . import losses
from .lines import here
from .losses import aligned
from .variable import Variable, convert, plainly
from .words import found, snake_case


class Metric:
    """Gathers a number over batches. A subclass writes ``update_state`` and ``result``.

    What is gathered lies in variables, ``add_variable``, so that a compiled step changes them.
    """

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        self.name = name or snake_case(type(self).__name__)
        self.made = here()
        self.variables: list[Variable] = []

    def add_variable(self, shape: Any = (), initializer: Any = None, name: str = "") -> Variable:
        """A number, or several, that start at 0."""
        made = Variable(np.zeros(shape, np.float32), trainable=False, name=name or "variable")
        self.variables.append(made)
        return made

    add_weight = add_variable

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take one batch into account."""
        raise NotImplementedError(f"{type(self).__name__}: define update_state")

    @styles
    def result(self) -> Tensor:
        """The number of all batches so far."""
        raise NotImplementedError(f"{type(self).__name__}: define def result(self):")

    def reset_state(self) -> None:
        """Forget all batches."""
        with plainly():
            for v in self.variables:
                v.zero_()

    @styles
    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """Take a batch into account, and give the result."""
        self.update_state(*args, **kwargs)
        return self.result()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


class _Averaged(Metric):
    """A sum of numbers and how many there were."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.total = self.add_variable(name="total")
        self.count = self.add_variable(name="count")

    def _take(self, values: Any, sample_weight: Any) -> None:
        with no_grad():
            values = convert(values).detach().float()
            if sample_weight is None or isinstance(sample_weight, int | float):
                each = 1.0 if sample_weight is None else float(sample_weight)
                self.total.add_(values.sum() * each)
                self.count.add_(values.numel() * each)
            else:
                weights = convert(sample_weight).float()
                self.total.add_((values * weights).sum())
                self.count.add_((values * 0 + weights).sum())

    @styles
    def result(self) -> Tensor:
        """The mean so far; 0 before the first number."""
        with no_grad():
            return self.total / OPS["maximum"](self.count, 1e-12)


class Mean(_Averaged):
    """The mean of all numbers that came.

    >>> mean = Mean()
    >>> mean.update_state([1.0, 3.0])
    >>> mean.update_state(8.0)
    >>> mean.result()
    <tf.Tensor: shape=(), dtype=float32, numpy=4.0>
    """

    def __init__(self, name: str = "mean", dtype: Any = None) -> None:
        super().__init__(name)

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take numbers into account, each ``sample_weight`` times."""
        self._take(values, sample_weight)


class _MeanOf(_Averaged):
    """The mean of a function of labels and predictions."""

    def __init__(self, function: Callable[..., Any], name: str, **settings: Any) -> None:
        super().__init__(name)
        self.function, self.settings = function, settings

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        with no_grad():
            y_pred = convert(y_pred).detach()
            values = self.function(convert(y_true), y_pred, **self.settings)
        self._take(values, sample_weight)


def _equal(y_true: Any, y_pred: Any) -> Tensor:
    y_true, y_pred = aligned("accuracy", y_true, y_pred)
    return (y_true == y_pred).float()


@styles
def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """The share of right answers for each example, where above ``threshold`` means yes."""
    y_true, y_pred = aligned("binary_accuracy", y_true, y_pred)
    return (y_true == (y_pred > threshold).float()).float().mean(-1)


@styles
def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the largest share is that of the right class, for one-hot rows.

    >>> categorical_accuracy([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.4, 0.6]])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1., 0.], dtype=float32)>
    """
    y_true, y_pred = aligned("categorical_accuracy", y_true, y_pred)
    return (y_true.argmax(-1) == y_pred.argmax(-1)).float()


@styles
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the largest share is that of the right class, for class numbers."""
    y_true, y_pred = convert(y_true), convert(y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true.reshape(y_true.shape[:-1])
    if y_true.shape != y_pred.shape[:-1]:
        raise ArgumentError(
            f"sparse_categorical_accuracy: labels and predictions do not fit\n"
            f"  y_true  {y_true.spec}\n  y_pred  {y_pred.spec}\n"
            f"  expected class numbers of shape {tuple(y_pred.shape[:-1])}\n"
            "  for one-hot rows use categorical_accuracy"
        )
    return (y_true.long() == y_pred.argmax(-1)).float()


class Accuracy(_MeanOf):
    """How often labels and predictions are equal."""

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(_equal, name)


class BinaryAccuracy(_MeanOf):
    """How often a yes or no is right."""

    def __init__(
        self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5
    ) -> None:
        super().__init__(binary_accuracy, name, threshold=threshold)


class CategoricalAccuracy(_MeanOf):
    """How often the largest share is that of the right class, for one-hot rows."""

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name)


class SparseCategoricalAccuracy(_MeanOf):
    """How often the largest share is that of the right class, for class numbers."""

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name)


class MeanSquaredError(_MeanOf):
    """The mean of the squares of the differences."""

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(losses.mse, name)


class MeanAbsoluteError(_MeanOf):
    """The mean of the absolute differences."""

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(losses.mae, name)


mse, mae, mape, msle = losses.mse, losses.mae, losses.mape, losses.msle


class RootMeanSquaredError(_MeanOf):
    """The root of the mean of the squares of the differences."""

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(_squares, name)

    @styles
    def result(self) -> Tensor:
        """The root of the mean so far."""
        return super().result().sqrt()


def _squares(y_true: Any, y_pred: Any) -> Tensor:
    y_true, y_pred = aligned("root_mean_squared_error", y_true, y_pred)
    return (y_pred - y_true) ** 2


class MeanMetricWrapper(_MeanOf):
    """The mean of a function of labels and predictions."""

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(fn, str(name or getattr(fn, "__name__", "metric")), **kwargs)


class CosineSimilarity(_MeanOf):
    """The cosine of the angle between labels and predictions."""

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(_cosine, name, axis=axis)


def _cosine(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    return -losses.cosine_similarity(y_true, y_pred, axis)


class BinaryCrossentropy(_MeanOf):
    """The loss of that name as a metric."""

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        given = {"from_logits": from_logits, "label_smoothing": label_smoothing}
        super().__init__(losses.binary_crossentropy, name, **given)


class CategoricalCrossentropy(_MeanOf):
    """The loss of that name as a metric."""

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        given = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(losses.categorical_crossentropy, name, **given)


class SparseCategoricalCrossentropy(_MeanOf):
    """The loss of that name as a metric."""

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        axis: int = -1,
    ) -> None:
        given = {"from_logits": from_logits, "axis": axis}
        super().__init__(losses.sparse_categorical_crossentropy, name, **given)


def _class_of(kind: str, own: str, function: Callable[..., Any]) -> type[_MeanOf]:
    """The class of a function without settings."""

    def start(self: _MeanOf, name: str = own, dtype: Any = None) -> None:
        _MeanOf.__init__(self, function, name)

    return type(
        kind, (_MeanOf,), {"__init__": start, "__doc__": function.__doc__, "__module__": __name__}
    )


MeanAbsolutePercentageError = _class_of(
    "MeanAbsolutePercentageError", "mean_absolute_percentage_error", losses.mape
)
MeanSquaredLogarithmicError = _class_of(
    "MeanSquaredLogarithmicError", "mean_squared_logarithmic_error", losses.msle
)
LogCoshError = _class_of("LogCoshError", "logcosh", losses.log_cosh)
Hinge = _class_of("Hinge", "hinge", losses.hinge)
SquaredHinge = _class_of("SquaredHinge", "squared_hinge", losses.squared_hinge)
CategoricalHinge = _class_of("CategoricalHinge", "categorical_hinge", losses.categorical_hinge)
KLDivergence = _class_of("KLDivergence", "kl_divergence", losses.kl_divergence)
Poisson = _class_of("Poisson", "poisson", losses.poisson)


class TopKCategoricalAccuracy(_MeanOf):
    """How often the right class is among the ``k`` largest shares, for one-hot rows."""

    def __init__(
        self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, k=k)


class SparseTopKCategoricalAccuracy(_MeanOf):
    """How often the right class is among the ``k`` largest shares, for class numbers."""

    def __init__(
        self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, k=k)


@styles
def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """1 where the right class is among the ``k`` largest shares, for class numbers."""
    y_true, y_pred = convert(y_true), convert(y_pred)
    labels = y_true.long().reshape(-1, 1)
    rows = y_pred.reshape(labels.shape[0], -1)
    own = OPS["gather"](rows, 1, labels)
    return ((rows > own).float().sum(-1) < k).float()


@styles
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """1 where the right class is among the ``k`` largest shares, for one-hot rows."""
    return sparse_top_k_categorical_accuracy(convert(y_true).argmax(-1), y_pred, k)


class Sum(Metric):
    """The sum of all numbers that came."""

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(name)
        self.total = self.add_variable(name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Take numbers into account."""
        with no_grad():
            values = convert(values).detach().float()
            weight = 1.0 if sample_weight is None else convert(sample_weight).float()
            self.total.add_((values * weight).sum())

    @styles
    def result(self) -> Tensor:
        """The sum so far."""
        with no_grad():
            return self.total + 0.0


# Yes and no ---------------------------------------------------------------------------------


class _Counts(Metric):
    """How many right and wrong answers of yes and no there are, for each threshold."""

    tp: Variable
    fp: Variable
    tn: Variable
    fn: Variable
    shown = ""  # which of the four counts the result is

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name)
        self.thresholds = thresholds
        given = 0.5 if thresholds is None else thresholds
        self.limits = np.array(given, np.float32).reshape(-1)
        for count in ("tp", "fp", "tn", "fn"):
            setattr(self, count, self.add_variable(self.limits.shape, name=count))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        with no_grad():
            y_true, y_pred = aligned(self.name, y_true, convert(y_pred).detach())
            weight = y_true.float() * 0 + 1
            if sample_weight is not None:
                own = convert(sample_weight).float()
                weight = weight * own.reshape(*own.shape, *[1] * (weight.ndim - own.ndim))
            yes = (y_true.reshape(1, -1) > 0.5).float() * weight.reshape(1, -1)
            no = weight.reshape(1, -1) - yes
            said = (y_pred.reshape(1, -1) > convert(self.limits.reshape(-1, 1))).float()
            for count, value in (
                ("tp", yes * said), ("fp", no * said), ("tn", no * (1 - said)),
                ("fn", yes * (1 - said)),
            ):  # fmt: skip
                getattr(self, count).add_(value.sum(1))

    @styles
    def result(self) -> Tensor:
        """The count, one for each threshold if several were given."""
        with no_grad():
            return self._one(getattr(self, self.shown) + 0.0)

    def _one(self, value: Tensor) -> Tensor:
        return value if isinstance(self.thresholds, list | tuple) else value[0]


class TruePositives(_Counts):
    """How often yes was right."""

    shown = "tp"


class FalsePositives(_Counts):
    """How often yes was wrong."""

    shown = "fp"


class TrueNegatives(_Counts):
    """How often no was right."""

    shown = "tn"


class FalseNegatives(_Counts):
    """How often no was wrong."""

    shown = "fn"


class Precision(_Counts):
    """The share of the yes that is right.

    >>> precision = Precision()
    >>> precision.update_state([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0])
    >>> round(float(precision.result()), 4)
    0.6667
    """

    @styles
    def result(self) -> Tensor:
        """The share so far."""
        with no_grad():
            return self._one(self.tp / OPS["maximum"](self.tp + self.fp, 1e-12))


class Recall(_Counts):
    """The share of what should be yes that is found."""

    @styles
    def result(self) -> Tensor:
        """The share so far."""
        with no_grad():
            return self._one(self.tp / OPS["maximum"](self.tp + self.fn, 1e-12))


class AUC(_Counts):
    """The area under the curve of found yes against false alarms, by thresholds between 0 and 1."""

    def __init__(
        self, num_thresholds: int = 200, curve: str = "ROC", name: str | None = None,
        dtype: Any = None, from_logits: bool = False,
    ) -> None:  # fmt: skip
        if curve != "ROC":
            raise ArgumentError(f"AUC(curve): got {curve!r}\n  expected 'ROC'")
        inner = [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]
        super().__init__([-1e-7, *inner, 1 + 1e-7], name)
        self.from_logits = from_logits

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        y_pred = convert(y_pred).detach()
        super().update_state(y_true, y_pred.sigmoid() if self.from_logits else y_pred)

    @styles
    def result(self) -> Tensor:
        """The area so far, by trapezoids."""
        with no_grad():
            found = self.tp / OPS["maximum"](self.tp + self.fn, 1e-12)
            alarms = self.fp / OPS["maximum"](self.fp + self.tn, 1e-12)
            return ((alarms[:-1] - alarms[1:]) * (found[:-1] + found[1:]) / 2).sum()


class F1Score(Metric):
    """The harmonic mean of precision and recall, for each class of one-hot rows.

    ``average`` is None, "micro", "macro" or "weighted"; without ``threshold`` the largest share
    is the answer.
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str = "f1_score",
        dtype: Any = None,
    ) -> None:
        if average not in (None, "micro", "macro", "weighted"):
            raise ArgumentError(
                f"F1Score(average): got {average!r}\n"
                "  expected None, 'micro', 'macro' or 'weighted'"
            )
        super().__init__(name)
        self.average, self.threshold = average, threshold
        self.counts: Any = None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        with no_grad():
            y_true, y_pred = aligned(self.name, y_true, convert(y_pred).detach())
            if self.counts is None:
                self.counts = self.add_variable((3, y_pred.shape[-1]), name="counts")
            top = OPS["amax"](y_pred, -1, keepdim=True)
            said = y_pred >= top if self.threshold is None else y_pred > self.threshold
            yes, said = y_true.float(), said.float()
            rows = [(yes * said).sum(0), said.sum(0), yes.sum(0)]
            self.counts.add_(OPS["stack"](rows))

    @styles
    def result(self) -> Tensor:
        """The score so far."""
        with no_grad():
            right, said, yes = self.counts[0], self.counts[1], self.counts[2]
            if self.average == "micro":
                right, said, yes = right.sum(), said.sum(), yes.sum()
            score = 2 * right / OPS["maximum"](said + yes, 1e-7)
            if self.average == "macro":
                return score.mean()
            if self.average == "weighted":
                return (score * yes).sum() / OPS["maximum"](yes.sum(), 1e-7)
            return score


class R2Score(Metric):
    """The share of the labels' variance that the predictions explain."""

    def __init__(
        self, class_aggregation: str = "uniform_average", num_regressors: int = 0,
        name: str = "r2_score", dtype: Any = None,
    ) -> None:  # fmt: skip
        if class_aggregation != "uniform_average" or num_regressors:
            raise ArgumentError("R2Score(class_aggregation, num_regressors): expected the defaults")
        super().__init__(name)
        self.sums: Any = None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        with no_grad():
            y_true, y_pred = aligned(self.name, y_true, convert(y_pred).detach())
            y, p = (a.float().reshape(a.shape[0], -1) for a in (y_true, y_pred))
            if self.sums is None:
                self.sums = self.add_variable((4, y.shape[1]), name="sums")
            rows = [y * 0 + 1, y, y * y, (y - p) ** 2]
            self.sums.add_(OPS["stack"]([row.sum(0) for row in rows]))

    @styles
    def result(self) -> Tensor:
        """The score so far."""
        with no_grad():
            n, total, squares, wrong = (self.sums[i] for i in range(4))
            return (1 - wrong / (squares - total * total / n)).mean()


NAMES: dict[str, Callable[..., Metric]] = {
    "mean_squared_error": MeanSquaredError, "mse": MeanSquaredError, "MSE": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError, "mae": MeanAbsoluteError, "MAE": MeanAbsoluteError,
    "binary_accuracy": BinaryAccuracy, "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "binary_crossentropy": BinaryCrossentropy, "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy, "hinge": Hinge,
    "squared_hinge": SquaredHinge, "categorical_hinge": CategoricalHinge, "poisson": Poisson,
    "kl_divergence": KLDivergence, "kld": KLDivergence, "cosine_similarity": CosineSimilarity,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError,
    "mape": MeanAbsolutePercentageError, "msle": MeanSquaredLogarithmicError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError, "logcosh": LogCoshError,
}  # fmt: skip
ACCURACY = ("accuracy", "acc")


def get(identifier: Any, shapes: tuple[Any, Any] | None = None) -> Metric:
    """The metric of a name; ``accuracy`` is the one for ``shapes`` of labels and predictions."""
    if identifier in ACCURACY if isinstance(identifier, str) else False:
        return _accuracy(shapes)(name=identifier)
    known: dict[str, Any] = dict.fromkeys(ACCURACY, Accuracy) | NAMES
    known |= {n: k for n, k in globals().items() if isinstance(k, type) and n[0] != "_"}
    made = found("metrics", identifier, known, Metric)
    if isinstance(made, type) and issubclass(made, Metric):
        kept = identifier if isinstance(identifier, str) else None
        return made(name=kept) if kept else made()
    if isinstance(made, Metric):
        return made
    if not callable(made):
        raise KindError(f"metrics: expected names or metrics, got {describe(made)}")
    return _MeanOf(made, getattr(made, "__name__", "metric"))


def _accuracy(shapes: tuple[Any, Any] | None) -> Callable[..., Metric]:
    """Which accuracy is meant: it depends on how labels and predictions look."""
    if shapes is None:
        return Accuracy
    y_true, y_pred = shapes
    if y_pred[-1:] == (1,) or not y_pred:
        return BinaryAccuracy
    return CategoricalAccuracy if y_true == y_pred else SparseCategoricalAccuracy
