"""Moving and indexing: PyTorch's argument forms, views that are written through, and mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from double import DeviceArray, make_cupy
from golden import Golden, said, same_kind

import minitorch_lab as lab
from minitorch_lab import errors
from minitorch_lab.device import CUDA, register, to_host, unregister

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# x is (3, 4), v is (4,), n is ().
FORMS: dict[str, Any] = {
    "cat tensors=": lambda t, x, v, n: t.cat(tensors=[x, x], dim=1),
    "cat axis": lambda t, x, v, n: t.cat([x, x], axis=1),
    "cat legacy": lambda t, x, v, n: t.cat([t.tensor([]), x], 0),
    "cat legacy dim": lambda t, x, v, n: t.cat([x, t.zeros(0), x], -1),
    "cat dtypes": lambda t, x, v, n: t.cat([x, t.ones(1, 4, dtype=t.int64)]),
    "concatenate axis": lambda t, x, v, n: t.concatenate((x, x), axis=1),
    "stack": lambda t, x, v, n: t.stack((x, x), -1),
    "stack dim": lambda t, x, v, n: t.stack(tensors=(n, n), dim=0),
    "split kw": lambda t, x, v, n: t.split(x, split_size_or_sections=2, dim=1),
    "split method kw": lambda t, x, v, n: x.split(split_size=2, dim=1),
    "split tensor kw": lambda t, x, v, n: t.split(tensor=x, split_size_or_sections=[1, 2]),
    "chunk kw": lambda t, x, v, n: t.chunk(input=x, chunks=2, dim=1),
    "tensor_split": lambda t, x, v, n: t.tensor_split(x, 3, dim=1),
    "tensor_split at": lambda t, x, v, n: x.tensor_split((1, 3), dim=1),
    "tensor_split kw": lambda t, x, v, n: (
        t.tensor_split(x, indices=(1,), dim=0) + t.tensor_split(x, sections=2, dim=0)
    ),
    "tensor_split tensor": lambda t, x, v, n: t.tensor_split(x, t.tensor([1, 3]), 1),
    "tensor_split out": lambda t, x, v, n: t.tensor_split(v, (2, 1, 9, -1)),
    "hsplit": lambda t, x, v, n: t.hsplit(x, 2) + t.hsplit(v, [1]),
    "vsplit": lambda t, x, v, n: t.vsplit(x, 3),
    "dsplit": lambda t, x, v, n: x.reshape(1, 3, 4).dsplit(2),
    "unbind": lambda t, x, v, n: t.unbind(input=x, dim=1),
    "row_stack": lambda t, x, v, n: (
        t.row_stack((x, v)) if hasattr(t, "row_stack") else t.vstack((x, v))
    ),
    "reshape kw": lambda t, x, v, n: t.reshape(x, shape=(2, 6)),
    "reshape kw method": lambda t, x, v, n: x.reshape(shape=(2, 6)),
    "reshape Size": lambda t, x, v, n: x.reshape(t.zeros(6, 2).shape),
    "reshape tensor size": lambda t, x, v, n: x.reshape(t.tensor(2), -1),
    "view kw": lambda t, x, v, n: x.view(size=(2, 6)),
    "view list": lambda t, x, v, n: x.view([2, 6]),
    "permute kw": lambda t, x, v, n: t.permute(x, dims=(1, 0)),
    "permute neg": lambda t, x, v, n: x.permute(-1, 0),
    "permute list": lambda t, x, v, n: x.permute([1, 0]),
    "transpose kw": lambda t, x, v, n: t.transpose(input=x, dim0=0, dim1=1),
    "swapaxes kw": lambda t, x, v, n: x.swapaxes(axis0=0, axis1=1),
    "swapdims kw": lambda t, x, v, n: t.swapdims(x, dim0=0, dim1=1),
    "t": lambda t, x, v, n: t.t(x) * x.t(),
    "T": lambda t, x, v, n: x.T * x.mT,
    "H": lambda t, x, v, n: x.H * x.mH,
    "adjoint": lambda t, x, v, n: t.adjoint(x) + x.adjoint(),
    "movedim kw": lambda t, x, v, n: t.movedim(x, source=0, destination=1),
    "moveaxis": lambda t, x, v, n: t.moveaxis(x, 0, 1),
    "squeeze kw": lambda t, x, v, n: t.squeeze(x[None], dim=0),
    "squeeze list": lambda t, x, v, n: t.squeeze(x[None], [0, 1]),
    "squeeze ()": lambda t, x, v, n: x[None].squeeze(()),
    "unsqueeze kw": lambda t, x, v, n: t.unsqueeze(input=x, dim=-2),
    "expand": lambda t, x, v, n: v.expand(size=(2, 4)),
    "expand list": lambda t, x, v, n: v.expand([2, -1]),
    "broadcast_to kw": lambda t, x, v, n: t.broadcast_to(v, size=(2, 4)),
    "flatten kw": lambda t, x, v, n: t.flatten(x[None], start_dim=1, end_dim=2),
    "flatten 0d": lambda t, x, v, n: t.flatten(n),
    "unflatten kw": lambda t, x, v, n: x.unflatten(dim=-1, sizes=(2, 2)),
    "unflatten list": lambda t, x, v, n: t.unflatten(x, 1, [-1, 1]),
    "flip kw": lambda t, x, v, n: t.flip(x, dims=(0,)),
    "roll kw": lambda t, x, v, n: x.roll(shifts=1, dims=0),
    "rot90": lambda t, x, v, n: t.rot90(x),
    "rot90 k": lambda t, x, v, n: x.rot90(2, [0, 1]) + t.rot90(x, k=-2, dims=(1, 0)),
    "rot90 3": lambda t, x, v, n: t.rot90(x, 3, (1, 0)),
    "repeat kw": lambda t, x, v, n: x.repeat(repeats=(2, 1)),
    "tile kw": lambda t, x, v, n: t.tile(x, dims=(2, 1)),
    "repeat_interleave kw": lambda t, x, v, n: t.repeat_interleave(
        x, repeats=2, dim=0, output_size=6
    ),
    "narrow kw": lambda t, x, v, n: t.narrow(x, dim=1, start=-2, length=2),
    "narrow tensor": lambda t, x, v, n: x.narrow(0, t.tensor(1), 2),
    "narrow 0": lambda t, x, v, n: x.narrow(1, 4, 0),
    "select kw": lambda t, x, v, n: t.select(x, dim=0, index=1),
    "diagonal kw": lambda t, x, v, n: t.diagonal(x, offset=1, dim1=1, dim2=0),
    "diagflat": lambda t, x, v, n: v.diagflat(offset=1),
    "meshgrid default": lambda t, x, v, n: t.meshgrid(v, v, indexing="ij"),
    "meshgrid list": lambda t, x, v, n: t.meshgrid([v, n], indexing="xy"),
    "index_select kw": lambda t, x, v, n: t.index_select(
        x, dim=0, index=t.tensor([1], dtype=t.int32)
    ),
    "gather kw": lambda t, x, v, n: t.gather(x, dim=1, index=t.tensor([[0]])),
    "gather sparse_grad": lambda t, x, v, n: t.gather(x, 1, t.tensor([[0]]), sparse_grad=False),
    "gather 0d": lambda t, x, v, n: t.gather(n, 0, t.tensor(0)),
    "gather 0d vec": lambda t, x, v, n: t.gather(v, 0, t.tensor(3)),
    "gather empty": lambda t, x, v, n: t.gather(x, 1, t.zeros(0, dtype=t.int64)),
    "scatter value pos": lambda t, x, v, n: x.scatter(0, t.tensor([[0, 1]]), 2),
    "scatter add": lambda t, x, v, n: t.scatter(
        t.zeros(3, 4).to(x.dtype), 0, t.tensor([[0, 1], [0, 1]]), x.detach(), reduce="add"
    ),
    "scatter multiply": lambda t, x, v, n: x.detach().scatter(
        0, t.tensor([[0, 1], [0, 1]]), 2.0, reduce="multiply"
    ),
    "scatter 0d": lambda t, x, v, n: n.scatter(0, t.tensor(0), n * 2),
    "scatter_reduce sum": lambda t, x, v, n: t.scatter_reduce(
        v, 0, t.tensor([0, 0, 1]), x[0, :3] * 2, reduce="sum"
    ),
    "scatter_reduce prod": lambda t, x, v, n: v.scatter_reduce(
        0, t.tensor([0, 0, 1]), x[0, :3], "prod"
    ),
    "scatter_reduce mean": lambda t, x, v, n: v.scatter_reduce(
        0, t.tensor([0, 0, 1]), x[0, :3], "mean"
    ),
    "scatter_reduce amax": lambda t, x, v, n: v.scatter_reduce(
        0, t.tensor([0, 0, 1]), x[0, :3], reduce="amax"
    ),
    "scatter_reduce amin": lambda t, x, v, n: v.scatter_reduce(
        0, t.tensor([0, 0, 1]), x[0, :3], reduce="amin"
    ),
    "scatter_reduce sum ex": lambda t, x, v, n: v.scatter_reduce(
        0, t.tensor([0, 0, 1]), x[0, :3] * 2, reduce="sum", include_self=False
    ),
    "scatter_reduce prod ex": lambda t, x, v, n: v.scatter_reduce(
        0, t.tensor([0, 0, 1]), x[0, :3], "prod", include_self=False
    ),
    "scatter_reduce mean ex": lambda t, x, v, n: v.scatter_reduce(
        0, t.tensor([0, 0, 1]), x[0, :3], "mean", include_self=False
    ),
    "scatter_reduce amax ex": lambda t, x, v, n: v.scatter_reduce(
        0, t.tensor([0, 0, 1]), x[0, :3], reduce="amax", include_self=False
    ),
    "index_add kw": lambda t, x, v, n: t.index_add(
        x, dim=0, index=t.tensor([0]), source=x[:1] * 2, alpha=2
    ),
    "index_copy kw": lambda t, x, v, n: t.index_copy(
        x, dim=0, index=t.tensor([0]), source=x[:1] * 2
    ),
    "index_fill kw": lambda t, x, v, n: t.index_fill(x, dim=0, index=t.tensor([0]), value=n),
    "index_put kw": lambda t, x, v, n: t.index_put(
        x, indices=(t.tensor([0]),), values=v, accumulate=False
    ),
    "masked_select": lambda t, x, v, n: t.masked_select(x, mask=x > 0),
    "masked_scatter": lambda t, x, v, n: t.masked_scatter(x, x > 0, x * 3),
    "masked_scatter b": lambda t, x, v, n: x.masked_scatter(v > 0, x.T * 3),
    "take kw": lambda t, x, v, n: t.take(x, index=t.tensor([0, -1])),
    "take_along_dim kw": lambda t, x, v, n: t.take_along_dim(
        x, indices=t.tensor([[0], [1], [2]]), dim=1
    ),
    "unfold": lambda t, x, v, n: x.unfold(1, 2, 1),
    "unfold step": lambda t, x, v, n: x.unfold(dimension=0, size=2, step=2),
    "unfold whole": lambda t, x, v, n: v.unfold(-1, 4, 7),
    "select_scatter": lambda t, x, v, n: t.select_scatter(x, v, 0, 1),
    "select_scatter kw": lambda t, x, v, n: x.select_scatter(src=v, dim=0, index=-1),
    "slice_scatter": lambda t, x, v, n: t.slice_scatter(x, x[:, :2] * 2, dim=1, start=2),
    "slice_scatter step": lambda t, x, v, n: x.slice_scatter(x[:, :2] * 2, 1, 0, 4, 2),
    "diagonal_scatter": lambda t, x, v, n: t.diagonal_scatter(x, v[:3] * 2),
    "diagonal_scatter off": lambda t, x, v, n: x.diagonal_scatter(v[:3] * 2, 1),
    "combinations": lambda t, x, v, n: t.combinations(v),
    "combinations r": lambda t, x, v, n: t.combinations(v, r=3, with_replacement=True),
    "cartesian_prod": lambda t, x, v, n: t.cartesian_prod(v, x[0]),
    "cartesian_prod one": lambda t, x, v, n: t.cartesian_prod(v),
    "block_diag": lambda t, x, v, n: t.block_diag(x, v, n),
    "where one": lambda t, x, v, n: (*t.where(x > 0), n),
    "argwhere": lambda t, x, v, n: (t.argwhere(x > 0), n),
    "nonzero tuple": lambda t, x, v, n: (*x.nonzero(as_tuple=True), n),
    "nonzero 0d": lambda t, x, v, n: (t.nonzero(n), t.nonzero(n.detach() * 0), n),
    "where method": lambda t, x, v, n: x.where(x > 0, v),
    "where kw": lambda t, x, v, n: t.where(condition=x > 0, input=x, other=n),
    "triu kw": lambda t, x, v, n: t.triu(x, diagonal=1) + t.tril(input=x, diagonal=-1),
    "ravel": lambda t, x, v, n: t.ravel(input=x),
    "view_as kw": lambda t, x, v, n: x.view_as(other=x.T.contiguous()),
    "reshape_as": lambda t, x, v, n: x.T.reshape_as(x),
    # indexing
    "i none": lambda t, x, v, n: x[None, ..., None],
    "i 0d": lambda t, x, v, n: n[...] + n[()] + n[None][0],
    "i 0d none": lambda t, x, v, n: n[None, None],
    "i true": lambda t, x, v, n: x[True],
    "i false": lambda t, x, v, n: (x[False], n),
    "i 0d true": lambda t, x, v, n: n[True],
    "i 0d mask": lambda t, x, v, n: n[n > -99],
    "i true mix": lambda t, x, v, n: x[True, 1],
    "i true index": lambda t, x, v, n: x[True, [0, 1]],
    "i list": lambda t, x, v, n: x[[0, 2]],
    "i list col": lambda t, x, v, n: x[:, [0, 2]],
    "i nested": lambda t, x, v, n: x[[[0, 2], [1, 1]]],
    "i lists": lambda t, x, v, n: x[[0, 2], [1, 3]],
    "i list bool": lambda t, x, v, n: x[[True, False, True]],
    "i range": lambda t, x, v, n: x[range(2)],
    "i numpy": lambda t, x, v, n: x[np.array([0, 2])],
    "i numpy bool": lambda t, x, v, n: x[np.array([True, False, True])],
    "i int8": lambda t, x, v, n: x[t.tensor([0, 2], dtype=t.int32)],
    "i int32": lambda t, x, v, n: x[:, t.tensor([0, -2], dtype=t.int32)],
    "i uint8": lambda t, x, v, n: x[t.tensor([1, 0, 1], dtype=t.uint8)],
    "i 0d tensor": lambda t, x, v, n: x[t.tensor(1)],
    "i 0d tensor2": lambda t, x, v, n: x[t.tensor(1), t.tensor(2)],
    "i tensor+int": lambda t, x, v, n: x[t.tensor([0, 1]), 2],
    "i int+tensor": lambda t, x, v, n: x[2, t.tensor([0, 1])],
    "i slice tensor": lambda t, x, v, n: x[1:, t.tensor([0, 1])],
    "i apart": lambda t, x, v, n: x.reshape(3, 2, 2)[t.tensor([0, 1]), :, t.tensor([1, 0])],
    "i int apart": lambda t, x, v, n: x.reshape(3, 2, 2)[0, :, t.tensor([1, 0])],
    "i none tensor": lambda t, x, v, n: x[None, t.tensor([0, 1])],
    "i tensor none tensor": lambda t, x, v, n: x[t.tensor([0, 1]), None, t.tensor([0, 1])],
    "i tensor none": lambda t, x, v, n: x[t.tensor([0, 1]), None],
    "i masks": lambda t, x, v, n: x[
        t.tensor([True, False, True]), t.tensor([True, False, True, False])
    ],
    "i mask int": lambda t, x, v, n: x[t.tensor([True, False, True]), 1],
    "i mask none": lambda t, x, v, n: x[x > 0, None],
    "i mask ellipsis": lambda t, x, v, n: x[..., t.tensor([True, False, True, False])],
    "i ellipsis int": lambda t, x, v, n: x[..., 0] + x[..., -1],
    "i empty list": lambda t, x, v, n: (x[[]], n),
    "i empty tuple": lambda t, x, v, n: x[()],
    "i slice far": lambda t, x, v, n: (x[5:9], x[-9:2], n),
    "i slice tensor ends": lambda t, x, v, n: x[t.tensor(1) : t.tensor(3)],
    "i 2d idx": lambda t, x, v, n: x[t.tensor([[0, 1], [2, 2]]), t.tensor([1, 2])],
    "i empty mask": lambda t, x, v, n: (x[t.zeros(3, dtype=t.bool)], n),
    "i npint": lambda t, x, v, n: x[np.int64(1), np.int32(2)],
}

# Each changes y, which was computed from x, in place.
CHANGES: dict[str, Any] = {
    "s true": lambda t, y, v, n: y.__setitem__(True, 3.0),
    "s false": lambda t, y, v, n: y.__setitem__(False, 3.0),
    "s list": lambda t, y, v, n: y.__setitem__([0, 2], v),
    "s mask": lambda t, y, v, n: y.__setitem__(y > 0, n),
    "s mask value": lambda t, y, v, n: y.__setitem__(t.tensor([True, False, True]), v),
    "s mask cols": lambda t, y, v, n: y.__setitem__(
        (slice(None), t.tensor([True, False, True, False])), n
    ),
    "s mask cols2": lambda t, y, v, n: y.__setitem__(
        (slice(None), t.tensor([True, False, True, False])), v[:2]
    ),
    "s lead1": lambda t, y, v, n: y.__setitem__(0, v[None, None]),
    "s ellipsis": lambda t, y, v, n: y.__setitem__(Ellipsis, v),
    "s none": lambda t, y, v, n: y.__setitem__((None, 1), v),
    "s iadd": lambda t, y, v, n: y.__setitem__(0, y[0].__iadd__(1)),
    "s iadd v": lambda t, y, v, n: y.__setitem__(0, y[0].__iadd__(v)),
    "s imul slice": lambda t, y, v, n: y.__setitem__((slice(None), 1), y[:, 1].__imul__(n)),
    "s view mul_": lambda t, y, v, n: y[0].mul_(v),
    "s reshape": lambda t, y, v, n: y.view(2, 6)[0].mul_(n),
    "s narrow": lambda t, y, v, n: y.narrow(0, 1, 2).copy_(v),
    "s T": lambda t, y, v, n: y.T.mul_(v[:, None]),
    "s unsqueeze": lambda t, y, v, n: y.unsqueeze(0).add_(v),
    "s diagonal": lambda t, y, v, n: y.diagonal().mul_(n),
    "s fill": lambda t, y, v, n: y[1].fill_(2.0),
    "s zero": lambda t, y, v, n: y[:, 2].zero_(),
    "s float index put": lambda t, y, v, n: y.index_put_((t.tensor([0]), t.tensor([1])), n),
    "s masked_fill_": lambda t, y, v, n: y.masked_fill_(y > 0, 2.0),
    "s masked_scatter_": lambda t, y, v, n: y.masked_scatter_(y > 0, v[None].expand(3, 4) * 1),
    "s unsqueeze_": lambda t, y, v, n: y.unsqueeze_(0).mul_(n),
    "s squeeze_": lambda t, y, v, n: y.unsqueeze_(0).squeeze_(0).mul_(n),
    "s t_": lambda t, y, v, n: y.t_().mul_(n),
    "s transpose_": lambda t, y, v, n: y.transpose_(0, 1).mul_(n),
    "s swapaxes_": lambda t, y, v, n: y.swapaxes_(0, 1).mul_(n),
    "s swapdims_": lambda t, y, v, n: y.swapdims_(0, 1),
    "s index_fill_ tensor": lambda t, y, v, n: y.index_fill_(0, t.tensor([1]), n),
}

# What these give has a shape that depends on values, or needs a value: graph mode refuses.
COUNTED = (
    "tensor_split tensor|reshape tensor size|narrow tensor|masked_select|argwhere|nonzero tuple|"
    "nonzero 0d|where one|i 0d mask|i list bool|i numpy bool|i uint8|i masks|i mask int|"
    "i mask none|i mask ellipsis|i slice tensor ends|i empty mask|s mask cols2"
).split("|")


def changed(change: Any) -> Any:
    def call(t: Any, x: Any, v: Any, n: Any) -> Any:
        y = x * 1.5
        change(t, y, v, n)
        return y * y.sum()

    return call


CALLS = FORMS | {name: changed(change) for name, change in CHANGES.items()}


def inputs(t: Any) -> list[Any]:
    """Halves and quarters: what is computed from them is exact."""
    rng = np.random.default_rng(5)
    arrays = [rng.permutation(n) * 0.5 - n / 4 + 0.25 for n in (12, 4, 1)]
    shapes = ((3, 4), (4,), ())
    return [t.tensor(a.reshape(s), requires_grad=True) for a, s in zip(arrays, shapes, strict=True)]


def outcome(t: Any, call: Any, compiled: bool = False) -> list[Any]:
    """The values that a call gives, and the gradients of a sum of their cubes."""

    def run(*xs: Any) -> Any:
        found = call(t, *xs)
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        total = sum(
            (1 + i / 2) * (y * y * y).sum() for i, y in enumerate(found) if y.is_floating_point()
        )
        return (*found, total)

    xs = inputs(t)
    *found, total = lab.compile(run)(*xs) if compiled else run(*xs)
    if total.requires_grad:
        total.backward()
    return [
        [y.detach() for y in found],
        [t.zeros_like(x) if x.grad is None else x.grad for x in xs],
    ]


def check(found: Any, wanted: Any) -> None:
    for ours, theirs in zip(found, wanted, strict=True):
        for y, z in zip(ours, theirs, strict=True):
            assert tuple(y.shape) == z.shape
            assert y.dtype.name == str(z.dtype)
            np.testing.assert_allclose(y.numpy(), z, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CALLS)
def test_forms_are_pytorchs(name: str, oracle: Any) -> None:
    wanted = oracle(lambda torch: outcome(torch, CALLS[name]))
    check(outcome(lab, CALLS[name]), wanted)
    if name in COUNTED:
        with pytest.raises(errors.TraceError):
            outcome(lab, CALLS[name], compiled=True)
    else:
        check(outcome(lab, CALLS[name], compiled=True), wanted)


# Views ---------------------------------------------------------------------------------------


VIEWS: dict[str, Any] = {
    "x[0]": lambda x: x[0],
    "x[1, 2]": lambda x: x[1, 2],
    "x[:, 1:]": lambda x: x[:, 1:],
    "view": lambda x: x.view(4, 3),
    "T": lambda x: x.T,
    "narrow": lambda x: x.narrow(1, 1, 2),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "diagonal": lambda x: x.diagonal(1),
    "select": lambda x: x.select(1, -1),
    "unflatten": lambda x: x.unflatten(1, (2, 2))[:, 1],
    "movedim": lambda x: x[None].movedim(0, -1)[1],
    "two": lambda x: x.T[1:].T[0],
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_through_a_view_is_seen_in_the_base_and_in_older_views(
    name: str, oracle: Any
) -> None:
    def call(t: Any, x: Any, v: Any, n: Any) -> Any:
        y = x * 2
        older = y[1]
        part = VIEWS[name](y)
        part.mul_(n)
        y.add_(n)
        part.sub_(1.0)
        return y, older * n, part * 1.0

    wanted = oracle(lambda torch: outcome(torch, call))
    check(outcome(lab, call), wanted)
    check(outcome(lab, call, compiled=True), wanted)


@pytest.mark.parametrize("graph", [False, True])
def test_an_old_reader_of_a_changed_value_raises(graph: bool, oracle: Any) -> None:
    def run(t: Any, x: Any) -> Any:
        y = x * 2
        z = y * y
        y[0] += 1
        z.sum().backward()
        return x.grad

    def both(t: Any) -> Any:
        x = t.ones(3, requires_grad=True)
        return lab.compile(lambda: run(t, x))() if graph and t is lab else run(t, x)

    with pytest.raises(oracle.error(both), match="changed in place after it was used"):
        both(lab)


def test_an_output_that_its_rule_reads_is_kept() -> None:
    for change in (lambda y: y.add_(1.0), lambda y: y[0].add_(1.0)):
        x = lab.tensor([1.0, 2.0], requires_grad=True)
        y = x.exp()
        change(y)
        y.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), np.exp([1.0, 2.0]), rtol=1e-6)


def test_shapes_that_broadcast(oracle: Any) -> None:
    shapes = ((2, 1), (3,), 1)
    assert list(lab.broadcast_shapes(*shapes)) == oracle(lambda t: t.broadcast_shapes(*shapes))
    with pytest.raises(oracle.error(lambda t: t.broadcast_shapes((2,), (3,))), match="got 2 and 3"):
        lab.broadcast_shapes((2,), (3,))


def test_what_is_scattered_over_zeros_and_equals_has_pytorchs_gradients(oracle: Any) -> None:
    """No 0 among the factors of a place, one in either, and two; extremes that are equal."""

    def run(t: Any) -> Any:
        x = t.tensor([2.0, 0.0, 3.0, 5.0], requires_grad=True)
        src = t.tensor([0.0, 4.0, 2.0, 7.0, 0.0, 0.0, 1.0, 6.0], requires_grad=True)
        y = x.scatter_reduce(0, t.tensor([0, 0, 1, 1, 2, 2, 3, 3]), src, reduce="prod")
        (y * t.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
        found = [y, x.grad, src.grad]
        for how in ("amax", "amin"):  # entries that are equal share
            x = t.tensor([2.0, 5.0, 3.0], requires_grad=True)
            src = t.tensor([2.0, 2.0, 5.0, 1.0, 4.0, 4.0], requires_grad=True)
            y = x.scatter_reduce(0, t.tensor([0, 0, 1, 2, 2, 2]), src, reduce=how)
            (y * t.tensor([1.0, 2.0, 3.0])).sum().backward()
            found += [y, x.grad, src.grad]
        return found

    for ours, theirs in zip(*oracle.both(run), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    place = lab.tensor([0, 0, 1, 1, 2])
    x, src = (
        lab.tensor(values, dtype=lab.float64, requires_grad=True)
        for values in ([2.0, 0.0, 3.0], [0.0, 4.0, 2.0, 7.0, 5.0])
    )
    assert lab.autograd.gradgradcheck(
        lambda x, src: x.scatter_reduce(0, place, src, reduce="prod"), (x, src)
    )


def test_second_gradients_through_views_that_were_written() -> None:
    def run(x: Any, v: Any) -> Any:
        y = x * 1.5
        y[0] *= v
        y.T[1].mul_(2.0)
        y[1] = v * v
        y.view(-1)[3:6].mul_(v[:3])
        return y * y

    x, v, _ = inputs(lab)
    assert lab.autograd.gradcheck(run, (x, v))
    assert lab.autograd.gradgradcheck(run, (x, v))
    assert lab.autograd.gradgradcheck(lambda x: x.masked_scatter(x > 0, x * x), (x,))


@pytest.fixture
def cupy_double() -> Iterator[None]:
    """``lab.device("cuda")`` on the test double."""
    register(DeviceArray, make_cupy(), CUDA)
    yield
    unregister(DeviceArray)


class OnDevice:
    """The library with tensors from data on the device."""

    def __getattr__(self, name: str) -> Any:
        if name in ("tensor", "zeros", "ones"):
            return lambda *args, **kwargs: getattr(lab, name)(*args, **kwargs).to("cuda")
        return getattr(lab, name)


@pytest.mark.usefixtures("cupy_double")
@pytest.mark.parametrize("name", CALLS)
def test_forms_on_the_device(name: str) -> None:
    def run(t: Any, xs: Any) -> Any:
        found = CALLS[name](t, *xs)
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        start = sum((0 * x).sum() for x in xs)
        sum(((y * y).sum() for y in found if y.requires_grad), start).backward()
        return [*found, *(lab.zeros_like(x) if x.grad is None else x.grad for x in xs)]

    here = inputs(lab)
    there = [x.detach().to("cuda").requires_grad_() for x in here]
    for y, z in zip(run(OnDevice(), there), run(lab, here), strict=True):
        np.testing.assert_allclose(to_host(y.array), z.array, rtol=1e-12)


def test_a_view_without_gradient_cannot_tell_its_base() -> None:
    w = lab.ones(3, requires_grad=True)
    out = lab.zeros(2, 3)
    with pytest.raises(RuntimeError, match=r"x\[index\] = value"):
        out[0].copy_(w)
    out[0] = w
    out.sum().backward()
    assert w.grad.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]
)
def test_every_dtype_and_layout_moves(dtype: str, oracle: Any) -> None:
    def run(t: Any) -> Any:
        data = t.arange(6).reshape(2, 3).to(getattr(t, dtype))
        found = []
        for x in (data, data.T, data[:, ::2], data[:0], data[0, 0]):
            found += [t.flip(x, [0] if x.ndim else []), x.reshape(-1), t.cat([x.reshape(-1)] * 2)]
            found += [x.unsqueeze(-1), t.roll(x, 1), x.repeat(*[2] * max(x.ndim, 1)), x[None]]
            found += [x.flatten(), t.stack([x, x]), x.movedim(-1, 0) if x.ndim else x]
            if x.ndim:
                found += [*x.chunk(2), *x.unbind(-1), x[..., -1], x[[]], x.narrow(0, 0, 0)]
                found += [x.rot90(), x.triu(), x.tile(2), x.diagonal(), x.unfold(1, 1, 1)]
        return [[*found]]

    check(run(lab), oracle(run))


# Mistakes ------------------------------------------------------------------------------------

MISTAKES: dict[str, Any] = {
    "reshape size": lambda t, x: x.reshape(5),
    "reshape two -1": lambda t, x: x.reshape(-1, -1),
    "reshape below -1": lambda t, x: x.reshape(-2, 3),
    "reshape no size": lambda t, x: x.reshape(),
    "reshape float": lambda t, x: x.reshape(2.0, 3),
    "cat sizes": lambda t, x: t.cat([x, x[:, :2]]),
    "cat ndim": lambda t, x: t.cat([x, x[0]]),
    "cat none": lambda t, x: t.cat([]),
    "cat tensor": lambda t, x: t.cat(x, x),
    "cat dim": lambda t, x: t.cat([x, x], 2),
    "stack shapes": lambda t, x: t.stack([x, x.T]),
    "index range": lambda t, x: x[2],
    "index float": lambda t, x: x[1.0],
    "index float tensor": lambda t, x: x[t.tensor([1.0])],
    "index many": lambda t, x: x[0, 0, 0],
    "index 0-d": lambda t, x: x[0, 0][0],
    "index mask": lambda t, x: x[t.tensor([True, False, True])],
    "index step": lambda t, x: x[::-1],
    "index tensors": lambda t, x: x[t.tensor([0, 1]), t.tensor([0, 1, 2])],
    "index str": lambda t, x: x["a"],
    "expand": lambda t, x: x.expand(2, 6),
    "expand fewer": lambda t, x: x.expand(3),
    "gather shape": lambda t, x: x.gather(1, t.tensor([0, 1])),
    "gather dtype": lambda t, x: x.gather(1, t.tensor([[0.0]])),
    "gather range": lambda t, x: x.gather(1, t.tensor([[3]])),
    "scatter shape": lambda t, x: x.scatter(1, t.tensor([[0], [0], [0]]), 1.0),
    "scatter dtype": lambda t, x: x.scatter(1, t.tensor([[0]]), x.double()),
    "squeeze": lambda t, x: x.squeeze(2),
    "unsqueeze": lambda t, x: x.unsqueeze(4),
    "permute count": lambda t, x: x.permute(0),
    "permute twice": lambda t, x: x.permute(0, 0),
    "transpose": lambda t, x: x.transpose(0, 2),
    "t": lambda t, x: x[None].t(),
    "narrow": lambda t, x: x.narrow(1, 2, 2),
    "narrow start": lambda t, x: x.narrow(1, 5, 1),
    "split": lambda t, x: x.split([1, 1], 1),
    "tensor_split": lambda t, x: x.tensor_split(0),
    "hsplit": lambda t, x: t.hsplit(x, 2),
    "unfold": lambda t, x: x.unfold(1, 4, 1),
    "rot90": lambda t, x: t.rot90(x, 1, (0, 0)),
    "select_scatter": lambda t, x: x.select_scatter(x, 0, 0),
    "masked_scatter": lambda t, x: x.masked_scatter(x > -1, x[0]),
    "masked_scatter dtype": lambda t, x: x.masked_scatter(x > 0, x.double()),
    "cartesian_prod": lambda t, x: t.cartesian_prod(x),
    "assign shape": lambda t, x: x.clone().__setitem__(0, t.zeros(2)),
    "assign range": lambda t, x: x.clone().__setitem__((0, 5), 1.0),
    "leaf": lambda t, x: t.ones(2, requires_grad=True)[0].mul_(2),
    "flip twice": lambda t, x: x.flip(0, 0),
    "take range": lambda t, x: t.take(x, t.tensor([9])),
    "where half": lambda t, x: t.where(x > 0, x),
    "meshgrid": lambda t, x: t.meshgrid(x, indexing="ij"),
    "index_select": lambda t, x: x.index_select(0, t.tensor([2])),
    "index_add": lambda t, x: x.index_add(0, t.tensor([0]), x),
    "swapaxes": lambda t, x: x.swapaxes(0, 3),
    "tile": lambda t, x: x.tile(),
}


GOLDEN = Golden("moves", MISTAKES)


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, graph: bool, oracle: Any) -> None:
    data = [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    kind = oracle.error(lambda torch: MISTAKES[name](torch, torch.tensor(data)))
    found = said(lambda: MISTAKES[name](lab, lab.tensor(data)), graph)
    if graph and name in ("cat tensor", "index mask", "masked_scatter"):
        return  # a symbol, no mask, no values: other words
    assert same_kind(found, kind)
    GOLDEN.check(name, found)


def test_every_text_belongs_to_a_mistake() -> None:
    GOLDEN.complete()


# What a rule reads, and what it does not -----------------------------------------------------

KEPT: dict[str, Callable[[Any, Any, Any], Any]] = {
    "times a number": lambda t, y, w: y * 2,
    "over a number": lambda t, y, w: y / 2,
    "times a constant": lambda t, y, w: y * w.detach(),
    "a constant minus": lambda t, y, w: 1 - y,
    "matmul with a constant": lambda t, y, w: y @ w.detach(),
    "linear with a constant": lambda t, y, w: t.nn.functional.linear(y, w.detach()),
    "remainder": lambda t, y, w: t.remainder(y, 0.7),
}
READ: dict[str, Callable[[Any, Any, Any], Any]] = {
    "times": lambda t, y, w: y * w,
    "itself": lambda t, y, w: y * y,
    "square": lambda t, y, w: y**2,
    "matmul": lambda t, y, w: y @ w,
    "linear": lambda t, y, w: t.nn.functional.linear(y, w),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_value_that_no_rule_reads_may_change(name: str, oracle: Any) -> None:
    def run(t: Any) -> Any:
        x = t.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        w = t.tensor([[0.5, -1.0], [2.0, 1.5]], requires_grad=True)
        y = x * 3
        z = KEPT[name](t, y, w)
        y += 1
        (z * z + y).sum().backward()
        return z, x.grad

    ours, theirs = oracle.both(run)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("name", READ)
def test_a_value_that_a_rule_reads_may_not(name: str, oracle: Any) -> None:
    def run(t: Any) -> None:
        x = t.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        w = t.tensor([[0.5, -1.0], [2.0, 1.5]], requires_grad=True)
        y = x * 3
        z = READ[name](t, y, w)
        y += 1
        z.sum().backward()

    assert oracle.error(run) is RuntimeError
    with pytest.raises(lab.GradError, match=r"changed in place|overwritten"):
        run(lab)
