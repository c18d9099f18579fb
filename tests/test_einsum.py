"""Sums of products by the names of dimensions, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from golden import Golden, said, same_kind

import minitorch_lab as lab

EQUATIONS: list[tuple[str, list[tuple[int, ...]]]] = [
    ("ij,jk->ik", [(3, 4), (4, 5)]),
    ("ij,kj->ik", [(3, 4), (5, 4)]),
    ("ij,jk->ki", [(3, 4), (4, 5)]),
    ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
    ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)]),
    ("bqhd,bkhd->bhqk", [(2, 3, 2, 4), (2, 5, 2, 4)]),
    ("b i j , b j k -> b i k", [(2, 3, 4), (2, 4, 5)]),
    ("Ab,bC", [(2, 3), (3, 4)]),
    ("ba", [(2, 3)]),
    ("ij", [(3, 4)]),
    ("ij->", [(3, 4)]),
    ("ij->j", [(3, 4)]),
    ("ij->ji", [(3, 4)]),
    ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]),
    ("iii->i", [(3, 3, 3)]),
    ("iij->j", [(3, 3, 2)]),
    ("ijij->ji", [(2, 3, 2, 3)]),
    ("ii,ij->j", [(3, 3), (3, 4)]),
    ("i,j->ij", [(3,), (4,)]),
    ("i,i", [(3,), (3,)]),
    ("i,i->i", [(3,), (3,)]),
    ("bi,bi->b", [(2, 3), (2, 3)]),
    ("ij,ij->", [(2, 3), (2, 3)]),
    ("ij,ik->", [(2, 3), (2, 4)]),
    ("abc,cd->dab", [(2, 3, 4), (4, 2)]),
    ("ijk,jil->kl", [(2, 3, 4), (3, 2, 5)]),
    ("bn,anm,bm->ba", [(2, 3), (5, 3, 4), (2, 4)]),
    ("ij,jk,kl,lm->mi", [(2, 3), (3, 4), (4, 5), (5, 2)]),
    (",ij->ij", [(), (2, 3)]),
    ("->", [()]),
    ("...ij,...jk->...ik", [(2, 3, 4), (4, 5)]),
    ("...ij,...jk", [(3, 1, 2, 4), (2, 4, 5)]),
    ("i...->...", [(3, 4, 5)]),
    ("...i->i", [(2, 3, 4)]),
    ("...->", [(2, 3)]),
    ("b...,bc->...c", [(2, 3), (2, 4)]),
    ("i...,i...->...", [(2, 3, 1), (2, 4)]),
    ("ij,jk->ik", [(3, 1), (4, 5)]),  # a 1 broadcasts
    ("ij,j->i", [(3, 4), (1,)]),
    ("ij,jk->ik", [(3, 0), (0, 5)]),
    ("ij,jk->ik", [(0, 4), (4, 5)]),
]
CASES = [pytest.param(e, s, id=f"{i} {e}") for i, (e, s) in enumerate(EQUATIONS)]


def arrays(shapes: list[tuple[int, ...]], dtype: str = "float64") -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [np.asarray(rng.normal(size=s), dtype) for s in shapes]


@pytest.mark.parametrize(("equation", "shapes"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_and_gradients_are_pytorchs(
    equation: str, shapes: Any, dtype: str, oracle: Any
) -> None:
    def run(t: Any) -> Any:
        inputs = [t.tensor(a).requires_grad_() for a in arrays(shapes, dtype)]
        y = t.einsum(equation, *inputs)
        (y * y).sum().backward()
        return [y, *(x.grad for x in inputs)]

    rtol = 1e-5 if dtype == "float32" else 1e-9
    for ours, theirs in zip(*oracle.both(run), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        size = max(1.0, float(np.abs(theirs).max(initial=0)))
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * size)


@pytest.mark.parametrize(("equation", "shapes"), CASES)
def test_graph_mode_and_second_gradients(equation: str, shapes: Any) -> None:
    inputs = [lab.tensor(a, requires_grad=True) for a in arrays(shapes)]

    def function(*xs: Any) -> Any:
        return lab.einsum(equation, *xs)

    eager = function(*inputs).detach().numpy()
    np.testing.assert_allclose(
        lab.compile(function)(*inputs).detach().numpy(), eager, rtol=1e-12, atol=1e-14
    )
    if all(x.numel() for x in inputs):
        assert lab.autograd.gradgradcheck(function, inputs)


def test_the_other_forms_and_strides(oracle: Any) -> None:
    a, b = arrays([(2, 3, 4), (2, 4, 5)])

    def run(t: Any) -> Any:
        x, y = t.tensor(a), t.tensor(b)
        return [
            t.einsum("bij,bjk->bik", [x, y]),
            t.einsum("bij,bjk->bik", (x, y)),
            t.einsum(x, [0, 1, 2], y, [0, 2, 3], [0, 1, 3]),
            t.einsum(x, [0, 1, 2], y, [0, 2, 3]),
            t.einsum(x, [..., 30, 5], y, [..., 5, 7], [..., 7, 30]),
            t.einsum("bij,bjk->bik", x.transpose(0, 1)[:2, :, ::2], y[:, ::2]),
            t.einsum("ij,jk", t.arange(6).reshape(2, 3), t.arange(6).reshape(3, 2)),
        ]

    for ours, theirs in zip(*oracle.both(run), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_by_hand() -> None:
    x = lab.tensor([[1, 2], [3, 4]])
    assert lab.einsum("ij,jk->ik", x, x).tolist() == [[7, 10], [15, 22]]
    assert lab.einsum("ii", x).item() == 5
    assert lab.einsum("ij,ij", x, x).item() == 30
    assert lab.einsum("i,j->ji", x[0], x[1]).tolist() == [[3, 6], [4, 8]]


def test_a_contraction_is_one_matrix_product() -> None:
    q, k = lab.ones(2, 2, 3, 4), lab.ones(2, 2, 5, 4)
    with lab.record_all():
        out = lab.einsum("bhqd,bhkd->bhqk", q, k)
    assert out.node.op.name == "matmul"
    assert out.node.inputs[0] is q  # not copied


def ones(t: Any, *shape: int) -> Any:
    return t.ones(*shape)


MISTAKES: dict[str, Any] = {
    "too few operands": lambda t: t.einsum("ij,jk->ik", ones(t, 2, 3)),
    "too many operands": lambda t: t.einsum("ij->i", ones(t, 2, 3), ones(t, 2)),
    "too many letters": lambda t: t.einsum("ijk->i", ones(t, 2, 3)),
    "too few letters": lambda t: t.einsum("i->i", ones(t, 2, 3)),
    "sizes": lambda t: t.einsum("ij,jk", ones(t, 2, 3), ones(t, 4, 5)),
    "sizes of further dimensions": lambda t: t.einsum(
        "...ij,...jk", ones(t, 2, 3, 4), ones(t, 3, 4, 5)
    ),
    "unknown letter": lambda t: t.einsum("ij->k", ones(t, 2, 3)),
    "repeated letter": lambda t: t.einsum("ij->ii", ones(t, 2, 3)),
    "no square": lambda t: t.einsum("ii->i", ones(t, 2, 3)),
    "digit": lambda t: t.einsum("i1->i", ones(t, 2, 3)),
    "two results": lambda t: t.einsum("ij->i->j", ones(t, 2, 3)),
    "half an arrow": lambda t: t.einsum("ij-i", ones(t, 2, 3)),
    "dots": lambda t: t.einsum("i...j...->i", ones(t, 2, 3)),
    "one dot": lambda t: t.einsum("i.j", ones(t, 2, 3)),
    "no operand": lambda t: t.einsum("ij"),
    "a number": lambda t: t.einsum("ij", 3),
    "a list": lambda t: t.einsum("ij,j", ones(t, 2, 3), [1.0]),
    "no equation": lambda t: t.einsum(ones(t, 2, 3)),
    "high number": lambda t: t.einsum(ones(t, 2, 3), [0, 60]),
    "dtypes": lambda t: t.einsum("ij,jk", ones(t, 2, 3), ones(t, 3, 4).double()),
}


GOLDEN = Golden("einsum", MISTAKES)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_pytorchs_and_say_what_to_do(name: str, oracle: Any) -> None:
    found = said(lambda: MISTAKES[name](lab))
    assert same_kind(found, oracle.error(MISTAKES[name]))
    GOLDEN.check(name, found)
    GOLDEN.check(name, said(lambda: MISTAKES[name](lab), graph=True))


def test_every_text_belongs_to_a_mistake() -> None:
    GOLDEN.complete()
