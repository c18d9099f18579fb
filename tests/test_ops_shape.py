"""Ops that move, pick and place entries: values, gradients and errors are PyTorch's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from double import DeviceArray, make_cupy

import minitorch_lab as lab
from minitorch_lab import errors
from minitorch_lab.device import CUDA, register, to_host, unregister


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
    "view of a result": lambda t, x, v, n: x.reshape(3, 2, 2).permute(2, 1, 0).sum(0).view(6),
    "view of a column pick": lambda t, x, v, n: x[:, t.tensor([2, 0])].view(6),
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


def close(ours: Any, theirs: Any, tolerance: float) -> None:
    """Equal up to the tolerance, relative to the largest entry: sums cancel."""
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    scale = max(1.0, float(np.abs(theirs).max(initial=0)))
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale)


def check(oracle: Any, call: Any, dtype: str) -> None:
    ours, torchs = oracle.both(lambda t: outcome(t, call, dtype))
    (values, gradients), (theirs, their_gradients) = ours, torchs
    tolerance = 1e-5 if dtype == "float32" else 1e-9
    assert len(values) == len(theirs)
    for y, z in zip(values, theirs, strict=True):
        close(y, z, tolerance)
    for g, h in zip(gradients, their_gradients, strict=True):
        assert (g is None) == (h is None)
        if g is not None:
            close(g, h, tolerance)


def check_graph(call: Any) -> None:
    xs = inputs(lab, "float32")
    eager = listed(call(lab, *xs))
    compiled = lab.compile(lambda *ys: tuple(listed(call(lab, *ys))))(*xs)
    for y, z in zip(eager, compiled, strict=True):
        assert y.dtype is z.dtype
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MOVES)
def test_moving_is_pytorchs(name: str, dtype: str, oracle: Any) -> None:
    check(oracle, MOVES[name], dtype)


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


def check_error(oracle: Any, call: Any, words: str) -> None:
    data = [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    with pytest.raises(errors.LabError) as ours:
        call(lab, lab.tensor(data))
    assert words in str(ours.value)
    theirs = oracle.error(lambda torch: call(torch, torch.tensor(data)))
    assert theirs in (RuntimeError, IndexError, TypeError, ValueError, NotImplementedError)
    assert isinstance(ours.value, theirs)


@pytest.mark.parametrize("name", MOVE_ERRORS)
def test_moving_errors(name: str, oracle: Any) -> None:
    check_error(oracle, *MOVE_ERRORS[name])


# Picking and placing: k is [2, 0, 2], m is x > 0 --------------------------------------------

K = [2, 0, 2]
PICKS: dict[str, Any] = {
    "index_select": lambda t, x, v, n: t.index_select(x, 0, t.tensor(K)),
    "index_select last": lambda t, x, v, n: x.index_select(-1, t.tensor([3, 3, 1])),
    "index_select number": lambda t, x, v, n: x.index_select(dim=1, index=t.tensor(2)),
    "index_select none": lambda t, x, v, n: x.index_select(0, t.zeros(0, dtype=t.int64)),
    "gather": lambda t, x, v, n: x.gather(0, t.tensor([[0, 2, 1], [2, 2, 2]])),
    "scatter": lambda t, x, v, n: t.scatter(x, 1, t.tensor([[0, 2], [3, 1]]), x[:2, :2] * 2),
    "scatter rows": lambda t, x, v, n: (
        t.zeros(5, 4).to(x.dtype).scatter(0, t.tensor([[4, 1, 0, 2]]), v[None])
    ),
    "scatter number": lambda t, x, v, n: x.scatter(1, t.tensor([[1], [0], [3]]), 2.5),
    "scatter value": lambda t, x, v, n: x.scatter(0, t.tensor([[1, 0]]), value=-1),
    "scatter_add": lambda t, x, v, n: t.scatter_add(
        x, 1, t.tensor([[0, 0, 3], [1, 1, 1]]), (x * x)[1:, 1:]
    ),
    "scatter_add rows": lambda t, x, v, n: x.scatter_add(0, t.tensor([[1, 1, 0, 2]] * 3), x),
    "index_add": lambda t, x, v, n: t.index_add(x, 0, t.tensor(K), x * 2),
    "index_add alpha": lambda t, x, v, n: x.index_add(-1, t.tensor([1, 1]), x[:, 2:], alpha=-2),
    "index_put": lambda t, x, v, n: t.index_put(x, (t.tensor([0, 2]),), v),
    "index_put two": lambda t, x, v, n: x.index_put((t.tensor([0, 2]), t.tensor([1, 1])), n * 2),
    "index_put added": lambda t, x, v, n: x.index_put((t.tensor(K),), v, accumulate=True),
    "index_fill": lambda t, x, v, n: t.index_fill(x, 1, t.tensor([0, -1]), 3.0),
    "index_copy": lambda t, x, v, n: t.index_copy(x, 0, t.tensor([2, 0]), x[1:] * 2),
    "take": lambda t, x, v, n: t.take(x, t.tensor([[0, 11], [5, -1]])),
    "take_along_dim": lambda t, x, v, n: t.take_along_dim(x, t.tensor([[0, 3, 3]]), 1),
    "take_along_dim flat": lambda t, x, v, n: t.take_along_dim(x, t.tensor([[0, 3, 3]])),
    "repeat_interleave": lambda t, x, v, n: t.repeat_interleave(x, 2),
    "repeat_interleave dim": lambda t, x, v, n: x.repeat_interleave(3, dim=1),
    "repeat_interleave once": lambda t, x, v, n: x.repeat_interleave(1, 0),
    "repeat_interleave number": lambda t, x, v, n: n.repeat_interleave(2),
    "columns": lambda t, x, v, n: x[:, t.tensor(K)],
    "outer index": lambda t, x, v, n: x[t.tensor([[0], [2]]), t.tensor([1, 1, 3])],
    "bool column": lambda t, x, v, n: x[:, None, ..., t.tensor([1, 0])],
}
# What these give has a shape that depends on values: graph mode refuses.
COUNTED: dict[str, Any] = {
    "masked_select": lambda t, x, v, n: t.masked_select(x, x > 0),
    "masked_select row": lambda t, x, v, n: x.masked_select(v > 0),
    "masked_select larger": lambda t, x, v, n: v.masked_select(x > 0),
    "masked_select none": lambda t, x, v, n: x.masked_select(x > 9) + n,
    "mask": lambda t, x, v, n: x[x > 0],
    "mask of rows": lambda t, x, v, n: x[t.tensor([True, False, True]), 1:],
    "index_put mask": lambda t, x, v, n: x.index_put((x > 0,), n),
    "repeat_interleave counts": lambda t, x, v, n: t.repeat_interleave(
        x, t.tensor([2, 0, 1]), dim=0
    ),
    "repeat_interleave one count": lambda t, x, v, n: x.repeat_interleave(t.tensor([2]), 1),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*PICKS, *COUNTED])
def test_picking_is_pytorchs(name: str, dtype: str, oracle: Any) -> None:
    check(oracle, (PICKS | COUNTED)[name], dtype)


@pytest.mark.parametrize("name", PICKS)
def test_picking_in_graph_mode(name: str) -> None:
    check_graph(PICKS[name])


@pytest.mark.parametrize("name", COUNTED)
def test_graph_mode_refuses_shapes_that_depend_on_values(name: str) -> None:
    with pytest.raises(errors.TraceError, match="eager"):
        lab.compile(lambda *xs: COUNTED[name](lab, *xs))(*inputs(lab, "float32"))


def test_picking_by_hand() -> None:
    x = lab.arange(6).reshape(2, 3)
    index = lab.tensor([[0, 0, 2], [1, 1, 1]])
    assert x.index_select(1, lab.tensor([2, 0])).tolist() == [[2, 0], [5, 3]]
    assert lab.zeros(2, 3, dtype=lab.int64).scatter_add(1, index, x).tolist() == [
        [1, 0, 2],
        [0, 12, 0],
    ]
    assert x.scatter(0, index[1:], 9).tolist() == [[0, 1, 2], [9, 9, 9]]
    assert x.index_add(0, lab.tensor([1, 1]), x).tolist() == [[0, 1, 2], [6, 9, 12]]
    assert x.masked_select(x > 3).tolist() == [4, 5]
    assert x[0].repeat_interleave(2).tolist() == [0, 0, 1, 1, 2, 2]
    assert lab.repeat_interleave(lab.tensor([1, 0, 2])).tolist() == [0, 2, 2]
    assert x.index_put((lab.tensor([0, 0]),), lab.tensor(1), accumulate=True)[0].tolist() == [
        2,
        3,
        4,
    ]


# Changing a part ---------------------------------------------------------------------------


def _assign(index: Any, value: Any) -> Any:
    def change(t: Any, y: Any, v: Any, n: Any) -> None:
        y[index(t, y)] = value(t, v, n)

    return change


def _add(index: Any, value: Any) -> Any:
    def change(t: Any, y: Any, v: Any, n: Any) -> None:
        y[index(t, y)] += value(t, v, n)

    return change


CHANGES: dict[str, Any] = {
    "row": _assign(lambda t, y: 1, lambda t, v, n: v),
    "corner": _assign(lambda t, y: (slice(1, None), slice(2)), lambda t, v, n: n),
    "steps": _assign(lambda t, y: (..., slice(None, None, 2)), lambda t, v, n: 2.5),
    "index": _assign(lambda t, y: t.tensor([2, 0]), lambda t, v, n: v * 2),
    "two indices": _assign(
        lambda t, y: (t.tensor([2, 0]), t.tensor([1, 1])), lambda t, v, n: v[:2]
    ),
    "column index": _assign(lambda t, y: (slice(None), t.tensor([0, 3])), lambda t, v, n: n),
    "mask": _assign(lambda t, y: y > 0, lambda t, v, n: 0.0),
    "mask tensor": _assign(lambda t, y: y > 0, lambda t, v, n: n),
    "mask of rows": _assign(lambda t, y: t.tensor([True, False, True]), lambda t, v, n: v),
    "add index": _add(lambda t, y: t.tensor([2, 0, 2]), lambda t, v, n: v),
    "add mask": _add(lambda t, y: y > 0, lambda t, v, n: n),
    "scatter_": lambda t, y, v, n: y.scatter_(1, t.tensor([[0, 1], [3, 2]]), v.view(2, 2)),
    "scatter_ number": lambda t, y, v, n: y.scatter_(1, t.tensor([[0, 1], [3, 2]]), 2.0),
    "scatter_add_": lambda t, y, v, n: y.scatter_add_(0, t.tensor([[1, 1, 0, 2]]), v[None]),
    "index_add_": lambda t, y, v, n: y.index_add_(0, t.tensor([1, 1]), v.expand(2, 4)),
    "index_put_": lambda t, y, v, n: y.index_put_((t.tensor([0, 0]),), v, accumulate=True),
    "index_fill_": lambda t, y, v, n: y.index_fill_(1, t.tensor([0, 2]), 7.0),
    "index_copy_": lambda t, y, v, n: y.index_copy_(1, t.tensor([3]), v[:3, None] * n),
    "triu_": lambda t, y, v, n: y.triu_(1),
}


def changed(change: Any) -> Any:
    def call(t: Any, x: Any, v: Any, n: Any) -> Any:
        y = x * 1.5
        change(t, y, v, n)
        return y * y.sum()

    return call


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CHANGES)
def test_changing_a_part_is_pytorchs(name: str, dtype: str, oracle: Any) -> None:
    check(oracle, changed(CHANGES[name]), dtype)


@pytest.mark.parametrize("name", [name for name in CHANGES if "mask" not in name])
def test_changing_a_part_in_graph_mode(name: str) -> None:
    check_graph(changed(CHANGES[name]))


PICK_ERRORS: dict[str, tuple[Any, str]] = {
    "index_select range": (lambda t, x: x.index_select(0, t.tensor([2])), "out of range"),
    "index_select below": (lambda t, x: x.index_select(0, t.tensor([-1])), "out of range"),
    "index_select matrix": (lambda t, x: x.index_select(0, t.tensor([[1]])), "vector"),
    "index_select float": (lambda t, x: x.index_select(0, t.tensor([1.0])), "integers"),
    "index_select list": (lambda t, x: x.index_select(0, [1]), "tensor"),
    "gather range": (lambda t, x: x.gather(1, t.tensor([[3]])), "out of range"),
    "gather float": (lambda t, x: x.gather(1, t.tensor([[1.0]])), "integers"),
    "gather sizes": (lambda t, x: x.gather(1, t.tensor([1])), "does not fit"),
    "scatter range": (lambda t, x: x.scatter(0, t.tensor([[2]]), 1.0), "out of range"),
    "scatter sizes": (lambda t, x: x.scatter(0, t.tensor([0]), 1.0), "does not fit"),
    "scatter src": (lambda t, x: x.scatter(1, t.tensor([[0, 1]]), x[:, :1]), "cover"),
    "scatter dtype": (lambda t, x: x.scatter(0, t.tensor([[0]]), x.double()), "dtypes"),
    "scatter nothing": (lambda t, x: x.scatter(0, t.tensor([[0]])), "src or value"),
    "index_add sizes": (lambda t, x: x.index_add(0, t.tensor([1]), x), "source"),
    "index_add dtype": (lambda t, x: x.index_add(0, t.tensor([0, 1]), x.double()), "dtypes"),
    "index_add range": (lambda t, x: x.index_add(0, t.tensor([0, 2]), x), "out of range"),
    "index_put range": (lambda t, x: x.index_put((t.tensor([5]),), x[0]), "out of range"),
    "index_fill range": (lambda t, x: x.index_fill(0, t.tensor([5]), 1.0), "out of range"),
    "masked_select float": (lambda t, x: x.masked_select(x), "bool"),
    "masked_select sizes": (lambda t, x: x.masked_select(x.T > 0), "broadcast"),
    "repeat_interleave": (lambda t, x: x.repeat_interleave(-1), "0 or more"),
    "repeat_interleave counts": (
        lambda t, x: x.repeat_interleave(t.tensor([1, 2, 3]), 0),
        "do not fit",
    ),
    "mask": (lambda t, x: x[t.tensor([True])], "bool index"),
    "index": (lambda t, x: x[t.tensor([3])], "out of range"),
}


@pytest.mark.parametrize("name", PICK_ERRORS)
def test_picking_errors(name: str, oracle: Any) -> None:
    check_error(oracle, *PICK_ERRORS[name])


def test_assignment_out_of_range() -> None:
    x = lab.zeros(2, 3)
    with pytest.raises(IndexError, match="out of range"):
        x[lab.tensor([2])] = 1.0
    with pytest.raises(IndexError, match="out of range"):
        x[5] = 1.0
    with pytest.raises(RuntimeError, match=r"does not fit|do not broadcast"):
        x[lab.tensor([1, 1])] = lab.zeros(2)
    assert x.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_gradient_of_a_source_that_is_larger_than_its_index() -> None:
    source = lab.ones(2, 3, requires_grad=True)
    lab.zeros(2, 3).scatter_add(1, lab.tensor([[2, 2]]), source * 2).sum().backward()
    assert source.grad.tolist() == [[2, 2, 0], [0, 0, 0]]


# Making tensors ----------------------------------------------------------------------------

MADE: dict[str, Any] = {
    "arange": lambda t: t.arange(5),
    "arange bounds": lambda t: t.arange(1, 6, 2),
    "arange float": lambda t: t.arange(0, 1, 0.3),
    "arange mixed": lambda t: t.arange(0, 5, 2.0),
    "arange down": lambda t: t.arange(2, -1, -1),
    "arange words": lambda t: t.arange(start=1, end=4, step=2),
    "arange end": lambda t: t.arange(1, end=4),
    "arange tensor": lambda t: t.arange(t.tensor(3)),
    "arange float tensor": lambda t: t.arange(t.tensor(2.5)),
    "arange bool": lambda t: t.arange(True),
    "arange none": lambda t: t.arange(0),
    "arange dtype": lambda t: t.arange(3, dtype=t.float64),
    "linspace": lambda t: t.linspace(-1, 1, 7),
    "linspace one": lambda t: t.linspace(3, 10, 1),
    "linspace none": lambda t: t.linspace(3, 10, steps=0),
    "linspace int": lambda t: t.linspace(0, 10, 5, dtype=t.int64),
    "linspace double": lambda t: t.linspace(t.tensor(0.0), 1, 5, dtype=t.float64),
    "logspace": lambda t: t.logspace(0, 2, 5),
    "logspace base": lambda t: t.logspace(0, 3, 4, base=2, dtype=t.int64),
    "tril_indices": lambda t: t.tril_indices(3, 4, 1),
    "triu_indices": lambda t: t.triu_indices(3, 2, offset=-1, dtype=t.int32),
    "eye": lambda t: t.eye(2, 3),
    "eye bool": lambda t: t.eye(2, dtype=t.bool),
    "full bool": lambda t: t.full((2,), True),
    "full int": lambda t: t.full((2, 1), 3),
    "full cut": lambda t: t.full((2,), 1.5, dtype=t.int64),
    "full_like": lambda t: t.full_like(t.ones(2, dtype=t.int64), 2.7),
    "zeros_like": lambda t: t.zeros_like(t.ones(2, 0), dtype=t.int32),
    "zeros number": lambda t: t.zeros(()),
    "rand": lambda t: t.rand(2, 3),
    "rand_like": lambda t: t.rand_like(t.ones(3, 7)),
    "randn_like": lambda t: t.randn_like(t.ones(3, 7).double()),
    "randint": lambda t: t.randint(9, (4,)),
    "randint words": lambda t: t.randint(low=-3, high=9, size=(4,)),
    "randint dtype": lambda t: t.randint(2, 9, [4], dtype=t.float32),
    "randint_like": lambda t: t.randint_like(t.ones(3, 7), 5),
    "randint_like bounds": lambda t: t.randint_like(t.ones(3, 7), -5, 5, dtype=t.int64),
    "randperm": lambda t: t.randperm(6),
    "normal": lambda t: t.normal(1.5, 0.3, (20,)),
    "normal size": lambda t: t.normal(2, 3, size=(2, 3), dtype=t.float64),
    "normal mean": lambda t: t.normal(t.arange(20.0), 0.5),
    "normal std": lambda t: t.normal(2.0, t.linspace(0, 1, 20)),
    "normal both": lambda t: t.normal(t.arange(20.0), t.linspace(0, 1, 20)),
    "normal few": lambda t: t.normal(t.arange(3.0), t.ones(2, 1)),
    "normal words": lambda t: t.normal(mean=t.zeros(2, 2), std=2.0),
    "bernoulli": lambda t: t.bernoulli(t.linspace(0, 1, 40)),
    "bernoulli double": lambda t: t.bernoulli(t.linspace(0, 1, 40).double()),
    "bernoulli number": lambda t: t.bernoulli(t.tensor(0.5)),
    "bernoulli p": lambda t: t.zeros(40).bernoulli(0.3),
    "multinomial": lambda t: t.multinomial(t.arange(1.0, 7.0), 4),
    "multinomial rows": lambda t: t.arange(1.0, 7.0).view(2, 3).multinomial(2),
    "multinomial again": lambda t: t.multinomial(t.tensor([0.1, 0.0, 3.0]), 9, True),
    "multinomial of several": lambda t: t.multinomial(
        t.ones(2, 5).double(), num_samples=7, replacement=True
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_making_is_pytorchs(name: str, oracle: Any) -> None:
    def run(t: Any) -> Any:
        t.manual_seed(11)
        return MADE[name](t), t.rand(1)  # both streams stand at the same place

    (ours, our_next), (theirs, their_next) = oracle.both(run)
    if name.startswith(("linspace", "logspace")):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
    else:
        np.testing.assert_array_equal(ours, theirs, strict=True)
    assert our_next == their_next


def test_options_of_made_tensors() -> None:
    x = lab.ones(2, 3)
    for made in (lab.zeros_like, lab.ones_like, lab.empty_like, lab.rand_like, lab.randn_like):
        y = made(x, dtype=lab.float64, requires_grad=True)
        assert (y.dtype, tuple(y.shape), y.requires_grad) == (lab.float64, (2, 3), True)
    assert lab.arange(3.0, requires_grad=True).requires_grad
    assert lab.eye(2, requires_grad=True).requires_grad
    mean = lab.zeros(3, requires_grad=True)
    assert not lab.normal(mean, 1.0).requires_grad
    own = lab.Generator().manual_seed(4)
    again = lab.Generator().manual_seed(4)
    for draw in (
        lambda g: lab.normal(mean, lab.ones(3), generator=g),
        lambda g: lab.bernoulli(lab.full((9,), 0.5), generator=g),
        lambda g: lab.bernoulli(lab.zeros(9), 0.5, generator=g),
        lambda g: lab.multinomial(lab.ones(9), 3, generator=g),
        lambda g: lab.randperm(5, generator=g),
    ):
        assert draw(own).tolist() == draw(again).tolist()


DRAWS: dict[str, Any] = {
    "rand": lambda x: lab.rand(3) + x,
    "randn": lambda x: lab.randn(20) + x,
    "rand_like": lambda x: lab.rand_like(x) + x,
    "randint": lambda x: lab.randint(0, 9, (3,)) + x,
    "randperm": lambda x: lab.randperm(9) + x,
    "normal": lambda x: lab.normal(x, 0.5),
    "bernoulli": lambda x: lab.bernoulli(x * 0 + 0.5) + x,
    "multinomial": lambda x: lab.multinomial(lab.ones(9), 5) + x,
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_graph_draws_anew_in_each_run(name: str) -> None:
    x = lab.zeros(20 if name == "randn" else 1)
    runs = []
    for function in (DRAWS[name], lab.compile(DRAWS[name])):
        lab.manual_seed(5)
        runs.append([function(x).tolist() for _ in range(4)])
    assert runs[0] == runs[1]
    assert any(drawn != runs[0][0] for drawn in runs[0])


MAKING_ERRORS: dict[str, tuple[Any, str]] = {
    "zeros": (lambda t, x: t.zeros(-1), "0 or more"),
    "zeros float": (lambda t, x: t.zeros(2.5), "ints"),
    "eye": (lambda t, x: t.eye(-1), "0 or more"),
    "arange": (lambda t, x: t.arange(3, 1, 1), "does not lead"),
    "arange step": (lambda t, x: t.arange(0, 1, 0), "step is 0"),
    "arange nothing": (lambda t, x: t.arange(), "1 to 3"),
    "arange nan": (lambda t, x: t.arange(float("nan")), "finite"),
    "arange grad": (lambda t, x: t.arange(5, requires_grad=True), "float"),
    "linspace": (lambda t, x: t.linspace(0, 1, -1), "0 steps or more"),
    "rand_like": (lambda t, x: t.rand_like([1]), "tensor"),
    "randint": (lambda t, x: t.randint(5, 5, (2,)), "below high"),
    "randint size": (lambda t, x: t.randint(5, 2), "tuple"),
    "normal size": (lambda t, x: t.normal(0.0, 1.0, 3), "tuple"),
    "normal std": (lambda t, x: t.normal(0.0, -1.0, (2,)), "negative"),
    "normal stds": (lambda t, x: t.normal(0.0, t.tensor([-1.0])), "0 or more"),
    "normal shapes": (lambda t, x: t.normal(t.zeros(3), t.ones(2)), "broadcast"),
    "bernoulli": (lambda t, x: t.bernoulli(x), "probability"),
    "multinomial": (lambda t, x: t.multinomial(x + 1, 4), "without replacement"),
    "multinomial none": (lambda t, x: t.multinomial(x + 1, 0), "expected"),
    "multinomial below": (lambda t, x: t.multinomial(x - 1, 1), "weights"),
    "multinomial int": (lambda t, x: t.multinomial(t.tensor([1, 2]), 1), "float"),
    "multinomial box": (lambda t, x: t.multinomial(x[None], 1), "expected"),
}


@pytest.mark.parametrize("name", MAKING_ERRORS)
def test_making_errors(name: str, oracle: Any) -> None:
    check_error(oracle, *MAKING_ERRORS[name])


# On the device -----------------------------------------------------------------------------


@pytest.fixture
def cupy_double() -> Iterator[None]:
    """``lab.device("cuda")`` on the test double."""
    register(DeviceArray, make_cupy(), CUDA)
    yield
    unregister(DeviceArray)


class OnDevice:
    """The library with tensors from data on the device."""

    int64 = lab.int64

    def __getattr__(self, name: str) -> Any:
        if name in ("tensor", "zeros"):
            return lambda *args, **kwargs: getattr(lab, name)(*args, **kwargs).to("cuda")
        return getattr(lab, name)


@pytest.mark.usefixtures("cupy_double")
@pytest.mark.parametrize("name", [*MOVES, *PICKS, *COUNTED, *CHANGES])
def test_functions_on_the_device(name: str) -> None:
    call = (MOVES | PICKS | COUNTED).get(name) or changed(CHANGES[name])
    here = inputs(lab, "float64")
    there = [x.detach().to("cuda").requires_grad_() for x in here]
    values, expected = listed(call(OnDevice(), *there)), listed(call(lab, *here))
    for y, z in zip(values, expected, strict=True):
        assert y.is_cuda
        # entries of one place are added in another order than on the CPU
        np.testing.assert_allclose(to_host(y.array), z.array, rtol=1e-12, atol=1e-14)
    sum((y * y).sum() for y in values).backward()
    sum((z * z).sum() for z in expected).backward()
    for x, h in zip(there, here, strict=True):
        assert (x.grad is None) == (h.grad is None)
        if h.grad is not None:
            np.testing.assert_allclose(to_host(x.grad.array), h.grad.array, rtol=1e-12)


@pytest.mark.usefixtures("cupy_double")
def test_making_on_the_device() -> None:
    x = lab.full((2, 3), 0.5).to("cuda")
    for draw in (
        lambda x: lab.randint_like(x, 9),
        lambda x: lab.normal(x, x),
        lambda x: lab.normal(x, 0.1),
        lambda x: lab.bernoulli(x),
        lambda x: lab.multinomial(x, 2),
        lambda x: lab.multinomial(x, 2, generator=lab.Generator().manual_seed(1)),
        lambda x: lab.empty_like(x),
    ):
        found = []
        for where in (x, x.cpu()):
            lab.manual_seed(2)
            found.append(draw(where))
        assert found[0].is_cuda
        np.testing.assert_array_equal(to_host(found[0].array), found[1].array)
