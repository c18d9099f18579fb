"""Tensors, the tape, layers and optimisers."""

from __future__ import annotations

import copy
import threading
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.tape import Freed, steps
from minitorch_lab.tensor import NO_GRAD

# The tape -----------------------------------------------------------------------------------


def test_worked_example() -> None:
    x = lab.tensor(2.0, requires_grad=True)
    y = x**2 + 2 * x + 1
    y.backward()
    assert y.item() == 9
    assert x.grad.item() == 6  # 2x + 2


def test_gradients_add_up_over_uses_and_over_calls() -> None:
    x = lab.tensor([1.0, 2.0], requires_grad=True)
    (x * x + x).sum().backward()
    assert x.grad.tolist() == [3, 5]
    (3 * x).sum().backward()
    assert x.grad.tolist() == [6, 8]


def test_gradient_does_not_share_memory_with_another() -> None:
    a, b = lab.ones(3, requires_grad=True), lab.ones(3, requires_grad=True)
    (a + b).sum().backward()
    a.grad.zero_()
    assert b.grad.tolist() == [1, 1, 1]


def test_a_chain_of_100_000_ops() -> None:
    x = lab.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert x.grad.item() == 1
    del y  # letting go of the chain must not recurse either


def test_higher_orders() -> None:
    x = lab.tensor(2.0, requires_grad=True)
    (first,) = lab.autograd.grad(x**4, x, create_graph=True)
    (second,) = lab.autograd.grad(first, x, create_graph=True)
    (third,) = lab.autograd.grad(second, x)
    assert [first.item(), second.item(), third.item()] == [32, 48, 48]


def test_create_graph_leaves_a_gradient_with_history() -> None:
    x = lab.tensor(3.0, requires_grad=True)
    (x**3).backward(create_graph=True)
    x.grad.backward()
    assert x.grad.item() == 27 + 18  # 3x^2, and 6x added to it


def test_backward_frees_values_and_keeps_the_structure() -> None:
    x = lab.randn(2, 3, requires_grad=True)
    h = (x * 2).tanh()
    loss = h.sum()
    loss.backward()
    assert loss.node.freed
    stand_in = loss.node.inputs[0]
    assert isinstance(stand_in, Freed)
    assert (stand_in.shape, stand_in.node.op.name) == ((2, 3), "tanh")


def test_steps_walk_without_touching_anything() -> None:
    x = lab.tensor(2.0, requires_grad=True)
    y = x**2 + 2 * x
    found = [(s.node.op.name, float(s.incoming)) for s in steps(y)]
    assert found[0] == ("add", 1.0)
    assert sorted(found[1:]) == [("mul", 1.0), ("pow", 1.0)]
    assert sum(float(g) for s in steps(y) for _, t, g in s.contributions if t is x) == 6
    assert x.grad is None
    y.backward()  # nothing was freed


def test_a_failed_backward_adds_nothing() -> None:
    a, b = lab.ones(2, requires_grad=True), lab.ones(2, requires_grad=True)
    shared = b * 2
    shared.sum().backward()
    b.grad = None
    with pytest.raises(lab.GradError, match="freed"):
        (a * 3 + shared).sum().backward()
    assert a.grad is None
    assert b.grad is None


def test_in_place_moves_a_result_to_a_new_node() -> None:
    x = lab.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    z = y + 0  # add does not need y, so y may change
    y.mul_(y.detach().clone())
    (y + z).sum().backward()
    assert x.grad.tolist() == [3 * 3 + 3, 3 * 6 + 3]


