"""Products of matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from math import prod
from typing import Any

import numpy as np

from ..errors import ComputeError, DTypeError, KindError, ShapeError, describe
from ..op import (
    Cost,
    Mismatch,
    Op,
    Spec,
    autocast,
    check_same_dtype,
    current,
    input_lines,
    message,
    normal,
    op,
    public,
    sample,
)
from .elementwise import clone, copy
from .movement import diagonal, reshape, roll, transpose, unsqueeze
from .reduce import norm, sum
from .rules import FLOAT16, broadcast_shapes, one_dim, through_float32


def _matmul_shape(x: Spec, y: Spec) -> Spec:
    _check_dtypes(x, y, ("input", "other"))
    if x.ndim < 2 or y.ndim < 2:
        raise Mismatch(
            "a matrix product needs two matrices",
            f"expected 1 dimension or more on both sides, got {x.ndim} and {y.ndim}",
            "a number multiplies with *",
        )
    if x.shape[-1] != y.shape[-2]:
        raise _inner(x, y)
    try:
        batch = broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except Mismatch:
        raise Mismatch(
            "the batches do not broadcast",
            "expected equal sizes, or 1, before the last two dimensions, "
            f"got {x.shape[:-2]} and {y.shape[:-2]}",
            "aligned from the right: unsqueeze() puts a dimension of 1 where the batch is missing",
        ) from None
    return replace(x, shape=(*batch, x.shape[-2], y.shape[-1]))


def _check_dtypes(x: Spec, y: Spec, names: tuple[str, str]) -> None:
    check_same_dtype(x, y, names=names)
    if x.dtype.kind == "b":
        raise Mismatch(
            "bools have no matrix product",
            "expected numbers on both sides",
            "convert with .float(), or with .long() to count",
            DTypeError,
        )


def _inner(x: Any, y: Any, names: tuple[str, str] = ("input", "other")) -> Mismatch:
    """Inner sizes that differ, and which transpose would help."""
    a, b = names
    k, shape = x.shape[-1], tuple(y.shape)
    axis = 0 if y.ndim == 1 else -2
    hint = ""
    if y.ndim >= 2 and k == shape[-1]:
        hint = f"{b} looks transposed: try {a} @ {b}.{'T' if y.ndim == 2 else 'mT'}"
    elif x.ndim >= 2 and x.shape[-2] == shape[axis]:
        hint = f"{a} looks transposed: try {a}.{'T' if x.ndim == 2 else 'mT'} @ {b}"
    elif tuple(x.shape) == shape:
        hint = f"entry by entry is {a} * {b}"
    return Mismatch(
        "inner sizes differ",
        f"expected {b}.shape[{axis}] == {a}.shape[-1], got {shape[axis]} and {k}",
        hint,
    )


def _matmul_forward(xp: Any, input: Any, other: Any) -> Any:
    if input.dtype != other.dtype or input.dtype.kind == "b":
        raise TypeError("dtypes do not fit")  # the shape rule writes the message
    if input.dtype is FLOAT16 and xp is np:
        return through_float32(_matmul_forward, xp, input, other)
    return xp.matmul(input, other)


def _matmul_cost(out: Spec, x: Spec, y: Spec) -> Cost:
    return Cost(2 * out.size * x.shape[-1], out.nbytes + x.nbytes + y.nbytes)


product: Op = op(
    "matmul",
    "Matrix product of the last two dimensions.",
    forward=_matmul_forward,
    vjp=(
        lambda g, z, x, y: product(g, transpose(y, -1, -2)),
        lambda g, z, x, y: product(transpose(x, -1, -2), g),
    ),
    saved=("other", "input"),
    shape=_matmul_shape,
    formula=(r"Z = X Y", r"\bar X = \bar Z\,Y^\top,\quad \bar Y = X^\top \bar Z"),
    autocast="low",
    cost=_matmul_cost,
    onnx="MatMul",
    samples=[sample(normal(3, 4), normal(4, 2)), sample(normal(2, 3, 4), normal(4, 2))],
)


def matmul(input: Any, other: Any) -> Any:
    """Matrix product: ``(N, K) @ (K, M)`` is ``(N, M)``; further dimensions are a batch.

    A vector stands for a row on the left and for a column on the right, and its dimension is
    left out of the result.

    >>> import minitorch_lab as lab
    >>> x = lab.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> lab.matmul(x, lab.tensor([1.0, 1.0]))
    tensor([3., 7.])
    >>> x @ x
    tensor([[ 7., 10.],
            [15., 22.]])
    """
    a, b = getattr(input, "ndim", None), getattr(other, "ndim", None)
    if a is None or b is None:
        raise _no_tensor("matmul", input=input, other=other)
    if (a >= 2 and b >= 2) or a == 0 or b == 0:
        return product(input, other)
    if input.shape[-1] != other.shape[0 if b == 1 else -2]:
        raise message(product, [input.spec, other.spec], ["", ""], _inner(input, other), {})
    x = unsqueeze(input, 0) if a == 1 else input
    y = unsqueeze(other, 1) if b == 1 else other
    out = product(x, y)
    shape = tuple(out.shape)
    if a == 1:
        shape = (*shape[:-2], shape[-1])
    if b == 1:
        shape = shape[:-1]
    return reshape(out, shape)


def _linear_forward(xp: Any, input: Any, weight: Any, bias: Any = None) -> Any:
    if input.dtype != weight.dtype or (bias is not None and bias.shape != weight.shape[:1]):
        raise TypeError("inputs do not fit")  # the shape rule writes the message
    if input.dtype is FLOAT16 and xp is np:
        return through_float32(_linear_forward, xp, input, weight, bias)
    # One product of two matrices: with more dimensions NumPy's dot does not use the BLAS.
    rows = input if input.ndim == 2 else input.reshape(-1, input.shape[-1])
    out = xp.dot(rows, weight.T)
    if bias is not None:
        out += bias
    return out if input.ndim == 2 else out.reshape(*input.shape[:-1], out.shape[-1])


def _linear_shape(x: Spec, w: Spec, b: Spec | None = None) -> Spec:
    """``(*, K)`` with weight ``(M, K)`` and bias ``(M,)`` gives ``(*, M)``."""
    check_same_dtype(x, w, names=("input", "weight"))
    if x.dtype.kind != "f":
        check_same_dtype(x, replace(w, dtype=x.dtype), names=("input", "weight"))
    if w.ndim != 2:
        raise Mismatch("weight must be a matrix", f"expected (out, in), got {w.shape}")
    if not x.ndim:
        raise Mismatch("input has no dimensions", f"expected (..., {w.shape[1]}), got ()")
    if x.shape[-1] != w.shape[1]:
        raise Mismatch(
            "inner sizes differ",
            f"expected weight.shape[1] == input.shape[-1], got {w.shape[1]} and {x.shape[-1]}",
            _linear_hint(x, w),
        )
    if b is not None and b.shape != w.shape[:1]:
        raise Mismatch("bias does not fit", f"expected bias {w.shape[:1]}, got {b.shape}")
    return replace(x, shape=(*x.shape[:-1], w.shape[0]))


def _linear_hint(x: Spec, w: Spec) -> str:
    if x.ndim == 2 and x.shape[0] == w.shape[1]:
        return "input looks transposed: try input.T"
    if x.ndim > 2 and prod(x.shape[1:]) == w.shape[1]:
        return "flatten it first: input.flatten(1), or nn.Flatten() before this layer"
    return f"use Linear({x.shape[-1]}, {w.shape[0]})"


def _rows(x: Any) -> Any:
    return x if x.ndim == 2 else reshape(x, (-1, x.shape[-1]))


linear: Op = op(
    "linear",
    "A linear layer: each row of input times the transposed weight, plus the bias.",
    example="""
        >>> x = lab.tensor([[1.0, 2.0, 3.0]])
        >>> weight = lab.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
        >>> lab.nn.functional.linear(x, weight, bias=lab.tensor([10.0, 20.0]))
        tensor([[11., 26.]])
    """,
    forward=_linear_forward,
    vjp=(
        lambda g, y, x, w, b=None: matmul(g, w),
        lambda g, y, x, w, b=None: product(transpose(_rows(g), 0, 1), _rows(x)),
        lambda g, y, x, w, b: sum(_rows(g), 0),
    ),
    saved=("weight", "input", ""),
    shape=_linear_shape,
    formula=(
        r"Y = X W^\top + b",
        r"\bar X = \bar Y W,\quad \bar W = \bar Y^\top X,\quad \bar b = \sum_i \bar Y_i",
    ),
    autocast="low",
    cost=lambda out, x, w, b=None: Cost(
        2 * out.size * w.shape[1] + (out.size if b else 0),
        out.nbytes + x.nbytes + w.nbytes + (b.nbytes if b else 0),
    ),
    onnx="Gemm",
    composition=lambda x, w, b=None: (
        matmul(x, transpose(w, 0, 1)) if b is None else matmul(x, transpose(w, 0, 1)) + b
    ),
    samples=[
        sample(normal(3, 4), normal(2, 4), normal(2)),
        sample(normal(2, 3, 4), normal(2, 4)),
        sample(normal(4), normal(2, 4), normal(2)),
    ],
)


def linear_bind(
    input: Any, weight: Any, bias: Any = None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """PyTorch's ``linear(input, weight, bias=None)``."""
    return ((input, weight) if bias is None else (input, weight, bias)), {}


