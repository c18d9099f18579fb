"""What ``fit`` is given: arrays, or something that gives batches; several inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from operator import itemgetter
from typing import Any

import numpy as np

from ... import random
from ...errors import ArgumentError, KindError, LabError, describe
from ...tensor import Tensor, make
from .tree import leaves, mapped
from .variable import as_array

Triple = tuple[Any, Any, Any]  # examples, labels, how much each example counts


class DataKind(KindError, ArgumentError):
    """Data of a kind that is not taken; a ValueError in Keras."""


def unpack_x_y_sample_weight(data: Any) -> Triple:
    """Examples, labels and weights of a batch; None for what is not there.

    >>> unpack_x_y_sample_weight((1, 2))
    (1, 2, None)
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise DataKind(
            f"a batch has {len(data)} parts\n  expected x, (x, y) or (x, y, sample_weight)"
        )
    return (*data, None, None)[:3]


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """A batch as ``train_step`` gets it: x, ``(x, y)`` or ``(x, y, sample_weight)``."""
    if sample_weight is not None:
        return x, y, sample_weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, tuple | list) else x


def size_of(tree: Any) -> int:
    """How many examples."""
    return len(next(leaves(tree)))


def head(tree: Any, count: int) -> Any:
    """The first examples, as tensors."""
    return mapped(lambda a: None if a is None else make(a[:count]), tree)


class PyDataset:
    """Batches by number. A subclass writes ``__len__`` and ``__getitem__``."""

    def __init__(self, workers: int = 1, **unused: Any) -> None:
        """Nothing is kept: batches are asked for one by one."""

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}: define def __len__(self):")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: define def __getitem__(self, index):")

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def on_epoch_end(self) -> None:
        """Called when an epoch is over."""


def of(
    what: str,
    x: Any,
    y: Any = None,
    weight: Any = None,
    batch_size: int | None = None,
    steps: int | None = None,
    class_weight: Any = None,
) -> Arrays | Stream:
    """The data of a call, by what ``x`` is."""
    if class_weight is not None and weight is not None:
        raise ArgumentError(
            f"{what}(class_weight, sample_weight): got both\n  expected one of them: multiply the "
            "sample weights by those of the classes"
        )
    if _gives_batches(x):
        if y is not None or weight is not None:
            raise ArgumentError(
                f"{what}(x, y): x gives batches, and y was given, too\n"
                "  expected batches (x, y) or (x, y, sample_weight) from x alone"
            )
        if batch_size is not None:
            raise ArgumentError(
                f"{what}(batch_size): got {batch_size}, and x gives batches\n"
                "  expected None: x says how large they are"
            )
        return Stream(what, x, steps, class_weight)
    return Arrays(what, x, y, weight, batch_size, steps, class_weight)


def _gives_batches(x: Any) -> bool:
    if isinstance(x, Tensor | list | tuple | dict | str) or hasattr(x, "__array__"):
        return False
    return hasattr(x, "__next__") or hasattr(x, "__iter__") or isinstance(x, PyDataset)


def _weights_of(what: str, classes: Any, y: Any) -> Any:
    """How much each example counts by its class."""
    if not isinstance(classes, dict):
        raise ArgumentError(
            f"{what}(class_weight): got {describe(classes)}\n"
            "  expected a dict of class numbers: {0: 1.0, 1: 5.0}"
        )
    if isinstance(y, list | tuple | dict) or y is None:
        raise ArgumentError(
            f"{what}(class_weight): the model has several outputs, or no labels\n"
            "  expected one array of labels: use sample_weight"
        )
    y = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y), -1)[:, 0]
    known = np.ones(int(y.max(initial=0)) + 1, np.float32)
    for number, weight in classes.items():
        if 0 <= int(number) < len(known):
            known[int(number)] = weight
    return known[y.astype(np.int64)]


