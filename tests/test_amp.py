"""Mixed precision: the dtypes of autocast beside PyTorch's, and the scaling of losses."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import test_layers_executors as layers
from double import COPIES, DeviceArray, make_cupy
from oracle import Oracle

import minitorch_lab as lab
import minitorch_lab.nn.functional as F
from minitorch_lab import nn
from minitorch_lab.device import CUDA, register, unregister
from minitorch_lab.op import OPS

OVERFLOW = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
Half = Callable[[Any, Any, Any, Any, Any], Any]


@pytest.fixture
def double() -> Iterator[None]:
    """A stand-in for a GPU that counts copies and makes none silently."""
    register(DeviceArray, make_cupy(), CUDA)
    yield
    unregister(DeviceArray)


# The dtypes of results ---------------------------------------------------------------------------
# Each call gets the library, its functional, a float32 matrix, a float16 matrix and a float32 row.

LOW: dict[str, Half] = {
    "matmul": lambda t, f, x, h, v: x @ x,
    "vectors": lambda t, f, x, h, v: t.matmul(v, v),
    "mm": lambda t, f, x, h, v: t.mm(x, h),
    "mv": lambda t, f, x, h, v: t.mv(x, v),
    "bmm": lambda t, f, x, h, v: t.bmm(x.unsqueeze(0), x.unsqueeze(0)),
    "addmm": lambda t, f, x, h, v: t.addmm(x, x, x),
    "addmv": lambda t, f, x, h, v: t.addmv(v, x, v),
    "addr": lambda t, f, x, h, v: t.addr(x, v, v),
    "baddbmm": lambda t, f, x, h, v: t.baddbmm(x.unsqueeze(0), h.unsqueeze(0), x.unsqueeze(0)),
    "addbmm": lambda t, f, x, h, v: t.addbmm(x, x.unsqueeze(0), x.unsqueeze(0)),
    "multi_dot": lambda t, f, x, h, v: t.linalg.multi_dot([x, x, x]),
    "einsum": lambda t, f, x, h, v: t.einsum("ij,jk->ik", x, x),
    "linear": lambda t, f, x, h, v: f.linear(x, x, v),
    "conv1d": lambda t, f, x, h, v: f.conv1d(x.unsqueeze(0), x.unsqueeze(2), v),
    "conv2d": lambda t, f, x, h, v: f.conv2d(
        x.unsqueeze(0).unsqueeze(0), h.unsqueeze(0).unsqueeze(0)
    ),
    "conv_transpose1d": lambda t, f, x, h, v: f.conv_transpose1d(
        x.unsqueeze(0), x.unsqueeze(2), v
    ),
    "conv_transpose2d": lambda t, f, x, h, v: f.conv_transpose2d(
        x.unsqueeze(0).unsqueeze(0), x.unsqueeze(0).unsqueeze(0), v[:1]
    ),
    "attention": lambda t, f, x, h, v: f.scaled_dot_product_attention(
        x.unsqueeze(0), x.unsqueeze(0), x.unsqueeze(0)
    ),
}  # fmt: skip
FULL: dict[str, Half] = {
    **{
        name: lambda t, f, x, h, v, name=name: getattr(t, name)(h)
        for name in "acos asin cosh erfinv exp expm1 log log10 log1p log2 reciprocal rsqrt sinh "
        "square tan".split()
    },
    **{
        name: lambda t, f, x, h, v, name=name: getattr(t, name)(h, 0)
        for name in "sum cumsum cumprod prod softmax log_softmax logsumexp".split()
    },
    **{
        name: lambda t, f, x, h, v, name=name: getattr(f, name)(h, h)
        for name in "mse_loss l1_loss smooth_l1_loss huber_loss kl_div poisson_nll_loss "
        "soft_margin_loss hinge_embedding_loss binary_cross_entropy_with_logits "
        "cosine_similarity pairwise_distance".split()
    },
    **{
        f"{name} of each": lambda t, f, x, h, v, name=name: getattr(f, name)(
            h, h, reduction="none"
        )
        for name in "mse_loss l1_loss smooth_l1_loss huber_loss kl_div hinge_embedding_loss".split()
    },
    "pow": lambda t, f, x, h, v: h**2,
    "pow of 2": lambda t, f, x, h, v: 2**h,
    "softplus": lambda t, f, x, h, v: f.softplus(h),
    "softmin": lambda t, f, x, h, v: f.softmin(h, dim=0),
    "norm": lambda t, f, x, h, v: t.norm(h),
    "vector_norm": lambda t, f, x, h, v: t.linalg.vector_norm(h),
    "matrix_norm": lambda t, f, x, h, v: t.linalg.matrix_norm(h),
    "dist": lambda t, f, x, h, v: t.dist(h, h),
    "cdist": lambda t, f, x, h, v: t.cdist(h, h),
    "layer_norm": lambda t, f, x, h, v: f.layer_norm(h, (3,), v, v),
    "layer_norm without weight": lambda t, f, x, h, v: f.layer_norm(h, (3,)),
    "group_norm": lambda t, f, x, h, v: f.group_norm(h, 1, v, v),
    "normalize": lambda t, f, x, h, v: f.normalize(h),
    "cross_entropy": lambda t, f, x, h, v: f.cross_entropy(h, _classes(t, h)),
    "cross_entropy, smooth": lambda t, f, x, h, v: f.cross_entropy(
        h, _classes(t, h), label_smoothing=0.1
    ),
    "cross_entropy of probabilities": lambda t, f, x, h, v: f.cross_entropy(h, h),
    "nll_loss": lambda t, f, x, h, v: f.nll_loss(h, _classes(t, h)),
    "nll_loss of each": lambda t, f, x, h, v: f.nll_loss(h, _classes(t, h), reduction="none"),
    "margin_ranking_loss": lambda t, f, x, h, v: f.margin_ranking_loss(h, h, h),
    "triplet_margin_loss": lambda t, f, x, h, v: f.triplet_margin_loss(h, h, h),
}  # fmt: skip
AS_IT_COMES: dict[str, Half] = {
    **{
        name: lambda t, f, x, h, v, name=name: getattr(t, name)(h)
        for name in "abs asinh atan ceil cos erf erfc exp2 floor mean neg relu round sigmoid "
        "sign sin sqrt tanh trunc".split()
    },
    **{
        f"F.{name}": lambda t, f, x, h, v, name=name: getattr(f, name)(h)
        for name in "elu celu gelu selu silu hardtanh hardsigmoid leaky_relu relu6 dropout".split()
    },
    "x + h": lambda t, f, x, h, v: x + h,
    "h + 1": lambda t, f, x, h, v: h + 1,
    "cat": lambda t, f, x, h, v: t.cat([x, h]),
    "stack": lambda t, f, x, h, v: t.stack([h, x]),
    "where": lambda t, f, x, h, v: t.where(h > 0, x, h),
    "atan2": lambda t, f, x, h, v: t.atan2(x, h),
    "addcmul": lambda t, f, x, h, v: t.addcmul(x, h, h),
    "lerp": lambda t, f, x, h, v: t.lerp(h, h, 0.5),
    "outer": lambda t, f, x, h, v: t.outer(v, v),
    "amax": lambda t, f, x, h, v: t.amax(h, 0),
    "batch_norm in eval": lambda t, f, x, h, v: f.batch_norm(h, v, v, v, v),
    "embedding": lambda t, f, x, h, v: f.embedding(_classes(t, h), x),
    "in place": lambda t, f, x, h, v: x.exp().add_(h),
}


def _classes(library: Any, like: Any) -> Any:
    return library.tensor([0, 1, 2]).to(like.device)


def dtypes_of(library: Any, calls: dict[str, Half], make: Callable[[int], Any]) -> list[str]:
    """The dtype that each call gives; warnings about small tensors are not the question."""
    functional = library.nn.functional
    found = []
    for call in calls.values():
        x, v = make(2), make(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.append(str(call(library, functional, x, x.to(library.float16), v).dtype))
    return [name.rpartition(".")[2] for name in found]


def on_fake_gpu(torch: Any, calls: dict[str, Half]) -> list[str]:
    """The dtypes of a GPU, which PyTorch tells without one: its tensors have no entries."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", torch.float16)
    try:
        with FakeTensorMode():
            return dtypes_of(torch, calls, lambda n: torch.empty((3,) * n, device="cuda"))
    finally:
        torch.set_autocast_enabled("cuda", False)


