"""Datasets, samplers and the loader: PyTorch's order, recorded and, where installed, live."""

import threading
import zlib
from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from oracle import digest

from minitorch_lab import random
from minitorch_lab.errors import ArgumentError, IndexingError, KindError, ShapeError
from minitorch_lab.random import Generator
from minitorch_lab.tensor import Tensor, no_grad, tensor
from minitorch_lab.utils import data
from minitorch_lab.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)


def numbers(n: int = 10) -> TensorDataset:
    return TensorDataset(tensor(np.arange(n)))


def firsts(loader: Any) -> list[list[int]]:
    return [batch[0].tolist() for batch in loader]


class Stream(IterableDataset[int]):
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.n))

    def __len__(self) -> int:
        return self.n


class Squares(Dataset[int]):
    """A dataset as a learner writes it."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if not 0 <= index < 7:
            raise IndexError(index)
        return tensor([float(index), float(index * index)]), index


# --- the order, recorded from PyTorch 2.13 ---


def test_recorded_order_of_three_passes() -> None:
    random.manual_seed(42)
    loader = DataLoader(numbers(), 4, shuffle=True)
    assert firsts(loader) == [[8, 0, 9, 1], [4, 5, 6, 3], [2, 7]]
    assert firsts(loader) == [[4, 6, 9, 3], [7, 5, 2, 0], [1, 8]]
    assert random.default_generator.uniform(1).item() == 0.9407714605331421
    assert firsts(loader) == [[9, 2, 4, 0], [1, 6, 5, 8], [3, 7]]


def test_recorded_order_with_a_generator() -> None:
    g = Generator().manual_seed(7)
    loader = DataLoader(numbers(), 4, shuffle=True, generator=g, drop_last=True)
    assert firsts(loader) == [[1, 3, 5, 7], [9, 4, 6, 2]]
    assert firsts(loader) == [[5, 1, 6, 0], [9, 7, 8, 4]]


def test_recorded_draw_of_a_pass_in_order() -> None:
    random.manual_seed(42)
    assert firsts(DataLoader(numbers(), 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert random.default_generator.uniform(1).item() == 0.38286375999450684


def test_recorded_splits_and_samplers() -> None:
    random.manual_seed(42)
    parts = random_split(numbers(), [7, 3])
    assert [part.indices for part in parts] == [[2, 6, 1, 8, 4, 5, 0], [9, 3, 7]]
    parts = random_split(numbers(), [0.5, 0.25, 0.25])
    assert [part.indices for part in parts] == [[3, 5, 8, 9, 4, 6], [1, 0], [7, 2]]
    random.manual_seed(42)
    drawn = list(RandomSampler(range(10), replacement=True, num_samples=40))
    assert drawn[:10] == [4, 8, 8, 6, 4, 2, 0, 3, 3, 8]
    assert drawn[-8:] == [8, 9, 5, 8, 3, 9, 9, 4]
    more = list(RandomSampler(range(10), num_samples=13))
    assert more == [8, 0, 9, 1, 4, 5, 6, 3, 2, 7, 9, 0, 1]
    assert list(SubsetRandomSampler([3, 1, 4, 1, 5])) == [1, 5, 1, 4, 3]
    assert list(WeightedRandomSampler([0.1, 0.2, 0.7], 6)) == [2, 2, 2, 2, 0, 1]
    assert list(WeightedRandomSampler([0.1, 0.2, 0.7], 3, replacement=False)) == [0, 1, 2]


# --- the order, against PyTorch ---


X = np.random.RandomState(0).rand(53, 5).astype(np.float32)
Y = np.arange(53)

LOADERS: dict[str, Any] = {
    "in order": lambda lib, d, g: {"batch_size": 8},
    "shuffled": lambda lib, d, g: {"batch_size": 8, "shuffle": True},
    "drop_last": lambda lib, d, g: {"batch_size": 8, "shuffle": True, "drop_last": True},
    "one batch": lambda lib, d, g: {"batch_size": 53, "shuffle": True},
    "batch larger than data": lambda lib, d, g: {"batch_size": 99, "shuffle": True},
    "batch of one": lambda lib, d, g: {"shuffle": True},
    "no batches": lambda lib, d, g: {"batch_size": None, "shuffle": True},
    "generator": lambda lib, d, g: {"batch_size": 8, "shuffle": True, "generator": g},
    "generator in order": lambda lib, d, g: {"batch_size": 8, "generator": g},
    "replacement": lambda lib, d, g: {"sampler": lib.RandomSampler(d, True, 70)},
    "twice": lambda lib, d, g: {"sampler": lib.RandomSampler(d, num_samples=120)},
    "sampler generator": lambda lib, d, g: {"sampler": lib.RandomSampler(d, generator=g)},
    "subset": lambda lib, d, g: {"batch_size": 3, "sampler": lib.SubsetRandomSampler([4, 6, 8, 9])},
    "weighted": lambda lib, d, g: {"sampler": lib.WeightedRandomSampler(Y.tolist(), 64)},
    "weights as rates": lambda lib, d, g: {
        "sampler": lib.WeightedRandomSampler((Y + 1.0).tolist(), 30, replacement=False)
    },
    "batch sampler": lambda lib, d, g: {
        "batch_sampler": lib.BatchSampler(lib.RandomSampler(d), 9, True)
    },
    "list of batches": lambda lib, d, g: {"batch_sampler": [[1, 2], [5, 4, 3]]},
}


def _passes(loader: Any, uniform: Any, normal: Any) -> list[Any]:
    """Three passes, one more of each broken off, with other draws between and inside them."""

    def sign(*arrays: Any) -> int:
        return zlib.crc32("".join(map(digest, arrays)).encode())

    found: list[Any] = [len(loader)]
    for _ in range(3):
        batches = list(loader)
        found.append([y.tolist() for _, y in batches])
        found.append(sign(*(member for batch in batches for member in batch), uniform(2)))
        for step, (x, y) in enumerate(loader):
            found.append([y.tolist(), sign(x, y, normal(3))])
            if step == 2:
                break
    return found


@pytest.mark.parametrize("arguments", LOADERS.values(), ids=LOADERS.keys())
@pytest.mark.parametrize("part", ["all", "split", "concat"])
def test_the_order_equals_pytorch(oracle: Any, arguments: Any, part: str) -> None:
    def theirs(torch: Any) -> Any:
        lib = torch.utils.data
        b: Any = lib.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
        torch.manual_seed(42)
        if part == "split":
            b = lib.random_split(b + b, [0.5, 0.5])[0]
        loader = lib.DataLoader(b, **arguments(lib, b, torch.Generator().manual_seed(5)))
        return _passes(loader, torch.rand, torch.randn), digest(torch.get_rng_state())

    a: Any = TensorDataset(tensor(X), tensor(Y))
    random.manual_seed(42)
    if part == "split":
        a = random_split(a + a, [0.5, 0.5])[0]
    if part == "concat":
        a = ConcatDataset([Subset(a, range(20)), Subset(a, range(20, 53))])
    loader = DataLoader(a, **arguments(data, a, Generator().manual_seed(5)))
    here = random.default_generator
    expected, state = oracle(theirs)
    assert _passes(loader, here.uniform, here.normal) == expected
    assert digest(random.get_rng_state()) == state


# --- batches ---


def test_a_batch_in_one_copy_is_the_batch_of_its_samples() -> None:
    rows = TensorDataset(tensor(X), tensor(Y), tensor(X > 0.5))
    inner = Subset(Subset(rows, range(5, 50)), [3, 1, 44, -1])
    for dataset, order in ((rows, [4, 0, 4, -1]), (inner, [2, 0])):
        (fast,) = DataLoader(dataset, batch_sampler=[order])
        slow = default_collate([dataset[i] for i in order])
        assert len(fast) == len(slow) == 3
        for one, other in zip(fast, slow, strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
            assert one.tolist() == other.tolist()


def test_a_batch_is_a_copy() -> None:
    x = tensor(X)
    (batch,) = DataLoader(TensorDataset(x), batch_size=53)
    batch[0].array[:] = 0
    assert x.array.tolist() == X.tolist()


def test_gradients_reach_the_data() -> None:
    x = tensor([[1.0], [2.0], [3.0]], requires_grad=True)
    for (batch,) in DataLoader(TensorDataset(x), batch_size=2):
        (batch * batch).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[2], [4], [6]]


def test_a_subclass_that_changes_samples_is_asked_for_each() -> None:
    class Doubled(TensorDataset):
        def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
            return tuple(item * 2 for item in super().__getitem__(index))

    assert firsts(DataLoader(Doubled(tensor([1.0, 2.0])), 2)) == [[2, 4]]

    class Odd(Subset[Any]):
        def __getitem__(self, index: Any) -> Any:
            return -super().__getitem__(index)[0]

    (batch,) = DataLoader(Odd(numbers(), [3, 4]), 2)
    assert batch.tolist() == [-3, -4]


def test_a_dataset_of_ones_own() -> None:
    loader = DataLoader(Squares(), batch_size=3)
    assert len(loader) == 3
    shapes = [(tuple(x.shape), y.tolist()) for x, y in loader]
    assert shapes == [((3, 2), [0, 1, 2]), ((3, 2), [3, 4, 5]), ((1, 2), [6])]
    assert [y for _, y in Squares()] == list(range(7))  # a plain for loop ends, too
    assert len(DataLoader(Squares(), batch_size=3, drop_last=True)) == 2


def test_getitems_is_asked_once_for_a_batch() -> None:
    asked: list[list[int]] = []

    class Many(Squares):
        def __getitems__(self, indices: list[int]) -> list[Any]:
            asked.append(indices)
            return indices

    assert [batch.tolist() for batch in DataLoader(Many(), 4)] == [[0, 1, 2, 3], [4, 5, 6]]
    assert asked == [[0, 1, 2, 3], [4, 5, 6]]


def test_collate_fn_gets_the_samples() -> None:
    loader = DataLoader(numbers(3), batch_size=2, collate_fn=len)
    assert list(loader) == [2, 1]


Point = namedtuple("Point", ["x", "y"])


def test_collate() -> None:
    assert default_collate([1.5, 2.5]).dtype.name == "float64"
    assert default_collate([1, 2]).dtype.name == "int64"
    assert default_collate([True, False]).dtype.name == "bool"
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([np.float32(1), np.float32(2)]).dtype.name == "float32"
    assert tuple(default_collate([np.ones((2, 3)), np.zeros((2, 3))]).shape) == (2, 2, 3)
    point = default_collate([Point(1, "a"), Point(2, "b")])
    assert (point.x.tolist(), point.y) == ([1, 2], ("a", "b"))
    nested = default_collate([{"k": [1, {"z": tensor([1.0])}]}, {"k": [2, {"z": tensor([3.0])}]}])
    assert nested["k"][0].tolist() == [1, 2]
    assert nested["k"][1]["z"].tolist() == [[1], [3]]


def test_streams() -> None:
    loader = DataLoader(Stream(7), batch_size=3)
    assert len(loader) == 3
    for _ in range(2):
        assert [batch.tolist() for batch in loader] == [[0, 1, 2], [3, 4, 5], [6]]
    dropped = DataLoader(Stream(7), batch_size=3, drop_last=True)
    assert [batch.tolist() for batch in dropped] == [[0, 1, 2], [3, 4, 5]]
    assert len(dropped) == 2
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]
    both = Stream(2) + Stream(3)
    assert [batch.tolist() for batch in DataLoader(both, batch_size=4)] == [[0, 1, 0, 1], [2]]
    assert len(both) == 5  # type: ignore[arg-type]


# --- threads ---


@pytest.mark.parametrize("arguments", [{"shuffle": True}, {}, {"drop_last": True}])
@pytest.mark.parametrize("workers", [1, 3])
def test_threads_give_the_same_batches(arguments: Any, workers: int) -> None:
    def passes(**more: Any) -> list[Any]:
        random.manual_seed(1)
        loader = DataLoader(numbers(29), 4, **arguments, **more)
        return [firsts(loader), firsts(loader)]

    assert passes(num_workers=workers) == passes()
    stream = DataLoader(Stream(29), 4, num_workers=workers, drop_last=True)
    expected = DataLoader(Stream(29), 4, drop_last=True)
    assert [b.tolist() for b in stream] == [b.tolist() for b in expected]


def test_threads_work_ahead_but_not_without_end() -> None:
    asked: list[int] = []

    class Slow(Squares):
        def __getitem__(self, index: int) -> int:  # type: ignore[override]
            asked.append(index)
            return index

        def __len__(self) -> int:
            return 1000

    batches = iter(DataLoader(Slow(), num_workers=2, prefetch_factor=3))
    next(batches)
    assert len(asked) <= 2 * 3 + 1
    batches.close()  # type: ignore[attr-defined]
    assert len(asked) <= 2 * 3 + 1


def test_workers_start_and_see_the_callers_context() -> None:
    started: list[int] = []

    class Needs(Squares):
        def __getitem__(self, index: int) -> bool:  # type: ignore[override]
            return (tensor(1.0, requires_grad=True) * 2).requires_grad

    loader = DataLoader(Needs(), 7, num_workers=1, worker_init_fn=started.append)
    assert next(iter(loader)).tolist() == [True] * 7
    with no_grad():
        assert next(iter(loader)).tolist() == [False] * 7
    assert started == [0, 0]
    assert data.get_worker_info() is None  # type: ignore[func-returns-value]


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    class Broken(Squares):
        def __getitem__(self, index: int) -> Any:
            if index == 5:
                raise ZeroDivisionError("sample 5")
            return index

    batches = iter(DataLoader(Broken(), 2, num_workers=2))
    assert [next(batches).tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(ZeroDivisionError, match="sample 5"):
        next(batches)


def test_a_slow_worker_runs_out_of_time() -> None:
    release = threading.Event()

    class Stuck(Squares):
        def __getitem__(self, index: int) -> int:  # type: ignore[override]
            release.wait(20)
            return index

    with pytest.raises(TimeoutError, match=r"timeout = 0\.05 seconds"):
        next(iter(DataLoader(Stuck(), num_workers=1, timeout=0.05)))
    release.set()


# --- datasets ---


def test_concat_and_subset() -> None:
    both = numbers(3) + numbers(2)
    assert len(both) == 5  # type: ignore[arg-type]
    assert [both[i][0].item() for i in (0, 2, 3, 4, -1, -5)] == [0, 2, 0, 1, 1, 0]
    part = Subset(numbers(), [5, 7])
    assert part[1][0].item() == 7
    assert part[[0, 1]][0].tolist() == [5, 7]


def test_slices_of_a_tensor_dataset() -> None:
    x, y = TensorDataset(tensor(X), tensor(Y))[2:4]
    assert tuple(x.shape) == (2, 5)
    assert y.tolist() == [2, 3]


def test_split_of_all_into_parts_without_overlap() -> None:
    parts = random_split(numbers(101), [0.7, 0.2, 0.1])
    assert [len(part) for part in parts] == [71, 20, 10]
    assert sorted(i for part in parts for i in part.indices) == list(range(101))
    again = [random_split(range(9), [4, 5], Generator().manual_seed(3)) for _ in range(2)]
    assert again[0][0].indices == again[1][0].indices
    with pytest.warns(UserWarning, match="part 1 of 2 samples is empty"):
        random_split(range(2), [0.9, 0.1])
    assert [len(part) for part in random_split(range(1), [1])] == [1]


# --- errors ---


def test_sizes_that_differ() -> None:
    with pytest.raises(ShapeError) as caught:
        TensorDataset(tensor(np.zeros((4, 2), np.float32)), tensor([1, 2, 3]))
    assert str(caught.value) == (
        "TensorDataset(*tensors): the tensors have different numbers of rows\n"
        "  tensor 0  float32 (4, 2)\n"
        "  tensor 1  int64 (3,)\n"
        "  expected the same shape[0] in all"
    )


def test_an_array_instead_of_a_tensor() -> None:
    with pytest.raises(KindError) as caught:
        TensorDataset(tensor([1]), np.zeros((4, 2)))  # type: ignore[arg-type]
    assert str(caught.value) == (
        "TensorDataset(*tensors): tensor 1 is none\n"
        "  got numpy array float64 (4, 2)\n"
        "  expected a tensor: use lab.tensor(x)"
    )


@pytest.mark.parametrize("index", [10, -11])
def test_there_is_no_such_sample(index: int) -> None:
    for dataset in (numbers(), Subset(numbers(), range(10)), numbers(4) + numbers(6)):
        with pytest.raises(IndexingError, match=f"no sample {index}\n  samples  10\n"):
            dataset[index]
    with pytest.raises(IndexingError, match=f"no sample {index}\n  samples  10\n"):
        list(DataLoader(numbers(), batch_sampler=[[0, 1], [2, index]]))
    assert issubclass(IndexingError, IndexError)  # so that a for loop over a dataset ends
    assert len(list(numbers())) == 10  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"batch_size": 0}, ArgumentError, "got batch_size = 0\n  expected an int of 1 or more"),
        ({"batch_size": -4}, ArgumentError, "got batch_size = -4"),
        ({"batch_size": 2.0}, KindError, "got batch_size = float 2.0"),
        ({"batch_size": "8"}, KindError, "got batch_size = str '8'"),
        ({"batch_size": True}, KindError, "the argument after it is shuffle"),
        ({"shuffle": 3}, KindError, "got shuffle = int 3"),
        ({"shuffle": True, "sampler": [0]}, ArgumentError, "both set the order"),
        ({"batch_sampler": [[0]], "batch_size": 3}, ArgumentError, "sets the batches"),
        ({"batch_sampler": [[0]], "shuffle": True}, ArgumentError, "sets the batches"),
        ({"batch_size": None, "drop_last": True}, ArgumentError, "none can be dropped"),
        ({"num_workers": -1}, ArgumentError, "got num_workers = int -1"),
        ({"num_workers": 1.5}, ArgumentError, "got num_workers = float 1.5"),
        ({"prefetch_factor": 2}, ArgumentError, "needs num_workers"),
        ({"timeout": -1}, ArgumentError, "got timeout = -1"),
        ({"generator": 42}, KindError, "got generator = int 42"),
    ],
)
def test_wrong_arguments_of_a_loader(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        DataLoader(numbers(), **arguments)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: DataLoader(3), KindError, "this is no dataset"),
        (lambda: DataLoader(i for i in range(3)), KindError, "this is no dataset"),
        (lambda: DataLoader([], 2, shuffle=True), ArgumentError, "the dataset is empty"),
        (lambda: DataLoader(Dataset(), 2), KindError, "the dataset has no length"),
        (lambda: Dataset()[0], NotImplementedError, "__getitem__"),
        (lambda: next(iter(IterableDataset())), NotImplementedError, "__iter__"),
        (lambda: DataLoader(Stream(3), shuffle=True), ArgumentError, "read in its own order"),
        (lambda: DataLoader(Stream(3), sampler=[0]), ArgumentError, "got sampler = list of 1 item"),
        (lambda: TensorDataset(), ArgumentError, "got no tensor"),
        (lambda: TensorDataset(tensor(1.0)), ShapeError, "a 0-d tensor has no rows"),
        (lambda: ConcatDataset([]), ArgumentError, "got none"),
        (lambda: ConcatDataset([Stream(2)]), KindError, "use ChainDataset"),
        (lambda: data.ChainDataset([[1]]), KindError, "use ConcatDataset"),
        (lambda: random_split(range(10), [3, 3]), ArgumentError, "together 6\n  dataset  10"),
        (lambda: random_split(range(10), [0.5, 0.2]), ArgumentError, "do not add up to 1"),
        (lambda: random_split(range(10), [11, -1]), ArgumentError, "negative length"),
        (lambda: BatchSampler(range(3), 0, False), ArgumentError, "got batch_size = 0"),
        (lambda: BatchSampler(range(3), 2, 1), KindError, "got drop_last = int 1"),
        (lambda: RandomSampler(range(3), num_samples=0), ArgumentError, "got num_samples = 0"),
        (lambda: RandomSampler(range(3), 1), KindError, "got replacement = int 1"),
        (lambda: WeightedRandomSampler([[1.0]], 1), ShapeError, "expected (N,)"),
        (lambda: SequentialSampler(3), KindError, "the dataset has no length"),
        (lambda: default_collate([None]), KindError, "collate_fn"),
        (lambda: default_collate([np.array(["a"])]), KindError, "expected numbers or bools"),
        (lambda: default_collate([[1, 2], [3]]), ShapeError, "different numbers of members"),
    ],
)
def test_errors(call: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)


def test_samples_that_differ_in_shape() -> None:
    samples = [tensor([1.0, 2.0]), tensor([1.0, 2.0]), tensor([1.0])]
    with pytest.raises(ShapeError) as caught:
        list(DataLoader(samples, batch_size=3))
    assert str(caught.value).startswith(
        "default_collate: the samples differ in shape\n"
        "  sample 0 of the batch  (2,)\n"
        "  sample 2 of the batch  (1,)\n"
    )


def test_a_loader_does_not_change() -> None:
    loader = DataLoader(numbers(), 2)
    with pytest.raises(ArgumentError, match="batch_size cannot be changed"):
        loader.batch_size = 5
    assert len(loader) == 5
