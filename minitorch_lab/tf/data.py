"""``tf.data``: data sets as chains of steps, which run when somebody goes through them.

A data set is a recipe: each step knows how to go through the one before. Nothing is read, drawn or
computed until a loop asks for it, and each loop begins anew.
"""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from .. import creation
from ..errors import ArgumentError, KindError, ShapeError, describe
from ..tensor import Tensor as Plain
from ..tensor import make, no_grad
from .dtypes import as_dtype, int64
from .errors import InvalidArgumentError, OutOfRangeError, both, retells
from .function import TensorSpec
from .tensor import as_tensor, plainly, styled

AUTOTUNE = -1
INFINITE_CARDINALITY = -1
UNKNOWN_CARDINALITY = -2
F = Callable[..., Any]


def _map(f: F, *values: Any) -> Any:
    """``f`` of each part of one structure, or of several of the same form."""
    first = values[0]
    if isinstance(first, dict):
        return {k: _map(f, *(v[k] for v in values)) for k in first}
    if isinstance(first, tuple):
        items = [_map(f, *parts) for parts in zip(*values, strict=True)]
        return type(first)(*items) if hasattr(first, "_fields") else tuple(items)
    return f(*values)


def _parts(value: Any) -> list[Any]:
    found: list[Any] = []
    _map(found.append, value)
    return found


def _tensors(value: Any) -> Any:
    """An element: what is no tuple, dict or tensor becomes a tensor."""
    return _map(as_tensor, value)


def _array(x: Any) -> Any:
    return np.asarray(x.array if isinstance(x, Plain) else x)


def _call(f: F, element: Any) -> Any:
    """A function of an element: the parts of a tuple are arguments of their own."""
    with no_grad():
        return f(*element) if isinstance(element, tuple) else f(element)


