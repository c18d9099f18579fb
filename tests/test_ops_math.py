"""Elementwise ops, reductions and sorting: PyTorch's values, gradients, dtypes and errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from double import DeviceArray, make_cupy

import minitorch_lab as lab
from minitorch_lab.autograd import gradcheck, gradgradcheck
from minitorch_lab.device import CUDA, register, unregister

# NumPy warns of log(-1); the package silences that, pytest turns it on again.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

INF, NAN = float("inf"), float("nan")


def close(ours: Any, theirs: Any, **tolerance: float) -> None:
    """Equal in dtype, shape and, up to the tolerance, in value."""
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    np.testing.assert_allclose(ours, theirs, **tolerance)


# Against PyTorch ----------------------------------------------------------------------------
# Each call gets the library, lab or torch, and a 3 x 4 tensor of floats that are no ties.

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "rsqrt": lambda t, x: t.rsqrt(x.abs() + 0.1),
    "tan": lambda t, x: t.tan(x),
    "atan": lambda t, x: x.atan(),
    "reciprocal": lambda t, x: t.reciprocal(x),
    "erf": lambda t, x: t.erf(x * 2),
    "log2": lambda t, x: t.log2(x.abs()),
    "log10": lambda t, x: x.abs().log10(),
    "log1p": lambda t, x: t.log1p(x.abs() * 1e-4),
    "expm1": lambda t, x: t.expm1(x * 1e-4),
    "floor": lambda t, x: t.floor(x * 3) + x,
    "ceil": lambda t, x: t.ceil(x * 3) + x,
    "trunc": lambda t, x: t.trunc(x * 3) + x,
    "round": lambda t, x: t.round(x * 3) + x,
    "round decimals": lambda t, x: t.round(x, decimals=1) * x,
    "round tens": lambda t, x: (x * 1000).round(decimals=-2) * x,
    "sign": lambda t, x: t.sign(x) * x,
    "remainder": lambda t, x: t.remainder(x, 0.7),
    "remainder tensor": lambda t, x: x.remainder(x[0] * 0.37),
    "remainder negative": lambda t, x: t.remainder(x, -0.7),
    "floor_divide": lambda t, x: t.floor_divide(x.detach(), 0.3) * x,
    "clamp_min": lambda t, x: t.clamp_min(x, 0.1),
    "clamp_min at": lambda t, x: t.clamp_min(x, x[1, 1].item()),
    "clamp_min tensor": lambda t, x: t.clamp_min(x, x[0] * 0.5),
    "clamp_max": lambda t, x: x.clamp_max(0.1),
    "clamp_max tensor": lambda t, x: t.clamp_max(x, x[0] * 0.5),
    "clamp_max same": lambda t, x: t.clamp_max(x, x),
    "pow of numbers": lambda t, x: x**-1.0 + x**1 + t.relu(x) ** 0 + x**2.0,
    "mean of one": lambda t, x: x[:1, :1].mean() * x.mean((0, 1)) * x.var(0).mean(),
    "mean of none": lambda t, x: x[:0].mean() + x.mean(),
    "mse of none": lambda t, x: t.nn.functional.mse_loss(x[:0], x[:0] * 2) + x.mean(),
    "sure and right": lambda t, x: t.nn.functional.binary_cross_entropy(
        x.clamp(0, 1), (x > 0.5).to(x.dtype)
    ),
    "maximum of equals": lambda t, x: t.maximum(x, t.clamp(x, -0.5, 0.7).detach()),
    "minimum of equals": lambda t, x: t.minimum(t.relu(x).detach(), x),
    "amax of equals": lambda t, x: t.amax(t.stack([x, x[:, 2:3].expand(3, 4)]), (0, 2)),
    "amin of equals": lambda t, x: t.stack([x, x.flip(1), x]).amin(0),
    "copysign of 0": lambda t, x: t.copysign(t.relu(x), x),
    "masked_fill": lambda t, x: t.masked_fill(x, x > 0, -1.5),
    "masked_fill keyword": lambda t, x: x.masked_fill(mask=x[0] > 0, value=2),
    "masked_fill tensor": lambda t, x: x.masked_fill(x > 0, x[0, 0]),
    "masked_fill grows": lambda t, x: x[0].masked_fill(x > 0, 1),
    "prod": lambda t, x: t.prod(x),
    "prod dim": lambda t, x: t.prod(x, 1),
    "prod keepdim": lambda t, x: x.prod(-2, keepdim=True),
    "prod axis": lambda t, x: t.prod(x, axis=0),
    "prod one zero": lambda t, x: t.prod(x * (x != x[1, 1]), 1),
    "prod two zeros": lambda t, x: (x * (x > x[1, 1])).prod(),
    "median": lambda t, x: t.median(x),
    "median odd": lambda t, x: x[:, 0].median(),
    "median ties": lambda t, x: t.median(x.clamp(-0.2, 0.2)),
    "median dim": lambda t, x: t.median(x, 1)[0],
    "median keepdim": lambda t, x: t.median(x, dim=0, keepdim=True).values,
    "cumsum": lambda t, x: t.cumsum(x, 1),
    "cumsum negative": lambda t, x: x.cumsum(dim=-2),
    "cumsum axis": lambda t, x: t.cumsum(x, axis=0),
    "cumprod": lambda t, x: t.cumprod(x, 1),
    "cumprod first": lambda t, x: x.cumprod(0),
    "cumprod zeros": lambda t, x: t.cumprod(x * (x != x[1, 1]) * (x != x[1, 3]), 1),
    "norm": lambda t, x: t.norm(x),
    "norm dim": lambda t, x: x.norm(dim=1),
    "norm 2": lambda t, x: x.norm(2, -1, True),
    "norm 1": lambda t, x: t.norm(x, 1),
    "norm 3": lambda t, x: t.norm(x, p=3, dim=(0, 1)),
    "norm half": lambda t, x: t.norm(x, 0.5, 0),
    "norm inf": lambda t, x: t.norm(x, INF, 1),
    "norm -inf": lambda t, x: x.norm(-INF),
    "norm 0": lambda t, x: t.norm(x, 0) * x,
    "norm fro": lambda t, x: t.norm(x, "fro", dim=0),
    "norm of zeros": lambda t, x: t.norm(x * 0) + t.norm(x * 0, 3) + x.sum(),
    "var": lambda t, x: t.var(x),
    "var biased": lambda t, x: t.var(x, False),
    "var dim biased keepdim": lambda t, x: t.var(x, 1, False, True),
    "var correction": lambda t, x: t.var(x, dim=(0, 1), correction=2),
    "var unbiased": lambda t, x: t.var(x, dim=0, unbiased=True, keepdim=True),
    "var axis": lambda t, x: t.var(x, axis=1),
    "std": lambda t, x: x.std(unbiased=False),
    "std dim": lambda t, x: t.std(x, -1, keepdim=True),
    "std correction": lambda t, x: t.std(x, 1, correction=0),
    "std of equal": lambda t, x: t.std(x[:, :1].expand(3, 4), 1) + x.sum(),
    "nansum": lambda t, x: t.nansum(x.log(), 1),
    "nanmean": lambda t, x: t.nanmean(x.log()),
    "sum axis": lambda t, x: t.sum(x, axis=1, keepdim=True),
    "mean axis": lambda t, x: x.mean(axis=(0, 1)),
    "amax axis": lambda t, x: t.amax(x, axis=0),
    "amin dims": lambda t, x: t.amin(x, (0, 1), True),
    "softmax dtype": lambda t, x: t.softmax(x, 1, dtype=t.float64),
    "log_softmax dtype": lambda t, x: x.log_softmax(-1, dtype=t.float64),
    "softmax method": lambda t, x: x.softmax(dim=0),
    "logsumexp": lambda t, x: t.logsumexp(x, (0, 1), keepdim=True),
    "sort": lambda t, x: t.sort(x)[0] * t.arange(4.0),
    "sort descending": lambda t, x: x.sort(0, descending=True).values.cumsum(0),
    "sort positional": lambda t, x: x.sort(1, True)[0].cumsum(1),
    "topk": lambda t, x: t.topk(x, 2).values.cumsum(1),
    "topk smallest": lambda t, x: x.topk(2, dim=0, largest=False)[0].cumsum(0),
    "topk none": lambda t, x: x.topk(0)[0].sum() + x,
    "kthvalue": lambda t, x: t.kthvalue(x, 2)[0],
    "kthvalue dim": lambda t, x: x.kthvalue(3, dim=0, keepdim=True).values,
    "0-d": lambda t, x: (
        x[0, 0].cumsum(0)
        + x[0, 0].cumprod(-1)
        + x[0, 0].prod(0)
        + x[0, 0].sort()[0]
        + x[0, 0].topk(1)[0]
        + x[0, 0].median()
        + x[0, 0].median(0)[0]
        + x[0, 0].norm()
        + x[0, 0].kthvalue(1)[0]
        + x[0, 0].softmax(0)
    ),
    "turned": lambda t, x: x.T.cumprod(1) + x.T.sort(0)[0] + t.erf(x.T) + x.T.prod(0),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CALLS)
def test_value_and_gradient_are_pytorchs(name: str, dtype: Any, oracle: Any) -> None:
    data = np.random.default_rng(5).normal(size=(3, 4)).astype(dtype)
    weights = np.random.default_rng(6).normal(size=12).astype(dtype)

    def run(t: Any) -> Any:
        x = t.tensor(data.tolist(), dtype=getattr(t, np.dtype(dtype).name), requires_grad=True)
        y = CALLS[name](t, x)
        w = t.tensor(weights[: max(y.numel(), 1)].tolist(), dtype=y.dtype).reshape(tuple(y.shape))
        (y * y * w).sum().backward()
        return y, x.grad

    (value, gradient), (their_value, theirs) = oracle.both(run)
    near = 1e-5 if dtype is np.float32 else 1e-9
    close(value, their_value, rtol=near, atol=near / 10)
    close(gradient, theirs, rtol=10 * near, atol=near)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_at_the_edge_are_pytorchs(dtype: str, oracle: Any) -> None:
    bases = [0.0, 0.0, 0.0, 0.0, 1.0, -1.0, -2.0, 2.0]
    powers = [-1.0, 0.0, 0.5, 2.0, 3.0, 2.0, 3.0, 0.0]

    def run(t: Any) -> Any:
        kind = getattr(t, dtype)
        x = t.tensor(bases, dtype=kind, requires_grad=True)
        p = t.tensor(powers, dtype=kind, requires_grad=True)
        pairs = [(x**p, p), (x**p, x), (0.0**p, p), (0.3**p, p)]
        return [[y, t.autograd.grad(y.sum(), of)[0]] for y, of in pairs]

    for ours, theirs in zip(*oracle.both(run), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            close(a, b, rtol=1e-5 if dtype == "float32" else 1e-9)


# Each call gets the library: the dtype, the shape and every entry are compared.

PLAIN: dict[str, Callable[[Any], Any]] = {
    "sign of nan": lambda t: t.sign(t.tensor([NAN, -INF, -0.0, 3.0])),
    "sign of bool": lambda t: t.sign(t.tensor([True, False])),
    "sign of int": lambda t: t.sign(t.tensor([-3, 0, 2])),
    "floor of int": lambda t: t.floor(t.tensor([1, 2])),
    "round of int": lambda t: t.round(t.tensor([1, 2], dtype=t.int32)),
    "round half": lambda t: t.round(t.tensor([0.5, 1.5, -0.5, -2.5, 2.4999])),
    "erf of int": lambda t: t.erf(t.tensor([0, 1, 2])),
    "erf far": lambda t: t.erf(t.tensor([NAN, INF, -INF, -9.0, 0.0])),
    "reciprocal of int": lambda t: t.reciprocal(t.tensor([1, 2, 4])),
    "reciprocal of 0": lambda t: t.reciprocal(t.tensor([0.0, -0.0])),
    "rsqrt": lambda t: t.rsqrt(t.tensor([4, 16])),
    "log2": lambda t: t.log2(t.tensor([8.0, 0.0, -1.0])),
    "remainder": lambda t: t.remainder(t.tensor([-7, 7, -1]), 3),
    "remainder negative": lambda t: t.remainder(t.tensor([-7, 7]), -3),
    "remainder by float": lambda t: t.remainder(t.tensor([-7, 7]), 2.5),
    "remainder by 0.0": lambda t: t.remainder(t.tensor([1.0, -1.0]), 0.0),
    "remainder of number": lambda t: t.remainder(5, t.tensor([2, 3])),
    "floor_divide": lambda t: t.floor_divide(t.tensor([-7, 7]), 2),
    "floor_divide floats": lambda t: t.tensor([-7.0, 7.0]).floor_divide(2),
    "isnan of int": lambda t: t.isnan(t.tensor([1, 2])),
    "isinf": lambda t: t.isinf(t.tensor([1.0, INF, -INF, NAN])),
    "isfinite": lambda t: t.isfinite(t.tensor([1.0, INF, -INF, NAN])),
    "isclose": lambda t: t.isclose(
        t.tensor([1.0, INF, NAN, 1.0]), t.tensor([1 + 1e-6, INF, NAN, 2])
    ),
    "isclose nan": lambda t: t.isclose(t.tensor([NAN]), t.tensor([NAN]), equal_nan=True),
    "logical_xor": lambda t: t.logical_xor(t.tensor([1, 0, 2]), t.tensor([True, False, False])),
    "clamp int by float": lambda t: t.clamp(t.tensor([1, 2]), 1.5),
    "clamp int": lambda t: t.tensor([1, 5]).clamp(max=3),
    "clamp_min nan": lambda t: t.clamp_min(t.tensor([NAN, 1.0]), t.tensor([0.0, NAN])),
    "clamp_min int": lambda t: t.clamp_min(t.tensor([1, 5]), 3),
    "masked_fill int": lambda t: t.tensor([1, 2]).masked_fill(t.tensor([True, False]), 1.5),
    "masked_fill 0-d": lambda t: t.masked_fill(
        t.tensor([1, 2]), t.tensor([True, False]), t.tensor(7)
    ),
    "masked_fill -inf": lambda t: t.ones(2, 2).masked_fill(t.eye(2) == 0, -INF),
    "sum of uint8": lambda t: t.tensor([200, 100], dtype=t.uint8).sum(),
    "prod of int": lambda t: t.prod(t.tensor([3, 4], dtype=t.int8)),
    "prod of bool": lambda t: t.prod(t.tensor([True, True])),
    "prod of nothing": lambda t: t.prod(t.zeros(0)),
    "prod dtype": lambda t: t.prod(t.tensor([3, 4]), dtype=t.float32),
    "prod of none in a row": lambda t: t.prod(t.zeros(2, 0), 1),
    "cumsum of bool": lambda t: t.cumsum(t.tensor([True, True]), 0),
    "cumsum of uint8": lambda t: t.cumsum(t.tensor([200, 100], dtype=t.uint8), 0),
    "cumsum dtype": lambda t: t.cumsum(t.tensor([1, 2]), 0, dtype=t.float64),
    "cumsum of nothing": lambda t: t.cumsum(t.zeros(2, 0), 1),
    "cumprod of int": lambda t: t.cumprod(t.tensor([3, 4, 5], dtype=t.int16), 0),
    "count_nonzero": lambda t: t.count_nonzero(t.tensor([[1, 0], [2, 2]])),
    "count_nonzero dim": lambda t: t.count_nonzero(t.tensor([[1.0, 0.0], [2.0, NAN]]), dim=0),
    "median of ints": lambda t: t.median(t.tensor([4, 3, 2, 1])),
    "median nan": lambda t: t.median(t.tensor([3.0, NAN, 1.0])),
    "median of nothing": lambda t: t.median(t.zeros(0)),
    "median dim": lambda t: tuple(
        t.median(t.tensor([[4.0, 3.0, 2.0, 1.0], [NAN, 1.0, 7.0, 0.0]]), 1)
    ),
    "norm of nothing": lambda t: t.norm(t.zeros(0)),
    "norm dtype": lambda t: t.norm(t.tensor([3.0, 4.0]), dtype=t.float64),
    "all of uint8": lambda t: t.all(t.tensor([[1, 2], [0, 1]], dtype=t.uint8), axis=1),
    "any dims": lambda t: t.any(t.tensor([[1, 2], [0, 1]]), dim=(0, 1)),
    "any of nothing": lambda t: t.any(t.zeros(0)),
    "argmax axis": lambda t: t.argmax(t.tensor([[1.0, 2.0], [4.0, 3.0]]), axis=1),
    "argmax of no row": lambda t: t.argmax(t.ones(0, 2), 1),
    "argmin keepdim": lambda t: t.tensor([[1.0, 2.0], [4.0, 3.0]]).argmin(0, True),
    "amax of no row": lambda t: t.amax(t.ones(0, 2), 1),
    "var of one": lambda t: t.var(t.tensor([1.0]), correction=0),
    "softmax of int": lambda t: t.softmax(t.tensor([1, 2]), 0, dtype=t.float32),
    "sort ties": lambda t: tuple(t.sort(t.tensor([2, 1, 2, 1]), stable=True)),
    "sort ties descending": lambda t: tuple(
        t.sort(t.tensor([2, 1, 2, 1]), descending=True, stable=True)
    ),
    "sort nan": lambda t: tuple(t.sort(t.tensor([3.0, NAN, 1.0]))),
    "sort nan descending": lambda t: tuple(t.sort(t.tensor([3.0, NAN, 1.0]), descending=True)),
    "sort bool": lambda t: t.sort(t.tensor([True, False]))[0],
    "sort 0-d": lambda t: tuple(t.sort(t.tensor(3.0))),
    "sort nothing": lambda t: tuple(t.sort(t.zeros(2, 0))),
    "sort axis": lambda t: t.sort(t.tensor([[2, 1], [1, 3]]), axis=0).indices,
    "argsort": lambda t: t.argsort(t.tensor([[3.0, 1.0, 2.0], [1.0, 2.0, 0.0]]), 0, True),
    "argsort stable": lambda t: t.argsort(t.tensor([1, 0, 1]), descending=True, stable=True),
    "topk nan": lambda t: tuple(t.topk(t.tensor([3.0, NAN, 1.0]), 2)),
    "topk smallest": lambda t: tuple(t.tensor([3, 2, 1]).topk(2, -1, False, True)),
    "kthvalue": lambda t: tuple(t.kthvalue(t.tensor([[5, 1, 3]]), 2, 1, True)),
    "nonzero": lambda t: t.nonzero(t.tensor([[3.0, 0.0], [1.0, 2.0]])),
    "nonzero tuple": lambda t: t.tensor([[3, 0], [1, 2]]).nonzero(as_tuple=True),
    "nonzero 0-d": lambda t: t.nonzero(t.tensor(3.0)),
    "nonzero 0-d zero": lambda t: t.nonzero(t.tensor(0.0)),
    "nonzero 0-d tuple": lambda t: t.nonzero(t.tensor(3.0), as_tuple=True),
    "nonzero nothing": lambda t: t.nonzero(t.zeros(0, 3)),
    "argwhere": lambda t: t.argwhere(t.tensor([0, 2, 0, 1])),
    "unique": lambda t: t.unique(t.tensor([[3, 1], [3, 1]]), return_inverse=True),
    "unique counts": lambda t: t.unique(t.tensor([3.0, 1.0, 3.0]), return_counts=True),
    "unique positional": lambda t: t.tensor([3, 1, 3]).unique(True, True, True),
    "unique dim": lambda t: t.unique(
        t.tensor([[3, 1], [3, 1], [0, 5]]), dim=0, return_inverse=True, return_counts=True
    ),
    "unique last dim": lambda t: t.unique(t.tensor([[3, 1, 3], [2, 1, 2]]), dim=-1),
    "unique nan": lambda t: t.unique(t.tensor([NAN, 1.0, NAN])),
    "unique nothing": lambda t: t.unique(t.zeros(0)),
}


@pytest.mark.parametrize("name", PLAIN)
def test_result_is_pytorchs(name: str, oracle: Any) -> None:
    found, expected = oracle.both(PLAIN[name])
    if not isinstance(found, list):
        found, expected = [found], [expected]
    assert len(found) == len(expected)
    for y, z in zip(found, expected, strict=True):
        close(y, z, rtol=1e-6, atol=1e-7)


IN_PLACE: dict[str, tuple[Any, ...]] = {
    "floor_": (),
    "ceil_": (),
    "trunc_": (),
    "round_": (),
    "reciprocal_": (),
    "rsqrt_": (),
    "tan_": (),
    "expm1_": (),
    "sign_": (),
    "floor_divide_": (0.3,),
    "cumsum_": (0,),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_is_pytorchs(name: str, oracle: Any) -> None:
    def run(t: Any) -> Any:
        x = t.tensor([[0.3, 1.7], [2.6, 0.9]], requires_grad=name != "floor_divide_")
        y = x * 1.3
        same = getattr(y, name)(*IN_PLACE[name])
        assert same is y
        if x.requires_grad:
            (y * y).sum().backward()
        return y, x.grad

    (value, gradient), (their_value, theirs) = oracle.both(run)
    close(value, their_value, rtol=1e-5)
    assert (gradient is None) == (theirs is None)
    if theirs is not None:
        close(gradient, theirs, rtol=1e-4, atol=1e-6)


def test_masked_fill_in_place() -> None:
    x = lab.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y.masked_fill_(lab.tensor([True, False, False]), -1)
    y.sum().backward()
    assert y.tolist() == [-1, 4, 6]
    assert x.grad.tolist() == [0, 2, 2]


# Values worked out by hand ------------------------------------------------------------------


def test_erf_is_exact_to_the_last_digits() -> None:
    x = np.concatenate([np.linspace(-7, 7, 2001), 10.0 ** np.arange(-300, 1), [0.9999999, 1.0]])
    found = lab.erf(lab.tensor(x)).numpy()
    expected = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=0)


def test_erf_in_float16_and_float32() -> None:
    x = np.linspace(-5, 5, 201)
    expected = np.array([math.erf(v) for v in x])
    for dtype, near in ((np.float16, 1e-3), (np.float32, 3e-7)):
        y = lab.erf(lab.tensor(x.astype(dtype))).numpy()
        assert y.dtype == dtype
        np.testing.assert_allclose(y, expected, atol=near)


def test_values_worked_out_by_hand() -> None:
    x = lab.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, -1.0]])
    assert x.prod(1).tolist() == [6, 0]
    assert x.cumsum(1).tolist() == [[1, 3, 6], [4, 4, 3]]
    assert x.cumprod(0).tolist() == [[1, 2, 3], [4, 0, -3]]
    assert x.median().item() == 1
    values, indices = x.median(1)
    assert (values.tolist(), indices.tolist()) == ([2, 0], [1, 1])
    assert lab.norm(lab.tensor([3.0, 4.0])).item() == 5
    assert x.var(1).tolist() == [1, 7]
    assert x.var(0, unbiased=False).tolist() == [2.25, 1, 4]
    pair = x.topk(2, 1)
    assert pair.values.tolist() == [[3, 2], [4, 0]]
    assert pair.indices.tolist() == [[2, 1], [0, 1]]
    assert x.kthvalue(3, 1).values.tolist() == [3, 4]
    assert lab.argsort(x, 1).tolist() == [[0, 1, 2], [2, 1, 0]]
    assert lab.remainder(lab.tensor([-7, 7]), 3).tolist() == [2, 1]
    assert lab.floor_divide(lab.tensor([-7, 7]), 2).tolist() == [-4, 3]
    assert lab.round(lab.tensor([0.5, 1.5, 2.5])).tolist() == [0, 2, 2]
    assert lab.count_nonzero(x, 1).tolist() == [3, 2]
    assert lab.nonzero(x == 0).tolist() == [[1, 1]]
    assert lab.rsqrt(lab.tensor(4.0)).item() == 0.5
    assert lab.log2(lab.tensor(8.0)).item() == 3


def test_gradients_worked_out_by_hand() -> None:
    x = lab.tensor([2.0, 0.0, 5.0], requires_grad=True)
    x.prod().backward()
    assert x.grad.tolist() == [0, 10, 0]
    x.grad = None
    x.cumprod(0).sum().backward()  # 2 + 2 * 0 + 2 * 0 * 5
    assert x.grad.tolist() == [1, 12, 0]
    x.grad = None
    x.cumsum(0).sum().backward()
    assert x.grad.tolist() == [3, 2, 1]
    x.grad = None
    x.sort().values[0].backward()
    assert x.grad.tolist() == [0, 1, 0]
    x.grad = None
    lab.remainder(lab.tensor(7.0), x[0]).backward()
    assert x.grad.tolist() == [-3, 0, 0]


def test_whole_tensors_are_compared() -> None:
    x = lab.tensor([1.0, 2.0])
    assert lab.equal(x, lab.tensor([1.0, 2.0]))
    assert not lab.equal(x, lab.tensor([[1.0, 2.0]]))
    assert not x.equal(x + 1e-6)
    assert lab.allclose(x, x + 1e-6)
    assert not x.allclose(x + 1e-6, 0, 1e-8)
    assert not lab.allclose(x * NAN, x * NAN)
    assert lab.allclose(x * NAN, x * NAN, equal_nan=True)
    assert lab.allclose(x * INF, x * INF)


# Gradients of gradients ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.prod(1),
        lambda x: x.prod(),
        lambda x: x.cumprod(1),
        lambda x: x.cumprod(0),
        lambda x: lab.norm(x, 3, 1),
        lambda x: lab.norm(x, dim=0),
        lambda x: x.std(1),
        lambda x: x.var(0, correction=0),
        lambda x: x.sort(1).values ** 2,
        lambda x: x.topk(2, 0).values ** 2,
        lambda x: x.median() ** 2,
        lambda x: x.median(1).values ** 2,
        lambda x: lab.nansum(x, 1) ** 2,
        lambda x: x.clamp_min(x[0] * 0.5) ** 2,
        lambda x: lab.erf(x) * lab.atan(x),
    ],
)
def test_second_gradients(function: Any) -> None:
    data = np.random.default_rng(8).normal(size=(3, 5))
    x = lab.tensor(data, requires_grad=True)
    assert gradcheck(function, [x])
    assert gradgradcheck(function, [x])


@pytest.mark.parametrize("dim", [0, 1])
def test_products_with_zeros_have_second_gradients(dim: int) -> None:
    data = np.random.default_rng(8).normal(size=(4, 5))
    data[1, 2] = data[3, 0] = data[1, 4] = 0
    x = lab.tensor(data, requires_grad=True)
    for function in (lambda x: x.prod(dim), lambda x: x.cumprod(dim)):
        assert gradcheck(function, [x])
        assert gradgradcheck(function, [x])


@pytest.mark.parametrize("n", range(7))
def test_products_of_any_length(n: int) -> None:
    data = np.arange(1.0, n + 1)
    x = lab.tensor(data, requires_grad=True)
    x.prod().backward()
    np.testing.assert_allclose(x.grad.numpy(), math.factorial(n) / data)
    x.grad = None
    x.cumprod(0).sum().backward()
    running = np.cumprod(data)
    np.testing.assert_allclose(x.grad.numpy(), [running[i:].sum() / data[i] for i in range(n)])


# Graph mode ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [n for n in CALLS if n != "clamp_min at"],  # that one reads a value
)
def test_graph_mode_gives_the_same(name: str) -> None:
    x = lab.tensor(np.random.default_rng(5).normal(size=(3, 4)))
    function = lab.compile(lambda x: CALLS[name](lab, x))
    np.testing.assert_allclose(function(x).numpy(), CALLS[name](lab, x).numpy(), rtol=1e-12)


@pytest.mark.parametrize("function", [lab.nonzero, lab.unique, lab.argwhere])
def test_shapes_that_hang_on_values_are_refused_in_graph_mode(function: Any) -> None:
    with pytest.raises(lab.TraceError, match="shape that hangs on the values"):
        lab.compile(lambda x: function(x))(lab.tensor([1.0, 0.0]))


# On the device ------------------------------------------------------------------------------


@pytest.fixture
def cupy_double() -> Any:
    """``lab.device("cuda")`` on the test double."""
    register(DeviceArray, make_cupy(), CUDA)
    yield
    unregister(DeviceArray)


@pytest.mark.usefixtures("cupy_double")
@pytest.mark.parametrize("name", CALLS)
def test_on_the_device(name: str) -> None:
    if name == "sort":
        pytest.skip("the call makes its weights on the CPU")
    data = np.random.default_rng(5).normal(size=(3, 4))
    found = CALLS[name](lab, lab.tensor(data).to("cuda"))
    np.testing.assert_allclose(found.cpu().numpy(), CALLS[name](lab, lab.tensor(data)).numpy())


@pytest.mark.usefixtures("cupy_double")
def test_shapes_that_hang_on_values_on_the_device() -> None:
    x = lab.tensor([[3, 0], [3, 2]]).to("cuda")
    assert x.nonzero().cpu().tolist() == [[0, 0], [1, 0], [1, 1]]
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert values.cpu().tolist() == [0, 2, 3]
    assert inverse.cpu().tolist() == [[2, 0], [2, 1]]
    assert counts.cpu().tolist() == [1, 1, 2]


# Errors -------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "remainder by 0": (lambda t: t.tensor([1, 2]).remainder(0), RuntimeError, "divided by 0"),
    "floor_divide by 0": (
        lambda t: t.floor_divide(t.tensor([1]), t.tensor([0])),
        RuntimeError,
        "divided by 0",
    ),
    "norm of ints": (lambda t: t.norm(t.tensor([1, 2])), RuntimeError, r"\.float\(\)"),
    "var of ints": (lambda t: t.var(t.tensor([1, 2])), RuntimeError, r"\.float\(\)"),
    "std both": (
        lambda t: t.std(t.ones(2), 0, unbiased=False, correction=0),
        TypeError,
        "not both",
    ),
    "norm unknown": (lambda t: t.norm(t.ones(2), p="x"), RuntimeError, "not supported"),
    "topk": (lambda t: t.topk(t.ones(2), 3), RuntimeError, "k from 0 to 2"),
    "kthvalue": (lambda t: t.kthvalue(t.ones(2), 0), RuntimeError, "k from 1 to 2"),
    "kthvalue float": (lambda t: t.kthvalue(t.ones(2), 1.5), TypeError, "expected an int"),
    "cumsum without dim": (lambda t: t.cumsum(t.ones(2)), TypeError, "dimension"),
    "cumsum dim": (lambda t: t.cumsum(t.ones(2), 1), IndexError, "from -1 to 0"),
    "prod dims": (lambda t: t.prod(t.ones(2, 2), (0, 1)), TypeError, "one int"),
    "sort dim": (lambda t: t.sort(t.ones(2), 2), IndexError, "from -1 to 0"),
    "amax of nothing": (lambda t: t.amax(t.ones(0, 3)), RuntimeError, "no entry"),
    "amax of an empty row": (lambda t: t.amax(t.ones(0, 3), 0), IndexError, "no entry"),
    "argmax of nothing": (lambda t: t.argmax(t.ones(0)), IndexError, "no entry"),
    "argmax of an empty row": (lambda t: t.argmax(t.ones(0, 2), 0), IndexError, "no entry"),
    "median of an empty row": (lambda t: t.median(t.ones(0, 2), 0), IndexError, "no entry"),
    "softmax of ints": (lambda t: t.softmax(t.tensor([1, 2]), 0), RuntimeError, r"\.float\(\)"),
    "clamp neither": (lambda t: t.clamp(t.ones(2)), RuntimeError, "got neither"),
    "mask of ints": (
        lambda t: t.masked_fill(t.ones(2), t.tensor([1, 0]), 2),
        RuntimeError,
        "mask must be bool",
    ),
    "fill with many": (
        lambda t: t.masked_fill(t.ones(2), t.tensor([True, False]), t.ones(2)),
        RuntimeError,
        "one number",
    ),
    "mask that does not fit": (
        lambda t: t.masked_fill(t.ones(2), t.tensor([True, False, True]), 0),
        RuntimeError,
        "do not broadcast",
    ),
    "reciprocal_ of ints": (
        lambda t: t.tensor([1, 2]).reciprocal_(),
        RuntimeError,
        r"without the underscore",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_to_do(name: str) -> None:
    call, kind, words = ERRORS[name]
    with pytest.raises(lab.LabError, match=words) as found:
        call(lab)
    assert isinstance(found.value, kind)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_of_pytorchs_class(name: str, oracle: Any) -> None:
    call, kind, _ = ERRORS[name]
    assert issubclass(oracle.error(call), kind)


def test_nonzero_of_a_list() -> None:
    with pytest.raises(lab.KindError, match="expected a tensor, got list of 2 items"):
        lab.nonzero([1, 2])
