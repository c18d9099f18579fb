"""Linear algebra against PyTorch and by hand: products, inverses, determinants, norms."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import pytest
from golden import Golden, said, same_kind

import minitorch_lab as lab

NORMS = {"1": 1, "2": 2, "3": 3, "half": 0.5, "-1": -1, "inf": inf, "-inf": -inf}

# Name: shapes of the inputs, and the call. A word before a shape says what kind of matrices:
# "good" ones are far from singular, "positive" ones are symmetric positive definite.
CALLS: dict[str, tuple[list[Any], Any]] = {
    # products
    "mm": ([(3, 4), (4, 2)], lambda t, a, b: t.mm(a, b)),
    "mm empty inside": ([(3, 0), (0, 2)], lambda t, a, b: t.mm(a, b)),
    "mm of nothing": ([(0, 3), (3, 2)], lambda t, a, b: a.mm(b)),
    "mm strided": ([(4, 3), (4, 4)], lambda t, a, b: t.mm(a.T, b[:, ::2])),
    "bmm": ([(2, 3, 4), (2, 4, 5)], lambda t, a, b: t.bmm(a, b)),
    "bmm empty": ([(2, 0, 4), (2, 4, 5)], lambda t, a, b: a.bmm(b)),
    "mv": ([(3, 4), (4,)], lambda t, a, b: a.mv(b)),
    "mv empty": ([(3, 0), (0,)], lambda t, a, b: t.mv(a, b)),
    "dot": ([(4,), (4,)], lambda t, a, b: t.dot(a, b)),
    "dot of nothing": ([(0,), (0,)], lambda t, a, b: a.dot(b)),
    "outer": ([(3,), (4,)], lambda t, a, b: t.outer(a, b)),
    "matmul batches": ([(2, 1, 3, 4), (5, 4, 2)], lambda t, a, b: t.matmul(a, b)),
    "matmul row": ([(4,), (5, 4, 2)], lambda t, a, b: a @ b),
    "matmul column": ([(5, 2, 4), (4,)], lambda t, a, b: a @ b),
    "matmul vectors": ([(4,), (4,)], lambda t, a, b: a @ b),
    "addmm": ([(5,), (3, 4), (4, 5)], lambda t, c, a, b: t.addmm(c, a, b, beta=0.5, alpha=2)),
    "addmm number": ([(), (3, 4), (4, 5)], lambda t, c, a, b: c.addmm(a, b)),
    "addmv": ([(2,), (2, 3), (3,)], lambda t, c, a, b: t.addmv(c, a, b, beta=0.5, alpha=2)),
    "addr": ([(2, 3), (2,), (3,)], lambda t, c, a, b: t.addr(c, a, b, beta=0.5, alpha=2)),
    "baddbmm": ([(2, 3, 5), (2, 3, 4), (2, 4, 5)], lambda t, c, a, b: t.baddbmm(c, a, b, beta=3)),
    "addbmm": ([(3, 5), (2, 3, 4), (2, 4, 5)], lambda t, c, a, b: t.addbmm(c, a, b, alpha=2)),
    "addmm_": ([(3, 5), (3, 4), (4, 5)], lambda t, c, a, b: (c * 1).addmm_(a, b, beta=0.5)),
    "trace": ([(3, 4)], lambda t, a: t.trace(a)),
    "kron": ([(2, 3), (4, 2)], lambda t, a, b: t.kron(a, b)),
    "kron of two ranks": ([(3,), (4, 2)], lambda t, a, b: a.kron(b)),
    "tensordot": ([(2, 3, 4), (3, 4, 5)], lambda t, a, b: t.tensordot(a, b)),
    "tensordot 1": ([(2, 3), (3, 4)], lambda t, a, b: t.tensordot(a, b, dims=1)),
    "tensordot 0": ([(2, 3), (2,)], lambda t, a, b: t.tensordot(a, b, dims=0)),
    "tensordot pairs": (
        [(2, 3, 4), (4, 5, 3)],
        lambda t, a, b: t.tensordot(a, b, dims=([1, -1], [2, 0])),
    ),
    "multi_dot": ([(2, 3), (3, 4), (4, 2), (2, 5)], lambda t, *a: t.linalg.multi_dot(a)),
    "multi_dot vectors": ([(3,), (3, 4), (4,)], lambda t, *a: t.linalg.multi_dot(a)),
    "diagonal": ([(2, 3, 3)], lambda t, a: t.linalg.diagonal(a, offset=1)),
    # inverses
    "inv": ([("good", 3, 3)], lambda t, a: t.linalg.inv(a)),
    "inverse": ([("good", 2, 3, 3)], lambda t, a: a.inverse()),
    "inv strided": ([("good", 3, 3)], lambda t, a: t.linalg.inv(a.T)),
    "inv of no matrix": ([(0, 3, 3)], lambda t, a: t.inverse(a)),
    "inv of nothing": ([(2, 0, 0)], lambda t, a: t.linalg.inv(a)),
    "pinv tall": ([(4, 2)], lambda t, a: t.linalg.pinv(a)),
    "pinv wide": ([(2, 2, 4)], lambda t, a: t.pinverse(a)),
    "pinv of nothing": ([(0, 4)], lambda t, a: t.linalg.pinv(a)),
    "power": ([("good", 2, 3, 3)], lambda t, a: t.matrix_power(a, 5) / 100),
    "power 0": ([(2, 3, 3)], lambda t, a: t.linalg.matrix_power(a, 0) + 0 * a),
    "power -2": ([("good", 3, 3)], lambda t, a: a.matrix_power(-2)),
    "solve vector": ([("good", 3, 3), (3,)], lambda t, a, b: t.linalg.solve(a, b)),
    "solve columns": ([("good", 3, 3), (3, 2)], lambda t, a, b: t.linalg.solve(a, b)),
    "solve vectors": ([("good", 2, 3, 3), (2, 3)], lambda t, a, b: t.linalg.solve(a, b)),
    "solve one side": ([("good", 2, 3, 3), (3, 2)], lambda t, a, b: t.linalg.solve(a, b)),
    "solve other side": ([("good", 3, 3), (2, 3, 1)], lambda t, a, b: t.linalg.solve(a, b)),
    "solve both": ([("good", 2, 1, 3, 3), (4, 3, 2)], lambda t, a, b: t.linalg.solve(a, b)),
    "solve left": ([("good", 3, 3), (2, 3)], lambda t, a, b: t.linalg.solve(a, b, left=False)),
    # determinants and factors
    "det": ([("good", 3, 3)], lambda t, a: t.det(a) / 10),
    "det batch": ([("good", 2, 3, 3)], lambda t, a: a.det() / 10),
    "det of nothing": ([(0, 0)], lambda t, a: t.linalg.det(a)),
    "slogdet": ([("good", 2, 3, 3)], lambda t, a: t.linalg.slogdet(a)[1]),
    "sign": ([(4, 3, 3)], lambda t, a: t.slogdet(a).sign + 0 * a.sum()),
    "logdet": ([("positive", 2, 3, 3)], lambda t, a: a.logdet()),
    "cholesky": ([("positive", 3, 3)], lambda t, a: t.linalg.cholesky(a)),
    "cholesky batch": ([("positive", 2, 4, 4)], lambda t, a: t.linalg.cholesky(a)),
    "cholesky upper": ([("positive", 3, 3)], lambda t, a: t.linalg.cholesky(a, upper=True)),
    "cholesky of nothing": ([(0, 0)], lambda t, a: t.linalg.cholesky(a)),
    # norms
    "norm of all": ([(2, 3, 4)], lambda t, a: t.linalg.norm(a)),
    "norm along": ([(2, 3)], lambda t, a: t.linalg.norm(a, dim=1, keepdim=True)),
    "norm of matrices": ([(2, 3, 4)], lambda t, a: t.linalg.norm(a, 1, dim=(0, 1), keepdim=True)),
    "norm 0": ([(4,)], lambda t, a: t.linalg.norm(a, 0) + 0 * a.sum()),
    "vector_norm 0": ([(2, 3)], lambda t, a: t.linalg.vector_norm(a, 0, 1) + 0 * a.sum()),
    "norm dtype": ([(3,)], lambda t, a: t.linalg.norm(a, dtype=t.float64)),
    "matrix_norm dtype": ([(3, 2)], lambda t, a: t.linalg.matrix_norm(a, dtype=t.float64)),
}
for word, p in NORMS.items():
    CALLS |= {
        f"norm {word}": ([(4,)], lambda t, a, p=p: t.linalg.norm(a, p)),
        f"vector_norm {word}": ([(2, 3)], lambda t, a, p=p: t.linalg.vector_norm(a, p)),
        f"vector_norm {word} dim": (
            [(2, 3, 2)],
            lambda t, a, p=p: t.linalg.vector_norm(a, ord=p, dim=(0, -1), keepdim=True),
        ),
    }
for word, p in {"fro": "fro", "1": 1, "-1": -1, "inf": inf, "-inf": -inf}.items():
    CALLS |= {
        f"norm of a matrix {word}": ([(3, 4)], lambda t, a, p=p: t.linalg.norm(a, p)),
        f"matrix_norm {word}": ([(2, 3, 4)], lambda t, a, p=p: t.linalg.matrix_norm(a, p)),
        f"matrix_norm {word} dim": (
            [(2, 3, 4)],
            lambda t, a, p=p: t.linalg.matrix_norm(a, p, dim=(2, 0), keepdim=True),
        ),
    }


def arrays(name: str, dtype: str) -> list[np.ndarray]:
    rng = np.random.default_rng(len(name))
    out = []
    for shape in CALLS[name][0]:
        kind, size = (shape[0], shape[1:]) if shape and shape[0].__class__ is str else ("", shape)
        x = rng.normal(size=size)
        if kind:
            x = x @ np.swapaxes(x, -1, -2) if kind == "positive" else x
            x = x + 3 * np.eye(size[-1])
        out.append(x.astype(dtype))
    return out


def close(ours: list[Any], theirs: list[Any], dtype: str) -> None:
    rtol = 1e-5 if dtype == "float32" else 1e-9
    for x, y in zip(ours, theirs, strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        size = max(1.0, float(np.abs(y).max(initial=0)))
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * size)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_and_gradients_are_pytorchs(name: str, dtype: str, oracle: Any) -> None:
    def run(t: Any) -> Any:
        inputs = [t.tensor(a).requires_grad_() for a in arrays(name, dtype)]
        y = CALLS[name][1](t, *inputs)
        (y * y).sum().backward()
        return [y, *(x.grad for x in inputs)]

    close(*oracle.both(run), dtype)


@pytest.mark.parametrize("name", CALLS)
def test_graph_mode_and_second_gradients(name: str) -> None:
    inputs = [lab.tensor(a, requires_grad=True) for a in arrays(name, "float64")]

    def function(*xs: Any) -> Any:
        return CALLS[name][1](lab, *xs)

    found = lab.compile(function)(*inputs)
    np.testing.assert_allclose(
        found.detach().numpy(), function(*inputs).detach().numpy(), rtol=1e-12, atol=1e-14
    )
    # the rank, the largest row and the sign stay as they are only for small steps
    if all(x.numel() for x in inputs) and name not in ("sign", "norm dtype", "matrix_norm dtype"):
        assert lab.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_products_of_integers(dtype: str, oracle: Any) -> None:
    def run(t: Any) -> Any:
        a = t.tensor(np.arange(6).reshape(2, 3).astype(dtype))
        b = t.tensor(np.arange(12).reshape(3, 4).astype(dtype))
        return [a @ b, t.mm(a, b), t.mv(a, b[:, 0]), t.dot(a[0], a[1]), t.outer(a[0], b[0]),
                t.addmm(b[0], a, b), t.kron(a, a), t.trace(a)]  # fmt: skip

    ours, theirs = oracle.both(run)
    for x, y in zip(ours, theirs, strict=True):
        assert (x.dtype, x.tolist()) == (y.dtype, y.tolist())


def test_by_hand() -> None:
    a, b = lab.tensor([1.0, 2.0]), lab.tensor([3.0, 4.0, 5.0])
    assert lab.outer(a, b).tolist() == [[3, 4, 5], [6, 8, 10]]
    nan = lab.tensor([[float("nan")]])
    assert lab.addmm(nan, lab.ones(1, 2), lab.ones(2, 1), beta=0).tolist() == [[2]]
    m = lab.tensor([[4.0, 2.0], [2.0, 5.0]])
    assert m.cholesky().tolist() == [[2, 0], [1, 2]]
    assert lab.det(m).item() == pytest.approx(16)
    assert lab.linalg.solve(m, lab.tensor([8.0, 12.0])).tolist() == pytest.approx([1, 2])
    assert lab.linalg.norm(lab.tensor([[1.0, -2.0], [3.0, 4.0]]), 1).item() == 6
    assert lab.linalg.norm(lab.tensor([[1.0, -2.0], [3.0, 4.0]]), inf).item() == 7
    assert lab.matrix_power(lab.tensor([[1, 1], [1, 0]]), 10).tolist() == [[89, 55], [55, 34]]
    assert np.isnan(lab.logdet(lab.tensor([[-1.0]])).item())
    assert lab.logdet(lab.zeros(2, 2)).item() == -inf


def test_multi_dot_takes_the_cheaper_order() -> None:
    # 2 x 50, 50 x 50, 50 x 1: from the right it is 2600 multiplications, from the left 5100
    chain = [lab.ones(2, 50, requires_grad=True), lab.ones(50, 50), lab.ones(50, 1)]
    last = lab.linalg.multi_dot(chain).node
    assert tuple(last.inputs[1].shape) == (50, 1)
    assert last.inputs[1].node is None or tuple(last.inputs[1].node.inputs[0].shape) == (50, 50)


@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_is_pytorchs(bias: bool, oracle: Any) -> None:
    def run(t: Any) -> Any:
        t.manual_seed(1)
        layer = t.nn.Bilinear(3, 4, 2, bias=bias)
        x, y = t.randn(2, 5, 3), t.randn(2, 5, 4)
        out = layer(x, y)
        (out * out).sum().backward()
        grads = [p.grad for p in layer.parameters()]
        one = t.nn.functional.bilinear(x[0, 0], y[0, 0], layer.weight)
        return [out, one, *layer.parameters(), *grads]

    ours, theirs = oracle.both(run)
    close(ours, theirs, "float32")
    np.testing.assert_array_equal(ours[2], theirs[2])  # the same first values


def test_what_bilinear_says_of_itself(oracle: Any) -> None:
    def run(t: Any) -> Any:
        layer = t.nn.Bilinear(3, 4, 2)
        return [repr(layer), list(layer.state_dict())]

    ours, theirs = oracle.both(run)
    assert ours == theirs


# Mistakes ----------------------------------------------------------------------------------

ones = lambda t, *shape: t.ones(*shape)  # noqa: E731
MISTAKES: dict[str, Any] = {
    "inner": lambda t: ones(t, 2, 3) @ ones(t, 4, 3),
    "inner left": lambda t: ones(t, 3, 2) @ ones(t, 3, 4),
    "batch turned": lambda t: t.bmm(ones(t, 2, 3, 4), ones(t, 2, 3, 5)),
    "matrix vector": lambda t: ones(t, 2, 3) @ ones(t, 2),
    "vector matrix": lambda t: ones(t, 2) @ ones(t, 3, 4),
    "vectors": lambda t: ones(t, 2) @ ones(t, 3),
    "dtypes": lambda t: ones(t, 2, 3) @ ones(t, 3, 2).double(),
    "ints": lambda t: ones(t, 2, 3) @ ones(t, 3, 2).long(),
    "mm 3-D": lambda t: t.mm(ones(t, 2, 3, 4), ones(t, 4, 2)),
    "mm vector": lambda t: t.mm(ones(t, 2, 3), ones(t, 3)),
    "bmm 2-D": lambda t: t.bmm(ones(t, 2, 3), ones(t, 3, 2)),
    "bmm batch": lambda t: t.bmm(ones(t, 2, 3, 4), ones(t, 1, 4, 2)),
    "batch": lambda t: ones(t, 2, 3, 4) @ ones(t, 3, 4, 5),
    "number": lambda t: ones(t, 2, 3) @ 2,
    "number left": lambda t: 2 @ ones(t, 2, 3),
    "0-d": lambda t: ones(t, 2, 3) @ t.tensor(2.0),
    "list": lambda t: t.mm(ones(t, 2, 3), [[1.0], [2.0], [3.0]]),
    "none": lambda t: t.matmul(ones(t, 2, 3), None),
    "dot": lambda t: t.dot(ones(t, 3), ones(t, 1)),
    "dot 2-D": lambda t: t.dot(ones(t, 2, 3), ones(t, 3)),
    "mv": lambda t: t.mv(ones(t, 2, 3), ones(t, 2)),
    "outer": lambda t: t.outer(ones(t, 2, 2), ones(t, 2)),
    "addmm": lambda t: t.addmm(ones(t, 7), ones(t, 2, 3), ones(t, 3, 4)),
    "addmm dtype": lambda t: t.addmm(ones(t, 4).double(), ones(t, 2, 3), ones(t, 3, 4)),
    "addmm number": lambda t: t.addmm(1.0, ones(t, 2, 3), ones(t, 3, 4)),
    "trace": lambda t: t.trace(ones(t, 2, 2, 2)),
    "tensordot": lambda t: t.tensordot(ones(t, 2, 3), ones(t, 4, 3), dims=1),
    "tensordot dims": lambda t: t.tensordot(ones(t, 2), ones(t, 2), dims=3),
    "multi_dot": lambda t: t.linalg.multi_dot([ones(t, 2, 2)]),
    "inv of a vector": lambda t: t.linalg.inv(ones(t, 3)),
    "inv not square": lambda t: t.linalg.inv(ones(t, 2, 3)),
    "inv of ints": lambda t: t.linalg.inv(ones(t, 2, 2).long()),
    "inv singular": lambda t: t.linalg.inv(ones(t, 2, 2)),
    "inv in a batch": lambda t: t.linalg.inv(t.stack([t.eye(2), ones(t, 2, 2)])),
    "solve singular": lambda t: t.linalg.solve(ones(t, 2, 2), ones(t, 2)),
    "solve sizes": lambda t: t.linalg.solve(t.eye(2), ones(t, 3, 1)),
    "solve dtypes": lambda t: t.linalg.solve(t.eye(2), ones(t, 2).double()),
    "solve left vector": lambda t: t.linalg.solve(t.eye(2), ones(t, 2), left=False),
    "cholesky": lambda t: t.linalg.cholesky(-t.eye(2)),
    "cholesky in a batch": lambda t: t.linalg.cholesky(t.stack([t.eye(2), t.eye(2), -t.eye(2)])),
    "det": lambda t: t.det(ones(t, 2, 3)),
    "power": lambda t: t.matrix_power(ones(t, 2, 3), 2),
    "power of a float": lambda t: t.matrix_power(t.eye(2), 2.0),
    "norm of ints": lambda t: t.linalg.norm(ones(t, 3).long()),
    "norm of nothing": lambda t: t.linalg.norm(ones(t, 0), inf),
    "norm ord": lambda t: t.linalg.matrix_norm(ones(t, 3, 3), 3),
    "norm of a box": lambda t: t.linalg.norm(ones(t, 2, 3, 3), 1),
    "norm dims": lambda t: t.linalg.matrix_norm(ones(t, 3, 3), dim=(0, 0)),
    "norm of a vector": lambda t: t.linalg.matrix_norm(ones(t, 3)),
    "norm by a word": lambda t: t.linalg.vector_norm(ones(t, 3), "fro"),
    "bilinear": lambda t: t.nn.functional.bilinear(ones(t, 2, 3), ones(t, 2, 4), ones(t, 5, 4, 3)),
    "bilinear bias": lambda t: t.nn.functional.bilinear(
        ones(t, 2, 3), ones(t, 2, 4), ones(t, 5, 3, 4), ones(t, 4)
    ),
}


GOLDEN = Golden("linalg", MISTAKES)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_pytorchs_and_say_what_to_do(name: str, oracle: Any) -> None:
    found = said(lambda: MISTAKES[name](lab))
    assert same_kind(found, oracle.error(MISTAKES[name]))
    GOLDEN.check(name, found)
    GOLDEN.check(name, said(lambda: MISTAKES[name](lab), graph=True))


def test_every_text_belongs_to_a_mistake() -> None:
    GOLDEN.complete()


def test_bools_and_fractions_of_integers_are_refused() -> None:
    yes = lab.ones(2, 2).bool()
    with pytest.raises(RuntimeError, match="bools have no matrix product"):
        yes @ yes
    n = yes.long()
    with pytest.raises(RuntimeError, match="alpha of integers must be integers"):
        lab.addmm(n, n, n, alpha=0.5)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_gradient_of_the_determinant_of_a_singular_matrix(rank: int, oracle: Any) -> None:
    rng = np.random.default_rng(rank)
    a = rng.normal(size=(2, 3, rank)) @ rng.normal(size=(rank, 3))

    def run(t: Any) -> Any:
        x = t.tensor(a, requires_grad=True)
        t.det(x).sum().backward()
        return x.grad

    ours, theirs = oracle.both(run)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    if rank == 2:
        assert np.abs(ours).max() > 0.01


def test_a_singular_matrix_is_a_linalg_error_in_backward_too() -> None:
    x = lab.ones(2, 2, requires_grad=True)
    with pytest.raises(lab.linalg.LinAlgError, match="singular"):
        lab.linalg.slogdet(x)[1].backward()
    assert x.grad is None
    assert issubclass(lab.linalg.LinAlgError, RuntimeError)


def test_what_is_there_under_which_name() -> None:
    for name in lab.linalg.__all__:
        assert hasattr(lab.linalg, name)
    out = lab.empty(2, 2)
    assert lab.linalg.inv(2 * lab.eye(2), out=out) is out
    assert out.tolist() == [[0.5, 0], [0, 0.5]]
