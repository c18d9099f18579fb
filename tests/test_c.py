"""The C executor: every row of the table gives what eager mode gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from samples import samples_of

import minitorch_lab as lab
from minitorch_lab import bench
from minitorch_lab.graph.codegen import native
from minitorch_lab.op import OPS
from minitorch_lab.ops.nn import unfold

try:
    native.compiler()
    WHY = ""
except native.NoCompiler as _why:
    WHY = str(_why)
pytestmark = [
    pytest.mark.skipif(bool(WHY), reason=WHY or "a compiler is there"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

LAPACK = "work of LAPACK, which NumPy brings"
DRAWS = "draws from the generator, the same numbers as in eager mode"
IN_PYTHON = {  # what runs between two C functions, and why
    "cholesky": LAPACK, "cofactors": LAPACK, "det": LAPACK, "det_sign": LAPACK, "inv": LAPACK,
    "logabsdet": LAPACK, "pinv": LAPACK, "solve": LAPACK,
    "bernoulli_each": DRAWS, "exponential": DRAWS, "multinomial": DRAWS,
    "rand": DRAWS, "randint": DRAWS, "randn": DRAWS, "randperm": DRAWS, "random": DRAWS,
    "uniform": DRAWS,
}  # fmt: skip

PURE = [op for op in OPS.values() if not op.random and op.name != "to_device"]
GROUPS = [PURE[i : i + 12] for i in range(0, len(PURE), 12)]


def in_python(compiled: Any, *inputs: Any) -> set[str]:
    """The rows that run between the C functions of a plan."""
    names = {e.out.id: e.op.name for e in compiled.graph(*inputs).equations}
    calls = compiled.code(*inputs).partition("\nstatic ")[0]
    return {names[int(n)] for n in re.findall(r"\bop(\d+)\(", calls)}


def test_what_draws_runs_between() -> None:
    draws = {op.name for op in OPS.values() if op.random}
    assert {n for n, why in IN_PYTHON.items() if why == DRAWS} == draws - {"bernoulli"}


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5 + 2**-30, 1.0])
def test_dropout_draws_in_c_what_eager_mode_draws(p: float) -> None:
    x = lab.randn(300, 7)

    def f(x: Any) -> Any:
        y = lab.nn.functional.dropout(x, p)
        return y, lab.bernoulli(lab.full_like(x, 0.5)), lab.nn.functional.dropout(y, p), lab.rand(3)

    compiled = lab.compile(f, executor="c")
    for _ in range(2):  # the generator goes on
        lab.manual_seed(3)
        eager = [f(x), f(x)]
        lab.manual_seed(3)
        for found, wanted in zip([compiled(x), compiled(x)], eager, strict=True):
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", GROUPS, ids=lambda rows: f"{rows[0].name} to {rows[-1].name}")
def test_rows_give_what_eager_mode_gives(rows: list[Any], dtype: Any) -> None:
    all_of_them, inputs = samples_of(rows, dtype)
    eager = all_of_them(*inputs)
    compiled = lab.compile(all_of_them, executor="c")
    found = compiled(*inputs)
    assert compiled.executor_used == "c"
    between = in_python(compiled, *inputs)
    assert between <= set(IN_PYTHON)
    assert between >= {op.name for op in rows} & set(IN_PYTHON)
    near = 3e-5 if dtype is np.float32 else 1e-9
    for a, b in zip(eager, found, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=near, atol=near)
    again = compiled(*inputs)  # buffers are used again
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


# More than one sample: every dtype, views, numbers, places that are named twice, nothing at all.
AT, PLACES = lab.tensor([[2, 0, 2], [1, 1, 0]]), lab.tensor([3, 1, -1])
MOVES: dict[str, Callable[..., Any]] = {
    "flip": lambda x, s: x.transpose(0, 2)[1:].flip(0, 1),
    "roll": lambda x, s: x.roll(7),
    "repeat": lambda x, s: x.transpose(0, 1).repeat(2, 1, 1, 3),
    "tril": lambda x, s: x.transpose(1, 2).tril(1),
    "triu": lambda x, s: x.triu(-1),
    "cat": lambda x, s: lab.cat([x, s[:, :2, :5], x[:, :0]], 1),
    "stack": lambda x, s: lab.stack([x, s[:, :4, :5]], 3),
    "in place": lambda x, s: put(x.clone(), s),
    "gather": lambda x, s: lab.gather(x, 1, AT[:, :, None].int()),
    "scatter": lambda x, s: lab.scatter(x, 2, AT[:, None], s),
    "scatter a number": lambda x, s: lab.scatter(x, 2, AT[:, None], 1),
    "scatter_add": lambda x, s: lab.scatter_add(x, 2, AT[:, None], s),
    "amax at": lambda x, s: lab.scatter_reduce(x, 2, AT[:, None], s, "amax"),
    "amin at": lambda x, s: lab.scatter_reduce(x, 2, AT[:, None], s, "amin"),
    "index_select": lambda x, s: lab.index_select(x.transpose(0, 2), 2, AT[0]),
    "index_add": lambda x, s: lab.index_add(x, 1, AT[0], s[:, :3, :5]),
    "rows": lambda x, s: x[AT],
    "columns from the end": lambda x, s: x[:, PLACES],
    "neighbours": lambda x, s: x[1:, PLACES, None, PLACES],
    "apart": lambda x, s: x[AT[:, :1], :, AT],
    "after an int": lambda x, s: x[0, :, PLACES],
    "spread": lambda x, s: x[lab.tensor([1])[:, None].expand(1, 3)],
    "index_put": lambda x, s: lab.index_put(x, (AT[0], PLACES), s[0, 0, :5]),
    "added": lambda x, s: lab.index_put(x, (lab.tensor([2]).expand(3),), s[0, 0, :5], True),
    "index_fill": lambda x, s: lab.index_fill(x, 1, AT[0], 1),
    "sort": lambda x, s: x.sort(1).values,
    "argsort down": lambda x, s: x.transpose(0, 2).argsort(0, descending=True),
    "topk": lambda x, s: x.topk(2, 0).indices,
    "sort of one": lambda x, s: x[0, 0, 0].sort().indices,
    "amax": lambda x, s: x.amax((0, 1)),
    "amin": lambda x, s: x.amin(0, True),
    "all": lambda x, s: x.all(1),
    "any": lambda x, s: x.any(2, True),
    "count": lambda x, s: (x == x.flip(0)).sum((0, 2)),
    "count of all": lambda x, s: lab.count_nonzero(x),
    "sum of none": lambda x, s: x[:, :0].sum(1),
    "cumsum of none": lambda x, s: x[:, :0].cumsum(1),
    "none": lambda x, s: x[:0].flip(0),
}  # fmt: skip
NUMBERS: dict[str, Callable[..., Any]] = {  # bools have none of these
    "median": lambda x, s: x.median(),
    "median along": lambda x, s: x.median(1).indices,
    "argmax": lambda x, s: x.argmax(1),
    "argmin": lambda x, s: x.transpose(0, 2).argmin(0, True),
    "argmax of all": lambda x, s: x.transpose(0, 2).argmax(),
    "remainder": lambda x, s: x % s[:, :1, :5],
    "floor_divide": lambda x, s: x // s[:, :1, :5],
    "fmod": lambda x, s: lab.fmod(x, -3),
    "abs": lambda x, s: x.abs(),
    "floor": lambda x, s: x.floor(),
    "round": lambda x, s: lab.round(x, decimals=1),
}
WHOLE: dict[str, Callable[..., Any]] = {
    "sum": lambda x, s: x.sum(1),
    "prod": lambda x, s: x.prod(2),
    "cumsum": lambda x, s: x.cumsum(0),
    "cumprod": lambda x, s: x.cumprod(2),
    "matmul": lambda x, s: x[0].T @ x[1],
    "power": lambda x, s: x**5,
    "left": lambda x, s: x << x.abs(),
    "right": lambda x, s: x >> x.abs(),
    "beyond 2**53": lambda x, s: (x.long() + 2**60).abs().floor() // 3,
    "the lowest": lambda x, s: (x.long() * 0 - 2**62) * 2 // -1,
}
TRUTHS: dict[str, Callable[..., Any]] = {
    "add": lambda x, s: (x + s[:, :4, :5]).long(),
    "not": lambda x, s: (~x).long(),
    "sum": lambda x, s: x.sum(),
}


def put(y: Any, s: Any) -> Any:
    y[1] = s[0, :4, :5]
    y[:, ::2] = s[:, 1:3, :5]
    y.transpose(0, 2)[1, 2] = 1
    y[:, AT[0]] = s[:, :3, 2:7]
    y[0, :, PLACES] = s[1, :4, :3]
    y[..., -1] = 0
    return y


@pytest.mark.parametrize(
    ("dtype", "cases"),
    [
        ("float32", MOVES | NUMBERS),
        ("bool", MOVES | TRUTHS),
        ("int64", MOVES | NUMBERS | WHOLE),
        ("int8", NUMBERS | WHOLE),
        ("uint8", WHOLE),
    ],
    ids=["float32", "bool", "int64", "int8", "uint8"],
)
def test_moves_order_and_whole_numbers_are_exact(
    dtype: str, cases: dict[str, Callable[..., Any]]
) -> None:
    rng = np.random.default_rng(3)
    low = 0 if dtype in ("bool", "uint8") else -9
    x, s = (rng.integers(low, 10, shape) for shape in ((3, 4, 5), (3, 6, 7)))
    s[s == 0] = 4  # a divisor
    if dtype.startswith("float"):
        x = x * 0.37
        x[1, 2, 3] = x[0, 0, 1] = np.nan
        x[2, :, 0] = -np.inf
    a, b = lab.tensor(x.astype(dtype)), lab.tensor(s.astype(dtype))
    compiled = lab.compile(lambda x, s: [f(x, s) for f in cases.values()], executor="c")
    found = compiled(a, b)
    assert not in_python(compiled, a, b)
    for (name, f), y in zip(cases.items(), found, strict=True):
        expected = f(a, b)
        assert y.dtype == expected.dtype, name
        np.testing.assert_array_equal(y.numpy(), expected.numpy(), err_msg=name)


MODELS = ["linear", "digits", "norms", "conv", "cnn", "gru"]


@pytest.mark.parametrize("name", MODELS)
def test_a_hundred_steps_lead_where_eager_mode_leads(name: str) -> None:
    losses = []
    for mode in ("eager", "c"):
        lab.manual_seed(0)
        step, x, y = bench.training_step(bench.WORK[name][1](lab))
        if mode == "c":
            step = lab.compile(step, executor="c")
        losses.append([step(x, y).item() for _ in range(100)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4, atol=1e-6)
    assert losses[0][-1] < losses[0][0]


def test_a_convolution_needs_less_than_half_the_memory() -> None:
    step, x, y = bench.training_step(bench.conv(lab, 128))
    compiled = lab.compile(step, executor="c")
    traced = compiled.graph(x, y, optimised=False)
    results = [e.out.spec for e in traced.equations if not e.op.view and not e.out.spec.number]
    plan = next(iter(compiled.entries.values()))[0].plan
    assert plan.executor == "c"
    assert plan.buffer_bytes < 0.5 * sum(spec.nbytes for spec in results)


def test_a_sum_over_the_ends_gathers_each_row_in_a_register() -> None:
    compiled = lab.compile(lambda x: x.sum((0, 2)), executor="c")
    x = lab.randn(3, 4, 50)
    np.testing.assert_allclose(compiled(x).numpy(), x.numpy().sum((0, 2)), rtol=1e-5, atol=1e-5)
    assert "reduction(+:s" in lab.explain(compiled).code()


def test_two_reshapes_of_what_was_turned_share_one_copy() -> None:
    x = lab.randn(6, 4)

    def f(x: Any) -> Any:
        turned = x.mT
        return turned.reshape(24) * 2, turned.reshape(2, 12) + 1

    compiled = lab.compile(f, executor="c")
    for a, b in zip(compiled(x), f(x), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert lab.explain(compiled).signatures[0].steps == 3  # the copy, and two loops


@pytest.mark.parametrize("shape", [(8, 3, 80, 80), (6, 5, 90, 43)], ids=str)
def test_planes_of_a_picture_run_one_after_another(shape: tuple[int, ...]) -> None:
    """A tile in a tile: values, sums over planes, and what each plane adds to."""
    lab.manual_seed(1)
    x, bias = lab.randn(*shape), lab.randn(shape[1]).requires_grad_()
    scale = lab.randn(shape[1], 1, 1).requires_grad_()

    def f(x: Any, bias: Any, scale: Any) -> Any:
        y = (x * scale + bias.view(1, -1, 1, 1)).relu()
        loss = (lab.nn.functional.max_pool2d(y, 2) ** 2).mean()
        return loss, *lab.autograd.grad(loss, [bias, scale])

    compiled = lab.compile(f, executor="c")
    for a, b in zip(compiled(x, bias, scale), f(x, bias, scale), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-5, atol=1e-6)
    code = lab.explain(compiled).code()
    assert f"for (long u = 0; u < {shape[1]}; u++)" in code


# Height, width, and the window, its stride and its padding: rows of one vector and of several,
# filled and not, one row alone.
POOLS: list[tuple[Any, ...]] = [
    (26, 26, 2), (14, 14, 2), (6, 6, 2), (2, 34, 2), (9, 9, 3), (24, 66, 2), (10, 20, 2),
    (12, 12, (2, 3)), (9, 9, 2, 3), (9, 10, 2), (7, 8, (3, 2)), (130, 140, 2),
    (9, 26, (3, 2), None, (1, 0)), (10, 14, 2, 2, (1, 0)), (9, 14, 3, 2, 1),
]  # fmt: skip


def pooled(x: Any, *window: Any, turned: bool = False) -> Any:
    y = lab.nn.functional.max_pool2d(x.mT if turned else x, *window)
    return y.mT * 1.5 if turned else y * 1.5


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", [lab.float32, lab.float64], ids=str)
def test_pools_take_whole_vectors_at_any_width(dtype: Any, turned: bool) -> None:
    """Values and places, to the bit, with a NaN, ties and the last row of the last picture."""
    lab.manual_seed(0)
    pictures = [lab.randn(2, 3, h, w, dtype=dtype) for h, w, *_ in POOLS]
    for x in pictures:
        x[1, 2, 0, 1] = float("nan")
        x[0, 1] = x[0, 1].round()
        x.requires_grad_()

    def f(*pictures: Any) -> Any:
        shapes = zip(pictures, POOLS, strict=True)
        out = [pooled(x * 2, *window, turned=turned) for x, (_, _, *window) in shapes]
        return out, lab.autograd.grad(sum(y.nansum() for y in out), pictures)

    (values, grads), (right, wanted) = lab.compile(f, executor="c")(*pictures), f(*pictures)
    for a, b in zip([*values, *grads], [*right, *wanted], strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("size", [(6, 14), (70, 61)], ids=["copied", "too large to copy"])
def test_windows_of_a_picture_are_copied(size: tuple[int, int]) -> None:
    x = lab.randn(2, 3, *size)

    def f(x: Any) -> Any:
        return [
            unfold(picture, kernel_size=(3, 2), stride=stride, padding=padding, dilation=dilation)
            for picture in (x, x.mT)
            for stride in ((1, 1), (2, 1), (1, 2))
            for padding in ((0, 0), (1, 1), (0, 2))
            for dilation in ((1, 1), (2, 3))
        ]

    for a, b in zip(lab.compile(f, executor="c")(x), f(x), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


WINDOW = {"kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}


@pytest.mark.parametrize("kept", [False, True])
def test_a_tile_makes_its_columns_again(kept: bool) -> None:
    """The gradient of a convolution needs the windows once more; they are copied, not kept."""
    lab.manual_seed(0)
    x, w = lab.randn(16, 2, 24, 24), lab.randn(8, 2, 3, 3).requires_grad_()

    def f(x: Any, w: Any) -> Any:
        y = lab.nn.functional.conv2d(x, w, padding=1).relu()
        loss = lab.nn.functional.max_pool2d(y, 2).square().mean()
        out = (loss, *lab.autograd.grad(loss, w))
        return (*out, unfold(x, **WINDOW)) if kept else out

    compiled = lab.compile(f, executor="c")
    for a, b in zip(compiled(x, w), f(x, w), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-4, atol=1e-6)
    assert compiled.code(x, w).count("memcpy(o, from") == (1 if kept else 2)
    assert lab.explain(compiled).signatures[0].buffer_bytes < 16 * 18 * 576 * 4  # all columns


def test_a_window_that_is_too_wide_to_be_written_out_is_a_loop() -> None:
    def wide(x: Any, w: Any) -> Any:
        y = lab.nn.functional.conv2d(x, w, padding=1).relu()
        return lab.nn.functional.max_pool2d(y, 9, 3).mean()

    x, w = lab.randn(8, 2, 40, 40), lab.randn(8, 2, 3, 3, requires_grad=True)

    def both(x: Any, w: Any) -> Any:
        loss = wide(x, w)
        return loss, *lab.autograd.grad(loss, w)

    compiled = lab.compile(both, executor="c")
    for a, b in zip(both(x, w), compiled(x, w), strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-5, atol=1e-6)


REFUSED: dict[str, tuple[Callable[..., Any], list[int], list[int]]] = {
    "embedding": (lambda x, i: lab.nn.functional.embedding(i, x) * 2, [3, 0], [1, 4]),
    "x[index]": (lambda x, i: x[:, i], [2, -3], [0, -4]),
    "gather": (lambda x, i: lab.gather(x, 1, i[:, None]), [2, 0], [0, -1]),
    "index_add": (lambda x, i: lab.index_add(x, 0, i, x[:2]), [3, 0], [0, -1]),
    "index_put": (lambda x, i: lab.index_fill(x, 1, i, 5.0), [2, -3], [3, 0]),
    "scatter": (lambda x, i: lab.scatter(x, 1, i[:, None], 1.0), [2, 0], [0, 3]),
    "classes": (
        lambda x, i: lab.nn.functional.cross_entropy(x[:2], i, reduction="sum"), [2, -100], [0, 3],
    ),
    "division": (lambda x, i: (x > 0)[:2, 0].long() // i, [2, -3], [1, 0]),
    "power": (lambda x, i: 2**i, [2, 0], [1, -1]),
    "probability": (
        lambda x, i: lab.nn.functional.binary_cross_entropy(x[:2, 0].sigmoid(), i.float()),
        [1, 0], [0, 3],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("function", "good", "bad"), REFUSED.values(), ids=REFUSED)
def test_a_value_out_of_range_is_the_error_of_eager_mode(
    function: Callable[..., Any], good: list[int], bad: list[int]
) -> None:
    x = lab.randn(4, 3)
    compiled = lab.compile(function, executor="c")
    np.testing.assert_allclose(
        compiled(x, lab.tensor(good)).numpy(), function(x, lab.tensor(good)).numpy(), rtol=1e-6
    )
    said = []
    for f in (function, compiled):
        with pytest.raises(lab.LabError) as error:
            f(x, lab.tensor(bad))
        said.append(str(error.value).splitlines()[0])
    assert said[0] == said[1]
    np.testing.assert_allclose(
        compiled(x, lab.tensor(good)).numpy(), function(x, lab.tensor(good)).numpy(), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("loss_of", "bad"),
    [
        (lambda x, i: (x * x).sum() + (7 // i).sum(), [1, 0]),
        (lambda x, i: lab.nn.functional.binary_cross_entropy(x[:2].sigmoid(), i * 1.0), [1, 3]),
        (lambda x, i: (x * x)[i].sum(), [1, 7]),
    ],
    ids=["division", "loss", "index"],
)
def test_what_is_refused_changes_no_state(loss_of: Callable[..., Any], bad: list[int]) -> None:
    weight, count = lab.tensor([0.2, 0.5, 0.7], requires_grad=True), lab.tensor([8, 8])
    optimizer = lab.optim.Adam([weight], lr=0.1)

    @lab.compile(executor="c")
    def step(i: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(weight, i)
        loss.backward()
        optimizer.step()
        count.copy_(count // (i + 1))
        return loss

    step(lab.tensor([1, 1]))
    before = weight.detach().numpy().copy(), optimizer.state[weight]["exp_avg"].numpy().copy()
    with pytest.raises(lab.LabError):
        step(lab.tensor(bad))
    np.testing.assert_array_equal(weight.detach().numpy(), before[0])
    np.testing.assert_array_equal(optimizer.state[weight]["exp_avg"].numpy(), before[1])
    assert count.tolist() == [4, 4]


def test_a_sum_over_nothing_is_the_number_itself() -> None:
    x = lab.randn(4, 1, requires_grad=True)

    def f(x: Any) -> Any:
        loss = (x * x).sum().mean().sum()
        return loss, loss.amax() + 1, (2 * loss).prod(), *lab.autograd.grad(loss, x)

    compiled = lab.compile(f, executor="c")
    for a, b in zip(compiled(x), f(x), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6)
    assert compiled.executor_used == "c"
    assert not in_python(compiled, x)


def test_a_loop_ends_where_a_value_is_refused() -> None:
    def turns(d: Any) -> Any:
        start = lab.tensor(0), lab.tensor(1)
        return lab.while_loop(lambda k, n: n % d != 3, lambda k, n: (k + 1, n + 1), *start)

    compiled = lab.compile(turns, executor="c")
    assert [int(x) for x in compiled(lab.tensor(7))] == [2, 3]
    with pytest.raises(lab.LabError, match="an integer is divided by 0"):
        compiled(lab.tensor(0))


def test_many_gradients_of_one_row_are_added_exactly() -> None:
    lab.manual_seed(0)
    weight, index = lab.randn(5, 3), lab.randint(0, 2, (20000,))

    def gradient(w: Any) -> Any:
        w = w.detach().requires_grad_()
        return lab.autograd.grad((w[index] * 0.3).square().sum(), [w])[0].detach()

    found = lab.compile(gradient, executor="c")(weight)
    np.testing.assert_allclose(found.numpy(), gradient(weight.double()).numpy(), rtol=3e-7)


def test_numbers_that_are_none_pass_through() -> None:
    x = lab.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e-42, 200.0])

    def many(x: Any) -> Any:
        return [
            x.relu(), lab.maximum(x, x * 0 + 1), x.exp(), x.tanh(), x.abs().log(), x.sigmoid(),
            lab.erf(x), x.sum(), x.amax(0), x > 0, x.sign(),
        ]  # fmt: skip

    for a, b in zip(many(x), lab.compile(many, executor="c")(x), strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-6, atol=1e-44)
