"""Names and forms of tutorials beside the ops: older constructors, switches, NumPy's words."""

from __future__ import annotations

import copy
import importlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab

X = [[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]]


def called(t: Any) -> Any:
    """A step of an inner optimisation, and the gradient through it."""
    t.manual_seed(0)
    net = t.nn.Sequential(t.nn.Linear(3, 2), t.nn.Tanh(), t.nn.Linear(2, 1))
    parts = dict(net.named_parameters())
    loss = net(t.tensor(X) * 2).sum() + parts["0.weight"].square().sum()
    slopes = t.autograd.grad(loss, list(parts.values()), create_graph=True)
    moved = {name: p - 0.1 * g for (name, p), g in zip(parts.items(), slopes, strict=True)}
    out = t.func.functional_call(net, moved, (t.tensor(X),))
    out.square().sum().backward()
    return [out, net[0].weight.grad, isinstance(net[0].weight, t.nn.Parameter)]


ASKED: dict[str, Any] = {
    "sizes": lambda t: [list(t.Tensor(2, 3).shape), list(t.FloatTensor(2).shape), t.Tensor().shape],
    "entries": lambda t: [t.Tensor([1, 2]), t.LongTensor([1.7, 2]), t.BoolTensor([0, 2])],
    "of a shape": lambda t: list(t.IntTensor(t.zeros(2, 3).shape).shape),
    "to a type": lambda t: t.tensor([1.5]).type(t.LongTensor),
    "to a type's name": lambda t: t.tensor([1.5]).type("torch.IntTensor"),
    "is a": lambda t: [
        isinstance(t.ones(1), t.FloatTensor),
        isinstance(t.ones(1), t.LongTensor),
        isinstance(t.nn.Parameter(t.ones(1)), t.autograd.Variable),
    ],
    "new": lambda t: [list(t.ones(1).new(2, 3).shape), t.ones(1).new([1, 2])],
    "limits": lambda t: [
        t.finfo(t.float32).eps, t.finfo(t.float64).max, t.finfo(t.float16).tiny,
        t.finfo().bits, t.iinfo(t.uint8).max, t.iinfo(t.int64).min,
    ],
    "constants": lambda t: [t.inf, t.pi, t.e, str(t.nan), t.ones(2)[:, t.newaxis]],
    "result_type": lambda t: [
        t.result_type(t.tensor([1]), 1.0), t.result_type(t.tensor([1.0]), 2),
        t.result_type(True, t.tensor([1])), t.result_type(t.tensor(1.0), t.tensor([1])),
        t.result_type(1, 2.0), t.promote_types(t.int8, t.uint8),
    ],
    "numel": lambda t: [
        t.numel(t.ones(2, 3)), t.is_floating_point(t.ones(1)), t.is_nonzero(t.ones(1)),
    ],
    "stride": lambda t: [
        list(t.ones(2, 3).stride()), t.ones(2, 3).t().stride(0), t.ones(4)[1:].storage_offset()
    ],
    "format": lambda t: [
        f"{t.tensor(1.5)} {t.tensor(2)} {t.tensor(2.25):.1f} {t.ones(2)}",
        f"{t.tensor(1.5, requires_grad=True)}",
    ],
    "keepdims": lambda t: [
        getattr(t.tensor(X), name)(1, keepdims=True) for name in ("sum", "mean", "var", "amax")
    ] + [t.tensor(X).max(1, keepdims=True).values, t.std(t.tensor(X), 0, keepdims=True)],
    "where of numbers": lambda t: [
        t.where(t.tensor(X) > 0, 1.0, 0), t.where(t.tensor(X) > 0, 1, 0),
        t.where(t.tensor(X) > 0, True, False),
    ],
    "inner": lambda t: [
        t.inner(t.tensor(X), t.tensor([1.0, 2.0, 3.0])), t.inner(t.tensor(X), t.tensor(2.0)),
        t.tensor(X).inner(t.ones(2, 4, 3)),
    ],
    "cross": lambda t: [
        t.cross(t.tensor(X), t.tensor([[1.0, 0.0, 2.0]]), dim=1),
        t.tensor(X).T.cross(t.ones(3, 1), dim=0),
    ],
    "cdist": lambda t: [
        t.cdist(t.tensor(X), t.tensor(X)), t.cdist(t.tensor(X), t.ones(4, 2, 3), p=1),
    ],
    "size by name": lambda t: [
        list(getattr(t, name)(size=(2, 3)).shape) for name in ("rand", "randn", "zeros", "ones")
    ] + [t.full(size=(2,), fill_value=7), list(t.randint(low=0, high=3, size=(2,)).shape)],
    "variable": lambda t: t.autograd.Variable(t.ones(2), requires_grad=True).requires_grad,
    "relu in place": lambda t: t.nn.functional.relu(t.tensor(X), inplace=True),
    "conv2d": lambda t: t.conv2d(t.ones(1, 1, 3, 3), t.ones(1, 1, 2, 2)),
    "to": lambda t: [
        t.ones(1).to("cpu", non_blocking=True), t.ones(1).numpy(force=True),
        t.ones(1).get_device(), t.ones(1).is_cpu,
    ],
    "device": lambda t: [str(t.device("cuda", 0)), str(t.device(type="cpu"))],
    "fill_diagonal_": lambda t: [
        t.zeros(2, 3).fill_diagonal_(5), t.zeros(2, 2, 2).fill_diagonal_(1.5),
    ],
    "tensor of ranges": lambda t: [t.tensor(range(3)), t.tensor([range(2), range(2)])],
    "functional_call": lambda t: called(t),
    "set_default_tensor_type": lambda t: [
        t.set_default_tensor_type(t.DoubleTensor), t.ones(1),
        t.set_default_tensor_type("torch.FloatTensor"), t.ones(1),
    ],
    "reversed": lambda t: [int(x) for x in reversed(t.arange(3))],
    "switches": lambda t: [
        t.are_deterministic_algorithms_enabled(), t.get_float32_matmul_precision(),
    ],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ASKED)
