"""Products of matrices against PyTorch and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab

CALLS: dict[str, tuple[list[tuple[int, ...]], Any]] = {
    "bmm": ([(2, 3, 4), (2, 4, 5)], lambda t, a, b: t.bmm(a, b)),
    "mv": ([(3, 4), (4,)], lambda t, a, b: a.mv(b)),
    "outer": ([(3,), (4,)], lambda t, a, b: t.outer(a, b)),
    "addmm": ([(5,), (3, 4), (4, 5)], lambda t, c, a, b: t.addmm(c, a, b, beta=0.5, alpha=2)),
    "baddbmm": ([(2, 3, 5), (2, 3, 4), (2, 4, 5)], lambda t, c, a, b: t.baddbmm(c, a, b, beta=3)),
    "mm": ([(3, 4), (4, 2)], lambda t, a, b: t.mm(a, b)),
    "dot": ([(4,), (4,)], lambda t, a, b: t.dot(a, b)),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_and_gradients_are_pytorchs(name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")
    shapes, call = CALLS[name]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s).astype(dtype) for s in shapes]
    results = []
    for t, make in ((lab, lab.tensor), (torch, torch.tensor)):
        inputs = [make(a).requires_grad_() for a in arrays]
        y = call(t, *inputs)
        (y * y).sum().backward()
        results.append([y.detach().numpy(), *(x.grad.numpy() for x in inputs)])
    tolerance = 1e-5 if dtype == "float32" else 1e-9
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CALLS)
def test_second_gradients(name: str) -> None:
    shapes, call = CALLS[name]
    rng = np.random.default_rng(1)
    inputs = [lab.tensor(rng.normal(size=s), requires_grad=True) for s in shapes]
    assert lab.autograd.gradgradcheck(lambda *xs: call(lab, *xs), inputs)


def test_by_hand() -> None:
    a, b = lab.tensor([1.0, 2.0]), lab.tensor([3.0, 4.0, 5.0])
    assert lab.outer(a, b).tolist() == [[3, 4, 5], [6, 8, 10]]
    nan = lab.tensor([[float("nan")]])
    assert lab.addmm(nan, lab.ones(1, 2), lab.ones(2, 1), beta=0).tolist() == [[2]]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: lab.bmm(lab.ones(2, 2), lab.ones(2, 2)), r"bmm\(\): input has 2 dimensions"),
        (lambda: lab.mv(lab.ones(2, 3), lab.ones(2)), "inner sizes differ"),
        (lambda: lab.outer(lab.ones(2, 2), lab.ones(2)), "input has 2 dimensions"),
    ],
)
def test_mistakes(call: Any, text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        call()
