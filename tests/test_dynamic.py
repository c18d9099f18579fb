"""``compile(f, dynamic=True)``: one trace for batches of any size."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import nn, optim
from minitorch_lab.graph import compiler
from minitorch_lab.op import OPS, current
from minitorch_lab.tensor import make

F = nn.functional


def mlp() -> Any:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3))


def cnn() -> Any:
    conv = nn.Conv2d(1, 4, 3, padding=1)
    rest = nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 3)
    return nn.Sequential(conv, nn.BatchNorm2d(4), *rest)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.block(x.squeeze(1)).mean(1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.GRU(8, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.cell(x.squeeze(1))[0][:, -1])


@pytest.mark.parametrize("model", [mlp, cnn, Attention, Recurrent])
def test_training_steps_are_those_of_eager_mode(model: Any, each_executor: str) -> None:
    sizes = (7, 32, 1, 5, 32, 7, 2)
    if each_executor == "c":  # a compiler is slow, and what is compiled is the same code
        if model not in (mlp, cnn):
            pytest.skip("NumPy has shown it")
        sizes = (7, 32, 1)
    results, count = [], []
    for compiled in (False, True):
        lab.manual_seed(3)
        net = model()
        # not Adam: it makes a step of the rounding error where a gradient is 0
        optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        ran: list[int] = []

        def step(x: Any, y: Any, net: Any = net, optimizer: Any = optimizer, ran: Any = ran) -> Any:
            ran.append(1)
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = lab.compile(step, dynamic=True) if compiled else step
        rng = np.random.default_rng(0)
        losses = []
        for n in sizes:
            x = lab.tensor(rng.normal(size=(n, 1, 8, 8)).astype(np.float32))
            losses.append(run(x, lab.tensor(rng.integers(0, 3, n))).item())
        grads = [p.grad.numpy().copy() for p in net.parameters()]
        results.append((losses, grads, [p.detach().numpy().copy() for p in net.parameters()]))
        count.append(len(ran))
    (eager, *plain), (graph, *found) = results
    np.testing.assert_allclose(graph, eager, rtol=2e-4)
    for a, b in zip([*plain[0], *plain[1]], [*found[0], *found[1]], strict=True):
        np.testing.assert_allclose(b, a, rtol=5e-3, atol=5e-5)
    # a size of 1 may need a trace of its own: what has one entry is spread over others
    assert count[0] == len(sizes)
    assert count[1] <= 2


def test_one_trace_and_side_effects_once(capsys: pytest.CaptureFixture[str]) -> None:
    w = lab.randn(3, requires_grad=True)

    def f(x: Any) -> Any:
        print("traced")
        return ((x * w).tanh().sum(1) / x.shape[0]).sum() + x.var() + (x @ x.T).mean()

    compiled = lab.compile(f, dynamic=True)
    for n in (7, 32, 2, 5, 32):
        x = lab.randn(n, 3, requires_grad=True)
        found = compiled(x)
        first = lab.autograd.grad(found, [x, w])
        assert "traced" in capsys.readouterr().out or compiled.traces == 1
        expected = f(x)
        capsys.readouterr()
        np.testing.assert_allclose(found.item(), expected.item(), rtol=1e-5)
        for a, b in zip(first, lab.autograd.grad(expected, [x, w]), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)
    assert compiled.reasons == ["the first call"]
    shown = lab.explain(compiled)
    assert [s.size for s in shown.signatures] == [7, 32, 2, 5]
    assert "trace 1, written for size 32 of dimension 0" in str(shown)


SIZES = {
    "mean": lambda x: x.mean() + x.mean(0).sum(),
    "var": lambda x: x.var(0).sum() + x.std(),
    "number": lambda x: x.sum() / x.shape[0] + x.size(0) * 2 + x.numel(),
    "square root": lambda x: x * x.shape[0] ** -0.5,
    "ratio": lambda x: x * (1.0 / x.shape[0]) * (x.shape[0] / (x.shape[0] + 1)),
    "reshape": lambda x: x.reshape(x.shape[0] * 3).reshape(-1, 3).view(x.size(0), -1),
    "expand": lambda x: x.sum(0).expand(x.shape[0], 3) * lab.ones(x.shape[0], 1),
    "zeros": lambda x: lab.zeros(x.shape[0], 2).sum(1) + x.sum(1),
    "full": lambda x: x + lab.full((x.shape[0], 1), 2.5) + lab.full_like(x, 3.0),
    "full of sizes": lambda x: x + lab.full((1,), x.shape[0]),
    "slice": lambda x: x[1:] - x[:-1],
    "slice by size": lambda x: x[: x.shape[0] - 1],
    "half": lambda x: x[: x.shape[0] // 2] * 2,
    "far away": lambda x: lab.cat([x, lab.zeros(x.shape[0] + 100, 3)])[: x.shape[0] + 50],
    "cat": lambda x: lab.cat([x, x, x.flip(0)]).sum(1),
    "softmax": lambda x: F.softmax(x, 0) + F.log_softmax(x, 1),
    "sort": lambda x: x.sort(0).values.cumsum(0),
    "places": lambda x: (
        x + lab.arange(x.shape[0]).unsqueeze(1) - lab.arange(2, x.shape[0] + 2)[:, None]
    ),
    "square": lambda x: (x @ x.T).sum(),
    "pad": lambda x: F.pad(x, (1, 2)).sum(0),
    "mse": lambda x: F.mse_loss(x, x * 2) + F.smooth_l1_loss(x, -x),
    "bce": lambda x: F.binary_cross_entropy_with_logits(x, (x > 0).float()),
    "stack": lambda x: lab.stack([x, x], 0).transpose(0, 1).sum(2),
    "kl": lambda x: F.kl_div(F.log_softmax(x, 1), F.softmax(x, 1), reduction="batchmean"),
}


@pytest.mark.parametrize("name", SIZES)
def test_values_and_gradients_for_every_size(name: str) -> None:
    f = SIZES[name]
    compiled = lab.compile(f, dynamic=True)
    for n in (4, 7, 32, 100):
        x = lab.randn(n, 3, requires_grad=True)
        expected, found = f(x), compiled(x)
        assert found.shape == expected.shape
        np.testing.assert_allclose(
            found.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6
        )
        (a,), (b,) = (lab.autograd.grad((y * y).sum(), x) for y in (expected, found))
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-4, atol=1e-5)
    assert compiled.traces == 1


bias = lab.tensor([0.5, -1.5, 2.0], requires_grad=True)
CONTROL = {
    "cond": lambda x: lab.cond(x.sum() > 0, lambda x: x * 2 * bias, lambda x: -x, x),
    "cond around": lambda x: lab.cond(
        x.sum() > 0,
        lambda: x * bias + lab.zeros(x.shape[0], 1),
        lambda: lab.ones(x.shape) * x.shape[0] * x,
    ),
    "several results": lambda x: sum(
        lab.cond(x.sum() > 0, lambda x: (x, x.sum(0)), lambda x: (x.sin() * bias, x.mean(0)), x)
    ),
    "scan over the batch": lambda x: lab.scan(
        lambda c, row: ((c * row * bias).tanh(), c.sum()), x[0], x
    )[1],
    "scan with a batch": lambda x: lab.scan(
        lambda c, row: ((c * row * bias).tanh(), (c.mean(0), row)), x, lab.stack([x, x * 2])
    )[0],
    "bounded loop": lambda x: lab.while_loop(
        lambda n, x: x.mean() < 2, lambda n, x: (n + 1, x * bias + 1), 0, x, max_iterations=3
    )[1],
    "loop": lambda x: lab.while_loop(
        lambda n, x: x.mean() < 5, lambda n, x: (n + 1, x * 2 + x.shape[0]), 0, x
    )[1],
}


@pytest.mark.parametrize("name", CONTROL)
def test_choices_and_loops_for_every_size(name: str, each_executor: str) -> None:
    f = CONTROL[name]

    def values(x: Any) -> list[Any]:
        y = f(x)
        if name == "loop":  # has no gradient in a graph
            return [y]
        found = lab.autograd.grad((y * y).sum() + (x * bias).sum(), [x, bias])
        return [y, *found]

    compiled = lab.compile(values, dynamic=True)
    for n in (4, 7, 32) if each_executor == "c" else (4, 7, 2, 32, 4, 1):
        x = lab.randn(n, 3, requires_grad=True)
        for a, b in zip(values(x), compiled(x), strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-3, atol=1e-5)
    assert compiled.traces <= 2  # a size of 1 may need its own
    assert compiled.traces == 1 or each_executor == "numpy"


def test_what_the_size_decides_is_traced_for_each_answer() -> None:
    f = lab.compile(lambda x: x * 2 if x.shape[0] > 5 else -x, dynamic=True)
    for n, factor in ((3, -1), (4, -1), (8, 2), (9, 2), (2, -1), (70, 2)):
        assert f(lab.ones(n)).tolist() == [factor] * n
    assert f.reasons == [
        "the first call",
        "new arguments: float32 (8,) (the function does something else for size 8)",
    ]


def test_odd_and_even_sizes_are_two_traces() -> None:
    f = lab.compile(lambda x: x * 2 if x.shape[0] % 2 == 0 else -x, dynamic=True)
    for n, factor in ((3, -1), (4, 2), (5, -1), (8, 2), (7, -1)):
        assert f(lab.ones(n)).tolist() == [factor] * n
    assert f.traces == 2


@pytest.mark.parametrize(
    ("f", "why"),
    [
        (
            lambda x: sum(x[i].sum() for i in range(x.shape[0])) + x.sum(),
            "the size is used as a number in test_dynamic.py line",
        ),
        (lambda x: x * math.sqrt(x.shape[0]), "the size is used as a float"),
        (lambda x: x[: x.shape[0] // 2 * 2], "two numbers look alike"),
        (lambda x: x[: x.shape[0] // 2000 + 1], "is divided so often"),
        (lambda x: x / len(x), "the size is used as a number"),
        (lambda x: sum(row.sum() for row in x) * x, "the size is looped over"),
        (lambda x: x.reshape(2, -1), "with 104729 in its place: reshape"),
        (lambda x: (x * 2, x.shape[0])[0:2], "the function returns the size"),
        (
            lambda x: x + lab.linspace(0, 1, x.shape[0]).unsqueeze(1),
            "a constant tensor has the size",
        ),
    ],
    ids=["range", "sqrt", "round", "divide", "len", "rows", "reshape", "result", "linspace"],
)
def test_a_size_that_is_baked_in_is_traced_for_itself_with_a_reason(f: Any, why: str) -> None:
    compiled = lab.compile(f, dynamic=True)
    with pytest.warns(RuntimeWarning) as told:
        compiled(lab.randn(4, 3))
    (line,) = told  # once, at the first size
    assert why in str(line.message)
    assert "is traced for each size, in spite of dynamic: dimension 0" in str(line.message)
    for n in (4, 6, 4):
        x = lab.randn(n, 3)
        expected, found = f(x), compiled(x)
        if isinstance(expected, tuple):
            assert found[1] == n
            expected, found = expected[0], found[0]
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5)
    assert compiled.traces == 2
    assert all("dimension 0 cannot stay open: " in reason for reason in compiled.reasons)
    assert why in compiled.reasons[0]
    assert why in str(lab.explain(compiled))


def test_sizes_that_change_along_and_sizes_that_do_not() -> None:
    f = lab.compile(lambda x, y, w: (x * y).sum() + (x @ w).sum(), dynamic=True)
    for n in (2, 5, 9):
        x = lab.ones(n, 3)
        assert f(x, lab.ones(n, 1), lab.ones(3, 4)).item() == 3 * n + 12 * n
    assert f.traces == 1
    x = lab.ones(3, 3)  # now the size of w is the same: it cannot be told apart
    with pytest.warns(RuntimeWarning, match="dimension 0 cannot stay open: with 104729"):
        assert f(x, lab.ones(3, 1), lab.ones(3, 4)).item() == 45
    assert f(x, lab.ones(1, 1), lab.ones(3, 4)).item() == 45  # spread: another function
    with pytest.raises(lab.ShapeError) as error:
        f(x, lab.ones(2, 1), lab.ones(3, 4))
    with pytest.raises(lab.ShapeError) as eager:
        f.function(x, lab.ones(2, 1), lab.ones(3, 4))
    assert str(error.value) == str(eager.value)
    assert f(lab.ones(0, 3), lab.ones(0, 1), lab.ones(3, 4)).item() == 0
    assert f(lab.ones(1, 3), lab.ones(1, 1), lab.ones(3, 4)).item() == 15


def test_errors_of_a_run_are_those_of_eager_mode() -> None:
    f = lab.compile(lambda x, y: F.cross_entropy(x, y), dynamic=True)
    messages = []
    for g in (f.function, f):
        for n in (2, 4):
            assert g(lab.zeros(n, 3), lab.zeros(n).long()).item() == pytest.approx(math.log(3))
        with pytest.raises(lab.LabError) as error:
            g(lab.zeros(5, 3), lab.tensor([0, 1, 9, 0, 0]))
        messages.append(str(error.value).splitlines()[0])
    assert messages[0] == messages[1]
    assert f.traces == 1


def test_guards_hold_for_every_size_and_plans_are_bounded() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    f = lab.compile(lambda x: model(x), dynamic=True)
    for n in range(1, compiler.LIMIT + 20):
        assert f(lab.ones(n, 3)).shape == (n, 2)
    assert len(f.entries) == compiler.LIMIT
    assert f.traces <= 2
    before = f.traces
    model.eval()
    for n in (4, 40):
        np.testing.assert_allclose(
            f(lab.ones(n, 3)).detach().numpy(), model(lab.ones(n, 3)).detach().numpy(), rtol=1e-5
        )
    assert f.traces == before + 1
    model.load_state_dict({k: v * 2 for k, v in model.state_dict().items()})
    np.testing.assert_allclose(
        f(lab.ones(9, 3)).detach().numpy(), model(lab.ones(9, 3)).detach().numpy(), rtol=1e-5
    )


ROWS = [r for r in OPS.values() if not r.random and r.name not in ("to_device", "cholesky")]
GROUPS = [ROWS[i : i + 30] for i in range(0, len(ROWS), 30)]


# the first dimension of some ops is no batch
@pytest.mark.filterwarnings("ignore:.* in spite of dynamic")
@pytest.mark.parametrize("rows", GROUPS, ids=lambda rows: f"{rows[0].name} to {rows[-1].name}")
def test_every_row_of_the_table_at_sizes_that_it_was_not_traced_for(rows: list[Any]) -> None:
    rng = np.random.default_rng(5)
    for op in rows:
        for sample in op.samples:
            shape = sample.inputs[0].shape if sample.inputs else ()
            if not shape or shape[0] < 2:
                continue

            def run(*xs: Any, op: Any = op, attrs: Any = sample.attrs) -> list[Any]:
                y = current().apply(op, xs, attrs)
                out = [y]
                if op.differentiable and y.dtype.is_floating_point and y.numel():
                    wanted = [x for x in xs if x.requires_grad]
                    out += lab.autograd.grad((y * y).sum(), wanted, allow_unused=True)
                return [x for x in out if x is not None]

            compiled = lab.compile(run, dynamic=True)
            for n in (shape[0], shape[0] + 3, 1):
                xs = []
                for draw in sample.inputs:
                    if draw.shape[:1] == shape[:1]:
                        draw = replace(draw, shape=(n, *draw.shape[1:]))
                    xs.append(make(draw(rng, np.float64)))
                    xs[-1].requires_grad = xs[-1].dtype.is_floating_point
                try:
                    expected = run(*xs)
                except Exception:  # noqa: BLE001  shapes that the op does not take
                    with pytest.raises(Exception):  # noqa: B017, PT011
                        compiled(*xs)
                    continue
                for a, b in zip(expected, compiled(*xs), strict=True):
                    assert (a.shape, a.dtype) == (b.shape, b.dtype), op
                    np.testing.assert_allclose(
                        b.detach().numpy(), a.detach().numpy(), rtol=1e-7, atol=1e-9
                    )


# Sizes by name -----------------------------------------------------------------------------


class Words(nn.Module):
    """A language model: any number of texts, of any length."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.words, self.places = nn.Embedding(17, 8), nn.Embedding(64, 8)
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 17)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)

    def forward(self, ids: Any) -> Any:
        count, length = ids.shape
        x = self.words(ids) + self.places(lab.arange(length))
        if self.kind == "layer":
            x = self.block(x)
        elif self.kind == "scan":
            start = lab.zeros(count, 8)
            step = lambda h, row: ((self.qkv(row)[:, :8] + h).tanh(),) * 2  # noqa: E731
            x = lab.scan(step, start, x.transpose(0, 1))[1].transpose(0, 1)
        else:
            q, k, v = (
                y.view(count, length, 2, 4).transpose(1, 2) for y in self.qkv(x).chunk(3, -1)
            )
            if self.kind == "attention":
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            else:
                hidden = lab.ones(length, length).tril() == 0
                y = F.softmax((q @ k.mT / 2).masked_fill(hidden, -1e9), -1) @ v
            x = x + y.transpose(1, 2).reshape(count, length, 8)
        return self.out(x)


