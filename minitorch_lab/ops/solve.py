"""Linear systems: inverse, solution, determinant, Cholesky factor.

All take batches: ``(..., N, N)``. The work is LAPACK's; the gradient rules are matrix products
and solutions again (Giles, Collected matrix derivative results for forward and reverse mode
algorithmic differentiation, 2008), so they can be differentiated themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..device import Device, namespace_for
from ..errors import ComputeError, DTypeError, KindError, describe
from ..op import (
    Cost,
    Draw,
    Mismatch,
    Op,
    Spec,
    check_same_dtype,
    current,
    normal,
    op,
    public,
    sample,
)
from . import elementwise as e
from .linalg import product
from .movement import broadcast_to, squeeze, transpose, tril, unsqueeze
from .reduce import sum
from .rules import broadcast_shapes


class LinAlgError(ComputeError):
    """A matrix that has no inverse or no factor."""


class SignLog(NamedTuple):
    """The determinant as ``sign * exp(logabsdet)``: what slogdet gives."""

    sign: Any
    logabsdet: Any


@dataclass(frozen=True)
class Positive(Draw):
    """Draws symmetric positive definite matrices."""

    def __call__(self, rng: np.random.Generator, dtype: Any = np.float64) -> Any:
        """``x @ x.T`` plus the identity."""
        x = rng.normal(size=self.shape)
        return np.asarray(x @ np.swapaxes(x, -1, -2) + np.eye(self.shape[-1]), dtype)


# Shared by the rows ----------------------------------------------------------------------------


def _turned(x: Any) -> Any:
    return transpose(x, -1, -2)


def _last_two(ndim: int) -> tuple[int, ...]:
    return (*range(ndim - 2), ndim - 1, ndim - 2)


def _need_matrix(A: Spec, square: bool = True) -> None:
    if A.ndim < 2:
        raise Mismatch(
            "A must be a matrix",
            f"expected 2 dimensions or more, (..., N, {'N' if square else 'M'}), got {A.ndim}",
        )
    if square and A.shape[-1] != A.shape[-2]:
        raise Mismatch(
            "A must be square",
            f"expected equal last two sizes, got {A.shape[-2]} and {A.shape[-1]}",
            "linalg.pinv() takes any matrix, and X @ X.mT is always square",
        )
    if A.dtype.kind != "f" or A.dtype.itemsize < 4:
        raise Mismatch(
            "A must be float32 or float64",
            f"expected float32 or float64, got {A.dtype}",
            "convert with .float() or .double()",
            DTypeError,
        )


def _ready(A: Any, square: bool = True) -> bool:
    """What ``_need_matrix`` asks, of an array; the shape rule writes the message."""
    fits = A.ndim >= 2 and (not square or A.shape[-1] == A.shape[-2])
    return bool(fits and A.dtype.kind == "f" and A.dtype.itemsize >= 4)


def _guarded(name: str, failure: str, advice: str, compute: Callable[..., Any]) -> Any:
    """A forward that says which matrix of a batch LAPACK refused."""

    def forward(xp: Any, A: Any, *others: Any) -> Any:
        if not _ready(A):
            raise TypeError("A does not fit")
        try:
            return compute(xp, A, *others)
        except np.linalg.LinAlgError:
            which = _first_bad(xp, A, compute, others)
        raise LinAlgError(
            f"{name}: {failure}\n  A  {A.dtype} {tuple(A.shape)}\n"
            + (f"  the matrix A[{', '.join(map(str, which))}]\n" if which else "")
            + f"  {advice}"
        )

    return forward


def _first_bad(xp: Any, A: Any, compute: Any, others: tuple[Any, ...]) -> tuple[int, ...]:
    for index in np.ndindex(A.shape[:-2]):
        try:
            compute(xp, A[index], *(xp.zeros_like(A[index]) for _ in others))
        except np.linalg.LinAlgError:
            return index
    return ()


def _cubic(flops: float) -> Callable[..., Cost]:
    """``flops`` times N to the third for each matrix."""

    def cost(out: Spec, A: Spec, *others: Spec, **attrs: Any) -> Cost:
        read = [x.nbytes for x in (A, out, *others)]
        return Cost(int(flops * A.size * A.shape[-1]), int(np.sum(read)))

    return cost


def _same(A: Spec) -> Spec:
    """``(..., N, N)`` stays ``(..., N, N)``."""
    _need_matrix(A)
    return A


def _one_each(A: Spec) -> Spec:
    """``(..., N, N)`` gives ``(...)``: one number for each matrix."""
    _need_matrix(A)
    return replace(A, shape=A.shape[:-2])


def _each(x: Any) -> Any:
    """A number for each matrix, so that it multiplies the matrices."""
    return unsqueeze(unsqueeze(x, -1), -1)


SINGULAR = "expected a matrix that can be inverted: no row may be a combination of the others"

# The rows --------------------------------------------------------------------------------------

inv: Op = op(
    "inv",
    "Inverse of each square matrix.",
    example="""
        >>> lab.linalg.inv(lab.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """,
    forward=_guarded(
        "inv(A)",
        "the matrix is singular",
        f"{SINGULAR}\n  linalg.pinv() always gives an answer",
        lambda xp, A: xp.linalg.inv(A),
    ),
    arguments=("A",),
    vjp=lambda g, Y, A: -product(product(_turned(Y), g), _turned(Y)),
    saved="y",
    shape=_same,
    formula=(r"Y = A^{-1}", r"\bar A = -Y^\top \bar Y\, Y^\top"),
    autocast="full",
    cost=_cubic(2),
    samples=[normal(3, 3), normal(2, 3, 3)],
)


def _solve_shape(A: Spec, B: Spec) -> Spec:
    _need_matrix(A)
    check_same_dtype(A, B, names=("A", "B"))
    if B.ndim < 2 or B.shape[-2] != A.shape[-1]:
        raise Mismatch(
            "the right side does not fit",
            f"expected B (..., {A.shape[-1]}, K), got {B.shape}",
            "B holds one column for each system, as long as the rows of A",
        )
    batch = broadcast_shapes(A.shape[:-2], B.shape[:-2])
    return replace(B, shape=(*batch, *B.shape[-2:]))


def _solve_compute(xp: Any, A: Any, B: Any) -> Any:
    if A.dtype != B.dtype or B.ndim < 2:
        raise TypeError("B does not fit")  # the shape rule writes the message
    if A.shape[:-2] != B.shape[:-2]:  # what stands for a vector, CuPy and NumPy see differently
        batch = broadcast_shapes(A.shape[:-2], B.shape[:-2])
        A = xp.broadcast_to(A, (*batch, *A.shape[-2:]))
        B = xp.broadcast_to(B, (*batch, *B.shape[-2:]))
    return xp.linalg.solve(A, B)


solutions: Op = op(
    "solve",
    "Solution X of A X = B, for each square matrix A and the columns of B.",
    forward=_guarded("solve(A, B)", "the matrix is singular", SINGULAR, _solve_compute),
    arguments=("A", "B"),
    vjp=(
        lambda g, X, A, B: -product(solutions(_turned(A), g), _turned(X)),
        lambda g, X, A, B: solutions(_turned(A), g),
    ),
    saved="A y",
    shape=_solve_shape,
    formula=(r"A X = B", r"\bar B = A^{-\top} \bar X,\quad \bar A = -\bar B X^\top"),
    autocast="full",
    cost=_cubic(0.67),
    samples=[
        sample(normal(3, 3), normal(3, 2)),
        sample(normal(2, 3, 3), normal(2, 3, 1)),
        sample(normal(3, 3), normal(2, 3, 2)),
    ],
)


def _plain(compute: Callable[..., Any]) -> Any:
    """A forward that LAPACK never refuses."""

    def forward(xp: Any, A: Any) -> Any:
        if not _ready(A):
            raise TypeError("A does not fit")
        return compute(xp, A)

    return forward


def _cofactors_forward(xp: Any, A: Any) -> Any:
    if not _ready(A):
        raise TypeError("A does not fit")
    if not A.size:
        return xp.zeros_like(A)
    try:
        U, s, V = xp.linalg.svd(A)
    except np.linalg.LinAlgError:  # NaN or infinity somewhere
        return xp.full(A.shape, np.nan, A.dtype)
    one = xp.eye(A.shape[-1], dtype=bool)
    others = xp.multiply.reduce(xp.where(one, A.dtype.type(1), s[..., None, :]), axis=-1)
    sign = xp.linalg.det(U) * xp.linalg.det(V)
    return xp.matmul(U * (sign[..., None] * others)[..., None, :], V)


def _cofactors_grad(g: Any, Y: Any, A: Any) -> Any:
    back = _turned(inv(A))
    return _each(sum(g * Y, (-2, -1))) * back - product(product(Y, _turned(g)), back)


# From singular values and not from the inverse, so that a singular matrix has them too.
cofactors: Op = op(
    "cofactors",
    "Cofactors of each square matrix: how its determinant changes with each entry.",
    forward=_cofactors_forward,
    arguments=("A",),
    vjp=_cofactors_grad,
    saved="A y",
    shape=_same,
    formula=(
        r"Y = \det(A)\, A^{-\top}",
        r"\bar A = \langle \bar Y, Y \rangle A^{-\top} - Y \bar Y^\top A^{-\top}",
    ),
    cost=_cubic(20),
    samples=[normal(3, 3), normal(2, 3, 3)],
)
det: Op = op(
    "det",
    "Determinant of each square matrix.",
    example="""
        >>> lab.linalg.det(lab.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor(-2.)
    """,
    forward=_plain(lambda xp, A: xp.linalg.det(A)),
    arguments=("A",),
    vjp=lambda g, y, A: _each(g) * cofactors(A),
    saved="A",
    shape=_one_each,
    formula=(r"y = \det A", r"\bar A = \bar y\, C(A)\quad\text{(the cofactors)}"),
    autocast="full",
    cost=_cubic(0.67),
    onnx="Det",
    samples=[normal(3, 3), normal(2, 3, 3), normal(2, 3, 2, 2)],
)
logabsdet: Op = op(
    "logabsdet",
    "Logarithm of the size of the determinant, without overflow.",
    forward=_plain(lambda xp, A: xp.linalg.slogdet(A)[1]),
    arguments=("A",),
    vjp=lambda g, y, A: _each(g) * _turned(inv(A)),
    saved="A",
    shape=_one_each,
    formula=(r"y = \ln |\det A|", r"\bar A = \bar y\, A^{-\top}"),
    autocast="full",
    cost=_cubic(0.67),
    samples=[normal(3, 3), normal(2, 3, 3)],
)
det_sign: Op = op(
    "det_sign",
    "Sign of the determinant: -1, 0 or 1.",
    forward=_plain(lambda xp, A: xp.linalg.slogdet(A)[0]),
    arguments=("A",),
    shape=_one_each,
    formula=(r"y = \operatorname{sign} \det A", r"\text{none}"),
    cost=_cubic(0.67),
    samples=[normal(3, 3), normal(2, 3, 3)],
)


def _cholesky_grad(g: Any, L: Any, A: Any) -> Any:
    m = product(_turned(L), g)
    half = (tril(m) + tril(m, -1)) * 0.5  # the lower triangle, with half the diagonal
    s = solutions(_turned(L), _turned(solutions(_turned(L), half)))
    return (s + _turned(s)) * 0.5


factor: Op = op(
    "cholesky",
    "Cholesky factor of each symmetric positive definite matrix: the lower triangle L.",
    # the symmetric part, so that the gradient is symmetric as the matrix is
    forward=_guarded(
        "cholesky(A)",
        "the matrix is not positive definite",
        "expected a symmetric matrix with positive eigenvalues, such as X @ X.T\n"
        "  adding a small number to its diagonal helps against rounding",
        lambda xp, A: xp.linalg.cholesky((A + A.transpose(_last_two(A.ndim))) * 0.5),
    ),
    arguments=("A",),
    vjp=_cholesky_grad,
    saved="y",
    shape=_same,
    formula=(
        r"L L^\top = A",
        r"\bar A = \tfrac12 (S + S^\top),\quad S = L^{-\top} \Phi(L^\top \bar L)\, L^{-1}",
    ),
    autocast="full",
    cost=_cubic(0.34),
    samples=[sample(Positive("positive", (3, 3))), sample(Positive("positive", (2, 3, 3)))],
)


def _pinv_shape(A: Spec, rcond: float) -> Spec:
    _need_matrix(A, square=False)
    return replace(A, shape=(*A.shape[:-2], A.shape[-1], A.shape[-2]))


def _pinv_forward(xp: Any, A: Any, rcond: float) -> Any:
    if not _ready(A, square=False):
        raise TypeError("A does not fit")
    if not A.size:
        return xp.zeros((*A.shape[:-2], A.shape[-1], A.shape[-2]), A.dtype)
    return xp.linalg.pinv(A, rcond)


def _pinv_grad(g: Any, P: Any, A: Any, rcond: float) -> Any:
    Pt, gt = _turned(P), _turned(g)
    rows = product(product(gt, P), Pt)
    columns = product(product(Pt, P), gt)
    return (
        rows
        - product(A, product(P, rows))
        + columns
        - product(product(columns, P), A)
        - product(product(Pt, g), Pt)
    )


pseudo_inverse: Op = op(
    "pinv",
    "Moore-Penrose inverse of each matrix, of any shape and rank.",
    forward=_pinv_forward,
    arguments=("A",),
    vjp=_pinv_grad,
    saved="A y",
    shape=_pinv_shape,
    formula=(
        r"A Y A = A,\quad Y A Y = Y",
        r"\bar A = -Y^\top \bar Y Y^\top + (I - A Y)\, \bar Y^\top Y Y^\top"
        r" + Y^\top Y \bar Y^\top (I - Y A)",
    ),
    autocast="full",
    cost=_cubic(20),
    samples=[sample(normal(*s), rcond=1e-12) for s in ((3, 2), (2, 3), (2, 3, 3))],
)


# What a learner calls --------------------------------------------------------------------------


def inverse(input: Any) -> Any:
    """Inverse of each square matrix: ``linalg.inv``.

    >>> import minitorch_lab as lab
    >>> lab.inverse(lab.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return inv(input)


@public
def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """Solution X of ``A @ X = B``; with ``left=False`` of ``X @ A = B``.

    Shapes: A ``(..., N, N)``; B ``(N,)``, a batch of vectors ``(..., N)`` like A's, or matrices
    ``(..., N, K)``. The batches broadcast. It is faster and more exact than ``inv(A) @ B``.
    A singular matrix is a LinAlgError.

    >>> import minitorch_lab as lab
    >>> lab.linalg.solve(lab.tensor([[2.0, 0.0], [0.0, 4.0]]), lab.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    for name, x in (("A", A), ("B", B)):
        if not hasattr(x, "ndim"):
            raise KindError(f"solve(A, B): {name} must be a tensor, got {describe(x)}")
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    if vector:
        if not left:
            raise ComputeError(
                f"solve(A, B, left=False): B is a vector\n  A  {A.spec}\n  B  {B.spec}\n"
                "  expected matrices (..., K, N)\n  B.unsqueeze(-2) makes a row of it"
            )
        return squeeze(solutions(A, unsqueeze(B, -1)), -1)
    return solutions(A, B) if left else _turned(solutions(_turned(A), _turned(B)))


@public
def slogdet(A: Any) -> SignLog:
    """Sign and logarithm of the size of the determinant: no overflow where it is huge.

    >>> import minitorch_lab as lab
    >>> lab.slogdet(lab.tensor([[-1.0, 0.0], [0.0, 1.0]]))
    SignLog(sign=tensor(-1.), logabsdet=tensor(0.))
    """
    return SignLog(det_sign(A), logabsdet(A))


def logdet(input: Any) -> Any:
    """Logarithm of the determinant: NaN where it is negative, minus infinity where it is 0.

    >>> import minitorch_lab as lab
    >>> lab.logdet(lab.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor(2.0794)
    """
    return e.where(e.lt(det_sign(input), 0), float("nan"), logabsdet(input))


@public
def cholesky(A: Any, upper: bool = False) -> Any:
    r"""Cholesky factor: the lower triangle L with :math:`L L^\top = A`, or with ``upper`` L.T.

    Shapes: ``(..., N, N)``, symmetric and positive definite, else a LinAlgError.

    >>> import minitorch_lab as lab
    >>> lab.cholesky(lab.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    L = factor(A)
    return _turned(L) if upper else L


@public
def pinv(A: Any, *, rtol: float | None = None) -> Any:
    """Moore-Penrose inverse: ``pinv(A) @ b`` is the shortest least-squares solution of A x = b.

    Shapes: ``(..., N, M)`` gives ``(..., M, N)``. Singular values below ``rtol`` times the
    largest count as 0; by default ``rtol`` is the precision times the larger of N and M. The
    gradient holds where the rank does not change (Golub and Pereyra, 1973).

    >>> import minitorch_lab as lab
    >>> lab.linalg.pinv(lab.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    if rtol is None:
        dtype = A.dtype.np if hasattr(A.dtype, "np") else np.dtype("float64")
        fine = dtype if dtype.kind == "f" else np.dtype("float64")
        rtol = max([int(n) for n in A.shape[-2:]], default=1) * float(np.finfo(fine).eps)
    return pseudo_inverse(A, rcond=float(rtol))


def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """``pinv`` by its older name.

    >>> import minitorch_lab as lab
    >>> lab.pinverse(lab.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    return pinv(input, rtol=rcond)


@public
def matrix_power(A: Any, n: int) -> Any:
    """``A @ A @ ... @ A``, n times; the identity for 0, of the inverse for negative n.

    By squaring: ``log2(n)`` steps.

    >>> import minitorch_lab as lab
    >>> lab.matrix_power(lab.tensor([[1, 1], [1, 0]]), 5)
    tensor([[8, 5],
            [5, 3]])
    """
    if isinstance(n, bool) or not isinstance(n, int):
        raise KindError(f"matrix_power(A, n): n must be an int, got {describe(n)}")
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise LinAlgError(
            f"matrix_power(A, n): A must be square\n  A  {A.spec}\n  expected (..., N, N)"
        )
    if n == 0:
        xp = namespace_for(Device(A.spec.device))
        one = current().constant(xp.eye(int(A.shape[-1]), dtype=A.spec.dtype))
        return broadcast_to(one, tuple(int(v) for v in A.shape))
    square = inv(A) if n < 0 else A
    out, left = None, abs(n)
    while True:
        if left % 2:
            out = square if out is None else product(out, square)
        left //= 2
        if not left:
            return out
        square = product(square, square)


FUNCTIONS = {
    "det": det,
    "inverse": inverse,
    "slogdet": slogdet,
    "logdet": logdet,
    "cholesky": cholesky,
    "pinverse": pinverse,
    "matrix_power": matrix_power,
}
