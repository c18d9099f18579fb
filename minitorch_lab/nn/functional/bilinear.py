"""Two inputs that act on each other."""

from __future__ import annotations

from ...errors import KindError, ShapeError, describe
from ...ops.einsum import einsum
from ...tensor import Tensor


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""A number for each pair of entries, added up: :math:`y_o = x_1^\top W_o\, x_2 + b_o`.

    Shapes: ``input1`` ``(..., N)``, ``input2`` ``(..., M)``, ``weight`` ``(O, N, M)``, ``bias``
    ``(O,)``; the result ``(..., O)``.

    >>> import minitorch_lab as lab
    >>> import minitorch_lab.nn.functional as F
    >>> x, y = lab.tensor([[1.0, 2.0]]), lab.tensor([[3.0, 4.0]])
    >>> F.bilinear(x, y, weight=lab.eye(2).reshape(1, 2, 2))
    tensor([[11.]])
    """
    given = {"input1": input1, "input2": input2, "weight": weight}
    for name, x in given.items():
        if not isinstance(x, Tensor):
            raise KindError(f"bilinear(): {name} must be a tensor, got {describe(x)}")
    shapes = [tuple(x.shape) for x in given.values()]
    first, second, size = shapes
    fits = len(size) == 3 and first and second and first[:-1] == second[:-1]
    if not fits or (first[-1], second[-1]) != size[1:]:
        lines = [f"  {name}  {x.spec}" for name, x in given.items()]
        raise ShapeError(
            "\n".join(["bilinear(): the inputs do not fit the weight", *lines])
            + "\n  expected input1 (..., N), input2 (..., M) with equal sizes before, and "
            "weight (O, N, M)"
        )
    if bias is not None and tuple(bias.shape) != size[:1]:
        raise ShapeError(f"bilinear(): bias does not fit\n  expected {size[:1]}, got {bias.spec}")
    out = einsum("...n,onm,...m->...o", input1, weight, input2)
    return out if bias is None else out + bias