class Arrays:
    """Examples, labels and weights in arrays, and their batches."""

    def __init__(
        self,
        what: str,
        x: Any,
        y: Any = None,
        weight: Any = None,
        batch_size: int | None = None,
        steps: int | None = None,
        class_weight: Any = None,
    ) -> None:
        self.what, self.steps = what, steps
        self.x = self._arrays("x", x)
        self.y: Any = None if y is None else self._arrays("y", y)
        self.weight = None if weight is None else self._arrays("sample_weight", weight)
        if class_weight is not None:
            self.weight = _weights_of(what, class_weight, self.y)
        self._need_lengths()
        size = 32 if batch_size is None else batch_size
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise ArgumentError(f"{what}(batch_size): expected 1 or more, got {describe(size)}")
        self.size = int(size)

    def _need_lengths(self) -> None:
        """An error unless there are as many labels as examples."""
        first = next(leaves(self.x))
        self.count = len(first)
        named = [("x", self.x, "examples"), ("y", self.y, "labels"),
                 ("sample_weight", self.weight, "weights")]  # fmt: skip
        for name, tree, words in named:
            for array in leaves(tree):
                if array is None or len(array) == self.count:
                    continue
                width = max(len(name), 1)
                raise ArgumentError(
                    f"{self.what}(x, {name if name != 'x' else '...'}): their lengths differ\n"
                    f"  {'x':{width}}  {self.count:,} examples, {describe(first)}\n"
                    f"  {name:{width}}  {len(array):,} {words}, {describe(array)}\n"
                    f"  expected a {words[:-1]} for each example"
                )
        if not self.count:
            raise ArgumentError(f"{self.what}: got no examples, x is {describe(first)}")

    def _arrays(self, name: str, value: Any) -> Any:
        """One array, or several in their structure; a list of numbers is one array."""
        if isinstance(value, dict):
            return {key: self._arrays(f"{name}[{key!r}]", v) for key, v in value.items()}
        if isinstance(value, list | tuple) and value and all(map(_is_array, value)):
            kind = list if isinstance(value, list) else tuple
            return kind(self._arrays(f"{name}[{i}]", v) for i, v in enumerate(value))
        takes = isinstance(value, Tensor | list) or hasattr(value, "__array__")
        try:
            array = as_array(value) if takes else None
        except (LabError, ValueError) as error:
            raise DataKind(f"{self.what}({name}): {error}") from None
        if array is None or not array.ndim:
            raise DataKind(
                f"{self.what}({name}): got {describe(value)}\n"
                "  expected a NumPy array, a tensor or a list, with an entry for each example"
            )
        return array

    @property
    def form(self) -> Any:
        """Shapes and dtypes of an example, a label and a weight."""
        trees = (self.x, self.y, self.weight)
        flat = [tuple((a.shape[1:], str(a.dtype)) for a in leaves(t) if a is not None)
                for t in trees]  # fmt: skip
        return tuple(flat)

    def head(self, count: int) -> Triple:
        """The first examples, labels and weights, as tensors."""
        return head(self.x, count), head(self.y, count), head(self.weight, count)

    def split(self, share: float, batch_size: int | None) -> tuple[Arrays, Arrays]:
        """The first part, and the last ``share`` of the data."""
        if not 0 < share < 1:
            raise ArgumentError(
                f"{self.what}(validation_split): expected a share between 0 and 1, got {share!r}"
            )
        at = int(self.count * (1 - share))
        parts = []
        for rows, size in ((slice(at), self.size), (slice(at, None), batch_size or self.size)):
            cut = itemgetter(rows)
            x, y, weight = (
                None if t is None else mapped(cut, t) for t in (self.x, self.y, self.weight)
            )
            parts.append(Arrays(self.what, x, y, weight, size, self.steps))
        parts[1].steps = None
        return parts[0], parts[1]

    def __len__(self) -> int:
        every = -(-self.count // self.size)
        return every if self.steps is None else min(self.steps, every)

    def batches(self, shuffle: bool = False) -> Iterator[Any]:
        """Batches as ``train_step`` gets them."""
        order: Any = random.drawing().randperm(self.count) if shuffle else None
        x, y, weight, size = self.x, self.y, self.weight, self.size
        plain = weight is None and all(isinstance(a, np.ndarray) for a in (x, y))
        for start in range(0, len(self) * size, size):
            rows = slice(start, start + size)
            chosen = rows if order is None else order[rows]
            if plain:
                yield make(x[chosen]), make(y[chosen])
            else:
                taken = itemgetter(chosen)
                trees = [None if t is None else mapped(taken, t) for t in (x, y, weight)]
                yield pack_x_y_sample_weight(*(mapped(_tensor, t) for t in trees))

    def epoch_over(self) -> None:
        """Nothing is to be done."""


def _tensor(array: Any) -> Any:
    return None if array is None else make(array)


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor) or getattr(value, "ndim", 0) > 0


