"""The loader: a dataset, read in some order, in batches."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from functools import partial
from itertools import count, islice, repeat
from typing import Any

from ...errors import ArgumentError, KindError, describe
from ...random import Generator, default_generator
from ...tensor import Tensor
from .collate import default_collate, default_convert
from .dataset import IterableDataset, Subset, TensorDataset, size_of
from .sampler import BatchSampler, RandomSampler, SequentialSampler, checked, positive

CALL = "DataLoader(dataset)"
FIXED = ("dataset", "batch_size", "sampler", "batch_sampler", "drop_last")


class DataLoader:
    """Read a dataset in batches, in order or shuffled anew in each pass.

    The arguments are PyTorch's, and so is the order for the same seed.

    - ``dataset``: anything with ``__getitem__`` and ``__len__`` (also a list), or an
      IterableDataset.
    - ``batch_size``: None gives single samples.
    - ``sampler``, ``batch_sampler``: an order of your own, of indices or of lists of indices.
    - ``num_workers``: threads that get batches ahead of time. They share the dataset (PyTorch
      starts processes, each with a copy), so they help where NumPy, decompression or files do the
      work, and ``get_worker_info()`` is always None. The batches come in the same order. Random
      numbers that the dataset draws itself come in no fixed order with two or more.
    - ``collate_fn``: makes a batch from a list of samples.
    - ``generator``: shuffles; without it the default generator does.
    - ``timeout``: seconds to wait for a batch of a worker, 0 for no limit.
    - ``worker_init_fn``: called with 0, 1, ... as each worker starts.
    - ``pin_memory``: batches lie in memory that a GPU reads by itself, where there is one.
    - ``multiprocessing_context``, ``persistent_workers``, ``in_order`` are taken for PyTorch's sake
      and change nothing.

    A batch of a TensorDataset (or of a Subset of one) is a list of tensors ``(batch_size, ...)``;
    it is made with one copy, without touching single samples.

    Raises ArgumentError for a wrong ``batch_size`` or arguments that exclude each other, KindError
    for arguments of a wrong type.

    >>> loader = DataLoader(range(5), batch_size=2)
    >>> len(loader), list(loader)
    (3, [tensor([0, 1]), tensor([2, 3]), tensor([4])])
    """

    _ready = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Sequence[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        stream = isinstance(dataset, IterableDataset)
        if not stream and not hasattr(dataset, "__getitem__"):
            raise KindError(
                f"{CALL}: this is no dataset\n  got {describe(dataset)}\n"
                f"  expected a dataset with __getitem__, such as TensorDataset(x, y), or an "
                f"IterableDataset"
            )
        if isinstance(batch_size, bool):
            raise KindError(
                f"{CALL}: got batch_size = {batch_size}\n  expected an int of 1 or more; "
                f"the argument after it is shuffle: DataLoader(data, 32, True)"
            )
        if shuffle is not None and not isinstance(shuffle, bool):
            raise KindError(f"{CALL}: got shuffle = {describe(shuffle)}\n  expected True or False")
        if stream:
            for name, value in (
                ("shuffle", shuffle or None),
                ("sampler", sampler),
                ("batch_sampler", batch_sampler),
            ):
                if value is not None:
                    raise ArgumentError(
                        f"{CALL}: an IterableDataset is read in its own order\n"
                        f"  got {name} = {describe(value)}\n  expected no {name}"
                    )
        if sampler is not None and shuffle:
            raise ArgumentError(
                f"{CALL}: shuffle=True and a sampler both set the order\n"
                f"  expected one of them: leave out shuffle, or the sampler"
            )
        if batch_sampler is not None:
            if (batch_size, shuffle or False, sampler, drop_last) != (1, False, None, False):
                raise ArgumentError(
                    f"{CALL}: a batch_sampler sets the batches\n"
                    f"  expected no batch_size, shuffle, sampler or drop_last beside it"
                )
            batch_size = None
        elif batch_size is None:
            if drop_last:
                raise ArgumentError(
                    f"{CALL}: without batches (batch_size=None) none can be dropped"
                )
        else:
            batch_size = positive(CALL, "batch_size", batch_size)

        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.generator = checked(CALL, generator)
        self.num_workers = _workers(num_workers)
        if prefetch_factor is not None and not self.num_workers:
            raise ArgumentError(f"{CALL}: prefetch_factor needs num_workers of 1 or more")
        ahead = 2 if prefetch_factor is None else positive(CALL, "prefetch_factor", prefetch_factor)
        self.prefetch_factor = ahead if self.num_workers else None
        if timeout < 0:
            raise ArgumentError(f"{CALL}: got timeout = {timeout}\n  expected seconds, 0 or more")
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.pin_memory = pin_memory

        if sampler is None:
            if stream:
                sampler = repeat(None)
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            elif batch_sampler is None:
                size_of(dataset, CALL)
                sampler = SequentialSampler(dataset)
        self.sampler = sampler
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler or (), batch_size, drop_last)
        self.batch_sampler = batch_sampler
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn
        self._ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._ready and name in FIXED:
            raise ArgumentError(
                f"DataLoader: {name} cannot be changed\n  make another DataLoader instead"
            )
        super().__setattr__(name, value)

    def __len__(self) -> int:
        """The number of batches in one pass."""
        if isinstance(self.dataset, IterableDataset):
            size = size_of(self.dataset, "len(DataLoader)")
            if self.batch_size is None:
                return size
            whole, rest = divmod(size, self.batch_size)
            return whole if self.drop_last or not rest else whole + 1
        order = self.sampler if self.batch_sampler is None else self.batch_sampler
        return size_of(order, "len(DataLoader)")

    def __iter__(self) -> Iterator[Any]:
        """Start a pass."""
        return self.rest(0, 0)

    def rest(self, batches: int, samples: int) -> Iterator[Any]:
        """A pass without its first ``batches`` batches of ``samples`` samples in all.

        Only a stream reads them again. Batches of this class's own making are counted by their
        samples, as their size may have changed since.
        """
        order = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]
        # PyTorch draws a seed for its workers here, also where there are none. The order of a
        # later shuffle hangs on it.
        (default_generator if self.generator is None else self.generator).random_int64()
        jobs: Iterator[Callable[[], Any]]
        if isinstance(self.dataset, IterableDataset):
            stream = self._read(iter(self.dataset))
            deque(islice(stream, batches), maxlen=0)
            jobs = repeat(partial(next, stream, _END))
        else:
            if isinstance(self.batch_sampler, BatchSampler) and samples:
                size, self.batch_sampler.batch_size = self.batch_sampler.batch_size, samples
                next(order)
                self.batch_sampler.batch_size = size
            else:
                deque(islice(order, batches), maxlen=0)
            jobs = (partial(self._fetch, wanted) for wanted in order)
        read = self._ahead(jobs) if self.num_workers else _run(jobs)
        return map(_pinned, read) if self.pin_memory else read

    def _fetch(self, wanted: Any) -> Any:
        """The batch of these indices, or the one sample of this index."""
        dataset = self.dataset
        if self.batch_sampler is None:
            return self.collate_fn(dataset[wanted])
        while getattr(type(dataset), "__getitem__", None) is Subset.__getitem__:
            wanted, dataset = [dataset.inner(index) for index in wanted], dataset.dataset
        if (
            self.collate_fn is default_collate
            and getattr(type(dataset), "__getitem__", None) is TensorDataset.__getitem__
        ):
            return dataset.rows(wanted)
        many = getattr(dataset, "__getitems__", None)
        return self.collate_fn(many(wanted) if many else [_sample(dataset, i) for i in wanted])

    def _read(self, samples: Iterator[Any]) -> Iterator[Any]:
        """The batches of a stream."""
        if self.batch_size is None:
            yield from map(self.collate_fn, samples)
            return
        while batch := list(islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)

    def _ahead(self, jobs: Iterator[Callable[[], Any]]) -> Iterator[Any]:
        """The batches in order, while threads get the next ones."""
        # Imported here, with logging behind it: few loaders have workers.
        from concurrent.futures import Future, ThreadPoolExecutor
        from concurrent.futures import TimeoutError as FutureTimeout

        # a stream has one end to read from, so one thread reads it
        threads = 1 if isinstance(self.dataset, IterableDataset) else self.num_workers
        numbers, start = count(), self.worker_init_fn
        pool = ThreadPoolExecutor(
            threads, "DataLoader", initializer=lambda: start(next(numbers)) if start else None
        )
        waiting: deque[Future[Any]] = deque()
        try:
            while True:
                for job in islice(jobs, threads * (self.prefetch_factor or 1) - len(waiting)):
                    # in the caller's context, so that no_grad() and modes hold there too
                    waiting.append(pool.submit(copy_context().run, job))
                if not waiting:
                    return
                try:
                    batch = waiting.popleft().result(self.timeout or None)
                except FutureTimeout:
                    raise TimeoutError(
                        f"DataLoader: no batch came within timeout = {self.timeout} seconds"
                    ) from None
                if batch is _END:
                    return
                yield batch
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_END = object()  # what a stream gives when it has no more batches


def _pinned(batch: Any) -> Any:
    """A batch with its tensors in memory that a GPU reads by itself."""
    if isinstance(batch, Tensor):
        return batch if batch.is_cuda else batch.pin_memory()
    if isinstance(batch, dict):
        return {k: _pinned(v) for k, v in batch.items()}
    if isinstance(batch, (list, tuple)):
        parts = [_pinned(v) for v in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch


def _sample(dataset: Any, index: Any) -> Any:
    """``dataset[index]``; an error in it is told which sample was asked for."""
    try:
        return dataset[index]
    except Exception as error:
        size = f" of {len(dataset)}" if hasattr(dataset, "__len__") else ""
        error.add_note(f"DataLoader asked {type(dataset).__name__} for sample {index}{size}")
        raise


def _run(jobs: Iterator[Callable[[], Any]]) -> Iterator[Any]:
    for job in jobs:
        batch = job()
        if batch is _END:
            return
        yield batch


def get_worker_info() -> None:
    """None, always: workers are threads and share one dataset, so there is nothing to divide.

    >>> get_worker_info() is None
    True
    """


def _workers(number: Any) -> int:
    try:
        workers = operator.index(number)
    except TypeError:
        workers = -1
    if workers < 0 or isinstance(number, bool):
        raise ArgumentError(
            f"{CALL}: got num_workers = {describe(number)}\n  expected an int, 0 for no threads"
        )
    return workers