@pytest.mark.parametrize("calls", [LOW, FULL, AS_IT_COMES], ids=["low", "full", "as it comes"])
def test_dtypes_are_those_of_pytorch_on_a_gpu(calls: dict[str, Half], oracle: Oracle) -> None:
    # PyTorch's convolutions of two dimensions would call CUDA itself
    asked = {name: call for name, call in calls.items() if not name.endswith("2d")}
    with lab.autocast("cpu"):
        ours = dtypes_of(lab, asked, lambda n: lab.rand((3,) * n))
    theirs = oracle(lambda torch: on_fake_gpu(torch, asked))
    assert dict(zip(asked, ours, strict=True)) == dict(zip(asked, theirs, strict=True))


@pytest.mark.parametrize("calls", [LOW, FULL, AS_IT_COMES], ids=["low", "full", "as it comes"])
def test_dtypes_beside_pytorchs_on_the_cpu(calls: Any, oracle: Oracle) -> None:
    """PyTorch's list for the CPU is shorter: what differs is wider here, as on a GPU."""

    def theirs(torch: Any) -> list[str]:
        with torch.autocast("cpu", dtype=torch.float16):
            return dtypes_of(torch, calls, lambda n: torch.rand((3,) * n))

    with lab.autocast("cpu"):
        ours = dtypes_of(lab, calls, lambda n: lab.rand((3,) * n))
    differ = {
        name: (a, b)
        for name, a, b in zip(calls, ours, oracle(theirs), strict=True)
        if a != b and name not in ("addmv", "addr", "mv")  # not on PyTorch's list for the CPU
    }
    wide = set(differ.values()) <= {("float32", "float16")}
    assert wide if calls is FULL else not differ


