"""What people do wrong most often with numbers, sums, order, new tensors and dtypes.

Collected from the threads of PyTorch, tinygrad and chainer and from questions on the web. A
mistake is written once, for both libraries; what is said of it stands in tests/golden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from double import DeviceArray, make_cupy
from golden import Golden, said, same_kind

import minitorch_lab as lab
from minitorch_lab.device import CUDA, register, unregister

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # as outside of tests
]


def ints(t: Any, *values: int) -> Any:
    return t.tensor(values)


def changed(x: Any, name: str, *args: Any) -> Any:
    """An in-place operator, as a statement does it."""
    return getattr(x, name)(*args)


MISTAKES: dict[str, Any] = {
    # Entry by entry
    "shapes": lambda t: t.ones(2, 3) + t.ones(2, 4),
    "a vector for each row": lambda t: t.ones(2, 3) * t.ones(2),
    "transposed": lambda t: t.ones(2, 3) - t.ones(3, 2),
    "times a list": lambda t: t.ones(2) * [1.0, 2.0],
    "plus text": lambda t: t.ones(2) + "1",
    "times None": lambda t: t.ones(2) * None,
    "exp of a list": lambda t: t.exp([1.0, 2.0]),
    "exp of an array": lambda t: t.exp(np.ones(2)),
    "exp of a number": lambda t: t.exp(1.0),
    "minus of masks": lambda t: t.tensor([True]) - t.tensor([False]),
    "one minus a mask": lambda t: 1 - t.tensor([True]),
    "sign of a mask": lambda t: -t.tensor([True]),
    "ints += a float": lambda t: changed(ints(t, 1, 2), "__iadd__", 0.5),
    "ints /= an int": lambda t: changed(ints(t, 1, 2), "__itruediv__", 2),
    "ints *= floats": lambda t: changed(ints(t, 1, 2), "__imul__", t.ones(2)),
    "ints.sqrt_": lambda t: ints(t, 4).sqrt_(),
    "mask += 1": lambda t: changed(t.tensor([True]), "__iadd__", 1),
    "a larger shape in place": lambda t: changed(t.ones(2), "__iadd__", t.ones(3, 2)),
    "ints to a negative power": lambda t: ints(t, 2, 3) ** -1,
    "ints // 0": lambda t: ints(t, 1, 2) // 0,
    "ints % 0": lambda t: ints(t, 1, 2) % ints(t, 1, 0),
    "clamp of nothing": lambda t: t.clamp(t.ones(2)),
    "clamp of text": lambda t: t.clamp(t.ones(2), min="0"),
    "where of floats": lambda t: t.where(t.ones(2), 1.0, 0.0),
    "where of a bool": lambda t: t.where(True, t.ones(2), t.zeros(2)),
    "where of shapes": lambda t: t.where(t.ones(2) > 0, t.ones(3), 0.0),
    "fill by ints": lambda t: t.ones(2).masked_fill(ints(t, 0, 1), 0.0),
    "turned floats": lambda t: ~t.ones(2),
    "floats & floats": lambda t: t.ones(2) & t.ones(2),
    "comparison precedence": lambda t: t.ones(2) > 0 & t.ones(2) < 2,
    "floats << 1": lambda t: t.ones(2) << 1,
    "lerp of dtypes": lambda t: t.lerp(t.ones(2), t.ones(2, dtype=t.float64), 0.5),
    "isclose of dtypes": lambda t: t.isclose(t.ones(2), ints(t, 1, 1)),
    "into ints": lambda t: t.exp(t.ones(2), out=t.zeros(2, dtype=t.int64)),
    # Reductions
    "mean of ints": lambda t: ints(t, 1, 2).mean(),
    "mean of a mask": lambda t: (t.ones(2) > 0).mean(),
    "std of ints": lambda t: ints(t, 1, 2).std(),
    "var of ints": lambda t: ints(t, 1, 2).var(),
    "softmax of ints": lambda t: t.softmax(ints(t, 1, 2), 0),
    "norm of ints": lambda t: t.norm(ints(t, 3, 4)),
    "softmax without dim": lambda t: t.softmax(t.ones(2)),
    "cumsum without dim": lambda t: t.ones(2).cumsum(),
    "logsumexp without dim": lambda t: t.logsumexp(t.ones(2)),
    "dim too large": lambda t: t.ones(3).sum(1),
    "dim too small": lambda t: t.ones(2, 3).mean(-3),
    "dim twice": lambda t: t.ones(2, 3).sum((0, 0)),
    "dim as a float": lambda t: t.ones(2, 3).sum(1.0),
    "dim given twice": lambda t: t.ones(2, 3).sum(0, dim=0),
    "dims instead of dim": lambda t: t.ones(2, 3).sum(dims=0),
    "keep instead of keepdim": lambda t: t.ones(2, 3).mean(0, keep=True),
    "sum of a list": lambda t: t.sum([t.ones(2), t.ones(2)]),
    "mean of a list": lambda t: t.mean([1.0, 2.0]),
    "mean of an array": lambda t: t.mean(np.ones(2)),
    "max over two dims": lambda t: t.ones(2, 3).max((0, 1)),
    "argmax over two dims": lambda t: t.ones(2, 3).argmax((0, 1)),
    "prod over two dims": lambda t: t.ones(2, 3).prod((0, 1)),
    "argmax of a mask": lambda t: (t.ones(3) > 0).argmax(),
    "max of nothing": lambda t: t.tensor([]).max(),
    "max of no columns": lambda t: t.zeros(2, 0).max(1),
    "amax of no columns": lambda t: t.zeros(2, 0).amax(1),
    "argmax of nothing": lambda t: t.tensor([]).argmax(),
    "median of no ints": lambda t: t.zeros(0, dtype=t.int64).median(dim=0),
    "pair + number": lambda t: t.ones(2, 3).max(1) + 1,
    "pair - tensor": lambda t: t.ones(2, 3).max(1) - t.ones(2),
    "number - pair": lambda t: 1 - t.ones(2, 3).max(1),
    "pair / number": lambda t: t.ones(2, 3).sort() / 2,
    "quantile above 1": lambda t: t.quantile(t.ones(2), 50),
    "quantile of ints": lambda t: t.quantile(ints(t, 1, 2), 0.5),
    "norm by name": lambda t: t.norm(t.ones(2), p="l2"),
    "all of a list": lambda t: t.all([True, False]),
    # Order
    "topk too many": lambda t: t.ones(3).topk(5),
    "topk negative": lambda t: t.ones(3).topk(-1),
    "topk of a share": lambda t: t.ones(3).topk(0.5),
    "topk without k": lambda t: t.ones(3).topk(),
    "kthvalue 0": lambda t: t.ones(3).kthvalue(0),
    "sort dim": lambda t: t.ones(3).sort(1),
    "sort by a function": lambda t: t.ones(3).sort(key=abs),
    "sort of a list": lambda t: t.sort([3.0, 1.0]),
    "argsort of an array": lambda t: t.argsort(np.ones(2)),
    "bincount of floats": lambda t: t.bincount(t.ones(2)),
    "bincount below 0": lambda t: t.bincount(ints(t, -1, 2)),
    "bincount of a matrix": lambda t: t.bincount(t.zeros(2, 2, dtype=t.int64)),
    "histc of ints": lambda t: t.histc(ints(t, 1, 2)),
    "histc backwards": lambda t: t.histc(t.ones(2), bins=2, min=1, max=0),
    "searchsorted of rows": lambda t: t.searchsorted(t.ones(2, 3), t.ones(3, 1)),
    # New tensors
    "ragged": lambda t: t.tensor([[1.0, 2.0], [3.0]]),
    "deeper in places": lambda t: t.tensor([1.0, [2.0]]),
    "text": lambda t: t.tensor("1.0"),
    "a list of text": lambda t: t.tensor(["1", "2"]),
    "None": lambda t: t.tensor(None),
    "a list with None": lambda t: t.tensor([1.0, None]),
    "a dict": lambda t: t.tensor({"a": 1}),
    "a set": lambda t: t.tensor({1, 2}),
    "no data": lambda t: t.tensor(),
    "sizes as data": lambda t: t.tensor(2, 3),
    "objects": lambda t: t.tensor(np.array([[1], [1, 2]], dtype=object)),
    "too large for int64": lambda t: t.tensor([2**70]),
    "too large for uint8": lambda t: t.tensor([300], dtype=t.uint8),
    "tensors of several entries": lambda t: t.tensor([t.ones(2), t.ones(3)]),
    "ints with gradient": lambda t: t.zeros(2, dtype=t.int64, requires_grad=True),
    "from_numpy of a list": lambda t: t.from_numpy([1.0]),
    "from_numpy of text": lambda t: t.from_numpy(np.array(["a"])),
    "negative size": lambda t: t.zeros(2, -1),
    "size as a float": lambda t: t.zeros(4 / 2, 3),
    "size as text": lambda t: t.ones("2"),
    "size as None": lambda t: t.rand(None, 2),
    "two sizes": lambda t: t.ones((2, 3), (4,)),
    "full without a number": lambda t: t.full((2, 3)),
    "full with an int": lambda t: t.full(3, 1.0),
    "full of text": lambda t: t.full((2,), "a"),
    "eye": lambda t: t.eye(-1),
    "eye of a float": lambda t: t.eye(2.0),
    "zeros_like of a list": lambda t: t.zeros_like([1.0]),
    "zeros_like of a shape": lambda t: t.zeros_like((2, 3)),
    "arange of nothing": lambda t: t.arange(),
    "arange step 0": lambda t: t.arange(0, 5, 0),
    "arange sign": lambda t: t.arange(5, 0),
    "arange to infinity": lambda t: t.arange(0, float("inf")),
    "arange of text": lambda t: t.arange("5"),
    "linspace without steps": lambda t: t.linspace(0, 1),
    "linspace by a float": lambda t: t.linspace(0, 1, 0.1),
    "linspace below 0": lambda t: t.linspace(0, 1, -1),
    "a dtype that is text": lambda t: t.ones(2, dtype="float33"),
    "to nowhere": lambda t: t.ones(2).to("gpu"),
    "default of ints": lambda t: t.set_default_dtype(t.int64),
    # Random
    "rand of ints": lambda t: t.rand(2, dtype=t.int64),
    "randn of ints": lambda t: t.randn(2, dtype=t.int64),
    "randint of nothing": lambda t: t.randint(5, 5, (2,)),
    "randint backwards": lambda t: t.randint(5, 0, (2,)),
    "randint without size": lambda t: t.randint(0, 10),
    "randint with an int size": lambda t: t.randint(0, 10, 3),
    "randperm": lambda t: t.randperm(-1),
    "randperm of a float": lambda t: t.randperm(2.5),
    "normal without size": lambda t: t.normal(0.0, 1.0),
    "normal below 0": lambda t: t.normal(0.0, -1.0, (2,)),
    "normal_ below 0": lambda t: t.ones(2).normal_(0.0, -1.0),
    "normal of ints": lambda t: t.normal(ints(t, 0, 1), 1.0),
    "uniform_ backwards": lambda t: t.ones(2).uniform_(1.0, 0.0),
    "bernoulli above 1": lambda t: t.bernoulli(t.tensor([0.5, 1.5])),
    "bernoulli of ints": lambda t: t.bernoulli(ints(t, 0, 1)),
    "bernoulli of a number": lambda t: t.bernoulli(0.5),
    "multinomial of ints": lambda t: t.multinomial(ints(t, 1, 2), 1),
    "multinomial of zeros": lambda t: t.multinomial(t.zeros(3), 1),
    "multinomial below 0": lambda t: t.multinomial(t.tensor([0.5, -0.5]), 1),
    "multinomial too many": lambda t: t.multinomial(t.ones(3), 4),
    "multinomial of none": lambda t: t.multinomial(t.ones(3), 0),
    "multinomial of a batch": lambda t: t.multinomial(t.ones(2, 2, 2), 1),
    "seed of text": lambda t: t.manual_seed("seven"),
    "seed of None": lambda t: t.manual_seed(None),
    # One number
    "item of many": lambda t: t.ones(2).item(),
    "float of many": lambda t: float(t.ones(2)),
    "int of many": lambda t: int(t.ones(2)),
    "if": lambda t: 1 if t.ones(2) > 0 else 2,
    "and": lambda t: t.ones(2) > 0 and t.ones(2) < 2,
    "or": lambda t: t.ones(2) > 0 or t.ones(2) < 2,
    "not": lambda t: not t.ones(2),
    "between": lambda t: 0 < t.ones(2) < 2,
    "if of nothing": lambda t: 1 if t.tensor([]) else 2,
    "python's max": lambda t: max(t.ones(2), t.zeros(2)),
    "in a list": lambda t: t.ones(2) in [t.zeros(2)],
    "format of many": lambda t: f"{t.ones(2):.2f}",
    "a float as an index": lambda t: [1, 2][t.tensor(1.0)],
    "range of a float": lambda t: range(t.tensor(2.0)),
    "len of a number": lambda t: len(t.tensor(1.0)),
    "a loop over a number": lambda t: list(t.tensor(1.0)),
    "unpack a number": lambda t: tuple(t.ones(2).sum()),
    # Products whose sizes do not fit say the name that was called
    "mm sizes": lambda t: t.mm(t.ones(2, 3), t.ones(2, 3)),
    "bmm sizes": lambda t: t.bmm(t.ones(1, 2, 3), t.ones(1, 2, 3)),
    "mv sizes": lambda t: t.mv(t.ones(2, 3), t.ones(2)),
    "dot sizes": lambda t: t.dot(t.ones(2), t.ones(3)),
    "addmm sizes": lambda t: t.addmm(t.ones(2, 2), t.ones(2, 3), t.ones(2, 3)),
    "addmv sizes": lambda t: t.addmv(t.ones(2), t.ones(2, 3), t.ones(2)),
    "baddbmm sizes": lambda t: t.baddbmm(t.ones(1, 2, 3), t.ones(1, 2, 3), t.ones(1, 2, 3)),
    "mm dtypes": lambda t: t.mm(t.ones(2, 2), t.ones(2, 2, dtype=t.float64)),
}


# A graph has no values, so there these are refused in other words, and sooner.
EAGER = frozenset(
    "bincount of floats|bincount below 0|bincount of a matrix|histc of ints|histc backwards|"
    "tensors of several entries|item of many|if|and|or|not|between|if of nothing|python's max|"
    "in a list|format of many|a float as an index|range of a float".split("|")
)
GOLDEN = Golden("mistakes", MISTAKES)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake(name: str, oracle: Any) -> None:
    found = said(lambda: MISTAKES[name](lab))
    assert same_kind(found, oracle.error(MISTAKES[name]))
    GOLDEN.check(name, found)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_graph(name: str) -> None:
    found = said(lambda: MISTAKES[name](lab), graph=True)
    if name in EAGER:
        assert isinstance(found, lab.TraceError)
        assert 'run this function in eager mode: lab.mode("eager")' in str(found)
    else:
        GOLDEN.check(name, found)


def test_every_text_belongs_to_a_mistake() -> None:
    GOLDEN.complete()
    DEVICES.complete()


# Legal, and not what many expect: as in PyTorch, with a warning only where it warns.
NAN = float("nan")
LEGAL: dict[str, Any] = {
    "mean of nothing": lambda t: t.tensor([]).mean(),
    "sum of nothing": lambda t: t.tensor([]).sum(),
    "product of nothing": lambda t: t.tensor([]).prod(),
    "any of nothing": lambda t: t.tensor([]).any(),
    "median of nothing": lambda t: t.tensor([]).median(),
    "spread of equal ones": lambda t: t.std(t.ones(2, 1), 1, unbiased=False),
    "log below 0": lambda t: t.log(t.tensor([-1.0, 0.0])),
    "root below 0": lambda t: t.sqrt(t.tensor([-1.0])),
    "division by 0": lambda t: t.tensor([1.0, 0.0, -1.0]) / 0,
    "ints divided by 0": lambda t: ints(t, 1, 0) / 0,
    "ints divided": lambda t: ints(t, 1, 2) / 2,
    "rounded down": lambda t: ints(t, -7) // 2,
    "what is left": lambda t: ints(t, -7) % 3,
    "what is left, C": lambda t: t.fmod(ints(t, -7), 3),
    "uint8 above 255": lambda t: t.tensor([250], dtype=t.uint8) + 10,
    "uint8 below 0": lambda t: t.tensor([1], dtype=t.uint8) - 2,
    "uint8 of -1": lambda t: t.tensor([-1], dtype=t.uint8),
    "floats cut": lambda t: t.tensor([2.9, -2.9]).long(),
    "ints filled": lambda t: ints(t, 1, 2).fill_(1.5),
    "mask + mask": lambda t: t.tensor([True]) + t.tensor([True]),
    "mask counted": lambda t: t.tensor([True, True]).sum(),
    "ints to a float power": lambda t: ints(t, 2) ** -1.0,
    "a float to ints": lambda t: 2.0 ** ints(t, -1),
    "0.1 + 0.2": lambda t: (t.tensor(0.1, dtype=t.float64) + 0.2) == 0.3,
    "float32 above 2**24": lambda t: t.tensor(16777216.0) + 1,
    "nan is not nan": lambda t: t.tensor([NAN]) == t.tensor([NAN]),
    "max of nan": lambda t: t.tensor([1.0, NAN, 2.0]).max(),
    "max along nan": lambda t: list(t.tensor([1.0, NAN, 2.0]).max(0)),
    "argmax of nan": lambda t: t.tensor([1.0, NAN, 2.0]).argmax(),
    "maximum of nan": lambda t: t.maximum(t.tensor([NAN]), t.tensor([1.0])),
    "sort of nan": lambda t: t.tensor([NAN, 1.0]).sort().values,
    "pair twice": lambda t: list(t.tensor([[1.0, 2.0]]).max(1) * 2),
    "pair and pair": lambda t: list(t.ones(1, 2).max(1) + t.zeros(1, 2).min(1)),
    "clamp turned": lambda t: t.clamp(t.tensor([0.0, 5.0]), 3, 1),
    "where of dtypes": lambda t: t.where(t.tensor([True, False]), ints(t, 1, 2), t.ones(2)),
    "where of floats": lambda t: t.where(t.tensor([True, False]), 0.0, -float("inf")),
    "where of ints": lambda t: t.where(t.tensor([True, False]), 1, 2),
    "where of an int and a float": lambda t: t.where(t.tensor([True, False]), 1, 2.5),
    "where of bools": lambda t: t.where(t.tensor([True, False]), True, False),
    "where of a bool and an int": lambda t: t.where(t.tensor([True, False]), True, 2),
    "where by bytes": lambda t: t.where(t.tensor([1, 0], dtype=t.uint8), 1.0, 2.0),
    "column and row": lambda t: t.zeros(3, 1) - t.zeros(3),
    "Tensor of an int is a size": lambda t: t.Tensor(3) * 0,
    "alpha of numbers": lambda t: t.add(t.tensor([1.0]), 2, alpha=3),
    "topk of none": lambda t: t.ones(3).topk(0).values,
    "one step": lambda t: t.linspace(3, 5, 1),
    "bound of tensors": lambda t: t.clamp(t.ones(2), max=t.tensor([0.5, 2.0])),
    "a seed that is a float": lambda t: (t.manual_seed(1.5), t.rand(2))[1],
    "a seed that is text": lambda t: (t.manual_seed("3"), t.rand(2))[1],
}


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("name", LEGAL)
def test_what_is_legal_is_pytorchs(name: str, graph: bool, oracle: Any) -> None:
    def run(t: Any) -> list[Any]:
        found = LEGAL[name](t)
        return found if isinstance(found, list) else [found]

    mine = lab.compile(lambda: run(lab))() if graph else run(lab)
    for x, y in zip(mine, oracle(run), strict=True):
        assert x.dtype.name == y.dtype.name
        np.testing.assert_array_equal(x.numpy(), y)


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_the_deviation_of_one_entry_is_nan_with_a_warning(graph: bool) -> None:
    def run() -> Any:
        return lab.tensor([1.0]).std()

    with pytest.warns(UserWarning, match=r"std\(\): 1 entries.*degrees of freedom"):
        assert (lab.compile(run) if graph else run)().isnan()


def test_anomaly_mode_names_the_root_of_a_negative_number() -> None:
    x = lab.tensor([-1.0], requires_grad=True)
    with pytest.raises(lab.NonFiniteError, match="sqrt"), lab.autograd.detect_anomaly():
        x.sqrt().sum().backward()


def test_a_pair_says_where_its_tensors_are() -> None:
    with pytest.raises(AttributeError, match=r"write x\.max\(dim\)\.values"):
        lab.ones(2, 3).max(1).mean()


def test_a_symbol_takes_no_gradient_that_a_tensor_would_refuse() -> None:
    for wrong in (
        lambda x: lab.zeros(2, dtype=lab.int64).requires_grad_(),
        lambda x: (x * 2).requires_grad_(False),
    ):
        x = lab.ones(2, requires_grad=True)
        eager, graph = said(lambda w=wrong, x=x: w(x)), said(lambda w=wrong, x=x: w(x), graph=True)
        assert str(eager) == str(graph)
        assert isinstance(graph, lab.GradError)


def test_numbers_in_a_graph_keep_their_kind() -> None:
    seen = {}

    def step(x: Any) -> Any:
        rate = lab.op.current().read(state, "rate")
        seen["product"] = (True * rate).dtype, (rate * 2).dtype, (1 + rate).dtype
        return x * (True * rate), lab.tensor([1, 2]) * rate

    state = {"rate": 0.5}
    a, b = lab.compile(step)(lab.ones(2))
    assert seen["product"] == (lab.float64,) * 3
    assert a.tolist() == [0.5, 0.5]
    assert b.dtype is lab.float32
    assert b.tolist() == [0.5, 1.0]


# Devices ---------------------------------------------------------------------------------------


@pytest.fixture
def on_cuda() -> Iterator[Any]:
    """A tensor on the double of the GPU."""
    register(DeviceArray, make_cupy(), CUDA)
    yield lab.ones(2, 3).to("cuda")
    unregister(DeviceArray)


ELSEWHERE: dict[str, Any] = {
    "sum of two devices": lambda x, g: x + g,
    "the model stayed": lambda x, g: lab.nn.functional.linear(g, x),
    "the targets stayed": lambda x, g: lab.nn.functional.mse_loss(g, x),
    "the classes stayed": lambda x, g: lab.nn.functional.cross_entropy(g, lab.tensor([0, 1])),
    "to() was not kept": lambda x, g: (x.to("cuda"), x * g)[1],
    "joined": lambda x, g: lab.cat([x, g]),
    "chosen": lambda x, g: lab.where(g > 0, x, g),
    "compared": lambda x, g: x == g,
    "gathered": lambda x, g: g.gather(1, lab.tensor([[0]])),
    "a part replaced": lambda x, g: x.clone().__setitem__(0, g[0]),
}
DEVICES = Golden("devices", ELSEWHERE)


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("name", ELSEWHERE)
def test_tensors_on_two_devices(name: str, graph: bool, on_cuda: Any) -> None:
    found = said(lambda: ELSEWHERE[name](lab.ones(2, 3), on_cuda), graph)
    assert isinstance(found, lab.DeviceError)
    DEVICES.check(name, type(found)(re.sub(r"\.py line \d+", ".py line N", str(found))))


def test_a_copy_goes_from_device_to_device(on_cuda: Any) -> None:
    assert lab.zeros(2, 3).copy_(on_cuda).tolist() == [[1] * 3] * 2
    assert on_cuda.copy_(lab.zeros(2, 3)).cpu().tolist() == [[0] * 3] * 2