def test_as_in_pytorch(name: str, oracle: Any) -> None:
    ours, theirs = oracle.both(ASKED[name])
    same(ours, theirs)


def same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    else:
        assert ours == theirs


@pytest.mark.parametrize("name", ["inner", "cross", "cdist"])
def test_gradients(name: str) -> None:
    generator = lab.Generator().manual_seed(1)
    x, y = (lab.randn(n, 3, dtype=lab.float64, generator=generator) for n in (2, 2))
    function = getattr(lab, name)
    x, y = x.requires_grad_(), y.requires_grad_()
    assert lab.autograd.gradcheck(function, (x, y))
    assert lab.autograd.gradgradcheck(function, (x, y))
    compiled = lab.compile(function)
    np.testing.assert_array_equal(compiled(x, y).detach(), function(x, y).detach())


MISTAKES: dict[str, Any] = {
    "negative size": lambda t: t.Tensor(-1),
    "size and list": lambda t: t.Tensor(2, [3]),
    "fill_diagonal_": lambda t: t.ones(2).fill_diagonal_(1),
    "finfo of int": lambda t: t.finfo(t.int64),
    "inner": lambda t: t.inner(t.ones(2), t.ones(3)),
    "cross": lambda t: t.cross(t.ones(2), t.ones(2), dim=0),
    "cdist": lambda t: t.cdist(t.ones(2, 3), t.ones(2, 4)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_errors_are_of_pytorchs_class(name: str, oracle: Any) -> None:
    with pytest.raises(oracle.error(MISTAKES[name])) as caught:
        MISTAKES[name](lab)
    assert "expected" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    "nn.functional nn.init nn.utils.rnn nn.parameter nn.parallel optim.lr_scheduler utils.data "
    "utils.data.dataloader distributions autograd.functional func cuda cuda.amp amp linalg "
    "backends.cudnn backends.mps vision.datasets vision.transforms".split(),
)
def test_modules_can_be_imported(name: str) -> None:
    assert importlib.import_module(f"minitorch_lab.{name}").__doc__


def test_tensors_pickle_and_copy() -> None:
    p = lab.nn.Parameter(lab.tensor(X))
    again = pickle.loads(pickle.dumps(p))  # noqa: S301  our own bytes
    assert type(again) is lab.nn.Parameter
    assert again.requires_grad
    assert again.tolist() == X
    assert copy.deepcopy(p).tolist() == X
    with pytest.raises(lab.GradError, match="detach"):
        pickle.dumps(p * 2)


def test_save_and_load_open_files(tmp_path: Path) -> None:
    file = io.BytesIO()
    lab.save({"x": lab.tensor(X), "epoch": 3}, file)
    file.seek(0)
    assert lab.load(file, weights_only=True)["epoch"] == 3
    with open(tmp_path / "x", "wb") as out:
        lab.save(lab.ones(2), out)
    assert lab.load(tmp_path / "x").tolist() == [1, 1]


def test_printoptions() -> None:
    x = lab.tensor([1e-6, 1.0])
    try:
        lab.set_printoptions(precision=2, sci_mode=False)
        assert repr(x) == "tensor([0.00, 1.00])"
        lab.set_printoptions(profile="short", threshold=4, edgeitems=1)
        assert repr(lab.arange(8)) == "tensor([0,  ..., 7])"
        with pytest.raises(lab.ArgumentError, match="short"):
            lab.set_printoptions(profile="long")
    finally:
        lab.set_printoptions(profile="default")
    assert repr(x) == "tensor([1.0000e-06, 1.0000e+00])"


def test_data_parallel_calls_its_module() -> None:
    inside = lab.nn.Linear(2, 2)
    around = lab.nn.DataParallel(inside, device_ids=[0])
    x = lab.ones(1, 2)
    assert around(x).tolist() == inside(x).tolist()
    assert list(around.state_dict()) == ["module.weight", "module.bias"]


def test_gumbel_softmax(oracle: Any) -> None:
    def run(t: Any) -> Any:
        t.manual_seed(1)
        x = t.tensor(X, requires_grad=True)
        soft = t.nn.functional.gumbel_softmax(x, 0.7)
        hard = t.nn.functional.gumbel_softmax(x, tau=0.5, hard=True, dim=0)
        (soft[0, 0] + hard[0, 1]).backward()
        return [soft, hard, x.grad]

    ours, theirs = oracle.both(run)
    same(ours, theirs)
    compiled = lab.compile(lab.nn.functional.gumbel_softmax)
    lab.manual_seed(2)
    draws = [compiled(lab.tensor(X)) for _ in range(2)]
    lab.manual_seed(2)
    for draw in draws:
        np.testing.assert_array_equal(draw, lab.nn.functional.gumbel_softmax(lab.tensor(X)))


def test_functional_call_names_what_is_missing() -> None:
    net = lab.nn.Linear(1, 1)
    weight = net.weight
    with pytest.raises(KeyError, match="weigth"):
        lab.func.functional_call(net, {"bias": lab.ones(1), "weigth": lab.ones(1, 1)}, lab.ones(1))
    with pytest.raises(lab.ShapeError):
        lab.func.functional_call(net, {"weight": lab.ones(3, 3)}, lab.ones(1))
    assert net.weight is weight