def test_rows_of_the_table_are_on_pytorchs_lists() -> None:
    low = {name for name, op in OPS.items() if op.autocast == "low"}
    assert low == {"matmul", "linear", "conv2d", "rnn", "lstm", "gru"}
    assert {op.autocast for op in OPS.values()} == {"", "low", "full"}
    assert OPS["exp"].autocast == "full"
    assert not OPS["to"].autocast
    assert "In a block of autocast it takes float16." in OPS["matmul"].__doc__
    assert "autocast" not in OPS["relu"].__doc__


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_layers(kind: str) -> None:
    lab.manual_seed(0)
    layer = getattr(nn, kind)(3, 4)
    x = lab.randn(5, 2, 3)
    expected = layer(x)[0]
    with lab.autocast("cpu"):
        out = layer(x.half())[0]
        assert out.dtype is lab.float16
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), atol=2e-3)
    out.float().sum().backward()
    assert {p.grad.dtype for p in layer.parameters()} == {lab.float32}


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("text", layers.SAMPLES)
def test_layers_are_near_float32(text: str) -> None:
    inputs = layers.given(layers.SAMPLES[text], "float32")
    lab.manual_seed(5)
    module = layers.made(text, "float32", True)
    if not isinstance(module, nn.Module):  # a function, whose weights it makes itself
        pytest.skip("the layer of it is tested")
    params = list(module.parameters())
    state = {key: x.clone() for key, x in module.state_dict().items()}

    def run(enabled: bool) -> list[Any]:
        module.load_state_dict(state)
        lab.manual_seed(6)
        with lab.autocast("cpu", enabled=enabled):
            (ys,), gradients = layers.together([module], params)([inputs])
        assert {g.dtype for g in gradients if g is not None} <= {lab.float32}
        return [None if x is None else x.detach().double().numpy() for x in (*ys, *gradients)]

    for full, mixed in zip(run(False), run(True), strict=True):
        assert (full is None) == (mixed is None)
        if full is not None and full.size:
            np.testing.assert_allclose(mixed, full, atol=0.02 * max(np.abs(full).max(), 1))


def test_layers_keep_statistics_in_float32() -> None:
    norm = nn.BatchNorm1d(3)
    x = lab.tensor([[300.0, 1.0, 2.0], [600.0, 2.0, 3.0]])  # squares out of the range of float16
    with lab.autocast("cpu"):
        out = norm(x.half())
    assert out.dtype is lab.float16
    norm_32 = nn.BatchNorm1d(3)
    np.testing.assert_allclose(out.detach().numpy(), norm_32(x).detach().numpy(), atol=1e-3)
    assert norm.running_var.dtype is lab.float32
    assert norm.running_var.tolist() == norm_32.running_var.tolist()


def test_attention_takes_a_float_mask() -> None:
    x = lab.randn(2, 3, 4)
    mask = lab.zeros(3, 3).masked_fill(lab.ones(3, 3).triu(1) > 0, -float("inf"))
    with lab.autocast("cpu"):
        out = F.scaled_dot_product_attention(x, x, x, mask)
    assert out.dtype is lab.float16
    expected = F.scaled_dot_product_attention(x, x, x, mask)
    np.testing.assert_allclose(out.numpy(), expected.numpy(), atol=3e-3)


@OVERFLOW
def test_sums_and_products_of_float16_are_rounded_once(oracle: Oracle) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40, 300)).astype("float16")

    def run(library: Any) -> list[Any]:
        x, y = library.tensor(a), library.tensor(b)
        return [x @ y.T, x.sum(0), x.mean(1), (x * 0 + 400).sum(), (x * 0 + 400).mean()]

    for ours, theirs in zip(*oracle.both(run), strict=True):
        assert ours.dtype == np.float16
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


# Blocks ------------------------------------------------------------------------------------------


def test_gradients_have_the_dtype_of_the_parameter(oracle: Oracle) -> None:
    w = np.array([[0.5, -1.0], [2.0, 0.25]], "float32")

    def run(library: Any) -> list[Any]:
        p = library.tensor(w, requires_grad=True)
        x = library.tensor([[1.0, 3.0]])
        with library.autocast("cpu", dtype=library.float16):
            y = x @ p
            loss = library.nn.functional.mse_loss(y, x)
        loss.backward()
        return [y.dtype, loss.dtype, p.grad.dtype, p.grad]

    ours, theirs = oracle.both(run)
    assert ours[:3] == theirs[:3] == ["float16", "float32", "float32"]
    np.testing.assert_allclose(ours[3], theirs[3], rtol=1e-3)


def test_blocks_in_blocks(oracle: Oracle) -> None:
    def run(library: Any) -> list[Any]:
        x = library.ones(2, 2)
        on = library.autocast("cpu", dtype=library.float16)
        seen = [x @ x]
        with on:
            seen.append(x @ x)
            with library.autocast("cpu", enabled=False):
                seen += [x @ x, library.exp(x.half())]
                with library.no_grad(), on:
                    seen.append(x @ x)
            seen.append(x @ x)
        seen.append(x @ x)
        return [y.dtype for y in seen]

    ours, theirs = oracle.both(run)
    assert ours == theirs


def test_decorator(oracle: Oracle) -> None:
    def run(library: Any) -> list[Any]:
        @library.autocast("cpu", dtype=library.float16)
        def product(x: Any) -> Any:
            """Squares."""
            return x @ x

        x = library.ones(2, 2)
        return [product(x).dtype, (x @ x).dtype, product.__doc__]

    ours, theirs = oracle.both(run)
    assert ours == theirs == ["float16", "float32", "Squares."]


def test_a_decorated_function_may_call_itself() -> None:
    @lab.autocast("cpu")
    def power(x: lab.Tensor, n: int) -> lab.Tensor:
        return power(x, n - 1) @ x if n else x

    assert power(lab.eye(2), 3).dtype is lab.float16
    assert not lab.is_autocast_enabled("cpu")


