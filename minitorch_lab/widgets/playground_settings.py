"""What a playground can be told: its settings, and what is wrong with a wrong one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import nn, optim
from ..errors import ArgumentError, KindError
from ..errors import describe as describe_value
from ..tensor import Tensor, from_numpy
from .playground_data import DATA, FEATURES
from .words import plural

LAYERS, UNITS, CLASSES = 6, 16, 6  # at most

ACTIVATIONS: dict[str, type[nn.Module] | None] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "linear": None,
}
OPTIMIZERS: dict[str, tuple[Callable[..., optim.Optimizer], dict[str, Any]]] = {
    "sgd": (optim.SGD, {}),
    "momentum": (optim.SGD, {"momentum": 0.9}),
    "rmsprop": (optim.RMSprop, {}),
    "adam": (optim.Adam, {}),
}
REGULARISERS = ("none", "l1", "l2")


@dataclass(frozen=True)
class Settings:
    """All that a trial depends on: the same settings give the same numbers."""

    data: str = "moons"
    noise: float = 0.2
    share: float = 0.5
    batch: int = 10
    features: tuple[str, ...] = ("x1", "x2")
    units: tuple[int, ...] = (6, 4)
    activation: str = "tanh"
    optimizer: str = "adam"
    lr: float = 0.01
    regulariser: str = "none"
    strength: float = 0.001
    seed: int = 0


def changed(settings: Settings, changes: dict[str, Any]) -> Settings:
    """``settings`` with ``changes``, each looked at first.

    Raises:
        KindError, ArgumentError: a name or a value that there is not; nothing is changed then.
    """
    known = {field.name for field in fields(Settings)}
    for name, value in changes.items():
        if name not in known:
            raise KindError(
                f"playground: there is no setting {name!r}\n  expected one of {_listed(known)}"
            )
        changes = {**changes, name: CHECKS[name](name, value)}
    return replace(settings, **changes)


def _refuse(name: str, value: Any, expected: str, *, kind: bool = False) -> Exception:
    text = f"playground({name}): {name} is {describe_value(value)}\n  expected {expected}"
    return KindError(text) if kind else ArgumentError(text)


def _listed(names: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(names) if isinstance(names, set) else names)


def _one_of(choices: Sequence[str]) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        word = isinstance(value, str)
        if not word or value not in choices:
            raise _refuse(name, value, f"one of {_listed(choices)}", kind=not word)
        return str(value)

    return check


def _number(low: float, high: float, words: str) -> Callable[[str, Any], float]:
    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
            raise _refuse(name, value, words, kind=True)
        if not low <= value <= high:  # nan is refused, too
            raise _refuse(name, value, words)
        return float(value)

    return check


def _whole(low: int, high: int, words: str) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise _refuse(name, value, words, kind=True)
        if not low <= value <= high:
            raise _refuse(name, value, words)
        return int(value)

    return check


def _features(name: str, value: Any) -> tuple[str, ...]:
    words = f"some of {_listed(tuple(FEATURES))}, at least one"
    if not isinstance(value, (list, tuple)):
        raise _refuse(name, value, words, kind=True)
    if not value or any(one not in FEATURES for one in value):
        raise ArgumentError(f"playground({name}): {name} is {list(value)}\n  expected {words}")
    return tuple(one for one in FEATURES if one in value)


def _units(name: str, value: Any) -> tuple[int, ...]:
    words = f"a list of at most {LAYERS} numbers of 1 to {UNITS}, for example [8, 8]"
    if not isinstance(value, (list, tuple)):
        raise _refuse(name, value, words, kind=True)
    good = all(isinstance(n, (int, np.integer)) and 1 <= n <= UNITS for n in value)
    if len(value) > LAYERS or not good:
        raise ArgumentError(f"playground({name}): {name} is {list(value)}\n  expected {words}")
    return tuple(int(n) for n in value)


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "data": _one_of([*DATA, "own"]),
    "noise": _number(0, 10, "a number of 0 to 10"),
    "share": _number(0.05, 1, "a number of 0.05 to 1"),
    "batch": _whole(1, 100_000, "a whole number of 1 or more"),
    "features": _features,
    "units": _units,
    "activation": _one_of([*ACTIVATIONS]),
    "optimizer": _one_of([*OPTIMIZERS]),
    "lr": _number(0, 1000, "a number of 0 to 1000"),
    "regulariser": _one_of(REGULARISERS),
    "strength": _number(0, 1000, "a number of 0 to 1000"),
    "seed": _whole(0, 2**32 - 1, "a whole number of 0 or more"),
}


def _given(value: Any, array: Any) -> Any:
    """What came, where it has a shape; of lists the array that was made of them."""
    return value if hasattr(value, "shape") else array


def arrays(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """The learner's own points ``(N, 2)`` and classes or numbers ``(N,)``, as tensors.

    Raises:
        KindError, ArgumentError: what is no pair of such arrays.
    """
    points, target = (_array(name, value) for name, value in (("x", x), ("y", y)))
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 4:
        raise _refuse("x", _given(x, points), "points of shape (N, 2), at least 4")
    if target.shape not in ((len(points),), (len(points), 1)):
        raise _refuse(
            "y", _given(y, target), f"one class number for each point: shape ({len(points)},)"
        )
    if not (np.isfinite(points).all() and np.isfinite(target).all()):
        raise ArgumentError("playground(x, y): nan or infinite\n  expected finite numbers")
    whole = bool((target == np.rint(target)).all())
    if not whole:
        numbers = target.reshape(-1, 1).astype(np.float32)
        return from_numpy(points.astype(np.float32)), from_numpy(numbers)
    if target.min() < 0 or target.max() >= CLASSES:
        raise ArgumentError(
            f"playground(y): class numbers from {target.min():g} to {target.max():g}\n"
            f"  expected 0, 1, ..., at most {CLASSES - 1}"
        )
    classes = target.reshape(-1).astype(np.int64)
    return from_numpy(points.astype(np.float32)), from_numpy(classes)


def _array(name: str, value: Any) -> npt.NDArray[np.float64]:
    value = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise _refuse(name, value, "an array or a list of numbers", kind=True) from None


def named(settings: Settings) -> str:
    """The settings in words: what every twin of the panel begins with.

    >>> named(Settings(units=(8,)))
    '2 features, 1 hidden layer (8), tanh'
    """
    hidden = plural(len(settings.units), "hidden layer").replace("0", "no")
    if settings.units:
        hidden += f" ({', '.join(map(str, settings.units))}), {settings.activation}"
    return f"{plural(len(settings.features), 'feature')}, {hidden}"