@pytest.mark.parametrize("kind", ["mask", "attention", "layer", "scan"])
def test_a_language_model_for_any_number_of_texts_of_any_length(kind: str) -> None:
    results = []
    for compiled in (False, True):
        lab.manual_seed(3)
        net = Words(kind)
        optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        ran: list[int] = []

        def step(ids: Any, y: Any, net: Any = net, optimizer: Any = optimizer, n: Any = ran) -> Any:
            n.append(1)
            optimizer.zero_grad()
            loss = F.cross_entropy(net(ids).flatten(0, 1), y.flatten())
            loss.backward()
            optimizer.step()
            return loss

        open_sizes = {"ids": (0, 1), "y": [0, -1]}
        run = lab.compile(step, dynamic=open_sizes, executor="numpy") if compiled else step
        rng = np.random.default_rng(0)
        losses = []
        for shape in ((4, 7), (3, 5), (8, 12), (2, 9), (7, 4), (4, 7)):
            ids, y = (lab.tensor(rng.integers(0, 17, shape)) for _ in range(2))
            losses.append(run(ids, y).item())
        results.append((losses, [p.detach().numpy() for p in net.parameters()]))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-4)
    for a, b in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-5)
    assert run.traces == 1
    assert len(ran) <= 4  # with the sizes open, and with those of the call to compare; twice