def test_grad_modes_inside() -> None:
    x, w = lab.ones(2, 2), lab.ones(2, 2, requires_grad=True)
    with lab.autocast("cpu"):
        for mode, recorded in (
            (lab.no_grad(), False),
            (lab.inference_mode(), False),
            (lab.enable_grad(), True),
        ):
            with mode:
                y = x @ w
                assert (y.dtype, y.requires_grad) == (lab.float16, recorded)
                assert lab.is_grad_enabled() is recorded
        lab.set_grad_enabled(False)
    try:
        assert not lab.is_grad_enabled()  # the block's end leaves what was set in it
        assert (x @ w).dtype is lab.float32
    finally:
        lab.set_grad_enabled(True)
    with lab.no_grad(), lab.autocast("cpu"):
        assert not (x @ w).requires_grad
    with lab.inference_mode(), lab.autocast("cpu"), lab.enable_grad():
        assert lab.is_inference_mode_enabled()
        assert not (x @ w).requires_grad


def test_an_error_leaves_the_block() -> None:
    with pytest.raises(ZeroDivisionError), lab.autocast("cpu"):
        raise ZeroDivisionError
    assert not lab.is_autocast_enabled("cpu")


def test_threads_have_blocks_of_their_own() -> None:
    seen: list[bool] = []
    with lab.autocast("cpu"):
        thread = threading.Thread(target=lambda: seen.append(lab.is_autocast_enabled("cpu")))
        thread.start()
        thread.join()
    assert seen == [False]


def test_what_is_not_cast() -> None:
    x = lab.ones(2, 2)
    with lab.autocast("cpu"):
        assert (x.double() @ x.double()).dtype is lab.float64
        assert (x.long() @ x.long()).dtype is lab.int64
        assert x.half().double().exp().dtype is lab.float64
        with pytest.raises(lab.DTypeError, match=r"float64 \(2, 2\)(.|\n)*float32 \(2, 2\)"):
            x.double() @ x
        y = lab.ones(2, 2)
        y.add_(x @ x)
        assert y.dtype is lab.float32
        assert y.tolist() == [[3, 3], [3, 3]]


def test_errors_tell_of_the_tensors_that_were_given() -> None:
    layer, x = nn.Linear(3, 4), lab.ones(2, 5)
    with pytest.raises(lab.ShapeError) as plain:
        layer(x)
    with pytest.raises(lab.ShapeError) as eager, lab.autocast("cpu"):
        layer(x)
    with pytest.raises(lab.ShapeError) as graph, lab.autocast("cpu"):
        lab.compile(layer)(x)
    assert str(plain.value) == str(eager.value) == str(graph.value)


def casts(y: lab.Tensor) -> list[Any]:
    """The casts that a result comes from."""
    found, nodes = [], [y.node]
    while nodes:
        node = nodes.pop()
        nodes += [x.node for x in node.inputs if getattr(x, "node", None) is not None]
        found += [node] if node.op.name == "to" else []
    return found


def test_a_parameter_is_cast_once() -> None:
    w = lab.eye(2, requires_grad=True)
    with lab.autocast("cpu"):
        one, two = casts(w @ w @ w), casts(w @ w)
        assert len({id(node.y) for node in one + two}) == 1
        with lab.no_grad():
            w.mul_(2.0)  # a step inside of the block: cast anew
        y = w @ w
        assert y.tolist() == [[4, 0], [0, 4]]
        w.data = 3 * lab.eye(2)
        assert (w @ w).tolist() == [[9, 0], [0, 9]]
        with lab.no_grad():
            assert not (w @ w).requires_grad
        y.sum().backward()
        (w @ w).sum().backward()  # what backward() has freed is not used again
    assert w.grad.dtype is lab.float32
    with lab.autocast("cpu", cache_enabled=False):
        again = casts(w @ w)
    assert len({id(node.y) for node in again}) == 2


def test_a_checkpoint_computes_again_in_its_block() -> None:
    w = lab.tensor([[1.0, 1 / 3]], requires_grad=True)
    x = lab.tensor([[1.0], [3.0]], requires_grad=True)
    seen = []

    def product(x: lab.Tensor) -> lab.Tensor:
        seen.append((w @ x).dtype)
        return w @ x

    with lab.autocast("cpu"):
        y = lab.utils.checkpoint.checkpoint(product, x)
    y.float().sum().backward()
    assert seen == [lab.float16] * 2
    assert x.grad.ravel().tolist() == w.half().ravel().tolist()


# Graphs ------------------------------------------------------------------------------------------


def test_a_block_around_a_compiled_function_is_another_graph() -> None:
    product = lab.compile(lambda x: (x @ x.T).exp())
    x = lab.full((2, 3), 1 / 3)
    plain = product(x)
    with lab.autocast("cpu"):
        inside = product(x)
        product(x)
    product(x)
    assert product.traces == 2
    assert product.reasons[1] == "autocast is on for cpu now, and was not before"
    assert "autocast is on for cpu" in str(lab.explain(product))
    ops = [e.op.name for e in product.graph(x).equations]
    assert "to" not in ops
    assert inside.dtype is plain.dtype is lab.float32
    assert inside.tolist() != plain.tolist()
    with lab.autocast("cpu"):
        assert [e.op.name for e in product.graph(x, optimised=False).equations].count("to") == 3


def test_a_block_inside_a_compiled_function() -> None:
    @lab.compile
    def product(x: lab.Tensor) -> tuple[lab.Tensor, lab.Tensor]:
        with lab.autocast("cpu"):
            y = x @ x
        return y, x @ x

    x = lab.full((2, 2), 1 / 3)
    y, z = product(x)
    assert (y.dtype, z.dtype) == (lab.float16, lab.float32)
    with lab.autocast("cpu"):
        eager = x @ x
    assert y.tolist() == eager.tolist()


def test_rounding_is_not_simplified_away() -> None:
    x = lab.tensor([1 / 3])
    there_and_back = lab.compile(lambda x: x.half().float())
    assert there_and_back(x).tolist() == x.half().float().tolist() != x.tolist()


