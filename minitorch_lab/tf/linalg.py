"""``tf.linalg``: products, norms, decompositions, and parts of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import linalg as engine
from ..errors import ArgumentError
from ..op import OPS
from ..ops import FUNCTIONS
from . import arrays
from .arrays import eye, global_norm
from .errors import retells
from .math import abs, floats, pair, product, reduce_max, reduce_sum, sqrt
from .math import pow as power
from .tensor import as_tensor, styled

Name = str | None


@retells
def matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False,
    adjoint_b: bool = False, a_is_sparse: bool = False, b_is_sparse: bool = False,
    output_type: Any = None, name: Name = None,
) -> Any:  # fmt: skip
    """The product of matrices, or of stacks of them: both have two dimensions or more.

    >>> matmul([[1.0, 2.0]], [[3.0], [4.0]]).numpy()
    array([[11.]], dtype=float32)
    """
    x, y = pair("matmul", a, b, "a", "b")
    x = FUNCTIONS["transpose"](x, -1, -2) if transpose_a or adjoint_a else x
    y = FUNCTIONS["transpose"](y, -1, -2) if transpose_b or adjoint_b else y
    return product(x, y, "matmul", ("a", "b"))


@retells
def matvec(a: Any, b: Any, transpose_a: bool = False, name: Name = None) -> Any:
    """A matrix times a vector."""
    return arrays.squeeze(matmul(a, arrays.expand_dims(b, -1), transpose_a), -1)


@retells
def tensordot(a: Any, b: Any, axes: Any, name: Name = None) -> Any:
    """Products summed over the last ``axes`` dimensions of a and the first of b, or over pairs."""
    x, y = pair("tensordot", a, b, "a", "b")
    if not isinstance(axes, int):
        first, second = ([d] if isinstance(d, int) else [*d] for d in axes)
        axes = (first, second)
    return styled(FUNCTIONS["tensordot"](x, y, axes))


@retells
def einsum(equation: str, *inputs: Any, **kwargs: Any) -> Any:
    """Products summed as an equation such as "ij,jk->ik" says."""
    return styled(FUNCTIONS["einsum"](equation, *map(as_tensor, inputs)))


@retells
def norm(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False,
    name: Name = None,
) -> Any:  # fmt: skip
    """The length of a tensor, or of its parts along ``axis``: "euclidean", 1, 2 or inf."""
    x = floats("norm", tensor)
    if ord in ("euclidean", "fro") or ord == 2:
        return sqrt(reduce_sum(OPS["mul"](x, x), axis, keepdims))
    if ord == np.inf:
        return reduce_max(abs(x), axis, keepdims)
    if not isinstance(ord, int | float) or ord <= 0:
        raise ArgumentError(f"norm(ord): got {ord!r}\n  expected 'euclidean', a number or np.inf")
    return power(reduce_sum(power(abs(x), float(ord)), axis, keepdims), 1.0 / ord)


@retells
def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: Name = None) -> Any:
    """The vectors along ``axis`` made 1 long."""
    x = floats("l2_normalize", x)
    square = reduce_sum(OPS["mul"](x, x), axis, True)
    return styled(OPS["mul"](x, FUNCTIONS["rsqrt"](FUNCTIONS["clamp"](square, min=epsilon))))


@retells
def matrix_transpose(a: Any, name: Name = None, conjugate: bool = False) -> Any:
    """The last two dimensions swapped."""
    return styled(FUNCTIONS["transpose"](as_tensor(a), -1, -2))


@retells
def inv(input: Any, adjoint: bool = False, name: Name = None) -> Any:
    """The inverse of a square matrix."""
    return styled(engine.inv(floats("inv", input)))


@retells
def det(input: Any, name: Name = None) -> Any:
    """The determinant of a square matrix."""
    return styled(engine.det(floats("det", input)))


@retells
def slogdet(input: Any, name: Name = None) -> Any:
    """The sign of the determinant, and the logarithm of its size."""
    return styled(tuple(engine.slogdet(floats("slogdet", input))))


@retells
def solve(matrix: Any, rhs: Any, adjoint: bool = False, name: Name = None) -> Any:
    """The matrix x for which matrix @ x is rhs."""
    return styled(engine.solve(*pair("solve", matrix, rhs, "matrix", "rhs")))


@retells
def cholesky(input: Any, name: Name = None) -> Any:
    """The lower triangle L of which L @ L.T is the matrix."""
    return styled(engine.cholesky(floats("cholesky", input)))


@retells
def pinv(a: Any, rcond: Any = None, name: Name = None) -> Any:
    """The pseudo-inverse of a matrix."""
    return styled(engine.pinv(floats("pinv", a)))


@retells
def trace(x: Any, name: Name = None) -> Any:
    """The sum of the diagonal."""
    return reduce_sum(diag_part(x), -1)


@retells
def diag_part(input: Any, name: Name = None) -> Any:
    """The diagonal of the last two dimensions."""
    return styled(FUNCTIONS["diagonal"](as_tensor(input), dim1=-2, dim2=-1))


tensor_diag_part = diag_part


@retells
def diag(diagonal: Any, name: Name = None) -> Any:
    """Matrices with these diagonals, and 0 elsewhere."""
    return styled(FUNCTIONS["diag_embed"](as_tensor(diagonal)))


@retells
def band_part(input: Any, num_lower: int, num_upper: int, name: Name = None) -> Any:
    """A matrix with zeros outside of so many diagonals; a negative number keeps all."""
    x = as_tensor(input)
    x = x if num_lower < 0 else FUNCTIONS["triu"](x, -int(num_lower))
    return styled(x if num_upper < 0 else FUNCTIONS["tril"](x, int(num_upper)))


@retells
def cross(a: Any, b: Any, name: Name = None) -> Any:
    """The cross product of vectors of three."""
    return styled(FUNCTIONS["cross"](*pair("cross", a, b, "a", "b"), dim=-1))


__all__ = [
    "band_part", "cholesky", "cross", "det", "diag", "diag_part", "einsum", "eye", "global_norm",
    "inv", "l2_normalize", "matmul", "matrix_transpose", "matvec", "norm", "pinv", "slogdet",
    "solve", "tensor_diag_part", "tensordot", "trace",
]  # fmt: skip