linear.bind = linear_bind


# By name: each says how many dimensions it takes ----------------------------------------------


def mm(input: Any, mat2: Any) -> Any:
    """Matrix product of two matrices, ``(N, K)`` and ``(K, M)``.

    >>> import minitorch_lab as lab
    >>> lab.mm(lab.tensor([[1.0, 2.0]]), lab.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    _need_ndim("mm", input=(input, 2), mat2=(mat2, 2))
    return _named("mm", input=input, mat2=mat2)


def dot(input: Any, other: Any) -> Any:
    """Sum of the products of two vectors of equal length.

    >>> import minitorch_lab as lab
    >>> lab.dot(lab.tensor([1.0, 2.0]), lab.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _need_ndim("dot", input=(input, 1), other=(other, 1))
    return _named("dot", input=input, other=other)


def bmm(input: Any, mat2: Any) -> Any:
    """Matrix products of a batch: ``(B, N, K)`` and ``(B, K, M)`` give ``(B, N, M)``.

    >>> import minitorch_lab as lab
    >>> lab.bmm(lab.zeros(5, 2, 3), lab.zeros(5, 3, 4)).shape
    Size([5, 2, 4])
    """
    _need_ndim("bmm", input=(input, 3), mat2=(mat2, 3))
    _need_batch("bmm", input=input, mat2=mat2)
    return _named("bmm", input=input, mat2=mat2)


def mv(input: Any, vec: Any) -> Any:
    """A matrix ``(N, K)`` times a vector ``(K,)``.

    >>> import minitorch_lab as lab
    >>> lab.mv(lab.tensor([[1.0, 2.0], [3.0, 4.0]]), lab.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    _need_ndim("mv", input=(input, 2), vec=(vec, 1))
    return _named("mv", input=input, vec=vec)


def outer(input: Any, vec2: Any) -> Any:
    """Each entry of one vector times each of the other: ``(N,)`` and ``(M,)`` give ``(N, M)``.

    >>> import minitorch_lab as lab
    >>> lab.outer(lab.tensor([1.0, 2.0]), lab.tensor([3.0, 4.0, 5.0]))
    tensor([[ 3.,  4.,  5.],
            [ 6.,  8., 10.]])
    """
    _need_ndim("outer", input=(input, 1), vec2=(vec2, 1))
    return unsqueeze(input, 1) * vec2


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)``, for matrices.

    >>> import minitorch_lab as lab
    >>> lab.addmm(lab.ones(2), lab.eye(2), lab.tensor([[1.0, 2.0], [3.0, 4.0]]), alpha=10)
    tensor([[11., 21.],
            [31., 41.]])
    """
    _need_ndim("addmm", mat1=(mat1, 2), mat2=(mat2, 2))
    return _scaled("addmm", input, _named("addmm", mat1=mat1, mat2=mat2), beta, alpha)


def addmv(input: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * (mat @ vec)``, for a matrix and a vector.

    >>> import minitorch_lab as lab
    >>> lab.addmv(lab.ones(2), lab.eye(2), lab.tensor([3.0, 4.0]))
    tensor([4., 5.])
    """
    _need_ndim("addmv", mat=(mat, 2), vec=(vec, 1))
    return _scaled("addmv", input, _named("addmv", mat=mat, vec=vec), beta, alpha)


def addr(input: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * outer(vec1, vec2)``, for vectors.

    >>> import minitorch_lab as lab
    >>> lab.addr(lab.zeros(2, 2), lab.tensor([1.0, 2.0]), lab.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    return _scaled("addr", input, outer(vec1, vec2), beta, alpha)


def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * (batch1 @ batch2)``, for batches of matrices.

    >>> import minitorch_lab as lab
    >>> lab.baddbmm(lab.zeros(5, 2, 4), lab.zeros(5, 2, 3), lab.zeros(5, 3, 4)).shape
    Size([5, 2, 4])
    """
    _need_ndim("baddbmm", batch1=(batch1, 3), batch2=(batch2, 3))
    _need_batch("baddbmm", batch1=batch1, batch2=batch2)
    found = _named("baddbmm", batch1=batch1, batch2=batch2)
    return _scaled("baddbmm", input, found, beta, alpha)


def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input`` plus ``alpha`` times the sum of ``batch1[i] @ batch2[i]`` over the batch.

    >>> import minitorch_lab as lab
    >>> lab.addbmm(lab.zeros(2, 2), lab.ones(3, 2, 1), lab.ones(3, 1, 2))
    tensor([[3., 3.],
            [3., 3.]])
    """
    _need_ndim("addbmm", batch1=(batch1, 3), batch2=(batch2, 3))
    _need_batch("addbmm", batch1=batch1, batch2=batch2)
    found = _named("addbmm", batch1=batch1, batch2=batch2)
    return _scaled("addbmm", input, sum(found, 0), beta, alpha)


def _scaled(name: str, input: Any, found: Any, beta: float, alpha: float) -> Any:
    if not hasattr(input, "ndim"):
        raise _no_tensor(name, input=input, product=found)
    input, found = autocast("low", input, found)
    if input.dtype != found.dtype:
        raise DTypeError(
            f"{name}(): the dtypes differ\n  input    {input.spec}\n  product  {found.spec}\n"
            f"  expected one dtype\n  convert with .to(lab.{found.dtype.name})"
        )
    if found.dtype.np.kind != "f" and float in (type(beta), type(alpha)):
        raise DTypeError(
            f"{name}(): beta and alpha of integers must be integers\n"
            f"  input  {input.spec}\n  expected ints, got beta={beta} and alpha={alpha}\n"
            "  convert the tensors with .float()"
        )
    lead = input.ndim - found.ndim
    if lead > 0 or any(
        n not in (1, m) for n, m in zip(input.shape, found.shape[-lead:], strict=True)
    ):
        raise ShapeError(
            f"{name}(): input does not broadcast to the product\n  input    {input.spec}\n"
            f"  product  {found.spec}\n  expected {tuple(found.shape)}, or sizes of 1 there"
        )
    found = found if alpha == 1 else found * alpha
    if beta == 0:  # as in PyTorch, NaN in the input does not matter then
        return found
    return (input if beta == 1 else input * beta) + found


@public
def multi_dot(tensors: Sequence[Any]) -> Any:
    """Product of several matrices, in the order of multiplying that needs the fewest steps.

    The first and the last may be vectors: a row and a column. The order is found by dynamic
    programming over where the last product splits the chain (Cormen et al., Introduction to
    Algorithms, 1990).

    >>> import minitorch_lab as lab
    >>> lab.linalg.multi_dot([lab.ones(2, 3), lab.ones(3, 4), lab.ones(4, 1)])
    tensor([[12.],
            [12.]])
    """
    if len(tensors) < 2:
        raise ComputeError(f"multi_dot(tensors): expected 2 tensors or more, got {len(tensors)}")
    for i, x in enumerate(tensors):
        _need_ndim("multi_dot", **{f"tensors[{i}]": (x, 1 if _may_be_vector(i, x, tensors) else 2)})
    first, last = tensors[0], tensors[-1]
    rows = [1 if first.ndim == 1 else first.shape[0], *(x.shape[0] for x in tensors[1:])]
    sizes = [int(n) for n in (*rows, 1 if last.ndim == 1 else last.shape[1])]

    @cache
    def best(i: int, j: int) -> tuple[int, int]:
        """The cost of tensors ``i`` to ``j``, and where the left part ends."""
        if i == j:
            return 0, i
        return min(
            (best(i, k)[0] + best(k + 1, j)[0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
            for k in range(i, j)
        )

    def multiply(i: int, j: int) -> Any:
        if i == j:
            return tensors[i]
        k = best(i, j)[1]
        return matmul(multiply(i, k), multiply(k + 1, j))

    return multiply(0, len(tensors) - 1)


def _may_be_vector(i: int, x: Any, tensors: Sequence[Any]) -> bool:
    return i in (0, len(tensors) - 1) and getattr(x, "ndim", 2) == 1


def trace(input: Any) -> Any:
    """Sum of the diagonal of a matrix.

    >>> import minitorch_lab as lab
    >>> lab.trace(lab.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    _need_ndim("trace", input=(input, 2))
    return sum(diagonal(input))


def kron(input: Any, other: Any) -> Any:
    """Kronecker product: a copy of ``other`` for each entry of ``input``, times that entry.

    Shapes: ``(N, M)`` and ``(K, L)`` give ``(N * K, M * L)``; the same for any number of
    dimensions, where the shorter shape gets leading ones.

    >>> import minitorch_lab as lab
    >>> lab.kron(lab.tensor([1, 10]), lab.tensor([1, 2, 3]))
    tensor([ 1,  2,  3, 10, 20, 30])
    """
    n = max(input.ndim, other.ndim)
    a, b = ((1,) * (n - x.ndim) + tuple(int(v) for v in x.shape) for x in (input, other))
    x = reshape(input, tuple(v for size in a for v in (size, 1)))
    y = reshape(other, tuple(v for size in b for v in (1, size)))
    return reshape(x * y, tuple(v * w for v, w in zip(a, b, strict=True)))


def inner(input: Any, other: Any) -> Any:
    """Sums of products along the last dimensions: of two vectors their dot product.

    Shapes: ``(..., N)`` and ``(***, N)`` give ``(..., ***)``; a number multiplies.

    >>> import minitorch_lab as lab
    >>> lab.inner(lab.tensor([1, 2, 3]), lab.tensor([0, 2, 1]))
    tensor(7)
    """
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(
            "inner(): the last dimensions differ\n"
            f"  input  {tuple(input.shape)}\n  other  {tuple(other.shape)}\n"
            "  expected the same number of entries"
        )
    x, y = (reshape(v, (-1, v.shape[-1])) for v in (input, other))
    return reshape(matmul(x, transpose(y, 0, 1)), (*input.shape[:-1], *other.shape[:-1]))


def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """Cross product of vectors of three entries: orthogonal to both.

    The vectors lie along ``dim``; without it, along the first dimension of size 3.

    >>> import minitorch_lab as lab
    >>> lab.cross(lab.tensor([1, 0, 0]), lab.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    shape = broadcast_shapes(tuple(input.shape), tuple(other.shape))
    if dim is None:
        dim = next((d for d, size in enumerate(shape) if size == 3), None)
    if dim is None or shape[one_dim(dim, len(shape))] != 3:
        raise ComputeError(
            "cross(): expected vectors of three entries\n"
            f"  input  {tuple(input.shape)}\n  other  {tuple(other.shape)}\n"
            + ("  no dimension has size 3" if dim is None else f"  along dim {dim}")
        )
    dim = one_dim(dim, len(shape)) - len(shape)
    return roll(input, -1, dim) * roll(other, 1, dim) - roll(input, 1, dim) * roll(other, -1, dim)


def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str | None = None) -> Any:
    """Distance of each row of one matrix from each row of another.

    Shapes: ``(..., N, M)`` and ``(..., K, M)`` give ``(..., N, K)``. ``compute_mode`` has no
    effect: differences are always computed one by one.

    >>> import minitorch_lab as lab
    >>> lab.cdist(lab.tensor([[0.0, 0.0]]), lab.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ComputeError(
            "cdist(): expected two matrices, or batches, with rows of the same length\n"
            f"  x1  {tuple(x1.shape)}\n  x2  {tuple(x2.shape)}"
        )
    return norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, -1)


# Errors of the functions above -----------------------------------------------------------------


AS_MATMUL = ("mm", "bmm", "mv", "dot")


def _need_ndim(name: str, **wanted: tuple[Any, int]) -> None:
    """KindError unless all are tensors; ShapeError unless each has its number of dimensions."""
    if any(not hasattr(value, "ndim") for value, _ in wanted.values()):
        raise _no_tensor(name, **{argument: value for argument, (value, _) in wanted.items()})
    for argument, (value, ndim) in wanted.items():
        if value.ndim != ndim:
            raise ShapeError(
                f"{name}(): {argument} has {value.ndim} dimension{'' if value.ndim == 1 else 's'}\n"
                f"  {argument}  {tuple(value.shape)}\n  expected {ndim}"
                + ("\n  matmul() takes vectors, matrices and batches" * (name in AS_MATMUL))
            )


def _need_batch(name: str, **batches: Any) -> None:
    """ShapeError unless the batches are equally long."""
    (a, x), (b, y) = batches.items()
    if x.shape[0] != y.shape[0]:
        raise ShapeError(
            f"{name}(): the batches differ\n  {a}  {x.spec}\n  {b}  {y.spec}\n"
            f"  expected {a}.shape[0] == {b}.shape[0], got {x.shape[0]} and {y.shape[0]}\n"
            "  matmul() broadcasts a batch of 1"
        )


def _named(name: str, **two: Any) -> Any:
    """The product of two, whose errors carry the name that was called."""
    a, b = two
    names = a, b
    x, y = autocast("low", two[a], two[b])
    fits = x.shape[-1] == y.shape[0 if y.ndim == 1 else -2]
    if not fits or x.dtype != y.dtype or x.dtype.name == "bool":
        try:
            _check_dtypes(x.spec, y.spec, names)
            raise _inner(x, y, names)
        except Mismatch as wrong:
            lines = [f"{name}({', '.join(names)}): {wrong.problem}"]
            lines += input_lines(names, [str(x.spec), str(y.spec)], ["", ""])
            lines += [f"  {line}" for line in (wrong.expected, wrong.hint) if line]
            raise wrong.error("\n".join(lines)) from None
    return matmul(x, y)


def _no_tensor(name: str, **inputs: Any) -> KindError:
    """The error for an input that is a number or a list."""
    argument, value = next((a, v) for a, v in inputs.items() if not hasattr(v, "ndim"))
    lines = [f"{name}({', '.join(inputs)}): {argument} is not a tensor"]
    lines += input_lines(
        list(inputs),
        [str(v.spec) if hasattr(v, "spec") else describe(v) for v in inputs.values()],
        [""] * len(inputs),
    )
    number = isinstance(value, (int, float))
    lines.append(f"  expected a tensor, got {describe(value)}")
    lines.append("  a number multiplies with *" if number else "  lab.tensor(x) makes a tensor")
    return KindError("\n".join(lines))


def _changing(function: Callable[..., Any]) -> Callable[..., Any]:
    """The in-place form: the first input takes the result."""

    def change(input: Any, *args: Any, **kwargs: Any) -> Any:
        before = clone(input)  # a rule of beta * input may need it as it is now
        return current().update(copy, input, (input, function(before, *args, **kwargs)), {})

    change.__doc__ = f"``{function.__name__}`` in place: the tensor itself changes."
    return change


FUNCTIONS = {
    name: globals()[name]
    for name in (
        "matmul mm dot bmm mv outer addmm addmv addr baddbmm addbmm trace kron inner cross cdist"
    ).split()
} | {"ger": outer}
NOT_METHODS = ("cdist",)  # PyTorch has it as a function only
FUNCTIONS |= {
    f"{function.__name__}_": _changing(function)
    for function in (addmm, addmv, addr, baddbmm, addbmm)
}