def test_gradients_go_through_a_compiled_function_as_it_was_called() -> None:
    w = lab.tensor([[1 / 3]], requires_grad=True)
    x = lab.tensor([[1 / 3]], requires_grad=True)
    product = lab.compile(lambda x: x @ w)
    with lab.autocast("cpu"):
        y = product(x)
    y.float().sum().backward()  # outside of the block, as PyTorch asks for
    assert x.grad.dtype is lab.float32
    assert x.grad.item() == w.half().item() != w.item()


def test_choices_and_loops_in_a_graph() -> None:
    w = lab.full((2, 2), 1 / 3, requires_grad=True)

    def f(x: lab.Tensor) -> lab.Tensor:
        with lab.autocast("cpu"):
            y = lab.cond(x.sum() > 0, lambda x: (x @ w).float(), lambda x: x * 1.0, x)
            return lab.scan(lambda c, row: ((c @ w).float(), row), y, lab.zeros(3, 1))[0]

    def gradients(f: Any) -> list[Any]:
        w.grad = None
        loss = f(lab.ones(2, 2)).sum()
        loss.backward()
        return [loss.item(), w.grad.tolist()]

    eager, graph = gradients(f), gradients(lab.compile(f))
    np.testing.assert_allclose(eager[0], graph[0], rtol=1e-6)
    np.testing.assert_allclose(eager[1], graph[1], rtol=1e-3)
    names = [e.op.name for e in lab.compile(f).graph(lab.ones(2, 2)).equations]
    assert names.count("scan") == 1


# Training ----------------------------------------------------------------------------------------


def mlp() -> tuple[nn.Module, lab.Tensor, lab.Tensor]:
    lab.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 5))
    return model, lab.randn(64, 20), lab.randint(0, 5, (64,))


def cnn() -> tuple[nn.Module, lab.Tensor, lab.Tensor]:
    lab.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 3),
    )
    return model, lab.randn(16, 1, 8, 8), lab.randint(0, 3, (16,))


def losses(make: Any, enabled: bool, graph: bool = False, device: str = "cpu") -> list[float]:
    """The losses of some steps with autocast and a scaler, or without both."""
    model, x, target = make()
    model.to(device)
    x, target = x.to(device), target.to(device)
    adam = lab.optim.Adam(model.parameters(), lr=0.01)
    scaler = lab.amp.GradScaler(device, enabled=enabled)

    def gradients(x: lab.Tensor, target: lab.Tensor) -> lab.Tensor:
        with lab.autocast(device, enabled=enabled):
            loss = F.cross_entropy(model(x), target)
        adam.zero_grad()
        scaler.scale(loss).backward()
        return loss

    run = lab.compile(gradients) if graph else gradients
    found = []
    for _ in range(12):
        found.append(run(x, target))
        scaler.unscale_(adam)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(adam)
        scaler.update()
    return [loss.item() for loss in found]


@pytest.mark.parametrize("make", [mlp, cnn])
def test_training_follows_float32(make: Any) -> None:
    full, mixed = losses(make, False), losses(make, True)
    assert full != mixed
    np.testing.assert_allclose(mixed, full, rtol=2e-2)
    assert mixed[-1] < 0.8 * mixed[0]


@pytest.mark.parametrize("make", [mlp, cnn])
def test_training_in_a_graph_is_training_in_eager_mode(make: Any) -> None:
    np.testing.assert_allclose(losses(make, True, graph=True), losses(make, True), rtol=5e-3)


def test_small_gradients_are_0_in_float16_and_not_when_the_loss_is_scaled(oracle: Oracle) -> None:
    def run(library: Any) -> list[Any]:
        found = []
        for scale in (1.0, 2.0**16):
            w = library.tensor([[1.0]], requires_grad=True)
            x = library.tensor([[1e-4]])
            with library.autocast("cpu", dtype=library.float16):
                y = x @ w
            loss = y.float().sum() * 1e-4
            (loss * scale).backward()
            found.append(w.grad / scale)
        return found

    ours, theirs = oracle.both(run)
    assert ours[0].item() == theirs[0].item() == 0
    np.testing.assert_allclose([ours[1].item(), theirs[1].item()], 1e-8, rtol=1e-3)


# GradScaler --------------------------------------------------------------------------------------


def steps(library: Any, gradients: list[float], **settings: Any) -> list[Any]:
    """After each step with such a gradient: the parameter, the scale and the state."""
    w = library.tensor([1.0], requires_grad=True)
    sgd = library.optim.SGD([w], lr=0.5)
    scaler = library.amp.GradScaler("cpu", init_scale=8.0, **settings)
    found = []
    for g in gradients:
        sgd.zero_grad()
        scaler.scale((w * g).sum()).backward()
        scaler.step(sgd)
        scaler.update()
        state = scaler.state_dict()
        found.append([w.item(), scaler.get_scale(), state["_growth_tracker"], sorted(state)])
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"growth_interval": 2},
        {"growth_interval": 1, "growth_factor": 4.0},
        {"backoff_factor": 0.25},
    ],
    ids=str,
)
def test_the_scale_is_pytorchs(settings: dict[str, Any], oracle: Oracle) -> None:
    gradients = [1.0, float("inf"), 0.5, 0.25, float("nan"), 1.0, 1.0, 1.0, -float("inf"), 2.0]
    ours, theirs = oracle.both(lambda library: steps(library, gradients, **settings))
    assert ours == theirs


