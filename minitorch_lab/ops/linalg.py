"""Products of matrices."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from ..errors import ShapeError
from ..op import Cost, Mismatch, Op, Spec, check_same_dtype, normal, op, sample
from .movement import reshape, transpose, unsqueeze
from .reduce import sum
from .rules import broadcast_shapes


def _matmul_shape(x: Spec, y: Spec) -> Spec:
    check_same_dtype(x, y, names=("input", "other"))
    if x.ndim < 2 or y.ndim < 2:
        raise Mismatch(
            "a matrix product needs two matrices",
            f"expected 1 dimension or more on both sides, got {x.ndim} and {y.ndim}",
            "a number multiplies with *",
        )
    if x.shape[-1] != y.shape[-2]:
        turned = x.shape[-1] == y.shape[-1]
        raise Mismatch(
            "inner sizes differ",
            f"expected other.shape[-2] == input.shape[-1], got {y.shape[-2]} and {x.shape[-1]}",
            "other looks transposed: try input @ other.T" if turned else "",
        )
    batch = broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return replace(x, shape=(*batch, x.shape[-2], y.shape[-1]))


def _matmul_forward(xp: Any, input: Any, other: Any) -> Any:
    if input.dtype != other.dtype:
        raise TypeError("dtypes differ")  # the shape rule writes the message
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
    saved="input other",
    shape=_matmul_shape,
    formula=(r"Z = X Y", r"\bar X = \bar Z\,Y^\top,\quad \bar Y = X^\top \bar Z"),
    cost=_matmul_cost,
    onnx="MatMul",
    samples=[sample(normal(3, 4), normal(4, 2)), sample(normal(2, 3, 4), normal(4, 2))],
)


def matmul(input: Any, other: Any) -> Any:
    """Matrix product: ``(N, K) @ (K, M)`` is ``(N, M)``; further dimensions are a batch.

    A vector stands for a row on the left and for a column on the right, and its dimension is
    left out of the result.
    """
    a, b = getattr(input, "ndim", None), getattr(other, "ndim", None)
    if a is None or b is None or (a >= 2 and b >= 2) or a == 0 or b == 0:
        return product(input, other)
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
    # One product of two matrices: with more dimensions NumPy's dot does not use the BLAS.
    rows = input if input.ndim == 2 else input.reshape(-1, input.shape[-1])
    out = xp.dot(rows, weight.T)
    if bias is not None:
        out += bias
    return out if input.ndim == 2 else out.reshape(*input.shape[:-1], out.shape[-1])


def _linear_shape(x: Spec, w: Spec, b: Spec | None = None) -> Spec:
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
    forward=_linear_forward,
    vjp=(
        lambda g, y, x, w, b=None: matmul(g, w),
        lambda g, y, x, w, b=None: product(transpose(_rows(g), 0, 1), _rows(x)),
        lambda g, y, x, w, b: sum(_rows(g), 0),
    ),
    saved="input weight",
    shape=_linear_shape,
    formula=(
        r"Y = X W^\top + b",
        r"\bar X = \bar Y W,\quad \bar W = \bar Y^\top X,\quad \bar b = \sum_i \bar Y_i",
    ),
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


def mm(input: Any, mat2: Any) -> Any:
    """Matrix product of two matrices, ``(N, K)`` and ``(K, M)``."""
    return product(input, mat2)


def dot(input: Any, other: Any) -> Any:
    """Sum of the products of two vectors."""
    return sum(input * other)


def _need_ndim(name: str, **wanted: tuple[Any, int]) -> None:
    """ShapeError unless each input has its number of dimensions."""
    for argument, (value, ndim) in wanted.items():
        found = getattr(value, "ndim", ndim)
        if found != ndim:
            raise ShapeError(
                f"{name}(): {argument} has {found} dimensions\n"
                f"  {argument}  {tuple(value.shape)}\n  expected {ndim}"
            )


def bmm(input: Any, mat2: Any) -> Any:
    """Matrix products of a batch: ``(B, N, K)`` and ``(B, K, M)`` give ``(B, N, M)``."""
    _need_ndim("bmm", input=(input, 3), mat2=(mat2, 3))
    return product(input, mat2)


def mv(input: Any, vec: Any) -> Any:
    """A matrix ``(N, K)`` times a vector ``(K,)``."""
    _need_ndim("mv", input=(input, 2), vec=(vec, 1))
    return matmul(input, vec)


def outer(input: Any, vec2: Any) -> Any:
    """Each entry of one vector times each of the other: ``(N,)`` and ``(M,)`` give ``(N, M)``."""
    _need_ndim("outer", input=(input, 1), vec2=(vec2, 1))
    return unsqueeze(input, 1) * vec2


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)``, for matrices."""
    _need_ndim("addmm", mat1=(mat1, 2), mat2=(mat2, 2))
    return _scaled(input, product(mat1, mat2), beta, alpha)


def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * input + alpha * (batch1 @ batch2)``, for batches of matrices."""
    _need_ndim("baddbmm", batch1=(batch1, 3), batch2=(batch2, 3))
    return _scaled(input, product(batch1, batch2), beta, alpha)


def _scaled(input: Any, found: Any, beta: float, alpha: float) -> Any:
    found = found if alpha == 1 else found * alpha
    if beta == 0:  # as in PyTorch, NaN in the input does not matter then
        return found
    return (input if beta == 1 else input * beta) + found


FUNCTIONS = {
    "matmul": matmul,
    "mm": mm,
    "dot": dot,
    "bmm": bmm,
    "mv": mv,
    "outer": outer,
    "addmm": addmm,
    "baddbmm": baddbmm,
}