def test_named_sizes_hold_for_gradients_and_are_told_apart() -> None:
    def f(x: Any, w: Any) -> Any:
        n, m = x.shape
        y = lab.cat([x.sum(1), w.sum(0), lab.zeros(n + m)])
        return (y * y).sum() / (n * m) + x.mean() * (m - 1) + (w @ x).var()

    compiled = lab.compile(f, dynamic={"x": (0, 1), "w": (0, 1)}, executor="numpy")
    for n, m, k in ((4, 7, 3), (5, 2, 9), (3, 8, 6), (2, 5, 4)):
        x, w = lab.randn(n, m, requires_grad=True), lab.randn(k, n, requires_grad=True)
        expected, found = f(x, w), compiled(x, w)
        np.testing.assert_allclose(found.item(), expected.item(), rtol=1e-4)
        pairs = zip(*(lab.autograd.grad(y, [x, w]) for y in (expected, found)), strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-3, atol=1e-5)
    assert compiled.traces == 1
    assert lab.explain(compiled).signatures[1].size == (5, 2, 9)
    assert "trace 1, written for sizes 5, 2, 9" in str(lab.explain(compiled))
    square = lab.randn(4, 4), lab.randn(4, 4)  # sizes that are equal are one size
    np.testing.assert_allclose(compiled(*square).item(), f(*square).item(), rtol=1e-4)
    assert compiled.traces == 2
    (only,) = lab.compile(lambda x: [x.sum(1)], dynamic={"x": 1})(lab.ones(2, 5))
    assert only.tolist() == [5, 5]


