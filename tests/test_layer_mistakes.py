"""Layers, losses, modules, data and files: what a learner reads after the usual mistakes."""

from __future__ import annotations

import warnings
from contextvars import Context
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden import Golden

import minitorch_lab as lab
from minitorch_lab import nn

rng = np.random.default_rng(7)
SCORES = rng.normal(size=(5, 4))

pytestmark = pytest.mark.filterwarnings("ignore:Using a target:UserWarning")

# Targets that do not count ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("classes", [[0, 1, 2, 3, 0], [0, -100, 2, -100, 3], [-100] * 5])
def test_ignored_classes(name: str, classes: list[int], graph: bool, oracle: Any) -> None:
    def run(t: Any) -> Any:
        x = t.tensor(SCORES, requires_grad=True)
        loss = getattr(t.nn.functional, name)
        if graph and t is lab:
            loss = lab.compile(loss)
        found = loss(x, t.tensor(classes))
        found.backward()
        return found, x.grad

    (value, grad), (their_value, their_grad) = oracle.both(run)
    np.testing.assert_allclose(value, their_value, rtol=1e-9)
    np.testing.assert_allclose(grad, their_grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_ignored_classes_have_second_gradients(name: str) -> None:
    loss, target = getattr(nn.functional, name), lab.tensor([0, -100, 2, -100, 3])
    x = lab.tensor(SCORES, requires_grad=True)
    assert lab.autograd.gradcheck(lambda x: loss(x * x, target), (x,))
    assert lab.autograd.gradgradcheck(lambda x: loss(x * x, target), (x,))


# Shapes that broadcast -------------------------------------------------------------------------

PAIRS = {
    "column and row": (
        (4, 1),
        (4,),
        "input (4, 1) and target (4,) broadcast to (4, 4), so 16 pairs are compared and not 4\n"
        "  write target.reshape(4, 1)",
    ),
    "row and column": (
        (4,),
        (4, 1),
        "input (4,) and target (4, 1) broadcast to (4, 4), so 16 pairs are compared and not 4\n"
        "  write target.reshape(4,)",
    ),
    "one row for all": (
        (4, 3),
        (3,),
        "input (4, 3) and target (3,) broadcast to (4, 3), so each target is compared 4 times\n"
        "  if every pair is meant, write target.expand(4, 3)",
    ),
    "too few predictions": (
        (3,),
        (4, 3),
        "input (3,) and target (4, 3) broadcast to (4, 3), so each prediction is compared 4 times\n"
        "  give each prediction one target",
    ),
}


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
@pytest.mark.parametrize("case", PAIRS)
def test_shapes_that_broadcast(case: str, name: str, graph: bool, oracle: Any) -> None:
    mine, other, text = PAIRS[case]
    data = [np.arange(np.prod(s)).reshape(s) / (k + 3) for k, s in enumerate((mine, other))]

    def run(t: Any) -> Any:
        xs = [t.tensor(a, requires_grad=True) for a in data]
        found = []
        for reduction in ("mean", "sum", "none"):
            loss = partial(getattr(t.nn.functional, name), reduction=reduction)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found.append((lab.compile(loss) if graph and t is lab else loss)(*xs))
            told = [str(w.message) for w in caught if w.category is UserWarning]
            assert len(told) == 1
            assert t is not lab or (told[0], caught[0].filename) == (f"{name}: {text}", __file__)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sum(y.sum() for y in found).backward()
        return *found, *(x.grad for x in xs)

    for ours, theirs in zip(*oracle.both(run), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_shapes_that_do_not_broadcast(name: str, oracle: Any) -> None:
    def run(t: Any) -> Any:
        return getattr(t.nn.functional, name)(t.ones(4, 2), t.ones(3, 2))

    with pytest.raises(oracle.error(run), match="each prediction needs one target"):
        run(lab)


# Mistakes -------------------------------------------------------------------------------------


class Rows:
    """A dataset of these samples."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.rows[index]


class NoLength:
    """A dataset without a length."""

    def __getitem__(self, index: int) -> int:
        return index


class NoItems:
    """A dataset without samples."""

    def __len__(self) -> int:
        return 3


def ones(t: Any, *shape: int) -> Any:
    return t.ones(*shape)


def batch(t: Any, dataset: Any, **settings: Any) -> Any:
    return next(iter(t.utils.data.DataLoader(dataset, **settings)))


def model(t: Any) -> Any:
    class Model(t.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.a = t.nn.Linear(2, 1)

        def forward(self, x: Any) -> Any:
            return self.a(x)

    return Model()


def without_init(t: Any) -> Any:
    class Model(t.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.a = t.nn.Linear(2, 1)

    return Model()


def in_a_plain_list(t: Any) -> Any:
    class Model(t.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layers = [t.nn.Linear(2, 1)]

    return t.optim.SGD(Model().parameters(), lr=0.1)


def under_module(state: Any) -> Any:
    return {f"module.{key}": value for key, value in state.items()}


# name: a call that PyTorch refuses with the same built-in class; the texts are in the golden file
MISTAKES: dict[str, Any] = {
    "no super init": without_init,
    "layers in a plain list": in_a_plain_list,
    "one argument too many": lambda t: model(t)(ones(t, 1, 2), ones(t, 1, 2)),
    "no argument": lambda t: model(t)(),
    "loss class called": lambda t: t.nn.MSELoss(ones(t, 2, 3), ones(t, 2, 3)),
    "keys of DataParallel": lambda t: model(t).load_state_dict(under_module(model(t).state_dict())),
    "linear sizes": lambda t: t.nn.Linear(4, 2)(ones(t, 3, 5)),
    "linear batch forgotten": lambda t: t.nn.Linear(784, 10)(ones(t, 28, 28)),
    "linear picture": lambda t: t.nn.Linear(784, 10)(ones(t, 5, 1, 28, 28)),
    "linear int input": lambda t: t.nn.Linear(3, 2)(t.ones(2, 3, dtype=t.int64)),
    "linear uint8": lambda t: t.nn.Linear(3, 2)(t.ones(2, 3, dtype=t.uint8)),
    "linear double": lambda t: t.nn.Linear(3, 2)(t.ones(2, 3, dtype=t.float64)),
    "linear 0d": lambda t: t.nn.Linear(1, 2)(t.tensor(1.0)),
    "linear float sizes": lambda t: t.nn.Linear(28 * 28 / 2, 2),
    "linear tuple": lambda t: t.nn.Linear((3, 4), 2),
    "linear tensor as arg": lambda t: t.nn.Linear(t.ones(3, 2), 2),
    "flatten linear": lambda t: t.nn.Sequential(
        t.nn.Conv2d(1, 4, 3), t.nn.Flatten(), t.nn.Linear(100, 10)
    )(ones(t, 2, 1, 28, 28)),
    "flatten forgotten": lambda t: t.nn.Sequential(t.nn.Conv2d(1, 4, 3), t.nn.Linear(2704, 10))(
        ones(t, 2, 1, 28, 28)
    ),
    "bilinear": lambda t: t.nn.Bilinear(2, 3, 4)(ones(t, 5, 2), ones(t, 5, 4)),
    "conv channels last": lambda t: t.nn.Conv2d(3, 8, 3)(ones(t, 2, 32, 32, 3)),
    "conv grey channels last": lambda t: t.nn.Conv2d(1, 8, 3)(ones(t, 2, 28, 28, 1)),
    "conv no batch wrong": lambda t: t.nn.Conv2d(1, 8, 3)(ones(t, 28, 28)),
    "conv no channel": lambda t: t.nn.Conv2d(1, 8, 3)(ones(t, 16, 28, 28)),
    "conv uint8": lambda t: t.nn.Conv2d(3, 8, 3)(t.ones(2, 3, 8, 8, dtype=t.uint8)),
    "conv double": lambda t: t.nn.Conv2d(3, 8, 3)(t.ones(2, 3, 8, 8, dtype=t.float64)),
    "conv kernel larger": lambda t: t.nn.Conv2d(1, 1, 5)(ones(t, 1, 1, 3, 3)),
    "conv kernel larger dilation": lambda t: t.nn.Conv2d(1, 1, 3, dilation=4)(ones(t, 1, 1, 6, 6)),
    "conv stride 0": lambda t: t.nn.Conv2d(1, 1, 3, stride=0)(ones(t, 1, 1, 6, 6)),
    "conv neg pad": lambda t: t.nn.Conv2d(1, 1, 3, padding=-1)(ones(t, 1, 1, 6, 6)),
    "conv groups in": lambda t: t.nn.Conv2d(3, 4, 3, groups=2),
    "conv groups out": lambda t: t.nn.Conv2d(4, 3, 3, groups=2),
    "conv groups 0": lambda t: t.nn.Conv2d(4, 3, 3, groups=0),
    "conv padding word": lambda t: t.nn.Conv2d(1, 1, 3, padding="full"),
    "conv same stride": lambda t: t.nn.Conv2d(1, 1, 3, padding="same", stride=2),
    "conv padding_mode": lambda t: t.nn.Conv2d(1, 1, 3, padding_mode="mirror"),
    "conv 5d": lambda t: t.nn.Conv2d(1, 8, 3)(ones(t, 1, 1, 1, 28, 28)),
    "conv F weight 3d": lambda t: t.nn.functional.conv2d(ones(t, 1, 1, 9, 9), ones(t, 1, 3, 3)),
    "conv F bias": lambda t: t.nn.functional.conv2d(
        ones(t, 1, 1, 9, 9), ones(t, 2, 1, 3, 3), ones(t, 3)
    ),
    "conv1d order": lambda t: t.nn.Conv1d(16, 8, 3)(ones(t, 4, 50, 16)),
    "conv1d 2d in": lambda t: t.nn.Conv1d(1, 8, 3)(ones(t, 4, 50)),
    "convT output_padding": lambda t: t.nn.ConvTranspose2d(1, 1, 3, output_padding=1)(
        ones(t, 1, 1, 4, 4)
    ),
    "convT output_padding stride": lambda t: t.nn.ConvTranspose2d(
        1, 1, 3, stride=2, output_padding=2
    )(ones(t, 1, 1, 4, 4)),
    "convT channels": lambda t: t.nn.ConvTranspose2d(3, 1, 3)(ones(t, 1, 1, 4, 4)),
    "convT groups": lambda t: t.nn.ConvTranspose2d(3, 4, 3, groups=2),
    "convT stride 0": lambda t: t.nn.ConvTranspose2d(1, 1, 3, stride=0)(ones(t, 1, 1, 4, 4)),
    "pool 2d in": lambda t: t.nn.MaxPool2d(2)(ones(t, 4, 4)),
    "pool too large": lambda t: t.nn.MaxPool2d(5)(ones(t, 1, 1, 4, 4)),
    "pool padding": lambda t: t.nn.MaxPool2d(2, padding=2)(ones(t, 1, 1, 4, 4)),
    "avgpool padding": lambda t: t.nn.AvgPool2d(2, padding=2)(ones(t, 1, 1, 4, 4)),
    "pool stride 0": lambda t: t.nn.MaxPool2d(2, stride=0)(ones(t, 1, 1, 4, 4)),
    "pool kernel 0": lambda t: t.nn.MaxPool2d(0)(ones(t, 1, 1, 4, 4)),
    "pool float kernel": lambda t: t.nn.MaxPool2d(2.0)(ones(t, 1, 1, 4, 4)),
    "pool neg pad": lambda t: t.nn.MaxPool2d(2, padding=-1)(ones(t, 1, 1, 4, 4)),
    "avgpool divisor": lambda t: t.nn.AvgPool2d(2, divisor_override=0)(ones(t, 1, 1, 4, 4)),
    "adaptive 0": lambda t: t.nn.AdaptiveAvgPool2d(-1)(ones(t, 1, 1, 4, 4)),
    "adaptive tuple": lambda t: t.nn.AdaptiveAvgPool2d((1, 1, 1))(ones(t, 1, 1, 4, 4)),
    "pool1d 4d": lambda t: t.nn.MaxPool1d(2)(ones(t, 1, 1, 4, 4)),
    "interp both": lambda t: t.nn.functional.interpolate(
        ones(t, 1, 1, 4, 4), size=8, scale_factor=2
    ),
    "interp none": lambda t: t.nn.functional.interpolate(ones(t, 1, 1, 4, 4)),
    "interp mode": lambda t: t.nn.functional.interpolate(
        ones(t, 1, 1, 4, 4), size=8, mode="linear"
    ),
    "interp mode word": lambda t: t.nn.functional.interpolate(
        ones(t, 1, 1, 4, 4), size=8, mode="cubic"
    ),
    "interp align": lambda t: t.nn.functional.interpolate(
        ones(t, 1, 1, 4, 4), size=8, mode="nearest", align_corners=True
    ),
    "interp size len": lambda t: t.nn.functional.interpolate(ones(t, 1, 1, 4, 4), size=(8, 8, 8)),
    "interp 2d": lambda t: t.nn.functional.interpolate(ones(t, 4, 4), size=8),
    "pad odd": lambda t: t.nn.functional.pad(ones(t, 1, 1, 4, 4), (1,)),
    "pad long": lambda t: t.nn.functional.pad(ones(t, 4, 4), (1,) * 6),
    "pad mode": lambda t: t.nn.functional.pad(ones(t, 1, 1, 4, 4), (1, 1), mode="mirror"),
    "pad reflect": lambda t: t.nn.functional.pad(ones(t, 1, 1, 4, 4), (4, 4, 0, 0), mode="reflect"),
    "bn one value": lambda t: t.nn.BatchNorm1d(3)(ones(t, 1, 3)),
    "bn2d one value": lambda t: t.nn.BatchNorm2d(3)(ones(t, 1, 3, 1, 1)),
    "bn channels": lambda t: t.nn.BatchNorm2d(4)(ones(t, 2, 3, 4, 4)),
    "bn int": lambda t: t.nn.BatchNorm1d(3)(t.ones(2, 3, dtype=t.int64)),
    "in affine channels": lambda t: t.nn.InstanceNorm2d(4, affine=True)(ones(t, 2, 3, 4, 4)),
    "bn dims": lambda t: t.nn.BatchNorm2d(4)(ones(t, 2, 4)),
    "bn1d on pictures": lambda t: t.nn.BatchNorm1d(4)(ones(t, 2, 4, 3, 3)),
    "bn1d 1d": lambda t: t.nn.BatchNorm1d(4)(ones(t, 4)),
    "ln shape": lambda t: t.nn.LayerNorm(4)(ones(t, 2, 3)),
    "ln tuple shape": lambda t: t.nn.LayerNorm((3, 4))(ones(t, 2, 4)),
    "gn divide": lambda t: t.nn.GroupNorm(2, 3),
    "gn channels": lambda t: t.nn.GroupNorm(2, 4)(ones(t, 2, 6, 3)),
    "F gn divide": lambda t: t.nn.functional.group_norm(ones(t, 2, 3, 4), 2),
    "in one value": lambda t: t.nn.InstanceNorm2d(3)(ones(t, 2, 3, 1, 1)),
    "in dims": lambda t: t.nn.InstanceNorm2d(3)(ones(t, 2, 3)),
    "rms shape": lambda t: t.nn.RMSNorm(4)(ones(t, 2, 3)),
    "emb floats": lambda t: t.nn.Embedding(5, 2)(t.tensor([1.0, 2.0])),
    "emb range": lambda t: t.nn.Embedding(5, 2)(t.tensor([0, 5])),
    "emb negative": lambda t: t.nn.Embedding(5, 2)(t.tensor([0, -1])),
    "emb padding": lambda t: t.nn.Embedding(5, 2, padding_idx=5),
    "emb padding neg": lambda t: t.nn.Embedding(5, 2, padding_idx=-6),
    "emb list": lambda t: t.nn.Embedding(5, 2)([1, 2]),
    "emb onehot": lambda t: t.nn.Embedding(5, 2)(
        t.nn.functional.one_hot(t.tensor([1, 2]), 5).float()
    ),
    "emb bool": lambda t: t.nn.Embedding(5, 2)(t.tensor([True, False])),
    "onehot few": lambda t: t.nn.functional.one_hot(t.tensor([0, 3]), 3),
    "onehot neg": lambda t: t.nn.functional.one_hot(t.tensor([0, -1]), 3),
    "onehot float": lambda t: t.nn.functional.one_hot(t.tensor([0.0, 1.0]), 3),
    "onehot 0": lambda t: t.nn.functional.one_hot(t.tensor([0, 1]), 0),
    "dropout p": lambda t: t.nn.Dropout(1.5),
    "dropout p neg": lambda t: t.nn.Dropout(-0.5),
    "F dropout p": lambda t: t.nn.functional.dropout(ones(t, 3), 2.0),
    "dropout percent": lambda t: t.nn.Dropout(50),
    "dropout list": lambda t: t.nn.Dropout(0.5)([1.0]),
    "lstm size": lambda t: t.nn.LSTM(4, 3)(ones(t, 5, 2, 6)),
    "lstm batch first": lambda t: t.nn.LSTM(4, 3)(ones(t, 5, 4, 2)),
    "lstm hidden": lambda t: t.nn.LSTM(4, 3)(
        ones(t, 5, 2, 4), (ones(t, 1, 3, 3), ones(t, 1, 3, 3))
    ),
    "lstm hidden batch_first forgotten": lambda t: t.nn.LSTM(4, 3)(
        ones(t, 2, 5, 4), (ones(t, 1, 2, 3), ones(t, 1, 2, 3))
    ),
    "lstm hidden one": lambda t: t.nn.LSTM(4, 3)(ones(t, 5, 2, 4), ones(t, 1, 2, 3)),
    "lstm hidden layers": lambda t: t.nn.LSTM(4, 3, num_layers=2)(
        ones(t, 5, 2, 4), (ones(t, 1, 2, 3), ones(t, 1, 2, 3))
    ),
    "lstm hidden 2d": lambda t: t.nn.LSTM(4, 3)(ones(t, 5, 2, 4), (ones(t, 2, 3), ones(t, 2, 3))),
    "gru hidden bf": lambda t: t.nn.GRU(4, 3, batch_first=True)(ones(t, 2, 5, 4), ones(t, 2, 1, 3)),
    "rnn 4d": lambda t: t.nn.RNN(4, 3)(ones(t, 5, 2, 4, 1)),
    "rnn nonlin": lambda t: t.nn.RNN(4, 3, nonlinearity="sigmoid"),
    "lstm int": lambda t: t.nn.LSTM(4, 3)(t.ones(5, 2, 4, dtype=t.int64)),
    "lstm double": lambda t: t.nn.LSTM(4, 3)(t.ones(5, 2, 4, dtype=t.float64)),
    "lstm layers 0": lambda t: t.nn.LSTM(4, 3, num_layers=0),
    "lstm hidden 0": lambda t: t.nn.LSTM(4, 0),
    "lstm dropout": lambda t: t.nn.LSTM(4, 3, 2, dropout=3),
    "lstm out tuple": lambda t: t.nn.Sequential(t.nn.LSTM(4, 3), t.nn.Linear(3, 2))(
        ones(t, 5, 2, 4)
    ),
    "lstmcell hidden": lambda t: t.nn.LSTMCell(4, 3)(ones(t, 2, 4), ones(t, 2, 3)),
    "lstmcell size": lambda t: t.nn.LSTMCell(4, 3)(ones(t, 2, 5)),
    "grucell hidden": lambda t: t.nn.GRUCell(4, 3)(ones(t, 2, 4), ones(t, 2, 4)),
    "mha heads": lambda t: t.nn.MultiheadAttention(10, 3),
    "mha embed": lambda t: t.nn.MultiheadAttention(8, 2)(
        ones(t, 5, 2, 6), ones(t, 5, 2, 6), ones(t, 5, 2, 6)
    ),
    "mha one input": lambda t: t.nn.MultiheadAttention(8, 2)(ones(t, 5, 2, 8)),
    "mha 4d": lambda t: t.nn.MultiheadAttention(8, 2)(*[ones(t, 5, 2, 8, 1)] * 3),
    "mha key batch": lambda t: t.nn.MultiheadAttention(8, 2)(
        ones(t, 5, 2, 8), ones(t, 5, 3, 8), ones(t, 5, 3, 8)
    ),
    "mha attn mask shape": lambda t: t.nn.MultiheadAttention(8, 2)(
        *[ones(t, 5, 2, 8)] * 3, attn_mask=t.zeros(4, 4)
    ),
    "mha attn mask dtype": lambda t: t.nn.MultiheadAttention(8, 2)(
        *[ones(t, 5, 2, 8)] * 3, attn_mask=t.zeros(5, 5, dtype=t.int64)
    ),
    "mha kpm shape": lambda t: t.nn.MultiheadAttention(8, 2)(
        *[ones(t, 5, 2, 8)] * 3, key_padding_mask=t.zeros(5, 2, dtype=t.bool)
    ),
    "mha kpm dtype": lambda t: t.nn.MultiheadAttention(8, 2)(
        *[ones(t, 5, 2, 8)] * 3, key_padding_mask=t.zeros(2, 5, dtype=t.int64)
    ),
    "sdpa mask and causal": lambda t: t.nn.functional.scaled_dot_product_attention(
        *[ones(t, 2, 5, 8)] * 3, attn_mask=t.zeros(5, 5), is_causal=True
    ),
    "sdpa mask dtype": lambda t: t.nn.functional.scaled_dot_product_attention(
        *[ones(t, 2, 5, 8)] * 3, attn_mask=t.zeros(5, 5, dtype=t.int64)
    ),
    "sdpa sizes": lambda t: t.nn.functional.scaled_dot_product_attention(
        ones(t, 2, 5, 8), ones(t, 2, 5, 6), ones(t, 2, 5, 6)
    ),
    "sdpa mask shape": lambda t: t.nn.functional.scaled_dot_product_attention(
        *[ones(t, 2, 5, 8)] * 3, attn_mask=t.zeros(4, 4)
    ),
    "tel heads": lambda t: t.nn.TransformerEncoderLayer(10, 3),
    "tel size": lambda t: t.nn.TransformerEncoderLayer(8, 2)(ones(t, 5, 2, 6)),
    "te layer class": lambda t: t.nn.TransformerEncoder(t.nn.TransformerEncoderLayer, 2)(
        ones(t, 5, 2, 6)
    ),
    "tel activation": lambda t: t.nn.TransformerEncoderLayer(8, 2, activation="swish"),
    "transformer batch": lambda t: t.nn.Transformer(8, 2, 1, 1, 16)(
        ones(t, 5, 2, 8), ones(t, 5, 3, 8)
    ),
    "transformer features": lambda t: t.nn.Transformer(8, 2, 1, 1, 16)(
        ones(t, 5, 2, 6), ones(t, 5, 2, 6)
    ),
    "tdl memory": lambda t: t.nn.TransformerDecoderLayer(8, 2)(ones(t, 5, 2, 8)),
    "ce float target": lambda t: t.nn.functional.cross_entropy(ones(t, 4, 3), ones(t, 4)),
    "ce onehot int": lambda t: t.nn.functional.cross_entropy(
        ones(t, 2, 3), t.tensor([[1, 0, 0], [0, 1, 0]])
    ),
    "ce n1": lambda t: t.nn.functional.cross_entropy(ones(t, 4, 3), t.zeros(4, 1, dtype=t.int64)),
    "ce from 1": lambda t: t.nn.functional.cross_entropy(ones(t, 3, 3), t.tensor([1, 2, 3])),
    "ce neg": lambda t: t.nn.functional.cross_entropy(ones(t, 3, 3), t.tensor([1, 2, -1])),
    "ce swapped2": lambda t: t.nn.functional.cross_entropy(t.tensor([0, 1]), t.tensor([0, 1])),
    "ce batch": lambda t: t.nn.functional.cross_entropy(ones(t, 4, 3), t.tensor([0, 1])),
    "ce weight": lambda t: t.nn.functional.cross_entropy(
        ones(t, 4, 3), t.tensor([0, 1, 2, 0]), weight=ones(t, 2)
    ),
    "ce weight dtype": lambda t: t.nn.functional.cross_entropy(
        ones(t, 4, 3), t.tensor([0, 1, 2, 0]), weight=t.ones(3, dtype=t.float64)
    ),
    "ce weight list": lambda t: t.nn.functional.cross_entropy(
        ones(t, 4, 3), t.tensor([0, 1, 2, 0]), weight=[1.0, 1, 1]
    ),
    "ce reduction": lambda t: t.nn.functional.cross_entropy(
        ones(t, 4, 3), t.tensor([0, 1, 2, 0]), reduction="avg"
    ),
    "ce smoothing": lambda t: t.nn.functional.cross_entropy(
        ones(t, 4, 3), t.tensor([0, 1, 2, 0]), label_smoothing=1.5
    ),
    "ce seq": lambda t: t.nn.functional.cross_entropy(
        ones(t, 2, 5, 7), t.zeros(2, 5, dtype=t.int64)
    ),
    "ce seg": lambda t: t.nn.functional.cross_entropy(
        ones(t, 2, 3, 4, 4), t.zeros(2, 1, 4, 4, dtype=t.int64)
    ),
    "ce list target": lambda t: t.nn.functional.cross_entropy(ones(t, 2, 3), [0, 1]),
    "ce argmax input": lambda t: t.nn.functional.cross_entropy(
        ones(t, 4, 3).argmax(1), t.tensor([0, 1, 2, 0])
    ),
    "ce probable shape float": lambda t: t.nn.functional.cross_entropy(
        ones(t, 2, 3), ones(t, 2, 4)
    ),
    "nll shape": lambda t: t.nn.functional.nll_loss(ones(t, 4, 3), t.zeros(4, 1, dtype=t.int64)),
    "nll range": lambda t: t.nn.functional.nll_loss(ones(t, 3, 3), t.tensor([1, 2, 3])),
    "nll float": lambda t: t.nn.functional.nll_loss(ones(t, 3, 3), ones(t, 3)),
    "nll onehot": lambda t: t.nn.functional.nll_loss(ones(t, 3, 3), t.zeros(3, 3, dtype=t.int64)),
    "mse shapes": lambda t: t.nn.functional.mse_loss(ones(t, 4, 2), ones(t, 3, 2)),
    "l1 shapes": lambda t: t.nn.functional.l1_loss(ones(t, 4, 2), ones(t, 3, 2)),
    "huber shapes": lambda t: t.nn.functional.huber_loss(ones(t, 4, 2), ones(t, 3, 2)),
    "sl1 shapes": lambda t: t.nn.functional.smooth_l1_loss(ones(t, 4, 2), ones(t, 3, 2)),
    "mse list": lambda t: t.nn.functional.mse_loss(ones(t, 2), [1.0, 2.0]),
    "mse one arg": lambda t: t.nn.MSELoss()(ones(t, 2)),
    "mse number": lambda t: t.nn.functional.mse_loss(ones(t, 2), 1.0),
    "bce range": lambda t: t.nn.functional.binary_cross_entropy(
        t.tensor([2.0, -1.0]), t.tensor([1.0, 0.0])
    ),
    "bce shape": lambda t: t.nn.functional.binary_cross_entropy(t.full((4, 1), 0.5), ones(t, 4)),
    "bcel shape": lambda t: t.nn.functional.binary_cross_entropy_with_logits(
        ones(t, 4, 1), ones(t, 4)
    ),
    "bce target range": lambda t: t.nn.functional.binary_cross_entropy(
        t.tensor([0.5, 0.5]), t.tensor([1.0, 2.0])
    ),
    "bce weight": lambda t: t.nn.functional.binary_cross_entropy(
        t.tensor([0.5, 0.5]), t.tensor([1.0, 0.0]), weight=ones(t, 3)
    ),
    "bcel pos_weight": lambda t: t.nn.functional.binary_cross_entropy_with_logits(
        ones(t, 4, 2), ones(t, 4, 2), pos_weight=ones(t, 3)
    ),
    "kl reduction": lambda t: t.nn.functional.kl_div(
        ones(t, 2, 3), ones(t, 2, 3), reduction="batch"
    ),
    "triplet margin": lambda t: t.nn.functional.triplet_margin_loss(
        ones(t, 2, 3), ones(t, 2, 3), ones(t, 2, 3), margin=-1
    ),
    "triplet shapes": lambda t: t.nn.functional.triplet_margin_loss(
        ones(t, 2, 3), ones(t, 4, 3), ones(t, 2, 3)
    ),
    "cosemb": lambda t: t.nn.functional.cosine_embedding_loss(
        ones(t, 2, 3), ones(t, 2, 3), ones(t, 3)
    ),
    "mrl": lambda t: t.nn.functional.margin_ranking_loss(ones(t, 2, 3), ones(t, 2, 3), ones(t, 3)),
    "huber delta": lambda t: t.nn.functional.huber_loss(ones(t, 2), ones(t, 2), delta=0),
    "sl1 beta": lambda t: t.nn.functional.smooth_l1_loss(ones(t, 2), ones(t, 2), beta=-1),
    "gauss var": lambda t: t.nn.functional.gaussian_nll_loss(ones(t, 2), ones(t, 2), -ones(t, 2)),
    "poisson shapes": lambda t: t.nn.functional.poisson_nll_loss(ones(t, 2), ones(t, 3)),
    "kl shapes": lambda t: t.nn.functional.kl_div(ones(t, 2, 3), ones(t, 2, 4)),
    "soft margin shapes": lambda t: t.nn.functional.soft_margin_loss(ones(t, 2), ones(t, 3)),
    "hinge shapes": lambda t: t.nn.functional.hinge_embedding_loss(ones(t, 2), ones(t, 3)),
    "softmax dim": lambda t: t.nn.functional.softmax(ones(t, 2, 3), dim=2),
    "softmax module dim": lambda t: t.nn.Softmax(dim=3)(ones(t, 2, 3)),
    "loss.backward nonscalar": lambda t: t.nn.functional.cross_entropy(
        t.ones(4, 3, requires_grad=True), t.tensor([0, 1, 2, 0]), reduction="none"
    ).backward(),
    "no args": lambda t: model(t)(),
    "Sequential list": lambda t: t.nn.Sequential([t.nn.Linear(2, 1)]),
    "Sequential function": lambda t: t.nn.Sequential(t.nn.Linear(2, 1), t.nn.functional.relu),
    "Sequential class": lambda t: t.nn.Sequential(t.nn.Linear(2, 1), t.nn.ReLU),
    "Sequential index": lambda t: t.nn.Sequential(t.nn.Linear(2, 1))[1],
    "ModuleList call": lambda t: t.nn.ModuleList([t.nn.Linear(2, 1)])(ones(t, 1, 2)),
    "ModuleList args": lambda t: t.nn.ModuleList(t.nn.Linear(2, 1)),
    "ModuleList of tensors": lambda t: t.nn.ModuleList([ones(t, 2)]),
    "ModuleDict call": lambda t: t.nn.ModuleDict({"a": t.nn.Linear(2, 1)})(ones(t, 1, 2)),
    "register_parameter tensor": lambda t: model(t).register_parameter("w", ones(t, 2)),
    "register_parameter name": lambda t: model(t).register_parameter(
        "a.w", t.nn.Parameter(ones(t, 2))
    ),
    "register_parameter exists": lambda t: model(t).register_parameter(
        "forward", t.nn.Parameter(ones(t, 2))
    ),
    "register_buffer kind": lambda t: model(t).register_buffer("w", [1.0]),
    "add_module kind": lambda t: model(t).add_module("w", t.nn.Linear),
    "assign tensor to parameter": lambda t: setattr(model(t).a, "weight", ones(t, 1, 2)),
    "assign none-module": lambda t: setattr(model(t), "a", 3),
    "Parameter int": lambda t: t.nn.Parameter(t.tensor([1, 2])),
    "get_submodule": lambda t: model(t).get_submodule("b"),
    "get_parameter": lambda t: model(t).get_parameter("a.w"),
    "train str": lambda t: model(t).train("yes"),
    "to int": lambda t: model(t).to(t.int64),
    "load strict missing": lambda t: model(t).load_state_dict({}),
    "load shapes": lambda t: t.nn.Linear(2, 1).load_state_dict(t.nn.Linear(3, 1).state_dict()),
    "load module": lambda t: t.nn.Linear(2, 1).load_state_dict(t.nn.Linear(2, 1)),
    "load path": lambda t: t.nn.Linear(2, 1).load_state_dict("model.pt"),
    "load checkpoint": lambda t: t.nn.Linear(2, 1).load_state_dict(
        {"model": t.nn.Linear(2, 1).state_dict(), "epoch": 3}
    ),
    "load none result": lambda t: t.nn.Linear(2, 1).load_state_dict(None),
    "load unexpected": lambda t: t.nn.Linear(2, 1, bias=False).load_state_dict(
        t.nn.Linear(2, 1).state_dict()
    ),
    "load non tensor": lambda t: t.nn.Linear(2, 1).load_state_dict(
        {"weight": [[1.0, 2.0]], "bias": [0.0]}
    ),
    "load numpy": lambda t: t.nn.Linear(2, 1).load_state_dict(
        {"weight": np.ones((1, 2)), "bias": np.ones(1)}
    ),
    "dl no getitem": lambda t: batch(t, NoItems()),
    "dl no len": lambda t: batch(t, NoLength(), shuffle=True),
    "dl no len seq": lambda t: batch(t, NoLength()),
    "dl batch 0": lambda t: batch(t, Rows([1, 2]), batch_size=0),
    "dl batch float": lambda t: batch(t, Rows([1, 2]), batch_size=2.0),
    "dl batch neg": lambda t: batch(t, Rows([1, 2]), batch_size=-1),
    "dl shuffle sampler": lambda t: batch(
        t, Rows([1, 2]), shuffle=True, sampler=t.utils.data.SequentialSampler(Rows([1, 2]))
    ),
    "dl batch_sampler": lambda t: batch(t, Rows([1, 2]), batch_size=2, batch_sampler=[[0], [1]]),
    "dl shapes": lambda t: batch(t, Rows([ones(t, 3), ones(t, 4)]), batch_size=2),
    "dl shapes tuple": lambda t: batch(t, Rows([(ones(t, 3), 0), (ones(t, 4), 1)]), batch_size=2),
    "dl None": lambda t: batch(t, Rows([None, None]), batch_size=2),
    "dl some None": lambda t: batch(t, Rows([1, None]), batch_size=2),
    "dl lengths": lambda t: batch(t, Rows([(1, 2), (1, 2, 3)]), batch_size=2),
    "dl keys": lambda t: batch(t, Rows([{"a": 1}, {"b": 1}]), batch_size=2),
    "dl object": lambda t: batch(t, Rows([object(), object()]), batch_size=2),
    "dl workers neg": lambda t: batch(t, Rows([1, 2]), num_workers=-1),
    "dl empty shuffle": lambda t: batch(t, Rows([]), shuffle=True),
    "dl class": lambda t: batch(t, Rows),
    "dl drop_last prefetch": lambda t: batch(t, Rows([1]), prefetch_factor=2),
    "td sizes": lambda t: t.utils.data.TensorDataset(ones(t, 3), ones(t, 4)),
    "td range": lambda t: t.utils.data.TensorDataset(ones(t, 3))[3],
    "split sum": lambda t: t.utils.data.random_split(Rows([1, 2, 3]), [1, 1]),
    "split frac": lambda t: t.utils.data.random_split(Rows([1, 2, 3]), [0.5, 0.6]),
    "concat empty": lambda t: t.utils.data.ConcatDataset([]),
    "concat range": lambda t: t.utils.data.ConcatDataset([Rows([1])])[4],
    "dataset abstract": lambda t: t.utils.data.Dataset()[0],
    "wrs num": lambda t: t.utils.data.WeightedRandomSampler([1.0, 1.0], 0),
    "wrs replacement": lambda t: list(
        t.utils.data.WeightedRandomSampler([1.0, 1.0], 3, replacement=False)
    ),
    "rs num": lambda t: t.utils.data.RandomSampler(Rows([1, 2]), num_samples=0),
    "bs size": lambda t: t.utils.data.BatchSampler([0, 1], 0, False),
    "collate empty": lambda t: t.utils.data.default_collate([]),
}


class Outside:
    """The library, whose layers are made outside of the graph as a learner makes them."""

    def __init__(self, room: Any) -> None:
        self.room = room

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.room, name)
        if name in ("nn", "optim"):
            return Outside(found)
        if isinstance(found, type) and issubclass(found, nn.Module) and name != "Module":
            return lambda *args, **kwargs: Context().run(found, *args, **kwargs)
        return found


# A graph does not know the values, or says Symbol where the other mode says Tensor.
OTHER_WORDS = (
    "linear tensor as arg|mse one arg|ModuleList of tensors|onehot few|onehot neg|onehot 0|"
    "gauss var|mha one input|tdl memory|no argument|one argument too many|Sequential class|"
    "add_module kind|keys of DataParallel|register_parameter tensor|assign tensor to parameter|"
    "Parameter int|lstm hidden one|lstmcell hidden|te layer class|register_parameter name|"
    "register_parameter exists"
).split("|")

# What is about data that a graph does not see, or is not computed there.
NOT_TRACED = ("dl ", "td ", "split", "subset", "concat", "dataset", "wrs", "rs ", "bs ", "collate")


GOLDEN = Golden("layers", MISTAKES)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, oracle: Any) -> None:
    call = MISTAKES[name]
    kind = oracle.error(call)
    with pytest.raises(kind) as eager:
        call(lab)
    GOLDEN.check(name, eager.value)
    assert isinstance(eager.value, (lab.LabError, NotImplementedError))
    if not name.startswith(NOT_TRACED) and name not in OTHER_WORDS:
        with pytest.raises(kind) as graph:
            lab.compile(lambda: call(Outside(lab)))()
        GOLDEN.check(name, graph.value)


def test_golden_texts_are_those_of_mistakes() -> None:
    GOLDEN.complete()


def test_the_sample_that_fails_is_named(oracle: Any) -> None:
    class Short:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> int:
            return [1, 2][index]

    for workers in (0, 1):
        with pytest.raises(oracle.error(lambda torch: batch(torch, Short(), batch_size=3))) as told:
            batch(lab, Short(), batch_size=3, num_workers=workers)
        assert told.value.__notes__ == ["DataLoader asked Short for sample 2 of 3"]
        assert told.traceback[-1].name == "__getitem__"  # the line in the dataset is kept


def test_files_that_cannot_be(tmp_path: Path) -> None:
    state, path = {"w": lab.ones(100)}, tmp_path / "w.safetensors"
    with pytest.raises(FileNotFoundError, match="make it first: Path"):
        lab.save(state, tmp_path / "no" / "w.safetensors")
    with pytest.raises(IsADirectoryError, match="expected the name of a file in it"):
        lab.save(state, tmp_path)
    with pytest.raises(AttributeError, match=r"the order is save\(what, where\)"):
        lab.save(path, state)
    with pytest.raises(TypeError, match="save: f is function"):
        lab.save({"f": lambda x: x}, path)
    assert not list(tmp_path.iterdir())
    lab.save(state, path)
    with pytest.raises(FileNotFoundError, match=r"files there  w\.safetensors"):
        lab.load(tmp_path / "v.safetensors")
    with pytest.raises(IsADirectoryError, match="expected a file in it"):
        lab.load(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RuntimeError, match="it may have been cut short"):
        lab.load(path)
    path.write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(RuntimeError, match=r"safetensors\.torch\.save_file"):
        lab.load(path)


def test_equal_layers_print_as_one_line(oracle: Any) -> None:
    def run(t: Any) -> Any:
        block = lambda: t.nn.Sequential(t.nn.Linear(2, 2), t.nn.ReLU())  # noqa: E731
        layers = [t.nn.Linear(2, 2), t.nn.Linear(2, 2), t.nn.ReLU(), block(), block(), block()]
        return [repr(t.nn.ModuleList(layers)), repr(t.nn.Sequential(*layers))]

    ours, theirs = oracle.both(run)
    assert ours == theirs