@OVERFLOW
def test_an_overflow_skips_a_step_and_halves() -> None:
    w = lab.full((1, 1), 1.0, requires_grad=True)
    adam = lab.optim.Adam([w], lr=0.1)
    scaler = lab.amp.GradScaler("cpu", init_scale=2.0**17)  # more than float16 has
    seen = []
    for _ in range(5):
        with lab.autocast("cpu"):
            loss = (lab.ones(1, 1) @ w).sum()
        adam.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(adam)
        scaler.update()
        seen.append((round(w.item(), 4), scaler.get_scale(), adam.state.get(w, {}).get("step")))
    assert seen == [
        (1.0, 2.0**16, None), (1.0, 2.0**15, None), (0.9, 2.0**15, 1), (0.8, 2.0**15, 2),
        (0.7, 2.0**15, 3),
    ]  # fmt: skip


def test_a_scale_stays_a_number_that_can_be_divided_by() -> None:
    assert steps(lab, [float("nan")] * 1200)[-1][:2] == [1.0, 2.0**-126]


def test_a_loss_in_float16_does_not_overflow() -> None:
    scaler = lab.amp.GradScaler("cpu", init_scale=2.0**17)
    out = scaler.scale(lab.tensor(2.0, dtype=lab.float16))
    assert (out.dtype, out.item()) == (lab.float32, 2.0**18)
    one, two = scaler.scale([lab.tensor(1.0), lab.tensor(2.0)])
    assert (one.item(), two.item()) == (2.0**17, 2.0**18)


def two_optimisers(library: Any) -> list[Any]:
    w, v = (library.tensor([1.0], requires_grad=True) for _ in range(2))
    first, second = library.optim.SGD([w], lr=0.5), library.optim.SGD([v], lr=0.5)
    scaler = library.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale((w + v * float("inf")).sum()).backward()
    scaler.step(first)
    scaler.step(second)
    scaler.update()
    return [w.item(), v.item(), scaler.get_scale()]


def test_one_scaler_for_two_optimisers(oracle: Oracle) -> None:
    ours, theirs = oracle.both(two_optimisers)
    assert ours == theirs == [0.5, 1.0, 4.0]


def test_state_goes_on_elsewhere(oracle: Oracle) -> None:
    def run(library: Any) -> list[Any]:
        scaler = library.amp.GradScaler("cpu", init_scale=4.0, growth_interval=7)
        other = library.amp.GradScaler("cpu")
        other.load_state_dict(scaler.state_dict())
        other.set_growth_factor(3.0)
        other.set_backoff_factor(0.25)
        other.set_growth_interval(9)
        state = other.state_dict()
        return [
            [state[key] for key in sorted(state)], other.get_growth_factor(),
            other.get_backoff_factor(), other.get_growth_interval(), other.is_enabled(),
        ]  # fmt: skip

    ours, theirs = oracle.both(run)
    assert ours == theirs
    scaler = lab.amp.GradScaler("cpu")
    scaler.scale(lab.tensor(1.0))
    scaler.update(16.0)
    assert scaler.get_scale() == 16


MISTAKES: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "unscale_ twice": lambda t, s, o, loss: (s.unscale_(o), s.unscale_(o)),
    "step twice": lambda t, s, o, loss: (s.step(o), s.step(o)),
    "unscale_ after step": lambda t, s, o, loss: (s.step(o), s.unscale_(o)),
    "update without step": lambda t, s, o, loss: s.update(),
    "a closure": lambda t, s, o, loss: s.step(o, closure=lambda: loss),
    "a number": lambda t, s, o, loss: s.scale(1.0),
    "an empty state": lambda t, s, o, loss: s.load_state_dict({}),
    "a factor of 1": lambda t, s, o, loss: t.amp.GradScaler("cpu", growth_factor=1.0),
    "backing off by 1": lambda t, s, o, loss: t.amp.GradScaler("cpu", backoff_factor=1.0),
    "gradients in float16": lambda t, s, o, loss: s.unscale_(halved(t, s)),
}
WORDS = {
    "unscale_ twice": "unscale_.. has been called",
    "step twice": "update.. between two steps",
    "unscale_ after step": "step.. has been called",
    "update without step": "call scaler.step",
    "a closure": "no closure",
    "a number": "expected a tensor, got float 1.0",
    "an empty state": "there is no 'scale'",
    "a factor of 1": "expected more than 1",
    "backing off by 1": "expected 0 to 1",
    "gradients in float16": "leave out model.half",
}


def halved(library: Any, scaler: Any) -> Any:
    """An optimiser whose parameter is float16."""
    w = library.ones(1, dtype=library.float16, requires_grad=True)
    scaler.scale(w.sum()).backward()
    return library.optim.SGD([w], lr=0.5)


@OVERFLOW
@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_with_a_scaler(name: str, oracle: Oracle) -> None:
    def run(library: Any) -> Any:
        w = library.ones(1, requires_grad=True)
        sgd, scaler = library.optim.SGD([w], lr=0.5), library.amp.GradScaler("cpu")
        loss = w.sum()
        scaler.scale(loss).backward()
        MISTAKES[name](library, scaler, sgd, loss)

    kind = oracle.error(run)
    expected = (lab.LabError,) if kind is AssertionError else (lab.LabError, kind)
    with pytest.raises(lab.LabError, match=WORDS[name]) as error:
        run(lab)
    assert isinstance(error.value, expected[-1])


