"""Layers, losses and functions of networks, against PyTorch and against numbers worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import digest, plain

import minitorch_lab as lab
from minitorch_lab import nn
from minitorch_lab.autograd import gradcheck, gradgradcheck

F = nn.functional


def draw(*shape: int, seed: int = 0, dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def both(oracle: Any, call: Any, arrays: list[np.ndarray], dtype: str) -> None:
    """Value and gradients of ``call(library, *tensors)`` are equal in both libraries."""

    def run(t: Any) -> Any:
        xs = [t.tensor(a.astype(dtype) if a.dtype.kind == "f" else a) for a in arrays]
        for x, a in zip(xs, arrays, strict=True):
            x.requires_grad_(a.dtype.kind == "f")
        y = call(t, *xs)
        weight = np.cos(np.arange(int(np.prod(y.shape)))).reshape(tuple(y.shape)).astype(dtype)
        (y * t.tensor(weight)).sum().backward()
        return y, [x.grad for x in xs]

    (value, gradients), (their_value, theirs) = oracle.both(run, dtype)
    assert (value.dtype, value.shape) == (their_value.dtype, their_value.shape)
    rtol = 1e-5 if dtype == "float32" else 1e-9
    np.testing.assert_allclose(value, their_value, rtol=rtol, atol=rtol)
    for a, b in zip(gradients, theirs, strict=True):
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1, float(np.abs(b).max())))


def second(call: Any, *arrays: np.ndarray) -> None:
    """First and second gradients agree with differences, and graph mode with eager mode."""
    xs = [lab.tensor(a) for a in arrays]
    for x, a in zip(xs, arrays, strict=True):
        x.requires_grad_(a.dtype.kind == "f")
    assert gradcheck(call, xs)
    assert gradgradcheck(call, xs)
    plain = [x.detach() for x in xs]
    np.testing.assert_allclose(
        lab.compile(call)(*plain).numpy(), call(*plain).numpy(), rtol=1e-9, atol=1e-12
    )


# Activations ---------------------------------------------------------------------------------

ACTIVATIONS: dict[str, Any] = {
    "leaky_relu": lambda t, x: t.nn.functional.leaky_relu(x, 0.2),
    "elu": lambda t, x: t.nn.functional.elu(x, 0.5) + t.nn.ELU()(x),
    "gelu": lambda t, x: t.nn.functional.gelu(x) + t.nn.GELU()(x),
    "gelu tanh": lambda t, x: t.nn.functional.gelu(x, approximate="tanh"),
    "silu": lambda t, x: t.nn.functional.silu(x) * t.nn.SiLU()(x),
    "softplus": lambda t, x: t.nn.functional.softplus(x, beta=2, threshold=3),
    "softplus large": lambda t, x: t.nn.Softplus()(x * 100),
    "logsigmoid": lambda t, x: t.nn.functional.logsigmoid(x * 50),
    "glu": lambda t, x: t.nn.functional.glu(x, 1) + t.nn.GLU()(x),
    "hardtanh": lambda t, x: t.nn.functional.hardtanh(x, -0.5, 0.7) + t.nn.Hardtanh()(x),
    "relu6": lambda t, x: t.nn.ReLU6()(x * 5),
    "softmax": lambda t, x: t.nn.Softmax(dim=1)(x) + t.nn.LogSoftmax(-1)(x),
    "leaky module": lambda t, x: t.nn.LeakyReLU(0.3, inplace=False)(x),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_pytorchs(oracle: Any, name: str, dtype: str) -> None:
    both(oracle, ACTIVATIONS[name], [draw(3, 4)], dtype)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_second_gradient(name: str) -> None:
    second(lambda x: ACTIVATIONS[name](lab, x), draw(3, 4, seed=5) * 0.3 + 0.02)


def test_activations_by_hand() -> None:
    x = lab.tensor([-2.0, 0.0, 3.0])
    assert F.leaky_relu(x, 0.25).tolist() == [-0.5, 0, 3]
    assert F.hardtanh(x).tolist() == [-1, 0, 1]
    assert F.relu6(x * 3).tolist() == [0, 0, 6]
    np.testing.assert_allclose(F.elu(x).numpy(), [np.exp(-2) - 1, 0, 3], rtol=1e-6)
    np.testing.assert_allclose(F.softplus(x).numpy(), np.log1p(np.exp([-2.0, 0, 3])), rtol=1e-6)
    far = lab.tensor([-200.0, 200.0], requires_grad=True)
    F.logsigmoid(far).sum().backward()
    assert F.logsigmoid(far).tolist() == [-200, 0]
    assert far.grad.tolist() == [1, 0]


def test_activation_errors() -> None:
    with pytest.raises(lab.ShapeError, match=r"expected an even size in dimension -1, got 3"):
        F.glu(lab.ones(2, 3))
    with pytest.raises(ValueError, match="expected 'none' or 'tanh'"):
        F.gelu(lab.ones(2), "fast")
    with pytest.raises(ValueError, match="larger than max_val"):
        F.hardtanh(lab.ones(2), 1, 0)


def test_activation_modules_print_as_pytorchs(oracle: Any) -> None:
    makes = (
        lambda n: n.ReLU(inplace=True),
        lambda n: n.LeakyReLU(0.2, True),
        lambda n: n.ELU(),
        lambda n: n.GELU(),
        lambda n: n.SiLU(),
        lambda n: n.Softplus(),
        lambda n: n.GLU(),
        lambda n: n.Hardtanh(),
        lambda n: n.ReLU6(),
        lambda n: n.Softmax(dim=1),
        lambda n: n.LogSoftmax(dim=1),
        lambda n: n.LogSigmoid(),
    )
    ours, theirs = oracle.both(lambda t: [repr(make(t.nn)) for make in makes])
    assert ours == theirs


# Losses --------------------------------------------------------------------------------------

X, T = draw(4, 3), draw(4, 3, seed=1)
PROBABILITIES = 1 / (1 + np.exp(-X))
SHARES = np.exp(T) / np.exp(T).sum(1, keepdims=True)
LOSSES: dict[str, tuple[Any, list[np.ndarray]]] = {
    "mse": (lambda f, x, t, **k: f.mse_loss(x, t, **k), [X, T]),
    "l1": (lambda f, x, t, **k: f.l1_loss(x, t, **k), [X, T]),
    "smooth l1": (lambda f, x, t, **k: f.smooth_l1_loss(x, t, beta=0.4, **k), [X, T]),
    "smooth l1 0": (lambda f, x, t, **k: f.smooth_l1_loss(x, t, beta=0.0, **k), [X, T]),
    "huber": (lambda f, x, t, **k: f.huber_loss(x, t, delta=0.7, **k), [X, T]),
    "bce": (lambda f, x, t, **k: f.binary_cross_entropy(x, t, **k), [PROBABILITIES, SHARES]),
    "bce weight": (
        lambda f, x, t, w, **k: f.binary_cross_entropy(x, t, w.detach(), **k),
        [PROBABILITIES, (T > 0).astype("float64"), np.array([1.0, 2, 3])],
    ),
    "bce logits": (
        lambda f, x, t, **k: f.binary_cross_entropy_with_logits(x * 30, t, **k),
        [X, SHARES],
    ),
    "bce logits weights": (
        lambda f, x, t, w, p, **k: f.binary_cross_entropy_with_logits(
            x, t, w.detach(), pos_weight=p.detach(), **k
        ),
        [X, SHARES, np.array([1.0, 2, 3]), np.array([0.5, 1, 4])],
    ),
    "kl": (lambda f, x, t, **k: f.kl_div(x.log_softmax(1), t, **k), [X, SHARES]),
    "kl log": (
        lambda f, x, t, **k: f.kl_div(x.log_softmax(1), t, log_target=True, **k),
        [X, np.log(SHARES)],
    ),
}
CLASSES = np.array([2, 0, 1, 2])
DEEP, DEEP_CLASSES = draw(2, 3, 4, 2), np.array([0, 1, 2, -100] * 4).reshape(2, 4, 2)
W = np.array([0.5, 2.0, 1.0])
for _name in ("cross_entropy", "nll_loss"):

    def _make(name: str) -> dict[str, tuple[Any, list[np.ndarray]]]:
        def call(f: Any, x: Any, *rest: Any, **k: Any) -> Any:
            logs = x.log_softmax(-1 if x.ndim == 1 else 1)
            return getattr(f, name)(logs if name == "nll_loss" else x, *rest, **k)

        return {
            name: (call, [X, CLASSES]),
            f"{name} ignored": (call, [X, np.array([2, -100, 1, -100])]),
            f"{name} ignore 1": (
                lambda f, x, t, **k: call(f, x, t, ignore_index=1, **k),
                [X, CLASSES],
            ),
            f"{name} weight": (
                lambda f, x, t, **k: call(f, x, t, x.detach()[0].abs() + 0.5, **k),
                [X, CLASSES],
            ),
            f"{name} deep": (call, [DEEP, DEEP_CLASSES]),
            f"{name} single": (call, [X[0], np.array(1)]),
        }

    LOSSES |= _make(_name)
LOSSES |= {
    "smoothing": (
        lambda f, x, t, **k: f.cross_entropy(x, t, label_smoothing=0.1, **k),
        [X, CLASSES],
    ),
    "smoothing weight ignored": (
        lambda f, x, t, **k: f.cross_entropy(
            x, t, x.detach()[0, :, 0, 0].abs(), label_smoothing=0.3, **k
        ),
        [DEEP, DEEP_CLASSES],
    ),
    "probabilities": (lambda f, x, t, **k: f.cross_entropy(x, t, **k), [X, SHARES]),
    "probabilities weight smoothing": (
        lambda f, x, t, **k: f.cross_entropy(x, t, x.detach()[0].abs(), label_smoothing=0.2, **k),
        [X, SHARES],
    ),
    "probabilities deep": (
        lambda f, x, t, **k: f.cross_entropy(x, t.softmax(1), **k),
        [DEEP, draw(2, 3, 4, 2, seed=4)],
    ),
}


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")  # PyTorch's, about kl_div
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_is_pytorchs(oracle: Any, name: str, reduction: str) -> None:
    call, arrays = LOSSES[name]
    for dtype in ("float32", "float64"):
        both(oracle, lambda t, *xs: call(t.nn.functional, *xs, reduction=reduction), arrays, dtype)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_second_gradient(name: str) -> None:
    if name == "probabilities weight smoothing" or "weight" in name:
        pytest.skip("the weight in this sample is a detached copy of the input")
    call, arrays = LOSSES[name]
    fixed = {i: a for i, a in enumerate(arrays) if a.dtype.kind != "f"}
    free = [a for a in arrays if a.dtype.kind == "f"]

    def function(*xs: Any) -> Any:
        rest = iter(xs)
        full = [lab.tensor(fixed[i]) if i in fixed else next(rest) for i in range(len(arrays))]
        return call(F, *full, reduction="sum")

    xs = [lab.tensor(a, requires_grad=True) for a in free]
    assert gradcheck(function, xs)
    assert gradgradcheck(function, xs)
    if name not in ("cross_entropy ignored",):
        plain = [x.detach() for x in xs]
        np.testing.assert_allclose(
            lab.compile(function)(*plain).numpy(), function(*plain).numpy(), rtol=1e-9
        )


def test_losses_by_hand() -> None:
    x, t = lab.tensor([0.0, 3.0]), lab.tensor([0.5, 0.0])
    assert F.l1_loss(x, t).item() == 1.75
    assert F.huber_loss(x, t, "none").tolist() == [0.125, 2.5]
    assert F.smooth_l1_loss(x, t, reduction="sum").item() == 2.625
    assert F.nll_loss(lab.tensor([[-1.0, -2.0]]), lab.tensor([1])).item() == 2
    assert F.binary_cross_entropy(lab.tensor([1.0, 0.0]), lab.tensor([1.0, 1.0])).item() == 50
    far = F.binary_cross_entropy_with_logits(lab.tensor([-500.0]), lab.tensor([1.0]))
    assert far.item() == 500
    half = lab.tensor([[0.5, 0.5]])
    assert F.kl_div(half.log(), half, reduction="batchmean").item() == 0
    ignored = F.cross_entropy(lab.zeros(3, 2), lab.tensor([0, -100, 1]))
    np.testing.assert_allclose(ignored.item(), np.log(2), rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: n.MSELoss(reduction="sum"),
        lambda n: n.L1Loss(reduction="none"),
        lambda n: n.SmoothL1Loss(beta=0.5),
        lambda n: n.HuberLoss(delta=0.5),
        lambda n: n.BCEWithLogitsLoss(),
        lambda n: n.KLDivLoss(reduction="batchmean"),
    ],
)
def test_loss_modules(oracle: Any, make: Any) -> None:
    both(oracle, lambda t, x, y: make(t.nn)(x, y), [X, SHARES], "float32")
    assert repr(make(nn)) == oracle(lambda torch: repr(make(torch.nn)), "repr")


def test_class_loss_modules(oracle: Any) -> None:
    def call(t: Any, x: Any, c: Any) -> Any:
        w = t.tensor([0.5, 2.0, 1.0])
        one = t.nn.CrossEntropyLoss(weight=w, label_smoothing=0.1, ignore_index=0)
        assert list(one.state_dict()) == ["weight"]
        return one(x, c) + t.nn.NLLLoss(w)(x, c) + t.nn.CrossEntropyLoss()(x, c)

    both(oracle, call, [X, CLASSES], "float32")


def test_old_words_for_the_reduction() -> None:
    x, t = lab.tensor([1.0, 2.0]), lab.zeros(2)
    assert F.mse_loss(x, t, False).item() == 5
    assert F.mse_loss(x, t, reduce=False).tolist() == [1, 4]
    assert nn.L1Loss(size_average=True)(x, t).item() == 1.5


def test_loss_errors() -> None:
    with pytest.raises(ValueError, match="expected 'mean', 'sum' or 'none'"):
        F.l1_loss(lab.ones(2), lab.ones(2), reduction="avg")
    with pytest.raises(RuntimeError, match=r"reshape the target to \(2, 1\)"):
        F.soft_margin_loss(lab.ones(2, 1), lab.ones(2))
    with pytest.raises(ValueError, match="input and target differ in shape"):
        F.binary_cross_entropy(lab.ones(2, 1), lab.ones(2))
    with pytest.raises(RuntimeError, match="apply sigmoid first"):
        F.binary_cross_entropy(lab.tensor([1.5]), lab.ones(1))
    with pytest.raises(RuntimeError, match="one number for each of the 3 classes"):
        F.cross_entropy(lab.ones(2, 3), lab.tensor([0, 1]), lab.ones(2))
    with pytest.raises(IndexError, match="expected entries from 0 to 2, got 3"):
        F.nll_loss(lab.ones(2, 3), lab.tensor([0, 3]))
    with pytest.raises(IndexError, match="expected entries from 0 to 2, got -1"):
        F.cross_entropy(lab.ones(2, 3), lab.tensor([0, -1]))
    with pytest.raises(RuntimeError, match=r"expected input \(N, C, ...\)"):
        F.nll_loss(lab.ones(2, 3, 4), lab.tensor([0, 1]))


# Normalisation -------------------------------------------------------------------------------

PICTURES, FOUR = draw(3, 4, 2, 3), draw(4, seed=2) + 2
NORMS: dict[str, tuple[Any, list[np.ndarray]]] = {
    "batch": (lambda f, x, w, b: f.batch_norm(x, None, None, w, b, True), [PICTURES, FOUR, FOUR]),
    "batch flat": (lambda f, x: f.batch_norm(x, None, None, training=True, eps=0.1), [X]),
    "batch eval": (
        lambda f, x, w, b: f.batch_norm(x, b.detach(), w.detach() ** 2, w, b),
        [PICTURES, FOUR, FOUR],
    ),
    "layer": (lambda f, x, w, b: f.layer_norm(x, (3,), w, b), [X, FOUR[:3], FOUR[1:]]),
    "layer two": (lambda f, x, w: f.layer_norm(x, [2, 3], w, eps=0.1), [PICTURES, T[:2]]),
    "layer plain": (lambda f, x: f.layer_norm(x, x.shape), [X]),
    "layer bias": (lambda f, x, b: f.layer_norm(x, [3], None, b), [X, FOUR[:3]]),
    "group": (lambda f, x, w, b: f.group_norm(x, 2, w, b), [PICTURES, FOUR, FOUR]),
    "instance": (
        lambda f, x, w, b: f.instance_norm(x, weight=w, bias=b),
        [PICTURES, FOUR, FOUR],
    ),
    "rms": (lambda f, x, w: f.rms_norm(x, (3,), w), [X, FOUR[:3]]),
    "rms eps": (lambda f, x: f.rms_norm(x, (2, 3), eps=0.01), [PICTURES]),
    "normalize": (lambda f, x: f.normalize(x), [X]),
    "normalize 1": (lambda f, x: f.normalize(x, p=1, dim=0), [X]),
    "normalize 3": (lambda f, x: f.normalize(x, 3.0, dim=-1), [X]),
    "normalize inf": (lambda f, x: f.normalize(x, float("inf"), dim=-1), [X]),
    "normalize zero": (lambda f, x: f.normalize(x * 0), [X]),
    "cosine": (lambda f, x, y: f.cosine_similarity(x, y), [X, T]),
    "cosine dim": (lambda f, x, y: f.cosine_similarity(x, y, dim=0, eps=1e-6), [X, T[:1]]),
}


@pytest.mark.parametrize("name", NORMS)
def test_normalisation_is_pytorchs(oracle: Any, name: str) -> None:
    call, arrays = NORMS[name]
    for dtype in ("float32", "float64"):
        both(oracle, lambda t, *xs: call(t.nn.functional, *xs), arrays, dtype)


@pytest.mark.parametrize("name", [n for n in NORMS if n not in ("batch eval", "normalize zero")])
def test_normalisation_second_gradient(name: str) -> None:
    call, arrays = NORMS[name]
    second(lambda *xs: call(F, *xs), *arrays)


def test_normalisation_by_hand() -> None:
    x = lab.tensor([[1.0, 10.0], [3.0, 30.0]])
    mean, var = lab.zeros(2), lab.ones(2)
    out = F.batch_norm(x, mean, var, training=True, momentum=0.5, eps=0.0)
    assert out.tolist() == [[-1, -1], [1, 1]]
    assert mean.tolist() == [1, 10]
    assert var.tolist() == [1.5, 100.5]  # half of 1 and half of the variance over n - 1
    assert F.rms_norm(lab.tensor([3.0, -3.0]), 2, eps=0.0).tolist() == [1, -1]
    assert F.cosine_similarity(x[:1], x[:1] * -2).tolist() == [-1]


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("kind", ["BatchNorm1d", "BatchNorm2d"])
def test_running_statistics(oracle: Any, kind: str, momentum: float | None) -> None:
    shape = (4, 3) if kind == "BatchNorm1d" else (4, 3, 2, 2)
    graph = getattr(nn, kind)(3, momentum=momentum)
    step = lab.compile(lambda x: graph(x))
    data = [(draw(*shape, seed=k) * 3 + 1).astype("float32") for k in range(3)]

    def run(t: Any) -> Any:
        module = getattr(t.nn, kind)(3, momentum=momentum)
        made = [module(t.tensor(x)) for x in data]
        return made, module.state_dict(), module.eval()(t.tensor(data[-1]))

    compiled = [step(lab.tensor(x)).detach().numpy() for x in data]
    (values, state, after), (their_values, their_state, their_after) = oracle.both(run)
    np.testing.assert_allclose(values, their_values, 1e-5, 1e-5)
    np.testing.assert_allclose(compiled, their_values, 1e-5, 1e-5)
    for found in (state, plain(graph.state_dict())):
        assert list(found) == list(their_state)
        for name, value in their_state.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-5)
            assert found[name].dtype == value.dtype
    np.testing.assert_allclose(after, their_after, 1e-5, 1e-5)
    np.testing.assert_allclose(
        graph.eval()(lab.tensor(data[-1])).detach().numpy(), their_after, 1e-5, 1e-5
    )
    assert state["num_batches_tracked"] == 3


def test_normalisation_errors() -> None:
    with pytest.raises(ValueError, match="more than 1 value for each channel"):
        nn.BatchNorm1d(3)(lab.ones(1, 3))
    with pytest.raises(ValueError, match=r"expected \(N, C, H, W\)"):
        nn.BatchNorm2d(3)(lab.ones(2, 3))
    with pytest.raises(RuntimeError, match="one number for each channel"):
        nn.BatchNorm1d(4)(lab.ones(2, 3))
    with pytest.raises(RuntimeError, match="expected the last sizes of the input"):
        nn.LayerNorm(4)(lab.ones(2, 3))
    with pytest.raises(RuntimeError, match="expected a divisor of 3"):
        F.group_norm(lab.ones(2, 3), 2)
    with pytest.raises(ValueError, match="must divide num_channels"):
        nn.GroupNorm(2, 3)


# First values and state ----------------------------------------------------------------------

MODULES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "linear": (lambda n: n.Linear(4, 3), (2, 4)),
    "conv2d": (lambda n: n.Conv2d(2, 4, 3, groups=2), (1, 2, 5, 5)),
    "conv2d reflect": (
        lambda n: n.Conv2d(2, 4, 3, padding=(2, 1), padding_mode="reflect"),
        (1, 2, 5, 5),
    ),
    "batch norm": (lambda n: n.BatchNorm2d(2), (3, 2, 2, 2)),
    "batch norm plain": (lambda n: n.BatchNorm1d(2, affine=False), (3, 2)),
    "batch norm untracked": (lambda n: n.BatchNorm1d(2, track_running_stats=False), (3, 2)),
    "layer norm": (lambda n: n.LayerNorm((2, 3)), (4, 2, 3)),
    "layer norm no bias": (lambda n: n.LayerNorm(3, bias=False), (4, 3)),
    "group norm": (lambda n: n.GroupNorm(2, 4), (2, 4, 3)),
    "rms norm": (lambda n: n.RMSNorm(3), (2, 3)),
    "conv1d": (lambda n: n.Conv1d(2, 4, 3, padding=1, groups=2, dilation=2), (1, 2, 7)),
    "conv1d same": (lambda n: n.Conv1d(2, 4, 3, bias=False), (1, 2, 7)),
    "conv transpose": (
        lambda n: n.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2),
        (2, 4, 3, 2),
    ),
    "conv transpose 1d": (lambda n: n.ConvTranspose1d(4, 6, 3, 2, dilation=2), (2, 4, 5)),
    "avg pool": (lambda n: n.AvgPool2d(2, padding=1), (1, 2, 5, 4)),
    "avg pool 1d": (lambda n: n.AvgPool1d(2, stride=1), (1, 2, 5)),
    "max pool 1d": (lambda n: n.MaxPool1d(3, padding=1), (1, 2, 5)),
    "adaptive": (lambda n: n.AdaptiveAvgPool2d((3, None)), (1, 2, 5, 4)),
    "adaptive 1d": (lambda n: n.AdaptiveAvgPool1d(2), (1, 2, 5)),
    "upsample": (lambda n: n.Upsample(scale_factor=2), (1, 2, 3, 2)),
    "upsample bilinear": (lambda n: n.Upsample(size=(5, 4), mode="bilinear"), (1, 2, 3, 2)),
    "reflection pad": (lambda n: n.ReflectionPad2d(1), (1, 2, 3, 2)),
    "replication pad": (lambda n: n.ReplicationPad2d((1, 0, 2, 1)), (1, 2, 3, 2)),
    "zero pad": (lambda n: n.ZeroPad2d(2), (1, 2, 3, 2)),
    "unflatten": (lambda n: n.Unflatten(1, (2, -1)), (2, 6)),
    "module list": (lambda n: n.Sequential(*n.ModuleList([n.Linear(3, 2), n.Tanh()])), (2, 3)),
}


@pytest.mark.parametrize("name", MODULES)
def test_module_starts_as_pytorchs(oracle: Any, name: str) -> None:
    make, shape = MODULES[name]
    data = draw(*shape, dtype="float32")

    def run(t: Any) -> Any:
        t.manual_seed(7)
        module = make(t.nn)
        state = {key: digest(value) for key, value in module.state_dict().items()}
        return repr(module), state, [module.train(mode)(t.tensor(data)) for mode in (True, False)]

    (text, state, values), (their_text, their_state, their_values) = oracle.both(run)
    assert text == their_text
    assert list(state) == list(their_state)
    assert state == their_state
    for a, b in zip(values, their_values, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    lab.manual_seed(7)
    first, again = make(nn), make(nn)
    again.load_state_dict({k: lab.tensor(v.numpy()) for k, v in first.state_dict().items()})
    assert {key: digest(value) for key, value in again.state_dict().items()} == their_state


def test_state_of_shared_and_transient_tensors() -> None:
    tied = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    tied[1].weight = tied[0].weight
    assert list(tied.state_dict()) == ["0.weight", "1.weight"]
    assert len(list(tied.parameters())) == 1
    one = nn.Module()
    one.register_buffer("kept", lab.zeros(2))
    one.register_buffer("left", lab.zeros(2), persistent=False)
    assert list(one.state_dict()) == ["kept"]
    assert [n for n, _ in one.named_buffers()] == ["kept", "left"]
    one.kept = lab.ones(2)
    assert one.state_dict()["kept"].tolist() == [1, 1]
    with pytest.raises(TypeError, match="expected a tensor"):
        one.register_buffer("bad", 3)


# Tables, containers, hooks, gradients --------------------------------------------------------


@pytest.mark.parametrize("padding", [None, 0, -1])
def test_embedding_is_pytorchs(oracle: Any, padding: int | None) -> None:
    index = [[0, 4, 1], [1, 1, 0]]

    def run(t: Any) -> Any:
        t.manual_seed(3)
        module = t.nn.Embedding(5, 4, padding_idx=padding)
        weight = digest(module.weight.detach())
        (module(t.tensor(index)) ** 2).sum().backward()
        return repr(module), weight, module.weight.grad

    (text, weight, gradient), (their_text, their_weight, theirs) = oracle.both(run)
    assert text == their_text
    assert weight == their_weight
    np.testing.assert_allclose(gradient, theirs, rtol=1e-6)
    ours = nn.Embedding(5, 4, padding_idx=padding)
    step = lab.compile(lambda i: ours(i).sum())
    np.testing.assert_allclose(step(lab.tensor(index)).item(), ours(lab.tensor(index)).sum().item())


def test_embedding_and_one_hot_by_hand(oracle: Any) -> None:
    table = nn.Embedding.from_pretrained(lab.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert table(lab.tensor(1)).tolist() == [3, 4]
    assert not table.weight.requires_grad
    index = [[0, 2], [1, 0]]
    for k in (-1, 4):
        ours, theirs = oracle.both(lambda t: t.nn.functional.one_hot(t.tensor(index), k))
        np.testing.assert_array_equal(ours, theirs, strict=True)
        assert ours.dtype == "int64"
    with pytest.raises(lab.TraceError, match="give num_classes"):
        lab.compile(lambda x: F.one_hot(x))(lab.tensor(index))
    assert lab.compile(lambda x: F.one_hot(x, 3))(lab.tensor([1])).tolist() == [[0, 1, 0]]


def test_embedding_errors() -> None:
    table = nn.Embedding(5, 2)
    with pytest.raises(IndexError) as error:
        table(lab.tensor([0, 5]))
    assert str(error.value) == (
        "embedding(input, weight): input is out of range\n"
        "  input   int64 (2,)\n"
        "  weight  float32 (5, 2)  parameter 'weight'\n"
        "  expected entries from 0 to 4, got 5"
    )
    with pytest.raises(RuntimeError, match="convert with"):
        table(lab.tensor([0.0]))
    with pytest.raises(NotImplementedError, match="max_norm"):
        nn.Embedding(5, 2, max_norm=1.0)
    with pytest.raises(AssertionError, match="expected -5 to 4"):
        nn.Embedding(5, 2, padding_idx=5)
    with pytest.raises(RuntimeError, match="out of range"):
        F.one_hot(lab.tensor([3]), 3)


def test_containers(oracle: Any) -> None:
    def build(n: Any) -> Any:
        class Net(n.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = n.ModuleList([n.Linear(2, 2) for _ in range(2)])
                self.layers.append(n.Tanh())
                self.layers.insert(1, n.ReLU())
                self.parts = n.ModuleDict({"a": n.Linear(2, 1), "b": n.Sigmoid()})

        return Net()

    def names(t: Any) -> Any:
        net = build(t.nn)
        return list(net.state_dict()), [type(m).__name__ for m in net.layers]

    found, expected = oracle.both(names)
    assert found == expected
    ours = build(nn)
    assert list(ours.parts) == ["a", "b"]
    assert "a" in ours.parts
    assert [k for k, _ in ours.parts.items()] == list(ours.parts.keys())
    assert len(ours.layers[1:]) == 3
    assert isinstance(ours.layers.pop(), nn.Tanh)
    del ours.layers[1]
    assert list(ours.layers._modules) == ["0", "1"]
    ours.layers[-1] = nn.Identity()
    ours.layers += [nn.Identity()]
    assert len(ours.layers) == 3
    assert isinstance(ours.parts.pop("b"), nn.Sigmoid)
    with pytest.raises(IndexError, match="no number 3"):
        ours.layers[3]
    with pytest.raises(TypeError, match="expected a module"):
        ours.layers.append(3)
    with pytest.raises(KeyError, match="is taken"):
        nn.ModuleDict({"items": nn.Identity()})
    weights = nn.ParameterList([lab.ones(2), lab.zeros(1)])
    weights += [lab.ones(3)]
    assert [n for n, _ in weights.named_parameters()] == ["0", "1", "2"]
    weights[0] = lab.zeros(5)
    assert weights[0].shape == (5,)
    assert weights[-1].requires_grad


def test_hooks() -> None:
    layer, seen = nn.Identity(), []
    before = layer.register_forward_pre_hook(lambda m, args: (args[0] + 1,))
    after = layer.register_forward_hook(lambda m, args, out: seen.append((args, out)))
    assert layer(lab.tensor([1.0])).tolist() == [2]
    assert len(seen) == 1
    first = layer.register_forward_pre_hook(lambda m, args: args[0] * 10, prepend=True)
    assert layer(lab.tensor([1.0])).tolist() == [11]
    first.remove()
    before.remove()
    after.remove()
    with layer.register_forward_hook(lambda m, args, kwargs, out: out * 3, with_kwargs=True):
        assert layer(input=lab.tensor([1.0])).tolist() == [3]
    assert layer(lab.tensor([1.0])).tolist() == [1]
    assert len(seen) == 2


@pytest.mark.parametrize("p", [1, 2, 3.0, float("inf")])
@pytest.mark.parametrize("most", [0.5, 1000.0])
def test_clipping(oracle: Any, p: float, most: float) -> None:
    def run(t: Any) -> Any:
        xs = [t.tensor(a.tolist(), requires_grad=True) for a in (X, T[:1])]
        ((xs[0] ** 2).sum() * 3 + (xs[1] ** 3).sum()).backward()
        total = t.nn.utils.clip_grad_norm_([*xs, t.ones(2)], most, norm_type=p)
        t.nn.utils.clip_grad_value_(xs, 0.3)
        return total, [x.grad for x in xs]

    (total, gradients), (their_total, theirs) = oracle.both(run)
    np.testing.assert_allclose(total, their_total, rtol=1e-5)
    for a, b in zip(gradients, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_clipping_in_graph_mode_and_errors() -> None:
    w = lab.tensor([3.0, 4.0], requires_grad=True)

    @lab.compile
    def step(x: Any) -> Any:
        w.grad = None
        (w * x).sum().backward()
        return nn.utils.clip_grad_norm_(w, 1.0)

    assert step(lab.tensor([3.0, 4.0])).item() == 5
    np.testing.assert_allclose(w.grad.numpy(), [0.6, 0.8], rtol=1e-5)
    w.grad = lab.tensor([float("nan"), 1.0])
    with pytest.raises(RuntimeError, match="norm of the gradients is nan"):
        nn.utils.clip_grad_norm_(w, 1.0, error_if_nonfinite=True)
    assert nn.utils.clip_grad_norm_([lab.ones(2)], 1.0).item() == 0


def test_parameters_as_a_vector() -> None:
    layer = nn.Linear(2, 2)
    vector = nn.utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (6,)
    nn.utils.vector_to_parameters(lab.arange(6.0), layer.parameters())
    assert layer.weight.tolist() == [[0, 1], [2, 3]]
    assert layer.bias.tolist() == [4, 5]
    with pytest.raises(RuntimeError, match=r"expected \(6,\)"):
        nn.utils.vector_to_parameters(lab.zeros(5), layer.parameters())


# Places --------------------------------------------------------------------------------------

BIG, LONG = draw(2, 4, 5, 4), draw(2, 4, 7)
PLACES: dict[str, tuple[Any, list[np.ndarray]]] = {
    "avg": (lambda f, x: f.avg_pool2d(x, 2), [BIG]),
    "avg overlap": (lambda f, x: f.avg_pool2d(x, (3, 2), 1, 1), [BIG]),
    "avg inside": (lambda f, x: f.avg_pool2d(x, 3, 2, 1, count_include_pad=False), [BIG]),
    "avg divisor": (lambda f, x: f.avg_pool2d(x, 2, divisor_override=3), [BIG]),
    "avg 1d": (lambda f, x: f.avg_pool1d(x, 3, 2, 1), [LONG]),
    "max 1d": (lambda f, x: f.max_pool1d(x, 3, 2, 1), [LONG]),
    "adaptive": (lambda f, x: f.adaptive_avg_pool2d(x, (3, 5)), [BIG]),
    "adaptive one": (lambda f, x: f.adaptive_avg_pool2d(x, 1), [BIG]),
    "adaptive odd": (lambda f, x: f.adaptive_avg_pool2d(x, (4, 3)), [BIG]),
    "adaptive larger": (lambda f, x: f.adaptive_avg_pool2d(x, (7, None)), [BIG]),
    "conv 1d": (lambda f, x, w, b: f.conv1d(x, w, b, 2, 1), [LONG, draw(3, 4, 2), FOUR[:3]]),
    "conv 1d same": (lambda f, x, w: f.conv1d(x, w, padding="same"), [LONG, draw(3, 4, 3)]),
    "transpose": (
        lambda f, x, w, b: f.conv_transpose2d(x, w, b, 2, 1, 1, dilation=2),
        [BIG, draw(4, 3, 3, 2), FOUR[:3]],
    ),
    "transpose groups": (
        lambda f, x, w: f.conv_transpose2d(x, w, stride=(1, 2), groups=2),
        [BIG, draw(4, 3, 2, 2)],
    ),
    "pad": (lambda f, x: f.pad(x, (1, 2, 0, 1)), [BIG]),
    "pad value": (lambda f, x: f.pad(x, (1, -2, -1, 1, 1, 0), value=2.5), [BIG]),
    "pad crop": (lambda f, x: f.pad(x, (-1, -1)), [BIG]),
    "pad reflect": (lambda f, x: f.pad(x, (3, 2, 0, 4), mode="reflect"), [BIG]),
    "pad replicate": (lambda f, x: f.pad(x, (3, 2), "replicate"), [LONG]),
    "pad circular": (lambda f, x: f.pad(x, (3, 2, 1, 0), "circular"), [BIG]),
    "nearest": (lambda f, x: f.interpolate(x, scale_factor=2), [BIG]),
    "nearest size": (lambda f, x: f.interpolate(x, size=(4, 9)), [BIG]),
    "nearest 1d": (lambda f, x: f.interpolate(x, scale_factor=1.7), [LONG]),
    "bilinear": (lambda f, x: f.interpolate(x, scale_factor=(1.5, 2), mode="bilinear"), [BIG]),
    "bilinear corners": (
        lambda f, x: f.interpolate(x, size=(9, 3), mode="bilinear", align_corners=True),
        [BIG],
    ),
    "linear": (lambda f, x: f.interpolate(x, size=4, mode="linear"), [LONG]),
}


@pytest.mark.parametrize("name", PLACES)
def test_places_are_pytorchs(oracle: Any, name: str) -> None:
    call, arrays = PLACES[name]
    for dtype in ("float32", "float64"):
        both(oracle, lambda t, *xs: call(t.nn.functional, *xs), arrays, dtype)


@pytest.mark.parametrize("name", PLACES)
def test_places_second_gradient(name: str) -> None:
    call, arrays = PLACES[name]
    small = [a[:1, :, :4, :4] if a is BIG else a for a in arrays]
    if name in ("adaptive", "avg inside", "pad reflect"):
        small = arrays
    second(lambda *xs: call(F, *xs), *small)


def test_places_by_hand() -> None:
    x = lab.arange(16.0).reshape(1, 1, 4, 4)
    assert F.avg_pool2d(x, 2).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
    assert F.adaptive_avg_pool2d(x, 1).item() == 7.5
    row = lab.tensor([[[1.0, 2.0, 3.0]]])
    assert F.pad(row, (2, 1), mode="reflect").tolist() == [[[3, 2, 1, 2, 3, 2]]]
    assert F.pad(row, (1, 1), value=9).tolist() == [[[9, 1, 2, 3, 9]]]
    assert F.interpolate(row, scale_factor=2).tolist() == [[[1, 1, 2, 2, 3, 3]]]
    assert F.interpolate(row, size=5, mode="linear", align_corners=True).tolist() == [
        [[1, 1.5, 2, 2.5, 3]]
    ]
    painted = F.conv_transpose2d(lab.ones(1, 1, 2, 2), lab.ones(1, 1, 2, 2))
    assert painted.tolist() == [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]


def test_places_errors() -> None:
    x = lab.ones(1, 1, 4, 4)
    with pytest.raises(RuntimeError, match="padding is larger than half the window"):
        F.avg_pool2d(x, 2, padding=2)
    with pytest.raises(RuntimeError, match=r"expected \(N, C, L\)"):
        F.conv1d(x, lab.ones(1, 1, 2))
    with pytest.raises(RuntimeError, match="weight does not fit"):
        F.conv_transpose2d(x, lab.ones(2, 1, 2, 2))
    with pytest.raises(RuntimeError, match="less than the stride"):
        F.conv_transpose2d(x, lab.ones(1, 1, 2, 2), output_padding=1)
    with pytest.raises(RuntimeError, match="expected 0 to 3 for mode 'reflect'"):
        F.pad(x, (4, 0), mode="reflect")
    with pytest.raises(NotImplementedError, match="expected 'constant'"):
        F.pad(x, (1, 0), mode="mirror")
    with pytest.raises(ValueError, match="either size or scale_factor"):
        F.interpolate(x)
    with pytest.raises(NotImplementedError, match="does not fit the input"):
        F.interpolate(lab.ones(2, 3), size=2)


# Attention -----------------------------------------------------------------------------------

QUERY, KEY, VALUE = draw(2, 3, 4, 5), draw(2, 3, 6, 5, seed=1), draw(2, 3, 6, 2, seed=2)
ATTENTION: dict[str, tuple[Any, list[np.ndarray]]] = {
    "plain": (lambda f, *x: f.scaled_dot_product_attention(*x), [QUERY, KEY, VALUE]),
    "causal": (
        lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True),
        [QUERY, KEY, VALUE],
    ),
    "bool mask": (
        lambda f, *x: f.scaled_dot_product_attention(*x, scale=0.3),
        [QUERY, KEY, VALUE, np.tri(4, 6, 1, dtype=bool)],
    ),
    "float mask": (
        lambda f, *x: f.scaled_dot_product_attention(*x),
        [QUERY, KEY, VALUE, draw(4, 6)],
    ),
}


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_is_pytorchs(oracle: Any, name: str) -> None:
    call, arrays = ATTENTION[name]
    for dtype in ("float32", "float64"):
        both(oracle, lambda t, *xs: call(t.nn.functional, *xs), arrays, dtype)


@pytest.mark.parametrize("name", ["plain", "causal", "float mask"])
def test_attention_second_gradient(name: str) -> None:
    call, arrays = ATTENTION[name]
    second(lambda *xs: call(F, *xs), *(a[:1, :1] if a.ndim == 4 else a for a in arrays))


@pytest.mark.parametrize("kind", ["self", "cross", "batch first", "no bias", "single", "masks"])
def test_multihead_attention_is_pytorchs(oracle: Any, kind: str) -> None:
    def run(t: Any) -> Any:
        t.manual_seed(5)
        more = {"kdim": 3, "vdim": 5} if kind == "cross" else {}
        layer = t.nn.MultiheadAttention(
            4, 2, bias=kind != "no bias", batch_first=kind == "batch first", **more
        )
        q = t.tensor(draw(3, 2, 4, dtype="float32").tolist())
        k, v = q, q
        if kind == "cross":
            k = t.tensor(draw(6, 2, 3, dtype="float32").tolist())
            v = t.tensor(draw(6, 2, 5, dtype="float32").tolist())
        if kind == "single":
            q = k = v = q[:, 0]
        options: dict[str, Any] = {}
        if kind == "masks":
            options["attn_mask"] = t.tensor((~np.tri(3, 3, dtype=bool)).tolist())
            options["key_padding_mask"] = t.tensor([[False, False, True], [False, False, False]])
            options["average_attn_weights"] = False
        out, weights = layer(q, k, v, **options)
        (out**2).sum().backward()
        assert layer(q, k, v, need_weights=False)[1] is None
        state = {name: digest(value) for name, value in layer.state_dict().items()}
        return state, [out, weights, *(p.grad for p in layer.parameters())]

    (state, values), (their_state, theirs) = oracle.both(run)
    assert list(state) == list(their_state)
    assert state == their_state
    for a, b in zip(values, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_attention_errors() -> None:
    x = lab.ones(2, 3)
    with pytest.raises(RuntimeError, match="expected one of them"):
        F.scaled_dot_product_attention(x, x, x, lab.ones(2, 2), is_causal=True)
    with pytest.raises(RuntimeError, match="do not fit"):
        F.scaled_dot_product_attention(x, lab.ones(2, 4), x)
    with pytest.raises(AssertionError, match="must divide embed_dim=4"):
        nn.MultiheadAttention(4, 3)
