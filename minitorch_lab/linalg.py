"""Linear algebra by PyTorch's names: ``lab.linalg.solve(A, b)``, ``lab.linalg.norm(x)``.

>>> from minitorch_lab.tensor import tensor
>>> norm(tensor([3.0, 4.0])), norm(tensor([[1.0, -2.0], [3.0, 4.0]]), ord=1)
(tensor(5.), tensor(6.))
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from .dtypes import DType
from .errors import ComputeError, KindError, ShapeError, describe
from .op import public
from .ops import reduce
from .ops.elementwise import to_dtype
from .ops.linalg import matmul, multi_dot
from .ops.movement import diagonal as _diagonal
from .ops.movement import squeeze
from .ops.rules import all_dims, one_dim
from .ops.solve import (
    LinAlgError,
    SignLog,
    cholesky,
    det,
    inv,
    matrix_power,
    pinv,
    slogdet,
    solve,
)

Dims = int | Sequence[int] | None


@public
def norm(
    A: Any,
    ord: float | str | None = None,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Any:
    """Norm of a vector or of a matrix: ``dim`` and ``ord`` say which.

    Without ``ord`` the square root of the sum of squares, over ``dim`` or over all entries. With
    it, one dimension gives ``vector_norm`` and two give ``matrix_norm``.
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    one = (
        isinstance(dim, int) or (dim is not None and len(dim) == 1) or (dim is None and A.ndim < 2)
    )
    if one and not isinstance(ord, str):
        return vector_norm(A, ord, dim, keepdim, dtype=dtype)
    if dim is None and A.ndim != 2:
        raise ShapeError(
            f"linalg.norm(A, ord={ord!r}): A is no vector and no matrix\n  A  {A.spec}\n"
            "  expected 1 or 2 dimensions, or dim\n  dim=(-2, -1) takes a batch of matrices"
        )
    return matrix_norm(A, ord, (0, 1) if dim is None else dim, keepdim, dtype=dtype)


@public
def vector_norm(
    x: Any,
    ord: Any = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Any:
    r"""Length of a vector, :math:`(\sum_i |x_i|^p)^{1/p}` with ``ord`` for p.

    ``ord`` may be 0 (how many entries are not 0), ``inf`` and ``-inf`` (largest and smallest size).
    A tensor of more dimensions counts as one long vector, unless ``dim`` says which to take.
    """
    if not isinstance(ord, (int, float)):
        raise KindError(f"vector_norm(x, ord): expected a number, inf or -inf, got {describe(ord)}")
    searched = [x.shape[d] for d in all_dims(dim, x.ndim)]
    if 0 in searched and (ord < 0 or ord == inf):
        raise ShapeError(
            f"vector_norm(x, ord={ord}): there is no entry to choose from\n  x  {x.spec}\n"
            "  expected one entry or more: the smallest and largest of nothing are not known"
        )
    return reduce.norm(x, float(ord), dim, keepdim, dtype=dtype)


@public
def matrix_norm(
    A: Any,
    ord: float | str = "fro",
    dim: Dims = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Any:
    r"""Norm of each matrix: ``"fro"``, the root of the sum of squares, or by columns and rows.

    ``ord`` 1 and -1 give the largest and smallest sum of sizes in a column, ``inf`` and ``-inf``
    those in a row. Norms by singular values (2, -2, ``"nuc"``) are not there.
    """
    dims = (dim,) if dim is None or isinstance(dim, int) else tuple(dim)
    if A.ndim < 2 or len(dims) != 2:
        raise ShapeError(
            f"matrix_norm(A, dim={dim}): a matrix has two dimensions\n  A  {A.spec}\n"
            "  expected 2 dimensions or more, and dim with two of them\n"
            "  vector_norm() takes the length of a vector"
        )
    rows, columns = (one_dim(d, A.ndim) for d in dims)
    if rows == columns:
        raise ShapeError(f"matrix_norm(A, dim={dim}): both are the same dimension\n  A  {A.spec}")
    if dtype is not None:
        A = to_dtype(A, dtype)
    if ord == "fro":
        return reduce.norm(A, 2, (rows, columns), keepdim)
    if ord not in (1, -1, inf, -inf):
        raise ComputeError(
            f"matrix_norm(A, ord): ord={ord!r} is not supported\n"
            "  expected 'fro', 1, -1, inf or -inf"
        )
    along, over = (rows, columns) if abs(float(ord)) == 1 else (columns, rows)
    sums = reduce.norm(A, 1, along, True)
    found = (reduce.amax if float(ord) > 0 else reduce.amin)(sums, over, True)
    return found if keepdim else squeeze(found, (rows, columns))


@public
def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The diagonal of each matrix: ``(..., N, N)`` gives ``(..., N)``."""
    return _diagonal(A, offset, dim1, dim2)


__all__ = [
    "LinAlgError",
    "SignLog",
    "cholesky",
    "det",
    "diagonal",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "pinv",
    "slogdet",
    "solve",
    "vector_norm",
]