def test_a_step_before_scale_changes_nothing() -> None:
    w = lab.ones(1, requires_grad=True)
    sgd, scaler = lab.optim.SGD([w], lr=0.5), lab.amp.GradScaler("cpu")
    w.sum().backward()
    for call in (scaler.step, scaler.unscale_):
        with pytest.raises(lab.LabError, match="no loss has been scaled"):
            call(sgd)
    scaler.scale(w.sum())
    w.grad = None
    with pytest.raises(lab.LabError, match="no parameter of this optimizer has a gradient"):
        scaler.step(sgd)
    with pytest.raises(lab.LabError, match="expected an optimizer, got float"):
        scaler.step(0.5)
    assert w.item() == 1


def test_a_scaler_that_is_off_is_not_there(oracle: Oracle) -> None:
    def run(library: Any) -> list[Any]:
        w = library.tensor([1.0], requires_grad=True)
        sgd, scaler = library.optim.SGD([w], lr=0.5), library.amp.GradScaler("cpu", enabled=False)
        scaler.scale((w * w).sum()).backward()
        scaler.unscale_(sgd)
        scaler.unscale_(sgd)
        scaler.step(sgd)
        scaler.update()
        scaler.load_state_dict({})
        return [w.item(), scaler.get_scale(), scaler.state_dict(), scaler.is_enabled()]

    ours, theirs = oracle.both(run)
    assert ours == theirs == [0.0, 1.0, {}, False]


OPTIMISERS = {
    "SGD": lambda p: lab.optim.SGD(p, lr=0.1, momentum=0.9),
    "Adam": lambda p: lab.optim.Adam(p, lr=0.01),
    "NAdam": lambda p: lab.optim.NAdam(p, lr=0.01),  # has a number that is multiplied in each step
}


def whole_steps(
    optimiser: str, compiled: Any, *, clip: bool = False, update: bool = True, device: str = "cpu"
) -> tuple[list[Any], list[lab.Tensor], Any]:
    """What some whole training steps leave: the first of them overflow, and the scale grows."""
    model, x, target = mlp()
    model.to(device)
    x, target = x.to(device), target.to(device)
    by = OPTIMISERS[optimiser](model.parameters())
    scaler = lab.amp.GradScaler(device, init_scale=2.0**22, growth_interval=3)

    def step(x: lab.Tensor, target: lab.Tensor) -> lab.Tensor:
        with lab.autocast(device):
            loss = F.cross_entropy(model(x), target)
        by.zero_grad()
        scaler.scale(loss).backward()
        if clip:
            scaler.unscale_(by)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(by)
        if update:
            scaler.update()
        return loss

    run, seen = compiled(step), []
    for _ in range(12):
        loss = run(x, target)
        if not update:
            scaler.update()
        counts = [
            value
            for state in by.state.values()
            for value in state.values()
            if not isinstance(value, lab.Tensor)
        ]
        seen.append((loss.item(), scaler.state_dict(), counts))
    return seen, [p.detach().clone() for p in model.parameters()], run


