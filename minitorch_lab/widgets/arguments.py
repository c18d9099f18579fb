"""The arguments of a run: what is taken, what becomes of it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, KindError
from ..errors import describe as describe_value
from ..nn import Module
from ..optim import SGD, Adam, Optimizer
from ..tensor import Tensor
from ..utils.data import DataLoader, IterableDataset, TensorDataset


def at_least_one(name: str, value: Any, call: str = "train") -> int:
    """A count from the user; ArgumentError below 1, KindError for what is no whole number."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise KindError(f"{call}: {name} is {describe_value(value)}\n  expected a whole number")
    if value < 1:
        raise ArgumentError(f"{call}: {name} is {value}\n  expected 1 or more")
    return int(value)


def loader(data: Any, batch_size: int, *, shuffle: bool) -> DataLoader:
    """A DataLoader from a loader, a dataset, or a pair of Tensors."""
    if isinstance(data, DataLoader):
        return data
    if isinstance(data, (tuple, list)) and len(data) == 2:
        kinds = {isinstance(part, Tensor) for part in data}
        if kinds == {True}:
            data = TensorDataset(*data)
        elif True in kinds or all(isinstance(part, np.ndarray) for part in data):
            words = " and ".join(describe_value(part) for part in data)
            raise KindError(
                f"train(model, data): data is a pair of {words}\n"
                "  expected a pair of Tensors\n"
                "  make Tensors of them: lab.from_numpy(array), lab.tensor(list)"
            )
    stream = isinstance(data, IterableDataset)
    if not stream and not (hasattr(data, "__getitem__") and hasattr(data, "__len__")):
        raise KindError(
            f"train(model, data): data is {describe_value(data)}\n"
            "  expected a DataLoader, a Dataset, or a pair of Tensors (inputs, targets)"
        )
    if not stream and len(data) == 0:
        raise ArgumentError("train(model, data): data has no samples\n  expected at least 1")
    return DataLoader(data, batch_size=batch_size, shuffle=None if stream else shuffle)


def integer_target(batches: DataLoader) -> bool:
    """Whether the targets are whole numbers, so classes."""
    dataset: Any = batches.dataset
    tensors = getattr(dataset, "tensors", None)
    if tensors is not None and len(tensors) == 2:
        return tensors[1].array.dtype.kind in "iu"
    try:
        target = dataset[0][1]
    except (TypeError, IndexError, KeyError, NotImplementedError):  # the last: a stream
        return False
    array = target.array if isinstance(target, Tensor) else np.asarray(target)
    return bool(array.dtype.kind in "iu")


def make_optimizer(optimizer: Any, model: Module, lr: float | None) -> Optimizer:
    """The optimiser given, or Adam or SGD over the model's parameters."""
    if isinstance(optimizer, Optimizer):
        if lr is not None:
            for group in optimizer.param_groups:
                group["lr"] = lr
        return optimizer
    kinds: dict[Any, Callable[..., Optimizer]] = {None: Adam, "adam": Adam, "sgd": SGD}
    name = optimizer.lower() if isinstance(optimizer, str) else optimizer
    if name is not None and not isinstance(name, str):
        raise KindError(
            f"train: optimizer is {describe_value(optimizer)}\n"
            "  expected an optimiser such as optim.Adam(model.parameters()), 'adam' or 'sgd'"
        )
    if name not in kinds:
        raise ArgumentError(f"train: optimizer is {optimizer!r}\n  expected 'adam' or 'sgd'")
    parameters = list(model.parameters())
    if not parameters:
        raise ArgumentError(
            "train(model, data): model has no parameters\n  there is nothing to train"
        )
    default = 0.01 if name == "sgd" else 0.001
    return kinds[name](parameters, lr=default if lr is None else lr)