def test_assignment_to_a_part() -> None:
    w = lab.tensor([5.0, 7.0], requires_grad=True)
    x = lab.zeros(3)
    x[1:] = w * 2
    x[0] = 1.0
    (x * lab.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.tolist() == [1, 10, 14]
    assert w.grad.tolist() == [20, 200]


def test_a_view_shares_the_version_of_its_base() -> None:
    x = lab.randn(4, requires_grad=True)
    base = x * 1
    part = base.reshape(2, 2)
    out = part * part
    with lab.no_grad():
        base.mul_(2)
    with pytest.raises(lab.GradError, match="changed in place"):
        out.sum().backward()


def test_no_grad_as_block_and_decorator() -> None:
    w = lab.ones(2, requires_grad=True)
    with lab.no_grad():
        assert not (w * 2).requires_grad
        with lab.enable_grad():
            assert (w * 2).requires_grad
        assert not lab.is_grad_enabled()
    assert lab.is_grad_enabled()
    assert not lab.no_grad()(lambda: w * 2)().requires_grad


def test_no_grad_is_of_its_thread() -> None:
    seen = []
    with lab.no_grad():
        thread = threading.Thread(target=lambda: seen.append(lab.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_set_grad_enabled_as_call() -> None:
    lab.set_grad_enabled(False)
    try:
        assert not lab.is_grad_enabled()
    finally:
        lab.set_grad_enabled(True)
    assert lab.is_grad_enabled()
    assert NO_GRAD.recording is False


# Tensors ------------------------------------------------------------------------------------

PRINTED: list[Any] = [
    1,
    2.5,
    True,
    [],
    [[]],
    [1, 2, 3],
    [1.0, 2.0],
    [0.1, 22.25],
    [1e-5, 1.0],
    [1e9, 1.0],
    [[1.5, -2.0], [3.0, 1000.0]],
    [float("nan"), float("inf"), -1.0],
    [float("inf"), 2.0],
    list(range(30)),
    [x * 1.1 for x in range(20)],
    [[[1, 2], [3, 4]], [[5, 6], [7, 8]]],
    [[float(i * j) for i in range(50)] for j in range(50)],
    [float(i) / 7 for i in range(2000)],
    [[True, False]],
]


@pytest.mark.parametrize("data", PRINTED, ids=lambda d: repr(d)[:30])
@pytest.mark.parametrize("gradient", [False, True])
def test_prints_as_pytorch(data: Any, gradient: bool, oracle: Any) -> None:
    if gradient and lab.tensor(data).dtype != lab.float32:
        pytest.skip("integers have no gradient")
    ours, theirs = oracle.both(lambda t: repr(t.tensor(data).requires_grad_(gradient)))
    assert ours == theirs.replace("torch.", "lab.")


def test_prints_its_origin_and_dtype() -> None:
    x = lab.tensor([1.0], requires_grad=True)
    assert repr(x * 2) == "tensor([2.], grad_fn=<MulBackward0>)"
    assert repr(lab.ones(2, dtype=lab.float64)) == "tensor([1., 1.], dtype=lab.float64)"
    assert f"{lab.tensor(0.123456):.3f}" == "0.123"
    assert str(lab.ones(2, 3).shape) == "Size([2, 3])"


def test_numpy_shares_memory_both_ways() -> None:
    x = lab.tensor([1, 2, 3])
    a = x.numpy()
    a[0] = 99
    assert x.tolist() == [99, 2, 3]
    assert lab.from_numpy(a).array is a
    assert lab.tensor(a).array is not a
    assert lab.tensor(np.ones(2)).dtype is lab.float64
    assert lab.tensor([lab.tensor(1.0), lab.tensor(2.0)]).tolist() == [1, 2]


def test_left_operand_from_numpy_is_refused_kindly() -> None:
    with pytest.raises(lab.KindError, match=r"lab\.tensor\(x\)"):
        np.ones(3) * lab.ones(3)
    assert (np.float32(2) * lab.ones(2)).tolist() == [2, 2]


def test_conversions() -> None:
    x = lab.tensor([1.7, 0.0])
    assert x.long().tolist() == [1, 0]
    assert x.bool().tolist() == [True, False]
    assert x.to(lab.float64).dtype is lab.float64
    assert x.to(x) is x
    assert x.double().float().dtype is lab.float32
    w = lab.ones(2, requires_grad=True)
    (w.double() * 2).sum().backward()
    assert w.grad.dtype is lab.float32


def test_iteration_and_truth() -> None:
    x = lab.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    assert len(x) == 2
    assert bool(lab.tensor(1.0))
    assert [10, 20, 30][lab.tensor(1)] == 20
    with pytest.raises(RuntimeError, match=r"\.all\(\) or \.any\(\)"):
        bool(x)


def test_creation_against_torch(oracle: Any) -> None:
    makes = (
        lambda t: t.zeros(2, 3),
        lambda t: t.ones((2,)),
        lambda t: t.full((2,), 7),
        lambda t: t.full((2,), 0.5),
        lambda t: t.eye(3),
        lambda t: t.arange(5),
        lambda t: t.arange(1, 2, 0.25),
        lambda t: t.linspace(0, 1, 5),
        lambda t: t.zeros_like(t.ones(2, 3)),
    )
    ours, theirs = oracle.both(lambda t: [repr(make(t)) for make in makes])
    assert ours == theirs


@pytest.mark.parametrize("seed", [0, 42])
def test_random_tensors_are_pytorchs(seed: int, oracle: Any) -> None:
    calls = (
        lambda t: t.rand(5),
        lambda t: t.randn(3, 4),
        lambda t: t.randn(40),
        lambda t: t.randperm(9),
        lambda t: t.randint(0, 10, (6,)),
        lambda t: t.nn.Linear(20, 7).weight.detach(),
        lambda t: t.nn.Conv2d(2, 3, 3).bias.detach(),
    )

    def run(t: Any) -> Any:
        t.manual_seed(seed)
        return [call(t) for call in calls]

    for ours, theirs in zip(*oracle.both(run), strict=True):
        np.testing.assert_array_equal(ours, theirs, strict=True)


# Modules ------------------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(4, 8)
        self.drop = nn.Dropout(0.5)
        self.fc2 = nn.Linear(8, 2)

    def forward(self, x: Any) -> Any:
        return self.fc2(self.drop(self.fc1(x).relu()))


def test_a_module_knows_its_parts() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
    ]  # fmt: skip
    assert sum(p.numel() for p in net.parameters()) == 4 * 8 + 8 + 8 * 2 + 2
    assert [n for n, _ in net.named_modules()] == ["", "fc1", "drop", "fc2"]
    assert repr(net) == (
        "Net(\n  (fc1): Linear(in_features=4, out_features=8, bias=True)\n"
        "  (drop): Dropout(p=0.5, inplace=False)\n"
        "  (fc2): Linear(in_features=8, out_features=2, bias=True)\n)"
    )
    net.fc2 = nn.Linear(8, 3)
    assert net.state_dict()["fc2.weight"].shape == (3, 8)


def test_train_and_eval() -> None:
    net = Net()
    x = lab.randn(3, 4)
    net.eval()
    assert not net.drop.training
    assert net(x).tolist() == net(x).tolist()
    net.train()
    lab.manual_seed(0)
    assert net(x).tolist() != net(x).tolist()


def test_state_goes_over_all_or_none() -> None:
    a, b = Net(), Net()
    b.load_state_dict(a.state_dict())
    assert b.fc1.weight.tolist() == a.fc1.weight.tolist()
    before = b.fc1.weight.tolist()
    wrong = {**Net().state_dict(), "fc2.bias": lab.zeros(5)}
    with pytest.raises(lab.ShapeError, match=r"fc2\.bias"):
        b.load_state_dict(wrong)
    assert b.fc1.weight.tolist() == before
    with pytest.raises(lab.ArgumentError, match=r"missing  fc1\.weight"):
        b.load_state_dict({"fc1.bias": lab.zeros(8)})


def test_scopes_name_the_module_of_an_op() -> None:
    net = Net().eval()
    loss = net(lab.randn(2, 4)).sum()
    node = loss.node.inputs[0].node
    assert node.op.name == "linear"
    assert node.scope == "Net.fc2"


def test_deepcopy_of_a_model() -> None:
    net = Net()
    twin = copy.deepcopy(net)
    with lab.no_grad():
        net.fc1.weight.zero_()
    assert twin.fc1.weight.abs().sum().item() > 0
    assert isinstance(twin.fc1.weight, nn.Parameter)
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in net.named_parameters()]


# Against PyTorch, training ------------------------------------------------------------------

OPTIMISERS: dict[str, Any] = {
    "sgd": lambda t, p: t.optim.SGD(p, lr=0.1),
    "momentum": lambda t, p: t.optim.SGD(p, lr=0.05, momentum=0.9),
    "dampening": lambda t, p: t.optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.3),
    "nesterov": lambda t, p: t.optim.SGD(
        p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01
    ),
    "maximize": lambda t, p: t.optim.SGD(p, lr=0.001, maximize=True),
    "adam": lambda t, p: t.optim.Adam(p, lr=0.01),
    "adam decay": lambda t, p: t.optim.Adam(p, lr=0.01, betas=(0.8, 0.9), weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_training_follows_pytorch(name: str, mode: str, oracle: Any) -> None:
    def losses(t: Any) -> Any:
        t.manual_seed(1)
        model = t.nn.Sequential(
            t.nn.Linear(6, 16), t.nn.Tanh(), t.nn.Linear(16, 8), t.nn.Sigmoid(), t.nn.Linear(8, 3)
        )
        x, y = t.randn(20, 6), t.randint(0, 3, (20,))
        optimizer = OPTIMISERS[name](t, model.parameters())
        criterion = t.nn.CrossEntropyLoss()

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = lab.function(step) if t is lab else step
        with lab.mode(mode):
            found = []
            for i in range(30):
                if i == 20:
                    optimizer.param_groups[0]["lr"] *= 0.5
                found.append(run(x, y).item())
        return found

    np.testing.assert_allclose(*oracle.both(losses), rtol=2e-4)


def test_optimiser_state_goes_over() -> None:
    def make() -> tuple[Any, Any]:
        lab.manual_seed(0)
        model = nn.Linear(3, 1)
        return model, optim.Adam(model.parameters(), lr=0.1)

    def train(model: Any, optimizer: Any, n: int) -> None:
        for _ in range(n):
            optimizer.zero_grad()
            (model(lab.ones(2, 3)) ** 2).mean().backward()
            optimizer.step()

    whole, first = make(), make()
    train(*whole, 6)
    train(*first, 3)
    second = make()
    second[0].load_state_dict(first[0].state_dict())
    second[1].load_state_dict(first[1].state_dict())
    train(*second, 3)
    assert second[0].weight.tolist() == whole[0].weight.tolist()


def test_article_s4_to_the_digit() -> None:
    lab.manual_seed(42)
    X = 2 * lab.rand(100, 1)
    y = 4 + 3 * X + 0.1 * lab.randn(100, 1)
    model = nn.Linear(1, 1)
    criterion, optimizer = nn.MSELoss(), optim.SGD(model.parameters(), lr=0.01)
    table = []
    for epoch in range(1000):
        loss = criterion(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (epoch + 1) % 100 == 0:
            table.append(f"{loss.item():.4f}")
    expected = "0.2024 0.1098 0.0627 0.0371 0.0232 0.0156 0.0115 0.0093 0.0081 0.0074"
    assert table == expected.split()
    assert f"{model.weight.item():.5f} {model.bias.item():.5f}" == "3.02227 3.96787"


def test_gradcheck_finds_a_wrong_rule() -> None:
    x = lab.tensor([1.0, 2.0], dtype=lab.float64, requires_grad=True)
    with pytest.raises(lab.GradError, match="finite differences"):
        lab.autograd.gradcheck(lambda v: v * v.detach(), x)
    assert not lab.autograd.gradcheck(lambda v: v * v.detach(), x, raise_exception=False)
    with pytest.raises(lab.DTypeError, match="float64"):
        lab.autograd.gradcheck(lambda v: v, lab.ones(1, requires_grad=True))


IN_PLACE = {
    "square_": lambda y: y.square_(),
    "abs_": lambda y: y.abs_(),
    "pow_": lambda y: y.pow_(3),
    "clamp_": lambda y: y.clamp_(-0.5, 0.5),
    "mul_": lambda y: y.mul_(2.0),
    "itself": lambda y: y.mul_(y),
    "tanh_": lambda y: y.tanh_(),
    "twice": lambda y: y.square_().add_(1).square_(),
}


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_gradient_of_an_in_place_op(name: str, mode: str) -> None:
    data = [[-1.3, 0.4, 2.0], [0.2, -0.7, 0.9]]
    out_of_place = {
        "square_": lambda y: y.square(),
        "abs_": lambda y: y.abs(),
        "pow_": lambda y: y**3,
        "clamp_": lambda y: y.clamp(-0.5, 0.5),
        "mul_": lambda y: y * 2.0,
        "itself": lambda y: y * y,
        "tanh_": lambda y: y.tanh(),
        "twice": lambda y: (y.square() + 1).square(),
    }[name]

    def gradient(change: Any) -> Any:
        x = lab.tensor(data, requires_grad=True)

        def loss() -> Any:
            y = x * 1.5
            return (change(y) * lab.tensor([[1.0, 2.0, 3.0]])).sum()

        (lab.compile(loss) if mode == "graph" else loss)().backward()
        return x.grad.tolist()

    assert gradient(IN_PLACE[name]) == gradient(out_of_place)


def test_remainder_and_floor_division_operators() -> None:
    x = lab.tensor([5.0, -5.0])
    assert (x % 3).tolist() == [2, 1]
    assert (x // 3).tolist() == [1, -2]
    assert (7 % lab.tensor([4.0])).tolist() == [3]


def test_inputs_by_keyword() -> None:
    x, y = lab.tensor([1.0, 5.0]), lab.tensor([3.0, 2.0])
    assert lab.maximum(x, other=y).tolist() == [3, 5]
    assert lab.exp(input=lab.zeros(1)).tolist() == [1]
    assert lab.sum(input=x, dim=0, keepdim=True).tolist() == [6]
    with pytest.raises(TypeError, match="input is missing"):
        lab.maximum(other=y)


def test_extremes_come_as_named_pairs() -> None:
    x = lab.tensor([[1.0, 5.0], [7.0, 2.0]], requires_grad=True)
    pair = x.max(1)
    assert (pair.values.tolist(), pair.indices.tolist()) == ([5, 7], [1, 0])
    pair.values.sum().backward()
    assert x.grad.tolist() == [[0, 1], [1, 0]]
    assert lab.min(x, 0, keepdim=True).indices.tolist() == [[0, 1]]


def test_set_grad_enabled_as_decorator_keeps_the_mode_around_it() -> None:
    w = lab.ones(2, requires_grad=True)

    @lab.set_grad_enabled(False)
    def double() -> Any:
        return w * 2

    assert lab.is_grad_enabled()
    assert not double().requires_grad
    with lab.set_grad_enabled(False):
        assert not (w * 2).requires_grad
    assert (w * 2).requires_grad
