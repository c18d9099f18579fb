"""Metrics: numbers that are gathered batch by batch, ``accuracy`` above all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ArgumentError, KindError, describe
from ...ops import FUNCTIONS as OPS
from ...tensor import Tensor, no_grad
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

    def result(self) -> Tensor:
        """The number of all batches so far."""
        raise NotImplementedError(f"{type(self).__name__}: define def result(self):")

    def reset_state(self) -> None:
        """Forget all batches."""
        with plainly():
            for v in self.variables:
                v.zero_()

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
    tensor(4.)
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


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """The share of right answers for each example, where above ``threshold`` means yes."""
    y_true, y_pred = aligned("binary_accuracy", y_true, y_pred)
    return (y_true == (y_pred > threshold).float()).float().mean(-1)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the largest share is that of the right class, for one-hot rows.

    >>> categorical_accuracy([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.4, 0.6]])
    tensor([1., 0.])
    """
    y_true, y_pred = aligned("categorical_accuracy", y_true, y_pred)
    return (y_true.argmax(-1) == y_pred.argmax(-1)).float()


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


NAMES: dict[str, Callable[..., Metric]] = {
    "mean_squared_error": MeanSquaredError, "mse": MeanSquaredError, "MSE": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError, "mae": MeanAbsoluteError, "MAE": MeanAbsoluteError,
    "binary_accuracy": BinaryAccuracy, "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
}  # fmt: skip
ACCURACY = ("accuracy", "acc")


def get(identifier: Any, shapes: tuple[Any, Any] | None = None) -> Metric:
    """The metric of a name; ``accuracy`` is the one for ``shapes`` of labels and predictions."""
    if identifier in ACCURACY if isinstance(identifier, str) else False:
        return _accuracy(shapes)(name=identifier)
    known: dict[str, Any] = dict.fromkeys(ACCURACY, Accuracy) | NAMES
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
