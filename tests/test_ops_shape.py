"""Ops that move, pick and place entries: values, gradients and errors are PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minitorch_lab as lab
from minitorch_lab import errors


def needs_torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the oracle here")


def listed(found: Any) -> list[Any]:
    return list(found) if isinstance(found, (tuple, list)) else [found]


# x is (3, 4), v is (4,), n is (); each call gives a tensor or several.
MOVES: dict[str, Any] = {
    "split": lambda t, x, v, n: t.split(x, 3, dim=1),
    "split sizes": lambda t, x, v, n: x.split([1, 0, 3], -1),
    "split larger": lambda t, x, v, n: x.split(9),
    "chunk": lambda t, x, v, n: t.chunk(x, 3, 1),
    "chunk fewer": lambda t, x, v, n: v.chunk(3),
    "chunk empty": lambda t, x, v, n: t.chunk(v[:0], 3),
    "unbind": lambda t, x, v, n: t.unbind(x, dim=-1),
    "hstack": lambda t, x, v, n: t.hstack([x, x[:, :1]]),
    "hstack vectors": lambda t, x, v, n: t.hstack((v, n, v)),
    "vstack": lambda t, x, v, n: t.vstack((x, v)),
    "dstack": lambda t, x, v, n: t.dstack((x, x * 2)),
    "column_stack": lambda t, x, v, n: t.column_stack((v, v * 2, x.T)),
    "concat": lambda t, x, v, n: t.concat([x, x], dim=-1),
    "movedim": lambda t, x, v, n: t.movedim(x.unsqueeze(0), (0, -1), (-1, 0)),
    "movedim one": lambda t, x, v, n: x.unsqueeze(0).movedim(-1, 0),
    "swapaxes": lambda t, x, v, n: t.swapaxes(x, 0, -1),
    "swapdims": lambda t, x, v, n: x.swapdims(0, 1),
    "broadcast_to": lambda t, x, v, n: t.broadcast_to(v, (2, 3, 4)),
    "broadcast_to -1": lambda t, x, v, n: v.broadcast_to((3, -1)),
    "broadcast_tensors": lambda t, x, v, n: t.broadcast_tensors(x, v, n),
    "expand_as": lambda t, x, v, n: v.expand_as(x),
    "flip": lambda t, x, v, n: t.flip(x, [0, 1]),
    "flip varargs": lambda t, x, v, n: x.flip(0, -1),
    "flip none": lambda t, x, v, n: n.flip([]),
    "fliplr": lambda t, x, v, n: t.fliplr(x) * t.flipud(x),
    "roll": lambda t, x, v, n: t.roll(x, 1),
    "roll dim": lambda t, x, v, n: x.roll(-1, 1),
    "roll dims": lambda t, x, v, n: t.roll(x, shifts=(2, -5), dims=(0, 1)),
    "roll number": lambda t, x, v, n: n.roll(2),
    "roll empty": lambda t, x, v, n: v[:0].roll(1, 0),
    "repeat": lambda t, x, v, n: x.repeat(2, 3),
    "repeat more": lambda t, x, v, n: v.repeat((2, 1, 3)),
    "repeat none": lambda t, x, v, n: v.repeat(0),
    "repeat number": lambda t, x, v, n: n.repeat(2, 2),
    "tile": lambda t, x, v, n: t.tile(x, (2,)),
    "tile more": lambda t, x, v, n: v.tile(2, 2),
    "select": lambda t, x, v, n: t.select(x, 1, -1) + x.select(-1, 0),
    "diagonal": lambda t, x, v, n: t.diagonal(x),
    "diagonal up": lambda t, x, v, n: x.diagonal(2),
    "diagonal down": lambda t, x, v, n: x.diagonal(offset=-1),
    "diagonal far": lambda t, x, v, n: x.diagonal(7),
    "diagonal batch": lambda t, x, v, n: x.reshape(2, 3, 2).diagonal(1, dim1=-1, dim2=0),
    "diag of a matrix": lambda t, x, v, n: t.diag(x, 1),
    "diag of a vector": lambda t, x, v, n: t.diag(v),
    "diag below": lambda t, x, v, n: v.diag(diagonal=-2),
    "diag_embed": lambda t, x, v, n: t.diag_embed(x),
    "diag_embed dims": lambda t, x, v, n: t.diag_embed(x, 1, 0, 2),
    "diag_embed turned": lambda t, x, v, n: t.diag_embed(x, 1, 2, 0),
    "diagflat": lambda t, x, v, n: t.diagflat(x[:2, :2], 1),
    "triu": lambda t, x, v, n: t.triu(x),
    "triu up": lambda t, x, v, n: x.triu(diagonal=2),
    "tril": lambda t, x, v, n: t.tril(x, -1),
    "tril batch": lambda t, x, v, n: x.reshape(2, 2, 3).tril(),
    "meshgrid": lambda t, x, v, n: t.meshgrid(v, x[:, 0], indexing="ij"),
    "meshgrid xy": lambda t, x, v, n: t.meshgrid(v, x[:, 0], v[:2], indexing="xy"),
    "meshgrid one": lambda t, x, v, n: t.meshgrid([v], indexing="xy"),
    "squeeze": lambda t, x, v, n: x.reshape(1, 3, 1, 4).squeeze((0, 2)),
    "squeeze kept": lambda t, x, v, n: t.squeeze(x, 1),
    "squeeze number": lambda t, x, v, n: t.squeeze(n, 0),
    "unsqueeze": lambda t, x, v, n: t.unsqueeze(x, -1) * x.unsqueeze(1),
    "unsqueeze number": lambda t, x, v, n: n.unsqueeze(-1),
    "unflatten": lambda t, x, v, n: t.unflatten(x, 1, (2, -1)),
    "ravel": lambda t, x, v, n: t.ravel(x.T),
    "reshape_as": lambda t, x, v, n: x.reshape_as(x.T),
    "view_as": lambda t, x, v, n: x.view_as(x.T),
    "view": lambda t, x, v, n: x.view(2, -1),
    "contiguous": lambda t, x, v, n: x.T.contiguous().view(12),
    "view of a part": lambda t, x, v, n: x[1:].view(-1),
    "view in part": lambda t, x, v, n: x.T.view(2, 2, 3),
    "atleast_1d": lambda t, x, v, n: t.atleast_1d(n, v),
    "atleast_2d": lambda t, x, v, n: t.atleast_2d([n, v, x]),
    "atleast_3d": lambda t, x, v, n: t.atleast_3d(n, v, x),
}


def inputs(t: Any, dtype: str) -> list[Any]:
    rng = np.random.default_rng(5)
    made = [rng.normal(size=shape).astype(dtype) for shape in ((3, 4), (4,), ())]
    return [t.tensor(np.asarray(a), requires_grad=True) for a in made]


def outcome(t: Any, call: Any, dtype: str) -> tuple[list[Any], list[Any]]:
    xs = inputs(t, dtype)
    found = listed(call(t, *xs))
    weight = 1.0
    total = 0.0
    for y in found:
        if y.requires_grad:
            total = total + weight * (y * y * y).sum()
            weight += 0.5
    total.backward()
    return [y.detach() for y in found], [x.grad for x in xs]


def check(call: Any, dtype: str) -> None:
    torch = needs_torch()
    values, gradients = outcome(lab, call, dtype)
    theirs, their_gradients = outcome(torch, call, dtype)
    tolerance = 1e-5 if dtype == "float32" else 1e-9
    assert len(values) == len(theirs)
    for y, z in zip(values, theirs, strict=True):
        assert tuple(y.shape) == tuple(z.shape)
        assert f"torch.{y.dtype.name}" == str(z.dtype)
        np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=tolerance, atol=tolerance)
    for g, h in zip(gradients, their_gradients, strict=True):
        assert (g is None) == (h is None)
        if g is not None:
            np.testing.assert_allclose(g.numpy(), h.numpy(), rtol=tolerance, atol=tolerance)


def check_graph(call: Any) -> None:
    xs = inputs(lab, "float32")
    eager = listed(call(lab, *xs))
    compiled = lab.compile(lambda *ys: tuple(listed(call(lab, *ys))))(*xs)
    for y, z in zip(eager, compiled, strict=True):
        assert y.dtype is z.dtype
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MOVES)
def test_moving_is_pytorchs(name: str, dtype: str) -> None:
    check(MOVES[name], dtype)


@pytest.mark.parametrize("name", MOVES)
def test_moving_in_graph_mode(name: str) -> None:
    check_graph(MOVES[name])


def test_moving_by_hand() -> None:
    x = lab.arange(6).reshape(2, 3)
    assert [p.tolist() for p in x.split([1, 2], 1)] == [[[0], [3]], [[1, 2], [4, 5]]]
    assert x.flip(1).tolist() == [[2, 1, 0], [5, 4, 3]]
    assert x.roll(1).tolist() == [[5, 0, 1], [2, 3, 4]]
    assert x.roll(1, 1).tolist() == [[2, 0, 1], [5, 3, 4]]
    assert x[0].repeat(2).tolist() == [0, 1, 2, 0, 1, 2]
    assert lab.diag(x[1]).tolist() == [[3, 0, 0], [0, 4, 0], [0, 0, 5]]
    assert x.diagonal(1).tolist() == [1, 5]
    assert x.triu().tolist() == [[0, 1, 2], [0, 4, 5]]
    assert x.tril().tolist() == [[0, 0, 0], [3, 4, 0]]
    a, b = lab.meshgrid(lab.arange(2), lab.arange(3), indexing="xy")
    assert a.tolist() == [[0, 1]] * 3
    assert b.tolist() == [[0, 0], [1, 1], [2, 2]]


def test_views_share_memory_and_copies_do_not() -> None:
    x = lab.zeros(2, 3)
    for part in (x.view(6), x.T, x.select(0, 1), x.diagonal(), *x.split(1), *x.unbind(1), x[0:1]):
        before = x.sum().item()
        part += 1
        assert x.sum().item() == before + part.numel()
    total = x.sum().item()
    for copy in (x.flip(0), x.roll(0), x.repeat(1, 1), x.triu(), x.T.contiguous(), x.tile(1)):
        copy += 1
    assert x.sum().item() == total
    assert x.contiguous() is x
    assert x.is_contiguous()
    assert not x.T.is_contiguous()


def test_triangles_in_place() -> None:
    x = lab.ones(3, 3)
    assert x.triu_() is x
    assert x.tril_(0).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


MOVE_ERRORS: dict[str, tuple[Any, str]] = {
    "split": (lambda t, x: x.split(0), "1 or more"),
    "split sizes": (lambda t, x: x.split([1, 2]), "add up to"),
    "split number": (lambda t, x: t.tensor(1.0).split(1), "0-d"),
    "split dim": (lambda t, x: x.split(1, 2), "out of range"),
    "chunk": (lambda t, x: x.chunk(0), "1 chunk or more"),
    "hstack": (lambda t, x: t.hstack([]), "one tensor or more"),
    "movedim": (lambda t, x: x.movedim((0, 0), (0, 1)), "twice"),
    "movedim count": (lambda t, x: x.movedim((0, 1), (0,)), "as many"),
    "flip": (lambda t, x: x.flip(0, 0), "twice"),
    "flip dim": (lambda t, x: x.flip(5), "out of range"),
    "roll": (lambda t, x: x.roll((1, 2)), "as many"),
    "repeat": (lambda t, x: x.repeat(2), "tile"),
    "repeat nothing": (lambda t, x: x.repeat(), "got nothing"),
    "select": (lambda t, x: x.select(0, 5), "index 5"),
    "diagonal": (lambda t, x: x.diagonal(0, 1, 1), "same dimension"),
    "diag": (lambda t, x: t.diag(x[None]), "a vector or a matrix"),
    "triu": (lambda t, x: x[0].triu(), "matrix"),
    "meshgrid": (lambda t, x: t.meshgrid(x[0], indexing="zz"), "'ij' or 'xy'"),
    "view": (lambda t, x: x.T.view(6), "reshape"),
    "view size": (lambda t, x: x.view(5), "6 entries"),
    "unflatten": (lambda t, x: x.unflatten(1, (2, 2)), "product"),
    "expand": (lambda t, x: x.expand(2, 4), "do not broadcast"),
    "unsqueeze": (lambda t, x: x.unsqueeze(5), "out of range"),
    "squeeze": (lambda t, x: x.squeeze(2), "out of range"),
    "broadcast_tensors": (lambda t, x: t.broadcast_tensors(x, x.T), "broadcast"),
    "repeat words": (lambda t, x: x.repeat("a"), "ints"),
}


def check_error(call: Any, words: str) -> None:
    data = [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    with pytest.raises(errors.LabError) as ours:
        call(lab, lab.tensor(data))
    assert words in str(ours.value)
    torch = needs_torch()
    with pytest.raises((RuntimeError, IndexError, TypeError, ValueError)) as theirs:
        call(torch, torch.tensor(data))
    assert isinstance(ours.value, theirs.type)


@pytest.mark.parametrize("name", MOVE_ERRORS)
def test_moving_errors(name: str) -> None:
    check_error(*MOVE_ERRORS[name])