@OVERFLOW
@pytest.mark.filterwarnings("ignore:invalid value encountered in multiply:RuntimeWarning")  # clip
@pytest.mark.parametrize("executor", ["numpy", "c"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize(("clip", "update"), [(False, True), (True, True), (True, False)])
def test_a_whole_step_as_one_graph(executor: str, optimiser: str, clip: bool, update: bool) -> None:
    eager, expected, _ = whole_steps(optimiser, lambda f: f, clip=clip, update=update)
    scales = [state["scale"] for _, state, _ in eager]
    assert scales[0] < 2.0**22
    assert any(b > a for a, b in pairwise(scales))  # it went down, and up again
    compiled = partial(lab.compile, executor=executor)
    found, weights, run = whole_steps(optimiser, compiled, clip=clip, update=update)
    assert run.traces == 1
    for (loss, state, counts), (loss_e, state_e, counts_e) in zip(found, eager, strict=True):
        assert state == state_e
        assert counts == counts_e or not counts_e  # before the first step there are none
        np.testing.assert_allclose(loss, loss_e, rtol=1e-4)
    for w, e in zip(weights, expected, strict=True):
        np.testing.assert_allclose(w.numpy(), e.numpy(), atol=1e-4)


@pytest.mark.usefixtures("double")
def test_a_whole_step_as_one_graph_copies_one_number() -> None:
    model, x, _ = mlp()
    model.cuda()
    x, target = x.cuda(), lab.zeros(64, 5, device="cuda")
    adam, scaler = lab.optim.Adam(model.parameters()), lab.amp.GradScaler("cuda")

    @lab.compile
    def step(x: lab.Tensor, target: lab.Tensor) -> lab.Tensor:
        with lab.autocast("cuda"):
            loss = F.mse_loss(model(x), target)
        adam.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(adam)
        scaler.update()
        return loss

    step(x, target)
    with lab.cuda.transfers() as seen:
        step(x, target)
    assert [row.times for row in seen.rows] == [1]


def test_gradients_that_a_graph_divides_are_not_divided_again() -> None:
    w = lab.ones(2, requires_grad=True)
    sgd, scaler = lab.optim.SGD([w], lr=0.5), lab.amp.GradScaler("cpu", init_scale=4.0)

    @lab.compile
    def gradients(x: lab.Tensor) -> None:
        sgd.zero_grad()
        scaler.scale((w * x).sum()).backward()
        scaler.unscale_(sgd)

    for k in range(2):
        gradients(lab.tensor([1.0, float("inf")][: k + 1] * (2 - k)))
        scaler.step(sgd)
        scaler.update()
    assert w.tolist() == [0.5, 0.5]  # the second step is left out
    assert scaler.get_scale() == 2.0


def test_a_step_in_a_graph_wants_its_division_there_too() -> None:
    w = lab.ones(2, requires_grad=True)
    sgd, scaler = lab.optim.SGD([w], lr=0.5), lab.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(w.sum()).backward()
    scaler.unscale_(sgd)
    with pytest.raises(lab.TraceError, match="both inside, or both outside"):
        lab.compile(lambda: scaler.step(sgd))()
    scaler.step(sgd)
    assert w.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("name", ["step", "unscale_"])
def test_mistakes_with_a_scaler_are_the_same_in_a_graph(name: str) -> None:
    def mistake(compiled: Any) -> str:
        w = lab.ones(1, requires_grad=True)
        sgd, scaler = lab.optim.SGD([w], lr=0.5), lab.amp.GradScaler("cpu")

        def train(x: lab.Tensor) -> lab.Tensor:
            loss = (w * x).sum()
            scaler.scale(loss).backward()
            scaler.step(sgd)
            getattr(scaler, name)(sgd)
            return loss

        with pytest.raises(lab.LabError, match="already") as caught:
            compiled(train)(lab.ones(1))
        return str(caught.value).partition("\n  in ")[0]

    assert mistake(lambda f: f) == mistake(lab.compile)


def test_the_scale_is_read_anew_in_each_run_of_a_graph() -> None:
    w = lab.ones(1, requires_grad=True)
    scaler = lab.amp.GradScaler("cpu", init_scale=4.0)

    @lab.compile
    def gradients(x: lab.Tensor) -> lab.Tensor:
        w.grad = None
        loss = scaler.scale((w * x).sum())
        loss.backward()
        return loss

    assert gradients(lab.ones(1)).item() == w.grad.item() == 4
    scaler.update(16.0)
    assert gradients(lab.ones(1)).item() == w.grad.item() == 16
    assert gradients.traces == 1


# Names and mistakes ------------------------------------------------------------------------------


def test_bfloat16_is_not_there() -> None:
    assert not hasattr(lab, "bfloat16")
    with pytest.raises(AttributeError, match=r"NumPy has none(.|\n)*lab.float16"):
        lab.bfloat16  # noqa: B018
    with pytest.raises(lab.ArgumentError, match=r"bfloat16: NumPy has none(.|\n)*lab.float16"):
        lab.autocast("cpu", dtype="bfloat16")
    with pytest.raises(lab.ArgumentError, match="no autocast to float64"):
        lab.autocast("cpu", dtype=lab.float64)
    with pytest.raises(lab.KindError, match='expected "cpu" or "cuda"'):
        lab.autocast(lab.float16)


def test_without_a_gpu_cuda_is_a_warning_and_changes_nothing() -> None:
    if lab.cuda.is_available():
        pytest.skip("there is a GPU")
    x = lab.ones(2, 2)
    with pytest.warns(UserWarning, match=r'autocast for "cuda" changes nothing here'):
        block = lab.autocast("cuda")
    with block:
        assert (x @ x).dtype is lab.float32
        assert not lab.is_autocast_enabled("cuda")
    with pytest.warns(UserWarning, match=r'GradScaler for "cuda" changes nothing'):
        scaler = lab.cuda.amp.GradScaler(1024.0)
    assert not scaler.is_enabled()
    assert not lab.amp.is_autocast_available("cuda")
    assert lab.amp.is_autocast_available("cpu")
    with lab.cuda.amp.autocast(False):
        assert (x @ x).dtype is lab.float32


# On a stand-in for a GPU -------------------------------------------------------------------------


@pytest.mark.usefixtures("double")
def test_blocks_are_for_one_type_of_device() -> None:
    x = lab.ones(2, 2)
    y = x.cuda()
    with lab.cuda.amp.autocast():
        assert (x @ x).dtype is lab.float32
        assert (y @ y).dtype is lab.float16
        with lab.autocast("cpu"):
            assert (x @ x).dtype is (y @ y).dtype is lab.float16
            with lab.autocast("cuda", enabled=False):
                assert ((x @ x).dtype, (y @ y).dtype) == (lab.float16, lab.float32)


@pytest.mark.usefixtures("double")
def test_training_copies_one_number_a_step() -> None:
    model, x, target = mlp()
    model.cuda()
    x, target = x.cuda(), target.cuda()
    sgd = lab.optim.SGD(model.parameters(), lr=0.1)
    scaler = lab.cuda.amp.GradScaler()

    def step() -> None:
        with lab.autocast("cuda"):
            loss = F.mse_loss(model(x), x[:, :5])
        sgd.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(sgd)
        scaler.step(sgd)
        scaler.update()

    step()
    before = dict(COPIES)
    step()
    made = {way: COPIES[way] - before.get(way, 0) for way in COPIES}
    assert sum(made.values()) == 1, made
    with lab.cuda.transfers() as seen:
        step()
    assert [row.times for row in seen.rows] == [1]
    gradients = lab.compile(lambda x: lab.autocast("cuda")(model)(x).sum().backward())
    gradients(x)
    with lab.cuda.transfers() as seen:
        gradients(x)
    assert not seen.rows


@pytest.mark.usefixtures("double")
def test_training_on_the_stand_in_is_training_on_the_cpu() -> None:
    here = losses(mlp, True)
    np.testing.assert_allclose(losses(mlp, True, device="cuda"), here, rtol=5e-3)
    np.testing.assert_allclose(losses(mlp, True, graph=True, device="cuda"), here, rtol=5e-3)