def test_a_named_size_that_python_needs_is_said_once() -> None:
    f = lab.compile(lambda x: sum(x[:, i] for i in range(x.shape[1])), dynamic={"x": (0, 1)})
    with pytest.warns(RuntimeWarning, match="what dynamic names cannot stay open: the size is use"):
        assert f(lab.ones(2, 3)).tolist() == [3, 3]
    assert f(lab.ones(2, 4)).tolist() == [4, 4]
    net = nn.GRU(3, 4, batch_first=True)
    g = lab.compile(lambda x: net(x)[0].sum(), dynamic={"x": (0, 1)}, executor="numpy")
    with pytest.warns(RuntimeWarning, match="a loop goes over a size"):
        g(lab.ones(2, 5, 3))


@pytest.mark.parametrize(
    ("dynamic", "words"),
    [
        (1, "dynamic: got int 1"),
        ("x", "dynamic: got str 'x'"),
        ({}, "dynamic: got"),
        ({"x": None}, "dynamic: got 'x': None"),
        ({"x": ()}, r"dynamic: got 'x': \(\)"),
        ({"x": (0, True)}, r"dynamic: got 'x': \(0, True\)"),
        ({0: 1}, "dynamic: got 0: 1"),
        (["x"], "dynamic: got list"),
    ],
)
def test_what_dynamic_takes(dynamic: Any, words: str) -> None:
    for decorate in (lab.compile, lab.function):
        with pytest.raises(lab.ArgumentError, match=words) as error:
            decorate(lambda x: x, dynamic=dynamic)
        assert 'dynamic={"x": 0, "ids": (0, 1)}' in str(error.value)


def test_dimensions_that_are_not_there() -> None:
    def f(x: Any, n: Any) -> Any:
        return x * n

    for dynamic, words in (
        ({"y": 0}, "dynamic of f(): there is no tensor argument 'y'\n  expected names of x, n"),
        ({"x": 2}, "dynamic of f(): 'x' has no dimension 2\n  x  (2, 3)\n  expected dimensions"),
        ({"n": 0}, "dynamic of f(): 'n' is a number and has no dimension 0"),
    ):
        with pytest.raises(lab.ArgumentError) as error:
            lab.compile(f, dynamic=dynamic)(lab.ones(2, 3), lab.tensor(2.0))
        assert words in str(error.value)