class Dataset(Iterable[Any]):
    """Elements one after another: tensors, or tuples and dicts of them.

    >>> data = Dataset.range(5).map(lambda x: x * x).batch(2)
    >>> [x.tolist() for x in data]
    [[0, 1], [4, 9], [16]]
    >>> data.element_spec, len(data)
    (TensorSpec(shape=(None,), dtype=tf.int64, name=None), 3)
    """

    def __init__(
        self, go: Callable[[], Iterator[Any]], kind: str, count: int, spec: Any = None
    ) -> None:
        self._go, self._kind, self._count, self._spec = go, kind, count, spec

    # Sources -------------------------------------------------------------------------------

    @staticmethod
    @retells
    def from_tensor_slices(tensors: Any, name: str | None = None) -> Dataset:
        """An element for each entry of the first dimension, of all tensors in a tuple or a dict."""
        with plainly():
            whole = _tensors(tensors)
        arrays = _map(_array, whole)
        lengths: list[Any] = [a.shape[0] if a.ndim else None for a in _parts(arrays)]
        if None in lengths or len(set(lengths)) != 1:
            rows = "\n".join(f"  {x.spec}" for x in _parts(whole))
            raise both(ShapeError, ArgumentError)(
                f"from_tensor_slices(tensors): there is no common first dimension\n{rows}\n"
                "  expected as many entries in each"
            )
        n: int = lengths[0]

        def go() -> Iterator[Any]:
            return (_map(lambda a, i=i: _slice(a, i), arrays) for i in builtins.range(n))

        spec = _map(lambda a: TensorSpec(a.shape[1:], a.dtype), arrays)
        return Dataset(go, "TensorSlice", n, spec)

    @staticmethod
    @retells
    def from_tensors(tensors: Any, name: str | None = None) -> Dataset:
        """One element: the tensors themselves."""
        with plainly():
            whole = _tensors(tensors)
        return Dataset(lambda: iter([whole]), "Tensor", 1, _map(TensorSpec.from_tensor, whole))

    @staticmethod
    @retells
    def from_generator(
        generator: F, output_types: Any = None, output_shapes: Any = None, args: Any = (),
        output_signature: Any = None, name: str | None = None,
    ) -> Dataset:  # fmt: skip
        """What ``generator(*args)`` yields; ``output_signature`` says its form."""
        if not callable(generator):
            raise KindError(
                f"from_generator(generator): got {describe(generator)}\n"
                "  expected a function that gives an iterator, such as one with yield"
            )
        if output_signature is None and output_types is None:
            raise KindError(
                "from_generator(): the form of the elements is missing\n"
                "  expected output_signature=tf.TensorSpec(shape=(), dtype=tf.float32), "
                "or a tuple of them"
            )
        form = output_signature
        if form is None:
            kinds = tuple(output_types) if isinstance(output_types, list) else output_types
            form = _map(lambda t: TensorSpec((), t), kinds)
        whole = output_signature is not None

        def go() -> Iterator[Any]:
            for element in generator(*(x.numpy() if isinstance(x, Plain) else x for x in args)):
                found = tuple(element) if isinstance(element, list) and (
                    isinstance(form, tuple)) else element  # fmt: skip
                yield _map(lambda spec, x: _typed(spec, x, whole), form, found)

        return Dataset(go, "FlatMap", UNKNOWN_CARDINALITY, form if whole else None)

    @staticmethod
    @retells
    def range(*args: Any, output_type: Any = int64, name: str | None = None) -> Dataset:
        """Whole numbers, as Python's ``range`` counts them."""
        numbers = builtins.range(*builtins.map(int, args))
        kind = as_dtype(output_type)

        def go() -> Iterator[Any]:
            return (styled(make(np.asarray(n, kind.np))) for n in numbers)

        return Dataset(go, "Range", len(numbers), TensorSpec((), kind))

    @staticmethod
    def zip(*datasets: Any, name: str | None = None) -> Dataset:
        """Tuples of elements that stand at the same place; as many as the shortest has."""
        given = datasets[0] if len(datasets) == 1 and isinstance(datasets[0], tuple) else datasets
        counts = [d._count for d in given]
        finite = [n for n in counts if n != INFINITE_CARDINALITY]
        count = INFINITE_CARDINALITY if not finite else min(finite)
        spec = tuple(d.element_spec for d in given)
        return Dataset(lambda: builtins.zip(*given, strict=False), "Zip", count, spec)

    # Steps ---------------------------------------------------------------------------------

    def _then(self, go: Callable[[], Iterator[Any]], kind: str, count: Any = None,
              spec: Any = None) -> Dataset:  # fmt: skip
        count = self._count if count is None else count
        return Dataset(go, kind, count, self._spec if spec is None else spec)

    def map(
        self, map_func: F, num_parallel_calls: Any = None, deterministic: Any = None,
        name: str | None = None, **options: Any,
    ) -> Dataset:  # fmt: skip
        """A function of each element; the parts of a tuple are its arguments."""
        _need_function("map(map_func)", map_func)

        def go() -> Iterator[Any]:
            return (_tensors(_call(map_func, element)) for element in self)

        made = Dataset(go, "Map" if num_parallel_calls is None else "ParallelMap", self._count)
        made._form = lambda: _traced(map_func, self.element_spec)
        return made

    def filter(self, predicate: F, name: str | None = None) -> Dataset:
        """The elements for which a function gives True."""
        _need_function("filter(predicate)", predicate)
        return self._then(
            lambda: (e for e in self if bool(_call(predicate, e))), "Filter", UNKNOWN_CARDINALITY
        )

    def batch(
        self, batch_size: int, drop_remainder: bool = False, num_parallel_calls: Any = None,
        deterministic: Any = None, name: str | None = None,
    ) -> Dataset:  # fmt: skip
        """So many elements stacked; the last batch may have fewer, unless they are dropped."""
        size = _need_count("batch(batch_size)", batch_size, 1)

        def go() -> Iterator[Any]:
            elements = iter(self)
            while batch := [*itertools.islice(elements, size)]:
                if len(batch) == size or not drop_remainder:
                    yield _map(_stacked, *batch)

        count = self._count
        if count >= 0:
            count = count // size if drop_remainder else -(-count // size)
        made = Dataset(go, "Batch", count)
        first = size if drop_remainder else None
        made._form = lambda: _map(
            lambda s: TensorSpec((first, *s.shape), s.dtype), self.element_spec
        )
        return made

    def padded_batch(
        self, batch_size: int, padded_shapes: Any = None, padding_values: Any = None,
        drop_remainder: bool = False, name: str | None = None,
    ) -> Dataset:  # fmt: skip
        """Batches of elements of different sizes, with zeros behind the shorter ones."""
        size = _need_count("padded_batch(batch_size)", batch_size, 1)
        fill = 0 if padding_values is None else padding_values

        def go() -> Iterator[Any]:
            elements = iter(self)
            while batch := [*itertools.islice(elements, size)]:
                if len(batch) == size or not drop_remainder:
                    yield _map(lambda *xs: _padded(xs, fill), *batch)

        count = self._count if self._count < 0 else (
            self._count // size if drop_remainder else -(-self._count // size))  # fmt: skip
        made = Dataset(go, "PaddedBatch", count)
        made._form = lambda: _map(
            lambda s: TensorSpec((None, *s.shape), s.dtype), self.element_spec
        )
        return made

    def unbatch(self, name: str | None = None) -> Dataset:
        """The entries of the first dimension, one by one."""

        def go() -> Iterator[Any]:
            for element in self:
                n = len(_array(_parts(element)[0]))
                for i in builtins.range(n):
                    yield _map(lambda x, i=i: _slice(_array(x), i), element)

        return Dataset(go, "Unbatch", UNKNOWN_CARDINALITY)

    def shuffle(
        self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: Any = None,
        name: str | None = None,
    ) -> Dataset:  # fmt: skip
        """Elements in random order: each is drawn from a buffer of so many.

        Each loop has another order, unless ``reshuffle_each_iteration`` is False.
        """
        size = _need_count("shuffle(buffer_size)", buffer_size, 1)
        rounds = itertools.count()
        once: list[int] = []

        def go() -> Iterator[Any]:
            number = next(rounds) if reshuffle_each_iteration is not False else 0
            if seed is not None:
                start = [int(seed), number]
            elif reshuffle_each_iteration is False and once:
                start = once
            else:
                start = [int(creation.randint(0, 2**31 - 1, (1,)).item())]
                once[:] = start
            draw = np.random.default_rng(start)
            elements, held = iter(self), []
            for element in elements:
                held.append(element)
                if len(held) == size:
                    yield held.pop(_swapped(held, int(draw.integers(size))))
            while held:
                yield held.pop(_swapped(held, int(draw.integers(len(held)))))

        return self._then(go, "Shuffle")

    def repeat(self, count: int | None = None, name: str | None = None) -> Dataset:
        """The elements so often, each time anew; without a number for ever."""
        endless = count is None or count < 0
        n = INFINITE_CARDINALITY if endless and self._count else self._count
        n = n if endless or self._count < 0 else self._count * int(count or 0)

        def go() -> Iterator[Any]:
            for _ in itertools.count() if endless else builtins.range(int(count or 0)):
                some = False
                for element in self:
                    some = True
                    yield element
                if not some:
                    return

        return self._then(go, "Repeat", n)

    def take(self, count: int, name: str | None = None) -> Dataset:
        """The first so many elements; -1 takes all."""
        n = None if count < 0 else int(count)
        known = self._count
        many = known if n is None else n if known == INFINITE_CARDINALITY else min(n, known)
        return self._then(
            lambda: itertools.islice(iter(self), n), "Take", UNKNOWN_CARDINALITY
            if known == UNKNOWN_CARDINALITY else many,
        )  # fmt: skip

    def skip(self, count: int, name: str | None = None) -> Dataset:
        """All but the first so many elements."""
        n = self._count if self._count < 0 else max(self._count - int(count), 0)
        return self._then(lambda: itertools.islice(iter(self), int(count), None), "Skip", n)

    def shard(self, num_shards: int, index: int, name: str | None = None) -> Dataset:
        """Each ``num_shards``-th element, from ``index`` on."""
        n = self._count if self._count < 0 else len(builtins.range(index, self._count, num_shards))
        return self._then(lambda: itertools.islice(iter(self), index, None, num_shards), "Shard", n)

    def take_while(self, predicate: F, name: str | None = None) -> Dataset:
        """The elements up to the first one for which a function gives False."""
        return self._then(
            lambda: itertools.takewhile(lambda e: bool(_call(predicate, e)), self),
            "TakeWhile", UNKNOWN_CARDINALITY,
        )  # fmt: skip

    def cache(self, filename: str = "", name: str | None = None) -> Dataset:
        """The elements kept in memory from the first loop on that goes to the end."""
        kept: list[Any] = []

        def go() -> Iterator[Any]:
            if kept:
                yield from kept[0]
                return
            found = []
            for element in self:
                found.append(element)
                yield element
            kept[:] = [found]

        return self._then(go, "Cache")

    def prefetch(self, buffer_size: int, name: str | None = None) -> Dataset:
        """The same elements: here nothing is read ahead."""
        return self._then(lambda: iter(self), "Prefetch")

    def concatenate(self, dataset: Dataset, name: str | None = None) -> Dataset:
        """These elements and then those."""
        counts = (self._count, dataset._count)
        n = min(counts) if min(counts) < 0 else sum(counts)
        n = INFINITE_CARDINALITY if INFINITE_CARDINALITY in counts else n
        return self._then(lambda: itertools.chain(self, dataset), "Concatenate", n)

    def enumerate(self, start: int = 0, name: str | None = None) -> Dataset:
        """Pairs of a number and an element."""
        numbers = Dataset.range(start, 2**62)
        made = Dataset.zip(numbers, self)
        made._kind, made._count = "Enumerate", self._count
        return made

    def flat_map(self, map_func: F, name: str | None = None) -> Dataset:
        """The elements of the data sets that a function gives, one set after another."""
        _need_function("flat_map(map_func)", map_func)
        return Dataset(
            lambda: itertools.chain.from_iterable(_call(map_func, e) for e in self), "FlatMap",
            UNKNOWN_CARDINALITY,
        )  # fmt: skip

    def interleave(
        self, map_func: F, cycle_length: int | None = None, block_length: int = 1,
        num_parallel_calls: Any = None, deterministic: Any = None, name: str | None = None,
    ) -> Dataset:  # fmt: skip
        """The elements of several data sets in turn, ``block_length`` from each."""
        _need_function("interleave(map_func)", map_func)
        width = 1 if cycle_length is None else _need_count("interleave(cycle_length)",
                                                           cycle_length, 1)  # fmt: skip

        def go() -> Iterator[Any]:
            sources = (iter(_call(map_func, e)) for e in self)
            open_: list[Any] = [*itertools.islice(sources, width)]
            at = 0
            while open_:
                at %= len(open_)
                block = [*itertools.islice(open_[at], block_length)]
                yield from block
                if len(block) == block_length:
                    at += 1
                    continue
                following = next(sources, None)
                if following is None:
                    del open_[at]
                else:
                    open_[at] = following
                    at += 1

        return Dataset(go, "Interleave", UNKNOWN_CARDINALITY)

    def apply(self, transformation_func: F) -> Dataset:
        """What a function makes of the data set."""
        found: Dataset = transformation_func(self)
        return found

    def with_options(self, options: Any, name: str | None = None) -> Dataset:
        """The same data set: options have no effect."""
        return self

    # Going through -------------------------------------------------------------------------

    def __iter__(self) -> DatasetIterator:
        return DatasetIterator(self._go())

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The elements as arrays and numbers of NumPy."""
        return (_map(lambda x: x.numpy(), element) for element in self)

    def reduce(self, initial_state: Any, reduce_func: F, name: str | None = None) -> Any:
        """``state = reduce_func(state, element)`` for all elements; the last state."""
        state = _tensors(initial_state)
        for element in self:
            state = _tensors(reduce_func(state, element))
        return state

    def get_single_element(self, name: str | None = None) -> Any:
        """The element of a data set that has one."""
        found = [*itertools.islice(iter(self), 2)]
        if len(found) != 1:
            raise both(InvalidArgumentError, ArgumentError)(
                f"get_single_element(): there {'is none' if not found else 'are several'}\n"
                "  expected one element"
            )
        return found[0]

    def cardinality(self) -> Any:
        """How many elements: -1 for no end, -2 where it is not known."""
        return styled(make(np.asarray(self._count, np.int64)))

    def __len__(self) -> int:
        if self._count < 0:
            words = "it has no end" if self._count == -1 else "its length is not known"
            raise KindError(
                f"len(dataset): {words}\n  expected a data set without repeat(), "
                "filter() and from_generator()\n  dataset.take(n) has n elements at most"
            )
        return self._count

    def __bool__(self) -> bool:
        return True

    _form: Callable[[], Any] | None = None

    @property
    def element_spec(self) -> Any:
        """Shapes and dtypes of an element; None is a size that may change."""
        if self._spec is None:
            found = None if self._form is None else self._form()
            if found is None:
                first = next(iter(self), None)
                found = None if first is None else _map(TensorSpec.from_tensor, first)
            self._spec = found
        return self._spec

    def __repr__(self) -> str:
        return f"<_{self._kind}Dataset element_spec={self.element_spec!r}>"


class DatasetIterator(Iterator[Any]):
    """One way through a data set."""

    def __init__(self, elements: Iterator[Any]) -> None:
        self._elements = elements

    def __next__(self) -> Any:
        return next(self._elements)

    def get_next(self) -> Any:
        """The next element; OutOfRangeError at the end."""
        for element in self._elements:
            return element
        raise OutOfRangeError("get_next(): the data set is at its end\n  begin anew: iter(dataset)")


def _slice(array: Any, i: int) -> Any:
    return styled(make(np.asarray(array[i])))


def _typed(spec: TensorSpec, x: Any, whole: bool) -> Any:
    made = as_tensor(np.asarray(x, spec.dtype.np) if not isinstance(x, Plain) else x, spec.dtype)
    if whole and not spec.shape.is_compatible_with(made.shape):
        raise _WrongForm(
            f"from_generator: an element has another form\n  got       {made.spec}\n"
            f"  expected  {spec!r}\n  None in the shape takes every size"
        )
    return made


class _WrongForm(ShapeError, KindError):
    """An element that is not as the signature says: a TypeError in TensorFlow."""


@retells
def _stacked(*xs: Any) -> Any:
    arrays = [_array(x) for x in xs]
    if len({a.shape for a in arrays}) > 1:
        other = next(a for a in arrays if a.shape != arrays[0].shape)
        raise ShapeError(
            "batch(): the elements have different shapes\n"
            f"  first    {arrays[0].shape}\n  another  {other.shape}\n"
            "  expected one shape\n  padded_batch fills the shorter ones up"
        )
    return styled(make(np.stack(arrays)))


def _padded(xs: Any, fill: Any) -> Any:
    arrays = [_array(x) for x in xs]
    shape = np.max([a.shape for a in arrays], axis=0)
    out = np.full((len(arrays), *shape), fill, arrays[0].dtype)
    for row, a in zip(out, arrays, strict=True):
        row[tuple(slice(n) for n in a.shape)] = a
    return styled(make(out))


def _swapped(held: list[Any], i: int) -> int:
    """Bring an entry to the end, from where taking it away costs nothing."""
    held[i], held[-1] = held[-1], held[i]
    return -1


def _traced(f: F, spec: Any) -> Any:
    """The form of what a function gives; None where only its first element can tell."""
    if spec is None:
        return None
    forms = []
    try:
        for size in (2, 3):
            element = _map(lambda s, size=size: s.example(size), spec)
            forms.append(_map(TensorSpec.from_tensor, _tensors(_call(f, element))))
        return _map(_common, *forms)
    except Exception:  # noqa: BLE001  a function that takes no zeros
        return None


def _common(a: TensorSpec, b: TensorSpec) -> TensorSpec:
    pairs = zip(a.shape, b.shape, strict=True)
    return TensorSpec([n if n == m else None for n, m in pairs], a.dtype)


def _need_function(what: str, f: Any) -> None:
    if not callable(f):
        raise KindError(f"{what}: got {describe(f)}\n  expected a function of an element")


def _need_count(what: str, n: Any, least: int) -> int:
    if isinstance(n, Plain | np.integer):
        n = int(n)
    if isinstance(n, bool) or not isinstance(n, int):
        raise KindError(f"{what}: got {describe(n)}\n  expected a whole number")
    if n < least:
        raise both(InvalidArgumentError, ArgumentError)(
            f"{what}: got {n}\n  expected {least} or more"
        )
    return n


class Options:
    """Settings of a data set, which have no effect here."""


class experimental:
    """Older names."""

    AUTOTUNE = AUTOTUNE
    INFINITE_CARDINALITY = INFINITE_CARDINALITY
    UNKNOWN_CARDINALITY = UNKNOWN_CARDINALITY

    @staticmethod
    def cardinality(dataset: Dataset) -> Any:
        """How many elements."""
        return dataset.cardinality()


__all__ = [
    "AUTOTUNE", "INFINITE_CARDINALITY", "UNKNOWN_CARDINALITY", "Dataset", "DatasetIterator",
    "Options", "experimental",
]  # fmt: skip