class Stream:
    """Something that gives batches: a ``tf.data.Dataset``, a generator, a ``PyDataset``."""

    def __init__(self, what: str, x: Any, steps: int | None, class_weight: Any) -> None:
        self.what, self.source, self.steps, self.class_weight = what, x, steps, class_weight
        self.running: Iterator[Any] | None = None
        self.first: Any = None
        self.forms: Any = None
        if steps is not None and (not isinstance(steps, int) or steps < 1):
            raise ArgumentError(f"{what}(steps): expected 1 or more, got {describe(steps)}")

    def _tensors(self, batch: Any) -> Any:
        x, y, weight = (
            None if part is None else mapped(as_array, part)
            for part in unpack_x_y_sample_weight(batch)
        )
        if self.class_weight is not None:
            weight = _weights_of(self.what, self.class_weight, y)
        parts = [None if p is None else mapped(make, p) for p in (x, y, weight)]
        return pack_x_y_sample_weight(*parts)

    def _peek(self) -> Any:
        """The first batch, which is given again."""
        if self.first is None:
            self.running = iter(self.source)
            found = next(self.running, None)
            if found is None:
                raise ArgumentError(f"{self.what}: got no examples, x gives no batch")
            self.first = self._tensors(found)
            self.running = chain([found], self.running)
        return self.first

    @property
    def form(self) -> Any:
        """Shapes and dtypes of an example, a label and a weight."""
        parts = unpack_x_y_sample_weight(self._peek())
        flat = [tuple((tuple(a.shape[1:]), a.dtype.name) for a in leaves(t) if a is not None)
                for t in parts]  # fmt: skip
        return tuple(flat)

    @property
    def size(self) -> int:
        """How many examples the first batch has."""
        return size_of(unpack_x_y_sample_weight(self._peek())[0])

    def head(self, count: int) -> Triple:
        """The first examples, labels and weights."""
        parts = unpack_x_y_sample_weight(self._peek())
        x, y, weight = (None if p is None else mapped(lambda a: a[:count], p) for p in parts)
        return x, y, weight

    @property
    def y(self) -> Any:
        """The labels of the first batch."""
        _, y, _ = unpack_x_y_sample_weight(self._peek())
        return y

    def __len__(self) -> int:
        """How many batches; 0 where it is not known."""
        if self.steps is not None:
            return self.steps
        try:
            return len(self.source)
        except (TypeError, ValueError):
            return 0

    def batches(self, shuffle: bool = False) -> Iterator[Any]:
        """Batches as ``train_step`` gets them; with ``steps`` the next so many."""
        if self.running is None:
            self.running = iter(self.source)
        try:
            yield from map(self._tensors, islice(self.running, self.steps))
        finally:
            if self.steps is None:
                self.running = None  # the next epoch begins anew

    def split(self, share: float, batch_size: int | None) -> Any:
        """Refused."""
        raise ArgumentError(
            f"{self.what}(validation_split): got {share!r}, and x gives batches\n"
            "  expected arrays to split, or validation_data=another_dataset"
        )

    def epoch_over(self) -> None:
        """Tell a ``PyDataset``."""
        if isinstance(self.source, PyDataset):
            self.source.on_epoch_end()
